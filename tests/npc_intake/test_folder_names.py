"""Folders of patients: every disk takes their names, and no disk takes two of them for one."""

import re
import unicodedata

import pytest
from dicom_making import write_series
from hypothesis import given
from hypothesis import strategies as st
from intake_study import study_of
from npc_intake.__main__ import main
from npc_intake.find.folder_names import folder_name, image_folder

from npc_helpers.study import Study

OF_WINDOWS = re.compile(r"(CON|PRN|AUX|NUL|(COM|LPT)[0-9])(\..*)?", re.IGNORECASE)
RESERVED = (
    *("CON", "PRN", "AUX", "NUL", "COM1", "COM9", "LPT1", "LPT9", "con", "Nul", "CON.", "NUL.txt"),
    *("COM¹", "CONIN$", "AUX "),
)
NUMBERS = (
    *(
        "P-1",
        "p-1",
        "P-1.",
        "P-1 ",
        "P 1",
        "P_1",
        "P/1",
        "..",
        ".",
        "",
        "ß",
        "SS",
        "Straße",
        "İ",
        "i",
    ),
    *("鼻咽", "A:B", "A*B", "A" * 64, "a" * 64, "\u0041\u030a", "\u00c5"),
)


def as_a_disk_sees_it(name):
    """Without case and in one normal form, as Windows and macOS compare names."""
    return unicodedata.normalize("NFD", name).casefold()


@pytest.mark.parametrize("number", RESERVED + NUMBERS)
def test_every_disk_takes_the_name(number):
    name = folder_name(number)
    assert name.isascii() and name and name.rstrip(" .") == name and len(name) < 100
    assert not OF_WINDOWS.fullmatch(name)
    assert not set(name) & set('<>:"/\\|?*') and name not in (".", "..")


def test_no_two_of_them_share_a_folder():
    numbers = {*RESERVED, *NUMBERS}
    assert len({as_a_disk_sees_it(folder_name(number)) for number in numbers}) == len(numbers)


@given(st.text(), st.text())
def test_two_patients_never_share_a_folder(first, second):
    names = {as_a_disk_sees_it(folder_name(number)) for number in (first, second)}
    assert len(names) == len({first, second})


@given(st.text(alphabet="aAbB-_ ."))
def test_nor_do_those_that_differ_in_capitals_only(number):
    others = {number, number.upper(), number.lower(), number.swapcase()}
    assert len({as_a_disk_sees_it(folder_name(name)) for name in others}) == len(others)


@pytest.mark.parametrize("number", ["NPC-2X7AB3CD", "SYN-0001", "NPC277-001", "HNTSMRG-2", "0815"])
def test_usual_numbers_are_the_name(number):
    assert image_folder(number, "pre", "t2w") == f"data/images/{number}/pre/t2w"


def test_both_patients_come_into_the_study(tmp_path):
    study = study_of(tmp_path / "study", "P-1", "p-1", "CON")
    for number, patient in enumerate(("P-1", "p-1", "CON")):
        tags = {"SeriesInstanceUID": f"2.25.7.{number}", "StudyDate": "20180201"}
        timing = {"RepetitionTime": 4000, "EchoTime": 90}
        write_series(tmp_path / "in" / str(number), patient_id=patient, **tags, **timing)
    assert main(["find", str(tmp_path / "in"), str(study), "--copy"]) == 0
    manifest = Study(study).manifest
    assert set(manifest["patient_id"]) == {"P-1", "p-1", "CON"}
    assert len({path.casefold() for path in manifest["path"]}) == 3
    assert all((study / path).is_dir() for path in manifest["path"])
