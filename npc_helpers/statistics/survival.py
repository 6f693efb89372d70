"""Kaplan-Meier estimates: the curve, and what is read from it.

    S(t) = Π (1 − d(u) / n(u))      over the times u ≤ t

At the time u, d(u) patients progress of the n(u) who are still observed; a patient who is lost at u
was still at risk then. `steps` counts d and n, `product_limit` multiplies: every estimate of this
package that corrects for losses is made of these two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from npc_helpers.statistics.estimate import Z95, Estimate, format_p, plain_interval
from npc_helpers.statistics.gate import TooFewPatients, checked

HORIZON, HORIZONS = 36, (12, 24, 36, 48, 60)  # in months
NEVER = "not reached"
HALF = 1e-9  # S(t) is one half if it is closer: products of fractions miss it by less than 1e-12


def steps(time, event, counts=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times of an event (m,), the patients at risk then and those who have it, (m,) each.

    With `counts`, shape (resamples, n), patient i occurs counts[:, i] times, and the last two are
    of shape (resamples, m).
    """
    moments, having = np.unique(time[event], return_counts=True)
    if counts is None:
        return moments, len(time) - np.searchsorted(np.sort(time), moments), having
    reached = time[:, None] >= moments  # (n, m)
    having = (time[:, None] == moments) & event[:, None]  # (n, m)
    return moments, counts @ reached, counts @ having


def product_limit(at_risk, having) -> np.ndarray:
    """The curve before the first of the `steps` and after each, shape (..., 1 + m)."""
    stay = 1 - having / np.where(at_risk > 0, at_risk, 1)
    return np.concatenate([np.ones((*stay.shape[:-1], 1)), np.cumprod(stay, axis=-1)], axis=-1)


def greenwood(at_risk, having) -> np.ndarray:
    """Greenwood's terms d / (n (n − d)) of the variance, (m,); 0 where nobody is left."""
    left = at_risk - having
    return np.divide(having, at_risk * left, out=np.zeros(len(left)), where=left > 0)


def losses_last(time, event) -> np.ndarray:
    """Order of the ends of observation, (n,): at equal times progressions come before losses."""
    return 2 * np.unique(time, return_inverse=True)[1] + ~event


@dataclass(frozen=True)
class Curve:
    """A Kaplan-Meier curve after each of its steps, (m,).

    Attributes
    ----------
    variance : ndarray
        The variance of S(t), divided by S(t)²; where S(t) is 0, it means nothing.
    """

    time: np.ndarray
    survival: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(cls, time, event) -> "Curve":
        moments, at_risk, having = steps(time, event)
        survival, variance = product_limit(at_risk, having)[1:], greenwood(at_risk, having)
        return cls(moments, survival, np.cumsum(variance))

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Limits S^exp(±z √V / |log S|) of the log-log scale; NaN where nobody is left."""
        with np.errstate(divide="ignore", invalid="ignore"):
            half = Z95 * np.sqrt(self.variance)
            spread = np.exp(half / np.abs(np.log(self.survival)))
            low, high = self.survival**spread, self.survival ** (1 / spread)
        gone = self.survival <= 0
        return np.where(gone, np.nan, low), np.where(gone, np.nan, high)


def kaplan_meier(time, event) -> pd.DataFrame:
    """Share of patients without progression over time (Kaplan and Meier 1958).

    Returns
    -------
    DataFrame
        One row for each distinct time, beginning at 0: time, at_risk, events, censored, survival,
        low and high (Greenwood's variance on the log-log scale; missing where nobody is left).

    Examples
    --------
    >>> curve = kaplan_meier([10, 20, 30, 40], [True, False, True, False])
    >>> curve[["time", "at_risk", "survival"]].values.tolist()
    [[0.0, 4.0, 1.0], [10.0, 4.0, 0.75], [20.0, 3.0, 0.75], [30.0, 2.0, 0.375], [40.0, 1.0, 0.375]]
    """
    time, event = checked(time=time, event=event)
    curve = Curve.of(time, event)
    moments = np.unique(np.append(time, 0.0))
    step = np.searchsorted(curve.time, moments, side="right")  # the last one so far, from 1
    low, high = curve.limits()
    ended = {"events": time[event], "censored": time[~event]}
    return pd.DataFrame(
        {
            "time": moments,
            "at_risk": len(time) - np.searchsorted(np.sort(time), moments),
            **{
                name: np.bincount(np.searchsorted(moments, ends), minlength=len(moments))
                for name, ends in ended.items()
            },
            "survival": np.append(1.0, curve.survival)[step],
            "low": np.append(1.0, low)[step],
            "high": np.append(1.0, high)[step],
        }
    )


def survival_table(time, event, group, *, at: Sequence[float] = (0, *HORIZONS)) -> pd.DataFrame:
    """Kaplan-Meier estimates of each group at chosen times, with the numbers at risk.

    Returns
    -------
    DataFrame
        group, months, at_risk (observed that long), survival, low, high; the estimate is missing
        where nobody is at risk any more.

    Examples
    --------
    >>> months, progressed, group = [10, 20, 30, 40], [True, False, True, False], list("abab")
    >>> survival_table(months, progressed, group, at=[12])[["group", "at_risk", "survival"]]
      group  at_risk  survival
    0     a        1       0.5
    1     b        2       1.0
    """
    time, event, group = checked(time=time, event=event, group=group)
    rows = []
    for name in pd.unique(group):
        inside = group == name
        curve = kaplan_meier(time[inside], event[inside])
        for month in at:
            at_risk = int((time[inside] >= month).sum())
            last = curve[["survival", "low", "high"]][curve["time"] <= month].iloc[-1]
            rows.append([name, month, at_risk, *(last if at_risk else [math.nan] * 3)])
    return pd.DataFrame(rows, columns=["group", "months", "at_risk", "survival", "low", "high"])


@dataclass(frozen=True)
class ChiSquared:
    """A chi-squared statistic; its `str` is manuscript text."""

    statistic: float
    degrees: int
    p: float

    def __str__(self) -> str:
        sign = "" if self.p < 0.001 else "= "
        return f"χ² = {self.statistic:.2f}, df = {self.degrees}, P {sign}{format_p(self.p)}"


def log_rank(time, event, group) -> ChiSquared:
    """Test whether two or more groups progress alike over the whole time (Mantel 1966).

    At each time of progression the number of each group is compared with its share of the
    patients at risk.

    Examples
    --------
    >>> print(log_rank([5, 10, 15, 20], [True] * 4, ["a", "a", "b", "b"]))
    χ² = 2.88, df = 1, P = 0.090
    """
    from lifelines.statistics import multivariate_logrank_test  # slow to import

    time, event, group = checked(time=time, event=event, group=group)
    levels = len(pd.unique(group))
    if levels < 2:
        raise TooFewPatients("everybody is in one group, so there is nothing to compare")
    if not event.any():
        raise TooFewPatients("nobody progressed: survival does not differ, and cannot be tested")
    test = multivariate_logrank_test(time, group, event)
    return ChiSquared(float(test.test_statistic), levels - 1, float(test.p_value))


@dataclass(frozen=True)
class MedianTime(Estimate):
    """A median time with its interval; ends that the curve does not reach are infinite."""

    def __str__(self) -> str:
        value, low, high = (NEVER if math.isinf(end) else f"{end:.1f}" for end in self)
        return f"{value} (95% CI {low} to {high})"


def median_survival(time, event) -> MedianTime:
    """Time by which half of the patients have progressed, by the Kaplan-Meier curve.

    The first time at which S(t) ≤ 1/2; where S stays at exactly 1/2 for a while, the middle of
    that while. The interval's ends are read alike from the log-log limits of the curve. This is
    not the median of the observed times, which treats everybody who was lost as progressed.

    Examples
    --------
    >>> print(median_survival([10, 20, 30, 40], [True, True, False, True]))
    30.0 (95% CI 10.0 to not reached)
    """
    time, event = checked(time=time, event=event)
    curve = Curve.of(time, event)
    return _median(curve.time, curve)


def median_follow_up(time, event) -> MedianTime:
    """How long patients were, or would have been, followed: the reverse Kaplan-Meier median.

    As `median_survival`, with the end of observation as the event and progression as what cuts it
    short (Schemper and Smith, Control Clin Trials 1996;17:343). The plain median of the observed
    times is shorter: patients who progressed early count there as followed for a short time.

    Examples
    --------
    >>> print(median_follow_up([10, 20, 30, 40], [True, False, False, False]))
    30.0 (95% CI 20.0 to not reached)
    """
    time, event = checked(time=time, event=event)
    curve = Curve.of(losses_last(time, event), ~event)
    return _median(np.unique(time[~event]), curve)


def _median(moments: np.ndarray, curve: Curve) -> MedianTime:
    curves = (curve.survival, *curve.limits())
    return MedianTime(*(_first_half(moments, values) for values in curves))


def _first_half(moments: np.ndarray, curve: np.ndarray) -> float:
    reached = np.flatnonzero(curve <= 0.5 + HALF)
    if not len(reached):
        return math.inf
    first = reached[0]
    stays = abs(curve[first] - 0.5) < HALF and first + 1 < len(moments)
    return float((moments[first] + moments[first + 1]) / 2 if stays else moments[first])


def restricted_mean(time, event, group, *, horizon: float) -> pd.DataFrame:
    """Mean time without progression within the first months, by group, and its difference.

    The area under the Kaplan-Meier curve from 0 to the horizon. It needs no proportional hazards
    and says in months what a difference means (Royston and Parmar, BMC Med Res Methodol
    2013;13:152).

    Parameters
    ----------
    group : array-like, shape (n,)
        Two groups, each of them observed until the horizon.

    Returns
    -------
    DataFrame
        group (the two, then ``difference``: first minus second), months, low, high, p (of the
        difference, two-sided; NaN in the other rows).

    Examples
    --------
    >>> months, progressed, group = [10, 40, 30, 50], [True, False, True, False], list("aabb")
    >>> restricted_mean(months, progressed, group, horizon=36).months.tolist()
    [23.0, 33.0, -10.0]
    """
    time, event, group = checked(time=time, event=event, group=group)
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
        means.append(_area(time[inside], event[inside], horizon))
        rows.append([name, *plain_interval(*means[-1]), math.nan])
    (first, first_variance), (second, second_variance) = means
    error = math.sqrt(first_variance + second_variance)
    p = 2 * norm.sf(abs(first - second) / error) if error > 0 else float(first == second)
    difference = plain_interval(first - second, error**2)
    rows.append(["difference", *difference, float(p)])
    return pd.DataFrame(rows, columns=["group", "months", "low", "high", "p"])


def _area(time, event, horizon: float) -> tuple[float, float]:
    """Area under the Kaplan-Meier curve up to the horizon, and Greenwood's variance of it."""
    moments, at_risk, having = steps(time, event & (time <= horizon))
    widths = np.diff(np.concatenate([[0.0], moments, [horizon]]))
    pieces = product_limit(at_risk, having) * widths  # (1 + m,)
    beyond = np.cumsum(pieces[::-1])[::-1][1:]  # (m,): area after each step
    return float(pieces.sum()), float(np.sum(beyond**2 * greenwood(at_risk, having)))


def risk_by(time, event, horizon: float) -> tuple[Estimate, float]:
    """One minus the Kaplan-Meier curve at a horizon, and Greenwood's standard error."""
    curve = Curve.of(time, event & (time <= horizon))
    if not len(curve.time) or curve.survival[-1] <= 0:
        risk = 1.0 if len(curve.time) else 0.0
        return Estimate(risk, risk, risk), 0.0
    stay = float(curve.survival[-1])
    low, high = (float(1 - limits[-1]) for limits in reversed(curve.limits()))
    return Estimate(1 - stay, low, high), stay * math.sqrt(curve.variance[-1])


def risks_by(time, event, horizon: float, counts) -> np.ndarray:
    """One minus the Kaplan-Meier curve at a horizon for many weightings, (resamples,)."""
    _, at_risk, having = steps(time, event & (time <= horizon), counts)
    return 1 - product_limit(at_risk, having)[:, -1]
