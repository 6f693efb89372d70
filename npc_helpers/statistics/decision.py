"""Decision curves: whether acting on a model helps more patients than acting on everybody.

Net benefit counts a true positive as 1 and a false positive as the odds of the threshold: who
would treat at a risk of 20% accepts four treated in vain for one treated rightly (Vickers and
Elkin, Med Decis Making 2006;26:565).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from npc_helpers.statistics.estimate import critical_value
from npc_helpers.statistics.gate import checked, each, flags, probabilities, two_classes

THRESHOLDS = tuple(np.round(np.arange(0.05, 0.951, 0.01), 2))


def net_benefit(
    high_risk,
    p_high_risk: Mapping[str, object],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Net benefit of each model, of treating everybody, and of treating nobody.

    Parameters
    ----------
    high_risk : array-like of bool, shape (n,)
    p_high_risk : mapping of str to array-like, shape (n,)
        Predicted probabilities. TNM enters as the risk of its stage in the training cohort
        (`stage_risk`); its 0 and 1 are a decision already and mean the same at every threshold.
    thresholds : sequence of float
        Risks at or above which one would act, each between 0 and 1.
    confidence : float

    Returns
    -------
    DataFrame
        model, threshold, net_benefit, low, high (a mean over patients, with its standard error);
        ``gain``, gain_low, gain_high: the paired difference to the better of treating everybody
        and nobody. Beside the models the rows ``treat all`` and ``treat none``.

    Raises
    ------
    ValueError
        If there is one class only, a probability or threshold is outside 0 to 1, or lengths differ.
    """
    labels, *columns = checked(
        high_risk=flags(high_risk), **each(p_high_risk, probabilities, "probability of {}")
    )
    positive = two_classes(labels)
    thresholds = check_thresholds(thresholds)
    models = dict(zip(p_high_risk, columns, strict=True))
    always, never = np.full(len(labels), np.inf), np.full(len(labels), -np.inf)
    models |= {"treat all": always, "treat none": never}
    rows = []
    for name, p in models.items():
        for threshold in thresholds:
            acted = _contribution(positive, p >= threshold, threshold)
            default = _contribution(positive, np.ones_like(positive), threshold)
            if default.mean() < 0:
                default = np.zeros(len(labels))
            rows.append(
                [name, threshold, *_mean(acted, confidence), *_mean(acted - default, confidence)]
            )
    gains = ["gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=["model", "threshold", "net_benefit", "low", "high", *gains])


def check_thresholds(thresholds: Sequence[float]) -> np.ndarray:
    """Return the thresholds as an array, or refuse those outside 0 to 1."""
    thresholds = np.asarray(thresholds, dtype=float)
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError("thresholds must lie between 0 and 1, both excluded")
    return thresholds


def _contribution(positive: np.ndarray, treated: np.ndarray, threshold: float) -> np.ndarray:
    """What each patient adds: 1 if treated rightly, minus the odds if treated in vain."""
    return np.where(positive, 1.0, -threshold / (1 - threshold)) * treated


def _mean(values: np.ndarray, confidence: float) -> tuple[float, float, float]:
    mean = float(values.mean())
    half = critical_value(confidence) * float(values.std(ddof=1)) / np.sqrt(len(values))
    return mean, mean - half, mean + half
