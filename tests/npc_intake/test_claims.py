"""Files that claim to be one image, people who share a number: seen before anything is written."""

import shutil
from datetime import date

import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_making import make_slice, noise, save, write_series
from npc_intake.__main__ import main
from npc_intake.deidentify import Key, deidentify_folder
from npc_intake.deidentify.people import People
from npc_intake.find import find_series

ONE, OTHER = {"PatientBirthDate": "19630314"}, {"PatientBirthDate": "19711109"}


def run(folder, batch="in", **options):
    return deidentify_folder(
        folder / batch, folder / "out", key_path=folder / "k" / "key.json", **options
    )


def written(folder):
    return sorted((folder / "out").rglob("*.dcm"))


ALIKE = {
    "capitals": ("P-1", "p-1"),
    "leading zeros": ("0815", "815"),
    "zeros further on": ("P-001", "P-1"),
    "a hyphen": ("P-1", "P1"),
    "two blanks": ("P 1", "P  1"),
    "a blank that does not break": ("P 1", "P\u00a01"),
    "full width": ("P1", "\uff30\uff11"),
    "a mark without width": ("P1", "P1\u200b"),
}


@pytest.mark.parametrize("numbers", ALIKE.values(), ids=ALIKE)
def test_numbers_that_resemble_each_other_are_named(tmp_path, numbers, capsys):
    for number, pixels in zip(numbers, noise(2), strict=True):
        about = {"SpecificCharacterSet": "ISO_IR 192", "SeriesInstanceUID": f"2.25.{len(number)}1"}
        image = make_slice(pixels, 0, patient_id=number, **about)
        save(image, tmp_path / "in" / f"{number}.dcm")
    start = {numbers[0]: date(2015, 1, 20)}
    table = find_series(tmp_path / "in", treatment_start=start, progress=False).table
    assert "proposed" not in set(table["status"])
    places = [str(tmp_path / name) for name in ("in", "out")]
    assert main(["deidentify", *places, "--key", str(tmp_path / "k" / "key.json")]) == 0
    key = Key.open(tmp_path / "k" / "key.json")
    said, pair = capsys.readouterr().out, sorted(map(key.pseudonym, numbers))
    assert f"{' and '.join(pair)}: their numbers differ in capitals" in said
    assert not [number for number in numbers if f" {number} " in said]


def test_numbers_that_differ_otherwise_are_not_compared(tmp_path):
    for number, pixels in zip(("P-1", "P-10", "Q-1", "1-P"), noise(4), strict=True):
        save(make_slice(pixels, 0, patient_id=number), tmp_path / "in" / f"{number}.dcm")
    assert run(tmp_path).attrs["alike"] == []


# --- images ---------------------------------------------------------------------------------------


def test_three_images_that_share_an_identifier_and_differ_are_all_refused(tmp_path):
    for number, pixels in enumerate(noise(3)):
        save(make_slice(pixels, 0), tmp_path / "in" / f"{number}.dcm")
    save(make_slice(noise(1)[0], 6.0), tmp_path / "in" / "other.dcm")
    report = run(tmp_path)
    assert report["outcome"].value_counts().to_dict() == {"refused": 3, "written": 1}
    refused = report[report["outcome"] == "refused"]
    assert refused["problem"].str.contains("3 files claim to be this image and differ").all()
    assert len(written(tmp_path)) == 1
    assert sum(report.attrs["reasons"].values()) == 3


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"ImagePositionPatient": [-60, -70, 1.0]}, "refused"),
        ({"EchoTime": "90"}, "refused"),
        ({"SeriesInstanceUID": "2.25.77"}, "refused"),
        ({"InstitutionName": "elsewhere"}, "copy"),  # which is not kept anyway
        ({"SliceThickness": "5.0"}, "copy"),
    ],
)
def test_copies_are_told_from_images_that_differ(tmp_path, change, outcome):
    pixels = noise(1)[0]
    usual = {"SliceThickness": "5", "SOPInstanceUID": "2.25.76"}
    save(make_slice(pixels, 0, **usual), tmp_path / "in" / "a.dcm")
    save(make_slice(pixels, 0, **(usual | change)), tmp_path / "in" / "b.dcm")
    report = run(tmp_path)
    assert list(report["outcome"]) == (
        ["refused"] * 2 if outcome == "refused" else ["written", outcome]
    )
    assert len(written(tmp_path)) == (outcome == "copy")
    assert outcome == "refused" or report["path"].nunique() == 1


def test_two_patients_may_have_images_of_one_identifier(tmp_path):
    """As programs do that remove names badly; they do not overwrite each other."""
    for patient, pixels in zip(("P-1", "P-2"), noise(2), strict=True):
        save(make_slice(pixels, 0, patient_id=patient), tmp_path / "in" / f"{patient}.dcm")
    assert list(run(tmp_path)["outcome"]) == ["written"] * 2
    assert len(written(tmp_path)) == 2


def test_a_later_batch_does_not_overwrite_an_image_that_differs(tmp_path):
    first, second = noise(2)
    save(make_slice(first, 0), tmp_path / "in" / "a.dcm")
    run(tmp_path)
    (path,) = written(tmp_path)
    before = path.read_bytes()
    assert list(run(tmp_path)["outcome"]) == ["there already"]
    save(make_slice(second, 0), tmp_path / "later" / "a.dcm")
    (row,) = run(tmp_path, "later").to_dict("records")
    assert row["outcome"] == "refused" and "written by an earlier run and differs" in row["problem"]
    assert path.read_bytes() == before


def test_what_an_earlier_version_wrote_is_written_anew(tmp_path):
    save(make_slice(noise(1)[0], 0, EchoTime="90.0"), tmp_path / "in" / "a.dcm")
    run(tmp_path)
    (path,) = written(tmp_path)
    whole, dataset = path.read_bytes(), pydicom.dcmread(path)
    dataset.EchoTime = "90.0"
    dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    assert list(run(tmp_path)["outcome"]) == ["there already"]
    assert path.read_bytes() == whole


# --- people ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "differing"),
    [
        (ONE, OTHER, "date of birth"),
        ({"PatientSex": "F"}, {"PatientSex": "M"}, "sex"),
        ({"IssuerOfPatientID": "North"}, {"IssuerOfPatientID": "South"}, "issuer of the number"),
        (ONE | {"PatientSex": "F"}, OTHER | {"PatientSex": "M"}, "date of birth and sex"),
        (ONE, {"PatientBirthDate": "1963.03.14"}, ""),  # an old spelling of the same day
        (ONE, {"PatientBirthDate": ""}, ""),
        ({"PatientSex": "F"}, {"PatientSex": "O"}, ""),
        ({"IssuerOfPatientID": "North "}, {"IssuerOfPatientID": "NORTH"}, ""),
    ],
)
@pytest.mark.parametrize("batches", [("in", "in"), ("in", "later")])
def test_equal_numbers_are_not_one_person_without_a_word(
    tmp_path, first, second, differing, batches
):
    with pydicom.config.disable_value_validation():
        for number, (batch, tags) in enumerate(zip(batches, (first, second), strict=True)):
            dataset = make_slice(noise(1)[0], 6.0 * number, **tags)
            save(dataset, tmp_path / batch / f"{number}.dcm")
    save(make_slice(noise(1)[0], 0, patient_id="P-2"), tmp_path / "in" / "else.dcm")
    report = pd.concat([run(tmp_path, batch) for batch in dict.fromkeys(batches)])
    refused = report[report["outcome"] == "refused"]
    if not differing:
        assert refused.empty
        return
    assert len(refused) == len(batches) - (batches[1] == "later")
    pseudonym = Key.open(tmp_path / "k" / "key.json").pseudonym("P-1")
    sentence = f"two people may share the number of {pseudonym}: {differing} differ"
    assert refused["problem"].str.contains(sentence).all()
    for secret in ("19630314", "19711109", "North", "P-1"):
        assert not refused["problem"].str.contains(secret).any()
    again = [run(tmp_path, batch, one_person=[pseudonym]) for batch in dict.fromkeys(batches)]
    assert "refused" not in set(pd.concat(again)["outcome"]) and len(written(tmp_path)) == 3
    again = [run(tmp_path, batch) for batch in dict.fromkeys(batches)]  # what was said is noted
    if batches[1] == "later":
        assert "refused" not in set(pd.concat(again)["outcome"])


def test_the_command_takes_the_word_for_it(tmp_path, capsys):
    for number, tags in enumerate((ONE, OTHER)):
        save(make_slice(noise(1)[0], 6.0 * number, **tags), tmp_path / "in" / f"{number}.dcm")
    names = [str(tmp_path / "in"), str(tmp_path / "out"), "--key", str(tmp_path / "k" / "key.json")]
    assert main(["deidentify", *names]) == 1
    said = capsys.readouterr().out
    assert "2 refused: two people may share" in said and "0 file(s) written, 2 refused." in said
    assert main(["deidentify", *names, "--one-person", "all"]) == 0
    assert "2 file(s) written, 0 refused." in capsys.readouterr().out


def test_marks_of_people_tell_nothing_without_the_key(tmp_path):
    save(make_slice(noise(1)[0], 0, PatientSex="F", **ONE), tmp_path / "in" / "a.dcm")
    save(make_slice(noise(1)[0], 0, patient_id="P-2", **ONE), tmp_path / "in" / "b.dcm")
    run(tmp_path)
    table = pd.read_csv(tmp_path / "k" / "key-people.csv", dtype=str)
    assert table["element"].value_counts().to_dict() == {"PatientBirthDate": 2, "PatientSex": 1}
    assert table["mark"].is_unique  # equal dates of two patients have unequal marks
    assert "19630314" not in table.to_csv()


def test_two_runs_at_once_see_each_other(tmp_path):
    key = Key.open(tmp_path / "key.json")
    first, second = People(key), People(key)
    assert first.problem("P-1", [{"PatientSex": "F"}]) == ""
    assert "sex differ" in second.problem("P-1", [{"PatientSex": "M"}])
    assert second.problem("P-1", [{"PatientSex": "F"}]) == ""


# --- what is written beside the key ---------------------------------------------------------------


def test_each_run_leaves_a_log_beside_the_key(tmp_path):
    array = write_series(tmp_path / "in" / "DOE JANE", noise(2))
    shutil.copy(tmp_path / "in" / "DOE JANE" / "I01.dcm", tmp_path / "in" / "copy.dcm")
    save(make_slice(array[0], 90, BurnedInAnnotation="YES"), tmp_path / "in" / "burned.dcm")
    reports = [run(tmp_path), run(tmp_path)]
    for report in reports:
        log = pd.read_csv(report.attrs["log"], dtype=str, keep_default_na=False)
        pd.testing.assert_frame_equal(log, report, check_dtype=False)
        assert report.attrs["log"].parent == tmp_path / "k"
    assert sorted(reports[0]["outcome"]) == ["copy", "refused", "written", "written"]
    assert sorted(reports[1]["outcome"]) == ["copy", "refused", "there already", "there already"]
    assert list(reports[0].attrs["reasons"].values()) == [1]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "k").iterdir())
    assert not [path for path in (tmp_path / "out").rglob("*") if "DOE" in path.name]


def test_images_that_differ_only_in_pixels_are_seen(tmp_path):
    first = noise(1)[0]
    second = first.copy()
    second[3, 4] += 1
    for name, pixels in (("a", first), ("b", second)):
        save(make_slice(pixels, 0), tmp_path / "in" / f"{name}.dcm")
    assert set(run(tmp_path)["outcome"]) == {"refused"} and np.any(first != second)
