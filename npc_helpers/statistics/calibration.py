"""Whether a predicted probability means what it says: for a 0/1 label, and by a horizon.

A label that calls the lost "healthy" or "progressed" cannot say whether 30% of those who were
given 30% by 36 months do progress. What is observed by a horizon is read from the Kaplan-Meier
curve, or from the patients whose status is known, weighted for those who were lost (`weighting`).

Scores on another scale have no calibration. With 43 patients every measure is vague, which the
intervals say.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from npc_helpers.statistics.estimate import Z95, Estimate, plain_interval
from npc_helpers.statistics.gate import TooFewPatients, checked, two_classes
from npc_helpers.statistics.survival import HORIZON, risk_by
from npc_helpers.statistics.weighting import (
    check_horizon,
    jackknife_interval,
    leave_one_out,
    weights_of,
)

CLIP = 1e-6  # 0 and 1 have infinite log odds; a step so small moves no slope of a small cohort
ALL_EQUAL = 1e-9  # a spread of log odds below it is rounding
SINGULAR = 1e12  # condition beyond which half of a double's 16 digits or fewer would be left
CONVERGED = 1e-10  # of a Newton step, which doubles the right digits each time
DRAWS = 2_000  # simulated label sets: their mean calibration error is known to about 0.001
GROUPS = 3


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


def calibration(high_risk, p_high_risk, *, bins: int = 5, seed: int = 0) -> Calibration:
    """Slope, intercept (Van Calster et al., BMC Med 2019;17:230) and expected calibration error.

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

    Examples
    --------
    >>> high_risk = [True, True, False, True, False, False]
    >>> round(calibration(high_risk, [0.9, 0.6, 0.7, 0.4, 0.3, 0.2]).slope.value, 2)
    1.07
    """
    labels, p = checked(high_risk=high_risk, p_high_risk=p_high_risk)
    positive, odds = two_classes(labels), log_odds(p)
    if np.ptp(odds) < ALL_EQUAL:
        raise TooFewPatients("all probabilities are equal, so there is no slope to estimate")
    ones = np.ones((len(p), 1))
    coefficients, covariance = logistic(np.column_stack([ones, odds]), positive)
    offset, variance = logistic(ones, positive, offset=odds)
    drawn = np.random.default_rng(seed).random((DRAWS, len(p))) < p  # (draws, n)
    return Calibration(
        slope=plain_interval(float(coefficients[1]), float(covariance[1, 1])),
        intercept=plain_interval(float(offset[0]), float(variance[0, 0])),
        ece=float(_ece(positive[None], p, bins)[0]),
        ece_by_chance=float(_ece(drawn, p, bins).mean()),
    )


@dataclass(frozen=True)
class HorizonCalibration:
    """How far predicted probabilities of progression by a horizon can be taken at their word.

    Attributes
    ----------
    observed : Estimate
        One minus the Kaplan-Meier curve at the horizon.
    expected : float
        Mean predicted probability.
    ratio : Estimate
        Observed over expected: 1 is right, above 1 the risk is underestimated.
    slope : Estimate
        1 is right; below 1 the predictions are too extreme, above it too timid.
    intercept : Estimate
        Log odds missing on average; 0 is right, above 0 the risk is underestimated.
    n, events : int
        Patients, and those who progressed by the horizon.
    """

    observed: Estimate
    expected: float
    ratio: Estimate
    slope: Estimate
    intercept: Estimate
    n: int
    events: int


def calibration_at(time, event, p_event, *, horizon: float = HORIZON) -> HorizonCalibration:
    """Compare predicted probabilities of progression by a horizon with what happened.

    O/E = (1 − S(h)) / mean p, with S the Kaplan-Meier curve. Slope and intercept are those of a
    logistic regression of having progressed by h on the log odds of p (the intercept with the
    slope held at 1), each patient of known status weighted for those who were lost
    (McLernon et al., Ann Intern Med 2023;176:105; Gerds et al., Stat Med 2014;33:3191).

    Returns
    -------
    HorizonCalibration
        Interval of O/E on the log scale with Greenwood's variance, predictions taken as given;
        slope and intercept have the jackknife's, which includes that weights were estimated.
        There is none if all probabilities are equal, or separate the patients completely.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 20, 40, 45, 50, 60], [1, 1, 1, 0, 1, 0, 0, 0]
    >>> p = [0.7, 0.2, 0.5, 0.4, 0.3, 0.6, 0.1, 0.4]
    >>> round(calibration_at(months, progressed, p).ratio.value, 3)
    0.938
    """
    time, event, p = checked(time=time, event=event, p_event=p_event)
    case, _ = check_horizon(time, event, horizon)
    if np.ptp(log_odds(p)) < ALL_EQUAL:
        raise TooFewPatients("all probabilities are equal, so there is no slope to estimate")
    observed, error = risk_by(time, event, horizon)
    expected = float(p.mean())
    ratio = observed.value / expected
    factor = math.exp(Z95 * error / observed.value)
    values = _recalibrated(time, event, p, horizon, leave_one_out(len(time)))  # (1 + n, 2)
    slope, intercept = (jackknife_interval(column) for column in values.T)
    return HorizonCalibration(
        observed=observed,
        expected=expected,
        ratio=Estimate(ratio, ratio / factor, ratio * factor),
        slope=slope,
        intercept=intercept,
        n=len(time),
        events=int(case.sum()),
    )


def calibration_groups(
    time, event, p_event, *, horizon: float = HORIZON, groups: int = GROUPS,
) -> pd.DataFrame:  # fmt: skip
    """Observed risk by the Kaplan-Meier curve in groups of rising predicted risk.

    The groups are of (nearly) equal size; patients with the same probability stay together.

    Returns
    -------
    DataFrame
        n, predicted (mean), observed, low, high (log-log scale).

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 20, 40, 45, 50, 60], [1, 1, 1, 0, 1, 0, 0, 0]
    >>> p = [0.7, 0.2, 0.5, 0.4, 0.3, 0.6, 0.1, 0.4]
    >>> table = calibration_groups(months, progressed, p, groups=2)
    >>> table[["n", "predicted", "observed"]].round(2).values.tolist()
    [[5.0, 0.28, 0.2], [3.0, 0.6, 0.67]]
    """
    time, event, p = checked(time=time, event=event, p_event=p_event)
    check_horizon(time, event, horizon)
    edges = np.unique(np.quantile(p, np.linspace(0, 1, groups + 1)[1:-1]))
    member = np.searchsorted(edges, p, side="left")
    if len(np.unique(member)) < groups:
        raise TooFewPatients(f"the probabilities are too alike for {groups} groups")
    rows = []
    for group in range(groups):
        inside = member == group
        risk, _ = risk_by(time[inside], event[inside], horizon)
        rows.append([inside.sum(), p[inside].mean(), *risk])
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "low", "high"])


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


def _recalibrated(time, event, p, horizon, counts) -> np.ndarray:
    """Slopes and intercepts, (resamples, 2), where patient i occurs counts[:, i] times."""
    case, control = weights_of(time, event, horizon, counts)
    weights = counts * (case + control)  # (resamples, n)
    status_known = weights.any(axis=0)
    odds, label = log_odds(p)[status_known], (case > 0).any(axis=0)[status_known]
    ones = np.ones((len(odds), 1))
    design = np.column_stack([ones, odds])
    values = []
    for weight in weights[:, status_known]:
        slope, _ = logistic(design, label, weight=weight)
        intercept, _ = logistic(ones, label, offset=odds, weight=weight)
        values.append((slope[1], intercept[0]))
    return np.array(values)
