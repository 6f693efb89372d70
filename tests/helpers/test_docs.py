"""What the documentation tells a user to type exists, and its tables are the program's own."""

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from npc_demo.__main__ import main as demo
from npc_intake.__main__ import main as intake

from npc_helpers.__main__ import COMMANDS
from npc_helpers.study.__main__ import main as study
from npc_helpers.study.about import KEYS
from npc_helpers.study.later import NEEDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TYPED = re.compile(r"python -m (npc_helpers\.study|npc_intake|npc_demo|npc_helpers) ([a-z0-9-]+)")
MAINS = {"npc_helpers.study": study, "npc_intake": intake}
OWN = (ROOT / "docs" / "own_images.md").read_text(encoding="utf-8")


def typed():
    found = {match.groups() for page in PAGES for match in TYPED.finditer(page.read_text("utf-8"))}
    return sorted(found)


@pytest.mark.parametrize(("program", "command"), typed())
def test_a_command_that_is_told_exists(program, command, capsys):
    if program == "npc_helpers":
        assert command in COMMANDS
        return
    with pytest.raises(SystemExit) as ended:
        MAINS.get(program, demo)([command, "--help"])
    assert ended.value.code == 0 and "usage" in capsys.readouterr().out


def test_the_documentation_prints_the_numbers_that_the_check_uses():
    rows = [f"| {part} | {least} {what} |" for part, least, what in NEEDS]
    assert "\n".join(["| part | needs at least |", "|---|---|", *rows]) in OWN


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_the_documentation_prints_the_splits_that_ship(page):
    splits = pd.read_csv(ROOT / "data" / "reference" / "tutorial" / "trained_splits.csv")
    said = (ROOT / page).read_text(encoding="utf-8").replace("\n", " ")
    assert splits.split.nunique() == 100 and "100 splits" in said
    for model in ("Pre-model", "Post-model", "Ensemble"):
        c_index = splits.c_index[splits.model == model]
        low, high = c_index.quantile([0.025, 0.975])
        assert f"{c_index.mean():.3f} ({low:.3f}–{high:.3f})" in said


def test_every_line_of_study_toml_is_read():
    block = re.search(r"```toml\n(.*?)```", OWN, re.DOTALL)[1]
    assert set(tomllib.loads(block)) == set(KEYS)
