"""What a figure shows, in words: ends, extremes, counts, and nothing that is not there."""

import numpy as np
import pytest
from figure_examples import EXAMPLES
from matplotlib.figure import Figure

from npc_helpers.figures.describe import LONGEST, description


@pytest.fixture
def axes():
    return Figure().subplots()


def test_a_course_is_told_by_its_ends_and_an_extreme_between_them(axes):
    axes.plot([1, 2, 3, 4], [0.9, 0.2, 0.4, 0.5], label="loss")
    axes.set(xlabel="epoch", ylabel="cross-entropy")
    axes.set_title("Training", loc="left")
    assert description(axes.figure) == (
        "Training: cross-entropy by epoch. loss: from 0.9 to 0.5 over 1 to 4, lowest 0.2 at 2."
    )


def test_what_is_nearly_nothing_is_nothing(axes):
    axes.plot([0, 1], [-1e-17, -0.0], label="none")
    assert description(axes.figure) == "none: from 0 to 0 over 0 to 1."


def test_points_without_a_course_are_counted(axes):
    axes.plot(range(9), [5, 1, 9, 2, 3, 4, 6, 7, 8], "o", linestyle="", label="patients")
    assert description(axes.figure) == "patients: 9 points, 1 to 9, median 5."


def test_rows_of_a_forest_plot_are_told_by_name(axes):
    for shift, model in ((-0.1, "with"), (0.1, "without")):
        axes.plot([1.2, 2.5 + shift], [0 + shift, 1 + shift], "s", linestyle="", label=model)
    axes.set_yticks((0, 1), ("T", "N"))
    axes.set_xlabel("hazard ratio")
    assert description(axes.figure) == (
        "hazard ratio. T: with 1.2, without 1.2. N: with 2.4, without 2.6."
    )


def test_a_course_over_names_is_told_once(axes):
    axes.plot([0, 1, 2], [0.2, 0.3, 0.5], "-o", label="a")
    axes.set_xticks((0, 1, 2), ("pre", "mid", "post"))
    assert description(axes.figure) == "a: from 0.2 to 0.5 over pre to post."


def test_the_longest_bar_is_named(axes):
    axes.bar(["I", "II", "III"], [3, 8, 5])
    assert description(axes.figure) == "3 bars, the longest 8 at II."
    axes.clear()
    axes.barh(["I", "II", "III"], [9, 8, 5])
    assert description(axes.figure) == "3 bars, the longest 9 at I."


def test_images_are_counted_and_a_scale_is_none_of_them():
    figure = Figure()
    for number, axes in enumerate(figure.subplots(1, 3)):
        shown = axes.imshow(np.zeros((2, 2)))
        axes.set_title(f"slice {number + 1}")
    figure.colorbar(shown, ax=figure.axes)
    assert description(figure) == "3 images. slice 1. slice 2. slice 3."


def test_a_figure_of_many_parts_is_told_in_sentences_and_not_without_end():
    figure = Figure()
    for number, axes in enumerate(figure.subplots(6, 6).flat):
        axes.plot([0, 1], [0, number], label=f"curve of part {number}")
    said = description(figure)
    assert len(said) <= LONGEST and said.endswith("to 1. And more of the kind.")
    assert description(Figure()) == "A drawing without axes."


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_figure_of_the_suite_has_something_to_tell(name):
    figure = EXAMPLES[name]()
    if not isinstance(figure, Figure):
        pytest.skip("plotly")
    said = description(figure)
    assert 10 <= len(said) <= LONGEST and said.endswith(".") and "nan" not in said
