"""One function per figure over tidy data; drawn with matplotlib.

Every function returns the figure and draws nothing by itself. What kind of patients are shown is
stamped into its corner without the caller's doing (`npc_helpers.study.mark`).
`display.show` recolours a figure for light and dark pages alike.
"""

from npc_helpers.figures.agreement import agreement_figure
from npc_helpers.figures.appraisal import printed_intervals_figure
from npc_helpers.figures.calibration import calibration_figure, decision_figure
from npc_helpers.figures.cohort import flow_chart, km_by_risk, pfs_figure
from npc_helpers.figures.explorers import follow_up_explorer
from npc_helpers.figures.images import (
    contact_sheet,
    gradcam_panel,
    input_montage,
    roi_montage,
    sanity_figure,
    series_grid,
)
from npc_helpers.figures.interventions import covering_figure, finer_figure, interventions_figure
from npc_helpers.figures.networks import (
    learning_curves,
    network_diagram,
    pre_post_scatter,
    prediction_strip,
)
from npc_helpers.figures.results import confusion_figure, forest_figure, roc_figure
from npc_helpers.figures.style import PALETTE, PAPER_COLOURS, PERCEPTUAL_COLOURS
from npc_helpers.figures.survival import (
    cox_figure,
    interval_figure,
    label_figure,
    patient_figure,
    time_dependent_figure,
    update_figure,
)
from npc_helpers.figures.uncertainty import (
    instability_figure,
    paired_figure,
    precision_figure,
    split_figure,
)
