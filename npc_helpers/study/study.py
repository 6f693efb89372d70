"""One study folder: its validated tables, its series and the artefacts made from them.

From a terminal::

    python -m npc_helpers.study init DIR     # empty tables and a data dictionary
    python -m npc_helpers.study check DIR    # every problem at once; exit status 1 if any
    python -m npc_helpers.study dictionary   # what every column means, as Markdown
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from npc_helpers.study import checks, mark, slices, tables
from npc_helpers.study.about import ABOUT, EMPTY, About, read_about
from npc_helpers.study.artefact_table import results_page
from npc_helpers.study.artefacts import NotInThisStudy, StudyError, atomic_path, first_few
from npc_helpers.study.follow_up import last_reviews, without_end
from npc_helpers.study.image_dates import check_image_dates
from npc_helpers.study.places import is_repository, repository
from npc_helpers.study.problems import Problem, as_table
from npc_helpers.study.registered import registered_checks
from npc_helpers.study.results import Results
from npc_helpers.study.schema import (
    ENDS,
    MANIFEST,
    REGISTRY,
    TABLE_PATHS,
    TABLES,
    VISITS,
    Table,
    tables_page,
)

NO_VISITS = Problem(
    VISITS.path, "", "", "there is no visit, so that regular review cannot be judged",
    "Everybody passes the two criteria that ask for it, unless you fill it in.", "warning",
)  # fmt: skip


@dataclass(frozen=True)
class Study(Results):
    """One study folder, with ``data_manifest.csv`` and ``data/registry.csv``.

    `schema` lists every table and column. A folder that does not exist is a `StudyError`; the
    tables are read and checked when first asked for.
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
        """Open the folder that ``NPC_STUDY`` names, or else the demonstration study.

        Without both there is no study to open (`repository`).
        """
        return cls(os.environ.get("NPC_STUDY") or repository())

    @classmethod
    def demonstration(cls) -> Study:
        """Open the demonstration study of the repository, whatever ``NPC_STUDY`` says."""
        return cls(repository())

    @property
    def name(self) -> str:
        """The folder's own name; "demonstration" for the study that ships with the suite."""
        return "demonstration" if self.is_demonstration else self.folder.name

    @property
    def is_synthetic(self) -> bool:
        """True if every series is synthetic: nothing computed on it is clinical evidence."""
        return self._synthetic_part == "all"

    @property
    def has_synthetic(self) -> bool:
        """True if any series is synthetic."""
        return self._synthetic_part != "none"

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
        return bool(self._registry[ENDS].notna().any(axis=None))

    def require_outcomes(self, purpose: str) -> None:
        """Raise `NotInThisStudy` if no patient has an outcome; `purpose`: "training"."""
        if not self.has_outcomes:
            raise NotInThisStudy(
                f"{purpose} needs outcomes, and {REGISTRY.path} has none: {', '.join(ENDS[:-1])} "
                f"and {ENDS[-1]} are blank for every patient. Fill them in. Regions of interest "
                "and Grad-CAM work without them."
            )

    def require_visits(self, purpose: str) -> None:
        """Raise `NotInThisStudy` if the study has no follow-up visit."""
        if self._visits.empty:
            raise NotInThisStudy(
                f"{purpose} needs follow-up visits, and {VISITS.path} has none. Add one row per "
                "visit, or leave out what judges regular review."
            )

    def require_images(self, purpose: str) -> None:
        """Raise `NotInThisStudy` if the manifest lists no series."""
        if self._manifest.empty:
            raise NotInThisStudy(
                f"{purpose} needs images, and {MANIFEST.path} lists none. Add the series "
                "(docs/own_images.md tells how). Screening works without them."
            )

    # --- tables -------------------------------------------------------------------------------

    @property
    def registry(self) -> pd.DataFrame:
        """One row per patient (a copy; `schema.REGISTRY` describes the columns).

        A patient without any end of follow-up gets the last review in the visits, if one is there.
        """
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
        registry = self._registry_as_written
        if without_end(registry).any():
            registry = registry.assign(last_review_date=last_reviews(registry, self._visits))
        return registry

    @cached_property
    def _registry_as_written(self) -> pd.DataFrame:
        return self._loaded(REGISTRY)

    @cached_property
    def _visits(self) -> pd.DataFrame:
        if not self.table_path("visits").exists():
            return tables.empty_table(VISITS)
        return self._loaded(VISITS, self._registry_as_written)

    @cached_property
    def _manifest(self) -> pd.DataFrame:
        return self._loaded(MANIFEST, self._registry)

    def table_path(self, name: str) -> Path:
        """Return where a study table lies: registry, visits, manifest or suggested_rois."""
        return self.folder / TABLE_PATHS[name]

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
            more += checks.check_follow_up(typed, registry)
        elif registry is not None and table is MANIFEST:
            more = checks.check_manifest(typed, registry, self.folder, self.about.linked_folders)
        elif registry is not None:
            more = checks.check_known_patients(typed, table, registry)
        absent = {problem.column for problem in problems if problem.problem.startswith("missing")}
        return typed, problems + [problem for problem in more if problem.column not in absent]

    def _loaded(self, table: Table, *registry: pd.DataFrame) -> pd.DataFrame:
        """Return a table without a problem; its hash is kept for what will be made from it."""
        self._seen[table.name] = self._hash(table.name)
        content, problems = self._read(table, *registry)
        errors = [problem for problem in problems if problem.level == "error"]
        if errors:
            shown = "\n  ".join(first_few(errors))
            raise StudyError(
                f"{self.folder} has {len(errors)} problem(s):\n  {shown}\n"
                f"All of them: python -m npc_helpers.study check {self.folder}"
            )
        return content.reset_index(drop=True)

    def check(self, *, checksums: bool = True) -> pd.DataFrame:
        """Return every problem of the study at once, names and other identifying content included.

        Parameters
        ----------
        checksums : bool
            Also read every image file: compare the series' checksums, look for blank and repeated
            images (about 4 s per GB together), and look through the headers for what identifies a
            person (about 1 ms a file).

        Returns
        -------
        DataFrame
            Columns where, patient_id, column, problem, what_to_do, level (error, warning, note);
            errors first. Without an error the notebooks run.
        """
        problems = read_about(self.folder)[1]
        registry, of_registry = self._read(REGISTRY)
        problems += of_registry
        content = {}
        for table in TABLES[1:]:
            if table.required or (self.folder / table.path).exists():
                content[table.name], of_table = self._read(table, registry)
                problems += of_table
        visits = content.get("visits")
        if visits is None or visits.empty:
            problems.append(NO_VISITS)
        if registry is not None:
            problems += checks.check_ends(registry, visits)
        inside = None
        if content["manifest"] is not None:
            inside = checks.rows_inside(content["manifest"], self.folder, self.about.linked_folders)
            problems += checks.check_series(inside, self.folder, checksums=checksums)
            if checksums:
                problems += slices.check_slices(inside, self.folder)
                if registry is not None:
                    problems += check_image_dates(inside, registry, self.folder)
        images = inside if checksums else None
        return as_table(problems + registered_checks(self.folder, images))

    @property
    def is_demonstration(self) -> bool:
        """True for the study that ships with the suite."""
        return is_repository(self.folder)

    def series_folder(self, patient_id: str, timepoint: str, sequence: str) -> Path:
        """Return the folder of one series.

        A `StudyError` if the manifest does not list the series or the folder is not there.
        """
        path = self._series_paths.get((patient_id, timepoint, sequence))
        if path is None:
            raise StudyError(
                f"{MANIFEST.path}: patient {patient_id} has no {timepoint} {sequence} series. "
                "Add a row for it, or leave the patient out."
            )
        if not (self.folder / path).is_dir():
            action = "Run `make study`." if self.is_demonstration else "Correct the column path."
            raise StudyError(
                f"{MANIFEST.path}, patient {patient_id}, column path: "
                f"folder '{path}' is missing. {action}"
            )
        return self.folder / path

    @cached_property
    def _series_paths(self) -> dict[tuple[str, str, str], str]:
        columns = ["patient_id", "timepoint", "sequence", "path"]
        return {tuple(row[:3]): row[3] for row in self._manifest[columns].itertuples(index=False)}


def data_dictionary() -> str:
    """Return what stands in a study's tables and in its results, as Markdown."""
    return f"{tables_page()}\n{results_page()}"


def init(folder: str | Path) -> list[Path]:
    """Write the empty tables of a new study, or those that one lacks, and a data dictionary.

    Returns what was written; what is there already stays as it is. If nothing is missing, that is a
    `StudyError`.
    """
    folder = Path(folder)
    texts = {table.path: ",".join(column.name for column in table.columns) for table in TABLES[:3]}
    texts["data/data_dictionary.md"] = data_dictionary()
    texts[ABOUT] = EMPTY
    missing = [path for path in texts if not (folder / path).exists()]
    if not missing:
        raise StudyError(
            f"{folder} has all tables already; nothing was written. Name an empty folder, or check "
            "this one."
        )
    for path in missing:
        with atomic_path(folder / path) as temporary:
            temporary.write_text(texts[path].rstrip("\n") + "\n", encoding="utf-8")
    return [folder / path for path in missing]
