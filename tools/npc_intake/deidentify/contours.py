"""Take the identity out of contours (RTSTRUCT, SEG) and keep what they refer to.

The same key gives images and contours the same pseudonyms and identifiers, so that every reference
still fits. What is not listed here is dropped: free text, names of doctors and machines, private
elements. A structure keeps its name only if it is made of known words (`structure_names`).
"""

from collections.abc import Callable

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import UID, ExplicitVRLittleEndian, RTStructureSetStorage

from npc_helpers.imaging.headers import Tags
from npc_helpers.imaging.pixels import stored_pixels
from npc_intake.contours.outlines import SEGMENTATIONS
from npc_intake.contours.structure_names import harmless
from npc_intake.deidentify import keep_list
from npc_intake.deidentify.pseudonyms import Key

CONTOURS = {RTStructureSetStorage, *SEGMENTATIONS}
NOT_STATED = "NOT STATED"  # where DICOM wants some text

SEQUENCES = {
    *("ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence"),
    *("RTReferencedSeriesSequence", "ContourImageSequence", "StructureSetROISequence"),
    *("ROIContourSequence", "ContourSequence", "RTROIObservationsSequence"),
    *("ReferencedSeriesSequence", "ReferencedInstanceSequence", "SegmentSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"),
    *("FrameContentSequence", "SegmentIdentificationSequence", "DerivationImageSequence"),
    *("SourceImageSequence", "DimensionOrganizationSequence", "DimensionIndexSequence"),
}
UIDS = {
    *("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
    *("ReferencedFrameOfReferenceUID", "ReferencedSOPInstanceUID", "DimensionOrganizationUID"),
}
KINDS_OF_OBJECT = {"SOPClassUID", "ReferencedSOPClassUID"}
NUMBERS = {
    *("ROINumber", "ReferencedROINumber", "ObservationNumber", "NumberOfContourPoints"),
    *("ContourNumber", "ContourData", "ReferencedFrameNumber", "InstanceNumber", "SeriesNumber"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("SpacingBetweenSlices", "NumberOfFrames"),
}
BINARY = {  # whole numbers and tags: they cannot hold text
    *("SamplesPerPixel", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "SegmentNumber", "ReferencedSegmentNumber", "MaximumFractionalValue"),
    *("DimensionIndexValues", "DimensionIndexPointer", "FunctionalGroupPointer"),
    *("PixelPaddingValue",),
}
CODES = {
    "Modality": {"RTSTRUCT", "SEG"},
    "ContourGeometricType": {"POINT", "OPEN_PLANAR", "OPEN_NONPLANAR", "CLOSED_PLANAR",
                             "CLOSEDPLANAR_XOR"},
    "ROIGenerationAlgorithm": {"AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"},
    "RTROIInterpretedType": {"GTV", "CTV", "PTV", "ORGAN", "EXTERNAL", "AVOIDANCE"},
    "SegmentationType": {"BINARY", "FRACTIONAL", "LABELMAP"},
    "SegmentationFractionalType": {"PROBABILITY", "OCCUPANCY"},
    "SegmentAlgorithmType": {"AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"},
    "SegmentsOverlap": {"YES", "NO", "UNDEFINED"},
    "PhotometricInterpretation": {"MONOCHROME2"},
    "LossyImageCompression": {"00", "01"},
    "ImageType": {"DERIVED", "PRIMARY"},
}  # fmt: skip
NAMES = {"ROIName": "ROINumber", "SegmentLabel": "SegmentNumber"}
VALUES = ("UI", "DS", "IS", "US", "SS", "UL", "AT", "CS", "LO", "SQ")  # kinds that are read


def clean_contours(tags: Tags, key: Key) -> Dataset:
    """Return a new dataset of contours without the identity of the patient.

    Parameters
    ----------
    tags : Tags
        An RTSTRUCT or SEG object, with its pixels.
    key : Key

    Returns
    -------
    pydicom.Dataset
        With file meta information, ready to be saved; the pixels of a SEG are not compressed.
        Dates are left out, since nothing here asks when a contour was drawn.

    Raises
    ------
    DicomError
        If the pixels cannot be read.
    """
    source = tags.dataset
    result = _keep(source, key)
    result.SOPClassUID = source.SOPClassUID
    result.SpecificCharacterSet = "ISO_IR 192"
    result.PatientID = result.PatientName = key.pseudonym(tags.text("PatientID"))
    for keyword in (
        *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber"),
        *("ReferringPhysicianName", "StudyID", "PositionReferenceIndicator"),
    ):
        setattr(result, keyword, "")
    (_complete_rtstruct if result.SOPClassUID == RTStructureSetStorage else _complete_seg)(result)
    result.PatientIdentityRemoved = "YES"
    result.file_meta = FileMetaDataset()
    result.file_meta.MediaStorageSOPClassUID = result.SOPClassUID
    result.file_meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    result.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if result.SOPClassUID in SEGMENTATIONS:
        _add_mask(result, tags)
    return result


def _keep(source: Dataset, key: Key) -> Dataset:
    """Copy what is listed, in sequences too."""
    result = Dataset()
    for keyword in source.dir():
        element = keep_list.read_element(source, keyword)
        if element is None or element.is_empty or element.VR not in VALUES:
            continue
        if keyword in SEQUENCES and element.VR == "SQ":
            result.add_new(element.tag, "SQ", [_keep(item, key) for item in element.value])
        elif keyword in NAMES:
            number = source.get(NAMES[keyword])
            name = str(element.value).strip()
            result.add_new(element.tag, "LO", name if harmless(name) else f"STRUCTURE {number}")
        elif element.VR != "SQ":
            value = _allowed(keyword, element, key)
            if value not in ("", None, []):
                result.add_new(element.tag, element.VR, value)
    return result


def _allowed(keyword: str, element: pydicom.DataElement, key: Key) -> object:
    """Return what may stay of one value; None if nothing."""
    many = isinstance(element.value, pydicom.multival.MultiValue | list)
    values = [str(item).strip(" \0") for item in (element.value if many else [element.value])]
    rules: list[tuple[set, Callable[[], object]]] = [
        (BINARY, lambda: element.value),
        (NUMBERS, lambda: keep_list.plain_numbers(values)),
        (UIDS, lambda: key.uid(values[0])),
        (KINDS_OF_OBJECT, lambda: values[0] if UID(values[0]).type == "SOP Class" else None),
        (set(CODES), lambda: [value for value in values if value in CODES[keyword]]),
    ]
    return next((rule() for keywords, rule in rules if keyword in keywords), None)


def _complete_rtstruct(result: Dataset) -> None:
    """Write anew what an RTSTRUCT has to have (PS3.3, A.19)."""
    result.StructureSetLabel = "CONTOURS"
    result.StructureSetDate = result.StructureSetTime = result.Manufacturer = ""
    for structure in result.get("StructureSetROISequence", []):
        structure.ROIGenerationAlgorithm = structure.get("ROIGenerationAlgorithm", "")
    for observation in result.get("RTROIObservationsSequence", []):
        observation.RTROIInterpretedType = observation.get("RTROIInterpretedType", "")
        observation.ROIInterpreter = ""


def _complete_seg(result: Dataset) -> None:
    """Write anew what a SEG has to have (PS3.3, A.51)."""
    result.Manufacturer = result.ManufacturerModelName = result.SoftwareVersions = NOT_STATED
    result.DeviceSerialNumber = NOT_STATED
    result.ContentLabel, result.ContentDescription = "SEGMENTATION", ""
    result.ContentCreatorName = result.ContentDate = result.ContentTime = ""
    for segment in result.get("SegmentSequence", []):
        segment.SegmentedPropertyCategoryCodeSequence = [_tissue()]
        segment.SegmentedPropertyTypeCodeSequence = [_tissue()]
        if segment.get("SegmentAlgorithmType") != "MANUAL":
            segment.SegmentAlgorithmName = NOT_STATED
    for group in result.get("PerFrameFunctionalGroupsSequence", []):
        for derivation in group.get("DerivationImageSequence", []):
            derivation.DerivationCodeSequence = [_code("113076", "DCM", "Segmentation")]
            for image in derivation.get("SourceImageSequence", []):
                image.PurposeOfReferenceCodeSequence = [
                    _code("121322", "DCM", "Source image for image processing operation")
                ]


def _tissue() -> Dataset:
    return _code("85756007", "SCT", "Tissue")


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _add_mask(result: Dataset, tags: Tags) -> None:
    """Give a SEG its values, and nothing that travels with them."""
    values = stored_pixels(tags)
    if tags.integer("BitsAllocated") == 1:
        result.add_new("PixelData", "OB", pack_bits(values.ravel(), pad=True))
        return
    size = tags.integer("BitsAllocated") // 8
    stored = values.astype(f"<u{size}", copy=False).tobytes()
    result.add_new("PixelData", "OB" if size == 1 else "OW", stored + b"\0" * (len(stored) % 2))
