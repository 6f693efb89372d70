"""TNM as a fair opponent: what staging can do when it is not cut down to one threshold.

Everything that is estimated is estimated in the training cohort; the test cohort is only scored.
"""

from __future__ import annotations

import pandas as pd

from npc_helpers.statistics.survival import CoxModel, fit_cox

STAGE_ORDER = ("I", "II", "III", "IVA", "IVB", "IVC")


def tn_covariates(patients: pd.DataFrame) -> pd.DataFrame:
    """Return T and N as numbers, in the index of `patients`."""
    stages = {"T": patients["t_stage"], "N": patients["n_stage"]}
    return pd.DataFrame({name: stage.str[1].astype(float) for name, stage in stages.items()})


def tn_cox(train: pd.DataFrame) -> CoxModel:
    """Fit a Cox model of T and N on the training cohort.

    Parameters
    ----------
    train : DataFrame
        t_stage, n_stage, pfs_months, progressed.

    Raises
    ------
    ValueError
        As `fit_cox`.
    """
    return fit_cox(train["pfs_months"], train["progressed"].astype(bool), tn_covariates(train))


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

    Raises
    ------
    ValueError
        If a stage is unknown, or as `fit_cox`.
    """
    ranks = {stage: rank for rank, stage in enumerate(STAGE_ORDER)}
    for column in ("stage_7th", "stage_8th"):
        unknown = sorted(set(test[column]) - set(STAGE_ORDER))
        if unknown:
            raise ValueError(f"{column} holds {unknown[0]!r}; known are {', '.join(STAGE_ORDER)}")
    eighth = test["stage_8th"].map(ranks)
    return {
        "TNM, two levels": (eighth >= ranks["IVA"]).astype(float),
        "TNM, ordinal": test["stage_7th"].map(ranks).astype(float),
        "T + N, Cox": tn_cox(train).risk_score(tn_covariates(test)),
    }


def stage_risk(train: pd.DataFrame, test: pd.DataFrame, *, column: str = "stage_8th") -> pd.Series:
    """Share of high-risk patients in each stage of the training cohort, given to the test cohort.

    Parameters
    ----------
    train, test : DataFrame
        `column`; `train` also high_risk.
    column : str

    Returns
    -------
    Series
        A probability for each patient of `test`.

    Raises
    ------
    ValueError
        If a stage of the test cohort does not occur in the training cohort.
    """
    shares = train["high_risk"].astype(float).groupby(train[column]).mean()
    missing = sorted(set(test[column]) - set(shares.index))
    if missing:
        raise ValueError(f"stage {', '.join(missing)} of the test cohort has no training patients")
    return test[column].map(shares).rename("p_high_risk")
