"""The mid-course examination lies between the other two, and is there only if it is asked for."""

import filecmp
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from npc_demo import examination, mid_course_features
from npc_demo.__main__ import main
from npc_demo.anatomy import draw_anatomy
from npc_demo.centres import select
from npc_demo.examination import Examination, series_pixels
from npc_demo.habitus import Habitus
from npc_demo.mid_course import MID_ROIS, MID_SERIES, half_way
from npc_demo.mid_course_features import patient_features
from npc_demo.mri import render
from npc_demo.patient import Patient
from npc_demo.regions import regions
from npc_demo.registry import make_cohort
from npc_demo.tumour import pace
from npc_demo.writer import IMAGES, write_study
from small_study import make_study

from npc_helpers.imaging.dicom import read_series
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.settings import TUTORIAL

ANNA = Patient(
    patient_id="A", sex="F", age_years=50, t_category=3, n_category=2, aggressiveness=0.4,
    residual=-0.5, seed=11,
)  # fmt: skip
MATRIX = 320


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def two():
    return select(make_cohort(), 2)


@pytest.fixture(scope="module")
def built(two, tmp_path_factory):
    """The same study without and with the option."""
    folders = [tmp_path_factory.mktemp("built") / name for name in ("without", "with")]
    for folder, mid_course in zip(folders, (False, True), strict=True):
        write_study(folder, two, matrix=MATRIX, mid_course=mid_course, workers=1, progress=False)
    return folders


@pytest.mark.parametrize("seed", range(3))
def test_a_tumour_only_shrinks(seed):
    patient = replace(ANNA, seed=seed)
    volumes = [draw_anatomy(patient, when).tumour_volume_ml for when in ("pre", "mid", "post")]
    assert volumes == sorted(volumes, reverse=True) and volumes[1] > 0


def test_the_pace_knows_neither_stage_nor_latents():
    worse = replace(ANNA, t_category=4, n_category=3, aggressiveness=2.0, residual=2.0)
    assert pace(worse) == pace(ANNA)
    paces = [pace(replace(ANNA, seed=seed)) for seed in range(400)]
    assert 0.1 < min(paces) < 0.12 and 0.88 < max(paces) < 0.9


def test_worse_responders_have_more_tumour_in_mid_course_too():
    left = [
        draw_anatomy(replace(ANNA, residual=r), "mid").tumour_volume_ml for r in (-1.5, 0.0, 1.5)
    ]
    assert left == sorted(left) and left[0] < left[-1]


def test_the_head_is_half_way_between_the_other_two():
    pre, mid, post = (Habitus.draw(ANNA, when) for when in ("pre", "mid", "post"))
    assert mid.fat_mm == pytest.approx((pre.fat_mm + post.fat_mm) / 2)
    assert pre.gland_scale == 1 > mid.gland_scale > post.gland_scale
    assert not pre.treated and mid.treated


def test_another_time_point_is_refused():
    with pytest.raises(ValueError, match="use 'pre', 'mid' or 'post'"):
        draw_anatomy(ANNA, "during")


def test_it_takes_place_half_way_through_the_treatment():
    days = pd.DataFrame({"treatment_start": ["2020-01-01"], "treatment_end": ["2020-02-01"]})
    assert half_way(days.apply(pd.to_datetime)).tolist() == [pd.Timestamp("2020-01-16")]


def test_with_the_option_everything_else_stays_byte_for_byte(built):
    without, with_mid = built
    added = files(with_mid) - files(without)
    assert files(without) <= files(with_mid)
    _, different, errors = filecmp.cmpfiles(without, with_mid, files(without), shallow=False)
    assert not different and not errors
    assert {name for name in added if "/mid/" not in name} == {MID_SERIES, MID_ROIS}


def test_its_tables_name_series_that_hold_its_pixels(built, two):
    folder = built[1]
    series = pd.read_csv(folder / MID_SERIES)
    assert series.timepoint.eq("mid").all() and series.source.eq("synthetic").all()
    assert len(series) == 4 and len(pd.read_csv(folder / MID_ROIS)) == 4 * 7
    treated = two.registry.set_index("patient_id").loc[series.patient_id]
    day = pd.to_datetime(series.mri_date).to_numpy()
    assert (treated.treatment_start < day).all() and (day < treated.treatment_end).all()
    first = series.iloc[0]
    drawn = series_pixels(two.patients[0], "mid", first.sequence, matrix=MATRIX)
    assert np.array_equal(read_series(folder / first.path).array, drawn)
    assert Study(folder).manifest.timepoint.isin(["pre", "post"]).all()
    assert Study(folder).check().empty


def test_a_build_without_it_removes_what_an_earlier_one_had_made(two, tmp_path, capsys):
    folder = tmp_path / "study"
    options = [str(folder), "--patients", "1", "--matrix", "320", "--workers", "1"]
    assert main([*options, "--mid-course"]) == 0
    assert "3 examinations drawn" in capsys.readouterr().out
    patient = next((folder / IMAGES).iterdir())
    assert (patient / "mid").is_dir()
    assert main(options) == 0
    assert not (patient / "mid").exists() and (patient / "post").is_dir()
    assert not (folder / MID_SERIES).exists() and not (folder / MID_ROIS).exists()


def test_the_option_needs_a_folder(capsys):
    assert main(["--mid-course"]) == 1
    assert "Name a folder" in capsys.readouterr().err


def test_the_shipped_study_is_made_as_ever(tmp_path):
    """The series of one patient, drawn now, have the checksums of the committed manifest."""
    study = Study.demonstration()
    name = "SYN-0001"
    patient = next(p for p in make_cohort().patients if p.patient_id == name)
    row = study.registry.set_index("patient_id").loc[name]
    listed = study.manifest[study.manifest.patient_id == name]
    for when, of_time in listed.groupby("timepoint"):
        made = examination.make(
            Examination(
                folder=tmp_path / when, patient=patient, timepoint=when,
                day=row[f"mri_{when}_date"].date(), matrix=512,
            )
        )  # fmt: skip
        sums = {sequence: series["sha256"] for sequence, series in made["series"].items()}
        assert sums == of_time.set_index("sequence").sha256.to_dict()


# --- the structures of a head -------------------------------------------------------------------


def test_structures_lie_where_they_belong_and_share_no_pixel():
    parts = regions(ANNA, "pre", matrix=320)
    assert set(parts) >= {"tumour", "brain and cerebellum", "eyes", "parotid glands"}
    assert np.sum(list(parts.values()), axis=0).max() == 1
    assert np.array_equal(parts["tumour"], render(ANNA, "pre", matrix=320)["tumour"])
    brain, eyes = parts["brain and cerebellum"], parts["eyes"]
    assert not brain[:3].any() and brain[5:].any(axis=(1, 2)).all()  # none in the neck
    rows = [np.nonzero(mask[5])[0].mean() for mask in (eyes, parts["tumour"], brain)]
    assert rows == sorted(rows)  # from the front to the back
    columns = np.nonzero(eyes[5])[1]
    assert columns.min() < 160 < columns.max()  # one on either side


def test_eyes_are_full_of_fluid():
    """In a T2-weighted image they are brighter than brain, which is brighter than muscle."""
    parts, image = regions(ANNA, "pre", matrix=320), render(ANNA, "pre", matrix=320)["t2w"]
    median = {name: np.median(image[mask]) for name, mask in parts.items()}
    assert median["eyes"] > 1.2 * median["brain and cerebellum"]


# --- what a network sees of it ------------------------------------------------------------------


def test_real_patients_cannot_be_examined_afterwards(tmp_path):
    with pytest.raises(NotInThisStudy, match="nobody was examined in mid-course"):
        patient_features(Study(make_study(tmp_path / "s")), patients=["A"], setting=TUTORIAL)


def test_features_are_means_over_a_patients_images_and_are_kept(tmp_path, monkeypatch):
    """With a network that answers the mean brightness, drawn once for each patient."""
    drawn = []

    def images(patient, setting):
        drawn.append(patient.patient_id)
        levels = np.arange(14, dtype=np.uint8) + (100 if patient.patient_id == "B" else 0)
        return np.broadcast_to(levels[:, None, None, None], (14, 8, 8, 1)).copy()

    class Results:
        def result_path(self, name):
            return tmp_path / name

    people = {"A": ANNA, "B": replace(ANNA, patient_id="B")}
    monkeypatch.setattr(mid_course_features, "patients_of", lambda study: people)
    monkeypatch.setattr(mid_course_features, "network_images", images)
    monkeypatch.setattr(mid_course_features, "prognosis_model", lambda setting, seed: None)
    monkeypatch.setattr(mid_course_features, "backbone_of", lambda model: None)
    monkeypatch.setattr(mid_course_features, "model_identity", lambda model: "a network")
    monkeypatch.setattr(
        mid_course_features, "extract_features", lambda _, x: x.mean(axis=(1, 2)).astype(np.float32)
    )
    for _ in range(2):
        table = patient_features(Results(), patients=["B", "A"], setting=TUTORIAL)
        assert table[0].to_dict() == {"B": 106.5, "A": 6.5}
    assert sorted(drawn) == ["A", "B"]
