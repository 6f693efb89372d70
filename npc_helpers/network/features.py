"""What the network learns from: the images of a study, or their features where it is frozen."""

import hashlib
import json
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from npc_helpers.imaging.roi import network_inputs
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network.models import backbone_of, frozen_part
from npc_helpers.study import Study
from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.settings import Setting, current_setting


def answers(
    model: keras.Model,
    inputs: np.ndarray,
    *,
    batch_size: int = 32,
    desc: str | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return what a model answers to each input, batch by batch.

    The model's compiled graph does it: called as ``model(batch)`` it would run operation by
    operation, at four times the processor time.

    Parameters
    ----------
    inputs : ndarray, shape (n, ...)
        A memory map is read batch by batch.
    desc : str, optional
        Shows a bar of this name where somebody watches.
    out : ndarray of float32, optional
        Where to put the answers, such as a memory map.

    Returns
    -------
    ndarray of float32, shape (n, ...)
    """
    bar = {"desc": desc, "unit": "batch", "leave": False}
    values = np.empty((len(inputs), *model.output.shape[1:]), np.float32) if out is None else out
    starts = range(0, len(inputs), batch_size)
    for start in progress_bar(starts, shown=desc is not None, **bar):
        batch = np.asarray(inputs[start : start + batch_size])
        n = len(batch)
        if start:  # a last batch of another shape would have the graph built once more
            batch = np.resize(batch, (batch_size, *batch.shape[1:]))
        values[start : start + n] = model.predict_on_batch(batch)[:n]
    return values


def extract_features(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return the mean of each of the last feature maps, for each image: float32, (n, C).

    A model of `models.prognosis_model` is used up to that mean; any other as it is.
    """
    return answers(backbone_of(model), images, desc="features")


def study_images(
    study: Study,
    rois: pd.DataFrame,
    timepoint: str,
    *,
    patients=None,
    setting: Setting | None = None,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return what the network sees of a study at one time point, and which image is which.

    Parameters
    ----------
    rois : DataFrame
        ROI table.
    timepoint : {"pre", "post"}
    patients : iterable of str, optional
        Only these.
    setting : Setting, optional
        What the network looks at; the current one by default.

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
    setting = setting or current_setting()
    images, index = network_inputs(
        stacks, rois, setting=setting, folder=study.result_path("inputs")
    )
    warn_of_cut_rectangles(index, setting)
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


def training_inputs(
    model: keras.Model, images: np.ndarray, *, folder: str | Path, progress: bool = True
) -> np.ndarray:
    """Return what `models.trainable_part` of a model learns from.

    What is frozen always turns an image into the same values: they are computed once, kept by the
    hash of its weights and the images, and read as a memory map. Where the whole network learns,
    these are the images themselves.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, S, S, 1)
    folder : path-like
        Where the values are kept.
    progress : bool
        Show a bar where somebody watches.

    Returns
    -------
    ndarray, shape (n, ...)
        The images; the mean of each feature map, (n, C); or, where the top blocks learn, what the
        network below them answers, (n, h, w, c).
    """
    frozen = frozen_part(model)
    return images if frozen is None else kept_values(frozen, images, folder, progress=progress)


def kept_values(
    frozen: keras.Model, images: np.ndarray, folder: str | Path, *, progress: bool = True
) -> np.ndarray:
    """Return what a model answers to images, computed once; parameters as `training_inputs`."""
    total = hashlib.sha256(model_identity(frozen).encode())
    for image in images:
        total.update(np.ascontiguousarray(image))
    path = Path(folder) / f"{total.hexdigest()[:24]}.npy"
    if not path.exists():
        shape = (len(images), *frozen.output.shape[1:])
        with atomic_path(path) as temporary:
            values = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
            answers(frozen, images, desc="features" if progress else None, out=values)
            values.flush()
    return np.load(path, mmap_mode="r")


def model_identity(model: keras.Model) -> str:
    """Return the hash of a model's layers and weights; its name does not matter."""
    layers = json.dumps({**model.get_config(), "name": ""}, sort_keys=True, default=str)
    total = hashlib.sha256(layers.encode())
    for weight in model.get_weights():
        total.update(np.ascontiguousarray(weight))
    return total.hexdigest()
