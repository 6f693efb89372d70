"""How fast the ROI editor answers, in headless Chromium on a running JupyterLab.

Run with ``python benchmarks/roi_editor_latency.py``; prints a Markdown table. *Redraw* is what the
browser needs to draw both pictures after a change of slice or brightness, measured by the page
itself. *Drag to Python and back* runs from the release of the mouse until the answer of Python
has arrived, so the way there alone is shorter.
"""

import statistics
import sys
import tempfile
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / "tests" / place) for place in (".", "browser")]
from lab_browser import Lab, chromium, jupyterlab, write_notebook
from test_browser import SETUP

REDRAWS, DRAGS = 40, 20
ANSWER = """
() => new Promise((done) => {
    const widget = document.querySelector('.npc-widget');
    let released = null;
    window.addEventListener('pointerup', () => { released = performance.now(); },
                            { once: true, capture: true });
    let waited = false;
    const look = () => {
        if (widget.dataset.waiting === 'yes') waited = true;
        if (released !== null && waited && widget.dataset.waiting !== 'yes')
            window.npcAnswer = performance.now() - released;
        else requestAnimationFrame(look);
    };
    window.npcAnswer = null;
    requestAnimationFrame(look);
    done();
})
"""


def redraws(page, change) -> list[float]:
    """Times of redrawing, in ms, as the editor notes them."""
    times = []
    for number in range(REDRAWS):
        change(number)
        page.wait_for_timeout(60)
        times.append(float(page.locator("[data-draw-ms]").first.get_attribute("data-draw-ms")))
    return times


def drags(page) -> list[float]:
    """Times from the release of the mouse to the answer, in ms."""
    box = page.locator(".npc-frame canvas").first.bounding_box()
    times = []
    for number in range(DRAGS):
        page.evaluate(ANSWER)
        page.keyboard.down("Shift")
        page.mouse.move(box["x"] + 60 + number, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 200 + number, box["y"] + 180, steps=6)
        page.mouse.up()
        page.keyboard.up("Shift")
        page.wait_for_function("window.npcAnswer !== null")
        times.append(page.evaluate("window.npcAnswer"))
    return times


def main() -> None:
    """Open the editor, drive it, and print median and largest of each time."""
    with tempfile.TemporaryDirectory() as folder:
        write_notebook(Path(folder) / "editor.ipynb", SETUP, "editor")
        with jupyterlab(folder) as address, chromium() as browser:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            lab = Lab(page, address, "editor.ipynb")
            lab.run(0)
            lab.run(1)
            page.wait_for_selector("[data-draw-ms]")
            frame = page.locator(".npc-frame").first
            frame.scroll_into_view_if_needed()
            frame.focus()
            keys = ("PageUp", "PageDown")
            measured = {
                "redraw after a change of slice": redraws(
                    page, lambda number: page.keyboard.press(keys[number % 2])
                ),
                "redraw after a change of brightness": redraws(
                    page, lambda number: page.keyboard.press(str(1 + number % 4))
                ),
                "drag to Python and back": drags(page),
            }
    print("| what | times | median, ms | largest, ms |\n|---|---|---|---|")
    for action, times in measured.items():
        print(f"| {action} | {len(times)} | {statistics.median(times):.1f} | {max(times):.1f} |")


if __name__ == "__main__":
    main()
