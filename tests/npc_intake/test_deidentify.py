"""What goes into a study says nobody's name; intervals, pixels and meaning stay."""

import os
import re
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_making import make_enhanced, make_slice, noise, save, write_series
from npc_demo.centres import select
from npc_demo.registry import make_cohort
from npc_demo.writer import write_study
from npc_intake.__main__ import main
from npc_intake.deidentify import header as deidentified_header
from npc_intake.deidentify import keep_list
from npc_intake.deidentify.images import (
    Key,
    deidentify_file,
    deidentify_folder,
)
from npc_intake.deidentify.tables import deidentify_table
from npc_intake.find import find_series
from pydicom.data import get_testdata_file
from pydicom.datadict import DicomDictionary
from pydicom.uid import JPEGLSLossless, RLELossless
from small_study import load, make_study
from small_study import save as save_table

from npc_helpers.cohort import progression_free_survival
from npc_helpers.imaging.dicom import read_series
from npc_helpers.study import Study, init
from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.dicom_file import DicomError
from npc_helpers.study.schema import REGISTRY, SUGGESTED_ROIS, VISITS

KEY = Key(b"a secret of this test file only")
NAME, NUMBER, BIRTHDAY, ROOT = "JANEDOE", "47114711", "19630314", "1.2.47114711"
TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
MUST_STAY_VALID = {  # else the file is refused, or is no image any more
    *("SOPClassUID", "Modality", "PhotometricInterpretation", "SpecificCharacterSet"),
    *("BurnedInAnnotation", "NumberOfFrames", *keep_list.SCALES),
}
FORBIDDEN = (NAME, NUMBER, BIRTHDAY, "鼻咽", "19630", "SECRET")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One patient's images as the generator writes them."""
    folder = tmp_path_factory.mktemp("built")
    write_study(folder, select(make_cohort(), (5,)), matrix=320, workers=1, progress=False)
    return folder


def planted_value(vr):
    if vr in TEXT:
        return NAME
    return {"AS": "JAN", "DA": BIRTHDAY, "DS": NUMBER, "IS": NUMBER, "TM": NAME, "UI": ROOT}.get(vr)


def plant(dataset, *, replace=True):
    """Write an identifier into every text field that the DICOM dictionary knows."""
    count = 0
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        group = tag >> 16
        if group in (0x0000, 0x0002, 0x0004, 0xFFFE) or keyword in MUST_STAY_VALID:
            continue
        value = planted_value(vr)
        if value and (replace or tag not in dataset):
            dataset.add_new(tag, vr, value)
            count += 1
    return count


@pytest.fixture
def lenient(monkeypatch):
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)


def planted(built, path):
    """A real file with identifiers everywhere: tags, sequences, private blocks, preamble, tail."""
    source = sorted((built / "data/images").rglob("t2w/*.dcm"))[0]
    dataset = pydicom.dcmread(source)
    dataset.SpecificCharacterSet = "GB18030"
    count = plant(dataset)
    nested = pydicom.Dataset()
    plant(nested)
    inner = pydicom.Dataset()
    plant(inner)
    nested.PlanePositionSequence = [inner]
    dataset.ReferencedImageSequence = [nested]
    dataset.SharedFunctionalGroupsSequence = [nested]
    dataset.PatientComments = "鼻咽 SECRET"
    block = dataset.private_block(0x0029, NAME, create=True)
    block.add_new(0x01, "LO", NAME)
    block.add_new(0x02, "UN", NAME.encode("utf-16"))
    dataset.add_new(0x60003000, "OB", NAME.encode() + b"\0")
    dataset.add_new(0xFFFCFFFC, "OB", b"SECRET")
    dataset.file_meta.SourceApplicationEntityTitle = NAME
    dataset.preamble = (b"SECRET" * 30)[:128]
    dataset.save_as(path, enforce_file_format=True)
    return count


def test_identifiers_planted_in_every_text_field_are_gone(built, tmp_path, lenient):
    count = planted(built, tmp_path / "planted.dcm")
    assert count > 2000
    before = (tmp_path / "planted.dcm").read_bytes()
    assert all(word.encode("gb18030") in before for word in FORBIDDEN)
    result = deidentify_file(tmp_path / "planted.dcm", KEY)
    result.save_as(tmp_path / "clean.dcm", enforce_file_format=True)
    header = (tmp_path / "clean.dcm").read_bytes()
    end = header.index(b"\xe0\x7f\x10\x00")
    for word in FORBIDDEN:
        for encoding in ("utf-8", "gb18030", "utf-16-le", "utf-16-be"):
            assert word.encode(encoding) not in header[:end], word
    assert not [element for element in result.iterall() if element.tag.is_private]
    assert header[:128] == bytes(128)


def test_no_original_identifier_or_date_of_a_real_series_remains(built, tmp_path):
    deidentify_folder(built, tmp_path / "out", key_path=tmp_path / "key.json", progress=False)
    originals = set()
    for path in built.rglob("t2w/*.dcm"):
        dataset = pydicom.dcmread(path)
        for keyword in ("PatientID", "StudyDate", "SOPInstanceUID", "SeriesInstanceUID"):
            originals.add(str(dataset[keyword].value))
        originals |= {dataset.StudyInstanceUID, dataset.FrameOfReferenceUID, "SYN-"}
    for path in (tmp_path / "out").rglob("*"):
        assert "SYN" not in path.name
        if path.is_file():
            header = path.read_bytes()[:4000].decode("latin-1")
            assert not [word for word in originals if word in header]


def test_the_series_are_the_same_series(built, tmp_path):
    report = deidentify_folder(built, tmp_path / "out", key_path=tmp_path / "key.json")
    assert (report.loc[report["path"] == "", "problem"].str.contains("no MR image")).all()
    before, after = find_series(built).table, find_series(tmp_path / "out").table
    kinds = ["t2w", "t1c", "fat", "localiser"]
    for table in (before, after):
        assert set(kinds) <= set(table["kind"])
    columns = ["kind", "water", "n_images", "matrix"]
    assert before[columns].value_counts().to_dict() == after[columns].value_counts().to_dict()
    source = pd.read_csv(built / "data_manifest.csv").query("timepoint == 'pre'")
    for row in source.itertuples():
        original = read_series(built / row.path)
        same = [
            read_series(tmp_path / "out" / path)
            for path in after.loc[after["kind"] == row.sequence, "path"]
        ]
        assert any(
            np.array_equal(original.array, series.array)
            and np.array_equal(original.positions_mm, series.positions_mm)
            and original.pixel_spacing_mm == series.pixel_spacing_mm
            for series in same
        )


def test_images_and_tables_keep_intervals_and_progression_free_survival(built, tmp_path):
    registry = Study(built).registry
    clean, left_out = deidentify_table(registry, KEY, schema=REGISTRY)
    assert left_out == []
    pd.testing.assert_frame_equal(registry, Study(built).registry)
    pfs = progression_free_survival(registry).drop(columns="patient_id")
    pd.testing.assert_frame_equal(pfs, progression_free_survival(clean).drop(columns="patient_id"))
    assert (clean["treatment_start"] != registry["treatment_start"]).all()
    path = next((built / "data/images").rglob("pre/t2w/*.dcm"))
    dataset = deidentify_file(path, KEY)
    assert dataset.PatientID == clean["patient_id"][0]
    day = pd.Timestamp(dataset.StudyDate)
    original = pd.Timestamp(pydicom.dcmread(path).StudyDate)
    assert day - original == clean["diagnosis_date"][0] - registry["diagnosis_date"][0]
    assert day.dayofweek == original.dayofweek


def test_the_key_decides_everything():
    key, another_key = Key(b"1" * 32), Key(b"2" * 32)
    patients = [f"P{number}" for number in range(400)]
    assert len({key.pseudonym(patient) for patient in patients}) == 400
    shifts = [key.days(patient) for patient in patients]
    assert len(set(shifts)) > 200 and max(shifts) < 0 and not any(s % 7 for s in shifts)
    assert key.pseudonym("P1") == Key(b"1" * 32).pseudonym(" P1 ")
    assert key.pseudonym("P1") != another_key.pseudonym("P1")
    assert key.uid("1.2.3") != another_key.uid("1.2.3") != key.uid("1.2.4")
    assert len(key.uid("1.2.3")) <= 64 and re.fullmatch(r"2\.25\.[1-9]\d*", key.uid("1.2.3"))
    assert "1111" not in repr(key)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("20200229", True), ("2020.02.29", True), ("20190229", False), ("00000000", False)],
)
def test_dates_that_are_none_are_dropped(given, kept, lenient):
    dataset = make_slice(noise(1)[0], 0, StudyDate=given)
    result = deidentify_file(dataset, KEY)
    assert ("StudyDate" in result) == kept
    if kept:
        moved = pd.Timestamp("2020-02-29") + pd.Timedelta(days=KEY.days("P-1"))
        assert result.StudyDate == moved.strftime("%Y%m%d")


@pytest.mark.parametrize(("given", "kept"), [("053Y", "053Y"), ("097Y", "089Y"), ("53", None)])
def test_the_very_old_are_89(given, kept, lenient):
    result = deidentify_file(make_slice(noise(1)[0], 0, PatientAge=given), KEY)
    assert result.get("PatientAge") == kept


@pytest.mark.parametrize(
    ("code", "tags"),
    [
        ("burned-in", {"BurnedInAnnotation": "YES"}),
        ("burned-in", {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}),
        ("burned-in", {"ImageType": ["DERIVED", "SECONDARY", "SCREEN_SAVE"]}),
        ("not-mr", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}),
        ("not-mr", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}),
        ("not-mr", {"Modality": "SR"}),
        ("no-identifier", {"PatientID": " "}),
        ("no-identifier", {"SOPInstanceUID": None}),
    ],
)
def test_what_may_show_an_identity_is_refused(code, tags):
    dataset = make_slice(noise(1)[0], 0, **tags)
    with pytest.raises(DicomError) as caught:
        deidentify_file(dataset, KEY)
    assert caught.value.code == code


def test_what_is_no_image_is_named_by_its_kind():
    for uid, kind in ((pydicom.uid.RawDataStorage, "Raw Data Storage"), ("1.2.3", "another kind")):
        with pytest.raises(DicomError, match=rf"no MR image \({kind}"):
            deidentify_file(make_slice(noise(1)[0], 0, SOPClassUID=uid), KEY)


def test_a_second_time_is_refused():
    dataset = make_slice(noise(1)[0], 0)
    with pytest.raises(DicomError, match="move twice"):
        deidentify_file(deidentify_file(dataset, KEY), KEY)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_pixels_stay(tmp_path, syntax, photometric):
    tags = {"PhotometricInterpretation": photometric}
    write_series(tmp_path / "in", compress=syntax, **tags)
    for path in (tmp_path / "in").iterdir():
        save(deidentify_file(path, KEY), tmp_path / "out" / path.name)
    before, after = read_series(tmp_path / "in"), read_series(tmp_path / "out")
    assert np.array_equal(before.array, after.array)
    assert before.array.dtype == after.array.dtype


@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "MR_small_bigendian.dcm"])
def test_pixels_of_other_encodings_stay(tmp_path, name):
    path = get_testdata_file(name, download=False)
    save(deidentify_file(path, KEY), tmp_path / "a.dcm")
    assert np.array_equal(read_series(tmp_path).array[0], pydicom.dcmread(path).pixel_array)


def test_an_enhanced_object_keeps_its_geometry(tmp_path):
    dataset = make_enhanced(noise(4), slopes=[1, 2, 3, 4], order=(2, 0, 3, 1))
    save(dataset, tmp_path / "in" / "e.dcm")
    save(deidentify_file(tmp_path / "in" / "e.dcm", KEY), tmp_path / "out" / "e.dcm")
    before, after = read_series(tmp_path / "in"), read_series(tmp_path / "out")
    assert np.array_equal(before.array, after.array)
    assert np.array_equal(before.positions_mm, after.positions_mm)


# --- key and folders ------------------------------------------------------------------------------


def test_the_key_lies_outside_every_study(tmp_path):
    init(tmp_path / "study")
    write_series(tmp_path / "in")
    for place in (tmp_path / "study" / "key.json", tmp_path / "out" / "deep" / "key.json"):
        with pytest.raises(StudyError, match="the key would lie in"):
            deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=place)
    assert not (tmp_path / "out").exists()
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(StudyError, match="not a key"):
        Key.open(tmp_path / "bad.json")
    with pytest.raises(StudyError, match="at least 16"):
        Key(b"short")


def test_only_the_owner_reads_key_and_mapping(tmp_path):
    write_series(tmp_path / "in", patient_id="P-1")
    report = deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=tmp_path / "k" / "key")
    key = Key.open(tmp_path / "k" / "key")
    assert key.read_mapping() == {key.pseudonym("P-1"): "P-1"}
    if os.name == "posix":
        for path in (key.path, key.mapping_path):
            assert path.stat().st_mode & 0o077 == 0
    assert report["problem"].str.contains("look at the images").all()
    assert sorted(report["path"].map(lambda path: path.split("/")[0]).unique()) == [
        key.pseudonym("P-1")
    ]


def test_the_reason_why_a_series_is_unclear_survives(tmp_path):
    timing = {"RepetitionTime": 1500, "EchoTime": 40}
    write_series(tmp_path / "in", SeriesDescription="T2", **timing)
    deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=tmp_path / "key")
    (before,), (after,) = (find_series(tmp_path / name).table["reason"] for name in ("in", "out"))
    before, _, _ = before.partition("; the start of treatment")
    assert before.startswith("TR 1500 ms, TE 40 ms") and before in after


def test_batches_of_one_series_come_together(tmp_path):
    array = write_series(tmp_path / "a")
    (tmp_path / "b").mkdir()
    for name in ("I01.dcm", "I02.dcm"):
        (tmp_path / "a" / name).rename(tmp_path / "b" / name)
    for batch in ("a", "b", "b"):
        deidentify_folder(tmp_path / batch, tmp_path / "out", key_path=tmp_path / "key")
    (path,) = find_series(tmp_path / "out").table["path"]
    assert np.array_equal(read_series(tmp_path / "out" / path).array, array)


def test_the_command(tmp_path, capsys):
    write_series(tmp_path / "in")
    shutil.copyfile(tmp_path / "in" / "I01.dcm", tmp_path / "shot.dcm")
    save(make_slice(noise(1)[0], 90, BurnedInAnnotation="YES"), tmp_path / "in" / "burned.dcm")
    (tmp_path / "in" / "linked").symlink_to(tmp_path, target_is_directory=True)
    rest = [str(tmp_path / "out"), "--key", str(tmp_path / "key")]
    assert main(["deidentify", str(tmp_path / "in"), *rest]) == 1
    said = capsys.readouterr().out
    assert "Left alone: 1 x linked folder" in said
    assert "4 file(s) written, 1 refused" in said and "burned.dcm" in said
    assert main(["deidentify", str(tmp_path / "absent"), *rest]) == 1


# --- files that are not as they should be ---------------------------------------------------------


def spoilt(path):
    """An image with an impossible kind of value inside a sequence that is dropped anyway."""
    dataset = make_slice(noise(1)[0], 0, patient_id="P-2")
    inner = pydicom.Dataset()
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = "1.2.3", "1.2.3.4"
    dataset.ReferencedImageSequence = [inner]
    save(dataset, path)
    content = path.read_bytes()
    assert content.count(b"\x08\x00\x55\x11UI") == 1
    path.write_bytes(content.replace(b"\x08\x00\x55\x11UI", b"\x08\x00\x55\x11\x55\xe3"))


def test_damage_in_what_is_dropped_does_not_matter(tmp_path):
    spoilt(tmp_path / "in" / "a.dcm")
    with pytest.raises(NotImplementedError):
        str(pydicom.dcmread(tmp_path / "in" / "a.dcm").ReferencedImageSequence)
    result = deidentify_file(tmp_path / "in" / "a.dcm", KEY)
    assert "ReferencedImageSequence" not in result and result.PatientID == KEY.pseudonym("P-2")


def test_whatever_goes_wrong_inside_names_the_file_and_the_others_go_on(tmp_path, monkeypatch):
    write_series(tmp_path / "in")
    original = deidentified_header.add_pixels

    def fail(result, tags):
        if tags.path.name == "I02.dcm":
            raise NotImplementedError(NAME)
        original(result, tags)

    monkeypatch.setattr(deidentified_header, "add_pixels", fail)
    report = deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=tmp_path / "key")
    (problem,) = report.loc[report["path"] == "", "problem"]
    assert "I02.dcm" in problem and "header is damaged" in problem and NAME not in problem
    assert (report["path"] != "").sum() == 3


def test_who_is_who_is_known_however_the_run_ends(tmp_path, monkeypatch):
    for patient in ("A", "B", "C"):
        write_series(tmp_path / "in" / patient, noise(2), patient_id=f"P-{patient}")
    original = deidentified_header.add_pixels

    def interrupted(result, tags):
        if tags.path.parent.name == "C":
            raise KeyboardInterrupt
        original(result, tags)

    monkeypatch.setattr(deidentified_header, "add_pixels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=tmp_path / "key")
    key = Key.open(tmp_path / "key")
    assert sorted(key.read_mapping().values()) == ["P-A", "P-B"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(key.read_mapping())


def test_warnings_and_log_repeat_no_original_also_from_threads(tmp_path, recwarn, caplog):
    with pydicom.config.disable_value_validation():
        for number in range(40):
            uid = f"1.2.{NAME}.{number}"
            dataset = make_slice(noise(1)[0], 0, StudyInstanceUID=uid, PatientBirthDate=NAME)
            save(dataset, tmp_path / "in" / f"{number}.dcm")
    filters = list(warnings.filters)
    recwarn.clear()
    caplog.clear()
    with ThreadPoolExecutor(8) as pool:
        results = list(
            pool.map(lambda path: deidentify_file(path, KEY), sorted((tmp_path / "in").iterdir()))
        )
    deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=tmp_path / "key")
    assert len(results) == 40 and warnings.filters == filters
    assert not [warning for warning in recwarn if NAME in str(warning.message)]
    assert NAME not in caplog.text and not pydicom.config.logger.disabled


def test_a_patient_with_several_identifiers_is_refused_everywhere(tmp_path):
    write_series(tmp_path / "in", noise(2), patient_id="A\\B")
    report = deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=tmp_path / "key")
    assert report["problem"].str.contains("PatientID has several values").all()
    assert not (tmp_path / "out").exists() and Key.open(tmp_path / "key").read_mapping() == {}
    (reason,) = find_series(tmp_path / "in").table["reason"]
    assert "several values" in reason
    with pytest.raises(StudyError, match="backslash"):
        KEY.claim({}, "A\\B")


def test_identifiers_are_read_in_one_way(tmp_path):
    """Folder, file and table of patients name one pseudonym, whatever surrounds the identifier."""
    write_series(tmp_path / "in", patient_id=" 患者1 ", SpecificCharacterSet="ISO_IR 192")
    report = deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=tmp_path / "key")
    key = Key.open(tmp_path / "key")
    assert set(report["patient_id"]) == {key.pseudonym("患者1")}
    assert key.read_mapping() == {key.pseudonym("患者1"): "患者1"}
    for path in (tmp_path / "out").rglob("*.dcm"):
        assert pydicom.dcmread(path).PatientID == path.parts[-3] == key.pseudonym("患者1")


def test_places_that_cannot_be_written_are_named(tmp_path, capsys):
    write_series(tmp_path / "in")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StudyError, match="file is a file"):
        deidentify_folder(tmp_path / "in", tmp_path / "file", key_path=tmp_path / "key")
    for rest in (
        [str(tmp_path / "file" / "out"), "--key", str(tmp_path / "key")],
        [str(tmp_path / "out"), "--key", str(tmp_path / "file" / "key")],
        [str(tmp_path / "file"), "--key", str(tmp_path / "key")],
    ):
        assert main(["deidentify", str(tmp_path / "in"), *rest]) == 1
        said = capsys.readouterr().err
        assert str(tmp_path / "file") in said and "ame a f" in said


# --- tables ---------------------------------------------------------------------------------------

# Written in two parts, as the search for names reads this file too.
IDENTIFIERS = ("Jane Doe", "李伟", "138" + "00138000", "44010619630314" + "0021", "47114711000")


@pytest.mark.parametrize("schema", [REGISTRY, VISITS, SUGGESTED_ROIS], ids=lambda s: s.name)
@pytest.mark.parametrize("planted", IDENTIFIERS)
def test_identifiers_planted_in_every_column_of_a_table_are_gone(schema, planted):
    columns = [column.name for column in schema.columns]
    extra = ["patient_name", "birth_date", "remark", "phone", planted]
    table = pd.DataFrame(planted, index=range(3), columns=[*columns, *extra], dtype=object)
    clean, left_out = deidentify_table(table, KEY, schema=schema)
    assert list(clean.columns) == columns
    assert planted not in clean.to_csv()
    assert clean["patient_id"].tolist() == [KEY.pseudonym(planted)] * 3
    assert all(any(f"column {name}:" in said for said in left_out) for name in extra)


def test_numbers_typed_as_numbers_are_judged_too():
    table = pd.DataFrame(
        {
            "patient_id": ["A", "B", "C"],
            "age_years": [97, 10**10, 50],
            "ebv_dna_copies_per_ml": [1200.5, 4.4e17, 0],
            "tnm_edition": [7, 8, 47114711],
        }
    )
    clean, _ = deidentify_table(table, KEY, schema=REGISTRY)
    assert clean["age_years"].tolist()[::2] == [89, 50] and pd.isna(clean["age_years"][1])
    assert clean["ebv_dna_copies_per_ml"].tolist()[::2] == [1200.5, 0]
    assert clean["tnm_edition"].tolist()[:2] == [7, 8]
    assert clean.iloc[:, 1:].isna().sum().tolist() == [1, 1, 1]


def test_examinations_and_readers():
    visits = pd.DataFrame(
        {"patient_id": ["A"] * 2, "examinations": ["lung_ct; call Jane;pet_ct", ""]}
    )
    clean, (said,) = deidentify_table(visits, KEY, schema=VISITS)
    assert clean["examinations"].tolist() == ["lung_ct;other;pet_ct", ""]
    assert "column examinations: 1 value(s)" in said
    rois = pd.DataFrame({"patient_id": ["A"] * 3, "reader_id": ["Dr Wu", "", "Dr Wu "]})
    clean, said = deidentify_table(rois, KEY, schema=SUGGESTED_ROIS)
    assert clean["reader_id"].tolist() == [KEY.reader("Dr Wu"), "", KEY.reader("Dr Wu")]
    assert "Wu" not in clean.to_csv() and said == []


def test_the_command_for_tables_leaves_out_the_users_own_columns(tmp_path, capsys):
    hospital = make_study(tmp_path / "hospital")
    registry = load(hospital, "registry")
    registry["patient_name"], registry["remark"] = NAME, "鼻咽"
    save_table(hospital, "registry", registry)
    init(tmp_path / "clean")
    rest = [str(hospital), str(tmp_path / "clean"), "--key", str(tmp_path / "key.json")]
    assert main(["tables", *rest]) == 0
    said = capsys.readouterr().out
    assert "column patient_name: left out" in said and "column remark: left out" in said
    key, clean = Key.open(tmp_path / "key.json"), Study(tmp_path / "clean")
    original = Study(hospital)
    pd.testing.assert_series_equal(
        clean.registry["patient_id"], original.registry["patient_id"].map(key.pseudonym)
    )
    assert clean.visits["examinations"].equals(original.visits["examinations"])
    for path in (tmp_path / "clean").rglob("*.csv"):
        assert not [word for word in (*FORBIDDEN, "H-0") if word in path.read_text("utf-8")]


def test_an_identifier_of_another_kind_is_refused_and_the_rest_goes_on(tmp_path):
    for index, pixels in enumerate(noise(3)):
        dataset = make_slice(pixels, 6.0 * index)
        if index == 1:
            dataset["SeriesInstanceUID"] = pydicom.DataElement(0x0020000E, "LO", "2.25.7")
        save(dataset, tmp_path / "in" / f"{index}.dcm")
    report = deidentify_folder(
        tmp_path / "in", tmp_path / "out", key_path=tmp_path / "k" / "key.json", progress=False
    )
    assert report["outcome"].value_counts().to_dict() == {"written": 2, "refused": 1}
    assert "written as another kind of value" in "".join(report.attrs["reasons"])


@pytest.mark.parametrize(
    ("source", "target"), [("EXPORT", "EXPORT/CLEAN"), ("CLEAN/EXPORT", "CLEAN"), ("A", "B/../A")]
)
def test_a_folder_inside_the_other_is_refused_with_the_way_out(tmp_path, capsys, source, target):
    (tmp_path / "B").mkdir()
    write_series(tmp_path / source)
    before = sorted(tmp_path.rglob("*"))
    key = tmp_path / "keys" / "k.json"
    folders = [str(tmp_path / source), str(tmp_path / target)]
    assert main(["deidentify", *folders, "--key", str(key)]) == 1
    assert sorted(tmp_path.rglob("*")) == before
    message = capsys.readouterr().err
    beside = message.split("such as ")[1].strip().removesuffix(".")
    assert "with names" in message
    assert main(["deidentify", folders[0], beside, "--key", str(key)]) == 0


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_is_told_without_a_value_of_the_header(tmp_path, monkeypatch, capsys, wrapped):
    def full(dataset, *_, **__):
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            if not wrapped:
                raise
            raise OSError(f"With tag got exception {dataset.PatientID}") from None

    write_series(tmp_path / "in")
    monkeypatch.setattr(pydicom.Dataset, "save_as", full)
    command = [str(tmp_path / "in"), str(tmp_path / "out"), "--key", str(tmp_path / "k" / "k.json")]
    assert main(["deidentify", *command]) == 1
    told = capsys.readouterr().err
    assert "cannot be written (No space left on device). Make room" in told
    assert "NPC-" not in told
