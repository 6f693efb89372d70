"""The pixels of one file: what decodes them, as they are stored and as they are shown."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import RLELossless

from npc_helpers.imaging.codestream import check_codestream
from npc_helpers.imaging.headers import AGAIN, Tags
from npc_helpers.study.dicom_file import DicomError, pydicom_remarks, refuse

EXPORT_UNCOMPRESSED = "Export the series uncompressed (Explicit VR Little Endian)"
ONLY_PLUGIN_FAILED = "Unable to decode as exceptions were raised by all available plugins: "
# What decodes a transfer syntax: one package each, Pillow and pyjpegls through pydicom's plugins.
# imagecodecs (of the group "intake") reads what an archive may have compressed besides.
IMAGECODECS = "imagecodecs"
HTJ2K = "1.2.840.10008.1.2.4.20"  # high-throughput JPEG 2000 begins so
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


def decode(tags: Tags) -> np.ndarray:
    """Decode the pixels of one file that passed `check_image`, as (frames, rows, columns).

    As stored, but with larger values brighter: MONOCHROME1 is inverted within its stored bits,
    which is a finding of the file. Refused if the pixels are cut off, damaged, or compressed in a
    way nothing here can decode.
    """
    pixels = stored_pixels(tags)
    pixels = _without_padding(pixels.reshape(-1, *pixels.shape[-2:]), tags)
    if tags.text("PhotometricInterpretation") == "MONOCHROME1":
        top = -1 if pixels.dtype.kind == "i" else (1 << tags.integer("BitsStored")) - 1
        pixels = np.subtract(pixels.dtype.type(top), pixels)
        tags.note("info", "inverted", "MONOCHROME1: inverted, so that larger is brighter")
    return pixels


def _without_padding(pixels: np.ndarray, tags: Tags) -> np.ndarray:
    """Darken what only fills the frame (PixelPaddingValue): it is no brightness of anything."""
    if not tags.text("PixelPaddingValue"):
        return pixels
    ends = [tags.integer("PixelPaddingValue")]
    ends.append(tags.integer("PixelPaddingRangeLimit", ends[0]))
    low, high = sorted(_stored_bits(np.array(ends).astype(pixels.dtype), tags, above=0).tolist())
    padding = (pixels >= low) & (pixels <= high)
    is_inverted = tags.text("PhotometricInterpretation") == "MONOCHROME1"
    is_dark = low == high == 0 and not is_inverted
    if is_dark or padding.all() or not padding.any():
        return pixels
    rest = pixels[~padding]
    dark = rest.max() if is_inverted else rest.min()
    tags.note("info", "padding", "pixels of PixelPaddingValue are shown as dark as the darkest")
    return np.where(padding, dark, pixels)


def stored_pixels(tags: Tags) -> np.ndarray:
    """Decode the pixels of one file as they are stored; it raises what `decode` does.

    What lies in bits above the stored ones (an overlay of old, a text) is no part of the image.
    """
    syntax = transfer_syntax(tags)
    decode_as = _decoder(tags, syntax)
    if syntax.is_encapsulated and syntax != RLELossless:
        check_codestream(tags)
    with pydicom_remarks() as remarks:
        try:
            pixels = decode_as(tags.dataset)
        except Exception as error:  # each package raises its own kinds on damaged pixel data
            reason = " ".join(str(error).split()).removeprefix(ONLY_PLUGIN_FAILED)
            code = "truncated" if "less than expected" in reason else "undecodable"
            problem = f"its pixel data are damaged or cut off ({reason})"
            raise refuse(tags.path, code, problem, AGAIN) from error
    for remark in remarks:
        tags.note("info", "pydicom", remark)
    is_as_sent = not syntax.is_encapsulated or syntax == RLELossless
    return _stored_bits(pixels, tags, above=_bits_below(pixels, tags) if is_as_sent else 0)


def _bits_below(pixels: np.ndarray, tags: Tags) -> int:
    """Return how many bits lie below the stored ones: before 2014 they could (HighBit)."""
    stored = tags.integer("BitsStored")
    below = tags.integer("HighBit", stored - 1) + 1 - stored
    if below <= 0 or not (pixels & ((1 << below) - 1)).any():
        return max(below, 0)
    if np.array_equal(_stored_bits(pixels.copy(), tags, above=0), pixels):
        tags.note("warn", "high-bit", f"HighBit is not {stored - 1}, and no bit above it is used")
        return 0
    problem = f"HighBit and BitsStored ({stored}) do not fit its pixels"
    raise refuse(tags.path, "undecodable", problem, EXPORT_UNCOMPRESSED)


def _stored_bits(pixels: np.ndarray, tags: Tags, *, above: int) -> np.ndarray:
    """Return the stored bits alone, those above filled with the sign (PS3.5, 8.1.1).

    `above`: number of the lowest of them.
    """
    unused = 8 * pixels.dtype.itemsize - tags.integer("BitsStored")
    if unused <= 0:
        return pixels
    pixels = np.left_shift(
        pixels, max(unused - above, 0), out=pixels if pixels.flags.writeable else None
    )
    return np.right_shift(pixels, unused, out=pixels)


def transfer_syntax(tags: Tags) -> pydicom.uid.UID:
    """Return how a file's dataset and pixels are encoded; refused if that is missing or none."""
    value = (getattr(tags.dataset, "file_meta", None) or {}).get("TransferSyntaxUID")
    if not value:
        raise refuse(tags.path, "bad-tag", "the transfer syntax is missing", AGAIN)
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
    if not syntax.is_encapsulated:  # bits that are not stored: see `_stored_bits`
        return lambda dataset: decoder.as_array(dataset, correct_unused_bits=False)[0]
    package = DECODERS.get(syntax)
    if package == IMAGECODECS and find_spec(IMAGECODECS):
        return partial(_by_imagecodecs, high_throughput=syntax.startswith(HTJ2K))
    if package not in decoder.available_plugins:
        raise _no_decoder(tags.path, syntax)
    options = {"correct_unused_bits": False} if syntax == RLELossless else {}
    return lambda dataset: decoder.as_array(dataset, decoding_plugin=package, **options)[0]


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
