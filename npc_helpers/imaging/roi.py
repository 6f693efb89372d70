"""Regions of interest: a rectangle on every image, cut out and padded with zeros.

Li et al. 2022, section 2.3: a rectangle of about 400 x 200 pixels around tumour, lymph nodes and
their surroundings on every image, padded with zeros to 512 x 512 without resampling.

One rectangle is in `rectangle`, their table in `roi_table`, its files in `roi_files`, and how
bright an image is shown in `brightness`; notebooks find all of it here.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from npc_helpers.imaging.brightness import intensity_range, stretch, to_uint8
from npc_helpers.imaging.mr_series import Grid, MRSeries
from npc_helpers.imaging.rectangle import (
    BOX,
    DEFAULT_SIZE,
    LIMIT,
    SMALLEST,
    Rectangle,
    ROIError,
    crop,
    default_rectangle,
    overlap,
    pad_offset,
    shrink,
    zero_pad,
)
from npc_helpers.imaging.resample import resample_box
from npc_helpers.imaging.roi_files import read_drawn, read_rectangles
from npc_helpers.imaging.roi_table import (
    COLUMNS,
    IMAGE,
    INDEX,
    SERIES,
    check_rois,
    compare_readers,
    join_readers,
    rectangle_of,
    replace_rows,
    require_drawn,
)
from npc_helpers.study import Study
from npc_helpers.study.artefact_table import run_first
from npc_helpers.study.provenance import provenance, provenance_sentence
from npc_helpers.study.settings import Setting, current_setting

IN_MEMORY = 2**28  # bytes of network inputs that are kept in memory: those of a tutorial


# --- the ROI table ----------------------------------------------------------------------------


def suggest_rois(study: Study, stacks: Mapping[tuple[str, str, str], MRSeries]) -> pd.DataFrame:
    """Return an ROI table with a rectangle to start from for every image, in the order of `stacks`.

    ``source`` is ``suggested`` where the study's ``data/suggested_rois.csv``, in pixels of the
    files, has one; else ``default``: a centred rectangle, to be moved by a reader. A suggested
    rectangle that does not fit its image is a `ROIError`.
    """
    rows = []
    for key, series in stacks.items():
        rectangle = default_rectangle(*series.array.shape[1:])
        box = (rectangle.x0, rectangle.y0, rectangle.x1, rectangle.y1)
        rows += [(*key, i, *box, "default", "") for i in range(len(series.array))]
    table = pd.DataFrame(rows, columns=COLUMNS)
    offered = read_rectangles(study.table_path("suggested_rois"))
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
            grids = {"source": series.source_grid, "target": Grid.of(series)}
            boxes = [resample_box(box, **grids) for box in offered.loc[rows, BOX].to_numpy()]
            offered.loc[rows, BOX] = boxes
    return offered


# --- what the network sees --------------------------------------------------------------------


def network_inputs(
    stacks: Mapping[tuple[str, str, str], MRSeries],
    rois: pd.DataFrame,
    *,
    setting: Setting | None = None,
    folder: Path | None = None,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Cut out, stretch and pad every image that has a rectangle.

    Each series is stretched to 0..255 (`to_uint8`), cropped, zero-padded to ``setting.canvas``
    and averaged over ``setting.shrink`` x ``setting.shrink`` pixels.

    Parameters
    ----------
    stacks : mapping of (patient_id, timepoint, sequence) to MRSeries
    rois : DataFrame
        ROI table; rows whose series is not in `stacks` are left out.
    setting : Setting, optional
        The current one by default.
    folder : Path, optional
        Where to write the images if they take more than 256 MiB: they then are a memory map of
        that file, and never in memory as a whole.

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
        raise ROIError(f"no rectangle belongs to these series. {run_first('rois.csv')}")
    setting = setting or current_setting()
    shape = (len(index), setting.input_size, setting.input_size, 1)
    if folder is None or np.prod(shape) <= IN_MEMORY:
        images = np.empty(shape, dtype=np.uint8)
        _fill(images, index, stacks, setting)
        return images, index
    return _memory_map(folder, shape, lambda array: _fill(array, index, stacks, setting)), index


def _memory_map(folder: Path, shape, fill: Callable[[np.ndarray], None]) -> np.ndarray:
    """Fill an array on disk and open it read-only; its file is named by its content."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch, total = folder / f".part-{uuid.uuid4().hex[:12]}.npy", hashlib.sha256()
    try:
        array = np.lib.format.open_memmap(scratch, mode="w+", dtype=np.uint8, shape=shape)
        fill(array)
        array.flush()
        for image in array:
            total.update(image)
        del array  # Windows renames no open file
        path = folder / f"{total.hexdigest()[:24]}.npy"
        if not path.exists():
            scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")


def _fill(images: np.ndarray, index: pd.DataFrame, stacks: Mapping, setting: Setting) -> None:
    """Write the network's input of each row of `index` into `images`."""
    for key, rows in index.groupby(SERIES, sort=False):
        array = stacks[key].array
        bottom, top = intensity_range(array)
        for row in rows.itertuples():
            region = stretch(crop(array[row.slice_index], rectangle_of(row)), bottom, top)
            images[row.Index, :, :, 0] = shrink(zero_pad(region, setting.canvas), setting.shrink)
