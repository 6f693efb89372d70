"""What `study check` tells a user to do is done, to the letter: then all is well, and work goes on.

One entry for each remedy that a check can tell. Three things are asked: the message tells it, the
same problem is gone after it was followed, and the cohort can be built of what is there then.
"""

import json
import shutil
import warnings
from functools import partial

import pandas as pd
import pytest
from remedies import Remedy, not_followed, told_in
from small_study import PATHS, change, day, load, make_study, save

from npc_helpers import cohort
from npc_helpers.study import Study
from npc_helpers.study.__main__ import main
from npc_helpers.study.artefacts import series_checksum

REGISTRY = "data/registry.csv"
FIRST = "data/images/H-01/pre/t2w"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("sound") / "study", patients=3)


# --- hands ---------------------------------------------------------------------------------------


def edit(name, do):
    """Return a function that edits a table as a person would in a spreadsheet."""
    return lambda folder: save(folder, name, do(load(folder, name)))


def cell(column, value, row=0, name="registry"):
    return change(name, row, column, value)


def both(*steps):
    return lambda folder: [step(folder) for step in steps]


def text_of(path, do, encoding="utf-8"):
    def edit_text(folder):
        place = folder / path
        text = place.read_text(encoding="utf-8") if place.exists() else ""
        place.write_text(do(text), encoding=encoding)

    return edit_text


def about(line):
    return text_of("study.toml", lambda _: line + "\n")


def original(name):
    """Return a function that saves a table as it should be, as 'CSV UTF-8'."""
    return lambda folder: save(folder, name, load(folder.parent / "sound", name))


def as_workbook(folder):
    (folder / REGISTRY).write_bytes(b"PK\x03\x04\x14\x00\x06\x00\xff\xfe" + bytes(range(256)))


def init_and_fill_in(folder):
    assert main(["init", str(folder)]) == 0
    original("registry")(folder)


def as_spreadsheets_count(folder):
    """Give the column a date format: day 42065 counted from 1899-12-30 is 2 March 2015."""
    shown = pd.Timestamp("1899-12-30") + pd.Timedelta(days=42065)
    cell("mri_post_date", f"{shown + pd.Timedelta(days=29):%Y-%m-%d}")(folder)
    assert f"{shown:%Y-%m-%d}" == "2015-03-02"


def in_every_table(old, new):
    return both(*(edit(name, lambda t: t.replace({"patient_id": {old: new}})) for name in PATHS))


def rename_folder(old, new):
    def rename(folder):
        (folder / old).rename(folder / new)
        edit("manifest", lambda t: t.assign(path=t["path"].str.replace(old, new)))(folder)

    return rename


def to_another_disk(folder):
    disk = folder.parent / "disk"
    shutil.move(folder / FIRST, disk)
    (folder / FIRST).symlink_to(disk, target_is_directory=True)


def name_the_disk(folder):
    about(f"linked_folders = ['{folder.parent / 'disk'}']")(folder)


def drop(name, **values):
    def without(table):
        hit = pd.concat([table[key] == value for key, value in values.items()], axis=1).all(axis=1)
        return table[~hit]

    return edit(name, without)


def lose_post_t1c(folder):
    drop("manifest", patient_id="H-01", timepoint="post", sequence="t1c")(folder)


def remove_file(folder):
    (folder / FIRST / "1.dcm").unlink()


def put_back(folder):
    shutil.copytree(folder.parent / "sound" / FIRST, folder / FIRST, dirs_exist_ok=True)


def change_file(folder):
    (folder / FIRST / "1.dcm").write_bytes(b"another image")


def write_the_checksum_told(folder):
    problem = Study(folder).check().set_index("column").loc["sha256", "problem"]
    told = problem.split("'")[-2]
    assert told == series_checksum(folder / FIRST)
    cell("sha256", told, name="manifest")(folder)


def second_row(**changes):
    return edit("registry", lambda t: pd.concat([t, t.head(1).assign(**changes)]))


def first_rows(table):
    return table.drop_duplicates("patient_id").iloc[:3]


def note(folder, text=f"Tel. {13_812_345_678}"):
    (folder / "notes.txt").write_text(text, encoding="utf-8")


def notebook(folder):
    address = "@".join(("a.b", "hospital.org"))
    cell_ = {"cell_type": "code", "source": "x", "outputs": [{"text": address}]}
    (folder / "mine.ipynb").write_text(json.dumps({"cells": [cell_], "metadata": {}}))


def clear_notebook(folder):
    content = json.loads((folder / "mine.ipynb").read_text())
    for page_cell in content["cells"]:
        page_cell["outputs"] = []
    (folder / "mine.ipynb").write_text(json.dumps(content))


NOTHING = both()
SPREADSHEET = "save it as 'CSV UTF-8 (comma delimited)'"
EARLY = cell("mri_pre_date", day(25))
PROGRESSED = both(cell("progression_date", day(400)), cell("progression_type", "local"))
WITHOUT_LAST = cell("last_review_date", "")
NO_VISITS = edit("visits", lambda t: t.head(0))
FILES = {  # problems of whole tables
    "semicolons": Remedy(
        text_of(REGISTRY, lambda t: t.replace(",", ";")), SPREADSHEET, original("registry")
    ),
    "workbook": Remedy(as_workbook, SPREADSHEET, original("registry")),
    "UTF-16": Remedy(text_of(REGISTRY, str, "utf-16"), SPREADSHEET, original("registry")),
    "no registry": Remedy(
        lambda folder: (folder / REGISTRY).unlink(),
        "study init writes the tables",
        init_and_fill_in,
    ),
    "empty file": Remedy(
        text_of(REGISTRY, lambda _: ""), "Save it again as CSV", original("registry")
    ),
    "column twice": Remedy(
        text_of(REGISTRY, lambda t: t.replace("age_years", "sex", 1)),
        "Delete or rename one of them",
        text_of(REGISTRY, lambda t: t.replace(",sex,sex", ",sex,age_years", 1)),
    ),
    "title": Remedy(
        text_of(REGISTRY, lambda t: "Our registry,,\n" + t),
        "take out a title above it",
        text_of(REGISTRY, lambda t: t.partition("\n")[2]),
    ),
    "no column": Remedy(
        edit("registry", lambda t: t.drop(columns="surgery")),
        "Add the column: ",
        edit("registry", lambda t: t.assign(surgery="no")),
    ),
    "misspelt column": Remedy(
        edit("registry", lambda t: t.rename(columns={"t_stage": "t_satge"})),
        "Rename the column '",
        edit("registry", lambda t: t.rename(columns={"t_satge": "t_stage"})),
    ),
}
CELLS = {
    "serial number": Remedy(
        cell("mri_post_date", "42094"), "give the column this date format", as_spreadsheets_count
    ),
    "no such day": Remedy(
        cell("mri_pre_date", "2015-02-30"), "Write an existing day", cell("mri_pre_date", day(10))
    ),
    "other dates": Remedy(
        edit("visits", lambda t: t.assign(visit_date=t["visit_date"].str.replace("-", "/"))),
        "They are read; nothing has to be done",
        NOTHING,
    ),
    "blank": Remedy(cell("surgery", ""), "Fill it in (yes or no)", cell("surgery", "no")),
    "sign": Remedy(
        in_every_table("H-01", "H<1>"),
        "Write it with other signs, the same in every table",
        in_every_table("H<1>", "H-1"),
    ),
    "word": Remedy(cell("sex", "female"), "Allowed: M, F", cell("sex", "F")),
    "unit": Remedy(cell("age_years", "45 Y"), "Give a whole number", cell("age_years", "45")),
    "comma": Remedy(
        cell("ebv_dna_copies_per_ml", "1250,5"),
        "Give a number, 0 or more",
        cell("ebv_dna_copies_per_ml", "1250.5"),
    ),
    "row twice": Remedy(second_row(), "Keep one of the rows", edit("registry", first_rows)),
    "order of dates": Remedy(
        cell("treatment_end", day(15)),
        "Correct the wrong one of the two dates",
        cell("treatment_end", day(80)),
    ),
    "early scan": Remedy(EARLY, "Correct the wrong date, if one is", cell("mri_pre_date", day(9))),
    "T0 of the 7th": Remedy(
        both(cell("t_stage", "T0"), cell("tnm_edition", "7")),
        "Allowed there: T1, T2, T3, T4",
        cell("t_stage", "T3"),
    ),
    "T0, other edition": Remedy(
        both(cell("t_stage", "T0"), cell("tnm_edition", "7")),
        "Or correct tnm_edition",
        cell("tnm_edition", "8"),
    ),
    "no site": Remedy(
        cell("progression_date", day(400)),
        "Give the site of the first progression",
        cell("progression_type", "local"),
    ),
    "no date": Remedy(
        cell("progression_type", "local"),
        "Give the date of the first progression",
        cell("progression_date", day(400)),
    ),
    "two spellings": Remedy(
        second_row(patient_id="h1"), "keep one row and one spelling", edit("registry", first_rows)
    ),
    "two numbers": Remedy(
        second_row(patient_id="X-7"),
        "one in training and one in test",
        drop("registry", patient_id="X-7"),
    ),
    "after the cut-off": Remedy(
        about(f"cut_off_date = {day(300)}"),
        "or the cut_off_date in",
        about(f"cut_off_date = {day(2000)}"),
    ),
    "in 2105": Remedy(
        cell("mri_post_date", "2105-04-01"), "Correct it.", cell("mri_post_date", day(90))
    ),
    "before scanners": Remedy(
        cell("diagnosis_date", "1915-01-01"),
        "shift them by a few years only",
        cell("diagnosis_date", day(0)),
    ),
    "no last review, visits": Remedy(
        WITHOUT_LAST, "If that was the last review, nothing has to be done", NOTHING
    ),
    "no last review": Remedy(
        both(WITHOUT_LAST, NO_VISITS),
        "Without it the patient will not be included",
        cell("last_review_date", day(800)),
    ),
    "stranger": Remedy(
        cell("patient_id", "H-77", name="visits"),
        "Correct the identifier",
        cell("patient_id", "H-01", name="visits"),
    ),
    "stranger, added": Remedy(
        edit("visits", lambda t: pd.concat([t, t.head(1).assign(patient_id="H-77")])),
        "or add the patient there",
        second_row(patient_id="H-77", age_years="39"),
    ),
    "spelt otherwise": Remedy(
        edit("manifest", lambda t: t.replace({"patient_id": {"H-01": "h 1"}})),
        "Write it in one way everywhere",
        edit("manifest", lambda t: t.replace({"patient_id": {"h 1": "H-01"}})),
    ),
    "visit after death": Remedy(
        both(WITHOUT_LAST, cell("death_date", day(310))),
        "Correct this date or death_date",
        cell("death_date", day(895)),
    ),
    "progression only at a visit": Remedy(
        cell("finding", "distant", row=1, name="visits"),
        "Fill in progression_date there; or, if it turned out to be wrong, write none here",
        cell("finding", "none", row=1, name="visits"),
    ),
    "progression before that of the registry": Remedy(
        both(
            cell("finding", "local", row=1, name="visits"),
            cell("progression_date", day(500)),
            cell("progression_type", "local"),
        ),
        "Correct this row, or progression_date",
        cell("progression_date", day(260)),
    ),
    "review after the last one": Remedy(
        cell("last_review_date", day(600)),
        "Correct this date, or last_review_date in data/registry.csv: follow-up ends there",
        original("registry"),
    ),
    "no visits": Remedy(NO_VISITS, "unless you fill it in", original("visits")),
}
IMAGES = {
    "colon": Remedy(
        both(rename_folder("data/images/H-01", "data/images/T2: 1")),
        "give a folder with such a character another name",
        rename_folder("data/images/T2: 1", "data/images/T2 1"),
    ),
    "backslash": Remedy(
        edit("manifest", lambda t: t.assign(path=t["path"].str.replace("/", "\\"))),
        "Write '/' between folders",
        edit("manifest", lambda t: t.assign(path=t["path"].str.replace("\\", "/"))),
    ),
    "path upwards": Remedy(
        cell("path", f"../study/{FIRST}", name="manifest"),
        "Write the path from the study folder down",
        cell("path", FIRST, name="manifest"),
    ),
    "another disk": Remedy(to_another_disk, "name the folder there in", name_the_disk),
    "two owners": Remedy(
        edit("manifest", lambda t: t.replace({"sha256": {t.loc[4, "sha256"]: t.loc[0, "sha256"]}})),
        "Correct or delete the wrong row",
        original("manifest"),
    ),
    "no partner": Remedy(
        lose_post_t1c, "Add the post series if there is one", original("manifest")
    ),
    "no folder": Remedy(
        cell("path", "data/images/H-01/pre/t2", name="manifest"),
        "or correct the path",
        cell("path", FIRST, name="manifest"),
    ),
    "no file": Remedy(
        lambda folder: shutil.rmtree(folder / FIRST), "Put the series there", put_back
    ),
    "file lost": Remedy(remove_file, "Look for missing or foreign files", put_back),
    "number": Remedy(
        cell("n_images", "3", name="manifest"),
        "or correct the number",
        cell("n_images", "2", name="manifest"),
    ),
    "other files": Remedy(change_file, "Restore them", put_back),
    "right files": Remedy(change_file, "write their checksum here", write_the_checksum_told),
}
ABOUT = {
    "as text": Remedy(
        about("cut_off_date = '2020-01-05'"),
        "Write the day without quotes",
        about("cut_off_date = 2020-01-05"),
    ),
    "to come": Remedy(
        about("cut_off_date = 2105-01-05"),
        "Write the last day on which",
        about("cut_off_date = 2020-01-05"),
    ),
    "one folder": Remedy(
        about("linked_folders = '..'"), "Write a list of folders", about("linked_folders = ['..']")
    ),
    "no such disk": Remedy(
        about("linked_folders = ['../disk']"),
        "Connect the disk",
        lambda folder: (folder.parent / "disk").mkdir(exist_ok=True),
    ),
    "in quotes": Remedy(
        about("accept_default_rectangles = 'true'"),
        "Write true or false",
        about("accept_default_rectangles = true"),
    ),
    "name": Remedy(
        about("cutoff_date = 2020-01-05"),
        "Is 'cut_off_date' meant",
        about("cut_off_date = 2020-01-05"),
    ),
    "unknown": Remedy(about("hospital = 'A'"), "There are cut_off_date and", about("")),
    "no TOML": Remedy(
        about("cut_off_date = 5. Januar"),
        "Compare it with the lines that",
        both(lambda f: (f / "study.toml").unlink(), lambda f: main(["init", str(f)])),
    ),
}
IDENTITY = {
    "a name's column": Remedy(
        edit("registry", lambda t: t.assign(patient_name="x")),
        "Remove it from the table",
        edit("registry", lambda t: t.drop(columns="patient_name")),
    ),
    "a telephone number": Remedy(note, "Take it out.", partial(note, text="Tel.")),
    "in a notebook": Remedy(notebook, "Clear it and save again", clear_notebook),
}
TABLES = FILES | CELLS | IMAGES | ABOUT | IDENTITY


def checked(folder, name):
    return Study(folder).check(checksums=name in IMAGES)


@pytest.mark.parametrize("name", TABLES)
def test_what_the_check_tells_is_done(sound, tmp_path, name):
    remedy = TABLES[name]
    shutil.copytree(sound, tmp_path / "sound")
    folder = shutil.copytree(sound, tmp_path / "study")
    remedy.plant(folder)
    before = checked(folder, name)
    told = before[before["what_to_do"].str.contains(remedy.told, regex=False)]
    assert len(told), before.to_string()
    remedy.follow(folder)
    after = checked(folder, name)
    assert not (after["level"] == "error").any(), after.to_string()
    if remedy.follow is not NOTHING:
        assert not after["what_to_do"].str.contains(remedy.told, regex=False).any()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three patients are too few to be divided evenly
        table = cohort.build_cohort(Study(folder))
    assert table["included"].sum() >= 3 and len(Study(folder).manifest) >= 11


# --- nothing is left out --------------------------------------------------------------------------

ELSEWHERE = {  # words of a remedy -> why it is not followed above
    "Look whether they are of this patient": "test_slices: images are opened",
    "Look at the series. If these images": "test_remedies_of_images: images are opened",
    "look at both, and export again": "test_remedies_of_images",
    "de-identify the images again": "test_deidentify: what it wrote has no finding",
    "Install the whole suite": "changes the installation; test_identifying tells when it is said",
    "no such folder. Let NPC_STUDY": "test_remedies_of_images",
    "Name an empty folder, or check": "test_study: both are commands",
    "Add a row for it": "test_remedies_of_images",
    "Fill them in. Regions": "test_remedies_of_images",
    "Add one row per visit": "test_remedies_of_images",
    "Add the series (docs": "test_remedies_of_images",
    "Run `make study`": "draws the demonstration study",
    "Correct the column path": "test_remedies_of_images",
    "no .dcm file here": "test_remedies_of_images",
    "Make sure that the path is right": "test_bad_input and test_deidentify: the disk was full",
    "Remove the '#'": "test_study_dates: each line of the file is used so",
}


def test_no_remedy_of_a_check_is_left_untried():
    names = (
        "about",
        "artefacts",
        "checks",
        "image_dates",
        "registered",
        "slices",
        "study",
        "tables",
    )
    files = [f"npc_helpers/study/{name}.py" for name in names]
    texts = told_in(*files, "tools/npc_intake/identity/check.py")
    assert len(texts) > 40
    assert not not_followed(texts, TABLES, ELSEWHERE)
