"""Does the whole network rank better when it learns hazards instead of the paper's label?

    python benchmarks/hazards_whole.py [--splits 5] [--models Post-model Pre-model]
                                       [--table splits.csv]

The splits, start weights, batches and rates of ``generic, whole`` in `benchmarks/sources.py`; only
the last layer and the loss differ: four hazards (to 12, 24, 36 and 48 months) from the months
observed, instead of two neurons from the label. A patient's risk is the mean over the images of the
probability to progress within 48 months. Predictions are kept in ``results/splits``, so that a run
can be stopped and goes on. Prints a row per split, and the mean difference with its interval, for
docs/results.md.
"""

import argparse
import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import keras
import pandas as pd

from npc_helpers import statistics
from npc_helpers.cohort import included_patients
from npc_helpers.cohort import split as split_patients
from npc_helpers.network import features, models, training
from npc_helpers.network.repeated_splits import kept_splits
from npc_helpers.network.survival_losses import ENDS, HazardLoss, follow_up, p_progression
from npc_helpers.statistics import split_differences
from npc_helpers.study import Study
from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import MODELS
from npc_helpers.study.settings import current_setting

SEED = 2022
LABEL, HAZARDS = "the label", "hazards"


@lru_cache
def start_of_hazards(steps: int) -> Callable[[], keras.Model]:
    """Return what gives the whole network with one neuron for each interval, compiled."""
    setting = current_setting()
    model = models.prognosis_model(setting, seed=0)
    hazards = keras.layers.Dense(
        len(ENDS),
        "sigmoid",
        kernel_initializer=keras.initializers.GlorotUniform(seed=0),
        kernel_regularizer=keras.regularizers.L2(setting.l2),
        name="hazards",
    )
    learner = keras.Model(model.input, hazards(model.get_layer(models.DROPOUT).output))
    learner.compile(
        training.adam(setting, steps=steps), loss=HazardLoss(), jit_compile=training.WITH_XLA
    )
    return training.start_of(learner)


def risk_of_the_tested(patients: pd.DataFrame, images, index, side, seed: int) -> pd.Series:
    """Train on one side of a split; return the risk of each patient of the other."""
    setting = current_setting()
    of_image = patients.assign(split=side.to_numpy()).set_index("patient_id").loc[index.patient_id]
    train = (of_image.split == "train").to_numpy()
    batches = training.batches_of(
        images, of_image.high_risk.to_numpy(dtype=bool), setting=setting, seed=seed, rows=train,
        patients=of_image.index,
    )  # fmt: skip
    outcome = of_image.pfs_months.to_numpy(float), of_image.progressed.to_numpy(bool)
    batches.labels = follow_up(*outcome)[batches.rows]
    learner = start_of_hazards(setting.max_epochs * len(batches))()
    learner.fit(batches, epochs=setting.max_epochs, shuffle=False, verbose=0)
    hazard = features.answers(learner, images[~train])
    p = pd.Series(p_progression(hazard)[:, -1], index.patient_id[~train].to_numpy())
    return p.groupby(level=0).mean().rename_axis("patient_id").rename("p_progression")


def judged(patients, images, index, number: int, folder) -> dict:
    """Return AUC and C-index of one split, trained now unless it is kept."""
    side = split_patients(patients, seed=SEED + number, stratify=["high_risk"])
    facts = [patients.to_csv(), index.to_csv(), str(current_setting()), side.tolist(), number]
    facts += [keras.backend.backend()]
    path = folder / f"hazards-{hashlib.sha256(repr(facts).encode()).hexdigest()[:24]}.csv"
    if not path.exists():
        risk = risk_of_the_tested(patients, images, index, side, SEED + number)
        with atomic_path(path) as temporary:
            risk.to_csv(temporary)
    risk = pd.read_csv(path).set_index("patient_id").p_progression
    tested = patients[(side == "test").to_numpy()].set_index("patient_id")
    risk, high_risk = risk.loc[tested.index], tested.high_risk.astype(bool)
    progressed = tested.progressed.astype(bool)
    return {
        "split": number, "model": HAZARDS, "auc": statistics.roc_auc(high_risk, risk).value,
        "c_index": statistics.c_index(tested.pfs_months, progressed, risk).value,
        "n_train": len(patients) - len(tested), "n_test": len(tested),
    }  # fmt: skip


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=MODELS.values(), default=MODELS.values())
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    study = Study.open()
    patients = included_patients(study.read_table("cohort.csv")).reset_index(drop=True)
    rois, tables = study.read_table("rois.csv"), {}
    for when in (when for when, name in MODELS.items() if name in options.models):
        images, index = features.study_images(study, rois, when, patients=patients.patient_id)
        folder = study.folder / "results" / "splits"
        numbers = progress_bar(range(options.splits), desc="training", unit="split")
        tables[MODELS[when]] = pd.DataFrame(
            [judged(patients, images, index, k, folder) for k in numbers]
        )
    if options.table:
        pd.concat(tables, names=["network", None]).to_csv(options.table, float_format="%.4f")
    label = kept_splits(study)
    for network, rows in tables.items():
        same = label[(label.model == network) & label.split.isin(rows.split)]
        table = pd.concat([rows, same.assign(model=LABEL)])
        print(f"\n{network}\n", table.pivot(index="split", columns="model").round(3).to_string())
        print(split_differences(table, measure="c_index").round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
