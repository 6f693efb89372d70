"""Exercises on what a label does with patients who were lost."""

import pandas as pd

from npc_course.exercises.checking import Wrong, compare, exercise, number, word
from npc_course.exercises.patients import HORIZON_MONTHS
from npc_helpers.statistics import horizon_label, ipcw_weights, label_audit, roc_auc
from npc_helpers.study import Study

PLACES = ("above", "at", "below")


@exercise(
    "08.1",
    form='`"none"` or `"some"`',
    hint="How long must a patient have been observed to be called low-risk?",
)
def low_risk_and_progressed(study: Study, answer: object, *, patients: pd.DataFrame) -> str:
    """Judge whether anybody is called low-risk who had progressed by the horizon."""
    audit = label_audit(patients, horizon=HORIZON_MONTHS)
    low, high = audit.loc["low risk"], audit.loc["high risk"]
    truth = "some" if low["progressed"] else "none"
    if word(answer, ("none", "some")) != truth:
        shortest = patients.loc[~patients["high_risk"].astype(bool), "pfs_months"].min()
        raise Wrong(
            f"{low['progressed']} of them had, and each of them was without progression for at "
            f"least {shortest:g} months."
        )
    if truth == "none":
        return (
            "Whoever is called low-risk was observed, without progression, for longer than "
            "that. The label's mistakes all lie on the other side: the "
            f"{high.sum() - high['progressed']} patients called high-risk who had not progressed "
            "or of whom nobody knows."
        )
    return f"{low['progressed']} of {low.sum()} patients called low-risk had progressed by then."


@exercise(
    "08.2",
    form="a share between 0 and 1",
    hint="Add up the weights of those who progressed. All patients together weigh their number.",
)
def risk_by_horizon(study: Study, answer: object, *, patients: pd.DataFrame) -> str:
    """Judge the share that progressed, in which those who were lost are accounted for."""
    time, event = patients["pfs_months"], patients["progressed"]
    truth = float(ipcw_weights(time, event, horizon=HORIZON_MONTHS)["case"].mean())
    status, given = horizon_label(time, event, horizon=HORIZON_MONTHS), number(answer)
    relapses = int(status.sum())
    among_known, among_all = relapses / status.notna().sum(), relapses / len(status)
    mistakes = {
        "This leaves out those who were lost, and they were without progression.": among_known,
        "This counts everybody who was lost as free of progression until the end.": among_all,
        "This is a number of patients; a share is that number divided by all.": truth * len(status),
    }
    compare(given, truth, mistakes, within=0.005)
    return (
        f"{truth:.2f}. Without those who were lost it would be {among_known:.2f}; with them as if "
        f"they were well, {among_all:.2f}."
    )


@exercise(
    "08.3",
    form='`"above"`, `"at"` or `"below"`',
    hint="Who is scanned late in a study has few months left to be observed in. And then?",
)
def auc_of_the_scan_date(study: Study, answer: object, *, patients: pd.DataFrame) -> str:
    """Judge on which side of one half the AUC of the scan date lies against the label."""
    scans = study.registry.set_index("patient_id")["mri_pre_date"].reindex(patients.index).dropna()
    days = (scans - scans.min()).dt.days.astype(float)
    auc = roc_auc(patients.loc[scans.index, "high_risk"].astype(bool), days)
    truth = "above" if auc.low > 0.5 else "below" if auc.high < 0.5 else "at"
    if word(answer, PLACES) != truth:
        raise Wrong("The date knows nothing of the disease, and the label knows of the calendar.")
    because = (
        "A late scan means a short follow-up, and a short follow-up is called high risk."
        if truth == "above"
        else "In this study follow-up does not become shorter with a later scan."
    )
    return f"The AUC is {auc}. {because}"
