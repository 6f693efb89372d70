"""Do the slices of two series lie at the same place? What has to hold before rectangles are copied.

Where the first pixel of an image lies is not kept in an `MRSeries`, so that a shift within the
plane of the slices is not seen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from npc_helpers.imaging.mr_series import MRSeries

SPACING_TOLERANCE = 0.01  # of the pixel size: 5 pixels at the far edge of 512
POSITION_TOLERANCE_MM = 1.0
DIRECTION_TOLERANCE = 0.01  # of a direction cosine: 0.6 degrees


def difference(one: MRSeries, other: MRSeries) -> str:
    """Return in words what keeps the pixels of two series from corresponding, or "".

    Matrix, number of slices, pixel size (to 1%), orientation (to 0.6 degrees) and slice positions
    (to 1 mm) are compared, in this order; the first difference is named, `one` before `other`.
    """
    if one.array.shape != other.array.shape:
        return f"slices x rows x columns are {_sizes(one)} against {_sizes(other)}"
    if not np.allclose(one.pixel_spacing_mm, other.pixel_spacing_mm, rtol=SPACING_TOLERANCE):
        return f"pixels are {_spacing(one)} against {_spacing(other)}"
    if not _same_plane(one, other):
        return "the slices lie in different planes"
    apart = np.abs(one.positions_mm - other.positions_mm)
    if apart.max() > POSITION_TOLERANCE_MM:
        return f"slice {apart.argmax() + 1} lies {apart.max():.1f} mm from the other's"
    return ""


def slice_notes(shown: MRSeries, beside: MRSeries, *, name: str) -> list[str]:
    """Return a note for every slice number at which two series are not in step.

    Parameters
    ----------
    shown : MRSeries
        The series that the notes are about.
    beside : MRSeries
        The series seen beside it; whichever is shorter stays at its last slice.
    name : str
        What to call `beside`.

    Returns
    -------
    list of str
        One per slice of the longer series; blank where both lie within 1 mm.
    """
    n = max(len(shown.positions_mm), len(beside.positions_mm))
    if not _same_plane(shown, beside):
        return [f"another plane than {name}"] * n
    here, there = (
        one.positions_mm[np.minimum(np.arange(n), len(one.positions_mm) - 1)]
        for one in (shown, beside)
    )
    return [
        f"this slice lies {abs(mm):.1f} mm from that of {name}"
        if abs(mm) > POSITION_TOLERANCE_MM
        else ""
        for mm in here - there
    ]


def _same_plane(one: MRSeries, other: MRSeries) -> bool:
    return np.allclose(one.orientation, other.orientation, rtol=0, atol=DIRECTION_TOLERANCE)


def _sizes(series: MRSeries) -> str:
    return " x ".join(map(str, series.array.shape))


def _spacing(series: MRSeries) -> str:
    return " x ".join(f"{mm:.2f}" for mm in series.pixel_spacing_mm) + " mm"
