"""The gate to the search for names: asked where it is installed, and missed aloud elsewhere."""

import subprocess
import sys

import pytest
from small_study import make_study

from npc_helpers.study import Study
from npc_helpers.study.identifying import NOT_SEARCHED, SEARCH

MAIL = "jane" + "@hospital.cn"  # in two parts, as this file is searched too


@pytest.fixture
def named_study(tmp_path):
    study = make_study(tmp_path)
    (study / "notes.txt").write_text(MAIL)
    return study


def test_a_study_is_searched(named_study):
    found = Study(named_study).check(checksums=False)
    assert list(found["problem"]) == ["it holds an e-mail address"]


def test_where_the_search_is_missing_the_check_says_so(named_study, monkeypatch):
    monkeypatch.setitem(sys.modules, SEARCH, None)
    found = Study(named_study).check(checksums=False)
    assert list(found["problem"]) == [NOT_SEARCHED.problem]
    assert "pip install" in found.at[0, "what_to_do"] and found.at[0, "level"] == "warning"


def test_the_search_needs_nothing_but_the_core():
    """Whoever installs the lessons only has the search as well."""
    intake = ("highdicom", "dicomweb_client", "pynetdicom", "requests", "nibabel", "imagecodecs")
    script = f"import sys; sys.modules.update(dict.fromkeys({intake})); import {SEARCH}"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
