"""Time to list the series of 5,000 files, beside a plain `pydicom.dcmread` of each.

    python benchmarks/find_series.py [--folder DIR] [--files 5000]

Without a folder, the images of the demonstration study are listed (build it first). SimpleITK's
way, which tells the series of a folder apart and no more, is timed where it is installed. Each is
run three times on files in the page cache and the fastest run counts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pydicom
from npc_intake.find import find_series

RUNS = 3


def link_files(source: Path, target: Path, count: int) -> list[Path]:
    """Give the first `count` DICOM files of a study to a folder of their own, without copying."""
    found = sorted(source.rglob("*.dcm"))[:count]
    for path in found:
        linked = target / path.relative_to(source)
        linked.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, linked)
    return found


def fastest(job) -> float:
    """Return the shortest of several runs, in seconds."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def simpleitk_ids(files: list[Path]) -> None:
    """List the series of every folder that holds one of the files."""
    import SimpleITK

    for folder in sorted({path.parent for path in files}):
        SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))


def main() -> None:
    """Print the times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("--folder", type=Path, default=here / "data" / "images")
    parser.add_argument("--files", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder.parent) as temporary:
        files = link_files(options.folder, Path(temporary), options.files)
        print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB")
        plain = fastest(lambda: [pydicom.dcmread(path) for path in files])
        headers = fastest(lambda: [pydicom.dcmread(p, stop_before_pixels=True) for p in files])
        found = fastest(lambda: find_series(temporary, progress=False))
        rows = [
            ("pydicom.dcmread", plain),
            ("pydicom.dcmread without pixels", headers),
            ("find_series", found),
        ]
        if find_spec("SimpleITK"):
            rows.append(("SimpleITK, series of each folder", fastest(lambda: simpleitk_ids(files))))
    for name, seconds in rows:
        rate = 1000 * seconds / len(files)
        print(f"{name:32s}{seconds:7.2f} s {rate:7.3f} ms per file {plain / seconds:6.1f} x")


if __name__ == "__main__":
    main()
