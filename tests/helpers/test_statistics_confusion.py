"""2 x 2 measures and McNemar: scikit-learn, scipy, identities, coverage, hand-made cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from npc_helpers import statistics
from npc_helpers.statistics import ConfusionTable

INTERVALS = (
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "accuracy",
    "balanced_accuracy",
)

cells = st.tuples(*[st.integers(0, 30)] * 4).filter(lambda c: c[0] + c[3] > 0 and c[1] + c[2] > 0)
calls = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=60).filter(
    lambda rows: 0 < sum(truth for truth, _ in rows) < len(rows)
)


def as_rows(tp, fp, tn, fn):
    """Truth and call of each patient of a table."""
    return [1] * (tp + fn) + [0] * (fp + tn), [1] * tp + [0] * fn + [1] * fp + [0] * tn


# --- values -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@given(calls)
@settings(max_examples=80, deadline=None)
def test_values_equal_scikit_learn(rows):
    truth, called = zip(*rows, strict=True)
    table = statistics.confusion(truth, called)
    expected = {
        "sensitivity": metrics.recall_score(truth, called),
        "specificity": metrics.recall_score(truth, called, pos_label=False),
        "accuracy": metrics.accuracy_score(truth, called),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, called),
    }
    if any(called):
        expected["ppv"] = metrics.precision_score(truth, called)
    if not all(called):
        expected["npv"] = metrics.precision_score(truth, called, pos_label=False)
    for name, value in expected.items():
        assert getattr(table, name).value == pytest.approx(value, abs=1e-12), name


def test_the_cells_are_named_by_the_right_axis():
    """Rates of a table without any symmetry, worked out by hand."""
    table = statistics.confusion(*as_rows(tp=18, fp=4, tn=16, fn=5))
    assert (table.tp, table.fp, table.tn, table.fn) == (18, 4, 16, 5)
    assert table.sensitivity.value == 18 / 23
    assert table.specificity.value == 16 / 20
    assert table.ppv.value == 18 / 22
    assert table.npv.value == 16 / 21
    assert table.accuracy.value == 34 / 43


def test_balanced_accuracy_is_the_auc_of_the_call():
    truth, called = as_rows(tp=18, fp=4, tn=16, fn=5)
    balanced = statistics.confusion(truth, called).balanced_accuracy
    assert balanced.value == pytest.approx(statistics.roc_auc(truth, called).value, abs=1e-12)


# --- intervals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["balanced_accuracy", "sensitivity"])
def test_coverage_at_the_size_of_the_paper(name):
    """About 95% of intervals hold the true value (sensitivity 0.8, specificity 0.75, 23 x 20)."""
    rng = np.random.default_rng(6)
    truth = getattr(ConfusionTable(tp=1840, fn=460, fp=500, tn=1500), name).value
    hits = []
    for _ in range(600):
        tp, fp = rng.binomial(23, 0.8), rng.binomial(20, 0.25)
        interval = getattr(ConfusionTable(tp=tp, fn=23 - tp, fp=fp, tn=20 - fp), name)
        hits.append(interval.low <= truth <= interval.high)
    assert 0.92 <= np.mean(hits) <= 0.995


@given(cells)
@settings(max_examples=150, deadline=None)
def test_every_interval_holds_its_value_and_stays_in_range(counts):
    table = ConfusionTable(*counts)
    for name in INTERVALS:
        estimate = getattr(table, name)
        if str(estimate) == "not estimable":
            continue
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1, name


# --- edges --------------------------------------------------------------------------------------


def test_nobody_called_high_risk():
    table = statistics.confusion([1, 1, 0, 0, 0], [0, 0, 0, 0, 0])
    assert str(table.ppv) == "not estimable"
    assert table.sensitivity.value == 0 and table.sensitivity.high > 0.3
    assert table.npv.value == 0.6


def test_everybody_called_correctly():
    table = statistics.confusion([1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0])
    for name in ("accuracy", "balanced_accuracy"):
        estimate = getattr(table, name)
        assert estimate.value == estimate.high == 1 and estimate.low < 0.8, name


def test_scores_are_not_taken_for_calls():
    with pytest.raises(ValueError, match="compare a score with a cutoff first"):
        statistics.confusion([1, 0, 1, 0], [0.9, 0.2, 0.4, 0.1])


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="one class only"):
        statistics.confusion([1, 1], [1, 0])
    with pytest.raises(ValueError, match="4 of 3 is no share"):
        statistics.wilson(4, 3)


# --- McNemar ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1), (1, 0, 1), (5, 5, 1), (6, 0, 2 / 2**6), (8, 1, 2 * (1 + 9) / 2**9)],
)
def test_mcnemar_by_hand(only_a, only_b, p):
    assert statistics.mcnemar_exact(only_a, only_b) == pytest.approx(p)
    assert statistics.mcnemar_exact(only_b, only_a) == pytest.approx(p)


def test_counts_of_patients_are_not_negative():
    with pytest.raises(ValueError, match="no counts"):
        statistics.mcnemar_exact(-1, 2)
