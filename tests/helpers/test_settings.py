"""The settings, what may be changed behind their names, and what a small card needs."""

import dataclasses

import keras
import numpy as np
import pytest
from training_runs import ALL, run, two_groups, weights_after

from npc_helpers.network import gradcam, models
from npc_helpers.study import Study, results
from npc_helpers.study.settings import PAPER, TUTORIAL, current_setting


def test_choices_behind_the_name_change_the_setting_and_its_folder(monkeypatch):
    monkeypatch.setenv("NPC_SETTING", "paper weights=none shrink=4 blocks=1,1,2 learning_rate=1e-5")
    setting = current_setting()
    named = dataclasses.replace(
        PAPER, weights="none", shrink=4, blocks=(1, 1, 2), learning_rate=1e-5, name=setting.name
    )
    assert setting == named and setting.input_size == 128
    where = Study.demonstration().result_path("comparison.csv").parent.name
    assert where == setting.name == "paper_blocks-1-1-2_learning-rate-1e-5_shrink-4_weights-none"
    monkeypatch.setenv("NPC_SETTING", "paper shrink=4 learning_rate=1e-5 blocks=1,1,2 weights=none")
    assert current_setting() == setting, "the order does not matter"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clinic", "there are two settings"),
        ("paper colour=red", "'colour'; a setting has canvas, shrink"),
        ("paper name=other", "'name'; a setting has"),
        ("paper shrink=half", "shrink as 'half'; that of paper is 1"),
        ("paper accumulate=5", "divisor of batch_size"),
    ],
)
def test_what_is_no_choice_is_refused(text, message, monkeypatch):
    monkeypatch.setenv("NPC_SETTING", text)
    with pytest.raises(ValueError, match=message):
        current_setting()


def test_a_choice_added_later_with_a_default_changes_no_earlier_result():
    assert "accumulate" not in results._choices(TUTORIAL)
    changed = dataclasses.replace(TUTORIAL, accumulate=4)
    assert results._choices(changed)["accumulate"] == 4
    assert results._choices(TUTORIAL)["shrink"] == 2


@pytest.mark.slow
def test_a_step_from_small_batches_is_the_step_from_a_large_one(tmp_path):
    """Frozen batch normalisation and no dropout: the mean gradient of four batches of eight."""
    images, high_risk = two_groups()
    data = images[:24], high_risk[:24]
    whole = dataclasses.replace(ALL, batch_size=8, dropout=0.0, max_epochs=1)
    parts = dataclasses.replace(whole, accumulate=4)
    assert parts.images_at_a_time == 2
    steps = {}
    for name, setting in (("whole", whole), ("parts", parts)):
        learner, _ = run(data, setting, tmp_path / name)
        steps[name] = learner
        assert int(learner.optimizer.iterations) == 3
    start = models.prognosis_model(whole, seed=1)
    for a, b, c in zip(
        *(m.trainable_variables for m in (steps["whole"], steps["parts"], start)), strict=True
    ):
        moved = np.abs(np.asarray(a) - np.asarray(c)).max()
        assert np.abs(np.asarray(a) - np.asarray(b)).max() <= 0.05 * moved + 1e-7, a.path


@pytest.mark.slow
def test_half_of_the_bits_give_the_same_answer_nearly(tmp_path):
    images, high_risk = two_groups()
    exact = models.prognosis_model(ALL, seed=1)
    mixed = models.prognosis_model(dataclasses.replace(ALL, precision="mixed_bfloat16"), seed=1)
    assert keras.config.dtype_policy().name == "float32", "the policy is set back"
    assert mixed.get_layer("block17_1_conv").compute_dtype == "bfloat16"
    assert {str(w.dtype) for w in mixed.weights} <= {"float32", "uint32"}
    np.testing.assert_allclose(
        mixed.predict(images, verbose=0), exact.predict(images, verbose=0), atol=0.02
    )
    maps = [gradcam.class_map(gradcam.activations(m, images), gradcam.head(m)[0])
            for m in (exact, mixed)]  # fmt: skip
    assert np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] > 0.99
    setting = dataclasses.replace(ALL, precision="mixed_bfloat16", max_epochs=2)
    _, history = weights_after((images, high_risk), setting, tmp_path)
    assert len(history) == 2 and np.isfinite(history.loss).all()
