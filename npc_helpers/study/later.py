"""How many patients each part of the lessons needs, and what a study has: the one place for both.

The refusals of the parts themselves use these numbers (`FEWEST_DIVIDED`, `FEWEST_BY_HORIZON`), or
follow from them: a test compares both.
"""

import pandas as pd

from npc_helpers.study.follow_up import DAYS_PER_MONTH, first_event, followed_days
from npc_helpers.study.problems import Problem
from npc_helpers.study.schema import TIMEPOINTS
from npc_helpers.study.study import Study

PAPER_PATIENTS, PAPER_TEST_PATIENTS = 206, 43  # section 2.4
TEST_SHARE = PAPER_TEST_PATIENTS / PAPER_PATIENTS
FEWEST_DIVIDED = 3  # of whom that share leaves one for the test cohort
FEWEST_COMPARED = 4  # two of each risk group: a variance needs two
FEWEST_BY_HORIZON = 5  # on either side of it; fewer can answer nothing about a label
MONTHS = 36
BY_HORIZON = f"test patients with progression by {MONTHS} months"
NEEDS = (
    # part, at least, of what
    ("drawing rectangles", 1, "patients with images"),
    ("follow-up and risk groups", 1, "patients with an outcome"),
    ("a training and a test cohort", FEWEST_DIVIDED, "patients with an outcome"),
    ("the Pre-model", FEWEST_DIVIDED, "patients with an outcome and images before treatment"),
    ("the Post-model", FEWEST_DIVIDED, "patients with an outcome and images after treatment"),
    ("comparing with staging", FEWEST_COMPARED, "test patients with images of both time points"),
    ("labels and probabilities", FEWEST_BY_HORIZON, BY_HORIZON),
    ("labels and probabilities", FEWEST_BY_HORIZON, "test patients observed for longer"),
)
"""What each part needs at least."""
FEW_TEST_PATIENTS = 20  # fewer show no difference between models


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
        cohort = cohort.reindex(patients["patient_id"])
        included, share = cohort["included"].to_numpy(), 1
        patients, test = patients[included], (cohort["split"] == "test").to_numpy()[included]
    event, months = first_event(patients), followed_days(patients) / DAYS_PER_MONTH
    imaged = {
        when: patients["patient_id"].isin(manifest.loc[manifest["timepoint"] == when, "patient_id"])
        for when in TIMEPOINTS
    }
    ended = event.notna() | patients["last_review_date"].notna()
    both = test & ended & imaged["pre"] & imaged["post"]
    early = event.notna() & (months <= MONTHS)
    return {
        "patients with images": (imaged["pre"] | imaged["post"]).sum(),
        "patients with an outcome": ended.sum(),
        "patients with an outcome and images before treatment": (ended & imaged["pre"]).sum(),
        "patients with an outcome and images after treatment": (ended & imaged["post"]).sum(),
        "test patients with images of both time points": share * both.sum(),
        BY_HORIZON: share * (both & early).sum(),
        "test patients observed for longer": share * (both & (months > MONTHS)).sum(),
    }


def support(study: Study) -> pd.DataFrame:
    """Tell which parts of the lessons a study supports, one row per need.

    Columns: part, needs (at least), of, has, supported.
    """
    table = pd.DataFrame(NEEDS, columns=["part", "needs", "of"])
    table["has"] = table["of"].map(counts(study)).round().astype(int)
    return table.assign(supported=table["has"] >= table["needs"])


def left_out_later(study: Study) -> list[Problem]:
    """Return a note for each part of the lessons that the study has too few patients for."""
    if study.registry.empty:
        return []
    table = support(study)
    return [
        Problem(
            "later", "", "",
            f"{row.part} will be left out: needs {row.needs} {row.of}; {row.has} have it",
            "The rest goes on without it.", "note",
        )
        for row in table[~table["supported"]].itertuples()
    ]  # fmt: skip
