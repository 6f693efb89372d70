"""One picture of each series that `find_series` found, so that a decision can be made by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from npc_helpers.imaging.files import open_file
from npc_helpers.imaging.pixels import check_image, decode
from npc_helpers.study.dicom_file import DicomError, refuse
from npc_intake.find_series import FoundSeries


def thumbnails(found: FoundSeries) -> list[np.ndarray | str]:
    """Return the middle image of every series, or in words why there is none.

    The middle is that of the positions along the slice normal; where a file does not say where
    it lies, or slices lie in several planes, that of the file names. One file of each series is
    decoded, so that a folder of thousands of files takes seconds.

    Parameters
    ----------
    found : FoundSeries

    Returns
    -------
    list of ndarray (rows, columns) or str
        One for each row of ``found.table``.
    """
    return [_picture(files) for files in found.files]


def _picture(files: tuple[Path, ...]) -> np.ndarray | str:
    try:
        return _middle_image(files)
    except DicomError as error:
        return _without_folder(str(error), files)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _middle_image(files: tuple[Path, ...]) -> np.ndarray:
    path = _by_position(files)[len(files) // 2]
    tags, _ = open_file(path)
    if tags is None:
        raise refuse(path, "no-dicom", "it is no DICOM file", "Export it again")
    if tags.text("Modality") != "MR":
        modality = tags.text("Modality") or "missing"
        raise refuse(path, "wrong-modality", f"its modality is {modality}, not MR", "Leave it out")
    check_image(tags)
    images, _ = decode(tags)
    return images[len(images) // 2]


def _by_position(files: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return files in the order of their slices, as they come where that is not known."""
    heights, normals = {}, []
    for path in files:
        try:
            tags, _ = open_file(path, pixels=False)
            if tags is None:
                return files
            cosines = tags.numbers("ImageOrientationPatient", 6)
            normals.append(np.cross(cosines[:3], cosines[3:]))
            heights[path] = float(tags.numbers("ImagePositionPatient", 3) @ normals[0])
        except (DicomError, OSError):
            return files
    same_plane = np.allclose(normals, normals[0], atol=0.01)
    return tuple(sorted(files, key=heights.get)) if same_plane else files


def _without_folder(message: str, files: tuple[Path, ...]) -> str:
    """Return an error message without the long name of the folder in front of it."""
    return message.removeprefix(f"{files[0].parent}: ")
