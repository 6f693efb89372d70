"""Figure of the appraisal: printed intervals against what the test patients can give."""

import pandas as pd
from matplotlib.figure import Figure

from npc_helpers.figures import style


@style.in_house_style(source="printed by Li et al. 2022")
def printed_intervals_figure(intervals: pd.DataFrame) -> Figure:
    """Draw each printed interval (`appraisal.intervals`) over the width that so few patients give.

    Examples
    --------
    >>> row = {"measure": "AUC", "model": "TNM", "value": 0.723, "low": 0.567, "high": 0.879}
    >>> row |= {"place": "Fig. 3", "expected": 0.15}
    >>> figure = printed_intervals_figure(pd.DataFrame([row]))
    >>> figure.axes[0].get_title("left")
    'AUC (95% CI)'
    """
    parts = list(intervals.groupby("measure", sort=False))
    height = 0.42 * max(len(part) for _, part in parts) + 1.5
    figure, panels = style.new_panels(9.8, height, len(parts))
    for axes, (measure, part) in zip(panels, parts, strict=True):
        for line, row in enumerate(part.itertuples()):
            ends = [row.value - row.expected, min(row.value + row.expected, 1)]
            label = "expected of these patients" if line == 0 else None
            axes.plot(ends, [line] * 2, color=style.colour("faint"), linewidth=9, alpha=0.3,
                      solid_capstyle="butt", label=label)  # fmt: skip
            tint = style.model_colour(row.model, line)
            style.draw_interval(axes, row.low, row.high, row.value, line, "s", tint)
        labels = [f"{row.model}\n({row.place})" for row in part.itertuples()]
        axes.set_yticks(range(len(part)), labels, fontsize=8)
        axes.set(title=f"{measure} (95% CI)", ylim=(len(part) + 0.1, -0.6), xlim=(0.5, 1.0))
        axes.legend(loc="lower left")
    return figure
