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

from npc_helpers.imaging.files import (
    check_image,
    decode,
    list_files,
    open_file,
    pixel_bytes,
    stored_pixels,
)
from npc_helpers.imaging.geometry import Slice, in_order, slice_spacing, slices_of
from npc_helpers.imaging.mr_series import Grid, MRSeries
from npc_helpers.imaging.resample import mask_to_reference
from npc_helpers.imaging.tags import Finding, Tags, merge_findings, warning_findings
from npc_helpers.study.dicom_file import DicomError, refuse

if TYPE_CHECKING:
    from npc_helpers.study import Study

__all__ = ["DicomError", "Finding", "read_mask", "read_series"]

MODALITY = "MR"
LARGEST_SERIES = 1 << 28  # bytes as stored: 512 images of 512 x 512 pixels of 16 bits
KIND = ("ScanningSequence", "EchoPulseSequence")
SEQUENCE = (  # keywords in classic and in enhanced files, and how their value is written
    (KIND, "{}"),
    (("RepetitionTime",), "TR {} ms"),
    (("EchoTime", "EffectiveEchoTime"), "TE {} ms"),
)
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
    files, findings = _open_all(folder, pixels=True)
    slices = [one for tags in files for one in slices_of(tags)]
    _check_count(folder, n_images, len(files), len(slices))
    _check_same_series(folder, files, findings)
    slices, positions = in_order(folder, slices)
    spacing_mm = slice_spacing(folder, slices, positions, findings)
    array = _stack(files, slices, findings)
    return MRSeries(
        array=array,
        pixel_spacing_mm=(float(slices[0].spacing[0]), float(slices[0].spacing[1])),
        positions_mm=positions,
        slice_spacing_mm=spacing_mm,
        orientation=slices[0].orientation,
        patient_id=files[0].text("PatientID"),
        description=files[0].text("SeriesDescription"),
        findings=tuple(findings),
        sequence=_sequence(files[0]),
    )


def _sequence(tags: Tags) -> str:
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


# --- files ------------------------------------------------------------------------------------


def _open_all(folder: Path, *, pixels: bool) -> tuple[list[Tags], list[Finding]]:
    """Open every MR image of a folder; refuse other DICOM objects."""
    if not folder.is_dir():
        raise DicomError(
            f"{folder}: no such folder. Check the column path of data_manifest.csv.", "no-folder"
        )
    files, size = [], 0
    paths, findings = list_files(folder)
    for path in paths:
        tags, noticed = open_file(path, pixels=pixels)
        findings += noticed
        if tags is None:
            continue
        modality = tags.text("Modality") or "missing"
        if modality != MODALITY:
            raise refuse(
                path,
                "wrong-modality",
                f"its modality is {modality}, not {MODALITY}",
                "Keep the images of one MR series in this folder and nothing else",
            )
        if pixels:
            check_image(tags)
            size += pixel_bytes(tags)
            if size > LARGEST_SERIES:
                raise DicomError(
                    f"{folder}: the images are too many to be read at once, more than "
                    f"{LARGEST_SERIES >> 20} MiB. Keep one series per folder.",
                    "too-large",
                )
        files.append(tags)
    if not files:
        ignored = f" ({len(findings)} other file(s) ignored)" if findings else ""
        raise DicomError(
            f"{folder}: no DICOM image here{ignored}. Put the series back, or correct the column "
            "path of data_manifest.csv.",
            "empty-folder",
        )
    return files, findings


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


def _check_same_series(folder: Path, files: list[Tags], findings: list[Finding]) -> None:
    """Refuse mixed patients, matrices and frames of reference; note mixed series."""
    first = files[0]
    for code, what, keywords in (
        ("mixed-patients", "different patients", ("PatientID",)),
        ("mixed-matrix", "images of different size", ("Rows", "Columns")),
        ("mixed-frame", "different frames of reference", ("FrameOfReferenceUID",)),
    ):
        seen = ["x".join(tags.text(k) or "blank" for k in keywords) for tags in files]
        for tags, value in zip(files, seen, strict=True):
            if value == seen[0]:
                continue
            names = f"{first.path.name} has {seen[0]}, {tags.path.name} has {value}"
            if code == "mixed-patients":  # messages end up in notebooks: no identifiers
                names = f"{first.path.name} and {tags.path.name} differ in PatientID"
            message = f"{folder}: {what} in one folder: {names}. Keep one series per folder."
            raise DicomError(message, code)
    if not first.text("FrameOfReferenceUID"):
        message = "no frame of reference; positions are taken to share one"
        findings.append(Finding("info", "no-frame", first.path.name, message))
    seen = {}
    for tags in files:
        uid = tags.text("SOPInstanceUID")
        if uid and seen.setdefault(uid, tags) is not tags:
            message = f"the same SOPInstanceUID as {seen[uid].path.name}"
            findings.append(Finding("warn", "same-uid", tags.path.name, message))
    series_uid = first.text("SeriesInstanceUID")
    for other in files[1:]:
        if other.text("SeriesInstanceUID") != series_uid:
            message = "another SeriesInstanceUID than the first file"
            findings.append(Finding("warn", "mixed-series", other.path.name, message))


# --- pixels -----------------------------------------------------------------------------------


def _stack(files: list[Tags], slices: list[Slice], findings: list[Finding]) -> np.ndarray:
    """Decode all images in the order of `slices` and rescale them where it is needed."""
    as_stored = all(one.slope == 1 and one.intercept == 0 for one in slices)
    if not as_stored:
        _note_rescale(slices, findings)
    places = {tags.path: [] for tags in files}
    for index, one in enumerate(slices):
        places[one.path].append((index, one))
    array = None
    for tags in files:
        images, noticed = decode(tags)
        del tags.dataset.PixelData  # or a series would be in memory twice
        findings += noticed
        if len(images) != len(places[tags.path]):
            raise refuse(
                tags.path,
                "mixed-matrix",
                f"it holds {len(images)} images but describes {len(places[tags.path])}",
                "Export the series again as single-frame or as complete enhanced MR",
            )
        dtype = images.dtype if as_stored else np.dtype(np.float32)
        if array is None:
            array = np.empty((len(slices), *images.shape[1:]), dtype)
        array = array.astype(np.promote_types(array.dtype, dtype), copy=False)
        for index, one in places[tags.path]:
            array[index] = images[max(one.frame, 0)]
            if not as_stored:
                array[index] *= np.float32(one.slope)
                array[index] += np.float32(one.intercept)
    return array


def _note_rescale(slices: list[Slice], findings: list[Finding]) -> None:
    slopes = [one.slope for one in slices]
    if len(set(slopes)) > 1:
        message = f"rescale slope differs between slices ({min(slopes):g} to {max(slopes):g})"
        findings.append(Finding("info", "rescale", "", message))
    if min(slopes) < 0:
        findings.append(Finding("warn", "rescale", "", "a rescale slope is negative"))


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
    files, _ = _open_all(folder, pixels=False)
    slices, _ = in_order(folder, [one for tags in files for one in slices_of(tags)])
    shape = files[0].integer("Rows"), files[0].integer("Columns")
    tags, _ = open_file(path)
    if tags is None or tags.text("Modality") != "SEG":
        raise refuse(path, "wrong-modality", "it is no DICOM segmentation", "Build the study again")
    if (tags.integer("Rows"), tags.integer("Columns")) != shape:
        raise refuse(
            path, "mixed-matrix", "its matrix is not that of the T2w series", "Build it again"
        )
    frames = stored_pixels(tags)[0].reshape(-1, *shape)
    mask = np.zeros((len(SEGMENTS), len(slices), *shape), dtype=bool)
    for frame, group in zip(frames, tags.items("PerFrameFunctionalGroupsSequence"), strict=True):
        position = _item(group, "PlanePositionSequence").numbers("ImagePositionPatient", 3)
        number = _item(group, "SegmentIdentificationSequence").integer("ReferencedSegmentNumber")
        if number in SEGMENTS:
            mask[SEGMENTS[number], _slice_at(slices, position, path)] |= frame > 0
    return mask_to_reference(mask, Grid(*shape, tuple(slices[0].spacing)))


def _item(tags: Tags, keyword: str) -> Tags:
    items = tags.items(keyword)
    if not items:
        raise refuse(tags.path, "bad-tag", f"a frame has no {keyword}", "Build the study again")
    return items[0]


def _slice_at(slices: Sequence[Slice], position: np.ndarray, path: Path) -> int:
    """Return the index of the slice whose corner lies at `position` (half a pixel's tolerance)."""
    distances = np.array([np.abs(one.origin - position).max() for one in slices])
    nearest = int(distances.argmin())
    if distances[nearest] > slices[nearest].spacing.min() / 2:
        raise refuse(
            path,
            "mixed-frame",
            f"a frame at {position.tolist()} mm lies on no image of the T2w series",
            "Build the study again",
        )
    return nearest
