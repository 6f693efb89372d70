"""From images to patients: worked examples, identities, refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npc_helpers.network import prediction


def image_index(images_of):
    """Index table from {(patient, sequence): number of images}."""
    rows = [
        (patient, "pre", sequence, number)
        for (patient, sequence), images in images_of.items()
        for number in range(images)
    ]
    return pd.DataFrame(rows, columns=prediction.IMAGE)


COHORT = pd.DataFrame(
    {
        "patient_id": ["B", "A", "C"],
        "split": ["test", "train", "test"],
        "high_risk": [True, False, False],
        "stage_8th": ["IVA", "III", "II"],
    }
)


def predictions(p, images_of=None):
    index = image_index(images_of or {("A", "t2w"): 1, ("A", "t1c"): 3, ("B", "t2w"): 2})
    return prediction.image_predictions(index, p, COHORT)


P = [0.9, 0.1, 0.3, 0.5, 0.6, 0.8]


def test_images_are_joined_with_their_patients():
    table = predictions(P)
    assert list(table["split"]) == ["train"] * 4 + ["test"] * 2
    assert list(table["high_risk"]) == [False] * 4 + [True] * 2
    assert list(table["p_high_risk"]) == P


def test_weighted_means_by_hand():
    table = predictions(P)
    uniform = prediction.patient_probability(table)
    assert uniform["A"] == pytest.approx((0.9 + 0.1 + 0.3 + 0.5) / 4)
    assert uniform["B"] == pytest.approx(0.7)
    sequence = prediction.patient_probability(table, weights="sequence")
    assert sequence["A"] == pytest.approx((0.9 + (0.1 + 0.3 + 0.5) / 3) / 2)
    confidence = prediction.patient_probability(table, weights="confidence")
    expected = (0.4 * 0.9 + 0.4 * 0.1 + 0.2 * 0.3) / (0.4 + 0.4 + 0.2)
    assert confidence["A"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("weights", ["uniform", "sequence", "confidence"])
@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_a_mean_lies_between_its_images_in_any_order(weights, p, random):
    table = predictions(p)
    mean = prediction.patient_probability(table, weights=weights)
    groups = table.groupby("patient_id")["p_high_risk"]
    assert (mean >= groups.min() - 1e-12).all() and (mean <= groups.max() + 1e-12).all()
    shuffled = table.iloc[random.sample(range(6), 6)]
    again = prediction.patient_probability(shuffled, weights=weights)
    np.testing.assert_allclose(again[mean.index], mean, atol=1e-12)


@pytest.mark.parametrize("weights", ["uniform", "sequence", "confidence"])
def test_images_that_agree_give_their_own_probability(weights):
    mean = prediction.patient_probability(predictions([0.5] * 4 + [0.2] * 2), weights=weights)
    assert mean.to_dict() == pytest.approx({"A": 0.5, "B": 0.2})


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match="weights is 'best'; choose 'uniform'"):
        prediction.patient_probability(predictions(P), weights="best")


@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([0.5] * 5, "patient_id 6, p_high_risk 5"),
        ([0.5] * 5 + [1.2], "between 0 and 1"),
        ([0.5] * 5 + [np.nan], "patient B, pre t2w, slice 1 has no value"),
    ],
)
def test_bad_probabilities_are_refused(p, message):
    with pytest.raises(ValueError, match=message):
        predictions(p)


def test_strangers_are_refused():
    with pytest.raises(ValueError, match="patients Z have images but no row in cohort"):
        predictions([0.5], {("Z", "t2w"): 1})


def test_soft_vote_is_the_mean_patient_by_patient():
    first = pd.Series({"A": 0.2, "B": 0.9})
    second = pd.Series({"B": 0.7, "A": 0.6})
    assert prediction.soft_vote(first, second).to_dict() == pytest.approx({"A": 0.4, "B": 0.8})
    third = pd.Series({"A": 1.0, "B": 0.2})
    assert prediction.soft_vote(first, second, third)["B"] == pytest.approx(0.6)
    assert prediction.soft_vote(first).to_dict() == first.to_dict()


def test_soft_vote_of_different_patients_is_refused():
    with pytest.raises(ValueError, match="different patients: B, C"):
        prediction.soft_vote(pd.Series({"A": 0.2, "B": 0.9}), pd.Series({"A": 0.2, "C": 0.9}))


def test_soft_vote_without_models_is_refused():
    with pytest.raises(ValueError, match="at least one model"):
        prediction.soft_vote()


def test_stage_iva_and_above_is_the_high_risk():
    risk = prediction.tnm_risk(COHORT)
    assert risk.to_dict() == {"B": 1.0, "A": 0.0, "C": 0.0}
    stages = pd.DataFrame(
        {"patient_id": list("VWXYZ"), "stage_8th": ["I", "II", "III", "IVB", "IVC"]}
    )
    assert list(prediction.tnm_risk(stages)) == [0, 0, 0, 1, 1]


def test_a_missing_stage_is_not_low_risk():
    stages = pd.DataFrame({"patient_id": ["V", "W"], "stage_8th": ["III", None]})
    with pytest.raises(ValueError, match="stage_8th: patient W has no value"):
        prediction.tnm_risk(stages)


def test_compared_scores_are_those_of_the_patients_whom_both_models_have_seen():
    extra = {"included": True, "age_years": 50, "pfs_months": 40, "progressed": False}
    tables = {
        "cohort.csv": COHORT.assign(**extra),
        "predictions_pre.csv": predictions(P),
        "predictions_post.csv": predictions([0.2], {("B", "t2w"): 1}),
    }
    patients, risk = prediction.compared_scores(tables.__getitem__)
    assert patients.index.tolist() == ["B"] and patients.split["B"] == "test"
    assert {name: score["B"] for name, score in risk.items()} == pytest.approx(
        {"Pre-model": 0.7, "Post-model": 0.2, "Ensemble": 0.45, "TNM": 1.0}
    )
