"""Rectangles for the images of a study from contours: RTSTRUCT, SEG and NIfTI masks.

From a terminal::

    python -m npc_intake contours STUDY FILES… --structure 'GTVp*' --structure NPC --margin-mm 5

Every image gets a rectangle, as in the paper (Li et al. 2022, section 2.3): around the contours
that lie on it, or, where none does, around all contours of its series.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from npc_helpers.imaging.roi_files import replace_in_file
from npc_helpers.imaging.roi_table import COLUMNS, SERIES
from npc_helpers.study import Study
from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.progress import progress_bar
from npc_intake.contours.boxes import MARGIN_MM, Extents, boxes_around, extents_of
from npc_intake.contours.image_planes import ImagePlanes, image_planes
from npc_intake.contours.outlines import NIFTI, Structures, read_labels, read_structures
from npc_intake.contours.series import Key, series_of
from npc_intake.contours.structure_names import STRUCTURES, chosen


@dataclass(frozen=True)
class ContourReport:
    """What contours gave.

    Attributes
    ----------
    table : DataFrame
        ROI table in pixels of the files, ``source`` is ``contours``; every image of a series that
        contours were found for.
    structures : DataFrame
        One row per structure of each file: file, structure, planes, used.
    problems : tuple of str
        What could not be used, and why.
    """

    table: pd.DataFrame
    structures: pd.DataFrame
    problems: tuple[str, ...]

    def __str__(self) -> str:
        n_series = len(self.table.drop_duplicates(SERIES))
        return f"{len(self.table)} rectangles from contours on {n_series} series."

    def save(self, study: Study) -> Path:
        """Put the rectangles in the place of those that the study offered for the same series."""
        path = study.table_path("suggested_rois")
        series = set(_keys(self.table))
        replace_in_file(path, self.table, lambda rows: _keys(rows).isin(series))
        return path


def _keys(table: pd.DataFrame) -> pd.Series:
    keys = list(table[SERIES].itertuples(index=False, name=None))
    return pd.Series(keys, table.index, dtype=object)


def rectangles_from_contours(
    study: Study,
    files: Iterable[str | Path],
    *,
    structures: Sequence[str] = STRUCTURES,
    margin_mm: float = MARGIN_MM,
    per_image: bool = True,
    labels: Mapping[int, str] | None = None,
    series: Key | None = None,
    progress: bool = True,
) -> ContourReport:
    """Make rectangles for the images of a study from files of contours.

    Parameters
    ----------
    study : Study
    files : iterable of path-like
        RTSTRUCT, SEG and NIfTI files, or folders that hold them; images among them are passed
        over. DICOM contours belong to the series that they were drawn on, and to the others of
        that examination in the same frame of reference. A NIfTI mask has to lie on the grid of
        its images, and its path names them: ``P-01_pre_t2w.nii.gz``, ``P-01/pre/mask.nii`` …
    structures : sequence of str
        Which structures count, by pattern (`structure_names.chosen`); all that fit together make
        one rectangle.
    margin_mm : float
        Added on every side; cut off at the edge of the image.
    per_image : bool
        A rectangle for each image around the contours on it, and around all of them where there
        are none; else one and the same rectangle around all for every image of a series.
    labels : mapping of int to str, optional
        Names of the labels of NIfTI masks (`outlines.read_labels`).
    series : (patient_id, timepoint, sequence), optional
        The series that all files belong to, where their names do not tell.
    progress : bool

    Returns
    -------
    ContourReport
        Nothing is written yet: see `ContourReport.save`.

    Raises
    ------
    StudyError
        If there is no such file, or the margin is negative.

    Examples
    --------
    >>> report = rectangles_from_contours(study, ["contours"], margin_mm=5)  # doctest: +SKIP
    >>> print(report, *report.problems, sep="\\n")  # doctest: +SKIP
    >>> report.save(study)  # doctest: +SKIP
    """
    if not 0 <= margin_mm < np.inf:
        raise StudyError(f"The margin is {margin_mm} mm; it has to be 0 or more.")
    problems: list[str] = []
    sources = _read_all(_paths(files), labels, problems, progress)
    planes = _planes_of(study, problems, progress) if sources else {}
    drawn: dict[Key, dict[str, Extents]] = {}
    for source in sources:
        try:
            used = _chosen(source, structures)
            keys = [series] if series else series_of(source, planes)
        except StudyError as error:
            problems.append(str(error))
            continue
        for key in keys:
            try:
                _place(source, used, key, planes, drawn.setdefault(key, {}))
            except StudyError as error:
                problems.append(str(error))
    rows = []
    for key, by_name in drawn.items():
        if by_name:
            boxes = boxes_around(
                list(by_name.values()), planes[key], margin_mm=margin_mm, per_image=per_image
            )
            rows += [(*key, index, *box, "contours", "") for index, box in enumerate(boxes)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return ContourReport(table, _listed(sources, structures), tuple(problems))


# --- files ----------------------------------------------------------------------------------------


def _paths(files: Iterable[str | Path]) -> list[Path]:
    """Return all files that may hold contours; folders are searched, hidden names left out."""
    paths: list[Path] = []
    for name in files:
        path = Path(name).expanduser()
        if not path.exists():
            raise StudyError(f"{path}: no such file or folder.")
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        root = path if path.is_dir() else path.parent
        paths += [
            file
            for file in below
            if file.is_file() and not any(p.startswith(".") for p in file.relative_to(root).parts)
        ]
    return list(dict.fromkeys(paths))


def _read_all(
    paths: list[Path], labels: Mapping[int, str] | None, problems: list[str], progress: bool
) -> list[Structures]:
    sources = []
    for path in progress_bar(paths, shown=progress, desc="reading contours", unit="file"):
        try:
            source = read_structures(path, labels)
        except StudyError as error:
            problems.append(str(error))
            continue
        if source is not None:
            sources.append(source)
    if not sources and not problems:
        raise StudyError(
            f"None of {len(paths)} file(s) holds contours: an RTSTRUCT, a DICOM segmentation (SEG) "
            f"or a mask in NIfTI ({', '.join(NIFTI)})."
        )
    return sources


def _chosen(source: Structures, patterns: Sequence[str]) -> list[str]:
    """Return the structures that count, empty ones left out; refuse a file that has none."""
    names = chosen(source.outlines, patterns)
    used = [name for name in names if source.outlines[name]]
    if used:
        return used
    present = ", ".join(source.outlines) or "none"
    problem = "without any contour" if names else "none of which is asked for"
    raise StudyError(
        f"{source.path}: structures {present}, {problem} ({', '.join(patterns)}). Name those that "
        "are meant with --structure, or leave the file out."
    )


def _listed(sources: Sequence[Structures], patterns: Sequence[str]) -> pd.DataFrame:
    rows = [
        (source.path.as_posix(), name, len(outlines), name in chosen([name], patterns))
        for source in sources
        for name, outlines in source.outlines.items()
    ]
    return pd.DataFrame(rows, columns=["file", "structure", "planes", "used"])


# --- on the images of the study -------------------------------------------------------------------


def _planes_of(study: Study, problems: list[str], progress: bool) -> dict[Key, ImagePlanes]:
    """Read where the images of all series of a study lie."""
    planes = {}
    keys = [tuple(row) for row in study.manifest[SERIES].itertuples(index=False, name=None)]
    for key in progress_bar(keys, shown=progress, desc="reading positions", unit="series"):
        try:
            planes[key] = image_planes(study.series_folder(*key))
        except StudyError as error:
            problems.append(str(error))
    return planes


def _place(
    source: Structures,
    used: Sequence[str],
    key: Key,
    planes: Mapping[Key, ImagePlanes],
    drawn: dict[str, Extents],
) -> None:
    """Place structures of a file on a series; add where they lie to `drawn`."""
    if key not in planes:
        raise StudyError(
            f"{source.path}: the study has no series {' '.join(key)} that can be read."
        )
    images, where = planes[key], f"{source.path}, on {' '.join(key)}"
    if source.patient_id and images.patient_id and source.patient_id != images.patient_id:
        raise StudyError(
            f"{where}: the contours and the images have different PatientIDs. If they are of one "
            "person, de-identify both with one key; else leave this file out."
        )
    for name in used:
        if name in drawn:
            raise StudyError(
                f"{where}: another file has a structure {name} for the same images. "
                "Name only the file that counts."
            )
    drawn |= {name: extents_of(source, name, images, where) for name in used}


# --- the command ----------------------------------------------------------------------------------


def add_command(commands) -> None:
    """Add ``contours`` to the sub-parsers of a command line."""
    command = commands.add_parser(
        "contours",
        help="make rectangles from contours: RTSTRUCT, SEG, NIfTI masks",
        description="Makes rectangles for the images of a study from contours and writes them into "
        "STUDY/data/suggested_rois.csv, in place of those of the same series. Every image gets "
        "one: around the contours on it, or around all of its series where there are none "
        "(docs/own_images.md).",
    )
    command.add_argument("study", type=Path, help="the study folder")
    command.add_argument("files", type=Path, nargs="+", help="files of contours, or their folders")
    command.add_argument(
        "--structure", action="append", metavar="PATTERN",
        help=f"which structures count; may be repeated (by default {', '.join(STRUCTURES)})",
    )  # fmt: skip
    command.add_argument("--margin-mm", type=float, default=MARGIN_MM, metavar="MM")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--per-image", action="store_true", help="a rectangle per image (default)")
    how.add_argument("--one-box", action="store_true", help="one rectangle per series")
    command.add_argument(
        "--labels", type=read_labels, metavar="NAMES",
        help="of NIfTI masks: 1=GTVp,2=GTVn, or nnU-Net's dataset.json, or ITK-SNAP's labels",
    )  # fmt: skip
    command.add_argument(
        "--series", type=_key, metavar="PATIENT/TIMEPOINT/SEQUENCE",
        help="the series that the files belong to, where they do not say",
    )  # fmt: skip
    command.add_argument("--list", action="store_true", help="list the structures, write nothing")
    command.set_defaults(run=_run)


def _key(text: str) -> Key:
    parts = tuple(text.rsplit("/", 2))
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"'{text}' is not PATIENT/TIMEPOINT/SEQUENCE")
    return parts


def _run(options: argparse.Namespace) -> int:
    study = Study(options.study)
    report = rectangles_from_contours(
        study,
        options.files,
        structures=options.structure or STRUCTURES,
        margin_mm=options.margin_mm,
        per_image=not options.one_box,
        labels=options.labels,
        series=options.series,
    )
    for name, rows in report.structures.groupby("structure", sort=False):
        chosen_in = f"used in {rows['used'].sum()}" if rows["used"].any() else "not used"
        print(f"{name}: in {len(rows)} file(s), {chosen_in}")
    for problem in report.problems:
        print(problem)
    if not options.list and len(report.table):
        print(f"{report} {report.save(study)}")
    elif not options.list:
        print("No rectangle was made.")
    return int(bool(report.problems) or not len(report.table))
