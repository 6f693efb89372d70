"""Dates as spreadsheets write them, days that cannot be, and what a study says about itself."""

import pandas as pd
import pytest
from small_study import change, load, make_study, save

from npc_helpers import cohort
from npc_helpers.study import Study, StudyError
from npc_helpers.study.__main__ import main
from npc_helpers.study.dates import to_iso
from npc_helpers.study.problems import Problem, as_table, page

CERTAIN = {
    "2015-03-02": "2015-03-02",
    "2015/3/2": "2015-03-02",
    "2015/03/02": "2015-03-02",
    "2015-3-2": "2015-03-02",
    "2015.3.2": "2015-03-02",
    "2015-03-02 00:00:00": "2015-03-02",
    "2015-03-02T00:00:00.000": "2015-03-02",
    "2015/3/2 0:00": "2015-03-02",
    "20150302": "2015-03-02",
    "2015年3月2日": "2015-03-02",
    "2.3.2015": "2015-03-02",
    "02.03.2015 00:00": "2015-03-02",
    "2-Mar-2015": "2015-03-02",
    "2-Mar-15": "2015-03-02",
    "02 March 2015": "2015-03-02",
    "4/4/2015": "2015-04-04",
}
LEFT_AS_IT_IS = [
    *("3/2/2015", "3-2-2015", "2015-02-30", "2015/13/1", "31.4.2015", "42065", "3/2/15", "2015"),
    *("2015-03", "02-Foo-2015", "yesterday", "2015/3-2", "0000-00-00"),
]


def read(*cells):
    iso, forms = to_iso(pd.DataFrame({"day": cells}, dtype=object))
    return list(iso["day"]), forms


@pytest.mark.parametrize(("cell", "day"), CERTAIN.items())
def test_a_certain_date_is_read(cell, day):
    assert read(cell)[0] == [day]


@pytest.mark.parametrize("cell", LEFT_AS_IT_IS)
def test_an_uncertain_or_impossible_date_stays(cell):
    assert read(cell) == ([cell], {})


def test_another_date_of_the_table_tells_which_number_is_the_day():
    assert read("3/2/2015", "23/2/2015")[0] == ["2015-02-03", "2015-02-23"]
    days, forms = read("3/2/2015", "2/23/2015", "")
    assert days == ["2015-03-02", "2015-02-23", ""]
    assert forms == {"2/3/2015 (the month stands first)": 2}


def test_two_dates_that_contradict_each_other_decide_nothing():
    cells = ["3/2/2015", "23/2/2015", "2/23/2015"]
    assert read(*cells)[0] == cells


def test_a_study_with_dates_as_a_spreadsheet_writes_them(tmp_path):
    plain, excel = make_study(tmp_path / "plain"), make_study(tmp_path / "excel")
    for name, form in (("registry", "%Y/%m/%d"), ("visits", "%d/%m/%Y 0:00")):
        table = load(excel, name)
        for column in table.filter(regex="date|treatment_"):
            days = pd.to_datetime(table[column])
            table[column] = days.dt.strftime(form).fillna("")
        save(excel, name, table)
    pd.testing.assert_frame_equal(Study(excel).registry, Study(plain).registry)
    pd.testing.assert_frame_equal(Study(excel).visits, Study(plain).visits)
    problems = Study(excel).check()
    assert problems["level"].tolist() == ["note", "note"]
    assert "2/3/2015 (the day stands first)" in problems["problem"].iloc[1]


def test_a_number_of_a_spreadsheet_is_refused_with_a_remedy(tmp_path):
    folder = make_study(tmp_path / "s")
    change("registry", 0, "treatment_end", "42065")(folder)
    with pytest.raises(StudyError, match="H-01, column treatment_end: is '42065'.*date format"):
        _ = Study(folder).registry


# --- days that cannot be --------------------------------------------------------------------------

LATE = {"progression_date": "2105-01-01", "death_date": "2105-01-01", "mri_post_date": "2199-01-01"}


@pytest.mark.parametrize(("column", "day"), LATE.items())
def test_a_day_that_has_not_come_is_an_error(tmp_path, column, day):
    folder = make_study(tmp_path / "s")
    change("registry", 0, column, day)(folder)
    if column == "progression_date":
        change("registry", 0, "progression_type", "local")(folder)
    problems = Study(folder).check(checksums=False)
    assert (problems[problems["column"] == column]["level"] == "error").all()
    assert problems["problem"].str.contains(f"{day} is after today").any()
    with pytest.raises(StudyError, match=f"H-01.*{day}"):
        cohort.build_cohort(Study(folder))


def test_the_cut_off_date_of_the_study_counts(tmp_path):
    folder = make_study(tmp_path / "s")
    last = load(folder, "registry")["last_review_date"].max()
    (folder / "study.toml").write_text(f"cut_off_date = {last}\n", encoding="utf-8")
    assert Study(folder).check().empty
    day_before = pd.Timestamp(last) - pd.Timedelta(days=1)
    (folder / "study.toml").write_text(f"cut_off_date = {day_before:%Y-%m-%d}\n", encoding="utf-8")
    problems = Study(folder).check()
    late = (load(folder, "registry")["last_review_date"] == last).sum()
    late += (load(folder, "visits")["visit_date"] == last).sum()
    assert (
        len(problems) == late and problems["problem"].str.contains("the study's cut-off date").all()
    )


@pytest.mark.parametrize("table", ["registry", "visits"])
def test_a_day_before_there_were_scanners_is_an_error(tmp_path, table):
    folder = make_study(tmp_path / "s")
    column = {"registry": "mri_pre_date", "visits": "visit_date"}[table]
    change(table, 0, column, "1915-01-11")(folder)
    problems = Study(folder).check(checksums=False)
    assert problems["problem"].tolist() == ["1915-01-11 is before the first MR scanners"]
    assert problems["level"].tolist() == ["error"] and problems["column"].tolist() == [column]


# --- what a study says about itself ---------------------------------------------------------------

BROKEN = {
    "cut_off_date = '2020-01-05'": ("cut_off_date", "without quotes"),
    "cut_off_date = 2020-01-05T10:00:00": ("cut_off_date", "without quotes"),
    "cut_off_date = 2105-01-05": ("cut_off_date", "the last day on which follow-up"),
    "cutoff_date = 2020-01-05": ("cutoff_date", "Is 'cut_off_date' meant"),
    "linked_folders = '/mnt'": ("linked_folders", "a list of folders"),
    "linked_folders = ['/nowhere/at/all']": ("linked_folders", "Connect the disk"),
    "cut_off_date = 5. Januar": ("", "Compare it"),
}


@pytest.mark.parametrize(("text", "said"), BROKEN.items(), ids=BROKEN)
def test_a_mistake_in_it_is_an_error(tmp_path, text, said):
    folder = make_study(tmp_path / "s")
    (folder / "study.toml").write_text(text, encoding="utf-8")
    problems = Study(folder).check(checksums=False)
    assert problems[["where", "column", "level"]].to_numpy().tolist() == [
        ["study.toml", said[0], "error"]
    ]
    assert said[1] in problems["what_to_do"].iloc[0]


def test_images_on_another_disk_behind_a_declared_link(tmp_path):
    folder, disk = make_study(tmp_path / "s"), tmp_path / "disk"
    (folder / "data" / "images").rename(disk)
    (folder / "data" / "images").symlink_to(disk, target_is_directory=True)
    problems = Study(folder).check()
    assert len(problems) == 24 and problems["problem"].str.contains("leaves the study folder").all()
    (folder / "study.toml").write_text(f"linked_folders = ['{disk}']\n", encoding="utf-8")
    assert Study(folder).check().empty and len(Study(folder).manifest) == 24
    (folder / "study.toml").write_text("linked_folders = ['../disk']\n", encoding="utf-8")
    assert Study(folder).check().empty
    (tmp_path / "other").mkdir()
    (folder / "study.toml").write_text("linked_folders = ['../other']\n", encoding="utf-8")
    assert len(Study(folder).check()) == 24


# --- the page of problems -------------------------------------------------------------------------


def test_problems_of_one_kind_are_one_entry_with_three_examples():
    problems = [
        Problem("data/registry.csv row 7", "H-07", "sex", "is '1'", "Allowed: M, F."),
        Problem("data/visits.csv", "", "", "20 dates are written like 2015/3/2", "Read.", "note"),
        *(
            Problem(f"data/registry.csv row {n}", f"H-{n}", "t_stage", f"is 'T{n}'", "Allowed: T1.")
            for n in range(10, 15)
        ),
        *(
            Problem(f"data/images/{n}/pre", str(n), "", f"{n} of 9 files: too long", "Take it out.")
            for n in (1, 2)
        ),
    ]
    assert page(as_table(problems)).splitlines() == [
        "ERROR    data/registry.csv row 7, patient H-07, column sex: is '1'. Allowed: M, F.",
        "ERROR    data/registry.csv, column t_stage, 5 times:",
        "          data/registry.csv row 10, patient H-10: is 'T10'",
        "          data/registry.csv row 11, patient H-11: is 'T11'",
        "          data/registry.csv row 12, patient H-12: is 'T12'",
        "          … and 2 more",
        "          Allowed: T1.",
        "ERROR    images, 2 times:",
        "          data/images/1/pre, patient 1: 1 of 9 files: too long",
        "          data/images/2/pre, patient 2: 2 of 9 files: too long",
        "          Take it out.",
        "NOTE     data/visits.csv: 20 dates are written like 2015/3/2. Read.",
    ]


def test_the_whole_list_is_a_table(tmp_path, capsys):
    folder = make_study(tmp_path / "s")
    save(folder, "registry", load(folder, "registry").assign(surgery="maybe"))
    assert main(["check", str(folder), "--csv", str(tmp_path / "all.csv")]) == 1
    table = pd.read_csv(tmp_path / "all.csv")
    assert len(table) == 6 and table["patient_id"].tolist() == [f"H-0{n}" for n in range(1, 7)]
    assert "… and 3 more" in capsys.readouterr().out


def test_check_tells_what_will_be_left_out_later(tmp_path, capsys):
    folder = make_study(tmp_path / "s")
    assert main(["check", str(folder), "--fast"]) == 0
    printed = capsys.readouterr().out
    assert "needs 5 test patients with progression by 36 months; 0 have it" in printed
    assert "a training and a test cohort will be left out" not in printed
    save(folder, "registry", load(folder, "registry").assign(last_review_date=""))
    main(["check", str(folder), "--fast"])
    assert "follow-up and risk groups will be left out: needs 1" in capsys.readouterr().out


def test_a_warning_is_no_failure(tmp_path):
    folder = make_study(tmp_path / "s")
    change("registry", 0, "mri_pre_date", "2015-02-20")(folder)
    assert Study(folder).check()["level"].tolist() == ["warning"]
    assert main(["check", str(folder)]) == 0
    screening = cohort.screen(Study(folder).registry, Study(folder).visits)
    assert screening["excluded_by"].tolist() == ["mri_before_and_after", *[""] * 5]
