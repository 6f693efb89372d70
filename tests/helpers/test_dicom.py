"""Reading one series: what pydicom and highdicom say, and every refusal."""

import shutil
from types import SimpleNamespace

import highdicom
import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_making import AXIAL, PREFIX, make_enhanced, make_slice, noise, save, write_series
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from npc_helpers.imaging import dicom
from npc_helpers.imaging import pixels as dicom_pixels
from npc_helpers.imaging.dicom import DicomError, read_series
from npc_helpers.imaging.scanners import scanner_table


def codes(series):
    return [finding.code for finding in series.findings]


# --- what is read -----------------------------------------------------------------------------


def test_slices_are_sorted_by_position_not_by_name(tmp_path):
    array = write_series(tmp_path)
    series = read_series(tmp_path, n_images=4)
    assert np.array_equal(series.array, array)
    assert series.array.dtype == np.uint16
    assert series.positions_mm.tolist() == [0, 6, 12, 18]
    assert series.slice_spacing_mm == 6
    assert series.pixel_spacing_mm == (0.5, 0.5)
    assert (series.patient_id, series.description) == ("P-1", "WATER: Ax T2")
    assert series.findings == ()


@pytest.mark.slow
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**6), step=st.floats(0.5, 12))
def test_oblique_series_agree_with_highdicom(tmp_path, seed, step):
    rng = np.random.default_rng(seed)
    row, column, normal = np.linalg.qr(rng.normal(size=(3, 3)))[0].T
    normal = np.cross(row, column)
    start, n = rng.uniform(-100, 100, 3), int(rng.integers(2, 7))
    datasets = [
        make_slice(
            noise(1, 8, 8, seed=i)[0],
            i,
            ImageOrientationPatient=[round(v, 8) for v in (*row, *column)],
            ImagePositionPatient=[round(v, 6) for v in start + normal * step * i],
        )
        for i in rng.permutation(n)
    ]
    folder = tmp_path / str(seed)
    shutil.rmtree(folder, ignore_errors=True)
    for number, dataset in enumerate(datasets):
        save(dataset, folder / f"{number}.dcm")
    series = read_series(folder)
    spacing, where = highdicom.spatial.get_series_volume_positions(datasets, rtol=0.05)
    assert series.slice_spacing_mm == pytest.approx(spacing, rel=1e-4)
    ours = {dataset.PixelData: i for i, dataset in enumerate(datasets)}
    order = [where[ours[image.tobytes()]] for image in series.array]
    assert order in (list(range(n)), list(range(n))[::-1])


@pytest.mark.parametrize(
    "name",
    [
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_every_lossless_encoding_gives_the_same_pixels(tmp_path, name):
    shutil.copy(get_testdata_file(name, download=False), tmp_path / "image")  # no suffix
    expected = pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False)).pixel_array
    series = read_series(tmp_path)
    assert series.array.dtype == np.int16
    assert np.array_equal(series.array[0], expected)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless])
@pytest.mark.parametrize(
    ("dtype", "top", "bits"),
    [(np.uint8, 256, 8), (np.uint16, 4096, 12), (np.uint16, 65536, 16), (np.int16, 2048, 16)],
)
def test_bits_signs_and_compression(tmp_path, syntax, dtype, top, bits):
    array = noise(3, 16, 16, dtype=dtype, top=top)
    write_series(tmp_path, array, compress=syntax, BitsStored=bits, HighBit=bits - 1)
    series = read_series(tmp_path)
    assert series.array.dtype == dtype
    assert np.array_equal(series.array, array)


def test_rescale_of_every_slice_is_applied(tmp_path):
    array = noise(3)
    for i, pixels in enumerate(array):
        save(
            make_slice(pixels, 6 * i, RescaleSlope=i + 0.5, RescaleIntercept=-2),
            tmp_path / f"{i}.dcm",
        )
    series = read_series(tmp_path)
    assert series.array.dtype == np.float32
    expected = array * np.array([0.5, 1.5, 2.5])[:, None, None] - 2
    assert np.allclose(series.array, expected)
    assert "rescale" in codes(series)


def test_a_slope_without_intercept_is_applied_too(tmp_path):
    array = write_series(tmp_path, RescaleSlope=2)
    assert np.array_equal(read_series(tmp_path).array, array * 2.0)


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint16, 12), (np.int16, 16), (np.uint8, 8)])
def test_monochrome1_is_inverted(tmp_path, dtype, bits):
    top = 1 << (bits - 1)
    array = noise(2, dtype=dtype, top=top)
    tags = {"BitsStored": bits, "HighBit": bits - 1}
    write_series(tmp_path, array, PhotometricInterpretation="MONOCHROME1", **tags)
    series = read_series(tmp_path)
    middle = -1 if dtype == np.int16 else 2 * top - 1
    assert np.array_equal(series.array.astype(int), middle - array.astype(int))
    assert "inverted" in codes(series)


@pytest.mark.parametrize("compress", [None, RLELossless])
def test_bits_stored_above_others_are_read_from_where_they_lie(tmp_path, compress):
    array = noise(2, top=4096)
    write_series(tmp_path, array << 4, compress=compress, BitsStored=12, HighBit=15)
    assert np.array_equal(read_series(tmp_path).array, array)


def test_a_wrong_high_bit_changes_nothing(tmp_path):
    array = write_series(tmp_path, noise(2, top=4096), BitsStored=12, HighBit=15)
    series = read_series(tmp_path)
    assert np.array_equal(series.array, array) and "high-bit" in codes(series)


@pytest.mark.parametrize(("dtype", "value"), [(np.int16, -32768), (np.uint16, 65535)])
def test_what_only_fills_the_frame_is_dark(tmp_path, dtype, value):
    array = noise(2, dtype=dtype, top=4000) + dtype(7)
    filled = array.copy()
    filled[:, :3] = value
    write_series(tmp_path, filled, PixelPaddingValue=value)
    series = read_series(tmp_path)
    lowest = array[:, 3:].min(axis=(1, 2))
    assert (series.array[:, :3] == lowest[:, None, None]).all() and "padding" in codes(series)
    assert np.array_equal(series.array[:, 3:], array[:, 3:])


def test_padding_of_an_inverted_image_is_dark_too(tmp_path):
    array = noise(1, top=4000)
    array[0, 0] = 0
    tags = {"PixelPaddingValue": 0, "BitsStored": 12, "HighBit": 11}
    write_series(tmp_path, array, PhotometricInterpretation="MONOCHROME1", **tags)
    image = read_series(tmp_path).array[0]
    assert (image[0] == image[1:].min()).all()


def test_enhanced_multiframe_uses_each_frames_place_and_slope(tmp_path):
    array, slopes = noise(4), [1, 2, 3, 4]
    save(make_enhanced(array, slopes=slopes, order=(2, 0, 3, 1)), tmp_path / "all.dcm")
    series = read_series(tmp_path, n_images=1)
    assert np.array_equal(series.array, array * np.array(slopes, float)[:, None, None])
    assert series.positions_mm.tolist() == [0, 6, 12, 18]


def test_stray_files_are_ignored_and_counted(tmp_path):
    write_series(tmp_path, suffix="")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0")
    (tmp_path / "._I01").write_bytes(b"\0\5")
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "inside").mkdir()
    series = read_series(tmp_path, n_images=4)
    assert len(series.array) == 4
    assert [(f.code, f.file) for f in series.findings] == [
        ("ignored-file", ".DS_Store and 2 more"),
        ("ignored-folder", "inside"),
    ]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_file_without_preamble_is_read_and_noted(tmp_path, syntax):
    array = noise(1)
    dataset = make_slice(array[0], 0)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(
        tmp_path / "a.dcm",
        implicit_vr=syntax.is_implicit_VR,
        little_endian=True,
        enforce_file_format=False,
    )
    content = (tmp_path / "a.dcm").read_bytes()
    start = content.index(b"\x08\0\x16\0")  # SOP class: the first element after the meta header
    (tmp_path / "a.dcm").write_bytes(content[start:])
    series = read_series(tmp_path)
    assert np.array_equal(series.array, array)
    assert codes(series) == ["no-preamble"]


def test_a_header_that_contradicts_the_positions_is_noted(tmp_path):
    write_series(tmp_path, SpacingBetweenSlices=5)
    series = read_series(tmp_path)
    assert series.slice_spacing_mm == 6
    assert codes(series) == ["spacing-tag"]


@pytest.mark.parametrize(("thickness", "every"), [(5, 2), (2, 2), (5, 3)])
def test_every_second_slice_missing_is_refused(tmp_path, thickness, every):
    write_series(tmp_path, step=6.0 * every, SpacingBetweenSlices=6, SliceThickness=thickness)
    with pytest.raises(DicomError, match=f"only one of every {every} slices is here") as caught:
        read_series(tmp_path)
    assert caught.value.code == "missing-slice"


@pytest.mark.parametrize(
    ("step", "stated", "thickness", "hint"),
    [
        (6, 1, 5, "one of every 6"),  # the gap between slices of 5 mm
        (7.5, 2.5, 5, "one of every 3"),  # likewise
        (12, 6, 6, "one of every 2"),  # a gap as wide as the slices, or every second is missing
        (12, 6, None, "one of every 2"),
        (6, 1, 4, "one of every 6"),  # 1 mm is what GDCM writes where it knows nothing
        (2, 1, 2, "one of every 2"),  # likewise, or every second of slices that overlap
        (5.5, 5, 5, "the gap between"),
        (6, 0, 6, "the gap between"),
    ],
)
def test_a_header_that_may_give_the_gap_is_noted(tmp_path, step, stated, thickness, hint):
    given = {} if thickness is None else {"SliceThickness": thickness}
    write_series(tmp_path, step=step, SpacingBetweenSlices=stated, **given)
    series = read_series(tmp_path)
    assert series.slice_spacing_mm == step
    assert codes(series) == ["spacing-tag"]
    assert hint in series.findings[0].message


SEQUENCES = [
    (
        {"ScanningSequence": "SE", "RepetitionTime": 4000, "EchoTime": 90},
        "SE, TR 4000 ms, TE 90 ms",
    ),
    (
        {"ScanningSequence": ["SE", "IR"], "RepetitionTime": "4210.5", "EchoTime": "9.30"},
        "SE/IR, TR 4210.5 ms, TE 9.3 ms",
    ),
    ({"EchoTime": 90}, "TE 90 ms"),
    ({}, ""),
]


@pytest.mark.parametrize(("header", "says"), SEQUENCES)
def test_the_sequence_is_told_from_the_header(tmp_path, header, says):
    write_series(tmp_path, **header)
    assert read_series(tmp_path).sequence == says


def test_a_malformed_echo_time_is_left_out_of_the_sequence(tmp_path):
    write_series(tmp_path, ScanningSequence="GR", RepetitionTime=500)
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.add_new("EchoTime", "LO", "9,3")
        save(dataset, path)
    assert read_series(tmp_path).sequence == "GR, TR 500 ms"


def test_the_sequence_of_an_enhanced_file_stands_in_its_functional_groups(tmp_path):
    dataset = make_enhanced(noise(4), slopes=[1] * 4, order=(0, 1, 2, 3))
    dataset.EchoPulseSequence = "SPIN"
    shared, timing, echo = dataset.SharedFunctionalGroupsSequence[0], Dataset(), Dataset()
    timing.RepetitionTime, echo.EffectiveEchoTime = 4000.0, 90.0
    shared.MRTimingAndRelatedParametersSequence = [timing]
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.MREchoSequence = [echo]
    shared.PixelMeasuresSequence[0].SliceThickness = 5
    save(dataset, tmp_path / "all.dcm")
    assert read_series(tmp_path).sequence == "SPIN, TR 4000 ms, TE 90 ms"
    rows = pd.DataFrame({"patient_id": ["P-1"], "sequence": ["t2w"], "path": ["."]})
    table = scanner_table(SimpleNamespace(manifest=rows, folder=tmp_path))
    assert table[["TR_ms", "TE_ms", "thickness_mm"]].to_numpy().tolist() == [["4000", "90", "5"]]


def test_slices_missing_from_an_enhanced_file_are_noticed(tmp_path):
    dataset = make_enhanced(noise(4), slopes=[1] * 4, order=(0, 1, 2, 3), step=12.0)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.SliceThickness, measures.SpacingBetweenSlices = 5, 6
    save(dataset, tmp_path / "all.dcm")
    with pytest.raises(DicomError, match="only one of every 2 slices is here"):
        read_series(tmp_path)


def test_more_images_than_memory_holds_are_refused(tmp_path, monkeypatch):
    write_series(tmp_path)  # 4 images of 1536 bytes
    monkeypatch.setattr(dicom, "LARGEST_SERIES", 4 * 1536)
    assert len(read_series(tmp_path).array) == 4
    monkeypatch.setattr(dicom, "LARGEST_SERIES", 4 * 1536 - 1)
    with pytest.raises(DicomError, match="too many to be read at once") as caught:
        read_series(tmp_path)
    assert caught.value.code == "too-large"


def test_one_slice_is_a_series(tmp_path):
    write_series(tmp_path, noise(1), SpacingBetweenSlices=5)
    series = read_series(tmp_path)
    assert series.array.shape == (1, 24, 32)
    assert series.slice_spacing_mm == 5


# --- what is refused --------------------------------------------------------------------------


def second(keyword, value):
    """Spoil one tag of the second slice from below."""

    def spoil(folder):
        path = folder / "I03.dcm"
        dataset = pydicom.dcmread(path)
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
        save(dataset, path)

    return spoil


def cut(name, keep):
    def spoil(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[:keep])

    return spoil


def smaller_matrix(folder):
    save(make_slice(noise(1, 8, 8)[0], 6), folder / "I03.dcm")


def screenshot(folder):
    dataset = make_slice(noise(1)[0], 6, Modality="OT")
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    save(dataset, folder / "I03.dcm")


def half_of_compressed(folder):
    write_series(folder, compress=JPEGLSLossless)
    cut("I03.dcm", (folder / "I03.dcm").stat().st_size // 2)(folder)


def damaged_compressed(folder):
    write_series(folder, compress=JPEGLSLossless)
    path = folder / "I03.dcm"
    content = path.read_bytes()
    start = content.index(b"\xff\xd8\xff")
    path.write_bytes(content[: start + 60] + b"\xff" * 60 + content[start + 120 :])


def text_named_dcm(folder):
    (folder / "I03.dcm").write_text("not DICOM at all " * 20)


def enhanced_with_frame_missing(folder):
    shutil.rmtree(folder)
    dataset = make_enhanced(noise(4), slopes=[1] * 4, order=(0, 1, 2, 3))
    dataset.PerFrameFunctionalGroupsSequence.pop()
    save(dataset, folder / "I03.dcm")


REFUSED = [
    ("mixed-orientation", second("ImageOrientationPatient", [0, 1, 0, 0, 0, -1]), "localiser"),
    ("missing-slice", lambda folder: (folder / "I03.dcm").unlink(), "1 slice(s) missing"),
    ("uneven-spacing", second("ImagePositionPatient", [-60, -70, 7]), "uneven"),
    ("duplicate-position", second("ImagePositionPatient", [-60, -70, 12]), "same place"),
    ("wrong-modality", second("Modality", "CT"), "CT, not MR"),
    ("wrong-modality", screenshot, "OT, not MR"),
    ("wrong-modality", second("Modality", None), "missing, not MR"),
    ("mixed-matrix", smaller_matrix, "8x8"),
    ("mixed-matrix", enhanced_with_frame_missing, "holds 4 images but describes 3"),
    ("mixed-patients", second("PatientID", "P-2"), "I01.dcm and I03.dcm differ in PatientID"),
    ("mixed-frame", second("FrameOfReferenceUID", f"{PREFIX}.99"), "frames of reference"),
    ("mixed-spacing", second("PixelSpacing", [0.6, 0.6]), "0.6"),
    ("no-pixel-data", second("PixelData", None), "no pixel data"),
    ("truncated", cut("I03.dcm", 0), "empty"),
    ("truncated", cut("I03.dcm", 160), "cut off"),
    ("truncated", cut("I03.dcm", 900), "cut off"),
    ("truncated", half_of_compressed, "cut off"),
    ("undecodable", damaged_compressed, "damaged"),
    ("not-dicom", text_named_dcm, "not a DICOM file"),
    ("not-grey", second("PhotometricInterpretation", "RGB"), "not a plain grey"),
    ("bad-tag", second("ImagePositionPatient", None), "0 value(s) instead of 3"),
    ("bad-tag", second("ImagePositionPatient", [1, 2]), "2 value(s) instead of 3"),
    ("bad-tag", second("ImageOrientationPatient", AXIAL[:5]), "5 value(s) instead of 6"),
    ("bad-tag", second("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), "perpendicular"),
    ("bad-tag", second("PixelSpacing", [0.5, 0]), "not positive"),
    ("bad-tag", second("RescaleSlope", 0), "not positive"),
    ("bad-tag", second("Rows", None), "Rows"),
]


@pytest.mark.parametrize(("code", "spoil", "says"), REFUSED)
def test_a_bad_series_is_refused_and_named(tmp_path, code, spoil, says):
    folder = tmp_path / "ward 7"
    write_series(folder)
    spoil(folder)
    with pytest.raises(DicomError) as caught:
        read_series(folder)
    message = str(caught.value)
    assert caught.value.code == code, message
    assert says in message
    assert str(folder) in message
    assert "I03.dcm" in message or "I02.dcm" in message or code.startswith("mixed")


def decimal_text(keyword, value):
    """Write text into a number field, as some exports do (pydicom refuses to make such)."""

    def spoil(folder):
        path = folder / "I03.dcm"
        dataset = pydicom.dcmread(path)
        dataset.add_new(keyword, "LO", value)
        save(dataset, path)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (decimal_text("PixelSpacing", ["0,5", "0,5"]), "decimal comma"),
        (decimal_text("PixelSpacing", "0.5"), "1 value(s) instead of 2"),
        (decimal_text("ImagePositionPatient", ["nan", "0", "6"]), "not a finite number"),
        (decimal_text("RescaleSlope", "1 mm"), "not a number"),
    ],
)
def test_text_where_numbers_belong_is_refused(tmp_path, spoil, says):
    write_series(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DicomError, match="I03.dcm") as caught:
        read_series(tmp_path)
    assert caught.value.code == "bad-tag"
    assert says in str(caught.value)


def test_empty_and_absent_folders_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(DicomError, match="1 other file") as caught:
        read_series(tmp_path)
    assert caught.value.code == "empty-folder"
    with pytest.raises(DicomError, match="no such folder"):
        read_series(tmp_path / "absent")


@pytest.mark.parametrize(("n", "code"), [(6, "missing-images"), (3, "added-images")])
def test_a_count_other_than_the_manifests_is_refused(tmp_path, n, code):
    write_series(tmp_path)
    with pytest.raises(DicomError, match=f"4 DICOM files where data_manifest.csv says {n}") as e:
        read_series(tmp_path, n_images=n)
    assert e.value.code == code


def test_a_missing_decoder_names_the_compression_and_the_command(tmp_path, monkeypatch):
    write_series(tmp_path, compress=JPEGLSLossless)

    class Unavailable:
        available_plugins = ()

    monkeypatch.setattr(dicom_pixels, "get_decoder", lambda syntax: Unavailable())
    with pytest.raises(DicomError, match="pip install pyjpegls") as caught:
        read_series(tmp_path)
    assert "JPEG-LS Lossless" in str(caught.value)
    assert caught.value.code == "missing-decoder"


def test_an_unknown_compression_is_refused(tmp_path):
    write_series(tmp_path, noise(1))
    path = tmp_path / "I01.dcm"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1", b"1.2.840.10008.9.9.9"))
    with pytest.raises(DicomError, match="no decoder"):
        read_series(tmp_path)


@pytest.mark.parametrize("compress", [None, JPEGLSLossless])
def test_damaged_bytes_are_read_or_refused_but_never_crash(tmp_path, compress):
    write_series(tmp_path, noise(3, 8, 8), compress=compress)
    path = tmp_path / "I02.dcm"
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(150):
        damaged = np.frombuffer(whole, np.uint8).copy()
        where = rng.integers(128, len(whole), rng.integers(1, 5))
        damaged[where] = rng.integers(0, 256, len(where))
        path.write_bytes(damaged[: rng.integers(132, 2 * len(whole))].tobytes())
        try:
            assert read_series(tmp_path).array.shape == (3, 8, 8)
        except DicomError:
            refused += 1
    assert 50 < refused < 150
