"""Do learned weights of the slices, or several seeds, rank patients better than what is used?

    python benchmarks/slices_and_seeds.py [--splits 20] [--seeds 3] [--only seeds]

The splits of `benchmarks/sources.py`, on the frozen features of the generic weights.

* ``slices``: the two neurons of `benchmarks/survival_heads.py` (all training patients at once), on
  the plain mean of a patient's images; on a mean with a learned weight for each place (sequence
  and slice, the same for all patients); and on one whose weights an attention layer reads from each
  image (Ilse et al. 2018). Both start as the plain mean. All else is equal.
* ``seeds``: ``generic, head`` of `benchmarks/sources.py`, or ``generic, whole`` (``--depth``),
  image by image, with several seeds for start values and order: each by itself, their mean, and
  how far they lie apart.

What was trained is kept in ``results/splits``, so that a run can be stopped and goes on. Prints
Markdown for docs/results.md.
"""

import argparse
import dataclasses
import hashlib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from sources import HEAD_ONLY, SEED
from survival_heads import judged

from npc_helpers.cohort import included_patients
from npc_helpers.cohort import split as split_patients
from npc_helpers.network import features, models, training
from npc_helpers.network.prediction import image_predictions, patient_probability
from npc_helpers.network.repeated_splits import trained_anew
from npc_helpers.network.survival_heads import KINDS, RATE, STEPS, scaled, train_head
from npc_helpers.statistics import split_differences
from npc_helpers.study import Study
from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import MODELS
from npc_helpers.study.settings import current_setting

MEAN, BY_PLACE, ATTENTION = "plain mean", "a weight for each place", "attention"
HIDDEN = 16  # neurons of the attention layer
ENSEMBLE = "mean of the seeds"


class PlaceScores(keras.layers.Layer):
    """A learned number for each place, whatever the image: (n, places, k) to (n, places, 1)."""

    def build(self, shape) -> None:
        self.scores = self.add_weight(shape=(shape[1], 1), initializer="zeros")

    def call(self, x):
        return 0 * x[:, :, :1] + self.scores


@lru_cache
def start_of_slices(arm: str, places: int, k: int) -> Callable[[], keras.Model]:
    """Return what gives two neurons on a weighted mean of a patient's images, compiled."""
    images = keras.Input((places, k))
    if arm == ATTENTION:
        start = keras.initializers.GlorotUniform(seed=0)
        hidden = keras.layers.Dense(HIDDEN, "tanh", kernel_initializer=start)(images)
        score = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(hidden)
    else:
        score = PlaceScores()(images)
    weights = keras.layers.Softmax(axis=1)(score)  # (n, places, 1)
    mean = keras.layers.Flatten()(keras.layers.Dot(axes=1)([weights, images]))  # (n, k)
    penalty = keras.regularizers.L2(KINDS["two neurons"].l2)
    risk = keras.layers.Dense(
        2, "softmax", kernel_initializer="zeros", kernel_regularizer=penalty
    )  # as `survival_heads.new_head`
    learner = keras.Model(images, risk(mean))
    rate = keras.optimizers.schedules.CosineDecay(RATE, STEPS)
    learner.compile(
        keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        jit_compile=training.WITH_XLA,
    )
    return training.start_of(learner)


def by_patient(values: np.ndarray, index: pd.DataFrame, patients: pd.DataFrame) -> np.ndarray:
    """Return the features of each patient's images in order of their places, (n, places, k)."""
    order = index.reset_index(drop=True).sort_values(["patient_id", "sequence", "slice_index"])
    bags = values[order.index.to_numpy()].reshape(len(patients), -1, values.shape[1])
    return bags[pd.Index(order.patient_id.unique()).get_indexer(patients.index)]


def by_slices(patients: pd.DataFrame, of_image: np.ndarray, is_train) -> dict:
    """Return the risk of each test patient by arm; features are (patients, places, k)."""
    _, mean, spread = scaled(of_image[is_train].mean(axis=1))
    x = ((of_image - mean) / spread).astype(np.float32)
    label, tested = patients.high_risk[is_train].to_numpy(np.int32), patients.index[~is_train]
    means = pd.DataFrame(of_image.mean(axis=1), patients.index)
    head = train_head("two neurons", means[is_train], patients[is_train])
    scores = {MEAN: head.risk(means[~is_train])}
    for arm in (BY_PLACE, ATTENTION):
        learner = start_of_slices(arm, *x.shape[1:])()
        for _ in range(STEPS):
            learner.train_on_batch(x[is_train], label)
        scores[arm] = pd.Series(learner.predict_on_batch(x[~is_train])[:, models.HIGH_RISK], tested)
    return scores


def by_seeds(patients, values, index, is_train, seed: int, setting, seeds: int) -> dict:
    """Return the probability of each test patient by seed."""
    cohort = patients.assign(split=np.where(is_train, "train", "test")).reset_index()
    of_image = cohort.set_index("patient_id").loc[index.patient_id]
    rows = (of_image.split == "train").to_numpy()
    tested, scores = index[~rows].reset_index(drop=True), {}
    for number in range(seeds):
        learner = trained_anew(values, of_image, rows, setting, seed + 1000 * number, start=number)
        p = training.predict(learner, values[~rows], progress=False)
        scores[f"seed {number}"] = patient_probability(image_predictions(tested, p, cohort))
    return scores


def kept(path: Path, scores) -> pd.DataFrame:
    """Return the scores of the test patients of one split by arm, trained now unless kept."""
    if not path.exists():
        with atomic_path(path) as temporary:
            pd.DataFrame(scores()).rename_axis("patient_id").to_csv(temporary)
    return pd.read_csv(path, dtype={"patient_id": str}).set_index("patient_id")


def report(rows: pd.DataFrame, first: str) -> None:
    """Print mean and middle 95% of the splits, and each arm minus the first."""
    for (model, arm), table in rows.groupby(["model", "arm"], sort=False):
        low, high = table.c_index.quantile([0.025, 0.975])
        mean, auc = table.c_index.mean(), table.auc.mean()
        print(f"| {model} | {arm} | {mean:.3f} ({low:.2f}–{high:.2f}) | {auc:.3f} |")
    for model, table in rows.groupby("model", sort=False):
        named = table.drop(columns="model").rename(columns={"arm": "model"})
        pairs = split_differences(named, measure="c_index")
        pairs = pairs[(pairs.a == first) | (pairs.b == first)]
        print(model, pairs.round(3).to_string(), sep="\n", flush=True)


def main() -> None:
    """Train and judge every arm, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=["slices", "seeds"], default="slices")
    parser.add_argument("--depth", choices=["head", "whole"], default="head")
    options = parser.parse_args()
    study, setting = Study.open(), current_setting()
    if options.depth == "head" or options.only == "slices":
        setting = dataclasses.replace(setting, **HEAD_ONLY)
    cohort, rois = included_patients(study.read_table("cohort.csv")), study.read_table("rois.csv")
    patients = cohort.set_index("patient_id")
    start = models.prognosis_model(setting, seed=0)
    rows, apart = [], []
    for when, model in MODELS.items():
        images, index = features.study_images(study, rois, when, patients=cohort.patient_id)
        values = features.training_inputs(
            start, images, folder=study.result_path("splits") / "frozen"
        )
        of_values = hashlib.sha256(values.tobytes())
        for number in progress_bar(range(options.splits), desc=model, unit="split"):
            side = split_patients(cohort, seed=SEED + number, stratify=["high_risk"])
            is_train, seed = (side == "train").to_numpy(), SEED + number
            if options.only == "slices":
                bags = by_patient(values, index, patients)
                train = partial(by_slices, patients, bags, is_train)
            else:
                how = setting, options.seeds
                train = partial(by_seeds, patients, values, index, is_train, seed, *how)
            facts = [patients.to_csv(), index.to_csv(), of_values.hexdigest(), STEPS, seed]
            facts += [options.seeds, str(setting), keras.backend.backend()]
            digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:24]
            scores = kept(study.result_path("splits") / f"{options.only}-{digest}.csv", train)
            if options.only == "seeds":
                mean = scores.mean(axis=1)
                apart.append((model, scores.std(axis=1).mean(), mean.std()))
                scores = scores.assign(**{ENSEMBLE: mean})
            tested = patients[~is_train]
            size = {"n_train": is_train.sum(), "n_test": len(tested)}
            rows += [
                {"split": number, "model": model, "arm": arm, **size}
                | judged(tested, scores.loc[tested.index, arm])
                for arm in scores
            ]
    report(pd.DataFrame(rows), MEAN if options.only == "slices" else ENSEMBLE)
    if apart:
        names = ["model", "spread of the seeds in a patient", "spread of the patients"]
        print(pd.DataFrame(apart, columns=names).groupby("model").mean().round(3).to_string())


if __name__ == "__main__":
    main()
