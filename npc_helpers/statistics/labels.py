"""What a label does under censoring, and what repairs it.

The paper calls a patient high risk whose follow-up, ended by progression *or by the last review*,
is at most the median (section 2.3). A patient seen last at 20 months without disease is then high
risk. The same scores are judged here against that label and against three that treat censoring as
what it is.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from npc_helpers.statistics.concordance import c_index
from npc_helpers.statistics.cox import RATIO, fit_cox
from npc_helpers.statistics.gate import checked, each, index_of, of_table, standardised
from npc_helpers.statistics.horizon import auc_at_horizon
from npc_helpers.statistics.roc import roc_auc
from npc_helpers.statistics.survival import HORIZON
from npc_helpers.statistics.weighting import check_horizon

OUTCOME = ("pfs_months", "progressed", "high_risk")
GROUPS = ("high risk", "low risk")
STATUS = ("progressed", "not progressed", "unknown")


def horizon_label(pfs_months, progressed, *, horizon: float = HORIZON) -> pd.Series:
    """Label patients by whether they had progressed by a fixed month.

    Returns
    -------
    Series of boolean
        True if progressed by then, False if observed for longer, missing if censored by then.
        (Censored in the very month counts as not observed beyond it, here as everywhere in this
        package and in R's timeROC and riskRegression.)

    Examples
    --------
    >>> horizon_label([10, 20, 40], [True, False, True]).tolist()
    [True, <NA>, False]
    """
    months, event = checked(pfs_months=pfs_months, progressed=progressed)
    by_then = event & (months <= horizon)
    observed = by_then | (months > horizon)
    return pd.Series(pd.array(by_then, dtype="boolean"), index_of(pfs_months)).where(observed)


def label_audit(patients: pd.DataFrame, *, horizon: float = HORIZON) -> pd.DataFrame:
    """Count what became of the patients whom the paper's label calls high and low risk.

    Parameters
    ----------
    patients : DataFrame
        high_risk, pfs_months, progressed.

    Returns
    -------
    DataFrame
        Rows: high risk, low risk. Columns: progressed, not progressed, unknown (censored by
        then), each at the horizon.

    Examples
    --------
    >>> patients = pd.DataFrame({"pfs_months": [10, 20, 40], "progressed": [True, False, True]})
    >>> label_audit(patients.assign(high_risk=[True, True, False])).loc["high risk"].tolist()
    [1, 0, 1]
    """
    months, event, high_risk = checked(**of_table(patients, *OUTCOME))
    label = horizon_label(months, event, horizon=horizon)
    status = label.map({True: STATUS[0], False: STATUS[1]}).fillna(STATUS[2])
    counts = pd.crosstab(np.where(high_risk, *GROUPS), status.to_numpy())
    return counts.reindex(
        index=pd.Index(GROUPS, name="paper's label"),
        columns=pd.Index(STATUS, name=f"at {horizon:g} months"),
        fill_value=0,
    )


def compare_labels(
    patients: pd.DataFrame, risk: Mapping[str, pd.Series], *, horizon: float = HORIZON
) -> pd.DataFrame:
    """Judge the same scores against four readings of the same follow-up.

    Parameters
    ----------
    patients : DataFrame
        One row per patient, indexed by patient_id: high_risk, pfs_months, progressed.
    risk : mapping of str to Series
        Scores in the same index (higher is worse). Add the date of the scan as one of them: a
        label that it predicts measures follow-up, not disease. (The date decides who is censored,
        so weighting cannot free it of follow-up altogether; the other scores are independent of
        censoring, or should be.)

    Returns
    -------
    DataFrame
        score, label, measure (AUC, C-index or hazard ratio per standard deviation), n (patients
        used), value, low, high. The labels: ``median PFS`` (the paper's), ``36 months, known``
        (those censored earlier left out), ``36 months, weighted`` (IPCW), ``time to
        progression`` (Cox model, Harrell's C).

    Examples
    --------
    >>> months, progressed = [5, 10, 20, 40, 45, 50], [True, True, False, True, False, False]
    >>> patients = pd.DataFrame({"pfs_months": months, "progressed": progressed})
    >>> patients["high_risk"] = patients.pfs_months <= 20
    >>> table = compare_labels(patients, {"model": [0.9, 0.4, 0.6, 0.5, 0.1, 0.3]})
    >>> table[["label", "n"]].values.tolist()[:2]
    [['median PFS', 6], ['36 months, known', 5]]
    """
    columns = of_table(patients, *OUTCOME) | each(risk)
    months, event, paper, *scores = checked(**columns)
    fixed = horizon_label(months, event, horizon=horizon)
    observed = fixed.notna().to_numpy()
    by_month, n = f"{horizon:g} months", len(patients)
    rows = []
    for name, score in zip(risk, scores, strict=True):
        simple = roc_auc(fixed[observed].astype(bool), score[observed])
        weighted = auc_at_horizon(months, event, score, horizon=horizon)
        ranked = c_index(months, event, score)
        ratio = _hazard_ratio(months, event, score)
        rows += [
            (name, "median PFS", "AUC", n, *roc_auc(paper, score)),
            (name, f"{by_month}, known", "AUC", int(observed.sum()), *simple),
            (name, f"{by_month}, weighted", "AUC", n, *weighted),
            (name, "time to progression", "C-index", n, *ranked),
            (name, "time to progression", "hazard ratio per SD", n, *ratio),
        ]
    columns = ["score", "label", "measure", "n", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _hazard_ratio(months, event, score) -> pd.Series:
    standard = pd.DataFrame({"score": standardised(score)})
    return fit_cox(months, event, standard).table.loc["score", RATIO]


def require_patients(patients: pd.DataFrame, *, months: float, at_least: int) -> tuple[int, int]:
    """Count who progressed by a month and who was observed for longer; refuse fewer than needed.

    Parameters
    ----------
    patients : DataFrame
        pfs_months, progressed; usually the test patients.

    Examples
    --------
    >>> patients = pd.DataFrame({"pfs_months": [10, 20, 40], "progressed": [True, False, True]})
    >>> require_patients(patients, months=36, at_least=1)
    (1, 1)
    """
    time, event = checked(**of_table(patients, "pfs_months", "progressed"))
    case, control = check_horizon(time, event, months, at_least)
    return int(case.sum()), int(control.sum())
