"""Dynamic prediction by landmarks: a new risk at each examination, for those still at risk.

At a landmark (the day of an examination) the patients who have neither progressed nor been lost
are looked at anew: a Cox model of what is known by then, on a clock that starts there, and no
farther than a horizon (van Houwelingen, Scand J Stat 2007;34:70).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from npc_helpers.statistics.cox import fit_cox
from npc_helpers.statistics.gate import (
    TooFewPatients,
    checked,
    each,
    groups,
    index_of,
    numbers_or_missing,
)


def landmark(time, event, start_at, *, horizon: float | None = None) -> pd.DataFrame:
    """Restart the clock at a later moment, for the patients who reached it.

    A score that needs the post-treatment MRI exists only for patients who lived free of
    progression until that scan. On a clock from treatment start they cannot fail before it: the
    months until then are *immortal time*. The landmark analysis starts where the score becomes
    known (Anderson et al., J Clin Oncol 1983;1:710).

    Parameters
    ----------
    start_at : array-like, shape (n,)
        When the score became known, on the clock and in the unit of `time`; missing if never.
    horizon : float, optional
        Look no farther ahead than that: whoever is observed for longer is censored there
        (*administratively*), and events beyond it do not count.

    Returns
    -------
    DataFrame, n rows
        ``reached`` (still observed without event after the landmark), ``time`` (from the
        landmark; missing if not reached) and ``event`` (False if not reached).

    Examples
    --------
    >>> landmark([10, 20, 30], [True, True, False], [12, 12, None])
       reached  time  event
    0    False   NaN  False
    1     True   8.0   True
    2    False   NaN  False
    """
    index = index_of(time)
    time, event, start_at = checked(time=time, event=event, start_at=numbers_or_missing(start_at))
    reached = time > start_at  # False where start_at is missing
    since = np.where(reached, time - start_at, np.nan)
    event = reached & event
    if horizon is not None:
        if not horizon > 0:
            raise ValueError(f"horizon is {horizon}; it lies after the landmark, above 0")
        event &= since <= horizon
        since = np.minimum(since, horizon)
    columns = {"reached": reached, "time": since, "event": event}
    return pd.DataFrame(columns, index=index)


def landmark_risk(
    time, event, start_at, scores: Mapping[str, pd.DataFrame], fold, *, at: Sequence[float] = (24,)
) -> pd.DataFrame:
    """Predict progression within so many months of a landmark, each patient by others' model.

    For each fold: a Cox model of the patients at risk in the *other* folds, administratively
    censored at the last of the months `at` (`landmark`), predicts 1 − S for those of this one.

    Parameters
    ----------
    start_at : array-like, shape (n,)
        Day of the landmark on the clock of `time`; missing where there was no examination.
    scores : mapping of str to DataFrame, shape (n, folds)
        What is known at the landmark, by name. Column k holds the scores for use when fold k is
        predicted: no score in it may have been learned from outcomes of fold k
        (`network.survival_heads.nested_scores`). A score that learns nothing has equal columns.
    fold : array-like, shape (n,)
        To which fold each patient belongs; the columns of `scores` have the same names.
    at : sequence of float
        Months after the landmark.

    Returns
    -------
    DataFrame, shape (n, months)
        Probability of progression; missing for patients who are not at risk at the landmark.

    Raises
    ------
    TooFewPatients
        If nobody of the others reached the landmark or progressed within the horizon.

    Examples
    --------
    >>> months, progressed = [4, 8, 9, 11, 15, 16, 20, 25, 30, 31], [1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    >>> t_stage = pd.Series([4, 3, 4, 2, 2, 3, 4, 2, 3, 2])
    >>> fold = [0, 1] * 5
    >>> p = landmark_risk(
    ...     months, progressed, [6] * 10, {"T": pd.DataFrame({0: t_stage, 1: t_stage})}, fold
    ... )
    >>> p[24].round(2).tolist()
    [nan, 0.64, 1.0, 0.58, 0.32, 0.64, 1.0, 0.58, 0.8, 0.58]
    """
    columns = {
        f"{name} for fold {number}": numbers_or_missing(table[number])
        for name, table in scores.items()
        for number in table
    }
    names = index_of(time)
    time, event, start_at, fold, *values = checked(
        time=time, event=event, start_at=numbers_or_missing(start_at), fold=groups(fold), **columns
    )
    since = landmark(time, event, start_at, horizon=max(at)).set_axis(
        pd.RangeIndex(len(time)) if names is None else names
    )
    reached = since["reached"].to_numpy()
    if not reached.any():
        raise TooFewPatients("nobody is at risk at the landmark")
    covariates = pd.DataFrame(dict(zip(columns, values, strict=True)), since.index)
    checked(**each(covariates[reached], "{}"))  # whoever is at risk has every score
    risk = pd.DataFrame(np.nan, since.index, list(at))
    for number in np.unique(fold[reached]):
        of_fold = covariates[[f"{name} for fold {number}" for name in scores]]
        of_fold = of_fold.set_axis(list(scores), axis=1)
        others, predicted = reached & (fold != number), reached & (fold == number)
        if not since["event"][others].any():
            raise TooFewPatients(
                f"of {others.sum()} patients at risk at the landmark nobody progressed within "
                f"{max(at):g} months"
            )
        learned = since[others]
        model = fit_cox(learned["time"], learned["event"], of_fold[others])
        risk.loc[predicted] = model.p_event(of_fold[predicted], at=at).to_numpy()
    return risk
