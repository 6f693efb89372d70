"""Before or after treatment: time points of examinations from their dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pandas as pd

RIVAL = "another series fits as well; write its place (for instance 'pre t2w') into decided"


def assign_timepoints(
    table: pd.DataFrame,
    treatment_start: Mapping[str, date] | None,
    treatment_end: Mapping[str, date] | None = None,
) -> pd.DataFrame:
    """Fill the column ``timepoint`` and settle which of several series is proposed.

    The pre-treatment examination is the last one up to the start of treatment (that day
    included). The post-treatment examination is the first one after its end, or after its start
    where the end is not known and there is only one. Of the series of one examination a Dixon
    water image is preferred to a plain one; if several remain, none is proposed.

    Parameters
    ----------
    table : DataFrame
        As `find_series` makes it.
    treatment_start, treatment_end : mapping of patient_id to date, or None

    Returns
    -------
    DataFrame
        A changed copy.
    """
    table = table.copy()
    starts, ends = treatment_start or {}, treatment_end or {}
    for patient, series in table[table["status"] == "proposed"].groupby("patient_id"):
        days = sorted(set(series["study_date"]))
        places = _places(days, _iso(starts.get(patient)), _iso(ends.get(patient)))
        for row in series.index:
            timepoint, problem = places[table.at[row, "study_date"]]
            table.at[row, "timepoint"] = timepoint
            if problem:
                _refuse(table, row, problem)
    proposed = table[table["status"] == "proposed"]
    for _, rivals in proposed.groupby(["patient_id", "timepoint", "kind"]):
        if len(rivals) > 1:
            _settle(table, rivals)
    return table


def _places(days: list[str], start: str, end: str) -> dict[str, tuple[str, str]]:
    """Return time point and problem of each examination date of one patient (ISO dates)."""
    if not start:
        problem = "the start of treatment is not known, so neither is the time point"
        return dict.fromkeys(days, ("", problem))
    before = [day for day in days if day and day <= start]
    after = [day for day in days if day and day > (end or start)]
    places = {}
    for day in days:
        if not day:
            places[day] = ("", "the date of the examination is not given")
        elif day <= start:
            late = day == before[-1]
            places[day] = ("pre", "") if late else ("", "an earlier examination than the last one")
        elif day not in after:
            places[day] = ("", "an examination during treatment")
        elif end or len(after) == 1:
            first = day == after[0]
            places[day] = ("post", "") if first else ("", "a later examination than the first one")
        else:
            problem = f"{len(after)} examinations after the start; the end is not known"
            places[day] = ("", problem)
    return places


def _settle(table: pd.DataFrame, rivals: pd.DataFrame) -> None:
    water = rivals[rivals["water"]]
    best = water if 0 < len(water) < len(rivals) else rivals
    for row in rivals.index.difference(best.index):
        _refuse(table, row, "a water image of the same examination is preferred")
    if len(best) > 1:
        for row in best.index:
            _refuse(table, row, RIVAL)


def _refuse(table: pd.DataFrame, row: int, problem: str) -> None:
    table.at[row, "status"] = "refused"
    table.at[row, "reason"] += f"; {problem}"


def _iso(day: date | str | None) -> str:
    return "" if day is None or pd.isna(day) else pd.Timestamp(day).date().isoformat()
