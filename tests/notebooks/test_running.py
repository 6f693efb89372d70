"""Running the notebooks: two at a time, each after what it opens; one that stops stops no other."""

import ast
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import nbformat
import psutil
import pytest

from npc_course import notebooks, running
from npc_course.order import OPENS, opens_from
from npc_helpers.study.artefact_table import ARTEFACTS, artefact

ROOT = Path(__file__).parents[2]
CELLS = {path.stem: jupytext.read(path).cells for path in notebooks.sources()}
PREDICTED = {"cohort.csv", "predictions_pre.csv", "predictions_post.csv"}
OPENED_BY = {  # functions of the package that open artefacts, and which
    "compared_scores": PREDICTED,
    "load_or_reference": {"pre_model.keras", "post_model.keras"},
    "models_to_explain": {"pre_model.keras", "post_model.keras"},
    "run_facts": PREDICTED | {"rois.csv", "scanners.csv", "comparison.csv", "gradcam_scores.csv"},
}
LATER = {"splits.csv"}  # what a checklist asks for, and a later notebook makes


def lesson(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def run_lessons(tmp_path, lessons, after=None, *, from_cell=None, **options):
    """Run lessons whose cells know the folder `here`; return the runs, and who ended when."""
    ended = []
    first_cell = f"from pathlib import Path; here = Path({str(tmp_path)!r})"

    def finish(run):
        ended.append(run.name)
        return run

    books = {name: lesson(first_cell, *cells) for name, cells in lessons.items()}
    order = running.Order(after or {}, from_cell or {})
    runs = running.run_each(books, order, finish=finish, logs=tmp_path / "logs", **options)
    return runs, ended


UNTIL = "import time\nwhile not (here / {!r}).exists(): time.sleep(0.05)"
"""A cell that waits for a file that another lesson writes."""
MADE = "(here / {!r}).write_text('')"


@pytest.mark.slow
def test_lessons_run_at_the_same_time_and_after_what_they_open(tmp_path):
    lessons = {
        "01_first": (UNTIL.format("of_third"), MADE.format("of_first")),
        "02_needs_first": ("assert (here / 'of_first').exists()",),
        "03_needs_nothing": (MADE.format("of_third"),),
    }
    after = {"02_needs_first": {"01_first", "00_not_run"}}
    runs, ended = run_lessons(tmp_path, lessons, after, at_once=2, cell_limit_s=60)
    assert [(run.name, run.error) for run in runs] == [(name, None) for name in lessons]
    assert ended.index("01_first") < ended.index("02_needs_first")


@pytest.mark.slow
def test_a_lesson_waits_at_the_cell_that_needs_another_and_not_before(tmp_path):
    lessons = {
        "01_first": (UNTIL.format("of_second"), MADE.format("of_first")),
        "02_needs_first_late": (MADE.format("of_second"), "assert (here / 'of_first').exists()"),
    }
    from_cell = {"02_needs_first_late": {2: {"01_first", "00_not_run"}}}  # 0 tells the folder
    runs, ended = run_lessons(tmp_path, lessons, from_cell=from_cell, at_once=2, cell_limit_s=60)
    assert [(run.name, run.error) for run in runs] == [(name, None) for name in lessons]
    assert ended == list(lessons)


@pytest.mark.slow
def test_one_at_a_time_none_waits_for_what_has_not_begun(tmp_path):
    """Also where the one that would wait is the first in order and most time hangs on it."""
    lessons = {
        "01_needs_second_late": ("assert (here / 'of_second').exists()",),
        "02_second": (MADE.format("of_second"),),
    }
    from_cell = {"01_needs_second_late": {1: {"02_second"}}}
    runs, ended = run_lessons(tmp_path, lessons, from_cell=from_cell, at_once=1)
    assert [run.error for run in runs] == [None, None] and ended == list(lessons)[::-1]


def test_what_most_time_hangs_on_comes_first():
    needs = {"a": set(), "b": {"a"}, "c": set(), "d": {"a", "c"}, "e": {"b"}}
    minutes = {"a": 0.5, "b": 2.0, "c": 4.0, "d": 0.25}
    assert running.time_ahead(needs, minutes) == {
        "a": 3.5, "b": 3.0, "c": 4.25, "d": 0.25, "e": 1.0
    }  # fmt: skip


@pytest.mark.slow
def test_what_stops_a_lesson_stops_no_other(tmp_path):
    lessons = {
        "01_fails": ("1 / 0", MADE.format("never")),
        "02_dies": ("import os; os._exit(1)",),
        "03_waits": ("import time; time.sleep(600)",),
        "04_needs_what_failed": ("assert not (here / 'never').exists()",),
        "05_goes_on": ("1 + 1",),
    }
    after = {"04_needs_what_failed": {"01_fails", "02_dies"}}
    runs, _ = run_lessons(tmp_path, lessons, after, at_once=3, cell_limit_s=5)
    errors = {run.name: run.error for run in runs}
    assert list(errors) == list(lessons)
    assert "ZeroDivisionError" in errors["01_fails"] and "died" in errors["02_dies"]
    assert "timed out" in errors["03_waits"].lower()
    assert errors["04_needs_what_failed"] is None and errors["05_goes_on"] is None


INTERRUPTED = """
import signal
import sys
from pathlib import Path
from npc_course import notebooks
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a script is in background
folder = Path(sys.argv[1])
names = sorted(folder.glob("*.py"))
notebooks.run_all(names, folder / "out", logs=folder / "logs", at_once=2)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends the signal of Ctrl-C as Unix does")
def test_an_interruption_keeps_what_has_ended_and_ends_the_kernels(tmp_path):
    waits = f"import os, pathlib, time\npathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch()\n"
    (tmp_path / "01_ends.py").write_text("# %%\n1 + 1\n")
    (tmp_path / "02_works.py").write_text(f"# %%\n{waits}time.sleep(600)\n")
    (tmp_path / "03_works.py").write_text(f"# %%\n{waits}time.sleep(600)\n")
    program = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE
    )
    while len(kernels := [int(p.name) for p in tmp_path.iterdir() if p.name.isdigit()]) < 2:
        assert program.poll() is None, program.stderr.read()
        time.sleep(0.1)
    program.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in program.communicate(timeout=120)[1]
    assert program.returncode != 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["01_ends.ipynb"]
    assert not any(psutil.pid_exists(pid) for pid in kernels)


@pytest.mark.parametrize(
    ("setting", "cores", "gib", "at_once"),
    [("tutorial", 2, 8, 2), ("tutorial", 8, 7, 2), ("tutorial", 4, 1, 1), ("paper", 8, 64, 1)],
)
def test_a_small_machine_and_a_large_setting_run_one_by_one(
    setting, cores, gib, at_once, monkeypatch
):
    monkeypatch.setenv("NPC_SETTING", setting)
    monkeypatch.setattr(running, "cpu_count", lambda: cores)
    memory = psutil.virtual_memory()._replace(available=gib * 2**30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert running.room_for() == at_once


@pytest.mark.parametrize("name", list(CELLS))
def test_the_table_of_artefacts_knows_what_a_notebook_opens(name):
    code = "\n".join(cell.source for cell in CELLS[name] if cell.cell_type == "code")
    tree = ast.parse(re.sub(r"^\s*[%!].*$", "", code, flags=re.M))
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    opened = set(re.findall(r'read_table\(f?"([^"]+)"', code))
    for model in ("pre", "post"):
        opened |= {file.format(when=model) for file in opened}
    opened = {file for file in opened if "{" not in file}
    opened = opened.union(*(OPENED_BY[function] for function in OPENED_BY.keys() & called))
    if "write_report" in called and name > "10":
        opened |= set(ARTEFACTS) - {"splits.csv"}
    makers = {artefact(file).maker for file in opened} - {name}
    assert makers <= opens_from(name)
    assert all(earlier < name for earlier in opens_from(name))


def test_the_second_training_begins_beside_the_first_and_waits_where_it_opens_its_predictions():
    name, maker = "04_train_post_model", "03_train_pre_model"
    cells = notebooks.opened_late(name, nbformat.v4.new_notebook(cells=CELLS[name]))
    (position,) = cells
    assert cells[position] == {maker} and maker not in opens_from(name, at_once=True)
    code = [cell.source for cell in CELLS[name] if cell.cell_type == "code"]
    place = code.index(CELLS[name][position].source)
    assert "training.train(" in "".join(code[:place])
    assert "predictions_pre" not in "".join(code[:place])


def test_each_lesson_says_what_it_takes_to_run_in_words_that_the_runner_knows():
    for path in notebooks.sources():
        told = notebooks.TO_RUN.search(jupytext.writes(jupytext.read(path), "md"))
        assert told and told["words"] in notebooks.MINUTES, path


def test_what_notebooks_open_are_artefacts():
    assert set(OPENS) <= set(CELLS)
    assert set().union(*OPENS.values()) <= set(ARTEFACTS)
