"""Exercises on the order of slices and on rectangles."""

import numpy as np
import pandas as pd

from npc_course.exercises.checking import OtherForm, Wrong, compare, exercise, number, numbers
from npc_helpers.imaging.rectangle import LIMIT, overlap
from npc_helpers.imaging.roi_table import rectangle_of
from npc_helpers.study import Study


@exercise(
    "02.1",
    form="the positions of the slices, in millimetres",
    hint="`np.argsort` returns the order that sorts what it is given.",
)
def from_feet_to_head(study: Study, answer: object) -> str:
    """Judge whether positions go from feet to head."""
    positions = numbers(answer)
    if len(positions) < 2:
        raise OtherForm("no row of positions")
    back = int((np.diff(positions) <= 0).sum())
    if back == len(positions) - 1:
        raise Wrong("They are sorted from head to feet.")
    if back:
        raise Wrong(f"From one slice to the next, the position goes back {back} times.")
    return "The position decides, whatever the files are called and in whatever order they came."


@exercise(
    "02.3",
    form="a share between 0 and 1",
    hint=f"A rectangle covers width x height of the {LIMIT} x {LIMIT} pixels; the rest is black.",
)
def black_share(study: Study, answer: object, *, rois: pd.DataFrame) -> str:
    """Judge which share of the network's input is padding."""
    areas = (rois["x1"] - rois["x0"]) * (rois["y1"] - rois["y0"])
    covered = float((areas / LIMIT**2).mean())
    mistakes = {"That is the share that the rectangle covers.": covered}
    compare(number(answer), 1 - covered, mistakes, within=0.005)
    alike = areas.nunique() == 1
    frame = "as wide in every image." if alike else "not as wide in every image."
    return f"{1 - covered:.0%} of what the network receives is black frame, and that is {frame}"


@exercise(
    "02.2",
    form="a number of pixels",
    hint="Both areas together count what is shared twice.",
)
def union_of_two(study: Study, answer: object, *, first: pd.Series, second: pd.Series) -> str:
    """Judge the area that at least one of two rectangles covers."""
    a, b = rectangle_of(first), rectangle_of(second)
    both = a.width * a.height + b.width * b.height
    shared = overlap(a, b)  # intersection over union
    union = both / (1 + shared)
    given = number(answer)
    if abs(given - both) < 0.5 and shared:
        raise Wrong("What both rectangles cover was counted twice.")
    if abs(given - shared) < 0.01:
        raise Wrong("This is the overlap itself; asked for is the area that it is divided by.")
    if abs(given - shared * union) < 0.5:
        raise Wrong("This is what *both* cover, the intersection.")
    if abs(given - union) > 0.5:
        raise Wrong(f"{given:g} pixels are too {'many' if given > union else 'few'}.")
    return f"The overlap of these two is {shared:.2f}: that is what the next cell does for all."
