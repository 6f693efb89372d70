"""The one way to spread work: over this machine's processor cores, or over a cluster.

The environment variable ``NPC_CLUSTER`` names the scheduler of a Dask cluster, by its address
(``tcp://host:8786``) or by the file in which it writes that. ``docs/cluster.md`` shows how to start
one. The results are the same, bit for bit, wherever the work is done.
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TypeVar

import psutil

from npc_helpers.study.artefacts import StudyError

Item = TypeVar("Item")
Result = TypeVar("Result")

CLUSTER = "NPC_CLUSTER"
IDLE_S = 30  # worker processes wait so long for the next call; starting one takes a second
CONNECT_S = 30
PARENT_S = 0.2  # between two looks whether the parent still runs


def spread(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int | None = None,
    fewest: int = 1,
    task: str = "works",
) -> Iterator[tuple[Item, Result]]:
    """Call a function for each item, and yield each item with its result as it is done.

    Parameters
    ----------
    function : callable
        Possible to pickle: a function of a module, or a `functools.partial` of one. Called again
        for an item whose machine in a cluster was lost, so twice must be as good as once.
    items : iterable
        Possible to pickle.
    workers : int, optional
        Processes on this machine, by default one per core; 1 works in this process, in order. A
        cluster uses all that it has.
    fewest : int
        Items that are worth a process of their own: as many as are done while one starts.
    task : str
        What the work is, for the message when a process dies: "reads DICOM".

    Raises
    ------
    StudyError
        If a process ended before its work was done, or the cluster cannot be used.

    Examples
    --------
    >>> sorted(spread(abs, [-2, 1], workers=1))
    [(-2, 2), (1, 1)]
    """
    items = list(items)
    place = os.environ.get(CLUSTER, "")
    if place and items:
        with _cluster(place, task) as backend:
            yield from _parallel(function, items, backend=backend)
        return
    from joblib import cpu_count  # knows what a container or a batch system allows

    workers = min(workers or cpu_count(), math.ceil(len(items) / fewest))
    if workers <= 1:
        yield from ((item, function(item)) for item in items)
        return
    try:
        yield from _parallel(
            function,
            items,
            backend="loky",
            n_jobs=workers,
            idle_worker_timeout=IDLE_S,
            initializer=_end_with_parent,
        )
    except BrokenProcessPool as error:
        raise StudyError(
            f"A process that {task} ended unexpectedly. If memory is short, use workers=1."
        ) from error


def _parallel(
    function: Callable[[Item], Result], items: list[Item], *, n_jobs: int = -1, **options
) -> Iterator[tuple[Item, Result]]:
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=n_jobs, return_as="generator_unordered", **options)
    for number, result in pool(delayed(_Task(n, function, item))() for n, item in enumerate(items)):
        yield items[number], result


class _Task:
    """One call. In one object, so that a cluster sends all of it again when a machine is lost."""

    def __init__(self, number: int, function: Callable[[Item], Result], item: Item) -> None:
        self._number, self._function, self._item = number, function, item

    def __call__(self) -> tuple[int, Result]:
        return self._number, self._function(self._item)


def _end_with_parent() -> None:
    """Let this worker end when its parent is killed; it would go on with the work in its queue."""
    parent = psutil.Process(os.getppid())

    def watch() -> None:
        while os.getppid() == parent.pid and parent.is_running():
            time.sleep(PARENT_S)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


# --- a cluster ------------------------------------------------------------------------------------


@contextmanager
def _cluster(place: str, task: str) -> Iterator[object]:
    """Connect to a Dask scheduler, and give joblib's way to work there."""
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
        from joblib._dask import DaskDistributedBackend
    except ModuleNotFoundError as error:
        raise StudyError(
            f"{CLUSTER} is set, and the package {error.name} is not installed. Run: python -m "
            "npc_helpers install cluster"
        ) from None
    where = {"address": place} if "://" in place else {"scheduler_file": _file(place)}
    try:
        client = Client(**where, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:  # a time-out is an OSError
        raise StudyError(
            f"{CLUSTER} is {place}, and no scheduler answers there ({error}). Start one as "
            "docs/cluster.md shows, or unset it to work on this machine."
        ) from error
    with client:
        _check_workers(client, place)
        try:
            yield DaskDistributedBackend(client=client)
        except KilledWorker as error:
            raise StudyError(
                f"Several machines of the cluster that {task} ended unexpectedly, each with the "
                "same piece of work. If memory is short, give each more; look into their logs."
            ) from error


def _file(place: str) -> str:
    if not Path(place).is_file():
        raise StudyError(
            f"{CLUSTER} is {place}: neither an address such as tcp://host:8786 nor the file that "
            "`dask scheduler --scheduler-file` writes. Start the scheduler first."
        )
    return place


def _check_workers(client, place: str) -> None:
    client.wait_for_workers(1, timeout=CONNECT_S)
    threads = client.nthreads()
    if any(number > 1 for number in threads.values()):
        raise StudyError(
            f"The cluster at {place} has workers of several threads, which would mix up what is "
            "noticed while reading. Start them with: dask worker --nthreads 1"
        )
