"""What the documentation tells a user to type exists, and its tables are the program's own."""

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from npc_demo.__main__ import main as demo
from npc_intake.__main__ import main as intake

from npc_helpers.__main__ import COMMANDS
from npc_helpers.network.prediction import compared_scores
from npc_helpers.statistics import bootstrap_models, compare_models, share_in_order
from npc_helpers.statistics import split_differences as differences_of
from npc_helpers.study import shipped_reference
from npc_helpers.study.__main__ import main as study
from npc_helpers.study.about import KEYS
from npc_helpers.study.later import NEEDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TYPED = re.compile(r"python -m (npc_helpers\.study|npc_intake|npc_demo|npc_helpers) ([a-z0-9-]+)")
MAINS = {"npc_helpers.study": study, "npc_intake": intake}
OWN = (ROOT / "docs" / "own_images.md").read_text(encoding="utf-8")


ENDS = ("", "_low", "_high")
ARMS = ("rectangles", "whole images")


def page_text(page):
    return (ROOT / page).read_text(encoding="utf-8")


def kept(name):
    """A table that a benchmark wrote and that ships."""
    return pd.read_csv(ROOT / "data" / "reference" / "tutorial" / name)


def typed():
    commands = {
        match.groups() for page in PAGES for match in TYPED.finditer(page.read_text("utf-8"))
    }
    return sorted(commands)


@pytest.mark.parametrize(("program", "command"), typed())
def test_a_command_that_is_told_exists(program, command, capsys):
    if program == "npc_helpers":
        assert command in COMMANDS
        return
    with pytest.raises(SystemExit) as ended:
        MAINS.get(program, demo)([command, "--help"])
    assert ended.value.code == 0 and "usage" in capsys.readouterr().out


def test_the_documentation_prints_the_numbers_that_the_check_uses():
    rows = [f"| {part} | {least} {unit} |" for part, least, unit in NEEDS]
    assert "\n".join(["| part | needs at least |", "|---|---|", *rows]) in OWN


def test_the_documentation_prints_the_comparison_that_ships():
    patients, risk = compared_scores(shipped_reference)
    test = patients[patients.split == "test"]
    table = compare_models(test, {name: score[test.index] for name, score in risk.items()})
    for row in table.round(9).itertuples():
        both = [[getattr(row, m + end) for end in ENDS] for m in ("auc", "c_index")]
        cells = " | ".join("{:.3f} ({:.3f}–{:.3f})".format(*ends) for ends in both)
        assert f"| {row.model} | {cells} |" in page_text("README.md")
        shares = (row.accuracy, row.sensitivity, row.specificity, row.ppv, row.npv)
        cells += "".join(f" | {share:.3f}" for share in shares)
        assert f"| {row.model} | {cells} |" in page_text("docs/results.md")


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_the_documentation_prints_the_splits_that_ship(page):
    splits, said = kept("trained_splits.csv"), page_text(page).replace("\n", " ")
    assert splits.split.nunique() == 100 and "100 splits" in said
    for model in ("Pre-model", "Post-model", "Ensemble"):
        c_index = splits.c_index[splits.model == model]
        low, high = c_index.quantile([0.025, 0.975])
        assert f"{c_index.mean():.3f} ({low:.3f}–{high:.3f})" in said


def test_the_order_of_the_models_is_that_of_the_splits_that_ship():
    splits, said = kept("trained_splits.csv"), page_text("docs/results.md").replace("\n", " ")
    order = ("Pre-model", "Post-model", "Ensemble")
    by_c, by_auc = (share_in_order(splits, order, measure=m) for m in ("c_index", "auc"))
    assert f"in {by_c:.0%} of the splits by C-index and in {by_auc:.0%} by AUC" in said
    pairs = differences_of(splits, measure="c_index").set_index(["a", "b"])
    first, vote = pairs.loc[("Pre-model", "Post-model")], pairs.loc[("Post-model", "Ensemble")]
    lead = f"(by {-first.difference:.3f}, 95% interval {-first.high:.3f} to {-first.low:.3f})"
    assert (
        f"Post is ahead of Pre in {1 - first.a_ahead:.0%} of the splits by C-index {lead}" in said
    )
    ends = f"{vote.difference:.3f}, {vote.low:.3f} to {vote.high:.3f}".replace("-", "−")
    assert f"(Post minus Ensemble: {ends})" in said


def test_the_tables_of_other_ways_to_train_are_those_of_the_splits_that_ship():
    said, survival = page_text("docs/results.md"), kept("survival_splits.csv")
    for (model, head), rows in survival.groupby(["model", "head"]):
        low, high = rows.c_index.quantile([0.025, 0.975])
        if model != "TNM":
            assert (
                f"| {model} | {head} | {rows.c_index.mean():.3f} ({low:.2f}–{high:.2f}) |" in said
            )
    named = survival.assign(model=survival.model + ", " + survival["head"])
    pairs = differences_of(named, measure="c_index").itertuples()
    both = {(row.a, row.b): (row.difference, row.low, row.high, row.a_ahead) for row in pairs}
    both |= {(b, a): (-d, -high, -low, 1 - ahead) for (a, b), (d, low, high, ahead) in both.items()}
    printed = re.findall(r"^\| (.+?) \| (.+?) \| ([+-]\d.+? \| \d+%) \|$", said, re.MULTILINE)
    assert len(printed) > 10
    for a, b, cells in printed:
        assert cells == "{:+.3f} ({:+.3f} to {:+.3f}) | {:.0%}".format(*both[a, b])

    whole = kept("whole_image_splits.csv")
    named = whole.assign(model=whole.model + ", " + whole.arm)
    pairs = differences_of(named, measure="c_index").set_index(["a", "b"])
    for model in ("Pre-model", "Post-model", "Ensemble"):
        row = pairs.loc[(f"{model}, rectangles", f"{model}, whole images")]
        ends = f"{row.difference:.3f} ({row.low:.3f} to {row.high:.3f})"
        means = [whole.c_index[(whole.model == model) & (whole.arm == arm)].mean() for arm in ARMS]
        line = rf"\| {model} \| {means[0]:.3f} \(.+ \| {means[1]:.3f} \(.+ \| {re.escape(ends)} \|"
        assert re.search(line, said)


def test_what_a_lesson_repeats_of_a_simulation_is_what_the_documentation_says():
    lesson = page_text("notebooks/py/14_missing_values.py")
    said = page_text("docs/results.md").partition("## Gaps in EBV DNA")[2]
    rows = re.findall(r"^# \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", lesson, re.MULTILINE)
    rows = [row for row in rows if "(" in row[1]]
    assert len(rows) == 5
    for name, *cells in rows:
        value = r" \| ".join(re.sub(r"(\S+) \((\d+%)\)", r"\1, [\\d.]+, \2", c) for c in cells)
        assert re.search(rf"\| {name} \| {value} \|", said), name
    shares = [
        re.findall(r"\d+%", re.search(r"(C-index\s+in .+?)\(`benchmarks", text, re.DOTALL)[1])
        for text in (
            page_text("notebooks/py/10_how_sure.py").replace("\n# ", " "),
            " ".join(bootstrap_models.__doc__.split()).replace(
                "covered 93, 93", "covered 93%, 93%"
            ),
        )
    ]
    assert shares[0] == shares[1] and len(shares[0]) == 6


def test_every_line_of_study_toml_is_read():
    block = re.search(r"```toml\n(.*?)```", OWN, re.DOTALL)[1]
    assert set(tomllib.loads(block)) == set(KEYS)
