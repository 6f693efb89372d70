"""Does acting on a predicted risk help more than treating everybody, or nobody?"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from npc_helpers.statistics.gate import checked, each, probabilities
from npc_helpers.statistics.survival import HORIZON, risks_by
from npc_helpers.statistics.weighting import check_horizon, jackknife_interval, leave_one_out

THRESHOLDS = tuple(np.round(np.arange(0.05, 0.951, 0.01), 2))


def survival_net_benefit(
    time,
    event,
    p_event: Mapping[str, object],
    *,
    horizon: float = HORIZON,
    thresholds: Sequence[float] = THRESHOLDS,
) -> pd.DataFrame:
    """Net benefit of acting on a predicted risk of progression by a horizon.

    NB = q (r − (1 − r) t / (1 − t)): a share q of the patients has a predicted risk of at least
    the threshold t; of these a share r progresses by the horizon, read from their own
    Kaplan-Meier curve (Vickers et al., BMC Med Inform Decis Mak 2008;8:53).

    Parameters
    ----------
    p_event : mapping of str to array-like, shape (n,)
        Probabilities of progression by the horizon, by model.
    thresholds : sequence of float
        Risks at or above which one would act, between 0 and 1.

    Returns
    -------
    DataFrame
        model, threshold, net_benefit, low, high; gain, gain_low, gain_high: the paired difference
        to the better of treating everybody and nobody (the jackknife's intervals). Beside the
        models the rows ``treat all`` and ``treat none``.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 40, 45, 50], [True, True, True, False, False, False]
    >>> p = {"model": [0.9, 0.7, 0.2, 0.3, 0.6, 0.1]}
    >>> table = survival_net_benefit(months, progressed, p, thresholds=[0.5])
    >>> table.set_index("model").net_benefit.round(2).abs().to_dict()
    {'model': 0.17, 'treat all': 0.0, 'treat none': 0.0}
    """
    time, event, *columns = checked(
        time=time, event=event, **each(p_event, "probability of {}", probabilities)
    )
    check_horizon(time, event, horizon)
    thresholds = np.asarray(thresholds, dtype=float)
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError("thresholds must lie between 0 and 1, both excluded")
    n = len(time)
    models = dict(zip(p_event, columns, strict=True))
    models |= {"treat all": np.full(n, np.inf), "treat none": np.full(n, -np.inf)}
    counts = leave_one_out(n)  # (1 + n, n)
    risk_of_all = risks_by(time, event, horizon, counts)  # (1 + n,)
    rows = []
    for name, p in models.items():
        for threshold in thresholds:
            odds = threshold / (1 - threshold)
            benefit = _benefit(time, event, horizon, counts, p >= threshold, odds)
            default = np.maximum(risk_of_all - (1 - risk_of_all) * odds, 0)
            net, gain = (jackknife_interval(values) for values in (benefit, benefit - default))
            rows.append([name, threshold, *net, *gain])
    gains = ["gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=["model", "threshold", "net_benefit", "low", "high", *gains])


def _benefit(time, event, horizon, counts, treated, odds: float) -> np.ndarray:
    """Net benefit of treating some patients, (resamples,)."""
    share = counts @ treated / counts.sum(axis=1)
    risk = risks_by(time, event, horizon, counts * treated)
    return share * (risk - (1 - risk) * odds)
