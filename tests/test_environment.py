"""The lists of packages agree, and each room imports only what its group installs."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from npc_helpers import __main__ as commands

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"matplotlib-base": "matplotlib", "playwright-python": "playwright"}
NOT_IN_CONDA_FILE = {"gpu", "idc"}  # the first is another build of TensorFlow, the second optional
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GROUPS = {"core": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
NOT_A_STUDENTS = {
    "dicomweb-client",
    "distributed",
    "hypothesis",
    "idc-index",
    "imagecodecs",
    "nibabel",
    "playwright",
    "pynetdicom",
    "pytest",
    "python-gdcm",
    "statsmodels",
}
MODULES_OF = {  # what a distribution is imported as, where the name differs
    "dicom-anonymizer": "dicomanonymizer",
    "dicomweb-client": "dicomweb_client",
    "ipython": "IPython",
    "pillow": "PIL",
    "pyjpegls": "jpeg_ls",
    "python-gdcm": "gdcm",
    "scikit-learn": "sklearn",
}


def module(distribution):
    return MODULES_OF.get(distribution, distribution.replace("-", "_"))


def named(lines):
    return {canonicalize_name(r.name): r.specifier for r in map(Requirement, lines)}


def pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return named(line for line in lines if line and not line.startswith("#"))


def conda():
    """The packages under each heading of environment.yml."""
    groups, heading = {}, ""
    for line in (ROOT / "environment.yml").read_text().splitlines():
        if match := re.fullmatch(r" +# ([\w ]+)", line):
            heading = match[1]
        elif heading and (match := re.fullmatch(r" +- ([\w-]+[<>=][^:\s]*)", line)):
            requirement = Requirement(match[1])
            name = canonicalize_name(CONDA_NAMES.get(requirement.name, requirement.name))
            groups.setdefault(heading, {})[name] = requirement.specifier
    return groups


def test_conda_and_pip_ask_for_the_same_packages_group_by_group():
    asked = {group: named(lines) for group, lines in GROUPS.items()}
    assert conda() == {g: asked[g] for g in asked if g not in NOT_IN_CONDA_FILE}


@pytest.mark.parametrize("group", sorted(GROUPS.keys() - {"idc"}))
def test_every_dependency_is_pinned_to_one_allowed_version(group):
    pins = pinned()
    for name, allowed in named(GROUPS[group]).items():
        (pin,) = pins[name]
        assert pin.operator == "=="
        assert pin.version in allowed, f"{name} {pin.version} does not satisfy {allowed}"


def needed(groups):
    """Every distribution that these groups bring, as the installed ones state it."""
    waiting = [Requirement(line) for group in groups for line in GROUPS[group]]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        for extra in {"", *requirement.extras}:
            name = canonicalize_name(requirement.name), extra
            if name in seen:
                continue
            seen.add(name)
            inner = map(Requirement, metadata.requires(name[0]) or [])
            waiting += [r for r in inner if not r.marker or r.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def test_all_that_is_installed_for_the_tests_is_pinned():
    missing = needed(["core", *commands.EVERYTHING_TESTED]) - pinned().keys()
    assert missing <= {"setuptools"}, "add to constraints.txt"


def test_a_students_installation_is_light():
    assert set(commands.STUDENT) <= GROUPS.keys()
    assert set(commands.EVERYTHING_TESTED) <= GROUPS.keys()
    assert needed(["core", *commands.STUDENT]).isdisjoint(NOT_A_STUDENTS)


IMPORTS = {  # whose code may import which groups
    "npc_helpers": ("core",),
    "notebooks/py": ("core",),
    "tools/npc_course": ("core",),
    "tools/npc_demo": ("core", "demo"),
    "tools/npc_intake": ("core", "intake"),
    "tests": ("core", *commands.EVERYTHING_TESTED),
}
OURS = {"npc_helpers", "npc_demo", "npc_intake", "npc_course"}
WITH_TENSORFLOW = {"keras"}
# inside a function, with words for who lacks it
ASKED_FOR_WHEN_NEEDED = {"imagecodecs", "distributed", "highdicom"}


@pytest.mark.parametrize("folder", IMPORTS)
def test_what_is_imported_is_asked_for(folder):
    groups = [named(GROUPS[group]) for group in IMPORTS[folder]]
    allowed = {module(name) for group in groups for name in group} | OURS | WITH_TENSORFLOW
    allowed |= {*sys.stdlib_module_names, *(path.stem for path in (ROOT / "tests").rglob("*.py"))}
    for path in (ROOT / folder).rglob("*.py"):
        if "oracle" in path.parts:  # made once, with other packages and programs
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert imported(tree.body) <= allowed, path
        assert imported(ast.walk(tree)) <= allowed | ASKED_FOR_WHEN_NEEDED, path


def imported(nodes):
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def test_a_students_python_imports_all_that_the_notebooks_use():
    """Every module of three packages, and every import line of the notebooks' sources."""
    trees = [ast.parse(p.read_text(encoding="utf-8")) for p in (ROOT / "notebooks/py").glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    lines = {ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)}
    script = f"""
import importlib, pkgutil, sys
for name in {sorted(map(module, NOT_A_STUDENTS))}:
    sys.modules[name] = None
import npc_course, npc_demo, npc_helpers
for package in (npc_helpers, npc_demo, npc_course):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""
    script += "\n".join(sorted(lines))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_intake_says_which_group_it_needs():
    script = "import sys; sys.modules['nibabel'] = None; import npc_intake.__main__"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip().endswith(
        "nibabel is not installed. Run: python -m npc_helpers install intake"
    )


# --- which environment ----------------------------------------------------------------------------


@pytest.fixture
def active(monkeypatch, tmp_path):
    """Make a Python the active one: of the system, or of an environment."""

    def make(kind):
        prefix = tmp_path / kind
        (prefix / "conda-meta").mkdir(parents=True) if kind == "conda" else prefix.mkdir()
        monkeypatch.setattr(sys, "prefix", str(prefix))
        base = tmp_path / "base" if kind in ("venv", ".venv") else prefix
        monkeypatch.setattr(sys, "base_prefix", str(base))
        monkeypatch.setattr(commands, "VENV", tmp_path / ".venv")
        monkeypatch.setattr(commands, "set_up_environment", lambda groups: installed.append(groups))
        monkeypatch.setattr(commands, "run_here", lambda options: 7)
        monkeypatch.setattr(commands.subprocess, "call", lambda *_, **__: 8)
        return installed

    installed = []
    return make


@pytest.mark.parametrize("command", ["report", "lab", "tutorial"])
@pytest.mark.parametrize("kind", ["venv", "conda"])
def test_an_active_environment_that_has_all_is_used(active, kind, command, capsys):
    assert (active(kind), commands.main([command])) == ([], 7)
    assert "is used as it is" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["system", ".venv"])
def test_without_an_environment_of_ones_own_the_pinned_one_is_used(active, kind):
    installed = active(kind)
    assert commands.main(["report"]) == 8
    assert installed == [commands.STUDENT]
    assert commands.main(["report", "--here"]) == 7


def test_an_active_environment_that_lacks_something_says_what(active, monkeypatch, capsys):
    monkeypatch.setattr(commands, "_is_installed", lambda name: name != "lifelines")
    installed = active("venv")
    assert (commands.main(["report"]), len(installed)) == (8, 1)
    assert "lacks lifelines; .venv is used instead" in capsys.readouterr().out


@pytest.mark.parametrize("whose", [None, "another"])
def test_an_environment_with_the_suite_of_another_folder_is_not_used(
    active, monkeypatch, tmp_path, capsys, whose
):
    """Its tools would run beside the package of this folder."""
    origin = str(tmp_path / "another" / "tools" / "npc_course" / "__init__.py")
    tool = ModuleSpec("npc_course", None, origin=origin) if whose else None
    monkeypatch.setattr(commands, "find_spec", lambda name: tool)
    installed = active("venv")
    assert (commands.main(["lab"]), len(installed)) == (8, 1)
    assert "lacks the suite of this folder" in capsys.readouterr().out


# --- installing -----------------------------------------------------------------------------------


@pytest.fixture
def installing(tmp_path, monkeypatch):
    """Record what would be run; `fails` names the programs that do not succeed."""
    calls, fails = [], set()

    def call(arguments, **_):
        calls.append(arguments)
        return int(Path(arguments[0]).name in fails)

    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(commands, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(commands, "PYTHON", python)
    monkeypatch.setattr(commands.subprocess, "call", call)
    monkeypatch.setattr(commands.shutil, "which", lambda name: None)
    return calls, fails


def test_a_group_is_installed_once_and_stays(installing):
    calls, _ = installing
    commands.set_up_environment(["demo"])
    commands.set_up_environment(["demo"])
    commands.set_up_environment(["demo", "intake"])
    commands.set_up_environment(["demo"])
    assert [call[-1] for call in calls] == [".[demo]", ".[demo,intake]"]
    assert not any("quiet" in word for call in calls for word in call)


def test_other_pins_install_again_what_was_there(installing):
    calls, _ = installing
    commands.set_up_environment(["demo", "intake"])
    stamp = commands.VENV / "installed.txt"
    stamp.write_text("of-other-files\ndemo\nintake\n")
    commands.set_up_environment(["demo"])
    assert calls[-1][-1] == ".[demo,intake]"


def test_uv_is_used_where_it_is_and_pip_where_it_fails(installing, monkeypatch):
    calls, fails = installing
    monkeypatch.setattr(commands.shutil, "which", lambda name: "/somewhere/uv")
    commands.set_up_environment(["demo"])
    assert [Path(call[0]).name for call in calls] == ["uv"]
    fails.add("uv")
    commands.set_up_environment(["test"])
    assert [Path(call[0]).name for call in calls] == ["uv", "uv", "python"]
    fails.add("python")
    with pytest.raises(SystemExit, match="could not be installed"):
        commands.set_up_environment(["gpu"])
    assert "gpu" not in (commands.VENV / "installed.txt").read_text()


def test_a_killed_installation_begins_anew(installing, monkeypatch):
    cleared = []
    monkeypatch.setattr(commands.subprocess, "check_call", cleared.append)
    commands.set_up_environment(["demo"])
    assert not cleared and not (commands.VENV / "installing").exists()
    (commands.VENV / "installing").touch()
    commands.set_up_environment(["demo", "intake"])
    assert "--clear" in cleared[0]
