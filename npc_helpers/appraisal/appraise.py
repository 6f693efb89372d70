"""The table of claims: what is printed, what it should be, and the verdict."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import pandas as pd

from npc_helpers import statistics
from npc_helpers.appraisal import recompute
from npc_helpers.appraisal.published import confusion_tables, published, table_1

VERDICTS = ("reproduces", "does not", "cannot be known")
NARROWER = 0.9  # what the formula for a C-index, right within 6%, leaves to other methods


@dataclass(frozen=True)
class Finding:
    """What a claim should be, as text, and its verdict (None: cannot be known)."""

    recomputed: str
    agrees: bool | None

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        return VERDICTS[2] if self.agrees is None else VERDICTS[0 if self.agrees else 1]


def appraise() -> pd.DataFrame:
    """Judge every printed claim, those that stand first.

    Returns
    -------
    DataFrame of str
        id, place, claim, printed, recomputed, verdict, issue, remark. An ``issue`` is named where
        a claim does not reproduce; claims that fail for the same reason share its name.

    Examples
    --------
    >>> claims = appraise().set_index("id")
    >>> claims.loc["n_patients", ["printed", "verdict"]].tolist()
    ['206', 'reproduces']
    """
    table = published()
    findings = [check_of(row.check)(row.printed, row.argument) for row in table.itertuples()]
    table["recomputed"] = [finding.recomputed for finding in findings]
    table["verdict"] = [finding.verdict for finding in findings]
    table["issue"] = table["issue"].where(table["verdict"] == VERDICTS[1], "")
    columns = ["id", "place", "claim", "printed", "recomputed", "verdict", "issue", "remark"]
    order = table["verdict"].map(VERDICTS.index)
    return table.loc[order.sort_values(kind="stable").index, columns].reset_index(drop=True)


def intervals() -> pd.DataFrame:
    """Half-widths of the printed 95% intervals beside what 43 patients can give.

    Returns
    -------
    DataFrame
        measure, model, value, low, high, place, expected (half-width; of a C-index the narrowest,
        if all patients progressed).

    Examples
    --------
    >>> intervals().query("measure == 'AUC' and model == 'TNM'")[["value", "low", "high"]].values
    array([[0.723, 0.567, 0.879]])
    """
    table = published()
    table = table[table["check"].isin(["auc_interval", "tnm_interval", "c_interval", "c_centre"])]
    rows = []
    for row in table.itertuples():
        value, (low, high) = float(row.argument.split(",")[0]), numbers(row.printed)[-2:]
        measure = "C-index" if row.check.startswith("c_") else "AUC"
        expected = _expected_half_width(measure, value)
        rows.append([measure, row.claim.split()[0], value, low, high, row.place, expected])
    names = ["measure", "model", "value", "low", "high", "place", "expected"]
    return pd.DataFrame(rows, columns=names)


def _test_patients() -> tuple[int, int]:
    table = confusion_tables()["TNM"]
    return table.tp + table.fn, table.tn + table.fp


def _expected_half_width(measure: str, value: float) -> float:
    n_high, n_low = _test_patients()
    if measure == "C-index":
        return recompute.c_half_width(value, n_high + n_low, 1.0)
    return statistics.half_width(statistics.auc_standard_error(value, n_high, n_low))


def numbers(text: str) -> list[float]:
    """Return the numbers of a text in their order."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def rounded(value: float, like: str) -> str:
    """Write `value` with as many decimals as the first number of `like`, halves rounded up."""
    _, _, decimals = re.search(r"\d+(?:\.\d+)?", like).group().partition(".")
    step = Decimal(1).scaleb(-len(decimals))
    return str(Decimal(repr(float(value))).quantize(step, ROUND_HALF_UP))


def same(value: float, printed: str) -> bool:
    """True if `value`, rounded as `printed` is, gives the first number of `printed`."""
    return rounded(value, printed) == re.search(r"\d+(?:\.\d+)?", printed).group()


# --- the checks, each the function of its name in the table -----------------------------------


def check_of(name: str) -> Callable[[str, str], Finding]:
    """Return the check that the table calls `name`: it judges what is printed by an argument."""
    return globals()[f"_{name}"]


def _share(printed: str, argument: str) -> Finding:
    part, whole = numbers(argument)
    return Finding(f"{rounded(100 * part / whole, printed)}%", same(100 * part / whole, printed))


def _measure(printed: str, argument: str) -> Finding:
    """Compare with the measure of that name; say which measure it is if it is another."""
    model, name = argument.split(",")
    table = confusion_tables()[model]
    value = getattr(table, name)
    text = f"{name} {value}"
    others = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
    fit = [n for n in others if same(100 * getattr(table, n).value, printed)]
    agrees = name in fit
    return Finding(text if agrees or not fit else f"{text}; printed is the {fit[0]}", agrees)


def _p_value(printed: str, argument: str) -> Finding:
    tests = recompute.p_values(argument)
    text = ", ".join(f"{name} {p:.4f}" for name, p in tests.items())
    return Finding(text, same(tests["chi-squared"], printed))


def _p_age(printed: str, argument: str) -> Finding:
    mean_a, sd_a, mean_b, sd_b = numbers(argument)
    n = [int(table_1("age")[group].sum()) for group in recompute.GROUPS]
    p = recompute.p_values_of_age((mean_a, sd_a, n[0]), (mean_b, sd_b, n[1]))
    text = ", ".join(f"{name} {value:.4f}" for name, value in p.items())
    return Finding(text, any(same(value, printed) for value in p.values()))


def _total(printed: str, argument: str) -> Finding:
    """Sum of levels (``characteristic:level`` or all levels) over the groups named after it."""
    what, *groups = argument.split(",")
    name, _, level = what.partition(":")
    counts = table_1(name)[groups or list(recompute.GROUPS)]
    total = int((counts.loc[[level]] if level else counts).to_numpy().sum())
    return Finding(str(total), same(total, printed))


def _mean_age(printed: str, argument: str) -> Finding:
    a = numbers(argument)
    by_sex = recompute.pooled_mean(a[:2], table_1("sex").sum(axis=1))
    by_cohort = recompute.pooled_mean(a[2:], table_1("sex").sum(axis=0))
    text = f"all patients: {by_sex:.2f} from section 2.3, {by_cohort:.2f} from Table 1"
    return Finding(text, abs(by_sex - by_cohort) < 0.06)


def _ratio(printed: str, argument: str) -> Finding:
    training, test = table_1(argument).sum()
    wanted = numbers(printed)[0] / numbers(printed)[1]
    exact = round((training + test) / (wanted + 1))
    text = f"{training / test:.2f}:1 (exactly {wanted:g}:1 would leave {exact} for testing)"
    return Finding(text, round(training / test) == wanted)


def _auc(printed: str, argument: str) -> Finding:
    n_high, n_low = _test_patients()
    below, above = recompute.attainable_auc(numbers(printed)[0], n_high, n_low)
    low, high = recompute.auc_range(argument)
    text = f"neighbours {below:.4f} and {above:.4f}; Table 2 allows {low:.3f} to {high:.3f}"
    inside = low <= numbers(printed)[0] <= high
    return Finding(text, inside and (same(below, printed) or same(above, printed)))


def _auc_interval(printed: str, argument: str) -> Finding:
    low, high = numbers(printed)[-2:]
    expected = _expected_half_width("AUC", float(argument))
    return Finding(f"half-width {(high - low) / 2:.3f}, expected about {expected:.3f}", None)


def _auc_centre(printed: str, argument: str) -> Finding:
    """Whether an attainable AUC that prints as `argument` lies in the middle of the interval."""
    low, high = numbers(printed)[-2:]
    ends = (low + high - 0.001) / 2, (low + high + 0.001) / 2  # as far as rounding leaves it open
    possible = [a for a in recompute.all_aucs(*_test_patients()) if same(a, argument)]
    fractions = ", ".join(f"{a:.4f}" for a in possible) or "none"
    text = f"attainable {fractions}; middle {ends[0]:.4f} to {ends[1]:.4f}"
    return Finding(text, any(ends[0] <= a <= ends[1] for a in possible))


def _auc_call(printed: str, argument: str) -> Finding:
    value = recompute.two_level_auc(argument)
    return Finding(f"AUC of its call (sensitivity + specificity) / 2 = {value:.3f}", None)


def _own_measure(printed: str, argument: str) -> Finding:
    (model, shown), (c, auc) = numbers(printed), numbers(argument)
    text = f"TNM: C-index {c:.3f}, AUC {auc:.3f}; like with like {model:.3f} and {c:.3f}"
    return Finding(text, None if shown != c else True)


def _smd(printed: str, argument: str) -> Finding:
    smds = recompute.standardised_differences()
    text = ", ".join(f"{name} {smd:.2f}" for name, smd in smds.items())
    return Finding(f"standardised differences: {text}", None)


def _quartiles(printed: str, argument: str) -> Finding:
    """Which rule for percentiles of so many whole months leaves the printed fractions."""
    _, *quartiles = [number % 1 for number in numbers(printed)]
    rules = recompute.fractions_of_quartiles(int(argument))
    fitting = [rule for rule, fractions in rules.items() if list(fractions) == quartiles]
    text = "; ".join(f"{rule} .{a * 100:.0f} and .{b * 100:.0f}" for rule, (a, b) in rules.items())
    return Finding(f"between neighbouring months: {text}", bool(fitting))


def _selected(printed: str, argument: str) -> Finding:
    part, whole = numbers(argument)
    return Finding(f"{part / whole:.1%}", None)


def _stated(printed: str, argument: str) -> Finding:
    return Finding(argument, None)


def _tnm_auc(printed: str, argument: str) -> Finding:
    value = recompute.two_level_auc(argument)
    return Finding(f"(sensitivity + specificity) / 2 = {value:.4f}", same(value, printed))


def _tnm_interval(printed: str, argument: str) -> Finding:
    ends, parts = numbers(printed)[-2:], []
    for method in ("Hanley-McNeil", "DeLong", "DeLong, logit"):
        interval = recompute.two_level_interval("TNM", method)
        parts.append((method, tuple(float(rounded(end, "0.000")) for end in interval)))
    text = "; ".join(f"{method} {low:.3f} to {high:.3f}" for method, (low, high) in parts)
    return Finding(text, any(interval == tuple(ends) for _, interval in parts))


def _c_interval(printed: str, argument: str) -> Finding:
    low, high = numbers(printed)[-2:]
    value, half = float(argument), (high - low) / 2
    n = sum(_test_patients())
    all_progress, half_progress = (recompute.c_half_width(value, n, share) for share in (1.0, 0.5))
    needed = [recompute.patients_for_c_interval(value, half, share) for share in (1.0, 0.5)]
    text = (
        f"half-width {half:.3f}; {n} patients give {all_progress:.3f} if all progress and "
        f"{half_progress:.3f} if half do; {needed[0]} and {needed[1]} would give this"
    )
    return Finding(text, None if half >= NARROWER * all_progress else False)


def _c_centre(printed: str, argument: str) -> Finding:
    low, high = numbers(printed)[-2:]
    value = float(argument)
    middle, start = (low + high) / 2, 2 * value - high
    text = f"middle {middle:.3f}; around {value:.3f} it would begin at {start:.3f}"
    return Finding(text, abs(middle - value) <= 0.001)


def _same_interval(printed: str, argument: str) -> Finding:
    return Finding(f"text: {argument}", numbers(printed) == numbers(argument))


def _edition(printed: str, argument: str) -> Finding:
    groups = {e: " or ".join(sorted(recompute.stages_with_n3(e))) for e in (7, 8)}
    overlaps = [recompute.stage_overlap(group) for group in recompute.GROUPS]
    text = (
        f"N3 is {groups[7]} in the 7th, {groups[8]} in the 8th edition; "
        f"8th needs {overlaps[0]} + {overlaps[1]} patients with T4 N3"
    )
    return Finding(text, "IVB" not in recompute.stages_with_n3(int(numbers(printed)[0])))


def _stage_rule(printed: str, argument: str) -> Finding:
    table = confusion_tables()["TNM"]
    called = table.tp + table.fp
    rules = recompute.called_high_by_rule()
    text = f"{called} called high; " + ", ".join(f"{rule} {n}" for rule, n in rules.items())
    return Finding(text, called in rules.values())


def _mcnemar(printed: str, argument: str) -> Finding:
    p = recompute.best_mcnemar(*argument.split(","))
    return Finding(f"exact McNemar at best P = {p:.4f}", None)


def _power(printed: str, argument: str) -> Finding:
    first, second = numbers(printed)
    n_high, n_low = _test_patients()
    powers = [
        statistics.power_of_difference(first, second, n_high=n_high, n_low=n_low, correlation=r)
        for r in (0.2, 0.5)
    ]
    return Finding(f"power {powers[0]:.0%} to {powers[1]:.0%} if the difference were true", None)


def _roles(printed: str, argument: str) -> Finding:
    training, test = (int(table_1("sex")[group].sum()) for group in recompute.GROUPS)
    left = int(numbers(argument)[0]) - training - test
    return Finding(f"{left} patients left for validation", None)


def _software(printed: str, argument: str) -> Finding:
    keras, tensorflow = argument.split(",")
    text = f"Keras 2.2.0 is of {keras}, TensorFlow 2.0.0 of {tensorflow}"
    return Finding(text, keras >= tensorflow)


def _padding(printed: str, argument: str) -> Finding:
    share = recompute.padding_share(*(int(n) for n in numbers(argument)))
    return Finding(f"{share:.1%} of the padded image is empty", None)


def _not_recomputable(printed: str, argument: str) -> Finding:
    return Finding("no counts are published for it", None)
