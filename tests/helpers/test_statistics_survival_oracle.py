"""Agreement with R (survival, glm) on the made-up patients of `tests/oracle`."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from npc_helpers import statistics

ORACLE = Path(__file__).parents[1] / "oracle"
EXPECTED = json.loads((ORACLE / "survival.json").read_text(encoding="utf-8"))
RISKS = json.loads((ORACLE / "absolute_risk.json").read_text(encoding="utf-8"))
PATIENTS = dict(list(pd.read_csv(ORACLE / "patients.csv").groupby("dataset")))
CLOSE = {"rel": 1e-9, "abs": 1e-9}
COX = {"rel": 1e-4, "abs": 1e-5}
COVARIATES = ["another", "two_level", "score"]

dataset = pytest.mark.parametrize("name", EXPECTED["datasets"])


def half_width(estimate):
    return (estimate.high - estimate.low) / (2 * 1.959963984540054)


def test_r_saw_these_patients():
    assert set(EXPECTED["datasets"]) == set(PATIENTS)


@dataset
def test_log_rank_and_kaplan_meier(name):
    table, expected = PATIENTS[name], EXPECTED["datasets"][name]["groups"]
    test = statistics.log_rank(table["time"], table["event"], table["two_level"])
    assert test.statistic == pytest.approx(expected["chisq"], **CLOSE)
    curve = statistics.survival_table(
        table["time"], table["event"], np.zeros(len(table)), at=EXPECTED["horizons"]
    )
    for column in ("survival", "low", "high"):
        assert curve[column].tolist() == pytest.approx(expected[column], **CLOSE)


@dataset
def test_cox_model_added_value_and_proportional_hazards(name):
    table, expected = PATIENTS[name], EXPECTED["datasets"][name]["cox"]
    covariates = table[["another", "two_level", "continuous"]].set_axis(COVARIATES, axis=1)
    model = statistics.fit_cox(table["time"], table["event"], covariates)
    assert model.table["coefficient"].tolist() == pytest.approx(expected["coefficient"], **COX)
    errors = np.log(model.table["high"] / model.table["low"]) / (2 * 1.959963984540054)
    assert errors.tolist() == pytest.approx(expected["se"], **COX)
    assert model.log_likelihood == pytest.approx(expected["log_likelihood"], **COX)
    added = statistics.added_value(
        table["time"], table["event"], covariates[COVARIATES[:2]], covariates["score"]
    )
    assert added.test.statistic == pytest.approx(expected["ratio"], **COX)
    check = statistics.proportional_hazards(model)
    assert check["statistic"].tolist() == pytest.approx(expected["check"], **COX)


@dataset
def test_absolute_risk(name):
    """1e-8 in probability; lifelines, which interpolates between events, is off by up to 0.03."""
    table, expected = PATIENTS[name], RISKS["datasets"][name]
    covariates = table[["another", "two_level", "continuous"]]
    model = statistics.fit_cox(table["time"], table["event"], covariates)
    months = [month for month in RISKS["horizons"] if month <= expected["latest"]]
    risk = model.p_event(covariates.head(10), at=months)
    in_r = np.array(expected["risk"])[:, : len(months)]
    np.testing.assert_allclose(risk, in_r, rtol=0, atol=1e-8)
    if len(months) < len(RISKS["horizons"]):
        with pytest.raises(ValueError, match="observed for 60 months"):
            model.p_event(covariates.head(10), at=RISKS["horizons"])


@dataset
def test_measures_weighted_for_censoring(name):
    table, all_expected = PATIENTS[name], EXPECTED["datasets"][name]["weighted"]
    time, event = table["time"], table["event"]
    p = 1 / (1 + np.exp(-table["continuous"]))
    brier = statistics.brier_curve(time, event, pd.DataFrame(dict.fromkeys((24, 36), p)))
    for row, expected in zip(brier.itertuples(), all_expected, strict=True):
        auc = statistics.auc_at_horizon(time, event, table["continuous"], horizon=row.months)
        assert auc.value == pytest.approx(expected["auc"], **CLOSE)
        assert row.brier == pytest.approx(expected["brier"], **CLOSE)
        weights = statistics.ipcw_weights(time, event, horizon=row.months)
        assert weights["case"].mean() == pytest.approx(expected["share"], **CLOSE)


@dataset
def test_calibration(name):
    table, expected = PATIENTS[name], EXPECTED["datasets"][name]["calibration"]
    p = 1 / (1 + np.exp(-table["continuous"]))
    result = statistics.calibration(table["high_risk"], p)
    assert result.slope.value == pytest.approx(expected["slope"], rel=1e-6)
    assert half_width(result.slope) == pytest.approx(expected["slope_se"], rel=1e-6)
    assert result.intercept.value == pytest.approx(expected["intercept"], rel=1e-6)
    assert half_width(result.intercept) == pytest.approx(expected["intercept_se"], rel=1e-6)
