"""Bring images of another matrix to the reference grid, by millimetres, and masks back again.

The paper's images have 512 x 512 pixels. A matrix of 320 or 768 is resampled to the reference
pixel size about the centre of the image; what lies outside the 512 x 512 field is cut off, what is
missing is zero. Rows and columns are scaled by the same length in millimetres each: an image is
never stretched. Slices stay where they are.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from npc_helpers.imaging.mr_series import Finding, Grid, MRSeries


def to_reference(series: MRSeries) -> MRSeries:
    """Return a series of 512 x 512 pixels as it is, and any other on the reference grid.

    Interpolated linearly, after a Gaussian blur where pixels become larger (against aliasing), in
    the stored type; a finding and ``source_grid`` say what was done.
    """
    grid, source = Grid.reference(), Grid.of(series)
    if source.is_reference_matrix:
        return series
    rows, columns = grid.places_in(source)
    sigma = [
        max(wanted / had - 1, 0) / 2
        for wanted, had in zip(grid.spacing_mm, source.spacing_mm, strict=True)
    ]
    array = np.empty((len(series.array), grid.rows, grid.columns), series.array.dtype)
    where = np.meshgrid(rows, columns, indexing="ij")
    for index, image in enumerate(series.array):
        smooth = ndimage.gaussian_filter(image.astype(np.float32), sigma)
        resampled = ndimage.map_coordinates(smooth, where, order=1, cval=0.0)
        array[index] = resampled if array.dtype.kind == "f" else np.rint(resampled)
    (row_mm, column_mm), pixel_mm = source.spacing_mm, grid.spacing_mm[0]
    message = (
        f"resampled from {source.rows} x {source.columns} pixels of {row_mm:.4g} x "
        f"{column_mm:.4g} mm to {grid.rows} x {grid.columns} of {pixel_mm:.4g} mm"
    )
    findings = (*series.findings, Finding("info", "resampled", "", message))
    return replace(
        series,
        array=array,
        pixel_spacing_mm=grid.spacing_mm,
        findings=findings,
        source_grid=source,
    )


def resample_box(box: Sequence[int], *, source: Grid, target: Grid) -> tuple[int, int, int, int]:
    """Return a rectangle on another grid, to the nearest pixel and cut to the image.

    `box` holds x0, y0, x1, y1: first column and row inside, first outside.
    """
    x0, y0, x1, y1 = box
    moved = []
    for axis, edge in ((1, x0), (0, y0), (1, x1), (0, y1)):
        had, wanted = ((g.rows, g.columns)[axis] for g in (source, target))
        millimetres = (edge - had / 2) * source.spacing_mm[axis]
        place = round(millimetres / target.spacing_mm[axis] + wanted / 2)
        moved.append(min(max(place, 0), wanted))
    return tuple(moved)


def resample_mask(mask: np.ndarray, *, source: Grid, target: Grid) -> np.ndarray:
    """Return a mask (..., rows, columns) on another grid; with the grids exchanged, back again.

    Each pixel takes the nearest one's value; False outside the source. A mask that is not on the
    grid `source` is a `ValueError`.
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.shape[-2:] != (source.rows, source.columns):
        raise ValueError(
            f"the mask has {mask.shape[-2:]} pixels, its grid {source.rows} x {source.columns}; "
            "give the grid of the series it was drawn on."
        )
    result = np.zeros((*mask.shape[:-2], target.rows, target.columns), dtype=bool)
    (row_of, row_in), (column_of, column_in) = (
        _nearest(places, n)
        for places, n in zip(target.places_in(source), mask.shape[-2:], strict=True)
    )
    result[..., row_of[:, None], column_of] = mask[..., row_in[:, None], column_in]
    return result


def _nearest(places: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels that have a nearest source pixel, and which one it is."""
    nearest = np.floor(places + 0.5).astype(int)
    inside = np.flatnonzero((nearest >= 0) & (nearest < n))
    return inside, nearest[inside]
