"""Which pixels of a synthetic patient are tumour and nodes: the known truth, as it was drawn."""

from pathlib import Path

import numpy as np

from npc_helpers.imaging.dicom import in_order, open_images
from npc_helpers.imaging.headers import Plane, open_file, planes_of
from npc_helpers.imaging.mr_series import Grid
from npc_helpers.imaging.pixels import stored_pixels
from npc_helpers.imaging.resample import resample_mask
from npc_helpers.study import Study
from npc_helpers.study.dicom_file import refuse

SEGMENTS = {1: 0, 2: 1}  # segment number -> first axis of read_mask: tumour, nodes
BUILD_AGAIN = "Build the study again"


def read_mask(study: Study, patient_id: str, timepoint: str) -> np.ndarray | None:
    """Read the known truth of a synthetic patient.

    Returns
    -------
    ndarray of bool, shape (2, slices, rows, columns), or None
        Tumour and nodes on the T2w series' images as `stacks.load_stacks` gives them (another
        matrix than 512 x 512 is resampled); None where the study has no ``mask.dcm``. The T1c
        series of the same time point shares the geometry.

    Raises
    ------
    DicomError
        If the segmentation is damaged, or does not lie on the images of the T2w series.
    """
    folder = study.series_folder(patient_id, timepoint, "t2w")
    path = folder.parent / "mask.dcm"
    if not path.is_file():
        return None
    files = open_images(folder, [], pixels=False)
    planes, _ = in_order(folder, [plane for tags in files for plane in planes_of(tags)])
    rows, columns = files[0].integer("Rows"), files[0].integer("Columns")
    drawn = open_file(path)
    if drawn is None or drawn.text("Modality") != "SEG":
        raise refuse(path, "wrong-modality", "it is no DICOM segmentation", BUILD_AGAIN)
    if (drawn.integer("Rows"), drawn.integer("Columns")) != (rows, columns):
        problem = "its matrix is not that of the T2w series"
        raise refuse(path, "mixed-matrix", problem, BUILD_AGAIN)
    frames = stored_pixels(drawn).reshape(-1, rows, columns)
    groups = drawn.items("PerFrameFunctionalGroupsSequence")
    mask = np.zeros((len(SEGMENTS), len(planes), rows, columns), dtype=bool)
    for frame, group, plane in zip(frames, groups, planes_of(drawn), strict=True):
        segments = group.items("SegmentIdentificationSequence")
        if not segments:
            problem = "a frame has no SegmentIdentificationSequence"
            raise refuse(path, "bad-tag", problem, BUILD_AGAIN)
        number = segments[0].integer("ReferencedSegmentNumber")
        if number in SEGMENTS:
            mask[SEGMENTS[number], _slice_at(planes, plane, path)] |= frame > 0
    grid = Grid(rows, columns, tuple(planes[0].spacing))
    if grid.is_reference_matrix:
        return mask
    return resample_mask(mask, source=grid, target=Grid.reference())


def _slice_at(planes: list[Plane], drawn: Plane, path: Path) -> int:
    """Return the index of the slice on whose corner a frame lies (half a pixel's tolerance)."""
    distances = np.array([np.abs(plane.origin - drawn.origin).max() for plane in planes])
    nearest = int(distances.argmin())
    if distances[nearest] > planes[nearest].spacing.min() / 2:
        problem = f"a frame at {drawn.origin.tolist()} mm lies on no image of the T2w series"
        raise refuse(path, "mixed-frame", problem, BUILD_AGAIN)
    return nearest
