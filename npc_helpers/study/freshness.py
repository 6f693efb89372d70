"""Where the artefacts of a study lie, and whether each is still what it would be made now.

Beside each artefact lies its note (`artefacts`): the hashes of its inputs and of its own content.
So an artefact is current only if it is still what its maker wrote, and would still be made from the
same. `artefact_table` says who makes what, and of what.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from npc_helpers.study.artefact_table import ARTEFACTS, DRAWN, SETTING, Artefact, artefact
from npc_helpers.study.artefacts import file_hash, read_note
from npc_helpers.study.places import BY_HAND
from npc_helpers.study.schema import TABLES
from npc_helpers.study.settings import current_setting

MISSING = "missing"
SANDBOX = "NPC_SANDBOX"  # environment variable: where a learner's exercises write
SHARED_FOLDERS = ("stacks",)  # folders of results that no setting changes
TABLE_NAMES = {table.name for table in TABLES}


class Freshness:
    """What a study knows of its artefacts without opening one; `Results` opens them."""

    folder: Path

    # --- places -------------------------------------------------------------------------------

    @property
    def in_sandbox(self) -> bool:
        """True where a learner practises: nothing is written to the results of the study."""
        return bool(os.environ.get(SANDBOX))

    def result_path(self, name: str) -> Path:
        """Return where a result lies: results/<setting>/name, or results/name if shared.

        In a learner's sandbox, which the environment variable ``NPC_SANDBOX`` names, it lies
        there instead. Opened images stay shared: nobody's exercise changes them.
        """
        shared = Path(name).parts[0] in SHARED_FOLDERS
        return (self.folder if shared else self._writable) / "results" / place_of(name)

    @property
    def _writable(self) -> Path:
        return Path(os.environ[SANDBOX]).resolve() if self.in_sandbox else self.folder

    def reference_path(self, name: str) -> Path:
        """Return where the reference copy of an artefact lies, if the study ships one."""
        return self.folder / "data" / "reference" / place_of(name)

    def by_hand_path(self, name: str) -> Path:
        """Return where lies what a person made, for instance the rectangles a reader drew.

        That is ``data/by_hand/``, apart from the results, which can be made again: no command
        removes or rewrites anything there. A file that an earlier version of the suite kept among
        the results is moved to it.
        """
        path, earlier = self._writable / BY_HAND / name, self._writable / "results" / name
        if earlier.is_file() and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            earlier.rename(path)
        return path

    # --- states -------------------------------------------------------------------------------

    def artefact_state(self, name: str) -> str:
        """Return ``"missing"``, ``"edited"``, ``"stale"`` or ``"current"``.

        Edited: its content is not what its maker wrote, although the note is. Stale: an input is
        not what it was (or is itself stale or edited), or there is no note, as of a file whose
        writing was interrupted.
        """
        return self._state(artefact(name), self.result_path(name))

    def _state(self, row: Artefact, path: Path) -> str:
        if not path.exists():
            return MISSING
        note = read_note(path)
        if note is not None and note["content"] != file_hash(path):
            return "edited"
        return "stale" if self._changes(row, path) else "current"

    def _changes(self, row: Artefact, path: Path) -> list[str]:
        """Name the inputs of an artefact that are not what they were when it was made."""
        note = read_note(path)
        if note is None:
            return ["its note"]
        before, now = note["made_from"], {name: self._hash(name) for name in row.inputs}
        changed = {name for name in before | now if before.get(name) != now.get(name)}
        return sorted(changed | {name for name in row.inputs if self._is_outdated(name)})

    def _is_outdated(self, name: str) -> bool:
        """Tell whether an input is an artefact that is itself stale or was edited."""
        if not Path(name).suffix:
            return False
        return self._state(artefact(name), self._present(name)) in ("stale", "edited")

    # --- hashes -------------------------------------------------------------------------------

    @cached_property
    def _seen(self) -> dict[str, str]:
        """Hashes of what was read or written through this object, as it was then."""
        return {}

    def fingerprint(self, *names: str) -> dict[str, str]:
        """Return the present hashes of inputs: study tables, artefacts, `SETTING`, `DRAWN`.

        What does not exist has the hash ``"missing"``; an artefact not made yet has the hash of
        its reference copy, as that is what `read_table` would return.
        """
        return {name: self._hash(name) for name in names}

    def _fingerprints(self, names: Iterable[str]) -> dict[str, str]:
        """Return the hashes of inputs as they were when they were read."""
        return {name: self._seen.get(name) or self._hash(name) for name in names}

    def _hash(self, name: str) -> str:
        if name == SETTING:
            return _hash_of(_choices(current_setting()))
        if name == DRAWN:
            return _hash_of(self._drawn())
        path = self.table_path(name) if name in TABLE_NAMES else self._present(name)
        return file_hash(path) if path.is_file() else MISSING

    def _present(self, name: str) -> Path:
        """Return what `read_table` would read: the result, or else the reference copy."""
        path = self.result_path(name)
        return path if path.exists() else self.reference_path(name)

    def _drawn(self) -> list[list[str]]:
        """Return the rows that readers drew; files without a row count as no files."""
        rows: set[tuple[str, ...]] = set()
        folders = (self.by_hand_path(""), self._writable / "results")
        for path in [path for folder in folders for path in folder.glob("rois_*.csv")]:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows |= {tuple(row) for row in list(csv.reader(file))[1:] if row}
        return sorted(map(list, rows))

    def _noticed(self, name: str, path: Path) -> Path:
        self._seen[name] = file_hash(path)
        return path

    def _relative(self, path: Path) -> str:
        inside = self.folder if path.is_relative_to(self.folder) else self._writable
        return path.relative_to(inside).as_posix()


def _choices(setting) -> dict:
    """Return all choices but those at their default: one added later changes no earlier result."""
    return {
        field.name: getattr(setting, field.name)
        for field in dataclasses.fields(setting)
        if getattr(setting, field.name) != field.default
    }


def place_of(name: str) -> Path:
    """Return where a result lies within the results or the references."""
    first = Path(name).parts[0]
    shared = first in SHARED_FOLDERS or (first in ARTEFACTS and not ARTEFACTS[first].of_setting)
    return Path(name) if shared else Path(current_setting().name, name)


def _hash_of(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
