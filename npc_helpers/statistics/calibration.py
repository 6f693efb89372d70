"""Whether a predicted probability means what it says.

All measures need a 0/1 label and probabilities; scores on another scale have no calibration. With
43 patients every one of them is vague, which their intervals say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from npc_helpers.statistics.estimate import Estimate, plain_interval
from npc_helpers.statistics.gate import (
    TooFewPatients,
    checked,
    flags,
    probabilities,
    two_classes,
)

CLIP = 1e-6  # 0 and 1 have infinite log odds; a step so small moves no slope of a small cohort
ALL_EQUAL = 1e-9  # a spread of log odds below it is rounding
SINGULAR = 1e12  # condition beyond which half of a double's 16 digits or fewer would be left
CONVERGED = 1e-10  # of a Newton step, which doubles the right digits each time
DRAWS = 2_000  # simulated label sets: their mean calibration error is known to about 0.001


@dataclass(frozen=True)
class Calibration:
    """How far predicted probabilities can be taken at their word.

    Attributes
    ----------
    slope : Estimate
        Of the logistic regression of the label on the predicted log odds; 1 is right, below 1
        the predictions are too extreme.
    intercept : Estimate
        Calibration in the large: the log odds missing on average; 0 is right, above 0 the risk
        is underestimated.
    ece : float
        Expected calibration error over bins of equal numbers of patients.
    ece_by_chance : float
        What a *perfectly* calibrated model would score on average with these probabilities and
        so few patients. An ``ece`` near it says nothing against the model.
    """

    slope: Estimate
    intercept: Estimate
    ece: float
    ece_by_chance: float


def calibration(
    high_risk, p_high_risk, *, bins: int = 5, confidence: float = 0.95, seed: int = 0
) -> Calibration:
    """Slope, intercept and expected calibration error.

    logit P(high risk) = a + b logit(p): the slope is b; the intercept is a with b held at 1. There
    is none if all probabilities are equal, or separate the classes completely.

    Parameters
    ----------
    p_high_risk : array-like, shape (n,)
        Predicted probabilities; 0 and 1 are moved in by 1e-6, because their log odds are infinite.
    bins : int
        Bins of the calibration error.
    seed : int
        Of the 2,000 simulated label sets behind ``ece_by_chance``.

    References
    ----------
    Van Calster et al., BMC Med 2019;17:230.

    Examples
    --------
    >>> high_risk = [True, True, False, True, False, False]
    >>> round(calibration(high_risk, [0.9, 0.6, 0.7, 0.4, 0.3, 0.2]).slope.value, 2)
    1.07
    """
    labels, p = checked(high_risk=flags(high_risk), p_high_risk=probabilities(p_high_risk))
    positive, odds = two_classes(labels), log_odds(p)
    if np.ptp(odds) < ALL_EQUAL:
        raise TooFewPatients("all probabilities are equal, so there is no slope to estimate")
    ones = np.ones((len(p), 1))
    coefficients, covariance = logistic(np.column_stack([ones, odds]), positive)
    offset, variance = logistic(ones, positive, offset=odds)
    drawn = np.random.default_rng(seed).random((DRAWS, len(p))) < p  # (draws, n)
    return Calibration(
        slope=plain_interval(float(coefficients[1]), float(covariance[1, 1]), confidence),
        intercept=plain_interval(float(offset[0]), float(variance[0, 0]), confidence),
        ece=float(_ece(positive[None], p, bins)[0]),
        ece_by_chance=float(_ece(drawn, p, bins).mean()),
    )


# --- parts ---------------------------------------------------------------------------------------


def log_odds(p: np.ndarray) -> np.ndarray:
    """Log odds of probabilities, 0 and 1 moved in by 1e-6."""
    p = np.clip(p, CLIP, 1 - CLIP)
    return np.log(p / (1 - p))


def logistic(design: np.ndarray, labels: np.ndarray, *, offset=0.0, weight=1.0):
    """Maximum likelihood coefficients (k,) and their covariance (k, k), by Newton's method.

    A step that does not raise the likelihood is halved until it does: the likelihood is concave,
    so this finds the maximum wherever there is one. (scikit-learn's logistic regression gives no
    standard errors, and statsmodels is not needed for anything else.)
    """
    coefficients = np.zeros(design.shape[1])
    reached = _log_likelihood(design @ coefficients + offset, labels, weight)
    for _ in range(100):
        odds = design @ coefficients + offset  # (n,)
        p = 1 / (1 + np.exp(-np.clip(odds, -700, 700)))
        information = design.T @ (design * (weight * p * (1 - p))[:, None])  # (k, k)
        if np.linalg.cond(information) > SINGULAR:
            break
        step = np.linalg.solve(information, design.T @ (weight * (labels - p)))
        if np.abs(step).max() < CONVERGED:
            return coefficients, np.linalg.inv(information)
        for _ in range(40):
            likelihood = _log_likelihood(design @ (coefficients + step) + offset, labels, weight)
            if likelihood >= reached - 1e-12 * abs(reached):
                break
            step = step / 2
        coefficients, reached = coefficients + step, likelihood
    raise TooFewPatients(
        "the probabilities separate the classes (almost) completely, so calibration has no finite "
        "slope; more patients are needed"
    )


def _log_likelihood(odds: np.ndarray, labels: np.ndarray, weight) -> float:
    return float((weight * (labels * odds - np.logaddexp(0, odds))).sum())


def _ece(labels: np.ndarray, p: np.ndarray, bins: int) -> np.ndarray:
    """Calibration error of each row of labels (draws, n)."""
    order = np.argsort(p, kind="stable")
    gaps = [
        np.abs(labels[:, members].mean(axis=1) - p[members].mean()) * len(members)
        for members in np.array_split(order, bins)
        if len(members)
    ]
    return np.sum(gaps, axis=0) / len(p)
