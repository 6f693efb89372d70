"""Exercises on risk at the next examination: who is at risk, and when; who is known to be free."""

import numpy as np
import pandas as pd

from npc_course.exercises.checking import OtherForm, Wrong, exercise, number, numbers, word
from npc_helpers.study import NotInThisStudy, Study

READ_OFF = 0.1  # of a ratio that nobody can compute in the head
SEEN, AHEAD = 20, 24  # months after the landmark: last seen, and the horizon
STATUS = ("progressed", "free", "unknown")


@exercise(
    "15.1",
    form="True or False for each patient",
    hint="Whoever is lost later was still there. Whoever progressed before was not.",
)
def at_risk(study: Study, answer: object, *, months: pd.Series, start: pd.Series) -> str:
    """Judge who is said to be at risk at a landmark."""
    right = (months > start).to_numpy()
    if len(given := numbers(answer)) != len(right) or not np.isin(given, (0, 1)).all():
        raise OtherForm("no flag for each patient")
    said = given == 1
    if (said == right).all():
        return (
            f"{right.sum()} of {len(right)} patients are at risk there. What happens to them later "
            "does not decide whether they are."
        )
    if not said.any():
        raise Wrong("Nobody would be left.")
    if (said == ~right).all():
        raise Wrong("These are the others.")
    missing, extra = int((right & ~said).sum()), int((said & ~right).sum())
    if missing and not extra:
        raise Wrong(f"{missing} patients who were under observation there are missing.")
    raise Wrong(f"{extra} patients are among them who had progressed or were lost by that day.")


@exercise(
    "15.2",
    form="a ratio, that is a number from 0 on",
    hint="Who is among the others? Think of a patient who progressed after three months.",
)
def useless_pill(
    study: Study, answer: object, *, months: pd.Series, progressed: pd.Series, takes: pd.Series
) -> str:
    """Judge how well a treatment without effect seems to work if its takers had to live to it."""
    if (given := number(answer)) < 0:
        raise OtherForm(repr(answer))
    if not (progressed & ~takes).any():
        raise NotInThisStudy("the trap stays shut: nobody progressed before the first pill")
    taken, others = (progressed[who].sum() / months[who].sum() for who in (takes, ~takes))
    ratio = float(taken / others)
    if given > 1 > ratio + READ_OFF:
        raise Wrong("Above 1 the takers would progress more often than the others.")
    if abs(given - ratio) > READ_OFF:
        raise Wrong(f"The pill seems to do {'more' if given > ratio else 'less'} than that.")
    early = int((progressed & ~takes).sum())
    return (
        f"{ratio:.2f}. {early} patients progressed before their first pill and count among the "
        "others, with few months; no taker could progress before taking it."
    )


@exercise(
    "15.3",
    form='`"progressed"`, `"free"` or `"unknown"`',
    hint=f"What happened to this patient between {SEEN} and {AHEAD} months?",
)
def status_at_horizon(study: Study, answer: object) -> str:
    """Judge the status at the horizon of a patient who was lost before it."""
    if (said := word(answer, STATUS)) == "progressed":
        raise Wrong("Nobody has seen that.")
    if said == "free":
        raise Wrong(f"Free at {SEEN} months. Four more months are asked for.")
    return (
        "The risk sets of the Cox model count this patient in until the patient was lost. The "
        "Brier score at the horizon cannot; patients who were seen for longer weigh more instead."
    )


@exercise(
    "15.4",
    form="the name of an examination, as it stands under the figure",
    hint="Follow the marked lines. Where is the step from one point to the next the longest?",
)
def moved_most(study: Study, answer: object, *, risk: pd.DataFrame, patient: str) -> str:
    """Judge at which examination the risk of a patient moved most."""
    steps = risk.loc[patient].diff().dropna()
    said, right = word(answer, tuple(risk.columns)), steps.abs().idxmax()
    if said == risk.columns[0]:
        raise Wrong("That is where the line begins: there was nothing before it to move from.")
    if said != right and not np.isclose(abs(steps[said]), abs(steps[right]), atol=0.02):
        raise Wrong(f"There it moved by {abs(steps[said]):.2f}, and elsewhere by more.")
    return f"At {said} it {'rose' if steps[said] > 0 else 'fell'} by {abs(steps[said]):.2f}."
