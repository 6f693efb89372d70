"""Where start values come from: ImageNet, RadImageNet, the shipped in-domain weights, or nowhere.

Nothing here opens a connection. A missing file is an error that says where to put it.
"""

import hashlib
import json
import os
from pathlib import Path

import keras
import numpy as np
from keras import layers

from npc_helpers.study.artefacts import atomic_path

IMAGENET_FILE = "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_MD5 = "d19885ff4a710c122648d3b5c3b684e4"
IMAGENET_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/inception_resnet_v2/{IMAGENET_FILE}"
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)  # what RadImageNet's networks had subtracted
IN_DOMAIN_FILE = Path(__file__).parent / "weights" / "in_domain.npz"


class WeightsNotFound(FileNotFoundError):
    """A weight file is not there; the message says which one and where to put it."""


def imagenet_path() -> Path:
    """Return where the ImageNet file is expected: ``$KERAS_HOME/models`` (``~/.keras/models``)."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return home / "models" / IMAGENET_FILE


def preprocessing(pixels, *, weights: str):
    """Turn pixel values 0..255 into what the networks behind ``weights`` were trained on.

    Parameters
    ----------
    pixels : KerasTensor, (n, S, S, 1 or 3)
        Grey values are repeated to three channels; colours come as red, green, blue.
    weights : str
        Files with ``radimagenet`` in their name want (blue, green, red minus their means) / 255;
        all others pixel / 127.5 - 1.

    Returns
    -------
    KerasTensor, (n, S, S, 3)
    """
    if pixels.shape[-1] == 1:
        pixels = layers.Concatenate(name="pixels_repeat")([pixels, pixels, pixels])
    elif _is_radimagenet(weights):
        pixels = keras.ops.flip(pixels, axis=-1)
    if _is_radimagenet(weights):
        offset = [-mean / 255 for mean in CAFFE_MEAN_BGR]
        return layers.Rescaling([1 / 255] * 3, offset=offset, name="pixels_scale")(pixels)
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="pixels_scale")(pixels)


def weight_file(weights: str) -> Path | None:
    """Return the file behind a weight source, None for ``"none"``; parameters as `load_weights`.

    Raises
    ------
    WeightsNotFound
        If it is missing.
    ValueError
        If it is not the file it should be.
    """
    if weights == "none":
        return None
    if weights == "imagenet":
        return _imagenet_file()
    path = IN_DOMAIN_FILE if weights == "in_domain" else Path(weights)
    if path.suffix == ".npz":
        return _in_domain_file(path)
    if not path.is_file():
        raise WeightsNotFound(
            f"there is no weight file {path}. weights is 'none', 'in_domain', 'imagenet', the "
            "path of an .h5 file (ImageNet or RadImageNet, without top), or of an .npz file of "
            "pretrain_in_domain.py."
        )
    return path


def load_weights(model: keras.Model, weights: str) -> None:
    """Fill a backbone built by `npc_helpers.network.models.inception_resnet_v2`, in place.

    Parameters
    ----------
    weights : str
        ``"none"``: leave the random start values. ``"imagenet"``: the published file in keras'
        cache folder. ``"in_domain"``: the file shipped with this package, for the tutorial's
        architecture; or the path of another ``.npz`` that `save_in_domain` wrote. Else the path
        of an ``.h5`` file with the layers in published order, as keras.applications and
        RadImageNet save them.

    Raises
    ------
    WeightsNotFound
        If the file is missing.
    ValueError
        If the file is damaged or belongs to another architecture.
    """
    path = weight_file(weights)
    if path is None:
        return
    if path.suffix == ".npz":
        restore_weights(model, path)
        return
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"{path.name} does not fit this network: {error} Published files fit width 1.0 and "
            "blocks (10, 20, 10) only."
        ) from error


def _is_radimagenet(weights: str) -> bool:
    return "radimagenet" in Path(str(weights)).name.lower()


def _from_home(path: Path) -> str:
    """Write a path as a reader would type it, without the name of this machine's user."""
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def _imagenet_file() -> Path:
    """Path of the ImageNet file after its checksum was compared."""
    path = imagenet_path()
    if not path.is_file():
        raise WeightsNotFound(
            f"the ImageNet weights are not on this machine, and nothing is downloaded without "
            f"asking.\nFile:   {IMAGENET_FILE} (about 219 MB)\nFrom:   {IMAGENET_URL}\n"
            f"Put it: {_from_home(path.parent)}\nMD5:    {IMAGENET_MD5}"
        )
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    if md5 != IMAGENET_MD5:
        raise ValueError(
            f"{path} has MD5 {md5}, but the ImageNet weights have {IMAGENET_MD5}: the file is "
            f"incomplete or another one. Delete it and copy {IMAGENET_URL} there."
        )
    return path


def save_weights(model: keras.Model, path: str | Path) -> None:
    """Write all weights as 16-bit numbers (2 MB in the tutorial): equal weights, equal bytes."""
    values = {
        key: keras.ops.convert_to_numpy(variable).astype(np.float16)
        for key, variable in _named_variables(model).items()
    }
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **values)


def restore_weights(model: keras.Model, path: str | Path) -> keras.Model:
    """Put weights that `save_weights` wrote into a model of the same layers; return it.

    Raises
    ------
    ValueError
        If they belong to another network.
    """
    variables = _named_variables(model)
    with np.load(path, allow_pickle=False) as saved:
        shapes = {key: saved[key].shape for key in saved.files}
        if shapes != {key: tuple(variable.shape) for key, variable in variables.items()}:
            raise ValueError(
                f"{Path(path).name} holds the weights of another network than {model.name}: "
                "layers, width or blocks differ. Use the setting it was made with, or make it anew."
            )
        for key, variable in variables.items():
            variable.assign(saved[key].astype(np.float32))
    return model


def save_in_domain(backbone: keras.Model, path: Path, **notes) -> None:
    """Write a backbone (`save_weights`), and beside it a ``.json`` with its hash and the notes."""
    save_weights(backbone, path)
    note = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **notes}
    with atomic_path(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


def _in_domain_file(path: Path) -> Path:
    """Return `path` after the file's hash was compared with the note beside it."""
    note_path = path.with_suffix(".json")
    if not path.is_file() or not note_path.is_file():
        raise WeightsNotFound(
            f"{path.name} or {note_path.name} is missing in {path.parent}. Install the package "
            "again, or make them with pretrain_in_domain.py in that folder (half an hour)."
        )
    note = json.loads(note_path.read_text(encoding="utf-8"))
    if hashlib.sha256(path.read_bytes()).hexdigest() != note["sha256"]:
        raise ValueError(
            f"{path.name} is not the file that {note_path.name} describes (SHA-256 differs). "
            "Install the package again."
        )
    return path


def _named_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Return what a network has learned, by ``layer/variable``, which no build order changes."""
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.variables
        if variable.dtype.startswith("float")
    }
