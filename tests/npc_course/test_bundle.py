"""A folder from which the course is installed without network."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from small_study import make_study

from npc_course import bundle

PINNED = version("tqdm")  # the version that this environment was installed with
PYTHON = "Scripts/python.exe" if os.name == "nt" else "bin/python"


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """A small suite that needs one package, beside what is not for learners."""
    root = tmp_path / "repository"
    mine = ("build/lib/gone.py", "npc.egg-info/SOURCES.txt", "data/by_hand/rois_me.csv")
    made = (".git/config", ".venv/pyvenv.cfg", "class/site/index.html")
    for name in ("npc_helpers/one.py", *made, *mine):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("")
    (root / "constraints.txt").write_text(f"tqdm=={PINNED}\n")
    monkeypatch.setattr(bundle, "ROOT", root)
    study = make_study(tmp_path / "study", patients=1)
    monkeypatch.setenv("NPC_STUDY", str(study))
    (study / "results" / "stacks").mkdir(parents=True)
    (study / "results" / "stacks" / "one.npy").write_bytes(b"opened")
    return root


@pytest.mark.slow
def test_the_pinned_packages_install_from_the_folder_alone(suite, tmp_path):
    folder = tmp_path / "for the class"
    assert bundle.make_bundle(folder, requirements=["tqdm"]) == 0
    names = {path.relative_to(folder / "suite").as_posix() for path in folder.rglob("suite/**/*")}
    assert "npc_helpers/one.py" in names and "results/stacks/one.npy" in names
    parts = {name.split("/")[0] for name in names}
    assert parts == {"npc_helpers", "results", "constraints.txt", "data"}
    assert not any("by_hand" in name for name in names)
    subprocess.check_call([sys.executable, "-m", "venv", str(tmp_path / "venv")])
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "../packages"}
    offline |= {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_CONFIG_FILE": os.devnull}
    install = [str(tmp_path / "venv" / PYTHON), "-m", "pip", "install", "-q", "tqdm", "setuptools"]
    subprocess.check_call(install, env=os.environ | offline, cwd=folder / "suite")
    asked = [str(tmp_path / "venv" / PYTHON), "-c", "import tqdm; print(tqdm.__version__)"]
    assert subprocess.check_output(asked, text=True).strip() == PINNED


def test_the_first_page_says_what_to_type_and_for_which_machine():
    words = bundle._start()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert python in words and "PIP_NO_INDEX" in words and "npc_helpers lab" in words


def test_a_folder_that_holds_something_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert bundle.make_bundle(tmp_path) == 1
    assert "Nothing was written" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
