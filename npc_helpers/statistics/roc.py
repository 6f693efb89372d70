"""ROC curve, its area with DeLong's variance, and the comparison of areas on the same patients.

No Python library is safe for the paired comparison, so DeLong's method (Biometrics 1988;44:837)
is written here, from sorted scores as in Sun and Xu (IEEE Signal Process Lett 2014;21:1389).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from npc_helpers.statistics.estimate import (
    Estimate,
    critical_value,
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
    two_classes,
)


def roc_curve(high_risk, risk_score) -> pd.DataFrame:
    """Walk through all thresholds.

    Parameters
    ----------
    high_risk : array-like of bool, shape (n,)
    risk_score : array-like, shape (n,)
        Higher is worse.

    Returns
    -------
    DataFrame
        threshold (call high risk at or above it), fpr, tpr; from (0, 0) to (1, 1).

    Raises
    ------
    ValueError
        If there is one class only, a value is missing, or the lengths differ.
    """
    labels, score = checked(high_risk=flags(high_risk), risk_score=numbers(risk_score))
    positive = two_classes(labels)
    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    last = np.append(np.diff(score) != 0, True)
    tpr = np.cumsum(positive)[last] / positive.sum()
    fpr = np.cumsum(~positive)[last] / (~positive).sum()
    return pd.DataFrame(
        {"threshold": np.append(np.inf, score[last]), "fpr": np.append(0, fpr),
         "tpr": np.append(0, tpr)}
    )  # fmt: skip


def placements(positive: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Area under the curve and DeLong's structural components of both classes."""
    cases, controls = score[positive], score[~positive]
    of_cases = _share_below(controls, cases)
    of_controls = 1 - _share_below(cases, controls)
    return float(of_cases.mean()), of_cases, of_controls


def _share_below(others: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Share of `others` below each value, equal ones counted half (looked up in sorted order)."""
    order, others = np.argsort(values), np.sort(others)
    ascending = values[order]
    twice = np.searchsorted(others, ascending) + np.searchsorted(others, ascending, side="right")
    share = np.empty(len(values))
    share[order] = twice / (2 * len(others))
    return share


def delong(positive: np.ndarray, scores: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Areas (k,) and their covariance matrix (k, k)."""
    parts = [placements(positive, score) for score in scores]
    areas = np.array([area for area, _, _ in parts])
    covariance = np.zeros((len(scores), len(scores)))
    for side in (1, 2):
        components = np.array([part[side] for part in parts])
        size = components.shape[1]
        if size < 2:
            raise TooFewPatients("DeLong's variance needs at least two patients in each class")
        covariance += np.atleast_2d(np.cov(components)) / size
    return areas, covariance


def roc_auc(high_risk, risk_score, *, confidence: float = 0.95, method: str = "logit") -> Estimate:
    """Chance that a high-risk patient has a higher score than a low-risk one (ties count half).

    Parameters
    ----------
    high_risk : array-like of bool, shape (n,)
    risk_score : array-like, shape (n,)
        Higher is worse.
    confidence : float
    method : {"logit", "plain"}
        Scale of the interval. On the logit scale it stays within 0 and 1 and keeps its level at
        small n; ``"plain"`` is the symmetric interval most software prints.

    Returns
    -------
    Estimate
        If the scores separate the classes completely, or are all tied, DeLong's variance is 0
        and the interval is Newcombe's score interval instead (Stat Med 2006;25:559, method 5).

    Raises
    ------
    ValueError
        If there is one class only, a value is missing, or the lengths differ.
    """
    labels, score = checked(high_risk=flags(high_risk), risk_score=numbers(risk_score))
    positive = two_classes(labels)
    if method not in ("logit", "plain"):
        raise ValueError(f"method is {method!r}; choose 'logit' or 'plain'")
    if min(positive.sum(), (~positive).sum()) < 2:
        area = placements(positive, score)[0]
        return newcombe_interval(area, int(positive.sum()), int((~positive).sum()), confidence)
    areas, covariance = delong(positive, [score])
    area, variance = float(areas[0]), float(covariance[0, 0])
    if variance <= 1e-15:
        return newcombe_interval(area, int(positive.sum()), int((~positive).sum()), confidence)
    interval = interval_on_logit_scale if method == "logit" else plain_interval
    return interval(area, variance, confidence)


def newcombe_interval(area: float, m: int, n: int, confidence: float) -> Estimate:
    """Score interval of an area from its value and the class sizes alone (never of width 0)."""
    z, balanced = critical_value(confidence), (m + n) / 2 - 1

    def distance(theta: float) -> float:
        shape = 1 + balanced * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return abs(area - theta) - z * math.sqrt(theta * (1 - theta) * shape / (m * n))

    low = brentq(distance, 1e-9, area - 1e-9) if area > 1e-6 else 0.0
    high = brentq(distance, area + 1e-9, 1 - 1e-9) if area < 1 - 1e-6 else 1.0
    return Estimate(area, low, high, confidence)


def compare_auc(
    high_risk, risk_scores: Mapping[str, object], *, confidence: float = 0.95
) -> pd.DataFrame:
    """Compare areas on the same patients, pair by pair (paired DeLong test).

    Parameters
    ----------
    high_risk : array-like of bool, shape (n,)
    risk_scores : mapping of str to array-like, shape (n,)
        At least two models.
    confidence : float

    Returns
    -------
    DataFrame
        a, b, difference (a minus b), low, high, p, p_holm. Identical scores give P = 1.
        ``attrs["p_all_equal"]`` is the P value of the test that all areas are equal.

    Raises
    ------
    ValueError
        As `roc_auc`, or if there are fewer than two models, or fewer than two patients in a
        class, or if two areas differ without any variance (1 against 0).
    """
    at_least(risk_scores, 2)
    labels, *scores = checked(high_risk=flags(high_risk), **each(risk_scores, numbers))
    areas, covariance = delong(two_classes(labels), scores)
    rows = [
        paired_row(names, areas[[i, j]], covariance[np.ix_([i, j], [i, j])], confidence)
        for (i, j), names in zip(
            itertools.combinations(range(len(areas)), 2),
            itertools.combinations(risk_scores, 2),
            strict=True,
        )
    ]
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p"])
    table.attrs["p_all_equal"] = all_equal(areas, covariance)
    return table


def paired_row(names, values, covariance, confidence: float) -> dict:
    """One row of a comparison: difference, its interval and two-sided P value."""
    difference = float(values[0] - values[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    error = math.sqrt(max(variance, 0))
    half = critical_value(confidence) * error
    if error > 1e-12:
        p = float(2 * norm.sf(abs(difference) / error))
    elif abs(difference) < 1e-12:
        p = 1.0
    else:
        raise TooFewPatients(
            f"{names[0]} and {names[1]} differ by {difference:.3f}, but neither varies over the "
            "patients (each is 0, 1 or all tied), so there is no test; report the two values"
        )
    low, high = difference - half, difference + half
    return {
        "a": names[0],
        "b": names[1],
        "difference": difference,
        "low": low,
        "high": high,
        "p": p,
    }


def all_equal(areas: np.ndarray, covariance: np.ndarray) -> float:
    """P value of the global test that all values are equal (chi-squared)."""
    contrast = np.column_stack([np.ones(len(areas) - 1), -np.eye(len(areas) - 1)])
    spread = contrast @ covariance @ contrast.T
    rank = int(np.linalg.matrix_rank(spread, tol=1e-12))
    if rank == 0:
        return 1.0
    difference = contrast @ areas
    return float(chi2.sf(difference @ np.linalg.pinv(spread, rcond=1e-10) @ difference, rank))
