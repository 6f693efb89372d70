"""Objectives on the site: each leads to the exercise or the question that asks for it."""

import re
from collections.abc import Sequence

from npc_course.notebooks import FOLDER
from npc_course.render import Markup

PAGE = FOLDER.parent / "docs" / "teaching" / "objectives.md"
ROW = re.compile(r"^\| (\d\d)[a-z] \| .*? \| (.*?) \|$", flags=re.M)
ASKED = r"(?:\d\d\.\d|Q\d+)"  # an exercise, or a question for the class


def asked_by(lesson: str) -> list[str]:
    """Return for each objective of a lesson, in its order, what asks for it: ``"05.1, Q3"``."""
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return [asked for number, asked in rows if number == lesson[:2]]


def with_places(page: Markup) -> Markup:
    """Give each exercise and each question of a page a place to which a link can lead."""
    page = re.sub(r"<strong>(?=Exercise (\d\d\.\d)\b)", r'<strong id="exercise-\1">', page)
    return re.sub(r"<strong>(?=(Q\d+)\.)", r'<strong id="\1">', page)


def with_links(page: Markup, lesson: str, names: Sequence[str]) -> Markup:
    """Let each objective of a lesson's page lead to what asks for it."""
    start = page.find(">What you'll learn<")
    asked = iter(asked_by(lesson) if start >= 0 else [])

    def link(end: re.Match) -> str:
        following = next(asked, "")
        return f" ({_linked(following, names)}){end[0]}" if following else end[0]

    stop = page.find("</ul>", start)
    return page[:start] + re.sub("</li>", link, page[start:stop]) + page[stop:]


def with_linked_table(page: Markup, names: Sequence[str]) -> Markup:
    """Let the table of all objectives lead to the exercises and questions that it names."""
    cell = re.compile(rf"(?<=<td>){ASKED}(?:, {ASKED})*(?=</td>)")
    return cell.sub(lambda names_in_cell: _linked(names_in_cell[0], names), page)


def _linked(asked: str, names: Sequence[str]) -> Markup:
    return re.sub(ASKED, lambda name: _link(name[0], names), asked)


def _link(asked: Markup, names: Sequence[str]) -> Markup:
    if asked[0] == "Q":
        return f'<a href="objectives.html#{asked}">{asked}</a>'
    lesson: Markup = next((name for name in names if name[:2] == asked[:2]), "")
    return f'<a href="{lesson}.html#exercise-{asked}">{asked}</a>' if lesson else asked
