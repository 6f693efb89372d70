"""The training run: what it learns, when it stops, what it refuses."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
from training_runs import (
    ALL,
    HEAD,
    PATIENTS,
    WHOLE,
    inputs_of,
    run,
    start_model,
    two_groups,
    use_real_network,
    weights_after,
    with_small_network,
)  # fmt: skip

from npc_helpers.network import models, training

__all__ = ["with_small_network"]  # a fixture
pytestmark = pytest.mark.usefixtures("with_small_network")


@pytest.fixture(scope="module")
def data():
    return two_groups()


# --- what is trained --------------------------------------------------------------------------


def test_prediction_is_the_second_neuron_from_images_and_from_features(data):
    model = models.prognosis_model(HEAD, seed=1)
    expected = model.predict(data[0], verbose=0)[:, 1]
    inputs = inputs_of(model, data[0])
    head = models.trainable_part(model)
    np.testing.assert_allclose(training.predict(head, inputs, progress=False), expected, rtol=1e-4)
    np.testing.assert_allclose(
        training.predict(model, data[0], batch_size=7, progress=False), expected, rtol=1e-4
    )


def test_head_on_features_equals_fit_of_the_whole_model_with_frozen_backbone(data, tmp_path):
    """The short way against Keras' `fit` on images, written out."""
    head, history = run(data, HEAD, tmp_path / "a")
    whole = models.prognosis_model(HEAD, seed=1)
    whole.compile(
        keras.optimizers.Adam(HEAD.learning_rate), "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )  # fmt: skip
    batches = training.Batches(*data, batch_size=HEAD.batch_size, seed=1)
    resume = training.Resume(tmp_path / "b", batches)
    record = whole.fit(
        batches, epochs=HEAD.max_epochs, shuffle=False, verbose=0, callbacks=[resume]
    )
    for a, b in zip(head.get_weights(), whole.get_layer("risk").get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    pd.testing.assert_frame_equal(history, training.history_table(record), rtol=1e-4)


def test_the_graph_of_a_step_is_traced_once(tmp_path):
    """Tracing is most of the time of a short run."""
    traced = []

    class Counts(keras.layers.Layer):
        def call(self, x):
            traced.append(x)
            return x

    inputs = keras.Input((2,))
    learner = keras.Model(inputs, keras.layers.Dense(2, "softmax")(Counts()(inputs)))
    batches = training.Batches(np.eye(2).repeat(8, axis=0), np.arange(16) < 8, batch_size=4, seed=0)
    setting = dataclasses.replace(HEAD, max_epochs=2)
    training.compiled(learner, setting, steps=8)
    traced.clear()
    training.fit(learner, batches, setting=setting, run_dir=tmp_path, progress=False)
    assert len(traced) == 1


def test_one_epoch_is_adam_on_the_cross_entropy_and_the_l2_term(data, tmp_path):
    """Against Adam's first step (Kingma and Ba 2015, end of section 2) in a few lines."""
    setting = dataclasses.replace(HEAD, dropout=0.0, max_epochs=1, batch_size=30, l2=0.01)
    x = np.random.default_rng(1).normal(size=(30, 77)).astype(np.float32)
    kernel = models.prognosis_model(setting, seed=1).get_layer("risk").get_weights()[0]
    logits = x @ kernel
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.eye(2)[data[1].astype(int)]
    slope = x.T @ (p - y) / 30 + 2 * setting.l2 * kernel
    epsilon = 1e-7 / np.sqrt(1 - 0.999)
    expected = kernel - setting.learning_rate * slope / (np.abs(slope) + epsilon)
    weights, history = weights_after((x, data[1]), setting, tmp_path)
    np.testing.assert_allclose(weights[-2], expected, atol=1e-6)
    loss = -np.log((p * y).sum(axis=1)).mean() + setting.l2 * (kernel**2).sum()
    assert history.loss[0] == pytest.approx(loss, rel=1e-5)


def test_history_describes_the_whole_epoch_and_not_its_last_batch(data, tmp_path):
    """With a learning rate of zero nothing moves, and the epoch's means are those of all images."""
    setting = dataclasses.replace(
        HEAD, dropout=0.0, l2=0.0, max_epochs=2, batch_size=8, learning_rate=0.0
    )
    _, history = weights_after(data, setting, tmp_path)
    p = training.predict(models.prognosis_model(setting, seed=1), data[0], progress=False)
    truth = data[1].astype(bool)
    loss = -np.log(np.where(truth, p, 1 - p)).mean()
    assert list(history.accuracy) == pytest.approx([((p > 0.5) == truth).mean()] * 2, abs=1e-6)
    assert list(history.loss) == pytest.approx([loss] * 2, rel=1e-4)


def test_every_image_once_per_epoch_in_an_order_of_its_own(data):
    numbers = np.arange(30, dtype=np.float32)[:, None]
    rows = np.arange(30) % 5 > 0
    batches = training.Batches(numbers, data[1], rows=rows, batch_size=7, seed=4)
    orders = []
    for _ in range(2):
        batches.on_epoch_begin()
        values = np.concatenate([inputs for inputs, _ in batches]).ravel()
        labels = np.concatenate([labels for _, labels in batches])
        assert sorted(values) == list(np.flatnonzero(rows))
        assert list(labels) == list(data[1][values.astype(int)])
        orders.append(tuple(values))
    assert len(set(orders)) == 2


def test_an_epoch_takes_so_many_images_of_each_patient_and_others_the_next_time(data):
    numbers = np.arange(30, dtype=np.float32)[:, None]
    rows = PATIENTS != "P5"
    batches = training.Batches(
        numbers, data[1], rows=rows, batch_size=4, seed=4, patients=PATIENTS, per_patient=2
    )
    epochs = []
    for _ in range(3):
        batches.on_epoch_begin()
        values = np.concatenate([inputs for inputs, _ in batches]).ravel().astype(int)
        counts = pd.Series(PATIENTS[values]).value_counts()
        assert counts.to_dict() == dict.fromkeys(["P0", "P1", "P2", "P3", "P4"], 2)
        assert len(set(values)) == 10 and len(batches) == 3
        epochs.append(frozenset(values))
    assert len(set(epochs)) == 3
    with pytest.raises(ValueError, match="needs patients"):
        training.Batches(numbers, data[1], batch_size=4, seed=4, per_patient=2)


def test_variants_are_mirrored_moved_or_brighter_and_nothing_else(data):
    from npc_helpers.network.batches import vary

    images = np.zeros((200, 30, 40, 1), np.uint8)
    images[:, 10:20, 10:14] = 100
    varied = vary(images, np.random.default_rng(1))
    assert varied.dtype == np.uint8 and varied.shape == images.shape
    assert ((varied > 0).sum(axis=(1, 2, 3)) == 40).all()  # the square is whole, wherever it lies
    first_row = (varied > 0).any(axis=(2, 3)).argmax(axis=1)
    assert set(first_row) == set(range(6, 15))
    first_column = (varied > 0).any(axis=(1, 3)).argmax(axis=1)
    assert set(first_column) == set(range(6, 15)) | set(range(22, 31))
    grey = varied.max(axis=(1, 2, 3)) / 100
    assert 0.7 < grey.min() < 0.9 and 1.1 < grey.max() < 1.4
    np.testing.assert_array_equal(varied, vary(images, np.random.default_rng(1)))


def test_variants_differ_by_epoch_and_can_be_repeated(data):
    def first_batch(epoch, seed=3):
        setting = dataclasses.replace(WHOLE, images_per_patient=None)
        batches = training.batches_of(*data, setting=setting, seed=seed)
        batches.epoch = epoch - 1
        batches.on_epoch_begin()
        return batches[0][0]

    np.testing.assert_array_equal(first_batch(2), first_batch(2))
    assert not np.array_equal(first_batch(2), first_batch(1))
    assert not np.array_equal(first_batch(2), first_batch(2, seed=4))


def test_the_cosine_rises_for_a_tenth_of_the_run_and_ends_at_zero():
    rate = training.adam(WHOLE, steps=100).get_config()["learning_rate"]
    rate = keras.optimizers.schedules.deserialize(rate)
    values = [float(rate(step)) for step in (0, 10, 55, 100)]
    top = WHOLE.learning_rate
    assert values == pytest.approx([top / 10, top, top / 2, 0], abs=1e-6)
    with pytest.raises(ValueError, match="'linear'; 'constant' or 'cosine'"):
        training.adam(dataclasses.replace(WHOLE, schedule="linear"), steps=100)


@pytest.mark.parametrize("network", ["small", pytest.param("real", marks=pytest.mark.slow)])
def test_whole_network_learns_a_planted_difference(network, data, tmp_path, monkeypatch):
    """As the tutorial trains: normalisation included, from variants of some of the images."""
    if network == "real":
        use_real_network(monkeypatch)
    setting = dataclasses.replace(WHOLE, max_epochs=12)
    before = start_model(setting).get_weights()
    learner, history = run(data, setting, tmp_path)
    moved = [not np.array_equal(a, b) for a, b in zip(before, learner.get_weights(), strict=True)]
    assert np.mean(moved) > 0.95
    p = training.predict(learner, data[0], progress=False)
    assert (p[data[1]][:, None] > p[~data[1]]).mean() > 0.95  # the AUC


def test_rows_left_out_change_nothing(data, tmp_path):
    rows = np.arange(30) >= 6
    spoilt = np.where(rows[:, None, None, None], data[0], 255).astype(np.uint8)
    some, _ = weights_after((spoilt, data[1]), HEAD, tmp_path / "a", rows=rows)
    expected, _ = weights_after((data[0][rows], data[1][rows]), HEAD, tmp_path / "b")
    for a, b in zip(some, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_fine_tuning_moves_convolutions_and_no_normalisation(data, tmp_path):
    model = models.prognosis_model(ALL, seed=1)
    before = {w.path: np.array(w) for w in model.weights}
    learner, _ = run(data, ALL, tmp_path)
    for weight in learner.weights:
        is_same = np.array_equal(before[weight.path], np.array(weight))
        assert is_same == ("_bn" in weight.path), weight.path


def test_the_model_that_a_run_starts_from_is_left_alone(data, tmp_path):
    for setting in (HEAD, ALL):
        model = models.prognosis_model(setting, seed=1)
        before = model.get_weights()
        inputs = inputs_of(model, data[0])
        training.train(
            model, inputs, data[1], setting=setting, seed=1, run_dir=tmp_path, progress=False
        )
        assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_planted_difference_is_learned(data, tmp_path):
    setting = dataclasses.replace(HEAD, max_epochs=100, learning_rate=0.01, dropout=0.1)
    learner, history = run(data, setting, tmp_path)
    p = training.predict(learner, inputs_of(start_model(setting), data[0]), progress=False)
    assert p[data[1]].min() > p[~data[1]].max()
    assert history.loss.iloc[-1] < history.loss.iloc[0]


# --- when it stops ----------------------------------------------------------------------------


def test_run_ends_when_accuracy_has_not_improved_for_so_many_epochs(data, tmp_path):
    setting = dataclasses.replace(HEAD, max_epochs=300, patience=4)
    history = weights_after(data, setting, tmp_path)[1]
    assert len(history) < 300
    best = history.accuracy.to_numpy().argmax()  # first epoch with the highest accuracy
    assert len(history) - 1 - best == 4
    assert list(history.epoch) == list(range(1, len(history) + 1))


def test_loss_can_be_watched_instead(data, tmp_path):
    setting = dataclasses.replace(HEAD, max_epochs=8, patience=2, monitor="loss", learning_rate=0.0)
    setting = dataclasses.replace(setting, dropout=0.0)
    history = weights_after(data, setting, tmp_path)[1]
    assert len(history) <= 8 and history.loss.to_numpy().argmin() + 3 == len(history)


def test_misspelt_monitor_fails_before_training(data, tmp_path):
    setting = dataclasses.replace(HEAD, monitor="acuracy")
    with pytest.raises(ValueError, match="'acuracy'; training measures accuracy and loss"):
        weights_after(data, setting, tmp_path)


# --- what it refuses --------------------------------------------------------------------------


def test_one_class_is_refused_with_counts(data, tmp_path):
    with pytest.raises(ValueError, match=r"high_risk has one class only \(0 of 30 are True\)"):
        weights_after((data[0], np.zeros(30, bool)), HEAD, tmp_path)


def test_labels_must_match_images(data, tmp_path):
    with pytest.raises(ValueError, match="30 images but 20 labels"):
        weights_after((data[0], data[1][:20]), HEAD, tmp_path)


@pytest.mark.parametrize("label", [2, np.nan, "yes", None, -1])
def test_a_label_that_is_neither_true_nor_false_is_refused(label, data, tmp_path):
    labels = data[1].astype(object)
    labels[4] = label
    with pytest.raises(ValueError, match="high_risk: row 4 "):
        weights_after((data[0], labels), HEAD, tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused_with_their_row(value, data, tmp_path):
    x = np.random.default_rng(0).normal(size=(300, 77)).astype(np.float32)
    x[280, 3] = value
    labels = np.arange(300) % 2 == 0
    with pytest.raises(ValueError, match="row 280 of the data"):
        weights_after((x, labels), HEAD, tmp_path)
    spared = np.arange(300) != 280
    run((x, labels), dataclasses.replace(HEAD, max_epochs=1), tmp_path, rows=spared)
    x[3, 3] = value  # and with some rows left out the number is still that of the table
    with pytest.raises(ValueError, match="row 3 of the data"):
        weights_after((x, labels), HEAD, tmp_path, rows=spared & (np.arange(300) > 1))


def test_inputs_of_another_kind_are_refused(data, tmp_path):
    with pytest.raises(ValueError, match="takes inputs of shape .*training_inputs"):
        weights_after((np.zeros((30, 77)), data[1]), ALL, tmp_path)
    model = models.prognosis_model(HEAD, seed=1)
    with pytest.raises(ValueError, match="takes inputs of shape .*training_inputs"):
        training.train(model, *data, setting=HEAD, seed=1, run_dir=tmp_path)
