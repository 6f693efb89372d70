"""TNM as a comparator: what staging can do when it is not reduced to one threshold.

Everything that is estimated is estimated in the training cohort; the test cohort is only scored.
A stage or word that a study's tables may not hold ("IVa", "4A", blank) is refused by patient.
"""

import warnings

import pandas as pd

from npc_helpers.statistics.cox import fit_cox
from npc_helpers.statistics.gate import checked, numbers, of_table, one_of

STAGE_ORDER = ("I", "II", "III", "IVA", "IVB", "IVC")
T_STAGES = ("T0", "T1", "T2", "T3", "T4")
N_STAGES = ("N0", "N1", "N2", "N3", "N3a", "N3b")
TREATMENTS = ("IC+CCRT", "CCRT", "IC+RT", "RT")


def stage_ranks(patients: pd.DataFrame, *, column: str) -> pd.Series:
    """Place of each patient's stage group in the order I, II, III, IVA, IVB, IVC, from 0."""
    (stages,) = checked(**of_table(patients, **{column: one_of(*STAGE_ORDER)}))
    ranks = [float(STAGE_ORDER.index(stage)) for stage in stages]
    return pd.Series(ranks, patients.index, name=column)


def tn_covariates(patients: pd.DataFrame) -> pd.DataFrame:
    """T and N as numbers, in the index of `patients`.

    Parameters
    ----------
    patients : DataFrame
        t_stage and n_stage, such as T3 and N2; N3a and N3b count as 3.

    Examples
    --------
    >>> tn_covariates(pd.DataFrame({"t_stage": ["T3", "T4"], "n_stage": ["N2", "N3a"]}))
         T    N
    0  3.0  2.0
    1  4.0  3.0
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

    Examples
    --------
    >>> patients = pd.DataFrame({"t_stage": ["T3"], "n_stage": ["N2"], "age_years": [52]})
    >>> clinical_covariates(patients.assign(sex="M", treatment="IC+CCRT")).iloc[0].tolist()
    [3.0, 2.0, 5.2, 1.0, 1.0, 1.0]
    """
    kinds = {"age_years": numbers, "sex": one_of("M", "F"), "treatment": one_of(*TREATMENTS)}
    age, sex, treatment = checked(**of_table(patients, **kinds))
    return tn_covariates(patients).assign(
        age_decades=age / 10,
        male=(sex == "M").astype(float),
        induction=[float(plan.startswith("IC")) for plan in treatment],
        concurrent=[float("CCRT" in plan) for plan in treatment],
    )


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
        ``TNM, ordinal`` (the 7th edition's groups in order; left out with a warning if a patient
        has no stage there: it does not know T0, the 8th does); ``T + N, Cox`` (linear predictor).
        Higher is worse; in the index of `test`.

    Examples
    --------
    >>> train = pd.DataFrame({"t_stage": ["T4", "T2", "T4", "T3", "T2", "T3"],
    ...                       "n_stage": ["N1", "N2", "N2", "N1", "N1", "N2"]})
    >>> train = train.assign(pfs_months=[5, 10, 15, 20, 25, 30], progressed=[1, 1, 1, 1, 0, 0])
    >>> test = train.head(2).assign(stage_7th=["IVA", "III"], stage_8th=["IVA", "III"])
    >>> [score.round(1).tolist() for score in tnm_scores(train, test).values()]
    [[1.0, 0.0], [3.0, 2.0], [1.2, -1.2]]
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
    model = fit_cox(train["pfs_months"], train["progressed"], tn_covariates(train))
    return scores | {"T + N, Cox": model.risk_score(tn_covariates(test))}
