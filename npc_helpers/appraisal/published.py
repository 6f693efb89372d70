"""What the paper prints, read from the tables beside this file."""

from collections.abc import Mapping, Sequence
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


ANSWERS = ("yes", "partly", "no", "not reported", "not applicable", NOT_YET, "for the authors")


def checklist(facts: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return all items of four checklists, in our own short words, with their answers.

    TRIPOD+AI (Collins et al., BMJ 2024;385:e078378; 27 items with 52 parts), CLAIM 2024 (Tejani et
    al., Radiol Artif Intell 2024;6:e240300; 44), PROBAST+AI (Moons et al., BMJ 2025;388:e082505; 16
    questions on development, 18 on evaluation) and METRICS (Kocak et al., Insights Imaging
    2024;15:8; 30, with weights). The wording that counts is theirs.

    Parameters
    ----------
    facts : mapping of str, optional
        What a run knows of itself, from `run_facts`; without it, ``not yet run`` stands there.

    Returns
    -------
    DataFrame
        guideline, number, topic, item; paper and run: one of `ANSWERS`; paper_where (section,
        table or figure, and what is lacking), run_where (what the run knows); weight (METRICS).

    Examples
    --------
    >>> checklist().groupby("guideline", sort=False).size().to_dict()
    {'TRIPOD+AI': 52, 'CLAIM 2024': 44, 'PROBAST+AI': 34, 'METRICS': 30}
    """
    answers = dict.fromkeys(FACTS, NOT_YET) | dict(facts or {})
    items = _read("checklist.csv")
    told = {"paper": items["paper"], "run": [text.format(**answers) for text in items["run"]]}
    for side, texts in told.items():
        parts = [text.partition(": ")[::2] for text in texts]
        items[side] = [
            NOT_YET if NOT_YET in answer + where else ANSWERS[-1] if answer == "authors" else answer
            for answer, where in parts
        ]
        items[f"{side}_where"] = [where for _, where in parts]
    weight = pd.to_numeric(items.pop("weight"))
    first = ["guideline", "number", "topic", "item", "paper", "paper_where", "run", "run_where"]
    return items[first].assign(weight=weight)


def metrics_score(items: pd.DataFrame, side: str, *, counted: Sequence[str] = ("yes",)) -> float:
    """METRICS score: the weights of the items met, as a share of those that apply.

    Parameters
    ----------
    items : DataFrame
        From `checklist`.
    side : {"paper", "run"}
    counted : sequence of str
        Answers that count as met. METRICS knows yes and no only, so ``partly`` is no.

    Examples
    --------
    >>> round(metrics_score(checklist(), "paper"), 3)
    0.469
    """
    weighted = items[items["weight"].notna() & (items[side] != "not applicable")]
    return float(weighted.loc[weighted[side].isin(counted), "weight"].sum() / weighted.weight.sum())
