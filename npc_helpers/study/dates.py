"""Dates as spreadsheets write them, read as days without guessing.

A date that starts with the year, names its month or stands between dots says itself what is day
and what is month. ``3/2/2015`` does not: it is read only if another date of the same table, such
as ``23/2/2015``, tells which of the two numbers is the day.
"""

from __future__ import annotations

import re

import pandas as pd

TIME = r"(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"  # spreadsheets add midnight to a day
MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
FORMS = {  # how it is written -> pattern; the groups say which number is which
    "2015-03-02": r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})",
    "2015/3/2": r"(?P<y>\d{4})(?P<s>[/.-])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})" + TIME,
    "20150302": r"(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})",
    "2015年3月2日": r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})日",
    "2.3.2015": r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})" + TIME,
    "2-Mar-2015": r"(?P<d>\d{1,2})[ -](?P<m>[A-Za-z]{3})[a-z]*[ -](?P<y>\d{4}|\d{2})" + TIME,
    "2/3/2015": r"(?P<a>\d{1,2})(?P<s>[/-])(?P<b>\d{1,2})(?P=s)(?P<y>\d{4})" + TIME,
}
ISO, UNDECIDED = "2015-03-02", "2/3/2015"
_PATTERNS = {form: re.compile(pattern) for form, pattern in FORMS.items()}
CENTURY_FROM = 70  # two digits of a year: 70 is 1970, 69 is 2069, as spreadsheets have it


def to_iso(cells: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Write the dates of a table as ``YYYY-MM-DD``.

    Parameters
    ----------
    cells : DataFrame of str
        The date columns of one table; blank cells stay blank.

    Returns
    -------
    DataFrame of str
        What cannot be read, or leaves open what is day and what is month, stays as it is.
    dict
        How many cells had which other form, by an example of it; ``2/3/2015`` says after it
        which number was taken for the day.
    """
    matches = cells.map(_match)
    pairs = [match for match in matches.to_numpy().ravel() if match and match[0] == UNDECIDED]
    day_first = _is_day_first([match[1] for match in pairs])
    counts: dict[str, int] = {}

    def iso(cell: str, match) -> str:
        day = _day(*match, day_first) if match else ""
        if not day:
            return cell
        if match[0] != ISO:
            form = match[0]
            if form == UNDECIDED:
                form += " (the day stands first)" if day_first else " (the month stands first)"
            counts[form] = counts.get(form, 0) + 1
        return day

    written = {
        name: [iso(cell, match) for cell, match in zip(cells[name], matches[name], strict=True)]
        for name in cells
    }
    return pd.DataFrame(written, index=cells.index, columns=cells.columns, dtype=object), counts


def _match(cell: str) -> tuple[str, re.Match] | None:
    for form, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(cell):
            return form, match
    return None


def _is_day_first(matches: list[re.Match]) -> bool | None:
    """Tell from the numbers over 12 which one is the day; None if nothing or both are said."""
    first = any(int(match["a"]) > 12 for match in matches)
    second = any(int(match["b"]) > 12 for match in matches)
    return None if first == second else first


def _day(form: str, match: re.Match, day_first: bool | None) -> str:
    """Return one date as ``YYYY-MM-DD``, or "" if there is no such day or it is not certain."""
    if form == UNDECIDED:
        if day_first is None and match["a"] != match["b"]:
            return ""
        day, month = (match["a"], match["b"]) if day_first else (match["b"], match["a"])
    else:
        day, month = match["d"], match["m"]
    if not month.isdigit():
        month = MONTHS.get(month.lower(), 0)
    year = int(match["y"])
    if year < 100:
        year += 1900 if year >= CENTURY_FROM else 2000
    try:
        return f"{pd.Timestamp(year, int(month), int(day)):%Y-%m-%d}"
    except ValueError:
        return ""
