"""The words that a description may keep when names are taken out: a fixed list, and no other.

They name sequences, planes, regions, fat and water. Those of contrast agents, and of what says that
there was none, are the words by which `npc_intake.find.contrast` judges. A name that is also one of
these words cannot be told from it; no number longer than three digits is among them.
"""

import re
import unicodedata
from functools import cache, lru_cache
from itertools import pairwise

from npc_intake.find import contrast_words
from npc_intake.find.contrast import contrast_in_words
from npc_intake.find.plain_text import unaccented
from npc_intake.find.sequence_words import EAST_ASIAN, TECHNIQUE
from npc_intake.find.series_names import WORDS, kind_by_name, parts_by_name, plain_name

BRIEF = re.compile(  # numbers with their unit, and b-values
    r"\d{1,2}([.,]\d)?(mm|min|sec|s|cm|ml|cc|mmol|nex|ch|x|pl|plane|d|t)|b[0-3]?\d?[05]0?0?"
)
NUMBERED = re.compile(r"([a-z]+)([234]d\d{0,2}[a-z]?|\d{0,2})")  # tse2d1, fm2d2r, echo2
UNLISTED = "words of the description were not listed"  # second value of DeidentificationMethod
_PARTS = re.compile(r"([\s_,;:/()\[\]{}=&*'\"’+±?<>|–−-]+|(?<!\d)\.|\.(?!\d))")
_EAST_ASIAN = re.compile(r"([\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+)")
_BY_CASE = re.compile(r"[Tt][12](?:[Ww](?![a-z]))?|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d\D*|.")
_SAID_TWICE = re.compile(r"([\s_])[\s_]+")
_ENDS = re.compile(r"^[\s_,;:/=&.|]+|[\s_,;:/=&.|]+$")
_EMPTY = re.compile(r"[(\[{][^\w+±–−-]*[)\]}]")


@lru_cache(maxsize=4096)
def kept_words(text: str) -> str:
    """Return a description with the words of the list, in their order; all others go.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Kept words are written as they were, signs such as ``+`` stay between them. A text that
        holds nothing else comes back unchanged. Where what is left would say something else of a
        contrast agent than the whole text, no word that could speak of one is kept. A kind of
        series that was named in other words is named in those of `series_names.WORDS`.

    Examples
    --------
    >>> kept_words("WATER: Ax T1 FSE +C"), kept_words("Dr_Wu 47114711 t1_tse_tra ohne KM")
    ('WATER: Ax T1 FSE +C', 't1_tse_tra ohne KM')
    """
    text = unicodedata.normalize("NFKC", text).strip()
    kept = _reduced(text, _words())
    if contrast_in_words(kept).answer not in ("", contrast_in_words(text).answer):
        kept = _reduced(text, _words_without_contrast())  # "post RT" must not become "post"
    said, says = _told(text), _told(kept)
    if says - said:  # "T2 in Bern" must not become "T2 in"
        kept, says = "", set()
    return " ".join(filter(None, [kept, *(WORDS[kind] for kind in sorted(said - says))]))


def unlisted_words(text: str) -> list[str]:
    """Return the words of a description of which nobody knows what they say: the list lacks them.

    What has fewer than three letters (p2, a pair of initials) says nothing of what is shown.

    Examples
    --------
    >>> unlisted_words("T2 rodilla tra_p2 320"), unlisted_words("t2_tse_tra_fs")
    (['rodilla'], [])
    """
    text, listed, result = unicodedata.normalize("NFKC", text), _words(), []
    for part in _PARTS.split(text)[::2]:
        for number, piece in enumerate(_EAST_ASIAN.split(part)):
            is_asian = bool(number % 2)
            unknown = (
                _longest_words(piece, listed) != piece
                if is_asian
                else (re.search(r"[^\W\d_]{3}", piece) and not _is_listed(piece, listed))
            )
            result += [piece] * bool(unknown)
    return result


def _told(text: str) -> set[str]:
    """Return the kinds and the Dixon parts that a description names."""
    name = plain_name(text)
    told = kind_by_name(name)
    return {*parts_by_name(name), *([told[0]] if told else [])}


def _reduced(text: str, listed: frozenset[str]) -> str:
    while (kept := _one_pass(text, listed)) != text:  # what goes may leave another word alone
        text = kept
    return text


def _one_pass(text: str, listed: frozenset[str]) -> str:
    parts = _PARTS.split(text)
    signs = parts[1::2]
    kept = [_kept(part, listed) for part in parts[::2]]
    words = _without_lone_letters(parts[::2], kept, signs)
    if not any(words):
        return ""
    result = words[0]
    for sign, left, right in zip(signs, pairwise(parts[::2]), pairwise(words), strict=True):
        result += _sign(sign, *(not b or bool(k) for b, k in zip(left, right, strict=True)))
        result += right[1]
    return _ENDS.sub("", _EMPTY.sub(" ", _SAID_TWICE.sub(r"\1", result)))


def _without_lone_letters(given: list[str], kept: list[str], signs: list[str]) -> list[str]:
    """Drop single letters beside a word that went: initials of a name. ``C+`` is none."""
    result = list(kept)
    for i, word in enumerate(kept):
        near = [n for n in (i - 1, i + 1) if 0 <= n < len(given) and given[n]]
        around = "".join(signs[max(i - 1, 0) : i + 1])
        is_agent = word in ("C", "c") and ("+" in around or "-" in around)
        if len(word) == 1 and not is_agent and not all(kept[n] for n in near):
            result[i] = ""
    return result


def _sign(sign: str, left: bool, right: bool) -> str:
    """Return what may stay of the signs between two words, of which one or both may have gone."""
    if left and right:
        return sign
    blank = re.split(r"[\s_]+", sign)
    if len(blank) == 1:  # it joins both
        return " "
    return f"{blank[0] if left else ''} {blank[-1] if right else ''}"


def _kept(part: str, listed: frozenset[str]) -> str:
    """Return what may stay of what stands between two signs."""
    pieces = _EAST_ASIAN.split(part)
    return "".join(
        _longest_words(piece, listed) if number % 2 else piece if _is_listed(piece, listed) else ""
        for number, piece in enumerate(pieces)
    )


def _is_listed(word: str, listed: frozenset[str]) -> bool:
    plain = unaccented(word)
    if plain in listed or BRIEF.fullmatch(plain):
        return True
    numbered = NUMBERED.fullmatch(plain)
    if numbered and numbered[1] in listed and len(numbered[1]) > 1:
        return True
    pieces = _BY_CASE.findall(word) if word.isascii() else []  # of "Şen" it would make two words
    return len(pieces) > 1 and all(unaccented(piece) in listed for piece in pieces)


def _longest_words(text: str, listed: frozenset[str]) -> str:
    """Return the listed words of a text without blanks between words."""
    kept, at = "", 0
    while at < len(text):
        length = next((n for n in range(6, 1, -1) if text[at : at + n] in listed), 0)
        kept += text[at : at + length]
        at += length or 1
    return kept


@cache
def _words() -> frozenset[str]:
    western = {unaccented(word) for word in (*TECHNIQUE.split(), *contrast_words.whole_words())}
    before, agents, after = contrast_words.east_asian()
    joined = {f"{first}{agent}" for agent in agents for first in before}
    joined |= {f"{agent}{last}" for agent in agents for last in after}
    return frozenset({*western, *EAST_ASIAN.split(), *joined})


@cache
def _words_without_contrast() -> frozenset[str]:
    said = {unaccented(word) for word in contrast_words.all_of(*contrast_words.SPOKEN)} - {"w"}
    return frozenset({*TECHNIQUE.split(), *EAST_ASIAN.split()} - said)
