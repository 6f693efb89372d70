"""The pixels of a series: which images can be read, what decodes them, and all in one array."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import (
    HTJ2K as HTJ2K_LOSSY,
)
from pydicom.uid import (
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    RLELossless,
)

from npc_helpers.imaging.codestream import check_codestream
from npc_helpers.imaging.headers import Header, Plane
from npc_helpers.imaging.tags import Finding, Tags, warning_findings
from npc_helpers.study.dicom_file import LARGEST_FILE, DicomError, refuse, too_large

LARGEST_MATRIX = 1 << 24  # pixels of one image: 4096 x 4096, twice what any scanner makes
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and what begins so
GREY = ("MONOCHROME1", "MONOCHROME2")
EXPORT_UNCOMPRESSED = "Export the series uncompressed (Explicit VR Little Endian)"
ONLY_PLUGIN_FAILED = "Unable to decode as exceptions were raised by all available plugins: "
# What decodes a transfer syntax: one package each, Pillow and pyjpegls through pydicom's plugins.
# imagecodecs (of the group "intake") reads what an archive may have compressed besides.
IMAGECODECS = "imagecodecs"
HTJ2K = (HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K_LOSSY)
DECODERS = {
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.51": IMAGECODECS,
    "1.2.840.10008.1.2.4.57": IMAGECODECS,
    "1.2.840.10008.1.2.4.70": IMAGECODECS,
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pillow",
    "1.2.840.10008.1.2.4.91": "pillow",
    "1.2.840.10008.1.2.4.201": IMAGECODECS,
    "1.2.840.10008.1.2.4.202": IMAGECODECS,
    "1.2.840.10008.1.2.4.203": IMAGECODECS,
    "1.2.840.10008.1.2.5": "pydicom",
}


def read_pixels(
    headers: Sequence[Header], planes: Sequence[Plane]
) -> tuple[np.ndarray, list[Finding]]:
    """Decode all images of a series and rescale them where it is needed.

    Parameters
    ----------
    headers : sequence of Header
        Of all files, with their pixel data; these are dropped once they are decoded.
    planes : sequence of Plane
        All their images, in the order of the result.

    Returns
    -------
    ndarray, shape (planes, rows, columns)
        As stored, or float32 where any image has a rescale slope or intercept.
    list of Finding

    Raises
    ------
    DicomError
        As `decode`, and if a file holds another number of images than it describes.
    """
    as_stored = all(plane.slope == 1 and plane.intercept == 0 for plane in planes)
    findings = [] if as_stored else _rescale_findings(planes)
    places = {header.path: [] for header in headers}
    for index, plane in enumerate(planes):
        places[plane.path].append((index, plane))
    array = None
    for header in headers:
        images, noticed = decode(header.tags)  # (frames, rows, columns)
        del header.tags.dataset.PixelData  # or a series would be in memory twice
        findings += noticed
        if len(images) != len(places[header.path]):
            raise refuse(
                header.path,
                "mixed-matrix",
                f"it holds {len(images)} images but describes {len(places[header.path])}",
                "Export the series again as single-frame or as complete enhanced MR",
            )
        dtype = images.dtype if as_stored else np.dtype(np.float32)
        if array is None:
            array = np.empty((len(planes), *images.shape[1:]), dtype)
        array = array.astype(np.promote_types(array.dtype, dtype), copy=False)
        for index, plane in places[header.path]:
            array[index] = images[max(plane.frame, 0)]  # (rows, columns)
            if not as_stored:
                array[index] *= np.float32(plane.slope)
                array[index] += np.float32(plane.intercept)
    return array, findings


def _rescale_findings(planes: Sequence[Plane]) -> list[Finding]:
    slopes, findings = [plane.slope for plane in planes], []
    if len(set(slopes)) > 1:
        message = f"rescale slope differs between slices ({min(slopes):g} to {max(slopes):g})"
        findings.append(Finding("info", "rescale", "", message))
    if min(slopes) < 0:
        findings.append(Finding("warn", "rescale", "", "a rescale slope is negative"))
    return findings


def check_image(tags: Tags) -> int:
    """Refuse a file that holds no plain grey image; return the bytes that its pixels take.

    Raises
    ------
    DicomError
    """
    if "PixelData" not in tags.dataset:
        raise refuse(
            tags.path, "no-pixel-data", "there is no pixel data in it", "Remove or export it again"
        )
    if not tags.dataset.get_item("PixelData", keep_deferred=True).value:
        raise refuse(tags.path, "no-pixel-data", "its pixel data are empty", "Export it again")
    if tags.text("SOPClassUID").startswith(SECONDARY_CAPTURE):
        raise refuse(
            tags.path,
            "screenshot",
            "it is a secondary capture (a screenshot)",
            "Export the original MR series instead of it",
        )
    photometric = tags.text("PhotometricInterpretation")
    if tags.integer("SamplesPerPixel") != 1 or photometric not in GREY:
        raise refuse(
            tags.path,
            "not-grey",
            f"the image is not a plain grey one (photometric interpretation '{photometric}')",
            "Export the original MR series instead of a screenshot",
        )
    rows, columns = tags.integer("Rows"), tags.integer("Columns")
    if rows * columns > LARGEST_MATRIX:
        raise refuse(
            tags.path,
            "too-large",
            f"its image has {rows} x {columns} pixels, more than any MR scanner makes",
            "Export the original MR series instead of it",
        )
    bits = max(tags.integer("BitsAllocated"), 16)  # two bytes a pixel at least
    size = bits * rows * columns * tags.integer("NumberOfFrames", 1) // 8
    if size > LARGEST_FILE:
        raise too_large(tags.path)
    for keyword in ("BitsStored", "PixelRepresentation"):
        tags.integer(keyword)
    return size


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
        pixels = np.subtract(pixels.dtype.type(top), pixels)
        message = "MONOCHROME1: inverted, so that larger is brighter"
        findings.append(Finding("info", "inverted", tags.path.name, message))
    return pixels, findings


def stored_pixels(tags: Tags) -> tuple[np.ndarray, list[Finding]]:
    """Decode the pixels of one file as they are stored; the terms are those of `decode`.

    What lies in bits above the stored ones (an overlay of old, a text) is no part of the image.
    """
    path, syntax = tags.path, transfer_syntax(tags)
    decode_as = _decoder(tags, syntax)
    if syntax.is_encapsulated and syntax != RLELossless:
        check_codestream(tags)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            pixels = decode_as(tags.dataset)
        except Exception as error:  # each package raises its own kinds on damaged pixel data
            reason = " ".join(str(error).split()).removeprefix(ONLY_PLUGIN_FAILED)
            raise refuse(
                path,
                "truncated" if "less than expected" in reason else "undecodable",
                f"its pixel data are damaged or cut off ({reason})",
                "Copy or export it again",
            ) from error
    said = [str(item.message) for item in caught if item.category is UserWarning]
    return _without_unused_bits(pixels, tags), warning_findings(said, path.name)


def _without_unused_bits(pixels: np.ndarray, tags: Tags) -> np.ndarray:
    """Clear the bits above the stored ones, or fill them with the sign (PS3.5, 8.1.1)."""
    unused = 8 * pixels.dtype.itemsize - tags.integer("BitsStored")
    if unused <= 0:
        return pixels
    pixels = np.left_shift(pixels, unused, out=pixels if pixels.flags.writeable else None)
    return np.right_shift(pixels, unused, out=pixels)


def transfer_syntax(tags: Tags) -> pydicom.uid.UID:
    """Return how a file's dataset and pixels are encoded.

    Raises
    ------
    DicomError
        If that is missing or no transfer syntax.
    """
    meta = getattr(tags.dataset, "file_meta", None) or {}
    value = meta.get("TransferSyntaxUID")
    if not value:
        problem = "the transfer syntax is missing"
        raise refuse(tags.path, "bad-tag", problem, "Copy or export it again")
    syntax = pydicom.uid.UID(str(value))
    if not syntax.is_transfer_syntax and not syntax.is_private:
        raise _no_decoder(tags.path, syntax)
    return syntax


def _decoder(tags: Tags, syntax: pydicom.uid.UID) -> Callable[[pydicom.Dataset], np.ndarray]:
    """Return what decodes the pixels of a dataset of this transfer syntax."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise _no_decoder(tags.path, syntax) from None
    if not syntax.is_encapsulated:
        return lambda dataset: decoder.as_array(dataset)[0]
    package = DECODERS.get(syntax)
    if package == IMAGECODECS and find_spec(IMAGECODECS):
        return partial(_by_imagecodecs, high_throughput=syntax in HTJ2K)
    if package not in decoder.available_plugins:
        raise _no_decoder(tags.path, syntax)
    return lambda dataset: decoder.as_array(dataset, decoding_plugin=package)[0]


def _by_imagecodecs(dataset: pydicom.Dataset, *, high_throughput: bool) -> np.ndarray:
    """Decode JPEG of 2 to 16 bits, lossy or lossless, or high-throughput JPEG 2000."""
    import imagecodecs

    decode_frame = imagecodecs.jpeg2k_decode if high_throughput else imagecodecs.jpeg8_decode
    number = int(dataset.get("NumberOfFrames") or 1)
    frames = generate_frames(dataset.PixelData, number_of_frames=number)
    pixels = np.stack([decode_frame(frame) for frame in frames])  # (frames, rows, columns)
    kind = "i" if dataset.PixelRepresentation else "u"  # JPEG itself knows no sign
    return pixels.view(f"{kind}{pixels.dtype.itemsize}")


def _no_decoder(path: Path, syntax: pydicom.uid.UID) -> DicomError:
    package = DECODERS.get(str(syntax))
    action = f"Run: python -m pip install {package}" if package else EXPORT_UNCOMPRESSED
    if package == IMAGECODECS:
        action += " (or: python -m npc_helpers install intake)"
    problem = f"no decoder for its compression, {syntax.name} ({syntax})"
    return refuse(path, "missing-decoder", problem, action)
