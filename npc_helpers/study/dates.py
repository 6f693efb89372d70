"""Dates as spreadsheets write them, read as days without guessing.

A date that starts with the year, names its month or stands between dots says itself what is day
and what is month. ``3/2/2015`` does not: it is read only if another date of the same table, such
as ``23/2/2015``, tells which of the two numbers is the day.
"""

import re
from collections import Counter

import pandas as pd

TIME = r"(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"  # spreadsheets add midnight to a day
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
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

    `cells` are the date columns of one table, as text; blank cells stay blank. What cannot be read,
    or leaves open what is day and what is month, stays as it is. Also returns how many cells had
    which other form, by an example of it; ``2/3/2015`` says after it which number was taken for the
    day.
    """
    undecided = map(_PATTERNS[UNDECIDED].fullmatch, cells.to_numpy().ravel())
    pairs = [(int(match["a"]), int(match["b"])) for match in undecided if match]
    first, second = any(a > 12 for a, _ in pairs), any(b > 12 for _, b in pairs)
    day_first = None if first == second else first  # nothing is said, or both are
    counts: Counter[str] = Counter()

    def iso(cell: str) -> str:
        matches = ((form, pattern.fullmatch(cell)) for form, pattern in _PATTERNS.items())
        form, match = next((pair for pair in matches if pair[1]), (ISO, None))
        day = _day(match, day_first) if match else ""
        if day and form != ISO:
            order = f" (the {'day' if day_first else 'month'} stands first)"
            counts[form + order * (form == UNDECIDED)] += 1
        return day or cell

    return cells.map(iso).astype(object), counts


def _day(match: re.Match, day_first: bool | None) -> str:
    """Return one date as ``YYYY-MM-DD``, or "" if there is no such day or it is not certain."""
    numbers = match.groupdict()
    if "a" in numbers:
        first, second = numbers["a"], numbers["b"]
        if day_first is None and first != second:
            return ""
        day, month = (first, second) if day_first else (second, first)
    else:
        day, month = numbers["d"], numbers["m"]
    if not month.isdigit():
        month = MONTHS.index(month.lower()) + 1 if month.lower() in MONTHS else 0
    year = int(numbers["y"])
    if year < 100:
        year += 1900 if year >= CENTURY_FROM else 2000
    try:
        return f"{pd.Timestamp(year, int(month), int(day)):%Y-%m-%d}"
    except ValueError:
        return ""
