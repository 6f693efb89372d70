"""The training run in one call: the paper's rules for learning and for stopping."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from npc_helpers.network.batches import Batches
from npc_helpers.network.models import HIGH_RISK, trainable_part
from npc_helpers.network.resume import Resume
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.settings import Setting

__all__ = ["Batches", "Resume", "history_table", "predict", "train"]

MODES = {"accuracy": "max", "loss": "min"}  # what can be watched, and which way it gets better


def train(
    model: keras.Model,
    inputs: np.ndarray,
    high_risk,
    *,
    setting: Setting,
    seed: int,
    run_dir: str | Path,
    rows=None,
    progress: bool = True,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train with Adam until the accuracy on the training images has stopped improving.

    The run ends when ``setting.monitor`` has not improved for ``setting.patience`` epochs, or
    after ``setting.max_epochs``, and keeps the weights of its **last** epoch: the paper describes
    no return to an earlier one, and the accuracy of training images would be a poor reason.

    Parameters
    ----------
    model : keras.Model
        From `models.prognosis_model` with the same setting. It is left as it is.
    inputs : ndarray
        What the trainable part learns from, see `features.training_inputs`.
    high_risk : ndarray of bool, shape (n,)
        Label of each image: that of its patient.
    setting : Setting
    seed : int
        Decides the order of images and what dropout drops, together with the epoch.
    run_dir : path-like
        Folder of this run, see `Resume`.
    rows : ndarray of bool, shape (n,), optional
        The images to train on; all by default.
    progress : bool

    Returns
    -------
    learner : keras.Model
        The trained part: `models.joined` puts it behind the backbone.
    history : DataFrame
        See `history_table`.

    Raises
    ------
    ValueError
        See `Batches`; also if the monitor is no measure of this training, or `inputs` is not
        what the trainable part takes.
    FloatingPointError
        See `Resume`.

    References
    ----------
    Li et al. 2022, section 2.4.
    """
    if setting.monitor not in MODES:
        raise ValueError(
            f"setting.monitor is {setting.monitor!r}; training measures {' and '.join(MODES)}"
        )
    size = setting.images_at_a_time
    batches = Batches(inputs, high_risk, rows=rows, batch_size=size, seed=seed)
    learner = trainable_part(model)
    if tuple(inputs.shape[1:]) != tuple(learner.input.shape[1:]):
        raise ValueError(
            f"the trainable part of this model takes inputs of shape {learner.input.shape[1:]}, "
            f"and these have {inputs.shape[1:]}. Make them with features.training_inputs."
        )
    learner.compile(
        optimizer=keras.optimizers.Adam(
            setting.learning_rate, gradient_accumulation_steps=setting.accumulate
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    stopping = keras.callbacks.EarlyStopping(
        monitor=setting.monitor, mode=MODES[setting.monitor], patience=setting.patience
    )
    record = learner.fit(
        batches,
        epochs=setting.max_epochs,
        shuffle=False,
        verbose=0,
        callbacks=[stopping, Resume(run_dir, batches, stopping, progress=progress)],
    )
    return learner, history_table(record)


def history_table(record: keras.callbacks.History) -> pd.DataFrame:
    """Return what `fit` measured, one row per epoch.

    Returns
    -------
    DataFrame
        ``epoch`` (from 1), and the measures of the run: ``loss`` (with the L2 term) and
        ``accuracy``, means over the images of the epoch, each measured with dropout on before
        the step that it led to.
    """
    names = sorted(record.history, key=lambda name: (name != "loss", name))
    table = pd.DataFrame(record.history, columns=names)
    table.insert(0, "epoch", np.arange(1, len(table) + 1))
    return table


def predict(
    learner: keras.Model, inputs: np.ndarray, *, batch_size: int = 32, progress: bool = True
) -> np.ndarray:
    """Return the probability of high risk of each image; dropout is off.

    Parameters
    ----------
    learner : keras.Model
        A whole model with images, or its trained part with what that learned from.
    inputs : ndarray, shape (n, ...)
        A memory map is read batch by batch.
    batch_size : int
    progress : bool

    Returns
    -------
    ndarray of float32, shape (n,)
        ``p_high_risk``.
    """
    what = {"desc": "predictions", "unit": "batch", "leave": False}
    p = np.empty(len(inputs), dtype=np.float32)
    for start in progress_bar(range(0, len(inputs), batch_size), shown=progress, **what):
        batch = np.asarray(inputs[start : start + batch_size])
        p[start : start + batch_size] = learner.predict_on_batch(batch)[:, HIGH_RISK]
    return p
