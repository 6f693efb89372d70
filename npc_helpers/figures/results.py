"""Figures of the comparison: models against the truth and against TNM."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from npc_helpers import statistics
from npc_helpers.figures import style


@style.in_house_style
def roc_figure(high_risk, risk_scores: Mapping) -> Figure:
    """Draw the ROC curves of several models, with AUC and 95% CI, as the paper's Fig. 3.

    Columns are those of `statistics.roc_curve`; a two-level score such as TNM has one corner.

    Examples
    --------
    >>> figure = roc_figure([True, True, False, False], {"TNM": [1, 0, 1, 0]})
    >>> figure.axes[0].get_ylabel()
    'sensitivity'
    """
    figure, axes = style.new_figure(7.4, 4.6)
    style.draw_reference(axes)
    for position, (name, score) in enumerate(risk_scores.items()):
        curve = statistics.roc_curve(high_risk, score)
        auc = str(statistics.roc_auc(high_risk, score)).replace("95% CI ", "")  # the heading has it
        axes.plot(
            curve.fpr, curve.tpr, color=style.model_colour(name, position),
            linestyle=style.LINE_STYLES.get(name, "-"), label=f"{name}  {auc}",
        )  # fmt: skip
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="1 − specificity", ylabel="sensitivity")
    figure.legend(loc="outside right upper", title="AUC (95% CI)", alignment="left")
    return figure


@style.in_house_style
def confusion_figure(tables: Mapping) -> Figure:
    """Draw `statistics.confusion` tables of several models, as the paper's Table 2.

    Examples
    --------
    >>> table = statistics.ConfusionTable(tp=16, fp=5, tn=15, fn=7)
    >>> confusion_figure({"TNM": table}).axes[0].get_title("left")
    'TNM: 72.1% right'
    """
    figure, panels = style.new_panels(2.9 * len(tables) + 0.6, 3.3, len(tables))
    for position, (axes, (name, table)) in enumerate(zip(panels, tables.items(), strict=True)):
        counts = np.array([[table.tp, table.fn], [table.fp, table.tn]])
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(np.zeros((2, 2)), cmap="gray", alpha=0)
        style.bare(axes)
        for (row, column), count in np.ndenumerate(counts):
            right = row == column
            tint, share = style.SERIES[2] if right else style.SERIES[1], shares[row, column]
            fill = to_rgba(tint, 0.04 + 0.18 * share)  # so faint that words on it read on any page
            box = (column - 0.46, row - 0.46), 0.92, 0.92
            axes.add_patch(Rectangle(*box, facecolor=fill, edgecolor=tint, linewidth=1.2))
            look = {"ha": "center", "va": "center"}
            weight = "bold" if right else None
            axes.text(column, row, f"{count}", fontsize=19, weight=weight, **look)
            axes.text(column, row + 0.34, f"{share:.0%}", fontsize=10.5, **look)
        correct = np.trace(counts) / max(counts.sum(), 1)
        axes.set_title(f"{name}: {correct:.1%} right", color=style.model_colour(name, position))
        axes.set_xticks((0, 1), ("high", "low"))
        axes.set_yticks((0, 1), ("high", "low") if position == 0 else ("", ""))
        axes.tick_params(length=0)
        axes.set_xlabel("predicted risk")
    panels[0].set_ylabel("true risk")
    return figure


@style.in_house_style
def forest_figure(comparison: pd.DataFrame) -> Figure:
    """Draw AUC and C-index of each model of `statistics.compare_models`, with their intervals.

    Examples
    --------
    >>> row = {"model": "TNM", "auc": 0.7, "auc_low": 0.6, "auc_high": 0.8}
    >>> row |= {"c_index": 0.7, "c_index_low": 0.6, "c_index_high": 0.8}
    >>> figure = forest_figure(pd.DataFrame([row]))
    >>> [axes.get_title("left") for axes in figure.axes]
    ['AUC (95% CI)', 'C-index (95% CI)']
    """
    figure, panels = style.new_panels(9.6, 0.55 * len(comparison) + 1.5, 2, sharey=True)
    for axes, name, title in zip(panels, ("auc", "c_index"), ("AUC", "C-index"), strict=True):
        for line, row in enumerate(comparison.itertuples()):
            value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
            tint = style.model_colour(row.model, line)
            style.draw_interval(axes, low, high, value, line, "s", tint)
            style.write_beside(axes, line, f"{value:.3f} ({low:.3f}–{high:.3f})", fontsize=8.5)
        style.draw_reference(axes, x=0.5)
        axes.set(title=f"{title} (95% CI)", xlim=(min(0.4, axes.get_xlim()[0]), 1))
    style.name_rows(panels[0], comparison.model)
    return figure
