"""Figures of the comparison: models against the truth and against TNM."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers import statistics
from npc_helpers.figures.style import (
    LINE_STYLES,
    PALETTE,
    SERIES,
    bare,
    colour,
    draw_interval,
    in_house_style,
    new_figure,
    new_panels,
    write_beside,
)


def model_colour(name: str, position: int) -> str:
    """Return the colour of a model; one without a colour of its own takes the next free one."""
    return PALETTE.get(name, SERIES[position % len(SERIES)])


@in_house_style
def roc_figure(high_risk, risk_scores: Mapping) -> Figure:
    """Draw the ROC curves of several models, with AUC and 95% CI, as the paper's Fig. 3.

    Parameters
    ----------
    high_risk : bool array or Series (n,)
    risk_scores : mapping of name to array or Series (n,)
        Higher = worse; a two-level score such as TNM has one corner.

    Examples
    --------
    >>> figure = roc_figure([True, True, False, False], {"TNM": [1, 0, 1, 0]})
    >>> figure.axes[0].get_ylabel()
    'sensitivity'
    """
    figure, axes = new_figure(6, 5.9)
    axes.plot([0, 1], [0, 1], color=colour("faint"), linestyle=":", linewidth=1.2)
    for position, (name, score) in enumerate(risk_scores.items()):
        curve = statistics.roc_curve(high_risk, score)
        axes.plot(
            curve.fpr, curve.tpr, color=model_colour(name, position),
            linestyle=LINE_STYLES.get(name, "-"), label=f"{name}  {_auc(high_risk, score)}",
        )  # fmt: skip
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="1 − specificity", ylabel="sensitivity")
    axes.legend(loc="lower right", title="AUC (95% CI)", fontsize=8.5, alignment="right")
    return figure


def _auc(high_risk, score) -> str:
    """Write an AUC as the legend wants it: the heading already says what is in brackets."""
    return str(statistics.roc_auc(high_risk, score)).replace("95% CI ", "")


@in_house_style
def confusion_figure(tables: Mapping) -> Figure:
    """Draw two-by-two tables of true against predicted risk group, as the paper's Table 2.

    Parameters
    ----------
    tables : mapping of name to ConfusionTable
        As `statistics.confusion` returns them: tp, fp, tn, fn.

    Examples
    --------
    >>> table = statistics.ConfusionTable(tp=16, fp=5, tn=15, fn=7)
    >>> confusion_figure({"TNM": table}).axes[0].get_title("left")
    'TNM: 72.1% right'
    """
    figure, panels = new_panels(2.9 * len(tables) + 0.6, 3.3, len(tables))
    for position, (axes, (name, table)) in enumerate(zip(panels, tables.items(), strict=True)):
        counts = np.array([[table.tp, table.fn], [table.fp, table.tn]])
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(np.zeros((2, 2)), cmap="gray", alpha=0)
        bare(axes)
        for (row, column), count in np.ndenumerate(counts):
            right = row == column
            axes.add_patch(_cell(row, column, right, shares[row, column]))
            axes.text(
                column, row, f"{count}", ha="center", va="center", fontsize=19,
                weight="bold" if right else None,
            )  # fmt: skip
            axes.text(
                column, row + 0.34, f"{shares[row, column]:.0%}", ha="center", fontsize=10.5,
                va="center",
            )  # fmt: skip
        correct = np.trace(counts) / max(counts.sum(), 1)
        axes.set_title(f"{name}: {correct:.1%} right", color=model_colour(name, position))
        axes.set_xticks((0, 1), ("high", "low"))
        axes.set_yticks((0, 1), ("high", "low") if position == 0 else ("", ""))
        axes.tick_params(length=0)
        axes.set_xlabel("predicted risk")
    panels[0].set_ylabel("true risk")
    return figure


def _cell(row: int, column: int, right: bool, share: float):
    """Tinted so faintly that words on it read on a light page and on a dark one."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    tint = SERIES[2] if right else SERIES[1]
    fill = to_rgba(tint, 0.04 + 0.18 * share)
    return Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fc=fill, ec=tint, lw=1.2)


@in_house_style
def forest_figure(comparison: pd.DataFrame) -> Figure:
    """Draw AUC and C-index of each model with their intervals.

    Parameters
    ----------
    comparison : DataFrame
        As `statistics.compare_models` returns it: model, auc, auc_low, auc_high, c_index,
        c_index_low, c_index_high.

    Examples
    --------
    >>> row = {"model": "TNM", "auc": 0.7, "auc_low": 0.6, "auc_high": 0.8}
    >>> row |= {"c_index": 0.7, "c_index_low": 0.6, "c_index_high": 0.8}
    >>> figure = forest_figure(pd.DataFrame([row]))
    >>> [axes.get_title("left") for axes in figure.axes]
    ['AUC (95% CI)', 'C-index (95% CI)']
    """
    figure, panels = new_panels(9.6, 0.55 * len(comparison) + 1.5, 2, sharey=True)
    for axes, name, title in zip(panels, ("auc", "c_index"), ("AUC", "C-index"), strict=True):
        for line, row in enumerate(comparison.itertuples()):
            value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
            tint = model_colour(row.model, line)
            draw_interval(axes, low, high, value, line, "s", tint)
            write_beside(axes, line, f"{value:.3f} ({low:.3f}–{high:.3f})", fontsize=8.5)
        axes.axvline(0.5, color=colour("faint"), linestyle=":", linewidth=1.2)
        axes.set(title=f"{title} (95% CI)", xlim=(min(0.4, axes.get_xlim()[0]), 1))
    panels[0].set_yticks(range(len(comparison)), comparison.model)
    panels[0].set_ylim(len(comparison) - 0.5, -0.5)
    return figure
