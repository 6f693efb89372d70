"""What a compressed image says about its own size, read before anything is decoded.

A decoder allocates what the compressed stream asks for, whatever the DICOM header says: some bytes
can ask for gigabytes. JPEG and JPEG-LS give their size in a frame header (ITU-T T.81, B.2.2; T.87,
C.2.2), JPEG 2000 in its SIZ segment (T.800, A.5.1). And a JPEG that is cut off is decoded without
a word, its rest filled with grey, so its segments and its end are looked for (T.81, B.1.1).
"""

import struct
from collections.abc import Iterator
from struct import unpack_from

from pydicom.encaps import generate_frames

from npc_helpers.imaging.headers import AGAIN, Tags
from npc_helpers.study.dicom_file import refuse

SIZ = b"\xff\x4f\xff\x51"  # start of a JPEG 2000 codestream and of its size segment
START_OF_IMAGE, END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
FRAME_HEADERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
START_OF_SCAN = 0xDA
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
BITS = range(2, 17)  # of one value of a grey image


def check_codestream(tags: Tags) -> None:
    """Refuse a file whose compressed images have another size than its header says, or a bad start.

    Its pixel data are encapsulated and not yet decoded.
    """
    expected = (tags.integer("Rows"), tags.integer("Columns"), tags.integer("SamplesPerPixel"))
    for frame in _frames(tags):
        if frame.startswith(START_OF_IMAGE) and not is_whole_jpeg(frame):
            problem = "its compressed image is damaged or cut off"
            raise refuse(tags.path, "undecodable", problem, AGAIN)
        size = coded_size(frame)
        if size not in (None, expected):
            problem = (
                f"its compressed image has {size[0]} x {size[1]} pixels of {size[2]} value(s), its "
                f"header says {expected[0]} x {expected[1]} of {expected[2]}"
            )
            raise refuse(tags.path, "coded-size", problem, "Export the series again")


def _frames(tags: Tags) -> Iterator[bytes]:
    """Yield the compressed images; where their packing is damaged, the decoder will say how."""
    number = tags.integer("NumberOfFrames", 1)
    try:
        yield from generate_frames(tags.dataset.PixelData, number_of_frames=number)
    except Exception:  # pydicom raises many kinds on malformed bytes
        return


def coded_size(frame: bytes) -> tuple[int, int, int] | None:
    """Return rows, columns and values per pixel that a compressed image gives for itself.

    JPEG, JPEG-LS or JPEG 2000, the last with or without the boxes of a JP2 file around it. None if
    it is none of these, is cut off before its size, or leaves the number of rows open.
    """
    try:
        if frame.startswith(START_OF_IMAGE):
            return _jpeg_size(frame)
        start = frame.find(SIZ)
        if start < 0:
            return None
        right, bottom, left, top = unpack_from(">4I", frame, start + 8)
        return bottom - top, right - left, unpack_from(">H", frame, start + 40)[0]
    except struct.error:  # cut off
        return None


def is_whole_jpeg(frame: bytes) -> bool:
    """Tell whether segments with sensible bits lead to the first scan, and that to an end."""
    codes, at = [], 0
    try:
        for code, at in _jpeg_segments(frame):
            codes.append(code)
            if code in FRAME_HEADERS and frame[at + 4] not in BITS:
                return False
    except (struct.error, IndexError):  # cut off
        return False
    headed = codes[-1:] == [START_OF_SCAN] and not FRAME_HEADERS.isdisjoint(codes)
    return headed and frame.find(END_OF_IMAGE, at) > 0  # inside a scan 0xFF is never so followed


def _jpeg_size(frame: bytes) -> tuple[int, int, int] | None:
    for code, at in _jpeg_segments(frame):
        if code in FRAME_HEADERS:
            rows, columns, values = unpack_from(">2HB", frame, at + 5)
            return (rows, columns, values) if rows else None
    return None


def _jpeg_segments(frame: bytes) -> Iterator[tuple[int, int]]:
    """Yield the kind and the place of the segments up to the first scan, or to what is none."""
    at = len(START_OF_IMAGE)
    code = 0
    while code != START_OF_SCAN:
        prefix, code = unpack_from(">2B", frame, at)
        if prefix != 0xFF:
            return
        if code == 0xFF:  # a fill byte
            at += 1
        elif code in WITHOUT_LENGTH:
            at += 2
        else:
            yield code, at
            at += 2 + unpack_from(">H", frame, at + 2)[0]
