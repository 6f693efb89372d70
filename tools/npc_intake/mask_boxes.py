"""From a mask in NIfTI to rectangles on the images of a DICOM series, paired by millimetres.

Slice k of a mask is never taken for slice k of the images: each voxel is placed by the affine of
its file.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from npc_helpers.imaging.roi import LIMIT, SMALLEST
from npc_helpers.study.artefacts import StudyError, dicom_files
from npc_helpers.study.dicom_file import open_dicom
from npc_intake.nifti import NiftiImage

MARGIN_MM = 10.0
TAGS = ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
ROUNDING = 1e-3  # pixels


def grid_of(folder: str | Path) -> np.ndarray:
    """Return where the voxels of a series lie.

    Parameters
    ----------
    folder : path-like
        Classic single-frame files that `npc_helpers.imaging.dicom.read_series` accepts.

    Returns
    -------
    ndarray, shape (4, 4)
        From (slice, row, column, 1), slices in the order of `read_series`, to LPS millimetres.

    Raises
    ------
    StudyError
        If a file has no position of its own, or there is only one slice.
    """
    headers = [open_dicom(path, pixels=False, keywords=TAGS) for path in dicom_files(folder)]
    if len(headers) < 2 or any(keyword not in header for header in headers for keyword in TAGS):
        raise StudyError(f"{folder}: not a series of several classic single-frame images.")
    row, column = np.array(headers[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    origins = np.array([header.ImagePositionPatient for header in headers], dtype=float)
    origins = origins[np.argsort(origins @ np.cross(row, column), kind="stable")]
    between_rows, between_columns = map(float, headers[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = (origins[-1] - origins[0]) / (len(origins) - 1)
    affine[:3, 1], affine[:3, 2] = column * between_rows, row * between_columns
    affine[:3, 3] = origins[0]
    return affine


def mask_boxes(
    mask: NiftiImage,
    grid: np.ndarray,
    shape: tuple[int, int, int],
    *,
    margin_mm: float = MARGIN_MM,
) -> list[tuple[int, int, int, int]]:
    """Return a rectangle for every slice: around the mask there, else around the whole mask.

    Parameters
    ----------
    mask : NiftiImage
        Everything that is not zero counts (tumour and nodes together).
    grid : ndarray, shape (4, 4)
        Of the images, as `grid_of` returns it.
    shape : tuple of int
        Slices, rows and columns of the images.
    margin_mm : float
        Added on every side; cut off at the edge of the image.

    Returns
    -------
    list of (x0, y0, x1, y1)
        Half-open pixels, one per slice; empty where the mask is. A side over 512 pixels is cut
        to 512 about its centre, one under 8 widened.

    Raises
    ------
    StudyError
        If the mask does not lie on the images' own grid of voxels.
    """
    _check_same_grid(mask, grid, shape)
    voxels = np.argwhere(mask.array != 0)
    if not len(voxels):
        return []
    places = np.rint(_to(mask.affine, grid, voxels)).astype(int)
    margin = margin_mm / np.linalg.norm(grid[:3, 1:3], axis=0)
    union = _box(places[:, 1:], margin, shape[1:])
    boxes = [union] * shape[0]
    for index in np.unique(places[:, 0]):
        boxes[index] = _box(places[places[:, 0] == index, 1:], margin, shape[1:])
    return boxes


def _to(source: np.ndarray, target: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return indices on one grid as (fractional) indices on another."""
    change = np.linalg.solve(target, source)
    return indices @ change[:3, :3].T + change[:3, 3]


def _check_same_grid(mask: NiftiImage, grid: np.ndarray, shape: tuple[int, int, int]) -> None:
    """Refuse a mask whose corner voxels are not the corner voxels of the images."""
    corners = np.array(list(product(*[(0, n - 1) for n in mask.array.shape])))
    here = _to(mask.affine, grid, corners)
    low, high = here.min(axis=0), here.max(axis=0)
    off = np.maximum(np.abs(low), np.abs(high - (np.array(shape) - 1))).max()
    if off > 0.5 or sorted(mask.array.shape) != sorted(shape):
        raise StudyError(
            f"The mask of {mask.array.shape} voxels does not lie on the images of {shape} (slices, "
            f"rows, columns): a corner is {off:.1f} voxels away. Draw the regions by hand."
        )


def _box(
    places: np.ndarray, margin: np.ndarray, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 around (row, column) places, with a margin in pixels."""
    low = np.floor(places.min(axis=0) - margin + ROUNDING).astype(int)
    high = np.ceil(places.max(axis=0) + 1 + margin - ROUNDING).astype(int)
    (y0, y1), (x0, x1) = map(_fit, low, high, size)
    return x0, y0, x1, y1


def _fit(low: int, high: int, size: int) -> tuple[int, int]:
    """Return an interval inside 0 to `size`, from 8 to 512 pixels long where there is room."""
    low, high = max(int(low), 0), min(int(high), size)
    if high - low > LIMIT:
        low += (high - low - LIMIT) // 2
        high = low + LIMIT
    if high - low < SMALLEST:
        low = max(min(low, size - SMALLEST), 0)
        high = min(low + SMALLEST, size)
    return low, high
