"""Figures of what happens when an image is changed: covered bit by bit, or drawn again."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from npc_helpers.figures import style
from npc_helpers.figures.images import outline_truth, show_grey, show_overlay
from npc_helpers.study.schema import MODELS


@style.in_house_style
def finer_figure(
    image: np.ndarray, heats: Mapping[str, np.ndarray], *, mask: np.ndarray | None = None
) -> Figure:
    """Draw maps of one image side by side, each in a scale of its own.

    Parameters
    ----------
    image : array (rows, columns)
    heats : mapping of title to array (rows, columns)
        As `Geometry.to_image` returns them.
    mask : bool array (rows, columns), optional
        Known truth, drawn as an outline.
    """
    figure, panels = style.new_panels(4 * len(heats), 3.9, len(heats))
    for axes, (title, heat) in zip(panels, heats.items(), strict=True):
        show_grey(axes, image, **style.grey_range(image))
        positive = show_overlay(axes, heat, colormaps[style.PERCEPTUAL_COLOURS])
        axes.set_title(title if positive else f"{title} (nowhere positive)")
        outline_truth(axes, mask)
    return figure


@style.in_house_style
def covering_figure(curves: pd.DataFrame) -> Figure:
    """Draw the mean log-odds over patients while images are covered and uncovered.

    `curves` is a table of `network.perturbation.curves`.

    Examples
    --------
    >>> curves = pd.DataFrame({"timepoint": "pre", "map": "Grad-CAM", "share": [0.0, 1.0]})
    >>> figure = covering_figure(curves.assign(insertion=[-1, 1], deletion=[1, -1]))
    >>> figure.axes[0].get_ylabel()
    'mean log-odds of high risk'
    """
    timepoints = list(dict.fromkeys(curves["timepoint"]))
    figure, panels = style.new_panels(4.9 * len(timepoints), 3.7, len(timepoints))
    for axes, when in zip(panels, timepoints, strict=True):
        of_time = curves[curves["timepoint"] == when]
        for tint, marker, (name, of_map) in zip(
            style.SERIES, style.MARKERS, of_time.groupby("map", sort=False), strict=False
        ):
            means = of_map.groupby("share")[["insertion", "deletion"]].mean()
            look = {"marker": marker, "markersize": 5, "color": tint}
            axes.plot(means.index, means["deletion"], "-", label=name, **look)
            axes.plot(means.index, means["insertion"], "--", markerfacecolor="none", **look)
        axes.set(
            title=MODELS[when], xlabel="share of the rectangle, highest of the map first",
            ylabel="mean log-odds of high risk",
        )  # fmt: skip
    panels[-1].plot([], [], "-", color=style.colour("faint"), label="covered")
    panels[-1].plot([], [], "--", color=style.colour("faint"), label="uncovered")
    panels[-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


@style.in_house_style
def interventions_figure(effects: pd.DataFrame) -> Figure:
    """Draw by how much each change of the images moves the answer: mean over patients, interval.

    `effects` is a table of `network.gradcam_scores.patient_summary`, ``map`` being the change.

    Examples
    --------
    >>> effects = pd.DataFrame({"timepoint": ["pre"], "map": "tumour covered", "mean": -0.4})
    >>> figure = interventions_figure(effects.assign(low=-0.7, high=-0.1))
    >>> figure.axes[0].get_yticklabels()[0].get_text()
    'tumour covered'
    """
    names = list(dict.fromkeys(effects["map"]))
    figure, axes = style.new_figure(8.4, 0.55 * len(names) + 1.2)
    axes.axvline(0, color=style.colour("faint"), linewidth=1)
    tables = {
        MODELS[when]: rows.set_index("map").rename(columns={"mean": "value"})
        for when, rows in effects.groupby("timepoint", sort=False)
    }
    text = "{row.value:+.2f} ({row.low:+.2f} to {row.high:+.2f})"
    style.draw_side_by_side(axes, tables, names, apart=0.34, beside=text)
    style.name_rows(axes, names)
    axes.set_xlabel("change of the log-odds of high risk (mean over patients, 95% CI)")
    axes.legend(loc="best")
    return figure
