"""All series of a study as memory-mapped arrays, read from DICOM once.

Each series leaves two files in the study's results folder: ``<series>.npy`` with the pixels and,
written after it, ``<series>.json`` with everything else. Both carry the checksum of the manifest
in their names, so a changed series never meets the arrays of the old one.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from npc_helpers.imaging.dicom import DicomError, read_series
from npc_helpers.imaging.mr_series import Finding, Grid, MRSeries
from npc_helpers.imaging.resample import to_reference
from npc_helpers.study import Study
from npc_helpers.study.artefacts import (
    SHOWN_AT_ONCE,
    NotInThisStudy,
    StudyError,
    atomic_path,
    first_few,
    foreign_checksum,
)
from npc_helpers.study.jobs import spread
from npc_helpers.study.progress import progress_bar

Key = tuple[str, str, str]  # patient_id, timepoint ("pre", "post"), sequence ("t2w", "t1c")

FORMAT = 3  # raised when the reading changes, so that older caches are read again
UNWRITABLE = "unwritable"  # code of a problem: the disk is full, or the folder closed
SERIES_PER_WORKER = 24  # what a process reads in the second it takes to start
ABANDONED_S = 3600  # a half-written file this old belongs to nobody
SAID = [field.name for field in fields(MRSeries) if field.name != "array"]
RESTORED = {  # what JSON does not keep as it was
    "pixel_spacing_mm": tuple,
    "positions_mm": np.array,
    "orientation": np.array,
    "findings": lambda findings: tuple(Finding(**finding) for finding in findings),
    "source_grid": lambda grid: grid and Grid(**grid | {"spacing_mm": tuple(grid["spacing_mm"])}),
}
WHEN = {None: "", "pre": " before treatment", "post": " after treatment"}


@dataclass(frozen=True)
class _Job:
    """One series to read, and the two files it leaves: what a worker process needs to know."""

    key: Key
    folder: Path
    n_images: int
    checksum: str
    cache: Path

    @property
    def name(self) -> str:
        """The series, as its files may be called on every computer."""
        name = "-".join(self.key)
        readable = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
        if readable != name:
            readable += "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
        return readable

    @property
    def array(self) -> Path:
        """Where the pixels are kept."""
        return self.cache / f"{self.name}-{self.checksum[:16]}.npy"

    @property
    def note(self) -> Path:
        """Where everything else is kept; written last, so that without it the array is nothing."""
        return self.array.with_suffix(".json")

    def state(self, files: list[int]) -> dict[str, object]:
        """Return what has to be the same of a series for what was read of it to count."""
        size = self.array.stat().st_size
        state = {"format": FORMAT, "key": list(self.key), "checksum": self.checksum}
        return state | {"files": files, "array_bytes": size}


class Stacks(Mapping[Key, MRSeries]):
    """The series of a study by ``(patient_id, timepoint, sequence)``.

    Nothing is in memory until asked for: ``stacks[key].array`` is a read-only memory map, opened
    anew each time (an open map costs a file handle, and there are four per patient).
    """

    def __init__(self, paths: Mapping[Key, Path], notes: Mapping[Key, dict]) -> None:
        self._paths = dict(paths)
        self._notes = dict(notes)

    def __getitem__(self, key: Key) -> MRSeries:
        array = np.load(self._paths[key], mmap_mode="r", allow_pickle=False)
        said = {name: self._notes[key][name] for name in SAID}
        for name, restored in RESTORED.items():
            said[name] = restored(said[name])
        return MRSeries(array=array, **said)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, key: object) -> bool:
        return key in self._paths

    def __repr__(self) -> str:
        return f"<Stacks: {len(self)} series of {len({key[0] for key in self})} patients>"


def load_stacks(
    study: Study,
    *,
    patients: Iterable[str] | None = None,
    timepoint: str | None = None,
    workers: int | None = None,
) -> Stacks:
    """Open the series of a study, reading from DICOM those not read before.

    Parameters
    ----------
    patients : iterable of str, optional
        Only these patients, usually those of the cohort. Who has no series is passed over
        (`coverage` tells who), as are the series of everybody else.
    timepoint : {"pre", "post"}, optional
        Only this time point.
    workers : int, optional
        Number of processes at most; by default one per processor core. Few series are read in
        this process, since starting another takes longer.

    Returns
    -------
    Stacks
        In the order of the manifest. A matrix other than 512 x 512 is resampled to it by
        millimetres (`resample.to_reference`); ``source_grid`` and a finding of the series say so.

    Raises
    ------
    StudyError
        If a patient is not in the registry, or any series cannot be used; all of the latter are
        named at once, and the good ones are kept for the next call.
    NotInThisStudy
        If none of the patients has a series.

    Notes
    -----
    A series is read again if its checksum in the manifest, or the number, size or date of its
    files has changed since. Files whose checksum differs from the manifest's are refused.
    """
    jobs = _jobs(study, patients, timepoint)
    notes = {job.key: _cached_note(job) for job in jobs}
    missing = [job for job in jobs if notes[job.key] is None]
    done = spread(_read_one, missing, workers=workers, fewest=SERIES_PER_WORKER, task="reads DICOM")
    bar = {"desc": "reading DICOM", "unit": "series", "leave": False, "total": len(missing)}
    outcome = dict(progress_bar(done, shown=bool(missing), **bar))
    problems = [outcome[job] for job in missing if outcome[job]]
    not_kept = [problem for problem in problems if problem.code == UNWRITABLE]
    if len(not_kept) > 1:
        count = f"{len(not_kept)} of {len(missing)} series were read and not kept"
        raise DicomError(f"{count}: {not_kept[0]}", UNWRITABLE)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        shown = "\n  ".join(first_few(problems))
        message = f"{len(problems)} series cannot be used:\n  {shown}"
        raise DicomError(message, problems[0].code)
    for job in missing:
        notes[job.key] = json.loads(job.note.read_text(encoding="utf-8"))
    return Stacks({job.key: job.array for job in jobs}, notes)


def coverage(study: Study, patients: Iterable[str], timepoint: str | None = None) -> str:
    """Tell in words who of some patients (usually the cohort) has images, and whose are left out.

    Examples
    --------
    >>> coverage(study, cohort.patient_id, "post")  # doctest: +SKIP
    '21 of 28 patients have images after treatment (not: 0045781, 0326319, 0818980, 0990127, …);
    left out: 24 series of 5 patients outside the cohort.'
    """
    wanted, manifest = list(dict.fromkeys(patients)), _of(study, timepoint)
    present = set(manifest["patient_id"])
    without = [patient for patient in wanted if patient not in present]
    text = f"{len(wanted) - len(without)} of {len(wanted)} patients have images{WHEN[timepoint]}"
    if without:
        more = ", …" if len(without) > SHOWN_AT_ONCE else ""
        text += f" (not: {', '.join(without[:SHOWN_AT_ONCE])}{more})"
    others = manifest[~manifest["patient_id"].isin(wanted)]
    if len(others):
        n = others["patient_id"].nunique()
        people = "1 patient" if n == 1 else f"{n} patients"
        text += f"; left out: {len(others)} series of {people} outside the cohort"
    return text + "."


def _of(study: Study, timepoint: str | None) -> pd.DataFrame:
    """Return the manifest of one time point, or of both."""
    if timepoint not in WHEN:
        raise StudyError(f"timepoint is {timepoint!r}; use 'pre' or 'post'.")
    manifest = study.manifest
    return manifest if timepoint is None else manifest[manifest["timepoint"] == timepoint]


def _jobs(study: Study, patients: Iterable[str] | None, timepoint: str | None) -> list[_Job]:
    manifest = _of(study, timepoint)
    if patients is not None:
        wanted = [patients] if isinstance(patients, str) else list(patients)
        unknown = sorted(set(wanted) - set(study.registry["patient_id"]))
        if unknown:
            raise StudyError(
                f"data/registry.csv has no patient {', '.join(unknown[:SHOWN_AT_ONCE])}. "
                "Check the spelling."
            )
        manifest = manifest[manifest["patient_id"].isin(wanted)]
        if manifest.empty:
            raise NotInThisStudy(
                f"none of the {len(wanted)} patients has images{WHEN[timepoint]}, by "
                "data_manifest.csv."
            )
    columns = ["patient_id", "timepoint", "sequence", "n_images", "sha256"]
    cache = study.result_path("stacks")
    return [
        _Job(tuple(key), study.series_folder(*key), int(n_images), checksum, cache)
        for *key, n_images, checksum in manifest[columns].itertuples(index=False)
    ]


def _files_state(folder: Path) -> list[int]:
    """Return number, total size and latest date of a folder's files: cheap to compare."""
    with os.scandir(folder) as entries:
        stats = [entry.stat() for entry in entries if not entry.name.startswith(".")]
    sizes = sum(stat.st_size for stat in stats)
    return [len(stats), sizes, max((stat.st_mtime_ns for stat in stats), default=0)]


def _cached_note(job: _Job) -> dict | None:
    """Return what is noted about a series read before, or None if it has to be read."""
    try:
        note = json.loads(job.note.read_text(encoding="utf-8"))
        current = job.state(_files_state(job.folder))
    except (OSError, ValueError):
        return None
    whole = isinstance(note, dict) and all(note.get(name) == now for name, now in current.items())
    return note if whole else None


# --- reading ----------------------------------------------------------------------------------


def _read_one(job: _Job) -> DicomError | None:
    """Read one series and keep it; return what is wrong with it instead of raising.

    Runs in a worker process.
    """
    try:
        files = _files_state(job.folder)
        if actual := foreign_checksum(job.folder, job.checksum):
            raise DicomError(
                f"{job.folder}: the files are not those data_manifest.csv describes (column "
                f"sha256). Restore them; or, if they are right, write {actual} there.",
                "checksum",
            )
        series = to_reference(read_series(job.folder, n_images=job.n_images))
    except (StudyError, OSError) as error:
        code = getattr(error, "code", "") or "unreadable"
        return DicomError(f"patient {job.key[0]}, {job.key[1]} {job.key[2]}: {error}", code)
    try:
        with atomic_path(job.array) as temporary:
            np.save(temporary, series.array, allow_pickle=False)
        note = job.state(files) | asdict(replace(series, array=None))
        with atomic_path(job.note) as temporary:
            temporary.write_text(json.dumps(note, default=np.ndarray.tolist), encoding="utf-8")
    except OSError as error:
        return DicomError(
            f"{job.cache}: what is read from DICOM cannot be kept there ({error}). Allow writing "
            "to this folder, or make room on the disk, and run this again; the others are kept.",
            UNWRITABLE,
        )
    _tidy(job)
    return None


def _tidy(job: _Job) -> None:
    """Remove what earlier versions of the same series and killed processes left behind."""
    of_series = re.compile(rf"(\.part-\w+-)?{re.escape(job.name)}-[0-9a-f]{{16}}\.(npy|json)")
    for path in job.cache.glob(f"*{job.name}-*"):
        match = of_series.fullmatch(path.name)
        if not match or path in (job.array, job.note):
            continue
        with suppress(OSError):  # in use by another process, or gone: no harm
            if not match[1] or time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink()
