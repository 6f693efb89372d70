"""Where the images of a series lie: in what order, how far apart, and whether one is missing.

Slices are ordered by their place along the slice normal, never by file name (DICOM PS3.3,
C.7.6.2 Image Plane Module). Irregular geometry is refused instead of guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from npc_helpers.imaging.tags import Finding, Tags
from npc_helpers.study.dicom_file import DicomError, refuse

ANGLE_TOLERANCE = 1e-3  # largest difference of a direction cosine within a series
POSITION_TOLERANCE_MM = 0.1  # or 1% of the slice spacing, whichever is larger


@dataclass(frozen=True, eq=False)
class Slice:
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


def slices_of(tags: Tags) -> list[Slice]:
    """Return the geometry and rescale of every image in one file.

    Raises
    ------
    DicomError
        If a tag that says so is missing, malformed or impossible.
    """
    frames = tags.items("PerFrameFunctionalGroupsSequence")
    if not frames:
        return [_slice(tags, -1, position=tags, orientation=tags, measures=tags, rescale=tags)]
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
        result.append(_slice(tags, number, **parts))
    return result


def _slice(
    tags: Tags, frame: int, *, position: Tags, orientation: Tags, measures: Tags, rescale: Tags
) -> Slice:
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
    return Slice(
        path=tags.path,
        frame=frame,
        origin=position.numbers("ImagePositionPatient", 3),
        orientation=cosines,
        spacing=spacing,
        slope=slope,
        intercept=rescale.number("RescaleIntercept", 0.0),
        measures=measures,
    )


def in_order(folder: Path, slices: list[Slice]) -> tuple[list[Slice], np.ndarray]:
    """Sort the images of a series by their position along the slice normal.

    Returns
    -------
    list of Slice
    ndarray, shape (slices,)
        Positions in mm, increasing.

    Raises
    ------
    DicomError
        If orientations or pixel sizes are mixed, or two images lie in one place.
    """
    first = slices[0]
    for other in slices[1:]:
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
    positions = np.array([one.origin @ normal for one in slices])
    order = np.argsort(positions, kind="stable")
    slices, positions = [slices[i] for i in order], positions[order]
    for i in np.flatnonzero(np.diff(positions) < POSITION_TOLERANCE_MM):
        raise DicomError(
            f"{folder}: {slices[i].name} and {slices[i + 1].name} lie in the same place "
            f"({positions[i]:.1f} mm). Remove the copy, or split repeated or multi-echo images "
            "into one folder each.",
            "duplicate-position",
        )
    return slices, positions


def slice_spacing(
    folder: Path, slices: list[Slice], positions: np.ndarray, findings: list[Finding]
) -> float:
    """Return the distance between the centres of slices that `in_order` has sorted, in mm.

    What is odd is added to `findings`. A single slice's header is believed; NaN if it is silent.

    Raises
    ------
    DicomError
        If slices are missing or unevenly spaced.
    """
    stated = abs(slices[0].measures.number("SpacingBetweenSlices", float("nan")))
    if len(slices) == 1:
        return stated
    steps = np.diff(positions)
    step = float(np.sort(steps)[(len(steps) - 1) // 2])
    tolerance = max(POSITION_TOLERANCE_MM, 0.01 * step)
    for i in np.flatnonzero(np.abs(steps - step) > tolerance):
        between = f"between {slices[i].name} ({positions[i]:.1f} mm) and {slices[i + 1].name} "
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
        _compare_with_header(folder, slices[0], stated, mean, findings)
    _note_shift(slices, findings)
    return mean


def _compare_with_header(
    folder: Path, one: Slice, stated: float, mean: float, findings: list[Finding]
) -> None:
    """Refuse a series of which only every second (third, ...) slice is there; else note it.

    Some scanners write the gap between slices into SpacingBetweenSlices, not the distance of
    their centres, and some programs (GDCM) write 1 where they know nothing. So missing slices
    count as proven only where SliceThickness rules out the gap and is no more than the distance.
    """
    says = f"header says {stated:g} mm between slices, positions say {mean:.2f} mm"
    times = round(mean / stated) if stated else 0
    regular = times >= 2 and abs(mean - times * stated) <= 0.01 * mean
    thickness = one.measures.number("SliceThickness", float("nan"))
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
    findings.append(Finding("warn", "spacing-tag", one.path.name, message))


def _note_shift(slices: list[Slice], findings: list[Finding]) -> None:
    """Note slices that do not lie straight above each other (by a pixel or more)."""
    first = slices[0]
    in_plane = first.orientation.reshape(2, 3)
    for one in slices[1:]:
        shift = np.abs(in_plane @ (one.origin - first.origin)).max()
        if shift > first.spacing.min():
            message = "slices are shifted sideways against each other by a pixel or more"
            findings.append(Finding("warn", "shifted", one.path.name, message))
