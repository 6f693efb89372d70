"""What a message tells a user to type exists: commands, options, variables, notebooks, targets."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from npc_intake.find.decisions import SKIP, read_decisions, save_decisions

from npc_helpers.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT / "npc_helpers", ROOT / "tools" / "npc_intake"]
COMMAND = re.compile(r"python -m (npc_[a-z]+(?:\.[a-z_]+)?)(?: ([a-z][a-z0-9-]+))?")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
VARIABLE = re.compile(r"\bNPC_[A-Z]+(?:_[A-Z]+)*\b")
TARGET = re.compile(r"`make ([a-z]+)`")
ELSEWHERE = {"--help", "--scheduler-file", "--nthreads"}  # every command's, and those of Dask
NOTEBOOK = re.compile(r"\b[01]\d_[a-z]+(?:_[a-z]+)*\b")


@cache
def texts():
    """Every text of the two packages but their descriptions, as (file, text)."""
    result = []
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    parts = [p.value if isinstance(p, ast.Constant) else "…" for p in node.values]
                    result.append((path.name, "".join(map(str, parts))))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    result.append((path.name, node.value))
    return result


def said(pattern):
    return sorted({m.groups("") or m[0] for _, text in texts() for m in pattern.finditer(text)})


@cache
def help_of(*words):
    run = [sys.executable, "-m", *words, "--help"]
    return subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(("program", "command"), said(COMMAND))
def test_a_command_that_is_told_exists(program, command):
    if program == "npc_helpers" and command:
        assert command in COMMANDS
        return
    words = [program, command] if command else [program]
    answer = help_of(*words)
    assert answer.returncode == 0 and "usage" in answer.stdout, answer.stderr


def test_an_option_that_is_told_belongs_to_a_command():
    spelt = [ROOT / "npc_helpers", ROOT / "tools", ROOT / "benchmarks"]
    options = {
        argument.value
        for folder in spelt
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    assert len(options) > 10
    told = {m for text in sentences() for m in OPTION.findall(text) if not m.startswith("--jp-")}
    assert told <= options | ELSEWHERE, told - options


def sentences():
    """Texts that speak to a user: they have a blank and begin or end as a sentence does."""
    return [t for _, t in texts() if " " in t and re.search(r"[.:] |\.$|python -m", t)]


def test_a_variable_that_is_told_is_read():
    names = {text for _, text in texts() if VARIABLE.fullmatch(text)}
    assert set(said(VARIABLE)) <= names, set(said(VARIABLE)) - names


def test_a_notebook_that_is_told_exists():
    lessons = {path.stem for path in (ROOT / "notebooks" / "py").glob("*.py")}
    told = {name for name in said(NOTEBOOK) if name[:2].isdigit()}
    assert told and told <= lessons, told - lessons


def test_a_target_that_is_told_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {word for line in re.findall(r"^([a-z ]+):", makefile, re.M) for word in line.split()}
    told = {name for (name,) in said(TARGET)}
    assert told and told <= targets, told - targets


def test_words_to_write_into_the_list_are_taken(tmp_path):
    example = re.compile(r"for instance '([^'…]+)'")
    told = {m[1] for name, text in texts() if name == "series.py" for m in example.finditer(text)}
    assert told
    for words in (*told, SKIP):
        save_decisions(tmp_path, {"a series": words})
        assert read_decisions(tmp_path) == {"a series": words}
