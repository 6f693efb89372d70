"""From image probabilities to patients: weighted means, the soft vote, and TNM as a predictor."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from npc_helpers.cohort import included_patients
from npc_helpers.statistics.comparators import STAGE_ORDER, stage_ranks
from npc_helpers.statistics.gate import (
    IMAGE,
    ColumnError,
    checked,
    each,
    flags,
    groups,
    images,
    of_table,
    probabilities,
)
from npc_helpers.study import NotInThisStudy
from npc_helpers.study.schema import MODELS


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
    ColumnError
        If the lengths differ, an image is there twice, a probability is missing or outside 0 to
        1, a patient of an image is not in `cohort`, or has no split or label there.
    """
    columns = of_table(index, rows=images(index), **dict.fromkeys(IMAGE, groups))
    names, *_, p = checked(**columns, p_high_risk=probabilities(p_high_risk))
    strangers = sorted(set(names) - set(cohort["patient_id"]))
    if strangers:
        raise ColumnError(f"patients {', '.join(strangers[:5])} have images but no row in cohort")
    with_images = cohort[cohort["patient_id"].isin(set(names))]
    side, label = checked(**of_table(with_images, split=groups, high_risk=flags))
    patients = pd.DataFrame({"split": side, "high_risk": label}, with_images["patient_id"])
    table = index[IMAGE].reset_index(drop=True)
    return table.join(patients, on="patient_id").assign(p_high_risk=p)


def compared_patients(cohort: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the patients of the cohort of whom every model has seen an image.

    Models can be compared on the same patients only; an examination may be missing of some.

    Parameters
    ----------
    cohort : DataFrame
        One row per patient, with patient_id.
    tables : mapping of str to DataFrame
        Predictions or features by model, with patient_id.

    Raises
    ------
    NotInThisStudy
        If there is no such patient.
    """
    seen = [cohort["patient_id"].isin(table["patient_id"]) for table in tables.values()]
    compared = cohort[np.logical_and.reduce(seen)].reset_index(drop=True)
    if compared.empty:
        raise NotInThisStudy(
            f"a comparison needs patients with images for {' and '.join(tables)}, and none of the "
            f"{len(cohort)} has them"
        )
    return compared


def compared_scores(
    read_table: Callable[[str], pd.DataFrame],
) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Patients who can be compared, and what each model says of them.

    Parameters
    ----------
    read_table : callable
        Where the tables cohort.csv, predictions_pre.csv and predictions_post.csv come from:
        `Study.read_table` or `shipped_reference`.

    Returns
    -------
    patients : DataFrame
        Included patients of whom both models have seen an image, by patient_id.
    risk : dict of str to Series
        Scores of the same patients: the probabilities of Pre-model and Post-model, their soft
        vote (Ensemble), and TNM with one threshold.

    Raises
    ------
    NotInThisStudy
        As `compared_patients`.
    """
    cohort = included_patients(read_table("cohort.csv"))
    tables = {model: read_table(f"predictions_{at}.csv") for at, model in MODELS.items()}
    patients = compared_patients(cohort, tables)
    names = pd.Index(patients["patient_id"])
    risk = {name: patient_probability(table).reindex(names) for name, table in tables.items()}
    risk |= {"Ensemble": soft_vote(*risk.values()), "TNM": tnm_risk(patients)}
    return patients.set_index("patient_id"), risk


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
        If the weights have another name, a probability is missing or outside 0 to 1 (a missing
        image is none of probability 0), or an image is there twice.
    """
    kinds = dict.fromkeys(IMAGE, groups) | {"p_high_risk": probabilities}
    names, *_, values = checked(**of_table(predictions, rows=images(predictions), **kinds))
    p = pd.Series(values, predictions.index)
    alike = predictions.groupby(["patient_id", "sequence"])["p_high_risk"].transform("size")
    choices = {"uniform": p * 0 + 1, "sequence": 1 / alike, "confidence": (p - 0.5).abs() + 1e-6}
    if weights not in choices:
        raise ValueError(f"weights is {weights!r}; choose 'uniform', 'sequence' or 'confidence'")
    weight, patients = choices[weights], pd.Index(names, name="patient_id")
    means = (p * weight).groupby(patients).sum() / weight.groupby(patients).sum()
    return means.rename("p_high_risk")


def soft_vote(*patient_probabilities: pd.Series) -> pd.Series:
    """Mean of several models' probabilities, patient by patient (section 2.4).

    Raises
    ------
    ColumnError
        If there is no model, the models do not speak of the same patients, a patient is there
        twice, or a probability is missing or outside 0 to 1.
    """
    numbered = dict(enumerate(patient_probabilities, 1))
    for name, p in each(numbered, "probability of model {}", probabilities, fewest=1).items():
        checked(**{name: p})
    first, *others = patient_probabilities
    for p in others:
        differ = sorted(set(p.index) ^ set(first.index))
        if differ:
            raise ColumnError(f"the models have different patients: {', '.join(differ[:5])}")
    mean = sum(p.reindex(first.index) for p in others) + first
    return (mean / len(patient_probabilities)).rename("p_high_risk")


def tnm_risk(cohort: pd.DataFrame) -> pd.Series:
    """TNM as a predictor with one threshold: stage IVA or above is 1, stage III is 0.

    Parameters
    ----------
    cohort : DataFrame
        patient_id and stage_8th.

    Raises
    ------
    ColumnError
        If the stage of a patient is blank or written otherwise than I, II, III, IVA, IVB, IVC.
    """
    high = stage_ranks(cohort, column="stage_8th") >= STAGE_ORDER.index("IVA")
    patients = pd.Index(cohort["patient_id"], name="patient_id")
    return pd.Series(high.to_numpy(dtype=float), patients, name="tnm_risk")
