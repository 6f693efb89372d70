"""Exercises of the later lessons: each with right, wrong and ill-formed answers."""

import pandas as pd
import pytest
from small_study import make_study

from npc_helpers.exercises import check
from npc_helpers.exercises.checking import EXERCISES
from npc_helpers.study import Study


@pytest.fixture
def study(tmp_path, monkeypatch):
    folder = make_study(tmp_path / "study")
    monkeypatch.setenv("NPC_STUDY", str(folder))
    return Study(folder)


@pytest.fixture
def answers(study, capsys):
    """What an exercise says to an answer, in somebody's own study."""

    def answer(name, value, **given):
        check(name, value, **given)
        return capsys.readouterr().out

    return answer


@pytest.fixture
def patients():
    """Six patients of whom two progressed early and two were lost before 36 months."""
    table = pd.DataFrame(
        {
            "pfs_months": [10, 20, 24, 30, 40, 50],
            "progressed": [True, False, True, False, False, True],
            "high_risk": [True, True, True, False, False, False],
        },
        index=[f"H-{number:02d}" for number in range(1, 7)],
    )
    return table


def refuses(said, name):
    return f"The answer should be {EXERCISES[name].form}" in said and EXERCISES[name].hint in said


# --- 08: labels ---------------------------------------------------------------------------------


def test_low_risk_and_progressed(answers, patients):
    said = answers("08.1", "none", patients=patients)
    assert ": right" in said and "the 1 patients called high-risk" in said
    assert "0 of them had" in answers("08.1", "some", patients=patients)
    assert "at least 30 months" in answers("08.1", "some", patients=patients)
    mislabelled = patients.assign(high_risk=[False, True, True, True, False, False])
    assert "right. 1 of 3" in answers("08.1", "some", patients=mislabelled)
    assert refuses(answers("08.1", "most", patients=patients), "08.1")


def test_risk_by_horizon(answers, patients):
    """By hand: 1/6, then 1/(6 · 4/5) of those left after one was lost, makes 0.375."""
    said = answers("08.2", 1 / 6 + 1 / (6 * 0.8), patients=patients)
    assert "right. 0.38. Without those who were lost it would be 0.50" in said and "0.33" in said
    assert "right" in answers("08.2", "37.5%", patients=patients)
    assert "leaves out those who were lost" in answers("08.2", 0.5, patients=patients)
    assert "counts everybody who was lost" in answers("08.2", 2 / 6, patients=patients)
    assert "It is not 0.9" in answers("08.2", 0.9, patients=patients)
    assert refuses(answers("08.2", "half", patients=patients), "08.2")


def scanned(study, days):
    """Give the patients of a study other dates of their first scan, in their order."""
    path = study.table_path("registry")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    dates = pd.Timestamp("2015-01-01") + pd.to_timedelta(days, unit="D")
    table.assign(mri_pre_date=dates.strftime("%Y-%m-%d")).to_csv(path, index=False)


@pytest.mark.parametrize(
    ("days", "place", "auc"),
    [
        ([15, 14, 13, 3, 2, 1], "above", 1),
        ([1, 2, 3, 13, 14, 15], "below", 0),
        ([1, 5, 9, 2, 4, 8], "at", 5 / 9),
    ],
)
def test_auc_of_the_scan_date(study, answers, patients, days, place, auc):
    scanned(study, days)
    assert f"right. The AUC is {auc:.3f}" in answers("08.3", place, patients=patients)
    wrong = "above" if place == "at" else "at"
    assert "not yet" in answers("08.3", wrong, patients=patients)
    assert refuses(answers("08.3", "late", patients=patients), "08.3")
