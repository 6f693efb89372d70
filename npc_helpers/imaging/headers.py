"""What the header of a file says: of whom the images are, what they show, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from npc_helpers.imaging.tags import Tags
from npc_helpers.study.dicom_file import DicomError, refuse

ANGLE_TOLERANCE = 1e-3  # largest difference of a direction cosine within a series
KIND = ("ScanningSequence", "EchoPulseSequence")
SEQUENCE = (  # keywords in classic and in enhanced files, and how their value is written
    (KIND, "{}"),
    (("RepetitionTime",), "TR {} ms"),
    (("EchoTime", "EffectiveEchoTime"), "TE {} ms"),
)


@dataclass(frozen=True, eq=False)
class Plane:
    """Where one image lies, and how its values are to be scaled."""

    path: Path
    frame: int
    origin: np.ndarray
    orientation: np.ndarray
    spacing: np.ndarray
    slope: float
    intercept: float
    measures: Tags

    @property
    def name(self) -> str:
        return self.path.name if self.frame < 0 else f"{self.path.name} (frame {self.frame + 1})"


@dataclass(frozen=True, eq=False)
class Header:
    """One file of a series. Text is blank where the file is silent."""

    tags: Tags
    patient_id: str
    description: str
    series_uid: str
    image_uid: str
    frame_of_reference: str
    rows: int
    columns: int
    planes: list[Plane]

    @property
    def path(self) -> Path:
        return self.tags.path


def read_header(tags: Tags) -> Header:
    """Read what a series needs of a file's header.

    Raises
    ------
    DicomError
        If a tag that says where an image lies is missing, malformed or impossible.
    """
    return Header(
        tags=tags,
        patient_id=tags.text("PatientID"),
        description=tags.text("SeriesDescription"),
        series_uid=tags.text("SeriesInstanceUID"),
        image_uid=tags.text("SOPInstanceUID"),
        frame_of_reference=tags.text("FrameOfReferenceUID"),
        rows=tags.integer("Rows"),
        columns=tags.integer("Columns"),
        planes=planes_of(tags),
    )


def planes_of(tags: Tags) -> list[Plane]:
    """Return the geometry and rescale of every image in one file.

    Raises
    ------
    DicomError
        If a tag that says so is missing, malformed or impossible.
    """
    frames = tags.items("PerFrameFunctionalGroupsSequence")
    if not frames:
        return [_plane(tags, -1, position=tags, orientation=tags, measures=tags, rescale=tags)]
    shared = tags.items("SharedFunctionalGroupsSequence")
    sequences = {
        "position": "PlanePositionSequence",
        "orientation": "PlaneOrientationSequence",
        "measures": "PixelMeasuresSequence",
        "rescale": "PixelValueTransformationSequence",
    }
    result = []
    for number, frame in enumerate(frames):
        groups = [frame, *shared]
        parts = {
            role: next((item for group in groups for item in group.items(keyword)), tags)
            for role, keyword in sequences.items()
        }
        result.append(_plane(tags, number, **parts))
    return result


def _plane(
    tags: Tags, frame: int, *, position: Tags, orientation: Tags, measures: Tags, rescale: Tags
) -> Plane:
    cosines = orientation.numbers("ImageOrientationPatient", 6)
    row, column = cosines[:3], cosines[3:]
    lengths = np.array([row @ row, column @ column, 1 + row @ column])
    if np.abs(lengths - 1).max() > 10 * ANGLE_TOLERANCE:
        raise refuse(
            tags.path,
            "bad-tag",
            f"ImageOrientationPatient {cosines.tolist()} is not two perpendicular unit vectors",
            "Export the series again, or leave it out of data_manifest.csv",
        )
    spacing = measures.numbers("PixelSpacing", 2)
    slope = rescale.number("RescaleSlope", 1.0)
    if spacing.min() <= 0 or slope == 0:
        raise refuse(
            tags.path,
            "bad-tag",
            f"PixelSpacing {spacing.tolist()} or RescaleSlope {slope} is not positive",
            "Export the series again, or leave it out of data_manifest.csv",
        )
    return Plane(
        path=tags.path,
        frame=frame,
        origin=position.numbers("ImagePositionPatient", 3),
        orientation=cosines,
        spacing=spacing,
        slope=slope,
        intercept=rescale.number("RescaleIntercept", 0.0),
        measures=measures,
    )


def sequence_in_words(tags: Tags) -> str:
    """Return the pulse sequence in words; what is absent or malformed is left out."""
    groups = tags.items("SharedFunctionalGroupsSequence")
    groups += tags.items("PerFrameFunctionalGroupsSequence")[:1]
    places = ("MRTimingAndRelatedParametersSequence", "MREchoSequence")
    sources = [tags, *(item for group in groups for name in places for item in group.items(name))]
    parts = []
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
