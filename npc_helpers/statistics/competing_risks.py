"""Causes of an end that exclude one another: local, regional or distant progression, or death.

One minus the Kaplan-Meier curve of one cause, with the others taken as losses, answers what would
happen if the others could not. The cumulative incidence answers what does happen.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from npc_helpers.statistics.concordance import c_index
from npc_helpers.statistics.estimate import Estimate, log_log_limits
from npc_helpers.statistics.gate import TooFewPatients, checked, groups
from npc_helpers.statistics.survival import HORIZONS, greenwood, product_limit, steps

CENSORED = "censored"


def cumulative_incidence(time, cause, *, at: Sequence[float] = HORIZONS) -> pd.DataFrame:
    """Probability of having ended by each cause, the others being possible.

    F(t) = Σ S(u-) d(u) / n(u) over the times u ≤ t: the share still free just before u, times the
    share of those at risk who end by this cause at u. The causes add up to one minus the
    Kaplan-Meier curve of all of them (Aalen and Johansen, Scand J Stat 1978;5:141).

    Parameters
    ----------
    cause : array-like of str, shape (n,)
        ``"censored"``, or what ended the patient's time.
    at : sequence of float
        In the unit of `time`.

    Returns
    -------
    DataFrame
        cause, months, incidence, low, high (delta method, log-log scale).

    Examples
    --------
    >>> months, cause = [10, 20, 30, 40], ["local", "death", "local", "censored"]
    >>> cumulative_incidence(months, cause, at=[36])[["cause", "incidence"]].values.tolist()
    [['death', 0.25], ['local', 0.5]]
    """
    time, cause = checked(time=time, cause=groups(cause))
    causes = sorted(set(cause.tolist()) - {CENSORED})
    if not causes:
        raise TooFewPatients("nobody progressed or died, so there is no incidence to estimate")
    rows = []
    for name in causes:
        for months in at:
            incidence, variance = _incidence(time, cause, name, months)
            rows.append([name, months, incidence, *log_log_limits(incidence, variance)])
    return pd.DataFrame(rows, columns=["cause", "months", "incidence", "low", "high"])


def cause_specific_c(time, cause, risk_score, *, of: str | Sequence[str]) -> Estimate:
    """C-index for one cause where another can come first.

    Share of comparable pairs in which the patient who ended by this cause first had the higher
    score. A patient who ended by another cause will never end by this one, and so is compared with
    everybody who did (Wolbers et al., Epidemiology 2009;20:555).

    Parameters
    ----------
    cause
        As `cumulative_incidence`.
    of : str or sequence of str
        The cause, or causes taken together.

    Examples
    --------
    >>> months, cause = [10, 20, 30, 40], ["local", "death", "local", "censored"]
    >>> cause_specific_c(months, cause, [0.9, 0.3, 0.6, 0.1], of="local").value
    1.0
    """
    time, cause, score = checked(time=time, cause=groups(cause), risk_score=risk_score)
    wanted = [of] if isinstance(of, str) else list(of)
    absent = [name for name in wanted if name not in cause]
    if absent:
        raise TooFewPatients(f"nobody ended by {', '.join(absent)}")
    event = np.isin(cause, wanted)
    competing = ~event & (cause != CENSORED)
    return c_index(np.where(competing, time.max() + 1, time), event, score)


def _incidence(time, cause, name: str, months: float) -> tuple[float, float]:
    """Incidence by a month, and its variance by the delta method (Putter, Stat Med 2007)."""
    moments, at_risk, any_cause = steps(time, (cause != CENSORED) & (time <= months))
    of_this = time[cause == name]
    this_cause = (of_this[:, None] == moments).sum(axis=0)  # (m,)
    before = product_limit(at_risk, any_cause)[:-1]  # (m,): free just before
    incidence = np.cumsum(before * this_cause / at_risk)
    if not len(incidence) or incidence[-1] == 0:
        return 0.0, 0.0
    ahead = incidence[-1] - incidence
    variance = np.sum(ahead**2 * greenwood(at_risk, any_cause))
    variance += np.sum(before**2 * this_cause * (at_risk - this_cause) / at_risk**3)
    variance -= 2 * np.sum(ahead * before * this_cause / at_risk**2)
    return float(incidence[-1]), float(max(variance, 0.0))
