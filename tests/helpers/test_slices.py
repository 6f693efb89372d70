"""Blank and repeated images of a study are named before anything is computed from them."""

import shutil

import dicom_making
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import JPEGLSLossless, RLELossless
from small_study import load, save

from npc_helpers.imaging.dicom import read_series
from npc_helpers.study import Study, series_checksum
from npc_helpers.study.problems import page

WAYS = [None, RLELossless, JPEGLSLossless]


@pytest.fixture
def sound(two_patients):
    return two_patients


def spoilt(study, folder, spoil, *, compress=None):
    """A copy of a study with one series made anew; `spoil` changes its five images in place."""
    shutil.copytree(study, folder)
    manifest = load(folder, "manifest")
    array = dicom_making.noise(5, 64, 64, seed=99)
    spoil(array)
    place = folder / manifest.loc[0, "path"]
    shutil.rmtree(place)
    tags = {"patient_id": manifest.loc[0, "patient_id"], "PatientIdentityRemoved": "YES"}
    dicom_making.write_series(place, array, compress=compress, **tags)
    manifest.loc[0, "sha256"] = series_checksum(place)
    save(folder, "manifest", manifest)
    return folder


def found(folder):
    table = Study(folder).check()
    return table[table["problem"].str.contains("blank|show the same")]


def test_a_sound_study_has_none(sound):
    assert found(sound).empty


@pytest.mark.parametrize("compress", WAYS)
@pytest.mark.parametrize("value", [0, 700])
def test_blank_images_are_a_warning_with_their_names(sound, tmp_path, compress, value):
    def spoil(array):
        array[[0, 4]] = value

    folder = spoilt(sound, tmp_path / "s", spoil, compress=compress)
    (problem,) = found(folder).itertuples()
    assert problem.level == "warning" and problem.patient_id == "H-01"
    assert problem.where == "data/images/H-01/pre/t2w"
    assert problem.problem.startswith("2 of 5 images are blank")
    assert problem.problem.endswith("'I01.dcm', 'I05.dcm'")


def test_a_series_of_blank_images_is_an_error(sound, tmp_path):
    (problem,) = found(spoilt(sound, tmp_path / "s", lambda array: array.fill(0))).itertuples()
    assert problem.level == "error" and "5 of 5 images" in problem.problem
    assert "'I03.dcm', …" in problem.problem


@pytest.mark.parametrize("compress", WAYS)
def test_an_image_that_is_there_twice_is_named_with_the_other(sound, tmp_path, compress):
    def spoil(array):
        array[3] = array[1]

    (problem,) = found(spoilt(sound, tmp_path / "s", spoil, compress=compress)).itertuples()
    assert problem.level == "warning"
    # the files are named against the slices: slice 3 is I02, slice 1 is I04
    assert "1 of 5 images show the same as another of the series: 'I04.dcm' as 'I02.dcm'" in (
        problem.problem
    )


def test_images_of_another_patient_or_time_point_are_an_error(sound, tmp_path):
    """The headers differ, so that no checksum tells."""
    for source in ("data/images/H-01/post/t2w", "data/images/H-02/pre/t2w"):
        theirs = read_series(sound / source).array

        def spoil(array, theirs=theirs):
            array[2] = theirs[0][:64, :64]

        folder = tmp_path / source.replace("/", "_")
        spoilt(sound, folder, spoil)
        assert found(folder).empty  # a part of an image is another image
        place = next((folder / source).glob("*.dcm"))
        ours = sorted((folder / "data/images/H-01/pre/t2w").glob("*.dcm"))[0]
        dataset, pixels = dcmread(ours), dcmread(place)
        dataset.Rows, dataset.Columns = pixels.Rows, pixels.Columns
        dataset.PixelData = pixels.PixelData
        dataset.save_as(ours)
        (problem,) = found(folder).itertuples()
        assert problem.level == "error" and f"'{source}'" in problem.problem


def test_many_of_a_kind_are_one_entry(sound, tmp_path):
    folder = tmp_path / "s"
    spoilt(sound, folder, lambda array: array[0].fill(0))
    manifest = load(folder, "manifest")
    for row in manifest.itertuples():
        array = dicom_making.noise(3, 64, 64, seed=row.Index + 1000)
        array[1] = 0
        for path in (folder / row.path).iterdir():
            path.unlink()
        dicom_making.write_series(folder / row.path, array, patient_id=row.patient_id)
    text = page(found(folder))
    assert text.count("WARNING") == 1 and "images, 8 times:" in text and "… and 5 more" in text


def test_reading_a_series_notices_them_too(tmp_path):
    array = dicom_making.noise(5)
    array[2], array[4] = array[0], 7
    dicom_making.write_series(tmp_path, array)
    noticed = {(f.code, f.file): f.message for f in read_series(tmp_path).findings}
    assert set(noticed) == {("blank-slice", "I01.dcm"), ("repeated-slice", "I03.dcm")}
    assert noticed["repeated-slice", "I03.dcm"] == "shows the same as I05.dcm"


def test_frames_of_an_enhanced_file_are_compared_one_by_one(sound, tmp_path):
    from npc_helpers.study.slices import check_slices

    folder = tmp_path / "s"
    (folder / "e").mkdir(parents=True)
    array = dicom_making.noise(4)
    array[1], array[3] = 0, array[2]
    dataset = dicom_making.make_enhanced(array, slopes=[1] * 4, order=(0, 1, 2, 3))
    dataset.save_as(folder / "e" / "all.dcm", enforce_file_format=True)
    manifest = load(sound, "manifest").head(1).assign(path="e")
    blank, repeated = check_slices(manifest, folder)
    assert "1 of 4 images are blank" in blank.problem and "'all.dcm frame 2'" in blank.problem
    assert "'all.dcm frame 4' as 'all.dcm frame 3'" in repeated.problem


def test_a_damaged_or_foreign_file_is_left_to_the_reader(sound, tmp_path):
    folder = spoilt(sound, tmp_path / "s", lambda array: None)
    place = folder / "data/images/H-01/pre/t2w"
    (place / "I01.dcm").write_bytes(b"no image")
    whole = (place / "I02.dcm").read_bytes()
    (place / "I02.dcm").write_bytes(whole[: len(whole) // 2])
    assert found(folder).empty


def test_overlay_bits_do_not_hide_a_blank_image(tmp_path, sound):
    from npc_helpers.study.slices import check_slices

    pixels = np.zeros((24, 32), np.uint16)
    pixels[3:9, 4:20] = 1 << 12  # a letter in a bit above the stored ones
    dataset = dicom_making.make_slice(pixels, 0.0, BitsStored=12, HighBit=11)
    dicom_making.save(dataset, tmp_path / "e" / "1.dcm")
    (problem,) = check_slices(load(sound, "manifest").head(1).assign(path="e"), tmp_path)
    assert "1 of 1 images are blank" in problem.problem


# --- the day of the images ------------------------------------------------------------------------


def of_another_day(sound, tmp_path, **changes):
    """The check of a study after cells of the registry's first row were changed."""
    folder = tmp_path / "s"
    shutil.copytree(sound, folder)
    registry = load(folder, "registry")
    for column, value in changes.items():
        registry.loc[0, column] = value
    save(folder, "registry", registry)
    table = Study(folder).check()
    return table[table["problem"].str.contains("are of ", regex=False)]


def test_images_of_another_day_than_the_registry_names_are_told(sound, tmp_path):
    told = of_another_day(sound, tmp_path, mri_pre_date="2014-12-01", diagnosis_date="2014-11-01")
    assert told["patient_id"].tolist() == ["H-01", "H-01"]  # t2w and t1c
    assert set(told["level"]) == {"warning"}
    assert "are of 2015-01-11, and mri_pre_date is 2014-12-01" in told["problem"].iloc[0]


@pytest.mark.parametrize("day", ["2015-01-10", "2015-01-12", ""])
def test_images_of_the_same_night_and_days_that_are_not_known_are_in_order(sound, tmp_path, day):
    assert of_another_day(sound, tmp_path, mri_pre_date=day).empty
