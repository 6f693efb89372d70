"""A lesson presented in JupyterLab: a slide is shown, a cell runs on it, a panel lives."""

import shutil

import nbformat
import pytest
from lab_browser import BROWSER, Lab, chromium, jupyterlab

from npc_course.cells import student_version

pytest.importorskip("jupyterlab_deck")
pytestmark = [*BROWSER, pytest.mark.slow]
PANEL = """from npc_helpers.widgets import RocExplorer
RocExplorer([True, False], {"Model": [0.7, 0.2]})"""


def lesson():
    cells = [
        nbformat.v4.new_markdown_cell("# Look at a curve\n\nWhy."),
        nbformat.v4.new_markdown_cell("## The curve"),
        nbformat.v4.new_code_cell("threshold = 40 + 2"),
        nbformat.v4.new_code_cell(PANEL),
        nbformat.v4.new_markdown_cell("> **Exercise 00.1**", metadata={"tags": ["exercise"]}),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return student_version(nbformat.v4.new_notebook(cells=cells, metadata=kernel))


def test_a_slide_is_shown_and_its_cells_run(tmp_path):
    book = lesson()
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type", "") for cell in book.cells]
    assert kinds == ["slide", "slide", "", "subslide", "subslide"]
    nbformat.write(book, tmp_path / "lesson.ipynb")
    with jupyterlab(tmp_path) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        lab = Lab(page, address, "lesson.ipynb")

        def press(key):
            page.keyboard.press(key)
            page.wait_for_timeout(300)

        page.locator('[data-jp-item-name="deck"]').first.click()
        page.get_by_role("heading", name="Look at a curve").wait_for(state="visible")
        assert not page.get_by_role("heading", name="The curve").is_visible()
        press("ArrowRight")
        assert page.get_by_role("heading", name="The curve").is_visible()
        assert not page.get_by_role("heading", name="Look at a curve").is_visible()
        press("ArrowDown")
        press("Control+Enter")  # the cell of the same slide
        press("ArrowDown")
        press("Control+Enter")  # the panel below it
        page.locator(".npc-roc").wait_for(state="visible")
        assert lab.errors == [] and lab.foreign_requests() == []
    shutil.rmtree(tmp_path / ".jupyter")
