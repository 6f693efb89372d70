"""Evaluation true to a horizon: of those given 30% by 36 months, do 30% progress, and does it help?

A label that calls the lost "healthy" or "progressed" cannot answer that. What is observed is read
from the Kaplan-Meier curve, or from the patients whose status is known, weighted for those who
were lost (`time_dependent`). Intervals are the jackknife's over patients unless said otherwise;
they include that the weights were estimated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from npc_helpers.statistics.calibration import ALL_EQUAL, log_odds, logistic
from npc_helpers.statistics.estimate import (
    Estimate,
    check_method,
    compare_pairs,
    critical_value,
    plain_interval,
)
from npc_helpers.statistics.gate import (
    TooFewPatients,
    at_least,
    each,
    numbers,
    outcomes,
    probabilities,
)
from npc_helpers.statistics.survival import risk_by, risks_by
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

    Returns
    -------
    HorizonCalibration
        Interval of O/E on the log scale with Greenwood's variance, predictions taken as given.
        There is none if all probabilities are equal, or separate the patients completely.

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
    time, event, p = outcomes(time, event, p_event=probabilities(p_event))
    case, _ = check_horizon(time, event, horizon)
    if np.ptp(log_odds(p)) < ALL_EQUAL:
        raise TooFewPatients("all probabilities are equal, so there is no slope to estimate")
    observed, error = risk_by(time, event, horizon, confidence)
    expected = float(p.mean())
    ratio = observed.value / expected
    factor = math.exp(critical_value(confidence) * error / observed.value)
    values = _recalibrated(time, event, p, horizon, leave_one_out(len(time)))  # (1 + n, 2)
    slope, intercept = (plain_interval(*jackknife(column), confidence) for column in values.T)
    return HorizonCalibration(
        observed=observed,
        expected=expected,
        ratio=Estimate(ratio, ratio / factor, ratio * factor, confidence),
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
    time, event, p = outcomes(time, event, p_event=probabilities(p_event))
    check_horizon(time, event, horizon)
    edges = np.unique(np.quantile(p, np.linspace(0, 1, groups + 1)[1:-1]))
    member = np.searchsorted(edges, p, side="left")
    if len(np.unique(member)) < groups:
        raise TooFewPatients(f"the probabilities are too alike for {groups} groups")
    rows = []
    for group in range(groups):
        inside = member == group
        risk, _ = risk_by(time[inside], event[inside], horizon, confidence)
        rows.append([inside.sum(), p[inside].mean(), *risk])
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
    p_event : mapping of str to array-like, shape (n,)
        Probabilities of progression by the horizon, by model.
    thresholds : sequence of float
        Risks at or above which one would act, between 0 and 1.

    Returns
    -------
    DataFrame
        model, threshold, net_benefit, low, high; gain, gain_low, gain_high: the paired difference
        to the better of treating everybody and nobody. Beside the models the rows ``treat all``
        and ``treat none``.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 40, 45, 50], [True, True, True, False, False, False]
    >>> p = {"model": [0.9, 0.7, 0.2, 0.3, 0.6, 0.1]}
    >>> table = survival_net_benefit(months, progressed, p, thresholds=[0.5])
    >>> table.set_index("model").net_benefit.round(2).abs().to_dict()
    {'model': 0.17, 'treat all': 0.0, 'treat none': 0.0}
    """
    time, event, *columns = outcomes(
        time, event, **each(p_event, probabilities, "probability of {}")
    )
    check_horizon(time, event, horizon)
    thresholds = np.asarray(thresholds, dtype=float)
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError("thresholds must lie between 0 and 1, both excluded")
    n = len(time)
    models = dict(zip(p_event, columns, strict=True))
    models |= {"treat all": np.full(n, np.inf), "treat none": np.full(n, -np.inf)}
    counts = leave_one_out(n)  # (1 + n, n)
    risk_of_all = risks_by(time, event, horizon, counts)  # (1 + n,)
    rows = []
    for name, p in models.items():
        for threshold in thresholds:
            odds = threshold / (1 - threshold)
            benefit = _benefit(time, event, horizon, counts, p >= threshold, odds)
            default = np.maximum(risk_of_all - (1 - risk_of_all) * odds, 0)
            net, gain = (
                plain_interval(*jackknife(values), confidence)
                for values in (benefit, benefit - default)
            )
            rows.append([name, threshold, *net, *gain])
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
    models : mapping of str to array-like, shape (n,)
        Risk scores for ``"auc"``; probabilities of progression by the horizon for ``"brier"``.
    measure : {"auc", "brier"}

    Returns
    -------
    DataFrame
        As `estimate.compare_pairs`. A higher AUC and a lower Brier score are better.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 40, 45, 50], [True, True, True, False, False, False]
    >>> p = {"network": [0.9, 0.7, 0.2, 0.3, 0.6, 0.1], "stage": [0.8, 0.3, 0.8, 0.3, 0.3, 0.8]}
    >>> compare_at_horizon(months, progressed, p)[["a", "b", "difference"]].round(3)
             a      b  difference
    0  network  stage       0.111
    """
    kinds = {"auc": numbers, "brier": probabilities}
    check_method(measure, kinds)
    at_least(models, 2)
    time, event, *columns = outcomes(time, event, **each(models, kinds[measure], "column of {}"))
    check_horizon(time, event, horizon)
    counts = leave_one_out(len(time))  # (1 + n, n)
    if measure == "auc":
        values = [auc_of(time, event, score, horizon, counts) for score in columns]
    else:
        values = [brier_of(time, event, p, horizon, counts)[0] for p in columns]
    values = np.array(values)  # (models, 1 + n)
    n = len(time)
    covariance = np.atleast_2d(np.cov(values[:, 1:])) * (n - 1) ** 2 / n  # the jackknife's
    return compare_pairs(models, values[:, 0], covariance, confidence)


# --- parts ---------------------------------------------------------------------------------------


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


def _benefit(time, event, horizon, counts, treated, odds: float) -> np.ndarray:
    """Net benefit of treating some patients, (resamples,)."""
    share = counts @ treated / counts.sum(axis=1)
    risk = risks_by(time, event, horizon, counts * treated)
    return share * (risk - (1 - risk) * odds)
