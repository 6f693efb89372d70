"""Estimates, intervals and tests: each function states what it estimates and refuses the rest.

`risk_score` always means: higher is worse. Intervals are 95% unless said otherwise.
"""

from npc_helpers.statistics.agreement import bland_altman
from npc_helpers.statistics.bootstrap import bootstrap_models
from npc_helpers.statistics.calibration import Calibration, calibration
from npc_helpers.statistics.comparators import (
    clinical_covariates,
    tn_covariates,
    tn_cox,
    tnm_scores,
)
from npc_helpers.statistics.comparison import compare_models
from npc_helpers.statistics.competing_risks import cause_specific_c, cumulative_incidence
from npc_helpers.statistics.concordance import c_index, compare_c_index, uno_c_index
from npc_helpers.statistics.confusion import ConfusionTable, confusion, wilson
from npc_helpers.statistics.estimate import Estimate, format_p, with_printed_p
from npc_helpers.statistics.gate import ColumnError, TooFewPatients
from npc_helpers.statistics.horizon import (
    HorizonCalibration,
    calibration_at,
    calibration_groups,
    compare_at_horizon,
    survival_net_benefit,
)
from npc_helpers.statistics.labels import (
    compare_labels,
    horizon_label,
    label_audit,
    landmark,
    require_patients,
)
from npc_helpers.statistics.mcnemar import compare_calls, mcnemar_exact
from npc_helpers.statistics.proportional_hazards import proportional_hazards
from npc_helpers.statistics.roc import compare_auc, roc_auc, roc_curve
from npc_helpers.statistics.sample_size import (
    DevelopmentSize,
    auc_standard_error,
    c_index_standard_error,
    half_width,
    patients_for_development,
    patients_for_half_width,
    patients_for_power,
    power_of_difference,
)
from npc_helpers.statistics.splits import split_differences, summarise_splits
from npc_helpers.statistics.stability import instability, refitted
from npc_helpers.statistics.summaries import (
    MedianTime,
    median_follow_up,
    median_survival,
    restricted_mean,
)
from npc_helpers.statistics.survival import (
    AddedValue,
    ChiSquared,
    CoxModel,
    added_value,
    fit_cox,
    log_rank,
    survival_table,
)
from npc_helpers.statistics.table_one import table_one
from npc_helpers.statistics.time_dependent import (
    IntegratedBrier,
    auc_at_horizon,
    brier_curve,
    cumulative_dynamic_auc,
    integrated_brier,
    ipcw_weights,
)

__all__ = [
    "AddedValue",
    "Calibration",
    "ChiSquared",
    "ColumnError",
    "ConfusionTable",
    "CoxModel",
    "DevelopmentSize",
    "Estimate",
    "HorizonCalibration",
    "IntegratedBrier",
    "MedianTime",
    "TooFewPatients",
    "added_value",
    "auc_at_horizon",
    "auc_standard_error",
    "bland_altman",
    "bootstrap_models",
    "brier_curve",
    "c_index",
    "c_index_standard_error",
    "calibration",
    "calibration_at",
    "calibration_groups",
    "cause_specific_c",
    "clinical_covariates",
    "compare_at_horizon",
    "compare_auc",
    "compare_c_index",
    "compare_calls",
    "compare_labels",
    "compare_models",
    "confusion",
    "cumulative_dynamic_auc",
    "cumulative_incidence",
    "fit_cox",
    "format_p",
    "half_width",
    "horizon_label",
    "instability",
    "integrated_brier",
    "ipcw_weights",
    "label_audit",
    "landmark",
    "log_rank",
    "mcnemar_exact",
    "median_follow_up",
    "median_survival",
    "patients_for_development",
    "patients_for_half_width",
    "patients_for_power",
    "power_of_difference",
    "proportional_hazards",
    "refitted",
    "require_patients",
    "restricted_mean",
    "roc_auc",
    "roc_curve",
    "split_differences",
    "summarise_splits",
    "survival_net_benefit",
    "survival_table",
    "table_one",
    "tn_covariates",
    "tn_cox",
    "tnm_scores",
    "uno_c_index",
    "wilson",
    "with_printed_p",
]
