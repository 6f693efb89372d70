"""Every notebook keeps the house's conventions (source, pair, outputs, headings, size)."""

import ast
import base64
import io
import itertools
import json
import re
import statistics

import jupytext
import nbformat
import pytest
from PIL import Image

from npc_course import notebooks
from npc_course.cells import CLAIM, NOTES, tags
from npc_helpers.figures.describe import LONGEST
from npc_helpers.figures.display import PAGE_DPI, PROJECTOR_DPI

SOURCES = notebooks.sources()
OPENING = ["## What you'll do", "## What you'll learn", "## What you'll need"]
CLOSING = [
    "## What you have now",
    "## Check yourself",
    "## Further reading",
    "## Versions and data",
]
LONGEST_CELL = 20
FEWEST_CELLS, MOST_CELLS = 30, {"09_probabilities_and_decisions": 52}
MEDIAN_LINES = {"12_survival_networks": 6, "14_missing_values": 6, "15_next_examination": 7}
LARGEST_NOTEBOOK = 1_500_000
MACHINE_PATH = re.compile(r"(/home/|/root/|/tmp/|/work/|/Users/|[A-Z]:\\\\)")


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request):
    return request.param


@pytest.fixture
def notebook(source):
    return nbformat.read(source.parents[1] / f"{source.stem}.ipynb", as_version=4)


def markdown(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_is_one_notebook_for_each_source():
    executed = {path.stem for path in notebooks.FOLDER.glob("*.ipynb")}
    assert executed == {path.stem for path in SOURCES}


@pytest.mark.parametrize("page", ["README.md", "notebooks/py/00_start_here.py"])
def test_every_lesson_stands_where_a_reader_looks_for_it(page):
    text = (notebooks.FOLDER.parent / page).read_text(encoding="utf-8")
    listed = re.findall(r"^(?:# )?\| \[?`?(\d\d_\w+)`?", text, flags=re.M)
    assert listed == [path.stem for path in SOURCES if path.stem in listed or path.stem[:2] > "00"]


def test_pair_is_synchronised(source, notebook):
    def content(book):
        return [(c.cell_type, c.source, c.metadata.get("tags", [])) for c in book.cells]

    assert content(jupytext.read(source)) == content(notebook)


def test_outputs_are_fresh(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_every_lesson_leaves_out_what_a_study_cannot_support(source):
    code = [c.source for c in jupytext.read(source).cells if c.cell_type == "code"]
    imports = ("import ", "from ")
    work = next(c for c in code if not all(x.startswith(imports) for x in c.split("\n") if x))
    assert "begin(study)" in work  # nothing but imports comes before it


def test_opening_and_closing_sections_stand_in_order(source, notebook):
    text = markdown(notebook)
    assert text.startswith("# ")
    headings = [*OPENING, *CLOSING]
    places = [text.find(heading) for heading in headings]
    assert -1 not in places, [h for h, p in zip(headings, places, strict=True) if p < 0]
    assert places == sorted(places)
    assert re.search(r"\*Time: \d+ minutes? to read, [\w ]+ to run\.\*", text)


def test_a_lesson_links_to_lessons_only(source):
    """A learner's copy and the pages of a class have the lessons beside them, and nothing else."""
    text = "\n".join(c.source for c in jupytext.read(source).cells if c.cell_type == "markdown")
    inside = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert set(inside) <= {f"{path.stem}.ipynb" for path in SOURCES}


def test_formulas_are_written_in_words_and_signs(source):
    """Pages and slides open without network, so nothing there sets TeX."""
    text = "\n".join(c.source for c in jupytext.read(source).cells if c.cell_type == "markdown")
    assert re.findall(r"\$[^$`]+\$|\\[(\[]", text) == []


def test_nothing_that_a_study_may_lack_is_asked_in_the_cell_that_begins(source):
    """`begin` guards from the next cell on."""
    code = [c.source for c in jupytext.read(source).cells if c.cell_type == "code"]
    (cell,) = [cell for cell in code if "begin(study)" in cell]
    asked = [word for word in ("require_", "read_table", "find_result") if word in cell]
    assert asked == []


def test_code_cells_are_short(notebook):
    for cell in code_cells(notebook):
        assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.source


def lines_of_code(cell):
    return [x for x in cell.source.splitlines() if x.strip() and not x.strip().startswith("#")]


def test_a_lesson_has_short_steps_and_more_prose_than_code(source):
    """Notes are the teacher's; a claim is prose, and its code is folded."""
    cells = [cell for cell in jupytext.read(source).cells if NOTES not in tags(cell)]
    prose = [cell for cell in cells if cell.cell_type == "markdown" or CLAIM in tags(cell)]
    code = [cell for cell in cells if cell not in prose]
    assert FEWEST_CELLS <= len(cells) <= MOST_CELLS.get(source.stem, 50)
    median = statistics.median(len(lines_of_code(cell)) for cell in code)
    assert median <= MEDIAN_LINES.get(source.stem, 5)
    assert len(prose) >= 1.05 * len(code)


def test_every_picture_has_a_text_alternative_and_is_read_afterwards(notebook):
    for position, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if "image/png" not in output.get("data", {}):
                continue
            seen = output.metadata["image/png"]["alt"]
            assert seen.endswith(".") and len(seen) <= LONGEST
            after = notebook.cells[position + 1]
            assert after.cell_type == "markdown" or CLAIM in tags(after)


def numbers_of_figures(source):
    """The number in each call of `show`, in reading order."""
    code = "\n".join(c.source for c in jupytext.read(source).cells if c.cell_type == "code")
    calls = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    shown = [call for call in calls if getattr(call.func, "id", "") == "show"]
    return [call.args[1].value for call in sorted(shown, key=lambda call: call.lineno)]


def test_figures_are_numbered_in_reading_order(source):
    numbers = numbers_of_figures(source)
    lesson = int(source.stem[:2])
    assert numbers and numbers == [f"{lesson}.{k}" for k in range(1, len(numbers) + 1)]


NOT_OF_THE_STUDY = {"7.1": "(printed by Li et al. 2022)"}  # every other figure carries the mark


def test_every_picture_is_sharp_and_has_its_numbered_caption_with_the_mark(source, notebook):
    numbers = []
    for outputs in (cell.get("outputs", []) for cell in notebook.cells):
        for picture, caption in itertools.pairwise([*outputs, {}]):
            if "image/png" not in picture.get("data", {}):
                continue
            about = picture.metadata["image/png"]
            drawn = Image.open(io.BytesIO(base64.b64decode(picture.data["image/png"])))
            sharp = [PROJECTOR_DPI] if drawn.mode == "P" else [PROJECTOR_DPI, 120, PAGE_DPI]
            assert about["width"] in [drawn.width * PAGE_DPI // dpi for dpi in sharp]
            numbers.append(caption["metadata"]["npc"]["figure"])
            words = caption["data"]["text/markdown"].replace("\\", "")
            assert words.startswith(f"**Figure {numbers[-1]}.** ")
            whose = NOT_OF_THE_STUDY.get(numbers[-1], "synthetic patients)")
            assert words.endswith(whose)
            assert about["alt"] not in words  # what is to be seen, and not what it is once more
    assert numbers == numbers_of_figures(source)


def test_no_errors_paths_or_widget_state_are_stored(notebook):
    assert "widgets" not in notebook.metadata
    for cell in code_cells(notebook):
        assert all(output.output_type != "error" for output in cell.outputs)
        without_pictures = [
            {kind: text for kind, text in output.get("data", {}).items() if "image" not in kind}
            | {"text": output.get("text", "")}
            for output in cell.outputs
        ]
        assert not MACHINE_PATH.search(cell.source + json.dumps(without_pictures))


def test_notebook_is_small_enough_to_open_anywhere(notebook):
    assert len(nbformat.writes(notebook)) < LARGEST_NOTEBOOK


def test_something_in_every_lesson_is_compared_by_nbval(source, notebook):
    if source.stem.startswith("00"):
        pytest.skip("the first notebook describes the machine it runs on")
    tags = [tag for cell in code_cells(notebook) for tag in cell.metadata.get("tags", [])]
    assert "nbval-check-output" in tags
