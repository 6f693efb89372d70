"""Losses of survival against lifelines, closed forms, logistic regression, and gradients."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from npc_helpers import statistics
from npc_helpers.network.survival_losses import (
    ENDS,
    HazardLoss,
    cox_loss,
    follow_up,
    p_progression,
)


def values(tensor):
    return keras.ops.convert_to_numpy(tensor).astype(float)


def arrays(*columns):
    return [keras.ops.convert_to_tensor(np.asarray(column, np.float64)) for column in columns]


@pytest.fixture(scope="module")
def arrests():
    """Rossi's 432 released convicts, 114 arrests, most weeks with several: ties everywhere."""
    table = load_rossi()
    x = table[["fin", "age", "prio"]].astype(float)
    x = (x - x.mean()) / x.std()
    return table["week"], table["arrest"] == 1, x


def cox(time, event, f):
    """Sum of the loss over the patients."""
    target, f = arrays(follow_up(time, event), np.asarray(f)[:, None])
    return values(cox_loss(target, f)).sum()


# --- Cox ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0.0, 1.0])
def test_cox_loss_is_the_log_likelihood_of_lifelines(arrests, size):
    time, event, x = arrests
    fitted = statistics.fit_cox(time, event, x)
    expected = fitted.log_likelihood if size else fitted.null_log_likelihood
    f = size * (x @ fitted.table["coefficient"])
    assert -cox(time, event, f) == pytest.approx(expected, abs=1e-5)


def test_cox_loss_by_hand():
    """Three patients at 1, 2, 3; the second is lost. Efron: two at the same time, both progress."""
    assert cox([1, 2, 3], [1, 0, 1], np.log([2, 3, 5])) == pytest.approx(np.log(10 / 2))
    a, b, c = 2, 3, 5
    tied = np.log(a + b + c) + np.log(a + b + c - (a + b) / 2) - np.log(a * b)
    assert cox([1, 1, 3], [1, 1, 0], np.log([a, b, c])) == pytest.approx(tied)


def test_cox_loss_knows_order_and_neither_scale_nor_shift():
    rng = np.random.default_rng(0)
    time, event, f = rng.permutation(30) + 1.0, rng.random(30) < 0.6, rng.normal(size=30)
    loss = cox(time, event, f)
    assert cox(time**2, event, f) == pytest.approx(loss)  # months or their squares: the same order
    assert cox(time, event, f + 300) == pytest.approx(loss)  # and nothing overflows
    order = rng.permutation(30)
    assert cox(time[order], event[order], f[order]) == pytest.approx(loss)


def test_the_order_of_tied_patients_does_not_matter():
    rng = np.random.default_rng(1)
    time, event, f = rng.integers(1, 5, 40), rng.random(40) < 0.5, rng.normal(size=40)
    order = rng.permutation(40)
    assert cox(time[order], event[order], f[order]) == pytest.approx(cox(time, event, f))


def test_nobody_progressed_is_no_loss_and_no_nan():
    assert cox([1, 2], [0, 0], [0.3, -1]) == 0


def one_layer(neurons, activation, features, **options):
    """A linear model in 64 bits that begins at zero."""
    inputs = keras.Input((features,), dtype="float64")
    layer = keras.layers.Dense(
        neurons, activation, kernel_initializer="zeros", dtype="float64", **options
    )
    return keras.Model(inputs, layer(inputs))


def fitted_by_keras(model, x, target, loss, *, steps=600):
    rate = keras.optimizers.schedules.CosineDecay(0.05, steps)
    model.compile(keras.optimizers.Adam(rate), loss=loss)
    for _ in range(steps):
        model.train_on_batch(np.asarray(x, np.float64), target)
    return model


def test_a_linear_network_finds_the_coefficients_of_lifelines(arrests):
    time, event, x = arrests
    model = fitted_by_keras(one_layer(1, None, 3), x, follow_up(time, event), cox_loss)
    expected = CoxPHFitter().fit(
        x.assign(time=time, event=event), "time", "event", fit_options={"precision": 1e-12}
    )
    coefficients = model.get_weights()[0][:, 0]
    np.testing.assert_allclose(coefficients, expected.params_, atol=1e-4)


def test_gradient_of_cox_loss_is_observed_minus_expected(arrests):
    """At zero, without ties: Σ over progressions of (mean of those at risk − own covariate)."""
    _, event, x = arrests
    time = np.random.default_rng(2).permutation(len(event)) + 1.0
    event, x = event.to_numpy(), x.to_numpy()
    model = one_layer(1, None, 3)
    model.compile(keras.optimizers.SGD(1.0), loss=cox_loss)
    model.train_on_batch(x, follow_up(time, event))
    of_each = zip(time[event], x[event], strict=True)
    expected = sum(x[time >= months].mean(axis=0) - covariates for months, covariates in of_each)
    np.testing.assert_allclose(-model.get_weights()[0][:, 0], expected / len(x), atol=1e-7)


# --- hazards ------------------------------------------------------------------------------------


def hazard_loss(time, event, hazard, **options):
    target, hazard = arrays(follow_up(time, event), hazard)
    return values(HazardLoss(reduction=None, **options)(target, hazard))


H = np.array([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("months", "progressed", "survived", "failed"),
    [
        (5, True, [], 0),  # in the first interval
        (12, True, [], 0),  # an interval holds its end
        (12.01, True, [0], 1),
        (36, True, [0, 1], 2),
        (70, True, [0, 1, 2, 3], None),  # after the last end
        (5.9, False, [], None),  # lost before the middle of the first: not seen in it
        (6, False, [0], None),  # from the middle on it counts as survived
        (12, False, [0], None),
        (29.9, False, [0, 1], None),
        (30, False, [0, 1, 2], None),
        (99, False, [0, 1, 2, 3], None),
    ],
)
def test_who_counts_in_which_interval(months, progressed, survived, failed):
    expected = -np.log(1 - H[survived]).sum() - (np.log(H[failed]) if failed is not None else 0)
    assert hazard_loss([months], [progressed], H[None])[0] == pytest.approx(expected, rel=1e-5)


def person_periods(time, event):
    """Rows of the classical analysis: patient, interval, whether the progression was in it."""
    rows, starts = [], (0, *ENDS[:-1])
    for patient, (months, progressed) in enumerate(zip(time, event, strict=True)):
        for k, (start, end) in enumerate(zip(starts, ENDS, strict=True)):
            inside = bool(progressed and start < months <= end)
            if inside or months > end or (not progressed and months >= (start + end) / 2):
                rows.append((patient, k, inside))
    return pd.DataFrame(rows, columns=["patient", "interval", "progressed"])


@pytest.fixture(scope="module")
def patients():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(500, 2))
    event_at = rng.exponential(60 * np.exp(-x @ [0.8, -0.4]))
    lost_at = rng.uniform(3, 80, 500)
    return np.minimum(event_at, lost_at), event_at <= lost_at, x


def test_without_covariates_the_hazards_are_shares(patients):
    """Closed form: of those who count in an interval, the share that progresses in it."""
    time, event, _ = patients
    model = one_layer(4, "sigmoid", 1)
    fitted_by_keras(model, np.zeros((500, 1)), follow_up(time, event), HazardLoss())
    shares = person_periods(time, event).groupby("interval")["progressed"].mean()
    np.testing.assert_allclose(model.predict(np.zeros((1, 1)), verbose=0)[0], shares, atol=1e-4)


def test_it_is_logistic_regression_of_person_periods(patients):
    """One neuron of each interval: as many logistic regressions of those who count in it."""
    time, event, x = patients
    model = fitted_by_keras(one_layer(4, "sigmoid", 2), x, follow_up(time, event), HazardLoss())
    for interval, rows in person_periods(time, event).groupby("interval"):
        expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
            x[rows["patient"]], rows["progressed"]
        )
        np.testing.assert_allclose(
            model.get_weights()[0][:, interval], expected.coef_[0], atol=2e-3
        )


def test_gradient_of_the_hazards():
    """Of the logit: −1 + h where the patient progresses, h where survived, 0 where not counted."""
    model = one_layer(4, "sigmoid", 1)
    model.compile(keras.optimizers.SGD(1.0), loss=HazardLoss())
    model.train_on_batch(np.ones((1, 1)), follow_up([30], [True]))
    np.testing.assert_allclose(-model.get_weights()[1], [0.5, 0.5, -0.5, 0], atol=1e-6)


def test_certain_hazards_are_no_infinity():
    assert np.isfinite(hazard_loss([5, 60], [True, False], [[0.0] * 4, [1.0] * 4])).all()


def test_probabilities_are_one_minus_the_product_of_survivals():
    p = p_progression(np.tile(H, (2, 1)))
    np.testing.assert_allclose(p[0], [0.1, 0.28, 0.496, 0.6976])


# --- both ---------------------------------------------------------------------------------------


def test_ends_that_do_not_rise_are_refused():
    for ends in ((24, 12), (12, 12), (0, 12)):
        with pytest.raises(ValueError, match="to rise"):
            HazardLoss(ends)


@pytest.mark.parametrize("spoilt", [[np.nan, 5], [-1, 5]])
def test_follow_up_passes_the_gate(spoilt):
    with pytest.raises(statistics.ColumnError, match="time"):
        follow_up(spoilt, [True, False])


def test_a_saved_model_comes_back_with_its_loss(tmp_path):
    for loss, neurons, activation in ((cox_loss, 1, None), (HazardLoss((6, 18)), 2, "sigmoid")):
        model = one_layer(neurons, activation, 1)
        model.compile("sgd", loss=loss)
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        assert getattr(again.loss, "ends", None) == getattr(loss, "ends", None)


SUMS = """
import numpy as np
from npc_helpers.network.survival_losses import HazardLoss, cox_loss, follow_up
rng = np.random.default_rng(4)
target = follow_up(rng.integers(1, 60, 50), rng.random(50) < 0.5)
f, h = rng.normal(size=(50, 1)).astype("float32"), rng.random((50, 4)).astype("float32")
print(float(np.sum(cox_loss(target, f))), float(HazardLoss()(target, h)))
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_gives_the_same_numbers(backend, monkeypatch):
    pytest.importorskip(backend)
    sums = []
    for name in (keras.backend.backend(), backend):
        monkeypatch.setenv("KERAS_BACKEND", name)
        done = subprocess.run([sys.executable, "-c", SUMS], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        sums.append([float(number) for number in done.stdout.split()])
    np.testing.assert_allclose(*sums, rtol=1e-5)


# --- torchsurv and pycox ------------------------------------------------------------------------

ORACLE = Path(__file__).parents[1] / "oracle"
EXPECTED = json.loads((ORACLE / "survival_losses.json").read_text(encoding="utf-8"))
PEOPLE = dict(list(pd.read_csv(ORACLE / "patients.csv").groupby("dataset")))


@pytest.mark.parametrize("name", EXPECTED["datasets"])
def test_cox_loss_is_that_of_torchsurv_and_pycox(name):
    table, expected = PEOPLE[name], EXPECTED["datasets"][name]["cox"]
    loss = cox(table.time, table.event == 1, table.continuous)
    tied = table.time[table.event == 1].duplicated().any()
    assert loss == pytest.approx(expected["efron"], rel=1e-6)
    assert (loss == pytest.approx(expected["breslow"], rel=1e-6)) != tied
    assert "pycox" in expected or tied
    assert loss == pytest.approx(expected.get("pycox", loss), rel=1e-6)


@pytest.mark.parametrize("name", EXPECTED["datasets"])
def test_hazard_loss_is_that_of_pycox(name):
    """`tests/oracle/survival_losses.py` says when the lost of this test are lost, and why."""
    table, ends = PEOPLE[name], np.array(EXPECTED["ends"])
    lost_at = ends[np.minimum(np.searchsorted(ends, table.time), len(ends) - 1)]
    months = np.where(table.event == 1, table.time, lost_at)
    hazard = expit(table.continuous.to_numpy()[:, None] + EXPECTED["levels"])
    loss = hazard_loss(months, table.event == 1, hazard, ends=ends, dtype="float64")
    np.testing.assert_allclose(loss, EXPECTED["datasets"][name]["hazards"], rtol=1e-6)
