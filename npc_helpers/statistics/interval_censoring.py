"""The curve when nobody knows the day of the event, only the visits before and after it."""

import numpy as np
import pandas as pd

from npc_helpers.statistics.gate import ColumnError, checked, index_of, times

OPEN = 1e-6  # of the unit of time: lifelines' intervals hold their lower end, these do not


def interval_survival(lower, upper) -> pd.DataFrame:
    """Share of patients without the event, when it happened within (lower, upper].

    The curve that makes the observed intervals most likely (Turnbull, J R Stat Soc B 1976;38:290;
    R's ``interval::icfit``: Fay and Shaw, J Stat Softw 2010;36(2)). Within some stretches of time
    it falls by an amount that is known, at a moment that is not: there it is given as a range.
    Estimated by lifelines.

    Parameters
    ----------
    lower : array-like, shape (n,)
        Last time at which the patient was seen without the event.
    upper : array-like, shape (n,)
        First time with it; equal to `lower` where the moment is known (a death), infinity where
        the event has not come.

    Returns
    -------
    DataFrame
        time (from 0, rising), low and high: between them the curve lies from this time on.

    Raises
    ------
    ColumnError
        If an upper end lies before its lower one, or a column cannot be used.

    Examples
    --------
    >>> curve = interval_survival([1, 2, 5, 5], [3, 4, float("inf"), float("inf")])
    >>> float(curve.high.round(2).iloc[-1])
    0.5
    """
    from lifelines.fitters.npmle import npmle

    ends = np.asarray(upper, dtype=float)
    shown = np.where(ends == np.inf, 0.0, ends)
    names = index_of(upper)
    if names is not None:
        shown = pd.Series(shown, names)
    lower, _ = checked(lower=times(lower), upper=times(shown))
    if (ends < lower).any():
        row = int((ends < lower).argmax())
        patient = row if names is None else names[row]
        raise ColumnError(
            f"upper: patient {patient} has {ends[row]:g}, before the lower end, {lower[row]:g}. "
            "Look for dates in the wrong order."
        )
    shares, stretches = npmle(np.where(lower < ends, lower + OPEN, lower), ends)
    first = np.array([stretch.left for stretch in stretches])  # (m,): a share falls not before
    last = np.array([stretch.right for stretch in stretches])  # (m,): and not after
    moments = np.unique([0.0, *first, *last[np.isfinite(last)]])
    gone = [((edge <= moments[:, None]) * shares).sum(axis=1) for edge in (first, last)]
    return pd.DataFrame({"time": moments, "low": 1 - gone[0], "high": 1 - gone[1]})
