"""The check of Cox models: do hazard ratios stay the same over time.

The score test of Grambsch and Therneau (Biometrika 1994;81:515) as R's ``cox.zph`` computes it
since survival 3.0. lifelines has the older approximation, which differs clearly where events are
few, so the test is written out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import chi2

from npc_helpers.statistics.estimate import holm
from npc_helpers.statistics.survival import CoxModel


def proportional_hazards(model: CoxModel) -> pd.DataFrame:
    """Test for each covariate whether its hazard ratio drifts with time.

    Parameters
    ----------
    model : CoxModel
        From `fit_cox`.

    Returns
    -------
    DataFrame
        By covariate: statistic (chi-squared, 1 df), p, p_holm. Time enters as one minus the
        Kaplan-Meier curve, which keeps late, sparse events from deciding. A small P speaks
        against the assumption; with few events a large one says little.
    """
    time, event, x = model.data()
    drift = _one_minus_kaplan_meier(time, event)
    k = x.shape[1]
    score, information = np.zeros(k), np.zeros((3, k, k))
    hazard = np.exp(x @ model.table["coefficient"].to_numpy())
    for moment in np.unique(time[event]):
        observed, expected, spread = _moments(x, hazard, time >= moment, event & (time == moment))
        g = drift[moment]
        score += g * (observed - expected)
        information += np.array([1, g, g**2])[:, None, None] * spread
    of_coefficients, mixed, of_drift = information
    statistics = []
    for j in range(k):
        explained = mixed[j] @ np.linalg.solve(of_coefficients, mixed[j])
        statistics.append(score[j] ** 2 / (of_drift[j, j] - explained))
    p = chi2.sf(statistics, 1)
    columns = {"statistic": statistics, "p": p, "p_holm": holm(p)}
    return pd.DataFrame(columns, index=model.table.index)


def _one_minus_kaplan_meier(time: np.ndarray, event: np.ndarray) -> dict[float, float]:
    """Share progressed just before each time of progression."""
    moments = np.unique(time[event])
    stay = [1 - (event & (time == m)).sum() / (time >= m).sum() for m in moments]
    before = 1 - np.cumprod([1.0, *stay[:-1]])
    return dict(zip(moments, before, strict=True))


def _moments(x, hazard, at_risk, failing):
    """Sum, expectation and covariance of the covariates of those who fail at one moment.

    Tied failures leave the risk set one by one, each a part of all of them (Efron 1977).
    """
    expected, spread = np.zeros(x.shape[1]), np.zeros((x.shape[1], x.shape[1]))
    ties = int(failing.sum())
    for left in range(ties):
        weight = hazard * (at_risk - failing * left / ties)
        weight = weight / weight.sum()
        mean = weight @ x
        expected += mean
        spread += (x * weight[:, None]).T @ x - np.outer(mean, mean)
    return x[failing].sum(axis=0), expected, spread
