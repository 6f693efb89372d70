"""Tissue maps of one synthetic patient: seven axial slices from hyoid bone to sella.

The patient's seed fixes the anatomy at all time points; the pose is new at each examination.
"""

from dataclasses import dataclass

import numpy as np

from npc_demo.habitus import Habitus, stream
from npc_demo.patient import COURSE, Patient
from npc_demo.shapes import Bend
from npc_demo.slices import LEVELS, SLICE_SPACING_MM, FatFailure, PaintedSlice
from npc_demo.tumour import grow

TARGET = (0.0, -12.0)  # canonical centre of the region of interest


@dataclass(frozen=True)
class Anatomy:
    """Tissue maps of one patient at one time point, slices from below upwards.

    Attributes
    ----------
    top, below : ndarray of uint8, shape (slices, 320, 320)
        Codes (`tissues.CODE`) of the two tissues of a pixel.
    share : ndarray of uint8
        Share of ``top``; 255 = all.
    texture : ndarray of float32
        Multiplies the signal.
    tumour, nodes : ndarray of uint8
        Share of a pixel that is tumour or node, necrosis included; 255 = all.
    fat_failures : tuple of FatFailure
    """

    top: np.ndarray
    below: np.ndarray
    share: np.ndarray
    texture: np.ndarray
    tumour: np.ndarray
    nodes: np.ndarray
    field_of_view_mm: float
    slice_spacing_mm: float
    bend: Bend
    fat_failures: tuple[FatFailure, ...]

    @property
    def pixel_mm(self) -> float:
        """Side of an acquired pixel."""
        return self.field_of_view_mm / self.top.shape[-1]

    @property
    def tumour_volume_ml(self) -> float:
        """Volume of the primary tumour: area times the distance of the slices."""
        voxel_ml = self.pixel_mm**2 * self.slice_spacing_mm / 1000
        return float(self.tumour.sum(dtype=np.int64) / 255 * voxel_ml)


def draw_anatomy(patient: Patient, timepoint: str) -> Anatomy:
    """Draw all slices of one patient at one time point.

    Parameters
    ----------
    timepoint : {"pre", "mid", "post"}

    Returns
    -------
    Anatomy

    Raises
    ------
    ValueError
        If there is no such time point.
    """
    if timepoint not in COURSE:
        raise ValueError(f"timepoint is {timepoint!r}; use 'pre', 'mid' or 'post'")
    habitus = Habitus.draw(patient, timepoint)
    growth = grow(patient, timepoint, stream(patient, "tumour"))
    slices = [
        PaintedSlice(patient, timepoint, index, habitus, growth).draw()
        for index in range(len(LEVELS))
    ]
    return Anatomy(
        top=np.stack([painted.canvas.top for painted in slices]),
        below=np.stack([painted.canvas.below for painted in slices]),
        share=np.stack([painted.canvas.share for painted in slices]),
        texture=np.stack([painted.texture for painted in slices]),
        tumour=np.stack([painted.tumour for painted in slices]),
        nodes=np.stack([painted.nodes for painted in slices]),
        field_of_view_mm=habitus.field_of_view_mm,
        slice_spacing_mm=SLICE_SPACING_MM,
        bend=habitus.bend,
        fat_failures=tuple(failure for painted in slices for failure in painted.fat_failures),
    )
