"""What do whole images add? The same network on rectangles and on whole images, on equal splits.

    python benchmarks/whole_images.py [--splits 20] [--workers 1]

The paper's authors first gave their network whole images, found maps that pointed at cerebrospinal
fluid, cerebellum, orbit and parotid gland, and went on with rectangles. Here the last layer learns
by the paper's rules on frozen features of the generic weights (``generic, head`` of
`benchmarks/sources.py`). Between the two arms nothing differs but what is cut out: the rectangle of
02, or nothing. Prints Markdown for docs/results.md: the splits, their paired differences, and where
the maps of the test patients lie (the generator knows the anatomy). Writes what notebook 15 shows.
"""

import argparse
import dataclasses
from functools import partial

import numpy as np
import pandas as pd
from npc_demo.regions import regions
from npc_demo.what_if import patients_of
from sources import HEAD_ONLY, markdown

from npc_helpers.cohort import included_patients
from npc_helpers.network import features, gradcam, survival_heads, whole_images
from npc_helpers.network.models import prognosis_model
from npc_helpers.network.prediction import tnm_risk
from npc_helpers.network.repeated_splits import keep_splits, repeated_splits
from npc_helpers.network.whole_images import HEADS, KEPT, RECTANGLES, WHOLE
from npc_helpers.statistics import split_differences
from npc_helpers.study import Study
from npc_helpers.study.jobs import spread
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import MODELS
from npc_helpers.study.settings import current_setting

STEP = 4  # every fourth pixel is scored, as in `gradcam_bench`
RESAMPLES = 2000


def shares(jobs: dict, patient_and_time: tuple) -> pd.DataFrame:
    """Return, by image and structure, the share of the map's positive mass, and of the area."""
    patient, when = patient_and_time
    truth = regions(patient, when)
    rows = []
    for arm, (geometry, maps, index) in jobs[when].items():
        of_patient = index.patient_id == patient.patient_id
        for row, values in zip(index[of_patient].itertuples(), maps[of_patient], strict=True):
            heat = geometry.to_image(values, row)[::STEP, ::STEP]
            seen, heat = np.isfinite(heat), np.maximum(np.nan_to_num(heat), 0)
            for name, mask in truth.items():
                inside = mask[row.slice_index, ::STEP, ::STEP] & seen
                energy = heat[inside].sum() / heat.sum() if heat.any() else 0.0
                area = inside.sum() / seen.sum()
                rows.append((arm, when, row.patient_id, name, energy, area))
    return pd.DataFrame(rows, columns=["arm", "timepoint", "patient_id", "part", "energy", "area"])


def summary(table: pd.DataFrame) -> str:
    """Return Markdown: mean shares over patients, and energy over area with its interval."""
    lines = ["| model | structure | rectangles | whole images |", "|---|---|---|---|"]
    for (when, part), rows in table.groupby(["timepoint", "part"], sort=False):
        cells = [_cell(rows[rows.arm == arm]) for arm in (RECTANGLES, WHOLE)]
        lines.append(f"| {MODELS[when]} | {part} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(rows: pd.DataFrame) -> str:
    means = rows.groupby("patient_id")[["energy", "area"]].mean().to_numpy()  # (patients, 2)
    energy, area = means.mean(axis=0)
    if not area:
        return "not in it"
    rng = np.random.default_rng(0)
    drawn = means[rng.integers(0, len(means), (RESAMPLES, len(means)))].mean(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return f"{energy:.1%} of {area:.1%}: {energy / area:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Train, judge and map both arms, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    study, setting = Study.open(), dataclasses.replace(current_setting(), **HEAD_ONLY)
    cohort = included_patients(study.read_table("cohort.csv"))
    rois = study.read_table("rois.csv")
    arms = whole_images.arms(setting)
    train = cohort[cohort.split == "train"].set_index("patient_id")
    test = cohort.patient_id[cohort.split == "test"]
    tables, heads, maps = [], {}, {when: {} for when in MODELS}
    for arm, seen_by in arms.items():
        of_arm = whole_images.cut_out(rois, arm, setting)
        inputs = {
            model: features.study_images(
                study, of_arm, when, patients=cohort.patient_id, setting=seen_by
            )
            for when, model in MODELS.items()
        }
        splits = repeated_splits(
            cohort, inputs, setting=seen_by, folder=study.folder / "results" / "splits",
            others={"TNM": tnm_risk(cohort)} if arm == RECTANGLES else {},
            n_splits=options.splits, workers=options.workers,
        )  # fmt: skip
        tables.append(splits.assign(arm=arm))
        print(markdown(tables[-1]), flush=True)
        network = prognosis_model(seen_by, seed=0)
        for when, (images, index) in zip(MODELS, inputs.values(), strict=True):
            table = survival_heads.patient_features(
                study, of_arm, when, patients=train.index, setting=seen_by
            )
            head = survival_heads.train_head("two neurons", table, train.loc[table.index])
            direction = whole_images.direction_of(head)
            heads[f"{when}, {arm}"] = direction / np.abs(direction).max()
            tested = index.patient_id.isin(test).to_numpy()
            activations = gradcam.activations(network, images[tested])
            maps[when][arm] = (
                gradcam.Geometry.of(network),
                activations @ direction,
                index[tested].reset_index(drop=True),
            )
    splits = pd.concat(tables)
    keep_splits(study, splits, KEPT)
    keep_splits(study, pd.DataFrame(heads), HEADS)
    print(markdown(splits))
    named = splits.assign(model=splits.model + ", " + splits.arm)
    for model in (*MODELS.values(), "Ensemble"):
        pair = named[named.model.isin([f"{model}, {arm}" for arm in arms])]
        for measure in ("c_index", "auc"):
            print(split_differences(pair, measure=measure).round(3).to_string())
    drawn = patients_of(study)
    jobs = [(drawn[name], when) for when in MODELS for name in test]
    done = spread(partial(shares, maps), jobs, workers=options.workers)
    bar = progress_bar(done, total=len(jobs), desc="maps", unit="exam")
    print(summary(pd.concat([table for _, table in bar])))


if __name__ == "__main__":
    main()
