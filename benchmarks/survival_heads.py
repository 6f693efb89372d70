"""What did the label cost? Last layers for the label, for hazards and for Cox, on equal splits.

    python benchmarks/survival_heads.py [--splits 25] [--workers 2] [--strengths]

In each split of the patients (those of `benchmarks/sources.py`) last layers are trained anew on the
frozen features of the start weights and judged on the patients left out. Between the arms nothing
differs but the neurons and the loss (`npc_helpers.network.survival_heads`), and which examinations
they see: before treatment, after it, or both with their difference as one model. ``Ensemble`` is
the mean of the first two. ``image by image`` is the paper's way: the two neurons learn from single
images, each with the label of its patient (``generic, head`` of `benchmarks/sources.py`).

Two Cox models per split ask what the image adds to T, N, age, sex and induction: without and
with the score of the Post-model's Cox layer, out of fold for the patients of the fit.

What was trained is kept in ``results/splits``, so that a run can be stopped and goes on.
`--strengths` prints instead how the penalty was chosen: C-index out of fold in the training
patients of the study's own split. Writes ``survival_splits.csv``, which notebook 12 shows, and
prints Markdown for docs/results.md.
"""

import argparse
import dataclasses
import hashlib
import itertools
from functools import partial
from pathlib import Path

import pandas as pd
from sources import HEAD_ONLY

from npc_helpers import statistics
from npc_helpers.cohort import included_patients
from npc_helpers.cohort import split as split_patients
from npc_helpers.network import features, survival_heads
from npc_helpers.network.prediction import compared_patients
from npc_helpers.network.repeated_splits import ENSEMBLE, keep_splits, repeated_splits
from npc_helpers.network.survival_heads import BY_IMAGE, KEPT, KINDS, PAIR, STEPS
from npc_helpers.statistics import split_differences, summarise_splits
from npc_helpers.study import Study
from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.jobs import spread
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import MODELS
from npc_helpers.study.settings import current_setting

SEED = 2022
STRENGTHS = (5e-4, 5e-3, 5e-2, 5e-1)
RULE = "|---|---|---|---|"
TERMS = ("T", "N", "age_decades", "male", "induction")  # almost all had concurrent chemotherapy
CLINICAL, WITH_IMAGE = "clinical", "clinical + image"
PAIRS = (
    *((f"{m}, {k}", f"{m}, {BY_IMAGE}") for m in (*MODELS.values(), ENSEMBLE) for k in KINDS),
    *((f"{PAIR}, {k}", f"{m}, {k}") for k in KINDS for m in (MODELS["post"], ENSEMBLE)),
    (f"{WITH_IMAGE}, Cox", f"{CLINICAL}, Cox"),
)


def judged(patients: pd.DataFrame, risk: pd.Series) -> dict:
    """Return AUC against the label and C-index of one score."""
    auc = statistics.roc_auc(patients.high_risk, risk)
    c = statistics.c_index(patients.pfs_months, patients.progressed, risk)
    return {"auc": auc.value, "c_index": c.value}


def one_split(patients: pd.DataFrame, seen: dict, folder: Path, number: int) -> pd.DataFrame:
    """Train and judge every arm in one split, or read what was kept of it."""
    facts = [patients.to_csv(), *(table.to_csv() for table in seen.values()), STEPS, number]
    facts += [kind.l2 for kind in KINDS.values()]
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:24]
    path = folder / f"heads-{digest}.csv"
    if not path.exists():
        with atomic_path(path) as temporary:
            pd.DataFrame(_one_split(patients, seen, number)).to_csv(temporary, index=False)
    return pd.read_csv(path)


def _one_split(patients: pd.DataFrame, seen: dict, number: int) -> list[dict]:
    side = split_patients(patients.reset_index(), seed=SEED + number, stratify=["high_risk"])
    is_train = (side == "train").to_numpy()
    train, test = patients[is_train], patients[~is_train]
    scores = {}
    for kind in KINDS:
        for model, table in seen.items():
            head = survival_heads.train_head(kind, table[is_train], train)
            scores[model, kind] = head.risk(table[~is_train])
        pre, post = (scores[model, kind] for model in MODELS.values())
        scores[ENSEMBLE, kind] = (pre + post) / 2
    scores |= added(train, test, seen[MODELS["post"]], scores[MODELS["post"], "Cox"])
    size = {"n_train": len(train), "n_test": len(test)}
    return [
        {"split": number, "model": model, "head": kind, **judged(test, risk), **size}
        for (model, kind), risk in scores.items()
    ]


def added(train, test, table: pd.DataFrame, score: pd.Series) -> dict:
    """Return the scores of the Cox models without and with the image."""
    image_risk = survival_heads.out_of_fold_risk("Cox", table.loc[train.index], train)
    scores = {}
    for name, extra in ((CLINICAL, False), (WITH_IMAGE, True)):
        sides = []
        for group, image in ((train, image_risk), (test, score)):
            covariates = statistics.clinical_covariates(group)[list(TERMS)]
            sides.append(covariates.assign(image=image) if extra else covariates)
        model = statistics.fit_cox(train.pfs_months, train.progressed, sides[0])
        scores[name, "Cox"] = model.risk_score(sides[1])
    return scores


def image_by_image(study: Study, patients: pd.DataFrame, *, n_splits: int, workers: int):
    """The paper's way, by `repeated_splits`."""
    rois, setting = study.read_table("rois.csv"), current_setting()
    inputs = {
        model: features.study_images(study, rois, when, patients=patients.index)
        for when, model in MODELS.items()
    }
    return repeated_splits(
        patients.reset_index(), inputs, setting=dataclasses.replace(setting, **HEAD_ONLY),
        folder=study.folder / "results" / "splits", n_splits=n_splits, seed=SEED, workers=workers,
    ).assign(head=BY_IMAGE)  # fmt: skip


def out_of_fold(patients: pd.DataFrame, seen: dict, job: tuple) -> float:
    """Return the C-index out of fold of one arm with one strength of the penalty."""
    kind, model, strength = job
    risk = survival_heads.out_of_fold_risk(kind, seen[model], patients, l2=strength)
    return statistics.c_index(patients.pfs_months, patients.progressed, risk).value


def strengths(patients: pd.DataFrame, seen: dict, *, workers: int) -> pd.DataFrame:
    """Return the C-index out of fold by arm and strength, in the study's training patients."""
    train = patients[patients.split == "train"]
    tables = {model: table.loc[train.index] for model, table in seen.items()}
    jobs = list(itertools.product(KINDS, seen, STRENGTHS))
    done = dict(spread(partial(out_of_fold, train, tables), jobs, workers=workers))
    return pd.Series(done).unstack()


def markdown(splits: pd.DataFrame) -> str:
    """Return the table of mean and middle 95% of the splits, and that of paired differences."""
    lines = [
        "| model | head | C-index, mean (middle 95%) | AUC on the label |",
        "|---|---|---|---|",
    ]
    for (model, head), table in splits.groupby(["model", "head"], sort=False):
        c, auc = (summarise_splits(table, measure=m).iloc[0] for m in ("c_index", "auc"))
        spans = (f"{row['mean']:.3f} ({row.low:.2f}–{row.high:.2f})" for row in (c, auc))
        lines.append(f"| {model} | {head} | {' | '.join(spans)} |")
    arms = splits.assign(model=splits.model + ", " + splits["head"])
    lines += ["", "| C-index of | minus that of | difference (95% CI) | ahead in |", RULE]
    for a, b in PAIRS:
        row = split_differences(arms[arms.model.isin((a, b))], measure="c_index").iloc[0]
        sign, ahead = (1, row.a_ahead) if row.a == a else (-1, 1 - row.a_ahead)
        low, high = sorted((sign * row.low, sign * row.high))
        span = f"{sign * row.difference:+.3f} ({low:+.3f} to {high:+.3f})"
        lines.append(f"| {a} | {b} | {span} | {ahead:.0%} |")
    return "\n".join(lines)


def main() -> None:
    """Train and judge every arm, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=25)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--strengths", action="store_true")
    options = parser.parse_args()
    study, setting = Study.open(), current_setting()
    cohort, rois = included_patients(study.read_table("cohort.csv")), study.read_table("rois.csv")
    seen = {
        model: survival_heads.patient_features(
            study, rois, when, patients=cohort.patient_id, setting=setting
        )
        for when, model in MODELS.items()
    }
    patients = compared_patients(
        cohort, {model: table.reset_index() for model, table in seen.items()}
    ).set_index("patient_id")
    seen = {model: table.loc[patients.index] for model, table in seen.items()}
    seen[PAIR] = survival_heads.pair_features(*seen.values())
    if options.strengths:
        print(strengths(patients, seen, workers=options.workers).round(3).to_string())
        return
    run = partial(one_split, patients, seen, study.folder / "results" / "splits")
    done = spread(run, range(options.splits), workers=options.workers, task="trains last layers")
    done = dict(progress_bar(done, total=options.splits, desc="splits", unit="split"))
    tables = [done[number] for number in range(options.splits)]
    by_image = image_by_image(study, patients, n_splits=options.splits, workers=options.workers)
    splits = pd.concat([*tables, by_image])
    keep_splits(study, splits, KEPT)
    print(markdown(splits))


if __name__ == "__main__":
    main()
