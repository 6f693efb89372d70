"""The one way to spread work over processor cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

from npc_helpers.study.artefacts import StudyError

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_processes(
    function: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int, what: str
) -> Iterator[tuple[Job, Result]]:
    """Call a function for each job, and yield each job with its result as it is done.

    Parameters
    ----------
    function : callable
        A function of a module, or a `functools.partial` of one.
    jobs : sequence
        Hashable, and possible to pickle.
    workers : int
        Processes; 1 works in this process, in order.
    what : str
        What the processes do, for the message when one dies: "reads DICOM".

    Raises
    ------
    StudyError
        If a process ended before its work was done.

    Notes
    -----
    Fresh processes on every system: a forked copy of a process that runs threads can hang.
    """
    if workers == 1:
        yield from ((job, function(job)) for job in jobs)
        return
    context = get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    try:
        running = {pool.submit(function, job): job for job in jobs}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool as error:
        raise StudyError(
            f"A process that {what} ended unexpectedly. In a script, put the call below "
            "`if __name__ == '__main__':`; if memory is short, use workers=1."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let this worker end when its parent is killed; it would wait for work for ever."""

    def wait() -> None:
        parent_process().join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()
