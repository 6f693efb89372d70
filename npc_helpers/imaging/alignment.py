"""Do the slices of two series lie at the same place? What has to hold before rectangles are copied.

Where the first pixel of an image lies is not kept in an `MRSeries`, so that a shift within the
plane of the slices is not seen here.
"""

import numpy as np

from npc_helpers.imaging.mr_series import MRSeries

SPACING_TOLERANCE = 0.01  # of the pixel size: 5 pixels at the far edge of 512
POSITION_TOLERANCE_MM = 1.0
DIRECTION_TOLERANCE = 0.01  # of a direction cosine: 0.6 degrees


def difference(first: MRSeries, second: MRSeries) -> str:
    """Return in words what keeps the pixels of two series from corresponding, or "".

    Matrix, number of slices, pixel size (to 1%), orientation (to 0.6 degrees) and slice positions
    (to 1 mm) are compared, in this order; the first difference is named.
    """
    if first.array.shape != second.array.shape:
        sizes = (" x ".join(map(str, series.array.shape)) for series in (first, second))
        return f"slices x rows x columns are {' against '.join(sizes)}"
    spacings = first.pixel_spacing_mm, second.pixel_spacing_mm
    if not np.allclose(*spacings, rtol=SPACING_TOLERANCE):
        texts = (" x ".join(f"{mm:.2f}" for mm in spacing) + " mm" for spacing in spacings)
        return f"pixels are {' against '.join(texts)}"
    if not _same_plane(first, second):
        return "the slices lie in different planes"
    apart = np.abs(first.positions_mm - second.positions_mm)
    if apart.max() > POSITION_TOLERANCE_MM:
        return f"slice {apart.argmax() + 1} lies {apart.max():.1f} mm from the other's"
    return ""


def slice_notes(shown: MRSeries, beside: MRSeries, *, name: str) -> list[str]:
    """Return a note for every slice number at which `shown` and `beside` are not in step.

    One per slice of the longer series, blank where both lie within 1 mm; whichever is shorter stays
    at its last slice. `name` is what to call `beside`.
    """
    n = max(len(shown.positions_mm), len(beside.positions_mm))
    if not _same_plane(shown, beside):
        return [f"another plane than {name}"] * n
    places = [
        series.positions_mm[np.minimum(np.arange(n), len(series.positions_mm) - 1)]
        for series in (shown, beside)
    ]
    return [
        f"this slice lies {mm:.1f} mm from that of {name}" if mm > POSITION_TOLERANCE_MM else ""
        for mm in np.abs(places[0] - places[1])
    ]


def _same_plane(first: MRSeries, second: MRSeries) -> bool:
    return np.allclose(first.orientation, second.orientation, rtol=0, atol=DIRECTION_TOLERANCE)
