"""The exercises on the next examination: right answers, and what the usual wrong ones get."""

import pandas as pd
import pytest

pytestmark = pytest.mark.usefixtures("small_hospital")
MONTHS = pd.Series([2.0, 6.0, 7.0, 30.0])
START = pd.Series([6.0] * 4)
RISK = pd.DataFrame({"pre": [0.2], "mid": [0.25], "post": [0.6]}, ["a"])


@pytest.mark.parametrize(
    ("answer", "said"),
    [([False, False, True, True], "right. 2 of 4 patients"),
     ([0, 0, 1, 1], "right"),
     ([False, False, False, True], "1 patients who were under observation there are missing"),
     ([True] * 4, "2 patients are among them whom nobody observed"),
     ([True, True, False, False], "These are the others"),
     ([False] * 4, "Nobody would be left"),
     ([True], "should be True or False for each patient"),
     (MONTHS, "should be True or False for each patient")],
)  # fmt: skip
def test_who_is_at_risk_has_been_observed_beyond_the_landmark(answers, answer, said):
    assert said in answers("15.1", answer, months=MONTHS, start=START)


@pytest.mark.parametrize(
    ("answer", "said"),
    [("unknown", "right. The risk"), ("free", "Four more months"),
     ("progressed", "Nobody has seen"), ("well", "should be")],
)  # fmt: skip
def test_who_is_lost_before_the_horizon_is_unknown_there(answers, answer, said):
    assert said in answers("15.2", answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [("post", "right. At post it rose by 0.35"), ("mid", "moved by 0.05"),
     ("pre", "where the line begins"), ("later", "should be the name of an examination")],
)  # fmt: skip
def test_the_longest_step_is_read_from_the_line(answers, answer, said):
    assert said in answers("15.3", answer, risk=RISK, patient="a")
