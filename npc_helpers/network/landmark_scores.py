"""Scores of an examination that may enter a landmark model: out of fold, twice."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pandas as pd

from npc_helpers.network.survival_heads import train_head
from npc_helpers.statistics.gate import TooFewPatients

FOLDS = 5


def folds_of(progressed: pd.Series, *, folds: int = FOLDS, seed: int = 0) -> pd.Series:
    """Divide patients into folds with about as many progressions each.

    Raises
    ------
    TooFewPatients
        If fewer patients than folds progressed.
    """
    from sklearn.model_selection import StratifiedKFold

    if (events := int(progressed.sum())) < folds:
        raise TooFewPatients(
            f"{folds} folds need a patient with progression each; {events} have it"
        )
    fold = pd.Series(0, progressed.index, name="fold")
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(parts.split(progressed, progressed.to_numpy(bool))):
        fold.iloc[held] = number
    return fold


def nested_scores(features: pd.DataFrame, patients: pd.DataFrame, fold: pd.Series) -> pd.DataFrame:
    """Return the log hazard of each patient by Cox layers that have learned from other folds.

    Column k is for use when fold k is predicted: a patient of fold j gets the score of a layer
    that has seen neither fold j nor fold k. A layer that leaves out two folds serves both, so
    that f folds take f (f + 1) / 2 layers.

    Parameters
    ----------
    features : DataFrame, shape (n, k)
        Of one examination, by patient_id.
    patients : DataFrame
        The same patients in the same order: pfs_months (from the examination), progressed,
        high_risk.
    fold : Series
        Of the same patients, see `folds_of`.

    Returns
    -------
    DataFrame, shape (n, folds)
    """
    numbers = np.unique(fold)
    scores = pd.DataFrame(np.nan, features.index, numbers)
    for first, second in combinations_with_replacement(numbers, 2):
        held = fold.isin([first, second])
        risk = train_head("Cox", features[~held], patients[~held]).risk(features[held])
        for own, other in {(first, second), (second, first)}:
            scores.loc[fold == own, other] = risk[fold[held] == own]
    return scores
