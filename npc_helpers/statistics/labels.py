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
from npc_helpers.statistics.estimate import Estimate, aligned
from npc_helpers.statistics.roc import roc_auc
from npc_helpers.statistics.survival import fit_cox
from npc_helpers.statistics.time_dependent import auc_at_horizon

HORIZON = 36


def horizon_label(pfs_months, progressed, *, horizon: float = HORIZON) -> pd.Series:
    """Label patients by whether they had progressed by a fixed month.

    Parameters
    ----------
    pfs_months, progressed : array-like, shape (n,)
    horizon : float
        In months.

    Returns
    -------
    Series of boolean
        True if progressed by then, False if known to be free of progression then, missing if
        censored earlier.

    Raises
    ------
    ValueError
        If a value is missing or the lengths differ.
    """
    index = pfs_months.index if isinstance(pfs_months, pd.Series) else None
    months, event = aligned(pfs_months=pfs_months, progressed=progressed)
    by_then = (event == 1) & (months <= horizon)
    known = by_then | (months >= horizon)
    return pd.Series(pd.array(by_then, dtype="boolean"), index).where(known)


def label_audit(patients: pd.DataFrame, *, horizon: float = HORIZON) -> pd.DataFrame:
    """Count what became of the patients whom the paper's label calls high and low risk.

    Parameters
    ----------
    patients : DataFrame
        high_risk, pfs_months, progressed.
    horizon : float

    Returns
    -------
    DataFrame
        Rows: high risk, low risk. Columns: progressed, not progressed, unknown (censored
        earlier), each by the horizon.
    """
    label = horizon_label(patients["pfs_months"], patients["progressed"], horizon=horizon)
    status = label.map({True: "progressed", False: "not progressed"}).fillna("unknown")
    named = patients["high_risk"].astype(bool).map({True: "high risk", False: "low risk"})
    counts = pd.crosstab(named.to_numpy(), status.to_numpy())
    return counts.reindex(
        index=pd.Index(["high risk", "low risk"], name="paper's label"),
        columns=pd.Index(
            ["progressed", "not progressed", "unknown"], name=f"at {horizon:g} months"
        ),
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
    horizon : float
        In months.
    confidence : float

    Returns
    -------
    DataFrame
        score, label, measure (AUC, C-index or hazard ratio per standard deviation), n (patients
        used), value, low, high. The labels: ``median PFS`` (the paper's), ``36 months, known``
        (those censored earlier left out), ``36 months, weighted`` (IPCW), ``time to
        progression`` (Cox model, Harrell's C).

    Raises
    ------
    ValueError
        As the estimators; the message says which classes or patients are too few.
    """
    months, event = patients["pfs_months"], patients["progressed"].astype(bool)
    fixed = horizon_label(months, event, horizon=horizon)
    known = fixed.notna()
    paper = patients["high_risk"].astype(bool)
    fixed_name, everybody = f"{horizon:g} months", len(patients)
    rows = []
    for name, score in risk.items():
        aligned(pfs_months=months, risk_score=score)
        known_auc = roc_auc(fixed[known].astype(bool), score[known], confidence=confidence)
        weighted = auc_at_horizon(months, event, score, horizon=horizon, confidence=confidence)
        ranked = c_index(months, event, score, confidence=confidence)
        ratio = _hazard_ratio(months, event, score, confidence)
        rows += [
            (name, "median PFS", "AUC", everybody, roc_auc(paper, score, confidence=confidence)),
            (name, f"{fixed_name}, known", "AUC", int(known.sum()), known_auc),
            (name, f"{fixed_name}, weighted", "AUC", everybody, weighted),
            (name, "time to progression", "C-index", everybody, ranked),
            (name, "time to progression", "hazard ratio per SD", everybody, ratio),
        ]
    columns = ["score", "label", "measure", "n", "value", "low", "high"]
    return pd.DataFrame([(*r[:4], r[4].value, r[4].low, r[4].high) for r in rows], columns=columns)


def _hazard_ratio(months, event, score, confidence: float) -> Estimate:
    standard = (score - score.mean()) / score.std()
    if not np.isfinite(standard).all():
        raise ValueError("a score is the same for every patient; it cannot be judged")
    row = fit_cox(months, event, standard.rename("score").to_frame(), confidence=confidence).table
    value, low, high = row.loc["score", ["hazard_ratio", "low", "high"]]
    return Estimate(float(value), float(low), float(high), confidence)


def landmark(time, event, start_at) -> pd.DataFrame:
    """Restart the clock at a later moment, for the patients who reached it.

    A score that needs the post-treatment MRI exists only for patients who lived free of
    progression until that scan. On a clock from treatment start they cannot fail before it: the
    months until then are *immortal time*. The landmark analysis starts where the score becomes
    known (Anderson et al., J Clin Oncol 1983;1:710).

    Parameters
    ----------
    time, event : array-like, shape (n,)
        On the clock from treatment start.
    start_at : array-like, shape (n,)
        When the score became known, on the same clock and in the same unit; missing if never.

    Returns
    -------
    DataFrame, n rows
        ``reached`` (still observed without event after the landmark), ``time`` (from the
        landmark; missing if not reached) and ``event`` (False if not reached).

    Raises
    ------
    ValueError
        If a time or event is missing, or the lengths differ.
    """
    index = time.index if isinstance(time, pd.Series) else None
    time, event = aligned(time=time, event=event)
    start_at = np.asarray(start_at, dtype=float)
    if len(start_at) != len(time):
        raise ValueError(f"columns differ in length: {len(time)} times, {len(start_at)} landmarks")
    reached = time > start_at  # False where start_at is missing
    return pd.DataFrame(
        {
            "reached": reached,
            "time": np.where(reached, time - start_at, np.nan),
            "event": reached & (event == 1),
        },
        index=index,
    )


class TooFewPatients(ValueError):
    """The patients are too few for what was asked; what came before still holds."""


def require_patients(
    patients: pd.DataFrame, *, months: float = 36, at_least: int = 5
) -> tuple[int, int]:
    """Refuse to question a comparison in patients who cannot answer.

    Parameters
    ----------
    patients : DataFrame
        pfs_months, progressed; usually the test patients.
    months : float
        Horizon.
    at_least : int
        Patients needed on either side of it.

    Returns
    -------
    tuple of int
        How many progressed by the horizon, and how many were observed for longer.

    Raises
    ------
    TooFewPatients
        If either number is too small.
    """
    early = int((patients["progressed"].astype(bool) & (patients["pfs_months"] <= months)).sum())
    late = int((patients["pfs_months"] > months).sum())
    if min(early, late) < at_least:
        raise TooFewPatients(
            f"of {len(patients)} patients, {early} progressed within {months:g} months and {late} "
            f"were observed for longer; the rest of this notebook needs {at_least} of each. "
            "The results above are saved."
        )
    return early, late
