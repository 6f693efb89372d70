"""Watching a folder into which another process writes, and killing that process."""

import fnmatch
import os
import signal
import sys
import time
import traceback


def names_below(folder, pattern):
    """Names of the files anywhere below a folder, even while its folders are moved or removed."""
    walk = os.walk(folder)  # unlike rglob, takes no notice of a folder that has just gone
    return {name for *_, names in walk for name in fnmatch.filter(names, pattern)}


def wait_until(condition, seconds=120):
    """Return whether a condition came true in time."""
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return met


def killed_at(number, action):
    """Run an action in a child process that dies at so many file events; return whether it did.

    Events are what Python's audit hook reports of files (open, rename, remove, truncate …), each
    `os.write`, of which half gets through, and each `os.fsync`.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the action failed"
        return os.WIFSIGNALED(status)
    try:
        _die_at(number)
        action()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _die_at(number):
    left, write, fsync = number, os.write, os.fsync

    def event(name, arguments=()):
        nonlocal left
        if name == "open" or (name.startswith("os.") and name != "os.kill"):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def half_written(handle, content):
        if left == 0:
            write(handle, content[: len(content) // 2])
        event("os.write")
        return write(handle, content)

    def synchronised(handle):
        event("os.fsync")
        return fsync(handle)

    os.write, os.fsync = half_written, synchronised
    sys.addaudithook(event)
