"""The exercises on survival networks: right answers, and what is said to the usual wrong ones."""

import numpy as np
import pandas as pd
import pytest

from npc_helpers.statistics import interval_survival

pytestmark = pytest.mark.usefixtures("small_hospital")


@pytest.mark.parametrize(
    ("answer", "said"),
    [(2, "right. 2: the first, and the second"), ("2", "right"), (1, "most of another"),
     (4, "Nobody knows"), (0, "It is not 0"), ("some", "should be a whole number")],
)  # fmt: skip
def test_a_patient_who_is_lost_past_the_middle_has_survived_the_interval(answers, answer, said):
    assert said in answers("12.1", answer)


def test_a_share_is_read_from_the_curve_of_visits(answers):
    """Four of ten progress between the visits at 6 and 9 months."""
    curve = interval_survival([6] * 4 + [30] * 6, [9] * 4 + [np.inf] * 6)
    assert "right. 0.60 of the patients" in answers("12.2", 0.62, curve=curve)
    assert "0.70 is too high" in answers("12.2", 0.7, curve=curve)
    assert "0.50 is too low" in answers("12.2", "50%", curve=curve)
    assert "between 0 and 1" in answers("12.2", 60, curve=curve)


def test_where_the_curve_is_a_range_all_of_it_is_right(answers):
    curve = pd.DataFrame({"time": [0.0, 10.0], "low": [1.0, 0.5], "high": [1.0, 0.8]})
    assert "right. 0.50 to 0.80" in answers("12.2", 0.65, curve=curve)
