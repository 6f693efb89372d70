"""A study without images, to which tests of intake bring some."""

import pandas as pd

from npc_helpers.study import init
from npc_helpers.study.schema import REGISTRY

YES_NO = {column.name for column in REGISTRY.columns if column.kind == "yes_no"}


def study_of(folder, *patients):
    """An empty study whose patients were treated in spring 2018."""
    init(folder)
    columns = pd.read_csv(folder / "data/registry.csv").columns
    fixed = {name: "no" for name in columns if name in YES_NO} | {
        "tnm_edition": 8,
        "treatment_start": "2018-03-01",
        "treatment_end": "2018-05-01",
    }
    rows = [fixed | {"patient_id": patient} for patient in patients]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "data/registry.csv", index=False)
    return folder
