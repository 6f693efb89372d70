"""Claims hold or change; exercises know the truth of any study and say what is wrong."""

import re

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from small_study import change, make_study

from npc_course.exercises import ClaimError, check, check_spoiled_copy, checking, claim
from npc_course.exercises.checking import EXERCISES
from npc_course.exercises.claims import STRICT, TRAINED
from npc_course.notebooks import sources
from npc_helpers import cohort
from npc_helpers.statistics import Estimate
from npc_helpers.study import NotInThisStudy, Study, StudyError, shipped_reference

SENTENCE = "The curve ends above a half."


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Six patients of somebody's hospital: the fourth relapsed, and one was restaged."""
    folder = make_study(tmp_path / "study")
    change("registry", 3, "progression_date", "2016-01-05")(folder)
    change("registry", 3, "progression_type", "local")(folder)
    change("registry", 2, "n_stage", "N3")(folder)
    monkeypatch.setenv("NPC_STUDY", str(folder))
    return Study(folder)


@pytest.fixture
def patients(study):
    with pytest.warns(UserWarning):
        return cohort.included_patients(cohort.build_cohort(study))


# --- claims -------------------------------------------------------------------------------------


def test_what_is_true_is_said_anywhere(study, capsys):
    claim(np.True_, SENTENCE)
    assert capsys.readouterr().out == SENTENCE + "\n"


def test_a_false_claim_on_another_study_changes_the_sentence(study, capsys):
    claim(False, SENTENCE)
    claim(np.False_, SENTENCE, "The curve ends at 0.4.")
    first, second = capsys.readouterr().out.splitlines()
    assert first != SENTENCE and SENTENCE in first and second == "The curve ends at 0.4."


def test_a_false_claim_on_the_demonstration_study_is_an_error(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("NPC_STUDY", raising=False)
    monkeypatch.delenv("NPC_SETTING", raising=False)
    monkeypatch.setattr(Study, "result_path", lambda study, name: tmp_path / name)  # none yet
    with pytest.raises(ClaimError, match="above a half"):
        claim(False, SENTENCE, "Something else.")
    monkeypatch.setenv("NPC_SANDBOX", str(tmp_path))  # a learner changes things there
    claim(False, SENTENCE, "Something else.")
    assert capsys.readouterr().out == "Something else.\n"


def test_where_other_models_were_trained_the_sentence_changes(monkeypatch, tmp_path, capsys):
    """Another processor trains to other probabilities; who makes the notebooks must see it."""
    monkeypatch.delenv("NPC_STUDY", raising=False)
    monkeypatch.delenv("NPC_SETTING", raising=False)
    monkeypatch.setattr(Study, "result_path", lambda study, name: tmp_path / name)
    for name in TRAINED:
        shipped_reference(name).to_csv(tmp_path / name, index=False)
    with pytest.raises(ClaimError):
        claim(False, SENTENCE)
    trained = shipped_reference(TRAINED[1])
    for shift, same in ((0.004, True), (0.04, False)):
        trained.assign(p_high_risk=trained.p_high_risk + shift).to_csv(
            tmp_path / TRAINED[1], index=False
        )
        if same:
            with pytest.raises(ClaimError):
                claim(False, SENTENCE)
        else:
            claim(False, SENTENCE, "Something else.")
    assert capsys.readouterr().out == "Something else.\n"
    monkeypatch.setenv(STRICT, "yes")
    with pytest.raises(ClaimError):
        claim(False, SENTENCE)


def test_a_claim_about_many_values_at_once_is_refused(study):
    with pytest.raises(ValueError, match="ambiguous"):
        claim(pd.Series([True, False]), SENTENCE)


# --- what every exercise does -------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(EXERCISES))
@pytest.mark.parametrize("no_answer", [..., None, ""])
def test_no_answer_gets_the_hint_and_nothing_else(name, no_answer, answers):
    assert answers(name, no_answer) == f"**{name}** is still open. *Hint:* {EXERCISES[name].hint}\n"


@pytest.mark.parametrize(
    ("name", "value"), [("01.2", "many"), ("01.3", [1, 2]), ("02.3", {}), ("02.1", 3), ("01.1", 7)]
)
def test_an_answer_of_another_form_says_which_form_is_meant(name, value, answers, patients):
    given = {"patients": patients} if name in ("01.2", "01.3") else {}
    given |= {"rois": box(0, 0, 1, 1).to_frame().T} if name == "02.3" else {}
    said = answers(name, value, **given)
    assert f"The answer should be {EXERCISES[name].form}" in said and EXERCISES[name].hint in said


@pytest.mark.parametrize("name", ["00.1", "00.2", "00.3", "01.1", "02.1", "03.1", "07.3", "13.4"])
@pytest.mark.parametrize(
    "odd",
    [
        pd.Series(["H-01", "H-02"]),
        pd.DataFrame({"a": [1.0]}),
        np.zeros((2, 2)),
        [[1], [2, 3]],
        {"a": 1},
        {1, 2},
        print,
        10**400,
        float("nan"),
        1 + 2j,
        pd.NA,
        b"H-01",
    ],
    ids=lambda odd: type(odd).__name__,
)
def test_an_answer_of_any_type_gets_a_sentence_and_no_traceback(name, odd, study, answers):
    said = answers(name, odd)
    assert said.startswith(f"**{name}**: not yet.") and EXERCISES[name].hint in said


def test_an_unknown_exercise_names_those_there_are(study):
    with pytest.raises(StudyError, match=r"no exercise '99\.1'; there are 00\.1, "):
        check("99.1", 3)


# --- 00: tables ---------------------------------------------------------------------------------


def test_most_visits(study, answers):
    assert ": right. `H-03` has 11 rows" in answers("00.1", "H-03")
    assert "`H-01` has 9 visits, and another patient has more" in answers("00.1", "H-01")
    assert "No visit belongs to a patient `H-99`" in answers("00.1", "H-99")


def test_bright_fluid(study, answers):
    assert "right" in answers("00.3", " T2W ") and "not yet" in answers("00.3", "t1c")


def test_spoiled_copy_has_one_error_and_the_study_none(study, answers):
    problems = check_spoiled_copy(study)
    errors = problems[problems.level == "error"]
    assert set(errors.patient_id) == {"H-04"}
    assert "right" in answers("00.2", "H-04")
    assert "The dates of `H-01` are in order" in answers("00.2", "H-01")
    assert not (study.check(checksums=False).level == "error").any()


# --- 01: patients -------------------------------------------------------------------------------


def test_stricter_review_counts_in_the_study_at_hand(study, answers):
    """A late review of a patient who never progressed: she leaves, and the share rises to 1/5."""
    visits = study.visits
    late = visits.index[visits.patient_id == "H-01"][2]
    change("visits", late, "visit_date", "2016-01-15")(study.folder)  # 31 days late
    said = answers("01.1", "rises")
    assert "5 patients remain instead of 6, and 20% of them instead of 17%" in said
    assert "5 patients would remain instead of 6" in answers("01.1", "falls")
    (named,) = re.findall("write 14 for `(.+?)`", said)
    lesson = next(path for path in sources() if path.stem.startswith("01"))
    assert f"\n{named} = 45" in lesson.read_text(encoding="utf-8")


def test_stricter_review_that_nobody_fails_says_so(study, answers):
    assert "All 6 patients remain with either tolerance" in answers("01.1", "rises")
    assert "right. 6 patients remain instead of 6" in answers("01.1", "stays")


def test_stricter_review_without_outcomes_is_left_out(study, answers):
    for column in ("progression_date", "progression_type", "death_date", "last_review_date"):
        for row in range(6):
            change("registry", row, column, "")(study.folder)
    with pytest.raises(NotInThisStudy):
        answers("01.1", "rises")


def test_regrouped(answers, patients):
    assert "right. 1 of 6 patients" in answers("01.2", 1, patients=patients)
    assert "the same in both editions" in answers("01.2", 5, patients=patients)
    assert "Of 6 patients, it is not 2" in answers("01.2", "2", patients=patients)


def test_free_at_horizon_is_what_another_library_computes(answers, patients):
    months, progressed = [10, 20, 30, 40, 50, 60], [1, 0, 1, 0, 1, 0]
    patients = patients.assign(pfs_months=months, progressed=np.array(progressed, dtype=bool))
    free = KaplanMeierFitter().fit(months, progressed).predict(36)
    assert free == pytest.approx(0.625)
    said = answers("01.3", 0.63, patients=patients)
    assert "right. 0.62 of the patients" in said and "0.50 were *observed*" in said
    assert "right" in answers("01.3", "62%", patients=patients)
    assert "too low" in answers("01.3", 0.5, patients=patients)
    assert "between 0 and 1" in answers("01.3", 62, patients=patients)


def test_progressed_by_horizon(answers, patients):
    patients = patients.assign(
        pfs_months=[10, 20, 30, 40, 50, 60], progressed=[True, False, True, False, True, False]
    )
    early = patients.pfs_months <= 36
    said = answers("01.4", early & patients.progressed, patients=patients)
    assert "right. 2 progressed by 36 months. Of 1 others" in said
    assert "1 patients are called progressed" in answers("01.4", early, patients=patients)
    nobody = np.zeros(6, dtype=bool)
    assert "2 patients progressed by then" in answers("01.4", nobody, patients=patients)
    said = answers("01.4", [True], patients=patients)
    assert "Your answer has 1 values, and there are 6 patients." in said
    assert "should be one `True` or" in answers("01.4", 2, patients=patients)


# --- 02: rectangles -----------------------------------------------------------------------------


def box(x0, y0, x1, y1):
    return pd.Series({"x0": x0, "y0": y0, "x1": x1, "y1": y1})


def test_from_feet_to_head(study, answers):
    assert "right" in answers("02.1", [-12.0, 0.0, 12.0])
    assert "goes back 1 times" in answers("02.1", np.array([-12.0, 12.0, 0.0]))
    assert "from head to feet" in answers("02.1", [2, 1, 0])


def test_black_share(study, answers):
    rois = pd.DataFrame([box(0, 0, 400, 200), box(100, 100, 500, 300)])
    said = answers("02.3", 1 - 80_000 / 262_144, rois=rois)
    assert "right. 69% of what" in said and "as wide in every image" in said
    two = pd.DataFrame([box(0, 0, 512, 512), box(0, 0, 256, 512)])
    assert "25% of what" in answers("02.3", 0.25, rois=two)
    assert "not as wide in every image" in answers("02.3", 0.25, rois=two)
    assert "the rectangle covers" in answers("02.3", 0.305, rois=rois)
    assert "not 0.5" in answers("02.3", 0.5, rois=rois)


def test_union_of_two(study, answers):
    boxes = {"first": box(0, 0, 10, 10), "second": box(5, 0, 15, 10)}
    assert "right. The overlap of these two is 0.33" in answers("02.2", 150, **boxes)
    assert "counted twice" in answers("02.2", 200, **boxes)
    assert "too few" in answers("02.2", 149, **boxes)


# --- the sandbox --------------------------------------------------------------------------------


def test_a_sandbox_is_never_read_as_a_result(study, monkeypatch, tmp_path):
    with pytest.warns(UserWarning):
        right = cohort.build_cohort(study)
        shorter = cohort.build_cohort(study, criteria=cohort.CRITERIA[:1])
    study.write_table("cohort.csv", right)
    before = study.result_path("cohort.csv").read_bytes()
    monkeypatch.setenv("NPC_SANDBOX", str(tmp_path / "learner"))
    learner = Study(study.folder)
    assert learner.artefact_state("cohort.csv") == "missing"
    path = learner.write_table("cohort.csv", shorter)
    assert path == tmp_path / "learner" / "results" / "cohort.csv"
    assert learner.by_hand_path("rois_a.csv").is_relative_to(tmp_path / "learner")
    assert learner.result_path("stacks") == study.folder / "results" / "stacks"
    with path.open("a") as file:
        file.write("\n")
    with pytest.raises(StudyError, match=r"results/cohort\.csv was changed"):
        learner.read_table("cohort.csv")
    monkeypatch.delenv("NPC_SANDBOX")
    assert Study(study.folder).result_path("cohort.csv").read_bytes() == before


# --- how a number is written ---------------------------------------------------------------------


@pytest.mark.parametrize("written", ["0,69", "69,3%", "0.69", 0.69, Estimate(0.6931, 0.6, 0.8)])
def test_a_number_may_be_written_in_several_ways(written, study, answers):
    assert "**03.1**: right." in answers("03.1", written)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((0, 69), "Python reads `0,69` as two numbers: write `0.69`, with a point."),
        (69.3, "in percent"),
        (0.7, "rounded too far"),
        (-0.6931, "a loss is never negative"),
        (0.8, "It is not 0.8."),
    ],
)
def test_a_right_number_in_another_dress_is_told_what_is_wrong_with_it(
    answer, hint, study, answers
):
    said = answers("03.1", answer)
    assert "not yet" in said and hint in said


@pytest.mark.parametrize(
    ("given", "right"),
    [(0.36, True), (0.364, True), (0.37, False), (0.4, False), (0.3639, True), (36.4, False)],
)
def test_two_decimals_are_enough(given, right):
    if right:
        checking.compare(given, 0.36391, {}, within=1e-9)
        return
    with pytest.raises(checking.Wrong):
        checking.compare(given, 0.36391, {}, within=1e-9)


def test_a_usual_mistake_is_named_although_it_looks_like_rounding():
    with pytest.raises(checking.Wrong, match="specificity"):
        checking.compare(0.9, 0.8947, {"This is the specificity.": 0.9}, within=1e-3)


def test_one_digit_of_a_small_number_is_not_enough():
    with pytest.raises(checking.Wrong, match="rounded too far"):
        checking.compare(0.04, 0.0449, {}, within=1e-6)
