"""Which files belong together: from what the headers say to volumes, one for each row of the list.

Values are compared, not texts: ``90`` and ``90.0`` are one echo time, ``20150105`` and
``2015.01.05`` one day, a blank is no value. Images that share a SeriesInstanceUID and differ (in
Dixon part, echo or matrix) are volumes of their own if each covers the whole stack; if not, each
is a part of one series, and no part is proposed as the whole.
"""

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from npc_helpers.imaging.mr_series import Finding
from npc_helpers.study.checks import FIRST_SCANNERS
from npc_intake.find.headers import Image
from npc_intake.find.image_types import part_of
from npc_intake.find.places import (
    Heights,
    Places,
    Planes,
    covers,
    gap,
    heights_of,
    n_frames,
    repeats,
    sideways,
    turned,
)

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
DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "AcquisitionDateTime")
SAME_ECHO_MS = 0.1  # echo times this close are one echo, written with other digits
FIELDS = ("PatientID", "date", "matrix", "pixel size", "EchoTime", "Dixon part")  # may divide it
ECHO = FIELDS.index("EchoTime")


class File(NamedTuple):
    """One file, what it says of its images, and where they lie."""

    path: Path
    images: list[Image]
    heights: list[Heights | None]

    @property
    def series(self) -> str:
        """SeriesInstanceUID, or blank."""
        return self.images[0].get("SeriesInstanceUID", "")

    @property
    def uid(self) -> str:
        """SOPInstanceUID; its path where that is blank."""
        return self.images[0].get("SOPInstanceUID") or str(self.path)

    @property
    def claim(self) -> tuple[str, str]:
        """Whose image it is, and which."""
        return self.images[0].get("PatientID", ""), self.uid

    @property
    def lowest(self) -> float:
        """Height of its lowest image; NaN where that is not given."""
        given = [height for item in self.heights if item for height in item.heights]
        return min(given, default=math.nan)


Claims = dict[tuple[str, str], dict[str, Path]]
"""`File.claim` -> a file of each series that holds such an image."""


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
    for start, name in NO_IMAGES.items():
        if uid.startswith(start) and not uid.startswith(SEGMENTATION):
            return name
    if uid and not uid.startswith(STANDARD) and not image.get("ImageType"):
        return "object of a maker's own kind"
    return "" if image.get("Rows") or not uid else "object without an image"


def volumes_of(
    folder: Path, files: Iterable[tuple[Path, list[Image]]], findings: list[Finding]
) -> list[Volume]:
    """Group files into volumes.

    Parameters
    ----------
    folder : Path
        Names in findings are relative to it.
    files : iterable of (Path, list of dict)
        Each with what it says of its images (`dicom_headers.read_images`).
    findings : list of Finding
        Copies of an image, and images that share an identifier and differ, are added to it.

    Returns
    -------
    list of Volume
    """
    series: dict[tuple[str, ...], list[File]] = {}
    others: dict[str, set[str]] = {}  # identifier of a series -> modalities that are not MR
    claimed: Claims = {}
    for path, images in files:
        file = File(path, images, [heights_of(image) for image in images])
        first = images[0]
        key = (file.series,)
        if not key[0]:  # told apart by what is left
            key = ("", first.get("SeriesDescription", ""), str(path.parent))
        if first.get("Modality") != "MR":  # each object for itself
            others.setdefault(key[0], set()).add(first.get("Modality", "") or "other")
            key = (*key, str(path))
        else:
            claimed.setdefault(file.claim, {}).setdefault(file.series, path)
        series.setdefault(key, []).append(file)
    twice = {claim: homes for claim, homes in claimed.items() if len(homes) > 1}
    result = []
    for (uid, *_), members in series.items():
        doubt = ""
        if uid in others and members[0].images[0].get("Modality") == "MR":
            doubt = f"{' and '.join(sorted(others[uid]))} images share its SeriesInstanceUID"
        result += _Series(folder, members, findings, doubt, twice).volumes()
    return result


# --- one series -----------------------------------------------------------------------------------


@dataclass
class _Series:
    """The files that share an identifier: divided into volumes, each judged whether it is whole."""

    folder: Path
    members: list[File]
    findings: list[Finding]
    beside: str  # doubt about all of them
    twice: Claims

    def __post_init__(self) -> None:
        self.orientations = {
            image.get("ImageOrientationPatient", "") for f in self.members for image in f.images
        }
        self.pieces: dict[tuple[str, ...], list[File]] = {}
        for file, key in zip(self.members, _fields(self.members), strict=True):
            self.pieces.setdefault(key, []).append(file)
        self.planes = Planes()
        self.everywhere = self.planes.places(_heights(self.members))

    def volumes(self) -> list[Volume]:
        pieces = enumerate(sorted(self.pieces.items()), start=1)
        return [self._volume(number, key, files) for number, (key, files) in pieces]

    def _volume(self, number: int, key: tuple[str, ...], files: list[File]) -> Volume:
        files, conflict = _without_copies(self.folder, _sorted(files), self.findings)
        heights, images = _heights(files), [image for file in files for image in file.images]
        places = self.planes.places(heights)
        in_each, crowded = repeats(places)
        mixed = _mixed(images)
        if mixed:
            in_each, crowded = 1, (f"{in_each} images lie in each place: " * (in_each > 1)) + mixed
        part = self._part(number, files, places)
        identity, frames = _identity(files, key[0]), _frames_of_reference(images)
        problems = (identity, conflict, part, frames, _without_place(heights), turned(heights))
        in_another = _in_another_series(self.folder, files, self.findings, self.twice)
        doubts = (_doubt(self.pieces, key), _acquired(images, key[1]), self.beside, in_another)
        return Volume(
            files=tuple(file.path for file in files),
            images=images,
            planes=sorted(self.orientations),
            identifier=_identifier(files[0], key),
            patient=key[0],
            day=key[1],
            n_slices=n_frames(images),
            broken=next(filter(None, (*problems, crowded, gap(places))), ""),
            doubt=next(filter(None, (*doubts, _stacks(images), sideways(heights))), ""),
            repeats=in_each,
        )

    def _part(self, number: int, files: list[File], places: Places) -> str:
        """Say that a volume lacks places that the series has elsewhere."""
        if len(self.pieces) == 1 or covers(places, self.everywhere):
            return ""
        return (
            f"part {number} of {len(self.pieces)} of the same series: {len(files)} of "
            f"{len(self.members)} files; they differ in {_difference(self.pieces)}. Export the "
            "series again"
        )


def _heights(files: list[File]) -> list[Heights | None]:
    return [heights for file in files for heights in file.heights]


def _mixed(images: list[Image]) -> str:
    """Say what single files hold several of: they cannot be divided here."""
    parts = sorted({part_of(image) for image in images} - {""})
    echoes = {*_echoes({image.get("EchoTime", "") for image in images} - {""}).values()}
    if len(parts) > 1:
        return f"its files hold several Dixon parts ({', '.join(parts)}). Export them apart"
    if len(echoes) > 1:
        return f"its files hold {len(echoes)} echoes. Export them apart"
    return ""


def _stacks(images: list[Image]) -> str:
    """Say that frames of one object belong to several stacks."""
    stacks = {image["StackID"] for image in images if "StackID" in image}
    return f"its frames belong to {len(stacks)} stacks" if len(stacks) > 1 else ""


def _frames_of_reference(images: list[Image]) -> str:
    """Say that the places of some images are measured from elsewhere."""
    frames = {image.get("FrameOfReferenceUID", "") for image in images} - {""}
    if len(frames) < 2:
        return ""
    return f"its images have {len(frames)} frames of reference. Export each stack apart"


def _without_place(heights: list[Heights | None]) -> str:
    """Say how many images of several do not tell where they lie."""
    without = heights.count(None)
    if not without or len(heights) == 1:
        return ""
    return f"{without} of {len(heights)} images do not say where they lie"


def _sorted(files: list[File]) -> list[File]:
    """Return files from the lowest to the highest slice; as they come where that is unknown."""
    if any(math.isnan(file.lowest) for file in files):
        return files
    return sorted(files, key=lambda file: (file.lowest, file.path))


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
    keywords = ("PatientID", *DATES, "Rows", "Columns", "PixelSpacing")
    several = ("EchoTime", "ImageType", "FrameType")
    fields: dict[tuple, list[str]] = {}
    rows = []
    for file in members:
        first = file.images[0]
        told = (
            *map(first.get, keywords),
            *(value for image in file.images for value in map(image.get, several)),
        )
        if told not in fields:
            fields[told] = _fields_of(file, days, echoes)
        rows.append(list(fields[told]))
    for column in range(len(FIELDS) - 1):  # an image without a Dixon part is no Dixon image
        given = {row[column] for row in rows} - {""}
        if len(given) == 1:
            (value,) = given
            for row in rows:
                row[column] = value
    return [tuple(row) for row in rows]


def _fields_of(file: File, days: Mapping[str, str], echoes: Mapping[str, str]) -> list[str]:
    """Return the values of `FIELDS` for one file."""
    first = file.images[0]
    size = (first.get("Rows", ""), first.get("Columns", ""))
    values = {
        "PatientID": first.get("PatientID", ""),
        "date": days[_day(first)],
        "matrix": " x ".join(size) if all(size) else "",
        "pixel size": _pixel_size(first.get("PixelSpacing", "")),
        "EchoTime": "+".join(dict.fromkeys(echoes[i.get("EchoTime", "")] for i in file.images)),
        "Dixon part": "+".join(sorted({part_of(image) for image in file.images})),
    }
    return [values[field] for field in FIELDS]


def _day(image: Image) -> str:
    """Return the day of the examination; of the series or the image where that is blank."""
    return next(filter(None, (iso_date(image.get(keyword, "")) for keyword in DATES)), "")


def _pixel_size(spacing: str) -> str:
    """Return rows and columns of PixelSpacing in micrometres; blank where that is not given."""
    numbers = [_number(text) for text in spacing.split("\\")]
    return " x ".join(f"{1000 * n:.0f} um" for n in numbers) if all(numbers) else ""


def _days(members: list[File]) -> dict[str, str]:
    """Return the day that stands for each: of days in a row the first, as midnight passes."""
    standing, last = {"": ""}, None
    for day in sorted({_day(file.images[0]) for file in members} - {""}):
        current = date.fromisoformat(day)
        if last is None or (current - last).days > 1:
            shown = day
        standing[day], last = shown, current
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
    return number if math.isfinite(number) else None


def _difference(pieces: Iterable[tuple[str, ...]]) -> str:
    """Say in which fields the pieces of a series differ, with the values."""
    columns = zip(FIELDS, zip(*pieces, strict=True), strict=True)
    return " and ".join(
        f"{name} ({', '.join(value or 'none' for value in sorted(set(values)))})"
        for name, values in columns
        if len(set(values)) > 1
    )


def _doubt(pieces: Mapping[tuple[str, ...], list[File]], key: tuple[str, ...]) -> str:
    """Return why a whole volume needs a person: several echoes or patients, or an odd date."""
    patients = {piece[0] for piece in pieces}
    if len(patients) > 1:
        return f"its SeriesInstanceUID stands in images of {len(patients)} patients"
    alike = [
        piece
        for piece, files in pieces.items()
        if piece[:ECHO] == key[:ECHO]
        and piece[ECHO + 1 :] == key[ECHO + 1 :]
        and _tr(files) == _tr(pieces[key])
    ]
    if len(alike) > 1:
        return f"one of {len(alike)} echoes of one series"
    day = key[FIELDS.index("date")]
    if day and not FIRST_SCANNERS.date().isoformat() <= day <= date.today().isoformat():
        return f"no scanner can have made it on {day}"
    return ""


def _acquired(images: list[Image], day: str) -> str:
    """Say that images were acquired on another day than that of their examination."""
    days = {iso_date(i.get("AcquisitionDate") or i.get("AcquisitionDateTime", "")) for i in images}
    others = sorted(acquired for acquired in days - {""} if day and not _are_near(day, acquired))
    return f"an examination of {day}, and images acquired on {others[0]}" if others else ""


def _are_near(first: str, second: str) -> bool:
    """Tell whether two days are the same or neighbours: midnight may lie between."""
    return abs((date.fromisoformat(first) - date.fromisoformat(second)).days) <= 1


def _tr(files: list[File]) -> float | None:
    return _number(files[0].images[0].get("RepetitionTime", ""))


@lru_cache(maxsize=4096)
def iso_date(text: str) -> str:
    """Return the day of a DICOM date or date and time (``20180105``, the old ``2018.01.05``)."""
    digits = text.replace(".", "").replace("-", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).isoformat()
    except ValueError:
        return ""


def _identifier(file: File, key: tuple[str, ...]) -> str:
    image = file.images[0]
    uid = file.series or str(file.path)
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
        original = by_uid.setdefault(file.uid, file)
        if original is file:
            kept.append(file)
            continue
        name = file.path.relative_to(folder).as_posix()
        if content(original.path) == content(file.path):
            message = f"a copy of {original.path.relative_to(folder).as_posix()}; left out"
            findings.append(Finding("info", "copy", name, message))
        else:
            kept.append(file)
            conflict = f"{original.path.name} and {file.path.name} share one identifier and differ"
            message = f"{conflict} (SOPInstanceUID {file.uid}). Export the series again."
            findings.append(Finding("error", "same-uid", name, message))
    return kept, conflict


def _in_another_series(
    folder: Path, files: list[File], findings: list[Finding], twice: Claims
) -> str:
    """Say how many images of a series have the identifier of another of the patient's series."""
    shared = [file for file in files if file.claim in twice]
    if not shared:
        return ""
    name = shared[0].path.relative_to(folder).as_posix()
    homes = twice[shared[0].claim]
    home = next(path for series, path in homes.items() if series != shared[0].series)
    problem = f"{len(shared)} of {len(files)} images have identifiers of images of another series"
    where = home.relative_to(folder).as_posix()
    message = f"{problem} (that of {where}): export both series again, or leave one out."
    findings.append(Finding("error", "same-uid", name, message))
    return problem


def content(path: Path) -> bytes:
    """Return a hash of what a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
