"""The one function that opens DICOM: what passes it, and that nothing goes round it."""

import ast
import functools
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from dicom_making import make_slice, noise, save
from limits import limits
from npc_intake.pacs.archive import PacsError, opened
from pydicom.uid import DeflatedExplicitVRLittleEndian

from npc_helpers.study.dicom_file import LARGEST_FILE, DicomError, open_dicom

ROOT = Path(__file__).parents[2]
GATE = "dicom_file.py"
AROUND = {"dcmread", "read_file", "read_partial", "read_dataset", "data_element_generator"}


def names_used(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name.split(".")[-1]


def test_nothing_goes_round_the_gate():
    files = [p for room in ("npc_helpers", "tools") for p in (ROOT / room).rglob("*.py")]
    assert [p.name for p in files if AROUND.intersection(names_used(p))] == [GATE]


def bomb(path, *, before=0, preamble=True, megabytes=400):
    """A deflated file that holds so many megabytes of zeros, and `before` bytes of identifiers."""
    dataset = make_slice(noise(1, 8, 8)[0], 0)
    meta = dataset.file_meta
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    if before:
        meta.MediaStorageSOPInstanceUID = "1." + "2" * before
    save(dataset, path)
    whole = path.read_bytes()
    start = 144 + int.from_bytes(whole[140:144], "little")
    path.write_bytes(whole[0 if preamble else 132 : start] + squeezed_zeros(megabytes))


@functools.cache
def squeezed_zeros(megabytes):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(megabytes)) + squeeze.flush()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("before", [0, 1000, 60_000])
@pytest.mark.parametrize("preamble", [True, False])
def test_it_decides_on_the_parsed_header_wherever_that_stands(tmp_path, before, preamble):
    bomb(tmp_path / "a.dcm", before=before, preamble=preamble)
    assert (tmp_path / "a.dcm").stat().st_size < 500_000 + before
    for pixels in (True, False):
        with limits(memory=1 << 26), pytest.raises(DicomError, match="128 MiB") as error:
            open_dicom(tmp_path / "a.dcm", pixels=pixels, bare=True)
        assert error.value.code == "too-large"


@pytest.mark.filterwarnings("ignore")
def test_what_an_archive_sends_passes_the_same_gate(tmp_path):
    bomb(tmp_path / "a.dcm", before=2000)
    content = (tmp_path / "a.dcm").read_bytes()
    with limits(memory=1 << 26), pytest.raises(PacsError, match=r"\(too-large\)") as error:
        opened(content)
    assert not error.value.temporary and error.value.__suppress_context__
    with pytest.raises(PacsError, match=r"\(not-dicom\)"):
        opened(b"<html>P-1</html>")


def test_a_deflated_file_of_usual_size_opens(tmp_path):
    dataset = make_slice(noise(1, 8, 8)[0], 0)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(dataset, tmp_path / "a.dcm")
    content = BytesIO((tmp_path / "a.dcm").read_bytes())
    for source in (tmp_path / "a.dcm", str(tmp_path / "a.dcm"), content):
        assert open_dicom(source).PixelData == dataset.PixelData


def test_a_file_of_many_gigabytes_is_refused_before_it_is_read(tmp_path):
    """Both are sparse files: they take no room on the disk."""
    save(make_slice(noise(1, 8, 8)[0], 0), tmp_path / "long.dcm")
    with (tmp_path / "long.dcm").open("r+b") as file:
        file.truncate(1 << 36)
    with limits(memory=1 << 26), pytest.raises(DicomError) as error:
        open_dicom(tmp_path / "long.dcm")
    assert error.value.code == "too-large"

    dataset = make_slice(noise(1, 8, 8)[0], 0)
    dataset.add_new(0x00090010, "LO", "SOMEBODY")
    dataset.add_new(0x00091001, "OB", bytes(64))
    save(dataset, tmp_path / "element.dcm")
    whole = (tmp_path / "element.dcm").read_bytes()
    at = whole.index(bytes([9, 0, 1, 0x10]) + b"OB") + 8
    size = 8 * LARGEST_FILE
    with (tmp_path / "element.dcm").open("wb") as file:
        file.write(whole[:at] + size.to_bytes(4, "little"))
        file.seek(at + 4 + size)
        file.write(whole[at + 4 + 64 :])
    with limits(memory=1 << 26):
        header = open_dicom(tmp_path / "element.dcm", pixels=False)
    assert header.Rows == 8 and "PixelData" not in header


def test_a_header_is_read_up_to_the_pixels_and_as_asked(tmp_path):
    save(make_slice(noise(1, 8, 8)[0], 0), tmp_path / "a.dcm")
    with (tmp_path / "a.dcm").open("rb") as file:
        header = open_dicom(file, pixels=False)
        assert file.read(4) == bytes.fromhex("e07f1000")
    assert "PixelData" not in header and header.PatientID == "P-1"
    some = open_dicom(tmp_path / "a.dcm", keywords=["PixelSpacing"])
    assert {element.keyword for element in some} == {"PixelSpacing"}


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "not-dicom"), (bytes(128) + b"DICM", "truncated")]
)
def test_what_is_no_dicom_file_is_named(tmp_path, content, code):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DicomError, match="file a: ") as error:
        open_dicom(tmp_path / "a")
    assert error.value.code == code


def test_warnings_are_handed_out_on_request_and_never_shown(tmp_path, recwarn):
    """They may repeat a value of the header. Here: explicit elements in a file called implicit."""
    save(make_slice(noise(1, 8, 8)[0], 0), tmp_path / "a.dcm")
    whole = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(
        whole.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0")
    )
    recwarn.clear()
    remarks = []
    assert open_dicom(tmp_path / "a.dcm", remarks=remarks).Rows == 8
    assert len(remarks) == 1 and "explicit VR" in remarks[0]
    assert not recwarn.list
