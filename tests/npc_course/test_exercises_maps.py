"""Exercises on class maps: sums that can be done by hand, and each usual mistake named."""

import numpy as np
import pandas as pd
import pytest

from npc_course.exercises.maps import OPPONENTS
from npc_helpers.network.gradcam_scores import scores
from npc_helpers.study import NotInThisStudy

pytestmark = pytest.mark.usefixtures("small_hospital")


def test_cell_by_cell(answers):
    """Two features in two cells: pooled they are (2, 3), so high gets 8 and low 5."""
    activations = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])  # (1, 1, 2, 2)
    given = {"activations": activations, "weights": np.array([[1.0, 1.0], [1.0, 2.0]])}
    by_hand = np.array([[[1.0, 2.0]]])
    assert by_hand.sum() == 8 - 5
    assert "right. 2 cells an image" in answers("06.1", by_hand, **given)
    for value, words in [
        (by_hand * 2, "the network *averages*"),
        (-by_hand, "speaks for low risk"),
        (np.array([[[2.5, 5.5]]]), "the high-risk neuron alone"),
        (by_hand + 1, "not the shares"),
    ]:
        assert words in answers("06.1", value, **given)
    for value in (3, [1, 2], by_hand[0]):
        assert "one number for each cell" in answers("06.1", value, **given)


def test_energy_ratio_is_that_of_the_score(answers):
    heat = np.array([[4.0, 1.0, 0.0], [3.0, 0.0, 2.0]])
    tumour = np.array([[True, False, False], [True, False, False]])
    given = {"heat": heat, "tumour": tumour, "bump": 1.5}
    assert scores(heat, tumour)["energy_ratio"] == pytest.approx(2.1)
    said = answers("06.2", 2.1, **given)
    assert "right. 2.10 is above chance" in said and "gets 1.50" in said
    assert "the share on the tumour" in answers("06.2", 0.7, **given)
    assert "Upside down" in answers("06.2", 1 / 2.1, **given)
    assert "It is not 3" in answers("06.2", 3, **given)
    assert "should be a number" in answers("06.2", [1, 2], **given)
    with pytest.raises(NotInThisStudy, match="positive cells"):
        answers("06.2", 1, heat=heat * 0, tumour=tumour, bump=1.5)


def test_hardest_opponent(answers):
    ratios = pd.DataFrame(
        {"map": ["bump", "no head"] * 2, "difference": [-0.8, -0.9, -0.1, 0.3]},
    )
    assert "right. Against the bump the mean lead of Grad-CAM is -0.45" in answers(
        "06.3", "Bump", ratios=ratios
    )
    assert "Against `no head` the mean lead" in answers("06.3", "no head", ratios=ratios)
    assert "`low risk` was not measured" in answers("06.3", "low risk", ratios=ratios)
    assert f"one of {', '.join(OPPONENTS)}" in answers("06.3", "luck", ratios=ratios)


@pytest.mark.parametrize(
    ("high", "truth"),
    [((0.1, -0.1), "post"), ((-0.1, 0.1), "pre"), ((-0.1, -0.2), "both"), ((0.1, 0.1), "neither")],
)
def test_hangs_on_the_tumour(high, truth, answers):
    moved = pd.DataFrame({"map": "no tumour", "timepoint": ["pre", "post"], "high": high})
    moved = moved.assign(mean=-0.25, low=-0.5)
    worse = moved.assign(map="worse", high=-1.0)  # of no account
    moved = pd.concat([worse, moved])
    said = answers("06.4", truth, moved=moved)
    assert f"right. Without the tumour: pre -0.25 (-0.50 to {high[0]:+.2f})" in said
    wrong = "neither" if truth == "both" else "both"
    assert "not yet. Without their tumours" in answers("06.4", wrong, moved=moved)
    assert '`"both"` or `"neither"`' in answers("06.4", "tumour", moved=moved)


def test_a_study_of_one_examination_can_be_asked(answers):
    moved = pd.DataFrame([["no tumour", "pre", -0.2, -0.3, -0.1]])
    moved.columns = ["map", "timepoint", "mean", "low", "high"]
    assert "right" in answers("06.4", "pre", moved=moved)
