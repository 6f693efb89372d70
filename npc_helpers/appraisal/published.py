"""What the paper prints, read from the tables beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import pandas as pd

from npc_helpers.appraisal.run import FACTS, NOT_YET
from npc_helpers.statistics import ConfusionTable


def _read(name: str) -> pd.DataFrame:
    with (files("npc_helpers.appraisal") / name).open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def published() -> pd.DataFrame:
    """Return one row per printed claim.

    Returns
    -------
    DataFrame of str
        id, place, claim, printed, check and argument (the function of `appraise` that judges it),
        issue (claims that fail for the same reason share a name), remark (of the reviewer).
    """
    return _read("published.csv")


def table_1(characteristic: str) -> pd.DataFrame:
    """Return the counts of one characteristic in Table 1 (index level; training, test).

    Raises
    ------
    ValueError
        If Table 1 has no such characteristic.

    Examples
    --------
    >>> table_1("sex").loc["male"].tolist()
    [114, 33]
    """
    table = _read("table1.csv")
    characteristics = list(dict.fromkeys(table.characteristic))
    if characteristic not in characteristics:
        raise ValueError(f"Table 1 has no {characteristic!r}; it has {', '.join(characteristics)}")
    part = table[table.characteristic == characteristic].set_index("level")
    return part[["training", "test"]].astype(int)


def confusion_tables() -> dict[str, ConfusionTable]:
    """Return Table 2: the four counts of each model in the 43 test patients.

    Examples
    --------
    >>> pre = confusion_tables()["Pre-model"]
    >>> pre.tp, pre.fp, pre.tn, pre.fn
    (17, 5, 15, 6)
    """
    table = _read("table2.csv").set_index("model").astype(int)
    return {row.Index: ConfusionTable(row.tp, row.fp, row.tn, row.fn) for row in table.itertuples()}


def reproduction_map() -> pd.DataFrame:
    """Return where the suite reproduces each figure, table and method of the paper.

    Returns
    -------
    DataFrame of str
        item, what, notebook (stem), heading (of the section in that notebook), difference (from
        the paper, blank where there is none worth naming).

    Examples
    --------
    >>> reproduction_map().item.iloc[0]
    'Fig. 1'
    """
    return _read("reproduction.csv")


def checklist(facts: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return reporting items after TRIPOD+AI (2024) and CLAIM (2024), in our own short words.

    Parameters
    ----------
    facts : mapping of str, optional
        What a run knows of itself, from `run_facts`; without it, ``not yet run`` stands there.

    Returns
    -------
    DataFrame of str
        guideline, topic, item, paper (what it reports; ``open`` where it says nothing),
        run (what a run of this suite records; ``open`` where only the user can answer).

    Examples
    --------
    >>> sorted(checklist().guideline.unique())
    ['CLAIM 2024', 'TRIPOD+AI']
    """
    answers = dict.fromkeys(FACTS, NOT_YET) | dict(facts or {})
    items = _read("checklist.csv")
    return items.assign(run=[text.format(**answers) for text in items["run"]])
