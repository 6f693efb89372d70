"""Exercises on missing and undetected values."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from npc_helpers import statistics


def test_patients_left(answers):
    copies = pd.Series([0, 0, np.nan, 100.0, 2000.0, 5.0])
    assert "right. 3 of 6. The 2 without" in answers("14.1", 3, copies=copies)
    assert "no logarithm either" in answers("14.1", 5, copies=copies)
    assert "It is not 2" in answers("14.1", 2, copies=copies)


def model(n, low, high):
    table = pd.DataFrame({"low": [low], "high": [high]}, index=["EBV"])
    return SimpleNamespace(n=n, table=table)


def test_interval_becomes(answers):
    given = {"complete": model(80, 0.8, 2.4), "filled": model(100, 0.9, 1.8)}
    assert "right. From 1.10 to 0.69" in answers("14.2", "narrower", **given)
    assert "20 patients more" in answers("14.2", "wider", **given)


def test_total_variance(answers):
    estimates, variances = np.array([0.1, 0.2, 0.6]), np.array([0.02, 0.03, 0.04])
    given = {"estimates": estimates, "variances": variances}
    within, between = 0.03, 0.07
    total = within + 4 / 3 * between
    assert "right. 0.1233, a standard error of 0.351" in answers("14.3", total, **given)
    assert "a single table believes" in answers("14.3", within, **given)
    assert "uncertain itself" in answers("14.3", within + between, **given)
    assert "square root" in answers("14.3", np.sqrt(total), **given)
    assert total == pytest.approx(statistics.pool_estimates(**given).standard_error ** 2)


def test_columns_to_score(answers):
    columns = pd.DataFrame(columns=["T", "N", "age", "event", "hazard"])
    assert "right. N, T, age." in answers("14.4", ["T", "N", "age"], columns=columns)
    assert "nobody knows event and hazard" in answers("14.4", list(columns), columns=columns)
    assert "without age" in answers("14.4", ["T", "N"], columns=columns)
    assert "should be a list" in answers("14.4", ["colour"], columns=columns)


def test_shrunken_value(answers):
    assert "right. 0.86" in answers("10.4", 0.86)
    assert "shares are exchanged" in answers("10.4", 1.04)
    assert "That is λ" in answers("10.4", 0.2)
    assert "It is not 0.95" in answers("10.4", 0.95)
