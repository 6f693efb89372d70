"""Agreement of two measurements of the same thing."""

from __future__ import annotations

import pandas as pd

from npc_helpers.statistics.gate import checked, numbers


def bland_altman(first: pd.Series, second: pd.Series) -> dict[str, float]:
    """Return the mean difference (first - second) of paired sizes and its 95% limits of agreement.

    Bland and Altman, Lancet 1986;327:307-310: mean difference ± 1.96 standard deviations.

    Returns
    -------
    dict
        Keys bias, low, high, n.

    Raises
    ------
    ColumnError
        If a value is missing, or the measurements are not of the same things in the same order.
    """
    first, second = checked(first=numbers(first), second=numbers(second))
    difference = first - second
    bias = float(difference.mean())
    spread = 1.96 * float(difference.std(ddof=1)) if len(difference) > 1 else float("nan")
    return {"bias": bias, "low": bias - spread, "high": bias + spread, "n": len(difference)}
