"""Exercises on numbers that a reader can recompute from a paper's own counts."""

from npc_course.exercises.checking import OtherForm, Wrong, compare, exercise, number
from npc_helpers.statistics import mcnemar_exact
from npc_helpers.statistics.confusion import ConfusionTable
from npc_helpers.study import Study

ACCURACIES = (0.744, 0.763, 0.814, 0.837)  # of which 43 patients cannot have the second
DECIMALS = 3  # of a printed share
SAME = 0.5 * 10**-DECIMALS
LEVEL = 0.05


@exercise(
    "07.1",
    form="one of the four accuracies",
    hint="Multiply each by the number of patients. Which product is far from a whole number?",
)
def no_count_gives(study: Study, answer: object, *, n: int) -> str:
    """Judge which accuracy so many patients cannot have, rounded as it is printed."""
    given = number(answer)
    if all(abs(given - accuracy) > SAME / 2 for accuracy in ACCURACIES):
        raise OtherForm(repr(answer))
    count = round(given * n)
    if abs(count / n - given) <= SAME:
        raise Wrong(f"{count} of {n} patients are {count / n:.{DECIMALS}f}.")
    below = int(given * n)
    return (
        f"{below} of {n} patients are {below / n:.3f} and {below + 1} are {(below + 1) / n:.3f}; "
        "no count lies between them. From a thousand patients on, every accuracy with three "
        "decimals would be possible."
    )


@exercise(
    "07.2",
    form="a share between 0 and 1",
    hint="Of whom does it speak: of those who are high-risk, or of those called so?",
)
def predictive_value(study: Study, answer: object, *, table: ConfusionTable) -> str:
    """Judge the positive predictive value of a published 2 x 2 table."""
    high, low, spared = table.tp + table.fn, table.tn + table.fp, table.tn + table.fn
    mistakes = {
        f"This is the sensitivity: {table.tp} of the {high} high-risk patients.": table.sensitivity,
        f"This is the specificity: {table.tn} of the {low} low-risk patients.": table.specificity,
        f"This is the negative predictive value, of the {spared} called low-risk.": table.npv,
        "This is the accuracy, of all patients.": table.accuracy,
    }
    values = {words: estimate.value for words, estimate in mistakes.items()}
    compare(number(answer), table.ppv.value, values, within=SAME)
    return (
        f"{table.tp} of the {table.tp + table.fp} patients called high-risk are: "
        f"{table.ppv.value:.1%}. The paper prints {table.sensitivity.value:.1%} under this name, "
        "and that is the sensitivity."
    )


@exercise(
    "07.3",
    form="a whole number of patients, at least 1",
    hint="If the models are equally good, each of these patients is the toss of a coin. How many "
    "tosses in a row must fall on one side? Count both sides: P is two-sided.",
)
def one_sided_disagreements(study: Study, answer: object) -> str:
    """Judge how many patients, all called correctly by one model only, make P small."""
    given = number(answer)
    if given < 1 or not given.is_integer():
        raise OtherForm(repr(answer))
    patients = int(given)
    if (p := mcnemar_exact(patients, 0)) >= LEVEL:
        raise Wrong(f"With {patients} P is {p:.4f}.")
    if (fewer := mcnemar_exact(patients - 1, 0)) < LEVEL:
        raise Wrong(f"That is enough, but with {patients - 1} P is {fewer:.4f} already.")
    return (
        f"P is 2 / 2^{patients} = {p:.4f}; with {patients - 1} it is {fewer:.4f}. How many "
        "patients were examined does not matter, only how many tell the models apart."
    )
