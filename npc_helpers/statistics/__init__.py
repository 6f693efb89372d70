"""Estimates, intervals and tests: each function states what it estimates and refuses the rest.

What every function here understands alike, so that its own page need not repeat it:

time, event : array-like, shape (n,)
    Months (or any other unit) to progression or to the last review; True if it was progression.
    `horizon` and `at` are in the same unit.
risk_score : array-like, shape (n,)
    Higher is worse. `risk_scores` maps the names of models to such columns.
high_risk : array-like of bool, shape (n,)
    The label.
p_event : array-like, shape (n,)
    Probability of progression by the horizon.

Intervals are 95% intervals throughout: tables and figures say so.

Series of one call have the same index in the same order. A column that cannot be used is refused as
`ColumnError`, which names column and patient; columns in order with too few patients, or too alike
ones, as `TooFewPatients`. Both are ValueErrors.
"""

from npc_helpers.statistics.agreement import bland_altman
from npc_helpers.statistics.bootstrap import bootstrap_models
from npc_helpers.statistics.calibration import calibration, calibration_at, calibration_groups
from npc_helpers.statistics.comparators import clinical_covariates, tn_covariates, tnm_scores
from npc_helpers.statistics.comparison import compare_models
from npc_helpers.statistics.competing_risks import cause_specific_c, cumulative_incidence
from npc_helpers.statistics.concordance import c_index, compare_c_index, uno_c_index
from npc_helpers.statistics.confusion import ConfusionTable, confusion, mcnemar_exact, wilson
from npc_helpers.statistics.cox import CoxModel, added_value, fit_cox, proportional_hazards
from npc_helpers.statistics.estimate import Estimate, format_p, with_printed_p
from npc_helpers.statistics.gate import ColumnError, TooFewPatients
from npc_helpers.statistics.horizon import (
    auc_at_horizon,
    brier_curve,
    compare_at_horizon,
    cumulative_dynamic_auc,
    integrated_brier,
)
from npc_helpers.statistics.interval_censoring import interval_survival
from npc_helpers.statistics.labels import (
    compare_labels,
    horizon_label,
    label_audit,
    require_patients,
)
from npc_helpers.statistics.landmarks import landmark, landmark_risk
from npc_helpers.statistics.missing import impute, pool_estimates
from npc_helpers.statistics.net_benefit import survival_net_benefit
from npc_helpers.statistics.roc import compare_auc, roc_auc, roc_curve
from npc_helpers.statistics.sample_size import (
    auc_standard_error,
    c_index_standard_error,
    half_width,
    patients_for_development,
    patients_for_half_width,
    patients_for_power,
    power_of_difference,
)
from npc_helpers.statistics.splits import share_in_order, split_differences, summarise_splits
from npc_helpers.statistics.stability import instability, refitted
from npc_helpers.statistics.subgroups import subgroup_hazard_ratios
from npc_helpers.statistics.survival import (
    kaplan_meier,
    log_rank,
    median_follow_up,
    median_survival,
    restricted_mean,
    survival_table,
)
from npc_helpers.statistics.table_one import table_one
from npc_helpers.statistics.weighting import ipcw_weights
