"""What is wrong with a study or should be known of it: one row each, and a page that groups them.

An *error* stops the notebooks or would make their results wrong. A *warning* concerns some
patients or images, and the rest goes on without them. A *note* is good to know.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

LEVELS = ("error", "warning", "note")
EXAMPLES = 3
_VARYING = re.compile(r"'[^']*'|\d[\d.:,-]*|\b[A-Z]{1,5}-\w+")  # what differs within one kind


class Problem(NamedTuple):
    """One thing that is wrong or should be known, and what to do about it."""

    where: str
    patient_id: str
    column: str
    problem: str
    what_to_do: str
    level: str = "error"

    def __str__(self) -> str:
        return f"{_subject(self)}: {self.problem}. {self.what_to_do}"


def _subject(problem: Problem, *, column: bool = True) -> str:
    parts = (
        problem.where,
        problem.patient_id and f"patient {problem.patient_id}",
        column and problem.column and f"column {problem.column}",
    )
    return ", ".join(part for part in parts if part)


def as_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Return problems as a table, errors first, in the order of the fields of `Problem`."""
    ranked = sorted(problems, key=lambda problem: LEVELS.index(problem.level))
    return pd.DataFrame(ranked, columns=list(Problem._fields))


def counts(table: pd.DataFrame) -> str:
    """Return how many problems of each level a table holds, in words."""
    numbers = table["level"].value_counts()
    return ", ".join(
        f"{numbers.get(level, 0)} {level}{'' if numbers.get(level, 0) == 1 else 's'}"
        for level in LEVELS
    )


def page(table: pd.DataFrame) -> str:
    """Return the table of `as_table` as text: one entry per kind, with its number and examples.

    Two problems are of one kind if they have level, file, column and words in common; numbers and
    what stands between quotation marks may differ.
    """
    kinds: dict[tuple, list[Problem]] = {}
    for problem in map(Problem._make, table.itertuples(index=False)):
        kinds.setdefault(_kind(problem), []).append(problem)
    return "\n".join(_entry(members) for members in kinds.values())


def _kind(problem: Problem) -> tuple:
    file = re.sub(r" row \d+$", "", problem.where)
    if "." not in file.rpartition("/")[2]:  # the folder of a series
        file = "images"
    return problem.level, file, problem.column, _VARYING.sub("#", problem.problem)


def _entry(members: list[Problem]) -> str:
    first = members[0]
    if len(members) == 1:
        return f"{first.level.upper():8} {first}"
    _, file, column, _ = _kind(first)
    title = ", ".join(part for part in (file, column and f"column {column}") if part)
    lines = [f"{first.level.upper():8} {title}, {len(members)} times:"]
    lines += [f"{'':10}{_subject(p, column=False)}: {p.problem}" for p in members[:EXAMPLES]]
    if len(members) > EXAMPLES:
        lines.append(f"{'':10}… and {len(members) - EXAMPLES} more")
    actions = dict.fromkeys(problem.what_to_do for problem in members)
    return "\n".join([*lines, f"{'':10}{next(iter(actions))}"])
