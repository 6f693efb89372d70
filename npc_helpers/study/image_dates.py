"""Are the images of the day that the registry names? If not, they may be of somebody else."""

import re
from pathlib import Path

import pandas as pd

from npc_helpers.study.artefacts import dicom_files
from npc_helpers.study.dicom_file import DicomError, open_dicom
from npc_helpers.study.problems import Problem
from npc_helpers.study.schema import MANIFEST, REGISTRY
from npc_helpers.study.tables import rows

NEAR = pd.Timedelta(days=1)  # an examination may run past midnight
DAY = "StudyDate"


def check_image_dates(
    manifest: pd.DataFrame, registry: pd.DataFrame, folder: Path
) -> list[Problem]:
    """Report the series whose first image has another date than the registry names.

    `manifest` holds only rows whose path lies in the study. Images without a date, and patients
    without one in the registry, are passed over.
    """
    dates = registry.drop_duplicates("patient_id").set_index("patient_id")
    listed = manifest[manifest["patient_id"].isin(dates.index)]
    listed = listed[listed["timepoint"].isin(["pre", "post"])]
    columns = [f"mri_{timepoint}_date" for timepoint in listed["timepoint"]]
    expected = map(dates.at.__getitem__, zip(listed["patient_id"], columns, strict=True))
    imaged = [_day(folder / path) for path in listed["path"]]
    listed = listed.assign(
        date_column=columns,
        expected=pd.to_datetime(pd.Series(list(expected), listed.index)),
        imaged=pd.to_datetime(pd.Series(imaged, listed.index)),
    )
    return rows(
        listed, MANIFEST, (listed["imaged"] - listed["expected"]).abs() > NEAR, "path",
        "the images in '{path}' are of {imaged:%Y-%m-%d}, and {date_column} is "
        f"{{expected:%Y-%m-%d}} in {REGISTRY.path}",
        "Look whether they are of this patient and this examination. Correct the date, or the "
        "path.", "warning",
    )  # fmt: skip


def _day(series: Path) -> pd.Timestamp:
    """Return the date of the first image that can be read and has one; NaT if none does."""
    for path in dicom_files(series):
        try:
            text = str(open_dicom(path, pixels=False, keywords=[DAY]).get(DAY) or "")
        except (DicomError, OSError):
            continue
        if re.fullmatch(r"\d{8}", text := text.replace(".", "")):
            return pd.to_datetime(text, format="%Y%m%d", errors="coerce")
    return pd.NaT
