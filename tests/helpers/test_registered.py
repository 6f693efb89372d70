"""Registered checks: the search for names is asked where it is installed, and missed aloud."""

import subprocess
import sys
from importlib.metadata import EntryPoints
from types import SimpleNamespace

import pytest
from small_study import make_study

from npc_helpers.study import Study, registered
from npc_helpers.study.problems import Problem

MAIL = "jane" + "@hospital.cn"  # in two parts, as this file is searched too


@pytest.fixture
def named_study(tmp_path):
    study = make_study(tmp_path)
    (study / "notes.txt").write_text(MAIL)
    return study


def test_a_study_is_searched(named_study):
    problems = Study(named_study).check(checksums=False)
    assert list(problems["problem"]) == ["it holds an e-mail address"]


def test_where_the_search_is_missing_the_check_says_so(named_study, monkeypatch):
    monkeypatch.setattr(registered, "entry_points", lambda group: EntryPoints())
    problems = Study(named_study).check(checksums=False)
    assert list(problems["problem"]) == [registered.NOT_SEARCHED.problem]
    assert "pip install" in problems.at[0, "what_to_do"] and problems.at[0, "level"] == "warning"


def test_another_package_adds_a_check(named_study, monkeypatch):
    def check(folder, manifest):
        return [Problem(folder.name, "", "", f"manifest {manifest}", "Nothing.")]

    added = SimpleNamespace(name="ours", load=lambda: check)
    both = EntryPoints([*registered.entry_points(group=registered.CHECKS), added])
    monkeypatch.setattr(registered, "entry_points", lambda group: both)
    problems = Study(named_study).check(checksums=False)
    assert set(problems["problem"]) == {"manifest None", "it holds an e-mail address"}


def test_the_search_needs_nothing_but_the_core():
    """Whoever installs the lessons only has the search as well."""
    intake = ("highdicom", "dicomweb_client", "pynetdicom", "requests", "nibabel", "imagecodecs")
    search = registered.entry_points(group=registered.CHECKS)[registered.IDENTITY].module
    script = f"import sys; sys.modules.update(dict.fromkeys({intake})); import {search}"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
