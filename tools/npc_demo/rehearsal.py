"""A small synthetic study that is unlike the demonstration in every way a real one is.

``python -m npc_demo rehearsal FOLDER`` builds it. The demonstration is too tidy to rehearse with:
every patient with images is included, every series has seven slices. Here are excluded patients
with images and included ones without, scans after treatment that were never made, one slice and
forty, three matrix sizes of two makers, both editions of TNM and T0, rectangles that nobody drew,
dates as a spreadsheet writes them, and images on another disk. The images come from the same
renderer; nothing computed on them is clinical evidence.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from npc_demo.patient import Patient
from npc_demo.registry import Cohort, make_cohort
from npc_demo.rehearsal_images import Drawn, Scan, draw
from npc_helpers.cohort import screen
from npc_helpers.study import StudyError
from npc_helpers.study.about import ABOUT
from npc_helpers.study.jobs import spread
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import MANIFEST, REGISTRY, SUGGESTED_ROIS, VISITS

SEED = 36
N_INCLUDED = 28
EXCLUDED = {  # first criterion not passed -> how many patients, and how many of them have images
    "no_surgery": (2, 2),
    "not_recurrent": (1, 1),
    "no_metastasis_at_diagnosis": (1, 0),
    "stage_iii_or_iv": (2, 1),
    "regular_review": (2, 1),
}
NO_IMAGES, BEFORE_ONLY, HALF_AFTER = 2, 4, 1  # of the included patients, in this order
ON_THE_DAY = 2  # included patients whose scan after treatment is of the day of progression
FEW_SLICES = (4, 2, 1, 3, 5)  # of the patients with images, over and over
MANY_SLICES = {8: 40, 11: 18}  # of the eighth and eleventh, counted from 0
MATRICES = (384, 512, 320)
MAKERS = ("B", "C")  # tag styles
DISK = "影像"  # a link in the study; the images lie in a folder beside it
RECTANGLES = ("manual", "manual", "manual", "default", "")  # of the patients, over and over
REMARKS = ("", "转外院", "", "电话随访", "")
SHARE_EBV_BLANK = 0.4
LAST_DAY = "2020-01-05"  # the demonstration's records are closed by then


@dataclass(frozen=True)
class Plan:
    """The study before its images are drawn.

    Attributes
    ----------
    scans : list of Scan
        The examinations to draw; their folder is blank.
    """

    registry: pd.DataFrame
    visits: pd.DataFrame
    scans: list[Scan]


def build(folder: Path, *, seed: int = SEED, workers: int | None = None) -> int:
    """Build the rehearsal study; return how many images it has.

    Parameters
    ----------
    folder : Path
        New or empty. The images go to ``<folder>-images`` beside it, which has to be new or empty
        as well, and a link in the study leads to them.
    workers : int, optional
        Processes; by default one per processor core.

    Raises
    ------
    StudyError
        If one of the folders is not empty, or the system allows no link.
    """
    folder = folder.expanduser().resolve()
    disk = folder.with_name(f"{folder.name}-images")
    for place in (folder, disk):
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise StudyError(f"{place} is there already; nothing was written. Name a new folder.")
    planned = plan(seed)
    (folder / "data").mkdir(parents=True)
    disk.mkdir(exist_ok=True)
    try:
        (folder / DISK).symlink_to(disk, target_is_directory=True)
    except OSError as error:  # Windows allows it to administrators and developers only
        raise StudyError(f"{folder / DISK}: no link can be made here ({error}).") from error
    scans = [replace(scan, folder=disk) for scan in planned.scans]
    done = spread(draw, scans, workers=workers, task="draws images")
    bar = progress_bar(done, total=len(scans), desc="drawing", unit="exam")
    drawn = [item for _, series in bar for item in series]
    _write(folder, planned, sorted(drawn, key=lambda series: series.key))
    return sum(len(series.boxes) for series in drawn)


# --- who, and what of each was imaged -------------------------------------------------------------


def plan(seed: int = SEED) -> Plan:
    """Choose the patients and what of each was imaged; nothing is drawn."""
    rng = np.random.default_rng([seed, 2])
    cohort = make_cohort(seed=seed)
    included, excluded, excluded_with_images = _choose(cohort, rng)
    chosen = included + excluded
    numbers = dict(zip(chosen, _numbers(len(chosen), rng), strict=True))
    registry = cohort.registry.set_index("patient_id").loc[chosen]
    _restage(registry, included)
    complete = included[NO_IMAGES + BEFORE_ONLY + HALF_AFTER :]
    on_the_day = registry.loc[complete, "progression_date"].dropna().sort_values().index
    on_the_day = on_the_day[:ON_THE_DAY]
    registry.loc[on_the_day, "mri_post_date"] = registry.loc[on_the_day, "progression_date"]
    registry.loc[rng.random(len(registry)) < SHARE_EBV_BLANK, "ebv_dna_copies_per_ml"] = pd.NA
    people = {patient.patient_id: patient for patient in cohort.patients}
    scans = []
    for number, name in enumerate(included[NO_IMAGES:] + excluded_with_images):
        patient = _patient(registry.loc[name], people.get(name), number, rng)
        patient = replace(patient, patient_id=numbers[name])
        scans += _scans(patient, registry.loc[name], number, after=_after(number))
    registry = registry.reset_index().iloc[rng.permutation(len(registry))]
    visits = cohort.visits[cohort.visits["patient_id"].isin(chosen)]
    return Plan(
        registry.assign(patient_id=registry["patient_id"].map(numbers)),
        visits.assign(patient_id=visits["patient_id"].map(numbers)),
        scans,
    )


def _choose(cohort: Cohort, rng: np.random.Generator) -> tuple[list[str], list[str], list[str]]:
    """Return who is included, who is excluded, and who of the latter has images."""
    registry = cohort.registry.copy()
    for name in registry.columns[registry.isin(["yes", "no"]).all()]:
        registry[name] = registry[name] == "yes"
    reasons = screen(registry, cohort.visits).set_index("patient_id")["excluded_by"]
    scanned = (
        registry.set_index("patient_id")[["mri_pre_date", "mri_post_date"]].notna().all(axis=1)
    )
    included = list(rng.permutation(reasons.index[reasons == ""])[:N_INCLUDED])
    excluded, with_images = [], []
    for reason, (n, n_with_images) in EXCLUDED.items():
        names = list(rng.permutation(reasons.index[(reasons == reason) & scanned])[:n])
        excluded += names
        with_images += names[:n_with_images]
    return included, excluded, with_images


def _numbers(n: int, rng: np.random.Generator) -> list[str]:
    """Return patient numbers of seven digits, many of which begin with zeros."""
    numbers = {f"{rng.integers(10**7) // 10 ** rng.integers(4):07d}" for _ in range(2 * n)}
    return list(rng.permutation(sorted(numbers))[:n])


def _restage(registry: pd.DataFrame, included: list[str]) -> None:
    """Give half of the patients the 8th edition, two of them T0, and the others N3a or N3b."""
    new = registry.index[::2]
    registry.loc[new, "tnm_edition"] = 8
    old_n3 = registry.index[(registry["n_stage"] == "N3") & (registry["tnm_edition"] == 7)]
    registry.loc[old_n3, "n_stage"] = [("N3a", "N3b")[k % 2] for k in range(len(old_n3))]
    nodes = registry.loc[included].query("tnm_edition == 8 and n_stage in ('N2', 'N3')").index
    registry.loc[nodes[-2:], "t_stage"] = "T0"


def _patient(
    row: pd.Series, patient: Patient | None, number: int, rng: np.random.Generator
) -> Patient:
    """Return what the renderer needs; an excluded patient has no hidden truth yet."""
    latents = rng.standard_normal(2)
    patient = patient or Patient(
        patient_id="",
        sex=row["sex"],
        age_years=int(row["age_years"]),
        t_category=1,
        n_category=int(row["n_stage"][1]),
        aggressiveness=float(latents[0]),
        residual=float(latents[1]),
        seed=int(rng.integers(0, 2**31 - 1)),
    )
    return replace(
        patient,
        vendor=MAKERS[number % len(MAKERS)],
        t_category=max(int(row["t_stage"][1]), 1),  # T0: the smallest tumour that can be drawn
        aggressiveness=-2.5 if row["t_stage"] == "T0" else patient.aggressiveness,
    )


def _after(number: int) -> tuple[str, ...]:
    """Which sequences after treatment the patient with images of this number has."""
    if number < BEFORE_ONLY:
        return ()
    return ("t2w",) if number < BEFORE_ONLY + HALF_AFTER else ("t2w", "t1c")


def _scans(patient: Patient, row: pd.Series, number: int, *, after: tuple[str, ...]) -> list[Scan]:
    sequences = {"pre": ("t2w", "t1c"), "post": after}
    return [
        Scan(
            folder=None,
            patient=patient,
            timepoint=timepoint,
            day=row[f"mri_{timepoint}_date"].date(),
            sequences=sequences[timepoint],
            matrix=MATRICES[number % len(MATRICES)],
            n_slices=MANY_SLICES.get(number, FEW_SLICES[number % len(FEW_SLICES)]),
        )
        for timepoint in sequences
        if sequences[timepoint]
    ]


# --- files, as a hospital would write them --------------------------------------------------------


def _write(folder: Path, planned: Plan, drawn: list[Drawn]) -> None:
    registry, visits = planned.registry.copy(), planned.visits.copy()
    for name in registry.select_dtypes("datetime"):
        registry[name] = [_as_in_excel(day) for day in registry[name]]
    visits["visit_date"] = visits["visit_date"].dt.strftime("%Y-%m-%d 00:00:00")
    registry["备注"] = [REMARKS[number % len(REMARKS)] for number in range(len(registry))]
    manifest = [
        (*series.key, f"{DISK}/{series.place}", len(series.boxes), "synthetic", series.checksum)
        for series in drawn
    ]
    tables = {
        REGISTRY: registry,
        VISITS: visits,
        MANIFEST: pd.DataFrame(manifest, columns=[column.name for column in MANIFEST.columns]),
        SUGGESTED_ROIS: _rectangles(drawn),
    }
    for table, content in tables.items():
        text = content.to_csv(index=False, lineterminator="\r\n")
        (folder / table.path).write_text(text, encoding="utf-8-sig", newline="")
    about = f'cut_off_date = {LAST_DAY}\nlinked_folders = ["../{folder.name}-images"]\n'
    (folder / ABOUT).write_text(about, encoding="utf-8")


def _as_in_excel(day: pd.Timestamp) -> str:
    """Write a day as a spreadsheet does in China, Japan or Korea: 2015/3/2."""
    return "" if pd.isna(day) else f"{day.year}/{day.month}/{day.day}"


def _rectangles(drawn: list[Drawn]) -> pd.DataFrame:
    """Return rectangles drawn by a reader for most patients, default or none for the others."""
    rows = []
    patients = list(dict.fromkeys(series.key[0] for series in drawn))
    for series in drawn:
        source = RECTANGLES[patients.index(series.key[0]) % len(RECTANGLES)]
        boxes = series.boxes if source == "manual" else series.default_boxes
        reader = "R1" if source == "manual" else ""
        rows += [(*series.key, n, *box, source, reader) for n, box in enumerate(boxes) if source]
    return pd.DataFrame(rows, columns=[column.name for column in SUGGESTED_ROIS.columns])
