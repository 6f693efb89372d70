"""The brightness of a series stretched to 0..255: MR images have no unit of their own."""

import numpy as np


def intensity_range(
    stack: np.ndarray, *, low: float = 0.5, high: float = 99.5
) -> tuple[float, float]:
    """Return two percentiles of the non-zero pixels of a series.

    Each is an observed value, the smallest with at least that share of the pixels at or below it
    (``numpy.percentile(..., method="inverted_cdf")``). A series of zeros has the range (0, 0).
    """
    if stack.dtype.kind in "ui" and stack.dtype.itemsize <= 2:
        lowest = int(np.iinfo(stack.dtype).min)
        counts = np.zeros(-lowest + int(np.iinfo(stack.dtype).max) + 1, dtype=np.int64)
        for image in stack:  # slice by slice: bincount needs eight bytes a pixel
            values = image.ravel() if lowest == 0 else image.ravel().astype(np.int32) - lowest
            counts += np.bincount(values, minlength=len(counts))
        counts[-lowest] = 0
        below = np.cumsum(counts)
        if below[-1] == 0:
            return 0.0, 0.0
        ranks = np.array([low, high]) / 100 * below[-1]
        ends = np.searchsorted(below, np.maximum(ranks, 1)) + lowest
    else:
        pixels = stack[stack != 0]
        if not pixels.size:
            return 0.0, 0.0
        ends = np.percentile(pixels, [low, high], method="inverted_cdf")
    return float(ends[0]), float(ends[1])


def stretch(image: np.ndarray, bottom: float, top: float) -> np.ndarray:
    """Map `bottom` and below to 0, `top` and above to 255, linearly between, rounded to uint8."""
    if top <= bottom:
        return np.where(image > bottom, 255, 0).astype(np.uint8)
    scaled = image.astype(np.float32)
    scaled -= bottom
    scaled *= 255 / (top - bottom)
    np.clip(scaled, 0, 255, out=scaled)
    return np.rint(scaled, out=scaled).astype(np.uint8)


def to_uint8(stack: np.ndarray) -> np.ndarray:
    """Stretch a series (slices, rows, columns) to 0..255 by its own `intensity_range`."""
    return stretch(stack, *intensity_range(stack))
