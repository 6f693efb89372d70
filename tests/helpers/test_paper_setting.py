"""A rehearsal of the paper setting: the published layout at full width, on six patients.

Random weights, 128 x 128 pixels and two epochs; the calls are those of lessons 03 to 06.
"""

import keras
import numpy as np
import pandas as pd
import pytest
from small_study import load, make_study, save, with_images

from npc_helpers import statistics
from npc_helpers.imaging import roi
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network import (
    features,
    gradcam,
    gradcam_bench,
    models,
    perturbation,
    prediction,
    preflight,
    saved_models,
    training,
)  # fmt: skip
from npc_helpers.network.gradcam_scores import patient_summary
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

CHOICES = "paper weights=none shrink=4 max_epochs=2 batch_size=8"
PARAMETERS = 54_336_736  # of the published network without its top, keras.applications' count
TEST = ["H-05", "H-06"]


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("NPC_SETTING", CHOICES)
    folder = with_images(make_study(tmp_path / "study", patients=6), slices=2)
    save(folder, "manifest", load(folder, "manifest").assign(source="synthetic"))
    study = Study(folder)
    names = study.registry.patient_id
    high = np.arange(6) % 2 == 0
    cohort = pd.DataFrame(
        {"patient_id": names, "included": True, "excluded_by": "", "age_years": 50}
    )
    cohort = cohort.assign(pfs_months=np.where(high, 12.0, 48.0), progressed=high, high_risk=high)
    cohort["split"] = np.where(cohort.patient_id.isin(TEST), "test", "train")
    study.write_table("cohort.csv", cohort.assign(stage_8th="III", age_years=50))
    study.write_table("rois.csv", roi.suggest_rois(study, load_stacks(study)))
    return study


def inputs(study, when):
    """What 03 and 04 train on: images, which is which, labels, and who trains."""
    images, index = features.study_images(study, study.read_table("rois.csv"), when)
    of_image = study.read_table("cohort.csv").set_index("patient_id").loc[index.patient_id]
    rows = (of_image.split == "train").to_numpy()
    return images, index, of_image.high_risk.to_numpy(dtype=bool), rows


class Killed(keras.callbacks.Callback):
    """Ends the process' patience within the second epoch."""

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 1 and len(self.model.history.epoch) == 1:
            raise KeyboardInterrupt


def killed_and_resumed(model, batches, setting, run_dir):
    """Train as 03 does; stopped in the second epoch, and started again from the beginning."""
    learner = models.trainable_part(model)
    training.compiled(learner, setting, steps=len(batches) * setting.max_epochs)
    for callbacks in ([Killed()], []):
        learner.set_weights(model.get_weights())
        rule = keras.callbacks.EarlyStopping(setting.monitor, mode="max", patience=10)
        resume = training.Resume(run_dir, batches, rule, progress=False)
        options = {"epochs": setting.max_epochs, "shuffle": False, "verbose": 0}
        try:
            fitted = learner.fit(batches, callbacks=[rule, resume, *callbacks], **options)
        except KeyboardInterrupt:
            kept = list(resume.history)
    history = training.history_table(fitted)
    assert len(kept) == 1 and len(history) == 2
    assert history.loss[0] == kept[0]["loss"], "the first epoch was trained again"
    state = resume.path.stat().st_size
    assert state == pytest.approx(preflight.STATE * 4 * learner.count_params(), rel=0.01)
    return learner


@pytest.mark.slow
def test_rehearsal_of_the_paper_setting(study):
    setting, learners = current_setting(), {}
    for when in ("pre", "post"):
        images, index, high_risk, rows = inputs(study, when)
        assert images.shape == (24, 128, 128, 1)
        model = models.prognosis_model(setting, seed=1)
        assert model.count_params() == PARAMETERS + 1536 * 2 + 2
        data = {"rows": rows, "patients": index.patient_id, "setting": setting, "seed": 1}
        run_dir = study.result_path("runs") / when
        if when == "pre":
            batches = training.batches_of(images, high_risk, **data)
            learner = killed_and_resumed(model, batches, setting, run_dir)
        else:
            learner, history = training.train(
                model, images, high_risk, **data, run_dir=run_dir, progress=False
            )
            assert np.isfinite(history.loss).all()
        p = training.predict(learner, images, progress=False)
        cohort = study.read_table("cohort.csv")
        saved_models.keep_model(study, when, learner)
        study.write_table(f"predictions_{when}.csv", prediction.image_predictions(index, p, cohort))
        learners[when] = learner

    patients, risk = prediction.compared_scores(study.read_table)
    comparison = statistics.compare_models(patients, risk)
    assert comparison.model.tolist() == ["Pre-model", "Post-model", "Ensemble", "TNM"]

    explained = saved_models.models_to_explain(study)
    images, index, *_ = inputs(study, "post")
    tested = index.patient_id.isin(TEST).to_numpy()
    images, index = images[tested], index[tested].reset_index(drop=True)
    cells = gradcam.activations(explained["post"], images)
    assert cells.shape == (8, 2, 2, 1536)
    weights, bias = gradcam.head(explained["post"])
    odds = gradcam.log_odds(explained["post"], images)
    signed = gradcam.class_map(cells, weights)
    np.testing.assert_allclose(signed.sum((1, 2)) + bias[1] - bias[0], odds, atol=1e-3)
    p = training.predict(learners["post"], images, progress=False)
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), p, atol=1e-4)
    fine = gradcam.finer_map(explained["post"], images)
    assert fine.shape == (8, 6, 6) and np.isfinite(fine).all()
    place = gradcam.Geometry.of(explained["post"])
    maps = gradcam_bench.explanations(cells, weights, index, place, seed=1)
    scores = gradcam_bench.score_table(study, index, maps, place)
    summary = patient_summary(scores, columns=["padding_share"])
    assert summary.n_patients.eq(2).all() and len(summary) == 6
    inside = perturbation.rectangles(index, place)
    blurred = perturbation.blurred(images, inside, shrink=place.shrink)
    curves = perturbation.curves(explained["post"], images, blurred, index, dict(maps[:2]), place)
    ends = curves[curves["share"] == 0].deletion.to_numpy()
    np.testing.assert_allclose(ends, np.tile(odds, 2), atol=1e-3)
    study.write_table("gradcam_scores.csv", scores)
    for name in ("predictions_pre.csv", "predictions_post.csv", "gradcam_scores.csv"):
        assert study.artefact_state(name) == "current"
