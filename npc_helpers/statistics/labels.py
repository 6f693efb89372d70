"""What a label does under censoring, and what repairs it.

The paper calls a patient high risk whose follow-up, ended by progression *or by the last review*,
is at most the median (section 2.3). A patient seen last at 20 months without disease is then high
risk. The same scores are judged here against that label and against three that treat censoring as
what it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from npc_helpers.statistics.concordance import c_index
from npc_helpers.statistics.cox import fit_cox
from npc_helpers.statistics.estimate import Estimate
from npc_helpers.statistics.gate import (
    TooFewPatients,
    checked,
    each,
    flags,
    index_of,
    numbers,
    numbers_or_missing,
    of_table,
    outcomes,
    times,
)
from npc_helpers.statistics.roc import roc_auc
from npc_helpers.statistics.time_dependent import auc_at_horizon, check_horizon

HORIZON = 36
OUTCOME = {"pfs_months": times, "progressed": flags, "high_risk": flags}
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
    months, event = checked(pfs_months=times(pfs_months), progressed=flags(progressed))
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
    months, event, high_risk = checked(**of_table(patients, **OUTCOME))
    label = horizon_label(months, event, horizon=horizon)
    status = label.map({True: STATUS[0], False: STATUS[1]}).fillna(STATUS[2])
    counts = pd.crosstab(np.where(high_risk, *GROUPS), status.to_numpy())
    return counts.reindex(
        index=pd.Index(GROUPS, name="paper's label"),
        columns=pd.Index(STATUS, name=f"at {horizon:g} months"),
        fill_value=0,
    )


def compare_labels(
    patients: pd.DataFrame,
    risk: Mapping[str, pd.Series],
    *,
    horizon: float = HORIZON,
    confidence: float = 0.95,
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
    columns = of_table(patients, **OUTCOME) | each(risk, numbers)
    months, event, paper, *scores = checked(**columns)
    fixed = horizon_label(months, event, horizon=horizon)
    observed = fixed.notna().to_numpy()
    by_month, n = f"{horizon:g} months", len(patients)
    rows = []
    for name, score in zip(risk, scores, strict=True):
        simple = roc_auc(fixed[observed].astype(bool), score[observed], confidence=confidence)
        weighted = auc_at_horizon(months, event, score, horizon=horizon, confidence=confidence)
        ranked = c_index(months, event, score, confidence=confidence)
        ratio = _hazard_ratio(months, event, score, confidence)
        rows += [
            (name, "median PFS", "AUC", n, *roc_auc(paper, score, confidence=confidence)),
            (name, f"{by_month}, known", "AUC", int(observed.sum()), *simple),
            (name, f"{by_month}, weighted", "AUC", n, *weighted),
            (name, "time to progression", "C-index", n, *ranked),
            (name, "time to progression", "hazard ratio per SD", n, *ratio),
        ]
    columns = ["score", "label", "measure", "n", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _hazard_ratio(months, event, score, confidence: float) -> Estimate:
    if np.ptp(score) == 0:
        raise TooFewPatients("a score is the same for every patient; it cannot be judged")
    standard = pd.DataFrame({"score": (score - score.mean()) / score.std(ddof=1)})
    row = fit_cox(months, event, standard, confidence=confidence).table.loc["score"]
    return Estimate(*row[["hazard_ratio", "low", "high"]].astype(float), confidence)


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
    time, event, start_at = outcomes(time, event, start_at=numbers_or_missing(start_at))
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
    time, event = checked(**of_table(patients, pfs_months=times, progressed=flags))
    case, control = check_horizon(time, event, months, at_least)
    return int(case.sum()), int(control.sum())
