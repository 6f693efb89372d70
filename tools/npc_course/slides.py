"""Slides of a lesson with reveal.js from disk: what is seen and said, the text as notes."""

import html
import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from npc_course import render, site
from npc_course.cells import CLAIM, EXERCISE, NOTES, SOLUTION, solved_source, tags
from npc_course.render import Markup
from npc_helpers.study import Study, StudyError

NOT_SHOWN = {"What you'll need", "Further reading", "Versions and data"}
REVEAL = (
    *("dist/reveal.js", "dist/reveal.css", "dist/reset.css", "plugin/notes/notes.js", "LICENSE"),
)
HEADING = re.compile(r"^##+ (.+)$", re.MULTILINE)
DETAILS = re.compile(r"<details>.*?</details>", re.DOTALL)
LONGEST_TEXT = 320  # characters that an audience reads while somebody speaks


@dataclass
class Slide:
    """One slide: its HTML, its kind (a class of the style sheet) and what is spoken."""

    body: str
    kind: str = ""
    spoken: list[str] = field(default_factory=list)

    @property
    def notes(self) -> str:
        """What is spoken, as HTML."""
        return "\n".join(render.text(text) for text in self.spoken)

    @property
    def holds_something(self) -> bool:
        """Whether there is more on it than a heading, or something is said to it."""
        return bool(self.spoken) or not self.body.endswith("</h2>")


def columns(notebook: nbformat.NotebookNode) -> list[list[Slide]]:
    """Return the slides of a lesson: a column per section, in it downwards what it shows.

    A section begins with its first sentences. Each figure, table or panel follows with the
    sentence that is claimed of it, each exercise as a question, its solution below it. What is
    printed is shown if the next cell claims something of it. All other text and the teacher's
    notes are spoken. A heading alone is no slide.
    """
    first, *rest = notebook.cells
    opening, *sections = _sections(first.source)
    head, _, subtitle = opening.partition("\n")
    subtitle = subtitle.strip().split("\n\n")[0]
    columns = [[Slide(f"<h1>{html.escape(head.removeprefix('# '))}</h1>", "opening", [subtitle])]]
    heading = ""
    for section in sections:
        heading = _add_section(columns, section)
    for cell, after in zip(rest, [*rest[1:], first], strict=True):
        if cell.cell_type == "markdown" and not tags(cell) & {EXERCISE, NOTES}:
            for section in _sections(cell.source):
                if HEADING.match(section):
                    heading = _add_section(columns, section)
                elif heading:
                    columns[-1][-1].spoken.append(section)
        elif heading:
            _add_cell(columns[-1], cell, heading, printed=CLAIM in tags(after))
    kept = ([slide for slide in column if slide.holds_something] for column in columns)
    return list(filter(None, kept))


def _sections(markdown: str) -> Iterator[str]:
    """Cut text before each heading below the title."""
    return filter(None, (part.strip() for part in re.split(r"(?m)^(?=##+ )", markdown)))


def _add_section(columns: list[list[Slide]], section: str) -> str:
    """Begin a column with a heading and its first paragraph; return the heading, "" if left out."""
    heading, written = HEADING.match(section)[1], HEADING.sub("", section, count=1).strip()
    if heading in NOT_SHOWN:
        return ""
    shown = DETAILS.sub("", written).strip().split("\n\n")[0]
    body = render.text(_beginning(shown)) if shown else ""
    columns.append([Slide(_titled(heading, body), spoken=[written] if written else [])])
    return heading


def _beginning(paragraph: str) -> str:
    """Return the sentences of a paragraph that fit on a slide; a list or a table is whole."""
    if paragraph.startswith(("-", "|")):
        return paragraph
    first, *more = re.split(r"(?<=[.?!:])\s+(?=[A-Z*`])", paragraph)
    for sentence in more:
        if len(first) + len(sentence) > LONGEST_TEXT:
            break
        first += f" {sentence}"
    return first


def _add_cell(
    column: list[Slide], cell: nbformat.NotebookNode, heading: str, *, printed: bool
) -> None:
    kinds = tags(cell)
    if NOTES in kinds:
        column[-1].spoken.append(cell.source)
    elif EXERCISE in kinds:
        column.append(Slide(_titled("Your turn", render.text(cell.source)), EXERCISE))
    elif SOLUTION in kinds:
        answer = render.code(solved_source(cell.source)) + "".join(render.outputs(cell))
        column.append(Slide(_titled("An answer", answer), SOLUTION))
    elif CLAIM in kinds:
        column[-1].body += "".join(render.outputs(cell))
    elif cell.cell_type == "code":
        shown = [part for part in render.outputs(cell) if printed or not part.startswith("<pre")]
        column.extend(Slide(_titled(heading, part)) for part in shown)


def _titled(heading: str, body: Markup) -> Markup:
    inline: Markup = render.text(heading).strip().removeprefix("<p>").removesuffix("</p>")
    return f"<h2>{inline}</h2>{body}"


def write_slides(notebook: nbformat.NotebookNode, folder: Path, name: str) -> None:
    """Write the slides of one lesson into a folder that `copy_assets` has prepared."""
    shown = columns(notebook)
    page = site.template("slides.html.j2").render(
        title=site.title(notebook),
        columns=shown,
        plotly=any("plotly-graph-div" in slide.body for column in shown for slide in column),
        mark=Study.open().mark,
    )
    site.write(folder / f"{name}.html", page)


def copy_assets(folder: Path) -> None:
    """Put reveal.js and the style sheet beside the slides.

    Raises
    ------
    StudyError
        If the package that brings reveal.js is not installed.
    """
    package = importlib.util.find_spec("sphinx_revealjs")
    if package is None:
        raise StudyError(
            "slides need reveal.js, which comes with the group course: "
            "python -m npc_helpers install course"
        )
    reveal = Path(package.origin).parent / "_static" / "revealjs"
    style = (site.TEMPLATES / "slides.css").read_text("utf-8") + render.stylesheet()
    site.write(folder / "slides.css", style)
    for part in REVEAL:
        (folder / "reveal" / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(reveal / part, folder / "reveal" / part)
