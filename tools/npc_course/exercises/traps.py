"""Exercises that spring a trap: predict what it does, then see."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import chi2

from npc_course.exercises.checking import OtherForm, Wrong, exercise, number, numbers, word
from npc_helpers.statistics import TooFewPatients, c_index, roc_auc
from npc_helpers.study import NotInThisStudy, Study

NEAR = 0.05  # what one can predict without computing


def _auc(answer: object) -> float:
    """Return an answer that is an AUC; raise `OtherForm` if it cannot be one."""
    if not 0 <= (given := number(answer)) <= 1:
        raise OtherForm(repr(answer))
    return given


@exercise(
    "13.1",
    form="a number between 0 and 1",
    hint="A tight box shows how far the tumour reaches, and the T category says the same.",
)
def area_of_tight_boxes(
    study: Study, answer: object, *, area: pd.Series, advanced: pd.Series
) -> str:
    """Judge a prediction of the AUC of the area of tight boxes for the advanced stage."""
    auc, given = roc_auc(advanced, area), _auc(answer)
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
    mean, given = float(np.mean(best)), _auc(answer)
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
    form="a share between 0 and 1",
    hint="One test at 5% is wrong once in twenty times. Here a dozen thresholds or more are tried.",
)
def best_threshold(study: Study, answer: object, *, patients: pd.DataFrame) -> str:
    """Judge how often a useless score has a threshold with a P value below 0.05."""
    given, lot = number(answer), np.random.default_rng(0)
    if not 0 <= given <= 1:
        raise OtherForm(repr(answer))
    outcome = patients["pfs_months"], patients["progressed"]
    best = [p_at_each_cut(*outcome, lot.random(len(patients))).min() for _ in range(300)]
    share = float(np.mean(np.less(best, 0.05)))
    if abs(given - share) > 2 * NEAR:
        raise Wrong(f"It happens {'more' if given < share else 'less'} often than that.")
    return (
        f"In {share:.0%} of 300 searches. Whoever may choose the threshold, may choose the P value."
    )


def p_at_each_cut(time: pd.Series, event: pd.Series, score: np.ndarray) -> np.ndarray:
    """Return the P value of the log-rank test at each threshold of a score without ties.

    Thresholds leave a tenth of the patients or more on either side, and go from low to high.

    Examples
    --------
    >>> p_at_each_cut([5, 10, 15, 20], [True] * 4, [4, 3, 2, 1]).round(3)
    array([0.182, 0.09 , 0.083])
    """
    time, event, n = np.asarray(time, float), np.asarray(event, bool), len(time)
    rank, fewest = np.argsort(np.argsort(score)), max(1, -(-n // 10))
    high = rank >= np.arange(fewest, n - fewest + 1)[:, None]  # (thresholds, patients)
    if not len(high):
        raise TooFewPatients(f"no threshold leaves a patient on either side of {n}")
    excess, variance = np.zeros(len(high)), np.zeros(len(high))
    for moment in np.unique(time[event]):
        at_risk, failing = time >= moment, event & (time == moment)
        share, left, failed = high[:, at_risk].mean(axis=1), at_risk.sum(), failing.sum()
        excess += high[:, failing].sum(axis=1) - failed * share
        variance += failed * share * (1 - share) * (left - failed) / max(left - 1, 1)
    return chi2.sf(np.divide(excess**2, variance, out=0 * excess, where=variance > 0), 1)


@exercise(
    "13.4",
    form="two numbers between 0 and 1: the AUC in the training and in the test cohort",
    hint="What can be learned by heart, and is any of it true of other patients?",
)
def shuffled_labels(study: Study, answer: object) -> str:
    """Judge a prediction of what a flexible model makes of labels that were shuffled."""
    given = numbers(answer)
    if len(given) != 2 or not ((given >= 0) & (given <= 1)).all():
        raise OtherForm("not two numbers between 0 and 1")
    if given[0] < 1 - NEAR:
        raise Wrong("A forest of deep trees learns every training patient by heart.")
    if abs(given[1] - 0.5) > NEAR:
        raise Wrong("The test labels were drawn by lot, and nothing can foresee a lot.")
    return "In the training cohort everything, in the test cohort nothing but chance."


@exercise(
    "13.5",
    form="a number between 0 and 1",
    hint="Slice 3 of a patient is in training and slice 4 in the test. How unlike are they?",
)
def divided_images(
    study: Study, answer: object, *, auc_by_lot: Callable[..., float], drawn: np.ndarray
) -> str:
    """Judge the AUC among images whose patients are in training, with labels drawn by lot."""
    given, auc = _auc(answer), float(np.mean([auc_by_lot(drawn, seed) for seed in range(3)]))
    if abs(given - 0.5) < NEAR < abs(auc - 0.5):
        raise Wrong("So it would be if the forest did not know the patients.")
    if abs(given - auc) > 2 * NEAR:
        raise Wrong(f"It is {'higher' if given < auc else 'lower'} than that.")
    return f"{auc:.2f}, of labels that nothing can foresee."


@exercise(
    "13.6",
    form='`"median label"` or `"time to progression"`',
    hint="Which of the two calls a patient high-risk because the study closed?",
)
def fooled_by_the_calendar(
    study: Study, answer: object, *, patients: pd.DataFrame, score: pd.Series
) -> str:
    """Judge which reading of follow-up rewards a score that knows nothing but the date."""
    by_label = roc_auc(patients["high_risk"].astype(bool), score)
    by_time = c_index(patients["pfs_months"], patients["progressed"], score)
    if by_label.low <= 0.5 <= by_label.high:
        raise NotInThisStudy(
            f"the trap stays shut: here this score does not predict the label, {by_label}"
        )
    names = ("median label", "time to progression")
    closer = abs(by_label.value - 0.5) > abs(by_time.value - 0.5)
    if word(answer, names) != names[not closer]:
        raise Wrong("Time to progression uses a pair only if it is known who progressed first.")
    return f"AUC {by_label} by the label; C-index {by_time} by time."


@exercise(
    "13.7",
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
