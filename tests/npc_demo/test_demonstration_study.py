"""The page about the demonstration study says what the committed tables hold."""

import importlib.util
import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "demonstration_study.md"


@pytest.fixture(scope="module")
def published():
    spec = importlib.util.spec_from_file_location("p", ROOT / "docs" / "published_figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_numbers_of_the_page_are_those_of_the_tables(published):
    page = PAGE.read_text(encoding="utf-8")
    table = page.split(published.BEGIN)[1].split(published.END)[0].splitlines()
    assert table == published.lines(), "run: python docs/published_figures.py"


def test_totals_equal_the_published_ones(published):
    """Only the division into training and test may differ."""
    counts = [line for line in published.lines() if "total (training, test)" in line]
    assert len(counts) == 17
    for line in counts:
        _, _, _, theirs, ours, _ = line.split("|")
        assert theirs.split()[0] == ours.split()[0], line


def test_published_table_1_adds_up(published):
    """Each characteristic of the transcribed table covers the 163 and 43 patients."""
    table = pd.DataFrame(published.TABLE_1.values(), columns=["train", "test", "p"])
    sums = table.groupby([name for name, _ in published.TABLE_1])[["train", "test"]].sum()
    assert (sums == [163, 43]).all(axis=None)


def test_page_shows_every_sheet_and_no_sheet_is_large():
    shown = re.findall(r"!\[[^\]]{20,}\]\((images/sheet_\w+\.png)\)", PAGE.read_text("utf-8"))
    sheets = {path.relative_to(PAGE.parent).as_posix() for path in PAGE.parent.rglob("sheet_*.png")}
    assert set(shown) == sheets
    assert 1 <= len(sheets) <= 5
    for name in sheets:
        path = PAGE.parent / name
        assert path.stat().st_size < 300_000
        assert min(Image.open(path).size) > 400


def test_commands_of_the_page_exist():
    from npc_demo.__main__ import _options

    from npc_helpers.__main__ import COMMANDS

    page = PAGE.read_text(encoding="utf-8")
    targets = re.findall(r"^(\w+)(?=:)", (PAGE.parents[1] / "Makefile").read_text("utf-8"), re.M)
    assert "verify" in targets and "study" in COMMANDS
    assert set(re.findall(r"^make (\w+)", page, re.M)) <= {*COMMANDS, *targets}
    for line in re.findall(r"^python -m npc_demo (.*?)(?: +#.*)?$", page, re.M):
        assert _options(line.split()).folder is not None
