"""Exercises that spring a trap: predict what it does, then see."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from npc_course.exercises.checking import OtherForm, Wrong, compare, exercise, number, numbers, word
from npc_helpers.statistics import c_index, roc_auc
from npc_helpers.study import NotInThisStudy, Study

NEAR = 0.05  # what one can predict without computing
SAME = 1e-6


@exercise(
    "13.1",
    form="a number between 0 and 1",
    hint="A tight box shows how far the tumour reaches, and the T category says the same.",
)
def area_of_tight_boxes(
    study: Study, answer: object, *, area: pd.Series, advanced: pd.Series
) -> str:
    """Judge a prediction of the AUC of the area of tight boxes for the advanced stage."""
    auc, given = roc_auc(advanced, area), number(answer)
    if not auc.low <= given <= auc.high:
        side = "more" if given < auc.low else "less"
        raise Wrong(f"The box alone tells {side} than that.")
    return f"The AUC is {auc}, and no tissue was looked at."


@exercise(
    "13.2",
    form="a number between 0 and 1",
    hint="One try gives 0.5 on average, and often 0.4 or 0.6. And the best of 100?",
)
def best_of_noise(study: Study, answer: object, *, high_risk: pd.Series) -> str:
    """Judge a prediction of the best AUC among a hundred scores that are noise."""
    best = [max(noise_aucs(high_risk, 100, seed)) for seed in range(50)]
    mean, given = float(np.mean(best)), number(answer)
    if abs(given - mean) > NEAR:
        raise Wrong(f"The best is {'better' if given < mean else 'worse'} than that on average.")
    return (
        f"On average the best of 100 has {mean:.2f}, and in one of twenty such searches more than "
        f"{np.quantile(best, 0.95):.2f}."
    )


def noise_aucs(high_risk: pd.Series, tries: int, seed: int) -> np.ndarray:
    """Return the AUC of each of some scores that are drawn at random.

    Parameters
    ----------
    high_risk : Series of bool, shape (n,)

    Examples
    --------
    >>> noise_aucs(pd.Series([True, True, False]), 3, seed=1)
    array([1. , 0.5, 0.5])
    """
    label = high_risk.to_numpy(dtype=bool)
    scores = np.random.default_rng(seed).random((tries, len(label)))
    ranks = scores.argsort(axis=1).argsort(axis=1) + 1  # (tries, n)
    positive, negative = label.sum(), (~label).sum()
    return (ranks[:, label].sum(axis=1) - positive * (positive + 1) / 2) / (positive * negative)


@exercise(
    "13.3",
    form="a number between 0 and 1",
    hint="Lesson 10 drew one dot for each split: how far apart do they lie?",
)
def best_split(study: Study, answer: object, *, auc: pd.Series) -> str:
    """Judge a prediction of the AUC in the best of many splits."""
    given, best = number(answer), auc.max()
    if abs(given - best) > NEAR:
        raise Wrong(f"The best split is {'better' if given < best else 'worse'} than that.")
    return f"{best:.2f} in the best of {len(auc)} splits, {auc.mean():.2f} on average."


@exercise(
    "13.4",
    form="two numbers: the AUC in the training and in the test cohort",
    hint="What can be learned by heart, and is any of it true of other patients?",
)
def shuffled_labels(study: Study, answer: object) -> str:
    """Judge a prediction of what a flexible model makes of labels that were shuffled."""
    given = numbers(answer)
    if len(given) != 2:
        raise OtherForm("not two numbers")
    if given[0] < 1 - NEAR:
        raise Wrong("A forest of deep trees learns every training patient by heart.")
    if abs(given[1] - 0.5) > NEAR:
        raise Wrong("The test labels were drawn by lot, and nothing can foresee a lot.")
    return "In the training cohort everything, in the test cohort nothing but chance."


@exercise(
    "13.5",
    form='`"median label"` or `"time to progression"`',
    hint="Which of the two calls a patient high-risk because the study closed?",
)
def fooled_by_the_calendar(
    study: Study, answer: object, *, patients: pd.DataFrame, day: pd.Series
) -> str:
    """Judge which reading of follow-up rewards a score that is a date."""
    by_label = roc_auc(patients["high_risk"].astype(bool), day)
    by_time = c_index(patients["pfs_months"], patients["progressed"], day)
    if by_label.low <= 0.5 <= by_label.high:
        raise NotInThisStudy(
            f"the trap stays shut: here the date of the scan does not predict the label, {by_label}"
        )
    names = ("median label", "time to progression")
    closer = abs(by_label.value - 0.5) > abs(by_time.value - 0.5)
    if word(answer, names) != names[not closer]:
        raise Wrong("Time to progression uses a pair only if it is known who progressed first.")
    return f"AUC {by_label} by the label; C-index {by_time} by time."


@exercise(
    "13.6",
    form="a threshold, that is a number",
    hint="On which patients may a choice be made, and on which may it be judged?",
)
def threshold(
    study: Study,
    answer: object,
    *,
    choose: Callable[[pd.Series, pd.Series], float],
    cohorts: Mapping[str, tuple[pd.Series, pd.Series]],
) -> str:
    """Judge whether a threshold was chosen without the test cohort."""
    given = number(answer)
    chosen = {name: choose(*cohort) for name, cohort in cohorts.items()}
    mistakes = {"This is the threshold that suits the test cohort best.": chosen["test"]}
    otherwise = f"{given:.3f} is not what `choose` returns."
    compare(given, chosen["train"], mistakes, within=SAME, otherwise=otherwise)
    return f"{given:.3f}, from {len(cohorts['train'][0])} patients who judge nothing."


@exercise(
    "13.7",
    form="a number between 0 and 1",
    hint="Each pair that was in the right order is now in the wrong one.",
)
def reversed_sign(study: Study, answer: object, *, patients: pd.DataFrame, risk: pd.Series) -> str:
    """Judge the C-index of a score whose sign was reversed."""
    value = c_index(patients["pfs_months"], patients["progressed"], risk).value
    as_it_was = {"That is the C-index of the score as it was.": value}
    compare(number(answer), 1 - value, as_it_was, within=0.005)
    return f"{1 - value:.3f}: one minus {value:.3f}, exactly."


@exercise(
    "13.8",
    form="a whole number",
    hint="The strongest cell of a map gets the strongest colour of its own scale, weak or not.",
)
def red_spots(study: Study, answer: object, *, peaks: pd.Series) -> str:
    """Judge how many maps have a red spot under a scale of their own."""
    red, given = int((peaks > 0).sum()), number(answer)
    if given != red:
        raise Wrong(f"More of the {len(peaks)} than that." if given < red else "Fewer than that.")
    if not red:
        return "No cell of these maps speaks for high risk."
    ratio = peaks.max() / peaks[peaks > 0].min()
    return (
        f"{red} of {len(peaks)}, and the strongest is {ratio:.0f} times as strong as the weakest."
    )
