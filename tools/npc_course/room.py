"""Is this machine ready for a class? ``python -m npc_helpers class --check``."""

import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import nbclient
import nbformat
import psutil

from npc_course.notebooks import WIDGET
from npc_helpers.study import Study

DISK_GIB, MEMORY_GIB = 6, 6  # opened images of two hospitals take 5.5 GiB
PORTS = range(8888, 8939)  # where Jupyter looks for a free one
WITHOUT_NETWORK = """
import socket
_connect = socket.socket.connect
def connect(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"asked for {address[0]}")
    return _connect(self, address)
socket.socket.connect = connect
"""
PANEL = """
from npc_helpers.study import Study
from npc_helpers.widgets import ScreeningExplorer
study = Study.open()
ScreeningExplorer(study.registry, study.visits)
"""


def check_room() -> int:
    """Print what a class needs and whether this machine has it; return an exit status."""
    failed = 0
    for name, test in CHECKS.items():
        ready, words = test()
        failed += not ready
        print(f"{'ready ' if ready else 'NOT YET'}  {name}: {words}", flush=True)
    print("Ready for the class." if not failed else f"{failed} of {len(CHECKS)} not ready yet.")
    return 1 if failed else 0


def disk() -> tuple[bool, str]:
    """Tell whether the disk of the study has room for results."""
    free = shutil.disk_usage(Study.open().folder).free / 2**30
    return free >= DISK_GIB, f"{free:.0f} GiB free, {DISK_GIB} needed"


def memory() -> tuple[bool, str]:
    """Tell whether the machine has enough memory."""
    total = psutil.virtual_memory().total / 2**30
    return total >= MEMORY_GIB, f"{total:.0f} GiB, {MEMORY_GIB} needed"


def ports() -> tuple[bool, str]:
    """Tell whether Jupyter finds a free port."""
    for port in PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return True, f"{port} is free"
    return False, f"none of {PORTS.start} to {PORTS.stop - 1} is free: close other Jupyter servers"


def study() -> tuple[bool, str]:
    """Tell whether tables and images of the study are there."""
    problems = Study.open().check(checksums=False)
    errors = int((problems["level"] == "error").sum())
    if errors:
        return False, f"{errors} errors; run `make study`"
    return True, f"{len(Study.open().manifest)} series are where they should be"


def opened_images() -> tuple[bool, str]:
    """Tell whether lesson 02 finds the images opened by an earlier run."""
    opened_study = Study.open()
    opened = len(list(opened_study.result_path("stacks").glob("*.npy")))
    needed = len(opened_study.manifest)
    if opened < needed:
        return False, f"{opened} of {needed} series are opened; run lesson 02 once before the class"
    return True, f"all {needed} series are opened"


def panel() -> tuple[bool, str]:
    """Tell whether a panel can be shown, by a kernel that must not use the network."""
    extension = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "anywidget"
    if not extension.is_dir():
        return False, f"the extension of JupyterLab that shows panels is not in {extension}"
    cells = [nbformat.v4.new_code_cell(source) for source in (WITHOUT_NETWORK, PANEL)]
    book = nbformat.v4.new_notebook(cells=cells)
    try:
        with tempfile.TemporaryDirectory() as folder:
            resources = {"metadata": {"path": folder}}
            client = nbclient.NotebookClient(book, timeout=120, resources=resources)
            client.extra_arguments = ["--log-level=ERROR"]  # a kernel's warnings are no check
            client.execute()
    except (nbclient.exceptions.CellExecutionError, nbclient.exceptions.DeadKernelError) as error:
        return False, str(error).strip().splitlines()[-1]
    shown = any(WIDGET in output.get("data", {}) for output in cells[1].outputs)
    return shown, "one was made without network" if shown else "the kernel made none"


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "disk": disk,
    "memory": memory,
    "ports": ports,
    "study": study,
    "opened images": opened_images,
    "panel": panel,
}
