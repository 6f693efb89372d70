"""Figures of the comparison draw what the tables say."""

import numpy as np
from figure_examples import EVENT, MONTHS, TABLE, P, cox, over_time, precision, refits, splits
from matplotlib.text import Text

from npc_helpers import figures, statistics


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def points(axes, label):
    line = next(line for line in axes.lines if line.get_label() == label)
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def test_label_figure_places_each_estimate_and_leaves_hazard_ratios_out():
    table = statistics.compare_labels(TABLE, P)
    axes = figures.label_figure(table).axes[0]
    expected = table[(table.score == "Post-model") & (table.measure != "hazard ratio per SD")]
    x, y = points(axes, "Post-model")
    np.testing.assert_allclose(x, expected.value)
    assert np.round(y).tolist() == [0, 1, 2, 3]
    ticks = [tick.get_text() for tick in axes.get_yticklabels()]
    assert ticks[0] == "median PFS\nAUC, n = 80" and ticks[3].endswith("C-index, n = 80")


def test_cox_figure_shows_hazard_ratios_on_a_logarithmic_axis():
    axes = figures.cox_figure(cox()).axes[0]
    assert axes.get_xscale() == "log"
    x, _ = points(axes, "with")
    assert "1" in [tick.get_text() for tick in axes.get_xticklabels()]
    np.testing.assert_allclose(x, cox()["with"].hazard_ratio)


def test_time_dependent_figure_counts_cases_and_draws_the_reference():
    auc, brier = over_time()
    left, right = figures.time_dependent_figure(auc, brier).axes
    cases = auc["Pre-model"].cases[0]
    assert left.get_xticklabels()[0].get_text() == f"12\n{cases} : {(MONTHS > 12).sum()}"
    _, y = points(right, "Kaplan-Meier, nobody told apart")
    np.testing.assert_allclose(y, brier["Pre-model"].reference)


def test_calibration_figure_prints_the_estimates_with_their_intervals():
    slope = statistics.calibration_at(MONTHS, EVENT, P["Post-model"]).slope
    figure = figures.calibration_figure(MONTHS, EVENT, P)
    text = " ".join(words(figure))
    groups = statistics.calibration_groups(MONTHS, EVENT, P["Pre-model"])
    np.testing.assert_allclose(figure.axes[0].lines[1].get_ydata(), groups.observed)
    assert f"slope {slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f})" in text


def test_decision_figure_holds_models_and_both_defaults():
    benefit = statistics.survival_net_benefit(MONTHS, EVENT, P, thresholds=(0.2, 0.3, 0.5))
    left, right = figures.decision_figure(benefit).axes
    names = [line.get_label() for line in left.lines]
    assert names == ["Pre-model", "Post-model", "treat all", "treat none"]
    expected = benefit[benefit.model == "Post-model"]
    np.testing.assert_allclose(points(left, "Post-model")[1], expected.net_benefit)
    np.testing.assert_allclose(right.lines[1].get_ydata(), expected.gain)


def test_split_figure_draws_every_split_and_the_single_one():
    table = splits()
    single = statistics.compare_models(TABLE, P)
    axes = figures.split_figure(table, single=single).axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert sorted(dots[0].get_xdata()) == sorted(table[table.model == "Pre-model"].auc)
    diamonds = [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(diamonds, single.auc)


def test_precision_figure_marks_the_study():
    axes = figures.precision_figure(precision(), patients=43).axes[0]
    np.testing.assert_allclose(points(axes, "AUC")[1], precision()["AUC"])
    assert "43 patients" in words(axes.figure)


def test_instability_figure_draws_every_refit_over_the_models_own_prediction():
    p, drawn = refits()
    axes = figures.instability_figure(p, drawn, cutoff=0.3).axes[0]
    x, y = points(axes, "one refit")
    assert sorted(zip(x, y, strict=True)) == sorted(
        (p[patient], value) for patient, row in drawn.iterrows() for value in row
    )
    _, low = points(axes, "middle 95% of the refits")
    np.testing.assert_allclose(low, drawn.quantile(0.025, axis=1))
