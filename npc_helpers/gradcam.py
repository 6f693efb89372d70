"""Grad-CAM on a network that ends in global average pooling and one dense layer.

On this architecture Grad-CAM (Selvaraju 2017), CAM (Zhou 2016) and HiResCAM are one closed
form: with A the activations of the last convolution (``conv_7b_ac``, h x w cells of C channels)
and W the weights of the dense layer, the map of class c is ``A @ W[:, c] / (h * w)``, and its
sum plus the bias is the class score. No gradient is taken anywhere in this module.

Arrays: activations (n, h, w, C); maps (n, h, w), signed, on the cells of the last convolution.
Class order: 0 low risk, 1 high risk.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

LAST_CONVOLUTION = "conv_7b_ac"
HEAD = "risk"
FIRST_CENTRE = 37  # network pixel under the centre of cell 0: the 'valid' stem eats the border
STRIDE = 32  # network pixels from one cell to the next
TARGETS = ("margin", "logit", "softmax")
SCALES = ("image", "patient", "cohort")

# --- maps -------------------------------------------------------------------------------------


def activations(model, images, *, batch_size: int = 32) -> np.ndarray:
    """Return what the last convolution answers to each image.

    Parameters
    ----------
    model : keras.Model
        As `models.prognosis_model` builds it (a flat functional model).
    images : array (n, S, S, 1)
        Pixel values 0 to 255.
    batch_size : int

    Returns
    -------
    float32 array (n, h, w, C)
    """
    import keras

    inner = keras.Model(model.inputs, model.get_layer(LAST_CONVOLUTION).output)
    return np.asarray(inner.predict(images, batch_size=batch_size, verbose=0), dtype=np.float32)


def head(model) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (C, 2) and the bias (2,) of the two-neuron layer."""
    weights, bias = model.get_layer(HEAD).get_weights()
    return weights, bias


def class_map(
    activations: np.ndarray,
    weights: np.ndarray,
    *,
    target: str = "margin",
    relu: bool = False,
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
    relu : bool
        Set what speaks against the target to zero, as Grad-CAM does for display.
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
    direction = weights[:, 1] if target == "logit" else weights[:, 1] - weights[:, 0]
    maps = activations @ direction / (activations.shape[1] * activations.shape[2])
    if target == "softmax":
        if bias is None:
            raise ValueError("target 'softmax' depends on the probability: give bias as well.")
        margin = maps.sum(axis=(1, 2)) + (bias[1] - bias[0])
        half = np.exp(-np.abs(margin) / 2)  # p(1 - p) without overflow
        maps = maps * (half / (1 + half**2))[:, None, None] ** 2
    return np.maximum(maps, 0) if relu else maps


def scaled(
    maps: np.ndarray, *, scale: str = "image", patient_id=None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring the positive part of signed maps to 0..1 for display.

    With a scale of its own every image shows a maximum, even where next to nothing was found;
    only maps on a common scale may be compared.

    Parameters
    ----------
    maps : array (n, h, w)
    scale : {"image", "patient", "cohort"}
        Whose largest value becomes 1.
    patient_id : sequence of n, optional
        Needed for ``patient``.

    Returns
    -------
    shares : array (n, h, w)
        0 (nothing, or evidence against) to 1.
    limit : array (n,)
        The value that became 1; 0 where nothing in the group is positive.
    evidence : bool array (n,)
        False: the map has no positive evidence, and is 0 everywhere.

    Raises
    ------
    ValueError
        For an unknown scale, or ``patient`` without `patient_id`.
    """
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}; choose one of {', '.join(SCALES)}.")
    if scale == "patient" and patient_id is None:
        raise ValueError("scale 'patient' needs patient_id, one per map.")
    highest = np.maximum(maps.max(axis=(1, 2), initial=0), 0)
    groups = {"image": np.arange(len(maps)), "patient": patient_id, "cohort": np.zeros(len(maps))}
    limit = pd.Series(highest).groupby(np.asarray(groups[scale])).transform("max").to_numpy()
    shares = np.clip(maps / np.where(limit > 0, limit, 1)[:, None, None], 0, 1)
    return shares, limit, highest > 0


# --- from cells to pixels ---------------------------------------------------------------------


def cell_centres(n: int) -> np.ndarray:
    """Return the network pixel under the centre of each of `n` cells along one axis.

    Follows from kernel sizes and strides: 37, 69, 101, ... Stretching the grid to the corners
    of the image instead, as plain resizing does, shifts a map by up to 40 pixels at 512.
    """
    return FIRST_CENTRE + STRIDE * np.arange(n)


def align(maps: np.ndarray, size: int) -> np.ndarray:
    """Interpolate maps to network pixels, every cell at the centre of its receptive field.

    Parameters
    ----------
    maps : array (n, h, w) or (h, w)
    size : int
        Side of the network's input; beyond the outermost centres the value is held.

    Returns
    -------
    array (n, size, size) or (size, size)
    """
    return _at(maps, np.arange(size))


def to_canvas(maps: np.ndarray, *, setting) -> np.ndarray:
    """Interpolate maps to the pixels of the zero-padded canvas, before it was shrunk.

    Returns
    -------
    array (n, canvas, canvas) or (canvas, canvas)
        One canvas pixel is one pixel of the original image.
    """
    return _at(maps, (np.arange(setting.canvas) + 0.5) / setting.shrink - 0.5)


def _at(maps: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Interpolate maps linearly at network coordinates `pixels` of both axes."""
    rows, columns = (_interpolation(n, pixels) for n in maps.shape[-2:])
    return rows @ maps @ columns.T


def _interpolation(n: int, pixels: np.ndarray) -> np.ndarray:
    """Matrix (pixels, n) that interpolates between cell centres; each row sums to one."""
    cells = np.clip((pixels - FIRST_CENTRE) / STRIDE, 0, n - 1)
    return np.maximum(1 - np.abs(cells[:, None] - np.arange(n)), 0).astype(np.float32)


def to_image(map_: np.ndarray, row, shape: tuple[int, int] = (512, 512), *, setting) -> np.ndarray:
    """Put the map of one image back onto the pixels of the original MR image.

    Undoes shrinking, padding and cropping. Outside the region of interest the result is NaN:
    the network never saw those pixels.

    Parameters
    ----------
    map_ : array (h, w)
        One of `class_map`'s, not interpolated.
    row : pandas.Series or object with x0, y0, x1, y1
        Row of the index that `roi.network_inputs` returned.
    shape : (rows, columns)
        Of the original image.
    setting : Setting

    Returns
    -------
    array of `shape`
    """
    box, (top, left) = _box_on_canvas(row, setting)
    canvas = to_canvas(map_, setting=setting)
    image = np.full(shape, np.nan, dtype=np.float32)
    image[box.y0 : box.y1, box.x0 : box.x1] = canvas[
        top : top + box.height, left : left + box.width
    ]
    return image


def _box_on_canvas(row, setting):
    """Return the rectangle of an index row, and where its corner lies on the canvas."""
    from npc_helpers.roi import Rectangle, pad_offset

    box = Rectangle(*(int(getattr(row, name)) for name in ("x0", "y0", "x1", "y1")))
    return box, pad_offset(box, setting.canvas)


def padding_share(map_: np.ndarray, row, *, setting) -> float:
    """Return which share of a map's positive mass lies on the zero padding.

    A black frame holds no patient. What the map finds there is the border of the rectangle or
    its size, and both depend on who drew it.

    Returns
    -------
    float
        0 to 1; 0 for a map without positive evidence.
    """
    box, (top, left) = _box_on_canvas(row, setting)
    mass = np.maximum(to_canvas(map_, setting=setting), 0)
    inside = mass[top : top + box.height, left : left + box.width].sum(dtype=float)
    total = mass.sum(dtype=float)
    return float(1 - inside / total) if total > 0 else 0.0
