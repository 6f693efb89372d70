"""The checks of the table of claims: each function has the name that the table's column gives.

It judges what is ``printed`` by an ``argument``, both text from the table, and returns what the
claim should be, as text, and whether it agrees (None: cannot be known).
"""

import re
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from npc_helpers import statistics
from npc_helpers.appraisal import recompute
from npc_helpers.appraisal.published import confusion_tables, table_1

NARROWER = 0.9  # leaves room for the error of `c_index_standard_error`, and for other methods
NUMBER = re.compile(r"\d+(?:\.\d+)?")
Verdict = tuple[str, bool | None]


def numbers(text: str) -> list[float]:
    """Return the numbers of a text in their order."""
    return [float(number) for number in NUMBER.findall(text)]


def rounded(value: float, like: str) -> str:
    """Write `value` with as many decimals as the first number of `like`, halves rounded up."""
    _, _, decimals = NUMBER.search(like).group().partition(".")
    step = Decimal(1).scaleb(-len(decimals))
    return str(Decimal(repr(float(value))).quantize(step, ROUND_HALF_UP))


def same(value: float, printed: str) -> bool:
    """True if `value`, rounded as `printed` is, gives the first number of `printed`."""
    return rounded(value, printed) == NUMBER.search(printed).group()


def high_and_low() -> tuple[int, int]:
    """Test patients with high and with low risk."""
    table = confusion_tables()["TNM"]
    return table.tp + table.fn, table.tn + table.fp


def stated(printed: str, argument: str) -> Verdict:
    return argument, None


def not_recomputable(printed: str, argument: str) -> Verdict:
    return "no counts are published for it", None


def total(printed: str, argument: str) -> Verdict:
    """Sum of levels (``characteristic:level`` or all levels) over the groups named after it."""
    column, *groups = argument.split(",")
    name, _, level = column.partition(":")
    counts = table_1(name)[groups or list(recompute.GROUPS)]
    patients = int((counts.loc[[level]] if level else counts).to_numpy().sum())
    return str(patients), same(patients, printed)


def share(printed: str, argument: str) -> Verdict:
    part, whole = numbers(argument)
    return f"{rounded(100 * part / whole, printed)}%", same(100 * part / whole, printed)


def selected(printed: str, argument: str) -> Verdict:
    part, whole = numbers(argument)
    return f"{part / whole:.1%}", None


def ratio(printed: str, argument: str) -> Verdict:
    training, test = table_1(argument).sum()
    wanted = numbers(printed)[0] / numbers(printed)[1]
    exact = round((training + test) / (wanted + 1))
    text = f"{training / test:.2f}:1 (exactly {wanted:g}:1 would leave {exact} for testing)"
    return text, round(training / test) == wanted


def mean_age(printed: str, argument: str) -> Verdict:
    means, patients = numbers(argument), table_1("sex")
    by_sex = np.average(means[:2], weights=patients.sum(axis=1))
    by_cohort = np.average(means[2:], weights=patients.sum(axis=0))
    text = f"all patients: {by_sex:.2f} from section 2.3, {by_cohort:.2f} from Table 1"
    return text, abs(by_sex - by_cohort) < 0.06


def p_value(printed: str, argument: str) -> Verdict:
    tests = recompute.p_values(argument)
    text = ", ".join(f"{name} {p:.4f}" for name, p in tests.items())
    return text, same(tests["chi-squared"], printed)


def p_age(printed: str, argument: str) -> Verdict:
    mean_a, sd_a, mean_b, sd_b = numbers(argument)
    a, b = table_1("age").sum()
    p = recompute.p_values_of_age((mean_a, sd_a, a), (mean_b, sd_b, b))
    text = ", ".join(f"{name} {value:.4f}" for name, value in p.items())
    return text, any(same(value, printed) for value in p.values())


def smd(printed: str, argument: str) -> Verdict:
    smds = recompute.standardised_differences()
    text = ", ".join(f"{name} {smd:.2f}" for name, smd in smds.items())
    return f"standardised differences: {text}", None


def quartiles(printed: str, argument: str) -> Verdict:
    """Which rule for percentiles of so many whole months leaves the printed fractions."""
    _, *fractions = [number % 1 for number in numbers(printed)]
    rules = recompute.fractions_of_quartiles(int(argument))
    text = "; ".join(f"{rule} .{a * 100:.0f} and .{b * 100:.0f}" for rule, (a, b) in rules.items())
    return f"between neighbouring months: {text}", tuple(fractions) in rules.values()


def edition(printed: str, argument: str) -> Verdict:
    groups = {e: " or ".join(sorted(recompute.stages_with_n3(e))) for e in (7, 8)}
    overlaps = [recompute.stage_overlap(group) for group in recompute.GROUPS]
    text = (
        f"N3 is {groups[7]} in the 7th, {groups[8]} in the 8th edition; "
        f"8th needs {overlaps[0]} + {overlaps[1]} patients with T4 N3"
    )
    return text, "IVB" not in recompute.stages_with_n3(int(numbers(printed)[0]))


def stage_rule(printed: str, argument: str) -> Verdict:
    table = confusion_tables()["TNM"]
    called, rules = table.tp + table.fp, recompute.called_high_by_rule()
    text = f"{called} called high; " + ", ".join(f"{rule} {n}" for rule, n in rules.items())
    return text, called in rules.values()


def measure(printed: str, argument: str) -> Verdict:
    """Compare with the measure of that name; say which measure it is if it is another."""
    model, name = argument.split(",")
    table = confusion_tables()[model]
    text = f"{name} {getattr(table, name)}"
    others = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
    fit = [n for n in others if same(100 * getattr(table, n).value, printed)]
    agrees = name in fit
    return text if agrees or not fit else f"{text}; printed is the {fit[0]}", agrees


def mcnemar(printed: str, argument: str) -> Verdict:
    p = recompute.best_mcnemar(*argument.split(","))
    return f"exact McNemar at best P = {p:.4f}", None


def auc_half_width(value: float) -> float:
    """Half-width of the 95% interval of an AUC in the test patients."""
    return statistics.half_width(statistics.auc_standard_error(value, *high_and_low()))


def auc(printed: str, argument: str) -> Verdict:
    value = numbers(printed)[0]
    below, above = recompute.attainable_auc(value, *high_and_low())
    low, high = recompute.auc_range(argument)
    text = f"neighbours {below:.4f} and {above:.4f}; Table 2 allows {low:.3f} to {high:.3f}"
    return text, low <= value <= high and (same(below, printed) or same(above, printed))


def auc_interval(printed: str, argument: str) -> Verdict:
    low, high = numbers(printed)[-2:]
    expected = auc_half_width(float(argument))
    return f"half-width {(high - low) / 2:.3f}, expected about {expected:.3f}", None


def auc_centre(printed: str, argument: str) -> Verdict:
    """Whether an attainable AUC that prints as `argument` lies in the middle of the interval."""
    low, high = numbers(printed)[-2:]
    ends = (low + high - 0.001) / 2, (low + high + 0.001) / 2  # as far as rounding leaves it open
    neighbours = recompute.attainable_auc(float(argument), *high_and_low())
    possible = [area for area in neighbours if same(area, argument)]
    fractions = ", ".join(f"{area:.4f}" for area in possible) or "none"
    text = f"attainable {fractions}; middle {ends[0]:.4f} to {ends[1]:.4f}"
    return text, any(ends[0] <= area <= ends[1] for area in possible)


def auc_call(printed: str, argument: str) -> Verdict:
    value = recompute.two_level_auc(argument)
    return f"AUC of its call (sensitivity + specificity) / 2 = {value:.3f}", None


def tnm_auc(printed: str, argument: str) -> Verdict:
    value = recompute.two_level_auc(argument)
    return f"(sensitivity + specificity) / 2 = {value:.4f}", same(value, printed)


def tnm_interval(printed: str, argument: str) -> Verdict:
    ends = numbers(printed)[-2:]
    intervals = {
        method: [
            float(rounded(end, "0.000")) for end in recompute.two_level_interval("TNM", method)
        ]
        for method in ("Hanley-McNeil", "DeLong", "DeLong, logit")
    }
    text = "; ".join(f"{name} {low:.3f} to {high:.3f}" for name, (low, high) in intervals.items())
    return text, ends in intervals.values()


def power(printed: str, argument: str) -> Verdict:
    first, second = numbers(printed)
    n_high, n_low = high_and_low()
    powers = [
        statistics.power_of_difference(first, second, n_high=n_high, n_low=n_low, correlation=r)
        for r in (0.2, 0.5)
    ]
    return f"power {powers[0]:.0%} to {powers[1]:.0%} if the difference were true", None


def own_measure(printed: str, argument: str) -> Verdict:
    (model, shown), (c, area) = numbers(printed), numbers(argument)
    text = f"TNM: C-index {c:.3f}, AUC {area:.3f}; like with like {model:.3f} and {c:.3f}"
    return text, None if shown != c else True


def same_interval(printed: str, argument: str) -> Verdict:
    return f"text: {argument}", numbers(printed) == numbers(argument)


def c_interval(printed: str, argument: str) -> Verdict:
    low, high = numbers(printed)[-2:]
    value, half, n = float(argument), (high - low) / 2, sum(high_and_low())
    all_progress, half_progress = (recompute.c_half_width(value, n, part) for part in (1.0, 0.5))
    needed = [
        statistics.patients_for_half_width(
            value, wanted=half, share_high=part, standard_error=statistics.c_index_standard_error
        )
        for part in (1.0, 0.5)
    ]
    text = (
        f"half-width {half:.3f}; {n} patients give {all_progress:.3f} if all progress and "
        f"{half_progress:.3f} if half do; {needed[0]} and {needed[1]} would give this"
    )
    return text, None if half >= NARROWER * all_progress else False


def c_centre(printed: str, argument: str) -> Verdict:
    low, high = numbers(printed)[-2:]
    value = float(argument)
    middle, start = (low + high) / 2, 2 * value - high
    text = f"middle {middle:.3f}; around {value:.3f} it would begin at {start:.3f}"
    return text, abs(middle - value) <= 0.001


def roles(printed: str, argument: str) -> Verdict:
    return f"{int(argument) - table_1('sex').to_numpy().sum()} patients left for validation", None


def software(printed: str, argument: str) -> Verdict:
    keras, tensorflow = argument.split(",")
    return f"Keras 2.2.0 is of {keras}, TensorFlow 2.0.0 of {tensorflow}", keras >= tensorflow


def padding(printed: str, argument: str) -> Verdict:
    width, height, canvas = numbers(argument)
    return f"{1 - width * height / canvas**2:.1%} of the padded image is empty", None
