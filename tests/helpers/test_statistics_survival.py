"""Log-rank, Cox models and added value, against textbook numbers and hand-made likelihoods."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

from npc_helpers import statistics

# 6-mercaptopurine in leukaemia (Freireich 1963; Gehan, Biometrika 1965;52:203), weeks in remission
TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
TREATED_EVENT = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
WEEKS = np.array(TREATED + PLACEBO)
RELAPSE = np.array(TREATED_EVENT + [1] * 21)
PLACEBO_GROUP = np.repeat([0, 1], 21)


def planted(n=400, *, effects=(1.0, 0.0), seed=0, changing=0.0):
    """Two covariates with known log hazard ratios; the first one's may change at half time."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(rng.normal(size=(n, len(effects))), columns=[f"x{i}" for i in range(2)])
    before = np.exp(x @ np.array(effects))
    after = np.exp(x @ np.array(effects) + changing * x["x0"])
    draw = rng.exponential(1, n)
    turn = 0.5
    event_at = np.where(draw < before * turn, draw / before, turn + (draw - before * turn) / after)
    lost_at = rng.uniform(0.2, 3, n)
    return np.minimum(event_at, lost_at), event_at <= lost_at, x


def test_log_rank_of_the_leukaemia_trial():
    """Chi-squared 16.79 on 1 df (Kalbfleisch and Prentice; Collett)."""
    test = statistics.log_rank(WEEKS, RELAPSE, PLACEBO_GROUP)
    assert test.statistic == pytest.approx(16.79, abs=0.005)
    assert test.degrees == 1 and str(test) == "χ² = 16.79, df = 1, P < 0.001"
    assert test.p == pytest.approx(chi2.sf(16.79, 1), rel=0.01)


def test_log_rank_of_groups_that_are_copies():
    test = statistics.log_rank([1, 2, 3] * 2, [1, 0, 1] * 2, ["a"] * 3 + ["b"] * 3)
    assert test.p == pytest.approx(1) and str(test).endswith("P = 1.000")


def test_log_rank_refusals():
    with pytest.raises(ValueError, match="one group"):
        statistics.log_rank([1, 2], [1, 1], ["a", "a"])
    with pytest.raises(ValueError, match="nobody progressed"):
        statistics.log_rank([1, 2], [0, 0], ["a", "b"])


def test_survival_table_of_the_leukaemia_trial():
    """6-MP: 0.857 at 6 weeks, 0.753 at 10, 0.448 at 23; 21, 15 and 7 at risk just before."""
    table = statistics.survival_table(WEEKS, RELAPSE, PLACEBO_GROUP, at=(0, 6, 10, 23, 36))
    treated = table[table.group == 0]
    assert treated.survival.iloc[:4].round(3).tolist() == [1.0, 0.857, 0.753, 0.448]
    assert treated.at_risk.tolist() == [21, 21, 15, 6, 0]
    assert treated.iloc[4][["survival", "low", "high"]].isna().all()
    inner = treated.iloc[1:4]
    assert (inner.low < inner.survival).all() and (inner.survival < inner.high).all()


def test_cox_of_the_leukaemia_trial():
    """Log hazard ratio 1.57 (SE 0.41) with Efron's rule, as R's coxph prints it."""
    model = statistics.fit_cox(WEEKS, RELAPSE, pd.DataFrame({"placebo": PLACEBO_GROUP}))
    row = model.table.loc["placebo"]
    assert row.coefficient == pytest.approx(1.572, abs=0.0005)
    error = np.log(row.high / row.low) / (2 * 1.959964)
    assert error == pytest.approx(0.4124, abs=0.0005)
    assert (model.n, model.events) == (42, 30)


def partial_likelihood(beta, time, event, x):
    """Log partial likelihood without ties, written as in Cox 1972."""
    risk = x @ beta
    return sum(risk[i] - np.log(np.exp(risk[time >= time[i]]).sum()) for i in np.flatnonzero(event))


def test_added_value_is_the_likelihood_ratio_of_cox_1972():
    time, event, x = planted(120, effects=(0.7, 0.4), seed=1)
    added = statistics.added_value(time, event, x[["x0"]], x["x1"])
    best = [
        minimize(
            lambda b, c=c: -partial_likelihood(b, time, event, x[c].to_numpy()),
            np.zeros(len(c)),
            tol=1e-10,
        )
        for c in (["x0"], ["x0", "x1"])
    ]
    assert added.test.statistic == pytest.approx(2 * (best[0].fun - best[1].fun), abs=1e-5)
    assert added.without.log_likelihood == pytest.approx(-best[0].fun, abs=1e-6)
    per_sd = best[1].x[1] * x["x1"].std()
    assert added.with_score.table.loc["score", "coefficient"] == pytest.approx(per_sd, abs=1e-4)
    assert added.c_change.value == pytest.approx(added.c_with.value - added.c_without.value)


@pytest.mark.slow
def test_a_score_without_value_adds_nothing():
    p = [
        statistics.added_value(t, e, x[["x0"]], x["x1"]).test.p
        for t, e, x in (planted(100, seed=seed) for seed in range(60))
    ]
    assert 0 <= np.mean(np.array(p) < 0.05) <= 0.13 and 0.35 < np.mean(p) < 0.65


def test_a_copy_of_a_score_or_a_constant_is_refused():
    time, event, x = planted(100, seed=1)
    with pytest.raises(ValueError, match="no stable solution"):
        statistics.added_value(time, event, x[["x0"]], x["x0"])
    with pytest.raises(ValueError, match="same for every patient"):
        statistics.added_value(time, event, x[["x0"]], x["x0"] * 0)


def test_risk_score_and_probabilities_follow_the_planted_model():
    time, event, x = planted(2000, effects=(1.0, -0.5), seed=2)
    model = statistics.fit_cox(time, event, x)
    assert model.table["coefficient"].to_numpy() == pytest.approx([1, -0.5], abs=0.1)
    new = pd.DataFrame({"x0": [0.0, 1.0], "x1": [0.0, 0.0]}, index=["a", "b"])
    score = model.risk_score(new)
    assert score["b"] - score["a"] == pytest.approx(model.table.loc["x0", "coefficient"])
    p = model.p_event(new, at=(0.5, 1.0))
    expected = 1 - np.exp(-np.array([[0.5, 1], [0.5 * np.e, np.e]]))
    np.testing.assert_allclose(p, expected, atol=0.05)
    assert p.index.tolist() == ["a", "b"] and p.columns.tolist() == [0.5, 1.0]


def test_proportional_hazards_check_finds_a_planted_change():
    time, event, x = planted(600, effects=(1.5, 0.5), changing=-1.5, seed=3)
    table = statistics.proportional_hazards(statistics.fit_cox(time, event, x))
    assert table.loc["x0", "p"] < 0.001 < table.loc["x1", "p"]
    steady = statistics.fit_cox(*planted(600, effects=(1.0, 0.5), seed=4))
    table = statistics.proportional_hazards(steady)
    assert (table["p"] > 0.01).all() and (table["p_holm"] >= table["p"]).all()


def test_cox_says_what_it_leaves_out_and_what_it_cannot_do():
    time, event, x = planted(60, seed=5)
    with pytest.warns(UserWarning, match="same for everybody: constant"):
        model = statistics.fit_cox(time, event, x[["x0"]].assign(constant=1.0))
    assert model.table.index.tolist() == ["x0"]
    with pytest.raises(ValueError, match="nobody progressed"):
        statistics.fit_cox(time, np.zeros(60), x)
    with pytest.raises(ValueError, match="no covariate varies"):
        statistics.fit_cox(time, event, x[["x0"]] * 0)
    with pytest.raises(ValueError, match="covariate x0: row 3 .* has no value"):
        statistics.fit_cox(time, event, x[["x0"]].replace(x["x0"].iloc[3], np.nan))


def test_clinical_covariates_are_numbers():
    patients = pd.DataFrame(
        {
            "t_stage": ["T3", "T4"], "n_stage": ["N3a", "N0"], "age_years": [40, 65],
            "sex": ["M", "F"], "treatment": ["IC+CCRT", "RT"],
        },
        index=["a", "b"],
    )  # fmt: skip
    table = statistics.clinical_covariates(patients)
    assert table.loc["a"].tolist() == [3, 3, 4.0, 1, 1, 1]
    assert table.loc["b"].tolist() == [4, 0, 6.5, 0, 0, 0]


# --- TNM in stronger forms ---------------------------------------------------------------------


def staged(n, *, seed):
    rng = np.random.default_rng(seed)
    t, nodes = rng.integers(1, 5, n), rng.integers(0, 4, n)
    eighth = np.where((t == 4) | (nodes == 3), "IVA", "III")
    seventh = np.where(nodes == 3, "IVB", np.where(t == 4, "IVA", "III"))
    event_at = rng.exponential(80 * np.exp(-0.4 * t - 0.6 * nodes + 1.5))
    return pd.DataFrame(
        {
            "t_stage": [f"T{i}" for i in t], "n_stage": [f"N{i}" for i in nodes],
            "stage_8th": eighth, "stage_7th": seventh,
            "pfs_months": np.minimum(event_at, 60), "progressed": event_at < 60,
            "high_risk": np.minimum(event_at, 60) <= 36,
        }
    )  # fmt: skip


def test_tnm_gains_when_it_is_not_cut_to_one_threshold():
    train, test = staged(400, seed=1), staged(400, seed=2)
    scores = statistics.tnm_scores(train, test)
    c = {
        name: statistics.c_index(test.pfs_months, test.progressed, score).value
        for name, score in scores.items()
    }
    assert c["T + N, Cox"] > c["TNM, ordinal"] > 0.5 and c["T + N, Cox"] > c["TNM, two levels"]
    assert scores["TNM, two levels"].tolist() == (test.stage_8th == "IVA").astype(float).tolist()
    ordinal = scores["TNM, ordinal"].groupby(test.stage_7th).first()
    assert ordinal["III"] < ordinal["IVA"] < ordinal["IVB"]


def test_nothing_of_the_test_cohort_enters_the_comparators():
    train, test = staged(200, seed=3), staged(50, seed=4)
    blind = test.drop(columns=["pfs_months", "progressed", "high_risk"])
    for name, score in statistics.tnm_scores(train, blind).items():
        pd.testing.assert_series_equal(score, statistics.tnm_scores(train, test)[name])


def test_unknown_stages_are_named():
    train, test = staged(50, seed=5), staged(5, seed=6)
    test.loc[0, "stage_8th"] = "V"
    with pytest.raises(ValueError, match="stage_8th: .* has 'V'; allowed are I, II"):
        statistics.tnm_scores(train, test)


def test_times_that_differ_by_rounding_only_are_tied_as_in_r():
    """R 4.2.2, survival 3.5: survdiff, coxph (Efron) and concordance of these twelve patients."""
    time = np.repeat([0.1 + 0.2, 0.3, 0.7], 4)  # 0.1 + 0.2 is 0.30000000000000004
    event = np.array([1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0], dtype=bool)
    group = [1, 2, 1, 1, 2, 1, 2, 2, 1, 2, 2, 2]
    score = np.array([3, 1, 2, 5, 4, 2, 1, 2, 3, 1, 2, 0.0])
    assert statistics.log_rank(time, event, group).statistic == pytest.approx(3.11560693642)
    cox = statistics.fit_cox(time, event, pd.DataFrame({"x": score}))
    assert cox.table["coefficient"].iloc[0] == pytest.approx(0.562384204948)
    assert statistics.c_index(time, event, score).value == pytest.approx(0.871794871795)
