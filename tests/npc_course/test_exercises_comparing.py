"""Exercises on comparing models: truth from another library, and each usual mistake named."""

import numpy as np
import pandas as pd
import pytest
from lifelines.utils import concordance_index
from statsmodels.stats.multitest import multipletests

pytestmark = pytest.mark.usefixtures("small_hospital")

P = [0.001, 0.022, 0.023, 0.3, 0.4]


def grouped(split, high_risk, score):
    patients = pd.DataFrame({"split": split, "high_risk": high_risk})
    return {"patients": patients, "score": pd.Series(score, patients.index)}


def test_a_threshold_of_the_test_patients_is_told_from_one_of_the_training_patients(answers):
    """Training: all found and spared at 0.6. Test: at 0.6 one of two found, at 0.4 both."""
    given = grouped(
        ["train"] * 4 + ["test"] * 4,
        [True, True, False, False] * 2,
        [0.9, 0.6, 0.5, 0.1, 0.8, 0.4, 0.3, 0.2],
    )
    said = answers("05.1", 0.6, **given)
    assert "right. Chosen in the training cohort, 0.600" in said
    assert "a sum of 1.50" in said and "would have given 2.00" in said
    said = answers("05.1", 0.4, **given)
    assert "not yet" in said and "*of the test patients*" in said and "add up to 2.00" in said
    assert "0.500 is not where the two add up to most" in answers("05.1", 0.5, **given)
    assert "should be a threshold" in answers("05.1", "high", **given)


def test_one_half_is_no_threshold_that_the_training_cohort_chose(answers):
    """The chosen one may be printed as 0.500, too; who guesses one half has repaired nothing."""
    given = grouped(["train"] * 2 + ["test"] * 2, [True, False] * 2, [0.4998, 0.2, 0.7, 0.6])
    assert "not yet. One half was chosen by nobody" in answers("05.1", 0.5, **given)
    assert "right" in answers("05.1", 0.4998, **given)


def test_a_threshold_that_both_cohorts_share_is_right(answers):
    given = grouped(["train"] * 2 + ["test"] * 2, [True, False] * 2, [0.7, 0.2] * 2)
    assert "right" in answers("05.1", 0.7, **given)


def test_concordant_share_is_that_of_another_library(answers):
    months, progressed, stage = [10, 20, 30, 40], [True, True, False, False], np.array([1, 0, 1, 0])
    truth = concordance_index(months, -stage, progressed)
    given = {"test": pd.DataFrame({"pfs_months": months, "progressed": progressed}), "score": stage}
    said = answers("05.2", truth, **given)
    assert "right. 5 of 6 pairs can be compared, and in 40% of those" in said
    for value, words in {
        0.4: "A tie in the score counts nothing",
        0.8: "A tie in the score counts in full",
        0.5: "nobody knows who progressed first",
        0.2: "It is not 0.2",
    }.items():
        assert words in answers("05.2", value, **given)
    other_way_round = {**given, "score": np.array([3, 1, 2, 0])}  # 0.8, without any tie
    assert "*second* patient" in answers("05.2", 0.2, **other_way_round)
    assert "should be a share" in answers("05.2", [1, 2], **given)


def test_overlapping_intervals_and_a_difference_without_zero(answers):
    truth = pd.Series([True] * 4 + [False] * 4)
    risk = {"network": [9, 4, 7, 6, 5, 3, 1, 2], "stage": [1, 0, 1, 1, 1, 0, 0, 1]}
    risk = {name: pd.Series(score, truth.index) for name, score in risk.items()}
    said = answers("05.3", "No", truth=truth, risk=risk)
    assert "right. The two intervals share" in said and "the difference is 0.31" in said
    assert "not yet. The difference is 0.31" in answers("05.3", "yes", truth=truth, risk=risk)
    same = {"a": risk["stage"], "b": risk["stage"]}
    assert "right" in answers("05.3", "yes", truth=truth, risk=same)
    assert 'should be `"yes"` or `"no"`' in answers("05.3", 0.3, truth=truth, risk=risk)


def test_adjusted_p_values_are_those_of_another_library(answers):
    truth = multipletests(P, method="holm")[1]
    unsorted = pd.Series(P)[[3, 0, 4, 2, 1]]
    assert "right. Of 5 pairs, 3 have P below 0.05 before" in answers("05.4", truth, p=unsorted)
    assert "and 1 after it" in answers("05.4", list(truth), p=unsorted)
    times = np.arange(5, 0, -1)
    for value, words in [
        (P, "as they were"),
        (np.array(P) * 5, "Bonferroni"),
        (np.minimum(np.array(P) * 5, 1), "Bonferroni"),
        (np.minimum(np.array(P) * times, 1), "fall below the one before"),
        (np.maximum.accumulate(np.array([0.2, 0.3, 0.3, 0.6, 0.7]) * times), "above 1"),
        ([0.1] * 5, "Not all of them"),
    ]:
        assert words in answers("05.4", value, p=unsorted), words
    assert "one P value for each pair" in answers("05.4", truth[:3], p=unsorted)
