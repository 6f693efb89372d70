"""Exercises on training a network: its loss, who watches over it, and what counts as one."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from npc_course.exercises.checking import OtherForm, Wrong, compare, exercise, number, numbers, word
from npc_helpers.network.prediction import patient_probability
from npc_helpers.statistics import Estimate, c_index, compare_c_index, roc_auc
from npc_helpers.study import Study

SAME = 5e-4  # as closely as a result is printed, with three decimals
LOWER = 0.05  # a loss that ends lower by less is not called lower
ALIKE = 0.02  # mean probabilities closer than this are called the same
FEW = 2  # patients; so few may be neighbours by chance
FEW_ENOUGH = 8  # of so few patients a draw may take each once
ASIDE = (0.05, 0.5)  # share of the images that may be set aside: some to watch, most to learn from


@exercise(
    "03.1",
    form="a number",
    hint="Put p = 0.5 into −ln p, the natural logarithm: `np.log`.",
)
def undecided_loss(study: Study, answer: object) -> str:
    """Judge the cross-entropy of an answer of one half."""
    given, truth = number(answer), float(np.log(2))
    mistakes = {
        "That is the accuracy of such a network.": 0.5,
        "The sign: a loss is never negative.": -truth,
        "In bits, with the logarithm to the base of two, it would be 1; Keras counts in nats.": 1,
        "That is the logarithm to the base of ten.": np.log10(2),
    }
    compare(given, truth, mistakes, within=0.005)
    return (
        f"A network with a loss of {truth:.3f} on two groups of equal size need not have learned "
        "anything, and one with a higher loss is sure of wrong answers."
    )


@exercise(
    "03.2",
    form="one `True` or `False` for each training image",
    hint="Draw among the names of patients: `drawn = rng.choice(names, fifth, replace=False)`. "
    "Then ask of each image whether its patient was drawn: `np.isin(who, drawn)`.",
)
def aside_by_patient(study: Study, answer: object, *, who: np.ndarray) -> str:
    """Judge whether images were set aside with all others of their patients."""
    given = numbers(answer).astype(bool)
    if len(given) != len(who):
        raise OtherForm("another number of images")
    watching, learning = set(who[given]), set(who[~given])
    if both := watching & learning:
        raise Wrong(f"{len(both)} of {len(watching | learning)} patients are on both sides.")
    if not ASIDE[0] <= given.mean() <= ASIDE[1]:
        raise Wrong(f"{given.mean():.0%} of the images are set aside; a fifth would do.")
    for order in (np.unique(who), pd.unique(who)):
        if _in_one_block(np.isin(order, list(watching))):
            raise Wrong(
                f"These {len(watching)} patients follow one another in the list. In many hospitals "
                "that is the order of arrival, and then these are of one period. Draw them."
            )
    return (
        f"{len(watching)} patients with {given.sum()} images watch, {len(learning)} train, and "
        "nobody does both. The price: that many patients fewer to learn from."
    )


def _in_one_block(chosen: np.ndarray) -> bool:
    """Tell whether neighbours in a list were taken, so many that a draw would not do it."""
    places = np.flatnonzero(chosen)
    return FEW < len(places) < len(chosen) - FEW and np.ptp(places) == len(places) - 1


@exercise(
    "03.3",
    form='`"transferred"`, `"random"` or `"neither"`',
    hint="A loss of 0.69 goes with an accuracy of a half. How far did the accuracy get from it?",
)
def lower_loss(
    study: Study, answer: object, *, transferred: pd.DataFrame, random: pd.DataFrame
) -> str:
    """Judge which of two runs ends with the clearly lower loss."""
    said = word(answer, ("transferred", "random", "neither"))
    ends = {"transferred": transferred["loss"].iloc[-1], "random": random["loss"].iloc[-1]}
    apart = abs(ends["transferred"] - ends["random"])
    truth = "neither" if apart < LOWER else min(ends, key=ends.get)
    if said != truth:
        raise Wrong(f"The two losses end {apart:.2f} apart.")
    return (
        f"They end at {ends['transferred']:.2f} (transferred) and {ends['random']:.2f} (random). A "
        "loss on the images that were learned from is a sign of learning and none of knowing: "
        "which start is worth more, only other patients can tell."
    )


@exercise(
    "03.4",
    form="an AUC with its interval, as `roc_auc` returns it",
    hint='How many patients were tested? Count the rows. `groupby("patient_id")[columns].mean()` '
    "makes one row of each patient.",
)
def of_patients(study: Study, answer: object, *, predictions: pd.DataFrame) -> str:
    """Judge whether an AUC counts each patient once."""
    if not isinstance(answer, Estimate):
        raise OtherForm(repr(answer))
    labels = predictions.groupby("patient_id")["high_risk"].first().astype(bool)
    truth = roc_auc(labels, patient_probability(predictions)[labels.index])
    images = roc_auc(predictions["high_risk"].astype(bool), predictions["p_high_risk"])
    if np.allclose(tuple(answer), tuple(images), atol=SAME):
        raise Wrong(
            f"This interval counts {len(predictions)} images as so many people. They are of "
            f"{len(labels)} patients, and slices of one patient are no new evidence."
        )
    if not np.allclose(tuple(answer), tuple(truth), atol=SAME):
        raise Wrong(
            f"It is not {answer}. One row for each patient, and in it the mean over all images of "
            "the patient?"
        )
    wider = (truth.high - truth.low) / (images.high - images.low)
    return (
        f"{len(labels)} patients give an interval {wider:.1f} times as wide as {len(predictions)} "
        "images seemed to. Images that come from the same person count once."
    )


@exercise(
    "04.1",
    form='`"higher"`, `"lower"` or `"same"`',
    hint="After treatment, what tells a patient who will relapse from one who will not? Whose "
    "images look like that before treatment?",
)
def first_look(study: Study, answer: object, *, before: pd.Series, after: pd.Series) -> str:
    """Judge what becomes of the probabilities when a model is shown the other examination."""
    said = word(answer, ("higher", "lower", "same"))
    change = float((before - after).mean())
    truth = "same" if abs(change) < ALIKE else "higher" if change > 0 else "lower"
    if said != truth:
        raise Wrong(f"The mean moves by {change:+.2f}.")
    return (
        f"Shown the images before treatment, it says {before.mean():.2f} on average instead of "
        f"{after.mean():.2f}."
    )


@exercise(
    "04.2",
    form="a list of at least 100 differences",
    hint="The same patients must be drawn for both models.",
)
def paired_draws(
    study: Study, answer: object, *, drawn: tuple[np.ndarray, np.ndarray], test: pd.DataFrame,
    pre: pd.Series, post: pd.Series,
) -> str:  # fmt: skip
    """Judge whether a bootstrap of a difference draws the same patients for both models.

    `drawn` is whom the last draw took for each; a spread alone may come out right by luck.
    """
    given, risk = numbers(answer), {"post": post, "pre": pre}
    if len(given) < 100:
        raise OtherForm("too few draws")
    if len(set(drawn[0])) == len(drawn[0]) > FEW_ENOUGH:
        raise Wrong("The last draw took every patient once, so nothing was drawn.")
    outcome = test["pfs_months"], test["progressed"].astype(bool)
    row = compare_c_index(*outcome, risk).iloc[0]
    alone = [c_index(*outcome, score, method="plain") for score in risk.values()]
    paired = _standard_error(row["low"], row["high"])
    unpaired = float(np.hypot(*(_standard_error(c.low, c.high) for c in alone)))
    spread = float(given.std())
    if not np.array_equal(*drawn):
        raise Wrong(
            f"The last draw took other patients for one model than for the other. The differences "
            f"scatter by {spread:.3f}; with the same patients for both it would be near "
            f"{paired:.3f}."
        )
    if abs(given.mean() - row["difference"]) > unpaired:
        raise Wrong(f"On average they are {given.mean():+.2f}, far from the observed difference.")
    if abs(spread - paired) > abs(spread - unpaired) or not 0.5 < spread / paired < 2:
        raise Wrong(
            f"Their standard deviation is {spread:.3f}. With patients drawn once for both models "
            f"it is near {paired:.3f}."
        )
    return (
        f"Drawn together, the differences scatter by {spread:.3f}; drawn apart, by about "
        f"{unpaired:.3f}. To see the same with an unpaired comparison would take "
        f"{(unpaired / paired) ** 2:.1f} times as many patients."
    )


@exercise(
    "04.3",
    form='`"seed"` or `"patients"`',
    hint="How wide was the interval of the C-index? It spans about four standard errors.",
)
def larger_luck(
    study: Study, answer: object, *, test: pd.DataFrame, risk: Mapping[int, pd.Series]
) -> str:
    """Judge whether a C-index moves more with the seed or with the patients."""
    said = word(answer, ("seed", "patients"))
    outcome = test["pfs_months"], test["progressed"].astype(bool)
    values = [c_index(*outcome, score, method="plain") for score in risk.values()]
    of_seed = float(np.std([c.value for c in values], ddof=1))
    of_patients = _standard_error(values[0].low, values[0].high)
    lucks = f"{of_seed:.3f} over {len(values)} seeds, {of_patients:.3f} over patients"
    if said != ("seed" if of_seed > of_patients else "patients"):
        raise Wrong(f"The standard deviations are {lucks}.")
    return (
        f"{lucks}. More seeds make the first smaller in a mean of models. Only more patients make "
        "the second smaller."
    )


@exercise(
    "04.4",
    form="a whole number of patients",
    hint="In how many rows of `calls` do not all columns say the same? `nunique(axis=1)` counts "
    "the different answers in each row.",
)
def depends_on_seed(study: Study, answer: object, *, risk: Mapping[int, pd.Series]) -> str:
    """Judge for how many patients the answer of a model depends on the seed."""
    p, given = pd.DataFrame(risk), number(answer)
    calls = p > 0.5
    differ = calls.any(axis=1) & ~calls.all(axis=1)
    if given == len(p) - differ.sum() != differ.sum():
        raise Wrong("These are the patients whose answer is the same with every seed.")
    if 0 < given < 1:
        raise Wrong("This is a share of the patients; the question is how many they are.")
    if given != differ.sum():
        raise Wrong(f"Of {len(p)} patients, it is not {given:g}.")
    return (
        f"{differ.sum()} of {len(p)} patients are called high-risk or not depending on the seed. "
        "No C-index tells how many they are."
    )


def _standard_error(low: float, high: float) -> float:
    """Return the standard error behind a symmetric 95% interval."""
    return float(high - low) / (2 * 1.96)
