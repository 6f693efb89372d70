"""Figures of probabilities: do they mean what they say, and does acting on them help."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers import statistics
from npc_helpers.figures.results import model_colour
from npc_helpers.figures.style import LINE_STYLES, colour, in_house_style, new_panels
from npc_helpers.statistics.gate import checked, each, flags, probabilities, times
from npc_helpers.statistics.horizon import GROUPS, HORIZON

DEFAULTS = {"treat all": "^", "treat none": "o"}  # markers: on any page both lines are grey


@in_house_style
def calibration_figure(
    time, event, p_event: Mapping, *, horizon: float = HORIZON, groups: int = GROUPS
) -> Figure:
    """Draw observed against predicted risk of progression by a horizon, one panel for each model.

    Parameters
    ----------
    time, event : array or Series (n,)
    p_event : mapping of name to array or Series (n,)
        Probabilities of progression by the horizon, which is in the unit of `time`.
    groups : int
        Of rising predicted risk; the observed risk of each is read from its Kaplan-Meier curve.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 20, 40, 45, 50, 60], [1, 1, 1, 0, 1, 0, 0, 0]
    >>> p = {"model": [0.7, 0.2, 0.5, 0.4, 0.3, 0.6, 0.1, 0.4]}
    >>> calibration_figure(months, progressed, p, groups=2).axes[0].get_title("left")
    'model'
    """
    time, event, *predicted = checked(
        time=times(time), event=flags(event), **each(p_event, probabilities, "probability of {}")
    )
    figure, panels = new_panels(3.2 * len(p_event) + 0.4, 3.9, len(p_event), sharey=True)
    for position, (axes, name, p) in enumerate(zip(panels, p_event, predicted, strict=True)):
        tint = model_colour(name, position)
        result = statistics.calibration_at(time, event, p, horizon=horizon)
        table = statistics.calibration_groups(time, event, p, horizon=horizon, groups=groups)
        _calibration_panel(axes, result, table, tint)
        for status, height in ((event & (time <= horizon), 1.06), (time > horizon, -0.06)):
            axes.plot(
                p[status], np.full(status.sum(), height), "|", color=tint, alpha=0.7, clip_on=False
            )
        axes.set_title(name, color=tint)
    panels[0].set_ylabel(f"progressed by {horizon:g} months (Kaplan-Meier)")
    return figure


def _calibration_panel(axes, result, table: pd.DataFrame, tint: str) -> None:
    axes.plot([0, 1], [0, 1], color=colour("faint"), linestyle=":", linewidth=1.2)
    axes.vlines(table.predicted, table.low, table.high, color=tint, linewidth=1.4, alpha=0.7)
    axes.plot(table.predicted, table.observed, "o-", color=tint, clip_on=False)
    estimates = {"O/E": result.ratio, "slope": result.slope, "intercept": result.intercept}
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

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 40, 45, 50], [True, True, True, False, False, False]
    >>> p = {"model": [0.9, 0.7, 0.2, 0.3, 0.6, 0.1]}
    >>> figure = decision_figure(statistics.survival_net_benefit(months, progressed, p))
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['model', 'treat all', 'treat none']
    """
    figure, (left, right) = new_panels(9.8, 4.3, 2)
    for position, (name, curve) in enumerate(benefit.groupby("model", sort=False)):
        if name in DEFAULTS:
            left.plot(curve.threshold, curve.net_benefit, label=name, color=colour("ink"),
                      linewidth=1.3, marker=DEFAULTS[name], markevery=0.12, markersize=6,
                      markerfacecolor="none")  # fmt: skip
            continue
        look = {"color": model_colour(name, position), "linestyle": LINE_STYLES.get(name, "-")}
        left.plot(curve.threshold, curve.net_benefit, label=name, **look)
        right.plot(curve.threshold, curve.gain, **look)
        right.fill_between(
            curve.threshold, curve.gain_low, curve.gain_high, color=look["color"], alpha=0.1, lw=0
        )
    highest = benefit.net_benefit.max()
    left.set(ylim=(-0.3 * highest, 1.1 * highest), ylabel="net benefit", title="Net benefit")
    right.axhline(0, color=colour("ink"), linewidth=1.2)
    right.set_title("Gain over treating all or none (95% CI)")
    for axes in (left, right):
        axes.set(xlabel="risk at which one would act", xlim=(0, benefit.threshold.max()))
    left.legend(fontsize=8.5, loc="upper right")
    return figure
