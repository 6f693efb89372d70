"""What an upgraded scanner would have shown of the same patients: parts of slices, in memory.

``python -m npc_demo FOLDER --upgraded-on DAY`` makes a whole study of it. Here are the same pixels,
from the same seeds, where a lesson needs one slice of each patient.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd

from npc_demo.anatomy import draw_anatomy
from npc_demo.examination import VERSION
from npc_demo.mri import acquire, scan_stream
from npc_demo.patient import Patient
from npc_demo.what_if import patients_of
from npc_helpers.imaging.roi_table import BOX
from npc_helpers.study import Study
from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.jobs import spread
from npc_helpers.study.progress import progress_bar

UPGRADED = "1.5T upgraded"  # of `protocols.PROTOCOLS`
WORTH_A_PROCESS = 4  # heads drawn while a process starts


def upgraded_crops(study: Study, rectangles: pd.DataFrame) -> dict[str, np.ndarray]:
    """Draw the T2-weighted image before treatment as the upgraded scanner takes it, cut out.

    Kept in the results, by all that the images are drawn from.

    Parameters
    ----------
    study : Study
        A demonstration study.
    rectangles : DataFrame
        Rows of the ROI table, one for each patient: the slice, and what is cut out of it.

    Returns
    -------
    dict of str to ndarray of uint16
        By patient_id, in the order of the rows.

    Raises
    ------
    NotInThisStudy
        If the patients are not synthetic: no scanner can take their images again.
    """
    known = patients_of(study)
    table = rectangles.set_index("patient_id")[["slice_index", *BOX]].astype(int)
    facts = [VERSION, UPGRADED, table.to_csv(), *(asdict(known[name]) for name in table.index)]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    path = study.result_path("features") / f"upgraded-{digest}.npz"
    if not path.exists():
        jobs = spread(
            partial(_crop, places=table.to_dict("index")),
            [known[name] for name in table.index],
            fewest=WORTH_A_PROCESS,
            what="draws images",
        )
        bar = progress_bar(jobs, total=len(table), desc="upgraded scanner", unit="head")
        drawn = {patient.patient_id: crop for patient, crop in bar}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **drawn)
    with np.load(path) as crops:
        return {name: crops[name] for name in table.index}


def _crop(patient: Patient, *, places: dict[str, dict[str, int]]) -> np.ndarray:
    anatomy = draw_anatomy(patient, "pre")
    stack = acquire(anatomy, "t2w", scan_stream(patient, "pre", "t2w"), protocol=UPGRADED)
    place = places[patient.patient_id]
    rows, columns = slice(place["y0"], place["y1"]), slice(place["x0"], place["x1"])
    return stack[place["slice_index"], rows, columns]
