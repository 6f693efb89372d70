"""Grad-CAM maps against autodiff, the network's own geometry, and planted truths."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixed_weights import network, pixels

from npc_helpers.imaging.roi import Rectangle, zero_pad
from npc_helpers.network import features, gradcam, gradcam_bench, gradcam_scores, models, sanity
from npc_helpers.network.map_geometry import Geometry
from npc_helpers.study import NotInThisStudy
from npc_helpers.study.settings import PAPER, TUTORIAL

ORACLE = Path(__file__).parents[1] / "oracle"
SMALL = replace(TUTORIAL, width=0.04, blocks=(1, 1, 1), weights="none", middle=None)


@pytest.fixture(scope="module")
def model():
    from npc_helpers.network.models import prognosis_model

    model = prognosis_model(SMALL, seed=3)
    risk = model.get_layer("risk")
    kernel, _ = risk.get_weights()
    risk.set_weights([kernel, np.array([0.3, -0.2], dtype=np.float32)])
    return model


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 256, 256, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def maps_and_head(model, images):
    return gradcam.activations(model, images), *gradcam.head(model)


# --- the closed form --------------------------------------------------------------------------


def test_cells_and_bias_add_up_to_the_score(model, images, maps_and_head):
    activations, weights, bias = maps_and_head
    p = model.predict(images, verbose=0).astype(float)
    margin = gradcam.class_map(activations, weights, target="margin").sum(axis=(1, 2))
    np.testing.assert_allclose(margin + bias[1] - bias[0], np.log(p[:, 1] / p[:, 0]), atol=1e-4)
    high = gradcam.class_map(activations, weights, target="logit").sum(axis=(1, 2)) + bias[1]
    low = gradcam.class_map(activations, weights[:, ::-1], target="logit").sum(axis=(1, 2))
    logits = np.column_stack([low + bias[0], high])
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), p, atol=1e-5)


@pytest.mark.parametrize("target", gradcam.TARGETS)
def test_closed_form_equals_gradient_gradcam(model, images, maps_and_head, target):
    import tensorflow as tf

    activations, weights, bias = maps_and_head
    answer = tf.convert_to_tensor(activations)
    with tf.GradientTape() as tape:
        tape.watch(answer)
        logits = tf.reduce_mean(answer, axis=(1, 2)) @ weights + bias
        score = {
            "margin": logits[:, 1] - logits[:, 0],
            "logit": logits[:, 1],
            "softmax": tf.nn.softmax(logits)[:, 1],
        }[target]
    importance = tf.reduce_mean(tape.gradient(score, answer), axis=(1, 2), keepdims=True)
    by_gradient = tf.reduce_sum(importance * answer, axis=-1).numpy()
    closed = gradcam.class_map(activations, weights, target=target, bias=bias)
    np.testing.assert_allclose(closed, by_gradient, rtol=1e-3, atol=1e-6 * np.abs(closed).max())


def test_softmax_map_is_the_margin_map_dimmed_by_certainty(maps_and_head):
    activations, weights, _ = maps_and_head
    margin = gradcam.class_map(activations, weights)
    for shift, dimming in ((0.0, 1 / 4), (1000.0, 0.0)):
        bias = np.array([0.0, shift]) - np.array([0.0, margin[0].sum()])
        softmax = gradcam.class_map(activations, weights, target="softmax", bias=bias)
        np.testing.assert_allclose(softmax[0], margin[0] * dimming, rtol=1e-4)


def test_refusals_say_what_to_do(maps_and_head):
    activations, weights, _ = maps_and_head
    with pytest.raises(ValueError, match="choose one of margin, logit, softmax"):
        gradcam.class_map(activations, weights, target="loss")
    with pytest.raises(ValueError, match="give bias"):
        gradcam.class_map(activations, weights, target="softmax")
    with pytest.raises(ValueError, match="do not fit"):
        gradcam.class_map(activations, weights[:-1])


def test_finer_maps_are_activation_times_gradient(model, images, maps_and_head):
    """Against TensorFlow's tape at block17; at the last convolution they are the exact map."""
    import keras
    import tensorflow as tf

    activations, weights, bias = maps_and_head
    exact = gradcam.class_map(activations, weights)
    last = gradcam.finer_map(model, images, layer="conv_7b_ac", batch_size=2)
    np.testing.assert_allclose(last, exact, atol=1e-5 * np.abs(exact).max())
    layer = models.end_of_block17(model)
    behind = keras.Model(model.get_layer(layer).output, model.get_layer("pool").output)
    values = tf.convert_to_tensor(features.answers(models.up_to(model, layer), images))
    with tf.GradientTape() as tape:
        tape.watch(values)
        score = tf.reduce_sum(behind(values) @ (weights[:, 1:] - weights[:, :1]))
    expected = tf.reduce_sum(tape.gradient(score, values) * values, axis=-1).numpy()
    before = [w.copy() for w in model.get_weights()]
    finer = gradcam.finer_map(model, images, batch_size=2)
    assert finer.shape == (3, 14, 14)
    np.testing.assert_allclose(finer, expected, atol=1e-5 * np.abs(expected).max())
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert all(layer.trainable == behind.get_layer(layer.name).trainable for layer in behind.layers)
    odds = gradcam.log_odds(model, images)
    np.testing.assert_allclose(odds, exact.sum(axis=(1, 2)) + bias[1] - bias[0], atol=1e-5)
    p = model.predict(images, verbose=0).astype(float)
    np.testing.assert_allclose(odds, np.log(p[:, 1] / p[:, 0]), atol=1e-4)


def test_maps_are_those_of_pytorch_grad_cam():
    """`tests/oracle/gradcam.py`: Grad-CAM at the last convolution, HiResCAM at block17."""
    expected = json.loads((ORACLE / "gradcam.json").read_text(encoding="utf-8"))
    model, images = network(), pixels(2, 144, 144, 1)
    exact = gradcam.class_map(gradcam.activations(model, images), gradcam.head(model)[0])
    maps = {"GradCAM": exact, "HiResCAM": gradcam.finer_map(model, images)}
    for name, values in maps.items():
        largest = np.abs(expected[name]).max()
        np.testing.assert_allclose(values, expected[name], atol=1e-4 * largest, err_msg=name)


# --- alignment --------------------------------------------------------------------------------


PLACES = Geometry(first_centre=37, stride=32, canvas=512, shrink=2)


def test_geometry_follows_from_the_layers_of_the_built_model(model):
    """37 and 32 by hand: stem 3/2, 3, same, pool 3/2, 1, 3, pool 3/2, then 3/2 twice."""
    place = Geometry.of(model, canvas=512)
    assert place == PLACES
    assert place.cell_centres(14).tolist()[::13] == [37, 453]
    block17 = Geometry.of(model, layer="block17_1_ac", canvas=512)
    assert (block17.first_centre, block17.stride) == (21, 16)


def test_geometry_that_is_not_one_is_refused():
    import keras
    from keras import layers

    pixels = keras.Input((64, 64, 1))
    wide = layers.Conv2D(2, 3, padding="valid", strides=2)(layers.ZeroPadding2D(1)(pixels))
    narrow = layers.Conv2D(2, 3, padding="valid", strides=2)(pixels)
    both = keras.Model(pixels, layers.Add(name="both")([wide[:, :31, :31], narrow]))
    with pytest.raises(ValueError, match="both look at different places"):
        Geometry.of(both, layer="both", canvas=64)
    padded = keras.Model(pixels, layers.Conv2D(2, 3, padding="same", strides=2, name="c")(pixels))
    with pytest.raises(ValueError, match="c pads and strides"):
        Geometry.of(padded, layer="c", canvas=64)
    with pytest.raises(ValueError, match="no layer 'd'"):
        Geometry.of(keras.Model(pixels, narrow), layer="d", canvas=64)


def test_a_small_spot_moves_the_map_at_its_own_place():
    """The answer of a random network to one spot, at 512 where plain resizing misses by 30 px."""
    from npc_helpers.network.models import prognosis_model

    model = prognosis_model(replace(SMALL, shrink=1), seed=3)
    spots = np.array([(128, 160), (380, 380), (400, 256), (100, 400)])
    blank = np.zeros((1, 512, 512, 1), dtype=np.float32)
    images = np.repeat(blank, len(spots), axis=0)
    for image, (row, column) in zip(images, spots, strict=True):
        image[row - 4 : row + 5, column - 4 : column + 5] = 255
    answer = gradcam.activations(model, images) - gradcam.activations(model, blank)
    mass = (np.abs(answer).sum(axis=-1) ** 2).astype(float)

    def centroids(centres):
        both = np.column_stack([mass.sum(axis=2) @ centres, mass.sum(axis=1) @ centres])
        return both / mass.sum(axis=(1, 2))[:, None]

    n = mass.shape[1]
    np.testing.assert_allclose(centroids(PLACES.cell_centres(n)), spots, atol=12)
    resized = (np.arange(n) + 0.5) * 512 / n - 0.5
    assert np.abs(centroids(resized) - spots).max() > 30


def test_a_network_that_looks_at_the_middle_puts_its_cells_there():
    """A spot in the input of 256, seen through a window of 160 rows and 224 columns."""
    from npc_helpers.network.models import prognosis_model

    model = prognosis_model(replace(SMALL, middle=(160, 224)), seed=3)
    place = Geometry.of(model, canvas=512)
    assert place.cut == (48, 16)
    row, column = 48 + 37 + 32, 16 + 37 + 4 * 32  # the centre of cell (1, 4)
    images = np.zeros((2, 256, 256, 1), dtype=np.float32)
    images[1, row - 2 : row + 3, column - 2 : column + 3] = 255
    answer = gradcam.activations(model, images)
    change = np.abs(answer[1] - answer[0]).sum(axis=-1)
    assert np.unravel_index(change.argmax(), change.shape) == (1, 4)
    assert place.cell_centres(2)[1] == row and place.cell_centres(5, axis=1)[4] == column
    canvas = place.to_canvas(change)
    peak = np.unravel_index(canvas.argmax(), canvas.shape)
    np.testing.assert_allclose(peak, (2 * row, 2 * column), atol=2)


def test_cells_keep_their_values_at_their_centres_and_planes_stay_flat():
    place = replace(PLACES, canvas=256, shrink=1)
    centres = place.cell_centres(6).astype(int)
    plane = np.add.outer(2.0 * centres, centres)
    aligned = place.to_canvas(np.stack([plane, np.ones((6, 6))]))
    assert aligned.shape == (2, 256, 256)
    np.testing.assert_allclose(aligned[0][np.ix_(centres, centres)], plane)
    np.testing.assert_allclose(aligned[0, 100, 60], 2 * 100 + 60)
    np.testing.assert_allclose(aligned[1], 1, rtol=1e-6)


@pytest.mark.parametrize("setting", [TUTORIAL, PAPER])
def test_map_lands_on_the_original_pixels(setting):
    """A ramp over the padded canvas, cropped back, is the ramp over the image's own pixels."""
    box = Rectangle(61, 140, 461, 341)  # odd height: padding differs above and below
    n = (setting.input_size - 75) // 32 + 1
    place = replace(PLACES, shrink=setting.shrink)
    centres = place.cell_centres(n)
    grid = np.repeat(((centres + 0.5) * setting.shrink - 0.5)[:, None], n, axis=1)
    on_image = place.to_image(grid, box, (512, 512))
    assert np.isnan(on_image[:140]).all() and np.isnan(on_image[:, :61]).all()
    canvas_row = np.repeat(np.arange(512.0)[:, None], 512, axis=1)
    where = zero_pad(np.ones((box.height, box.width))) > 0
    expected = np.clip(canvas_row[where], grid.min(), grid.max()).reshape(box.height, box.width)
    np.testing.assert_allclose(on_image[box.slices], expected, rtol=1e-5)


# --- scores -----------------------------------------------------------------------------------


@pytest.fixture
def planted():
    """A disc of truth in a region of 400 x 200 that leaves a border unseen."""
    rows, columns = np.mgrid[:512, :512]
    mask = (rows - 240) ** 2 + (columns - 300) ** 2 < 30**2
    unseen = (rows < 150) | (rows >= 350) | (columns < 50) | (columns >= 450)
    return mask, unseen, -np.hypot(rows - 240, columns - 300)


def test_perfect_map_and_flat_map_score_as_they_should(planted):
    mask, unseen, nearness = planted
    perfect = gradcam_scores.scores(np.where(unseen, np.nan, mask * 1.0), mask)
    share = mask.sum() / (400 * 200)
    assert perfect["auprc"] == 1 and perfect["energy_ratio"] == pytest.approx(1 / share)
    assert perfect["mask_share"] == pytest.approx(share)
    flat = gradcam_scores.scores(np.where(unseen, np.nan, 1.0), mask)
    assert flat["energy_ratio"] == pytest.approx(1)
    assert flat["auprc"] == pytest.approx(share)
    ranked = gradcam_scores.scores(np.where(unseen, np.nan, nearness + 1000), mask)
    assert ranked["auprc"] == 1 and 1 < ranked["energy_ratio"] < 2


def test_average_precision_agrees_with_scikit_learn(planted):
    from sklearn.metrics import average_precision_score

    mask, unseen, _ = planted
    rng = np.random.default_rng(1)
    rough = np.round(rng.normal(size=mask.shape) + mask, 1)  # many ties
    values = gradcam_scores.scores(np.where(unseen, np.nan, rough), mask)
    expected = average_precision_score(mask[~unseen], rough[~unseen])
    assert values["auprc"] == pytest.approx(expected, rel=1e-9)


def test_map_without_positive_evidence_has_no_energy_on_the_structure(planted):
    mask, unseen, nearness = planted
    values = gradcam_scores.scores(np.where(unseen, np.nan, nearness - 1), mask)
    assert values["energy_ratio"] == 0
    assert np.isfinite(list(values.values())).all()


def test_structure_outside_the_region_is_refused(planted):
    mask, _, _ = planted
    with pytest.raises(ValueError, match="no pixel of the structure"):
        gradcam_scores.scores(np.where(mask, np.nan, 1.0), mask)
    with pytest.raises(ValueError, match="different shapes"):
        gradcam_scores.scores(np.ones((4, 4)), mask)


@pytest.fixture
def index():
    return pd.DataFrame(
        {
            "patient_id": ["A", "A", "B"], "timepoint": "post", "sequence": "t2w",
            "slice_index": [0, 1, 0], "x0": 56, "y0": 156, "x1": 456, "y1": 356,
        }
    )  # fmt: skip


def test_score_table_knows_where_there_is_truth(index, monkeypatch):
    truth = np.zeros((2, 2, 512, 512), dtype=bool)
    truth[0, 0, 200:260, 200:260] = True  # tumour in slice 0 only
    of_patient = {"A": truth, "B": None}
    monkeypatch.setattr(gradcam_bench, "read_mask", lambda study, who, when: of_patient[who])
    maps = [("even", np.ones((3, 6, 6))), ("none", -np.ones((3, 6, 6)))]
    table = gradcam_bench.score_table(None, index, maps, PLACES)
    even = table[table["map"] == "even"]
    assert even.energy_ratio.notna().tolist() == [True, False, False]
    assert even.energy_ratio.iloc[0] == pytest.approx(1)
    assert even.padding_share.to_numpy() == pytest.approx(1 - 400 * 200 / 512**2, abs=1e-5)
    assert table[table["map"] == "none"].energy_ratio.iloc[0] == 0
    with pytest.raises(ValueError, match="tumour, nodes"):
        next(gradcam_bench.known_structures(None, index, PLACES, "bone"))


def image_scores(values):
    """One row per value: (map, patient, slice, energy ratio)."""
    names = ["map", "patient_id", "slice_index", "energy_ratio"]
    return pd.DataFrame(values, columns=names).assign(timepoint="post", sequence="t2w")


def test_patients_count_alike_however_many_slices_they_have():
    one_slice, four = [("m", "A", 0, 8.0)], [("m", "B", i, 2.0) for i in range(4)]
    summary = gradcam_scores.patient_summary(
        image_scores(one_slice + four), columns=["energy_ratio"]
    ).iloc[0]
    assert summary["mean"] == 5 and (summary.n_patients, summary.n_images) == (2, 5)
    assert (summary.low, summary.high) == (2, 8)


def test_differences_are_within_patients():
    """Patients differ tenfold, the maps by exactly one in each of them."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(20):
        level = 10 * rng.random()
        rows += [("a", f"P{k}", i, level + 1 + i) for i in range(2)]
        rows += [("b", f"P{k}", i, level + i) for i in range(2)]
    table = gradcam_scores.patient_differences(image_scores(rows), "a", columns=["energy_ratio"])
    assert table["map"].tolist() == ["b"] and table.n_patients.tolist() == [20]
    np.testing.assert_allclose(table[["difference", "low", "high"]], 1)


def test_what_a_map_is_compared_with(index):
    rng = np.random.default_rng(2)
    activations, weights = rng.random((3, 6, 6, 8), dtype=np.float32), rng.normal(size=(8, 2))
    maps = gradcam_bench.explanations(activations, weights, index, PLACES, seed=1)
    names = [name for name, _ in maps]
    assert names == [
        "Grad-CAM", "bump", "other patients", "no head", "low risk", *["random head"] * 5,
    ]  # fmt: skip
    by_name = dict(maps)
    margin = gradcam.class_map(activations, weights)
    np.testing.assert_array_equal(by_name["Grad-CAM"], margin)
    np.testing.assert_array_equal(by_name["low risk"], -margin)
    np.testing.assert_allclose(by_name["other patients"][2], margin[:2].mean(axis=0))
    np.testing.assert_allclose(by_name["other patients"][0], margin[2])
    canvas = PLACES.to_canvas(by_name["bump"][0])
    middle = np.unravel_index(canvas.argmax(), canvas.shape)
    assert max(abs(m - 255.5) for m in middle) <= 32  # within half a cell of the middle
    assert by_name["bump"][0].sum(axis=0).argmax() in (2, 3)
    first = gradcam_bench.explanations(activations, weights, index, PLACES, seed=1)[-1][1]
    np.testing.assert_array_equal(maps[-1][1], first)


def test_only_scores_with_a_truth_are_compared():
    table = image_scores([("m", "A", 0, 2.0), ("m", "B", 0, np.nan)])
    assert gradcam_bench.with_truth(table).patient_id.tolist() == ["A"]
    with pytest.raises(NotInThisStudy, match="no segmentations"):
        gradcam_bench.with_truth(table.iloc[1:])


# --- sanity -----------------------------------------------------------------------------------


def test_similarity_of_equal_opposite_and_constant_maps():
    maps = np.random.default_rng(0).normal(size=(4, 6, 6))
    maps -= maps.mean(axis=(1, 2), keepdims=True)
    ssim, rank = gradcam_scores.similarity(maps, 3 * maps)
    np.testing.assert_allclose([ssim, rank], 1)
    ssim, rank = gradcam_scores.similarity(maps, -maps)
    assert (ssim < -0.9).all()
    np.testing.assert_allclose(rank, -1)
    ssim, rank = gradcam_scores.similarity(maps, np.zeros_like(maps))
    assert np.isfinite(ssim).all() and not rank.any()


def test_cascade_goes_from_the_head_to_the_stem_and_leaves_the_model_alone(model, images):
    before = [w.copy() for w in model.get_weights()]
    table = sanity.sanity_check(model, images, seed=1)
    assert table.randomised.tolist() == [
        "none", "head", "conv_7b", "block8", "mixed_7a", "block17", "mixed_6a", "block35", "stem",
    ]  # fmt: skip
    assert table.loc[0, ["ssim", "rank_correlation"]].tolist() == [1, 1]
    assert (table.rank_correlation[1:] < 0.99).all() and np.isfinite(table.ssim).all()
    assert table.ssim_unrelated.nunique() == 1
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    pd.testing.assert_frame_equal(table, sanity.sanity_check(model, images, seed=1))
    with pytest.raises(ValueError, match="two images"):
        sanity.sanity_check(model, images[:1], seed=1)


def test_every_layer_with_weights_belongs_to_exactly_one_stage(model):
    stages = sanity._stages(model)
    names = [layer.name for _, layers in stages for layer in layers]
    assert sorted(names) == sorted(layer.name for layer in model.layers if layer.get_weights())
    for stage, layers in stages:
        if stage.startswith(("mixed", "block")):
            assert {layer.name.split("_")[0] for layer in layers} == {stage.split("_")[0]}
