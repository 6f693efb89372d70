"""Text that a spreadsheet would take for a formula, written so that it does not, and read back.

A description such as ``=HYPERLINK("http://…")`` becomes a link when somebody opens the CSV. Such a
text gets an apostrophe in front, as spreadsheets themselves write it; numbers stay numbers.
"""

from __future__ import annotations

import re

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
