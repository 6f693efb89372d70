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

    @property
    def f1(self) -> Estimate:
        """Harmonic mean of PPV and sensitivity; true negatives do not count.

        It is a rising function of TP / (TP + FP + FN), whose Wilson interval is carried over.
        """
        overlap = self._share(self.tp, self.tp + self.fp + self.fn)
        ends = (overlap.value, overlap.low, overlap.high)
        return Estimate(*(2 * end / (1 + end) for end in ends), self.confidence)

    @property
    def mcc(self) -> Estimate:
        """Matthews correlation of true and predicted group: 1 perfect, 0 no better than chance.

        Interval on Fisher's scale with the variance of the phi coefficient (Bishop, Fienberg and
        Holland, Discrete Multivariate Analysis, 1975, 11.3). A table with an empty cell gets
        half a patient in each cell for the interval only.
        """
        value, _ = _phi(self.tp, self.fp, self.tn, self.fn)
        if math.isnan(value):
            return self._not_estimable()
        centre, variance = _phi(*self._without_zeros())
        half = critical_value(self.confidence) * math.sqrt(variance) / (1 - centre**2)
        low, high = (math.tanh(math.atanh(centre) + sign * half) for sign in (-1, 1))
        return Estimate(value, min(low, value), max(high, value), self.confidence)

    @property
    def positive_likelihood_ratio(self) -> Estimate:
        """Factor by which the call 'high risk' multiplies the odds of being high risk.

        Log interval (Simel et al., J Clin Epidemiol 1991;44:763). A table with an empty cell gets
        half a patient in each cell for the interval only; the ratio itself may be infinite.
        """
        return self._ratio(self.tp, self.fp)

    @property
    def negative_likelihood_ratio(self) -> Estimate:
        """Factor by which the call 'low risk' multiplies the odds of being high risk.

        Interval as of `positive_likelihood_ratio`.
        """
        return self._ratio(self.fn, self.tn)

    def _share(self, part: int, whole: int) -> Estimate:
        if whole == 0:
            return self._not_estimable()
        return wilson(part, whole, confidence=self.confidence)

    def _not_estimable(self) -> Estimate:
        return Estimate(math.nan, math.nan, math.nan, self.confidence)

    def _without_zeros(self) -> list[float]:
        cells = (self.tp, self.fp, self.tn, self.fn)
        return [cell + 0.5 * (0 in cells) for cell in cells]

    def _ratio(self, of_high: int, of_low: int) -> Estimate:
        high, low = self.tp + self.fn, self.tn + self.fp
        if of_high == of_low == 0 or 0 in (high, low):
            return self._not_estimable()
        value = (of_high / high) / (of_low / low) if of_low else math.inf
        more = 0.5 * (0 in (self.tp, self.fp, self.tn, self.fn))
        a, b, m, n = of_high + more, of_low + more, high + 2 * more, low + 2 * more
        half = critical_value(self.confidence) * math.sqrt(1 / a - 1 / m + 1 / b - 1 / n)
        bounds = [(a / m) / (b / n) * math.exp(sign * half) for sign in (-1, 1)]
        return Estimate(value, min(bounds[0], value), max(bounds[1], value), self.confidence)


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


def _phi(tp: float, fp: float, tn: float, fn: float) -> tuple[float, float]:
    """Phi coefficient of a 2 x 2 table and its large-sample variance."""
    truth, call = (tp + fn, tn + fp), (tp + fp, tn + fn)
    margins = math.sqrt(math.prod(truth) * math.prod(call))
    if margins == 0:
        return math.nan, math.nan
    n = tp + fp + tn + fn
    phi = (tp * tn - fp * fn) / margins
    skew = [(a - b) / math.sqrt(a * b) for a, b in (truth, call)]
    variance = 1 - phi**2 + phi * (1 + phi**2 / 2) * skew[0] * skew[1]
    variance -= 0.75 * phi**2 * (skew[0] ** 2 + skew[1] ** 2)
    return phi, max(variance, 0.0) / n
