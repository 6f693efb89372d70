"""Pixels of a de-identified image: the pixels and nothing that travels with them."""

from __future__ import annotations

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRLittleEndian

from npc_helpers.imaging.files import check_image, stored_pixels, transfer_syntax
from npc_helpers.imaging.tags import Tags, refuse

IMPLEMENTATION = "2.25.302681953317742137043126905216441573419"
JPEG_START, J2K_START = b"\xff\xd8\xff", b"\xff\x4f\xff"
START_OF_SCAN, COMMENT, FIRST_APP, LAST_APP = 0xDA, 0xFE, 0xE0, 0xEF  # ISO 10918-1, 14495-1
START_OF_TILE, J2K_COMMENT = 0x90, 0x64  # ISO 15444-1
RLE_HEADERS = tuple(bytes([count, 0, 0, 0]) for count in (1, 2))  # PS3.5, annex G: segments


def add_pixels(result: Dataset, tags: Tags) -> None:
    """Give a dataset the pixels of another, and new file meta information.

    Compressed streams are kept as they are unless one holds a comment or application segment,
    where programs write text; then all are decompressed. Bytes after the last pixel are cut off.

    Raises
    ------
    DicomError
        If there are no grey pixels, or they cannot be read.
    """
    check_image(tags)
    syntax = transfer_syntax(tags)
    result.file_meta = meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = result.SOPClassUID
    meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    wide = "OB" if tags.integer("BitsAllocated") <= 8 else "OW"
    compressed = syntax.is_transfer_syntax and syntax.is_encapsulated
    frames = _clean_frames(tags) if compressed else None
    if frames is not None:
        meta.TransferSyntaxUID = syntax
        result.add_new("PixelData", "OB", encapsulate(frames))
        result["PixelData"].is_undefined_length = True
        return
    pixels = stored_pixels(tags)[0]
    pixels = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    result.add_new("PixelData", wide, pixels + b"\0" * (len(pixels) % 2))


def _clean_frames(tags: Tags) -> list[bytes] | None:
    """Return the compressed frames, or None if one of them holds text."""
    number = tags.integer("NumberOfFrames", 1)
    try:
        frames = list(generate_frames(tags.dataset.PixelData, number_of_frames=number))
    except Exception as error:  # pydicom raises many kinds on damaged encapsulation
        problem = f"its pixel data are damaged ({error})"
        raise refuse(tags.path, "undecodable", problem, "Export it again") from error
    return None if any(map(_has_text, frames)) else frames


def _has_text(frame: bytes) -> bool:
    """Tell whether a compressed stream has a segment meant for text, or is of an unknown kind."""
    if frame[:4] in RLE_HEADERS:
        return False
    is_j2k = frame.startswith(J2K_START)
    if not is_j2k and not frame.startswith(JPEG_START):
        return True
    at = 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        kind = frame[at + 1]
        if kind == (START_OF_TILE if is_j2k else START_OF_SCAN):
            return False
        if kind == J2K_COMMENT if is_j2k else kind == COMMENT or FIRST_APP <= kind <= LAST_APP:
            return True
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return True
