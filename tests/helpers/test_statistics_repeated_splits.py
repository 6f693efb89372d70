"""Repeated splits: nested, reproducible, and honest about what they show."""

import numpy as np
import pandas as pd
import pytest

from npc_helpers import statistics
from npc_helpers.network import repeated_splits as repeated


def study(n=120, *, seed=0, signal=1.0, width=40):
    """Patients with features of two models, of which the second carries `signal`."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    event_at, lost_at = rng.exponential(60 * np.exp(-risk)), rng.uniform(10, 90, n)
    months = np.minimum(event_at, lost_at)
    patients = pd.DataFrame(
        {
            "patient_id": [f"P{i:03d}" for i in range(n)],
            "pfs_months": months,
            "progressed": event_at <= lost_at,
            "high_risk": months <= np.median(months),
        }
    )
    noise, informed = (
        rng.normal(size=(n, width)) + k * np.outer(risk, rng.normal(size=width))
        for k in (0, signal)
    )
    index = pd.Index(patients.patient_id)
    features = {"noise": pd.DataFrame(noise, index), "informed": pd.DataFrame(informed, index)}
    return patients, features, pd.Series(risk, index)


def test_head_equals_the_penalised_fit_on_all_features():
    """The rotation to fewer directions changes nothing."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from npc_helpers.network.repeated_splits import PENALTIES

    patients, features, _ = study(n=60, width=200)
    x, label = features["informed"].to_numpy(), patients.high_risk.to_numpy()
    ours = repeated.fit_head(x, label, seed=1)(x)
    scaled = StandardScaler().fit_transform(x)
    theirs = [
        LogisticRegression(C=c, tol=1e-8, max_iter=5000).fit(scaled, label).predict_proba(scaled)
        for c in PENALTIES
    ]
    distance = [np.abs(p[:, 1] - ours).max() for p in theirs]
    assert min(distance) < 1e-3 < sorted(distance)[1]


def test_splits_find_the_model_with_information():
    patients, features, risk = study()
    table = repeated.repeated_splits(patients, features, others={"truth": risk}, n_splits=15)
    assert table.groupby("model").size().to_dict() == {
        "noise": 15, "informed": 15, "Ensemble": 15, "truth": 15,
    }  # fmt: skip
    summary = statistics.summarise_splits(table)
    assert abs(summary.loc["noise", "mean"] - 0.5) < 0.12
    assert summary.loc["informed", "mean"] > 0.65
    ranked = statistics.summarise_splits(table, measure="c_index")
    assert ranked.loc["truth", "mean"] > ranked.loc["noise", "mean"] + 0.1
    row = statistics.split_differences(table).set_index(["a", "b"]).loc[("noise", "informed")]
    assert row.difference < 0 and row.high < 0.05 and row.a_ahead < 0.2


def test_same_seed_same_splits_with_any_number_of_processes():
    patients, features, _ = study(n=60, width=5)
    only = {"informed": features["informed"]}
    one = repeated.repeated_splits(patients, only, n_splits=40, seed=3, workers=1)
    two = repeated.repeated_splits(patients, only, n_splits=40, seed=3, workers=2)
    pd.testing.assert_frame_equal(one, two, rtol=1e-9)
    other = repeated.repeated_splits(patients, only, n_splits=3, seed=99, workers=1)
    assert not np.allclose(other.auc, one.auc[:3])


def test_no_test_patient_informs_the_fit():
    """Turning the label of the test patients round turns their AUC round and nothing else."""
    from npc_helpers.cohort import split

    patients, features, _ = study(n=60, width=5)
    side = split(patients, n_test=13, seed=7, stratify=["high_risk"])
    train = (side == "train").to_numpy()
    x, label = features["informed"].to_numpy(), patients.high_risk.to_numpy()
    honest = repeated.fit_head(x[train], label[train], seed=7)(x[~train])
    only = {"informed": features["informed"]}
    row = repeated.repeated_splits(patients, only, n_splits=1, n_test=13, seed=7).iloc[0]
    assert row.auc == pytest.approx(statistics.roc_auc(label[~train], honest).value)
    assert (row.n_train, row.n_test) == (47, 13)


def test_the_paper_s_share_is_tested():
    patients, features, _ = study(n=206, width=3)
    table = repeated.repeated_splits(patients, features, n_splits=1)
    assert set(table.n_test) == {43} and set(table.n_train) == {163}


def test_summaries_by_hand():
    table = pd.DataFrame(
        {
            "split": [0, 0, 1, 1, 2, 2], "model": ["a", "b"] * 3,
            "auc": [0.8, 0.7, 0.7, 0.7, 0.9, 0.6], "n_train": 160, "n_test": 40,
        }
    )  # fmt: skip
    assert statistics.summarise_splits(table).loc["a", "mean"] == pytest.approx(0.8)
    row = statistics.split_differences(table).iloc[0]
    spread = np.std([0.1, 0, 0.3], ddof=1) * np.sqrt(1 / 3 + 0.25)
    assert row.difference == pytest.approx(0.4 / 3)
    assert row.high - row.difference == pytest.approx(1.959964 * spread)
    assert row.a_ahead == pytest.approx((2 + 0.5) / 3)
    with pytest.raises(ValueError, match="two models and two splits"):
        statistics.split_differences(table[table.model == "a"])


def test_refusals_and_splits_that_cannot_be_judged():
    patients, features, risk = study(n=60, width=3)
    with pytest.raises(ValueError, match="noise: no values for 1 patients, P005"):
        repeated.repeated_splits(patients, {"noise": features["noise"].drop("P005")}, n_splits=1)
    with pytest.raises(ValueError, match="x: patient P001 has no value"):
        repeated.repeated_splits(
            patients, features, others={"x": risk.mask(risk.index == "P001")}, n_splits=1
        )
    with pytest.warns(UserWarning, match="2 of 2 splits had too few events"):
        empty = repeated.repeated_splits(patients.assign(progressed=False), features, n_splits=2)
    assert empty.empty
