"""Whole images: nothing is cut off, and a map adds up to what the two neurons say."""

import numpy as np
import pandas as pd
import pytest

from npc_helpers.network import whole_images
from npc_helpers.network.models import HIGH_RISK
from npc_helpers.network.survival_heads import Head
from npc_helpers.study.settings import PAPER, TUTORIAL


@pytest.mark.parametrize("setting", [TUTORIAL, PAPER], ids=lambda setting: setting.name)
def test_the_arm_of_whole_images_cuts_off_nothing(setting):
    seen_by = whole_images.arms(setting)
    assert seen_by[whole_images.RECTANGLES] is setting
    assert seen_by[whole_images.WHOLE].middle is None
    rois = pd.DataFrame({"patient_id": ["a"], "x0": [60], "y0": [70], "x1": [450], "y1": [260]})
    same = whole_images.cut_out(rois, whole_images.RECTANGLES, setting)
    assert same.equals(rois)
    whole = whole_images.cut_out(rois, whole_images.WHOLE, setting)
    assert whole[["x0", "y0", "x1", "y1"]].to_numpy().tolist() == [[0, 0, 512, 512]]


def test_the_cells_of_a_map_add_up_to_the_log_odds_of_the_patient():
    rng = np.random.default_rng(0)
    activations = rng.random((6, 3, 4, 5))  # six images of a patient, 3 x 4 cells, 5 features
    head = Head(
        "two neurons", mean=rng.random(5), spread=1 + rng.random(5),
        weights=rng.normal(size=(5, 2)), bias=rng.normal(size=2),
    )  # fmt: skip
    features = pd.DataFrame(activations.mean(axis=(0, 1, 2))[None], ["a"])
    p = head.risk(features)["a"]
    added_up = (activations @ whole_images.direction_of(head)).mean()
    none = head.risk(features * 0)["a"]  # what the layer says where nothing is active
    log_odds = np.log(p / (1 - p)) - np.log(none / (1 - none))
    assert added_up == pytest.approx(log_odds)
    assert HIGH_RISK == 1
