"""Checks of a study that other packages bring along; the search for names is one of them.

A package offers a check by an entry point of the group `CHECKS` (``pyproject.toml``): a function of
the study's folder and its manifest that returns a list of `Problem`. Without a manifest it leaves
the images alone.
"""

from importlib.metadata import entry_points
from pathlib import Path

import pandas as pd

from npc_helpers.study.problems import Problem

CHECKS = "npc_helpers.study_checks"
IDENTITY = "identity"  # name of the entry point that looks for names
NOT_SEARCHED = Problem(
    "the study folder", "", "",
    "nobody looked for names, telephone numbers and the like, as npc_intake is not installed",
    "Install the whole suite (python -m pip install -e . in its folder) and check again before "
    "anything is shown to others.", "warning",
)  # fmt: skip


def registered_checks(folder: Path, manifest: pd.DataFrame | None) -> list[Problem]:
    """Return what the registered checks find; `NOT_SEARCHED` if none of them looks for names."""
    checks = entry_points(group=CHECKS)
    problems = [problem for check in checks for problem in check.load()(folder, manifest)]
    return problems if IDENTITY in checks.names else [*problems, NOT_SEARCHED]
