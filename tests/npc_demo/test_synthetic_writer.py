"""The files of a synthetic study: valid DICOM, readable, true to the model, safe to interrupt."""

import filecmp
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import psutil
import pydicom
import pytest
from demonstration import numbers
from npc_demo import examination, writer
from npc_demo.__main__ import main
from npc_demo.anatomy import draw_anatomy
from npc_demo.centres import second_centre, select
from npc_demo.dicom_objects import STYLES
from npc_demo.examination import series_pixels
from npc_demo.mri import enlarge
from npc_demo.registry import make_cohort
from npc_demo.slices import LEVELS
from npc_demo.writer import TRUTH, write_study
from watching import names_below, wait_until

from npc_helpers.imaging.dicom import read_series
from npc_helpers.imaging.masks import read_mask
from npc_helpers.imaging.roi import suggest_rois
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import Study, StudyError
from npc_helpers.study.artefacts import DRAWN_NOTE, series_checksum

MATRIX = 320
SERIES = [(time_, sequence) for time_ in ("pre", "post") for sequence in ("t2w", "t1c")]


@pytest.fixture(scope="module")
def everyone():
    return make_cohort()


@pytest.fixture(scope="module")
def cohort(everyone):
    """One patient per make of scanner, the first with decoy series beside the examination."""
    with_decoys = numbers(everyone, vendor="A", decoys_at=["pre"])[0]
    return select(everyone, [with_decoys, *(numbers(everyone, vendor=v)[0] for v in "BC")])


@pytest.fixture(scope="module")
def folder(cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "study"
    built = write_study(folder, cohort, matrix=MATRIX, workers=1, progress=False)
    assert (built.made, built.kept, built.n_series, built.n_images) == (6, 0, 12, 12 * len(LEVELS))
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def images(folder):
    return sorted((folder / writer.IMAGES).rglob("*.dcm"))


def different(first, second):
    """Names of files that only one folder has, or that differ."""
    names, others = (
        {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
        for place in (first, second)
    )
    return (
        sorted(names ^ others) + filecmp.cmpfiles(first, second, names & others, shallow=False)[1]
    )


# --- valid and readable -------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_error_in_any_kind_of_file(folder, cohort):
    kinds = {}
    for path in images(folder):
        kind = path.parent.name if path.name != "mask.dcm" else "mask"
        kinds.setdefault((kind, path.relative_to(folder / writer.IMAGES).parts[0]), path)
    assert {kind for kind, _ in kinds} == {"t2w", "t1c", "mask", "localiser", "t2w_fat"}
    for kind, path in kinds.items():
        checked = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        report = checked.stdout + checked.stderr
        assert not re.search(r"^Error", report, re.M), f"{kind}: {report}"


@pytest.mark.parametrize(("timepoint", "sequence"), SERIES)
def test_files_hold_the_pixels_of_the_model(folder, cohort, timepoint, sequence):
    for patient in cohort.patients:
        series = read_series(folder / writer.IMAGES / patient.patient_id / timepoint / sequence)
        made = series_pixels(patient, timepoint, sequence, matrix=MATRIX)
        slope = STYLES[patient.vendor].slope or 1
        assert np.allclose(series.array, made * slope)
        assert [f for f in series.findings if f.severity != "info"] == []
        assert series.patient_id == patient.patient_id


def test_every_file_says_that_it_is_synthetic_and_has_its_own_identifier(folder):
    seen = [pydicom.dcmread(path, stop_before_pixels=True) for path in images(folder)]
    assert {header.Manufacturer for header in seen} == {"SYNTHETIC"}
    assert len({header.SOPInstanceUID for header in seen}) == len(seen)
    assert all(
        header.file_meta.MediaStorageSOPInstanceUID == header.SOPInstanceUID for header in seen
    )
    frames = {
        (header.PatientID, header.StudyInstanceUID): header.FrameOfReferenceUID for header in seen
    }
    assert len(set(frames.values())) == 6


def test_file_order_is_unlike_slice_order(folder, cohort):
    """Sorted by name, the heights of hardly any series rise or fall."""
    ordered = 0
    for patient in cohort.patients:
        for timepoint, sequence in SERIES:
            place = folder / writer.IMAGES / patient.patient_id / timepoint / sequence
            files = sorted(place.glob("*.dcm"))
            z = [float(pydicom.dcmread(f).ImagePositionPatient[2]) for f in files]
            ordered += z in (sorted(z), sorted(z, reverse=True))
    assert ordered <= 1  # of twelve; by chance 12 * 2 / 7!


def test_each_make_of_scanner_has_its_own_tags(folder, cohort):
    tags = {}
    for patient in cohort.patients:
        place = folder / writer.IMAGES / patient.patient_id / "pre" / "t2w"
        files = [pydicom.dcmread(path, stop_before_pixels=True) for path in place.glob("*.dcm")]
        heights = [float(header.ImagePositionPatient[2]) for header in files]
        numbers = [int(header.InstanceNumber) for header in files]
        slope = files[0].get("RescaleSlope")
        rises = np.corrcoef(numbers, heights)[0, 1] > 0
        tags[patient.vendor] = (files[0].SeriesDescription, slope, rises)
    assert tags["A"] == ("WATER: Ax T2 FSE Flex", None, False)
    assert tags["B"] == ("t2_tse_dixon_tra_W", None, True)
    assert tags["C"] == ("T2W_mDIXON_TRA W", 2.25, False)


def test_decoys_lie_beside_the_series_but_not_in_the_manifest(folder, cohort):
    place = folder / writer.IMAGES / cohort.patients[0].patient_id / "pre"
    assert {path.name for path in place.iterdir() if path.is_dir()} == {
        "t2w", "t1c", "t2w_fat", "localiser"
    }  # fmt: skip
    planes = [pydicom.dcmread(path) for path in (place / "localiser").glob("*.dcm")]
    normals = [np.cross(*np.reshape(np.array(header.ImageOrientationPatient, float), (2, 3)))
               for header in planes]  # fmt: skip
    assert np.abs(np.linalg.det(normals)) == pytest.approx(1, abs=1e-4)  # three perpendicular
    assert set(Study(folder).manifest["sequence"]) == {"t2w", "t1c"}


# --- truth --------------------------------------------------------------------------------------


def test_segmentation_opens_with_highdicom_and_is_the_truth_of_the_model(folder, cohort):
    from highdicom.seg import segread

    for patient in cohort.patients:
        place = folder / writer.IMAGES / patient.patient_id / "pre"
        seg = segread(place / "mask.dcm")
        described = (seg.get_segment_description(number) for number in (1, 2))
        labels = [segment.segment_label for segment in described]
        assert labels == ["Primary tumour", "Metastatic lymph nodes"]
        headers = [
            pydicom.dcmread(path, stop_before_pixels=True) for path in (place / "t2w").glob("*.dcm")
        ]
        headers.sort(key=lambda header: float(header.SliceLocation))
        masks = seg.get_pixels_by_source_instance(
            [header.SOPInstanceUID for header in headers], assert_missing_frames_are_empty=True
        )
        anatomy = draw_anatomy(patient, "pre")
        assert np.array_equal(masks[..., 0], enlarge(anatomy.tumour, MATRIX))
        assert np.array_equal(masks[..., 1], enlarge(anatomy.nodes, MATRIX))


def test_masks_are_read_on_the_grid_to_which_images_are_resampled(copy, cohort):
    """A tumour keeps its area in mm2 and its mean signal, from 320 pixels to 512."""
    study = Study(copy)
    stacks = load_stacks(study, workers=1)
    for patient in cohort.patients:
        read = stacks[patient.patient_id, "pre", "t2w"]
        on_file = read_series(copy / writer.IMAGES / patient.patient_id / "pre" / "t2w")
        mask = read_mask(study, patient.patient_id, "pre")[0]
        drawn = enlarge(draw_anatomy(patient, "pre").tumour, MATRIX)
        area = mask.sum() * np.prod(read.pixel_spacing_mm)
        assert area == pytest.approx(drawn.sum() * np.prod(on_file.pixel_spacing_mm), rel=0.02)
        assert read.array[mask].mean() == pytest.approx(on_file.array[drawn].mean(), rel=0.02)


def test_suggested_rectangles_hold_tumour_and_nodes(copy):
    study = Study(copy)
    assert len(pd.read_csv(study.table_path("suggested_rois"))) == 84
    rectangles = suggest_rois(study, load_stacks(study, workers=1))
    assert len(rectangles) == 84
    for (patient_id, timepoint), rows in rectangles.groupby(["patient_id", "timepoint"]):
        masks = read_mask(study, patient_id, timepoint).any(axis=0)
        for row in rows.itertuples():
            outside = masks[row.slice_index].copy()
            outside[row.y0 : row.y1, row.x0 : row.x1] = False
            assert not outside.any()


def test_study_passes_the_check_of_a_users_study(folder):
    assert Study(folder).check().empty


def test_a_changed_image_is_found_by_its_checksum(copy):
    image = next(path for path in images(copy) if path.parent.name == "t1c")
    image.write_bytes(image.read_bytes() + b"\0")
    problems = Study(copy).check()
    assert len(problems) == 1
    assert problems["column"].tolist() == ["sha256"]


# --- building again -----------------------------------------------------------------------------


def test_second_build_with_more_workers_is_identical(folder, cohort, tmp_path):
    single = select(cohort, [0])
    write_study(tmp_path / "again", single, matrix=MATRIX, workers=2, progress=False)
    place = f"{writer.IMAGES}/{single.patients[0].patient_id}"
    assert different(folder / place, tmp_path / "again" / place) == []


def test_a_finished_build_is_left_alone(copy, cohort):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    built = write_study(copy, cohort, matrix=MATRIX, workers=1, progress=False)
    assert (built.made, built.kept) == (0, 6)
    assert before == {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["t1c", "mask.dcm"])
def test_a_damaged_file_of_the_right_size_is_found_and_its_examination_made_again(
    copy, cohort, folder, capsys, name
):
    """One bit has turned over on the disk; the other examinations are left alone."""
    place = copy / writer.IMAGES / cohort.patients[1].patient_id / "post" / name
    path = min(place.glob("*.dcm")) if place.is_dir() else place
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    how = {"matrix": MATRIX, "workers": 1, "progress": False}
    path.unlink()  # the copy may be a link
    path.write_bytes(content)
    assert write_study(copy, cohort, **how).made == 0  # sizes are as they were
    built = write_study(copy, cohort, **how, verify=True)
    assert (built.made, built.kept) == (1, 2 * len(cohort.patients) - 1)
    assert f"{place.parent}: a file is damaged" in capsys.readouterr().out
    assert path.read_bytes() == (folder / path.relative_to(copy)).read_bytes()
    assert Study(copy).check().empty
    assert write_study(copy, cohort, **how, verify=True).made == 0


def test_a_lost_file_is_made_again_and_nothing_else(copy, cohort, folder):
    lost = copy / writer.IMAGES / cohort.patients[1].patient_id / "post" / "t1c"
    next(lost.glob("*.dcm")).unlink()
    built = write_study(copy, cohort, matrix=MATRIX, workers=1, progress=False)
    assert (built.made, built.kept) == (1, 5)
    assert different(folder, copy) == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_killed_build_leaves_no_half_file_and_goes_on(workers, tmp_path):
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "npc_demo", folder, "--patients", "2"]
    options = ["--matrix", str(MATRIX), "--workers", workers]
    process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
    assert wait_until(lambda: names_below(folder, DRAWN_NOTE))
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert wait_until(lambda: not any(map(alive, children)))
    assert 1 <= len(list(folder.rglob(DRAWN_NOTE))) < 4
    assert not (folder / "data_manifest.csv").exists()  # an unfinished study is no study
    for series in folder.glob("data/images/*/*/t*"):
        assert len(list(series.glob("*.dcm"))) == len(LEVELS)
    assert main([str(folder), "--patients", "2", *options]) == 0
    assert not list(folder.rglob(".part-*"))
    assert Study(folder).check().empty


def alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_tables_are_written_as_another_processor_writes_them(everyone):
    """Another processor may differ in the last of 16 digits; what is written does not."""
    truth = everyone.truth.select_dtypes("float")
    assert writer._text(truth * (1 + 1e-15)) == writer._text(truth)
    written = pd.read_csv(io.StringIO(writer._text(truth)))
    np.testing.assert_allclose(written, truth, atol=0.5e-4)


# --- refused ------------------------------------------------------------------------------------


def test_a_folder_with_a_users_study_is_refused_and_untouched(cohort, tmp_path):
    (tmp_path / "data").mkdir()
    mine = tmp_path / "data" / "registry.csv"
    mine.write_text("patient_id\nH-1\n")
    with pytest.raises(StudyError, match=r"holds a study of yours .*nothing was written"):
        write_study(tmp_path, cohort, matrix=MATRIX, progress=False)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_images_from_a_hospital_are_never_built_over(copy, cohort):
    manifest = pd.read_csv(copy / "data_manifest.csv").assign(source="hospital")
    manifest.to_csv(copy / "data_manifest.csv", index=False)
    for over in (False, True):
        with pytest.raises(StudyError, match="not synthetic"):
            write_study(copy, cohort, matrix=MATRIX, progress=False, replace=over)


def test_another_synthetic_study_is_only_replaced_on_request(copy, cohort, folder):
    replacement = select(cohort, [1, 2])
    truth = (copy / TRUTH).read_bytes()
    with pytest.raises(StudyError, match="another synthetic study.*--replace"):
        write_study(copy, replacement, matrix=MATRIX, progress=False)
    assert (copy / TRUTH).read_bytes() == truth
    gone = copy / "data" / "images" / cohort.patients[0].patient_id
    mine = gone / "pre" / "t2w" / "notes.txt"
    mine.write_text("mine")
    built = write_study(copy, replacement, matrix=MATRIX, workers=1, progress=False, replace=True)
    assert (built.made, built.kept) == (0, 4)
    assert set(Study(copy).manifest["patient_id"]) == {p.patient_id for p in replacement.patients}
    assert [path for path in gone.rglob("*") if path.is_file()] == [mine]  # no old images left


@pytest.mark.parametrize(
    "name", [TRUTH, "data/registry.csv", "data/visits.csv", "data/suggested_rois.csv",
             "data_manifest.csv"],
)  # fmt: skip
def test_a_table_that_somebody_edited_is_never_written_over(copy, cohort, folder, name):
    path = copy / name
    path.write_text(path.read_text().replace(",", ", ", 1))
    edited = {p: p.read_bytes() for p in copy.rglob("*.csv")}
    with pytest.raises(StudyError, match=rf"{name} is not as this .* git checkout {name}"):
        write_study(copy, cohort, matrix=MATRIX, workers=1, progress=False)
    assert edited == {p: p.read_bytes() for p in copy.rglob("*.csv")}
    write_study(copy, cohort, matrix=MATRIX, workers=1, progress=False, replace=True)
    assert different(folder, copy) == []


def test_an_edited_table_is_noticed_before_anything_is_drawn(copy, cohort):
    lost = copy / writer.IMAGES / cohort.patients[1].patient_id / "post" / "t1c"
    next(lost.glob("*.dcm")).unlink()
    registry = copy / "data" / "registry.csv"
    registry.write_text(registry.read_text().replace("T4", "T3", 1))
    before = sorted(copy.rglob("*"))
    with pytest.raises(StudyError, match="registry.csv is not as this build"):
        write_study(copy, cohort, matrix=MATRIX, workers=1, progress=False)
    assert sorted(copy.rglob("*")) == before


def test_line_ends_of_another_system_are_no_edit(copy, cohort):
    path = copy / "data" / "registry.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    before = path.read_bytes()
    write_study(copy, cohort, matrix=MATRIX, workers=1, progress=False)
    assert path.read_bytes() == before


@pytest.fixture
def drawn_elsewhere(copy):
    """Tables with the checksums of other pixels than those that are drawn here."""
    manifest = copy / "data_manifest.csv"
    table = pd.read_csv(manifest, dtype=str)
    table["sha256"] = [hashlib.sha256(s.encode()).hexdigest() for s in table.sha256]
    table.to_csv(manifest, index=False, lineterminator="\n")
    return copy


@pytest.mark.parametrize("finished", [True, False])
def test_the_manifest_of_another_processor_stands(drawn_elsewhere, cohort, finished, monkeypatch):
    """As it comes with the suite, which is a repository."""
    monkeypatch.setattr(writer, "is_repository", lambda folder: folder == drawn_elsewhere)
    if not finished:
        shutil.rmtree(drawn_elsewhere / writer.IMAGES)
    before = (drawn_elsewhere / "data_manifest.csv").read_bytes()
    for _ in range(2):
        write_study(drawn_elsewhere, cohort, matrix=MATRIX, workers=1, progress=False)
        assert (drawn_elsewhere / "data_manifest.csv").read_bytes() == before
    study = Study(drawn_elsewhere)
    assert study.check().empty
    assert len(load_stacks(study, workers=1)) == len(SERIES) * len(cohort.patients)


def test_the_manifest_of_another_version_does_not_stand_for_new_images(drawn_elsewhere, cohort):
    """Results made of the images that are gone would count as up to date."""
    shutil.rmtree(drawn_elsewhere / writer.IMAGES)
    with pytest.raises(StudyError, match="data_manifest.csv is not as .*another version"):
        write_study(drawn_elsewhere, cohort, matrix=MATRIX, workers=1, progress=False)
    write_study(drawn_elsewhere, cohort, matrix=MATRIX, workers=1, progress=False, replace=True)
    for row in Study(drawn_elsewhere).manifest.itertuples():
        assert row.sha256 == series_checksum(drawn_elsewhere / row.path)


def test_a_changed_image_is_found_where_the_manifest_is_of_another_processor(drawn_elsewhere):
    image = next(path for path in images(drawn_elsewhere) if path.parent.name == "t1c")
    image.write_bytes(image.read_bytes() + b"\0")
    assert Study(drawn_elsewhere).check()["column"].tolist() == ["sha256"]
    with pytest.raises(StudyError, match="sha256"):
        load_stacks(Study(drawn_elsewhere), workers=1)


def test_a_row_edited_in_the_manifest_of_another_processor_is_noticed(drawn_elsewhere, cohort):
    manifest = drawn_elsewhere / "data_manifest.csv"
    manifest.write_text(manifest.read_text().replace("/t2w,", "/t2w/,", 1))
    with pytest.raises(StudyError, match="data_manifest.csv is not as this build"):
        write_study(drawn_elsewhere, cohort, matrix=MATRIX, workers=1, progress=False)


def test_the_manifest_of_an_older_version_that_was_drawn_here_does_not_stand(
    drawn_elsewhere, cohort
):
    """Its images are drawn again, and results that came from the old ones must not look current."""
    listed = pd.read_csv(drawn_elsewhere / "data_manifest.csv", dtype=str).set_index("path").sha256
    for note in drawn_elsewhere.rglob(DRAWN_NOTE):
        older = json.loads(note.read_text()) | {"fingerprint": "of an older version"}
        for name, series in older["series"].items():
            series["sha256"] = listed[(note.parent / name).relative_to(drawn_elsewhere).as_posix()]
        note.write_text(json.dumps(older))
    with pytest.raises(StudyError, match="data_manifest.csv is not as this build"):
        write_study(drawn_elsewhere, cohort, matrix=MATRIX, workers=1, progress=False)


def test_images_behind_a_link_are_not_tidied_away(copy, cohort, folder):
    elsewhere = folder / "data" / "images" / cohort.patients[0].patient_id
    before = images(folder)
    link = copy / "data" / "images" / "SYN-9999"
    link.symlink_to(elsewhere, target_is_directory=True)
    write_study(copy, cohort, matrix=MATRIX, workers=1, progress=False)
    assert images(folder) == before


def test_a_file_is_no_folder(cohort, tmp_path):
    (tmp_path / "study").write_text("mine")
    with pytest.raises(StudyError, match="is a file"):
        write_study(tmp_path / "study", cohort, progress=False)


def test_a_full_disk_is_noticed_before_anything_is_written(cohort, tmp_path, monkeypatch):
    usage = shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6)
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StudyError, match=r"84 images need about \d+ MiB, and there are 1 MiB"):
        write_study(tmp_path / "new", cohort, matrix=512, progress=False)
    assert not (tmp_path / "new").exists()


def test_a_disk_that_fills_up_says_how_to_go_on(cohort, tmp_path, monkeypatch):
    def full(dataset, path):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(examination.dicom_objects, "save", full)
    with pytest.raises(StudyError, match="No space left on device.*goes on where it stopped"):
        write_study(tmp_path / "new", cohort, matrix=MATRIX, workers=1, progress=False)
    assert not list((tmp_path / "new").rglob("*.dcm"))
    assert not list((tmp_path / "new").rglob(".part-*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "optimistic"], "unknown preset 'optimistic'; choose one of paper_like"),
        (["--patients", "0"], "1 to 206"),
        (["--matrix", "256", "--patients", "1"], "at least 320"),
    ],
)
def test_the_command_explains_what_it_cannot_do(arguments, message, tmp_path, capsys):
    assert main([str(tmp_path / "new"), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_only_the_default_study_is_built_into_the_repository(capsys):
    assert main(["--patients", "2"]) == 1
    assert "folder" in capsys.readouterr().err


# --- another centre -----------------------------------------------------------------------------


def test_second_centre_has_other_patients_less_disease_and_another_scanner(everyone):
    centre = second_centre()
    assert len(centre.patients) == 90
    assert not {p.seed for p in everyone.patients} & {p.seed for p in centre.patients}
    assert {p.vendor for p in centre.patients} == {"C"}
    burden = [
        np.mean([p.t_category + p.n_category for p in c.patients]) for c in (everyone, centre)
    ]
    assert burden[1] < burden[0] - 0.3


def test_second_centre_and_upgrade_change_the_protocol_of_the_images(tmp_path):
    single = select(second_centre(), [0])
    days = single.registry[["mri_pre_date", "mri_post_date"]].iloc[0]
    write_study(tmp_path / "3T", single, matrix=MATRIX, protocol="3T", workers=1, progress=False)
    write_study(
        tmp_path / "up", single, matrix=MATRIX, upgraded_on=days.iloc[1].date(), workers=1,
        progress=False,
    )  # fmt: skip

    def tags(study, timepoint):
        place = tmp_path / study / writer.IMAGES / single.patients[0].patient_id / timepoint / "t2w"
        image = pydicom.dcmread(next(place.glob("*.dcm")))
        return float(image.MagneticFieldStrength), float(image.EchoTime), image.SoftwareVersions

    assert tags("3T", "pre") == (3.0, 84.0, "1")
    assert tags("up", "pre") == (1.5, 90.0, "1")
    assert tags("up", "post") == (1.5, 78.0, "2")


def test_a_complete_response_is_an_empty_mask_and_nothing_is_printed(everyone, tmp_path, capfd):
    """A warning per patient would break the progress bar."""
    single = select(everyone, [0])
    cured = replace(single.patients[0], n_category=0, residual=-9.0)
    single = replace(single, patients=(cured,))
    write_study(tmp_path, single, matrix=MATRIX, workers=1, progress=False)
    patient_id = single.patients[0].patient_id
    assert capfd.readouterr() == ("", "")
    assert not read_mask(Study(tmp_path), patient_id, "post").any()
    assert read_mask(Study(tmp_path), patient_id, "pre").any()
