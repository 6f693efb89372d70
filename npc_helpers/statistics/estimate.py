"""A number with its interval, how it is printed, and the comparison of such numbers in pairs."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from npc_helpers.statistics.gate import TooFewPatients

LEVEL = 0.95  # of every interval; tables and figures print it
Z95 = float(norm.ppf(0.5 + LEVEL / 2))  # two-sided critical value of the normal distribution
NO_VARIANCE = 1e-15  # a variance below it is rounding: that of n patients is about 1 / (4 n)
NO_DIFFERENCE = 1e-12  # and so is a difference below this: the values are of order 1


@dataclass(frozen=True)
class Estimate:
    """A point estimate with a confidence interval; its `str` is manuscript text.

    NaN where there is no patient to estimate it from, which prints as ``not estimable``. It
    unpacks into value, low and high.

    Examples
    --------
    >>> print(Estimate(0.81, 0.7, 0.9))
    0.810 (95% CI 0.700–0.900)
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "not estimable"
        return f"{self.value:.3f} (95% CI {self.low:.3f}–{self.high:.3f})"

    def __iter__(self) -> Iterator[float]:
        return iter((self.value, self.low, self.high))


def interval_on_logit_scale(value: float, variance: float) -> Estimate:
    """Interval of a proportion-like estimate that stays inside 0 and 1 (delta method)."""
    z = Z95
    centre = math.log(value / (1 - value))
    half = z * math.sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-(centre + sign * half))) for sign in (-1, 1))
    return Estimate(value, low, high)


def plain_interval(value: float, variance: float) -> Estimate:
    """Symmetric (Wald) interval; it may leave 0 and 1."""
    half = Z95 * math.sqrt(variance)
    return Estimate(value, value - half, value + half)


INTERVALS = {"logit": interval_on_logit_scale, "plain": plain_interval}


def interval_of_share(
    value: float, variance: float, sizes: tuple[int, int], method: str = "logit"
) -> Estimate:
    """Interval of a share of pairs of patients from two groups of these `sizes`.

    On the scale that `method` names; without variance, or at 0 and 1, it is Newcombe's.
    """
    check_method(method)
    if variance < NO_VARIANCE or value in (0.0, 1.0):
        return newcombe_interval(value, *sizes)
    return INTERVALS[method](value, variance)


def newcombe_interval(area: float, m: int, n: int) -> Estimate:
    """Score interval of an area from its value and the class sizes alone (never of width 0)."""
    z, balanced = Z95, (m + n) / 2 - 1

    def distance(theta: float) -> float:
        shape = 1 + balanced * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return abs(area - theta) - z * math.sqrt(theta * (1 - theta) * shape / (m * n))

    low = brentq(distance, 1e-9, area - 1e-9) if area > 1e-6 else 0.0
    high = brentq(distance, area + 1e-9, 1 - 1e-9) if area < 1 - 1e-6 else 1.0
    return Estimate(area, low, high)


def check_method(method: str, methods: Sequence[str] = tuple(INTERVALS)) -> str:
    """Return the name of a method if there is one of that name."""
    if method not in methods:
        raise ValueError(f"method is {method!r}; choose {' or '.join(map(repr, methods))}")
    return method


def log_log_limits(share: float, variance: float) -> tuple[float, float]:
    """Limits share^exp(±z √V / (share |log share|)) of a share; itself at 0, 1 or V = 0."""
    if not 0 < share < 1 or variance == 0:
        return share, share
    logged = math.log(share)
    half = Z95 * math.sqrt(variance) / (share * abs(logged))
    low, high = (math.exp(logged * math.exp(sign * half)) for sign in (1, -1))
    return low, high


def format_p(p: float) -> str:
    """Print a P value as journals want it.

    Three decimals, never 0.000 or, short of certainty, 1.000; and more of them where three would
    round to 0.050, so that the side on which the value lies can be seen.
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
    """Return a table whose P values (columns p and p_holm) are text as `format_p` prints them.

    Examples
    --------
    >>> with_printed_p(pd.DataFrame({"p": [0.0002, 0.04]}))["p"].tolist()
    ['< 0.001', '0.040']
    """
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


def compare_pairs(names, values, covariance) -> pd.DataFrame:
    """Differences of estimates (k,) on the same patients with their covariance (k, k).

    Returns
    -------
    DataFrame
        a, b, difference (a minus b), low, high, p (two-sided normal), p_holm.
        ``attrs["p_all_equal"]`` is the P value of the test that all are equal (chi-squared).
    """
    rows = []
    for (i, a), (j, b) in itertools.combinations(enumerate(names), 2):
        difference = float(values[i] - values[j])
        variance = float(covariance[i, i] + covariance[j, j] - 2 * covariance[i, j])
        error = math.sqrt(variance) if variance > NO_VARIANCE else 0.0
        if error:
            p = float(2 * norm.sf(abs(difference) / error))
        elif abs(difference) < NO_DIFFERENCE:
            p = 1.0
        else:
            raise TooFewPatients(
                f"{a} and {b} differ by {difference:.3f}, but neither varies over the patients "
                "(each is 0, 1 or all tied), so there is no test; report the two values"
            )
        half = Z95 * error
        rows.append([a, b, difference, difference - half, difference + half, p])
    table = pd.DataFrame(rows, columns=["a", "b", "difference", "low", "high", "p"])
    table["p_holm"] = holm(table["p"])
    table.attrs["p_all_equal"] = _all_equal(values, covariance)
    return table


def _all_equal(values: np.ndarray, covariance: np.ndarray) -> float:
    k = len(values)
    contrast = np.column_stack([np.ones(k - 1), -np.eye(k - 1)])  # (k - 1, k)
    spread = contrast @ covariance @ contrast.T
    rank = int(np.linalg.matrix_rank(spread, tol=1e-12))
    if rank == 0:
        return 1.0
    difference = contrast @ values
    return float(chi2.sf(difference @ np.linalg.pinv(spread, rcond=1e-10) @ difference, rank))
