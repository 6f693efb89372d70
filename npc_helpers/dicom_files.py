"""One DICOM file at a time: open it, read typed tags from it, decode its pixels.

pydicom lets most malformed values through without a word (a comma instead of a decimal point is
a string, half a header is a shorter dataset). So nothing outside this module reads a tag by
attribute: `Tags` checks the kind and the number of values and names the file when it refuses.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.datadict import dictionary_description
from pydicom.pixels import get_decoder
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from npc_helpers.artefacts import StudyError

GREY = ("MONOCHROME1", "MONOCHROME2")
# CharLS through pyjpegls needs three quarters of the time it takes through GDCM (same pixels).
PREFERRED_PLUGIN = "pyjpegls"
ENCODINGS = {  # (implicit VR, little endian), as pydicom guesses them, -> transfer syntax
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
INSTALL = {  # transfer syntax -> what to install
    "1.2.840.10008.1.2.4.57": "python-gdcm",
    "1.2.840.10008.1.2.4.70": "python-gdcm",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.201": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg pylibjpeg-openjpeg",
}


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


@dataclass(frozen=True)
class Finding:
    """Something noticed while reading that did not prevent it.

    Attributes
    ----------
    severity : {"info", "warn", "error"}
    code : str
        Stable short name, e.g. ``"ignored-file"``.
    file : str
        File name; blank if it concerns the whole series.
    message : str
    """

    severity: str
    code: str
    file: str
    message: str


def merge_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Join findings that differ by file only into one that names the first and counts the rest."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.code, finding.message), []).append(finding)
    merged = []
    for alike in groups.values():
        more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        merged.append(replace(alike[0], file=alike[0].file + more))
    return tuple(merged)


def warning_findings(caught: Iterable[warnings.WarningMessage], file: str = "") -> list[Finding]:
    """Turn recorded warnings of pydicom into findings."""
    messages = [str(item.message) for item in caught if item.category is UserWarning]
    return [Finding("info", "pydicom", file, message) for message in messages]


def refuse(path: Path, code: str, problem: str, action: str) -> DicomError:
    """Return the error for one file: folder, file, what was found, what to do."""
    return DicomError(f"{path.parent}: file {path.name}: {problem}. {action}", code)


class Tags:
    """Typed reading of one dataset (or one item of a sequence in it).

    Parameters
    ----------
    dataset : pydicom.Dataset
    path : Path
        The file, named in every refusal.
    """

    def __init__(self, dataset: pydicom.Dataset, path: Path) -> None:
        self.dataset = dataset
        self.path = path

    def _refuse(self, keyword: str, problem: str) -> DicomError:
        return refuse(
            self.path,
            "bad-tag",
            f"{dictionary_description(keyword)} ({keyword}) {problem}",
            "Export the series again, or leave it out of data_manifest.csv",
        )

    def _value(self, keyword: str) -> object:
        try:
            return self.dataset.get(keyword)
        except Exception as error:  # pydicom converts on access, and raises many kinds
            raise self._refuse(keyword, f"cannot be read ({error})") from error

    def text(self, keyword: str) -> str:
        """Return a value as text without surrounding blanks; ``""`` where there is none."""
        value = self._value(keyword)
        return "" if value is None else str(value).strip().strip("\0").strip()

    def number(self, keyword: str, default: float | None = None) -> float:
        """Return one finite number, or `default` where the tag is absent or empty.

        Raises
        ------
        DicomError
            If the value is no number, or absent and there is no default.
        """
        value = self.text(keyword)
        if not value:
            if default is None:
                raise self._refuse(keyword, "is missing or empty")
            return default
        return self._finite(keyword, value)

    def _finite(self, keyword: str, value: object) -> float:
        try:
            number = float(str(value).strip())
        except ValueError:
            hint = ", which looks like a decimal comma" if "," in str(value) else ""
            raise self._refuse(keyword, f"is '{value}', not a number{hint}") from None
        if not math.isfinite(number):
            raise self._refuse(keyword, f"is '{value}', not a finite number")
        return number

    def integer(self, keyword: str, default: int | None = None) -> int:
        """Return one whole number; otherwise as `number`."""
        number = self.number(keyword, default)
        if number != int(number):
            raise self._refuse(keyword, f"is {number}, not a whole number")
        return int(number)

    def numbers(self, keyword: str, count: int) -> np.ndarray:
        """Return exactly `count` finite numbers as a float64 array."""
        value = self._value(keyword)
        values = [] if value is None else [value] if isinstance(value, str) else value
        values = list(values) if isinstance(values, Iterable) else [values]
        if len(values) != count:
            raise self._refuse(keyword, f"holds {len(values)} value(s) instead of {count}")
        return np.array([self._finite(keyword, item) for item in values])

    def items(self, keyword: str) -> list[Tags]:
        """Return the items of a sequence; none where it is absent."""
        value = self._value(keyword)
        if not isinstance(value, pydicom.Sequence):
            return []
        return [Tags(item, self.path) for item in value]


def list_files(folder: Path) -> tuple[list[Path], list[Finding]]:
    """Return the files of a folder that may be DICOM, and findings about the others."""
    files, findings = [], []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            findings.append(Finding("info", "ignored-folder", path.name, "folder inside; not read"))
        elif path.name.startswith(".") or path.name.upper() == "DICOMDIR":
            findings.append(_ignored(path))
        else:
            files.append(path)
    return files, findings


def _ignored(path: Path) -> Finding:
    return Finding("info", "ignored-file", path.name, "ignored: not a DICOM image")


def open_file(path: Path, *, pixels: bool = True) -> tuple[Tags | None, list[Finding]]:
    """Open one file.

    Parameters
    ----------
    path : Path
    pixels : bool
        Also read the pixel data (not yet decoded).

    Returns
    -------
    Tags or None
        None for a file that is no DICOM and is not named like one.
    list of Finding

    Raises
    ------
    DicomError
        If the file is named like DICOM and is not, or is cut off in its header.
    """
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError as error:
        raise _unreadable(path, error) from error
    if start[128:] == b"DICM":
        return _parse(path, pixels=pixels, force=False)
    named_like_dicom = path.suffix.lower() in ("", ".dcm", ".ima") or path.suffix[1:].isdigit()
    if not named_like_dicom or (not start and path.suffix == ""):
        return None, [_ignored(path)]
    if not start:
        raise refuse(path, "truncated", "the file is empty", "Copy or export it again")
    tags, findings = _parse(path, pixels=pixels, force=True)
    if tags.text("SOPClassUID") and tags.text("Rows"):
        tags.dataset.file_meta = tags.dataset.file_meta or pydicom.dataset.FileMetaDataset()
        if "TransferSyntaxUID" not in tags.dataset.file_meta:
            tags.dataset.file_meta.TransferSyntaxUID = ENCODINGS[tags.dataset.original_encoding]
        message = "no DICOM preamble; read as a bare dataset"
        return tags, [*findings, Finding("warn", "no-preamble", path.name, message)]
    if path.suffix == "":
        return None, [_ignored(path)]
    raise refuse(
        path, "not-dicom", "not a DICOM file although named like one", "Remove it from the folder"
    )


def _unreadable(path: Path, error: Exception) -> DicomError:
    return refuse(path, "unreadable", f"cannot be read ({error})", "Copy or export it again")


def _parse(path: Path, *, pixels: bool, force: bool) -> tuple[Tags, list[Finding]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=not pixels, force=force)
        except Exception as error:  # pydicom raises many kinds on malformed bytes
            raise _unreadable(path, error) from error
    findings = warning_findings(caught, path.name)
    if any("End of file reached" in found.message for found in findings) or not len(dataset):
        raise refuse(path, "truncated", "the file is cut off", "Copy or export it again")
    return Tags(dataset, path), findings


def check_image(tags: Tags) -> None:
    """Refuse a file that holds no plain grey image.

    Raises
    ------
    DicomError
    """
    if "PixelData" not in tags.dataset:
        raise refuse(
            tags.path, "no-pixel-data", "there is no pixel data in it", "Remove or export it again"
        )
    photometric = tags.text("PhotometricInterpretation")
    if tags.integer("SamplesPerPixel") != 1 or photometric not in GREY:
        raise refuse(
            tags.path,
            "not-grey",
            f"the image is not a plain grey one (photometric interpretation '{photometric}')",
            "Export the original MR series instead of a screenshot",
        )
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation"):
        tags.integer(keyword)


def decode(tags: Tags) -> tuple[np.ndarray, list[Finding]]:
    """Decode the stored pixels of one file that passed `check_image`.

    Returns
    -------
    ndarray, shape (frames, rows, columns)
        As stored, but with larger values brighter: MONOCHROME1 is inverted within its stored
        bits, which is a finding.
    list of Finding

    Raises
    ------
    DicomError
        If the pixels are cut off, damaged, or compressed in a way nothing here can decode.
    """
    pixels, findings = stored_pixels(tags)
    pixels = pixels.reshape(-1, *pixels.shape[-2:])
    if tags.text("PhotometricInterpretation") == "MONOCHROME1":
        top = -1 if pixels.dtype.kind == "i" else (1 << tags.integer("BitsStored")) - 1
        pixels = (top - pixels.astype(np.int64)).astype(pixels.dtype)
        message = "MONOCHROME1: inverted, so that larger is brighter"
        findings.append(Finding("info", "inverted", tags.path.name, message))
    return pixels, findings


def stored_pixels(tags: Tags) -> tuple[np.ndarray, list[Finding]]:
    """Decode the pixels of one file as they are stored; the terms are those of `decode`."""
    path, syntax = tags.path, tags.dataset.file_meta.get("TransferSyntaxUID")
    try:
        decoder = get_decoder(syntax)
    except (NotImplementedError, TypeError, AttributeError):
        raise _no_decoder(path, syntax) from None
    if not decoder.is_available:
        raise _no_decoder(path, syntax)
    plugin = PREFERRED_PLUGIN if PREFERRED_PLUGIN in decoder.available_plugins else ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            pixels, _ = decoder.as_array(tags.dataset, decoding_plugin=plugin)
        except Exception as error:  # each plugin raises its own kinds on damaged pixel data
            raise refuse(
                path,
                "truncated" if "less than expected" in str(error) else "undecodable",
                f"its pixel data are damaged or cut off ({str(error).splitlines()[0]})",
                "Copy or export it again",
            ) from error
    return pixels, warning_findings(caught, path.name)


def _no_decoder(path: Path, syntax: pydicom.uid.UID | None) -> DicomError:
    if syntax is None:
        return refuse(path, "bad-tag", "the transfer syntax is missing", "Copy or export it again")
    package = INSTALL.get(str(syntax))
    action = (
        f"Run: pip install {package}"
        if package
        else "Export the series uncompressed (Explicit VR Little Endian)"
    )
    problem = f"no decoder for its compression, {syntax.name} ({syntax})"
    return refuse(path, "missing-decoder", problem, action)
