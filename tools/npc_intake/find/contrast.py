"""Was a contrast agent given? What tags and descriptions say, in the languages of hospitals.

The answer is ``yes``, ``no`` or ``unclear``; blank where nothing says anything. A word for
"without" or "before" turns the agent it stands at, "post-ictal" is no agent, and what is said
twice and differently is unclear. The words are in `contrast_words`.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from npc_intake.find import contrast_words as words
from npc_intake.find.image_types import CONTRAST, words_of
from npc_intake.find.plain_text import unaccented
from npc_intake.find.sequence_words import EAST_ASIAN, TECHNIQUE

ROLES = (  # tables of `contrast_words`; where a word stands in several, the first counts
    *("AGENT", "PLAIN", "BEFORE", "AFTER", "WITHOUT", "BOTH", "BEFORE_IT", "WITH", "DOUBT"),
    *("BETWEEN", "TECHNIQUE"),
)
EVERYWHERE = "agent in every series"  # of an image: see `is_agent_given`


class Contrast(NamedTuple):
    """Whether an agent was given.

    Attributes
    ----------
    answer : str
        ``yes``, ``no``, ``unclear``, or blank where nothing says anything.
    evidence : tuple of str
        What says so, each a clause.
    """

    answer: str
    evidence: tuple[str, ...] = ()


# --- words ----------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def contrast_in_words(text: str) -> Contrast:
    """Judge a description, the name of a protocol or of an agent.

    Parameters
    ----------
    text : str
        In any of the languages of `contrast_words`, mixed as they come.

    Returns
    -------
    Contrast
        The evidence quotes the words that decide.

    Examples
    --------
    >>> contrast_in_words("t1_tse_tra_KM")
    Contrast(answer='yes', evidence=("'km'",))
    >>> contrast_in_words("T1 ohne KM").answer, contrast_in_words("T1 post-ictal").answer
    ('no', '')
    """
    tokens = _tokens(text)
    said = [found for at in range(len(tokens)) if (found := _judged(tokens, at))]
    answers = {answer for answer, _ in said}
    evidence = tuple(dict.fromkeys(f"'{quoted}'" for _, quoted in said))
    if not answers:
        return Contrast("")
    return Contrast(answers.pop() if len(answers) == 1 else "unclear", evidence)


class _Token(NamedTuple):
    text: str
    role: str
    before: bool  # a blank (or nothing) stands before it
    after: bool


def _lookup() -> dict[str, str]:
    """Return word -> role; the first of several roles counts."""
    roles = {}
    for role in ROLES:
        for word in words.all_of(getattr(words, role)):
            roles.setdefault(word, role)
    return roles


_ROLES = _lookup()
_STEMS = sorted((word[:-1] for word in _ROLES if word.endswith("*")), key=len, reverse=True)
_ASIAN = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_ASIAN_WORDS = sorted(
    {
        word
        for word in [*_ROLES, *words.all_of(words.NOT_GIVEN), *words.all_of(words.AND)]
        if re.match(f"[{_ASIAN}]", word)
    },
    key=len,
    reverse=True,
)
_PIECE = re.compile("|".join([*_ASIAN_WORDS, f"[^\\W{_ASIAN}]+", r"[^\s]"]))
_AGENTS = "|".join(
    re.escape(word[:-1]) + r"\w*" if word.endswith("*") else re.escape(word)
    for word in words.all_of(words.AGENT)
)
_COMPOUND = re.compile(rf"\b(post?|pre|non?|un|wo|nach|vor|mit|ohne|sans|without)(?={_AGENTS}\b)")
_NOT_GIVEN, _AND = set(words.all_of(words.NOT_GIVEN)), set(words.all_of(words.AND))
_NO_AGENT = frozenset(words.all_of(words.NO_AGENT))
_ALONE = set(words.all_of(words.ALONE))
_TECHNIQUE = {word for word in words.all_of(words.TECHNIQUE) if not word.endswith("*")}
_SAYS_NOTHING = (
    set(words.BESIDE.split()) | _TECHNIQUE | set(TECHNIQUE.split()) | set(EAST_ASIAN.split())
)
_LONG_AGENTS = "contrast contraste kontrast contrasto kontrastmittel gadolinium gadolinio".split()
_PASSED = ("BETWEEN", "AGENT")  # on the way from an agent to what says that it was given, or not
_OPPOSITE = {"WITHOUT": "WITH", "WITH": "WITHOUT", "BEFORE": "AFTER", "AFTER": "BEFORE"}
SPELT_ALIKE = 0.85  # contast and gadolinum are read as they are meant; contact is not


def _plain(text: str) -> str:
    """Return lower-case text without accents on Latin letters, abbreviations written out."""
    text = unicodedata.normalize("NFKC", text).replace("_", " ")
    text = re.sub("[‐‑–—−]", "-", text).replace("’", "'")
    text = re.sub(r"M[dD]C", "MDC", text)
    text = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", text)  # PostGad
    text = unaccented(text)
    text = re.sub(rf"(?<=\bt[12])(?=w?(?:c|post|pre|{_AGENTS})\b)", " ", text)  # t1ce
    text = re.sub(rf"(?<=\bt[12] w)(?=(?:c|post|pre|{_AGENTS})\b)", " ", text)
    return _COMPOUND.sub(r"\1 ", text)


def _tokens(text: str) -> list[_Token]:
    text = re.sub(words.ELSEWHERE, " ~ ", _plain(text))
    for spelling, meaning in words.SPELLINGS:
        text = re.sub(spelling, meaning, text)
    text = re.sub(r"[()\[\]{}]", " ", text)
    tokens = []
    for match in _PIECE.finditer(text):
        blank_before = match.start() == 0 or text[match.start() - 1].isspace()
        blank_after = match.end() == len(text) or text[match.end()].isspace()
        tokens.append(_Token(match.group(), _role(match.group()), blank_before, blank_after))
    return tokens


def _role(word: str) -> str:
    stem = next((stem for stem in _STEMS if word.startswith(stem)), None)
    role = _ROLES.get(word) or (_ROLES[f"{stem}*"] if stem else "")
    if not role and len(word) >= min(map(len, _LONG_AGENTS)) - 1:
        return "AGENT" if get_close_matches(word, _LONG_AGENTS, 1, SPELT_ALIKE) else ""
    return role


def _judged(tokens: list[_Token], at: int) -> tuple[str, str] | None:
    """Return what the token at one place says, and the words that say it."""
    token = tokens[at]
    if token.role == "PLAIN":
        return "no", token.text
    if token.role == "BOTH":
        return "unclear", token.text
    if token.role == "AGENT" and _role_at(tokens, at + 1) == "AGENT" and not _is_parted(tokens, at):
        return None  # "注射造影剂": the second speaks for both
    if token.role == "AGENT" or _is_c(tokens, at):
        return _judged_agent(tokens, at)
    if token.text == "c":
        return _sign(tokens, at)
    if token.role in ("BEFORE", "AFTER") and token.text.startswith(("pre", "pos")):
        if _text(tokens, at + 1) in _AND and _role_at(tokens, at + 2) in ("BEFORE", "AFTER"):
            return "unclear", _quote(tokens, at, at + 2)
        rest = at + 1 + (_text(tokens, at + 1) in ("-", "/", ",", ";", ":", "(", ")"))
        if rest >= len(tokens) or _is_technique(tokens[rest]) or _is_minutes(tokens[rest]):
            return ("no" if token.role == "BEFORE" else "yes"), token.text
    if token.text in _ALONE and at == len(tokens) - 1:
        both = _text(tokens, at - 1) in _AND and _role_at(tokens, at - 2) == "WITH"
        return ("unclear" if both else "no"), _quote(tokens, at - 2 * both, at)
    return None


def _is_parted(tokens: list[_Token], at: int) -> bool:
    """Tell whether a blank parts a token from the next one."""
    return tokens[at].after or tokens[at + 1].before


def _is_c(tokens: list[_Token], at: int) -> bool:
    """Tell whether a single letter c means contrast: +c, c+, t1c."""
    neighbours = {_text(tokens, at - 1), _text(tokens, at + 1)}
    weighting = _text(tokens, at - 1) in ("t1", "t1w", "w")
    return tokens[at].text == "c" and (bool(neighbours & {"+", "±"}) or weighting)


def _judged_agent(tokens: list[_Token], at: int) -> tuple[str, str]:
    sign = _sign(tokens, at)
    if sign:
        return sign
    first = at - 1  # "sans injection de gado": what stands between belongs to the agent
    while first >= 0 and (tokens[first].role in _PASSED or tokens[first].text in "-./:,('"):
        first -= 1
    role = _role_at(tokens, first)
    if role == "DOUBT":
        return "unclear", _quote(tokens, first, at)
    if role in _OPPOSITE:
        both = _role_at(tokens, first - 2) == _OPPOSITE[role]
        if both and _text(tokens, first - 1) not in _SAYS_NOTHING:
            return "unclear", _quote(tokens, first - 2, at)
        if role in ("WITHOUT", "BEFORE"):
            return "no", _quote(tokens, first, at)
    if tokens[at].role == "AGENT" and _is_unknown(tokens, first):
        return "unclear", _quote(tokens, first, at)
    is_parted = _text(tokens, at + 1) in (":", "=", "-")
    after = at + 1 + is_parted
    if _role_at(tokens, at + 1) == "BEFORE_IT" or _is_not_given(tokens, after):
        return "no", _quote(tokens, at, min(after, len(tokens) - 1))
    refusal = _role_at(tokens, after) == "WITHOUT" and _is_unknown(tokens, after + 1)
    if _text(tokens, after) == "?" or _role_at(tokens, after) == "DOUBT" or refusal:
        return "unclear", _quote(tokens, at, after)
    return "yes", tokens[at].text


def _sign(tokens: list[_Token], at: int) -> tuple[str, str] | None:
    """Return what a minus at the agent says: km-, -km; a hyphen between words says nothing."""
    token = tokens[at]
    if _text(tokens, at + 1) == "-":
        minus = tokens[at + 1]
        if (not token.after and minus.after) or at + 2 == len(tokens):
            return "no", f"{token.text}-"
    if at and tokens[at - 1].text == "-" and not token.before:
        if tokens[at - 1].before:
            return "no", f"-{token.text}"
        if token.text == "c" and _text(tokens, at + 1) != "+":
            return "unclear", f"-{token.text}"
    if "±" in (_text(tokens, at - 1), _text(tokens, at + 1)):
        return "unclear", f"±{token.text}"
    return None


def _is_not_given(tokens: list[_Token], at: int) -> bool:
    """Tell whether the words after the agent say that it was not given."""
    if at >= len(tokens):
        return False
    if re.fullmatch("0(ml|cc|mmol)?", tokens[at].text) and _text(tokens, at + 1) not in (".", ","):
        return True  # "0 ml", not "0.1 mmol"
    is_last = at == len(tokens) - 1
    asian = bool(re.match(f"[{_ASIAN}]", tokens[at].text))
    is_answer = tokens[at - 1].text in (":", "=") and (is_last or tokens[at].text == "0")
    if tokens[at].text == "notgiven" or (is_answer and tokens[at].text in {"0", *_NO_AGENT}):
        return True
    return tokens[at].text in _NOT_GIVEN and (is_last or asian)


def _is_unknown(tokens: list[_Token], at: int) -> bool:
    """Tell whether a word stands here of which nobody knows what it says: "without" in Basque?"""
    text = _text(tokens, at)
    if not text.isalpha():
        return False
    says_nothing = tokens[at].role or text in _SAYS_NOTHING or re.match(f"[{_ASIAN}]", text)
    return not (says_nothing or _is_c(tokens, at))


def _is_technique(token: _Token) -> bool:
    return token.role == "TECHNIQUE" or token.text in _TECHNIQUE


def _is_minutes(token: _Token) -> bool:
    return bool(re.fullmatch(r"\d+(min|m|s|sec)?", token.text))


def _text(tokens: list[_Token], at: int) -> str:
    return tokens[at].text if 0 <= at < len(tokens) else ""


def _role_at(tokens: list[_Token], at: int) -> str:
    return tokens[at].role if 0 <= at < len(tokens) else ""


def _quote(tokens: list[_Token], first: int, last: int) -> str:
    quoted = tokens[max(first, 0) : last + 1]
    return "".join(token.text + " " * token.after for token in quoted).strip()


# --- a series -------------------------------------------------------------------------------------


def contrast_of(images: Sequence[Mapping[str, str]]) -> Contrast:
    """Judge a series by all its images.

    The description and the tags of the agent must not contradict each other. The name of the
    protocol is often copied from another examination: it can raise a doubt, but not decide. Nor can
    an agent in the tags of every series of the examination (`EVERYWHERE`): scanners that have it
    filled in beforehand say it of images before the injection, too.

    Parameters
    ----------
    images : sequence of mapping of str to str
        As `dicom_headers.read_images` returns them.

    Returns
    -------
    Contrast
    """
    tags = _by_all_tags(images)
    described = _by_text(images, "SeriesDescription", "the description says")
    protocol = _by_text(images, "ProtocolName", "the protocol is called")
    evidence = tags.evidence + described.evidence
    if tags.answer == "yes" and any(EVERYWHERE in image for image in images):
        evidence += ("all series of the examination name the agent, so this tells nothing",)
        tags = tags._replace(answer="" if described.answer else "unclear")
    answers = {tags.answer, described.answer} - {""}
    opposite = {"yes": "no", "no": "yes"}.get(protocol.answer, "")
    if protocol.answer and (not answers or opposite in answers):
        evidence += protocol.evidence
        answers = {"unclear"}
    if not answers:
        return Contrast("", evidence)
    return Contrast(answers.pop() if len(answers) == 1 else "unclear", evidence)


def is_agent_given(images: Sequence[Mapping[str, str]]) -> bool:
    """Tell whether the tags of all images of a series say that an agent was given."""
    return _by_all_tags(images).answer == "yes"


def _by_all_tags(images: Sequence[Mapping[str, str]]) -> Contrast:
    elements = ("ContrastBolusAgent", "ContrastBolusAgentAdministered", "ContrastBolusVolume")
    told = {
        (*(image.get(element, "") for element in elements), words_of(image) & frozenset(CONTRAST))
        for image in images
    }
    return _together([_by_tags(*values) for values in sorted(told, key=str)])


def _by_text(images: Sequence[Mapping[str, str]], keyword: str, says: str) -> Contrast:
    found = [contrast_in_words(text) for text in sorted({i.get(keyword, "") for i in images})]
    joined = _together(found)
    return Contrast(joined.answer, tuple(f"{says} {quoted}" for quoted in joined.evidence))


def _together(found: list[Contrast]) -> Contrast:
    """Join what the images say; where they differ it is unclear."""
    answers = {item.answer for item in found}
    evidence = tuple(dict.fromkeys(clause for item in found for clause in item.evidence))
    if len(answers) == 1:
        return Contrast(answers.pop(), evidence)
    return Contrast("unclear", (*evidence, "not the same on all images"))


@lru_cache(maxsize=1024)
def _by_tags(agent: str, administered: str, amount: str, types: frozenset[str]) -> Contrast:
    """Judge agent and volume of an image, and what an enhanced object says of its frames."""
    answers = {CONTRAST[word] for word in types}
    evidence = [f"ImageType says {word}" for word in sorted(types)]
    if agent and agent.casefold() not in words.all_of(words.NO_ANSWER):
        answers.add(_by_agent(agent))
        evidence.append(f"contrast agent '{agent}'")
    given = set(administered.lower().split("\\")) & {"yes", "no"}
    if given:
        answers |= given
        evidence.append(f"agent administered: {administered}")
    try:
        volume = float(amount)
    except ValueError:
        volume = -1.0
    if volume > 0 or (volume == 0 and answers):
        answers.add("yes" if volume else "no")
        evidence.append(f"{volume:g} ml of an agent")
    answer = "" if not answers else answers.pop() if len(answers) == 1 else "unclear"
    return Contrast(answer, tuple(evidence))


def _by_agent(agent: str) -> str:
    """Judge the name that the tag gives the agent: it may say that there was none."""
    if _plain(agent).strip() in words.all_of(words.NO_AGENT):
        return "no"
    if re.fullmatch(r"[0.,]*0[0.,]*( ?(ml|cc|mmol))?", agent.casefold().strip()):
        return "no"
    return contrast_in_words(agent).answer or "yes"
