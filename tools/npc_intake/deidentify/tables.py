"""Take the identity out of a study's tables, with the key that did the same to their images.

As for images there is a keep-list: the columns of `study.schema`, and of each column the values
that its kind allows.
"""

import numpy as np
import pandas as pd

from npc_helpers.study.schema import Column, Table
from npc_intake.deidentify import keep_list
from npc_intake.deidentify.pseudonyms import Key


def deidentify_table(
    table: pd.DataFrame, key: Key, *, schema: Table
) -> tuple[pd.DataFrame, list[str]]:
    """Replace patients and readers, shift the dates, and keep nothing that the schema lacks.

    Parameters
    ----------
    table : DataFrame
        With a column patient_id, typed as `Study` or `tables.check_table` returns it.
    key : Key
    schema : Table
        `schema.REGISTRY`, `schema.VISITS` or `schema.SUGGESTED_ROIS`.

    Returns
    -------
    clean : DataFrame
        A copy with the columns that the schema names. Intervals between dates of one patient are
        unchanged; an age is at most 89; a value its column does not allow is blank, an unknown
        examination is called other.
    left_out : list of str
        What was, for the user: one sentence per column, without repeating a value.
    """
    columns = {column.name: column for column in schema.columns}
    clean, left_out = {}, []
    for name, values in table.items():
        if name not in columns:
            left_out.append(f"column {name}: left out, as the data dictionary does not name it.")
            continue
        clean[name], n_changed = _clean(values, columns[name], table["patient_id"], key)
        if n_changed:
            left_out.append(f"column {name}: {n_changed} value(s) left out, not allowed there.")
    return pd.DataFrame(clean, index=table.index), left_out


def _clean(
    values: pd.Series, column: Column, patients: pd.Series, key: Key
) -> tuple[pd.Series, int]:
    """Return what may stay of one column, and how many values may not."""
    filled = values.notna() & (values.astype(str).str.strip() != "")
    if column.name == "patient_id":
        return values.map(key.pseudonym), 0
    if column.name == "reader_id":
        return values.where(filled, "").astype(str).map(key.reader), 0
    if column.name == "examinations":
        clean = values.where(filled, "").astype(str).map(_examinations)
        return clean, int((clean != values.where(filled, "")).sum())
    if column.kind == "date":
        days = pd.to_timedelta(patients.map(key.days), unit="D")
        clean = pd.to_datetime(values, errors="coerce", format="%Y-%m-%d") + days
    elif column.values:
        as_text = values.astype(str).str.removesuffix(".0")
        truth = {True: "yes", False: "no"}
        as_text = values.map(truth) if values.dtype == bool else as_text
        clean = values.where(as_text.isin(column.values))
    elif column.kind in ("integer", "number"):
        clean = _numbers(values, column)
    else:  # no other free text
        clean = pd.Series(np.nan, index=values.index, dtype=object)
    return clean, int((filled & clean.isna()).sum())


def _numbers(values: pd.Series, column: Column) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    if column.name == "age_years":
        return numbers.where(numbers.between(column.low, column.high)).clip(
            upper=keep_list.OLDEST_YEARS
        )
    high = keep_list.LARGEST_IN_TABLE if column.high is None else column.high
    low = -high if column.low is None else column.low
    return numbers.where(numbers.between(low, high))


def _examinations(text: str) -> str:
    words = [word.strip() for word in text.split(";") if word.strip()]
    return ";".join(
        word if keep_list.EXAMINATIONS.fullmatch(word) else keep_list.OTHER_EXAMINATION
        for word in words
    )
