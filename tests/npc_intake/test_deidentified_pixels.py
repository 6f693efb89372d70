"""Text planted in every compression and in every place of it: nothing but the pixels stays."""

import struct

import numpy as np
import pydicom
import pytest
from dicom_making import make_enhanced, make_slice, noise, save
from npc_intake.deidentify import Key, deidentify_file
from pydicom import uid
from pydicom.encaps import encapsulate, generate_frames

from npc_helpers.imaging.dicom import read_series
from npc_helpers.study.dicom_file import DicomError

codecs = pytest.importorskip("imagecodecs")

KEY = Key(b"a secret of this test file only")
NAME = b"JANEDOE 47114711"  # an even number of bytes
ROWS, COLUMNS = 40, 48
BEYOND = 0xE000  # bits above the twelve that are stored


def jpeg(pixels, **options):
    return codecs.jpeg8_encode(pixels, **options)


def rle(pixels):
    dataset = make_slice(pixels, 0)
    dataset.compress(uid.RLELossless, generate_instance_uid=False)
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def jpeg_2000(pixels, **options):
    return codecs.jpeg2k_encode(pixels, codecformat="j2k", **options)


LOSSLESS = {
    uid.JPEGLossless: lambda p: jpeg(p, lossless=True, predictor=4, bitspersample=16),
    uid.JPEGLosslessSV1: lambda p: jpeg(p, lossless=True, bitspersample=16),
    uid.JPEGLSLossless: codecs.jpegls_encode,
    uid.JPEG2000Lossless: lambda p: jpeg_2000(p, level=0, reversible=True),
    uid.HTJ2KLossless: codecs.htj2k_encode,
    uid.HTJ2KLosslessRPCL: codecs.htj2k_encode,
    uid.RLELossless: rle,
}
LOSSY = {
    uid.JPEGBaseline8Bit: lambda p: jpeg((p >> 4).astype(np.uint8), level=95),
    uid.JPEGExtended12Bit: lambda p: jpeg(p, level=95, bitspersample=12),
    uid.JPEGLSNearLossless: lambda p: codecs.jpegls_encode(p, level=2),
    uid.JPEG2000: lambda p: jpeg_2000(p, level=60),
    uid.HTJ2K: codecs.htj2k_encode,
}
ENCODERS = LOSSLESS | LOSSY


# --- the places -----------------------------------------------------------------------------------


def in_the_header(frame):
    """A comment at the start; in RLE between the offsets and the first segment."""
    if frame[:2] == b"\xff\xd8":
        return frame[:2] + segment(b"\xff\xfe") + frame[2:]
    if frame[:4] == b"\xff\x4f\xff\x51":
        end = 4 + int.from_bytes(frame[4:6], "big")
        return frame[:end] + segment(b"\xff\x64", b"\0\1") + frame[end:]
    return rle_with(frame, behind=0)


def further_on(frame):
    """An application segment before the scan, a comment in a tile's part, between RLE segments."""
    if frame[:2] == b"\xff\xd8":
        at = frame.index(b"\xff\xda")
        return frame[:at] + segment(b"\xff\xed") + frame[at:]
    if frame[:4] == b"\xff\x4f\xff\x51":
        at = frame.index(b"\xff\x90")
        comment = segment(b"\xff\x64", b"\0\1")
        (length,) = struct.unpack_from(">I", frame, at + 6)
        start = frame[at : at + 6] + struct.pack(">I", length and length + len(comment))
        return frame[:at] + start + frame[at + 10 : at + 12] + comment + frame[at + 12 :]
    return rle_with(frame, behind=1)


def segment(marker, kind=b""):
    return marker + struct.pack(">H", 2 + len(kind + NAME)) + kind + NAME


def rle_with(frame, *, behind):
    """Move the RLE segments behind the first so many back, and write into the gap."""
    number, *offsets = struct.unpack_from("<16I", frame)
    at = offsets[behind]
    moved = [o + len(NAME) * (0 < o >= at) for o in offsets]
    return struct.pack("<16I", number, *moved) + frame[64:at] + NAME + frame[at:]


def behind_the_end(frame):
    return frame + NAME


def as_one_fragment(frame):
    return encapsulate([frame])


def as_another_fragment(frame):
    end = b"\xfe\xff\xdd\xe0\0\0\0\0"
    item = b"\xfe\xff\0\xe0" + struct.pack("<I", len(NAME)) + NAME
    return encapsulate([frame], has_bot=False).removesuffix(end) + item


def item(content):
    return b"\xfe\xff\0\xe0" + struct.pack("<I", len(content)) + content


def between_empty_fragments(frame):
    frame += b"\0" * (len(frame) % 2)
    end = b"\xfe\xff\xdd\xe0\0\0\0\0"
    return b"".join(map(item, (b"", b"", frame, b"", NAME))) + end


def in_the_offset_table(frame):
    return item(NAME) + encapsulate([frame], has_bot=False)[8:]


def in_every_application_segment(frame):
    if frame[:2] != b"\xff\xd8":
        return further_on(in_the_header(frame))
    return frame[:2] + b"".join(segment(bytes([0xFF, 0xE0 + n])) for n in range(16)) + frame[2:]


PLACES = {  # how the frame is changed, how it is packed, what follows the pixels
    "header": (in_the_header, as_one_fragment, b""),
    "further on": (further_on, as_one_fragment, b""),
    "behind the end": (behind_the_end, as_one_fragment, b""),
    "another fragment": (lambda frame: frame, as_another_fragment, b""),
    "empty fragments": (lambda frame: frame, between_empty_fragments, b""),
    "offset table": (lambda frame: frame, in_the_offset_table, b""),
    "every application segment": (in_every_application_segment, as_one_fragment, b""),
    "another stream": (lambda frame: frame + frame + NAME, as_one_fragment, b""),
    "behind the pixels": (
        lambda frame: frame,
        as_one_fragment,
        b"\xfc\xff\xfc\xffOB\0\0" + struct.pack("<I", len(NAME)) + NAME,
    ),
}


def compressed(pixels, syntax, *, change=lambda frame: frame, pack=as_one_fragment):
    eight = syntax == uid.JPEGBaseline8Bit
    dataset = make_slice(pixels.astype(np.uint8) if eight else pixels, 0, PatientID="47114711")
    dataset.BitsStored, dataset.HighBit = (8, 7) if eight else (12, 11)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = pack(change(ENCODERS[syntax](pixels)))
    dataset["PixelData"].is_undefined_length = True
    return dataset


def only_pixels(path):
    """Check that a file ends with its pixels, uncompressed and of twelve bits; return them."""
    dataset, content = pydicom.dcmread(path), path.read_bytes()
    assert dataset.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert NAME not in content and b"47114711" not in content
    size = ROWS * COLUMNS * dataset.BitsAllocated // 8
    assert len(dataset.PixelData) == size
    assert content.index(b"\xe0\x7f\x10\x00") + 12 + size == len(content)
    stored = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}")
    assert not (stored >> dataset.BitsStored).any()
    return stored.reshape(ROWS, COLUMNS)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda syntax: syntax.name)
def test_text_in_a_compressed_stream_goes_and_the_image_stays(tmp_path, syntax, place):
    change, pack, tail = PLACES[place]
    dataset = compressed(noise(1, ROWS, COLUMNS)[0], syntax, change=change, pack=pack)
    save(dataset, tmp_path / "in" / "a.dcm")
    with (tmp_path / "in" / "a.dcm").open("ab") as file:
        file.write(tail)
    content = (tmp_path / "in" / "a.dcm").read_bytes()
    assert NAME in content[content.index(b"\xe0\x7f\x10\x00") :]
    save(deidentify_file(tmp_path / "in" / "a.dcm", KEY), tmp_path / "out" / "a.dcm")
    only_pixels(tmp_path / "out" / "a.dcm")
    before, after = read_series(tmp_path / "in"), read_series(tmp_path / "out")
    assert np.array_equal(before.array, after.array)


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("syntax", [None, *LOSSLESS], ids=lambda s: s and s.name)
def test_an_overlay_above_the_stored_bits_goes(tmp_path, syntax, signed):
    image = noise(1, ROWS, COLUMNS)[0]  # twelve bits
    overlay = np.zeros_like(image)
    overlay[4:9, 3:20] = BEYOND
    if syntax:
        dataset = compressed(image | overlay, syntax)
    else:
        dataset = make_slice(image | overlay, 0, BitsStored=12, HighBit=11)
    dataset.PixelRepresentation = signed
    save(dataset, tmp_path / "in" / "a.dcm")
    save(deidentify_file(tmp_path / "in" / "a.dcm", KEY), tmp_path / "out" / "a.dcm")
    after = read_series(tmp_path / "out").array[0]
    assert np.array_equal(after, np.where(image > 2047, image - 4096.0, image) if signed else image)
    stored = pydicom.dcmread(tmp_path / "out" / "a.dcm").PixelData
    if not signed:
        assert np.array_equal(only_pixels(tmp_path / "out" / "a.dcm"), image)
    else:  # above the stored bits is the sign, and nothing else
        assert set((np.frombuffer(stored, "<i2") >> 11).tolist()) == {0, -1}


@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda syntax: syntax.name)
def test_loss_stays_said_and_none_is_invented(syntax):
    result = deidentify_file(compressed(noise(1, ROWS, COLUMNS)[0], syntax), KEY)
    always = {uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless}
    assert result.get("LossyImageCompression") == ("01" if syntax in always else None)
    assert ("LossyImageCompressionMethod" in result) == (syntax in always)
    dataset = compressed(noise(1, ROWS, COLUMNS)[0], syntax)
    dataset.LossyImageCompression, dataset.LossyImageCompressionRatio = "01", "8.5"
    result = deidentify_file(dataset, KEY)
    assert (result.LossyImageCompression, result.LossyImageCompressionRatio) == ("01", 8.5)


def test_frames_of_one_object_keep_their_order(tmp_path):
    array = noise(4, ROWS, COLUMNS)
    dataset = make_enhanced(array, slopes=[1, 2, 3, 4], order=(2, 0, 3, 1))
    frames = [codecs.jpegls_encode(array[index]) + NAME for index in (2, 0, 3, 1)]
    dataset.file_meta.TransferSyntaxUID = uid.JPEGLSLossless
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].is_undefined_length = True
    save(dataset, tmp_path / "in" / "a.dcm")
    save(deidentify_file(tmp_path / "in" / "a.dcm", KEY), tmp_path / "out" / "a.dcm")
    assert NAME not in (tmp_path / "out" / "a.dcm").read_bytes()
    before, after = read_series(tmp_path / "in"), read_series(tmp_path / "out")
    assert np.array_equal(before.array, after.array)


def test_eight_bits_and_an_odd_number_of_pixels():
    pixels = noise(1, 5, 7, dtype=np.uint8, top=256)[0]
    result = deidentify_file(make_slice(pixels, 0), KEY)
    assert result.PixelData == pixels.tobytes() + b"\0" and result["PixelData"].VR == "OB"


def test_a_stream_that_cannot_be_decoded_is_refused():
    dataset = compressed(noise(1, ROWS, COLUMNS)[0], uid.RLELossless)
    dataset.PixelData = encapsulate([NAME * 10])
    with pytest.raises(DicomError) as caught:
        deidentify_file(dataset, KEY)
    assert NAME.decode() not in str(caught.value)
