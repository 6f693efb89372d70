"""Follow-up and survival in one number each: medians, and the mean over a limited time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from npc_helpers.statistics.estimate import Estimate, critical_value, plain_interval
from npc_helpers.statistics.gate import TooFewPatients, checked, flags, groups, times

NEVER = "not reached"


@dataclass(frozen=True)
class MedianTime:
    """A median time with its interval; ends that the curve does not reach are infinite.

    Attributes
    ----------
    value, low, high : float
    confidence : float
    """

    value: float
    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        value, low, high = (
            NEVER if math.isinf(end) else f"{end:.1f}" for end in (self.value, self.low, self.high)
        )
        return f"{value} ({100 * self.confidence:g}% CI {low} to {high})"


def median_survival(time, event, *, confidence: float = 0.95) -> MedianTime:
    """Time by which half of the patients have progressed, by the Kaplan-Meier curve.

    The first time at which S(t) ≤ 1/2; where S stays at exactly 1/2 for a while, the middle of
    that while. The interval's ends are read alike from the log-log limits of the curve. This is
    not the median of the observed times, which calls everybody who was lost progressed.

    Parameters
    ----------
    time, event : array-like, shape (n,)
    confidence : float

    Returns
    -------
    MedianTime
        ``not reached`` where the curve stays above one half.

    Examples
    --------
    >>> print(median_survival([10, 20, 30, 40], [True, True, False, True]))
    30.0 (95% CI 10.0 to not reached)
    """
    time, event = checked(time=times(time), event=flags(event))
    return _median(*_curve(time, event, confidence), confidence)


def median_follow_up(time, event, *, confidence: float = 0.95) -> MedianTime:
    """How long patients were, or would have been, followed: the reverse Kaplan-Meier median.

    As `median_survival`, with the end of observation as the event and progression as what cuts it
    short (Schemper and Smith, Control Clin Trials 1996;17:343). The plain median of the observed
    times is shorter: whoever progressed early counts there as followed for a short time.

    Parameters
    ----------
    time, event : array-like, shape (n,)
    confidence : float

    Examples
    --------
    >>> print(median_follow_up([10, 20, 30, 40], [True, False, False, False]))
    30.0 (95% CI 20.0 to not reached)
    """
    time, event = checked(time=times(time), event=flags(event))
    order = 2 * np.unique(time, return_inverse=True)[1] + ~event  # losses after progressions
    moments, survival, low, high = _curve(order, ~event, confidence)
    lookup = dict(zip(order, time, strict=True))
    return _median(np.array([lookup[m] for m in moments]), survival, low, high, confidence)


def restricted_mean(
    time, event, group, *, horizon: float, confidence: float = 0.95
) -> pd.DataFrame:
    """Mean time without progression within the first months, by group, and its difference.

    The area under the Kaplan-Meier curve from 0 to the horizon. It needs no proportional hazards
    and says in months what a difference means (Royston and Parmar, BMC Med Res Methodol
    2013;13:152).

    Parameters
    ----------
    time, event : array-like, shape (n,)
    group : array-like, shape (n,)
        Two groups.
    horizon : float
        In the unit of `time`; each group must have been observed so long.
    confidence : float

    Returns
    -------
    DataFrame
        group (the two, then ``difference``: first minus second), months, low, high, p (of the
        difference, two-sided; NaN in the other rows).

    Raises
    ------
    ValueError
        If there are not two groups, or nobody of one was observed until the horizon.
    """
    time, event, group = checked(time=times(time), event=flags(event), group=groups(group))
    names = list(pd.unique(group))
    if len(names) != 2:
        raise TooFewPatients(f"a difference needs two groups; there are {len(names)}")
    rows, means = [], []
    for name in names:
        inside = group == name
        if time[inside].max() < horizon:
            raise TooFewPatients(
                f"nobody in group {name} was observed for {horizon:g} months; choose a shorter time"
            )
        mean, variance = _area(time[inside], event[inside], horizon)
        means.append((mean, variance))
        rows.append(_row(name, plain_interval(mean, variance, confidence), math.nan))
    (first, first_variance), (second, second_variance) = means
    error = math.sqrt(first_variance + second_variance)
    p = 2 * norm.sf(abs(first - second) / error) if error > 0 else float(first == second)
    difference = plain_interval(first - second, error**2, confidence)
    rows.append(_row("difference", difference, float(p)))
    return pd.DataFrame(rows, columns=["group", "months", "low", "high", "p"])


# --- parts ---------------------------------------------------------------------------------------


def _row(name, estimate: Estimate, p: float) -> list:
    return [name, estimate.value, estimate.low, estimate.high, p]


def _curve(time, event, confidence: float):
    """Times at which the curve steps down, the curve, and its log-log limits, each (moments,)."""
    if not event.any():
        nothing = np.array([])
        return nothing, nothing, nothing, nothing
    moments = np.unique(time[event])
    at_risk = (time[:, None] >= moments).sum(axis=0)
    failing = ((time[:, None] == moments) & event[:, None]).sum(axis=0)
    survival = np.cumprod(1 - failing / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(failing / (at_risk * (at_risk - failing)))
        spread = critical_value(confidence) * np.sqrt(greenwood) / np.abs(np.log(survival))
        low, high = survival ** np.exp(spread), survival ** np.exp(-spread)
    gone = survival <= 0  # nobody is left: the limits say nothing there
    return moments, survival, np.where(gone, np.nan, low), np.where(gone, np.nan, high)


def _median(moments, survival, low, high, confidence: float) -> MedianTime:
    return MedianTime(*(_first_half(moments, c) for c in (survival, low, high)), confidence)


def _first_half(moments: np.ndarray, curve: np.ndarray) -> float:
    reached = np.flatnonzero(curve <= 0.5 + 1e-9)
    if not len(reached):
        return math.inf
    first = reached[0]
    stays = abs(curve[first] - 0.5) < 1e-9 and first + 1 < len(moments)
    return float((moments[first] + moments[first + 1]) / 2 if stays else moments[first])


def _area(time, event, horizon: float) -> tuple[float, float]:
    """Area under the Kaplan-Meier curve up to the horizon, and Greenwood's variance of it."""
    moments = np.unique(time[event & (time <= horizon)])
    at_risk = (time[:, None] >= moments).sum(axis=0)
    failing = ((time[:, None] == moments) & event[:, None]).sum(axis=0)
    survival = np.concatenate([[1.0], np.cumprod(1 - failing / at_risk)])
    widths = np.diff(np.concatenate([[0.0], moments, [horizon]]))
    pieces = survival * widths  # (moments + 1,)
    beyond = np.cumsum(pieces[::-1])[::-1][1:]  # area after each step
    left = at_risk - failing
    steps = np.divide(failing, at_risk * left, out=np.zeros(len(moments)), where=left > 0)
    return float(pieces.sum()), float(np.sum(beyond**2 * steps))
