"""Exercises on survival networks: who counts in which interval, and curves of visits."""

import pandas as pd

from npc_course.exercises.checking import Wrong, exercise, number
from npc_helpers.study import Study

LOST_AT = 20  # months: past the middle of the second interval, before its end
EARLY = 12  # months at which the two curves are compared
READ_WITHIN = 0.03  # what an eye can read from an axis that is four inches high


@exercise(
    "12.1",
    form="a whole number of intervals",
    hint="The middle of the interval from 12 to 24 months is at 18. Was the patient seen after it?",
)
def intervals_survived(study: Study, answer: object) -> str:
    """Judge how many intervals a patient who was lost counts as having survived."""
    from npc_helpers.network.survival_losses import ENDS  # loads Keras, which other lessons spare

    starts = (0.0, *ENDS[:-1])
    ended = sum(end <= LOST_AT for end in ENDS)
    survived = sum(LOST_AT >= (a + b) / 2 for a, b in zip(starts, ENDS, strict=True))
    if number(answer) == len(ENDS) != survived:
        raise Wrong("Nobody knows what came after the patient was lost.")
    if number(answer) == ended != survived:
        raise Wrong("One interval had ended, and the patient was also seen for most of another.")
    if number(answer) != survived:
        raise Wrong(f"It is not {number(answer):g}.")
    return (
        f"{survived}: the first, and the second because more than half of it was observed. The "
        "others add nothing to the loss: they teach neither high nor low risk."
    )


@exercise(
    "12.2",
    form="a share between 0 and 1",
    hint=f"Go up from {EARLY} months to Turnbull's curve, not to the broken one, then left.",
)
def without_progression_by_visits(study: Study, answer: object, *, curve: pd.DataFrame) -> str:
    """Judge the share without progression that was read from Turnbull's curve."""
    low, high = curve.loc[curve["time"] <= EARLY, ["low", "high"]].iloc[-1]
    read = number(answer)
    if not 0 <= read <= 1:
        raise Wrong(f"A share lies between 0 and 1, and {read:g} does not.")
    if not low - READ_WITHIN <= read <= high + READ_WITHIN:
        raise Wrong(f"{read:.2f} is too {'high' if read > high else 'low'}.")
    span = f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
    return f"{span} of the patients are without progression at {EARLY} months by this curve."
