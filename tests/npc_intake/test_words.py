"""The words that stay of a description: a fixed list, so that no name and no number can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from npc_intake.find import contrast_words
from npc_intake.identity.words import EAST_ASIAN, TECHNIQUE, kept_words

LISTED = [*TECHNIQUE.split(), *EAST_ASIAN.split(), *contrast_words.whole_words()]
NAMES = (
    "Tim Small",
    "Smith",
    "^".join(("DOE", "JANE")),
    "Wu",
    "李伟",
    "王平",
    "Иванов",
    "Müller",
    "O'Neill",
    "김민수",
    "Şen",  # its letters alone, ş and en, are listed words
    "Öz",
)
NUMBERS = ("47114711", "47114", "1234", "19630314", "1963-03-14", "4-7-1-1", "4,7,1,1", "b4711")


@pytest.mark.parametrize(
    "text",
    [
        *("WATER: Ax T2 FSE Flex", "t2_tse_dixon_tra_W", "Ax T1 no contrast", "T1W_TSE +C 7.5ml"),
        *(
            "t1_tse_tra ohne KM",
            "T1 KM-",
            "(C+) AX T1",
            "鼻咽T1增强",
            "未增强",
            "造影剤なし",
            "造影(-) T1",
        ),
        *(
            "T1 с контрастом",
            "pré contraste",
            "PostGad T1",
            "*fl3d1",
            "*fm2d2r",
            "ep_b1000",
            "T1 +/- C",
        ),
        *("gre_field_ph", "3D T1 MPRAGE 1.0mm iso", "SENSE-Head", "In-phase TSE", ""),
    ],
)
def test_listed_words_and_signs_stay_as_they_are(text):
    assert kept_words(text) == text


@pytest.mark.parametrize("name", [*NAMES, *NUMBERS])
@pytest.mark.parametrize(
    "text", ["{}", "T1 {} tra", "{}_T1 +C", "t1_{}", "T1 ({}) KM-", "{}-contrast"]
)
def test_names_and_numbers_go(name, text):
    kept = kept_words(text.format(name))
    assert kept.replace("  ", " ") == kept and not any(
        sign.isdigit() for sign in kept.replace("T1", "").replace("t1", "")
    )
    for part in name.replace("^", " ").replace("'", " ").split():
        assert part not in kept, kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("John W. Smith", ""),  # a letter alone is an initial
        ("t1_tra_W", "t1_tra_W"),
        ("Gadovist 7,5 ml (Dr. Wu)", "Gadovist"),
        ("contrast-SMITH", "contrast"),  # and not "contrast-", which says without
        ("T1_KM-_Smith", "T1_KM-"),
        ("王平增强前", "增强前"),
        ("王平 T1", "T1"),  # 平 is part of a listed word, and of a name
        ("T1\\Smith", ""),
        ("<b>T1</b>", "T1"),
    ],
)
def test_what_stands_beside_a_name(text, kept):
    assert kept_words(text) == kept


words = st.one_of(st.sampled_from(LISTED), st.sampled_from(NAMES + NUMBERS), st.text(max_size=6))
signs = st.text(alphabet=" _-+/(),.:*=&[]{}<>|'\"±\t", max_size=3)


@given(st.lists(st.tuples(signs, words), max_size=6))
def test_a_second_time_changes_nothing(parts):
    kept = kept_words("".join(sign + word for sign, word in parts))
    assert kept_words(kept) == kept


def test_no_listed_word_is_a_number_of_a_person():
    assert not [word for word in LISTED if sum(sign.isdigit() for sign in word) > 2]


@pytest.mark.parametrize("word", contrast_words.whole_words())
def test_every_word_that_is_judged_may_stay(word):
    """What `find` reads before names are out, it reads afterwards."""
    assert kept_words(f"T1 {word}") == f"T1 {word}"


@pytest.mark.parametrize("name", ["Gadomski", "Kontrastow", "Contrasta Smith", "Injecteur", "안미"])
def test_no_free_ending_stays(name):
    assert "".join(kept_words(f"T1 {name} tra").split()) == "T1tra"


def test_signs_of_without_stay_at_the_agent_only():
    assert kept_words("조영안 T1") == "T1"  # without the last sign it would say the opposite
    assert kept_words("조영전 T1") == "조영전 T1"
    assert kept_words("无增强 没做增强 无名 T1") == "无增强 没做增强 T1"
