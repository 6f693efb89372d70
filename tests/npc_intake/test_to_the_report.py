"""From DICOM files as a hospital exports them to a report, without a notebook: odd patients, too.

One patient has two series for one place before treatment, another only images after treatment, one
series has a single image, the folder's name has blanks and Chinese letters, and a date of the
spreadsheet is a bare number. Each is told, decided or corrected as told, and the report comes.
"""

import html
import shutil
import warnings

import pandas as pd
import pytest
from dicom_making import noise, write_series
from npc_intake.__main__ import main
from small_study import change, load, make_study, save

from npc_helpers import cohort
from npc_helpers.figures.study_report import write_report
from npc_helpers.imaging.roi import network_inputs, suggest_rois
from npc_helpers.imaging.scanners import scanner_table
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import Study
from npc_helpers.study.__main__ import main as study_command

KINDS = {"t2w": ("Ax T2", 4000, 90), "t1c": ("Ax T1 +C", 600, 10)}
NAME = (
    "研究 $1_2% & #鼻咽癌 {x} أبجد"  # signs of LaTeX and HTML, and letters written from the right
)
EXPORT = {  # patient, day, sequence -> slices, and what the description says more
    ("H-01", "2015-01-11", "t2w"): [(4, ""), (4, " repeated")],
    ("H-01", "2015-01-11", "t1c"): [(1, "")],
    ("H-01", "2015-04-01", "t2w"): [(3, "")],
    ("H-02", "2015-04-01", "t2w"): [(3, "")],
    ("H-02", "2015-04-01", "t1c"): [(3, "")],
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Images in a folder of another language, and tables of which one date is a number."""
    root = tmp_path_factory.mktemp("医院 A")
    folder = make_study(root / NAME, patients=3)
    shutil.rmtree(folder / "data/images")
    save(folder, "manifest", load(folder, "manifest").head(0))
    number = 0
    for (patient, when, sequence), series in EXPORT.items():
        text, repetition, echo = KINDS[sequence]
        for slices, more in series:
            number += 1
            write_series(
                root / "导出 1" / f"系列 {number}",
                noise(slices, 48, 48, seed=number),
                patient_id=patient,
                StudyDate=when.replace("-", ""),
                SeriesInstanceUID=f"2.25.4242.7.{number}",
                SeriesDescription=text + more,
                RepetitionTime=repetition,
                EchoTime=echo,
                PatientIdentityRemoved="YES",
            )
    change("registry", 2, "mri_post_date", "42095")(folder)  # 1 April 2015, as Excel counts
    return folder


def find(study, *options):
    return main(["find", str(study.parent / "导出 1"), str(study), *options])


@pytest.fixture(scope="module")
def finished(study):
    """Do what each message tells."""
    assert study_command(["check", str(study)]) == 1  # the date that is a number
    shown = pd.Timestamp("1899-12-30") + pd.Timedelta(days=42095)
    change("registry", 2, "mri_post_date", f"{shown:%Y-%m-%d}")(study)
    assert find(study) == 0
    table = pd.read_csv(study / "data/found_series.csv", dtype=str, keep_default_na=False)
    waits = table[table["status"] == "decide"]
    decided = {"Ax T1 +C": "pre t1c", "Ax T2": "pre t2w", "Ax T2 repeated": "skip"}
    assert waits["description"].tolist() == list(decided) and set(waits["patient_id"]) == {"H-01"}
    assert ("a single slice" in waits["reason"].iloc[0]) and waits["n_slices"].iloc[0] == "1"
    table.loc[waits.index, "decided"] = list(decided.values())
    table.to_csv(study / "data/found_series.csv", index=False)
    assert find(study, "--copy") == 0
    assert study_command(["check", str(study)]) == 0
    return Study(study)


def test_the_two_series_for_one_place_became_one(finished):
    manifest = finished.manifest.set_index(["patient_id", "timepoint", "sequence"])
    assert sorted(manifest.index) == [
        ("H-01", "post", "t2w"),
        ("H-01", "pre", "t1c"),
        ("H-01", "pre", "t2w"),
        ("H-02", "post", "t1c"),
        ("H-02", "post", "t2w"),
    ]
    assert manifest.loc[("H-01", "pre", "t1c"), "n_images"] == 1


def test_all_images_are_seen_by_the_network(finished):
    stacks = load_stacks(finished)
    images, index = network_inputs(stacks, suggest_rois(finished, stacks))
    assert len(images) == 4 + 1 + 3 + 3 + 3 and (index["patient_id"] == "H-02").sum() == 6


def test_the_report_comes(finished):
    study = Study(finished.folder)  # opened in this test: its mark is on every caption
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = cohort.build_cohort(study)
    study.write_table("cohort.csv", table)
    study.write_table("flow.csv", cohort.flow(cohort.screen(study.registry, study.visits)))
    study.write_table("scanners.csv", scanner_table(study))
    stacks = load_stacks(study)
    study.write_table("rois.csv", suggest_rois(study, stacks))
    page = write_report(study).read_text(encoding="utf-8")
    assert f"Report of {html.escape(NAME)}" in page
    assert "3 patients considered, 3 included" in page
    assert "14 rectangles of 2 patients: 14 in the default place" in page
    assert "t2w has a post series but no pre series" in page
    table = study.result_path("report") / "tables" / "scanners.tex"
    assert r"研究 \$1\_2\% \& \#鼻咽癌 \{x\} أبجد" in table.read_text(encoding="utf-8")


def test_a_report_comes_of_a_study_with_an_error(study, finished, tmp_path):
    folder = shutil.copytree(study, tmp_path / "study")
    change("registry", 2, "mri_post_date", "42095")(folder)
    page = write_report(Study(folder)).read_text(encoding="utf-8")
    assert "is &#x27;42095&#x27;" in page and "give the column this date format" in page
