"""The suite's commands: ``python -m npc_helpers tutorial`` (or test, lab, study, notebooks, clean).

This file needs nothing but Python itself, because it is what sets up the environment.
Inside an environment of your own (conda, a container) add ``--here``: nothing is installed then.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
OLDEST_PYTHON = (3, 11)
COMMANDS = {
    "tutorial": "execute every notebook and print the results",
    "test": "lint, unit tests, browser tests and every notebook",
    "lab": "open JupyterLab on notebook 00",
    "study": "build the demonstration study, or verify the study named by NPC_STUDY",
    "notebooks": "rebuild the .ipynb files, outputs included, from notebooks/py",
    "clean": "remove results and caches (add --all for the images and the environment too)",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m npc_helpers", description=__doc__)
    subcommands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in COMMANDS.items():
        subcommand = subcommands.add_parser(name, help=purpose)
        subcommand.add_argument("--here", action="store_true", help="use this Python as it is")
        if name == "clean":
            subcommand.add_argument("--all", action="store_true")
        if name == "notebooks":
            subcommand.add_argument("only", nargs="*", help="numbers, for instance 03 05")
    options = parser.parse_args(arguments)
    if options.command == "clean":
        return clean(everything=options.all)
    if not options.here:
        python = set_up_environment()
        rest = [*(sys.argv[1:] if arguments is None else arguments), "--here"]
        return subprocess.call([str(python), "-m", "npc_helpers", *rest], cwd=ROOT)
    return run_here(options)


def set_up_environment() -> Path:
    """Create ``.venv`` and install the pinned packages unless that is already done.

    Returns
    -------
    pathlib.Path
        The Python of the environment.

    Raises
    ------
    SystemExit
        If this Python is too old, or pip fails.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise SystemExit(f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer is needed.")
    wanted = hashlib.sha256(
        b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    ).hexdigest()
    stamp = VENV / "installed.sha256"
    if PYTHON.exists() and stamp.exists() and stamp.read_text().strip() == wanted:
        return PYTHON
    if not PYTHON.exists():
        print("Creating .venv …", flush=True)
        subprocess.check_call([sys.executable, "-m", "venv", str(VENV)])
    print("Installing the pinned packages into .venv (once, a few minutes) …", flush=True)
    install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    status = subprocess.call([*install, "-c", "constraints.txt", "-e", ".[test]"], cwd=ROOT)
    if status:
        raise SystemExit(
            "pip could not install the packages; its message is above. Without network, install "
            "from environment.yml or a local package index, then use --here."
        )
    stamp.write_text(wanted + "\n")
    return PYTHON


def run_here(options: argparse.Namespace) -> int:
    """Run a command in the present environment."""
    if options.command == "study":
        return build_or_check_study()
    if options.command == "lab":
        notebook = ROOT / "notebooks" / "00_start_here.ipynb"
        return subprocess.call([sys.executable, "-m", "jupyter", "lab", str(notebook)], cwd=ROOT)
    status = build_or_check_study()
    if status:
        return status
    if options.command == "test":
        return run_tests()
    only = options.only if options.command == "notebooks" else []
    return subprocess.call([sys.executable, "-m", "npc_course", options.command, *only], cwd=ROOT)


def build_or_check_study() -> int:
    """Build what is missing of the demonstration study, or check the user's own."""
    folder = os.environ.get("NPC_STUDY")
    if folder:
        return subprocess.call([sys.executable, "-m", "npc_helpers.study", "check", folder])
    return subprocess.call([sys.executable, "-m", "npc_demo"], cwd=ROOT)


def run_tests() -> int:
    """Lint, then run the unit tests and every notebook with nbval."""
    for lint in (["check"], ["format", "--check"]):
        status = subprocess.call([sys.executable, "-m", "ruff", *lint], cwd=ROOT)
        if status:
            return status
    pytest = [sys.executable, "-m", "pytest", "tests", "notebooks", "--nbval-lax"]
    nbval = ["--nbval-current-env", "--nbval-cell-timeout=1200"]
    return subprocess.call([*pytest, *nbval], cwd=ROOT)


def clean(*, everything: bool) -> int:
    """Remove what the commands made: results and caches; with `everything` images and .venv."""
    targets = [ROOT / "results", *ROOT.glob(".*_cache"), ROOT / ".hypothesis"]
    targets += [path for path in ROOT.rglob("__pycache__") if VENV not in path.parents]
    if everything:
        targets += [ROOT / "data" / "images", VENV]
    for target in targets:
        if target.exists():
            shutil.rmtree(target)
            print("removed", target.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
