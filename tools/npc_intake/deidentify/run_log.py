"""One log per run of de-identification: which file became which, and why one did not.

It names files of the hospital, so it lies beside the key and only its owner may read it.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.formulas import defused
from npc_intake.deidentify.beside_key import OWNER_ONLY
from npc_intake.deidentify.pseudonyms import Key


class RunLog:
    """A CSV that is written line by line while a run goes on.

    Parameters
    ----------
    key : Key
        Kept in a file.
    columns : sequence of str

    Attributes
    ----------
    path : Path
        ``<key>-run-<UTC time>-<process>.csv``: no two runs share it.
    rows : list
        What was added.
    """

    def __init__(self, key: Key, columns: Sequence[str]) -> None:
        started = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        self.path: Path = key.beside(f"run-{started}-{os.getpid()}")
        self.rows: list[Sequence[str]] = []
        self._columns = columns

    def __enter__(self) -> RunLog:
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        except OSError as error:
            raise self._not_written(error) from error
        self._file = os.fdopen(handle, "w", encoding="utf-8", newline="", buffering=1)
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._write(self._columns)
        return self

    def add(self, row: Sequence[str]) -> None:
        """Write one line."""
        self.rows.append(row)
        self._write(row)

    def _write(self, row: Sequence[str]) -> None:
        try:
            self._writer.writerow([defused(cell) for cell in row])
        except OSError as error:
            raise self._not_written(error) from error

    def _not_written(self, error: OSError) -> StudyError:
        return StudyError(
            f"{self.path} cannot be written ({error.strerror}). Make room, then run this again; "
            "what is written is kept."
        )

    def __exit__(self, *_reason: object) -> None:
        self._file.close()
