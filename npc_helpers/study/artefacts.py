"""Files the suite leaves behind: written whole or not at all, and marked with what made them.

Beside every artefact lies a small note, ``<name>.from.json``, holding the hashes of what the
artefact was made from and of its content (`results` tells what follows from it).
"""

import hashlib
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pandas as pd
import psutil

from npc_helpers.study import mark
from npc_helpers.study.formulas import defused, defused_table, restored_table

SHOWN_AT_ONCE = 5  # of the problems that one error names
NOTE_SUFFIX = ".from.json"
DRAWN_NOTE = ".synthetic.json"  # the generator's, beside the series of an examination
LEFTOVER = re.compile(r"\.part-(?P<computer>[0-9a-f]{8})_(?P<process>\d+)_[0-9a-f]{8}-")
KINDS = {"b": "bool", "M": "date", "i": "int64", "u": "int64", "f": "float64"}  # else "text"
CLOCKS_APART_S = 2.0  # a file's date and a process' start are rounded, and told by two clocks


class StudyError(ValueError):
    """The data are not as they should be; the message says what, where and what to do."""


def told_at_the_prompt(error: StudyError | OSError) -> str:
    """Return what a command prints in place of a traceback: what went wrong, and what to do."""
    if isinstance(error, StudyError):
        return str(error)
    return (
        f"{error}. Make sure that the path is right, that you may read and write there and that "
        "the disk has room, then run the command again; what is finished is kept."
    )


class NotInThisStudy(StudyError):
    """The study does not hold what a part needs; the message says what is needed and what it has.

    The data are in order: the part is left out, and the rest goes on.
    """


def first_few(sentences: Sequence[object]) -> list[str]:
    """Return the first sentences as text and, if there are others, how many.

    Examples
    --------
    >>> first_few("abcdefg")
    ['a', 'b', 'c', 'd', 'e', '… and 2 more']
    """
    more = len(sentences) - SHOWN_AT_ONCE
    shown = [str(sentence) for sentence in sentences[:SHOWN_AT_ONCE]]
    return shown if more <= 0 else [*shown, f"… and {more} more"]


# --- written whole or not at all ------------------------------------------------------------------


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name when the block succeeds.

    `path` is the final file, replaced if it exists, or the final folder, which must not exist yet;
    missing parent folders are made. The temporary name is hidden and has the same suffix. If the
    block raises, what was written there is removed and `path` stays as it was; an error of the
    system that names no file, such as a full disk, names `path`.

    A file has reached the disk before it takes its name, so that a power cut leaves no empty file
    under it. That costs 1 to 3 ms per file of 200 kB on a solid-state disk. The files of a folder
    are not waited for: they can be made again, and checksums stand in the manifest.

    The hidden name tells computer and process. What a writer that was killed left is removed by the
    first call of a later process in the same folder; a writer still at work is left alone.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _tidy(path.parent.resolve())
    writer = f"{_computer()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    temporary = path.with_name(f".part-{writer}-{path.name}")
    try:
        yield temporary
        if temporary.is_file():
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)
        raise


@cache
def _computer() -> str:
    """Return a short name for this computer, or for this container on it."""
    try:
        processes = Path("/proc/self/ns/pid").readlink()  # two containers count processes alike
    except OSError:
        processes = ""
    return hashlib.sha256(f"{socket.gethostname()} {processes}".encode()).hexdigest()[:8]


@cache
def _tidy(folder: Path) -> None:
    """Remove what killed writers of this computer left in a folder: once in each process."""
    for leftover in folder.glob(".part-*"):
        writer = LEFTOVER.match(leftover.name)
        if writer is None or writer["computer"] != _computer():
            continue
        if _is_gone(int(writer["process"]), leftover):
            _remove(leftover)


def _is_gone(process: int, leftover: Path) -> bool:
    """Tell whether the writer of a file has ended; its number may belong to a later process."""
    try:
        return psutil.Process(process).create_time() > leftover.stat().st_mtime + CLOCKS_APART_S
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OSError):
        return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


# --- known by content -----------------------------------------------------------------------------


def file_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    The line ends of ``.csv`` files count as one kind, so that a table checked out by git on
    Windows has the hash it has elsewhere.
    """
    path = Path(path)
    if path.suffix == ".csv":
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dicom_files(folder: str | Path) -> list[Path]:
    """Return the ``.dcm`` files of one series folder, sorted by name (hidden files left out)."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() == ".dcm" and not path.name.startswith(".")
    )


def series_checksum(folder: str | Path) -> str:
    """Return one SHA-256 for all ``.dcm`` files of a series folder.

    The hash is taken over one line per file, ``<file name> <SHA-256 of the file>``, sorted by name:
    a changed, missing, added or renamed file changes it; a changed file date does not. A folder
    that does not exist or holds no ``.dcm`` file is a `StudyError`.
    """
    files = dicom_files(folder)
    if not files:
        raise StudyError(
            f"{folder}: no .dcm file here. Check the path column of data_manifest.csv, "
            "or put the series back."
        )
    lines = "".join(f"{path.name} {file_hash(path)}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def foreign_checksum(folder: Path, listed: str) -> str:
    """Return the checksum of a series folder if it is not the listed one, and "" if it is.

    Another kind of processor, or another version of NumPy, draws the synthetic images a grey level
    different in about one of 100,000 pixels. So a series counts as the listed one, too, if it is
    what the generator wrote down when it drew the series here.
    """
    actual = series_checksum(folder)
    try:
        note = json.loads((folder.parent / DRAWN_NOTE).read_text(encoding="utf-8"))
        drawn = note["series"][folder.name]["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        drawn = listed
    return "" if actual in (listed, drawn) else actual


# --- with a note of what it was made from ---------------------------------------------------------


def note_path(path: Path) -> Path:
    """Return the path of the note that belongs to an artefact."""
    return path.with_name(path.name + NOTE_SUFFIX)


@contextmanager
def noted(path: Path, facts: Mapping[str, object]) -> Iterator[Path]:
    """Yield a path to write an artefact to; it takes its name, and gets its note, at the end.

    The note also keeps the hash of the content. It is written first, and until the artefact has
    taken its name it holds the note before: so whenever somebody reads, and wherever the writer is
    killed, one of the two is that of the file.
    """
    with atomic_path(path) as temporary:
        yield temporary
        note = {**facts, "content": file_hash(temporary), "edited": False}
        before = read_note(path)
        if note != before:
            _write_note(path, note | {"before": before})
    if note != before:
        _write_note(path, note)


def _write_note(path: Path, note: Mapping[str, object]) -> None:
    told = {name: fact for name, fact in note.items() if name != "edited"}
    with atomic_path(note_path(path)) as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_note(path: Path) -> dict | None:
    """Return the note of an artefact, or None where there is none or it is damaged.

    Its entry ``edited`` tells whether the content is not what the maker wrote.
    """
    content = file_hash(path) if path.is_file() else ""  # before its note, which is written first
    try:
        note = json.loads(note_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not (isinstance(note, dict) and isinstance(note.get("made_from"), dict)):
        return None
    before = note.pop("before", None)
    if isinstance(before, dict) and before.get("content") == content != note.get("content"):
        note = before
    edited = note.get("content") != content
    if edited and path.is_file() and file_hash(path) != content:  # just replaced: look again
        return read_note(path)
    return note | {"edited": edited} if "content" in note else None


def _column_kind(column: pd.Series) -> str:
    """Name what a CSV file forgets about a column: a type of pandas, "date" or "text"."""
    kind = KINDS.get(column.dtype.kind, "text")
    may_be_blank = pd.api.types.is_extension_array_dtype(column.dtype)
    return {"bool": "boolean", "int64": "Int64"}.get(kind, kind) if may_be_blank else kind


def save_table(
    path: Path, table: pd.DataFrame, facts: Mapping[str, object], *, synthetic: bool
) -> None:
    """Write a table as UTF-8 CSV, marked if its patients are synthetic, with its note (`noted`)."""
    columns = {name: _column_kind(table[name]) for name in table.columns}
    with noted(path, {**facts, "columns": columns}) as temporary:
        written = defused_table(mark.on_table(table, synthetic=synthetic))
        written.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")


def load_table(path: Path) -> pd.DataFrame:
    """Read a table written by `save_table`, with the columns and column types it had.

    Missing text is an empty string; without a note, pandas guesses.
    """
    options = {"encoding": "utf-8", "float_precision": "round_trip"}
    kinds = (read_note(path) or {}).get("columns")
    if kinds is None:
        table = pd.read_csv(path, converters={"patient_id": str}, **options)
        return restored_table(table).drop(columns=mark.COLUMN, errors="ignore")
    written = {defused(name): kind for name, kind in kinds.items()}
    types = {name: kind for name, kind in written.items() if kind not in ("date", "text")}
    table = pd.read_csv(
        path,
        usecols=written.__contains__,
        dtype=types,
        converters=dict.fromkeys(written.keys() - types, str),
        keep_default_na=False,
        na_values=dict.fromkeys(types, [""]),
        **options,
    )
    table = restored_table(table)
    dates = [name for name in table if kinds[name] == "date"]
    return table.assign(**{name: pd.to_datetime(table[name]) for name in dates})
