"""Series drawn per second, and how that grows with the number of processes.

    python benchmarks/build_study.py [--patients 8] [--workers 1 2] [--matrix 512]

A small study is built into a temporary folder for each number of processes. The start of the
processes is counted, as it is in a real build; the time for the default study of 206 patients is
extrapolated from the series per second.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from npc_demo.centres import select
from npc_demo.registry import make_cohort
from npc_demo.writer import write_study

SERIES_OF_DEFAULT_STUDY = 206 * 4


def measure(cohort, workers: int, matrix: int) -> tuple[float, int, int]:
    """Build a study; return seconds, series and bytes on disk."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        built = write_study(
            Path(folder) / "study", cohort, matrix=matrix, workers=workers, progress=False
        )
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return seconds, built.n_series, size


def peak_mebibytes() -> float:
    """Return the largest resident memory of this process or of one child so far, in MiB."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024


def main() -> None:
    """Print one line per number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--matrix", type=int, default=512)
    options = parser.parse_args()
    cohort = select(make_cohort(), options.patients)
    print(f"{options.patients} patients, matrix {options.matrix}, {os.cpu_count()} processor cores")
    first = None
    for workers in options.workers:
        seconds, series, size = measure(cohort, workers, options.matrix)
        rate = series / seconds
        first = first or rate
        print(
            f"{workers:2d} processes {rate:6.2f} series/s {rate / first:5.2f} x "
            f"{size / series / 2**20:5.2f} MiB a series; the default study: "
            f"{SERIES_OF_DEFAULT_STUDY / rate:4.0f} s, "
            f"{SERIES_OF_DEFAULT_STUDY * size / series / 2**20:4.0f} MiB; "
            f"largest process so far {peak_mebibytes():4.0f} MiB"
        )


if __name__ == "__main__":
    main()
