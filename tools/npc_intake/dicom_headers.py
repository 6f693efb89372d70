"""The few tags that tell one series from another, read without parsing the rest of the file.

pydicom builds an object for every element of a header. To sort thousands of files it is enough to
walk over the first kilobytes and keep a dozen values; a file this cannot walk (implicit,
big-endian or deflated encoding, no preamble, very long header) is read by pydicom instead.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pydicom
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import tag_for_keyword
from pydicom.uid import EnhancedMRImageStorage

from npc_helpers.imaging.files import open_file
from npc_helpers.imaging.tags import Tags
from npc_helpers.study.dicom_file import DicomError

KEYWORDS = (
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "Modality",
    "Manufacturer",
    "SeriesDescription",
    "PatientID",
    "ContrastBolusAgent",
    "ScanningSequence",
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "ProtocolName",
    "DiffusionBValue",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "ImageOrientationPatient",
    "Rows",
    "Columns",
    "BurnedInAnnotation",
)
START = 16384  # bytes read of each file; headers of classic MR images are shorter
EXPLICIT_LITTLE = b"1.2.840.10008.1.2.1"
JPEG_OR_RLE = b"1.2.840.10008.1.2.4."  # with 1.2.840.10008.1.2.5: explicit and little-endian too
RLE = b"1.2.840.10008.1.2.5"

_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_WANTED = {tag_for_keyword(keyword): keyword for keyword in KEYWORDS}
_TRANSFER_SYNTAX = 0x00020010
_LAST = max(_WANTED)
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_short = struct.Struct("<HH2sH").unpack_from
_long = struct.Struct("<I").unpack_from
_item = struct.Struct("<HHI").unpack_from


class _CannotWalk(Exception):
    """The header is not of the plain kind; pydicom has to read it."""


def read_header(path: Path) -> dict[str, str] | None:
    """Read the tags named in `KEYWORDS`.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to str, or None
        By keyword, without surrounding blanks; several values are joined by a backslash, as in
        the file; absent tags are left out. Of an enhanced MR object also the values that stand
        in its functional groups. None for a file that is no DICOM.

    Raises
    ------
    DicomError
        If the file is named like DICOM and is not, or its header is damaged or cut off.
    """
    try:
        with path.open("rb", buffering=0) as file:
            start = file.read(START)
        found = _walk(start)
    except (OSError, _CannotWalk, struct.error, RecursionError):
        return _by_pydicom(path)
    if found.get("SOPClassUID") == EnhancedMRImageStorage:
        return _by_pydicom(path)
    return found


# --- plain headers --------------------------------------------------------------------------------


def _walk(start: bytes) -> dict[str, str]:
    if start[128:132] != b"DICM":
        raise _CannotWalk
    raw: dict[str, bytes] = {}
    at, end = 132, len(start)
    while True:
        tag, value, at = _element(start, at, end)
        if tag == _TRANSFER_SYNTAX:
            _check_syntax(start[value:at])
        elif tag in _WANTED:
            raw[_WANTED[tag]] = start[value:at]
        if tag >= _LAST:
            break
    return _as_text(raw)


def _element(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return the tag of one explicit element, where its value begins, and where it ends."""
    group, element, vr, length = _short(data, at)
    if vr in _LONG:
        (length,) = _long(data, at + 8)
        value = at + 12
    elif vr.isalpha() and vr.isupper():
        value = at + 8
    else:
        raise _CannotWalk
    if length == _UNDEFINED:
        return group << 16 | element, value, _after_sequence(data, value, end)
    if value + length > end:
        raise _CannotWalk
    return group << 16 | element, value, value + length


def _after_sequence(data: bytes, at: int, end: int) -> int:
    """Return where a sequence of undefined length ends."""
    while True:
        tag, length, at = _item_header(data, at)
        if tag == _SEQUENCE_END:
            return at
        if tag != _ITEM:
            raise _CannotWalk
        at = _after_item(data, at, end) if length == _UNDEFINED else at + length


def _after_item(data: bytes, at: int, end: int) -> int:
    while True:
        tag, _, after = _item_header(data, at)
        if tag == _ITEM_END:
            return after
        _, _, at = _element(data, at, end)


def _item_header(data: bytes, at: int) -> tuple[int, int, int]:
    group, element, length = _item(data, at)
    return group << 16 | element, length, at + 8


def _check_syntax(value: bytes) -> None:
    uid = value.rstrip(b"\0 ")
    if uid not in (EXPLICIT_LITTLE, RLE) and not uid.startswith(JPEG_OR_RLE):
        raise _CannotWalk


def _as_text(raw: dict[str, bytes]) -> dict[str, str]:
    result = {}
    for keyword in ("Rows", "Columns"):
        value = raw.pop(keyword, b"")
        if len(value) == 2:
            result[keyword] = str(int.from_bytes(value, "little"))
    bvalue = raw.pop("DiffusionBValue", b"")
    if len(bvalue) == 8:
        result["DiffusionBValue"] = repr(struct.unpack("<d", bvalue)[0])
    charset = raw.pop("SpecificCharacterSet", b"").decode("ascii", "replace").strip(" \0")
    for keyword, value in raw.items():
        try:
            text = value.decode("ascii")
        except UnicodeDecodeError:
            text = _decode(value, charset)
        text = text.strip(" \0")
        if text:
            result[keyword] = text
    return result


def _decode(value: bytes, charset: str) -> str:
    try:
        encodings = convert_encodings(charset.split("\\") if charset else None)
        return decode_bytes(value, encodings, {0x5C})
    except (LookupError, UnicodeError):
        return value.decode("latin-1")


# --- all others -----------------------------------------------------------------------------------


def _by_pydicom(path: Path) -> dict[str, str] | None:
    tags, _ = open_file(path, pixels=False)
    return None if tags is None else header_of(tags)


def header_of(tags: Tags) -> dict[str, str]:
    """Return what `read_header` returns, of a dataset in memory."""
    sources = [tags]
    shared = tags.items("SharedFunctionalGroupsSequence")
    frames = tags.items("PerFrameFunctionalGroupsSequence")
    for group in [*shared, *frames[:1]]:
        for name in ("MRImageFrameTypeSequence", "PlaneOrientationSequence"):
            sources += group.items(name)
        for name in ("MRTimingAndRelatedParametersSequence", "MREchoSequence"):
            sources += group.items(name)
    sources += tags.items("ContrastBolusAgentSequence")
    other_names = {
        "EchoTime": "EffectiveEchoTime",
        "ContrastBolusAgent": "CodeMeaning",
    }
    result = {}
    for keyword in KEYWORDS:
        for source in sources:
            value = _text(source, keyword) or (
                _text(source, other_names[keyword])
                if keyword in other_names and source is not tags
                else ""
            )
            if value:
                result[keyword] = value
                break
    result.pop("SpecificCharacterSet", None)
    return result


def _text(tags: Tags, keyword: str) -> str:
    try:
        value = tags.dataset.get(keyword)
    except Exception as error:  # pydicom converts on access, and raises many kinds
        raise DicomError(
            f"{tags.path}: {keyword} cannot be read ({error}). Copy or export the file again.",
            "bad-tag",
        ) from error
    if value is None:
        return ""
    if isinstance(value, pydicom.multival.MultiValue | list | tuple):
        return "\\".join(str(item) for item in value).strip(" \0")
    return str(value).strip(" \0")
