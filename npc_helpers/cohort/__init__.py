"""Staging, screening, progression-free survival, risk groups and the split by patient."""

from npc_helpers.cohort.patients import (
    build_cohort,
    check_split,
    included_patients,
    progression_free_survival,
    risk_groups,
    split,
)
from npc_helpers.cohort.screening import CRITERIA, Criterion, flow, regular_review, screen
from npc_helpers.cohort.staging import STAGE_7TH, STAGE_8TH, stage_group, stage_groups

__all__ = [
    "CRITERIA",
    "Criterion",
    "STAGE_7TH",
    "STAGE_8TH",
    "build_cohort",
    "check_split",
    "flow",
    "included_patients",
    "progression_free_survival",
    "regular_review",
    "risk_groups",
    "screen",
    "split",
    "stage_group",
    "stage_groups",
]
