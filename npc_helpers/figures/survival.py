"""Figures of follow-up: what a label does, hazard ratios, and accuracy at several horizons."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers.figures.results import model_colour
from npc_helpers.figures.style import (
    LINE_STYLES,
    PALETTE,
    colour,
    draw_interval,
    in_house_style,
    new_figure,
    new_panels,
)

MARKERS = ("o", "s", "D", "^", "v", "P")
DODGE = 0.16
HAZARD_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


@in_house_style
def label_figure(comparison: pd.DataFrame) -> Figure:
    """Draw how the same scores fare against different labels.

    Parameters
    ----------
    comparison : DataFrame
        As `statistics.compare_labels` returns it; hazard ratios are not drawn.

    Examples
    --------
    >>> table = pd.DataFrame({"score": "TNM", "label": ["median PFS"], "measure": "AUC", "n": 43})
    >>> figure = label_figure(table.assign(value=0.7, low=0.6, high=0.8))
    >>> figure.axes[0].get_yticklabels()[0].get_text()
    'median PFS\\nAUC, n = 43'
    """
    shown = comparison[comparison.measure.isin(["AUC", "C-index"])]
    labels, scores = list(dict.fromkeys(shown.label)), list(dict.fromkeys(shown.score))
    figure, axes = new_figure(8.4, 0.85 * len(labels) + 1.5)
    for position, score in enumerate(scores):
        rows = shown[shown.score == score].set_index("label").loc[labels]
        lines = np.arange(len(labels)) + DODGE * (position - (len(scores) - 1) / 2)
        tint = PALETTE.get(score, colour("ink"))
        marker = MARKERS[position % len(MARKERS)]
        draw_interval(axes, rows.low, rows.high, rows.value, lines, marker, tint, label=score)
    axes.axvline(0.5, color=colour("faint"), linestyle=":", linewidth=1.2)
    first = shown.drop_duplicates("label").set_index("label").loc[labels]
    names = [f"{label}\n{row.measure}, n = {row.n}" for label, row in first.iterrows()]
    axes.set_yticks(range(len(labels)), names, fontsize=8.5)
    axes.set(ylim=(len(labels) - 0.5, -0.5), xlim=(min(0.3, shown.low.min()), 1))
    axes.set_xlabel("AUC or C-index (95% CI)")
    figure.legend(loc="outside right upper")
    return figure


@in_house_style
def cox_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw hazard ratios of one or more Cox models on a logarithmic axis.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        The ``table`` of `statistics.fit_cox`: hazard_ratio, low, high by covariate.

    Examples
    --------
    >>> table = pd.DataFrame({"hazard_ratio": 2.0, "low": 1.2, "high": 3.1}, index=["T"])
    >>> cox_figure({"training cohort": table}).axes[0].get_xscale()
    'log'
    """
    covariates = list(dict.fromkeys(name for table in tables.values() for name in table.index))
    figure, axes = new_figure(8, 0.5 * len(covariates) + 1.5)
    for position, (name, table) in enumerate(tables.items()):
        lines = np.array([covariates.index(covariate) for covariate in table.index])
        lines = lines + DODGE * (position - (len(tables) - 1) / 2)
        tint = model_colour(name, position)
        ends, marker = (table.low, table.high, table.hazard_ratio), MARKERS[position % len(MARKERS)]
        draw_interval(axes, *ends, lines, marker, tint, label=name)
    axes.axvline(1, color=colour("faint"), linestyle=":", linewidth=1.2)
    axes.set_xscale("log")
    ends = [1, *(limit for t in tables.values() for limit in (t.low.min(), t.high.max()))]
    ticks = [t for t in HAZARD_TICKS if min(ends) * 0.8 <= t <= max(ends) * 1.25]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(covariates)), [name.replace("_", " ") for name in covariates])
    axes.set(ylim=(len(covariates) - 0.5, -0.5), xlabel="hazard ratio (95% CI)")
    if len(tables) > 1:
        figure.legend(loc="outside right upper")
    return figure


@in_house_style
def time_dependent_figure(
    auc: Mapping[str, pd.DataFrame], brier: Mapping[str, pd.DataFrame]
) -> Figure:
    """Draw AUC and Brier score at several horizons, the intervals as bars.

    Parameters
    ----------
    auc : mapping of name to DataFrame
        As `statistics.cumulative_dynamic_auc` returns it.
    brier : mapping of name to DataFrame
        As `statistics.brier_curve` returns it; the reference is drawn once.

    Examples
    --------
    >>> auc = pd.DataFrame({"months": [36], "cases": 9, "controls": 20, "auc": 0.8})
    >>> auc = auc.assign(low=0.6, high=0.9)
    >>> len(time_dependent_figure({"TNM": auc}, {}).axes)
    2
    """
    figure, (left, right) = new_panels(9.8, 4, 2)
    names = list(dict.fromkeys([*auc, *brier]))
    for axes, tables, measure in ((left, auc, "auc"), (right, brier, "brier")):
        for name, table in tables.items():
            _horizons(axes, table, measure, name, names)
        axes.set_xlabel("months since treatment start")
    _months(left, auc, "\n{row.cases} : {row.controls}")
    _months(right, brier, "")
    left.set_xlabel("months (below: progressed by then : observed for longer)")
    left.axhline(0.5, color=colour("faint"), linestyle=":", linewidth=1.2)
    left.set(title="AUC (weighted for censoring)", ylim=(min(0.3, left.get_ylim()[0]), 1.01))
    if brier:
        reference = next(iter(brier.values()))
        right.plot(
            reference.months, reference.reference, color=colour("ink"), linewidth=1.2,
            label="Kaplan-Meier, nobody told apart",
        )  # fmt: skip
    right.set(title="Brier score (smaller is better)", ylim=(0, None))
    for axes in (left, right):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8.5, loc="lower left" if axes is left else "upper left")
    return figure


def _months(axes, tables: Mapping[str, pd.DataFrame], below: str) -> None:
    """Mark the horizons, with what the first table says of each below it."""
    rows = {row.months: row for table in tables.values() for row in table.itertuples()}
    labels = [f"{month:g}" + below.format(row=rows[month]) for month in sorted(rows)]
    axes.set_xticks(sorted(rows), labels)


def _horizons(axes, table: pd.DataFrame, measure: str, name: str, names: list[str]) -> None:
    """One model's values with their intervals, moved a little so that they do not overlap."""
    position = names.index(name)
    step = np.diff(table.months).min() if len(table) > 1 else 12
    moved = table.months + 0.08 * step * (position - (len(names) - 1) / 2)
    tint = model_colour(name, position)
    axes.vlines(moved, table.low, table.high, color=tint, linewidth=1.4, alpha=0.7)
    axes.plot(
        moved, table[measure], color=tint, linestyle=LINE_STYLES.get(name, "-"),
        marker=MARKERS[position % len(MARKERS)], label=name,
    )  # fmt: skip
