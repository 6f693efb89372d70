"""The appraisal recomputes what it says, checked against fractions and other libraries."""

import math
import re
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import Table, mcnemar
from statsmodels.stats.power import normal_power
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttest_ind

from npc_course import notebooks
from npc_helpers import appraisal, figures
from npc_helpers.appraisal import recompute
from npc_helpers.study import Study


@pytest.fixture(scope="module")
def claims():
    return appraisal.appraise().set_index("id")


def test_every_claim_has_a_verdict_and_a_sentence_and_what_stands_comes_first(claims):
    assert claims.index.is_unique
    assert claims.remark.str.endswith(".").all()
    assert (claims[["place", "claim", "printed", "recomputed"]] != "").all(axis=None)
    order = claims.verdict.map(appraisal.VERDICTS.index)
    assert order.is_monotonic_increasing and set(order) == {0, 1, 2}


@pytest.mark.parametrize("verdict, ids", [
    ("reproduces", ["n_patients", "n_male", "p_sex", "p_stage", "p_t", "p_n", "p_treatment",
                    "auc_pre-model", "auc_ensemble", "auc_tnm", "auc_interval_tnm", "p_age",
                    "accuracy_ensemble", "accuracy_tnm", "training_share", "split_ratio",
                    "follow_up", "auc_centre_ensemble"]),
    ("does not", ["mean_age", "ajcc", "auc_post-model", "ppv_post-model", "npv_tnm",
                  "npv_fraction_ensemble", "ppv_fraction_ensemble", "tnm_rule", "software",
                  "c_interval_post-model_agreement", "c_interval_ensemble_text",
                  "auc_centre_pre-model", "c_interval_tnm_text"]),
    ("cannot be known", ["early_stopping", "roi_size", "mcnemar_ensemble_tnm", "c_ensemble",
                         "c_interval_ensemble_abstract", "auc_interval_ensemble", "tnm_measure",
                         "auc_call_pre-model", "no_difference", "between_models", "n_events",
                         "n_images", "exclusion_1", "selected", "conditioned", "whole_image"]),
])  # fmt: skip
def test_verdicts(claims, verdict, ids):
    assert claims.verdict[ids].unique().tolist() == [verdict]


@pytest.mark.parametrize("name, printed", [
    ("sex", 0.380), ("stage", 0.204), ("T", 0.806), ("N", 0.570), ("treatment", 0.169)
])  # fmt: skip
def test_p_values_are_statsmodels_and_the_printed_ones(name, printed):
    counts = appraisal.table_1(name).to_numpy()
    p = recompute.p_values(name)["chi-squared"]
    of_statsmodels = Table(counts, shift_zeros=False).test_nominal_association().pvalue
    assert p == pytest.approx(of_statsmodels, abs=1e-12)
    assert p == pytest.approx(printed, abs=0.0005)


def test_yates_and_fisher_by_hand():
    a, b, c, d = 114, 33, 49, 10
    n, margins = a + b + c + d, (a + b) * (c + d) * (a + c) * (b + d)
    yates = n * (abs(a * d - b * c) - n / 2) ** 2 / margins
    ways = {k: math.comb(147, k) * math.comb(59, 163 - k) for k in range(104, 148)}
    fisher = sum(w for w in ways.values() if w <= ways[114]) / sum(ways.values())
    p = recompute.p_values("sex")
    assert p["with Yates"] == pytest.approx(math.erfc(math.sqrt(yates / 2)), abs=1e-12)
    assert p["Fisher"] == pytest.approx(fisher, abs=1e-9)


def test_claims_that_fail_for_one_reason_are_one_issue(claims):
    failing = claims[claims.verdict == "does not"]
    assert (failing.issue != "").all() and (claims.issue[claims.verdict != "does not"] == "").all()
    assert len(failing) == 24 and failing.issue.nunique() == 12
    assert failing.issue.value_counts()["predictive_values"] == 8


def test_p_of_age_is_what_samples_with_these_moments_give():
    rng = np.random.default_rng(1)
    samples = []
    for mean, sd, n in ((51.63, 10.21, 163), (49.82, 11.59, 43)):
        values = rng.normal(size=n)
        samples.append(mean + sd * (values - values.mean()) / values.std(ddof=1))
    p = recompute.p_values_of_age((51.63, 10.21, 163), (49.82, 11.59, 43))
    for name, usevar in (("Student", "pooled"), ("Welch", "unequal")):
        assert p[name] == pytest.approx(ttest_ind(*samples, usevar=usevar)[1], abs=1e-12)
    statistic, *_ = ttest_ind(*samples, usevar="unequal")
    assert p["Welch, normal"] == pytest.approx(math.erfc(statistic / math.sqrt(2)), abs=1e-12)
    assert p["Welch, normal"] == pytest.approx(0.35082, abs=5e-6)  # the only one printed as 0.351


@pytest.mark.parametrize("printed", [0.741, 0.806, 0.842])
def test_attainable_areas_by_listing_all(printed):
    values = [k / 920 for k in range(921)]
    below, above = recompute.attainable_auc(printed, 23, 20)
    assert below == max(v for v in values if v <= printed)
    assert above == min(v for v in values if v > printed)
    attainable = any(abs(v - printed) < 0.0005 for v in values)
    assert attainable == (printed != 0.806)


def test_area_between_its_bounds_is_reached_at_both_ends():
    hit, false = Fraction(18, 23), Fraction(2, 20)
    assert recompute.auc_range("Ensemble") == pytest.approx(
        (float(hit * (1 - false)), float(1 - false * (1 - hit)))
    )
    best = np.r_[[4] * 18, [2] * 5, [3] * 2, [1] * 18]
    worst = np.r_[[3] * 18, [1] * 5, [4] * 2, [2] * 18]
    truth = np.r_[np.ones(23), np.zeros(20)]
    reached = [roc_auc_score(truth, score) for score in (worst, best)]
    assert recompute.auc_range("Ensemble") == pytest.approx(reached)


def test_tnm_area_and_interval():
    assert recompute.two_level_auc("TNM") == pytest.approx(
        float((Fraction(16, 23) + Fraction(15, 20)) / 2)
    )
    low, high = recompute.two_level_interval("TNM", "Hanley-McNeil")
    assert (round(low, 3), round(high, 3)) == (0.567, 0.879)
    low, high = recompute.two_level_interval("TNM", "DeLong")
    hit, kept = 16 / 23, 15 / 20  # a yes/no area is a mean of two shares
    variance = (hit * (1 - hit) / 22 + kept * (1 - kept) / 19) / 4
    assert (high - low) / 2 == pytest.approx(1.959964 * math.sqrt(variance), abs=1e-6)
    with pytest.raises(ValueError, match="Hanley-McNeil"):
        recompute.two_level_interval("TNM", "bootstrap")


def test_hanley_mcneil_by_counting_triples():
    call = {1: [1] * 16 + [0] * 7, 0: [1] * 5 + [0] * 15}
    weight = {0: 1 / 3, 1: 0.5, 2: 1.0}  # both tied, one tied, none tied with a correct order

    def correct(high_a, high_b, low):
        if min(high_a, high_b) < low:
            return 0
        ties = (high_a == low) + (high_b == low)
        return weight[2 - ties]

    q1 = np.mean([correct(a, b, c) for a in call[1] for b in call[1] for c in call[0]])
    q2 = np.mean([correct(-a, -b, -c) for a in call[0] for b in call[0] for c in call[1]])
    area = recompute.two_level_auc("TNM")
    variance = (area * (1 - area) + 22 * (q1 - area**2) + 19 * (q2 - area**2)) / 460
    low, high = recompute.two_level_interval("TNM", "Hanley-McNeil")
    assert (high - low) / 2 == pytest.approx(1.959964 * math.sqrt(variance), abs=1e-6)


@pytest.mark.parametrize("first, second, gained", [
    ("Ensemble", "TNM", 5), ("Post-model", "TNM", 4), ("Pre-model", "TNM", 1),
    ("Ensemble", "Pre-model", 4), ("Post-model", "Pre-model", 3), ("Ensemble", "Post-model", 1),
])  # fmt: skip
def test_best_mcnemar(first, second, gained):
    expected = mcnemar([[30, gained], [0, 8]], exact=True).pvalue
    assert recompute.best_mcnemar(first, second) == pytest.approx(expected)
    assert recompute.best_mcnemar(first, second) > 0.05


def test_predictive_values_as_fractions():
    table = appraisal.confusion_tables()
    for model, ppv, npv in (
        ("Ensemble", "18/20", "18/23"), ("Pre-model", "17/22", "15/21"),
        ("Post-model", "17/19", "18/24"), ("TNM", "16/21", "15/22"),
    ):  # fmt: skip
        assert table[model].ppv.value == pytest.approx(float(Fraction(ppv)))
        assert table[model].npv.value == pytest.approx(float(Fraction(npv)))


def test_stages_by_hand():
    assert recompute.stages_with_n3(7) == {"IVB"}
    assert recompute.stages_with_n3(8) == {"IVA"}
    assert recompute.stage_overlap("training") == 41 + 22 - 55
    assert recompute.stage_overlap("test") == 12 + 9 - 19
    rules = recompute.called_high_by_rule()
    assert rules["IVa or above"] == 19 and rules["T3 or above"] == 11 + 12
    assert 16 + 5 not in rules.values()


@pytest.mark.parametrize("slope, c, printed", [(1.78, 0.811, 0.0495), (2.0, 0.830, 0.0465)])
def test_intervals_of_the_text_are_too_narrow_even_if_all_progressed(slope, c, printed):
    rng = np.random.default_rng(7)
    values = []
    for _ in range(2000):
        score = rng.normal(size=43)
        months = rng.exponential(np.exp(-slope * score))
        earlier = months[:, None] < months
        values.append((earlier & (score[:, None] > score)).sum() / earlier.sum())
    half = 1.96 * np.std(values)
    assert np.mean(values) == pytest.approx(c, abs=0.01)
    assert printed < 0.9 * half
    assert recompute.c_half_width(c, 43, 1.0) == pytest.approx(half, rel=0.08)


def test_intervals():
    table = appraisal.intervals()
    assert ((table.low < table.value) & (table.value < table.high)).all()
    figure = figures.printed_intervals_figure(table)
    assert [axes.get_title("left") for axes in figure.axes] == ["AUC (95% CI)", "C-index (95% CI)"]


def test_every_figure_and_table_is_mapped_to_a_heading_that_exists():
    table = appraisal.reproduction_map()
    for row in table.itertuples():
        text = (notebooks.FOLDER / "py" / f"{row.notebook}.py").read_text(encoding="utf-8")
        assert re.search(rf"^# ##+ {re.escape(row.heading)}$", text, re.M), row
    named = " ".join(table.item)
    for item in ("Fig. 1", "Fig. 2", "Fig. 3", "Figs. 4-7", "Fig. 8", "Table 1", "Table 2"):
        assert item in named


PARTS_OF_TRIPOD = {  # of BMJ 2024;385:e078378, where an item has parts
    "3": "abc", "5": "ab", "6": "abc", "8": "abc", "9": "abc", "12": "abcdefg", "18": "abcdef",
    "20": "abc", "23": "ab", "27": "abc",
}  # fmt: skip
PUBLISHED = {
    "TRIPOD+AI": [f"{n}{part}" for n in range(1, 28) for part in PARTS_OF_TRIPOD.get(str(n), [""])],
    "CLAIM 2024": [str(n) for n in range(1, 45)],
    # questions per domain: participants, predictors, outcome, analysis
    "PROBAST+AI": [
        f"{kind}{domain}.{n}"
        for kind, counts in (("D", (3, 4, 4, 5)), ("E", (3, 4, 4, 7)))
        for domain, count in enumerate(counts, 1)
        for n in range(1, count + 1)
    ],
    "METRICS": [str(n) for n in range(1, 31)],
}


def test_the_checklists_are_complete():
    items = appraisal.checklist()
    assert {name: list(rows.number) for name, rows in items.groupby("guideline")} == PUBLISHED
    assert sum(number[0] == "D" for number in PUBLISHED["PROBAST+AI"]) == 16
    assert sum(number[0] == "E" for number in PUBLISHED["PROBAST+AI"]) == 18


def test_every_item_is_answered_in_the_same_words():
    items = appraisal.checklist()
    assert (items[["topic", "item", "paper_where"]] != "").all(axis=None)
    for side in ("paper", "run"):
        assert set(items[side]) <= set(appraisal.ANSWERS)
        told = items[items[side].isin(["yes", "partly", "no"])]
        assert (told[f"{side}_where"] != "").all()
    assert not set(items.paper) & {"not yet run", "for the authors"}
    assert not items.duplicated(["guideline", "item", "topic"]).any()


def test_places_in_the_paper_exist():
    """Sections 1 to 4, Figs. 1 to 8, Tables 1 and 2 are all it has."""
    places = appraisal.checklist().paper_where
    sections = {"1", "2.1", "2.2", "2.3", "2.4", "2.5", "3.1", "3.2", "4"}
    for text in places:
        assert set(re.findall(r"^(\d(?:\.\d)?)\b(?! of| patients)", text)) <= sections | {"43"}, (
            text
        )
        assert set(re.findall(r"Table (\d)", text)) <= {"1", "2"}
        assert set(re.findall(r"Figs?\. (\d)", text)) <= set("12345678")


def test_metrics_weights_are_those_of_its_authors():
    """Table 1 of Insights Imaging 2024;15:8: categories by their sums, and three items."""
    metrics = appraisal.checklist().set_index("guideline").loc["METRICS"]
    sums = metrics.groupby("topic", sort=False).weight.sum().round(4)
    assert sums.to_dict() == {
        "study design": 0.2022, "imaging data": 0.146, "segmentation": 0.0674,
        "image processing": 0.1348, "features": 0.09, "preparation": 0.0899, "metrics": 0.1348,
        "testing": 0.1124, "open science": 0.0225,
    }  # fmt: skip
    assert sums.sum() == pytest.approx(1, abs=1e-9)
    weight = metrics.set_index("number").weight
    assert weight[["2", "3", "18"]].tolist() == [0.0735, 0.0919, 0.0599]


def test_metrics_score_counts_what_applies():
    rows = [("yes", 0.2), ("no", 0.3), ("partly", 0.1), ("not applicable", 0.4), ("yes", np.nan)]
    items = pd.DataFrame(rows, columns=["paper", "weight"])
    assert appraisal.metrics_score(items, "paper") == pytest.approx(0.2 / 0.6)
    both = appraisal.metrics_score(items, "paper", counted=("yes", "partly"))
    assert both == pytest.approx(0.3 / 0.6)


def test_unknown_characteristic_says_which_there_are():
    with pytest.raises(ValueError, match="treatment"):
        appraisal.table_1("smoking")


def test_checklist_tells_what_the_run_knows(tmp_path):
    root = Path(__file__).parents[2]
    for name in ("data/registry.csv", "data/visits.csv", "data_manifest.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    study = Study(tmp_path)
    assert appraisal.run_facts(study)["splits"] == "not yet run (10_how_sure)"
    (tmp_path / "results").mkdir()
    for path in (root / "data" / "reference").glob("cohort.csv*"):
        shutil.copy(path, tmp_path / "results")
    facts = appraisal.run_facts(study)
    assert facts["participants"] == "206 of 1034 included"
    assert facts["division"] == "163 training, 43 test"
    assert facts["discrimination"] == "not yet run (05_compare_with_tnm)"
    items = appraisal.checklist(facts)
    run = " ".join(items["run_where"])
    assert "206 of 1034 included; cohort.csv names" in run and "{" not in run
    dates = pd.read_csv(tmp_path / "data" / "registry.csv", dtype=str)
    first, last = dates.diagnosis_date.min()[:7], dates.diagnosis_date.max()[:7]
    seen = dates.last_review_date.dropna().max()[:7]
    assert facts["dates"] == f"diagnosed {first} to {last}, last seen {seen}"
    assert facts["external"].startswith("no: no second study")
    row = items.set_index(["guideline", "number"]).loc[("CLAIM 2024", "33")]
    assert (row.run, row.run_where) == ("no", "no second study (NPC_EXTERNAL)")
    assert items.set_index(["guideline", "number"]).run["TRIPOD+AI", "23a"] == "not yet run"


# --- one test for each recomputed number ---------------------------------------------------------


def share(part, whole, digits=1):
    """A percentage as printed, halves rounded up."""
    return f"{math.floor(1000 * part / whole + 0.5) / 10:.{digits}f}%"


def wilson(part, whole):
    low, high = proportion_confint(part, whole, method="wilson")
    return f"{part / whole:.3f} (95% CI {low:.3f}–{high:.3f})"


def chi_squared(name):
    """Pearson's P of a row of Table 1, by statsmodels."""
    table = Table(appraisal.table_1(name).to_numpy(), shift_zeros=False)
    return f"chi-squared {table.test_nominal_association().pvalue:.4f}"


def hanley_mcneil(auc):
    """Standard error of an area of 23 and 20 patients from their formula."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    return math.sqrt((auc * (1 - auc) + 22 * (q1 - auc**2) + 19 * (q2 - auc**2)) / 460)


def width(low, high, auc):
    expected = 1.959964 * hanley_mcneil(auc)
    return f"half-width {(high - low) / 2:.3f}, expected about {expected:.3f}"


def powers(first, second):
    """Power at two correlations, by statsmodels' test of a normal mean."""
    a, b = hanley_mcneil(first), hanley_mcneil(second)
    spreads = [math.sqrt(a**2 + b**2 - 2 * r * a * b) for r in (0.2, 0.5)]
    low, high = (normal_power((first - second) / spread, 1, 0.05) for spread in spreads)
    return f"{low:.0%} to {high:.0%}"


def c_widths(c):
    """Half-widths whose formula `test_half_width_of_a_c_index_at_43_patients` compares."""
    all_progress, half_progress = (recompute.c_half_width(c, 43, share) for share in (1.0, 0.5))
    return f"{all_progress:.3f} if all progress and {half_progress:.3f} if half do"


def needed(c, low, high):
    """Smallest numbers of patients whose interval is so narrow, counted up one by one."""
    half = (high - low) / 2
    sizes = [
        next(n for n in range(2, 500) if recompute.c_half_width(c, n, share) <= half)
        for share in (1.0, 0.5)
    ]
    return "{} and {} would give this".format(*sizes)


def difference_of_levels(name):
    """Yang and Dalton's difference as they write it: without the last level, inverse of S."""
    counts = appraisal.table_1(name).to_numpy(dtype=float)
    first, second = (counts / counts.sum(axis=0))[:-1].T
    spread = sum(np.diag(share) - np.outer(share, share) for share in (first, second)) / 2
    return math.sqrt((first - second) @ np.linalg.inv(spread) @ (first - second))


WELCH = abs(51.63 - 49.82) / math.sqrt(10.21**2 / 163 + 11.59**2 / 43)
CHARACTERISTICS = ("age", "sex", "stage", "T", "N", "treatment")
CELLS = {  # Table 2, copied by hand: high called high and low, low called high and low
    "pre-model": (17, 6, 5, 15),
    "post-model": (17, 6, 2, 18),
    "ensemble": (18, 5, 2, 18),
    "tnm": (16, 7, 5, 15),
}
RECOMPUTED = {
    "n_patients": "206", "n_training": str(40 + 73 + 50), "n_test": str(11 + 15 + 17),
    "n_male": str(114 + 33), "n_female": str(49 + 10), "n_stage_iii": str(108 + 24),
    "n_stage_iva": str(55 + 19), "training_share": share(163, 206), "test_share": share(43, 206),
    "split_ratio": f"{163 / 43:.2f}:1", "selected": share(206, 1034),
    "mean_age": f"{(147 * 50.0 + 59 * 50.5) / 206:.2f} from section 2.3",
    "ages_2": f"{(163 * 51.63 + 43 * 49.82) / 206:.2f} from Table 1",
    "follow_up": f"linear .{(1 + 205 / 4) % 1 * 100:.0f} and .{(1 + 3 * 205 / 4) % 1 * 100:.0f}",
    "p_age": f"Welch, normal {math.erfc(WELCH / math.sqrt(2)):.4f}",
    "p_sex": chi_squared("sex"), "p_stage": chi_squared("stage"), "p_t": chi_squared("T"),
    "p_n": chi_squared("N"), "p_treatment": chi_squared("treatment"),
    "ajcc": f"8th needs {41 + 22 - 55} + {12 + 9 - 19} patients with T4 N3",
    "auc_pre-model": f"and {341 / 460:.4f};", "auc_ensemble": f"and {387.5 / 460:.4f};",
    "auc_post-model": f"{370.5 / 460:.4f} and {371 / 460:.4f}",
    "auc_centre_pre-model": f"attainable {341 / 460:.4f}; middle 0.7415 to 0.7425",  # ± 0.0005
    "auc_centre_post-model": "attainable none; middle 0.8055 to 0.8065",
    "auc_centre_ensemble": f"attainable {387.5 / 460:.4f}; middle 0.8420 to 0.8430",
    "auc_call_pre-model": f"{(17 / 23 + 15 / 20) / 2:.3f}",
    "auc_call_post-model": f"{(17 / 23 + 18 / 20) / 2:.3f}",
    "auc_tnm": f"{(16 / 23 + 15 / 20) / 2:.4f}",
    "auc_interval_tnm": "Hanley-McNeil 0.567 to 0.879",
    "auc_interval_pre-model": width(0.584, 0.900, 0.741),
    "auc_interval_post-model": width(0.670, 0.942, 0.806),
    "auc_interval_ensemble": width(0.718, 0.967, 0.842),
    "c_interval_pre-model_agreement": "0.639-0.795",
    "c_interval_post-model_agreement": "0.762-0.861",
    "c_interval_ensemble_agreement": "0.784-0.877",
    "c_interval_pre-model_abstract": c_widths(0.717),
    "c_interval_pre-model_text": c_widths(0.717),
    "c_interval_post-model_abstract": c_widths(0.811),
    "c_interval_post-model_text": needed(0.811, 0.762, 0.861),
    "c_interval_ensemble_abstract": c_widths(0.830),
    "c_interval_ensemble_text": needed(0.830, 0.784, 0.877),
    "c_interval_tnm_text": f"begin at {0.709 - (0.788 - 0.709):.3f}",
    "tnm_measure": "C-index 0.709, AUC 0.723",
    "no_difference": ", ".join(f"{n} {difference_of_levels(n):.2f}" for n in CHARACTERISTICS),
    "tnm_rule": f"{16 + 5} called high; IVa or above 19, T2 or above {15 + 11 + 12}",
    "software": "2018-06", "early_stopping": f"{206 - 163 - 43} patients left",
    "roi_size": share(512**2 - 400 * 200, 512**2),
    "power_ensemble_tnm": powers(0.842, 0.723),
    "power_post-model_pre-model": powers(0.806, 0.741), "power_pre-model_tnm": powers(0.741, 0.723),
    "mcnemar_ensemble_tnm": f"{2 / 2**5:.4f}", "mcnemar_post-model_tnm": f"{2 / 2**4:.4f}",
    "mcnemar_pre-model_tnm": "1.0000", "mcnemar_ensemble_pre-model": f"{2 / 2**4:.4f}",
    "mcnemar_post-model_pre-model": f"{2 / 2**3:.4f}", "mcnemar_ensemble_post-model": "1.0000",
}  # fmt: skip
for model_, (tp, fn, fp, tn) in CELLS.items():
    RECOMPUTED |= {
        f"ppv_{model_}": f"ppv {wilson(tp, tp + fp)}",
        f"npv_{model_}": f"npv {wilson(tn, tn + fn)}",
        f"accuracy_{model_}": wilson(tp + tn, 43),
        f"ppv_fraction_{model_}": share(tp, 23),
        f"npv_fraction_{model_}": share(tn, 20),
    }
for model_ in ("post-model", "ensemble"):
    RECOMPUTED[f"npv_fraction_{model_}"] = share(2, 20)  # the printed fraction, taken literally


def test_each_recomputed_number(claims):
    text = {
        id_: row.recomputed for id_, row in claims.iterrows() if re.search(r"\d", row.recomputed)
    }
    assert set(RECOMPUTED) == set(text)
    for id_, expected in RECOMPUTED.items():
        assert expected in text[id_], (id_, text[id_])


@pytest.mark.parametrize("c, share_, half", [
    (0.811, 1.0, 0.067), (0.811, 0.62, 0.083), (0.811, 0.49, 0.095), (0.811, 0.29, 0.124)
])  # fmt: skip
def test_half_width_of_a_c_index_at_43_patients(c, share_, half):
    """Half-widths that another simulation found, at four shares of patients with progression."""
    assert recompute.c_half_width(c, 43, share_) == pytest.approx(half, rel=0.07)


def test_standardised_differences_of_two_levels_by_the_textbook():
    for name, (a, b) in {"sex": (114 / 163, 33 / 43), "stage": (108 / 163, 24 / 43)}.items():
        textbook = abs(a - b) / math.sqrt((a * (1 - a) + b * (1 - b)) / 2)
        assert recompute.standardised_differences()[name] == pytest.approx(textbook, abs=1e-12)


def test_quartiles_of_206_whole_months_by_numpy():
    months = np.arange(206)
    quartiles = np.percentile(months, [25, 75]) % 1
    assert recompute.fractions_of_quartiles(206)["linear"] == pytest.approx(quartiles)
    weibull = np.percentile(months, [25, 75], method="weibull") % 1
    assert recompute.fractions_of_quartiles(206)["(n + 1) p"] == pytest.approx(weibull)
