"""The words of ImageType and FrameType that tell what an image is not: one table.

DICOM defines few of them; the rest is what GE, Siemens, Philips, Canon (Toshiba), United Imaging
and Hitachi write. None of these words can name a person, so all may stay in a de-identified image.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

# Dixon images, by the word that names the part.
PARTS = {
    "water": {"WATER", "W"},
    "fat": {"FAT", "F"},
    "in_phase": {"IN_PHASE", "INPHASE", "IP"},
    "opposed_phase": {"OUT_PHASE", "OPP_PHASE", "OPPOSED_PHASE", "OP", "OUTPHASE", "OPPPHASE"},
}
_WORDS = {  # kind of series, what it is -> words
    ("localiser", "a localiser"): {"LOCALIZER", "LOCALISER", "SCOUT"},
    ("phase", "a phase image"): {
        *("P", "PHASE", "PHASE MAP", "PHASE_MAP", "P_SE", "P_FFE", "P_IR", "SW_P", "SW_P_FFE"),
    },
    ("phase", "a real or imaginary part"): {
        *("R", "R_SE", "R_FFE", "R_IR", "REAL", "I", "I_SE", "I_FFE", "I_IR", "IMAGINARY"),
    },
    ("phase", "a map of the magnetic field"): {
        *("B0", "B0 MAP", "B0_MAP", "FIELD_MAP", "FIELDMAP", "FIELD MAP", "OFFRESONANCE"),
    },
    ("phase", "phase contrast: a map of flow"): {
        *("PCA", "P_PCA", "M_PCA", "PHASE CONTRAST M", "VELOCITY", "VELOCITY MAP", "FLOW_ENCODED"),
    },
    ("derived", "a reformatted image"): {
        *("MPR", "CSA MPR", "REFORMATTED", "RESAMPLED", "CSA RESAMPLED", "CPR", "CURVED"),
        *("MPR_THICK", "CSAPARALLEL", "CSA 3D EDITOR"),
    },
    ("derived", "a projection"): {
        *("MIP", "CSA MIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP", "MINIP", "MNIP", "MEAN_IP"),
    },
    ("derived", "the result of arithmetic"): {
        *("SUBTRACT", "SUBTRACTION", "SUB", "ADDITION", "DIVISION", "MULTIPLICATION"),
    },
    ("derived", "a screenshot"): {"SCREEN SAVE"},
    ("derived", "a composed image"): {"COMPOSED"},
    ("derived", "a fused image"): {"FUSED", "FUSION"},
    ("derived", "a map of relaxation or composition"): {
        *("T1 MAP", "T1_MAP", "T2 MAP", "T2_MAP", "T2_STAR MAP", "R2 MAP", "R2_STAR MAP", "R2_MAP"),
        *("R2_STAR_MAP", "T2_STAR_MAP", "R1_MAP", "RHO_MAP", "PROTON_DENSITY_MAP", "FAT_FRACTION"),
        *("FF", "WATER_FRACTION", "STIFFNESS", "METABOLITE_MAP", "MTRA_MAP"),
    },
    ("other", "diffusion"): {
        *("DIFFUSION", "DIFFUSION_ANISO", "DWI", "TRACEW", "TRACE", "ADC", "EADC", "EXPADC", "FA"),
        *("DIFFUSION_MAP", "CALC_BVALUE", "CALCBVAL", "TENSOR", "TENSOR_B0", "COLFA", "IVIM"),
        *("FAC_MAP", "DKI"),
    },
    ("other", "functional imaging"): {"FMRI", "BOLD", "EPI", "T_TEST", "Z_SCORE"},
    ("other", "perfusion"): {
        *("ASL", "PERFUSION", "PERFUSION_FFE", "PERFUSION_SE", "CBF", "CBV", "MTT", "TTP", "TMAX"),
        *("RCBF", "RCBV", "RELCBF", "RELCBV", "RELMTT", "PBP", "GBP", "TIME_TO_PEAK", "KTRANS"),
        *("KEP", "IAUC", "M0", "DSC", "DCE"),
    },
    ("other", "susceptibility-weighted"): {
        *("SWI", "SW_M", "SW_M_FFE", "SWAN", "QSM", "SUSCEPTIBILITY", "VENOUS_BOLD", "T2_STAR"),
    },
    ("other", "a mosaic: many slices tiled in one picture"): {"MOSAIC"},
    ("other", "frames of United Imaging: many slices in one file"): {"VFRAME"},
    ("other", "angiography"): {"TOF", "MRA", "ANGIO"},
    ("other", "inversion recovery"): {"M_IR", "IR", "STIR", "FLUID_ATTENUATED", "FLAIR"},
    ("other", "inversion recovery for a map"): {"MP2RAGE", "UNI", "INV1", "INV2"},
    ("other", "tagging"): {"TAGGING"},
    ("other", "elastography"): {"ELASTOGRAPHY"},
    ("other", "spectroscopy"): {"SPECTROSCOPY"},
    ("other", "a calibration"): {"CALIBRATION", "REFERENCE", "COIL_SENSITIVITY", "B1", "B1_MAP"},
}
MEANINGS: dict[str, tuple[str, str]] = {
    word: meaning for meaning, words in _WORDS.items() for word in words
}
"""Word of ImageType or FrameType -> kind of series (`series_kind.Kind`), what it is."""


def words_of(image: Mapping[str, str]) -> frozenset[str]:
    """Return the words that describe one image, of whatever element says so, in capitals."""
    elements = ("ImageType", "FrameType", "ComplexImageComponent", "AcquisitionContrast")
    return _words("\\".join([image[element] for element in elements if element in image]))


@lru_cache(maxsize=1024)
def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip().upper() for word in text.split("\\")) - {""}


def part_of(image: Mapping[str, str]) -> str:
    """Return the Dixon part that ImageType names, joined by + where it names several, or blank."""
    return _part(words_of(image))


@lru_cache(maxsize=1024)
def _part(words: frozenset[str]) -> str:
    return "+".join(part for part, marks in PARTS.items() if words & marks)
