"""Multiple imputation of one value that was not measured in all, and not detected in others.

Two kinds of gaps: a *missing* value may be anything; one *below the limit of detection* is known to
lie below it. Both are drawn many times, each completed table is analysed, and Rubin's rules put the
results together (Rubin, Multiple Imputation for Nonresponse in Surveys, 1987).
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import log_ndtr, ndtri_exp
from scipy.stats import t as student

from npc_helpers.statistics.estimate import LEVEL, Estimate
from npc_helpers.statistics.gate import (
    ColumnError,
    TooFewPatients,
    checked,
    each,
    flags,
    index_of,
    numbers,
    numbers_or_missing,
)

IMPUTATIONS = 20  # more than the per cent of values that are missing (White, Royston and Wood 2011)
CYCLES = 30  # until a chain has forgotten where it began; a test compares with longer ones
MEASURED_PER_COLUMN = 3  # fewer measured values than this for each column fit nothing


def impute(
    values,
    covariates: pd.DataFrame,
    *,
    below=None,
    limit: float | None = None,
    imputations: int = IMPUTATIONS,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw what was not measured from a normal linear model of what was, many times.

    Each chain alternates between drawing the model's coefficients and its spread, given a completed
    column, and drawing the gaps, given these: from the whole normal distribution where a value is
    missing, from its part below `limit` where it was not detected.

    Parameters
    ----------
    values : array-like, shape (n,)
        On a scale on which they are roughly normal (for copies, their logarithm); blank where
        missing. What stands at patients who are `below` is not read.
    covariates : DataFrame, shape (n, k)
        Numbers without gaps. To estimate effects on survival they hold the outcome, too (the event
        and the cumulative hazard: White and Royston, Stat Med 2009;28:1982); to predict it, they
        must not.
    below : array-like of bool, shape (n,), optional
        True where nothing was detected.
    limit : float, optional
        Limit of detection, on the scale of the values.

    Returns
    -------
    DataFrame, shape (n, imputations)
        Measured values are the same in every column.

    Examples
    --------
    >>> age = pd.DataFrame({"age": [30, 40, 50, 60, 70, 75, 80]})
    >>> drawn = impute([1.0, 2.1, 2.9, 4.2, 5.0, 5.4, None], age, imputations=2)
    >>> drawn.shape, drawn.iloc[0].tolist()
    ((7, 2), [1.0, 1.0])
    """
    index = index_of(values)
    values, below, *columns = checked(
        values=numbers_or_missing(values),
        below=flags(np.zeros(len(values), bool) if below is None else below),
        **each(covariates, "covariate {}"),
    )
    measured = ~np.isnan(values) & ~below
    if below.any() and limit is None:
        raise ColumnError("some values are below a limit of detection; give the `limit`")
    if below.any() and (values[measured] < limit).any():
        raise ColumnError(f"a measured value lies below the limit of detection, {limit:g}")
    design = np.column_stack([np.ones(len(values)), *columns])  # (n, k + 1)
    needed = MEASURED_PER_COLUMN * design.shape[1]
    if measured.sum() < needed and not measured.all():
        raise TooFewPatients(
            f"{measured.sum()} values were measured; to draw the others from "
            f"{len(columns)} columns it takes {needed}"
        )
    if measured.all():
        return pd.DataFrame(np.tile(values, (imputations, 1)).T, index)
    start = np.where(below, limit if below.any() else 0, values[measured].mean())
    chains = np.tile(np.where(measured, values, start), (imputations, 1))  # (m, n)
    rng = np.random.default_rng(seed)
    for _ in range(CYCLES):
        chains = _redrawn(chains, design, ~measured & ~below, below, limit, rng)
    return pd.DataFrame(chains.T, index)


def _redrawn(chains, design, missing, below, limit: float | None, rng) -> np.ndarray:
    """Draw the gaps of completed columns (m, n) anew, from models of the columns themselves."""
    centre, spread = _parameters(chains, design, rng)
    drawn = centre + spread * rng.standard_normal(chains.shape)
    chains = np.where(missing, drawn, chains)
    if not below.any():
        return chains
    share = log_ndtr((limit - centre) / spread)  # log probability of lying below
    lower = centre + spread * ndtri_exp(share - rng.standard_exponential(chains.shape))
    return np.where(below, lower, chains)


def _parameters(drawn, design, rng) -> tuple[np.ndarray, np.ndarray]:
    """Draw the expected values (m, n) and spread (m, 1) of a linear model for each column."""
    inverse = np.linalg.pinv(design)  # (k + 1, n)
    fitted = drawn @ inverse.T  # (m, k + 1)
    rank = np.linalg.matrix_rank(design)
    residual = ((drawn - fitted @ design.T) ** 2).sum(axis=1)
    spread = np.sqrt(residual / rng.chisquare(design.shape[0] - rank, len(drawn)))[:, None]
    noise = rng.standard_normal(drawn.shape) @ inverse.T  # covariance (X'X)⁻¹
    return (fitted + spread * noise) @ design.T, spread


@dataclass(frozen=True)
class Pooled:
    """One estimate from many completed tables.

    Attributes
    ----------
    estimate : Estimate
        With its interval, by Student's t.
    standard_error, degrees : float
        Degrees of freedom after Barnard and Rubin (Biometrika 1999;86:948).
    missing_information : float
        Share of the variance that comes from what is missing: (1 + 1/m) B / T.
    """

    estimate: Estimate
    standard_error: float
    degrees: float
    missing_information: float


def pool_estimates(estimates, variances, *, complete_degrees: float = math.inf) -> Pooled:
    """Put the results of m completed tables together by Rubin's rules.

    The estimate is their mean. Its variance T = W + (1 + 1/m) B: W is the mean of their variances,
    B the variance of the estimates from table to table.

    Parameters
    ----------
    estimates, variances : array-like, shape (m,)
        On a scale on which they are roughly normal: logarithms of hazard ratios.
    complete_degrees : float
        Degrees of freedom had nothing been missing; for a Cox model, events minus coefficients.

    Examples
    --------
    >>> print(pool_estimates([0.4, 0.5, 0.6], [0.04, 0.04, 0.04]).estimate)
    0.500 (95% CI 0.030–0.970)
    """
    value, variance = checked(estimates=numbers(estimates), variances=numbers(variances))
    m = len(value)
    if m < 2 or not (variance > 0).all():
        raise ColumnError("pooling takes two or more estimates, each with a variance above 0")
    between = value.var(ddof=1) * (1 + 1 / m)
    total = float(variance.mean() + between)
    share = max(float(between / total), 1e-10)
    degrees = (m - 1) / share**2
    if math.isfinite(complete_degrees):
        k = complete_degrees
        degrees = 1 / (1 / degrees + 1 / ((k + 1) / (k + 3) * k * (1 - share)))
    error = math.sqrt(total)
    half = float(student.ppf(0.5 + LEVEL / 2, degrees)) * error
    mean = float(value.mean())
    return Pooled(Estimate(mean, mean - half, mean + half), error, degrees, share)
