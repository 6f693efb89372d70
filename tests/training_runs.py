"""Small training runs for tests: a network of a few thousand weights and thirty images.

What is asked of a run (that it repeats, stops, resumes) does not depend on the architecture:
`small_network` stands in for Inception-ResNet-V2, which takes a hundred times as long to trace.
Tests marked slow ask the same of the real one.
"""

import dataclasses
import functools

import keras
import numpy as np
import pytest
from keras import layers

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


REAL_NETWORK = models.inception_resnet_v2


def small_network(input_size, *, width, blocks, weights, middle=None, channels=1, seed=0):
    """Two convolutions with their normalisation, called as those of the real network are."""
    pixels = keras.Input((input_size, input_size, channels), name="pixels")
    x = layers.Rescaling(1 / 127.5, -1, name="pixels_scaled")(pixels)
    if middle:
        borders = [(input_size - side) // 2 for side in middle]
        x = layers.Cropping2D(borders, name="pixels_middle")(x)
    for k, (name, filters, kernel, step) in enumerate([("stem_1", 8, 9, 9), ("conv_7b", 77, 2, 1)]):
        start = keras.initializers.HeNormal(seed=10 * seed + k)
        options = {"strides": step, "use_bias": False, "kernel_initializer": start, "name": name}
        x = layers.Conv2D(filters, kernel, **options)(x)
        x = layers.BatchNormalization(momentum=0.9, scale=False, name=f"{name}_bn")(x)
        x = layers.Activation("relu", name=f"{name}_ac")(x)
    return keras.Model(pixels, x, name="inception_resnet_v2")


@pytest.fixture
def with_small_network(monkeypatch):
    """Let prognosis models be built on the small network; `use_real_network` takes it back."""
    monkeypatch.setattr(models, "inception_resnet_v2", small_network)


def use_real_network(monkeypatch):
    monkeypatch.setattr(models, "inception_resnet_v2", REAL_NETWORK)


@functools.cache
def _model(network, setting, seed):
    return models.prognosis_model(setting, seed=seed)


def start_model(setting, seed=1):
    """Return the model before training, built once: a run leaves it as it is."""
    built = (
        "l2", "dropout", "precision", "trainable", "middle", "train_normalisation"
    )  # fmt: skip
    values = {name: getattr(setting, name) for name in built}
    return _model(models.inception_resnet_v2, dataclasses.replace(HEAD, **values), seed)


_inputs = {}


def inputs_of(model, images):
    """What the trainable part learns from, computed once for each model and set of images."""
    key = (features.model_identity(models.backbone_of(model)), images.tobytes())
    if key not in _inputs:
        frozen = models.frozen_part(model)
        _inputs[key] = images if frozen is None else features.extract_features(frozen, images)
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
