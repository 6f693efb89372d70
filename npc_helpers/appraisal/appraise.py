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
USUAL_WIDTH = 0.7  # the C-index formula may be 30% too wide (statistics.c_index_standard_error)
LEAST_WIDTH = 0.45  # and twice too wide if every patient progressed (simulated in the tests)


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
        id, place, claim, printed, recomputed, verdict, remark.
    """
    table = published()
    findings = [CHECKS[row.check](row.printed, row.argument) for row in table.itertuples()]
    table["recomputed"] = [finding.recomputed for finding in findings]
    table["verdict"] = [finding.verdict for finding in findings]
    columns = ["id", "place", "claim", "printed", "recomputed", "verdict", "remark"]
    order = table["verdict"].map(VERDICTS.index)
    return table.loc[order.sort_values(kind="stable").index, columns].reset_index(drop=True)


def intervals() -> pd.DataFrame:
    """Half-widths of the printed 95% intervals beside what 43 patients can give.

    Returns
    -------
    DataFrame
        measure, model, value, low, high, place, expected (half-width).
    """
    table = published()
    table = table[table["check"].isin(["auc_interval", "tnm_interval", "c_interval"])]
    rows = []
    for row in table.itertuples():
        value, (low, high) = float(row.argument.split(",")[0]), numbers(row.printed)[-2:]
        measure = "C-index" if row.check == "c_interval" else "AUC"
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
        return recompute.narrowest_c_interval(value, n_high + n_low)
    return statistics.half_width(statistics.auc_standard_error(value, n_high, n_low))


def numbers(text: str) -> list[float]:
    """Return the numbers of a text in their order."""
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", text)]


def rounded(value: float, like: str) -> str:
    """Write `value` with as many decimals as the first number of `like`, halves rounded up."""
    _, _, decimals = re.search(r"\d+(?:\.\d+)?", like).group().partition(".")
    step = Decimal(1).scaleb(-len(decimals))
    return str(Decimal(repr(float(value))).quantize(step, ROUND_HALF_UP))


def same(value: float, printed: str) -> bool:
    """True if `value`, rounded as `printed` is, gives the first number of `printed`."""
    return rounded(value, printed) == re.search(r"\d+(?:\.\d+)?", printed).group()


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
    found = recompute.p_values(argument)
    text = ", ".join(f"{name} {p:.4f}" for name, p in found.items())
    return Finding(text, same(found["chi-squared"], printed))


def _p_age(printed: str, argument: str) -> Finding:
    a = numbers(argument)
    n = [int(table_1("age")[group].sum()) for group in recompute.GROUPS]
    found = recompute.p_values_of_age((a[0], a[1], n[0]), (a[2], a[3], n[1]))
    bands = recompute.p_values("age")["chi-squared"]
    text = ", ".join(f"{name} {low:.3f} to {high:.3f}" for name, (low, high) in found.items())
    agrees = any(low <= numbers(printed)[0] + 0.0005 and numbers(printed)[0] - 0.0005 <= high
                 for low, high in found.values()) or same(bands, printed)  # fmt: skip
    return Finding(f"{text}; three bands, chi-squared {bands:.3f}", agrees)


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
    exact = round((training + test) / (numbers(printed)[0] + numbers(printed)[1]))
    return Finding(f"{training / test:.2f}:1 (4:1 would leave {exact} for testing)", test == exact)


def _auc(printed: str, argument: str) -> Finding:
    n_high, n_low = _test_patients()
    found = recompute.attainable_auc(numbers(printed)[0], n_high, n_low)
    low, high = recompute.auc_range(argument)
    text = f"neighbours {found[0]:.4f} and {found[1]:.4f}; Table 2 allows {low:.3f} to {high:.3f}"
    inside = low <= numbers(printed)[0] <= high
    return Finding(text, inside and any(same(value, printed) for value in found))


def _auc_interval(printed: str, argument: str) -> Finding:
    low, high = numbers(printed)[-2:]
    expected = _expected_half_width("AUC", float(argument))
    return Finding(f"half-width {(high - low) / 2:.3f}, expected about {expected:.3f}", None)


def _tnm_auc(printed: str, argument: str) -> Finding:
    value = recompute.two_level_auc(argument)
    return Finding(f"(sensitivity + specificity) / 2 = {value:.4f}", same(value, printed))


def _tnm_interval(printed: str, argument: str) -> Finding:
    ends, parts = numbers(printed)[-2:], []
    for method in ("Hanley-McNeil", "DeLong", "DeLong, logit"):
        found = recompute.two_level_interval("TNM", method)
        parts.append((method, tuple(float(rounded(end, "0.000")) for end in found)))
    text = "; ".join(f"{method} {low:.3f} to {high:.3f}" for method, (low, high) in parts)
    return Finding(text, any(found == tuple(ends) for _, found in parts))


def _c_interval(printed: str, argument: str) -> Finding:
    low, high = numbers(printed)[-2:]
    value, half = float(argument), (high - low) / 2
    expected = _expected_half_width("C-index", value)
    needed = recompute.patients_for_c_interval(value, half)
    text = f"half-width {half:.3f}; 43 patients give about {expected:.3f}, {needed} would give this"
    possible = None if half >= LEAST_WIDTH * expected else False
    return Finding(text, half >= USUAL_WIDTH * expected or possible)


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
    found = recompute.called_high_by_rule()
    text = f"{called} called high; " + ", ".join(f"{rule} {n}" for rule, n in found.items())
    return Finding(text, called in found.values())


def _mcnemar(printed: str, argument: str) -> Finding:
    p = recompute.best_mcnemar(*argument.split(","))
    return Finding(f"exact McNemar at best P = {p:.4f}", None)


def _power(printed: str, argument: str) -> Finding:
    first, second = numbers(printed)
    n_high, n_low = _test_patients()
    found = [
        statistics.power_of_difference(first, second, n_high=n_high, n_low=n_low, correlation=r)
        for r in (0.2, 0.5)
    ]
    return Finding(f"power {found[0]:.0%} to {found[1]:.0%} if the difference were true", None)


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


CHECKS: dict[str, Callable[[str, str], Finding]] = {
    "auc": _auc,
    "auc_interval": _auc_interval,
    "c_interval": _c_interval,
    "edition": _edition,
    "mcnemar": _mcnemar,
    "mean_age": _mean_age,
    "measure": _measure,
    "not_recomputable": _not_recomputable,
    "p_age": _p_age,
    "p_value": _p_value,
    "padding": _padding,
    "power": _power,
    "ratio": _ratio,
    "roles": _roles,
    "same_interval": _same_interval,
    "share": _share,
    "software": _software,
    "stage_rule": _stage_rule,
    "tnm_auc": _tnm_auc,
    "tnm_interval": _tnm_interval,
    "total": _total,
}
