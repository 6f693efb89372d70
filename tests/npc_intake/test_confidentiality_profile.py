"""Every element of DICOM PS3.15, table E.1-1, planted: what stays, a declared option allows.

The table is that of edition 2026c, as the package dicom-anonymizer read it from the standard.
"""

from io import BytesIO

import pydicom
import pytest
from dicom_making import make_enhanced, make_slice, noise
from dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c import ALL_TAGS
from npc_intake.deidentify import Key, deidentify_file, keep_list
from pydicom.datadict import dictionary_keyword, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset

KEY = Key(b"a secret of this test file only")
NAME, NUMBER, DAY, UID = "JANEDOE", "47114711", "20150302", "1.2.47114711"
REPEATED = {0x5000: 0x50000010, 0x6000: 0x60000000}  # groups that the table gives as 50xx, 60xx
PLANTED = {  # plausible where DICOM wants that, so that a value stays if its element does
    **dict.fromkeys(("LO", "LT", "SH", "ST", "UC", "UT", "CS", "AE", "PN", "UR"), NAME),
    **{"DA": DAY, "TM": "101112", "DT": f"{DAY}101112", "AS": "043Y", "UI": UID},
    **{"DS": "47", "IS": "47", "US": 47, "OB": NAME.encode() + b"\0", "UN": NAME.encode() + b"\0"},
}
MEANT = {  # by keyword: what an image may say there
    "PatientSex": "F",
    "SeriesDescription": f"{NAME} T1 +C",
    "ProtocolName": f"t1_tse_tra {NAME}",
    "ContrastBolusAgent": f"Gadovist {NAME}",
    "SoftwareVersions": "syngo MR E11",
    "ManufacturerModelName": "Skyra",
    "ReceiveCoilName": "HeadNeck",
    "TransmitCoilName": "Body",
}
# What stays -> the option of PS3.15, Annex E that allows it, or how the profile wants it replaced.
STAYS = {
    "Modified dates (113107)": {*keep_list.DATES, *keep_list.TIMES},
    "Clean descriptors (113105)": {"SeriesDescription", "ProtocolName", "ContrastBolusAgent"},
    "Patient characteristics (113108)": {"PatientSex", "PatientAge"},
    "Device identity (113109), of the model only": set(keep_list.SCANNER),
    "Replaced by the pseudonym": {"PatientID", "PatientName"},
    "Replaced by another identifier": keep_list.UIDS,
    "Says what was done": {"DeidentificationMethod", "DeidentificationMethodCodeSequence"},
}
ALLOWED = set().union(*STAYS.values())


def tag_of(entry):
    group, element, *mask = entry
    if not mask:
        return group << 16 | element
    return group << 16 | element if element else REPEATED[group]


TAGS = sorted(pydicom.tag.Tag(tag_of(entry)) for entry in ALL_TAGS)


def planted_item(tag):
    """Return kind and value that an element of the table gets."""
    try:
        vr = dictionary_VR(tag).split(" or ")[0]
    except KeyError:  # newer than the dictionary that is installed
        return "LO", NAME
    if vr == "SQ":
        item = Dataset()
        item.PersonName, item.TextValue = NAME, NUMBER
        return vr, [item]
    return vr, MEANT.get(keyword_for_tag(tag), PLANTED.get(vr, NAME))


def plant(dataset):
    for tag in TAGS:
        if tag.group != 2:
            dataset.add_new(tag, *planted_item(tag))
    return dataset


@pytest.fixture(scope="module")
def clean():
    """An image that holds every element of the table, after de-identification."""
    with pydicom.config.disable_value_validation():
        dataset = plant(make_slice(noise(1)[0], 0))
        assert len(TAGS) == len(set(TAGS)) == 655
        assert all(tag in dataset for tag in TAGS if tag.group != 2)
        return dataset, deidentify_file(dataset, KEY)


def test_of_655_planted_elements_only_those_stay_that_an_option_allows(clean):
    before, after = clean
    kept = {keyword_for_tag(tag) for tag in TAGS if tag in after and not after[tag].is_empty}
    assert kept <= ALLOWED
    in_table = {keyword_for_tag(tag) for tag in TAGS}
    assert kept == ALLOWED & in_table  # every option is used, so none of them hides a gap
    removed = [tag for tag in TAGS if keyword_for_tag(tag) not in kept]
    assert (len(kept), len(removed)) == (21, 634)


def test_what_stays_is_not_what_was_planted(clean):
    before, after = clean
    for keyword in keep_list.UIDS:
        assert after[keyword].value == KEY.uid(before[keyword].value)
    for keyword in keep_list.DATES & set(after.dir()):
        assert after[keyword].value != DAY
    assert after.PatientID == after.PatientName == KEY.pseudonym(before.PatientID)
    assert (after.SeriesDescription, after.ProtocolName) == ("T1 +C", "t1_tse_tra")
    assert after.ContrastBolusAgent == "Gadovist"


def test_no_planted_value_is_left_in_the_bytes(clean):
    written = BytesIO()
    clean[1].save_as(written, enforce_file_format=True)
    header = written.getvalue()[: written.getvalue().index(b"\xe0\x7f\x10\x00")]
    for secret in (NAME, NUMBER, DAY, UID):
        assert secret.encode() not in header


@pytest.mark.parametrize("place", ["PlaneOrientationSequence", "PixelMeasuresSequence"])
def test_nothing_of_the_table_stays_inside_of_sequences_but_the_same(place):
    """Functional groups of an enhanced image, which stay, hold every element of the table."""
    with pydicom.config.disable_value_validation():
        dataset = make_enhanced(noise(4), slopes=[1] * 4, order=(0, 1, 2, 3))
        plant(dataset.SharedFunctionalGroupsSequence[0][place].value[0])
        after = deidentify_file(dataset, KEY)
    (item,) = after.SharedFunctionalGroupsSequence[0][place].value
    assert {dictionary_keyword(e.tag) for e in item if e.tag in TAGS} <= ALLOWED
    written = BytesIO()
    after.save_as(written, enforce_file_format=True)
    for secret in (NAME, NUMBER, DAY, UID):
        assert secret.encode() not in written.getvalue().partition(b"\xe0\x7f\x10\x00")[0]
