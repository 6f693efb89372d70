"""Which pixels of a synthetic patient are tumour and nodes: the known truth, as it was drawn."""

import numpy as np

from npc_helpers.imaging.dicom import in_order, open_images
from npc_helpers.imaging.headers import Plane, Tags, planes_of
from npc_helpers.imaging.mr_series import Grid
from npc_helpers.imaging.resample import resample_mask
from npc_helpers.study import Study
from npc_helpers.study.dicom_file import open_dicom, refuse

SEGMENTS = (1, 2)  # numbers of tumour and nodes, in the order of read_mask's first axis


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
        If the segmentation is damaged, or was not drawn on the images of the T2w series.
    """
    folder = study.series_folder(patient_id, timepoint, "t2w")
    path = folder.parent / "mask.dcm"
    if not path.is_file():
        return None
    try:
        from highdicom.seg import Segmentation
    except ModuleNotFoundError as error:
        problem = f"reading it needs the package {error.name}"
        action = "Run: python -m pip install highdicom (or: python -m npc_helpers install demo)"
        raise refuse(path, "missing-decoder", problem, action) from None
    files = open_images(folder, [], pixels=False)
    planes, _ = in_order(folder, [plane for tags in files for plane in planes_of(tags)])
    images = [plane.tags.text("SOPInstanceUID") for plane in planes]
    try:
        dataset = open_dicom(path)
        frames = Segmentation.from_dataset(dataset, copy=False)
        if strangers := {uid for *_, uid in frames.get_source_image_uids()} - set(images):
            raise ValueError(f"{len(strangers)} of its images are not in {folder.name}")
        if not _lie_on(planes, planes_of(Tags(dataset, path))):
            raise ValueError("a frame lies on no image")
        drawn = frames.get_pixels_by_source_instance(  # (slices, rows, columns, segments)
            images, segment_numbers=SEGMENTS, assert_missing_frames_are_empty=True
        )
    except Exception as error:  # highdicom and pydicom raise many kinds
        problem = f"it cannot be read as a segmentation of the T2w series ({error})"
        raise refuse(path, "bad-segmentation", problem, "Build the study again") from error
    mask = np.moveaxis(drawn.astype(bool), -1, 0)  # (segments, slices, rows, columns)
    grid = Grid(*mask.shape[-2:], tuple(planes[0].spacing))
    if grid.is_reference_matrix:
        return mask
    return resample_mask(mask, source=grid, target=Grid.reference())


def _lie_on(planes: list[Plane], frames: list[Plane]) -> bool:
    """Tell whether each frame begins where a slice does, to half a pixel."""
    slices = np.array([plane.origin for plane in planes])  # (slices, 3)
    apart = [np.abs(slices - frame.origin).max(axis=1).min() for frame in frames]
    return max(apart) <= planes[0].spacing.min() / 2
