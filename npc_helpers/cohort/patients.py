"""From the registry to the cohort: eligibility, survival, risk group, patient-level split.

Li et al. 2022, sections 2.1 to 2.4. Staging and the ten criteria have files of their own
(`staging`, `screening`).
"""

import warnings
from collections.abc import Sequence

import pandas as pd

from npc_helpers.cohort.screening import CRITERIA, REVIEW_TOLERANCE_DAYS, Criterion, flow, screen
from npc_helpers.cohort.staging import stage_groups
from npc_helpers.study import NotInThisStudy, Study, StudyError
from npc_helpers.study.follow_up import DAYS_PER_MONTH, first_event, followed_days
from npc_helpers.study.later import FEWEST_DIVIDED, PAPER_PATIENTS, PAPER_TEST_PATIENTS

# --- outcome ----------------------------------------------------------------------------------


def progression_free_survival(registry: pd.DataFrame) -> pd.DataFrame:
    """Return the time from treatment start to progression, death or the last review.

    Section 2.2: progression is recurrence or distant metastasis; death counts whatever its
    cause; a patient with neither is censored at the last review.

    Returns
    -------
    DataFrame
        patient_id; pfs_days; pfs_months (days / 30.4375, rounded to whole months); progressed
        (bool); event_type (local, regional, distant, death or censored). Missing (NaN, blank)
        where the registry has no start or no end.

    Examples
    --------
    >>> dates = {"treatment_start": "2020-01-01", "progression_date": "2021-01-01"}
    >>> dates |= {"death_date": None, "last_review_date": "2022-01-01"}
    >>> registry = pd.DataFrame([dates]).apply(pd.to_datetime)
    >>> registry = registry.assign(patient_id="a", progression_type="distant")
    >>> progression_free_survival(registry)[["pfs_months", "event_type"]].values.tolist()
    [[12.0, 'distant']]
    """
    event, days = first_event(registry), followed_days(registry)
    kind = pd.Series("censored", registry.index, dtype=object).mask(event.notna(), "death")
    kind = kind.mask(registry["progression_date"] == event, registry["progression_type"])
    return pd.DataFrame(
        {
            "patient_id": registry["patient_id"],
            "pfs_days": days,
            "pfs_months": (days / DAYS_PER_MONTH).round(),
            "progressed": event.notna(),
            "event_type": kind.where(days.notna(), ""),
        }
    )


def risk_groups(pfs_months: pd.Series) -> tuple[pd.Series, float]:
    """Split patients at the median survival, the median itself in the high-risk group (2.3).

    Censoring is ignored, as in the paper: a patient who was merely followed for a short time
    is called high-risk. Returns who is in the high-risk group, and the median in months; a missing
    time, or no patient at all, is a `ValueError`.
    """
    pfs_months = pd.Series(pfs_months)
    if pfs_months.empty or pfs_months.isna().any():
        raise ValueError(
            f"{int(pfs_months.isna().sum())} of {len(pfs_months)} survival times are missing: "
            "no median can be taken. Fill in the dates of the registry, or leave them out."
        )
    median = float(pfs_months.median())
    return pfs_months <= median, median


# --- split ------------------------------------------------------------------------------------


def split(
    cohort: pd.DataFrame,
    *,
    n_test: int | None = None,
    seed: int,
    stratify: Sequence[str] = ("high_risk", "stage_8th"),
) -> pd.Series:
    """Divide patients at random into training and test: ``"train"`` or ``"test"`` for each.

    Parameters
    ----------
    cohort : DataFrame
        One row per patient; its order does not matter.
    n_test : int, optional
        Number of test patients; the paper's share (43 of 206) by default.
    stratify : sequence of str
        Columns whose combinations are shared out evenly. From the last on they are given up,
        with a warning, where a combination is too rare.

    Raises
    ------
    ValueError
        If a patient has two rows.
    NotInThisStudy
        If there are too few patients for two sides.
    """
    from sklearn.model_selection import train_test_split  # a second to import, used only here

    if cohort["patient_id"].duplicated().any():
        twice = cohort.loc[cohort["patient_id"].duplicated(), "patient_id"].iloc[0]
        raise ValueError(f"patient {twice} has two rows; split patients, not images.")
    if n_test is None:
        n_test = round(len(cohort) * PAPER_TEST_PATIENTS / PAPER_PATIENTS)
    if not 1 <= n_test < len(cohort):
        raise NotInThisStudy(
            f"a training and a test cohort need more patients: {n_test} of {len(cohort)} in the "
            "test cohort would leave one side empty"
        )
    ordered = cohort.sort_values("patient_id")
    strata = _strata(ordered, stratify, min(n_test, len(cohort) - n_test))
    _, test = train_test_split(
        ordered.index.to_numpy(), test_size=n_test, random_state=seed, stratify=strata
    )
    return pd.Series("train", cohort.index, dtype=object).mask(cohort.index.isin(test), "test")


def _strata(cohort: pd.DataFrame, columns: Sequence[str], smaller_side: int) -> pd.Series:
    """Combine the columns, first to last, for as long as no combination becomes too rare."""
    strata = pd.Series("", cohort.index)
    for number, column in enumerate(columns):
        finer = strata + " " + cohort[column].astype(str)
        sizes = finer.value_counts()
        if sizes.min() < 2 or len(sizes) > smaller_side:
            warnings.warn(
                f"too few patients to share out {' and '.join(columns)} evenly: "
                f"{' and '.join(columns[number:])} is left to chance.",
                stacklevel=3,
            )
            break
        strata = finer
    return strata


def check_split(table: pd.DataFrame) -> None:
    """Make sure that everything of one patient is on one side.

    The table lists patients, series or images with patient_id and split, blank where not used.
    Raises `StudyError` if a patient is on both sides, with the names, or a side is unknown.
    """
    unknown = sorted(set(table["split"].fillna("")) - {"train", "test", ""})
    if unknown:
        raise StudyError(f"split is {unknown[0]!r}; allowed: 'train', 'test' or blank.")
    sides = table["split"].fillna("").groupby(table["patient_id"]).nunique()
    both = list(sides.index[sides > 1])
    if both:
        raise StudyError(
            f"{len(both)} patient(s) are on both sides of the split: {', '.join(both[:5])}. "
            "Split by patient_id, before images are listed."
        )


def divided_patients(cohort: pd.DataFrame) -> pd.DataFrame:
    """Return the patients who are on one of the two sides, after `check_split`.

    Raises
    ------
    NotInThisStudy
        If the cohort was not divided: the patients are too few, or their outcomes are unknown.

    Examples
    --------
    >>> cohort = pd.DataFrame({"patient_id": ["a", "b", "c"], "split": ["train", "", "test"]})
    >>> divided_patients(cohort.assign(included=True)).patient_id.tolist()
    ['a', 'c']
    """
    check_split(cohort)
    divided = cohort[cohort["split"] != ""]
    if divided.empty:
        raise NotInThisStudy(
            f"the {len(cohort)} patients are not divided into training and test cohort: that needs "
            f"outcomes, and at least {FEWEST_DIVIDED} patients"
        )
    return divided


# --- the artefact -----------------------------------------------------------------------------


def build_cohort(
    study: Study,
    *,
    seed: int = 2022,
    criteria: Sequence[Criterion] = CRITERIA,
    review_tolerance_days: float = REVIEW_TOLERANCE_DAYS,
) -> pd.DataFrame:
    """Return the table `cohort.csv`: who is in, why the others are out, outcome and split.

    Parameters
    ----------
    seed : int
        Of the split.
    criteria, review_tolerance_days
        As for `screen`.

    Returns
    -------
    DataFrame
        One row per patient of the registry: patient_id, included, excluded_by, sex, age_years,
        t_stage, n_stage, m_stage, stage_7th, stage_8th, treatment, pfs_months, progressed,
        event_type, high_risk, split. From pfs_months on, blank for those not included and in a
        study without outcomes. `included_patients` takes the included rows.

    Raises
    ------
    NotInThisStudy
        If nobody is left.
    StudyError
        If an included patient of a study with outcomes has none.

    Warns
    -----
    UserWarning
        If the patients are too few to be divided: ``split`` is blank then.
    """
    registry = study.registry
    screening = screen(
        registry, study.visits, criteria=criteria, review_tolerance_days=review_tolerance_days
    )
    included = screening["included"]
    if not included.any():
        counts = flow(screening)[["criterion", "lost"]].to_string(index=False)
        raise NotInThisStudy(f"{study.name}: no patient passes all criteria.\n{counts}")
    cohort = screening[["patient_id", "included", "excluded_by"]].join(
        registry[["sex", "age_years", "t_stage", "n_stage", "m_stage"]]
    )
    cohort["stage_7th"] = stage_groups(registry, edition=7)
    cohort["stage_8th"] = stage_groups(registry, edition=8)
    cohort["treatment"] = registry["treatment"]
    outcome = progression_free_survival(registry)[["pfs_months", "progressed", "event_type"]]
    outcome = outcome.astype({"progressed": "boolean"}).where(included & study.has_outcomes)
    cohort = cohort.join(outcome).fillna({"event_type": ""})
    blank = pd.array([pd.NA] * len(cohort), dtype="boolean")
    cohort = cohort.assign(high_risk=blank, split="")
    return _divided(cohort, seed) if study.has_outcomes else cohort


def _divided(cohort: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Fill in the risk groups of the included patients, and the sides of the split."""
    included = cohort["included"]
    unknown = cohort.loc[included & cohort["pfs_months"].isna(), "patient_id"]
    if len(unknown):
        raise StudyError(
            f"data/registry.csv: {len(unknown)} included patient(s) have no end of follow-up: "
            f"{', '.join(unknown[:5])}. Fill in last_review_date (or progression or death)."
        )
    cohort["high_risk"] = risk_groups(cohort.loc[included, "pfs_months"])[0].astype("boolean")
    try:
        sides = split(cohort[included], seed=seed)
    except NotInThisStudy as reason:
        warnings.warn(f"not divided: {reason}.", stacklevel=3)
        sides = pd.Series(dtype=object)
    cohort["split"] = sides.reindex(cohort.index, fill_value="")
    check_split(cohort)
    return cohort


def included_patients(cohort: pd.DataFrame) -> pd.DataFrame:
    """Return the included rows of `build_cohort`'s table, in plain types, numbered from 0.

    Examples
    --------
    >>> cohort = pd.DataFrame({"included": [False, True], "age_years": [70.0, 52.0]})
    >>> cohort = cohort.assign(pfs_months=40.0, progressed=False, high_risk=False)
    >>> included_patients(cohort).age_years.tolist()
    [52]
    """
    patients = cohort[cohort["included"]].reset_index(drop=True)
    plain = {"age_years": int, "pfs_months": int, "progressed": bool, "high_risk": bool}
    filled = {name: kind for name, kind in plain.items() if patients[name].notna().all()}
    return patients.astype(filled)
