"""The Grad-CAM explorer in JupyterLab under a real browser."""

import numpy as np
import pytest
from lab_browser import BROWSER, Lab, accessibility_problems, chromium, jupyterlab, write_notebook

pytestmark = [*BROWSER, pytest.mark.slow]

EXPLORER = """
import numpy as np, pandas as pd
from npc_helpers.study import mark
from npc_helpers.network.map_geometry import Geometry
from npc_helpers.widgets import GradCamExplorer
from npc_helpers.widgets.gradcam_explorer import Examination

index = pd.DataFrame([("t2w", i, 60, 150, 460, 351) for i in range(3)],
                     columns=["sequence", "slice_index", "x0", "y0", "x1", "y1"])
mask = np.zeros((3, 512, 512), dtype=bool)
mask[:, 200:260, 240:300] = True
grey = np.tile(np.arange(512) // 2, (3, 512, 1)).astype(np.uint8)

def compute(patient_id, timepoint, model):
    cells = np.add.outer(np.arange(6.0), np.arange(6.0) * 2) - 6
    flat = {"pre": cells, "post": -np.abs(cells) - 1}[timepoint]
    return {target: np.repeat(flat[None], 3, axis=0) for target in ("margin", "logit", "softmax")}

explorer = GradCamExplorer(
    ["A", "B"], lambda *where: Examination({"t2w": grey}, index, mask=mask, letters="RLAP"),
    compute, geometry=Geometry(37, 32, 512, 2),
    limits={when: dict.fromkeys(("margin", "logit", "softmax"), 10.0) for when in ("pre", "post")})
"""


@pytest.fixture(scope="module")
def explorer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "explorer.ipynb", EXPLORER, "explorer")
    with jupyterlab(folder) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        opened = Lab(page, address, "explorer.ipynb")
        assert "Traceback" not in opened.run(0)
        opened.run(1)
        page.wait_for_selector(".npc-frame canvas", timeout=30_000)
        page.wait_for_selector("[data-draw-ms]")
        yield opened


def expected_blend(opacity):
    """What numpy and matplotlib make of the same map, through `Geometry.to_image`."""
    from types import SimpleNamespace

    from matplotlib import colormaps

    from npc_helpers.network.map_geometry import Geometry

    cells = np.add.outer(np.arange(6.0), np.arange(6.0) * 2) - 6
    box = SimpleNamespace(x0=60, y0=150, x1=460, y1=351)
    heat = Geometry(37, 32, 512, 2).to_image(cells, box, (512, 512))
    grey = np.tile(np.arange(512) // 2, (512, 1)).astype(float)
    shown = np.repeat(grey[..., None], 3, axis=2)
    seen = np.isfinite(heat)
    colour = colormaps["inferno"](np.rint(np.clip(heat[seen] / 10, 0, 1) * 255).astype(int))
    shown[seen] = (1 - opacity) * shown[seen] + opacity * colour[:, :3] * 255
    return shown


def test_map_lies_where_the_package_puts_it(explorer):
    shown = explorer.pixels(".npc-pane canvas", 0)[..., :3].astype(float)
    # a share on the border between two of the 256 colours may fall to either side
    assert np.abs(shown - expected_blend(0.5)).max() <= 4
    assert np.abs(shown - expected_blend(0.5)).mean() < 0.6


def test_map_without_positive_evidence_says_so_and_leaves_the_image(explorer):
    shown = explorer.pixels(".npc-pane canvas", 1)
    np.testing.assert_array_equal(shown[..., 0], np.tile(np.arange(512) // 2, (512, 1)))
    caption = explorer.page.locator(".npc-pane figcaption").nth(1).inner_text()
    assert "no positive evidence" in caption


def test_wheel_changes_the_slice_of_both_maps(explorer):
    explorer.page.locator(".npc-frame").first.hover()
    for pixels in (100, *[4] * 13, -100):
        explorer.page.mouse.wheel(0, pixels)
    explorer.page.wait_for_timeout(200)
    assert explorer.page.locator("input[aria-label=slice]").input_value() == "1"


def test_opacity_slider_changes_pixels(explorer):
    slider = explorer.page.locator("input[data-name=opacity]")
    for value in ("0", "1"):
        slider.evaluate(
            "(bar, value) => { bar.value = value; bar.dispatchEvent(new Event('input')); }", value
        )
        explorer.page.wait_for_timeout(200)
        shown = explorer.pixels(".npc-pane canvas", 0)[..., :3].astype(float)
        assert np.abs(shown - expected_blend(float(value))).mean() < 0.6


def test_hover_tells_the_value_of_the_map(explorer, tmp_path):
    frame = explorer.page.locator(".npc-frame").first
    frame.scroll_into_view_if_needed()
    box = frame.locator("canvas").bounding_box()
    scale = box["width"] / 512
    explorer.page.mouse.move(box["x"] + 250.5 * scale, box["y"] + 260.5 * scale)
    explorer.page.wait_for_timeout(100)
    text = explorer.page.locator(".npc-status").first.inner_text()
    assert text.startswith("pre: column 250, row 260, grey 125, map ")
    explorer.page.locator(".npc-widget").first.screenshot(path=tmp_path / "gradcam_explorer.png")
    assert explorer.foreign_requests() == [] and explorer.errors == []


def test_rare_controls_are_folded_and_the_panel_fits_a_small_screen(explorer):
    page = explorer.page
    page.set_viewport_size({"width": 1366, "height": 768})
    page.wait_for_timeout(500)
    panel = page.locator(".npc-widget").first
    first, second = (page.locator(".npc-frame").nth(i).bounding_box() for i in range(2))
    assert first["y"] == second["y"] and first["x"] < second["x"], "side by side"
    assert panel.bounding_box()["height"] < 640
    colours = page.get_by_label("colours", exact=True)
    assert not colours.is_visible()
    page.locator(".npc-more summary").click()
    assert colours.is_visible()


def test_the_next_patient_is_a_click_away(explorer):
    page = explorer.page
    page.get_by_role("button", name="next patient (])").click()
    page.wait_for_function("document.querySelector('select[aria-label=patient]').value === 'B'")
    page.locator(".npc-frame").first.focus()
    page.keyboard.press("[")
    page.wait_for_function("document.querySelector('select[aria-label=patient]').value === 'A'")


def test_the_explorer_is_readable_for_everybody(explorer):
    assert accessibility_problems(explorer.page, ".npc-widget") == []
