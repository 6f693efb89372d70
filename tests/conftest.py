"""What holds for every test: the same examples everywhere, and no study opened before it."""

import pytest
from hypothesis import settings

from npc_helpers.study import mark

settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def no_study_opened_before():
    """Let each test begin like a new process: no figure carries the mark of an earlier test."""
    mark.forget()
