"""States in which real studies arrive: the check says what to do, and what can be read is read."""

import pandas as pd
import pytest
from small_study import PATHS, change, day, load, make_study, save

from npc_helpers import cohort
from npc_helpers.study import Study
from npc_helpers.study.checks import bare_number


def registry_as(**how):
    """Write the registry anew, as another program would."""

    def spoil(folder):
        text = load(folder, "registry").to_csv(index=False, **how)
        (folder / PATHS["registry"]).write_text(text, encoding="utf-8", newline="")

    return spoil


def cells(column, value):
    def spoil(folder):
        save(folder, "registry", load(folder, "registry").assign(**{column: value}))

    return spoil


def workbook(name):
    def spoil(folder):
        (folder / PATHS["registry"]).unlink()
        (folder / "data" / name).write_bytes(
            b"PK\x03\x04\x14\x00\x06\x00\xff\xfe" + bytes(range(256))
        )

    return spoil


def title_above(folder):
    path = folder / PATHS["registry"]
    path.write_text("Registry of our hospital,,\n" + path.read_text())


def encoded(encoding):
    def spoil(folder):
        path = folder / PATHS["registry"]
        text = load(folder, "registry").assign(备注="转外院").to_csv(index=False)
        path.write_bytes(text.encode(encoding))

    return spoil


def other_spelling(folder):
    table = load(folder, "manifest")
    save(folder, "manifest", table.assign(patient_id=table["patient_id"].replace("H-01", "h 1")))


def zeros_lost(folder):
    for name in PATHS:
        table = load(folder, name)
        numbers = table["patient_id"].str.replace("H-", "00")
        save(folder, name, table.assign(patient_id=numbers))
    table = load(folder, "registry")
    save(folder, "registry", table.assign(patient_id=table["patient_id"].str.lstrip("0")))


def added_to_the_registry(**changes):
    def spoil(folder):
        table = load(folder, "registry")
        save(folder, "registry", pd.concat([table, table.head(1).assign(**changes)]))

    return spoil


SEMICOLONS = "save it as 'CSV UTF-8 (comma delimited)'. If yours writes semicolons"
ERRORS = {
    "semicolons": (registry_as(sep=";"), "not separated by commas", SEMICOLONS),
    "tabs": (registry_as(sep="\t"), "not separated by commas", SEMICOLONS),
    "workbook of the same name": (workbook("registry.csv"), "is a workbook", "save it as 'CSV"),
    "workbook beside": (workbook("registry.xlsx"), "but registry.xlsx is there", "save it as 'CSV"),
    "GB 18030": (encoded("gb18030"), "is not UTF-8", "save it as 'CSV UTF-8"),
    "UTF-16": (encoded("utf-16"), "is not UTF-8", "save it as 'CSV UTF-8"),
    "title": (title_above, "more cells than the header", "take out a title above it"),
    "age with unit": (cells("age_years", "45 Y"), "is '45 Y'", "without a unit"),
    "decimal comma": (
        cells("ebv_dna_copies_per_ml", "1250,5"), "is '1250,5'", "with a point and not a comma",
    ),
    "below detection": (cells("ebv_dna_copies_per_ml", "<400"), "is '<400'", "or another sign"),
    "infinite": (cells("ebv_dna_copies_per_ml", "inf"), "is 'inf'", "Give a number"),
    "clinical T": (cells("t_stage", "cT3"), "is 'cT3'", "Allowed: T0, T1"),
    "edition in words": (cells("tnm_edition", "8th"), "is '8th'", "Allowed: 7, 8"),
    "other spelling": (other_spelling, "which has 'H-01'", "in one way everywhere"),
    "leading zeros": (zeros_lost, "which has '1'", "Spreadsheets drop leading zeros"),
    "death before the second scan": (
        change("registry", 0, "death_date", day(85)), "is before mri_post_date", "Correct",
    ),
    "followed for no day": (
        change("registry", 0, "last_review_date", day(20)),
        *("is not after treatment_start", "Correct"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("state", ERRORS)
def test_an_error_says_what_to_do(tmp_path, state):
    spoil, problem, action = ERRORS[state]
    folder = make_study(tmp_path / "s")
    spoil(folder)
    problems = Study(folder).check(checksums=False)
    told = problems[problems["problem"].str.contains(problem, regex=False)]
    assert len(told) and set(told["level"]) == {"error"}, problems.to_string()
    assert told["what_to_do"].str.contains(action, regex=False).all(), told.to_string()


SPELT = added_to_the_registry(patient_id="h01")
WARNINGS = {
    "same patient, other spelling": (SPELT, "'h01' is written almost like 'H-01'"),
    "same patient, other number": (
        added_to_the_registry(patient_id="X-7"), "every date are those of patient 'H-01'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("state", WARNINGS)
def test_a_warning_names_both_and_the_rest_goes_on(tmp_path, state):
    spoil, problem = WARNINGS[state]
    folder = make_study(tmp_path / "s")
    spoil(folder)
    problems = Study(folder).check(checksums=False)
    (told,) = problems[problems["problem"].str.contains(problem, regex=False)].itertuples()
    assert told.level == "warning" and told.where == "data/registry.csv row 8"
    assert cohort.build_cohort(Study(folder), seed=1)["included"].sum() >= 6


VISITS = {  # cells of the visit, cells of the registry, problem
    "progression, of which the registry does not know": (
        {"finding": "distant"}, {}, "progression_date is blank",
    ),
    "death, unknown to the registry": ({"finding": "death"}, {}, "death_date is blank"),
    "progression, before that of the registry": (
        {"finding": "local"}, {"progression_date": day(500), "progression_type": "local"},
        "before progression_date",
    ),
    "review after the last one": (
        {"visit_date": day(3000)}, {}, "is after last_review_date",
    ),
}  # fmt: skip


@pytest.mark.parametrize("state", VISITS)
def test_visits_that_contradict_the_outcome_are_named(tmp_path, state):
    of_visit, of_registry, problem = VISITS[state]
    folder = make_study(tmp_path / "s")
    for column, value in of_visit.items():
        change("visits", 1, column, value)(folder)
    for column, value in of_registry.items():
        change("registry", 0, column, value)(folder)
    (told,) = Study(folder).check(checksums=False).itertuples()
    assert problem in told.problem and told.level == "warning"
    assert (told.where, told.patient_id) == ("data/visits.csv row 3", "H-01")


def test_visits_that_learn_of_the_outcome_later_are_in_order(tmp_path):
    folder = make_study(tmp_path / "s")
    for table, row, column, value in (
        ("visits", 1, "finding", "regional"),
        ("visits", 2, "finding", "distant"),
        ("registry", 0, "progression_date", day(260)),
        ("registry", 0, "progression_type", "regional"),
    ):  # fmt: skip
        change(table, row, column, value)(folder)
    assert Study(folder).check(checksums=False).empty


def test_what_a_spreadsheet_on_windows_writes_is_read(tmp_path):
    folder = make_study(tmp_path / "s")
    for name, path in PATHS.items():
        text = load(folder, name).to_csv(index=False, lineterminator="\r\n")
        (folder / path).write_bytes(b"\xef\xbb\xbf" + text.encode())
    save(folder, "registry", load(folder, "registry").assign(sex="", ebv_dna_copies_per_ml="1.2E3"))
    assert Study(folder).check(checksums=False).empty
    assert Study(folder).registry["ebv_dna_copies_per_ml"].eq(1200).all()


def test_numbers_of_patients_that_differ_are_not_taken_for_one():
    names = ["H-01", "H-10", "H-1-0", "A-1-11", "A-11-1", "患者 1", "患者 2", "0815", "8150"]
    assert len({bare_number(name) for name in names}) == len(names)
    assert bare_number("H-01") == bare_number("h1") == bare_number("H_001") == bare_number("H 1")
