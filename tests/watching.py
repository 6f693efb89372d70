"""Watching a folder into which another process writes."""

import fnmatch
import os
import time


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
