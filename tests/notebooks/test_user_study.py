"""Studies of one's own walk all notebooks to the end, whatever they lack, and get a report.

The rehearsal study walks as a user's does, each notebook in a process of its own. The others share
one kernel that forgets between two notebooks: most of such a walk is starting and importing.
"""

import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nifti_making import make_npc277
from npc_demo.__main__ import main as demo
from npc_intake.public_sets import import_npc277
from small_study import change, load, save

from npc_course.notebooks import sources, tutorial
from npc_helpers.study import Study, mark, series_checksum

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TUTORIAL = "import sys; from npc_course.notebooks import tutorial; sys.exit(tutorial())"
OUTCOMES = ["progression_date", "progression_type", "death_date", "last_review_date"]


def walk(folder, kernel=None):
    """Run every notebook on a study; return it with what was printed."""
    environment = {"NPC_STUDY": str(folder), "NPC_SETTING": "tutorial"}
    if kernel is None:
        done = subprocess.run(
            [sys.executable, "-c", TUTORIAL], cwd=ROOT, env=os.environ | environment,
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
        printed = done.stdout
    else:
        mark.forget()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as said:
            for name, value in environment.items():
                patch.setenv(name, value)
            status = tutorial(kernel=kernel)
        printed = said.getvalue()
        assert status == 0, printed[-3000:]
    study = Study(folder)
    for source in sources():
        assert (study.result_path("html") / f"{source.stem}.html").stat().st_size > 10_000
        assert "USING THE REFERENCE" not in str(executed(study, source.stem))
    page = study.result_path("report") / "report.html"
    return study, printed, page.read_text(encoding="utf-8")


def executed(study, name):
    return nbformat.read(study.result_path("notebooks") / f"{name}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsal") / "study"
    assert demo(["rehearsal", str(folder)]) == 0
    return walk(folder)


def test_the_rehearsal_study_walks_to_the_end(rehearsed):
    study, printed, page = rehearsed
    cohort = pd.read_csv(study.result_path("cohort.csv"), dtype={"patient_id": str})
    included = set(cohort.loc[cohort["included"], "patient_id"])
    for when in ("pre", "post"):
        table = pd.read_csv(study.result_path(f"predictions_{when}.csv"), dtype={"patient_id": str})
        assert set(table["patient_id"]) <= included
    comparison = pd.read_csv(study.result_path("comparison.csv"))
    assert list(comparison["model"]) == ["Pre-model", "Post-model", "Ensemble", "TNM"]
    assert "FAILED" not in printed and "Left out" in printed


def test_what_is_left_out_says_so_where_the_reader_looks(rehearsed):
    study, _, page = rehearsed
    comparison = str(executed(study, "05_compare_with_tnm"))
    assert "Left out:" in comparison and "5 test patients are too few to decide" in comparison
    assert "left out: 10 series of 5 patients outside the cohort" in str(
        executed(study, "03_train_pre_model")
    )
    assert "Not available:" in page


def test_the_report_has_what_a_methods_section_needs(rehearsed):
    _, _, page = rehearsed
    for words in (
        *("36 patients considered, 28 included", "Characteristics of 28 included patients"),
        *(
            "2 of 28 patients had progressed by the day",
            "SYNTHETIC north",
            "134 in the default place, drawn by nobody",
        ),
        *("Only 5 test patients", "0 errors, 9 warnings", "synthetic patients"),
    ):
        assert words in page, words


def test_without_outcomes_everything_else_works(rehearsed, kernel, tmp_path):
    study, _, _ = rehearsed
    folder = tmp_path / "study"
    folder.mkdir()
    manifest = pd.read_csv(study.table_path("manifest"), dtype=str)
    patients = list(dict.fromkeys(manifest["patient_id"]))[:3]
    manifest = manifest[manifest["patient_id"].isin(patients)]
    for path in manifest["path"]:
        shutil.copytree(study.folder / path, folder / path)
    (folder / "data").mkdir()
    manifest.to_csv(folder / "data_manifest.csv", index=False)
    registry = study.registry[study.registry["patient_id"].isin(patients)]
    for name in registry.select_dtypes(bool):
        registry[name] = registry[name].map({True: "yes", False: "no"})
    registry.drop(columns=OUTCOMES).to_csv(folder / "data" / "registry.csv", index=False)
    study, printed, page = walk(folder, kernel)
    assert "training needs outcomes" in printed and "training needs outcomes" in page
    assert study.artefact_state("gradcam_scores.csv") == "current"


def test_twelve_patients(kernel, tmp_path):
    folder = tmp_path / "study"
    assert demo([str(folder), "--patients", "12", "--prefix", "HOSP", "--matrix", "384"]) == 0
    study, printed, page = walk(folder, kernel)
    assert len(study.read_table("comparison.csv")) == 4 or "comparison.csv" in printed
    assert "Characteristics of 12 included patients" in page


def as_they_come(folder):
    """Give two patients what real ones have, each of which once stopped a lesson.

    H-01 was reviewed last on a day that the visits alone tell, has one image of a series, and
    lies in a folder with a blank and other letters. H-02 has images after treatment only.
    """
    (folder / "data/images/H-01").rename(folder / "data/images/患者 一")
    manifest = load(folder, "manifest")
    manifest["path"] = manifest["path"].str.replace("H-01", "患者 一")
    single = (manifest["patient_id"] == "H-01") & (manifest["sequence"] == "t1c")
    single &= manifest["timepoint"] == "pre"
    images = folder / manifest.loc[single, "path"].item()
    for path in sorted(images.iterdir())[1:]:
        path.unlink()
    manifest.loc[single, ["n_images", "sha256"]] = ["1", series_checksum(images)]
    before = (manifest["patient_id"] == "H-02") & (manifest["timepoint"] == "pre")
    save(folder, "manifest", manifest[~before])
    change("registry", 0, "last_review_date", "")(folder)
    return folder


def test_two_patients_as_they_come(kernel, two_patients, tmp_path):
    folder = as_they_come(shutil.copytree(two_patients, tmp_path / "研究 2"))
    study, _, page = walk(folder, kernel)
    assert "the 2 included patients are not divided" in page
    cohort = study.read_table("cohort.csv")
    assert cohort["included"].all() and cohort["pfs_months"].notna().all()
    rois = study.read_table("rois.csv")
    images = rois.groupby(["patient_id", "timepoint", "sequence"]).size()
    assert images["H-01", "pre", "t1c"] == 1 and set(rois.timepoint[rois.patient_id == "H-02"]) == {
        "post"
    }


def test_images_before_treatment_alone_are_cropped_and_explained(kernel, tmp_path):
    """NPC-277 as its import makes it: no outcome, no stage, no second examination, other matrix."""
    import_npc277(make_npc277(tmp_path / "zip"), tmp_path / "study", progress=False)
    study, _, _ = walk(tmp_path / "study", kernel)
    rois = pd.read_csv(study.result_path("rois.csv"))
    assert set(rois["timepoint"]) == {"pre"}
    scores = pd.read_csv(study.result_path("gradcam_scores.csv"))
    assert scores["patient_id"].nunique() == 2 and set(scores["timepoint"]) == {"pre"}
