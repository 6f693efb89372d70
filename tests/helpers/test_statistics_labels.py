"""Labels under censoring: who is counted as what, and what the scan date gives away."""

import numpy as np
import pandas as pd
import pytest

from npc_helpers import statistics


def cohort(n=300, *, seed=0):
    """Patients scanned over six years and all reviewed at one closing date."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    scanned = rng.uniform(0, 60, n)
    event_at = rng.exponential(110 * np.exp(-score))
    months = np.ceil(np.minimum(event_at, 84 - scanned))
    patients = pd.DataFrame(
        {
            "pfs_months": months,
            "progressed": event_at <= 84 - scanned,
            "high_risk": months <= np.median(months),
        },
        index=pd.Index([f"P{i}" for i in range(n)], name="patient_id"),
    )
    return patients, pd.Series(score, patients.index), pd.Series(scanned, patients.index)


def test_horizon_label_knows_three_answers():
    label = statistics.horizon_label([12, 36, 12, 36, 40, 40], [1, 1, 0, 0, 1, 0], horizon=36)
    assert label.tolist() == [True, True, pd.NA, pd.NA, False, False]
    index = pd.Index(["a", "b"])
    assert statistics.horizon_label(pd.Series([1, 2], index), [1, 0]).index.equals(index)


def test_censored_in_the_very_month_is_treated_alike_everywhere():
    """Label, audit, weights and the count of patients beyond the horizon agree on who is known."""
    patients, *_ = cohort()
    assert (~patients.progressed & (patients.pfs_months == 36)).any()
    months, event = patients.pfs_months, patients.progressed
    label = statistics.horizon_label(months, event)
    weights = statistics.ipcw_weights(months, event, horizon=36)
    assert ((weights["control"] > 0) == (label == False).fillna(False)).all()  # noqa: E712
    assert ((weights["case"] > 0) == label.fillna(False)).all()
    assert statistics.label_audit(patients)["unknown"].sum() == label.isna().sum()
    early, late = statistics.require_patients(patients, months=36, at_least=5)
    assert (early, late) == (label.sum(), (~label.dropna()).sum())


def test_audit_counts_everybody_once():
    patients, _, _ = cohort()
    audit = statistics.label_audit(patients)
    assert audit.to_numpy().sum() == len(patients)
    early = patients.high_risk & ~patients.progressed & (patients.pfs_months <= 36)
    assert audit.loc["high risk", "unknown"] == early.sum() > 20
    assert audit.columns.name == "at 36 months"


def test_scan_date_predicts_the_median_label_more_than_any_other():
    """The date says nothing about disease here, but decides how long one can be followed."""
    above_chance = {}
    for seed in range(4):
        patients, score, scanned = cohort(seed=seed)
        table = statistics.compare_labels(patients, {"scan date": scanned, "truth": score})
        date = table[(table.score == "scan date") & (table.measure != "hazard ratio per SD")]
        assert date.low.iloc[0] > 0.6  # an alarm that rings
        for row in date.itertuples():
            above_chance.setdefault(row.label, []).append(row.value - 0.5)
        truth = table[table.score == "truth"].value.tolist()
        assert truth[2] > truth[0] + 0.02  # and the right score is undervalued
    excess = {label: np.mean(values) for label, values in above_chance.items()}
    paper = excess.pop("median PFS")
    assert all(share < paper / 2 for share in excess.values()), (paper, excess)


def test_rows_are_the_estimators_own_numbers():
    patients, score, _ = cohort(n=60, seed=2)
    table = statistics.compare_labels(patients, {"model": score})
    assert table.measure.tolist() == ["AUC", "AUC", "AUC", "C-index", "hazard ratio per SD"]
    fixed = statistics.horizon_label(patients.pfs_months, patients.progressed)
    has_label = fixed.notna()
    expected = statistics.roc_auc(fixed[has_label].astype(bool), score[has_label])
    assert table.loc[1, ["n", "value", "low"]].tolist() == [
        has_label.sum(), expected.value, expected.low,
    ]  # fmt: skip
    assert table.n.tolist() == [60, has_label.sum(), 60, 60, 60]
    assert table.value.iloc[-1] > 1


def test_label_refuses_scores_of_other_patients_and_constant_ones():
    patients, score, _ = cohort(n=60, seed=2)
    with pytest.raises(ValueError, match="different patients or orders"):
        statistics.compare_labels(patients, {"model": score.iloc[::-1]})
    with pytest.raises(ValueError, match="same for every patient"):
        statistics.compare_labels(patients, {"model": score * 0})


def test_landmark_restarts_the_clock():
    table = statistics.landmark([10, 4, 30, 20], [1, 1, 0, 1], [5, 5, 6, np.nan])
    assert table.reached.tolist() == [True, False, True, False]
    assert table.event.tolist() == [True, False, False, False]
    np.testing.assert_array_equal(table.time, [5, np.nan, 24, np.nan])
    with pytest.raises(ValueError, match="time 2, start_at 1"):
        statistics.landmark([1, 2], [0, 1], [1])


def test_immortal_time_flatters_those_who_had_to_wait():
    """Groups by waiting time differ on the early clock although nothing differs between them."""
    rng = np.random.default_rng(3)
    event_at, wait = rng.exponential(20, 4000), rng.choice([1.0, 12.0], 4000)
    reached = event_at > wait
    late = (wait > 6)[reached]
    early_clock = statistics.c_index(event_at[reached], np.ones(reached.sum()), -late.astype(float))
    restarted = statistics.landmark(event_at, np.ones(4000), wait)[reached]
    landmark_clock = statistics.c_index(restarted.time, restarted.event, -late.astype(float))
    assert early_clock.low > 0.55
    assert abs(landmark_clock.value - 0.5) < 0.02
