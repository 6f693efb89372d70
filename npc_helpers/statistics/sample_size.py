"""How many patients a question needs, and what 43 can answer.

Formulas for planning: they need a guess of the truth and assume nothing of the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.stats import norm

from npc_helpers.statistics.estimate import critical_value

LARGEST = 10_000_000


def auc_standard_error(auc: float, n_high: float, n_low: float) -> float:
    """Standard error of an AUC (Hanley and McNeil, Radiology 1982;143:29).

    Parameters
    ----------
    auc : float
        Expected area, between 0 and 1.
    n_high, n_low : float
        Patients in the two groups.

    Raises
    ------
    ValueError
        If the area is not between 0 and 1 or a group has fewer than one patient.
    """
    _check(auc, n_high, n_low)
    both_high, both_low = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = (n_high - 1) * (both_high - auc**2) + (n_low - 1) * (both_low - auc**2)
    return math.sqrt((auc * (1 - auc) + spread) / (n_high * n_low))


def c_index_standard_error(c: float, events: float, others: float) -> float:
    """Standard error of a C-index from the number of events alone.

    Newcombe's formula (Stat Med 2006;25:559, method 4) with patients with and without event as
    the two groups, as Debray et al. (Stat Methods Med Res 2019;28:2768) use it. It leaves out that
    two patients who both progressed can be compared too, and so errs on the cautious side: up to
    30% in simulated cohorts with a fifth to a half of events.

    Parameters
    ----------
    c : float
        Expected C-index, between 0 and 1.
    events, others : float
        Patients with and without progression.

    Raises
    ------
    ValueError
        As `auc_standard_error`.
    """
    _check(c, events, others)
    half = (events + others) / 2 - 1
    shape = 1 + half * ((1 - c) / (2 - c) + c / (1 + c))
    return math.sqrt(c * (1 - c) * shape / (events * others))


def half_width(standard_error: float, *, confidence: float = 0.95) -> float:
    """Half the width of the symmetric interval that a standard error gives."""
    return critical_value(confidence) * standard_error


def patients_for_half_width(
    auc: float,
    *,
    wanted: float = 0.05,
    share_high: float = 0.5,
    confidence: float = 0.95,
    standard_error: Callable[[float, float, float], float] = auc_standard_error,
) -> int:
    """Smallest number of patients whose interval is `wanted` wide to each side.

    Parameters
    ----------
    auc : float
        Expected AUC (or C-index, with the other `standard_error`).
    wanted : float
        Half-width of the interval.
    share_high : float
        Share of patients with high risk (or with progression).
    confidence : float
    standard_error : callable
        `auc_standard_error` or `c_index_standard_error`.

    Raises
    ------
    ValueError
        If the share or the half-width is not between 0 and 1.
    """
    if not (0 < share_high < 1 and 0 < wanted < 1):
        raise ValueError("share_high and wanted must lie between 0 and 1")

    def wide_enough(n: int) -> bool:
        error = standard_error(auc, max(1, n * share_high), max(1, n * (1 - share_high)))
        return half_width(error, confidence=confidence) <= wanted

    return _smallest(wide_enough)


def power_of_difference(
    first: float,
    second: float,
    *,
    n_high: float,
    n_low: float,
    correlation: float,
    alpha: float = 0.05,
) -> float:
    """Chance that a two-sided paired test finds a true difference of two AUCs.

    Parameters
    ----------
    first, second : float
        True areas.
    n_high, n_low : float
    correlation : float
        Between the two estimated areas on the same patients: 0 for unrelated models, 0.3 to 0.6
        is common (Hanley and McNeil, Radiology 1983;148:839). Try several.
    alpha : float

    Raises
    ------
    ValueError
        If an area, the correlation or alpha is out of range.
    """
    if not -1 < correlation < 1:
        raise ValueError(f"correlation is {correlation}; it must lie between -1 and 1")
    errors = [auc_standard_error(area, n_high, n_low) for area in (first, second)]
    variance = errors[0] ** 2 + errors[1] ** 2 - 2 * correlation * errors[0] * errors[1]
    shift, limit = abs(first - second) / math.sqrt(variance), critical_value(1 - alpha)
    return float(norm.sf(limit - shift) + norm.cdf(-limit - shift))


def patients_for_power(
    first: float,
    second: float,
    *,
    power: float = 0.8,
    share_high: float = 0.5,
    correlation: float,
    alpha: float = 0.05,
) -> int:
    """Smallest number of patients that gives `power_of_difference` the wanted power.

    Raises
    ------
    ValueError
        If the areas are equal, or an argument is out of range.
    """
    if first == second:
        raise ValueError("the areas are equal: no number of patients will show a difference")
    if not (0 < share_high < 1 and 0 < power < 1):
        raise ValueError("share_high and power must lie between 0 and 1")

    def strong_enough(n: int) -> bool:
        groups = {"n_high": max(1, n * share_high), "n_low": max(1, n * (1 - share_high))}
        reached = power_of_difference(first, second, correlation=correlation, alpha=alpha, **groups)
        return reached >= power

    return _smallest(strong_enough)


def _smallest(is_enough: Callable[[int], bool]) -> int:
    """Smallest n from 2 on that is enough, if every larger one is too (bisection)."""
    low, high = 1, 2
    while not is_enough(high):
        low, high = high, high * 2
        if high > LARGEST:
            raise ValueError(f"more than {LARGEST:,} patients would be needed")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _check(area: float, *groups: float) -> None:
    if not 0 < area < 1:
        raise ValueError(f"the expected value is {area}; it must lie between 0 and 1")
    if min(groups) < 1:
        raise ValueError(f"groups of {groups}: each needs at least one patient")
