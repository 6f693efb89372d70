"""Every CSV that the suite writes: no cell of it is a formula, and each text comes back whole."""

import csv

import pandas as pd
import pytest
from archives import Shelf
from dicom_making import make_slice, noise, save
from intake_study import study_of
from npc_intake.__main__ import main
from npc_intake.deidentify import Key
from npc_intake.deidentify.original_words import original_words

from npc_helpers.figures.report import Report
from npc_helpers.imaging.roi_files import read_rectangles, write_rectangles
from npc_helpers.imaging.roi_table import COLUMNS
from npc_helpers.study import Study, init
from npc_helpers.study.__main__ import main as study_command
from npc_helpers.study.artefacts import load_table, save_table

NUMBERS = ("=1+1", "-P4", "+P5", "@SUM(A1)", "'=2+2", "-7")
WORDS = "=T2-2"
READER = "-ann"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Everything that intake and the notebooks' tables write about patients with such numbers."""
    home = tmp_path_factory.mktemp("formulas")
    study, incoming = study_of(home / "study", *NUMBERS), str(home / "in")
    registry = pd.read_csv(study / "data/registry.csv", dtype=str, keep_default_na=False)
    registry["patient_id"] = [f"'{n}" if n[0] != "-" or n == "-P4" else n for n in NUMBERS]
    registry.assign(**{"=note": WORDS}).to_csv(study / "data/registry.csv", index=False)
    for number, patient in enumerate(NUMBERS):
        for index, pixels in enumerate(noise(3, seed=number)):
            tags = {"SeriesInstanceUID": f"2.25.7.{number}", "SeriesDescription": WORDS}
            tags |= {"SOPInstanceUID": f"2.25.8.{number}.{index}", "StudyDate": "20180201"}
            tags |= {"RepetitionTime": 4000, "EchoTime": 90, "PatientSex": "F"}
            dataset = make_slice(pixels, 6.0 * index, patient_id=patient, **tags)
            save(dataset, home / "in" / f"{number}-{index}.dcm")
    command = ["find", incoming, str(study)]
    assert [main(command), main([*command, "--copy"])] == [0, 0]
    study_command(["check", str(study), "--csv", str(home / "problems.csv")])
    key = ["--key", str(home / "k" / "key.json")]
    assert main(["deidentify", incoming, str(home / "out"), *key]) == 0
    init(home / "without")
    assert main(["tables", str(study), str(home / "without"), *key]) == 0
    table = Study(study).registry
    save_table(home / "cohort.csv", table, {"made_from": {}}, synthetic=False)
    write_rectangles(home / "rois.csv", rectangles())
    Report(home / "report", title="All").add_table(
        "patients", table[["patient_id", "=note"]], "Patients."
    )
    archive = Shelf()
    for dataset in archive.datasets.values():
        dataset.PatientID = dataset.SeriesDescription = "P-1"
    archive.retrieve(home)
    return home


def rectangles():
    rows = [(patient, "pre", "t2w", 0, 0, 0, 9, 9, "manual", READER) for patient in NUMBERS]
    return pd.DataFrame(rows, columns=COLUMNS)


def is_formula(cell):
    try:
        float(cell)
    except ValueError:
        return cell[:1] in tuple("=+-@\t\r＝＋－＠")
    return False


def test_no_cell_of_any_table_is_a_formula(written):
    by_the_user = written / "study/data/registry.csv"
    paths = sorted(path for path in written.rglob("*.csv") if path != by_the_user)
    names = {path.name for path in paths}
    assert names >= {
        *("found_series.csv", "data_manifest.csv", "problems.csv", "key-patients.csv"),
        *("key-words.csv", "key-people.csv", "cohort.csv", "rois.csv", "patients.csv"),
        *("look_for_text.csv", "retrieval_log.csv"),
    } and any(name.startswith("key-run-") for name in names)
    for path in paths:
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert [cell for cell in cells if is_formula(cell)] == [], path


def test_numbers_and_texts_are_read_back_as_they_were(written):
    study = Study(written / "study")
    assert sorted(study.registry["patient_id"]) == sorted(NUMBERS)
    assert sorted(study.manifest["patient_id"]) == sorted(NUMBERS)
    assert study.registry["=note"].unique().tolist() == [WORDS]
    pd.testing.assert_frame_equal(load_table(written / "cohort.csv"), study.registry)
    pd.testing.assert_frame_equal(read_rectangles(written / "rois.csv"), rectangles())
    key = Key.open(written / "k" / "key.json")
    assert sorted(key.read_mapping().values()) == sorted(NUMBERS)
    assert set(original_words(key.path)["description"]) == {WORDS}


def test_numbers_stay_numbers(written):
    table = pd.read_csv(written / "study" / "data/found_series.csv")
    assert table["tr_ms"].tolist() == [4000] * len(NUMBERS)
    assert "-7" in set(pd.read_csv(written / "rois.csv", dtype=str)["patient_id"])
