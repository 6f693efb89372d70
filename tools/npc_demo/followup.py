"""Reviews, detection of progression, and loss to follow-up of the synthetic patients.

All times are whole days from the start of treatment. Progression happens at a hidden time and is
*found* at the next review; death is known to the day. Whoever has not progressed is censored at
the last review, because the patient stopped coming (after two years at the earliest) or because
the study was locked. Neither depends on the hidden variables.
"""

import numpy as np

from npc_demo.published import FOLLOW_UP_ATOMS, FOLLOW_UP_COUNTS
from npc_demo.survival import DAYS_PER_MONTH

# (until this many days after treatment, mean gap, SD, shortest, longest), for the paper's "every
# 3 months for 2 years, every 6 to year 5, yearly after". The longest gap plus MERGE_DAYS stays
# within 45 days of the rule. Limits lie a few days late, so that a gap that starts on the
# boundary obeys the stricter rule.
SCHEDULE = (
    (735, 89.0, 9.0, 68, 114),
    (1832, 178.0, 13.0, 130, 205),
    (np.inf, 358.0, 14.0, 290, 385),
)
MERGE_DAYS = 21  # a review closer than this before the last one is dropped
TWO_YEARS = 692  # the review that completes two years may be some weeks early, as any other
HORIZON_DAYS = 2900  # longer than the recruitment period and the study's end together
LATEST_REVIEW = 2700
MEAN_LOSS_DAYS = 45 * DAYS_PER_MONTH


def last_day(month: int) -> int:
    """Last day that rounds to ``month`` months."""
    return int((month + 0.5) * DAYS_PER_MONTH)


def months(days: np.ndarray) -> np.ndarray:
    """Days in whole months, as the study records them."""
    return np.rint(np.asarray(days) / DAYS_PER_MONTH).astype(int)


def draw_schedule(treatment_end: int, rng: np.random.Generator) -> np.ndarray:
    """Days of all reviews a faithful patient would have, from treatment's end to the horizon."""
    noise = rng.standard_normal(40)
    days, now = [], 0
    for z in noise:
        _, mean, sd, shortest, longest = next(row for row in SCHEDULE if now < row[0])
        now += int(np.clip(round(mean + sd * z), shortest, longest))
        days.append(treatment_end + now)
        if days[-1] > HORIZON_DAYS:
            break
    return np.array(days)


def attended(schedule: np.ndarray, last_review: int) -> np.ndarray:
    """Reviews up to the last one, which falls on ``last_review``."""
    earlier = schedule[schedule < last_review]
    if len(earlier) > 1 and last_review - earlier[-1] < MERGE_DAYS:
        earlier = earlier[:-1]
    return np.append(earlier, last_review)


def detection_days(
    event_days: np.ndarray, event_types: np.ndarray, schedules: list[np.ndarray]
) -> np.ndarray:
    """Day on which each event would be known: the next review, or the day of death itself."""
    detected = np.empty(len(event_days), dtype=int)
    for i, schedule in enumerate(schedules):
        later = schedule[schedule >= event_days[i]]
        detected[i] = later[0] if len(later) else 10**6
    return np.where(event_types == "death", event_days, detected)


def draw_censoring(
    treatment_end: np.ndarray, latest: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Last review of patients who never progress, before any calibration.

    Parameters
    ----------
    treatment_end : ndarray of int, shape (n,)
    latest : ndarray of int, shape (n,)
        Days from the start of recruitment to the lock of the patient's record.

    Returns
    -------
    last_review, until_lock : ndarray of int, shape (n,)
        Days from the start of treatment to the last review and to the lock.
    lost : ndarray of bool, shape (n,)
        The patient stopped coming; otherwise the study ended.
    """
    n = len(treatment_end)
    complete = treatment_end + TWO_YEARS
    until_lock = complete + np.floor(rng.random(n) * (latest - complete + 1)).astype(int)
    waiting = rng.integers(0, 150, n)
    at_lock = np.maximum(until_lock - waiting, complete)
    loss = complete + rng.exponential(MEAN_LOSS_DAYS, n).astype(int)
    return np.minimum(at_lock, loss), until_lock, loss < at_lock


def match_follow_up(
    last_review: np.ndarray,
    detected: np.ndarray,
    treatment_end: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Stretch censoring times so that recorded follow-up has the paper's quartiles exactly.

    Events stay where they are. Censoring times keep their order (among patients whose treatment
    took equally long) and are moved by a piecewise linear map whose knots make the counts of
    ``FOLLOW_UP_COUNTS`` exact; it knows how many patients had an event by then, and nothing else
    about them. A patient needs two years of review, so whose treatment was long cannot be censored
    by month 26. At most five censoring dates are then moved by some weeks to hold the months on
    which the percentiles rest.

    Parameters
    ----------
    last_review, detected, treatment_end : ndarray of int, shape (n,)
        Natural censoring day, day on which the event would be known, end of treatment.

    Returns
    -------
    ndarray of int, shape (n,)
        The last day on which each patient would be reviewed. Recorded follow-up is
        ``minimum(detected, result)``.

    Raises
    ------
    ValueError
        If no censoring times reach the counts, for instance with too many early events.
    """
    order = np.argsort(last_review, kind="stable")
    lowest = treatment_end + TWO_YEARS
    month_of = np.full(len(order), 10**6)
    for month, count in FOLLOW_UP_COUNTS.items():
        able = order[lowest[order] <= last_day(month)]
        missing = count - int(((detected <= last_day(month)) | (month_of <= month)).sum())
        for i in able[month_of[able] > month]:
            if missing <= 0:
                break
            month_of[i] = month
            missing -= detected[i] > last_day(month)
        if missing:
            raise ValueError(
                f"follow-up cannot have {count} patients within {month} months: "
                f"{abs(missing)} too {'few' if missing > 0 else 'many'}; choose another seed"
            )
    matched = _stretch(last_review, month_of, lowest)
    for month, wanted in FOLLOW_UP_ATOMS:
        n_missing = wanted - int((months(np.minimum(matched, detected)) == month).sum())
        able = (month_of == _segment(month)) & (lowest <= last_day(month))
        able &= (detected > last_day(month)) & (months(matched) != month)
        _move_nearest(matched, np.flatnonzero(able), max(n_missing, 0), month, lowest, rng)
    return matched


def _stretch(last_review: np.ndarray, month_of: np.ndarray, lowest: np.ndarray) -> np.ndarray:
    """Map each segment of censoring times linearly onto the months it has to fall in."""
    bounds = (*FOLLOW_UP_COUNTS, 10**6)
    result = last_review.copy()
    floor = 0
    for month in bounds:
        members = np.flatnonzero(month_of == month)
        ceiling = last_day(month) if month < 10**6 else LATEST_REVIEW
        values = last_review[members]
        # from each patient's own earliest possible day, so that nobody falls short of two years
        low = np.maximum(lowest[members], floor)
        share = (values - values.min()) / max(int(np.ptp(values)), 1)
        result[members] = np.rint(low + share * (ceiling - low)).astype(int)
        floor = ceiling + 1
    return result


def _segment(month: int) -> int:
    return min(bound for bound in (*FOLLOW_UP_COUNTS, 10**6) if bound >= month)


def _move_nearest(
    matched: np.ndarray,
    able: np.ndarray,
    n: int,
    month: int,
    lowest: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Move ``n`` of the ``able`` censoring dates into ``month``, the nearest first, in place."""
    first, last = last_day(month - 1) + 1, last_day(month)
    nearest = able[np.argsort(np.abs(matched[able] - (first + last) / 2), kind="stable")]
    for i in nearest[:n]:
        matched[i] = rng.integers(max(first, lowest[i]), last + 1)
