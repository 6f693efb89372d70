"""The one gate for outcomes and scores: every column of a call is checked here, and only here.

A function names its columns and gets plain arrays back; the kinds of the usual names stand in
`USUAL`, any other is told::

    time, event, size = checked(time=time, event=event, size=numbers(size))

All columns must belong to the same patients in the same order, one row each. What cannot be used
is refused with the name of the column, the first patient concerned, and what to do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

PATIENT = "patient_id"
ROUNDING = 1.5e-8  # of the mean: times nearer to each other than that are one
IMAGE = [PATIENT, "timepoint", "sequence", "slice_index"]


class ColumnError(ValueError):
    """A column cannot be used; the message names column and patient and says what to do."""


class TooFewPatients(ValueError):
    """The columns are in order and the patients too few, or too alike, for what was asked.

    The message says what is needed and what there is.
    """


Refuse = Callable[[np.ndarray, str], None]  # raises if any row is True, and says what it has


@dataclass(frozen=True)
class Column:
    """A column as it was handed over, and what it has to be.

    Attributes
    ----------
    values : array-like, shape (n,)
    read : callable
        Turns the values into a plain array, and refuses what it cannot turn (values, refuse).
    names : sequence, optional
        What the rows are called in messages; by default the index of a Series.
    """

    values: object
    read: Callable[[np.ndarray, Refuse], np.ndarray]
    names: Sequence | None = None
    may_be_missing: bool = False


# --- what a column can be ------------------------------------------------------------------------


def _read_numbers(plain: np.ndarray, refuse: Refuse) -> np.ndarray:
    if plain.dtype.kind in "Mm":
        refuse(~np.isnat(plain), "has a date or a duration. Give a number, for instance months.")
    if plain.dtype.kind not in "biuf":
        refuse(
            ~_instances(plain, bool, int, float, np.number, np.bool_),
            "has {value!r}, which is no number. Convert the column.",
        )
    values = plain.astype(float)
    refuse(np.isinf(values), "has infinity. Give a finite number.")
    return values


def _read_times(plain: np.ndarray, refuse: Refuse) -> np.ndarray:
    if plain.dtype.kind in "bO":
        yes_or_no = _instances(plain, bool, np.bool_)
        refuse(yes_or_no, "has {value}, which is no time. Were time and event exchanged?")
    values = _read_numbers(plain, refuse)
    refuse(values < 0, "has {value}; a time is not negative. Look for dates in the wrong order.")
    return values if np.isnan(values).any() else _ties_restored(values)


def _ties_restored(times: np.ndarray) -> np.ndarray:
    """Make times equal that differ by the rounding of a computer only, as 0.1 + 0.2 and 0.3 do.

    Otherwise patients who were in fact tied would count as ordered. R's `survival` does the same,
    with the same tolerance (`timefix`).
    """
    different, which = np.unique(times, return_inverse=True)
    typical = np.abs(different).sum() / max(len(different), 1)
    is_new = np.diff(different, prepend=-np.inf) > ROUNDING * typical
    return different[is_new][np.cumsum(is_new) - 1][which]


def _read_flags(plain: np.ndarray, refuse: Refuse) -> np.ndarray:
    if plain.dtype.kind not in "biuf":
        refuse(
            _instances(plain, str, bytes),
            "has {value!r}, which is text. True or False is needed: compare the column with the "
            "word that means yes, for instance `column == 'yes'`.",
        )
    values = _read_numbers(plain, refuse)
    wrong = ~np.isin(values, (0, 1))
    if set(pd.unique(values).tolist()) <= {1.0, 2.0}:
        refuse(
            wrong,
            "has 2: the column is coded 1 and 2, as R and SPSS may do. True or False (1 or 0) is "
            "needed: give `column == 2`.",
        )
    refuse(
        wrong,
        "has {value}. True or False (1 or 0) is needed. If these are months, two columns were "
        "exchanged; compare a score with a cutoff first, for instance `risk_score > 0.5`.",
    )
    return values == 1


def _read_probabilities(plain: np.ndarray, refuse: Refuse) -> np.ndarray:
    values = _read_numbers(plain, refuse)
    outside = ~((values >= 0) & (values <= 1))
    refuse(outside, "has {value}; a probability lies between 0 and 1. Divide a percentage by 100.")
    return values


def _read_groups(plain: np.ndarray, refuse: Refuse) -> np.ndarray:
    return plain


numbers = partial(Column, read=_read_numbers)  # finite: scores, covariates, sizes
numbers_or_missing = partial(Column, read=_read_numbers, may_be_missing=True)  # or NaN
times = partial(Column, read=_read_times)  # to an event or the last review; not negative
flags = partial(Column, read=_read_flags)  # True and False, or 1 and 0: events, labels, calls
probabilities = partial(Column, read=_read_probabilities)  # from 0 to 1
groups = partial(Column, read=_read_groups)  # names, not blank
USUAL = {
    **dict.fromkeys(("time", "months", "pfs_months"), times),
    **dict.fromkeys(("event", "progressed", "high_risk"), flags),
    **dict.fromkeys(("p_event", "p_high_risk"), probabilities),
    "risk_score": numbers,
    "group": groups,
}
"""What a column of such a name is."""


def one_of(*allowed: str) -> Callable[[object], Column]:
    """Return the kind of column that holds nothing but the `allowed` words."""

    def words(plain, refuse):
        unknown = np.array([value not in allowed for value in plain.tolist()], dtype=bool)
        refuse(unknown, f"has {{value!r}}; allowed are {', '.join(allowed)}. Correct it.")
        return plain

    return partial(Column, read=words)


def each(
    columns: Mapping[str, object], name: str = "score of {}", kind=numbers, *, fewest: int = 0
) -> dict[str, Column]:
    """Return the columns of a mapping or table, all of one kind, under names for `checked`.

    Fewer models than `fewest`, one or two, are refused.
    """
    if not isinstance(columns, Mapping | pd.DataFrame):
        raise ColumnError(
            f"a mapping of names to columns is needed, for instance {{'Ensemble': score}}; "
            f"found {type(columns).__name__}"
        )
    if len(columns.keys()) < fewest == 1:
        raise ColumnError("give the scores of at least one model")
    if len(columns.keys()) < fewest:
        raise ColumnError("a comparison needs at least two models")
    titles = pd.Series([str(title) for title in columns.keys()])
    if titles.duplicated().any():
        again = titles[titles.duplicated()].iloc[0]
        raise ColumnError(f"column {again} is there twice; rename or drop one")
    return {name.format(label): kind(values) for label, values in columns.items()}


def of_table(
    table: pd.DataFrame,
    *usual: str,
    rows: Sequence | None = None,
    **kinds: Callable[[object], Column],
) -> dict[str, Column]:
    """Return columns of a table with one row per patient, for `checked`: `USUAL` ones, and others.

    Messages call the rows by `rows`, by default the column patient_id where there is one, and
    otherwise the index.
    """
    kinds = {name: USUAL[name] for name in usual} | kinds
    absent = [name for name in kinds if name not in table.columns]
    if absent:
        absent, needed = ", ".join(absent), ", ".join(kinds)
        raise ColumnError(f"the table has no column {absent}; it needs {needed}")
    if rows is None and PATIENT in table.columns:
        rows = table[PATIENT]
    return {name: replace(kind(table[name]), names=rows) for name, kind in kinds.items()}


def images(table: pd.DataFrame) -> list[str] | None:
    """What messages call the rows of a table with one row per image; None if it does not say."""
    if not set(IMAGE) <= set(table.columns):
        return None
    return [f"{p}, {t} {s}, slice {i}" for p, t, s, i in table[IMAGE].itertuples(index=False)]


def two_classes(labels: np.ndarray) -> np.ndarray:
    """Return `labels` (bool) if both classes occur, and refuse them otherwise."""
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        raise TooFewPatients(
            f"high_risk has one class only ({positives} of {len(labels)} are True), so there is "
            "nothing to tell apart; check the split or the label"
        )
    return labels


def standardised(score: np.ndarray) -> np.ndarray:
    """Return a score in standard deviations from its mean; one without spread is refused."""
    if np.ptp(score) == 0:
        raise TooFewPatients("the score is the same for every patient; nothing follows from it")
    return (score - score.mean()) / score.std(ddof=1)


def index_of(values) -> pd.Index | None:
    """Return the index of a Series or table, so that a result can carry it on."""
    return values.index if isinstance(values, pd.Series | pd.DataFrame) else None


# --- the gate ------------------------------------------------------------------------------------


def checked(**columns) -> list[np.ndarray]:
    """Return the columns as plain arrays (n,) of the same patients in the same order.

    Each is a `Column`, such as ``numbers(values)``, or the values of one whose name is `USUAL`.
    Series are matched by position and must then have equal indices: that patients had come in
    another order would go unnoticed otherwise.

    Returns
    -------
    list of ndarray
        In the order given: float for times, numbers and probabilities, bool for flags, as they
        are for groups.

    Raises
    ------
    ColumnError
        If a value is missing, infinite, negative, out of range or coded otherwise, a patient is
        there twice, or the columns differ in length, patients or order.
    """
    columns = {
        name: column if isinstance(column, Column) else USUAL[name](column)
        for name, column in columns.items()
    }
    plain = {name: _plain(name, column.values) for name, column in columns.items()}
    _same_patients({name: index_of(column.values) for name, column in columns.items()})
    _same_length(plain)
    patients = _row_names(columns, len(next(iter(plain.values()))))
    arrays = []
    for name, column in columns.items():
        missing, refuse = _missing(plain[name]), _refusal(name, patients, plain[name])
        if not column.may_be_missing:
            refuse(missing, "has no value. Fill it in, or leave such patients out.")
        values = (
            np.where(missing, np.nan, plain[name].astype(object)) if missing.any() else plain[name]
        )
        arrays.append(column.read(values, refuse))
    return arrays


def _plain(name: str, values) -> np.ndarray:
    """One-dimensional array; a masked or nullable value becomes None or NaN."""
    if isinstance(values, np.ma.MaskedArray):
        values = np.where(np.ma.getmaskarray(values), None, values.data)
    plain = np.asarray(values)
    if plain.ndim != 1:
        shape = " x ".join(map(str, plain.shape)) or "a single value"
        raise ColumnError(f"{name} is no column ({shape}); give one value for each patient")
    if not len(plain):
        raise ColumnError(f"{name} is empty; there is no patient to estimate anything from")
    return plain


def _same_length(plain: Mapping[str, np.ndarray]) -> None:
    (first, values), *others = plain.items()
    for name, more in others:
        if len(more) != len(values):
            raise ColumnError(
                f"columns differ in length ({first} {len(values)}, {name} {len(more)}); "
                "give one value for each patient"
            )


def _same_patients(indices: Mapping[str, pd.Index | None]) -> None:
    indices = {name: index for name, index in indices.items() if index is not None}
    if not indices:
        return
    first, *others = indices
    for name in others:
        a, b = indices[first], indices[name]
        if a.equals(b):
            continue
        strangers = [*a.difference(b, sort=False), *b.difference(a, sort=False)]
        if strangers:
            kept = first if strangers[0] in a else name
            difference = f"patient {strangers[0]} is in {kept} only"
        else:
            row = int(np.flatnonzero(a != b)[0])
            difference = f"row {row} is patient {a[row]} in {first}, patient {b[row]} in {name}"
        raise ColumnError(
            f"{first} and {name} have different patients or orders: {difference}. "
            f"Use .reindex(...) so that both follow the same index."
        )


def _row_names(columns: Mapping[str, Column], n: int) -> list | None:
    """Names of the patients, each once; None if the rows have numbers only."""
    given = [column.names for column in columns.values()]
    given += [index_of(column.values) for column in columns.values()]
    named = [g for g in given if g is not None and len(g) == n and not isinstance(g, pd.RangeIndex)]
    if not named:
        return None
    names = pd.Series(list(named[0]), dtype=object)
    blank = np.flatnonzero(_missing(names.to_numpy()))
    if len(blank):
        raise ColumnError(f"row {blank[0]} (counted from 0) has no {PATIENT}. Fill it in.")
    if names.duplicated().any():
        patient = names[names.duplicated()].iloc[0]
        raise ColumnError(
            f"patient {patient} has {int((names == patient).sum())} rows in {', '.join(columns)}. "
            "Keep one."
        )
    return names.tolist()


def _refusal(name: str, patients: list | None, plain: np.ndarray) -> Refuse:
    """Return what raises if a row of a column is wrong; `fault` may mention its ``{value}``."""

    def refuse(wrong: np.ndarray, fault: str) -> None:
        rows = np.flatnonzero(wrong)
        if not len(rows):
            return
        first, value = rows[0], plain[rows[0]]
        value = value.item() if isinstance(value, np.generic) else value
        row = f"patient {patients[first]}" if patients else f"row {first} (counted from 0)"
        more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
        raise ColumnError(f"{name}: {row}{more} {fault.format(value=value)}")

    return refuse


def _missing(plain: np.ndarray) -> np.ndarray:
    if plain.dtype.kind in "biu":
        return np.zeros(len(plain), dtype=bool)
    missing = pd.isna(plain)
    if plain.dtype.kind in "OUS":
        missing |= [isinstance(value, str) and not value.strip() for value in plain.tolist()]
    return missing


def _instances(plain: np.ndarray, *kinds: type) -> np.ndarray:
    """Which values are of one of these types."""
    return np.fromiter((isinstance(value, kinds) for value in plain.tolist()), bool, len(plain))
