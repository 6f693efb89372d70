"""What the network learns from: the images of a study, or their features where it is frozen."""

from __future__ import annotations

import hashlib
import json
import warnings

import keras
import numpy as np
import pandas as pd

from npc_helpers.imaging.roi import network_inputs
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network.models import backbone_of
from npc_helpers.study import Study
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.settings import Setting, current_setting


def extract_features(
    model: keras.Model, images: np.ndarray, *, batch_size: int = 32, progress: bool = True
) -> np.ndarray:
    """Return the mean of each of the last feature maps, for each image.

    Parameters
    ----------
    model : keras.Model
        A model of `models.prognosis_model` is used up to that mean; any other as it is.
    images : ndarray, shape (n, S, S, 1)
        Pixel values 0..255; a memory map is read batch by batch.
    progress : bool
        Show a bar where somebody watches.

    Returns
    -------
    ndarray of float32, shape (n, C)
    """
    backbone = backbone_of(model)
    what = {"desc": "features", "unit": "batch", "leave": False}
    starts = progress_bar(range(0, len(images), batch_size), shown=progress, **what)
    parts = [backbone.predict_on_batch(np.asarray(images[s : s + batch_size])) for s in starts]
    return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])


def study_images(
    study: Study, rois: pd.DataFrame, timepoint: str, *, patients=None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return what the network sees of a study at one time point, and which image is which.

    Parameters
    ----------
    rois : DataFrame
        ROI table.
    timepoint : {"pre", "post"}
    patients : iterable of str, optional
        Only these.

    Returns
    -------
    images, index
        See `roi.network_inputs`; many images are a memory map of a file in the results.

    Warns
    -----
    UserWarning
        If the network of the setting does not see the rim of some rectangles.
    """
    rois = rois[rois.timepoint == timepoint]
    if patients is not None:
        rois = rois[rois.patient_id.isin(set(patients))]
    stacks = load_stacks(study, patients=rois.patient_id.unique(), timepoint=timepoint)
    images, index = network_inputs(stacks, rois, folder=study.result_path("inputs"))
    warn_of_cut_rectangles(index, current_setting())
    return images, index


def warn_of_cut_rectangles(index: pd.DataFrame, setting: Setting) -> None:
    """Warn if rectangles are larger than the middle that the network looks at."""
    if setting.middle is None:
        return
    rows, columns = (side * setting.shrink for side in setting.middle)
    cut = (index.y1 - index.y0 > rows) | (index.x1 - index.x0 > columns)
    if cut.any():
        warnings.warn(
            f"{cut.sum()} of {len(index)} rectangles are larger than {rows} rows x {columns} "
            f"columns, and the network of the {setting.name} setting does not see what lies "
            "beyond. NPC_SETTING=paper looks at the whole image.",
            stacklevel=3,
        )


def training_inputs(model: keras.Model, images: np.ndarray, **options) -> np.ndarray:
    """Return what `models.trainable_part` of a model learns from.

    Where only the last layer learns, an image always turns into the same features: they are
    computed once. Where the whole network learns, these are the images themselves.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, S, S, 1)
    **options
        Of `extract_features`.
    """
    if backbone_of(model).trainable_variables:
        return images
    return extract_features(model, images, **options)


def model_identity(model: keras.Model) -> str:
    """Return the hash of a model's layers and weights; its name does not matter."""
    layers = json.dumps({**model.get_config(), "name": ""}, sort_keys=True, default=str)
    total = hashlib.sha256(layers.encode())
    for weight in model.get_weights():
        total.update(np.ascontiguousarray(weight))
    return total.hexdigest()
