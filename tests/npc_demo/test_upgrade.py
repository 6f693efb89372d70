"""The grain of images after an upgrade of the scanner: of the same pixels, and measured once."""

import numpy as np
import pandas as pd
import pytest
from npc_demo import upgrade
from npc_demo.anatomy import draw_anatomy
from npc_demo.mri import acquire, scan_stream
from npc_demo.patient import Patient
from small_study import make_study

from npc_helpers.study import NotInThisStudy, Study

ANNA = Patient(
    patient_id="A", sex="F", age_years=50, t_category=3, n_category=1, aggressiveness=0.4,
    residual=0.8, seed=11,
)  # fmt: skip
PLACE = pd.DataFrame(
    [{"patient_id": "A", "slice_index": 2, "x0": 200, "y0": 180, "x1": 300, "y1": 290}]
)


@pytest.fixture
def study(tmp_path, monkeypatch):
    study = Study(make_study(tmp_path / "study", patients=2))
    monkeypatch.setattr(upgrade, "patients_of", lambda study: {"A": ANNA})
    return study


def test_grain_is_that_of_the_upgraded_scanner_and_is_measured_once(study, monkeypatch):
    value = upgrade.grain_after_upgrade(study, PLACE)["A"]
    after, before = (
        acquire(draw_anatomy(ANNA, "pre"), "t2w", scan_stream(ANNA, "pre", "t2w"), protocol=name)
        for name in ("1.5T upgraded", "1.5T")
    )
    assert value == upgrade.grain(after, PLACE) > 1.1 * upgrade.grain(before, PLACE)
    monkeypatch.setattr(upgrade, "of_each", None)  # not drawn again
    assert upgrade.grain_after_upgrade(study, PLACE)["A"] == value


def test_grain_of_images_that_one_can_see_through():
    """A plane has none, however steep; a chessboard of 9 and 11 differs by 2 of 10."""
    rows, columns = np.mgrid[0:8, 0:8]
    place = pd.DataFrame([{"slice_index": 0, "x0": 0, "y0": 0, "x1": 8, "y1": 8}])
    assert upgrade.grain((100 + 3 * rows + columns)[None], place) == 0
    assert upgrade.grain((10 + (-1) ** (rows + columns))[None], place) == pytest.approx(0.2)


def test_patients_of_a_hospital_cannot_be_scanned_again(tmp_path):
    study = Study(make_study(tmp_path / "study", patients=2))
    with pytest.raises(NotInThisStudy):
        upgrade.grain_after_upgrade(study, PLACE)
