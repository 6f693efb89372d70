"""Exercises on values that are missing, or below the limit of detection."""

import numpy as np
import pandas as pd

from npc_course.exercises.checking import OtherForm, Wrong, compare, exercise, number, word
from npc_helpers.statistics import CoxModel, pool_estimates
from npc_helpers.study import Study

SAME = 1e-6
OUTCOME = {"event", "hazard"}


@exercise(
    "14.1",
    form="a whole number of patients",
    hint="Who is left out: a blank, a zero, or both? Neither has a logarithm.",
)
def patients_left(study: Study, answer: object, *, copies: pd.Series) -> str:
    """Judge how many patients have a measured value."""
    left = int((copies > 0).sum())
    mistakes = {
        "Patients in whom nothing was detected have no logarithm either.": copies.notna().sum(),
        "That is how many are left out.": len(copies) - left,
        "That is how many have a blank.": copies.isna().sum(),
        "That is a share; asked for is a number of patients.": left / len(copies),
    }
    compare(number(answer), left, mistakes)
    return (
        f"{left} of {len(copies)}. The {int((copies == 0).sum())} without a detected value leave, "
        "too, although much is known of them."
    )


@exercise(
    "14.2",
    form='`"narrower"` or `"wider"`',
    hint="How many patients does the model count now, and how far apart are their values?",
)
def interval_becomes(study: Study, answer: object, *, complete: CoxModel, filled: CoxModel) -> str:
    """Judge what zeros in the gaps do to an interval."""
    said = word(answer, ("narrower", "wider"))
    before, after = (np.log(m.table.high["EBV"] / m.table.low["EBV"]) for m in (complete, filled))
    if (said == "narrower") != (after < before):
        raise Wrong(f"There are {filled.n - complete.n} patients more, all taken for measured.")
    return (
        f"From {before:.2f} to {after:.2f} on the logarithmic scale. Nobody was measured "
        f"anew, and yet {filled.n - complete.n} patients more are counted as if they had been."
    )


@exercise("14.3", form="a number", hint="Two terms; `between` times (1 + 1 / m).")
def total_variance(study: Study, answer: object, *, estimates, variances) -> str:
    """Judge the total variance by Rubin's rules."""
    pooled = pool_estimates(estimates, variances)
    within, between = np.mean(variances), np.var(estimates, ddof=1)
    truth, m = pooled.standard_error**2, len(estimates)
    mistakes = {
        "That is what a single table believes.": within,
        f"Nearly: with {m} tables their mean is uncertain itself.": within + between,
        "That is its square root, the standard error.": pooled.standard_error,
    }
    compare(number(answer), truth, mistakes, within=SAME)
    return (
        f"{truth:.4f}, a standard error of {pooled.standard_error:.3f}. Of it, "
        f"{pooled.missing_information:.0%} comes from what was not measured."
    )


@exercise(
    "14.4",
    form="a list of column names",
    hint="Follow a patient through the day on which the prognosis is made.",
)
def columns_to_score(study: Study, answer: object, *, columns: pd.DataFrame) -> str:
    """Judge whether an imputation for a prognosis leaves the outcome out."""
    if isinstance(answer, str) or not set(map(str, np.atleast_1d(answer))) <= set(columns):
        raise OtherForm(repr(answer))
    given = set(map(str, np.atleast_1d(answer)))
    if later := sorted(given & OUTCOME):
        raise Wrong(f"On that day nobody knows {' and '.join(later)} of the patient.")
    if absent := sorted(set(columns) - OUTCOME - given):
        raise Wrong(f"There is no reason to do without {', '.join(absent)}.")
    return (
        f"{', '.join(sorted(given))}. With the outcome in, the drawn value would carry it into the "
        "score, and the score would be tested on what it had been told."
    )
