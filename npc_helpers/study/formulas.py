"""Text that a spreadsheet would take for a formula, written so that it does not, and read back.

A description such as ``=HYPERLINK("http://…")`` becomes a link when somebody opens the CSV. Such a
text gets an apostrophe in front, as spreadsheets themselves write it; numbers stay numbers. Every
CSV that people may open is written through here, and read back.
"""

import re
from collections.abc import Callable

import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def defused(text: str) -> str:
    """Return a text for a cell of a CSV file; `restored` undoes it.

    Examples
    --------
    >>> defused("=1+1"), defused("-5.2"), restored(defused("=1+1"))
    ("'=1+1", '-5.2', '=1+1')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def restored(text: str) -> str:
    """Return the text that `defused` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def defused_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as it may be written: its texts and the names of its columns `defused`.

    Examples
    --------
    >>> table = pd.DataFrame({"patient_id": ["=1+1", "P-1"], "change": [-5.2, 1.0]})
    >>> defused_table(table)["patient_id"].tolist()
    ["'=1+1", 'P-1']
    """
    return _changed(table, defused)


def restored_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table that `defused_table` was given."""
    return _changed(table, restored)


def _changed(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    def cell(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    def column(values: pd.Series) -> pd.Series:
        return values.astype(object).map(cell) if values.dtype.kind == "O" else values

    return table.apply(column).rename(columns=cell) if table.size else table.rename(columns=cell)
