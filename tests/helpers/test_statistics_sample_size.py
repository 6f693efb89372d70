"""Planning formulas against published values and simulation."""

import numpy as np
import pytest
from scipy.stats import norm

from npc_helpers import statistics


def test_hanley_and_mcneil_s_own_example():
    """Radiology 1982;143:29: an area of 0.893 from 51 abnormal and 58 normal images has SE 0.03."""
    assert statistics.auc_standard_error(0.893, 51, 58) == pytest.approx(0.032, abs=0.001)


def test_smallest_case_is_a_coin():
    """One patient in each group: the estimated area is 0 or 1."""
    assert statistics.auc_standard_error(0.7, 1, 1) == pytest.approx(np.sqrt(0.7 * 0.3))


def binormal(rng, areas, correlation, n_high, n_low):
    """Scores of several models whose errors correlate, with the given true areas."""
    shift = np.sqrt(2) * norm.ppf(areas)
    spread = np.full((len(areas), len(areas)), correlation)
    np.fill_diagonal(spread, 1)
    scores = rng.multivariate_normal(np.zeros(len(areas)), spread, n_high + n_low)
    label = np.repeat([True, False], [n_high, n_low])
    return label, scores + np.outer(label, shift)


@pytest.mark.parametrize("area", [0.723, 0.842])
def test_standard_error_agrees_with_simulated_scatter_at_43_patients(area):
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(1500):
        label, scores = binormal(rng, [area], 0, 23, 20)
        high, low = scores[label, 0], scores[~label, 0]
        areas.append((high[:, None] > low).mean())
    assert statistics.auc_standard_error(area, 23, 20) == pytest.approx(np.std(areas), rel=0.08)


@pytest.mark.parametrize("last_review", [30, 80, 400])
def test_c_index_standard_error_agrees_with_simulated_scatter(last_review):
    """Simulated cohorts of 43 with a fifth, two fifths and four fifths of events."""
    rng = np.random.default_rng(1)
    c, events = [], []
    for _ in range(1500):
        score = rng.normal(size=43)
        event_at, lost_at = rng.exponential(90 * np.exp(-score)), rng.uniform(10, last_review, 43)
        event = event_at <= lost_at
        c.append(statistics.c_index(np.minimum(event_at, lost_at), event, score).value)
        events.append(event.sum())
    mean_events = np.mean(events)
    formula = statistics.c_index_standard_error(np.mean(c), mean_events, 43 - mean_events)
    assert formula == pytest.approx(np.std(c), rel=0.1)


def test_c_index_without_information_is_kendall_s_tau():
    """All progress and the score says nothing: C is (tau + 1) / 2, whose variance is known."""
    for n in (43, 400):
        kendall = np.sqrt((2 * n + 5) / (18 * n * (n - 1)))
        assert statistics.c_index_standard_error(0.5, n, 0) == pytest.approx(kendall, rel=0.02)


def test_c_index_standard_error_is_symmetric_about_one_half():
    above, below = (statistics.c_index_standard_error(c, 20, 23) for c in (0.7, 0.3))
    assert above == pytest.approx(below, abs=1e-12)


def test_patients_for_half_width_is_the_smallest_such_number():
    n = statistics.patients_for_half_width(0.842, wanted=0.05, share_high=0.5)
    for number, enough in ((n, True), (n - 1, False)):
        error = statistics.auc_standard_error(0.842, number / 2, number / 2)
        assert (statistics.half_width(error) <= 0.05) == enough
    assert 200 < n < 300
    few, many = (
        statistics.patients_for_half_width(
            0.83, share_high=share, standard_error=statistics.c_index_standard_error
        )
        for share in (1.0, 0.3)
    )
    assert few < many  # events are what counts


def test_power_agrees_with_simulated_delong_tests():
    """Correlated scores in 43 patients; the formula is fed the correlation of the areas."""
    rng = np.random.default_rng(2)
    areas, significant = [], 0
    for _ in range(400):
        label, scores = binormal(rng, [0.842, 0.65], 0.4, 23, 20)
        table = statistics.compare_auc(label, {"a": scores[:, 0], "b": scores[:, 1]})
        significant += table.p[0] < 0.05
        areas.append([statistics.roc_auc(label, s).value for s in scores.T])
    correlation = np.corrcoef(np.array(areas).T)[0, 1]
    power = statistics.power_of_difference(
        0.842, 0.65, n_high=23, n_low=20, correlation=correlation
    )
    assert power == pytest.approx(significant / 400, abs=0.08)


def test_power_without_difference_is_the_level_of_the_test():
    power = statistics.power_of_difference(0.7, 0.7, n_high=23, n_low=20, correlation=0.3)
    assert power == pytest.approx(0.05)


def test_patients_for_power_is_the_smallest_such_number():
    n = statistics.patients_for_power(0.842, 0.723, correlation=0.4)
    powers = [
        statistics.power_of_difference(0.842, 0.723, n_high=k / 2, n_low=k / 2, correlation=0.4)
        for k in (n, n - 1)
    ]
    assert powers[0] >= 0.8 > powers[1]
    assert n > 43


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: statistics.auc_standard_error(1.0, 5, 5), "between 0 and 1"),
        (lambda: statistics.auc_standard_error(0.8, 0, 5), "at least one patient"),
        (lambda: statistics.c_index_standard_error(0.97, 20, 5), "0.05 to 0.95"),
        (lambda: statistics.c_index_standard_error(0.8, 2, 41), "a tenth of all"),
        (lambda: statistics.c_index_standard_error(0.8, 20, -1), "planning needs"),
        (lambda: statistics.patients_for_half_width(0.8, share_high=0), "share_high"),
        (lambda: statistics.patients_for_power(0.8, 0.8, correlation=0.3), "areas are equal"),
        (
            lambda: statistics.power_of_difference(0.8, 0.7, n_high=9, n_low=9, correlation=1.0),
            "correlation is 1.0",
        ),
        (
            lambda: statistics.patients_for_power(0.8, 0.80001, correlation=0.1),
            "more than 10,000,000",
        ),
    ],
)
def test_refusals_say_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
