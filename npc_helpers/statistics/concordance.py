"""Harrell's C-index with the variance of R's ``survival::concordance``, and paired differences.

A pair of patients is *comparable* if it is known who progressed first. At equal times an event
comes before a censoring; two events at the same time are not comparable. Ties in risk count half.
The variance is the infinitesimal jackknife (Therneau and Watson, Mayo Clinic report 85, 2017).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from npc_helpers.statistics.estimate import (
    Estimate,
    aligned,
    holm,
    interval_on_logit_scale,
    plain_interval,
)
from npc_helpers.statistics.roc import paired_row

BLOCK = 2048


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
        At exactly 0, 1, or with all scores tied the interval shrinks to the value itself: the
        jackknife has no spread to work with, and so few pairs support no interval.

    Raises
    ------
    ValueError
        If no pair is comparable, a value is missing, or the lengths differ.
    """
    if method not in ("logit", "plain"):
        raise ValueError(f"method is {method!r}; choose 'logit' or 'plain'")
    value, influence = concordance(time, event, risk_score)
    variance = float(influence @ influence)
    if variance < 1e-15 or value in (0.0, 1.0):
        return Estimate(value, value, value, confidence)
    interval = interval_on_logit_scale if method == "logit" else plain_interval
    return interval(value, variance, confidence)


def concordance(time, event, risk_score) -> tuple[float, np.ndarray]:
    """C-index and the influence of each patient on it, shape (n,)."""
    time, event, score = aligned(time=time, event=event, risk_score=risk_score)
    if not np.isin(event, (0, 1)).all():
        raise ValueError("event must hold True or False (1 or 0) only")
    won, comparable = np.zeros(len(time)), np.zeros(len(time))
    failures = np.flatnonzero(event)
    for start in range(0, len(failures), BLOCK):
        rows = failures[start : start + BLOCK]
        later = (time > time[rows, None]) | ((time == time[rows, None]) & (event == 0))
        agrees = np.where(score < score[rows, None], 1.0, 0.5 * (score == score[rows, None]))
        agrees *= later
        won[rows] += agrees.sum(axis=1)
        comparable[rows] += later.sum(axis=1)
        won += agrees.sum(axis=0)
        comparable += later.sum(axis=0)
    pairs = comparable.sum() / 2
    if pairs == 0:
        raise ValueError(
            "no pair of patients is comparable: nobody progressed, or nobody was observed for "
            "longer than the first progression"
        )
    value = float(won.sum() / 2 / pairs)
    return value, (won - value * comparable) / pairs


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
        squared differences of the patients' influences.

    Raises
    ------
    ValueError
        As `c_index`, or if there are fewer than two models.
    """
    if len(risk_scores) < 2:
        raise ValueError("a comparison needs at least two models")
    found = {name: concordance(time, event, score) for name, score in risk_scores.items()}
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
    return table
