"""From outlines in millimetres to rectangles on the images of a series (pure geometry).

Outlines are placed by the images they name, and else by millimetres within one frame of reference.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from npc_helpers.imaging.rectangle import LIMIT, SMALLEST
from npc_helpers.study.artefacts import StudyError
from npc_intake.contours.image_planes import ImagePlanes
from npc_intake.contours.outlines import Outline, Structures

MARGIN_MM = 10.0
PARALLEL_MM = 1.0  # a contour whose points differ by more across the slices lies on another plane
SAME_VOXEL = 0.5  # a mask whose corners lie further from those of the images has another grid
ROUNDING = 1e-3  # pixels

Box = tuple[int, int, int, int]
Extents = dict[int, np.ndarray]
"""Where a structure lies, by slice: left, top, right and bottom in pixels (not whole ones)."""


def extents_of(source: Structures, name: str, images: ImagePlanes, where: str) -> Extents:
    """Return where a structure lies on the images of a series.

    Parameters
    ----------
    source : Structures
    name : str
        Of the structure.
    images : ImagePlanes
    where : str
        File and series, for messages.

    Raises
    ------
    StudyError
        If it was drawn in another frame of reference, on planes that are not parallel to the
        images, or where there is no image.
    """
    _check_same_frame(source, name, images, where)
    return _extents(source, name, images, f"{where}, {name}")


def boxes_around(
    drawn: Sequence[Extents],
    images: ImagePlanes,
    *,
    margin_mm: float = MARGIN_MM,
    per_image: bool = True,
) -> list[Box]:
    """Return a rectangle for every slice of a series, around one or more structures.

    Parameters
    ----------
    drawn : sequence of Extents
        Of each structure; not all empty.
    images : ImagePlanes
    margin_mm : float
        Added on every side; cut off at the edge of the image.
    per_image : bool
        Around what lies on the slice, and around everything where nothing does; else around
        everything on each slice.

    Returns
    -------
    list of (x0, y0, x1, y1)
        Half-open pixels, one per slice. A side over 512 pixels is cut to 512 about its centre, one
        under 8 widened.
    """
    margin = margin_mm / np.array(images.spacing_mm[::-1])  # columns, rows
    all_extents = [extent for extents in drawn for extent in extents.values()]
    boxes = [_box(all_extents, margin, images.size)] * len(images.origins)
    if per_image:
        for index in {index for extents in drawn for index in extents}:
            of_slice = [extents[index] for extents in drawn if index in extents]
            boxes[index] = _box(of_slice, margin, images.size)
    return boxes


def _box(extents: Sequence[np.ndarray], margin: np.ndarray, size: tuple[int, int]) -> Box:
    """Return the smallest rectangle of whole pixels around extents with a margin in pixels."""
    low = np.floor(np.min(extents, axis=0)[:2] - margin + ROUNDING).astype(int)
    high = np.ceil(np.max(extents, axis=0)[2:] + margin - ROUNDING).astype(int)
    (x0, x1), (y0, y1) = map(_fit, low, high, size[::-1])
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


# --- on the images ------------------------------------------------------------------------------


def _check_same_frame(source: Structures, name: str, images: ImagePlanes, where: str) -> None:
    if source.kind == "NIfTI":
        off = voxels_off(source, images)
        if off > SAME_VOXEL:
            raise StudyError(
                f"{where}: the mask does not lie on the images' grid of {images.shape} slices, "
                f"rows and columns: a corner is {off:.1f} voxels away. Save the mask on the grid "
                "of the images, or draw the rectangles by hand."
            )
        return
    frame = source.frames_of_reference[name]
    if frame and images.frame_of_reference and frame != images.frame_of_reference:
        raise StudyError(
            f"{where}, {name}: drawn in another frame of reference ({frame}) than the images' "
            f"({images.frame_of_reference}): their millimetres cannot be compared. Contour on this "
            "series, or let the planning system transfer the contours to it."
        )
    if not (frame and images.frame_of_reference) and not source.images & set(images.slices):
        raise StudyError(
            f"{where}, {name}: nothing says in which frame of reference the contours lie, and they "
            "name no image of this series. Export them again with their references."
        )


def _extents(source: Structures, name: str, images: ImagePlanes, where: str) -> Extents:
    extents: Extents = {}
    outlines, reach = source.outlines[name], _reach(source, images)
    heights = [_height(outline, images, where) for outline in outlines]
    for outline, height in zip(outlines, heights, strict=True):
        for index in _slices_of(outline, height, images, reach, where):
            places = images.to_pixels(outline.points, index)  # (n, 2) column, row
            box = np.concatenate([places.min(axis=0), places.max(axis=0)])
            joined = extents.get(index, box)
            extents[index] = np.concatenate(
                [np.minimum(joined, box)[:2], np.maximum(joined, box)[2:]]
            )
    if outlines and not extents:
        gap = min(np.abs(images.positions_mm - height).min() for height in heights)
        raise StudyError(
            f"{where}: no contour lies on an image; the nearest is {gap:.0f} mm away. Look whether "
            "they belong to these images."
        )
    _check_inside(extents, images, where)
    return extents


def _height(outline: Outline, images: ImagePlanes, where: str) -> float:
    """Return the place of an outline along the slice normal, in mm."""
    heights = outline.points @ images.axes[2]
    if np.ptp(heights) > PARALLEL_MM:
        raise StudyError(
            f"{where}: a contour reaches over {np.ptp(heights):.0f} mm across the slices: it was "
            "drawn on another plane. Contour on this series, or draw the rectangles by hand."
        )
    return float(heights.mean())


def _reach(source: Structures, images: ImagePlanes) -> float:
    """Return how far from an image a contour may lie that was drawn on another one, in mm.

    Half the distance of the slices or of the contours' planes, whichever is larger: then every
    image between two contours has one, and none beyond the last by more than that.
    """
    apart = source.step_mm
    if not apart:
        outlines = [o for some in source.outlines.values() for o in some]
        heights = [o.points[0] @ images.axes[2] for o in outlines if o.image not in images.slices]
        steps = np.diff(np.unique(np.round(heights, 1)))
        apart = float(steps.min()) if len(steps) else 0.0
    return max(apart, images.step_mm, PARALLEL_MM) / 2 + ROUNDING


def _slices_of(
    outline: Outline, height: float, images: ImagePlanes, reach: float, where: str
) -> list[int]:
    """Return the slices that an outline lies on: the one it names, else those within reach."""
    away = np.abs(images.positions_mm - height)
    index = images.slices.get(outline.image)
    if index is None:
        return np.flatnonzero(away <= reach).tolist()
    if away[index] > max(images.step_mm / 2, PARALLEL_MM):
        raise StudyError(
            f"{where}: a contour says that it was drawn on slice {index}, but lies "
            f"{away[index]:.0f} mm from it. Contours and images do not belong together; export "
            "both again."
        )
    return [index]


def _check_inside(extents: Mapping[int, np.ndarray], images: ImagePlanes, where: str) -> None:
    rows, columns = images.size
    for index, (left, top, right, bottom) in extents.items():
        if right <= 0 or bottom <= 0 or left >= columns or top >= rows:
            raise StudyError(
                f"{where}: on slice {index} the contours lie beside the image. Look whether they "
                "belong to these images."
            )


def voxels_off(source: Structures, images: ImagePlanes) -> float:
    """Return by how many voxels the corners of a mask miss those of the images."""
    n, rows, columns = images.shape
    to_corner = images.axes @ (source.corners - images.origins[0]).T  # (3, 8) mm
    step = np.array([*images.spacing_mm[::-1], images.step_mm or 1.0])
    places = to_corner.T / step  # (8, 3): column, row, slice
    misses = (places.min(axis=0), places.max(axis=0) - (columns - 1, rows - 1, n - 1))
    return float(np.abs(misses).max())
