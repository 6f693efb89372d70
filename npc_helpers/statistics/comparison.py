"""The suite's main table: every model on the same patients."""

from collections.abc import Mapping

import pandas as pd

from npc_helpers.statistics.concordance import c_index
from npc_helpers.statistics.confusion import confusion
from npc_helpers.statistics.gate import checked, each, of_table
from npc_helpers.statistics.roc import roc_auc

CUTOFF = 0.5  # above it a patient is called high risk
MEASURES = ("accuracy", "sensitivity", "specificity", "ppv", "npv")


def compare_models(patients: pd.DataFrame, risk: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Discrimination, concordance and the 2 x 2 measures of each model.

    Parameters
    ----------
    patients : DataFrame
        One row per patient, indexed by patient_id: high_risk, pfs_months, progressed.
    risk : mapping of str to Series
        Risk score per patient in the same index (higher is worse).

    Returns
    -------
    DataFrame
        model, n and for each of auc, c_index, accuracy, sensitivity, specificity, ppv, npv the
        columns name, name_low, name_high.

    Examples
    --------
    >>> months, progressed = [10, 20, 30, 40], [True, True, False, False]
    >>> patients = pd.DataFrame({"pfs_months": months, "progressed": progressed})
    >>> patients = patients.assign(high_risk=[True, True, False, False])
    >>> compare_models(patients, {"model": [0.9, 0.3, 0.6, 0.1]})[["auc", "c_index", "ppv"]]
        auc  c_index  ppv
    0  0.75      0.8  0.5
    """
    months, event, high_risk, *scores = checked(
        **of_table(patients, "pfs_months", "progressed", "high_risk"), **each(risk)
    )
    rows = []
    for model, score in zip(risk, scores, strict=True):
        table = confusion(high_risk, score > CUTOFF)
        estimates = {
            "auc": roc_auc(high_risk, score),
            "c_index": c_index(months, event, score),
            **{name: getattr(table, name) for name in MEASURES},
        }
        row = {"model": model, "n": len(patients)}
        for name, estimate in estimates.items():
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), estimate, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)
