"""The grain of images, and what it would be after an upgrade of the scanner.

``python -m npc_demo FOLDER --upgraded-on DAY`` makes a whole study of it. Here are the same pixels,
from the same seeds, where a lesson needs one number of each patient.
"""

from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd

from npc_demo.anatomy import draw_anatomy
from npc_demo.examination import VERSION
from npc_demo.mri import acquire, scan_stream
from npc_demo.patient import Patient
from npc_demo.what_if import kept, of_each, patients_of
from npc_helpers.imaging.roi_table import BOX
from npc_helpers.study import Study

UPGRADED = "1.5T upgraded"  # of `protocols.PROTOCOLS`


def grain(images: np.ndarray, rectangles: pd.DataFrame) -> float:
    """Return how much neighbouring pixels differ: fine structure and noise, and no tissue by name.

    The median distance of a pixel from the mean of its four neighbours, as a share of the mean
    brightness; the mean of this over the rectangles.

    Parameters
    ----------
    images : ndarray, shape (slices, rows, columns)
    rectangles : DataFrame
        Rows of the ROI table: the slice, and which part of it counts.
    """
    values = []
    for place in rectangles.itertuples():
        part = images[place.slice_index, place.y0 : place.y1, place.x0 : place.x1].astype(float)
        around = part[:-2, 1:-1] + part[2:, 1:-1] + part[1:-1, :-2] + part[1:-1, 2:]
        values.append(np.median(np.abs(part[1:-1, 1:-1] - around / 4)) / part.mean())
    return float(np.mean(values))


def grain_after_upgrade(study: Study, rectangles: pd.DataFrame) -> pd.Series:
    """Take the T2-weighted images before treatment with the upgraded scanner; return their grain.

    Kept in the results, by all that the images are drawn from.

    Parameters
    ----------
    study : Study
        A demonstration study.
    rectangles : DataFrame
        Rows of the ROI table of those series.

    Returns
    -------
    Series of float
        By patient_id.

    Raises
    ------
    NotInThisStudy
        If the patients are not synthetic: no scanner can take their images again.
    """
    everyone = patients_of(study)
    places = {name: rows[["slice_index", *BOX]] for name, rows in rectangles.groupby("patient_id")}
    facts = [VERSION, UPGRADED, *(rows.to_csv(index=False) for rows in places.values())]
    facts += [asdict(everyone[name]) for name in places]

    def grains() -> np.ndarray:
        patients = [everyone[name] for name in places]
        drawn = of_each(partial(_grain, places=places), patients, "upgraded scanner")
        return np.array([drawn[name] for name in places])

    values = kept(study, "upgraded", facts, grains)
    return pd.Series(values, pd.Index(places, name="patient_id"))


def _grain(patient: Patient, *, places: dict[str, pd.DataFrame]) -> float:
    anatomy = draw_anatomy(patient, "pre")
    images = acquire(anatomy, "t2w", scan_stream(patient, "pre", "t2w"), protocol=UPGRADED)
    return grain(images, places[patient.patient_id])
