"""Repeated splits: trained anew in each, on its training side only, kept, and repeatable."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from training_runs import HEAD, WHOLE, small_network, use_real_network

from npc_helpers import statistics
from npc_helpers.cohort import included_patients
from npc_helpers.cohort import split as split_patients
from npc_helpers.network import models, prediction, training
from npc_helpers.network import repeated_splits as repeated
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.artefacts import load_table


@pytest.fixture(scope="module", autouse=True)
def with_small_network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "inception_resnet_v2", small_network)
        yield


SHORT = dataclasses.replace(WHOLE, max_epochs=2, batch_size=16)


def study(n=24):
    """Patients with two images each; those of the second model are bright where risk is high."""
    rng = np.random.default_rng(0)
    high = np.arange(n) % 2 == 0
    patients = pd.DataFrame(
        {
            "patient_id": [f"{i:04d}" for i in range(n)],  # as some hospitals number them
            "pfs_months": np.where(high, 10.0, 40.0) + np.arange(n) / 10,
            "progressed": high,
            "high_risk": high,
        }
    )
    index = pd.DataFrame(
        {
            "patient_id": np.repeat(patients.patient_id.to_numpy(), 2),
            "timepoint": "pre",
            "sequence": np.tile(["t2w", "t1c"], n),
            "slice_index": 0,
        }
    )
    noise = rng.integers(0, 60, (2 * n, 80, 80, 1)).astype(np.uint8)
    bright = noise.copy()
    bright[np.repeat(high, 2), 20:60, 20:60] += 180
    return patients, {"noise": (noise, index), "informed": (bright, index)}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Three splits of a head that learns a planted difference, and of one without any."""
    patients, inputs = study()
    setting = dataclasses.replace(HEAD, max_epochs=60, learning_rate=0.02, dropout=0.0)
    truth = pd.Series(patients.high_risk.to_numpy(float), pd.Index(patients.patient_id))
    folder = tmp_path_factory.mktemp("splits")
    options = {"setting": setting, "folder": folder, "n_splits": 3, "progress": False}
    table = repeated.repeated_splits(patients, inputs, others={"truth": truth}, **options)
    return patients, inputs, options, table


def test_splits_find_the_model_with_information(judged):
    *_, table = judged
    assert table.groupby("model").size().to_dict() == dict.fromkeys(
        ["noise", "informed", "Ensemble", "truth"], 3
    )
    mean = statistics.summarise_splits(table)["mean"]
    assert mean["truth"] == 1.0 and mean["informed"] > 0.9 and mean["noise"] < 0.85


def test_what_was_trained_is_read_back(judged, monkeypatch):
    patients, inputs, options, table = judged
    monkeypatch.setattr(repeated, "trained_anew", None)  # whoever trains now fails
    again = repeated.repeated_splits(patients, inputs, **options)
    expected = table[table.model != "truth"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, expected)
    assert len(list(options["folder"].glob("*.csv"))) == 6


@pytest.mark.parametrize("changed", ["labels", "images", "setting", "seed"])
def test_what_decides_the_predictions_asks_for_a_new_training(changed, judged, monkeypatch):
    patients, inputs, options, _ = judged
    if changed == "labels":
        patients = patients.assign(high_risk=~patients.high_risk)
    if changed == "images":
        images, index = inputs["noise"]
        inputs = {"noise": (255 - images, index)}
    if changed == "setting":
        options = options | {"setting": dataclasses.replace(options["setting"], dropout=0.1)}
    if changed == "seed":
        options = options | {"seed": 1}
    monkeypatch.setattr(repeated, "trained_anew", None)
    with pytest.raises(TypeError, match="not callable"):
        repeated.repeated_splits(patients, inputs, **options)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["small", "real"])
def test_each_split_is_the_training_run_of_the_lessons(network, tmp_path, monkeypatch, request):
    """One network is built and set back: nothing of the split before may be left in it."""
    if network == "real":
        use_real_network(monkeypatch)
    repeated._start.cache_clear()  # it may hold the other network, and must not keep this one
    request.addfinalizer(repeated._start.cache_clear)
    patients, inputs = study()
    images, index = inputs["informed"]
    repeated.repeated_splits(
        patients, {"informed": inputs["informed"]}, setting=SHORT, folder=tmp_path / "kept",
        n_splits=2, seed=5, progress=False,
    )  # fmt: skip
    kept = [
        pd.read_csv(path, dtype={"patient_id": str}).set_index("patient_id")
        for path in (tmp_path / "kept").iterdir()
    ]
    for number in range(2):
        side = split_patients(patients, seed=5 + number, stratify=["high_risk"])
        cohort = patients.assign(split=side.to_numpy())
        train = index.merge(cohort).split.to_numpy() == "train"
        learner, _ = training.train(
            models.prognosis_model(SHORT, seed=0), images, index.merge(cohort).high_risk.to_numpy(),
            rows=train, patients=index.patient_id, setting=SHORT, seed=5 + number,
            run_dir=tmp_path / str(number), progress=False,
        )  # fmt: skip
        p = training.predict(learner, images, progress=False)
        risk = prediction.patient_probability(prediction.image_predictions(index, p, cohort))
        tested = cohort.patient_id[(side == "test").to_numpy()]
        (same,) = [table for table in kept if set(table.index) == set(tested)]
        np.testing.assert_allclose(same.p_high_risk, risk[same.index], atol=2e-6)


def test_patients_without_a_score_are_refused(tmp_path):
    patients, _ = study()
    score = pd.Series(0.5, pd.Index(patients.patient_id))
    options = {"setting": HEAD, "folder": tmp_path, "n_splits": 1, "progress": False}
    with pytest.raises(ValueError, match=r"TNM: no values for 1 patients, 0005"):
        repeated.repeated_splits(patients, {}, others={"TNM": score.drop("0005")}, **options)
    with pytest.warns(UserWarning, match="1 of 1 splits had too few events"):
        nobody = patients.assign(progressed=False)
        assert repeated.repeated_splits(nobody, {}, others={"TNM": score}, **options).empty


# --- the splits that ship ---------------------------------------------------------------------

TABLES = ("data/registry.csv", "data/visits.csv", "data/suggested_rois.csv", "data_manifest.csv")


@pytest.fixture
def shipped(tmp_path):
    """The demonstration study as a clone has it: its tables and references, and no results."""
    root = Path(__file__).parents[2]
    for name in TABLES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    shutil.copytree(root / "data" / "reference", tmp_path / "data" / "reference")
    return Study(tmp_path)


def test_the_splits_that_ship_are_of_the_patients_that_ship(shipped):
    """TNM needs no training: in each split its values follow from the present cohort."""
    splits = repeated.kept_splits(shipped)
    cohort = included_patients(load_table(shipped.reference_path("cohort.csv")))
    of_tnm = splits[splits.model == "TNM"].set_index("split")
    assert list(of_tnm.index) == list(range(len(of_tnm))) and len(of_tnm) >= 20
    for number, row in of_tnm.iterrows():
        side = split_patients(cohort, seed=2022 + number, stratify=["high_risk"])
        tested = cohort[(side == "test").to_numpy()]
        risk, label = prediction.tnm_risk(tested).to_numpy(), tested.high_risk.to_numpy(bool)
        assert row.auc == pytest.approx(statistics.roc_auc(label, risk).value, abs=1e-4)
        times = tested.pfs_months.to_numpy(), tested.progressed.to_numpy(bool)
        assert row.c_index == pytest.approx(statistics.c_index(*times, risk).value, abs=1e-4)


@pytest.mark.parametrize("changed", ["cohort.csv", "rois.csv", "manifest", "start weights"])
def test_splits_of_other_inputs_are_out_of_date(changed, shipped, monkeypatch, tmp_path):
    if changed == "start weights":
        weights = tmp_path / "other.npz"
        weights.write_bytes(b"other weights")
        monkeypatch.setattr(repeated, "weight_file", lambda source: weights)
    else:
        tables = {"manifest": shipped.table_path("manifest")}
        path = tables.get(changed) or shipped.reference_path(changed)
        path.write_text(path.read_text().replace("0", "1", 1))
    with pytest.raises(NotInThisStudy, match=rf"changed since: {changed}.*benchmarks/sources.py"):
        repeated.kept_splits(shipped)


def test_splits_that_were_edited_or_have_no_note_are_not_used(shipped):
    path = shipped.reference_path(repeated.KEPT)
    path.write_text(path.read_text().replace("0.7", "0.8"))
    with pytest.raises(NotInThisStudy, match="changed since: the table itself"):
        repeated.kept_splits(shipped)
    path.with_name(f"{path.name}.from.json").unlink()
    with pytest.raises(NotInThisStudy, match="not been trained in other splits yet"):
        repeated.kept_splits(shipped)


def test_splits_are_those_of_their_setting(shipped, monkeypatch):
    monkeypatch.setenv("NPC_SETTING", "tutorial max_epochs=7")
    with pytest.raises(NotInThisStudy, match="not been trained"):
        repeated.kept_splits(shipped)


def test_what_was_trained_here_is_kept_and_read_back(shipped):
    splits = repeated.kept_splits(shipped).assign(auc=0.5)
    repeated.keep_splits(shipped, splits)
    pd.testing.assert_frame_equal(repeated.kept_splits(shipped), splits)
