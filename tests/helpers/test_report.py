"""A report a researcher takes into a manuscript: vector figures, tables, one page."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_study import day, load, make_study, save

from npc_helpers import figures
from npc_helpers.cohort import progressed_by_scan, progression_free_survival
from npc_helpers.figures import study_report
from npc_helpers.figures.report import Report
from npc_helpers.study import Study, mark

TABLE = pd.DataFrame({"model": ["Pre & Post", "TNM"], "auc": [0.8123456, 0.5]})


@pytest.fixture
def written(tmp_path):
    return write(tmp_path)


def write(folder):
    mark.remember("made up", "all")
    report = Report(folder, title="A <bold> title")
    truth = np.array([0, 1, 0, 1, 1], dtype=bool)
    report.add_figure("roc", figures.roc_figure(truth, {"TNM": truth * 0.5}), "ROC curves.")
    report.add_table("models", TABLE, "All models, 95% CI.")
    return report.write()


def test_figures_are_vectors(written):
    root = ElementTree.parse(written.parent / "figures" / "roc.svg").getroot()
    assert root.tag.endswith("svg") and root.findall(".//{http://www.w3.org/2000/svg}path")
    assert (written.parent / "figures" / "roc.pdf").read_bytes().startswith(b"%PDF")


def test_tables_keep_their_digits(written):
    table = pd.read_csv(written.parent / "tables" / "models.csv")
    pd.testing.assert_frame_equal(table.drop(columns="synthetic"), TABLE)
    latex = (written.parent / "tables" / "models.tex").read_text(encoding="utf-8")
    assert r"Pre \& Post" in latex and "0.812" in latex and r"\caption{All models, 95\% CI" in latex


def test_p_values_are_printed_as_journals_want_them(tmp_path):
    """Never 0.000000, and never .050 for what lies on one side of it."""
    report = Report(tmp_path, title="")
    pairs = pd.DataFrame({"a": ["x", "y"], "difference": [0.1, 0.05], "p": [1e-12, 0.0499]})
    report.add_table("pairs", pairs.assign(p_holm=[0.2, 1.0]), "")
    page = report.write().read_text(encoding="utf-8")
    for suffix, small in (("csv", "< 0.001"), ("tex", "$<$ 0.001")):
        text = (tmp_path / "tables" / f"pairs.{suffix}").read_text(encoding="utf-8")
        assert small in text and "0.0499" in text and "1.000" in text and "0.0000" not in text
    assert "&lt; 0.001" in page and "0.0499" in page


HOSTILE = [
    *("50 % & more", "cost $5", "a_b^c~d", "#1 {x}", r"C:\users", "[0.2, 0.4]", "*", "< 0.001"),
    *("a\nb", "≤ 3 ≥ 2 − 1", "R² ± 5 × 3–4", "Müller", "鼻咽癌", "𝔸 患者 ☂"),
]


def in_latex(folder, names):
    """A table whose names, columns and caption are hostile; return its path."""
    mark.remember("100 % _ study", "all")
    report = Report(folder, title="")
    table = pd.DataFrame({"model $ & _": names, "auc": np.arange(len(names)) / 7, "n": 3})
    report.add_table("hostile", table, " / ".join(names))
    return folder / "tables" / "hostile.tex"


def test_every_sign_with_a_meaning_in_latex_is_escaped(tmp_path):
    text = in_latex(tmp_path, HOSTILE).read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    rows = body.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(rows) == len(HOSTILE)
    for row in rows:
        bare = re.sub(r"\\text[a-z]+\{\}|\\dots\{\}|\\[&%$#_{}]|\$[<>-]\$|\$\\[gl]e\$", "", row)
        assert bare.count("&") == 2 and bare.endswith(r"\\"), row
        assert not set(bare.removesuffix(r"\\")) & set("%$#_^~\\"), row
        assert not bare.lstrip().startswith(("[", "*")), row
    assert text.startswith("% study 100 % _ study, synthetic patients\n% In the preamble: ")
    assert "use XeLaTeX or LuaLaTeX" in text
    latin = in_latex(tmp_path, [name for name in HOSTILE if name.isascii() or "±" in name])
    assert "XeLaTeX" not in latin.read_text(encoding="utf-8")


@pytest.mark.parametrize(("engine", "first"), [("pdflatex", -2), ("xelatex", None)])
def test_tables_compile(tmp_path, engine, first):
    program = shutil.which(engine)
    if program is None:
        pytest.skip(f"{engine} is not installed; the test above reads the escaping")
    table = in_latex(tmp_path, HOSTILE[:first])
    document = tmp_path / "paper.tex"
    document.write_text(
        "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
        f"\\input{{{table.relative_to(tmp_path)}}}\n\\end{{document}}\n"
    )
    done = subprocess.run(
        [program, "-halt-on-error", "-interaction=nonstopmode", document.name],
        cwd=tmp_path, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert document.with_suffix(".pdf").stat().st_size > 1000


def test_the_page_holds_everything_and_fetches_nothing(written):
    page = written.read_text(encoding="utf-8")
    assert (
        "A &lt;bold&gt; title" in page
        and "All models, 95% CI. (study made up, synthetic patients)" in page
    )
    sources = re.findall(r'(?:src|href)="([^"]{4})', page)
    assert sources == ["data"]


def test_same_input_same_bytes(tmp_path):
    first, second = write(tmp_path / "a").parent, write(tmp_path / "b").parent
    files = sorted(path.relative_to(first) for path in first.rglob("*.*") if path.is_file())
    assert len(files) == 5
    for path in files:
        assert (first / path).read_bytes() == (second / path).read_bytes(), path


def test_a_name_that_leaves_the_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no file name"):
        Report(tmp_path, title="").add_table("../models", TABLE, "")


def test_maps_are_averaged_within_patients_and_each_kind_apart():
    """A patient of three images counts as much as one of a single image."""
    rows = [("a", "Grad-CAM", 1.0)] * 3 + [("b", "Grad-CAM", 3.0), ("a", "bump", 9.0)]
    scores = pd.DataFrame(rows, columns=["patient_id", "map", "energy_ratio"])
    scores = scores.assign(timepoint="post")
    report, tables = SimpleNamespace(), {}
    report.add_table = lambda name, table, caption: tables.update({name: table})
    study_report._maps(SimpleNamespace(read_table=lambda name: scores), report)
    table = tables["maps"].set_index("map")
    assert table.loc["Grad-CAM", "energy ratio"] == 2 and table.loc["Grad-CAM", "patients"] == 2
    half = 1.959964 * np.sqrt(2 / 2)  # the variance of 1 and 3 is 2, of two patients
    assert table.loc["Grad-CAM", "low"] == pytest.approx(2 - half)
    assert table.loc["bump", "energy ratio"] == 9


def test_the_report_counts_whose_scan_may_show_the_outcome_as_the_screening_does(tmp_path):
    """One progressed on the day of the scan, one died on it, one progressed the day after."""
    folder = make_study(tmp_path / "study", patients=6)
    registry = load(folder, "registry")
    registry.loc[0, ["progression_date", "progression_type"]] = day(90), "local"
    registry.loc[1, ["death_date", "last_review_date"]] = day(90), day(90)
    registry.loc[2, ["progression_date", "progression_type"]] = day(91), "local"
    save(folder, "registry", registry)
    registry = Study(folder).registry
    assert progressed_by_scan(registry).tolist() == [True, True, False, False, False, False]
    cohort = registry.merge(progression_free_survival(registry)).assign(included=True)
    study = SimpleNamespace(registry=registry, read_table=lambda name: cohort)
    study.require_outcomes = lambda purpose: None
    report = Report(tmp_path / "report", title="made up")
    study_report._follow_up(study, report)
    assert any(
        "2 of 6 patients had progressed by the day of their scan" in p for p in report._parts
    )


def test_the_report_of_a_folder_that_is_not_there_is_refused_in_words(tmp_path):
    environment = os.environ | {"NPC_STUDY": str(tmp_path / "gone")}
    command = [sys.executable, "-m", "npc_helpers.figures"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "gone: no such folder. Let NPC_STUDY name your study folder" in done.stderr
