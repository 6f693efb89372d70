"""Figures of what a small cohort can tell: other splits, more patients, and other models."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers.figures import style
from npc_helpers.statistics import instability, split_differences

TITLES = {"auc": "AUC", "c_index": "C-index"}
WANTED = 0.05  # half-width of an interval that one would like, marked


@style.in_house_style
def split_figure(splits: pd.DataFrame, *, single: pd.DataFrame | None = None) -> Figure:
    """Draw the AUC and C-index of each model in each of many splits.

    `splits` is a table of `network.repeated_splits`. The one split of the study, a table of
    `statistics.compare_models` given as `single`, is drawn as diamonds with intervals.

    Examples
    --------
    >>> splits = pd.DataFrame({"model": ["TNM"] * 3, "auc": [0.6, 0.7, 0.8], "c_index": 0.7})
    >>> [axes.get_title("left") for axes in split_figure(splits).axes]
    ['AUC', 'C-index']
    """
    models = list(dict.fromkeys(splits.model))
    figure, panels = style.new_panels(9.8, 0.75 * len(models) + 1.4, 2, sharey=True)
    for axes, (measure, title) in zip(panels, TITLES.items(), strict=True):
        for line, model in enumerate(models):
            values = splits.loc[splits.model == model, measure].to_numpy()
            _swarm(axes, values, line, style.model_colour(model, line))
            if single is not None and (single.model == model).any():
                _single(axes, single.set_index("model").loc[model], measure, line)
        style.draw_reference(axes, x=0.5)
        axes.set(title=title, xlabel="one dot for each split", xlim=(None, 1))
    style.name_rows(panels[0], models)
    return figure


def _swarm(axes, values: np.ndarray, line: int, tint: str, *, band: bool = True) -> None:
    """Dots stacked where they would overlap, with the mean (and the middle 95%) above them."""
    heights = style.stacked(values, 0.01)
    tallest = max(np.abs(heights).max(), 1)
    axes.plot(values, line + 0.2 + heights / tallest * 0.16, ".", color=tint, ms=4, alpha=0.6)
    if band:
        axes.plot(np.quantile(values, (0.025, 0.975)), [line - 0.08] * 2, color=tint)
    axes.plot(values.mean(), line - 0.08, "o", color=tint)


def _single(axes, row: pd.Series, measure: str, line: int) -> None:
    value, low, high = (row[f"{measure}{end}"] for end in ("", "_low", "_high"))
    axes.plot([low, high], [line - 0.28] * 2, color=style.colour("ink"), linewidth=1)
    axes.plot(value, line - 0.28, "D", color=style.colour("ink"), markersize=5)


@style.in_house_style
def paired_figure(splits: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> Figure:
    """Draw how much better the C-index of one model was than that of another, split by split.

    `splits` is a table of `network.repeated_splits`. Of each of the `pairs` of models it is the
    first minus the second, one dot for each split; the bar is the 95% interval of the mean
    difference (`statistics.split_differences`).

    Examples
    --------
    >>> splits = pd.DataFrame({"split": [0, 1] * 2, "model": ["new"] * 2 + ["old"] * 2})
    >>> splits = splits.assign(c_index=[0.8, 0.7, 0.6, 0.6], n_train=163, n_test=43)
    >>> paired_figure(splits, [("new", "old")]).axes[0].get_yticklabels()[0].get_text()
    'new\\nminus old'
    """
    figure, axes = style.new_figure(8.4, 0.6 * len(pairs) + 1.1)
    for line, pair in enumerate(pairs):
        two = splits[splits.model.isin(pair)]
        wide = two.pivot(index="split", columns="model", values="c_index")
        mean = split_differences(two, measure="c_index").iloc[0]
        sign = 1 if mean.a == pair[0] else -1
        tint = style.model_colour(" minus ".join(pair), line)
        _swarm(axes, (wide[pair[0]] - wide[pair[1]]).to_numpy(), line, tint, band=False)
        axes.plot([sign * mean.low, sign * mean.high], [line - 0.08] * 2, color=tint)
    axes.axvline(0, color=style.colour("ink"), linewidth=1)
    style.name_rows(axes, [f"{a}\nminus {b}" for a, b in pairs])
    axes.set_xlabel("difference in C-index, one dot for each split")
    return figure


@style.in_house_style
def precision_figure(curves: Mapping[str, pd.Series], *, patients: int) -> Figure:
    """Draw how the half-width of an interval shrinks with the number of test patients.

    Parameters
    ----------
    curves : mapping of name to Series
        Half-width of the 95% interval, indexed by the number of patients.
    patients : int
        Test patients of this study, marked.

    Examples
    --------
    >>> figure = precision_figure({"AUC": pd.Series([0.2, 0.1], [43, 172])}, patients=43)
    >>> figure.axes[0].get_xlabel()
    'test patients'
    """
    figure, axes = style.new_figure(6.4, 3.8)
    for position, (name, curve) in enumerate(curves.items()):
        axes.plot(
            curve.index, curve, color=style.model_colour(name, position), label=name,
            linestyle=style.line_style(position),
        )  # fmt: skip
    style.draw_reference(axes, y=WANTED)
    style.mark_value(axes, patients, f"{patients} patients")
    axes.set(xscale="log", ylim=(0, None), xlabel="test patients")
    axes.set_xticks([20, 50, 100, 200, 500, 1000, 2000], minor=False)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()
    axes.set_ylabel("half-width of the 95% interval (formula)")
    axes.legend()
    return figure


@style.in_house_style
def instability_figure(p: pd.Series, refits: pd.DataFrame, *, cutoff: float) -> Figure:
    """Draw each patient's predictions by many refits against that of the model itself.

    After Riley and Collins (Biom J 2023;65:2200302).

    Parameters
    ----------
    p : Series, shape (n,)
        The model's own predictions.
    refits : DataFrame, shape (n, refits)
        As `statistics.refitted` returns it, of the same patients.
    cutoff : float
        Risk from which a patient is called high risk, marked.

    Examples
    --------
    >>> p, refits = pd.Series([0.2, 0.6]), pd.DataFrame({0: [0.1, 0.4], 1: [0.3, 0.8]})
    >>> instability_figure(p, refits, cutoff=0.5).axes[0].get_xlabel()
    'risk by the model'
    """
    moved = instability(p, refits, cutoff=cutoff)
    figure, axes = style.new_figure(6.4, 4.6)
    style.draw_reference(axes)
    axes.axhline(cutoff, color=style.colour("ink"), linewidth=1)
    drawn = refits.to_numpy()  # (n, refits)
    by_model = np.repeat(moved.p.to_numpy(), drawn.shape[1])
    axes.plot(
        by_model, drawn.ravel(), ".", color=style.SERIES[0], markersize=4.5, alpha=0.45,
        markeredgewidth=0, label="one refit",
    )  # fmt: skip
    for ends, label in ((moved.low, "middle 95% of the refits"), (moved.high, None)):
        axes.plot(moved.p, ends, "_", color=style.SERIES[1], markersize=9, mew=2, label=label)
    highest = min(1.0, 1.05 * float(max(drawn.max(), moved.p.max())))
    axes.set(xlim=(0, highest), ylim=(0, highest), aspect="equal")
    axes.set(xlabel="risk by the model", ylabel="risk by refits to other training patients")
    style.write_beside(axes, cutoff, f"{cutoff:.0%}")
    axes.legend(loc="upper left")
    return figure
