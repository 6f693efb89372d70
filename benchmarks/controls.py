"""Do the models see what they should, and nothing else? Five seeds, four experiments.

Run with ``python benchmarks/controls.py``; prints a Markdown table for the README.

* ``as labelled``: split, start values and batches redrawn with each seed.
* ``permuted outcomes``: months, event and label shuffled together among the patients.
* ``blank ROI``: the size of each box kept, every pixel inside it the same.
* ``hidden variables``: no images; each model is told the variable that its images were drawn from.
  This is the best that two models and their equal vote can do, and how often is it a ladder?
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from npc_demo.writer import TRUTH
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from npc_helpers import cohort as co
from npc_helpers.imaging import roi
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network import features as network_features
from npc_helpers.network import models, prediction, training
from npc_helpers.statistics import c_index, roc_auc
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

SEEDS = (1, 2, 3, 4, 5)
TIMEPOINTS = {"pre": "Pre-model", "post": "Post-model"}
LATENTS = {"aggressiveness": "Pre-model", "residual": "Post-model"}
MANY = 500
OUTCOME = ["pfs_months", "progressed", "event_type", "high_risk"]


def frozen_features(study, setting, *, blank=False):
    """Features of every image, by time point: ``{"pre": (features, index), ...}``."""
    model = models.prognosis_model(setting, seed=0)
    rois = study.read_table("rois.csv")
    features = {}
    for when in TIMEPOINTS:
        images, index = roi.network_inputs(
            load_stacks(study, timepoint=when), rois[rois.timepoint == when], setting=setting
        )
        if blank:
            images = roi.blank_inputs(index, setting=setting)
        features[when] = (
            network_features.extract_features(model, images, cache=study.result_path("features")),
            index,
        )
    return features


def one_run(features, cohort, setting, *, seed):
    """AUC and C-index of Pre, Post and Ensemble in the test patients of one seed's split."""
    risk = {}
    split = cohort.set_index("patient_id").split
    for when, name in TIMEPOINTS.items():
        values, index = features[when]
        labels = cohort.set_index("patient_id").loc[index.patient_id]
        train = (labels.split == "train").to_numpy()
        model = models.prognosis_model(setting, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            learner, _ = training.train(
                model, values, labels.high_risk.to_numpy(dtype=bool), rows=train,
                setting=setting, seed=seed, run_dir=Path(folder), progress=False,
            )  # fmt: skip
        p = training.predict(learner, values, progress=False)
        risk[name] = prediction.patient_probability(prediction.image_predictions(index, p, cohort))
    risk["Ensemble"] = prediction.soft_vote(*risk.values())
    test = cohort.set_index("patient_id").loc[split.index[split == "test"]]
    return {name: scores(test, score.reindex(test.index)) for name, score in risk.items()}


def experiment(features, cohort, setting, *, permute=False):
    """Run all seeds; returns one row per seed and model with columns auc and c_index."""
    rows = []
    for seed in tqdm(SEEDS, leave=False):
        patients = cohort.copy()
        if permute:
            order = np.random.default_rng(seed).permutation(len(patients))
            patients[OUTCOME] = patients[OUTCOME].iloc[order].to_numpy()
        patients["split"] = co.split(patients, seed=seed)
        found = one_run(features, patients, setting, seed=seed)
        rows += [{"seed": seed, "model": name, **values} for name, values in found.items()]
    return pd.DataFrame(rows)


def hidden_variables(study, cohort, *, seeds):
    """Run as `experiment` does, on the two latents of the truth table instead of images."""
    truth = pd.read_csv(study.folder / TRUTH).set_index("patient_id").loc[cohort.patient_id]
    rows = []
    for seed in seeds:
        split = co.split(cohort, seed=seed).to_numpy()
        fitted, test = cohort[split == "train"], cohort[split == "test"]
        risk = {}
        for latent, name in LATENTS.items():
            values = truth[[latent]].to_numpy()
            model = LogisticRegression().fit(
                values[split == "train"], fitted.high_risk.astype(bool)
            )
            risk[name] = pd.Series(model.predict_proba(values[split == "test"])[:, 1], test.index)
        risk["Ensemble"] = prediction.soft_vote(*risk.values())
        risk["all that drives the hazard"] = pd.Series(
            truth.oracle_risk[split == "test"].to_numpy(), test.index
        )
        rows += [{"seed": seed, "model": name, **scores(test, p)} for name, p in risk.items()]
    return pd.DataFrame(rows)


def scores(test, risk):
    """AUC and C-index of a risk per patient."""
    return {
        "auc": roc_auc(test.high_risk.astype(bool), risk).value,
        "c_index": c_index(test.pfs_months, test.progressed, risk).value,
    }


def share_of_ladders(table, column):
    """Share of splits in which Pre < Post <= Ensemble."""
    wide = table.pivot(index="seed", columns="model", values=column)
    ladder = (wide["Pre-model"] < wide["Post-model"]) & (wide["Post-model"] <= wide["Ensemble"])
    return ladder.mean()


def main():
    """Run the experiments and print their means and ranges over seeds."""
    study, setting = Study.open(), current_setting()
    cohort = study.read_table("cohort.csv")
    cohort = cohort[cohort.included].reset_index(drop=True)
    seen = frozen_features(study, setting)
    blank = frozen_features(study, setting, blank=True)
    tables = {
        "as labelled": experiment(seen, cohort, setting),
        "permuted outcomes": experiment(seen, cohort, setting, permute=True),
        "blank ROI": experiment(blank, cohort, setting),
        "hidden variables": hidden_variables(study, cohort, seeds=SEEDS),
    }
    print("| experiment | model | AUC, mean (range) | C-index, mean (range) |\n|---|---|---|---|")
    for experiment_name, table in tables.items():
        for model, rows in table.groupby("model", sort=False):
            cells = [
                f"{rows[c].mean():.3f} ({rows[c].min():.3f}–{rows[c].max():.3f})"
                for c in ("auc", "c_index")
            ]
            print(f"| {experiment_name} | {model} | {cells[0]} | {cells[1]} |")
    many = hidden_variables(study, cohort, seeds=range(1, MANY + 1))
    print(f"\nhidden variables, {MANY} splits")
    print(many.groupby("model", sort=False)[["auc", "c_index"]].mean().round(3).to_string())
    for column in ("auc", "c_index"):
        print(f"Pre < Post <= Ensemble by {column}: {share_of_ladders(many, column):.0%} of splits")


if __name__ == "__main__":
    main()
