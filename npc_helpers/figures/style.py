"""The palette and the few conventions that every figure shares.

Colours keep at least 3:1 contrast against white and against JupyterLab's dark background, and
stay apart under red-green colour blindness; line style or marker always says the same again.
"""

from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, is_color_like, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch
from matplotlib.text import Text

from npc_helpers.figures import fonts
from npc_helpers.study import mark
from npc_helpers.study.schema import MODELS

PALETTE = {
    MODELS["pre"]: "#0072B2",
    MODELS["post"]: "#D55E00",
    "Ensemble": "#009F6B",
    "TNM": "#696969",
    "high risk": "#B8417F",
    "low risk": "#5B8FC4",
    "box": "#D55E00",
}
LINE_STYLES = {MODELS["pre"]: "--", MODELS["post"]: "-.", "Ensemble": "-", "TNM": ":"}
SERIES = ("#0072B2", "#D55E00", "#009F6B", "#B8417F", "#696969", "#8C6BB1")  # for what has no name
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "D", "^", "v", "P")

PAPER_COLOURS = LinearSegmentedColormap.from_list(
    "paper", ["#1f2fd0", "#1fae3a", "#f2e52a", "#d8201f"]
)
"""Blue, green, yellow, red: the look of the paper's Figs. 4 to 7."""
PERCEPTUAL_COLOURS = "inferno"
"""Equal steps in value look like equal steps in colour."""

DESCRIPTION = {"png": "Description", "svg": "Description", "pdf": "Subject"}
"""Where a picture file says what it shows, by format."""

_PRINTED = {"ink": "#222222", "faint": "#6b6b6b", "paper": "#ffffff", "fill": "#eef1f5"}
_ANY_PAGE = {"ink": "#757575", "faint": "#757575", "paper": "none", "fill": "#80808026"}
"""A grey that keeps 4:1 contrast against white and against JupyterLab's dark page."""
_COLOURED = ("color", "facecolor", "edgecolor", "markeredgecolor")


def colour(name: str) -> str:
    """Return a colour of the page (``ink``, ``faint``, ``paper``, ``fill``) or the palette.

    Examples
    --------
    >>> colour("ink")
    '#222222'
    """
    return _PRINTED.get(name) or PALETTE[name]


def model_colour(name: str, position: int) -> str:
    """Return the colour of a model; one without a colour of its own takes that of its position."""
    return PALETTE.get(name, SERIES[position % len(SERIES)])


def marker(position: int) -> str:
    """Return the marker of what has no marker of its own."""
    return MARKERS[position % len(MARKERS)]


def line_style(position: int):
    """Return the line style of what has no line style of its own."""
    return LINES[position % len(LINES)]


def for_any_page(figure: Figure) -> Figure:
    """Recolour a figure so that it reads on a light page and on a dark one, with no sheet behind.

    Ink becomes a grey between both, paper transparent; the palette is made for both and stays.
    """
    figure.draw_without_rendering()  # ticks are made when they are first drawn
    replaced = {to_rgba(colour(name)): to_rgba(new) for name, new in _ANY_PAGE.items()}
    replaced[to_rgba("black")] = to_rgba(_ANY_PAGE["ink"])
    for artist in figure.findobj(lambda a: isinstance(a, Text | Line2D | Patch)):
        boxed = isinstance(artist, Text) and artist.get_bbox_patch() is not None
        for kind in () if boxed else _COLOURED:
            value = getattr(artist, f"get_{kind}", lambda: None)()
            if value is not None and is_color_like(value) and to_rgba(value) in replaced:
                getattr(artist, f"set_{kind}")(replaced[to_rgba(value)])
    for lines in figure.findobj(LineCollection):
        tints = map(tuple, lines.get_colors().tolist())
        lines.set_color([replaced.get(tint, tint) for tint in tints])
    return figure


def in_house_style(
    draw: Callable[..., Figure] | None = None, *, source: str = ""
) -> Callable[..., Figure]:
    """Run a drawing function with the fonts and colours of all figures, and stamp what it shows.

    The figure is made by `new_figure`. `source` says where its numbers come from, if that is never
    the study; else the mark of the study is stamped (`npc_helpers.study.mark`).
    """
    if draw is None:
        return partial(in_house_style, source=source)

    @wraps(draw)
    def drawn(*args, **kwargs) -> Figure:
        with rc_context(_rc()):
            figure = draw(*args, **kwargs)
            figure.source = source
            return _stamped(figure, source or mark.text())

    return drawn


def _rc() -> dict:
    ink, faint, paper = colour("ink"), colour("faint"), colour("paper")
    return {
        "font.family": fonts.families(),
        "text.parse_math": False,  # a dollar sign in a name is a dollar sign
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": faint,
        "axes.labelcolor": ink,
        "axes.facecolor": paper,
        "axes.titlecolor": ink,
        "figure.facecolor": paper,
        "savefig.facecolor": paper,
        "text.color": ink,
        "xtick.color": faint,
        "ytick.color": faint,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "lines.linewidth": 2,
        "figure.dpi": 80,
        "savefig.dpi": 80,
    }


class MarkedFigure(Figure):
    """A figure whose PNG, SVG and PDF files also say in their metadata what they show.

    Where this machine has no font for a sign, it says so once and not for every sign.
    `source` says where its numbers come from, if that is never the study.
    """

    source = ""

    def draw(self, renderer) -> None:
        """Draw the figure as matplotlib does."""
        with fonts.missing_signs_said_once():
            super().draw(renderer)

    def savefig(self, fname, *, metadata=None, **kwargs) -> None:
        """Save the figure as matplotlib does, the mark of the study among the metadata."""
        suffix = kwargs.get("format") or Path(str(fname)).suffix[1:] or rcParams["savefig.format"]
        shown = self.source or mark.text()
        if shown and (key := DESCRIPTION.get(str(suffix).lower())):
            metadata = {key: shown} | (metadata or {})
        super().savefig(fname, metadata=metadata, **kwargs)


def new_figure(width: float, height: float, **subplots) -> tuple:
    """Return a figure of `width` x `height` inches that arranges itself, and its axes.

    `subplots` are arguments of ``Figure.subplots``: nrows, ncols, sharex, squeeze …

    Examples
    --------
    >>> figure, (left, right) = new_figure(6, 3, ncols=2)
    >>> left.get_figure() is figure
    True
    """
    figure = MarkedFigure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(**subplots)


def new_panels(width: float, height: float, n: int, **subplots) -> tuple:
    """Return a figure and a list of `n` axes side by side."""
    figure, grid = new_figure(width, height, nrows=1, ncols=n, squeeze=False, **subplots)
    return figure, list(grid[0])


def new_pictures(n: int, columns: int, width: float, height: float) -> tuple:
    """Return a figure and a list of axes for `n` pictures, each of `width` x `height` inches."""
    rows = max(1, -(-n // columns))
    figure, grid = new_figure(
        width * columns, height * rows, nrows=rows, ncols=columns, squeeze=False
    )
    for axes in grid.flat:
        axes.axis("off")
    return figure, list(grid.flat)[:n]


def draw_interval(axes, low, high, value, line, marker: str, tint: str, **label) -> None:
    """Draw estimates, or arrays of them, as markers on lines from `low` to `high`."""
    axes.hlines(line, low, high, color=tint)
    axes.plot(value, line, marker, color=tint, **label)


def draw_side_by_side(
    axes, tables, rows: list, tint=model_colour, *, apart: float = 0.16, beside: str = ""
) -> None:
    """Draw estimates of several tables by name, those of one row beside one another.

    A table has value, low and high by row; `tint` colours it by its name and position. `beside`
    is written at the right of each estimate, for instance ``"{row.value:.2f}"``.
    """
    for position, (name, table) in enumerate(tables.items()):
        shift = apart * (position - (len(tables) - 1) / 2)
        lines = np.array([rows.index(row) for row in table.index]) + shift
        look = marker(position), tint(name, position)
        draw_interval(axes, table.low, table.high, table.value, lines, *look, label=name)
        for line, row in zip(lines, table.itertuples() if beside else (), strict=False):
            write_beside(axes, line, beside.format(row=row), fontsize=8, color=look[1])


def draw_reference(axes, x: float | None = None, y: float | None = None) -> None:
    """Draw a dotted line at `x` or at `y`; without either the diagonal from (0, 0) to (1, 1)."""
    look = {"color": colour("faint"), "linestyle": ":", "linewidth": 1.2}
    if x is not None:
        axes.axvline(x, **look)
    elif y is not None:
        axes.axhline(y, **look)
    else:
        axes.plot([0, 1], [0, 1], **look)


def mark_value(axes, x: float, text: str, *, ha: str = "left") -> None:
    """Draw a broken line at `x` with a text at its upper end, to the right of it or the left."""
    axes.axvline(x, color=colour("ink"), linestyle="--", linewidth=1.2)
    axes.annotate(
        text, (x, 1), xycoords=("data", "axes fraction"), textcoords="offset points",
        xytext=(4 if ha == "left" else -6, -3), ha=ha, va="top",
    )  # fmt: skip


def stacked(values: np.ndarray, width: float) -> np.ndarray:
    """Heights of dots that would overlap: in steps of 1 around 0 among those within a `width`."""
    bins = np.round(np.asarray(values) / width)
    heights = np.empty(len(bins))
    for which in np.unique(bins):
        alike = np.flatnonzero(bins == which)
        heights[alike] = np.arange(len(alike)) - (len(alike) - 1) / 2
    return heights


def name_rows(axes, names, **look) -> None:
    """Write a name at each row of the axes, the first one at the top."""
    axes.set_yticks(range(len(names)), names, **look)
    axes.set_ylim(len(names) - 0.5, -0.5)


def write_beside(axes, line: float, text: str, **style) -> None:
    """Write a text at the right of the axes, at the height of a line of the data."""
    axes.annotate(
        text, (1.01, line), xycoords=("axes fraction", "data"), va="center", annotation_clip=False,
        **style,
    )  # fmt: skip


def _stamped(figure: Figure, words: str) -> Figure:
    """Write what the figure shows into its lower right corner."""
    if words:
        strip = 0.22 / figure.get_figheight()
        if figure.get_layout_engine() is not None:
            figure.get_layout_engine().set(rect=(0, strip, 1, 1 - strip))
        figure.text(0.995, 0.004, words, ha="right", va="bottom", fontsize=8, color=colour("faint"))
    return figure


def draw_box(axes, x: float, y: float, width: float, height: float, **look) -> None:
    """Draw a filled box with round corners; `x` is its left edge, `y` its middle."""
    axes.add_patch(
        FancyBboxPatch(
            (x, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=colour("fill"), **look,
        )
    )  # fmt: skip


def draw_arrow(axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow of an axes' data coordinates."""
    look = {"arrowstyle": "-|>", "color": colour("faint"), "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=look)


def bare(axes) -> None:
    """Take ticks and frame off a picture."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def grey_range(image: np.ndarray) -> dict:
    """Arguments for ``imshow`` that show tissue well: from black to its 93rd percentile.

    Tissue is what is brighter than the mean of the image; fluid and mucosa may saturate.
    """
    tissue = image[image > image.mean()]
    high = np.percentile(tissue, 93) if tissue.size else 1
    return {"cmap": "gray", "vmin": float(image.min()), "vmax": float(max(high, image.min() + 1))}
