"""IPCW: identities with the Kaplan-Meier curve, hand-made cases, planted truth."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npc_helpers import statistics

MONTHS = (12, 24, 36, 48, 60)


def follow_up(n, *, seed=0, effect=1.0, whole_months=True, censoring=50.0):
    """Risk score, months and event, from an exponential model with independent censoring."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    event_at = rng.exponential(60 * np.exp(-effect * score))
    lost_at = rng.uniform(5, 2 * censoring, n)
    time = np.minimum(event_at, lost_at)
    if whole_months:
        time = np.ceil(time)
    return score, time, event_at <= lost_at, event_at


patients = st.lists(
    st.tuples(st.integers(1, 60), st.booleans(), st.integers(-3, 3)), min_size=8, max_size=40
).filter(
    lambda rows: sum(e and t <= 30 for t, e, _ in rows) >= 2 and sum(t > 30 for t, _, _ in rows) > 1
)


@given(patients)
@settings(max_examples=60, deadline=None)
def test_weights_add_up_to_the_kaplan_meier_curve(rows):
    """The means of the case and control weights are 1 - S(t) and S(t), ties or not."""
    from lifelines import KaplanMeierFitter

    time, event, _ = (np.array(column) for column in zip(*rows, strict=True))
    weights = statistics.ipcw_weights(time, event, horizon=30)
    survival = float(KaplanMeierFitter().fit(time, event).predict(30))
    assert weights["control"].mean() == pytest.approx(survival, abs=1e-9)
    assert weights["case"].mean() == pytest.approx(1 - survival, abs=1e-9)


@given(patients)
@settings(max_examples=40, deadline=None)
def test_auc_turns_over_with_the_score_and_ignores_monotone_transforms(rows):
    time, event, score = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    auc = statistics.auc_at_horizon(time, event, score, horizon=30)
    turned = statistics.auc_at_horizon(time, event, -score, horizon=30)
    stretched = statistics.auc_at_horizon(time, event, np.exp(score), horizon=30)
    assert auc.value + turned.value == pytest.approx(1, abs=1e-9)
    assert stretched == auc
    assert 0 <= auc.low <= auc.value + 1e-12 and auc.value <= auc.high + 1e-12 <= 1 + 1e-9


def test_without_censoring_it_is_the_auc_of_the_label_at_the_horizon():
    score, time, _, _ = follow_up(80)
    auc = statistics.auc_at_horizon(time, np.ones(80), score, horizon=36)
    plain = statistics.roc_auc(time <= 36, score)
    assert auc.value == pytest.approx(plain.value, abs=1e-12)
    assert auc.high - auc.low == pytest.approx(plain.high - plain.low, rel=0.05)


def test_weighted_auc_by_hand():
    """One of three is censored at 10: G falls from 1 to 2/3, so who is seen later counts 1.5."""
    time, event = [5, 8, 10, 20, 40], [1, 1, 0, 1, 0]
    weights = statistics.ipcw_weights(time, event, horizon=30)
    np.testing.assert_allclose(weights["case"], [1, 1, 0, 1.5, 0])
    np.testing.assert_allclose(weights["control"], [0, 0, 0, 0, 1.5])


def test_censoring_does_not_move_what_is_estimated_although_leaving_out_does():
    """Who lives long has more time to be lost, so those whose status is known did worse."""
    score, time, event, event_at = follow_up(6000, seed=3, whole_months=False, censoring=30)
    truth = statistics.roc_auc(event_at <= 36, score).value
    weighted = statistics.auc_at_horizon(time[:1500], event[:1500], score[:1500], horizon=36)
    assert weighted.low < truth < weighted.high
    p = 1 - np.exp(-36 / (60 * np.exp(-score)))
    complete = np.mean((p - (event_at <= 36)) ** 2)
    table = statistics.brier_curve(time[:1500], event[:1500], pd.DataFrame({36: p[:1500]}))
    assert table.low[0] < complete < table.high[0]
    has_label = (event & (time <= 36)) | (time > 36)
    share = statistics.ipcw_weights(time, event, horizon=36)["case"].mean()
    assert share == pytest.approx(np.mean(event_at <= 36), abs=0.02)
    assert np.mean(event_at[has_label] <= 36) > share + 0.1


def test_jackknife_interval_holds_its_level():
    truth = statistics.roc_auc(*_uncensored(200_000))
    inside = 0
    for seed in range(150):
        score, time, event, _ = follow_up(120, seed=seed, whole_months=False)
        area = statistics.auc_at_horizon(time, event, score, horizon=36)
        inside += area.low <= truth.value <= area.high
    assert 0.90 <= inside / 150 <= 0.99


def _uncensored(n):
    score, _, _, event_at = follow_up(n, seed=99)
    return event_at <= 36, score


def test_complete_separation_has_an_interval():
    time, event = [5, 8, 10, 40, 50, 60], [1, 1, 1, 0, 0, 0]
    area = statistics.auc_at_horizon(time, event, [9, 8, 7, 3, 2, 1], horizon=36)
    assert area.value == 1 and area.high == 1 and 0.3 < area.low < 0.9


def test_brier_of_the_kaplan_meier_curve_is_its_own_reference():
    from lifelines import KaplanMeierFitter

    _, time, event, _ = follow_up(60, seed=5)
    curve = KaplanMeierFitter().fit(time, event)
    p_event = pd.DataFrame({m: np.full(60, 1 - float(curve.predict(m))) for m in MONTHS})
    table = statistics.brier_curve(time, event, p_event)
    np.testing.assert_allclose(table["brier"], table["reference"], atol=1e-9)
    np.testing.assert_allclose(table["scaled"], 0, atol=1e-9)
    brier, scaled = statistics.integrated_brier(time, event, p_event)
    assert scaled.value == pytest.approx(0, abs=1e-9)
    for name in ("brier", "reference"):
        assert brier.value == pytest.approx(np.trapezoid(table[name], table["months"]) / 48)


def test_better_probabilities_have_a_smaller_brier_score():
    score, time, event, _ = follow_up(400, seed=6, whole_months=False)
    hazard = np.exp(score) / 60
    right = pd.DataFrame({m: 1 - np.exp(-m * hazard) for m in MONTHS})
    wrong = pd.DataFrame({m: 1 - np.exp(-m * hazard[::-1]) for m in MONTHS})
    assert statistics.integrated_brier(time, event, right)[1].low > 0.05
    assert statistics.integrated_brier(time, event, wrong)[1].high < 0


def test_curve_over_time_leaves_out_what_cannot_be_known():
    score, time, event, _ = follow_up(60, seed=7)
    with pytest.warns(UserWarning, match="left out: 0, 500 months"):
        table = statistics.cumulative_dynamic_auc(time, event, score, at=(0, 24, 36, 500), fewest=2)
    assert table["months"].tolist() == [24, 36]
    assert table["cases"].tolist() == [int((event & (time <= m)).sum()) for m in (24, 36)]
    assert np.isfinite(table).all(axis=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event": [0, 0, 0, 0]}, "needs 2 patients with progression by .*; 0 have it"),
        ({"time": [5, 6, 7, 8]}, "needs 2 patients observed for longer than .*; 0 were"),
        ({"event": [0, 1, 2, 1]}, "True or False"),
        ({"time": [-1, 6, 50, 60]}, "negative"),
        ({"risk_score": [1, 2, np.nan, 4]}, "risk_score: row 2 .* has no value"),
        ({"risk_score": [1, 2, 3]}, "differ in length"),
    ],
)
def test_refusals_say_why(change, message):
    good = {"time": [5, 6, 50, 60], "event": [1, 1, 0, 0], "risk_score": [1, 2, 3, 4]}
    with pytest.raises(ValueError, match=message):
        statistics.auc_at_horizon(**(good | change), horizon=36)


def test_brier_needs_probabilities():
    with pytest.raises(ValueError, match="between 0 and 1"):
        statistics.brier_curve([5, 6, 50, 60], [1, 1, 0, 0], pd.DataFrame({36: [2, 0, 0, 0]}))
    with pytest.raises(ValueError, match="p_event by 36 3"):
        statistics.brier_curve([5, 6, 50, 60], [1, 1, 0, 0], pd.DataFrame({36: [0.5, 0, 0]}))


def test_no_warning_is_left_for_the_reader():
    score, time, event, _ = follow_up(43, seed=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        statistics.auc_at_horizon(time, event, score, horizon=36)
