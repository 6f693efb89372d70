"""Values are compared, not texts; a part of a series is never proposed as the whole."""

from datetime import date

import numpy as np
import pytest
from dicom_making import PREFIX, change, make_enhanced, make_slice, noise, save
from npc_intake.find import find_series
from npc_intake.find.headers import read_images
from pydicom.uid import ImplicitVRLittleEndian

from npc_helpers.study.artefacts import StudyError

SIX = range(6)
STACK = noise(6, 8, 8)
TREATMENT = {
    "treatment_start": {"P-1": date(2015, 1, 20), "P-2": date(2015, 1, 20)},
    "treatment_end": {"P-1": date(2015, 3, 20), "P-2": date(2015, 3, 20)},
}
SERIES = {
    "SeriesInstanceUID": f"{PREFIX}.11",
    "SeriesDescription": "Ax T2",
    "StudyDate": "20150105",
    "RepetitionTime": 4000,
    "EchoTime": 90,
    "ScanningSequence": "SE",
}


def table_of(folder, tags=lambda number: {}, *, numbers=SIX):
    """The list of a folder with one series of six slices, whose images differ in some tags."""
    for number in numbers:
        about = SERIES | {"SOPInstanceUID": f"{PREFIX}.11.{number}"} | tags(number)
        height = about.pop("height", number * 6.0)
        # names run against the order of slices
        save(make_slice(STACK[number % 6], height, **about), folder / f"{99 - number}.dcm")
    return find_series(folder, progress=False, **TREATMENT).table


def late(value, usual, *, since=4):
    return lambda number: usual if number < since else value


SAME_VALUE = {
    "echo time": late({"EchoTime": "90"}, {"EchoTime": "90.0"}),
    "echo time, next digit": late({"EchoTime": "90.01"}, {"EchoTime": "90"}),
    "repetition time": late({"RepetitionTime": "4e3"}, {"RepetitionTime": "4000.00"}),
    "old date": late({"StudyDate": "2015.01.05"}, {}),
    "past midnight": late({"StudyDate": "20150106"}, {}),
    "blank date": late({"StudyDate": ""}, {}),
    "no date but that of the series": lambda number: {"StudyDate": "", "SeriesDate": "20150105"},
    "blank echo time": late({"EchoTime": ""}, {}),
    "description on the first only": late({"SeriesDescription": ""}, {}, since=1),
    "blanks around": late({"PatientID": "P-1 "}, {}),
    "date with hyphens": late({"StudyDate": "2015-01-05"}, {}),
    "date of zeros": late({"StudyDate": "00000000"}, {}),
    "thirteenth month": late({"StudyDate": "20151305"}, {}),
    "only the image's date": lambda number: {"StudyDate": "", "AcquisitionDate": "20150105"},
    "only date and time": lambda number: {
        "StudyDate": "",
        "AcquisitionDateTime": "20150105101500.5",
    },
    "pixel size": late({"PixelSpacing": ["0.50", "5E-1"]}, {}),
    "sign of a number": late({"EchoTime": "+90"}, {}),
    "case of a word": late({"ImageType": ["original", "primary", "m"]}, {}),
    "direction jitters": late({"ImageOrientationPatient": [1, 1e-4, 0, -1e-4, 1, 0]}, {}),
    "acquisition and series number": late({"AcquisitionNumber": 2, "SeriesNumber": 9}, {}),
    "examination's identifier": late({"StudyInstanceUID": f"{PREFIX}.99"}, {}),
    "maker's spelling": late({"Manufacturer": "Siemens"}, {"Manufacturer": "SIEMENS"}),
    "order of values": late({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]}, {}),
}


@pytest.mark.parametrize("tags", SAME_VALUE.values(), ids=SAME_VALUE)
@pytest.mark.filterwarnings("ignore")
def test_what_is_the_same_value_makes_one_series(tmp_path, tags):
    table = table_of(tmp_path, tags)
    assert table[["n_images", "status", "kind"]].values.tolist() == [[6, "proposed", "t2w"]]
    assert table["study_date"].tolist() == ["2015-01-05"]


PARTS = {
    "Dixon part": late({"ImageType": ["DERIVED", "PRIMARY", "W"]}, {}, since=5),
    "EchoTime": late({"EchoTime": 80}, {}),
    "matrix": late({"Rows": 4, "Columns": 16}, {}),
    "pixel size": late({"PixelSpacing": [0.6, 0.6]}, {}),
    "date": late({"StudyDate": "20150401"}, {}),
    "PatientID": late({"PatientID": "P-2"}, {}),
}


@pytest.mark.parametrize("field", PARTS)
def test_a_part_says_so_and_is_refused(tmp_path, field):
    table = table_of(tmp_path, PARTS[field])
    assert table["status"].tolist() == ["refused", "refused"]
    assert sorted(table["n_images"]) == ([1, 5] if field == "Dixon part" else [2, 4])
    for number, reason in enumerate(sorted(table["reason"]), start=1):
        assert f"part {number} of 2 of the same series" in reason and field in reason


@pytest.mark.parametrize("day", ["19000101", "19790601", "21050101"])
def test_a_day_on_which_no_scanner_was_is_left_to_a_person(tmp_path, day):
    table = table_of(tmp_path, lambda number: {"StudyDate": day})
    assert table["status"].tolist() == ["decide"]
    assert "no scanner can have made it on" in table["reason"][0]


def test_images_acquired_on_another_day_are_left_to_a_person(tmp_path):
    table = table_of(tmp_path, lambda number: {"AcquisitionDate": "20150501"})
    assert table["status"].tolist() == ["decide"]
    assert "of 2015-01-05, and images acquired on 2015-05-01" in table["reason"][0]


def test_images_acquired_past_midnight_are_of_the_examination(tmp_path):
    table = table_of(tmp_path, lambda number: {"AcquisitionDateTime": "20150106001500"})
    assert table["status"].tolist() == ["proposed"]


def test_places_in_two_frames_of_reference_are_no_stack(tmp_path):
    table = table_of(tmp_path, late({"FrameOfReferenceUID": f"{PREFIX}.98"}, {}))
    assert table["status"].tolist() == ["refused"]
    assert "2 frames of reference" in table["reason"][0]


def shifted(millimetres):
    return lambda number: {"ImagePositionPatient": [millimetres(number), -70, 6.0 * number]}


NOT_PROPOSED = {
    "one shifted sideways": shifted(lambda number: -60 + 40 * (number == 3)),
    "every second shifted sideways": shifted(lambda number: -60 + 10 * (number % 2)),
    "each shifted a little further": shifted(lambda number: -60 + 0.5 * number),
    "two stacks that overlap": lambda number: {"height": (0.0, 6, 12, 8, 14, 20)[number]},
    "uneven steps": lambda number: {"height": (0.0, 6, 12, 18, 24, 31)[number]},
    "half tilted": late({"ImageOrientationPatient": [1, 0, 0, 0, 0.94, 0.3412]}, {}, since=3),
    "half turned within its plane": late(
        {"ImageOrientationPatient": [0.94, 0.3412, 0, -0.3412, 0.94, 0]}, {}, since=3
    ),
    "rows for columns": late({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, {}, since=5),
    "turned by a degree": late(
        {"ImageOrientationPatient": [0.99985, 0.01745, 0, -0.01745, 0.99985, 0]}, {}, since=5
    ),
    "negative b-value": late({"DiffusionBValue": -50.0}, {"DiffusionBValue": 0.0}, since=5),
    "b-values that are no numbers": lambda number: {"DiffusionBValue": float("nan")},
    "an endless b-value": late({"DiffusionBValue": float("inf")}, {}, since=5),
    "a direction of diffusion": late({"DiffusionDirectionality": "ISOTROPIC"}, {}, since=5),
    "b-value of one image": late({"DiffusionBValue": 800.0}, {"DiffusionBValue": 0.0}, since=5),
    "half water, half fat": late(
        {"ImageType": ["DERIVED", "PRIMARY", "F"]}, {"ImageType": ["DERIVED", "PRIMARY", "W"]}
    ),
    "one phase image": late({"ImageType": ["ORIGINAL", "PRIMARY", "P"]}, {}, since=5),
    "one called otherwise": late({"SeriesDescription": "DWI"}, {}, since=5),
    "one inverted": late({"ScanningSequence": "IR"}, {}, since=5),
    "one with an inversion time": late({"InversionTime": "150"}, {}, since=5),
    "one of another plane": late({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, {}, since=5),
    "one of another machine": late({"Modality": "CT"}, {}, since=5),
    "one without place": late({"ImagePositionPatient": ""}, {}, since=5),
    "a gap": lambda number: {"height": number * 6.0 + 6.0 * (number > 3)},
    "two in one place": lambda number: {"height": (number - (number == 4)) * 6.0},
    "all twice": lambda number: {"height": number // 2 * 6.0},
    "a dynamic study": lambda number: {"height": number // 3 * 6.0},
    "no echo time": lambda number: {"EchoTime": "0"},
    "no number": lambda number: {"EchoTime": "NaN"},
    "no direction": lambda number: {"ImageOrientationPatient": ""},
    "no day": lambda number: {"StudyDate": "20151345"},
    "two names in one": lambda number: {"PatientID": "P-1\\P-2"},
}


@pytest.mark.parametrize("tags", NOT_PROPOSED.values(), ids=NOT_PROPOSED)
@pytest.mark.filterwarnings("ignore")
def test_what_is_not_one_whole_stack_is_not_proposed(tmp_path, tags):
    assert "proposed" not in set(table_of(tmp_path, tags)["status"])


def test_blank_identifiers_of_some_images_are_not_filled_in(tmp_path):
    table = table_of(tmp_path, late({"PatientID": ""}, {}))
    assert table["status"].tolist() == ["refused"]
    assert table["reason"].tolist() == ["no PatientID on 2 of 6 images"]


def test_parts_that_each_cover_the_stack_are_volumes(tmp_path):
    def tags(number):
        part = ("W", "F")[number // 6]
        return {"ImageType": ["DERIVED", "PRIMARY", part], "height": number % 6 * 6.0}

    table = table_of(tmp_path, tags, numbers=range(12)).set_index("kind")
    assert table["n_images"].to_dict() == {"t2w": 6, "fat": 6}
    assert table["status"].to_dict() == {"t2w": "proposed", "fat": "ignored"}


def test_one_of_several_echoes_is_left_to_a_person(tmp_path):
    def tags(number):
        return {"EchoTime": (70, 110)[number // 6], "height": number % 6 * 6.0}

    table = table_of(tmp_path, tags, numbers=range(12))
    assert table["status"].tolist() == ["decide"] * 2
    assert table["reason"].str.contains("one of 2 echoes").all()


def test_one_identifier_in_two_patients_is_left_to_a_person(tmp_path):
    def tags(number):
        return {"PatientID": ("P-1", "P-2")[number // 6], "height": number % 6 * 6.0}

    table = table_of(tmp_path, tags, numbers=range(12))
    assert table["patient_id"].tolist() == ["P-1", "P-2"]
    assert table["status"].tolist() == ["decide"] * 2
    assert table["reason"].str.contains("images of 2 patients").all()


@pytest.mark.parametrize(
    ("status", "kind", "says", "heights"),
    [
        ("refused", "t2w", "1 slice(s) missing inside", [0, 6, 12, 24, 30, 36]),
        ("refused", "t2w", "2 images lie in each place", [0, 0, 6, 6, 12, 12]),
        ("refused", "t2w", "in 1 of 5 places", [0, 6, 6, 12, 18, 24]),
        ("ignored", "other", "3 images in each place", [0, 0, 0, 6, 6, 6]),
        ("proposed", "t2w", "TR 4000", [0, 6, 12.05, 18, 24, 30]),
        ("proposed", "t2w", "TR 4000", [30, 24, 18, 12, 6, 0]),
    ],
)
def test_gaps_and_places_with_several_images(tmp_path, status, kind, says, heights):
    table = table_of(tmp_path, lambda number: {"height": heights[number]})
    assert table[["status", "kind"]].values.tolist() == [[status, kind]]
    assert says in table["reason"][0]


def test_files_are_in_the_order_of_slices(tmp_path):
    for number in (3, 0, 4, 1, 5, 2):
        about = SERIES | {"SOPInstanceUID": f"{PREFIX}.11.{number}"}
        save(make_slice(STACK[number], number * 6.0, **about), tmp_path / f"{number * 7 % 6}.dcm")
    (files,) = find_series(tmp_path, progress=False).files
    assert [path.name for path in files] == [f"{number * 7 % 6}.dcm" for number in SIX]


NO_IMAGES = {
    "raw data": "1.2.840.10008.5.1.4.1.1.66",
    "report": "1.2.840.10008.5.1.4.1.1.88.22",
    "list of key images": "1.2.840.10008.5.1.4.1.1.88.59",
    "presentation state": "1.2.840.10008.5.1.4.1.1.11.1",
    "spectroscopy": "1.2.840.10008.5.1.4.1.1.4.2",
    "object of a maker's own kind": "1.3.46.670589.11.0.0.12.2",
}


@pytest.mark.parametrize("content", NO_IMAGES)
@pytest.mark.parametrize("is_enhanced", [False, True], ids=["classic", "enhanced"])
def test_objects_without_images_in_the_same_series_are_left_alone(tmp_path, content, is_enhanced):
    if is_enhanced:
        dataset = make_enhanced(STACK, slopes=[1] * 6, order=SIX)
        for keyword, value in SERIES.items():
            setattr(dataset, keyword, value)
        save(dataset, tmp_path / "e.dcm")
    else:
        table_of(tmp_path)
    without_image = make_slice(STACK[0], 0, **SERIES, ImageOrientationPatient=None)
    without_image.SOPClassUID, without_image.SOPInstanceUID = NO_IMAGES[content], f"{PREFIX}.99"
    without_image.ImagePositionPatient = None
    save(without_image, tmp_path / "0.dcm")
    series = find_series(tmp_path, progress=False, **TREATMENT)
    assert series.ignored == {content: 1}
    assert series.table[["kind", "status", "n_images"]].values.tolist() == [
        ["t2w", "proposed", 1 if is_enhanced else 6]
    ]


def test_what_one_file_holds_of_several_cannot_be_divided(tmp_path):
    dataset = make_enhanced(STACK, slopes=[1] * 6, order=SIX)
    for keyword, value in SERIES.items():
        setattr(dataset, keyword, value)
    for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        kind = make_slice(STACK[0], 0)
        kind.FrameType = ["DERIVED", "PRIMARY", ("WATER", "FAT")[number % 2]]
        frame.MRImageFrameTypeSequence = [kind]
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, number // 2 * 6.0]
    save(dataset, tmp_path / "e.dcm")
    table = find_series(tmp_path, progress=False, **TREATMENT).table
    assert table["status"].tolist() == ["refused"]
    assert "several Dixon parts (fat, water). Export them apart" in table["reason"][0]


def test_the_list_tells_series_apart_by_what_a_person_knows(tmp_path):
    table = table_of(
        tmp_path,
        lambda number: {
            "SeriesNumber": 7,
            "AcquisitionTime": f"1015{number:02d}.5",
            "FlipAngle": 150,
            "EchoTime": 90.5,
        },
    )
    row = table.loc[0]
    assert (row["series_number"], row["time"]) == ("7", "10:15")
    assert (row["tr_ms"], row["te_ms"], row["flip_deg"]) == ("4000", "90.5", "150")
    assert row["n_slices"] == 6 and len(row["id"]) == 12


def test_the_identifier_of_a_row_stays_when_files_move_or_are_added(tmp_path):
    before = table_of(tmp_path / "a", numbers=range(5))
    after = table_of(tmp_path / "b" / "c")
    assert before["id"].tolist() == after["id"].tolist()
    regrouped = table_of(tmp_path / "d", lambda number: {"SeriesInstanceUID": f"{PREFIX}.12"})
    assert regrouped["id"].tolist() != after["id"].tolist()


def test_heights_are_taken_along_the_normal_of_a_tilted_stack(tmp_path):
    tilt = np.deg2rad(20)
    normal = np.array([0, -np.sin(tilt), np.cos(tilt)])
    order = [4, 1, 3, 0, 5, 2]

    def tags(number):
        along = np.array([0, np.cos(tilt), np.sin(tilt)])  # within the plane: plays no part
        centre = np.array([5.0, -200, 30]) + normal * 3 * number + along * (40, 0, -40)[number % 3]
        return {
            "ImageOrientationPatient": [1, 0, 0, 0, np.cos(tilt).round(6), np.sin(tilt).round(6)],
            "ImagePositionPatient": [round(value, 3) for value in centre.tolist()],
            "SOPInstanceUID": f"{PREFIX}.11.{order[number]}",
        }

    table = table_of(tmp_path, tags)
    assert table["status"].tolist() == ["decide"]  # no slice seems to be missing
    assert "shifted sideways, by up to 80 mm" in table["reason"][0]
    (files,) = find_series(tmp_path, progress=False).files
    assert [path.name for path in files] == [f"{99 - number}.dcm" for number in SIX]


# --- what was walked in one file ------------------------------------------------------------------


def differing_files(folder):
    """Files alike but for one thing each, in an order in which each follows another kind."""
    changes = [
        *({}, {"SeriesDescription": "T1"}, {"ImageType": "ORIGINAL\\PRIMARY\\P"}, {}),
        *({"EchoTime": 90}, {"Manufacturer": "SIEMENS"}, {"Manufacturer": "GE"}, {}),
        *({"PatientID": "鼻", "SpecificCharacterSet": "GB18030"}, {"PatientID": "P-2"}),
        *({"SpecificCharacterSet": "ISO_IR 192"}, {"StudyDate": "20150302"}, {"Rows": 25}, {}),
    ]
    paths = []
    for number, tags in enumerate(changes):
        rows = tags.get("Rows", 24)
        dataset = make_slice(noise(1, rows)[0], 6.0 * number, InstanceNumber=number)
        told = {"SeriesDescription": "T2", "Manufacturer": "Philips", "SliceLocation": number}
        change(dataset, told | {"RepetitionTime": 4000, "StudyDate": "20150301"} | tags)
        if number % 3 == 1:
            dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(
                0x0C, "IS", str(100 * number)
            )
        if number % 4 == 3:
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        paths.append(folder / f"{number:02d}.dcm")
        save(dataset, paths[-1])
    return paths


def test_what_was_walked_in_one_file_never_stands_in_for_another(tmp_path):
    paths = differing_files(tmp_path)
    for order in (paths, paths[::-1], sorted(paths * 2)):
        walked = {}
        assert [read_images(path, walked) for path in order] == [read_images(p) for p in order]
        assert walked


def test_an_image_that_stands_in_two_series_is_said(tmp_path):
    for number in SIX:
        for series in ("a", "b"):
            tags = SERIES | {"SOPInstanceUID": f"{PREFIX}.11.{number}"}
            if series == "b":  # sent once more, as a series of its own
                tags |= {"SeriesInstanceUID": f"{PREFIX}.12", "StudyDate": "20150405"}
                if number > 3:
                    tags["SOPInstanceUID"] += ".1"
            save(
                make_slice(STACK[number], number * 6.0, **tags), tmp_path / series / f"{number}.dcm"
            )
    listed = find_series(tmp_path, progress=False, **TREATMENT)
    assert listed.table[["timepoint", "status"]].values.tolist() == [
        ["pre", "decide"],
        ["post", "decide"],
    ]
    said = listed.table["reason"].tolist()
    assert all(
        "4 of 6 images have identifiers of images of another series" in text for text in said
    )
    assert [(finding.code, finding.file) for finding in listed.findings] == [
        ("same-uid", "a/0.dcm"),
        ("same-uid", "b/0.dcm"),
    ]
    assert "b/0.dcm" in listed.findings[0].message and "a/0.dcm" in listed.findings[1].message


def test_the_same_identifier_for_two_patients_is_none_of_its_business(tmp_path):
    for patient in ("P-1", "P-2"):
        for number in SIX:
            tags = SERIES | {"SOPInstanceUID": f"{PREFIX}.11.{number}"}
            tags |= {"SeriesInstanceUID": f"{PREFIX}.{patient[-1]}", "patient_id": patient}
            save(make_slice(STACK[number], number * 6.0, **tags), tmp_path / patient / f"{number}")
    table = find_series(tmp_path, progress=False, **TREATMENT).table
    assert table["status"].tolist() == ["proposed"] * 2


def test_a_series_of_nobody_cannot_be_decided_for_anybody(tmp_path):
    for number in SIX:
        tags = SERIES | {"SOPInstanceUID": f"{PREFIX}.11.{number}", "patient_id": ""}
        save(make_slice(STACK[number], number * 6.0, **tags), tmp_path / f"{number}.dcm")
    series = find_series(tmp_path, progress=False, **TREATMENT)
    decided = series.with_decisions({series.table["id"][0]: "pre t2w"})
    with pytest.raises(StudyError, match="no PatientID, so nobody knows whose it is"):
        decided.manifest()
