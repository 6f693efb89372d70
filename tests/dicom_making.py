"""Small DICOM series for tests, written with pydicom; every tag can be spoilt."""

from zlib import crc32

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

AXIAL = [1, 0, 0, 0, 1, 0]
PREFIX = "2.25.4242"


def noise(slices=4, rows=24, columns=32, *, dtype=np.uint16, top=4096, seed=0):
    return np.random.default_rng(seed).integers(0, top, (slices, rows, columns)).astype(dtype)


def _image(pixels, patient_id):
    """Everything that a classic file and an enhanced one have in common."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Modality = "MR"
    dataset.PatientID = patient_id
    dataset.SeriesDescription = "WATER: Ax T2"
    dataset.SeriesInstanceUID = f"{PREFIX}.1"
    dataset.FrameOfReferenceUID = f"{PREFIX}.2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.tobytes()
    dataset.add_new("PixelData", "OB" if pixels.dtype.itemsize == 1 else "OW", data)
    return dataset


def make_slice(pixels, z, *, patient_id="P-1", **tags):
    """One classic MR image at height `z` mm; `tags` replace or (None) remove elements."""
    dataset = _image(pixels, patient_id)
    dataset.SOPClassUID = MRImageStorage
    series = tags.get("SeriesInstanceUID") or dataset.SeriesInstanceUID
    of_series = "" if series == dataset.SeriesInstanceUID else f"{crc32(series.encode())}."
    dataset.SOPInstanceUID = f"{PREFIX}.3.{of_series}{int(z * 1000) + 10**7}"
    dataset.PixelSpacing = [0.5, 0.5]
    dataset.ImageOrientationPatient = AXIAL
    dataset.ImagePositionPatient = [-60, -70, z]
    change(dataset, tags)
    return dataset


def change(dataset, tags):
    for keyword, value in tags.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)


def save(dataset, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def write_series(folder, array=None, *, step=6.0, compress=None, suffix=".dcm", **tags):
    """Write a series whose file names run against its positions; returns the array."""
    array = noise() if array is None else array
    for index, pixels in enumerate(array):
        dataset = make_slice(pixels, index * step, **tags)
        if compress:
            dataset.compress(compress, generate_instance_uid=False)
        save(dataset, folder / f"I{len(array) - index:02d}{suffix}")
    return array


def make_enhanced(array, *, slopes, order, step=6.0):
    """One enhanced multi-frame file whose frames stand in the given order of slices."""
    dataset = _image(np.ascontiguousarray(array[list(order)]), "P-1")
    dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.SOPInstanceUID = f"{PREFIX}.4"
    dataset.NumberOfFrames = len(array)
    shared = Dataset()
    shared.PlaneOrientationSequence = Sequence([Dataset()])
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = AXIAL
    shared.PixelMeasuresSequence = Sequence([Dataset()])
    shared.PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.5]
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence()
    for index in order:
        frame = Dataset()
        frame.PlanePositionSequence = Sequence([Dataset()])
        frame.PlanePositionSequence[0].ImagePositionPatient = [-60, -70, index * step]
        frame.PixelValueTransformationSequence = Sequence([Dataset()])
        frame.PixelValueTransformationSequence[0].RescaleSlope = slopes[index]
        frame.PixelValueTransformationSequence[0].RescaleIntercept = 0
        dataset.PerFrameFunctionalGroupsSequence.append(frame)
    return dataset
