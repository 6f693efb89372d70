"""The artefacts of a study: written with what they were made from, read only while that holds.

`artefact_table` says who makes what, and of what; `freshness` tells whether that still holds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from npc_helpers.study.artefact_table import ARTEFACTS, Artefact, artefact
from npc_helpers.study.artefacts import (
    NotInThisStudy,
    StudyError,
    atomic_path,
    load_table,
    note_path,
    noted,
    read_note,
    save_table,
)
from npc_helpers.study.freshness import TABLE_NAMES, Freshness, place_of
from npc_helpers.study.places import repository

REPEATED = {"rtol": 1e-3, "atol": 1e-3}  # processors and GPUs round differently, hardly ever more


class Results(Freshness):
    """What a study holds besides its tables and images. `Study` is one; it names the folder."""

    # --- reading and writing ------------------------------------------------------------------

    def read_table(self, name: str) -> pd.DataFrame:
        """Read a table that a notebook made, with its column types.

        Parameters
        ----------
        name : str
            For instance ``"cohort.csv"`` (`artefact_table` lists them).

        Raises
        ------
        StudyError
            If it is missing and no reference copy fits, was made from other inputs than the
            present ones, or was edited; the message names the notebook that makes it.
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

    def write_table(self, name: str, table: pd.DataFrame, **more: object) -> Path:
        """Write a table to the results, whole or not at all, with what it was made from.

        Parameters
        ----------
        name : str
            For instance ``"cohort.csv"`` (`artefact_table` lists them).
        table : DataFrame
            The index is not kept.
        **more
            What else to note about how it was made (``seed=2022``).

        Raises
        ------
        StudyError
            If the file there was edited; if a column is missing; or if the same inputs gave other
            values before.
        """
        row, path = artefact(name), self.result_path(name)
        missing = [column for column in row.columns if column not in table.columns]
        if missing:
            raise StudyError(f"{name} needs the column {', '.join(missing)}; nothing was written.")
        self._refuse_edited(row)
        inputs = self._fingerprints(row.inputs)
        if row.repeatable:
            self._refuse_other_values(row, table, inputs)
        noticed = {name: str(value) for name, value in more.items()}
        facts = {"made_from": inputs, "mark": self.mark, "more": noticed}
        save_table(path, table, facts, synthetic=self.has_synthetic)
        self._written(name)
        return path

    @contextmanager
    def write_file(self, name: str) -> Iterator[Path]:
        """Yield a path to write an artefact to that is not a table: a model, an array.

        The file takes its name, and gets its note, when the block succeeds.

        Raises
        ------
        StudyError
            If the file there was edited.
        """
        row, path = artefact(name), self.result_path(name)
        self._refuse_edited(row)
        facts = {"made_from": self._fingerprints(row.inputs), "mark": self.mark}
        with noted(path, facts) as temporary:
            yield temporary
        self._written(name)

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
            raise StudyError(
                f"{where} was made from other inputs than the present ones (changed since: "
                f"{', '.join(self._changes(row, path))}). Run notebook {row.maker} again."
            )
        if not reference.exists() or not self.is_synthetic:
            raise StudyError(f"{where} is missing. Run notebook {row.maker} first.")
        if (state := self._state(row, reference)) != "current":
            reason = "was edited" if state == "edited" else "was made from other inputs"
            raise StudyError(
                f"{where} is missing, and the reference copy {reason}. Run notebook {row.maker} "
                "first."
            )
        warnings.warn(
            f"USING THE REFERENCE {self._relative(reference)}, NOT A RESULT OF YOURS. "
            f"Run notebook {row.maker} to make your own {name}.",
            stacklevel=3,
        )
        return self._noticed(name, reference)

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

    def _reason_path(self, name: str) -> Path:
        path = self.result_path(name)
        return path.with_name(f"{path.name}.left_out.txt")

    def _refuse_edited(self, row: Artefact) -> None:
        if self.artefact_state(row.name) == "edited":
            raise StudyError(f"Nothing was overwritten: {self._edited(row)}")

    def _edited(self, row: Artefact) -> str:
        where = self._relative(self.result_path(row.name))
        tables = [self._relative(self.table_path(n)) for n in row.inputs if n in TABLE_NAMES]
        instead = f" What should differ belongs into {' or '.join(tables)}." if tables else ""
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

    def _written(self, name: str) -> None:
        self._reason_path(name).unlink(missing_ok=True)
        self._noticed(name, self.result_path(name))

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

    Raises
    ------
    FileNotFoundError
        If there is none of this name in the present setting.
    """
    return load_table(repository() / "data" / "reference" / place_of(name))


def _alike(before: pd.Series, now: pd.Series) -> bool:
    """Tell whether two columns hold the same, numbers up to rounding."""
    if pd.api.types.is_float_dtype(before):
        return np.allclose(before, now.astype(float), equal_nan=True, **REPEATED)
    return before.astype(str).tolist() == now.astype(str).tolist()
