"""How many patients a question needs, and what 43 can answer.

Formulas for planning: they need an assumption about the truth, and no data.
"""

import math
from bisect import bisect_left
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.interpolate import RegularGridInterpolator
from scipy.stats import norm

from npc_helpers.statistics.estimate import Z95
from npc_helpers.statistics.gate import TooFewPatients

LARGEST = 10_000_000  # patients; a search that goes beyond has no sensible answer
C_VALUES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0)  # of patients who progress
SPREADS = (  # sqrt(n Var(C)) of large simulated cohorts: rows C_VALUES, columns SHARES
    (0.972, 0.700, 0.574, 0.454, 0.393, 0.361, 0.333),
    (0.968, 0.694, 0.570, 0.451, 0.389, 0.357, 0.330),
    (0.946, 0.675, 0.558, 0.439, 0.378, 0.346, 0.319),
    (0.912, 0.650, 0.534, 0.419, 0.358, 0.327, 0.302),
    (0.854, 0.610, 0.503, 0.390, 0.331, 0.302, 0.279),
    (0.781, 0.559, 0.459, 0.354, 0.297, 0.270, 0.250),
    (0.694, 0.496, 0.400, 0.308, 0.255, 0.231, 0.214),
    (0.582, 0.410, 0.331, 0.250, 0.206, 0.184, 0.170),
    (0.443, 0.305, 0.244, 0.181, 0.148, 0.130, 0.120),
    (0.248, 0.170, 0.136, 0.099, 0.080, 0.069, 0.062),
)
SHRINKAGE, MARGIN = 0.9, 0.05  # what Riley et al. ask of coefficients, and of R² and the risk
POWER = 0.8  # a study smaller than that misses a true difference more often than once in five
SMALL_COHORT = 3  # the variance is larger by about this many parts in the number of events


def auc_standard_error(auc: float, n_high: float, n_low: float) -> float:
    """Standard error of an AUC (Hanley and McNeil, Radiology 1982;143:29), for planning.

    √[(A (1 − A) + (n₁ − 1)(Q₁ − A²) + (n₀ − 1)(Q₀ − A²)) / (n₁ n₀)] with Q₁ = A / (2 − A) and
    Q₀ = 2A² / (1 + A), for an expected area A and `n_high`, `n_low` patients in the two groups.

    Examples
    --------
    >>> round(half_width(auc_standard_error(0.842, 23, 20)), 3)
    0.119
    """
    _check(auc, n_high, n_low)
    both_high, both_low = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = (n_high - 1) * (both_high - auc**2) + (n_low - 1) * (both_low - auc**2)
    return math.sqrt((auc * (1 - auc) + spread) / (n_high * n_low))


def c_index_standard_error(c: float, events: float, others: float) -> float:
    """Standard error of a C-index, for planning.

    √(σ² / n · (1 + 3 / events)): σ², the variance per patient, is read from a table of large
    simulated cohorts (a Cox model with one normally distributed score, losses spread evenly over
    the time of observation), by C and the share of patients who progress. It counts the pairs of
    two patients who both progressed, which formulas for an AUC leave out: at half events these
    are a third of all pairs. In small simulated cohorts it is right within 6%
    (`benchmarks/c_index_precision.py`); late losses make an interval up to a tenth narrower.

    Parameters
    ----------
    c : float
        Expected C-index, from 0.05 to 0.95.
    events, others : float
        Patients with and without progression; `others` may be 0, `events` must be at least a
        tenth.

    Examples
    --------
    >>> round(half_width(c_index_standard_error(0.811, events=21, others=22)), 3)
    0.095
    """
    n = events + others
    higher = max(c, 1 - c)
    if not higher <= C_VALUES[-1]:
        raise TooFewPatients(f"the expected C-index is {c}; the table goes from 0.05 to 0.95")
    if events < 1 or others < 0 or events / n < SHARES[0]:
        raise TooFewPatients(
            f"{events:g} of {n:g} patients progress; planning needs one, and a tenth of all"
        )
    spread = RegularGridInterpolator((C_VALUES, np.log(SHARES)), np.log(SPREADS))
    sigma = math.exp(spread((higher, min(0.0, math.log(events / n)))).item())
    return sigma * math.sqrt((1 + SMALL_COHORT / events) / n)


def half_width(standard_error: float) -> float:
    """Half the width of the symmetric 95% interval that a standard error gives.

    Examples
    --------
    >>> round(half_width(0.05), 3)
    0.098
    """
    return Z95 * standard_error


def patients_for_half_width(
    auc: float,
    *,
    wanted: float = 0.05,
    share_high: float = 0.5,
    standard_error: Callable[[float, float, float], float] = auc_standard_error,
) -> int:
    """Smallest number of patients whose 95% interval is `wanted` wide to each side.

    Parameters
    ----------
    auc : float
        Expected AUC (or C-index, with the other `standard_error`).
    share_high : float
        Share of patients with high risk (or with progression).
    standard_error : callable
        `auc_standard_error` or `c_index_standard_error`.

    Examples
    --------
    >>> patients_for_half_width(0.842)
    245
    """
    if not (0 < share_high <= 1 and 0 < wanted < 1):
        raise ValueError("share_high and wanted must lie between 0 and 1")

    def narrow_enough(n: int) -> bool:
        high = max(1, n * share_high)
        return half_width(standard_error(auc, high, n - high)) <= wanted

    return _smallest(narrow_enough)


def patients_for_development(
    coefficients: int, *, r_squared: float, rate: float, follow_up: float, risk_at_horizon: float
) -> pd.Series:
    """Smallest training cohort for a prediction model (Riley et al., BMJ 2020;368:m441).

    n = k / ((S − 1) ln(1 − R² / S)) patients for k coefficients that keep a share S = 0.9 of their
    strength in new patients; the second criterion puts S = R² / (R² + 0.05 max R²) in the same
    formula; the third asks 1.96² r (1 − r) / 0.05² for an overall risk r.

    Parameters
    ----------
    coefficients : int
        Candidate coefficients k.
    r_squared : float
        Cox and Snell's R² to be expected in new patients, such as `CoxModel.r_squared`.
    rate : float
        Progressions per unit of time at risk.
    follow_up : float
        Mean time at risk, in the same unit.
    risk_at_horizon : float
        Overall risk r by the horizon of interest.

    Returns
    -------
    Series of int
        Patients needed by each criterion; the largest number counts. ``for_shrinkage``: so that
        coefficients need to be shrunk by no more than a tenth; ``for_optimism``: so that
        Nagelkerke's R² is apparently too high by no more than 0.05; ``for_overall_risk``: so that
        the risk of all by the horizon is known to within 0.05.

    Examples
    --------
    >>> patients_for_development(
    ...     30, r_squared=0.051, rate=0.065, follow_up=2.07, risk_at_horizon=0.12
    ... ).tolist()
    [5143, 1039, 163]
    """
    events = rate * follow_up  # per patient
    largest = 1 - math.exp(2 * (events * math.log(events) - events)) if events > 0 else 0.0
    highest = min(largest, SHRINKAGE)
    if not (coefficients >= 1 and 0 < r_squared < highest):
        raise TooFewPatients(
            f"{coefficients} coefficients and R² = {r_squared}: there must be one at least, and R² "
            f"lie between 0 and {highest:.3f}, the highest that it can be here"
        )
    if not 0 < risk_at_horizon < 1:
        raise ValueError(f"risk_at_horizon is {risk_at_horizon}; it must lie between 0 and 1")
    kept = r_squared / (r_squared + MARGIN * largest)
    overall = Z95**2 * risk_at_horizon * (1 - risk_at_horizon) / MARGIN**2
    sizes = {
        name: coefficients / ((share - 1) * math.log(1 - r_squared / share))
        for name, share in (("for_shrinkage", SHRINKAGE), ("for_optimism", kept))
    }
    return pd.Series({**sizes, "for_overall_risk": overall}).apply(math.ceil)


def power_of_difference(
    first: float, second: float, *, n_high: float, n_low: float, correlation: float
) -> float:
    """Chance that a two-sided paired test at 5% finds a true difference of two AUCs.

    Parameters
    ----------
    first, second : float
        True areas.
    correlation : float
        Between the two estimated areas on the same patients: 0 for unrelated models, 0.3 to 0.6
        is common (Hanley and McNeil, Radiology 1983;148:839). Try several.

    Examples
    --------
    >>> round(power_of_difference(0.842, 0.723, n_high=23, n_low=20, correlation=0.5), 2)
    0.39
    """
    if not -1 < correlation < 1:
        raise ValueError(f"correlation is {correlation}; it must lie between -1 and 1")
    errors = [auc_standard_error(area, n_high, n_low) for area in (first, second)]
    variance = errors[0] ** 2 + errors[1] ** 2 - 2 * correlation * errors[0] * errors[1]
    shift, limit = abs(first - second) / math.sqrt(variance), Z95
    return float(norm.sf(limit - shift) + norm.cdf(-limit - shift))


def patients_for_power(first: float, second: float, *, correlation: float) -> int:
    """Smallest number of patients, half of them with high risk, whose test has 80% power.

    The test is that of `power_of_difference`.

    Examples
    --------
    >>> patients_for_power(0.842, 0.723, correlation=0.5)
    119
    """
    if first == second:
        raise TooFewPatients("the areas are equal: no number of patients will show a difference")

    def strong_enough(n: int) -> bool:
        half = max(1, n / 2)
        reached = power_of_difference(
            first, second, n_high=half, n_low=half, correlation=correlation
        )
        return reached >= POWER

    return _smallest(strong_enough)


def _smallest(is_enough: Callable[[int], bool]) -> int:
    """Smallest n from 2 on that is enough, if every larger one is too (bisection)."""
    sizes = range(2, LARGEST + 1)
    place = bisect_left(sizes, True, key=is_enough)
    if place == len(sizes):
        raise TooFewPatients(f"more than {LARGEST:,} patients would be needed")
    return sizes[place]


def _check(area: float, *groups: float) -> None:
    if not 0 < area < 1:
        raise TooFewPatients(f"the expected value is {area}; it must lie between 0 and 1")
    if min(groups) < 1:
        raise TooFewPatients(f"groups of {groups}: each needs at least one patient")
