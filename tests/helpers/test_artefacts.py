"""Artefacts: written whole, recognised by what they were made from and by what they hold."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_study import change, load, make_study, save

from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.imaging.roi import Rectangle, suggest_rois
from npc_helpers.study import Study, StudyError, artefacts, atomic_path
from npc_helpers.study.artefact_table import ARTEFACTS, DRAWN, SETTING
from npc_helpers.study.schema import TABLES
from npc_helpers.widgets.roi_session import RoiSession


@pytest.fixture
def study(tmp_path):
    return Study(make_study(tmp_path / "study"))


# --- whole or not at all ----------------------------------------------------------------------


def test_atomic_path_replaces_the_file_only_on_success(tmp_path):
    path = tmp_path / "new" / "model.keras"
    with atomic_path(path) as temporary:
        temporary.write_text("first")
        assert temporary.suffix == ".keras" and not path.exists()
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "first"
    assert [item.name for item in path.parent.iterdir()] == ["model.keras"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, synced = tmp_path / "table.csv", []

    def fsync(handle):
        synced.append((os.fstat(handle).st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
    assert synced == [(len("whole"), False)] and path.read_text() == "whole"


def test_atomic_path_makes_a_whole_folder(tmp_path):
    with atomic_path(tmp_path / "series") as temporary:
        temporary.mkdir()
        (temporary / "1.dcm").write_text("x")
    assert [item.name for item in (tmp_path / "series").iterdir()] == ["1.dcm"]
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "other") as temporary:
        temporary.mkdir()
        raise RuntimeError
    assert [item.name for item in tmp_path.iterdir()] == ["series"]


# --- what killed writers leave ----------------------------------------------------------------

KILLED = """
import os, sys
from npc_helpers.study import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary.name, flush=True)
    os._exit(9) if sys.argv[2] == "dies" else sys.stdin.read()
"""


def left_by_another_process(path, ending):
    """Let another process begin to write `path`, and die or wait; return it and its file."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), ending],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return process, path.parent / process.stdout.readline().strip()


def write(path):
    artefacts._tidy.cache_clear()  # as in a new process
    with atomic_path(path) as temporary:
        temporary.write_text("whole")


def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path):
    process, leftover = left_by_another_process(tmp_path / "a.csv", "dies")
    assert process.wait() == 9 and leftover.read_text() == "half"
    write(tmp_path / "b.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["b.csv"]


def test_a_writer_at_work_is_left_alone(tmp_path):
    process, unfinished = left_by_another_process(tmp_path / "a.csv", "waits")
    write(tmp_path / "b.csv")
    assert unfinished.read_text() == "half"
    process.communicate()
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv"}


def test_the_number_of_a_process_may_have_gone_to_another(tmp_path):
    leftover = tmp_path / f".part-{artefacts._computer()}_{os.getpid()}_01234567-a.csv"
    leftover.write_text("half")
    write(tmp_path / "b.csv")
    assert leftover.exists()  # this very process may be writing it
    yesterday = time.time() - 86_400
    os.utime(leftover, (yesterday, yesterday))
    write(tmp_path / "b.csv")
    assert not leftover.exists()


def test_what_another_computer_writes_is_left_alone(tmp_path):
    nobody = 2**22 + 1  # more than the largest number of a process
    foreign = tmp_path / f".part-00000000_{nobody}_01234567-a.csv"
    foreign.write_text("half")
    write(tmp_path / "b.csv")
    assert foreign.exists()


# --- tables ---------------------------------------------------------------------------------------

TABLE = pd.DataFrame(
    {
        "patient_id": ["007", "008", "009"],
        "included": [True, False, True],
        "excluded_by": ["NA", "", 'with "quotes", commas\nand Umläute'],
        "high_risk": pd.array([True, None, False], dtype="boolean"),
        "progressed": pd.array([True, None, False], dtype="boolean"),
        "split": ["train", "", "test"],
        "pfs_months": [36, 1, 2],
        "date": pd.to_datetime(["2015-01-01", None, "2016-02-29"]),
        "age": pd.array([50, None, 60], dtype="Int64"),
        "p": [0.41689062118530273, np.nan, 1e-300],
    }
)
PREDICTIONS = pd.DataFrame(
    {
        "patient_id": ["007", "008", "009"], "timepoint": "pre", "sequence": "t2w",
        "slice_index": 0, "split": "train", "high_risk": [True, False, True],
        "p_high_risk": [0.9, 0.2, 0.6],
    }
)  # fmt: skip
ROIS = pd.DataFrame(
    [["007", "pre", "t2w", 0, 1, 2, 30, 40, "suggested", ""]],
    columns=[*PREDICTIONS.columns[:4], "x0", "y0", "x1", "y1", "source", "reader_id"],
)


def test_a_table_comes_back_as_it_was(study):
    path = study.write_table("cohort.csv", TABLE)
    assert path == study.folder / "results" / "cohort.csv"
    pd.testing.assert_frame_equal(study.read_table("cohort.csv"), TABLE, check_exact=True)
    assert b"\r" not in path.read_bytes()


def test_a_table_without_rows_keeps_its_types(study):
    study.write_table("cohort.csv", TABLE[:0])
    pd.testing.assert_frame_equal(study.read_table("cohort.csv"), TABLE[:0])


def test_a_table_of_synthetic_patients_says_so_in_its_file_only(study):
    save(study.folder, "manifest", load(study.folder, "manifest").assign(source="synthetic"))
    study = Study(study.folder)
    path = study.write_table("cohort.csv", TABLE)
    assert pd.read_csv(path)["synthetic"].tolist() == ["yes"] * 3
    assert "synthetic patients" in artefacts.note_path(path).read_text()
    pd.testing.assert_frame_equal(study.read_table("cohort.csv"), TABLE, check_exact=True)


def test_a_table_has_to_hold_its_columns(study):
    with pytest.raises(StudyError, match="cohort.csv needs the column included, split; nothing"):
        study.write_table("cohort.csv", TABLE.drop(columns=["split", "included"]))
    assert study.artefact_state("cohort.csv") == "missing"


def test_an_unknown_name_is_refused_with_the_known_ones(study):
    for use in (study.read_table, study.artefact_state, lambda n: study.write_table(n, TABLE)):
        with pytest.raises(StudyError, match="'cohorts.csv' is no artefact .*cohort.csv, flow.csv"):
            use("cohorts.csv")


def test_results_depend_on_the_setting_except_what_no_setting_changes(study, monkeypatch):
    results = study.folder / "results"
    assert study.result_path("comparison.csv") == results / "tutorial" / "comparison.csv"
    assert study.reference_path("pre_weights.npz").parent.name == "tutorial"
    monkeypatch.setenv("NPC_SETTING", "paper")
    assert study.result_path("comparison.csv") == results / "paper" / "comparison.csv"
    assert study.result_path("runs") == results / "paper" / "runs"
    assert study.result_path("rois.csv") == results / "rois.csv"
    assert study.result_path("stacks") == results / "stacks"
    assert study.reference_path("rois.csv").parent.name == "reference"


# --- the table of artefacts -----------------------------------------------------------------------


def test_every_artefact_has_a_maker_and_inputs_that_exist():
    root = Path(__file__).parents[2]
    made_before = {table.name for table in TABLES} | {SETTING, DRAWN}
    for name, row in ARTEFACTS.items():
        source = root / "notebooks" / "py" / f"{row.maker}.py"
        text, when = source.read_text(encoding="utf-8"), name.partition("_")[0]
        written = (f'("{name}"', f'keep_model(study, "{when}"')
        assert any(call in text for call in written), f"{row.maker} writes no {name}"
        assert set(row.inputs) <= made_before, f"{name}: an input is made later, or by nobody"
        made_before.add(name)


# --- states ---------------------------------------------------------------------------------------


def test_the_states_of_an_artefact(study):
    assert study.artefact_state("cohort.csv") == "missing"
    study.write_table("cohort.csv", TABLE, seed=2022)
    assert study.artefact_state("cohort.csv") == "current"
    assert artefacts.read_note(study.result_path("cohort.csv"))["more"] == {"seed": "2022"}
    change("visits", 0, "finding", "local")(study.folder)
    assert study.artefact_state("cohort.csv") == "stale"


def test_stale_and_missing_name_the_notebook(study):
    with pytest.raises(StudyError, match="results/cohort.csv is missing. Run notebook 01_screen"):
        study.read_table("cohort.csv")
    study.write_table("cohort.csv", TABLE)
    change("registry", 0, "age_years", "41.0")(study.folder)
    with pytest.raises(StudyError, match=r"since: registry\). Run notebook 01_screen_cohort again"):
        study.read_table("cohort.csv")


def test_staleness_follows_the_chain(study):
    study.write_table("cohort.csv", TABLE)
    study.write_table("rois.csv", ROIS)
    study.write_table("predictions_pre.csv", PREDICTIONS)
    assert study.artefact_state("predictions_pre.csv") == "current"
    study.write_table("cohort.csv", TABLE[:2])
    assert study.artefact_state("predictions_pre.csv") == "stale"
    study.write_table("predictions_pre.csv", PREDICTIONS)
    assert study.artefact_state("predictions_pre.csv") == "current"
    change("visits", 0, "finding", "local")(study.folder)  # two steps before the predictions
    with pytest.raises(StudyError, match=r"predictions_pre.csv was .*since: cohort.csv\)"):
        study.read_table("predictions_pre.csv")


def test_what_was_read_counts_and_not_what_lies_there_when_the_result_is_saved(study):
    study.write_table("cohort.csv", TABLE)
    study.write_table("rois.csv", ROIS)
    study.read_table("rois.csv")
    Study(study.folder).write_table("rois.csv", ROIS.assign(x0=9))  # in another notebook
    study.write_table("predictions_pre.csv", PREDICTIONS)
    assert study.artefact_state("predictions_pre.csv") == "stale"


def test_what_was_written_again_counts_as_read(study):
    study.write_table("cohort.csv", TABLE)
    study.read_table("cohort.csv")
    study.write_table("cohort.csv", TABLE[:2])
    study.write_table("predictions_pre.csv", PREDICTIONS)
    assert study.artefact_state("predictions_pre.csv") == "current"


def test_a_study_table_changed_after_it_was_read_makes_the_result_stale(study):
    assert len(study.registry)
    change("registry", 0, "sex", "M")(study.folder)
    study.write_table("cohort.csv", TABLE)
    assert study.artefact_state("cohort.csv") == "stale"


def test_another_setting_of_the_same_name_makes_models_stale(study, monkeypatch):
    import dataclasses

    from npc_helpers.study import settings

    study.write_table("predictions_pre.csv", PREDICTIONS)
    changed = dataclasses.replace(settings.TUTORIAL, dropout=0.4)
    monkeypatch.setattr(settings, "TUTORIAL", changed)
    assert study.artefact_state("predictions_pre.csv") == "stale"
    study.write_table("cohort.csv", TABLE)
    assert study.artefact_state("cohort.csv") == "current"


def test_other_weights_make_predictions_stale(study):
    for weights in (b"first", b"second"):
        with study.write_file("pre_weights.npz") as path:
            path.write_bytes(weights)
        if weights == b"first":
            study.write_table("predictions_pre.csv", PREDICTIONS)
    with pytest.raises(StudyError, match=r"since: pre_weights.npz\). Run notebook 03_train_pre"):
        study.read_table("predictions_pre.csv")


def test_line_ends_do_not_change_a_hash(study):
    study.write_table("cohort.csv", TABLE)
    for path in (study.table_path("registry"), study.result_path("cohort.csv")):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert study.artefact_state("cohort.csv") == "current"
    assert study.fingerprint("suggested_rois") == {"suggested_rois": "missing"}


# --- interrupted between the table and its note, and read meanwhile -------------------------------


@pytest.mark.parametrize("killed_at", [0, 1, 2])
def test_wherever_the_writer_is_killed_the_table_has_its_note(study, monkeypatch, killed_at):
    """At the note that comes first, at the table, and at the note that stays."""
    study.write_table("cohort.csv", TABLE)
    replace, replaced = Path.replace, []

    def die(self, target):
        if len(replaced) == killed_at:
            raise KeyboardInterrupt
        replaced.append(Path(target).name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        study.write_table("cohort.csv", TABLE[:2])
    monkeypatch.undo()
    assert replaced == ["cohort.csv.from.json", "cohort.csv"][:killed_at]
    table = Study(study.folder).read_table("cohort.csv")
    pd.testing.assert_frame_equal(table, TABLE[:2] if killed_at == 2 else TABLE)
    study.write_table("cohort.csv", TABLE[:1])  # and the next one may be written
    assert len(study.read_table("cohort.csv")) == 1


@pytest.mark.parametrize("rows, replacements", [(3, 1), (2, 3)])
def test_who_reads_while_a_table_is_replaced_always_finds_one(
    study, monkeypatch, rows, replacements
):
    study.write_table("cohort.csv", TABLE)
    sizes, replace = [], Path.replace

    def read_meanwhile(self, target):
        done = replace(self, target)
        sizes.append(len(Study(study.folder).read_table("cohort.csv")))
        return done

    monkeypatch.setattr(Path, "replace", read_meanwhile)
    study.write_table("cohort.csv", TABLE[:rows])
    assert len(sizes) == replacements and set(sizes) <= {3, rows} and sizes[-1] == rows


def test_a_table_replaced_before_its_note_is_read_is_looked_at_again(study, monkeypatch):
    path, file_hash = study.write_table("cohort.csv", TABLE), artefacts.file_hash

    def replaced_after(of):
        content = file_hash(of)
        monkeypatch.setattr(artefacts, "file_hash", file_hash)
        Study(study.folder).write_table("cohort.csv", TABLE[:2])
        return content

    monkeypatch.setattr(artefacts, "file_hash", replaced_after)
    assert artefacts.read_note(path)["edited"] is False


def test_a_table_that_stays_what_it_was_gets_its_new_inputs_with_the_first_note(study, monkeypatch):
    study.write_table("cohort.csv", TABLE)
    change("visits", 0, "finding", "local")(study.folder)
    states, replace = [], Path.replace

    def read_meanwhile(self, target):
        done = replace(self, target)
        states.append(Study(study.folder).artefact_state("cohort.csv"))
        return done

    monkeypatch.setattr(Path, "replace", read_meanwhile)
    Study(study.folder).write_table("cohort.csv", TABLE)
    assert states == ["current"] * 3


def test_an_edit_before_an_interrupted_writing_is_still_noticed(study, monkeypatch):
    path = study.write_table("cohort.csv", TABLE)
    replace = Path.replace
    monkeypatch.setattr(
        Path,
        "replace",
        lambda self, to: replace(self, to) if str(to).endswith("json") else 1 / 0,
    )
    with pytest.raises(ZeroDivisionError):
        study.write_table("cohort.csv", TABLE[:2])
    monkeypatch.undo()
    path.write_text(path.read_text().replace("36", "63"))
    assert study.artefact_state("cohort.csv") == "edited"


def test_an_artefact_with_half_a_note_is_stale(study):
    study.write_table("cohort.csv", TABLE)
    for damage in ("{half a no", "[]", '{"made_from": {}}'):
        artefacts.note_path(study.result_path("cohort.csv")).write_text(damage)
        assert study.artefact_state("cohort.csv") == "stale"


# --- edited ---------------------------------------------------------------------------------------


def saved_by_a_spreadsheet(path):
    path.write_text(path.read_text().replace("True", "TRUE").replace("False", "FALSE"))


def with_another_digit(path):
    text = path.read_text()
    assert "36" in text
    path.write_text(text.replace("36", "63"))


def without_its_last_line(path):
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


EDITS = [saved_by_a_spreadsheet, with_another_digit, without_its_last_line]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_artefact_edited_after_writing_is_noticed(study, edit):
    path = study.write_table("cohort.csv", TABLE)
    edit(path)
    assert study.artefact_state("cohort.csv") == "edited"
    with pytest.raises(StudyError) as refusal:
        study.read_table("cohort.csv")
    assert str(refusal.value) == (
        "results/cohort.csv was changed after notebook 01_screen_cohort had written it (also by a "
        "spreadsheet that only saved it: True becomes TRUE). What should differ belongs in "
        "data/registry.csv or data/visits.csv. Rename or delete the file, then run notebook "
        "01_screen_cohort again."
    )


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_edited_artefact_is_not_overwritten(study, edit):
    path = study.write_table("cohort.csv", TABLE)
    edit(path)
    edited = path.read_bytes()
    with pytest.raises(StudyError, match="Nothing was overwritten: results/cohort.csv was changed"):
        study.write_table("cohort.csv", TABLE)
    study.note_left_out("cohort.csv", "too few patients")
    assert path.read_bytes() == edited
    path.rename(path.with_name("mine.csv"))
    study.write_table("cohort.csv", TABLE)
    assert study.artefact_state("cohort.csv") == "current"


def test_what_follows_from_an_edited_artefact_is_stale(study):
    path = study.write_table("cohort.csv", TABLE)
    study.write_table("predictions_pre.csv", PREDICTIONS)
    with_another_digit(path)
    assert study.artefact_state("predictions_pre.csv") == "stale"


def test_an_edited_model_is_noticed(study):
    with study.write_file("pre_model.keras") as path:
        path.write_bytes(b"weights")
    assert study.find_result("pre_model.keras").read_bytes() == b"weights"
    study.result_path("pre_model.keras").write_bytes(b"others")
    with pytest.raises(StudyError, match="Nothing was overwritten"):
        with study.write_file("pre_model.keras") as path:
            path.write_bytes(b"new")
    with pytest.raises(StudyError, match="was changed after notebook 03_train_pre_model"):
        study.find_result("pre_model.keras")


def test_a_model_that_could_not_be_written_leaves_the_old_one(study):
    with study.write_file("pre_model.keras") as path:
        path.write_bytes(b"weights")
    with pytest.raises(OSError), study.write_file("pre_model.keras") as path:
        path.write_bytes(b"half")
        raise OSError("disk full")
    assert study.find_result("pre_model.keras").read_bytes() == b"weights"


# --- permuted predictions -------------------------------------------------------------------------


@pytest.fixture
def predicted(study):
    study.write_table("cohort.csv", TABLE)
    study.write_table("rois.csv", ROIS)
    with study.write_file("pre_weights.npz") as path:
        path.write_bytes(b"weights")
    study.write_table("predictions_pre.csv", PREDICTIONS)
    return study


PERMUTED = PREDICTIONS.assign(p_high_risk=[0.2, 0.6, 0.9])


def test_permuted_probabilities_put_into_the_file_do_not_count(predicted):
    path = predicted.result_path("predictions_pre.csv")
    PERMUTED.to_csv(path, index=False)
    assert predicted.artefact_state("predictions_pre.csv") == "edited"
    with pytest.raises(StudyError, match="was changed after notebook 03_train_pre_model"):
        predicted.read_table("predictions_pre.csv")


def test_permuted_probabilities_are_not_written_as_those_of_the_same_model(predicted):
    with pytest.raises(StudyError, match="same inputs and holds other values of p_high_risk"):
        predicted.write_table("predictions_pre.csv", PERMUTED)
    again = predicted.read_table("predictions_pre.csv")
    pd.testing.assert_series_equal(again["p_high_risk"], PREDICTIONS["p_high_risk"])
    with pytest.raises(StudyError, match="other values of patient_id, timepoint"):
        predicted.write_table("predictions_pre.csv", PREDICTIONS[:2])


def test_the_same_model_may_round_differently_and_another_may_say_anything(predicted):
    rounded = PREDICTIONS.assign(p_high_risk=PREDICTIONS["p_high_risk"] + 1e-5)
    predicted.write_table("predictions_pre.csv", rounded)
    with predicted.write_file("pre_weights.npz") as path:
        path.write_bytes(b"other weights")
    predicted.write_table("predictions_pre.csv", PERMUTED)
    assert predicted.artefact_state("predictions_pre.csv") == "current"


# --- rectangles drawn by people -------------------------------------------------------------------


def test_what_a_person_made_lies_apart_from_the_results(study):
    path = study.by_hand_path("rois_reader1.csv")
    assert path == study.folder / "data" / "by_hand" / "rois_reader1.csv"


def blank_series():
    array = np.zeros((1, 256, 400), dtype=np.uint16)
    return MRSeries(array, (0.5, 0.5), np.zeros(1), 5.0, np.eye(3)[:2].ravel(), "H-01", "", ())


@pytest.fixture
def drawing(study):
    """Notebook 02 after Run All: nobody has drawn, and the suggested rectangles are saved."""
    stacks = {("H-01", "pre", "t2w"): blank_series()}
    rois = suggest_rois(study, stacks)
    session = RoiSession.in_study(study, stacks, rois, patient_id="H-01", timepoint="pre")
    save_rois = lambda: study.write_table("rois.csv", session.merge_into(rois))  # noqa: E731
    save_rois()
    return session, save_rois


def test_rectangles_drawn_after_saving_make_the_table_stale(study, drawing):
    session, save_rois = drawing
    assert study.artefact_state("rois.csv") == "current" and not session.path.exists()
    for x0 in (10, 20):
        session.set(Rectangle(x0, 30, 300, 200))
        changed = (
            r"rois.csv was .*since: rectangles drawn by hand\). Run notebook 02_crop_roi again"
        )
        with pytest.raises(StudyError, match=changed):
            study.read_table("rois.csv")
        save_rois()
        assert study.read_table("rois.csv").x0.tolist() == [x0]


def test_drawn_and_undone_is_as_if_nobody_had_drawn(study, drawing):
    session, save_rois = drawing
    session.set(Rectangle(40, 30, 300, 200))
    session.undo()
    assert session.path.exists() and study.artefact_state("rois.csv") == "current"
    session.redo()
    assert study.artefact_state("rois.csv") == "stale"
    save_rois()
    session.set(Rectangle(41, 30, 300, 200))
    session.undo()
    assert study.artefact_state("rois.csv") == "current"


def test_what_another_reader_draws_counts_too(study, drawing):
    session, _ = drawing
    second_reader = RoiSession.in_study(
        study, session._stacks, session.to_frame(), patient_id="H-01", timepoint="pre",
        reader_id="reader2",
    )  # fmt: skip
    second_reader.set(Rectangle(40, 30, 300, 200))
    assert study.artefact_state("rois.csv") == "stale"


# --- references -----------------------------------------------------------------------------------


@pytest.fixture
def with_reference(study):
    """A synthetic study that ships its cohort and predictions and has no results."""
    save(study.folder, "manifest", load(study.folder, "manifest").assign(source="synthetic"))
    study = Study(study.folder)
    names = {"cohort.csv": TABLE, "rois.csv": ROIS, "predictions_pre.csv": PREDICTIONS}
    for name, table in names.items():
        study.write_table(name, table)
    study.keep_as_reference(*names)
    for name in names:
        study.result_path(name).unlink()
    return Study(study.folder)


def test_the_reference_is_used_loudly(with_reference):
    with pytest.warns(UserWarning, match="USING THE REFERENCE data/reference/cohort.csv.*01_scr"):
        table = with_reference.read_table("cohort.csv")
    pd.testing.assert_frame_equal(table, TABLE)
    with pytest.warns(UserWarning, match="USING THE REFERENCE data/reference/tutorial/predictions"):
        with_reference.read_table("predictions_pre.csv")


def test_a_reference_of_other_inputs_is_refused(with_reference):
    change("registry", 0, "sex", "M")(with_reference.folder)
    with pytest.raises(StudyError, match="reference copy was made from other inputs. Run notebook"):
        with_reference.read_table("cohort.csv")


def test_an_edited_reference_is_refused(with_reference):
    with_another_digit(with_reference.reference_path("cohort.csv"))
    with pytest.raises(StudyError, match="the reference copy was edited. Run notebook 01"):
        with_reference.read_table("cohort.csv")


def test_references_are_those_of_their_setting(with_reference, monkeypatch):
    monkeypatch.setenv("NPC_SETTING", "paper")
    with pytest.raises(StudyError, match="results/paper/predictions_pre.csv is missing. Run not"):
        with_reference.read_table("predictions_pre.csv")
    with pytest.warns(UserWarning, match="REFERENCE"):
        with_reference.read_table("cohort.csv")


def test_a_study_of_ones_own_gets_no_reference(with_reference):
    manifest = load(with_reference.folder, "manifest").assign(source="hospital")
    save(with_reference.folder, "manifest", manifest)
    with pytest.raises(StudyError, match="missing. Run notebook 01_screen_cohort first"):
        Study(with_reference.folder).read_table("cohort.csv")
