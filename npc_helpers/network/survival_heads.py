"""Last layers for one question each, trained on the features of a frozen network.

A patient is the mean of the features of all images, so a training set is one small table and the
risk sets of a Cox model hold patients and not slices. For a linear layer, the mean of the images'
outputs is the output of their mean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement

import keras
import numpy as np
import pandas as pd
from scipy.special import expit, softmax

from npc_helpers.network.features import kept_values, study_images
from npc_helpers.network.models import CLASSES, HIGH_RISK, backbone_of, prognosis_model
from npc_helpers.network.survival_losses import (
    ENDS,
    HazardLoss,
    cox_loss,
    follow_up,
    p_progression,
)
from npc_helpers.network.training import WITH_XLA, start_of
from npc_helpers.statistics.gate import Column, TooFewPatients, checked, each, groups, of_table
from npc_helpers.study import Study
from npc_helpers.study.settings import Setting

PAIR = "Pair"  # the model that sees both examinations
BY_IMAGE = "image by image"  # the paper's way to train the two neurons
KEPT = "survival_splits.csv"  # written by benchmarks/survival_heads.py
STEPS = 300  # full-batch steps of Adam; twice as many moved the C-index by at most 0.003
RATE = 0.05  # of the first step; it falls to 0 along a cosine
SMALLEST_VARIANCE = 1e-8  # of a feature; one that is the same for all patients becomes 0


@dataclass(frozen=True)
class Kind:
    """What a last layer is asked.

    Attributes
    ----------
    activation : str or None
    loss : loss or str
        Of Keras.
    l2 : float
        Strength of the penalty, chosen by the C-index out of fold in the training patients of the
        demonstration study (mean over models, ``benchmarks/survival_heads.py --strengths``).
    risk : callable
        From what the neurons add up to, (n, neurons), to a score of each patient; higher is worse.
    """

    neurons: int
    activation: str | None
    loss: Callable | str
    l2: float
    risk: Callable[[np.ndarray], np.ndarray]


KINDS = {
    "two neurons": Kind(
        len(CLASSES),
        "softmax",
        "sparse_categorical_crossentropy",
        0.05,
        lambda z: softmax(z, axis=1)[:, HIGH_RISK],
    ),
    "hazards": Kind(
        len(ENDS), "sigmoid", HazardLoss(), 0.005, lambda z: p_progression(expit(z))[:, -1]
    ),
    "Cox": Kind(1, None, cox_loss, 0.0005, lambda z: z[:, 0]),
}


@dataclass(frozen=True)
class Head:
    """A trained last layer.

    Attributes
    ----------
    mean, spread : ndarray, shape (k,)
        Of each feature in the training patients; see `scaled`.
    weights, bias : ndarray, shapes (k, neurons) and (neurons,)
    """

    kind: str
    mean: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def risk(self, features: pd.DataFrame) -> pd.Series:
        """Return the risk score of each patient by patient_id; higher is worse.

        The probability of high risk, the probability to progress by the last end of the hazards,
        or the log hazard: scores of different kinds are on different scales.
        """
        checked(**_doubtful(features))
        z = (features.to_numpy(float) - self.mean) / self.spread @ self.weights + self.bias
        return pd.Series(KINDS[self.kind].risk(z), features.index, name="risk_score")


def scaled(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features of mean 0 and variance 1 / k, with the means and divisors, (k,) each.

    k is the number of features. So the penalty means the same whether the features of one
    examination enter or those of two.
    """
    mean, variance = features.mean(axis=0), features.var(axis=0)
    spread = np.sqrt(np.maximum(variance, SMALLEST_VARIANCE) * features.shape[1])
    return (features - mean) / spread, mean, spread


def train_head(
    kind: str, features: pd.DataFrame, patients: pd.DataFrame, *, l2: float | None = None
) -> Head:
    """Train a last layer on all training patients at once.

    Adam takes `STEPS` steps down the mean loss of all patients plus `l2` times the sum of the
    squared weights, from weights of zero: nothing is random.

    Parameters
    ----------
    kind : str
        ``"two neurons"`` (the paper's label), ``"hazards"`` (`HazardLoss`) or ``"Cox"``
        (`cox_loss`).
    features : DataFrame, shape (n, k)
        By patient_id.
    patients : DataFrame, shape (n, ...)
        The same patients in the same order, with pfs_months, progressed, high_risk.
    l2 : float, optional
        Another penalty than that of the kind.

    Raises
    ------
    ColumnError
        If the two tables differ in patients or order, or a value is missing.
    TooFewPatients
        If nobody progressed, or all have one label.
    """
    months, progressed, high_risk = _checked(features, patients)
    if not progressed.any() or high_risk.all() or not high_risk.any():
        raise TooFewPatients(
            f"of {len(patients)} training patients {progressed.sum()} progressed and "
            f"{high_risk.sum()} are high-risk; a network learns from both kinds of patients"
        )
    x, mean, spread = scaled(features.to_numpy(float))
    target = high_risk.astype(np.int32) if kind == "two neurons" else follow_up(months, progressed)
    learner = _start(kind, x.shape[1], l2)()
    for _ in range(STEPS):
        learner.train_on_batch(x.astype(np.float32), target)
    return Head(kind, mean, spread, *learner.get_weights())


def _checked(features: pd.DataFrame, patients: pd.DataFrame, **others: Column) -> list[np.ndarray]:
    """Return months, progressed and high_risk of patients whose columns are in order."""
    outcome = of_table(patients, "pfs_months", "progressed", "high_risk")
    columns = checked(**outcome, **_doubtful(features), **others)
    return columns[:3]


def _doubtful(features: pd.DataFrame) -> dict[str, Column]:
    """Return, for `checked`, the first column with a value that is not finite, or the first."""
    values = features.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
    return each(features.iloc[:, bad[:1] if len(bad) else [0]], "feature {}")


def new_head(kind: str, k: int, l2: float | None = None) -> keras.Model:
    """Return a last layer for k features that has not learned yet, compiled."""
    layer = keras.layers.Dense(
        KINDS[kind].neurons,
        KINDS[kind].activation,
        kernel_initializer="zeros",
        kernel_regularizer=keras.regularizers.L2(KINDS[kind].l2 if l2 is None else l2),
    )
    head = keras.Sequential([keras.Input((k,)), layer])
    rate = keras.optimizers.schedules.CosineDecay(RATE, STEPS)
    head.compile(keras.optimizers.Adam(rate), loss=KINDS[kind].loss, jit_compile=WITH_XLA)
    return head


@lru_cache(maxsize=16)
def _start(kind: str, k: int, l2: float | None) -> Callable[[], keras.Model]:
    """Return what gives a last layer that has not learned yet, built once."""
    return start_of(new_head(kind, k, l2))


def folds_of(progressed: pd.Series, *, folds: int = 5) -> pd.Series:
    """Divide patients into folds with about as many progressions each, the same in every run.

    Raises
    ------
    TooFewPatients
        If fewer patients than folds progressed.
    """
    from sklearn.model_selection import StratifiedKFold

    (flagged,) = checked(progressed=progressed)
    if (events := int(flagged.sum())) < folds:
        raise TooFewPatients(
            f"{folds} folds need a patient with progression each; {events} have it"
        )
    fold = pd.Series(0, progressed.index, name="fold")
    parts = StratifiedKFold(folds, shuffle=True, random_state=0)
    for number, (_, held) in enumerate(parts.split(flagged, flagged)):
        fold.iloc[held] = number
    return fold


def out_of_fold_risk(
    kind: str,
    features: pd.DataFrame,
    patients: pd.DataFrame,
    *,
    l2: float | None = None,
    folds: int = 5,
) -> pd.Series:
    """Return each training patient's risk by a layer that has not learned from that patient.

    A score of patients whom a layer has learned from fits their outcomes too well, and a Cox model
    that is fitted to it would trust it too much. Parameters as `train_head`.
    """
    _, progressed, _ = _checked(features, patients)
    fold = folds_of(pd.Series(progressed), folds=folds).to_numpy()
    risk = pd.Series(np.nan, features.index, name="risk_score")
    for number in range(folds):
        learned, held = fold != number, fold == number
        head = train_head(kind, features[learned], patients[learned], l2=l2)
        risk[held] = head.risk(features[held])
    return risk


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
    _checked(features, patients, fold=groups(fold))
    names = np.unique(fold)
    scores = pd.DataFrame(np.nan, features.index, names)
    for first, second in combinations_with_replacement(names, 2):
        held = fold.isin([first, second])
        risk = train_head("Cox", features[~held], patients[~held]).risk(features[held])
        for of, predicted in {(first, second), (second, first)}:
            scores.loc[fold == of, predicted] = risk[fold[held] == of]
    return scores


def pair_features(pre: pd.DataFrame, post: pd.DataFrame) -> pd.DataFrame:
    """Return both examinations of each patient as one model sees them, with their difference.

    Returns
    -------
    DataFrame, shape (n, 3 k)
        Columns (examination, feature): ``pre``, ``post`` and ``post - pre``, of the patients in
        both tables. To a linear layer the difference says nothing new; but a penalised layer can
        use a change between the examinations more cheaply when it is given one.

    Examples
    --------
    >>> pre, post = pd.DataFrame({0: [1.0]}, ["p1"]), pd.DataFrame({0: [1.5]}, ["p1"])
    >>> pair_features(pre, post).iloc[0].tolist()
    [1.0, 1.5, 0.5]
    """
    for table in (pre, post):
        checked(**_doubtful(table))
    both = pre.index.intersection(post.index, sort=False)
    pre, post = pre.loc[both], post.loc[both]
    return pd.concat({"pre": pre, "post": post, "post - pre": post - pre}, axis=1)


def patient_features(
    study: Study, rois: pd.DataFrame, timepoint: str, *, patients, setting: Setting
) -> pd.DataFrame:
    """Return the mean features of each patient's images by the start weights of a setting.

    No outcome enters, so they serve every split. Kept in the results by network and images.

    Parameters
    ----------
    rois : DataFrame
        ROI table.
    timepoint : {"pre", "post"}
    patients : iterable of str

    Returns
    -------
    DataFrame of float32, shape (patients, k)
        By patient_id.
    """
    images, index = study_images(study, rois, timepoint, patients=patients, setting=setting)
    backbone = backbone_of(prognosis_model(setting, seed=0))
    table = pd.DataFrame(kept_values(backbone, images, study.result_path("features")))
    return table.groupby(index["patient_id"].to_numpy()).mean().rename_axis("patient_id")
