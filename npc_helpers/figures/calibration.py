"""Figures of probabilities: do they mean what they say, and does acting on them help."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers import statistics
from npc_helpers.figures import style
from npc_helpers.statistics.calibration import GROUPS
from npc_helpers.statistics.gate import checked, each, probabilities
from npc_helpers.statistics.survival import HORIZON

DEFAULTS = {"treat all": "^", "treat none": "o"}  # markers: on any page both lines are grey


@style.in_house_style
def calibration_figure(
    time, event, p_event: Mapping, *, horizon: float = HORIZON, groups: int = GROUPS
) -> Figure:
    """Draw observed against predicted risk of progression by a horizon, one panel for each model.

    `p_event` holds the probabilities of each model, by name; the observed risk of each of the
    `groups` of rising predicted risk is read from its Kaplan-Meier curve.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 20, 40, 45, 50, 60], [1, 1, 1, 0, 1, 0, 0, 0]
    >>> p = {"model": [0.7, 0.2, 0.5, 0.4, 0.3, 0.6, 0.1, 0.4]}
    >>> calibration_figure(months, progressed, p, groups=2).axes[0].get_title("left")
    'model'
    """
    time, event, *predicted = checked(
        time=time, event=event, **each(p_event, "probability of {}", probabilities)
    )
    figure, panels = style.new_panels(2.8 * len(p_event) + 0.4, 3.9, len(p_event), sharey=True)
    for position, (axes, name, p) in enumerate(zip(panels, p_event, predicted, strict=True)):
        tint = style.model_colour(name, position)
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
    style.draw_reference(axes)
    axes.vlines(table.predicted, table.low, table.high, color=tint, linewidth=1.4, alpha=0.7)
    axes.plot(table.predicted, table.observed, "o-", color=tint, clip_on=False)
    estimates = {"O/E": result.ratio, "slope": result.slope, "intercept": result.intercept}
    facts = [f"{n} {e.value:.2f} ({e.low:.2f} to {e.high:.2f})" for n, e in estimates.items()]
    axes.set(xlim=(0, 1), ylim=(-0.1, 1.1), yticks=np.arange(0, 1.01, 0.25))
    text = "\n".join(["predicted probability", "", *facts]).replace("-", "−")
    axes.set_xlabel(text, fontsize=8.5)


@style.in_house_style
def decision_figure(benefit: pd.DataFrame) -> Figure:
    """Draw decision curves from a table of `statistics.survival_net_benefit`.

    The band of each model is its 95% interval against the better of treating all and none.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 40, 45, 50], [True, True, True, False, False, False]
    >>> p = {"model": [0.9, 0.7, 0.2, 0.3, 0.6, 0.1]}
    >>> figure = decision_figure(statistics.survival_net_benefit(months, progressed, p))
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['model', 'treat all', 'treat none']
    """
    figure, (left, right) = style.new_panels(9.8, 4.3, 2)
    for position, (name, curve) in enumerate(benefit.groupby("model", sort=False)):
        if name in DEFAULTS:
            left.plot(curve.threshold, curve.net_benefit, label=name, color=style.colour("ink"),
                      linewidth=1.3, marker=DEFAULTS[name], markevery=0.12, markersize=6,
                      markerfacecolor="none")  # fmt: skip
            continue
        look = {
            "color": style.model_colour(name, position),
            "linestyle": style.LINE_STYLES.get(name, "-"),
        }
        left.plot(curve.threshold, curve.net_benefit, label=name, **look)
        right.plot(curve.threshold, curve.gain, **look)
        right.fill_between(
            curve.threshold, curve.gain_low, curve.gain_high, color=look["color"], alpha=0.1, lw=0
        )
    highest = benefit.net_benefit.max()
    left.set(ylim=(-0.3 * highest, 1.1 * highest), ylabel="net benefit", title="Net benefit")
    right.axhline(0, color=style.colour("ink"), linewidth=1.2)
    right.set_title("Gain over treating all or none (95% CI)")
    for axes in (left, right):
        axes.set(xlabel="risk at which one would act", xlim=(0, benefit.threshold.max()))
    left.legend(loc="upper right")
    return figure
