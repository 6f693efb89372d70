"""The two settings of the suite, side by side: `TUTORIAL` and `PAPER`.

Every value of `PAPER` is the paper's own (Li et al. 2022, section in the comment) or marked
as not given there. `TUTORIAL` differs only where two processor cores and no network require it.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Setting:
    """All choices of one training run.

    Attributes
    ----------
    canvas : int
        Side of the square, in original image pixels, to which a cropped region is zero-padded.
    shrink : int
        The padded canvas is averaged over `shrink` x `shrink` pixels before the network sees it.
    width : float
        Number of filters relative to the published Inception-ResNet-V2 (1.0).
    blocks : tuple of int
        Repetitions of block35, block17 and block8; (10, 20, 10) as published.
    weights : str
        Start values: ``"imagenet"``, ``"in_domain"``, ``"none"`` or a path.
    trainable : {"head", "all"}
        What is fitted: the two-neuron layer on frozen features, or the whole network.
    middle : (rows, columns), optional
        The part in the middle of the input that the network looks at, in network pixels.
    train_normalisation : bool
        Whether batch normalisation learns along, or keeps the means of the start weights.
    schedule : {"constant", "cosine"}
        The learning rate stays what it is; or rises in the first tenth of the run and falls to
        zero in its rest (the weights then also decay by `weight_decay`).
    images_per_patient : int, optional
        How many images of a patient enter an epoch, drawn anew for each; all by default.
    vary_images : bool
        Show variants of the images, see `network.batches.vary`.
    precision : str
        Keras' dtype policy of the backbone. ``"mixed_bfloat16"`` halves the memory of the maps
        between the layers, on cards that know it; the weights stay 32 bits wide.
    accumulate : int, optional
        A step follows from the mean gradient of so many batches, each of ``batch_size /
        accumulate`` images: the same step, in a fraction of the memory. None: one batch.
    """

    name: str
    canvas: int
    shrink: int
    width: float
    blocks: tuple[int, int, int]
    weights: str
    trainable: str
    batch_size: int
    learning_rate: float
    dropout: float
    l2: float
    monitor: str
    patience: int
    max_epochs: int
    middle: tuple[int, int] | None = None
    train_normalisation: bool = False
    schedule: str = "constant"
    weight_decay: float = 0.0
    images_per_patient: int | None = None
    vary_images: bool = False
    precision: str = "float32"
    accumulate: int | None = None

    def __post_init__(self) -> None:
        if self.accumulate is not None and (
            self.accumulate < 2 or self.batch_size % self.accumulate
        ):
            raise ValueError(
                f"accumulate is {self.accumulate}; give a divisor of batch_size "
                f"({self.batch_size}) from 2 on, or leave it out for one batch a step."
            )

    @property
    def images_at_a_time(self) -> int:
        """How many images are on the device at once while training."""
        return self.batch_size // (self.accumulate or 1)

    @property
    def input_size(self) -> int:
        """Side of the square image that enters the network, in network pixels."""
        return self.canvas // self.shrink


PAPER = Setting(
    name="paper",
    canvas=512,  # 2.3: padded with zeros to 512 x 512
    shrink=1,  # 2.3: no reduction
    width=1.0,  # 2.4: Inception-ResNet-V2
    blocks=(10, 20, 10),  # Szegedy et al. 2017, figure 15
    weights="imagenet",  # 2.4: transfer learning, ImageNet benchmark
    trainable="all",  # not stated; "optimize the initial parameters" reads as fine-tuning
    batch_size=32,  # 2.4
    learning_rate=1e-4,  # 2.4
    dropout=0.5,  # 2.4
    l2=1e-4,  # 2.4 names L2 without its strength; a common value
    monitor="accuracy",  # 2.4: "accuracy"; on which patients is not said, so the training ones
    patience=10,  # 2.4
    max_epochs=200,  # not stated; early stopping ends the run
)

TUTORIAL = Setting(
    name="tutorial",
    canvas=512,
    shrink=2,  # 256 x 256 network pixels: a quarter of the arithmetic
    middle=(112, 210),  # holds rectangles up to 224 x 420 image pixels; the rest is padding
    width=0.25,  # quarter width
    blocks=(2, 3, 2),  # fewer repetitions of each block
    weights="in_domain",  # ships with the package, needs no network
    trainable="all",
    train_normalisation=True,  # the start weights know other images and no outcomes
    batch_size=32,
    learning_rate=1e-3,  # ten times the paper's: a small network has farther to go
    schedule="cosine",
    weight_decay=1e-3,
    dropout=0.3,
    l2=1e-4,
    images_per_patient=4,  # of 14 that are much alike
    vary_images=True,
    monitor="accuracy",
    patience=10,
    max_epochs=6,  # chosen on training patients, see docs/results.md
)


def current_setting() -> Setting:
    """Return the setting named by the environment variable ``NPC_SETTING`` (default tutorial).

    Behind the name choices can be changed, for a smaller card or a rehearsal: ``NPC_SETTING="paper
    accumulate=4 precision=mixed_bfloat16"``. Results of each such setting lie in a folder of their
    own. A setting, choice or value that does not exist is a `ValueError`.
    """
    name, *changes = (os.environ.get("NPC_SETTING") or TUTORIAL.name).split()
    for setting in (TUTORIAL, PAPER):
        if setting.name == name:
            return _changed(setting, sorted(changes))
    raise ValueError(f"NPC_SETTING is {name!r}; there are two settings: 'tutorial' and 'paper'.")


def _changed(setting: Setting, changes: list[str]) -> Setting:
    """Return a setting with choices such as ``"shrink=4"`` changed, named by them."""
    kinds = {field.name: re.match(r"\w+", field.type)[0] for field in dataclasses.fields(setting)}
    kinds.pop("name")
    values = {}
    for change in changes:
        choice, _, text = change.partition("=")
        if choice not in kinds:
            raise ValueError(f"NPC_SETTING changes {choice!r}; a setting has {', '.join(kinds)}.")
        try:
            values[choice] = READERS[kinds[choice]](text)
        except (ValueError, KeyError):
            raise ValueError(
                f"NPC_SETTING gives {choice} as {text!r}; that of {setting.name} is "
                f"{getattr(setting, choice)!r}."
            ) from None
    name = "_".join([setting.name, *(re.sub(r"[^A-Za-z0-9.]+", "-", c) for c in changes)])
    return dataclasses.replace(setting, name=name, **values)


READERS = {
    "str": str,
    "int": int,
    "float": float,
    "bool": {"True": True, "False": False}.__getitem__,
    "tuple": lambda text: tuple(map(int, text.split(","))),
}
