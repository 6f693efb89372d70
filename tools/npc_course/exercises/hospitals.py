"""Exercises on a model in another hospital."""

import numpy as np
import pandas as pd
from scipy.special import logit

from npc_course.exercises.checking import OtherForm, Wrong, compare, exercise, number, numbers, word
from npc_helpers.statistics import c_index, calibration_at
from npc_helpers.study import Study

CLOSE = 0.0005
CHANGES = ("falls", "rises", "stays")


@exercise(
    "11.1",
    form="a number",
    hint="Observed is a probability, one minus the curve. Expected is the mean prediction.",
)
def observed_over_expected(
    study: Study, answer: object, *, patients: pd.DataFrame, p_event: pd.Series
) -> str:
    """Judge the ratio of the observed risk to the mean prediction."""
    time, event, given = patients["pfs_months"], patients["progressed"], number(answer)
    result = calibration_at(time, event, p_event)
    ratio, observed, expected = result.ratio.value, result.observed.value, result.expected
    mistakes = {
        "That is expected over observed.": 1 / ratio,
        "That is the difference.": observed - expected,
        "This takes everybody who was lost for somebody who stayed well.": event.mean() / expected,
    }
    compare(given, ratio, mistakes, within=CLOSE)
    return (
        f"{ratio:.2f}: of 100 patients the model expects {100 * expected:.0f} to progress by "
        f"36 months; by the Kaplan-Meier curve, {100 * observed:.0f} do."
    )


@exercise(
    "11.2",
    form='`"falls"`, `"rises"` or `"stays"`',
    hint="A C-index asks which patient of a pair has the higher risk, and not how high it is.",
)
def c_index_after_recalibration(
    study: Study, answer: object, *, patients: pd.DataFrame, p_event: pd.Series
) -> str:
    """Judge what a shift and a stretch of all log odds do to a C-index."""
    if word(answer, CHANGES) != "stays":
        raise Wrong("Whoever had the higher log odds of two patients still has them.")
    c = c_index(patients["pfs_months"], patients["progressed"], p_event).value
    return (
        f"{c:.3f} before and after. So a C-index cannot notice that probabilities are wrong, "
        "and cannot notice that they were repaired."
    )


@exercise(
    "11.3",
    form="one probability for each patient",
    hint="Log odds have no end on either side: `logit` leads to them, and `expit` back.",
)
def shifted(study: Study, answer: object, *, p_event: pd.Series, observed: float) -> str:
    """Judge probabilities whose log odds were shifted until their mean is the observed risk."""
    p, before = numbers(answer), np.asarray(p_event, dtype=float)
    if len(p) != len(before):
        raise OtherForm("another number of patients")
    if outside := int(((p <= 0) | (p >= 1)).sum()):
        raise Wrong(f"{outside} of {len(p)} values do not lie between 0 and 1.")
    if abs(p.mean() - observed) > CLOSE:
        raise Wrong(f"Their mean is {p.mean():.3f}, and the observed risk {observed:.3f}.")
    added = logit(p) - logit(before)
    if np.ptp(added) > CLOSE:
        raise Wrong("The mean is right, but the log odds did not all change by the same amount.")
    return (
        f"All odds were multiplied by {np.exp(added.mean()):.2f}. The lowest risk went from "
        f"{before.min():.3f} to {p.min():.3f} and the highest from {before.max():.3f} to "
        f"{p.max():.3f}: no sum of log odds leads beyond 0 or 1."
    )
