"""Many splits of the same patients: the spread of a measure, and which model is ahead."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from npc_helpers.statistics.estimate import critical_value
from npc_helpers.statistics.gate import (
    ColumnError,
    TooFewPatients,
    checked,
    groups,
    numbers,
    of_table,
)


def summarise_splits(splits: pd.DataFrame, *, measure: str = "auc") -> pd.DataFrame:
    """Describe the distribution of a measure over the splits.

    Parameters
    ----------
    splits : DataFrame
        split, model, auc, c_index, n_train, n_test; one row per split and model.
    measure : {"auc", "c_index"}

    Returns
    -------
    DataFrame
        By model: mean, sd, low and high (2.5th and 97.5th percentile), minimum, maximum. The
        range says what one split might have shown. It is no confidence interval: the same
        patients come back in every split.
    """
    splits = _checked(splits, measure)
    grouped = splits.groupby("model", sort=False)[measure]
    low, high = (grouped.quantile(q) for q in (0.025, 0.975))
    return pd.DataFrame(
        {
            "mean": grouped.mean(),
            "sd": grouped.std(),
            "low": low,
            "high": high,
            "minimum": grouped.min(),
            "maximum": grouped.max(),
        }
    )


def split_differences(
    splits: pd.DataFrame, *, measure: str = "auc", confidence: float = 0.95
) -> pd.DataFrame:
    """Compare models split by split.

    Parameters
    ----------
    splits : DataFrame
        split, model, auc, c_index, n_train, n_test; one row per split and model.
    measure : {"auc", "c_index"}
    confidence : float

    Returns
    -------
    DataFrame
        a, b; mean difference (a minus b) with low and high, widened because the splits share
        patients (variance times 1/J + n_test/n_train; Nadeau and Bengio, Mach Learn 2003;52:239);
        ``a_ahead``: share of splits in which a was better, ties counted half.

    Raises
    ------
    ValueError
        If there are fewer than two models or splits.
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
        half = critical_value(confidence) * float(difference.std()) * np.sqrt(widen)
        mean = float(difference.mean())
        ahead = float((difference > 0).mean() + 0.5 * (difference == 0).mean())
        rows.append([a, b, mean, mean - half, mean + half, ahead])
    return pd.DataFrame(rows, columns=["a", "b", "difference", "low", "high", "a_ahead"])


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
