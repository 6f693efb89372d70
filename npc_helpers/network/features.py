"""Features of images: what a frozen backbone answers, computed once and kept on disk.

A backbone is anything that turns a batch of images into one vector each. The cache is a folder
for each backbone, known by its layers and weights; within it an image is known by its pixels. A
rectangle drawn anew, other start weights or another canvas therefore never meet old features,
and whoever asks again for the same images of the same backbone waits for the disk only.
"""

from __future__ import annotations

import hashlib
import json
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from npc_helpers.imaging.roi import network_inputs
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network.models import backbone_of
from npc_helpers.study import Study
from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.progress import progress_bar

CHUNK = 512  # images between two writes: what an interruption can cost


def extract_features(
    backbone: keras.Model | Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    *,
    cache: str | Path | None = None,
    identity: str | None = None,
    batch_size: int = 32,
    progress: bool = True,
) -> np.ndarray:
    """Run images through a backbone, those in the cache excepted.

    Parameters
    ----------
    backbone : keras.Model or callable
        A model of `models.prognosis_model` is used up to the mean of each feature map; any other
        Keras model as it is. A callable takes images (n, S, S, 1) and returns (n, C).
    images : ndarray, shape (n, S, S, 1)
        Pixel values 0..255; a memory map is read batch by batch. Memory beyond the images is that
        of one batch (at 256 x 256 and quarter width about 0.3 GiB for 32 images).
    cache : path-like, optional
        Folder of the cache; without it, everything is computed.
    identity : str, optional
        What a callable is known by in the cache, such as the hash of its weight file.
    batch_size : int
    progress : bool
        Show a bar where somebody watches.

    Returns
    -------
    ndarray of float32, shape (n, C)

    Raises
    ------
    ValueError
        If a callable shall be cached without an identity.

    Examples
    --------
    >>> images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
    >>> extract_features(lambda batch: batch.mean(axis=(1, 2)), images)
    array([[1.5],
           [5.5]], dtype=float32)
    """
    if isinstance(backbone, keras.Model):
        backbone = backbone_of(backbone)
        run, identity = backbone.predict_on_batch, identity or model_identity(backbone)
    else:
        run = backbone
        if cache is not None and identity is None:
            raise ValueError("name the identity of a callable: a cache has to know what it holds")
    if cache is None:
        return _compute(run, images, np.arange(len(images)), batch_size, progress)
    folder = Path(cache) / hashlib.sha256(identity.encode()).hexdigest()[:16]
    return _through_cache(folder, run, images, batch_size, progress)


def study_images(
    study: Study, rois: pd.DataFrame, timepoint: str, *, patients=None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return what the network sees of a study at one time point, and which image is which.

    Parameters
    ----------
    study : Study
    rois : DataFrame
        ROI table.
    timepoint : {"pre", "post"}
    patients : iterable of str, optional
        Only these.

    Returns
    -------
    images, index
        See `roi.network_inputs`; many images are a memory map of a file in the results.
    """
    rois = rois[rois.timepoint == timepoint]
    if patients is not None:
        rois = rois[rois.patient_id.isin(set(patients))]
    stacks = load_stacks(study, patients=rois.patient_id.unique(), timepoint=timepoint)
    return network_inputs(stacks, rois, folder=study.result_path("inputs"))


def training_inputs(model: keras.Model, images: np.ndarray, **options) -> np.ndarray:
    """Return what `models.trainable_part` of a model learns from.

    Where only the last layer learns, an image always turns into the same features: they are
    computed once. Where the whole network learns, these are the images themselves.

    Parameters
    ----------
    model : keras.Model
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


def _compute(run, images, positions, batch_size: int, progress: bool) -> np.ndarray:
    what = {"desc": "features", "unit": "batch", "leave": False}
    starts = progress_bar(range(0, len(positions), batch_size), shown=progress, **what)
    parts = [run(np.asarray(images[positions[s : s + batch_size]])) for s in starts]
    return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])


def _through_cache(folder: Path, run, images, batch_size: int, progress: bool) -> np.ndarray:
    keys = [hashlib.sha256(np.ascontiguousarray(image)).hexdigest()[:32] for image in images]
    known = _read_shards(folder)
    missing = np.array([k for k, key in enumerate(keys) if key not in known], dtype=int)
    what = {"desc": "features", "unit": "image", "leave": False, "total": len(missing)}
    with progress_bar(shown=progress, **what) as bar:
        for start in range(0, len(missing), CHUNK):
            part = missing[start : start + CHUNK]
            values = _compute(run, images, part, batch_size, progress=False)
            names = [keys[k] for k in part]
            with atomic_path(folder / f"{uuid.uuid4().hex[:12]}.npz") as temporary:
                np.savez(temporary, keys=np.array(names), values=values)
            known |= dict(zip(names, values, strict=True))
            bar.update(len(part))
    return np.stack([known[key] for key in keys])


def _read_shards(folder: Path) -> dict[str, np.ndarray]:
    """Return every feature vector in a folder by the key of its image; a damaged file is none."""
    known = {}
    for path in sorted(folder.glob("[!.]*.npz")):
        try:
            with np.load(path, allow_pickle=False) as shard:
                known |= dict(zip(shard["keys"].tolist(), shard["values"], strict=True))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            path.unlink(missing_ok=True)
    return known
