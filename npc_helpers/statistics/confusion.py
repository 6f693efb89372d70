"""The 2 x 2 table and the numbers read from it, each along its own axis; McNemar's exact test."""

import math
from dataclasses import dataclass

from scipy.stats import binomtest

from npc_helpers.statistics.estimate import LEVEL, Estimate
from npc_helpers.statistics.gate import checked, flags, two_classes


@dataclass(frozen=True)
class ConfusionTable:
    """Counts of true against predicted risk group; positive means high risk.

    Shares have Wilson's interval; one of nobody prints as ``not estimable``.
    """

    tp: int
    fp: int
    tn: int
    fn: int

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
        return self._share(self.tp + self.tn, self.tp + self.fp + self.tn + self.fn)

    @property
    def balanced_accuracy(self) -> Estimate:
        """Mean of sensitivity and specificity, whose Wilson intervals are combined.

        For a two-level score this is its AUC (Newcombe, Stat Med 1998;17:873, method 10).
        """
        parts = (self.sensitivity, self.specificity)
        value = sum(part.value for part in parts) / 2
        below = math.hypot(*(part.value - part.low for part in parts)) / 2
        above = math.hypot(*(part.value - part.high for part in parts)) / 2
        return Estimate(value, value - below, value + above)

    def _share(self, part: int, whole: int) -> Estimate:
        if whole == 0:
            return Estimate(math.nan, math.nan, math.nan)
        return wilson(part, whole)


def confusion(high_risk, predicted_high) -> ConfusionTable:
    """Count true and false, positive and negative calls.

    Examples
    --------
    >>> table = confusion([True, True, False, False], [True, False, False, False])
    >>> table.tp, table.fp, table.tn, table.fn
    (1, 0, 2, 1)
    """
    truth, called = checked(high_risk=high_risk, predicted_high=flags(predicted_high))
    two_classes(truth)
    return ConfusionTable(
        tp=int((truth & called).sum()),
        fp=int((~truth & called).sum()),
        tn=int((~truth & ~called).sum()),
        fn=int((truth & ~called).sum()),
    )


def wilson(part: int, whole: int) -> Estimate:
    """Share with Wilson's score interval (J Am Stat Assoc 1927;22:209)."""
    if whole <= 0 or not 0 <= part <= whole:
        raise ValueError(f"{part} of {whole} is no share")
    low, high = binomtest(part, whole).proportion_ci(LEVEL, method="wilson")
    return Estimate(part / whole, low, high)


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided binomial P from the patients whom only one of two models calls correctly.

    1 if no patient tells the models apart.
    """
    if min(only_a, only_b) < 0:
        raise ValueError(f"{only_a} and {only_b} are no counts of patients")
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b).pvalue)
