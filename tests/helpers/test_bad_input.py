"""Bad input, one case each: the message names file, patient and column and says what to do."""

import pandas as pd
import pytest
from small_study import change, load, make_study, save

from npc_helpers import cohort
from npc_helpers.study import Study, StudyError
from npc_helpers.study.__main__ import main

REGISTRY, VISITS, MANIFEST = "data/registry.csv", "data/visits.csv", "data_manifest.csv"
START = pd.Timestamp("2015-01-21")  # of treatment, in `small_study`


def rename(name, old, new):
    return lambda folder: save(folder, name, load(folder, name).rename(columns={old: new}))


def drop(name, column):
    return lambda folder: save(folder, name, load(folder, name).drop(columns=column))


def repeat_row(name, row):
    def spoil(folder):
        table = load(folder, name)
        save(folder, name, pd.concat([table, table.loc[[row]]]))

    return spoil


def drop_rows(name, **values):
    def spoil(folder):
        table = load(folder, name)
        hit = pd.concat([table[key] == value for key, value in values.items()], axis=1).all(axis=1)
        save(folder, name, table[~hit])

    return spoil


def several(*changes):
    return lambda folder: [change(folder) for change in changes]


def link_out(folder):
    series = folder / "data/images/H-01/pre/t2w"
    outside = folder.parent / "outside"
    series.rename(outside)
    series.symlink_to(outside, target_is_directory=True)


def delete_series(folder):
    for file in (folder / "data/images/H-01/pre/t2w").iterdir():
        file.unlink()


def add_file(folder):
    (folder / "data/images/H-01/pre/t2w/3.dcm").write_bytes(b"one more")


def flip_byte(folder):
    (folder / "data/images/H-01/pre/t2w/2.dcm").write_bytes(b"another picture")


def share_series(folder):
    table = load(folder, "manifest")
    table.loc[4, "sha256"] = table.loc[0, "sha256"]
    save(folder, "manifest", table)


def write(path, data):
    return lambda folder: (folder / path).write_bytes(data)


def semicolons(folder):
    path = folder / REGISTRY
    path.write_text(path.read_text().replace(",", ";"))


def twice_the_column(folder):
    path = folder / REGISTRY
    path.write_text(path.read_text().replace("age_years", "sex", 1))


# id: (what is done to the study, file, patient, column, words of the message, words of the advice)
TABLES = {
    "no registry": (
        lambda folder: (folder / REGISTRY).unlink(),
        *(REGISTRY, "", "", "file is missing", "init"),
    ),
    "no manifest": (
        lambda folder: (folder / MANIFEST).unlink(),
        *(MANIFEST, "", "", "file is missing", "init"),
    ),
    "empty file": (write(REGISTRY, b""), REGISTRY, "", "", "not a CSV table", "CSV"),
    "not UTF-8": (write(REGISTRY, b"patient_id\n\xff\xfe\n"), REGISTRY, "", "", "UTF-8", "save it"),
    "semicolons": (semicolons, REGISTRY, "", "", "not separated by commas", "comma delimited"),
    "column twice": (twice_the_column, REGISTRY, "", "", "sex is there twice", "rename"),
    "missing column": (drop("registry", "surgery"), REGISTRY, "", "surgery", "missing", "Add"),
    "misspelt column": (
        rename("registry", "t_stage", "t_satge"),
        *(REGISTRY, "", "t_stage", "found 't_satge'", "Rename"),
    ),
    "misspelt optional column": (
        rename("registry", "progression_date", "Progresion_Date"),
        *(REGISTRY, "", "progression_date", "found 'Progresion_Date'", "Rename"),
    ),
    "misspelt manifest column": (
        rename("manifest", "sha256", "sha_256"),
        *(MANIFEST, "", "sha256", "found 'sha_256'", "Rename"),
    ),
    "duplicate patient": (
        repeat_row("registry", 2),
        *(REGISTRY, "H-03", "patient_id", "was there before", "Keep one"),
    ),
    "blank patient": (
        change("registry", 0, "patient_id", " "),
        *(REGISTRY, "", "patient_id", "blank", "Fill it in"),
    ),
    "yes/no with another value": (
        change("registry", 1, "surgery", "Y"),
        *(REGISTRY, "H-02", "surgery", "'Y'", "yes, no"),
    ),
    "yes/no blank": (
        change("registry", 1, "surgery", "n/a"),
        *(REGISTRY, "H-02", "surgery", "blank", "yes or no"),
    ),
    "unknown sex": (change("registry", 1, "sex", "w"), REGISTRY, "H-02", "sex", "'w'", "M, F"),
    "age in words": (
        change("registry", 1, "age_years", "fifty"),
        *(REGISTRY, "H-02", "age_years", "'fifty'", "0 to 120"),
    ),
    "age out of range": (
        change("registry", 1, "age_years", "1974"),
        *(REGISTRY, "H-02", "age_years", "'1974'", "0 to 120"),
    ),
    "half a year": (
        change("registry", 1, "age_years", "50.5"),
        *(REGISTRY, "H-02", "age_years", "'50.5'", "whole"),
    ),
    "negative EBV DNA": (
        change("registry", 1, "ebv_dna_copies_per_ml", "-4"),
        *(REGISTRY, "H-02", "ebv_dna_copies_per_ml", "'-4'", "0 or more"),
    ),
    "date in another order": (
        change("registry", 1, "mri_pre_date", "03/12/2015"),
        *(REGISTRY, "H-02", "mri_pre_date", "'03/12/2015'", "YYYY-MM-DD"),
    ),
    "30 February": (
        change("registry", 1, "mri_pre_date", "2015-02-30"),
        *(REGISTRY, "H-02", "mri_pre_date", "'2015-02-30'", "existing day"),
    ),
    "T that exists nowhere": (
        change("registry", 1, "t_stage", "T5"),
        *(REGISTRY, "H-02", "t_stage", "'T5'", "T0, T1, T2, T3, T4"),
    ),
    "T0 in the 7th edition": (
        several(change("registry", 1, "t_stage", "T0"), change("registry", 1, "tnm_edition", "7")),
        *(REGISTRY, "H-02", "t_stage", "does not exist in the 7th", "T1, T2, T3, T4"),
    ),
    "N3a in the 8th edition": (
        change("registry", 1, "n_stage", "N3a"),
        *(REGISTRY, "H-02", "n_stage", "does not exist in the 8th", "N0, N1, N2, N3."),
    ),
    "M that exists nowhere": (
        change("registry", 1, "m_stage", "M1a"),
        *(REGISTRY, "H-02", "m_stage", "'M1a'", "M0, M1"),
    ),
    "unknown edition": (
        change("registry", 1, "tnm_edition", "9"),
        *(REGISTRY, "H-02", "tnm_edition", "'9'", "7, 8"),
    ),
    "progression without site": (
        change("registry", 1, "progression_date", "2016-01-01"),
        *(REGISTRY, "H-02", "progression_type", "blank", "site"),
    ),
    "site without progression": (
        change("registry", 1, "progression_type", "local"),
        *(REGISTRY, "H-02", "progression_date", "blank", "date"),
    ),
    "visit of a stranger": (
        change("visits", 0, "patient_id", "H-99"),
        *(VISITS, "H-99", "patient_id", "not in data/registry.csv", "Correct"),
    ),
    "unknown kind of visit": (
        change("visits", 0, "kind", "e-mail"),
        *(VISITS, "H-01", "kind", "'e-mail'", "review, telephone"),
    ),
    "visit after death": (
        several(
            change("registry", 0, "death_date", "2017-05-01"),
            change("registry", 0, "last_review_date", "2017-04-01"),
        ),
        *(VISITS, "H-01", "visit_date", "after the patient's death", "death_date"),
    ),
    "series of a stranger": (
        change("manifest", 0, "patient_id", "H-99"),
        *(MANIFEST, "H-99", "patient_id", "not in data/registry.csv", "Correct"),
    ),
    "unknown timepoint": (
        change("manifest", 0, "timepoint", "during"),
        *(MANIFEST, "H-01", "timepoint", "'during'", "pre, post"),
    ),
    "unknown sequence": (
        change("manifest", 0, "sequence", "t1"),
        *(MANIFEST, "H-01", "sequence", "'t1'", "t2w, t1c"),
    ),
    "series listed twice": (
        repeat_row("manifest", 0),
        *(MANIFEST, "H-01", "patient_id + timepoint + sequence", "before", "Keep one"),
    ),
    "absolute path": (
        change("manifest", 0, "path", "/etc"),
        *(MANIFEST, "H-01", "path", "leaves the study folder", "study folder down"),
    ),
    "path upwards": (
        change("manifest", 0, "path", "data/../../elsewhere"),
        *(MANIFEST, "H-01", "path", "leaves the study folder", "without '..'"),
    ),
    "path of Windows": (
        change("manifest", 0, "path", r"C:\images\H-01"),
        *(MANIFEST, "H-01", "path", "leaves the study folder", "study folder down"),
    ),
    "path with a colon": (
        change("manifest", 0, "path", "data/images/T2: axial"),
        *(MANIFEST, "H-01", "path", "'data/images/T2: axial' holds a colon", "another name"),
    ),
    "path with backslashes": (
        change("manifest", 0, "path", r"data\images\H-01"),
        *(MANIFEST, "H-01", "path", "backslash", "Write '/' between folders"),
    ),
    "link to elsewhere": (
        link_out,
        *(MANIFEST, "H-01", "path", "leaves the study folder", "study.toml: linked_folders"),
    ),
    "one series under two patients": (
        share_series,
        *(MANIFEST, "H-02", "sha256", "listed for patient H-01", "leak"),
    ),
}
ONE_SIDED = {
    "pre without post": (
        drop_rows("manifest", patient_id="H-02", timepoint="post", sequence="t1c"),
        *(MANIFEST, "H-02", "timepoint", "t1c has a pre series but no post series", "Add the post"),
    ),
    "post without pre": (
        drop_rows("manifest", patient_id="H-02", timepoint="pre", sequence="t1c"),
        *(MANIFEST, "H-02", "timepoint", "t1c has a post series but no pre series", "Add the pre"),
    ),
}
FILES = {
    "missing folder": (
        change("manifest", 0, "path", "data/images/H-01/pre/t2"),
        *(
            MANIFEST,
            "H-01",
            "path",
            "no .dcm file in 'data/images/H-01/pre/t2'",
            "correct the path",
        ),
    ),
    "empty folder": (
        delete_series,
        *(MANIFEST, "H-01", "path", "no .dcm file", "Put the series there"),
    ),
    "one file too many": (
        add_file,
        *(MANIFEST, "H-01", "n_images", "is 2, but", "correct the number"),
    ),
    "another checksum": (
        flip_byte,
        *(MANIFEST, "H-01", "sha256", "not those the manifest describes", "Restore"),
    ),
}
DATES = {
    # column: (date, what it contradicts); treatment runs from 2015-01-21 to 2015-03-22
    "treatment_start": ("2014-12-31", "diagnosis_date"),
    "treatment_end": ("2015-01-20", "treatment_start"),
    "mri_pre_date": ("2015-01-22", "treatment_start"),
    "mri_post_date": ("2015-03-21", "treatment_end"),
    "progression_date": ("2015-01-21", "treatment_start"),
    "death_date": ("2015-01-21", "treatment_start"),
    "last_review_date": ("2015-01-21", "treatment_start"),
}
AFTER_DEATH = {
    "last_review_date": "2017-01-02",
    "progression_date": "2017-01-02",
    "mri_post_date": "2017-01-02",
}


def assert_one_problem(folder, file, patient, column, problem, what_to_do):
    """The expected problem is in the table of all problems, which is not much longer."""
    problems = Study(folder).check()
    match = problems[
        problems["where"].str.startswith(file)
        & (problems["patient_id"] == patient)
        & (problems["column"] == column)
        & problems["problem"].str.contains(problem, regex=False)
        & problems["what_to_do"].str.contains(what_to_do, regex=False)
    ]
    assert len(match) == 1, problems.to_string()


def test_the_unspoilt_study_has_no_problem(tmp_path):
    study = Study(make_study(tmp_path / "study"))
    assert study.check().empty
    assert len(study.registry) == 6 and len(study.manifest) == 24 and study.has_outcomes


@pytest.mark.parametrize("case", TABLES.values(), ids=TABLES)
def test_a_bad_table_is_refused_when_it_is_used(tmp_path, case):
    spoil, file, *_ = case
    folder = make_study(tmp_path / "study")
    spoil(folder)
    assert_one_problem(folder, *case[1:])
    name = {REGISTRY: "registry", VISITS: "visits", MANIFEST: "manifest"}[file]
    with pytest.raises(StudyError) as error:
        getattr(Study(folder), name)
    for words in case[1:-1]:
        assert words in str(error.value)


@pytest.mark.parametrize("case", FILES.values(), ids=FILES)
def test_bad_files_are_found_by_check(tmp_path, case):
    folder = make_study(tmp_path / "study")
    case[0](folder)
    assert_one_problem(folder, *case[1:])


@pytest.mark.parametrize("case", ONE_SIDED.values(), ids=ONE_SIDED)
def test_a_series_without_its_partner_is_mentioned_and_the_study_opens(tmp_path, case):
    folder = make_study(tmp_path / "study")
    case[0](folder)
    assert_one_problem(folder, *case[1:])
    assert Study(folder).check(checksums=False)["level"].tolist() == ["warning"]
    assert len(Study(folder).manifest) == 23


def test_no_series_has_its_partner(tmp_path):
    folder = make_study(tmp_path / "study", patients=2)
    drop_rows("manifest", timepoint="post")(folder)
    problems = Study(folder).check(checksums=False)
    assert problems["patient_id"].tolist() == ["H-01", "H-01", "H-02", "H-02"]


def test_a_missing_folder_is_refused_when_the_series_is_used(tmp_path):
    folder = make_study(tmp_path / "study")
    change("manifest", 0, "path", "data/images/H-01/pre/t2")(folder)
    with pytest.raises(StudyError, match="patient H-01, column path: folder .* is missing"):
        Study(folder).series_folder("H-01", "pre", "t2w")
    with pytest.raises(StudyError, match="patient H-77 has no pre t2w series"):
        Study(folder).series_folder("H-77", "pre", "t2w")


@pytest.mark.parametrize("column", DATES)
def test_impossible_order_of_dates(tmp_path, column):
    folder = make_study(tmp_path / "study")
    date, earliest = DATES[column]
    change("registry", 1, column, date)(folder)
    problems = Study(folder).check(checksums=False)
    problems = problems[
        problems["problem"].str.contains(date) & problems["problem"].str.contains(earliest)
    ]
    assert set(problems["patient_id"]) == {"H-02"} and problems["where"].str.contains("row 3").all()
    assert problems["what_to_do"].str.contains("Correct").all()


@pytest.mark.parametrize("column", AFTER_DEATH)
def test_nothing_happens_after_death(tmp_path, column):
    folder = make_study(tmp_path / "study")
    for name, date in {"death_date": "2017-01-01", column: AFTER_DEATH[column]}.items():
        change("registry", 1, name, date)(folder)
    problems = Study(folder).check(checksums=False)
    assert ((problems["column"] == "death_date") & (problems["patient_id"] == "H-02")).any()


def test_a_call_that_learns_of_the_death_may_come_after_it(tmp_path):
    folder = make_study(tmp_path / "study")
    change("registry", 0, "death_date", "2018-01-01")(folder)
    call = {"patient_id": "H-01", "visit_date": "2018-06-01", "kind": "telephone"}
    call |= {"examinations": "", "finding": "death"}
    save(folder, "visits", pd.concat([load(folder, "visits"), pd.DataFrame([call])]))
    assert Study(folder).check(checksums=False).empty
    change("visits", len(load(folder, "visits")) - 1, "finding", "none")(folder)
    assert len(Study(folder).check(checksums=False)) == 1


def test_all_problems_come_at_once_and_nothing_is_lost(tmp_path, capsys):
    folder = make_study(tmp_path / "study")
    for spoil in (
        TABLES["misspelt column"],
        ONE_SIDED["pre without post"],
        FILES["another checksum"],
    ):
        spoil[0](folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(["check", str(folder)]) == 1
    printed = capsys.readouterr().out
    assert "t_satge" in printed and "no post series" in printed and "not those" in printed
    assert "2 errors, 1 warning, 0 notes" in printed
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_error_shows_a_few_problems_and_where_all_are(tmp_path):
    folder = make_study(tmp_path / "study", patients=9)
    table = load(folder, "registry").assign(surgery="maybe")
    save(folder, "registry", table)
    with pytest.raises(StudyError, match=r"9 problem\(s\)(?s:.*)and 4 more(?s:.*)study check"):
        _ = Study(folder).registry


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match="no such folder.*NPC_STUDY"):
        Study(tmp_path / "nowhere")


@pytest.mark.parametrize("absent", [True, False], ids=["columns absent", "columns blank"])
def test_a_study_without_outcomes_still_has_a_cohort(tmp_path, absent):
    folder = make_study(tmp_path / "study")
    columns = ["progression_date", "progression_type", "death_date", "last_review_date"]
    table = load(folder, "registry")
    save(
        folder,
        "registry",
        table.drop(columns=columns) if absent else table.assign(**dict.fromkeys(columns, "")),
    )
    study = Study(folder)
    assert not study.has_outcomes and study.check().empty
    table = cohort.build_cohort(study)
    assert table["included"].all() and table["high_risk"].isna().all()
    assert len(cohort.included_patients(table)) == 6
    assert study.series_folder("H-01", "pre", "t2w").is_dir()
    study.write_table("cohort.csv", table)
    again = study.read_table("cohort.csv")
    pd.testing.assert_frame_equal(again, table)
    with pytest.raises(StudyError, match="training needs outcomes.*last_review_date.*Fill them in"):
        study.require_outcomes("training")


def test_a_study_without_visits_says_what_cannot_be_judged(tmp_path, capsys):
    folder = make_study(tmp_path / "study")
    (folder / VISITS).unlink()
    assert main(["check", str(folder)]) == 0
    assert "regular review cannot be judged" in capsys.readouterr().out
    study = Study(folder)
    assert study.visits.empty and "visit_date" in study.visits
    with pytest.warns(UserWarning) as warned:
        screening = cohort.screen(study.registry, study.visits)
    assert screening["included"].all()
    said = [str(warning.message) for warning in warned]
    assert [words.split(" cannot be judged")[0] for words in said] == [
        "regular_review (inclusion 4)",
        "reviewed_at_all (exclusion 3)",
    ]


def test_nobody_eligible(tmp_path):
    folder = make_study(tmp_path / "study")
    save(folder, "registry", load(folder, "registry").assign(surgery="yes"))
    with pytest.raises(StudyError, match=r"no patient passes(?s:.*)no_surgery +6"):
        cohort.build_cohort(Study(folder))


def test_a_blank_last_review_is_taken_from_the_visits(tmp_path):
    folder = make_study(tmp_path / "study")
    last = Study(folder).registry.loc[3, "last_review_date"]
    change("registry", 3, "last_review_date", "")(folder)
    assert_one_problem(
        folder, REGISTRY, "H-04", "last_review_date", f"{last:%Y-%m-%d}, counts", "nothing has to"
    )
    study = Study(folder)
    assert study.registry.loc[3, "last_review_date"] == last
    patient = cohort.build_cohort(study).loc[3]
    assert patient["included"] and patient["pfs_months"] == round((last - START).days / 30.4375)


def test_who_has_no_end_of_follow_up_at_all_is_left_out_and_the_rest_goes_on(tmp_path):
    folder = make_study(tmp_path / "study")
    change("registry", 3, "last_review_date", "")(folder)
    (folder / VISITS).unlink()
    assert_one_problem(
        folder, REGISTRY, "H-04", "last_review_date", "not known how long", "Fill it in"
    )
    with pytest.warns(UserWarning, match="Everybody passes it whose follow-up has an end"):
        table = cohort.build_cohort(Study(folder)).set_index("patient_id")
    assert table["included"].sum() == 5 and table["excluded_by"]["H-04"] == "regular_review"


def test_a_full_disk_ends_a_command_with_words(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")  # as writing says it: without a name

    monkeypatch.setattr("os.fsync", full)
    assert main(["init", str(tmp_path / "study")]) == 1
    told = f"No space left on device: '{tmp_path / 'study/data/registry.csv'}'. Make sure that"
    assert told in capsys.readouterr().err
