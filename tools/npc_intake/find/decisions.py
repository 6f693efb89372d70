"""What people decided about series: kept apart from the list that is made again and again.

A decision names a series by the ``id`` of its row, which does not depend on where its files lie.
It is saved at once, and two programs that save at the same time lose nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from io import StringIO
from pathlib import Path

import pandas as pd

from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.locks import locked
from npc_helpers.study.places import BY_HAND
from npc_helpers.study.schema import SEQUENCES, TIMEPOINTS
from npc_helpers.study.tables import read_text, write_text

DECISIONS = f"{BY_HAND}/series_decisions.csv"  # in the study folder
COLUMNS = ("id", "decided", "decided_at")
SKIP = "skip"
ALLOWED = {
    "",
    SKIP,
    *SEQUENCES,
    *TIMEPOINTS,
    *(f"{timepoint} {sequence}" for timepoint in TIMEPOINTS for sequence in SEQUENCES),
}


def read_decisions(study_folder: str | Path) -> dict[str, str]:
    """Return what was decided in a study, by the id of the series.

    Raises
    ------
    StudyError
        If the table is there and cannot be read.
    """
    path = Path(study_folder) / DECISIONS
    if not path.exists():
        return {}
    return decisions_in(path.read_text(encoding="utf-8-sig"), str(path))


def decisions_in(text: str, where: str) -> dict[str, str]:
    """Return the decisions of a table, as the page of decisions saves or copies it.

    Parameters
    ----------
    text : str
        CSV with the columns id and decided.
    where : str
        Named in messages.

    Raises
    ------
    StudyError
        If it is no such table, or says something that cannot be decided.
    """
    try:
        table = pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)
        decided = dict(zip(table["id"].str.strip(), table["decided"].str.strip(), strict=True))
    except (KeyError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise StudyError(
            f"{where}: not a table of decisions (columns id, decided). Save it from the page again."
        ) from error
    wrong = sorted(set(decided.values()) - ALLOWED)
    if wrong:
        raise StudyError(f"{where}: '{wrong[0]}' cannot be decided. Write one of {_shown()}.")
    return decided


def _shown() -> str:
    return ", ".join(sorted(f"'{words}'" for words in ALLOWED if words))


def save_decisions(study_folder: str | Path, decided: Mapping[str, str]) -> None:
    """Add decisions to those of a study; a blank one takes a decision back.

    Parameters
    ----------
    study_folder : path-like
    decided : mapping of str to str
        By the id of the series: ``t2w``, ``t1c``, ``pre t2w``, ``post t1c`` … or ``skip``.

    Raises
    ------
    StudyError
        If something else is decided, or the table cannot be read or written.
    """
    wrong = sorted(set(decided.values()) - ALLOWED)
    if wrong:
        raise StudyError(f"'{wrong[0]}' cannot be decided. Write one of {_shown()}.")
    path = Path(study_folder).expanduser() / DECISIONS
    try:
        with locked(path):
            write_text(path, _merged(path, decided))
    except OSError as error:
        raise StudyError(f"{path} cannot be written ({error.strerror}). Make room.") from error


def _merged(path: Path, decided: Mapping[str, str]) -> pd.DataFrame:
    before = pd.DataFrame(columns=list(COLUMNS), dtype=str)
    if path.exists():
        before, problems = read_text(path, str(path))
        if problems:
            raise StudyError(str(problems[0]))
    now = datetime.now().isoformat(sep=" ", timespec="seconds")
    new = [(identifier, words, now) for identifier, words in decided.items() if words]
    kept = before[~before["id"].isin(list(decided))]
    table = pd.concat([kept, pd.DataFrame(new, columns=list(COLUMNS))], ignore_index=True)
    return table.sort_values("id", ignore_index=True)
