"""The registry of the demonstration study: published totals, eligibility, survival, dates."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index
from npc_demo import followup, survival
from npc_demo.registry import make_cohort
from sklearn.linear_model import LogisticRegression

from npc_helpers.study.about import About
from npc_helpers.study.checks import check_registry, check_visits
from npc_helpers.study.schema import REGISTRY, VISITS
from npc_helpers.study.tables import check_table, read_text

TOLERANCE_DAYS = 45
MONTH = 365.25 / 12


@pytest.fixture(scope="module")
def cohort():
    return make_cohort()


@pytest.fixture(scope="module")
def included(cohort):
    return cohort.registry.merge(cohort.truth, on="patient_id")


@pytest.fixture(scope="module")
def pfs(included):
    """Months to the first of progression, death and last review, straight from section 2.2."""
    event = included[["progression_date", "death_date"]].min(axis=1)
    days = (event.fillna(included["last_review_date"]) - included["treatment_start"]).dt.days
    return pd.DataFrame({"months": (days / 30.4375).round(), "event": event.notna()})


def reviewed_regularly(patient, reviews):
    """Section 2.2 for one patient, in plain Python."""
    begin = patient.treatment_end
    ends = [patient.progression_date, patient.death_date, patient.last_review_date]
    dated = [date for date in ends if not pd.isna(date)]
    if not dated:
        return False
    end = min(dated)
    previous = begin
    for date in [*sorted(d for d in reviews if d <= end), end]:
        years = (previous - begin).days / 365.25
        months = 3 if years < 2 else 6 if years < 5 else 12
        if (date - previous).days > months * MONTH + TOLERANCE_DAYS:
            return False
        previous = date
    event = min((d for d in ends[:2] if not pd.isna(d)), default=pd.Timestamp.max)
    two_years = begin + pd.Timedelta(days=730)
    return event < two_years or end >= two_years - pd.Timedelta(days=TOLERANCE_DAYS)


def failures(registry, visits):
    """The ten criteria of section 2.1, one set of patients each."""
    reviews = visits[visits["kind"] == "review"].groupby("patient_id")["visit_date"].apply(list)
    early = {("T1", "N0"), ("T1", "N1"), ("T2", "N0"), ("T2", "N1")}
    rules = {
        "I1": lambda p: p.primary_npc == "yes" and p.treated_here == "yes",
        "I2": lambda p: p.metastasis_before_diagnosis == "no",
        "I3": lambda p: p.mri_pre_date <= p.treatment_start and p.mri_post_date >= p.treatment_end,
        "I4": lambda p: reviewed_regularly(p, reviews.get(p.patient_id, [])),
        "I5": lambda p: (p.t_stage, p.n_stage) not in early,
        "E1": lambda p: p.recurrent_disease == "no",
        "E2": lambda p: p.m_stage == "M0",
        "E3": lambda p: p.patient_id in reviews.index,
        "E4": lambda p: p.surgery == "no",
        "E5": lambda p: (
            p.imaging_complete == "yes"
            and not pd.isna(p.age_years)
            and p.sex != ""
            and p.treatment != ""
        ),
    }
    people = list(registry.itertuples())
    return {name: {p.patient_id for p in people if not rule(p)} for name, rule in rules.items()}


# --- published figures --------------------------------------------------------------------------


def test_table_1_totals_are_exact(included):
    counts = {
        column: included[column].value_counts().sort_index().to_dict()
        for column in ("sex", "t_stage", "n_stage", "m_stage", "tnm_edition")
    }
    assert counts == {
        "sex": {"F": 59, "M": 147},
        "t_stage": {"T1": 20, "T2": 68, "T3": 65, "T4": 53},
        "n_stage": {"N0": 11, "N1": 22, "N2": 142, "N3": 31},
        "m_stage": {"M0": 206},
        "tnm_edition": {7: 206},
    }
    stage_iva = (included["t_stage"] == "T4") | (included["n_stage"] == "N3")
    assert (stage_iva.sum(), (~stage_iva).sum()) == (74, 132)
    assert ((included["t_stage"] == "T4") & (included["n_stage"] == "N3")).sum() == 10
    assert (included["treatment"] == "CCRT").sum() == 42
    assert included["treatment"].isin(["IC+CCRT", "IC+RT"]).sum() == 164


def test_ages_are_those_of_the_text_and_of_table_1(included):
    age = included["age_years"].astype(int)
    men, women = age[included["sex"] == "M"], age[included["sex"] == "F"]
    assert men.mean() == pytest.approx(50.0, abs=0.05)
    assert women.mean() == pytest.approx(50.5, abs=0.05)
    assert (men.min(), men.max(), women.min(), women.max()) == (16, 74, 18, 75)
    bands = ((age < 45).sum(), age.between(45, 55).sum(), (age > 55).sum())
    assert bands == (40 + 11, 73 + 15, 50 + 17)
    assert 9 < age.std() < 12


@pytest.mark.parametrize("preset", ["paper_like", "literature"])
@pytest.mark.parametrize("seed", [2022, 5, 6])
def test_follow_up_quartiles_are_exact(preset, seed):
    made = make_cohort(preset=preset, seed=seed)
    table = made.registry[made.registry["patient_id"].isin(made.truth["patient_id"])]
    event = table[["progression_date", "death_date"]].min(axis=1)
    days = (event.fillna(table["last_review_date"]) - table["treatment_start"]).dt.days
    quartiles = np.percentile((days / 30.4375).round(), [25, 50, 75])
    assert quartiles.tolist() == [26.25, 36.0, 48.75]


# --- eligibility --------------------------------------------------------------------------------


def test_criteria_leave_exactly_the_206_and_each_loses_at_least_twenty(cohort):
    failed = failures(cohort.registry, cohort.visits)
    everyone = set(cohort.registry["patient_id"])
    assert len(cohort.registry) == len(everyone) == 1034
    assert everyone - set().union(*failed.values()) == set(cohort.truth["patient_id"])
    assert {name: len(ids) for name, ids in failed.items() if len(ids) < 20} == {}
    several = [sum(p in ids for ids in failed.values()) > 1 for p in everyone]
    assert sum(several) >= 100


def test_in_the_papers_order_every_step_loses_at_least_twenty(cohort):
    remaining, lost = set(cohort.registry["patient_id"]), []
    for ids in failures(cohort.registry, cohort.visits).values():
        lost.append(len(remaining & ids))
        remaining -= ids
    assert min(lost) >= 20
    assert sum(lost) == 828


def test_tables_pass_the_checks_of_a_users_study(cohort, tmp_path):
    tables = {}
    for spec, frame in ((REGISTRY, cohort.registry), (VISITS, cohort.visits)):
        path = tmp_path / f"{spec.name}.csv"
        frame.to_csv(path, index=False)
        text, problems = read_text(path, spec.path)
        tables[spec.name], remarks = check_table(text, spec)
        assert problems + remarks == []
        assert list(text.columns) == [column.name for column in spec.columns]
    assert check_registry(tables["registry"], About()) == []
    assert check_visits(tables["visits"], tables["registry"], About()) == []


# --- outcome ------------------------------------------------------------------------------------


def test_progression_is_found_at_the_last_review(cohort, included):
    reviews = cohort.visits[cohort.visits["kind"] == "review"]
    last = reviews.groupby("patient_id").tail(1).set_index("patient_id")
    progressed = included[included["progression_date"].notna()].set_index("patient_id")
    seen = last.loc[progressed.index]
    assert (seen["visit_date"] == progressed["progression_date"]).all()
    assert (seen["finding"] == progressed["progression_type"]).all()
    earlier = reviews.drop(reviews.groupby("patient_id").tail(1).index)
    assert set(earlier["finding"]) == {"none"}
    alive = last.loc[included.set_index("patient_id").index.difference(progressed.index)]
    assert set(alive["finding"]) == {"none"}


def test_event_types_and_share(included):
    death_first = included["death_date"].notna() & included["progression_date"].isna()
    types = included["progression_type"].mask(death_first, "death")
    types = types[types != ""]
    assert set(types) == {"distant", "local", "regional", "death"}
    assert 0.65 < (types == "distant").mean() < 0.80
    assert 0.22 < len(types) / 206 < 0.33


def test_nobody_is_censored_within_two_years(included):
    censored = included[included["progression_date"].isna() & included["death_date"].isna()]
    observed = (censored["last_review_date"] - censored["treatment_end"]).dt.days
    assert observed.min() >= 730 - TOLERANCE_DAYS


def test_default_cohort_lies_near_the_published_figures(included, pfs):
    """Perfect readers of either time point, and their vote, have about the paper's C-indexes."""

    def c_index(risk):
        return concordance_index(pfs["months"], -risk, pfs["event"])

    def reader(latent):
        seen = np.column_stack(
            [included[latent], *(included[f"{c}_stage"].str[1].astype(int) for c in "tn")]
        )
        high_risk = pfs["months"] <= pfs["months"].median()
        return LogisticRegression().fit(seen, high_risk).predict_proba(seen)[:, 1]

    stage_iva = (included["t_stage"] == "T4") | (included["n_stage"] == "N3")
    pre, post = reader("aggressiveness"), reader("residual")
    figures = {
        "stage": c_index(stage_iva.astype(int)),
        "pre": c_index(pre),
        "post": c_index(post),
        "vote": c_index(pre + post),
    }
    assert figures == pytest.approx(
        {"stage": 0.585, "pre": 0.717, "post": 0.811, "vote": 0.830}, abs=0.03
    )
    assert figures["pre"] < figures["post"] < figures["vote"] < c_index(included["oracle_risk"])

    def survival_36(rows):
        fit = KaplanMeierFitter().fit(pfs["months"][rows], pfs["event"][rows])
        return float(fit.predict(36))

    everyone = stage_iva | ~stage_iva
    shares = [survival_36(everyone), survival_36(~stage_iva), survival_36(stage_iva)]
    assert shares == pytest.approx([0.76, 0.82, 0.66], abs=0.03)


def test_latents_have_the_stated_correlations(included):
    latents = included[["aggressiveness", "residual"]]
    assert latents.mean().abs().max() < 1e-12
    assert latents.std(ddof=0).to_numpy() == pytest.approx([1, 1])
    assert latents.corr().iloc[0, 1] == pytest.approx(0.2, abs=0.12)
    shares = included["response"].value_counts(normalize=True)
    assert shares[["complete", "indeterminate", "partial"]].to_list() == pytest.approx(
        [0.33, 0.50, 0.17], abs=0.01
    )


@pytest.mark.parametrize("nuisance", ["anatomy_seed", "vendor"])
def test_nuisance_is_independent_of_outcome(nuisance):
    risks, values = [], []
    for seed in range(8):
        truth = make_cohort(seed=seed).truth
        risks.append(truth["oracle_risk"])
        values.append(truth[nuisance].rank(pct=True))
    correlation = np.corrcoef(np.concatenate(risks), np.concatenate(values))[0, 1]
    assert abs(correlation) < 0.07  # three standard errors at n = 1648


# --- the pieces ---------------------------------------------------------------------------------


def test_scale_gives_the_stated_survival_for_equal_patients():
    model = replace(survival.PRESETS["paper_like"], shape=1.0)
    months = 36 - survival.DETECTION_LAG_MONTHS
    # exponential survival: S(t) = exp(-t / scale)
    assert model.scale(np.zeros(5)) == pytest.approx(-months / np.log(0.76))


def test_presets_differ_in_four_coefficients_only():
    paper, literature = (asdict(survival.PRESETS[k]) for k in ("paper_like", "literature"))
    changed = {name for name in paper if paper[name] != literature[name]}
    assert changed == {"n_category", "aggressiveness", "residual", "inherited"}
    a, b = make_cohort(preset="paper_like"), make_cohort(preset="literature")
    columns = ["patient_id", "aggressiveness", "anatomy_seed", "vendor"]
    pd.testing.assert_frame_equal(a.truth[columns], b.truth[columns])


def test_matching_keeps_two_years_and_the_order_of_censoring():
    rng = np.random.default_rng(1)
    treatment_end = np.full(206, 80)
    latest = np.full(206, 2740)
    natural, _, _ = followup.draw_censoring(treatment_end, latest, rng)
    detected = np.where(rng.random(206) < 0.25, rng.integers(150, 1500, 206), 10**6)
    matched = followup.match_follow_up(natural, detected, treatment_end, rng)
    assert matched.min() >= 80 + followup.TWO_YEARS
    order = np.argsort(natural, kind="stable")
    backwards = np.diff(matched[order]) < 0
    assert backwards.sum() <= 2 * 5  # only the dates moved to hold the percentiles
    recorded = followup.months(np.minimum(matched, detected))
    assert np.percentile(recorded, [25, 50, 75]).tolist() == [26.25, 36.0, 48.75]


def test_follow_up_that_cannot_be_matched_is_refused():
    rng = np.random.default_rng(1)
    detected = np.full(206, 300)  # everybody progresses in the first year
    with pytest.raises(ValueError, match="cannot have 52 patients within 26 months"):
        followup.match_follow_up(np.full(206, 900), detected, np.full(206, 80), rng)


def test_same_seed_same_bytes_other_seed_other_cohort(cohort):
    again, of_another_seed = make_cohort(), make_cohort(seed=2023)
    for name in ("registry", "visits", "truth"):
        frame = getattr(cohort, name)
        assert frame.to_csv(index=False) == getattr(again, name).to_csv(index=False)
        assert frame.to_csv(index=False) != getattr(of_another_seed, name).to_csv(index=False)
    assert cohort.patients == again.patients


def test_patients_agree_with_the_tables(cohort, included):
    assert [patient.patient_id for patient in cohort.patients] == list(cohort.truth["patient_id"])
    rows = included.set_index("patient_id")
    for patient in cohort.patients:
        row = rows.loc[patient.patient_id]
        assert (patient.sex, patient.age_years) == (row["sex"], row["age_years"])
        stage = (f"T{patient.t_category}", f"N{patient.n_category}")
        assert stage == (row["t_stage"], row["n_stage"])
        latents = (patient.aggressiveness, patient.residual, patient.seed)
        assert latents == (row["aggressiveness"], row["residual"], row["anatomy_seed"])
    vendors = pd.Series([patient.vendor for patient in cohort.patients]).value_counts()
    assert vendors["A"] > 190 and set(vendors.index) == {"A", "B", "C"}


def test_dates_are_shifted_backwards_and_ebv_is_sometimes_missing(cohort, included):
    assert cohort.visits["visit_date"].max() <= pd.Timestamp("2019-12-08")
    assert included["treatment_start"].min() >= pd.Timestamp("2009-06-01")
    missing = included["ebv_dna_copies_per_ml"].isna().mean()
    assert 0.02 < missing < 0.15
    measured = included.dropna(subset="ebv_dna_copies_per_ml")
    high = measured["ebv_dna_copies_per_ml"] >= 4000
    assert (high == (measured["ebv_high"] == "yes")).all()


def test_unknown_preset_and_negative_seed_are_refused():
    with pytest.raises(ValueError, match="unknown preset 'paper'; choose one of paper_like"):
        make_cohort(preset="paper")
    with pytest.raises(ValueError, match="seed must be 0 or larger"):
        make_cohort(seed=-1)
