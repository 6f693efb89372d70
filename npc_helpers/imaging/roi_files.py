"""Files of rectangles: read whole, written whole, one per reader, and never two writers at once."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from npc_helpers.imaging.roi_table import COLUMNS, IMAGE, rectangle_of
from npc_helpers.study import Study
from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.locks import locked
from npc_helpers.study.schema import ROI_COLUMNS, Table
from npc_helpers.study.tables import check_table, read_text, write_text

WAIT_S = 10.0  # for another program that writes the same file: a write takes milliseconds
RECTANGLES = Table(
    "rectangles",
    "rectangles.csv",
    "Rectangles that readers drew, one row per image and reader.",
    ROI_COLUMNS,
    key=(*IMAGE, "reader_id"),
    required=False,
)


def read_rectangles(path: str | Path) -> pd.DataFrame:
    """Read a file of rectangles, of one reader or several, as an ROI table; empty without a file.

    A `StudyError` if the file is no such table, if its last line is cut off, or if a row cannot be
    what a reader drew: an edge that is no whole number, an unknown source, an image twice.
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

    If an edge is no whole number, nothing is written, and that is a `ROIError`.
    """
    boxes = [vars(rectangle_of(row)) for row in table.itertuples()]
    if boxes:
        table = table.assign(**pd.DataFrame(boxes, index=table.index))
    write_text(Path(path), table)


def replace_in_file(path: str | Path, new: pd.DataFrame, replaced: Callable) -> None:
    """Put rectangles in the place of some that a file holds (made if need be); all others stay.

    `replaced`, given the table that is there, tells which of its rows go (a Series of bool). Other
    programs that do the same wait meanwhile, so that no rectangle of theirs is lost. A `StudyError`
    if the file cannot be read (see `read_rectangles`), or another program keeps it locked.
    """
    with locked(path, wait_s=WAIT_S):
        present = read_rectangles(path)
        stays = present[~replaced(present)]
        write_rectangles(path, pd.concat([stays, new]) if len(stays) else new)


# --- the readers of a study -----------------------------------------------------------------------


def drawn_path(study: Study, reader_id: str) -> Path:
    """Return the file of one reader's rectangles in a study; it need not exist yet.

    It lies among what people made (`Study.by_hand_path`), never among the results.
    """
    name = "".join(c if c.isalnum() or c in "-_" else f"%{ord(c):x}" for c in reader_id)
    return study.by_hand_path(f"rois_{name}.csv")


def read_drawn(study: Study) -> pd.DataFrame:
    """Read what all readers of a study drew, as an ROI table.

    An image that several readers drew has a row of each.
    """
    paths = sorted(study.by_hand_path("").glob("rois_*.csv"))
    tables = [pd.DataFrame(columns=COLUMNS), *map(read_rectangles, paths)]
    return pd.concat(tables, ignore_index=True)[COLUMNS].infer_objects()
