"""ROC curve, its area with DeLong's variance, and the comparison of areas on the same patients.

No Python library is safe for the paired comparison, so DeLong's method (Biometrics 1988;44:837)
is written here, from sorted scores as in Sun and Xu (IEEE Signal Process Lett 2014;21:1389).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from npc_helpers.statistics.estimate import Estimate, compare_pairs, interval_of_share
from npc_helpers.statistics.gate import TooFewPatients, checked, each, two_classes


def roc_curve(high_risk, risk_score) -> pd.DataFrame:
    """Sensitivity against 1 − specificity at all thresholds.

    Returns
    -------
    DataFrame
        threshold (call high risk at or above it), fpr, tpr; from (0, 0) to (1, 1).

    Examples
    --------
    >>> roc_curve([True, False], [0.9, 0.4]).values.tolist()
    [[inf, 0.0, 0.0], [0.9, 0.0, 1.0], [0.4, 1.0, 1.0]]
    """
    labels, score = checked(high_risk=high_risk, risk_score=risk_score)
    positive = two_classes(labels)
    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    last = np.append(np.diff(score) != 0, True)  # the last patient at each threshold
    tpr = np.cumsum(positive)[last] / positive.sum()
    fpr = np.cumsum(~positive)[last] / (~positive).sum()
    columns = {"threshold": (np.inf, score[last]), "fpr": (0, fpr), "tpr": (0, tpr)}
    return pd.DataFrame({name: np.append(*parts) for name, parts in columns.items()})


def roc_auc(high_risk, risk_score, *, method: str = "logit") -> Estimate:
    """Chance that a high-risk patient has a higher score than a low-risk one (ties count half).

    Parameters
    ----------
    method : {"logit", "plain"}
        Scale of the interval. On the logit scale it stays within 0 and 1 and keeps its level at
        small n; ``"plain"`` is the symmetric interval most software prints.

    Returns
    -------
    Estimate
        If the scores separate the classes completely, or are all tied, DeLong's variance is 0
        and the interval is Newcombe's score interval instead (Stat Med 2006;25:559, method 5).

    Examples
    --------
    >>> high_risk = [True, True, True, False, False, False]
    >>> print(roc_auc(high_risk, [0.9, 0.4, 0.7, 0.6, 0.3, 0.1]))
    0.889 (95% CI 0.261–0.995)
    """
    labels, score = checked(high_risk=high_risk, risk_score=risk_score)
    positive = two_classes(labels)
    high, low = int(positive.sum()), int((~positive).sum())
    area, variance = placements(positive, score)[0], 0.0
    if min(high, low) > 1:
        variance = delong(positive, [score])[1].item()
    return interval_of_share(area, variance, (high, low), method)


def compare_auc(high_risk, risk_scores: Mapping[str, object]) -> pd.DataFrame:
    """Compare areas on the same patients, pair by pair (paired DeLong test).

    Returns
    -------
    DataFrame
        As `estimate.compare_pairs`. Identical scores give P = 1; two areas that differ without
        any variance (1 against 0) are refused.

    Examples
    --------
    >>> high_risk = [True, True, True, True, False, False, False, False]
    >>> scores = {"network": [9, 4, 7, 6, 5, 3, 1, 2], "stage": [1, 0, 1, 1, 1, 0, 0, 1]}
    >>> compare_auc(high_risk, scores)[["a", "b", "difference", "p"]].round(2)
             a      b  difference     p
    0  network  stage        0.31  0.02
    """
    labels, *scores = checked(high_risk=high_risk, **each(risk_scores, fewest=2))
    areas, covariance = delong(two_classes(labels), scores)
    return compare_pairs(risk_scores, areas, covariance)


def placements(positive: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Area under the curve and DeLong's structural components of both classes."""
    cases, controls = score[positive], score[~positive]
    of_cases = _share_below(controls, cases)
    of_controls = 1 - _share_below(cases, controls)
    return float(of_cases.mean()), of_cases, of_controls


def _share_below(others: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Share of `others` below each value, equal ones counted half."""
    others = np.sort(others)
    below, at_most = (np.searchsorted(others, values, side=side) for side in ("left", "right"))
    return (below + at_most) / (2 * len(others))


def delong(positive: np.ndarray, scores: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Areas (k,) and their covariance matrix (k, k)."""
    parts = [placements(positive, score) for score in scores]
    areas = np.array([area for area, _, _ in parts])
    covariance = np.zeros((len(scores), len(scores)))
    for side in (1, 2):
        components = np.array([part[side] for part in parts])  # (k, patients of the class)
        size = components.shape[1]
        if size < 2:
            raise TooFewPatients("DeLong's variance needs at least two patients in each class")
        covariance += np.atleast_2d(np.cov(components)) / size
    return areas, covariance
