"""Pictures of each series that `find_series` found, so that a decision can be made by eye."""

from pathlib import Path

import numpy as np

from npc_helpers.imaging.headers import check_image, open_file
from npc_helpers.imaging.pixels import decode
from npc_helpers.study.dicom_file import DicomError, refuse
from npc_intake.find.series import FoundSeries


def thumbnails(
    series: FoundSeries, *, at: float | tuple[float, ...] = 0.5
) -> list[np.ndarray | str] | list[list[np.ndarray | str]]:
    """Return pictures of every series, or in words why there is none.

    Parameters
    ----------
    series : FoundSeries
        Its files are in the order of slices, where they say where they lie.
    at : float or tuple of float
        Which slices, from 0 for the lowest to 1 for the highest. Only their files are decoded, so
        that a folder of thousands of files takes seconds.

    Returns
    -------
    list of (ndarray (rows, columns) or str), or a list of such lists
        One for each row of ``series.table``; for several slices a list of several.
    """
    if isinstance(at, tuple):
        return [[_picture(files, place) for place in at] for files in series.files]
    return [_picture(files, at) for files in series.files]


def _picture(files: tuple[Path, ...], at: float) -> np.ndarray | str:
    try:
        return _slice(files, at)
    except DicomError as error:
        return str(error).removeprefix(f"{files[0].parent}: ")
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _slice(files: tuple[Path, ...], at: float) -> np.ndarray:
    path = files[_number(at, len(files))]
    tags = open_file(path)
    if tags is None:
        raise refuse(path, "no-dicom", "it is no DICOM file", "Export it again")
    if tags.text("Modality") != "MR":
        modality = tags.text("Modality") or "missing"
        raise refuse(path, "wrong-modality", f"its modality is {modality}, not MR", "Leave it out")
    check_image(tags)
    images = decode(tags)
    return images[_number(at if len(files) == 1 else 0.5, len(images))]


def _number(at: float, count: int) -> int:
    return min(int(at * count), count - 1)
