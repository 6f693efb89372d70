"""A number with its interval, and how it is printed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm


@dataclass(frozen=True)
class Estimate:
    """A point estimate with a confidence interval; its `str` is manuscript text.

    Attributes
    ----------
    value, low, high : float
        NaN where there is no patient to estimate it from, which prints as ``not estimable``.
    confidence : float
        For instance 0.95.
    """

    value: float
    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "not estimable"
        percent = f"{100 * self.confidence:g}%"
        return f"{self.value:.3f} ({percent} CI {self.low:.3f}–{self.high:.3f})"


def critical_value(confidence: float) -> float:
    """Two-sided critical value of the standard normal distribution.

    Raises
    ------
    ValueError
        If `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1, as 0.95 does")
    return float(norm.ppf(0.5 + confidence / 2))


def interval_on_logit_scale(value: float, variance: float, confidence: float) -> Estimate:
    """Interval of a proportion-like estimate that stays inside 0 and 1 (delta method)."""
    z = critical_value(confidence)
    centre = math.log(value / (1 - value))
    half = z * math.sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-(centre + sign * half))) for sign in (-1, 1))
    return Estimate(value, low, high, confidence)


def plain_interval(value: float, variance: float, confidence: float) -> Estimate:
    """Symmetric (Wald) interval; it may leave 0 and 1."""
    half = critical_value(confidence) * math.sqrt(variance)
    return Estimate(value, value - half, value + half, confidence)


def format_p(p: float) -> str:
    """Print a P value as journals want it.

    Three decimals, never 0.000 or, short of certainty, 1.000; and more of them where three would
    round to 0.050, so that nobody has to guess on which side of it the value lies.
    """
    if math.isnan(p):
        return "not estimable"
    if p < 0.001:
        return "< 0.001"
    if 0.9995 <= p < 1:
        return "> 0.999"
    decimals = 3
    while decimals < 8 and p != 0.05 and float(f"{p:.{decimals}f}") == 0.05:
        decimals += 1
    return f"{p:.{decimals}f}"


def with_printed_p(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose P values (columns p and p_holm) are text as `format_p` prints them."""
    printed = {name: table[name].map(format_p) for name in ("p", "p_holm") if name in table}
    return table.assign(**printed)


def holm(p_values) -> np.ndarray:
    """Adjust P values for the number of comparisons (Holm 1979)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
