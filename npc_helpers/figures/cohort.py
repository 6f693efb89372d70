"""Figures of the cohort: who is in the study, and what became of them."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from npc_helpers.figures.style import colour, in_house_style, new_figure
from npc_helpers.statistics.gate import checked, flags, of_table, times


@in_house_style
def flow_chart(flow: pd.DataFrame) -> Figure:
    """Draw the selection of patients, as the paper's Fig. 1.

    Parameters
    ----------
    flow : DataFrame
        As `cohort.flow` returns it: meaning, remaining_before, lost, remaining.
    """
    figure = new_figure(8.4, 0.66 * len(flow) + 1.6)
    axes = figure.subplots()
    axes.axis("off")
    axes.set(xlim=(0, 10), ylim=(-len(flow) - 0.45, 0.5))
    start = int(flow.remaining_before.iloc[0]) if len(flow) else 0
    _box(axes, 0.1, 0, 3.2, f"{start:,} patients in the registry", strong=True)
    axes.text(4.35, 0, "lost, by the first criterion not met", va="center", color=colour("faint"))
    for step, row in enumerate(flow.itertuples(), start=1):
        last = step == len(flow)
        axes.annotate("", (1.7, -step + 0.33), (1.7, 0.67 - step), arrowprops=_arrow())
        text = f"{row.remaining:,} patients studied" if last else f"{row.remaining:,}"
        _box(axes, 0.1, -step, 3.2, text, strong=last)
        axes.annotate("", (4.25, 0.5 - step), (1.7, 0.5 - step), arrowprops=_arrow())
        criterion = textwrap.fill(row.meaning, 62)
        axes.text(4.35, 0.5 - step, f"−{row.lost:,}", va="center", ha="left", weight="bold")
        axes.text(5.1, 0.5 - step, criterion, va="center", ha="left", fontsize=8.5)
    return figure


def _arrow() -> dict:
    return {"arrowstyle": "-|>", "color": colour("faint"), "shrinkA": 0, "shrinkB": 0}


def _box(axes, x: float, y: float, width: float, text: str, *, strong: bool = False) -> None:
    edge = colour("Ensemble") if strong else colour("faint")
    axes.add_patch(
        FancyBboxPatch(
            (x, y - 0.3), width, 0.6, boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=colour("fill"), edgecolor=edge, linewidth=2 if strong else 1,
        )
    )  # fmt: skip
    axes.text(x + width / 2, y, text, ha="center", va="center", weight="bold" if strong else None)


def kaplan_meier(months, progressed) -> pd.DataFrame:
    """Estimate the share of patients without progression over time (Kaplan and Meier 1958).

    Parameters
    ----------
    months : array (n,)
        Time to the event or to the last review.
    progressed : bool array (n,)

    Returns
    -------
    DataFrame
        One row per distinct time, beginning at 0: months, at_risk, events, censored, survival,
        low and high (95%, Greenwood's variance on the log-log scale).
    """
    months, progressed = checked(months=times(months), progressed=flags(progressed))
    moments = np.unique(np.append(months, 0.0))
    at_risk = (months[:, None] >= moments).sum(axis=0)
    events = ((months[:, None] == moments) & progressed[:, None]).sum(axis=0)
    censored = ((months[:, None] == moments) & ~progressed[:, None]).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(1 - events / np.maximum(at_risk, 1))
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
        spread = 1.959964 * np.sqrt(greenwood) / np.log(survival)
    sure = (survival <= 0) | (survival >= 1)
    low, high = (np.where(sure, survival, survival ** np.exp(s)) for s in (-spread, spread))
    return pd.DataFrame(
        {
            "months": moments, "at_risk": at_risk, "events": events, "censored": censored,
            "survival": survival, "low": np.nan_to_num(low), "high": np.nan_to_num(high),
        }
    )  # fmt: skip


def _draw_kaplan_meier(axes, months, progressed, **style) -> None:
    curve = kaplan_meier(months, progressed)
    axes.step(curve.months, curve.survival, where="post", **style)
    axes.fill_between(
        curve.months, curve.low, curve.high, step="post", alpha=0.18, color=style["color"], lw=0
    )
    lost = curve[curve.censored > 0]
    axes.plot(lost.months, lost.survival, "|", color=style["color"], markersize=6, mew=1)


@in_house_style
def pfs_figure(cohort: pd.DataFrame) -> Figure:
    """Draw progression-free survival: Kaplan-Meier curve, and the months observed.

    Parameters
    ----------
    cohort : DataFrame
        Included patients: pfs_months, progressed.
    """
    months, progressed = checked(**of_table(cohort, pfs_months=times, progressed=flags))
    median = float(np.median(months))
    figure = new_figure(9.6, 3.6)
    left, right = figure.subplots(1, 2)
    _draw_kaplan_meier(left, months, progressed, color=colour("Pre-model"))
    left.set(title="Without progression", xlabel="months since treatment start", ylim=(0, 1.02))
    left.set_ylabel("share of patients")
    edges = np.arange(0, months.max() + 6, 3)
    right.hist(
        [months[progressed], months[~progressed]], bins=edges, stacked=True,
        color=[colour("high risk"), colour("low risk")], label=["progressed", "censored"],
        edgecolor=colour("paper"), linewidth=0.6,
    )  # fmt: skip
    right.axvline(median, color=colour("ink"), linestyle="--", linewidth=1.3)
    right.annotate(
        f"median {median:g}", (median, 1), xycoords=("data", "axes fraction"),
        xytext=(4, -2), textcoords="offset points", va="top",
    )  # fmt: skip
    right.set(title="PFS period of each patient", xlabel="months", ylabel="patients")
    right.legend(loc="center right")
    right.yaxis.get_major_locator().set_params(integer=True)
    for axes in (left, right):
        axes.set_xlim(left=0)
    return figure


@in_house_style
def km_by_risk(months, progressed, high) -> Figure:
    """Draw survival of patients called high risk and low risk, with the numbers at risk.

    Parameters
    ----------
    months, progressed, high : array or Series (n,)
        PFS in months, whether progressed, and whether the model calls the patient high risk.
    """
    months, progressed, high = checked(
        months=times(months), progressed=flags(progressed), high=flags(high)
    )
    groups = {"low risk": ~high, "high risk": high}
    figure = new_figure(7, 4.6)
    axes, counts = figure.subplots(2, 1, height_ratios=(5, 1), sharex=True)
    for name, style in zip(groups, ("-", "--"), strict=True):
        if groups[name].any():
            _draw_kaplan_meier(
                axes, months[groups[name]], progressed[groups[name]],
                color=colour(name), linestyle=style,
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
