"""Sorting a folder of DICOM files into series, kinds and time points."""

import os
import shutil
from datetime import date, timedelta

import pandas as pd
import pydicom
import pytest
from demonstration import numbers
from dicom_making import PREFIX, change, make_enhanced, make_slice, noise, save, write_series
from intake_study import YES_NO, study_of
from npc_demo.centres import select
from npc_demo.registry import make_cohort
from npc_demo.writer import write_study
from npc_intake.__main__ import main
from npc_intake.find import find_series
from npc_intake.find.batches import edited_decisions
from npc_intake.find.headers import KEYWORDS, read_images
from npc_intake.find.series_kind import classify, plane
from npc_intake.find.volumes import iso_date
from pydicom.uid import ImplicitVRLittleEndian

from npc_helpers.imaging.dicom import read_series
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import Study, init
from npc_helpers.study.artefacts import StudyError, series_checksum

AXIAL = "1\\0\\0\\0\\1\\0"
T2 = {"RepetitionTime": "4000", "EchoTime": "90"}
T1 = {"RepetitionTime": "600", "EchoTime": "10"}
WATER = {"ImageType": "DERIVED\\PRIMARY\\DIXON\\WATER"}
AGENT = {"ContrastBolusAgent": "Gadobutrol"}


def judge(description="", **tags):
    base = {"Modality": "MR", "ImageOrientationPatient": AXIAL, "SeriesDescription": description}
    return classify([base | tags])


@pytest.mark.parametrize(
    ("kind", "description", "tags"),
    [
        # GE, Siemens and Philips name Dixon images in these ways
        ("t2w", "WATER: Ax T2 FSE Flex", T2 | WATER),
        ("t2w", "t2_tse_dixon_tra_W", T2 | {"ImageType": "DERIVED\\PRIMARY\\M\\WATER\\NORM"}),
        ("t2w", "T2W_mDIXON_TRA W", T2 | {"ImageType": "ORIGINAL\\PRIMARY\\SE\\W"}),
        ("t2w", "WATER: Ax T2 FSE-IDEAL", T2),
        ("t2w", "Ax T2 fs", T2),
        ("t1c", "WATER: Ax T1 FSE Flex +C", T1 | WATER),
        ("t1c", "t1_tse_dixon_tra_km_W", T1),
        ("t1c", "Ax T1", T1 | WATER | AGENT),
        ("t1c", "Ax T1 post gd", T1),
        ("t1c", "CE-T1 W", T1),
        ("t1w", "Ax T1", T1 | WATER),
        ("t1w", "Ax T1 pre contrast", T1),
        ("t1w", "T1 non-contrast", T1),
        ("t1w", "T1 tra nativ", T1),
        ("t1w", "Ax T1 post RT", T1),
        ("t1w", "Ax T1", T1 | {"ContrastBolusAgent": "NONE"}),
        ("fat", "FAT: Ax T2 FSE Flex", T2),
        ("fat", "Ax T2", T2 | {"ImageType": "DERIVED\\PRIMARY\\DIXON\\FAT"}),
        ("fat", "t2_tse_dixon_tra_F", T2),
        ("in_phase", "InPhase: Ax T2 FSE Flex", T2),
        ("in_phase", "t2 dixon", T2 | {"ImageType": "DERIVED\\PRIMARY\\DIXON\\IN_PHASE"}),
        ("opposed_phase", "t1_vibe_dixon_opp", T1),
        ("localiser", "localizer", T1),
        ("localiser", "3-Plane Loc", T1),
        ("localiser", "Survey", T1),
        ("localiser", "", T1 | {"ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}),
        ("derived", "Ax T2 MPR", T2),
        ("derived", "T1", T1 | {"ImageType": "DERIVED\\SECONDARY\\MPR"}),
        ("derived", "T1", T1 | {"ImageType": "DERIVED\\PRIMARY\\PROJECTION IMAGE"}),
        ("derived", "T2", T2 | {"ImageType": "DERIVED\\SECONDARY"}),
        ("derived", "T2", T2 | {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}),
        ("other", "ep2d_diff_b1000", T2),
        ("other", "T2", T2 | {"ScanningSequence": "EP"}),
        ("other", "T2", T2 | {"DiffusionBValue": "800.0"}),
        ("other", "Ax STIR", T2),
        ("other", "T1 DCE +C", T1),
        ("not_axial", "T2", T2 | {"ImageOrientationPatient": "0\\1\\0\\0\\0\\-1"}),
        ("not_axial", "T2", T2 | {"ImageOrientationPatient": "1\\0\\0\\0\\0\\-1"}),
        ("not_mr", "", {"Modality": "CT"}),
        ("not_mr", "", {"Modality": ""}),
    ],
)
def test_kinds(kind, description, tags):
    judged = judge(description, **tags)
    assert judged.kind == kind, judged.reason


@pytest.mark.parametrize(
    ("says", "description", "tags"),
    [
        ("RepetitionTime", "T2", {"EchoTime": "90"}),
        ("'4,5'", "T2", {"RepetitionTime": "4,5", "EchoTime": "90"}),
        ("neither", "T2", {"RepetitionTime": "1500", "EchoTime": "40"}),
        ("description says T1", "Ax T1", T2),
        ("description says T2", "Ax T2", T1),
        ("description says fat", "FAT: Ax T2", T2 | WATER),
        ("Gadobutrol'; the description says 'non-contrast'", "T1 non-contrast", T1 | AGENT),
        ("'NO'; the description says 'c'", "T1 +C", T1 | {"ContrastBolusAgent": "NO"}),
        ("no orientation", "T2", T2 | {"ImageOrientationPatient": "1\\0\\0"}),
        ("several Dixon", "T2", T2 | {"ImageType": "WATER\\FAT"}),
    ],
)
def test_contradictions_and_gaps_are_left_to_the_user(says, description, tags):
    judged = judge(description, **tags)
    assert judged.kind == "unclear"
    assert says in judged.reason


def test_planes():
    assert plane(AXIAL) == "axial"
    assert plane("1\\0\\0\\0\\0.9\\0.4359") == "axial"  # tilted by 26 degrees
    assert plane("1\\0\\0\\0\\0.7071\\0.7071") == "oblique"
    assert plane("") == plane("a\\b\\c\\d\\e\\f") == "unknown"


@pytest.mark.parametrize("text", ["20180105", "2018.01.05"])
def test_dates(text):
    assert iso_date(text) == "2018-01-05"
    assert iso_date("00000000") == iso_date("") == iso_date("05/01/2018") == ""


# --- header ---------------------------------------------------------------------------------------


def test_the_quick_header_agrees_with_pydicom(built):
    for path in sorted(built.rglob("*.dcm"))[::5]:
        (header,), dataset = read_images(path), pydicom.dcmread(path)
        for keyword in set(KEYWORDS) - {"SpecificCharacterSet"}:
            value = dataset.get(keyword)
            value = "" if value is None else value
            if isinstance(value, pydicom.multival.MultiValue):
                value = "\\".join(map(str, value))
            assert header.get(keyword, "") == str(value), keyword


@pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030", "ISO_IR 100"])
def test_names_in_other_alphabets(tmp_path, charset):
    name = "Schädel" if charset == "ISO_IR 100" else "鼻咽 T2 横断位"
    dataset = make_slice(noise(1)[0], 0)
    dataset.SpecificCharacterSet, dataset.SeriesDescription = charset, name
    save(dataset, tmp_path / "a.dcm")
    assert read_images(tmp_path / "a.dcm")[0]["SeriesDescription"] == name


def test_undefined_lengths_and_implicit_encoding_are_walked_or_handed_on(tmp_path):
    dataset = make_slice(noise(1)[0], 0, SeriesDescription="nested")
    inner, outer = pydicom.Dataset(), pydicom.Dataset()
    inner.CodeMeaning = "deep"
    outer.PurposeOfReferenceCodeSequence = [inner]
    for item in (inner, outer):
        item.is_undefined_length_sequence_item = True
    dataset.ReferencedImageSequence = [outer]
    outer["PurposeOfReferenceCodeSequence"].is_undefined_length = True
    dataset["ReferencedImageSequence"].is_undefined_length = True
    save(dataset, tmp_path / "explicit.dcm")
    (explicit,) = read_images(tmp_path / "explicit.dcm")
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset = pydicom.dcmread(tmp_path / "explicit.dcm")
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(tmp_path / "implicit.dcm", implicit_vr=True, little_endian=True)
    assert explicit["SeriesDescription"] == "nested"
    assert read_images(tmp_path / "implicit.dcm") == [explicit]


def test_an_enhanced_object_is_judged_by_its_functional_groups(tmp_path):
    dataset = make_enhanced(noise(3), slopes=[1, 1, 1], order=(0, 1, 2))
    timing, echo = pydicom.Dataset(), pydicom.Dataset()
    timing.RepetitionTime, echo.EffectiveEchoTime = 4000, 90
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.MRTimingAndRelatedParametersSequence = [timing]
    shared.MREchoSequence = [echo]
    save(dataset, tmp_path / "e.dcm")
    table = find_series(tmp_path, treatment_start={"P-1": date(2020, 1, 1)}).table
    assert table["kind"].tolist() == ["t2w"]


# --- a small study --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Two patients' images as the generator writes them, decoys included."""
    folder = tmp_path_factory.mktemp("built")
    everyone = make_cohort()
    two = select(everyone, numbers(everyone, decoys_at=["pre", "post"])[:2])
    write_study(folder, two, matrix=320, workers=1, progress=False)
    return folder


def dates(folder):
    registry = pd.read_csv(folder / "data/registry.csv", parse_dates=["treatment_start"])
    return registry.set_index("patient_id")["treatment_start"].to_dict()


def scrambled(built, folder):
    """Every DICOM file of the study in one folder, without suffix, under meaningless names."""
    folder.mkdir()
    for number, path in enumerate(sorted(built.rglob("*.dcm"), key=lambda p: p.name)):
        shutil.copyfile(path, folder / f"{number * 7919 % 10007:05d}")
    return folder


def test_the_manifest_of_the_study_is_found_again(built):
    series = find_series(built, treatment_start=dates(built), progress=False)
    expected = pd.read_csv(built / "data_manifest.csv")
    proposed = series.manifest(source="synthetic")
    order = ["patient_id", "timepoint", "sequence"]
    pd.testing.assert_frame_equal(
        proposed.sort_values(order).reset_index(drop=True),
        expected.sort_values(order).reset_index(drop=True),
    )
    assert set(series.table["kind"]) >= {"t2w", "t1c", "fat", "localiser", "not_mr"}
    assert series.ignored["hidden file"] == 4  # the generator's notes
    assert series.ignored["no DICOM"] >= 4  # the tables


def test_names_and_folders_play_no_part(built, tmp_path):
    series = find_series(scrambled(built, tmp_path / "export"), treatment_start=dates(built))
    with pytest.raises(StudyError, match="copy_into"):
        series.manifest()
    manifest = series.copy_into(tmp_path / "study", source="synthetic", progress=False)
    assert len(manifest) == 8
    original = pd.read_csv(built / "data_manifest.csv").set_index(
        ["patient_id", "timepoint", "sequence"]
    )
    for row in manifest.itertuples():
        path = original.loc[(row.patient_id, row.timepoint, row.sequence), "path"]
        copied = tmp_path / "study" / row.path
        assert (read_series(copied).array == read_series(built / path).array).all()
        assert series_checksum(copied) == row.sha256
    again = series.copy_into(tmp_path / "study", source="synthetic", progress=False)
    pd.testing.assert_frame_equal(again, manifest)


def one(folder, *, series=1, patient="P-1", day="20200105", tags=None, **more):
    """Write one series with the timing of T2 and a day."""
    values = {
        "StudyDate": day,
        "SeriesInstanceUID": f"{PREFIX}.{series}",
        "SeriesDescription": "Ax T2",
        "RepetitionTime": 4000,
        "EchoTime": 90,
    }
    for index, pixels in enumerate(noise(2, 8, 8)):
        dataset = make_slice(pixels, 6 * index, patient_id=patient, **(values | more))
        dataset.SOPInstanceUID = f"{PREFIX}.{series}.{index}"
        save(dataset, folder / f"{index}.dcm")


START, END = {"P-1": date(2020, 1, 10)}, {"P-1": date(2020, 3, 1)}


def found_before_treatment(folder):
    """What is found if each patient's treatment began nine days after the images."""
    undated = find_series(folder, progress=False).table
    days = undated.set_index("patient_id")["study_date"].map(date.fromisoformat)
    starts = (days + timedelta(days=9)).to_dict()
    return find_series(folder, treatment_start=starts, progress=False).table


def timepoints(folder, **treatment):
    table = find_series(folder, progress=False, **treatment).table
    return table.set_index("study_date")[["timepoint", "status", "reason"]]


def test_time_points_by_dates(tmp_path):
    for series, day in enumerate(
        ["20191201", "20200110", "20200201", "20200401", "20200701", ""], start=1
    ):
        one(tmp_path / str(series), series=series, day=day)
    places = timepoints(tmp_path, treatment_start=START, treatment_end=END)
    proposed = places[places["status"] == "proposed"]["timepoint"]
    assert proposed.to_dict() == {"2020-01-10": "pre", "2020-04-01": "post"}
    assert places.loc["2019-12-01", "reason"].endswith("the examination of 2020-01-10")
    assert "during" in places.loc["2020-02-01", "reason"]
    assert places.loc["2020-07-01", "reason"].endswith("the examination of 2020-04-01")
    assert "not given" in places.loc["", "reason"]


def test_without_the_end_several_later_examinations_are_not_guessed_at(tmp_path):
    one(tmp_path / "a", series=1, day="20200401")
    assert timepoints(tmp_path, treatment_start=START)["status"].tolist() == ["proposed"]
    one(tmp_path / "b", series=2, day="20200701")
    places = timepoints(tmp_path, treatment_start=START)
    assert places["status"].tolist() == ["decide"] * 2
    assert places["reason"].str.contains("the end is not known").all()
    assert timepoints(tmp_path)["reason"].str.contains("start of treatment is not known").all()


def examinations(folder, *days, **tags):
    """Write one series for each day; return the list by day."""
    for series, day in enumerate(days, start=1):
        one(folder / day, series=series, day=day, **tags)
    return timepoints(folder, treatment_start=START, treatment_end=END)


PLAIN_T1 = {"SeriesDescription": "Ax T1", "RepetitionTime": 600, "EchoTime": 10}


def test_every_dated_series_has_its_time_point_so_one_word_decides(tmp_path):
    one(tmp_path / "a", series=1, day="20200105", **PLAIN_T1)
    one(tmp_path / "b", series=2, day="20200401", **PLAIN_T1)
    one(tmp_path / "c", series=3, day="20200201", **PLAIN_T1)
    one(tmp_path / "d", series=4, day="20200401", SeriesDescription="Ax T2 FLAIR")
    series = find_series(tmp_path, treatment_start=START, treatment_end=END, progress=False)
    table = series.table.set_index("path")
    assert table["timepoint"].to_dict() == {"a": "pre", "b": "post", "c": "", "d": "post"}
    assert table["status"].to_dict() == {
        "a": "decide", "b": "decide", "c": "ignored", "d": "ignored"
    }  # fmt: skip
    series.table.loc[series.table["path"].isin(["a", "b"]), "decided"] = "t1c"
    rows = series.copy_into(tmp_path / "study", progress=False)
    assert rows[["timepoint", "sequence"]].values.tolist() == [["post", "t1c"], ["pre", "t1c"]]


def test_an_open_question_elsewhere_is_asked_only_where_it_matters(tmp_path):
    days = ("20191201", "20200105", "20200401", "20200701")
    places = examinations(tmp_path / "all", *days, **PLAIN_T1)
    assert places["status"].to_dict() == {
        "2019-12-01": "ignored", "2020-01-05": "decide",
        "2020-04-01": "decide", "2020-07-01": "ignored",
    }  # fmt: skip
    one(tmp_path / "one" / "a", series=1, day="20191201", **PLAIN_T1)  # no T1 on the last day
    one(tmp_path / "one" / "b", series=2, day="20200105")
    table = find_series(tmp_path / "one", treatment_start=START, progress=False).table
    assert table.set_index("path")["status"].to_dict() == {"a": "decide", "b": "proposed"}


WITH_AGENT = {"SeriesDescription": "Ax T1 +C", **T1}


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (("20200104", "20200105"), {"t2w": "decide", "t1c": "proposed"}),  # before treatment
        (("20200401", "20200402"), {"t2w": "proposed", "t1c": "decide"}),  # after it
        (("20200105", "20200105"), {"t2w": "proposed", "t1c": "proposed"}),
    ],
)
def test_an_examination_that_went_on_the_next_day_is_asked_about(tmp_path, days, expected):
    one(tmp_path / "t2w", series=1, day=days[0])
    one(tmp_path / "t1c", series=2, day=days[1], **WITH_AGENT)
    table = find_series(tmp_path, treatment_start=START, treatment_end=END, progress=False).table
    assert table.set_index("path")["status"].to_dict() == expected
    waits = table[table["status"] == "decide"]
    for reason in waits["reason"]:
        (day,) = table.loc[table["status"] == "proposed", "study_date"]
        assert reason.endswith(f"the examination of {day}, which has nothing for its place")


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        ("20191010", ""),  # 92 days before 10 January 2020
        ("20191009", "an examination 93 days before treatment"),
        ("20210302", ""),  # a year and a day after 1 March 2020
        ("20230301", "an examination 1095 days after treatment"),  # a recurrence, perhaps
    ],
)
def test_an_examination_far_from_treatment_waits_for_a_person(tmp_path, day, reason):
    one(tmp_path, series=1, day=day)
    series = find_series(tmp_path, treatment_start=START, treatment_end=END, progress=False).table
    assert series["status"].item() == ("decide" if reason else "proposed")
    assert series["reason"].item().endswith(reason)


def test_a_question_about_the_agent_of_one_day_leaves_the_t2_of_another_open(tmp_path):
    one(tmp_path / "t2w", series=1, day="20200104", SeriesDescription="T2 tra quadril")
    one(tmp_path / "t1", series=2, day="20200105", **WITH_AGENT | {"ContrastBolusAgent": "none"})
    table = find_series(tmp_path, treatment_start=START, treatment_end=END, progress=False).table
    assert table.set_index("path")["status"].to_dict() == {"t2w": "decide", "t1": "decide"}


@pytest.mark.parametrize(
    ("description", "status"),
    [
        *((text, "proposed") for text in ("T2W_TSE", "eT2W ax", "OAx FRFSE", "WATER: Ax Flex")),
        *((text, "decide") for text in ("", "Pozisyon", "Ref_Head_32", "Images clés", "Phoenix")),
    ],
)
def test_timing_alone_proposes_nothing(tmp_path, description, status):
    one(tmp_path / "in", series=1, SeriesDescription=description)
    ((after, reason),) = (
        find_series(tmp_path / "in", treatment_start=START).table[["status", "reason"]].to_numpy()
    )
    assert (after, "its timing alone" in reason) == (status, status == "decide")


@pytest.mark.parametrize("place", ["in the pixels", "in the header"])
def test_a_stack_whose_last_image_was_cut_off_is_asked_about(tmp_path, place, capsys):
    """Five of six slices look like a whole stack, before names are taken out and after."""
    about = {"SeriesDescription": "Ax T2", "StudyDate": "20200105", **T2}
    write_series(tmp_path / "in/cut", noise(6), SeriesInstanceUID=f"{PREFIX}.7", **about)
    more = {"patient_id": "P-2", "SeriesInstanceUID": f"{PREFIX}.8"}
    write_series(tmp_path / "in/whole", noise(6), **more, **about)
    last = tmp_path / "in/cut/I01.dcm"
    whole = last.read_bytes()
    cut = whole.index(b"Ax T2") + 2 if place == "in the header" else -64
    last.write_bytes(whole[:cut])
    command = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]
    command += ["--key", str(tmp_path / "keys/k.json")]
    assert main(command) == 1 and "cut off" in capsys.readouterr().out

    def status(folder):
        series = found_before_treatment(folder)
        return sorted(zip(series["n_images"], series["status"], strict=True))

    if place == "in the header":  # else the file is there, and says where its slice lies
        assert status(tmp_path / "in") == [(5, "decide"), (6, "proposed")]
        return
    assert status(tmp_path / "out") == [(5, "decide"), (6, "proposed")]
    last.write_bytes(whole)
    assert main(command) == 0
    assert status(tmp_path / "out") == [(6, "proposed"), (6, "proposed")]


@pytest.mark.parametrize(
    ("status", "description"),
    [
        *(("decide", f"T1 {odd} +C") for odd in ("phase", "real", "imaginary", "MT", "ip", "opp")),
        *(("decide", text) for text in ("T1_TSE_gado_PHASE", "MT T1 SE KM", "Ax T1 FSE +C (real)")),
        *(("proposed", f"T1 {which} phase +C") for which in ("late", "delayed", "venous")),
        *(("proposed", text) for text in ("T1 TSE +C phase 2", "T1 magnitude +C")),
    ],
)
def test_a_part_of_a_complex_image_waits_for_a_person(tmp_path, status, description):
    """Phase, real and magnetisation transfer: their timing and agent are those of a plain image."""
    one(tmp_path, series=1, SeriesDescription=description, **T1)
    assert find_series(tmp_path, treatment_start=START).table["status"].tolist() == [status]


def test_a_single_slice_waits_and_stands_in_no_ones_way(tmp_path):
    about = {"SeriesDescription": "Ax T2", "StudyDate": "20200105", **T2}
    write_series(tmp_path / "odd", noise(1, 8, 8), SeriesInstanceUID=f"{PREFIX}.7", **about)
    write_series(tmp_path / "stack", noise(5, 8, 8), SeriesInstanceUID=f"{PREFIX}.8", **about)
    table = find_series(tmp_path, treatment_start=START).table.set_index("path")
    assert table["status"].to_dict() == {"odd": "decide", "stack": "proposed"}
    assert "a single slice" in table["reason"]["odd"]


@pytest.mark.parametrize("unknown", ["sırt", "quadril", "kręgosłup", "手関節", "противофаза"])
def test_a_word_that_no_list_knows_waits_for_a_person_before_and_after(tmp_path, unknown):
    about = {"SeriesDescription": f"T2 tra {unknown}", "SpecificCharacterSet": "ISO_IR 192"}
    one(tmp_path / "in" / "a", series=1, patient="P-1", **about)
    one(tmp_path / "in" / "b", series=2, patient="P-2", SeriesDescription="T2 tse tra p2 320")
    folders = [str(tmp_path / "in"), str(tmp_path / "out")]
    assert main(["deidentify", *folders, "--key", str(tmp_path / "keys" / "k.json")]) == 0
    before, after = map(found_before_treatment, folders)
    assert sorted(before["status"]) == sorted(after["status"]) == ["decide", "proposed"]
    assert before["reason"].str.contains(f"no list knows what '{unknown}'").any()
    assert after["reason"].str.contains("had words that no list knows").any()
    texts = [path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm")]
    assert not [text for text in texts if unknown.encode() in text]


def test_an_enhanced_image_may_say_its_weighting_without_a_name(tmp_path):
    one(tmp_path, series=1, SeriesDescription="", AcquisitionContrast="T2")
    assert find_series(tmp_path, treatment_start=START).table["status"].tolist() == ["proposed"]


def test_where_one_with_contrast_is_proposed_nobody_is_asked_about_the_plain_one(tmp_path):
    one(tmp_path / "plain", series=1, **PLAIN_T1)
    one(tmp_path / "enhanced", series=2, **PLAIN_T1 | {"SeriesDescription": "Ax T1 +C"})
    table = find_series(tmp_path, treatment_start=START, progress=False).table.set_index("path")
    assert table["status"].to_dict() == {"plain": "ignored", "enhanced": "proposed"}
    assert "not needed" in table.loc["plain", "reason"]


def test_rivals_are_refused_until_the_user_decides(tmp_path):
    one(tmp_path / "a", series=1)
    one(tmp_path / "b", series=2, SeriesDescription="Ax T2 repeated")
    series = find_series(tmp_path, treatment_start=START)
    assert series.table["status"].tolist() == ["decide"] * 2
    assert series.manifest().empty
    series.table.loc[1, "decided"] = "pre t2w"
    assert series.manifest()["path"].tolist() == ["b"]
    series.table.loc[0, "decided"] = "pre t2w"
    with pytest.raises(StudyError, match="2 series are decided for the same place"):
        series.manifest()
    series.table.loc[0, "decided"] = "before"
    with pytest.raises(StudyError, match="decided is 'before'"):
        series.manifest()
    series.table["decided"] = "skip"
    assert series.manifest().empty


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["T2: axial", "a\\b"])
def test_a_folder_whose_name_no_manifest_can_hold_is_named_early(tmp_path, name):
    one(tmp_path / "in" / name)
    series = find_series(tmp_path / "in", treatment_start=START)
    with pytest.raises(StudyError, match="Rename the folder"):
        series.manifest()
    assert len(series.copy_into(tmp_path / "study")) == 1


def test_a_water_image_is_preferred_to_a_plain_one(tmp_path):
    one(tmp_path / "plain", series=1)
    one(tmp_path / "dixon", series=2, ImageType=["DERIVED", "PRIMARY", "DIXON", "WATER"])
    series = find_series(tmp_path, treatment_start=START)
    assert series.manifest()["path"].tolist() == ["dixon"]


def test_parts_that_share_a_series_are_told_apart(tmp_path):
    for series, part in enumerate(("WATER", "FAT"), start=1):
        one(tmp_path / part, series=series, ImageType=["DERIVED", "PRIMARY", "DIXON", part])
        for path in (tmp_path / part).iterdir():
            dataset = pydicom.dcmread(path)
            dataset.SeriesInstanceUID = f"{PREFIX}.9"
            save(dataset, tmp_path / "both" / f"{part}{path.name}")
    listed = find_series(tmp_path / "both", treatment_start=START)
    assert sorted(listed.table["kind"]) == ["fat", "t2w"]
    manifest = listed.copy_into(tmp_path / "study")
    assert manifest["n_images"].tolist() == [2]


def test_a_localiser_without_a_name_is_known_by_its_planes(tmp_path):
    one(tmp_path / "a")
    one(tmp_path / "b", ImageOrientationPatient=[0, 1, 0, 0, 0, -1], Rows=4, Columns=16)
    table = find_series(tmp_path, treatment_start=START).table
    assert set(table["kind"]) == {"localiser"}


def test_copies_are_counted_and_forgeries_refused(tmp_path):
    one(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "batch 2")
    series = find_series(tmp_path, treatment_start=START)
    assert series.table["n_images"].tolist() == [2]
    assert [finding.code for finding in series.findings] == ["copy", "copy"]
    dataset = pydicom.dcmread(tmp_path / "batch 2" / "0.dcm")
    dataset.PixelData = bytes(len(dataset.PixelData))
    save(dataset, tmp_path / "batch 2" / "0.dcm")
    series = find_series(tmp_path, treatment_start=START)
    assert series.table["status"].tolist() == ["refused"]
    assert "share one identifier" in series.table["reason"][0]


def test_strays_are_counted_and_damage_is_reported(tmp_path):
    one(tmp_path / "in" / "series")
    strays = {"DICOMDIR": b"x", ".DS_Store": b"x", "._IM1": b"x", "notes.pdf": b"%PDF-1.4"}
    for name, content in strays.items():
        (tmp_path / "in" / name).write_bytes(content)
    (tmp_path / "in" / "empty").mkdir()
    whole = (tmp_path / "in" / "series" / "0.dcm").read_bytes()
    (tmp_path / "in" / "cut.dcm").write_bytes(whole[:300])
    write_series(tmp_path / "elsewhere")
    (tmp_path / "in" / "link.dcm").symlink_to(tmp_path / "elsewhere" / "I01.dcm")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "in" / "inner").symlink_to(tmp_path / "in" / "series", target_is_directory=True)
    write_series(tmp_path / "in" / ".hidden")
    series = find_series(tmp_path / "in", treatment_start=START)
    assert series.ignored == {
        "DICOMDIR": 1,
        "hidden file": 2,
        "no DICOM": 1,
        "empty folder": 1,
        "link out of the folder": 1,
        "linked folder": 2,
        "hidden folder": 1,
    }
    assert [(finding.code, finding.file) for finding in series.findings] == [
        ("truncated", "cut.dcm")
    ]
    assert series.table["n_images"].tolist() == [2]


def test_a_series_without_patient_is_refused(tmp_path):
    one(tmp_path, patient="")
    assert find_series(tmp_path).table["reason"].tolist() == ["no PatientID"]


def test_odd_identifiers_get_a_folder_of_their_own(tmp_path):
    for series, patient in enumerate(["../A", ".. A", "患者 1"], start=1):
        one(
            tmp_path / "in" / str(series),
            series=series,
            patient=patient,
            SpecificCharacterSet="ISO_IR 192",
        )
    starts = dict.fromkeys(["../A", ".. A", "患者 1"], date(2020, 2, 1))
    listed = find_series(tmp_path / "in", treatment_start=starts)
    manifest = listed.copy_into(tmp_path / "study")
    assert manifest["path"].nunique() == 3
    images = (tmp_path / "study" / "data" / "images").resolve()
    assert all(
        (tmp_path / "study" / path).resolve().is_relative_to(images) for path in manifest["path"]
    )


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StudyError, match="no such folder"):
        find_series(tmp_path / "absent")


def test_a_folder_that_is_there_twice_and_a_damaged_file_are_told_in_few_lines(tmp_path, capsys):
    study_of(tmp_path / "study", "P-1")
    write_series(tmp_path / "in" / "a", noise(9))
    shutil.copytree(tmp_path / "in" / "a", tmp_path / "in" / "b")
    (tmp_path / "in" / "c.dcm").write_bytes(bytes(128) + b"DICM")
    assert main(["find", str(tmp_path / "in"), str(tmp_path / "study")]) == 0
    odd = capsys.readouterr().out.splitlines()
    assert odd[0] == "c.dcm: the file is cut off. Copy or export it again"
    assert odd[1] == "b/I09.dcm: a copy of a/I09.dcm; left out"
    assert odd[6] == "… and 4 more"


def test_the_command_lists_then_copies_what_was_decided(tmp_path, capsys):
    study = tmp_path / "study"
    init(study)
    columns = pd.read_csv(study / "data/registry.csv").columns
    row = {name: "no" for name in columns if name in YES_NO} | {
        "patient_id": "P1",
        "tnm_edition": 8,
        "treatment_start": "2018-03-01",
        "treatment_end": "2018-05-01",
    }
    pd.DataFrame([row], columns=columns).to_csv(study / "data/registry.csv", index=False)
    for day in ("20180201", "20180801"):
        about = {"PatientID": "P1", "StudyDate": day}
        write_series(tmp_path / "in" / day / "a", SeriesDescription="T1 TSE", **T1, **about)
        write_series(tmp_path / "in" / day / "b", SeriesDescription="T2 TSE", **T2, **about)
    (tmp_path / "in" / ".trash").mkdir()
    command = ["find", str(tmp_path / "in"), str(study)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert (
        "4 series: 2 proposed, 2 decide, 0 refused, 0 ignored" in said
        and "Left alone: 1 x hidden folder" in said
    )
    listed = study / "data" / "found_series.csv"
    table = pd.read_csv(listed, keep_default_na=False)
    table.loc[table["kind"] == "t1w", "decided"] = "t1c"  # the time points are known
    table.to_csv(listed, index=False)
    assert main(command) == 0  # listing again keeps what was decided
    assert main([*command, "--copy"]) == 0
    manifest = pd.read_csv(study / "data_manifest.csv")
    assert list(manifest["sequence"]) == ["t1c", "t2w"] * 2
    assert len(load_stacks(Study(study))) == 4
    shutil.rmtree(tmp_path / "in" / "20180201" / "a")
    assert main(command) == 1
    assert "no longer in" in capsys.readouterr().err


def batch(folder, patient, *, series=1, **tags):
    """A T2 series and a T1 series without a sign of contrast, before treatment."""
    for offset, about in enumerate((T2, T1)):
        write_series(
            folder / f"{patient}-{offset}",
            noise(2, 8, 8),
            patient_id=patient,
            StudyDate="20180201",
            SeriesDescription=("T2", "T1")[offset],
            SeriesInstanceUID=f"{PREFIX}.{patient[1:]}.{series + offset}",
            **about | tags,
        )


def decide(study, patient, decided):
    """Write into the list as a user does; the row is found by patient and kind."""
    path = study / "data/found_series.csv"
    table = pd.read_csv(path, keep_default_na=False, dtype=str)
    table.loc[(table["patient_id"] == patient) & (table["kind"] == "t1w"), "decided"] = decided
    table.to_csv(path, index=False)


def test_a_second_batch_joins_the_first(tmp_path):
    study = study_of(tmp_path / "study", "P1", "P2")
    for name, patient in (("b1", "P1"), ("b2", "P2")):
        batch(tmp_path / name, patient)
        command = ["find", str(tmp_path / name), str(study)]
        assert main(command) == 0
        decide(study, patient, "pre t1c")
        assert main([*command, "--copy"]) == 0
    listed = pd.read_csv(study / "data/found_series.csv", keep_default_na=False)
    assert listed.groupby("patient_id")["folder"].nunique().to_dict() == {"P1": 1, "P2": 1}
    assert listed["folder"].nunique() == 2
    assert listed["decided"].tolist().count("pre t1c") == 2
    manifest = (study / "data_manifest.csv").read_bytes()
    rows = pd.read_csv(study / "data_manifest.csv")[["patient_id", "timepoint", "sequence"]]
    assert rows.to_numpy().tolist() == [
        [patient, "pre", sequence] for patient in ("P1", "P2") for sequence in ("t1c", "t2w")
    ]
    assert main(["find", str(tmp_path / "b1"), str(study), "--copy"]) == 0  # once more
    assert (study / "data_manifest.csv").read_bytes() == manifest


def test_what_the_user_wrote_into_the_manifest_stays(tmp_path):
    study = study_of(tmp_path / "study", "P1", "P2")
    batch(tmp_path / "b1", "P1")
    command = ["find", str(tmp_path / "b1"), str(study), "--copy"]
    assert main(command) == 0
    path = study / "data_manifest.csv"
    pd.read_csv(path).assign(source="public", note="mine").to_csv(path, index=False)
    batch(tmp_path / "b2", "P2")
    assert main(command) == 0 and main(["find", str(tmp_path / "b2"), *command[2:]]) == 0
    manifest = pd.read_csv(path, keep_default_na=False)
    assert manifest[["source", "note"]].to_numpy().tolist() == [
        ["public", "mine"],
        ["hospital", ""],
    ]


def test_other_images_for_the_same_place_are_refused_and_named(tmp_path, capsys):
    study = study_of(tmp_path / "study", "P1")
    batch(tmp_path / "b1", "P1")
    assert main(["find", str(tmp_path / "b1"), str(study), "--copy"]) == 0
    before = (study / "data_manifest.csv").read_bytes()
    batch(tmp_path / "b2", "P1", EchoTrainLength=7)
    shutil.rmtree(study / "data/images/P1")  # else the files themselves stand in the way
    assert main(["find", str(tmp_path / "b2"), str(study), "--copy"]) == 1
    said = capsys.readouterr().err
    assert "P1 pre t2w (sha256)" in said and "delete their rows" in said
    assert (study / "data_manifest.csv").read_bytes() == before


@pytest.mark.parametrize("content", [b"", "患者,决定\n王,跳过\n".encode("gb18030")])
def test_a_list_that_cannot_be_read_is_an_error_that_says_so(tmp_path, capsys, content):
    study = study_of(tmp_path / "study", "P1")
    batch(tmp_path / "in", "P1")
    (study / "data/found_series.csv").write_bytes(content)
    assert main(["find", str(tmp_path / "in"), str(study)]) == 1
    said = capsys.readouterr().err
    assert "found_series.csv" in said and ("save it as" in said or "Save it again as" in said)
    assert (study / "data/found_series.csv").read_bytes() == content


def test_a_file_that_vanished_is_named(tmp_path):
    batch(tmp_path / "in", "P1")
    series = find_series(tmp_path / "in", treatment_start={"P1": date(2018, 3, 1)}, progress=False)
    (tmp_path / "in" / "P1-0" / "I01.dcm").unlink()
    with pytest.raises(StudyError, match=r"I01.dcm.*run find again"):
        series.copy_into(tmp_path / "study")
    assert not (tmp_path / "study/data/images/P1/pre/t2w").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("patient_id;decided\nP1;skip\n", "not separated by commas"),
        ("patient_id,series_uid,path\nP1,1,a\n", "no column decided, id"),
    ],
)
def test_a_table_saved_without_its_columns_is_refused(tmp_path, content, says):
    write_series(tmp_path / "in")
    (tmp_path / "table.csv").write_text(content)
    series = find_series(tmp_path / "in")
    with pytest.raises(StudyError, match=says):
        edited_decisions(tmp_path / "table.csv", series.table, series.folder)


# --- an agent in the tags of every series ---------------------------------------------------------


def write_examination(folder, *series):
    """One examination; each series is its description and further tags."""
    for number, (description, tags) in enumerate(series, start=1):
        told = {"SeriesNumber": number, "AcquisitionTime": f"10{number:02d}00"} | tags
        uids = {"StudyInstanceUID": "2.25.7", "SeriesInstanceUID": f"2.25.7.{number}"}
        for place, pixels in enumerate(noise()):
            uid = {"SOPInstanceUID": f"2.25.7.{number}.{place}"}
            dataset = make_slice(pixels, 6.0 * place, SeriesDescription=description)
            change(dataset, {"StudyDate": "20150302"} | told | uids | uid)
            save(dataset, folder / str(number) / f"{place}.dcm")
    return find_series(folder, treatment_start={"P-1": date(2015, 4, 1)}, progress=False).table


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (  # filled in beforehand: nothing tells the two T1 series apart
            [("T2", T2 | AGENT), ("T1", T1 | AGENT), ("T1", T1 | AGENT)],
            ["t2w proposed", "unclear decide", "unclear decide"],
        ),
        (  # the descriptions do
            [("T2", T2 | AGENT), ("T1 pre", T1 | AGENT), ("T1 post", T1 | AGENT)],
            ["t2w proposed", "t1w ignored", "t1c proposed"],
        ),
        (  # one of them does
            [("T1 tra", T1 | AGENT), ("T1 tra KM", T1 | AGENT)],
            ["unclear decide", "t1c proposed"],
        ),
        (  # filled in once it was given: the tag tells
            [("T2", T2), ("T1", T1), ("T1", T1 | AGENT)],
            ["t2w proposed", "t1w ignored", "t1c proposed"],
        ),
        ([("T1", T1 | AGENT)], ["t1c proposed"]),  # nothing to compare it with
        (  # parts of one Dixon acquisition are one series
            [
                ("WATER: T1", T1 | AGENT | {"AcquisitionTime": "100000"}),
                ("FAT: T1", T1 | AGENT | {"AcquisitionTime": "100000"}),
            ],
            ["t1c proposed", "fat ignored"],
        ),
        (  # by volume, or as the name that says there was none
            [("T2", T2 | {"ContrastBolusVolume": 7}), ("T1", T1 | {"ContrastBolusVolume": 7})],
            ["t2w proposed", "unclear decide"],
        ),
        (
            [("T2", T2 | {"ContrastBolusAgent": "NO"}), ("T1", T1 | {"ContrastBolusAgent": "NO"})],
            ["t2w proposed", "t1w ignored"],
        ),
    ],
)
def test_an_agent_that_every_series_names_tells_nothing(tmp_path, series, expected):
    table = write_examination(tmp_path, *series).sort_values("series_number")
    assert list(table["kind"] + " " + table["status"]) == expected
    told = table.loc[table["kind"] == "unclear", "reason"]
    assert told.str.contains("all series of the examination name the agent").all()


def test_another_examination_does_not_count(tmp_path):
    for number, day in enumerate(("20150101", "20150302")):
        examination = {"StudyDate": day, "StudyInstanceUID": f"2.25.8.{number}"}
        uids = {"SeriesInstanceUID": examination["StudyInstanceUID"] + ".1"}
        write_series(tmp_path / day, SeriesDescription="T1", **T1 | AGENT | examination | uids)
    assert list(find_series(tmp_path, progress=False).table["kind"]) == ["t1c", "t1c"]
