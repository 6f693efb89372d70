"""Time to list the series of a folder, beside a plain `pydicom.dcmread` of each file.

    python benchmarks/find_series.py [--folder DIR] [--files 5000] [--enhanced 90]

Two folders are listed: classic files (without a folder, those of the demonstration study; build
it first), and enhanced objects of 12 to 200 frames, written here with the functional groups that
scanners write, a maker's own among them, in sequences of stated and of unstated length. `pydicom`
leaves these groups unread until somebody asks for them, and what they say is needed: so reading
all of them with it is timed, too. SimpleITK's way, which tells the series of a folder apart and no
more, is timed where it is installed. Each is run three times on files in the page cache and the
fastest run counts; times are of the processor, so that other programs on the machine do not count.
"""

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
FRAMES = (12, 30, 60, 120, 200)  # of the enhanced objects, in turn
NOT_WANTED = (  # groups of every frame that `find` passes over
    *("MRAveragesSequence", "MRFOVGeometrySequence", "MRImagingModifierSequence"),
    *("MRReceiveCoilSequence", "MRTransmitCoilSequence", "FrameAnatomySequence"),
    *("MRMetaboliteMapSequence", "MRVelocityEncodingSequence", "CardiacSynchronizationSequence"),
)
OF_THE_MAKER = 30  # elements in each frame's own group of the maker


def link_files(source: Path, target: Path, count: int) -> list[Path]:
    """Give the first `count` DICOM files of a study to a folder of their own, without copying."""
    paths = sorted(source.rglob("*.dcm"))[:count]
    for path in paths:
        linked = target / path.relative_to(source)
        linked.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, linked)
    return paths


def make_object(n_frames: int, *, has_lengths: bool) -> pydicom.Dataset:
    """Make an enhanced object: places, timing, echo, type, and what a maker adds to each frame."""
    dataset = make_enhanced(noise(n_frames, 64, 64), slopes=[1] * n_frames, order=range(n_frames))
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        timing, echo, kind = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        timing.RepetitionTime, timing.FlipAngle, echo.EffectiveEchoTime = 4000, 90, 90
        kind.FrameType, kind.ComplexImageComponent = "ORIGINAL\\PRIMARY\\T2\\NONE", "MAGNITUDE"
        frame.MRTimingAndRelatedParametersSequence = [timing]
        frame.MREchoSequence, frame.MRImageFrameTypeSequence = [echo], [kind]
        for keyword in NOT_WANTED:
            item = pydicom.Dataset()
            item.NumberOfAverages, item.PixelBandwidth, item.ContentQualification = (
                1,
                250,
                "PRODUCT",
            )
            setattr(frame, keyword, [item])
        private = pydicom.Dataset()
        block = private.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        for number in range(OF_THE_MAKER):
            block.add_new(number, "LO", f"value {number}")
        frame.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(
            0x0F, "SQ", [private]
        )
    if not has_lengths:
        leave_lengths_out(dataset)
    return dataset


def leave_lengths_out(dataset: pydicom.Dataset) -> None:
    """Let every sequence and item be written with a delimiter in place of its length."""
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                leave_lengths_out(item)


def read_groups(path: Path) -> None:
    """Read a file and every functional group of its frames with pydicom."""
    for _ in pydicom.dcmread(path, stop_before_pixels=True).iterall():
        pass


def write_enhanced(target: Path, count: int) -> list[Path]:
    """Write enhanced objects, each a series."""
    objects = [make_object(n, has_lengths=lengths) for n in FRAMES for lengths in (True, False)]
    paths = []
    for number in range(count):
        dataset = objects[number % len(objects)]
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


def compare(title: str, folder: str, files: list[Path], *, has_groups: bool) -> None:
    """Print the times of one folder, and their ratio to a plain read of all files."""
    print(f"{title}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB")
    jobs = {
        "pydicom.dcmread": lambda: [pydicom.dcmread(path) for path in files],
        "pydicom.dcmread without pixels": lambda: [
            pydicom.dcmread(path, stop_before_pixels=True) for path in files
        ],
        "find_series": lambda: find_series(folder, progress=False),
    }
    if has_groups:
        jobs["pydicom, with all sequences"] = lambda: [read_groups(path) for path in files]
    if find_spec("SimpleITK"):
        jobs["SimpleITK, series of each folder"] = lambda: simpleitk_ids(files)
    seconds = {name: fastest(job) for name, job in jobs.items()}
    for name, taken in seconds.items():
        rate, ratio = 1000 * taken / len(files), seconds["pydicom.dcmread"] / taken
        print(f"{name:32s}{taken:7.2f} s {rate:8.3f} ms per file {ratio:6.1f} x")


def main() -> None:
    """Compare both kinds of files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("--folder", type=Path, default=root / "data" / "images")
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--enhanced", type=int, default=90, help="0: leave them out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder.parent) as temporary:
        compare(
            "classic",
            temporary,
            link_files(options.folder, Path(temporary), options.files),
            has_groups=False,
        )
    if options.enhanced:
        with tempfile.TemporaryDirectory() as temporary:
            paths = write_enhanced(Path(temporary), options.enhanced)
            compare("enhanced, 12 to 200 frames each", temporary, paths, has_groups=True)


if __name__ == "__main__":
    main()
