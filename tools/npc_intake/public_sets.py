"""Public data sets as study folders: NPC-277 and HNTS-MRG 2024 (`docs/public_data.md`).

Neither holds outcomes, and neither holds the four series of this study: regions of interest and
Grad-CAM are what they are good for. Cells of the registry that may not be blank and that nobody
knows hold a placeholder; the column ``placeholders`` of the table names them.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from npc_helpers import study as studies
from npc_helpers.imaging.dicom import read_series
from npc_helpers.study.artefacts import StudyError, atomic_path, dicom_files, series_checksum
from npc_helpers.study.dicom_file import DicomError, open_dicom
from npc_helpers.study.places import is_repository
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import MANIFEST, REGISTRY, ROI_COLUMNS, SUGGESTED_ROIS, Table
from npc_helpers.study.tables import read_text, write_text
from npc_intake.contours.boxes import boxes_around, extents_of
from npc_intake.contours.image_planes import image_planes
from npc_intake.contours.outlines import read_structures
from npc_intake.deidentify import Key, deidentify_file
from npc_intake.find.folder_names import image_folder
from npc_intake.nifti import read_nifti, write_series

SERIES_KEY = ["patient_id", "timepoint", "sequence"]
NPC277_SERIES = (  # folder, sequence, mask
    ("T2WI", "t2w", "ROI-T2"),
    ("CE-T1WI", "t1c", "ROI-CE-T1"),
)
BOTH_UNKNOWN = "metastasis_before_diagnosis;surgery;tnm_edition"
UNKNOWN = {
    "recurrent_disease": "no",
    "metastasis_before_diagnosis": "no",
    "tnm_edition": "8",
    "surgery": "no",
    "imaging_complete": "no",  # known: never all four series
}
NPC277_FACTS = UNKNOWN | {
    "primary_npc": "yes",
    "treated_here": "no",
    "data_set": "NPC-277",
    "placeholders": f"treated_here;{BOTH_UNKNOWN}",
}
HNTSMRG_FACTS = UNKNOWN | {
    "primary_npc": "no",
    "treated_here": "yes",
    "data_set": "HNTS-MRG 2024",
    "placeholders": f"recurrent_disease;{BOTH_UNKNOWN}",
}
MID_RT_WARNING = (
    "The post series are from the 2nd to 4th week of radiotherapy, not from after it: they show "
    "how pairs are handled, and no result on them says anything about response to treatment."
)


@dataclass(frozen=True)
class ImportReport:
    """What an import did: numbers of patients, and one sentence per problem."""

    imported: int
    already_there: int
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.imported} patient(s) imported, {self.already_there} there already."


class _Series(NamedTuple):
    """One series of the source: a folder of DICOM files, or a NIfTI file with its description."""

    key: tuple[str, str, str]
    images: Path
    mask: Path | None
    description: str = ""
    secret: Key | None = None  # with it, headers are taken down to the keep-list

    @property
    def patient_id(self) -> str:
        return self.key[0]


class _Patient(NamedTuple):
    patient_id: str
    series: list[_Series]
    lacking: list[str]


def import_npc277(
    source: str | Path,
    study_folder: str | Path,
    *,
    key_path: str | Path | None = None,
    progress: bool = True,
) -> ImportReport:
    """Make a study folder of NPC-277 (Li et al. 2024, arXiv 2404.03253).

    Parameters
    ----------
    source : path-like
        The unpacked archive: somewhere below it lie folders ``001`` … with ``T2WI`` and
        ``CE-T1WI`` (DICOM) and the masks ``ROI-T2.nii`` and ``ROI-CE-T1.nii``.
    study_folder : path-like
        Made if need be. A second run goes on where the first stopped; rows that are already in
        the registry are left as they are.
    key_path : path-like, optional
        De-identify the images with this key, made if absent (`npc_intake.deidentify`): for
        copies whose headers still name a hospital or a person. Without it they are copied byte
        for byte. The patients are called ``NPC277-001`` … either way.
    progress : bool

    Returns
    -------
    ImportReport
        A patient or mask that cannot be used is named in ``problems``; the others are imported.

    Raises
    ------
    StudyError
        If the source holds no such data, or the study folder cannot take them.
    """
    source = _existing(source)
    names = {name for name, *_ in NPC277_SERIES}
    homes = {path.parent for name in names for path in _visible(source, name) if path.is_dir()}
    secret = None if key_path is None else Key.open(key_path, outside=study_folder)
    patients = [_npc277_patient(home, secret) for home in sorted(homes)]
    layout = "no folder T2WI or CE-T1WI below it, as data.zip of NPC-277 has them"
    return _import(source, patients, layout, study_folder, NPC277_FACTS, progress=progress)


def _npc277_patient(home: Path, secret: Key | None) -> _Patient:
    patient_id, listed, lacking = f"NPC277-{home.name}", [], []
    for folder, sequence, mask in NPC277_SERIES:
        if dicom_files(home / folder):
            series = (patient_id, "pre", sequence)
            images = home / folder
            listed.append(_Series(series, images, _nifti_named(home, mask), secret=secret))
        else:
            lacking.append(folder)
    return _Patient(patient_id, listed, lacking)


def import_hntsmrg(
    source: str | Path,
    study_folder: str | Path,
    *,
    mid_rt_as_post: bool = False,
    progress: bool = True,
) -> ImportReport:
    """Make a study folder of the training cases of HNTS-MRG 2024 (Zenodo 11199559).

    Parameters
    ----------
    source : path-like
        The unpacked archive: below it lie ``2/preRT/2_preRT_T2.nii.gz``,
        ``2/preRT/2_preRT_mask.nii.gz``, ``2/midRT/2_midRT_T2.nii.gz`` …
    study_folder : path-like
        As for `import_npc277`.
    mid_rt_as_post : bool
        Also take the mid-RT series, as time point ``post``. That is untrue (`MID_RT_WARNING`)
        and useful only to try what needs two time points.
    progress : bool

    Returns
    -------
    ImportReport

    Raises
    ------
    StudyError
        As for `import_npc277`.
    """
    source = _existing(source)
    homes = sorted({path.parent for path in _visible(source, "preRT")}, key=_by_number)
    patients = [_hntsmrg_patient(home, mid_rt_as_post) for home in homes]
    facts = dict(HNTSMRG_FACTS)
    if mid_rt_as_post:
        facts["data_set"] += " (post is mid-RT)"
    layout = "no folder preRT below it, as the training archive of HNTS-MRG 2024 has them"
    return _import(source, patients, layout, study_folder, facts, progress=progress)


def _hntsmrg_patient(home: Path, mid_rt_as_post: bool) -> _Patient:
    patient_id, listed, lacking = f"HNTSMRG-{home.name}", [], []
    wanted = [("preRT", "pre", "T2 (NIfTI)")]
    if mid_rt_as_post:
        wanted.append(("midRT", "post", "mid-RT T2 (NIfTI)"))
    for folder, timepoint, description in wanted:
        images = _nifti_named(home / folder, f"{home.name}_{folder}_T2")
        if images:
            mask = _nifti_named(home / folder, f"{home.name}_{folder}_mask")
            listed.append(_Series((patient_id, timepoint, "t2w"), images, mask, description))
        else:
            lacking.append(f"{folder}/{home.name}_{folder}_T2.nii.gz")
    return _Patient(patient_id, listed, lacking)


# --- the source -----------------------------------------------------------------------------------


def _existing(source: str | Path) -> Path:
    source = Path(source).expanduser()
    if not source.is_dir():
        raise StudyError(f"{source}: no such folder. Name the folder of the unpacked archive.")
    return source


def _visible(source: Path, name: str) -> Iterable[Path]:
    """Yield what is called `name` below a folder, resource forks of macOS left out."""
    for path in source.rglob(name):
        parts = path.relative_to(source).parts
        if not any(part.startswith((".", "__MACOSX")) for part in parts):
            yield path


def _nifti_named(folder: Path, stem: str) -> Path | None:
    candidates = (folder / f"{stem}{suffix}" for suffix in (".nii.gz", ".nii"))
    return next((path for path in candidates if path.is_file()), None)


def _by_number(home: Path) -> tuple[int, str]:
    return (int(home.name) if home.name.isdigit() else 0, home.name)


# --- into the study -------------------------------------------------------------------------------


def _import(
    source: Path,
    patients: list[_Patient],
    layout: str,
    study_folder: str | Path,
    facts: dict[str, str],
    *,
    progress: bool,
) -> ImportReport:
    if not patients:
        raise StudyError(f"{source}: {layout}. Name the folder of the unpacked archive.")
    names = [patient.patient_id for patient in patients]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StudyError(f"{source}: patient {twice[0]} is there twice. Keep one copy.")
    study = _Tables(study_folder)
    imported, already, problems = 0, 0, []
    for patient in progress_bar(patients, shown=progress, desc="importing", unit="patient"):
        problems += [f"{patient.patient_id}: no {name} in the source." for name in patient.lacking]
        if not patient.series:
            continue
        if study.has(patient):
            already += 1
            continue
        try:
            done = [_take(series, study.folder) for series in patient.series]
        except (StudyError, OSError) as error:
            problems.append(f"{patient.patient_id}: {error}")
            continue
        problems += [note for *_, note in done if note]
        study.add(patient.patient_id, facts, [row for row, *_ in done], [b for _, b, _ in done])
        imported += 1
    return ImportReport(imported, already, tuple(problems))


def _take(series: _Series, folder: Path) -> tuple[list, pd.DataFrame, str]:
    """Bring one series into the study; return its manifest row, its rectangles and a remark."""
    path = image_folder(*series.key)
    target = folder / path
    _place(target, lambda place: _write(series, place))
    read_series(target)  # refuses what no notebook could use
    row = [*series.key, path, len(dicom_files(target)), "public", series_checksum(target)]
    boxes, note = [], ""
    if series.mask is None:
        note = f"{' '.join(series.key)}: no mask, so no rectangle is suggested."
    else:
        try:
            boxes = _boxes(series.mask, target)
        except StudyError as error:
            note = f"{' '.join(series.key)}: no rectangle is suggested. {error}"
    lines = [(*series.key, index, *box, "contours", "") for index, box in enumerate(boxes)]
    return row, pd.DataFrame(lines, columns=[column.name for column in ROI_COLUMNS]), note


def _boxes(mask: Path, folder: Path) -> list[tuple[int, int, int, int]]:
    """Return a rectangle for every image, around everything in a mask; none if it is empty."""
    structures, images = read_structures(mask), image_planes(folder)
    extents = [extents_of(structures, name, images, str(mask)) for name in structures.outlines]
    return boxes_around(extents, images) if extents else []


def _write(series: _Series, place: Path) -> None:
    if series.images.is_dir():
        with atomic_path(place) as temporary:
            temporary.mkdir()
            for number, path in enumerate(dicom_files(series.images), start=1):
                if series.secret is None:
                    shutil.copyfile(path, temporary / path.name)
                else:
                    _save_without_names(path, temporary / f"{number:04d}.dcm", series)
    else:
        image = read_nifti(series.images)
        write_series(place, image, patient_id=series.key[0], description=series.description)


def _save_without_names(path: Path, target: Path, series: _Series) -> None:
    """Write what the keep-list allows of an image; the patient has the name of the import."""
    try:
        original = open_dicom(path, bare=True)
        original.PatientID = series.patient_id
        image = deidentify_file(original, series.secret)
    except DicomError as error:
        raise StudyError(f"{path}: {error}") from None
    image.PatientID = image.PatientName = series.patient_id
    image.save_as(target, enforce_file_format=True)


def _place(target: Path, write: Callable[[Path], None]) -> None:
    """Write a series folder, or see that the one that is there is the same."""
    if not target.exists():
        write(target)
        return
    with tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as beside:
        again = Path(beside, target.name)
        write(again)
        if not dicom_files(target) or series_checksum(target) != series_checksum(again):
            raise StudyError(
                f"{target} holds other images already. Remove it, or name another study folder."
            )


class _Tables:
    """The tables of the study, as text; written after every patient, the manifest last."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        if is_repository(self.folder.resolve()):
            raise StudyError(
                f"{self.folder} is the demonstration study. Name a folder of your own."
            )
        if not (self.folder / MANIFEST.path).exists():
            studies.init(self.folder)
        self.registry = self._read(REGISTRY)
        self.manifest = self._read(MANIFEST)
        self.rectangles = self._read(SUGGESTED_ROIS)

    def _read(self, table: Table) -> pd.DataFrame:
        path = self.folder / table.path
        names = [column.name for column in table.columns]
        if not path.exists():
            return pd.DataFrame(columns=names, dtype=object)
        text, problems = read_text(path, str(path))
        lacking = [name for name in table.key if text is not None and name not in text]
        if problems or lacking:
            raise StudyError(str(problems[0]) if problems else f"{path}: no column {lacking[0]}.")
        return text

    def has(self, patient: _Patient) -> bool:
        """Tell whether the manifest lists every series of a patient, and the files are there."""
        stored = {
            tuple(row): (path, count)
            for *row, path, count in self.manifest[[*SERIES_KEY, "path", "n_images"]].itertuples(
                index=False
            )
        }
        for series in patient.series:
            path, count = stored.get(series.key, ("", ""))
            if not path or str(len(dicom_files(self.folder / path))) != str(count):
                return False
        return True

    def add(
        self, patient_id: str, facts: dict[str, str], rows: list[list], boxes: list[pd.DataFrame]
    ) -> None:
        """Add a patient's rows; rows of a run that was broken off are replaced."""
        keys = [tuple(row[:3]) for row in rows]
        new = pd.DataFrame(rows, columns=[column.name for column in MANIFEST.columns])
        if patient_id not in set(self.registry["patient_id"]):
            row = pd.DataFrame([{"patient_id": patient_id} | facts])
            self.registry = pd.concat([self.registry, row], ignore_index=True).fillna("")
        elif "data_set" in self.registry:  # it may have become one with mid-RT
            of_patient = self.registry["patient_id"] == patient_id
            self.registry.loc[of_patient, "data_set"] = facts["data_set"]
        self.rectangles = pd.concat([_without(self.rectangles, keys), *boxes], ignore_index=True)
        self.manifest = pd.concat([_without(self.manifest, keys), new], ignore_index=True)
        write_text(self.folder / REGISTRY.path, self.registry)
        if len(self.rectangles):
            write_text(self.folder / SUGGESTED_ROIS.path, self.rectangles)
        write_text(self.folder / MANIFEST.path, self.manifest)


def _without(table: pd.DataFrame, keys: list[tuple]) -> pd.DataFrame:
    row_keys = pd.Series(list(table[SERIES_KEY].itertuples(index=False, name=None)), table.index)
    return table[~row_keys.isin(keys).to_numpy(dtype=bool)]


# --- commands -------------------------------------------------------------------------------------


def add_commands(commands) -> None:
    """Add ``import-npc277`` and ``import-hntsmrg`` to the sub-parsers of a command line."""
    for name, title, run in (
        ("import-npc277", "NPC-277: 277 untreated patients, T2w and T1c, tumour masks", _npc277),
        ("import-hntsmrg", "HNTS-MRG 2024: 150 patients, T2w, tumour and node masks", _hntsmrg),
    ):
        command = commands.add_parser(
            name,
            help=f"make a study of {title}",
            description=f"{title}. No outcomes. What the set can be used for: docs/public_data.md.",
        )
        command.add_argument("source", type=Path, help="the unpacked archive")
        command.add_argument("study", type=Path, help="the study folder; made if absent")
        command.set_defaults(run=run)
        if run is _npc277:
            command.add_argument(
                "--deidentify",
                type=Path,
                metavar="KEY",
                help="take out of the headers what may name somebody; KEY is the secret for it, "
                "outside the study, made if absent",
            )
    command.add_argument(
        "--mid-rt-as-post",
        action="store_true",
        help="also take the mid-RT images, as if they were from after treatment (they are not)",
    )


def _npc277(options: argparse.Namespace) -> int:
    status = _print(import_npc277(options.source, options.study, key_path=options.deidentify))
    if options.deidentify is None:
        print(
            f"Look through the headers: python -m npc_helpers.study check {options.study}. If they "
            "name anybody, import into a new folder with --deidentify KEY."
        )
    return status


def _hntsmrg(options: argparse.Namespace) -> int:
    as_post = options.mid_rt_as_post
    if as_post:
        print(MID_RT_WARNING)
    return _print(import_hntsmrg(options.source, options.study, mid_rt_as_post=as_post))


def _print(report: ImportReport) -> int:
    for problem in report.problems:
        print(problem)
    print(report)
    print("No outcomes; see the column placeholders of data/registry.csv, and docs/public_data.md.")
    return int(report.imported + report.already_there == 0)
