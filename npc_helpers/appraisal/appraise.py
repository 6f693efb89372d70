"""The table of claims: what is printed, what it should be, and the verdict."""

import pandas as pd

from npc_helpers.appraisal import checks, recompute
from npc_helpers.appraisal.published import published

VERDICTS = ("reproduces", "does not", "cannot be known")
VERDICT_OF = dict(zip((True, False, None), VERDICTS, strict=True))


def appraise() -> pd.DataFrame:
    """Judge every printed claim, those that stand first.

    Returns
    -------
    DataFrame of str
        id, place, claim, printed, recomputed, verdict, issue, remark. An ``issue`` is named where
        a claim does not reproduce; claims that fail for the same reason share its name.

    Examples
    --------
    >>> claims = appraise().set_index("id")
    >>> claims.loc["n_patients", ["printed", "verdict"]].tolist()
    ['206', 'reproduces']
    """
    table = published()
    judged = [getattr(checks, row.check)(row.printed, row.argument) for row in table.itertuples()]
    table["recomputed"], agrees = zip(*judged, strict=True)
    table["verdict"] = [VERDICT_OF[None if answer is None else bool(answer)] for answer in agrees]
    table["issue"] = table["issue"].where(table["verdict"] == VERDICTS[1], "")
    columns = ["id", "place", "claim", "printed", "recomputed", "verdict", "issue", "remark"]
    order = table["verdict"].map(VERDICTS.index)
    return table.loc[order.sort_values(kind="stable").index, columns].reset_index(drop=True)


def intervals() -> pd.DataFrame:
    """Half-widths of the printed 95% intervals beside what 43 patients can give.

    Returns
    -------
    DataFrame
        measure, model, value, low, high, place, expected (half-width; of a C-index the narrowest,
        if all patients progressed).

    Examples
    --------
    >>> intervals().query("measure == 'AUC' and model == 'TNM'")[["value", "low", "high"]].values
    array([[0.723, 0.567, 0.879]])
    """
    table = published()
    table = table[table["check"].isin(["auc_interval", "tnm_interval", "c_interval", "c_centre"])]
    n = sum(checks.high_and_low())
    rows = []
    for row in table.itertuples():
        value, (low, high) = float(row.argument), checks.numbers(row.printed)[-2:]
        if row.check.startswith("c_"):
            measure, expected = "C-index", recompute.c_half_width(value, n, 1.0)
        else:
            measure, expected = "AUC", checks.auc_half_width(value)
        rows.append([measure, row.claim.split()[0], value, low, high, row.place, expected])
    names = ["measure", "model", "value", "low", "high", "place", "expected"]
    return pd.DataFrame(rows, columns=names)
