"""Losses that learn from the time to progression, for any Keras model and any of its backends.

Both take the same target, which `follow_up` makes: for each patient the months observed, and
whether they ended with progression. Nothing is cut at a median, and nobody who was merely lost
early is called high risk.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from npc_helpers.statistics.gate import checked

ENDS = (12.0, 24.0, 36.0, 48.0)  # months at which the intervals of the hazards end
SMALLEST = 1e-7  # a hazard of 0 or 1 would make the logarithm infinite


def follow_up(time, event) -> np.ndarray:
    """Return the target of both losses.

    Parameters
    ----------
    time, event : array-like, shape (n,)
        Months observed; True if they ended with progression.

    Returns
    -------
    ndarray of float32, shape (n, 2)

    Examples
    --------
    >>> follow_up([10, 20.5], [True, False]).tolist()
    [[10.0, 1.0], [20.5, 0.0]]
    """
    return np.column_stack(checked(time=time, event=event)).astype(np.float32)


@keras.saving.register_keras_serializable("npc_helpers")
def cox_loss(target, log_hazard):
    """Negative logarithm of the Cox partial likelihood, Efron's rule for ties, per patient.

    For each patient i who progresses,

        log Σ exp(f(j)) over all j still observed at i's time − f(i)

    and 0 for the others. Of d patients who progress at the same time the first leaves before
    the second: the k-th (from 0) finds k / d of their sum gone (Efron 1977), as in R's ``coxph``.

    Who is at risk is looked for among the rows of one batch, so each row should be a patient, and
    a batch all patients of the training: several images of a patient in a batch would be compared
    with one another.

    Parameters
    ----------
    target : tensor, shape (n, 2)
        From `follow_up`.
    log_hazard : tensor, shape (n, 1)
        f, without limits: of a layer with one neuron and no activation. A bias changes nothing.

    Returns
    -------
    tensor, shape (n,)
        Their sum is minus the log partial likelihood; Keras minimises their mean.

    References
    ----------
    Cox 1972; Efron, J Am Stat Assoc 1977;72:557; Katzman et al. (DeepSurv), BMC Med Res Methodol
    2018;18:24.
    """
    months, event = target[:, 0], ops.cast(target[:, 1], log_hazard.dtype)
    f = log_hazard[:, 0]
    highest = ops.stop_gradient(ops.max(f))
    hazard = ops.exp(f - highest)  # (n,)
    at_risk = ops.cast(months[None, :] >= months[:, None], f.dtype)  # (n, n): j while i progresses
    tied = ops.cast(months[None, :] == months[:, None], f.dtype) * event[None, :]
    before = ops.sum(ops.tril(tied, k=-1), axis=1)  # (n,): how many of the tied left before i
    gone = before / ops.maximum(ops.sum(tied, axis=1), 1)
    total = ops.matmul(at_risk, hazard) - gone * ops.matmul(tied, hazard)
    return event * (ops.log(total) + highest - f)


@keras.saving.register_keras_serializable("npc_helpers")
class HazardLoss(keras.losses.Loss):
    """Negative log likelihood of discrete-time hazards.

    Follow-up is cut into intervals that end at `ends`. The model gives one hazard h for each: the
    probability to progress in it of whoever was well at its beginning. A patient adds −log(1 − h)
    for each interval survived, and −log h for the one with the progression.

    An interval (a, b] holds its end, so "by 36 months" means what it does elsewhere in the suite.
    A patient who is *lost* within an interval counts as having survived it from its middle on,
    and otherwise not as having been in it (Gensheimer and Narasimhan 2019). Whoever progresses
    after the last end survived every interval.

    Parameters
    ----------
    ends : sequence of float
        Months, rising. The model needs as many outputs, with a sigmoid.

    References
    ----------
    Brown 1975; Gensheimer and Narasimhan, PeerJ 2019;7:e6257; Kvamme and Borgan, Lifetime Data
    Anal 2021;27:710.
    """

    def __init__(self, ends: Sequence[float] = ENDS, name: str = "hazard_loss", **options) -> None:
        super().__init__(name=name, **options)
        self.ends = [float(end) for end in ends]
        if self.ends != sorted(set(self.ends)) or self.ends[0] <= 0:
            raise ValueError(f"ends is {list(ends)}; the months have to be positive and to rise")

    def call(self, target, hazard):
        """Return the loss of each patient, (n,), from target (n, 2) and hazard (n, intervals)."""
        months, event = target[:, :1], ops.cast(target[:, 1:], hazard.dtype)  # (n, 1) each
        ends = ops.convert_to_tensor(self.ends, dtype=months.dtype)
        starts = ops.convert_to_tensor([0.0, *self.ends[:-1]], dtype=months.dtype)
        after_end = ops.cast(months > ends, hazard.dtype)  # (n, intervals)
        after_middle = ops.cast(months >= (starts + ends) / 2, hazard.dtype)
        survived = event * after_end + (1 - event) * after_middle
        progressed = event * ops.cast((months > starts) & (months <= ends), hazard.dtype)
        h = ops.clip(hazard, SMALLEST, 1 - SMALLEST)
        return -ops.sum(survived * ops.log(1 - h) + progressed * ops.log(h), axis=1)

    def get_config(self) -> dict:
        """Return what makes this loss again (Keras calls this)."""
        return super().get_config() | {"ends": self.ends}


def p_progression(hazard: np.ndarray) -> np.ndarray:
    """Probability to have progressed by the end of each interval: 1 − Π (1 − h).

    Parameters
    ----------
    hazard : ndarray, shape (n, intervals)

    Returns
    -------
    ndarray, shape (n, intervals)

    Examples
    --------
    >>> p_progression(np.array([[0.1, 0.5]])).round(2).tolist()
    [[0.1, 0.55]]
    """
    return 1 - np.cumprod(1 - np.asarray(hazard), axis=1)
