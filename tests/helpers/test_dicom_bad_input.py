"""Malformed and surprising DICOM, a case each: what the user reads, or what is read all the same.

`test_dicom.py` has the cases of geometry and damage that any series may meet; here are the rest.
"""

import gzip
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_making import PREFIX, make_enhanced, make_slice, noise, save, write_series
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import limits
from npc_intake.deidentify import Key, deidentify_file
from npc_intake.find import find_series
from npc_intake.find.headers import read_images
from pydicom.encaps import encapsulate
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from npc_helpers.imaging import dicom, headers
from npc_helpers.imaging.dicom import DicomError, read_series

BAD = "I03.dcm"  # the second slice from below
PIXELS = noise(4, 8, 8)
OTHER_CLASSES = {
    "report": ("SR", "1.2.840.10008.5.1.4.1.1.88.11"),
    "pdf": ("DOC", "1.2.840.10008.5.1.4.1.1.104.1"),
    "video": ("ES", "1.2.840.10008.5.1.4.1.1.77.1.1.1"),
    "presentation state": ("PR", "1.2.840.10008.5.1.4.1.1.11.1"),
    "structures": ("RTSTRUCT", "1.2.840.10008.5.1.4.1.1.481.3"),
}


# --- ways to spoil a file -------------------------------------------------------------------------


def content(data):
    """Replace the file by other bytes."""
    return lambda folder: (folder / BAD).write_bytes(data)


def edit(change):
    """Change the file's bytes."""

    def spoil(folder):
        path = folder / BAD
        path.write_bytes(change(path.read_bytes()))

    return spoil


def tags(syntax=None, **values):
    """Write the file again with other elements; `keyword=(VR, value)` forces a value type."""

    def spoil(folder):
        dataset = pydicom.dcmread(folder / BAD)
        for keyword, value in values.items():
            if value is None:
                del dataset[keyword]
            elif isinstance(value, tuple):
                dataset.add_new(keyword, *value)
            else:
                setattr(dataset, keyword, value)
        if syntax:
            dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(folder / BAD, enforce_file_format=True)

    return spoil


def raw(keyword, vr, value):
    """Insert an element byte by byte, as pydicom refuses to write it."""

    def spoil(folder):
        tag = pydicom.tag.Tag(keyword)
        dataset = pydicom.dcmread(folder / BAD)
        if tag in dataset:
            del dataset[tag]
        room = len(value) + len(value) % 2
        marker = pydicom.DataElement(tag, "LO", "M" * room)
        dataset[tag] = marker
        dataset.save_as(folder / BAD, enforce_file_format=True)
        whole = (folder / BAD).read_bytes()
        start = struct.pack("<HH", tag.group, tag.element)
        old = start + b"LO" + struct.pack("<H", room) + b"M" * room
        assert whole.count(old) == 1
        new = start + vr + struct.pack("<H", len(value)) + value
        (folder / BAD).write_bytes(whole.replace(old, new))

    return spoil


def pixel_bytes(count):
    """Give the pixel data another length, by cutting off or adding zeros."""

    def spoil(folder):
        whole = (folder / BAD).read_bytes()
        start = whole.rindex(b"\xe0\x7f\x10\0OW\0\0") + 12
        data = whole[start:].ljust(count, b"\0")[:count]
        (folder / BAD).write_bytes(whole[: start - 4] + struct.pack("<I", count) + data)

    return spoil


def transposed(folder):
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PixelSpacing = [0.7, 0.5] if path.name == BAD else [0.5, 0.7]
        save(dataset, path)


def grey_table(folder):
    dataset, table = pydicom.dcmread(folder / BAD), pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4, 0, 16], "US"
    table.add_new("LUTData", "OW", struct.pack("<4H", 9, 6, 3, 0))
    dataset.ModalityLUTSequence = [table]
    save(dataset, folder / BAD)


def other_object(modality, sop_class):
    def spoil(folder):
        dataset = make_slice(PIXELS[0], 6, Modality=modality, SOPClassUID=sop_class)
        del dataset.PixelData
        save(dataset, folder / BAD)

    return spoil


def deflated(data):
    """A file in deflated encoding whose dataset inflates to `data`."""

    def spoil(folder):
        dataset = make_slice(PIXELS[0], 6)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
        save(dataset, folder / BAD)
        whole = (folder / BAD).read_bytes()
        begin = 144 + struct.unpack("<I", whole[140:144])[0]
        squeeze = zlib.compressobj(1, zlib.DEFLATED, -15)
        parts = [squeeze.compress(part) for part in data()] + [squeeze.flush()]
        (folder / BAD).write_bytes(whole[:begin] + b"".join(parts))

    return spoil


def enhanced(change):
    """A single enhanced object in place of the series."""

    def spoil(folder):
        shutil.rmtree(folder)
        dataset = make_enhanced(PIXELS, slopes=[1] * 4, order=(0, 1, 2, 3))
        change(dataset)
        save(dataset, folder / BAD)

    return spoil


def call_it_rle(data):
    return data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0", 1)


def deep(folder):
    """Sequences nested a thousand levels deep."""
    start = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    whole = (folder / BAD).read_bytes()
    at = whole.index(b"\x08\x00\x16\x00UI")
    (folder / BAD).write_bytes(whole[:at] + start * 1000 + whole[at:])


def link_out(folder):
    outside = folder.parent / "outside.dcm"
    (folder / BAD).rename(outside)
    (folder / BAD).symlink_to(outside)


def link_in_a_circle(folder):
    (folder / BAD).unlink()
    (folder / BAD).symlink_to(folder / BAD)


def zip_archive(folder):
    with zipfile.ZipFile(folder / "series.zip", "w") as archive:
        archive.write(folder / BAD)
    (folder / "series.zip").replace(folder / BAD)


def only_strays(folder):
    for path in folder.iterdir():
        path.unlink()
    for name in ("DICOMDIR", ".DS_Store", "._I03.dcm", "Thumbs.db"):
        (folder / name).write_bytes(b"x")


def second_object_with_its_uid(folder):
    others = noise(2, 8, 8, seed=1)  # repeated pixels would be a finding of their own
    save(make_slice(others[0], 30, SOPInstanceUID=f"{PREFIX}.3.{10**7}"), folder / "I00.dcm")
    save(make_slice(others[1], 24), folder / "I01b.dcm")


REFUSED = {
    "one byte": ("truncated", content(b"D"), "cut off"),
    "preamble cut off": ("not-dicom", edit(lambda data: data[:100]), "not a DICOM file"),
    "preamble and nothing": ("truncated", edit(lambda data: data[:132]), "cut off"),
    "header cut off in a value": ("truncated", edit(lambda data: data[:500]), "cut off"),
    "meta header cut off": ("truncated", edit(lambda data: data[:150]), "cut off"),
    "zeros": ("not-dicom", content(bytes(4000)), "not a DICOM file"),
    "PDF": ("not-dicom", content(b"%PDF-1.7\n" + b"text " * 200), "not a DICOM file"),
    "JPEG picture": ("not-dicom", content(b"\xff\xd8\xff\xe0" * 300), "not a DICOM file"),
    "NIfTI": ("not-dicom", content(struct.pack("<i", 348) + bytes(900)), "not a DICOM file"),
    "UTF-16 text": ("not-dicom", content(("patient " * 90).encode("utf-16")), "not a DICOM file"),
    "gzip": ("not-dicom", edit(gzip.compress), "not a DICOM file"),
    "zip": ("not-dicom", zip_archive, "not a DICOM file"),
    **{
        f"{name} object": ("wrong-modality", other_object(*kind), f"{kind[0]}, not MR")
        for name, kind in OTHER_CLASSES.items()
    },
    "secondary capture that calls itself MR": (
        "screenshot",
        tags(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"),
        "secondary capture",
    ),
    "pixel data of length zero": ("no-pixel-data", tags(PixelData=b""), "are empty"),
    "pixel data too short": ("truncated", tags(PixelData=bytes(60)), "damaged or cut off"),
    "float pixel data": (
        "no-pixel-data",
        tags(PixelData=None, FloatPixelData=("OF", bytes(256))),
        "no pixel data",
    ),
    "rows zero": ("mixed-matrix", tags(Rows=0), "0x8"),
    "more frames than pixels": ("truncated", tags(NumberOfFrames=3), "damaged or cut off"),
    "an image beyond memory": ("too-large", tags(Rows=65000, Columns=65000), "65000 x 65000"),
    "frames beyond memory": (
        "too-large",
        tags(Rows=4000, Columns=4000, NumberOfFrames=9),
        "128 MiB of memory",
    ),
    "twelve bits allocated": ("undecodable", tags(BitsAllocated=12), "damaged"),
    "more bits stored than allocated": ("undecodable", tags(BitsStored=20), "damaged"),
    "bits stored above others that are used": (
        "undecodable",
        tags(BitsStored=4, HighBit=5),
        "HighBit and BitsStored (4) do not fit",
    ),
    "grey values by a table": ("grey-table", grey_table, "Modality LUT"),
    "no bits": ("bad-tag", tags(BitsStored=None), "Bits Stored"),
    "no samples": ("bad-tag", tags(SamplesPerPixel=None), "Samples per Pixel"),
    "palette colours": (
        "not-grey",
        tags(PhotometricInterpretation="PALETTE COLOR"),
        "not a plain grey",
    ),
    "pixel data of odd length": ("truncated", pixel_bytes(127), "damaged or cut off"),
    "spacing with decimal commas": (
        "bad-tag",
        raw("PixelSpacing", b"DS", b"0,4688\\0,4688 "),
        "Pixel Spacing",
    ),
    "spacing with a comma between": (
        "bad-tag",
        raw("PixelSpacing", b"DS", b"0.4688,0.4688 "),
        "Pixel Spacing",
    ),
    "spacing transposed in one file": ("mixed-spacing", transposed, "[0.7, 0.5] mm"),
    "spacing NaN": ("bad-tag", raw("PixelSpacing", b"DS", b"NaN\\NaN "), "not a finite number"),
    "spacing with a blank": ("bad-tag", raw("PixelSpacing", b"DS", b"0.5 0.5 "), "instead of 2"),
    "spacing with units": ("bad-tag", raw("PixelSpacing", b"DS", b"0.5mm\\.5"), "Pixel Spacing"),
    "spacing as binary numbers": (
        "bad-tag",
        raw("PixelSpacing", b"US", b"\x01\x00"),
        "1 value(s) instead of 2",
    ),
    "spacing negative": ("bad-tag", tags(PixelSpacing=[-0.5, 0.5]), "not positive"),
    "slope infinite": ("bad-tag", raw("RescaleSlope", b"DS", b"inf "), "not a finite number"),
    "position in words": (
        "bad-tag",
        raw("ImagePositionPatient", b"DS", b"a\\b\\c "),
        "Image Position",
    ),
    "orientation of zeros": (
        "bad-tag",
        tags(ImageOrientationPatient=[0] * 6),
        "not two perpendicular unit vectors",
    ),
    "rows as text": ("bad-tag", raw("Rows", b"LO", b"eight "), "not a number"),
    "frames as text": ("bad-tag", raw("NumberOfFrames", b"IS", b"two "), "Number of Frames"),
    "MPEG-4 video as MR": (
        "missing-decoder",
        tags("1.2.840.10008.1.2.4.102", PixelData=encapsulate([bytes(64)])),
        "no decoder",
    ),
    "plain pixels called compressed": ("undecodable", edit(call_it_rle), "damaged"),
    "deflated and cut off": ("truncated", deflated(lambda: [b"\x08"]), "cut off"),
    "deflated, half a gigabyte of zeros": (
        "too-large",
        deflated(lambda: [bytes(1 << 24)] * 33),
        "MiB of memory",
    ),
    "sequences a thousand deep": ("unreadable", deep, "cannot be read"),
    "link out of the folder": ("link", link_out, "leaves the folder"),
    "link in a circle": ("link", link_in_a_circle, "leaves the folder"),
    "enhanced without pixel measures": (
        "bad-tag",
        enhanced(lambda d: d.SharedFunctionalGroupsSequence[0].pop("PixelMeasuresSequence")),
        "Pixel Spacing",
    ),
    "enhanced with a frame nowhere": (
        "bad-tag",
        enhanced(lambda d: d.PerFrameFunctionalGroupsSequence[1].pop("PlanePositionSequence")),
        "Image Position",
    ),
    "nothing but strays": ("empty-folder", only_strays, "4 other file(s) ignored"),
}


@pytest.fixture
def lenient(monkeypatch):
    for mode in ("reading_validation_mode", "writing_validation_mode"):
        monkeypatch.setattr(pydicom.config.settings, mode, pydicom.config.IGNORE)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refused_with_a_message_that_names_the_place(tmp_path, case, lenient):
    code, spoil, says = case
    folder = tmp_path / "series"
    write_series(folder, PIXELS)
    spoil(folder)
    with pytest.raises(DicomError) as caught:
        read_series(folder)
    message = str(caught.value)
    assert (caught.value.code, says in message) == (code, True), message
    assert str(folder) in message
    assert "\n" not in message and "Traceback" not in message


# --- surprising, but usable -----------------------------------------------------------------------


def rename(name):
    return lambda folder: (folder / BAD).rename(folder / name)


def implicit(folder):
    dataset = pydicom.dcmread(folder / BAD)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(folder / BAD, implicit_vr=True, little_endian=True)


def private_of_megabytes(folder):
    dataset = pydicom.dcmread(folder / BAD)
    dataset.private_block(0x0009, "VENDOR", create=True).add_new(1, "OB", bytes(5_000_000))
    dataset.save_as(folder / BAD)


def without_meta(folder):
    whole = (folder / BAD).read_bytes()
    (folder / BAD).write_bytes(whole[144 + struct.unpack("<I", whole[140:144])[0] :])


USABLE = {
    "implicit VR": implicit,
    "no preamble and no meta header": without_meta,
    "private element of five megabytes": private_of_megabytes,
    "unknown character set": tags(SpecificCharacterSet="KLINGON"),
    "text of another character set": raw("PatientComments", b"LO", "Schädel".encode("gb18030")),
    "description with a wrong value type": raw("SeriesDescription", b"US", b"\x01\x00"),
    "value of odd length": raw("StudyDescription", b"LO", b"odd"),
    "unknown value type": raw("StudyDescription", b"ZZ", b"even"),
    "identifier ending in zero bytes": tags(PatientID="P-1\0"),
    "bytes after the pixels": tags(PixelData=PIXELS[1].tobytes() + bytes(100)),
    "pixel data of odd length": pixel_bytes(129),
    "bytes after the file": edit(lambda data: data + b"\0" * 64),
    "no suffix": rename("IMG"),
    "blanks and a colon": rename("T2: axial, 3 mm.dcm"),
    "other alphabets": rename("横断位 Schädel.dcm"),
    "number as suffix": rename("1.2.840.4"),
    "capital suffix": rename("I03.DCM"),
    "date that is none": raw("StudyDate", b"DA", b"05/01/18"),
    "time that is none": raw("StudyTime", b"TM", b"10h15min"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spoil", USABLE.values(), ids=USABLE)
def test_surprising_but_read(tmp_path, spoil, lenient):
    write_series(tmp_path, PIXELS)
    spoil(tmp_path)
    assert np.array_equal(read_series(tmp_path).array, PIXELS)
    assert find_series(tmp_path).table["n_images"].sum() == 4


def test_the_same_identifier_twice_is_noted(tmp_path):
    write_series(tmp_path, PIXELS)
    second_object_with_its_uid(tmp_path)
    findings = read_series(tmp_path).findings
    assert [finding.code for finding in findings if finding.severity == "warn"] == ["same-uid"]


def test_a_negative_slope_is_applied_and_noted(tmp_path):
    write_series(tmp_path, PIXELS, RescaleSlope=-2, RescaleIntercept=0)
    series = read_series(tmp_path)
    assert np.array_equal(series.array, -2.0 * PIXELS)
    assert "negative" in [f.message for f in series.findings if f.severity == "warn"][0]


def test_a_file_that_vanishes_while_the_folder_is_read(tmp_path, monkeypatch):
    write_series(tmp_path, PIXELS)
    listed = dicom.list_files(tmp_path, [])
    (tmp_path / BAD).unlink()
    monkeypatch.setattr(dicom, "list_files", lambda folder, findings: listed)
    with pytest.raises(DicomError, match=f"{BAD}: cannot be read") as caught:
        read_series(tmp_path)
    assert caught.value.code == "unreadable"


def test_a_file_that_vanishes_while_it_is_read(tmp_path, monkeypatch):
    write_series(tmp_path, PIXELS)
    open_dicom = headers.open_dicom

    def vanish(path, **options):
        if path.name == BAD:
            path.unlink()
        return open_dicom(path, **options)

    monkeypatch.setattr(headers, "open_dicom", vanish)
    with pytest.raises(DicomError, match=f"{BAD}: cannot be read") as caught:
        read_series(tmp_path)
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("problem", [PermissionError(13, "denied"), FileNotFoundError(2, "gone")])
def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch, problem):
    write_series(tmp_path, PIXELS)

    def fail(folder):
        raise problem

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(DicomError, match="folder cannot be read .*(denied|gone)") as caught:
        read_series(tmp_path)
    assert caught.value.code == "unreadable" and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["T2 ax  3 mm ", "T2: axial", "横断位 Schädel – т2", "a.dcm"])
def test_folders_of_any_name_are_read(tmp_path, name):
    folder = tmp_path / name / name
    write_series(folder, PIXELS)
    assert np.array_equal(read_series(folder).array, PIXELS)
    table = find_series(tmp_path / name, progress=False).table
    assert table["path"].tolist() == [name]


def test_a_folder_that_must_not_be_written_to_is_read(tmp_path):
    write_series(tmp_path / "in", PIXELS)
    before = sorted(path.name for path in (tmp_path / "in").iterdir())
    (tmp_path / "in").chmod(0o555)
    try:
        assert read_series(tmp_path / "in").array.shape == PIXELS.shape
        find_series(tmp_path / "in")
    finally:
        (tmp_path / "in").chmod(0o755)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == before


def test_a_file_given_as_folder_is_refused(tmp_path):
    write_series(tmp_path, PIXELS)
    with pytest.raises(DicomError, match="no such folder"):
        read_series(tmp_path / BAD)


def test_there_are_enough_cases():
    assert len(REFUSED) >= 40


# --- fuzzing --------------------------------------------------------------------------------------

FLIPS = st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=6)
KEY = Key(b"a secret of this test file only")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A real header around small pixels, in the encodings that PACS export."""
    folder = tmp_path_factory.mktemp("samples")
    write_series(folder / "plain", PIXELS[:1], RepetitionTime=4000, EchoTime=90)
    write_series(folder / "jls", PIXELS[:1], compress=JPEGLSLossless)
    write_series(folder / "j2k", noise(1, 32, 32), compress=JPEG2000Lossless)
    write_series(folder / "rle", PIXELS[:1], compress=RLELossless)
    write_series(folder / "implicit", PIXELS[:1])
    (folder / "implicit" / "I01.dcm").rename(folder / "implicit" / BAD)
    implicit(folder / "implicit")
    save(make_enhanced(PIXELS, slopes=[1] * 4, order=(0, 1, 2, 3)), folder / "enhanced" / "e.dcm")
    real = pydicom.data.get_testdata_file("MR_small.dcm", download=False)
    names = ("plain", "jls", "j2k", "rle", "implicit", "enhanced")
    files = [next((folder / name).iterdir()) for name in names]
    return [path.read_bytes() for path in files] + [open(real, "rb").read()]  # noqa: PTH123


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(number=st.integers(0, 6), flips=FLIPS, keep=st.floats(0.02, 1), data=st.booleans())
def test_damaged_files_meet_our_own_errors_only(tmp_path, samples, number, flips, keep, data):
    damaged = bytearray(samples[number])
    for where, value in flips:
        at = 128 + int(where * ((len(damaged) if data else 1500) - 128))
        damaged[min(at, len(damaged) - 1)] = value
    path = tmp_path / "x.dcm"
    path.write_bytes(damaged[: int(keep * len(damaged))] if data and keep < 0.5 else damaged)
    for read in (
        read_images,
        lambda path: deidentify_file(path, KEY),
        lambda path: read_series(tmp_path),
        lambda path: find_series(tmp_path, progress=False),
    ):
        with limits():
            try:
                read(path)
            except DicomError as error:
                assert "x.dcm" in str(error) or str(tmp_path) in str(error)
