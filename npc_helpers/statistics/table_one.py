"""Table 1: who the patients of two groups are, with standardised differences beside P values."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from npc_helpers.statistics.estimate import format_p
from npc_helpers.statistics.gate import (
    TooFewPatients,
    checked,
    groups,
    numbers_or_missing,
    of_table,
)

CATEGORIES = {
    "sex": "Sex",
    "stage_8th": "Stage (8th edition)",
    "t_stage": "T",
    "n_stage": "N",
    "treatment": "Treatment",
}
NOT_ESTIMABLE = "–"


def table_one(cohort: pd.DataFrame, *, by: str = "split") -> pd.DataFrame:
    """Describe two groups of patients.

    Parameters
    ----------
    cohort : DataFrame
        One row per patient with age_years and the categories of Table 1. A blank is no level:
        it is counted in a row ``missing`` and left out of shares and tests.
    by : str
        Column that holds the two groups, of at least two patients each.

    Returns
    -------
    DataFrame
        Rows (characteristic, level); columns: one per group, ``P`` (Welch's t test for age,
        Pearson's chi-squared without correction for categories) and ``SMD`` (standardised mean
        difference, see `categorical_smd`); a dash where there is nothing to compare.

    Examples
    --------
    >>> cohort = pd.DataFrame({"age_years": [50, 60, 40, 50], "sex": list("MFMF"), "t_stage": "T3"})
    >>> cohort = cohort.assign(stage_8th="III", n_stage="N1", split=["train"] * 2 + ["test"] * 2)
    >>> table_one(cohort.assign(treatment="RT")).loc[("Age, years", "mean ± SD")].tolist()
    ['55.0 ± 7.1', '45.0 ± 7.1', '0.293', '1.41']
    """
    checked(**of_table(cohort, **{by: groups}))
    names = sorted(cohort[by].unique(), reverse=True)
    if len(names) != 2:
        raise TooFewPatients(f"column {by} holds {len(names)} groups ({names}); Table 1 needs two")
    parts = [cohort[cohort[by] == name] for name in names]
    for name, part in zip(names, parts, strict=True):
        if len(part) < 2:
            raise TooFewPatients(f"{name} has 1 patient; a standard deviation needs at least two")
    rows = _age_rows(parts)
    for column, title in CATEGORIES.items():
        rows += _category_rows(column, title, parts)
    titles = [f"{name} (n = {len(part)})" for name, part in zip(names, parts, strict=True)]
    columns = ["characteristic", "level", *titles, "P", "SMD"]
    return pd.DataFrame(rows, columns=columns).set_index(["characteristic", "level"])


def _age_rows(parts) -> list[list]:
    ages = [checked(**of_table(part, age_years=numbers_or_missing))[0] for part in parts]
    present = [age[~np.isnan(age)] for age in ages]
    cells = [
        f"{age.mean():.1f} ± {age.std(ddof=1):.1f}" if len(age) > 1 else NOT_ESTIMABLE
        for age in present
    ]
    p, smd = NOT_ESTIMABLE, NOT_ESTIMABLE
    if min(map(len, present)) > 1:
        spread = math.sqrt(sum(age.var(ddof=1) for age in present) / 2)
        smd = _printed(_ratio(abs(present[0].mean() - present[1].mean()), spread))
        if spread > 0:
            p = format_p(stats.ttest_ind(*present, equal_var=False).pvalue)
    rows = [["Age, years", "mean ± SD", *cells, p, smd]]
    return rows + _missing_row("Age, years", ages, present)


def _category_rows(column: str, title: str, parts) -> list[list]:
    values = [part[column] for part in parts]
    present = [v[v.notna() & (v.astype(str).str.strip() != "")] for v in values]
    counts = pd.DataFrame([v.astype(str).value_counts() for v in present]).fillna(0).T.sort_index()
    observed = counts.to_numpy(dtype=float)  # (levels, 2)
    p, smd = NOT_ESTIMABLE, NOT_ESTIMABLE
    if all(map(len, present)):
        smd = _printed(categorical_smd(observed[:, 0], observed[:, 1]))
        if len(observed) > 1:
            p = format_p(stats.chi2_contingency(observed, correction=False).pvalue)
    rows = []
    for position, (level, pair) in enumerate(counts.iterrows()):
        cells = [f"{int(n)} ({n / max(len(v), 1):.0%})" for n, v in zip(pair, present, strict=True)]
        rows.append([title, level, *cells, *([p, smd] if position == 0 else ["", ""])])
    return rows + _missing_row(title, values, present)


def _missing_row(title: str, values, present) -> list[list]:
    absent = [len(all_) - len(some) for all_, some in zip(values, present, strict=True)]
    return [[title, "missing", *map(str, absent), "", ""]] if any(absent) else []


def categorical_smd(first: np.ndarray, second: np.ndarray) -> float:
    """Standardised difference of two distributions over the same levels.

    The Mahalanobis distance √(d' S⁻ d) of the shares of all levels: d is their difference, S the
    mean of the two multinomial covariance matrices, S⁻ its pseudo-inverse, so that no level has
    to be left out and their order does not matter (Yang and Dalton, SAS Global Forum 2012, 335).

    `first` and `second` count the patients of either group, shape (levels,). Infinite if a set of
    levels holds all of one group and nobody of the other.
    """
    a, b = (np.asarray(counts, dtype=float) for counts in (first, second))
    a, b = a / a.sum(), b / b.sum()  # (levels,)
    spread = (np.diag(a) - np.outer(a, a) + np.diag(b) - np.outer(b, b)) / 2  # (levels, levels)
    difference = a - b
    inverse = np.linalg.pinv(spread, rcond=1e-10, hermitian=True)
    outside = difference - spread @ inverse @ difference  # what no spread within groups explains
    if np.abs(outside).max(initial=0) > 1e-8:
        return math.inf
    return float(math.sqrt(max(difference @ inverse @ difference, 0)))


def _ratio(difference: float, spread: float) -> float:
    if spread > 0:
        return difference / spread
    return math.inf if difference > 0 else 0.0


def _printed(smd: float) -> str:
    return "∞" if math.isinf(smd) else f"{smd:.2f}"
