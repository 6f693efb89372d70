"""Exercises of the later lessons: each with right, wrong and ill-formed answers."""

import re

import numpy as np
import pandas as pd
import pytest
from small_study import make_study

from npc_course.exercises.checking import EXERCISES
from npc_helpers.statistics.confusion import ConfusionTable
from npc_helpers.study import NotInThisStudy, Study

pytestmark = pytest.mark.usefixtures("study")


@pytest.fixture
def study(tmp_path, monkeypatch):
    folder = make_study(tmp_path / "study")
    monkeypatch.setenv("NPC_STUDY", str(folder))
    return Study(folder)


@pytest.fixture
def patients():
    """Six patients of whom two progressed early and two were lost before 36 months."""
    table = pd.DataFrame(
        {
            "pfs_months": [10, 20, 24, 30, 40, 50],
            "progressed": [True, False, True, False, False, True],
            "high_risk": [True, True, True, False, False, False],
        },
        index=[f"H-{number:02d}" for number in range(1, 7)],
    )
    return table


def refuses(said, name):
    return f"The answer should be {EXERCISES[name].form}" in said and EXERCISES[name].hint in said


# --- 07: appraising ----------------------------------------------------------------------------


def test_accuracy_of_no_count(answers):
    said = answers("07.1", 0.763, n=43)
    assert "right. 32 of 43 patients are 0.744 and 33 are 0.767" in said
    assert "right" in answers("07.1", "76.3%", n=43)
    for accuracy, count in ((0.744, 32), (0.814, 35), (0.837, 36)):
        assert f"not yet. {count} of 43 patients are {accuracy}" in answers("07.1", accuracy, n=43)
    assert refuses(answers("07.1", 0.5, n=43), "07.1")
    assert refuses(answers("07.1", "the second", n=43), "07.1")


def test_predictive_value(answers):
    """Li et al. 2022, Table 2: of 19 whom the Post-model calls high-risk, 17 are."""
    post = ConfusionTable(tp=17, fp=2, tn=18, fn=6)
    said = answers("07.2", 17 / 19, table=post)
    assert "right. 17 of the 19 patients called high-risk are: 89.5%" in said and "73.9%" in said
    assert "right" in answers("07.2", "89.5%", table=post)
    assert "sensitivity: 17 of the 23 high-risk" in answers("07.2", 0.739, table=post)
    assert "negative predictive value, of the 24" in answers("07.2", 0.75, table=post)
    assert "the accuracy, of all patients" in answers("07.2", 35 / 43, table=post)
    assert "the specificity: 18 of the 20 low-risk" in answers("07.2", 0.9, table=post)
    assert refuses(answers("07.2", "high", table=post), "07.2")


def test_one_sided_disagreements(answers):
    """Tosses of a coin, all on one side: 2/32 = 0.0625 for five, 2/64 = 0.03125 for six."""
    said = answers("07.3", 6)
    assert "right. P is 2 / 2^6 = 0.0312; with 5 it is 0.0625" in said
    assert "With 5 P is 0.0625" in answers("07.3", "5")
    assert "with 6 P is 0.0312 already" in answers("07.3", 7)
    for ill_formed in (0, 5.5, float("inf"), "many", [6]):
        assert refuses(answers("07.3", ill_formed), "07.3")


# --- 08: labels ---------------------------------------------------------------------------------


def test_low_risk_and_progressed(answers, patients):
    said = answers("08.1", "none", patients=patients)
    assert ": right" in said and "the 1 patients called high-risk" in said
    assert "0 of them had" in answers("08.1", "some", patients=patients)
    assert "at least 30 months" in answers("08.1", "some", patients=patients)
    mislabelled = patients.assign(high_risk=[False, True, True, True, False, False])
    assert "right. 1 of 3" in answers("08.1", "some", patients=mislabelled)
    assert refuses(answers("08.1", "most", patients=patients), "08.1")


def test_risk_by_horizon(answers, patients):
    """By hand: 1/6, then 1/(6 · 4/5) of those left after one was lost, makes 0.375."""
    said = answers("08.2", 1 / 6 + 1 / (6 * 0.8), patients=patients)
    assert "right. 0.38. Without those who were lost it would be 0.50" in said and "0.33" in said
    assert "right" in answers("08.2", "37.5%", patients=patients)
    assert "leaves out those who were lost" in answers("08.2", 0.5, patients=patients)
    assert "counts everybody who was lost" in answers("08.2", 2 / 6, patients=patients)
    assert "It is not 0.9" in answers("08.2", 0.9, patients=patients)
    assert refuses(answers("08.2", "half", patients=patients), "08.2")


def scanned(study, days):
    """Give the patients of a study other dates of their first scan, in their order."""
    path = study.table_path("registry")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    dates = pd.Timestamp("2015-01-01") + pd.to_timedelta(days, unit="D")
    table.assign(mri_pre_date=dates.strftime("%Y-%m-%d")).to_csv(path, index=False)


@pytest.mark.parametrize(
    ("days", "place", "auc"),
    [
        ([15, 14, 13, 3, 2, 1], "above", 1),
        ([1, 2, 3, 13, 14, 15], "below", 0),
        ([1, 5, 9, 2, 4, 8], "at", 5 / 9),
    ],
)
def test_auc_of_the_scan_date(study, answers, patients, days, place, auc):
    scanned(study, days)
    assert f"right. The AUC is {auc:.3f}" in answers("08.3", place, patients=patients)
    wrong = "above" if place == "at" else "at"
    assert "not yet" in answers("08.3", wrong, patients=patients)
    assert refuses(answers("08.3", "late", patients=patients), "08.3")


# --- 09: probabilities --------------------------------------------------------------------------


def test_median_pfs_comes(answers, patients):
    """The curve of six falls to 0.625 and, when the last one progresses, to 0."""
    said = answers("09.1", "later", patients=patients)
    assert "right. The median observed time is 27.0 months; the median PFS is 50.0" in said
    assert "may have stayed well" in answers("09.1", "equal", patients=patients)
    never = patients.assign(progressed=False)
    assert "is not reached at all" in answers("09.1", "later", patients=never)
    everybody = patients.assign(progressed=True)
    assert "right" in answers("09.1", "equal", patients=everybody)  # of whom nobody was lost
    assert refuses(answers("09.1", 3, patients=patients), "09.1")


def test_twice_the_hazard(answers):
    assert "right. 0.640, and not 0.800" in answers("09.2", 0.64, risk=0.4)
    assert "is twice the risk" in answers("09.2", 0.8, risk=0.4)
    assert "staying free" in answers("09.2", 0.36, risk=0.4)
    assert "It is not 0.1" in answers("09.2", 0.1, risk=0.4)
    assert refuses(answers("09.2", "high", risk=0.4), "09.2")


def spread(many, farther):
    """Return log odds of −1 and 1 times `farther`, a quarter of them on the wrong side."""
    sign = pd.Series([1] * 15 + [-1] * 5 + [-1] * 15 + [1] * 5, many.index)
    return 1 / (1 + 2.718281828 ** (-sign * farther))


def test_too_extreme(answers, many):
    """Three in four are right: log odds of log 3 = 1.1 would be just right."""
    p_event = {"timid": spread(many, 0.5), "loud": spread(many, 2), "louder": spread(many, 3)}
    given = {"patients": many, "p_event": p_event}
    assert "right. Slopes below 1: loud 0.55, louder 0.37" in answers(
        "09.3", ["louder", "loud"], **given
    )
    assert "too close to the average" in answers("09.3", ["timid"], **given)
    assert "1 of 3 models" in answers("09.3", ["loud"], **given)
    assert "The models are timid, loud" in answers("09.3", ["TNM"], **given)
    assert refuses(answers("09.3", "loud", **given), "09.3")
    none = {"timid": p_event["timid"]}
    assert "below 1: none" in answers("09.3", [], patients=many, p_event=none)


def test_net_benefit(answers, many):
    """Half are treated, three in four of them rightly: 1/2 (3/4 − 1/4 · 1/3) = 1/3."""
    given = {"patients": many, "p_event": spread(many, 2)}
    assert "right. 0.333: as good as finding 333 relapses" in answers("09.4", 1 / 3, **given)
    assert "shared by all patients" in answers("09.4", 2 / 3, **given)
    assert "upside down" in answers("09.4", 0.0, **given)
    assert "It is not 0.5" in answers("09.4", 0.5, **given)
    assert refuses(answers("09.4", [], **given), "09.4")
    with pytest.raises(NotInThisStudy, match="nobody has a predicted risk of 25%"):
        answers("09.4", 0.1, patients=many, p_event=spread(many, 2) / 10)


# --- 10: precision ------------------------------------------------------------------------------


def test_times_as_many(answers):
    assert "right. An AUC of 0.842 from 43 patients: ± 0.12; from 172: ± 0.06" in answers(
        "10.1", 4, n=43
    )
    assert "With twice as many it is 0.70 times as wide" in answers("10.1", 2, n=43)
    assert "With 8 times as many" in answers("10.1", "8", n=43)
    assert "make an interval wider" in answers("10.1", 0.25, n=43)
    assert refuses(answers("10.1", "more", n=43), "10.1")


def test_rows_of_second(answers, patients):
    """Two scores that agree: from the same patients their difference varies less."""
    risk = {"Ensemble": [0.9, 0.8, 0.3, 0.6, 0.2, 0.1], "TNM": [1.0, 0.9, 0.2, 0.5, 0.3, 0.0]}
    risk = {name: pd.Series(score, patients.index) for name, score in risk.items()}
    rows = np.array([0, 0, 3, 4, 5, 5])
    given = {"rows_of_first": rows, "patients": patients, "risk": risk}
    said = answers("10.2", rows.copy(), **given)
    paired, unpaired = map(float, re.findall(r"(\d\.\d\d)(?: wide|\.\n)", said))
    assert "right" in said and paired < unpaired
    assert "In 2 of 6 places" in answers("10.2", [0, 1, 2, 4, 5, 5], **given)
    assert "draws nobody" in answers("10.2", range(6), **given)
    assert refuses(answers("10.2", [0, 1], **given), "10.2")
    assert refuses(answers("10.2", "rows", **given), "10.2")


def test_ensemble_ahead(answers):
    auc = {"Ensemble": [0.8, 0.7, 0.6, 0.7], "TNM": [0.6, 0.6, 0.6, 0.8]}
    splits = pd.DataFrame(auc).rename_axis("split").stack().rename_axis(["split", "model"])
    splits = splits.rename("auc").reset_index()
    assert "right. 2 of 4 splits" in answers("10.3", 0.5, splits=splits)
    assert "right" in answers("10.3", 0.625, splits=splits)  # the tie counted half
    assert "in which TNM is ahead" in answers("10.3", 0.25, splits=splits)
    assert "It is not 0.9" in answers("10.3", 0.9, splits=splits)
    assert refuses(answers("10.3", "often", splits=splits), "10.3")


# --- 11: another hospital -----------------------------------------------------------------------


@pytest.fixture
def thirds(patients):
    """Twice the six patients of whom 0.375 progress by 36 months, predicted to be 0.3."""
    both = pd.concat([patients, patients.set_axis(patients.index + "b")])
    return both, pd.Series([0.2, 0.3, 0.4] * 4, both.index)


def test_observed_over_expected(answers, thirds):
    patients, p = thirds
    given = {"patients": patients, "p_event": p}
    said = answers("11.1", 0.375 / 0.3, **given)
    assert "right. 1.25: of 100 patients the model expects 30" in said and "38 do." in said
    assert "expected over observed" in answers("11.1", 0.8, **given)
    assert "the difference" in answers("11.1", 0.075, **given)
    assert "everybody who was lost" in answers("11.1", 0.5 / 0.3, **given)
    assert "It is not 3." in answers("11.1", 3, **given)
    assert refuses(answers("11.1", "high", **given), "11.1")


def test_c_index_after_recalibration(answers, many):
    """The patients' order decides: 39 of 590 pairs are right, on whichever scale."""
    p = pd.Series(range(1, 41), many.index) / 50
    p.iloc[0] = 0.9
    given = {"patients": many, "p_event": p}
    assert f"right. {39 / 590:.3f} before and after" in answers("11.2", "stays", **given)
    given["p_event"] = 1 / (1 + np.exp(1 - 3 * np.log(p / (1 - p))))
    assert f"right. {39 / 590:.3f} before and after" in answers("11.2", "Stays", **given)
    assert "still has them" in answers("11.2", "rises", **given)
    assert refuses(answers("11.2", "better", **given), "11.2")


def test_shifted(answers):
    """Odds of 1/3 and 3 times 3 are 1 and 9."""
    p = pd.Series([0.25, 0.75])
    given = {"p_event": p, "observed": 0.7}
    said = answers("11.3", pd.Series([0.5, 0.9]), **given)
    assert "right. All odds were multiplied by 3.00" in said
    assert "from 0.250 to 0.500 and the highest from 0.750 to 0.900" in said
    assert "2 of 2 values do not lie" in answers("11.3", p + np.log(3), **given)
    assert "Their mean is 0.500, and the observed risk 0.700" in answers("11.3", p, **given)
    assert "not all change by the same" in answers("11.3", p + 0.2, **given)
    assert refuses(answers("11.3", [0.7], **given), "11.3")
    assert refuses(answers("11.3", "higher", **given), "11.3")
