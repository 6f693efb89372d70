"""What learns, and from what? Start weights and depths of training side by side, on equal splits.

    python benchmarks/sources.py [--splits 20] [--only "generic, whole" ...] [--workers 1]
                                 [--table splits.csv] [--anew]

In each split of the patients every model is trained anew and judged on the patients left out
(`repeated_splits`). Between the arms nothing differs but what stands in `ARMS`:

* ``random``: start values that nobody has taught anything.
* ``generic``: the shipped weights, which know sequence, level and time point of an image and the
  extent of disease before treatment (`npc_demo.pretrain_in_domain`).
* ``head``: the last layer learns, on features of the start weights; by the paper's rules (Adam,
  ten epochs without a better training accuracy).
* ``top``: what lies behind `block17` learns, with normalisation frozen, from what the network below
  answers to the images as they are; else as in notebooks 03 and 04.
* ``whole``: the whole network learns, as in notebooks 03 and 04.

Two controls, of the last layer on generic features: ``outcomes shuffled`` among the patients anew
for each split, and ``rectangles blank``, of which nothing but their size is left. Predictions are
kept in ``results/splits``, so that a run can be stopped and goes on. The arm that ships, ``generic,
whole``, goes on after the splits in ``data/reference`` as long as they fit this study (``--anew``:
begins with the first, to compare backends or machines). Prints Markdown for docs/results.md, and
writes what notebook 10 shows into the results; ``--table`` keeps every arm, split and model.
"""

import argparse
import dataclasses
import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from npc_helpers.cohort import included_patients
from npc_helpers.imaging.roi import rectangle_of, shrink, zero_pad
from npc_helpers.network import features
from npc_helpers.network.prediction import tnm_risk
from npc_helpers.network.repeated_splits import (
    ENSEMBLE,
    keep_splits,
    kept_splits,
    repeated_splits,
)
from npc_helpers.statistics import split_differences
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.schema import MODELS
from npc_helpers.study.settings import Setting, current_setting

HEAD_ONLY = {
    "trainable": "head",
    "train_normalisation": False,
    "schedule": "constant",
    "learning_rate": 1e-3,
    "dropout": 0.5,
    "l2": 1e-3,
    "images_per_patient": None,
    "vary_images": False,
    "max_epochs": 200,
}
TOP_BLOCKS = {"trainable": "top", "train_normalisation": False, "vary_images": False}
SHIPPED, SHUFFLED, BLANK = "generic, whole", "outcomes shuffled", "rectangles blank"
ARMS = {
    SHIPPED: {},
    "random, whole": {"weights": "none"},
    "generic, top": TOP_BLOCKS,
    "random, top": {**TOP_BLOCKS, "weights": "none"},
    "generic, head": HEAD_ONLY,
    "random, head": {**HEAD_ONLY, "weights": "none"},
    SHUFFLED: HEAD_ONLY,
    BLANK: HEAD_ONLY,
}
OUTCOME = ["pfs_months", "progressed", "event_type", "high_risk"]
SEED = 2022
GREY = 128  # the value of every pixel in the control without image content


def blank_inputs(index: pd.DataFrame, setting: Setting) -> np.ndarray:
    """Return inputs (n, S, S, 1) that hold nothing but the size of each rectangle: the control.

    As `roi.network_inputs` would make them of `index` if every pixel had the same brightness.
    """
    size = setting.input_size
    images = np.empty((len(index), size, size, 1), dtype=np.uint8)
    for number, row in enumerate(index.itertuples()):
        box = rectangle_of(row)
        region = np.full((box.height, box.width), GREY, np.uint8)
        images[number, :, :, 0] = shrink(zero_pad(region, setting.canvas), setting.shrink)
    return images


def judge(name: str, patients: pd.DataFrame, inputs, setting: Setting, **options) -> pd.DataFrame:
    """Return one row per split and model of an arm."""
    setting = dataclasses.replace(setting, **ARMS[name])
    if name == BLANK:
        inputs = {
            model: (blank_inputs(index, setting), index) for model, (_, index) in inputs.items()
        }
    if name == SHUFFLED:
        return _shuffled(patients, inputs, setting=setting, **options)
    others = {"TNM": tnm_risk(patients)} if name == SHIPPED else {}
    return repeated_splits(patients, inputs, setting=setting, others=others, **options)


def _shuffled(patients, inputs, *, n_splits: int, **options) -> pd.DataFrame:
    """One split of each of many shufflings of the outcomes among the patients."""
    tables = []
    for number in range(n_splits):
        order = np.random.default_rng(number).permutation(len(patients))
        shuffled = patients.copy()
        shuffled[OUTCOME] = patients[OUTCOME].iloc[order].to_numpy()
        shuffled = shuffled.astype(patients.dtypes)
        table = repeated_splits(shuffled, inputs, n_splits=1, seed=SEED + number, **options)
        tables.append(table.assign(split=number))
    return pd.concat(tables)


def _judge_shipped(study: Study, *given, n_splits: int, **options) -> pd.DataFrame:
    """Return the splits of the shipped arm that are kept, and after them those still to be run."""
    try:
        kept = kept_splits(study)
    except NotInThisStudy:
        return judge(SHIPPED, *given, n_splits=n_splits, **options)
    done = int(kept.split.max()) + 1
    if done >= n_splits:
        return kept[kept.split < n_splits]
    rest = judge(SHIPPED, *given, n_splits=n_splits - done, seed=SEED + done, **options)
    return pd.concat([kept, rest.assign(split=rest.split + done)], ignore_index=True)


def markdown(splits: pd.DataFrame) -> str:
    """Return a table: mean with its 95% interval, and the middle 95% of the splits."""
    lines = ["| arm | measure | Pre-model | Post-model | Ensemble |", "|---|---|---|---|---|"]
    for arm, table in splits.groupby("arm", sort=False):
        for measure, title in (("c_index", "C-index"), ("auc", "AUC")):
            cells = [_cell(table[table.model == m], measure) for m in (*MODELS.values(), ENSEMBLE)]
            lines.append(f"| {arm} | {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(table: pd.DataFrame, measure: str) -> str:
    """The interval is widened because splits share patients, as in `split_differences`."""
    values = table[measure]
    variance = values.var() * (1 / len(values) + (table.n_test / table.n_train).mean())
    half = 1.96 * np.sqrt(variance)
    low, high = values.quantile([0.025, 0.975])
    mean = values.mean()
    return f"{mean:.3f} ({mean - half:.2f} to {mean + half:.2f}; {low:.2f}–{high:.2f})"


def between_arms(splits: pd.DataFrame) -> pd.DataFrame:
    """Return the difference in C-index of every two arms, for each model, over common splits."""
    splits = splits[~splits.arm.isin([SHUFFLED, BLANK])]
    pairs = itertools.combinations(splits.arm.unique(), 2)
    tables = []
    for (model, table), two in itertools.product(splits.groupby("model", sort=False), pairs):
        named = table[table.arm.isin(two)]
        named = named.assign(model=named["arm"])
        common = named.groupby("split").filter(lambda rows: len(rows) == 2)
        if common.split.nunique() > 1:
            differences = split_differences(common, measure="c_index")
            tables.append(differences.assign(model=model, splits=common.split.nunique()))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def main() -> None:
    """Train and judge every arm, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--anew", action="store_true")
    options = parser.parse_args()
    study, setting = Study.open(), current_setting()
    cohort = included_patients(study.read_table("cohort.csv"))
    rois = study.read_table("rois.csv")
    inputs = {
        model: features.study_images(study, rois, when, patients=cohort.patient_id)
        for when, model in MODELS.items()
    }
    tables = []
    for arm in options.only:
        judged = (
            partial(_judge_shipped, study)
            if arm == SHIPPED and not options.anew
            else partial(judge, arm)
        )
        table = judged(
            cohort, inputs, setting,
            folder=study.folder / "results" / "splits", n_splits=options.splits,
            workers=options.workers,
        )  # fmt: skip
        tables.append(table.assign(arm=arm))
        print(markdown(tables[-1]), flush=True)
    splits = pd.concat(tables)
    print(markdown(splits))
    if SHIPPED in options.only and not options.anew:
        path = keep_splits(study, splits[splits.arm == SHIPPED].drop(columns="arm"))
        print(f"{path} (the copy that ships lies, with its note, in data/reference)")
    for arm, table in splits.groupby("arm", sort=False):
        print(arm, split_differences(table, measure="c_index").round(3).to_string(), sep="\n")
    print(between_arms(splits).round(3).to_string())
    if options.table:
        splits.to_csv(options.table, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
