"""C-index and Uno's C: lifelines, the count of pairs, the jackknife, properties, edges."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index

from npc_helpers import statistics
from npc_helpers.statistics.concordance import (
    LARGEST_FOR_PAIRS,
    by_pairs,
    concordance,
    order_of_ends,
)
from npc_helpers.statistics.pairs import concordant_weights

patients = st.lists(
    st.tuples(st.integers(1, 12), st.booleans(), st.integers(-4, 4), st.integers(-4, 4)),
    min_size=5,
    max_size=40,
).filter(
    lambda rows: any(
        event and (later_time > time or (later_time == time and not late))
        for time, event, *_ in rows
        for later_time, late, *_ in rows
    )
)


def columns(rows):
    return (np.array(column, dtype=float) for column in zip(*rows, strict=True))


def pair_by_pair(time, event, score, pair_weight):
    """Shares of weighted comparable pairs won, as the definition says."""
    won = pairs = 0.0
    for i in np.flatnonzero(event):
        for j in range(len(time)):
            if time[j] > time[i] or (time[j] == time[i] and not event[j]):
                pairs += pair_weight(time[i])
                won += pair_weight(time[i]) * ((score[i] > score[j]) + (score[i] == score[j]) / 2)
    return won / pairs


def follow_up(n, *, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    progression, lost = rng.exponential(50 * np.exp(-score)), rng.uniform(5, 90, n)
    return np.minimum(progression, lost), progression <= lost, score


# --- against definition and other libraries -----------------------------------------------------


@given(patients)
@settings(max_examples=80, deadline=None)
def test_value_is_the_count_of_pairs(rows):
    time, event, score, _ = columns(rows)
    expected = pair_by_pair(time, event, score, lambda _: 1.0)
    assert statistics.c_index(time, event, score).value == pytest.approx(expected, abs=1e-12)


@given(patients)
@settings(max_examples=80, deadline=None)
def test_sorting_counts_the_pairs_that_the_definition_counts(rows):
    """Bit by bit, because every weight is a whole number and every tie a half."""
    time, event, score, _ = columns(rows)
    order, _ = order_of_ends(time, event)
    for defined, sorted_ in zip(
        by_pairs(order, score, event), concordant_weights(order, score, event), strict=True
    ):
        np.testing.assert_array_equal(defined, sorted_)


@pytest.mark.parametrize("truncation", [None, 36])
def test_both_methods_agree_where_one_takes_over_from_the_other(truncation, monkeypatch):
    time, event, score = follow_up(LARGEST_FOR_PAIRS + 1)
    time, score = np.ceil(time), np.round(score, 1)
    by_sorting = concordance(time, event, score, truncation=truncation)
    monkeypatch.setattr("npc_helpers.statistics.concordance.LARGEST_FOR_PAIRS", 10**9)
    pair_by_pair_ = concordance(time, event, score, truncation=truncation)
    assert by_sorting[0] == pytest.approx(pair_by_pair_[0], abs=1e-13)
    np.testing.assert_allclose(by_sorting[1], pair_by_pair_[1], rtol=0, atol=1e-15)


def test_value_equals_lifelines_without_tied_times():
    """lifelines counts tied event times as ties; otherwise it agrees (and wants minus the risk)."""
    time, event, score = follow_up(300)
    score = score.round(1)
    expected = concordance_index(time, -score, event)
    assert statistics.c_index(time, event, score).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
@given(patients)
@settings(max_examples=60, deadline=None)
def test_uno_s_value_is_the_weighted_count_of_pairs(rows):
    """G(t-) is lifelines' Kaplan-Meier curve of censoring, where events leave before censorings."""
    time, event, score, _ = columns(rows)
    shifted = time + 0.5 * (event == 0)  # a censoring comes after the events of its month
    curve = KaplanMeierFitter().fit(shifted, event == 0)

    def weight(t):
        return 1 / float(curve.predict(t - 0.25)) ** 2

    c, _ = concordance(time, event, score, truncation=99)
    assert c == pytest.approx(pair_by_pair(time, event, score, weight), abs=1e-9)


def test_uno_without_censoring_before_truncation_is_harrell():
    time = np.array([3.0, 5, 8, 9, 14, 20, 30, 30])
    event, score = [1, 1, 1, 1, 1, 1, 0, 0], [5, 7, 6, 2, 4, 3, 1, 2]
    uno = statistics.uno_c_index(time, event, score, truncation=36)
    assert uno == statistics.c_index(time, event, score)


def test_uno_does_not_follow_the_censoring_as_harrell_does():
    """With a score that works early and not late, heavier censoring moves Harrell's C only."""
    rng = np.random.default_rng(7)
    n = 4000
    score = rng.normal(size=n)
    early = rng.random(n) < 0.5
    progression = np.where(early, 12 * rng.random(n) * np.exp(-score / 2), 12 + 40 * rng.random(n))
    values = {}
    for name, longest in (("light", 400), ("heavy", 40)):
        lost = rng.uniform(0, longest, n)
        observed = np.minimum(progression, lost), progression <= lost, score
        values[name] = (
            statistics.c_index(*observed).value,
            statistics.uno_c_index(*observed, truncation=30).value,
            statistics.uno_c_index(progression, np.ones(n), score, truncation=30).value,
        )
    assert values["heavy"][0] - values["light"][0] > 0.02
    assert values["heavy"][1] == pytest.approx(values["heavy"][2], abs=0.02)
    assert values["light"][1] == pytest.approx(values["heavy"][1], abs=0.02)


def test_variance_is_close_to_the_jackknife_s():
    time, event, score = follow_up(150, seed=3)
    _, influence = concordance(time, event, score)
    without = np.array(
        [
            concordance(np.delete(time, i), np.delete(event, i), np.delete(score, i))[0]
            for i in range(150)
        ]
    )
    jackknife = 149 / 150 * np.sum((without - without.mean()) ** 2)
    assert influence @ influence == pytest.approx(jackknife, rel=0.05)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_large_cohort_equals_blocks_of_pairs():
    """The count by halves of scores against a matrix of all pairs."""
    time, event, score = follow_up(3000, seed=5)
    time, score = np.ceil(time), score.round(1)
    key = 2 * time - event
    comparable = (key[event][:, None] < key) & (
        (time[event][:, None] < time) | ~event
    )  # fmt: skip
    won = (score[event][:, None] > score) + 0.5 * (score[event][:, None] == score)
    expected = (won * comparable).sum() / comparable.sum()
    assert concordance(time, event, score)[0] == pytest.approx(expected, abs=1e-13)


# --- properties ---------------------------------------------------------------------------------


@given(patients, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_scale_direction_and_order_of_patients(rows, random):
    time, event, score, _ = columns(rows)
    c = statistics.c_index(time, event, score)
    assert 0 <= c.low <= c.value <= c.high <= 1
    assert statistics.c_index(time, event, np.exp(3 * score)) == c
    assert statistics.c_index(time**2, event, score) == c
    turned = statistics.c_index(time, event, -score)
    expected = (1 - c.value, 1 - c.high, 1 - c.low)
    assert (turned.value, turned.low, turned.high) == pytest.approx(expected, abs=1e-9)
    order = random.sample(range(len(time)), len(time))
    shuffled = statistics.c_index(time[order], event[order], score[order])
    assert (shuffled.value, shuffled.low) == pytest.approx((c.value, c.low))


@given(patients)
@settings(max_examples=40, deadline=None)
def test_comparison_and_its_reverse(rows):
    time, event, first, second = columns(rows)
    try:
        forward = statistics.compare_c_index(time, event, {"a": first, "b": second}).iloc[0]
    except ValueError as error:
        assert "neither varies" in str(error)
        return
    back = statistics.compare_c_index(time, event, {"b": second, "a": first}).iloc[0]
    assert forward["difference"] == pytest.approx(-back["difference"])
    assert forward["p"] == pytest.approx(back["p"])


# --- edges --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "event"),
    [([3, 4, 5], [0, 0, 0]), ([3, 4, 5], [0, 0, 1]), ([4, 4, 4], [1, 1, 1])],
    ids=["all censored", "the only event is last", "all progressed at once"],
)
def test_no_comparable_pair_is_refused(time, event):
    with pytest.raises(ValueError, match="no pair of patients is comparable"):
        statistics.c_index(time, event, [1, 2, 3])
    with pytest.raises(ValueError, match="no pair of patients is comparable"):
        statistics.uno_c_index(time, event, [1, 2, 3], truncation=36)


def test_nobody_progressed_by_the_truncation():
    with pytest.raises(ValueError, match="comparable"):
        statistics.uno_c_index([40, 41, 50], [1, 1, 0], [3, 2, 1], truncation=36)
    with pytest.raises(ValueError, match="truncation is 0"):
        statistics.uno_c_index([40, 41, 50], [1, 1, 0], [3, 2, 1], truncation=0)


def test_one_event_only():
    c = statistics.c_index([3, 4, 5, 6, 2], [1, 0, 0, 0, 0], [2, 1, 3, 2, 9])
    assert c.value == pytest.approx((1 + 0 + 0.5) / 3)
    assert c.low < c.value < c.high


@pytest.mark.parametrize(
    ("score", "value"), [([4, 3, 2, 1], 1), ([1, 2, 3, 4], 0), ([2, 2, 2, 2], 0.5)]
)
def test_without_spread_the_interval_is_still_wide(score, value):
    c = statistics.c_index([1, 2, 3, 4], [1, 1, 0, 0], score)
    assert c.value == value
    assert c.high - c.low > 0.3
    assert 0 <= c.low <= value <= c.high <= 1


def test_a_model_against_itself():
    time, event, score = follow_up(43)
    table = statistics.compare_c_index(time, event, {"a": score, "b": score + 1})
    assert table["p"].iloc[0] == 1 and table["difference"].iloc[0] == 0
    assert table.attrs["p_all_equal"] == 1


def test_difference_without_any_variance_is_refused():
    with pytest.raises(ValueError, match="up and down differ by -1.000"):
        statistics.compare_c_index(
            [1, 2, 3, 4], [1, 1, 1, 0], {"up": [1, 2, 3, 4], "down": [4, 3, 2, 1]}
        )


def test_times_equal_but_for_rounding_are_equal():
    """As in R: 0.1 + 0.2 and 0.3 months are one time, and two events at one time no pair."""
    event, score = [1, 1, 0], [1, 2, 0]
    exact = statistics.c_index([0.3, 0.3, 5], event, score)
    assert statistics.c_index([0.1 + 0.2, 0.3, 5], event, score) == exact
    assert statistics.c_index([0.301, 0.3, 5], event, score).value == 1
    assert statistics.c_index([0.3, 0.301, 5], event, score).value < 1


def test_direction_is_higher_is_worse():
    """Who progresses first and has the highest score makes C = 1."""
    assert statistics.c_index([1, 5, 9], [1, 1, 0], [0.9, 0.5, 0.1]).value == 1


@pytest.mark.parametrize(
    ("time", "event", "message"),
    [
        ([1, 2, 3], [1, 0], "differ in length"),
        ([1, np.nan, 3], [1, 0, 1], "time: row 1 .* has no value"),
        ([1, 2, 3], [1, 2, 0], "True or False"),
        ([1, 2, np.inf], [1, 1, 0], "time: row 2 .* has infinity"),
    ],
)
def test_bad_input_is_named(time, event, message):
    with pytest.raises(ValueError, match=message):
        statistics.c_index(time, event, [1, 2, 3])


def test_patients_in_another_order_are_noticed():
    time = pd.Series([1.0, 2, 3], index=list("abc"))
    with pytest.raises(ValueError, match="reindex"):
        statistics.c_index(time, [1, 1, 0], pd.Series([3.0, 2, 1], index=list("bac")))


def test_options_are_checked():
    with pytest.raises(ValueError, match="method is 'wald'"):
        statistics.c_index([1, 2, 3], [1, 1, 0], [3, 1, 2], method="wald")
    with pytest.raises(ValueError, match="at least two models"):
        statistics.compare_c_index([1, 2], [1, 0], {"a": [1, 2]})


def test_a_comparison_names_the_model_at_fault():
    scores = {"time": [3, 2, 1], 2: [1, np.nan, 3]}
    with pytest.raises(ValueError, match="score of 2: row 1 .* has no value"):
        statistics.compare_c_index([1, 2, 3], [1, 1, 0], scores)
