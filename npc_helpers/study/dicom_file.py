"""The one way to open a DICOM file, for whoever reads a header, an image or an archive's answer.

A few megabytes can inflate to gigabytes, a folder can hold anything that is called DICOM, and
pydicom returns half a header without a word. So nothing else here calls ``dcmread``.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from io import SEEK_END
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from npc_helpers.study.artefacts import StudyError

if TYPE_CHECKING:
    from pydicom import Dataset

LARGEST_FILE = 1 << 27  # bytes that one file may take in memory: 256 images of 512 x 512 pixels
PREAMBLE, MAGIC = 128, b"DICM"  # PS3.10, 7.1
INFLATE_STEP = 1 << 22
PIXELS = 0x7FE00008  # first tag of an image's pixels
UNDEFINED = 0xFFFFFFFF


class DicomError(StudyError):
    """A DICOM file or series cannot be used; the message names folder, file and remedy.

    Attributes
    ----------
    code : str
        Stable short name of the problem, e.g. ``"missing-slice"``.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


def refuse(path: Path, code: str, problem: str, action: str) -> DicomError:
    """Return the error for one file: folder, file, what was found, what to do."""
    return DicomError(f"{path.parent}: file {path.name}: {problem}. {action}", code)


@contextmanager
def pydicom_remarks() -> Iterator[list[str]]:
    """Yield a list of what pydicom warned of, filled when the block ends; nothing is shown.

    A remark may repeat a value of the header.
    """
    remarks: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield remarks
    remarks += [str(item.message) for item in caught if item.category is UserWarning]


def open_dicom(
    source: str | Path | BinaryIO,
    *,
    pixels: bool = True,
    bare: bool = False,
    keywords: Sequence[str] | None = None,
    remarks: list[str] | None = None,
) -> Dataset:
    """Parse a DICOM file.

    Parameters
    ----------
    source : path-like or binary file
        A file, or the bytes that an archive sent (`io.BytesIO`).
    pixels : bool
        Also read the pixel data, not decoded. Without them an open file stands before them.
    bare : bool
        Also read a dataset without the preamble that a file should begin with.
    keywords : sequence of str, optional
        Keep these elements only.
    remarks : list of str, optional
        What pydicom warned of (`pydicom_remarks`) is added to it.

    Raises
    ------
    DicomError
        ``"not-dicom"`` without preamble, ``"truncated"`` if it ends too early, ``"too-large"`` if
        it would take more memory than `LARGEST_FILE`, ``"unreadable"`` if pydicom stumbles.
    """
    is_path = isinstance(source, str | Path)
    path = Path(source if is_path else "dataset")
    with pydicom_remarks() as said:
        try:
            with Path(source).open("rb") if is_path else nullcontext(source) as file:
                dataset = _parse(file, path, pixels=pixels, bare=bare, keywords=keywords)
        except DicomError:
            raise
        except Exception as error:  # pydicom raises many kinds on malformed bytes
            problem = f"cannot be read ({error})"
            raise refuse(path, "unreadable", problem, "Copy or export it again") from error
    cut_off = any("End of file reached" in text for text in said) or _ends_inside(dataset)
    if cut_off or not (dataset or keywords):
        again = "Copy or export it again"
        if not dataset.preamble:  # a few bytes, of which nothing can be told
            again += "; remove it if it is no image"
        raise refuse(path, "truncated", "the file is cut off", again)
    if remarks is not None:
        remarks += said
    return dataset


def _parse(
    file: BinaryIO, path: Path, *, pixels: bool, bare: bool, keywords: Sequence[str] | None
) -> Dataset:
    from pydicom import dcmread
    from pydicom.filereader import read_dataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    has_preamble = file.read(PREAMBLE + len(MAGIC))[PREAMBLE:] == MAGIC
    if not (has_preamble or bare):
        raise refuse(path, "not-dicom", "it is no DICOM file", "Remove it from the folder")
    file.seek(PREAMBLE + len(MAGIC) if has_preamble else 0)
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        _check_inflated_size(file, path)
    if pixels and file.seek(0, SEEK_END) > 2 * LARGEST_FILE:  # twice: pixels are not everything
        raise too_large(path)
    file.seek(0)
    later = None if pixels else LARGEST_FILE  # nobody asks a header for more
    return dcmread(
        file, stop_before_pixels=not pixels, force=bare, specific_tags=keywords, defer_size=later
    )


def _ends_inside(dataset: Dataset) -> bool:
    """Tell whether the file ends inside a value, of which pydicom gives what is left."""
    last = next(reversed(dataset.keys()), PIXELS)
    if last >= PIXELS or not dataset.preamble:  # who decodes pixels counts them
        return False
    element = dataset.get_item(last, keep_deferred=True)
    if not element.is_raw or element.value is None:  # a sequence, or left for later
        return False
    return len(element.value) < element.length < UNDEFINED


def _check_inflated_size(file: BinaryIO, path: Path) -> None:
    """Inflate what follows in the file, step by step, and keep nothing."""
    inflate, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while (rest := inflate.unconsumed_tail or file.read(INFLATE_STEP)) and not inflate.eof:
        size += len(inflate.decompress(rest, INFLATE_STEP))
        if size > LARGEST_FILE:
            raise too_large(path)


def too_large(path: Path) -> DicomError:
    """Return the error for a file that would take more than `LARGEST_FILE`."""
    problem = f"it would take more than {LARGEST_FILE >> 20} MiB of memory"
    return refuse(path, "too-large", problem, "Export the series again, one image per file")
