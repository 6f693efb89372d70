"""Regions of interest: a rectangle on every image, cut out and padded with zeros.

Li et al. 2022, section 2.3: a rectangle of about 400 x 200 pixels around tumour, lymph nodes and
their surroundings on every image, padded with zeros to 512 x 512 without resampling.

An *ROI table* is a DataFrame with the columns `COLUMNS`: integer pixels, half-open, origin at the
top left, x along a row. `slice_index` counts from the lowest position as `read_series` sorts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from npc_helpers.imaging.mr_series import Grid
from npc_helpers.imaging.resample import resample_box

if TYPE_CHECKING:
    from npc_helpers.imaging.mr_series import MRSeries
    from npc_helpers.study import Study
    from npc_helpers.study.settings import Setting

COLUMNS = [
    "patient_id", "timepoint", "sequence", "slice_index", "x0", "y0", "x1", "y1", "source",
    "reader_id",
]  # fmt: skip
SERIES = COLUMNS[:3]
IMAGE = COLUMNS[:4]
BOX = COLUMNS[4:8]
INDEX = COLUMNS[:8]

LIMIT = 512  # 2.3: the canvas; a rectangle larger than it would have to be shrunk
SMALLEST = 8  # pixels; less is a slip of the hand
DEFAULT_SIZE = (400, 200)  # 2.3: columns x rows, "about"
BLANK = 128  # the value of every pixel in the control without image content
SHOWN_AT_ONCE = 5


class ROIError(ValueError):
    """A rectangle cannot be used; the message names the image and says what to do."""


@dataclass(frozen=True)
class Rectangle:
    """A rectangle of whole pixels, half-open: columns x0 to x1 - 1, rows y0 to y1 - 1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.y1 - self.y0

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and columns as an index: ``image[rectangle.slices]``."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def check(self, rows: int, columns: int, *, limit: int = LIMIT) -> None:
        """Refuse a rectangle that cannot be cut out of an image of `rows` x `columns`.

        Raises
        ------
        ROIError
            If it is smaller than 8 pixels, larger than `limit`, or leaves the image.
        """
        size = f"the rectangle is {self.width} x {self.height} pixels (width x height)"
        if min(self.width, self.height) < SMALLEST:
            raise ROIError(f"{size}; the smallest is {SMALLEST} x {SMALLEST}. Draw it again.")
        if max(self.width, self.height) > limit:
            raise ROIError(
                f"{size}; it has to fit into {limit} x {limit} without shrinking. Make it smaller."
            )
        if self.x0 < 0 or self.y0 < 0 or self.x1 > columns or self.y1 > rows:
            raise ROIError(
                f"the rectangle (columns {self.x0} to {self.x1}, rows {self.y0} to {self.y1}) "
                f"leaves the image of {columns} columns x {rows} rows. Move it inside."
            )

    def moved(self, dx: int, dy: int) -> Rectangle:
        """Return the rectangle moved by `dx` columns and `dy` rows."""
        return Rectangle(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)


def crop(image: np.ndarray, rectangle: Rectangle) -> np.ndarray:
    """Cut a rectangle out of an image (a view).

    Parameters
    ----------
    image : ndarray, shape (..., rows, columns)

    Raises
    ------
    ROIError
        See `Rectangle.check`.
    """
    rectangle.check(*image.shape[-2:])
    return image[..., *rectangle.slices]


def pad_offset(rectangle: Rectangle, size: int = LIMIT) -> tuple[int, int]:
    """Return the row and column at which `zero_pad` places the top left corner of a crop."""
    return (size - rectangle.height) // 2, (size - rectangle.width) // 2


def zero_pad(image: np.ndarray, size: int = LIMIT) -> np.ndarray:
    """Put zeros around an image until it is `size` x `size`; it lies in the middle, unscaled.

    Raises
    ------
    ROIError
        If the image is larger than `size` in either direction.
    """
    rows, columns = image.shape[-2:]
    if max(rows, columns) > size:
        raise ROIError(
            f"a region of {columns} x {rows} pixels does not fit into {size} x {size}. "
            "Make the rectangle smaller; nothing is resampled."
        )
    top, left = pad_offset(Rectangle(0, 0, columns, rows), size)
    canvas = np.zeros((*image.shape[:-2], size, size), dtype=image.dtype)
    canvas[..., top : top + rows, left : left + columns] = image
    return canvas


# --- brightness -------------------------------------------------------------------------------


def intensity_range(
    stack: np.ndarray, *, low: float = 0.5, high: float = 99.5
) -> tuple[float, float]:
    """Return two percentiles of the non-zero pixels of a series.

    Each is an observed value, the smallest with at least that share of the pixels at or below it
    (``numpy.percentile(..., method="inverted_cdf")``). A series of zeros has the range (0, 0).
    """
    if stack.dtype.kind in "ui" and stack.dtype.itemsize <= 2:
        lowest = int(np.iinfo(stack.dtype).min)
        counts = np.zeros(-lowest + int(np.iinfo(stack.dtype).max) + 1, dtype=np.int64)
        for image in stack:  # slice by slice: bincount needs eight bytes a pixel
            values = image.ravel() if lowest == 0 else image.ravel().astype(np.int32) - lowest
            counts += np.bincount(values, minlength=len(counts))
        counts[-lowest] = 0
        below = np.cumsum(counts)
        if below[-1] == 0:
            return 0.0, 0.0
        ranks = np.array([low, high]) / 100 * below[-1]
        found = np.searchsorted(below, np.maximum(ranks, 1)) + lowest
    else:
        pixels = stack[stack != 0]
        if not pixels.size:
            return 0.0, 0.0
        found = np.percentile(pixels, [low, high], method="inverted_cdf")
    return float(found[0]), float(found[1])


def stretch(image: np.ndarray, bottom: float, top: float) -> np.ndarray:
    """Map `bottom` and below to 0, `top` and above to 255, linearly between, rounded to uint8."""
    if top <= bottom:
        return np.where(image > bottom, 255, 0).astype(np.uint8)
    scaled = image.astype(np.float32)
    scaled -= bottom
    scaled *= 255 / (top - bottom)
    np.clip(scaled, 0, 255, out=scaled)
    return np.rint(scaled, out=scaled).astype(np.uint8)


def to_uint8(stack: np.ndarray, *, low: float = 0.5, high: float = 99.5) -> np.ndarray:
    """Stretch a series to 0..255 by its own percentiles (MR brightness has no unit).

    Parameters
    ----------
    stack : ndarray, shape (slices, rows, columns)
    low, high : float
        Percentiles of the non-zero pixels of the whole series that become 0 and 255.

    Returns
    -------
    ndarray of uint8, same shape
    """
    return stretch(stack, *intensity_range(stack, low=low, high=high))


# --- the ROI table ----------------------------------------------------------------------------


def default_rectangle(rows: int, columns: int) -> Rectangle:
    """Return a rectangle of 400 x 200 in the middle of an image, smaller where it is smaller."""
    width, height = min(DEFAULT_SIZE[0], columns), min(DEFAULT_SIZE[1], rows)
    x0, y0 = (columns - width) // 2, (rows - height) // 2
    return Rectangle(x0, y0, x0 + width, y0 + height)


def suggest_rois(study: Study, stacks: Mapping[tuple[str, str, str], MRSeries]) -> pd.DataFrame:
    """Return a rectangle to start from for every image.

    Parameters
    ----------
    study : Study
        Its ``data/suggested_rois.csv``, in pixels of the files, is used where there is one.
    stacks : mapping of (patient_id, timepoint, sequence) to MRSeries

    Returns
    -------
    DataFrame
        One row per image in the order of `stacks`. ``source`` is ``suggested``, or ``default``
        where the study suggests nothing: a centred rectangle, to be moved by a reader.

    Raises
    ------
    ROIError
        If a suggested rectangle does not fit its image.
    """
    rows = []
    for key, series in stacks.items():
        rectangle = default_rectangle(*series.array.shape[1:])
        box = (rectangle.x0, rectangle.y0, rectangle.x1, rectangle.y1)
        rows += [(*key, i, *box, "default", "") for i in range(len(series.array))]
    table = pd.DataFrame(rows, columns=COLUMNS)
    path = study.table_path("suggested_rois")
    if path.exists():
        text = dict.fromkeys([*SERIES, "source", "reader_id"], str)
        offered = pd.read_csv(path, dtype=text, keep_default_na=False)
        table = replace_rows(table, _as_resampled(offered, stacks))
    return check_rois(table, stacks)


def _as_resampled(
    offered: pd.DataFrame, stacks: Mapping[tuple[str, str, str], MRSeries]
) -> pd.DataFrame:
    """Move rectangles given in pixels of the files onto the images as they were resampled."""
    offered = offered.copy()
    for key, rows in offered.groupby(SERIES).groups.items():
        series = stacks[key] if key in stacks else None
        if series is not None and series.source_grid is not None:
            there = {"source": series.source_grid, "target": Grid.of(series)}
            boxes = [resample_box(box, **there) for box in offered.loc[rows, BOX].to_numpy()]
            offered.loc[rows, BOX] = boxes
    return offered


def replace_rows(table: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return `table` with the rectangles of `new` for the images that both have."""
    new = new.drop_duplicates(IMAGE, keep="last").set_index(IMAGE)
    replaced = table.set_index(IMAGE)
    shared = replaced.index.intersection(new.index)
    rest = COLUMNS[4:]
    replaced.loc[shared, rest] = new.loc[shared, rest]
    return replaced.reset_index()[COLUMNS]


def check_rois(
    table: pd.DataFrame, stacks: Mapping[tuple[str, str, str], MRSeries]
) -> pd.DataFrame:
    """Check every rectangle whose series is in `stacks`.

    Returns
    -------
    DataFrame
        Those rows, in their order, with whole numbers as integers.

    Raises
    ------
    ROIError
        If a column is missing, a value is no whole number, an image does not exist or has two
        rectangles, or a rectangle does not fit; up to five problems are named at once.
    """
    lacking = [column for column in INDEX if column not in table.columns]
    if lacking:
        raise ROIError(
            f"the ROI table has no column {', '.join(lacking)}. It needs {', '.join(INDEX)}."
        )
    keys = table[SERIES].itertuples(index=False, name=None)
    known = np.array([key in stacks for key in keys], dtype=bool)
    table = table[known].reset_index(drop=True)
    whole = ["slice_index", *BOX]
    numbers = table[whole].apply(pd.to_numeric, errors="coerce")
    problems = [
        f"{_where(row)}: slice_index and the four edges have to be whole numbers"
        for row in table[(numbers.isna() | (numbers % 1 != 0)).any(axis=1)].itertuples()
    ]
    if not problems:
        table = table.assign(**numbers.astype("int64"))
        problems = list(_misfits(table, stacks))
    if problems:
        more = len(problems) - SHOWN_AT_ONCE
        rest = [f"… and {more} more"] if more > 0 else []
        raise ROIError("\n".join(problems[:SHOWN_AT_ONCE] + rest))
    return table


def _where(row) -> str:
    return f"patient {row.patient_id}, {row.timepoint} {row.sequence}, slice {row.slice_index}"


def _misfits(table: pd.DataFrame, stacks: Mapping) -> Iterator[str]:
    """Yield a sentence for every row that cannot be used."""
    for row in table[table.duplicated(IMAGE)].itertuples():
        yield f"{_where(row)}: the image has more than one rectangle. Keep one row."
    for key, rows in table.groupby(SERIES, sort=False):
        n_slices, n_rows, n_columns = stacks[key].array.shape
        for row in rows.itertuples():
            if not 0 <= row.slice_index < n_slices:
                yield f"{_where(row)}: the series has slices 0 to {n_slices - 1}."
                continue
            try:
                rectangle_of(row).check(n_rows, n_columns)
            except ROIError as error:
                yield f"{_where(row)}: {error}"


def rectangle_of(row) -> Rectangle:
    """Return the rectangle of one row of an ROI table."""
    return Rectangle(int(row.x0), int(row.y0), int(row.x1), int(row.y1))


# --- what the network sees --------------------------------------------------------------------


def network_inputs(
    stacks: Mapping[tuple[str, str, str], MRSeries], rois: pd.DataFrame, *, setting: Setting
) -> tuple[np.ndarray, pd.DataFrame]:
    """Cut out, stretch and pad every image that has a rectangle.

    Each series is stretched to 0..255 (`to_uint8`), cropped, zero-padded to ``setting.canvas``
    and averaged over ``setting.shrink`` x ``setting.shrink`` pixels.

    Parameters
    ----------
    stacks : mapping of (patient_id, timepoint, sequence) to MRSeries
    rois : DataFrame
        ROI table; rows whose series is not in `stacks` are left out.
    setting : Setting

    Returns
    -------
    images : ndarray of uint8, shape (n, S, S, 1)
        S = ``setting.input_size``; in the order of `rois`.
    index : DataFrame
        One row per image: patient_id, timepoint, sequence, slice_index, x0, y0, x1, y1.

    Raises
    ------
    ROIError
        See `check_rois`; also if no row is left.
    """
    index = check_rois(rois, stacks)[INDEX]
    if index.empty:
        raise ROIError("no rectangle belongs to these series. Run notebook 02_crop_roi first.")
    size = setting.input_size
    images = np.empty((len(index), size, size, 1), dtype=np.uint8)
    for key, rows in index.groupby(SERIES, sort=False):
        array = stacks[key].array
        bottom, top = intensity_range(array)
        for row in rows.itertuples():
            region = stretch(crop(array[row.slice_index], rectangle_of(row)), bottom, top)
            images[row.Index, :, :, 0] = _shrink(zero_pad(region, setting.canvas), setting.shrink)
    return images, index


def blank_inputs(index: pd.DataFrame, *, setting: Setting) -> np.ndarray:
    """Return inputs that hold nothing but the size of each rectangle: the control of `index`.

    Returns
    -------
    ndarray of uint8, shape (n, S, S, 1)
        As `network_inputs` would make them if every pixel had the same brightness.
    """
    size = setting.input_size
    images = np.empty((len(index), size, size, 1), dtype=np.uint8)
    for number, row in enumerate(index.itertuples()):
        rectangle = rectangle_of(row)
        region = np.full((rectangle.height, rectangle.width), BLANK, dtype=np.uint8)
        images[number, :, :, 0] = _shrink(zero_pad(region, setting.canvas), setting.shrink)
    return images


def _shrink(image: np.ndarray, factor: int) -> np.ndarray:
    """Average uint8 pixels over factor x factor, halves rounded up."""
    if factor == 1:
        return image
    total = np.full((image.shape[0] // factor, image.shape[1] // factor), factor**2 // 2, np.uint32)
    for row in range(factor):
        for column in range(factor):
            total += image[row::factor, column::factor]
    return (total // factor**2).astype(np.uint8)


# --- two readers ------------------------------------------------------------------------------


def overlap(a: Rectangle, b: Rectangle) -> float:
    """Return intersection over union of two rectangles: 0 apart, 1 identical."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    shared = max(width, 0) * max(height, 0)
    return shared / (a.width * a.height + b.width * b.height - shared)


def compare_readers(rois_a: pd.DataFrame, rois_b: pd.DataFrame) -> pd.DataFrame:
    """Compare the rectangles of two readers image by image.

    Returns
    -------
    DataFrame
        One row per image that both have: patient_id, timepoint, sequence, slice_index, iou
        (intersection over union), area_a, area_b (pixels).

    Raises
    ------
    ROIError
        If the tables have no image in common, or one has an image twice.
    """
    for name, table in (("first", rois_a), ("second", rois_b)):
        if table.duplicated(IMAGE).any():
            row = next(table[table.duplicated(IMAGE)].itertuples())
            raise ROIError(f"{_where(row)}: more than one rectangle in the {name} table.")
    both = rois_a[INDEX].merge(rois_b[INDEX], on=IMAGE, suffixes=("_a", "_b"))
    if both.empty:
        raise ROIError("the two ROI tables have no image in common.")
    a, b = (
        [Rectangle(*box) for box in both[[f"{edge}_{s}" for edge in BOX]].itertuples(index=False)]
        for s in "ab"
    )
    return both[IMAGE].assign(
        iou=[overlap(one, other) for one, other in zip(a, b, strict=True)],
        area_a=[one.width * one.height for one in a],
        area_b=[one.width * one.height for one in b],
    )
