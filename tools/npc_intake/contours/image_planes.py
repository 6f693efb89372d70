"""Where the images of a series lie in the patient, for whatever was drawn in millimetres."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from npc_helpers.imaging.dicom import in_order
from npc_helpers.imaging.headers import Plane, Tags, open_file, planes_of
from npc_helpers.study.artefacts import StudyError, dicom_files


@dataclass(frozen=True, eq=False)
class ImagePlanes:
    """The images of one series, in the order of `read_series`.

    Attributes
    ----------
    folder : Path
    origins : ndarray, shape (slices, 3)
        Centre of the first pixel of each image, LPS millimetres.
    axes : ndarray, shape (3, 3)
        Unit vectors along a row, along a column, and across the slices.
    spacing_mm : (float, float)
        Between rows, between columns.
    size : (int, int)
        Rows, columns.
    slices : dict of str to int
        By SOP Instance UID (of a frame of a multi-frame file: with ``#`` and its number).
    frame_of_reference, series_uid, patient_id : str
        Blank where the files do not say.
    """

    folder: Path
    origins: np.ndarray
    axes: np.ndarray
    spacing_mm: tuple[float, float]
    size: tuple[int, int]
    slices: dict[str, int]
    frame_of_reference: str
    series_uid: str
    patient_id: str

    @property
    def positions_mm(self) -> np.ndarray:
        """Place of each slice along the slice normal, increasing; shape (slices,)."""
        return self.origins @ self.axes[2]

    @property
    def step_mm(self) -> float:
        """Distance of neighbouring slices; 0 for a single one."""
        return float(np.diff(self.positions_mm).mean()) if len(self.origins) > 1 else 0.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        return (len(self.origins), *self.size)

    def to_pixels(self, points: np.ndarray, index: int) -> np.ndarray:
        """Return where points lie on a slice: (n, 2), columns and rows.

        Whole numbers are borders between pixels, as in an ROI table: pixel 0 reaches from 0 to 1.
        """
        from_corner = (points - self.origins[index]) @ self.axes[:2].T  # (n, 2) mm
        return from_corner / self.spacing_mm[::-1] + 0.5


def image_planes(folder: str | Path) -> ImagePlanes:
    """Read where the images of a series lie.

    Parameters
    ----------
    folder : path-like
        Classic or enhanced MR images that `npc_helpers.imaging.dicom.read_series` accepts.

    Raises
    ------
    StudyError
        If there are none, or a header does not say where an image lies.
    """
    folder = Path(folder)
    files: list[Tags] = []
    for path in dicom_files(folder):
        tags = open_file(path, pixels=False)
        if tags is not None and tags.text("Rows"):
            files.append(tags)
    if not files:
        raise StudyError(f"{folder}: no DICOM image here. Put the series back, or correct its row.")
    slices, _ = in_order(folder, [image for tags in files for image in planes_of(tags)])
    first, tags = slices[0], files[0]
    row, column = first.orientation.reshape(2, 3)
    return ImagePlanes(
        folder=folder,
        origins=np.array([image.origin for image in slices]),
        axes=np.array([row, column, np.cross(row, column)]),
        spacing_mm=(float(first.spacing[0]), float(first.spacing[1])),
        size=(tags.integer("Rows"), tags.integer("Columns")),
        slices={_name(image): index for index, image in enumerate(slices)},
        frame_of_reference=tags.text("FrameOfReferenceUID"),
        series_uid=tags.text("SeriesInstanceUID"),
        patient_id=tags.text("PatientID"),
    )


def _name(image: Plane) -> str:
    frame = "" if image.frame < 0 else f"#{image.frame + 1}"
    return image.tags.text("SOPInstanceUID") + frame
