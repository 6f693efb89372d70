"""What learns, and from what? Start weights side by side, on equal images and equal splits.

    python benchmarks/sources.py [--splits 100] [--patients 100]

Only the head is fitted (`repeated_splits`), on the mean features that each backbone gives the
patients. Between the sources nothing differs but the weights:

* ``random``: nothing was learned.
* ``generic``: sequence, level and time point of an image, and the extent of disease before
  treatment. Nothing that measures prognosis.
* ``informed``: the targets of the shipped weights, texture, necrosis and share of tumour left,
  which are measured versions of the hidden variables that drive the hazard; with the patients and
  epochs of ``generic``.
* ``shipped``: the weights of the tutorial, informed by more patients for longer.
* ``size only``: the rectangles without their content, through the shipped weights.

The two small pretexts are trained once (about half an hour of processor time together) and
kept in ``results/pretexts``; features are kept in the cache of the results. Writes a table per
split beside them, and prints Markdown for docs/results.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from npc_helpers.cohort import included_patients
from npc_helpers.imaging.roi import blank_inputs
from npc_helpers.network import features, models, prediction
from npc_helpers.network.repeated_splits import repeated_splits
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

MODELS = {"pre": "Pre-model", "post": "Post-model"}
EPOCHS, FULL_EPOCHS = 5, 1


def pretexts(folder: Path, patients: int, kinds: list[str]) -> dict[str, str]:
    """Return the files of the small pretexts, trained now unless they are there."""
    paths = {kind: folder / f"{kind}_{patients}.npz" for kind in kinds}
    missing = {kind: path for kind, path in paths.items() if not path.exists()}
    if missing:
        from npc_demo.pretrain_in_domain import draw_all, pretrain

        data = draw_all(patients)
        for kind, path in missing.items():
            pretrain(data, kind, path, epochs=EPOCHS, full_epochs=FULL_EPOCHS)
    return {kind: str(path) for kind, path in paths.items()}


def mean_features(study, images, weights: str) -> dict[str, pd.DataFrame]:
    """Mean features of each patient, by model."""
    backbone = models.prognosis_model(current_setting(), seed=1, weights=weights)
    tables = {}
    for when, (pixels, index) in images.items():
        values = features.extract_features(backbone, pixels, cache=study.result_path("features"))
        table = prediction.patient_features(index, values).set_index("patient_id")
        tables[MODELS[when]] = table
    return tables


def summary(splits: pd.DataFrame) -> str:
    """Return a Markdown table: mean and the middle eight tenths of the splits."""
    lines = ["| source | measure | Pre-model | Post-model | Ensemble |", "|---|---|---|---|---|"]
    for source in splits.source.unique():
        for measure in ("c_index", "auc"):
            cells = []
            for model in (*MODELS.values(), "Ensemble"):
                values = splits[(splits.source == source) & (splits.model == model)][measure]
                low, high = values.quantile([0.1, 0.9])
                cells.append(f"{values.mean():.3f} ({low:.2f}–{high:.2f})")
            name = {"c_index": "C-index", "auc": "AUC"}[measure]
            lines.append(f"| {source} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Train the small pretexts if need be, judge every source, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=100)
    parser.add_argument("--only", nargs="+", help="these sources, for instance random shipped")
    parser.add_argument("--patients", type=int, default=100, help="drawn for the small pretexts")
    options = parser.parse_args()
    study = Study.open()
    folder = study.folder / "results" / "pretexts"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = options.only or ["random", "generic", "informed", "shipped", "size only"]
    small = pretexts(folder, options.patients, [k for k in ("generic", "informed") if k in wanted])
    sources = {"random": "none", **small, "shipped": "in_domain"}
    cohort = included_patients(study.read_table("cohort.csv"))
    rois = study.read_table("rois.csv")
    images = {
        when: features.study_images(study, rois, when, patients=cohort.patient_id)
        for when in MODELS
    }
    blank = {
        when: (blank_inputs(index, setting=current_setting()), index)
        for when, (_, index) in images.items()
    }
    cases = {name: (images, weights) for name, weights in sources.items()}
    cases["size only"] = (blank, "in_domain")
    tables = []
    for name, (pixels, weights) in ((name, cases[name]) for name in wanted):
        tables.append(
            repeated_splits(cohort, mean_features(study, pixels, weights), n_splits=options.splits)
        )
        tables[-1].insert(0, "source", name)
    splits = pd.concat(tables)
    splits.to_csv(folder / "sources.csv", index=False)
    print(summary(splits))


if __name__ == "__main__":
    main()
