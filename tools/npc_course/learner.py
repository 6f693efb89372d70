"""Copies of the lessons for whoever works through them: tracked by nobody, never taken back.

JupyterLab saves by itself, and a paired notebook rewrites its source; so nobody works in the
lessons that the repository tracks.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat

from npc_course.cells import NOTES, SOLUTION, student_version, tags, without
from npc_course.notebooks import FOLDER, from_source, sources
from npc_helpers.study import Study, atomic_path
from npc_helpers.study.results import SANDBOX

ISSUED = ".issued.json"  # what each copy held when it was made
NEWER = "newer version"  # folder for lessons whose copy somebody has worked in
WITHOUT_NEWS = Path(__file__).with_name("jupyter")  # JupyterLab asks no question at first start
ALONE = 'formats = "ipynb"\n'  # jupytext.toml: a copy is paired with nothing


def lab() -> int:
    """Prepare the copies and open JupyterLab on the first; return its exit status.

    Without ``NPC_STUDY`` that is a learner's folder, ``learner/`` in the repository: exercises are
    open, and results go to a sandbox there. With a study of one's own it is ``notebooks/`` in the
    study: nothing is left to fill in, and results are the study's.
    """
    study, environment = Study.open(), dict(os.environ)
    if study.is_demonstration:
        folder = FOLDER.parent / "learner"
        environment[SANDBOX] = str(folder)
    else:
        folder = study.folder / "notebooks"
    for line in prepare(folder, exercises=study.is_demonstration):
        print(line)
    environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
        [str(WITHOUT_NEWS), *filter(None, [environment.get("JUPYTER_CONFIG_PATH")])]
    )
    first = f"{sources()[0].stem}.ipynb"
    # Not `jupyter lab`: that runs whichever JupyterLab comes first on the PATH.
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", first]
    return subprocess.call(command, cwd=folder, env=environment)


def prepare(folder: Path, *, exercises: bool = True) -> list[str]:
    """Bring the copies in a folder up to date and return what was done, in words.

    A copy that nobody has changed is replaced by a newer lesson. One that somebody has worked in
    stays as it is, and the newer lesson lies in the folder ``newer version``.

    Parameters
    ----------
    exercises : bool
        False for lessons in which nothing is left to fill in.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "jupytext.toml").write_text(ALONE, encoding="utf-8")
    issued, said = _issued(folder), []
    for source in sources():
        name = f"{source.stem}.ipynb"
        fresh = student_version(from_source(source)) if exercises else _solved(source)
        now, present = _digest(fresh), _digest_of_file(folder / name)
        if present in (None, issued.get(name)):
            if present != now:
                _write(folder / name, fresh)
                said.append(f"{name}: {'new' if present is None else 'replaced by a newer one'}")
            issued[name] = now
        elif issued.get(name) != now and _digest_of_file(folder / NEWER / name) != now:
            _write(folder / NEWER / name, fresh)
            said.append(f"{name}: yours is kept; a newer one lies in '{NEWER}'")
    with atomic_path(folder / ISSUED) as temporary:
        temporary.write_text(json.dumps(issued, indent=1), encoding="utf-8")
    return said


def _solved(source: Path) -> nbformat.NotebookNode:
    """Return a lesson as it is run, without questions, answers and notes for the teacher."""
    lesson = without(student_version(from_source(source)), "exercise", SOLUTION, NOTES)
    assert not any(SOLUTION in tags(cell) for cell in lesson.cells)
    return lesson


def _issued(folder: Path) -> dict[str, str]:
    try:
        return json.loads((folder / ISSUED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _digest(notebook: nbformat.NotebookNode) -> str:
    """Return a hash of what people write in a notebook: its cells, and not their outputs."""
    written = [(cell.cell_type, cell.source) for cell in notebook.cells]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()


def _digest_of_file(path: Path) -> str | None:
    """Return the hash of a copy; None if there is none, "" if it cannot be read."""
    if not path.exists():
        return None
    try:
        return _digest(nbformat.read(path, as_version=4))
    except Exception:  # whatever somebody made of it is theirs
        return ""


def _write(path: Path, notebook: nbformat.NotebookNode) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        nbformat.write(notebook, temporary)
