"""Files that claim to be the same image, or the same person: looked at before anything is written.

Once images have new names, nobody can tell any more that two of them were two. So all headers are
read first. Images of one patient that share an identifier and differ are all refused, as none of
them can be believed; images that only look alike twice are copies. People: `people`.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from npc_helpers.imaging.headers import Tags
from npc_helpers.imaging.pixels import stored_pixels
from npc_helpers.study.dicom_file import DicomError, open_dicom, refuse
from npc_intake.deidentify.people import People, said_of_patient

GEOMETRY = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns"),
    *("NumberOfFrames", "RescaleSlope", "RescaleIntercept", "StudyDate", "EchoTime"),
)
EXPORT_AGAIN = "None of them was written. Export the series again"


class Claims(NamedTuple):
    """What the headers of all files say together.

    Attributes
    ----------
    refused : dict of Path to DicomError
        Files that must not be written, with the reason.
    copies : dict of Path to Path
        A file that holds the same image as another -> that other.
    """

    refused: dict[Path, DicomError]
    copies: dict[Path, Path]


class _Claim(NamedTuple):
    path: Path
    patient: str
    image: str
    said: dict[str, str]


def look_for_claims(
    paths: Iterable[Path], people: People, clean: Callable[[Path], Dataset]
) -> Claims:
    """Compare what files claim to be.

    Parameters
    ----------
    paths : iterable of Path
        What is no DICOM or cannot be read is passed over: it is refused when its turn comes.
    people : People
        Learns who the patients are.
    clean : callable
        De-identifies one file. Called only for files that share an identifier.
    """
    by_patient: dict[str, list[_Claim]] = {}
    for path in paths:
        claim = _claim(path)
        if claim:
            by_patient.setdefault(claim.patient, []).append(claim)
    claims = Claims({}, {})
    for patient, files in by_patient.items():
        problem = people.problem(patient, [file.said for file in files])
        if problem:
            errors = {f.path: refuse(f.path, "two-people", problem, "") for f in files}
            claims.refused.update(errors)
            continue
        by_image: dict[str, list[Path]] = {}
        for file in files:
            by_image.setdefault(file.image, []).append(file.path)
        for same in by_image.values():
            if len(same) > 1:
                _compare(same, clean, claims)
    return claims


def _claim(path: Path) -> _Claim | None:
    try:
        tags = Tags(open_dicom(path, pixels=False, bare=True), path)
        patient, image = tags.text("PatientID"), tags.text("SOPInstanceUID")
    except (DicomError, OSError):
        return None
    return _Claim(path, patient, image, said_of_patient(tags)) if patient and image else None


def _compare(same: Sequence[Path], clean: Callable[[Path], Dataset], claims: Claims) -> None:
    """Judge files of one patient that share the identifier of an image."""
    contents: dict[bytes, Path] = {}
    copies = {}
    for path in same:
        try:
            content = _content(clean(path))
        except DicomError:  # it is refused by itself
            continue
        if content in contents:
            copies[path] = contents[content]
        contents.setdefault(content, path)
    if len(contents) < 2:
        claims.copies.update(copies)
        return
    problem = f"{len(same)} files claim to be this image and differ"
    for path in {*contents.values(), *copies}:
        claims.refused[path] = refuse(path, "same-identifier", problem, EXPORT_AGAIN)


def _content(dataset: Dataset) -> bytes:
    written = BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return hashlib.sha256(written.getvalue()).digest()


def is_same_image(path: Path, dataset: Dataset) -> bool:
    """Tell whether a file of an earlier run shows what a dataset shows: pixels, place, date."""
    try:
        if "Rows" not in dataset:  # contours
            return hashlib.sha256(path.read_bytes()).digest() == _content(dataset)
        before, now = Tags(open_dicom(path), path), Tags(dataset, path)
        told = all(_value(before, keyword) == _value(now, keyword) for keyword in GEOMETRY)
        return told and np.array_equal(stored_pixels(before), stored_pixels(now))
    except DicomError:  # damaged: it is written again
        return True


def _value(tags: Tags, keyword: str) -> list[float | str]:
    """Return values that compare as numbers where they are: 90.0 is 90."""
    values: list[float | str] = []
    for text in tags.text(keyword).split("\\"):
        try:
            values.append(float(text))
        except ValueError:
            values.append(text)
    return values
