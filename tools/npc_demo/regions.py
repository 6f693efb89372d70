"""Which pixels of a synthetic head belong to which structure: the truth behind its images."""

import numpy as np

from npc_demo.anatomy import Anatomy, draw_anatomy
from npc_demo.mri import MATRIX, enlarge
from npc_demo.patient import Patient
from npc_demo.slices import HEIGHT_ZERO
from npc_demo.tissues import CODE

TISSUES_OF = {
    "brain and cerebellum": ("grey_matter", "white_matter", "cerebellum"),
    "cerebrospinal fluid": ("csf",),
    "parotid glands": ("parotid", "treated_parotid"),
}
GLOBE = (29.5, -72.0)  # canonical centre of an eye (`levels_upper`), mirrored for the other
GLOBE_MM = 12.0  # its radius, with the wall


def regions(patient: Patient, timepoint: str, *, matrix: int = MATRIX) -> dict[str, np.ndarray]:
    """Return where tumour, nodes, brain, cerebrospinal fluid, parotid glands and eyes lie.

    Parameters
    ----------
    patient : Patient
    timepoint : {"pre", "mid", "post"}
    matrix : int
        Rows and columns of the images.

    Returns
    -------
    dict of str to ndarray of bool, shape (7, matrix, matrix)
        Slices from below upwards. A pixel belongs to the tissue that fills most of it; no two
        structures share one.
    """
    anatomy = draw_anatomy(patient, timepoint)
    taken = enlarge(anatomy.tumour, matrix)
    parts = {"tumour": taken, "nodes": enlarge(anatomy.nodes, matrix) & ~taken}
    taken = parts["tumour"] | parts["nodes"]
    nearest = np.arange(matrix) * anatomy.top.shape[-1] // matrix
    tissue = np.where(anatomy.share > 127, anatomy.top, anatomy.below)
    tissue = tissue[:, nearest][:, :, nearest]
    for name, tissues in TISSUES_OF.items():
        parts[name] = np.isin(tissue, [CODE[word] for word in tissues]) & ~taken
    eyes = np.zeros_like(taken)
    eyes[HEIGHT_ZERO] = _globes(anatomy, matrix)
    return parts | {"eyes": eyes & ~taken}


def _globes(anatomy: Anatomy, matrix: int) -> np.ndarray:
    mm = (np.arange(matrix) + 0.5) * anatomy.field_of_view_mm / matrix
    mm -= anatomy.field_of_view_mm / 2
    canonical = anatomy.bend.inverse(np.stack(np.meshgrid(mm, mm), axis=-1))
    x, y = np.abs(canonical[..., 0]), canonical[..., 1]
    return np.hypot(x - GLOBE[0], y - GLOBE[1]) < GLOBE_MM
