"""Files of rectangles: several readers at once, programs that are killed, a disk that is full."""

import errno
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from roi_making import SLICES, moved, series, session, suggested
from small_study import make_study

from npc_helpers.imaging import roi
from npc_helpers.imaging.roi import COLUMNS, IMAGE, Rectangle, ROIError
from npc_helpers.imaging.roi_files import drawn_path, read_drawn, read_rectangles, write_rectangles
from npc_helpers.imaging.roi_table import join_readers
from npc_helpers.study import Study, StudyError
from npc_helpers.widgets import IntegerBoxes, RoiEditor
from npc_helpers.widgets.roi_session import NotSaved, RoiSession

BOX = Rectangle(20, 30, 220, 130)
TESTS = Path(__file__).parents[1]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rectangles.csv"


def rows_of(*readers, box=(20, 30, 220, 130), images=range(3)):
    return pd.DataFrame(
        [("A", "pre", "t2w", i, *box, "manual", reader) for reader in readers for i in images],
        columns=COLUMNS,
    )


# --- several at once ----------------------------------------------------------------------------


def draw_at_once(path, *programs):
    """Run programs at the same time, each in a process of its own."""
    search = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)], env=os.environ | {"PYTHONPATH": search}
        )
        for code in programs
    ]
    assert [program.wait(timeout=120) for program in running] == [0] * len(programs)


DRAW = """
import sys
from npc_helpers.imaging.roi import Rectangle
from roi_making import session

drawing = session(sys.argv[1], {reader!r}, slices=40)
for number in range({first}, {last}):
    drawing.show(slice_index=number)
    drawing.set(Rectangle(10 + number, 20, 110 + number, 90))
"""


@pytest.mark.slow
def test_two_readers_at_once_lose_no_rectangle(path):
    draw_at_once(path, *(DRAW.format(reader=name, first=0, last=40) for name in ("ann", "bo")))
    table = read_rectangles(path)
    assert table.groupby("reader_id").size().to_dict() == {"ann": 40, "bo": 40}
    assert (table["x0"] == 10 + table["slice_index"]).all()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.slow
def test_one_reader_in_two_windows_loses_no_rectangle(path):
    halves = ((0, 20), (20, 40))
    draw_at_once(path, *(DRAW.format(reader="ann", first=a, last=b) for a, b in halves))
    assert sorted(read_rectangles(path)["slice_index"]) == list(range(40))


# --- killed -------------------------------------------------------------------------------------

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.link", "os.truncate"}


def killed_at(event, folder, act):
    """Run `act` in a process that is killed at its file event number `event` below `folder`.

    Returns True if it was, False if it came to its end before.
    """
    child = os.fork()
    if not child:
        seen = 0

        def watch(name, arguments):
            nonlocal seen
            if name in EVENTS and str(folder) in " ".join(map(str, arguments[:2])):
                seen += 1
                if seen == event:
                    os.kill(os.getpid(), 9)

        try:
            sys.addaudithook(watch)
            act()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_killed_at_any_file_event_the_old_rectangles_or_the_new_are_there(path):
    write_rectangles(path, rows_of("bo"))
    session(path, "ann").set(BOX)
    event, states = 0, set()
    while True:
        event += 1
        new_box = moved(BOX, event, 0)
        killed = killed_at(event, path.parent, lambda to=new_box: session(path, "ann").set(to))
        table = read_rectangles(path)
        mine = table[table["reader_id"] == "ann"]
        assert table[table["reader_id"] == "bo"].equals(rows_of("bo"))
        assert len(mine) == 1 and mine["x0"].item() in (20, 20 + event)
        states.add(mine["x0"].item() == 20 + event)
        again = session(path, "ann")  # the lock of a program that is gone is no obstacle
        again.set(moved(BOX, 0, event))
        again.set(BOX)
        if not killed:
            break
    assert event > 6 and states == {True, False}  # kills fell before and after the replacement


# --- a full disk --------------------------------------------------------------------------------


@contextmanager
def small_disk(folder):
    """A disk of 64 kB on which nothing is left, as long as the block runs."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder):
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return folder / "filler"


def assert_kept_and_saved_later(drawing, make_room):
    """Draw on a disk that is full, make room, and find everything on it."""
    before = drawing.path.read_bytes()
    for number in (1, 2):
        with pytest.raises(NotSaved, match=r"NOT SAVED to .*No space left on device"):
            drawing.set(BOX, slice_index=number)
    assert drawing.unsaved and drawing.get(slice_index=2) == BOX
    assert drawing.path.read_bytes() == before
    make_room()
    drawing.save()
    assert drawing.unsaved == ""
    assert read_rectangles(drawing.path)["slice_index"].tolist() == [0, 1, 2]
    assert [p.name for p in drawing.path.parent.iterdir() if "part" in p.name] == []


def test_on_a_full_disk_nothing_is_lost(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        drawing = session(disk / "rectangles.csv", "ann")
        drawing.set(BOX)
        filler = fill(disk)
        assert_kept_and_saved_later(drawing, filler.unlink)


def test_with_a_writer_that_fails_nothing_is_lost(path, monkeypatch):
    drawing = session(path, "ann")
    drawing.set(BOX)
    no_room(monkeypatch)
    assert_kept_and_saved_later(drawing, monkeypatch.undo)


def no_room(monkeypatch):
    def fail(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)


def test_the_editor_says_so_until_it_is_saved(path, monkeypatch):
    drawing = session(path, "ann")
    editor = RoiEditor(drawing)

    def command(action, **more):
        content = {"sequence": "t2w", "slice_index": 0, "id": 1, "action": action, **more}
        editor._handle_custom_msg(content, [])
        return editor.state["unsaved"]

    no_room(monkeypatch)
    assert "No space left" in command("set", box=[10, 20, 110, 90])
    assert editor.state["message"] == "" and editor.rois["t2w"][0] == (10, 20, 110, 90)
    assert "No space left" in command("patient", step=1)  # it stays, whatever is done next
    assert "No space left" in command("save")
    monkeypatch.undo()
    assert command("save") == ""
    assert read_rectangles(path)["x0"].tolist() == [10]


def test_the_number_fields_say_so_until_it_is_saved(path, monkeypatch):
    drawing = session(path, "ann")
    boxes = IntegerBoxes(drawing)
    assert boxes.buttons["save again"].layout.display == "none"
    no_room(monkeypatch)
    boxes.edges["x0"].value = 30
    boxes.buttons["apply"].click()
    assert "No space left" in boxes.unsaved.value and f"slice 1 of {SLICES}" in boxes.message.value
    boxes.slice.value = 3
    assert "No space left" in boxes.unsaved.value
    assert boxes.buttons["save again"].layout.display == ""
    monkeypatch.undo()
    boxes.buttons["save again"].click()
    assert boxes.unsaved.value == "" and read_rectangles(path)["x0"].tolist() == [30]


def test_an_interrupt_while_saving_leaves_a_word(path, monkeypatch):
    drawing = session(path, "ann")

    def interrupt(*rest):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        drawing.set(BOX)
    assert "NOT SAVED" in drawing.unsaved and not path.exists()


def test_a_file_that_was_spoilt_meanwhile_is_not_overwritten(path):
    drawing = session(path, "ann")
    drawing.set(BOX)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(NotSaved, match="is no table of rectangles"):
        drawing.set(BOX, slice_index=1)
    assert path.read_text() == "a,b\n1,2\n"


# --- damaged files ------------------------------------------------------------------------------


def test_a_cut_last_line_is_not_taken_for_another_readers(path):
    write_rectangles(path, rows_of("annabel"))
    whole = path.read_bytes()
    for cut in range(1, 40):
        path.write_bytes(whole[:-cut])
        for reader in ("anna", "annabel"):
            with pytest.raises(StudyError, match="the last line, .* does not end"):
                session(path, reader)
        assert path.read_bytes() == whole[:-cut]


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("x0", 10.5, "row 3, patient A, column x0: is '10.5'. Give a whole number"),
        ("y1", np.nan, "row 3, patient A, column y1: is blank"),
        ("y1", "ten", "column y1: is 'ten'"),
        ("x1", np.inf, "column x1: is 'inf'"),
        ("source", "mask", "column source: is 'mask'. Allowed: suggested, contours"),
        ("slice_index", 0, "A + pre + t2w + 0 + ann was there before"),
    ],
)
def test_a_row_that_cannot_be_is_refused_on_reading(path, column, value, says):
    table = rows_of("ann").astype(object)
    table.loc[1, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(StudyError, match=f"{path}.*{says}".replace("+", r"\+")):
        read_rectangles(path)


@pytest.mark.parametrize("value", [10.5, np.nan, np.inf, None, "10", pd.NA])
def test_a_rectangle_of_anything_but_whole_numbers_is_refused_on_writing(path, value):
    with pytest.raises(ROIError, match="x0 of the rectangle is .* whole numbers"):
        Rectangle(value, 20, 220, 130)
    table = rows_of("ann").astype(object)
    table.loc[1, "x0"] = value
    with pytest.raises(ROIError, match="whole numbers"):
        write_rectangles(path, table)
    assert not path.exists()


def test_whole_numbers_of_any_type_are_whole_numbers(path):
    assert Rectangle(np.int64(20), 30.0, np.float32(220), np.uint8(130)) == BOX
    assert {type(edge) for edge in vars(Rectangle(np.int64(20), 30.0, 220, 130)).values()} == {int}
    write_rectangles(path, rows_of("ann").assign(x0=20.0))
    assert "20.0" not in path.read_text()


def test_a_table_saved_by_a_spreadsheet_is_read(path):
    text = rows_of("ann").to_csv(index=False)
    path.write_text(text.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    assert read_rectangles(path).equals(rows_of("ann"))


# --- the readers of a study ---------------------------------------------------------------------


@pytest.fixture
def study(tmp_path):
    return Study(make_study(tmp_path / "study", patients=2))


def test_each_reader_has_a_file_and_reading_joins_them(study):
    for reader in ("ann", "Bo / 2", "张伟"):
        write_rectangles(drawn_path(study, reader), rows_of(reader))
    names = {path.name for path in study.by_hand_path("").iterdir()}
    assert names == {"rois_ann.csv", "rois_Bo%20%2f%202.csv", "rois_张伟.csv"}
    assert read_drawn(study).groupby("reader_id").size().to_dict() == dict.fromkeys(
        ("ann", "Bo / 2", "张伟"), 3
    )


def test_drawing_makes_what_was_made_from_rectangles_stale_and_undoing_does_not(study):
    stacks = {("A", "pre", "t2w"): series()}
    options = {"patient_id": "A", "timepoint": "pre", "reader_id": "ann"}
    drawing = RoiSession.in_study(study, stacks, suggested(stacks), **options)
    study.write_table("rois.csv", drawing.merge_into(suggested(stacks)))
    drawing.set(BOX)
    assert study.artefact_state("rois.csv") == "stale"
    drawing.undo()
    assert drawing.path.exists() and study.artefact_state("rois.csv") == "current"
    write_rectangles(drawn_path(study, "bo"), rows_of("bo"))
    assert study.artefact_state("rois.csv") == "stale"


def test_numbers_stay_numbers_from_the_hand_to_the_table(study):
    """Of a table without rows pandas keeps no types, and a rectangle of text is none."""
    stacks = {("A", "pre", "t2w"): series()}
    options = {"patient_id": "A", "timepoint": "pre", "reader_id": "ann"}
    drawing = RoiSession.in_study(study, stacks, suggested(stacks), **options)
    for _ in range(2):  # before anybody drew, and after
        joined = join_readers(suggested(stacks), read_drawn(study), prefer="ann")
        merged = drawing.merge_into(joined)
        assert (merged[["slice_index", *roi.BOX]].dtypes == np.int64).all()
        drawing.set(BOX)


def test_joining_readers_asks_whose_rectangle_counts():
    rois = rows_of("", images=range(4)).assign(source="default", x0=0)
    ann, bo = rows_of("ann"), rows_of("bo", images=[2, 3]).assign(x0=50)
    assert join_readers(rois, pd.concat([ann, bo.iloc[1:]]))["x0"].tolist() == [20, 20, 20, 50]
    both = pd.concat([ann, bo])
    with pytest.raises(ROIError, match=r"slice 2: ann, bo drew different rectangles \(1 such"):
        join_readers(rois, both)
    assert join_readers(rois, both, prefer="ann")["x0"].tolist() == [20, 20, 20, 50]
    assert join_readers(rois, both, prefer="bo")["reader_id"].tolist() == ["ann", "ann", "bo", "bo"]
    same = pd.concat([ann, rows_of("bo")])
    assert join_readers(rois, same)[IMAGE].equals(rois[IMAGE])


# --- provenance ---------------------------------------------------------------------------------


def test_provenance_counts_who_drew_and_what_nobody_drew():
    rois = pd.concat(
        [
            rows_of("ann"),
            rows_of("ann", images=[3]).assign(source="copied"),
            rows_of("bo", images=[4]),
            rows_of("", images=[5, 6]).assign(source="contours", patient_id="B"),
            rows_of("", images=[7]).assign(source="suggested"),
            rows_of("", images=range(8, 16)).assign(source="default", patient_id="C"),
        ]
    )
    table = roi.provenance(rois)
    assert table.to_numpy().tolist() == [
        ["drawn", "ann", 4, 1, 0.25],
        ["drawn", "bo", 1, 1, 0.0625],
        ["contours", "", 2, 1, 0.125],
        ["suggested", "", 1, 1, 0.0625],
        ["default", "", 8, 1, 0.5],
    ]
    assert list(table.columns) == ["provenance", "reader_id", "images", "patients", "share"]
    assert roi.provenance_sentence(rois) == (
        "16 rectangles of 3 patients: 5 drawn by a reader (ann 4, bo 1); 2 taken from contours; "
        "1 suggested by the study; 8 in the default place, drawn by nobody."
    )
    assert roi.provenance(rois.iloc[:0]).empty
    assert roi.provenance_sentence(rois.iloc[:0]) == "0 rectangles of 0 patients."
    with pytest.raises(ValueError, match="source says 'by hand'"):
        roi.provenance(rois.assign(source="by hand"))
