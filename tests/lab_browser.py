"""JupyterLab or Voilà on a free port and a headless Chromium: for tests with eyes and hands."""

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium"),
]
START_TIMEOUT_S = 90
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-default-apps", "--no-first-run",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
]  # fmt: skip


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_notebook(path, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


@contextmanager
def jupyterlab(folder, *, theme="JupyterLab Light"):
    """Serve `folder`; yields the address. Settings and runtime files stay inside it."""
    port, home = free_port(), Path(folder) / ".jupyter"
    settings = home / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(f'{{"theme": "{theme}"}}')
    options = [
        "-m", "jupyterlab", f"--port={port}", "--allow-root",
        "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
        "--ServerApp.password=", f"--ServerApp.root_dir={folder}", "--expose-app-in-browser",
        "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with _served(options, port, home, ready="api/status") as address:
        yield address


@contextmanager
def voila(notebook):
    """Serve one notebook as a page without its code; yields the address."""
    port, home = free_port(), Path(notebook).parent / ".voila"
    home.mkdir()
    options = ["-m", "voila", str(notebook), f"--port={port}", "--Voila.ip=127.0.0.1"]
    with _served(options, port, home, ready="voila/static/voila.js") as address:
        yield address


@contextmanager
def _served(options, port, home, *, ready):
    """Run a Jupyter server whose files stay in the folder `own`; yields its address when ready."""
    names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = os.environ | {f"JUPYTER_{name}": str(home / name.lower()) for name in names}
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(home / "lab" / "user-settings")
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    command = [sys.executable, *options, "--no-browser"]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{address}/{ready}", server, home / "server.log")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=START_TIMEOUT_S)


def _wait(address, server, log):
    for _ in range(START_TIMEOUT_S * 4):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")


# Not judged: a table of pandas has an empty cell above its index.
UNJUDGED = {"rules": {"empty-table-header": {"enabled": False}}}


def accessibility_problems(page, within="body"):
    """What axe-core finds wrong for readers with a screen reader, low sight or no mouse."""
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(page, context=within, options=UNJUDGED).response["violations"]
    return [
        f"{problem['help']}: {node['html'][:120]}"
        for problem in violations
        for node in problem["nodes"]
    ]


class Lab:
    """One notebook open in one browser page."""

    def __init__(self, page, address, name):
        self.page, self.requests, self.errors = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{address}/lab/tree/{name}?reset")
        page.wait_for_selector(".jp-Notebook", timeout=60_000)
        page.wait_for_function(
            "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status"
            " === 'idle'",
            timeout=60_000,
        )

    def run(self, number):
        """Run one cell and return its text outputs."""
        self.page.evaluate(
            """async (number) => {
                const content = window.jupyterapp.shell.currentWidget.content;
                content.activeCellIndex = number;
                await window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            number,
        )
        outputs = self.page.evaluate(
            """(number) => window.jupyterapp.shell.currentWidget.content.widgets[number]
                .model.sharedModel.getOutputs().map((one) => one.text || one.traceback || '')""",
            number,
        )
        return "".join("".join(text) for text in outputs)

    def run_all(self):
        """Run every cell and return the messages of those that failed."""
        return self.page.evaluate(
            """async () => {
                await window.jupyterapp.commands.execute('notebook:run-all-cells');
                return window.jupyterapp.shell.currentWidget.content.widgets
                    .flatMap((cell) => cell.model.sharedModel.outputs || [])
                    .filter((one) => one.output_type === 'error').map((one) => one.evalue);
            }"""
        )

    def show(self, number):
        """Scroll to a cell: those far from the screen are not in the page."""
        self.page.evaluate(
            "(number) => window.jupyterapp.shell.currentWidget.content.scrollToItem(number)", number
        )

    def cell_count(self):
        return self.page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length")

    def pixels(self, selector, number=0):
        """Read back a canvas: (rows, columns, 4) uint8."""
        rows, columns, data = (
            self.page.locator(selector)
            .nth(number)
            .evaluate(
                """(canvas) => {
                const { width, height } = canvas;
                const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
                let text = '';
                for (let k = 0; k < data.length; k += 8192)
                    text += String.fromCharCode(...data.subarray(k, k + 8192));
                return [height, width, btoa(text)];
            }"""
            )
        )
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(rows, columns, 4)

    def foreign_requests(self):
        return [
            url
            for url in self.requests
            if not url.startswith(("http://127.0.0.1", "data:", "blob:"))
        ]


# --- a hand on mouse and keyboard --------------------------------------------------------------


def wait_for_answer(lab):
    """Until the last command has come back and is drawn."""
    lab.page.wait_for_function("document.querySelector('.npc-widget').dataset.waiting !== 'yes'")
    lab.page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")


def press(lab, *keys):
    """Press keys wherever the focus is, and wait for Python's answer to each."""
    for key in keys:
        lab.page.keyboard.press(key)
        wait_for_answer(lab)


def place(lab):
    return lab.page.locator(".npc-place").first.inner_text()


def drag(lab, frame, start, end, *, shift=True):
    """Drag between two points in image pixels, and wait for Python's answer."""
    drag_mouse(lab.page, frame, start, end, shift=shift)
    wait_for_answer(lab)


def drag_mouse(page, frame, start, end, *, shift=True):
    box = frame.locator("canvas").bounding_box()
    scale = np.array([box["width"], box["height"]]) / 512
    corner = np.array([box["x"], box["y"]])
    mouse = page.mouse
    if shift:
        page.keyboard.down("Shift")
    mouse.move(*(corner + scale * start))
    mouse.down()
    for step in np.linspace(0, 1, 8):
        mouse.move(*(corner + scale * (np.array(start) * (1 - step) + np.array(end) * step)))
    mouse.up()
    if shift:
        page.keyboard.up("Shift")


def assert_box(box, expected):
    assert np.abs(np.array(box) - expected).max() <= 1, (box, expected)


@contextmanager
def chromium():
    """Yield a headless browser that talks to nobody but this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()
