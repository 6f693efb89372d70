"""Many splits of the same patients: the spread of a measure, and which model is ahead.

`splits` is the table of `repeated_splits`: split, model, auc, c_index, n_train, n_test; one row
per split and model.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from npc_helpers.statistics.estimate import Z95
from npc_helpers.statistics.gate import (
    ColumnError,
    TooFewPatients,
    checked,
    groups,
    numbers,
    of_table,
)


def summarise_splits(splits: pd.DataFrame, *, measure: str = "auc") -> pd.DataFrame:
    """Describe the distribution of a measure (``auc`` or ``c_index``) over the splits.

    Returns
    -------
    DataFrame
        By model: mean, sd, low and high (2.5th and 97.5th percentile), minimum, maximum. The
        range says what one split might have shown. It is no confidence interval: the same
        patients come back in every split.

    Examples
    --------
    >>> splits = pd.DataFrame({"split": [0, 1, 2], "model": "network", "auc": [0.7, 0.8, 0.9]})
    >>> splits = splits.assign(n_train=163, n_test=43)
    >>> summarise_splits(splits).round(2).loc["network", ["mean", "sd", "minimum"]].tolist()
    [0.8, 0.1, 0.7]
    """
    splits = _checked(splits, measure)
    grouped = splits.groupby("model", sort=False)[measure]
    return pd.DataFrame(
        {
            "mean": grouped.mean(),
            "sd": grouped.std(),
            "low": grouped.quantile(0.025),
            "high": grouped.quantile(0.975),
            "minimum": grouped.min(),
            "maximum": grouped.max(),
        }
    )


def split_differences(splits: pd.DataFrame, *, measure: str = "auc") -> pd.DataFrame:
    """Compare models split by split.

    Returns
    -------
    DataFrame
        a, b; mean difference (a minus b) with low and high, widened because the splits share
        patients (variance times 1/J + n_test/n_train; Nadeau and Bengio, Mach Learn 2003;52:239);
        ``a_ahead``: share of splits in which a was better, ties counted half.

    Examples
    --------
    >>> splits = pd.DataFrame({"split": [0, 1, 0, 1], "model": ["new", "new", "old", "old"]})
    >>> splits = splits.assign(auc=[0.8, 0.7, 0.6, 0.7], n_train=163, n_test=43)
    >>> split_differences(splits)[["a", "b", "difference", "a_ahead"]].round(2)
         a    b  difference  a_ahead
    0  new  old         0.1     0.75
    """
    splits = _checked(splits, measure)
    wide = splits.pivot(index="split", columns="model", values=measure)
    wide = wide[list(dict.fromkeys(splits["model"]))]
    if min(wide.shape) < 2:
        raise TooFewPatients("a comparison needs at least two models and two splits")
    widen = 1 / len(wide) + (splits["n_test"] / splits["n_train"]).mean()
    rows = []
    for a, b in itertools.combinations(wide, 2):
        difference = wide[a] - wide[b]
        half = Z95 * float(difference.std()) * np.sqrt(widen)
        mean = float(difference.mean())
        ahead = float((difference > 0).mean() + 0.5 * (difference == 0).mean())
        rows.append([a, b, mean, mean - half, mean + half, ahead])
    return pd.DataFrame(rows, columns=["a", "b", "difference", "low", "high", "a_ahead"])


def share_in_order(splits: pd.DataFrame, models: Sequence[str], *, measure: str = "auc") -> float:
    """Share of splits in which each model has a higher value than the one named before it.

    Examples
    --------
    >>> splits = pd.DataFrame({"split": [0, 1, 0, 1], "model": ["old", "old", "new", "new"]})
    >>> splits = splits.assign(auc=[0.6, 0.7, 0.8, 0.7], n_train=163, n_test=43)
    >>> share_in_order(splits, ["old", "new"])
    0.5
    """
    wide = _checked(splits, measure).pivot(index="split", columns="model", values=measure)
    gains = wide[list(models)].diff(axis=1).iloc[:, 1:]  # (splits, models - 1)
    return float((gains > 0).all(axis=1).mean())


def _checked(splits: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The table, once every split has one finite value of each model."""
    kinds = {"split": groups, "model": groups, measure: numbers}
    kinds |= {"n_train": numbers, "n_test": numbers}
    named = splits.reset_index(drop=True)
    if {"split", "model"} <= set(named.columns):
        named = named.set_index("split " + named["split"].astype(str) + ", " + named["model"])
    checked(**of_table(named, **kinds))
    counts = splits.groupby("model", sort=False)["split"].nunique()
    if counts.nunique() > 1:
        fewest = counts.idxmin()
        raise ColumnError(
            f"split: model {fewest} has {counts.min()} splits, others {counts.max()}; "
            "compare models on the same splits"
        )
    return splits
