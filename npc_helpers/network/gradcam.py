"""Grad-CAM on a network that ends in global average pooling and one dense layer.

On this architecture Grad-CAM (Selvaraju 2017), CAM (Zhou 2016) and HiResCAM are one closed
form: with A the activations of the last convolution (``conv_7b_ac``, h x w cells of C channels)
and W the weights of the dense layer, the map of class c is ``A @ W[:, c] / (h * w)``, and its
sum plus the bias is the class score: no gradient needs to be taken. `finer_map` takes one, at an
earlier layer with more cells, where the shares no longer add up exactly.

Arrays: activations (n, h, w, C); maps (n, h, w), signed, on the cells of the last convolution.
Class order: that of `models.CLASSES`.
"""

import keras
import numpy as np

from npc_helpers.network.features import answers
from npc_helpers.network.gradcam_scores import TARGETS
from npc_helpers.network.map_geometry import Geometry as Geometry
from npc_helpers.network.models import (
    HEAD,
    HIGH_RISK,
    LAST_CONVOLUTION,
    POOL,
    end_of_block17,
    up_to,
)


def activations(model, images) -> np.ndarray:
    """Return what the last convolution answers to each image.

    Parameters
    ----------
    model : keras.Model
        As `models.prognosis_model` builds it (a flat functional model).
    images : array (n, S, S, 1)
        Pixel values 0 to 255.

    Returns
    -------
    float32 array (n, h, w, C)
    """
    return answers(up_to(model, LAST_CONVOLUTION), images)


def head(model) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (C, 2) and the bias (2,) of the two-neuron layer."""
    weights, bias = model.get_layer(HEAD).get_weights()
    return weights, bias


def class_map(
    activations: np.ndarray,
    weights: np.ndarray,
    *,
    target: str = "margin",
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """Return the Grad-CAM map of each image, in units of the score it explains.

    Parameters
    ----------
    activations : array (n, h, w, C)
    weights : array (C, 2)
        Of the dense layer, see `head`.
    target : {"margin", "logit", "softmax"}
        ``margin``: what speaks for high *and* against low risk; the cells and the difference of
        the biases add up to the log-odds of high risk. ``logit``: the high-risk neuron alone,
        as in most papers; it contains the sum of both neurons' weights, which training never
        touches. ``softmax``: the probability of high risk; the margin map times p(1 - p), hence
        blank where the network is sure.
    bias : array (2,), optional
        Needed for ``softmax`` only.

    Returns
    -------
    array (n, h, w)

    Raises
    ------
    ValueError
        For an unknown target, shapes that do not fit, or ``softmax`` without the bias.
    """
    weights = np.asarray(weights)
    if target not in TARGETS:
        raise ValueError(f"target is {target!r}; choose one of {', '.join(TARGETS)}.")
    if activations.ndim != 4 or weights.shape != (activations.shape[-1], 2):
        raise ValueError(
            f"activations {activations.shape} and weights {weights.shape} do not fit; expected "
            "(n, h, w, C) and (C, 2), as `activations` and `head` of one model return them."
        )
    direction = weights[:, HIGH_RISK] if target == "logit" else _margin(weights)
    maps = activations @ direction / (activations.shape[1] * activations.shape[2])
    if target == "softmax":
        if bias is None:
            raise ValueError("target 'softmax' depends on the probability: give bias as well.")
        margin = maps.sum(axis=(1, 2)) + _margin(bias)
        half = np.exp(-np.abs(margin) / 2)  # p(1 - p) without overflow
        maps = maps * (half / (1 + half**2))[:, None, None] ** 2
    return maps


def log_odds(model, images) -> np.ndarray:
    """Return the log-odds of high risk of each image (n,): log p / (1 - p), without saturation."""
    weights, bias = head(model)
    pooled = answers(up_to(model, POOL), images)
    return pooled @ _margin(weights) + _margin(bias)


def _margin(of_class: np.ndarray) -> np.ndarray:
    """What the head has for high risk minus what it has for low risk; classes come last."""
    return of_class[..., HIGH_RISK] - of_class[..., 1 - HIGH_RISK]


def finer_map(model, images, *, layer: str | None = None, batch_size: int = 16) -> np.ndarray:
    """Return HiResCAM maps of the margin at an earlier layer, where the cells are smaller.

    Each cell of the layer gets the sum over its channels of activation times gradient of the
    log-odds (Draelos and Carin 2020). At the last convolution this is `class_map`, and the cells
    add up to the score. Below it lie layers that are not linear and add constants: there the map
    says what a *small* change of a cell would do, times the cell, and the sum is no score.

    Parameters
    ----------
    model : keras.Model
        As `models.prognosis_model` builds it.
    images : array (n, S, S, 1)
    layer : str, optional
        The end of ``block17`` by default (14 x 14 cells at 256 pixels).

    Returns
    -------
    float32 array (n, h, w)
    """
    layer = layer or end_of_block17(model)
    batch_size = min(batch_size, len(images))
    shifted, offset = _with_offset(model, layer, batch_size)
    lower, nothing = up_to(model, layer), np.zeros(batch_size, dtype=np.float32)
    maps = []
    for start in range(0, len(images), batch_size):
        values = answers(lower, images[start : start + batch_size], batch_size=batch_size)
        full = np.resize(values, (batch_size, *values.shape[1:]))  # the last batch, repeated
        offset.assign(np.zeros(full.shape, dtype=np.float32))
        shifted.train_on_batch(full, nothing)
        gradient = batch_size * keras.ops.convert_to_numpy(offset)[: len(values)]
        maps.append((gradient * values).sum(axis=-1))
    return np.concatenate(maps)


def _with_offset(model, layer: str, batch_size: int):
    """Return the network behind a layer, and what is added to its input, to be read as a gradient.

    One step of plain descent at rate 1 from an offset of zero *is* minus the gradient of the loss;
    with the mean of minus the log-odds as loss, it is their gradient over the batch size. So any
    backend of Keras computes it, and none has to be named.
    """
    behind = keras.Model(model.get_layer(layer).output, model.get_layer(POOL).output)
    copy = keras.models.clone_model(behind)
    copy.set_weights(behind.get_weights())
    copy.trainable = False
    add = _Offset(name="offset")
    cells = keras.Input(batch_shape=(batch_size, *behind.input.shape[1:]), name="cells")
    margin = keras.layers.Dense(1, use_bias=False, trainable=False, name="margin")
    shifted = keras.Model(cells, margin(copy(add(cells))))
    margin.set_weights([_margin(head(model)[0])[:, None]])
    shifted.compile(keras.optimizers.SGD(1.0), loss=lambda _, score: -score[:, 0])
    return shifted, add.offset


class _Offset(keras.layers.Layer):
    """Adds a weight of the shape of its input."""

    def build(self, shape) -> None:
        self.offset = self.add_weight(shape=shape, initializer="zeros", name="offset")

    def call(self, x):
        return x + self.offset
