"""The gate to the search for names in a study, which is part of `npc_intake`.

The package of the lessons works where that tool is not installed; then the check of a study says
so.
"""

from importlib import import_module
from pathlib import Path

import pandas as pd

from npc_helpers.study.problems import Problem

SEARCH = "npc_intake.identity.check"
NOT_SEARCHED = Problem(
    "the study folder", "", "",
    "nobody looked for names, telephone numbers and the like, as npc_intake is not installed",
    "Install the whole suite (python -m pip install -e . in its folder) and check again before "
    "anything is shown to others.", "warning",
)  # fmt: skip


def check_identity(folder: Path, manifest: pd.DataFrame | None) -> list[Problem]:
    """Look through a study for what may still name a person: tables, results and notebooks.

    With a manifest, of rows whose path lies in the study, the headers of all images are read, too.
    Where ``npc_intake`` is not installed, `NOT_SEARCHED` is the only problem.
    """
    try:
        search = import_module(SEARCH)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != SEARCH.partition(".")[0]:
            raise
        return [NOT_SEARCHED]
    problems = search.check_texts(folder)
    if manifest is not None:
        problems += search.check_images(manifest, folder)
    return problems
