"""Workers for many files; the same examples everywhere; no study opened before a test."""

import gc
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import nbclient
import nbformat
import psutil
import pytest
from filelock import FileLock
from hypothesis import settings
from nbclient.util import run_sync

from npc_course.running import FORGET
from npc_helpers.study import mark

settings.register_profile("suite", deadline=None, derandomize=True)  # slowness is no failure
settings.load_profile("suite")

WORKERS = 2
TIDIED_AFTER_GIB = 0.25
THIRD_FROM_GIB = 12  # each waits now and then, for a browser or a kernel, and takes 4 GiB at most


def pytest_xdist_auto_num_workers(config):
    """``-n auto`` of pyproject.toml: a worker takes longer to start than one file to test."""
    paths = [Path(argument.split("::")[0]) for argument in config.args]
    if len(paths) == 1 and not paths[0].is_dir():
        return 0
    return WORKERS + (psutil.virtual_memory().available >= THIRD_FROM_GIB * 2**30)


def pytest_configure(config):
    config.option.loadscopereorder = False  # xdist's own order puts long files last


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Files with slow tests first: begun last, they would keep the other workers waiting.

    Then the notebooks, in the order of reading: one finds what those before it have made.
    """
    tests = Counter(item.path for item in items)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))

    def place(item):
        notebook = item.path.suffix == ".ipynb"
        return -slow[item.path], not notebook, 0 if notebook else -tests[item.path], item.path

    items.sort(key=place)


@pytest.fixture(autouse=True)
def no_study_opened_before():
    """Let each test begin like a new process: no figure carries the mark of an earlier test."""
    mark.forget()


@pytest.fixture(scope="session")
def memory():
    """What this process took when it was last tidied."""
    return {"bytes": psutil.Process().memory_info().rss}


@pytest.fixture(autouse=True, scope="module")
def nothing_left_of_an_earlier_file(memory):
    """Let go of figures and graphs of networks: over all files they grow to several gigabytes."""
    yield
    for module, forget in FORGET:
        if module in sys.modules:
            eval(forget, vars(sys.modules[module]))
    process = psutil.Process()
    if process.memory_info().rss > memory["bytes"] + TIDIED_AFTER_GIB * 2**30:
        gc.collect()  # takes longer than most files
        memory["bytes"] = process.memory_info().rss


@pytest.fixture(scope="session")
def two_patients(tmp_path_factory):
    """A study of two patients with images, built once for all workers: copy it to change it."""
    from small_study import make_study, with_images

    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / "two_patients"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            built = folder.with_suffix(".part")
            shutil.rmtree(built, ignore_errors=True)  # of a worker that was stopped
            with_images(make_study(built, patients=2)).rename(folder)
    return folder


@pytest.fixture(scope="module")
def kernel():
    """One kernel for the notebooks of a file, which `npc_course.notebooks.execute` lets begin anew.

    Most of what a small notebook takes is starting a kernel and importing the same packages.
    """
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3")
    manager = client.create_kernel_manager()
    yield manager
    if manager.has_kernel:
        run_sync(manager.shutdown_kernel)(now=True)
