"""Switch criteria off and on, and see who would be in the study."""

import pandas as pd
import traitlets

from npc_helpers.cohort import CRITERIA, flow, progression_free_survival, screen
from npc_helpers.study.schema import ENDS
from npc_helpers.widgets.base import MarkedWidget, browser_module

COUNTED = {"sex": "sex", "t_stage": "T stage", "n_stage": "N stage", "treatment": "treatment"}


class ScreeningExplorer(MarkedWidget):
    """Ten checkboxes beside the flow of patients and the counts that follow from them.

    Everything is in the browser: it works without a kernel, also on a page of its own.

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

    criteria = traitlets.List().tag(sync=True)
    chosen = traitlets.List().tag(sync=True)
    patients = traitlets.List().tag(sync=True)
    counted = traitlets.List().tag(sync=True)
    with_outcomes = traitlets.Bool().tag(sync=True)

    def __init__(self, registry: pd.DataFrame, visits: pd.DataFrame | None, **kwargs) -> None:
        super().__init__(**kwargs)
        self._registry, self._visits = registry, visits
        self.criteria = [
            {"name": c.name, "kind": c.kind, "number": c.number, "text": c.text} for c in CRITERIA
        ]
        self.chosen = self.chosen or [c.name for c in CRITERIA]
        self.counted = list(COUNTED.values())
        self.with_outcomes = bool(registry[ENDS].notna().any(axis=None))
        self.patients = _patients(registry, screen(registry, visits))

    @property
    def flow(self) -> pd.DataFrame:
        """Who is lost at which of the chosen criteria."""
        return flow(self._screened())

    @property
    def included(self) -> pd.DataFrame:
        """Rows of the registry that pass the chosen criteria."""
        return self._registry[self._screened()["included"]]

    def _screened(self) -> pd.DataFrame:
        applied = [c for c in CRITERIA if c.name in self.chosen]
        return screen(self._registry, self._visits, criteria=applied)


def _patients(registry: pd.DataFrame, screening: pd.DataFrame) -> list[list]:
    """Return what the browser counts: of each patient the criteria not passed, event, age, groups.

    The names of patients stay here.
    """
    passes = screening[[c.name for c in CRITERIA]]
    failed = [[name for name in passes if not row[name]] for _, row in passes.iterrows()]
    events = progression_free_survival(registry)["progressed"]
    ages = registry["age_years"].astype(float)
    groups = registry[list(COUNTED)].astype(str)
    return [
        [names, bool(event), None if pd.isna(age) else float(age), list(group)]
        for names, event, age, group in zip(
            failed, events, ages, groups.itertuples(index=False), strict=True
        )
    ]
