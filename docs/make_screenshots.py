"""Make the README's pictures of the two panels: ``python docs/make_screenshots.py``.

Needs the demonstration study, notebooks 02 to 04 executed, and Chromium.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from lab_browser import Lab, chromium, jupyterlab, write_notebook  # noqa: E402

COMMON = """
import warnings; warnings.simplefilter("ignore")
from npc_helpers.network import gradcam, saved_models
from npc_helpers.imaging import roi
from npc_helpers.widgets.roi_session import RoiSession
from npc_helpers.study.settings import current_setting
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import Study
from npc_helpers.widgets import GradCamExplorer, RoiEditor
study, setting, patient = Study.open(), current_setting(), "SYN-0258"
stacks = load_stacks(study, patients=[patient])
rois = roi.suggest_rois(study, stacks)
"""
EDITOR = """
RoiEditor(RoiSession(stacks, rois, patient_id=patient, timepoint="pre", reader_id="reader1",
                     path="rois_reader1.csv"))
"""
EXPLORER = """
model, images, index, maps = {}, {}, {}, {}
for when in ("pre", "post"):
    model[when] = saved_models.load_or_reference(study, when, setting=setting)
    chosen = rois[rois.timepoint == when]
    images[when], index[when] = roi.network_inputs(stacks, chosen)
    maps[when] = gradcam.activations(model[when], images[when])
GradCamExplorer.from_maps(study, stacks, index, maps, model)
"""


def picture(name: str, cell: str, *, slices_up: int) -> None:
    """Show a panel in JupyterLab, go some slices up, and keep what is seen of it."""
    with tempfile.TemporaryDirectory() as folder:
        write_notebook(Path(folder) / "panel.ipynb", COMMON, cell)
        with jupyterlab(folder) as address, chromium() as browser:
            page = browser.new_page(viewport={"width": 1250, "height": 1100})
            lab = Lab(page, address, "panel.ipynb")
            print(lab.run(0), lab.run(1))
            panel = page.locator(".npc-widget").first
            panel.wait_for(timeout=90_000)
            frame = panel.locator(".npc-frame").first
            frame.focus()
            for _ in range(slices_up):
                page.keyboard.press("PageUp")
            page.wait_for_timeout(1500)
            page.evaluate("document.querySelectorAll('.Toastify').forEach((one) => one.remove())")
            panel.screenshot(path=ROOT / "docs" / "images" / f"{name}.png")


if __name__ == "__main__":
    picture("roi_editor", EDITOR, slices_up=3)
    picture("gradcam_explorer", EXPLORER, slices_up=3)
