"""Time to list the series of a folder, beside a plain `pydicom.dcmread` of each file.

    python benchmarks/find_series.py [--folder DIR] [--files 5000] [--enhanced 90]

Two folders are listed: classic files (without a folder, those of the demonstration study; build
it first), and enhanced objects of 200 frames, written here with the functional groups that scanners
write. SimpleITK's way, which tells the series of a folder apart and no more, is timed where it is
installed. Each is run three times on files in the page cache and the fastest run counts; times are
of the processor, so that other programs on the machine do not count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pydicom
from npc_intake.find import find_series

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from dicom_making import make_enhanced, noise, save

RUNS = 3
FRAMES = 200


def link_files(source: Path, target: Path, count: int) -> list[Path]:
    """Give the first `count` DICOM files of a study to a folder of their own, without copying."""
    found = sorted(source.rglob("*.dcm"))[:count]
    for path in found:
        linked = target / path.relative_to(source)
        linked.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, linked)
    return found


def write_enhanced(target: Path, count: int) -> list[Path]:
    """Write enhanced objects, each a series: places, timing, echo and type of every frame."""
    dataset = make_enhanced(noise(FRAMES, 64, 64), slopes=[1] * FRAMES, order=range(FRAMES))
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        timing, echo, kind = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        timing.RepetitionTime, timing.FlipAngle, echo.EffectiveEchoTime = 4000, 90, 90
        kind.FrameType, kind.ComplexImageComponent = "ORIGINAL\\PRIMARY\\T2\\NONE", "MAGNITUDE"
        frame.MRTimingAndRelatedParametersSequence = [timing]
        frame.MREchoSequence, frame.MRImageFrameTypeSequence = [echo], [kind]
    paths = []
    for number in range(count):
        dataset.SeriesInstanceUID = f"2.25.90.{number}"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.91.{number}"
        paths.append(target / f"{number:03d}.dcm")
        save(dataset, paths[-1])
    return paths


def fastest(job) -> float:
    """Return the shortest of several runs, in seconds of the processor."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        job()
        times.append(time.process_time() - start)
    return min(times)


def simpleitk_ids(files: list[Path]) -> None:
    """List the series of every folder that holds one of the files."""
    import SimpleITK

    for folder in sorted({path.parent for path in files}):
        SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))


def compare(title: str, folder: str, files: list[Path]) -> None:
    """Print the times of one folder, and their ratio to a plain read of all files."""
    print(f"{title}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB")
    jobs = {
        "pydicom.dcmread": lambda: [pydicom.dcmread(path) for path in files],
        "pydicom.dcmread without pixels": lambda: [
            pydicom.dcmread(path, stop_before_pixels=True) for path in files
        ],
        "find_series": lambda: find_series(folder, progress=False),
    }
    if find_spec("SimpleITK"):
        jobs["SimpleITK, series of each folder"] = lambda: simpleitk_ids(files)
    seconds = {name: fastest(job) for name, job in jobs.items()}
    for name, taken in seconds.items():
        rate, ratio = 1000 * taken / len(files), seconds["pydicom.dcmread"] / taken
        print(f"{name:32s}{taken:7.2f} s {rate:8.3f} ms per file {ratio:6.1f} x")


def main() -> None:
    """Compare both kinds of files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("--folder", type=Path, default=here / "data" / "images")
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--enhanced", type=int, default=90, help="0: leave them out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder.parent) as temporary:
        compare("classic", temporary, link_files(options.folder, Path(temporary), options.files))
    if options.enhanced:
        with tempfile.TemporaryDirectory() as temporary:
            paths = write_enhanced(Path(temporary), options.enhanced)
            compare(f"enhanced, {FRAMES} frames each", temporary, paths)


if __name__ == "__main__":
    main()
