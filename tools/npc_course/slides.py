"""Slides of a lesson with reveal.js from disk: what is seen and said, the text as notes."""

import html
import importlib.util
import itertools
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
LIST = re.compile(r"(?:[-|]|\d+\.) ")
DETAILS = re.compile(r"<details>.*?</details>", re.DOTALL)
LONGEST_TEXT = 320  # characters that an audience reads while somebody speaks
LINE, LINE_OF_A_CELL = 75, 30  # characters in a line of text, and of a cell that holds sentences
LINES_OF_A_TABLE = 22  # that fit on a slide with a sentence below them, in small print
LINES_TOGETHER = 11  # a section's text and a short table share a slide up to so many
ROW = re.compile(r"<tr[ >].*?</tr>", re.DOTALL)
CELL = re.compile(r"<t[dh][^>]*>([^<]*)")


@dataclass
class Slide:
    """One slide: its HTML, its kind (a class of the style sheet) and what is spoken."""

    body: str
    kind: str = ""
    spoken: list[str] = field(default_factory=list)
    lines: int | None = None  # of text and short tables; None where nothing else finds room
    said: int = 0  # sentences that are claimed of what is shown

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

    A section begins with its first sentences, and a short table stands below them. Each figure,
    longer table or panel follows with the sentence that is claimed of it, each exercise as a
    question, its solution below it. What is printed is shown if the next cell claims something of
    it. All other text and the teacher's notes are spoken. A heading alone is no slide, nor is a
    panel that needs Python.
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
    shown, *more = DETAILS.sub("", written).strip().split("\n\n")
    listed = [part for part in more[:1] if _belongs(part, shown)]
    beginning = "\n\n".join([_beginning(shown), *listed])
    body, spoken = render.text(beginning) if shown else "", [written] if written else []
    lines = -(-len(beginning) // LINE)
    columns.append([Slide(_titled(heading, body), spoken=spoken, lines=lines)])
    return heading


def _belongs(part: str, before: str) -> bool:
    """Whether a part is a table, or a list that the paragraph before it announces."""
    return part.startswith("|") or bool(LIST.match(part) and before.endswith(":"))


def _beginning(paragraph: str) -> str:
    """Return the sentences of a paragraph that fit on a slide; a list or a table is whole."""
    if LIST.match(paragraph):
        return paragraph
    first, *more = re.split(r"(?<=[.?!])\s+(?=[A-Z*`])", paragraph)
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
        _add_sentence(column, heading, "".join(render.outputs(cell)))
    elif cell.cell_type == "code":
        for part in render.outputs(cell):
            if part != render.NEEDS_PYTHON and (printed or not part.startswith("<pre")):
                _add_part(column, heading, part)


def _add_part(column: list[Slide], heading: str, part: Markup) -> None:
    """Add a figure, a table, a panel or printed lines: below the text if they are short."""
    lines, last = _lines(part), column[-1]
    if None not in (lines, last.lines) and not last.said and lines + last.lines <= LINES_TOGETHER:
        last.body += part
        last.lines += lines
    else:
        column.append(Slide(_titled(heading, _first_rows(part)), lines=lines))


def _add_sentence(column: list[Slide], heading: str, sentence: Markup) -> None:
    """Add what is claimed: below what it is about, unless that is long and has a sentence."""
    if column[-1].said and (column[-1].lines or 0) > LINES_TOGETHER:
        column.append(Slide(_titled(heading, sentence)))
    else:
        column[-1].body += sentence
        column[-1].said += 1


def _lines(part: Markup) -> int | None:
    """Return how many lines a table or printed text takes; None for anything else."""
    if part.startswith("<pre"):
        return part.count("\n") + 1
    if not part.startswith('<div class="table'):
        return None
    return sum(map(_lines_of_row, ROW.findall(part)))


def _lines_of_row(row: Markup) -> int:
    return max(-(-len(cell.strip()) // LINE_OF_A_CELL) for cell in [*CELL.findall(row), "-"])


def _first_rows(part: Markup) -> Markup:
    """Return a table with the rows that fit on a slide; under it, how many there are."""
    if not part.startswith('<div class="table') or "<tbody>" not in part:
        return part
    start, end = part.index("<tbody>"), part.index("</tbody>")
    before: Markup = part[:start]
    after: Markup = part[end:]
    rows: list[Markup] = ROW.findall(part[start:end])
    ends = list(itertools.accumulate(map(_lines_of_row, rows)))
    kept = sum(end <= LINES_OF_A_TABLE for end in ends)
    if kept == len(rows):
        return part
    more = f'<p class="more">The first {kept:d} of {len(rows)} rows; the lesson has them all.</p>'
    first: list[Markup] = rows[:kept]
    return f"{before}<tbody>{''.join(first)}{after}{more}"


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
    site.write_style_sheet(folder, "slides.css")
    for part in REVEAL:
        (folder / "reveal" / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(reveal / part, folder / "reveal" / part)
