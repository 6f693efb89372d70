"""The screening and the ROC explorer in JupyterLab under a real browser, on a small screen."""

import json

import numpy as np
import pytest
from lab_browser import BROWSER, Lab, accessibility_problems, chromium, jupyterlab, write_notebook
from small_study import make_study

pytestmark = [*BROWSER, pytest.mark.slow]

SMALL = {"width": 1366, "height": 768}
ROC = """
import json, numpy as np
from npc_helpers.widgets import RocExplorer
rng = np.random.default_rng(8)
truth = rng.random(60) < 0.4
scores = {"Pre-model": truth + rng.normal(0.2, 0.9, 60), "TNM": truth * 1.0}
explorer = RocExplorer(truth, scores)
"""
STATE = "print(json.dumps([explorer.model, explorer.position, explorer.weight, explorer.table]))"
SCREENING = """
import json
from npc_helpers.study import Study
from npc_helpers.widgets import ScreeningExplorer
study = Study({study!r})
registry = study.registry
registry.loc[[0, 1], "surgery"] = True
registry["treatment"] = "<img src=x onerror=document.title='spoilt'>"
explorer = ScreeningExplorer(registry, study.visits)
"""


@pytest.fixture(scope="module", params=["JupyterLab Light", "JupyterLab Dark"])
def opened(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    study = str(make_study(folder / "study", patients=6))
    write_notebook(folder / "roc.ipynb", ROC, "explorer", STATE)
    names = "print(json.dumps([len(explorer.included), len(explorer.chosen)]))"
    write_notebook(folder / "screening.ipynb", SCREENING.format(study=study), "explorer", names)
    with jupyterlab(folder, theme=request.param) as address, chromium() as browser:
        labs = {}

        def open_panel(name):
            if name not in labs:
                page = browser.new_page(viewport=SMALL)
                labs[name] = lab = Lab(page, address, f"{name}.ipynb")
                assert "Traceback" not in lab.run(0)
                lab.run(1)
                page.locator(".npc-widget").first.wait_for(timeout=30_000)
                page.wait_for_timeout(300)
            return labs[name]

        yield open_panel


def fits(lab):
    """Nothing is cut at the right, and the panel is no higher than what JupyterLab shows of it."""
    panel = lab.page.locator(".npc-widget").first
    assert panel.bounding_box()["height"] < 640
    assert accessibility_problems(lab.page, ".npc-widget") == []
    cut = panel.evaluate(
        "(root) => [...root.querySelectorAll('*:not(svg, svg *)')]"
        ".filter((e) => e.scrollWidth > e.clientWidth + 1"
        " && getComputedStyle(e).display !== 'inline').map((e) => e.className || e.tagName)"
    )
    assert cut == []


def state(lab):
    return json.loads(lab.run(2))


def cells(lab):
    return [int(text) for text in lab.page.locator(".npc-table td").all_inner_texts()]


def test_roc_threshold_moves_by_keys_and_the_table_follows(opened):
    lab = opened("roc")
    fits(lab)
    slider = lab.page.get_by_label("threshold, from strict to lenient")
    slider.focus()
    lab.page.keyboard.press("Home")
    lab.page.wait_for_timeout(200)
    assert cells(lab)[:2] == [0, 0], "above all scores nobody is called high-risk"
    for _ in range(12):
        lab.page.keyboard.press("ArrowRight")
    lab.page.wait_for_timeout(300)
    _, position, _, table = state(lab)
    assert position == 12
    hits, alarms, called, missed, spared, _, high, low, everybody = cells(lab)
    assert [hits, missed, alarms, spared] == list(table.values())
    assert (called, high, low, everybody) == (hits + alarms, hits + missed, alarms + spared, 60)
    facts = lab.page.locator(".npc-facts dd").first.inner_text()
    assert facts == f"{hits / high:.3f} ({hits} of {high})"


def test_roc_threshold_is_dragged_along_the_curve(opened):
    lab = opened("roc")
    lab.page.get_by_label("Pre-model: AUC").check()
    box = lab.page.locator(".npc-plot").bounding_box()
    scale = box["width"] / 430

    def place(fpr, tpr):
        return box["x"] + (60 + 360 * fpr) * scale, box["y"] + (8 + 360 * (1 - tpr)) * scale

    lab.page.mouse.move(*place(0.0, 0.2))
    lab.page.mouse.down()
    for step in np.linspace(0, 1, 6):
        lab.page.mouse.move(*place(0.9 * step, 0.2 + 0.8 * step))
    lab.page.mouse.up()
    lab.page.wait_for_timeout(300)
    _, _, _, table = state(lab)
    alarms, low = table["false_alarms"], table["false_alarms"] + table["spared"]
    assert abs(alarms / low - 0.9) < 0.06
    handle = lab.page.locator(".npc-handle").bounding_box()
    assert abs(handle["x"] + handle["width"] / 2 - place(alarms / low, 1)[0]) < 2


def test_roc_costs_lead_to_the_cheapest_threshold(opened):
    lab = opened("roc")
    lab.page.get_by_label("Pre-model: AUC").check()
    weight = lab.page.get_by_label("weight of a missed patient")
    weight.evaluate("(e) => { e.value = 4; e.dispatchEvent(new Event('input')); }")
    lab.page.wait_for_timeout(200)
    lab.page.get_by_role("button", name="go to the least cost").click()
    lab.page.wait_for_timeout(300)
    _, _, weight, table = state(lab)
    assert weight == 4
    cost = 100 * (4 * table["missed"] + table["false_alarms"]) / 60
    text = lab.page.locator(".npc-roc .npc-status").inner_text()
    assert f"patients: {cost:.1f}; least {cost:.1f}," in text
    every = [100 * (4 * (tr & ~c).sum() + (~tr & c).sum()) / 60 for tr, c in calls()]
    assert min(every) == pytest.approx(cost)


def calls():
    """Truth, and who is called at each threshold, by numpy."""
    space = {}
    exec(
        ROC.split("explorer =")[0].replace("from npc_helpers.widgets import RocExplorer", ""), space
    )
    truth, score = space["truth"], space["scores"]["Pre-model"]
    return [(truth, score >= t) for t in [np.inf, *score]]


def test_roc_of_another_model_starts_where_as_many_are_called(opened):
    lab = opened("roc")
    lab.page.get_by_label("TNM: AUC").check()
    lab.page.wait_for_timeout(300)
    assert state(lab)[0] == "TNM" and len(lab.page.locator(".npc-plot circle").all()) == 4
    assert lab.errors == [] and lab.foreign_requests() == []


def test_screening_boxes_change_flow_and_counts(opened):
    lab = opened("screening")
    fits(lab)
    steps = lab.page.locator(".npc-flow li")
    assert steps.count() == 11 and state(lab) == [4, 10]
    box = lab.page.get_by_label("no surgery in the treatment")
    box.focus()
    lab.page.keyboard.press("Space")
    assert steps.count() == 10 and state(lab) == [6, 9]
    assert "0 of 6 (0%)" in lab.page.locator(".npc-facts").inner_text()
    box.check()


def test_text_of_a_table_stays_text(opened):
    lab = opened("screening")
    assert "<img src=x" in lab.page.locator(".npc-facts").inner_text()
    assert lab.page.locator(".npc-widget img").count() == 0
    assert lab.page.title() != "spoilt" and lab.errors == []
