"""A run that is killed, interrupted, extended, shortened, damaged, or not a number any more."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from training_runs import (
    ALL,
    HEAD,
    SETTINGS,
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
RUN = """
import sys
from training_runs import SETTINGS, models, small_network, two_groups, weights_after
name, folder, network = sys.argv[1:]
if network == "small":
    models.inception_resnet_v2 = small_network
weights_after(two_groups(), SETTINGS[name], folder)
"""


@pytest.fixture(scope="module")
def data():
    return two_groups()


def assert_same(first, second):
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def states(folder):
    return sorted(folder.glob("[!.]*.npz"))


def finished_epochs(folder):
    try:
        with np.load(states(folder)[0]) as state:
            return len(json.loads(str(state["history"])))
    except (FileNotFoundError, IndexError):
        return 0


# --- killed -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "network"),
    [("HEAD", "small"), ("WHOLE", "small"), ("WHOLE", "real"), ("ALL", "real")],
)
def test_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    name, network, data, tmp_path, monkeypatch
):
    if network == "real":
        use_real_network(monkeypatch)
    root, setting = Path(__file__).parents[2], SETTINGS[name]
    folder = tmp_path / "run"
    paths = os.pathsep.join([str(root), str(root / "tests"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, name, str(folder), network],
        env={**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=root,
    )
    while finished_epochs(folder) < 2:
        assert process.poll() in (None, 0), "the run to be killed failed"
        time.sleep(0.002)
    process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()
    assert finished_epochs(folder) >= 2
    resumed, history = weights_after(data, setting, folder)
    expected, uninterrupted = weights_after(data, setting, tmp_path / "other")
    assert_same(resumed, expected)
    pd.testing.assert_frame_equal(history, uninterrupted, check_exact=True)
    (last,), best = states(folder), folder.glob("*.best")
    assert {path.name for path in folder.iterdir()} == {last.name, *(path.name for path in best)}


class Stop(keras.callbacks.Callback):
    """Ends the process' patience at one moment of one epoch."""

    def __init__(self, moment, epoch):
        super().__init__()
        self.moment, self.epoch, self.now = moment, epoch, 0

    def _maybe(self, moment):
        if (moment, self.now) == (self.moment, self.epoch):
            raise KeyboardInterrupt

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch
        self._maybe("begin")

    def on_train_batch_end(self, batch, logs=None):
        self._maybe("batch")

    def on_epoch_end(self, epoch, logs=None):
        self._maybe("end")


def head_and_batches(data, setting):
    model = start_model(setting)
    head = models.trainable_part(model)
    head.compile(
        keras.optimizers.Adam(setting.learning_rate), "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )  # fmt: skip
    return head, training.Batches(inputs_of(model, data[0]), data[1], batch_size=8, seed=1)


def fit(data, setting, run_dir, *, before=(), after=(), epochs=20, patience=3):
    """Keras' own verbs on features, with callbacks in any order; (head, history, rule)."""
    head, batches = head_and_batches(data, setting)
    stopping = keras.callbacks.EarlyStopping("accuracy", mode="max", patience=patience)
    resume = training.Resume(run_dir, batches, stopping)
    record = head.fit(
        batches, epochs=epochs, shuffle=False, verbose=0,
        callbacks=[*before, stopping, resume, *after],
    )  # fmt: skip
    return head, record, stopping


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("moment", ["begin", "batch", "end"])
def test_interrupted_at_any_moment_everything_is_as_if_nothing_had_happened(
    where, moment, data, tmp_path
):
    expected, record, rule = fit(data, HEAD, tmp_path / "whole")
    assert 5 < len(record.epoch) < 20, "the rule has to end this run for the test to mean much"
    for epoch in (0, 3, len(record.epoch) - 1):
        with pytest.raises(KeyboardInterrupt):
            fit(data, HEAD, tmp_path / "cut", **{where: [Stop(moment, epoch)]})
    resumed, again, same = fit(data, HEAD, tmp_path / "cut")
    assert_same(resumed.get_weights(), expected.get_weights())
    assert again.history == record.history and again.epoch == record.epoch
    assert (same.wait, same.best) == (rule.wait, rule.best)


def test_order_of_the_callbacks_does_not_matter(data, tmp_path):
    expected, record, _ = fit(data, HEAD, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(data, HEAD, tmp_path / "cut", before=[Stop("batch", 4)])
    head, batches = head_and_batches(data, HEAD)
    stopping = keras.callbacks.EarlyStopping("accuracy", mode="max", patience=3)
    history = keras.callbacks.History()
    resume = training.Resume(tmp_path / "cut", batches, stopping)
    head.fit(batches, epochs=20, shuffle=False, verbose=0, callbacks=[history, resume, stopping])
    assert_same(head.get_weights(), expected.get_weights())
    assert history.history == record.history


@pytest.mark.slow
def test_fit_that_shuffles_the_batches_too_is_repeated_as_well(data, tmp_path):
    """Without shuffle=False Keras shuffles the batches once more: by a seeded source, here."""
    ends = []
    for name in "ab":
        model = models.trainable_part(start_model(HEAD))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        x = np.random.default_rng(0).normal(size=(30, 77)).astype(np.float32)
        batches = training.Batches(x, data[1], batch_size=4, seed=1)
        for epochs in (2, 4):
            model.fit(
                batches, epochs=epochs, verbose=0,
                callbacks=[training.Resume(tmp_path / name, batches)],
            )  # fmt: skip
            if epochs == 2:
                model = models.trainable_part(start_model(HEAD))
                model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        ends.append(model.get_weights())
    assert_same(*ends)


# --- ended, extended, shortened ---------------------------------------------------------------


def forbid_training(monkeypatch):
    def fail(self, batch, logs=None):
        raise AssertionError("an epoch was trained")

    monkeypatch.setattr(training.Resume, "on_train_batch_end", fail)


@pytest.mark.parametrize("patience", [3, 30])
def test_finished_run_is_read_back(patience, data, tmp_path, monkeypatch):
    setting = dataclasses.replace(HEAD, patience=patience, max_epochs=20)
    expected, history = weights_after(data, setting, tmp_path)
    assert (len(history) < 20) == (patience == 3)
    forbid_training(monkeypatch)
    again, same = weights_after(data, setting, tmp_path)
    assert_same(again, expected)
    pd.testing.assert_frame_equal(history, same, check_exact=True)


@pytest.mark.parametrize(
    "ended_by, change", [({"patience": 30}, {"max_epochs": 9}), ({"patience": 3}, {"patience": 4})]
)
def test_extended_run_goes_on_from_its_end(ended_by, change, data, tmp_path):
    first = dataclasses.replace(HEAD, **ended_by)
    longer = dataclasses.replace(first, **change)
    _, short = weights_after(data, first, tmp_path / "run")
    extended, history = weights_after(data, longer, tmp_path / "run")
    assert len(states(tmp_path / "run")) == 1 and len(history) > len(short)
    expected, whole = weights_after(data, longer, tmp_path / "other")
    assert_same(extended, expected)
    pd.testing.assert_frame_equal(history, whole, check_exact=True)


@pytest.mark.parametrize("change", [{"max_epochs": 2}, {"patience": 1}])
def test_shorter_run_is_right_and_the_longer_one_is_kept(change, data, tmp_path, capsys):
    longer = dataclasses.replace(HEAD, max_epochs=12, patience=30)
    shorter = dataclasses.replace(longer, **change)
    weights_after(data, longer, tmp_path / "run")
    before = states(tmp_path / "run")[0].read_bytes()
    short, history = weights_after(data, shorter, tmp_path / "run")
    assert "has 12 epochs and is kept" in capsys.readouterr().out
    assert states(tmp_path / "run")[0].read_bytes() == before
    expected, fresh = weights_after(data, shorter, tmp_path / "other")
    assert_same(short, expected)
    pd.testing.assert_frame_equal(history, fresh, check_exact=True)


# --- whose run it is --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("change", ["seed", "label", "pixel", "l2", "rate", "batch", "start"])
def test_run_made_from_something_else_is_kept_and_not_resumed(change, data, tmp_path, capsys):
    weights_after(data, HEAD, tmp_path / "run")
    before = states(tmp_path / "run")[0].read_bytes()
    assert "afresh" not in capsys.readouterr().out
    images, high_risk = data[0].copy(), data[1].copy()
    if change == "label":
        high_risk[0] = not high_risk[0]
    if change == "pixel":
        images[29, 40, 40] += 1
    value = {"l2": {"l2": 2e-3}, "rate": {"learning_rate": 2e-3}, "batch": {"batch_size": 31}}
    setting = dataclasses.replace(HEAD, **value.get(change, {}))
    options = {"seed": 1 + (change == "seed"), "start": 1 + (change == "start")}
    weights, _ = weights_after((images, high_risk), setting, tmp_path / "run", **options)
    assert "made from other data, labels" in capsys.readouterr().out
    assert_same(
        weights, weights_after((images, high_risk), setting, tmp_path / "fresh", **options)[0]
    )
    first = next(path for path in states(tmp_path / "run") if path.read_bytes() == before)
    weights_after(data, HEAD, tmp_path / "run")
    assert len(states(tmp_path / "run")) == 2 and first.read_bytes() == before


def test_a_run_is_known_by_its_start_weights_and_not_by_the_name_of_the_model(data, tmp_path):
    """Weights overwritten in place, under the same name: another run (and the other way round)."""
    model = models.prognosis_model(HEAD, seed=1)
    x = np.random.default_rng(0).normal(size=(30, 77)).astype(np.float32)
    options = {"setting": HEAD, "seed": 1, "run_dir": tmp_path, "progress": False}
    training.train(model, x, data[1], **options)
    model.get_layer("risk").set_weights([np.full((77, 2), 0.01), np.zeros(2)])
    training.train(model, x, data[1], **options)
    assert len(states(tmp_path)) == 2
    renamed = keras.Model(model.input, model.output, name="something_else")
    training.train(renamed, x, data[1], **options)
    assert len(states(tmp_path)) == 2


def test_damaged_state_is_told_and_replaced(data, tmp_path, capsys):
    expected = weights_after(data, HEAD, tmp_path)[0]
    state = states(tmp_path)[0]
    state.write_bytes(state.read_bytes()[:100])
    assert_same(weights_after(data, HEAD, tmp_path)[0], expected)
    assert "cannot be read" in capsys.readouterr().out


# --- not a number -----------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e30, np.float32(3e38)])
def test_run_whose_loss_is_not_finite_says_so_and_is_never_read_back(rate, data, tmp_path):
    setting = dataclasses.replace(HEAD, learning_rate=float(rate), batch_size=4, l2=1.0)
    for _ in range(2):
        with pytest.raises(FloatingPointError, match=r"epoch 1: .*not a finite number.*rate"):
            weights_after(data, setting, tmp_path)
        assert finished_epochs(tmp_path) == 0
        with np.load(states(tmp_path)[0]) as state:
            assert all(np.isfinite(state[k]).all() for k in state.files if k != "history")


def test_weights_that_break_in_the_last_step_are_noticed(data, tmp_path):
    """The loss is measured before its step: that of the only batch is still finite."""
    setting = dataclasses.replace(
        HEAD, learning_rate=float(np.finfo(np.float32).max), batch_size=30, max_epochs=1
    )
    x = 1e3 * np.random.default_rng(0).normal(size=(30, 77)).astype(np.float32)
    model = models.trainable_part(start_model(setting))
    model.compile(keras.optimizers.SGD(setting.learning_rate), "sparse_categorical_crossentropy")
    batches = training.Batches(x, data[1], batch_size=30, seed=1)
    with pytest.raises(FloatingPointError, match=r"epoch 1: the weights of .*risk"):
        model.fit(
            batches, epochs=1, shuffle=False, verbose=0,
            callbacks=[training.Resume(tmp_path, batches)],
        )  # fmt: skip
    assert finished_epochs(tmp_path) == 0


# --- the best epoch ---------------------------------------------------------------------------


def test_the_best_epoch_is_kept_beside_the_last_and_an_interruption_loses_neither(data, tmp_path):
    """The best weights are those of a run that ends there: what decides the end is no path."""
    head, batches = head_and_batches(data, HEAD)
    rule = keras.callbacks.EarlyStopping("loss", mode="max", patience=30)  # best: the first epoch
    resume = training.Resume(tmp_path / "run", batches, rule)
    options = {"shuffle": False, "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        head.fit(batches, epochs=5, callbacks=[rule, resume, Stop("batch", 3)], **options)
    head, batches = head_and_batches(data, HEAD)
    resume = training.Resume(tmp_path / "run", batches, rule)
    record = head.fit(batches, epochs=5, callbacks=[rule, resume], **options)
    last = head.get_weights()
    best = int(np.argmax(record.history["loss"])) + 1
    assert best < 5 and resume.restore_best() == best
    alone, batches = head_and_batches(data, HEAD)
    ended = training.Resume(tmp_path / "other", batches)
    alone.fit(batches, epochs=best, callbacks=[ended], **options)
    assert_same(head.get_weights(), alone.get_weights())
    again, batches = head_and_batches(data, HEAD)
    resume = training.Resume(tmp_path / "run", batches, rule)
    again.fit(batches, epochs=5, callbacks=[rule, resume], **options)  # the last is still there
    assert_same(again.get_weights(), last)
    with pytest.raises(FileNotFoundError, match="no best epoch"):
        ended.restore_best()


# --- what it refuses --------------------------------------------------------------------------


def test_stopping_rules_that_would_not_work_are_refused(data, tmp_path):
    batches = training.Batches(*data, batch_size=8, seed=1)
    with pytest.raises(ValueError, match="rise or fall"):
        training.Resume(tmp_path, batches, keras.callbacks.EarlyStopping("accuracy"))
    best = keras.callbacks.EarlyStopping("loss", restore_best_weights=True)
    with pytest.raises(ValueError, match="restore_best_weights"):
        training.Resume(tmp_path, batches, best)
    model = models.trainable_part(start_model(ALL))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rule = keras.callbacks.EarlyStopping("acuracy", mode="max")
    with (
        pytest.raises(ValueError, match="'acuracy'; training measures accuracy and loss"),
        pytest.warns(UserWarning),
    ):
        model.fit(
            batches, epochs=2, shuffle=False, verbose=0,
            callbacks=[rule, training.Resume(tmp_path, batches, rule)],
        )  # fmt: skip


@pytest.mark.slow
def test_run_is_not_in_the_way_of_a_second_fit(data, tmp_path):
    """What Resume tells Keras about the first epoch does not outlive the run."""
    learner, _ = run(data, HEAD, tmp_path)
    x = np.zeros((30, 77), dtype=np.float32)
    record = learner.fit(x, data[1].astype(int), epochs=2, verbose=0)
    assert record.epoch == [0, 1]
