"""A drawing session on made-up images, for tests and for the programs that they start."""

import numpy as np
import pandas as pd

from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.imaging.roi import COLUMNS, Rectangle
from npc_helpers.widgets.roi_session import RoiSession

SLICES = 6


def series(slices=SLICES):
    array = np.ones((slices, 200, 240), np.uint16)
    orientation = np.array([1.0, 0, 0, 0, 1, 0])
    return MRSeries(array, (0.5, 0.5), np.arange(slices) * 5.0, 5.0, orientation, "A", "", ())


def suggested(stacks):
    rows = [
        (*key, i, 20, 30, 120, 90, "suggested", "")
        for key, images in stacks.items()
        for i in range(len(images.array))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def session(path, reader, *, patients=("A",), slices=SLICES):
    stacks = {(patient, "pre", "t2w"): series(slices) for patient in patients}
    return RoiSession(
        stacks, suggested(stacks), patient_id=patients[0], timepoint="pre", reader_id=reader,
        path=path,
    )  # fmt: skip


def moved(box, dx, dy):
    return Rectangle(box.x0 + dx, box.y0 + dy, box.x1 + dx, box.y1 + dy)
