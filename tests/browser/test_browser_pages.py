"""Explorers as pages of their own, opened from disk without a network and without a kernel."""

import nbformat
import numpy as np
import pandas as pd
import pytest
from lab_browser import BROWSER, accessibility_problems, chromium
from small_study import make_study

from npc_course import site
from npc_course.notebooks import FOLDER
from npc_course.widget_page import save_page
from npc_helpers.cohort import CRITERIA, progression_free_survival
from npc_helpers.network.gradcam_scores import TARGETS
from npc_helpers.network.map_geometry import Geometry
from npc_helpers.study import Study
from npc_helpers.widgets import GradCamExplorer, RocExplorer, ScreeningExplorer
from npc_helpers.widgets.gradcam_explorer import Examination

pytestmark = BROWSER


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(params=["light", "dark"])
def opened(request, browser, tmp_path):
    """Open a widget as a page; anything it asks of a network, or an error in it, fails the test."""
    troubles = []
    size = {"width": 1366, "height": 768}
    context = browser.new_context(viewport=size, color_scheme=request.param, offline=True)

    def open_page(widget, **options):
        path = tmp_path / "page.html"
        save_page(widget, path, title="A panel <&>", **options)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("requestfailed", lambda request: troubles.append(request.url))
        page.goto(path.as_uri())
        page.locator(".npc-widget").wait_for()
        assert page.title() == "A panel <&>" and accessibility_problems(page) == []
        dark = page.evaluate("getComputedStyle(document.querySelector('.npc-widget')).color")
        assert (int(dark[4:].split(",")[0]) > 128) == (request.param == "dark")
        return page

    yield open_page
    context.close()
    assert troubles == []


@pytest.fixture
def screening(tmp_path):
    study = Study(make_study(tmp_path / "study", patients=9))
    registry = study.registry.copy()
    registry.loc[[0, 1], "surgery"] = True
    registry.loc[[1, 2, 3], "recurrent_disease"] = True
    registry.loc[[0, 5], "progression_date"] = registry.loc[[0, 5], "last_review_date"]
    registry["treatment"] = "</script><img src=x onerror=document.title='spoilt'>"
    return ScreeningExplorer(registry, study.visits)


def test_flow_and_counts_of_the_page_are_those_of_python(opened, screening):
    page = opened(screening)
    boxes = {c.name: page.get_by_label(c.text) for c in CRITERIA}
    rng = np.random.default_rng(3)
    for _ in range(6):
        screening.chosen = [name for name in boxes if rng.random() < 0.5]
        for name, box in boxes.items():
            box.set_checked(name in screening.chosen)
        counts = [int(text) for text in page.locator(".npc-flow b").all_inner_texts()]
        assert counts == [len(screening._registry), *screening.flow.remaining]
        kept = screening.included
        events = int(progression_free_survival(kept)["progressed"].sum())
        text = page.locator(".npc-facts").inner_text()
        assert f"{events} of {len(kept)} ({events / len(kept):.0%})" in text
        assert f"{kept.age_years.mean():.1f} ± {kept.age_years.std():.1f} years" in text
        assert all(f"{level} {n} (" in text for level, n in kept.t_stage.value_counts().items())
    assert "<img src=x" in text and page.locator("img").count() == 0


def test_the_threshold_moves_on_the_page_as_in_python(opened):
    rng = np.random.default_rng(8)
    truth = rng.random(60) < 0.4
    explorer = RocExplorer(truth, {"Pre-model": truth + rng.normal(0.2, 0.9, 60), "TNM": truth * 1})
    page = opened(explorer)
    slider = page.get_by_label("threshold, from strict to lenient")
    for key, step in (("ArrowRight", 1), ("ArrowRight", 1), ("ArrowLeft", -1)):
        slider.press(key)
        explorer.position += step
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        called = page.locator(".npc-table tbody tr").first.locator("td").all_inner_texts()
        assert int(called[0]) == explorer.table["found"]
        assert int(called[1]) == explorer.table["false_alarms"]


@pytest.fixture
def explorer_of_maps():
    rng = np.random.default_rng(3)
    places = ["sequence", "slice_index", "x0", "y0", "x1", "y1"]
    index = pd.DataFrame([("t2w", i, 6, 6, 58, 58) for i in range(2)], columns=places)

    def examine(patient_id, timepoint):
        return Examination({"t2w": rng.integers(0, 256, (2, 64, 64), dtype=np.uint8)}, index)

    def compute(patient_id, timepoint, model):
        return {target: rng.normal(size=(2, 6, 6)) for target in TARGETS}

    limits = {when: dict.fromkeys(TARGETS, 2.0) for when in ("pre", "post")}
    place = Geometry(37, 32, 512, 2)
    return GradCamExplorer(["P1", "P2"], examine, compute, geometry=place, limits=limits)


def test_a_choice_that_python_answers_is_recorded(opened, explorer_of_maps):
    shown = explorer_of_maps
    page = opened(shown, choices={"patient_id": ["P1", "P2"], "model": ["own", "pre", "post"]})
    assert shown.patient_id == "P1" and shown.model == "own"  # as they were
    before = page.locator(".npc-frame canvas").first.evaluate("(c) => c.toDataURL()")
    page.get_by_label("patient", exact=True).select_option("P2")
    page.wait_for_function(
        "(old) => document.querySelector('.npc-frame canvas').toDataURL() !== old", arg=before
    )
    assert "computing" not in page.locator(".npc-status").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_the_course_are_readable_for_everybody(browser, tmp_path, scheme, monkeypatch):
    monkeypatch.setenv("NPC_STUDY", str(make_study(tmp_path / "study")))
    lessons = ("00_start_here", "01_screen_cohort", "03_train_pre_model", "07_appraise_paper")
    books = {
        name: nbformat.read(FOLDER / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)
        for name in lessons
    }
    site.write_site(books, tmp_path / "site")
    size = {"width": 1366, "height": 768}
    page = browser.new_context(color_scheme=scheme, offline=True, viewport=size).new_page()
    for name in ("index", "glossary", "routes", "quiz", "dry_run", *lessons):
        page.goto((tmp_path / "site" / f"{name}.html").as_uri())
        assert accessibility_problems(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
