"""Who may import whom in `npc_helpers`, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "npc_helpers"
GROUND_FLOOR = {
    *("study", "schema", "tables", "checks", "identifying", "artefacts", "settings"),
    *("progress", "parallel"),
}
MAY_USE_KERAS = {"models", "training", "gradcam", "weight_sources"}
TOP_FLOOR = {"figures", "widgets", "notebooks", "display", "report", "__main__"}


def room(path):
    """First name below the package: `synthetic/mri.py` lives in the room `synthetic`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """Dotted names of everything that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_imported(path):
    return {
        name.split(".")[1]
        for name in imported(path)
        if name.startswith("npc_helpers.")
        and (PACKAGE / name.split(".")[1]).exists()
        or name.startswith("npc_helpers.")
        and (PACKAGE / f"{name.split('.')[1]}.py").exists()
    }


FILES = [path for path in PACKAGE.rglob("*.py") if "weights" not in path.parts]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_plan_of_the_house(path):
    here, others = room(path), rooms_imported(path) - {room(path)}
    if here in GROUND_FLOOR:
        assert others <= GROUND_FLOOR
    if here not in TOP_FLOOR:
        assert not others & TOP_FLOOR, "figures and widgets sit on top"
    if here != "__main__":
        assert "synthetic" not in others, "only the command that builds the study may use synthetic"
    if here not in MAY_USE_KERAS:
        assert not {n for n in imported(path) if n.split(".")[0] == "keras"}
    assert not {n for n in imported(path) if n.split(".")[0] == "tensorflow"}


def test_a_module_never_knows_a_notebook():
    for path in FILES:
        if room(path) in {"notebooks", "__main__"}:
            continue
        assert ".ipynb" not in path.read_text(encoding="utf-8"), path


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("keras", "tensorflow", "numpy", "pandas", "matplotlib")
    script = f"import sys, npc_helpers; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
