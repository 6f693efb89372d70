"""Grad-CAM maps against autodiff, the network's own geometry, and planted truths."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from npc_helpers.imaging.roi import Rectangle, zero_pad
from npc_helpers.network import gradcam
from npc_helpers.study.settings import PAPER, TUTORIAL

SMALL = replace(TUTORIAL, width=0.04, blocks=(1, 1, 1), weights="none")


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


def test_relu_keeps_only_what_speaks_for_the_target():
    rng = np.random.default_rng(5)
    activations, weights = rng.random((2, 6, 6, 8)), rng.normal(size=(8, 2))
    weights -= weights.mean(axis=0)
    signed = gradcam.class_map(activations, weights)
    positive = gradcam.class_map(activations, weights, relu=True)
    assert (signed < 0).any() and (positive >= 0).all()
    np.testing.assert_array_equal(positive[signed > 0], signed[signed > 0])


def test_refusals_say_what_to_do(maps_and_head):
    activations, weights, _ = maps_and_head
    with pytest.raises(ValueError, match="choose one of margin, logit, softmax"):
        gradcam.class_map(activations, weights, target="loss")
    with pytest.raises(ValueError, match="give bias"):
        gradcam.class_map(activations, weights, target="softmax")
    with pytest.raises(ValueError, match="do not fit"):
        gradcam.class_map(activations, weights[:-1])
    with pytest.raises(ValueError, match="needs patient_id"):
        gradcam.scaled(activations[..., 0], scale="patient")
    with pytest.raises(ValueError, match="image, patient, cohort"):
        gradcam.scaled(activations[..., 0], scale="hospital")


# --- scale ------------------------------------------------------------------------------------


def test_scale_decides_whose_maximum_becomes_one():
    maps = np.array([[[1.0, -2.0]], [[4.0, 0.0]], [[8.0, 2.0]]])
    patients = ["A", "A", "B"]
    top = {
        scale: gradcam.scaled(maps, scale=scale, patient_id=patients)[0].max(axis=(1, 2)).tolist()
        for scale in gradcam.SCALES
    }
    assert top == {"image": [1, 1, 1], "patient": [0.25, 1, 1], "cohort": [0.125, 0.5, 1]}


def test_map_without_positive_evidence_is_flagged_and_never_nan():
    maps = -np.ones((2, 3, 3))
    maps[1, 0, 0] = 5
    shares, limit, evidence = gradcam.scaled(maps)
    assert evidence.tolist() == [False, True] and limit.tolist() == [0, 5]
    assert np.isfinite(shares).all() and not shares[0].any()


# --- alignment --------------------------------------------------------------------------------


def centre_of_first_cell(model):
    """Follow kernel sizes and strides of every layer from the input to the last convolution."""
    place = {}
    for layer in model.layers:
        before = {place[t._keras_history.operation.name] for t in inputs_of(layer)} or {(0, 1)}
        assert len(before) == 1, f"branches into {layer.name} look at different places"
        first, step = before.pop()
        config = layer.get_config()
        kernel = config.get("kernel_size", config.get("pool_size", 1))
        kernel = kernel if isinstance(kernel, int) else kernel[0]
        stride = np.ravel(config.get("strides", 1))[0]
        valid = config.get("padding") == "valid"
        assert valid or stride == 1, "a padded stride would depend on the size of the image"
        place[layer.name] = (first + step * (kernel // 2 if valid else 0), step * int(stride))
        if layer.name == gradcam.LAST_CONVOLUTION:
            return place[layer.name]
    raise AssertionError("no last convolution")


def inputs_of(layer):
    if "Input" in type(layer).__name__:
        return []
    return layer.input if isinstance(layer.input, list) else [layer.input]


def test_cell_centres_follow_from_the_layers_of_the_built_model(model):
    first, step = centre_of_first_cell(model)
    assert gradcam.cell_centres(3).tolist() == [first, first + step, first + 2 * step]
    assert gradcam.cell_centres(14).tolist()[::13] == [37, 453]


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
    np.testing.assert_allclose(centroids(gradcam.cell_centres(n)), spots, atol=12)
    resized = (np.arange(n) + 0.5) * 512 / n - 0.5
    assert np.abs(centroids(resized) - spots).max() > 30


def test_alignment_keeps_cells_at_their_centres_and_planes_flat():
    centres = gradcam.cell_centres(6)
    plane = np.add.outer(2.0 * centres, centres)
    aligned = gradcam.align(np.stack([plane, np.ones((6, 6))]), 256)
    assert aligned.shape == (2, 256, 256)
    np.testing.assert_allclose(aligned[0][np.ix_(centres, centres)], plane)
    np.testing.assert_allclose(aligned[0, 100, 60], 2 * 100 + 60)
    np.testing.assert_allclose(aligned[1], 1, rtol=1e-6)


@pytest.mark.parametrize("setting", [TUTORIAL, PAPER])
def test_map_lands_on_the_original_pixels(setting):
    """A ramp over the padded canvas, cropped back, is the ramp over the image's own pixels."""
    box = Rectangle(61, 140, 461, 341)  # odd height: padding differs above and below
    n = (setting.input_size - 75) // 32 + 1
    centres = gradcam.cell_centres(n)
    grid = np.repeat(((centres + 0.5) * setting.shrink - 0.5)[:, None], n, axis=1)
    found = gradcam.to_image(grid, box, (512, 512), setting=setting)
    assert np.isnan(found[:140]).all() and np.isnan(found[:, :61]).all()
    canvas_row = np.repeat(np.arange(512.0)[:, None], 512, axis=1)
    where = zero_pad(np.ones((box.height, box.width))) > 0
    expected = np.clip(canvas_row[where], grid.min(), grid.max()).reshape(box.height, box.width)
    np.testing.assert_allclose(found[box.slices], expected, rtol=1e-5)


def test_padding_share_of_an_even_map_is_the_padding():
    row = Rectangle(56, 156, 456, 356)  # 400 x 200
    share = gradcam.padding_share(np.ones((6, 6)), row, setting=TUTORIAL)
    assert share == pytest.approx(1 - 400 * 200 / 512**2, abs=1e-5)
    assert gradcam.padding_share(-np.ones((6, 6)), row, setting=TUTORIAL) == 0


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
    perfect = gradcam.scores(np.where(unseen, np.nan, mask * 1.0), mask)
    share = mask.sum() / (400 * 200)
    assert perfect["energy_share"] == perfect["auprc"] == perfect["iou"] == 1
    assert perfect["pointing"] == 1 and perfect["energy_ratio"] == pytest.approx(1 / share)
    assert perfect["iou_top_share"] == perfect["mask_share"] == pytest.approx(share)
    flat = gradcam.scores(np.where(unseen, np.nan, 1.0), mask)
    assert flat["energy_ratio"] == pytest.approx(1)
    assert flat["auprc"] == flat["iou"] == pytest.approx(share)
    ranked = gradcam.scores(np.where(unseen, np.nan, nearness + 1000), mask)
    assert ranked["auprc"] == ranked["iou"] == 1 and 1 < ranked["energy_ratio"] < 2


@pytest.mark.parametrize(("miss", "hit"), [(0, 1), (44, 1), (46, 0)])
def test_pointing_game_forgives_fifteen_pixels(planted, miss, hit):
    mask, unseen, _ = planted
    rows, columns = np.mgrid[:512, :512]
    point = -np.hypot(rows - 240, columns - 300 - miss) + 1000.0
    assert gradcam.scores(np.where(unseen, np.nan, point), mask)["pointing"] == hit


def test_average_precision_agrees_with_scikit_learn(planted):
    from sklearn.metrics import average_precision_score

    mask, unseen, _ = planted
    rng = np.random.default_rng(1)
    rough = np.round(rng.normal(size=mask.shape) + mask, 1)  # many ties
    found = gradcam.scores(np.where(unseen, np.nan, rough), mask)
    expected = average_precision_score(mask[~unseen], rough[~unseen])
    assert found["auprc"] == pytest.approx(expected, rel=1e-9)
    brute = max(
        (mask & ~unseen & (rough >= t)).sum() / ((mask | (rough >= t)) & ~unseen).sum()
        for t in np.unique(rough)
    )
    assert found["iou"] == pytest.approx(brute)


def test_map_without_positive_evidence_scores_nothing_and_says_so(planted):
    mask, unseen, nearness = planted
    found = gradcam.scores(np.where(unseen, np.nan, nearness - 1), mask)
    assert found["positive_evidence"] is False
    assert found["energy_ratio"] == found["pointing"] == 0
    assert np.isfinite(list(found.values())).all()


def test_structure_outside_the_region_is_refused(planted):
    mask, _, _ = planted
    with pytest.raises(ValueError, match="no pixel of the structure"):
        gradcam.scores(np.where(mask, np.nan, 1.0), mask)
    with pytest.raises(ValueError, match="different shapes"):
        gradcam.scores(np.ones((4, 4)), mask)


def test_score_table_and_summary_per_patient(model, images, monkeypatch):
    from npc_helpers.imaging import dicom

    index = pd.DataFrame(
        {
            "patient_id": ["A", "A", "B"], "timepoint": "post", "sequence": "t2w",
            "slice_index": [0, 1, 0], "x0": 56, "y0": 156, "x1": 456, "y1": 356,
        }
    )  # fmt: skip
    truth = np.zeros((2, 2, 512, 512), dtype=bool)
    truth[0, 0, 200:260, 200:260] = True  # tumour in slice 0 only
    monkeypatch.setattr(dicom, "read_mask", lambda study, who, when: truth if who == "A" else None)
    activations = {"post": gradcam.activations(model, images)}
    table = gradcam.score_table(None, {"post": index}, activations, {"post": model}, setting=SMALL)
    assert table.energy_ratio.notna().tolist() == [True, False, False]
    assert table.padding_share.between(0, 1).all()
    summary = gradcam.patient_summary(table).set_index("score")
    assert summary.loc["padding_share", "n_patients"] == 2
    assert summary.loc["padding_share", "n_images"] == 3
    per_patient = table.groupby("patient_id").padding_share.mean()
    assert summary.loc["padding_share", "mean"] == pytest.approx(per_patient.mean())
    assert summary.loc["energy_ratio", "n_patients"] == 1
    with pytest.raises(ValueError, match="tumour, nodes, disease"):
        gradcam.score_table(None, {}, {}, {}, setting=SMALL, structure="bone")


# --- sanity -----------------------------------------------------------------------------------


def test_similarity_of_equal_opposite_and_constant_maps():
    maps = np.random.default_rng(0).normal(size=(4, 6, 6))
    maps -= maps.mean(axis=(1, 2), keepdims=True)
    ssim, rank = gradcam.similarity(maps, 3 * maps)
    np.testing.assert_allclose([ssim, rank], 1)
    ssim, rank = gradcam.similarity(maps, -maps)
    assert (ssim < -0.9).all()
    np.testing.assert_allclose(rank, -1)
    ssim, rank = gradcam.similarity(maps, np.zeros_like(maps))
    assert np.isfinite(ssim).all() and not rank.any()


def test_cascade_goes_from_the_head_to_the_stem_and_leaves_the_model_alone(model, images):
    before = [w.copy() for w in model.get_weights()]
    table = gradcam.sanity_check(model, images, seed=1)
    assert table.randomised.tolist() == [
        "none", "head", "conv_7b", "block8", "mixed_7a", "block17", "mixed_6a", "block35", "stem",
    ]  # fmt: skip
    assert table.loc[0, ["ssim", "rank_correlation"]].tolist() == [1, 1]
    assert (table.rank_correlation[1:] < 0.99).all() and np.isfinite(table.ssim).all()
    assert table.ssim_unrelated.nunique() == 1
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    pd.testing.assert_frame_equal(table, gradcam.sanity_check(model, images, seed=1))
    with pytest.raises(ValueError, match="two images"):
        gradcam.sanity_check(model, images[:1], seed=1)


def test_every_layer_with_weights_belongs_to_exactly_one_stage(model):
    stages = gradcam._stages(model)
    names = [layer.name for _, layers in stages for layer in layers]
    assert sorted(names) == sorted(layer.name for layer in model.layers if layer.get_weights())
    for stage, layers in stages:
        if stage.startswith(("mixed", "block")):
            assert {layer.name.split("_")[0] for layer in layers} == {stage.split("_")[0]}
