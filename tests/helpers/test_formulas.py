"""Cells that a spreadsheet would run: written as text, read back as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_helpers.study.formulas import defused, restored

STARTS = "=+-@\t\r\n＝＋－＠"


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    "rest", ['HYPERLINK("http://x")', "1+1", "cmd|' /C calc'!A0", "SUM(A1)", ""]
)
def test_no_cell_begins_like_a_formula(start, rest):
    assert defused(start + rest) == f"'{start}{rest}" or float(start + rest) is not None
    assert restored(defused(start + rest)) == start + rest


@pytest.mark.parametrize("text", ["-5", "+3.2", "-1e-5", "T1 +C", "'quoted'", "", "0815", "鼻咽"])
def test_numbers_and_other_texts_stay(text):
    assert defused(text) == restored(text) == text


@given(st.one_of(st.text(), st.text(alphabet=STARTS + "'1e.")))
def test_every_text_comes_back(text):
    assert restored(defused(text)) == text
    assert (
        defused(text)[:1] not in STARTS or defused(text) == "" or float(defused(text)) is not None
    )
