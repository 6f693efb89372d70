"""A picture of each series found: the middle one in space, or why there is none."""

import numpy as np
from dicom_making import make_enhanced, make_slice, noise, save, write_series
from npc_intake.find import find_series, thumbnails

SAGITTAL = [0, 1, 0, 0, 0, -1]


def pictures(folder):
    """What is shown of each series, by its folder."""
    series = find_series(folder, progress=False)
    return dict(zip(series.table["path"], thumbnails(series), strict=True))


def test_the_middle_is_found_by_position_not_by_name(tmp_path):
    array = noise(5)
    # names in an order of their own: 2, 0, 4, 1, 3
    for name, index in enumerate([2, 0, 4, 1, 3]):
        save(make_slice(array[index], 6 * index), tmp_path / "s" / f"{name}.dcm")
    np.testing.assert_array_equal(pictures(tmp_path)["s"], array[2])


def test_enhanced_objects_and_localisers_have_a_picture_too(tmp_path):
    array = noise(3)
    enhanced = make_enhanced(array, slopes=[1, 1, 1], order=[0, 1, 2])
    enhanced.PatientID, enhanced.SeriesInstanceUID = "P-2", "2.25.7"
    save(enhanced, tmp_path / "enhanced" / "1.dcm")
    for number, plane in enumerate(([1, 0, 0, 0, 1, 0], SAGITTAL)):
        image = make_slice(
            array[number], number, ImageOrientationPatient=plane, StudyDate="20200101"
        )
        save(image, tmp_path / "localiser" / f"{number}.dcm")
    shown = pictures(tmp_path)
    np.testing.assert_array_equal(shown["enhanced"], array[1])
    np.testing.assert_array_equal(shown["localiser"], array[1])


def test_what_cannot_be_shown_says_why_and_keeps_nothing_else_back(tmp_path):
    write_series(tmp_path / "sound", patient_id="P-2")
    write_series(tmp_path / "damaged", patient_id="P-3", BitsAllocated=32)
    write_series(tmp_path / "report", patient_id="P-4", array=noise(1), Modality="SR")
    write_series(tmp_path / "nowhere", patient_id="P-5", ImagePositionPatient=None)
    gone = tmp_path / "gone"
    write_series(gone, patient_id="P-6", array=noise(1))
    series = find_series(tmp_path, progress=False)
    (gone / "I01.dcm").unlink()
    shown = dict(zip(series.table["path"], thumbnails(series), strict=True))
    assert shown["sound"].shape == shown["nowhere"].shape == (24, 32)
    assert shown["damaged"].startswith("file I02.dcm: its pixel data are damaged")
    assert shown["report"] == "file I01.dcm: its modality is SR, not MR. Leave it out"
    assert "cannot be read" in shown["gone"]
