"""Switch criteria off and on, and see who would be in the study."""

from __future__ import annotations

import io
from html import escape

import ipywidgets
import pandas as pd

from npc_helpers.cohort import CRITERIA, flow, screen
from npc_helpers.figures import flow_chart
from npc_helpers.study import mark

COUNTED = ("sex", "t_stage", "n_stage", "treatment")


class ScreeningExplorer(ipywidgets.HBox):
    """Ten checkboxes beside the flow chart and the counts that follow from them.

    Parameters
    ----------
    registry, visits : DataFrame
        Of a `Study`.

    Attributes
    ----------
    boxes : dict of str to ipywidgets.Checkbox
        By the name of the criterion.
    flow : DataFrame
        Of the criteria that are switched on.
    included : DataFrame
        Rows of the registry that pass them.
    """

    def __init__(self, registry: pd.DataFrame, visits: pd.DataFrame | None):
        self._registry, self._visits = registry, visits
        self.boxes = {
            c.name: ipywidgets.Checkbox(
                value=True,
                description=f"{c.kind} {c.number}: {c.text}",
                indent=False,
                layout={"width": "380px"},
                style={"description_width": "initial"},
            )
            for c in CRITERIA
        }
        self._chart, self._counts = ipywidgets.Image(format="png"), ipywidgets.HTML()
        for box in self.boxes.values():
            box.observe(self._update, "value")
        shown = ipywidgets.HTML(escape(mark.text()))
        left = ipywidgets.VBox([*self.boxes.values(), self._counts, shown])
        super().__init__([left, self._chart])
        self._update()

    def _update(self, _change=None) -> None:
        chosen = [c for c in CRITERIA if self.boxes[c.name].value]
        screening = screen(self._registry, self._visits, criteria=chosen)
        self.flow = flow(screening)
        self.included = self._registry[screening["included"]]
        self._chart.value = _png(flow_chart(self.flow)) if chosen else b""
        self._counts.value = _counts(self.included)


def _png(figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=72)
    return picture.getvalue()


def _counts(patients: pd.DataFrame) -> str:
    """Return the short Table 1 of the patients that remain, as HTML."""
    lines = [f"<b>{len(patients):,} patients</b>"]
    if len(patients):
        ages = patients["age_years"].astype(float)
        lines.append(f"age {ages.mean():.1f} ± {ages.std():.1f} years")
    for column in COUNTED:
        counts = patients[column].value_counts().sort_index()
        shares = [
            f"{escape(str(value))} {n} ({n / len(patients):.0%})"
            for value, n in counts.items()
            if value
        ]
        lines.append(f"{column.replace('_', ' ')}: {', '.join(shares)}")
    return "<br>".join(lines)
