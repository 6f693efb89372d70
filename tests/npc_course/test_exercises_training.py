"""Exercises on training networks: counts made by hand, and each usual mistake named."""

import numpy as np
import pandas as pd
import pytest

from npc_helpers.statistics import Estimate, c_index, roc_auc

pytestmark = pytest.mark.usefixtures("small_hospital")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.6931, "right. A network with a loss of 0.693"),
        ("0.69", "right"),
        (0.5, "the accuracy"),
        (-0.693, "never negative"),
        (1, "In bits"),
        (0.301, "base of ten"),
        (2, "It is not 2"),
        ("ln 2", "should be a number"),
    ],
)
def test_undecided_loss(value, words, answers):
    assert words in answers("03.1", value)


def test_images_are_set_aside_with_their_patients(answers):
    who = np.array(["a", "a", "b", "b", "c", "c", "d", "d", "e", "e"])
    said = answers("03.2", who == "b", who=who)
    assert "right. 1 patients with 2 images watch, 4 train" in said
    by_image = [True, False] * 2 + [False] * 6
    assert "2 of 5 patients are on both sides" in answers("03.2", by_image, who=who)
    assert "0% of the images are set aside" in answers("03.2", [False] * 10, who=who)
    assert "80% of the images" in answers("03.2", who != "b", who=who)
    assert "one `True` or `False` for each" in answers("03.2", [True], who=who)


@pytest.mark.parametrize("numbers", [range(1, 4), range(18, 21), range(8, 14)])
def test_neighbours_in_the_list_are_not_drawn(numbers, answers):
    """The first fifth, the last, a block in the middle; by name, and in the order of the images."""
    for arrival in (1, -1):
        who = np.repeat([f"H-{n:02d}" for n in range(1, 21)], 3)[::arrival]
        aside = np.isin(who, [f"H-{n:02d}" for n in numbers])
        said = answers("03.2", aside, who=who)
        assert f"These {len(numbers)} patients follow one another" in said
    shuffled = np.random.default_rng(4).permutation(np.unique(who))
    who = np.repeat(shuffled, 3)
    aside = np.isin(who, shuffled[:4])
    assert "These 4 patients follow" in answers("03.2", aside, who=who)
    every_fifth = np.isin(who, np.unique(who)[::5])
    assert "right. 4 patients with 12 images watch" in answers("03.2", every_fifth, who=who)


def test_flags_of_another_kind_are_not_taken(answers):
    who = np.array(["a", "a", "b", "b", "c", "c", "d", "d", "e", "e"])
    assert "one `True` or `False` for each" in answers("03.2", "b", who=who)


def test_which_loss_ends_lower(answers):
    def losses(*values):
        return pd.DataFrame({"loss": values})

    runs = {"transferred": losses(0.8, 0.71), "random": losses(0.7, 0.72)}
    assert "right. They end at 0.71 (transferred) and 0.72" in answers("03.3", "Neither", **runs)
    assert "not yet. The two losses end 0.01 apart" in answers("03.3", "transferred", **runs)
    runs["transferred"] = losses(0.8, 0.5)
    assert "right" in answers("03.3", "transferred", **runs)
    assert "0.22 apart" in answers("03.3", "random", **runs)
    assert '`"random"` or `"neither"`' in answers("03.3", "both", **runs)


def test_patients_are_counted_and_not_their_images(answers):
    """Four images of each of six patients: the same order, and an interval half as wide."""
    p = {"a": 0.9, "b": 0.6, "c": 0.7, "d": 0.65, "e": 0.3, "f": 0.1}
    images = [
        {"patient_id": name, "timepoint": "pre", "sequence": "t2w", "slice_index": k}
        | {"high_risk": name in "abc", "p_high_risk": value}
        for name, value in p.items()
        for k in range(4)
    ]
    table = pd.DataFrame(images)
    right = roc_auc([True] * 3 + [False] * 3, list(p.values()))
    of_images = roc_auc(table.high_risk, table.p_high_risk)
    assert right.value == of_images.value == pytest.approx(8 / 9)
    said = answers("03.4", right, predictions=table)
    wider = (right.high - right.low) / (of_images.high - of_images.low)
    assert f"right. 6 patients give an interval {wider:.1f} times as wide as 24 images" in said
    assert "counts 24 images as so many people" in answers("03.4", of_images, predictions=table)
    assert "It is not 0.500" in answers("03.4", Estimate(0.5, 0.4, 0.6), predictions=table)
    assert "as `roc_auc` returns it" in answers("03.4", 0.889, predictions=table)


# --- the second model, and luck -----------------------------------------------------------------


def risk(*values):
    return pd.Series(values, [f"H-{number:02d}" for number in range(len(values))])


def test_first_look(answers):
    looks = {"before": risk(0.7, 0.8), "after": risk(0.5, 0.6)}
    assert "right. Shown the images before treatment, it says 0.75" in answers(
        "04.1", "higher", **looks
    )
    assert "not yet. The mean moves by +0.20" in answers("04.1", "lower", **looks)
    assert "right" in answers("04.1", "same", before=looks["after"] + 0.01, after=looks["after"])
    assert '`"lower"` or `"same"`' in answers("04.1", "more", **looks)


@pytest.fixture
def tested():
    """Eighty patients whom both models find hard in the same places: a paired comparison gains."""
    rng = np.random.default_rng(3)
    hard, months = rng.normal(size=80), rng.exponential(40, 80)
    rows = [f"H-{number:02d}" for number in range(80)]
    test = pd.DataFrame({"pfs_months": months, "progressed": rng.random(80) < 0.7}, index=rows)
    signal = -np.log(months)
    pre = pd.Series(signal + 2 * hard + 0.3 * rng.normal(size=80), rows)
    post = pd.Series(signal + 1.6 * hard + 0.3 * rng.normal(size=80), rows)
    return {"test": test, "pre": pre, "post": post}


def drawn(tested, together):
    rng, n, differences = np.random.default_rng(1), 80, []
    months, event = tested["test"].pfs_months.to_numpy(), tested["test"].progressed.to_numpy()
    for _ in range(200):
        rows = rng.integers(n, size=n)
        others = rows if together else rng.integers(n, size=n)
        c = [
            c_index(months[chosen], event[chosen], tested[model].to_numpy()[chosen]).value
            for model, chosen in (("post", rows), ("pre", others))
        ]
        differences.append(c[0] - c[1])
    return differences


def test_patients_are_drawn_once_for_both_models(answers, tested):
    together, apart = drawn(tested, True), drawn(tested, False)
    rows, others = np.random.default_rng(2).integers(80, size=(2, 80))
    assert np.std(apart) > 1.5 * np.std(together)
    same = {"drawn": (rows, rows.copy()), **tested}
    said = answers("04.2", together, **same)
    assert f"right. Drawn together, the differences scatter by {np.std(together):.3f}" in said
    said = answers("04.2", apart, **same)
    assert f"not yet. Their standard deviation is {np.std(apart):.3f}" in said
    assert "far from the observed" in answers("04.2", np.array(together) + 1, **same)
    assert "not yet" in answers("04.2", np.full(200, np.mean(together)), **same)
    assert "at least 100 differences" in answers("04.2", together[:20], **same)
    for of_post in (others, np.arange(80), rows[::-1]):  # even if the spread came out right by luck
        said = answers("04.2", together, **tested, drawn=(rows, of_post))
        assert "not yet. The last draw took other patients" in said
    everybody = (np.arange(80), np.arange(80))
    assert "every patient once" in answers("04.2", together, **tested, drawn=everybody)


def test_larger_luck(answers, tested):
    test, model = tested["test"], tested["post"]
    nearly = {seed: model + 0.01 * seed for seed in (1, 2, 3)}  # the same order three times
    said = answers("04.3", "patients", test=test, risk=nearly)
    assert "right. 0.000 over 3 seeds, 0.0" in said
    assert "The standard deviations are 0.000 over 3 seeds" in answers(
        "04.3", "seed", test=test, risk=nearly
    )
    unlike = {1: model, 2: -model, 3: model}
    assert "right" in answers("04.3", "seed", test=test, risk=unlike)
    assert 'should be `"seed"` or' in answers("04.3", 3, test=test, risk=unlike)


def test_answers_that_depend_on_the_seed(answers):
    seeds = {1: risk(0.6, 0.4, 0.7, 0.2), 2: risk(0.4, 0.4, 0.8, 0.1), 3: risk(0.6, 0.3, 0.9, 0.3)}
    assert "right. 1 of 4 patients" in answers("04.4", 1, risk=seeds)
    assert "same with every seed" in answers("04.4", "3", risk=seeds)
    assert "Of 4 patients, it is not 2" in answers("04.4", 2, risk=seeds)
    assert "a whole number of patients" in answers("04.4", [1, 2], risk=seeds)
