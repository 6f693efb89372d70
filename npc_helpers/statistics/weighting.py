"""Weights for the patients whose status at a horizon is known, and what is estimated with them.

Whether a patient censored at 20 months would have progressed by 36 is unknown. Leaving such
patients out, or counting them as healthy, biases every measure. Here each patient whose status is
known stands for some who were lost: the weight is one over the chance of not being censored so
long (inverse probability of censoring weighting, IPCW). At equal times a progression comes before
a censoring. Definitions and ties are those of the R packages timeROC and riskRegression (cases
weighted by G just before their event, patients beyond the horizon by G at the horizon).

Every estimator is written for many resamples at once: patient i occurs counts[:, i] times. With
the counts of `leave_one_out` they are those of the jackknife, which includes that G was estimated.

No Python package counts tied whole months this way, so the estimators are written out.
"""

import numpy as np
import pandas as pd

from npc_helpers.statistics.estimate import Estimate, plain_interval
from npc_helpers.statistics.gate import TooFewPatients, checked, index_of
from npc_helpers.statistics.survival import losses_last, product_limit, steps

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
    time, event = checked(time=time, event=event)
    case, control = weights_of(time, event, horizon, np.ones((1, len(time))))
    return pd.DataFrame({"case": case[0], "control": control[0]}, index=index)


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


def jackknife_interval(values: np.ndarray) -> Estimate:
    """Symmetric interval with the variance of `jackknife`."""
    return plain_interval(*jackknife(values))
