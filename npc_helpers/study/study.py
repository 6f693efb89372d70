"""One study folder: its validated tables, its series and the artefacts made from them.

Ground floor of the package. From a terminal::

    python -m npc_helpers.study init DIR     # empty tables and a data dictionary
    python -m npc_helpers.study check DIR    # every problem at once; exit status 1 if any
    python -m npc_helpers.study dictionary   # what every column means, as Markdown
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from npc_helpers.study import checks, identifying, mark, tables
from npc_helpers.study.about import ABOUT, EMPTY, About, read_about
from npc_helpers.study.artefacts import (
    NotInThisStudy,
    StudyError,
    atomic_path,
    file_hash,
    load_table,
    note_path,
    read_note,
    save_table,
    series_checksum,
    write_note,
)
from npc_helpers.study.places import is_repository, repository
from npc_helpers.study.problems import Problem, as_table
from npc_helpers.study.schema import MANIFEST, REGISTRY, TABLES, VISITS, Table, data_dictionary
from npc_helpers.study.settings import current_setting

__all__ = ["Study", "StudyError", "atomic_path", "file_hash", "init", "series_checksum"]

# Results that no setting changes, by how their names begin: they lie in results/ itself.
SHARED_RESULTS = ("cohort", "rois", "stacks")
BY_HAND = "data/by_hand"
SHOWN_AT_ONCE = 5
NO_VISITS = Problem(
    VISITS.path, "", "", "there is no visit, so that regular review cannot be judged",
    "Everybody passes the two criteria that ask for it, unless you fill it in.", "warning",
)  # fmt: skip


@dataclass(frozen=True)
class Study:
    """One study folder.

    Parameters
    ----------
    folder : path-like
        Holds ``data_manifest.csv`` and ``data/registry.csv`` (`schema` lists every table and
        column).

    Raises
    ------
    StudyError
        If the folder does not exist. The tables are read and checked when first asked for.
    """

    folder: Path

    def __post_init__(self) -> None:
        folder = Path(self.folder).expanduser().resolve()
        if not folder.is_dir():
            raise StudyError(
                f"{folder}: no such folder. Let NPC_STUDY name your study folder, or unset it "
                "to use the demonstration study."
            )
        object.__setattr__(self, "folder", folder)
        mark.remember(self.name, self._synthetic_part)

    @classmethod
    def open(cls) -> Study:
        """Open the folder named by ``NPC_STUDY``, or the demonstration study of the repository.

        Raises
        ------
        StudyError
            If ``NPC_STUDY`` is not set and there is no repository (`repository`).
        """
        return cls(os.environ.get("NPC_STUDY") or repository())

    @classmethod
    def demonstration(cls) -> Study:
        """Open the demonstration study of the repository, whatever ``NPC_STUDY`` says."""
        return cls(repository())

    @property
    def name(self) -> str:
        """The folder's own name; "demonstration" for the study that ships with the suite."""
        return "demonstration" if self._is_repository else self.folder.name

    @property
    def is_synthetic(self) -> bool:
        """True if every series is synthetic: nothing computed on it is clinical evidence."""
        return self._synthetic_part == "all"

    @property
    def mark(self) -> str:
        """What kind of patients these are: the words that figures and files carry."""
        return mark.describe(self.name, self._synthetic_part)

    @cached_property
    def _synthetic_part(self) -> str:
        return mark.synthetic_part(self.folder / MANIFEST.path)

    @cached_property
    def has_outcomes(self) -> bool:
        """True if the registry holds any progression, death or last review."""
        dates = ["progression_date", "death_date", "last_review_date"]
        return bool(self._registry[dates].notna().any(axis=None))

    def require_outcomes(self, purpose: str) -> None:
        """Say why `purpose` ("training", "the comparison") cannot be done without outcomes.

        Raises
        ------
        NotInThisStudy
            If the study has no outcomes.
        """
        if not self.has_outcomes:
            raise NotInThisStudy(
                f"{purpose} needs outcomes, and {REGISTRY.path} has none: progression_date, "
                "death_date and last_review_date are blank for every patient. Fill them in. "
                "Regions of interest and Grad-CAM work without them."
            )

    # --- tables -------------------------------------------------------------------------------

    @property
    def registry(self) -> pd.DataFrame:
        """One row per patient (a copy; `schema.REGISTRY` describes the columns)."""
        return self._registry.copy()

    @property
    def visits(self) -> pd.DataFrame:
        """One row per follow-up visit (a copy); no row where the study has no such table."""
        return self._visits.copy()

    @property
    def manifest(self) -> pd.DataFrame:
        """One row per MR series (a copy; `schema.MANIFEST` describes the columns)."""
        return self._manifest.copy()

    @cached_property
    def _registry(self) -> pd.DataFrame:
        return self._sound(*self._read(REGISTRY))

    @cached_property
    def _visits(self) -> pd.DataFrame:
        if not self.table_path("visits").exists():
            return tables.empty_table(VISITS)
        return self._sound(*self._read(VISITS, self._registry))

    @cached_property
    def _manifest(self) -> pd.DataFrame:
        return self._sound(*self._read(MANIFEST, self._registry))

    def table_path(self, name: str) -> Path:
        """Return where a study table lies: registry, visits, manifest or suggested_rois."""
        return self.folder / _table(name).path

    @cached_property
    def about(self) -> About:
        """What the study says about itself in ``study.toml``: cut-off date and linked folders."""
        return read_about(self.folder)[0]

    def _read(
        self, table: Table, registry: pd.DataFrame | None = None
    ) -> tuple[pd.DataFrame | None, list[Problem]]:
        """Read one table and everything wrong with it short of opening an image."""
        text, problems = tables.read_text(self.folder / table.path, table.path)
        if text is None:
            return None, problems
        typed, problems = tables.check_table(text, table)
        more = []
        if table is REGISTRY:
            more = checks.check_registry(typed, self.about)
        elif registry is not None and table is VISITS:
            more = checks.check_visits(typed, registry, self.about)
        elif registry is not None and table is MANIFEST:
            more = checks.check_manifest(typed, registry, self.folder, self.about.linked_folders)
        elif registry is not None:
            more = checks.check_known_patients(typed, table, registry)
        absent = {problem.column for problem in problems if problem.problem.startswith("missing")}
        return typed, problems + [problem for problem in more if problem.column not in absent]

    def _sound(self, table: pd.DataFrame | None, problems: list[Problem]) -> pd.DataFrame:
        problems = [problem for problem in problems if problem.level == "error"]
        if problems:
            shown = "\n".join(f"  {problem}" for problem in problems[:SHOWN_AT_ONCE])
            more = len(problems) - SHOWN_AT_ONCE
            rest = f"\n  … and {more} more" if more > 0 else ""
            raise StudyError(
                f"{self.folder} has {len(problems)} problem(s):\n{shown}{rest}\n"
                f"All of them: python -m npc_helpers.study check {self.folder}"
            )
        return table.reset_index(drop=True)

    def check(self, *, checksums: bool = True, progress: bool = True) -> pd.DataFrame:
        """Return every problem of the study at once, names and other identifying content included.

        Parameters
        ----------
        checksums : bool
            Also read every image file: compare the series' checksums (about 2 s per GB), and look
            through the headers for what identifies a person (about 1 ms a file).
        progress : bool
            Show a bar for the checksums of a large study.

        Returns
        -------
        DataFrame
            Columns where, patient_id, column, problem, what_to_do, level (error, warning, note);
            errors first. Without an error the notebooks run.
        """
        problems = read_about(self.folder)[1]
        registry, found = self._read(REGISTRY)
        problems += found
        read = {}
        for table in TABLES[1:]:
            if table.required or (self.folder / table.path).exists():
                read[table.name], found = self._read(table, registry)
                problems += found
        if not len(read.get("visits", ())):
            problems.append(NO_VISITS)
        problems += identifying.check_texts(self.folder)
        if read["manifest"] is not None:
            inside = checks.rows_inside(read["manifest"], self.folder, self.about.linked_folders)
            problems += checks.check_series(
                inside, self.folder, checksums=checksums, progress=progress
            )
            if checksums:
                problems += identifying.check_images(inside, self.folder, progress=progress)
        return as_table(problems)

    @property
    def _is_repository(self) -> bool:
        return is_repository(self.folder)

    def series_folder(self, patient_id: str, timepoint: str, sequence: str) -> Path:
        """Return the folder of one series.

        Raises
        ------
        StudyError
            If the manifest does not list the series or the folder is not there.
        """
        path = self._series_paths.get((patient_id, timepoint, sequence))
        if path is None:
            raise StudyError(
                f"{MANIFEST.path}: patient {patient_id} has no {timepoint} {sequence} series. "
                "Add a row for it, or leave the patient out."
            )
        if not (self.folder / path).is_dir():
            action = "Run `make study`." if self._is_repository else "Correct the column path."
            raise StudyError(
                f"{MANIFEST.path}, patient {patient_id}, column path: "
                f"folder '{path}' is missing. {action}"
            )
        return self.folder / path

    @cached_property
    def _series_paths(self) -> dict[tuple[str, str, str], str]:
        columns = ["patient_id", "timepoint", "sequence", "path"]
        return {tuple(row[:3]): row[3] for row in self._manifest[columns].itertuples(index=False)}

    # --- artefacts ----------------------------------------------------------------------------

    def result_path(self, name: str) -> Path:
        """Return where an artefact lies: results/<setting>/name, or results/name if shared.

        The cohort, the regions of interest and the image stacks are the same under both
        settings (`SHARED_RESULTS`).
        """
        results = self.folder / "results"
        if name.startswith(SHARED_RESULTS):
            return results / name
        return results / current_setting().name / name

    def by_hand_path(self, name: str) -> Path:
        """Return where lies what a person made, for instance the rectangles a reader drew.

        That is ``data/by_hand/``, apart from the results, which can be made again: no command
        removes or rewrites anything there. A file that an earlier version of the suite kept among
        the results is moved to it.
        """
        path, earlier = self.folder / BY_HAND / name, self.folder / "results" / name
        if earlier.is_file() and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            earlier.rename(path)
        return path

    def reference_path(self, name: str) -> Path:
        """Return where the small reference copy of an artefact lies, if the study ships one."""
        return self.folder / "data" / "reference" / name

    def fingerprint(self, *names: str) -> dict[str, str]:
        """Return the hashes of study tables (by name) and artefacts (by file name).

        What does not exist has the hash ``"missing"``; an artefact not made yet has the hash of
        its reference copy, as that is what `read_table` would return. ``"rois_*.csv"`` stands for
        all that readers drew: the hash of its rows, so that a step taken back leaves no trace.
        """
        return {name: self._hash(name) for name in names}

    def _hash(self, name: str) -> str:
        if name in {table.name for table in TABLES}:
            path = self.table_path(name)
        elif name.startswith("rois_"):
            return _hash_of_rows(self.by_hand_path("").glob(name))
        else:
            path = self.result_path(name)
            path = path if path.exists() else self.reference_path(name)
        return file_hash(path) if path.is_file() else "missing"

    def artefact_state(self, name: str, made_from: Mapping[str, str] | None = None) -> str:
        """Return ``"missing"``, ``"stale"`` or ``"current"``.

        Parameters
        ----------
        name : str
            File name of the artefact.
        made_from : mapping, optional
            What it would be made from now. By default the tables and artefacts it was made from
            are hashed again.
        """
        return self._state(self.result_path(name), made_from)

    def _state(self, path: Path, made_from: Mapping[str, str] | None) -> str:
        if not path.exists():
            return "missing"
        return "stale" if self._changes(path, made_from) else "current"

    def _changes(self, path: Path, made_from: Mapping[str, str] | None) -> list[str]:
        """Name the inputs of an artefact that are not what they were when it was made."""
        note = read_note(path)
        if note is None:
            return ["its note"]
        before = note["made_from"]
        if made_from is None:
            known = {table.name for table in TABLES}
            made_from = {
                name: self._hash(name) if name in known or Path(name).suffix else value
                for name, value in before.items()
            }
        names = sorted(before.keys() | made_from.keys())
        return [name for name in names if before.get(name) != made_from.get(name)]

    def write_table(self, name: str, table: pd.DataFrame, *, made_from: Mapping[str, str]) -> Path:
        """Write a table to the results, whole or not at all, with what it was made from.

        Parameters
        ----------
        name : str
            File name, for instance ``"cohort.csv"``.
        table : DataFrame
            The index is not kept.
        made_from : mapping of str to str
            `fingerprint` of the inputs, and anything else that changes the result as text
            (``{"seed": "2022"}``; a key with a dot in it is taken for a file of the results).
        """
        path = self.result_path(name)
        save_table(path, table, made_from=made_from)
        self._reason_path(name).unlink(missing_ok=True)
        return path

    def stamp(self, name: str, *, made_from: Mapping[str, str]) -> None:
        """Note what an artefact that is not a table (a model, an array) was made from."""
        write_note(self.result_path(name), made_from, {})
        self._reason_path(name).unlink(missing_ok=True)

    def note_left_out(self, name: str, reason: str) -> None:
        """Note why an artefact is not made of this study; an earlier one is removed."""
        with atomic_path(self._reason_path(name)) as temporary:
            temporary.write_text(reason + "\n", encoding="utf-8")
        self.result_path(name).unlink(missing_ok=True)
        note_path(self.result_path(name)).unlink(missing_ok=True)

    def why_left_out(self, name: str) -> str:
        """Return why an artefact was not made of this study; blank if nobody said so."""
        path = self._reason_path(name)
        return path.read_text(encoding="utf-8").strip() if path.exists() else ""

    def _reason_path(self, name: str) -> Path:
        path = self.result_path(name)
        return path.with_name(f"{path.name}.left_out.txt")

    def read_table(
        self, name: str, *, notebook: str, made_from: Mapping[str, str] | None = None
    ) -> pd.DataFrame:
        """Read a table an earlier notebook wrote, with its column types.

        Parameters
        ----------
        name : str
            File name, for instance ``"cohort.csv"``.
        notebook : str
            The notebook that makes it, named in messages.
        made_from : mapping, optional
            As for `artefact_state`.

        Raises
        ------
        StudyError
            If the table is stale, or missing and there is no reference copy.

        Warns
        -----
        UserWarning
            If the reference copy of the demonstration study is read instead.
        """
        return load_table(self.find_result(name, notebook=notebook, made_from=made_from))

    def find_result(
        self, name: str, *, notebook: str, made_from: Mapping[str, str] | None = None
    ) -> Path:
        """Return the path of a usable artefact; the terms are those of `read_table`."""
        path, reference = self.result_path(name), self.reference_path(name)
        if reason := self.why_left_out(name):
            raise NotInThisStudy(f"notebook {notebook} left {name} out: {reason}")
        state = self._state(path, made_from)
        if state == "current":
            return path
        if state == "stale":
            changed = ", ".join(self._changes(path, made_from))
            raise StudyError(
                f"{self._relative(path)} was made from other inputs than the present ones "
                f"(changed since: {changed}). Run notebook {notebook} again."
            )
        if not reference.exists() or not self.is_synthetic:
            raise StudyError(f"{self._relative(path)} is missing. Run notebook {notebook} first.")
        if self._state(reference, made_from) == "stale":
            raise StudyError(
                f"{self._relative(path)} is missing, and the reference copy was made from other "
                f"inputs than the present ones. Run notebook {notebook} first."
            )
        warnings.warn(
            f"USING THE REFERENCE {self._relative(reference)}, NOT A RESULT OF YOURS. "
            f"Run notebook {notebook} to make your own {name}.",
            stacklevel=3,
        )
        return reference

    def keep_as_reference(self, *names: str) -> None:
        """Copy artefacts, with their notes, to data/reference/ (for maintainers)."""
        for name in names:
            for source in (self.result_path(name), note_path(self.result_path(name))):
                with atomic_path(self.reference_path(name).with_name(source.name)) as temporary:
                    temporary.write_bytes(source.read_bytes())

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


def shipped_reference(name: str) -> pd.DataFrame:
    """Read the reference copy of an artefact table that ships with the repository.

    It describes the demonstration study, whichever study is open.

    Raises
    ------
    FileNotFoundError
        If there is none of this name.
    """
    return load_table(repository() / "data" / "reference" / name)


def _hash_of_rows(paths: Iterable[Path]) -> str:
    """Return one SHA-256 of the rows of tables that have the same columns, whatever their order."""
    rows = sorted(row for path in paths for row in path.read_bytes().splitlines()[1:])
    return hashlib.sha256(b"\n".join(rows)).hexdigest() if rows else "missing"


def _table(name: str) -> Table:
    for table in TABLES:
        if table.name == name:
            return table
    raise KeyError(f"no table {name!r}; there are {', '.join(table.name for table in TABLES)}")


def init(folder: str | Path) -> list[Path]:
    """Write the empty tables of a new study and a data dictionary.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    StudyError
        If one of the tables is there already; nothing is written then.
    """
    folder = Path(folder)
    texts = {table.path: ",".join(column.name for column in table.columns) for table in TABLES[:3]}
    texts["data/data_dictionary.md"] = data_dictionary()
    texts[ABOUT] = EMPTY
    present = [path for path in texts if (folder / path).exists()]
    if present:
        raise StudyError(
            f"{folder} has {present[0]} already; nothing was written. "
            "Name an empty folder, or check this one."
        )
    for path, text in texts.items():
        with atomic_path(folder / path) as temporary:
            temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    return [folder / path for path in texts]
