"""An examination half-way through the treatment, which the demonstration study does not have."""

import pandas as pd

from npc_demo.patient import COURSE

MID = "mid"
MID_SERIES, MID_ROIS = "data/mid_course.csv", "data/mid_course_rois.csv"


def half_way(registry: pd.DataFrame) -> pd.Series:
    """Return the day of the mid-course examination: half-way through the treatment."""
    start, end = registry["treatment_start"], registry["treatment_end"]
    return (start + COURSE[MID] * (end - start)).dt.floor("D")
