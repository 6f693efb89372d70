"""Rectangles, padding, brightness, the ROI table and the editor's session."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from roi_making import moved

from npc_helpers.imaging import roi
from npc_helpers.imaging.alignment import slice_notes
from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.imaging.roi import Rectangle, ROIError
from npc_helpers.statistics import bland_altman
from npc_helpers.study import StudyError
from npc_helpers.study.settings import PAPER, TUTORIAL
from npc_helpers.widgets.roi_session import RoiSession

ROWS, COLUMNS = 300, 420


def series(seed=0, *, slices=3, rows=ROWS, columns=COLUMNS):
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 4096, (slices, rows, columns)).astype(np.uint16)
    return MRSeries(array, (0.5, 0.4), np.arange(slices) * 6.0, 6.0, np.eye(3)[:2].ravel(), "", "",
                    ())  # fmt: skip


@pytest.fixture(scope="module")
def stacks():
    """Two patients, both time points, both sequences."""
    keys = [(p, t, s) for p in ("P1", "P2") for t in ("pre", "post") for s in ("t2w", "t1c")]
    return {key: series(number) for number, key in enumerate(keys)}


class NoSuggestions:
    """As much of a study as `suggest_rois` needs."""

    def __init__(self, folder):
        self.folder = folder

    def table_path(self, name):
        return self.folder / f"{name}.csv"


@pytest.fixture
def rois(stacks, tmp_path):
    return roi.suggest_rois(NoSuggestions(tmp_path), stacks)


@st.composite
def rectangles(draw, rows=ROWS, columns=COLUMNS):
    x0 = draw(st.integers(0, columns - 8))
    y0 = draw(st.integers(0, rows - 8))
    return Rectangle(
        x0, y0, draw(st.integers(x0 + 8, columns)), draw(st.integers(y0 + 8, rows))
    )  # fmt: skip


# --- crop and pad -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [512, 511])
@pytest.mark.parametrize(("rows", "columns"), [(8, 9), (9, 8), (301, 300), (300, 301), (511, 1)])
def test_of_an_odd_rest_the_larger_half_is_below_and_to_the_right(rows, columns, size):
    """The crop lies in the middle; a spare row or column comes after it."""
    padded = roi.zero_pad(np.ones((rows, columns), np.uint8), size)
    above, left = (int(padded.any(axis=axis).argmax()) for axis in (1, 0))
    below, right = size - rows - above, size - columns - left
    assert padded[above : above + rows, left : left + columns].all()
    assert padded.sum() == rows * columns
    assert below - above == (size - rows) % 2
    assert right - left == (size - columns) % 2


@given(rectangle=rectangles())
def test_cropping_the_padded_crop_gives_it_back(rectangle):
    image = series().array[0]
    region = roi.crop(image, rectangle)
    padded = roi.zero_pad(region)
    row, column = roi.pad_offset(rectangle)
    assert padded.shape == (512, 512)
    assert np.array_equal(padded[row : row + rectangle.height, column : column + rectangle.width],
                          region)  # fmt: skip
    assert padded.sum() == region.sum()
    frame = [row, 512 - row - rectangle.height, column, 512 - column - rectangle.width]
    assert min(frame) >= 0
    assert abs(frame[0] - frame[1]) <= 1
    assert abs(frame[2] - frame[3]) <= 1


def test_crop_is_half_open_and_x_is_the_column():
    image = np.arange(20 * 30).reshape(20, 30)
    region = roi.crop(image, Rectangle(3, 5, 13, 14))
    assert region.shape == (9, 10)
    assert region[0, 0] == 5 * 30 + 3
    assert region[-1, -1] == 13 * 30 + 12


def test_padding_and_cropping_work_on_stacks_too():
    stack = series().array
    rectangle = Rectangle(10, 20, 210, 120)
    assert np.array_equal(
        roi.zero_pad(roi.crop(stack, rectangle))[1], roi.zero_pad(roi.crop(stack[1], rectangle))
    )


@pytest.mark.parametrize(
    ("box", "says"),
    [
        ((0, 0, 600, 200), "600 x 200 pixels"),
        ((0, 0, 200, 513), "without shrinking"),
        ((-1, 0, 100, 100), "leaves the image"),
        ((700, 0, 801, 100), "leaves the image of 800 columns x 700 rows"),
        ((0, 650, 100, 701), "leaves the image"),
        ((10, 10, 17, 100), "smallest is 8 x 8"),
        ((100, 100, 50, 50), "smallest is 8 x 8"),
    ],
)
def test_impossible_rectangles_are_refused(box, says):
    with pytest.raises(ROIError, match=says):
        Rectangle(*box).check(700, 800)


def test_the_largest_rectangle_fits():
    Rectangle(0, 0, 512, 512).check(512, 512)
    with pytest.raises(ROIError, match="does not fit into 512 x 512"):
        roi.zero_pad(np.zeros((513, 10)))


# --- brightness -------------------------------------------------------------------------------


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.float32]),
        (3, 5, 7),
        elements=st.integers(0, 255),
    ),
    st.floats(0, 40),
    st.floats(60, 100),
)
def test_range_is_numpys_percentile_of_the_pixels_that_are_not_zero(stack, low, high):
    pixels = stack[stack != 0]
    expected = np.percentile(pixels, [low, high], method="inverted_cdf") if pixels.size else (0, 0)
    assert roi.intensity_range(stack, low=low, high=high) == tuple(map(float, expected))


def test_negative_values_count():
    stack = np.array([[[-50, -10, 0, 20]]], dtype=np.int16)
    assert roi.intensity_range(stack, low=0, high=100) == (-50, 20)


@given(scale=st.integers(1, 12), seed=st.integers(0, 1000))
def test_the_scanners_scale_does_not_matter(scale, seed):
    stack = np.random.default_rng(seed).integers(0, 4096, (2, 20, 20)).astype(np.uint16)
    shown, scaled = roi.to_uint8(stack), roi.to_uint8((stack * scale).astype(np.uint16))
    difference = np.abs(shown.astype(int) - scaled)
    assert difference.max() <= 1  # a value halfway between two greys may fall to either side
    assert difference.mean() < 0.01


def test_stretch_covers_the_range_and_keeps_order():
    stack = np.arange(1, 1001, dtype=np.uint16).reshape(1, 20, 50)
    shown = roi.to_uint8(stack)
    assert shown.dtype == np.uint8
    assert (shown.min(), shown.max()) == (0, 255)
    assert (np.diff(shown.ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_is_black(value):
    assert not roi.to_uint8(np.full((2, 9, 9), value, np.uint16)).any()


# --- the table --------------------------------------------------------------------------------


def test_without_suggestions_a_centred_rectangle_of_400_by_200_waits(rois, stacks):
    assert list(rois.columns) == roi.COLUMNS
    assert len(rois) == 8 * 3
    assert set(rois.source) == {"default"}
    assert rois[roi.BOX].drop_duplicates().to_numpy().tolist() == [[10, 50, 410, 250]]


def test_the_default_shrinks_with_a_small_image():
    assert roi.default_rectangle(100, 320) == Rectangle(0, 0, 320, 100)


def test_suggestions_of_the_study_come_first(stacks, tmp_path, rois):
    offered = rois.iloc[[4]].assign(x0=1, y0=2, x1=300, y1=150, source="suggested")
    offered.to_csv(tmp_path / "suggested_rois.csv", index=False)
    table = roi.suggest_rois(NoSuggestions(tmp_path), stacks)
    assert table.loc[4, roi.BOX].tolist() == [1, 2, 300, 150]
    assert table.source.value_counts().to_dict() == {"default": 23, "suggested": 1}


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("x1", 700, "patient P1, pre t1c, slice 2: the rectangle"),
        ("x1", 430, "leaves the image"),
        ("x1", 12, "smallest"),
        ("slice_index", 3, "has slices 0 to 2"),
        ("slice_index", 1, "more than one rectangle"),
        ("y0", None, "whole numbers"),
        ("y0", 1.5, "whole numbers"),
        ("y0", "ten", "whole numbers"),
    ],
)
def test_a_bad_row_is_named(rois, stacks, column, value, says):
    rois[column] = rois[column].astype(object)
    rois.loc[5, column] = value
    with pytest.raises(ROIError, match=says):
        roi.check_rois(rois, stacks)


def test_many_bad_rows_are_counted_and_a_missing_column_is_named(rois, stacks):
    with pytest.raises(ROIError, match="and 19 more"):
        roi.check_rois(rois.assign(x1=9999), stacks)
    with pytest.raises(ROIError, match="no column x0, y1"):
        roi.check_rois(rois.drop(columns=["x0", "y1"]), stacks)


# --- network inputs ---------------------------------------------------------------------------


@pytest.mark.parametrize("setting", [TUTORIAL, PAPER], ids=lambda setting: setting.name)
def test_inputs_are_the_steps_one_after_the_other(stacks, rois, setting):
    rois.loc[3, roi.BOX] = [11, 21, 312, 134]
    images, index = roi.network_inputs(stacks, rois, setting=setting)
    assert images.shape == (24, setting.input_size, setting.input_size, 1)
    assert images.dtype == np.uint8
    assert index.equals(rois[roi.INDEX])
    row = rois.loc[3]
    shown = roi.to_uint8(stacks["P1", "pre", "t1c"].array)[row.slice_index]
    canvas = roi.zero_pad(shown[21:134, 11:312], setting.canvas)
    n, shrink = setting.input_size, setting.shrink
    mean = canvas.reshape(n, shrink, n, shrink).mean(axis=(1, 3))
    assert np.array_equal(images[3, :, :, 0], np.floor(mean + 0.5))


def test_order_is_that_of_the_table_and_other_series_are_left_out(stacks, rois):
    mixed = rois.sample(frac=1, random_state=1)
    post_only = {("P2", "post", "t2w"): stacks["P2", "post", "t2w"]}
    images, index = roi.network_inputs(post_only, mixed, setting=TUTORIAL)
    wanted = mixed[(mixed.patient_id == "P2") & (mixed.timepoint == "post")]
    assert index.slice_index.tolist() == wanted[wanted.sequence == "t2w"].slice_index.tolist()
    straight, _ = roi.network_inputs(post_only, rois, setting=TUTORIAL)
    assert np.array_equal(images, straight[index.slice_index])


def test_many_inputs_are_a_memory_map_of_the_same_pixels(stacks, rois, tmp_path, monkeypatch):
    expected, _ = roi.network_inputs(stacks, rois, setting=TUTORIAL)
    monkeypatch.setattr(roi, "IN_MEMORY", 0)
    mapped, _ = roi.network_inputs(stacks, rois, setting=TUTORIAL, folder=tmp_path)
    assert isinstance(mapped, np.memmap) and not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, expected)
    roi.network_inputs(stacks, rois, setting=TUTORIAL, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1  # the same pixels lie in the same file
    some, _ = roi.network_inputs(stacks, rois.iloc[:4], setting=TUTORIAL, folder=tmp_path)
    np.testing.assert_array_equal(some, expected[:4])
    assert len(list(tmp_path.iterdir())) == 2


def test_no_rectangle_at_all_is_an_error(stacks, rois):
    with pytest.raises(ROIError, match="no rectangle"):
        roi.network_inputs(stacks, rois.iloc[:0], setting=TUTORIAL)


# --- two readers ------------------------------------------------------------------------------


def test_overlap_of_known_rectangles():
    square = Rectangle(0, 0, 10, 10)
    assert roi.overlap(square, square) == 1
    assert roi.overlap(square, Rectangle(10, 0, 20, 10)) == 0
    assert roi.overlap(square, Rectangle(5, 0, 15, 10)) == pytest.approx(1 / 3)


@given(rectangles(), rectangles())
def test_overlap_counts_pixels(a, b):
    drawn = np.zeros((2, ROWS, COLUMNS), dtype=bool)
    drawn[0][a.slices] = drawn[1][b.slices] = True
    assert roi.overlap(a, b) == pytest.approx(drawn.all(axis=0).sum() / drawn.any(axis=0).sum())
    assert roi.overlap(a, b) == roi.overlap(b, a)


def test_compare_readers_pairs_images_whatever_the_order(rois):
    second_reader = rois.assign(x1=rois.x1 - 200).sample(frac=1, random_state=0).iloc[:20]
    table = roi.compare_readers(rois, second_reader)
    assert len(table) == 20
    assert (table.iou == 0.5).all()
    limits = bland_altman(table.area_a, table.area_b)
    assert limits == {"bias": 40000, "low": 40000, "high": 40000, "n": 20}


def test_bland_altman_of_a_worked_example():
    limits = bland_altman([10, 12, 14, 20], [9, 12, 16, 15])
    assert limits["bias"] == 1  # differences 1, 0, -2, 5: standard deviation sqrt(26 / 3)
    assert limits["high"] == pytest.approx(1 + 1.96 * (26 / 3) ** 0.5)
    assert limits["low"] == pytest.approx(1 - 1.96 * (26 / 3) ** 0.5)


def test_readers_without_common_images_are_refused(rois):
    with pytest.raises(ROIError, match="no image in common"):
        roi.compare_readers(rois.iloc[:3], rois.iloc[3:])
    with pytest.raises(ROIError, match="more than one rectangle in the second table"):
        roi.compare_readers(rois, pd.concat([rois, rois]))


# --- the session ------------------------------------------------------------------------------


@pytest.fixture
def session(stacks, rois, tmp_path):
    return RoiSession(
        stacks, rois, patient_id="P1", timepoint="pre", reader_id="anna", path=tmp_path / "a.csv"
    )


BOX = Rectangle(20, 30, 220, 130)


def test_the_session_walks_through_slices_sequences_and_patients(session):
    assert session.progress == "slice 1 of 3, patient 1 of 2"
    assert session.sequences == ("t2w", "t1c")
    session.show(slice_index=1)
    session.show(sequence="t1c")
    assert (session.sequence, session.slice_index) == ("t1c", 1)
    session.show(slice_index=6)
    assert session.progress == "slice 3 of 3, patient 1 of 2"
    session.next_patient()
    assert session.progress == "slice 1 of 3, patient 2 of 2"
    session.next_patient()
    assert session.patient_id == "P2"
    with pytest.raises(ROIError, match="no sequence 'pd'"):
        session.show(sequence="pd")
    with pytest.raises(ROIError, match="patient P9 has no pre series"):
        session.open("P9")


def test_draw_undo_redo_and_reset(session):
    before = session.rectangle
    session.set(BOX)
    assert (session.rectangle, session.source) == (BOX, "manual")
    assert session.size_mm() == pytest.approx((200 * 0.4, 100 * 0.5))
    session.undo()
    assert (session.rectangle, session.source) == (before, "default")
    assert session.can_redo
    session.redo()
    assert session.rectangle == BOX
    session.reset()
    assert (session.rectangle, session.source) == (before, "default")
    session.undo()
    assert session.rectangle == BOX
    session.undo()
    session.undo()
    assert not session.can_undo


def test_a_new_drawing_ends_what_could_be_taken_again(session):
    session.set(BOX)
    session.undo()
    session.set(moved(BOX, 5, 5))
    assert not session.can_redo
    session.redo()
    assert session.rectangle == moved(BOX, 5, 5)
    session.undo()
    assert session.rectangle == Rectangle(10, 50, 410, 250)


def test_undo_shows_where_it_happened(session):
    session.show(sequence="t1c", slice_index=2)
    session.set(BOX)
    session.open("P2")
    session.undo()
    assert (session.patient_id, session.sequence, session.slice_index) == ("P1", "t1c", 2)


def test_copies(session):
    session.set(BOX)
    session.copy_to_next()
    assert session.slice_index == 1
    assert (session.rectangle, session.source) == (BOX, "copied")
    session.copy_to_next()
    assert session.slice_index == 2
    assert set(session.boxes().values()) == {(20, 30, 220, 130)}
    session.copy_to_sequence()
    assert session.boxes("t1c") == session.boxes("t2w")
    session.undo()
    assert session.get(sequence="t1c", slice_index=0) == Rectangle(10, 50, 410, 250)


def test_copying_from_the_last_slice_does_nothing(session):
    session.show(slice_index=2)
    session.copy_to_next()
    assert not session.can_undo


def test_who_lacks_this_time_point_is_passed_over_and_not_counted(stacks):
    some = {key: stack for key, stack in stacks.items() if key[:2] != ("P2", "pre")}
    some |= {("P3", when, "t2w"): series() for when in ("pre", "post")}
    rows = [(*key, 0, 10, 50, 410, 250, "default", "") for key in some]
    rois = pd.DataFrame(rows, columns=roi.COLUMNS)
    session = RoiSession(some, rois, patient_id="P1", timepoint="pre")
    session.next_patient()
    assert (session.patient_id, session.progress) == ("P3", "slice 1 of 3, patient 2 of 2")
    session.switch_timepoint()
    assert session.progress == "slice 1 of 3, patient 3 of 3"
    session.next_patient(-1)
    assert (session.patient_id, session.has_other_timepoint) == ("P2", False)
    with pytest.raises(ROIError, match="patient P2 has no pre series"):
        session.switch_timepoint()
    assert (session.patient_id, session.timepoint) == ("P2", "post")


def test_before_and_after_treatment_are_drawn_in_one_session(session):
    session.set(BOX)
    session.switch_timepoint()
    assert (session.patient_id, session.timepoint) == ("P1", "post")
    assert session.rectangle == Rectangle(10, 50, 410, 250)
    session.set(moved(BOX, 7, 7))
    assert session.drawn()[["timepoint", "x0"]].to_numpy().tolist() == [["pre", 20], ["post", 27]]
    session.undo()
    session.undo()
    assert (session.timepoint, session.drawn().empty) == ("pre", True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"array": series().array[:2], "positions_mm": np.arange(2) * 6.0},
            "2 x 300 x 420 against",
        ),
        ({"positions_mm": np.arange(3) * 6.0 + 40}, "slice 1 lies 40.0 mm from"),
        ({"positions_mm": np.arange(3) * 7.0}, "slice 3 lies 2.0 mm from"),
        ({"pixel_spacing_mm": (0.8, 0.8)}, "pixels are 0.80 x 0.80 mm against 0.50 x 0.40 mm"),
        ({"orientation": np.array([1.0, 0, 0, 0, 0, -1])}, "different planes"),
    ],
)
def test_copying_to_another_geometry_is_refused(stacks, rois, change, says):
    changed = {**stacks, ("P1", "pre", "t1c"): replace(series(), **change)}
    session = RoiSession(changed, rois.drop(index=5), patient_id="P1", timepoint="pre")
    with pytest.raises(ROIError, match=f"t1c and t2w do not match, .*{says}.* by hand"):
        session.copy_to_sequence()
    assert not session.can_undo


def test_slightly_other_geometry_is_copied(stacks, rois):
    shifted = replace(
        series(), positions_mm=np.arange(3) * 6.0 + 0.9, pixel_spacing_mm=(0.502, 0.4)
    )
    session = RoiSession(
        {**stacks, ("P1", "pre", "t1c"): shifted}, rois, patient_id="P1", timepoint="pre"
    )
    session.copy_to_sequence()
    assert session.can_undo


def test_notes_say_where_slices_side_by_side_lie_apart():
    first, shorter = series(), replace(series(), positions_mm=np.array([0.0, 5.5]))
    assert slice_notes(first, first, name="T2W") == ["", "", ""]
    assert slice_notes(shorter, first, name="T2W") == [
        "", "", "this slice lies 6.5 mm from that of T2W"
    ]  # fmt: skip
    tilted = replace(first, orientation=np.array([1.0, 0, 0, 0, 0.98, 0.199]))
    assert set(slice_notes(tilted, first, name="T2W")) == {"another plane than T2W"}


def test_a_refused_rectangle_changes_nothing(session, tmp_path):
    before = session.to_frame()
    with pytest.raises(ROIError, match="patient P1, pre t2w, slice 0: .* leaves the image"):
        session.set(Rectangle(300, 0, 500, 100))
    with pytest.raises(ROIError, match="slices 0 to 2"):
        session.set(BOX, slice_index=3)
    assert session.to_frame().equals(before)
    assert not (tmp_path / "a.csv").exists()


def test_every_change_is_saved_and_taken_up_again(session, stacks, rois, tmp_path):
    session.set(BOX)
    session.show(sequence="t1c", slice_index=1)
    session.set(moved(BOX, 5, 5))
    session.undo()
    again = RoiSession(
        stacks, rois, patient_id="P1", timepoint="pre", reader_id="anna", path=tmp_path / "a.csv"
    )
    assert again.to_frame().equals(session.to_frame())
    assert again.drawn()[roi.BOX].to_numpy().tolist() == [[20, 30, 220, 130]]


def test_other_readers_rows_are_never_overwritten(session, stacks, rois, tmp_path):
    path = tmp_path / "a.csv"
    session.set(BOX)
    second = RoiSession(stacks, rois, patient_id="P1", timepoint="pre", reader_id="bert", path=path)
    assert second.rectangle == Rectangle(10, 50, 410, 250)
    second.set(moved(BOX, 1, 1))
    session.show(slice_index=1)
    session.set(BOX)
    saved = pd.read_csv(path)
    assert saved.groupby("reader_id").size().to_dict() == {"anna": 2, "bert": 1}
    assert saved[saved.reader_id == "bert"].x0.tolist() == [21]


def test_starting_from_another_readers_table_claims_nothing(stacks, rois, tmp_path):
    rois = rois.assign(source="manual", reader_id="bert")
    session = RoiSession(stacks, rois, patient_id="P2", timepoint="post", reader_id="anna")
    assert session.drawn().empty
    session.set(BOX)
    merged = session.merge_into(rois)
    assert merged.reader_id.value_counts().to_dict() == {"bert": 23, "anna": 1}
    assert merged[roi.IMAGE].equals(rois[roi.IMAGE])


def test_a_foreign_file_or_a_nameless_reader_is_refused(stacks, rois, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(StudyError, match="is no table of rectangles"):
        RoiSession(stacks, rois, patient_id="P1", timepoint="pre", path=path)
    with pytest.raises(ROIError, match="reader_id is blank"):
        RoiSession(stacks, rois, patient_id="P1", timepoint="pre", reader_id=" ")


def test_a_slice_without_rectangle_can_be_drawn_and_undone(stacks, rois):
    session = RoiSession(stacks, rois.drop(index=0), patient_id="P1", timepoint="pre")
    assert session.rectangle is None
    with pytest.raises(ROIError, match="Draw one first"):
        session.copy_to_next()
    session.set(BOX)
    session.undo()
    assert session.rectangle is None
