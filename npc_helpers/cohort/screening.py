"""Who enters the cohort: regular review and the ten criteria of Li et al. 2022, section 2.1.

Tables come in as `study.Study` returns them (yes/no as bool, dates as datetime64); every rule
is a function of whole columns.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from npc_helpers.cohort.staging import ADVANCED_STAGES, stage_groups
from npc_helpers.study.follow_up import DAYS_PER_MONTH, first_event, without_end

DAYS_PER_YEAR = 365.25
REVIEW_TOLERANCE_DAYS = 45  # not in the paper: clinics and patients are not clockwork


def progressed_by_scan(registry: pd.DataFrame) -> pd.Series:
    """Tell who had progressed or died by the day of the MRI after treatment (False without one).

    That image may show the event itself: whoever reads it recognises an outcome and foresees
    nothing. `NO_EVENT_BY_SCAN` leaves these patients out.

    Examples
    --------
    >>> dates = ["progression_date", "death_date", "mri_post_date"]
    >>> rows = [["2020-03-01", None, "2020-04-01"], [None, "2021-01-01", "2020-04-01"]]
    >>> progressed_by_scan(pd.DataFrame(rows, columns=dates).apply(pd.to_datetime)).tolist()
    [True, False]
    """
    return first_event(registry) <= registry["mri_post_date"]


def regular_review(
    visits: pd.DataFrame,
    registry: pd.DataFrame,
    *,
    tolerance_days: float = REVIEW_TOLERANCE_DAYS,
) -> pd.Series:
    """Tell which patients were reviewed as often as section 2.2 asks.

    Counted from the end of treatment: a review at least every 3 months for two years, every 6
    months up to five years, every 12 months later; up to progression, death or the last review,
    whichever came first; and two years of it unless progression or death came earlier. Calls
    by telephone are no reviews.

    Parameters
    ----------
    visits : DataFrame
        patient_id, visit_date, kind.
    registry : DataFrame
        patient_id, treatment_end, progression_date, death_date, last_review_date. A blank last
        review is taken from `visits`.
    tolerance_days : float
        By how much an interval may be longer, and by how much the review that closes the second
        or fifth year may be early.

    Returns
    -------
    Series of bool
        In the order of `registry`; False where treatment end or every review is missing.

    Examples
    --------
    >>> day = pd.to_datetime("2018-01-01") + pd.to_timedelta(range(0, 840, 90), unit="D")
    >>> visits = pd.DataFrame({"patient_id": "a", "visit_date": day, "kind": "review"})
    >>> registry = pd.DataFrame({"patient_id": ["a"], "treatment_end": day[:1]})
    >>> registry = registry.assign(progression_date=pd.NaT, death_date=pd.NaT)
    >>> regular_review(visits, registry.assign(last_review_date=day[-1])).tolist()
    [True]
    """
    patients = pd.Index(registry["patient_id"])
    begin = registry["treatment_end"].to_numpy()
    reviews = visits[(visits["kind"] == "review") & visits["patient_id"].isin(patients)]
    latest = patients.map(reviews.groupby("patient_id")["visit_date"].max()).to_numpy()
    last_review = registry["last_review_date"].to_numpy()
    event = first_event(registry).to_numpy()
    end = np.fmin(event, np.where(np.isnat(last_review), latest, last_review))

    def days(dates: np.ndarray, patient: np.ndarray) -> np.ndarray:
        return (dates - begin[patient]) / np.timedelta64(1, "D")

    everyone = np.arange(len(patients))
    seen = patients.get_indexer(reviews["patient_id"])
    patient = np.concatenate([everyone, seen, everyone])
    day = days(np.concatenate([begin, reviews["visit_date"].to_numpy(), end]), patient)
    follow_up = days(end, everyone)
    counts = (day >= 0) & (day <= follow_up[patient])
    patient, day = patient[counts], day[counts]
    order = np.lexsort((day, patient))
    patient, day = patient[order], day[order]

    allowed = _review_interval(day[:-1] + tolerance_days) + tolerance_days
    too_long = (np.diff(day) > allowed) & (patient[1:] == patient[:-1])
    gap = np.isin(everyone, patient[1:][too_long])
    two_years = 2 * DAYS_PER_YEAR
    long_enough = (follow_up >= two_years - tolerance_days) | (days(event, everyone) < two_years)
    return pd.Series(~gap & long_enough & (follow_up >= 0), registry.index)


def _review_interval(day: np.ndarray) -> np.ndarray:
    """Return in how many days the next review is due, by days since the end of treatment."""
    years = day / DAYS_PER_YEAR
    return np.where(years < 2, 3, np.where(years < 5, 6, 12)) * DAYS_PER_MONTH


# --- the ten criteria -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Criterion:
    """One criterion; `CRITERIA` are the ten of section 2.1.

    Attributes
    ----------
    name : str
        Its column in the table of `screen`.
    kind : {"inclusion", "exclusion"}
    number : int
        Within its kind; 1 to 5 as in the paper.
    text : str
        What a patient who passes has or has not, in a few words.
    rule : callable
        ``rule(registry, visits, *, tolerance_days)`` -> Series of bool, True = passes.
    needs_visits : bool
        Cannot be judged without a table of visits.
    """

    name: str
    kind: str
    number: int
    text: str
    rule: Callable[..., pd.Series]
    needs_visits: bool = False


def _stage_iii_or_iv(registry: pd.DataFrame, visits: pd.DataFrame, **_) -> pd.Series:
    advanced = pd.Series(False, registry.index)
    for edition, stages in ADVANCED_STAGES.items():
        stage = stage_groups(registry, edition=edition, ignore_m=True)
        advanced |= (registry["tnm_edition"] == edition) & stage.isin(stages)
    return advanced & (registry["m_stage"] != "")


CRITERIA = (
    Criterion(
        "primary_npc_treated_here", "inclusion", 1,
        "primary NPC, proven by pathology and treated in the hospital",
        lambda registry, visits, **_: registry["primary_npc"] & registry["treated_here"],
    ),
    Criterion(
        "no_metastasis_before_diagnosis", "inclusion", 2,
        "no distant metastasis before the diagnosis",
        lambda registry, visits, **_: ~registry["metastasis_before_diagnosis"],
    ),
    Criterion(
        "mri_before_and_after", "inclusion", 3,
        "MRI both before treatment and after its first course",
        lambda registry, visits, **_: (registry["mri_pre_date"] <= registry["treatment_start"])
        & (registry["mri_post_date"] >= registry["treatment_end"]),
    ),
    Criterion(
        "regular_review", "inclusion", 4, "reviewed at the intervals of section 2.2",
        lambda registry, visits, **tolerance: regular_review(visits, registry, **tolerance),
        needs_visits=True,
    ),
    Criterion("stage_iii_or_iv", "inclusion", 5, "stage III or IV by T and N", _stage_iii_or_iv),
    Criterion(
        "not_recurrent", "exclusion", 1, "not a recurrence after treatment",
        lambda registry, visits, **_: ~registry["recurrent_disease"],
    ),
    Criterion(
        "no_metastasis_at_diagnosis", "exclusion", 2, "no metastasis at diagnosis",
        lambda registry, visits, **_: registry["m_stage"] != "M1",
    ),
    Criterion(
        "reviewed_at_all", "exclusion", 3, "came to at least one review",
        lambda registry, visits, **_: registry["patient_id"].isin(
            visits.loc[visits["kind"] == "review", "patient_id"]
        ),
        needs_visits=True,
    ),
    Criterion(
        "no_surgery", "exclusion", 4, "no surgery in the treatment",
        lambda registry, visits, **_: ~registry["surgery"],
    ),
    Criterion(
        "information_complete", "exclusion", 5,
        "age, sex, treatment and all four MR series are available",
        lambda registry, visits, **_: registry["age_years"].notna()
        & (registry["sex"] != "") & (registry["treatment"] != "") & registry["imaging_complete"],
    ),
)  # fmt: skip
NO_EVENT_BY_SCAN = Criterion(
    "no_event_by_scan", "exclusion", 6, "no progression by the day of the MRI after treatment",
    lambda registry, visits, **_: ~progressed_by_scan(registry),
)  # fmt: skip
"""Not among the paper's ten: append it to `CRITERIA` to leave out patients whose image after
treatment may show the outcome itself."""


def screen(
    registry: pd.DataFrame,
    visits: pd.DataFrame,
    *,
    criteria: Sequence[Criterion] = CRITERIA,
    review_tolerance_days: float = REVIEW_TOLERANCE_DAYS,
) -> pd.DataFrame:
    """Judge every patient by every criterion; `criteria` may be fewer, to see what one does.

    Where `visits` has no row, the criteria that need them let everybody pass, with a warning; but
    not who alone has neither progression nor death nor last review.

    Returns
    -------
    DataFrame
        patient_id; one bool column per criterion (True = passes); included; excluded_by (name of
        the first criterion not passed, blank if included). Row order of `registry`.
    """
    passes = {}
    for criterion in criteria:
        if criterion.needs_visits and visits.empty:
            warnings.warn(
                f"{criterion.name} ({criterion.kind} {criterion.number}) cannot be judged: the "
                "study has no visits (data/visits.csv). Everybody passes it whose follow-up has an "
                "end.",
                stacklevel=2,
            )
            passes[criterion.name] = ~without_end(registry).to_numpy()
        else:
            passed = criterion.rule(registry, visits, tolerance_days=review_tolerance_days)
            passes[criterion.name] = passed.to_numpy(dtype=bool)
    table = pd.DataFrame(passes, index=registry.index)
    included = table.all(axis=1)
    first_failed = (~table).idxmax(axis=1) if len(criteria) else pd.Series("", registry.index)
    table.insert(0, "patient_id", registry["patient_id"])
    return table.assign(included=included, excluded_by=first_failed.mask(included, ""))


def flow(screening: pd.DataFrame) -> pd.DataFrame:
    """Count, criterion by criterion, who is lost in a table of `screen`: the numbers of Fig. 1.

    Returns
    -------
    DataFrame
        step (from 1), criterion, remaining_before, lost, remaining, meaning (the criterion in
        words). A patient is lost at the first criterion not passed; each row begins where the
        one above ends.
    """
    names = [name for name in screening if name not in ("patient_id", "included", "excluded_by")]
    lost = screening["excluded_by"].value_counts().reindex(names, fill_value=0).to_numpy()
    remaining = len(screening) - lost.cumsum()
    criteria = (*CRITERIA, NO_EVENT_BY_SCAN)
    meaning = {c.name: f"{c.kind.capitalize()} {c.number}: {c.text}" for c in criteria}
    return pd.DataFrame(
        {
            "step": np.arange(1, len(names) + 1),
            "criterion": names,
            "remaining_before": remaining + lost,
            "lost": lost,
            "remaining": remaining,
            "meaning": [meaning.get(name, name) for name in names],
        }
    )
