"""What descriptions said before names were taken out: a table beside the key, joined on demand.

In the study only listed words stay. Whoever has the key, and has to decide about a series, may see
the rest: ``found.table.merge(original_words(key_path), on="series_uid", how="left")``.
"""

from pathlib import Path

import pandas as pd

from npc_intake.deidentify.beside_key import PrivateTable, Row
from npc_intake.deidentify.header import WORDS, Deidentified
from npc_intake.deidentify.pseudonyms import Key

COLUMNS = ("series_uid", "patient_id", *WORDS)


class OriginalWords:
    """The table of words of one key.

    Parameters
    ----------
    key : Key
        Kept in a file, or nothing is noted.
    """

    def __init__(self, key: Key) -> None:
        self._table = PrivateTable(key.beside("words"), COLUMNS) if key.path else None
        self._noted: set[tuple[str, ...]] = set()

    def note(self, image: Deidentified) -> None:
        """Write down the words of an image, unless its series said the same before."""
        dataset = image.dataset
        row = (dataset.SeriesInstanceUID, dataset.PatientID, *image.words.values())
        if self._table is None or row in self._noted or not any(row[2:]):
            return
        self._noted.add(row)
        self._table.add(lambda rows: [row] if row not in map(_key, rows) else [])


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in COLUMNS)


def original_words(key_path: str | Path) -> pd.DataFrame:
    """Return what the series of a study were called before they were de-identified.

    Parameters
    ----------
    key_path : path-like
        The key they were de-identified with.

    Returns
    -------
    DataFrame
        One row per series: series_uid (the new one, as in `FoundSeries.table`), patient_id (the
        pseudonym) and the texts of the original: description, protocol, study_description,
        image_type, contrast_agent, sequence_name, body_part. Where the images of a series said
        several things, they are joined by `` | ``. It may name people: show it to those only who
        may see the originals, and do not save it into the study.

    Raises
    ------
    StudyError
        If there is no such key.
    """
    rows = PrivateTable(Key.existing(key_path).beside("words"), COLUMNS).read()
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)
    return table.groupby(["series_uid", "patient_id"], sort=False, as_index=False).agg(_joined)


def _joined(texts: pd.Series) -> str:
    return " | ".join(dict.fromkeys(text for text in texts if text))
