"""What the notebooks will have to leave out of a study, part by part, before they are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from npc_helpers.study.problems import Problem

if TYPE_CHECKING:
    from npc_helpers.study import Study

TEST_SHARE = 43 / 206  # section 2.4: one patient in five
MONTHS, DAYS_PER_MONTH = 36, 30.4375
NEEDS = (
    # part, at least, of what
    ("drawing rectangles", 1, "patients with images"),
    ("follow-up and risk groups", 1, "patients with an outcome"),
    ("a training and a test cohort", 3, "patients with an outcome"),
    ("the Pre-model", 3, "patients with an outcome and images before treatment"),
    ("the Post-model", 3, "patients with an outcome and images after treatment"),
    ("comparing models with staging", 4, "test patients with images of both time points"),
    ("other labels, and probabilities by month", 5, "test patients with progression by 36 months"),
    ("other labels, and probabilities by month", 5, "test patients observed for longer"),
)
"""What each part needs at least. In a test cohort fewer than 20 patients show no difference."""


def counts(study: Study) -> dict[str, float]:
    """Return how many patients have what `NEEDS` counts.

    The included patients and the division count once the cohort was screened and is current;
    before that, every patient of the registry, and one in five of them for the test cohort.
    """
    patients, manifest = study.registry, study.manifest
    share = TEST_SHARE
    test = pd.Series(True, patients.index)
    if study.artefact_state("cohort.csv") == "current":
        cohort = study.read_table("cohort.csv").set_index("patient_id")
        known = cohort.reindex(patients["patient_id"])
        test, share = (known["split"] == "test").to_numpy(), 1
        patients, test = patients[known["included"].to_numpy()], test[known["included"].to_numpy()]
    event = patients[["progression_date", "death_date"]].min(axis=1)
    end = event.fillna(patients["last_review_date"])
    months = (end - patients["treatment_start"]).dt.days / DAYS_PER_MONTH
    imaged = {
        when: patients["patient_id"].isin(manifest.loc[manifest["timepoint"] == when, "patient_id"])
        for when in ("pre", "post")
    }
    known, both = end.notna(), test & end.notna() & imaged["pre"] & imaged["post"]
    early = event.notna() & (months <= MONTHS)
    return {
        "patients with images": (imaged["pre"] | imaged["post"]).sum(),
        "patients with an outcome": known.sum(),
        "patients with an outcome and images before treatment": (known & imaged["pre"]).sum(),
        "patients with an outcome and images after treatment": (known & imaged["post"]).sum(),
        "test patients with images of both time points": share * both.sum(),
        "test patients with progression by 36 months": share * (both & early).sum(),
        "test patients observed for longer": share * (both & (months > MONTHS)).sum(),
    }


def left_out_later(study: Study) -> list[Problem]:
    """Return a note for each part of the lessons that the study has too few patients for."""
    if study.registry.empty:
        return []
    have = counts(study)
    return [
        Problem(
            "later", "", "",
            f"{part} will be left out: needs {least} {what}; "
            f"{'about ' if have[what] % 1 else ''}{have[what]:.0f} have it",
            "The rest goes on without it.", "note",
        )
        for part, least, what in NEEDS
        if round(have[what]) < least
    ]  # fmt: skip


def needs_table() -> str:
    """Return `NEEDS` as Markdown, for the documentation."""
    rows = [f"| {part} | {least} {what} |" for part, least, what in NEEDS]
    return "\n".join(["| part | needs at least |", "|---|---|", *rows])
