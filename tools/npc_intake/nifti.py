"""A NIfTI volume as a DICOM MR series, so that it takes the same path as every other study.

NIfTI places voxels in RAS millimetres (right to left, back to front, up), DICOM in LPS; the affine
of the file is all that is known about where the patient lies, and it holds no scan parameters.
What would have to be guessed at is refused (nifti.nimh.nih.gov; DICOM PS3.3, C.7.6.2).
"""

import uuid
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from nibabel import orientations
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

from npc_helpers.study.artefacts import StudyError, atomic_path, file_hash

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
AXIAL = 0.8  # cosine between slice normal and body axis, as for other series (`series_kind`)
SHEAR = 1e-3  # largest cosine between two axes of the grid
COARSEST = 2.0  # a pixel this many times longer than wide comes from slices of another plane
LARGEST = 1 << 30  # voxels
LEVELS = (1 << 16) - 1
IMPLEMENTATION_UID = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, 'npc_helpers.intake.nifti').int}"
ACTION = "Convert the original images again, or leave this file out"


@dataclass(frozen=True, eq=False)
class NiftiImage:
    """An axial volume in the orientation of DICOM.

    Attributes
    ----------
    array : ndarray, shape (slices, rows, columns)
        Slices from the feet up, rows from front to back, columns from the patient's right to left.
    affine : ndarray, shape (4, 4)
        From (slice, row, column, 1) to the centre of that voxel in LPS millimetres.
    digest : str
        SHA-256 of the file.
    """

    array: np.ndarray
    affine: np.ndarray
    digest: str

    @property
    def slice_spacing_mm(self) -> float:
        """Distance between the centres of two slices."""
        return float(np.linalg.norm(self.affine[:3, 0]))

    @property
    def pixel_spacing_mm(self) -> tuple[float, float]:
        """Distance between rows, between columns."""
        rows, columns = np.linalg.norm(self.affine[:3, 1:3], axis=0)
        return float(rows), float(columns)

    @property
    def orientation(self) -> np.ndarray:
        """Direction cosines of a row and of a column, as ImageOrientationPatient; shape (6,)."""
        row, column = self.affine[:3, 2], self.affine[:3, 1]
        return np.concatenate([row / np.linalg.norm(row), column / np.linalg.norm(column)])


def read_nifti(path: str | Path) -> NiftiImage:
    """Read a volume and turn its axes, without resampling, to the orientation of axial DICOM.

    Parameters
    ----------
    path : path-like
        ``.nii`` or ``.nii.gz``, three-dimensional (further axes of length one are dropped).

    Returns
    -------
    NiftiImage

    Raises
    ------
    StudyError
        If the file is damaged or no volume of real, finite numbers; says nothing about where it
        lies; has a spacing that is not positive, sheared axes, or slices that are not axial.
    """
    path = Path(path)
    image = _open(path)
    affine = np.asarray(image.affine, dtype=float)
    _check_grid(path, image, affine)
    try:
        array = np.asanyarray(image.dataobj)
    except Exception as error:  # nibabel, gzip and zlib raise many kinds
        raise _refuse(path, f"the voxels cannot be read ({error})") from error
    array = array.reshape(array.shape[:3])
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise _refuse(path, "its voxels are not real, finite numbers")
    turn = orientations.ornt_transform(
        orientations.io_orientation(affine), orientations.axcodes2ornt("LPS")
    )
    affine = RAS_TO_LPS @ affine @ orientations.inv_ornt_aff(turn, array.shape)
    array = orientations.apply_orientation(array, turn).transpose(2, 1, 0)
    turned = NiftiImage(np.ascontiguousarray(array), affine[:, [2, 1, 0, 3]], file_hash(path))
    _check_axial(path, turned)
    return turned


def _refuse(path: Path, problem: str) -> StudyError:
    return StudyError(f"{path}: {problem}. {ACTION}.")


def _open(path: Path):
    try:
        image = nibabel.load(path)
    except FileNotFoundError as error:
        raise StudyError(f"{path}: no such file.") from error
    except Exception as error:  # not NIfTI, cut off in the header, a header of nonsense
        raise _refuse(path, f"cannot be read as NIfTI ({error})") from error
    if not isinstance(image, nibabel.Nifti1Image):  # NIfTI-2 is a kind of it
        raise _refuse(path, f"it is {type(image).__name__}, not NIfTI")
    return image


def _check_grid(path: Path, image, affine: np.ndarray) -> None:
    shape = image.shape
    if len(shape) < 3 or max(shape[3:], default=1) > 1:
        raise _refuse(path, f"its shape is {shape}, not that of one volume")
    if 0 in shape or np.prod(shape, dtype=float) > LARGEST:
        raise _refuse(path, f"its shape is {shape}: empty, or larger than any MR series")
    if image.header["sform_code"] == 0 and image.header["qform_code"] == 0:
        raise _refuse(path, "sform and qform are both unset, so left and right are unknown")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or spacing.min() <= 0:
        raise _refuse(path, f"its voxel spacing is {spacing.tolist()} mm")
    axes = affine[:3, :3] / spacing
    if np.abs(axes.T @ axes - np.eye(3)).max() > SHEAR:
        raise _refuse(path, "its axes are not perpendicular (sheared)")


def _check_axial(path: Path, image: NiftiImage) -> None:
    tilt = abs(image.affine[2, 0]) / image.slice_spacing_mm
    if tilt < AXIAL:
        degrees = np.degrees(np.arccos(tilt))
        raise _refuse(path, f"its slices are tilted by {degrees:.0f} degrees and not axial")
    pixel = image.pixel_spacing_mm
    if max(pixel) > COARSEST * min(pixel):
        raise _refuse(
            path,
            f"seen from above its pixels are {pixel[0]:.2f} x {pixel[1]:.2f} mm: it was taken in "
            "slices that are not axial",
        )


# --- as DICOM -------------------------------------------------------------------------------------


def write_series(
    folder: str | Path, image: NiftiImage, *, patient_id: str, description: str
) -> None:
    """Write a volume as classic DICOM MR images, one file per slice, whole or not at all.

    Only what the volume says is written: values and geometry. Scan parameters, dates and slice
    thickness stay absent or empty. The same volume gives the same files, byte for byte.

    Parameters
    ----------
    folder : path-like
        Made here; must not exist yet.
    image : NiftiImage
        Values that are not whole, or span more than 65,535, are rounded to that many steps.
    patient_id : str
    description : str
        SeriesDescription, for instance ``"T2 (NIfTI)"``.
    """
    stored, slope, intercept = to_stored(image.array)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for index, pixels in enumerate(stored):
            dataset = _identity(image, index, patient_id, description)
            _add_geometry(dataset, image, index)
            _add_pixels(dataset, pixels, slope, intercept)
            dataset.save_as(temporary / f"IM{index + 1:04d}.dcm", enforce_file_format=True)


def to_stored(array: np.ndarray) -> tuple[np.ndarray, str, str]:
    """Return values as 16-bit integers with the rescale that gives them back.

    Parameters
    ----------
    array : ndarray of real, finite numbers, shape (slices, rows, columns)

    Returns
    -------
    stored : ndarray of uint16, same shape
    slope, intercept : str
        As DICOM decimal strings: ``stored * slope + intercept`` are the values, exactly for whole
        numbers that span up to 65,535, else to within half a slope.
    """
    low, high = float(array.min()), float(array.max())
    whole = array.dtype.kind in "biu" or all((plane == np.rint(plane)).all() for plane in array)
    if whole and high - low <= LEVELS:
        slope, intercept = 1.0, 0.0 if low >= 0 and high <= LEVELS else low
    else:
        slope, intercept = (high - low) / LEVELS, low
    texts = format_number_as_ds(slope or 1.0), format_number_as_ds(intercept)  # 0: all the same
    stored = np.empty(array.shape, "<u2")
    for target, plane in zip(stored, array, strict=True):  # slice by slice: float64 needs the room
        steps = np.rint((plane.astype(float) - float(texts[1])) / float(texts[0]))
        np.clip(steps, 0, LEVELS, out=target, casting="unsafe")
    return stored, *texts


def _uid(*parts: object) -> str:
    text = " ".join(map(str, parts))
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, text).int}"


def _identity(image: NiftiImage, index: int, patient_id: str, description: str) -> Dataset:
    whose = (image.digest, patient_id, description)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    dataset.file_meta.ImplementationVersionName = "NPC_HELPERS"
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = _uid("image", *whose, index)
    dataset.Modality = "MR"
    dataset.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
    dataset.PatientName = dataset.PatientID = patient_id
    dataset.StudyInstanceUID = _uid("study", *whose)
    dataset.SeriesInstanceUID = _uid("series", *whose)
    dataset.FrameOfReferenceUID = _uid("frame", *whose)
    dataset.SeriesDescription = description
    dataset.InstanceNumber = index + 1
    for keyword in (
        *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "SeriesNumber"),
        *("AccessionNumber", "ReferringPhysicianName", "Manufacturer", "SliceThickness"),
        "PositionReferenceIndicator",
    ):
        setattr(dataset, keyword, None)  # has to be there, may be empty
    return dataset


def _add_geometry(dataset: Dataset, image: NiftiImage, index: int) -> None:
    position = image.affine[:3, 3] + index * image.affine[:3, 0]
    dataset.ImagePositionPatient = _decimals(position)
    dataset.ImageOrientationPatient = _decimals(image.orientation)
    dataset.PixelSpacing = _decimals(image.pixel_spacing_mm)
    dataset.SpacingBetweenSlices = format_number_as_ds(image.slice_spacing_mm)


def _decimals(values) -> list[str]:
    return [format_number_as_ds(float(value)) for value in values]


def _add_pixels(dataset: Dataset, pixels: np.ndarray, slope: str, intercept: str) -> None:
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    dataset.RescaleType = "US"
    dataset.add_new("PixelData", "OW", pixels.tobytes())
