"""What the gate for outcomes and scores tells a user to do is done: then the numbers are right."""

import numpy as np
import pandas as pd
import pytest
from remedies import Remedy, not_followed, told_in

from npc_helpers import statistics as s
from npc_helpers.statistics.gate import checked, one_of

RNG = np.random.default_rng(3)
NAMES = [f"p{number:02d}" for number in range(30)]
TIME = pd.Series(RNG.integers(2, 60, 30).astype(float), NAMES)
EVENT = pd.Series(RNG.random(30) < 0.5, NAMES)
SCORE = pd.Series(RNG.normal(size=30), NAMES)
P = pd.Series(RNG.uniform(0.05, 0.95, 30), NAMES)


def columns(**spoilt):
    return {"time": TIME, "event": EVENT, "score": SCORE, "p": P} | spoilt


def c_index(c):
    return s.c_index(c["time"], c["event"], c["score"]).value


def brier(c):
    return s.brier_curve(c["time"], c["event"], c["p"].to_frame(24))["brier"].iloc[0]


def compared(c):
    return s.compare_c_index(c["time"], c["event"], c["scores"])["difference"].iloc[0]


def agreed(c):
    return s.confusion(c["event"], c["p"]).sensitivity.value


def stage(c):
    (words,) = checked(stage=one_of("III", "IVA")(c["stage"]))
    return (words == "III").sum()


def put(column, value):
    column = column.astype(object)
    column.iloc[4] = value
    return column


def changed(name, do):
    """Return a function that changes one column of those that are there."""
    return lambda c: c | {name: do(c[name])}


def back(name, right):
    """Return a function that puts the right value in the place of what was wrong."""
    return changed(name, lambda column: put(column, right.iloc[4]))


MAIN = {
    "infinity": (
        c_index,
        Remedy(columns(score=put(SCORE, np.inf)), "Give a finite number", back("score", SCORE)),
    ),
    "wrong order of dates": (
        c_index,
        Remedy(
            columns(time=put(TIME, -5.0)), "Look for dates in the wrong order", back("time", TIME)
        ),
    ),
    "text": (
        c_index,
        Remedy(
            columns(score=SCORE.astype(str)), "Convert the column", changed("score", pd.to_numeric)
        ),
    ),
    "durations": (
        c_index,
        Remedy(
            columns(time=pd.to_timedelta(TIME, unit="D")),
            "Give a number, for instance months",
            changed("time", lambda t: t / pd.Timedelta(days=1)),
        ),
    ),
    "exchanged": (
        c_index,
        Remedy(
            columns(time=EVENT, event=TIME),
            "Were time and event exchanged?",
            lambda c: c | {"time": c["event"], "event": c["time"]},
        ),
    ),
    "1 and 2": (
        c_index,
        Remedy(
            columns(event=EVENT.astype(int) + 1),
            "give `column == 2`",
            changed("event", lambda column: column == 2),
        ),
    ),
    "yes and no": (
        c_index,
        Remedy(
            columns(event=EVENT.map({True: "yes", False: "no"})),
            "for instance `column == 'yes'`",
            changed("event", lambda column: column == "yes"),
        ),
    ),
    "a score for a call": (
        agreed,
        Remedy(columns(), "compare a score with a cutoff first", changed("p", lambda p: p > 0.5)),
    ),
    "per cent": (
        brier,
        Remedy(columns(p=P * 100), "Divide a percentage by 100", changed("p", lambda p: p / 100)),
    ),
    "missing": (
        c_index,
        Remedy(columns(score=put(SCORE, np.nan)), "Fill it in, or leave", back("score", SCORE)),
    ),
    "another order": (
        c_index,
        Remedy(
            columns(score=SCORE[::-1]),
            "Use .reindex(...)",
            lambda c: c | {"score": c["score"].reindex(c["time"].index)},
        ),
    ),
    "one patient fewer": (
        c_index,
        Remedy(
            columns(score=SCORE.to_numpy()[:-1]),
            "give one value for each patient",
            lambda c: c | {"score": np.append(c["score"], SCORE.iloc[-1])},
        ),
    ),
    "a patient twice": (
        c_index,
        Remedy(
            {name: pd.concat([column, column.iloc[:1]]) for name, column in columns().items()},
            "Keep one.",
            lambda c: {name: column[~column.index.duplicated()] for name, column in c.items()},
        ),
    ),
    "no name": (
        c_index,
        Remedy(
            {name: column.rename({"p03": ""}) for name, column in columns().items()},
            "Fill it in.",
            lambda c: {name: column.rename({"": "p03"}) for name, column in c.items()},
        ),
    ),
    "a table": (
        c_index,
        Remedy(
            columns(score=SCORE.to_frame()),
            "give one value for each patient",
            changed("score", lambda table: table.iloc[:, 0]),
        ),
    ),
    "one title twice": (
        compared,
        Remedy(
            columns(scores=pd.concat([SCORE, P], axis=1, keys=["m", "m"])),
            "rename or drop one",
            lambda c: c | {"scores": c["scores"].set_axis(["m", "n"], axis=1)},
        ),
    ),
    "one model": (
        compared,
        Remedy(
            columns(scores={"m": SCORE}),
            "a comparison needs at least two models",
            lambda c: c | {"scores": c["scores"] | {"n": P}},
        ),
    ),
    "no mapping": (
        compared,
        Remedy(
            columns(scores=[SCORE, P]),
            "a mapping of names to columns is needed",
            lambda c: c | {"scores": dict(zip("mn", c["scores"], strict=True))},
        ),
    ),
    "a stage": (
        stage,
        Remedy(
            {"stage": pd.Series(["III", "IVa"])}, "Correct it", lambda c: {"stage": ["III", "IVA"]}
        ),
    ),
}
EXPECTED = {
    c_index: c_index(columns()),
    brier: brier(columns()),
    compared: compared(columns(scores={"m": SCORE, "n": P})),
    agreed: ((P > 0.5) & EVENT).sum() / EVENT.sum(),
    stage: 1,
}


@pytest.mark.parametrize("name", MAIN)
def test_what_the_gate_tells_is_done(name):
    call, remedy = MAIN[name]
    with pytest.raises(ValueError) as refusal:
        call(remedy.plant)
    assert remedy.told in str(refusal.value)
    assert call(remedy.follow(remedy.plant)) == pytest.approx(EXPECTED[call], abs=1e-12)


def test_patients_without_a_value_are_left_out_as_told():
    patients = put(SCORE, np.nan).dropna().index
    assert len(patients) == 29
    assert 0 < c_index({name: column[patients] for name, column in columns().items()}) < 1


NOT_HERE = {
    "check the split or the label": "one class only: no column is wrong, and a part is left out",
    "give the scores of at least one": "as 'at least two models'",
}


def test_no_remedy_of_the_gate_is_left_untried():
    texts = told_in("npc_helpers/statistics/gate.py")
    assert len(texts) >= 14
    assert not not_followed(texts, {name: remedy for name, (_, remedy) in MAIN.items()}, NOT_HERE)
