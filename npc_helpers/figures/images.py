"""Figures of images: series, rectangles, network inputs and Grad-CAM maps."""

from collections.abc import Mapping, Sequence
from textwrap import fill, shorten

import numpy as np
import pandas as pd
from matplotlib import colormaps, patheffects
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle as Outline

from npc_helpers.figures import style

SIGNED = 0.4  # of the strongest cell: from here on a cell says which sign it has
EVERY = 2  # pictures are drawn from every second pixel: a quarter of the bytes, no visible loss


def show_grey(axes, image: np.ndarray, **how) -> None:
    """Draw an image on its own pixel coordinates from every second pixel."""
    rows, columns = image.shape[:2]
    axes.imshow(
        image[::EVERY, ::EVERY], extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        interpolation="nearest", **how,
    )  # fmt: skip
    style.bare(axes)


@style.in_house_style
def series_grid(series: Mapping, *, height: float = 0.5) -> Figure:
    """Draw one slice of several MR series, two side by side.

    Parameters
    ----------
    series : mapping of label to MRSeries
    height : float
        Which slice of each series, from 0 (the lowest) over 0.5 (the middle one) to 1.
    """
    figure, grid = style.new_pictures(len(series), 2, 2.9, 3.15)
    for axes, (label, shown) in zip(grid, series.items(), strict=True):
        slices = len(shown.array)
        number = min(int(height * slices), slices - 1)
        image = np.asarray(shown.array[number])
        show_grey(axes, image, **style.grey_range(image))
        axes.set_title(f"{label}, slice {number + 1} of {slices}", fontsize=10)
    return figure


@style.in_house_style
def contact_sheet(
    series: pd.DataFrame, pictures: Sequence[np.ndarray | str], *, columns: int = 4
) -> Figure:
    """Draw one picture of every series found in a folder, with what it was taken for and why.

    A series that is proposed or decided has a solid frame. One that is left out has a broken frame,
    and its heading says whether a person is to decide (``decide``), it is of no use (``ignored``)
    or something is wrong with it (``refused``).

    Parameters
    ----------
    series : DataFrame
        One row per series as `find_series` tables them: description, n_images, kind, timepoint,
        status, reason, decided.
    pictures : sequence of array (rows, columns) or str
        One per row; words stand where there is no picture (`intake.thumbnails.thumbnails`).
    """
    figure, grid = style.new_pictures(len(series), columns, 2.7, 3.65)
    for axes, row, picture in zip(grid, series.itertuples(), pictures, strict=True):
        axes.axis("on")
        if isinstance(picture, str):
            axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[], aspect="equal")
            words = fill(picture, 30, max_lines=8, placeholder=" …")
            axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=8.5)
        else:
            show_grey(axes, picture, **style.grey_range(picture))
        state = "decided" if row.decided else row.status
        used = state in ("proposed", "decided") and row.decided != "skip"
        tint, line = ("Ensemble", "-") if used else ("Post-model", (0, (3, 2)))
        axes.spines[:].set(visible=True, color=style.colour(tint), linestyle=line, linewidth=2.5)
        place = row.decided or f"{row.timepoint} {row.kind}".strip()
        axes.set_title(f"{row.Index}  {state}: {place}")
        title = shorten(row.description or "no description", 26, placeholder=" …")
        title += f" ({row.n_images} file{'s' * (row.n_images != 1)})"
        reason = fill(row.reason, 36, max_lines=3, placeholder=" …")
        axes.set_xlabel(f"{title}\n{reason}", fontsize=8.5, loc="left")
    return figure


@style.in_house_style
def roi_montage(stacks: Mapping, rois: pd.DataFrame, patient_id: str, timepoint: str) -> Figure:
    """Draw every slice of a patient in each sequence with its rectangle and its size in mm.

    Parameters
    ----------
    stacks : mapping of (patient_id, timepoint, sequence) to MRSeries
    rois : DataFrame
        ROI table; slices without a row are drawn without a rectangle.

    Raises
    ------
    ValueError
        If the patient has no series at that time point.
    """
    keys = [key for key in stacks if key[:2] == (patient_id, timepoint)]
    if not keys:
        raise ValueError(f"patient {patient_id} has no {timepoint} series in stacks.")
    n_slices = max(len(stacks[key].array) for key in keys)
    width = min(1.55, 12 / n_slices)
    figure, grid = style.new_figure(
        width * n_slices, (width + 0.22) * len(keys) + 0.5, nrows=len(keys), ncols=n_slices,
        squeeze=False,
    )  # fmt: skip
    for line, key in zip(grid, keys, strict=True):
        boxes = rois[(rois[["patient_id", "timepoint", "sequence"]] == key).all(axis=1)]
        boxes = boxes.set_index("slice_index")
        limits = style.grey_range(np.asarray(stacks[key].array)[:, ::4, ::4])
        for number, axes in enumerate(line):
            axes.axis("off")
            if number < len(stacks[key].array):
                show_grey(axes, np.asarray(stacks[key].array[number]), **limits)
            if number in boxes.index:
                _outline(axes, boxes.loc[number], stacks[key].pixel_spacing_mm)
        line[0].set_title(key[2].upper(), fontsize=10)
    figure.suptitle(f"patient {patient_id}, {timepoint}-treatment", fontsize=11)
    return figure


def _outline(axes, box, spacing_mm) -> None:
    """Draw one rectangle and write its width and height in mm above it."""
    halo = [patheffects.withStroke(linewidth=3, foreground="black")]
    axes.add_patch(
        Outline(
            (box.x0 - 0.5, box.y0 - 0.5), box.x1 - box.x0, box.y1 - box.y0,
            fill=False, edgecolor="#ffb000", linewidth=1.4, path_effects=halo,
        )
    )  # fmt: skip
    size = f"{(box.x1 - box.x0) * spacing_mm[1]:.0f} × {(box.y1 - box.y0) * spacing_mm[0]:.0f} mm"
    axes.text(
        box.x0, box.y0 - 16, size, color="#ffb000", fontsize=7, va="bottom", path_effects=halo
    )


@style.in_house_style
def input_montage(images: np.ndarray, index: pd.DataFrame) -> Figure:
    """Draw up to twelve images as the network receives them: cropped, padded, shrunk.

    Parameters
    ----------
    images : uint8 array (n, S, S, 1)
    index : DataFrame
        patient_id, timepoint, sequence, slice_index of each.
    """
    shown = min(len(images), 12)
    figure, grid = style.new_pictures(shown, min(6, shown), 1.75, 1.95)
    for axes, image, row in zip(grid, images[:shown], index.itertuples(), strict=False):
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(f"{row.sequence.upper()} slice {row.slice_index + 1}", fontsize=8.5)
    return figure


@style.in_house_style
def gradcam_panel(
    image: np.ndarray,
    cells: np.ndarray,
    heat: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    rectangle: str = "",
) -> Figure:
    """Draw an image, its map cell by cell, and the map over the image in two colour scales.

    Parameters
    ----------
    image : array (rows, columns)
    cells : array (h, w)
        Signed map as `gradcam.class_map` returns it.
    heat : array (rows, columns)
        The same map as `gradcam.to_image` returns it; NaN outside the region.
    mask : bool array (rows, columns), optional
        Known truth, drawn as an outline.
    rectangle : str
        How the image's rectangle came about (`study.provenance.provenance_sentence`), written
        below the image.

    Notes
    -----
    A map without positive evidence says so in the picture.
    """
    figure, (whole, grid, paper, perceptual) = style.new_panels(12, 3.5, 4)
    limits = style.grey_range(image)
    show_grey(whole, image, **limits)
    whole.set_title("Image")
    whole.set_xlabel(fill(rectangle, 40), fontsize=8)
    most = float(np.abs(cells).max()) or 1.0
    drawn = grid.imshow(cells, cmap="PuOr_r", vmin=-most, vmax=most)
    style.bare(grid)
    grid.set_title("Map, cell by cell (signed)")
    figure.colorbar(drawn, ax=grid, shrink=0.7, label="contribution to the score")
    for (row, column), cell in np.ndenumerate(cells):  # both ends of the scale are dark in grey
        if abs(cell) > SIGNED * most:
            sign = {"color": "white", "fontsize": 9, "ha": "center", "va": "center"}
            grid.text(column, row, "+" if cell > 0 else "−", **sign)
    for axes, scale, title in (
        (paper, style.PAPER_COLOURS, "The paper's colours"),
        (perceptual, colormaps[style.PERCEPTUAL_COLOURS], "Perceptually uniform"),
    ):
        show_grey(axes, image, **limits)
        axes.set_title(title)
        if not show_overlay(axes, heat, scale):
            axes.text(
                0.5, 0.5, "no positive evidence", transform=axes.transAxes, ha="center",
                color="white", bbox={"facecolor": "black", "alpha": 0.7},
            )  # fmt: skip
    for axes in (whole, paper, perceptual):
        outline_truth(axes, mask)
    return figure


def show_overlay(axes, heat: np.ndarray, scale: Colormap) -> bool:
    """Draw the positive part of a map in half-clear colour over an image; False if it has none."""
    highest = float(np.nanmax(heat))
    if highest > 0:
        colours = scale(np.clip(np.nan_to_num(heat) / highest, 0, 1))  # (rows, columns, 4)
        colours[..., 3] = np.where(np.isfinite(heat), 0.5, 0)
        show_grey(axes, colours)
    return highest > 0


def outline_truth(axes, mask: np.ndarray | None) -> None:
    """Draw the outline of a mask, if there is one."""
    if mask is None or not mask.any():
        return
    outline = axes.contour(mask, levels=[0.5], colors="white", linewidths=1.2)
    outline.set_path_effects([patheffects.withStroke(linewidth=2.6, foreground="black")])


@style.in_house_style
def sanity_figure(sanity: pd.DataFrame) -> Figure:
    """Draw how maps change as a network's weights are randomised from the top.

    `sanity` is a table of `network.sanity.sanity_check`.

    Examples
    --------
    >>> steps = pd.DataFrame({"step": [0, 1], "randomised": ["", "head"], "ssim": [1, 0.4]})
    >>> steps = steps.assign(rank_correlation=[1, 0.2], ssim_unrelated=0.3)
    >>> sanity_figure(steps.assign(rank_correlation_unrelated=0.1)).axes[0].get_ylabel()
    'likeness to intact map'
    """
    figure, axes = style.new_figure(8.6, 3.6)
    ends = []
    for name, label, look, end, tint in (
        ("rank_correlation", "rank correlation", "-o", "o", style.SERIES[1]),
        ("ssim", "structural similarity", "--s", "s", style.SERIES[0]),
    ):
        axes.plot(sanity.step, sanity[name], look, color=tint, label=label)
        ends.append(sanity[f"{name}_unrelated"].iloc[0])
        axes.axhline(ends[-1], color=tint, linestyle=":", linewidth=1.4)
        at_end = axes.get_yaxis_transform()  # the marker says whose line it is, also in grey
        axes.plot([1], [ends[-1]], end, color=tint, transform=at_end, clip_on=False)
    axes.text(
        1.02, np.mean(ends), "maps of\nunrelated\nimages", va="center", fontsize=8.5,
        color=style.colour("faint"), transform=axes.get_yaxis_transform(),
    )  # fmt: skip
    names = [f"+ {row.randomised}" if row.step else "intact" for row in sanity.itertuples()]
    axes.set_xticks(sanity.step, names, fontsize=8.5)
    axes.set(xlabel="randomised so far, from the output back", ylabel="likeness to intact map")
    axes.set_ylim(min(-0.1, sanity[["ssim", "rank_correlation"]].min().min() - 0.05), 1.05)
    axes.legend(loc="upper right")
    return figure
