"""Exercises on comparing models: thresholds, pairs of patients, paired differences, P values."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from npc_course.exercises.checking import OtherForm, Wrong, compare, exercise, number, numbers, word
from npc_helpers.statistics import c_index, compare_auc, roc_auc, roc_curve
from npc_helpers.statistics.concordance import order_of_ends
from npc_helpers.statistics.estimate import holm
from npc_helpers.study import Study

SAME = 5e-4  # as closely as a result is printed, with three decimals


def _best_threshold(curve: pd.DataFrame) -> float:
    return float(curve["threshold"][(curve["tpr"] - curve["fpr"]).idxmax()])


def _found_and_spared(curve: pd.DataFrame, threshold: float) -> float:
    """Return sensitivity + specificity of a threshold."""
    row = curve[curve["threshold"] >= threshold].iloc[-1]
    return float(1 + row["tpr"] - row["fpr"])


@exercise(
    "05.1",
    form="a threshold, one number",
    hint="Which patients may decide on the threshold, if the test patients are to judge it?",
)
def threshold_of_others(
    study: Study, answer: object, *, patients: pd.DataFrame, score: pd.Series
) -> str:
    """Judge whether a threshold was chosen among patients who do not judge it."""
    curves = {
        side: roc_curve(group["high_risk"].astype(bool), score.reindex(group.index))
        for side, group in patients.groupby("split")
    }
    given, best = number(answer), {side: _best_threshold(c) for side, c in curves.items()}
    reached = {side: _found_and_spared(curves["test"], best[side]) for side in best}
    far = {side: abs(given - threshold) > SAME for side, threshold in best.items()}
    if given == 0.5 != best["train"] and not far["train"]:
        raise Wrong("One half was chosen by nobody. It harms no test, but it is not Youden's.")
    if far["train"] and not far["test"]:
        raise Wrong(
            f"{given:.3f} is the best threshold *of the test patients*: with it sensitivity and "
            f"specificity add up to {reached['test']:.2f} there, and in nobody else."
        )
    if far["train"]:
        raise Wrong(f"{given:.3f} is not where the two add up to most in the training cohort.")
    return (
        f"Chosen in the training cohort, {given:.4f} gives the test patients a sum of "
        f"{reached['train']:.2f}. A threshold chosen by themselves would have given "
        f"{reached['test']:.2f}, and the difference is nothing that a next patient could count on."
    )


@exercise(
    "05.2",
    form="a share between 0 and 1",
    hint="`higher[first]` picks the pairs that count. What is a tie worth?",
)
def concordant_share(study: Study, answer: object, *, test: pd.DataFrame, score: np.ndarray) -> str:
    """Judge a C-index that was counted pair by pair."""
    truth, given = c_index(test["pfs_months"], test["progressed"], score).value, number(answer)
    order, _ = order_of_ends(test["pfs_months"], test["progressed"])
    first = (order[:, None] < order) & np.asarray(test["progressed"], dtype=bool)[:, None]
    score = np.asarray(score)
    higher, tied = score[:, None] > score, score[:, None] == score
    mistakes = {
        "A tie in the score counts nothing here; it is half right.": higher[first].mean(),
        "A tie in the score counts in full here; it is half right.": (higher | tied)[first].mean(),
        "Pairs of whom nobody knows who progressed first are counted, too.": (
            higher + 0.5 * tied
        ).mean(),
        "It counts pairs in which the *second* patient has the higher score.": 1 - truth,
    }
    compare(given, truth, mistakes, within=SAME)
    return (
        f"{first.sum():,} of {len(first) * (len(first) - 1) // 2:,} pairs can be compared, and in "
        f"{tied[first].mean():.0%} of those the two scores are tied: a score of few levels leaves "
        "much to the toss of a coin."
    )


@exercise(
    "05.3",
    form='`"yes"` or `"no"`',
    hint="The same patients were hard for both. What of that is left in a difference?",
)
def holds_zero(
    study: Study, answer: object, *, truth: pd.Series, risk: Mapping[str, pd.Series]
) -> str:
    """Judge whether the interval of a paired difference of two AUCs holds zero."""
    said, pair = word(answer, ("yes", "no")), {name: risk[name] for name in list(risk)[:2]}
    row = compare_auc(truth, pair).iloc[0]
    a, b = (roc_auc(truth, score, method="plain") for score in pair.values())
    shared = min(a.high, b.high) - max(a.low, b.low)
    zero = "yes" if row["low"] <= 0 <= row["high"] else "no"
    interval = f"{row['difference']:.2f} (95% CI {row['low']:.2f} to {row['high']:.2f})"
    if said != zero:
        raise Wrong(f"The difference is {interval}.")
    apart = np.hypot(*((x.high - x.low) / 2 for x in (a, b)))
    overlap = f"share {shared:.2f}" if shared > 0 else "do not even overlap"
    return (
        f"The two intervals {overlap}, and the difference is {interval}. Had each model been "
        f"tested on patients of its own, its interval would reach {apart:.2f} to either side and "
        f"not {(row['high'] - row['low']) / 2:.2f}: what makes a patient hard for both cancels out."
    )


@exercise(
    "05.4",
    form="one P value for each pair, beginning with the smallest",
    hint="The smallest counts as often as there are pairs, the next once less, and so on; none may "
    "fall below the one before it, nor rise above 1.",
)
def adjusted(study: Study, answer: object, *, p: pd.Series) -> str:
    """Judge P values that were adjusted by Holm's method."""
    given, p = numbers(answer), np.sort(np.asarray(p, dtype=float))
    if len(given) != len(p):
        raise OtherForm("another number of pairs")
    bonferroni, truth = np.minimum(p * len(p), 1), holm(p)
    if not np.allclose(given, truth, atol=SAME):
        wrongs = {
            "These are the P values as they were.": np.allclose(given, p, atol=SAME),
            "This is Bonferroni's correction, which is stricter than it need be.": np.allclose(
                np.minimum(given, 1), bonferroni, atol=SAME
            ),
            "A P value cannot rise above 1.": given.max() > 1,
            "Some of them fall below the one before.": (np.diff(given) < 0).any(),
            "Not all of them are what Holm's method gives.": True,
        }
        raise Wrong(next(words for words, so in wrongs.items() if so))
    before, after = int((p < 0.05).sum()), int((truth < 0.05).sum())
    return (
        f"Of {len(p)} pairs, {before} have P below 0.05 before the correction and {after} after it."
    )
