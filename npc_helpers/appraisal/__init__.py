"""The paper's printed numbers (Li et al. 2022), recomputed from its own published counts.

The tables beside this file hold what is printed and where; what it should be is computed by the
functions of `recompute` each time, and stands nowhere as a constant.
"""

from npc_helpers.appraisal.appraise import VERDICTS, appraise, intervals
from npc_helpers.appraisal.published import (
    ANSWERS,
    checklist,
    confusion_tables,
    metrics_score,
    published,
    reproduction_map,
    table_1,
)
from npc_helpers.appraisal.run import run_facts
