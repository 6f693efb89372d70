"""The words of ImageType and FrameType that tell what an image is not: one table.

DICOM defines few of them; the rest is what GE, Siemens, Philips, Canon (Toshiba), United Imaging
and Hitachi write. Words stand here as `usual` writes them: makers differ in signs, and cut words
off after 16 characters. None of them can name a person, so all may stay in a de-identified image.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

# Dixon images, by the word that names the part.
PARTS = {
    "water": {"WATER", "W", "WATER_ONLY", "WATERONLY"},
    "fat": {"FAT", "F", "FAT_ONLY", "FATONLY"},
    "in_phase": {"IN_PHASE", "INPHASE", "IP"},
    "opposed_phase": {
        *("OUT_PHASE", "OUT_OF_PHASE", "OPP_PHASE", "OPPOSED_PHASE", "OP", "OUTPHASE", "OPPPHASE"),
    },
}
SCREENSHOTS = {"SCREEN_SAVE", "SCREENSAVE"}
_WORDS = {  # kind of series, what it is -> words
    ("localiser", "a localiser"): {"LOCALIZER", "LOCALISER", "SCOUT", "SURVEY"},
    ("phase", "a phase image"): {
        *("P", "PHASE", "PHASE_MAP", "P_SE", "P_FFE", "P_IR", "SW_P", "SW_P_FFE"),
    },
    ("phase", "a real or imaginary part"): {
        *("R", "R_SE", "R_FFE", "R_IR", "REAL", "I", "I_SE", "I_FFE", "I_IR", "IMAGINARY"),
    },
    ("phase", "a map of the magnetic field"): {
        *("B0", "B0_MAP", "FIELD_MAP", "FIELDMAP", "OFFRESONANCE"),
    },
    ("phase", "phase contrast: a map of flow"): {
        *("FLOW", "PC", "PCA", "P_PCA", "M_PCA", "PHASE_CONTRAST_M", "VELOCITY", "VELOCITY_MAP"),
        "FLOW_ENCODED",
    },
    ("derived", "a reformatted image"): {
        *("MPR", "CSA_MPR", "REFORMATTED", "RESAMPLED", "CSA_RESAMPLED", "CPR", "CURVED"),
        *("MPR_THICK", "CSAPARALLEL", "CSA_3D_EDITOR", "VRT"),
    },
    ("derived", "a projection"): {
        *("MIP", "CSA_MIP", "PROJECTION_IMAGE", "MAX_IP", "MIN_IP", "MINIP", "MNIP", "MEAN_IP"),
        *("PJN", "COLLAPSE"),
    },
    ("derived", "the result of arithmetic"): {
        *("SUBTRACT", "SUBTRACTION", "SUBTRACTED", "SUBTR", "SUB", "DIFFERENCE"),
        *("ADDITION", "DIVISION", "MULTIPLICATION", "MASKED"),
        *("STD_DEVIATION",),
    },
    ("derived", "computed from maps"): {"SYNTHETIC", "SYMRI"},
    ("derived", "a screenshot"): SCREENSHOTS,
    ("derived", "a composed image"): {"COMPOSED"},
    ("derived", "a fused image"): {"FUSED", "FUSION"},
    ("derived", "a map of relaxation or composition"): {
        *("T1_MAP", "T1MAP", "T2_MAP", "T2MAP", "R2_MAP", "R2", "R2_STAR", "T2_STAR_MAP", "R1_MAP"),
        *("RHO_MAP", "PROTON_DENSITY_MAP", "FAT_FRACTION", "FF", "WATER_FRACTION", "STIFFNESS"),
        *("METABOLITE_MAP", "MTRA_MAP", "TEMPERATURE", "QUANTITY", "R2_STAR_MAP"),
    },
    ("other", "diffusion"): {
        *("DIFFUSION", "DIFFUSION_ANISO", "DWI", "TRACEW", "TRACE", "ADC", "EADC", "EXPADC", "FA"),
        *("DIFF", "ISOTROPIC"),
        *("DIFFUSION_MAP", "CALC_BVALUE", "CALCBVAL", "TENSOR", "TENSOR_B0", "COLFA", "IVIM"),
        *("FAC_MAP", "DKI"),
    },
    ("other", "functional imaging"): {"FMRI", "BOLD", "EPI", "T_TEST", "Z_SCORE"},
    ("other", "perfusion"): {
        *("ASL", "PERFUSION", "PERFUSION_FFE", "PERFUSION_SE", "CBF", "CBV", "MTT", "TTP", "TMAX"),
        *("RCBF", "RCBV", "RELCBF", "RELCBV", "RELMTT", "PBP", "GBP", "TIME_TO_PEAK", "KTRANS"),
        *("KEP", "IAUC", "M0", "DSC", "DCE", "VE", "VP", "WASH_IN", "WASHIN", "WASH_OUT"),
        "WASHOUT",
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
    ("other", "a moving picture"): {"CINE", "REALTIME", "ANGIO_TIME", "STRESS"},
    ("other", "elastography"): {"ELASTOGRAPHY"},
    ("other", "spectroscopy"): {"SPECTROSCOPY"},
    ("other", "a calibration"): {"CALIBRATION", "REFERENCE", "COIL_SENSITIVITY", "B1", "B1_MAP"},
}
MEANINGS: dict[str, tuple[str, str]] = {
    word: meaning for meaning, words in _WORDS.items() for word in words
}
"""Word of ImageType or FrameType -> kind of series (`series_kind.Kind`), what it is."""
_JOINED = {word.replace("_", ""): word for word in MEANINGS if "_" in word and len(word) > 5}
CONTRAST = {"POST_CONTRAST": "yes", "PRE_CONTRAST": "no"}  # what they say of an agent
_MAP = ("derived", "a map of a quantity")
A_MAP = "QUANTITY"  # of the words above: any map
SHORTEST_PART = 3  # shorter words tell something only where they stand alone
_QUANTITY = re.compile("_UNSPECI(F(I(E(D)?)?)?)?$")  # how Philips ends the names of maps


def usual(word: str) -> str:
    """Return a word in capitals, with an underscore for blank and hyphen."""
    return re.sub("[ -]", "_", word.strip().upper())


@lru_cache(maxsize=1024)
def meaning_of(word: str) -> tuple[str, str] | None:
    """Return the kind of series that a word tells, and what it is; None if it tells none."""
    told = listed(word)
    return MEANINGS.get(told) or (_MAP if told else None)


@lru_cache(maxsize=1024)
def listed(word: str) -> str:
    """Return what tells the kind in a word: all of it if it is listed, else the part that is.

    Makers put words together, ``DIFFUSION_MEAN``; what stands beside may be anything.

    Examples
    --------
    >>> listed("adc"), listed("SMITH_ADC"), listed("IN_PHASE"), listed("T2 MAP_UNSPECIFI")
    ('ADC', 'ADC', '', 'T2_MAP')
    """
    word = usual(word)
    stem = _QUANTITY.sub("", word)
    for written in (word, stem, stem.removesuffix("_MAP"), stem.removeprefix("M_")):
        if written in MEANINGS:
            return written
    if word in _JOINED:
        return _JOINED[word]
    if stem != word and re.fullmatch("[TR][12](_STAR|_RHO)?|PD", stem):
        return word
    if word in set().union(*PARTS.values()):
        return ""
    parts = [part for part in word.split("_") if len(part) >= SHORTEST_PART and part in MEANINGS]
    return parts[0] if parts else A_MAP if word.endswith("MAP") else ""


def words_of(image: Mapping[str, str]) -> frozenset[str]:
    """Return the words that describe one image, of whatever element says so, in capitals."""
    elements = ("ImageType", "FrameType", "ComplexImageComponent", "AcquisitionContrast")
    return _words("\\".join([image[element] for element in elements if element in image]))


@lru_cache(maxsize=1024)
def _words(text: str) -> frozenset[str]:
    return frozenset(map(usual, text.split("\\"))) - {""}


def part_of(image: Mapping[str, str]) -> str:
    """Return the Dixon part that ImageType names, joined by + where it names several, or blank."""
    return _part(words_of(image))


@lru_cache(maxsize=1024)
def _part(words: frozenset[str]) -> str:
    return "+".join(part for part, marks in PARTS.items() if words & marks)
