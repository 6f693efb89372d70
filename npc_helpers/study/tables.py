"""One table of a study: text to typed columns with every problem on the way, and back to text.

Nothing here raises for bad data: each function that reads returns a list of `Problem`.
"""

import csv
import difflib
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.dates import to_iso
from npc_helpers.study.formulas import defused_table, restored_table
from npc_helpers.study.problems import Problem
from npc_helpers.study.schema import MARKUP, MISSING, Column, Table

ISO_DATE = r"\d{4}-\d{2}-\d{2}"
WORKBOOKS, WORKBOOK_STARTS = (".xlsx", ".xls", ".ods"), (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
AS_CSV = (
    "Open it in a spreadsheet and save it as 'CSV UTF-8 (comma delimited)'. If yours writes "
    "semicolons all the same, make the comma its list separator (Windows: region settings), or "
    "save it with LibreOffice, which asks."
)
PUT_IT_THERE = (
    "Put it there (python -m npc_helpers.study init writes the tables that are missing, empty), or "
    "let NPC_STUDY name another folder."
)
NAME_THE_COLUMNS = (
    "The first line has to name the columns: take out a title above it, and stray commas."
)
NOT_CSV = (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error)
NO_DATE = (
    "Write an existing day as YYYY-MM-DD. In a spreadsheet, give the column this date format: a "
    "number such as 42065 then becomes a day, and 3/2/2015 no longer leaves open which is the day."
)


def read_text(path: Path, where: str) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Read a CSV file as text, cells stripped, `n/a` made blank, blank rows left out.

    What was written so that no spreadsheet takes it for a formula is as it was (`formulas`). The
    table is None where the file cannot be read as one; the problems then say why.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = [name.strip() for name in next(csv.reader(file), [])]
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig"
        )
    except (FileNotFoundError, UnicodeDecodeError, *NOT_CSV) as error:
        why = _unreadable(path, error)
    else:
        why = _malformed(table, header)
    if why:
        return None, [Problem(where, "", "", *why)]
    table.columns = header
    table = table[[name for name in header if name]]
    table = table.apply(lambda column: column.fillna("").str.strip())
    table = restored_table(table.mask(table.isin(MISSING), ""))
    return table[(table != "").any(axis=1)], []


def _unreadable(path: Path, error: Exception) -> tuple[str, str]:
    """Say what is wrong with a file that pandas does not read, and what to do."""
    if isinstance(error, FileNotFoundError):
        books = [path.with_suffix(end) for end in WORKBOOKS if path.with_suffix(end).exists()]
        if books:
            return f"the file is missing, but {books[0].name} is there", AS_CSV
        return "the file is missing", PUT_IT_THERE
    if not isinstance(error, UnicodeDecodeError):
        return f"the file is not a CSV table ({error})".strip(), "Save it again as CSV."
    with path.open("rb") as file:
        is_workbook = file.read(4) in WORKBOOK_STARTS
    kind = "a workbook and not a table of text" if is_workbook else "not UTF-8"
    return f"the file is {kind}", AS_CSV


def _malformed(table: pd.DataFrame, header: list[str]) -> tuple[str, str] | None:
    """Say what is wrong with the columns of a table as it was read, and what to do, if anything."""
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        return "the columns are not separated by commas", AS_CSV
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        return f"column {twice[0]} is there twice", "Delete or rename one of them."
    if not isinstance(table.index, pd.RangeIndex):
        return "rows have more cells than the header", NAME_THE_COLUMNS
    return None


def check_table(text: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, list[Problem]]:
    """Check a table of text (of `read_text`) against its columns and give each column its type.

    Every column of `table` comes first, then the user's own. Dates are datetime64, yes/no columns
    bool, numbers int64 (float64 if any is blank), all else text; what cannot be read is blank
    (False for yes/no), and a problem.
    """
    problems = _missing_columns(text, table)
    text, notes = _with_iso_dates(text, table)
    typed = {}
    for column in table.columns:
        if column.name in text.columns:
            typed[column.name] = _typed(text[column.name], column)
            problems += _bad_values(text, table, column, typed[column.name])
        else:
            blank = pd.Series("", index=text.index, dtype=object)
            typed[column.name] = _typed(blank, column)
    of_the_user = {name: text[name] for name in text.columns if name not in typed}
    typed = pd.DataFrame(typed | of_the_user)
    return typed, problems + _repeated(typed, table) + notes


def _with_iso_dates(text: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, list[Problem]]:
    """Write the dates of a table as YYYY-MM-DD, and note which other forms were read."""
    dates = [c.name for c in table.columns if c.kind == "date" and c.name in text.columns]
    iso, forms = to_iso(text[dates])
    notes = [
        Problem(
            table.path, "", "", f"{count} dates are written like {form}",
            "They are read; nothing has to be done.", "note",
        )
        for form, count in forms.items()
    ]  # fmt: skip
    return text.assign(**iso), notes


def write_text(path: Path, table: pd.DataFrame) -> None:
    """Write a table as a study's file: UTF-8 CSV, yes and no, ISO dates; whole or not at all."""
    table = table.copy()
    for name in table.select_dtypes(["bool", "boolean"]):
        table[name] = table[name].map({True: "yes", False: "no"})
    with atomic_path(path) as temporary:
        defused_table(table).to_csv(
            temporary, index=False, encoding="utf-8", lineterminator="\n", date_format="%Y-%m-%d"
        )


def empty_table(table: Table) -> pd.DataFrame:
    """Return a table without rows, with the columns and types that `check_table` gives."""
    names = [column.name for column in table.columns]
    return check_table(pd.DataFrame(columns=names, dtype=object), table)[0]


def _missing_columns(text: pd.DataFrame, table: Table) -> list[Problem]:
    """Name the columns that should be there; a near miss among the others is suggested."""
    names = [column.name for column in table.columns]
    others = {name.lower(): name for name in text.columns if name not in names}
    problems = []
    for column in table.columns:
        near = difflib.get_close_matches(column.name, list(others), n=1, cutoff=0.75)
        if column.name in text.columns or not (near or column.required):
            continue
        says, action = "missing", f"Add the column: {column.meaning}."
        if near:
            says = f"missing; found '{others[near[0]]}'"
            action = f"Rename the column '{others[near[0]]}' to '{column.name}'."
        problems.append(Problem(table.path, "", column.name, says, action))
    return problems


def _typed(values: pd.Series, column: Column) -> pd.Series:
    """Give one column of text its type; a choice among numbers is a number."""
    if column.kind == "date":
        iso = values.where(values.str.fullmatch(ISO_DATE))
        return pd.to_datetime(iso, format="%Y-%m-%d", errors="coerce")
    if column.kind == "yes_no":
        return values == "yes"
    choice_of_numbers = column.kind == "choice" and all(map(str.isdigit, column.values))
    if column.kind in ("integer", "number") or choice_of_numbers:
        numbers = pd.to_numeric(values.where(values != ""), errors="coerce").astype(float)
        whole = column.kind != "number" and len(numbers) and (numbers % 1 == 0).all()
        return numbers.astype("int64") if whole else numbers
    return values.astype(object)


def _bad_values(text: pd.DataFrame, table: Table, column: Column, typed: pd.Series):
    """Yield the cells of one column that are blank, not allowed, unreadable or implausible."""
    values, report = text[column.name], partial(rows, text, table, column=column.name)
    filled = values != ""
    if not column.may_be_blank:
        action = f"Fill it in ({' or '.join(column.values) or column.meaning})."
        yield from report(~filled, problem="is blank", what_to_do=action)
    if column.is_name:
        odd = f"holds a sign that does not print, or one of {' '.join(MARKUP)}"
        action = "Write it with other signs, the same in every table and in the images."
        yield from report(~values.map(_is_plain), problem=odd, what_to_do=action)
    wrong, action = pd.Series(False, index=text.index), ""
    if column.values:
        wrong, action = ~values.isin(column.values), f"Allowed: {', '.join(column.values)}."
    elif column.kind == "date":
        wrong, action = typed.isna(), NO_DATE
    elif column.kind in ("integer", "number"):
        low = -np.inf if column.low is None else column.low
        high = np.inf if column.high is None else column.high
        whole = column.kind == "integer"
        wrong = ~typed.between(low, high) | np.isinf(typed) | (whole & (typed % 1 != 0))
        limits = f"{low} to {high}" if np.isfinite(high) else f"{low} or more"
        kind, point = ("a whole", "") if whole else ("a", ", with a point and not a comma")
        action = f"Give {kind} number, {limits}, without a unit or another sign{point}."
    says = f"is '{{{column.name}}}'"
    yield from report(filled & wrong, problem=says, what_to_do=action)


def _is_plain(text: str) -> bool:
    """Tell whether all signs of a text print, and none is taken for markup."""
    return text.isprintable() and not set(text) & set(MARKUP)


def printed(value: object) -> str:
    """Return a text that a terminal only prints: signs that do not print become ?."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(value))


def _repeated(typed: pd.DataFrame, table: Table) -> list[Problem]:
    key = list(table.key)
    if not key:
        return []
    again = typed.duplicated(key) & (typed[key] != "").all(axis=1)
    says = f"{' + '.join(f'{{{name}}}' for name in key)} was there before"
    return rows(typed, table, again, " + ".join(key), says, "Keep one of the rows.")


def rows(
    table: pd.DataFrame, of: Table, wrong: pd.Series, column: str, problem: str, what_to_do: str,
    level: str = "error",
) -> list[Problem]:  # fmt: skip
    """Return one problem per row where `wrong` is True; rows are numbered as in a spreadsheet.

    Cells of the row stand in `problem` by the name of their column: ``"'{path}' is missing"``.
    """
    return [
        Problem(
            f"{of.path} row {index + 2}", printed(row.get("patient_id", "")), column,
            problem.format_map(row), what_to_do, level,
        )
        for index, row in table[wrong.to_numpy(dtype=bool)].iterrows()
    ]  # fmt: skip
