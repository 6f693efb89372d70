"""Who may import whom, read from the source: no exemption, and no arrow back up."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE, TOOLS = ROOT / "npc_helpers", ROOT / "tools"
MAY_USE = {
    "study": set(),
    "statistics": set(),
    "imaging": {"study"},
    "cohort": {"study"},
    "network": {"study", "imaging", "cohort", "statistics"},
    "figures": {"study", "statistics"},
    "appraisal": {"study", "cohort", "statistics"},
    "widgets": {"study", "imaging", "cohort", "network", "statistics", "figures"},
}
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]


def imported(path):
    """Dotted names of everything that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms(names):
    return {name.split(".")[1] for name in names if name.startswith("npc_helpers.")}


def test_the_listing_is_the_table_of_contents():
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert entries == set(MAY_USE) | {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_follow_the_plan_of_the_house(path):
    names = imported(path)
    room = path.relative_to(PACKAGE).parts[0]
    if room in MAY_USE:
        assert rooms(names) - {room} <= MAY_USE[room]
    top_level = {name.split(".")[0] for name in names}
    assert not {name for name in top_level if name.startswith("npc_")} - {"npc_helpers"}
    assert "tensorflow" not in top_level
    if room != "network":
        assert "keras" not in top_level, "only the networks need Keras"


def test_rooms_stand_on_floors():
    """Every room lies above all that it may use: the plan itself has no circle."""
    floor = {}
    while len(floor) < len(MAY_USE):
        ready = [room for room, below in MAY_USE.items() if below <= set(floor) - {room}]
        new = [room for room in ready if room not in floor]
        assert new, "the plan has a circle"
        floor |= {room: 1 + max((floor[b] for b in MAY_USE[room]), default=0) for room in new}
    assert max(floor.values()) <= 4


def test_a_tool_knows_no_other_tool():
    for folder in sorted(path for path in TOOLS.iterdir() if path.is_dir()):
        for path in folder.rglob("*.py"):
            packages = {n.split(".")[0] for n in imported(path) if n.startswith("npc_")}
            assert packages <= {"npc_helpers", folder.name}, path


def test_a_module_never_knows_a_notebook():
    """One table says which notebook makes what; `__main__` opens the first one in JupyterLab."""
    named = re.compile(r"\.ipynb|[Nn]otebooks? \d\d|\b\d\d_[a-z]+")
    for path in FILES:
        if path.name not in ("__main__.py", "artefact_table.py"):
            match = named.search(path.read_text(encoding="utf-8"))
            assert not match, f"{path}: {match and match.group()}"


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("keras", "tensorflow", "numpy", "pandas", "matplotlib")
    script = f"import sys, npc_helpers; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_a_statistic_imports_where_the_clinic_cannot():
    script = (
        "import sys; sys.modules['npc_helpers.study'] = None; "
        "from npc_helpers.statistics import c_index; print(c_index([1, 2], [True, True], [2, 1]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("1.000")
