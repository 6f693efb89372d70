"""Estimates, intervals and tests: each function states what it estimates and refuses the rest.

`risk_score` always means: higher is worse. Intervals are 95% unless said otherwise.
"""

from npc_helpers.statistics.comparison import compare_models
from npc_helpers.statistics.concordance import c_index, compare_c_index
from npc_helpers.statistics.confusion import ConfusionTable, confusion, wilson
from npc_helpers.statistics.estimate import Estimate
from npc_helpers.statistics.roc import compare_auc, roc_auc, roc_curve
from npc_helpers.statistics.table_one import table_one

__all__ = [
    "ConfusionTable",
    "Estimate",
    "c_index",
    "compare_auc",
    "compare_c_index",
    "compare_models",
    "confusion",
    "roc_auc",
    "roc_curve",
    "table_one",
    "wilson",
]
