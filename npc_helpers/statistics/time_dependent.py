"""Discrimination and accuracy at a horizon, with patients lost before it weighted for.

Whether a patient censored at 20 months would have progressed by 36 is unknown. Leaving such
patients out, or counting them as healthy, biases every measure. Here each patient whose status is
known stands for some who were lost: the weight is one over the chance of not being censored so
long (inverse probability of censoring weighting, IPCW). At equal times a progression comes before
a censoring. Definitions and ties are those of the R packages timeROC and riskRegression (cases
weighted by G just before their event, patients beyond the horizon by G at the horizon); the
intervals are the jackknife's over patients, which includes that G was estimated.

No Python package counts tied whole months this way, so the estimators are written out.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from npc_helpers.statistics.estimate import (
    NO_VARIANCE,
    Estimate,
    interval_on_logit_scale,
    plain_interval,
)
from npc_helpers.statistics.gate import (
    TooFewPatients,
    each,
    index_of,
    numbers,
    outcomes,
    probabilities,
)
from npc_helpers.statistics.roc import roc_auc
from npc_helpers.statistics.survival import losses_last, product_limit, steps

HORIZONS = (12, 24, 36, 48, 60)
FEWEST = 2


def ipcw_weights(time, event, *, horizon: float) -> pd.DataFrame:
    """Weigh the patients whose status at the horizon is known, for those whose is not.

    Returns
    -------
    DataFrame, n rows
        ``case`` (progressed by the horizon) and ``control`` (still observed beyond it): one over
        the Kaplan-Meier estimate of remaining uncensored; 0 for everybody else. The means of the
        two columns are the Kaplan-Meier estimates of having and not having progressed.

    Examples
    --------
    >>> ipcw_weights([10, 20, 30, 40], [True, False, True, False], horizon=36)
       case  control
    0   1.0      0.0
    1   0.0      0.0
    2   1.5      0.0
    3   0.0      1.5
    """
    index = index_of(time)
    time, event = outcomes(time, event)
    case, control = weights_of(time, event, horizon, np.ones((1, len(time))))
    return pd.DataFrame({"case": case[0], "control": control[0]}, index=index)


def auc_at_horizon(
    time, event, risk_score, *, horizon: float, confidence: float = 0.95
) -> Estimate:
    """Chance that who progresses by the horizon has a higher score than who does not (IPCW).

    The cumulative/dynamic AUC (Uno et al. 2007; Blanche et al., Stat Med 2013;32:5381); ties
    count half. At least two patients must have progressed by the horizon, and two be observed
    beyond it.

    Returns
    -------
    Estimate
        Interval on the logit scale; in 43 simulated patients it covered true areas of 0.72 to
        0.91 in 95 to 97% of 500 cohorts. Complete separation leaves the jackknife nothing to vary:
        the interval is then that of `roc_auc` among the patients whose status is known.

    Examples
    --------
    >>> months, progressed = [10, 20, 25, 30, 40, 50], [True, False, True, True, False, False]
    >>> score = [0.9, 0.5, 0.2, 0.7, 0.3, 0.1]
    >>> round(auc_at_horizon(months, progressed, score, horizon=36).value, 3)
    0.821
    """
    time, event, score = outcomes(time, event, risk_score=numbers(risk_score))
    case, control = check_horizon(time, event, horizon)
    values = auc_of(time, event, score, horizon, leave_one_out(len(time)))
    value, variance = jackknife(values)
    if variance < NO_VARIANCE or value in (0.0, 1.0):
        observed = case | control
        return roc_auc(case[observed], score[observed], confidence=confidence)
    return interval_on_logit_scale(value, variance, confidence)


def cumulative_dynamic_auc(
    time,
    event,
    risk_score,
    *,
    at: Sequence[float] = HORIZONS,
    fewest: int = 5,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """`auc_at_horizon` at several horizons.

    Parameters
    ----------
    fewest : int
        Patients needed on either side of a horizon; horizons with fewer are left out, with a
        warning. Three relapses that happen to look alike have no spread, and their interval
        would be deceptively short.

    Returns
    -------
    DataFrame
        months, cases, controls, auc, low, high; one row per horizon.

    Examples
    --------
    >>> months, progressed = [10, 20, 25, 30, 40, 50], [True, False, True, True, False, False]
    >>> table = cumulative_dynamic_auc(months, progressed, range(6), at=[36], fewest=2)
    >>> table[["months", "cases", "controls"]].values.tolist()
    [[36, 3, 2]]
    """
    time, event, score = outcomes(time, event, risk_score=numbers(risk_score))
    rows = []
    for horizon in _possible(time, event, at, fewest):
        case, control = check_horizon(time, event, horizon)
        auc = auc_at_horizon(time, event, score, horizon=horizon, confidence=confidence)
        rows.append([horizon, int(case.sum()), int(control.sum()), *auc])
    return pd.DataFrame(rows, columns=["months", "cases", "controls", "auc", "low", "high"])


def brier_curve(time, event, p_event: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Mean squared distance between predicted probability and outcome, at each horizon (IPCW).

    Parameters
    ----------
    p_event : DataFrame, shape (n, horizons)
        Predicted probability of progression by the months that name the columns. Horizons with
        fewer than two patients on either side are left out, with a warning.

    Returns
    -------
    DataFrame
        months; brier, low, high; ``reference`` (what the Kaplan-Meier curve of these patients
        scores, the same probability for everybody); ``scaled`` = 1 − brier / reference with
        scaled_low, scaled_high: above 0 is better than knowing nothing about the patient.

    References
    ----------
    Graf et al., Stat Med 1999;18:2529. Kattan and Gerds, Diagn Progn Res 2018;2:7.

    Examples
    --------
    >>> months, progressed = [10, 20, 30, 40, 50], [True, False, True, False, False]
    >>> p = pd.DataFrame({36: [0.9, 0.5, 0.6, 0.2, 0.1]})
    >>> brier_curve(months, progressed, p)[["months", "brier", "reference"]].round(3)
       months  brier  reference
    0      36  0.058      0.249
    """
    time, event, p_event = _with_probabilities(time, event, p_event)
    counts = leave_one_out(len(time))
    rows = []
    for horizon in _possible(time, event, p_event):
        score, reference = brier_of(time, event, p_event[horizon], horizon, counts)
        brier = plain_interval(*jackknife(score), confidence)
        scaled = plain_interval(*jackknife(1 - score / reference), confidence)
        rows.append([horizon, *brier, reference[0], *scaled])
    names = ["months", "brier", "low", "high", "reference"]
    return pd.DataFrame(rows, columns=[*names, "scaled", "scaled_low", "scaled_high"])


@dataclass(frozen=True)
class IntegratedBrier:
    """Brier score averaged over a span of months, with its reference.

    Attributes
    ----------
    brier, scaled : Estimate
        The score, and 1 − score / reference.
    reference : float
        The score of the Kaplan-Meier curve.
    months : tuple of float
        First and last horizon of the average.
    """

    brier: Estimate
    scaled: Estimate
    reference: float
    months: tuple[float, float]


def integrated_brier(
    time, event, p_event: pd.DataFrame, *, confidence: float = 0.95
) -> IntegratedBrier:
    """Average the Brier score over time: trapezoids between horizons, divided by their span.

    Packages differ in the span (from 0, from the first event, to the last time) and in the rule;
    compare only scores computed alike. `p_event` is that of `brier_curve`, with two horizons at
    least.

    Examples
    --------
    >>> months, progressed = [10, 15, 20, 30, 40, 50], [True, True, False, True, False, False]
    >>> p = pd.DataFrame({24: [0.7, 0.5, 0.4, 0.3, 0.1, 0.1], 36: [0.9, 0.7, 0.5, 0.6, 0.2, 0.1]})
    >>> round(integrated_brier(months, progressed, p).reference, 3)
    0.235
    """
    time, event, p_event = _with_probabilities(time, event, p_event)
    horizons = _possible(time, event, sorted(p_event))
    if len(horizons) < 2:
        raise TooFewPatients(
            f"an average over time needs two horizons; only {horizons} can be used"
        )
    counts = leave_one_out(len(time))
    pairs = [brier_of(time, event, p_event[h], h, counts) for h in horizons]
    span = horizons[-1] - horizons[0]
    score, reference = (
        np.trapezoid(np.array(part), x=horizons, axis=0) / span for part in zip(*pairs, strict=True)
    )
    return IntegratedBrier(
        brier=plain_interval(*jackknife(score), confidence),
        scaled=plain_interval(*jackknife(1 - score / reference), confidence),
        reference=float(reference[0]),
        months=(horizons[0], horizons[-1]),
    )


# --- estimators over many weightings of the patients at once -----------------------------------


def weights_of(time, event, horizon, counts) -> tuple[np.ndarray, np.ndarray]:
    """IPCW of cases and controls, (resamples, n), where patient i occurs counts[:, i] times."""
    by_then, beyond = event & (time <= horizon), time > horizon
    if not beyond.any():
        raise TooFewPatients(f"nobody was observed beyond {horizon:g}; choose an earlier horizon")
    order = losses_last(time, event)
    moments, at_risk, lost = steps(order, ~event, counts)
    observed = product_limit(at_risk, lost)  # (resamples, 1 + losses): G
    just_before = np.searchsorted(moments, order[by_then])
    at_horizon = np.searchsorted(np.unique(time[~event]), horizon, side="right")
    case, control = np.zeros_like(counts), np.zeros_like(counts)
    case[:, by_then] = 1 / observed[:, just_before]
    control[:, beyond] = 1 / observed[:, [at_horizon]]
    return case, control


def auc_of(time, event, score, horizon, counts) -> np.ndarray:
    """Weighted share of pairs of case and control in which the case scores higher, (resamples,)."""
    case, control = weights_of(time, event, horizon, counts)
    case, control = counts * case, counts * control  # (resamples, n)
    wins = (score[:, None] > score) + 0.5 * (score[:, None] == score)  # (n, n)
    won = ((case @ wins) * control).sum(axis=1)
    return won / (case.sum(axis=1) * control.sum(axis=1))


def brier_of(time, event, p, horizon, counts) -> tuple[np.ndarray, np.ndarray]:
    """Brier score, and that of the Kaplan-Meier risk for everybody, (resamples,) each."""
    case, control = weights_of(time, event, horizon, counts)
    case, control = counts * case, counts * control  # (resamples, n)
    n = counts.sum(axis=1)
    score = (case @ (1 - p) ** 2 + control @ p**2) / n
    return score, case.sum(axis=1) * control.sum(axis=1) / n**2


def leave_one_out(n: int) -> np.ndarray:
    """All patients in the first row, then all but one, (1 + n, n)."""
    return np.vstack([np.ones(n), 1 - np.eye(n)])


def jackknife(values: np.ndarray) -> tuple[float, float]:
    """Estimate and variance from values in the order of `leave_one_out`, (1 + n,) (Tukey 1958)."""
    without = values[1:]
    n = len(without)
    return float(values[0]), float((n - 1) / n * np.sum((without - without.mean()) ** 2))


# --- checks ------------------------------------------------------------------------------------


def _with_probabilities(time, event, p_event: pd.DataFrame):
    """Time (n,), event (n,), and the probabilities (n,) of each horizon."""
    columns = each(p_event, probabilities, "p_event by {}")
    time, event, *values = outcomes(time, event, **columns)
    return time, event, dict(zip(p_event, values, strict=True))


def check_horizon(time, event, horizon, fewest: int = FEWEST) -> tuple[np.ndarray, np.ndarray]:
    """Cases and controls at a horizon; fewer than needed of either are refused."""
    case, control = event & (time <= horizon), time > horizon
    needed = f"needs {fewest} patients"
    if case.sum() < fewest:
        raise TooFewPatients(
            f"{needed} with progression by {horizon:g} months; {case.sum()} have it"
        )
    if control.sum() < fewest:
        raise TooFewPatients(
            f"{needed} observed for longer than {horizon:g} months; {control.sum()} were"
        )
    return case, control


def _possible(time, event, horizons, fewest: int = FEWEST) -> list[float]:
    def enough(horizon):
        return min((event & (time <= horizon)).sum(), (time > horizon).sum()) >= fewest

    possible = [horizon for horizon in horizons if enough(horizon)]
    left_out = [f"{horizon:g}" for horizon in horizons if horizon not in possible]
    if not possible:
        raise TooFewPatients(
            f"at none of {', '.join(left_out)} months are there {fewest} patients who progressed "
            f"and {fewest} observed for longer"
        )
    if left_out:
        warnings.warn(
            f"left out: {', '.join(left_out)} months (too few events before or patients after)",
            stacklevel=3,
        )
    return possible
