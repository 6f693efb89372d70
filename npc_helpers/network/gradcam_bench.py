"""Maps against a known truth, beside explanations that know nothing.

A map over a rectangle centred on disease scores well by lying in the middle. What it is worth
shows beside maps that cannot know better: a bump in the middle, the mean map of other patients,
the activations without any head, the map of the opposite class, that of a random head.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial

import numpy as np
import pandas as pd

from npc_helpers.imaging.masks import read_mask
from npc_helpers.imaging.roi import rectangle_of
from npc_helpers.network.gradcam import Geometry, class_map
from npc_helpers.network.gradcam_scores import KEY, MASK_SCORES, scores
from npc_helpers.network.models import CLASSES
from npc_helpers.study import NotInThisStudy

STRUCTURES = {"tumour": 0, "nodes": 1}  # segments of `masks.read_mask`
STEP = 4  # every fourth pixel is scored: cells lie 64 pixels apart, and tumours are far larger
RANDOM_HEADS = 5
GRADCAM = "Grad-CAM"


def explanations(
    activations: np.ndarray,
    weights: np.ndarray,
    index: pd.DataFrame,
    geometry: Geometry,
    *,
    seed: int,
) -> list[tuple[str, np.ndarray]]:
    """Return the map of each image, and those of explanations that know less.

    Parameters
    ----------
    activations : array (n, h, w, C)
        Of the last convolution.
    weights : array (C, 2)
        Of the dense layer, see `gradcam.head`.
    index : DataFrame
        Of `roi.network_inputs`, in the order of the activations.
    seed : int
        Of the random heads.

    Returns
    -------
    list of (name, maps), maps of shape (n, h, w)
        ``Grad-CAM`` (the margin map); ``bump``: a bell a quarter as wide and high as the
        rectangle, in its middle; ``other patients``: the mean Grad-CAM map of all images of
        others; ``no head``: the mean over the channels; ``low risk``: the opposite class;
        ``random head``: five of them, under one name.
    """
    rng = np.random.default_rng(seed)
    margin = class_map(activations, weights)
    heads = rng.normal(size=(RANDOM_HEADS, activations.shape[-1], len(CLASSES)))
    return [
        (GRADCAM, margin),
        ("bump", bumps(index, geometry, margin.shape[1:])),
        ("other patients", mean_of_others(margin, index)),
        ("no head", activations.mean(axis=-1)),
        ("low risk", -margin),
        *(("random head", class_map(activations, head.astype(np.float32))) for head in heads),
    ]


def bumps(index: pd.DataFrame, geometry: Geometry, cells: tuple[int, int]) -> np.ndarray:
    """Return a bell in the middle of every rectangle, (n, *cells); rectangles lie mid-canvas."""
    rows, columns = (
        (geometry.cell_centres(n, axis=axis) + 0.5) * geometry.shrink - geometry.canvas / 2
        for axis, n in enumerate(cells)
    )
    boxes = [rectangle_of(row) for row in index.itertuples()]
    return np.stack(
        [
            np.outer(
                np.exp(-0.5 * (rows / (box.height / 4)) ** 2),
                np.exp(-0.5 * (columns / (box.width / 4)) ** 2),
            )
            for box in boxes
        ]
    )


def mean_of_others(maps: np.ndarray, index: pd.DataFrame) -> np.ndarray:
    """Return for each image the mean map of the images of all other patients."""
    patient = index["patient_id"].to_numpy()
    means = {
        name: maps[patient != name].mean(axis=0) if (patient != name).any() else maps[0] * 0
        for name in dict.fromkeys(patient)
    }
    return np.stack([means[name] for name in patient])


def score_table(
    study,
    index: pd.DataFrame,
    maps: Iterable[tuple[str, np.ndarray]],
    geometry: Geometry,
) -> pd.DataFrame:
    """Score maps of the images of one time point against a study's known tumours.

    Parameters
    ----------
    study : Study
    index : DataFrame
        Of `roi.network_inputs`.
    maps : iterable of (name, array (n, h, w))
        See `explanations`; a name may come more than once.

    Returns
    -------
    DataFrame
        One row per map and image: map, patient_id, timepoint, sequence, slice_index,
        padding_share, and what `scores` returns; the latter is blank where the study has no
        truth or the tumour does not reach into the slice.
    """
    names, maps = zip(*maps, strict=True)
    truths = known_structures(study, index, geometry, "tumour")
    rows = []
    for values, row, truth in zip(np.stack(maps, axis=1), index.itertuples(), truths, strict=True):
        key = [getattr(row, name) for name in KEY]
        results = _image_scores(values, row, truth, geometry)  # values: (maps, h, w)
        rows += [(name, *key, *result) for name, result in zip(names, results, strict=True)]
    return pd.DataFrame(rows, columns=["map", *KEY, "padding_share", *MASK_SCORES])


def known_structures(
    study, index: pd.DataFrame, geometry: Geometry, structure: str
) -> Iterator[np.ndarray]:
    """Yield where a structure lies on the canvas of each image, bool; nowhere if it is not known.

    `structure` is one of `STRUCTURES`; the other parameters are those of `score_table`.
    """
    if structure not in STRUCTURES:
        raise ValueError(f"structure is {structure!r}; choose one of {', '.join(STRUCTURES)}.")
    read = lru_cache(maxsize=2)(partial(read_mask, study))
    for row in index.itertuples():
        truth = np.zeros((geometry.canvas, geometry.canvas), dtype=bool)
        segments = read(row.patient_id, row.timepoint)
        if segments is not None:
            box, region = geometry.on_canvas(row)
            truth[region] = segments[STRUCTURES[structure], row.slice_index][box.slices]
        yield truth


def with_truth(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of images whose structure is known.

    Raises
    ------
    NotInThisStudy
        If there are none.
    """
    rated = scores[scores["energy_ratio"].notna()]
    if rated.empty:
        raise NotInThisStudy(
            "comparing maps with the truth needs tumours that are known to the pixel, and this "
            "study has no segmentations"
        )
    return rated


def _image_scores(maps: np.ndarray, row, truth: np.ndarray, geometry: Geometry) -> list[tuple]:
    """Return padding share and mask scores (NaN without a truth) of each map of one image."""
    inside = np.zeros_like(truth)
    inside[geometry.on_canvas(row)[1]] = True
    inside, truth = inside[::STEP, ::STEP], truth[::STEP, ::STEP]
    values = geometry.to_canvas(maps, step=STEP)
    mass = np.maximum(values, 0).sum(axis=(1, 2), dtype=float)
    seen = np.maximum(values[:, inside], 0).sum(axis=1, dtype=float)
    shares = 1 - np.divide(seen, mass, out=np.ones_like(mass), where=mass > 0)
    if not truth.any():
        return [(share, *[np.nan] * len(MASK_SCORES)) for share in shares]
    results = []
    for share, value in zip(shares, values, strict=True):
        result = scores(np.where(inside, value, np.nan), truth)
        results.append((share, *(result[name] for name in MASK_SCORES)))
    return results
