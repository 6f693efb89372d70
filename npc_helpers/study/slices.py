"""Images of a study that show nothing, or the same as another: found before a network sees them."""

from __future__ import annotations

import hashlib
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from npc_helpers.study.artefacts import dicom_files
from npc_helpers.study.dicom_file import DicomError, open_dicom
from npc_helpers.study.jobs import spread
from npc_helpers.study.problems import Problem
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import MANIFEST

if TYPE_CHECKING:
    from pydicom import Dataset

SERIES_PER_WORKER = 100  # what is read in the second or two that a process takes to start
NAMED = 3  # images, as examples
COMPRESSED = 10  # one value throughout takes less than a tenth: lossless JPEG needs a bit a pixel
EXPORT_AGAIN = "Look at the series. If these images should show the patient, export it again."
TWO_ROWS = "One of the two is wrong: look at both, and export again what is not what it should be."


class Slice(NamedTuple):
    """One image: its name, a hash of its pixels, and whether they all have one value."""

    name: str
    pixels: str
    is_blank: bool


def repeats(slices: Sequence[Slice]) -> list[tuple[Slice, Slice]]:
    """Return each image that shows the same as an earlier one, with that one; blanks are none."""
    earlier: dict[str, Slice] = {}
    return [
        (image, first)
        for image in slices
        if not image.is_blank and (first := earlier.setdefault(image.pixels, image)) is not image
    ]


def slice_of(name: str, pixels: np.ndarray) -> Slice:
    """Return what is compared of one image."""
    flat = np.ascontiguousarray(pixels).reshape(-1)
    return Slice(name, _hash(flat), bool(len(flat)) and bool((flat == flat[0]).all()))


def check_slices(manifest: pd.DataFrame, folder: Path) -> list[Problem]:
    """Look for images that are blank, and for images that are there twice.

    `manifest` holds only rows whose path lies in the study. One problem per series and kind, with
    examples: a whole series of blank images is an error, and so are images that stand in two
    series; single blank or repeated ones are a warning. Files that cannot be read are none of this
    check's concern.
    """
    places = [folder / path for path in manifest["path"]]
    done = spread(_slices, places, fewest=SERIES_PER_WORKER, task="reads images")
    bar = {"total": len(places), "desc": "looking for blank images", "leave": False, "delay": 1}
    slices = dict(progress_bar(done, unit="series", **bar))
    series = [
        (row, slices[place]) for row, place in zip(manifest.itertuples(), places, strict=True)
    ]
    in_one = [problem for row, images in series for problem in _in_one_series(row, images)]
    return [*in_one, *_in_two_series(series)]


def _in_one_series(row, images: list[Slice]) -> Iterator[Problem]:
    blank, again, n = [image for image in images if image.is_blank], repeats(images), len(images)
    if blank:
        says = f"{len(blank)} of {n} images are blank (every pixel has the same value): "
        level = "error" if len(blank) == n else "warning"
        yield Problem(row.path, row.patient_id, "", says + _names(blank), EXPORT_AGAIN, level)
    if again:
        image, first = again[0]
        says = f"{len(again)} of {n} images show the same as another of the series: "
        says += f"'{image.name}' as '{first.name}'{', …' * (len(again) > 1)}"
        yield Problem(row.path, row.patient_id, "", says, EXPORT_AGAIN, "warning")


def _in_two_series(series: list[tuple[NamedTuple, list[Slice]]]) -> Iterator[Problem]:
    first_series: dict[str, int] = {}
    shared: dict[tuple[int, int], list[Slice]] = defaultdict(list)
    for number, (_, images) in enumerate(series):
        for image in images:
            first = first_series.setdefault(image.pixels, number)
            if first != number and not image.is_blank:
                shared[number, first].append(image)
    for (number, first), images in shared.items():
        (row, all_images), (twin, _) = series[number], series[first]
        if row.sha256 == twin.sha256 != "" and row.patient_id != twin.patient_id:
            continue  # the same files for two patients: the manifest's check says so
        says = f"{len(images)} of {len(all_images)} images of '{row.path}' show the same as "
        says += f"images of '{twin.path}': {_names(images)}"
        yield Problem(MANIFEST.path, row.patient_id, "path", says, TWO_ROWS)


def _names(images: list[Slice]) -> str:
    shown = ", ".join(f"'{image.name}'" for image in images[:NAMED])
    return shown + ", …" * (len(images) > NAMED)


def _slices(folder: Path) -> list[Slice]:
    """Return every image of a series that can be read; a frame is named by its number."""
    slices = []
    for path in dicom_files(folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they may repeat a value
            try:
                slices += _frames(open_dicom(path), path.name)
            except (DicomError, AttributeError, ValueError, TypeError):
                continue  # the reader of the series refuses such a file, with its name
    return slices


def _frames(dataset: Dataset, name: str) -> Iterator[Slice]:
    if "PixelData" not in dataset:
        return
    n, bits = int(dataset.get("NumberOfFrames") or 1), int(dataset.BitsAllocated)
    names = [name if n == 1 else f"{name} frame {number + 1}" for number in range(n)]
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        from pydicom.encaps import generate_frames

        raw = dataset.Rows * dataset.Columns * bits // 8
        for number, code in enumerate(generate_frames(dataset.PixelData, number_of_frames=n)):
            small = len(code) * COMPRESSED < raw
            yield Slice(names[number], _hash(code), small and _is_blank(dataset, number))
        return
    stored = (1 << int(dataset.BitsStored)) - 1  # above them lies what is no part of the image
    values = np.frombuffer(dataset.PixelData, f"{'<>'[not syntax.is_little_endian]}u{bits // 8}")
    size = len(values) // n
    for number, frame in enumerate((values[: n * size] & stored).reshape(n, size)):
        yield slice_of(names[number], frame)


def _is_blank(dataset: Dataset, frame: int) -> bool:
    """Decode one frame and compare its pixels; False where no decoder is installed."""
    from pydicom.pixels import pixel_array

    try:
        return slice_of("", pixel_array(dataset, index=frame)).is_blank
    except Exception:  # each decoder raises its own kinds
        return False


def _hash(content) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
