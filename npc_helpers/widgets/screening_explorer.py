"""Switch criteria off and on, and see who would be in the study."""

from __future__ import annotations

import pandas as pd
import traitlets

from npc_helpers.cohort import CRITERIA, flow, progression_free_survival, screen
from npc_helpers.widgets.base import MarkedWidget, browser_module, style_sheet

COUNTED = {"sex": "sex", "t_stage": "T stage", "n_stage": "N stage", "treatment": "treatment"}
OUTCOMES = ["progression_date", "death_date", "last_review_date"]


class ScreeningExplorer(MarkedWidget):
    """Ten checkboxes beside the flow of patients and the counts that follow from them.

    Parameters
    ----------
    registry, visits : DataFrame
        Of a `Study`.

    Attributes
    ----------
    chosen : list of str
        Names of the criteria that are switched on; setting it changes the view.
    flow : DataFrame
        Of these criteria (`npc_helpers.cohort.flow`).
    included : DataFrame
        Rows of the registry that pass them.
    """

    _esm = browser_module("screening_explorer.js")
    _css = style_sheet()

    criteria = traitlets.List().tag(sync=True)
    chosen = traitlets.List().tag(sync=True)
    steps = traitlets.List().tag(sync=True)
    summary = traitlets.List().tag(sync=True)

    def __init__(self, registry: pd.DataFrame, visits: pd.DataFrame | None, **kwargs) -> None:
        super().__init__(**kwargs)
        self._registry, self._visits = registry, visits
        self.criteria = [
            {"name": c.name, "kind": c.kind, "number": c.number, "text": c.text} for c in CRITERIA
        ]
        self.chosen = self.chosen or [c.name for c in CRITERIA]
        self._update()
        self.observe(self._update, "chosen")

    def _update(self, _change=None) -> None:
        applied = [c for c in CRITERIA if c.name in self.chosen]
        screening = screen(self._registry, self._visits, criteria=applied)
        self.flow = flow(screening)
        self.included = self._registry[screening["included"]]
        with self.hold_sync():
            self.steps = [["in the registry", len(self._registry), 0]] + [
                [row.meaning, int(row.remaining), int(row.lost)] for row in self.flow.itertuples()
            ]
            self.summary = _summary(self.included)


def _summary(patients: pd.DataFrame) -> list[list[str]]:
    """Return the short Table 1 of the patients that remain: label and text of each line."""
    lines = [["patients", f"{len(patients):,}"], ["progressed or died", _events(patients)]]
    if len(patients):
        ages = patients["age_years"].astype(float)
        lines.append(["age", f"{ages.mean():.1f} ± {ages.std():.1f} years"])
    for column, label in COUNTED.items():
        counts = patients[column].value_counts().sort_index()
        shares = [
            f"{value} {n} ({n / len(patients):.0%})" for value, n in counts.items() if value != ""
        ]
        lines.append([label, ", ".join(shares) or "–"])
    return lines


def _events(patients: pd.DataFrame) -> str:
    """Return how many patients have an event, and their share."""
    if patients[OUTCOMES].isna().all(axis=None):
        return "no outcomes in the registry" if len(patients) else "–"
    events = int(progression_free_survival(patients)["progressed"].sum())
    return f"{events} of {len(patients):,} ({events / len(patients):.0%})"
