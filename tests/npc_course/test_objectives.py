"""Every objective of a lesson is asked for: by an exercise, or by a question for the class."""

import re

import pytest

from npc_course.exercises.checking import EXERCISES
from npc_course.notebooks import FOLDER, sources

PAGE = (FOLDER.parent / "docs" / "teaching" / "objectives.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d\d[a-z]) \| (.*?) \| (.*?) \|$", PAGE, flags=re.M)
LEARN = re.compile(r"# ## What you'll learn\n#\n((?:# .*\n)+?)#\n")


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_objectives_are_those_of_the_lesson(source):
    listed = LEARN.search(source.read_text(encoding="utf-8"))[1]
    said = [" ".join(part.replace("\n#", " ").split()) for part in re.split(r"(?m)^# - ", listed)]
    rows = [words for number, words, _ in ROWS if number[:2] == source.stem[:2]]
    assert rows == said[1:]


@pytest.mark.parametrize(("number", "asked"), [(number, asked) for number, _, asked in ROWS])
def test_each_objective_is_asked_for(number, asked):
    for name in asked.split(", "):
        if name[0] == "Q":
            assert re.search(rf"^\*\*{name}\.\*\* .+\n\n<details><summary>Answer", PAGE, flags=re.M)
        else:
            assert name in EXERCISES
            lesson = next(path for path in sources() if path.stem[:2] == name[:2])
            assert f"**Exercise {name} " in lesson.read_text(encoding="utf-8")
