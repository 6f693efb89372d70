"""Which files belong together: from what the headers say to volumes, one for each row of the list.

Values are compared, not texts: ``90`` and ``90.0`` are one echo time, ``20150105`` and
``2015.01.05`` one day, a blank is no value. Images that share a SeriesInstanceUID and differ (in
Dixon part, echo or matrix) are volumes of their own if each covers the whole stack; if not, each
is a part of one series, and no part is proposed as the whole.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from npc_helpers.imaging.geometry import POSITION_TOLERANCE_MM
from npc_helpers.imaging.tags import Finding
from npc_intake.dicom_headers import Image
from npc_intake.image_types import part_of

NO_IMAGES = {  # beginning of the SOP class -> objects that hold no image, so have no plane
    "1.2.840.10008.5.1.4.1.1.66": "raw data",
    "1.2.840.10008.5.1.4.1.1.88.59": "list of key images",
    "1.2.840.10008.5.1.4.1.1.88.": "report",
    "1.2.840.10008.5.1.4.1.1.11.": "presentation state",
    "1.2.840.10008.5.1.4.1.1.4.2": "spectroscopy",
    "1.2.840.10008.5.1.4.1.1.9.": "waveform",
    "1.2.840.10008.5.1.4.1.1.104.": "enclosed document",
    "1.2.840.10008.5.1.4.1.1.481.3": "structure set",
}
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"  # begins like raw data, and holds images
STANDARD = "1.2.840.10008."
GAP = 1.5  # a step longer than this many usual ones: a slice is missing
SAME_PLANE = 0.1  # largest difference of a component of the normals of one plane
SAME_ECHO_MS = 0.1  # echo times this close are one echo, written with other digits
FIELDS = ("PatientID", "date", "matrix", "EchoTime", "Dixon part")  # what may divide a series


class File(NamedTuple):
    """One file and what it says of its images."""

    path: Path
    images: list[Image]


class Volume(NamedTuple):
    """Images that may form one stack: a row of the list.

    Attributes
    ----------
    files : tuple of Path
        From the lowest to the highest slice, where positions are given.
    images : list of dict
        What each image, or kind of frame, says (`dicom_headers.read_images`).
    planes : list of str
        ImageOrientationPatient of all images that share the series' identifier.
    identifier : str
        Tells this volume from all others of any folder.
    patient, day : str
        The day as ``YYYY-MM-DD``, or blank.
    n_slices : int
    broken : str
        Why it cannot be used as it is; blank if it can.
    doubt : str
        Why a person has to look; blank if nobody has to.
    repeats : int
        How many images lie in each place, if in each as many; else 1.
    """

    files: tuple[Path, ...]
    images: list[Image]
    planes: list[str]
    identifier: str
    patient: str
    day: str
    n_slices: int
    broken: str
    doubt: str
    repeats: int


def without_images(image: Image) -> str:
    """Return what an object is that holds no image; blank for an image."""
    uid = image.get("SOPClassUID", "")
    for start, what in NO_IMAGES.items():
        if uid.startswith(start) and not uid.startswith(SEGMENTATION):
            return what
    if uid and not uid.startswith(STANDARD) and not image.get("ImageType"):
        return "object of a maker's own kind"
    return "" if image.get("Rows") or not uid else "object without an image"


def volumes_of(folder: Path, files: Iterable[File], findings: list[Finding]) -> list[Volume]:
    """Group files into volumes.

    Parameters
    ----------
    folder : Path
        Names in findings are relative to it.
    files : iterable of File
    findings : list of Finding
        Copies of an image, and images that share an identifier and differ, are added to it.

    Returns
    -------
    list of Volume
    """
    series: dict[tuple[str, ...], list[File]] = {}
    for file in files:
        first = file.images[0]
        key = (first.get("SeriesInstanceUID", ""),)
        if not key[0]:  # told apart by what is left
            key = ("", first.get("SeriesDescription", ""), str(file.path.parent))
        if first.get("Modality") != "MR":  # each object for itself
            key = (*key, str(file.path))
        series.setdefault(key, []).append(file)
    return [volume for members in series.values() for volume in _volumes(folder, members, findings)]


# --- one series -----------------------------------------------------------------------------------


def _volumes(folder: Path, members: list[File], findings: list[Finding]) -> list[Volume]:
    """Divide the files that share an identifier into volumes, and judge whether each is whole."""
    orientations = {i.get("ImageOrientationPatient", "") for f in members for i in f.images}
    pieces: dict[tuple[str, ...], list[File]] = {}
    for file, key in zip(members, _fields(members), strict=True):
        pieces.setdefault(key, []).append(file)
    planes = _Planes()
    everywhere = planes.places(members)
    result = []
    for number, (key, files) in enumerate(sorted(pieces.items()), start=1):
        files, conflict = _without_copies(folder, _sorted(files), findings)
        places = planes.places(files)
        images = [image for file in files for image in file.images]
        repeats, crowded = _repeats(places)
        mixed = _mixed(images)
        if repeats > 1 and mixed:
            repeats, crowded = 1, f"{repeats} images lie in each place: {mixed}"
        part = ""
        if len(pieces) > 1 and not _covers(places, everywhere):
            part = (
                f"part {number} of {len(pieces)} of the same series: {len(files)} of "
                f"{len(members)} files; they differ in {_difference(pieces)}. Export the series "
                "again"
            )
        problems = (_identity(files, key[0]), conflict, part, crowded, _gap(places))
        result.append(
            Volume(
                files=tuple(file.path for file in files),
                images=images,
                planes=sorted(orientations),
                identifier=_identifier(files[0], key),
                patient=key[0],
                day=key[1],
                n_slices=sum(map(_count, images)),
                broken=next(filter(None, problems), ""),
                doubt=_doubt(pieces, key),
                repeats=repeats,
            )
        )
    return result


def _mixed(images: list[Image]) -> str:
    """Say what single files hold several of: they cannot be divided here."""
    parts = sorted({part_of(image) for image in images} - {""})
    echoes = {_number(image.get("EchoTime", "")) for image in images}
    if len(parts) > 1:
        return f"its files hold several Dixon parts ({', '.join(parts)}). Export them apart"
    if len(echoes) > 1:
        return f"its files hold {len(echoes)} echoes. Export them apart"
    return ""


def _identity(files: list[File], patient: str) -> str:
    """Say what is wrong with the patient's identifier."""
    blank = sum(not file.images[0].get("PatientID") for file in files)
    if blank:
        return "no PatientID" + (f" on {blank} of {len(files)} images" if patient else "")
    return "PatientID has several values (a backslash parts them)" if "\\" in patient else ""


def _fields(members: list[File]) -> list[tuple[str, ...]]:
    """Return the values of `FIELDS` for each file; a blank takes the only value of the others."""
    echoes = _echoes({i.get("EchoTime", "") for file in members for i in file.images})
    days = _days(members)
    rows = []
    for file in members:
        first = file.images[0]
        size = (first.get("Rows", ""), first.get("Columns", ""))
        values = {
            "PatientID": first.get("PatientID", ""),
            "date": days[_day(first)],
            "matrix": " x ".join(size) if all(size) else "",
            "EchoTime": "+".join(dict.fromkeys(echoes[i.get("EchoTime", "")] for i in file.images)),
            "Dixon part": "+".join(sorted({part_of(image) for image in file.images})),
        }
        rows.append([values[field] for field in FIELDS])
    for column in range(len(FIELDS) - 1):  # an image without a Dixon part is no Dixon image
        given = {row[column] for row in rows} - {""}
        if len(given) == 1:
            (value,) = given
            for row in rows:
                row[column] = value
    return [tuple(row) for row in rows]


def _day(image: Image) -> str:
    """Return the day of the examination; of the series or the image where that is blank."""
    keywords = ("StudyDate", "SeriesDate", "AcquisitionDate")
    return next(filter(None, (iso_date(image.get(keyword, "")) for keyword in keywords)), "")


def _days(members: list[File]) -> dict[str, str]:
    """Return the day that stands for each: of days in a row the first, as midnight passes."""
    standing, last = {"": ""}, None
    for day in sorted({_day(file.images[0]) for file in members} - {""}):
        this = date.fromisoformat(day)
        if last is None or (this - last).days > 1:
            shown = day
        standing[day], last = shown, this
    return standing


def _echoes(texts: Collection[str]) -> dict[str, str]:
    """Return one writing for echo times that are the same number, or nearly."""
    numbers = {text: _number(text) for text in texts}
    written, last = {}, None
    for text in sorted(texts, key=lambda text: (numbers[text] is None, numbers[text] or 0, text)):
        number = numbers[text]
        if number is None:
            written[text] = text
            continue
        if last is None or number - last > SAME_ECHO_MS:
            shown = f"{number:g}"
        written[text], last = shown, number
    return written


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _difference(pieces: Iterable[tuple[str, ...]]) -> str:
    """Say in which fields the pieces of a series differ, with the values."""
    columns = zip(FIELDS, zip(*pieces, strict=True), strict=True)
    return " and ".join(
        f"{name} ({', '.join(value or 'none' for value in sorted(set(values)))})"
        for name, values in columns
        if len(set(values)) > 1
    )


def _doubt(pieces: Mapping[tuple[str, ...], list[File]], key: tuple[str, ...]) -> str:
    """Return why a whole volume needs a person: its series has several echoes, or patients."""
    patients = {other[0] for other in pieces}
    if len(patients) > 1:
        return f"its SeriesInstanceUID stands in images of {len(patients)} patients"
    alike = [
        other
        for other, files in pieces.items()
        if other[:3] == key[:3] and other[4] == key[4] and _tr(files) == _tr(pieces[key])
    ]
    return f"one of {len(alike)} echoes of one series" if len(alike) > 1 else ""


def _tr(files: list[File]) -> float | None:
    return _number(files[0].images[0].get("RepetitionTime", ""))


def iso_date(text: str) -> str:
    """Return a DICOM date (``20180105``, or the old ``2018.01.05``) as ISO, else blank."""
    digits = text.replace(".", "").replace("-", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).isoformat()
    except ValueError:
        return ""


def _identifier(file: File, key: tuple[str, ...]) -> str:
    image = file.images[0]
    uid = image.get("SeriesInstanceUID", "") or str(file.path)
    object_uid = "" if image.get("Modality") == "MR" else image.get("SOPInstanceUID", "")
    return hashlib.sha256("\n".join([uid, object_uid, *key]).encode()).hexdigest()[:12]


# --- copies ---------------------------------------------------------------------------------------


def _without_copies(
    folder: Path, files: list[File], findings: list[Finding]
) -> tuple[list[File], str]:
    """Drop copies of an image; say which images share an identifier and differ."""
    kept: list[File] = []
    by_uid: dict[str, File] = {}
    conflict = ""
    for file in files:
        uid = file.images[0].get("SOPInstanceUID") or str(file.path)
        original = by_uid.setdefault(uid, file)
        name = file.path.relative_to(folder).as_posix()
        if original is not file and content(original.path) == content(file.path):
            message = f"a copy of {original.path.relative_to(folder).as_posix()}; left out"
            findings.append(Finding("info", "copy", name, message))
            continue
        kept.append(file)
        if original is not file:
            conflict = f"{original.path.name} and {file.path.name} share one identifier and differ"
            message = f"{conflict} (SOPInstanceUID {uid}). Export the series again."
            findings.append(Finding("error", "same-uid", name, message))
    return kept, conflict


def content(path: Path) -> bytes:
    """Return a hash of what a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


# --- places ---------------------------------------------------------------------------------------

Places = dict[int, np.ndarray]  # number of the plane -> sorted heights along its normal


class _Planes:
    """Planes of one series, by number: directions that nearly agree are one plane."""

    def __init__(self) -> None:
        self._normals: list[np.ndarray] = []

    def number(self, normal: np.ndarray) -> int:
        for number, other in enumerate(self._normals):
            if np.abs(other - normal).max() < SAME_PLANE:
                return number
        self._normals.append(normal)
        return len(self._normals) - 1

    def places(self, files: Sequence[File]) -> Places:
        """Return where images lie."""
        heights: dict[int, list[float]] = {}
        for file in files:
            for image in file.images:
                normal, along = _heights(image)
                if len(along):
                    heights.setdefault(self.number(normal), []).extend(along)
        return {plane: np.sort(values) for plane, values in heights.items()}


def _heights(image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Return the slice normal and the height along it of every frame that says where it is."""
    cosines = _floats(image.get("ImageOrientationPatient", ""))
    positions = _floats(image.get("ImagePositionPatient", ""))
    if len(cosines) != 6 or len(positions) % 3:
        return np.zeros(3), np.empty(0)
    normal = np.cross(cosines[:3], cosines[3:])
    return normal, np.reshape(positions, (-1, 3)) @ normal


def _floats(text: str) -> np.ndarray:
    try:
        numbers = np.array([float(part) for part in text.split("\\")])
    except ValueError:
        return np.empty(0)
    return numbers if np.isfinite(numbers).all() else np.empty(0)


def _count(image: Image) -> int:
    """Return how many images stand behind one dict: an enhanced object's frames, or one."""
    return max(len(image.get("ImagePositionPatient", "").split("\\")) // 3, 1)


def _starts(heights: np.ndarray) -> np.ndarray:
    """Return where each place begins in sorted heights."""
    return np.flatnonzero(np.diff(heights, prepend=-np.inf) > POSITION_TOLERANCE_MM)


def _covers(places: Places, everywhere: Places) -> bool:
    """Tell whether there is an image in every place of the series."""
    for plane, heights in everywhere.items():
        if plane not in places:
            return False
        ours = places[plane][_starts(places[plane])]
        missing = np.abs(heights[_starts(heights)][:, None] - ours).min(axis=1)
        if missing.max() > POSITION_TOLERANCE_MM:
            return False
    return bool(everywhere)


def _repeats(places: Places) -> tuple[int, str]:
    """Return how many images lie in each place, and what is wrong if that is not one."""
    counts: Counter[int] = Counter()
    for heights in places.values():
        counts.update(np.diff(np.append(_starts(heights), len(heights))).tolist())
    if set(counts) <= {1}:
        return 1, ""
    if len(counts) == 1:
        (repeats,) = counts
        return repeats, f"{repeats} images lie in each place: repeated, or copied under new names"
    several = sum(number for repeats, number in counts.items() if repeats > 1)
    return max(counts), f"in {several} of {counts.total()} places there are several images"


def _gap(places: Places) -> str:
    """Say how many slices are missing inside the stack."""
    for heights in places.values():
        steps = np.diff(heights[_starts(heights)])
        if len(steps) > 1 and steps.max() > GAP * (usual := float(np.median(steps))):
            missing = int(np.round(steps / usual - 1).clip(min=0).sum())
            return f"{missing} slice(s) missing inside the stack. Copy or export the series again"
    return ""


def _sorted(files: list[File]) -> list[File]:
    """Return files from the lowest to the highest slice; as they come where that is unknown."""
    lowest = {}
    for file in files:
        heights = [height for image in file.images for height in _heights(image)[1]]
        if not heights:
            return files
        lowest[file.path] = min(heights)
    return sorted(files, key=lambda file: (lowest[file.path], file.path))
