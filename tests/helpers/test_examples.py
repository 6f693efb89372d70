"""Every function that a notebook calls has an example, and every example runs."""

import ast
import doctest
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT / "npc_helpers", ROOT / "tools" / "npc_course"]  # what a notebook imports
NOTEBOOKS = sorted((ROOT / "notebooks" / "py").glob("*.py"))
MODULES = sorted(
    ".".join(path.relative_to(package.parent).with_suffix("").parts)
    for package in PACKAGES
    for path in package.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
NEEDS_MORE = {  # where three lines are not enough, and why
    "npc_course.exercises": "a study",
    "npc_course.lesson": "a notebook whose cells it guards",
    "npc_helpers.appraisal.run_facts": "a study with results",
    "npc_helpers.cohort.build_cohort": "the registry and visits of a study",
    "npc_helpers.cohort.flow": "the registry and visits of a study",
    "npc_helpers.cohort.screen": "the registry and visits of a study",
    "npc_helpers.figures.contact_sheet": "images",
    "npc_helpers.figures.display": "a notebook to show things in",
    "npc_helpers.figures.finer_figure": "images",
    "npc_helpers.figures.gradcam_panel": "images",
    "npc_helpers.figures.input_montage": "images",
    "npc_helpers.figures.network_diagram": "a network",
    "npc_helpers.figures.roi_montage": "images",
    "npc_helpers.figures.series_grid": "images",
    "npc_helpers.figures.study_report": "a study with results",
    "npc_helpers.imaging": "images",
    "npc_helpers.network": "images or a network",
    "npc_helpers.statistics.TooFewPatients": "a refusal, which gives nothing back",
    "npc_helpers.study": "a study",
    "npc_helpers.widgets": "a browser",
}


def called_in(path):
    """Dotted names of the functions of the package that a notebook calls."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        and node.module.startswith(("npc_helpers", "npc_course"))
        for alias in node.names
    }
    names = set()
    for function in (node.func for node in nodes if isinstance(node, ast.Call)):
        match function:
            case ast.Name(id=name) if name in imported:
                names.add(imported[name])
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in imported:
                names.add(f"{imported[name]}.{attribute}")
    return names


CALLED = sorted(set().union(*map(called_in, NOTEBOOKS)))


def excused(name):
    return any(name == more or name.startswith(f"{more}.") for more in NEEDS_MORE)


def documentation(name):
    package, room, *path = name.split(".")
    owner = importlib.import_module(f"{package}.{room}")
    for attribute in path:
        if not hasattr(owner, attribute):
            importlib.import_module(f"{owner.__name__}.{attribute}")
        owner = getattr(owner, attribute)
    return inspect.getdoc(owner) or ""


@pytest.mark.parametrize("name", [name for name in CALLED if not excused(name)])
def test_a_function_that_a_notebook_calls_has_an_example(name):
    assert ">>> " in documentation(name)


def test_no_excuse_is_out_of_date():
    assert {more for more in NEEDS_MORE if not any(n.startswith(more) for n in CALLED)} == set()


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module):
    results = doctest.testmod(importlib.import_module(module))
    assert results.failed == 0
