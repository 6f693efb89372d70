"""Executing notebooks: several at a time, each as soon as what it opens has been made."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Collection, KeysView, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import nbclient
import nbformat
import psutil
from joblib import cpu_count  # knows what a container or a batch system allows

from npc_helpers.study.progress import progress_bar
from npc_helpers.study.settings import TUTORIAL, current_setting

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
MEMORY_GIB = 2.5  # what a notebook that trains may need: 2.2 were measured
AFRESH = """\
import os, sys, warnings
os.environ.update({environment!r})
warnings.resetwarnings()
get_ipython().ast_transformers.clear()
for module, forget in {forget!r}:
    if module in sys.modules:
        eval(forget, vars(sys.modules[module]))
get_ipython().run_line_magic("reset", "-f")
__import__("gc").collect()
"""
"""What lets a kernel that has run another notebook begin like a new one."""
FORGET = (
    ("npc_helpers.study.mark", "forget()"),
    ("matplotlib.pyplot", "close('all')"),
    ("keras", "backend.clear_session(free_memory=False)"),
)
SHARING = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
"""One notebook leaves the memory of a GPU to the next. Threads stay as many as in a notebook that
runs alone: with another number, TensorFlow adds up in another order and trains other weights."""
STOPS = (
    nbclient.exceptions.CellExecutionError,
    nbclient.exceptions.CellTimeoutError,
    nbclient.exceptions.DeadKernelError,
)
"""What ends one notebook, and no other."""


@dataclass(frozen=True)
class Run:
    """What executing one notebook took.

    Attributes
    ----------
    seconds : float
        Wall-clock time from kernel start to the last cell.
    peak_mib : float
        Largest resident memory of the kernel and its children together.
    error : str or None
        The failing cell and its traceback, if one failed.
    """

    name: str
    seconds: float
    peak_mib: float
    error: str | None = None


class PeakMemory(threading.Thread):
    """Samples the resident memory of a process and its children while a block runs."""

    def __init__(self, pid: int, *, every_s: float = 0.25):
        super().__init__(daemon=True)
        self._process, self._every_s, self._done = psutil.Process(pid), every_s, threading.Event()
        self.peak_mib = 0.0

    def run(self) -> None:
        """Sample until the block ends."""
        while not self._done.wait(self._every_s):
            try:
                family = [self._process, *self._process.children(recursive=True)]
                total = sum(unshared_bytes(member) for member in family)
            except psutil.Error:
                continue
            self.peak_mib = max(self.peak_mib, total / 2**20)

    def __enter__(self) -> PeakMemory:
        self.start()
        return self

    def __exit__(self, *failure) -> None:
        self._done.set()
        self.join()


def unshared_bytes(process: psutil.Process) -> int:
    """Resident memory of `process` without file-backed pages, where the system tells them apart."""
    memory = process.memory_info()
    return memory.rss - getattr(memory, "shared", 0)


def execute(notebook: nbformat.NotebookNode, name: str, **how) -> Run:
    """Execute one notebook in place and wait for it; the rest as for `executing`."""
    return _wait_for(executing(notebook, name, **how))


def _wait_for(coroutine):
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:  # what ZeroMQ works with
        return runner.run(coroutine)


async def executing(
    notebook: nbformat.NotebookNode,
    name: str,
    *,
    progress,
    log: Path,
    cell_limit_s: float | None = None,
    kernel=None,
    environment: Mapping[str, str] = MappingProxyType({}),
    before_cell: Callable[[int], Awaitable[object]] | None = None,
) -> Run:
    """Execute `notebook` in place, in a fresh kernel whose folder is ``notebooks/``.

    Parameters
    ----------
    name : str
        Of the notebook.
    progress : tqdm.tqdm
        Advanced by one for each executed cell.
    log : pathlib.Path
        Receives what the kernel process itself prints, for instance why it died.
    cell_limit_s : float, optional
        A cell that takes longer stops its notebook. None by default: in the paper setting a
        model trains for as long as it takes.
    kernel : jupyter_client.AsyncKernelManager, optional
        Runs this notebook and then others, which saves starting it and importing everything anew;
        what one notebook leaves is forgotten before the next (`AFRESH`). The caller ends it.
    environment : mapping, optional
        Environment variables of a fresh kernel, where this program has no others.
    before_cell : callable, optional
        Awaited before the cell of this position; does not count as time of the notebook.
    """
    client = nbclient.NotebookClient(
        notebook,
        kernel,
        timeout=cell_limit_s,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        store_widget_state=False,
        coalesce_streams=True,  # else lines printed by one cell may stand in several boxes
        on_cell_executed=lambda **_: progress.update(),
    )
    started, waited, error = time.perf_counter(), 0.0, None
    with log.open("w") as stderr:
        variables = {**environment, **os.environ}
        async with _kernel_of(client, stderr=stderr, env=variables) as pid:
            with PeakMemory(pid) as memory:
                try:
                    if kernel is not None:
                        await _begin_afresh(client)
                    for index, cell in enumerate(notebook.cells):
                        if before_cell is not None:
                            arrived = time.perf_counter()
                            await before_cell(index)
                            waited += time.perf_counter() - arrived
                        await client.async_execute_cell(cell, index)
                except STOPS as failure:
                    if asyncio.current_task().cancelling():  # to nbclient, the kernel died
                        raise asyncio.CancelledError from None
                    error = str(failure)
    return Run(name, time.perf_counter() - started - waited, memory.peak_mib, error)


@asynccontextmanager
async def _kernel_of(client: nbclient.NotebookClient, **options):
    """Start a kernel if the client has none, yield its process id, and end what was started.

    The context manager of nbclient would take over interruptions, and end one kernel of several.
    """
    ours = client.km is None
    if ours:
        client.create_kernel_manager()
    try:
        if not client.km.has_kernel:
            await client.async_start_new_kernel(**options)
        await client.async_start_new_kernel_client()
        yield client.km.provisioner.process.pid
    finally:
        if client.kc is not None:
            client.kc.stop_channels()
        if ours and client.km.has_kernel:
            await client.km.shutdown_kernel()


async def _begin_afresh(client: nbclient.NotebookClient) -> None:
    """Let a kernel forget the notebook before, and know the present environment."""
    environment = {k: v for k, v in os.environ.items() if k.startswith("NPC_")}
    afresh = AFRESH.format(environment=environment, forget=FORGET)
    client.nb.cells.insert(0, nbformat.v4.new_code_cell(afresh))
    await client.async_execute_cell(client.nb.cells[0], 0, store_history=False)
    del client.nb.cells[0]


def room_for() -> int:
    """Return how many notebooks can run at once: one for each core, as far as the memory goes.

    In a larger setting than the tutorial's a single training fills the machine.
    """
    if current_setting().name != TUTORIAL.name:
        return 1
    free_gib = psutil.virtual_memory().available / 2**30
    return max(1, min(cpu_count(), int(free_gib / MEMORY_GIB)))


@dataclass(frozen=True)
class Order:
    """Which notebooks wait for which.

    Attributes
    ----------
    after : mapping of name to names
        The notebooks that each one needs; those that are not executed do not count.
    from_cell : mapping of name to mapping of position to names
        What a notebook needs only from this cell on. It may begin while these are running, and
        waits before the cell until they have ended.
    minutes : mapping of name to float
        What each notebook takes, roughly; one by default.
    """

    after: Mapping[str, Collection[str]]
    from_cell: Mapping[str, Mapping[int, Collection[str]]] = field(default_factory=dict)
    minutes: Mapping[str, float] = field(default_factory=dict)

    def among(self, names: KeysView[str]) -> Order:
        """Return the order of these notebooks, as if there were no others."""
        later = {
            name: {cell: set(makers) & names for cell, makers in self.from_cell[name].items()}
            for name in names & self.from_cell.keys()
        }
        after = {name: set(self.after.get(name, ())) & names for name in names}
        return Order(after, later, self.minutes)

    def begun(self, name: str) -> set[str]:
        """Return what has to run before a notebook begins, and need not have ended."""
        return set().union(*self.from_cell.get(name, {}).values())


def run_each(
    notebooks: Mapping[str, nbformat.NotebookNode],
    order: Order,
    *,
    finish: Callable[[Run], Run],
    logs: Path,
    at_once: int | None = None,
    kernel=None,
    **options,
) -> list[Run]:
    """Execute notebooks in place, each as soon as those that it needs have ended.

    Of those that could begin, the one does that most time hangs on (`time_ahead`). One that stops
    keeps no other back: those that need it begin all the same, and say for themselves what they
    lack. An interruption ends the kernels and is passed on; what had finished by then is kept.

    Parameters
    ----------
    notebooks : mapping of name to notebook
        In an order in which they could run one by one.
    order : Order
    finish : callable
        Called in a thread with the `Run` of a notebook that has ended: saves the notebook, and
        returns the run, perhaps with another error.
    logs : pathlib.Path
        Folder for what the kernel processes print.
    at_once : int, optional
        How many run at the same time; by default, see `room_for`, and one in a `kernel` of the
        caller.
    kernel, **options
        As for `executing`.

    Returns
    -------
    list of Run
        In the order of `notebooks`.
    """
    logs.mkdir(parents=True, exist_ok=True)
    total = sum(c.cell_type == "code" for book in notebooks.values() for c in book.cells)
    at_once = at_once or (room_for() if kernel is None else 1)
    order = order.among(notebooks.keys())
    ended = {name: asyncio.Event() for name in notebooks}
    with progress_bar(total=total, unit="cell", dynamic_ncols=True) as progress:

        async def run(name: str) -> Run:
            async def makers_ended(cell: int) -> None:
                for maker in order.from_cell.get(name, {}).get(cell, ()):
                    await ended[maker].wait()

            how = {"log": logs / f"{name}.log", "kernel": kernel, **options}
            how["environment"] = SHARING if at_once > 1 else {}
            how["before_cell"] = makers_ended
            done = await executing(notebooks[name], name, progress=progress, **how)
            progress.write(f"{name}: {done.seconds:.0f} s")
            done = await asyncio.to_thread(finish, done)
            ended[name].set()
            return done

        runs = _wait_for(_in_order(order, run, at_once, progress.set_description))
    return [runs[name] for name in notebooks]


async def _in_order(
    order: Order,
    run: Callable[[str], Awaitable[Run]],
    at_once: int,
    say: Callable[[str], None],
) -> dict[str, Run]:
    """Run what is named, so many at once, each after what it needs; `say` what is running."""
    needs = {name: order.after[name] | order.begun(name) for name in order.after}
    ahead = time_ahead(needs, order.minutes)
    waiting, running, runs = sorted(needs, key=ahead.get, reverse=True), {}, {}
    try:
        while waiting or running:
            while len(running) < at_once:
                on_the_way = runs.keys() | set(running.values())
                ready = (
                    name
                    for name in waiting
                    if order.after[name] <= runs.keys() and order.begun(name) <= on_the_way
                )
                if (name := next(ready, None)) is None:
                    break
                waiting.remove(name)
                running[asyncio.create_task(run(name))] = name
            say(", ".join(running.values()))
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            runs |= {running.pop(task): task.result() for task in ended}
    finally:  # interrupted: no kernel outlives this program
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return runs


def time_ahead(needs: Mapping[str, set[str]], minutes: Mapping[str, float]) -> dict[str, float]:
    """Return what each notebook takes with the longest row of those that wait for it.

    Whatever else runs at the same time, so many minutes pass from its beginning to the end of all.

    Parameters
    ----------
    needs : mapping of name to names
        In an order in which they could run one by one.
    minutes : mapping of name to float
        One where it is not given.
    """
    ahead: dict[str, float] = {}
    for name in reversed(needs):
        of_those_that_wait = (ahead[waiting] for waiting in ahead if name in needs[waiting])
        ahead[name] = minutes.get(name, 1.0) + max(of_those_that_wait, default=0.0)
    return ahead
