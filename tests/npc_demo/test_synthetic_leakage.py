"""Nothing but the disease tells the outcome: what surrounds it is drawn without knowing it."""

from dataclasses import astuple, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from npc_demo.anatomy import draw_anatomy
from npc_demo.examination import Examination, _visit
from npc_demo.habitus import stream
from npc_demo.mri import Scan, acquire, scan_stream, suggested_boxes
from npc_demo.protocols import DEFAULT, PROTOCOLS
from npc_demo.registry import make_cohort
from npc_demo.tissues import CODE
from sklearn.metrics import roc_auc_score

from npc_helpers.cohort import progression_free_survival, risk_groups

ROOT = Path(__file__).parents[2]
KINDS = [(timepoint, sequence) for timepoint in ("pre", "post") for sequence in ("t2w", "t1c")]


@pytest.fixture(scope="module")
def cohort():
    return make_cohort()


def other_disease(patient):
    """The same person with the opposite prognosis."""
    return replace(
        patient,
        t_category=5 - patient.t_category,
        n_category=3 - patient.n_category,
        aggressiveness=-patient.aggressiveness + 1,
        residual=-patient.residual - 1,
    )


def scan(patient, timepoint, sequence):
    drawn = astuple(Scan.draw(scan_stream(patient, timepoint, sequence), PROTOCOLS[DEFAULT]))
    return np.concatenate([np.ravel(value) for value in drawn])


def test_the_scanner_does_not_know_the_disease(cohort):
    for patient in cohort.patients[:40]:
        for kind in KINDS:
            assert np.array_equal(scan(patient, *kind), scan(other_disease(patient), *kind))


def test_position_decoys_and_file_order_do_not_know_the_disease(cohort):
    for patient in cohort.patients[:4]:
        anatomy = draw_anatomy(patient, "post")
        jobs = [
            Examination(None, person, "post", date(2015, 1, 1), 512)
            for person in (patient, other_disease(patient))
        ]
        visit, of_other_disease = (_visit(job, anatomy) for job in jobs)
        assert (visit.tilt, visit.table_mm, visit.spacing_mm) == (
            of_other_disease.tilt, of_other_disease.table_mm, of_other_disease.spacing_mm
        )  # fmt: skip
        assert jobs[0].has_decoys == jobs[1].has_decoys
        orders = [stream(job.patient, "files", "post", "t2w").permutation(6) for job in jobs]
        assert np.array_equal(*orders)


def test_box_around_nothing_does_not_know_the_disease(cohort):
    no_tumour = np.zeros((6, 512, 512), dtype=bool)
    for patient in cohort.patients[:6]:
        boxes = [
            suggested_boxes(
                draw_anatomy(person, "pre"), no_tumour, stream(person, "box", "pre"), 512
            )
            for person in (patient, other_disease(patient))
        ]
        assert np.array_equal(*boxes)


def test_noise_is_the_same_whatever_the_disease(cohort):
    """The same noise is added to the images of two diseases of one person."""
    patient = cohort.patients[0]
    images = []
    for person in (patient, other_disease(patient)):
        anatomy = draw_anatomy(person, "pre")
        air = replace(
            anatomy,
            top=np.full_like(anatomy.top, CODE["airway"]),
            below=np.full_like(anatomy.below, CODE["airway"]),
            fat_failures=(),
        )
        images.append(acquire(air, "t2w", scan_stream(person, "pre", "t2w")))
    assert np.array_equal(*images)
    assert images[0].std() > 0


def test_scans_of_many_cohorts_are_independent_of_the_risk():
    """No setting of any acquisition correlates with the oracle risk: 8 x 206 patients."""
    features, risk = [], []
    for seed in range(8):
        made = make_cohort(seed=seed)
        features += [np.concatenate([scan(p, *kind) for kind in KINDS]) for p in made.patients]
        risk.append(made.truth["oracle_risk"])
    features, risk = np.array(features), np.concatenate(risk)
    correlations = np.array(
        [np.corrcoef(column, risk)[0, 1] for column in features.T if column.std() > 0]
    )
    assert len(correlations) > 20
    standard_error = 1 / np.sqrt(len(risk))
    assert np.abs(correlations).max() < 4 * standard_error
    assert correlations.std() == pytest.approx(standard_error, rel=0.5)


def test_disease_tells_the_outcome_and_a_permuted_outcome_tells_nothing(cohort):
    """Control with what a network could measure at best: the volume of residual tumour."""
    truth = pd.read_csv(ROOT / "data" / "truth.csv")
    pfs = progression_free_survival(cohort.registry).set_index("patient_id")
    high_risk, _ = risk_groups(pfs.loc[truth["patient_id"], "pfs_months"])
    volume = truth["tumour_volume_post_ml"].to_numpy()
    assert roc_auc_score(high_risk, volume) > 0.55
    rng = np.random.default_rng(0)
    permuted = [roc_auc_score(rng.permutation(high_risk), volume) for _ in range(400)]
    assert np.mean(permuted) == pytest.approx(0.5, abs=0.01)
    assert np.std(permuted) == pytest.approx(np.sqrt(207 / (12 * 103 * 103)), rel=0.15)
