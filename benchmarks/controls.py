"""Do the models see what they should, and nothing else? A hundred splits, four experiments.

Run with ``python benchmarks/controls.py`` after notebooks 01 to 04; prints the Markdown table of
docs/results.md and the sentences below it.

* ``as labelled``: the mean features of each patient's images, from the network that has seen no
  outcome; the last layer is fitted anew in the training side of each split (`repeated_splits`).
* ``permuted outcomes``: months, event and label shuffled together among the patients, anew for
  each split.
* ``blank ROI``: the size of each box kept, every pixel inside it the same.
* ``hidden variables``: no images; each model is told the variable that its images were drawn from.
  This is the best that two models and their equal vote can do, and how often is it a ladder?
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from npc_demo.writer import TRUTH
from tqdm import tqdm

from npc_helpers.cohort import included_patients
from npc_helpers.imaging import roi
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network import features as network_features
from npc_helpers.network import models, prediction
from npc_helpers.network.repeated_splits import repeated_splits
from npc_helpers.statistics import split_differences, summarise_splits
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

SPLITS = 100
SEED = 1
TIMEPOINTS = {"pre": "Pre-model", "post": "Post-model"}
LATENTS = {"aggressiveness": "Pre-model", "residual": "Post-model"}
OUTCOME = ["pfs_months", "progressed", "event_type", "high_risk"]
LADDER = ["Pre-model", "Post-model", "Ensemble"]
CEILING = "all that drives the hazard"


def blank_features(study, setting):
    """Mean features of each patient's rectangles with nothing in them, by model."""
    model = models.prognosis_model(setting, seed=0)
    rois = study.read_table("rois.csv")
    means = {}
    for when, name in TIMEPOINTS.items():
        stacks = load_stacks(study, timepoint=when)
        _, index = roi.network_inputs(stacks, rois[rois.timepoint == when], setting=setting)
        values = network_features.extract_features(model, roi.blank_inputs(index, setting=setting))
        means[name] = prediction.patient_features(index, values).set_index("patient_id")
    return means


def permuted(patients, features):
    """One split of each of many permutations of the outcomes."""
    tables = []
    for number in tqdm(range(SPLITS), desc="permutations", leave=False):
        shuffled = patients.copy()
        order = np.random.default_rng(number).permutation(len(patients))
        shuffled[OUTCOME] = patients[OUTCOME].iloc[order].to_numpy()
        shuffled["high_risk"] = shuffled["high_risk"].astype(bool)
        shuffled["progressed"] = shuffled["progressed"].astype(bool)
        split = repeated_splits(
            shuffled, features, n_splits=1, seed=SEED + number, workers=1, progress=False
        )
        tables.append(split.assign(split=number))
    return pd.concat(tables, ignore_index=True)


def hidden_variables(study, patients):
    """As labelled, on the two latents of the truth table instead of features of images."""
    truth = pd.read_csv(study.folder / TRUTH).set_index("patient_id").loc[patients.patient_id]
    features = {name: truth[[latent]] for latent, name in LATENTS.items()}
    others = {CEILING: truth.oracle_risk}
    return repeated_splits(patients, features, others=others, n_splits=SPLITS, seed=SEED)


def achieved(seen, hidden, measure):
    """Share of the achievable discrimination, by model: from the means, and its middle 95%."""
    best = hidden[hidden.model == CEILING].set_index("split")[measure] - 0.5
    for model in LADDER:
        gained = seen[seen.model == model].set_index("split")[measure] - 0.5
        low, high = (gained / best).quantile([0.025, 0.975])
        yield f"{model} {gained.mean() / best.mean():.0%} ({low:.0%} to {high:.0%})"


def share_of_ladders(splits, measure):
    """Share of splits in which Pre < Post < Ensemble (equal to it counts as not above)."""
    wide = splits.pivot(index="split", columns="model", values=measure)[LADDER]
    return (wide.diff(axis=1).iloc[:, 1:] > 0).all(axis=1).mean()


def print_table(tables):
    print("| experiment | model | AUC, mean (middle 95%) | C-index, mean (middle 95%) |")
    print("|---|---|---|---|")
    for experiment, splits in tables.items():
        rows = {m: summarise_splits(splits, measure=m) for m in ("auc", "c_index")}
        for model in rows["auc"].index:
            cells = [f"{r['mean']:.3f} ({r['low']:.3f}–{r['high']:.3f})"
                     for r in (rows[m].loc[model] for m in rows)]  # fmt: skip
            print(f"| {experiment} | {model} | {cells[0]} | {cells[1]} |")


def main():
    """Run the experiments and print their means and the middle 95% of the splits."""
    study, setting = Study.open(), current_setting()
    patients = included_patients(study.read_table("cohort.csv"))
    features = {
        name: study.read_table(f"features_{when}.csv").set_index("patient_id")
        for when, name in TIMEPOINTS.items()
    }
    tables = {
        "as labelled": repeated_splits(patients, features, n_splits=SPLITS, seed=SEED),
        "permuted outcomes": permuted(patients, features),
        "blank ROI": repeated_splits(
            patients, blank_features(study, setting), n_splits=SPLITS, seed=SEED
        ),
        "hidden variables": hidden_variables(study, patients),
    }
    print_table(tables)
    seen, hidden = tables["as labelled"], tables["hidden variables"]
    for measure in ("auc", "c_index"):
        print(f"\n{measure}: of the achievable", "; ".join(achieved(seen, hidden, measure)))
        for name, splits in (("as labelled", seen), ("hidden variables", hidden)):
            print(f"Pre < Post < Ensemble, {name}: {share_of_ladders(splits, measure):.0%}")
        print(split_differences(seen, measure=measure).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
