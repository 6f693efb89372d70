"""Many splits instead of one: how much of a result is the luck of who was tested.

The images go through the frozen network once; only the last layer is fitted anew for each split.
Instead of Adam on images it is here a logistic regression with an L2 penalty on the mean features
of each patient: a stand-in that takes milliseconds. Its penalty is chosen by cross-validation
inside the training side, so that no test patient informs anything.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from npc_helpers.cohort import split as split_patients
from npc_helpers.statistics.concordance import c_index
from npc_helpers.statistics.gate import (
    ColumnError,
    checked,
    flags,
    groups,
    of_table,
    times,
    vectors,
)
from npc_helpers.statistics.roc import roc_auc
from npc_helpers.study.jobs import spread
from npc_helpers.study.progress import progress_bar

ENSEMBLE = "Ensemble"
PENALTIES = tuple(np.logspace(-5, 0, 6))  # inverse strength C of scikit-learn
FOLDS = 5
FEWEST = 20  # splits that are worth a process of their own


def fit_head(features, high_risk, *, seed: int):
    """Fit the stand-in for the last layer: standardised features, L2 penalty by inner folds.

    Parameters
    ----------
    features : array-like, shape (n, C)
        Of training patients only.
    high_risk : array-like of bool, shape (n,)
    seed : int
        Decides the folds.

    Returns
    -------
    callable
        Takes features (m, C) and returns the probability of high risk (m,).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    label, _ = checked(high_risk=flags(high_risk), features=vectors(features))
    x = np.asarray(features, dtype=float)
    make = partial(LogisticRegression, solver="newton-cholesky", max_iter=100)
    loss = np.zeros(len(PENALTIES))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for inside, outside in folds.split(x, label):
        base = _Basis(x[inside])
        known, new = base(x[inside]), base(x[outside])
        for position, c in enumerate(PENALTIES):
            p = make(C=c).fit(known, label[inside]).predict_proba(new)[:, 1]
            of_truth = np.where(label[outside], p, 1 - p)
            loss[position] -= np.log(np.maximum(of_truth, 1e-12)).sum()
    base = _Basis(x)
    model = make(C=PENALTIES[int(np.argmin(loss))]).fit(base(x), label)
    return lambda new: model.predict_proba(base(np.asarray(new, dtype=float)))[:, 1]


class _Basis:
    """Standardise by the training patients, and rotate to the few directions they span.

    An L2-penalised fit is the same in this basis as in the full one, and much faster.
    """

    def __init__(self, train: np.ndarray) -> None:
        self.mean, spread = train.mean(axis=0), train.std(axis=0)
        self.scale = np.where(spread > 1e-12, spread, np.inf)
        standard = (train - self.mean) / self.scale
        size, patients = np.linalg.eigh(standard @ standard.T)  # far fewer patients than features
        real = size > 1e-9 * max(size[-1], 1e-300)
        self.directions = standard.T @ patients[:, real] / np.sqrt(size[real])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (x - self.mean) / self.scale @ self.directions


def repeated_splits(
    patients: pd.DataFrame,
    features: Mapping[str, pd.DataFrame],
    *,
    others: Mapping[str, pd.Series] | None = None,
    n_splits: int = 100,
    n_test: int | None = None,
    seed: int = 2022,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Split the patients again and again, refit the head, and judge it on the patients left out.

    Parameters
    ----------
    patients : DataFrame
        patient_id, high_risk, pfs_months, progressed.
    features : mapping of str to DataFrame
        For each model the mean image features of all patients, (n, C) by patient_id, from a
        network that has never seen an outcome of these patients: one that was fine-tuned on any
        of them would know answers of the test side. With two or more models, their mean
        probability is added as ``Ensemble``.
    others : mapping of str to Series, optional
        Scores that need no fitting, such as TNM, by patient_id.
    n_splits : int
    n_test : int, optional
        Test patients in each split; the paper's share by default (`cohort.split`). The splits
        are even in high_risk only: evened out by stage too, the AUC of TNM could never vary.
    seed : int
        Split k uses seed + k, so the same splits are drawn whatever the number of workers.
    workers : int, optional
        Processes; all cores by default. Few splits are done in this process.
    progress : bool

    Returns
    -------
    DataFrame
        split, model, auc, c_index, n_train, n_test; one row per split and model.

    Raises
    ------
    ValueError
        If a patient has no features or no score, or a feature is missing.

    Warns
    -----
    UserWarning
        If the test side of a split had one class only or no comparable pair, and was left out.
    """
    outcome = {"pfs_months": times, "progressed": flags, "high_risk": flags}
    checked(**of_table(patients, patient_id=groups, **outcome))
    patients = patients.reset_index(drop=True)
    values = {name: _complete(name, table, patients) for name, table in features.items()}
    scores = {name: _complete(name, s, patients).ravel() for name, s in (others or {}).items()}
    job = partial(_one_split, patients, values, scores, n_test, seed)
    done = spread(job, range(n_splits), workers=workers, fewest=FEWEST, what="judges splits")
    bar = progress_bar(done, shown=progress, total=n_splits, desc="splits", unit="split")
    rows = [row for _, found in sorted(bar) for row in found]
    empty = n_splits - len({row["split"] for row in rows})
    if empty:
        warnings.warn(f"{empty} of {n_splits} splits had too few events to judge", stacklevel=2)
    return pd.DataFrame(rows)


def _complete(name: str, table, patients: pd.DataFrame) -> np.ndarray:
    missing = sorted(set(patients["patient_id"]) - set(table.index))
    if missing:
        raise ColumnError(
            f"{name}: no values for {len(missing)} patients, {', '.join(missing[:5])}"
        )
    columns = pd.DataFrame(table)
    checked(**{name: vectors(columns)})
    return columns.loc[patients["patient_id"]].to_numpy(dtype=float)


def _one_split(patients, features, scores, n_test, seed, number: int) -> list[dict]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # several processes with several threads each stand in line
        return _judge_split(patients, features, scores, n_test, seed, number)


def _judge_split(patients, features, scores, n_test, seed, number: int) -> list[dict]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "too few patients to share out")
        side = split_patients(patients, n_test=n_test, seed=seed + number, stratify=["high_risk"])
    train, test = (side == "train").to_numpy(), (side == "test").to_numpy()
    label = patients["high_risk"].to_numpy(dtype=bool)
    risk = {}
    for name, values in features.items():
        risk[name] = fit_head(values[train], label[train], seed=seed + number)(values[test])
    if len(features) > 1:
        risk[ENSEMBLE] = np.mean(list(risk.values()), axis=0)
    risk |= {name: score[test] for name, score in scores.items()}
    tested = patients[test]
    months, event = tested["pfs_months"].to_numpy(float), tested["progressed"].to_numpy(bool)
    if len(set(label[test])) < 2 or not (event & (months < months.max())).any():
        return []
    return [
        {
            "split": number,
            "model": name,
            "auc": roc_auc(label[test], score).value,
            "c_index": c_index(months, event, score).value,
            "n_train": int(train.sum()),
            "n_test": int(test.sum()),
        }
        for name, score in risk.items()
    ]
