"""What the header of a DICOM file says of its images, read without parsing the rest of the file.

pydicom builds an object for every element, and one for every element of every frame. To sort
thousands of files it is enough to walk over the header and keep some thirty values; a file this
cannot walk (big-endian or deflated, no preamble, damaged) is read by pydicom instead, and the
answer is the same. The images of a series say nearly everything alike: a stretch of bytes that was
walked in one file is not walked again in the next, only compared (`Stretches`).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from npc_helpers.imaging.headers import Tags, open_file
from npc_helpers.study.dicom_file import DicomError

Image = dict[str, str]

KEYWORDS = (
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate"),
    *("SeriesDate", "AcquisitionDate", "StudyTime", "SeriesTime", "AcquisitionTime", "Modality"),
    *("Manufacturer", "SeriesDescription", "ComplexImageComponent", "AcquisitionContrast"),
    *("PatientID", "ContrastBolusAgent", "ScanningSequence", "SequenceName", "RepetitionTime"),
    *("EchoTime", "InversionTime", "ProtocolName", "ContrastBolusVolume", "FlipAngle"),
    *("PulseSequenceName", "EchoPlanarPulseSequence", "DiffusionBValue", "StudyInstanceUID"),
    *("SeriesInstanceUID", "SeriesNumber", "AcquisitionNumber", "ImagePositionPatient"),
    *("ImageOrientationPatient", "TemporalPositionIdentifier", "Rows", "Columns"),
    "NumberOfFrames",
)
# Functional groups of an enhanced object that tell frames apart, and what is read in them.
GROUPS = (
    *("PlanePositionSequence", "PlaneOrientationSequence", "MRImageFrameTypeSequence"),
    *("MRTimingAndRelatedParametersSequence", "MREchoSequence", "MRDiffusionSequence"),
    *("MRModifierSequence", "ContrastBolusUsageSequence", "ContrastBolusAgentSequence"),
)
IN_GROUPS = {
    "ImagePositionPatient": "ImagePositionPatient",
    "ImageOrientationPatient": "ImageOrientationPatient",
    "FrameType": "FrameType",
    "ComplexImageComponent": "ComplexImageComponent",
    "AcquisitionContrast": "AcquisitionContrast",
    "RepetitionTime": "RepetitionTime",
    "FlipAngle": "FlipAngle",
    "EffectiveEchoTime": "EchoTime",
    "DiffusionBValue": "DiffusionBValue",
    "InversionRecovery": "InversionRecovery",
    "InversionTimes": "InversionTime",
    "ContrastBolusAgentAdministered": "ContrastBolusAgentAdministered",
    "CodeMeaning": "ContrastBolusAgent",
}
# Private elements: (group, creator, last byte of the element) -> name here, VR.
PRIVATE = {
    (0x0019, "SIEMENS MR HEADER", 0x0A): ("ImagesInMosaic", "US"),
    (0x0019, "SIEMENS MR HEADER", 0x0C): ("PrivateBValue", "IS"),
    (0x0043, "GEMS_PARM_01", 0x2F): ("RawDataType", "SS"),
    (0x0043, "GEMS_PARM_01", 0x39): ("PrivateBValue", "IS"),
    (0x2001, "Philips Imaging DD 001", 0x03): ("PrivateBValue", "FL"),
    (0x0065, "Image Private Header", 0x09): ("PrivateBValue", "FD"),
    (0x0065, "Image Private Header", 0x50): ("ImagesInMosaic", "DS"),
}
ENDS = {b"GE": 0x0043, b"PHILIPS": 0x2001, b"UIH": 0x0065, b"UNITED": 0x0065}  # last groups
ENHANCED = b"1.2.840.10008.5.1.4.1.1.4."  # begins the SOP class of objects with functional groups
GE_COMPONENTS = {"1": "PHASE", "2": "REAL", "3": "IMAGINARY"}  # of RawDataType
GE_ADDS = 100_000  # a GE b-value may be written as 1,000,000,000 + b
START = 16384  # bytes read of each file; headers of classic MR images are shorter
EXPLICIT_LITTLE, IMPLICIT_LITTLE = b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2"
JPEG_OR_RLE = (b"1.2.840.10008.1.2.4.", b"1.2.840.10008.1.2.5")  # explicit, little-endian too

_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_SHORT = {
    *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN"),
    *(b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
}
_TEXTS = {"CS", "DA", "DS", "IS", "LO", "PN", "SH", "TM", "UI"}
_TELLING = {"SOPClassUID", "Manufacturer"}  # of how much is wanted
_VARYING = {  # from image to image of a series; a stretch ends before each, and before sequences
    *("InstanceCreationTime", "ContentTime", "InstanceNumber", "SliceLocation"),
    *("SOPInstanceUID", "AcquisitionTime", "ImagePositionPatient", "Columns"),
}
_KNOWN = {  # tag as it stands in the file -> keyword, VR; what is not a value to keep counts as SQ
    int.from_bytes(struct.pack("<HH", *divmod(tag_for_keyword(keyword), 1 << 16)), "little"): (
        keyword,
        vr,
        keyword in _VARYING or vr in ("SQ", "not wanted"),
    )
    for keyword, vr in [
        *((keyword, dictionary_VR(keyword)) for keyword in KEYWORDS),
        ("TransferSyntaxUID", "SQ"),
        ("SharedFunctionalGroupsSequence", "SQ"),
        ("PerFrameFunctionalGroupsSequence", "SQ"),
        ("ContrastBolusAgentSequence", "SQ"),
        *((keyword, "not wanted") for keyword in _VARYING - set(KEYWORDS)),
    ]
}
_PRIVATE = ("", "private", True)
_GROUP_TAGS = {tag_for_keyword(keyword) for keyword in GROUPS}
_GROUP_VALUES = {
    tag_for_keyword(keyword): (name, dictionary_VR(keyword)) for keyword, name in IN_GROUPS.items()
}
_PRIVATE_GROUPS = {group for group, _, _ in PRIVATE}
_PIXELS = 0x7FE00008
_LAST, _FRAMES_GROUP = 0x0028, 0x5200  # last group that is wanted of classic and enhanced objects
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_LAYOUTS = {"US": "<H", "SS": "<h", "UL": "<L", "SL": "<l", "FL": "<f", "FD": "<d"}
_BINARY = {vr.encode() for vr in _LAYOUTS}
_BETWEEN = b"\x1e"  # never part of a text in DICOM
_short = struct.Struct("<HH2sH").unpack_from
_quick = struct.Struct("<I2sH").unpack_from
_long = struct.Struct("<I").unpack_from
_item = struct.Struct("<HHI").unpack_from


class _CannotWalk(Exception):
    """The header is not of the plain kind; pydicom has to read it."""


class Stretch(NamedTuple):
    """Elements between two that vary from image to image, and what they say."""

    content: bytes
    texts: dict[str, bytes]
    values: Image
    last: int  # last group that is wanted, when all of it is read


Stretches = dict[tuple[bytes, int, bool], Stretch]
"""Tag it begins with, last group that was wanted before, implicit VR -> what was walked last."""


def read_images(path: Path, walked: Stretches | None = None) -> list[Image] | None:
    """Read what one file says of its images.

    Parameters
    ----------
    path : Path
    walked : dict, optional
        The same one for all files that are read; it is filled and used.

    Returns
    -------
    list of dict of str to str, or None
        One dict for a classic file; for an enhanced object one for every combination of values
        that its functional groups give to frames. By keyword, without surrounding blanks;
        several values are joined by a backslash, as in the file; absent tags are left out.
        Beside `KEYWORDS` there are FrameType, InversionRecovery,
        ContrastBolusAgentAdministered, ImagesInMosaic (Siemens, UIH) and ``DiffusionBValue``
        from the makers' private elements. ImagePositionPatient holds the positions of all
        frames that are alike, three numbers each. None for a file that is no DICOM.

    Raises
    ------
    DicomError
        If the file is named like DICOM and is not, or its header is damaged or cut off.
    """
    try:
        with path.open("rb", buffering=0) as file:
            try:
                return _Walk(file.read(START), walked).images()
            except (_CannotWalk, struct.error):  # perhaps a longer header
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                    return _Walk(whole).images()
    except (OSError, ValueError, _CannotWalk, struct.error, RecursionError):
        tags = open_file(path, pixels=False)
        return None if tags is None else images_of(tags)


# --- plain headers --------------------------------------------------------------------------------


class _Walk:
    """One pass over the bytes of a header.

    Parameters
    ----------
    data : bytes or mmap
        The file from its first byte; it may end anywhere after the header.
    walked : dict, optional
        As in `read_images`.
    """

    def __init__(self, data: bytes | mmap.mmap, walked: Stretches | None = None) -> None:
        self.data, self.end = data, len(data)
        self.implicit = False
        self.walked: Stretches = {} if walked is None else walked

    def images(self) -> list[Image]:
        """Return what `read_images` returns."""
        if self.data[128:132] != b"DICM":
            raise _CannotWalk
        at, last = 132, _LAST
        texts: dict[str, bytes] = {}
        values: Image = {}
        creators: dict[tuple[int, int], str] = {}
        shared: Image = {}
        frames: list[Image] = []
        data, end, implicit, known = self.data, self.end, False, _KNOWN.get
        key, start, begins = None, at, False  # of the stretch that is walked
        said: list[str] = []
        while at < end:
            if begins:
                begins, key, start, said = False, (data[at : at + 4], last, implicit), at, []
                stretch = self.walked.get(key)
                if stretch and data[at : at + len(stretch.content)] == stretch.content:
                    texts |= stretch.texts
                    values |= stretch.values
                    key, at, last = None, at + len(stretch.content), stretch.last
                    continue
            here = at
            tag, vr, length = _quick(data, at)
            if vr in _SHORT and not implicit:  # as `element` does, for the most frequent ones
                begin = at + 8
                at = begin + length
            else:
                _, vr, begin, at = self.element(at)
            wanted = known(tag)
            if wanted is None:
                group = tag & 0xFFFF
                if group > last:
                    break
                if group not in _PRIVATE_GROUPS:
                    continue
                wanted = _PRIVATE
            keyword, usual, varies = wanted
            if varies:
                if key and here > start:
                    self.walked[key] = Stretch(
                        data[start:here],
                        {name: texts[name] for name in said if name in texts},
                        {name: values[name] for name in said if name in values},
                        last,
                    )
                begins = True
            said.append(keyword)
            if usual in _TEXTS and vr not in _BINARY:
                texts[keyword] = data[begin:at]
                if keyword in _TELLING:
                    last = max(last, _last_group(keyword, texts[keyword]))
            elif usual == "private":
                self.private(group, tag >> 16, vr, begin, at, creators, values)
            elif usual == "not wanted":
                pass
            elif usual != "SQ":
                values[keyword] = self.text(begin, at, vr, usual)
                if keyword == "Columns" and last == _LAST:
                    break
            elif keyword == "TransferSyntaxUID":
                at = self.start_dataset(begin, at)
                implicit = self.implicit
            elif keyword == "SharedFunctionalGroupsSequence":
                shared = next(self.frames(begin, at), {})
            elif keyword == "PerFrameFunctionalGroupsSequence":
                frames = list(self.frames(begin, at))
            else:
                values |= next(self.frames(begin, at, inside=True), {})
        else:
            if at > end or not isinstance(data, mmap.mmap) or "Rows" not in values:
                raise _CannotWalk  # more is to come, or the file may be cut off
        return _images(_as_texts(texts) | values, shared, frames)

    def start_dataset(self, begin: int, after: int) -> int:
        """Note the encoding that the transfer syntax names; return where the walk goes on."""
        uid = self.data[begin:after].rstrip(b"\0 ")
        if uid != EXPLICIT_LITTLE and uid != IMPLICIT_LITTLE and not uid.startswith(JPEG_OR_RLE):
            raise _CannotWalk
        while self.data[after : after + 2] == b"\2\0":  # the rest of the file meta is explicit
            *_, after = self.element(after)
        self.implicit = uid == IMPLICIT_LITTLE
        return after

    def element(self, at: int) -> tuple[int, bytes, int, int]:
        """Return tag, VR, begin and end of the value of one element."""
        group, element, vr, length = _short(self.data, at)
        tag = group << 16 | element
        if self.implicit or group == 0xFFFE:
            (length,), begin, vr = _long(self.data, at + 4), at + 8, b""
        elif vr in _LONG:
            (length,), begin = _long(self.data, at + 8), at + 12
        elif vr.isalpha() and vr.isupper():
            begin = at + 8
        else:
            raise _CannotWalk
        if length == _UNDEFINED:
            if tag > _PIXELS:
                return tag, vr, begin, self.end
            return tag, vr, begin, self.after_sequence(begin)
        if begin + length > self.end and tag < _PIXELS:
            raise _CannotWalk
        return tag, vr, begin, begin + length

    def after_sequence(self, at: int) -> int:
        """Return where a sequence of undefined length ends."""
        for _, after in self.items(at, self.end):
            at = after
        return at + 8  # the delimiter

    def items(self, at: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield begin and end of each item of a sequence (the end includes its delimiter)."""
        while at + 8 <= end:
            group, element, length = _item(self.data, at)
            tag = group << 16 | element
            if tag == _SEQUENCE_END:
                return
            if tag != _ITEM:
                raise _CannotWalk
            begin = at + 8
            at = self.after_item(begin) if length == _UNDEFINED else begin + length
            yield begin, at

    def after_item(self, at: int) -> int:
        while True:
            tag, _, begin, after = self.element(at)
            if tag == _ITEM_END:
                return begin
            at = after

    def frames(self, at: int, end: int, *, inside: bool = False) -> Iterator[Image]:
        """Yield what each item of the functional groups says (`inside`: its values directly)."""
        for begin, after in self.items(at, end):
            values: Image = {}
            self.group(begin, after, values, inside)
            yield values

    def group(self, at: int, end: int, values: Image, inside: bool) -> None:
        while at < end:
            tag, vr, begin, at = self.element(at)
            if tag == _ITEM_END:
                return
            if inside and tag in _GROUP_VALUES:
                keyword, usual = _GROUP_VALUES[tag]
                values[keyword] = self.text(begin, at, vr, usual)
            elif not inside and tag in _GROUP_TAGS:
                for first, last in self.items(begin, at):
                    self.group(first, last, values, inside=True)

    def private(
        self,
        group: int,
        number: int,
        vr: bytes,
        begin: int,
        after: int,
        creators: dict[tuple[int, int], str],
        values: Image,
    ) -> None:
        """Note the owner of a private block, or the value of an element that is wanted."""
        if 0x10 <= number <= 0xFF:
            creators[group, number] = self.text(begin, after, b"LO", "LO")
            return
        creator = creators.get((group, number >> 8), "")
        name, usual = PRIVATE.get((group, creator, number & 0xFF), ("", ""))
        if name:
            values[name] = self.text(begin, after, vr, usual)

    def text(self, begin: int, after: int, vr: bytes, usual: str) -> str:
        """Return one value as text; the characters of functional groups are plain ones."""
        value, kind = self.data[begin:after], usual if vr in (b"", b"UN") else vr.decode()
        if kind in _LAYOUTS:
            return _numbers(value, _LAYOUTS[kind])
        return value.decode("latin-1").strip(" \0")


def _last_group(keyword: str, value: bytes) -> int:
    """Return the last group to look into: makers keep what we want in groups of their own."""
    if keyword == "SOPClassUID":
        return _FRAMES_GROUP if value.startswith(ENHANCED) else 0
    return next((end for name, end in ENDS.items() if value.upper().startswith(name)), 0)


def _as_texts(raw: dict[str, bytes]) -> Image:
    """Return values as text. All at once where they are plain, as that is three times as fast."""
    joined = _BETWEEN.join(raw.values())
    if joined.isascii() and joined.count(_BETWEEN) == len(raw) - 1:
        texts = joined.decode("ascii").split(_BETWEEN.decode())
        return {name: text.strip(" \0") for name, text in zip(raw, texts, strict=True)}
    charset = raw.get("SpecificCharacterSet", b"").decode("ascii", "replace").strip(" \0")
    return {name: _decode(value, charset).strip(" \0") for name, value in raw.items()}


def _numbers(value: bytes, layout: str) -> str:
    size = struct.calcsize(layout)
    if len(value) % size:
        return ""
    return "\\".join(f"{number:.12g}" for (number,) in struct.iter_unpack(layout, value))


def _decode(value: bytes, charset: str) -> str:
    try:
        encodings = convert_encodings(charset.split("\\") if charset else None)
        return decode_bytes(value, encodings, {0x5C})
    except (LookupError, UnicodeError):
        return value.decode("latin-1")


# --- all others -----------------------------------------------------------------------------------


def images_of(tags: Tags) -> list[Image]:
    """Return what `read_images` returns, of a dataset in memory."""
    values = {keyword: _text(tags, tags.dataset, keyword) for keyword in KEYWORDS}
    for (group, creator, element), (name, _) in PRIVATE.items():
        values[name] = _private(tags.dataset, group, creator, element) or values.get(name, "")
    for item in tags.items("ContrastBolusAgentSequence")[:1]:
        agent = _text(tags, item.dataset, "CodeMeaning")
        values["ContrastBolusAgent"] = agent or values["ContrastBolusAgent"]
    shared = [_group(item) for item in tags.items("SharedFunctionalGroupsSequence")[:1]]
    frames = [_group(item) for item in tags.items("PerFrameFunctionalGroupsSequence")]
    return _images(values, shared[0] if shared else {}, frames)


def _group(item: Tags) -> Image:
    """Return what one item of the functional groups says."""
    values = {}
    for sequence in GROUPS:
        for inner in item.items(sequence):
            for keyword, name in IN_GROUPS.items():
                if keyword in inner.dataset:
                    values[name] = _text(inner, inner.dataset, keyword)
    return values


def _private(dataset: Dataset, group: int, creator: str, element: int) -> str:
    try:
        value = dataset.private_block(group, creator)[element].value
    except Exception:  # absent, or damaged: pydicom raises many kinds
        return ""
    vr = PRIVATE[group, creator, element][1]
    if isinstance(value, bytes):
        return _numbers(value, _LAYOUTS[vr]) if vr in _LAYOUTS else value.decode("latin-1").strip()
    return _joined(value)


def _text(tags: Tags, dataset: Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
    except Exception as error:  # pydicom converts on access, and raises many kinds
        raise DicomError(
            f"{tags.path}: {keyword} cannot be read ({error}). Copy or export the file again.",
            "bad-tag",
        ) from error
    return "" if value is None else _joined(value)


def _joined(value: object) -> str:
    many = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    parts = value if many else [value]
    texts = [f"{part:.12g}" if type(part) in (int, float) else str(part) for part in parts]
    return "\\".join(texts).strip(" \0")


# --- both -----------------------------------------------------------------------------------------


def _images(values: Image, shared: Image, frames: list[Image]) -> list[Image]:
    """Join what file, shared groups and frames say; frames that are alike make one image."""
    values.pop("SpecificCharacterSet", None)
    values |= shared
    if not frames:
        return [_with_makers_values(values)]
    alike: dict[tuple, list[str]] = {}
    for frame in frames:
        position = frame.pop("ImagePositionPatient", "")
        alike.setdefault(tuple(sorted(frame.items())), []).append(position)
    images = []
    for frame, positions in alike.items():
        image = values | dict(frame)
        if any(positions):
            image["ImagePositionPatient"] = "\\".join(positions)
        images.append(_with_makers_values(image))
    return images


def _with_makers_values(image: Image) -> Image:
    """Give the makers' private values their standard names where these are blank."""
    b_value = image.pop("PrivateBValue", "").split("\\")[0]
    if b_value and not image.get("DiffusionBValue"):
        if b_value.isdigit() and image.get("Manufacturer", "").upper().startswith("GE"):
            b_value = str(int(b_value) % GE_ADDS)
        image["DiffusionBValue"] = b_value
    component = GE_COMPONENTS.get(image.pop("RawDataType", ""), "")
    if component and not image.get("ComplexImageComponent"):
        image["ComplexImageComponent"] = component
    return {name: value for name, value in image.items() if value}
