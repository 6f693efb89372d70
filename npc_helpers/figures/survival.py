"""Figures of follow-up: what a label does, hazard ratios, and accuracy at several horizons."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers.figures import style

HAZARD_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


@style.in_house_style
def label_figure(comparison: pd.DataFrame) -> Figure:
    """Draw how the same scores fare against different labels, by `statistics.compare_labels`.

    Its hazard ratios are not drawn.

    Examples
    --------
    >>> table = pd.DataFrame({"score": "TNM", "label": ["median PFS"], "measure": "AUC", "n": 43})
    >>> figure = label_figure(table.assign(value=0.7, low=0.6, high=0.8))
    >>> figure.axes[0].get_yticklabels()[0].get_text()
    'median PFS\\nAUC, n = 43'
    """
    shown = comparison[comparison.measure.isin(["AUC", "C-index"])]
    labels = list(dict.fromkeys(shown.label))
    tables = {name: rows.set_index("label") for name, rows in shown.groupby("score", sort=False)}
    figure, axes = style.new_figure(8.4, 0.75 * len(labels) + 1.3)
    ink = style.colour("ink")  # of scores that are no model
    style.draw_side_by_side(axes, tables, labels, lambda name, _: style.PALETTE.get(name, ink))
    style.draw_reference(axes, x=0.5)
    first = shown.drop_duplicates("label").set_index("label").loc[labels]
    names = [f"{label}\n{row.measure}, n = {row.n}" for label, row in first.iterrows()]
    style.name_rows(axes, names, fontsize=8.5)
    axes.set(xlim=(min(0.3, shown.low.min()), 1), xlabel="AUC or C-index (95% CI)")
    figure.legend(loc="outside right upper")
    return figure


@style.in_house_style
def cox_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw hazard ratios of one or more Cox models on a logarithmic axis.

    `tables` holds the ``table`` of each `statistics.fit_cox`, by name.

    Examples
    --------
    >>> table = pd.DataFrame({"hazard_ratio": 2.0, "low": 1.2, "high": 3.1}, index=["T"])
    >>> cox_figure({"training cohort": table}).axes[0].get_xscale()
    'log'
    """
    covariates = list(dict.fromkeys(name for table in tables.values() for name in table.index))
    figure, axes = style.new_figure(8, 0.4 * len(covariates) + 1.4)
    ratios = {name: t.rename(columns={"hazard_ratio": "value"}) for name, t in tables.items()}
    style.draw_side_by_side(axes, ratios, covariates)
    style.draw_reference(axes, x=1)
    axes.set_xscale("log")
    ends = [1, *(limit for t in tables.values() for limit in (t.low.min(), t.high.max()))]
    ticks = [t for t in HAZARD_TICKS if min(ends) * 0.8 <= t <= max(ends) * 1.25]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    style.name_rows(axes, [name.replace("_", " ") for name in covariates])
    axes.set_xlabel("hazard ratio (95% CI)")
    if len(tables) > 1:
        figure.legend(loc="outside right upper")
    return figure


@style.in_house_style
def time_dependent_figure(
    auc: Mapping[str, pd.DataFrame], brier: Mapping[str, pd.DataFrame]
) -> Figure:
    """Draw AUC and Brier score at several horizons, the intervals as bars.

    `auc` and `brier` hold tables of `statistics.cumulative_dynamic_auc` and of
    `statistics.brier_curve`, by model; the reference of the first Brier score is drawn.

    Examples
    --------
    >>> auc = pd.DataFrame({"months": [36], "cases": 9, "controls": 20, "auc": 0.8})
    >>> auc = auc.assign(low=0.6, high=0.9)
    >>> len(time_dependent_figure({"TNM": auc}, {}).axes)
    2
    """
    figure, (left, right) = style.new_panels(9.8, 4, 2)
    names = list(dict.fromkeys([*auc, *brier]))
    for axes, tables, measure in ((left, auc, "auc"), (right, brier, "brier")):
        for name, table in tables.items():
            _horizons(axes, table, measure, name, names)
        axes.set_xlabel("months since treatment start")
    _months(left, auc, "\n{row.cases} : {row.controls}")
    _months(right, brier, "")
    left.set_xlabel("months (below: progressed by then : observed for longer)")
    style.draw_reference(left, y=0.5)
    left.set(title="AUC (weighted for censoring)", ylim=(min(0.3, left.get_ylim()[0]), 1.01))
    if brier:
        reference = next(iter(brier.values()))
        right.plot(
            reference.months, reference.reference, color=style.colour("ink"), linewidth=1.2,
            label="Kaplan-Meier, nobody told apart",
        )  # fmt: skip
    right.set(title="Brier score (smaller is better)", ylim=(0, None))
    drawn = [axes.get_legend_handles_labels() for axes in (left, right)]
    by_label = {label: handle for both in drawn for handle, label in zip(*both, strict=True)}
    figure.legend(by_label.values(), by_label, loc="outside upper center", ncols=len(by_label))
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
    tint = style.model_colour(name, position)
    axes.vlines(moved, table.low, table.high, color=tint, linewidth=1.4, alpha=0.7)
    axes.plot(
        moved, table[measure], color=tint, linestyle=style.LINE_STYLES.get(name, "-"),
        marker=style.marker(position), label=name,
    )  # fmt: skip


@style.in_house_style
def interval_figure(usual: pd.DataFrame, by_visits: pd.DataFrame) -> Figure:
    """Draw the usual curve of survival, and the one that knows events by visits only.

    These are tables of `statistics.kaplan_meier` and of `statistics.interval_survival`.

    Examples
    --------
    >>> usual = pd.DataFrame({"time": [0, 12], "survival": [1.0, 0.9]})
    >>> by_visits = pd.DataFrame({"time": [0, 8], "low": [1.0, 0.9], "high": [1.0, 1.0]})
    >>> interval_figure(usual, by_visits).axes[0].get_ylabel()
    'without progression'
    """
    figure, axes = style.new_figure(8.4, 4)
    end = max(usual.time.max(), by_visits.time.max())
    tint, band_tint = style.SERIES[:2]
    axes.step(
        [*usual.time, end], [*usual.survival, usual.survival.iloc[-1]], where="post",
        color=tint, linestyle="--", label="usual: on the day it was found",
    )  # fmt: skip
    ends = by_visits.iloc[-1]
    months, low, high = (
        [*by_visits[name], last]
        for name, last in (("time", end), ("low", ends.low), ("high", ends.high))
    )
    axes.fill_between(months, low, high, step="post", color=band_tint, alpha=0.35, linewidth=0)
    axes.step(months, low, where="post", color=band_tint, linewidth=1.2,
              label="Turnbull: between the last visit without it and that day")  # fmt: skip
    axes.step(months, high, where="post", color=band_tint, linewidth=1.2)
    axes.set(xlabel="months since treatment start", ylabel="without progression")
    axes.set(xlim=(0, end), ylim=(max(0, usual.survival.min() - 0.1), 1.01))
    axes.legend(loc="lower left")
    return figure


@style.in_house_style
def update_figure(risk: pd.DataFrame, marked: Mapping[str, str], *, ahead: float) -> Figure:
    """Draw the risk of every patient at each examination, some patients marked.

    Parameters
    ----------
    risk : DataFrame, shape (patients, examinations)
        Probability of progression within `ahead` months of the examination; missing where a
        patient was not at risk.
    marked : mapping of str to str
        What became of the patients to be marked, by patient_id.
    ahead : float
        Months.

    Examples
    --------
    >>> risk = pd.DataFrame({"pre": [0.2, 0.1], "post": [0.5, 0.05]}, ["a", "b"])
    >>> update_figure(risk, {"a": "progressed at 20 months"}, ahead=24).axes[0].get_ylabel()
    'risk within the next 24 months'
    """
    figure, axes = style.new_figure(7.4, 4.2)
    places = np.arange(risk.shape[1])
    axes.plot(places, risk.T.to_numpy(), color=style.colour("faint"), linewidth=0.7, alpha=0.3)
    for position, (patient, outcome) in enumerate(marked.items()):
        axes.plot(
            places, risk.loc[patient], color=style.model_colour(patient, position),
            marker=style.marker(position), markersize=8, linewidth=2.4,
            linestyle=style.line_style(position), label=f"{patient}: {outcome}",
        )  # fmt: skip
    axes.set_xticks(places, risk.columns)
    axes.set(xlim=(-0.15, len(places) - 0.85), ylim=(0, 1), xlabel="examination")
    axes.set_ylabel(f"risk within the next {ahead:g} months")
    axes.legend(loc="upper left")
    return figure


@style.in_house_style
def patient_figure(points: pd.DataFrame, curve: pd.DataFrame, *, outcome: str = "") -> Figure:
    """Draw what a Cox model says of one patient: points by term, and the predicted curve.

    Parameters
    ----------
    points : DataFrame
        By term: value (text), points of this patient, most (points that the term can give).
    curve : DataFrame
        By month: survival, low, high.
    outcome : str
        What became of the patient, if that is to be told.

    Examples
    --------
    >>> points = pd.DataFrame({"value": "T3", "points": 20, "most": 40}, index=["T"])
    >>> curve = pd.DataFrame({"survival": [1, 0.8], "low": [1, 0.7], "high": [1, 0.9]}, [0, 36])
    >>> patient_figure(points, curve).axes[0].get_title("left")
    'points: 20 of at most 40'
    """
    figure, (left, right) = style.new_panels(9.8, 0.42 * len(points) + 2, 2)
    lines, tint = np.arange(len(points)), style.colour("high risk")
    left.hlines(lines, 0, points.most, color=style.colour("faint"), linewidth=1.2)
    left.hlines(lines, 0, points.points, color=tint, linewidth=5)
    left.plot(points.points, lines, "o", color=tint, markersize=8)
    names = [f"{term.replace('_', ' ')}: {value}" for term, value in points.value.items()]
    style.name_rows(left, names)
    left.set_xlim(-2, 1.04 * points.most.max())
    left.set_xlabel("points (thin line: what the term can give)")
    left.set_title(f"points: {points.points.sum():.0f} of at most {points.most.sum():.0f}")
    right.fill_between(curve.index, curve.low, curve.high, color=tint, alpha=0.25, linewidth=0,
                       label="95% of the refits")  # fmt: skip
    right.plot(curve.index, curve.survival, color=tint, label="predicted")
    right.set(xlabel="months since treatment start", ylim=(0, 1.02), xlim=(0, curve.index.max()))
    right.set_title("without progression")
    right.legend(loc="lower left", title=outcome or None)
    return figure
