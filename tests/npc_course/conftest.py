"""What tests of exercises share."""

import pytest
from small_study import make_study

from npc_course.exercises import check


@pytest.fixture
def small_hospital(tmp_path, monkeypatch):
    """Let a study of two patients of somebody's hospital be the one that is open."""
    monkeypatch.setenv("NPC_STUDY", str(make_study(tmp_path / "study", patients=2)))


@pytest.fixture
def answers(capsys):
    """What an exercise says to an answer."""

    def answer(name, value, **given):
        check(name, value, **given)
        return capsys.readouterr().out

    return answer
