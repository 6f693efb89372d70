"""Outlines of structures from planning systems and segmentation tools, in patient millimetres.

Three kinds of file hold them: RTSTRUCT (polygons; DICOM PS3.3, C.8.8.5 and C.8.8.6), SEG (masks;
C.8.20) and NIfTI (masks without names). Each becomes closed outlines on planes, as points in LPS
millimetres: all that a rectangle around a structure needs. A hole does not change the rectangle
around what encloses it, and of several outlines on a plane each counts.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom.seg import Segmentation
from pydicom.uid import RTStructureSetStorage, SegmentationStorage

from npc_helpers.imaging.headers import Tags, open_file
from npc_helpers.study.artefacts import StudyError

CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"  # Label Map Segmentation Storage, DICOM 2024d
SEGMENTATIONS = {SegmentationStorage, LABEL_MAP}
NIFTI = (".nii", ".nii.gz")
MOST_LABELS = 256  # a mask with more different values is an image


@dataclass(frozen=True, eq=False)
class Outline:
    """One closed outline.

    Attributes
    ----------
    points : ndarray, shape (n, 3)
        LPS millimetres.
    image : str
        SOP Instance UID of the image on which it was drawn (of a multi-frame one: with ``#`` and
        the frame's number); blank where the file does not say.
    """

    points: np.ndarray
    image: str = ""


@dataclass(frozen=True, eq=False)
class Structures:
    """What one file holds.

    Attributes
    ----------
    path : Path
    kind : {"RTSTRUCT", "SEG", "NIfTI"}
    outlines : dict of str to list of Outline
        By the name of the structure.
    frames_of_reference : dict of str to str
        By the name of the structure; blank for NIfTI, which has none.
    patient_id, series_uid : str
        PatientID, and SeriesInstanceUID of the images referred to; blank where the file is silent.
    step_mm : float
        Distance between the planes of a mask; 0 where the file does not say (RTSTRUCT).
    corners : ndarray, shape (8, 3), or None
        Centres of the corner voxels of a NIfTI mask: all that tells which images it belongs to.
    """

    path: Path
    kind: str
    outlines: dict[str, list[Outline]]
    frames_of_reference: dict[str, str]
    patient_id: str = ""
    series_uid: str = ""
    step_mm: float = 0.0
    corners: np.ndarray | None = None

    @property
    def images(self) -> set[str]:
        """SOP Instance UIDs of all images that outlines were drawn on."""
        return {o.image for outlines in self.outlines.values() for o in outlines} - {""}


def read_structures(path: str | Path, labels: Mapping[int, str] | None = None) -> Structures | None:
    """Read the structures of one file.

    Parameters
    ----------
    path : path-like
        RTSTRUCT, SEG or NIfTI mask.
    labels : mapping of int to str, optional
        Names of the labels of a NIfTI mask; by default as `read_labels` finds them beside it, and
        else ``label 1`` …

    Returns
    -------
    Structures or None
        None for any other file, such as an image.

    Raises
    ------
    StudyError
        If the file is one of the three and cannot be used.
    """
    path = Path(path)
    if path.name.lower().endswith(NIFTI):
        return _of_nifti(path, read_labels(path.parent) if labels is None else labels)
    tags = open_file(path, pixels=False)
    kind = "" if tags is None else tags.text("SOPClassUID")
    if kind == RTStructureSetStorage:
        return _of_rtstruct(tags)
    if kind in SEGMENTATIONS:
        return _of_seg(open_file(path))
    return None


# --- RTSTRUCT -------------------------------------------------------------------------------------


def _of_rtstruct(tags: Tags) -> Structures:
    names, frames = {}, {}
    for item in tags.items("StructureSetROISequence"):
        number = item.integer("ROINumber")
        names[number] = _unlike(item.text("ROIName") or f"structure {number}", names.values())
        frames[names[number]] = item.text("ReferencedFrameOfReferenceUID")
    outlines: dict[str, list[Outline]] = {name: [] for name in names.values()}
    for item in tags.items("ROIContourSequence"):
        number = item.integer("ReferencedROINumber")
        if number not in names:
            raise StudyError(
                f"{tags.path}: contours of a structure number {number} that the file does not "
                "list. Export it again."
            )
        outlines[names[number]] += _polygons(item, names[number])
    return Structures(
        tags.path, "RTSTRUCT", outlines, frames, tags.text("PatientID"), _series_of(tags)
    )


def _polygons(item: Tags, name: str) -> Iterator[Outline]:
    for position, contour in enumerate(item.items("ContourSequence"), 1):
        if contour.text("ContourGeometricType") not in CLOSED:
            continue  # points and open lines enclose nothing
        values = contour.text("ContourData").split("\\")
        try:
            points = np.array(values, dtype=float).reshape(-1, 3)
            whole = len(points) > 0 and bool(np.isfinite(points).all())
        except ValueError:
            whole = False
        if not whole:
            raise StudyError(
                f"{item.path}: structure {name}, contour {position}: its {len(values)} coordinates "
                "are not numbers in threes. Export it again."
            )
        images = contour.items("ContourImageSequence")
        yield Outline(points, _image(images[0]) if images else "")


def _image(item: Tags) -> str:
    frame = item.text("ReferencedFrameNumber")
    return item.text("ReferencedSOPInstanceUID") + (f"#{frame}" if frame else "")


def _series_of(tags: Tags) -> str:
    """Return the series that an RTSTRUCT or SEG refers to, if it is one."""
    series = set()
    for frame in tags.items("ReferencedFrameOfReferenceSequence"):
        for study in frame.items("RTReferencedStudySequence"):
            for item in study.items("RTReferencedSeriesSequence"):
                series.add(item.text("SeriesInstanceUID"))
    series |= {item.text("SeriesInstanceUID") for item in tags.items("ReferencedSeriesSequence")}
    return series.pop() if len(series) == 1 else ""


def _unlike(name: str, others) -> str:
    """Return a name that no other structure of the file has."""
    new, number = name, 2
    while new in others:
        new, number = f"{name} ({number})", number + 1
    return new


# --- masks ----------------------------------------------------------------------------------------


def _of_seg(tags: Tags) -> Structures:
    outlines, frames, step_mm = {}, {}, 0.0
    try:
        seg = Segmentation.from_dataset(tags.dataset, copy=False)
        for number in seg.segment_numbers:
            label = seg.get_segment_description(number).segment_label
            name = _unlike(str(label).strip() or f"segment {number}", outlines)
            volume = seg.get_volume(segment_numbers=[number])
            outlines[name] = list(_planes(volume.array[..., 0] > 0, volume.affine))
            frames[name] = str(volume.frame_of_reference_uid or "")
            step_mm = float(volume.spacing_between_slices)
    except Exception as error:  # highdicom and pydicom raise many kinds
        raise StudyError(
            f"{tags.path}: this segmentation cannot be read ({error}). Export it again."
        ) from error
    return Structures(
        tags.path, "SEG", outlines, frames, tags.text("PatientID"), _series_of(tags), step_mm
    )


def _of_nifti(path: Path, labels: Mapping[int, str]) -> Structures:
    from npc_intake.nifti import read_nifti  # its library is asked for by the first such file

    image = read_nifti(path)
    values = np.unique(image.array)
    if len(values) > MOST_LABELS or (values % 1 != 0).any() or values.min() < 0:
        raise StudyError(
            f"{path}: {len(values)} different values from {values.min():g} to {values.max():g}: an "
            "image or a probability, not a mask. Name the file of labels."
        )
    outlines: dict[str, list[Outline]] = {}
    for value in map(int, values[values != 0]):
        name = _unlike(labels.get(value, f"label {value}"), outlines)
        outlines[name] = list(_planes(image.array == value, image.affine))
    ends = [(0, n - 1) for n in image.array.shape]
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    return Structures(
        path,
        "NIfTI",
        outlines,
        dict.fromkeys(outlines, ""),
        step_mm=image.slice_spacing_mm,
        corners=_to_mm(image.affine, corners),
    )


def _planes(mask: np.ndarray, affine: np.ndarray) -> Iterator[Outline]:
    """Yield the rectangle around what is set on each plane of a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (slices, rows, columns)
    affine : ndarray, shape (4, 4)
        From (slice, row, column, 1) to the centre of that voxel in LPS millimetres.
    """
    for index in np.flatnonzero(mask.any(axis=(1, 2))):
        rows = np.flatnonzero(mask[index].any(axis=1))
        columns = np.flatnonzero(mask[index].any(axis=0))
        edges = [(rows[0] - 0.5, rows[-1] + 0.5), (columns[0] - 0.5, columns[-1] + 0.5)]
        corners = [(index, row, column) for row in edges[0] for column in edges[1]]
        yield Outline(_to_mm(affine, np.array(corners)))


def _to_mm(affine: np.ndarray, indices: np.ndarray) -> np.ndarray:
    return indices @ affine[:3, :3].T + affine[:3, 3]


# --- names of labels ------------------------------------------------------------------------------

_ITK_SNAP = re.compile(r'\s*(\d+)(?:\s+\S+){6}\s+"(.*)"')  # number, colour, visibility, "name"


def read_labels(source: str | Path) -> dict[int, str]:
    """Read what the labels of a NIfTI mask are called.

    Parameters
    ----------
    source : str or path-like
        ``"1=GTVp,2=GTVn"``; or a file, ``dataset.json`` of nnU-Net or the label descriptions that
        ITK-SNAP saves; or a folder, in which a ``dataset.json`` is looked for.

    Raises
    ------
    StudyError
        If it is none of these.
    """
    pairs = re.fullmatch(r"\s*\d+\s*=[^,=]+(,\s*\d+\s*=[^,=]+)*", str(source))
    if pairs:
        parts = [part.split("=") for part in str(source).split(",")]
        return {int(number): name.strip() for number, name in parts}
    path = Path(source).expanduser()
    if path.is_dir():
        path = path / "dataset.json"
        if not path.exists():
            return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StudyError(
            f"{source}: no names of labels ({error.strerror}). Write 1=GTVp,2=GTVn, or name "
            "nnU-Net's dataset.json or a file of ITK-SNAP's label descriptions."
        ) from error
    labels = _of_nnunet(text) if text.lstrip().startswith("{") else _of_itk_snap(text)
    if not labels:
        raise StudyError(
            f"{path}: neither nnU-Net's dataset.json nor ITK-SNAP's label descriptions."
        )
    return labels


def _of_nnunet(text: str) -> dict[int, str]:
    """Read ``"labels"``; version 2 writes name: number (or numbers), version 1 the reverse."""
    try:
        entries = json.loads(text).get("labels", {})
        names = {}
        for key, value in entries.items():
            if isinstance(value, int):
                names[value] = key
            elif isinstance(value, str):
                names[int(key)] = value
        return names
    except (ValueError, AttributeError):
        return {}


def _of_itk_snap(text: str) -> dict[int, str]:
    matches = [_ITK_SNAP.match(line) for line in text.splitlines() if not line.startswith("#")]
    return {int(match[1]): match[2] for match in matches if match}
