"""The training run in one call: the paper's rules for learning and for stopping."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from npc_helpers.network.batches import Batches, vary
from npc_helpers.network.features import answers
from npc_helpers.network.models import HIGH_RISK, trainable_part
from npc_helpers.network.resume import Resume
from npc_helpers.study.settings import Setting

# JAX without XLA goes operation by operation. TensorFlow on a processor is slower with it, to
# compile (33 for 15 s) and to step; PyTorch has none.
WITH_XLA = keras.backend.backend() == "jax"
MODES = {"accuracy": "max", "loss": "min"}  # what can be watched, and which way it gets better


def adam(setting: Setting, *, steps: int) -> keras.optimizers.Optimizer:
    """Return Adam with the rates of a setting.

    Adam divides the step of every weight by the size of its recent gradients (Kingma and Ba
    2015). With ``setting.schedule == "cosine"`` the rate rises for a tenth of the steps and falls
    to zero along a cosine, the weights decay (AdamW, Loshchilov and Hutter 2019), and no gradient
    is longer than five: a network that is trained whole in a few hundred steps needs large ones
    at first and quiet ones at the end.

    Parameters
    ----------
    steps : int
        Batches of the whole run: those of an epoch times the epochs.

    Raises
    ------
    ValueError
        If there is no such schedule.
    """
    if setting.schedule == "constant":
        return keras.optimizers.Adam(
            setting.learning_rate, gradient_accumulation_steps=setting.accumulate
        )
    if setting.schedule != "cosine":
        raise ValueError(f"setting.schedule is {setting.schedule!r}; 'constant' or 'cosine'")
    steps //= setting.accumulate or 1
    warm = max(1, steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        setting.learning_rate / 10,
        max(1, steps - warm),
        warmup_target=setting.learning_rate,
        warmup_steps=warm,
    )
    return keras.optimizers.AdamW(
        rate,
        weight_decay=setting.weight_decay,
        clipnorm=5.0,
        gradient_accumulation_steps=setting.accumulate,
    )


def batches_of(
    inputs: np.ndarray, high_risk, *, setting: Setting, seed: int, rows=None, patients=None
) -> Batches:
    """Return the batches of a run as the setting wants them; parameters as `train`."""
    return Batches(
        inputs,
        high_risk,
        rows=rows,
        batch_size=setting.images_at_a_time,
        seed=seed,
        patients=patients,
        per_patient=setting.images_per_patient,
        variation=vary if setting.vary_images and inputs.ndim == 4 else None,
    )


def train(
    model: keras.Model,
    inputs: np.ndarray,
    high_risk,
    *,
    setting: Setting,
    seed: int,
    run_dir: str | Path,
    rows=None,
    patients=None,
    progress: bool = True,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train with Adam until the accuracy on the training images has stopped improving.

    With a cosine schedule a run of more epochs is another run from its first step on; with a
    constant rate it is a longer one, and can be taken up.

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
    seed : int
        Decides the order of images and what dropout drops, together with the epoch.
    run_dir : path-like
        Folder of this run, see `Resume`.
    rows : ndarray of bool, shape (n,), optional
        The images to train on; all by default.
    patients : array-like, shape (n,), optional
        Whose image each is; needed with ``setting.images_per_patient``.

    Returns
    -------
    learner : keras.Model
        The trained part.
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
    batches = batches_of(
        inputs, high_risk, setting=setting, seed=seed, rows=rows, patients=patients
    )
    learner = compiled(trainable_part(model), setting, steps=setting.max_epochs * len(batches))
    return learner, history_table(
        fit(learner, batches, setting=setting, run_dir=run_dir, progress=progress)
    )


def compiled(learner: keras.Model, setting: Setting, *, steps: int) -> keras.Model:
    """Give a trainable part its optimizer (see `adam`), its loss and its measures; return it."""
    if setting.monitor not in MODES:
        raise ValueError(
            f"setting.monitor is {setting.monitor!r}; training measures {' and '.join(MODES)}"
        )
    learner.compile(
        optimizer=adam(setting, steps=steps),
        loss="sparse_categorical_crossentropy",
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],  # by name: traced twice
        jit_compile=WITH_XLA,
    )
    return learner


def start_of(learner: keras.Model) -> Callable[[], keras.Model]:
    """Return what sets a compiled learner back to its present state, the optimizer's included.

    Building and compiling take as long as half a training run, so a network that is trained again
    and again is built once.
    """
    learner.optimizer.build(learner.trainable_variables)
    variables = [*learner.weights, *learner.optimizer.variables]
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]

    def set_back() -> keras.Model:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return learner

    return set_back


def fit(
    learner: keras.Model,
    batches: Batches,
    *,
    setting: Setting,
    run_dir: str | Path,
    progress: bool = True,
) -> keras.callbacks.History:
    """Train a compiled learner to its end by the rules of `train`, resumed where it was left."""
    if batches.data.shape[1:] != learner.input.shape[1:]:
        raise ValueError(
            f"the trainable part of this model takes inputs of shape {learner.input.shape[1:]}, "
            f"and these have {batches.data.shape[1:]}. Make them with features.training_inputs."
        )
    stopping = keras.callbacks.EarlyStopping(
        monitor=setting.monitor, mode=MODES[setting.monitor], patience=setting.patience
    )
    resume = Resume(run_dir, batches, stopping, progress=progress)
    rules = {"epochs": setting.max_epochs, "shuffle": False, "verbose": 0}
    return learner.fit(batches, **rules, callbacks=[stopping, resume])


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

    Returns
    -------
    ndarray of float32, shape (n,)
        ``p_high_risk``.
    """
    desc = "predictions" if progress else None
    return answers(learner, inputs, batch_size=batch_size, desc=desc)[:, HIGH_RISK]
