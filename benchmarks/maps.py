"""Do maps depend on the seed, and does the finer map beat a bump on its own grid?

    python benchmarks/maps.py [--seeds 1 2 3] [--models Post-model Pre-model]

Trains the models of notebooks 03 and 04 once for each seed (a run that is in the results is read
back) and explains the images of the test patients. Prints Markdown for docs/results.md: how alike
the maps of two seeds are, beside maps of *different* patients by one network, as rank correlation
over the cells; and the energy ratio of the exact and of the finer map, each beside what has seen
no image (a bump, the mean map of the other patients) or learned nothing (a network with random
weights) on the same grid. Averaged within patients; intervals are over patients.
"""

import argparse
import itertools

import keras
import numpy as np
import pandas as pd

from npc_helpers.cohort import included_patients
from npc_helpers.network import features, gradcam, gradcam_bench, models, training
from npc_helpers.network.gradcam_scores import patient_differences, patient_summary, similarity
from npc_helpers.study import Study
from npc_helpers.study.schema import MODELS
from npc_helpers.study.settings import current_setting

EXACT, FINER = "exact", "finer"


def trained(study: Study, when: str, seed: int, cohort, images, index) -> keras.Model:
    """Return the model of a time point and seed, as notebooks 03 and 04 train it."""
    patients = cohort.set_index("patient_id").loc[index.patient_id]
    setting, name = current_setting(), when if seed == 1 else f"{when}_seed{seed}"
    learner, _ = training.train(
        models.prognosis_model(setting, seed=seed), images,
        patients.high_risk.to_numpy(dtype=bool), setting=setting, seed=seed,
        run_dir=study.result_path("runs") / name, rows=(patients.split == "train").to_numpy(),
        patients=index.patient_id,
    )  # fmt: skip
    return learner


def both_maps(model: keras.Model, images) -> dict[str, np.ndarray]:
    """Return the exact map of each image and the finer one."""
    exact = gradcam.class_map(gradcam.activations(model, images), gradcam.head(model)[0])
    return {EXACT: exact, FINER: gradcam.finer_map(model, images)}


def likeness(maps: dict, index: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rank correlation of maps of two seeds, and of two patients, image by image."""
    next_patient = np.roll(np.arange(len(index)), index.patient_id.value_counts().max())
    tables = [
        index.assign(map="other seed", rank=similarity(maps[a][kind], maps[b][kind])[1])
        for a, b in itertools.combinations(maps, 2)
    ]
    tables += [
        index.assign(map="other patient", rank=similarity(of[kind], of[kind][next_patient])[1])
        for of in maps.values()
    ]
    return patient_summary(pd.concat(tables), columns=["rank"])


def beside_blind_ones(study: Study, model, maps: dict, blind: dict, index) -> pd.DataFrame:
    """Return the energy ratio of both maps beside their opponents, and the differences."""
    tables = []
    for kind, layer in ((EXACT, models.LAST_CONVOLUTION), (FINER, models.end_of_block17(model))):
        place = gradcam.Geometry.of(model, layer=layer)
        of = [
            (kind, maps[kind]),
            ("bump", gradcam_bench.bumps(index, place, maps[kind].shape[1:])),
            ("other patients", gradcam_bench.mean_of_others(maps[kind], index)),
            ("random network", blind[kind]),
        ]
        scores = gradcam_bench.with_truth(gradcam_bench.score_table(study, index, of, place))
        means = patient_summary(scores, columns=["energy_ratio"]).set_index("map")
        minus = patient_differences(scores, kind, columns=["energy_ratio"]).set_index("map")
        tables.append(means.join(minus, rsuffix="_minus").assign(grid=kind))
    return pd.concat(tables)


def span(row, value: str, suffix: str = "") -> str:
    """Write a value with its interval."""
    if pd.isna(row[value]):
        return "–"
    return f"{row[value]:.2f} ({row['low' + suffix]:.2f} to {row['high' + suffix]:.2f})"


def main() -> None:
    """Explain, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--models", nargs="+", choices=MODELS.values(), default=MODELS.values())
    options = parser.parse_args()
    study = Study.open()
    rois, cohort = study.read_table("rois.csv"), included_patients(study.read_table("cohort.csv"))
    tested = set(cohort.patient_id[cohort.split == "test"])
    untrained = models.prognosis_model(current_setting(), seed=1, weights="none")
    for when in (when for when, name in MODELS.items() if name in options.models):
        images, index = features.study_images(study, rois, when, patients=cohort.patient_id)
        test = index.patient_id.isin(tested).to_numpy()
        of_test, few = images[test], index[test].reset_index(drop=True)
        model, maps = None, {}
        for seed in options.seeds:
            network = trained(study, when, seed, cohort, images, index)
            model, maps[seed] = model or network, both_maps(network, of_test)
        print(f"\n{MODELS[when]}, seeds {options.seeds}\n")
        print("| map | rank correlation with another seed | with another patient |\n|---|---|---|")
        for kind in (EXACT, FINER):
            alike = likeness(maps, few, kind).set_index("map")
            cells = [span(alike.loc[f"other {varied}"], "mean") for varied in ("seed", "patient")]
            print(f"| {kind} | {' | '.join(cells)} |", flush=True)
        first = maps[options.seeds[0]]
        table = beside_blind_ones(study, model, first, both_maps(untrained, of_test), few)
        print("\n| grid | map | energy ratio | the map minus it |\n|---|---|---|---|")
        for name, row in table.iterrows():
            cells = [span(row, "mean"), span(row, "difference", "_minus")]
            print(f"| {row.grid} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
