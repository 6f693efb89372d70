"""What the header of a DICOM file says of its images, read without parsing the rest of the file.

pydicom builds an object for every element, and one for every element of every frame. To sort
thousands of files it is enough to walk over the header and keep some thirty values; a file this
cannot walk (big-endian or deflated, no preamble, damaged) is read by pydicom instead, and the
answer is the same. The images of a series say nearly everything alike: a stretch of bytes that was
walked in one file is not walked again in the next, only compared (`Stretches`).
"""

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
    *("SeriesDate", "AcquisitionDate", "AcquisitionDateTime", "StudyTime", "SeriesTime"),
    *("AcquisitionTime", "Modality", "Manufacturer", "SeriesDescription", "ComplexImageComponent"),
    *("AcquisitionContrast", "PatientID", "ContrastBolusAgent", "ScanningSequence", "SequenceName"),
    *("RepetitionTime", "EchoTime", "InversionTime", "ProtocolName", "ContrastBolusVolume"),
    *("FlipAngle", "PulseSequenceName", "EchoPlanarPulseSequence", "DiffusionBValue"),
    *("StudyInstanceUID", "DiffusionDirectionality", "SeriesInstanceUID", "SeriesNumber"),
    *("AcquisitionNumber", "ImagePositionPatient", "ImageOrientationPatient", "Rows", "Columns"),
    *("TemporalPositionIdentifier", "NumberOfFrames", "PixelSpacing", "BodyPartExamined"),
    *("FrameOfReferenceUID", "PatientIdentityRemoved", "PhotometricInterpretation"),
    "DeidentificationMethod",
)
# Functional groups of an enhanced object that tell frames apart, and what is read in them.
GROUPS = (
    *("PlanePositionSequence", "PlaneOrientationSequence", "MRImageFrameTypeSequence"),
    *("MRTimingAndRelatedParametersSequence", "MREchoSequence", "MRDiffusionSequence"),
    *("MRModifierSequence", "ContrastBolusUsageSequence", "ContrastBolusAgentSequence"),
    "FrameContentSequence",
)
IN_GROUPS = {
    keyword: keyword
    for keyword in (
        *("ImagePositionPatient", "ImageOrientationPatient", "FrameType", "ComplexImageComponent"),
        *("AcquisitionContrast", "RepetitionTime", "FlipAngle", "DiffusionBValue", "StackID"),
        *("DiffusionDirectionality", "InversionRecovery", "ContrastBolusAgentAdministered"),
    )
} | {
    "EffectiveEchoTime": "EchoTime",
    "InversionTimes": "InversionTime",
    "CodeMeaning": "ContrastBolusAgent",
}
# Private elements: (group, creator in capitals, last byte of the element) -> name here, VR.
PRIVATE = {
    (0x0019, "SIEMENS MR HEADER", 0x0A): ("ImagesInMosaic", "US"),
    (0x0019, "SIEMENS MR HEADER", 0x0C): ("PrivateBValue", "IS"),
    (0x0043, "GEMS_PARM_01", 0x2F): ("RawDataType", "SS"),
    (0x0043, "GEMS_PARM_01", 0x39): ("PrivateBValue", "IS"),
    (0x2001, "PHILIPS IMAGING DD 001", 0x03): ("PrivateBValue", "FL"),
    (0x0065, "IMAGE PRIVATE HEADER", 0x09): ("PrivateBValue", "FD"),
    (0x0065, "IMAGE PRIVATE HEADER", 0x50): ("ImagesInMosaic", "DS"),
}
# Beginnings of makers' names -> last group that is wanted of their classic images.
ENDS = {"GE": 0x0043, "PHILIPS": 0x2001, "UIH": 0x0065, "UNITED": 0x0065}
ENDS |= dict.fromkeys(("SIEMENS", "CANON", "TOSHIBA", "HITACHI", "FUJI"), 0x0028)
ENHANCED = "1.2.840.10008.5.1.4.1.1.4."  # begins the SOP class of objects with functional groups
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
_TEXTS = {"CS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UI"}
_VARYING = {  # from image to image of a series; a stretch ends before each, and before sequences
    *("InstanceCreationTime", "ContentTime", "InstanceNumber", "SliceLocation"),
    *("SOPInstanceUID", "AcquisitionTime", "ImagePositionPatient", "Columns", "PixelSpacing"),
}
_SEQUENCES = (
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    "ContrastBolusAgentSequence",
)


def _as_in_file(keyword: str) -> int:
    """Return a tag as the number that its four bytes are in a little-endian file."""
    return int.from_bytes(struct.pack("<HH", *divmod(tag_for_keyword(keyword), 1 << 16)), "little")


_WANTED = {_as_in_file(keyword): (keyword, dictionary_VR(keyword)) for keyword in KEYWORDS}
_ENDS_A_STRETCH = {_as_in_file(keyword): keyword for keyword in (*_VARYING, *_SEQUENCES)}
_GROUP_TAGS = {tag_for_keyword(keyword) for keyword in GROUPS}
_GROUP_VALUES = {
    tag_for_keyword(keyword): (name, dictionary_VR(keyword)) for keyword, name in IN_GROUPS.items()
}
_PRIVATE_GROUPS = {group for group, _, _ in PRIVATE}
_TRANSFER_SYNTAX = 0x00020010
_PIXELS = 0x7FE00008
_LAST, _FRAMES_GROUP = 0x0028, 0x5200  # last group of standard elements; that of enhanced objects
_OF_ANY_MAKER = max(ENDS.values())  # where the maker's name was taken out, or is of another
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_LAYOUTS = {"US": "<H", "SS": "<h", "UL": "<L", "SL": "<l", "FL": "<f", "FD": "<d"}
_BINARY = {vr.encode() for vr in _LAYOUTS}
_quick = struct.Struct("<I2sH").unpack_from
_short = struct.Struct("<HH2sH").unpack_from
_long = struct.Struct("<I").unpack_from
_item = struct.Struct("<HHI").unpack_from


class _CannotWalk(Exception):
    """The header is not of the plain kind; pydicom has to read it."""


class Stretch(NamedTuple):
    """Elements between two that vary from image to image, and what they say."""

    content: bytes
    values: Image
    last: int  # last group that is wanted, when all of it is read


Stretches = dict[tuple[bytes, int, bool, str], Stretch]
"""Tag it begins with, last group wanted before, implicit VR, charset -> what was walked last."""


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
        ContrastBolusAgentAdministered, StackID, ImagesInMosaic (Siemens, UIH) and
        ``DiffusionBValue`` from the makers' private elements. ImagePositionPatient holds the
        positions of all frames that are alike, three numbers each. None for a file that
        is no DICOM.

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
        self.data, self.end, self.at = data, len(data), 132
        self.implicit = self.is_done = False
        self.last = _OF_ANY_MAKER  # group that is wanted
        self.walked: Stretches = {} if walked is None else walked
        self.values: Image = {}
        self.creators: dict[tuple[int, int], str] = {}
        self.shared: Image = {}
        self.of_frames: list[Image] = []

    def images(self) -> list[Image]:
        """Return what `read_images` returns."""
        self.file_meta()
        while self.at < self.end and not self.is_done:
            self.stretch()
            self.what_ends_it()
        if not self.is_done and (
            self.at > self.end or isinstance(self.data, bytes) or "Rows" not in self.values
        ):
            raise _CannotWalk  # more is to come, or the file may be cut off
        return _images(self.values, self.shared, self.of_frames)

    def file_meta(self) -> None:
        """Pass over the file meta; note the encoding that its transfer syntax names."""
        if self.data[128:132] != b"DICM":
            raise _CannotWalk
        uid = b""
        while self.data[self.at : self.at + 2] == b"\2\0":
            tag, _, begin, self.at = self.element(self.at)
            if tag == _TRANSFER_SYNTAX:
                uid = self.data[begin : self.at].rstrip(b"\0 ")
        if uid != EXPLICIT_LITTLE and uid != IMPLICIT_LITTLE and not uid.startswith(JPEG_OR_RLE):
            raise _CannotWalk
        self.implicit = uid == IMPLICIT_LITTLE

    def stretch(self) -> None:
        """Read the elements up to one that varies; those of the last image, if they are alike."""
        data, start = self.data, self.at
        charset = self.values.get("SpecificCharacterSet", "")
        key = (data[start : start + 4], self.last, self.implicit, charset)
        stretch = self.walked.get(key)
        if stretch and data[start : start + len(stretch.content)] == stretch.content:
            self.values |= stretch.values
            self.at, self.last = start + len(stretch.content), stretch.last
            return
        before, self.values = self.values, {"SpecificCharacterSet": charset}
        at, implicit = start, self.implicit
        while at < self.end:
            tag, vr, length = _quick(data, at)
            group = tag & 0xFFFF
            if tag in _ENDS_A_STRETCH or group > self.last or group in _PRIVATE_GROUPS:
                break
            if vr in _SHORT and not implicit:  # as `element` does, for the most frequent ones
                begin, at = at + 8, at + 8 + length
            else:
                _, vr, begin, at = self.element(at)
            if tag in _WANTED:
                self.note(*_WANTED[tag], vr, begin, at)
        if at > self.end:  # what is left of a file that was cut off must not stand for others
            raise _CannotWalk
        self.at = at
        self.walked[key] = Stretch(data[start:at], self.values, self.last)
        self.values = before | self.values

    def what_ends_it(self) -> None:
        """Read an element that varies, a sequence or a maker's own element, or be done."""
        if self.at >= self.end:
            return
        tag, _, _ = _quick(self.data, self.at)
        group, keyword = tag & 0xFFFF, _ENDS_A_STRETCH.get(tag, "")
        if group > self.last and not keyword:
            self.is_done = True
            return
        _, vr, begin, self.at = self.element(self.at)
        if tag in _WANTED:
            self.note(*_WANTED[tag], vr, begin, self.at)
            self.is_done = keyword == "PixelSpacing" and self.last == _LAST
        elif keyword == "SharedFunctionalGroupsSequence":
            self.shared = next(self.frames(begin, self.at), {})
        elif keyword == "PerFrameFunctionalGroupsSequence":
            self.of_frames = list(self.frames(begin, self.at))
        elif keyword == "ContrastBolusAgentSequence":
            self.values |= next(self.frames(begin, self.at, inside=True), {})
        elif group in _PRIVATE_GROUPS:
            self.private(group, tag >> 16, vr, begin, self.at)

    def note(self, keyword: str, usual: str, vr: bytes, begin: int, after: int) -> None:
        """Keep a value; see how far to look."""
        self.values[keyword] = self.text(begin, after, vr, usual)
        if keyword == "SOPClassUID" and self.values[keyword].startswith(ENHANCED):
            self.last = _FRAMES_GROUP
        elif keyword == "Manufacturer" and self.last != _FRAMES_GROUP:
            name = self.values[keyword].upper()
            ends = (end for start, end in ENDS.items() if name.startswith(start))
            self.last = next(ends, _OF_ANY_MAKER)

    def element(self, at: int) -> tuple[int, bytes, int, int]:
        """Return tag, VR, begin and end of the value of one element."""
        group, element, vr, length = _short(self.data, at)
        tag = group << 16 | element
        begin = at + 8
        if self.implicit or group == 0xFFFE:
            (length,), vr = _long(self.data, at + 4), b""
        elif vr in _LONG:
            (length,), begin = _long(self.data, at + 8), at + 12
        elif vr not in _SHORT:
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
                _note_in_group(values, keyword, self.text(begin, at, vr, usual))
            elif not inside and tag in _GROUP_TAGS:
                for first, last in self.items(begin, at):
                    self.group(first, last, values, inside=True)

    def private(self, group: int, number: int, vr: bytes, begin: int, after: int) -> None:
        """Note the owner of a private block, or the value of an element that is wanted."""
        if 0x10 <= number <= 0xFF:
            self.creators[group, number] = self.text(begin, after, b"LO", "LO").upper()
            return
        creator = self.creators.get((group, number >> 8), "")
        name, usual = PRIVATE.get((group, creator, number & 0xFF), ("", ""))
        if name:
            self.values[name] = self.text(begin, after, vr, usual)

    def text(self, begin: int, after: int, vr: bytes, usual: str) -> str:
        """Return one value as text."""
        value, kind = self.data[begin:after], usual if vr in (b"", b"UN") else vr.decode()
        if kind in _LAYOUTS:
            return _numbers(value, _LAYOUTS[kind])
        charset = "" if value.isascii() else self.values.get("SpecificCharacterSet", "")
        text = _decode(value, charset) if charset else value.decode("latin-1")
        return text.strip(" \0")


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
    shared = [_of_group(item) for item in tags.items("SharedFunctionalGroupsSequence")[:1]]
    frames = [_of_group(item) for item in tags.items("PerFrameFunctionalGroupsSequence")]
    return _images(values, shared[0] if shared else {}, frames)


def _of_group(item: Tags) -> Image:
    """Return what one item of the functional groups says."""
    values = {}
    for sequence in GROUPS:
        for inner in item.items(sequence):
            for keyword, name in IN_GROUPS.items():
                if keyword in inner.dataset:
                    _note_in_group(values, name, _text(inner, inner.dataset, keyword))
    return values


def _private(dataset: Dataset, group: int, creator: str, element: int) -> str:
    try:
        written = dataset.private_creators(group)
        creator = next(name for name in written if name.strip().upper() == creator)
        value = dataset.private_block(group, creator)[element].value
    except Exception:  # absent, or damaged: pydicom raises many kinds
        return ""
    vr = PRIVATE[group, creator.strip().upper(), element][1]
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


def _note_in_group(values: Image, keyword: str, text: str) -> None:
    """Keep what a functional group says; of several agents, whether any and any not was given."""
    before = values.get(keyword, "")
    if keyword == "ContrastBolusAgentAdministered" and text not in before.split("\\"):
        text = "\\".join(filter(None, (before, text)))
    values[keyword] = text


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
        if b_value.isdigit():
            b_value = str(int(b_value) % GE_ADDS)
        image["DiffusionBValue"] = b_value
    component = GE_COMPONENTS.get(image.pop("RawDataType", ""), "")
    if component and not image.get("ComplexImageComponent"):
        image["ComplexImageComponent"] = component
    return (
        {name: value for name, value in image.items() if value} if "" in image.values() else image
    )
