"""The appraisal recomputes what it says, checked against fractions and other libraries."""

import math
import re
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from npc_course import notebooks
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import Table, mcnemar
from statsmodels.stats.weightstats import ttest_ind

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
                    "auc_pre-model", "auc_ensemble", "auc_tnm", "auc_interval_tnm",
                    "accuracy_ensemble", "accuracy_tnm", "training_share"]),
    ("does not", ["mean_age", "p_age", "ajcc", "auc_post-model", "ppv_post-model", "npv_tnm",
                  "npv_fraction_ensemble", "ppv_fraction_ensemble", "tnm_rule", "software",
                  "c_interval_post-model_agreement", "c_interval_ensemble_text"]),
    ("cannot be known", ["early_stopping", "roi_size", "mcnemar_ensemble_tnm", "c_ensemble",
                         "c_interval_ensemble_abstract", "auc_interval_ensemble"]),
])  # fmt: skip
def test_verdicts(claims, verdict, ids):
    assert claims.verdict[ids].unique().tolist() == [verdict]


@pytest.mark.parametrize("name, printed", [
    ("sex", 0.380), ("stage", 0.204), ("T", 0.806), ("N", 0.570), ("treatment", 0.169)
])  # fmt: skip
def test_p_values_are_statsmodels_and_the_printed_ones(name, printed):
    counts = appraisal.table_1(name).to_numpy()
    found = recompute.p_values(name)["chi-squared"]
    other = Table(counts, shift_zeros=False).test_nominal_association().pvalue
    assert found == pytest.approx(other, abs=1e-12)
    assert found == pytest.approx(printed, abs=0.0005)


def test_yates_and_fisher_by_hand():
    a, b, c, d = 114, 33, 49, 10
    n, margins = a + b + c + d, (a + b) * (c + d) * (a + c) * (b + d)
    yates = n * (abs(a * d - b * c) - n / 2) ** 2 / margins
    ways = {k: math.comb(147, k) * math.comb(59, 163 - k) for k in range(104, 148)}
    fisher = sum(w for w in ways.values() if w <= ways[114]) / sum(ways.values())
    found = recompute.p_values("sex")
    assert found["with Yates"] == pytest.approx(math.erfc(math.sqrt(yates / 2)), abs=1e-12)
    assert found["Fisher"] == pytest.approx(fisher, abs=1e-9)


def test_p_of_age_surrounds_what_samples_with_these_moments_give():
    rng = np.random.default_rng(1)
    samples = []
    for mean, sd, n in ((51.63, 10.21, 163), (49.82, 11.59, 43)):
        values = rng.normal(size=n)
        samples.append(mean + sd * (values - values.mean()) / values.std(ddof=1))
    found = recompute.p_values_of_age((51.63, 10.21, 163), (49.82, 11.59, 43))
    for name, usevar in (("Student", "pooled"), ("Welch", "unequal")):
        low, high = found[name]
        assert low < ttest_ind(*samples, usevar=usevar)[1] < high
        assert high < 0.351 or low > 0.3515


def test_mean_ages():
    assert recompute.pooled_mean((50.0, 50.5), (147, 59)) == pytest.approx(
        (147 * 50.0 + 59 * 50.5) / 206
    )
    assert recompute.pooled_mean((51.63, 49.82), (163, 43)) == pytest.approx(51.252, abs=1e-3)


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


@pytest.mark.parametrize("slope, c, printed", [(1.6, 0.811, 0.0495), (1.85, 0.830, 0.0465)])
def test_intervals_of_the_text_are_too_narrow_even_if_all_progressed(slope, c, printed):
    rng = np.random.default_rng(7)
    found = []
    for _ in range(400):
        score = rng.normal(size=43)
        months = rng.exponential(np.exp(-slope * score))
        earlier = months[:, None] < months
        found.append((earlier & (score[:, None] > score)).sum() / earlier.sum())
    half = 1.96 * np.std(found)
    assert np.mean(found) == pytest.approx(c, abs=0.02)
    assert printed < half
    assert half > 0.45 * recompute.narrowest_c_interval(c, 43)


def test_padding_and_intervals():
    assert recompute.padding_share(400, 200, 512) == pytest.approx(1 - 80_000 / 262_144)
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


def test_checklist_leaves_nothing_blank():
    items = appraisal.checklist()
    assert set(items.guideline) == {"TRIPOD+AI", "CLAIM 2024"}
    assert (items != "").all(axis=None)
    assert not items.duplicated(["guideline", "item"]).any()


def test_unknown_characteristic_says_which_there_are():
    with pytest.raises(ValueError, match="treatment"):
        appraisal.table_1("smoking")


def test_checklist_tells_what_the_run_knows(tmp_path):
    root = Path(__file__).parents[2]
    for name in ("data/registry.csv", "data/visits.csv", "data_manifest.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    study = Study(tmp_path)
    assert "not yet run" in set(appraisal.run_facts(study).values())
    (tmp_path / "results").mkdir()
    for path in (root / "data" / "reference").glob("cohort.csv*"):
        shutil.copy(path, tmp_path / "results")
    facts = appraisal.run_facts(study)
    assert facts["participants"] == "206 of 1034 included"
    assert facts["division"] == "163 training, 43 test"
    assert facts["discrimination"] == "not yet run"
    run = " ".join(appraisal.checklist(facts)["run"])
    assert "206 of 1034 included; cohort.csv names" in run and "{" not in run
