"""Before or after treatment: time points of examinations from their dates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import NamedTuple

import pandas as pd

RIVAL = "another series fits as well: choose one"
FITS = {  # kind of a candidate -> what it could be
    "t2w": {"t2w"},
    "t1c": {"t1c"},
    "t1w": {"t1c"},
    "unclear": {"t2w", "t1c"},
}
OPEN = ("proposed", "decide")


class _Place(NamedTuple):
    """Where an examination lies in the course of treatment."""

    timepoint: str  # pre, post or blank
    problem: str = ""
    is_chosen: bool = True  # the examination from which series are taken


def assign_timepoints(
    table: pd.DataFrame,
    treatment_start: Mapping[str, date] | None,
    treatment_end: Mapping[str, date] | None = None,
) -> pd.DataFrame:
    """Fill the column ``timepoint`` and settle which of several series is proposed.

    Every dated series gets its time point: ``pre`` up to the start of treatment (that day
    included), ``post`` after its end, or after its start where the end is not known and there is
    one later examination only. Series are taken from the last examination before and the first
    after. Of these a Dixon water image is preferred to a plain one; if several remain, a person
    decides. What is in nobody's way (an examination during treatment, a T1-weighted series where
    one with contrast is proposed) is ignored.

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
    for patient, series in table.groupby("patient_id"):
        places = _places(series, _iso(starts.get(patient)), _iso(ends.get(patient)))
        for row in series.index:
            _put(table, row, series, places)
    proposed = table[table["status"] == "proposed"]
    for _, rivals in proposed.groupby(["patient_id", "timepoint", "kind"]):
        if len(rivals) > 1:
            _settle(table, rivals)
    _leave_what_is_not_needed(table)
    return table


def _places(series: pd.DataFrame, start: str, end: str) -> dict[str, _Place]:
    """Return the place of each examination date of one patient (ISO dates)."""
    days = sorted(set(series["study_date"]))
    if not start:
        problem = "the start of treatment is not known, so neither is the time point"
        return dict.fromkeys(days, _Place("", problem))
    by_status = [sorted(set(series.loc[series["status"] == s, "study_date"])) for s in OPEN]
    wanted = sorted({*by_status[0], *by_status[1]} - {""})
    later = [day for day in wanted if day > (end or start)]
    chosen = {
        _chosen(by_status, lambda day: day <= start, max),
        _chosen(by_status, lambda day: day > (end or start), min),
    }
    places = {}
    for day in days:
        if not day:
            places[day] = _Place("", "the date of the examination is not given")
        elif day <= start:
            problem = "" if day in chosen else "an earlier examination than the last one"
            places[day] = _Place("pre", problem, day in chosen)
        elif day <= (end or start):
            places[day] = _Place("", "an examination during treatment", False)
        elif end or later in ([], [day]):
            problem = "" if day in chosen else "a later examination than the first one"
            places[day] = _Place("post", problem, day in chosen)
        else:
            problem = f"{len(later)} examinations after the start; the end is not known"
            places[day] = _Place("", problem)
    return places


def _chosen(
    by_status: list[list[str]], fits: Callable[[str], bool], nearest: Callable[[list[str]], str]
) -> str:
    """Return the day nearest to treatment on which something is proposed, else is to be decided."""
    for days in by_status:
        fitting = [day for day in days if day and fits(day)]
        if fitting:
            return nearest(fitting)
    return ""


def _put(table: pd.DataFrame, row: int, series: pd.DataFrame, places: dict[str, _Place]) -> None:
    """Give one series its time point and what follows from it."""
    place = places[table.at[row, "study_date"]]
    table.at[row, "timepoint"] = place.timepoint
    if table.at[row, "status"] not in OPEN or not place.problem:
        return
    status = "decide" if place.is_chosen else "ignored"
    if table.at[row, "status"] == "decide" and place.timepoint and not place.is_chosen:
        chosen = [day for day, other in places.items() if other.is_chosen]
        series = series[series["study_date"].isin(chosen)]
        series = series[[places[day].timepoint == place.timepoint for day in series["study_date"]]]
        if not _is_filled(series, table.at[row, "kind"], OPEN):
            status = "decide"
    _set(table, row, status, place.problem)


def _is_filled(series: pd.DataFrame, kind: str, statuses: tuple[str, ...]) -> bool:
    """Tell whether other series could be all that a series of this kind could."""
    kinds = series.loc[series["status"].isin(statuses), "kind"]
    return FITS[kind] <= set().union(*(FITS[other] for other in kinds))


def _settle(table: pd.DataFrame, rivals: pd.DataFrame) -> None:
    water = rivals[rivals["water"]]
    best = water if 0 < len(water) < len(rivals) else rivals
    for row in rivals.index.difference(best.index):
        _set(table, row, "ignored", "a water image of the same examination is preferred")
    if len(best) > 1:
        for row in best.index:
            _set(table, row, "decide", RIVAL)


def _leave_what_is_not_needed(table: pd.DataFrame) -> None:
    """Spare a person the series that could only be what another one is proposed for."""
    for _, series in table[table["timepoint"] != ""].groupby(["patient_id", "timepoint"]):
        for row in series.index[series["status"] == "decide"]:
            kind = series.at[row, "kind"]
            if kind in ("t1w", "unclear") and _is_filled(series, kind, ("proposed",)):
                _set(table, row, "ignored", "not needed: others are proposed for its place")


def _set(table: pd.DataFrame, row: int, status: str, problem: str) -> None:
    table.at[row, "status"] = status
    table.at[row, "reason"] += f"; {problem}"


def _iso(day: date | str | None) -> str:
    return "" if day is None or pd.isna(day) else pd.Timestamp(day).date().isoformat()
