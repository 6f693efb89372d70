"""The table of rectangles: one row per image, in memory and as CSV files of one or more readers.

An *ROI table* is a DataFrame with the columns `COLUMNS`: integer pixels, half-open, origin at the
top left, x along a row. `slice_index` counts from the lowest position as `read_series` sorts;
`source` says how a rectangle came about and `reader_id` who drew it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from npc_helpers.study.about import ABOUT
from npc_helpers.study.artefacts import NotInThisStudy, StudyError, atomic_path
from npc_helpers.study.locks import locked
from npc_helpers.study.schema import ROI_COLUMNS, Table
from npc_helpers.study.tables import check_table, read_text

if TYPE_CHECKING:
    from npc_helpers.imaging.mr_series import MRSeries
    from npc_helpers.study import Study

COLUMNS = [column.name for column in ROI_COLUMNS]
SERIES = COLUMNS[:3]
IMAGE = COLUMNS[:4]
BOX = COLUMNS[4:8]
INDEX = COLUMNS[:8]

LIMIT = 512  # 2.3: the canvas; a rectangle larger than it would have to be shrunk
SMALLEST = 8  # pixels; less is a slip of the hand
SHOWN_AT_ONCE = 5
WAIT_S = 10.0  # for another program that writes the same file: a write takes milliseconds


class ROIError(ValueError):
    """A rectangle cannot be used; the message names the image and says what to do."""


@dataclass(frozen=True)
class Rectangle:
    """A rectangle of whole pixels, half-open: columns x0 to x1 - 1, rows y0 to y1 - 1.

    Raises
    ------
    ROIError
        If an edge is no whole number. Whether it fits an image says `check`.
    """

    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        for edge in BOX:
            object.__setattr__(self, edge, _whole(edge, getattr(self, edge)))

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


def _whole(edge: str, value) -> int:
    """Return an edge as int, whatever type of number it has; refuse 10.5, NaN and text."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or isinstance(value, str) or whole != value:
        raise ROIError(
            f"{edge} of the rectangle is {value!r}; the four edges {', '.join(BOX)} have to be "
            "whole numbers of pixels. Round it."
        )
    return whole


# --- checks -----------------------------------------------------------------------------------


def replace_rows(table: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return `table` with the rectangles of `new` for the images that both have."""
    new = new.drop_duplicates(IMAGE, keep="last").set_index(IMAGE)
    replaced = table.set_index(IMAGE)
    shared = replaced.index.intersection(new.index)
    rest = COLUMNS[4:]
    replaced.loc[shared, rest] = new.loc[shared, rest]
    return replaced.reset_index()[COLUMNS].infer_objects()


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
    """Return the rectangle of one row of an ROI table.

    Raises
    ------
    ROIError
        Naming the image, if an edge is no whole number.
    """
    try:
        return Rectangle(row.x0, row.y0, row.x1, row.y1)
    except ROIError as error:
        raise ROIError(f"{_where(row)}: {error}") from error


# --- where rectangles come from -----------------------------------------------------------------


def require_drawn(study: Study, rois: pd.DataFrame) -> None:
    """Refuse rectangles most of which are the default one: nobody has looked at those images.

    Parameters
    ----------
    study : Study
        Its ``study.toml`` may say ``accept_default_rectangles = true``; then nothing is refused.
    rois : DataFrame
        ROI table of the images to be used.

    Raises
    ------
    NotInThisStudy
        If more than half of the rectangles are default ones.
    """
    n_default = int((rois["source"] == "default").sum())
    if 2 * n_default > len(rois) and not study.about.accept_default_rectangles:
        raise NotInThisStudy(
            f"training needs rectangles around tumour and nodes, and {n_default} of {len(rois)} "
            "are the default one in the middle of the image: nobody drew them. Draw them "
            "(`RoiEditor`), or take them from contours (docs/own_images.md). To train all the "
            f"same, write accept_default_rectangles = true into the study's {ABOUT}."
        )


# --- files ----------------------------------------------------------------------------------------

RECTANGLES = Table(
    "rectangles",
    "rectangles.csv",
    "Rectangles that readers drew, one row per image and reader.",
    ROI_COLUMNS,
    key=(*IMAGE, "reader_id"),
    required=False,
)


def read_rectangles(path: str | Path) -> pd.DataFrame:
    """Read a file of rectangles, of one reader or of several.

    Returns
    -------
    DataFrame
        ROI table; without rows where there is no file.

    Raises
    ------
    StudyError
        If the file is no such table, if its last line is cut off, or if a row cannot be what a
        reader drew: an edge that is no whole number, an unknown source, an image twice.
    """
    path = Path(path)
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    _check_end(path)
    text, problems = read_text(path, str(path))
    if not problems and set(COLUMNS) - set(text.columns):
        raise StudyError(
            f"{path} is no table of rectangles (columns {', '.join(COLUMNS)}). "
            "Rename it, or name another file."
        )
    if not problems:
        table, problems = check_table(text, RECTANGLES)
    if problems:
        at_fault = problems[0]._replace(where=problems[0].where.replace(RECTANGLES.path, str(path)))
        raise StudyError(str(at_fault))
    return table.reset_index(drop=True)


def _check_end(path: Path) -> None:
    """Refuse a file that stops within a line: the name of a reader may be cut there."""
    last = path.read_bytes().split(b"\n")[-1]
    if last:
        shown = last.decode("utf-8", "replace")
        raise StudyError(
            f"{path}: the last line, '{shown}', does not end; the file may have been cut off while "
            "it was copied. Copy it again; if the line is complete, put a line end behind it, and "
            "if it is not, delete the line."
        )


def write_rectangles(path: str | Path, table: pd.DataFrame) -> None:
    """Write a file of rectangles, whole or not at all.

    Raises
    ------
    ROIError
        If an edge is no whole number; nothing is written then.
    """
    boxes = [vars(rectangle_of(row)) for row in table.itertuples()]
    if boxes:
        table = table.assign(**pd.DataFrame(boxes, index=table.index))
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")


def replace_in_file(path: str | Path, new: pd.DataFrame, replaced: Callable) -> None:
    """Put rectangles in the place of some that a file holds; all others stay.

    Other programs that do the same wait meanwhile, so that no rectangle of theirs is lost.

    Parameters
    ----------
    path : path-like
        Made if need be.
    new : DataFrame
        ROI table.
    replaced : callable
        Given the table that is there, tells which of its rows go (a Series of bool).

    Raises
    ------
    StudyError
        If the file cannot be read (see `read_rectangles`), or another program keeps it locked.
    """
    with locked(path, wait_s=WAIT_S):
        there = read_rectangles(path)
        stays = there[~replaced(there)]
        write_rectangles(path, pd.concat([stays, new]) if len(stays) else new)


# --- the readers of a study -----------------------------------------------------------------------


def drawn_path(study: Study, reader_id: str) -> Path:
    """Return the file of one reader's rectangles in a study; it need not exist yet.

    It lies among what people made (`Study.by_hand_path`), never among the results.
    """
    name = "".join(c if c.isalnum() or c in "-_" else f"%{ord(c):x}" for c in reader_id)
    return study.by_hand_path(f"rois_{name}.csv")


def open_drawn(study: Study, reader_id: str) -> Path:
    """Return the file of `drawn_path`, made of what the reader left in another's, if anything.

    In earlier versions, one table could hold the rectangles of several readers.
    """
    path = drawn_path(study, reader_id)
    if not path.exists():
        drawn = read_drawn(study)
        earlier = drawn[drawn["reader_id"] == reader_id]
        if len(earlier):
            with locked(path, wait_s=WAIT_S):
                if not path.exists():  # another window of the same reader may have been first
                    write_rectangles(path, earlier)
    return path


def read_drawn(study: Study) -> pd.DataFrame:
    """Read what all readers of a study drew.

    Returns
    -------
    DataFrame
        ROI table; an image that several readers drew has a row of each. What a reader left in the
        file of another (see `open_drawn`) counts if the reader has no file.
    """
    folders = (study.by_hand_path(""), study.result_path("rois.csv").parent)
    paths = [path for folder in folders for path in sorted(folder.glob("rois_*.csv"))]
    tables = {path: read_rectangles(path) for path in paths}
    drawn = [pd.DataFrame(columns=COLUMNS)]
    for reader_id in dict.fromkeys(name for table in tables.values() for name in table.reader_id):
        of_reader = tables.get(drawn_path(study, reader_id))
        if of_reader is None:
            of_reader = next(t for t in tables.values() if (t["reader_id"] == reader_id).any())
        drawn.append(of_reader[of_reader["reader_id"] == reader_id])
    return pd.concat(drawn, ignore_index=True)[COLUMNS].infer_objects()


def join_readers(rois: pd.DataFrame, drawn: pd.DataFrame, *, prefer: str = "") -> pd.DataFrame:
    """Return an ROI table in which what readers drew replaces what was there.

    Parameters
    ----------
    rois : DataFrame
        ROI table, one row per image.
    drawn : DataFrame
        Of `read_drawn`: rectangles of images that `rois` does not have are left out.
    prefer : str
        The reader whose rectangle counts where several drew the same image.

    Raises
    ------
    ROIError
        If readers other than `prefer` drew the same image differently.
    """
    first = drawn["reader_id"] == prefer
    others = drawn[~first & ~_images(drawn).isin(_images(drawn[first]))]
    others = others.drop_duplicates([*IMAGE, *BOX])
    twice = others[others.duplicated(IMAGE, keep=False)]
    if len(twice):
        row = next(twice.itertuples())
        readers = ", ".join(sorted(set(twice["reader_id"])))
        raise ROIError(
            f"{_where(row)}: {readers} drew different rectangles "
            f"({len(twice.drop_duplicates(IMAGE))} such images). Say whose count: prefer='NAME'."
        )
    return replace_rows(rois, pd.concat([others, drawn[first]]))


def _images(table: pd.DataFrame) -> pd.Series:
    keys = list(table[IMAGE].itertuples(index=False, name=None))
    return pd.Series(keys, table.index, dtype=object)


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
        If the tables have no image in common, or one has an image twice, or an edge is no whole
        number.
    """
    readings = []
    for name, table in (("first", rois_a), ("second", rois_b)):
        if table.duplicated(IMAGE).any():
            row = next(table[table.duplicated(IMAGE)].itertuples())
            raise ROIError(f"{_where(row)}: more than one rectangle in the {name} table.")
        rectangles = [rectangle_of(row) for row in table.itertuples()]
        readings.append(table[IMAGE].assign(rectangle=pd.Series(rectangles, table.index, object)))
    both = readings[0].merge(readings[1], on=IMAGE, suffixes=("_a", "_b"))
    if both.empty:
        raise ROIError("the two ROI tables have no image in common.")
    a, b = both["rectangle_a"], both["rectangle_b"]
    return both[IMAGE].assign(
        iou=[overlap(first, second) for first, second in zip(a, b, strict=True)],
        area_a=[rectangle.width * rectangle.height for rectangle in a],
        area_b=[rectangle.width * rectangle.height for rectangle in b],
    )
