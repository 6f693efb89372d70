"""The secret key of a de-identified study: pseudonyms, shifted dates, new identifiers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from npc_helpers.study.artefacts import StudyError, atomic_path
from npc_helpers.study.locks import locked
from npc_helpers.study.schema import MANIFEST
from npc_intake.deidentify.beside_key import OWNER_ONLY, PrivateTable, Row

WEEKS = 520  # dates move back by 1 to 520 whole weeks: the day of the week stays
PREFIX, READER = "NPC-", "READER-"
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
        return cls.existing(path)

    @classmethod
    def existing(cls, path: str | Path) -> Key:
        """Read a key.

        Raises
        ------
        StudyError
            If the file does not exist or is no key.
        """
        path = Path(path).expanduser().resolve()
        return cls(_read_secret(path), path)

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

    def claim(self, claimed: dict[str, str], patient_id: str) -> str:
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
        if claimed.setdefault(pseudonym, patient_id) != patient_id:
            raise _one_pseudonym(pseudonym)
        return pseudonym

    def days(self, patient_id: str) -> int:
        """Return by how many days this patient's dates move (negative, a multiple of 7)."""
        number = int.from_bytes(self._digest("days", patient_id)[:8], "big")
        return -7 * (1 + number % WEEKS)

    def mark(self, patient_id: str, element: str, value: str) -> str:
        """Return a mark by which a value of a patient is known again, and nothing else."""
        digest = self._digest("mark", f"{patient_id.strip()}\0{element}\0{value}")
        return base64.b32encode(digest)[:16].decode()

    def uid(self, uid: str) -> str:
        """Return the new identifier of an object, series, study or frame (PS3.5, B.2)."""
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', uid)[:16], version=5).int}"

    def label(self, uid: str, prefix: str) -> str:
        """Return a short name for a file or folder, from an identifier that is new already."""
        return f"{prefix}-{hashlib.sha256(uid.encode()).hexdigest()[:16]}"

    @property
    def mapping_path(self) -> Path:
        """Where the table of patients and pseudonyms lies: beside the key."""
        return self.beside("patients")

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

        def new(rows: list[Row]) -> list[tuple[str, str, int]]:
            by_pseudonym = _by_pseudonym(rows)
            for pseudonym, patient in patients.items():
                if by_pseudonym.get(pseudonym, patient) != patient:
                    raise _one_pseudonym(pseudonym)
            added = patients.items() - by_pseudonym.items()
            return [(name, patient, self.days(patient)) for name, patient in sorted(added)]

        self._mapping.add(new)

    def read_mapping(self) -> dict[str, str]:
        """Return the original identifier of each pseudonym written so far."""
        return _by_pseudonym(self._mapping.read())

    @property
    def _mapping(self) -> PrivateTable:
        def is_whole(cells: Sequence[str]) -> bool:
            return len(cells) > 1 and cells[0] == self.pseudonym(cells[1])

        return PrivateTable(self.mapping_path, MAPPING, is_whole)

    def beside(self, name: str) -> Path:
        """Return where a table lies that belongs to this key, for instance ``npc-patients.csv``.

        Raises
        ------
        StudyError
            If the key is not kept in a file.
        """
        if self.path is None:
            raise StudyError("this key has no file, so there is no place for what belongs to it.")
        return self.path.with_name(f"{self.path.stem}-{name}.csv")


def _by_pseudonym(rows: list[Row]) -> dict[str, str]:
    return {row["pseudonym"]: row["patient_id"] for row in rows}


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
        raise StudyError(
            f"{path}: the key cannot be written ({error.strerror}). Make room, or name a file in a "
            "folder that you may write to."
        ) from error


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
