"""Calibration: planted slopes and intercepts, identities, and the honesty of small samples."""

import numpy as np
import pytest

from npc_helpers import statistics


def planted(n, *, slope=1.0, intercept=0.0, seed=0):
    """Labels whose true log odds are slope * predicted log odds + intercept."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 1.2, n)
    truth = 1 / (1 + np.exp(-(slope * log_odds + intercept)))
    return rng.random(n) < truth, 1 / (1 + np.exp(-log_odds))


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (0.5, 0), (1, 0.8), (1.6, 0)])
def test_planted_slope_and_intercept_are_found(slope, intercept):
    result = statistics.calibration(*planted(20_000, slope=slope, intercept=intercept))
    assert result.slope.low - 0.05 < slope < result.slope.high + 0.05
    if slope == 1:
        assert result.intercept.low - 0.05 < intercept < result.intercept.high + 0.05


def test_slope_is_that_of_an_unpenalised_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    label, p = planted(200, slope=0.6, seed=1)
    log_odds = np.log(p / (1 - p))[:, None]
    theirs = LogisticRegression(C=1e10, tol=1e-10, max_iter=1000).fit(log_odds, label)
    ours = statistics.calibration(label, p)
    assert ours.slope.value == pytest.approx(theirs.coef_[0, 0], abs=1e-5)


def test_intervals_hold_their_level_at_43_patients():
    inside = {"slope": 0, "intercept": 0}
    for seed in range(200):
        result = statistics.calibration(*planted(43, seed=seed), bins=2)
        inside["slope"] += result.slope.low <= 1 <= result.slope.high
        inside["intercept"] += result.intercept.low <= 0 <= result.intercept.high
    assert all(0.90 <= count / 200 <= 1 for count in inside.values()), inside


def test_calibration_error_of_a_perfect_model_is_far_from_zero_at_43_patients():
    errors = [statistics.calibration(*planted(43, seed=seed)).ece for seed in range(60)]
    by_chance = statistics.calibration(*planted(43, seed=0)).ece_by_chance
    assert by_chance == pytest.approx(np.mean(errors), abs=0.03) and by_chance > 0.08
    large = statistics.calibration(*planted(20_000, seed=1))
    assert large.ece < 0.02 and large.ece_by_chance < 0.02


def test_calibration_error_by_hand():
    """Two bins of two: |0.25 - 0.5| and |0.75 - 1|, each with half the patients."""
    result = statistics.calibration([0, 1, 1, 1, 0, 1], [0.2, 0.3, 0.4, 0.6, 0.7, 0.8], bins=2)
    assert result.ece == pytest.approx(0.5 * abs(2 / 3 - 0.3) + 0.5 * abs(2 / 3 - 0.7))


@pytest.mark.parametrize(
    ("label", "p", "message"),
    [
        ([1, 1], [0.2, 0.3], "one class only"),
        ([1, 0], [1.2, 0.3], "between 0 and 1"),
        ([1, 0, 1], [0.5, 0.5, 0.5], "all probabilities are equal"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], "separate the classes"),
        ([0, 1], [0.1, np.nan], "p_high_risk: row 1 .* has no value"),
    ],
)
def test_refusals_say_why(label, p, message):
    with pytest.raises(ValueError, match=message):
        statistics.calibration(label, p)


@pytest.mark.parametrize("seed", range(12))
def test_slope_of_probabilities_close_together_is_that_of_statsmodels(seed):
    """43 patients, probabilities between 0.4 and 0.7: the coefficients are large."""
    import statsmodels.api as sm

    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0.1, 0.3, 43)
    label = rng.random(43) < 1 / (1 + np.exp(-6 * (log_odds - 0.1)))
    design = sm.add_constant(log_odds)
    theirs = sm.Logit(label.astype(float), design).fit(disp=0, maxiter=500)
    slope = statistics.calibration(label, 1 / (1 + np.exp(-log_odds))).slope
    assert theirs.mle_retvals["converged"]
    assert slope.value == pytest.approx(theirs.params[1], abs=1e-6)
    assert [slope.low, slope.high] == pytest.approx(theirs.conf_int()[1], abs=1e-4)
