"""The course as a folder of pages that opens from disk: no server, no network."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import jinja2
import nbformat
import plotly

from npc_course import objectives, render
from npc_course.cells import CLAIM, NOTES, SOLUTION, tags
from npc_course.notebooks import FOLDER
from npc_course.render import Markup
from npc_helpers.study import Study, atomic_path

TEMPLATES = Path(__file__).parent / "templates"
TEACHING = FOLDER.parent / "docs" / "teaching"
PICTURES = FOLDER.parent / "docs" / "images"
DOCUMENTS = ("objectives", "glossary", "routes", "quiz", "dry_run")
MARKDOWN_LINK = re.compile(r'href="(?P<name>\w+)\.md')


def template(name: str) -> jinja2.Template:
    """Return one of the course's templates."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(loader=loader, autoescape=False).get_template(name)


def write(path: Path, content: str) -> None:
    """Write a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def title(notebook: nbformat.NotebookNode) -> str:
    """Return the title of a lesson."""
    return notebook.cells[0].source.splitlines()[0].removeprefix("# ")


def minutes(notebook: nbformat.NotebookNode) -> tuple[int, int]:
    """Return the minutes a lesson says it takes to read, and those of its exercises together."""
    whole = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    reading = re.search(r"\*Time: (\d+) minutes?", whole)
    exercises = re.findall(r"\*\*Exercise [^(]*\((\d+) minutes?\)", whole)
    return int(reading[1]) if reading else 0, sum(map(int, exercises))


def body(notebook: nbformat.NotebookNode) -> str:
    """Return a lesson as HTML: text, code (of claims only what they say) and outputs."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            written: Markup = render.text(cell.source)
            parts.append(f'<div class="notes">{written}</div>' if NOTES in tags(cell) else written)
        elif cell.cell_type == "code":
            shown = [] if CLAIM in tags(cell) else [render.code(cell.source)]
            shown += render.outputs(cell)
            folded = ["<details><summary>An answer</summary>", *shown, "</details>"]
            parts += folded if SOLUTION in tags(cell) else shown
    return "\n".join(parts)


def write_page(notebook: nbformat.NotebookNode, folder: Path, name: str, names: list[str]) -> None:
    """Write one lesson as a page that leads to those before and after it."""
    place = names.index(name)
    page = template("page.html.j2").render(
        title=title(notebook),
        body=objectives.with_links(objectives.with_places(body(notebook)), name, names),
        before=names[place - 1] if place else "",
        after=names[place + 1] if place + 1 < len(names) else "",
        mark=Study.open().mark,
    )
    write(folder / f"{name}.html", page)


def write_site(notebooks: Mapping[str, nbformat.NotebookNode], folder: Path) -> None:
    """Write the course's pages: contents, lessons, glossary, routes, quiz.

    Parameters
    ----------
    notebooks : mapping of name to notebook
        Executed, without notes for the teacher; in reading order.
    """
    names = list(notebooks)
    for name, notebook in notebooks.items():
        write_page(notebook, folder, name, names)
    write_frame(notebooks, folder)


def write_frame(notebooks: Mapping[str, nbformat.NotebookNode], folder: Path) -> None:
    """Write what stands around the lessons: contents, documents, style sheet, pictures."""
    write_index(notebooks, folder)
    for name in DOCUMENTS:
        write_document(folder, name, list(notebooks))
    copy_assets(folder)


def write_document(folder: Path, name: str, lessons: list[str]) -> None:
    """Write one of the documents for teaching as a page."""
    source = (TEACHING / f"{name}.md").read_text(encoding="utf-8")
    written = MARKDOWN_LINK.sub(r'href="\g<name>.html', render.text(source))
    if name == "objectives":
        written = objectives.with_linked_table(objectives.with_places(written), lessons)
    page = template("page.html.j2").render(
        title=source.splitlines()[0].removeprefix("# "),
        body=written,
        mark=Study.open().mark,
    )
    write(folder / f"{name}.html", page)


def write_index(notebooks: Mapping[str, nbformat.NotebookNode], folder: Path) -> None:
    """Write the first page: what is needed, the lessons with their times, the ways through."""
    lines = [(TEACHING / "index.md").read_text(encoding="utf-8"), ""]
    lines += ["## The lessons", "", "| lesson | minutes to read | exercises, minutes |"]
    lines += ["|---|---|---|"]
    for name, notebook in notebooks.items():
        reading, exercises = minutes(notebook)
        link = f"{name[:2]} [{title(notebook)}]({name}.ipynb)"
        lines.append(f"| {link} | {reading} | {exercises or ''} |")
    page = template("page.html.j2").render(
        title="Contents",
        body=MARKDOWN_LINK.sub(r'href="\g<name>.html', render.text("\n".join(lines))),
        mark=Study.open().mark,
    )
    write(folder / "index.html", page)


def write_style_sheet(folder: Path, name: str) -> None:
    """Write a style sheet with the colours that pages and slides share."""
    parts = [(TEMPLATES / part).read_text("utf-8") for part in ("colours.css", name)]
    write(folder / name, "".join(parts) + render.stylesheet())


def copy_assets(folder: Path) -> None:
    """Put style sheet, plotly and the pictures of panels beside the pages."""
    write_style_sheet(folder, "site.css")
    for picture in render.PICTURES_OF_PANELS.values():
        shutil.copy(PICTURES / picture, folder / picture)
    shutil.copy(Path(plotly.__file__).parent / "package_data" / "plotly.min.js", folder)
