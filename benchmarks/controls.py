"""Do the models see what they should, and nothing else? Five seeds, three experiments.

Run with ``python benchmarks/controls.py``; prints a Markdown table for the README.

* ``as labelled``: split, start values and batches redrawn with each seed.
* ``permuted outcomes``: months, event and label shuffled together among the patients.
* ``blank ROI``: the size of each box kept, every pixel inside it the same.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from npc_helpers import cohort as co
from npc_helpers import models, prediction, roi, training
from npc_helpers.settings import current_setting
from npc_helpers.stacks import load_stacks
from npc_helpers.statistics import c_index, roc_auc
from npc_helpers.study import Study

SEEDS = (1, 2, 3, 4, 5)
TIMEPOINTS = {"pre": "Pre-model", "post": "Post-model"}
OUTCOME = ["pfs_months", "progressed", "event_type", "high_risk"]


def frozen_features(study, setting, *, blank=False):
    """Features of every image, by time point: ``{"pre": (features, index), ...}``."""
    model = models.prognosis_model(setting, seed=0)
    rois = study.read_table("rois.csv", notebook="02_crop_roi")
    features = {}
    for when in TIMEPOINTS:
        images, index = roi.network_inputs(
            load_stacks(study, timepoint=when), rois[rois.timepoint == when], setting=setting
        )
        if blank:
            images = roi.blank_inputs(index, setting=setting)
        features[when] = training.extract_features(model, images), index
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
            training.train(
                model, values[train], labels.high_risk.to_numpy(dtype=bool)[train],
                setting=setting, seed=seed, run_dir=Path(folder), progress=False,
            )  # fmt: skip
        p = training.predict(model, values)
        risk[name] = prediction.patient_probability(prediction.image_predictions(index, p, cohort))
    risk["Ensemble"] = prediction.soft_vote(*risk.values())
    test = cohort.set_index("patient_id").loc[split.index[split == "test"]]
    return {
        name: (
            roc_auc(test.high_risk.astype(bool), score.reindex(test.index)).value,
            c_index(test.pfs_months, test.progressed, score.reindex(test.index)).value,
        )
        for name, score in risk.items()
    }


def experiment(features, cohort, setting, *, permute=False):
    """Run all seeds; returns one row per seed and model with columns auc and c_index."""
    rows = []
    for seed in tqdm(SEEDS, leave=False):
        patients = cohort.copy()
        if permute:
            order = np.random.default_rng(seed).permutation(len(patients))
            patients[OUTCOME] = patients[OUTCOME].iloc[order].to_numpy()
        patients["split"] = co.split(patients, seed=seed)
        for name, (auc, concordance) in one_run(features, patients, setting, seed=seed).items():
            rows.append({"seed": seed, "model": name, "auc": auc, "c_index": concordance})
    return pd.DataFrame(rows)


def main():
    """Run the three experiments and print their means and ranges over seeds."""
    study, setting = Study.open(), current_setting()
    cohort = study.read_table("cohort.csv", notebook="01_screen_cohort")
    cohort = cohort[cohort.included].reset_index(drop=True)
    seen = frozen_features(study, setting)
    blank = frozen_features(study, setting, blank=True)
    tables = {
        "as labelled": experiment(seen, cohort, setting),
        "permuted outcomes": experiment(seen, cohort, setting, permute=True),
        "blank ROI": experiment(blank, cohort, setting),
    }
    print("| experiment | model | AUC, mean (range) | C-index, mean (range) |\n|---|---|---|---|")
    for experiment_name, table in tables.items():
        for model, rows in table.groupby("model", sort=False):
            cells = [
                f"{rows[c].mean():.3f} ({rows[c].min():.3f}–{rows[c].max():.3f})"
                for c in ("auc", "c_index")
            ]
            print(f"| {experiment_name} | {model} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    main()
