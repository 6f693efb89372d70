"""Exercises on the tables of a study and on its first pictures."""

import pandas as pd

from npc_course.exercises.checking import Wrong, exercise, text, word
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.checks import check_registry
from npc_helpers.study.problems import as_table


@exercise(
    "00.1",
    form="the patient_id of one patient, as text",
    hint="`value_counts()` puts the largest count first, and `.idxmax()` gives the name beside it.",
)
def most_visits(study: Study, answer: object) -> str:
    """Judge who was seen most often."""
    counts = study.visits["patient_id"].value_counts()
    if counts.empty:
        raise NotInThisStudy("this exercise needs visits, and the study has none")
    if (said := text(answer)) not in counts.index:
        raise Wrong(f"No visit belongs to a patient `{said}`.")
    if counts[said] < counts.max():
        raise Wrong(f"`{said}` has {counts[said]} visits, and another patient has more.")
    return (
        f"`{said}` has {counts[said]} rows, the patient in the middle of the list "
        f"{counts.median():g}: who is seen longer has more chances to be found ill."
    )


@exercise(
    "00.3",
    form='`"t2w"` or `"t1c"`',
    hint="Look for the fluid around brain and spinal cord: white in one column, dark in the other.",
)
def bright_fluid(study: Study, answer: object) -> str:
    """Judge in which sequence fluid is bright."""
    if word(answer, ("t2w", "t1c")) == "t1c":
        raise Wrong("In `t1c` bright is what took up the contrast agent, and fluid took up none.")
    return "T2-weighting favours tissue whose signal lives long, and that of fluid lives longest."


def _spoiled(registry: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Exchange the two dates of treatment of one patient; return the registry and who it is."""
    whole = registry[registry["treatment_start"] < registry["treatment_end"]]
    if whole.empty:
        raise NotInThisStudy("this exercise needs a patient with both dates of treatment")
    row = whole.index[len(whole) // 2]
    spoiled = registry.copy()
    dates = ["treatment_start", "treatment_end"]
    spoiled.loc[row, dates] = registry.loc[row, dates[::-1]].to_numpy()
    return spoiled, registry.at[row, "patient_id"]


def check_spoiled_copy(study: Study) -> pd.DataFrame:
    """Return the problems of a copy of the registry in which somebody exchanged two dates.

    The copy lives in memory only; the study stays as it is.

    Returns
    -------
    DataFrame
        As `Study.check` returns it.
    """
    return as_table(check_registry(_spoiled(study.registry)[0], study.about))


@exercise(
    "00.2",
    form="the patient_id of one patient, as text",
    hint="An error stands above every warning; its row names the patient and the column.",
)
def spoiled_patient(study: Study, answer: object) -> str:
    """Judge whose dates of treatment were exchanged."""
    patient = _spoiled(study.registry)[1]
    said, listed = text(answer), list(study.registry["patient_id"])
    if said not in listed:
        same = [name for name in listed if name.casefold() == said.casefold()]
        said = same[0] if same else said
    if said not in listed:
        raise Wrong(f"The registry has no patient `{said}`.")
    if said != patient:
        raise Wrong(f"The dates of `{said}` are in order.")
    return "Start and end of this treatment were exchanged: it would end before it began."
