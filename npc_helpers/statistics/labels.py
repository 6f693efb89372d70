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
    times,
)
from npc_helpers.statistics.roc import roc_auc
from npc_helpers.statistics.survival import fit_cox
from npc_helpers.statistics.time_dependent import auc_at_horizon

HORIZON = 36
OUTCOME = {"pfs_months": times, "progressed": flags, "high_risk": flags}


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
        True if progressed by then, False if observed for longer, missing if censored by then.
        (Censored in the very month counts as not observed beyond it, here as everywhere in this
        room and in R's timeROC and riskRegression.)

    Raises
    ------
    ValueError
        If a value is missing or the lengths differ.
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
    horizon : float

    Returns
    -------
    DataFrame
        Rows: high risk, low risk. Columns: progressed, not progressed, unknown (censored
        by then), each at the horizon.
    """
    months, event, high_risk = checked(**of_table(patients, **OUTCOME))
    label = horizon_label(months, event, horizon=horizon)
    status = label.map({True: "progressed", False: "not progressed"}).fillna("unknown")
    named = np.where(high_risk, "high risk", "low risk")
    counts = pd.crosstab(named, status.to_numpy())
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
            (name, "median PFS", "AUC", n, roc_auc(paper, score, confidence=confidence)),
            (name, f"{by_month}, known", "AUC", int(observed.sum()), simple),
            (name, f"{by_month}, weighted", "AUC", n, weighted),
            (name, "time to progression", "C-index", n, ranked),
            (name, "time to progression", "hazard ratio per SD", n, ratio),
        ]
    columns = ["score", "label", "measure", "n", "value", "low", "high"]
    return pd.DataFrame([(*r[:4], r[4].value, r[4].low, r[4].high) for r in rows], columns=columns)


def _hazard_ratio(months, event, score, confidence: float) -> Estimate:
    if np.ptp(score) == 0:
        raise TooFewPatients("a score is the same for every patient; it cannot be judged")
    standard = pd.DataFrame({"score": (score - score.mean()) / score.std(ddof=1)})
    row = fit_cox(months, event, standard, confidence=confidence).table
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
    index = index_of(time)
    time, event, start_at = checked(
        time=times(time), event=flags(event), start_at=numbers_or_missing(start_at)
    )
    reached = time > start_at  # False where start_at is missing
    return pd.DataFrame(
        {
            "reached": reached,
            "time": np.where(reached, time - start_at, np.nan),
            "event": reached & event,
        },
        index=index,
    )


def require_patients(patients: pd.DataFrame, *, months: float, at_least: int) -> tuple[int, int]:
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
    time, event = checked(**of_table(patients, pfs_months=times, progressed=flags))
    early, late = int((event & (time <= months)).sum()), int((time > months).sum())
    if early < at_least:
        raise TooFewPatients(
            f"needs {at_least} patients with progression by {months:g} months; {early} have it"
        )
    if late < at_least:
        raise TooFewPatients(
            f"needs {at_least} patients observed for longer than {months:g} months; {late} were"
        )
    return early, late
