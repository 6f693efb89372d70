"""The widgets without a browser: what travels, what a command does, what is refused."""

import json
import re
import shutil
import subprocess
from base64 import b64decode
from dataclasses import asdict, replace
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.image import imread
from small_study import make_study

from npc_helpers.cohort import CRITERIA, flow, screen
from npc_helpers.figures import roc_figure
from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.imaging.roi import COLUMNS, LIMIT, SMALLEST, Rectangle, stretch
from npc_helpers.network.map_geometry import Geometry
from npc_helpers.study import mark
from npc_helpers.widgets import (
    GradCamExplorer,
    IntegerBoxes,
    RocExplorer,
    RoiEditor,
    ScreeningExplorer,
)
from npc_helpers.widgets.base import STATIC, browser_module, edge_letters
from npc_helpers.widgets.gradcam_explorer import Examination
from npc_helpers.widgets.roi_session import RoiSession

AXIAL = np.array([1.0, 0, 0, 0, 1, 0])

PLACES = Geometry(first_centre=37, stride=32, canvas=512, shrink=2)


def series(seed, *, dtype=np.uint16, shape=(4, 200, 240)):
    array = np.random.default_rng(seed).integers(0, 900, shape).astype(dtype)
    return MRSeries(
        array=array, pixel_spacing_mm=(0.5, 0.25), positions_mm=np.arange(4) * 5.0,
        slice_spacing_mm=5.0, orientation=AXIAL, patient_id="A", description="", findings=(),
    )  # fmt: skip


@pytest.fixture
def session(tmp_path):
    stacks = {
        (patient, "pre", name): series(seed, dtype=kind)
        for patient in ("A", "B")
        for seed, (name, kind) in enumerate([("t2w", np.uint16), ("t1c", np.float32)])
    }
    rows = [(*key, i, 20, 30, 120, 90, "suggested", "") for key in stacks for i in range(4)]
    rois = pd.DataFrame(rows, columns=COLUMNS)
    return RoiSession(stacks, rois, patient_id="A", timepoint="pre", path=tmp_path / "rois.csv")


@pytest.fixture
def both(session):
    """The session after a second examination of patient A, one sequence of it, came in."""
    session._stacks["A", "post", "t2w"] = series(9)
    return session


def command(editor, action, **more):
    """Deliver a message as the browser would."""
    where = {"sequence": editor.sequence, "slice_index": editor.slice_index, "id": 7}
    editor._handle_custom_msg({**where, "action": action, **more}, [])


# --- the editor -------------------------------------------------------------------------------


def test_editor_sends_pixels_and_windows_of_the_session(session):
    editor = RoiEditor(session)
    assert [shown["name"] for shown in editor.series] == ["t2w", "t1c"]
    sent = np.frombuffer(editor.volumes[0], dtype="<u2").reshape(4, 200, 240)
    np.testing.assert_array_equal(sent, session.series("t2w").array)
    low, high = editor.series[0]["presets"][0]["window"]
    from npc_helpers.imaging.roi import to_uint8

    np.testing.assert_array_equal(stretch(sent, low, high), to_uint8(sent))
    assert editor.series[0]["spacing"] == [0.5, 0.25]
    assert editor.series[0]["letters"] == "RLAP"
    scaled = np.frombuffer(editor.volumes[1], dtype="<u2").reshape(4, 200, 240)
    original = session.series("t1c").array
    assert scaled.max() == 65535
    np.testing.assert_allclose(scaled / 65535, original / original.max(), atol=1e-5)


def test_drawing_reaches_the_session_and_the_file(session):
    editor = RoiEditor(session)
    command(editor, "set", box=[10, 20, 110, 90])
    assert editor.rois["t2w"][0] == (10, 20, 110, 90)
    assert session.get() == Rectangle(10, 20, 110, 90)
    assert editor.state["sources"]["t2w"][0] == "manual" and editor.state["can_undo"]
    saved = pd.read_csv(session.path)
    assert saved[["x0", "y0", "x1", "y1"]].to_numpy().tolist() == [[10, 20, 110, 90]]
    command(editor, "undo")
    assert editor.rois["t2w"][0] == (20, 30, 120, 90) and editor.state["can_redo"]
    command(editor, "redo")
    assert editor.rois["t2w"][0] == (10, 20, 110, 90)
    command(editor, "reset")
    assert editor.rois["t2w"][0] == (20, 30, 120, 90)


def test_copies_go_to_the_next_slice_and_to_the_other_sequence(session):
    editor = RoiEditor(session)
    command(editor, "set", box=[10, 20, 110, 90])
    command(editor, "copy_next")
    assert editor.slice_index == session.slice_index == 1
    assert editor.rois["t2w"][1] == (10, 20, 110, 90)
    command(editor, "copy_sequence")
    assert editor.rois["t1c"] == editor.rois["t2w"]
    assert editor.state["sources"]["t1c"][1] == "copied"


def test_what_is_refused_comes_back_as_a_message_and_changes_nothing(session):
    editor = RoiEditor(session)
    before = editor.rois
    command(editor, "set", box=[10, 20, 300, 90])
    assert "leaves the image" in editor.state["message"] and editor.rois == before
    assert editor.state["answered"] == 7
    command(editor, "set", box=[10, 20, 110, 90])
    assert editor.state["message"] == ""


def test_editor_and_session_look_at_the_same_slice(session):
    editor = RoiEditor(session)
    editor.set_state({"slice_index": 2, "sequence": "t1c"})
    assert (session.sequence, session.slice_index) == ("t1c", 2)
    command(editor, "patient", step=1)
    assert session.patient_id == "B" and editor.state["patient"] == 2
    assert (editor.sequence, editor.slice_index) == ("t2w", 0)


def test_both_time_points_are_one_command_apart(both):
    editor = RoiEditor(both)
    assert editor.state["other_timepoint"] == "post" and editor.state["has_other_timepoint"]
    command(editor, "timepoint")
    assert (both.timepoint, editor.state["patient_id"]) == ("post", "A, post-treatment")
    sent = np.frombuffer(editor.volumes[0], dtype="<u2").reshape(4, 200, 240)
    np.testing.assert_array_equal(sent, both.series("t2w").array)
    command(editor, "patient", step=1)
    assert both.patient_id == "A" and editor.state["n_patients"] == 1
    boxes = IntegerBoxes(both)
    assert boxes.message.value.startswith("A, post-treatment, slice 1 of 4")
    boxes.buttons["pre / post"].click()
    assert both.timepoint == "pre"
    boxes.buttons["next patient"].click()
    assert both.patient_id == "B" and boxes.buttons["pre / post"].disabled


def test_series_out_of_step_are_marked(session):
    session._stacks["A", "pre", "t1c"] = replace(
        session.series("t1c"), positions_mm=np.array([0.0, 5, 10, 55])
    )
    first, second = RoiEditor(session).series
    assert first["notes"] == [""] * 4
    assert second["notes"] == ["", "", "", "this slice lies 40.0 mm from that of T2W"]


def test_change_made_by_code_shows_after_refresh(session):
    editor = RoiEditor(session)
    session.set(Rectangle(0, 0, 50, 40), slice_index=3)
    editor.refresh()
    assert editor.rois["t2w"][3] == (0, 0, 50, 40)


@pytest.mark.parametrize(
    ("orientation", "letters"),
    [
        ([1, 0, 0, 0, 1, 0], "RLAP"),
        ([-1, 0, 0, 0, 1, 0], "LRAP"),
        ([0, 1, 0, 0, 0, -1], "APSI"),  # sagittal
        ([1, 0, 0, 0, 0, -1], "RLSI"),  # coronal
        ([0.99, 0.1, 0, -0.1, 0.98, 0.2], "RLAP"),
    ],
)
def test_letters_at_the_edges(orientation, letters):
    assert edge_letters(np.array(orientation)) == letters


# --- the explorer -----------------------------------------------------------------------------


@pytest.fixture
def asked():
    return []


@pytest.fixture
def explorer(asked):
    rng = np.random.default_rng(3)
    index = pd.DataFrame(
        [("t2w", 1, 60, 156, 460, 356), ("t1c", 0, 56, 150, 456, 350)],
        columns=["sequence", "slice_index", "x0", "y0", "x1", "y1"],
    )
    mask = np.zeros((2, 512, 512), dtype=bool)
    mask[1, 200:240, 250:301] = True

    def examine(patient_id, timepoint):
        asked.append((patient_id, timepoint))
        volumes = {n: rng.integers(0, 256, (2, 512, 512), dtype=np.uint8) for n in ("t2w", "t1c")}
        return (
            None
            if (patient_id, timepoint) == ("B", "post")
            else Examination(images=volumes, index=index, mask=mask)
        )

    def compute(patient_id, timepoint, model):
        asked.append((patient_id, timepoint, model))
        return {t: rng.normal(size=(2, 6, 6)) for t in ("margin", "logit", "softmax")}

    limits = {when: dict.fromkeys(("margin", "logit", "softmax"), 2.0) for when in ("pre", "post")}
    return GradCamExplorer(["A", "B"], examine, compute, geometry=PLACES, limits=limits)


def test_explorer_asks_the_kernel_for_what_is_shown_only(explorer, asked):
    pairs = [("A", "pre", "pre"), ("A", "post", "post")]
    assert asked == [("A", "pre"), ("A", "post"), *pairs]
    explorer.target, explorer.opacity, explorer.scale = "logit", 0.2, "image"
    assert len(asked) == 4
    explorer.model = "pre"
    assert asked[4:] == [("A", "post", "pre")]
    explorer.model = "own"
    assert len(asked) == 5
    explorer.patient_id = "B"
    assert asked[5:] == [("B", "pre"), ("B", "post"), ("B", "pre", "pre")]
    assert list(explorer.examinations) == ["pre"]


def test_explorer_opens_at_the_strongest_slice_of_each_patient():
    index = pd.DataFrame(
        [("t2w", i, 60, 156, 460, 356) for i in range(5)]
        + [("t1c", i, 60, 156, 460, 356) for i in range(5)],
        columns=["sequence", "slice_index", "x0", "y0", "x1", "y1"],
    )
    strongest = {("A", "pre"): 1, ("A", "post"): 3, ("B", "pre"): 2, ("B", "post"): 0}

    def examine(patient_id, timepoint):
        return Examination({n: np.zeros((5, 512, 512), np.uint8) for n in ("t2w", "t1c")}, index)

    def compute(patient_id, timepoint, model):
        maps = np.full((10, 6, 6), -1.0)
        height = {"A": {"pre": 1, "post": 2}, "B": {"pre": 5, "post": 3}}[patient_id][timepoint]
        maps[strongest[patient_id, timepoint], 2, 3] = height
        maps[9] = 100  # of the other sequence
        return dict.fromkeys(("margin", "logit", "softmax"), maps)

    options = {"geometry": PLACES, "limits": {}}
    explorer = GradCamExplorer(["A", "B"], examine, compute, **options)
    assert (explorer.sequence, explorer.slice_index) == ("t2w", 3)
    explorer.patient_id = "B"
    assert explorer.slice_index == 2
    asked_for = GradCamExplorer(["A", "B"], examine, compute, slice_index=4, **options)
    assert asked_for.slice_index == 4


def test_geometry_of_the_maps_is_sent_to_the_browser_and_spelt_nowhere_else(explorer):
    assert explorer.geometry == asdict(PLACES)
    source = (STATIC / "gradcam_explorer.js").read_text(encoding="utf-8")
    assert not re.search(rf"\b({PLACES.first_centre}|{PLACES.stride}|{PLACES.canvas})\b", source)
    sizes = RoiEditor.class_traits()["sizes"].default()
    source = (STATIC / "roi_editor.js").read_text(encoding="utf-8")
    for number in (*sizes["usual"], LIMIT):
        assert not re.search(rf"\b{number}\b", source)
    assert sizes["smallest"] == SMALLEST


def test_explorer_packs_maps_masks_and_colours(explorer):
    post = explorer.examinations["post"]
    assert post["sequences"]["t1c"]["rows"] == [[1, 0, 56, 150, 456, 350]]
    bits = np.unpackbits(np.frombuffer(post["mask"], np.uint8)).reshape(2, 512, 512)
    assert bits[1, 200:240, 250:301].all() and bits.sum() == 40 * 51
    cells = np.frombuffer(explorer.maps["pre pre"]["values"]["margin"], "<f4")
    assert explorer.maps["pre pre"]["shape"] == [2, 6, 6] and len(cells) == 72
    viridis = np.frombuffer(explorer.tables["viridis"], np.uint8).reshape(256, 3)
    expected = colormaps["viridis"](np.arange(256))[:, :3] * 255
    np.testing.assert_allclose(viridis, expected, atol=0.5)
    red_last = np.frombuffer(explorer.tables["paper"], np.uint8).reshape(256, 3)[-1]
    assert red_last.argmax() == 0


def test_explorer_from_maps_serves_both_models_on_both_time_points(monkeypatch):
    from npc_helpers.imaging import masks
    from npc_helpers.network import gradcam

    stacks = {("A", when, "t2w"): series(1, shape=(4, 512, 512)) for when in ("pre", "post")}
    rows = [("A", "t2w", i, 56, 156, 456, 356) for i in range(4)]
    names = ["patient_id", "sequence", "slice_index", "x0", "y0", "x1", "y1"]
    index = {when: pd.DataFrame(rows, columns=names) for when in ("pre", "post")}
    for when, table in index.items():
        table.insert(1, "timepoint", when)
    rng = np.random.default_rng(4)
    activations = {when: rng.random((4, 6, 6, 8), dtype=np.float32) for when in index}
    weights = {when: (rng.normal(size=(8, 2)), np.zeros(2)) for when in index}
    monkeypatch.setattr(gradcam, "head", weights.__getitem__)
    monkeypatch.setattr(gradcam, "activations", lambda model, images: 2 * activations["post"])
    monkeypatch.setattr(masks, "read_mask", lambda *where: None)
    monkeypatch.setattr(Geometry, "of", lambda model: PLACES)
    mark.remember("made up", "all")
    explorer = GradCamExplorer.from_maps(
        None, stacks, index, activations, {"pre": "pre", "post": "post"}
    )
    assert explorer.mark == "study made up, synthetic patients"
    sent = np.frombuffer(explorer.maps["post post"]["values"]["margin"], "<f4").reshape(4, 6, 6)
    expected = gradcam.class_map(activations["post"], weights["post"][0])
    np.testing.assert_allclose(sent, expected, rtol=1e-5)
    assert explorer.limits["post"]["margin"] == pytest.approx(expected.max())
    explorer.model = "pre"
    sent = np.frombuffer(explorer.maps["post pre"]["values"]["margin"], "<f4").reshape(4, 6, 6)
    expected = gradcam.class_map(2 * activations["post"], weights["pre"][0])
    np.testing.assert_allclose(sent, expected, rtol=1e-5)


# --- screening --------------------------------------------------------------------------------


@pytest.fixture
def tables(tmp_path):
    from npc_helpers.study import Study

    study = Study(make_study(tmp_path, patients=6))
    registry = study.registry.copy()
    registry.loc[[0, 1], "surgery"] = True
    return registry, study.visits


def test_screening_explorer_follows_its_boxes(tables):
    registry, visits = tables
    explorer = ScreeningExplorer(registry, visits)
    pd.testing.assert_frame_equal(explorer.flow, flow(screen(registry, visits)))
    assert len(explorer.included) == 4
    rest = [c for c in CRITERIA if c.name != "no_surgery"]
    explorer.chosen = [c.name for c in rest]
    pd.testing.assert_frame_equal(explorer.flow, flow(screen(registry, visits, criteria=rest)))
    assert len(explorer.included) == 6
    explorer.chosen = []
    assert len(explorer.included) == 6 and explorer.flow.empty


def test_screening_explorer_sends_what_is_counted_and_no_names(tables):
    registry, visits = tables
    registry.loc[[3, 4], "progression_date"] = registry.loc[[3, 4], "last_review_date"]
    explorer = ScreeningExplorer(registry, visits)
    assert [names for names, *_ in explorer.patients] == [["no_surgery"]] * 2 + [[]] * 4
    assert [event for _, event, *_ in explorer.patients] == [False] * 3 + [True] * 2 + [False]
    assert not any(name in str(explorer.get_state()) for name in registry.patient_id)
    no_outcomes = registry.assign(
        progression_date=pd.NaT, death_date=pd.NaT, last_review_date=pd.NaT
    )
    assert explorer.with_outcomes and not ScreeningExplorer(no_outcomes, visits).with_outcomes


# --- ROC --------------------------------------------------------------------------------------


@pytest.fixture
def scored():
    rng = np.random.default_rng(8)
    truth = rng.random(43) < 0.4
    return truth, {"Pre-model": truth + rng.normal(0.2, 0.8, 43), "TNM": truth * 1.0}


def test_roc_explorer_counts_as_the_confusion_table_of_its_threshold(scored):
    truth, scores = scored
    explorer = RocExplorer(truth, scores)
    points = explorer.curves[0]["points"]
    for position in range(len(points)):
        explorer.position = position
        called = scores["Pre-model"] >= explorer.threshold
        assert explorer.table == {
            "found": (called & truth).sum(),
            "missed": (~called & truth).sum(),
            "false_alarms": (called & ~truth).sum(),
            "spared": (~called & ~truth).sum(),
        }
    assert points[0] == ["inf", 0.0, 0.0] and points[-1][1:] == [1.0, 1.0]
    json.dumps([explorer.curves, explorer.totals], allow_nan=False)  # what travels is JSON


def test_roc_explorer_opens_at_a_half_and_shows_the_curve_of_the_figure(scored):
    explorer = RocExplorer(*scored)
    points = explorer.curves[0]["points"]
    assert explorer.threshold >= 0.5 > points[explorer.position + 1][0]
    lines = roc_figure(*scored).axes[0].lines
    for curve, line in zip(explorer.curves, lines[1:3], strict=True):
        np.testing.assert_allclose([p[1] for p in curve["points"]], line.get_xdata())
        np.testing.assert_allclose([p[2] for p in curve["points"]], line.get_ydata())
    assert RocExplorer(*scored, model="TNM").threshold == 1.0


def test_roc_explorer_refuses_what_a_roc_curve_refuses(scored):
    truth, scores = scored
    with pytest.raises(ValueError, match="one class|classes"):
        RocExplorer(np.ones(43, bool), scores)


# --- browser files ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.name for path in STATIC.glob("*_*.js")))
def test_browser_modules_parse_and_fetch_nothing(name, tmp_path):
    text = browser_module(name)
    for word in ("http://", "https://", "import(", "fetch(", "eval("):
        assert word not in text.replace("http://www.w3.org/2000/svg", "")
    if shutil.which("node") is None:
        pytest.skip("no node to parse the module; the browser tests load it")
    (tmp_path / "module.mjs").write_text(text, encoding="utf-8")
    subprocess.run(["node", "--check", str(tmp_path / "module.mjs")], check=True)


def test_style_sheet_takes_its_colours_from_the_theme():
    css = (STATIC / "widgets.css").read_text(encoding="utf-8")
    for variable in ("--jp-layout-color1", "--jp-ui-font-color1", "--jp-brand-color1"):
        assert variable in css


# --- rectangles by numbers --------------------------------------------------------------------


def type_in(boxes, *numbers):
    for field, number in zip(boxes.edges.values(), numbers, strict=True):
        field.value = number
    boxes.buttons["apply"].click()


def saved(session, tmp_path):
    table = pd.read_csv(tmp_path / "rois.csv")
    return table[table["source"] != "suggested"][["sequence", "slice_index", *COLUMNS[4:8]]]


def test_numbers_become_the_rectangle_and_are_saved(session, tmp_path):
    boxes = IntegerBoxes(session)
    assert [field.value for field in boxes.edges.values()] == [20, 30, 120, 90]
    boxes.slice.value = 2
    type_in(boxes, 40, 50, 140, 110)
    assert session.get(slice_index=2) == Rectangle(40, 50, 140, 110)
    assert saved(session, tmp_path).to_numpy().tolist() == [["t2w", 2, 40, 50, 140, 110]]
    assert "slice 3 of 4" in boxes.message.value and "25 x 30 mm" in boxes.message.value


def test_a_refused_number_stays_in_the_field_and_changes_nothing(session, tmp_path):
    boxes = IntegerBoxes(session)
    type_in(boxes, 40, 50, 44, 110)
    assert "the smallest is 8 x 8" in boxes.message.value
    assert boxes.edges["x1"].value == 44
    assert session.rectangle == Rectangle(20, 30, 120, 90)
    assert not (tmp_path / "rois.csv").exists()


MARKUP = "<img src=x onerror=alert(1)>"


def test_text_of_tables_never_becomes_markup(session):
    """Names come from a study's tables; what they say is shown letter by letter."""
    session._stacks[MARKUP, "pre", "t2w"] = series(1)
    session.open(MARKUP)
    boxes = IntegerBoxes(session)
    assert f"&lt;{MARKUP[1:-1]}&gt;, pre-treatment" in boxes.message.value
    type_in(boxes, 40, 50, 44, 110)
    assert "smallest" in boxes.message.value and "&lt;img" in boxes.message.value
    assert "<img" not in boxes.message.value
    session.unsaved = f"NOT SAVED to {MARKUP}"
    boxes.buttons["undo"].click()
    assert "NOT SAVED to &lt;img" in boxes.unsaved.value and "<img" not in boxes.unsaved.value


def test_buttons_do_what_the_keys_of_the_editor_do(session):
    boxes = IntegerBoxes(session)
    assert boxes.buttons["undo"].disabled
    type_in(boxes, 40, 50, 140, 110)
    boxes.buttons["copy to next slice"].click()
    assert boxes.slice.value == 1 and session.rectangle == Rectangle(40, 50, 140, 110)
    boxes.buttons["undo"].click()
    assert session.get(slice_index=1) == Rectangle(20, 30, 120, 90)
    boxes.buttons["redo"].click()
    boxes.buttons["copy to other sequence"].click()
    assert session.get(sequence="t1c", slice_index=0) == Rectangle(40, 50, 140, 110)
    boxes.buttons["reset"].click()
    boxes.buttons["next patient"].click()
    assert session.patient_id == "B" and "patient 2 of 2" in boxes.message.value


def test_undo_shows_where_it_happened_in_another_sequence(both):
    boxes = IntegerBoxes(both)
    boxes.sequence.value, boxes.slice.value = "t1c", 2
    type_in(boxes, 40, 50, 140, 110)
    boxes.buttons["pre / post"].click()
    assert boxes.sequence.options == ("t2w",)
    boxes.buttons["undo"].click()
    assert (both.timepoint, both.sequence, both.slice_index) == ("pre", "t1c", 2)
    assert (boxes.sequence.value, boxes.slice.value) == ("t1c", 2)


def pixels_of(picture):
    return imread(BytesIO(b64decode(picture.value.split("base64,")[1].split('"')[0])))


def test_only_the_button_that_saves_again_is_hidden(session):
    buttons = IntegerBoxes(session).buttons
    assert [name for name, b in buttons.items() if b.layout.display == "none"] == ["save again"]


def test_the_picture_shows_slice_and_rectangle(session):
    boxes = IntegerBoxes(session)
    before = pixels_of(boxes.picture)
    boxes.slice.value = 1
    after = pixels_of(boxes.picture)
    assert "slice 2 of" in boxes.picture.value.split('alt="')[1].split('"')[0]
    assert before.shape == after.shape and np.abs(before - after).mean() > 0.05
    orange = (after[..., 0] > 0.7) & (after[..., 2] < 0.15)
    rows, columns = (np.flatnonzero(orange.any(axis=axis)) for axis in (1, 0))
    scale = after.shape[1] / 240
    assert [columns[0], columns[-1], rows[0], rows[-1]] == pytest.approx(
        np.array([20, 120, 30, 90]) * scale, abs=3
    )
