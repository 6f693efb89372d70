"""Many splits instead of one: how much of a result is the luck of who was tested.

In each split the networks are trained anew, from the same start weights and by the same rules, on
the patients of its training side, and judged on the others. That takes hours for a table and not
seconds; whatever was trained is kept on disk, and a run that was stopped goes on.
"""

import hashlib
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from npc_helpers.cohort import split as split_patients
from npc_helpers.network.features import training_inputs
from npc_helpers.network.models import prognosis_model, trainable_part
from npc_helpers.network.prediction import image_predictions, patient_probability, soft_vote
from npc_helpers.network.training import batches_of, compiled, fit, predict, start_of
from npc_helpers.network.weight_sources import weight_file
from npc_helpers.statistics.concordance import c_index
from npc_helpers.statistics.gate import ColumnError, checked, groups, numbers, of_table
from npc_helpers.statistics.roc import roc_auc
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.artefact_table import SETTING
from npc_helpers.study.artefacts import atomic_path, file_hash, noted, read_note
from npc_helpers.study.jobs import spread
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.settings import Setting, current_setting

ENSEMBLE = "Ensemble"
KEPT = "trained_splits.csv"  # written by benchmarks/sources.py


def repeated_splits(
    patients: pd.DataFrame,
    inputs: Mapping[str, tuple[np.ndarray, pd.DataFrame]],
    *,
    setting: Setting,
    folder: str | Path,
    others: Mapping[str, pd.Series] | None = None,
    n_splits: int = 20,
    n_test: int | None = None,
    seed: int = 2022,
    workers: int | None = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """Split the patients again and again, train anew, and judge on the patients left out.

    Parameters
    ----------
    patients : DataFrame
        patient_id, high_risk, pfs_months, progressed.
    inputs : mapping of str to (images, index)
        For each model what `features.study_images` returns. With two or more models, their mean
        probability is added as ``Ensemble``.
    setting : Setting
        How each model is trained; its seed is that of the split.
    folder : path-like
        Where predictions are kept, by what decides them: a second call reads them.
    others : mapping of str to Series, optional
        Scores that need no fitting, such as TNM, by patient_id.
    n_test : int, optional
        Test patients in each split; the paper's share by default (`cohort.split`). The splits
        are even in high_risk only: evened out by stage too, the AUC of TNM could never vary.
    seed : int
        Split k uses seed + k.
    workers : int, optional
        Processes, each with its own network in memory; None: one per core.

    Returns
    -------
    DataFrame
        split, model, auc, c_index, n_train, n_test; one row per split and model.

    Raises
    ------
    ValueError
        If a patient has no outcome, or no score.

    Warns
    -----
    UserWarning
        If the test side of a split had one class only or no comparable pair, and was left out.
    """
    usual = ("pfs_months", "progressed", "high_risk")
    checked(**of_table(patients, *usual, patient_id=groups))
    patients = patients.reset_index(drop=True)
    scores_of_all = {name: _complete(name, s, patients) for name, s in (others or {}).items()}
    sides = _divided(patients, n_splits, n_test, seed)
    jobs = [(model, number) for number in range(n_splits) for model in inputs]
    data = {model: _Data(*pair, _digest(*pair)) for model, pair in inputs.items()}
    run = partial(_predicted, patients, data, sides, setting, seed, Path(folder))
    done = spread(run, jobs, workers=workers, task="trains networks")
    bar = progress_bar(done, shown=progress, total=len(jobs), desc="training", unit="model")
    risk = dict(bar)
    rows = []
    for number, side in sides.items():
        scores = _with_vote({model: risk[model, number] for model in inputs}) | scores_of_all
        tested = patients[(side == "test").to_numpy()].set_index("patient_id")
        rows += [{"split": number, **row} for row in _judged(tested, scores, len(patients))]
    empty = n_splits - len({row["split"] for row in rows})
    if empty:
        warnings.warn(f"{empty} of {n_splits} splits had too few events to judge", stacklevel=2)
    return pd.DataFrame(rows)


def _divided(patients, n_splits: int, n_test: int | None, seed: int) -> dict[int, pd.Series]:
    """Return the side of each patient in each split, by its number."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "too few patients to share out")
        return {
            number: split_patients(
                patients, n_test=n_test, seed=seed + number, stratify=["high_risk"]
            )
            for number in range(n_splits)
        }


def _with_vote(scores: dict[str, pd.Series]) -> dict[str, pd.Series]:
    """Return the scores of models and, of two or more, their mean probability."""
    return scores if len(scores) < 2 else scores | {ENSEMBLE: soft_vote(*scores.values())}


def kept_splits(
    study: Study, file: str = KEPT, *, script: str = "benchmarks/sources.py"
) -> pd.DataFrame:
    """Return the splits in which this study's models were trained anew, if that has been done.

    Parameters
    ----------
    file : str
        What `script` wrote by `keep_splits`.

    Returns
    -------
    DataFrame
        As `repeated_splits`; trained in the same way as the models of the study.

    Raises
    ------
    NotInThisStudy
        If nobody has trained them, or they come from other patients, rectangles, images, start
        weights or another setting than the present ones; the message says how to train them.
    """
    reason = "the models of this study have not been trained in other splits yet"
    for path in (study.result_path(file), study.reference_path(file)):
        note = read_note(path) if path.exists() else None
        if note is None:
            continue
        before, now = note["made_from"], _made_from(study)
        changed = sorted(name for name in before | now if before.get(name) != now.get(name))
        if note["edited"]:
            changed = ["the table itself"]
        if not changed:
            return pd.read_csv(path)
        reason = f"the splits in {path.name} are out of date (changed since: {', '.join(changed)})"
    raise NotInThisStudy(
        f"{reason}. python {script} trains them: one run for each split and model, "
        "which can be interrupted and goes on."
    )


def keep_splits(study: Study, splits: pd.DataFrame, file: str = KEPT) -> Path:
    """Write the splits of this study's models into its results, with what they came from."""
    path = study.result_path(file)
    with noted(path, {"made_from": _made_from(study)}) as temporary:
        splits.to_csv(temporary, index=False, float_format="%.4f")
    return path


def _made_from(study: Study) -> dict[str, str]:
    weights = {"start weights": _weights_hash(current_setting())}
    return study.fingerprint("cohort.csv", "rois.csv", "manifest", SETTING) | weights


def _weights_hash(setting: Setting) -> str:
    source = weight_file(setting.weights)
    return file_hash(source) if source else "none"


def _complete(name: str, score: pd.Series, patients: pd.DataFrame) -> pd.Series:
    missing = sorted(set(patients["patient_id"]) - set(score.index))
    if missing:
        raise ColumnError(
            f"{name}: no values for {len(missing)} patients, {', '.join(missing[:5])}"
        )
    score = score.loc[patients["patient_id"]]
    checked(**{name: numbers(score)})
    return score


def _judged(tested: pd.DataFrame, scores: Mapping[str, pd.Series], n: int) -> list[dict]:
    """Return AUC and C-index of each score, or nothing where they cannot be judged."""
    label, months = tested["high_risk"].astype(bool), tested["pfs_months"]
    event = tested["progressed"].astype(bool)
    if label.nunique() < 2 or not (event & (months < months.max())).any():
        return []
    size = {"n_train": n - len(tested), "n_test": len(tested)}
    return [
        {
            "model": name,
            "auc": roc_auc(label, score.reindex(tested.index)).value,
            "c_index": c_index(months, event, score.reindex(tested.index)).value,
            **size,
        }
        for name, score in scores.items()
    ]


class _Data(NamedTuple):
    """The images of one model: n of them, which is which, and the hash of both."""

    images: np.ndarray
    index: pd.DataFrame
    digest: str


def _digest(images: np.ndarray, index: pd.DataFrame) -> str:
    total = hashlib.sha256(index.to_csv(index=False).encode())
    for image in images:
        total.update(np.ascontiguousarray(image))
    return total.hexdigest()


def _predicted(patients, data, sides, setting, seed, folder: Path, job) -> pd.Series:
    """Return the probability of each test patient of one split, trained now unless it is kept."""
    model, number = job
    side, chosen = sides[number], data[model]
    path = folder / f"{_identity(patients, chosen, side, setting, seed + number)}.csv"
    if path.exists():
        kept = pd.read_csv(path, dtype={"patient_id": str})  # "0815" is no number
        return kept.set_index("patient_id")["p_high_risk"]
    cohort = patients.assign(split=side.to_numpy())
    of_image = cohort.set_index("patient_id").reindex(chosen.index.patient_id)
    train = (of_image.split == "train").to_numpy()
    inputs = _learned_from(setting, chosen, folder / "frozen")
    learner = trained_anew(inputs, of_image, train, setting, seed + number)
    p = predict(learner, inputs[~train], progress=False)
    tested = chosen.index[~train].reset_index(drop=True)
    risk = patient_probability(image_predictions(tested, p, cohort))
    with atomic_path(path) as temporary:
        risk.to_csv(temporary, float_format="%.6f")
    return risk


def trained_anew(
    inputs, of_image: pd.DataFrame, train, setting: Setting, seed: int, *, start: int = 0
) -> keras.Model:
    """Train as `training.train` does, on a network that is built once and set back each time.

    Parameters
    ----------
    inputs : ndarray, shape (n, ...)
        What the trainable part learns from, see `features.training_inputs`.
    of_image : DataFrame, shape (n, ...)
        high_risk of each image, by patient_id.
    train : ndarray of bool, shape (n,)
        The images to train on.
    seed : int
        Of the order of the images, as for `training.train`.
    start : int
        Seed of the start values.

    Returns
    -------
    keras.Model
        The same object for the next run of this setting, which then learns something else.
    """
    batches = batches_of(
        inputs,
        of_image.high_risk.to_numpy(dtype=bool),
        setting=setting,
        seed=seed,
        rows=train,
        patients=of_image.index,
    )
    learner = _start(setting, setting.max_epochs * len(batches), start)()
    with tempfile.TemporaryDirectory() as run_dir:
        fit(learner, batches, setting=setting, run_dir=run_dir, progress=False)
    return learner


@lru_cache(maxsize=6)  # models and seeds take turns, and their steps differ
def _start(setting: Setting, steps: int, start: int) -> Callable[[], keras.Model]:
    """Return what gives a learner that has not learned yet, compiled."""
    learner = trainable_part(prognosis_model(setting, seed=start))
    return start_of(compiled(learner, setting, steps=steps))


_inputs: dict[tuple[Setting, str], np.ndarray] = {}


def _learned_from(setting: Setting, data: _Data, folder: Path) -> np.ndarray:
    """Return the images, or what the frozen part of the network makes of them: computed once."""
    if setting.trainable == "all":
        return data.images
    if (setting, data.digest) not in _inputs:
        start = prognosis_model(setting, seed=0)
        inputs = training_inputs(start, data.images, folder=folder, progress=False)
        _inputs[setting, data.digest] = inputs
    return _inputs[setting, data.digest]


def _identity(patients, data: _Data, side, setting: Setting, seed: int) -> str:
    """Return the hash of all that decides the predictions of one split."""
    facts = {
        "setting": {**asdict(setting), "name": "", "weights": ""},
        "weights": _weights_hash(setting),
        "seed": seed,
        "labels": patients[["patient_id", "high_risk"]].astype(str).to_numpy().tolist(),
        "side": side.tolist(),
        "images": data.digest,
        "backend": keras.backend.backend(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
