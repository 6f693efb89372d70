"""What an archive holds for a list of patients: asked before anything is fetched."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.progress import progress_bar
from npc_intake.deidentify.pseudonyms import Key
from npc_intake.find.timepoints import AFTER, BEFORE
from npc_intake.pacs.archive import Archive, PacsError, RemoteSeries, libraries_silenced

LIST_COLUMNS = ("patient_id", "treatment_start", "treatment_end")
WILDCARDS = re.compile(r"[*?\\\x00-\x1f]")  # PS3.4, C.2.2.2.4; PS3.5, 6.2


@dataclass(frozen=True, eq=False)
class Plan:
    """What `retrieve` will fetch.

    Attributes
    ----------
    series : tuple of RemoteSeries
        With original identifiers: keep it in memory. Printing the plan leaves it out.
    table : DataFrame
        One row per patient, without them: row (line of the list, 2 = first patient), patient_id
        (the pseudonym), n_examinations, n_series, n_images (missing if the archive does not say
        how many), problem (blank if none).
    """

    series: tuple[RemoteSeries, ...] = field(repr=False)
    table: pd.DataFrame

    @property
    def n_images(self) -> int | None:
        """Number of images in all, or None if the archive does not say."""
        counts = [series.n_images for series in self.series]
        return None if None in counts else sum(counts)


def read_list(path: str | Path) -> pd.DataFrame:
    """Read the list of patients to retrieve.

    Parameters
    ----------
    path : path-like
        CSV with the columns patient_id (the hospital's own number), treatment_start and
        treatment_end (``YYYY-MM-DD``; the end may be blank).

    Returns
    -------
    DataFrame
        Those columns; dates as datetime64.

    Raises
    ------
    StudyError
        If the file cannot be read, or a column, number or date is missing or wrong. Rows are
        named by their line: the message holds no number of a patient.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: cannot be read ({error}). It must be a UTF-8 CSV.") from None
    missing = [name for name in LIST_COLUMNS if name not in table]
    if missing:
        raise StudyError(f"{path}: no column {', '.join(missing)}. Name it in the first line.")
    table = table[list(LIST_COLUMNS)].apply(lambda column: column.str.strip())
    for name in LIST_COLUMNS[1:]:
        dates = pd.to_datetime(table[name], format="%Y-%m-%d", errors="coerce")
        wrong = dates.isna() & ((table[name] != "") | (name == "treatment_start"))
        _refuse_rows(path, wrong, f"{name} is not a date like 2018-01-31")
        table[name] = dates
    _refuse_rows(path, table["patient_id"] == "", "patient_id is blank")
    joker = table["patient_id"].str.contains(WILDCARDS)
    _refuse_rows(path, joker, "patient_id holds * ? or \\, which stand for other characters")
    _refuse_rows(path, table["patient_id"].duplicated(), "patient_id is listed before")
    early = table["treatment_end"] < table["treatment_start"]
    _refuse_rows(path, early, "treatment_end lies before treatment_start")
    return table


def _refuse_rows(path: str | Path, wrong: pd.Series, problem: str) -> None:
    if wrong.any():
        lines = ", ".join(str(line + 2) for line in wrong[wrong].index[:10])
        raise StudyError(f"{path}, line {lines}: {problem}. Mend it and run this again.")


@libraries_silenced()
def plan(
    archive: Archive,
    patients: pd.DataFrame,
    key: Key,
    *,
    description: str = "",
    progress: bool = True,
) -> Plan:
    """Ask an archive which MR series it holds for a list of patients.

    Examinations count from `BEFORE` the start of treatment to `AFTER` its end (or its start, where
    the end is not known).

    Parameters
    ----------
    archive : Archive
    patients : DataFrame
        As `read_list` returns it.
    key : Key
        Gives the pseudonyms of the table.
    description : str
        Regular expression; only series whose description matches it (upper and lower case alike).
    progress : bool

    Returns
    -------
    Plan

    Raises
    ------
    PacsError
        If the archive cannot be asked.
    StudyError
        If `description` is no regular expression.
    """
    try:
        pattern = re.compile(description, re.IGNORECASE)
    except re.error as error:
        raise StudyError(f"description is no regular expression: {error}") from None
    archive.echo()
    to_fetch: list[RemoteSeries] = []
    rows = []
    everyone = list(patients.itertuples(index=False))
    for line, patient in enumerate(progress_bar(everyone, shown=progress, desc="asking"), start=2):
        chosen, problem = _ask(archive, patient, pattern)
        to_fetch += chosen
        rows.append([line, key.pseudonym(patient.patient_id), *_counts(chosen), problem])
    columns = ["row", "patient_id", "n_examinations", "n_series", "n_images", "problem"]
    table = pd.DataFrame(rows, columns=columns).astype({"n_images": "Int64"})
    return Plan(tuple(to_fetch), table)


def _ask(
    archive: Archive, patient: NamedTuple, pattern: re.Pattern
) -> tuple[list[RemoteSeries], str]:
    """Return the series of a patient that match, and what is wrong with the answer."""
    end = patient.treatment_start if pd.isna(patient.treatment_end) else patient.treatment_end
    window = f"{patient.treatment_start - BEFORE:%Y%m%d}", f"{end + AFTER:%Y%m%d}"
    try:
        answers = archive.series(patient.patient_id, *window)
    except PacsError as error:
        return [], str(error)
    of_patient = [series for series in answers if series.patient_id.strip() == patient.patient_id]
    chosen = [series for series in of_patient if pattern.search(series.description)]
    return chosen, _problem(answers, of_patient, chosen)


def _counts(series: list[RemoteSeries]) -> tuple[int, int, int | None]:
    counts = [listed.n_images for listed in series]
    n_images = None if None in counts else sum(counts)
    return len({listed.study_uid for listed in series}), len(series), n_images


def _problem(
    answers: list[RemoteSeries], of_patient: list[RemoteSeries], chosen: list[RemoteSeries]
) -> str:
    if not answers:
        return "no MR series in these months; check the number and the dates"
    if not of_patient:
        return "the archive answers with another patient number; check leading zeros"
    if not chosen:
        return "no series has a description that matches"
    if len({listed.study_uid for listed in chosen}) < 2:
        return "only one examination: before or after treatment is missing"
    return ""
