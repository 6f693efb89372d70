"""In each lesson every figure and table is followed by a claim, and exercises answer."""

import ast
import re
import warnings

import jupytext
import nbformat
import numpy as np
import pandas as pd
import pytest
from small_study import make_study

from npc_course.cells import (
    EXERCISE,
    SOLUTION,
    TIMELESS,
    TagError,
    solution_version,
    stub,
    student_version,
    tags,
    unclaimed,
)
from npc_course.exercises.checking import EXERCISES
from npc_course.lesson import assigns, reads
from npc_course.notebooks import sources
from npc_helpers.study import NotInThisStudy, Study

CARDS = 8  # of the lesson of traps: one exercise each
KNOWN = {"claim", TIMELESS, EXERCISE, SOLUTION, "notes", "nbval-check-output"}


@pytest.fixture(params=sources(), ids=lambda path: path.stem)
def lesson(request):
    return jupytext.read(request.param)


def checked(cell):
    return re.findall(r'check\("(\d\d\.\d+)"', cell.source)


def test_each_figure_and_table_is_followed_by_a_claim_or_is_timeless(lesson):
    assert unclaimed(lesson) == []


def test_tags_are_those_that_mean_something():
    for path in sources():
        for cell in jupytext.read(path).cells:
            assert tags(cell) <= KNOWN, cell.source


def test_exercises_are_two_to_four_or_one_a_card_asked_solved_and_known(lesson, request):
    number = request.node.callspec.id[:2]
    asked = re.findall(
        r"\*\*Exercise (\d\d\.\d+) – (?:predict|fill in|read|repair)[^(]*\((\d+) minutes\)",
        "\n".join(cell.source for cell in lesson.cells if EXERCISE in tags(cell)),
    )
    solved = [name for cell in lesson.cells if SOLUTION in tags(cell) for name in checked(cell)]
    names = [name for name, _ in asked]
    assert names == solved == [name for name in sorted(EXERCISES) if name.startswith(number)]
    assert 2 <= len(names) <= (CARDS if number == "13" else 4)


def test_no_cell_needs_what_an_answer_assigns(lesson):
    """Answers are open in a learner's copy, and left out on a study of one's own."""
    open_names = set()
    for cell in (cell for cell in lesson.cells if cell.cell_type == "code"):
        for statement in ast.parse(cell.source).body:
            if SOLUTION in tags(cell):
                open_names |= assigns(statement)
            else:
                assert not reads(statement) & open_names, cell.source
                open_names -= assigns(statement)


def test_every_exercise_stands_in_one_lesson():
    cells = [cell for path in sources() for cell in jupytext.read(path).cells]
    assert sorted(name for c in cells if c.cell_type == "code" for name in checked(c)) == sorted(
        EXERCISES
    )


def test_a_missing_claim_is_noticed():
    def cell(source, *names):
        return nbformat.v4.new_code_cell(source, metadata={"tags": list(names)})

    shown, said = "show(figure)", cell("claim(True, 'so')", "claim")
    book = nbformat.v4.new_notebook(cells=[cell(shown), cell("table"), said, cell("x = 1")])
    assert unclaimed(book) == [shown]
    book.cells.insert(1, nbformat.v4.new_markdown_cell("Between them stands text."))
    book.cells.insert(2, said)
    assert unclaimed(book) == []
    book = nbformat.v4.new_notebook(cells=[cell("table", TIMELESS), cell("print(3)")])
    assert unclaimed(book) == []


# --- stubs --------------------------------------------------------------------------------------


def test_a_stub_is_made_of_its_solution():
    assert stub("a = 1\nb = f(a)  # fill in\ncheck('9.9', b)") == (
        "a = 1\nb = ...  # your answer\ncheck('9.9', b)"
    )
    assert stub("right = a & (b <= 3)  # repair: b <= 3") == "right = b <= 3  # repair this line"


def test_a_solution_without_a_line_for_the_learner_is_refused():
    with pytest.raises(TagError, match="no line ends in"):
        stub("check('9.9', 3)")


def test_a_students_version_gives_no_answer_away(lesson):
    """Nothing of what the learner is to write is left in it, and nothing that was run."""
    student, solved = student_version(lesson), solution_version(lesson)
    for before, after in zip(
        (cell for cell in lesson.cells if SOLUTION in tags(cell)),
        (cell for cell in student.cells if SOLUTION in tags(cell)),
        strict=True,
    ):
        for line in re.findall(r"= (.+?)  # (?:fill in|repair: .+)$", before.source, re.M):
            assert line not in after.source
        assert "# fill in" not in after.source and "# repair: " not in after.source
    assert all(not cell.get("outputs") for cell in student.cells)
    assert "jupytext" not in student.metadata
    for book in (student, solved):
        assert not any("notes" in tags(cell) for cell in book.cells)
    assert not any("# fill in" in cell.source for cell in solved.cells)


def said_by(number, words, **names):
    """What the claim of a lesson that holds these words says of other patients."""
    sources_of = [cell.source for cell in jupytext.read(*sources([number])).cells]
    (claimed,) = (source for source in sources_of if words in source)
    sentences = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(claimed, names | {"claim": lambda holds, *told: sentences.append(told[not holds])})
    return sentences[0]


@pytest.mark.parametrize(
    ("areas", "said"),
    [
        ([80000, 80000, 80000, 80000], "All boxes are of one size"),
        ([80000, 80500, 81000, 81500], "The means differ by 2.8 standard deviations"),
        ([80000, 90000], "too few patients or stages"),
    ],
)
def test_boxes_that_nobody_drew_are_said_to_tell_nothing(areas, said):
    area = pd.Series(areas, dtype=float)
    stages = ["III", "III", "IV", "IV"] if len(areas) == 4 else ["III", "IV"]
    by_stage = area.groupby(stages).describe()
    assert said in said_by("02", "distance =", np=np, area=area, by_stage=by_stage)


def test_scanners_whose_model_is_not_stated_are_told_apart_by_their_maker():
    rows = [("CANON", "not stated", 5), ("UIH", "not stated", 4), ("UIH", "uMR 790", 3)]
    scanners = pd.DataFrame(rows, columns=["maker", "model", "patients"])
    assert said_by("02", "per_model =", scanners=scanners).startswith("Models of scanners: 3.")
    scanners.loc[0, "patients"] = 500
    assert "500 of 507 patients lay in one model" in said_by("02", "per_model =", scanners=scanners)


def test_without_visits_nobody_is_counted_as_reviewed_or_not(tmp_path):
    study = Study(make_study(tmp_path / "study"))
    study.table_path("visits").unlink()
    with pytest.raises(NotInThisStudy, match="judging regular review needs follow-up visits"):
        said_by("01", "patients reviewed regularly", study=study)
