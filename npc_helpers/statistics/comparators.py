"""TNM as a fair opponent: what staging can do when it is not cut down to one threshold.

Everything that is estimated is estimated in the training cohort; the test cohort is only scored.
"""

from __future__ import annotations

import warnings

import pandas as pd

from npc_helpers.statistics.gate import (
    checked,
    numbers,
    of_table,
    one_of,
)
from npc_helpers.statistics.survival import CoxModel, fit_cox

STAGE_ORDER = ("I", "II", "III", "IVA", "IVB", "IVC")
HIGH_STAGES = STAGE_ORDER[STAGE_ORDER.index("IVA") :]
T_STAGES = ("T0", "T1", "T2", "T3", "T4")
N_STAGES = ("N0", "N1", "N2", "N3", "N3a", "N3b")
TREATMENTS = ("IC+CCRT", "CCRT", "IC+RT", "RT")


def stage_ranks(patients: pd.DataFrame, *, column: str) -> pd.Series:
    """Place of each patient's stage group in the order I, II, III, IVA, IVB, IVC, from 0.

    Parameters
    ----------
    patients : DataFrame
    column : str
        For instance stage_8th.

    Raises
    ------
    ColumnError
        If a stage is blank or written otherwise ("IVa", "4A"), naming the patient.
    """
    (stages,) = checked(**of_table(patients, **{column: one_of(*STAGE_ORDER)}))
    ranks = [float(STAGE_ORDER.index(stage)) for stage in stages]
    return pd.Series(ranks, patients.index, name=column)


def tn_covariates(patients: pd.DataFrame) -> pd.DataFrame:
    """Return T and N as numbers, in the index of `patients`.

    Parameters
    ----------
    patients : DataFrame
        t_stage and n_stage, such as T3 and N2; N3a and N3b count as 3.

    Raises
    ------
    ColumnError
        If a category is blank or none of these.
    """
    t, n = checked(**of_table(patients, t_stage=one_of(*T_STAGES), n_stage=one_of(*N_STAGES)))
    digits = {"T": [float(stage[1]) for stage in t], "N": [float(stage[1]) for stage in n]}
    return pd.DataFrame(digits, patients.index)


def clinical_covariates(patients: pd.DataFrame) -> pd.DataFrame:
    """Code what is known without a network, one degree of freedom each.

    Parameters
    ----------
    patients : DataFrame
        t_stage, n_stage, age_years, sex, treatment.

    Returns
    -------
    DataFrame
        ``T`` and ``N`` (as numbers), ``age_decades``, ``male``, ``induction`` and ``concurrent``
        chemotherapy (0 or 1), in the index of `patients`.

    Raises
    ------
    ColumnError
        If a value is blank or none of those that a study's tables may hold.
    """
    kinds = {"age_years": numbers, "sex": one_of("M", "F"), "treatment": one_of(*TREATMENTS)}
    age, sex, treatment = checked(**of_table(patients, **kinds))
    return tn_covariates(patients).assign(
        age_decades=age / 10,
        male=(sex == "M").astype(float),
        induction=[float(plan.startswith("IC")) for plan in treatment],
        concurrent=[float("CCRT" in plan) for plan in treatment],
    )


def tn_cox(train: pd.DataFrame) -> CoxModel:
    """Fit a Cox model of T and N on the training cohort.

    Parameters
    ----------
    train : DataFrame
        t_stage, n_stage, pfs_months, progressed.

    Raises
    ------
    ValueError
        As `tn_covariates` and `fit_cox`.
    """
    return fit_cox(train["pfs_months"], train["progressed"], tn_covariates(train))


def tnm_scores(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, pd.Series]:
    """Score the test cohort by staging in three ways, from coarse to fine.

    Parameters
    ----------
    train, test : DataFrame
        t_stage, n_stage, stage_7th, stage_8th; `train` also pfs_months and progressed.

    Returns
    -------
    dict of str to Series
        ``TNM, two levels`` (8th edition, IVA or above against the rest: the paper's);
        ``TNM, ordinal`` (the 7th edition's groups in order); ``T + N, Cox`` (linear predictor).
        Higher is worse; in the index of `test`.

    Warns
    -----
    UserWarning
        If ``TNM, ordinal`` is left out, because a patient has no stage in the 7th edition: it
        does not know T0, the 8th does.

    Raises
    ------
    ColumnError
        If a stage is blank or unknown otherwise, or as `fit_cox`.
    """
    eighth = stage_ranks(test, column="stage_8th")
    scores = {"TNM, two levels": (eighth >= STAGE_ORDER.index("IVA")).astype(float)}
    unknown = (test["t_stage"] == "T0") & (test["stage_7th"] == "")
    if unknown.any():
        names = test["patient_id"] if "patient_id" in test else test.index.to_series()
        warnings.warn(
            f"'TNM, ordinal' is left out: patient {names[unknown].iloc[0]}, T0, has no stage in "
            f"the 7th edition ({int(unknown.sum())} of {len(test)} patients)",
            stacklevel=2,
        )
    else:
        scores["TNM, ordinal"] = stage_ranks(test, column="stage_7th")
    return scores | {"T + N, Cox": tn_cox(train).risk_score(tn_covariates(test))}
