"""The memory that reading a file may take."""

from contextlib import contextmanager
from pathlib import Path

GIBIBYTE = 1 << 30


@contextmanager
def limits(*, memory=GIBIBYTE):
    """Allow so much memory more than is held at the start, where Linux counts it anew."""
    counter = Path("/proc/self/clear_refs")
    if counter.exists():
        counter.write_text("5")  # the peak counts from here
    held = status("VmRSS")
    yield
    assert status("VmHWM") - held < memory


def status(name):
    """Return a line of Linux's account of this process in bytes, elsewhere zero."""
    account = Path("/proc/self/status")
    lines = account.read_text().splitlines() if account.exists() else []
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
