"""What a study is said to support is what its notebooks then do: each number is a boundary."""

import numpy as np
import pandas as pd
import pytest
from small_study import load, make_study, save

from npc_helpers import cohort, statistics
from npc_helpers.study import NotInThisStudy, Study, later


def patients(n):
    return pd.DataFrame(
        {"patient_id": [f"P{k}" for k in range(n)], "high_risk": np.arange(n) % 2 == 0}
    )


def test_the_fewest_that_can_be_divided():
    few = patients(later.FEWEST_DIVIDED)
    assert set(cohort.split(few, seed=1, stratify=())) == {"train", "test"}
    with pytest.raises(NotInThisStudy, match="would leave one side empty"):
        cohort.split(patients(later.FEWEST_DIVIDED - 1), seed=1, stratify=())
    with pytest.raises(NotInThisStudy, match=f"at least {later.FEWEST_DIVIDED} patients"):
        cohort.divided_patients(few.assign(split=""))


def test_the_fewest_that_can_be_compared():
    half = later.FEWEST_COMPARED // 2
    truth = pd.Series([False] * half + [True] * half)
    scores = {"a": pd.Series([0.1, 0.6, 0.4, 0.9]), "b": pd.Series([0.5, 0.2, 0.6, 0.1])}
    assert len(statistics.compare_auc(truth, scores)) == 1
    with pytest.raises(statistics.TooFewPatients, match="two patients in each class"):
        statistics.compare_auc(truth[:-1], {name: s[:-1] for name, s in scores.items()})


def test_support_counts_the_included_patients_once_the_cohort_is_there(tmp_path):
    folder = make_study(tmp_path / "s", patients=8)
    registry = load(folder, "registry")
    registry.loc[0, "surgery"] = "yes"
    save(folder, "registry", registry)
    study = Study(folder)
    before = later.support(study).drop_duplicates("of").set_index("of")["has"]
    assert before["patients with an outcome"] == 8
    assert before["test patients with images of both time points"] == 2  # one in five of 8
    screened = cohort.build_cohort(study, seed=1)
    study.write_table("cohort.csv", screened)
    table = later.support(study).drop_duplicates("of").set_index("of")
    n_test = int((screened["split"] == "test").sum())
    assert table.loc["patients with an outcome", "has"] == 7
    assert table.loc["test patients with images of both time points", "has"] == n_test
    assert not table.loc["test patients with progression by 36 months", "supported"]
    assert table.loc["patients with images", "supported"]


def test_a_note_says_the_same(tmp_path):
    study = Study(make_study(tmp_path / "s", patients=2))
    table = later.support(study)
    notes = [note.problem for note in later.left_out_later(study)]
    assert len(notes) == (~table["supported"]).sum() > 0
    assert any("needs 3 patients with an outcome; 2 have it" in note for note in notes)
