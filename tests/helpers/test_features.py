"""Features of images: what they are, and when they are computed again."""

import keras
import numpy as np
import pytest
from training_runs import ALL, HEAD, start_model, two_groups

from npc_helpers.network import features, models


class Counting:
    """A backbone of two numbers an image that counts the images it has seen."""

    def __init__(self):
        self.seen = 0

    def __call__(self, images):
        self.seen += len(images)
        flat = images.reshape(len(images), -1).astype(float)
        return np.stack([flat.mean(axis=1), flat.max(axis=1)], axis=1)


@pytest.fixture
def images():
    return two_groups()[0]


def expected(images):
    return Counting()(images).astype(np.float32)


def test_features_of_a_model_are_the_means_of_its_last_maps(images):
    model = start_model(HEAD)
    values = features.extract_features(model, images, batch_size=7)
    inner = keras.Model(model.input, model.get_layer("conv_7b_ac").output)
    means = inner.predict(images, verbose=0).mean(axis=(1, 2))
    np.testing.assert_allclose(values, means, rtol=1e-4, atol=1e-6)


def test_an_image_is_computed_once_whatever_its_place(images, tmp_path):
    backbone, options = Counting(), {"cache": tmp_path, "identity": "mean and maximum"}
    first = features.extract_features(backbone, images[:20], **options)
    np.testing.assert_array_equal(first, expected(images[:20]))
    again = features.extract_features(backbone, images[::-1], **options)
    np.testing.assert_array_equal(again, expected(images[::-1]))
    assert backbone.seen == 30
    changed = images.copy()
    changed[3, 0, 0] += 1
    assert features.extract_features(backbone, changed, **options).shape == (30, 2)
    assert backbone.seen == 31


def test_what_was_computed_before_an_interruption_is_kept(images, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "CHUNK", 8)

    class Interrupted(Counting):
        def __call__(self, images):
            if self.seen >= 16:
                raise KeyboardInterrupt
            return super().__call__(images)

    options = {"cache": tmp_path, "identity": "mean and maximum", "batch_size": 8}
    with pytest.raises(KeyboardInterrupt):
        features.extract_features(Interrupted(), images, **options)
    rest = Counting()
    values = features.extract_features(rest, images, **options)
    assert rest.seen == 14
    np.testing.assert_array_equal(values, expected(images))


def test_a_damaged_file_of_the_cache_is_computed_again(images, tmp_path):
    backbone, options = Counting(), {"cache": tmp_path, "identity": "mean and maximum"}
    features.extract_features(backbone, images, **options)
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:200])
    values = features.extract_features(backbone, images, **options)
    assert backbone.seen == 60
    np.testing.assert_array_equal(values, expected(images))


def test_backbones_do_not_share_features(images, tmp_path):
    """Other weights under the same name, and the same weights under another name."""
    model = models.prognosis_model(HEAD, seed=1)
    before = features.extract_features(model, images[:4], cache=tmp_path)
    first = model.get_layer("stem_1")
    first.set_weights([2 * first.get_weights()[0]])
    after = features.extract_features(model, images[:4], cache=tmp_path)
    assert not np.allclose(before, after)
    assert len(list(tmp_path.iterdir())) == 2
    renamed = keras.Model(model.input, model.output, name="something_else")
    np.testing.assert_array_equal(
        features.extract_features(renamed, images[:4], cache=tmp_path), after
    )
    assert len(list(tmp_path.iterdir())) == 2


def test_the_head_does_not_change_what_the_backbone_is_known_by():
    first, second = (models.prognosis_model(HEAD, seed=1) for _ in range(2))
    second.get_layer("risk").set_weights([np.ones((77, 2)), np.ones(2)])
    backbones = [models.backbone_of(model) for model in (first, second)]
    assert len({features.model_identity(backbone) for backbone in backbones}) == 1


def test_a_callable_needs_a_name_to_be_cached(images, tmp_path):
    with pytest.raises(ValueError, match="name the identity"):
        features.extract_features(Counting(), images, cache=tmp_path)


def test_memory_maps_are_read_batch_by_batch(images, tmp_path):
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        features.extract_features(Counting(), mapped, batch_size=4), expected(images)
    )


def test_a_network_that_learns_as_a_whole_learns_from_images(images):
    assert features.training_inputs(start_model(ALL), images) is images
