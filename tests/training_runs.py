"""Small training runs for tests: a network of a few thousand weights and thirty images."""

import dataclasses
import functools
import tempfile

import numpy as np

from npc_helpers.network import features, models, training
from npc_helpers.study.settings import TUTORIAL

HEAD = dataclasses.replace(
    TUTORIAL, canvas=160, shrink=2, width=0.05, blocks=(1, 1, 1), weights="none", max_epochs=6
)
ALL = dataclasses.replace(HEAD, trainable="all", batch_size=8, learning_rate=1e-4)
CACHE = tempfile.TemporaryDirectory()
SETTINGS = {"HEAD": HEAD, "ALL": ALL}


def two_groups():
    """Thirty images; the high-risk ones have a bright square."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (30, 80, 80, 1)).astype(np.uint8)
    high_risk = np.arange(30) % 3 == 0
    images[high_risk, 20:60, 20:60] += 180
    return images, high_risk


@functools.cache
def _model(setting, seed):
    return models.prognosis_model(setting, seed=seed)


def start_model(setting, seed=1):
    """Return the model before training, built once: a run leaves it as it is."""
    built = {name: getattr(setting, name) for name in ("l2", "dropout", "precision", "trainable")}
    return _model(dataclasses.replace(HEAD, **built), seed)


def inputs_of(model, images):
    """What the trainable part learns from, computed once for each model and set of images."""
    return features.training_inputs(model, images, cache=CACHE.name, progress=False)


def run(data, setting, run_dir, *, seed=1, start=1, **options):
    """Train on images, or on their features where only the last layer learns."""
    model, (inputs, high_risk) = start_model(setting, start), data
    if inputs.ndim > 2:
        inputs = inputs_of(model, inputs)
    return training.train(
        model, inputs, high_risk, setting=setting, seed=seed, run_dir=run_dir, progress=False,
        **options,
    )  # fmt: skip


def weights_after(data, setting, run_dir, **options):
    learner, history = run(data, setting, run_dir, **options)
    return learner.get_weights(), history
