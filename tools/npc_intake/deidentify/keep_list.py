"""What may stay in a de-identified MR image. Whatever is not listed here is dropped.

The list follows DICOM PS3.15, Annex E: basic application level confidentiality profile with the
options *retain longitudinal temporal information with modified dates*, *clean descriptors*,
*retain patient characteristics* (sex and age only) and, of *retain device identity*, what a scanner
has in common with all of its model. Text stays only where DICOM or this list names the allowed
words, and numbers, which are written anew from their value, only where they are plausible: a name
or a number that somebody typed into the wrong field does not pass. Nothing is added to an image
that it did not say.
"""

import re
from collections.abc import Callable

from pydicom import DataElement, Dataset

from npc_intake.deidentify import scanner_words
from npc_intake.find.body_parts import ELSEWHERE, HEAD_AND_NECK, usual_part
from npc_intake.find.image_types import CONTRAST, MEANINGS, PARTS, listed, usual

# Words of ImageType that tell no kind of image; `image_types` knows those that do.
NEUTRAL = {
    *("ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "OTHER", "MIXED", "NONE", "UNSPECIFIED"),
    *("DIXON", "MAGNITUDE", "M", "SE", "FFE", "M_SE", "M_FFE", "TSE", "GR", "FSE", "NORM", "ND"),
    *("DIS2D", "DIS3D", "DFC", "MFSPLIT", "FM", "FM1", "FM2", "FM3", "FM4", "AXIAL", "VOLUME"),
    *("T1", "T2", "PROTON_DENSITY", "MULTIECHO", "STATIC", "DYNAMIC", "RETRO", "FILTERED"),
    *("MEAN", "AVERAGE", "SUM", "MSUM", "MEDIAN", "MAXIMUM", "MINIMUM", "COMBINED", "MOCO"),
    *("SH", "FIL", "SNR", "DRB", "DRG", "DRS", "DRN", "DL", "PROPELLER", "IMAGE", "SPIN"),
    *("GRADIENT", "PROCESSED", "COMPLEX", "PARALLEL", "NON_PARALLEL", "SPLIT"),
    *("COMP_AD", "COMP_SP", "COMP_SN"),
}
IMAGE_TYPES = NEUTRAL.union(MEANINGS, CONTRAST, *PARTS.values())
# Keyword -> allowed values of a coded string; each of several values is judged by itself.
CODES = {
    "ImageType": IMAGE_TYPES,
    "FrameType": IMAGE_TYPES,
    "ComplexImageComponent": {"MAGNITUDE", "PHASE", "REAL", "IMAGINARY", "MIXED"},
    "AcquisitionContrast": IMAGE_TYPES | {"UNKNOWN"},
    "EchoPulseSequence": {"SPIN", "GRADIENT", "BOTH"},
    "EchoPlanarPulseSequence": {"YES", "NO"},
    "InversionRecovery": {"YES", "NO"},
    "SpectrallySelectedSuppression": {"FAT", "WATER", "FAT_AND_WATER", "SILICON_GEL", "NONE"},
    "SpectrallySelectedExcitation": {"WATER", "FAT", "NONE"},
    "DiffusionDirectionality": {"DIRECTIONAL", "BMATRIX", "ISOTROPIC", "NONE"},
    "ContrastBolusAgentAdministered": {"YES", "NO"},
    "ContrastBolusAgentDetected": {"YES", "NO"},
    "ScanOptions": {
        *("PER", "RG", "CG", "PPG", "FC", "PFF", "PFP", "SP", "FS", "CT", "SFS", "WE", "SAT1"),
        *("SAT2", "DIXF", "DIXW", "DIXIP", "DIXOP", "IR", "PAT", "FSA", "NPW", "SAT_GEMS"),
        *("EDR_GEMS", "FAST_GEMS", "FILTERED_GEMS", "ACC_GEMS", "ARC_GEMS", "VASCTOF_GEMS"),
        *("EPI_GEMS", "PHASE_GEMS"),
    },
    "Modality": {"MR"},
    "PatientSex": {"M", "F", "O"},
    "BodyPartExamined": HEAD_AND_NECK | ELSEWHERE,
    "ScanningSequence": {"SE", "IR", "GR", "EP", "RM"},
    "SequenceVariant": {"SK", "MTC", "SS", "TRSS", "SP", "MP", "OSP", "NONE"},
    "MRAcquisitionType": {"1D", "2D", "3D"},
    "InPlanePhaseEncodingDirection": {"ROW", "COL", "COLUMN", "OTHER"},
    "VariableFlipAngleFlag": {"Y", "N"},
    "PatientPosition": {"HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"},
    "PhotometricInterpretation": {"MONOCHROME1", "MONOCHROME2"},
    "PresentationLUTShape": {"IDENTITY", "INVERSE"},
    "LossyImageCompression": {"00", "01"},
    "LossyImageCompressionMethod": {"ISO_10918_1", "ISO_14495_1", "ISO_15444_1"},
    "BurnedInAnnotation": {"NO"},
    "ImagedNucleus": {"1H"},
    "RescaleType": {"US", "OD"},
}
# Decimal and integer strings -> the smallest and the largest value that can be meant; what lies
# beyond could be a number of a person.
NUMBERS = {
    "SeriesNumber": (0, 9_999),
    "AcquisitionNumber": (0, 9_999),
    "InstanceNumber": (0, 9_999),
    "TemporalPositionIdentifier": (0, 9_999),
    "NumberOfFrames": (1, 9_999),
    "EchoNumbers": (0, 999),
    "EchoTrainLength": (0, 9_999),
    "NumberOfAverages": (0, 999),
    "RepetitionTime": (0, 99_999),
    "EchoTime": (0, 9_999),
    "InversionTime": (0, 99_999),
    "FlipAngle": (0, 360),
    "MagneticFieldStrength": (0, 15),
    "ImagingFrequency": (0, 999),
    "PixelBandwidth": (0, 9_999),
    "PercentSampling": (0, 999),
    "PercentPhaseFieldOfView": (0, 999),
    "ReconstructionDiameter": (0, 9_999),
    "SliceThickness": (0, 999),
    "SpacingBetweenSlices": (-999, 999),
    "PixelSpacing": (0, 99),
    "ImagePositionPatient": (-9_999, 9_999),
    "ImageOrientationPatient": (-1.01, 1.01),
    "SliceLocation": (-9_999, 9_999),
    "WindowCenter": (-99_999, 99_999),
    "WindowWidth": (0, 99_999),
    "RescaleIntercept": (-99_999, 99_999),
    "RescaleSlope": (-99_999, 99_999),
    "ContrastBolusVolume": (0, 999),
    "LossyImageCompressionRatio": (0, 9_999),
}
SCALES = {"RescaleSlope", "RescaleIntercept"}  # without them an image is as bright as another one
LARGEST = 100_000
# Binary numbers: they cannot hold text; the wide ones have limits, too.
SHORT = {
    *("SamplesPerPixel", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "PlanarConfiguration", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    "AcquisitionMatrix",
}
WIDE = {
    "EffectiveEchoTime": (0, 9_999),
    "InversionTimes": (0, 99_999),
    "DiffusionBValue": (0, 99_999),
    "DimensionIndexValues": (0, 9_999),
    "InStackPositionNumber": (0, 9_999),
}
DATES = {"StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate"}
TIMES = {"StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime", "InstanceCreationTime"}
UIDS = {"SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"}
# Free text of which the words of `npc_intake.identity.words` stay.
DESCRIPTIONS = {
    *("SeriesDescription", "ProtocolName", "ContrastBolusAgent", "SequenceName"),
    *("PulseSequenceName",),
}
# What a scanner has in common with others -> what may stay of it.
SCANNER: dict[str, Callable[[str], str]] = {
    "ManufacturerModelName": scanner_words.model,
    "SoftwareVersions": scanner_words.software,
    "ReceiveCoilName": scanner_words.coil,
    "TransmitCoilName": scanner_words.coil,
}
# Keyword -> the kinds (VR) in which it may stay; nothing else is read at all.
KINDS = (
    dict.fromkeys(CODES, ("CS",))
    | dict.fromkeys(NUMBERS, ("DS", "IS"))
    | dict.fromkeys((*SHORT, *WIDE), ("US", "SS", "UL", "FL", "FD"))
    | dict.fromkeys(DATES, ("DA",))
    | dict.fromkeys(TIMES, ("TM",))
    | dict.fromkeys(UIDS, ("UI",))
    | dict.fromkeys((*DESCRIPTIONS, *SCANNER), ("LO", "SH"))
    | {"PatientAge": ("AS",), "Manufacturer": ("LO",)}
)
SEQUENCES = {
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"),
    *("PixelValueTransformationSequence", "FrameVOILUTSequence", "FrameContentSequence"),
    *("MRTimingAndRelatedParametersSequence", "MREchoSequence", "MRImageFrameTypeSequence"),
    *("MRDiffusionSequence", "MRModifierSequence", "ContrastBolusUsageSequence"),
    *("MRReceiveCoilSequence", "MRTransmitCoilSequence"),
}
# What must be there, be it blank (type 2 of the MR image's modules).
BLANK = (
    *("PatientBirthDate", "ReferringPhysicianName", "AccessionNumber", "StudyID"),
    *("PositionReferenceIndicator",),
)
OLDEST_YEARS = 89
# Of the tables. What an examination of a visit may be called; all else becomes OTHER_EXAMINATION.
EXAMINATIONS = re.compile(
    r"((nasopharynx|neck|head|brain|chest|lung|abdomen|liver|bone|whole_body)_)?"
    r"(mri|ct|pet|pet_ct|pet_mri|spect|scan|ultrasound|x_ray)"
    r"|(naso)?endoscopy|biopsy|ebv_dna|physical_examination"
)
OTHER_EXAMINATION = "other"
LARGEST_IN_TABLE = (
    10_000_000  # where the schema sets no limit: longer numbers are numbers of people
)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")
_AGE = re.compile(r"(\d{3})([DWMY])")


def codes(keyword: str, values: list[str]) -> list[str]:
    """Return the values of a coded string that are allowed there.

    Of what an image type says else, the part stays that tells its kind; the rest becomes blank, as
    the places of its values have meanings.
    """
    allowed = CODES[keyword]
    if keyword in ("ImageType", "FrameType"):
        kept = [value if usual(value) in allowed else listed(value) for value in values]
        return kept if any(kept) else []
    if keyword == "BodyPartExamined":
        values = [usual_part(value) for value in values]
    return [value for value in values if value in allowed]


def numbers(keyword: str, values: list[str], *, whole: bool) -> list[str]:
    """Return numbers written anew from their value; none if one of them is implausible.

    No leading zeros, signs, blanks or further digits of the original stay.
    """
    low, high = NUMBERS[keyword]
    if not all(_NUMBER.fullmatch(value) for value in values):
        return []
    parsed = [float(value) for value in values]
    plausible = all(low <= n <= high and (n == int(n) or not whole) for n in parsed)
    return [_written(n) for n in parsed] if plausible else []


def plain_numbers(values: list[str], *, largest: float = LARGEST) -> list[str]:
    """Return numbers without limits of their own, written anew; none if one is larger."""
    if not all(_NUMBER.fullmatch(value) and abs(float(value)) < largest for value in values):
        return []
    return [_written(float(value)) for value in values]


def _written(number: float) -> str:
    """Return the shortest text of a value that has at most 16 characters (VR DS)."""
    text = str(int(number)) if number == int(number) else repr(number)
    digits = 16
    while len(text) > 16:
        digits -= 1
        text = f"{number:.{digits}g}"
    return text


def are_plausible(keyword: str, values: list[float]) -> bool:
    """Tell whether binary numbers lie within their limits; those without limits do."""
    low, high = WIDE.get(keyword, (float("-inf"), float("inf")))
    return all(low <= value <= high for value in values)


def number(keyword: str, text: str) -> float | None:
    """Return a number of `WIDE` that is given as text; None if it is none, or implausible."""
    value = float(text) if _NUMBER.fullmatch(text) else None
    return value if value is not None and are_plausible(keyword, [value]) else None


def is_time(value: str) -> bool:
    """Tell whether a value is a DICOM time and nothing else."""
    return bool(_TIME.fullmatch(value))


def age(value: str) -> str:
    """Return a DICOM age, at most 89 years; blank if it is none."""
    match = _AGE.fullmatch(value)
    if not match:
        return ""
    if match[2] == "Y" and int(match[1]) > OLDEST_YEARS:
        return f"{OLDEST_YEARS:03d}Y"
    return value


def read_element(source: Dataset, keyword: str) -> DataElement | None:
    """Return an element of a header; None if its value cannot be read: nobody knows it is safe."""
    try:
        return source[keyword]
    except Exception:  # each kind of damage raises its own
        return None
