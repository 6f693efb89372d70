"""Which series of a study a file of contours belongs to."""

from collections.abc import Mapping

from npc_helpers.study.artefacts import StudyError
from npc_intake.contours.boxes import SAME_VOXEL, voxels_off
from npc_intake.contours.image_planes import ImagePlanes
from npc_intake.contours.outlines import Structures

Key = tuple[str, str, str]


def series_of(source: Structures, planes: Mapping[Key, ImagePlanes]) -> list[Key]:
    """Return the series that a file of contours belongs to.

    Those it was drawn on; the others of that examination that lie in the same frame of reference;
    for a NIfTI mask, which knows nothing of this, the one that its path names.

    Raises
    ------
    StudyError
        If there is none, or the contours fit several examinations.
    """
    if source.kind == "NIfTI":
        return _named_series(source, planes)
    drawn_on = [
        key
        for key, images in planes.items()
        if source.images & set(images.slices)
        or (source.series_uid and source.series_uid == images.series_uid)
    ]
    frames = set(source.frames_of_reference.values()) - {""}
    beside = [key for key, images in planes.items() if images.frame_of_reference in frames]
    examinations = {key[:2] for key in drawn_on or beside}
    if len(examinations) > 1:
        names = ", ".join(" ".join(examination) for examination in sorted(examinations))
        raise StudyError(
            f"{source.path}: its contours fit several examinations ({names}). "
            "Say which with --series PATIENT/TIMEPOINT/SEQUENCE."
        )
    keys = drawn_on + [key for key in beside if key[:2] in examinations and key not in drawn_on]
    if not keys:
        refers = source.series_uid or "none that it names"
        raise StudyError(
            f"{source.path}: the study has neither the series on which its contours were drawn "
            f"({refers}) nor one in the same frame of reference ({', '.join(frames) or 'not said'})"
            ". Use the original contours with the original images, or de-identify both with one "
            "key."
        )
    return keys


DEEPEST = 4  # parts of a path that may name patient, time point and sequence


def _named_series(source: Structures, planes: Mapping[Key, ImagePlanes]) -> list[Key]:
    """Return the series that the end of a path names; the sequence may be left to the grid."""
    parts = source.path.as_posix().split("/")
    ends = [_words(" ".join(parts[-depth:])) for depth in range(1, DEEPEST + 1)]
    on_grid = {key for key, images in planes.items() if voxels_off(source, images) <= SAME_VOXEL}
    for candidates, named in ((planes, 3), (on_grid, 2)):  # all three names, or the first two
        for words in ends:
            fits = [k for k in candidates if all(_holds(words, part) for part in k[:named])]
            longest = max((len(_words(key[0])) for key in fits), default=0)
            fits = [key for key in fits if len(_words(key[0])) == longest]  # P-1-2, not P-1
            if len(fits) == 1:
                return fits
    raise StudyError(
        f"{source.path}: a NIfTI mask does not say whose it is. Name it after patient, time point "
        "and sequence (P-01_pre_t2w.nii.gz, or folders of these names), or say --series "
        "PATIENT/TIMEPOINT/SEQUENCE."
    )


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()


def _holds(words: list[str], part: str) -> bool:
    """Tell whether the words of `part` stand somewhere among `words`, one after the other."""
    wanted = _words(part)
    n = len(wanted)
    return any(words[i : i + n] == wanted for i in range(len(words) - n + 1))
