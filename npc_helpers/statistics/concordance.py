"""Harrell's C-index with the variance of R's ``survival::concordance``, and paired differences.

A pair of patients is *comparable* if it is known who progressed first. At equal times an event
comes before a censoring; two events at the same time are not comparable. Ties in risk count half.
Harrell's C is the share of comparable pairs that are concordant: the patient who progressed first
had the higher risk.

    C = Σ w(i) [score(i) > score(j)] / Σ w(i)      over pairs in which i progressed before j's end

(w = 1; Uno's C has other weights). The variance is the infinitesimal jackknife (Therneau and
Watson, Mayo Clinic report 85, 2017): the sum of squared influences of the patients on C. No
Python library gives it.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from npc_helpers.statistics.estimate import Estimate, compare_pairs, interval_of_share
from npc_helpers.statistics.gate import TooFewPatients, checked, each
from npc_helpers.statistics.pairs import concordant_weights
from npc_helpers.statistics.survival import product_limit, steps

SAME_TIME = 2**-26  # two times closer than this part of their mean are equal, as in R's aeqSurv:
# the square root of the machine precision, far below any difference between recorded times
LARGEST_FOR_PAIRS = 1_000  # patients; more are compared by sorting, which is then faster


def c_index(time, event, risk_score, *, method: str = "logit") -> Estimate:
    """Share of comparable pairs in which the patient who progressed first had the higher risk.

    C = (concordant + ties in risk / 2) / comparable; see the head of this file for who can be
    compared. 0.5 is chance, 1 a perfect order.

    Parameters
    ----------
    method : {"logit", "plain"}
        Scale of the interval.

    Returns
    -------
    Estimate
        At exactly 0 or 1, or with all scores tied, the jackknife has no spread; the interval is
        then Newcombe's for an area under the curve with as many cases as there are events (at
        most half of the patients), which is approximate and wide on purpose.

    Examples
    --------
    >>> months, progressed = [10, 20, 30, 40], [True, True, False, False]
    >>> c_index(months, progressed, [0.9, 0.3, 0.6, 0.1]).value
    0.8
    """
    time, event, score = checked(time=time, event=event, risk_score=risk_score)
    value, influence = concordance(time, event, score)
    return _interval(value, influence, event, method)


def uno_c_index(time, event, risk_score, *, truncation: float) -> Estimate:
    """C-index that does not depend on how many patients were lost to follow-up.

    As `c_index`, but a pair counts w = 1 / G(t-)², where G is the Kaplan-Meier curve of being
    still under observation just before the earlier progression t: pairs that follow-up has made
    rare stand for those that were lost (Uno et al., Stat Med 2011;30:1105).

    Parameters
    ----------
    truncation : float
        Progressions after this time are not counted: late ones have weights that a handful of
        patients decide. Choose it before looking at the result, for instance 36 months.

    Returns
    -------
    Estimate
        Variance as R's ``concordance(timewt = "n/G2", ymax = truncation)``, which takes the
        weights as known.

    Examples
    --------
    >>> months, progressed = [10, 20, 30, 40], [True, False, True, False]
    >>> round(uno_c_index(months, progressed, [0.9, 0.3, 0.1, 0.6], truncation=36).value, 3)
    0.571
    """
    if not truncation > 0:
        raise ValueError(f"truncation is {truncation}; give a time after the start, such as 36")
    time, event, score = checked(time=time, event=event, risk_score=risk_score)
    value, influence = concordance(time, event, score, truncation=truncation)
    return _interval(value, influence, event)


def compare_c_index(time, event, risk_scores: Mapping[str, object]) -> pd.DataFrame:
    """Compare C-indices on the same patients, pair by pair.

    Each row is C(a) − C(b), whose variance is the sum over patients of the squared difference of
    their influences on the two.

    Returns
    -------
    DataFrame
        As `estimate.compare_pairs`.

    Examples
    --------
    >>> months, progressed = [10, 20, 30, 40], [True, True, False, False]
    >>> scores = {"network": [0.9, 0.3, 0.6, 0.1], "stage": [1, 0, 1, 0]}
    >>> compare_c_index(months, progressed, scores)[["a", "b", "difference"]].round(2)
             a      b  difference
    0  network  stage         0.2
    """
    time, event, *scores = checked(time=time, event=event, **each(risk_scores, fewest=2))
    results = [concordance(time, event, score) for score in scores]
    values = np.array([value for value, _ in results])
    influences = np.array([influence for _, influence in results])  # (models, n)
    covariance = influences @ influences.T  # (models, models)
    return compare_pairs(risk_scores, values, covariance)


# --- parts ---------------------------------------------------------------------------------------


def concordance(time, event, score, *, truncation: float | None = None) -> tuple[float, np.ndarray]:
    """C-index and the influence of each patient on it, shape (n,).

    With `truncation` pairs are weighted as in `uno_c_index`, otherwise alike. Times that differ
    only by rounding are equal (`SAME_TIME`); scores are compared exactly.
    """
    order, instant = order_of_ends(time, event)
    weight = np.asarray(event, dtype=float)
    if truncation is not None:
        weight = np.where(instant <= truncation, weight / _still_observed(order) ** 2, 0.0)
    count = by_pairs if len(order) <= LARGEST_FOR_PAIRS else concordant_weights
    concordant, comparable = count(order, np.asarray(score), weight)
    pairs = comparable.sum() / 2  # each pair was counted with both its patients
    if pairs == 0:
        raise TooFewPatients(
            "no pair of patients is comparable: nobody progressed, or nobody was observed for "
            "longer than the first progression"
        )
    value = float(concordant.sum() / 2 / pairs)
    return value, (concordant - value * comparable) / pairs


def by_pairs(order, score, weight) -> tuple[np.ndarray, np.ndarray]:
    """For each patient, the weight of the concordant and of all comparable pairs.

    The definition, pair by pair; `pairs.concordant_weights` gives the same for many patients.

    Parameters
    ----------
    order : array of int, shape (n,)
        From `order_of_ends`.
    score : array, shape (n,)
    weight : array, shape (n,)
        Of the pairs in which the patient is the first to progress; 0 for the censored.

    Returns
    -------
    concordant, comparable : arrays, shape (n,)
        Every pair is counted with both its patients.
    """
    first = (order[:, None] < order) * weight[:, None]  # (n, n): row progressed before column
    higher = (score[:, None] > score) + 0.5 * (score[:, None] == score)  # (n, n)
    concordant = first * higher  # (n, n)
    return concordant.sum(0) + concordant.sum(1), first.sum(0) + first.sum(1)


def order_of_ends(time, event) -> tuple[np.ndarray, np.ndarray]:
    """Order in which observation ended, and the times, both of shape (n,).

    The order is even for a progression and odd for a censoring, which comes after it at equal
    times; ties share a number.
    """
    instants, position = np.unique(np.asarray(time, dtype=float), return_inverse=True)
    smallest_gap = SAME_TIME * max(1.0, float(np.abs(instants).mean()))
    group = np.concatenate([[0], np.cumsum(np.diff(instants) > smallest_gap)])
    first_of_group = instants[np.unique(group, return_index=True)[1]]
    rank = group[position]
    return 2 * rank + ~np.asarray(event, dtype=bool), first_of_group[rank]


def _still_observed(order: np.ndarray) -> np.ndarray:
    """Kaplan-Meier share still under observation just before each patient's end, shape (n,)."""
    moments, at_risk, lost = steps(order, order % 2 == 1)
    return product_limit(at_risk, lost)[np.searchsorted(moments, order)]


def _interval(value, influence, event, method: str = "logit") -> Estimate:
    first = min(int(event.sum()), len(event) // 2)
    sizes = (first, len(event) - first)
    return interval_of_share(value, float(influence @ influence), sizes, method)
