"""One DICOM file: opened, its tags read with their type, and what it says of its images.

pydicom lets most malformed values through without a word (a comma instead of a decimal point is
a string, half a header is a shorter dataset). So files are not read by attribute: `Tags` checks
the kind and the number of values, and names the file when it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.datadict import dictionary_description
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from npc_helpers.imaging.mr_series import Finding
from npc_helpers.study.dicom_file import LARGEST_FILE, DicomError, open_dicom, refuse, too_large

LARGEST_MATRIX = 1 << 24  # pixels of one image: 4096 x 4096, twice what any scanner makes
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and what begins so
GREY = ("MONOCHROME1", "MONOCHROME2")
ANGLE_TOLERANCE = 1e-3  # largest difference of a direction cosine within a series
AGAIN = "Copy or export it again"
ANOTHER_EXPORT = "Export the series again, or leave it out of data_manifest.csv"
ORIGINAL = "Export the original MR series instead of it"
ENCODINGS = {  # (implicit VR, little endian), as pydicom guesses them, -> transfer syntax
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
KIND = ("ScanningSequence", "EchoPulseSequence")
FRAMES = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
MAKING = ("MRTimingAndRelatedParametersSequence", "MREchoSequence", "PixelMeasuresSequence")
SEQUENCE = (  # keywords in classic and in enhanced files, and how their value is written
    (KIND, "{}"),
    (("RepetitionTime",), "TR {} ms"),
    (("EchoTime", "EffectiveEchoTime"), "TE {} ms"),
)


class Tags:
    """Typed reading of one dataset, or of one item of a sequence in it.

    Every refusal names the file at `path`. ``findings`` tell what was odd about the file, in
    whichever step of reading that was noticed.
    """

    def __init__(self, dataset: pydicom.Dataset, path: Path) -> None:
        self.dataset = dataset
        self.path = path
        self.findings: list[Finding] = []

    def note(self, severity: str, code: str, message: str) -> None:
        """Add a finding about this file."""
        self.findings.append(Finding(severity, code, self.path.name, message))

    def _refuse(self, keyword: str, problem: str) -> DicomError:
        problem = f"{dictionary_description(keyword)} ({keyword}) {problem}"
        return refuse(self.path, "bad-tag", problem, ANOTHER_EXPORT)

    def _value(self, keyword: str) -> object:
        try:
            return self.dataset.get(keyword)
        except Exception as error:  # pydicom converts on access, and raises many kinds
            raise self._refuse(keyword, f"cannot be read ({error})") from error

    def text(self, keyword: str) -> str:
        """Return a value as text without surrounding blanks; ``""`` where there is none.

        Several values are joined by a backslash, as in the file.
        """
        value = self._value(keyword)
        if isinstance(value, MultiValue):
            value = "\\".join(map(str, value))
        return "" if value is None else str(value).strip().strip("\0").strip()

    def number(self, keyword: str, default: float | None = None) -> float:
        """Return one finite number, or `default` where the tag is absent or empty.

        No number at all, or an absent one without a default, is refused.
        """
        value = self.text(keyword)
        if value:
            return self._finite(keyword, value)
        if default is None:
            raise self._refuse(keyword, "is missing or empty")
        return default

    def _finite(self, keyword: str, value: object) -> float:
        try:
            number = float(str(value).strip())
        except ValueError:
            hint = ", which looks like a decimal comma" if "," in str(value) else ""
            raise self._refuse(keyword, f"is '{value}', not a number{hint}") from None
        if not math.isfinite(number):
            raise self._refuse(keyword, f"is '{value}', not a finite number")
        return number

    def integer(self, keyword: str, default: int | None = None) -> int:
        """Return one whole number; otherwise as `number`."""
        number = self.number(keyword, default)
        if number != int(number):
            raise self._refuse(keyword, f"is {number}, not a whole number")
        return int(number)

    def numbers(self, keyword: str, count: int) -> np.ndarray:
        """Return exactly `count` finite numbers as a float64 array."""
        value = self._value(keyword)
        values = [] if value is None else [value] if isinstance(value, str) else value
        values = list(values) if isinstance(values, Iterable) else [values]
        if len(values) != count:
            raise self._refuse(keyword, f"holds {len(values)} value(s) instead of {count}")
        return np.array([self._finite(keyword, item) for item in values])

    def items(self, keyword: str) -> list[Tags]:
        """Return the items of a sequence; none where it is absent."""
        value = self._value(keyword)
        if not isinstance(value, pydicom.Sequence):
            return []
        return [Tags(item, self.path) for item in value]


def open_file(path: Path, *, pixels: bool = True) -> Tags | None:
    """Open one file; return None if it is no DICOM and is not named like one.

    The pixel data are read, too, but not yet decoded, unless `pixels` is False. A file that is
    named like DICOM and is none, or is cut off in its header, is refused.
    """
    named_like_dicom = path.suffix.lower() in ("", ".dcm", ".ima") or path.suffix[1:].isdigit()
    remarks: list[str] = []
    try:
        if named_like_dicom and path.stat().st_size == 0:
            if path.suffix:
                raise refuse(path, "truncated", "the file is empty", AGAIN)
            return None
        dataset = open_dicom(path, pixels=pixels, bare=named_like_dicom, remarks=remarks)
    except OSError as error:
        raise refuse(path, "unreadable", f"cannot be read ({error})", AGAIN) from error
    except DicomError as error:
        if error.code == "not-dicom":
            return None
        raise
    tags = Tags(dataset, path)
    for remark in remarks:
        tags.note("info", "pydicom", remark)
    return tags if dataset.preamble else _bare(tags)


def _bare(tags: Tags) -> Tags | None:
    """Accept a dataset that does not begin as a file should, if it is an image all the same."""
    if tags.text("SOPClassUID") and tags.text("Rows"):
        tags.dataset.file_meta = meta = tags.dataset.file_meta or FileMetaDataset()
        if "TransferSyntaxUID" not in meta:
            meta.TransferSyntaxUID = ENCODINGS[tags.dataset.original_encoding]
        tags.note("warn", "no-preamble", "no DICOM preamble; read as a bare dataset")
        return tags
    if tags.path.suffix == "":
        return None
    problem = "not a DICOM file although named like one"
    raise refuse(tags.path, "not-dicom", problem, "Remove it from the folder")


def check_image(tags: Tags) -> int:
    """Refuse a file that holds no plain grey image; return the bytes that its pixels take."""

    def refused(code: str, problem: str, action: str) -> DicomError:
        return refuse(tags.path, code, problem, action)

    if "PixelData" not in tags.dataset:
        raise refused("no-pixel-data", "there is no pixel data in it", "Remove or export it again")
    if not tags.dataset.get_item("PixelData", keep_deferred=True).value:
        raise refused("no-pixel-data", "its pixel data are empty", "Export it again")
    if tags.text("SOPClassUID").startswith(SECONDARY_CAPTURE):
        raise refused("screenshot", "it is a secondary capture (a screenshot)", ORIGINAL)
    photometric = tags.text("PhotometricInterpretation")
    if tags.integer("SamplesPerPixel") != 1 or photometric not in GREY:
        problem = f"the image is not a plain grey one (photometric interpretation '{photometric}')"
        raise refused("not-grey", problem, ORIGINAL)
    if tags.items("ModalityLUTSequence"):
        problem = "a table in it gives its grey values another meaning (Modality LUT Sequence)"
        raise refused("grey-table", problem, ORIGINAL)
    rows, columns = tags.integer("Rows"), tags.integer("Columns")
    if rows * columns > LARGEST_MATRIX:
        problem = f"its image has {rows} x {columns} pixels, more than any MR scanner makes"
        raise refused("too-large", problem, ORIGINAL)
    bits = max(tags.integer("BitsAllocated"), 16)  # two bytes a pixel at least
    size = bits * rows * columns * tags.integer("NumberOfFrames", 1) // 8
    if size > LARGEST_FILE:
        raise too_large(tags.path)
    for keyword in ("BitsStored", "PixelRepresentation"):
        tags.integer(keyword)
    return size


# --- where its images lie -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Plane:
    """Where one image lies, and how its values are to be scaled.

    Attributes
    ----------
    frame : int
        Which image of its file, from 0; -1 in a classic file of one image.
    origin : ndarray, shape (3,)
        Centre of the first pixel, LPS millimetres.
    orientation : ndarray, shape (6,)
        Direction cosines of a row and of a column.
    spacing : ndarray, shape (2,)
        Millimetres between rows, between columns.
    measures : Tags
        What else the file says about the size of the image.
    """

    tags: Tags
    frame: int
    origin: np.ndarray
    orientation: np.ndarray
    spacing: np.ndarray
    slope: float
    intercept: float
    measures: Tags

    @property
    def name(self) -> str:
        """The file, and the image in it if there are several."""
        name = self.tags.path.name
        return name if self.frame < 0 else f"{name} (frame {self.frame + 1})"


def planes_of(tags: Tags) -> list[Plane]:
    """Return the geometry and rescale of every image in one file.

    Refused if a tag that says so is missing, malformed or impossible.
    """
    shared, frames = map(tags.items, FRAMES)
    if not frames:
        return [_plane(tags, -1, [])]
    return [_plane(tags, number, [frame, *shared]) for number, frame in enumerate(frames)]


def _plane(tags: Tags, frame: int, groups: list[Tags]) -> Plane:
    """Read one image's place; an enhanced file has it in functional groups, the frame's first."""

    def group(keyword: str) -> Tags:
        return next((item for group in groups for item in group.items(keyword)), tags)

    measures, rescale = group("PixelMeasuresSequence"), group("PixelValueTransformationSequence")
    cosines = group("PlaneOrientationSequence").numbers("ImageOrientationPatient", 6)
    row, column = cosines[:3], cosines[3:]
    lengths = np.array([row @ row, column @ column, 1 + row @ column])
    if np.abs(lengths - 1).max() > 10 * ANGLE_TOLERANCE:
        problem = (
            f"ImageOrientationPatient {cosines.tolist()} is not two perpendicular unit vectors"
        )
        raise refuse(tags.path, "bad-tag", problem, ANOTHER_EXPORT)
    spacing = measures.numbers("PixelSpacing", 2)
    slope = rescale.number("RescaleSlope", 1.0)
    if spacing.min() <= 0 or slope == 0:
        problem = f"PixelSpacing {spacing.tolist()} or RescaleSlope {slope} is not positive"
        raise refuse(tags.path, "bad-tag", problem, ANOTHER_EXPORT)
    return Plane(
        tags=tags,
        frame=frame,
        origin=group("PlanePositionSequence").numbers("ImagePositionPatient", 3),
        orientation=cosines,
        spacing=spacing,
        slope=slope,
        intercept=rescale.number("RescaleIntercept", 0.0),
        measures=measures,
    )


# --- how it was made ------------------------------------------------------------------------------


def parts_that_tell(tags: Tags) -> list[Tags]:
    """Return a file and, of an enhanced one, the groups that say how its first image was made."""
    groups = tags.items(FRAMES[0]) + tags.items(FRAMES[1])[:1]
    return [tags, *(item for group in groups for name in MAKING for item in group.items(name))]


def sequence_in_words(tags: Tags) -> str:
    """Return the pulse sequence in words; what is absent or malformed is left out."""
    sources, parts = parts_that_tell(tags), []
    for keywords, form in SEQUENCE:
        texts = (_words(source, keyword) for source in sources for keyword in keywords)
        parts += [form.format(text) for text in texts if text][:1]
    return ", ".join(parts)


def _words(tags: Tags, keyword: str) -> str:
    try:
        text = tags.text(keyword).replace("\\", "/")
        return text if keyword in KIND else f"{tags.number(keyword):g}"
    except DicomError:  # nothing that an image needs
        return ""
