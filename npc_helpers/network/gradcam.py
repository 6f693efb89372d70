"""Grad-CAM on a network that ends in global average pooling and one dense layer.

On this architecture Grad-CAM (Selvaraju 2017), CAM (Zhou 2016) and HiResCAM are one closed
form: with A the activations of the last convolution (``conv_7b_ac``, h x w cells of C channels)
and W the weights of the dense layer, the map of class c is ``A @ W[:, c] / (h * w)``, and its
sum plus the bias is the class score. No gradient is taken anywhere in this module.

Arrays: activations (n, h, w, C); maps (n, h, w), signed, on the cells of the last convolution.
Class order: 0 low risk, 1 high risk.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from npc_helpers.imaging.roi import pad_offset, rectangle_of
from npc_helpers.network.gradcam_scores import MASK_SCORES, patient_summary, scores, similarity
from npc_helpers.network.models import HEAD, LAST_CONVOLUTION

__all__ = [
    "SCALES",
    "TARGETS",
    "activations",
    "align",
    "cell_centres",
    "class_map",
    "head",
    "padding_share",
    "patient_summary",
    "sanity_check",
    "scaled",
    "score_table",
    "scores",
    "similarity",
    "to_canvas",
    "to_image",
]

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
    return _answers(_up_to_last_convolution(model), images, batch_size)


def _up_to_last_convolution(model):
    import keras

    return keras.Model(model.input, model.get_layer(LAST_CONVOLUTION).output)


def _answers(inner, images, batch_size: int = 32) -> np.ndarray:
    import keras

    found = np.empty((len(images), *inner.output.shape[1:]), dtype=np.float32)
    for start in range(0, len(images), batch_size):
        batch = np.asarray(images[start : start + batch_size])
        found[start : start + batch_size] = keras.ops.convert_to_numpy(inner(batch, training=False))
    return found


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
    box, region = _on_canvas(row, setting)
    image = np.full(shape, np.nan, dtype=np.float32)
    image[box.slices] = to_canvas(map_, setting=setting)[region]
    return image


def _on_canvas(row, setting):
    """Return the rectangle of an index row, and the part of the canvas that it fills."""
    box = rectangle_of(row)
    top, left = pad_offset(box, setting.canvas)
    return box, (slice(top, top + box.height), slice(left, left + box.width))


def padding_share(map_: np.ndarray, row, *, setting) -> float:
    """Return which share of a map's positive mass lies on the zero padding.

    A black frame holds no patient. What the map finds there is the border of the rectangle or
    its size, and both depend on who drew it.

    Returns
    -------
    float
        0 to 1; 0 for a map without positive evidence.
    """
    _, region = _on_canvas(row, setting)
    mass = np.maximum(to_canvas(map_, setting=setting), 0)
    total = mass.sum(dtype=float)
    return float(1 - mass[region].sum(dtype=float) / total) if total > 0 else 0.0


# --- scores against a known truth -------------------------------------------------------------

STRUCTURES = {"tumour": [0], "nodes": [1], "disease": [0, 1]}  # segments of `dicom.read_mask`


def score_table(
    study,
    index: Mapping[str, pd.DataFrame],
    activations: Mapping[str, np.ndarray],
    model: Mapping,
    *,
    setting,
    target: str = "margin",
    structure: str = "tumour",
) -> pd.DataFrame:
    """Score every map of a study against its known truth.

    Parameters
    ----------
    study : Study
    index, activations, model : mapping from ``pre`` and ``post``
        Index of `roi.network_inputs`, activations of those images, and the model.
    setting : Setting
    target : str
        See `class_map`.
    structure : {"tumour", "nodes", "disease"}
        ``disease`` is both.

    Returns
    -------
    DataFrame
        One row per image: patient_id, timepoint, sequence, slice_index, padding_share, and what
        `scores` returns; the latter is blank where the study has no truth or the structure does
        not reach into the slice.

    Raises
    ------
    ValueError
        For an unknown structure.
    """
    from npc_helpers.imaging.dicom import read_mask

    if structure not in STRUCTURES:
        raise ValueError(f"structure is {structure!r}; choose one of {', '.join(STRUCTURES)}.")
    rows = []
    for timepoint, images in index.items():
        weights, bias = head(model[timepoint])
        maps = class_map(activations[timepoint], weights, target=target, bias=bias)
        maps = pd.Series(list(maps), index=images.index)
        for patient_id, own in images.groupby("patient_id", sort=False):
            truth = read_mask(study, patient_id, timepoint)
            truth = None if truth is None else truth[STRUCTURES[structure]].any(axis=0)
            for row in own.itertuples():
                key = (patient_id, timepoint, row.sequence, row.slice_index)
                rows.append(key + _row_scores(maps[row.Index], row, truth, setting))
    names = ["patient_id", "timepoint", "sequence", "slice_index", "padding_share", *MASK_SCORES]
    return pd.DataFrame(rows, columns=names)


def _row_scores(map_: np.ndarray, row, truth: np.ndarray | None, setting) -> tuple:
    """Return the padding share and the mask scores of one image (NaN without a truth)."""
    share = padding_share(map_, row, setting=setting)
    mask = None if truth is None else truth[row.slice_index]
    if mask is None or not mask[rectangle_of(row).slices].any():
        return (share, *[np.nan] * len(MASK_SCORES))
    found = scores(to_image(map_, row, mask.shape, setting=setting), mask)
    return (share, *(found[name] for name in MASK_SCORES))


# --- does the map depend on what was learned? -------------------------------------------------

STAGES = (  # from the output back to the input; each ends with a layer whose name is stable
    ("head", HEAD),
    ("conv_7b", LAST_CONVOLUTION),
    ("block8", "block8_"),
    ("mixed_7a", "mixed_7a"),
    ("block17", "block17_"),
    ("mixed_6a", "mixed_6a"),
    ("block35", "block35_"),
    ("stem", "mixed_5b"),
)


def sanity_check(model, images, *, seed: int, target: str = "margin") -> pd.DataFrame:
    """Randomise a model's weights stage by stage from the top, and compare its maps each time.

    The cascading randomisation of Adebayo et al. 2018. A map that survives it shows the image
    and not what was learned. Weights are shuffled within each tensor, which keeps their
    distribution. Maps of two *different* images by the intact model say how alike unrelated
    maps are anyhow, for instance because every rectangle lies in the middle.

    Parameters
    ----------
    model : keras.Model
        Left as it was; a copy is randomised.
    images : array (n, S, S, 1)
        At least 2.
    seed : int
        Of the shuffling and of the pairs.
    target : str
        See `class_map`.

    Returns
    -------
    DataFrame
        step (0 = intact), randomised (the stage added), ssim and rank_correlation (mean over
        images, with the map of the intact model), ssim_unrelated and rank_correlation_unrelated
        (the same in every row).
    """
    import keras

    if len(images) < 2:
        raise ValueError("give at least two images; one has no other to be compared with.")
    rng = np.random.default_rng(seed)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    inner = _up_to_last_convolution(copy)  # built once: it shares its weights with the copy

    def maps() -> np.ndarray:
        weights, bias = head(copy)
        return class_map(_answers(inner, images), weights, target=target, bias=bias)

    intact = maps()
    unrelated = [f.mean() for f in similarity(intact, intact[_derangement(len(intact), rng)])]
    rows = [(0, "none", 1.0, 1.0, *unrelated)]
    for step, (stage, layers) in enumerate(_stages(copy), start=1):
        for layer in layers:
            layer.set_weights([rng.permuted(w.ravel()).reshape(w.shape) for w in _values(layer)])
        alike = [f.mean() for f in similarity(intact, maps())]
        rows.append((step, stage, *alike, *unrelated))
    names = ["step", "randomised", "ssim", "rank_correlation"]
    return pd.DataFrame(rows, columns=names + [f"{name}_unrelated" for name in names[2:]])


def _values(layer) -> list[np.ndarray]:
    return [np.asarray(value) for value in layer.get_weights()]


def _derangement(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random order in which no index stays in its place."""
    order = rng.permutation(n)
    other = np.empty(n, dtype=int)
    other[order] = np.roll(order, 1)
    return other


def _stages(model) -> list[tuple[str, list]]:
    """Split a model's layers with weights into `STAGES`; all data pass the end of each stage."""
    names = [layer.name for layer in model.layers]
    ends = [
        max((i for i, name in enumerate(names) if name.startswith(prefix)), default=None)
        for _, prefix in STAGES
    ]
    found = [(stage, end) for (stage, _), end in zip(STAGES, ends, strict=True) if end is not None]
    starts = [end + 1 for _, end in found[1:]] + [0]
    return [
        (stage, [layer for layer in model.layers[start : end + 1] if layer.get_weights()])
        for (stage, end), start in zip(found, starts, strict=True)
    ]
