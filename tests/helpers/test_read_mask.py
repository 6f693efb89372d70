"""The known truth of a synthetic patient, on the images it was drawn on."""

import shutil
import sys

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_making import PREFIX, noise, save, write_series

from npc_helpers.imaging.masks import read_mask
from npc_helpers.study.dicom_file import DicomError


class OneSeries:
    """As much of a study as `read_mask` needs."""

    def __init__(self, folder):
        self.folder = folder

    def series_folder(self, patient_id, timepoint, sequence):
        return self.folder / patient_id / timepoint / sequence


def write_mask(folder, truth):
    """Write tumour and nodes as a DICOM segmentation of the series, through highdicom."""
    sources = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    for number, source in enumerate(sources):
        source.StudyInstanceUID = f"{PREFIX}.7"
        for keyword in ("PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"):
            setattr(source, keyword, "")
        for keyword in ("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"):
            setattr(source, keyword, "")
        source.InstanceNumber, source.SliceThickness = number + 1, 5
    tissue = pydicom.sr.codedict.codes.SCT.Tissue
    described = [
        highdicom.seg.SegmentDescription(
            number,
            label,
            tissue,
            tissue,
            highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, label in ((1, "tumour"), (2, "nodes"))
    ]
    from_top = np.stack([truth[0][::-1], truth[1][::-1]], axis=-1)  # names run downwards
    segmentation = highdicom.seg.Segmentation(
        sources,
        from_top.astype(np.uint8),
        highdicom.seg.SegmentationTypeValues.BINARY,
        described,
        series_instance_uid=f"{PREFIX}.8",
        series_number=9,
        sop_instance_uid=f"{PREFIX}.9",
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
    )
    segmentation.save_as(folder.parent / "mask.dcm")


def test_read_mask_finds_each_segment_on_its_slice(tmp_path):
    folder = tmp_path / "P-1" / "pre" / "t2w"
    write_series(folder, noise(4, 512, 512))
    truth = np.zeros((2, 4, 512, 512), dtype=bool)
    truth[0, 1, 3:9, 4:20] = True  # nothing on slices 0 and 3: such frames are left out
    truth[0, 2, 5:6, 4:5] = True
    truth[1, 2, 10:20, 21:30] = True
    write_mask(folder, truth)
    assert np.array_equal(read_mask(OneSeries(tmp_path), "P-1", "pre"), truth)


def test_read_mask_lies_on_the_images_as_they_are_resampled(tmp_path):
    folder = tmp_path / "P-1" / "pre" / "t2w"
    write_series(folder, noise(4, 320, 320), PixelSpacing=["0.5", "0.5"])
    truth = np.zeros((2, 4, 320, 320), dtype=bool)
    truth[0, 1, 100:180, 160:200] = True  # 40 x 20 mm, from 30 mm above and 0 mm beside the centre
    write_mask(folder, truth)
    (mask,) = read_mask(OneSeries(tmp_path), "P-1", "pre")[:1, 1]
    step = 250 / 512
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    assert [rows[0], rows[-1] + 1] == pytest.approx([256 - 30 / step, 256 + 10 / step], abs=1)
    assert [columns[0], columns[-1] + 1] == pytest.approx([256, 256 + 20 / step], abs=1)


def test_read_mask_is_none_without_truth(tmp_path):
    write_series(tmp_path / "P-1" / "pre" / "t2w")
    assert read_mask(OneSeries(tmp_path), "P-1", "pre") is None


@pytest.fixture
def small_series(tmp_path):
    """A series of 24 x 32 pixels with a mask beside it."""
    folder = tmp_path / "P-1" / "pre" / "t2w"
    write_series(folder)
    truth = np.zeros((2, 4, 24, 32), dtype=bool)
    truth[0, 1, 3:9, 4:20] = True
    write_mask(folder, truth)
    return folder


def test_read_mask_refuses_another_geometry(tmp_path):
    folder = tmp_path / "P-1" / "pre" / "t2w"
    write_series(folder)
    truth = np.zeros((2, 4, 24, 32), dtype=bool)
    truth[0, 1, 3:9, 4:20] = True
    write_mask(folder, truth)
    for path in folder.glob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient[0] += 5
        save(dataset, path)
    with pytest.raises(DicomError, match="lies on no image"):
        read_mask(OneSeries(tmp_path), "P-1", "pre")


def test_read_mask_refuses_a_segmentation_of_other_images(tmp_path):
    folder = tmp_path / "P-1" / "pre" / "t2w"
    write_series(folder)
    truth = np.zeros((2, 4, 24, 32), dtype=bool)
    truth[0, 1, 3:9, 4:20] = True
    write_mask(folder, truth)
    for path in folder.glob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID += ".1"
        save(dataset, path)
    with pytest.raises(
        DicomError, match="mask.dcm: it cannot be read as a segmentation of the T2w series"
    ):
        read_mask(OneSeries(tmp_path), "P-1", "pre")


def test_read_mask_refuses_what_is_no_segmentation(tmp_path):
    folder = tmp_path / "P-1" / "pre" / "t2w"
    write_series(folder)
    shutil.copy(next(folder.glob("*.dcm")), folder.parent / "mask.dcm")
    with pytest.raises(
        DicomError, match="mask.dcm: it cannot be read as a segmentation of the T2w series"
    ):
        read_mask(OneSeries(tmp_path), "P-1", "pre")


def test_read_mask_refuses_damaged_pixels(tmp_path, small_series):
    path = small_series.parent / "mask.dcm"
    dataset = pydicom.dcmread(path)
    dataset.PixelData = dataset.PixelData[:20]
    save(dataset, path)
    with pytest.raises(
        DicomError, match="mask.dcm: it cannot be read as a segmentation of the T2w series"
    ):
        read_mask(OneSeries(tmp_path), "P-1", "pre")


def test_where_highdicom_is_missing_the_refusal_names_the_command(tmp_path, monkeypatch):
    folder = tmp_path / "P-1" / "pre" / "t2w"
    write_series(folder)
    (folder.parent / "mask.dcm").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "highdicom.seg", None)
    with pytest.raises(DicomError, match="npc_helpers install demo"):
        read_mask(OneSeries(tmp_path), "P-1", "pre")
