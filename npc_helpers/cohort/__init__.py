"""Staging, screening, progression-free survival, risk groups and the split by patient."""

from npc_helpers.cohort.patients import (
    build_cohort,
    check_split,
    divided_patients,
    included_patients,
    progression_free_survival,
    risk_groups,
    split,
)
from npc_helpers.cohort.screening import (
    CRITERIA,
    NO_EVENT_BY_SCAN,
    Criterion,
    flow,
    progressed_by_scan,
    regular_review,
    screen,
)
from npc_helpers.cohort.staging import STAGE_7TH, STAGE_8TH, stage_group, stage_groups
