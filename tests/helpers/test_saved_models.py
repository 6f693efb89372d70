"""Trained models as files: whole, as a last layer, and where a study has none."""

import dataclasses

import numpy as np
import pytest
from small_study import load, make_study, save

from npc_helpers.network import models, saved_models
from npc_helpers.study import Study
from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.settings import PAPER, TUTORIAL

HEAD = dataclasses.replace(
    PAPER, canvas=160, shrink=2, width=0.05, blocks=(1, 1, 1), weights="none"
)


def assert_same(first, second):
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_saved_model_predicts_the_same(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 80, 80, 1)).astype(np.uint8)
    model = models.prognosis_model(HEAD, seed=1)
    saved_models.save_model(model, tmp_path / "pre_model.keras")
    loaded = saved_models.load_model(tmp_path / "pre_model.keras")
    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["pre_model.keras"]
    with pytest.raises(FileNotFoundError, match="no model .*post_model"):
        saved_models.load_model(tmp_path / "post_model.keras")


def test_saved_weights_fit_their_own_network_only(tmp_path):
    model = models.prognosis_model(HEAD, seed=1)
    for name in "ab":
        saved_models.save_weights(model, tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded_model = models.prognosis_model(HEAD, seed=2)
    assert saved_models.restore_weights(loaded_model, tmp_path / "a.npz") is loaded_model
    for loaded, saved in zip(loaded_model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(loaded, saved, rtol=1e-3, atol=1e-7)
    wider = models.prognosis_model(dataclasses.replace(HEAD, width=0.06), seed=1)
    with pytest.raises(ValueError, match="weights of another network"):
        saved_models.restore_weights(wider, tmp_path / "a.npz")


def test_model_of_a_study_or_the_reason_why_not(tmp_path):
    folder = make_study(tmp_path / "study")
    study = Study(folder)
    with pytest.raises(StudyError, match="post_weights.npz is missing. Run notebook 04_train_post"):
        saved_models.load_or_reference(study, "post", setting=HEAD)
    model = models.prognosis_model(HEAD, seed=3)
    with study.write_file("post_model.keras") as path:
        saved_models.save_model(model, path)
    loaded = saved_models.load_or_reference(study, "post", setting=HEAD)
    assert_same(loaded.get_weights(), model.get_weights())
    save(folder, "manifest", load(folder, "manifest").iloc[1:])
    with pytest.raises(StudyError, match="manifest.. Run notebook 04_train_post_model again"):
        saved_models.load_or_reference(study, "post", setting=HEAD)


def test_a_study_without_outcomes_gets_the_shipped_model_and_is_told_so(tmp_path, monkeypatch):
    folder = make_study(tmp_path / "clinic")
    save(folder, "registry", load(folder, "registry").assign(last_review_date=""))
    study = Study(folder)
    with pytest.warns(UserWarning, match="clinic has no outcomes .* SYNTHETIC PATIENTS"):
        model = saved_models.load_or_reference(study, "pre", setting=TUTORIAL)
    with np.load(Study.demonstration().reference_path("pre_weights.npz")) as shipped:
        kernel = model.get_layer("risk").get_weights()[0]
        np.testing.assert_array_equal(kernel, shipped["risk/kernel"].astype(np.float32))
    monkeypatch.setenv("NPC_SETTING", "paper")
    with pytest.raises(StudyError, match="ships no trained model for this setting"):
        saved_models.load_or_reference(study, "pre", setting=TUTORIAL)
