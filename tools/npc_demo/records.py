"""From a patient's course in days to dated rows of the registry and the visits table."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from npc_demo.followup import attended

# Section 2.1 of the paper: treatment from June 2012 to January 2018, information collected from
# 20 November 2019 to 5 January 2020. Days since 1970-01-01.
EPOCH = date(1970, 1, 1)
RECRUITMENT = ((date(2012, 6, 1) - EPOCH).days, (date(2018, 1, 31) - EPOCH).days)
LOCK = ((date(2019, 11, 20) - EPOCH).days, (date(2020, 1, 5) - EPOCH).days)
SHIFT_WEEKS = (-156, -4)  # every patient's dates move together, as in a de-identified export

NEVER = 10**6  # a day that never comes
STILL_COMING_DAYS = 150  # whoever was seen this recently at the lock needs no call
EXAMINATIONS = (
    "nasopharynx_mri;lung_ct;abdomen_ct",
    "nasopharynx_mri;lung_ct;head_ct;abdomen_ct",
    "nasopharynx_mri;lung_ct;head_mri;abdomen_mri",
    "nasopharynx_mri;pet_ct",
)
EXAMINATION_SHARES = (0.62, 0.20, 0.11, 0.07)
MEAN_DAYS_TO_DEATH = {"distant": 600, "local": 1100, "regional": 1100}  # after progression


@dataclass(frozen=True)
class Course:
    """What happens to n patients, in days from the start of treatment.

    Attributes
    ----------
    treatment_end : ndarray of int
        Last day of the first course.
    schedules : list of ndarray
        Reviews each patient would attend if nothing ended them.
    event_days, detected : ndarray of int
        Hidden day of progression or death, and the day it would be known (`NEVER`: no event).
    event_types : ndarray of str
    last_review : ndarray of int
        Last day on which the patient would be reviewed without an event; 0: never reviewed.
    until_lock : ndarray of int
        Day on which the patient's record was closed.
    lock : ndarray of int
        The same as days since 1970-01-01, before the dates are shifted.
    """

    treatment_end: np.ndarray
    schedules: list[np.ndarray]
    event_days: np.ndarray
    detected: np.ndarray
    event_types: np.ndarray
    last_review: np.ndarray
    until_lock: np.ndarray
    lock: np.ndarray


@dataclass(frozen=True)
class Records:
    """Registry rows without identifiers, and visits that name their patient by ``row``."""

    registry: pd.DataFrame
    visits: pd.DataFrame


def draw_treatment_days(treatment: pd.Series, rng: np.random.Generator) -> np.ndarray:
    """Days from the start to the end of treatment.

    Radiotherapy takes six to seven weeks; induction is one to three cycles of three weeks.
    """
    n = len(treatment)
    radiotherapy = rng.integers(42, 50, n)
    cycles = rng.choice([1, 2, 3], size=n, p=[0.08, 0.62, 0.30])
    induction = 21 * cycles + rng.integers(0, 7, n)
    return radiotherapy + np.where(treatment.str.startswith("IC"), induction, 0)


def draw_locks(n: int, rng: np.random.Generator) -> np.ndarray:
    """Day on which each patient's information was collected, since 1970-01-01."""
    return rng.integers(LOCK[0], LOCK[1] + 1, n)


def fit_locks(
    last_review: np.ndarray,
    until_lock: np.ndarray,
    lost: np.ndarray,
    lock: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Close each record after the last review: soon, or at least 200 days later if lost."""
    n = len(last_review)
    soon = last_review + rng.integers(0, STILL_COMING_DAYS, n)
    later = np.maximum(until_lock, last_review + rng.integers(200, 290, n))
    closed = np.where(lost, later, soon)
    return np.clip(closed, lock - RECRUITMENT[1], lock - RECRUITMENT[0])


def write_records(people: pd.DataFrame, course: Course, rng: np.random.Generator) -> Records:
    """Turn courses into registry rows and visits with calendar dates.

    Parameters
    ----------
    people : DataFrame, n rows
        Columns sex, age_years, t, n, m, treatment, ebv_copies; where present also the registry's
        yes/no columns, which default to an eligible patient's.
    rng : Generator

    Returns
    -------
    Records
    """
    shift = 7 * rng.integers(SHIFT_WEEKS[0], SHIFT_WEEKS[1] + 1, len(people))
    start = course.lock - course.until_lock + shift
    outcomes, visits = [], []
    for i in range(len(people)):
        outcome, rows = _follow(i, course, rng)
        outcomes.append(outcome)
        visits += rows
    days = pd.DataFrame(outcomes, index=people.index)
    kinds = days.pop("progression_type")
    days = pd.concat([_days_before_and_after(people, course, days, rng), days], axis=1)
    dates = days.drop(columns="first_review").apply(lambda day: _dates(day + start))
    dates.insert(dates.columns.get_loc("progression_date") + 1, "progression_type", kinds)
    table = pd.DataFrame(visits, columns=["row", "day", "kind", "examinations", "finding"])
    table.insert(1, "visit_date", _dates(table.pop("day") + start[table["row"].to_numpy()]))
    return Records(registry=pd.concat([_clinical(people), dates], axis=1), visits=table)


def _clinical(people: pd.DataFrame) -> pd.DataFrame:
    """The registry's columns that hold no date."""
    flags = {
        "primary_npc": "yes",
        "treated_here": "yes",
        "recurrent_disease": "no",
        "metastasis_before_diagnosis": "no",
        "surgery": "no",
        "imaging_complete": "yes",
    }
    flag = {name: people.get(name, default) for name, default in flags.items()}
    return pd.DataFrame(
        {
            "sex": people["sex"],
            "age_years": people["age_years"].astype("Int64"),
            **{name: flag[name] for name in list(flags)[:4]},
            "t_stage": "T" + people["t"].astype(str),
            "n_stage": "N" + people["n"].astype(str),
            "m_stage": "M" + people["m"].astype(str),
            "tnm_edition": 7,
            "treatment": people["treatment"],
            **{name: flag[name] for name in list(flags)[4:]},
            "ebv_dna_copies_per_ml": people["ebv_copies"].astype("Int64"),
        }
    )


def _follow(i: int, course: Course, rng: np.random.Generator) -> tuple[dict, list[tuple]]:
    """Outcome days and visit rows of one patient."""
    event, kind = int(course.event_days[i]), course.event_types[i]
    schedule, last, lock = course.schedules[i], int(course.last_review[i]), course.until_lock[i]
    progression = death = np.nan
    finding = "none"
    if event > last:
        reviews = attended(schedule, last) if last else schedule[:0]
    elif kind == "death":
        death = event
        reviews = schedule[schedule <= event - 7]
    else:
        progression, finding = min(int(course.detected[i]), last), kind
        reviews = attended(schedule, progression)
        dies = progression + 30 + int(rng.exponential(MEAN_DAYS_TO_DEATH[kind]))
        death = dies if dies < lock else np.nan
    rows = _visit_rows(i, reviews, finding, rng)
    seen = reviews[-1] if len(reviews) else 0
    if lock - seen > STILL_COMING_DAYS or not np.isnan(death):
        rows.append((i, lock, "telephone", "", "none" if np.isnan(death) else "death"))
    outcome = {
        "progression_date": progression,
        "progression_type": kind if finding != "none" else "",
        "death_date": death,
        "last_review_date": seen or np.nan,
        "first_review": reviews[0] if len(reviews) else np.nan,
    }
    return outcome, rows


def _visit_rows(i: int, reviews: np.ndarray, finding: str, rng: np.random.Generator) -> list[tuple]:
    """Rows of the visits table for reviews; only the last one can have found something."""
    done = rng.choice(len(EXAMINATIONS), size=len(reviews), p=EXAMINATION_SHARES)
    rows = [
        (i, day, "review", EXAMINATIONS[k], "none") for day, k in zip(reviews, done, strict=True)
    ]
    if rows and finding != "none":
        rows[-1] = (*rows[-1][:4], finding)
    return rows


def _days_before_and_after(
    people: pd.DataFrame, course: Course, outcome: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Days of diagnosis, treatment and the two MRI examinations.

    The second MRI belongs to the first review, about three months after treatment (the published
    median is 93 days); patients without a review have it in the week after treatment.
    """
    n = len(people)
    mri_pre = -rng.integers(2, 22, n)
    diagnosis = np.minimum(mri_pre - rng.integers(-6, 15, n), -1)
    after_review = outcome["first_review"] - rng.integers(0, 7, n)
    mri_post = after_review.fillna(pd.Series(course.treatment_end, people.index) + 4)
    return pd.DataFrame(
        {
            "diagnosis_date": diagnosis,
            "treatment_start": np.zeros(n, dtype=int),
            "treatment_end": course.treatment_end,
            "mri_pre_date": np.where(people.get("no_mri_pre", False), np.nan, mri_pre),
            "mri_post_date": np.where(people.get("no_mri_post", False), np.nan, mri_post),
        },
        index=people.index,
    )


def _dates(days: pd.Series) -> pd.Series:
    """Days since 1970-01-01 (missing allowed) as dates."""
    dates = np.full(len(days), "NaT", dtype="datetime64[s]")
    has_day = days.notna().to_numpy()
    dates[has_day] = days[has_day].astype(np.int64).to_numpy().astype("datetime64[D]")
    return pd.Series(dates, days.index).astype("datetime64[ns]")
