"""The course for a room without network: packages, study and opened images in one folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from npc_course.notebooks import FOLDER
from npc_helpers.study import Study, atomic_path

ROOT = FOLDER.parent
LEFT_BEHIND = (
    ".git", ".venv", "class", "learner", "results", "by_hand", "build", "*.egg-info", "__pycache__",
    ".*_cache",
)  # fmt: skip
BUILD_TOOLS = ("setuptools", "wheel", "pip")  # what installing the repository itself asks for
GROUPS = "demo,course"
START = """\
# The course without network

Everything is here: the packages (`packages/`), the suite with its study (`suite/`), and the images
that lesson 02 opens. The packages are for Python {python} on this kind of machine ({machine}).

Copy this folder to a laptop and type, in a terminal in this folder:

{commands}

This installs from the folder alone and opens JupyterLab on the learner's own copies of the lessons.
Before the class: `make class` for slides and pages, and `{module} class --check`.
"""
POSIX = """\
    cd suite
    export PIP_NO_INDEX=1 PIP_FIND_LINKS=../packages UV_NO_INDEX=1 UV_FIND_LINKS=../packages
    {module} lab
"""
WINDOWS = """\
    cd suite
    set PIP_NO_INDEX=1
    set PIP_FIND_LINKS=../packages
    {module} lab
"""


def make_bundle(folder: Path, *, requirements: Iterable[str] | None = None) -> int:
    """Write a folder from which the course is installed and held without network.

    Parameters
    ----------
    folder : Path
        New or empty.
    requirements : iterable of str, optional
        Packages to bring; by default all that a class needs, in the pinned versions.

    Returns
    -------
    int
        An exit status.
    """
    folder = folder.expanduser().resolve()
    if folder.exists() and any(folder.iterdir()):
        print(f"{folder} holds something already; name an empty folder. Nothing was written.")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [f"{ROOT}[{GROUPS}]"] if requirements is None else list(requirements)
    print("Collecting the packages …", flush=True)
    collect = ["wheel", "--wheel-dir", str(folder / "packages"), "-c", "constraints.txt"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    status = subprocess.call([*pip, *collect, *wanted, *BUILD_TOOLS], cwd=ROOT)
    if status:
        print("The packages could not be collected; the message is above.")
        return status
    for wheel in (folder / "packages").glob("npc_prognosis_notebooks-*.whl"):
        wheel.unlink()  # the suite comes as a folder, so that learners can read it
    print("Copying the suite, its images and the opened images …", flush=True)
    ignored = shutil.ignore_patterns(*LEFT_BEHIND)
    shutil.copytree(ROOT, folder / "suite", ignore=ignored, symlinks=True)
    opened = Study.open().result_path("stacks")
    if opened.is_dir():
        shutil.copytree(opened, folder / "suite" / "results" / "stacks")
    else:
        print("Lesson 02 has not been run yet: learners will wait while it opens the images.")
    with atomic_path(folder / "START.md") as temporary:
        temporary.write_text(_start(), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**30
    print(f"{folder}: {size:.1f} GiB. Begin with START.md.")
    return 0


def _start() -> str:
    """Return what to do with the folder on the machine of a learner."""
    module = f"{'py' if os.name == 'nt' else 'python3'} -m npc_helpers"
    commands = (WINDOWS if os.name == "nt" else POSIX).format(module=module)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return START.format(python=version, machine=sys.platform, commands=commands, module=module)
