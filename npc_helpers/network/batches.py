"""Images or features with their labels, in batches whose order can be repeated."""

from collections.abc import Callable

import keras
import numpy as np
import pandas as pd

from npc_helpers.statistics.gate import checked, flags, index_of, two_classes

SHIFT = 4  # network pixels by which an image is moved at most
BRIGHTNESS = 0.1  # spread of gain and of the logarithm of gamma
PIECE = 256  # rows read at a time where the data are a memory map


def vary(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images as another examination might have shown them: mirrored, moved, brighter.

    Each is mirrored with probability one half, moved by up to four pixels either way, and its
    grey values get another gain and gamma, of about ten percent. None of that changes what a
    patient is like, and a network that has met the variants cannot learn single pixels by heart.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, columns, 1)
    rng : Generator

    Returns
    -------
    ndarray of uint8, same shape
    """
    varied = np.empty_like(images)
    for number, image in enumerate(images):
        gain, gamma = rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS), np.exp(rng.normal(0, BRIGHTNESS))
        grey = 255 * gain * (np.arange(256) / 255) ** gamma
        image = image[:, ::-1] if rng.random() < 0.5 else image
        image = np.roll(image, rng.integers(-SHIFT, SHIFT + 1, 2), axis=(0, 1))
        varied[number] = np.minimum(grey, 255).astype(np.uint8)[image]
    return varied


class Batches(keras.utils.PyDataset):
    """The training images, or their features, shuffled anew for each epoch.

    The order of epoch e is decided by the seed and e alone, so that a run taken up again meets
    the batches that it would have met. Give ``shuffle=False`` to `fit`: Keras would otherwise
    shuffle the batches once more, in an order that nobody can repeat.

    Parameters
    ----------
    data : array, shape (n, ...)
        Pixel values or features. A memory map is read batch by batch, ahead of the training.
    high_risk : array of bool, shape (n,)
        Label of each image: that of its patient.
    rows : array of bool, shape (n,), optional
        Which of them to train on; all by default.
    patients : array-like, shape (n,), optional
        Whose image each is; needed with `per_patient`.
    per_patient : int, optional
        How many images of each patient enter an epoch, drawn anew each time; all by default.
        Neighbouring slices are much alike, so that a few of them teach almost as much.
    variation : callable, optional
        Makes variants of a batch of images for each epoch, as `vary` does.

    Raises
    ------
    ValueError
        If lengths differ, a label is not true or false, all labels are equal, a value of `data`
        is not a finite number (the message names the row), or `per_patient` lacks `patients`.

    Examples
    --------
    >>> features = np.array([[0.1], [0.2], [0.3]], dtype=np.float32)
    >>> batches = Batches(features, [True, False, True], batch_size=2, seed=1)
    >>> [len(labels) for inputs, labels in batches]
    [2, 1]
    """

    def __init__(
        self,
        data,
        high_risk,
        *,
        rows=None,
        batch_size: int,
        seed: int,
        patients=None,
        per_patient: int | None = None,
        variation: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
    ) -> None:
        super().__init__()
        labels = _labels(high_risk, len(data))
        chosen = np.ones(len(labels), dtype=bool) if rows is None else np.asarray(rows)
        if chosen.shape != labels.shape or chosen.dtype != bool:
            raise ValueError(f"rows has to hold true or false for each of {len(labels)} images")
        self.rows = np.flatnonzero(chosen)
        self.data, self.labels = data, labels[self.rows]
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        if per_patient is not None and patients is None:
            raise ValueError("per_patient needs patients: whose image is each of them?")
        self.patients = None if patients is None else np.asarray(patients)[self.rows]
        self.per_patient, self.variation = per_patient, variation
        self.order = self._draw(self.random(0))
        two_classes(self.labels)  # training images of both are needed
        self._require_finite()

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        inputs = np.asarray(self.data[self.rows[chosen]])
        if self.variation is not None:
            inputs = self.variation(inputs, self.random(self.epoch, index + 1))
        return inputs, self.labels[chosen]

    def on_epoch_begin(self) -> None:
        """Shuffle for the next epoch (Keras calls this)."""
        self.epoch += 1
        self.order = self._draw(self.random(self.epoch))

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return the rows of an epoch in their order, of each patient no more than asked for."""
        order = rng.permutation(len(self.rows))
        if self.per_patient is None:
            return order
        turn = pd.Series(order).groupby(self.patients[order]).cumcount().to_numpy()
        return order[turn < self.per_patient]

    def random(self, *place: int) -> np.random.Generator:
        """Return the source of all that is random in an epoch, or in one batch of it."""
        return np.random.default_rng([self.seed, *place])

    def identity(self) -> dict:
        """Return what decides the batches beside the data and the labels."""
        facts = {"seed": self.seed, "batch_size": self.batch_size}
        if self.per_patient is not None:
            _, whose = np.unique(self.patients, return_inverse=True)
            facts |= {"per_patient": self.per_patient, "whose": whose.tolist()}
        if self.variation is not None:
            facts |= {"variation": self.variation.__name__}
        return facts

    def pieces(self):
        """Yield the training rows of the data in their own order, a few hundred at a time."""
        for start in range(0, len(self.rows), PIECE):
            yield np.ascontiguousarray(self.data[self.rows[start : start + PIECE]])

    def _require_finite(self) -> None:
        if np.issubdtype(self.data.dtype, np.integer):
            return
        for number, piece in enumerate(self.pieces()):
            bad = ~np.isfinite(piece.reshape(len(piece), -1)).all(axis=1)
            if bad.any():
                row = int(self.rows[number * PIECE + bad.argmax()])
                raise ValueError(
                    f"row {row} of the data (counted from 0) holds a value that is not a finite "
                    "number, and one such value makes every weight of the network unusable. "
                    "Look at the image of that row, or compute its features again."
                )


def _labels(high_risk, n: int) -> np.ndarray:
    """Return the labels as 0 (low risk) and 1 (high risk)."""
    names = index_of(high_risk)
    if names is not None and not names.is_unique:  # several images of a patient: not rows by name
        high_risk = high_risk.to_numpy()
    labels = checked(high_risk=flags(high_risk))[0].astype(np.int32)
    if len(labels) != n:
        raise ValueError(f"{n} images but {len(labels)} labels; one each, please")
    return labels
