"""Harrell's C-index with the variance of R's ``survival::concordance``, and paired differences.

A pair of patients is *comparable* if it is known who progressed first. At equal times an event
comes before a censoring; two events at the same time are not comparable. Ties in risk count half.
The variance is the infinitesimal jackknife (Therneau and Watson, Mayo Clinic report 85, 2017),
which no Python library gives.
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
from npc_helpers.statistics.gate import at_least, checked, each, flags, numbers, times
from npc_helpers.statistics.pairs import concordant_weights
from npc_helpers.statistics.roc import all_equal, newcombe_interval, paired_row

SAME_TIME = 2**-26  # square root of the machine precision


def c_index(
    time, event, risk_score, *, confidence: float = 0.95, method: str = "logit"
) -> Estimate:
    """Share of comparable pairs in which the patient who progressed first had the higher risk.

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
        If no pair is comparable, a value is missing, or the lengths differ.
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

    Each pair counts 1 / G(t-)², where G is the Kaplan-Meier curve of being still under
    observation just before the earlier progression.

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
    """
    if not truncation > 0:
        raise ValueError(f"truncation is {truncation}; give a time after the start, such as 36")
    time, event, score = _checked(time, event, risk_score)
    value, influence = concordance(time, event, score, truncation=truncation)
    return _interval(value, influence, event, confidence, method)


def _checked(time, event, risk_score) -> list[np.ndarray]:
    return checked(time=times(time), event=flags(event), risk_score=numbers(risk_score))


def concordance(
    time, event, risk_score, *, truncation: float | None = None
) -> tuple[float, np.ndarray]:
    """C-index and the influence of each patient on it, shape (n,).

    With `truncation` pairs are weighted as in `uno_c_index`, otherwise alike. Times that differ
    only by rounding (1.5e-8 of their mean, as R's ``aeqSurv``) are equal; scores are compared
    exactly.
    """
    key, instant, score = ordered(time, event, risk_score)
    weight = (key % 2 == 0).astype(float)
    if truncation is not None:
        weight = np.where(instant <= truncation, weight / _under_observation(key) ** 2, 0.0)
    won, comparable = concordant_weights(key, score, weight)
    pairs = comparable.sum() / 2
    if pairs == 0:
        raise ValueError(
            "no pair of patients is comparable: nobody progressed, or nobody was observed for "
            "longer than the first progression"
        )
    value = float(won.sum() / 2 / pairs)
    return value, (won - value * comparable) / pairs


def ordered(time, event, risk_score) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Key of the order of ends of observation, their times, and the scores, each of shape (n,).

    The key is even for a progression and odd for a censoring, which comes after it at equal times.
    """
    time, event, score = _checked(time, event, risk_score)
    instants, position = np.unique(time, return_inverse=True)
    gaps = np.diff(instants)
    smallest = SAME_TIME * max(1.0, float(np.abs(instants).mean()))
    group = np.concatenate([[0], np.cumsum(gaps > smallest)])
    first_of_group = instants[np.unique(group, return_index=True)[1]]
    rank = group[position]
    return 2 * rank + ~event, first_of_group[rank], score


def _under_observation(key: np.ndarray) -> np.ndarray:
    """Kaplan-Meier share still under observation just before each patient's end, shape (n,)."""
    lost_at, lost = np.unique(key[key % 2 == 1], return_counts=True)
    exposed = len(key) - np.searchsorted(np.sort(key), lost_at)
    steps = np.concatenate([[1.0], np.cumprod(1 - lost / exposed)])
    return steps[np.searchsorted(lost_at, key, side="left")]


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

    Parameters
    ----------
    time, event : array-like, shape (n,)
    risk_scores : mapping of str to array-like, shape (n,)
    confidence : float

    Returns
    -------
    DataFrame
        a, b, difference, low, high, p, p_holm; the variance of a difference is the sum of
        squared differences of the patients' influences. ``attrs["p_all_equal"]`` is the P value
        of the test that all C-indices are equal.

    Raises
    ------
    ValueError
        As `c_index`, or if there are fewer than two models.
    """
    at_least(risk_scores, 2)
    time, event, *scores = checked(
        time=times(time), event=flags(event), **each(risk_scores, numbers)
    )
    found = {
        name: concordance(time, event, score)
        for name, score in zip(risk_scores, scores, strict=True)
    }
    values = np.array([value for value, _ in found.values()])
    influences = np.array([influence for _, influence in found.values()])
    covariance = influences @ influences.T
    table = pd.DataFrame(
        [
            paired_row(names, values[[i, j]], covariance[np.ix_([i, j], [i, j])], confidence)
            for (i, j), names in zip(
                itertools.combinations(range(len(values)), 2),
                itertools.combinations(found, 2),
                strict=True,
            )
        ]
    )
    table["p_holm"] = holm(table["p"])
    table.attrs["p_all_equal"] = all_equal(values, covariance)
    return table
