"""Stability of predictions, shrinkage, and sample size for development."""

import numpy as np
import pandas as pd
import pytest

from npc_helpers import statistics


def training(n, seed=0):
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    progression = rng.exponential(60 * np.exp(-x["a"]))
    lost = rng.uniform(10, 80, n)
    return x.assign(
        patient_id=[f"p{i}" for i in range(n)],
        months=np.minimum(progression, lost),
        progressed=progression <= lost,
    )


def risk_of(patients):
    def fit_and_predict(rows):
        model = statistics.fit_cox(rows["months"], rows["progressed"], rows[list("abc")])
        return model.p_event(patients[list("abc")], at=(24,))[24]

    return fit_and_predict


@pytest.mark.slow
def test_predictions_are_steadier_with_more_patients():
    patients = training(20, seed=9)
    moved = {}
    for n in (60, 600):
        train = training(n)
        p = risk_of(patients)(train)
        refits = statistics.refitted(train, risk_of(patients), refits=40)
        table = statistics.instability(p, refits)
        moved[n] = table.mape.mean()
        assert ((table.low <= table.high) & table.changed.between(0, 1)).all()
    assert moved[60] > 2 * moved[600]


def test_refits_repeat_with_the_seed_and_know_no_patient_twice():
    train = training(30)
    seen = []

    def fit_and_predict(rows):
        assert "patient_id" not in rows and rows.index.equals(pd.RangeIndex(30))
        seen.append(rows["months"].tolist())
        return pd.Series([0.5], index=["x"])

    for _ in range(2):
        statistics.refitted(train, fit_and_predict, refits=3, seed=4)
    assert seen[:3] == seen[3:] and seen[0] != seen[1]


def test_refits_that_cannot_be_made_are_left_out_or_refused():
    train = pd.DataFrame({"progressed": [1, *[0] * 9]})

    def fit_and_predict(rows):
        if rows["progressed"].sum() > 2:
            raise statistics.TooFewPatients("three of the same")
        return pd.Series([rows["progressed"].mean()])

    refits = statistics.refitted(train, fit_and_predict, refits=100)
    assert 90 <= refits.shape[1] < 100
    always = pd.DataFrame({"progressed": [1] * 5})
    with pytest.raises(statistics.TooFewPatients, match="100 of 100 refits failed.*three of the"):
        statistics.refitted(always, fit_and_predict, refits=100)


def test_instability_by_hand():
    p = pd.Series([0.2, 0.6], index=["a", "b"])
    refits = pd.DataFrame([[0.1, 0.3], [0.4, 0.8]], index=["a", "b"])
    table = statistics.instability(p, refits)
    assert table.mape.tolist() == pytest.approx([0.1, 0.2])
    assert table.changed.tolist() == [0, 0.5]
    with pytest.raises(ValueError, match="cutoff is 0"):
        statistics.instability(p, refits, cutoff=0)


# --- shrinkage -----------------------------------------------------------------------------------


def test_likelihood_without_coefficients_by_hand():
    """Efron's partial likelihood with all hazards equal: ties leave the risk set one by one."""
    table = training(40, seed=3)
    months = np.ceil(table["months"])
    model = statistics.fit_cox(months, table["progressed"], table[list("abc")])
    by_hand = 0.0
    for moment in np.unique(months[table["progressed"]]):
        ties = int((table["progressed"] & (months == moment)).sum())
        at_risk = int((months >= moment).sum())
        by_hand -= np.log(at_risk - np.arange(ties)).sum()
    assert model.null_log_likelihood == pytest.approx(by_hand)
    chi = model.likelihood_ratio
    assert chi.statistic == pytest.approx(2 * (model.log_likelihood - by_hand)) and chi.degrees == 3
    assert model.shrinkage == pytest.approx(1 - 3 / chi.statistic)
    explained = 1 - np.exp(-chi.statistic / 40)
    assert model.r_squared == pytest.approx(model.shrinkage * explained)


@pytest.mark.slow
def test_noise_is_shrunken_to_nothing():
    """Without any effect, the average of 1 - k / chi-squared is far below one."""
    rng = np.random.default_rng(1)
    factors = [
        statistics.fit_cox(
            rng.exponential(10, 60), np.ones(60), pd.DataFrame(rng.normal(size=(60, 5)))
        ).shrinkage
        for _ in range(60)
    ]
    assert np.median(factors) < 0.2 and min(factors) == 0


# --- sample size ---------------------------------------------------------------------------------


def test_the_example_of_pmsampsize():
    """The survival example in the help of R's pmsampsize: 30 parameters, R² 0.051, rate 0.065."""
    size = statistics.patients_for_development(
        30, r_squared=0.051, rate=0.065, follow_up=2.07, risk_at_horizon=0.12
    )
    assert (size.for_shrinkage, size.for_optimism) == (5143, 1039)
    assert size.max() == 5143
    assert size.for_overall_risk == 163  # 1.96² × 0.12 × 0.88 / 0.05², rounded up


def test_the_wanted_shrinkage_is_reached_at_the_computed_size():
    """At n patients with this R², chi-squared is -n ln(1 - R²/S) and 1 - k / chi² is S."""
    size = statistics.patients_for_development(
        6, r_squared=0.15, rate=0.008, follow_up=38, risk_at_horizon=0.25
    )
    chi = -size.for_shrinkage * np.log(1 - 0.15 / 0.9)
    assert 1 - 6 / chi == pytest.approx(0.9, abs=0.001)


@pytest.mark.parametrize(
    "change", [{"coefficients": 0}, {"r_squared": 0.0}, {"r_squared": 0.99},
               {"risk_at_horizon": 0.0}]
)  # fmt: skip
def test_impossible_plans_are_refused(change):
    plan = {"coefficients": 6, "r_squared": 0.1, "rate": 0.01, "follow_up": 40,
            "risk_at_horizon": 0.3}  # fmt: skip
    with pytest.raises(ValueError, match="must|lie between"):
        statistics.patients_for_development(**(plan | change))
