"""From a folder of DICOM files in any order to a proposed ``data_manifest.csv``.

`find_series` lists every series, says what it takes it for and why, and proposes a time point.
What is not certain is not proposed: the user writes into the column ``decided``, and
`FoundSeries.copy_into` puts the chosen series into a study folder.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pandas as pd

from npc_helpers.imaging.dicom import is_link_outwards
from npc_helpers.imaging.mr_series import Finding
from npc_helpers.study.artefacts import StudyError, atomic_path, dicom_files, series_checksum
from npc_helpers.study.checks import bare_number, is_inside
from npc_helpers.study.dicom_file import DicomError
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import MANIFEST
from npc_intake.find.contrast import EVERYWHERE, is_agent_given
from npc_intake.find.decisions import SEQUENCES, SKIP, TIMEPOINTS
from npc_intake.find.folder_names import image_folder
from npc_intake.find.headers import Image, read_images
from npc_intake.find.image_types import words_of
from npc_intake.find.series_kind import Kind, classify
from npc_intake.find.series_names import is_named_anatomical, odd_word
from npc_intake.find.timepoints import assign_timepoints
from npc_intake.find.volumes import Volume, content, volumes_of, without_images
from npc_intake.identity import words as vocabulary

_TIME = re.compile(r"([01]\d|2[0-3])(?::?([0-5]\d)|$)")  # of DICOM, and of its older versions
MARK = ".refused"  # in place of an image that de-identification refused: a text says why
STATUSES = ("proposed", "decide", "refused", "ignored")
NOT_NAMED = "no name says that it is a T1- or T2-weighted series, its timing alone does"
CANDIDATES = (*SEQUENCES, "t1w", "unclear")  # all other kinds are certainly not wanted
COLUMNS = (
    *("patient_id", "study_date", "time", "series_number", "description", "n_slices", "tr_ms"),
    *("te_ms", "flip_deg", "kind", "contrast", "timepoint", "status", "decided", "reason", "water"),
    *("matrix", "n_images", "path", "series_uid", "names_removed", "id"),
)


@dataclass(frozen=True, eq=False)
class FoundSeries:
    """What lies in a folder.

    Attributes
    ----------
    folder : Path
    table : DataFrame
        One row per series, sorted by patient, date and description: patient_id, study_date
        (``YYYY-MM-DD`` or blank), series_uid, description, path (the folder that holds all its
        files, relative to `folder`), n_images (files), matrix (rows x columns), kind
        (`series_kind.Kind`), water (True for a Dixon water image), names_removed (``yes`` if all
        its images say so, else blank), timepoint (pre, post or
        blank), status (``proposed`` or ``refused``), reason, decided. Into ``decided`` the user
        writes ``t2w``, ``t1c``, ``pre t2w``, ``post t1c`` … or ``skip``; it overrules the rest.
    files : tuple of tuple of Path
        The files of each row, sorted by name.
    findings : tuple of Finding
        Files that cannot be read, copies of the same image.
    ignored : dict of str to int
        Files that are no DICOM images, and folders not looked into, counted by kind.
    """

    folder: Path
    table: pd.DataFrame
    files: tuple[tuple[Path, ...], ...]
    findings: tuple[Finding, ...]
    ignored: dict[str, int]

    def warning(self) -> str:
        """Say that the list shows patient numbers as they are; blank if all names were removed."""
        original = int((self.table["names_removed"] == "").sum())
        if not original:
            return ""
        return (
            f"{original} of {len(self.table)} series do not say that names were removed: their "
            "patient numbers and descriptions stand here, in the list and in the page, as the "
            "hospital wrote them. Keep both where you may keep such numbers; or de-identify the "
            "images first (python -m npc_intake deidentify) and delete list and page."
        )

    def with_decisions(self, decided: Mapping[str, str]) -> FoundSeries:
        """Return the same series with the column ``decided`` filled.

        Parameters
        ----------
        decided : mapping of str to str
            By the id of the series, as `decisions.read_decisions` returns it. Those of other
            folders are left alone.
        """
        column = [decided.get(identifier, "") for identifier in self.table["id"]]
        return replace(self, table=self.table.assign(decided=column))

    def manifest(self, *, source: str = "hospital") -> pd.DataFrame:
        """Return the rows this folder proposes for ``data_manifest.csv``.

        Parameters
        ----------
        source : {"hospital", "public", "synthetic"}

        Returns
        -------
        DataFrame
            The columns of the manifest; paths are relative to `folder`.

        Raises
        ------
        StudyError
            If a chosen series has no folder of its own or one whose name a manifest cannot hold
            (`copy_into` gives it one), or the column ``decided`` holds something else than it may,
            or two series claim the same place.
        """
        rows = []
        for row, (patient, timepoint, sequence) in self._chosen().items():
            home = self.folder / self.table.at[row, "path"]
            if sorted(self.files[row]) != dicom_files(home):
                raise StudyError(
                    f"{self.table.at[row, 'path']}: the {timepoint} {sequence} series of patient "
                    f"{patient} shares this folder with other files, or its files do not end in "
                    ".dcm. Use copy_into(study_folder), which sorts them."
                )
            path = home.relative_to(self.folder).as_posix()
            if not is_inside(self.folder, path):
                raise StudyError(
                    f"{path}: the {timepoint} {sequence} series of patient {patient} lies in a "
                    "folder whose name a manifest cannot hold (':' or a backslash). Rename the "
                    "folder, or use copy_into(study_folder)."
                )
            n_images, checksum = len(self.files[row]), series_checksum(home)
            rows.append([patient, timepoint, sequence, path, n_images, source, checksum])
        return _manifest(rows)

    def copy_into(
        self, study_folder: str | Path, *, source: str = "hospital", progress: bool = True
    ) -> pd.DataFrame:
        """Copy the chosen series to ``data/images/<patient>/<timepoint>/<sequence>``.

        Parameters
        ----------
        study_folder : path-like
        source : {"hospital", "public", "synthetic"}
        progress : bool

        Returns
        -------
        DataFrame
            The rows for ``data_manifest.csv``. A series that is there already, file for file, is
            kept; the manifest itself is not written (`batches.add_to_manifest`).

        Raises
        ------
        StudyError
            As for `manifest`, and if another series lies where one is to go, or a file cannot be
            copied.
        """
        study_folder, rows = Path(study_folder).expanduser(), []
        chosen = self._chosen()
        for row, key in progress_bar(chosen.items(), shown=progress, desc="copying", unit="series"):
            path = image_folder(*key)
            target = study_folder / path
            try:
                if not _same_files(target, self.files[row]):
                    _copy(self.files[row], target)
            except OSError as error:
                raise StudyError(
                    f"{path}: not copied ({error}). Make sure that the files are still there and "
                    "the study folder can be written to, then run find again."
                ) from error
            rows.append([*key, path, len(self.files[row]), source, series_checksum(target)])
        return _manifest(rows)

    def _chosen(self) -> dict[int, tuple[str, str, str]]:
        """Return patient, time point and sequence of each series to be used."""
        claims: dict[tuple[str, str, str], list[int]] = {}
        for row in range(len(self.table)):
            key = self._key(row)
            if key:
                claims.setdefault(key, []).append(row)
        chosen = {}
        for key, rows in claims.items():
            decided = [row for row in rows if str(self.table.at[row, "decided"]).strip()]
            rows = decided or rows
            if len(rows) > 1:
                shown = ", ".join(self.table.at[row, "path"] for row in rows)
                raise StudyError(
                    f"patient {key[0]}, {key[1]} {key[2]}: {len(rows)} series are decided for the "
                    f"same place ({shown}). Write '{SKIP}' into the column decided of all but one."
                )
            chosen[rows[0]] = key
        return dict(sorted(chosen.items()))

    def _key(self, row: int) -> tuple[str, str, str] | None:
        record = self.table.loc[row]
        words = str(record["decided"]).lower().split()
        if words == [SKIP] or (not words and record["status"] != "proposed"):
            return None
        unknown = set(words) - {*SEQUENCES, *TIMEPOINTS}
        kind, timepoint = record["kind"], record["timepoint"]
        for word in words:
            kind = word if word in SEQUENCES else kind
            timepoint = word if word in TIMEPOINTS else timepoint
        series = f"series '{record['description']}' of patient {record['patient_id']}"
        if not record["patient_id"]:
            raise StudyError(
                f"series '{record['description']}' ({record['path']}) has no PatientID, so nobody "
                f"knows whose it is. Write '{SKIP}' into the column decided, or export it again "
                "with the number."
            )
        if unknown or kind not in SEQUENCES or timepoint not in TIMEPOINTS:
            raise StudyError(
                f"{series} ({record['path']}): decided is '{record['decided']}'. Write one of pre, "
                f"post and one of t2w, t1c, for instance 'pre t2w', or '{SKIP}'."
            )
        return record["patient_id"], timepoint, kind


def find_series(
    folder: str | Path,
    *,
    treatment_start: Mapping[str, date] | None = None,
    treatment_end: Mapping[str, date] | None = None,
    progress: bool = True,
) -> FoundSeries:
    """List the MR series below a folder and propose which of them to use.

    Only the few tags needed are read (`dicom_headers`). Files that are no DICOM, hidden files and
    folders, DICOMDIR, links that leave the folder and every link to a folder are counted and left
    alone; a file that is damaged becomes a finding and the others are listed all the same.

    Parameters
    ----------
    folder : path-like
    treatment_start, treatment_end : mapping of patient_id to date, optional
        An examination up to the start is ``pre``; one after the end is ``post``. Without them no
        time point is proposed (see `timepoints.assign_timepoints`).
    progress : bool

    Returns
    -------
    FoundSeries

    Raises
    ------
    StudyError
        If the folder does not exist.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such folder. Name the folder that holds the DICOM files.")
    findings: list[Finding] = []
    paths, ignored = list_dicom(folder)
    files = _read(folder, paths, findings, ignored, progress)
    lost = [folder / finding.file for finding in findings]
    lost += [path for path in paths if path.suffix == MARK]
    volumes = _with_lost_files(volumes_of(folder, files, findings), lost)
    _mark_agents_everywhere(volumes)
    volumes = _with_numbers_compared(volumes, set(treatment_start or ()))
    records = [_record(folder, volume) for volume in volumes]
    table = pd.DataFrame(records, columns=list(COLUMNS))
    order = table.sort_values(["patient_id", "study_date", "time", "description", "path"]).index
    table = table.loc[order].reset_index(drop=True)
    table = assign_timepoints(table, treatment_start, treatment_end)
    in_order = tuple(volumes[row].files for row in order)
    return FoundSeries(folder, table, in_order, tuple(findings), dict(ignored))


def _read(
    folder: Path, paths: list[Path], findings: list[Finding], ignored: Counter, progress: bool
) -> list[tuple[Path, list[Image]]]:
    """Read every header; count what holds no image, note what is damaged."""
    files, walked = [], {}
    for path in progress_bar(paths, shown=progress, desc="reading headers", unit="file"):
        try:
            images = read_images(path, walked)
        except (DicomError, OSError) as error:
            name = path.relative_to(folder).as_posix()
            message = str(error).removeprefix(f"{path.parent}: file {path.name}: ")
            findings.append(Finding("error", getattr(error, "code", ""), name, message))
            continue
        reason = "no DICOM" if images is None else without_images(images[0])
        if reason:
            ignored[reason] += 1
        else:
            files.append((path, images))
    return files


# --- files ----------------------------------------------------------------------------------------


def list_dicom(folder: Path) -> tuple[list[Path], Counter]:
    """Return the files below a folder that may be DICOM, sorted, and count the others.

    What lies in hidden folders and behind linked ones is not looked at; the folders are counted.
    """
    files: list[Path] = []
    ignored: Counter[str] = Counter()
    _list(folder, folder, files, ignored)
    return files, ignored


def _list(folder: Path, root: Path, files: list[Path], ignored: Counter[str]) -> None:
    with os.scandir(folder) as entries:
        entries = sorted(entries, key=lambda entry: entry.name)
    if not entries:
        ignored["empty folder"] += 1
    folders = []
    for entry in entries:
        hidden, link = entry.name.startswith("."), entry.is_symlink()
        if entry.is_dir():
            if hidden or link:
                ignored["hidden folder" if hidden else "linked folder"] += 1
            else:
                folders.append(folder / entry.name)
        elif hidden:
            ignored["hidden file"] += 1
        elif entry.name.upper() == "DICOMDIR":
            ignored["DICOMDIR"] += 1
        elif link and is_link_outwards(folder / entry.name, root):
            ignored["link out of the folder"] += 1
        else:
            files.append(folder / entry.name)
    for inner in folders:
        _list(inner, root, files, ignored)


def _mark_agents_everywhere(volumes: list[Volume]) -> None:
    """Mark the images of examinations in every series of which an agent is named."""
    examinations: dict[tuple[str, str], list[Volume]] = {}
    for volume in volumes:
        if volume.images[0].get("Modality") == "MR":
            study = _first(volume, "StudyInstanceUID") or volume.day
            examinations.setdefault((volume.patient, study), []).append(volume)
    for series in examinations.values():
        # The parts of a Dixon acquisition begin together, and are one series here.
        begun = {_first(volume, "AcquisitionTime") or volume.identifier for volume in series}
        if len(begun) > 1 and all(is_agent_given(volume.images) for volume in series):
            for image in (image for volume in series for image in volume.images):
                image[EVERYWHERE] = "yes"


def _with_numbers_compared(volumes: list[Volume], registered: set[str]) -> list[Volume]:
    """Doubt numbers of patients that others resemble, unless all of them are registered."""
    spellings: dict[str, set[str]] = {}
    for number in {volume.patient for volume in volumes} | registered:
        spellings.setdefault(bare_number(number), set()).add(number)
    result = []
    for volume in volumes:
        alike = spellings[bare_number(volume.patient)] - {"", volume.patient}
        if volume.patient and alike and not {volume.patient, *alike} <= registered:
            shown = ", ".join(map(repr, sorted(alike)))
            doubt = f"the patient's number is also written {shown}: one patient or several?"
            volume = volume._replace(doubt=volume.doubt or doubt)
        result.append(volume)
    return result


def _with_lost_files(volumes: list[Volume], lost: list[Path]) -> list[Volume]:
    """Doubt a series that is alone in its folder with files that are damaged, or were refused."""
    if not lost:
        return volumes
    lost_in = Counter(path.parent for path in lost)
    series: dict[Path, set[str]] = {}
    for volume in volumes:
        for path in volume.files:
            series.setdefault(path.parent, set()).add(_first(volume, "SeriesInstanceUID"))
    result = []
    for volume in volumes:
        homes = {path.parent for path in volume.files}
        number = sum(lost_in[home] for home in homes if len(series[home]) == 1)
        doubt = f"{number} damaged or refused file(s) lie beside its images: is the stack whole?"
        result.append(volume._replace(doubt=volume.doubt or doubt) if number else volume)
    return result


def _record(folder: Path, volume: Volume) -> dict[str, object]:
    """Return the row of one volume; time points come later."""
    kind = classify(volume.images, all_planes=volume.planes)
    if kind.kind in CANDIDATES and volume.repeats > 2:
        kind = Kind("other", f"a dynamic study: {volume.repeats} images in each place")
    status, reason = _verdict(volume, kind)
    first = volume.images[0]
    home = Path(os.path.commonpath({os.path.dirname(path) for path in volume.files}))  # noqa: PTH120
    return {
        "patient_id": volume.patient,
        "study_date": volume.day,
        "time": _time(volume),
        "series_number": _first(volume, "SeriesNumber"),
        "series_uid": first.get("SeriesInstanceUID", ""),
        "description": _first(volume, "SeriesDescription"),
        "path": home.relative_to(folder).as_posix(),
        "n_images": len(volume.files),
        "n_slices": volume.n_slices,
        "matrix": f"{first.get('Rows', '?')} x {first.get('Columns', '?')}",
        "tr_ms": _span(volume, "RepetitionTime"),
        "te_ms": _span(volume, "EchoTime"),
        "flip_deg": _span(volume, "FlipAngle"),
        "kind": kind.kind,
        "water": kind.is_water,
        "contrast": kind.contrast,
        "timepoint": "",
        "status": status,
        "reason": reason,
        "decided": "",
        "names_removed": "yes" if all(map(_says_names_removed, volume.images)) else "",
        "id": volume.identifier,
    }


def _verdict(volume: Volume, kind: Kind) -> tuple[str, str]:
    """Return the status that a volume would have alone, and why."""
    if kind.kind not in CANDIDATES:
        return "ignored", kind.reason
    if volume.broken:
        return "refused", volume.broken
    if kind.kind == "t1w" and kind.contrast == "no":
        return "ignored", kind.reason
    if kind.kind not in SEQUENCES:
        return "decide", kind.reason
    questions = (
        "" if _is_named(volume) else NOT_NAMED,
        _unlisted(volume),
        volume.doubt,
        "a single slice, and no stack" if volume.n_slices == 1 else "",
    )
    question = next(filter(None, questions), "")
    return ("decide", f"{kind.reason}; {question}") if question else ("proposed", kind.reason)


def _says_names_removed(image: Image) -> bool:
    return image.get("PatientIdentityRemoved", "").upper() == "YES"


def _name(volume: Volume) -> str:
    """Return the description of a series, or the name of its protocol."""
    return _first(volume, "SeriesDescription") or _first(volume, "ProtocolName")


def _is_named(volume: Volume) -> bool:
    """Tell whether a name says that the series shows anatomy, and not its timing alone."""
    words = set().union(*map(words_of, volume.images))
    return is_named_anatomical(_name(volume)) or bool(words & {"T1", "T2"})


def _unlisted(volume: Volume) -> str:
    """Say that a description has, or had, words whose meaning is not known."""
    if any(vocabulary.UNLISTED in i.get("DeidentificationMethod", "") for i in volume.images):
        return "its description had words that no list knows (--key shows them)"
    if odd := odd_word(_name(volume)):
        return f"'{odd}' may say that it is no plain image"
    words = vocabulary.unlisted_words(_name(volume))
    return f"no list knows what {', '.join(map(repr, words[:3]))} says" if words else ""


def _first(volume: Volume, keyword: str) -> str:
    return next((image[keyword] for image in volume.images if keyword in image), "")


def _time(volume: Volume) -> str:
    """Return when the series began, as HH:MM."""
    for keyword in ("AcquisitionTime", "SeriesTime", "StudyTime"):
        times = sorted(image[keyword] for image in volume.images if keyword in image)
        match = _TIME.match(times[0]) if times else None
        if match:
            return f"{match[1]}:{match[2] or '00'}"
    return ""


def _span(volume: Volume, keyword: str) -> str:
    """Return the number that a series gives, or the smallest and the largest; text as it is."""
    texts = {image.get(keyword, "") for image in volume.images} - {""}
    try:
        numbers = sorted(float(text) for text in texts)
    except ValueError:
        return ", ".join(sorted(texts))
    shown = dict.fromkeys(f"{number:.6g}" for number in (*numbers[:1], *numbers[-1:]))
    return " to ".join(shown)


# --- into the study -------------------------------------------------------------------------------


def _manifest(rows: list[list]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[column.name for column in MANIFEST.columns])
    return table.sort_values(["patient_id", "timepoint", "sequence"]).reset_index(drop=True)


def _same_files(target: Path, files: tuple[Path, ...]) -> bool:
    present = dicom_files(target)
    if not target.exists():
        return False
    if sorted(map(content, present)) == sorted(map(content, files)):
        return True
    raise StudyError(
        f"{target} holds another series already. Remove it if the new one is to replace it, or "
        "name another study folder."
    )


def _copy(files: tuple[Path, ...], target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.mkdir()
        for number, path in enumerate(files, start=1):
            shutil.copyfile(path, temporary / f"IM{number:04d}.dcm")
