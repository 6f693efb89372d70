"""Which picture shows what a lesson says of it, chosen by a rule and not by eye."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from npc_helpers.imaging.masks import read_mask
from npc_helpers.imaging.roi_files import read_rectangles
from npc_helpers.study import Study
from npc_helpers.study.schema import TIMEPOINTS

CHANGED = 0.5  # of the tumour's pixels in a slice: so much must be gone for an eye to see it
UPPER = 0.75  # where the nasopharynx lies in a stack of head and neck of which nothing is known


@dataclass(frozen=True)
class Slice:
    """One level of one patient.

    Attributes
    ----------
    height : float
        Middle of the slice, from 0 (lowest end of the stack) to 1.
    tumour_before, tumour_after : int or None
        Tumour pixels at this level in both examinations; None where nobody knows.
    """

    patient_id: str
    height: float
    tumour_before: int | None = None
    tumour_after: int | None = None


def telling_slice(study: Study, patient_ids: Iterable[str]) -> Slice:
    """Return the first patient, and the level, at which treatment visibly changed the tumour.

    The level is the one with most tumour before treatment, and at least half of it is gone after.
    Where the tumour is not known, as in every real study: the first patient, at the level of the
    largest rectangle that comes with the study, or else at three quarters of the height.

    Parameters
    ----------
    patient_ids : iterable of str
        In the order of preference; of patients with images.
    """
    patient_ids = list(patient_ids)
    for patient_id in patient_ids:
        tumour = [_tumour(study, patient_id, timepoint) for timepoint in TIMEPOINTS]
        if tumour[0] is None:
            break
        level = int(tumour[0].argmax())
        if tumour[1] is None or len(tumour[1]) != len(tumour[0]):
            continue
        before, after = int(tumour[0][level]), int(tumour[1][level])
        if after <= CHANGED * before:
            return Slice(patient_id, (level + 0.5) / len(tumour[0]), before, after)
    return Slice(patient_ids[0], _height_of_largest_rectangle(study, patient_ids[0]))


def _tumour(study: Study, patient_id: str, timepoint: str):
    """Return the tumour's pixels in each slice; None where there is no mask."""
    listed = study.manifest.query("patient_id == @patient_id and timepoint == @timepoint")
    if "t2w" not in set(listed["sequence"]):
        return None
    mask = read_mask(study, patient_id, timepoint)
    return None if mask is None else mask[0].sum(axis=(1, 2))


def _height_of_largest_rectangle(study: Study, patient_id: str) -> float:
    rois = read_rectangles(study.table_path("suggested_rois"))
    rois = rois[rois["patient_id"] == patient_id]
    if rois.empty:
        return UPPER
    area: pd.Series = (rois["x1"] - rois["x0"]) * (rois["y1"] - rois["y0"])
    series = rois[rois["timepoint"] == rois.at[area.idxmax(), "timepoint"]]
    return (rois.at[area.idxmax(), "slice_index"] + 0.5) / (series["slice_index"].max() + 1)
