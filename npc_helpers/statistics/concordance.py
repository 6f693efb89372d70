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

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from npc_helpers.statistics.estimate import (
    Estimate,
    holm,
    interval_on_logit_scale,
    plain_interval,
)
from npc_helpers.statistics.gate import (
    TooFewPatients,
    at_least,
    checked,
    each,
    flags,
    numbers,
    times,
)
from npc_helpers.statistics.pairs import concordant_weights
from npc_helpers.statistics.roc import all_equal, newcombe_interval, paired_row

SAME_TIME = 2**-26  # two times closer than this part of their mean are equal, as in R's aeqSurv:
# the square root of the machine precision, far below any difference between recorded times
LARGEST_FOR_PAIRS = 1_000  # patients; more are compared by sorting, which is then faster


def c_index(
    time, event, risk_score, *, confidence: float = 0.95, method: str = "logit"
) -> Estimate:
    """Share of comparable pairs in which the patient who progressed first had the higher risk.

    C = (concordant + ties in risk / 2) / comparable; see the head of this file for who can be
    compared. 0.5 is chance, 1 a perfect order.

    Parameters
    ----------
    time : array-like, shape (n,)
        Months (or any unit) to event or censoring.
    event : array-like of bool, shape (n,)
        True if the patient progressed.
    risk_score : array-like, shape (n,)
        Higher is worse.
    confidence : float
    method : {"logit", "plain"}

    Returns
    -------
    Estimate
        At exactly 0 or 1, or with all scores tied, the jackknife has no spread; the interval is
        then Newcombe's for an area under the curve with as many cases as there are events (at
        most half of the patients), which is approximate and wide on purpose.

    Raises
    ------
    ValueError
        If no pair is comparable, or as `gate.checked`.

    Examples
    --------
    >>> months, progressed = [10, 20, 30, 40], [True, True, False, False]
    >>> c_index(months, progressed, [0.9, 0.3, 0.6, 0.1]).value
    0.8
    """
    time, event, score = _checked(time, event, risk_score)
    value, influence = concordance(time, event, score)
    return _interval(value, influence, event, confidence, method)


def uno_c_index(
    time,
    event,
    risk_score,
    *,
    truncation: float,
    confidence: float = 0.95,
    method: str = "logit",
) -> Estimate:
    """C-index that does not depend on how many patients were lost to follow-up (Uno et al. 2011).

    As `c_index`, but a pair counts w = 1 / G(t-)², where G is the Kaplan-Meier curve of being
    still under observation just before the earlier progression t: pairs that follow-up has made
    rare stand for those that were lost.

    Parameters
    ----------
    time, event, risk_score, confidence, method
        As `c_index`.
    truncation : float
        Progressions after this time are not counted: late ones have weights that a handful of
        patients decide. Choose it before looking at the result, for instance 36 months.

    Returns
    -------
    Estimate
        Variance as R's ``concordance(timewt = "n/G2", ymax = truncation)``, which takes the
        weights as known.

    Raises
    ------
    ValueError
        As `c_index`, or if nobody progressed by `truncation`.

    References
    ----------
    Uno et al., Stat Med 2011;30:1105.

    Examples
    --------
    >>> months, progressed = [10, 20, 30, 40], [True, False, True, False]
    >>> round(uno_c_index(months, progressed, [0.9, 0.3, 0.1, 0.6], truncation=36).value, 3)
    0.571
    """
    if not truncation > 0:
        raise ValueError(f"truncation is {truncation}; give a time after the start, such as 36")
    time, event, score = _checked(time, event, risk_score)
    value, influence = concordance(time, event, score, truncation=truncation)
    return _interval(value, influence, event, confidence, method)


def concordance(time, event, score, *, truncation: float | None = None) -> tuple[float, np.ndarray]:
    """C-index and the influence of each patient on it, shape (n,).

    With `truncation` pairs are weighted as in `uno_c_index`, otherwise alike. Times that differ
    only by rounding are equal (`SAME_TIME`); scores are compared exactly.
    """
    order, instant = order_of_ends(time, event)
    weight = np.asarray(event, dtype=float)
    if truncation is not None:
        weight = np.where(instant <= truncation, weight / _under_observation(order) ** 2, 0.0)
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


def _checked(time, event, risk_score) -> list[np.ndarray]:
    return checked(time=times(time), event=flags(event), risk_score=numbers(risk_score))


def _under_observation(order: np.ndarray) -> np.ndarray:
    """Kaplan-Meier share still under observation just before each patient's end, shape (n,)."""
    lost_at, lost = np.unique(order[order % 2 == 1], return_counts=True)
    at_risk = len(order) - np.searchsorted(np.sort(order), lost_at)
    steps = np.concatenate([[1.0], np.cumprod(1 - lost / at_risk)])
    return steps[np.searchsorted(lost_at, order, side="left")]


def _interval(value, influence, event, confidence: float, method: str) -> Estimate:
    if method not in ("logit", "plain"):
        raise ValueError(f"method is {method!r}; choose 'logit' or 'plain'")
    variance = float(influence @ influence)
    if variance < 1e-15 or value in (0.0, 1.0):
        total, events = len(influence), int(event.sum())
        first = min(events, total // 2)
        return newcombe_interval(value, first, total - first, confidence)
    interval = interval_on_logit_scale if method == "logit" else plain_interval
    return interval(value, variance, confidence)


def compare_c_index(
    time, event, risk_scores: Mapping[str, object], *, confidence: float = 0.95
) -> pd.DataFrame:
    """Compare C-indices on the same patients, pair by pair.

    Each row is C(a) − C(b), whose variance is the sum over patients of the squared difference of
    their influences on the two; P is two-sided normal.

    Parameters
    ----------
    time, event : array-like, shape (n,)
    risk_scores : mapping of str to array-like, shape (n,)
    confidence : float

    Returns
    -------
    DataFrame
        a, b, difference, low, high, p, p_holm. ``attrs["p_all_equal"]`` is the P value of the
        test that all C-indices are equal.

    Raises
    ------
    ValueError
        As `c_index`, or if there are fewer than two models.
    """
    at_least(risk_scores, 2)
    time, event, *scores = checked(
        time=times(time), event=flags(event), **each(risk_scores, numbers)
    )
    results = [concordance(time, event, score) for score in scores]
    values = np.array([value for value, _ in results])
    influences = np.array([influence for _, influence in results])  # (models, n)
    covariance = influences @ influences.T  # (models, models)
    table = pd.DataFrame(
        [
            paired_row(names, values[[i, j]], covariance[np.ix_([i, j], [i, j])], confidence)
            for (i, j), names in zip(
                itertools.combinations(range(len(values)), 2),
                itertools.combinations(risk_scores, 2),
                strict=True,
            )
        ]
    )
    table["p_holm"] = holm(table["p"])
    table.attrs["p_all_equal"] = all_equal(values, covariance)
    return table
