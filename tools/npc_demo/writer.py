"""Write a whole synthetic study: tables, images, masks and manifest.

The build can be interrupted at any moment and run again: what is finished is recognised by its
notes and kept. Nothing that the build did not make itself is overwritten.
"""

import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path

import pandas as pd

from npc_demo.examination import Examination, make, remove
from npc_demo.mid_course import MID, MID_ROIS, MID_SERIES, half_way
from npc_demo.patient import TRUTH
from npc_demo.protocols import DEFAULT, PROTOCOLS
from npc_demo.registry import Cohort
from npc_demo.slices import LEVELS
from npc_helpers.study import StudyError, atomic_path
from npc_helpers.study.jobs import spread
from npc_helpers.study.places import is_repository
from npc_helpers.study.progress import progress_bar, somebody_watches
from npc_helpers.study.schema import (
    MANIFEST,
    REGISTRY,
    SEQUENCES,
    SUGGESTED_ROIS,
    TIMEPOINTS,
    VISITS,
)

IMAGES = "data/images"
DECIMALS = 4  # of the hidden variables; the last of 16 digits differs between processors
CHECKED_PER_WORKER = 200  # examinations that are read while a process starts
BYTES_PER_PIXEL = 0.55  # measured, compressed, with its share of the mask


@dataclass(frozen=True)
class Built:
    """What a build did.

    Attributes
    ----------
    made, kept : int
        Examinations drawn now, and found finished.
    n_series, n_images : int
        In the manifest.
    """

    folder: Path
    made: int
    kept: int
    n_series: int
    n_images: int


def write_study(
    folder: str | Path,
    cohort: Cohort,
    *,
    matrix: int = 512,
    protocol: str = DEFAULT,
    upgraded_on: date | None = None,
    mid_course: bool = False,
    workers: int | None = None,
    progress: bool = True,
    replace: bool = False,
    verify: bool = False,
) -> Built:
    """Build a synthetic study, or finish one that was interrupted.

    Parameters
    ----------
    folder : path-like
        New, empty, or holding an earlier build of the same study.
    matrix : int
        Rows and columns of the images, at least 320.
    protocol : str
        Key of `protocols.PROTOCOLS`.
    upgraded_on : date, optional
        From this day on the scanner measures as ``"1.5T upgraded"``: a confounder to be found.
    mid_course : bool
        Also make an examination half-way through the treatment. Its series stand in
        ``data/mid_course.csv``, its rectangles in ``data/mid_course_rois.csv``; the tables of the
        study stay what they are. A build without it removes what an earlier one had made.
    workers : int, optional
        Processes; by default one per processor core.
    progress : bool
        Show a bar in a terminal or a notebook.
    replace : bool
        Build over another synthetic study.
    verify : bool
        Read every file of what is finished, and make again the examinations in which one is
        damaged; otherwise only files that are missing or of another size are noticed.

    Returns
    -------
    Built

    Raises
    ------
    StudyError
        If the folder holds anything but a build of this study, also if somebody edited one of its
        tables; or if there is no room on the disk.
    ValueError
        If the matrix is smaller than the acquired one, or the protocol unknown.
    """
    folder = Path(folder).expanduser().resolve()
    imaging = _Imaging(matrix, protocol, upgraded_on, mid_course)
    _check_folder(folder, cohort, replace=replace)
    tables = {REGISTRY.path: cohort.registry, VISITS.path: cohort.visits}
    if not replace:
        _refuse_edited(folder, tables)
    jobs = imaging.examinations(folder, cohort)
    comes_with_suite = not replace and is_repository(folder)
    elsewhere = comes_with_suite and _was_drawn_elsewhere(folder / MANIFEST.path, jobs)
    notes = {job.key: job.note() for job in jobs}
    if verify:
        _forget_damaged(jobs, notes, workers, progress=progress)
    missing = [job for job in jobs if notes[job.key] is None]
    _check_room(folder, missing)
    if not (folder / TRUTH).exists() or replace:
        _write(folder / TRUTH, cohort.truth)  # first: marks the folder as a build of ours
    notes |= {job.key: note for job, note in _make_all(missing, workers, progress=progress)}
    tables |= _image_tables(jobs, notes, cohort.truth)
    manifest = tables[MANIFEST.path]
    if elsewhere:
        tables[MANIFEST.path] = _that_stands(folder / MANIFEST.path, manifest)
    if not replace:
        _refuse_edited(folder, tables, unfinished=_text(cohort.truth))
    for path, table in tables.items():
        _write(folder / path, table)  # the manifest last: a study without it is not finished
    _remove_leftovers(folder, jobs, tables)
    return Built(
        folder=folder,
        made=len(missing),
        kept=len(jobs) - len(missing),
        n_series=len(manifest),
        n_images=int(manifest["n_images"].sum()),
    )


# --- before ---------------------------------------------------------------------------------------


def _check_folder(folder: Path, cohort: Cohort, *, replace: bool) -> None:
    """Refuse a folder that holds another study."""
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file. Name a folder for the study.")
    held = [
        name for name in (MANIFEST.path, REGISTRY.path, VISITS.path) if (folder / name).exists()
    ]
    images = folder / IMAGES
    if images.is_dir() and any(images.iterdir()):
        held.append(IMAGES)
    if not (folder / TRUTH).exists():
        if held:
            raise StudyError(
                f"{folder} holds a study of yours ({', '.join(held)}, but no {TRUTH}); nothing was "
                "written. Name a new folder."
            )
        return
    manifest = folder / MANIFEST.path
    if manifest.exists():
        sources = set(pd.read_csv(manifest, dtype=str)["source"].dropna())
        if not sources <= {"synthetic"}:
            raise StudyError(
                f"{manifest} lists images that are not synthetic ({', '.join(sorted(sources))}); "
                "nothing was written. Name a new folder."
            )
    if replace:
        return
    truth = pd.read_csv(folder / TRUTH, dtype={"patient_id": str})
    same = truth["patient_id"].tolist() == cohort.truth["patient_id"].tolist()
    if not same or (truth["anatomy_seed"].to_numpy() != cohort.truth["anatomy_seed"]).any():
        raise StudyError(
            f"{folder} holds another synthetic study ({len(truth)} patients, the first is "
            f"{truth['patient_id'].iloc[0]}); nothing was written. Name a new folder, or say "
            "--replace to build over it."
        )


def _check_room(folder: Path, missing: list[Examination]) -> None:
    """Refuse to start where the disk has no room for the end."""
    images = len(missing) * len(SEQUENCES) * len(LEVELS)
    needed = images * missing[0].matrix ** 2 * BYTES_PER_PIXEL if missing else 0
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise StudyError(
            f"{folder}: {images} images need about {needed / 2**20:.0f} MiB, and there are "
            f"{free / 2**20:.0f} MiB free. Make room or choose another folder."
        )


@dataclass(frozen=True)
class _Imaging:
    """How the patients of a study are examined; see `write_study`."""

    matrix: int
    protocol: str
    upgraded_on: date | None
    mid_course: bool

    def __post_init__(self) -> None:
        if self.matrix < 320:
            raise ValueError(f"matrix is {self.matrix}; at least 320 pixels are acquired")
        if self.protocol not in PROTOCOLS:
            names = ", ".join(PROTOCOLS)
            raise ValueError(f"unknown protocol {self.protocol!r}; choose one of {names}")

    def examinations(self, folder: Path, cohort: Cohort) -> list[Examination]:
        days = cohort.registry.set_index("patient_id")
        days = days.assign(mri_mid_date=half_way(days))
        timepoints = [*TIMEPOINTS, MID] if self.mid_course else TIMEPOINTS
        jobs = []
        for patient, timepoint in product(cohort.patients, timepoints):
            day = days.loc[patient.patient_id, f"mri_{timepoint}_date"].date()
            upgraded = self.upgraded_on is not None and day >= self.upgraded_on
            protocol = "1.5T upgraded" if upgraded else self.protocol
            place = folder / IMAGES / patient.patient_id / timepoint
            jobs.append(Examination(place, patient, timepoint, day, self.matrix, protocol))
        return jobs


# --- the images -----------------------------------------------------------------------------------


def _forget_damaged(
    jobs: list[Examination], notes: dict, workers: int | None, *, progress: bool
) -> None:
    """Take out the notes of finished examinations of which a file is damaged; name them."""
    finished = [job for job in jobs if notes[job.key] is not None]
    done = spread(
        _is_whole, finished, workers=workers, fewest=CHECKED_PER_WORKER, task="reads files"
    )
    for job, whole in progress_bar(
        done, total=len(finished), desc="checking", unit="exam", shown=progress
    ):
        if not whole:
            print(f"{job.folder}: a file is damaged; this examination is made again.")
            notes[job.key] = None


def _is_whole(job: Examination) -> bool:
    note = job.note()
    return note is not None and job.is_whole(note)


def _make_all(
    jobs: list[Examination], workers: int | None, *, progress: bool
) -> Iterator[tuple[Examination, dict]]:
    """Make the examinations, in this process or in several; yield each as it is finished."""
    if not jobs:
        return
    done, n = spread(make, jobs, workers=workers, task="draws images"), len(jobs)
    bar = progress_bar(done, total=n, desc="drawing", unit="exam", shown=progress)
    for number, made in enumerate(bar, start=1):
        yield made
        if progress and not somebody_watches() and number * 10 // n > (number - 1) * 10 // n:
            print(f"{number} of {n} examinations drawn", flush=True)


# --- the tables -----------------------------------------------------------------------------------


def _refuse_edited(folder: Path, tables: dict[str, pd.DataFrame], *, unfinished: str = "") -> None:
    """Refuse to write over a table that holds something else than this build writes there.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By their place in the folder.
    unfinished : str
        What a build that was interrupted may have left of any of them.
    """
    for name, table in tables.items():
        path = folder / name
        if not path.exists() or _content(path) in (_text(table), unfinished):
            continue
        raise StudyError(
            f"{path} is not as this build writes it: somebody edited it, or another version of "
            "the suite wrote it. It was not overwritten. To work with your changes, copy the whole "
            "folder and let NPC_STUDY name the copy. To undo them, build with --replace (in a "
            f"checkout of the suite: git checkout {name})."
        )


def _was_drawn_elsewhere(path: Path, jobs: list[Examination]) -> bool:
    """Return True if the manifest that comes with the suite lists series that never lay here.

    Another kind of processor or version of NumPy draws some pixels a grey level different
    (`npc_helpers.study.artefacts.foreign_checksum`). In any other folder a build wrote the
    manifest: where its images are gone and others are drawn now, it is of another version.
    """
    if not path.exists():
        return False
    listed = set(pd.read_csv(path, dtype=str, keep_default_na=False).get("sha256", ()))
    drawn = []
    for job in jobs:
        with suppress(OSError, ValueError, AttributeError, KeyError, TypeError):
            drawn += [series["sha256"] for series in job.latest_note().get("series", {}).values()]
    return sum(checksum in listed for checksum in drawn) <= len(drawn) / 2


def _that_stands(path: Path, manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the manifest in the folder if it differs from a new one in checksums only."""
    stands = pd.read_csv(path, dtype=str, keep_default_na=False)
    if set(stands) != set(manifest) or len(stands) != len(manifest):
        return manifest
    same = _text(manifest.assign(sha256=stands["sha256"])) == _content(path)
    return stands if same and stands["sha256"].str.fullmatch("[0-9a-f]{64}").all() else manifest


def _content(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")  # line ends count as one kind


def _text(table: pd.DataFrame) -> str:
    """Return a table as it is written: the same on every processor."""
    rounded = table.round(DECIMALS)
    return rounded.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d")


def _write(path: Path, table: pd.DataFrame) -> None:
    """Write a table whole or not at all; leave an identical one alone."""
    text = _text(table)
    if path.exists() and _content(path) == text:
        return
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _remove_leftovers(folder: Path, jobs: list[Examination], tables: Collection[str]) -> None:
    """Remove the examinations and tables of an earlier build that this one does not have."""
    for leftover in set((folder / IMAGES).glob("*/*")) - {job.folder for job in jobs}:
        remove(leftover)
    for name in {MID_SERIES, MID_ROIS} - set(tables):
        (folder / name).unlink(missing_ok=True)


def _manifest(jobs: list[Examination], notes: dict[tuple[str, str], dict]) -> pd.DataFrame:
    rows = []
    for job in jobs:
        for sequence, series in notes[job.key]["series"].items():
            path = "/".join((IMAGES, *job.key, sequence))
            facts = series["n_images"], "synthetic", series["sha256"]
            rows.append([*job.key, sequence, path, *facts])
    return pd.DataFrame(rows, columns=[column.name for column in MANIFEST.columns])


def _boxes(jobs: list[Examination], notes: dict[tuple[str, str], dict]) -> pd.DataFrame:
    rows = [
        [*job.key, sequence, index, *box, "suggested", ""]
        for job in jobs
        for sequence in SEQUENCES
        for index, box in enumerate(notes[job.key]["boxes"])
    ]
    return pd.DataFrame(rows, columns=[column.name for column in SUGGESTED_ROIS.columns])


def _image_tables(
    jobs: list[Examination], notes: dict[tuple[str, str], dict], truth: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Return what is known of the images, by path: the manifest last."""
    half_way = [job for job in jobs if job.timepoint == MID]
    of_study = [job for job in jobs if job.timepoint != MID]
    tables = {}
    if half_way:
        days = {job.patient.patient_id: job.day for job in half_way}
        series = _manifest(half_way, notes)
        tables[MID_SERIES] = series.assign(mri_date=series["patient_id"].map(days))
        tables[MID_ROIS] = _boxes(half_way, notes)
    tables |= {TRUTH: _with_volumes(truth, notes), SUGGESTED_ROIS.path: _boxes(of_study, notes)}
    return tables | {MANIFEST.path: _manifest(of_study, notes)}


def _with_volumes(truth: pd.DataFrame, notes: dict[tuple[str, str], dict]) -> pd.DataFrame:
    volumes = {
        f"tumour_volume_{timepoint}_ml": [
            notes[patient_id, timepoint]["tumour_volume_ml"] for patient_id in truth["patient_id"]
        ]
        for timepoint in TIMEPOINTS
    }
    return truth.assign(**volumes)
