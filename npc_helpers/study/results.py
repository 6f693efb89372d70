"""The artefacts of a study: written with what they were made from, read only while that holds.

Beside each artefact lies its note (`artefacts`): the hashes of its inputs and of its own content.
So an artefact is current only if it is still what its maker wrote, and would still be made from the
same. `artefact_table` says who makes what, and of what.
"""

import csv
import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from npc_helpers.study.artefact_table import ARTEFACTS, DRAWN, SETTING, Artefact, artefact
from npc_helpers.study.artefacts import (
    NotInThisStudy,
    StudyError,
    atomic_path,
    file_hash,
    load_table,
    note_path,
    noted,
    read_note,
    save_table,
)
from npc_helpers.study.places import BY_HAND, repository
from npc_helpers.study.schema import TABLE_PATHS
from npc_helpers.study.settings import current_setting

MISSING = "missing"
SANDBOX = "NPC_SANDBOX"  # environment variable: where a learner's exercises write
SHARED_FOLDERS = ("stacks",)  # folders of results that no setting changes
REPEATED = {"rtol": 1e-3, "atol": 1e-3}  # processors and GPUs round differently, hardly ever more


class Results:
    """What a study holds besides its tables and images. `Study` is one; it names the folder."""

    folder: Path

    # --- places -------------------------------------------------------------------------------

    @property
    def in_sandbox(self) -> bool:
        """True where a learner practises: nothing is written to the results of the study."""
        return bool(os.environ.get(SANDBOX))

    def result_path(self, name: str) -> Path:
        """Return where a result lies: results/<setting>/name, or results/name if shared.

        In a learner's sandbox, which the environment variable ``NPC_SANDBOX`` names, it lies there
        instead. Opened images stay shared: nobody's exercise changes them.
        """
        shared = Path(name).parts[0] in SHARED_FOLDERS
        return (self.folder if shared else self.writable) / "results" / place_of(name)

    @property
    def writable(self) -> Path:
        """The folder that results are written under: a sandbox, or the study."""
        return Path(os.environ[SANDBOX]).resolve() if self.in_sandbox else self.folder

    def reference_path(self, name: str) -> Path:
        """Return where the reference copy of an artefact lies, if the study ships one."""
        return self.folder / "data" / "reference" / place_of(name)

    def by_hand_path(self, name: str) -> Path:
        """Return where lies what a person made, for instance the rectangles a reader drew.

        That is ``data/by_hand/``, apart from the results, which can be made again: no command
        removes or rewrites anything there.
        """
        return self.writable / BY_HAND / name

    def _reason_path(self, name: str) -> Path:
        path = self.result_path(name)
        return path.with_name(f"{path.name}.left_out.txt")

    def _present(self, name: str) -> Path:
        """Return what `read_table` would read: the result, or else the reference copy."""
        path = self.result_path(name)
        return path if path.exists() else self.reference_path(name)

    def _relative(self, path: Path) -> str:
        inside = self.folder if path.is_relative_to(self.folder) else self.writable
        return path.relative_to(inside).as_posix()

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
        if (note := read_note(path)) and note["edited"]:
            return "edited"
        return "stale" if self._changes(row, note) else "current"

    def _changes(self, row: Artefact, note: dict | None) -> list[str]:
        """Name the inputs of an artefact that are not what they were when its note was made."""
        if note is None:
            return ["its note"]
        before, now = note["made_from"], self.fingerprint(*row.inputs)
        changed = {name for name in before | now if before.get(name) != now.get(name)}
        outdated = {
            name for name in row.inputs
            if Path(name).suffix
            and self._state(artefact(name), self._present(name)) in ("stale", "edited")
        }  # fmt: skip
        return sorted(changed | outdated)

    @cached_property
    def _seen(self) -> dict[str, str]:
        """Hashes of what was read or written through this object, as it was then."""
        return {}

    def _noticed(self, name: str, path: Path) -> Path:
        self._seen[name] = file_hash(path)
        return path

    def fingerprint(self, *names: str) -> dict[str, str]:
        """Return the present hashes of inputs: study tables, artefacts, `SETTING`, `DRAWN`.

        What does not exist has the hash ``"missing"``; an artefact not made yet has the hash of
        its reference copy, as that is what `read_table` would return.
        """
        return {name: self._hash(name) for name in names}

    def tables_in_words(self) -> str:
        """Return which tables the study has now, by the first digits of their hashes."""
        hashes = self.fingerprint("registry", "visits", "manifest")
        return ", ".join(f"{name} {value[:8]}" for name, value in hashes.items())

    def _hash(self, name: str) -> str:
        if name in (SETTING, DRAWN):
            facts = _choices(current_setting()) if name == SETTING else self._drawn()
            return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        path = self.table_path(name) if name in TABLE_PATHS else self._present(name)
        return file_hash(path) if path.is_file() else MISSING

    def _drawn(self) -> list[list[str]]:
        """Return the rows that readers drew; files without a row count as no files."""
        rows: set[tuple[str, ...]] = set()
        for path in self.by_hand_path("").glob("rois_*.csv"):
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows |= {tuple(row) for row in list(csv.reader(file))[1:] if row}
        return sorted(map(list, rows))

    # --- reading ------------------------------------------------------------------------------

    def read_table(self, name: str) -> pd.DataFrame:
        """Read a table that a notebook made (`artefact_table` lists them), with its column types.

        Raises
        ------
        StudyError
            If it is missing and no reference copy fits, was made from other inputs than the present
            ones, or was edited; the message names the notebook that makes it.
        NotInThisStudy
            If its maker left it out, with the reason.

        Warns
        -----
        UserWarning
            If the reference copy of the demonstration study is read instead.

        Examples
        --------
        >>> from npc_helpers.study import Study
        >>> cohort = Study.open().read_table("cohort.csv")  # doctest: +SKIP
        """
        return load_table(self.find_result(name))

    def find_result(self, name: str) -> Path:
        """Return the path of a usable artefact; the terms are those of `read_table`."""
        row, path, reference = artefact(name), self.result_path(name), self.reference_path(name)
        if reason := self.why_left_out(name):
            raise NotInThisStudy(f"notebook {row.maker} left {name} out: {reason}")
        state, where = self._state(row, path), self._relative(path)
        if state == "current":
            return self._noticed(name, path)
        if state == "edited":
            raise StudyError(self._edited(row))
        if state == "stale":
            changed = ", ".join(self._changes(row, read_note(path)))
            raise StudyError(
                f"{where} was made from other inputs than the present ones (changed since: "
                f"{changed}). Run notebook {row.maker} again."
            )
        why = ""
        if self.is_synthetic and reference.exists():
            state = self._state(row, reference)
            if state == "current":
                warnings.warn(
                    f"USING THE REFERENCE {self._relative(reference)}, NOT A RESULT OF YOURS. "
                    f"Run notebook {row.maker} to make your own {name}.",
                    stacklevel=3,
                )
                return self._noticed(name, reference)
            reason = "was edited" if state == "edited" else "was made from other inputs"
            why = f", and the reference copy {reason}"
        raise StudyError(f"{where} is missing{why}. Run notebook {row.maker} first.")

    # --- writing ------------------------------------------------------------------------------

    def write_table(self, name: str, table: pd.DataFrame, **more: object) -> Path:
        """Write a table to the results, whole or not at all, with what it was made from.

        `name` is one of `artefact_table`; the index is not kept. What `more` tells of how it was
        made (``seed=2022``) is noted with it. A `StudyError` if the file there was edited, if a
        column is missing, or if the same inputs gave other values before.
        """
        row, path = artefact(name), self.result_path(name)
        missing = [column for column in row.columns if column not in table.columns]
        if missing:
            raise StudyError(f"{name} needs the column {', '.join(missing)}; nothing was written.")
        facts = self._facts(row)
        if row.repeatable:
            self._refuse_other_values(row, table, facts["made_from"])
        facts["more"] = {name: str(value) for name, value in more.items()}
        save_table(path, table, facts, synthetic=self.has_synthetic)
        return self._written(name)

    @contextmanager
    def write_file(self, name: str) -> Iterator[Path]:
        """Yield a path to write an artefact to that is not a table: a model, an array.

        The file takes its name, and gets its note, when the block succeeds. A `StudyError` if the
        file there was edited.
        """
        with noted(self.result_path(name), self._facts(artefact(name))) as temporary:
            yield temporary
        self._written(name)

    def _facts(self, row: Artefact) -> dict[str, object]:
        """Return what is noted of a file to be written: its inputs as they were when read."""
        if self.artefact_state(row.name) == "edited":
            raise StudyError(f"Nothing was overwritten: {self._edited(row)}")
        inputs = {name: self._seen.get(name) or self._hash(name) for name in row.inputs}
        return {"made_from": inputs, "mark": self.mark}

    def _edited(self, row: Artefact) -> str:
        where = self._relative(self.result_path(row.name))
        tables = [TABLE_PATHS[name] for name in row.inputs if name in TABLE_PATHS]
        instead = f" What should differ belongs in {' or '.join(tables)}." if tables else ""
        return (
            f"{where} was changed after notebook {row.maker} had written it (also by a spreadsheet "
            f"that only saved it: True becomes TRUE).{instead} Rename or delete the file, then run "
            f"notebook {row.maker} again."
        )

    def _refuse_other_values(self, row: Artefact, table: pd.DataFrame, inputs: dict) -> None:
        """Refuse other values than the same model gave of the same images before."""
        path = self.result_path(row.name)
        if not path.exists() or (read_note(path) or {}).get("made_from") != inputs:
            return
        before = load_table(path)
        differ = [
            name for name in row.columns
            if len(before) != len(table) or not _alike(before[name], table[name])
        ]  # fmt: skip
        if differ:
            raise StudyError(
                f"{self._relative(path)} was made from the same inputs and holds other values of "
                f"{', '.join(differ)}; nothing was overwritten. If the program that makes it has "
                f"changed, delete the file, then run notebook {row.maker} again."
            )

    def _written(self, name: str) -> Path:
        self._reason_path(name).unlink(missing_ok=True)
        return self._noticed(name, self.result_path(name))

    # --- what was left out --------------------------------------------------------------------

    def note_left_out(self, name: str, reason: str) -> None:
        """Note why an artefact is not made of this study; an earlier one is removed.

        What its notebook has not written so far counts as left out with it, until it is written.
        """
        maker = artefact(name).maker
        for sibling in [row.name for row in ARTEFACTS.values() if row.maker == maker]:
            if sibling != name and sibling in self._seen:
                continue
            with atomic_path(self._reason_path(sibling)) as temporary:
                temporary.write_text(reason + "\n", encoding="utf-8")
            path = self.result_path(sibling)
            if self.artefact_state(sibling) != "edited":
                path.unlink(missing_ok=True)
                note_path(path).unlink(missing_ok=True)

    def why_left_out(self, name: str) -> str:
        """Return why an artefact was not made of this study; blank if nobody said so."""
        path = self._reason_path(name)
        return path.read_text(encoding="utf-8").strip() if path.exists() else ""

    # --- for maintainers ----------------------------------------------------------------------

    def keep_as_reference(self, *names: str) -> None:
        """Copy artefacts, with their notes, to data/reference/."""
        for name in names:
            for source in (self.result_path(name), note_path(self.result_path(name))):
                with atomic_path(self.reference_path(name).with_name(source.name)) as temporary:
                    temporary.write_bytes(source.read_bytes())


def shipped_reference(name: str) -> pd.DataFrame:
    """Read the reference copy of an artefact table that ships with the repository.

    It describes the demonstration study, whichever study is open.
    """
    return load_table(repository() / "data" / "reference" / place_of(name))


def place_of(name: str) -> Path:
    """Return where a result lies within the results or the references."""
    first = Path(name).parts[0]
    shared = first in SHARED_FOLDERS or (first in ARTEFACTS and not ARTEFACTS[first].of_setting)
    return Path(name) if shared else Path(current_setting().name, name)


def _choices(setting) -> dict:
    """Return all choices but those at their default: one added later changes no earlier result."""
    values = {field: getattr(setting, field.name) for field in dataclasses.fields(setting)}
    return {field.name: value for field, value in values.items() if value != field.default}


def _alike(before: pd.Series, now: pd.Series) -> bool:
    """Tell whether two columns hold the same, numbers up to rounding."""
    if pd.api.types.is_float_dtype(before):
        return np.allclose(before, now.astype(float), equal_nan=True, **REPEATED)
    return before.astype(str).tolist() == now.astype(str).tolist()
