"""Before or after treatment: time points of examinations from their dates."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple

import pandas as pd

from npc_helpers.study.schema import SEQUENCES, TIMEPOINTS

BEFORE, AFTER = pd.Timedelta(days=92), pd.Timedelta(days=366)  # three months, and a year
RIVAL = "another series fits as well: choose one"
FITS = {  # kind of a candidate -> what it could be
    "t2w": {"t2w"},
    "t1c": {"t1c"},
    "t1w": {"t1c"},
    "unclear": {"t2w", "t1c"},
}
OPEN = ("proposed", "decide")


Row = dict[str, Any]  # of the list, by column


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
    after; what these lack and another examination has, a person decides: an examination may go on
    the next day. So it is with one that lies further from treatment than `BEFORE` and `AFTER`. A
    Dixon water image is preferred to a plain one; if several remain, a person decides. What is in
    nobody's way (an examination during treatment, a T1-weighted series where one with contrast is
    proposed) is ignored.

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
    starts, ends = treatment_start or {}, treatment_end or {}
    rows = table.to_dict("records")
    patients: dict[str, list[Row]] = {}
    for row in rows:
        patients.setdefault(row["patient_id"], []).append(row)
    for patient, series in patients.items():
        places = _places(series, _iso(starts.get(patient)), _iso(ends.get(patient)))
        statuses = [row["status"] for row in series]
        for row in series:
            _put(row, places[row["study_date"]], _rivals_elsewhere(row, series, statuses, places))
        for timepoint in TIMEPOINTS:
            of_it = [row for row in series if row["timepoint"] == timepoint]
            for kind in SEQUENCES:
                _settle([row for row in of_it if _is(row, "proposed") and row["kind"] == kind])
            _leave_what_is_not_needed(of_it)
    return pd.DataFrame(rows, columns=table.columns, index=table.index)


def _is(row: Row, *statuses: str) -> bool:
    return row["status"] in statuses


def _places(series: list[Row], start: str, end: str) -> dict[str, _Place]:
    """Return the place of each examination date of one patient (ISO dates)."""
    days = sorted({row["study_date"] for row in series})
    if not start:
        problem = "the start of treatment is not known, so neither is the time point"
        return dict.fromkeys(days, _Place("", problem))
    end_or_start = end or start
    by_status = [sorted({row["study_date"] for row in series if _is(row, s)}) for s in OPEN]
    later = {day for days in by_status for day in days if day > end_or_start}
    before = _chosen(by_status, lambda day: day <= start, max)
    after = _chosen(by_status, lambda day: day > end_or_start, min)
    places = {}
    for day in days:
        if not day:
            places[day] = _Place("", "the date of the examination is not given")
        elif day <= start:
            places[day] = _place("pre", day, before, start)
        elif day <= end_or_start:
            places[day] = _Place("", "an examination during treatment", False)
        elif end or later <= {day}:
            places[day] = _place("post", day, after, end_or_start)
        else:
            problem = f"{len(later)} examinations after the start; the end is not known"
            places[day] = _Place("", problem)
    return places


def _place(timepoint: str, day: str, chosen: str, treatment: str) -> _Place:
    apart = pd.Timestamp(day) - pd.Timestamp(treatment)
    problem = "" if day == chosen else f"series are taken from the examination of {chosen}"
    if day == chosen and not -BEFORE <= apart <= AFTER:
        side = "before" if timepoint == "pre" else "after"
        problem = f"an examination {abs(apart.days)} days {side} treatment"
    return _Place(timepoint, problem, day == chosen)


def _chosen(
    by_status: list[list[str]], fits: Callable[[str], bool], nearest: Callable[[list[str]], str]
) -> str:
    """Return the day nearest to treatment on which something is proposed, else is to be decided."""
    for days in by_status:
        fitting = [day for day in days if day and fits(day)]
        if fitting:
            return nearest(fitting)
    return ""


def _rivals_elsewhere(
    row: Row, series: list[Row], statuses: list[str], places: dict[str, _Place]
) -> list[Row]:
    """Return the series of the chosen day that have the time point of this one."""
    timepoint = places[row["study_date"]].timepoint
    return [
        rival
        for rival, status in zip(series, statuses, strict=True)
        if status in OPEN
        and places[rival["study_date"]].is_chosen
        and places[rival["study_date"]].timepoint == timepoint
    ]


def _put(row: Row, place: _Place, rivals: list[Row]) -> None:
    """Give one series its time point and what follows from it."""
    row["timepoint"] = place.timepoint
    if not _is(row, *OPEN) or not place.problem:
        return
    if place.timepoint and not place.is_chosen and not _is_filled(row, rivals):
        _set(row, "decide", f"{place.problem}, which has nothing for its place")
    else:
        _set(row, "decide" if place.is_chosen else "ignored", place.problem)


def _is_filled(row: Row, others: list[Row]) -> bool:
    """Tell whether other series could be all that this one could."""
    # an unclear series that was asked about its agent is T1-weighted, and cannot stand for a t2w
    filled = {"t1c"} if any(rival["contrast"] for rival in others) else set()
    filled = filled.union(*(FITS[rival["kind"]] for rival in others if not rival["contrast"]))
    return FITS[row["kind"]] <= filled


def _settle(rivals: list[Row]) -> None:
    water = [row for row in rivals if row["water"]]
    best = water if 0 < len(water) < len(rivals) else rivals
    for row in rivals:
        if row not in best:
            _set(row, "ignored", "a water image of the same examination is preferred")
        elif len(best) > 1:
            _set(row, "decide", RIVAL)


def _leave_what_is_not_needed(series: list[Row]) -> None:
    """Spare a person the series that could only be what another one is proposed for."""
    proposed = [row for row in series if _is(row, "proposed")]
    for row in series:
        undecided = _is(row, "decide") and row["kind"] in ("t1w", "unclear")
        if undecided and _is_filled(row, proposed):
            _set(row, "ignored", "not needed: others are proposed for its place")


def _set(row: Row, status: str, problem: str) -> None:
    row["status"] = status
    row["reason"] += f"; {problem}"


def _iso(day: date | str | None) -> str:
    return "" if day is None or pd.isna(day) else pd.Timestamp(day).date().isoformat()
