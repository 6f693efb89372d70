"""Dynamic prediction by landmarks: against R, against its parts, and where it has to refuse."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from npc_helpers import statistics
from npc_helpers.network import survival_heads

ORACLE = Path(__file__).parents[1] / "oracle"
EXPECTED = json.loads((ORACLE / "landmark.json").read_text(encoding="utf-8"))["datasets"]
PATIENTS = dict(list(pd.read_csv(ORACLE / "patients.csv").groupby("dataset")))


@pytest.fixture(scope="module")
def cohort():
    """300 patients; the second score knows the hazard, and nobody knew it before 6 months."""
    rng = np.random.default_rng(4)
    early, late = rng.normal(size=(2, 300))
    months = rng.exponential(40 * np.exp(-late))
    lost = rng.uniform(10, 80, 300)
    table = {"time": np.minimum(months, lost), "event": months <= lost}
    return pd.DataFrame(table | {"early": early, "late": late})


@pytest.mark.parametrize("start", ["6", "12"])
@pytest.mark.parametrize("name", EXPECTED)
def test_landmark_and_cox_model_are_those_of_r(name, start):
    table, expected = PATIENTS[name].reset_index(drop=True), EXPECTED[name][start]
    since = statistics.landmark(
        table.time, table.event, np.full(len(table), float(start)), horizon=24
    )
    assert (since.reached.sum(), since.event.sum()) == (expected["n"], expected["events"])
    at_risk = since[since.reached]
    covariates = table.loc[since.reached, ["another", "continuous"]]
    model = statistics.fit_cox(at_risk.time, at_risk.event, covariates)
    assert model.table.coefficient.tolist() == pytest.approx(expected["coefficient"], rel=1e-4)
    risk = model.p_event(covariates.head(10), at=[12, 24]).to_numpy()
    np.testing.assert_allclose(risk, expected["risk"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_out_of_fold_it_is_the_model_of_r_for_the_patients_left_out(name):
    """All patients twice, as two folds: each fold is predicted by the model of the other."""
    table, expected = PATIENTS[name], EXPECTED[name]["6"]
    both = pd.concat([table, table], ignore_index=True)
    fold = np.repeat([0, 1], len(table))
    scores = {x: pd.DataFrame({0: both[x], 1: both[x]}) for x in ("another", "continuous")}
    risk = statistics.landmark_risk(
        both.time, both.event, np.full(len(both), 6.0), scores, fold, at=[12, 24]
    )
    at_risk = risk[fold == 0].dropna()
    assert len(at_risk) == expected["n"] and risk[fold == 1].dropna().equals(
        at_risk.set_axis(at_risk.index + len(table))
    )
    np.testing.assert_allclose(at_risk.head(10), expected["risk"], rtol=0, atol=1e-6)


def test_beyond_the_horizon_nothing_counts():
    since = statistics.landmark([10, 29, 31, 50, 3], [1, 1, 1, 0, 1], [5] * 5, horizon=24)
    assert since.event.tolist() == [True, True, False, False, False]
    np.testing.assert_array_equal(since.time, [5, 24, 24, 24, np.nan])
    with pytest.raises(ValueError, match="above 0"):
        statistics.landmark([10], [1], [5], horizon=0)


def test_no_prediction_depends_on_the_outcome_it_predicts(cohort):
    """With other outcomes in one fold, its predictions stay and those of the others move."""
    fold = np.arange(300) % 5
    scores = {"late": pd.DataFrame(dict.fromkeys(range(5), cohort.late))}
    predicted = statistics.landmark_risk(cohort.time, cohort.event, [6] * 300, scores, fold)
    changed = cohort.event.where(fold != 2, ~cohort.event)
    moved = statistics.landmark_risk(cohort.time, changed, [6] * 300, scores, fold)
    at_risk = predicted[24].notna()
    assert at_risk.equals(cohort.time > 6)
    same = np.isclose(predicted[24], moved[24])
    assert same[at_risk & (fold == 2)].all() and not same[at_risk & (fold != 2)].any()


def test_what_becomes_known_later_ranks_better(cohort):
    fold = np.arange(300) % 5
    scores = {x: pd.DataFrame(dict.fromkeys(range(5), cohort[x])) for x in ("early", "late")}
    since = statistics.landmark(cohort.time, cohort.event, [6] * 300, horizon=24)
    c = {}
    for names in (["early"], ["early", "late"]):
        chosen = {name: scores[name] for name in names}
        risk = statistics.landmark_risk(cohort.time, cohort.event, [6] * 300, chosen, fold)
        at_risk = since.reached
        c[len(names)] = statistics.c_index(
            since.time[at_risk], since.event[at_risk], risk[24][at_risk]
        )
    assert c[2].low > 0.6 and c[1].value < 0.6


@pytest.mark.parametrize(
    ("change", "said"),
    [({"start_at": [99.0] * 300}, "nobody is at risk"),
     ({"start_at": [np.nan] * 300}, "nobody is at risk"),
     ({"event": np.zeros(300, bool)}, "nobody progressed within 24 months"),
     ({"fold": np.zeros(300)}, "of 0 patients at risk")],
)  # fmt: skip
def test_what_cannot_be_predicted_is_refused_with_a_reason(cohort, change, said):
    given = {"time": cohort.time, "event": cohort.event, "start_at": [6.0] * 300}
    given |= {"fold": np.arange(300) % 2} | change
    scores = {"late": pd.DataFrame(dict.fromkeys(np.unique(given["fold"]), cohort.late))}
    with pytest.raises(statistics.TooFewPatients, match=said):
        statistics.landmark_risk(**given, scores=scores)


def test_a_layer_that_leaves_out_two_folds_serves_both(monkeypatch):
    """Each score comes from a layer that has seen neither its own fold nor the predicted one."""
    patients = pd.DataFrame({"progressed": [True, False] * 6}, [f"p{i}" for i in range(12)])
    patients = patients.assign(pfs_months=10.0, high_risk=patients.progressed)
    fold = survival_heads.folds_of(patients.progressed, folds=3)
    assert patients.progressed.groupby(fold).sum().tolist() == [2, 2, 2]

    class Layer:
        def __init__(self, learned):
            self.seen = set(fold[learned.index])

        def risk(self, features):
            code = sum(2**number for number in self.seen)  # which folds it has learned from
            return pd.Series(float(code), features.index)

    learned = []

    def train_head(kind, features, patients):
        learned.append(1)
        assert features.index.equals(patients.index)
        return Layer(features)

    monkeypatch.setattr(survival_heads, "train_head", train_head)
    scores = survival_heads.nested_scores(patients.astype(float), patients, fold)
    assert len(learned) == 6
    for held_out in range(3):
        for predicted in range(3):
            seen = sum(2**number for number in {0, 1, 2} - {held_out, predicted})
            assert (scores.loc[fold == held_out, predicted] == seen).all()


def test_folds_need_a_progression_each():
    with pytest.raises(statistics.TooFewPatients, match="5 folds need .* 3 have it"):
        survival_heads.folds_of(pd.Series([True] * 3 + [False] * 20))
