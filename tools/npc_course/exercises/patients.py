"""Exercises on who is studied, in which stage, and for how long without progression."""

import pandas as pd

from npc_course.exercises.checking import Wrong, exercise, number, numbers, word
from npc_helpers import cohort
from npc_helpers.statistics import kaplan_meier
from npc_helpers.study import Study

STRICT_DAYS, USUAL_DAYS = 14, 45
HORIZON_MONTHS = 36
READ_WITHIN = 0.03  # what an eye can read from an axis that is three inches high
DIRECTIONS = ("rises", "falls", "stays")


def _screened(study: Study, days: int) -> tuple[int, float]:
    """Return how many patients pass at a tolerance, and the share of them with an event."""
    screening = cohort.screen(study.registry, study.visits, review_tolerance_days=days)
    progressed = cohort.progression_free_survival(study.registry)["progressed"]
    return int(screening["included"].sum()), float(progressed[screening["included"]].mean())


@exercise(
    "01.1",
    form='`"rises"`, `"falls"` or `"stays"`',
    hint="See the four numbers above: who leaves when the rule is strict?",
)
def stricter_review(study: Study, answer: object) -> str:
    """Judge what a stricter tolerance does to the share of patients with an event."""
    study.require_outcomes("this exercise")
    direction = word(answer, DIRECTIONS)
    usual, before = _screened(study, USUAL_DAYS)
    strict, after = _screened(study, STRICT_DAYS)
    change = after - before if strict else 0
    truth = "stays" if abs(change) < 0.01 else "rises" if change > 0 else "falls"
    if direction != truth and strict == usual:
        raise Wrong(f"All {usual} patients remain with either tolerance.")
    if direction != truth:
        raise Wrong(
            f"{strict} patients would remain instead of {usual}, and those who leave are not a "
            "random part of them."
        )
    return (
        f"{strict} patients remain instead of {usual}, and {after:.0%} of them instead of "
        f"{before:.0%} had an event. Now write 14 for `tolerance` in *Screen* and run the "
        "cells below it: every figure shows the other cohort."
    )


@exercise(
    "01.2",
    form="a whole number of patients",
    hint="Compare the columns `stage_7th` and `stage_8th` row by row (`!=`) and count the `True` "
    "(`.sum()`).",
)
def regrouped(study: Study, answer: object, *, patients: pd.DataFrame) -> str:
    """Judge how many patients have another stage group in the other edition."""
    differ = int((patients["stage_7th"] != patients["stage_8th"]).sum())
    if number(answer) == len(patients) - differ != differ:
        raise Wrong("These are the patients whose group is the same in both editions.")
    if 0 < number(answer) < 1:
        raise Wrong("This is a share of the patients; the question is how many they are.")
    if number(answer) != differ:
        raise Wrong(f"Of {len(patients)} patients, it is not {number(answer):g}.")
    return (
        f"{differ} of {len(patients)} patients change their group, although nothing about them "
        "changed."
    )


@exercise(
    "01.3",
    form="a share between 0 and 1",
    hint=f"Go up from {HORIZON_MONTHS} on the axis of months to the curve, then left.",
)
def free_at_horizon(study: Study, answer: object, *, patients: pd.DataFrame) -> str:
    """Judge the share without progression that was read from the curve."""
    months, progressed = patients["pfs_months"].to_numpy(), patients["progressed"].to_numpy()
    curve, read = kaplan_meier(months, progressed), number(answer)
    free = curve.survival[curve.time <= HORIZON_MONTHS].iloc[-1]
    if not 0 <= read <= 1:
        raise Wrong(f"A share lies between 0 and 1, and {read:g} does not.")
    if abs(read - free) > READ_WITHIN:
        side = "high" if read > free else "low"
        raise Wrong(f"{read:.2f} is too {side}.")
    naive = float((patients["pfs_months"] > HORIZON_MONTHS).mean())
    return (
        f"{free:.2f} of the patients are without progression at {HORIZON_MONTHS} months. Merely "
        f"{naive:.2f} were *observed* for longer: the others had progressed or were not followed "
        "that far, and the curve tells the two apart."
    )


@exercise(
    "01.4",
    form="one `True` or `False` for each patient",
    hint="Two things must be true: the patient progressed, *and* by that month.",
)
def progressed_by_horizon(study: Study, answer: object, *, patients: pd.DataFrame) -> str:
    """Judge a column that tells who progressed by the horizon."""
    given = numbers(answer).astype(bool)
    if len(given) != len(patients):
        raise Wrong(f"Your answer has {len(given)} values, and there are {len(patients)} patients.")
    by_then = patients["pfs_months"].to_numpy() <= HORIZON_MONTHS
    truth = patients["progressed"].to_numpy(dtype=bool) & by_then
    if extra := int((given & ~truth).sum()):
        raise Wrong(f"{extra} patients are called progressed and were not by then.")
    if missed := int((truth & ~given).sum()):
        raise Wrong(f"{missed} patients progressed by then and are not among yours.")
    unknown = int((by_then & ~patients["progressed"].to_numpy(dtype=bool)).sum())
    return (
        f"{int(truth.sum())} progressed by {HORIZON_MONTHS} months. Of {unknown} others nobody "
        "knows: they were not followed so long, and the honest label leaves them blank."
    )
