"""Views for exploring in JupyterLab; each has a static twin in `npc_helpers.figures`.

`RoiEditor` (twin `roi_montage`), `GradCamExplorer` (`gradcam_panel`), `ScreeningExplorer`
(`flow_chart`) and `RocExplorer` (`roc_figure`) are thin: everything they show or change is done
by functions and sessions that work without a browser. `IntegerBoxes` edits the same sessions as
`RoiEditor` with number fields, where a canvas does not run.
"""

from npc_helpers.widgets.gradcam_explorer import GradCamExplorer
from npc_helpers.widgets.integer_boxes import IntegerBoxes
from npc_helpers.widgets.roc_explorer import RocExplorer
from npc_helpers.widgets.roi_editor import RoiEditor
from npc_helpers.widgets.screening_explorer import ScreeningExplorer

__all__ = ["GradCamExplorer", "IntegerBoxes", "RocExplorer", "RoiEditor", "ScreeningExplorer"]
