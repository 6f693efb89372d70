"""Imputation, Rubin's rules and shrunken subgroups, against R (mice, survival, metafor)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from npc_helpers import statistics
from npc_helpers.statistics import ColumnError, TooFewPatients, missing, subgroups

ORACLE = Path(__file__).parents[1] / "oracle"
EXPECTED = json.loads((ORACLE / "missing.json").read_text(encoding="utf-8"))
PATIENTS = dict(list(pd.read_csv(ORACLE / "patients.csv").groupby("dataset")))


def shrunken(effects, errors, families=None):
    families = np.zeros(len(effects)) if families is None else families
    return subgroups.shrink(np.array(effects), np.array(errors), np.asarray(families))


def nelson_aalen(time, event):
    """Σ d / n up to each patient's own time, counted patient by patient."""
    at_risk = (time[:, None] <= time).sum(axis=1)  # (n,)
    return ((time <= time[:, None]) & event) @ (1 / at_risk)


def patients_of(part):
    table = PATIENTS[EXPECTED[part]["dataset"]].reset_index(drop=True)
    time, event = table.time.to_numpy(), table.event.to_numpy() == 1
    columns = table[["continuous", "event"]].assign(hazard=nelson_aalen(time, event))
    return table, columns


# --- Rubin's rules --------------------------------------------------------------------------------


@pytest.mark.parametrize("expected", EXPECTED["rubin"]["pooled"])
def test_rubins_rules_are_those_of_mice(expected):
    part = EXPECTED["rubin"]
    pooled = statistics.pool_estimates(
        part["estimates"], part["variances"], complete_degrees=expected["complete_degrees"]
    )
    values = {"value": pooled.estimate.value, "low": pooled.estimate.low}
    values |= {"high": pooled.estimate.high, "degrees": pooled.degrees}
    values |= {"standard_error": pooled.standard_error}
    for name, value in values.items():
        assert value == pytest.approx(expected[name], rel=1e-9), name


def test_equal_estimates_leave_the_variance_of_one_table():
    pooled = statistics.pool_estimates([0.5] * 5, [0.04] * 5)
    assert pooled.standard_error == pytest.approx(0.2, rel=1e-9)
    assert pooled.estimate.low == pytest.approx(0.5 - 1.959963984540054 * 0.2, abs=1e-6)


@pytest.mark.parametrize("wrong", [([0.5], [0.1]), ([0.5, 0.6], [0.1, 0.0])])
def test_pooling_refuses_what_has_no_variance(wrong):
    with pytest.raises(ColumnError, match="two or more estimates"):
        statistics.pool_estimates(*wrong)


# --- imputation -----------------------------------------------------------------------------------


def test_pooled_regression_after_imputation_is_that_of_mice():
    """Both draw at random: means of 400 tables differ by a fraction of a standard error."""
    table, columns = patients_of("chained")
    expected = EXPECTED["chained"]
    values = table.another.copy()
    values[expected["gone"]] = np.nan
    drawn = statistics.impute(values, columns, imputations=400)
    kept = values.notna()
    assert (drawn[kept].sub(values[kept], axis=0) == 0).all().all()
    estimates, variances = [], []
    for name in drawn:
        x = np.column_stack([np.ones(len(drawn)), drawn[name], columns.continuous])
        b, residual = np.linalg.lstsq(x, columns.hazard, rcond=None)[:2]
        variance = residual[0] / (len(x) - 3) * np.linalg.inv(x.T @ x)
        estimates.append(b)
        variances.append(np.diag(variance))
    degrees = len(drawn) - 3
    for j, (b, error) in enumerate(
        zip(expected["estimate"], expected["standard_error"], strict=True)
    ):
        pooled = statistics.pool_estimates(
            np.array(estimates)[:, j], np.array(variances)[:, j], complete_degrees=degrees
        )
        assert pooled.estimate.value == pytest.approx(b, abs=0.15 * error)
        assert pooled.standard_error == pytest.approx(error, rel=0.05)


def test_a_model_with_values_below_the_limit_is_that_of_survreg():
    """The completed tables, regressed, have the coefficients of a censored normal regression."""
    table, columns = patients_of("censored")
    expected = EXPECTED["censored"]
    below = table.another < expected["limit"]
    drawn = statistics.impute(
        table.another.mask(below), columns, below=below, limit=expected["limit"], imputations=400
    )
    assert (drawn[below] < expected["limit"]).all().all()
    x = np.column_stack([np.ones(len(drawn)), columns])
    b, residual = np.linalg.lstsq(x, drawn, rcond=None)[:2]
    assert b.mean(axis=1) == pytest.approx(expected["coefficients"], abs=0.05)
    spread = np.sqrt(residual / (len(x) - x.shape[1]))
    assert spread.mean() == pytest.approx(expected["scale"], rel=0.03)


@pytest.mark.slow
def test_chains_are_long_enough(monkeypatch):
    table, columns = patients_of("censored")
    below = table.another < 0
    given = {"below": below, "limit": 0.0, "imputations": 300}
    short = statistics.impute(table.another, columns, **given)[below].mean()
    monkeypatch.setattr(missing, "CYCLES", 300)
    long = statistics.impute(table.another, columns, seed=1, **given)[below].mean()
    error = np.hypot(short.std(), long.std()) / np.sqrt(300)
    assert abs(short.mean() - long.mean()) < 4 * error


def test_nothing_missing_is_left_as_it_is():
    table, columns = patients_of("chained")
    drawn = statistics.impute(table.another, columns, imputations=2)
    assert drawn[0].tolist() == drawn[1].tolist() == table.another.tolist()


def test_the_same_seed_draws_the_same():
    table, columns = patients_of("chained")
    values = table.another.mask(table.index % 3 == 0)
    first, again, of_another_seed = (statistics.impute(values, columns, seed=s) for s in (1, 1, 2))
    assert first.equals(again) and not first.equals(of_another_seed)


def test_imputation_refuses_with_a_reason():
    columns = pd.DataFrame({"age": np.arange(30.0)})
    values = pd.Series(np.arange(30.0))
    few = values.where(values < 5)
    with pytest.raises(TooFewPatients, match="5 values were measured"):
        statistics.impute(few, columns)
    with pytest.raises(ColumnError, match="give the `limit`"):
        statistics.impute(values, columns, below=values < 3)
    with pytest.raises(ColumnError, match="measured value lies below"):
        statistics.impute(values, columns, below=values < 3, limit=9)


def test_a_column_without_variation_does_no_harm():
    columns = pd.DataFrame({"age": np.arange(30.0), "male": 1.0})
    values = pd.Series(np.arange(30.0)).mask(np.arange(30) == 7)
    drawn = statistics.impute(values + np.sin(np.arange(30)), columns)
    assert drawn.loc[7].between(3, 12).all()


# --- subgroups ------------------------------------------------------------------------------------


@pytest.mark.parametrize("expected", EXPECTED["shrunken"].values(), ids=EXPECTED["shrunken"])
def test_shrunken_effects_are_the_blups_of_metafor(expected):
    table = shrunken(expected["y"], expected["s"])
    assert table.attrs["tau"] == pytest.approx(expected["tau"], rel=1e-6, abs=1e-9)
    assert table.common.tolist() == pytest.approx([expected["common"]] * len(table), rel=1e-6)
    assert table.p.iloc[0] == pytest.approx(expected["p"], rel=1e-9)
    for name in ("effect", "low", "high"):
        assert table[name].tolist() == pytest.approx(expected[name], rel=1e-6), name


def test_one_spread_for_all_families():
    """Two families that are copies of one another have the spread of one of them."""
    y, s = EXPECTED["shrunken"]["apart"]["y"], EXPECTED["shrunken"]["apart"]["s"]
    alone = shrunken(y, s)
    double = shrunken(y * 2, s * 2, ["sex"] * 4 + ["age"] * 4)
    assert double.attrs["tau"] == pytest.approx(alone.attrs["tau"], rel=1e-9)
    assert double.effect.tolist() == pytest.approx(alone.effect.tolist() * 2, rel=1e-9)


def test_a_planted_spread_is_found():
    """The Q statistics have their expectation at the true spread: on average it is found."""
    rng = np.random.default_rng(3)
    variances = []
    for _ in range(300):
        s = rng.uniform(0.1, 0.3, 20)
        y = np.repeat([0.5, 1.0], 10) + rng.normal(0, 0.4, 20) + rng.normal(0, s)
        variances.append(shrunken(y, s, np.repeat(["a", "b"], 10)).attrs["tau"] ** 2)
    assert np.mean(variances) == pytest.approx(0.16, abs=4 * np.std(variances) / np.sqrt(300))


def test_subgroups_are_cox_models_of_their_patients():
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"score": rng.normal(size=120), "sex": rng.choice(["F", "M"], 120)})
    table["time"] = rng.exponential(20 * np.exp(-table.score))
    table["event"] = rng.random(120) < 0.7
    table["rare"] = np.where(np.arange(120) < 3, "rare", "usual")
    table.loc[:2, "event"] = False
    estimates = statistics.subgroup_hazard_ratios(
        table.time, table.event, table.score, table[["sex", "rare"]]
    ).set_index("level")
    women = table[table.sex == "F"]
    scaled = women.score / table.score.std(ddof=1)
    alone = statistics.fit_cox(women.time, women.event, scaled.to_frame("x")).table.iloc[0]
    assert estimates.hazard_ratio["F"] == pytest.approx(alone.hazard_ratio, rel=1e-6)
    assert np.isnan(estimates.hazard_ratio["rare"]) and np.isnan(estimates.shrunken["rare"])
    between = sorted([estimates.hazard_ratio["F"], estimates.hazard_ratio["M"]])
    assert between[0] <= estimates.shrunken["F"] <= between[1]
    assert np.isnan(estimates.p["usual"]) and 0 < estimates.p["F"] < 1


def test_subgroups_refuse_what_compares_nothing():
    sex = pd.DataFrame({"sex": list("MFMF")})
    with pytest.raises(TooFewPatients, match="no subgroup has enough"):
        statistics.subgroup_hazard_ratios([5, 10, 15, 20], [0, 0, 0, 0], [1, 2, 3, 4], sex)
    with pytest.raises(TooFewPatients, match="one effect only"):
        shrunken([1.0, 2.0], [0.1, 0.1], ["sex", "age"])
