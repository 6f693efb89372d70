"""Figures of probabilities: do they mean what they say, and does acting on them help."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers import statistics
from npc_helpers.figures.results import model_colour
from npc_helpers.figures.style import LINE_STYLES, colour, in_house_style, new_figure
from npc_helpers.statistics.gate import checked, each, flags, probabilities


@in_house_style
def calibration_figure(high_risk, p_high_risk: Mapping) -> Figure:
    """Draw observed against predicted risk, one panel for each model.

    Parameters
    ----------
    high_risk : bool array or Series (n,)
    p_high_risk : mapping of name to array or Series (n,)
        Probabilities with more than two levels.
    """
    label, *predicted = checked(
        high_risk=flags(high_risk), **each(p_high_risk, probabilities, "probability of {}")
    )
    figure = new_figure(3.2 * len(p_high_risk) + 0.4, 3.9)
    panels = figure.subplots(1, len(p_high_risk), squeeze=False, sharey=True)[0]
    for position, (axes, name, p) in enumerate(zip(panels, p_high_risk, predicted, strict=True)):
        _calibration_panel(axes, label, p, model_colour(name, position))
        axes.set_title(name, color=model_colour(name, position))
    panels[0].set_ylabel("observed share of high risk")
    return figure


def _calibration_panel(axes, label: np.ndarray, p: np.ndarray, tint: str) -> None:
    curve = statistics.calibration_curve(label, p)
    found = statistics.calibration(label, p)
    axes.plot([0, 1], [0, 1], color=colour("faint"), linestyle=":", linewidth=1.2)
    axes.fill_between(curve.predicted, curve.low, curve.high, color=tint, alpha=0.18, lw=0)
    axes.plot(curve.predicted, curve.observed, color=tint)
    for truth, height in ((True, 1.06), (False, -0.06)):
        mine = p[label == truth]
        axes.plot(mine, np.full(len(mine), height), "|", color=tint, alpha=0.7, clip_on=False)
    facts = [
        f"slope {found.slope.value:.2f} ({found.slope.low:.2f} to {found.slope.high:.2f})",
        f"intercept {found.intercept.value:.2f} "
        f"({found.intercept.low:.2f} to {found.intercept.high:.2f})",
        f"Brier {found.brier.value:.3f} ({found.brier.low:.3f} to {found.brier.high:.3f})",
    ]
    axes.set(xlim=(0, 1), ylim=(-0.1, 1.1), yticks=np.arange(0, 1.01, 0.25))
    text = "\n".join(["predicted probability", "", *facts]).replace("-", "−")
    axes.set_xlabel(text, fontsize=8.5)


@in_house_style
def decision_figure(benefit: pd.DataFrame) -> Figure:
    """Draw decision curves; the band of each model is its 95% interval against the default.

    Parameters
    ----------
    benefit : DataFrame
        As `statistics.net_benefit` returns it.
    """
    figure = new_figure(9.8, 4.3)
    left, right = figure.subplots(1, 2)
    styles = {"treat all": ("ink", "-"), "treat none": ("faint", "-")}
    for position, (name, curve) in enumerate(benefit.groupby("model", sort=False)):
        default = name in styles
        tint = colour(styles[name][0]) if default else model_colour(name, position)
        look = {"color": tint, "linestyle": LINE_STYLES.get(name, "-"),
                "linewidth": 1.2 if default else 2}  # fmt: skip
        left.plot(curve.threshold, curve.net_benefit, label=name, **look)
        if not default:
            right.plot(curve.threshold, curve.gain, **look)
            right.fill_between(
                curve.threshold, curve.gain_low, curve.gain_high, color=tint, alpha=0.1, lw=0
            )
    highest = benefit.net_benefit.max()
    left.set(ylim=(-0.3 * highest, 1.1 * highest), ylabel="net benefit", title="Net benefit")
    right.axhline(0, color=colour("ink"), linewidth=1.2)
    right.set_title("Gain over treating all or none (95% CI)")
    for axes in (left, right):
        axes.set(xlabel="risk at which one would act", xlim=(0, 1))
    left.legend(fontsize=8.5, loc="upper right")
    return figure
