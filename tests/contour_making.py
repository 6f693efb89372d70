"""Series, and files of contours drawn on them, for tests: RTSTRUCT, SEG and NIfTI masks."""

import highdicom
import nibabel
import numpy as np
import pydicom
from dicom_making import PREFIX, make_slice, noise, save
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

SLICES, ROWS, COLUMNS, SPACING, STEP = 7, 120, 120, (0.5, 0.75), 6.0
TILT = np.radians(12)
AXIAL = np.eye(3)
TILTED = np.array([[1, 0, 0], [0, np.cos(TILT), np.sin(TILT)], [0, -np.sin(TILT), np.cos(TILT)]])
CORNER = np.array([-60.0, -70.0, 30.0])


def write_images(folder, axes=AXIAL, *, number=1, slices=SLICES, step=STEP, start=0.0, **tags):
    """A series of 120 x 120 pixels of 0.5 x 0.75 mm; names run against positions."""
    pixels = noise(slices, ROWS, COLUMNS, seed=number)
    for index in range(slices):
        described = {
            "PixelSpacing": list(SPACING),
            "ImageOrientationPatient": [round(float(x), 8) for x in axes[:2].ravel()],
            "ImagePositionPatient": [
                round(float(x), 6) for x in CORNER + axes[2] * (start + index * step)
            ],
            "SOPInstanceUID": f"{PREFIX}.{number}.{index + 1}",
            "SeriesInstanceUID": f"{PREFIX}.{number}.0",
            "StudyInstanceUID": f"{PREFIX}.7",
            "SliceThickness": 5,
            "InstanceNumber": index + 1,
            "PatientName": "",
            "PatientBirthDate": "",
            "PatientSex": "",
            "StudyDate": "20200101",
            "StudyTime": "",
            "AccessionNumber": "",
            "ReferringPhysicianName": "",
            "StudyID": "",
        }
        dataset = make_slice(pixels[index], 0.0, **(described | tags))
        save(dataset, folder / f"I{slices - index:02d}.dcm")
    return folder


def images_of(folder):
    """The files of a series in the order of its slices."""
    datasets = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    return datasets[::-1]


def to_mm(dataset, places):
    """(column, row) places of pixel centres as LPS millimetres, by highdicom."""
    transformer = highdicom.spatial.ImageToReferenceTransformer(
        image_position=dataset.ImagePositionPatient,
        image_orientation=dataset.ImageOrientationPatient,
        pixel_spacing=dataset.PixelSpacing,
    )
    return transformer(np.asarray(places, dtype=float) + 0.5)  # its 0.5 is the centre of pixel 0


def outline(dataset, box):
    """The border of pixels x0 to x1, y0 to y1 (half-open) of an image, in mm."""
    x0, y0, x1, y1 = (edge - 0.5 for edge in box)
    return to_mm(dataset, [(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def write_rtstruct(path, contours, images, *, named=True, frame=f"{PREFIX}.2", patient_id="P-1"):
    """`contours`: {structure: [(index of an image, points in mm), …]}."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = RTStructureSetStorage, f"{PREFIX}.50"
    dataset.Modality, dataset.PatientID, dataset.PatientName = (
        "RTSTRUCT",
        patient_id,
        "^".join(("Doe", "Jane")),
    )
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{PREFIX}.7", f"{PREFIX}.51"
    dataset.StructureSetLabel, dataset.StructureSetDate = "plan of Dr. Who", "20200103"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = Sequence(), Sequence()
    dataset.RTROIObservationsSequence = Sequence()
    for number, (name, drawn) in enumerate(contours.items(), 1):
        structure = Dataset()
        structure.ROINumber, structure.ROIName = number, name
        structure.ReferencedFrameOfReferenceUID = frame
        structure.ROIGenerationAlgorithm = "MANUAL"
        dataset.StructureSetROISequence.append(structure)
        item = Dataset()
        item.ReferencedROINumber, item.ContourSequence = number, Sequence()
        for index, points in drawn:
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{x:.10g}" for x in np.ravel(points)]
            if named:
                contour.ContourImageSequence = Sequence([_reference(images[index])])
            item.ContourSequence.append(contour)
        dataset.ROIContourSequence.append(item)
    if named:
        series = Dataset()
        series.SeriesInstanceUID = images[0].SeriesInstanceUID
        series.ContourImageSequence = Sequence([_reference(image) for image in images])
        study = Dataset()
        study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
        study.ReferencedSOPInstanceUID = f"{PREFIX}.7"
        study.RTReferencedSeriesSequence = Sequence([series])
        reference = Dataset()
        reference.FrameOfReferenceUID = frame
        reference.RTReferencedStudySequence = Sequence([study])
        dataset.ReferencedFrameOfReferenceSequence = Sequence([reference])
    save(dataset, path)
    return path


def _reference(image):
    item = Dataset()
    item.ReferencedSOPClassUID = image.SOPClassUID
    item.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return item


def write_seg(path, masks, images, *, kind="BINARY", **options):
    """`masks`: {structure: bool array (slices, rows, columns)}, by highdicom."""
    tissue = codes.SCT.Tissue
    described = [
        SegmentDescription(number, name, tissue, tissue, SegmentAlgorithmTypeValues.MANUAL)
        for number, name in enumerate(masks, 1)
    ]
    pixels = np.stack([mask.astype(np.uint8) for mask in masks.values()], axis=-1)
    if kind == "FRACTIONAL":
        pixels = pixels * 0.75
    segmentation = Segmentation(
        images,
        pixels,
        SegmentationTypeValues[kind],
        described,
        series_instance_uid=f"{PREFIX}.61",
        series_number=9,
        sop_instance_uid=f"{PREFIX}.60",
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    segmentation.save_as(path)
    return path


def write_nifti(path, labels, images, *, codes_="LPS", shift=0.0):
    """`labels`: whole numbers (slices, rows, columns); axes as `codes_` says, as dcm2niix would."""
    first, last = images[0], images[-1]
    row, column = np.reshape([float(x) for x in first.ImageOrientationPatient], (2, 3))
    origin = np.array([float(x) for x in first.ImagePositionPatient])
    across = np.array([float(x) for x in last.ImagePositionPatient]) - origin
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * first.PixelSpacing[1], column * first.PixelSpacing[0]
    affine[:3, 2] = across / (len(images) - 1)
    affine[:3, 3] = origin + [shift, 0, 0]
    affine = np.diag([-1, -1, 1, 1]) @ affine  # NIfTI is RAS
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(affine), nibabel.orientations.axcodes2ornt(codes_)
    )
    image = nibabel.Nifti1Image(labels.transpose(2, 1, 0), affine).as_reoriented(turn)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(image.dataobj), image.affine), path)
    return path
