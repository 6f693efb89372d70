"""What may stay in a de-identified MR image. Whatever is not listed here is dropped.

The list follows DICOM PS3.15, Annex E: basic application level confidentiality profile with the
options *retain longitudinal temporal information with modified dates*, *clean descriptors* and
*retain patient characteristics* (sex and age only). Text stays only where DICOM or this list
names the allowed values, numbers only where they are plausible: a name or a number that somebody
typed into the wrong field does not pass.
"""

from __future__ import annotations

import re

# Keyword -> allowed values of a coded string; each of several values is judged by itself.
CODES = {
    "ImageType": {
        *("ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "OTHER", "DIXON", "MAGNITUDE", "M", "SE"),
        *("WATER", "W", "FAT", "F", "IN_PHASE", "INPHASE", "IP", "OUT_PHASE", "OPP_PHASE", "OP"),
        *("NORM", "DIS2D", "DIS3D", "FFE", "M_SE", "M_FFE", "AXIAL", "LOCALIZER", "NONE", "FM1"),
        *("MIXED", "VOLUME", "MPR", "T1", "T2"),
    },
    "FrameType": {
        *("ORIGINAL", "DERIVED", "PRIMARY", "MIXED", "WATER", "FAT", "IN_PHASE", "OUT_PHASE"),
        *("NONE", "SE", "DIXON", "W", "F", "OTHER", "T1", "T2"),
    },
    "Modality": {"MR"},
    "PatientSex": {"M", "F", "O"},
    "BodyPartExamined": {"HEAD", "NECK", "HEADNECK", "HEADANDNECK", "BRAIN", "NASOPHARYNX"},
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
# Decimal and integer strings that stay if every value is a number below LARGEST.
NUMBERS = {
    *("SliceThickness", "RepetitionTime", "EchoTime", "InversionTime", "NumberOfAverages"),
    *("EchoNumbers", "MagneticFieldStrength", "SpacingBetweenSlices", "EchoTrainLength"),
    *("PercentSampling", "PercentPhaseFieldOfView", "PixelBandwidth", "ReconstructionDiameter"),
    *("ImagingFrequency", "FlipAngle", "SeriesNumber", "AcquisitionNumber", "InstanceNumber"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceLocation", "NumberOfFrames"),
    *("PixelSpacing", "WindowCenter", "WindowWidth", "RescaleIntercept", "RescaleSlope"),
    *("LossyImageCompressionRatio",),
}
LARGEST = 100_000
# Binary numbers: they cannot hold text.
BINARY = {
    *("SamplesPerPixel", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "PlanarConfiguration", "PixelPaddingValue", "AcquisitionMatrix"),
    *("EffectiveEchoTime", "DiffusionBValue", "DimensionIndexValues", "InStackPositionNumber"),
}
DATES = {"StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate"}
TIMES = {"StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime", "InstanceCreationTime"}
UIDS = {"SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"}
# Keyword -> the kinds (VR) in which it may stay; nothing else is read at all.
KINDS = (
    dict.fromkeys(CODES, ("CS",))
    | dict.fromkeys(NUMBERS, ("DS", "IS"))
    | dict.fromkeys(BINARY, ("US", "SS", "UL", "FL", "FD"))
    | dict.fromkeys(DATES, ("DA",))
    | dict.fromkeys(TIMES, ("TM",))
    | dict.fromkeys(UIDS, ("UI",))
    | {"PatientAge": ("AS",), "Manufacturer": ("LO",)}
)
SEQUENCES = {
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"),
    *("PixelValueTransformationSequence", "FrameVOILUTSequence", "FrameContentSequence"),
    *("MRTimingAndRelatedParametersSequence", "MREchoSequence", "MRImageFrameTypeSequence"),
}
# What must be there, be it blank (type 2 of the MR image's modules).
BLANK = (
    *("PatientBirthDate", "ReferringPhysicianName", "AccessionNumber", "StudyID"),
    *("PositionReferenceIndicator",),
)
OLDEST_YEARS = 89
MANUFACTURERS = {  # how a name begins -> what is written
    "GE": "GE MEDICAL SYSTEMS",
    "SIEMENS": "SIEMENS",
    "PHILIPS": "PHILIPS",
    "UNITED IMAGING": "UIH",
    "UIH": "UIH",
    "CANON": "CANON",
    "TOSHIBA": "TOSHIBA",
    "HITACHI": "HITACHI",
    "SYNTHETIC": "SYNTHETIC",
}
AGENT = "CONTRAST AGENT"

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
    """Return the values of a coded string that are allowed there; what an image type says else
    becomes OTHER, as the places of its values have meanings.
    """
    allowed = CODES[keyword]
    if keyword in ("ImageType", "FrameType"):
        return [value if value in allowed else "OTHER" for value in values]
    return [value for value in values if value in allowed]


def are_numbers(values: list[str]) -> bool:
    """Tell whether all values are plausible numbers."""
    return all(_NUMBER.fullmatch(value) and abs(float(value)) < LARGEST for value in values)


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


def manufacturer(value: str) -> str:
    """Return the manufacturer's name as this list writes it; blank if it is unknown."""
    name = value.upper().strip()
    for start, written in MANUFACTURERS.items():
        if re.match(rf"{start}\b", name):
            return written
    return ""
