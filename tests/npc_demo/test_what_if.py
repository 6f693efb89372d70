"""The same patients drawn again: one thing changes, and the rest does not."""

import numpy as np
import pytest
from npc_demo import what_if
from npc_demo.mri import render, scan_stream
from npc_demo.patient import Patient
from small_study import make_study

from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.study import NotInThisStudy, Study

ANNA = Patient(
    patient_id="A", sex="F", age_years=50, t_category=3, n_category=1, aggressiveness=0.4,
    residual=0.8, seed=11,
)  # fmt: skip


@pytest.fixture(scope="module")
def post():
    return {
        name: render(change(ANNA, "post"), "post", matrix=320)
        for name, change in what_if.CHANGES.items()
    }


def test_without_tumour_nothing_else_changes(post):
    usual, without = post["as it is"], post["no tumour"]
    assert usual["tumour"].any() and not without["tumour"].any()
    moved = np.abs(usual["t2w"].astype(int) - without["t2w"]) > 100
    where = usual["tumour"] | usual["nodes"]
    near = np.zeros_like(where)
    for shift in range(-12, 13, 4):  # k-space spreads an edge a little
        near |= np.roll(where, shift, axis=1) | np.roll(where, shift, axis=2)
    assert moved.any() and (moved & near).sum() > 0.9 * moved.sum()


def test_worse_is_more_tumour_and_milder_is_less(post):
    sizes = [int(post[name]["tumour"].sum()) for name in ("milder", "as it is", "worse")]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]
    assert what_if.shifted(ANNA, "pre", by=1.0).aggressiveness == pytest.approx(1.4)
    assert what_if.shifted(ANNA, "pre", by=1.0).residual == ANNA.residual


@pytest.mark.slow
def test_a_tumour_that_never_was_leaves_the_head_as_it_is():
    usual = render(ANNA, "pre", matrix=320)
    without = render(what_if.without_tumour(ANNA, "pre"), "pre", matrix=320)
    assert usual["tumour"].any() and not without["tumour"].any()
    assert without["nodes"][usual["nodes"]].all()
    uncovered = without["nodes"] & ~usual["nodes"]  # parts of nodes that tumour had lain over
    assert usual["tumour"][uncovered].all()
    far = np.abs(usual["t2w"].astype(int) - without["t2w"])[0]  # the lowest slice: no tumour there
    assert not usual["tumour"][0].any() and np.median(far) <= 1


def test_another_head_has_other_noise():
    copy = what_if.another_head(ANNA, "post")
    first, second = (scan_stream(p, "post", "t2w").random() for p in (ANNA, copy))
    assert first != second
    assert (copy.residual, copy.t_category) == (ANNA.residual, ANNA.t_category)


def test_series_keep_their_place_and_real_patients_cannot_be_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(
        what_if, "render", lambda patient, when, matrix: {"t2w": np.full((7, matrix, matrix), 5)}
    )
    series = MRSeries(
        array=np.zeros((7, 384, 384)), pixel_spacing_mm=(1, 1), positions_mm=np.arange(7.0),
        slice_spacing_mm=1.0, orientation=np.eye(2, 3).ravel(), patient_id="A", description="",
        findings=(),
    )  # fmt: skip
    again = what_if.drawn_again({("A", "post", "t2w"): series}, {"A": ANNA}, "worse", workers=1)
    drawn = again["A", "post", "t2w"]
    assert drawn.array.shape == (7, 384, 384) and (drawn.array == 5).all()
    assert drawn.pixel_spacing_mm == (1, 1)
    with pytest.raises(NotInThisStudy, match="real ones cannot be drawn again"):
        what_if.patients_of(Study(make_study(tmp_path / "clinic")))


def test_the_demonstration_patients_are_those_of_its_truth():
    patients = what_if.patients_of(Study.demonstration())
    first = patients["SYN-0001"]
    assert (first.seed, first.vendor, first.residual) == (1770829686, "A", 0.4015)
    assert first.t_category in (1, 2, 3, 4) and first.n_category in (0, 1, 2, 3)
