"""Turnbull's curve against published estimates, Kaplan-Meier, and self-consistency."""

import numpy as np
import pandas as pd
import pytest

from npc_helpers import statistics

# Months to a change of the breast after radiotherapy
# (Finkelstein and Wolfe, Biometrics 1985;41:933)
SEEN = """45- 6,10 0,7 46- 46- 7,16 17- 7,14 37,44 0,8 4,11 15- 11,15 22- 46- 46- 25,37 46- 26,40
46- 27,34 36,44 46- 36,48 37- 40- 17,25 46- 11,18 38- 5,12 37- 0,5 18- 24- 36- 5,11 19,35 17,25
24- 32- 33- 19,26 37- 34- 36-""".split()
ENDS = [seen.strip("-").split(",") for seen in SEEN]
LOWER = np.array([float(ends[0]) for ends in ENDS])
UPPER = np.array([float(ends[1]) if len(ends) > 1 else np.inf for ends in ENDS])
# Fay and Shaw, J Stat Softw 2010;36(2): what icfit finds in these patients
PUBLISHED = {(4, 5): 0.0463, (6, 7): 0.0334, (7, 8): 0.0887, (11, 12): 0.0708, (24, 25): 0.0926,
             (33, 34): 0.0818, (38, 40): 0.1209, (46, 48): 0.4656}  # fmt: skip


def at(curve, time, side):
    return float(curve.loc[curve["time"] <= time, side].iloc[-1])


def test_published_estimates_of_radiotherapy():
    curve = statistics.interval_survival(LOWER, UPPER)
    gone = 0.0
    for (start, end), mass in list(PUBLISHED.items())[:-1]:
        assert 1 - at(curve, start, "low") == pytest.approx(gone, abs=2e-4)
        gone += mass
        assert 1 - at(curve, end, "high") == pytest.approx(gone, abs=2e-4)
    assert at(curve, 45.9, "low") == pytest.approx(PUBLISHED[46, 48], abs=2e-4)


def test_known_moments_give_the_kaplan_meier_curve():
    rng = np.random.default_rng(0)
    time, event = np.round(rng.exponential(30, 80), 2) + 0.01, rng.random(80) < 0.6
    expected = statistics.kaplan_meier(time, event)
    curve = statistics.interval_survival(time, np.where(event, time, np.inf))
    for row in expected[expected.events > 0].itertuples():
        assert at(curve, row.time, "low") == pytest.approx(row.survival, abs=1e-3)


def test_an_event_that_is_seen_late_has_happened_earlier():
    """Events at planted times, seen at the next visit: the curve contains the true share."""
    rng = np.random.default_rng(1)
    happened = rng.exponential(40, 600)
    upper = np.ceil(happened / 6) * 6
    curve = statistics.interval_survival(upper - 6, upper)
    for months in (6, 12, 24, 60):  # at visits the curve is known and nothing is late
        assert at(curve, months, "low") == pytest.approx((happened > months).mean(), abs=1e-3)
    assert at(curve, 9, "low") <= (happened > 9).mean() <= at(curve, 9, "high")
    usual = statistics.kaplan_meier(upper, np.ones(600, dtype=bool))
    assert usual.survival[usual.time <= 9].iloc[-1] > (happened > 9).mean()


def test_refusals_name_the_patient():
    lower, upper = pd.Series([1.0, 9.0], ["p1", "p2"]), pd.Series([2.0, 3.0], ["p1", "p2"])
    with pytest.raises(statistics.ColumnError, match="upper: patient p2 has 3, before"):
        statistics.interval_survival(lower, upper)
    with pytest.raises(statistics.ColumnError, match="lower: patient p1"):
        statistics.interval_survival(-lower, upper + 10)
    with pytest.raises(statistics.ColumnError, match="upper: patient p2"):
        statistics.interval_survival(lower, pd.Series([2.0, np.nan], ["p1", "p2"]))
