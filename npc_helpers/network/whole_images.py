"""The network on whole images: no rectangle is cut out, and nothing of the image is left out."""

import dataclasses

import numpy as np
import pandas as pd

from npc_helpers.network.models import HIGH_RISK
from npc_helpers.network.survival_heads import Head
from npc_helpers.study.settings import Setting

RECTANGLES, WHOLE = "rectangles", "whole images"
KEPT = "whole_image_splits.csv"  # both written by benchmarks/whole_images.py
HEADS = "whole_image_heads.csv"


def arms(setting: Setting) -> dict[str, Setting]:
    """Return both ways to look: at the middle, where rectangles lie, and at all of the input."""
    return {RECTANGLES: setting, WHOLE: dataclasses.replace(setting, middle=None)}


def cut_out(rois: pd.DataFrame, arm: str, setting: Setting) -> pd.DataFrame:
    """Return the ROI table of an arm: as it is, or with the whole image for a rectangle."""
    side = setting.canvas  # of an image, as of the square to which a rectangle is padded
    return rois if arm == RECTANGLES else rois.assign(x0=0, y0=0, x1=side, y1=side)


def direction_of(head: Head) -> np.ndarray:
    """Return the weights (C,) that turn activations into a map of high against low risk.

    For a head of two neurons on patients' mean features: the map of an image is
    ``activations @ direction``, and its mean over cells and images is, up to a constant, the
    log-odds of the patient.
    """
    margin = head.weights[:, HIGH_RISK] - head.weights[:, 1 - HIGH_RISK]
    return margin / head.spread
