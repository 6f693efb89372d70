"""A study of one's own takes the same path: other identifiers, matrix, vendor, fewer patients."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from npc_intake.public_sets import import_npc277
from test_nifti import make_npc277

from npc_helpers.study import Study

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BUILD = ["--patients", "48", "--prefix", "HOSP", "--vendor", "C", "--matrix", "384"]
NOTEBOOKS = [path.stem for path in sorted((ROOT / "notebooks" / "py").glob("0[0-6]_*.py"))]
TUTORIAL = "import sys; from npc_course.notebooks import tutorial; sys.exit(tutorial())"
OUTCOMES = ["progression_date", "progression_type", "death_date", "last_review_date"]


def run_tutorial(folder):
    environment = os.environ | {"NPC_STUDY": str(folder), "NPC_SETTING": "tutorial"}
    return subprocess.run(
        [sys.executable, "-c", TUTORIAL], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def executed(study, name):
    return nbformat.read(study.result_path("notebooks") / f"{name}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The study after the tutorial, with what the tutorial printed."""
    folder = tmp_path_factory.mktemp("hospital")
    build = [sys.executable, "-m", "npc_demo", str(folder), *BUILD]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    done = run_tutorial(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return Study(folder), done.stdout


def test_every_notebook_has_run_on_it(finished):
    study, printed = finished
    for name in NOTEBOOKS:
        assert name in printed
        assert (study.result_path("html") / f"{name}.html").stat().st_size > 10_000


def test_results_are_those_of_its_own_patients(finished):
    study, _ = finished
    for name in ("cohort.csv", "rois.csv", "predictions_pre.csv", "predictions_post.csv"):
        table = pd.read_csv(study.result_path(name))
        assert table["patient_id"].str.startswith("HOSP").all(), name
    comparison = pd.read_csv(study.result_path("comparison.csv"))
    assert list(comparison["model"]) == ["Pre-model", "Post-model", "Ensemble", "TNM"]
    stacks = executed(study, "02_crop_roi")
    assert any("(7, 384, 384)" in str(cell.get("outputs")) for cell in stacks.cells)


def test_no_reference_of_the_demonstration_study_stepped_in(finished):
    study, _ = finished
    for name in NOTEBOOKS:
        assert "USING THE REFERENCE" not in str(executed(study, name))


def test_a_small_study_is_told_what_it_cannot_answer(finished):
    _, printed = finished
    assert "05_compare_with_tnm ended early: of 10 patients" in printed
    assert "FAILED" not in printed


def test_without_outcomes_regions_and_maps_still_work(finished, tmp_path):
    study, _ = finished
    patients = list(dict.fromkeys(study.manifest["patient_id"]))[:3]
    manifest = pd.read_csv(study.table_path("manifest"), dtype=str)
    manifest = manifest[manifest["patient_id"].isin(patients)]
    for path in manifest["path"]:
        shutil.copytree(study.folder / path, tmp_path / path)
    (tmp_path / "data").mkdir(exist_ok=True)
    manifest.to_csv(tmp_path / "data_manifest.csv", index=False)
    registry = pd.read_csv(study.table_path("registry"), dtype=str)
    registry = registry[registry["patient_id"].isin(patients)]
    registry.drop(columns=OUTCOMES).to_csv(tmp_path / "data" / "registry.csv", index=False)
    done = run_tutorial(tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "02_crop_roi" in done.stdout and "06_explore_gradcam" in done.stdout
    assert "This study has no outcomes" in done.stdout
    assert "03_train_pre_model" not in done.stdout
    assert "gradcam_scores.csv" in {path.name for path in (tmp_path / "results").rglob("*.csv")}


def test_images_before_treatment_alone_are_cropped_and_explained(tmp_path):
    """NPC-277 as its import makes it: no outcome, no stage, no second examination, other matrix."""
    import_npc277(make_npc277(tmp_path / "zip"), tmp_path / "study", progress=False)
    done = run_tutorial(tmp_path / "study")
    assert done.returncode == 0, done.stdout[-3000:]
    study = Study(tmp_path / "study")
    rois = pd.read_csv(study.result_path("rois.csv"))
    assert set(rois["timepoint"]) == {"pre"} and set(rois["source"]) == {"suggested"}
    scores = pd.read_csv(study.result_path("gradcam_scores.csv"))
    assert scores["patient_id"].nunique() == 2 and set(scores["timepoint"]) == {"pre"}
