"""A notebook opens although the one before it was never run: the reference artefacts step in."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from npc_helpers.study import Study

ROOT = Path(__file__).parents[2]
TABLES = (
    "data/registry.csv", "data/visits.csv", "data/suggested_rois.csv", "data_manifest.csv",
)  # fmt: skip
RUN = """
import json, sys
from npc_course import notebooks
runs = notebooks.run_all(
    [p for p in notebooks.sources() if p.stem == sys.argv[1]], notebooks.Path(sys.argv[2]),
    logs=notebooks.Path(sys.argv[2]) / "logs",
)
print(json.dumps([run.error for run in runs]))
"""


@pytest.fixture
def fresh_study(tmp_path):
    """The demonstration study's tables and reference artefacts, without images or results."""
    for name in TABLES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "data" / "reference", tmp_path / "data" / "reference")
    return Study(tmp_path)


def test_comparison_runs_from_the_reference_predictions(fresh_study, monkeypatch):
    monkeypatch.setenv("NPC_STUDY", str(fresh_study.folder))
    executed = fresh_study.folder / "executed"
    command = [sys.executable, "-c", RUN, "05_compare_with_tnm", str(executed)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [None]
    comparison = fresh_study.read_table("comparison.csv")
    assert list(comparison["model"]) == ["Pre-model", "Post-model", "Ensemble", "TNM"]


def test_a_reference_says_that_it_is_one(fresh_study):
    with pytest.warns(UserWarning, match="USING THE REFERENCE .*Run notebook 03_train_pre_model"):
        fresh_study.read_table("predictions_pre.csv")


def test_references_are_those_of_the_committed_notebooks(fresh_study):
    """The reference predictions give the table that notebook 05 was committed with."""
    from npc_helpers import statistics
    from npc_helpers.cohort import included_patients
    from npc_helpers.network import prediction

    with pytest.warns(UserWarning, match="REFERENCE"):
        cohort = included_patients(fresh_study.read_table("cohort.csv"))
        table = fresh_study.read_table("predictions_post.csv")
    test = cohort[cohort.split == "test"].set_index("patient_id")
    post = prediction.patient_probability(table).reindex(test.index)
    auc = statistics.roc_auc(test.high_risk.astype(bool), post)
    book = (ROOT / "notebooks" / "05_compare_with_tnm.ipynb").read_text(encoding="utf-8")
    assert str(auc) in json.dumps(json.loads(book), ensure_ascii=False)
