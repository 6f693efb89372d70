"""What a figure shows, in words read off its axes: for those who cannot see it, on any study."""

import numpy as np

LONGEST = 900  # characters: a screen reader cannot skim
TINY = 1e-6
NO_MARK = ("None", None, "", " ", "|", "_")  # of a line: no marker, no line, or the end of a bar
NEAR_A_NAME = 0.4  # of the distance from one name to the next
MOST = 6  # curves, or points with a name, that are told one by one


def description(figure) -> str:
    """Return what each part of a matplotlib figure shows: its axes, courses, ends and extremes.

    A caption says what a figure is; this says what is to be seen in it, in numbers.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    str
        Sentences, ``LONGEST`` characters at most.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> _ = axes.plot([0, 12, 24], [1, 0.9, 0.7], label="low risk")
    >>> _ = axes.set(xlabel="Months", ylabel="Without progression")
    >>> description(axes.figure)
    'Without progression by Months. low risk: from 1 to 0.7 over 0 to 24.'
    """
    shown = [axes for axes in figure.axes if axes.get_visible() and not _is_bar(axes)]
    images = sum(bool(axes.images) for axes in shown)
    parts = [f"{images} images." if images > 1 else "An image." if images else ""]
    parts += [_of_axes(axes) for axes in shown]
    words = " ".join(dict.fromkeys(filter(None, parts)))
    if len(words) <= LONGEST:
        return words or "A drawing without axes."
    return f"{words[: words.rfind('. ', 0, LONGEST)]}. And more of the kind."


def _is_bar(axes) -> bool:
    return axes.get_label() == "<colorbar>"


def _of_axes(axes) -> str:
    said = [_heading(axes)]
    lines = [line for line in axes.lines if len(_values(line)) > 1]
    named = [line for line in lines if not line.get_label().startswith("_")]
    if _named_axis(axes)[0] is not None:
        named = [line for line in named if line.get_linestyle() not in NO_MARK]
    said += [_course(line) for line in named[:MOST]]
    said += [] if named else _at_names(axes)
    said += [_bars(group, axes) for group in axes.containers if getattr(group, "patches", None)]
    if not any(said[1:]) and (not axes.images or len(axes.texts) <= 2 * MOST):
        words = [text.get_text().replace("\n", " ").strip(". ") for text in axes.texts]
        said += [f"{'; '.join(filter(None, dict.fromkeys(words[: 4 * MOST])))}."]
    return " ".join(part for part in said if part.strip(". "))


def _heading(axes) -> str:
    """Return title and axes: ``Test: C-index by Months.``; what an image shows, its title says."""
    titles = (axes.get_title(place) for place in ("left", "center", "right"))
    title = " ".join(" ".join(titles).split())
    both = [" ".join(words.split()) for words in (axes.get_ylabel(), axes.get_xlabel())]
    said = ": ".join(filter(None, (title, " by ".join(filter(None, both)))))
    return f"{said}." if said else ""


def _values(line) -> np.ndarray:
    """Return the points of a line that are drawn in data, (n, 2)."""
    if line.get_transform() != line.axes.transData or not line.get_visible():
        return np.empty((0, 2))
    values = np.column_stack([np.asarray(line.get_xdata(), float), line.get_ydata()]).astype(float)
    return values[np.isfinite(values).all(axis=1)]


def _course(line) -> str:
    """Return from where to where a curve goes, and an extreme that is not one of its ends."""
    x, y = _values(line).T
    name = " ".join(line.get_label().split())
    if line.get_linestyle() in ("None", "", " "):
        return (
            f"{name}: {len(y)} points, {y.min():.3g} to {y.max():.3g}, median {np.median(y):.3g}."
        )
    names = _names(line.axes.xaxis)
    first, last = (names.get(round(float(x[end]), 2), _said(x[end])) for end in (0, -1))
    ends = f"{name}: from {_said(y[0])} to {_said(y[-1])} over {first} to {last}"
    for word, at in (("highest", y.argmax()), ("lowest", y.argmin())):
        if not np.isclose(y[at], (y[0], y[-1])).any():
            ends += f", {word} {_said(y[at])} at {_said(x[at])}"
    return f"{ends}."


def _at_names(axes) -> list[str]:
    """Return the marks that stand at a name on an axis: rows of a forest plot."""
    axis, along = _named_axis(axes)
    if axis is None:
        return []
    said: dict[str, list[str]] = {}
    values: dict[str, list[float]] = {}
    names = _names(axis)
    for label, points in _marks(axes):
        for point in points:
            at = min(names, key=lambda place: abs(place - point[along]))
            if abs(at - point[along]) < NEAR_A_NAME and label:
                said.setdefault(names[at], []).append(f"{label} {_said(point[1 - along])}")
            elif abs(at - point[along]) < NEAR_A_NAME:
                values.setdefault(names[at], []).append(point[1 - along])
    for name, several in values.items():
        said.setdefault(name, []).append(_several(several))
    return [f"{name}: {', '.join(words[:MOST])}." for name, words in list(said.items())[:MOST]]


def _named_axis(axes):
    """Return the axis whose labels are words, and which coordinate it is."""
    for along, axis in ((1, axes.yaxis), (0, axes.xaxis)):
        if _names(axis):
            return axis, along
    return None, 0


def _marks(axes) -> list[tuple[str, np.ndarray]]:
    """Return what is drawn as marks and not as a course: label, "" if none, and points, (n, 2)."""
    lines = [line for line in axes.lines if line.get_marker() not in NO_MARK]
    clouds = [group for group in axes.collections if hasattr(group, "get_sizes")]
    marks = [(line.get_label(), _values(line)) for line in lines]
    marks += [(g.get_label(), np.ma.filled(g.get_offsets(), np.nan)) for g in clouds]
    return [("" if label.startswith("_") else " ".join(label.split()), at) for label, at in marks]


def _several(values) -> str:
    if len(values) <= MOST:
        return ", ".join(map(_said, values))
    low, middle, high = map(_said, np.percentile(values, [0, 50, 100]))
    return f"{len(values)} points, {low} to {high}, median {middle}"


def _said(value: float) -> str:
    """Return a number with three digits, and what is nearly nothing as 0."""
    return "0" if abs(value) < TINY else f"{value:.3g}"


def _names(axis) -> dict[float, str]:
    """Return the labels of an axis that are words, by where they stand."""
    ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)
    words = {round(float(at), 2): " ".join(label.get_text().split()) for at, label in ticks}
    return {at: name for at, name in words.items() if any(sign.isalpha() for sign in name)}


def _bars(group, axes) -> str:
    """Return how many bars there are, and the longest."""
    upright = getattr(group, "orientation", "vertical") != "horizontal"
    size = [bar.get_height() if upright else bar.get_width() for bar in group.patches]
    longest = int(np.argmax(size))
    bar, axis = group.patches[longest], axes.xaxis if upright else axes.yaxis
    middle = bar.get_x() + bar.get_width() / 2 if upright else bar.get_y() + bar.get_height() / 2
    where = _names(axis).get(round(float(middle), 2), f"{middle:.3g}")
    return f"{len(size)} bars, the longest {_said(size[longest])} at {where}."
