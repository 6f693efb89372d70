"""Numbers that follow from the paper's counts, one function per question."""

import math

import numpy as np
from scipy import stats

from npc_helpers import statistics
from npc_helpers.appraisal.published import confusion_tables, table_1
from npc_helpers.cohort import staging
from npc_helpers.statistics.table_one import categorical_smd

GROUPS = ("training", "test")


def p_values(characteristic: str) -> dict[str, float]:
    """P values of a row of Table 1 by the tests that could have been meant.

    Yates' correction and Fisher's test are given for 2 x 2 tables only.

    Examples
    --------
    >>> round(p_values("sex")["chi-squared"], 3)
    0.38
    """
    counts = table_1(characteristic).to_numpy()
    tests = {"chi-squared": stats.chi2_contingency(counts, correction=False).pvalue}
    if counts.shape == (2, 2):
        tests["with Yates"] = stats.chi2_contingency(counts, correction=True).pvalue
        tests["Fisher"] = stats.fisher_exact(counts).pvalue
    return {name: float(p) for name, p in tests.items()}


def p_values_of_age(
    training: tuple[float, float, int], test: tuple[float, float, int]
) -> dict[str, float]:
    """P values of a difference of two means, each given as (mean, SD, patients).

    By Student's and Welch's t test, and by Welch's statistic read from the normal distribution.
    """
    tests = {
        name: stats.ttest_ind_from_stats(*training, *test, equal_var=equal)
        for name, equal in (("Student", True), ("Welch", False))
    }
    p = {name: float(test_.pvalue) for name, test_ in tests.items()}
    return p | {"Welch, normal": float(2 * stats.norm.sf(abs(tests["Welch"].statistic)))}


def standardised_differences() -> dict[str, float]:
    """Standardised mean difference between the cohorts of each characteristic of Table 1."""
    names = ("age", "sex", "stage", "T", "N", "treatment")
    tables = {name: table_1(name) for name in names}
    return {
        name: categorical_smd(table["training"], table["test"]) for name, table in tables.items()
    }


def fractions_of_quartiles(n: int) -> dict[str, tuple[float, float]]:
    """Where the quartiles of `n` whole numbers fall between two neighbours, by two usual rules.

    ``linear``: at rank 1 + p (n − 1), as numpy, pandas and Excel have it; ``(n + 1) p``: as SPSS
    has it. The fractions are those of quartiles between neighbours one month apart.
    """
    ranks = {"linear": lambda p: 1 + p * (n - 1), "(n + 1) p": lambda p: (n + 1) * p}
    return {rule: (rank(0.25) % 1, rank(0.75) % 1) for rule, rank in ranks.items()}


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
    """AUC of a yes/no prediction: the mean of sensitivity and specificity.

    Examples
    --------
    >>> two_level_auc("TNM") == (16 / 23 + 15 / 20) / 2
    True
    """
    return confusion_tables()[model].balanced_accuracy.value


def two_level_interval(model: str, method: str) -> tuple[float, float]:
    """95% interval of `two_level_auc`.

    Parameters
    ----------
    method : {"DeLong", "DeLong, logit", "Hanley-McNeil"}
        The last is the nonparametric form (Radiology 1982;143:29, table II) with three-way ties
        counted one third, which SPSS documents for its ROC procedure.

    Examples
    --------
    >>> "{:.3f} to {:.3f}".format(*two_level_interval("TNM", "Hanley-McNeil"))
    '0.567 to 0.879'
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
    interval = statistics.roc_auc(truth, call, method=scales[method])
    return interval.low, interval.high


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

    Examples
    --------
    >>> best_mcnemar("Ensemble", "TNM")  # 2 more found, 3 fewer false alarms: 2 / 2⁵
    0.0625
    """
    a, b = (confusion_tables()[name] for name in (first, second))
    gains = (a.tp - b.tp, a.tn - b.tn)
    return statistics.mcnemar_exact(
        sum(gain for gain in gains if gain > 0), sum(-gain for gain in gains if gain < 0)
    )


def c_half_width(c: float, n: int, share: float) -> float:
    """Half-width of the 95% interval of a C-index if this share of the patients progress."""
    return statistics.half_width(statistics.c_index_standard_error(c, share * n, (1 - share) * n))


def stage_overlap(group: str) -> int:
    """Patients who must be both T4 and N3 for stage IVa to mean 'T4 or N3' (8th edition).

    Examples
    --------
    >>> stage_overlap("training"), stage_overlap("test")
    (8, 2)
    """
    counts = {name: table_1(name)[group] for name in ("T", "N", "stage")}
    return int(counts["T"]["T4"] + counts["N"]["N3"] - counts["stage"]["IVa"])


def stages_with_n3(edition: int) -> set[str]:
    """Stage groups that an N3 patient without distant metastasis can have.

    Examples
    --------
    >>> stages_with_n3(7), stages_with_n3(8)
    ({'IVB'}, {'IVA'})
    """
    return {staging.stage_group(f"T{t}", "N3", "M0", edition=edition) for t in range(1, 5)}


def called_high_by_rule() -> dict[str, int]:
    """Test patients whom each one-threshold rule on stage, T or N calls high risk.

    Examples
    --------
    >>> called_high_by_rule()["IVa or above"]
    19
    """
    called = {}
    for name in ("stage", "T", "N"):
        counts = table_1(name)["test"]
        for position in range(1, len(counts)):
            called[f"{counts.index[position]} or above"] = int(counts.iloc[position:].sum())
    return called
