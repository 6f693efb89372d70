"""The prognosis models: Inception-ResNet-V2, full or scaled, with a two-neuron end.

The network is one flat graph, written below in the order in which the data flow. Block names are
those of the publication (Szegedy et al. 2017, figures 3 to 15) as `keras.applications` spells
them; the layers inside a block are called ``<block>_branch<b>_<k>``.
"""

import zlib
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

import keras
import pandas as pd
from keras import layers

from npc_helpers.network.weight_sources import WeightsNotFound as WeightsNotFound
from npc_helpers.network.weight_sources import load_weights, preprocessing, weight_file
from npc_helpers.study.settings import Setting

CLASSES = ("low risk", "high risk")  # the order of the two output neurons
HIGH_RISK = CLASSES.index("high risk")
LAST_CONVOLUTION = "conv_7b_ac"  # name of the last layer of `inception_resnet_v2`
POOL, DROPOUT, HEAD = "pool", "dropout", "risk"  # those behind it in a prognosis model
DEPTHS = ("head", "top", "all")  # how much of a prognosis model learns

FULL_BLOCKS = (10, 20, 10)
MOMENTUM = 0.9  # of the running means, which then follow within some dozen batches
SMALLEST_INPUT = 75  # below this the unpadded stem and reductions leave nothing to pool

# Branches inside each block at full width: (filters, kernel) of each layer. A third entry marks
# the unpadded stride-2 layer that ends a branch of a reduction, which halves the side.
MIXED_5B = (((96, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3)))
MIXED_6A = (((384, 3, "valid"),), ((256, 1), (256, 3), (384, 3, "valid")))
MIXED_7A = (
    ((256, 1), (384, 3, "valid")),
    ((256, 1), (288, 3, "valid")),
    ((256, 1), (288, 3), (320, 3, "valid")),
)
BLOCK_35 = (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3)))
BLOCK_17 = (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1))))
BLOCK_8 = (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1))))


def inception_resnet_v2(
    input_size: int,
    *,
    width: float = 1.0,
    blocks: tuple[int, int, int] = FULL_BLOCKS,
    weights: str = "none",
    channels: int = 1,
    middle: tuple[int, int] | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build Inception-ResNet-V2 without its top, from pixel values to the last feature maps.

    Parameters
    ----------
    input_size : int
        Side S of the square input in network pixels, at least 75.
    width : float
        Number of filters in every layer relative to the publication (1.0).
    blocks : tuple of int
        Repetitions of block35, block17 and block8; (10, 20, 10) as published.
    weights : str
        ``"none"`` (random), ``"imagenet"``, ``"in_domain"`` or the path of a weight file; see
        `load_weights`. The source also decides the preprocessing, which is part of the model.
    channels : {1, 3}
        1 for grey images (repeated to three channels inside), 3 for red, green, blue.
    middle : (rows, columns), optional
        Look at this part in the middle of the input only: what surrounds it is padding.
    seed : int
        Seed of the random start values.

    Returns
    -------
    keras.Model
        Flat functional model from (n, S, S, channels) pixel values 0..255 of any number type to
        the output of ``conv_7b_ac``, (n, s, s, 1536 * width) with s = 14 at S = 512 and the whole
        input in view. Layer names do not depend on what was built before. All layers are trainable.

    Raises
    ------
    ValueError
        If a size is impossible or the weights belong to another architecture.
    WeightsNotFound
        If the weight file is missing; nothing is ever downloaded.

    References
    ----------
    Szegedy et al., AAAI 2017, doi:10.1609/aaai.v31i1.11231.
    """
    _check_architecture(input_size, width, blocks, channels)
    crop = _border(input_size, middle)
    weight_file(weights)  # a missing file is told before a large network is built
    net = _Builder(width=width, seed=seed)
    inputs = keras.Input((input_size, input_size, channels), name="pixels")
    x = preprocessing(inputs, weights=weights)
    if crop is not None:
        x = layers.Cropping2D(crop, name="pixels_middle")(x)

    x = net.conv(x, "stem_1", 32, 3, strides=2, padding="valid")
    x = net.conv(x, "stem_2", 32, 3, padding="valid")
    x = net.conv(x, "stem_3", 64, 3)
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool_1")(x)
    x = net.conv(x, "stem_4", 80, 1, padding="valid")
    x = net.conv(x, "stem_5", 192, 3, padding="valid")
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool_2")(x)

    flat = layers.AveragePooling2D(3, strides=1, padding="same", name="mixed_5b_pool")
    x = net.mixed(x, "mixed_5b", MIXED_5B, flat, behind_pool=((64, 1),))
    for i in range(1, blocks[0] + 1):
        x = net.residual(x, f"block35_{i}", BLOCK_35, scale=0.17)
    x = net.mixed(x, "mixed_6a", MIXED_6A)
    for i in range(1, blocks[1] + 1):
        x = net.residual(x, f"block17_{i}", BLOCK_17, scale=0.1)
    x = net.mixed(x, "mixed_7a", MIXED_7A)
    for i in range(1, blocks[2]):
        x = net.residual(x, f"block8_{i}", BLOCK_8, scale=0.2)
    x = net.residual(x, f"block8_{blocks[2]}", BLOCK_8, scale=1.0, activation=False)
    x = net.conv(x, "conv_7b", 1536, 1)

    model = keras.Model(inputs, x, name="inception_resnet_v2")
    load_weights(model, weights)
    return model


class _Builder:
    """Pieces of the network at one width; the k-th layer of a branch depends on the one before."""

    def __init__(self, *, width: float, seed: int) -> None:
        self.width, self.seed = width, seed

    def start_values(self, name: str) -> keras.initializers.Initializer:
        """Same seed, same layer name, same values; He scaling, as normalisation may be frozen."""
        return keras.initializers.HeNormal(seed=zlib.crc32(f"{self.seed} {name}".encode()))

    def conv(self, x, name, filters, kernel, *, strides=1, padding="same"):
        """Convolution without bias, batch normalisation without scale, ReLU."""
        x = layers.Conv2D(
            max(1, round(filters * self.width)), kernel, strides=strides, padding=padding,
            use_bias=False, kernel_initializer=self.start_values(name), name=name,
        )(x)  # fmt: skip
        x = layers.BatchNormalization(momentum=MOMENTUM, scale=False, name=f"{name}_bn")(x)
        return layers.Activation("relu", name=f"{name}_ac")(x)

    def branch(self, x, block, number, steps):
        """Layers one after another."""
        for k, (filters, kernel, *reduce) in enumerate(steps, start=1):
            shape = {"strides": 2, "padding": "valid"} if reduce else {}
            x = self.conv(x, f"{block}_branch{number}_{k}", filters, kernel, **shape)
        return x

    def mixed(self, x, block, branches, pool=None, *, behind_pool=()):
        """Inception-A, or a reduction: several views of the same pixels, the last one pooled."""
        pool = pool or layers.MaxPooling2D(3, strides=2, name=f"{block}_pool")
        views = [self.branch(x, block, number, steps) for number, steps in enumerate(branches)]
        views.append(self.branch(pool(x), block, len(branches), behind_pool))
        return layers.Concatenate(name=block)(views)

    def residual(self, x, block, branches, *, scale, activation=True):
        """Inception-ResNet block: the input plus a scaled correction computed from it."""
        views = [self.branch(x, block, number, steps) for number, steps in enumerate(branches)]
        correction = layers.Concatenate(name=f"{block}_mixed")(views)
        correction = layers.Conv2D(
            x.shape[-1], 1, kernel_initializer=self.start_values(f"{block}_conv"),
            name=f"{block}_conv",
        )(correction)  # fmt: skip
        correction = layers.Rescaling(scale, name=f"{block}_scale")(correction)
        x = layers.Add(name=f"{block}_add")([x, correction])
        return layers.Activation("relu", name=f"{block}_ac")(x) if activation else x


def _check_architecture(input_size, width, blocks, channels) -> None:
    if input_size < SMALLEST_INPUT:
        raise ValueError(
            f"input_size is {input_size}; the network needs at least {SMALLEST_INPUT} pixels a side"
        )
    if not width > 0:
        raise ValueError(f"width is {width}; it must be positive (1.0 as published)")
    if len(blocks) != 3 or min(blocks) < 1:
        raise ValueError(f"blocks is {blocks}; three counts of at least 1 are needed")
    if channels not in (1, 3):
        raise ValueError(f"channels is {channels}; images are grey (1) or colour (3)")


def _border(input_size: int, middle: tuple[int, int] | None) -> tuple | None:
    """Return what to cut off, ((above, below), (left, right)), so that the middle is left."""
    if middle is None:
        return None
    if min(middle) < SMALLEST_INPUT or max(middle) > input_size:
        raise ValueError(
            f"middle is {tuple(middle)}; its rows and columns lie between {SMALLEST_INPUT} and the "
            f"side of the input, {input_size}"
        )
    borders = [input_size - side for side in middle]
    return tuple((border // 2, border - border // 2) for border in borders)


def prognosis_model(setting: Setting, *, seed: int, weights: str | None = None) -> keras.Model:
    """Build the Pre-model or Post-model: backbone, mean of each feature map, two-neuron softmax.

    Parameters
    ----------
    seed : int
        Seed of the start values of the last layer, and of the backbone if it starts at random.
    weights : str, optional
        Another source of start values than ``setting.weights``.

    Returns
    -------
    keras.Model
        From (n, S, S, 1) pixel values 0..255 to probabilities (n, 2): low risk, high risk. Its
        last layers are called ``pool``, ``dropout`` and ``risk``; its name tells the weight
        source and the seed. Batch normalisation is frozen unless the setting trains it: weights
        of another domain come with running means that a small study would only blur. With
        ``setting.trainable == "head"`` all of the backbone is frozen, with ``"top"`` all up to
        the end of ``block17``. The backbone computes in ``setting.precision``, what stands behind
        it in 32 bits.

    Raises
    ------
    ValueError, WeightsNotFound
        As `inception_resnet_v2`.

    References
    ----------
    Li et al. 2022, section 2.4.
    """
    if setting.trainable not in DEPTHS:
        raise ValueError(
            f"setting.trainable is {setting.trainable!r}; choose one of {', '.join(DEPTHS)}"
        )
    source = setting.weights if weights is None else weights
    with _computing_in(setting.precision):
        backbone = inception_resnet_v2(
            setting.input_size,
            width=setting.width,
            blocks=setting.blocks,
            weights=source,
            middle=setting.middle,
            seed=seed,
        )
    first = _first_to_learn(backbone, setting.trainable)
    for number, layer in enumerate(backbone.layers):
        learns = setting.train_normalisation or not isinstance(layer, layers.BatchNormalization)
        layer.trainable = number >= first and learns
    x = layers.GlobalAveragePooling2D(name=POOL, dtype="float32")(backbone.output)
    x = layers.Dropout(setting.dropout, seed=seed, name=DROPOUT)(x)
    risk = layers.Dense(
        len(CLASSES),
        activation="softmax",
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        kernel_regularizer=keras.regularizers.L2(setting.l2),
        name=HEAD,
    )
    name = "".join(c if c.isalnum() else "_" for c in Path(source).stem)
    return keras.Model(backbone.input, risk(x), name=f"prognosis_{name}_seed{seed}")


def _first_to_learn(backbone: keras.Model, depth: str) -> int:
    """Return the number of the first layer that learns; those before it are frozen."""
    names = [layer.name for layer in backbone.layers]
    if depth == "top":
        return names.index(end_of_block17(backbone)) + 1
    return 0 if depth == "all" else len(names)


@contextmanager
def _computing_in(precision: str):
    """Layers built inside get this dtype policy."""
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(usual)


def end_of_block17(model: keras.Model) -> str:
    """Return the last layer before the cells become four times as many pixels."""
    return [layer.name for layer in model.layers if layer.name.startswith("block17_")][-1]


_parts: WeakKeyDictionary[keras.Model, dict[str, keras.Model]] = WeakKeyDictionary()


def up_to(model: keras.Model, layer: str) -> keras.Model:
    """Return a model up to one of its layers; it shares the weights.

    Built once for each model and layer, and forgotten with the model: the graph that Keras makes
    of it at its first prediction takes as long as predictions of some dozen images.
    """
    parts = _parts.setdefault(model, {})
    if layer not in parts:
        parts[layer] = keras.Model(model.input, model.get_layer(layer).output, name=f"to_{layer}")
    return parts[layer]


def backbone_of(model: keras.Model) -> keras.Model:
    """Return a prognosis model up to the mean of each feature map, sharing its layers.

    A model without such a layer is a backbone already, and is returned as it is.
    """
    if POOL not in {layer.name for layer in model.layers}:
        return model
    return up_to(model, POOL)


def frozen_part(model: keras.Model) -> keras.Model | None:
    """Return what of a prognosis model turns an image into the same values however it learns.

    It ends where `trainable_part` begins: at the mean of each feature map, or at the end of
    ``block17``. None if the first layers learn already.
    """
    backbone = backbone_of(model)
    if not backbone.trainable_variables:
        return backbone
    if any(layer.trainable_variables for layer in model.layers if layer.name.startswith("stem_")):
        return None
    return up_to(model, end_of_block17(model))


def trainable_part(model: keras.Model) -> keras.Model:
    """Return a copy of what training changes: the last layer, the top blocks, or the whole network.

    Parameters
    ----------
    model : keras.Model
        From `prognosis_model`; not touched, so that a run can be started from it again.

    Returns
    -------
    keras.Model
        From what `frozen_part` answers to images, or from images where nothing is frozen, to
        probabilities (n, 2).
    """
    frozen = frozen_part(model)
    part = model if frozen is None else keras.Model(frozen.output, model.output, name="learner")
    copy = keras.models.clone_model(part)
    copy.set_weights(part.get_weights())
    return copy


def describe(model: keras.Model) -> pd.DataFrame:
    """Return the stages of a built model, for a table or a diagram like the paper's Fig. 2.

    Returns
    -------
    DataFrame
        One row per stage in the order of the data: ``stage``, ``repeats`` (of a residual block,
        else 1), ``layers`` (all of them), ``output_shape`` (height, width, channels) or
        (channels,), ``parameters``.
    """
    stages: dict[str, list[keras.Layer]] = {}
    for layer in model.layers:  # keras keeps them in the order of the data
        stages.setdefault(_stage(layer.name), []).append(layer)
    rows = [
        {
            "stage": stage,
            "repeats": len({m.name.split("_")[1] for m in members}) if "block" in stage else 1,
            "layers": len(members),
            "output_shape": tuple(members[-1].output.shape[1:]),
            "parameters": sum(member.count_params() for member in members),
        }
        for stage, members in stages.items()
    ]
    return pd.DataFrame(rows)


def _stage(layer_name: str) -> str:
    """Name of the block a layer belongs to: ``mixed_5b_branch1_2`` is part of ``mixed_5b``."""
    parts = layer_name.split("_")
    return "_".join(parts[:2]) if parts[0] in ("mixed", "conv") else parts[0]
