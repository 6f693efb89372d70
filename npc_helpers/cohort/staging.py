"""AJCC stage groups of nasopharyngeal carcinoma, 7th and 8th edition, from T, N and M.

The edition is always named: the same letters are another stage in another edition.
"""

import pandas as pd

from npc_helpers.study.schema import EDITIONS, M_VALUES, N_VALUES, T_VALUES


def _lookup(groups: dict[str, tuple[str, str, str, str]]) -> dict[tuple[str, str], str]:
    """Return (T, N) -> group from one row per T and one column per N."""
    n_values = ("N0", "N1", "N2", "N3")
    return {
        (t, n): group
        for t, row in groups.items()
        for n, group in zip(n_values, row, strict=True)
        if group
    }


# AJCC Cancer Staging Manual, 7th edition (2010), nasopharynx, without distant metastasis.
STAGE_7TH = _lookup(
    {  #      N0     N1     N2     N3
        "T1": ("I", "II", "III", "IVB"),
        "T2": ("II", "II", "III", "IVB"),
        "T3": ("III", "III", "III", "IVB"),
        "T4": ("IVA", "IVA", "IVA", "IVB"),
    }
)
STAGE_7TH |= {(t, n): "IVB" for t in T_VALUES[7] for n in ("N3a", "N3b")}

# 8th edition (2017). T0 means EBV-positive nodes without a primary tumour, so T0 N0 is nothing.
STAGE_8TH = _lookup(
    {  #      N0     N1     N2     N3
        "T0": ("", "II", "III", "IVA"),
        "T1": ("I", "II", "III", "IVA"),
        "T2": ("II", "II", "III", "IVA"),
        "T3": ("III", "III", "III", "IVA"),
        "T4": ("IVA", "IVA", "IVA", "IVA"),
    }
)
METASTATIC_STAGE = {7: "IVC", 8: "IVB"}
ADVANCED_STAGES = {7: ("III", "IVA", "IVB"), 8: ("III", "IVA")}  # locally advanced, M0


def _stages(edition: int) -> dict[tuple[str, str], str]:
    if edition not in EDITIONS:
        raise ValueError(f"edition is {edition!r}; allowed: 7, 8 (AJCC nasopharynx).")
    return STAGE_7TH if edition == 7 else STAGE_8TH


def stage_group(t: str, n: str, m: str, *, edition: int) -> str:
    """Return the AJCC stage group of a nasopharyngeal carcinoma, ``"I"`` to ``"IVC"``.

    The same T and N are another stage in another edition: T4 N3 is IVB in the 7th, IVA in the 8th.
    A category that does not exist in that edition, or T0 with N0, is a `ValueError`.

    Examples
    --------
    >>> stage_group("T4", "N3", "M0", edition=7), stage_group("T4", "N3", "M0", edition=8)
    ('IVB', 'IVA')
    """
    stages = _stages(edition)
    categories = {"T": (t, T_VALUES[edition]), "N": (n, N_VALUES[edition]), "M": (m, M_VALUES)}
    for name, (value, values) in categories.items():
        if value not in values:
            raise ValueError(
                f"{name} is {value!r}; the {edition}th edition has {', '.join(values)}."
            )
    if m == "M1":
        return METASTATIC_STAGE[edition]
    if (t, n) not in stages:
        raise ValueError(f"{t} {n} has no stage group: without a primary tumour there are nodes.")
    return stages[t, n]


def stage_groups(registry: pd.DataFrame, *, edition: int, ignore_m: bool = False) -> pd.Series:
    """Return the stage group of every patient under one edition.

    Blank where T, N or M is blank or T does not exist in that edition. The letters of the columns
    t_stage, n_stage and m_stage are regrouped as they stand: the images are not read again,
    although some definitions of T and N changed between editions. `ignore_m`: judge by T and N
    alone, as if there were no distant metastasis.

    Examples
    --------
    >>> registry = pd.DataFrame({"t_stage": ["T2", "T4"], "n_stage": ["N2", ""], "m_stage": "M0"})
    >>> stage_groups(registry, edition=8).tolist()
    ['III', '']
    """
    stages = _stages(edition)
    n_stage = registry["n_stage"]
    if edition == 8:
        n_stage = n_stage.replace({"N3a": "N3", "N3b": "N3"})
    pairs = pd.MultiIndex.from_arrays([registry["t_stage"], n_stage])
    groups = pd.Series(pairs.map(stages), registry.index, dtype=object).fillna("")
    if ignore_m:
        return groups
    m_stage = registry["m_stage"]
    return groups.mask(m_stage == "M1", METASTATIC_STAGE[edition]).where(m_stage != "", "")
