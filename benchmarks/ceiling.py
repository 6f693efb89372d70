"""What could two perfect models reach, and how much of it did the networks reach?

Run with ``python benchmarks/ceiling.py`` after `benchmarks/sources.py`; prints a Markdown table of
docs/results.md and the sentences below it. No images: in the splits in which the networks were
trained anew, each model is told the hidden variable that its images were drawn from, and the
Ensemble is their sum in units of their spread. This is the best that two models and an equal vote
can do; how often is it a ladder?
"""

import pandas as pd
from npc_demo.writer import TRUTH

from npc_helpers.cohort import included_patients
from npc_helpers.network.repeated_splits import ENSEMBLE, kept_splits, repeated_splits
from npc_helpers.statistics import split_differences, summarise_splits
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

LATENTS = {"Pre-model": "aggressiveness", "Post-model": "residual"}
LADDER = ["Pre-model", "Post-model", ENSEMBLE]
CEILING = "all that drives the hazard"
MANY = 500


def hidden_variables(study: Study, patients: pd.DataFrame, n_splits: int) -> pd.DataFrame:
    """Judge the latents of the truth table in the splits of `benchmarks/sources.py`."""
    truth = pd.read_csv(study.folder / TRUTH).set_index("patient_id").loc[patients.patient_id]
    scores = {name: truth[latent] for name, latent in LATENTS.items()}
    scores[ENSEMBLE] = sum(score / score.std() for score in scores.values())
    scores[CEILING] = truth.oracle_risk
    return repeated_splits(
        patients, {}, setting=current_setting(), folder="", others=scores, n_splits=n_splits
    )


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
    """Print means and the middle 95% of the splits."""
    print("| experiment | model | AUC, mean (middle 95%) | C-index, mean (middle 95%) |")
    print("|---|---|---|---|")
    for experiment, splits in tables.items():
        rows = {m: summarise_splits(splits, measure=m) for m in ("auc", "c_index")}
        for model in rows["auc"].index:
            cells = [f"{r['mean']:.3f} ({r['low']:.3f}–{r['high']:.3f})"
                     for r in (rows[m].loc[model] for m in rows)]  # fmt: skip
            print(f"| {experiment} | {model} | {cells[0]} | {cells[1]} |")


def main():
    """Judge what was kept and what could be reached."""
    study = Study.open()
    patients = included_patients(study.read_table("cohort.csv"))
    seen = kept_splits(study)
    hidden = hidden_variables(study, patients, seen.split.nunique())
    print_table({"trained": seen, "hidden variables": hidden})
    many = hidden_variables(study, patients, MANY)
    for measure in ("auc", "c_index"):
        print(f"\n{measure}: of the achievable", "; ".join(achieved(seen, hidden, measure)))
        rows = {"trained": seen, "hidden variables": hidden, f"the same, {MANY} splits": many}
        for name, splits in rows.items():
            print(f"Pre < Post < Ensemble, {name}: {share_of_ladders(splits, measure):.0%}")
        print(split_differences(seen, measure=measure).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
