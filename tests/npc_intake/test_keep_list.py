"""What stays of a header: listed words, plausible numbers, and nothing that was not there."""

import pandas as pd
import pydicom
import pytest
from descriptions import descriptions
from dicom_making import make_enhanced, make_slice, noise, save, write_series
from npc_intake.deidentify import Key, deidentify_file, deidentify_folder, keep_list
from npc_intake.deidentify.original_words import original_words
from npc_intake.find import find_series
from npc_intake.find.contrast import contrast_in_words
from npc_intake.find.image_types import MEANINGS, SCREENSHOTS
from npc_intake.find.series_kind import classify
from npc_intake.find.series_names import kind_by_name, plain_name
from npc_intake.identity.words import kept_words
from pydicom.datadict import dictionary_VM, dictionary_VR

from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.dicom_file import DicomError

KEY = Key(b"a secret of this test file only")
TIMES = {  # by weighting; the rest as an axial series of MR says it
    weighting: {
        "Modality": "MR",
        "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
        "RepetitionTime": tr,
        "EchoTime": te,
    }
    for weighting, tr, te in [("t1", "600", "10"), ("t2", "4000", "90")]
}
SECRET = ("JANEDOE", "47114711")
WRITTEN_ANEW = {  # what an image must have, and what says what was done
    *("SpecificCharacterSet", "PatientName", "PatientID", "PatientIdentityRemoved"),
    *("DeidentificationMethod", "DeidentificationMethodCodeSequence", "PixelData"),
    *("LongitudinalTemporalInformationModified", *keep_list.BLANK),
}


@pytest.fixture
def lenient(monkeypatch):
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)


def cleaned(**tags):
    return deidentify_file(make_slice(noise(1)[0], 0, **tags), KEY)


# --- nothing is invented --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags",
    [
        {"SeriesDescription": "Ax T1 no contrast", "RepetitionTime": 500, "EchoTime": 10},
        {"SeriesDescription": "T1 +C", "RepetitionTime": 500, "EchoTime": 10},
        {"SeriesDescription": "Smith", "ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
        {"SeriesDescription": "", "ImageType": ["DERIVED", "SECONDARY", "SMITH", "MIP"]},
        {"SeriesDescription": None},
    ],
)
def test_no_element_is_added_and_no_value_is_put_in_place_of_another(tags):
    dataset = make_slice(noise(1)[0], 0, **tags)
    result = deidentify_file(dataset, KEY)
    assert set(result.dir()) <= set(dataset.dir()) | WRITTEN_ANEW
    assert "ContrastBolusAgent" not in result
    for keyword in ("SeriesDescription", "ImageType"):
        before, after = dataset.get(keyword) or [], result.get(keyword) or []
        words = set(before.split() if isinstance(before, str) else before)
        assert set(after.split() if isinstance(after, str) else after) <= words | {""}


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_an_image_whose_scale_cannot_stay_is_refused(keyword, lenient):
    with pytest.raises(DicomError, match="header is damaged"):
        cleaned(**{keyword: "123456789"})
    assert keyword not in cleaned(**{keyword: ""})


@pytest.mark.parametrize("words", [["P"], ["M_SE", "M", "SE"], ["DIFFUSION", "TRACEW", "ND"]])
def test_words_of_the_image_type_stay_in_their_places(words):
    given = ["ORIGINAL", "PRIMARY", "JANEDOE", *words]
    kept = list(cleaned(ImageType=given).ImageType)
    assert kept == ["ORIGINAL", "PRIMARY", "", *words]


@pytest.mark.parametrize("word", sorted(set(MEANINGS) - SCREENSHOTS))
def test_every_word_that_tells_the_kind_stays(word):
    assert word in cleaned(ImageType=["ORIGINAL", "PRIMARY", word]).ImageType


@pytest.mark.parametrize("text", [row[-1] for row in descriptions("contrast", "t1", "t2")])
def test_what_a_description_says_is_not_turned_round(text):
    for said in (text, f"{text} JANEDOE", f"JANEDOE_{text}", f"Dr. Wu {text} 47114711"):
        kept = kept_words(said)
        assert contrast_in_words(kept).answer in ("", contrast_in_words(said).answer)
        named, still = (kind_by_name(plain_name(name)) or [""] for name in (said, kept))
        assert still[0] == named[0]
        assert not [word for word in (*SECRET, "Wu") if word in kept]
        assert kept_words(kept) == kept


def test_most_descriptions_go_on_saying_it():
    said = [row for row in descriptions("contrast") if row[1] in ("yes", "no")]
    lost = [t for _, answer, t in said if contrast_in_words(kept_words(t)).answer != answer]
    assert len(said) > 400 and len(lost) <= 25, lost


@pytest.mark.parametrize(("weighting", "kind", "text"), descriptions("t1", "t2"))
def test_a_kind_that_is_named_stays_named(weighting, kind, text):
    assert classify([TIMES[weighting] | {"SeriesDescription": kept_words(text)}]).kind == kind


@pytest.mark.parametrize(
    "tags",
    [
        {"SeriesDescription": "Smith t1_tse_tra_km", "RepetitionTime": 500, "EchoTime": 10},
        {"SeriesDescription": "T1 Smith ohne KM", "RepetitionTime": 500, "EchoTime": 10},
        {"SeriesDescription": "WATER: T2", "RepetitionTime": 4000, "EchoTime": 90},
        {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"], "RepetitionTime": 500, "EchoTime": 5},
        {"DiffusionBValue": 800.0, "RepetitionTime": 4000, "EchoTime": 90},
        {"SequenceName": "*ep_b1000", "RepetitionTime": 4000, "EchoTime": 90},
        {"ContrastBolusAgent": "Gadovist 7.5 ml", "RepetitionTime": 500, "EchoTime": 10},
        {"ProtocolName": "loc_3pl_SMITH", "SeriesDescription": ""},
    ],
)
def test_a_series_is_the_same_kind_afterwards(tmp_path, tags):
    write_series(tmp_path / "in", **tags)
    deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=tmp_path / "key")
    before, after = (find_series(tmp_path / place).table for place in ("in", "out"))
    assert list(before["kind"]) == list(after["kind"])


@pytest.mark.parametrize(
    ("maker", "creator", "group", "element", "vr", "value", "kind"),
    [
        ("GE MEDICAL SYSTEMS", "GEMS_PARM_01", 0x0043, 0x2F, "SS", 1, "phase"),
        ("SIEMENS", "SIEMENS MR HEADER", 0x0019, 0x0C, "IS", "800", "other"),
        ("Philips", "Philips Imaging DD 001", 0x2001, 0x03, "FL", 800.0, "other"),
    ],
)
def test_what_makers_say_in_private_elements_is_said_in_standard_ones(
    tmp_path, maker, creator, group, element, vr, value, kind
):
    timing = {"RepetitionTime": 4000, "EchoTime": 90, "SeriesDescription": "T2"}
    for number, pixels in enumerate(noise(4)):
        dataset = make_slice(pixels, 6.0 * number, Manufacturer=maker, **timing)
        dataset.private_block(group, creator, create=True).add_new(element, vr, value)
        save(dataset, tmp_path / "in" / f"{number}.dcm")
    deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=tmp_path / "key")
    for place in ("in", "out"):
        assert list(find_series(tmp_path / place).table["kind"]) == [kind]
    for path in (tmp_path / "out").rglob("*.dcm"):
        assert not [e for e in pydicom.dcmread(path).iterall() if e.tag.is_private]


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", keep_list.NUMBERS)
@pytest.mark.parametrize("spelling", ["1", "01", "001.0", "+1", "1.", "1e0", "10e-1"])
def test_numbers_are_written_anew_from_their_value(keyword, spelling):
    whole = dictionary_VR(keyword) == "IS"
    assert keep_list.numbers(keyword, [spelling], whole=whole) == ["1"]


@pytest.mark.parametrize("keyword", sorted(set(keep_list.NUMBERS) - keep_list.SCALES))
@pytest.mark.parametrize("number", ["47114711", "471147", "1e9", "-471147", "0047114711"])
def test_numbers_that_may_be_of_a_person_go(keyword, number, lenient):
    values = [number] * max(int(dictionary_VM(keyword)[:1]), 1)
    dataset = make_slice(noise(1)[0], 0)
    dataset.add_new(keyword, dictionary_VR(keyword), values)
    if keyword == "NumberOfFrames":
        return
    assert keyword not in deidentify_file(dataset, KEY)


@pytest.mark.parametrize("keyword", keep_list.NUMBERS)
def test_every_number_has_its_limits(keyword):
    low, high = keep_list.NUMBERS[keyword]
    for value, stays in ((high, True), (high * 1.01 + 1, False), (low - 0.5 - abs(low), False)):
        assert bool(keep_list.numbers(keyword, [repr(float(value))], whole=False)) == stays
    assert high < 100_000


@pytest.mark.parametrize("keyword", ["InstanceNumber", "SeriesNumber", "AcquisitionNumber"])
@pytest.mark.parametrize(
    ("given", "kept"), [("12", 12), ("0012", 12), ("47114", None), ("9999", 9999), ("10000", None)]
)
def test_counting_numbers_have_four_digits(keyword, given, kept):
    assert cleaned(**{keyword: given}).get(keyword) == kept


@pytest.mark.parametrize(
    "values",
    [["-119.53125", "0.1", "1e-05"], ["0.9999999999999", "-0.0000000001", "12.3456789012"]],
)
def test_places_keep_their_value(values):
    kept = keep_list.numbers("ImagePositionPatient", values, whole=False)
    assert [float(text) for text in kept] == [float(text) for text in values]
    assert max(map(len, kept)) <= 16


def test_wide_binary_numbers_have_limits_too():
    assert cleaned(DiffusionBValue=800.0).DiffusionBValue == 800
    assert "DiffusionBValue" not in cleaned(DiffusionBValue=47114711.0)
    dataset = make_enhanced(noise(4), slopes=[1] * 4, order=(0, 1, 2, 3))
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.FrameContentSequence = [pydicom.Dataset()]
        frame.FrameContentSequence[0].DimensionIndexValues = [1, 47114711]
        frame.FrameContentSequence[0].InStackPositionNumber = 3
    (frame, *_) = deidentify_file(dataset, KEY).PerFrameFunctionalGroupsSequence
    assert "DimensionIndexValues" not in frame.FrameContentSequence[0]
    assert frame.FrameContentSequence[0].InStackPositionNumber == 3


# --- the scanner ----------------------------------------------------------------------------------

SCANNERS = [
    ("SIEMENS", "Prisma_fit", ["syngo MR E11"], "HEA;HEP", "Body"),
    ("SIEMENS", "MAGNETOM Vida", ["syngo MR XA30"], "HeadNeck_20_TCS", "Body"),
    ("Philips", "Ingenia Ambition X", ["5.7.1", "5.7.1.3"], "MULTI COIL", "Q-Body"),
    ("GE MEDICAL SYSTEMS", "DISCOVERY MR750w", ["27", "release:DV26.0_R05_1344.a"], "HNS", "BODY"),
    ("TOSHIBA", "Titan 3T", ["V5.0*R003"], "Head", "Body"),
    ("UIH", "uMR 790", ["R11"], "HN1;NE1", "Body"),
]
ELEMENTS = (
    *("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "ReceiveCoilName"),
    *("TransmitCoilName",),
)


@pytest.mark.parametrize("values", SCANNERS, ids=[scanner[1] for scanner in SCANNERS])
def test_what_a_scanner_has_in_common_with_others_stays(values):
    scanner = dict(zip(ELEMENTS, values, strict=True))
    identifying = {"DeviceSerialNumber": "4711", "StationName": "MR1", "InstitutionName": "Renmin"}
    dataset = make_slice(noise(1)[0], 0, MagneticFieldStrength="3", **scanner, **identifying)
    result = deidentify_file(dataset, KEY)
    for keyword in ELEMENTS[1:]:
        assert result[keyword].value == dataset[keyword].value
    assert result.MagneticFieldStrength == 3 and not set(identifying) & set(result.dir())
    codes = {item.CodeValue for item in result.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113105", "113107", "113108", "113109"}
    without = deidentify_file(dataset, KEY, scanner=False)
    assert not set(ELEMENTS[1:]) & set(without.dir())
    codes = {item.CodeValue for item in without.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113105", "113107", "113108"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [("CANON_MEC", "CANON"), ("TOSHIBA_MEC", "TOSHIBA"), ("GEORG HOSPITAL", ""), ("Canonica", "")],
)
def test_a_maker_is_known_by_how_its_name_begins(name, kept):
    assert (cleaned(Manufacturer=name).get("Manufacturer") or "") == kept


@pytest.mark.parametrize("keyword", ELEMENTS)
@pytest.mark.parametrize("text", [*SECRET, "Renmin Hospital", "Wuhan MR", "4711-4711", "Dr Wu"])
def test_a_name_or_a_number_in_place_of_a_scanner_goes(keyword, text):
    assert cleaned(**{keyword: text}).get(keyword) in (None, "MR")


def test_the_command_can_leave_the_scanner_out(tmp_path):
    from npc_intake.__main__ import main

    write_series(tmp_path / "in", ManufacturerModelName="Skyra", Manufacturer="SIEMENS")
    rest = ["--key", str(tmp_path / "key.json"), "--without-scanner"]
    assert main(["deidentify", str(tmp_path / "in"), str(tmp_path / "out"), *rest]) == 0
    for path in (tmp_path / "out").rglob("*.dcm"):
        assert "ManufacturerModelName" not in pydicom.dcmread(path)


# --- the original words ---------------------------------------------------------------------------


def test_the_original_words_lie_beside_the_key_and_join_the_series(tmp_path):
    write_series(tmp_path / "in", SeriesDescription="Smith T1", ProtocolName="NPC follow-up Wu")
    more = {"SeriesInstanceUID": "2.25.9", "SeriesDescription": "鼻咽 王平"}
    for number, pixels in enumerate(noise(2)):
        words = {"ContrastBolusAgent": f"agent {number}", "SpecificCharacterSet": "ISO_IR 192"}
        dataset = make_slice(pixels, number, SOPInstanceUID=f"2.25.9.{number}", **more, **words)
        save(dataset, tmp_path / "in" / f"more{number}.dcm")
    for _ in range(2):
        deidentify_folder(tmp_path / "in", tmp_path / "out", key_path=tmp_path / "k" / "key.json")
    words = original_words(tmp_path / "k" / "key.json")
    assert sorted(words["description"]) == ["Smith T1", "鼻咽 王平"]
    assert "agent 0 | agent 1" in set(words["contrast_agent"])
    table = find_series(tmp_path / "out").table
    joined = table.merge(words, on="series_uid", how="left", suffixes=("", "_original"))
    assert len(joined) == len(table) == 2
    assert set(joined["description_original"]) == {"Smith T1", "鼻咽 王平"}
    assert not [word for word in ("Smith", "Wu", "王平") if word in table.to_csv()]
    assert len(pd.read_csv(tmp_path / "k" / "key-words.csv")) == 3
    assert (tmp_path / "k" / "key-words.csv").stat().st_mode & 0o077 == 0


def test_words_need_a_key_that_is_there(tmp_path):
    with pytest.raises(StudyError, match="not a key"):
        original_words(tmp_path / "absent.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize(
    ("word", "kept"), [("SMITH", ""), ("SMITH_ADC", "ADC"), ("JONESMAP", "QUANTITY")]
)
def test_one_word_of_the_image_type_that_nobody_knows_goes_from_any_place(place, word, kept):
    words = ["ORIGINAL", "PRIMARY", "M", "NORM"]
    expected = [*words[:place], kept, *words[place + 1 :]]
    words[place] = word
    for keyword in ("ImageType", "FrameType"):
        assert keep_list.codes(keyword, words) == expected
