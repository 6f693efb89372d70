"""The table of rectangles: one row per image, checked, joined and compared (`roi_files` keeps it).

An *ROI table* is a DataFrame with the columns `COLUMNS`: integer pixels, half-open, origin at the
top left, x along a row. `slice_index` counts from the lowest position as `read_series` sorts;
`source` says how a rectangle came about and `reader_id` who drew it.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.imaging.rectangle import BOX, Rectangle, ROIError, overlap
from npc_helpers.study import Study
from npc_helpers.study.about import ABOUT
from npc_helpers.study.artefacts import NotInThisStudy, first_few
from npc_helpers.study.schema import ROI_COLUMNS

COLUMNS = [column.name for column in ROI_COLUMNS]
SERIES = COLUMNS[:3]
IMAGE = COLUMNS[:4]
INDEX = COLUMNS[:8]


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

    Returns those rows, in their order, with whole numbers as integers. A `ROIError` if a column is
    missing, a value is no whole number, an image does not exist or has two rectangles, or a
    rectangle does not fit; up to five problems are named at once.
    """
    lacking = [column for column in INDEX if column not in table.columns]
    if lacking:
        raise ROIError(
            f"the ROI table has no column {', '.join(lacking)}. It needs {', '.join(INDEX)}."
        )
    keys = table[SERIES].itertuples(index=False, name=None)
    loaded = np.array([key in stacks for key in keys], dtype=bool)
    table = table[loaded].reset_index(drop=True)
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
        raise ROIError("\n".join(first_few(problems)))
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
    """Return the rectangle of one row of an ROI table; a `ROIError` names the image."""
    try:
        return Rectangle(row.x0, row.y0, row.x1, row.y1)
    except ROIError as error:
        raise ROIError(f"{_where(row)}: {error}") from error


# --- where rectangles come from -----------------------------------------------------------------


def require_drawn(study: Study, rois: pd.DataFrame) -> None:
    """Refuse rectangles most of which are the default one: nobody has looked at those images.

    `rois` is the ROI table of the images to be used. If more than half are default ones, that is
    `NotInThisStudy`, unless ``study.toml`` says ``accept_default_rectangles = true``.
    """
    n_default = int((rois["source"] == "default").sum())
    if 2 * n_default > len(rois) and not study.about.accept_default_rectangles:
        raise NotInThisStudy(
            f"training needs rectangles around tumour and nodes, and {n_default} of {len(rois)} "
            "are the default one in the middle of the image: nobody drew them. Draw them "
            "(`RoiEditor`), or take them from contours (docs/own_images.md). To train all the "
            f"same, write accept_default_rectangles = true into the study's {ABOUT}."
        )


def join_readers(rois: pd.DataFrame, drawn: pd.DataFrame, *, prefer: str = "") -> pd.DataFrame:
    """Return an ROI table in which what readers drew (`read_drawn`) replaces what was there.

    Drawn rectangles of images that `rois` does not have are left out. Where several readers drew
    the same image differently, that of the reader `prefer` counts; if neither is, that is a
    `ROIError`.
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
