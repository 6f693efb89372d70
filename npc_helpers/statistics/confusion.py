"""The 2 x 2 table and the numbers read from it, each along its own axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from npc_helpers.statistics.estimate import Estimate, critical_value
from npc_helpers.statistics.gate import checked, flags, two_classes


@dataclass(frozen=True)
class ConfusionTable:
    """Counts of true against predicted risk group; positive means high risk.

    Attributes
    ----------
    tp, fp, tn, fn : int
        True and false, positives and negatives.
    confidence : float
        Of the intervals: Wilson's for shares, as each property says for the others.
    """

    tp: int
    fp: int
    tn: int
    fn: int
    confidence: float = 0.95

    @property
    def sensitivity(self) -> Estimate:
        """Of the truly high-risk patients, the share called high risk."""
        return self._share(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Estimate:
        """Of the truly low-risk patients, the share called low risk."""
        return self._share(self.tn, self.tn + self.fp)

    @property
    def ppv(self) -> Estimate:
        """Of the patients called high risk, the share who truly are."""
        return self._share(self.tp, self.tp + self.fp)

    @property
    def npv(self) -> Estimate:
        """Of the patients called low risk, the share who truly are."""
        return self._share(self.tn, self.tn + self.fn)

    @property
    def accuracy(self) -> Estimate:
        """Share of all patients who were called correctly."""
        total = self.tp + self.fp + self.tn + self.fn
        return self._share(self.tp + self.tn, total)

    @property
    def balanced_accuracy(self) -> Estimate:
        """Mean of sensitivity and specificity, whose Wilson intervals are combined.

        For a two-level score this is its AUC (Newcombe, Stat Med 1998;17:873, method 10).
        """
        parts = (self.sensitivity, self.specificity)
        value = sum(part.value for part in parts) / 2
        below, above = (
            math.hypot(*(part.value - getattr(part, end) for part in parts)) / 2
            for end in ("low", "high")
        )
        return Estimate(value, value - below, value + above, self.confidence)

    def _share(self, part: int, whole: int) -> Estimate:
        if whole == 0:
            return self._not_estimable()
        return wilson(part, whole, confidence=self.confidence)

    def _not_estimable(self) -> Estimate:
        return Estimate(math.nan, math.nan, math.nan, self.confidence)


def confusion(high_risk, predicted_high, *, confidence: float = 0.95) -> ConfusionTable:
    """Count the four cells.

    Parameters
    ----------
    high_risk, predicted_high : array-like of bool, shape (n,)
    confidence : float

    Raises
    ------
    ValueError
        If there is one true class only, a call is not True or False, a value is missing, or the
        lengths differ.
    """
    truth, called = checked(high_risk=flags(high_risk), predicted_high=flags(predicted_high))
    two_classes(truth)
    return ConfusionTable(
        tp=int((truth & called).sum()),
        fp=int((~truth & called).sum()),
        tn=int((~truth & ~called).sum()),
        fn=int((truth & ~called).sum()),
        confidence=confidence,
    )


def wilson(part: int, whole: int, *, confidence: float = 0.95) -> Estimate:
    """Share with Wilson's score interval (J Am Stat Assoc 1927;22:209).

    Raises
    ------
    ValueError
        If `whole` is not positive or `part` does not lie within it.
    """
    if whole <= 0 or not 0 <= part <= whole:
        raise ValueError(f"{part} of {whole} is no share")
    z = critical_value(confidence)
    share = part / whole
    centre = (share + z**2 / (2 * whole)) / (1 + z**2 / whole)
    half = z / (1 + z**2 / whole) * math.sqrt(share * (1 - share) / whole + (z / (2 * whole)) ** 2)
    low = max(centre - half, 0.0) if part else 0.0
    high = min(centre + half, 1.0) if part < whole else 1.0
    return Estimate(share, low, high, confidence)
