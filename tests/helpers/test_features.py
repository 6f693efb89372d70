"""Features of images: what they are, and who learns from them."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from training_runs import ALL, HEAD, start_model, two_groups

from npc_helpers.network import features, models
from npc_helpers.study.settings import PAPER, TUTORIAL


@pytest.fixture
def images():
    return two_groups()[0]


def test_features_of_a_model_are_the_means_of_its_last_maps(images):
    model = start_model(HEAD)
    values = features.extract_features(model, images)
    inner = keras.Model(model.input, model.get_layer("conv_7b_ac").output)
    means = inner.predict(images, verbose=0).mean(axis=(1, 2))
    np.testing.assert_allclose(values, means, rtol=1e-4, atol=1e-6)


def test_the_head_does_not_change_what_the_backbone_is_known_by():
    first, second = (models.prognosis_model(HEAD, seed=1) for _ in range(2))
    second.get_layer("risk").set_weights([np.ones((77, 2)), np.ones(2)])
    backbones = [models.backbone_of(model) for model in (first, second)]
    assert len({features.model_identity(backbone) for backbone in backbones}) == 1


def test_memory_maps_are_read_batch_by_batch(images, tmp_path):
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    model = start_model(HEAD)
    np.testing.assert_array_equal(
        features.answers(model, mapped, batch_size=8), features.answers(model, images, batch_size=8)
    )


def test_a_network_that_learns_as_a_whole_learns_from_images(images, tmp_path):
    assert features.training_inputs(start_model(ALL), images, folder=tmp_path) is images
    frozen = features.training_inputs(start_model(HEAD), images, folder=tmp_path, progress=False)
    np.testing.assert_array_equal(frozen, features.extract_features(start_model(HEAD), images))


def test_rectangles_that_the_network_sees_in_part_are_told():
    boxes = pd.DataFrame({"x0": [0, 10, 0], "y0": 0, "x1": [420, 431, 300], "y1": [224, 100, 226]})
    with pytest.warns(UserWarning, match="2 of 3 rectangles are larger than 224 rows x 420 col"):
        features.warn_of_cut_rectangles(boxes, TUTORIAL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features.warn_of_cut_rectangles(boxes, PAPER)
        features.warn_of_cut_rectangles(boxes.iloc[:1], TUTORIAL)
