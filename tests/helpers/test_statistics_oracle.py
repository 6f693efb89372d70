"""Agreement with R (survival, pROC) to 1e-9 on made-up patients: ties, few events, two levels."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines.datasets import load_lung

from npc_helpers import statistics
from npc_helpers.statistics.concordance import concordance
from npc_helpers.statistics.estimate import holm
from npc_helpers.statistics.roc import delong

ORACLE = Path(__file__).parents[1] / "oracle"
EXPECTED = json.loads((ORACLE / "expected.json").read_text(encoding="utf-8"))
PATIENTS = dict(list(pd.read_csv(ORACLE / "patients.csv").groupby("dataset")))
SCORES = ("continuous", "another", "tied", "two_level")
CLOSE = {"rel": 1e-9, "abs": 1e-9}

dataset = pytest.mark.parametrize("name", EXPECTED["datasets"])


def test_the_patients_are_those_r_saw():
    assert set(EXPECTED["datasets"]) == set(PATIENTS)
    assert {len(table) for table in PATIENTS.values()} == {43, 200}
    assert any(table["event"].mean() < 0.5 for table in PATIENTS.values())
    assert any(table["time"].duplicated().mean() > 0.3 for table in PATIENTS.values())


@dataset
@pytest.mark.parametrize("score", SCORES)
def test_one_model(name, score):
    table, expected = PATIENTS[name], EXPECTED["datasets"][name]["single"][score]
    areas, covariance = delong(table["high_risk"].to_numpy() == 1, [table[score].to_numpy()])
    assert areas[0] == pytest.approx(expected["auc"], **CLOSE)
    assert covariance[0, 0] == pytest.approx(expected["auc_variance"], **CLOSE)
    plain = statistics.roc_auc(table["high_risk"], table[score], method="plain")
    clipped = np.clip([plain.low, plain.high], 0, 1)  # pROC cuts its interval off at 0 and 1
    assert clipped == pytest.approx(expected["auc_plain_interval"], **CLOSE)

    value, influence = concordance(table["time"], table["event"], table[score])
    assert value == pytest.approx(expected["c"], **CLOSE)
    assert influence @ influence == pytest.approx(expected["c_variance"], **CLOSE)
    value, influence = concordance(
        table["time"], table["event"], table[score], truncation=EXPECTED["truncation"]
    )
    assert value == pytest.approx(expected["uno"], **CLOSE)
    assert influence @ influence == pytest.approx(expected["uno_variance"], **CLOSE)


@dataset
def test_pairs_of_models(name):
    table = PATIENTS[name]
    scores = {score: table[score] for score in SCORES}
    areas = statistics.compare_auc(table["high_risk"], scores).set_index(["a", "b"])
    c = statistics.compare_c_index(table["time"], table["event"], scores).set_index(["a", "b"])
    truth = table["high_risk"].astype(bool)
    right = {score: (table[score] > table[score].median()) == truth for score in SCORES}
    for expected in EXPECTED["datasets"][name]["paired"]:
        pair = (expected["a"], expected["b"])
        assert areas.loc[pair, "p"] == pytest.approx(expected["auc_p"], **CLOSE)
        assert c.loc[pair, "difference"] == pytest.approx(expected["c_difference"], **CLOSE)
        half = 1.959963984540054 * np.sqrt(expected["c_variance"])
        assert c.loc[pair, "high"] - c.loc[pair, "low"] == pytest.approx(2 * half, **CLOSE)
        a, b = (right[score] for score in pair)
        only = [int((a & ~b).sum()), int((b & ~a).sum())]
        assert only == expected["only"]
        assert statistics.mcnemar_exact(*only) == pytest.approx(expected["mcnemar_p"], **CLOSE)


def test_real_patients():
    """Age of the 228 patients with lung cancer of Loprinzi et al. (J Clin Oncol 1994;12:601)."""
    lung = load_lung()
    event = lung["status"] == lung["status"].max()
    for kind, truncation in (("harrell", None), ("uno", 365)):
        value, influence = concordance(lung["time"], event, lung["age"], truncation=truncation)
        expected = EXPECTED["lung"][kind]
        assert value == pytest.approx(expected["c"], **CLOSE)
        assert influence @ influence == pytest.approx(expected["variance"], **CLOSE)


def test_wilson_interval_is_that_of_prop_test():
    for part, whole, low, high in EXPECTED["wilson"]:
        interval = statistics.wilson(part, whole)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-9)


def test_mcnemar_is_that_of_binom_test():
    for only_a, only_b, p in EXPECTED["mcnemar"]:
        assert statistics.mcnemar_exact(only_a, only_b) == pytest.approx(p, abs=1e-9)


def test_holm_is_that_of_p_adjust():
    for raw, adjusted in EXPECTED["holm"]:
        assert list(holm(raw)) == pytest.approx(adjusted, abs=1e-12)
