"""Numbers that follow from the paper's counts, one function per question."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy import stats

from npc_helpers import statistics
from npc_helpers.appraisal.published import confusion_tables, table_1
from npc_helpers.cohort import staging

GROUPS = ("training", "test")


def p_values(characteristic: str) -> dict[str, float]:
    """P values of a row of Table 1 by the tests that could have been meant.

    Parameters
    ----------
    characteristic : str
        As in `table_1`. Yates' correction and Fisher's test are given for 2 x 2 tables only.
    """
    counts = table_1(characteristic).to_numpy()
    found = {"chi-squared": stats.chi2_contingency(counts, correction=False).pvalue}
    if counts.shape == (2, 2):
        found["with Yates"] = stats.chi2_contingency(counts, correction=True).pvalue
        found["Fisher"] = stats.fisher_exact(counts).pvalue
    return {name: float(p) for name, p in found.items()}


def p_values_of_age(training: tuple[float, float, int], test: tuple[float, float, int]) -> dict:
    """Lowest and highest P of a t test that unrounded means and SDs could have given.

    Parameters
    ----------
    training, test : tuple of (mean, SD, patients)
        As printed, with two decimals.

    Returns
    -------
    dict of str to (float, float)
        For Student's and Welch's test.
    """
    ends = {}
    for name, equal in (("Student", True), ("Welch", False)):
        found = []
        for shift in itertools.product((-0.005, 0.005), repeat=4):
            first = (training[0] + shift[0], training[1] + shift[1], training[2])
            second = (test[0] + shift[2], test[1] + shift[3], test[2])
            found.append(stats.ttest_ind_from_stats(*first, *second, equal_var=equal).pvalue)
        ends[name] = (float(min(found)), float(max(found)))
    return ends


def pooled_mean(means, sizes) -> float:
    """Mean of all patients from the means of groups."""
    return float(np.average(means, weights=sizes))


def attainable_auc(printed: float, n_high: int, n_low: int) -> tuple[float, float]:
    """Return the attainable AUCs just below (or at) and just above `printed`.

    An AUC counts pairs of one high-risk and one low-risk patient, ties as half a pair; so it is a
    multiple of 1 / (2 `n_high` `n_low`).
    """
    steps = 2 * n_high * n_low
    below = math.floor(printed * steps)
    return below / steps, (below + 1) / steps


def auc_range(model: str) -> tuple[float, float]:
    """Lowest and highest AUC of a score whose ROC curve passes the point of Table 2."""
    table = confusion_tables()[model]
    hit, false = table.sensitivity.value, 1 - table.specificity.value
    return hit * (1 - false), 1 - false * (1 - hit)


def two_level_auc(model: str) -> float:
    """AUC of a yes/no prediction: the mean of sensitivity and specificity."""
    return confusion_tables()[model].balanced_accuracy.value


def two_level_interval(model: str, method: str) -> tuple[float, float]:
    """95% interval of `two_level_auc`.

    Parameters
    ----------
    model : str
    method : {"DeLong", "DeLong, logit", "Hanley-McNeil"}
        The last is the nonparametric form (Radiology 1982;143:29, table II) with three-way ties
        counted one third, which SPSS documents for its ROC procedure.

    Raises
    ------
    ValueError
        For another method.
    """
    table = confusion_tables()[model]
    if method == "Hanley-McNeil":
        half = stats.norm.ppf(0.975) * math.sqrt(_hanley_mcneil(table))
        value = table.balanced_accuracy.value
        return value - half, value + half
    scales = {"DeLong": "plain", "DeLong, logit": "logit"}
    if method not in scales:
        raise ValueError(f"method is {method!r}; allowed: Hanley-McNeil, {', '.join(scales)}")
    counts = (table.tp, table.fn, table.fp, table.tn)
    truth, call = np.repeat([[1, 1, 0, 0], [1, 0, 1, 0]], counts, axis=1)
    found = statistics.roc_auc(truth, call, method=scales[method])
    return found.low, found.high


def _hanley_mcneil(table) -> float:
    """Variance of the AUC of a two-level score, from triples of patients."""
    n_high, n_low = table.tp + table.fn, table.tn + table.fp
    area = table.balanced_accuracy.value
    two_high = _triples(table.fn, table.tp, table.tn, table.fp) / (n_low * n_high**2)
    two_low = _triples(table.fp, table.tn, table.tp, table.fn) / (n_high * n_low**2)
    spread = (n_high - 1) * (two_high - area**2) + (n_low - 1) * (two_low - area**2)
    return (area * (1 - area) + spread) / (n_high * n_low)


def _triples(wrong: int, right: int, others_right: int, others_wrong: int) -> float:
    """Triples in which both of one class are ranked correctly against one of the other."""
    clear = right**2 + right * wrong + wrong**2 / 3
    return others_right * clear + others_wrong * right**2 / 3


def best_mcnemar(first: str, second: str) -> float:
    """Smallest P value that exact McNemar could give two models with these 2 x 2 tables.

    The models disagree least, and so most in one direction, if within each true class the worse
    one is right only where the better one is right.
    """
    a, b = (confusion_tables()[name] for name in (first, second))
    gains = (a.tp - b.tp, a.tn - b.tn)
    return statistics.mcnemar_exact(
        sum(gain for gain in gains if gain > 0), sum(-gain for gain in gains if gain < 0)
    )


def narrowest_c_interval(c: float, n: int) -> float:
    """Half-width of the 95% interval of a C-index at the most favourable number of events."""
    errors = [statistics.c_index_standard_error(c, k, n - k) for k in range(1, n)]
    return statistics.half_width(min(errors))


def patients_for_c_interval(c: float, half_width: float) -> int:
    """Patients, half of them with an event, whose C-index has this half-width."""
    return statistics.patients_for_half_width(
        c, wanted=half_width, standard_error=statistics.c_index_standard_error
    )


def stage_overlap(group: str) -> int:
    """Patients who must be both T4 and N3 for stage IVa to mean 'T4 or N3' (8th edition)."""
    counts = {name: table_1(name)[group] for name in ("T", "N", "stage")}
    return int(counts["T"]["T4"] + counts["N"]["N3"] - counts["stage"]["IVa"])


def stages_with_n3(edition: int) -> set[str]:
    """Stage groups that an N3 patient without distant metastasis can have."""
    return {staging.stage_group(f"T{t}", "N3", "M0", edition=edition) for t in range(1, 5)}


def called_high_by_rule() -> dict[str, int]:
    """Test patients whom each one-threshold rule on stage, T or N calls high risk."""
    found = {}
    for name in ("stage", "T", "N"):
        counts = table_1(name)["test"]
        for position in range(1, len(counts)):
            found[f"{counts.index[position]} or above"] = int(counts.iloc[position:].sum())
    return found


def padding_share(width: int, height: int, canvas: int) -> float:
    """Share of the padded square that is empty."""
    return 1 - width * height / canvas**2
