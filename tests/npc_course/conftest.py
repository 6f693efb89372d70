"""What tests of exercises share."""

import pandas as pd
import pytest
from small_study import make_study

from npc_course.exercises import check


@pytest.fixture
def small_hospital(tmp_path, monkeypatch):
    """Let a study of two patients of somebody's hospital be the one that is open."""
    monkeypatch.setenv("NPC_STUDY", str(make_study(tmp_path / "study", patients=2)))


@pytest.fixture
def many():
    """Forty patients; the first twenty progressed, those of lowest `risk` last."""
    names = [f"H-{number:02d}" for number in range(1, 41)]
    months = [*range(10, 30), *range(40, 60)]
    return pd.DataFrame({"pfs_months": months, "progressed": [True] * 20 + [False] * 20}, names)


@pytest.fixture
def answers(capsys):
    """What an exercise says to an answer."""

    def answer(name, value, **given):
        check(name, value, **given)
        return capsys.readouterr().out

    return answer
