"""Staging, screening, follow-up, survival, risk groups and the split."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_study import make_study, save

from npc_helpers import cohort
from npc_helpers.study import Study, StudyError

# --- staging: the published tables, written out ------------------------------------------------

PUBLISHED = {
    7: {
        "I": ["T1 N0"],
        "II": ["T1 N1", "T2 N0", "T2 N1"],
        "III": ["T1 N2", "T2 N2", "T3 N0", "T3 N1", "T3 N2"],
        "IVA": ["T4 N0", "T4 N1", "T4 N2"],
        "IVB": [f"T{t} N3{part}" for t in (1, 2, 3, 4) for part in ("", "a", "b")],
    },
    8: {
        "I": ["T1 N0"],
        "II": ["T0 N1", "T1 N1", "T2 N0", "T2 N1"],
        "III": ["T0 N2", "T1 N2", "T2 N2", "T3 N0", "T3 N1", "T3 N2"],
        "IVA": ["T4 N0", "T4 N1", "T4 N2", "T0 N3", "T1 N3", "T2 N3", "T3 N3", "T4 N3"],
    },
}
CELLS = [
    (edition, *pair.split(), group)
    for edition, groups in PUBLISHED.items()
    for group, pairs in groups.items()
    for pair in pairs
]


@pytest.mark.parametrize(("edition", "t", "n", "group"), CELLS)
def test_stage_groups_as_published(edition, t, n, group):
    assert cohort.stage_group(t, n, "M0", edition=edition) == group
    assert cohort.stage_group(t, n, "M1", edition=edition) == {7: "IVC", 8: "IVB"}[edition]
    row = pd.DataFrame({"t_stage": [t], "n_stage": [n], "m_stage": ["M0"]})
    assert cohort.stage_groups(row, edition=edition).tolist() == [group]


def test_no_cell_is_left_out():
    assert {(t, n) for e, t, n, _ in CELLS if e == 7} == set(cohort.STAGE_7TH)
    assert {(t, n) for e, t, n, _ in CELLS if e == 8} == set(cohort.STAGE_8TH)


@pytest.mark.parametrize(
    ("t", "n", "m", "edition", "message"),
    [
        ("T0", "N1", "M0", 7, "T is 'T0'; the 7th edition has T1, T2, T3, T4"),
        ("T5", "N1", "M0", 8, "T is 'T5'; the 8th edition has T0, T1"),
        ("T1", "N3a", "M0", 8, "N is 'N3a'; the 8th edition has N0, N1, N2, N3"),
        ("T1", "", "M0", 7, "N is ''; the 7th edition has N0, N1, N2, N3, N3a, N3b"),
        ("T1", "N1", "M1a", 8, "M is 'M1a'; the 8th edition has M0, M1"),
        ("T0", "N0", "M0", 8, "T0 N0 has no stage group"),
        ("T1", "N1", "M0", 9, "edition is 9; allowed: 7, 8"),
    ],
)
def test_stages_that_do_not_exist(t, n, m, edition, message):
    with pytest.raises(ValueError, match=message):
        cohort.stage_group(t, n, m, edition=edition)


def test_regrouping_and_blanks():
    rows = pd.DataFrame(
        [("T2", "N3b", "M0"), ("T0", "N2", "M0"), ("", "N2", "M0"), ("T4", "N3", "M1")],
        columns=["t_stage", "n_stage", "m_stage"],
    )
    rows.loc[4] = ["T1", "N2", ""]
    assert cohort.stage_groups(rows, edition=7).tolist() == ["IVB", "", "", "IVC", ""]
    assert cohort.stage_groups(rows, edition=8).tolist() == ["IVA", "III", "", "IVB", ""]
    by_t_and_n = cohort.stage_groups(rows, edition=7, ignore_m=True)
    assert by_t_and_n.tolist() == ["IVB", "", "", "IVB", "III"]


# --- regular review ---------------------------------------------------------------------------

END = pd.Timestamp("2015-01-01")


def followed(*, reviews, last=None, progression=None, death=None, calls=(), tolerance=45):
    """Judge one patient; every number is days since the end of treatment."""

    def date(days):
        return pd.NaT if days is None else END + pd.Timedelta(days=days)

    registry = pd.DataFrame(
        {
            "patient_id": ["A"],
            "treatment_end": [END],
            "progression_date": [date(progression)],
            "death_date": [date(death)],
            "last_review_date": [date(last)],
        }
    ).astype({"progression_date": "datetime64[ns]", "death_date": "datetime64[ns]"})
    registry["last_review_date"] = pd.to_datetime(registry["last_review_date"])
    visits = pd.DataFrame(
        [("A", date(day), "review") for day in reviews]
        + [("A", date(day), "telephone") for day in calls],
        columns=["patient_id", "visit_date", "kind"],
    ).astype({"visit_date": "datetime64[ns]"})
    return cohort.regular_review(visits, registry, tolerance_days=tolerance).tolist() == [True]


QUARTERS = list(range(91, 731, 91))  # eight reviews, the last after 728 days


@pytest.mark.parametrize(
    ("expected", "course"),
    {
        "two faithful years": (True, {"reviews": QUARTERS, "last": 728}),
        "last review taken from the visits": (True, {"reviews": QUARTERS}),
        "one gap of half a year in the second year": (
            False,
            {"reviews": [day for day in QUARTERS if day != 455], "last": 728},
        ),
        "the same gap with a large tolerance": (
            True,
            {"reviews": [day for day in QUARTERS if day != 455], "last": 728, "tolerance": 92},
        ),
        "a call does not fill the gap": (
            False,
            {"reviews": [day for day in QUARTERS if day != 455], "last": 728, "calls": [455]},
        ),
        "first review late": (False, {"reviews": QUARTERS[1:], "last": 728}),
        "half-yearly from the third year": (True, {"reviews": [*QUARTERS, 911, 1094]}),
        "half-yearly is too rare for 10 months": (False, {"reviews": [*QUARTERS, 1033]}),
        "yearly from the sixth year": (
            True,
            {"reviews": [*QUARTERS, *range(911, 1830, 182), 2186, 2551]},
        ),
        "yearly in the fourth year": (False, {"reviews": [*QUARTERS, 911, 1094, 1459]}),
        "stopped after 18 months": (False, {"reviews": QUARTERS[:6], "last": 546}),
        "progressed after 18 months": (
            True,
            {"reviews": QUARTERS[:6], "last": 546, "progression": 546},
        ),
        "progressed before the first review was due": (
            True,
            {"reviews": [], "progression": 80, "last": 80},
        ),
        "died at 18 months": (True, {"reviews": QUARTERS[:6], "last": 546, "death": 560}),
        "died in the fourth year, two years after stopping": (
            True,
            {"reviews": QUARTERS, "last": 728, "death": 1400},
        ),
        "gaps after progression do not count": (
            True,
            {"reviews": [*QUARTERS, 1500], "last": 1500, "progression": 728},
        ),
        "last review on paper only": (False, {"reviews": QUARTERS, "last": 1000}),
        "nothing known": (False, {"reviews": []}),
    }.values(),
)
def test_regular_review(expected, course):
    assert followed(**course) == expected


def test_regular_review_of_several_patients_at_once():
    """Six patients, rows shuffled: two faithful, a gap, too short, only calls, no visit."""
    plan = {
        "A": [("review", day) for day in QUARTERS],
        "B": [("review", day) for day in [*QUARTERS, 910]],
        "C": [("review", day) for day in QUARTERS[:3] + QUARTERS[5:]],
        "D": [("review", day) for day in QUARTERS[:5]],
        "E": [("telephone", day) for day in QUARTERS],
        "F": [],
    }
    visits = pd.DataFrame(
        [(p, END + pd.Timedelta(days=d), kind) for p, rows in plan.items() for kind, d in rows],
        columns=["patient_id", "visit_date", "kind"],
    ).sample(frac=1, random_state=0)
    none = pd.Series(pd.NaT, range(6), dtype="datetime64[ns]")
    registry = pd.DataFrame(
        {"patient_id": list("FBDACE"), "treatment_end": END, "progression_date": none}
    ).assign(death_date=none, last_review_date=none)
    registry.index = list("uvwxyz")
    result = cohort.regular_review(visits, registry)
    assert result.to_dict() == dict(zip("uvwxyz", [0, 1, 0, 1, 0, 0], strict=True))


# --- screening --------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path):
    return Study(make_study(tmp_path / "study", patients=12))


FAILURES = [
    # (column and value that make a patient fail, the criteria that must fail, in order)
    ({"primary_npc": False}, ["primary_npc_treated_here"]),
    ({"treated_here": False}, ["primary_npc_treated_here"]),
    ({"metastasis_before_diagnosis": True}, ["no_metastasis_before_diagnosis"]),
    ({"mri_pre_date": pd.NaT}, ["mri_before_and_after"]),
    ({"mri_post_date": pd.NaT}, ["mri_before_and_after"]),
    ({"last_review_date": pd.Timestamp("2016-01-01")}, ["regular_review"]),
    ({"t_stage": "T2", "n_stage": "N1"}, ["stage_iii_or_iv"]),
    ({"t_stage": ""}, ["stage_iii_or_iv"]),
    ({"m_stage": ""}, ["stage_iii_or_iv"]),
    ({"recurrent_disease": True}, ["not_recurrent"]),
    ({"m_stage": "M1"}, ["no_metastasis_at_diagnosis"]),
    ({"surgery": True}, ["no_surgery"]),
    ({"imaging_complete": False}, ["information_complete"]),
    ({"age_years": np.nan}, ["information_complete"]),
    ({"sex": ""}, ["information_complete"]),
    ({"treatment": ""}, ["information_complete"]),
    ({"patient_id": "never reviewed"}, ["regular_review", "reviewed_at_all"]),
    ({"surgery": True, "recurrent_disease": True}, ["not_recurrent", "no_surgery"]),
]


@pytest.mark.parametrize(("values", "failed"), FAILURES)
def test_each_criterion_fails_for_its_own_reason(study, values, failed):
    registry = study.registry.astype({"age_years": float})
    for column, value in values.items():
        registry.loc[5, column] = value
    screening = cohort.screen(registry, study.visits)
    names = [criterion.name for criterion in cohort.CRITERIA]
    assert [name for name in names if not screening.loc[5, name]] == failed
    assert screening.loc[5, "excluded_by"] == failed[0] and not screening.loc[5, "included"]
    others = screening.drop(index=5)
    assert others["included"].all() and others["excluded_by"].eq("").all()


def test_ten_criteria_five_of_each_kind_in_order():
    kinds = [(criterion.kind, criterion.number) for criterion in cohort.CRITERIA]
    assert kinds == [(k, n) for k in ("inclusion", "exclusion") for n in range(1, 6)]
    assert len({criterion.name for criterion in cohort.CRITERIA}) == 10


def test_a_rule_stands_alone(study):
    for criterion in cohort.CRITERIA:
        assert criterion.rule(study.registry, study.visits).all(), criterion.name


def test_a_criterion_can_be_switched_off(study):
    registry = study.registry
    registry.loc[0, "surgery"] = True
    fewer = [criterion for criterion in cohort.CRITERIA if criterion.name != "no_surgery"]
    screening = cohort.screen(registry, study.visits, criteria=fewer)
    assert screening["included"].all() and "no_surgery" not in screening
    assert len(cohort.flow(screening)) == 9
    assert cohort.screen(registry, study.visits, criteria=())["included"].all()


def test_the_edition_decides_what_is_advanced(study):
    registry = study.registry.assign(t_stage="T0", n_stage="N2", tnm_edition=8)
    assert cohort.screen(registry, study.visits)["stage_iii_or_iv"].all()
    registry = study.registry.assign(t_stage="T1", n_stage="N3b", tnm_edition=7)
    assert cohort.screen(registry, study.visits)["stage_iii_or_iv"].all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=30))
def test_the_flow_adds_up(answers):
    answers = np.array(answers)
    criteria = [
        cohort.Criterion(f"c{i}", "inclusion", i, "", lambda r, v, i=i, **_: r[i]) for i in range(4)
    ]
    registry = pd.DataFrame(answers).assign(patient_id=range(len(answers)))
    screening = cohort.screen(registry, pd.DataFrame(), criteria=criteria)
    steps = cohort.flow(screening)
    assert steps["remaining_before"].iloc[0] == len(answers)
    assert steps["remaining"].iloc[-1] == answers.all(axis=1).sum() == screening["included"].sum()
    assert (steps["remaining_before"] - steps["lost"] == steps["remaining"]).all()
    assert (steps["remaining"][:-1].to_numpy() == steps["remaining_before"][1:].to_numpy()).all()
    for step, row in steps.iterrows():
        assert row["remaining"] == answers[:, : step + 1].all(axis=1).sum()


# --- survival and risk groups -----------------------------------------------------------------


def test_progression_free_survival_by_hand():
    columns = ["patient_id", "progression_date", "progression_type", "death_date"]
    rows = [
        ("relapse", "2016-01-01", "local", None, "2016-01-01"),
        ("metastasis, then death", "2016-01-01", "distant", "2016-06-01", "2016-05-01"),
        ("death", None, "", "2017-01-01", "2016-10-01"),
        ("alive", None, "", None, "2018-01-01"),
        ("unknown", None, "", None, None),
    ]
    registry = pd.DataFrame(rows, columns=[*columns, "last_review_date"])
    registry["treatment_start"] = "2015-01-01"
    for name in registry.columns[registry.columns.str.contains("date|start")]:
        registry[name] = pd.to_datetime(registry[name])
    result = cohort.progression_free_survival(registry).set_index("patient_id")
    assert result["pfs_days"].tolist()[:4] == [365, 365, 731, 1096]
    assert result["pfs_months"].tolist()[:4] == [12, 12, 24, 36]
    assert result["progressed"].tolist() == [True, True, True, False, False]
    assert result["event_type"].tolist() == ["local", "distant", "death", "censored", ""]
    assert result.loc["unknown", ["pfs_days", "pfs_months"]].isna().all()


def test_the_median_patient_is_high_risk():
    high_risk, median = cohort.risk_groups(pd.Series([10, 36, 36, 50, 60]))
    assert median == 36 and high_risk.tolist() == [True, True, True, False, False]
    high_risk, median = cohort.risk_groups(pd.Series([10, 36, 38, 50]))
    assert median == 37 and high_risk.sum() == 2
    with pytest.raises(ValueError, match="1 of 2 survival times are missing"):
        cohort.risk_groups(pd.Series([10, np.nan]))


def test_the_papers_quartiles_are_those_of_206_whole_numbers():
    """26.25 and 48.75 lie a quarter and three quarters of the way between two whole months."""
    counts = {26: 52, 27: 1, 30: 49, 36: 2, 40: 49, 48: 1, 49: 52}
    months = np.repeat(list(counts), list(counts.values()))
    assert len(months) == 206
    assert np.percentile(months, [25, 50, 75]).tolist() == [26.25, 36.0, 48.75]
    assert cohort.risk_groups(pd.Series(months))[1] == 36.0


# --- split ------------------------------------------------------------------------------------


def patients(number, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient_id": [f"P{i:03d}" for i in range(number)],
            "high_risk": rng.random(number) < 0.5,
            "stage_8th": rng.choice(["III", "IVA"], number, p=[0.64, 0.36]),
        }
    )


def test_the_papers_split():
    table = patients(206)
    sides = cohort.split(table, seed=2022)
    assert sides.value_counts().to_dict() == {"train": 163, "test": 43}
    strata = table.assign(split=sides).groupby(["high_risk", "stage_8th"])["split"]
    share = strata.apply(lambda column: (column == "test").mean() * column.size)
    expected = strata.size() * 43 / 206
    assert (share - expected).abs().max() < 1


def test_the_split_follows_seed_and_patient_not_row_order():
    table = patients(206)
    sides = cohort.split(table, seed=1)
    shuffled = table.sample(frac=1, random_state=3)
    pd.testing.assert_series_equal(cohort.split(shuffled, seed=1).sort_index(), sides)
    assert not cohort.split(table, seed=2).equals(sides)


def test_a_smaller_study_has_the_papers_share():
    assert (cohort.split(patients(100), seed=0) == "test").sum() == 21
    assert (cohort.split(patients(100), seed=0, n_test=30) == "test").sum() == 30


def test_a_split_that_cannot_be():
    with pytest.warns(UserWarning, match="too few patients"):
        assert (cohort.split(patients(6), seed=0) == "test").sum() == 1
    with pytest.raises(ValueError, match="one side empty"):
        cohort.split(patients(2), seed=0)
    with pytest.raises(ValueError, match="patient P000 has two rows"):
        cohort.split(pd.concat([patients(9), patients(1)]), seed=0)


def test_both_timepoints_on_one_side():
    images = pd.DataFrame(
        {
            "patient_id": ["A", "A", "B", "B", "C"],
            "timepoint": ["pre", "post", "pre", "post", "pre"],
            "split": ["train", "train", "test", "test", None],
        }
    )
    cohort.check_split(images)
    with pytest.raises(StudyError, match="1 patient.* both sides of the split: B"):
        cohort.check_split(images.assign(split=["train", "train", "test", "train", ""]))
    with pytest.raises(StudyError, match="'validation'; allowed: 'train', 'test'"):
        cohort.check_split(images.assign(split="validation"))


# --- the artefact -----------------------------------------------------------------------------

COLUMNS = (
    "patient_id included excluded_by sex age_years t_stage n_stage m_stage stage_7th stage_8th "
    "treatment pfs_months progressed event_type high_risk split"
).split()


def test_cohort_of_a_small_study(study):
    save(study.folder, "registry", study_table(study).assign(surgery=["yes"] + ["no"] * 11))
    study = Study(study.folder)
    table = cohort.build_cohort(study)
    assert table.columns.tolist() == COLUMNS and len(table) == 12
    out = table.iloc[0]
    assert out["excluded_by"] == "no_surgery" and out["split"] == "" and out["event_type"] == ""
    assert pd.isna(out["high_risk"]) and pd.isna(out["pfs_months"]) and pd.isna(out["progressed"])
    included = cohort.included_patients(table)
    assert (included["split"] == "test").sum() == round(11 * 43 / 206)
    assert included["high_risk"].dtype == bool
    assert included["pfs_months"].dtype == int and included["progressed"].dtype == bool
    study.write_table("cohort.csv", table)
    again = study.read_table("cohort.csv")
    pd.testing.assert_frame_equal(again, table)


def study_table(study):
    return pd.read_csv(study.table_path("registry"), dtype=str, keep_default_na=False)


# --- the demonstration registry ---------------------------------------------------------------


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """The synthetic registry on disk, without images."""
    made = pytest.importorskip("npc_demo.registry").make_cohort()
    folder = tmp_path_factory.mktemp("demonstration")
    save(folder, "registry", made.registry)
    save(folder, "visits", made.visits)
    return Study(folder)


def test_demonstration_screening_ends_at_206(demonstration):
    screening = cohort.screen(demonstration.registry, demonstration.visits)
    steps = cohort.flow(screening)
    assert steps["remaining_before"].iloc[0] == 1034 and steps["remaining"].iloc[-1] == 206
    names = [criterion.name for criterion in cohort.CRITERIA]
    assert (~screening[names]).sum().min() >= 20


def test_demonstration_cohort_has_the_totals_of_table_1(demonstration):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = cohort.included_patients(cohort.build_cohort(demonstration))
    assert table["sex"].value_counts().to_dict() == {"M": 147, "F": 59}
    assert table["t_stage"].value_counts().to_dict() == {"T1": 20, "T2": 68, "T3": 65, "T4": 53}
    n_stage = table["n_stage"].str[:2].value_counts().to_dict()
    assert n_stage == {"N0": 11, "N1": 22, "N2": 142, "N3": 31}
    assert (table["treatment"] == "CCRT").sum() == 42
    assert table["stage_8th"].value_counts().to_dict() == {"III": 132, "IVA": 74}
    assert table["stage_7th"].value_counts().to_dict() == {"III": 132, "IVA": 43, "IVB": 31}
    assert np.percentile(table["pfs_months"], [25, 50, 75]).tolist() == [26.25, 36.0, 48.75]
    assert table["split"].value_counts().to_dict() == {"train": 163, "test": 43}
