"""Smaller studies and a second centre, made from the same generator of cohorts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from npc_demo.registry import Cohort, make_cohort

SECOND_CENTRE_PATIENTS = 90
SECOND_CENTRE_SEED_STEP = 7919  # its patients are not those of the first centre


def select(
    cohort: Cohort, patients: int | Sequence[int], *, prefix: str = "SYN", vendor: str | None = None
) -> Cohort:
    """Return some patients of a cohort, for a smaller study.

    Parameters
    ----------
    patients : int or sequence of int
        How many, from the first, or which (positions in ``cohort.patients``).
    prefix : str
        Replaces ``SYN`` in the identifiers.
    vendor : {"A", "B", "C"}, optional
        Scanner of all patients.

    Returns
    -------
    Cohort
        Only these patients are in its tables: nobody is left to be excluded.

    Raises
    ------
    ValueError
        If the cohort has not so many patients with images.
    """
    n = len(cohort.patients)
    if isinstance(patients, int):
        if not 1 <= patients <= n:
            raise ValueError(f"{patients} patients asked for; there are 1 to {n} to choose from")
        patients = range(patients)
    chosen = [cohort.patients[i] for i in patients]
    patient_ids = {patient.patient_id for patient in chosen}
    tables = {}
    for name in ("registry", "visits", "truth"):
        table = getattr(cohort, name)
        table = table[table["patient_id"].isin(patient_ids)].reset_index(drop=True)
        tables[name] = table.assign(patient_id=table["patient_id"].map(_renamer(prefix)))
    if vendor:
        tables["truth"]["vendor"] = vendor
    rename = _renamer(prefix)
    people = tuple(
        replace(patient, patient_id=rename(patient.patient_id), vendor=vendor or patient.vendor)
        for patient in chosen
    )
    return Cohort(**tables, patients=people)


def _renamer(prefix: str):
    return lambda patient_id: patient_id.replace("SYN", prefix, 1)


def second_centre(*, preset: str = "paper_like", seed: int = 2022) -> Cohort:
    """Return the patients of a second centre: other people, less advanced, another scanner.

    The first centre's generator draws new people; those with early T and N categories are taken
    more often, all with the tag style C. Images are made with the protocol ``"3T"``.

    Parameters
    ----------
    preset : str
        Hazard model; the same as the first centre's, so that a model can transfer.
    seed : int
        Seed of the first centre.

    Returns
    -------
    Cohort
        90 patients, identifiers ``EXT-...``.
    """
    cohort = make_cohort(preset=preset, seed=seed + SECOND_CENTRE_SEED_STEP)
    burden = np.array([patient.t_category + patient.n_category for patient in cohort.patients])
    weight = np.exp(-0.8 * (burden - burden.mean()))
    rng = np.random.default_rng([seed, SECOND_CENTRE_SEED_STEP])
    taken = rng.choice(len(burden), SECOND_CENTRE_PATIENTS, replace=False, p=weight / weight.sum())
    return select(cohort, sorted(int(i) for i in taken), prefix="EXT", vendor="C")
