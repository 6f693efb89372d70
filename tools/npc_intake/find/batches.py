"""Several folders of images, one study: each batch adds to the list and to the manifest."""

import hashlib
from pathlib import Path

import pandas as pd

from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.locks import locked
from npc_helpers.study.schema import MANIFEST
from npc_helpers.study.tables import read_text, write_text

FOLDER = "folder"  # column of the list: which batch a row is of
LISTED = "decided_when_listed"  # column of the list: tells what was edited since
COMPARED = ("path", "n_images", "sha256")  # of a row of the manifest; the rest is the user's


def batch_name(folder: Path) -> str:
    """Return how the list calls a folder: its name and a few letters that tell its place."""
    place = folder.expanduser().resolve()
    return f"{place.name}-{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV file as text.

    Raises
    ------
    StudyError
        If it is missing, not UTF-8 or no table.
    """
    table, problems = read_text(path, str(path))
    if table is None:
        raise StudyError(str(problems[0]))
    return table


def write_list(path: Path, table: pd.DataFrame, folder: Path) -> None:
    """Write the series of one folder into a list, in place of what it held of that folder.

    A text that a spreadsheet would take for a formula is written so that it does not.

    Parameters
    ----------
    path : Path
        CSV; rows of other folders stay.
    table : DataFrame
        `FoundSeries.table`.
    folder : Path
        `FoundSeries.folder`.

    Raises
    ------
    StudyError
        If the list is there and cannot be read.
    """
    table = table.assign(**{FOLDER: batch_name(folder), LISTED: table["decided"]})
    with locked(path):
        if path.exists():
            before = read_table(path)
            if FOLDER in before:
                others = before[before[FOLDER] != batch_name(folder)]
                table = pd.concat([others, table], ignore_index=True)
        write_text(path, table)


def edited_decisions(path: Path, table: pd.DataFrame, folder: Path) -> dict[str, str]:
    """Return what somebody changed in the column ``decided`` of a list since it was written.

    Parameters
    ----------
    path : Path
        The list, as `write_list` wrote it.
    table : DataFrame
        `FoundSeries.table` of the folder now.
    folder : Path

    Returns
    -------
    dict of str to str
        By the id of the series; blank where a decision was taken back.

    Raises
    ------
    StudyError
        If the list cannot be read, a column is missing, or a decision is about a series that is
        no longer in the folder.
    """
    edited = read_table(path)
    missing = {"id", "decided"} - set(edited.columns)
    if missing:
        raise StudyError(
            f"{path}: no column {', '.join(sorted(missing))}. Save the table with all its "
            "columns, separated by commas."
        )
    batch = batch_name(folder)
    edited = edited[edited.get(FOLDER, pd.Series(batch, edited.index)) == batch]
    lost = edited[(edited["decided"] != "") & ~edited["id"].isin(table["id"])]
    if len(lost):
        place = lost.iloc[0].get("path", lost.iloc[0]["id"])
        raise StudyError(
            f"{path}: the series in {place} is decided upon but no longer in {folder}. Put it "
            "back, or remove its row."
        )
    listed = edited.get(LISTED, pd.Series("", edited.index))
    changed = edited[edited["decided"] != listed]
    return dict(zip(changed["id"], changed["decided"].str.lower(), strict=True))


def add_to_manifest(study_folder: str | Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Add series to ``data_manifest.csv``; what it lists already stays as it is.

    Parameters
    ----------
    study_folder : path-like
    rows : DataFrame
        As `FoundSeries.copy_into` returns them.

    Returns
    -------
    DataFrame of str
        The manifest as written, sorted by patient, time point and sequence.

    Raises
    ------
    StudyError
        If the manifest lists another series of the same patient, time point and sequence; nothing
        is written then.
    """
    path = Path(study_folder).expanduser() / MANIFEST.path
    with locked(path):  # another folder may be copied at the same time
        table = _joined(path, rows)
        write_text(path, table)
    return table


def _joined(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the manifest with more rows; refuse others for a series that it lists."""
    rows, key = rows.astype(str), list(MANIFEST.key)
    before = read_table(path) if path.exists() else rows.iloc[:0]
    missing = {*key, *COMPARED} - set(before.columns)
    if missing:
        raise StudyError(f"{path}: no column {', '.join(sorted(missing))}. Put it back.")
    listed = before.set_index(key)
    both = [row_key for row_key in rows.set_index(key).index if row_key in listed.index]
    differ = [
        f"{' '.join(row_key)} ({', '.join(changed)})"
        for row_key in both
        if (changed := _changed(listed.loc[[row_key]].iloc[0], rows.set_index(key).loc[row_key]))
    ]
    if differ:
        raise StudyError(
            f"{path} lists other images already for: {'; '.join(differ)}. Nothing was written into "
            "it. To replace them, delete their rows there; to keep them, write 'skip' into the "
            "column decided of the new ones."
        )
    new = rows[[tuple(row) not in both for row in rows[key].itertuples(index=False)]]
    table = pd.concat([before, new], ignore_index=True).fillna("")
    return table.sort_values(key, ignore_index=True)


def _changed(before: pd.Series, now: pd.Series) -> list[str]:
    return [name for name in COMPARED if str(before[name]) != str(now[name])]
