"""Everything a class needs, made of the lessons: ``python -m npc_helpers class OUT``."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import jupytext
import nbformat

from npc_course import cells, panels, site, slides
from npc_course.notebooks import FOLDER, run_all, sources
from npc_helpers.study import Study, StudyError, atomic_path

READ_ME = """\
# {title}

- `student/`: the lessons to work through, with one line to write in each exercise.
- `solutions/`: the same lessons solved, with everything they show.
- `instructor/`: the same with notes for the teacher and the time each section takes.
  Both can be presented in JupyterLab, cells running: the button *Deck* above the lesson.
- `slides/`: open `slides/index.html`; press S for the speaker's notes. Nothing is fetched.
- `site/`: open `site/index.html`, from disk or from any web server. Nothing is fetched.

Made from: {mark}. Licence and citation: `LICENSE`, `CITATION.cff`.
"""


def make_class(folder: Path, only: list[str] | None = None) -> int:
    """Write all products of the course into an empty folder and return an exit status.

    Parameters
    ----------
    folder : Path
        Made if it is not there. What another call wrote there is replaced; a folder that holds
        anything else is left alone.
    only : list of str, optional
        Two-digit numbers of the lessons; all by default.
    """
    folder = folder.expanduser().resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / "READ_ME.md").exists():
        print(f"{folder} holds something else; name an empty folder. Nothing was written.")
        return 1
    try:
        write_products({path.stem: executed(path) for path in sources(only)}, folder)
    except StudyError as reason:
        print(reason)
        return 1
    print(f"The class is in {folder}: begin with READ_ME.md.")
    return 0


def write_products(notebooks: Mapping[str, nbformat.NotebookNode], folder: Path) -> None:
    """Write student, solutions, instructor, slides and site of executed lessons."""
    for part in ("student", "solutions", "instructor", "slides", "site"):
        shutil.rmtree(folder / part, ignore_errors=True)
    slides.copy_assets(folder / "slides")  # first: it may refuse
    for number, (name, notebook) in enumerate(notebooks.items(), start=1):
        print(f"{number} of {len(notebooks)}: {name}", flush=True)  # also where no bar is shown
        write_notebook(folder / "student" / f"{name}.ipynb", cells.student_version(notebook))
        write_notebook(folder / "solutions" / f"{name}.ipynb", cells.solution_version(notebook))
        lesson = instructor_version(notebook)
        write_notebook(folder / "instructor" / f"{name}.ipynb", lesson)
        site.write_page(lesson, folder / "instructor", name, list(notebooks))
        slides.write_slides(notebook, folder / "slides", name)
    print("Site and its panels", flush=True)
    site.write_frame(notebooks, folder / "instructor")
    site.write_frame(notebooks, folder / "slides")
    solved = {name: cells.solution_version(book) for name, book in notebooks.items()}
    site.write_site(solved, folder / "site")
    panels.write_panels(Study.open(), folder / "site")
    for part in ("instructor", "slides"):
        panels.copy_panels(folder / "site", folder / part)
    for name in ("LICENSE", "CITATION.cff"):
        shutil.copy(FOLDER.parent / name, folder)
    words = {"title": "NPC prognosis from MRI: a course", "mark": Study.open().mark}
    site.write(folder / "READ_ME.md", READ_ME.format(**words))


def write_notebook(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Write a notebook, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        nbformat.write(notebook, temporary)


def executed(source: Path) -> nbformat.NotebookNode:
    """Return a lesson with its outputs: the committed one if it is that of its source, or run it.

    Raises
    ------
    StudyError
        If it has to be run and stops.
    """
    committed = FOLDER / f"{source.stem}.ipynb"
    kept = Study.open().result_path("class")
    for path in (committed, kept / committed.name):
        if path.exists() and is_of(notebook := nbformat.read(path, as_version=4), source):
            return notebook
    print(f"{source.stem} changed since it was run: running it.", flush=True)
    run = run_all([source], kept, logs=Study.open().result_path("logs"))[0]
    if run.error:
        raise StudyError(f"{source.stem} stopped, so the class has no outputs of it:\n{run.error}")
    return nbformat.read(kept / committed.name, as_version=4)


def is_of(notebook: nbformat.NotebookNode, source: Path) -> bool:
    """Tell whether an executed notebook has the cells and tags of its source."""

    def content(book: nbformat.NotebookNode) -> list:
        return [(c.cell_type, c.source, sorted(cells.tags(c))) for c in book.cells]

    return content(notebook) == content(jupytext.read(source))


def instructor_version(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy with everything in it, and before all the time that each section takes."""
    lesson = cells.without(notebook)
    lesson.metadata.pop("jupytext", None)
    cells.fold_claims(lesson)
    plan = nbformat.v4.new_markdown_cell(timing(notebook), metadata={"tags": [cells.NOTES]})
    lesson.cells.insert(1, plan)
    cells.lay_out_slides(lesson)
    return lesson


def timing(notebook: nbformat.NotebookNode) -> str:
    """Return a table of the sections with minutes to read (at 200 words) and to exercise."""
    lines = ["| section | minutes to read | exercises, minutes |", "|---|---|---|"]
    heading, section = "", []
    for cell in [*notebook.cells, nbformat.v4.new_markdown_cell("## ")]:
        if cell.cell_type != "markdown" or cells.NOTES in cells.tags(cell):
            continue
        if cell.source.startswith("## "):
            if heading and (row := _row(heading, section)):
                lines.append(row)
            heading, section = cell.source.splitlines()[0][3:], []
        section.append(cell.source)
    return "\n".join(lines)


def _row(heading: str, section: list[str]) -> str:
    whole = "\n".join(section)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(whole)])
    exercises = site.minutes(book)[1]
    return f"| {heading} | {max(1, round(len(whole.split()) / 200))} | {exercises or ''} |"
