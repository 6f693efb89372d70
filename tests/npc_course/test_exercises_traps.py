"""The traps of lesson 13: what is said to each kind of answer, and how far each trap goes."""

import numpy as np
import pandas as pd
import pytest
from lifelines.utils import concordance_index
from npc_demo.anatomy import draw_anatomy
from npc_demo.mri import acquire, scan_stream
from npc_demo.what_if import patients_of
from scipy.ndimage import laplace
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from npc_course.exercises.checking import EXERCISES
from npc_course.exercises.traps import p_at_each_cut
from npc_helpers.network.prediction import compared_scores
from npc_helpers.statistics import TooFewPatients, log_rank
from npc_helpers.study import NotInThisStudy, Study, shipped_reference

pytestmark = pytest.mark.usefixtures("small_hospital")


def refuses(said, name):
    return f"The answer should be {EXERCISES[name].form}" in said and EXERCISES[name].hint in said


def test_area_of_tight_boxes(answers, many):
    area = pd.Series(range(40), many.index, dtype=float)
    advanced = pd.Series([False] * 15 + [True] * 5 + [False] * 5 + [True] * 15, many.index)
    given = {"area": area, "advanced": advanced}
    auc = 1 - 25 / 400  # 5 of 20 pairs with each of 5 patients are in the wrong order
    assert f"right. The AUC is {auc:.3f}" in answers("13.1", auc, **given)
    assert "tells more than that" in answers("13.1", 0.5, **given)
    assert "tells less than that" in answers("13.1", 1, **given)
    assert refuses(answers("13.1", "much", **given), "13.1")


def test_best_of_noise(answers):
    """The normal approximation: 0.5 plus 2.51 standard errors, the mean maximum of 100."""
    high_risk = pd.Series([True] * 23 + [False] * 20)
    best = 0.5 + 2.51 * np.sqrt(44 / (12 * 23 * 20))
    assert f"the best of 100 has {best:.2f}" in answers("13.2", best, high_risk=high_risk)
    assert "better than that" in answers("13.2", 0.5, high_risk=high_risk)
    assert "worse than that" in answers("13.2", 1, high_risk=high_risk)
    assert refuses(answers("13.2", "high", high_risk=high_risk), "13.2")


def test_p_at_each_threshold_is_that_of_another_library():
    rng = np.random.default_rng(4)
    months, event = rng.integers(1, 30, 43), rng.random(43) < 0.6  # with ties
    score = rng.random(43)
    expected = [
        log_rank(months, event, np.where(score >= threshold, "high", "low")).p
        for threshold in np.sort(score)[5:39]  # 5 of 43 are more than a tenth
    ]
    assert p_at_each_cut(months, event, score) == pytest.approx(expected, rel=1e-9)


def test_nobody_has_progressed_or_is_left_to_compare():
    assert (p_at_each_cut([1.0, 2, 3], [False] * 3, [1, 2, 3]) == 1).all()
    assert p_at_each_cut([1.0, 2], [True, True], [1, 2]).shape == (1,)
    with pytest.raises(TooFewPatients, match="no threshold"):
        p_at_each_cut([1.0], [True], [1])


def test_best_threshold(answers, many):
    patients = many.assign(progressed=True)
    said = answers("13.3", 0.4, patients=patients)
    assert "right. In " in said and "of 300 searches" in said
    assert "more often than that" in answers("13.3", 0.05, patients=patients)
    assert "less often than that" in answers("13.3", 1, patients=patients)
    assert refuses(answers("13.3", 40, patients=patients), "13.3")
    assert refuses(answers("13.3", "often", patients=patients), "13.3")


def test_shuffled_labels(answers):
    assert "right" in answers("13.4", (1, 0.5))
    assert "learns every training patient" in answers("13.4", [0.7, 0.5])
    assert "nothing can foresee a lot" in answers("13.4", [1, 0.7])
    assert refuses(answers("13.4", 1), "13.4") and refuses(answers("13.4", [1]), "13.4")


def test_divided_images(answers):
    """A forest of the lesson's form that knows 0.9, and one that knows nothing."""
    knows, by_chance = (lambda drawn, seed: 0.88 + seed / 50), (lambda drawn, seed: 0.5)
    given = {"auc_by_lot": knows, "drawn": np.array([True, False])}
    assert "right. 0.90, of labels" in answers("13.5", 0.95, **given)
    assert "did not know the patients" in answers("13.5", 0.5, **given)
    assert "It is higher than that" in answers("13.5", 0.7, **given)
    lower = given | {"auc_by_lot": lambda drawn, seed: 0.7}
    assert "It is lower than that" in answers("13.5", 0.95, **lower)
    assert refuses(answers("13.5", 95, **given), "13.5")
    assert "right. 0.50" in answers("13.5", 0.5, **given | {"auc_by_lot": by_chance})
    assert refuses(answers("13.5", "none", **given), "13.5")


def test_fooled_by_the_calendar(answers, many):
    """Of those who came late, all are called high-risk; who came late does not progress earlier."""
    patients = many.assign(progressed=[True, False] * 20, high_risk=[True] * 20 + [False] * 20)
    late = pd.Series([*range(39, 19, -1), *range(20)], many.index, dtype=float)
    assert "AUC 1.000" in answers("13.6", "median label", patients=patients, score=late)
    no_use = pd.Series([1.0, 2.0] * 20, many.index)
    with pytest.raises(NotInThisStudy, match="the trap stays shut"):
        answers("13.6", "median label", patients=patients, score=no_use)
    assert refuses(answers("13.6", "both", patients=patients, score=late), "13.6")


def test_red_spots(answers):
    peaks = pd.Series([0.1, 0.5, -0.1])
    assert "right. 2 of 3, and the strongest is 5 times" in answers("13.7", 2, peaks=peaks)
    assert "More of the 3" in answers("13.7", 1, peaks=peaks)
    assert "Fewer than that" in answers("13.7", 3, peaks=peaks)
    assert "No cell" in answers("13.7", 0, peaks=peaks - 1)


# --- how far each goes on the demonstration study, whatever the draw ------------------------------


@pytest.fixture
def demonstration(monkeypatch):
    monkeypatch.delenv("NPC_STUDY")
    return compared_scores(shipped_reference)[0]


def test_thresholds_of_useless_scores_in_the_test_cohort(demonstration):
    """Measured 0.35 over 500 searches, and 0.06 at the median."""
    test = demonstration[demonstration.split == "test"]
    for seed in range(3):
        lot = np.random.default_rng(seed)
        outcome = test.pfs_months, test.progressed
        p = [p_at_each_cut(*outcome, lot.random(len(test))) for _ in range(300)]
        assert 0.25 < np.mean([row.min() < 0.05 for row in p]) < 0.45
        assert np.mean([row[len(row) // 2] < 0.05 for row in p]) < 0.11


def test_forests_recognise_patients_by_their_rectangles(demonstration):
    """Measured 0.95 by image and 0.49 by patient, by the nearest rectangle 0.91 and 0.48."""
    rois = shipped_reference("rois.csv").query("timepoint == 'pre'")
    rois = rois[rois.patient_id.isin(demonstration.index)]
    whose, names = rois.patient_id.factorize()
    inputs = rois[["x0", "y0", "x1", "y1"]].to_numpy(float)
    of_image, of_patient = [], []
    for seed in range(3):
        lot = np.random.default_rng(seed)
        label = (lot.permutation(len(names)) % 2)[whose]
        by_image = lot.random(len(whose)) < 0.2
        by_patient = np.isin(whose, lot.choice(len(names), len(names) // 5, replace=False))
        for tested, said in ((by_image, of_image), (by_patient, of_patient)):
            apart = cdist(inputs[tested], inputs[~tested])
            said.append((label[~tested][apart.argmin(axis=1)] == label[tested]).mean())
    assert np.mean(of_image) > 0.85 and abs(np.mean(of_patient) - 0.5) < 0.1


@pytest.fixture(scope="module")
def drawn():
    """Every second patient: area of the tight box, grain of the images with either software."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NPC_STUDY", raising=False)
        study = Study.open()
        patients = compared_scores(shipped_reference)[0].iloc[::2]
    rows, everyone = {}, patients_of(study)
    for name in patients.index:
        anatomy = draw_anatomy(everyone[name], "pre")
        corners = [np.argwhere(layer) for layer in anatomy.tumour if layer.any()]
        area = np.mean([np.prod(np.ptp(corner, axis=0) + 1) for corner in corners] or [0])
        grain = {}
        for protocol in ("1.5T", "1.5T upgraded"):
            stream = scan_stream(everyone[name], "pre", "t2w")
            images = acquire(anatomy, "t2w", stream, protocol=protocol)[:, 150:350, 60:450]
            edges = np.abs([laplace(image.astype(float)) for image in images])
            grain[protocol] = np.mean(np.median(edges, axis=(1, 2)) / images.mean(axis=(1, 2)))
        rows[name] = grain | {"area": area}
    scanned = study.registry.set_index("patient_id").mri_pre_date
    return patients.join(pd.DataFrame(rows).T).join(scanned)


@pytest.mark.slow
def test_tight_boxes_tell_stage_and_outcome_and_generous_ones_do_not(drawn):
    """Measured 0.77 and 0.75 in these patients, 0.83 and 0.65 in all."""
    advanced = drawn.stage_8th != "III"
    rois = shipped_reference("rois.csv").query("timepoint == 'pre' and sequence == 't2w'")
    areas = rois.eval("(x1 - x0) * (y1 - y0)").groupby(rois.patient_id).mean()
    generous, tight = areas.reindex(drawn.index), drawn.area.astype(float)
    assert roc_auc_score(advanced, generous) < 0.65 < 0.7 < roc_auc_score(advanced, tight) < 0.9
    assert concordance_index(drawn.pfs_months, -generous, drawn.progressed) < 0.58
    assert 0.6 < concordance_index(drawn.pfs_months, -tight, drawn.progressed) < 0.8


@pytest.mark.slow
def test_an_upgrade_of_the_scanner_foretells_the_label_and_not_the_outcome(drawn):
    """Measured in these patients: label 0.45 without and 0.65 with the upgrade, time 0.45."""
    late = drawn.mri_pre_date >= pd.Timestamp("2014-07-01")
    before, after = drawn["1.5T"].astype(float), drawn["1.5T upgraded"].astype(float)
    label, grain = drawn.high_risk.astype(bool), after.where(late, before)
    assert roc_auc_score(label, before) < 0.5
    assert 0.6 < roc_auc_score(label, grain) < 0.75
    assert abs(concordance_index(drawn.pfs_months, -grain, drawn.progressed) - 0.5) < 0.1
