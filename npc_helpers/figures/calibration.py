"""Figures of probabilities: do they mean what they say, and does acting on them help."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers import statistics
from npc_helpers.figures.results import model_colour
from npc_helpers.figures.style import LINE_STYLES, colour, in_house_style, new_figure
from npc_helpers.statistics.gate import checked, each, flags, probabilities, times
from npc_helpers.statistics.horizon import GROUPS, HORIZON


@in_house_style
def calibration_figure(
    time, event, p_event: Mapping, *, horizon: float = HORIZON, groups: int = GROUPS
) -> Figure:
    """Draw observed against predicted risk of progression by a horizon, one panel for each model.

    Parameters
    ----------
    time : array or Series (n,)
    event : bool array or Series (n,)
    p_event : mapping of name to array or Series (n,)
        Probabilities of progression by the horizon.
    horizon : float
        In the unit of `time`.
    groups : int
        Of rising predicted risk; the observed risk of each is read from its Kaplan-Meier curve.
    """
    time, event, *predicted = checked(
        time=times(time), event=flags(event), **each(p_event, probabilities, "probability of {}")
    )
    figure = new_figure(3.2 * len(p_event) + 0.4, 3.9)
    panels = figure.subplots(1, len(p_event), squeeze=False, sharey=True)[0]
    for position, (axes, name, p) in enumerate(zip(panels, p_event, predicted, strict=True)):
        tint = model_colour(name, position)
        found = statistics.calibration_at(time, event, p, horizon=horizon)
        table = statistics.calibration_groups(time, event, p, horizon=horizon, groups=groups)
        _calibration_panel(axes, found, table, tint)
        for status, height in ((event & (time <= horizon), 1.06), (time > horizon, -0.06)):
            axes.plot(
                p[status], np.full(status.sum(), height), "|", color=tint, alpha=0.7, clip_on=False
            )
        axes.set_title(name, color=tint)
    panels[0].set_ylabel(f"progressed by {horizon:g} months (Kaplan-Meier)")
    return figure


def _calibration_panel(axes, found, table: pd.DataFrame, tint: str) -> None:
    axes.plot([0, 1], [0, 1], color=colour("faint"), linestyle=":", linewidth=1.2)
    axes.vlines(table.predicted, table.low, table.high, color=tint, linewidth=1.4, alpha=0.7)
    axes.plot(table.predicted, table.observed, "o-", color=tint, clip_on=False)
    estimates = {"O/E": found.ratio, "slope": found.slope, "intercept": found.intercept}
    facts = [f"{n} {e.value:.2f} ({e.low:.2f} to {e.high:.2f})" for n, e in estimates.items()]
    axes.set(xlim=(0, 1), ylim=(-0.1, 1.1), yticks=np.arange(0, 1.01, 0.25))
    text = "\n".join(["predicted probability", "", *facts]).replace("-", "−")
    axes.set_xlabel(text, fontsize=8.5)


@in_house_style
def decision_figure(benefit: pd.DataFrame) -> Figure:
    """Draw decision curves; the band of each model is its 95% interval against the default.

    Parameters
    ----------
    benefit : DataFrame
        As `statistics.survival_net_benefit` returns it.
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
        axes.set(xlabel="risk at which one would act", xlim=(0, benefit.threshold.max()))
    left.legend(fontsize=8.5, loc="upper right")
    return figure
