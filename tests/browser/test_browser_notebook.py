"""Notebook 02 itself in JupyterLab: what the mouse draws is what the file says."""

import shutil

import nbformat
import pandas as pd
import pytest
from lab_browser import BROWSER, Lab, assert_box, chromium, drag, jupyterlab, place, press
from watching import wait_until

from npc_course import notebooks
from npc_helpers.imaging.roi import BOX
from npc_helpers.study import Study

pytestmark = [*BROWSER, pytest.mark.slow]


def test_notebook_02_from_the_mouse_to_the_file(two_patients, tmp_path, monkeypatch):
    """Run it on a study of two, draw, change the slice, undo, save, reload: the file agrees."""
    study = Study(shutil.copytree(two_patients, tmp_path / "study"))
    monkeypatch.setenv("NPC_STUDY", str(study.folder))
    book = notebooks.from_source(notebooks.FOLDER / "py" / "02_crop_roi.py")
    nbformat.write(book, tmp_path / "02_crop_roi.ipynb")
    editor, saving = (
        next(
            i
            for i, cell in enumerate(book.cells)
            if cell.cell_type == "code" and word in cell.source
        )
        for word in ("RoiEditor(session)", 'write_table("rois.csv"')
    )

    def rectangles():
        table = study.read_table("rois.csv")
        table = table[(table.timepoint == "pre") & (table.sequence == "t2w")]
        return table.set_index(["patient_id", "slice_index"])[BOX]

    with jupyterlab(tmp_path) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        lab = Lab(page, address, "02_crop_roi.ipynb")
        assert lab.run_all() == []
        untouched = rectangles()
        assert len(untouched) == 6 and (untouched == [56, 156, 456, 356]).all(axis=None)

        frame = open_editor(lab, editor)
        patient = place(lab).split()[1].rstrip(",")
        assert f"patient {patient}, pre-treatment" in place(lab) and "slice 1 of 3" in place(lab)
        drag(lab, frame, (100, 120), (400, 330))
        press(lab, "PageUp")
        assert "slice 2 of 3" in place(lab)
        drag(lab, frame, (50, 60), (300, 260))
        press(lab, "Control+z")
        press(lab, "PageUp")
        drag(lab, frame, (30, 40), (230, 140))
        by_hand = study.by_hand_path("")
        assert wait_until(
            lambda: any(",pre,t2w,2," in p.read_text() for p in by_hand.glob("rois_*.csv"))
        )  # on a busy machine the cell below could overtake the last drag
        assert study.artefact_state("rois.csv") == "stale"  # drawn since it was written
        assert "saved 24 rectangles" in lab.run(saving)
        page.close()

        drawn = {0: (100, 120, 400, 330), 1: (56, 156, 456, 356), 2: (30, 40, 230, 140)}
        for number, box in drawn.items():
            assert_box(rectangles().loc[patient, number], box)
        pd.testing.assert_frame_equal(rectangles().drop(patient), untouched.drop(patient))

        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        lab = Lab(page, address, "02_crop_roi.ipynb")
        lab.run(editor)  # a new session takes up what was drawn
        open_editor(lab, editor)
        for number in drawn:
            x0, y0, x1, y1 = rectangles().loc[patient, number]
            numbers = f"columns {x0} to {x1}, rows {y0} to {y1}"
            page.wait_for_function(
                "(text) => document.querySelector('.npc-status').innerText.includes(text)",
                arg=numbers,
            )
            press(lab, "PageUp")
        page.close()


def open_editor(lab, number):
    """Scroll to the editor and focus its first picture, drawn and wholly on the screen."""
    lab.show(number)
    lab.page.wait_for_selector("[data-draw-ms]", timeout=30_000)
    frame = lab.page.locator(".npc-frame").first
    frame.scroll_into_view_if_needed()
    frame.focus()
    return frame
