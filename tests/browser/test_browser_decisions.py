"""The page of decisions as a widget in JupyterLab under a real browser, on a small screen."""

import json

import pytest
from dicom_making import write_series
from lab_browser import BROWSER, Lab, accessibility_problems, chromium, jupyterlab, write_notebook
from npc_intake.find.decisions import read_decisions

pytestmark = [*BROWSER, pytest.mark.slow]

SMALL = {"width": 1366, "height": 768}
T1 = {"RepetitionTime": 500, "EchoTime": 10}
WIDGET = """
import json
from datetime import date
from npc_intake.find import find_series
from npc_intake.find.page import SeriesDecisions
found = find_series({images!r}, treatment_start={{"P-1": date(2015, 4, 1)}}, progress=False)
decisions = SeriesDecisions(found, {study!r})
"""
STATE = "print(json.dumps(dict(zip(decisions.found.table.path, decisions.found.table.decided))))"


@pytest.fixture(scope="module", params=["JupyterLab Light", "JupyterLab Dark"])
def opened(request, tmp_path_factory):
    """The widget over two T1-weighted series that only a person can tell apart."""
    folder = tmp_path_factory.mktemp("lab")
    for number, name in enumerate(("first", "second"), start=1):
        about = {"StudyDate": "20150302", "SeriesNumber": number, "SeriesDescription": "<b>T1</b>"}
        write_series(folder / "images" / name, SeriesInstanceUID=f"2.25.5.{number}", **about, **T1)
    where = {"images": str(folder / "images"), "study": str(folder / "study")}
    write_notebook(folder / "decide.ipynb", WIDGET.format(**where), "decisions", STATE)
    with jupyterlab(folder, theme=request.param) as address, chromium() as browser:
        lab = Lab(browser.new_page(viewport=SMALL), address, "decide.ipynb")
        assert "Traceback" not in lab.run(0)
        lab.run(1)
        lab.page.locator(".npc-widget img").first.wait_for(timeout=30_000)
        lab.page.wait_for_timeout(300)
        yield lab, folder / "study"


def test_a_click_is_saved_at_once_and_can_be_taken_back(opened):
    lab, study = opened
    card = lab.page.locator(".npc-widget article").first
    card.locator("button", has_text="t1c").click()
    lab.page.get_by_text("saved: ").wait_for(timeout=10_000)
    decided = json.loads(lab.run(2))
    assert sorted(decided.values()) in (["", "t1c"], ["", "pre t1c"])
    assert list(read_decisions(study).values()) == [v for v in decided.values() if v]
    card.locator("button", has_text="take back").click()
    lab.page.get_by_text("saved: taken back").wait_for(timeout=10_000)
    assert read_decisions(study) == {}


def test_it_fits_asks_nobody_and_shows_text_as_text(opened):
    lab, _ = opened
    cut = lab.page.locator(".npc-widget").evaluate(
        "(root) => [...root.querySelectorAll('*')].filter((e) => e.scrollWidth > e.clientWidth + 1"
        " && getComputedStyle(e).display !== 'inline').map((e) => e.className || e.tagName)"
    )
    assert cut == [] and lab.errors == [] and lab.foreign_requests() == []
    assert lab.page.locator(".npc-widget img").count() >= 2
    assert lab.page.get_by_text("<b>T1</b>").count() >= 1


def test_decisions_are_readable_for_everybody(opened):
    lab, _ = opened
    assert accessibility_problems(lab.page, ".npc-widget") == []
