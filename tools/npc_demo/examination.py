"""One examination (patient and time point) on disk: two series, the mask, and sometimes decoys.

Each series is written into a hidden folder that gets its name when it is whole. A note, written
last, says what was made and from what; without a matching note an examination is made again.
"""

import errno
import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from npc_demo import dicom_objects
from npc_demo.anatomy import Anatomy, draw_anatomy
from npc_demo.dicom_objects import FAT, LOCALISER, Visit
from npc_demo.habitus import stream
from npc_demo.mri import acquire, enlarge, scan_stream, suggested_boxes
from npc_demo.patient import Patient
from npc_demo.protocols import DEFAULT
from npc_helpers.study import StudyError, atomic_path, series_checksum
from npc_helpers.study.artefacts import DRAWN_NOTE
from npc_helpers.study.schema import SEQUENCES

VERSION = 3  # raised when the images change, so that older ones are made again
DECOY_SHARE = 0.08  # of the examinations have a localiser and a fat image beside the two series


@dataclass(frozen=True)
class Examination:
    """What a worker process needs to know to make one examination.

    Attributes
    ----------
    folder : Path
        ``data/images/<patient_id>/<timepoint>``.
    timepoint : {"pre", "mid", "post"}
    protocol : str
        Key of `protocols.PROTOCOLS`.
    """

    folder: Path
    patient: Patient
    timepoint: str
    day: date
    matrix: int
    protocol: str = DEFAULT

    @property
    def key(self) -> tuple[str, str]:
        """Patient and time point."""
        return self.patient.patient_id, self.timepoint

    @property
    def fingerprint(self) -> str:
        """Hash of everything the images follow from."""
        who = asdict(self.patient)
        made_from = [VERSION, who, self.timepoint, str(self.day), self.matrix, self.protocol]
        return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()

    @property
    def has_decoys(self) -> bool:
        """True if a localiser and a fat image lie beside the two series."""
        return bool(stream(self.patient, "decoys", self.timepoint).random() < DECOY_SHARE)

    def note(self) -> dict | None:
        """Return the note of a finished examination, None if it has to be made (again)."""
        try:
            note = self.latest_note()
            sound = note["fingerprint"] == self.fingerprint and note["files"] == self._files(note)
        except (OSError, ValueError, KeyError):
            return None
        return note if sound else None

    def latest_note(self) -> dict:
        """Return the note of whatever was drawn here, also by another version; {} if nothing was.

        Raises
        ------
        OSError, ValueError
            If it cannot be read.
        """
        path = self.folder / DRAWN_NOTE
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def is_whole(self, note: dict) -> bool:
        """Read every file of a finished examination; False if one is not as it was written.

        Notes of earlier builds hold the checksums of the two series only.
        """
        try:
            sums = {name: series["sha256"] for name, series in note["series"].items()}
            whole = all(series_checksum(self.folder / name) == sums[name] for name in sums)
            others = note.get("sha256", {})
            return whole and others == {name: _sha256(self.folder / name) for name in others}
        except (OSError, StudyError):
            return False

    def _files(self, note: dict) -> dict[str, int]:
        return {name: (self.folder / name).stat().st_size for name in note["files"]}


def series_pixels(
    patient: Patient, timepoint: str, sequence: str, *, matrix: int = 512, protocol: str = DEFAULT
) -> np.ndarray:
    """Make the pixels of one series alone, the same as in the whole build.

    Parameters
    ----------
    timepoint : {"pre", "mid", "post"}
    sequence : {"t2w", "t1c"}

    Returns
    -------
    ndarray of uint16, shape (7, matrix, matrix)
        Stored values, lowest slice first.
    """
    anatomy = draw_anatomy(patient, timepoint)
    rng = scan_stream(patient, timepoint, sequence)
    return acquire(anatomy, sequence, rng, matrix=matrix, protocol=protocol)


def make(examination: Examination) -> dict:
    """Make one examination on disk and return its note.

    Returns
    -------
    dict
        ``series`` (checksum and number of images by sequence), ``boxes`` (one list per slice),
        ``tumour_volume_ml``, ``files`` (sizes by path) and ``fingerprint``.

    Raises
    ------
    StudyError
        If there is no room on the disk, or the folder cannot be written.
    """
    try:
        return _make(examination)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        raise StudyError(
            f"{examination.folder}: {error.strerror}. Make room or choose another folder, and run "
            "the same command again: it goes on where it stopped."
        ) from error


def remove(folder: Path) -> None:
    """Delete an earlier examination, and nothing that was not made here.

    Parameters
    ----------
    folder : Path
        ``data/images/<patient_id>/<timepoint>``. Without a note of ours in it, or behind a link,
        nothing happens; files that the note does not name stay.
    """
    try:
        names = json.loads((folder / DRAWN_NOTE).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return
    if folder.is_symlink() or folder.parent.is_symlink():  # it lies in somebody else's folder
        return
    for name in (*names, DRAWN_NOTE):
        path = folder / name
        if path.resolve().is_relative_to(folder.resolve()):
            path.unlink(missing_ok=True)
    for emptied in (*{(folder / name).parent for name in names} - {folder}, folder, folder.parent):
        with suppress(OSError):  # something else lies in it, or it is gone
            emptied.rmdir()


def _make(examination: Examination) -> dict:
    patient, timepoint, matrix = examination.patient, examination.timepoint, examination.matrix
    remove(examination.folder)  # an earlier version may have had other decoys
    examination.folder.mkdir(parents=True, exist_ok=True)
    protocol = examination.protocol
    anatomy = draw_anatomy(patient, timepoint)
    tumour, nodes = enlarge(anatomy.tumour, matrix), enlarge(anatomy.nodes, matrix)
    visit = _visit(examination, anatomy)
    written, source = [], None
    for sequence in SEQUENCES:
        rng = scan_stream(patient, timepoint, sequence)
        pixels = acquire(anatomy, sequence, rng, matrix=matrix, protocol=protocol)
        datasets = dicom_objects.mr_datasets(visit, sequence, pixels)
        source = source or datasets
        written += _write_series(examination, sequence, datasets)
        if sequence == "t2w" and examination.has_decoys:
            rng = scan_stream(patient, timepoint, sequence)
            fat = acquire(anatomy, sequence, rng, matrix=matrix, image="fat", protocol=protocol)
            decoys = {
                FAT: dicom_objects.mr_datasets(visit, FAT, fat),
                LOCALISER: dicom_objects.localiser_datasets(visit, pixels),
            }
            for name, datasets in decoys.items():
                written += _write_series(examination, name, datasets)
    with atomic_path(examination.folder / "mask.dcm") as temporary:
        dicom_objects.save(dicom_objects.segmentation(visit, source, tumour, nodes), temporary)
    return _write_note(examination, anatomy, tumour | nodes, [*written, "mask.dcm"])


def _visit(examination: Examination, anatomy: Anatomy) -> Visit:
    rng = stream(examination.patient, "table", examination.timepoint)
    return Visit(
        patient=examination.patient,
        timepoint=examination.timepoint,
        day=examination.day,
        matrix=examination.matrix,
        spacing_mm=anatomy.field_of_view_mm / examination.matrix,
        slice_spacing_mm=anatomy.slice_spacing_mm,
        tilt=float(np.deg2rad(np.clip(rng.normal(0, 4), -12, 12))),
        table_mm=float(rng.normal(0, 15)),
        protocol=examination.protocol,
    )


def _write_series(examination: Examination, name: str, datasets: list) -> list[str]:
    """Write one series folder, whole or not at all; file names do not follow the slices."""
    order = stream(examination.patient, "files", examination.timepoint, name)
    numbers = order.permutation(len(datasets)) + 1
    folder = examination.folder / name
    names = [f"IM{number:04d}.dcm" for number in numbers]
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for dataset, file in zip(datasets, names, strict=True):
            dicom_objects.save(dataset, temporary / file)
        if folder.is_dir():
            shutil.rmtree(folder)
    return [f"{name}/{file}" for file in sorted(names)]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_note(
    examination: Examination, anatomy: Anatomy, masks: np.ndarray, files: list[str]
) -> dict:
    rng = stream(examination.patient, "box", examination.timepoint)
    boxes = suggested_boxes(anatomy, masks, rng, examination.matrix)
    folder = examination.folder
    note = {
        "fingerprint": examination.fingerprint,
        "series": {
            name: {"sha256": series_checksum(folder / name), "n_images": len(anatomy.top)}
            for name in SEQUENCES
        },
        "boxes": boxes.tolist(),
        "tumour_volume_ml": round(anatomy.tumour_volume_ml, 3),
        "files": {name: (folder / name).stat().st_size for name in files},
        "sha256": {
            name: _sha256(folder / name) for name in files if name.split("/")[0] not in SEQUENCES
        },
    }
    with atomic_path(folder / DRAWN_NOTE) as temporary:
        temporary.write_text(json.dumps(note), encoding="utf-8")
    return note
