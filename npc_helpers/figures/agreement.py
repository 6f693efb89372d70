"""Figure of two readers: how much their rectangles overlap, and whether one draws larger."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from npc_helpers.figures import style
from npc_helpers.statistics import bland_altman
from npc_helpers.statistics.gate import checked, images, numbers, of_table


@style.in_house_style
def agreement_figure(agreement: pd.DataFrame, *, pixel_mm: float) -> Figure:
    """Draw the overlap of two readers' rectangles, and the Bland-Altman plot of their areas.

    Left, the number of images by overlap; right, the difference of areas (first minus second
    reader) against their mean in cm², with bias and 95% limits of agreement.

    Parameters
    ----------
    agreement : DataFrame
        Columns iou, area_a and area_b (pixels), as `roi.compare_readers` returns them.
    pixel_mm : float
        Side of a pixel.

    Examples
    --------
    >>> table = pd.DataFrame({"iou": [0.7, 0.8], "area_a": [900.0, 800], "area_b": [850.0, 820]})
    >>> [axes.get_ylabel() for axes in agreement_figure(table, pixel_mm=0.5).axes]
    ['images', 'first minus second reader, cm²']
    """
    columns = dict.fromkeys(("iou", "area_a", "area_b"), numbers)
    iou, *areas = checked(**of_table(agreement, rows=images(agreement), **columns))
    figure, (left, right) = style.new_panels(9, 3.6, 2, width_ratios=(1, 1.3))
    left.hist(iou, bins=np.linspace(0, 1, 21), color=style.SERIES[0], alpha=0.85)
    median = float(np.median(iou))
    style.mark_value(left, median, f"median {median:.2f}", ha="right")
    left.set(title="Overlap", xlabel="intersection over union", ylabel="images", xlim=(0, 1))

    first, second = (area * pixel_mm**2 / 100 for area in areas)
    limits = bland_altman(first, second)
    right.plot((first + second) / 2, first - second, "o", color=style.SERIES[0], ms=3, alpha=0.35)
    for name, line in (("bias", "-"), ("low", "--"), ("high", "--")):
        right.axhline(limits[name], color=style.colour("ink"), linestyle=line, linewidth=1.2)
        style.write_beside(right, limits[name], f"{limits[name]:+.1f}")
    right.set(
        title="Size: bias and 95% limits of agreement",
        xlabel="mean area, cm²",
        ylabel="first minus second reader, cm²",
    )
    return figure
