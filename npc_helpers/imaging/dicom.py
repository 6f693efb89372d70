"""How a folder of DICOM files becomes one volume: to be read from top to bottom.

`read_series` names the five steps, and each stands below it in this order: open the files, make
sure that they are one series, put the images in order, measure how far they lie apart, decode them
into one array. What a single file says is read in `headers`, how its pixels are decoded in
`pixels`. What is odd about a series is repaired and noted, or refused; nothing is guessed at.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from npc_helpers.imaging.headers import (
    ANGLE_TOLERANCE,
    Plane,
    Tags,
    check_image,
    open_file,
    planes_of,
    sequence_in_words,
)
from npc_helpers.imaging.mr_series import Finding, MRSeries
from npc_helpers.imaging.pixels import decode
from npc_helpers.study.dicom_file import DicomError, pydicom_remarks, refuse
from npc_helpers.study.slices import repeats, slice_of

MODALITY = "MR"
LARGEST_SERIES = 1 << 28  # bytes as stored: 512 images of 512 x 512 pixels of 16 bits
POSITION_TOLERANCE_MM = 0.1  # or 1% of the slice spacing, whichever is larger
ONE_SERIES = "Keep one series per folder"
COPY_AGAIN = "Copy or export the series again"


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
    folder = Path(folder)
    findings: list[Finding] = []
    with pydicom_remarks() as remarks:  # some come when a tag is first used
        files = open_images(folder, findings)
        planes = [plane for tags in files for plane in planes_of(tags)]
        _check_count(folder, n_images, len(files), len(planes))
        _check_same_series(folder, files)
        planes, positions_mm = in_order(folder, planes)
        spacing_mm = _slice_spacing(folder, planes, positions_mm)
        array = _decoded(files, planes, findings)  # (slices, rows, columns)
        findings += _odd_slices(array, planes)
        first, (row_mm, column_mm) = files[0], planes[0].spacing.tolist()
        patient_id, description = first.text("PatientID"), first.text("SeriesDescription")
        sequence = sequence_in_words(first)
    findings += [finding for tags in files for finding in tags.findings]
    findings += [Finding("info", "pydicom", "", remark) for remark in remarks]
    return MRSeries(
        array=array,
        pixel_spacing_mm=(row_mm, column_mm),
        positions_mm=positions_mm,
        slice_spacing_mm=spacing_mm,
        orientation=planes[0].orientation,
        patient_id=patient_id,
        description=description,
        findings=_merged(findings),
        sequence=sequence,
    )


def _merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Join findings that differ by file only into one that names the first and counts the rest."""
    alike: dict[Finding, list[Finding]] = {}
    for finding in findings:
        alike.setdefault(replace(finding, file=""), []).append(finding)
    return tuple(
        replace(first, file=f"{first.file} and {len(others)} more") if others else first
        for first, *others in alike.values()
    )


def refuse_series(folder: Path, code: str, problem: str, action: str) -> DicomError:
    """Return the error for a folder as a whole: what is wrong with it, and what to do."""
    return DicomError(f"{folder}: {problem}. {action}.", code)


# --- open the files -------------------------------------------------------------------------------


def open_images(folder: Path, findings: list[Finding], *, pixels: bool = True) -> list[Tags]:
    """Open every MR image of a folder; refuse other DICOM objects.

    What is ignored is added to `findings`. The pixel data are read, too, but not yet decoded,
    unless `pixels` is False.
    """
    files, size = [], 0
    for path in list_files(folder, findings):
        tags = open_file(path, pixels=pixels)
        if tags is None:
            findings.append(_ignored(path))
            continue
        if (modality := tags.text("Modality") or "missing") != MODALITY:
            problem = f"its modality is {modality}, not {MODALITY}"
            action = "Keep the images of one MR series in this folder and nothing else"
            raise refuse(path, "wrong-modality", problem, action)
        size += check_image(tags) if pixels else 0
        if size > LARGEST_SERIES:
            problem = "the images are too many to be read at once, more than "
            problem += f"{LARGEST_SERIES >> 20} MiB"
            raise refuse_series(folder, "too-large", problem, ONE_SERIES)
        files.append(tags)
    if not files:
        ignored = f" ({len(findings)} other file(s) ignored)" if findings else ""
        action = "Put the series back, or correct the column path of data_manifest.csv"
        raise refuse_series(folder, "empty-folder", f"no DICOM image here{ignored}", action)
    return files


def list_files(folder: Path, findings: list[Finding]) -> list[Path]:
    """Return the files of a folder that may be DICOM, by name, with findings about the others.

    A link to a place outside the folder is refused.
    """
    if not folder.is_dir():
        action = "Check the column path of data_manifest.csv"
        raise refuse_series(folder, "no-folder", "no such folder", action)
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        action = "Check that it is still there and that you may read it"
        problem = f"the folder cannot be read ({error})"
        raise refuse_series(folder, "unreadable", problem, action) from error
    files = []
    for path in paths:
        if is_link_outwards(path, folder):
            raise refuse(path, "link", "a link that leaves the folder", "Put the file itself there")
        if path.is_dir():
            findings.append(Finding("info", "ignored-folder", path.name, "folder inside; not read"))
        elif path.name.startswith(".") or path.name.upper() == "DICOMDIR":
            findings.append(_ignored(path))
        else:
            files.append(path)
    return files


def is_link_outwards(path: Path, root: Path) -> bool:
    """Tell whether a file is a link to something that does not lie below `root`."""
    try:
        target = path.resolve()
        in_a_circle = target.is_symlink()  # Python 3.13 follows such a link no further
        return path.is_symlink() and (in_a_circle or not target.is_relative_to(root.resolve()))
    except (OSError, RuntimeError):  # Python before 3.13 raises for a link in a circle
        return True


def _ignored(path: Path) -> Finding:
    return Finding("info", "ignored-file", path.name, "ignored: not a DICOM image")


# --- make sure that they are one series -----------------------------------------------------------


def _check_count(folder: Path, expected: int | None, n_files: int, n_slices: int) -> None:
    if expected is None or expected in (n_files, n_slices):
        return
    code, action = "added-images", "Files were added: remove them, or copy"
    if n_files < expected:
        code, action = "missing-images", "Files were lost: copy"
    problem = f"{n_files} DICOM files where data_manifest.csv says {expected}"
    action += " the series again, or correct the column n_images"
    raise refuse_series(folder, code, problem, action)


def _check_same_series(folder: Path, files: list[Tags]) -> None:
    """Refuse mixed patients, matrices and frames of reference; note mixed series."""

    def matrix(tags: Tags) -> str:
        return f"{tags.integer('Rows')}x{tags.integer('Columns')}"

    def frame_of_reference(tags: Tags) -> str:
        return tags.text("FrameOfReferenceUID")

    first = files[0]
    for code, fault, value_of in (
        ("mixed-patients", "different patients", lambda tags: tags.text("PatientID")),
        ("mixed-matrix", "images of different size", matrix),
        ("mixed-frame", "different frames of reference", frame_of_reference),
    ):
        expected = value_of(first) or "blank"
        stranger = next((tags for tags in files if (value_of(tags) or "blank") != expected), None)
        if stranger is not None:
            value = value_of(stranger) or "blank"
            names = f"{first.path.name} has {expected}, {stranger.path.name} has {value}"
            if code == "mixed-patients":  # messages end up in notebooks: no identifiers
                names = f"{first.path.name} and {stranger.path.name} differ in PatientID"
            raise refuse_series(folder, code, f"{fault} in one folder: {names}", ONE_SERIES)
    if not frame_of_reference(first):
        first.note("info", "no-frame", "no frame of reference; positions are taken to share one")
    file_of: dict[str, Tags] = {}
    for tags in files:
        uid = tags.text("SOPInstanceUID")
        if uid and file_of.setdefault(uid, tags) is not tags:
            message = f"the same SOPInstanceUID as {file_of[uid].path.name}"
            tags.note("warn", "same-uid", message)
        if tags.text("SeriesInstanceUID") != first.text("SeriesInstanceUID"):
            tags.note("warn", "mixed-series", "another SeriesInstanceUID than the first file")


# --- put the images in order ----------------------------------------------------------------------


def in_order(folder: Path, planes: list[Plane]) -> tuple[list[Plane], np.ndarray]:
    """Sort the images of a series by their position along the slice normal (mm, increasing).

    Never by file name: DICOM PS3.3, C.7.6.2 (Image Plane Module). Mixed orientations or pixel sizes
    are refused, and two images in one place.
    """
    first = planes[0]
    for plane in planes[1:]:
        if np.abs(plane.orientation - first.orientation).max() > ANGLE_TOLERANCE:
            problem = "images of different orientation in one folder: "
            problem += f"{first.name} and {plane.name}"
            action = "Remove the localiser or the reformatted images"
            raise refuse_series(folder, "mixed-orientation", problem, action)
        if not np.allclose(plane.spacing, first.spacing, rtol=1e-3):
            problem = f"pixels of different size in one folder: {first.name} has "
            problem += f"{first.spacing.tolist()} mm, {plane.name} {plane.spacing.tolist()} mm"
            raise refuse_series(folder, "mixed-spacing", problem, ONE_SERIES)
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    positions = np.array([plane.origin @ normal for plane in planes])
    order = np.argsort(positions, kind="stable")
    planes, positions = [planes[i] for i in order], positions[order]
    for i in np.flatnonzero(np.diff(positions) < POSITION_TOLERANCE_MM):
        names = f"{planes[i].name} and {planes[i + 1].name}"
        problem = f"{names} lie in the same place ({positions[i]:.1f} mm)"
        action = "Remove the copy, or split repeated or multi-echo images into one folder each"
        raise refuse_series(folder, "duplicate-position", problem, action)
    return planes, positions


# --- measure how far they lie apart ---------------------------------------------------------------


def _slice_spacing(folder: Path, planes: list[Plane], positions: np.ndarray) -> float:
    """Return the distance between the centres of slices that `in_order` has sorted, in mm.

    Missing slices and uneven spacing are refused, what else is odd is noted. A single slice's
    header is believed; NaN if it is silent.
    """
    stated = abs(planes[0].measures.number("SpacingBetweenSlices", float("nan")))
    if len(planes) == 1:
        return stated
    steps = np.diff(positions)
    step = float(np.sort(steps)[(len(steps) - 1) // 2])
    tolerance = max(POSITION_TOLERANCE_MM, 0.01 * step)
    for i in np.flatnonzero(np.abs(steps - step) > tolerance):
        between = f"between {planes[i].name} ({positions[i]:.1f} mm) and {planes[i + 1].name} "
        between += f"({positions[i + 1]:.1f} mm)"
        if steps[i] > 1.5 * step:
            missing = f"{round(steps[i] / step) - 1} slice(s) missing {between}"
            problem = f"{missing}; the others are {step:.1f} mm apart"
            raise refuse_series(folder, "missing-slice", problem, COPY_AGAIN)
        problem = f"uneven slice spacing: {steps[i]:.2f} mm {between}, but {step:.2f} mm elsewhere"
        action = f"{ONE_SERIES}, or leave it out of data_manifest.csv"
        raise refuse_series(folder, "uneven-spacing", problem, action)
    mean = float(steps.mean())
    if abs(stated - mean) > tolerance:
        _compare_with_header(folder, planes[0], stated, mean)
    _note_shift(planes)
    return mean


def _compare_with_header(folder: Path, plane: Plane, stated: float, mean: float) -> None:
    """Refuse a series of which only every second (third, ...) slice is there; else note it.

    Some scanners write the gap between slices into SpacingBetweenSlices, not the distance of
    their centres, and some programs (GDCM) write 1 where they know nothing. So missing slices
    count as proven only where SliceThickness rules out the gap and is no more than the distance.
    """
    says = f"header says {stated:g} mm between slices, positions say {mean:.2f} mm"
    times = round(mean / stated) if stated else 0
    regular = times >= 2 and abs(mean - times * stated) <= 0.01 * mean
    thickness = plane.measures.number("SliceThickness", float("nan"))
    if regular and thickness <= 1.01 * stated and abs(stated + thickness - mean) > 0.02 * mean:
        problem = f"{says}: only one of every {times} slices is here"
        raise refuse_series(folder, "missing-slice", problem, f"{COPY_AGAIN}, with all its slices")
    may_be = "the header gives the gap between slices instead of the distance of their centres"
    if regular:
        may_be += f", or only one of every {times} slices is here: compare with the archive"
    plane.tags.note("warn", "spacing-tag", f"{says}; the positions are used. Perhaps {may_be}")


def _note_shift(planes: list[Plane]) -> None:
    """Note slices that do not lie straight above each other (by a pixel or more)."""
    first = planes[0]
    in_plane = first.orientation.reshape(2, 3)
    for plane in planes[1:]:
        shift = np.abs(in_plane @ (plane.origin - first.origin)).max()
        if shift > first.spacing.min():
            message = "slices are shifted sideways against each other by a pixel or more"
            plane.tags.note("warn", "shifted", message)


# --- decode them into one array -------------------------------------------------------------------


def _decoded(files: list[Tags], planes: list[Plane], findings: list[Finding]) -> np.ndarray:
    """Decode all images to one array (planes, rows, columns).

    As stored, or rescaled as float32 where any has a slope or intercept. Each file's compressed
    pixels are dropped once they are decoded.
    """
    as_stored = all(plane.slope == 1 and plane.intercept == 0 for plane in planes)
    if not as_stored:
        _note_rescale(planes, findings)
    places: dict[Tags, list[int]] = {tags: [] for tags in files}
    for place, plane in enumerate(planes):
        places[plane.tags].append(place)
    array = None
    for tags in files:
        images = decode(tags)  # (frames, rows, columns)
        del tags.dataset.PixelData  # or a series would be in memory twice
        if len(images) != len(places[tags]):
            problem = f"it holds {len(images)} images but describes {len(places[tags])}"
            action = "Export the series again as single-frame or as complete enhanced MR"
            raise refuse(tags.path, "mixed-matrix", problem, action)
        dtype = images.dtype if as_stored else np.dtype(np.float32)
        if array is None:
            array = np.empty((len(planes), *images.shape[1:]), dtype)
        array = array.astype(np.promote_types(array.dtype, dtype), copy=False)
        for place in places[tags]:
            plane = planes[place]
            array[place] = images[max(plane.frame, 0)]  # (rows, columns)
            if not as_stored:
                array[place] *= np.float32(plane.slope)
                array[place] += np.float32(plane.intercept)
    return array


def _odd_slices(array: np.ndarray, planes: list[Plane]) -> list[Finding]:
    """Notice slices that show nothing, and slices that show the same as another."""
    images = [
        slice_of(plane.tags.path.name, pixels) for plane, pixels in zip(planes, array, strict=True)
    ]
    message = "blank: every pixel has the same value"
    blank = [Finding("warn", "blank-slice", i.name, message) for i in images if i.is_blank]
    return blank + [
        Finding("warn", "repeated-slice", image.name, f"shows the same as {first.name}")
        for image, first in repeats(images)
    ]


def _note_rescale(planes: list[Plane], findings: list[Finding]) -> None:
    slopes = [plane.slope for plane in planes]
    low, high = min(slopes), max(slopes)
    if low != high:
        message = f"rescale slope differs between slices ({low:g} to {high:g})"
        findings.append(Finding("info", "rescale", "", message))
    if low < 0:
        findings.append(Finding("warn", "rescale", "", "a rescale slope is negative"))
