"""The exercises on the next examination: right answers, and what the usual wrong ones get."""

import numpy as np
import pandas as pd
import pytest

from npc_helpers.cohort import included_patients, progression_free_survival
from npc_helpers.study import NotInThisStudy, Study, shipped_reference

pytestmark = pytest.mark.usefixtures("small_hospital")
MONTHS = pd.Series([2.0, 6.0, 7.0, 30.0])
START = pd.Series([6.0] * 4)
RISK = pd.DataFrame({"pre": [0.2], "mid": [0.25], "post": [0.6]}, ["a"])


@pytest.mark.parametrize(
    ("answer", "said"),
    [([False, False, True, True], "right. 2 of 4 patients"),
     ([0, 0, 1, 1], "right"),
     ([False, False, False, True], "1 patients who were under observation there are missing"),
     ([True] * 4, "2 patients are among them who had progressed"),
     ([True, True, False, False], "These are the others"),
     ([False] * 4, "Nobody would be left"),
     ([True], "should be True or False for each patient"),
     (MONTHS, "should be True or False for each patient")],
)  # fmt: skip
def test_who_is_at_risk_has_been_observed_beyond_the_landmark(answers, answer, said):
    assert said in answers("15.1", answer, months=MONTHS, start=START)


def test_a_pill_without_effect_seems_to_work_if_its_takers_had_to_live_to_it(answers):
    """One taker of two progresses in 100 months; two of the two others in 20: a tenth."""
    months = pd.Series([40.0, 60.0, 5.0, 15.0])
    progressed = pd.Series([True, False, True, True])
    pill = {"months": months, "progressed": progressed, "takes": months > 20}
    said = answers("15.2", 0.1, **pill)
    assert "right. 0.10. 2 patients progressed before their first pill" in said
    assert "right" in answers("15.2", "0.15", **pill)
    assert "not yet. The pill seems to do more than that" in answers("15.2", 1, **pill)
    assert "more than that" in answers("15.2", 0.5, **pill)
    assert "should be a ratio" in answers("15.2", -0.1, **pill)
    assert "should be a ratio" in answers("15.2", "a half", **pill)
    pill["progressed"] = pd.Series([True, False, False, False])
    with pytest.raises(NotInThisStudy, match="trap stays shut"):
        answers("15.2", 0.1, **pill)


def test_the_pill_has_its_effect_in_the_demonstration_study_whatever_the_draw(monkeypatch):
    """Measured over 200 draws of the first month: 0.08 to 0.23 from the start, about 1 repaired."""
    monkeypatch.delenv("NPC_STUDY")
    followed = progression_free_survival(Study.open().registry).set_index("patient_id")
    cohort = included_patients(shipped_reference("cohort.csv")).patient_id
    followed = followed.loc[cohort]
    months, progressed = followed.pfs_days / 30.4375, followed.progressed.astype(bool)
    wrong, repaired = [], []
    for seed in range(200):
        begins = np.random.default_rng(seed).uniform(0, 48, len(months))
        takes = months > begins
        taken, others = progressed & takes, progressed & ~takes
        ratio = taken.sum() / others.sum()
        wrong.append(ratio * months[~takes].sum() / months[takes].sum())
        after, without = (months - begins).clip(lower=0).sum(), np.minimum(months, begins).sum()
        repaired.append(ratio * without / after)
    assert 0.05 < min(wrong) and max(wrong) < 0.3 and 0.8 < np.mean(repaired) < 1.1


@pytest.mark.parametrize(
    ("answer", "said"),
    [("unknown", "right. The risk"), ("free", "Four more months"),
     ("progressed", "Nobody has seen"), ("well", "should be")],
)  # fmt: skip
def test_who_is_lost_before_the_horizon_is_unknown_there(answers, answer, said):
    assert said in answers("15.3", answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [("post", "right. At post it rose by 0.35"), ("mid", "moved by 0.05"),
     ("pre", "where the line begins"), ("later", "should be the name of an examination")],
)  # fmt: skip
def test_the_longest_step_is_read_from_the_line(answers, answer, said):
    assert said in answers("15.4", answer, risk=RISK, patient="a")
