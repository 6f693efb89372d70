"""Images or features with their labels, in batches whose order can be repeated."""

from __future__ import annotations

import keras
import numpy as np

from npc_helpers.statistics.gate import TooFewPatients, checked, flags, index_of

PIECE = 256  # rows read at a time where the data are a memory map


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
    batch_size : int
    seed : int

    Raises
    ------
    ValueError
        If lengths differ, a label is not true or false, all labels are equal, or a value of
        `data` is not a finite number; the message names the row.

    Examples
    --------
    >>> features = np.array([[0.1], [0.2], [0.3]], dtype=np.float32)
    >>> batches = Batches(features, [True, False, True], batch_size=2, seed=1)
    >>> [len(labels) for inputs, labels in batches]
    [2, 1]
    """

    def __init__(self, data, high_risk, *, rows=None, batch_size: int, seed: int) -> None:
        super().__init__()
        labels = _labels(high_risk, len(data))
        chosen = np.ones(len(labels), dtype=bool) if rows is None else np.asarray(rows)
        if chosen.shape != labels.shape or chosen.dtype != bool:
            raise ValueError(f"rows has to hold true or false for each of {len(labels)} images")
        self.rows = np.flatnonzero(chosen)
        self.data, self.labels = data, labels[self.rows]
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.order = np.arange(len(self.rows))
        _require_both_groups(self.labels)
        self._require_finite()

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return np.asarray(self.data[self.rows[chosen]]), self.labels[chosen]

    def on_epoch_begin(self) -> None:
        """Shuffle for the next epoch (Keras calls this)."""
        self.epoch += 1
        self.order = self.random(self.epoch).permutation(len(self.rows))

    def random(self, epoch: int) -> np.random.Generator:
        """Return the source of all that is random in an epoch (the first one is 1)."""
        return np.random.default_rng([self.seed, epoch])

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


def _require_both_groups(labels: np.ndarray) -> None:
    n_high = int(labels.sum())
    if n_high in (0, len(labels)):
        raise TooFewPatients(
            f"all {len(labels)} training images belong to one class ({n_high} high risk, "
            f"{len(labels) - n_high} low risk); two risk groups are needed. "
            "Look at high_risk and split in the cohort table."
        )
