"""Agreement of two measurements of the same thing."""

import pandas as pd

from npc_helpers.statistics.gate import checked, numbers


def bland_altman(first: pd.Series, second: pd.Series) -> dict[str, float]:
    """Mean difference (first − second) of paired sizes and its 95% limits of agreement.

    bias ± 1.96 standard deviations of the differences (Bland and Altman, Lancet 1986;327:307).

    Returns
    -------
    dict
        Keys bias, low, high, n.
    """
    first, second = checked(first=numbers(first), second=numbers(second))
    difference = first - second
    bias = float(difference.mean())
    spread = 1.96 * float(difference.std(ddof=1)) if len(difference) > 1 else float("nan")
    return {"bias": bias, "low": bias - spread, "high": bias + spread, "n": len(difference)}
