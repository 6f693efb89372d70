"""What the lessons open of one another's artefacts: who comes after whom."""

from npc_helpers.study.artefact_table import ARTEFACTS, PREDICTED

MODELS = ("pre_model.keras", "post_model.keras")
OF_RUN = ("rois.csv", "scanners.csv", "comparison.csv", "gradcam_scores.csv")
OPENS: dict[str, tuple[str, ...]] = {
    "04_train_post_model": ("predictions_pre.csv",),
    "05_compare_with_tnm": ("flow.csv", "scanners.csv", "rois.csv"),
    "06_explore_gradcam": ("cohort.csv", *MODELS),
    "07_appraise_paper": (*PREDICTED, *OF_RUN),
    "09_probabilities_and_decisions": PREDICTED,
    "10_how_sure": ("labels.csv", "appraisal.csv", "checklists.csv", *OF_RUN),
    "11_another_hospital": ("rois.csv", *PREDICTED, *MODELS),
    "12_survival_networks": ("cohort.csv", "rois.csv"),
    "13_break_it": ("rois.csv", *PREDICTED, *MODELS),
    "14_missing_values": PREDICTED,
    "15_next_examination": ("cohort.csv", "rois.csv"),
}
"""What a notebook opens besides that of which it makes its artefacts, if it is there."""
OPENS_LATE: dict[str, tuple[str, ...]] = {"04_train_post_model": ("predictions_pre.csv",)}
"""Of these, what it opens in the first cell that names it: until then its maker may be at work."""


def opens_from(notebook: str, *, at_once: bool = False) -> set[str]:
    """Return the notebooks that make what a notebook opens: it comes after them.

    With `at_once`, without those that make only what it opens late (`OPENS_LATE`).
    """
    opened = {name for row in ARTEFACTS.values() if row.maker == notebook for name in row.inputs}
    opened.update(OPENS.get(notebook, ()))
    if at_once:
        opened.difference_update(OPENS_LATE.get(notebook, ()))
    return {row.maker for row in ARTEFACTS.values() if row.name in opened} - {notebook}
