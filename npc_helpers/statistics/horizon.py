"""Discrimination and accuracy at a horizon, with patients lost before it weighted for.

The estimators are those of `weighting`; intervals are the jackknife's over patients.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from npc_helpers.statistics import weighting
from npc_helpers.statistics.estimate import (
    NO_VARIANCE,
    Estimate,
    check_method,
    compare_pairs,
    interval_on_logit_scale,
)
from npc_helpers.statistics.gate import TooFewPatients, checked, each, numbers, probabilities
from npc_helpers.statistics.roc import roc_auc
from npc_helpers.statistics.survival import HORIZON, HORIZONS


def auc_at_horizon(time, event, risk_score, *, horizon: float) -> Estimate:
    """Chance that who progresses by the horizon has a higher score than who does not (IPCW).

    The cumulative/dynamic AUC (Uno et al. 2007; Blanche et al., Stat Med 2013;32:5381); ties
    count half. At least two patients must have progressed by the horizon, and two be observed
    beyond it.

    Returns
    -------
    Estimate
        Interval on the logit scale; in simulated cohorts of 43 it covered a true area of 0.85 in
        95% (`benchmarks/coverage.py`). Complete separation leaves the jackknife nothing to vary:
        the interval is then that of `roc_auc` among the patients whose status is known.

    Examples
    --------
    >>> months, progressed = [10, 20, 25, 30, 40, 50], [True, False, True, True, False, False]
    >>> score = [0.9, 0.5, 0.2, 0.7, 0.3, 0.1]
    >>> round(auc_at_horizon(months, progressed, score, horizon=36).value, 3)
    0.821
    """
    time, event, score = checked(time=time, event=event, risk_score=risk_score)
    case, control = weighting.check_horizon(time, event, horizon)
    values = weighting.auc_of(time, event, score, horizon, weighting.leave_one_out(len(time)))
    value, variance = weighting.jackknife(values)
    if variance < NO_VARIANCE or value in (0.0, 1.0):
        observed = case | control
        return roc_auc(case[observed], score[observed])
    return interval_on_logit_scale(value, variance)


def cumulative_dynamic_auc(
    time, event, risk_score, *, at: Sequence[float] = HORIZONS, fewest: int = 5
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
    time, event, score = checked(time=time, event=event, risk_score=risk_score)
    rows = []
    for horizon in _possible(time, event, at, fewest, above=2):
        case, control = weighting.check_horizon(time, event, horizon)
        auc = auc_at_horizon(time, event, score, horizon=horizon)
        rows.append([horizon, int(case.sum()), int(control.sum()), *auc])
    return pd.DataFrame(rows, columns=["months", "cases", "controls", "auc", "low", "high"])


def brier_curve(time, event, p_event: pd.DataFrame) -> pd.DataFrame:
    """Mean squared distance between predicted probability and outcome, at each horizon (IPCW).

    The Brier score of Graf et al., Stat Med 1999;18:2529; scaled as by Kattan and Gerds, Diagn
    Progn Res 2018;2:7.

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

    Examples
    --------
    >>> months, progressed = [10, 20, 30, 40, 50], [True, False, True, False, False]
    >>> p = pd.DataFrame({36: [0.9, 0.5, 0.6, 0.2, 0.1]})
    >>> brier_curve(months, progressed, p)[["months", "brier", "reference"]].round(3)
       months  brier  reference
    0      36  0.058      0.249
    """
    rows = []
    for horizon, (score, reference) in _brier_scores(time, event, p_event).items():
        brier = weighting.jackknife_interval(score)
        scaled = weighting.jackknife_interval(1 - score / reference)
        rows.append([horizon, *brier, reference[0], *scaled])
    names = ["months", "brier", "low", "high", "reference"]
    return pd.DataFrame(rows, columns=[*names, "scaled", "scaled_low", "scaled_high"])


def integrated_brier(time, event, p_event: pd.DataFrame) -> tuple[Estimate, Estimate]:
    """Average the Brier score over time: trapezoids between horizons, divided by their span.

    Packages differ in the span (from 0, from the first event, to the last time) and in the rule;
    compare only scores computed alike. `p_event` is that of `brier_curve`, with two horizons at
    least. Returns the score, and 1 − score / reference.

    Examples
    --------
    >>> months, progressed = [10, 15, 20, 30, 40, 50], [True, True, False, True, False, False]
    >>> p = pd.DataFrame({24: [0.7, 0.5, 0.4, 0.3, 0.1, 0.1], 36: [0.9, 0.7, 0.5, 0.6, 0.2, 0.1]})
    >>> brier, scaled = integrated_brier(months, progressed, p)
    >>> round(brier.value, 3)
    0.072
    """
    scores = _brier_scores(time, event, p_event)
    horizons = sorted(scores)
    if len(horizons) < 2:
        raise TooFewPatients(
            f"an average over time needs two horizons; only {horizons} can be used"
        )
    span = horizons[-1] - horizons[0]
    by_horizon = np.array([scores[horizon] for horizon in horizons])  # (horizons, 2, 1 + n)
    score, reference = np.trapezoid(by_horizon, x=horizons, axis=0) / span
    scaled = 1 - score / reference
    return weighting.jackknife_interval(score), weighting.jackknife_interval(scaled)


def compare_at_horizon(
    time, event, models: Mapping[str, object], *, measure: str = "auc", horizon: float = HORIZON
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
    columns = each(models, "column of {}", kinds[measure], fewest=2)
    time, event, *columns = checked(time=time, event=event, **columns)
    weighting.check_horizon(time, event, horizon)
    counts = weighting.leave_one_out(len(time))  # (1 + n, n)
    if measure == "auc":
        values = [weighting.auc_of(time, event, score, horizon, counts) for score in columns]
    else:
        values = [weighting.brier_of(time, event, p, horizon, counts)[0] for p in columns]
    values = np.array(values)  # (models, 1 + n)
    n = len(time)
    covariance = np.atleast_2d(np.cov(values[:, 1:])) * (n - 1) ** 2 / n  # the jackknife's
    return compare_pairs(models, values[:, 0], covariance)


# --- parts ---------------------------------------------------------------------------------------


def _brier_scores(time, event, p_event: pd.DataFrame) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    """Brier score and its reference by horizon, (1 + n,) each, in the order of `leave_one_out`."""
    columns = each(p_event, "p_event by {}", probabilities)
    time, event, *values = checked(time=time, event=event, **columns)
    by_horizon = dict(zip(p_event, values, strict=True))
    counts = weighting.leave_one_out(len(time))
    return {
        horizon: weighting.brier_of(time, event, by_horizon[horizon], horizon, counts)
        for horizon in _possible(time, event, by_horizon, weighting.FEWEST, above=3)
    }


def _possible(time, event, horizons, fewest: int, *, above: int) -> list[float]:
    """Horizons with enough patients; a warning names the others to the caller so far `above`."""
    possible = [
        horizon
        for horizon in horizons
        if min((event & (time <= horizon)).sum(), (time > horizon).sum()) >= fewest
    ]
    left_out = ", ".join(f"{horizon:g}" for horizon in horizons if horizon not in possible)
    if not possible:
        raise TooFewPatients(
            f"at none of {left_out} months are there {fewest} patients who progressed "
            f"and {fewest} observed for longer"
        )
    if left_out:
        why = "too few events before or patients after"
        warnings.warn(f"left out: {left_out} months ({why})", stacklevel=1 + above)
    return possible
