"""The rehearsal study has every state that a real study has and the demonstration has not."""

import pandas as pd
import pydicom
import pytest
from npc_demo import rehearsal
from npc_demo.__main__ import main
from npc_demo.rehearsal_images import draw

from npc_helpers import cohort as co
from npc_helpers.imaging.dicom import read_series
from npc_helpers.study import Study

PLAN = rehearsal.plan()


@pytest.fixture(scope="module")
def undrawn(tmp_path_factory):
    """The study with its tables, and the files of no image."""
    folder = tmp_path_factory.mktemp("rehearsal") / "study"
    (folder / "data").mkdir(parents=True)
    folder.with_name("study-images").mkdir()
    rehearsal._write(folder, PLAN, [])
    return Study(folder)


def images(timepoint):
    return {scan.patient.patient_id for scan in PLAN.scans if scan.timepoint == timepoint}


def test_excluded_patients_have_images_and_included_ones_have_none(undrawn):
    screening = co.screen(undrawn.registry, undrawn.visits).set_index("patient_id")
    included = set(screening.index[screening["included"]])
    assert len(included) == 28 and len(screening) == 36
    assert screening["excluded_by"].value_counts().drop("").to_dict() == {
        name: n for name, (n, _) in rehearsal.EXCLUDED.items()
    }
    assert len(images("pre") - included) == 5
    assert len(included - images("pre")) == 2
    assert len(included & images("pre") - images("post")) == 4
    sequences = {scan.sequences for scan in PLAN.scans if scan.timepoint == "post"}
    assert sequences == {("t2w",), ("t2w", "t1c")}


def test_matrices_makers_and_numbers_of_slices_differ():
    assert {scan.matrix for scan in PLAN.scans} == {320, 384, 512}
    assert {scan.patient.vendor for scan in PLAN.scans} == {"B", "C"}
    slices = {scan.n_slices for scan in PLAN.scans}
    assert min(slices) == 1 and max(slices) == 40


def test_stages_of_both_editions(undrawn):
    registry = undrawn.registry
    assert set(registry["tnm_edition"]) == {7, 8}
    t0 = registry[registry["t_stage"] == "T0"]
    assert len(t0) == 2 and (t0["tnm_edition"] == 8).all()
    assert set(registry["n_stage"]) & {"N3a", "N3b"}


def test_blanks_leading_zeros_and_a_column_of_the_users_own(undrawn):
    registry = undrawn.registry
    assert registry["ebv_dna_copies_per_ml"].isna().sum() > 5
    assert registry["patient_id"].str.startswith("0").sum() > 10
    assert registry["patient_id"].str.fullmatch(r"\d{7}").all()
    assert "转外院" in set(registry["备注"])


def test_dates_are_written_as_a_spreadsheet_does(undrawn):
    text = undrawn.table_path("registry").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf") and b"\r\n" in text
    written = pd.read_csv(undrawn.table_path("registry"), dtype=str)["treatment_start"]
    assert written.str.fullmatch(r"20\d\d/\d{1,2}/\d{1,2}").all()
    planned = PLAN.registry["treatment_start"].dt.strftime("%Y-%m-%d")
    assert list(undrawn.registry["treatment_start"].astype(str)) == list(planned)


def test_two_patients_progressed_on_the_day_of_their_scan(undrawn):
    registry = undrawn.registry
    same = registry[registry["mri_post_date"] == registry["progression_date"]]
    assert len(same) == 2 and set(same["patient_id"]) <= images("post")


def test_the_tables_are_in_order_apart_from_the_images(undrawn):
    problems = undrawn.check(checksums=False)
    assert not (problems["level"] == "error").any(), problems.to_string()


def test_a_plan_can_be_repeated():
    again = rehearsal.plan()
    pd.testing.assert_frame_equal(again.registry, PLAN.registry)
    assert again.scans == PLAN.scans
    assert not rehearsal.plan(seed=1).registry.equals(PLAN.registry)


@pytest.mark.parametrize("n_slices", [1, 2, 40])
def test_a_series_of_any_length_is_read_and_has_its_rectangles(tmp_path, n_slices):
    scan = next(s for s in PLAN.scans if s.timepoint == "pre" and s.matrix == 320)
    scan = rehearsal.replace(scan, folder=tmp_path, n_slices=n_slices, sequences=("t2w",))
    (series,) = draw(scan)
    read = read_series(tmp_path / series.place, n_images=n_slices)
    assert read.array.shape == (n_slices, 320, 320) and len(series.boxes) == n_slices
    assert all(0 <= x0 < x1 <= 320 and 0 <= y0 < y1 <= 320 for x0, y0, x1, y1 in series.boxes)
    header = pydicom.dcmread(next((tmp_path / series.place).iterdir()), stop_before_pixels=True)
    assert header.Manufacturer.startswith("SYNTHETIC") and "SYNTHETIC" in str(header.PatientName)


def test_nothing_is_written_over_another_folder(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    assert main(["rehearsal", str(tmp_path / "mine")]) == 1
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]
