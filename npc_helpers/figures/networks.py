"""Figures of models: their structure, their training and what they answer."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers.figures import style
from npc_helpers.statistics.gate import checked, groups, probabilities
from npc_helpers.study.schema import MODELS

RUNS = dict(zip(MODELS.values(), ("before", "after"), strict=True))
STAGE_WIDTH, GAP = 0.82, 0.24


@style.in_house_style
def network_diagram(description: pd.DataFrame) -> Figure:
    """Draw Pre-model, Post-model and soft vote, after the paper's Fig. 2.

    Both models are built alike, so one `network.models.describe` draws both.
    """
    pitch = STAGE_WIDTH + GAP
    end = len(description) * pitch
    figure, axes = style.new_figure(12.5, 5.4)
    axes.axis("off")
    axes.set(xlim=(-0.2, end + 2.3), ylim=(-3.3, 3.25))
    for (name, when), middle in zip(RUNS.items(), (1.75, -1.35), strict=True):
        axes.text(
            0, middle + 1.15, f"{name}: images from {when} treatment",
            weight="bold", color=style.colour(name),
        )  # fmt: skip
        for place, stage in enumerate(description.itertuples()):
            _stage(axes, place * pitch, middle, stage, style.colour(name))
            if place:
                style.draw_arrow(axes, (place * pitch - GAP, middle), (place * pitch, middle))
        style.draw_arrow(axes, (end - GAP, middle), (end + 0.35, 0.2 if middle > 0 else 0.0))
    _vote(axes, end + 0.35, 0.1)
    total = int(description.parameters.sum())
    axes.text(
        0, -3.25, f"Each model: {total:,} parameters. Box height: side of the feature maps; below "
        "each box: side × channels.", fontsize=8.5, color=style.colour("faint"),
    )  # fmt: skip
    return figure


def _stage(axes, x: float, middle: float, stage, edge: str) -> None:
    """Draw one box, as high as the logarithm of the feature maps' side."""
    shape = tuple(stage.output_shape)
    side = shape[0] if len(shape) == 3 else 1
    height = 0.75 + 0.13 * np.log2(side)
    style.draw_box(axes, x, middle, STAGE_WIDTH, height, edgecolor=edge, linewidth=1.4)
    times = f"\n× {stage.repeats}" if stage.repeats > 1 else ""
    axes.text(
        x + STAGE_WIDTH / 2, middle, f"{stage.stage}{times}", ha="center", va="center",
        fontsize=9, rotation=0 if height < 1.0 else 90,
    )  # fmt: skip
    size = f"{side} × {shape[-1]}" if len(shape) == 3 else f"{shape[-1]}"
    axes.text(
        x + STAGE_WIDTH / 2, middle - height / 2 - 0.1, size, ha="center", va="top",
        fontsize=8.5, color=style.colour("faint"),
    )  # fmt: skip


def _vote(axes, x: float, middle: float) -> None:
    style.draw_box(axes, x, middle, 1.75, 1.3, edgecolor=style.colour("Ensemble"), linewidth=2)
    axes.text(
        x + 0.875, middle, "soft vote:\nmean of the\ntwo models'\nprobabilities", ha="center",
        va="center", fontsize=8.5,
    )  # fmt: skip
    axes.text(
        x + 0.875, middle + 0.75, "Ensemble", ha="center", va="bottom", weight="bold",
        color=style.colour("Ensemble"),
    )  # fmt: skip


@style.in_house_style
def learning_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw loss and accuracy on the training images by epoch, of histories by name.

    Examples
    --------
    >>> history = pd.DataFrame({"epoch": [1, 2], "loss": [0.7, 0.6], "accuracy": [0.5, 0.6]})
    >>> [axes.get_ylabel() for axes in learning_curves({"seed 1": history}).axes]
    ['loss', 'accuracy']
    """
    figure, panels = style.new_panels(9.6, 3.6, 2)
    for position, (name, history) in enumerate(histories.items()):
        for axes, measure in zip(panels, ("loss", "accuracy"), strict=True):
            tint = style.SERIES[position % len(style.SERIES)]
            look = {"color": tint, "linestyle": style.line_style(position), "linewidth": 1.7}
            axes.plot(history.epoch, history[measure], label=name, **look)
            axes.plot(history.epoch.iloc[-1], history[measure].iloc[-1], "o", color=tint, ms=4)
    for axes, measure in zip(panels, ("loss", "accuracy"), strict=True):
        axes.set(title=f"{measure.capitalize()} on the training images")
        axes.set(xlabel="epoch", ylabel=measure)
    panels[1].legend(loc="best")
    return figure


@style.in_house_style
def prediction_strip(p_high_risk: pd.Series, high_risk: pd.Series, split: pd.Series) -> Figure:
    """Draw every patient's predicted probability, by true group and by split (train, test).

    Examples
    --------
    >>> p, high_risk = pd.Series([0.8, 0.3]), pd.Series([True, False])
    >>> figure = prediction_strip(p, high_risk, pd.Series(["train", "test"]))
    >>> figure.axes[0].get_yticklabels()[0].get_text()
    'test, low risk (n = 1)'
    """
    figure, axes = style.new_figure(8.4, 4.2)
    p, truth, side_of = checked(p_high_risk=p_high_risk, high_risk=high_risk, split=groups(split))
    labels = []
    lines = [(s, h) for s in ("test", "train") for h in (False, True)]
    for line, (side, high) in enumerate(lines):
        chosen = (side_of == side) & (truth == high)
        name, values = ("high risk" if high else "low risk"), p[chosen]
        labels.append(f"{side}, {name} (n = {chosen.sum()})")
        if len(values):
            heights = style.stacked(values, 0.02)
            heights *= min(0.09, 0.35 / max(heights.max(), 1))  # no row reaches into the next
            look = {"color": style.colour(name), "ms": 4.5, "alpha": 0.75, "mew": 0}
            axes.plot(values, line + heights, "^" if high else "o", **look)
            median = [np.median(values)] * 2
            axes.plot(median, [line - 0.38, line + 0.38], color=style.colour("ink"), linewidth=2)
    style.draw_reference(axes, x=0.5)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlim=(-0.02, 1.02), xlabel="predicted probability of high risk (bar: median)")
    return figure


@style.in_house_style
def pre_post_scatter(pre: pd.Series, post: pd.Series, progressed: pd.Series) -> Figure:
    """Draw the Post-model's probability of high risk against the Pre-model's, patient by patient.

    Examples
    --------
    >>> pre, post = pd.Series([0.8, 0.3]), pd.Series([0.7, 0.2])
    >>> pre_post_scatter(pre, post, pd.Series([True, False])).axes[0].get_ylabel()
    'Post-model: probability'
    """
    figure, axes = style.new_figure(4.8, 4.8)
    pre, post, hit = checked(
        pre=probabilities(pre), post=probabilities(post), progressed=progressed
    )
    style.draw_reference(axes)
    tints = {"low": style.colour("low risk"), "high": style.colour("high risk")}
    axes.plot(pre[~hit], post[~hit], "o", color=tints["low"], mfc="none", label="not progressed")
    axes.plot(pre[hit], post[hit], "^", color=tints["high"], label="progressed")
    both = np.concatenate([pre, post, [0.5]])
    ends = max(0, both.min() - 0.05), min(1, both.max() + 0.05)
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.set(xlabel="Pre-model: probability of high risk", ylabel="Post-model: probability")
    axes.legend(loc="upper left")
    return figure
