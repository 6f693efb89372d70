"""The report of a study, part by part from what the notebooks saved.

It always comes: a part without a result says why this study cannot have it, or what to run.
"""

import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from npc_helpers.figures.cohort import flow_chart, km_by_risk, pfs_figure
from npc_helpers.figures.report import Report
from npc_helpers.figures.results import forest_figure, roc_figure
from npc_helpers.figures.survival import label_figure
from npc_helpers.figures.uncertainty import split_figure
from npc_helpers.statistics import ColumnError, TooFewPatients, compare_auc, table_one
from npc_helpers.statistics.estimate import plain_interval
from npc_helpers.study import Study, StudyError
from npc_helpers.study.follow_up import first_event
from npc_helpers.study.later import FEW_TEST_PATIENTS
from npc_helpers.study.problems import counts, page
from npc_helpers.study.provenance import provenance, provenance_sentence
from npc_helpers.study.schema import MODELS, TIMEPOINTS
from npc_helpers.study.settings import current_setting

PACKAGES = ("numpy", "pandas", "scipy", "pydicom", "lifelines", "scikit-learn", "keras")
CAUTION = (
    " Only {n} test patients: values of 0 or 1 and narrow intervals arise by chance in so few, and "
    "no difference between models can be read from them."
)


def write_report(study: Study) -> Path:
    """Write ``report/`` into the results of a study; return the path of its page.

    Notes
    -----
    In the order of a methods and a results section: flow chart, Table 1, follow-up, scanners,
    rectangles, images used, discrimination, survival, other labels and splits, heat maps,
    checklists, checks, versions. Every number of patients is printed.
    """
    report = Report(study.result_path("report"), title=f"Report of {study.name}")
    for title, part in PARTS.items():
        report.add_heading(title)
        try:
            part(study, report)
        except (StudyError, TooFewPatients, ColumnError) as reason:
            report.add_text(f"Not available: {reason}")
    return report.write()


def _patients(study: Study) -> pd.DataFrame:
    """The included patients."""
    cohort = study.read_table("cohort.csv")
    return cohort[cohort["included"]].reset_index(drop=True)


def _flow(study: Study, report: Report) -> None:
    flow = study.read_table("flow.csv")
    n, included = int(flow["remaining_before"].iloc[0]), int(flow["remaining"].iloc[-1])
    report.add_figure("flow", flow_chart(flow), f"{n} patients considered, {included} included.")
    report.add_table("flow", flow[["criterion", "lost", "remaining"]], "Losses by criterion.")


def _table_one(study: Study, report: Report) -> None:
    patients = _patients(study)
    divided = patients[patients["split"] != ""]
    if divided.empty:
        raise TooFewPatients(f"the {len(patients)} included patients are not divided")
    table = table_one(divided, by="split").reset_index()
    report.add_table("table_1", table, f"Characteristics of {len(divided)} included patients.")


def _follow_up(study: Study, report: Report) -> None:
    study.require_outcomes("follow-up")
    patients = _patients(study)
    events = int(patients["progressed"].astype(bool).sum())
    caption = f"Progression-free survival of {len(patients)} patients, {events} with progression."
    report.add_figure("follow_up", pfs_figure(patients), caption)
    registry = study.registry
    by_scan = first_event(registry) <= registry["mri_post_date"]
    n = int(patients["patient_id"].isin(registry.loc[by_scan, "patient_id"]).sum())
    report.add_text(
        f"{n} of {len(patients)} patients had progressed by the day of their scan after treatment, "
        "which may therefore show the outcome."
    )


def _scanners(study: Study, report: Report) -> None:
    table = study.read_table("scanners.csv")
    caption = "Scanners and sequences; field in tesla, times in ms, thickness in mm."
    report.add_table("scanners", table, caption)


def _rectangles(study: Study, report: Report) -> None:
    rois = study.read_table("rois.csv")
    report.add_table("rectangles", provenance(rois), provenance_sentence(rois))


def _training(study: Study, report: Report) -> None:
    rows, missing = [], []
    for when in TIMEPOINTS:
        try:
            table = study.read_table(f"predictions_{when}.csv")
        except StudyError as reason:
            missing.append(str(reason))
            continue
        for split, side in table.groupby("split"):
            rows.append((f"{when}-model", split, side["patient_id"].nunique(), len(side)))
    if not rows:
        raise StudyError("; ".join(missing))
    table = pd.DataFrame(rows, columns=["model", "side", "patients", "images"])
    setting = current_setting()
    report.add_table("training", table, f"Images that trained and tested (setting {setting.name}).")
    for reason in missing:
        report.add_text(f"Not available: {reason}")


def _scores(study: Study) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Return the test patients with images of both time points, and their scores by model."""
    patients = _patients(study).set_index("patient_id")
    scores = {
        MODELS[when]: table.groupby("patient_id")["p_high_risk"].mean()
        for when in TIMEPOINTS
        for table in [study.read_table(f"predictions_{when}.csv")]
    }
    seen = set.intersection(*(set(score.index) for score in scores.values()))
    test = patients[(patients["split"] == "test") & patients.index.isin(seen)]
    scores = {model: score.reindex(test.index) for model, score in scores.items()}
    scores["Ensemble"] = sum(scores.values()) / len(scores)
    return test, scores


def _discrimination(study: Study, report: Report) -> None:
    comparison = study.read_table("comparison.csv")
    n = int(comparison["n"].max())
    caution = CAUTION.format(n=n) if n < FEW_TEST_PATIENTS else ""
    shown = comparison.drop(columns="synthetic", errors="ignore")
    caption = f"Discrimination in {n} test patients, with 95% intervals.{caution}"
    report.add_table("comparison", shown, caption)
    report.add_figure("forest", forest_figure(comparison), caption)
    test, scores = _scores(study)
    truth = test["high_risk"].astype(bool)
    high = int(truth.sum())
    caption = f"ROC curves: {high} high-risk and {n - high} low-risk test patients.{caution}"
    report.add_figure("roc", roc_figure(truth, scores), caption)
    pairs = compare_auc(truth, scores)
    report.add_table("auc_pairs", pairs, f"Differences of AUC in {n} test patients (DeLong).")


def _survival(study: Study, report: Report) -> None:
    test, scores = _scores(study)
    called = scores["Ensemble"] > 0.5
    if called.nunique() < 2:
        raise TooFewPatients(f"the Ensemble puts all {len(test)} test patients into one group")
    figure = km_by_risk(test["pfs_months"], test["progressed"].astype(bool), called)
    caption = f"Survival of {len(test)} test patients by the Ensemble's answer, in months."
    report.add_figure("kaplan_meier", figure, caption)


def _labels(study: Study, report: Report) -> None:
    report.add_figure(
        "labels", label_figure(study.read_table("labels.csv")), "The same scores, four readings."
    )


def _splits(study: Study, report: Report) -> None:
    splits = study.read_table("splits.csv")
    n = splits["split"].nunique()
    report.add_figure("splits", split_figure(splits), f"{n} random divisions of the patients.")


def _maps(study: Study, report: Report) -> None:
    scores = study.read_table("gradcam_scores.csv")
    if "energy_ratio" not in scores or scores["energy_ratio"].isna().all():
        raise TooFewPatients(
            f"maps were drawn of {scores['patient_id'].nunique()} patients; whether they point at "
            "the tumour can be measured only where a mask of it is known"
        )
    rated = scores.astype({"energy_ratio": float}).dropna(subset="energy_ratio")
    of_patient = rated.groupby(["timepoint", "map", "patient_id"], sort=False)["energy_ratio"]
    rows = []
    for (when, name), means in of_patient.mean().groupby(level=[0, 1], sort=False):
        interval = plain_interval(means.mean(), means.var() / len(means))
        rows.append((MODELS[when], name, *interval, len(means)))
    table = pd.DataFrame(rows, columns=["model", "map", "energy ratio", "low", "high", "patients"])
    caption = (
        "Share of a map inside the tumour over the tumour's share of the rectangle (1: as if it "
        "were spread evenly), averaged within patients first, with 95% intervals over patients."
    )
    report.add_table("maps", table, caption)


def _checklists(study: Study, report: Report) -> None:
    items = study.read_table("checklists.csv").drop(columns="synthetic", errors="ignore")
    counts = pd.crosstab(items["guideline"], items["run"]).reset_index()
    report.add_table("checklist_counts", counts, "How many items this run answers, by checklist.")
    rows = items[["guideline", "number", "item", "run", "run_where"]]
    report.add_table("checklists", rows, "Each item; what is for the authors, no program can know.")


def _checks(study: Study, report: Report) -> None:
    problems = study.check(checksums=False)
    report.add_text(f"study check: {counts(problems)}.")
    if len(problems):
        report.add_block(page(problems))


def _versions(study: Study, report: Report) -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    python = f"Python {platform.python_version()}"
    report.add_text(f"{python} with {packages}. Tables: {study.tables_in_words()}.")


PARTS: dict[str, Callable[[Study, Report], None]] = {
    "Patients": _flow,
    "Table 1": _table_one,
    "Follow-up": _follow_up,
    "Scanners and sequences": _scanners,
    "Rectangles": _rectangles,
    "Images used": _training,
    "Discrimination": _discrimination,
    "Survival by predicted risk": _survival,
    "Other labels": _labels,
    "Other divisions": _splits,
    "Heat maps": _maps,
    "Checklists": _checklists,
    "Checks": _checks,
    "Versions": _versions,
}
