"""Work for other processes: they import this file alone, and it imports no network."""

import math
import os
import signal
import time

import numpy as np

from npc_helpers.study.dicom_file import DicomError

ITEMS = [f"item {number}" for number in range(12)]


def value_of(item):
    """Something that a sum in another order would change in its last digit."""
    return math.fsum(1 / (1 + ord(letter)) for letter in item) * np.sqrt(2), os.getpid()


def killed_once(marks, item):
    """Item 3 waits to be killed the first time; twice is as good as once."""
    mark = marks / "waiting"
    if item == ITEMS[3] and not mark.exists():
        mark.with_suffix(".part").write_text(str(os.getpid()))
        mark.with_suffix(".part").rename(mark)
        time.sleep(600)
    return value_of(item)[0]


def killed_always(item):
    os.kill(os.getpid(), signal.SIGKILL)


def refused(item):
    raise DicomError("no image here", "empty-folder")
