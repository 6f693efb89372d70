"""Last layers against logistic regression and lifelines, planted truth, and out-of-fold scores."""

from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from sklearn.linear_model import LogisticRegression

from npc_helpers.network import features as features_of_images
from npc_helpers.network import survival_heads
from npc_helpers.network.survival_heads import KINDS, out_of_fold_risk, pair_features, train_head
from npc_helpers.statistics import ColumnError, TooFewPatients, c_index

N, K = 160, 6


@pytest.fixture(scope="module")
def features():
    values = np.random.default_rng(0).normal(5, 3, size=(N, K))
    return pd.DataFrame(values, [f"p{i:03d}" for i in range(N)])


@pytest.fixture(scope="module")
def patients(features):
    """The first feature drives the hazard; months are whole, so that there are ties."""
    rng = np.random.default_rng(1)
    event_at = rng.exponential(60 * np.exp(-(features[0] - 5) / 3))
    lost_at = rng.uniform(10, 80, N)
    months = np.ceil(np.minimum(event_at, lost_at))
    table = {"pfs_months": months, "progressed": event_at <= lost_at}
    return pd.DataFrame(table, features.index).assign(high_risk=months <= np.median(months))


def test_two_neurons_are_logistic_regression(features, patients):
    head = train_head("two neurons", features, patients, l2=0.01)
    x, _, _ = survival_heads.scaled(features.to_numpy())
    expected = LogisticRegression(C=1 / (0.01 * N), tol=1e-8).fit(x, patients.high_risk)
    np.testing.assert_allclose(head.risk(features), expected.predict_proba(x)[:, 1], atol=1e-3)


def test_the_cox_layer_is_a_penalised_cox_model(features, patients):
    head = train_head("Cox", features, patients, l2=0.01)
    x, _, _ = survival_heads.scaled(features.to_numpy())
    data = pd.DataFrame(x).add_prefix("x").assign(time=patients.pfs_months.to_numpy())
    data = data.assign(event=patients.progressed.to_numpy())
    penalty = 2 * 0.01 * K  # half of it times the squares, of coefficients per standard deviation
    expected = CoxPHFitter(penalizer=penalty).fit(data, "time", "event").params_
    np.testing.assert_allclose(head.weights[:, 0], expected, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_truth_is_found_and_higher_is_worse(kind, features, patients):
    half = features.index[: N // 2]
    head = train_head(kind, features.loc[half], patients.loc[half])
    rest = patients.drop(half)
    risk = head.risk(features.loc[rest.index])
    assert c_index(rest.pfs_months, rest.progressed, risk).value > 0.65
    assert risk.corr(features.loc[rest.index, 0], method="spearman") > 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_repeatable_and_forgets_the_run_before(kind, features, patients):
    first = train_head(kind, features, patients)
    train_head(kind, -features, patients)
    np.testing.assert_array_equal(train_head(kind, features, patients).weights, first.weights)


def test_scale_of_a_feature_and_a_constant_one_change_nothing(features, patients):
    risk = train_head("Cox", features, patients).risk(features)
    rescaled = features.assign(**{str(K): 1.0}).set_axis(range(K + 1), axis=1)
    rescaled[1] *= 1000
    again = train_head("Cox", rescaled, patients, l2=KINDS["Cox"].l2 * K / (K + 1)).risk(rescaled)
    assert np.corrcoef(risk, again)[0, 1] > 0.9999


@pytest.mark.slow
def test_out_of_fold_scores_do_not_know_their_own_outcome(patients):
    """Noise, more features than patients: own patients are ranked well, others are not."""
    noise = pd.DataFrame(np.random.default_rng(2).normal(size=(N, 2 * N)), patients.index)
    outcome = patients.pfs_months, patients.progressed
    in_sample = train_head("Cox", noise, patients).risk(noise)
    others = out_of_fold_risk("Cox", noise, patients)
    assert c_index(*outcome, in_sample).value > 0.95
    assert abs(c_index(*outcome, others).value - 0.5) < 0.12
    changed = patients.copy()
    changed.loc["p007", "pfs_months"] += 40
    again = out_of_fold_risk("Cox", noise, changed)
    assert again["p007"] == pytest.approx(others["p007"], abs=1e-6)
    assert not np.allclose(again, others)


def test_a_pair_has_the_patients_of_both_examinations():
    pre = pd.DataFrame({0: [1.0, 2.0], 1: [3.0, 4.0]}, ["a", "b"])
    post = pd.DataFrame({0: [5.0, 7.0], 1: [6.0, 8.0]}, ["b", "c"])
    pair = pair_features(pre, post)
    assert pair.index.tolist() == ["b"]
    assert pair.iloc[0].tolist() == [2, 4, 5, 6, 3, 2]


def test_refusals(features, patients):
    with pytest.raises(TooFewPatients, match="0 progressed"):
        train_head("Cox", features, patients.assign(progressed=False))
    with pytest.raises(TooFewPatients, match="high-risk"):
        train_head("Cox", features, patients.assign(high_risk=True))
    with pytest.raises(ColumnError, match="order"):
        train_head("Cox", features.iloc[::-1], patients)
    with pytest.raises(TooFewPatients, match="5 folds"):
        few = patients.assign(progressed=np.arange(N) < 4)
        out_of_fold_risk("Cox", features, few)


def test_features_are_computed_once_and_anew_for_other_images(tmp_path, monkeypatch):
    index = pd.DataFrame({"patient_id": ["b", "b", "a"], "slice_index": [0, 1, 0]})
    images = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2, 1)
    inputs = keras.Input((2, 2, 1), name="pixels")
    network = keras.Model(inputs, keras.layers.Flatten()(inputs))
    calls = []

    answers = features_of_images.answers

    def counted(model, images, **options):
        calls.append(len(images))
        return answers(model, images, **options)

    monkeypatch.setattr(survival_heads, "study_images", lambda *a, **k: (images, index))
    monkeypatch.setattr(survival_heads, "prognosis_model", lambda *a, **k: network)
    monkeypatch.setattr(features_of_images, "answers", counted)
    study = SimpleNamespace(result_path=lambda name: tmp_path / name)
    for _ in range(2):
        table = survival_heads.patient_features(study, None, "pre", patients=["a"], setting=None)
        assert table.loc["b"].tolist() == [2, 3, 4, 5] and table.index.name == "patient_id"
    images = images + 1
    survival_heads.patient_features(study, None, "pre", patients=["a"], setting=None)
    assert calls == [3, 3]
