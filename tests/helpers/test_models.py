"""The network against keras.applications, the weight sources, the two-neuron end."""

import dataclasses
import gc
import hashlib
import json
import weakref

import h5py
import keras
import numpy as np
import pytest
from fixed_weights import pixels, random_values

from npc_helpers.network import features, models, weight_sources
from npc_helpers.study.settings import PAPER, TUTORIAL

SMALL = {"width": 0.05, "blocks": (2, 2, 2)}
SMALL_SETTING = dataclasses.replace(PAPER, canvas=160, shrink=2, weights="none", **SMALL)


# --- the architecture -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published():
    """The network of keras.applications, as an independent expectation."""
    return keras.applications.InceptionResNetV2(
        include_top=False, weights=None, input_shape=(128, 128, 3)
    )


@pytest.fixture(scope="module")
def full(published):
    return models.inception_resnet_v2(128, channels=3)


@pytest.mark.slow
def test_full_network_is_the_published_one(full, published):
    published.set_weights(random_values(published))
    full.set_weights(published.get_weights())
    images = pixels(2, 128, 128, 3)
    preprocess = keras.applications.inception_resnet_v2.preprocess_input
    expected = published.predict(preprocess(images.astype(np.float32)), verbose=0)
    assert expected.std() > 0.1
    np.testing.assert_allclose(full.predict(images, verbose=0), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_full_network_has_the_published_layers(full, published):
    assert full.count_params() == published.count_params() == 54_336_736
    stable = {"mixed_5b", "mixed_6a", "mixed_7a", "conv_7b", "conv_7b_bn", "conv_7b_ac"}
    stable |= {layer.name for layer in published.layers if layer.name.startswith("block")}
    assert stable <= {layer.name for layer in full.layers}
    for name in stable:
        assert full.get_layer(name).output.shape == published.get_layer(name).output.shape


@pytest.mark.slow
def test_grey_image_equals_colour_image_with_three_equal_channels():
    grey = pixels(1, 80, 80, 1)
    grey_model = models.inception_resnet_v2(80, **SMALL, seed=3)
    three = models.inception_resnet_v2(80, **SMALL, seed=3, channels=3)
    np.testing.assert_array_equal(
        grey_model.predict(grey, verbose=0), three.predict(grey.repeat(3, axis=-1), verbose=0)
    )


def test_layer_names_do_not_depend_on_what_was_built_before():
    first, second = (models.inception_resnet_v2(80, **SMALL) for _ in range(2))
    assert [a.name for a in first.layers] == [b.name for b in second.layers]


def test_scaled_network_scales_filters_and_keeps_names():
    model = models.inception_resnet_v2(256, width=0.25, blocks=(1, 1, 1))
    assert model.output.shape == (None, 6, 6, 384)
    assert model.get_layer("stem_5").filters == 48
    assert model.get_layer("mixed_5b").output.shape[-1] == 80
    inner = keras.Model(model.input, model.get_layer("block17_1_ac").output)  # one flat graph
    assert inner.output.shape == (None, 14, 14, 272)


@pytest.mark.slow
def test_a_network_that_looks_at_the_middle_is_the_network_on_that_part():
    images = pixels(2, 100, 100, 1)
    middle = models.inception_resnet_v2(100, **SMALL, middle=(80, 81))
    whole = models.inception_resnet_v2(100, **SMALL)
    part = keras.models.clone_model(whole, input_tensors=keras.Input((80, 81, 1)))
    part.set_weights(middle.get_weights())
    np.testing.assert_allclose(
        middle.predict(images, verbose=0),
        part.predict(images[:, 10:90, 9:90], verbose=0),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.slow
def test_start_values_depend_on_the_seed_alone():
    keras.utils.set_random_seed(1)
    first = models.inception_resnet_v2(80, **SMALL, seed=5).get_weights()
    keras.utils.set_random_seed(2)
    same = models.inception_resnet_v2(80, **SMALL, seed=5).get_weights()
    of_another_seed = models.inception_resnet_v2(80, **SMALL, seed=6).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not np.array_equal(first[0], of_another_seed[0])


@pytest.mark.parametrize(
    ("size", "options", "word"),
    [
        (64, {}, "input_size is 64"),
        (80, {"width": 0}, "width is 0"),
        (80, {"blocks": (1, 0, 1)}, "blocks is"),
        (80, {"channels": 2}, "channels is 2"),
        (80, {"middle": (80, 60)}, "middle is"),
        (80, {"middle": (81, 80)}, "middle is"),
    ],
)
def test_impossible_architectures_are_refused(size, options, word):
    with pytest.raises(ValueError, match=word):
        models.inception_resnet_v2(size, **options)


# --- weight sources ---------------------------------------------------------------------------


def write_published_layout(path, model, values):
    """Write weights the way keras.applications' files hold them: by layer, in order."""
    values = iter(values)
    with h5py.File(path, "w") as file:
        holders = [layer for layer in model.layers if layer.weights]
        file.attrs["layer_names"] = [f"any_{i}".encode() for i in range(len(holders))]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.0.6"
        for i, layer in enumerate(holders):
            group = file.create_group(f"any_{i}")
            names = [f"any_{i}/{w.name}:0".encode() for w in layer.weights]
            group.attrs["weight_names"] = names
            for name in names:
                group[name.decode()] = next(values)


@pytest.fixture
def weight_file(tmp_path):
    model = models.inception_resnet_v2(80, **SMALL)
    values = random_values(model, seed=9)
    path = tmp_path / weight_sources.IMAGENET_FILE
    write_published_layout(path, model, values)
    return path, values


def assert_holds(model, values):
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), values, strict=True))


def test_local_file_in_the_published_layout(weight_file):
    path, values = weight_file
    assert_holds(models.inception_resnet_v2(80, **SMALL, weights=str(path)), values)


def test_imagenet_file_is_found_in_the_cache_folder_of_keras(weight_file, monkeypatch):
    path, values = weight_file
    (path.parent / "models").mkdir()
    path.rename(path.parent / "models" / path.name)
    monkeypatch.setenv("KERAS_HOME", str(path.parent))
    with pytest.raises(ValueError, match="incomplete or another one"):
        models.inception_resnet_v2(80, **SMALL, weights="imagenet")
    md5 = hashlib.md5(weight_sources.imagenet_path().read_bytes()).hexdigest()
    monkeypatch.setattr(weight_sources, "IMAGENET_MD5", md5)
    assert_holds(models.inception_resnet_v2(80, **SMALL, weights="imagenet"), values)


def test_missing_imagenet_file_says_what_goes_where(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(models.WeightsNotFound) as error:
        models.prognosis_model(PAPER, seed=1)
    for word in (weight_sources.IMAGENET_FILE, weight_sources.IMAGENET_MD5, str(tmp_path)):
        assert word in str(error.value)
    assert not list(tmp_path.iterdir())  # nothing was downloaded


def test_missing_local_file_and_other_architecture(weight_file):
    with pytest.raises(models.WeightsNotFound, match=r"no weight file .*nowhere\.h5"):
        models.inception_resnet_v2(80, **SMALL, weights="nowhere.h5")
    with pytest.raises(ValueError, match="does not fit this network"):
        models.inception_resnet_v2(80, width=0.05, blocks=(1, 1, 1), weights=str(weight_file[0]))


def test_radimagenet_file_brings_its_own_preprocessing(weight_file):
    path = weight_file[0].rename(weight_file[0].with_name("RadImageNet-IRV2_notop.h5"))
    model = models.inception_resnet_v2(80, **SMALL, weights=str(path), channels=3)
    entry = keras.Model(model.input, model.get_layer("pixels_scale").output)
    image = pixels(1, 80, 80, 3)
    expected = (image[..., ::-1] - np.array([103.939, 116.779, 123.68])) / 255
    np.testing.assert_allclose(entry.predict(image, verbose=0), expected, atol=1e-6)
    assert_holds(model, weight_file[1])


def test_in_domain_weights_survive_saving_within_half_precision(tmp_path, monkeypatch):
    path = tmp_path / "in_domain.npz"
    monkeypatch.setattr(weight_sources, "IN_DOMAIN_FILE", path)
    with pytest.raises(models.WeightsNotFound, match="pretrain_in_domain"):
        models.inception_resnet_v2(80, **SMALL, weights="in_domain")
    model = models.inception_resnet_v2(80, **SMALL)
    model.set_weights(random_values(model))
    weight_sources.save_in_domain(model, path, **SMALL)
    loaded = models.inception_resnet_v2(80, **SMALL, weights="in_domain", seed=7)
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match="weights of another network"):
        models.inception_resnet_v2(80, width=0.1, blocks=(2, 2, 2), weights="in_domain")
    note = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**note, "sha256": "0" * 64}))
    with pytest.raises(ValueError, match="SHA-256 differs"):
        models.inception_resnet_v2(80, **SMALL, weights="in_domain")


def test_shipped_weights_fit_the_tutorial_setting():
    shipped = models.prognosis_model(TUTORIAL, seed=1).get_layer("conv_7b").get_weights()[0]
    random = models.prognosis_model(TUTORIAL, seed=1, weights="none").get_layer("conv_7b")
    assert np.isfinite(shipped).all()
    assert not np.array_equal(shipped, random.get_weights()[0])
    assert weight_sources.IN_DOMAIN_FILE.stat().st_size < 6e6


# --- the prognosis model ----------------------------------------------------------------------


@pytest.mark.slow
def test_two_neurons_on_the_mean_of_each_feature_map():
    model = models.prognosis_model(SMALL_SETTING, seed=1)
    images = pixels(3, 80, 80, 1)
    inner = keras.Model(model.input, model.get_layer("conv_7b_ac").output)
    kernel, bias = model.get_layer("risk").get_weights()
    logits = inner.predict(images, verbose=0).mean(axis=(1, 2)) @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, rtol=1e-4)


def test_l2_is_in_the_loss():
    model = models.prognosis_model(SMALL_SETTING, seed=1)
    kernel = model.get_layer("risk").get_weights()[0]
    assert len(model.losses) == 1
    assert float(model.losses[0]) == pytest.approx(SMALL_SETTING.l2 * (kernel**2).sum(), rel=1e-4)


@pytest.mark.parametrize("trainable", ["head", "all"])
def test_normalisation_stays_frozen(trainable):
    setting = dataclasses.replace(SMALL_SETTING, trainable=trainable, dropout=0.0)
    model = models.prognosis_model(setting, seed=1)
    images = pixels(4, 80, 80, 1).astype(np.float32)
    before = [np.array(v) for v in model.non_trainable_variables]
    still, training = model(images, training=False), model(images, training=True)
    np.testing.assert_array_equal(np.array(still), np.array(training))
    after = [np.array(v) for v in model.non_trainable_variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    names = {v.path.split("/")[0] for v in model.trainable_variables}
    assert names == {"risk"} if trainable == "head" else not any("_bn" in n for n in names)


def test_normalisation_learns_along_where_the_setting_says_so():
    setting = dataclasses.replace(SMALL_SETTING, train_normalisation=True, dropout=0.0)
    model = models.prognosis_model(setting, seed=1)
    images = pixels(4, 80, 80, 1).astype(np.float32)
    before = np.array(model.get_layer("stem_1_bn").moving_mean)
    inner = keras.Model(model.input, model.get_layer("stem_1").output)
    mean = inner.predict(images, verbose=0).mean(axis=(0, 1, 2))
    model(images, training=True)
    after = np.array(model.get_layer("stem_1_bn").moving_mean)
    np.testing.assert_allclose(after, 0.9 * before + 0.1 * mean, rtol=1e-3, atol=1e-5)


def test_unknown_way_of_training_is_refused():
    with pytest.raises(ValueError, match="'bottom'; choose one of head, top, all"):
        models.prognosis_model(dataclasses.replace(SMALL_SETTING, trainable="bottom"), seed=1)


@pytest.mark.slow
def test_top_blocks_on_kept_values_learn_as_they_do_in_the_whole_network(tmp_path):
    """Three steps from what `block17` answers, and three from the images, by Keras' own `fit`."""
    setting = dataclasses.replace(SMALL_SETTING, trainable="top", dropout=0.0)
    images, labels = pixels(6, 80, 80, 1), np.array([0, 1, 0, 1, 1, 0])
    whole, start = models.prognosis_model(setting, seed=1), models.prognosis_model(setting, seed=1)
    top = models.trainable_part(start)
    kept = features.training_inputs(start, images, folder=tmp_path, progress=False)
    again = features.training_inputs(start, images, folder=tmp_path, progress=False)
    assert len(list(tmp_path.iterdir())) == 1 and kept.shape[1:] == top.input.shape[1:]
    np.testing.assert_array_equal(kept, again)
    for model, inputs in ((whole, images), (top, kept)):
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        model.fit(inputs, labels, batch_size=2, epochs=1, shuffle=False, verbose=0)
    moved = {w.path.split("/")[0] for w in whole.trainable_variables}
    assert moved == {w.path.split("/")[0] for w in top.trainable_variables}
    assert {name.split("_")[0] for name in moved} == {"mixed", "block8", "conv", "risk"}
    assert not any("6a" in name or name.endswith("_bn") for name in moved)
    for layer in top.layers:
        same = whole.get_layer(layer.name).get_weights() if layer.weights else []
        for a, b in zip(layer.get_weights(), same, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    first, last = (m.get_layer("conv_7b").get_weights()[0] for m in (start, top))
    assert np.abs(first - last).max() > 1e-4


def test_a_part_of_a_model_is_built_once_and_forgotten_with_it():
    model = models.prognosis_model(SMALL_SETTING, seed=0)
    images = np.zeros((1, SMALL_SETTING.input_size, SMALL_SETTING.input_size, 1), dtype=np.uint8)
    part = models.up_to(model, models.POOL)
    before = part.predict_on_batch(images)
    graph = part.predict_function
    for layer in part.layers:
        layer.set_weights([w + 0.01 for w in layer.get_weights()])
    again = models.up_to(model, models.POOL)
    assert again is part is models.backbone_of(model) and again.predict_function is graph
    assert models.up_to(model, models.LAST_CONVOLUTION) is not part
    np.testing.assert_allclose(
        again.predict_on_batch(images),
        models.up_to(model, models.LAST_CONVOLUTION).predict_on_batch(images).mean((1, 2)),
        rtol=1e-4,
    )
    assert np.abs(again.predict_on_batch(images) - before).max() > 1e-3
    remembered = weakref.ref(part)
    del model, part, again, graph, layer
    for _ in range(2):  # the model goes first
        gc.collect()
    assert remembered() is None


def test_description_covers_the_whole_model():
    model = models.prognosis_model(SMALL_SETTING, seed=1)
    table = models.describe(model)
    assert list(table.columns) == ["stage", "repeats", "layers", "output_shape", "parameters"]
    assert list(table.stage) == [
        "pixels", "stem", "mixed_5b", "block35", "mixed_6a", "block17", "mixed_7a", "block8",
        "conv_7b", "pool", "dropout", "risk",
    ]  # fmt: skip
    assert table.parameters.sum() == model.count_params()
    assert table.layers.sum() == len(model.layers)
    rows = table.set_index("stage")
    assert list(rows.repeats[["stem", "block35", "block17", "block8"]]) == [1, 2, 2, 2]
    assert rows.output_shape["risk"] == (2,)
    assert rows.output_shape["mixed_7a"] == model.get_layer("mixed_7a").output.shape[1:]
