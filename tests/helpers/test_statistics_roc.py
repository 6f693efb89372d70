"""AUC and its comparison: scikit-learn, the jackknife, published examples, properties, edges."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from npc_helpers import statistics
from npc_helpers.statistics.estimate import format_p, newcombe_interval
from npc_helpers.statistics.roc import delong

patients = st.lists(
    st.tuples(st.booleans(), st.integers(-4, 4), st.integers(-4, 4)), min_size=6, max_size=40
).filter(lambda rows: 2 <= sum(label for label, _, _ in rows) <= len(rows) - 2)


def columns(rows):
    return (np.array(column, dtype=float) for column in zip(*rows, strict=True))


# --- against other libraries and published numbers ----------------------------------------------


@given(patients)
@settings(max_examples=60, deadline=None)
def test_area_and_curve_equal_scikit_learn(rows):
    label, score, _ = columns(rows)
    assert statistics.roc_auc(label, score).value == pytest.approx(roc_auc_score(label, score))
    curve = statistics.roc_curve(label, score)
    fpr, tpr, threshold = sklearn_roc_curve(label, score, drop_intermediate=False)
    np.testing.assert_allclose(curve.to_numpy(), np.column_stack([threshold, fpr, tpr]))
    assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(roc_auc_score(label, score))


@given(patients)
@settings(max_examples=60, deadline=None)
def test_variance_is_that_of_the_jackknife_within_classes(rows):
    """DeLong's covariance equals the two-sample jackknife's exactly (Arvesen 1969)."""
    label, first, second = columns(rows)
    positive = label == 1

    def area(cases, score):
        high, low = score[cases][:, None], score[~cases]
        return np.mean((high > low) + (high == low) / 2)

    _, covariance = delong(positive, [first, second])
    expected = np.zeros((2, 2))
    for group in (positive, ~positive):
        without = [
            [area(np.delete(positive, i), np.delete(score, i)) for score in (first, second)]
            for i in np.flatnonzero(group)
        ]
        n = group.sum()
        expected += (n - 1) ** 2 / n * np.cov(np.array(without).T)
    np.testing.assert_allclose(covariance, expected, atol=1e-12)


def test_hanley_and_mcneil_s_radiologist():
    """The 109 CT images of Hanley and McNeil (Radiology 1982;143:29): area 0.893, SE 0.032."""
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    label = np.repeat([0, 1], [58, 51])
    rating = np.concatenate([np.repeat(range(1, 6), counts) for counts in (normal, abnormal)])
    auc = statistics.roc_auc(label, rating, method="plain")
    assert round(auc.value, 3) == 0.893
    assert (auc.high - auc.low) / 2 / 1.959964 == pytest.approx(0.032, abs=0.0015)


def test_newcombe_s_interval_solves_its_equation():
    """Both ends are z standard errors (Hanley-McNeil form, evaluated there) from the area."""
    interval = newcombe_interval(0.8, 20, 23)
    for end in (interval.low, interval.high):
        shape = 1 + (43 / 2 - 1) * ((1 - end) / (2 - end) + end / (1 + end))
        error = math.sqrt(end * (1 - end) * shape / (20 * 23))
        assert abs(0.8 - end) == pytest.approx(1.959964 * error, rel=1e-5)


def test_coverage_at_the_size_of_the_paper():
    """Close to 95% of logit intervals hold the true area at 20 against 23 patients."""
    rng = np.random.default_rng(1)
    label = np.repeat([1, 0], [20, 23])
    truth = 0.8397
    hits = 0
    for _ in range(400):
        score = rng.normal(size=43) + label * 1.405
        interval = statistics.roc_auc(label, score)
        hits += interval.low <= truth <= interval.high
    assert 0.92 <= hits / 400 <= 0.99


# --- properties ---------------------------------------------------------------------------------


@given(patients, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_scale_direction_and_order_of_patients(rows, random):
    label, score, _ = columns(rows)
    auc = statistics.roc_auc(label, score)
    assert 0 <= auc.low <= auc.value <= auc.high <= 1
    assert statistics.roc_auc(label, np.exp(3 * score)) == auc
    turned = statistics.roc_auc(label, -score)
    expected = (1 - auc.value, 1 - auc.high, 1 - auc.low)
    assert (turned.value, turned.low, turned.high) == pytest.approx(expected, abs=1e-9)
    order = random.sample(range(len(label)), len(label))
    shuffled = statistics.roc_auc(label[order], score[order])
    assert (shuffled.value, shuffled.low) == pytest.approx((auc.value, auc.low))


@given(patients)
@settings(max_examples=40, deadline=None)
def test_comparison_turns_its_sign_with_the_order_of_models(rows):
    label, first, second = columns(rows)
    try:
        forward = statistics.compare_auc(label, {"a": first, "b": second}).iloc[0]
    except ValueError as error:
        assert "neither varies" in str(error)
        return
    back = statistics.compare_auc(label, {"b": second, "a": first}).iloc[0]
    assert forward["difference"] == pytest.approx(-back["difference"])
    assert forward["low"] == pytest.approx(-back["high"])
    assert forward["p"] == pytest.approx(back["p"])
    assert 0 <= forward["p"] <= 1


def test_two_models_global_test_is_the_paired_test():
    rng = np.random.default_rng(2)
    label = np.repeat([1, 0], [20, 23])
    scores = {name: rng.normal(size=43) + label * shift for name, shift in (("a", 1), ("b", 0.4))}
    table = statistics.compare_auc(label, scores)
    assert table.attrs["p_all_equal"] == pytest.approx(table["p"].iloc[0])
    assert table["p_holm"].iloc[0] == table["p"].iloc[0]


def test_global_test_of_four_models_keeps_its_level():
    rng = np.random.default_rng(3)
    label = np.repeat([1, 0], [60, 60])
    common = rng.normal(size=(300, 120))
    p = [
        statistics.compare_auc(
            label, {name: shared + label + rng.normal(size=120) for name in "abcd"}
        ).attrs["p_all_equal"]
        for shared in common
    ]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


# --- edges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [[1] * 6, [0] * 6])
def test_one_class_is_refused(label):
    with pytest.raises(ValueError, match="one class only"):
        statistics.roc_auc(label, range(6))
    with pytest.raises(ValueError, match="one class only"):
        statistics.compare_auc(label, {"a": range(6), "b": range(6)})
    with pytest.raises(ValueError, match="one class only"):
        statistics.roc_curve(label, range(6))


@pytest.mark.parametrize(
    ("score", "area"), [([5, 6, 7, 1, 2, 3], 1), ([1, 2, 3, 5, 6, 7], 0), ([4] * 6, 0.5)]
)
def test_without_spread_the_interval_is_still_wide(score, area):
    auc = statistics.roc_auc([1, 1, 1, 0, 0, 0], score)
    assert auc.value == area
    assert auc.high - auc.low > 0.3
    assert 0 <= auc.low <= area <= auc.high <= 1


@pytest.mark.parametrize("label", [[1, 0, 0, 0, 0], [0, 1, 1, 1, 1]])
def test_one_patient_in_a_class(label):
    score = [3, 4, 1, 2, 5]
    auc = statistics.roc_auc(label, score)
    assert auc.value == pytest.approx(roc_auc_score(label, score))
    assert auc.high - auc.low > 0.3
    with pytest.raises(ValueError, match="at least two patients in each class"):
        statistics.compare_auc(label, {"a": score, "b": score})


def test_a_model_against_itself():
    rng = np.random.default_rng(4)
    label, score = rng.random(43) < 0.5, rng.normal(size=43)
    table = statistics.compare_auc(label, {"a": score, "b": score, "c": np.exp(score)})
    assert (table["p"] == 1).all() and (table["p_holm"] == 1).all()
    assert (table["difference"] == 0).all()
    assert table.attrs["p_all_equal"] == 1


def test_difference_without_any_variance_is_refused():
    label = [1, 1, 1, 0, 0, 0]
    with pytest.raises(ValueError, match="good and bad differ by 1.000"):
        statistics.compare_auc(label, {"good": [4, 5, 6, 1, 2, 3], "bad": [1, 2, 3, 4, 5, 6]})


def test_nearly_equal_scores_are_different_scores():
    """Scores are compared exactly, as in R: round them first if 0.1 + 0.2 should equal 0.3."""
    label, score = [1, 0, 1, 0], np.array([0.1 + 0.2, 0.3, 0.9, 0.1])
    assert statistics.roc_auc(label, score).value == 1
    assert statistics.roc_auc(label, score.round(12)).value == 0.875


def test_patients_in_another_order_are_noticed():
    label = pd.Series([1, 0, 1, 0], index=list("abcd"))
    with pytest.raises(ValueError, match="reindex"):
        statistics.roc_auc(label, pd.Series([1.0, 2, 3, 4], index=list("abdc")))


@pytest.mark.parametrize(
    ("label", "score", "message"),
    [
        ([1, 0, 1], [1, 2], "differ in length"),
        ([1, 0, 1], [1, np.nan, 2], "risk_score: row 1 .* has no value"),
        ([1, 0, 2], [1, 2, 3], "True or False"),
    ],
)
def test_bad_input_is_named(label, score, message):
    with pytest.raises(ValueError, match=message):
        statistics.roc_auc(label, score)


def test_options_are_checked():
    with pytest.raises(ValueError, match="method is 'wald'"):
        statistics.roc_auc([1, 0], [1, 2], method="wald")
    with pytest.raises(ValueError, match="at least two models"):
        statistics.compare_auc([1, 0], {"a": [1, 2]})


# --- text and small parts -----------------------------------------------------------------------


def test_estimate_is_manuscript_text():
    estimate = statistics.Estimate(0.8064, 0.6699, 0.9421)
    assert str(estimate) == "0.806 (95% CI 0.670–0.942)"
    assert str(statistics.Estimate(math.nan, math.nan, math.nan)) == "not estimable"


def test_p_values_are_never_printed_as_zero():
    assert format_p(1e-9) == "< 0.001"
    assert format_p(0.0421) == "0.042"
    assert format_p(0.0499) == "0.0499" and format_p(0.05001) == "0.05001"  # on which side of 0.05
    assert format_p(0.05) == "0.050"
    assert format_p(0.9996) == "> 0.999" and format_p(1.0) == "1.000"
    assert format_p(math.nan) == "not estimable"
    table = pd.DataFrame({"a": ["x"], "difference": [0.12345], "p": [1e-12], "p_holm": [0.0499]})
    printed = statistics.with_printed_p(table)
    assert printed.to_csv(index=False).splitlines()[1] == "x,0.12345,< 0.001,0.0499"


def test_area_is_the_mann_whitney_statistic():
    rng = np.random.default_rng(5)
    label, score = np.repeat([1, 0], [500, 700]), rng.integers(0, 40, 1200)
    u = mannwhitneyu(score[label == 1], score[label == 0]).statistic
    assert statistics.roc_auc(label, score).value == pytest.approx(u / 500 / 700, abs=1e-12)


def test_a_comparison_names_the_model_at_fault():
    scores = {"high_risk": [3, 2, 1, 0], 2: [1, np.nan, 3, 4]}
    with pytest.raises(ValueError, match="score of 2: row 1 .* has no value"):
        statistics.compare_auc([1, 0, 1, 0], scores)
