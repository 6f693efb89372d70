"""What an MR series is once it has been read, its grid of pixels, and what was odd about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REFERENCE_MATRIX = 512
REFERENCE_SPACING_MM = 250 / 512  # the demonstration study's field of view is 250 mm


@dataclass(frozen=True)
class Finding:
    """Something noticed while reading that did not prevent it.

    `severity` is info, warn or error, `code` a stable short name (``"ignored-file"``), `file` the
    name of the file, blank if it concerns the whole series.
    """

    severity: str
    code: str
    file: str
    message: str


@dataclass(frozen=True)
class Grid:
    """In-plane grid of pixels about a common centre; `spacing_mm` between rows, between columns."""

    rows: int
    columns: int
    spacing_mm: tuple[float, float]

    @classmethod
    def of(cls, series: MRSeries) -> Grid:
        """Return the grid of a series."""
        return cls(*series.array.shape[-2:], series.pixel_spacing_mm)

    @classmethod
    def reference(cls) -> Grid:
        """Return the grid of the paper's matrix."""
        return cls(REFERENCE_MATRIX, REFERENCE_MATRIX, (REFERENCE_SPACING_MM,) * 2)

    @property
    def is_reference_matrix(self) -> bool:
        """True for 512 x 512 pixels of any size: such images are used as they are."""
        return (self.rows, self.columns) == (REFERENCE_MATRIX, REFERENCE_MATRIX)

    def places_in(self, target: Grid) -> tuple[np.ndarray, np.ndarray]:
        """Return where this grid's rows and columns lie in another grid, in its pixels."""
        places = []
        for axis, n, n_target in ((0, self.rows, target.rows), (1, self.columns, target.columns)):
            millimetres = (np.arange(n) - (n - 1) / 2) * self.spacing_mm[axis]
            places.append(millimetres / target.spacing_mm[axis] + (n_target - 1) / 2)
        return places[0], places[1]


@dataclass(frozen=True, eq=False)
class MRSeries:
    """One MR series.

    Attributes
    ----------
    array : ndarray, shape (slices, rows, columns)
        In the stored type if the rescale is the identity, else float32 after rescale.
    pixel_spacing_mm : tuple of float
        Distance between rows, between columns.
    positions_mm : ndarray, shape (slices,)
        Along the slice normal, increasing.
    slice_spacing_mm : float
        Distance between slice centres; NaN for a single slice whose header does not say.
    orientation : ndarray, shape (6,)
        Direction cosines of a row and of a column (ImageOrientationPatient).
    patient_id, description : str
        PatientID and SeriesDescription as in the files.
    findings : tuple of Finding
        What was odd, repaired or ignored.
    source_grid : Grid or None
        The pixels of the files, where `array` has been resampled from them.
    sequence : str
        The pulse sequence as the first file describes it, ``"SE, TR 4000 ms, TE 90 ms"``;
        blank where it does not.
    """

    array: np.ndarray
    pixel_spacing_mm: tuple[float, float]
    positions_mm: np.ndarray
    slice_spacing_mm: float
    orientation: np.ndarray
    patient_id: str
    description: str
    findings: tuple[Finding, ...]
    source_grid: Grid | None = None
    sequence: str = ""
