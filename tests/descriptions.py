"""Descriptions of series as hospitals write them, and what they say: one table in a file."""

import csv
from pathlib import Path

TABLE = Path(__file__).parent / "npc_intake" / "descriptions.csv"


def descriptions(*subjects):
    """Rows of the table: subject, answer, description.

    Subject ``contrast``: whether a contrast agent was given (yes, no, unclear, or blank where
    nothing is said). Subject ``t1`` or ``t2``, the weighting by timing: the kind of the series.
    Subject ``image type``: the kind of a T2-weighted series whose ImageType that is.
    """
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    return [row for row in rows if row[0] in subjects]
