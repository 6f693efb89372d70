"""The main table and Table 1: the paper's own counts, scipy, identities, edges."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from npc_helpers import statistics
from npc_helpers.statistics.table_one import categorical_smd

# Table 1 of the paper: (training, test) counts per level and the P value printed for them.
PAPER = {
    "sex": ({"M": (114, 33), "F": (49, 10)}, 0.380),
    "stage_8th": ({"III": (108, 24), "IVA": (55, 19)}, 0.204),
    "t_stage": ({"T1": (15, 5), "T2": (53, 15), "T3": (54, 11), "T4": (41, 12)}, 0.806),
    "n_stage": ({"N0": (9, 2), "N1": (19, 3), "N2": (113, 29), "N3": (22, 9)}, 0.570),
    "treatment": ({"CCRT": (30, 12), "IC+CCRT": (133, 31)}, 0.169),
}
TITLES = {
    "sex": "Sex",
    "stage_8th": "Stage (8th edition)",
    "t_stage": "T",
    "n_stage": "N",
    "treatment": "Treatment",
}


@pytest.fixture(scope="module")
def published():
    """Patients with the margins of the paper's Table 1 and ages of its means and SDs."""
    parts = []
    for position, (group, n, mean, sd) in enumerate(
        [("train", 163, 51.63, 10.21), ("test", 43, 49.82, 11.59)]
    ):
        columns = {
            column: np.repeat(list(levels), [counts[position] for counts in levels.values()])
            for column, (levels, _) in PAPER.items()
        }
        shape = np.linspace(-1, 1, n)
        ages = mean + sd * shape / shape.std(ddof=1)
        parts.append(pd.DataFrame({"split": group, "age_years": ages} | columns))
    return pd.concat(parts, ignore_index=True)


# --- Table 1 ------------------------------------------------------------------------------------


def test_p_values_of_the_paper_are_reproduced(published):
    """Pearson's chi-squared without correction gives each printed P, Welch's t that of age."""
    table = statistics.table_one(published)
    for column, (_, printed) in PAPER.items():
        assert float(table.loc[TITLES[column], "P"].iloc[0]) == printed, column
    age = table.loc[("Age, years", "mean ± SD")]
    welch = stats.ttest_ind_from_stats(51.63, 10.21, 163, 49.82, 11.59, 43, equal_var=False)
    assert float(age["P"]) == round(welch.pvalue, 3)
    assert age["train (n = 163)"] == "51.6 ± 10.2"
    assert age["test (n = 43)"] == "49.8 ± 11.6"


def test_counts_and_shares(published):
    table = statistics.table_one(published)
    assert table.loc[("Sex", "M"), "train (n = 163)"] == "114 (70%)"
    assert table.loc[("N", "N3"), "test (n = 43)"] == "9 (21%)"


def test_standardised_difference_of_two_levels_is_that_of_a_share():
    """(p1 - p2) / sqrt of the mean binomial variance (Austin 2009)."""
    a, b = 114 / 163, 33 / 43
    expected = abs(a - b) / np.sqrt((a * (1 - a) + b * (1 - b)) / 2)
    difference = categorical_smd(np.array([114.0, 49]), np.array([33.0, 10]))
    assert difference == pytest.approx(expected)


def test_standardised_difference_does_not_depend_on_the_order_of_levels():
    first, second = np.array([15.0, 53, 54, 41]), np.array([5.0, 15, 11, 12])
    forwards = categorical_smd(first, second)
    assert forwards == pytest.approx(categorical_smd(first[::-1], second[::-1]))
    assert forwards > 0
    assert categorical_smd(first, 3 * first) == pytest.approx(0, abs=1e-12)


def test_a_level_in_one_group_only_and_a_level_for_all(published):
    some = published.assign(sex="M")
    some.loc[some["split"].eq("test") & some["t_stage"].eq("T1"), "t_stage"] = "T2"
    table = statistics.table_one(some)
    assert table.loc[("T", "T1"), "test (n = 43)"] == "0 (0%)"
    assert table.loc[("Sex", "M"), ["P", "SMD"]].tolist() == ["–", "0.00"]


def test_a_level_that_nobody_has_is_no_row_of_table_one(published):
    levels = [*sorted(published["sex"].unique()), "X"]
    as_categories = published.assign(sex=pd.Categorical(published["sex"], levels))
    pd.testing.assert_frame_equal(
        statistics.table_one(as_categories), statistics.table_one(published)
    )


def test_ages_known_in_one_group_only_are_shown_and_not_compared(published):
    training_ages = published["age_years"].where(published["split"] == "train")
    row = statistics.table_one(published.assign(age_years=training_ages)).loc[
        ("Age, years", "mean ± SD")
    ]
    ages = training_ages.dropna()
    assert row.iloc[0] == f"{ages.mean():.1f} ± {ages.std():.1f}"
    assert row.iloc[1:].tolist() == ["–"] * 3


def test_table_one_needs_two_groups_of_two(published):
    with pytest.raises(ValueError, match="column split holds 1 groups"):
        statistics.table_one(published[published["split"] == "test"])
    lonely = published.drop(index=published.index[published["split"] == "test"][1:])
    with pytest.raises(ValueError, match="test has 1 patient"):
        statistics.table_one(lonely)


# --- main table ---------------------------------------------------------------------------------


@pytest.fixture
def patients():
    rng = np.random.default_rng(8)
    time = rng.integers(6, 70, 43)
    table = pd.DataFrame({"pfs_months": time, "progressed": rng.random(43) < 0.5})
    table.index = [f"P{number:02d}" for number in range(43)]
    return table.assign(high_risk=time <= np.median(time))


def risks(patients):
    rng = np.random.default_rng(9)
    noise = rng.normal(size=43)
    p = 1 / (1 + np.exp((patients["pfs_months"] - 35) / 15 + noise))
    return {"model": p, "coin": pd.Series(rng.random(43), index=patients.index)}


def test_each_row_holds_the_single_estimates(patients):
    scores = risks(patients)
    table = statistics.compare_models(patients, scores).set_index("model")
    assert list(table.index) == ["model", "coin"] and (table["n"] == 43).all()
    for model, score in scores.items():
        label = patients["high_risk"]
        cells = statistics.confusion(label, score > 0.5)
        expected = {
            "auc": statistics.roc_auc(label, score),
            "c_index": statistics.c_index(patients["pfs_months"], patients["progressed"], score),
            "sensitivity": cells.sensitivity,
            "npv": cells.npv,
        }
        for name, estimate in expected.items():
            row = table.loc[model, [name, f"{name}_low", f"{name}_high"]]
            assert list(row) == [estimate.value, estimate.low, estimate.high]


def test_a_model_that_calls_nobody_has_no_ppv(patients):
    table = statistics.compare_models(patients, {"model": risks(patients)["model"] / 2})
    assert np.isnan(table["ppv"].iloc[0])
    assert table["sensitivity"].iloc[0] == 0 and table["specificity"].iloc[0] == 1


def test_scores_of_other_patients_are_refused(patients):
    shuffled = risks(patients)["model"].iloc[::-1]
    with pytest.raises(ValueError, match="reindex"):
        statistics.compare_models(patients, {"model": shuffled})
