"""The secret key of a de-identified study: pseudonyms, shifted dates, new identifiers."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import json
import os
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from npc_helpers.study.artefacts import StudyError, atomic_path
from npc_helpers.study.locks import locked
from npc_helpers.study.schema import MANIFEST

WEEKS = 520  # dates move back by 1 to 520 whole weeks: the day of the week stays
PREFIX, READER = "NPC-", "READER-"
OWNER_ONLY = 0o600
MAPPING = ("pseudonym", "patient_id", "shift_days")


@dataclass(frozen=True)
class Key:
    """Keyed functions (HMAC-SHA-256, RFC 2104) of the original identifiers.

    Parameters
    ----------
    secret : bytes
        At least 16 bytes. Whoever knows it can link pseudonyms to known identifiers.
    path : Path or None
        Where it is kept.
    """

    secret: bytes = field(repr=False)
    path: Path | None = None

    def __post_init__(self) -> None:
        if len(self.secret) < 16:
            raise StudyError(f"the key has {len(self.secret)} bytes; at least 16 are needed.")

    @classmethod
    def open(cls, path: str | Path, *, outside: str | Path | None = None) -> Key:
        """Read a key, or make one where there is none.

        Parameters
        ----------
        path : path-like
            JSON file that only its owner may read.
        outside : path-like, optional
            A folder (the study) that must not hold the key.

        Raises
        ------
        StudyError
            If the file is no key or cannot be written, or lies in `outside`, in a study folder or
            in a git checkout.
        """
        path = Path(path).expanduser().resolve()
        _check_place(path, None if outside is None else Path(outside).expanduser().resolve())
        if not path.exists():
            with locked(path):
                if not path.exists():  # another run may have been first
                    _write_new(path, secrets.token_bytes(32))
        key = cls(_read_secret(path), path)
        _remove_leftovers(path, key.mapping_path)
        return key

    def _digest(self, purpose: str, value: str) -> bytes:
        message = f"{purpose}\0{value.strip()}".encode()
        return hmac.new(self.secret, message, hashlib.sha256).digest()

    def pseudonym(self, patient_id: str) -> str:
        """Return the pseudonym of a patient: NPC- and eight letters or digits."""
        return PREFIX + base64.b32encode(self._digest("patient", patient_id))[:8].decode()

    def reader(self, name: str) -> str:
        """Return the pseudonym of a reader; blank stays blank."""
        if not name.strip():
            return ""
        return READER + base64.b32encode(self._digest("reader", name))[:8].decode()

    def claim(self, known: dict[str, str], patient_id: str) -> str:
        """Note a patient in a table of originals by pseudonym, and return the pseudonym.

        Raises
        ------
        StudyError
            If another patient of the table has the same pseudonym, or the identifier holds a
            backslash, which in an image would part it into several.
        """
        if "\\" in patient_id:
            raise StudyError(
                "an identifier of a patient holds a backslash. Write it without, the same in the "
                "tables and the images."
            )
        pseudonym = self.pseudonym(patient_id)
        if known.setdefault(pseudonym, patient_id) != patient_id:
            raise _one_pseudonym(pseudonym)
        return pseudonym

    def days(self, patient_id: str) -> int:
        """Return by how many days this patient's dates move (negative, a multiple of 7)."""
        number = int.from_bytes(self._digest("days", patient_id)[:8], "big")
        return -7 * (1 + number % WEEKS)

    def uid(self, uid: str) -> str:
        """Return the new identifier of an object, series, study or frame (PS3.5, B.2)."""
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', uid)[:16], version=5).int}"

    def label(self, uid: str, what: str) -> str:
        """Return a short name for a file or folder, from an identifier that is new already."""
        return f"{what}-{hashlib.sha256(uid.encode()).hexdigest()[:16]}"

    @property
    def mapping_path(self) -> Path:
        """Where the table of patients and pseudonyms lies: beside the key.

        Raises
        ------
        StudyError
            If the key is not kept in a file.
        """
        if self.path is None:
            raise StudyError("this key has no file, so there is no place for the mapping.")
        return self.path.with_name(f"{self.path.stem}-patients.csv")

    def write_mapping(self, patients: Mapping[str, str]) -> None:
        """Add patients (original identifier by pseudonym) to the table beside the key.

        Rows are only ever added, under a lock: two runs with one key lose none, and there is no
        second copy of the table at any time.

        Raises
        ------
        StudyError
            If the table holds another patient under one of the pseudonyms, cannot be written, or
            is being written by another program.
        """
        path = self.mapping_path
        with locked(path):
            known, whole = self.read_mapping(), self._whole_lines()
            for pseudonym, patient in patients.items():
                if known.get(pseudonym, patient) != patient:
                    raise _one_pseudonym(pseudonym)
            new = [name for name in patients if name not in known]
            rows = [(name, patients[name], self.days(patients[name])) for name in new]
            if rows:
                _append(path, whole, rows if whole else [MAPPING, *rows])

    def read_mapping(self) -> dict[str, str]:
        """Return the original identifier of each pseudonym written so far."""
        text = StringIO(self._whole_lines().decode("utf-8-sig"))
        return {row["pseudonym"]: row["patient_id"] for row in csv.DictReader(text)}

    def _whole_lines(self) -> bytes:
        """Return the table beside the key without a last line that a kill cut off."""
        try:
            content = self.mapping_path.read_bytes()
        except FileNotFoundError:
            return b""
        end = content.rfind(b"\n") + 1
        name, patient, *_ = *content[end:].decode("utf-8", "replace").split(","), "", ""
        if name and name == self.pseudonym(patient):  # an editor saved it without the line's end
            return content + b"\n"
        return content[:end]


def _read_secret(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="utf-8")
        if not text.strip("\0 "):
            raise ValueError("it is empty, as a full disk or a power cut may leave it")
        return bytes.fromhex(json.loads(text)["secret"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{path}: not a key of this suite ({error}). Put the right file there, or name "
            "another; one that does not exist is made."
        ) from error


def _remove_leftovers(*paths: Path) -> None:
    """Remove temporary copies that killed runs of earlier versions left beside these files."""
    for path in paths:
        leftovers = [
            other
            for other in path.parent.iterdir()
            if other.name.startswith(".part-") and other.name.endswith(f"-{path.name}")
        ]
        if leftovers:
            with locked(path):
                for leftover in leftovers:
                    leftover.unlink(missing_ok=True)


def _one_pseudonym(pseudonym: str) -> StudyError:
    return StudyError(
        f"two patients would be {pseudonym}. Make a new key and start again with an empty folder."
    )


def _write_new(path: Path, secret: bytes) -> None:
    """Write a key that has reached the disk before it has its name: whole, or not at all."""
    note = "Secret of a de-identified study. Keep it apart from the study and share it not."
    try:
        with atomic_path(path) as temporary:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"note": note, "secret": secret.hex()}, file, indent=1)
        if os.name == "posix":  # the name, too
            folder = os.open(path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    except OSError as error:
        raise _not_written(path, "key", error) from error


def _not_written(path: Path, what: str, error: OSError) -> StudyError:
    return StudyError(
        f"{path}: the {what} cannot be written ({error.strerror}). Make room, or name a file in a "
        "folder that you may write to."
    )


def _append(path: Path, whole: bytes, rows: list[Sequence[object]]) -> None:
    """Add lines to what is whole of a table that only its owner may read: all of them, or none."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), OWNER_ONLY)
        size = min(len(whole), os.fstat(handle).st_size)
        rest = whole[size:] + text.getvalue().encode()
        try:
            os.ftruncate(handle, size)
            os.lseek(handle, size, os.SEEK_SET)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
        finally:
            os.close(handle)
    except OSError as error:
        raise _not_written(path, "table of patients", error) from error


def _check_place(path: Path, outside: Path | None) -> None:
    for folder in path.parents:
        if folder == outside:
            where = "the folder that is to be shared"
        elif (folder / MANIFEST.path).exists():
            where = "a study folder"
        elif (folder / ".git").exists():
            where = "a git checkout"
        else:
            continue
        raise StudyError(
            f"{path}: the key would lie in {where} ({folder}). Keep it where only you can read it, "
            "for instance in a folder of your own home."
        )
