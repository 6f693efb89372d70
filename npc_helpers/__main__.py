"""The suite's commands: ``python -m npc_helpers tutorial`` (or test, lab, install, …).

This file needs nothing but Python itself, because it is what sets up the environment. A command
runs in the environment that is active, if that has all the packages the command needs; else in
``.venv``, which is made and filled first. ``--here`` uses this Python, whatever it has.
"""

import argparse
import csv
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
OLDEST_PYTHON = (3, 11)
# Groups of packages in pyproject.toml that a command needs besides the core.
STUDENT = ("demo",)
TEACHER = ("demo", "course")
EVERYTHING_TESTED = ("demo", "course", "intake", "cluster", "test")
GROUPS_OF = {"test": EVERYTHING_TESTED, "class": TEACHER, "bundle": TEACHER}
COMMANDS = {
    "tutorial": "execute every notebook and print the results",
    "test": "lint, unit tests, browser tests and every notebook",
    "lab": "open JupyterLab on a copy of the notebooks that is yours to work in",
    "class": "write a class: notebooks, solutions, slides, pages (--check: is all ready?)",
    "bundle": "pack packages, study and opened images for a room without network",
    "study": "build the demonstration study (--verify: heal it), or check that of NPC_STUDY",
    "report": "write the report of the study from what its notebooks saved",
    "install": "install more groups of packages by name: intake, cluster, gpu, idc",
    "notebooks": "rebuild the .ipynb files, outputs included, from notebooks/py",
    "clean": "remove results and caches (add --all for the images and the environment too)",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m npc_helpers", description=__doc__)
    subcommands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in COMMANDS.items():
        subcommand = subcommands.add_parser(name, help=purpose)
        subcommand.add_argument(
            "--here", action="store_true", help="use this Python, whatever it has"
        )
        if name == "clean":
            subcommand.add_argument("--all", action="store_true")
        if name == "study":
            help_ = "read every file of the demonstration study, and make again what is damaged"
            subcommand.add_argument("--verify", action="store_true", help=help_)
        if name == "notebooks":
            subcommand.add_argument("only", nargs="*", help="numbers, for instance 03 05")
        if name == "class":
            subcommand.add_argument("folder", nargs="?", default="class", help="to write to")
            subcommand.add_argument("--check", action="store_true", help="is this machine ready?")
            subcommand.add_argument("--only", nargs="*", help="numbers, for instance 00 01")
        if name == "bundle":
            subcommand.add_argument("folder", help="new or empty")
        if name == "install":
            subcommand.add_argument("groups", nargs="+", help="of pyproject.toml")
    options = parser.parse_args(arguments)
    if options.command == "clean":
        return clean(everything=options.all)
    if options.command == "install":
        set_up_environment({*STUDENT, *options.groups})
        return 0
    groups = GROUPS_OF.get(options.command, STUDENT)
    if not options.here and not is_environment_for(groups):
        python = set_up_environment(groups)
        rest = [*(sys.argv[1:] if arguments is None else arguments), "--here"]
        return subprocess.call([str(python), "-m", "npc_helpers", *rest], cwd=ROOT)
    return run_here(options)


def is_environment_for(groups: Iterable[str]) -> bool:
    """Tell whether an environment of the user's own is active that has what a command needs.

    An environment is a venv or a conda environment, not the Python of the system, nor ``.venv``,
    whose packages are pinned and kept up to date (`set_up_environment`).

    Parameters
    ----------
    groups : iterable of str
        Optional groups of pyproject.toml.
    """
    is_venv, is_conda = sys.prefix != sys.base_prefix, Path(sys.prefix, "conda-meta").is_dir()
    if not (is_venv or is_conda) or Path(sys.prefix).resolve() == VENV.resolve():
        return False
    import tomllib  # Python 3.11, which an older one is told by `set_up_environment`

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *itertools.chain(*(extras[group] for group in groups))]
    missing = [name for need in needed if not _is_installed(name := re.match(r"[\w.-]+", need)[0])]
    if not _is_this_suite_installed():
        missing.append(f"the suite of this folder (python -m pip install -e {ROOT})")
    used = f"lacks {', '.join(missing)}; .venv is used instead" if missing else "is used as it is"
    print(f"The active environment ({sys.prefix}) {used}.", flush=True)
    return not missing


def _is_this_suite_installed() -> bool:
    """Tell whether the tools that a command would import are those of this folder, not a copy's."""
    tool = find_spec("npc_course")
    return bool(tool and tool.origin) and Path(tool.origin).resolve().is_relative_to(ROOT)


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def set_up_environment(groups: Iterable[str]) -> Path:
    """Create ``.venv`` and install the pinned packages unless that is already done.

    Parameters
    ----------
    groups : iterable of str
        Optional groups of pyproject.toml; those installed earlier stay.

    Returns
    -------
    pathlib.Path
        The Python of the environment.

    Raises
    ------
    SystemExit
        If this Python is too old, or the packages cannot be installed.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise SystemExit(f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer is needed.")
    wanted = hashlib.sha256(
        b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    ).hexdigest()
    stamp = VENV / "installed.txt"
    pinned, *installed = stamp.read_text().split() if stamp.exists() else [""]
    if PYTHON.exists() and pinned == wanted and set(groups) <= set(installed):
        return PYTHON
    begun = VENV / "installing"  # still there if an installation was killed: half a package is left
    if not PYTHON.exists() or begun.exists():
        print("Creating .venv …", flush=True)
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", str(VENV)])
    begun.touch()
    together = sorted({*groups, *installed})
    print(f"Installing the pinned packages (core, {', '.join(together)}) into .venv …", flush=True)
    requirements = ["-c", "constraints.txt", "-e", f".[{','.join(together)}]"]
    done = any(subprocess.call([*way, *requirements], cwd=ROOT) == 0 for way in _installers())
    begun.unlink()
    if not done:
        raise SystemExit(
            "The packages could not be installed; the message is above. Without network, install "
            "from environment.yml or a local package index, then use --here."
        )
    stamp.write_text("\n".join([wanted, *together]) + "\n")
    return PYTHON


def _installers() -> list[list[str]]:
    """Return the commands that install into ``.venv``: uv where the machine has it, then pip.

    pip also where uv fails, since a hospital's package index may be written in pip's settings.
    """
    uv = shutil.which("uv")
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    return [*([[uv, "pip", "install", "--python", str(PYTHON)]] if uv else []), pip]


def run_here(options: argparse.Namespace) -> int:
    """Run a command in the present environment."""
    if options.command == "study":
        return build_or_check_study(verify=options.verify)
    if options.command == "lab":
        return _course("lab")
    if options.command == "class" and options.check:
        return _course("class", "--check")
    if options.command == "report":
        return subprocess.call([sys.executable, "-m", "npc_helpers.figures"], cwd=ROOT)
    status = build_or_check_study()
    if status:
        return status
    if options.command == "test":
        return run_tests()
    if options.command == "class":
        only = ["--only", *options.only] if options.only else []
        return _course("class", options.folder, *only)
    if options.command == "bundle":
        return _course("bundle", options.folder)
    return _course(options.command, *(options.only if options.command == "notebooks" else []))


def _course(*arguments: str) -> int:
    """Run a command of the course from where this one was called."""
    return subprocess.call([sys.executable, "-m", "npc_course", *arguments])


def build_or_check_study(*, verify: bool = False) -> int:
    """Build what is missing of the demonstration study, or check the user's own.

    With `verify`, files of the demonstration study that are damaged count as missing.
    """
    folder = os.environ.get("NPC_STUDY")
    if folder:
        return subprocess.call([sys.executable, "-m", "npc_helpers.study", "check", folder])
    command = [sys.executable, "-m", "npc_demo", *(["--verify"] if verify else [])]
    return subprocess.call(command, cwd=ROOT)


def run_tests() -> int:
    """Lint, then run the tests and every notebook, several files at a time.

    A notebook that opens what another is about to write finds what was there before, as files are
    replaced whole; on a first run, the reference copy.
    """
    for lint in (["check"], ["format", "--check"]):
        status = subprocess.call([sys.executable, "-m", "ruff", *lint], cwd=ROOT)
        if status:
            return status
    nbval = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=1200"]
    return subprocess.call([sys.executable, "-m", "pytest", "tests", "notebooks", *nbval], cwd=ROOT)


def clean(*, everything: bool) -> int:
    """Remove what the commands made: results and caches; with `everything` images and .venv.

    What people made is kept: ``data/by_hand`` is left alone, and what lies among the results (a
    table that was edited, rectangles drawn with an earlier version of the suite) is moved there.
    """
    for edited in _edited_results():
        _keep(edited, "edited")
    for drawn in (ROOT / "results").glob("rois_*.csv"):
        _keep(drawn, "")
    targets = [ROOT / "results", *ROOT.glob(".*_cache"), ROOT / ".hypothesis"]
    targets += [path for path in ROOT.rglob("__pycache__") if VENV not in path.parents]
    if everything:
        targets += [VENV, *([ROOT / "data" / "images"] if _images_are_synthetic() else [])]
    for target in targets:
        if target.exists():
            shutil.rmtree(target)
            print("removed", target.relative_to(ROOT))
    return 0


def _edited_results() -> list[Path]:
    """Return the results that hold something else than what their notes say was written."""
    edited = []
    for note in (ROOT / "results").rglob("*.from.json"):
        path = note.with_name(note.name.removesuffix(".from.json"))
        try:
            written = json.loads(note.read_text(encoding="utf-8"))["content"]
            content = path.read_bytes()
        except (OSError, ValueError, KeyError, TypeError):
            continue  # nothing tells that it was edited
        if path.suffix == ".csv":
            content = content.replace(b"\r\n", b"\n")
        if hashlib.sha256(content).hexdigest() != written:
            edited.append(path)
    return edited


def _keep(path: Path, folder: str) -> None:
    """Move a file to what people made, under a name that is free there."""
    place = ROOT / "data" / "by_hand" / folder / path.name
    place.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(2):
        if not place.exists():
            break
        place = place.with_name(f"{path.stem}_{number}{path.suffix}")
    shutil.move(path, place)
    print("kept", place.relative_to(ROOT))


def _images_are_synthetic() -> bool:
    """Tell whether every image of the repository's study can be made again; say if not."""
    manifest = ROOT / "data_manifest.csv"
    if not manifest.exists():
        return True
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        sources = {(row.get("source") or "").strip() for row in csv.DictReader(file)}
    if sources <= {"synthetic"}:
        return True
    print(f"kept data/images: {manifest.name} lists images that no command makes again.")
    return False


if __name__ == "__main__":
    raise SystemExit(main())
