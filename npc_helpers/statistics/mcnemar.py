"""Do two models call the same patients correctly? McNemar's test in its exact form."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pandas as pd
from scipy.stats import binomtest

from npc_helpers.statistics.estimate import holm
from npc_helpers.statistics.gate import at_least, checked, each, flags, two_classes


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided P value from the patients whom only one of two models calls correctly.

    Parameters
    ----------
    only_a, only_b : int
        Patients whom only model a, and only model b, calls correctly.

    Returns
    -------
    float
        Binomial probability; 1 if no patient tells the models apart.

    Raises
    ------
    ValueError
        If a count is negative.
    """
    if min(only_a, only_b) < 0:
        raise ValueError(f"{only_a} and {only_b} are no counts of patients")
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b).pvalue)


def compare_calls(high_risk, predicted_high: Mapping[str, object]) -> pd.DataFrame:
    """Compare the accuracy of models on the same patients, pair by pair (exact McNemar test).

    Parameters
    ----------
    high_risk : array-like of bool, shape (n,)
    predicted_high : mapping of str to array-like of bool, shape (n,)
        At least two models.

    Returns
    -------
    DataFrame
        a, b, only_a, only_b (patients whom only this model calls correctly), difference
        (accuracy of a minus that of b), p, p_holm.

    Raises
    ------
    ValueError
        As `confusion`, or if there are fewer than two models.
    """
    at_least(predicted_high, 2)
    truth, *calls = checked(high_risk=flags(high_risk), **each(predicted_high, flags, "call of {}"))
    two_classes(truth)
    right = dict(zip(predicted_high, [called == truth for called in calls], strict=True))
    rows = []
    for a, b in itertools.combinations(right, 2):
        only_a, only_b = int((right[a] & ~right[b]).sum()), int((right[b] & ~right[a]).sum())
        difference = (only_a - only_b) / len(truth)
        rows.append([a, b, only_a, only_b, difference, mcnemar_exact(only_a, only_b)])
    table = pd.DataFrame(rows, columns=["a", "b", "only_a", "only_b", "difference", "p"])
    return table.assign(p_holm=holm(table["p"]))
