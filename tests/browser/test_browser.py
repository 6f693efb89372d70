"""The rectangle editor in JupyterLab under a real browser: what is drawn, dragged and typed."""

import json

import numpy as np
import pandas as pd
import pytest
from lab_browser import (
    BROWSER,
    Lab,
    accessibility_problems,
    assert_box,
    chromium,
    drag,
    drag_mouse,
    jupyterlab,
    place,
    press,
    voila,
    wait_for_answer,
    write_notebook,
)

pytestmark = [*BROWSER, pytest.mark.slow]

SETUP = """
import json, numpy as np, pandas as pd
from dataclasses import replace
from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.imaging.roi import COLUMNS
from npc_helpers.widgets.roi_session import RoiSession
from npc_helpers.widgets import RoiEditor

def head(seed):
    rows, columns = np.mgrid[:512, :512]
    inside = ((rows - 256) / 220) ** 2 + ((columns - 256) / 180) ** 2 < 1
    rng = np.random.default_rng(seed)
    array = (rng.normal(400, 60, (5, 512, 512)) * inside).clip(0).astype(np.uint16)
    array[:, 200:260, 240:300] += 300
    return MRSeries(array, (0.5, 0.5), np.arange(5) * 5.0, 5.0, np.array([1.0, 0, 0, 0, 1, 0]),
                    "A", "", ())

seen = [("A", "pre"), ("A", "post"), ("B", "post"), ("C", "pre")]
keys = [(*examination, name) for examination in seen for name in ("t2w", "t1c")]
stacks = {key: head(seed) for seed, key in enumerate(keys)}
stacks["C", "pre", "t1c"] = replace(head(9), positions_mm=np.arange(5) * 5.0 + 40)
rows = [(*key, i, 60, 150, 460, 350, "suggested", "") for key in stacks for i in range(5)]
del rows[4]  # nothing is suggested for the last slice of the first series
session = RoiSession(stacks, pd.DataFrame(rows, columns=COLUMNS), patient_id="A",
                     timepoint="pre", path="rois.csv")
editor = RoiEditor(session)
"""
STATE = """
print(json.dumps({"rois": editor.rois, "slice": session.slice_index, "name": session.sequence,
                  "patient": session.patient_id, "timepoint": session.timepoint,
                  "box": list(vars(session.get()).values()), "message": editor.state["message"]}))
"""
NUMBERS = (
    SETUP.replace("rois.csv", "typed.csv")
    + """
from npc_helpers.widgets import IntegerBoxes
boxes = IntegerBoxes(session)
"""
)


FULL = (
    SETUP.replace("rois.csv", "full.csv")
    + """
import os
sync = os.fsync
def full(number):
    raise OSError(28, os.strerror(28))
os.fsync = full
"""
)


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the notebooks lie."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module", params=["JupyterLab Light"])
def address(folder, request):
    write_notebook(folder / "editor.ipynb", SETUP, "editor", STATE)
    write_notebook(folder / "restart.ipynb", SETUP.replace("rois.csv", "own.csv"), "editor", STATE)
    write_notebook(folder / "numbers.ipynb", NUMBERS, "boxes")
    write_notebook(folder / "full.ipynb", FULL, "editor", "os.fsync = sync")
    write_notebook(folder / "dense.ipynb", SETUP.replace("rois.csv", "dense.csv"), "editor", STATE)
    with jupyterlab(folder, theme=request.param) as served:
        yield served


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """Where screenshots go; a failing test is easier to read with them."""
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="module")
def lab(browser, address):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened = Lab(page, address, "editor.ipynb")
    assert "Traceback" not in opened.run(0)
    opened.run(1)
    page.wait_for_selector(".npc-frame canvas", timeout=30_000)
    page.wait_for_selector("[data-draw-ms]")
    yield opened
    page.close()


@pytest.fixture
def t2w(lab):
    """The first picture, scrolled into view, on the first slice, as suggested."""
    frame = lab.page.locator(".npc-frame").first
    frame.scroll_into_view_if_needed()
    frame.focus()
    press(lab, "Home", "r")
    return frame


def state(lab):
    return json.loads(lab.run(2))


def made_up_head(seed):
    """The array of a series as the notebook makes it."""
    namespace = {}
    exec(SETUP.split("seen =")[0], namespace)
    return namespace["head"](seed).array


def test_canvas_shows_the_pixels_the_network_would_see(lab, t2w):
    from npc_helpers.imaging.roi import to_uint8

    for number in (0, 1):
        expected = to_uint8(made_up_head(number))[0]
        shown = lab.pixels(".npc-frame canvas", number)
        np.testing.assert_array_equal(shown[..., 0], expected)
        assert (shown[..., 3] == 255).all()


def test_drag_gives_python_the_numbers_of_the_mouse(lab, t2w):
    drag(lab, t2w, (120, 130), (300, 280))
    editor = state(lab)
    assert_box(editor["rois"]["t2w"]["0"], (120, 130, 300, 280))
    assert editor["box"] == editor["rois"]["t2w"]["0"]


def test_drag_backwards_and_out_of_the_picture(lab, t2w):
    drag(lab, t2w, (310, 290), (100, 120))
    assert_box(state(lab)["box"], (100, 120, 310, 290))
    drag(lab, t2w, (300, 300), (560, 400))
    assert_box(state(lab)["box"], (300, 300, 512, 400))


def test_inside_moves_and_edge_resizes(lab, t2w):
    drag(lab, t2w, (120, 130), (300, 280))
    x0, y0, x1, y1 = state(lab)["box"]
    drag(lab, t2w, (200, 200), (230, 190), shift=False)
    assert_box(state(lab)["box"], (x0 + 30, y0 - 10, x1 + 30, y1 - 10))
    x0, y0, x1, y1 = state(lab)["box"]
    drag(lab, t2w, (x1, (y0 + y1) / 2), (x1 + 40, (y0 + y1) / 2), shift=False)
    assert_box(state(lab)["box"], (x0, y0, x1 + 40, y1))


def test_arrow_keys_nudge_and_one_undo_takes_them_back(lab, t2w):
    before = state(lab)["box"]
    t2w.focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown", "Alt+ArrowLeft"):
        lab.page.keyboard.press(key)  # one after the other, so that they are one step
    wait_for_answer(lab)
    x0, y0, x1, y1 = before
    assert state(lab)["box"] == [x0 + 2, y0 + 10, x1 + 1, y1 + 10]
    t2w.focus()
    press(lab, "Control+z")
    assert state(lab)["box"] == before
    t2w.focus()
    press(lab, "Control+y")
    assert state(lab)["box"] == [x0 + 2, y0 + 10, x1 + 1, y1 + 10]


def test_copy_goes_to_the_next_slice_and_shows_it(lab, t2w):
    drag(lab, t2w, (120, 130), (300, 280))
    drawn = state(lab)["box"]
    t2w.focus()
    press(lab, "c")
    editor = state(lab)
    assert editor["slice"] == 1 and editor["box"] == drawn
    assert "slice 2 of 5" in place(lab)


def test_wheel_and_page_keys_change_both_pictures_and_do_not_scroll(lab, t2w):
    before = lab.pixels(".npc-frame canvas", 1).copy()
    position = t2w.bounding_box()["y"]
    t2w.hover()
    lab.page.mouse.wheel(0, 100)
    lab.page.wait_for_timeout(200)
    assert t2w.bounding_box()["y"] == position
    assert (lab.pixels(".npc-frame canvas", 1) != before).any()
    lab.page.keyboard.press("PageUp")
    wait_for_answer(lab)
    assert state(lab)["slice"] == 2


def test_small_steps_of_a_touchpad_add_up(lab, t2w):
    t2w.hover()
    for pixels, slices in (([4] * 3, 1), ([4] * 10, 2), ([120] * 2, 4), ([-4] * 13, 3)):
        for step in pixels:
            lab.page.mouse.wheel(0, step)
        lab.page.wait_for_timeout(200)
        assert f"slice {slices} of 5" in place(lab), pixels


def test_keyboard_stays_with_the_editor_when_the_patient_changes(lab, t2w):
    drag(lab, t2w, (120, 130), (300, 280))
    press(lab, "]")
    assert "patient C, pre-treatment (2 of 2), slice 1 of 5" in place(lab)
    captions = lab.page.locator(".npc-pane figcaption").all_inner_texts()
    assert captions == ["T2W", "T1C: this slice lies 40.0 mm from that of T2W"]
    press(lab, "PageUp", "PageUp", "PageDown", "ArrowRight")
    editor = state(lab)
    assert (editor["patient"], editor["slice"], editor["box"]) == ("C", 1, [61, 150, 461, 350])
    focus(lab)
    press(lab, "Control+z", "Control+z")
    editor = state(lab)
    assert (editor["patient"], editor["slice"], editor["box"]) == ("A", 0, [60, 150, 460, 350])
    focus(lab)
    press(lab, "]", "[", "End")
    assert "patient A, pre-treatment (1 of 2), slice 5 of 5" in place(lab)
    button = lab.page.get_by_role("button", name="next patient (])")
    button.focus()
    press(lab, "Enter")
    assert "patient C" in place(lab)
    press(lab, "Enter")  # the button that has the focus keeps it
    assert "patient C" in place(lab) and button.evaluate("e => e === document.activeElement")
    focus(lab)
    press(lab, "[")


def focus(lab):
    lab.page.locator(".npc-frame").first.focus()


def test_one_key_changes_between_before_and_after_treatment(lab, t2w):
    button = lab.page.get_by_role("button", name="-treatment images (T)")
    assert button.inner_text() == "show post"
    before = lab.pixels(".npc-frame canvas").copy()
    press(lab, "t", "PageUp")
    assert "patient A, post-treatment (1 of 2), slice 2 of 5" in place(lab)
    assert (lab.pixels(".npc-frame canvas") != before).mean() > 0.1
    press(lab, "]")
    assert "patient B, post-treatment (2 of 2)" in place(lab)
    assert button.is_disabled()
    press(lab, "t")
    message = lab.page.locator(".npc-message").first.inner_text()
    assert "patient B has no pre series" in message and "patient B" in place(lab)
    press(lab, "[")
    button.click()
    wait_for_answer(lab)
    assert state(lab)["timepoint"] == "pre"


def test_enter_draws_where_nothing_is_and_copies_go_to_the_other_sequence(lab, t2w):
    press(lab, "End")
    assert "T2W: no rectangle yet" in lab.page.locator(".npc-status").first.inner_text()
    press(lab, "Enter")
    assert state(lab)["box"] == [56, 156, 456, 356]  # 400 x 200 in the middle of 512 x 512
    focus(lab)
    press(lab, "ArrowRight", "Shift+C")
    copied = state(lab)["rois"]
    assert copied["t1c"] == copied["t2w"] and copied["t1c"]["4"] == [57, 156, 457, 356]
    focus(lab)
    press(lab, "Control+z")
    assert state(lab)["rois"]["t1c"]["4"] == [60, 150, 460, 350]
    focus(lab)
    press(lab, "Control+z", "Control+z")
    assert "T2W: no rectangle yet" in lab.page.locator(".npc-status").first.inner_text()


def test_r_puts_the_suggestion_back(lab, t2w):
    drag(lab, t2w, (120, 130), (300, 280))
    assert state(lab)["box"] != [60, 150, 460, 350]
    focus(lab)
    press(lab, "r")
    assert state(lab)["box"] == [60, 150, 460, 350]


def test_presets_and_inversion_are_the_windows_they_name(lab, t2w):
    from npc_helpers.imaging.roi import intensity_range, stretch

    array = made_up_head(0)
    windows = {"2": (0, 100), "3": (0.5, 92), "4": (20, 97), "1": (0.5, 99.5)}
    for key, (low, high) in windows.items():
        press(lab, key)
        expected = stretch(array, *intensity_range(array, low=low, high=high))[0].astype(int)
        shown = lab.pixels(".npc-frame canvas")[..., 0]
        assert np.abs(shown - expected).max() <= 1  # halves fall to either side
    press(lab, "i")
    np.testing.assert_array_equal(lab.pixels(".npc-frame canvas")[..., 0], 255 - shown)
    press(lab, "i")


def test_letters_do_not_reach_the_notebook(lab, t2w):
    count, editor = lab.cell_count(), lab.page.locator(".npc-widget").first
    for focused in (t2w, editor.locator("button").first, editor.locator("select").first):
        focused.focus()
        for key in ("a", "b", "m", "y"):
            lab.page.keyboard.press(key)
            lab.page.wait_for_timeout(60)
            assert lab.cell_count() == count, key
    assert t2w.is_visible()


def test_help_puts_every_key_beside_its_meaning(lab, t2w):
    terms = lab.page.locator(".npc-help").first
    assert not terms.is_visible()
    press(lab, "?")
    keys, meanings = (
        [element.bounding_box() for element in terms.locator(tag).all()] for tag in ("dt", "dd")
    )
    assert len(keys) == len(meanings) >= 12
    assert [box["y"] for box in keys] == [box["y"] for box in meanings]
    assert {box["x"] for box in meanings} == {meanings[0]["x"]}
    press(lab, "?")
    assert not terms.is_visible()


def test_right_drag_changes_brightness_and_a_preset_brings_it_back(lab, t2w):
    t2w.focus()
    lab.page.keyboard.press("1")
    lab.page.wait_for_timeout(200)
    before = lab.pixels(".npc-frame canvas").copy()
    box = t2w.bounding_box()
    lab.page.mouse.move(box["x"] + 100, box["y"] + 100)
    lab.page.mouse.down(button="right")
    lab.page.mouse.move(box["x"] + 180, box["y"] + 180)
    lab.page.mouse.up(button="right")
    lab.page.wait_for_timeout(200)
    assert (lab.pixels(".npc-frame canvas") != before).mean() > 0.1
    lab.page.keyboard.press("1")
    lab.page.wait_for_timeout(200)
    np.testing.assert_array_equal(lab.pixels(".npc-frame canvas"), before)


def test_small_slip_is_refused_in_words(lab, t2w):
    before = state(lab)["box"]
    drag(lab, t2w, (20, 20), (24, 60))
    assert state(lab)["box"] == before
    assert "at least 8" in lab.page.locator(".npc-message").first.inner_text()


def test_saved_rectangles_survive_a_restart_of_the_session(lab, t2w, address):
    drag(lab, t2w, (120, 130), (300, 280))
    drawn = state(lab)["box"]
    lab.page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.widgets[2].model.sharedModel.setSource("
        '\'again = RoiSession(stacks, pd.DataFrame(rows, columns=COLUMNS), patient_id="A", '
        'timepoint="pre", path="rois.csv"); print(list(vars(again.get()).values()))\')'
    )
    try:
        assert json.loads(lab.run(2)) == drawn
    finally:
        lab.page.evaluate(
            "source => window.jupyterapp.shell.currentWidget.content.widgets[2].model"
            ".sharedModel.setSource(source)",
            STATE,
        )


def test_nothing_is_fetched_from_elsewhere_and_nothing_breaks(lab, t2w, shots):
    lab.page.locator(".npc-widget").first.screenshot(path=shots / "roi_editor.png")
    assert lab.foreign_requests() == []
    assert lab.errors == []


# --- restart and reload -----------------------------------------------------------------------


def test_rectangles_survive_a_new_kernel_and_a_reloaded_page(browser, address, folder):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened = Lab(page, address, "restart.ipynb")
    frame = show_editor(opened)
    drag(opened, frame, (120, 130), (300, 280))
    drawn, file = state(opened)["box"], (folder / "own.csv").read_bytes()
    assert_box(drawn, (120, 130, 300, 280))

    restart = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    page.evaluate(f"async () => {{ await {restart}; }}")
    assert "NameError" in opened.run(2)  # the kernel is new: it knows nothing
    show_editor(opened)
    assert state(opened)["box"] == drawn

    page.close()
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened = Lab(page, address, "restart.ipynb")
    show_editor(opened)
    assert state(opened)["box"] == drawn
    assert (folder / "own.csv").read_bytes() == file
    page.close()


def test_a_screen_of_twice_the_density_gives_the_same_numbers(browser, address):
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, device_scale_factor=2)
    opened = Lab(page, address, "dense.ipynb")
    drag(opened, show_editor(opened), (120, 130), (300, 280))
    assert page.evaluate("devicePixelRatio") == 2
    assert_box(state(opened)["box"], (120, 130, 300, 280))
    page.close()


def test_on_a_full_disk_the_editor_says_so_until_it_has_saved(browser, address, folder, shots):
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    opened = Lab(page, address, "full.ipynb")
    frame = show_editor(opened)
    drag(opened, frame, (120, 130), (300, 280))
    unsaved = page.locator(".npc-unsaved")
    assert "NOT SAVED" in unsaved.inner_text() and "No space left" in unsaved.inner_text()
    press(opened, "PageUp")
    drag(opened, frame, (130, 140), (310, 290))
    page.locator(".npc-widget").first.screenshot(path=shots / "not_saved.png")
    assert unsaved.is_visible() and not (folder / "full.csv").exists()
    opened.run(2)  # there is room again: nobody has to do anything else
    unsaved.wait_for(state="hidden", timeout=15_000)
    saved = pd.read_csv(folder / "full.csv").query("source == 'manual'")
    assert_box(saved[["x0", "y0", "x1", "y1"]], [[120, 130, 300, 280], [130, 140, 310, 290]])
    page.close()


def show_editor(lab):
    """Run the first two cells; return the first picture."""
    assert "Traceback" not in lab.run(0)
    lab.run(1)
    lab.page.wait_for_selector("[data-draw-ms]", timeout=30_000)
    frame = lab.page.locator(".npc-frame").first
    frame.scroll_into_view_if_needed()
    return frame


def test_a_drag_reaches_the_file_in_voila(browser, tmp_path):
    write_notebook(tmp_path / "editor.ipynb", f"{SETUP}\neditor")
    with voila(tmp_path / "editor.ipynb") as served:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(served, timeout=60_000)
        page.wait_for_selector("[data-draw-ms]", timeout=60_000)
        drag_mouse(page, page.locator(".npc-frame").first, (100, 120), (400, 330))
        rois = tmp_path / "rois.csv"
        page.wait_for_function("document.querySelector('.npc-widget').dataset.waiting !== 'yes'")
        for _ in range(50):
            if rois.exists():
                break
            page.wait_for_timeout(200)
        page.close()
    saved = pd.read_csv(rois).query("source == 'manual'")
    assert_box(saved[["x0", "y0", "x1", "y1"]].to_numpy(), [[100, 120, 400, 330]])


def test_numbers_typed_into_fields_reach_the_file(browser, address, folder):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened = Lab(page, address, "numbers.ipynb")
    assert "Traceback" not in opened.run(0)
    opened.run(1)
    fields = page.locator(".widget-text input[type=number]")
    fields.first.wait_for(timeout=30_000)
    for number, value in enumerate((100, 110, 300, 310), start=1):  # the first is the slice
        fields.nth(number).fill(str(value))
        fields.nth(number).press("Tab")
    page.get_by_role("button", name="apply").click()
    page.wait_for_function(
        "document.body.innerText.includes('slice 1 of 5, patient 1 of 2: 100 x 100 mm, manual')"
    )
    assert "A,pre,t2w,0,100,110,300,310,manual" in (folder / "typed.csv").read_text()
    assert opened.errors == []
    page.close()


# --- dark theme -------------------------------------------------------------------------------


def test_editor_is_dark_in_the_dark_theme(browser, tmp_path, shots):
    write_notebook(tmp_path / "editor.ipynb", SETUP, "editor", STATE)
    with jupyterlab(tmp_path, theme="JupyterLab Dark") as served:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        lab = Lab(page, served, "editor.ipynb")
        lab.run(0)
        lab.run(1)
        widget = page.locator(".npc-widget").first
        widget.wait_for(timeout=30_000)
        paper, ink = widget.evaluate(
            "(e) => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
            ".map((text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number))"
        )
        widget.screenshot(path=shots / "roi_editor_dark.png")
        problems = accessibility_problems(page, ".npc-widget")
        page.close()
    assert max(paper) < 60 and min(ink) > 180 and problems == []
