"""Exercises on how sure a result is."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from npc_course.exercises.checking import OtherForm, Wrong, exercise, number, numbers
from npc_helpers.statistics import auc_standard_error, compare_auc, half_width, roc_auc
from npc_helpers.study import Study

PRINTED_AUC = 0.842  # the paper's Ensemble
SAME = 1e-6


@exercise(
    "10.1",
    form="a number",
    hint="The width shrinks with the square root of the number of patients.",
)
def times_as_many(study: Study, answer: object, *, n: int) -> str:
    """Judge how many times as many patients halve an interval."""
    given = number(answer)
    if given <= 1:
        raise Wrong("Fewer patients make an interval wider.")
    if abs(given - 2) < 0.3:
        raise Wrong(f"With twice as many it is {_width(2 * n) / _width(n):.2f} times as wide.")
    if abs(given - 4) > 0.3:
        raise Wrong(f"With {given:g} times as many it is {_width(given * n) / _width(n):.2f}.")
    return (
        f"An AUC of {PRINTED_AUC} from {n} patients: ± {_width(n):.2f}; from {4 * n}: "
        f"± {_width(4 * n):.2f}. A tenth of the width would take a hundred times as many."
    )


def _width(n: float) -> float:
    return half_width(auc_standard_error(PRINTED_AUC, n / 2, n / 2))


@exercise(
    "10.2",
    form="one row number for each patient",
    hint="Which patients has the second model to judge, if the two are to be compared fairly?",
)
def rows_of_second(
    study: Study,
    answer: object,
    *,
    rows_of_first: np.ndarray,
    patients: pd.DataFrame,
    risk: Mapping[str, pd.Series],
) -> str:
    """Judge whether both models are drawn the same patients."""
    rows = numbers(answer)
    if len(rows) != len(rows_of_first):
        raise OtherForm("another number of patients")
    if (np.sort(rows) == np.arange(len(rows))).all():
        raise Wrong("This takes every patient once, and draws nobody.")
    if n_different := int((rows != rows_of_first).sum()):
        raise Wrong(f"In {n_different} of {len(rows)} places the models judge different patients.")
    label, names = patients["high_risk"], ("Ensemble", "TNM")
    paired = compare_auc(label, {name: risk[name] for name in names}).iloc[0]
    apart = [roc_auc(label, risk[name]) for name in names]
    unpaired = np.hypot(*[auc.high - auc.low for auc in apart])
    return (
        "What is hard about a patient is then taken from both. The interval of Ensemble minus TNM "
        f"is {paired['high'] - paired['low']:.2f} wide; from different patients it would be about "
        f"{unpaired:.2f}."
    )


@exercise(
    "10.3",
    form="a share between 0 and 1",
    hint="Compare the two columns row by row, then take the mean of the `True`.",
)
def ensemble_ahead(study: Study, answer: object, *, splits: pd.DataFrame) -> str:
    """Judge the share of splits in which the Ensemble has the higher AUC."""
    auc = splits.pivot(index="split", columns="model", values="auc")
    higher, ties = auc["Ensemble"] > auc["TNM"], auc["Ensemble"] == auc["TNM"]
    given, share, lower = number(answer), higher.mean(), 1 - higher.mean() - ties.mean()
    if min(abs(given - right) for right in (share, share + ties.mean() / 2)) > SAME:
        if min(abs(given - wrong) for wrong in (lower, 1 - share)) < SAME:
            raise Wrong("That is the share in which TNM is ahead.")
        if given == higher.sum() > 1:
            raise Wrong("That is a number of splits; asked for is their share.")
        raise Wrong(f"It is not {given:.3g}.")
    return (
        f"{higher.sum()} of {len(auc)} splits. In each of the others a paper could have been "
        "written that says the opposite."
    )


@exercise(
    "10.4",
    form="a number",
    hint="First λ = 0.30² / (0.30² + 0.60²): the share that the subgroup keeps of its own value.",
)
def shrunken_value(study: Study, answer: object) -> str:
    """Judge a shrunken estimate: own value 1.10 (standard error 0.60), common 0.80, spread 0.30."""
    given = number(answer)
    kept = 0.30**2 / (0.30**2 + 0.60**2)
    right = kept * 1.10 + (1 - kept) * 0.80
    if abs(given - right) < 0.005:
        return (
            f"{right:.2f}: the subgroup keeps a fifth of its distance. As a hazard ratio "
            f"{np.exp(right):.1f} instead of {np.exp(1.10):.1f}; the common one is "
            f"{np.exp(0.80):.1f}."
        )
    if abs(given - (1 - kept) * 1.10 - kept * 0.80) < 0.005:
        raise Wrong("The shares are exchanged: so uncertain a value keeps the smaller one.")
    if abs(given - kept) < 0.005:
        raise Wrong("That is λ, the share that it keeps.")
    raise Wrong(f"It is not {given:.3g}; it lies between the subgroup's value and the common one.")
