"""Decision curves: definitions by hand, identities, intervals."""

import numpy as np
import pytest

from npc_helpers import statistics

LABEL = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
P = np.array([0.9, 0.6, 0.3, 0.5, 0.4, 0.2, 0.1, 0.1, 0.1, 0.1])


def at(table, model, threshold, column="net_benefit"):
    return table[(table.model == model) & (table.threshold == threshold)][column].item()


def test_net_benefit_by_hand():
    """At one half: 2 true and 1 false positive of 10, so 0.2 - 0.1 * 1; at 0.2 the odds are 1/4."""
    table = statistics.net_benefit(LABEL, {"model": P}, thresholds=(0.2, 0.5))
    assert at(table, "model", 0.5) == pytest.approx(0.2 - 0.1)
    assert at(table, "model", 0.2) == pytest.approx(0.3 - 0.3 / 4)
    assert at(table, "treat all", 0.2) == pytest.approx(0.3 - 0.7 / 4)
    assert at(table, "treat none", 0.2) == 0


def test_gain_is_over_the_better_of_all_and_none():
    table = statistics.net_benefit(LABEL, {"model": P}, thresholds=(0.2, 0.5))
    assert at(table, "model", 0.2, "gain") == pytest.approx((0.3 - 0.3 / 4) - (0.3 - 0.7 / 4))
    assert at(table, "model", 0.5, "gain") == pytest.approx(0.1)
    assert at(table, "treat all", 0.2, "gain") == at(table, "treat none", 0.5, "gain") == 0


def test_treating_all_breaks_even_at_the_prevalence():
    table = statistics.net_benefit(LABEL, {"model": P}, thresholds=(0.3,))
    assert at(table, "treat all", 0.3) == pytest.approx(0)


def test_a_perfect_model_gains_the_prevalence_at_every_threshold():
    table = statistics.net_benefit(LABEL, {"oracle": LABEL * 0.98 + 0.01})
    oracle = table[table.model == "oracle"]
    np.testing.assert_allclose(oracle.net_benefit, 0.3)


def test_a_two_level_score_steps_between_all_itself_and_none():
    two = np.where(P > 0.45, 0.6, 0.2)
    table = statistics.net_benefit(LABEL, {"two": two}, thresholds=(0.1, 0.4, 0.7))
    assert at(table, "two", 0.1) == at(table, "treat all", 0.1)
    assert at(table, "two", 0.4) == pytest.approx(0.2 - 0.1 * 0.4 / 0.6)
    assert at(table, "two", 0.7) == 0


def test_interval_holds_its_level():
    rng = np.random.default_rng(0)
    p = rng.random(200_000)
    label = rng.random(200_000) < p
    truth = at(statistics.net_benefit(label, {"m": p}, thresholds=(0.4,)), "m", 0.4)
    inside = 0
    for start in range(0, 60_000, 200):
        part = slice(start, start + 200)
        row = statistics.net_benefit(label[part], {"m": p[part]}, thresholds=(0.4,)).iloc[0]
        inside += row.low <= truth <= row.high
    assert 0.92 <= inside / 300 <= 0.98


@pytest.mark.parametrize(
    ("label", "p", "threshold", "message"),
    [
        (LABEL, P * 2, 0.5, "probability of model: .* lies between 0 and 1"),
        (LABEL, P, 1.0, "thresholds must lie between"),
        (LABEL * 0, P, 0.5, "one class only"),
        (LABEL[:4], P, 0.5, "differ in length"),
    ],
)
def test_refusals_say_why(label, p, threshold, message):
    with pytest.raises(ValueError, match=message):
        statistics.net_benefit(label, {"model": p}, thresholds=(threshold,))
