"""Contours without the identity of the patient: nothing planted survives, every reference fits."""

import shutil

import numpy as np
import pydicom
import pytest
from contour_making import images_of, outline, write_images, write_rtstruct, write_seg
from dicom_making import save
from npc_intake.contours.boxes import boxes_around, extents_of
from npc_intake.contours.image_planes import image_planes
from npc_intake.contours.outlines import read_structures
from npc_intake.deidentify import Key, deidentify_file, deidentify_folder
from npc_intake.deidentify.contours import CONTOURS, clean_contours

from npc_helpers.imaging.headers import open_file
from npc_helpers.study.dicom_file import DicomError

BOX = {2: (30, 40, 50, 60), 3: (28, 42, 55, 70)}
KINDS = ["RTSTRUCT", "BINARY", "FRACTIONAL", "LABELMAP"]
SECRET = "Zhang"


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return Key.open(tmp_path_factory.mktemp("keys") / "key.json")


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return write_images(
        tmp_path_factory.mktemp("images") / "series", PatientName="^".join(("Zhang", "San"))
    )


def mask(boxes):
    made = np.zeros((7, 120, 120), bool)
    for index, (x0, y0, x1, y1) in boxes.items():
        made[index, y0:y1, x0:x1] = True
    return made


def write(path, kind, series, names=("GTVp_1", f"GTV {SECRET}")):
    images = images_of(series)
    if kind == "RTSTRUCT":
        drawn = {n: [(i, outline(images[i], box)) for i, box in BOX.items()] for n in names}
        return write_rtstruct(path, drawn, images)
    smaller = {5: (10, 10, 20, 20)}
    return write_seg(
        path, dict(zip(names, map(mask, (BOX, smaller)), strict=True)), images, kind=kind
    )


def plant(dataset):
    """Put a name wherever text fits, in sequences too."""
    for keyword in ("InstitutionName", "OperatorsName", "ManufacturerModelName", "StationName",
                    "StudyDescription", "SeriesDescription", "ReviewerName", "ContentCreatorName",
                    "StructureSetLabel", "StructureSetName", "StructureSetDescription",
                    "PatientComments", "PhysiciansOfRecord"):  # fmt: skip
        setattr(dataset, keyword, SECRET)
    block = dataset.private_block(0x3007, "PLANNING SYSTEM", create=True)
    block.add_new(1, "LO", SECRET)
    for elements, keywords in (
        ("StructureSetROISequence", ["ROIDescription", "ROIVolume", "ROIGenerationDescription"]),
        ("ROIContourSequence", ["SourceSeriesInformation"]),
        ("SegmentSequence", ["SegmentDescription", "SegmentAlgorithmName", "TrackingID"]),
    ):
        for item in dataset.get(elements, []):
            for keyword in keywords:
                if keyword in pydicom.datadict.keyword_dict and keyword != "ROIVolume":
                    setattr(item, keyword, SECRET)
            item.private_block(0x3007, "PLANNING SYSTEM", create=True).add_new(1, "LO", SECRET)
    for item in dataset.get("SegmentSequence", []):
        item.SegmentedPropertyTypeCodeSequence[0].CodeMeaning = SECRET
    return dataset


@pytest.mark.parametrize("kind", KINDS)
def test_no_name_that_was_planted_survives(tmp_path, series, key, kind):
    path = write(tmp_path / "c.dcm", kind, series)
    dataset = plant(pydicom.dcmread(path))
    save(dataset, path)
    assert path.read_bytes().count(SECRET.encode()) > 10
    clean = clean_contours(open_file(path), key)
    assert clean.SOPClassUID in CONTOURS
    save(clean, tmp_path / "clean.dcm")
    written = (tmp_path / "clean.dcm").read_bytes()
    for secret in (SECRET, "Who", "Doe", "P-1", *map(str, dataset.file_meta.values())):
        assert secret.encode() not in written or not secret.strip(), secret
    for element in pydicom.dcmread(tmp_path / "clean.dcm").iterall():
        assert not element.tag.is_private
        if element.VR == "UI" and not element.value.startswith("1.2.840.10008."):
            assert element.value.startswith("2.25."), element
            assert not element.value.startswith("2.25.4242"), element


@pytest.mark.parametrize("kind", KINDS)
def test_contours_fit_the_images_that_the_same_key_made(tmp_path, series, key, kind):
    path = write(tmp_path / "c.dcm", kind, series)
    save(clean_contours(open_file(path), key), tmp_path / "clean.dcm")
    for image in images_of(series):
        clean = deidentify_file(image, key)
        save(clean, tmp_path / "images" / f"{clean.SOPInstanceUID}.dcm")
    before, after = read_structures(path), read_structures(tmp_path / "clean.dcm")
    assert list(after.outlines) == ["GTVp_1", "STRUCTURE 2"]
    originals, images = image_planes(series), image_planes(tmp_path / "images")
    assert after.patient_id == images.patient_id != "P-1"
    assert after.series_uid == images.series_uid
    assert after.images == set() if kind != "RTSTRUCT" else after.images <= set(images.slices)
    for name, old in zip(after.outlines, before.outlines, strict=True):
        boxes = boxes_around([extents_of(after, name, images, "")], images, margin_mm=0)
        assert boxes == boxes_around(
            [extents_of(before, old, originals, "")], originals, margin_mm=0
        )


def test_what_is_hidden_behind_the_values_of_a_mask_goes(tmp_path, series, key):
    path = write(tmp_path / "c.dcm", "BINARY", series)
    dataset = pydicom.dcmread(path)
    dataset.PixelData += b"Zhang San, 1958"
    save(dataset, path)
    clean = clean_contours(open_file(path), key)
    assert b"Zhang" not in clean.PixelData and len(clean.PixelData) == 3 * 120 * 120 // 8


@pytest.mark.parametrize("kind", ["RTSTRUCT", "BINARY"])
def test_a_folder_of_images_and_contours_becomes_a_study_with_rectangles(tmp_path, series, kind):
    """The whole way: names out, and the contours still find their images."""
    source, clean = tmp_path / "export", tmp_path / "clean"
    shutil.copytree(series, source / "images")
    write(source / "contours.dcm", kind, series)
    for _ in range(2):  # the second run finds everything there
        report = deidentify_folder(
            source, clean, key_path=tmp_path / "keys" / "key.json", progress=False
        )
        assert len(report) == 8 and not (report["path"] == "").any(), report["problem"].tolist()
        assert (report["patient_id"] != "").all() and report["patient_id"].nunique() == 1
    drawn = report.loc[report["file"] == "contours.dcm"].iloc[0]
    assert drawn["problem"] == ""
    structures = read_structures(clean / drawn["path"])
    images = image_planes(
        (clean / report.loc[report["file"] != "contours.dcm", "path"].iloc[0]).parent
    )
    assert set(extents_of(structures, "GTVp_1", images, "")) == set(BOX)
    with pytest.raises(DicomError, match="de-identified before"):
        deidentify_file(clean / drawn["path"], Key.open(tmp_path / "keys" / "key.json"))
