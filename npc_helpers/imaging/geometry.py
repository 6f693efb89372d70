"""Where the images of a series lie: in what order, how far apart, and whether one is missing.

Slices are ordered by their place along the slice normal, never by file name (DICOM PS3.3,
C.7.6.2 Image Plane Module). Irregular geometry is refused instead of guessed at.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from npc_helpers.imaging.headers import ANGLE_TOLERANCE, Plane
from npc_helpers.imaging.tags import Finding
from npc_helpers.study.dicom_file import DicomError

POSITION_TOLERANCE_MM = 0.1  # or 1% of the slice spacing, whichever is larger


def in_order(folder: Path, planes: list[Plane]) -> tuple[list[Plane], np.ndarray]:
    """Sort the images of a series by their position along the slice normal.

    Returns
    -------
    list of Plane
    ndarray, shape (slices,)
        Positions in mm, increasing.

    Raises
    ------
    DicomError
        If orientations or pixel sizes are mixed, or two images lie in one place.
    """
    first = planes[0]
    for other in planes[1:]:
        if np.abs(other.orientation - first.orientation).max() > ANGLE_TOLERANCE:
            raise DicomError(
                f"{folder}: images of different orientation in one folder: {first.name} and "
                f"{other.name}. Remove the localiser or the reformatted images.",
                "mixed-orientation",
            )
        if not np.allclose(other.spacing, first.spacing, rtol=1e-3):
            raise DicomError(
                f"{folder}: pixels of different size in one folder: {first.name} has "
                f"{first.spacing.tolist()} mm, {other.name} {other.spacing.tolist()} mm. "
                "Keep one series per folder.",
                "mixed-spacing",
            )
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    positions = np.array([plane.origin @ normal for plane in planes])
    order = np.argsort(positions, kind="stable")
    planes, positions = [planes[i] for i in order], positions[order]
    for i in np.flatnonzero(np.diff(positions) < POSITION_TOLERANCE_MM):
        raise DicomError(
            f"{folder}: {planes[i].name} and {planes[i + 1].name} lie in the same place "
            f"({positions[i]:.1f} mm). Remove the copy, or split repeated or multi-echo images "
            "into one folder each.",
            "duplicate-position",
        )
    return planes, positions


def slice_spacing(
    folder: Path, planes: list[Plane], positions: np.ndarray, findings: list[Finding]
) -> float:
    """Return the distance between the centres of slices that `in_order` has sorted, in mm.

    What is odd is added to `findings`. A single slice's header is believed; NaN if it is silent.

    Raises
    ------
    DicomError
        If slices are missing or unevenly spaced.
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
            n = round(steps[i] / step) - 1
            raise DicomError(
                f"{folder}: {n} slice(s) missing {between}; the others are {step:.1f} mm apart. "
                "Copy or export the series again.",
                "missing-slice",
            )
        raise DicomError(
            f"{folder}: uneven slice spacing: {steps[i]:.2f} mm {between}, but {step:.2f} mm "
            "elsewhere. Keep one series per folder, or leave it out of data_manifest.csv.",
            "uneven-spacing",
        )
    mean = float(steps.mean())
    if abs(stated - mean) > tolerance:
        _compare_with_header(folder, planes[0], stated, mean, findings)
    _note_shift(planes, findings)
    return mean


def _compare_with_header(
    folder: Path, plane: Plane, stated: float, mean: float, findings: list[Finding]
) -> None:
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
        raise DicomError(
            f"{folder}: {says}: only one of every {times} slices is here. Copy or export the "
            "series again, with all its slices.",
            "missing-slice",
        )
    may_be = "the header gives the gap between slices instead of the distance of their centres"
    if regular:
        may_be += f", or only one of every {times} slices is here: compare with the archive"
    message = f"{says}; the positions are used. Perhaps {may_be}"
    findings.append(Finding("warn", "spacing-tag", plane.path.name, message))


def _note_shift(planes: list[Plane], findings: list[Finding]) -> None:
    """Note slices that do not lie straight above each other (by a pixel or more)."""
    first = planes[0]
    in_plane = first.orientation.reshape(2, 3)
    for plane in planes[1:]:
        shift = np.abs(in_plane @ (plane.origin - first.origin)).max()
        if shift > first.spacing.min():
            message = "slices are shifted sideways against each other by a pixel or more"
            findings.append(Finding("warn", "shifted", plane.path.name, message))
