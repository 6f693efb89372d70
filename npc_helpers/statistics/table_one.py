"""Table 1: who the patients of two groups are, with standardised differences beside P values."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from npc_helpers.statistics.estimate import format_p

CATEGORIES = {
    "sex": "Sex",
    "stage_8th": "Stage (8th edition)",
    "t_stage": "T",
    "n_stage": "N",
    "treatment": "Treatment",
}


def table_one(cohort: pd.DataFrame, *, by: str = "split") -> pd.DataFrame:
    """Describe two groups of patients.

    Parameters
    ----------
    cohort : DataFrame
        One row per patient with age_years and the categories of Table 1.
    by : str
        Column that holds the two groups.

    Returns
    -------
    DataFrame
        Rows (characteristic, level); columns: one per group, ``P`` (Welch's t test for age,
        Pearson's chi-squared without correction for categories) and ``SMD`` (standardised mean
        difference; Yang and Dalton 2012 for categories).

    Raises
    ------
    ValueError
        If `by` does not hold exactly two groups of at least two patients.
    """
    groups = sorted(cohort[by].dropna().unique(), reverse=True)
    if len(groups) != 2:
        raise ValueError(f"column {by} holds {len(groups)} groups ({groups}); Table 1 needs two")
    parts = [cohort[cohort[by] == group] for group in groups]
    for group, part in zip(groups, parts, strict=True):
        if len(part) < 2:
            raise ValueError(f"{group} has 1 patient; a standard deviation needs at least two")
    rows = [_age_row(parts)]
    for column, title in CATEGORIES.items():
        rows += _category_rows(column, title, parts)
    names = [f"{group} (n = {len(part)})" for group, part in zip(groups, parts, strict=True)]
    columns = ["characteristic", "level", *names, "P", "SMD"]
    return pd.DataFrame(rows, columns=columns).set_index(["characteristic", "level"])


def _age_row(parts) -> list:
    ages = [part["age_years"].astype(float) for part in parts]
    p = stats.ttest_ind(*ages, equal_var=False).pvalue
    pooled = math.sqrt(sum(age.var() for age in ages) / 2)
    difference = abs(ages[0].mean() - ages[1].mean()) / pooled
    cells = [f"{age.mean():.1f} ± {age.std():.1f}" for age in ages]
    return ["Age, years", "mean ± SD", *cells, format_p(p), f"{difference:.2f}"]


def _category_rows(column: str, title: str, parts) -> list[list]:
    counts = pd.DataFrame([part[column].value_counts() for part in parts]).fillna(0).T.sort_index()
    observed = counts.to_numpy(dtype=float)
    observed = observed[observed.sum(axis=1) > 0]
    p = stats.chi2_contingency(observed, correction=False).pvalue if len(observed) > 1 else 1.0
    smd = categorical_smd(observed[:, 0], observed[:, 1])
    rows = []
    for position, (level, pair) in enumerate(counts.iterrows()):
        cells = [f"{int(n)} ({n / len(part):.0%})" for n, part in zip(pair, parts, strict=True)]
        tests = [format_p(p), f"{smd:.2f}"] if position == 0 else ["", ""]
        rows.append([title, level, *cells, *tests])
    return rows


def categorical_smd(first: np.ndarray, second: np.ndarray) -> float:
    """Standardised difference of two distributions over the same levels (counts)."""
    a, b = first / first.sum(), second / second.sum()
    a, b = a[1:], b[1:]
    spread = (np.diag(a) - np.outer(a, a) + np.diag(b) - np.outer(b, b)) / 2
    difference = a - b
    return float(math.sqrt(max(difference @ np.linalg.pinv(spread) @ difference, 0)))
