"""Exercises on class maps: what a cell adds, what chance gives, which opponent is fair."""

import numpy as np
import pandas as pd

from npc_course.exercises.checking import OtherForm, Wrong, compare, exercise, number, word
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.schema import TIMEPOINTS

OPPONENTS = ("bump", "other patients", "no head", "low risk", "random head", "random network")


@exercise(
    "06.1",
    form="an array with one number for each cell of each image",
    hint="`@` weighs and adds up the features of each cell. The network averages over the cells.",
)
def cell_by_cell(
    study: Study, answer: object, *, activations: np.ndarray, weights: np.ndarray
) -> str:
    """Judge a map that was made of activations (n, h, w, C) and weights (C, 2)."""
    shape, n_cells = activations.shape[:3], activations[0, ..., 0].size
    if not isinstance(answer, np.ndarray) or answer.shape != shape:
        raise OtherForm(f"not of shape {shape}")
    low, high = np.moveaxis(activations @ weights, -1, 0) / n_cells  # (n, h, w) each
    truth = high - low
    mistakes = {
        "This adds the cells up; the network *averages* over them.": truth * n_cells,
        "The sign: this is what speaks for low risk.": -truth,
        "This is the high-risk neuron alone; what speaks against it is missing.": high,
    }
    otherwise = "These are not the shares of the cells."
    compare(answer, truth, mistakes, within=1e-5, relative=1e-5, otherwise=otherwise)
    return (
        f"{n_cells} cells an image, and with the bias they add up to its log-odds. Nothing was "
        "approximated: that is the next cell."
    )


@exercise(
    "06.2",
    form="a number",
    hint="If the map lay anywhere, its share on the tumour would be the tumour's share of the "
    "pixels: `on_tumour.mean()`.",
)
def energy_ratio(
    study: Study, answer: object, *, heat: np.ndarray, tumour: np.ndarray, bump: float
) -> str:
    """Judge how much more of a map lies on a structure than chance would put there."""
    given = number(answer)
    if not heat.sum():
        raise NotInThisStudy("this exercise needs a map with positive cells, and this one has none")
    share, chance = float(heat[tumour].sum() / heat.sum()), float(tumour.mean())
    mistakes = {
        "That is the share on the tumour; a large tumour gets a large share of any map.": share,
        "Upside down: chance belongs below the line.": chance / share if share else np.inf,
    }
    compare(given, share / chance, mistakes, relative=0.01)
    side = "above" if share > chance else "not above"
    return (
        f"{share / chance:.2f} is {side} chance, which is 1. A bump in the middle of the rectangle "
        f"gets {bump:.2f} in this image, without a look at it."
    )


@exercise(
    "06.3",
    form=f"one of {', '.join(OPPONENTS)}",
    hint="Somebody centred the rectangle on the disease. Which opponent gains most by that?",
)
def hardest_opponent(study: Study, answer: object, *, ratios: pd.DataFrame) -> str:
    """Judge which explanation that knows less lies most on the tumour."""
    said = word(answer, OPPONENTS)
    lead = ratios.groupby("map")["difference"].mean()  # of Grad-CAM over each of them
    truth = lead.idxmin()
    if said not in lead.index:
        raise Wrong(f"`{said}` was not measured in this study.")
    if said != truth:
        raise Wrong(f"Against `{said}` the mean lead of Grad-CAM is {lead[said]:+.2f}.")
    return (
        f"Against the {truth} the mean lead of Grad-CAM is {lead[truth]:+.2f} in energy ratio. "
        "Whoever draws the rectangle has told every map where to lie."
    )


@exercise(
    "06.4",
    form='`"pre"`, `"post"`, `"both"` or `"neither"`',
    hint="Which examination is said to show how the tumour has answered? And did the other model "
    "rank patients well?",
)
def hangs_on_the_tumour(study: Study, answer: object, *, moved: pd.DataFrame) -> str:
    """Judge which models lower the risk when the tumour is taken out of their images."""
    said = word(answer, (*TIMEPOINTS, "both", "neither"))
    gone = moved[moved["map"] == "no tumour"].set_index("timepoint")
    falls = [when for when in gone.index if gone["high"][when] < 0]
    truth = "both" if len(falls) == 2 else falls[0] if falls else "neither"
    moves = "; ".join(
        f"{row.Index} {row.mean:+.2f} ({row.low:+.2f} to {row.high:+.2f})"
        for row in gone[["mean", "low", "high"]].itertuples()
    )
    if said != truth:
        raise Wrong(f"Without their tumours the images move the log-odds by: {moves}.")
    return f"Without the tumour: {moves}. No map was needed to find that out."
