"""The lessons' explorers as pages: they work without Python, where a site or slides show them."""

import html
import shutil
from collections.abc import Callable
from pathlib import Path

from npc_course.widget_page import save_page
from npc_helpers.study import Study, StudyError

MISSING = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>:root {{ color-scheme: light dark; }} body {{ font: 16px/1.5 system-ui; }}</style></head>
<body><p>{reason}</p></body></html>
"""


def write_panels(study: Study, folder: Path) -> None:
    """Write a page for each explorer; where the study has not what it shows, it says so.

    Parameters
    ----------
    study : Study
        Its tables, and the results of the lessons or the reference.
    folder : Path
        Gets one file for each name in `PANELS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, (title, write) in PANELS.items():
        path = folder / f"{name}.html"
        try:
            write(study, path, title)
        except StudyError as reason:
            sentence = html.escape(f"This panel cannot be shown. {reason}")
            page = MISSING.format(title=html.escape(title), reason=sentence)
            path.write_text(page, encoding="utf-8")


def copy_panels(made: Path, folder: Path) -> None:
    """Put the panels' pages beside other pages."""
    for name in PANELS:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(made / f"{name}.html", folder)


def _screening(study: Study, path: Path, title: str) -> None:
    from npc_helpers.widgets import ScreeningExplorer

    save_page(ScreeningExplorer(study.registry, study.visits), path, title=title)


def _thresholds(study: Study, path: Path, title: str) -> None:
    from npc_helpers.network.prediction import compared_scores
    from npc_helpers.widgets import RocExplorer

    patients, risk = compared_scores(study.read_table)
    test = patients[patients.split == "test"]
    scores = {name: values.reindex(test.index) for name, values in risk.items()}
    save_page(RocExplorer(test.high_risk.astype(bool), scores), path, title=title)


def _maps(study: Study, path: Path, title: str) -> None:
    """Show the test patient of highest predicted risk: one, because images are large."""
    from npc_helpers.imaging.stacks import load_stacks
    from npc_helpers.network import features, gradcam
    from npc_helpers.network.prediction import compared_scores
    from npc_helpers.network.saved_models import models_to_explain
    from npc_helpers.widgets import GradCamExplorer

    patients, risk = compared_scores(study.read_table)
    patient = risk["Ensemble"][patients.index[patients.split == "test"]].idxmax()
    rois, model = study.read_table("rois.csv"), models_to_explain(study)
    index, activations = {}, {}
    for when in model:
        images, index[when] = features.study_images(study, rois, when, patients=[patient])
        activations[when] = gradcam.activations(model[when], images)
    stacks = load_stacks(study, patients=[patient])
    explorer = GradCamExplorer.from_maps(study, stacks, index, activations, model)
    save_page(explorer, path, title=title, choices={"model": ["own", *model]})


PANELS: dict[str, tuple[str, Callable[[Study, Path, str], None]]] = {
    "ScreeningExplorer": ("Switch criteria off and on", _screening),
    "RocExplorer": ("Move the threshold", _thresholds),
    "GradCamExplorer": ("Maps of one patient", _maps),
}
