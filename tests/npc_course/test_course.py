"""One source, all products: of a small lesson, and of the copies that learners work in."""

import os
import re
import shutil
import socket
import subprocess
import sys

import nbclient
import nbformat
import pandas as pd
import pytest
from around_exercises import around_exercises
from small_study import make_study

from npc_course import learner, products, render, room, site, slides
from npc_course.__main__ import main as course
from npc_course.cells import CLAIM, EXERCISE, SOLUTION, facts, student_version, tags, unsolved
from npc_course.exercises.checking import EXERCISES
from npc_course.notebooks import FOLDER, from_source, sources
from npc_course.running import execute
from npc_helpers.study import Study
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.settings import current_setting

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kg"
    "AAAABJRU5ErkJggg=="
)
OUTSIDE = re.compile(r"""(?:src|href)=["'](https?:|//)""")
LINK = re.compile(r"""(?:src|href)=["']([^"'#:]+)["'#]""")


def text(source, *names):
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": list(names)})


def code(source, *names, outputs=()):
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": list(names)}, outputs=list(outputs))
    return cell


def shown(*, npc=None, **data):
    kinds = {"png": "image/png", "markdown": "text/markdown", "html": "text/html"}
    mime = {kinds[kind]: value for kind, value in data.items()}
    about = {"image/png": {"alt": 'A "white" pixel.', "width": 1}} if "png" in data else {}
    return nbformat.v4.new_output(
        "display_data", mime, metadata=about | ({"npc": npc} if npc else {})
    )


def lesson():
    caption = shown(markdown="**Figure 0.1.** A pixel.", npc={"figure": "0.1"})
    return nbformat.v4.new_notebook(
        cells=[
            text("# Crop a pixel\n\nWhy.\n\n*Time: 6 minutes to read, one minute to run.*"),
            text("## The pixel\n\nIt is white: [the next](01_two.ipynb).\n\nSpoken: why white?"),
            code("show(figure)", outputs=[shown(png=PNG), caption]),
            code("claim(x > 0.5, '…')", "claim", outputs=[shown(markdown="It is **white**.")]),
            text("> **Exercise 00.1 – fill in one line** (3 minutes). Who?", EXERCISE),
            code("patient = 'H-03'  # fill in\ncheck('00.1', patient)", SOLUTION),
            text("Ask them to guess.", "notes"),
        ]
    )


@pytest.fixture
def made(tmp_path, monkeypatch):
    pytest.importorskip("sphinx_revealjs")
    monkeypatch.setenv("NPC_STUDY", str(make_study(tmp_path / "study")))
    products.write_products({"00_one": lesson(), "01_two": lesson()}, tmp_path / "class")
    return tmp_path / "class"


def test_a_class_says_where_it_stands_also_in_a_file(tmp_path, monkeypatch, capsys):
    """`make class > log`: a line as soon as something is written, and not only at the end."""
    pytest.importorskip("sphinx_revealjs")
    monkeypatch.setenv("NPC_STUDY", str(make_study(tmp_path / "study")))
    products.write_products({"00_one": lesson(), "01_two": lesson()}, tmp_path / "class")
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == ["1 of 2: 00_one", "2 of 2: 01_two", "Site and its panels"]


# --- the products -------------------------------------------------------------------------------


def test_pages_and_slides_fetch_nothing_and_every_link_leads_somewhere(made):
    pages = list(made.rglob("*.html"))
    assert len(pages) == 3 * (2 + 5 + 1 + 3)  # lessons, documents, contents and panels of each
    for page in pages:
        content = page.read_text(encoding="utf-8")
        assert not OUTSIDE.search(content), page
        for target in set(LINK.findall(content)):
            if not re.match(r"\d\d_", target) or target.startswith(("00_one", "01_two")):
                assert (page.parent / target).exists(), (page, target)


def test_lessons_lead_to_those_before_and_after(made):
    first = (made / "site" / "00_one.html").read_text(encoding="utf-8")
    assert 'rel="next" href="01_two.html"' in first and 'rel="prev"' not in first
    assert '<a href="01_two.html">the next</a>' in first
    assert 'alt="A &quot;white&quot; pixel."' in first
    assert "<figcaption><p><strong>Figure 0.1.</strong> A pixel.</p>" in first
    assert "study study" in first  # the mark of the study


def test_claims_are_said_and_their_code_is_not_shown(made):
    for page in (made / "site" / "00_one.html", made / "slides" / "00_one.html"):
        content = page.read_text(encoding="utf-8")
        assert "<strong>white</strong>" in content and "0.5" not in content


def test_teachers_notes_reach_the_teacher_alone(made):
    for place in ("student", "solutions", "site"):
        for path in (made / place).glob("00_one.*"):
            assert "Ask them to guess" not in path.read_text(encoding="utf-8")
    spoken = (made / "slides" / "00_one.html").read_text(encoding="utf-8")
    assert "Ask them to guess" in spoken.split('<aside class="notes">')[-1]
    page = (made / "instructor" / "00_one.html").read_text(encoding="utf-8")
    assert '<div class="notes"><p>Ask them' in page and "exercises, minutes" in page


def test_answers_are_folded_on_pages_and_absent_for_students(made):
    page = (made / "site" / "00_one.html").read_text(encoding="utf-8")
    assert page.index("<details><summary>An answer") < page.index("H-03")
    assert "H-03" not in (made / "student" / "00_one.ipynb").read_text(encoding="utf-8")


def test_slides_show_little_and_speak_the_rest(made):
    columns = slides.columns(lesson())
    assert [len(column) for column in columns] == [1, 4]
    section, picture, question, answer = columns[1]
    assert section.body.startswith("<h2>The pixel</h2><p>It is white")
    assert "Spoken" not in section.body
    assert "Spoken: why white?" in section.notes
    assert picture.body.count("<img") == picture.body.count("<figcaption>") == 1
    assert "Figure 0.1." in picture.body and "<strong>white</strong>" in picture.body
    assert "Who?" in question.body and "H-03" not in question.body and "H-03" in answer.body
    assert "fill in" not in answer.body


def test_printed_lines_are_a_slide_where_something_is_claimed_of_them():
    def of(*cells):
        title = nbformat.v4.new_markdown_cell("# T")
        save = nbformat.v4.new_markdown_cell("## Save")
        shown = slides.columns(nbformat.v4.new_notebook(cells=[title, save, *cells]))
        return [slide.body for column in shown[1:] for slide in column]

    line = nbformat.v4.new_output("stream", name="stdout", text="saved\n")
    printed = code("print('saved')", outputs=[line])
    assert of(printed) == []  # a heading alone is no slide either
    (slide,) = of(printed, code("claim(True, 'x')", CLAIM))
    assert slide.startswith("<h2>Save</h2>") and "saved" in slide


def test_a_long_paragraph_begins_on_the_slide_and_goes_on_in_the_notes():
    book = lesson()
    long = "First things first. " + "More of it. " * 40
    book.cells[1].source = f"## The pixel\n\n{long.strip()}"
    section = slides.columns(book)[1][0]
    shown = section.body.count("More of it.")
    assert "First things first." in section.body and 20 < shown < 30
    assert section.notes.count("More of it.") == 40


def slides_of(text_of_section, *outputs):
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# T"),
            nbformat.v4.new_markdown_cell(f"## Count\n\n{text_of_section}"),
            code("table", outputs=list(outputs)),
            code("claim(True, '…')", CLAIM, outputs=[shown(markdown="It is so.")]),
        ]
    )
    return [slide.body for slide in slides.columns(book)[1]]


def rows(n):
    table = pd.DataFrame({"patients": range(n)}).to_html()
    return nbformat.v4.new_output("execute_result", {"text/html": table})


def test_a_short_table_shares_the_slide_of_its_text_and_a_long_one_has_its_own():
    (together,) = slides_of("How many?", rows(4))
    assert "How many?" in together and together.count("<tr") == 5 and "It is so." in together
    text, table = slides_of("How many?", rows(15))
    assert "<tr" not in text and table.count("<tr") == 16 and "It is so." in table


def test_of_a_table_longer_than_a_slide_the_first_rows_are_shown_and_counted():
    _, table = slides_of("How many?", rows(40))
    assert table.count("<tr") == 1 + slides.LINES_OF_A_TABLE
    assert f"The first {slides.LINES_OF_A_TABLE} of 40 rows" in table and "<td>39</td>" not in table


def test_a_list_that_a_colon_announces_and_a_table_stand_below_their_paragraph():
    assert "<li>one" in slides_of("Two rules:\n\n1. one\n2. two")[0]
    assert "<li>one" not in slides_of("Two rules.\n\n- one\n- two")[0]
    assert "<td>0.4</td>" in slides_of("Simulated.\n\n| a |\n|---|\n| 0.4 |")[0]


def test_a_panel_that_needs_python_is_no_slide():
    panel = nbformat.v4.new_output("display_data", {"text/plain": render.PANEL})
    (text,) = slides_of("Decide.", panel)
    assert "running notebook" not in text


def test_explorers_work_on_the_pages_or_say_what_is_missing(made):
    for part in ("site", "slides", "instructor"):
        panel = (made / part / "ScreeningExplorer.html").read_text(encoding="utf-8")
        assert "no surgery in the treatment" in panel
        maps = (made / part / "GradCamExplorer.html").read_text(encoding="utf-8")
        assert "This panel cannot be shown" in maps and "notebook" in maps
    shown = nbformat.v4.new_output("display_data", {"text/plain": render.PANEL})
    cell = code("GradCamExplorer.from_maps(study)", outputs=[shown])
    assert '<iframe src="GradCamExplorer.html"' in render.outputs(cell)[0]


def test_a_table_of_sentences_is_set_as_text():
    def shown(value):
        table = pd.DataFrame({"n": [1], "remark": [value]}).to_html()
        cell = code(
            "table", outputs=[nbformat.v4.new_output("execute_result", {"text/html": table})]
        )
        return render.outputs(cell)[0]

    assert 'class="table words"' in shown("No two of these numbers agree in the text.")
    assert 'class="table"' in shown("0.617 (95% CI 0.429–0.775)")


def test_minutes_are_those_that_the_lesson_tells():
    assert site.minutes(lesson()) == (6, 3)
    assert "| The pixel | 1 | 3 |" in products.timing(lesson())


@pytest.mark.parametrize("command", [["notebooks", "7"], ["class", "out", "--only", "00", "site"]])
def test_a_number_that_no_lesson_has_is_told_with_those_there_are(command, capsys):
    with pytest.raises(SystemExit):
        course(command)
    said = capsys.readouterr().err
    assert f"'{command[-1]}' is no lesson; there are 00 01 02" in said


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert products.make_class(tmp_path, ["99"]) == 1
    assert "Nothing was written" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


# --- solutions and stubs do not drift apart -----------------------------------------------------


def executed(book, tmp_path):
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=600, resources=resources).execute()
    return book


@pytest.mark.slow
def test_a_solution_passes_and_its_stub_gets_the_hint_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("NPC_STUDY", str(make_study(tmp_path / "study")))
    book = lesson()
    del book.cells[2:4]
    book.cells.insert(1, code("from npc_course.exercises import check"))
    assert unsolved(executed(student_version(book), tmp_path)) == [
        f"**00.1** is still open. *Hint:* {EXERCISES['00.1'].hint}"
    ]
    solved = executed(book, tmp_path)
    assert unsolved(solved) == []
    assert [fact for cell in solved.cells for fact in facts(cell)] == [
        {"exercise": "00.1", "right": True}
    ]


def computed_before(sandbox):
    """Let lessons find what the demonstration study has of finished trainings and features."""
    results, setting = Study.open().folder / "results", current_setting().name
    for part in ("runs", "features"):
        if (kept := results / setting / part).is_dir():
            unfinished = shutil.ignore_patterns(".part-*")  # a lesson may run at the same time
            shutil.copytree(kept, sandbox / "results" / setting / part, ignore=unfinished)


@pytest.mark.slow
@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_stubs_of_a_lesson_run_to_the_end_and_get_hints(source, kernel, tmp_path, monkeypatch):
    """The demonstration study, in a sandbox: each stub fails its check, and no cell stops.

    Cells that a stub cannot reach are run in the committed lessons.
    """
    monkeypatch.delenv("NPC_STUDY", raising=False)
    monkeypatch.setenv("NPC_SANDBOX", str(tmp_path))
    computed_before(tmp_path)
    book = around_exercises(student_version(from_source(source)))
    log = tmp_path / "log"
    run = execute(book, source.stem, progress=progress_bar(), log=log, kernel=kernel)
    assert run.error is None, run.error
    said = unsolved(book)
    asked = [cell for cell in book.cells if SOLUTION in tags(cell)]
    assert len(said) == len(asked) >= 2
    for words in said:
        exercise = EXERCISES[re.match(r"\*\*(\d\d\.\d+)\*\*", words)[1]]
        assert words.endswith(f"*Hint:* {exercise.hint}")
    assert not (FOLDER / "results").exists()


def test_what_a_stub_can_change_is_run_with_what_it_needs_and_nothing_else():
    book = nbformat.v4.new_notebook(
        cells=[
            text("Who?"),
            code("import math\n%matplotlib inline"),
            code("n, rest = 3, [1]"),
            code("figure = math.pi"),  # leads to no exercise and follows from none
            code("def twice():\n    return 2 * n"),
            code("answer = ...\ncheck('00.1', answer, given=twice())", SOLUTION),
            code("rest.append(answer)"),
            code("print(figure)"),
            code("print(rest)"),  # changed by what the learner answers
            code("tau = 2 * math.pi"),
            code("study.write_table('labels.csv', tau)"),
        ]
    )
    part = around_exercises(book)
    assert part.cells == [book.cells[number] for number in (1, 2, 4, 5, 6, 8, 9, 10)]
    assert len(book.cells) == 11


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_solutions_of_a_lesson_passed_every_check_when_it_was_run(source):
    """As committed, and the committed lesson is that of its source (another test)."""
    book = nbformat.read(FOLDER / f"{source.stem}.ipynb", as_version=4)
    noted = {cell.source: facts(cell) for cell in book.cells if SOLUTION in tags(cell)}
    for code, about in noted.items():
        numbers = re.findall(r'check\("(\d\d\.\d+)"', code)
        assert about == [{"exercise": name, "right": True} for name in numbers] != []


# --- a learner's copies -------------------------------------------------------------------------


@pytest.fixture
def lessons(tmp_path, monkeypatch):
    """Two small lessons in place of the course's; returns the folder of their sources."""
    folder = tmp_path / "py"
    folder.mkdir()
    for name in ("00_one", "01_two"):
        (folder / f"{name}.py").write_text(f"# %% [markdown]\n# # {name}\n\n# %%\nx = 1\n")
    monkeypatch.setattr(learner, "sources", lambda: sorted(folder.glob("*.py")))
    return folder


def change(path, source):
    book = nbformat.read(path, as_version=4)
    book.cells[1].source = source
    nbformat.write(book, path)


def test_copies_are_made_once_and_paired_with_nothing(lessons, tmp_path):
    place = tmp_path / "learner"
    assert learner.prepare(place) == ["00_one.ipynb: new", "01_two.ipynb: new"]
    assert learner.prepare(place) == []
    assert "jupytext" not in nbformat.read(place / "00_one.ipynb", as_version=4).metadata
    assert (place / "jupytext.toml").read_text() == 'formats = "ipynb"\n'


def test_an_upgrade_replaces_only_what_nobody_worked_in(lessons, tmp_path):
    place = tmp_path / "learner"
    learner.prepare(place)
    book = nbformat.read(place / "00_one.ipynb", as_version=4)  # run, and not written in
    book.cells[1].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(book, place / "00_one.ipynb")
    change(place / "01_two.ipynb", "x = 'my work'")
    for path in lessons.glob("*.py"):
        path.write_text(path.read_text() + "\n# %%\nnewer = True\n")
    mine = (place / "01_two.ipynb").read_bytes()
    first, second = learner.prepare(place)
    assert first == "00_one.ipynb: replaced by a newer one" and "yours is kept" in second
    assert (place / "01_two.ipynb").read_bytes() == mine
    assert "newer" in (place / learner.NEWER / "01_two.ipynb").read_text()
    assert learner.prepare(place) == []


@pytest.mark.parametrize("lost", ["note", "notebook"])
def test_what_cannot_be_told_apart_is_the_learners(lessons, tmp_path, lost):
    place = tmp_path / "learner"
    learner.prepare(place)
    change(place / "00_one.ipynb", "x = 'my work'")
    if lost == "note":
        (place / learner.ISSUED).unlink()
    else:
        (place / "00_one.ipynb").write_text("{ half a notebook")
    mine = (place / "00_one.ipynb").read_bytes()
    learner.prepare(place)
    assert (place / "00_one.ipynb").read_bytes() == mine


@pytest.mark.parametrize("own_study", [False, True])
def test_lab_opens_copies_and_names_a_sandbox_unless_the_study_is_ones_own(
    own_study, lessons, tmp_path, monkeypatch
):
    started = {}
    monkeypatch.setattr(learner, "FOLDER", tmp_path / "repository" / "notebooks")
    monkeypatch.setattr(learner.subprocess, "call", lambda command, **how: started.update(how) or 0)
    monkeypatch.delenv("NPC_STUDY", raising=False)
    study = make_study(tmp_path / "study")
    if own_study:
        monkeypatch.setenv("NPC_STUDY", str(study))
    assert learner.lab() == 0
    place = study / "notebooks" if own_study else tmp_path / "repository" / "learner"
    assert started["cwd"] == place and (place / "00_one.ipynb").exists()
    assert started["env"].get("NPC_SANDBOX") == (None if own_study else str(place))


def test_lab_asks_no_question_at_first_start_and_keeps_other_settings(
    lessons, tmp_path, monkeypatch
):
    """What JupyterLab itself reads of the environment in which it is started."""
    config = tmp_path / "config" / "labconfig"
    config.mkdir(parents=True)
    (config / "page_config.json").write_text('{"disabledExtensions": {"of-the-hospital": true}}')
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(config.parent))
    monkeypatch.setenv("NPC_STUDY", str(make_study(tmp_path / "study")))
    read = "from jupyterlab_server.config import get_page_config as g; print(g([])['{}'])"
    command = [sys.executable, "-c", read.format("disabledExtensions")]
    said = []

    def instead(_, *, cwd, env):
        said.append(subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True))
        return said[0].returncode

    monkeypatch.setattr(learner.subprocess, "call", instead)
    assert learner.lab() == 0
    off = said[0].stdout
    assert "@jupyterlab/apputils-extension:announcements" in off and "of-the-hospital" in off


@pytest.mark.skipif(os.name == "nt", reason="the other JupyterLab is a shell script")
def test_lab_is_that_of_this_python_whatever_lies_first_on_the_path(
    lessons, tmp_path, monkeypatch, capfd
):
    foreign = tmp_path / "bin" / "jupyter-lab"
    foreign.parent.mkdir()
    foreign.write_text("#!/bin/sh\necho another\n")
    foreign.chmod(0o755)
    monkeypatch.setenv("PATH", f"{foreign.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NPC_STUDY", str(make_study(tmp_path / "study")))
    call = subprocess.call
    monkeypatch.setattr(
        learner.subprocess, "call", lambda command, **how: call([*command, "--version"], **how)
    )
    assert learner.lab() == 0
    assert re.search(r"^\d+\.\d+", capfd.readouterr().out, flags=re.M)


# --- the room -----------------------------------------------------------------------------------


def test_a_room_that_lacks_something_is_told_what(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NPC_STUDY", str(make_study(tmp_path / "study", patients=2)))
    monkeypatch.setattr(room, "DISK_GIB", 10**6)
    monkeypatch.setitem(room.CHECKS, "panel", lambda: (True, "one was made"))
    assert room.check_room() == 1
    printed = capsys.readouterr().out
    assert "NOT YET  disk" in printed and "0 of 8 series are opened" in printed
    assert "ready   study: 8 series" in printed and "2 of 6 not ready yet" in printed


def test_ports_that_are_all_taken_are_noticed(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        monkeypatch.setattr(room, "PORTS", range(number, number + 1))
        assert room.ports()[0] is False
    assert room.ports()[0] is True


@pytest.mark.slow
def test_a_panel_is_made_and_what_asks_for_the_network_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NPC_STUDY", str(make_study(tmp_path / "study")))
    if not room.Path(sys.prefix, "share/jupyter/labextensions/anywidget").is_dir():
        pytest.skip("anywidget is installed elsewhere")
    assert room.panel() == (True, "one was made without network")
    asking = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)"
    monkeypatch.setattr(room, "PANEL", asking)
    ready, words = room.panel()
    assert not ready and "asked for 192.0.2.1" in words
