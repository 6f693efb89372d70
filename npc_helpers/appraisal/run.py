"""What the present run of the suite knows of itself, for the reporting checklists."""

import os
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from npc_helpers.cohort import included_patients
from npc_helpers.statistics import summarise_splits
from npc_helpers.study import Study, StudyError
from npc_helpers.study.artefact_table import artefact
from npc_helpers.study.provenance import provenance_sentence
from npc_helpers.study.settings import current_setting

NOT_YET = "not yet run"
FACTS = (  # the placeholders of the checklist; each is told by the function of its name
    *("data", "participants", "treatment", "outcome", "division", "events", "setting"),
    *("discrimination", "splits", "maps", "software", "dates", "scanners", "rectangles"),
    "external",
)
PACKAGES = ("keras", "tensorflow", "scikit-learn", "lifelines", "pydicom")


def run_facts(study: Study) -> dict[str, str]:
    """Read from a study and its results what a reporting checklist asks.

    Returns
    -------
    dict of str
        For each placeholder of the checklist a short text, or ``not yet run`` with the notebook to
        run, where the artefact it is read from is missing or stale.
    """
    return {name: _tried(name, study) for name in FACTS}


def _tried(name: str, study: Study) -> str:
    try:
        return globals()[f"_{name}"](study)
    except NotYetRun as missing:
        return str(missing)
    except StudyError:
        return NOT_YET


class NotYetRun(StudyError):
    """An artefact of this run is missing or stale; the message names the notebook that makes it."""


def _own(study: Study, name: str) -> pd.DataFrame:
    """Read an artefact of this run; a reference copy is none."""
    if study.artefact_state(name) != "current":
        raise NotYetRun(f"{NOT_YET} ({artefact(name).maker})")
    return study.read_table(name)


def _sides(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    cohort = included_patients(_own(study, "cohort.csv"))
    return cohort[cohort.split == "train"], cohort[cohort.split == "test"]


def _data(study: Study) -> str:
    return study.tables_in_words()


def _participants(study: Study) -> str:
    cohort = _own(study, "cohort.csv")
    return f"{int(cohort.included.sum())} of {len(cohort)} included"


def _treatment(study: Study) -> str:
    counts = included_patients(_own(study, "cohort.csv")).treatment.value_counts()
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def _outcome(study: Study) -> str:
    months = included_patients(_own(study, "cohort.csv")).pfs_months
    return f"PFS; median {months.median():.1f} months"


def _division(study: Study) -> str:
    train, test = _sides(study)
    return f"{len(train)} training, {len(test)} test"


def _events(study: Study) -> str:
    parts = zip(("training", "test"), _sides(study), strict=True)
    return ", ".join(f"{n}: {int(p.progressed.sum())} of {len(p)} progressed" for n, p in parts)


def _setting(_study: Study) -> str:
    s = current_setting()
    return (
        f"setting {s.name}: {s.weights} weights, {s.trainable} trained, Adam {s.learning_rate:g}, "
        f"batch {s.batch_size}, dropout {s.dropout:g}, L2 {s.l2:g}; stops when {s.monitor} has "
        f"not improved for {s.patience} epochs"
    )


def _discrimination(study: Study) -> str:
    rows = _own(study, "comparison.csv").set_index("model")
    best = rows.loc["Ensemble"]
    return "Ensemble: " + ", ".join(
        f"{title} {best[name]:.3f} ({best[f'{name}_low']:.3f}–{best[f'{name}_high']:.3f})"
        for name, title in (("auc", "AUC"), ("c_index", "C-index"))
    )


def _splits(study: Study) -> str:
    splits = _own(study, "splits.csv")
    row = summarise_splits(splits, measure="c_index").loc["Ensemble"]
    number = splits["split"].nunique()
    return f"{number} splits: Ensemble C-index {row.low:.2f} to {row.high:.2f}"


def _maps(study: Study) -> str:
    scores = _own(study, "gradcam_scores.csv")
    of_map = scores[scores["map"] == "Grad-CAM"].dropna(subset="energy_ratio")
    means = of_map.groupby(["timepoint", "patient_id"], sort=False)["energy_ratio"].mean()
    by_time = means.groupby("timepoint", sort=False)
    return "energy in the tumour over its area: " + ", ".join(
        f"{when} {of_time.mean():.1f} ({len(of_time)} patients)" for when, of_time in by_time
    )


def _dates(study: Study) -> str:
    diagnosed, seen = study.registry["diagnosis_date"], study.registry["last_review_date"]
    first, last, end = map(_month, (diagnosed.min(), diagnosed.max(), seen.max()))
    return f"diagnosed {first} to {last}, last seen {end}"


def _month(day: pd.Timestamp) -> str:
    return "unknown" if pd.isna(day) else f"{day:%Y-%m}"


def _scanners(study: Study) -> str:
    table = _own(study, "scanners.csv")
    fields = ", ".join(sorted(table["field_t"].astype(str).unique()))
    return f"{table['model'].nunique()} scanners, {fields} T; times and thickness in the report"


def _rectangles(study: Study) -> str:
    return provenance_sentence(_own(study, "rois.csv")).rstrip(".")


def _external(_study: Study) -> str:
    folder = os.environ.get("NPC_EXTERNAL", "")
    if not folder or not Path(folder).is_dir():
        return "no: no second study (NPC_EXTERNAL)"
    return f"partly: tested in the study in {Path(folder).name}; its result is for the authors"


def _software(_study: Study) -> str:
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES)
