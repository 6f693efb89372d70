"""The registry of the demonstration study: 1,034 synthetic patients, 206 of them included.

The included patients have the paper's Table 1 totals exactly. Everything else (survival, reviews,
the way 828 patients are lost) is invented; only "1,034 screened, 206 included" is published.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from npc_demo import followup, records, screened_out, survival
from npc_demo.patient import Patient
from npc_demo.published import (
    AGE_BANDS,
    AGE_RANGES,
    AGE_SUMS,
    N_CCRT,
    N_INCLUDED,
    N_SCREENED,
    T_BY_N,
)
from npc_demo.survival import PRESETS, HazardModel, stream

SHARE_EBV_MISSING = 0.08
RESPONSE_SHARES = {"complete": 0.33, "indeterminate": 0.50}  # the rest is partial
VENDOR_COUNTS = {"B": 6, "C": 4}


@dataclass(frozen=True)
class Cohort:
    """A synthetic cohort.

    Attributes
    ----------
    registry : DataFrame, 1,034 rows
        One row per screened patient: yes/no columns hold ``"yes"``/``"no"``, dates are
        ``datetime64``, ``age_years`` and ``ebv_dna_copies_per_ml`` are nullable integers, and what
        is not available is missing.
    visits : DataFrame
        One row per review or telephone call.
    truth : DataFrame, 206 rows
        What no real study has: the latents, the linear predictor (``oracle_risk``, the best any
        model can do), the probability of a hidden event within 36 months, the response class, how
        the images are drawn. The two tumour volumes are missing until they are.
    patients : tuple of Patient
        The 206 included patients in the order of ``truth``, for the image generator.
    """

    registry: pd.DataFrame
    visits: pd.DataFrame
    truth: pd.DataFrame
    patients: tuple[Patient, ...]


def make_cohort(*, preset: str = "paper_like", seed: int = 2022) -> Cohort:
    """Draw the registry, the reviews and the hidden truth of the demonstration study.

    Parameters
    ----------
    preset : {"paper_like", "literature"}
        Hazard model (`survival.PRESETS`). ``"paper_like"`` lands near the paper's C-indexes,
        ``"literature"`` has effects of published size.
    seed : int
        Everything follows from it; the same seed gives the same cohort.

    Returns
    -------
    Cohort

    Raises
    ------
    ValueError
        If the preset is unknown or the seed is negative.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; choose one of {', '.join(PRESETS)}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or larger, found {seed}")
    people = _included_people(seed)
    model = PRESETS[preset]
    latents = survival.draw_latents(people, stream(seed, "latents"), inherited=model.inherited)
    people = people.join(latents)
    people["linear_predictor"] = model.linear_predictor(people)
    course = _included_course(people, model, seed)
    included = records.write_records(people, course, stream(seed, "dates"))
    others = screened_out.make_others(N_SCREENED - N_INCLUDED, model, seed)
    registry, visits = _merge(included, others, seed)
    people["patient_id"] = registry["patient_id"].to_numpy()[:N_INCLUDED]
    people = people.sort_values("patient_id", ignore_index=True)
    truth = _truth(people, model, seed)
    return Cohort(
        registry=registry.sort_values("patient_id", ignore_index=True),
        visits=visits,
        truth=truth,
        patients=_patients(people, truth),
    )


def _included_people(seed: int) -> pd.DataFrame:
    """Sex, age, stage, treatment and EBV DNA of the 206, with the paper's totals."""
    rng = stream(seed, "people")
    cells = [
        (t + 1, n) for t, row in enumerate(T_BY_N) for n, k in enumerate(row) for _ in range(k)
    ]
    people = pd.DataFrame(rng.permutation(cells), columns=["t", "n"])
    people["m"] = 0
    sexes = [(sex, age) for sex in "MF" for age in _ages(sex, rng)]
    shuffled = [sexes[i] for i in rng.permutation(len(sexes))]
    people["sex"] = [sex for sex, _ in shuffled]
    people["age_years"] = [age for _, age in shuffled]
    people["treatment"] = _treatments(people, rng)
    return people.join(survival.draw_ebv(people, rng))


def _ages(sex: str, rng: np.random.Generator) -> np.ndarray:
    """Ages with exact range, age bands and sum."""
    lowest, highest = AGE_RANGES[sex]
    young, middle, old = AGE_BANDS[sex]
    ages = np.concatenate(
        [
            np.clip(44 - rng.exponential(7.0, young).astype(int), lowest, 44),
            rng.integers(45, 56, middle),
            np.clip(56 + rng.exponential(5.5, old).astype(int), 56, highest),
        ]
    )
    bands = np.repeat([[lowest, 44], [45, 55], [56, highest]], AGE_BANDS[sex], axis=0)
    ages[0], ages[-1] = lowest, highest
    while (step := int(np.sign(AGE_SUMS[sex] - ages.sum()))) != 0:
        i = rng.integers(1, len(ages) - 1)
        if bands[i, 0] <= ages[i] + step <= bands[i, 1]:
            ages[i] += step
    return ages


def _treatments(people: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Exactly 42 CCRT; induction is somewhat commoner in T4 and N3."""
    advanced = ((people["t"] == 4) | (people["n"] == 3)).to_numpy()
    weight = np.where(advanced, 0.65, 1.0)
    treatment = np.where(rng.random(len(people)) < 0.12, "IC+RT", "IC+CCRT").astype(object)
    ccrt = rng.choice(len(people), N_CCRT, replace=False, p=weight / weight.sum())
    treatment[ccrt] = "CCRT"
    return treatment


def _included_course(people: pd.DataFrame, model: HazardModel, seed: int) -> records.Course:
    """Treatment, hidden event, reviews and censoring of the 206."""
    rng = stream(seed, "treatment")
    treatment_end = records.draw_treatment_days(people["treatment"], rng)
    rng = stream(seed, "schedule")
    schedules = [followup.draw_schedule(end, rng) for end in treatment_end]
    rng = stream(seed, "events")
    stage_iva = (people["t"] == 4) | (people["n"] == 3)  # 8th edition; the others are stage III
    event_days = survival.draw_event_days(
        people,
        people["linear_predictor"].to_numpy(),
        model=model,
        strata=stage_iva.to_numpy(),
        rng=rng,
    )
    first_review = np.array([schedule[0] for schedule in schedules])
    event_types = survival.draw_event_types(event_days, first_review, rng)
    detected = followup.detection_days(event_days, event_types, schedules)
    rng = stream(seed, "censoring")
    lock = records.draw_locks(len(people), rng)
    natural, until_lock, lost = followup.draw_censoring(
        treatment_end, lock - records.RECRUITMENT[0], rng
    )
    last_review = followup.match_follow_up(natural, detected, treatment_end, rng)
    return records.Course(
        treatment_end=treatment_end,
        schedules=schedules,
        event_days=event_days,
        event_types=event_types,
        detected=detected,
        last_review=last_review,
        until_lock=records.fit_locks(last_review, until_lock, lost, lock, rng),
        lock=lock,
    )


def _merge(
    included: records.Records, others: records.Records, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give everyone an identifier in random order; the included come first in the registry."""
    numbers = stream(seed, "identifiers").permutation(N_SCREENED) + 1
    names = np.array([f"SYN-{number:04d}" for number in numbers])
    registry = pd.concat([included.registry, others.registry], ignore_index=True)
    registry.insert(0, "patient_id", names)
    visits = pd.concat(
        [included.visits, others.visits.assign(row=others.visits["row"] + len(included.registry))],
        ignore_index=True,
    )
    visits.insert(0, "patient_id", names[visits.pop("row").to_numpy()])
    lost = stream(seed, "ebv missing").random(N_SCREENED) < SHARE_EBV_MISSING
    registry.loc[lost, "ebv_dna_copies_per_ml"] = pd.NA
    return registry, visits.sort_values(["patient_id", "visit_date"], ignore_index=True)


def _truth(people: pd.DataFrame, model: HazardModel, seed: int) -> pd.DataFrame:
    """The table of hidden truth, one row per included patient."""
    n = len(people)
    predictor = people["linear_predictor"].to_numpy()
    hazard = (36.0 / model.scale(predictor)) ** model.shape * np.exp(predictor)
    vendor = np.full(n, "A", dtype=object)
    rng = stream(seed, "vendor")
    special = [name for name, count in VENDOR_COUNTS.items() for _ in range(count)]
    vendor[rng.choice(n, len(special), replace=False)] = special
    return pd.DataFrame(
        {
            "patient_id": people["patient_id"],
            "aggressiveness": people["aggressiveness"],
            "residual": people["residual"],
            "ebv_high": np.where(people["ebv_high"], "yes", "no"),
            "linear_predictor": predictor,
            "oracle_risk": predictor,
            "oracle_p_event_36_months": 1 - np.exp(-hazard),
            "response": _responses(people["residual"].to_numpy()),
            "tumour_volume_pre_ml": np.nan,
            "tumour_volume_post_ml": np.nan,
            "anatomy_seed": stream(seed, "anatomy").integers(0, 2**31 - 1, n),
            "vendor": vendor,
        }
    )


def _responses(residual: np.ndarray) -> np.ndarray:
    """Response classes on the first MRI after treatment, by rank of residual tumour."""
    share = residual.argsort().argsort() / len(residual)
    complete = RESPONSE_SHARES["complete"]
    partial = complete + RESPONSE_SHARES["indeterminate"]
    return np.select([share < complete, share < partial], ["complete", "indeterminate"], "partial")


def _patients(people: pd.DataFrame, truth: pd.DataFrame) -> tuple[Patient, ...]:
    rows = zip(people.itertuples(), truth.itertuples(), strict=True)
    return tuple(
        Patient(
            patient_id=person.patient_id,
            sex=person.sex,
            age_years=int(person.age_years),
            t_category=int(person.t),
            n_category=int(person.n),
            aggressiveness=float(person.aggressiveness),
            residual=float(person.residual),
            seed=int(drawn.anatomy_seed),
            vendor=drawn.vendor,
        )
        for person, drawn in rows
    )
