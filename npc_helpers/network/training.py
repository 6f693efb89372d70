"""The training run: frozen features, the paper's stopping rule, resuming, prediction.

A run keeps one small file, ``state.npz``, in its folder: rewritten whole after every epoch, it
holds all that the next epoch depends on. Shuffling and dropout are seeded by seed and epoch.
Killed at any moment, a run therefore goes on from its last finished epoch and ends with the same
weights as if nothing had happened.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from npc_helpers.network.models import prognosis_model
from npc_helpers.statistics.gate import checked, flags
from npc_helpers.study import Study
from npc_helpers.study.artefacts import StudyError, atomic_path
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.settings import Setting

STATE_FILE = "state.npz"
HEAD = "risk"
BETTER = {"accuracy": 1, "loss": -1}  # what can be monitored, and the sign of an improvement


# --- features and predictions -----------------------------------------------------------------


def extract_features(
    model: keras.Model, images: np.ndarray, *, batch_size: int = 32, progress: bool = True
) -> np.ndarray:
    """Run images through the network up to the mean of each feature map.

    Parameters
    ----------
    model : keras.Model
        As `npc_helpers.network.models.prognosis_model` builds it.
    images : ndarray, shape (n, S, S, 1)
        Pixel values 0..255; a memory map is read batch by batch. Memory beyond the images is that
        of one batch (at 256 x 256 and quarter width about 0.3 GiB for 32 images).
    batch_size : int
    progress : bool
        Show a bar where somebody watches.

    Returns
    -------
    ndarray of float32, shape (n, C)
    """
    pooled = keras.Model(model.input, model.get_layer("pool").output)
    features = np.empty((len(images), pooled.output.shape[-1]), dtype=np.float32)
    what = {"desc": "features", "unit": "batch", "leave": False}
    for start in progress_bar(range(0, len(images), batch_size), shown=progress, **what):
        batch = np.asarray(images[start : start + batch_size])
        features[start : start + batch_size] = pooled.predict_on_batch(batch)
    return features


def training_data(model: keras.Model, images: np.ndarray, *, setting: Setting) -> np.ndarray:
    """Return what `train` and `predict` need of the images in this setting.

    Where only the last layer learns, an image always turns into the same features: they are
    computed once. Where the whole network learns, these are the images themselves.

    Parameters
    ----------
    model : keras.Model
    images : ndarray of uint8, shape (n, S, S, 1)
    setting : Setting

    Returns
    -------
    ndarray
        Features, shape (n, C), or the images.
    """
    if setting.trainable == "head":
        return extract_features(model, images, batch_size=setting.batch_size)
    return images


def predict(model: keras.Model, data: np.ndarray, *, progress: bool = True) -> np.ndarray:
    """Return the probability of high risk of each image.

    Parameters
    ----------
    model : keras.Model
    data : ndarray
        Images (n, S, S, 1) or their features (n, C).
    progress : bool

    Returns
    -------
    ndarray of float32, shape (n,)
        ``p_high_risk``; dropout is off.
    """
    features = data if data.ndim == 2 else extract_features(model, data, progress=progress)
    kernel, bias = model.get_layer(HEAD).get_weights()
    logits = features @ kernel + bias
    return 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))  # softmax over two classes


# --- the run ----------------------------------------------------------------------------------


def train(
    model: keras.Model,
    data: np.ndarray,
    high_risk: np.ndarray,
    *,
    setting: Setting,
    seed: int,
    run_dir: str | Path,
    progress: bool = True,
) -> pd.DataFrame:
    """Train with Adam until the accuracy on the training images has stopped improving.

    The run ends when ``setting.monitor`` has not improved for ``setting.patience`` epochs, or
    after ``setting.max_epochs``, and keeps the weights of its **last** epoch: the paper describes
    no return to an earlier one, and the accuracy of training images would be a poor reason.

    Parameters
    ----------
    model : keras.Model
        From `models.prognosis_model` with the same setting; trained in place. With
        ``setting.trainable == "head"`` it is left alone until the run has ended.
    data : ndarray
        Training images, uint8 (n, S, S, 1), or, if only the last layer learns, their features
        (n, C): see `training_data`.
    high_risk : ndarray of bool, shape (n,)
        Label of each image: that of its patient.
    setting : Setting
    seed : int
        Decides the order of images and what dropout drops, together with the epoch.
    run_dir : path-like
        Folder of this run. A run in it with the same data, setting and seed is resumed, or, if it
        had ended, read back; one made from anything else is replaced, which is said.
    progress : bool

    Returns
    -------
    DataFrame
        One row per epoch: ``epoch`` (from 1), ``loss`` (with the L2 term) and ``accuracy``, both
        means over the images of the epoch, each measured with dropout on before its own step.

    Raises
    ------
    ValueError
        If there is one class only, lengths differ, the monitor is no measure of this training, or
        features are given although the whole network is trained.

    References
    ----------
    Li et al. 2022, section 2.4.
    """
    if setting.monitor not in BETTER:
        raise ValueError(
            f"setting.monitor is {setting.monitor!r}; training measures {' and '.join(BETTER)}"
        )
    head_only = setting.trainable == "head"
    if data.ndim == 2 and not head_only:
        raise ValueError("features are of use only if setting.trainable is 'head': give the images")
    labels = _check_labels(high_risk, data)
    if head_only and data.ndim > 2:
        data = extract_features(model, data, progress=progress)
    network = _separate_head(model) if head_only else model
    network.compile(
        optimizer=keras.optimizers.Adam(setting.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    run = _Run(network, run_dir, made_from=_fingerprint(model, data, labels, setting, seed))
    run.start()
    _fit(run, data, labels, setting=setting, seed=seed, progress=progress)
    if head_only:
        model.get_layer(HEAD).set_weights(network.get_layer(HEAD).get_weights())
    return pd.DataFrame(run.history, columns=["epoch", "loss", "accuracy"])


def _check_labels(high_risk, data) -> np.ndarray:
    labels = checked(high_risk=flags(high_risk))[0].astype(np.int32)
    if labels.shape != (len(data),):
        raise ValueError(f"{len(data)} images but labels of shape {labels.shape}; one each, please")
    n_high = int(labels.sum())
    if n_high in (0, len(labels)):
        raise ValueError(
            f"all {len(labels)} training images belong to one class ({n_high} high risk, "
            f"{len(labels) - n_high} low risk); two risk groups are needed. "
            "Look at high_risk and split in the cohort table."
        )
    return labels


def _separate_head(model: keras.Model) -> keras.Model:
    """Return copies of the dropout and the last layer as a model of their own."""
    features = keras.Input(model.get_layer("pool").output.shape[1:], name="features")
    x = features
    for name in ("dropout", HEAD):
        layer = model.get_layer(name)
        x = type(layer).from_config(layer.get_config())(x)
    head = keras.Model(features, x, name="head")
    head.get_layer(HEAD).set_weights(model.get_layer(HEAD).get_weights())
    return head


def _fit(run: _Run, data, labels, *, setting: Setting, seed: int, progress: bool) -> None:
    """Train epoch by epoch from where the run stands; the state is saved after each."""
    what = {"total": setting.max_epochs, "initial": run.epoch, "desc": "epochs", "leave": False}
    with progress_bar(shown=progress, **what) as bar:
        while run.epoch < setting.max_epochs and not _has_stopped(run.history, setting):
            logs = _one_epoch(run.network, data, labels, run.epoch + 1, setting, seed, progress)
            run.finish_epoch(logs)
            bar.set_postfix(loss=f"{logs['loss']:.3f}", accuracy=f"{logs['accuracy']:.3f}")
            bar.update()


def _one_epoch(network, data, labels, epoch, setting, seed, progress) -> dict[str, float]:
    """Every image once, in an order that seed and epoch decide."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(labels))
    for layer in network.layers:  # the state of Keras' generator is (seed, number of the draw)
        if hasattr(layer, "seed_generator"):
            layer.seed_generator.state.assign([int(rng.integers(2**31)), 0])
    total = dict.fromkeys(BETTER, 0.0)
    starts = range(0, len(order), setting.batch_size)
    slow = data.ndim > 2  # whole images: an epoch is worth a bar of its own
    what = {"desc": f"epoch {epoch}", "unit": "batch", "leave": False}
    for start in progress_bar(starts, shown=progress and slow, **what):
        batch = order[start : start + setting.batch_size]
        logs = network.train_on_batch(data[batch], labels[batch], return_dict=True)
        for name in total:  # Keras forgets its running means with every call
            total[name] += len(batch) * float(logs[name])
    return {name: value / len(order) for name, value in total.items()}


def _has_stopped(history: list[dict], setting: Setting) -> bool:
    """Tell whether the best epoch lies ``patience`` epochs back (Keras' rule of EarlyStopping)."""
    if not history:
        return False
    values = [BETTER[setting.monitor] * row[setting.monitor] for row in history]
    return len(values) - 1 - int(np.argmax(values)) >= setting.patience


# --- the state of a run -----------------------------------------------------------------------


class _Run:
    """Network, optimizer and history of one run, kept in its folder after each epoch."""

    def __init__(self, network: keras.Model, run_dir: str | Path, *, made_from: str) -> None:
        self.network, self.made_from = network, made_from
        self.path = Path(run_dir) / STATE_FILE
        self.history: list[dict[str, float]] = []
        network.optimizer.build(network.trainable_variables)

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    def start(self) -> None:
        """Take up the saved run, or save the start values of a new one."""
        for left_over in self.path.parent.glob(f".part-*-{STATE_FILE}"):  # killed while writing
            left_over.unlink()
        if not self.path.exists() or not self._load():
            self._save()

    def finish_epoch(self, logs: dict[str, float]) -> None:
        self.history.append({"epoch": self.epoch + 1, **logs})
        self._save()

    def _variables(self) -> list[keras.Variable]:
        return [*self.network.trainable_variables, *self.network.optimizer.variables]

    def _save(self) -> None:
        note = json.dumps({"made_from": self.made_from, "history": self.history})
        values = [keras.ops.convert_to_numpy(v) for v in self._variables()]
        with atomic_path(self.path) as temporary:
            np.savez(temporary, *values, note=np.array(note))

    def _load(self) -> bool:
        """Read the state back; False if it was made from something else or is no state."""
        try:
            with np.load(self.path, allow_pickle=False) as saved:
                note = json.loads(str(saved["note"]))
                values = [saved[f"arr_{i}"] for i in range(len(saved.files) - 1)]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            print(f"{self.path} cannot be read ({error}): training starts afresh.")
            return False
        if note["made_from"] != self.made_from:
            print(
                f"The run in {self.path.parent.name}/ was made from other data, another setting "
                "or seed: training starts afresh."
            )
            return False
        for variable, value in zip(self._variables(), values, strict=True):
            variable.assign(value)
        self.history = note["history"]
        return True


def _fingerprint(model, data, labels, setting: Setting, seed: int) -> str:
    """Hash of all that decides the end of a run; the model's name tells its start values."""
    facts = {**dataclasses.asdict(setting), "seed": seed, "model": model.name, "shape": data.shape}
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    total.update(labels.tobytes())
    for start in range(0, len(data), 256):  # in pieces: the images may be a memory map
        total.update(np.ascontiguousarray(data[start : start + 256]))
    return total.hexdigest()


# --- files ------------------------------------------------------------------------------------


def save_model(model: keras.Model, path: str | Path) -> None:
    """Write the whole model, from pixel values to probabilities, as a ``.keras`` file."""
    with atomic_path(path) as temporary:
        keras.Model(model.input, model.output, name=model.name).save(temporary)


def load_model(path: str | Path) -> keras.Model:
    """Read a model that `save_model` wrote.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no model {path}; train it and save it with save_model")
    return keras.models.load_model(path, compile=False)


def save_head(path: str | Path, model: keras.Model) -> None:
    """Write the two-neuron layer only (a few kB), with the hash of the backbone it belongs to."""
    kernel, bias = model.get_layer(HEAD).get_weights()
    with atomic_path(path) as temporary:
        np.savez(temporary, kernel=kernel, bias=bias, backbone=np.array(_backbone_hash(model)))


def load_head(path: str | Path, model: keras.Model) -> keras.Model:
    """Put a saved two-neuron layer into a model with the same backbone, in place; return it.

    Raises
    ------
    ValueError
        If the layer was trained on another backbone.
    """
    with np.load(path, allow_pickle=False) as saved:
        if str(saved["backbone"]) != _backbone_hash(model):
            raise ValueError(
                f"{Path(path).name} was trained on the features of another network than "
                f"{model.name}. Train it again."
            )
        model.get_layer(HEAD).set_weights([saved["kernel"], saved["bias"]])
    return model


def _backbone_hash(model: keras.Model) -> str:
    total = hashlib.sha256()
    for layer in model.layers:
        if layer.name != HEAD:
            for value in layer.get_weights():
                total.update(np.ascontiguousarray(value))
    return total.hexdigest()


def load_or_reference(study, timepoint: str, *, setting: Setting) -> keras.Model:
    """Return the trained model of a study, or the reference one that ships with the suite.

    A study without outcomes has no model of its own: it gets that of the demonstration study.

    Parameters
    ----------
    study : npc_helpers.study.Study
    timepoint : {"pre", "post"}
    setting : Setting
        Architecture of the reference model, of which only the last layer is kept
        (``<timepoint>_head.npz``).

    Raises
    ------
    StudyError
        If the model is stale, or missing and there is no reference.

    Warns
    -----
    UserWarning
        If the reference is used.
    """
    name = f"{timepoint}_model.keras"
    if study.artefact_state(name) != "missing":
        return load_model(study.find_result(name))
    return load_head(_head_file(study, timepoint), prognosis_model(setting, seed=0))


def _head_file(study: Study, timepoint: str) -> Path:
    """Return the last layer to use where no model was trained."""
    name = f"{timepoint}_head.npz"
    if study.has_outcomes:
        return study.find_result(name)
    warnings.warn(
        f"{study.name} has no outcomes to train on: USING THE MODEL OF THE DEMONSTRATION STUDY, "
        "TRAINED ON SYNTHETIC PATIENTS. It shows how maps look, and says nothing about anybody.",
        stacklevel=3,
    )
    path = Study.demonstration().reference_path(name)
    if not path.exists():
        raise StudyError(
            "The suite ships no trained model for this setting. Set NPC_SETTING=tutorial to use "
            "the one of the demonstration study."
        )
    return path
