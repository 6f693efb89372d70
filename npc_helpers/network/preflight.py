"""Before hours of training: what this machine offers, and what the run is going to need.

The arithmetic is coarse on purpose, and written out in `needs`: it shall tell an afternoon from a
fortnight, and a run that fits the memory from one that does not.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import psutil

from npc_helpers.network.models import prognosis_model
from npc_helpers.network.weight_sources import WeightsNotFound, weight_file
from npc_helpers.study.settings import Setting

TRAINING = 3  # a training step takes about three times a prediction: backwards is twice forwards
ADAM = 4  # numbers kept for each weight that learns: itself, its gradient and Adam's two means
STATE = 3  # of these, what a saved run keeps: all but the gradient
SHORT_S = 0.2  # a prediction faster than this is timed on a whole batch, which is faster an image
GIB = 2**30
# A card takes more than `needs` counts: room to compute in, and copies. Measured through PyTorch on
# an H200: 57, 18 and 29 GiB where 35, 9 and 18 are counted (`benchmarks/card.py`).
CARD_FACTOR, CARD_EXTRA = 1.5, 5 * GIB


def preflight(
    setting: Setting, *, n_images: int, n_training: int, folder: str | Path, runs: int = 1
) -> pd.DataFrame:
    """Compare what training needs with what this machine has.

    Parameters
    ----------
    n_images : int
        Images of the time point.
    n_training : int
        Images of one epoch.
    folder : path-like
        Where results are written; it need not exist yet.
    runs : int
        Models to be trained.

    Returns
    -------
    DataFrame
        By question (device, weights, memory, disk, time): ``needed``, ``here`` and ``enough``
        (yes, no, or blank where nothing can be said).

    Examples
    --------
    >>> from npc_helpers.study.settings import TUTORIAL
    >>> table = preflight(TUTORIAL, n_images=100, n_training=80, folder=".")
    >>> table.loc["weights", "enough"]
    'yes'
    """
    model = prognosis_model(setting, seed=0, weights="none")  # the same arithmetic, no file needed
    memory, disk, passes = needs(model, setting, n_images, n_training, runs=runs)
    name, free = device()
    if _on_a_card() and setting.trainable != "head":
        memory = CARD_FACTOR * memory + CARD_EXTRA
    existing = Path(folder).absolute()
    while not existing.exists():
        existing = existing.parent
    room, weights = shutil.disk_usage(existing).free, _weights(setting.weights)
    second = seconds_per_image(model, setting.images_at_a_time)
    card = "a graphics card" if setting.trainable != "head" and setting.width == 1 else "any"
    rows = {
        "device": (card, name, "" if card == "any" else _yes(not name.startswith("processor"))),
        "weights": (setting.weights, weights, _yes(weights != "missing")),
        "memory": (f"{memory / GIB:.1f} GiB", f"{free / GIB:.1f} GiB free", _yes(memory < free)),
        "disk": (f"{disk / GIB:.1f} GiB", f"{room / GIB:.1f} GiB free", _yes(disk < room)),
        "time": (f"up to {setting.max_epochs} epochs" if passes > n_images else "features once",
                 _duration(passes, second, setting, n_images, runs), ""),
    }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index", columns=["needed", "here", "enough"])


def needs(
    model: keras.Model, setting: Setting, n_images: int, n_training: int, *, runs: int = 1
) -> tuple[float, float, float]:
    """Return bytes of memory, bytes of disk, and how often an image passes forwards.

    Memory while training: four numbers for each weight that learns (Adam), one for the others,
    and what every layer answers to the images of one batch, which is kept until the way back.
    Where the backbone is frozen nothing is kept: the largest two answers count. Where its top
    blocks learn, the numbers are those of the whole network: more than enough.

    Disk: the images as the network sees them; for each run its state (weights and Adam's two
    means) after the last and after the best epoch, and once more while one is written; and the
    finished model.

    Passes: in each epoch three for a training image, and one for every image at the end, by run;
    with a frozen backbone one for every image.
    """
    learned = 4 * sum(np.prod(v.shape) for v in model.trainable_variables)
    weights = 4 * sum(np.prod(v.shape) for v in model.weights)
    width = 2 if "16" in setting.precision else 4
    answers = [width * np.prod(layer.output.shape[1:]) for layer in model.layers]
    state = STATE * learned
    whole = setting.trainable != "head"
    kept = sum(answers) if whole else 2 * max(answers)
    memory = (ADAM - 1) * learned + weights + setting.images_at_a_time * kept
    disk = n_images * setting.input_size**2 + (2 * runs + 1) * state + runs * weights
    passes = n_images + (TRAINING * n_training * setting.max_epochs * runs if whole else 0)
    return float(memory), float(disk), float(passes)


def seconds_per_image(model: keras.Model, batch_size: int) -> float:
    """Time a prediction, in seconds an image; of a whole batch on a card, or where one is fast."""
    for n in (batch_size,) if _on_a_card() else (1, batch_size):
        images = np.zeros((n, *model.input.shape[1:]), dtype=np.uint8)
        model.predict_on_batch(images)  # builds the graph
        begun = time.perf_counter()
        model.predict_on_batch(images)
        seconds = time.perf_counter() - begun
        if seconds > SHORT_S:
            break
    return seconds / n


def device() -> tuple[str, float]:
    """Return the name of the device that Keras computes on, and its free memory in bytes."""
    if _on_a_card():
        ask = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
        try:
            first = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
            name, mebibytes = first.splitlines()[0].rsplit(",", 1)
            return f"{name} ({keras.backend.backend()})", float(mebibytes) * 2**20
        except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
            return f"accelerator ({keras.backend.backend()})", float("nan")
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count()
    name = f"processor, {cores} cores ({keras.backend.backend()})"
    return name, float(psutil.virtual_memory().available)


def _on_a_card() -> bool:
    if keras.backend.backend() == "torch":
        return bool(sys.modules["torch"].cuda.is_available())
    # all of them: asked for "gpu" where there is none, JAX raises
    return any(not name.startswith("cpu") for name in keras.distribution.list_devices())


def _weights(source: str) -> str:
    try:
        path = weight_file(source)
    except WeightsNotFound:
        return "missing"
    return "random" if path is None else path.name


def _duration(passes: float, second: float, setting: Setting, n_images: int, runs: int) -> str:
    if passes <= n_images:
        return f"{passes * second:.0f} s"
    epoch = (passes - n_images) * second / setting.max_epochs / runs
    total = f"{passes * second / 3600:.1f} h at most"
    return f"{epoch / 60:.1f} min an epoch, {total}" + (f" for {runs} models" if runs > 1 else "")


def _yes(enough: bool) -> str:
    return "yes" if enough else "no"
