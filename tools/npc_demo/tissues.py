"""Magnetic resonance properties of tissues at 1.5 T, and the signal they give.

Sources
-------
T1 and T2 of muscle, white and grey matter: Stanisz et al. 2005 (doi:10.1002/mrm.20605), rounded;
fat and cerebrospinal fluid: Bojorquez et al. 2017 (doi:10.1016/j.mri.2016.08.021). Synthetic MRI of
nasopharyngeal carcinoma finds lower T1, T2 and proton density than in benign hyperplasia, hence
tumour below adenoid below mucosa. The other values are chosen so that the order of signals is
that of the radiology texts: on T1 tumour like muscle, on T2 somewhat brighter, after contrast
brighter than muscle and darker than mucosa. Relaxivities: gadobutrol r1 4.78 L/(mmol s) in plasma
at 1.5 T; r2 about 5.
"""

from dataclasses import dataclass

import numpy as np

from npc_demo.protocols import DEFAULT, PROTOCOLS, Protocol, Sequence

R1 = 4.78  # L/(mmol s)
R2 = 5.0


@dataclass(frozen=True)
class Tissue:
    """One row of the table.

    Attributes
    ----------
    density : float
        Proton density relative to water.
    t1, t2 : float
        Of its water, milliseconds, before contrast.
    water : float
        Share of water in the proton density; the rest is fat.
    contrast : float
        Gadolinium concentration after injection, mmol/L.
    texture : float
        Relative standard deviation of the signal within the tissue.
    """

    density: float
    t1: float
    t2: float
    water: float
    contrast: float
    texture: float = 0.05


TISSUES = {
    "outside": Tissue(0.0, 1000, 50, 1.0, 0.0, 0.0),
    "airway": Tissue(0.0, 1000, 50, 1.0, 0.0, 0.0),
    "sinus_air": Tissue(0.0, 1000, 50, 1.0, 0.0, 0.0),
    "mastoid_air": Tissue(0.06, 1100, 90, 1.0, 0.3, 0.9),
    "cortex": Tissue(0.05, 900, 20, 0.9, 0.0, 0.1),
    "void": Tissue(0.03, 1400, 120, 1.0, 0.3, 0.4),  # fast flow leaves the slice between pulses
    "wall": Tissue(0.75, 950, 45, 0.95, 0.20, 0.05),  # of an artery
    "skin": Tissue(0.70, 900, 35, 0.85, 0.20, 0.08),
    "fat": Tissue(0.95, 900, 45, 0.04, 0.02, 0.15),
    "strand": Tissue(0.75, 1000, 60, 0.9, 0.25, 0.1),  # small vessels and septa in fat
    "muscle": Tissue(0.80, 1000, 44, 0.97, 0.08, 0.08),
    "tongue": Tissue(0.85, 950, 52, 0.80, 0.14, 0.16),
    "clivus": Tissue(0.75, 900, 60, 0.34, 0.05, 0.14),
    "marrow": Tissue(0.78, 900, 60, 0.45, 0.08, 0.12),
    "diploe": Tissue(0.70, 900, 55, 0.22, 0.04, 0.20),
    "disc": Tissue(0.80, 1000, 60, 0.97, 0.05, 0.08),
    "cartilage": Tissue(0.70, 950, 36, 0.95, 0.06, 0.08),
    "white_matter": Tissue(0.70, 790, 78, 1.0, 0.02, 0.03),
    "grey_matter": Tissue(0.80, 1050, 95, 1.0, 0.03, 0.04),
    "cerebellum": Tissue(0.79, 1000, 92, 1.0, 0.03, 0.04),
    "cord": Tissue(0.72, 850, 78, 1.0, 0.02, 0.04),
    "csf": Tissue(1.0, 4200, 2000, 1.0, 0.0, 0.04),
    "fluid": Tissue(0.98, 2800, 600, 1.0, 0.02, 0.05),  # secretions, inner ear, vitreous
    "parotid": Tissue(0.90, 850, 85, 0.65, 0.25, 0.16),
    "submandibular": Tissue(0.88, 900, 80, 0.85, 0.30, 0.10),
    "mucosa": Tissue(0.92, 1150, 140, 1.0, 0.80, 0.10),
    "adenoid": Tissue(0.90, 1150, 115, 1.0, 0.45, 0.08),
    "vein": Tissue(0.85, 1400, 120, 1.0, 1.0, 0.08),  # slow vein, cavernous sinus
    "jugular": Tissue(0.35, 1400, 70, 1.0, 0.9, 0.25),  # part of the flow lost
    "tumour": Tissue(0.87, 1080, 82, 1.0, 0.42, 0.05),
    "clivus_tumour": Tissue(0.82, 1050, 78, 0.95, 0.38, 0.06),
    "node": Tissue(0.87, 1100, 86, 1.0, 0.40, 0.06),
    "benign_node": Tissue(0.86, 1050, 90, 0.95, 0.36, 0.05),
    "necrosis": Tissue(0.97, 2200, 220, 1.0, 0.05, 0.06),
    "scar": Tissue(0.70, 900, 38, 0.95, 0.10, 0.12),
    "granulation": Tissue(0.85, 1150, 62, 1.0, 0.24, 0.12),  # between oedema and scar
    "mucositis": Tissue(0.92, 1300, 130, 1.0, 0.45, 0.10),
    "treated_marrow": Tissue(0.80, 950, 64, 0.62, 0.14, 0.12),
    "treated_parotid": Tissue(0.92, 1000, 105, 0.72, 0.30, 0.14),
    "treated_submandibular": Tissue(0.90, 1050, 98, 0.90, 0.36, 0.10),
    "lens": Tissue(0.70, 1000, 30, 1.0, 0.0, 0.02),
    "pituitary": Tissue(0.85, 1050, 85, 1.0, 0.70, 0.06),  # no barrier between blood and gland
    "metal": Tissue(0.0, 1000, 50, 1.0, 0.0, 0.0),
}
NAMES = tuple(TISSUES)
CODE = {name: code for code, name in enumerate(NAMES)}

FAT_T1, FAT_T2 = 280.0, 70.0  # of the fat protons themselves, in every tissue


def _spin_echo(density: np.ndarray, t1: np.ndarray, t2: np.ndarray, s: Sequence) -> np.ndarray:
    return density * (1 - np.exp(-s.tr / t1)) * np.exp(-s.te / t2)


def signals(
    sequence: str, protocol: Protocol = PROTOCOLS[DEFAULT]
) -> tuple[np.ndarray, np.ndarray]:
    """Return water and fat signal of every tissue, in the order of `NAMES`.

    The unit is the water signal of muscle.

    Parameters
    ----------
    sequence : {"t2w", "t1c"}

    Returns
    -------
    water, fat : ndarray of float32, shape (n_tissues,)
    """
    timing = protocol.sequence(sequence)
    columns = np.array([[t.density, t.t1, t.t2, t.water, t.contrast] for t in TISSUES.values()])
    density, t1, t2, water, contrast = columns.T
    contrast = contrast * timing.contrast * protocol.relaxivity_factor
    t1 = 1 / (1 / (t1 * protocol.t1_factor) + R1 * contrast / 1000)
    t2 = 1 / (1 / (t2 * protocol.t2_factor) + R2 * contrast / 1000)
    of_water = _spin_echo(density * water, t1, t2, timing)
    fat_t1, fat_t2 = FAT_T1 * protocol.t1_factor, FAT_T2 * protocol.t2_factor
    of_fat = _spin_echo(density * (1 - water), np.array(fat_t1), np.array(fat_t2), timing)
    unit = of_water[CODE["muscle"]]
    return (of_water / unit).astype(np.float32), (of_fat / unit).astype(np.float32)


def textures() -> np.ndarray:
    """Return the relative texture of every tissue, in the order of `NAMES`, float32."""
    return np.array([tissue.texture for tissue in TISSUES.values()], dtype=np.float32)
