"""The 828 patients of the registry who are screened out, and why.

The paper's Fig. 1 is not available to us in numbers: how many each criterion loses is invented.
"""

import numpy as np
import pandas as pd

from npc_demo import followup, records, survival
from npc_demo.published import T_BY_N
from npc_demo.survival import HazardModel, stream

# Criterion that loses the patient when the ten are applied in the paper's order.
FIRST_REASONS = {
    "not_primary_or_elsewhere": 92,
    "metastasis_before_diagnosis": 26,
    "no_mri": 168,
    "irregular_review": 214,
    "early_stage": 138,
    "recurrent": 40,
    "metastasis_at_diagnosis": 48,
    "died_before_review": 26,
    "surgery": 30,
    "incomplete": 46,
}
SHARE_SECOND_REASON = 0.3
LOG_HAZARD_M1 = 1.2

# T and N of stages I and II (the others have the shares of the included).
EARLY_CELLS = ((1, 0), (1, 1), (2, 0), (2, 1))
EARLY_SHARES = (0.18, 0.24, 0.20, 0.38)


def make_others(n: int, model: HazardModel, seed: int) -> records.Records:
    """Draw the patients who are not included.

    Parameters
    ----------
    n : int
        Number of patients; must be the sum of ``FIRST_REASONS``.

    Returns
    -------
    Records
    """
    rng = stream(seed, "screened out")
    reasons = np.repeat(list(FIRST_REASONS), list(FIRST_REASONS.values()))
    if len(reasons) != n:
        raise ValueError(f"FIRST_REASONS describes {len(reasons)} patients, {n} are wanted")
    marks = _second_reasons(reasons, rng)
    people = _people(marks, rng)
    people = people.join(survival.draw_latents(people, rng, inherited=model.inherited))
    return records.write_records(people, _course(people, marks, reasons, model, rng), rng)


def _second_reasons(reasons: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Bool table patient x reason: the first one, and for some a later one as well."""
    names = list(FIRST_REASONS)
    marks = pd.DataFrame({name: reasons == name for name in names})
    for i in np.flatnonzero(rng.random(len(reasons)) < SHARE_SECOND_REASON):
        later = names[names.index(reasons[i]) + 1 :]
        later = [name for name in later if name != "died_before_review"]
        if later and reasons[i] != "died_before_review":
            marks.loc[i, later[rng.integers(len(later))]] = True
    return marks


def _people(marks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Who they are, with what excludes them written into the registry's columns."""
    n = len(marks)
    share = np.ravel(T_BY_N) / np.sum(T_BY_N)
    advanced = np.column_stack(np.divmod(rng.choice(share.size, n, p=share), 4)) + [1, 0]
    early = np.array(EARLY_CELLS)[rng.choice(len(EARLY_CELLS), n, p=EARLY_SHARES)]
    cells = np.where(marks["early_stage"].to_numpy()[:, None], early, advanced)
    people = pd.DataFrame({"t": cells[:, 0], "n": cells[:, 1]})
    people["m"] = marks["metastasis_at_diagnosis"].astype(int)
    people["sex"] = np.where(rng.random(n) < 0.72, "M", "F")
    people["age_years"] = np.clip(rng.normal(51, 12, n), 12, 86).astype(int)
    people["treatment"] = _treatments(marks["early_stage"].to_numpy(), rng)
    people = people.join(survival.draw_ebv(people, rng))
    return _mark(people, marks, rng)


def _treatments(early: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    names = np.array(["CCRT", "IC+CCRT", "IC+RT", "RT"], dtype=object)
    late = rng.choice(names, len(early), p=[0.22, 0.62, 0.12, 0.04])
    return np.where(early, rng.choice(names, len(early), p=[0.50, 0.12, 0.02, 0.36]), late)


def _mark(people: pd.DataFrame, marks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Write each reason into the columns by which it is recognised."""
    n = len(people)
    draw = rng.random((4, n))
    wrong = marks["not_primary_or_elsewhere"]
    no_mri = marks["no_mri"]
    blank = marks["incomplete"]
    elsewhere = wrong & (draw[0] < 0.62)
    people["treated_here"] = _yes_no(~elsewhere)
    people["primary_npc"] = _yes_no(~wrong | (elsewhere & (draw[1] < 0.9)))
    people["metastasis_before_diagnosis"] = _yes_no(marks["metastasis_before_diagnosis"])
    people["recurrent_disease"] = _yes_no(marks["recurrent"])
    people["surgery"] = _yes_no(marks["surgery"])
    people["no_mri_pre"] = no_mri & (draw[2] < 0.42)
    people["no_mri_post"] = no_mri & ((draw[2] < 0.10) | (draw[2] >= 0.42))
    no_series = no_mri | (blank & (draw[3] < 0.6))
    people["imaging_complete"] = _yes_no(~no_series)
    people.loc[blank & (draw[3] >= 0.6) & (draw[3] < 0.8), "treatment"] = ""
    people["age_years"] = people["age_years"].astype("Int64")
    people.loc[blank & (draw[3] >= 0.8) & (draw[3] < 0.9), "age_years"] = pd.NA
    people.loc[blank & (draw[3] >= 0.9), "sex"] = ""
    return people


def _with_reviews_lost(
    schedule: np.ndarray, treatment_end: int, rng: np.random.Generator
) -> tuple[np.ndarray, int | None]:
    """Return the reviews of somebody without regular review, and the last day if they end early."""
    way = rng.random()
    if way < 0.5:  # stopped coming within two years
        return schedule, int(rng.integers(schedule[0], treatment_end + 640))
    if way < 0.85:  # stayed away for the better part of a year
        away = treatment_end + rng.integers(60, 400)
        gone = (schedule > away) & (schedule < away + rng.integers(230, 330))
        return schedule[~gone], None
    return schedule, 0  # never came back


def _course(
    people: pd.DataFrame,
    marks: pd.DataFrame,
    reasons: np.ndarray,
    model: HazardModel,
    rng: np.random.Generator,
) -> records.Course:
    """Events and reviews; those without regular review lose reviews by one of three ways."""
    n = len(people)
    treatment_end = records.draw_treatment_days(people["treatment"], rng)
    schedules = [followup.draw_schedule(end, rng) for end in treatment_end]
    complete = people.assign(age_years=people["age_years"].fillna(50).astype(float))
    predictor = model.linear_predictor(complete) + LOG_HAZARD_M1 * people["m"].to_numpy()
    event_days = survival.draw_event_days(
        people, predictor, model=model, strata=people["m"].to_numpy(), rng=rng
    )
    first_review = np.array([schedule[0] for schedule in schedules])
    event_types = survival.draw_event_types(event_days, first_review, rng)
    lock = records.draw_locks(n, rng)
    last_review, until_lock, lost = followup.draw_censoring(
        treatment_end, lock - records.RECRUITMENT[0], rng
    )
    last_review = np.minimum(last_review, followup.LATEST_REVIEW)

    early = np.flatnonzero(reasons == "died_before_review")
    event_days[early] = treatment_end[early] + rng.integers(12, 66, len(early))
    event_types[early] = "death"
    irregular = np.flatnonzero(marks["irregular_review"])
    event_days[irregular] = records.NEVER
    for i in irregular:
        schedules[i], last = _with_reviews_lost(schedules[i], int(treatment_end[i]), rng)
        if last is not None:
            last_review[i], lost[i] = last, True
    return records.Course(
        treatment_end=treatment_end,
        schedules=schedules,
        event_days=event_days,
        event_types=event_types,
        detected=followup.detection_days(event_days, event_types, schedules),
        last_review=last_review,
        until_lock=records.fit_locks(last_review, until_lock, lost, lock, rng),
        lock=lock,
    )


def _yes_no(condition: pd.Series) -> np.ndarray:
    return np.where(condition, "yes", "no")
