"""The training run: what it learns, when it stops, how it resumes, what it refuses."""

import dataclasses
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
from small_study import load, make_study, save

from npc_helpers.network import models, training
from npc_helpers.study import Study
from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.settings import TUTORIAL

HEAD = dataclasses.replace(
    TUTORIAL, canvas=160, shrink=2, width=0.05, blocks=(1, 1, 1), weights="none", max_epochs=6
)
ALL = dataclasses.replace(HEAD, trainable="all", batch_size=8, learning_rate=1e-4)


@pytest.fixture(scope="module")
def data():
    """Thirty images; the high-risk ones have a bright square."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (30, 80, 80, 1)).astype(np.uint8)
    high_risk = np.arange(30) % 3 == 0
    images[high_risk, 20:60, 20:60] += 180
    return images, high_risk


def weights_after(data, setting, run_dir, **options):
    model = models.prognosis_model(setting, seed=1)
    history = training.train(
        model, *data, setting=setting, seed=1, run_dir=run_dir, progress=False, **options
    )
    return model.get_weights(), history


def assert_same(first, second):
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# --- what is trained --------------------------------------------------------------------------


def test_features_are_the_means_of_the_last_maps(data):
    model = models.prognosis_model(HEAD, seed=1)
    features = training.extract_features(model, data[0], batch_size=7, progress=False)
    inner = keras.Model(model.input, model.get_layer("conv_7b_ac").output)
    expected = inner.predict(data[0], verbose=0).mean(axis=(1, 2))
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-6)


def test_prediction_is_the_second_neuron_from_images_and_from_features(data):
    model = models.prognosis_model(HEAD, seed=1)
    expected = model.predict(data[0], verbose=0)[:, 1]
    features = training.extract_features(model, data[0], progress=False)
    np.testing.assert_allclose(training.predict(model, features), expected, rtol=1e-4)
    np.testing.assert_allclose(
        training.predict(model, data[0], progress=False), expected, rtol=1e-4
    )


def test_head_on_features_equals_whole_model_with_frozen_backbone(data, tmp_path):
    by_features, history = weights_after(data, HEAD, tmp_path / "a")
    model = models.prognosis_model(HEAD, seed=1)  # everything but the last layer is frozen
    as_whole = training.train(
        model, *data, setting=dataclasses.replace(HEAD, trainable="all"), seed=1,
        run_dir=tmp_path / "b", progress=False,
    )  # fmt: skip
    for a, b in zip(by_features, model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    pd.testing.assert_frame_equal(history, as_whole, rtol=1e-4)


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
        HEAD, dropout=0.0, l2=0.0, max_epochs=1, batch_size=8, learning_rate=0.0
    )
    _, history = weights_after(data, setting, tmp_path)
    p = training.predict(models.prognosis_model(setting, seed=1), data[0], progress=False)
    truth = data[1].astype(bool)
    assert history.accuracy[0] == pytest.approx(((p > 0.5) == truth).mean(), abs=1e-6)
    assert history.loss[0] == pytest.approx(-np.log(np.where(truth, p, 1 - p)).mean(), rel=1e-4)


def test_fine_tuning_moves_convolutions_and_no_normalisation(data, tmp_path):
    model = models.prognosis_model(ALL, seed=1)
    before = {w.path: np.array(w) for w in model.weights}
    training.train(model, *data, setting=ALL, seed=1, run_dir=tmp_path, progress=False)
    for weight in model.weights:
        is_same = np.array_equal(before[weight.path], np.array(weight))
        assert is_same == ("_bn" in weight.path), weight.path


def test_planted_difference_is_learned(data, tmp_path):
    setting = dataclasses.replace(HEAD, max_epochs=100, learning_rate=0.01, dropout=0.1)
    model = models.prognosis_model(setting, seed=1)
    history = training.train(
        model, *data, setting=setting, seed=1, run_dir=tmp_path, progress=False
    )
    p = training.predict(model, data[0], progress=False)
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
    with pytest.raises(ValueError, match=r"all 30 .*\(0 high risk, 30 low risk\)"):
        weights_after((data[0], np.zeros(30, bool)), HEAD, tmp_path)


def test_labels_must_match_images(data, tmp_path):
    with pytest.raises(ValueError, match="30 images but labels of shape"):
        weights_after((data[0], data[1][:20]), HEAD, tmp_path)


def test_features_are_refused_when_the_whole_network_is_trained(data, tmp_path):
    with pytest.raises(ValueError, match="only if setting.trainable is 'head'"):
        weights_after((np.zeros((30, 77)), data[1]), ALL, tmp_path)


# --- resuming ---------------------------------------------------------------------------------

RUN = """
import sys
from tests.test_training import ALL, HEAD, weights_after
import numpy as np
setting = {"HEAD": HEAD, "ALL": ALL}[sys.argv[1]]
data = [np.load(sys.argv[2])[name] for name in ("images", "high_risk")]
weights_after(data, setting, sys.argv[3])
"""


def start_run(name, data, folder):
    np.savez(folder / "data.npz", images=data[0], high_risk=data[1])
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, name, str(folder / "data.npz"), str(folder / "run")],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def finished_epochs(folder):
    try:
        with np.load(folder / "run" / training.STATE_FILE) as state:
            return str(state["note"]).count('"epoch"')
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("name", ["HEAD", "ALL"])
def test_killed_run_ends_with_the_weights_of_an_uninterrupted_one(name, data, tmp_path):
    setting = {"HEAD": HEAD, "ALL": ALL}[name]
    process = start_run(name, data, tmp_path)
    while finished_epochs(tmp_path) < 2:
        assert process.poll() in (None, 0), "the run to be killed failed"
        time.sleep(0.002)
    process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()
    (tmp_path / "run" / f".part-0123456789ab-{training.STATE_FILE}").write_bytes(b"half a file")
    assert finished_epochs(tmp_path) >= 2
    resumed, history = weights_after(data, setting, tmp_path / "run")
    expected, uninterrupted = weights_after(data, setting, tmp_path / "other")
    assert_same(resumed, expected)
    pd.testing.assert_frame_equal(history, uninterrupted, check_exact=True)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [training.STATE_FILE]


def test_interrupted_notebook_cell_is_run_again(data, tmp_path, monkeypatch):
    expected = weights_after(data, HEAD, tmp_path / "whole")[0]
    one_epoch = training._one_epoch

    def stop_at_four(network, data, labels, epoch, *rest):
        if epoch == 4:
            raise KeyboardInterrupt
        return one_epoch(network, data, labels, epoch, *rest)

    model = models.prognosis_model(HEAD, seed=1)
    options = {"setting": HEAD, "seed": 1, "run_dir": tmp_path / "cut", "progress": False}
    monkeypatch.setattr(training, "_one_epoch", stop_at_four)
    with pytest.raises(KeyboardInterrupt):
        training.train(model, *data, **options)
    monkeypatch.undo()
    training.train(model, *data, **options)  # the same model object
    assert_same(model.get_weights(), expected)


def test_finished_run_is_read_back(data, tmp_path, monkeypatch):
    expected, history = weights_after(data, HEAD, tmp_path)
    monkeypatch.setattr(training, "_one_epoch", None)  # would fail if called
    again, same = weights_after(data, HEAD, tmp_path)
    assert_same(again, expected)
    pd.testing.assert_frame_equal(history, same, check_exact=True)


@pytest.mark.parametrize("change", ["seed", "label", "pixel", "setting", "start"])
def test_run_made_from_something_else_is_not_resumed(change, data, tmp_path, capsys):
    weights_after(data, HEAD, tmp_path / "run")
    assert "afresh" not in capsys.readouterr().out
    images, high_risk = data[0].copy(), data[1].copy()
    if change == "label":
        high_risk[0] = not high_risk[0]
    if change == "pixel":
        images[29, 40, 40] += 1
    setting = dataclasses.replace(HEAD, l2=HEAD.l2 * (2 if change == "setting" else 1))
    seed, start = 1 + (change == "seed"), 1 + (change == "start")

    def end(run_dir):
        model = models.prognosis_model(setting, seed=start)
        training.train(
            model, images, high_risk, setting=setting, seed=seed, run_dir=run_dir, progress=False
        )
        return model.get_weights()

    replaced = end(tmp_path / "run")
    assert "made from other data, another setting or seed" in capsys.readouterr().out
    assert_same(replaced, end(tmp_path / "fresh"))


def test_damaged_state_is_told_and_replaced(data, tmp_path, capsys):
    expected = weights_after(data, HEAD, tmp_path)[0]
    state = tmp_path / training.STATE_FILE
    state.write_bytes(state.read_bytes()[:100])
    assert_same(weights_after(data, HEAD, tmp_path)[0], expected)
    assert "cannot be read" in capsys.readouterr().out


# --- files ------------------------------------------------------------------------------------


def test_saved_model_predicts_the_same(data, tmp_path):
    model = models.prognosis_model(HEAD, seed=1)
    training.save_model(model, tmp_path / "pre_model.keras")
    loaded = training.load_model(tmp_path / "pre_model.keras")
    np.testing.assert_array_equal(
        loaded.predict(data[0], verbose=0), model.predict(data[0], verbose=0)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["pre_model.keras"]
    with pytest.raises(FileNotFoundError, match="no model .*post_model"):
        training.load_model(tmp_path / "post_model.keras")


def test_saved_head_fits_its_own_backbone_only(tmp_path):
    model = models.prognosis_model(HEAD, seed=1)
    model.get_layer("risk").set_weights([np.full((77, 2), 0.5), np.array([1.0, 2.0])])
    training.save_head(tmp_path / "pre_head.npz", model)
    same = models.prognosis_model(HEAD, seed=1)
    assert training.load_head(tmp_path / "pre_head.npz", same) is same
    assert_same(same.get_weights(), model.get_weights())
    with pytest.raises(ValueError, match="features of another network"):
        training.load_head(tmp_path / "pre_head.npz", models.prognosis_model(HEAD, seed=2))


def test_model_of_a_study_or_the_reason_why_not(tmp_path):
    folder = make_study(tmp_path / "study")
    study = Study(folder)
    with pytest.raises(StudyError, match="post_head.npz is missing. Run notebook 04_train_post"):
        training.load_or_reference(study, "post", setting=HEAD)
    model = models.prognosis_model(HEAD, seed=3)
    with study.write_file("post_model.keras") as path:
        training.save_model(model, path)
    loaded = training.load_or_reference(study, "post", setting=HEAD)
    assert_same(loaded.get_weights(), model.get_weights())
    save(folder, "manifest", load(folder, "manifest").iloc[1:])
    with pytest.raises(StudyError, match="manifest.. Run notebook 04_train_post_model again"):
        training.load_or_reference(study, "post", setting=HEAD)


def test_a_study_without_outcomes_gets_the_shipped_model_and_is_told_so(tmp_path, monkeypatch):
    folder = make_study(tmp_path / "clinic")
    save(folder, "registry", load(folder, "registry").assign(last_review_date=""))
    study = Study(folder)
    with pytest.warns(UserWarning, match="clinic has no outcomes .* SYNTHETIC PATIENTS"):
        model = training.load_or_reference(study, "pre", setting=TUTORIAL)
    with np.load(Study.demonstration().reference_path("pre_head.npz")) as shipped:
        np.testing.assert_array_equal(model.get_layer("risk").get_weights()[0], shipped["kernel"])
    monkeypatch.setenv("NPC_SETTING", "paper")
    with pytest.raises(StudyError, match="ships no trained model for this setting"):
        training.load_or_reference(study, "pre", setting=TUTORIAL)
