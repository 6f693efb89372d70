"""Move the threshold along a ROC curve, and see whom it calls high-risk and what that costs."""

from collections.abc import Mapping

import numpy as np
import traitlets

from npc_helpers import statistics
from npc_helpers.figures.style import LINE_STYLES, model_colour
from npc_helpers.widgets.base import MarkedWidget, browser_module

DASHES = {"--": "7 4", "-.": "7 3 2 3", "-": "", ":": "2 3"}  # of a line in SVG, by its style
FIRST_THRESHOLD = 0.5  # where the explorer opens: the usual cut of a probability


class RocExplorer(MarkedWidget):
    """ROC curves with a threshold to move, its 2 x 2 table, and the cost of its errors.

    Everything is in the browser: it works without a kernel, also on a page of its own. Drag the
    point along the curve, or use the arrow keys on the slider below.

    Parameters
    ----------
    high_risk : array-like of bool, shape (n,)
        Who is high-risk in truth.
    risk_scores : mapping of str to array-like, shape (n,)
        Scores by name of the model, higher is worse. `npc_helpers.figures.roc_figure` is the
        printed twin.

    Attributes
    ----------
    model : str
        Whose threshold is moved.
    position : int
        Which point of its curve is chosen, from the strictest (0, nobody is called high-risk).
    weight : float
        How many false alarms weigh as much as one missed high-risk patient.
    """

    _esm = browser_module("roc_explorer.js")

    curves = traitlets.List().tag(sync=True)
    totals = traitlets.Dict().tag(sync=True)
    model = traitlets.Unicode().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    weight = traitlets.Float(1.0, min=0.1, max=20).tag(sync=True)

    def __init__(self, high_risk, risk_scores: Mapping, **kwargs) -> None:
        super().__init__(**kwargs)
        self.curves = [
            _curve(name, position, high_risk, score)
            for position, (name, score) in enumerate(risk_scores.items())
        ]
        n_high = int(np.asarray(high_risk, dtype=bool).sum())
        self.totals = {"high": n_high, "low": len(high_risk) - n_high}
        self.model = self.model or self.curves[0]["name"]
        if "position" not in kwargs:
            points = enumerate(self._points)
            self.position = max(i for i, point in points if float(point[0]) >= FIRST_THRESHOLD)

    @property
    def threshold(self) -> float:
        """The threshold of the point that is chosen: high risk is called at or above it."""
        return float(self._points[self.position][0])

    @property
    def table(self) -> dict[str, int]:
        """Counts at the threshold: found, missed, false_alarms, spared."""
        _, fpr, tpr = map(float, self._points[self.position])
        detected, alarms = round(tpr * self.totals["high"]), round(fpr * self.totals["low"])
        return {
            "found": detected,
            "missed": self.totals["high"] - detected,
            "false_alarms": alarms,
            "spared": self.totals["low"] - alarms,
        }

    @property
    def _points(self) -> list[list]:
        return next(curve["points"] for curve in self.curves if curve["name"] == self.model)


def _curve(name: str, position: int, high_risk, score) -> dict:
    """Return a curve as it travels to the browser (JSON knows no infinity: a text)."""
    curve = statistics.roc_curve(high_risk, score)
    return {
        "name": name,
        "auc": str(statistics.roc_auc(high_risk, score)),
        "colour": model_colour(name, position),
        "dash": DASHES[LINE_STYLES.get(name, "-")],
        "points": [
            [float(t) if np.isfinite(t) else "inf", float(fpr), float(tpr)]
            for t, fpr, tpr in zip(curve.threshold, curve.fpr, curve.tpr, strict=True)
        ],
    }
