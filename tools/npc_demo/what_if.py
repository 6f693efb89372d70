"""What would the same patient's images look like without the tumour, or with more of it?

Only a synthetic study can answer: a patient is drawn again from the same seed, with one thing
changed. Anatomy, coil, noise and rectangles stay what they were.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import pandas as pd

from npc_demo.mri import render
from npc_demo.patient import TRUTH, Patient
from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.jobs import spread
from npc_helpers.study.progress import progress_bar

Drawn = TypeVar("Drawn")
WORTH_A_PROCESS = 8  # examinations drawn while a process starts
SHOWN_BY = {"pre": "aggressiveness", "post": "residual"}  # the hidden variable in the images


def without_tumour(patient: Patient, timepoint: str) -> Patient:
    """Return the patient without a primary tumour, or after treatment with none of it left."""
    return replace(patient, t_category=0) if timepoint == "pre" else replace(patient, residual=-1.6)


def shifted(patient: Patient, timepoint: str, *, by: float) -> Patient:
    """Return the patient with another value of the hidden variable that the images show."""
    name = SHOWN_BY[timepoint]
    return replace(patient, **{name: getattr(patient, name) + by})


def another_head(patient: Patient, timepoint: str) -> Patient:
    """Return the same disease in another head: what varies although nothing prognostic does."""
    return replace(patient, seed=patient.seed + 1)


CHANGES = {
    "as it is": lambda patient, timepoint: patient,
    "no tumour": without_tumour,
    "milder": partial(shifted, by=-1.0),
    "worse": partial(shifted, by=1.0),
    "another head": another_head,
}


def patients_of(study: Study) -> dict[str, Patient]:
    """Return the patients of a demonstration study as its generator knows them.

    Raises
    ------
    NotInThisStudy
        If the study was not drawn by this generator.
    """
    if not study.is_synthetic or not (study.folder / TRUTH).exists():
        raise NotInThisStudy(
            "drawing the same patients without their tumours needs synthetic patients; real ones "
            "cannot be drawn again"
        )
    truth = pd.read_csv(study.folder / TRUTH, dtype={"patient_id": str})
    table = study.registry.merge(truth, on="patient_id")
    return {
        row.patient_id: Patient(
            patient_id=row.patient_id,
            sex=row.sex,
            age_years=int(row.age_years),
            t_category=int(row.t_stage[1]),
            n_category=int(row.n_stage[1]),
            aggressiveness=row.aggressiveness,
            residual=row.residual,
            seed=int(row.anatomy_seed),
            vendor=row.vendor,
        )
        for row in table.itertuples()
    }


def of_each(
    draw: Callable[[Patient], Drawn], patients: Collection[Patient], desc: str
) -> dict[str, Drawn]:
    """Return what is drawn of each patient, by patient_id."""
    done = spread(draw, patients, fewest=WORTH_A_PROCESS, task="draws images")
    bar = progress_bar(done, total=len(patients), desc=desc, unit="head")
    return {patient.patient_id: drawn for patient, drawn in bar}


def kept(study: Study, name: str, facts: list, values: Callable[[], np.ndarray]) -> np.ndarray:
    """Return some values; kept in the results under the facts that they follow from."""
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    path = study.result_path("features") / f"{name}-{digest}.npy"
    if not path.exists():
        made = values()
        with atomic_path(path) as temporary:
            np.save(temporary, made)
    return np.load(path)


def drawn_again(
    stacks: Mapping[tuple[str, str, str], MRSeries],
    patients: Mapping[str, Patient],
    change: str,
    *,
    workers: int | None = None,
) -> dict[tuple[str, str, str], MRSeries]:
    """Draw the series of some patients again, with one thing changed.

    Parameters
    ----------
    stacks : mapping of (patient_id, timepoint, sequence) to MRSeries
    patients : mapping of patient_id to Patient
        See `patients_of`.
    change : str
        Key of `CHANGES`: ``"as it is"``; ``"no tumour"``; ``"milder"`` and ``"worse"``: one
        standard deviation less and more of the hidden variable that the images of this time
        point show; ``"another head"``.
    workers : int, optional
        Processes; by default one per core.

    Returns
    -------
    dict
        As `stacks`; rectangles of `stacks` fit it.
    """
    by_matrix = {key[:2]: series.array.shape[-1] for key, series in stacks.items()}
    jobs = [
        (CHANGES[change](patients[who], when), when, matrix)
        for (who, when), matrix in by_matrix.items()
    ]
    drawn = {
        (job[0].patient_id, job[1]): images
        for job, images in spread(_images, jobs, workers=workers, fewest=WORTH_A_PROCESS)
    }
    return {key: replace(series, array=drawn[key[:2]][key[2]]) for key, series in stacks.items()}


def _images(job: tuple[Patient, str, int]) -> dict[str, np.ndarray]:
    patient, timepoint, matrix = job
    return render(patient, timepoint, matrix=matrix)
