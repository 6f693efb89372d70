"""What happens to the answer when parts of an image are covered.

A map says where the network found its reasons; covering these places tests it. Nothing is painted
black: the network has never seen a hole. What is covered shows instead a blurred image, or, in a
synthetic study, the same image without its tumour.
"""

import itertools
from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from npc_helpers.network.gradcam import Geometry, log_odds
from npc_helpers.network.gradcam_bench import known_structures
from npc_helpers.network.gradcam_scores import KEY
from npc_helpers.study import NotInThisStudy

BLUR_IMAGE_PX = 24  # about 1 cm: larger than any texture, smaller than the head
SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)  # of the rectangle; most happens at the beginning


def rectangles(index: pd.DataFrame, geometry: Geometry) -> np.ndarray:
    """Return where the rectangle of each image lies in the network's input, bool (n, S, S)."""
    side = geometry.canvas // geometry.shrink
    inside = np.zeros((len(index), side, side), dtype=bool)
    for mask, row in zip(inside, index.itertuples(), strict=True):
        _, (rows, columns) = geometry.on_canvas(row)
        first = [-(-s.start // geometry.shrink) for s in (rows, columns)]
        last = [s.stop // geometry.shrink for s in (rows, columns)]
        mask[first[0] : last[0], first[1] : last[1]] = True
    return inside


def structures(
    study, index: pd.DataFrame, geometry: Geometry, *, structure: str = "tumour"
) -> np.ndarray:
    """Return where a known structure lies in the network's input, bool (n, S, S).

    Nowhere, where it does not reach into the slice.

    Raises
    ------
    NotInThisStudy
        If the structure is known in no image.
    """
    middle = slice(geometry.shrink // 2, None, geometry.shrink)  # of each network pixel
    truths = known_structures(study, index, geometry, structure)
    masks = np.stack([truth[middle, middle] for truth in truths])
    if not masks.any():
        raise NotInThisStudy(f"covering the {structure} needs a study whose {structure} is known")
    return masks


def elsewhere(masks: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Move every mask by half of its rectangle, down and across: as large, but in another place.

    What leaves the rectangle on one side comes in again on the other.
    """
    moved = np.zeros_like(masks)
    for new, old, box in zip(moved, masks, inside, strict=True):
        region = _region(box)
        height, width = old[region].shape
        new[region] = np.roll(old[region], (height // 2, width // 2), axis=(0, 1))
    return moved


def _region(box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what indexes the pixels of a rectangle, given as a mask."""
    return np.ix_(box.any(axis=1), box.any(axis=0))


def blurred(images: np.ndarray, inside: np.ndarray, *, shrink: int) -> np.ndarray:
    """Blur every image within its rectangle; the black frame does not bleed into it.

    Parameters
    ----------
    images : array (n, S, S, 1)
    inside : bool array (n, S, S)
        See `rectangles`.
    shrink : int
        Image pixels to a network pixel: the blur is `BLUR_IMAGE_PX` image pixels wide.

    Returns
    -------
    array (n, S, S, 1)
        Of the type of the images.
    """
    blur = partial(gaussian_filter, sigma=BLUR_IMAGE_PX / shrink, mode="constant")
    smooth = np.zeros_like(images)
    for new, image, box in zip(smooth[..., 0], images[..., 0], inside, strict=True):
        region = _region(box)
        values = image[region].astype(np.float32)
        new[region] = (blur(values) / blur(np.ones_like(values))).round()
    return smooth


def covered(images: np.ndarray, masks: np.ndarray, infill: np.ndarray) -> np.ndarray:
    """Return the images with what a mask covers taken from `infill`."""
    return np.where(masks[..., None], infill, images)


def curves(
    model,
    images: np.ndarray,
    infill: np.ndarray,
    index: pd.DataFrame,
    maps: Mapping[str, np.ndarray],
    geometry: Geometry,
) -> pd.DataFrame:
    """Cover images in the order of a map, highest first; and uncover them in the same order.

    Deletion and insertion (Petsiuk et al. 2018), on the log-odds of high risk. A map that points at
    the reasons for high risk makes the first fall fast and the second rise fast.

    Parameters
    ----------
    model : keras.Model
    images, infill : array (n, S, S, 1)
    index : DataFrame
        Of `roi.network_inputs`, in the order of the images.
    maps : mapping of name to array (n, h, w)
        The pixels of a rectangle are ranked by the interpolated map.

    Returns
    -------
    DataFrame
        One row per map, image and share: map, patient_id, timepoint, sequence, slice_index,
        share (of the rectangle, of `SHARES`), ``deletion`` and ``insertion`` (log-odds).
    """
    inside = rectangles(index, geometry)
    ranks = {
        name: _rank(geometry.to_canvas(values, step=geometry.shrink), inside)
        for name, values in maps.items()
    }
    tables = []
    for name, share in itertools.product(maps, SHARES):
        first = ranks[name] < share
        odds = {
            "deletion": log_odds(model, covered(images, first, infill)),
            "insertion": log_odds(model, covered(infill, first, images)),
        }
        tables.append(index[KEY].assign(map=name, share=share, **odds))
    return pd.concat(tables, ignore_index=True)


def _rank(heat: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return which share of the rectangle's pixels lies higher; infinity outside."""
    rank = np.full(heat.shape, np.inf)
    for image, values, box in zip(rank, heat, inside, strict=True):
        order = np.argsort(-values[box], kind="stable")
        share = np.empty(len(order))
        share[order] = np.arange(len(order)) / len(order)
        image[box] = share
    return rank


def gains(curves: pd.DataFrame) -> pd.DataFrame:
    """Return one row per map and image: ``gain``, how far insertion lies above deletion.

    The mean over the share covered (trapezoids), in log-odds; 0 is what an order that says nothing
    gets on average.
    """

    def area(table: pd.DataFrame) -> float:
        height = table["insertion"] - table["deletion"]
        return float(np.trapezoid(height, table["share"]))

    groups = curves.groupby(["map", *KEY], sort=False)[["share", "insertion", "deletion"]]
    return groups.apply(area).rename("gain").reset_index()
