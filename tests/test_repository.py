"""What is committed is clean: no machine's paths, no large or generated files."""

import ast
import re
import subprocess
import sys

import pytest
from tracked_files import ROOT, tracked

LARGEST_FILE = 7_000_000
MACHINE_PATH = re.compile(r"/home/[a-z]|/root/|/work/|/Users/[a-zA-Z]")
TEXT = {".py", ".md", ".ipynb", ".toml", ".yml", ".csv", ".json", ".txt", ".js", ".css", ".R"}


def test_no_file_names_a_path_of_somebody_s_machine():
    this_test_and_its_kind = {"test_repository.py", "test_notebook_conventions.py"}
    for path in tracked():
        if path.suffix in TEXT and path.name not in this_test_and_its_kind:
            match = MACHINE_PATH.search(path.read_text(encoding="utf-8"))
            assert not match, f"{path.relative_to(ROOT)}: {match.group()}"


def test_nothing_generated_or_large_is_tracked():
    for path in tracked():
        relative = path.relative_to(ROOT).as_posix()
        assert not relative.startswith(("results/", "data/images/", ".venv/"))
        assert path.stat().st_size < LARGEST_FILE, relative


def test_readme_names_commands_that_exist():
    from npc_helpers.__main__ import COMMANDS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in re.findall(r"python -m npc_helpers (\w+)", readme):
        assert command in COMMANDS
    for target in re.findall(r"^make (\w+)", readme, re.M):
        assert target in COMMANDS


def test_relative_links_lead_somewhere():
    pages = [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "tools").rglob("*.md"),
        *(ROOT / "notebooks").glob("*.ipynb"),
    ]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
        for target in re.findall(r"`(docs/[\w/]+\.md|benchmarks/\w+\.py)`", text):
            assert (ROOT / target).exists(), f"{page.name} names {target}"


@pytest.mark.slow
def test_scripts_find_what_they_import():
    """Nothing else runs those that measure or draw for the documentation."""
    scripts = sorted(map(str, [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("docs/*.py")]))
    load = (
        "import runpy, sys; sys.path.append('benchmarks')\n"
        "for path in sys.argv[1:]: runpy.run_path(path, run_name='loaded')"
    )
    command = [sys.executable, "-c", load, *scripts]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize("tool", sorted(p.parent.name for p in ROOT.glob("tools/*/__init__.py")))
def test_a_tool_says_what_is_where(tool):
    """Its README names every file and folder beside it, and none that is not there."""
    folder = ROOT / "tools" / tool
    page = (folder / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+(?:\.py|/))`", page))
    beside = {p.name for p in folder.glob("[!_]*.py")}
    beside |= {f"{p.name}/" for p in folder.iterdir() if p.is_dir() and p.name[0] not in "_."}
    assert named == beside


SAYS_NOTHING = set(
    "each found here it known one other own something that there thing this what".split()
)
EVERY_KIND_OF_NAME = """
def judged(one, *, own):
    for it in (here := one):
        with that as there, [thing for thing in own] as (each, *known):
            found = 1
    try:
        pass
    except ValueError as other:
        pass
"""


def names_given(source):
    """Lines and names of what a file gives a name to: targets, parameters and caught errors."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.lineno, node.name


def test_every_kind_of_name_is_looked_at():
    names = {name for _, name in names_given(EVERY_KIND_OF_NAME)}
    assert names == set("one own it here there thing each known found other".split())


def test_a_name_says_what_it_holds():
    """Whoever reads a function from its middle knows what a value is."""
    vague = [
        f"{path.relative_to(ROOT).as_posix()}:{line}: {name}"
        for path in tracked()
        if path.suffix == ".py"
        for line, name in names_given(path.read_text(encoding="utf-8"))
        if name in SAYS_NOTHING
    ]
    assert vague == []
