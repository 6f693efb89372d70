"""The study folder: tables and types, artefacts and their hashes, the two commands."""

import hashlib
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_study import change, load, make_study, save

from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.imaging.roi import Rectangle, suggest_rois
from npc_helpers.study import Study, StudyError, atomic_path, init, schema, series_checksum
from npc_helpers.study.__main__ import main
from npc_helpers.widgets.roi_session import RoiSession

NOTEBOOK = "01_screen_cohort"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def study(tmp_path):
    return Study(make_study(tmp_path / "study"))


# --- tables -----------------------------------------------------------------------------------


def test_columns_have_their_types(study):
    registry = study.registry
    assert registry["surgery"].dtype == bool and not registry["surgery"].any()
    assert registry["treatment_start"].dtype.kind == "M"
    assert registry["death_date"].isna().all()
    assert registry["age_years"].dtype == np.int64
    assert registry["tnm_edition"].dtype == np.int64
    assert registry["ebv_dna_copies_per_ml"].dtype == float
    assert registry["progression_type"].eq("").all()
    assert study.manifest["n_images"].eq(2).all()


def test_a_change_to_a_table_does_not_reach_the_study(study):
    registry = study.registry
    registry["sex"] = "?"
    assert set(study.registry["sex"]) == {"M", "F"}


def test_na_is_blank_and_cells_are_stripped_and_identifiers_stay_text(study):
    table = load(study.folder, "registry").assign(age_years="n/a")
    table["patient_id"] = [f" {i:04d} " for i in range(len(table))]
    save(study.folder, "registry", table)
    registry = Study(study.folder).registry
    assert registry["patient_id"].tolist()[:2] == ["0000", "0001"]
    assert registry["age_years"].isna().all()


def test_own_columns_and_blank_rows_do_no_harm(study):
    path = study.folder / "data/registry.csv"
    table = load(study.folder, "registry").assign(smoker="no")
    text = table.to_csv(index=False, lineterminator="\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"," * (table.shape[1] - 1) + b"\r\n\r\n")
    path.write_bytes(path.read_bytes().replace(b"\r\n", b",,\r\n"))
    registry = Study(study.folder).registry
    assert len(registry) == 6 and registry["smoker"].eq("no").all()


def test_npc_study_names_the_folder(study, monkeypatch):
    monkeypatch.setenv("NPC_STUDY", str(study.folder))
    assert Study.open().folder == study.folder
    monkeypatch.delenv("NPC_STUDY")
    assert Study.open().folder == ROOT


def test_synthetic_means_every_series_is_synthetic(study):
    assert not study.is_synthetic
    save(study.folder, "manifest", load(study.folder, "manifest").assign(source="synthetic"))
    assert Study(study.folder).is_synthetic
    change("manifest", 0, "source", "public")(study.folder)
    assert not Study(study.folder).is_synthetic


def test_series_checksum_by_hand(tmp_path):
    (tmp_path / "b.dcm").write_bytes(b"two")
    (tmp_path / "a.dcm").write_bytes(b"one")
    (tmp_path / "notes.txt").write_bytes(b"not an image")
    one, two = (hashlib.sha256(data).hexdigest() for data in (b"one", b"two"))
    expected = hashlib.sha256(f"a.dcm {one}\nb.dcm {two}\n".encode()).hexdigest()
    assert series_checksum(tmp_path) == expected
    os.utime(tmp_path / "a.dcm", (0, 0))
    assert series_checksum(tmp_path) == expected
    (tmp_path / "a.dcm").rename(tmp_path / "c.dcm")
    assert series_checksum(tmp_path) != expected
    with pytest.raises(StudyError, match="no .dcm file"):
        series_checksum(tmp_path / "nowhere")


def test_check_without_checksums_reads_no_image(study, monkeypatch):
    monkeypatch.setattr("npc_helpers.study.checks.series_checksum", lambda folder: 1 / 0)
    assert study.check(checksums=False).empty


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


# --- artefacts --------------------------------------------------------------------------------

TABLE = pd.DataFrame(
    {
        "patient_id": ["007", "008", "009"],
        "included": [True, False, True],
        "high_risk": pd.array([True, None, False], dtype="boolean"),
        "date": pd.to_datetime(["2015-01-01", None, "2016-02-29"]),
        "months": [36, 1, 2],
        "age": pd.array([50, None, 60], dtype="Int64"),
        "p_high_risk": [1 / 3, np.nan, 1e-300],
        "note": ["NA", "", 'with "quotes", commas\nand Umläute'],
    }
)


def test_a_table_comes_back_as_it_was(study):
    path = study.write_table("cohort.csv", TABLE, made_from=study.fingerprint("registry"))
    assert path == study.folder / "results" / "cohort.csv"
    again = study.read_table("cohort.csv", notebook=NOTEBOOK)
    pd.testing.assert_frame_equal(again, TABLE, check_exact=True)
    assert b"\r" not in path.read_bytes()


def test_results_depend_on_the_setting_except_what_no_setting_changes(study, monkeypatch):
    results = study.folder / "results"
    assert study.result_path("comparison.csv") == results / "tutorial" / "comparison.csv"
    monkeypatch.setenv("NPC_SETTING", "paper")
    assert study.result_path("comparison.csv") == results / "paper" / "comparison.csv"
    assert study.result_path("rois.csv") == results / "rois.csv"
    assert study.result_path("stacks/x.npy") == results / "stacks" / "x.npy"


def test_the_states_of_an_artefact(study):
    made_from = study.fingerprint("registry", "visits") | {"seed": "2022"}
    assert study.artefact_state("cohort.csv", made_from) == "missing"
    study.write_table("cohort.csv", TABLE, made_from=made_from)
    assert study.artefact_state("cohort.csv", made_from) == "current"
    assert study.artefact_state("cohort.csv") == "current"
    assert study.artefact_state("cohort.csv", made_from | {"seed": "1"}) == "stale"
    change("visits", 0, "finding", "local")(study.folder)
    assert study.artefact_state("cohort.csv") == "stale"


def test_stale_and_missing_name_the_notebook(study):
    with pytest.raises(StudyError, match="results/cohort.csv is missing. Run notebook 01_screen"):
        study.read_table("cohort.csv", notebook=NOTEBOOK)
    study.write_table("cohort.csv", TABLE, made_from=study.fingerprint("registry"))
    change("registry", 0, "age_years", "41.0")(study.folder)
    with pytest.raises(StudyError, match="other inputs.*Run notebook 01_screen_cohort again"):
        study.read_table("cohort.csv", notebook=NOTEBOOK)


def test_rectangles_drawn_after_saving_make_the_table_stale(study):
    stacks = {("H-01", "pre", "t2w"): blank_series()}
    rois = suggest_rois(study, stacks)
    session = RoiSession.in_study(study, stacks, rois, patient_id="H-01", timepoint="pre")

    def save():  # as notebook 02 does; nobody has drawn at first, and there is no file
        made_from = study.fingerprint("manifest", "rois_*.csv")
        study.write_table("rois.csv", session.merge_into(rois), made_from=made_from)

    save()
    assert study.artefact_state("rois.csv") == "current" and not session.path.exists()
    for x0 in (10, 20):
        session.set(Rectangle(x0, 30, 300, 200))
        with pytest.raises(StudyError, match=r"rois.csv .*changed since: rois_.* 02_crop"):
            study.read_table("rois.csv", notebook="02_crop_roi")
        save()
        assert study.read_table("rois.csv", notebook="02_crop_roi").x0.tolist() == [x0]
    session.set(Rectangle(40, 30, 300, 200))
    session.undo()
    assert study.artefact_state("rois.csv") == "current"  # the rectangles saved are those drawn


def test_what_a_person_made_lies_apart_from_the_results(study):
    """Also rectangles that an earlier version kept among the results."""
    earlier = study.folder / "results" / "rois_reader1.csv"
    earlier.parent.mkdir()
    earlier.write_text("drawn")
    path = study.by_hand_path("rois_reader1.csv")
    assert path == study.folder / "data" / "by_hand" / "rois_reader1.csv"
    assert path.read_text() == "drawn" and not earlier.exists()
    earlier.write_text("another")
    assert study.by_hand_path("rois_reader1.csv").read_text() == "drawn" and earlier.exists()


def blank_series():
    array = np.zeros((1, 256, 400), dtype=np.uint16)
    return MRSeries(array, (0.5, 0.5), np.zeros(1), 5.0, np.eye(3)[:2].ravel(), "H-01", "", ())


def test_staleness_follows_the_chain(study):
    study.write_table("cohort.csv", TABLE, made_from=study.fingerprint("registry"))
    study.write_table("predictions_pre.csv", TABLE, made_from=study.fingerprint("cohort.csv"))
    assert study.artefact_state("predictions_pre.csv") == "current"
    study.write_table("cohort.csv", TABLE[:2], made_from=study.fingerprint("registry"))
    assert study.artefact_state("predictions_pre.csv") == "stale"


def test_an_artefact_without_its_note_is_stale(study):
    study.write_table("cohort.csv", TABLE, made_from={})
    (study.folder / "results" / "cohort.csv.from.json").write_text("{half a no")
    assert study.artefact_state("cohort.csv", {}) == "stale"


def test_a_model_can_be_stamped(study):
    path = study.result_path("pre_model.keras")
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"weights")
    assert study.artefact_state("pre_model.keras") == "stale"
    study.stamp("pre_model.keras", made_from=study.fingerprint("manifest"))
    assert study.find_result("pre_model.keras", notebook="03_train_pre_model") == path


def test_line_ends_do_not_change_a_hash(study):
    before = study.fingerprint("registry")
    path = study.table_path("registry")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert study.fingerprint("registry") == before
    assert study.fingerprint("suggested_rois") == {"suggested_rois": "missing"}


def test_the_reference_is_used_loudly_and_only_in_the_demonstration(study):
    study.write_table("cohort.csv", TABLE, made_from=study.fingerprint("registry"))
    study.keep_as_reference("cohort.csv")
    written = study.fingerprint("cohort.csv")
    study.result_path("cohort.csv").unlink()
    with pytest.raises(StudyError, match="missing"):
        study.read_table("cohort.csv", notebook=NOTEBOOK)
    save(study.folder, "manifest", load(study.folder, "manifest").assign(source="synthetic"))
    demonstration = Study(study.folder)
    with pytest.warns(UserWarning, match="USING THE REFERENCE data/reference/cohort.csv"):
        table = demonstration.read_table("cohort.csv", notebook=NOTEBOOK)
    pd.testing.assert_frame_equal(table, TABLE)
    assert demonstration.fingerprint("cohort.csv") == written
    change("registry", 0, "sex", "M")(study.folder)
    with pytest.raises(StudyError, match="reference copy was made from other inputs"):
        demonstration.read_table("cohort.csv", notebook=NOTEBOOK)


# --- commands ---------------------------------------------------------------------------------


def test_init_writes_empty_tables_that_pass_the_check(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert main(["init", str(folder)]) == 0
    assert main(["check", str(folder)]) == 0
    assert "0 errors, 1 warning, 0 notes" in capsys.readouterr().out
    study = Study(folder)
    assert len(study.registry) == 0 and not study.has_outcomes and not study.is_synthetic
    assert "treatment_start" in (folder / "data/data_dictionary.md").read_text()


def test_init_refuses_a_folder_that_has_tables(study, capsys):
    before = study.table_path("registry").read_bytes()
    with pytest.raises(StudyError, match="has data/registry.csv already; nothing was written"):
        init(study.folder)
    assert main(["init", str(study.folder)]) == 1
    assert "already" in capsys.readouterr().err
    assert study.table_path("registry").read_bytes() == before
    assert not (study.folder / "data/data_dictionary.md").exists()


def test_the_command_as_it_is_typed(study):
    command = [sys.executable, "-m", "npc_helpers.study", "check", str(study.folder), "--fast"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0 and "0 errors, 0 warnings" in done.stdout and done.stderr == ""


# --- the schema and its page ------------------------------------------------------------------


def test_the_committed_data_dictionary_is_the_printed_one():
    committed = (ROOT / "docs" / "data_dictionary.md").read_text(encoding="utf-8")
    assert committed.rstrip() == schema.data_dictionary().rstrip()


def test_every_column_is_described():
    for table in schema.TABLES:
        names = [column.name for column in table.columns]
        assert len(names) == len(set(names)) and set(table.key) <= set(names)
        for column in table.columns:
            assert column.meaning and column.kind in (
                *("text", "choice", "yes_no", "integer", "number", "date"),
            )
            assert bool(column.values) == (column.kind in ("choice", "yes_no"))


def test_reading_a_sound_study_warns_of_nothing(study):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert study.check().empty and len(study.visits)
