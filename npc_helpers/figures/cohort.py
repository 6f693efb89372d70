"""Figures of the cohort: who is in the study, and what became of them."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers.figures import style
from npc_helpers.statistics import kaplan_meier
from npc_helpers.statistics.gate import checked, flags, of_table


@style.in_house_style
def flow_chart(flow: pd.DataFrame) -> Figure:
    """Draw the selection of patients from a table of `cohort.flow`, as the paper's Fig. 1.

    Examples
    --------
    >>> step = {"meaning": "no MRI", "remaining_before": 50, "lost": 7, "remaining": 43}
    >>> flow_chart(pd.DataFrame([step])).axes[0].texts[0].get_text()
    '50 patients in the registry'
    """
    figure, axes = style.new_figure(9.2, 0.42 * len(flow) + 0.9)
    axes.axis("off")
    axes.set(xlim=(0, 10), ylim=(-len(flow) - 0.45, 0.5))
    start = int(flow.remaining_before.iloc[0]) if len(flow) else 0
    _box(axes, 0.1, 0, 3.2, f"{start:,} patients in the registry", strong=True)
    axes.text(
        4.35, 0, "lost, by the first criterion not met", va="center", color=style.colour("faint")
    )
    for step, row in enumerate(flow.itertuples(), start=1):
        last = step == len(flow)
        style.draw_arrow(axes, (1.7, 0.67 - step), (1.7, 0.33 - step))
        text = f"{row.remaining:,} patients studied" if last else f"{row.remaining:,}"
        _box(axes, 0.1, -step, 3.2, text, strong=last)
        style.draw_arrow(axes, (1.7, 0.5 - step), (4.25, 0.5 - step))
        criterion = textwrap.fill(row.meaning, 74)
        axes.text(4.35, 0.5 - step, f"−{row.lost:,}", va="center", ha="left", weight="bold")
        axes.text(5.1, 0.5 - step, criterion, va="center", ha="left")
    return figure


def _box(axes, x: float, y: float, width: float, text: str, *, strong: bool = False) -> None:
    edge = style.colour("Ensemble") if strong else style.colour("faint")
    style.draw_box(axes, x, y, width, 0.6, edgecolor=edge, linewidth=2 if strong else 1)
    axes.text(x + width / 2, y, text, ha="center", va="center", weight="bold" if strong else None)


def _draw_kaplan_meier(axes, months, progressed, **look) -> None:
    curve = kaplan_meier(months, progressed).fillna(0.0)  # no limits where nobody is left
    axes.step(curve.time, curve.survival, where="post", **look)
    axes.fill_between(
        curve.time, curve.low, curve.high, step="post", alpha=0.18, color=look["color"], lw=0
    )
    lost = curve[curve.censored > 0]
    axes.plot(lost.time, lost.survival, "|", color=look["color"], markersize=6, mew=1)


@style.in_house_style
def pfs_figure(cohort: pd.DataFrame) -> Figure:
    """Draw progression-free survival: Kaplan-Meier curve, and the months observed.

    `cohort` holds the included patients: pfs_months, progressed.

    Examples
    --------
    >>> patients = pd.DataFrame({"pfs_months": [10, 20, 40], "progressed": [True, False, False]})
    >>> pfs_figure(patients).axes[1].get_title("left")
    'PFS period of each patient'
    """
    months, progressed = checked(**of_table(cohort, "pfs_months", "progressed"))
    median = float(np.median(months))
    figure, (left, right) = style.new_panels(9.6, 3.6, 2)
    _draw_kaplan_meier(left, months, progressed, color=style.SERIES[0])
    left.set(title="Without progression", xlabel="months since treatment start", ylim=(0, 1.02))
    left.set_ylabel("share of patients")
    edges = np.arange(0, months.max() + 6, 3)
    right.hist(
        [months[progressed], months[~progressed]], bins=edges, stacked=True, hatch=["////", ""],
        color=[style.colour(f"{name} risk") for name in ("high", "low")],
        label=["progressed", "censored"], edgecolor=style.colour("paper"), linewidth=0.6,
    )  # fmt: skip
    style.mark_value(right, median, f"median {median:g}")
    right.set(title="PFS period of each patient", xlabel="months", ylabel="patients")
    right.legend(loc="center right")
    right.yaxis.get_major_locator().set_params(integer=True)
    for axes in (left, right):
        axes.set_xlim(left=0)
    return figure


@style.in_house_style
def km_by_risk(months, progressed, high) -> Figure:
    """Draw survival of patients called high risk and low risk, with the numbers at risk.

    `high` says of each patient whether the model calls them high risk.

    Examples
    --------
    >>> progressed, high = [True, False, True, False], [True, True, False, False]
    >>> figure = km_by_risk([10, 20, 40, 50], progressed, high)
    >>> [text.get_text() for text in figure.axes[0].get_legend().texts]
    ['called low risk (n = 2)', 'called high risk (n = 2)']
    """
    months, progressed, high = checked(months=months, progressed=progressed, high=flags(high))
    groups = {"low risk": ~high, "high risk": high}
    figure, (axes, counts) = style.new_figure(7, 4.6, nrows=2, height_ratios=(5, 1), sharex=True)
    for name, line in zip(groups, ("-", "--"), strict=True):
        if groups[name].any():
            _draw_kaplan_meier(
                axes, months[groups[name]], progressed[groups[name]],
                color=style.colour(name), linestyle=line,
                label=f"called {name} (n = {groups[name].sum()})",
            )  # fmt: skip
    axes.set(ylim=(0, 1.02), xlim=(0, None), ylabel="share without progression")
    axes.legend(loc="lower left")
    counts.set(ylim=(-0.6, 1.6), yticks=(0, 1), xlabel="months since treatment start")
    counts.set_yticklabels([f"{name}, at risk" for name in reversed(groups)], fontsize=8.5)
    counts.spines[:].set_visible(False)
    counts.tick_params(left=False)
    counts.tick_params(axis="y", pad=12)
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= months.max()]
    for line, name in enumerate(reversed(groups)):
        for tick in ticks:
            at_risk = int((months[groups[name]] >= tick).sum())
            counts.text(tick, line, f"{at_risk}", ha="center", va="center", fontsize=8.5)
    return figure
