"""What kind of patients this process has seen: the mark of every figure, widget, page and file.

Opening a `Study` is enough: it tells this module, and whatever is drawn or written afterwards
asks for the mark by itself. Nobody hands it over, so nobody can forget it. A study that was
opened is remembered until the process ends: rather a mark too many than one that is missing.
"""

import csv
from pathlib import Path

import pandas as pd

COLUMN = "synthetic"
"""Column of a table file that tells synthetic patients; a file of real patients has none."""

_kinds = {"all": ", synthetic patients", "some": ", synthetic patients among them", "none": ""}
_opened: dict[str, str] = {}  # name of each study -> "all", "some" or "none" of it is synthetic


def synthetic_part(manifest: Path) -> str:
    """Tell whether ``"all"``, ``"some"`` or ``"none"`` of the series in a manifest are synthetic.

    A manifest that is missing, empty or cannot be read counts as ``"none"``: the study's own
    check says what is wrong with it.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            place = [name.strip() for name in next(lines, [])].index("source")
            synthetic = [line[place].strip() == "synthetic" for line in lines if len(line) > place]
    except (OSError, ValueError, csv.Error):
        return "none"
    return "none" if not any(synthetic) else "all" if all(synthetic) else "some"


def remember(study: str, part: str) -> None:
    """Note that a study was opened, and which `synthetic_part` of it is synthetic."""
    _opened[study] = max(part, _opened.get(study, "none"), key=("none", "some", "all").index)


def describe(study: str, part: str) -> str:
    """Return the words for one study: ``study demonstration, synthetic patients``."""
    return f"study {' '.join(study.split())}{_kinds[part]}"


def text() -> str:
    """Return the mark: every study opened so far, synthetic ones first; "" if there is none."""
    studies = sorted(_opened.items(), key=lambda study: study[1] == "none")
    return "; ".join(describe(*study) for study in studies)


def is_synthetic() -> bool:
    """Tell whether any patient this process has seen is synthetic."""
    return any(part != "none" for part in _opened.values())


def on_caption(caption: str, *, source: str = "") -> str:
    """Return a caption, or the text that stands for a picture, with the mark in brackets.

    `source` stands in place of the mark where something never shows the study.
    """
    shown = source or text()
    return f"{caption} ({shown})" if shown else caption


def on_table(table: pd.DataFrame, *, synthetic: bool | None = None) -> pd.DataFrame:
    """Return a table as it is written to a file: with the column `synthetic` if any patient is.

    The column survives where a comment would not: in a spreadsheet, and in a part of the table.
    `synthetic` is by default `is_synthetic`.
    """
    if not (is_synthetic() if synthetic is None else synthetic):
        return table
    return table.assign(**{COLUMN: "yes"})


def forget() -> None:
    """Forget every study that was opened: for tests, which open many in one process."""
    _opened.clear()
