"""Would another sample of training patients have given this patient the same prediction?

The training patients are drawn again with replacement, the model is fitted anew, and the same
other patients are predicted again (Riley and Collins, Biom J 2023;65:2200302).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from npc_helpers.statistics.gate import ColumnError, TooFewPatients, checked, each, probabilities

REFITS = 200  # as Riley and Collins propose
MOST_FAILED = 0.1  # refits that fail are those of odd samples; without more the rest looks stable


def refitted(
    train: pd.DataFrame,
    fit_and_predict: Callable[[pd.DataFrame], pd.Series],
    *,
    refits: int = REFITS,
    seed: int = 0,
) -> pd.DataFrame:
    """Predict the same patients by models of many bootstrap samples of the training patients.

    Parameters
    ----------
    train : DataFrame
        One row per training patient.
    fit_and_predict : callable
        Takes training rows (drawn with replacement and numbered anew, without patient_id),
        returns the probabilities of the patients to be predicted, a Series by patient.

    Returns
    -------
    DataFrame, shape (patients, refits)
        A refit that is refused as `TooFewPatients` (a stage without anybody in it, nobody
        progressed) is left out; more than a tenth of such refits are refused as a whole.

    Examples
    --------
    >>> train = pd.DataFrame({"progressed": [0, 0, 1, 1, 1]})
    >>> share = lambda rows: pd.Series([rows.progressed.mean()], index=["p1"])
    >>> refitted(train, share, refits=3).shape
    (1, 3)
    """
    rng = np.random.default_rng(seed)
    predictions, refusal = {}, None
    for number in range(refits):
        rows = train.iloc[rng.integers(len(train), size=len(train))]
        sample = rows.reset_index(drop=True).drop(columns="patient_id", errors="ignore")
        try:
            predictions[number] = fit_and_predict(sample)
        except TooFewPatients as error:
            refusal = error
    if len(predictions) < (1 - MOST_FAILED) * refits:
        raise TooFewPatients(
            f"{refits - len(predictions)} of {refits} refits failed, for instance: {refusal}"
        )
    return pd.DataFrame(predictions)


def instability(p: pd.Series, refits: pd.DataFrame, *, cutoff: float = 0.5) -> pd.DataFrame:
    """How far the prediction of each patient moves from one refit to the next.

    Parameters
    ----------
    p : Series, shape (n,)
        The model's own predictions.
    refits : DataFrame, shape (n, refits)
        From `refitted`, of the same patients in the same order.
    cutoff : float
        At or above it a patient is called high risk.

    Returns
    -------
    DataFrame, n rows
        p; low, high (the middle 95% of the refits); ``mape``, the mean absolute difference of a
        refit's prediction from p; ``changed``, the share of refits that call the patient
        otherwise.

    Examples
    --------
    >>> p = pd.Series([0.2, 0.6], index=["a", "b"])
    >>> refits = pd.DataFrame({0: [0.1, 0.4], 1: [0.3, 0.8]}, index=["a", "b"])
    >>> instability(p, refits)[["mape", "changed"]].round(2).values.tolist()
    [[0.1, 0.0], [0.2, 0.5]]
    """
    if not 0 < cutoff < 1:
        raise ColumnError(f"cutoff is {cutoff}; it must lie between 0 and 1")
    values, *columns = checked(p=probabilities(p), **each(refits, "p of refit {}", probabilities))
    drawn = np.column_stack(columns)  # (n, refits)
    low, high = np.quantile(drawn, (0.025, 0.975), axis=1)
    return pd.DataFrame(
        {
            "p": values,
            "low": low,
            "high": high,
            "mape": np.abs(drawn - values[:, None]).mean(axis=1),
            "changed": ((drawn >= cutoff) != (values >= cutoff)[:, None]).mean(axis=1),
        },
        index=p.index if isinstance(p, pd.Series) else None,
    )
