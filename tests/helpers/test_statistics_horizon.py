"""Evaluation at a horizon, medians, restricted means, competing risks: R, identities, edges."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from npc_helpers import statistics
from npc_helpers.statistics.concordance import concordance

ORACLE = Path(__file__).parents[1] / "oracle"
EXPECTED = json.loads((ORACLE / "horizon.json").read_text(encoding="utf-8"))
PATIENTS = dict(list(pd.read_csv(ORACLE / "patients.csv").groupby("dataset")))
CLOSE = {"rel": 1e-9, "abs": 1e-9}
Z = 1.959963984540054

dataset = pytest.mark.parametrize("name", EXPECTED["datasets"])


def half(estimate):
    return (estimate.high - estimate.low) / (2 * Z)


def probability(score):
    return 1 / (1 + np.exp(-score))


def follow_up(n, seed, *, exact=True):
    """Time, event and the true probability of progression by 36 months."""
    rng = np.random.default_rng(seed)
    rate = 0.02 * np.exp(rng.normal(size=n))
    progression, lost = rng.exponential(1 / rate), rng.uniform(10, 90, n)
    p = 1 - np.exp(-36 * rate)
    return np.minimum(progression, lost), progression <= lost, p if exact else np.sqrt(p)


# --- agreement with R ----------------------------------------------------------------------------


@dataset
def test_calibration_at_a_horizon(name):
    table, p = PATIENTS[name], probability(PATIENTS[name]["continuous"])
    for months, expected in zip(
        EXPECTED["horizons"], EXPECTED["datasets"][name]["horizons"], strict=True
    ):
        result = statistics.calibration_at(table["time"], table["event"], p, horizon=months)
        assert result.observed.value == pytest.approx(expected["observed"], **CLOSE)
        assert result.expected == pytest.approx(expected["expected"], **CLOSE)
        ratio = expected["observed"] / expected["expected"]
        assert result.ratio.value == pytest.approx(ratio, **CLOSE)
        relative_error = expected["observed_se"] / expected["observed"]
        assert math.log(result.ratio.high / ratio) == pytest.approx(Z * relative_error, **CLOSE)
        estimates = (result.slope, result.intercept)
        values, variances = expected["recalibration"].values()
        assert [e.value for e in estimates] == pytest.approx(values, **CLOSE)
        assert [half(e) ** 2 for e in estimates] == pytest.approx(variances, **CLOSE)


@dataset
def test_differences_at_a_horizon_and_net_benefit(name):
    table = PATIENTS[name]
    time, event = table["time"], table["event"]
    scores = {name: table[name] for name in ("continuous", "another")}
    p = {name: probability(score) for name, score in scores.items()}
    for months, expected in zip(
        EXPECTED["horizons"], EXPECTED["datasets"][name]["horizons"], strict=True
    ):
        for measure, models, position in (("auc", scores, 0), ("brier", p, 1)):
            row = statistics.compare_at_horizon(
                time, event, models, measure=measure, horizon=months
            ).iloc[0]
            assert row.difference == pytest.approx(expected["difference"]["value"][position])
            assert half(row) ** 2 == pytest.approx(expected["difference"]["variance"][position])
        benefit = statistics.survival_net_benefit(
            time, event, {"m": p["continuous"]}, horizon=months, thresholds=EXPECTED["thresholds"]
        )
        mine = benefit[benefit.model == "m"].net_benefit
        assert mine.tolist() == pytest.approx(expected["benefit"], **CLOSE)


@dataset
def test_medians_and_restricted_means(name):
    table, expected = PATIENTS[name], EXPECTED["datasets"][name]
    for function, key in (
        (statistics.median_survival, "survival"), (statistics.median_follow_up, "follow_up")
    ):  # fmt: skip
        result = function(table["time"], table["event"])
        in_r = [math.inf if x == "NA" else x for x in expected["medians"][key]]
        assert [result.value, result.low, result.high] == pytest.approx(in_r, abs=2e-6)
    means = statistics.restricted_mean(
        table["time"], table["event"], table["two_level"], horizon=24
    ).set_index("group")
    for group in (0, 1):
        assert means.months[group] == pytest.approx(expected["restricted"]["mean"][group], **CLOSE)
        assert half(means.loc[group]) == pytest.approx(expected["restricted"]["se"][group], **CLOSE)


@dataset
def test_competing_risks(name):
    table, expected = PATIENTS[name], EXPECTED["datasets"][name]["competing"]
    third = np.arange(1, len(table) + 1) % 3 == 0
    cause = np.where(table["event"] == 1, np.where(third, "death", "progression"), "censored")
    incidence = statistics.cumulative_incidence(table["time"], cause, at=EXPECTED["horizons"])
    for kind in ("progression", "death"):
        values = incidence[incidence.cause == kind].incidence
        assert values.tolist() == pytest.approx(expected[kind], **CLOSE)
    rows = incidence[incidence.cause == "progression"]
    logged = np.log(np.log(rows.low) / np.log(rows.high)) / (2 * Z)
    error = logged * rows.incidence * -np.log(rows.incidence)
    assert error.tolist() == pytest.approx(expected["se"], **CLOSE)
    c = statistics.cause_specific_c(table["time"], cause, table["continuous"], of="progression")
    assert c.value == pytest.approx(expected["c"], **CLOSE)
    last = table["time"].max() + 1
    moved = np.where(cause == "death", last, table["time"])
    _, influence = concordance(moved, cause == "progression", table["continuous"])
    assert influence @ influence == pytest.approx(expected["c_variance"], **CLOSE)


# --- identities ----------------------------------------------------------------------------------


def test_true_probabilities_are_calibrated_and_others_are_not():
    time, event, p = follow_up(800, seed=1)
    good = statistics.calibration_at(time, event, p)
    for estimate, right in ((good.ratio, 1), (good.slope, 1), (good.intercept, 0)):
        error = (estimate.high - estimate.low) / (2 * 1.96)
        assert abs(estimate.value - right) < 3.29 * error  # one cohort in a thousand would fail
    high = statistics.calibration_at(time, event, np.sqrt(p))
    assert high.ratio.high < 1 and high.intercept.high < 0


def test_groups_add_up_and_lie_on_the_diagonal():
    time, event, p = follow_up(1000, seed=2)
    groups = statistics.calibration_groups(time, event, p, groups=4)
    assert groups.n.tolist() == [250] * 4
    assert groups.predicted.is_monotonic_increasing
    assert ((groups.low < groups.predicted) & (groups.predicted < groups.high)).all()


def test_without_losses_everything_is_a_plain_share():
    rng = np.random.default_rng(3)
    p = rng.uniform(0.05, 0.95, 200)
    hit = rng.random(200) < p
    time = np.where(hit, 10.0, 99.0)
    result = statistics.calibration_at(time, hit, p)
    assert result.observed.value == pytest.approx(hit.mean())
    label = statistics.calibration(hit, p)
    assert result.slope.value == pytest.approx(label.slope.value)
    assert result.intercept.value == pytest.approx(label.intercept.value)
    thresholds = (0.2, 0.6)
    weighted = statistics.survival_net_benefit(time, hit, {"m": p}, thresholds=thresholds)
    for threshold, row in weighted[weighted.model == "m"].set_index("threshold").iterrows():
        odds = threshold / (1 - threshold)
        plain = (hit & (p >= threshold)).mean() - odds * (~hit & (p >= threshold)).mean()
        assert row.net_benefit == pytest.approx(plain)
        assert row.gain == pytest.approx(plain - max(hit.mean() - odds * (1 - hit.mean()), 0))
    means = statistics.restricted_mean(time, hit, np.arange(200) % 2, horizon=36)
    for group in (0, 1):
        expected = np.minimum(time, 36)[np.arange(200) % 2 == group].mean()
        assert means.set_index("group").months[group] == pytest.approx(expected)


def test_treating_all_and_none_are_the_known_lines():
    time, event, p = follow_up(200, seed=4)
    table = statistics.survival_net_benefit(time, event, {"m": p}, thresholds=(0.1, 0.4))
    risk = statistics.calibration_at(time, event, p).observed.value
    everybody = table[table.model == "treat all"].net_benefit.tolist()
    assert everybody == pytest.approx([risk - (1 - risk) * t / (1 - t) for t in (0.1, 0.4)])
    assert (table[table.model == "treat none"].net_benefit == 0).all()


def test_a_model_against_itself_does_not_differ():
    time, event, p = follow_up(60, seed=5)
    for measure in ("auc", "brier"):
        row = statistics.compare_at_horizon(
            time, event, {"a": p, "b": p.copy()}, measure=measure
        ).iloc[0]
        assert (row.difference, row.p) == (0, 1)


def test_causes_add_up_to_one_minus_kaplan_meier():
    time, event, _ = follow_up(150, seed=6)
    cause = np.where(event, np.where(np.arange(150) % 2, "local", "distant"), "censored")
    incidence = statistics.cumulative_incidence(time, cause, at=(24, 36))
    total = incidence.groupby("months").incidence.sum()
    curve = statistics.survival_table(time, event, np.zeros(150), at=(24, 36))
    np.testing.assert_allclose(total, 1 - curve.survival)
    single_cause = statistics.cumulative_incidence(
        time, np.where(event, "x", "censored"), at=(24, 36)
    )
    np.testing.assert_allclose(single_cause.incidence, 1 - curve.survival)


def test_one_cause_only_is_the_usual_c_index():
    time, event, p = follow_up(80, seed=7)
    cause = np.where(event, "local", "censored")
    c = statistics.cause_specific_c(time, cause, p, of="local")
    assert c == statistics.c_index(time, event, p)


def test_restricted_mean_difference_has_its_p_value():
    rng = np.random.default_rng(8)
    p = [
        statistics.restricted_mean(
            rng.exponential(30, 60), np.ones(60), np.repeat(["a", "b"], 30), horizon=15
        ).p.iloc[-1]
        for _ in range(400)
    ]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)


# --- edges ---------------------------------------------------------------------------------------


def test_medians_that_are_not_reached_say_so():
    assert str(statistics.median_survival([5, 6, 7], [0, 0, 0])).startswith("not reached (95% CI")
    assert statistics.median_survival([1, 2, 3, 4], [1, 1, 1, 1]).value == 2.5  # flat at one half
    assert statistics.median_follow_up([5, 6, 7], [1, 1, 1]).value == math.inf


TIME, EVENT = [5, 6, 7, 40, 50, 60], [1, 1, 0, 0, 1, 0]
P = [0.6, 0.3, 0.5, 0.2, 0.4, 0.1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: statistics.calibration_at(TIME, EVENT, P, horizon=3),
            "needs 2 patients with progression by .*; 0 have it",
        ),
        (
            lambda: statistics.calibration_at(TIME, EVENT, P, horizon=70),
            "needs 2 patients observed for longer than .*; 0 were",
        ),
        (lambda: statistics.calibration_at(TIME, EVENT, [0.4] * 6), "all probabilities are equal"),
        (lambda: statistics.calibration_at(TIME, EVENT, P), "separate the classes"),
        (lambda: statistics.calibration_groups(TIME, EVENT, [0.4] * 6), "too alike for 3 groups"),
        (
            lambda: statistics.survival_net_benefit(TIME, EVENT, {"m": P}, thresholds=(1.0,)),
            "thresholds must lie",
        ),
        (lambda: statistics.compare_at_horizon(TIME, EVENT, {"m": P}), "at least two models"),
        (
            lambda: statistics.compare_at_horizon(TIME, EVENT, {"a": P, "b": P}, measure="c"),
            "choose 'auc' or 'brier'",
        ),
        (
            lambda: statistics.restricted_mean(TIME, EVENT, list("aabbbb"), horizon=36),
            "nobody in group a was observed for 36 months",
        ),
        (lambda: statistics.restricted_mean(TIME, EVENT, list("aabbcc"), horizon=6), "two groups"),
        (lambda: statistics.cumulative_incidence(TIME, ["censored"] * 6), "nobody progressed"),
        (
            lambda: statistics.cause_specific_c(TIME, ["a", *["censored"] * 5], P, of="b"),
            "nobody ended by b",
        ),
    ],
)
def test_refusals_say_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nobody_progressed_before_the_horizon_of_a_subgroup():
    """A model whose treated patients are all well: its net benefit is what it costs."""
    table = statistics.survival_net_benefit(
        TIME, EVENT, {"m": [0.1, 0.1, 0.1, 0.9, 0.9, 0.9]}, thresholds=(0.5,)
    )
    assert table[table.model == "m"].net_benefit.item() == pytest.approx(-0.5)
