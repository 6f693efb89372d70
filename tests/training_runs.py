"""Small training runs for tests: a network of a few thousand weights and thirty images."""

import dataclasses
import functools

import numpy as np

from npc_helpers.network import features, models, training
from npc_helpers.study.settings import PAPER, TUTORIAL

SMALL = {"canvas": 160, "shrink": 2, "width": 0.05, "blocks": (1, 1, 1), "weights": "none"}
HEAD = dataclasses.replace(
    PAPER, **SMALL, trainable="head", learning_rate=1e-3, l2=1e-3, max_epochs=6
)
ALL = dataclasses.replace(HEAD, trainable="all", batch_size=8, learning_rate=1e-4)
WHOLE = dataclasses.replace(  # as the tutorial trains
    TUTORIAL, **SMALL, middle=(78, 76), batch_size=8, images_per_patient=2, max_epochs=4
)
SETTINGS = {"HEAD": HEAD, "ALL": ALL, "WHOLE": WHOLE}
PATIENTS = np.array([f"P{number % 6}" for number in range(30)])  # of one risk group each


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
    built = (
        "l2", "dropout", "precision", "trainable", "middle", "train_normalisation"
    )  # fmt: skip
    values = {name: getattr(setting, name) for name in built}
    return _model(dataclasses.replace(HEAD, **values), seed)


_inputs = {}


def inputs_of(model, images):
    """What the trainable part learns from, computed once for each model and set of images."""
    key = (features.model_identity(models.backbone_of(model)), images.tobytes())
    if key not in _inputs:
        _inputs[key] = features.training_inputs(model, images, progress=False)
    return _inputs[key]


def run(data, setting, run_dir, *, seed=1, start=1, **options):
    """Train on images, or on their features where only the last layer learns."""
    if setting.images_per_patient:
        options.setdefault("patients", PATIENTS)
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
