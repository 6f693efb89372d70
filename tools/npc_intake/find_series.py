"""From a folder of DICOM files in any order to a proposed ``data_manifest.csv``.

`find_series` lists every series, says what it takes it for and why, and proposes a time point.
What is not certain is not proposed: the user writes into the column ``decided``, and
`FoundSeries.copy_into` puts the chosen series into a study folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pandas as pd

from npc_helpers.imaging.files import is_link_outwards
from npc_helpers.imaging.tags import Finding
from npc_helpers.study.artefacts import StudyError, atomic_path, dicom_files, series_checksum
from npc_helpers.study.checks import is_inside
from npc_helpers.study.dicom_file import DicomError
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import MANIFEST
from npc_intake.batches import FOLDER, batch_name, read_table
from npc_intake.dicom_headers import read_header
from npc_intake.series_kind import classify, part_of
from npc_intake.timepoints import assign_timepoints

SEQUENCES, TIMEPOINTS = ("t2w", "t1c"), ("pre", "post")
COLUMNS = (
    "patient_id",
    "study_date",
    "series_uid",
    "description",
    "path",
    "n_images",
    "matrix",
    "kind",
    "water",
    "timepoint",
    "status",
    "reason",
    "decided",
)
SKIP = "skip"
DECISION_KEY = ("series_uid", "path", "kind", "n_images")  # tells the series of a table apart


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
        (`series_kind.Kind`), water (True for a Dixon water image), timepoint (pre, post or
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

    def with_decisions(self, path: str | Path) -> FoundSeries:
        """Return the same series with the column ``decided`` of a table edited by hand.

        Parameters
        ----------
        path : path-like
            CSV with at least the columns series_uid, path, kind, n_images and decided, as
            `batches.write_list` wrote it. Rows of other folders are left alone.

        Raises
        ------
        StudyError
            If the table cannot be read, a column is missing, or a decision is about a series that
            is not in the folder.
        """
        edited = read_table(Path(path))
        missing = {*DECISION_KEY, "decided"} - set(edited.columns)
        if missing:
            raise StudyError(
                f"{path}: no column {', '.join(sorted(missing))}. Save the table with all its "
                "columns, separated by commas."
            )
        here = batch_name(self.folder)
        own = edited.get(FOLDER, pd.Series(here, edited.index)) == here
        edited = edited[own & (edited["decided"] != "")]
        decisions = {
            tuple(row): decided
            for *row, decided in edited[[*DECISION_KEY, "decided"]].itertuples(index=False)
        }
        table = self.table.copy()
        as_text = table[list(DECISION_KEY)].astype(str).apply(lambda column: column.str.strip())
        keys = list(as_text.itertuples(index=False, name=None))
        lost = [key for key in decisions if key not in keys]
        if lost:
            raise StudyError(
                f"{path}: the series in {lost[0][1]} is decided upon but no longer in "
                f"{self.folder}. Put it back, or remove its row."
            )
        table["decided"] = [decisions.get(key, "") for key in keys]
        return replace(self, table=table)

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
            if list(self.files[row]) != dicom_files(home):
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
            path = "/".join(("data", "images", *(folder_name(part) for part in key)))
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
        if unknown or kind not in SEQUENCES or timepoint not in TIMEPOINTS:
            raise StudyError(
                f"series '{record['description']}' of patient {record['patient_id']} "
                f"({record['path']}): decided is '{record['decided']}'. Write one of pre, post and "
                f"one of t2w, t1c, for instance 'pre t2w', or '{SKIP}'."
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
    paths, ignored = list_dicom(folder)
    findings: list[Finding] = []
    headers: list[tuple[Path, dict[str, str]]] = []
    for path in progress_bar(paths, shown=progress, desc="reading headers", unit="file"):
        try:
            header = read_header(path)
        except (DicomError, OSError) as error:
            name = path.relative_to(folder).as_posix()
            findings.append(Finding("error", getattr(error, "code", ""), name, str(error)))
            continue
        if header is None:
            ignored["no DICOM"] += 1
        else:
            headers.append((path, header))
    records, files = _series(folder, headers, findings)
    table = pd.DataFrame(records, columns=list(COLUMNS))
    order = table.sort_values(["patient_id", "study_date", "description", "path"]).index
    table = table.loc[order].reset_index(drop=True)
    files = tuple(files[row] for row in order)
    table = assign_timepoints(table, treatment_start, treatment_end)
    return FoundSeries(folder, table, files, tuple(findings), dict(ignored))


# --- files ----------------------------------------------------------------------------------------


def list_dicom(folder: Path) -> tuple[list[Path], Counter]:
    """Return the files below a folder that may be DICOM, sorted, and count the others.

    What lies in hidden folders and behind linked ones is not looked at; the folders are counted.
    """
    files, ignored = [], Counter()
    for where, folders, names in os.walk(folder):
        if not folders and not names:
            ignored["empty folder"] += 1
        for name in folders:
            if name.startswith("."):
                ignored["hidden folder"] += 1
            elif Path(where, name).is_symlink():
                ignored["linked folder"] += 1
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not Path(where, name).is_symlink()
        )
        for name in sorted(names):
            path = Path(where, name)
            if name.startswith("."):
                ignored["hidden file"] += 1
            elif name.upper() == "DICOMDIR":
                ignored["DICOMDIR"] += 1
            elif is_link_outwards(path, folder):
                ignored["link out of the folder"] += 1
            else:
                files.append(path)
    return files, ignored


def _series(
    folder: Path, headers: list[tuple[Path, dict[str, str]]], findings: list[Finding]
) -> tuple[list[list], list[tuple[Path, ...]]]:
    """Group the files into series and judge each."""
    groups: dict[tuple, list[tuple[Path, dict[str, str]]]] = {}
    for path, header in headers:
        keywords = ("PatientID", "StudyDate", "SeriesInstanceUID", "EchoTime", "Rows", "Columns")
        key = (*(header.get(keyword, "") for keyword in keywords), part_of(header))
        if header.get("Modality") != "MR":  # a report or segmentation: each object for itself
            key = (*key, path)
        groups.setdefault(key, []).append((path, header))
    planes: dict[str, set[str]] = {}
    for _, header in headers:
        uid = header.get("SeriesInstanceUID", "")
        planes.setdefault(uid, set()).add(header.get("ImageOrientationPatient", ""))
    records, files = [], []
    for members in groups.values():
        members, conflict = _without_copies(folder, members, findings)
        orientations = planes[members[0][1].get("SeriesInstanceUID", "")]
        records.append(_record(folder, members, sorted(orientations), conflict))
        files.append(tuple(path for path, _ in members))
    return records, files


def _record(
    folder: Path,
    members: list[tuple[Path, dict[str, str]]],
    orientations: list[str],
    conflict: str,
) -> list:
    first = members[0][1]
    kind = classify(first, orientations=orientations)
    patient, day = first.get("PatientID", ""), iso_date(first.get("StudyDate", ""))
    refusal = conflict
    if not patient:
        refusal = "no PatientID"
    elif "\\" in patient:
        refusal = "PatientID has several values (a backslash parts them)"
    elif kind.kind not in SEQUENCES:
        refusal = kind.reason
        if kind.kind == "t1w" and kind.reason.endswith("of contrast"):
            refusal += "; write t1c into the column decided if an agent was given"
    home = Path(os.path.commonpath([path.parent for path, _ in members]))
    return [
        patient,
        day,
        first.get("SeriesInstanceUID", ""),
        first.get("SeriesDescription", ""),
        home.relative_to(folder).as_posix(),
        len(members),
        f"{first.get('Rows', '?')} x {first.get('Columns', '?')}",
        kind.kind,
        kind.is_water,
        "",
        "refused" if refusal else "proposed",
        refusal or kind.reason,
        "",
    ]


def _without_copies(
    folder: Path, members: list[tuple[Path, dict[str, str]]], findings: list[Finding]
) -> tuple[list[tuple[Path, dict[str, str]]], str]:
    """Drop copies of an image; refuse a series whose images share an identifier and differ."""
    kept: dict[str, tuple[Path, dict[str, str]]] = {}
    conflict = ""
    for path, header in members:
        uid = header.get("SOPInstanceUID") or str(path)
        if uid not in kept:
            kept[uid] = (path, header)
            continue
        original, name = kept[uid][0], path.relative_to(folder).as_posix()
        if _content(original) == _content(path):
            message = f"a copy of {original.relative_to(folder).as_posix()}; left out"
            findings.append(Finding("info", "copy", name, message))
        else:
            conflict = f"{original.name} and {path.name} share one identifier and differ"
            message = f"{conflict} (SOPInstanceUID {uid}). Export the series again."
            findings.append(Finding("error", "same-uid", name, message))
    return list(kept.values()), conflict


def _content(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def iso_date(text: str) -> str:
    """Return a DICOM date (``20180105``, or the old ``2018.01.05``) as ISO, else blank."""
    digits = text.replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).isoformat()
    except ValueError:
        return ""


# --- into the study -------------------------------------------------------------------------------


def folder_name(identifier: str) -> str:
    """Return a name any file system takes; different identifiers never share one."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", identifier)
    if safe != identifier:
        safe += "-" + hashlib.sha256(identifier.encode()).hexdigest()[:8]
    return safe


def _manifest(rows: list[list]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[column.name for column in MANIFEST.columns])
    return table.sort_values(["patient_id", "timepoint", "sequence"]).reset_index(drop=True)


def _same_files(target: Path, files: tuple[Path, ...]) -> bool:
    present = dicom_files(target)
    if not target.exists():
        return False
    if sorted(map(_content, present)) == sorted(map(_content, files)):
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
