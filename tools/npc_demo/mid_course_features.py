"""What a network sees of the mid-course examination, drawn in memory.

A build makes its files if it is asked to (`writer.write_study`). Here are the same pixels, from the
same seeds, without files.
"""

from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd

from npc_demo.examination import VERSION
from npc_demo.mid_course import MID
from npc_demo.mri import render
from npc_demo.patient import Patient
from npc_demo.what_if import kept, of_each, patients_of
from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.imaging.roi import network_inputs
from npc_helpers.imaging.roi_table import BOX
from npc_helpers.network.features import extract_features, model_identity
from npc_helpers.network.models import backbone_of, prognosis_model
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.schema import SEQUENCES
from npc_helpers.study.settings import Setting


def patient_features(study: Study, *, patients, setting: Setting) -> pd.DataFrame:
    """Draw the mid-course examination of some patients; return the mean features of its images.

    As `survival_heads.patient_features` for the examinations that the study has. Kept in the
    results, by the network and by all that the images are drawn from.

    Parameters
    ----------
    study : Study
        A demonstration study.
    patients : iterable of str
    setting : Setting

    Returns
    -------
    DataFrame of float32, shape (patients, k)
        By patient_id.

    Raises
    ------
    NotInThisStudy
        If the patients are not synthetic: nobody has examined them in mid-course.
    """
    try:
        everyone = patients_of(study)
    except NotInThisStudy as error:
        raise NotInThisStudy(
            "nobody was examined in mid-course, and only patients whom the generator has drawn "
            "can be examined afterwards"
        ) from error
    drawn = {name: everyone[name] for name in patients}
    backbone = backbone_of(prognosis_model(setting, seed=0))
    facts = [VERSION, model_identity(backbone), setting.canvas, setting.shrink]
    facts += [asdict(patient) for patient in drawn.values()]

    def means() -> np.ndarray:
        draw = partial(network_images, setting=setting)
        images = of_each(draw, drawn.values(), "mid-course examinations")
        of_image = extract_features(backbone, np.concatenate([images[name] for name in drawn]))
        return of_image.reshape(len(drawn), -1, of_image.shape[1]).mean(axis=1)  # (patients, k)

    return pd.DataFrame(kept(study, MID, facts, means), pd.Index(drawn, name="patient_id"))


def network_images(patient: Patient, *, setting: Setting) -> np.ndarray:
    """Return the mid-course images of one patient as the network sees them, (14, S, S, 1)."""
    drawn = render(patient, MID)
    key = {"patient_id": patient.patient_id, "timepoint": MID}
    stacks, rois = {}, []
    for sequence in SEQUENCES:
        stacks[patient.patient_id, MID, sequence] = _series(patient, drawn[sequence])
        boxes = pd.DataFrame(drawn["box"], columns=BOX)
        rois.append(boxes.assign(**key, sequence=sequence, slice_index=boxes.index))
    images, _ = network_inputs(stacks, pd.concat(rois, ignore_index=True), setting=setting)
    return images


def _series(patient: Patient, array: np.ndarray) -> MRSeries:
    n = len(array)
    return MRSeries(
        array=array, pixel_spacing_mm=(1.0, 1.0), positions_mm=np.arange(float(n)),
        slice_spacing_mm=1.0, orientation=np.eye(2, 3).ravel(), patient_id=patient.patient_id,
        description="", findings=(),
    )  # fmt: skip
