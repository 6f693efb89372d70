"""One program at a time: what two may write is locked while it is read, merged and written.

Replacing a file whole (`artefacts.atomic_path`) keeps readers from seeing half of it. It does not
keep two writers apart: both read, both add their row, and the second one's file lacks the row of
the first. Between reading and replacing, hold the lock of the file.
"""

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import SoftFileLock, Timeout

from npc_helpers.study.artefacts import StudyError

WAIT_S = 30.0  # a table is read, merged and written in less than a second
POLL_S = 0.02
BEING_MADE_S = 1.0  # a lock that says for so long not whose it is was left by a killed program


@contextmanager
def locked(path: str | Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Keep other programs from writing a file, or into a folder, while the block runs.

    `path` need not exist yet; missing folders above it are made. Another program may take `wait_s`
    seconds to finish; use 0 where it may be at work for long: then the user is told at once, by a
    `StudyError` with its process and computer. The same thread may enter again.

    The lock is a small file beside `path`, ``.<name>.lock``, which holds process and computer and
    goes when the block ends (`filelock.SoftFileLock`). It needs nothing of the file system but that
    a file is made by one of two only, so it also works on network drives, where the locks of the
    operating system may be of no effect. What a program that was killed left is recognised on the
    same computer; on another one a person has to say that it is gone, and the message tells how.

    Examples
    --------
    >>> with locked(folder / "patients.csv"):  # doctest: +SKIP
    ...     table = pd.concat([read(folder / "patients.csv"), new_rows])
    ...     write(folder / "patients.csv", table)
    """
    path = Path(path).absolute()
    lock = SoftFileLock(path.with_name(f".{path.name}.lock"), is_singleton=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=min(wait_s, BEING_MADE_S), poll_interval=POLL_S)
        except Timeout:
            _remove_if_blank(Path(lock.lock_file))
            lock.acquire(timeout=wait_s, poll_interval=POLL_S)
    except Timeout:
        raise StudyError(_at_work(path, Path(lock.lock_file))) from None
    except OSError as error:
        raise StudyError(
            f"{path} cannot be written, as its folder takes no new file ({error.strerror}). Make "
            "room, or name a file in a folder that you may write to."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _remove_if_blank(lock_file: Path) -> None:
    """Remove a lock whose program was killed between making it and writing into it whose it is."""
    aside = lock_file.with_name(f"{lock_file.name}.{uuid.uuid4().hex}")
    with suppress(OSError):  # it has gone meanwhile
        for pause in (BEING_MADE_S, 0):
            if lock_file.stat().st_size:
                return
            time.sleep(pause)
        lock_file.rename(aside)  # of several that wait, one succeeds
        if aside.stat().st_size:  # it has an owner after all
            aside.rename(lock_file)
        aside.unlink(missing_ok=True)


def _at_work(path: Path, lock_file: Path) -> str:
    """Say who holds a lock, as its file tells: a line with the process, one with the computer."""
    try:
        process, computer = lock_file.read_text(encoding="utf-8").split("\n")[:2]
    except (OSError, ValueError):  # it has just gone, or is just being written
        return f"{path}: another program was writing it. Try again."
    computer = computer.partition("?")[0]  # what follows tells containers apart
    if (process, computer) == (str(os.getpid()), socket.gethostname()):
        return f"{path}: another part of this program is writing it. Wait for it, then try again."
    return (
        f"{path}: another program is at work on it (process {process} on the computer {computer}). "
        f"Wait until it has finished; then try again. If it runs no longer, delete {lock_file}."
    )
