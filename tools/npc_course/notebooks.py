"""The notebooks, executed: the tutorial run, and rebuilding the committed ``.ipynb`` files."""

import os
import re
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import jinja2
import jupytext
import nbformat
import pandas as pd
from nbconvert import HTMLExporter
from traitlets.config import Config

from npc_course.cells import CLAIM, fold_claims, unsolved
from npc_course.exercises.claims import STRICT
from npc_course.order import OPENS_LATE, opens_from
from npc_course.running import FOLDER, Order, Run, run_each
from npc_helpers.study import Study, atomic_path, mark
from npc_helpers.study.artefact_table import ARTEFACTS, artefact
from npc_helpers.study.later import FEW_TEST_PATIENTS

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"


def sources(only: Collection[str] | None = None) -> list[Path]:
    """Percent scripts of the notebooks, or of those with these two digits, in reading order."""
    every = sorted((FOLDER / "py").glob("[0-9][0-9]_*.py"))
    return [path for path in every if not only or path.stem[:2] in only]


def from_source(source: Path) -> nbformat.NotebookNode:
    """Read a percent script as a notebook with stable cell ids and no outputs."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
    fold_claims(notebook)
    notebook.metadata = {
        "jupytext": {"formats": "ipynb,py//py:percent"},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    }
    return notebook


def clean_outputs(notebook: nbformat.NotebookNode) -> None:
    """Drop what would differ from run to run or swell the file, keeping what a reader sees."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        cell.outputs = [
            output
            for output in cell.outputs
            if not (output.output_type == "stream" and output.name == "stderr")
            and not is_progress_bar(output)
        ]
        for output in cell.outputs:
            if WIDGET in output.get("data", {}):
                output.data = {"text/plain": "An interactive panel: run this cell to use it."}


def is_progress_bar(output: nbformat.NotebookNode) -> bool:
    """True for what tqdm leaves in a notebook."""
    data = output.get("data", {})
    text = data.get("text/plain", "")
    return WIDGET in data and ("%|" in text or "/s]" in text)  # with a known end, or without


LINK = re.compile(r'href="(\d\d_\w+)\.ipynb')
"""From one lesson to another: as a page it leads to the other's page."""

PAGE_TEMPLATE = """\
{% extends "lab/index.html.j2" %}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block body_header -%}
{{ super() }}<p style="margin: 1rem 2rem">{{ resources.mark | escape_html }}</p>
{%- endblock -%}
{% block data_png scoped -%}
<div class="jp-RenderedImage jp-OutputArea-output" tabindex="0">
{%- set width = output | get_metadata('width', 'image/png') %}
<img alt="{{ output | get_metadata('alt', 'image/png') | escape_html }}"
{%- if width %} width="{{ width | int }}"{% endif %} style="height: auto"
 src="data:image/png;base64,{{ output.data['image/png'] }}">
</div>
{%- endblock data_png %}
"""


def to_html(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write `notebook` as one page that fetches nothing, with the pictures' text alternatives."""
    exporter = HTMLExporter(
        template_file="page.html.j2",
        extra_loaders=[jinja2.DictLoader({"page.html.j2": PAGE_TEMPLATE})],
        config=Config({"TagRemovePreprocessor": {"enabled": True, "remove_input_tags": {CLAIM}}}),
    )
    notebook = without_plotly(notebook)
    resources = {"metadata": {"name": path.stem}, "mark": mark.text()}
    body, _ = exporter.from_notebook_node(notebook, resources)
    body = LINK.sub(r'href="\1.html', body)
    with atomic_path(path) as temporary:
        temporary.write_text(body, encoding="utf-8")


def without_plotly(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy without plotly figures, which a page cannot draw; each has a picture above."""
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in cell.outputs if PLOTLY not in output.get("data", {})
            ]
    return copy


def run_all(
    names: list[Path], folder: Path, *, logs: Path, pages: Path | None = None, **how
) -> list[Run]:
    """Execute notebooks into `folder`, and as pages into `pages`; see `running.run_each`.

    Each begins as soon as the notebooks have ended of which it opens an artefact; where it opens
    that late, it waits there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notebooks = {source.stem: from_source(source) for source in names}

    def finish(run: Run) -> Run:
        notebook = notebooks[run.name]
        if Study.open().is_demonstration and (wrong := unsolved(notebook)):
            run = replace(run, error=run.error or "\n".join(wrong))
        clean_outputs(notebook)
        with atomic_path(folder / f"{run.name}.ipynb") as temporary:
            nbformat.write(notebook, temporary)
        if pages is not None:
            pages.mkdir(parents=True, exist_ok=True)
            to_html(notebook, pages / f"{run.name}.html")
        return run

    order = Order(
        after={name: opens_from(name, at_once=True) for name in notebooks},
        from_cell={name: opened_late(name, book) for name, book in notebooks.items()},
        minutes={name: minutes_to_run(book) for name, book in notebooks.items()},
    )
    return run_each(notebooks, order, finish=finish, logs=logs, **how)


def opened_late(name: str, notebook: nbformat.NotebookNode) -> dict[int, set[str]]:
    """Return by their position the cells that open what another notebook makes, and which makes it.

    Only what a notebook opens late (`OPENS_LATE`), in the first cell of code that names it.
    """
    cells: dict[int, set[str]] = {}
    for opened in OPENS_LATE.get(name, ()):
        position = next(
            number
            for number, cell in enumerate(notebook.cells)
            if cell.cell_type == "code" and f'"{opened}"' in cell.source
        )
        cells.setdefault(position, set()).add(artefact(opened).maker)
    return cells


TO_RUN = re.compile(r"^\*Time: .+, (?P<words>.+?) to run\.\*$", re.MULTILINE)
MINUTES = {
    "some seconds": 0.1,
    "a quarter of a minute": 0.25,
    "half a minute": 0.5,
    "less than a minute": 0.7,
    "one minute": 1.0,
    "two minutes": 2.0,
    "three minutes": 3.0,
    "four minutes": 4.0,
}


def minutes_to_run(notebook: nbformat.NotebookNode) -> float:
    """Return the minutes a lesson says it takes to run; one if it does not say."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    told = TO_RUN.search(text)
    return MINUTES.get(told["words"], 1.0) if told else 1.0


def tutorial(*, kernel=None) -> int:
    """Execute every notebook on the present study, then print results, times and places."""
    study = Study.open()
    executed = study.result_path("notebooks")
    pages = study.result_path("html")
    began = time.perf_counter()
    logs = study.result_path("logs")
    runs = run_all(sources(), executed, logs=logs, pages=pages, kernel=kernel)
    report(study, runs, seconds=time.perf_counter() - began)
    print(f"\nExecuted notebooks: {executed}\nHTML pages:         {pages}")
    failed = [run for run in runs if run.error]
    for run in failed:
        print(f"\n{run.name} stopped:\n{run.error}")
    return 1 if failed else 0


def report(study: Study, runs: list[Run], *, seconds: float) -> None:
    """Print the results table, what was left out and why, and what each notebook took."""
    if study.artefact_state("comparison.csv") == "current":
        print(f"\nResults in the test patients ({study.mark})")
        comparison = study.read_table("comparison.csv")
        print(results_table(comparison))
        if (n := comparison["n"].max()) < FEW_TEST_PATIENTS:
            print(f"Only {n} test patients: values such as 1.000 arise by chance in so few.")
    for reason, names in left_out(study).items():
        print(f"\nLeft out ({', '.join(names)}): {reason}")
    print("\nnotebook                       seconds   peak MiB")
    for run in runs:
        state = "   FAILED" if run.error else ""
        print(f"{run.name:<30} {run.seconds:7.1f} {run.peak_mib:10.0f}{state}")
    print(
        f"{'all, some at the same time':<30} {seconds:7.1f} "
        f"{max(run.peak_mib for run in runs):10.0f}"
    )


def left_out(study: Study) -> dict[str, list[str]]:
    """Return the artefacts that the notebooks did not make of this study, by the reason."""
    reasons: dict[str, list[str]] = {}
    for name in ARTEFACTS:
        if reason := study.why_left_out(name):
            reasons.setdefault(reason, []).append(name)
    return reasons


def results_table(comparison: pd.DataFrame) -> str:
    """Lay out ``comparison.csv`` for a terminal: a row per model, intervals beside estimates."""
    table = pd.DataFrame({"n": comparison["n"].to_numpy()}, index=comparison["model"])
    for name in ("auc", "c_index"):
        table[f"{name} (95% CI)"] = [
            f"{row[name]:.3f} ({row[name + '_low']:.3f}–{row[name + '_high']:.3f})"
            for _, row in comparison.iterrows()
        ]
    for name in ("accuracy", "sensitivity", "specificity", "ppv", "npv"):
        table[name] = comparison[name].map("{:.3f}".format).to_numpy()
    return table.to_string()


def refresh(only: Collection[str]) -> int:
    """Rebuild the committed notebooks from their sources, executed, outputs included.

    When all of them were rebuilt, their artefacts become the reference ones in ``data/``.

    Parameters
    ----------
    only : collection of str
        Two-digit numbers; empty means all.
    """
    os.environ.pop("NPC_STUDY", None)
    os.environ[STRICT] = "yes"
    runs = run_all(sources(only), FOLDER, logs=Study.open().result_path("logs"))
    for run in runs:
        print(f"{run.name:<30} {run.seconds:7.1f} s {run.peak_mib:8.0f} MiB")
        if run.error:
            print(run.error)
    if any(run.error for run in runs):
        return 1
    if not only:
        Study.open().keep_as_reference(*(a.name for a in ARTEFACTS.values() if a.reference))
    return 0
