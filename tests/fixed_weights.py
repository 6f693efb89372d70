"""A small network with the same weights and images under every backend and library."""

import dataclasses

import numpy as np

from npc_helpers.study.settings import PAPER

SETTING = dataclasses.replace(
    PAPER, canvas=288, shrink=2, width=0.05, blocks=(1, 1, 1), weights="none", dropout=0.0
)


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def random_values(model, seed=0):
    """Weights of every layer, normalisations included, that leave signals of order one."""
    rng = np.random.default_rng(seed)
    values = []
    for weight in model.weights:
        fan_in = np.prod(weight.shape[:-1])
        if weight.path.endswith("moving_variance"):
            values.append(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith("kernel"):
            values.append(rng.normal(0, np.sqrt(2 / fan_in), weight.shape))
        else:
            values.append(rng.normal(0, 0.1, weight.shape))
    return [value.astype(np.float32) for value in values]


def network(**changes):
    """Return the prognosis model with those weights."""
    from npc_helpers.network.models import prognosis_model

    model = prognosis_model(dataclasses.replace(SETTING, **changes), seed=1)
    model.set_weights(random_values(model))
    return model
