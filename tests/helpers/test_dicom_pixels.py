"""Compressed pixels: which decoder reads them, that all agree, and what damage and size do.

Damaged streams are decoded in a process of their own: a decoder that ends the whole program fails
the test instead of ending the tests.
"""

import random
import struct
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pytest
from dicom_making import make_enhanced, make_slice, noise, save, write_series
from limits import GIBIBYTE, limits
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from npc_helpers.imaging import pixels as dicom_pixels
from npc_helpers.imaging.codestream import coded_size, is_whole_jpeg
from npc_helpers.imaging.dicom import DicomError, read_series
from npc_helpers.imaging.headers import Tags
from npc_helpers.imaging.pixels import decode

GDCM = {
    JPEGBaseline8Bit: gdcm.TransferSyntax.JPEGBaselineProcess1,
    JPEGExtended12Bit: gdcm.TransferSyntax.JPEGExtendedProcess2_4,
    JPEGLossless: gdcm.TransferSyntax.JPEGLosslessProcess14,
    JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    JPEG2000: gdcm.TransferSyntax.JPEG2000,
    JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
}
KINDS = [  # type of the pixels, one more than the largest, bits stored
    (np.uint8, 256, 8),
    (np.uint16, 4096, 12),
    (np.uint16, 65536, 16),
    (np.int16, 2048, 16),
]


def write_with_gdcm(folder, array, syntax, *, bits):
    """Write a series as the toolkit of many archives compresses it."""
    write_series(folder, array, BitsStored=bits, HighBit=bits - 1)
    for path in folder.iterdir():
        reader, change = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax()
        reader.SetFileName(str(path))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(GDCM[syntax]))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(path))
        assert writer.Write()
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax


# --- what is read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1, JPEG2000Lossless])
@pytest.mark.parametrize(("dtype", "top", "bits"), KINDS)
def test_what_gdcm_compressed_without_loss_comes_back(tmp_path, syntax, dtype, top, bits):
    array = noise(2, 40, 48, dtype=dtype, top=top)
    if dtype == np.int16:
        array -= 1000
    write_with_gdcm(tmp_path, array, syntax, bits=bits)
    series = read_series(tmp_path)
    assert series.array.dtype == dtype
    assert np.array_equal(series.array, array)


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGExtended12Bit])
def test_lossy_jpeg_of_eight_bits_comes_back_nearly(tmp_path, syntax):
    array = np.add.outer(np.arange(40), np.arange(48)).astype(np.uint8)[None]
    write_with_gdcm(tmp_path, array, syntax, bits=8)
    assert np.abs(read_series(tmp_path).array.astype(int) - array).max() < 10


def test_lossy_jpeg_of_twelve_bits_is_read(tmp_path):
    """An example that pydicom carries, and the values that its tests expect of another decoder."""
    example = pydicom.dcmread(get_testdata_file("JPEG-lossy.dcm", download=False))
    frame = next(generate_frames(example.PixelData, number_of_frames=1))
    dataset = make_slice(np.zeros((1024, 256), np.uint16), 0, BitsStored=12, HighBit=11)
    dataset.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    dataset.PixelData = encapsulate([frame])
    save(dataset, tmp_path / "a.dcm")
    image = read_series(tmp_path).array[0]
    assert (image[420, 140], image[230, 120], image.max()) == (244, 95, 264)


@pytest.mark.parametrize("syntax", dicom_pixels.DECODERS)
def test_a_missing_decoder_is_named_with_its_package(tmp_path, monkeypatch, syntax):
    dataset = make_slice(noise(1, 8, 8)[0], 0)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([b"\0\0"])
    save(dataset, tmp_path / "a.dcm")
    monkeypatch.setattr(dicom_pixels, "find_spec", lambda name: None)
    monkeypatch.setattr(Decoder, "available_plugins", ())
    with pytest.raises(DicomError) as error:
        read_series(tmp_path)
    package = dicom_pixels.DECODERS[syntax]
    assert f"Run: python -m pip install {package}" in str(error.value)
    assert ("npc_helpers install intake" in str(error.value)) == (package == "imagecodecs")
    assert error.value.code == "missing-decoder"


@pytest.mark.parametrize("syntax", dicom_pixels.DECODERS)
def test_each_compression_has_a_decoder_installed(syntax):
    package = dicom_pixels.DECODERS[syntax]
    assert find_spec(package) or package in get_decoder(UID(syntax)).available_plugins


UNUSED = {None: "as it is", RLELossless: "by pydicom", JPEGLSLossless: "by pydicom"}
UNUSED |= dict.fromkeys((JPEGLossless, JPEGLosslessSV1, JPEG2000Lossless), "by GDCM")


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", UNUSED)
def test_what_lies_above_the_stored_bits_is_no_part_of_the_image(tmp_path, syntax, signed):
    """Twelve bits stored in sixteen, an overlay plane above them (4627 where 4095 is largest)."""
    expected = noise(1, 40, 48).astype(np.int32) - (2048 if signed else 0)
    overlay = np.zeros((1, 40, 48), np.int32)
    overlay[:, 5:9, 3:20] = 0x2000
    array = (expected & 0x0FFF | overlay).astype(np.uint16)
    if UNUSED[syntax] == "by GDCM":
        write_with_gdcm(tmp_path, array, syntax, bits=16)
    else:
        write_series(tmp_path, array, compress=syntax)
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, int(signed)
        dataset.save_as(path)
    assert np.array_equal(read_series(tmp_path).array, expected)


# --- the size that a compressed image gives for itself --------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_sizes_in_compressed_images_are_those_of_pydicoms_own_examples():
    """JPEG, JPEG-LS and JPEG 2000 as five programs wrote them, where pydicom carries the files."""
    seen = set()
    for path in sorted(Path(pydicom.data.__file__).parent.rglob("*.dcm")):
        dataset = pydicom.dcmread(path, force=True)
        syntax = dataset.get("file_meta", {}).get("TransferSyntaxUID", pydicom.uid.UID(""))
        odd = (
            "PixelData" not in dataset
            or syntax == RLELossless
            or "embedded-sequence-delimiter" in path.name
        )
        if odd or not syntax.is_transfer_syntax or not syntax.is_encapsulated:
            continue
        number = int(dataset.get("NumberOfFrames", 1))
        frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=number))
        size = (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)
        assert coded_size(frame) == size, path.name
        assert coded_size(b"box of a JP2 file" + frame) in (size, None)
        seen.add(syntax.name.split(",")[0])
    assert len(seen) >= 5


@pytest.mark.parametrize("frame", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\0", b"\xff\x4f\xff\x51\0"])
def test_a_compressed_image_cut_off_before_its_size_gives_none(frame):
    assert coded_size(frame) is None


def spoilt(change, syntax=JPEGLSLossless):
    """Return a function that writes one compressed file whose only frame has been changed."""

    def write(path):
        dataset = make_slice(noise(1, 32, 32)[0], 0)
        dataset.compress(syntax, generate_instance_uid=False)
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
        dataset.PixelData = encapsulate([change(frame)])
        save(dataset, path)

    return write


def replaced(old, new):
    return lambda frame: frame.replace(old, new)


JPEG_LS_SIZE, JPEG_2000_SIZE = struct.pack(">HH", 32, 32), struct.pack(">2I", 32, 32)
REFUSED = {
    "JPEG-LS of another size": (
        spoilt(replaced(JPEG_LS_SIZE, struct.pack(">HH", 64, 16))),
        "coded-size",
        "has 64 x 16 pixels of 1 value(s), its header says 32 x 32 of 1",
    ),
    "JPEG-LS that asks for gigabytes": (
        spoilt(replaced(JPEG_LS_SIZE, struct.pack(">HH", 60000, 60000))),
        "coded-size",
        "has 60000 x 60000 pixels",
    ),
    "JPEG 2000 that asks for gigabytes": (
        spoilt(replaced(JPEG_2000_SIZE, struct.pack(">2I", 60000, 60000)), JPEG2000Lossless),
        "coded-size",
        "has 60000 x 60000 pixels",
    ),
    "JPEG 2000 of many values": (
        spoilt(lambda frame: frame[:40] + b"\x40\0" + frame[42:], JPEG2000Lossless),
        "coded-size",
        "of 16384 value(s)",
    ),
    "compressed frame empty": (spoilt(lambda frame: b"\0\0"), "undecodable", "damaged"),
    "JPEG-LS cut in half": (
        spoilt(lambda frame: frame[: len(frame) // 2]),
        "undecodable",
        "cut off",
    ),
    "JPEG 2000 cut in half": (
        spoilt(lambda frame: frame[: len(frame) // 2], JPEG2000Lossless),
        "undecodable",
        "damaged or cut off (pillow: ",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_frame_that_is_not_what_its_header_says_is_refused(tmp_path, case):
    write, code, says = case
    write(tmp_path / "a.dcm")
    with pytest.raises(DicomError) as caught:
        read_series(tmp_path)
    message = str(caught.value)
    assert (caught.value.code, says in message) == (code, True), message
    assert "a.dcm" in message and "\n" not in message and "all available" not in message


@pytest.mark.parametrize(
    ("at", "value", "whole"),
    [
        (0, 0xFF, True),
        (3, 0x00, False),  # no longer a frame header
        (5, 0xFF, False),  # the frame header ends elsewhere
        (6, 0x11, False),  # 17 bits
        (15, 0xEC, False),  # the Huffman table is no segment
        (48, 0x00, False),  # nor is the scan
    ],
)
def test_a_jpeg_header_is_whole_or_damaged(tmp_path, at, value, whole):
    frame = bytearray(jpeg_frame(tmp_path))
    assert (frame[6], frame[15:17], frame[48:50]) == (16, b"\xff\xc4", b"\xff\xda")
    frame[at] = value
    assert is_whole_jpeg(bytes(frame)) == whole
    assert not is_whole_jpeg(bytes(frame[:48]))


def jpeg_frame(folder):
    write_with_gdcm(folder, noise(1, 32, 32), JPEGLosslessSV1, bits=12)
    dataset = pydicom.dcmread(next(folder.iterdir()))
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


# --- damage ---------------------------------------------------------------------------------------

DAMAGED = {  # syntax: bytes that change in one frame of 32 x 32 pixels, each set a file of its own
    JPEG2000Lossless: [{42: 0x34}, {42: 0xD4}],  # bits of a value
    JPEGLosslessSV1: [{6: 0x21}, {15: 0xEC}],  # bits of a value; start of the Huffman table
    JPEGLossless: [{6: 0xF9}, {15: 0x64}],
}
FUZZED = [*DAMAGED, JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSLossless, RLELossless]


def write_compressed(folder, syntax):
    if syntax not in GDCM:
        write_series(folder, noise(1, 32, 32), compress=syntax)
    elif syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        write_with_gdcm(folder, noise(1, 32, 32, dtype=np.uint8, top=256), syntax, bits=8)
    else:
        write_with_gdcm(folder, noise(1, 32, 32), syntax, bits=16)
    return next(folder.iterdir())


def decode_damaged(path, damages):
    """Decode the only frame of a file with some of its bytes changed; count what comes of it."""
    dataset, results = pydicom.dcmread(path), Counter()
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    for damage in damages:
        damaged = bytearray(frame)
        for at, value in damage.items():
            damaged[at] = value
        dataset.PixelData = encapsulate([bytes(damaged)])
        with limits():
            try:
                pixels = decode(Tags(dataset, path))
                results[pixels.shape] += 1
            except DicomError as error:
                results[error.code] += 1
    return results


@pytest.fixture(scope="module")
def elsewhere():
    """Call a function in another process; a process that is ended by a decoder is an error."""

    def start():
        return ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def call(function, *arguments):
        nonlocal pool
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            pool = start()
            raise

    pool = start()
    yield call
    pool.shutdown()


@pytest.mark.parametrize("syntax", DAMAGED, ids=lambda syntax: UID(syntax).keyword)
def test_headers_on_which_a_decoder_may_end_the_program_are_survived(tmp_path, elsewhere, syntax):
    path = write_compressed(tmp_path, syntax)
    results = elsewhere(decode_damaged, path, DAMAGED[syntax])
    assert set(results) <= {"undecodable", (1, 32, 32)}
    assert results.total() == len(DAMAGED[syntax])


@pytest.mark.parametrize("syntax", FUZZED, ids=lambda syntax: UID(syntax).keyword)
def test_damaged_streams_are_decoded_or_refused(tmp_path, elsewhere, syntax):
    path = write_compressed(tmp_path, syntax)
    dataset, draw = pydicom.dcmread(path), random.Random(syntax)
    size = len(next(generate_frames(dataset.PixelData, number_of_frames=1)))
    damages = [
        {
            draw.randrange(size if whole else min(size, 150)): draw.randrange(256)
            for _ in range(draw.randint(1, 3))
        }
        for whole in [False, True] * 500
    ]
    results = elsewhere(decode_damaged, path, damages)
    assert results.total() == len(damages)
    assert set(results) <= {"undecodable", "truncated", "coded-size", (1, 32, 32)}
    assert len(results) > 1


@pytest.mark.parametrize("syntax", FUZZED, ids=lambda syntax: UID(syntax).keyword)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_compressed_image_that_is_cut_off_is_refused(tmp_path, syntax, share):
    """libjpeg fills the rest with grey and says nothing."""
    path = write_compressed(tmp_path, syntax)
    dataset = pydicom.dcmread(path)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1)).rstrip(b"\0")
    dataset.PixelData = encapsulate([frame[: int(len(frame) * share)]])
    dataset.save_as(path)
    with pytest.raises(DicomError, match="damaged or cut off"):
        read_series(tmp_path)


# --- size -----------------------------------------------------------------------------------------


def zeros_in_rle(pixels, value_bytes):
    """A frame of zeros in a 64th of its size: each run of 128 in two bytes (PS3.5, annex G)."""
    segment = b"\x81\0" * (pixels // 128)
    header = [value_bytes, *(64 + number * len(segment) for number in range(value_bytes))]
    header += [0] * (16 - len(header))
    return np.array(header, "<u4").tobytes() + segment * value_bytes


def write_large(folder, size, dtype, *, frames=1, **tags):
    empty, slope = np.zeros((frames, 8, 8), dtype), tags.get("RescaleSlope", 1)
    if frames == 1:
        dataset = make_slice(empty[0], 0, **tags)
    else:
        dataset = make_enhanced(empty, slopes=[slope] * frames, order=range(frames))
    dataset.PhotometricInterpretation = tags.get("PhotometricInterpretation", "MONOCHROME2")
    dataset.Rows = dataset.Columns = size
    dataset.file_meta.TransferSyntaxUID = RLELossless
    frame = zeros_in_rle(size * size, empty.itemsize)
    dataset.add_new("PixelData", "OB", encapsulate([frame] * frames))
    dataset["PixelData"].is_undefined_length = True
    save(dataset, folder / "a.dcm")


LARGE = {  # size, type, images, header; the file has a 64th of the bytes of its pixels
    "inverted": (16000, np.uint8, 1, {"PhotometricInterpretation": "MONOCHROME1"}),
    "rescaled": (16000, np.uint16, 1, {"RescaleSlope": 2, "RescaleIntercept": 1}),
    "many images": (2048, np.uint16, 17, {}),
}
LARGEST = {
    "inverted": (4096, np.uint8, 1, {"PhotometricInterpretation": "MONOCHROME1"}),
    "rescaled": (4096, np.uint16, 1, {"RescaleSlope": 2, "RescaleIntercept": 1}),
    "many images": (512, np.uint8, 256, {"PhotometricInterpretation": "MONOCHROME1"}),
    "many rescaled": (512, np.uint8, 256, {"RescaleSlope": 2}),
}


@pytest.mark.parametrize("case", LARGE.values(), ids=LARGE)
def test_small_files_of_huge_images_are_refused_at_once(tmp_path, case):
    size, dtype, frames, tags = case
    write_large(tmp_path, size, dtype, frames=frames, **tags)
    assert (tmp_path / "a.dcm").stat().st_size < 9_000_000
    with limits(memory=GIBIBYTE // 16), pytest.raises(DicomError) as caught:
        read_series(tmp_path)
    assert caught.value.code == "too-large"


@pytest.mark.parametrize("case", LARGEST.values(), ids=LARGEST)
def test_the_largest_images_allowed_take_half_a_gibibyte_at_most(tmp_path, case):
    size, dtype, frames, tags = case
    write_large(tmp_path, size, dtype, frames=frames, **tags)
    with limits(memory=GIBIBYTE // 2):
        series = read_series(tmp_path)
    assert series.array.shape == (frames, size, size)
    inverted = "PhotometricInterpretation" in tags
    assert (series.array == (255 if inverted else tags.get("RescaleIntercept", 0))).all()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux counts anew")
def test_more_than_a_gibibyte_is_noticed():
    with pytest.raises(AssertionError), limits():
        np.ones(GIBIBYTE + (1 << 26), dtype=np.uint8)
