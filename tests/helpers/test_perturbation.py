"""Covering parts of images: in the right place, in the right order, with the right effect."""

import numpy as np
import pandas as pd
import pytest

from npc_helpers.network import gradcam_bench, perturbation
from npc_helpers.network.map_geometry import Geometry
from npc_helpers.study import NotInThisStudy

PLACES = Geometry(first_centre=37, stride=32, canvas=512, shrink=2)


@pytest.fixture
def index():
    return pd.DataFrame(
        {
            "patient_id": ["A", "B"], "timepoint": "post", "sequence": "t2w", "slice_index": 0,
            "x0": [56, 100], "y0": [156, 100], "x1": [456, 300], "y1": [356, 200],
        }
    )  # fmt: skip


def test_rectangles_and_structures_lie_where_the_network_sees_them(index, monkeypatch):
    from npc_helpers.imaging.roi import crop, rectangle_of, zero_pad

    inside = perturbation.rectangles(index, PLACES)
    assert inside.shape == (2, 256, 256)
    assert inside.sum(axis=(1, 2)).tolist() == [200 * 100, 100 * 50]
    truth = np.zeros((2, 1, 512, 512), dtype=bool)
    truth[0, 0, 180:220, 150:250] = True
    monkeypatch.setattr(gradcam_bench, "read_mask", lambda study, who, when: truth)
    masks = perturbation.structures(None, index, PLACES)
    for mask, row in zip(masks, index.itertuples(), strict=True):
        padded = zero_pad(crop(truth[0, 0].astype(np.uint8), rectangle_of(row)))
        pixels = padded.reshape(256, 2, 256, 2).mean(axis=(1, 3))
        np.testing.assert_array_equal(mask, pixels > 0.5)
    assert (masks <= inside).all()
    truth[:] = False
    with pytest.raises(NotInThisStudy, match="whose tumour is known"):
        perturbation.structures(None, index, PLACES)


def test_elsewhere_is_as_large_inside_the_rectangle_and_apart(index):
    inside = perturbation.rectangles(index, PLACES)
    masks = np.zeros_like(inside)
    masks[:, 120:140, 110:150] = inside[:, 120:140, 110:150]
    moved = perturbation.elsewhere(masks, inside)
    assert moved.sum(axis=(1, 2)).tolist() == masks.sum(axis=(1, 2)).tolist()
    assert not (moved & ~inside).any() and not (moved & masks).any()


def test_blur_keeps_an_even_image_and_the_frame(index):
    inside = perturbation.rectangles(index, PLACES)
    images = np.where(inside, 100, 0).astype(np.uint8)[..., None]
    np.testing.assert_allclose(
        perturbation.blurred(images, inside, shrink=2)[..., 0], images[..., 0], rtol=1e-4
    )
    rng = np.random.default_rng(0)
    noisy = (images * rng.integers(0, 2, images.shape)).astype(np.uint8)
    smooth = perturbation.blurred(noisy, inside, shrink=2)[..., 0]
    assert smooth[inside].std() < 0.1 * noisy[..., 0][inside].std()
    assert not smooth[~inside].any()


def test_curves_follow_the_order_of_the_map(index, monkeypatch):
    """The model adds up the left half of the canvas; images are white, the infill is black."""
    monkeypatch.setattr(
        perturbation, "log_odds", lambda model, images: images[:, :, :128, 0].sum(axis=(1, 2))
    )
    images = np.where(perturbation.rectangles(index, PLACES), 1.0, 0.0)[..., None]
    infill = np.zeros_like(images)
    left = np.repeat(np.linspace(1, 0, 6)[None, None], 6, axis=1).repeat(2, axis=0)
    maps = {"left": left, "right": -left}
    table = perturbation.curves(None, images, infill, index, maps, PLACES)
    assert len(table) == 2 * 2 * len(perturbation.SHARES)
    by = table.set_index(["map", "patient_id", "share"]).sort_index()
    assert by.loc[("left", "A", 0.0), "deletion"] == by.loc[("left", "A", 1.0), "insertion"] == 1e4
    assert by.loc[("left", "A", 0.7), "deletion"] == 0
    assert by.loc[("right", "A", 0.4), "deletion"] == 1e4
    assert by.loc[("right", "A", 0.4), "insertion"] == 0
    gain = perturbation.gains(table).set_index(["map", "patient_id"]).gain
    assert gain["left", "A"] > 0 and gain["left", "A"] == pytest.approx(-gain["right", "A"])
