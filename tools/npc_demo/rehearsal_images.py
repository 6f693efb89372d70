"""The images of the rehearsal study: the demonstration's renderer, any number of slices."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from npc_demo import dicom_objects
from npc_demo.anatomy import draw_anatomy
from npc_demo.habitus import stream
from npc_demo.mri import acquire, enlarge, scan_stream, suggested_boxes
from npc_demo.patient import Patient
from npc_helpers.imaging.roi import default_rectangle
from npc_helpers.study import series_checksum

FOLDERS = {"pre": "治疗前", "post": "治疗后", "t2w": "T2 压脂", "t1c": "T1 增强"}
MAKERS = {"B": "SYNTHETIC north", "C": "SYNTHETIC south"}  # by tag style


@dataclass(frozen=True)
class Scan:
    """One examination to draw.

    Attributes
    ----------
    folder : Path or None
        The disk; the examination gets a folder of its own there.
    timepoint : {"pre", "post"}
    sequences : tuple of str
    """

    folder: Path | None
    patient: Patient
    timepoint: str
    day: date
    sequences: tuple[str, ...]
    matrix: int
    n_slices: int


@dataclass(frozen=True)
class Drawn:
    """One series on disk.

    Attributes
    ----------
    key : tuple of str
        Patient, time point, sequence.
    place : str
        Its folder, from the disk down.
    boxes : tuple of tuple of int
        A rectangle around tumour and nodes for each slice: x0, y0, x1, y1.
    """

    key: tuple[str, str, str]
    place: str
    checksum: str
    boxes: tuple[tuple[int, ...], ...]
    matrix: int

    @property
    def default_boxes(self) -> list[tuple[int, ...]]:
        """The rectangle in the middle of the image, once for each slice."""
        middle = default_rectangle(self.matrix, self.matrix)
        return [(middle.x0, middle.y0, middle.x1, middle.y1)] * len(self.boxes)


def draw(scan: Scan) -> list[Drawn]:
    """Draw one examination and write its series; runs in a process of its own."""
    patient, matrix = scan.patient, scan.matrix
    anatomy = draw_anatomy(patient, scan.timepoint)
    masks = enlarge(anatomy.tumour, matrix) | enlarge(anatomy.nodes, matrix)
    levels = np.linspace(0, len(masks) - 1, scan.n_slices) if scan.n_slices > 1 else np.array([4.0])
    boxes = suggested_boxes(anatomy, masks, stream(patient, "box", scan.timepoint), matrix)
    boxes = np.rint(_between(boxes.astype(float), levels)).astype(int)
    height_mm = (len(masks) - 1) * anatomy.slice_spacing_mm
    visit = dicom_objects.Visit(
        patient=patient,
        timepoint=scan.timepoint,
        day=scan.day,
        matrix=matrix,
        spacing_mm=anatomy.field_of_view_mm / matrix,
        slice_spacing_mm=round(height_mm / max(scan.n_slices - 1, 1), 4),
        tilt=0.0,
        table_mm=0.0,
    )
    series = []
    for sequence in scan.sequences:
        rng = scan_stream(patient, scan.timepoint, sequence)
        pixels = _between(acquire(anatomy, sequence, rng, matrix=matrix), levels)
        datasets = dicom_objects.mr_datasets(visit, sequence, np.rint(pixels).astype(np.uint16))
        place = f"{patient.patient_id}/{FOLDERS[scan.timepoint]}/{FOLDERS[sequence]}"
        folder = scan.folder / place
        folder.mkdir(parents=True)
        for number, dataset in enumerate(datasets):
            dataset.Manufacturer = MAKERS[patient.vendor]
            dicom_objects.save(dataset, folder / f"{number:05d}.dcm")
        key = (patient.patient_id, scan.timepoint, sequence)
        rectangles = tuple(tuple(int(edge) for edge in box) for box in boxes)
        series.append(Drawn(key, place, series_checksum(folder), rectangles, matrix))
    return series


def _between(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return values at levels between the drawn ones, by linear interpolation along the first axis.

    Parameters
    ----------
    values : ndarray, shape (7, ...)
    levels : ndarray, shape (n,)
        From 0 to 6.

    Returns
    -------
    ndarray, shape (n, ...)
    """
    low = np.minimum(levels.astype(int), len(values) - 2)
    weight = (levels - low).reshape(-1, *[1] * (values.ndim - 1))
    return (1 - weight) * values[low] + weight * values[low + 1]
