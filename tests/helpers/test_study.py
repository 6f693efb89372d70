"""The study folder: tables and types, checksums, the two commands."""

import hashlib
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from small_study import change, load, make_study, save

from npc_helpers.study import Study, StudyError, init, schema, series_checksum
from npc_helpers.study.__main__ import main
from npc_helpers.study.study import data_dictionary

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


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package as an ordinary installation lays it down: apart from the repository."""
    place = tmp_path_factory.mktemp("site-packages")
    shutil.copytree(ROOT / "npc_helpers", place / "npc_helpers", ignore=lambda folder, names: {
        name for name in names if name.endswith((".npz", ".pyc"))
    })  # fmt: skip
    return place


def opened(installed, folder):
    """Open the study from a folder, with the installed package and no NPC_STUDY."""
    script = "from npc_helpers.study import Study; s = Study.open(); print(s.name, s.folder)"
    environment = {k: v for k, v in os.environ.items() if k != "NPC_STUDY"}
    environment["PYTHONPATH"] = str(installed)
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("below", [".", "notebooks", "notebooks/py"])
def test_an_installed_package_finds_the_checkout_it_is_started_in(installed, below):
    done = opened(installed, ROOT / below)
    assert done.stdout == f"demonstration {ROOT}\n", done.stderr


def test_an_installed_package_says_what_to_do_where_there_is_no_study(installed, study):
    """Also inside a study of one's own: only NPC_STUDY makes it the study."""
    for folder in (installed, study.folder):
        done = opened(installed, folder)
        assert done.returncode == 1 and done.stdout == ""
        assert f"NPC_STUDY is not set, and neither {folder}" in done.stderr
        assert "Let NPC_STUDY name your study folder, or start Python inside" in done.stderr


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
    checksum_a, checksum_b = (hashlib.sha256(data).hexdigest() for data in (b"one", b"two"))
    expected = hashlib.sha256(f"a.dcm {checksum_a}\nb.dcm {checksum_b}\n".encode()).hexdigest()
    assert series_checksum(tmp_path) == expected
    os.utime(tmp_path / "a.dcm", (0, 0))
    assert series_checksum(tmp_path) == expected
    (tmp_path / "a.dcm").rename(tmp_path / "c.dcm")
    assert series_checksum(tmp_path) != expected
    with pytest.raises(StudyError, match="no .dcm file"):
        series_checksum(tmp_path / "nowhere")


def test_check_without_checksums_reads_no_image(study, monkeypatch):
    monkeypatch.setattr("npc_helpers.study.checks.foreign_checksum", lambda folder: 1 / 0)
    assert study.check(checksums=False).empty


@pytest.mark.parametrize("sign", ["<", ">", "&", "$", "\\", "\x1b", "\u202e", "\u00a0"])
def test_the_number_of_a_patient_has_no_signs_of_markup(tmp_path, sign):
    folder = make_study(tmp_path / "s")
    for name in ("registry", "visits", "manifest"):
        table = load(folder, name)
        table["patient_id"] = table["patient_id"].replace("H-01", f"H{sign}01")
        save(folder, name, table)
    problems = Study(folder).check(checksums=False)
    told = problems[
        problems["problem"].str.contains("a sign that does not print, or one of < > & \\$")
    ]
    assert {"data/registry.csv row 2", "data_manifest.csv row 2"} <= set(told["where"])
    assert set(told["column"]) == {"patient_id"}
    assert all(text.isprintable() for text in problems["patient_id"])


@pytest.mark.parametrize("name", ["H-01", "0815", "患者 1", "Müller_2", "a/b", "=1"])
def test_other_numbers_of_patients_are_taken(tmp_path, name):
    folder = make_study(tmp_path / "s")
    for table_name in ("registry", "visits", "manifest"):
        table = load(folder, table_name)
        table["patient_id"] = table["patient_id"].replace("H-01", name)
        save(folder, table_name, table)
    assert Study(folder).check(checksums=False).empty


# --- commands ---------------------------------------------------------------------------------


def test_init_writes_empty_tables_that_pass_the_check(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert main(["init", str(folder)]) == 0
    assert main(["check", str(folder)]) == 0
    assert "0 errors, 1 warning, 0 notes" in capsys.readouterr().out
    study = Study(folder)
    assert len(study.registry) == 0 and not study.has_outcomes and not study.is_synthetic
    assert "treatment_start" in (folder / "data/data_dictionary.md").read_text()


def test_init_writes_what_is_missing_and_leaves_what_is_there(study, capsys):
    before = {name: study.table_path(name).read_bytes() for name in ("registry", "manifest")}
    study.table_path("visits").unlink()
    written = {path.name for path in init(study.folder)}
    assert written == {"visits.csv", "data_dictionary.md", "study.toml"}
    assert {name: study.table_path(name).read_bytes() for name in before} == before
    with pytest.raises(StudyError, match="has all tables already; nothing was written"):
        init(study.folder)
    assert main(["init", str(study.folder)]) == 1
    assert "already" in capsys.readouterr().err


def test_the_command_as_it_is_typed(study):
    command = [sys.executable, "-m", "npc_helpers.study", "check", str(study.folder), "--fast"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0 and "0 errors, 0 warnings" in done.stdout and done.stderr == ""


# --- the schema and its page ------------------------------------------------------------------


def test_the_committed_data_dictionary_is_the_printed_one():
    committed = (ROOT / "docs" / "data_dictionary.md").read_text(encoding="utf-8")
    assert committed.rstrip() == data_dictionary().rstrip()


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
