"""Where the images of a series lie: heights along the slice normal, read from their headers.

`npc_helpers.imaging.dicom` refuses a series that is not one regular stack. Here it is only
looked at: which places there are, how many images lie in each, and whether one is missing.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from npc_helpers.imaging.dicom import POSITION_TOLERANCE_MM
from npc_helpers.imaging.headers import ANGLE_TOLERANCE
from npc_intake.find.headers import Image

GAP = 1.5  # a step longer than this many usual ones: a slice is missing
SIDEWAYS_MM = 1.0  # slices further off than this do not lie above each other
SAME_PLANE = 0.1  # largest difference of a component of the normals of one plane

Normal = tuple[float, float, float]
Places = dict[int, list[float]]  # number of the plane -> sorted heights along its normal


class Heights(NamedTuple):
    """Where the frames of one image (or of frames that are alike) lie."""

    normal: Normal
    heights: list[float]
    cosines: tuple[float, ...]  # of rows and columns
    points: list[tuple[float, float, float]]  # where the first pixels lie


def heights_of(image: Image) -> Heights | None:
    """Return slice normal and heights along it; None where the header does not tell."""
    normal = normal_of(image.get("ImageOrientationPatient", ""))
    numbers = _floats(image.get("ImagePositionPatient", ""))
    if normal is None or not numbers or len(numbers) % 3:
        return None
    x, y, z = normal
    points = list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))
    heights = [x * a + y * b + z * c for a, b, c in points]
    return Heights(normal, heights, cosines_of(image["ImageOrientationPatient"]), points)


@lru_cache(maxsize=1024)
def normal_of(orientation: str) -> Normal | None:
    """Return the slice normal of an ImageOrientationPatient; None if it is none."""
    cosines = cosines_of(orientation)
    if len(cosines) != 6:
        return None
    a, b, c, d, e, f = cosines
    return (b * f - c * e, c * d - a * f, a * e - b * d)


@lru_cache(maxsize=1024)
def cosines_of(orientation: str) -> tuple[float, ...]:
    """Return the direction cosines of an ImageOrientationPatient; none if they are no numbers."""
    return tuple(_floats(orientation))


def _floats(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split("\\")]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


class Planes:
    """Planes of one series, by number: directions that nearly agree are one plane."""

    def __init__(self) -> None:
        self._normals: list[Normal] = []
        self._numbers: dict[Normal, int] = {}

    def number(self, normal: Normal) -> int:
        """Return the number of the plane with this normal, a new one if there is none yet."""
        if normal not in self._numbers:
            self._numbers[normal] = self._find(normal)
        return self._numbers[normal]

    def _find(self, normal: Normal) -> int:
        for number, known_normal in enumerate(self._normals):
            if max(abs(a - b) for a, b in zip(known_normal, normal, strict=True)) < SAME_PLANE:
                return number
        self._normals.append(normal)
        return len(self._normals) - 1

    def places(self, images: Iterable[Heights | None]) -> Places:
        """Return where images lie, by plane."""
        heights: Places = {}
        for image in images:
            if image is not None:
                heights.setdefault(self.number(image.normal), []).extend(image.heights)
        return {plane: sorted(values) for plane, values in heights.items()}


def n_frames(images: Sequence[Image]) -> int:
    """Return how many images there are: frames that are alike stand in one dict."""
    counts = (len(image.get("ImagePositionPatient", "").split("\\")) // 3 for image in images)
    return sum(max(count, 1) for count in counts)


def _steps(heights: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(heights)]


def covers(places: Places, everywhere: Places) -> bool:
    """Tell whether there is an image in every place of the series."""
    for plane, heights in everywhere.items():
        ours = [-math.inf, *places.get(plane, []), math.inf]
        for height in heights:
            above = bisect_left(ours, height)
            if min(ours[above] - height, height - ours[above - 1]) > POSITION_TOLERANCE_MM:
                return False
    return bool(everywhere)


def repeats(places: Places) -> tuple[int, str]:
    """Return how many images lie in each place, and what is wrong if that is not one."""
    counts = []
    for heights in places.values():
        counts.append(1)
        for step in _steps(heights):
            if step > POSITION_TOLERANCE_MM:
                counts.append(1)
            else:
                counts[-1] += 1
    most = max(counts, default=1)
    if most == 1:
        return 1, ""
    if min(counts) == most:
        return most, f"{most} images lie in each place: repeated, or copied under new names"
    several = sum(count > 1 for count in counts)
    return most, f"in {several} of {len(counts)} places there are several images"


def turned(images: Iterable[Heights | None]) -> str:
    """Say that images are turned against each other; blank if none is."""
    directions = zip(*{image.cosines for image in images if image}, strict=True)
    if max((max(c) - min(c) for c in directions), default=0.0) <= ANGLE_TOLERANCE:
        return ""
    return "its images are turned against each other. Export each stack apart"


def sideways(images: Iterable[Heights | None]) -> str:
    """Say how far images are shifted within their plane; blank if they lie above each other."""
    given = [image for image in images if image]
    if not given:
        return ""
    points = [point for image in given for point in image.points]
    for a, b, c in (given[0].cosines[:3], given[0].cosines[3:]):
        along = [a * x + b * y + c * z for x, y, z in points]
        if max(along) - min(along) > SIDEWAYS_MM:
            return f"slices are shifted sideways, by up to {max(along) - min(along):.0f} mm"
    return ""


def gap(places: Places) -> str:
    """Say how many slices are missing inside the stack, or that steps differ; blank if neither."""
    for heights in places.values():
        steps = [step for step in _steps(heights) if step > POSITION_TOLERANCE_MM]
        if len(steps) > 1 and max(steps) > GAP * (usual := median(steps)):
            missing = sum(round(step / usual) - 1 for step in steps if step > GAP * usual)
            return f"{missing} slice(s) missing inside the stack. Copy or export the series again"
        if steps and max(steps) - min(steps) > 2 * max(POSITION_TOLERANCE_MM, 0.01 * min(steps)):
            return (
                f"slices are {min(steps):.1f} to {max(steps):.1f} mm apart. Export the series again"
            )
    return ""
