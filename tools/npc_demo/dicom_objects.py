"""The DICOM objects of a synthetic patient: MR images, localiser and segmentation.

Attributes follow DICOM PS3.3 (MR Image Storage, Segmentation Storage). Every identifier is made
from a hash, so that the same patient has the same identifiers in every build, and every object says
that it is synthetic.
"""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import jpeg_ls
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    MRImageStorage,
)

from npc_demo.patient import Patient
from npc_demo.protocols import DEFAULT, PROTOCOLS

MANUFACTURER = "SYNTHETIC"
BITS_STORED = 12
LARMOR_MHZ_PER_T = 42.577
LOCALISER, FAT = "localiser", "t2w_fat"  # decoy series, also the names of their folders


@dataclass(frozen=True)
class Style:
    """How one make of scanner names and fills things.

    Attributes
    ----------
    descriptions : dict
        SeriesDescription by series.
    image_type : dict
        Last values of ImageType for the water and the fat image.
    variant, options : str or list
        SequenceVariant and ScanOptions.
    slope : float or None
        RescaleSlope; None where the scanner writes none.
    caudal_first : bool
        Instance number 1 is the lowest slice.
    """

    model: str
    descriptions: dict[str, str]
    image_type: dict[str, list[str]]
    variant: list[str]
    options: list[str]
    slope: float | None
    caudal_first: bool


STYLES = {
    "A": Style(
        "Demonstration A",
        {
            "t2w": "WATER: Ax T2 FSE Flex",
            "t1c": "WATER: Ax T1 FSE Flex +C",
            FAT: "FAT: Ax T2 FSE Flex",
            LOCALISER: "3-Plane Loc",
        },
        {"water": ["DIXON", "WATER"], "fat": ["DIXON", "FAT"]},
        ["SK", "OSP"],
        ["FAST_GEMS", "FLEX"],
        None,
        False,
    ),
    "B": Style(
        "Demonstration B",
        {
            "t2w": "t2_tse_dixon_tra_W",
            "t1c": "t1_tse_dixon_tra_km_W",
            FAT: "t2_tse_dixon_tra_F",
            LOCALISER: "localizer",
        },
        {"water": ["DIXON", "WATER", "NORM"], "fat": ["DIXON", "FAT", "NORM"]},
        ["SK", "SP", "OSP"],
        ["PFP", "FS"],
        None,
        True,
    ),
    "C": Style(
        "Demonstration C",
        {
            "t2w": "T2W_mDIXON_TRA W",
            "t1c": "T1W_mDIXON_TRA_Gd W",
            FAT: "T2W_mDIXON_TRA F",
            LOCALISER: "Survey",
        },
        {"water": ["SE", "W"], "fat": ["SE", "F"]},
        ["SK"],
        ["OTHER"],
        2.25,
        False,
    ),
}
SERIES_NUMBERS = {LOCALISER: 1, "t2w": 3, FAT: 4, "t1c": 7, "mask": 100}


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One examination of one patient.

    Attributes
    ----------
    timepoint : {"pre", "mid", "post"}
    matrix : int
        Rows and columns.
    spacing_mm : float
        Pixel spacing.
    tilt : float
        Angle of the slices against the table, radians.
    table_mm : float
        Height of the topmost slice in patient coordinates.
    protocol : str
        Key of `protocols.PROTOCOLS`.
    """

    patient: Patient
    timepoint: str
    day: date
    matrix: int
    spacing_mm: float
    slice_spacing_mm: float
    tilt: float
    table_mm: float
    protocol: str = DEFAULT

    def uid(self, *names: object) -> str:
        """Return the identifier of one object of this examination (PS3.5, B.2)."""
        words = [self.patient.patient_id, self.patient.seed, self.matrix, self.timepoint, *names]
        text = "/".join(str(word) for word in words)
        digest = hashlib.sha256(text.encode()).digest()[:16]
        return f"2.25.{uuid.UUID(bytes=digest, version=5).int}"

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the directions of rows, columns and slices."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return np.array([1.0, 0, 0]), np.array([0, c, s]), np.array([0, -s, c])

    def corner(self, index: int, count: int) -> np.ndarray:
        """Return the position of the first pixel of a slice, 0 = lowest."""
        row, column, normal = self.axes()
        height = self.table_mm + (index - count + 1) * self.slice_spacing_mm
        return normal * height - (row + column) * self.matrix / 2 * self.spacing_mm


def mr_datasets(visit: Visit, series: str, pixels: np.ndarray) -> list[Dataset]:
    """Return one dataset per slice, lowest first, compressed without loss (JPEG-LS).

    Parameters
    ----------
    series : {"t2w", "t1c", "t2w_fat"}
    pixels : ndarray of uint16, shape (slices, matrix, matrix)
    """
    style = STYLES[visit.patient.vendor]
    count = len(pixels)
    result = []
    for index, image in enumerate(pixels):
        dataset = _common(visit, series, style)
        number = index + 1 if style.caudal_first else count - index
        dataset.InstanceNumber = number
        dataset.SOPInstanceUID = visit.uid(series, index)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        row, column, normal = visit.axes()
        corner = visit.corner(index, count)
        dataset.ImageOrientationPatient = _decimals([*row, *column], 6)
        dataset.ImagePositionPatient = _decimals(corner, 4)
        dataset.SliceLocation = _decimals([corner @ normal], 4)[0]
        _set_pixels(dataset, image, style)
        result.append(dataset)
    return result


def _decimals(values: object, places: int) -> list[str]:
    return [f"{value:.{places}f}" for value in np.asarray(values, dtype=float)]


def _set_pixels(dataset: Dataset, image: np.ndarray, style: Style | None) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = image.shape
    dataset.BitsAllocated, dataset.BitsStored = 16, BITS_STORED
    dataset.HighBit, dataset.PixelRepresentation = BITS_STORED - 1, 0
    slope = style.slope if style else None
    if slope:
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", str(slope), "US"
    width = float(np.percentile(image[::4, ::4], 99.5)) * (slope or 1)
    dataset.WindowCenter, dataset.WindowWidth = f"{width / 2:.0f}", f"{max(width, 2):.0f}"
    data = jpeg_ls.encode_pixel_data(
        np.ascontiguousarray(image, dtype="<u2").tobytes(),
        rows=image.shape[0],
        columns=image.shape[1],
        samples_per_pixel=1,
        bits_stored=BITS_STORED,
    )
    dataset.PixelData = encapsulate([bytes(data)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def _common(visit: Visit, series: str, style: Style) -> Dataset:
    """Return everything the images of one series share."""
    d = _header(visit, series, MRImageStorage, "MR")
    d.file_meta.TransferSyntaxUID = JPEGLSLossless
    sequence = "t1c" if series == "t1c" else "t2w"
    installation = PROTOCOLS[visit.protocol]
    timing = installation.sequence(sequence)
    kind = "fat" if series == FAT else "water"
    d.ImageType = ["DERIVED", "PRIMARY", *style.image_type[kind]]
    d.DerivationDescription = "synthetic image, computed from a model of anatomy and physics"
    d.BurnedInAnnotation = "NO"
    d.SeriesDescription = style.descriptions[series]
    d.ProtocolName = "Nasopharynx and neck"
    d.BodyPartExamined = "HEADNECK"
    d.ScanningSequence, d.MRAcquisitionType = "SE", "2D"
    d.SequenceVariant, d.ScanOptions = style.variant, style.options
    d.MagneticFieldStrength, d.ImagedNucleus = f"{installation.field_t:g}", "1H"
    d.ImagingFrequency = f"{LARMOR_MHZ_PER_T * installation.field_t:.2f}"
    d.RepetitionTime, d.EchoTime = str(timing.tr), str(timing.te)
    d.EchoTrainLength, d.NumberOfAverages = str(timing.echo_train), "2"
    d.EchoNumbers, d.FlipAngle, d.PixelBandwidth = "1", "125", "244.1"
    d.InPlanePhaseEncodingDirection = "COL"
    d.AcquisitionMatrix = [0, 320, 256, 0]
    d.PercentSampling, d.PercentPhaseFieldOfView, d.VariableFlipAngleFlag = "80", "100", "N"
    d.SliceThickness, d.SpacingBetweenSlices = "5", f"{visit.slice_spacing_mm:g}"
    d.PixelSpacing = [f"{visit.spacing_mm:.8g}"] * 2
    d.ReconstructionDiameter = f"{visit.spacing_mm * visit.matrix:g}"
    d.PatientPosition, d.PositionReferenceIndicator = "HFS", ""
    d.FrameOfReferenceUID = visit.uid("frame")
    if timing.contrast:
        d.ContrastBolusAgent, d.ContrastBolusRoute = "Gadobutrol (simulated)", "IV"
    return d


def _header(visit: Visit, series: str, sop_class: str, modality: str) -> Dataset:
    """Return patient, study, series and equipment of an object."""
    patient = visit.patient
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.MediaStorageSOPClassUID = sop_class
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.file_meta.ImplementationClassUID = "2.25.302681953317742137043126905216441573419"
    d.file_meta.ImplementationVersionName = "NPC_SYNTHETIC"
    d.SOPClassUID, d.Modality = sop_class, modality
    d.SpecificCharacterSet = "ISO_IR 192"
    d.PatientName, d.PatientID = f"{patient.patient_id}^SYNTHETIC", patient.patient_id
    d.PatientBirthDate, d.PatientSex = "", patient.sex
    d.PatientAge = f"{patient.age_years:03d}Y"
    d.PatientIdentityRemoved, d.DeidentificationMethod = "YES", "Synthetic: there is no patient"
    d.StudyInstanceUID, d.SeriesInstanceUID = visit.uid("study"), visit.uid(series)
    d.StudyID, d.AccessionNumber, d.ReferringPhysicianName = visit.timepoint.upper(), "", ""
    d.StudyDescription = "Synthetic MRI of nasopharynx and neck"
    day = visit.day.strftime("%Y%m%d")
    d.StudyDate = d.SeriesDate = d.AcquisitionDate = d.ContentDate = d.InstanceCreationDate = day
    minute = SERIES_NUMBERS[series] * 4 % 60
    d.StudyTime = "100000"
    d.SeriesTime = d.AcquisitionTime = d.ContentTime = d.InstanceCreationTime = f"10{minute:02d}00"
    d.SeriesNumber = str(SERIES_NUMBERS[series])
    d.Manufacturer, d.ManufacturerModelName = MANUFACTURER, STYLES[patient.vendor].model
    d.InstitutionName, d.DeviceSerialNumber = MANUFACTURER, "0"
    d.SoftwareVersions = "2" if "upgraded" in visit.protocol else "1"
    return d


def localiser_datasets(visit: Visit, pixels: np.ndarray) -> list[Dataset]:
    """Return a three-plane localiser, interpolated from the axial slices.

    Parameters
    ----------
    pixels : ndarray of uint16, shape (slices, matrix, matrix)
        T2-weighted images.
    """
    style = STYLES[visit.patient.vendor]
    step = max(visit.matrix // 128, 1)
    thin = pixels[:, ::step, ::step].astype(np.float32)
    spacing = visit.spacing_mm * step
    height = (len(thin) - 1) * visit.slice_spacing_mm
    z = np.arange(0, height, spacing) / visit.slice_spacing_mm
    low = np.minimum(z.astype(int), len(thin) - 2)
    volume = thin[low] + (z - low)[:, None, None].astype(np.float32) * (thin[low + 1] - thin[low])
    row, column, normal = visit.axes()
    corner, middle = visit.corner(0, len(thin)), thin.shape[1] // 2
    top = corner + normal * (len(z) - 1) * spacing
    planes = (
        (thin[len(thin) // 2], row, column, visit.corner(len(thin) // 2, len(thin))),
        (volume[::-1, middle], row, -normal, top + column * middle * spacing),
        (volume[::-1, :, middle], column, -normal, top + row * middle * spacing),
    )
    result = []
    for number, (image, along, down, first) in enumerate(planes, start=1):
        d = _common(visit, LOCALISER, style)
        d.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        d.SeriesDescription = style.descriptions[LOCALISER]
        d.InstanceNumber, d.SOPInstanceUID = number, visit.uid(LOCALISER, number)
        d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
        d.ImageOrientationPatient = _decimals([*along, *down], 6)
        d.ImagePositionPatient = _decimals(first, 4)
        d.PixelSpacing = [f"{spacing:.8g}"] * 2
        _set_pixels(d, np.clip(image, 0, 4095).astype(np.uint16), None)
        result.append(d)
    return result


# --- segmentation -------------------------------------------------------------------------------


def segmentation(visit: Visit, source: list[Dataset], tumour: np.ndarray, nodes: np.ndarray):
    """Return the known truth as a DICOM segmentation on the T2-weighted images.

    Parameters
    ----------
    source : list of Dataset
        The T2-weighted images, lowest first.
    tumour, nodes : ndarray of bool, shape (slices, matrix, matrix)

    Returns
    -------
    highdicom.seg.Segmentation
    """
    from highdicom.seg import Segmentation

    masks = np.stack([tumour, nodes], axis=-1).astype(np.uint8)
    seg = Segmentation(
        source_images=source,
        pixel_array=masks,
        omit_empty_frames=bool(masks.any()),  # after a complete response there is nothing to keep
        segmentation_type="BINARY",
        segment_descriptions=_segments(visit),
        series_instance_uid=visit.uid("mask"),
        series_number=SERIES_NUMBERS["mask"],
        sop_instance_uid=visit.uid("mask", 1),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="Demonstration study",
        software_versions="1",
        device_serial_number="0",
        content_label="TRUTH",
        content_description="Known truth of a synthetic patient",
    )
    _make_repeatable(seg, visit, source[0])
    return seg


def _segments(visit: Visit) -> list:
    """Return what the two segments of a visit's segmentation are."""
    from highdicom.content import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    algorithm = AlgorithmIdentificationSequence(
        name="NPC demonstration study",
        family=Code("SIMULATION", "99NPC", "Simulation"),
        version="1",
    )
    kinds = (
        ("Primary tumour", Code("86049000", "SCT", "Neoplasm, Primary")),
        ("Metastatic lymph nodes", Code("14799000", "SCT", "Neoplasm, Secondary")),
    )
    return [
        SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=kind,
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
            tracking_uid=visit.uid("segment", number),
            tracking_id=label,
        )
        for number, (label, kind) in enumerate(kinds, start=1)
    ]


def _make_repeatable(seg: Dataset, visit: Visit, source: Dataset) -> None:
    """Replace the times and random identifiers highdicom writes."""
    seg.SeriesDescription = "Truth: tumour and nodes"
    for keyword in ("ContentDate", "SeriesDate", "InstanceCreationDate"):
        setattr(seg, keyword, source.ContentDate)
    for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
        setattr(seg, keyword, source.ContentTime)
    for item in seg.get("ContributingEquipmentSequence", []):
        item.ContributionDateTime = source.ContentDate + source.ContentTime
    organisation = visit.uid("mask", "dimensions")
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = organisation
    seg.file_meta.ImplementationClassUID = source.file_meta.ImplementationClassUID
    seg.file_meta.ImplementationVersionName = source.file_meta.ImplementationVersionName


def save(dataset: Dataset, path: Path) -> None:
    """Write one object as a DICOM file."""
    dataset.save_as(path, enforce_file_format=True)
