"""Bootstrap: the counts trick against resampled tables, scipy's intervals, planted truth, edges."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from npc_helpers import statistics
from npc_helpers.statistics import bootstrap
from npc_helpers.statistics.concordance import concordance, order_of_ends


def patients(n=43, *, seed=0):
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    progression, lost = rng.exponential(50 * np.exp(-risk)), rng.uniform(5, 120, n)
    time = np.ceil(np.minimum(progression, lost))
    scores = {name: risk + spread * rng.normal(size=n) for name, spread in (("a", 0.7), ("b", 1))}
    scores["tnm"] = (risk + 1.5 * rng.normal(size=n) > 0).astype(float)
    return time <= np.median(time), time, progression <= lost, scores


def interval(table, measure, model, minus=""):
    row = table.set_index(["measure", "model", "minus"]).loc[(measure, model, minus)]
    return row["value"], row["low"], row["high"]


def test_a_resample_of_counts_is_a_resampled_table():
    """AUC and C of weighted pairs equal those computed from the drawn rows themselves."""
    label, time, event, scores = patients()
    columns = list(scores.values())
    strata = 2 * label + event
    counts = next(bootstrap._drawn_counts(strata, 20, np.random.default_rng(1)))
    order, _ = order_of_ends(time, event)
    areas = bootstrap._Pairs.of(~label, label, columns).ratios(counts.astype(np.float32))
    cs = bootstrap._Pairs.of(order, event, columns).ratios(counts.astype(np.float32))
    for draw, area, c in zip(counts, areas, cs, strict=True):
        rows = np.repeat(np.arange(len(label)), draw)
        for position, score in enumerate(columns):
            expected = statistics.roc_auc(label[rows], score[rows]).value
            assert area[position] == pytest.approx(expected, abs=1e-12)
            expected, _ = concordance(time[rows], event[rows], score[rows])
            assert c[position] == pytest.approx(expected, abs=1e-12)


def test_every_resample_keeps_the_sizes_of_the_strata():
    strata = np.repeat([0, 1, 2, 3], [20, 3, 1, 19])
    counts = np.concatenate(
        list(bootstrap._drawn_counts(strata, 1200, np.random.default_rng(0)))
    )  # fmt: skip
    assert counts.shape == (1200, 43)
    for stratum, size in enumerate([20, 3, 1, 19]):
        assert (counts[:, strata == stratum].sum(axis=1) == size).all()
    np.testing.assert_allclose(counts[:, :20].mean(axis=0), 1, atol=0.15)
    np.testing.assert_allclose(counts[:, :20].var(axis=0), 1 - 1 / 20, atol=0.15)


def test_values_are_the_estimates_and_differences_subtract():
    label, time, event, scores = patients()
    table = statistics.bootstrap_models(label, time, event, scores, resamples=200)
    assert len(table) == 2 * (3 + 3)
    for name, score in scores.items():
        assert interval(table, "auc", name)[0] == pytest.approx(
            statistics.roc_auc(label, score).value
        )
        assert interval(table, "c_index", name)[0] == pytest.approx(
            statistics.c_index(time, event, score).value
        )
    difference = interval(table, "auc", "a")[0] - interval(table, "auc", "tnm")[0]
    assert interval(table, "auc", "a", "tnm")[0] == pytest.approx(difference)
    assert (table["low"] < table["value"]).all() and (table["value"] < table["high"]).all()


def test_interval_of_an_area_equals_scipy_s():
    """Two independent samples drawn with replacement: scipy.stats.bootstrap does the same."""
    rng = np.random.default_rng(2)
    cases, controls = rng.normal(1.6, 1, 25), rng.normal(size=22)

    def area(x, y, axis=-1):
        wins = x[..., :, None] > y[..., None, :]
        return wins.mean(axis=(-2, -1))

    expected = stats.bootstrap(
        (cases, controls),
        area,
        method="BCa",
        n_resamples=6000,
        batch=500,
        rng=np.random.default_rng(3),
    ).confidence_interval
    label = np.repeat([1, 0], [25, 22])
    # Everybody progressed, so the strata are the classes.
    intervals = statistics.bootstrap_models(
        label,
        np.arange(47),
        np.ones(47),
        {"score": np.concatenate([cases, controls])},
        seed=4,
    )
    _, low, high = interval(intervals, "auc", "score")
    assert (low, high) == pytest.approx(tuple(expected), abs=0.012)


def test_large_samples_agree_with_the_closed_forms():
    label, time, event, scores = patients(600, seed=5)
    table = statistics.bootstrap_models(label, time, event, scores, resamples=3000)
    delong = statistics.compare_auc(label, scores)
    jackknife = statistics.compare_c_index(time, event, scores)
    for measure, expected in (("auc", delong), ("c_index", jackknife)):
        for row in expected.itertuples():
            _, low, high = interval(table, measure, row.a, row.b)
            assert high - low == pytest.approx(row.high - row.low, rel=0.1)
            assert (low + high) / 2 == pytest.approx(row.difference, abs=0.01)


def test_a_seed_repeats_and_another_differs():
    arguments = patients()
    first = statistics.bootstrap_models(*arguments, resamples=300, seed=7)
    pd.testing.assert_frame_equal(
        first, statistics.bootstrap_models(*arguments, resamples=300, seed=7)
    )
    of_another_seed = statistics.bootstrap_models(*arguments, resamples=300, seed=8)
    assert (first["low"] != of_another_seed["low"]).any()


def test_models_do_not_depend_on_who_stands_beside_them():
    label, time, event, scores = patients()
    together = statistics.bootstrap_models(label, time, event, scores, resamples=300)
    alone = statistics.bootstrap_models(label, time, event, {"b": scores["b"]}, resamples=300)
    assert interval(together, "c_index", "b") == interval(alone, "c_index", "b")


def test_bias_moves_the_quantiles_twice_and_skewness_stretches_them():
    """Efron's formula by hand: 60% of the resamples lie below the estimate."""
    z, resampled, bias = np.array([-1.959964, 1.959964]), np.arange(1000.0), stats.norm.ppf(0.6)
    for skewness, levels in (
        (0.0, 2 * bias + z),
        (0.1, bias + (bias + z) / (1 - 0.1 * (bias + z))),
    ):
        expected = np.quantile(resampled, stats.norm.cdf(levels))
        limits = bootstrap._limits(599.5, resampled, skewness)
        np.testing.assert_allclose(limits, expected, atol=1e-3)


def test_half_of_the_resamples_that_equal_the_estimate_count_as_below():
    ties = np.repeat([1.0, 2.0, 3.0], [200, 400, 400])  # 40% below 2, and so a bias
    bias = stats.norm.ppf(0.4)
    levels = stats.norm.cdf(2 * bias + np.array([-1.959964, 1.959964]))
    assert bootstrap._limits(2.0, ties, 0.0) == tuple(np.quantile(ties, levels))


def test_complete_separation_takes_the_closed_form():
    label, time, event, _ = patients()
    table = statistics.bootstrap_models(
        label, time, event, {"perfect": -time, "again": -2 * time, "tied": time * 0}, resamples=200
    )
    closed = statistics.roc_auc(label, -time)
    assert interval(table, "auc", "perfect") == (1, closed.low, closed.high)
    assert interval(table, "auc", "perfect", "again") == (0, 0, 0)
    assert interval(table, "c_index", "tied")[1] < 0.45


def test_input_is_checked():
    label, time, event, scores = patients()
    with pytest.raises(ValueError, match="at least one model"):
        statistics.bootstrap_models(label, time, event, {})
    with pytest.raises(ValueError, match="one class only"):
        statistics.bootstrap_models(label * 0, time, event, scores)
    with pytest.raises(ValueError, match="no pair of patients is comparable"):
        statistics.bootstrap_models(label, time, event * 0, scores)
    with pytest.raises(ValueError, match="more than the bootstrap takes"):
        many = np.arange(6000)
        statistics.bootstrap_models(many % 2, many, many % 2, {"a": many})


def test_resamples_without_comparable_pairs_are_not_hidden():
    """One patient only was observed for longer than the progressions; many resamples lack her."""
    time, event = np.array([5, 5, 5, 6, 1, 2, 3.0]), [1, 1, 1, 0, 0, 0, 0]
    label = [1, 1, 1, 0, 0, 0, 0]
    with pytest.raises(ValueError, match="of the resamples have no comparable pair"):
        statistics.bootstrap_models(label, time, event, {"a": time}, resamples=400)
