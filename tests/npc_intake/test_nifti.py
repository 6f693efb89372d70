"""NIfTI volumes and the public data sets that come as NIfTI, made small in the test.

Positions are expected from nibabel (voxel to RAS) and highdicom (pixel to LPS), not from the code
under test.
"""

import argparse
import gzip
import shutil

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_making import noise
from dicom_making import write_series as write_dicom
from highdicom.spatial import PixelToReferenceTransformer
from nibabel.affines import apply_affine
from nifti_making import (
    affine_of,
    make_hntsmrg,
    make_npc277,
    npc277_pixels,
    save,
)
from npc_intake.__main__ import main as intake
from npc_intake.nifti import read_nifti, write_series
from npc_intake.public_sets import add_commands, import_hntsmrg, import_npc277

from npc_helpers.imaging import roi
from npc_helpers.imaging.dicom import read_series
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import Study
from npc_helpers.study.artefacts import StudyError, dicom_files


def as_dicom(folder, path):
    write_series(folder, read_nifti(path), patient_id="P-1", description="T2 (NIfTI)")
    return read_series(folder)


def position_of_maximum(folder):
    """LPS millimetres of the brightest pixel, from the headers alone."""
    brightest = max(
        map(pydicom.dcmread, dicom_files(folder)), key=lambda image: image.pixel_array.max()
    )
    row, column = np.unravel_index(brightest.pixel_array.argmax(), brightest.pixel_array.shape)
    to_patient = PixelToReferenceTransformer(
        brightest.ImagePositionPatient, brightest.ImageOrientationPatient, brightest.PixelSpacing
    )
    return to_patient(np.array([[column, row]]))[0]


@pytest.mark.parametrize("tilt", [(0, 0), (12, -7)])
@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPS", "LPI", "SRA", "PIR", "ASL"])
def test_a_voxel_stays_where_it_is_in_the_patient(tmp_path, codes, tilt):
    affine = affine_of(codes, (0.5, 0.7, 4.0), tilt=tilt)
    sizes = dict(zip("RAS", (21, 17, 6), strict=True))
    pairs = {"R": "R", "L": "R", "A": "A", "P": "A", "S": "S", "I": "S"}
    array = np.zeros([sizes[pairs[code]] for code in codes], np.int16)
    planted = tuple(np.array(array.shape) // 3)
    array[planted] = 900
    series = as_dicom(tmp_path / "series", save(tmp_path / "a.nii.gz", array, affine))
    expected = apply_affine(affine, planted) * [-1, -1, 1]
    np.testing.assert_allclose(position_of_maximum(tmp_path / "series"), expected, atol=1e-4)
    assert series.array.shape == (6, 17, 21)
    assert series.pixel_spacing_mm == pytest.approx((0.7, 0.5), abs=1e-6)
    assert series.slice_spacing_mm == pytest.approx(4.0, abs=1e-6)
    row, column = series.orientation.reshape(2, 3)
    assert row[0] > 0.9 and column[1] > 0.9, "columns run to the left, rows to the back"
    noticed = [f for f in series.findings if f.code != "blank-slice"]  # one voxel is planted
    warned = [finding for finding in noticed if finding.severity != "info"]
    assert warned == [], "the slices lie straight above each other, as the header says"


@pytest.mark.parametrize(
    ("values", "tolerance"),
    [
        (np.arange(720, dtype=np.int16) - 300, 0),
        (np.arange(720, dtype=np.uint16) * 91, 0),
        (np.arange(720, dtype=np.uint8) % 251, 0),
        (np.arange(720, dtype=np.float32) * 3, 0),
        (np.linspace(-2.5, 7.25, 720), 9.75 / 65535),
        (np.linspace(0, 1e-6, 720), 1e-6 / 65535),
        (np.arange(720, dtype=np.int32) * 1000, 719_000 / 65535),
        (np.full(720, 3.75), 0),
        (np.zeros(720, np.int16), 0),
    ],
)
def test_values_come_back(tmp_path, values, tolerance):
    array = values.reshape(12, 10, 6)
    path = save(tmp_path / "a.nii", array, affine_of("LPS", (1, 1, 3)))
    back = as_dicom(tmp_path / "series", path).array
    expected = array.transpose(2, 1, 0)  # the axes of the file are x, y, z of DICOM already
    assert np.abs(back.astype(float) - expected).max() <= 0.51 * tolerance
    if tolerance == 0 and values.min() >= 0 and values.max() > 4:
        assert back.dtype == np.uint16, "stored as they are"


def test_a_scaled_volume_gives_its_scaled_values(tmp_path):
    affine = affine_of("RAS", (1, 1, 3))
    image = nibabel.Nifti1Image(np.arange(240, dtype=np.int16).reshape(8, 10, 3), affine)
    image.header.set_slope_inter(0.25, -7)
    nibabel.save(image, tmp_path / "a.nii")
    expected = np.asanyarray(nibabel.load(tmp_path / "a.nii").dataobj)
    back = as_dicom(tmp_path / "series", tmp_path / "a.nii").array
    np.testing.assert_allclose(np.sort(back.ravel()), np.sort(expected.ravel()), atol=0.001)


def test_the_same_volume_gives_the_same_files_and_another_gives_others(tmp_path):
    affine = affine_of("RAS", (1, 1, 3))
    first = save(tmp_path / "a.nii", noise(9, 10, 4), affine)
    second = save(tmp_path / "b.nii", noise(9, 10, 4, seed=1), affine)
    for name, path in (("one", first), ("two", first), ("other", second)):
        as_dicom(tmp_path / name, path)
    files = {name: dicom_files(tmp_path / name) for name in ("one", "two", "other")}
    assert [p.read_bytes() for p in files["one"]] == [p.read_bytes() for p in files["two"]]
    headers = [pydicom.dcmread(p) for p in files["one"] + files["other"]]
    images = {header.SOPInstanceUID for header in headers}
    assert len(images) == 8 and len({header.SeriesInstanceUID for header in headers}) == 2
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in images)


def test_no_scan_parameter_is_invented(tmp_path):
    as_dicom(tmp_path / "s", save(tmp_path / "a.nii", noise(9, 10, 4), affine_of("RAS", (1, 1, 3))))
    header = pydicom.dcmread(dicom_files(tmp_path / "s")[0])
    for keyword in ("RepetitionTime", "EchoTime", "MagneticFieldStrength", "SliceThickness"):
        assert header.get(keyword) is None
    assert header.ImageType[0] == "DERIVED" and not header.StudyDate


# --- bad input ------------------------------------------------------------------------------------

GOOD = affine_of("RAS", (1, 1, 3))


def unplaced(path):
    nibabel.save(nibabel.Nifti1Image(noise(9, 10, 4), None), path)


def cut_off(path):
    whole = gzip.decompress(save(path, noise(60, 70, 4), GOOD).read_bytes())
    path.write_bytes(gzip.compress(whole)[:5000])


def sheared(path):
    affine = GOOD.copy()
    affine[0, 2] = 0.4
    save(path, noise(9, 10, 4), affine)


def not_a_number(path):
    affine = GOOD.copy()
    affine[0, 0] = np.nan
    save(path, noise(9, 10, 4), affine)


def missing_voxel(path):
    array = np.ones((9, 10, 4))
    array[1, 1, 1] = np.nan
    save(path, array, GOOD)


def colours(path):
    array = np.zeros((9, 10, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(path, array, GOOD)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: save(p, noise(9, 10, 4)[..., None] * np.ones(2), GOOD), "one volume"),
        (lambda p: save(p, noise(9, 10, 4)[0], GOOD), "one volume"),
        (lambda p: save(p, noise(9, 10, 4), affine_of("RAS", (1, 5, 1))), "not axial"),
        (lambda p: save(p, noise(9, 10, 4), affine_of("RAS", (5, 1, 1))), "not axial"),
        (lambda p: save(p, noise(9, 10, 4), affine_of("RAS", (1, 1, 3), tilt=(40, 0))), "tilted"),
        (lambda p: save(p, noise(9, 10, 4), GOOD * [0, 1, 1, 1]), "spacing"),
        (not_a_number, "spacing"),
        (sheared, "perpendicular"),
        (unplaced, "left and right"),
        (missing_voxel, "finite"),
        (lambda p: save(p, np.ones((9, 10, 4), np.complex64), GOOD), "real"),
        (colours, "real"),
        (cut_off, "cannot be read"),
        (lambda p: p.write_bytes(gzip.compress(b"not an image " * 50)), "cannot be read"),
        (lambda p: p.write_bytes(b""), "cannot be read"),
        (lambda p: None, "no such file"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(tmp_path, make, says):
    path = tmp_path / "volume.nii.gz"
    make(path)
    with pytest.raises(StudyError, match=says) as error:
        read_nifti(path)
    assert str(path) in str(error.value)


def test_a_fourth_axis_of_length_one_is_no_fourth_axis(tmp_path):
    path = save(tmp_path / "a.nii", noise(9, 10, 4)[..., None], GOOD)
    assert read_nifti(path).array.shape == (4, 10, 9)


# --- the public sets ------------------------------------------------------------------------------


def errors(study):
    """What `study check` says cannot stay as it is."""
    problems = study.check()
    return problems[problems.level == "error"]


def test_npc277_becomes_a_study(tmp_path):
    source, target = make_npc277(tmp_path / "zip"), tmp_path / "study"
    report = import_npc277(source, target, progress=False)
    assert (report.imported, report.already_there, report.problems) == (2, 0, ())
    assert errors(Study(target)).empty
    manifest = pd.read_csv(target / "data_manifest.csv", dtype=str)
    assert set(manifest.source) == {"public"} and set(manifest.timepoint) == {"pre"}
    assert list(manifest.patient_id) == ["NPC277-001"] * 2 + ["NPC277-002"] * 2
    read = read_series(target / "data/images/NPC277-002/pre/t2w")
    np.testing.assert_array_equal(read.array, npc277_pixels(1, "T2WI"))
    stacks = {("NPC277-002", "pre", "t2w"): read}
    suggested = roi.suggest_rois(Study(target), stacks)
    assert set(suggested.source) == {"contours"} and len(suggested) == 4
    assert suggested.loc[2, roi.BOX].tolist() == [20, 30, 75, 80]
    registry = Study(target).registry
    assert registry.primary_npc.all() and not registry.imaging_complete.any()
    assert (registry.t_stage == "").all() and registry.placeholders.str.contains("edition").all()
    assert not Study(target).has_outcomes


def test_hntsmrg_with_mid_rt_passes_every_check(tmp_path):
    source, target = make_hntsmrg(tmp_path / "zip"), tmp_path / "study"
    report = import_hntsmrg(source, target, mid_rt_as_post=True, progress=False)
    assert (report.imported, report.problems) == (2, ())
    study = Study(target)
    assert errors(study).empty
    stacks = load_stacks(study, workers=1)
    assert list(stacks) == [
        (f"HNTSMRG-{number}", when, "t2w") for number in (2, 10) for when in ("pre", "post")
    ]
    rois = roi.suggest_rois(study, stacks)
    assert set(rois.source) == {"contours"} and len(rois) == 20
    step = stacks["HNTSMRG-2", "pre", "t2w"].pixel_spacing_mm[0]  # resampled: not the file's 0.5 mm
    assert ((rois.x1 - rois.x0) * step).to_numpy() == pytest.approx(27.5, abs=1.01 * step)
    assert ((rois.y1 - rois.y0) * step).to_numpy() == pytest.approx(25.0, abs=1.01 * step)
    assert "mid-RT" in stacks["HNTSMRG-2", "post", "t2w"].description
    assert study.registry.data_set.str.contains("mid-RT").all()
    assert not study.registry.primary_npc.any()


def test_hntsmrg_is_taken_before_treatment_only_unless_asked(tmp_path):
    source, target = make_hntsmrg(tmp_path / "zip"), tmp_path / "study"
    import_hntsmrg(source, target, progress=False)
    assert set(pd.read_csv(target / "data_manifest.csv").timepoint) == {"pre"}
    assert errors(Study(target)).empty
    later = import_hntsmrg(source, target, mid_rt_as_post=True, progress=False)
    assert later.imported == 2 and errors(Study(target)).empty
    assert Study(target).registry.data_set.str.contains("mid-RT").all()


def test_a_second_run_goes_on_where_the_first_stopped(tmp_path):
    source, target = make_hntsmrg(tmp_path / "zip", patients=(2,)), tmp_path / "study"
    import_hntsmrg(source, target, progress=False)
    registry = pd.read_csv(target / "data/registry.csv", dtype=str, keep_default_na=False)
    registry.loc[0, "age_years"] = "61"
    registry.to_csv(target / "data/registry.csv", index=False)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*.dcm")}
    make_hntsmrg(source, patients=(10,))
    report = import_hntsmrg(source, target, progress=False)
    assert (report.imported, report.already_there) == (1, 1)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert Study(target).registry.set_index("patient_id").age_years["HNTSMRG-2"] == 61
    assert len(pd.read_csv(target / "data/suggested_rois.csv")) == 10


def test_images_without_their_row_are_taken_as_they_are(tmp_path):
    """A run broken off after the images of a patient and before its rows."""
    source, target = make_hntsmrg(tmp_path / "zip", patients=(2,)), tmp_path / "study"
    import_hntsmrg(source, target, progress=False)
    whole = (target / "data_manifest.csv").read_text()
    (target / "data_manifest.csv").write_text(whole.splitlines()[0] + "\n")
    report = import_hntsmrg(source, target, progress=False)
    assert (report.imported, report.problems) == (1, ())
    assert (target / "data_manifest.csv").read_text() == whole
    assert not list(target.rglob(".part-*"))


def test_images_of_somebody_else_are_not_overwritten(tmp_path):
    source, target = make_hntsmrg(tmp_path / "zip", patients=(2,)), tmp_path / "study"
    write_dicom(target / "data/images/HNTSMRG-2/pre/t2w")
    report = import_hntsmrg(source, target, progress=False)
    assert report.imported == 0 and "other images already" in report.problems[0]


def test_one_bad_patient_does_not_stop_the_others(tmp_path):
    source, target = make_npc277(tmp_path / "zip", patients=("001", "002", "003")), tmp_path / "s"
    homes = source / "data" / "MRI-Segments"
    next((homes / "001" / "T2WI").glob("*03.dcm")).unlink()
    (homes / "002" / "ROI-T2.nii").unlink()
    shutil.rmtree(homes / "003" / "CE-T1WI")
    (source / "__MACOSX" / "001" / "T2WI").mkdir(parents=True)
    report = import_npc277(source, target, progress=False)
    assert report.imported == 2
    told = "\n".join(report.problems)
    assert "NPC277-001" in told and "missing" in told
    assert "NPC277-002 pre t2w: no mask" in told
    assert "NPC277-003: no CE-T1WI" in told
    manifest = pd.read_csv(target / "data_manifest.csv")
    assert manifest.groupby("patient_id").size().to_dict() == {"NPC277-002": 2, "NPC277-003": 1}


def test_a_wrong_source_or_study_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    for import_set in (import_npc277, import_hntsmrg):
        with pytest.raises(StudyError, match="unpacked archive"):
            import_set(tmp_path / "empty", tmp_path / "study")
        with pytest.raises(StudyError, match="no such folder"):
            import_set(tmp_path / "nowhere", tmp_path / "study")
    assert not (tmp_path / "study").exists()
    source = make_hntsmrg(tmp_path / "zip", patients=(2,))
    with pytest.raises(StudyError, match="demonstration"):
        import_hntsmrg(source, Study.demonstration().folder)


def test_the_commands(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    source, target = make_hntsmrg(tmp_path / "zip", patients=(2,)), tmp_path / "study"
    options = parser.parse_args(["import-hntsmrg", str(source), str(target), "--mid-rt-as-post"])
    assert options.run(options) == 0
    shown = capsys.readouterr().out
    assert "1 patient(s) imported" in shown and "not from after it" in shown
    options = parser.parse_args(["import-npc277", str(make_npc277(source)), str(target)])
    assert options.run(options) == 0
    assert len(pd.read_csv(target / "data_manifest.csv")) == 2 + 4, "both sets in one study"
    assert errors(Study(target)).empty


def test_a_copy_with_filled_headers_gets_into_a_study_without_them(tmp_path, capsys):
    """The way out that the check names: imported once more with --deidentify, it is in order."""
    source = make_npc277(tmp_path / "zip")
    for path in source.rglob("*.dcm"):
        image = pydicom.dcmread(path)
        image.InstitutionName, image.PatientName = "Sun Yat-sen", "^".join(["Li", "Ming"])
        image.PatientBirthDate, image.StudyDate = "19700102", "20150105"
        image.add_new(0x00091010, "LO", "private")
        image.PatientID = "" if "001" in path.parts else "ZYH 4711"
        image.save_as(path)
    assert intake(["import-npc277", str(source), str(tmp_path / "as_it_is")]) == 0
    assert "--deidentify KEY" in capsys.readouterr().out
    told = errors(Study(tmp_path / "as_it_is"))
    assert told["problem"].str.contains("InstitutionName is filled").sum() == 4
    again = ["import-npc277", str(source), str(tmp_path / "clean"), "--deidentify"]
    for _ in range(2):  # a second run finds all of it there
        assert intake([*again, str(tmp_path / "keys" / "key.json")]) == 0
    assert "2 there already" in capsys.readouterr().out
    study = Study(tmp_path / "clean")
    assert errors(study).empty
    series = read_series(study.series_folder("NPC277-001", "pre", "t1c"))
    np.testing.assert_array_equal(series.array, npc277_pixels(0, "CE-T1WI"))
    assert series.patient_id == "NPC277-001"
    assert (pd.read_csv(study.table_path("suggested_rois"))["source"] == "contours").all()
    text = b"".join(path.read_bytes() for path in study.folder.rglob("*.dcm"))
    assert not any(name in text for name in (b"Yat-sen", b"Ming", b"4711", b"20150105"))
