"""A number with its interval, and what every estimator checks first."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
    """Print a P value as journals want it, never as 0.000."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def holm(p_values) -> np.ndarray:
    """Adjust P values for the number of comparisons (Holm 1979)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def aligned(**columns) -> list[np.ndarray]:
    """Return the columns as arrays of one length without missing values.

    Series are matched by position and must then have equal indices: an order mix-up of patients
    would go unnoticed otherwise.

    Raises
    ------
    ValueError
        Naming the column that is missing values, of another length, or of other patients.
    """
    indices = {n: c.index for n, c in columns.items() if isinstance(c, pd.Series)}
    names = list(indices)
    for name in names[1:]:
        if not indices[names[0]].equals(indices[name]):
            raise ValueError(
                f"{names[0]} and {name} have different patients or orders; "
                "use .reindex(...) so that both follow the same index"
            )
    arrays = {n: np.asarray(c, dtype=float) for n, c in columns.items()}
    lengths = {n: len(a) for n, a in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns differ in length: {lengths}")
    for name, values in arrays.items():
        missing = int(np.isnan(values).sum())
        if missing:
            raise ValueError(f"{name} has {missing} missing values; leave those patients out")
    return list(arrays.values())


def by_model(scores: Mapping[str, object], *, fewest: int = 2) -> dict[str, object]:
    """Columns for `aligned` under names that say whose scores they are.

    Raises
    ------
    ValueError
        If there are fewer models than needed.
    """
    if len(scores) < fewest:
        needed = {1: "give the scores of at least one model"}
        raise ValueError(needed.get(fewest, "a comparison needs at least two models"))
    return {f"the column of {name}": score for name, score in scores.items()}


def two_classes(labels: np.ndarray, name: str = "high_risk") -> np.ndarray:
    """Return labels as bool.

    Raises
    ------
    ValueError
        If a label is neither 0 nor 1, or only one class occurs.
    """
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{name} must hold True or False (1 or 0) only")
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        raise ValueError(
            f"{name} has one class only ({positives} of {len(labels)} are True), so there is "
            "nothing to tell apart; check the split or the label"
        )
    return labels.astype(bool)
