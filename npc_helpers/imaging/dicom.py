"""From a folder of DICOM files to one MR series, and from a segmentation object to a mask.

What is odd about a series is repaired and noted, or refused; nothing is guessed at.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npc_helpers.imaging.files import list_files, open_file
from npc_helpers.imaging.geometry import in_order, slice_spacing
from npc_helpers.imaging.headers import Header, Plane, read_header, sequence_in_words
from npc_helpers.imaging.mr_series import Grid, MRSeries
from npc_helpers.imaging.pixels import check_image, read_pixels, stored_pixels
from npc_helpers.imaging.resample import mask_to_reference
from npc_helpers.imaging.tags import Finding, Tags, merge_findings, warning_findings
from npc_helpers.study.dicom_file import DicomError, refuse

if TYPE_CHECKING:
    from npc_helpers.study import Study

__all__ = ["DicomError", "Finding", "read_mask", "read_series"]

MODALITY = "MR"
LARGEST_SERIES = 1 << 28  # bytes as stored: 512 images of 512 x 512 pixels of 16 bits
SEGMENTS = {1: 0, 2: 1}  # segment number -> first axis of read_mask: tumour, nodes


def read_series(folder: str | Path, *, n_images: int | None = None) -> MRSeries:
    """Read one MR series.

    Parameters
    ----------
    folder : path-like
        Holds the files of one series, classic (one image a file) or enhanced (many), with or
        without the suffix ``.dcm``. Hidden files, folders and files that are no DICOM are
        ignored, each with a finding.
    n_images : int, optional
        Number of DICOM files (or of images) there should be, as the manifest says.

    Returns
    -------
    MRSeries
        What was repaired or ignored stands in its ``findings``, each with a stable ``code``.

    Raises
    ------
    DicomError
        What is refused is refused as a whole, with a stable short name in the error's ``code``
        (``"missing-slice"``). Refused are: a folder that is empty or incomplete; a file that is
        damaged, of another modality, too large or without grey pixels; mixed patients, matrices,
        frames of reference or orientations; two images in one place; missing or unevenly spaced
        slices.
    """
    with warnings.catch_warnings(record=True) as caught:  # some come when a tag is first used
        warnings.simplefilter("always")
        series = _read_series(Path(folder), n_images)
    said = [str(item.message) for item in caught if item.category is UserWarning]
    return replace(series, findings=merge_findings((*series.findings, *warning_findings(said))))


def _read_series(folder: Path, n_images: int | None) -> MRSeries:
    headers, findings = _read_headers(folder, pixels=True)
    planes = [plane for header in headers for plane in header.planes]
    _check_count(folder, n_images, len(headers), len(planes))
    _check_same_series(folder, headers, findings)
    planes, positions = in_order(folder, planes)
    spacing_mm = slice_spacing(folder, planes, positions, findings)
    array, noticed = read_pixels(headers, planes)  # (slices, rows, columns)
    first = headers[0]
    return MRSeries(
        array=array,
        pixel_spacing_mm=(float(planes[0].spacing[0]), float(planes[0].spacing[1])),
        positions_mm=positions,
        slice_spacing_mm=spacing_mm,
        orientation=planes[0].orientation,
        patient_id=first.patient_id,
        description=first.description,
        findings=tuple(findings + noticed),
        sequence=sequence_in_words(first.tags),
    )


def _read_headers(folder: Path, *, pixels: bool) -> tuple[list[Header], list[Finding]]:
    """Open every MR image of a folder; refuse other DICOM objects."""
    if not folder.is_dir():
        raise DicomError(
            f"{folder}: no such folder. Check the column path of data_manifest.csv.", "no-folder"
        )
    paths, findings = list_files(folder)
    headers, size = [], 0
    for path in paths:
        tags, noticed = open_file(path, pixels=pixels)
        findings += noticed
        if tags is None:
            continue
        _check_modality(tags)
        if pixels:
            size += check_image(tags)
            if size > LARGEST_SERIES:
                raise DicomError(
                    f"{folder}: the images are too many to be read at once, more than "
                    f"{LARGEST_SERIES >> 20} MiB. Keep one series per folder.",
                    "too-large",
                )
        headers.append(read_header(tags))
    if not headers:
        ignored = f" ({len(findings)} other file(s) ignored)" if findings else ""
        raise DicomError(
            f"{folder}: no DICOM image here{ignored}. Put the series back, or correct the column "
            "path of data_manifest.csv.",
            "empty-folder",
        )
    return headers, findings


# --- one series -------------------------------------------------------------------------------


def _check_modality(tags: Tags) -> None:
    modality = tags.text("Modality") or "missing"
    if modality != MODALITY:
        raise refuse(
            tags.path,
            "wrong-modality",
            f"its modality is {modality}, not {MODALITY}",
            "Keep the images of one MR series in this folder and nothing else",
        )


def _check_count(folder: Path, expected: int | None, n_files: int, n_slices: int) -> None:
    if expected is None or expected in (n_files, n_slices):
        return
    fewer = n_files < expected
    raise DicomError(
        f"{folder}: {n_files} DICOM files where data_manifest.csv says {expected}. "
        + ("Files were lost: copy" if fewer else "Files were added: remove them, or copy")
        + " the series again, or correct the column n_images.",
        "missing-images" if fewer else "added-images",
    )


def _check_same_series(folder: Path, headers: list[Header], findings: list[Finding]) -> None:
    """Refuse mixed patients, matrices and frames of reference; note mixed series."""
    first = headers[0]
    for code, what, value_of in (
        ("mixed-patients", "different patients", lambda header: header.patient_id),
        ("mixed-matrix", "images of different size", lambda h: f"{h.rows}x{h.columns}"),
        ("mixed-frame", "different frames of reference", lambda header: header.frame_of_reference),
    ):
        for header in headers:
            values = [value_of(first) or "blank", value_of(header) or "blank"]
            if values[0] == values[1]:
                continue
            names = f"{first.path.name} has {values[0]}, {header.path.name} has {values[1]}"
            if code == "mixed-patients":  # messages end up in notebooks: no identifiers
                names = f"{first.path.name} and {header.path.name} differ in PatientID"
            message = f"{folder}: {what} in one folder: {names}. Keep one series per folder."
            raise DicomError(message, code)
    if not first.frame_of_reference:
        message = "no frame of reference; positions are taken to share one"
        findings.append(Finding("info", "no-frame", first.path.name, message))
    seen = {}
    for header in headers:
        uid = header.image_uid
        if uid and seen.setdefault(uid, header) is not header:
            message = f"the same SOPInstanceUID as {seen[uid].path.name}"
            findings.append(Finding("warn", "same-uid", header.path.name, message))
    for header in headers[1:]:
        if header.series_uid != first.series_uid:
            message = "another SeriesInstanceUID than the first file"
            findings.append(Finding("warn", "mixed-series", header.path.name, message))


# --- the known truth --------------------------------------------------------------------------


def read_mask(study: Study, patient_id: str, timepoint: str) -> np.ndarray | None:
    """Read the known truth of a synthetic patient.

    Parameters
    ----------
    study : Study
    patient_id : str
    timepoint : {"pre", "post"}

    Returns
    -------
    ndarray of bool, shape (2, slices, rows, columns), or None
        Tumour and nodes on the T2w series' images as `stacks.load_stacks` gives them (another
        matrix than 512 x 512 is resampled); None where the study has no ``mask.dcm``. The T1c
        series of the same time point shares the geometry.

    Raises
    ------
    DicomError
        If the segmentation is damaged, or does not lie on the images of the T2w series.
    """
    folder = study.series_folder(patient_id, timepoint, "t2w")
    path = folder.parent / "mask.dcm"
    if not path.is_file():
        return None
    headers, _ = _read_headers(folder, pixels=False)
    planes, _ = in_order(folder, [plane for header in headers for plane in header.planes])
    shape = headers[0].rows, headers[0].columns
    tags, _ = open_file(path)
    if tags is None or tags.text("Modality") != "SEG":
        raise refuse(path, "wrong-modality", "it is no DICOM segmentation", "Build the study again")
    if (tags.integer("Rows"), tags.integer("Columns")) != shape:
        raise refuse(
            path, "mixed-matrix", "its matrix is not that of the T2w series", "Build it again"
        )
    frames = stored_pixels(tags)[0].reshape(-1, *shape)
    mask = np.zeros((len(SEGMENTS), len(planes), *shape), dtype=bool)
    for frame, group in zip(frames, tags.items("PerFrameFunctionalGroupsSequence"), strict=True):
        position = _item(group, "PlanePositionSequence").numbers("ImagePositionPatient", 3)
        number = _item(group, "SegmentIdentificationSequence").integer("ReferencedSegmentNumber")
        if number in SEGMENTS:
            mask[SEGMENTS[number], _slice_at(planes, position, path)] |= frame > 0
    return mask_to_reference(mask, Grid(*shape, tuple(planes[0].spacing)))


def _item(tags: Tags, keyword: str) -> Tags:
    items = tags.items(keyword)
    if not items:
        raise refuse(tags.path, "bad-tag", f"a frame has no {keyword}", "Build the study again")
    return items[0]


def _slice_at(planes: Sequence[Plane], position: np.ndarray, path: Path) -> int:
    """Return the index of the slice whose corner lies at `position` (half a pixel's tolerance)."""
    distances = np.array([np.abs(plane.origin - position).max() for plane in planes])
    nearest = int(distances.argmin())
    if distances[nearest] > planes[nearest].spacing.min() / 2:
        raise refuse(
            path,
            "mixed-frame",
            f"a frame at {position.tolist()} mm lies on no image of the T2w series",
            "Build the study again",
        )
    return nearest
