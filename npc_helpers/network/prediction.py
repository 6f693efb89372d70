"""From image probabilities to patients: weighted means, the soft vote, and TNM as a predictor."""

from __future__ import annotations

import numpy as np
import pandas as pd

IMAGE_COLUMNS = ["patient_id", "timepoint", "sequence", "slice_index"]
HIGH_STAGES = ("IVA", "IVB", "IVC")


def image_predictions(index: pd.DataFrame, p_high_risk, cohort: pd.DataFrame) -> pd.DataFrame:
    """Join image probabilities with what is known of their patients.

    Parameters
    ----------
    index : DataFrame
        One row per image: patient_id, timepoint, sequence, slice_index.
    p_high_risk : array-like, shape (n,)
        Probability of high risk of each image, in the order of `index`.
    cohort : DataFrame
        patient_id, split, high_risk.

    Returns
    -------
    DataFrame
        The index columns with split, high_risk and p_high_risk.

    Raises
    ------
    ValueError
        If the lengths differ, a probability lies outside 0 to 1, or a patient is not in `cohort`.
    """
    p = np.asarray(p_high_risk, dtype=float)
    if len(p) != len(index):
        raise ValueError(f"{len(p)} probabilities for {len(index)} images")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p_high_risk must lie between 0 and 1")
    known = cohort.set_index("patient_id")
    strangers = sorted(set(index["patient_id"]) - set(known.index))
    if strangers:
        raise ValueError(f"patients {', '.join(strangers[:5])} have images but no row in cohort")
    table = index[IMAGE_COLUMNS].reset_index(drop=True)
    for column in ("split", "high_risk"):
        table[column] = known[column].loc[table["patient_id"]].to_numpy()
    return table.assign(p_high_risk=p)


def patient_features(index: pd.DataFrame, features: np.ndarray) -> pd.DataFrame:
    """Average the network's features over each patient's images.

    Parameters
    ----------
    index : DataFrame
        One row per image, with patient_id.
    features : ndarray, shape (n, C)
        In the order of `index`.

    Returns
    -------
    DataFrame
        patient_id and C columns ``f000``, ``f001`` …, to five decimals.
    """
    names = [f"f{number:03d}" for number in range(features.shape[1])]
    table = pd.DataFrame(np.asarray(features, dtype=float), columns=names)
    mean = table.groupby(index["patient_id"].to_numpy()).mean().round(5)
    return mean.rename_axis("patient_id").reset_index()


def patient_probability(predictions: pd.DataFrame, *, weights: str = "uniform") -> pd.Series:
    """Weighted mean of a patient's image probabilities (section 2.3 names no weights).

    Parameters
    ----------
    predictions : DataFrame
        From `image_predictions`.
    weights : {"uniform", "sequence", "confidence"}
        Every image alike (the default, because nothing needs to be chosen); each sequence the
        same say; or each image by its distance from one half.

    Returns
    -------
    Series
        Probability of high risk by patient_id.

    Raises
    ------
    ValueError
        If the weights have another name.
    """
    p = predictions["p_high_risk"]
    if weights == "uniform":
        weight = pd.Series(1.0, index=p.index)
    elif weights == "sequence":
        weight = 1 / predictions.groupby(["patient_id", "sequence"])["p_high_risk"].transform(
            "size"
        )
    elif weights == "confidence":
        weight = (p - 0.5).abs() + 1e-6
    else:
        raise ValueError(f"weights is {weights!r}; choose 'uniform', 'sequence' or 'confidence'")
    sums = (p * weight).groupby(predictions["patient_id"]).sum()
    return (sums / weight.groupby(predictions["patient_id"]).sum()).rename("p_high_risk")


def soft_vote(*patient_probabilities: pd.Series) -> pd.Series:
    """Mean of several models' probabilities, patient by patient (section 2.4).

    Raises
    ------
    ValueError
        If there is no model, or the models do not speak of the same patients.
    """
    if not patient_probabilities:
        raise ValueError("a vote needs the probabilities of at least one model")
    first, *others = patient_probabilities
    for other in others:
        if set(other.index) != set(first.index):
            differ = sorted(set(other.index) ^ set(first.index))
            raise ValueError(f"the models have different patients: {', '.join(differ[:5])}")
    mean = sum(other.reindex(first.index) for other in others) + first
    return (mean / len(patient_probabilities)).rename("p_high_risk")


def tnm_risk(cohort: pd.DataFrame) -> pd.Series:
    """TNM as a predictor with one threshold: stage IVA or above is 1, stage III is 0.

    Parameters
    ----------
    cohort : DataFrame
        patient_id and stage_8th.

    Raises
    ------
    ValueError
        If a patient has no stage.
    """
    missing = cohort.loc[cohort["stage_8th"].isna(), "patient_id"]
    if len(missing):
        raise ValueError(f"patient {missing.iloc[0]} has no stage_8th; complete the registry")
    return pd.Series(
        cohort["stage_8th"].isin(HIGH_STAGES).to_numpy(dtype=float),
        index=pd.Index(cohort["patient_id"], name="patient_id"),
        name="tnm_risk",
    )
