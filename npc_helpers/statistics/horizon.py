"""Evaluation true to a horizon: of those given 30% by 36 months, do 30% progress, and does it help?

A label that calls the lost "healthy" or "progressed" cannot answer that. What is observed is read
from the Kaplan-Meier curve, or from the patients whose status is known, weighted for those who
were lost (`time_dependent`). Intervals are the jackknife's over patients unless said otherwise;
they include that the weights were estimated.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from npc_helpers.statistics.calibration import log_odds, logistic
from npc_helpers.statistics.estimate import Estimate, critical_value, holm, plain_interval
from npc_helpers.statistics.gate import (
    TooFewPatients,
    at_least,
    checked,
    each,
    flags,
    numbers,
    probabilities,
    times,
)
from npc_helpers.statistics.roc import paired_row
from npc_helpers.statistics.time_dependent import (
    auc_of,
    brier_of,
    check_horizon,
    jackknife,
    leave_one_out,
    weights_of,
)

HORIZON = 36
GROUPS = 3
THRESHOLDS = tuple(np.round(np.arange(0.05, 0.951, 0.01), 2))


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


def calibration_at(
    time, event, p_event, *, horizon: float = HORIZON, confidence: float = 0.95
) -> HorizonCalibration:
    """Compare predicted probabilities of progression by a horizon with what happened.

    O/E = (1 − S(h)) / mean p, with S the Kaplan-Meier curve. Slope and intercept are those of a
    logistic regression of having progressed by h on the log odds of p (the intercept with the
    slope held at 1), each patient of known status weighted for those who were lost.

    Parameters
    ----------
    time, event : array-like, shape (n,)
    p_event : array-like, shape (n,)
        Predicted probability of progression by `horizon`.
    horizon : float
        In the unit of `time`.
    confidence : float

    Returns
    -------
    HorizonCalibration
        Interval of O/E on the log scale with Greenwood's variance, predictions taken as given.

    Raises
    ------
    ValueError
        If the horizon has too few patients on either side, all probabilities are equal, they
        separate the patients completely, or as `gate.checked`.

    References
    ----------
    McLernon et al., Ann Intern Med 2023;176:105. Gerds et al., Stat Med 2014;33:3191.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 20, 40, 45, 50, 60], [1, 1, 1, 0, 1, 0, 0, 0]
    >>> p = [0.7, 0.2, 0.5, 0.4, 0.3, 0.6, 0.1, 0.4]
    >>> round(calibration_at(months, progressed, p).ratio.value, 3)
    0.938
    """
    time, event, p = checked(time=times(time), event=flags(event), p_event=probabilities(p_event))
    case, _ = check_horizon(time, event, horizon)
    if np.ptp(log_odds(p)) < 1e-9:
        raise TooFewPatients("all probabilities are equal, so there is no slope to estimate")
    observed, error = kaplan_meier_risk(time, event, horizon)
    expected = float(p.mean())
    half = critical_value(confidence) * error / observed
    values = _recalibrated(time, event, p, horizon, leave_one_out(len(time)))  # (1 + n, 2)
    slope, intercept = (
        plain_interval(*jackknife(values[:, column]), confidence) for column in (0, 1)
    )
    return HorizonCalibration(
        observed=_risk_interval(observed, error, confidence),
        expected=expected,
        ratio=Estimate(
            observed / expected,
            observed / expected * math.exp(-half),
            observed / expected * math.exp(half),
            confidence,
        ),
        slope=slope,
        intercept=intercept,
        n=len(time),
        events=int(case.sum()),
    )


def calibration_groups(
    time, event, p_event, *, horizon: float = HORIZON, groups: int = GROUPS,
    confidence: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
    """Observed risk by the Kaplan-Meier curve in groups of rising predicted risk.

    Parameters
    ----------
    time, event, p_event, horizon
        As `calibration_at`.
    groups : int
        Of (nearly) equal size; patients with the same probability stay together.
    confidence : float

    Returns
    -------
    DataFrame
        n, predicted (mean), observed, low, high (log-log scale).

    Raises
    ------
    ValueError
        As `calibration_at`, or if the probabilities do not make so many groups.
    """
    time, event, p = checked(time=times(time), event=flags(event), p_event=probabilities(p_event))
    check_horizon(time, event, horizon)
    edges = np.unique(np.quantile(p, np.linspace(0, 1, groups + 1)[1:-1]))
    member = np.searchsorted(edges, p, side="left")
    if len(np.unique(member)) < groups:
        raise TooFewPatients(f"the probabilities are too alike for {groups} groups")
    rows = []
    for group in range(groups):
        inside = member == group
        risk, error = kaplan_meier_risk(time[inside], event[inside], horizon)
        interval = _risk_interval(risk, error, confidence)
        rows.append([inside.sum(), p[inside].mean(), risk, interval.low, interval.high])
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "low", "high"])


def survival_net_benefit(
    time,
    event,
    p_event: Mapping[str, object],
    *,
    horizon: float = HORIZON,
    thresholds: Sequence[float] = THRESHOLDS,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Net benefit of acting on a predicted risk of progression by a horizon.

    NB = q (r − (1 − r) t / (1 − t)): a share q of the patients has a predicted risk of at least
    the threshold t; of these a share r progresses by the horizon, read from their own
    Kaplan-Meier curve (Vickers et al., BMC Med Inform Decis Mak 2008;8:53).

    Parameters
    ----------
    time, event : array-like, shape (n,)
    p_event : mapping of str to array-like, shape (n,)
        Probabilities of progression by the horizon.
    horizon : float
    thresholds : sequence of float
        Risks at or above which one would act, each between 0 and 1.
    confidence : float

    Returns
    -------
    DataFrame
        model, threshold, net_benefit, low, high; gain, gain_low, gain_high: the paired difference
        to the better of treating everybody and nobody. Beside the models the rows ``treat all``
        and ``treat none``.

    Raises
    ------
    ValueError
        As `calibration_at`, or if a threshold is not between 0 and 1.
    """
    time, event, *columns = checked(
        time=times(time), event=flags(event), **each(p_event, probabilities, "probability of {}")
    )
    check_horizon(time, event, horizon)
    thresholds = _check_thresholds(thresholds)
    n = len(time)
    models = dict(zip(p_event, columns, strict=True))
    models |= {"treat all": np.full(n, np.inf), "treat none": np.full(n, -np.inf)}
    counts = leave_one_out(n)
    risk_of_all = _risks(time, event, horizon, counts)  # (1 + n,)
    rows = []
    for name, p in models.items():
        for threshold in thresholds:
            odds = threshold / (1 - threshold)
            benefit = _benefit(time, event, horizon, counts, p >= threshold, odds)
            default = np.maximum(risk_of_all - (1 - risk_of_all) * odds, 0)
            estimates = [plain_interval(*jackknife(v), confidence) for v in
                         (benefit, benefit - default)]  # fmt: skip
            rows.append(
                [name, threshold, *(x for e in estimates for x in (e.value, e.low, e.high))]
            )
    gains = ["gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=["model", "threshold", "net_benefit", "low", "high", *gains])


def compare_at_horizon(
    time,
    event,
    models: Mapping[str, object],
    *,
    measure: str = "auc",
    horizon: float = HORIZON,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compare models on the same patients by their AUC or Brier score at a horizon, pair by pair.

    Each row is the difference a − b of `auc_at_horizon`, or of the Brier score of `brier_curve`;
    its variance is the jackknife's, in which the same patient is left out for both.

    Parameters
    ----------
    time, event : array-like, shape (n,)
    models : mapping of str to array-like, shape (n,)
        Risk scores for ``"auc"``; probabilities of progression by the horizon for ``"brier"``.
    measure : {"auc", "brier"}
    horizon : float
    confidence : float

    Returns
    -------
    DataFrame
        a, b, difference, low, high, p, p_holm. A higher AUC and a lower Brier score are better.

    Raises
    ------
    ValueError
        As `auc_at_horizon`, or if there are fewer than two models.
    """
    kinds = {"auc": numbers, "brier": probabilities}
    if measure not in kinds:
        raise ValueError(f"measure is {measure!r}; choose 'auc' or 'brier'")
    at_least(models, 2)
    time, event, *columns = checked(
        time=times(time), event=flags(event), **each(models, kinds[measure], "column of {}")
    )
    check_horizon(time, event, horizon)
    counts = leave_one_out(len(time))
    if measure == "auc":
        values = [auc_of(time, event, score, horizon, counts) for score in columns]
    else:
        values = [brier_of(time, event, p, horizon, counts)[0] for p in columns]
    rows = []
    for i, j in itertools.combinations(range(len(values)), 2):
        _, variance = jackknife(values[i] - values[j])
        names = (list(models)[i], list(models)[j])
        spread = np.array([[variance, 0.0], [0.0, 0.0]])
        rows.append(paired_row(names, (values[i][0], values[j][0]), spread, confidence))
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"]))


# --- parts ---------------------------------------------------------------------------------------


def _check_thresholds(thresholds: Sequence[float]) -> np.ndarray:
    """Return the thresholds as an array, or refuse those outside 0 to 1."""
    thresholds = np.asarray(thresholds, dtype=float)
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError("thresholds must lie between 0 and 1, both excluded")
    return thresholds


def kaplan_meier_risk(time, event, horizon: float) -> tuple[float, float]:
    """One minus the Kaplan-Meier curve at a horizon, and Greenwood's standard error."""
    moments = np.unique(time[event & (time <= horizon)])
    at_risk = (time[:, None] >= moments).sum(axis=0)  # (moments,)
    failing = ((time[:, None] == moments) & event[:, None]).sum(axis=0)
    stay = float(np.prod(1 - failing / at_risk))
    if stay == 0:
        return 1.0, 0.0
    return 1 - stay, stay * math.sqrt(np.sum(failing / (at_risk * (at_risk - failing))))


def _risk_interval(risk: float, error: float, confidence: float) -> Estimate:
    """Interval of one minus a Kaplan-Meier estimate on the log-log scale."""
    stay = 1 - risk
    if not 0 < stay < 1:
        return Estimate(risk, risk, risk, confidence)
    half = critical_value(confidence) * error / (stay * abs(math.log(stay)))
    low, high = (1 - stay ** math.exp(sign * half) for sign in (-1, 1))
    return Estimate(risk, low, high, confidence)


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


def _risks(time, event, horizon, counts) -> np.ndarray:
    """One minus the Kaplan-Meier curve at the horizon for many weightings, (resamples,)."""
    moments = np.unique(time[event & (time <= horizon)])
    at_risk = counts @ (time[:, None] >= moments)  # (resamples, moments)
    failing = counts @ ((time[:, None] == moments) & event[:, None])
    return 1 - np.prod(1 - failing / np.where(at_risk > 0, at_risk, 1), axis=1)


def _benefit(time, event, horizon, counts, treated, odds: float) -> np.ndarray:
    share = counts @ treated / counts.sum(axis=1)
    risk = _risks(time, event, horizon, counts * treated)
    return share * (risk - (1 - risk) * odds)
