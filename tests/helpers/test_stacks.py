"""Reading a study once, in processes, and mapping it afterwards."""

import io
import json
import os

import numpy as np
import pandas as pd
import pytest
import small_study
from dicom_making import noise, write_series
from limits import status

from npc_helpers.imaging import roi
from npc_helpers.imaging import stacks as stacks_module
from npc_helpers.imaging.stacks import coverage, load_stacks
from npc_helpers.study import NotInThisStudy, Study, StudyError, series_checksum


def pixels(seed):
    """Three images of the paper's matrix."""
    return noise(3, 512, 512, seed=seed)


@pytest.fixture
def folder(tmp_path):
    """A study of two patients with eight small series."""
    folder = small_study.make_study(tmp_path / "study", patients=2)
    manifest = small_study.load(folder, "manifest")
    for number, row in manifest.iterrows():
        series = folder / row["path"]
        for path in series.iterdir():
            path.unlink()
        tags = {"patient_id": row["patient_id"], "ScanningSequence": "SE", "EchoTime": 90}
        write_series(series, pixels(number), **tags)
        manifest.loc[number, ["n_images", "sha256"]] = ["3", series_checksum(series)]
    small_study.save(folder, "manifest", manifest)
    return folder


def forbid(monkeypatch):
    """Make any reading of DICOM fail."""

    def read(*args, **kwargs):
        raise AssertionError("DICOM was read again")

    monkeypatch.setattr(stacks_module, "read_series", read)


def cached(folder, suffix):
    return sorted((folder / "results" / "stacks").glob(f"H-01-pre-t2w-*{suffix}"))


KEY = ("H-01", "pre", "t2w")


def test_pixels_and_geometry_survive_the_cache(folder):
    stacks = load_stacks(Study(folder))
    assert len(stacks) == 8
    for number, key in enumerate(stacks):
        series = stacks[key]
        assert np.array_equal(series.array, pixels(number))
        assert series.patient_id == key[0]
        assert series.positions_mm.tolist() == [0, 6, 12]
        assert series.pixel_spacing_mm == (0.5, 0.5)
        assert series.slice_spacing_mm == 6
        assert series.sequence == "SE, TE 90 ms"


def test_arrays_are_read_only_memory_maps(folder):
    array = load_stacks(Study(folder))[KEY].array
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 1


def test_processes_give_the_same_as_one(folder, monkeypatch):
    monkeypatch.setattr(stacks_module, "SERIES_PER_WORKER", 4)
    stacks = load_stacks(Study(folder), workers=2)
    for number, key in enumerate(stacks):
        assert np.array_equal(stacks[key].array, pixels(number))


def test_a_second_call_reads_no_dicom(folder, monkeypatch):
    load_stacks(Study(folder))
    forbid(monkeypatch)
    assert len(load_stacks(Study(folder))) == 8


def test_patients_and_timepoint_choose(folder):
    study = Study(folder)
    assert {key[0] for key in load_stacks(study, patients=["H-02"])} == {"H-02"}
    assert {key[1] for key in load_stacks(study, timepoint="post")} == {"post"}
    with pytest.raises(StudyError, match="H-77"):
        load_stacks(study, patients=["H-77"])
    with pytest.raises(StudyError, match="'pre' or 'post'"):
        load_stacks(study, timepoint="before")


def test_excluded_patients_with_images_and_included_ones_without(folder):
    manifest = small_study.load(folder, "manifest")
    no_post = (manifest["patient_id"] == "H-01") & (manifest["timepoint"] == "post")
    small_study.save(folder, "manifest", manifest[~no_post])
    study = Study(folder)
    stacks = load_stacks(study, patients=["H-01", "H-02"], timepoint="post")
    assert {key[0] for key in stacks} == {"H-02"}
    assert coverage(study, ["H-01", "H-02"], "post") == (
        "1 of 2 patients have images after treatment (not: H-01)."
    )
    assert coverage(study, ["H-01"]) == (
        "1 of 1 patients have images; left out: 4 series of 1 patient outside the cohort."
    )
    with pytest.raises(NotInThisStudy, match="none of the 1 patients has images after"):
        load_stacks(study, patients=["H-01"], timepoint="post")


def replace_series(folder, *, update_manifest):
    series = folder / "data/images/H-01/pre/t2w"
    write_series(series, pixels(99), patient_id="H-01")
    if update_manifest:
        manifest = small_study.load(folder, "manifest")
        manifest.loc[0, "sha256"] = series_checksum(series)
        small_study.save(folder, "manifest", manifest)


def test_changed_images_are_read_again_and_the_old_cache_goes(folder):
    load_stacks(Study(folder))
    before = cached(folder, ".npy")
    replace_series(folder, update_manifest=True)
    stacks = load_stacks(Study(folder))
    assert np.array_equal(stacks[KEY].array, pixels(99))
    assert len(before) == len(cached(folder, ".npy")) == 1
    assert before != cached(folder, ".npy")


def test_images_the_manifest_does_not_describe_are_refused(folder):
    load_stacks(Study(folder))
    replace_series(folder, update_manifest=False)
    with pytest.raises(StudyError, match="patient H-01, pre t2w: .*sha256"):
        load_stacks(Study(folder))


def test_one_changed_pixel_in_a_file_of_the_same_size_is_noticed_by_its_date(folder):
    load_stacks(Study(folder))
    path = sorted((folder / "data/images/H-01/pre/t2w").iterdir())[0]
    content, date = bytearray(path.read_bytes()), path.stat().st_mtime_ns
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(date, date + 1_000_000_000))
    with pytest.raises(StudyError, match="patient H-01, pre t2w: .*sha256"):
        load_stacks(Study(folder))


def half_array(folder):
    path = cached(folder, ".npy")[0]
    path.write_bytes(path.read_bytes()[:-100])


def half_note(folder):
    path = cached(folder, ".json")[0]
    path.write_text(path.read_text()[:40])


def older_format(folder):
    path = cached(folder, ".json")[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 0}))


def other_checksum(folder):
    path = cached(folder, ".json")[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"checksum": "0" * 64}))


@pytest.mark.parametrize("spoil", [half_array, half_note, older_format, other_checksum])
def test_half_and_stale_caches_are_not_reused(folder, spoil):
    load_stacks(Study(folder))
    spoil(folder)
    stacks = load_stacks(Study(folder))
    assert np.array_equal(stacks[KEY].array, pixels(0))
    assert json.loads(cached(folder, ".json")[0].read_text())["format"] == stacks_module.FORMAT


def test_all_bad_series_are_named_at_once_and_good_ones_kept(folder, monkeypatch):
    for name in ("H-01/pre/t2w", "H-02/post/t1c"):
        (folder / "data/images" / name / "I02.dcm").unlink()
        manifest = small_study.load(folder, "manifest")
        row = manifest["path"] == f"data/images/{name}"
        manifest.loc[row, "sha256"] = series_checksum(folder / "data/images" / name)
        small_study.save(folder, "manifest", manifest)
    with pytest.raises(StudyError) as caught:
        load_stacks(Study(folder))
    message = str(caught.value)
    assert message.startswith("2 series cannot be used")
    assert "patient H-01, pre t2w" in message
    assert "patient H-02, post t1c" in message
    assert "2 DICOM files where data_manifest.csv says 3" in message
    forbid(monkeypatch)
    assert len(load_stacks(Study(folder), patients=["H-02"], timepoint="pre")) == 2


def test_leftovers_of_a_killed_reader_are_removed_when_old(folder):
    load_stacks(Study(folder))
    name = cached(folder, ".npy")[0].name
    old, young = (folder / "results/stacks" / f".part-{i}-{name}" for i in ("abc1", "abc2"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    half_note(folder)
    load_stacks(Study(folder))
    assert not old.exists()
    assert young.exists()


def test_identifiers_that_are_no_file_names_stay_apart(folder):
    for name in ("registry", "visits", "manifest"):
        table = small_study.load(folder, name)
        table["patient_id"] = table["patient_id"].replace({"H-01": "a/b", "H-02": "a:b"})
        small_study.save(folder, name, table)
    stacks = load_stacks(Study(folder))
    assert np.array_equal(stacks["a/b", "pre", "t2w"].array, pixels(0))
    assert np.array_equal(stacks["a:b", "pre", "t2w"].array, pixels(4))


def test_a_folder_that_must_not_be_written_to_is_named(folder):
    """A file where the folder should be, as nothing is forbidden to the super-user."""
    (folder / "results").mkdir(exist_ok=True)
    (folder / "results" / "stacks").write_text("in the way")
    with pytest.raises(StudyError, match="results.stacks: what is read .* Allow writing") as caught:
        load_stacks(Study(folder), patients="H-01", timepoint="pre")
    assert caught.value.code == "unwritable"
    assert "H-01" not in str(caught.value).replace(str(folder), "")


def test_a_full_disk_is_told_once_and_not_for_each_series(folder):
    (folder / "results").mkdir(exist_ok=True)
    (folder / "results" / "stacks").write_text("in the way")
    with pytest.raises(StudyError, match="^8 of 8 series were read and not kept: ") as caught:
        load_stacks(Study(folder))
    assert str(caught.value).count("make room on the disk, and run this again") == 1


def test_progress_is_quiet_in_a_log(folder, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    load_stacks(Study(folder))
    assert log.getvalue() == ""


def test_another_matrix_is_resampled_with_its_suggested_rectangle(folder):
    manifest = small_study.load(folder, "manifest")
    series = folder / manifest.loc[0, "path"]
    for path in series.iterdir():
        path.unlink()
    image = np.zeros((3, 320, 320), np.uint16)
    image[:, 100:180, 160:200] = 1000
    write_series(series, image, patient_id=manifest.loc[0, "patient_id"])
    manifest.loc[0, "sha256"] = series_checksum(series)
    small_study.save(folder, "manifest", manifest)
    key = tuple(manifest.loc[0, ["patient_id", "timepoint", "sequence"]])
    offered = pd.DataFrame([[*key, 1, 160, 100, 200, 180, "suggested", ""]], columns=roi.COLUMNS)
    study = Study(folder)
    offered.to_csv(study.table_path("suggested_rois"), index=False)
    for _ in range(2):  # read, then from the cache
        stacks = load_stacks(study)
        stack = stacks[key]
        assert stack.array.shape == (3, 512, 512) and stack.source_grid.rows == 320
        assert "resampled" in [finding.code for finding in stack.findings]
        rois = roi.suggest_rois(study, stacks)
        box = rois[rois["source"] == "suggested"].iloc[0]
        inside = stack.array[1, box.y0 : box.y1, box.x0 : box.x1]
        assert (inside > 500).mean() > 0.97
        assert (stack.array[1] > 500).sum() == pytest.approx(inside.size, rel=0.03)


@pytest.mark.skipif(not status("RssAnon"), reason="only Linux tells mapped from held memory")
@pytest.mark.parametrize("n_patients", [206, 2060])
def test_ten_times_the_patients_are_not_held_in_memory(folder, n_patients):
    """Series of 3.5 MiB, all linked to one array: 2.9 and 29 GiB in all."""
    load_stacks(Study(folder))
    note = json.loads(cached(folder, ".json")[0].read_text())
    np.save(folder / "linked.npy", np.ones((7, 512, 512), np.uint16))
    keys = [(f"P{n}", when, sequence) for n in range(n_patients)
            for when in ("pre", "post") for sequence in ("t2w", "t1c")]  # fmt: skip
    stacks = stacks_module.Stacks(
        dict.fromkeys(keys, folder / "linked.npy"), dict.fromkeys(keys, note)
    )
    held = status("RssAnon")
    arrays = [stacks[key].array for key in keys[:200]]
    total = sum(int(stacks[key].array[3].sum()) for key in keys)
    assert total == len(keys) * 512 * 512 and len(arrays) == 200
    assert status("RssAnon") - held < 1 << 25
