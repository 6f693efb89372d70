"""Whether words say that a contrast agent was given: a small grammar.

A text says something in clauses, each of which is an answer; where they differ it is unclear::

    clause := [before] agent [after]   ohne KM, Gd -, 造影前: without or before says no, else yes
            | plain                    nativ, 平扫: no
            | pre | post               alone, before a technique or a time: T1 pre fs, post 3min
            | without                  at the end: T1 ohne
    before := with | without | pre | post | doubt, and what may stand between: sans injection de
    after  := "-" | not given | before it | doubt | "?"

Opposites side by side (pre/post, mit und ohne) and a word at the agent that nobody knows are
unclear. The words of each kind are tables in `contrast_words`, whose order does not matter.
"""

import re
import unicodedata
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from npc_intake.find import contrast_words as words
from npc_intake.find.plain_text import unaccented
from npc_intake.find.sequence_words import EAST_ASIAN, TECHNIQUE

ROLES = (  # tables of `contrast_words`; where a word stands in several, the first counts
    *("AGENT", "PLAIN", "BEFORE", "AFTER", "WITHOUT", "BOTH", "BEFORE_IT", "WITH", "DOUBT"),
    *("BETWEEN", "TECHNIQUE"),
)
OPPOSITE = {"WITHOUT": "WITH", "WITH": "WITHOUT", "BEFORE": "AFTER", "AFTER": "BEFORE"}
SPELT_ALIKE = 0.85  # contast and gadolinum are read as they are meant; contact is not
# between an agent and what says that it was given, or not: words of these roles, and signs
BETWEEN, SIGNS = ("BETWEEN", "AGENT"), "-./:,('"


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
    sentence = _Sentence(text)
    clauses = [clause for at in range(len(sentence.tokens)) if (clause := sentence.clause(at))]
    answers = {answer for answer, _ in clauses}
    evidence = tuple(dict.fromkeys(f"'{quoted}'" for _, quoted in clauses))
    return Contrast(
        "" if not answers else answers.pop() if len(answers) == 1 else "unclear", evidence
    )


# --- from text to words with a role ---------------------------------------------------------------


class _Token(NamedTuple):
    text: str
    role: str
    before: bool  # a blank (or nothing) stands before it
    after: bool


NOTHING = _Token("", "", True, True)
_ROLES = {  # word -> role
    word: role for role in reversed(ROLES) for word in words.all_of(getattr(words, role))
}
_STEMS = sorted((word[:-1] for word in _ROLES if word.endswith("*")), key=len, reverse=True)
_ASIAN = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_NOT_GIVEN, _AND = set(words.all_of(words.NOT_GIVEN)), set(words.all_of(words.AND))
_NO_ANSWER = set(words.all_of(words.NO_AGENT))
_ASIAN_WORDS = {word for word in {*_ROLES, *_NOT_GIVEN, *_AND} if re.match(f"[{_ASIAN}]", word)}
_PIECE = re.compile(
    "|".join([*sorted(_ASIAN_WORDS, key=len, reverse=True), f"[^\\W{_ASIAN}]+", r"[^\s]"])
)
_AGENTS = "|".join(re.escape(word).replace(r"\*", r"\w*") for word in words.all_of(words.AGENT))
_AFTER_T1 = re.compile(rf"\b(t[12])(w?)(?=(?:c|post|pre|{_AGENTS})\b)")  # t1ce, t1wpost
_COMPOUND = re.compile(  # postgad, okm, precon
    rf"\b(?:(post?|pre|non?|un|wo|nach|vor|mit|ohne|sans|without)(?=(?:{_AGENTS})\b)"
    r"|([mnopv])(?=km\b)|(pre|post?|non?)(?=con(?:tr?)?\b|c\b))"
)
_DOTTED = re.compile(r"\b[a-z](?:\.[a-z])+\b\.?(?!\w)")  # m.d.c.
_WRITTEN = {meaning: re.compile(pattern) for meaning, pattern in words.ABBREVIATIONS.items()}
_LONG_AGENTS = "contrast contraste kontrast contrasto kontrastmittel gadolinium gadolinio".split()
_TECHNIQUE = [word for word in words.all_of(words.TECHNIQUE) if not word.endswith("*")]
_TECHNIQUE_OR_TIME = re.compile("|".join([*_TECHNIQUE, r"\d*(?:min|m|s|sec)"]))
_SAYS_NOTHING = {*words.BESIDE.split(), *TECHNIQUE.split(), *EAST_ASIAN.split(), *_TECHNIQUE}


def plain(text: str) -> str:
    """Return lower-case text without accents on Latin letters, its compounds taken apart."""
    text = unicodedata.normalize("NFKC", text).replace("_", " ")
    text = re.sub("[‐‑–—−]", "-", text).replace("’", "'")
    text = re.sub(r"M[dD]C", "MDC", text)
    text = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", text)  # PostGad
    text = _DOTTED.sub(lambda match: match[0].replace(".", ""), unaccented(text))
    return _COMPOUND.sub(r"\g<0> ", _AFTER_T1.sub(r"\1 \2 ", text))


def _with_words_for_abbreviations(text: str) -> str:
    """Write out every abbreviation; of two that overlap the first, then the longer one counts."""
    places = [(m.start(), -m.end(), word) for word, p in _WRITTEN.items() for m in p.finditer(text)]
    written, at = "", 0
    for start, end, word in sorted(places):
        if start >= at:
            written, at = f"{written}{text[at:start]}{word}", -end
    return written + text[at:]


def _role(word: str) -> str:
    stems = (stem for stem in _STEMS if word.startswith(stem))
    if role := _ROLES.get(word) or _ROLES.get(f"{next(stems, '')}*"):
        return role
    is_long = len(word) >= min(map(len, _LONG_AGENTS)) - 1
    return "AGENT" * bool(is_long and get_close_matches(word, _LONG_AGENTS, 1, SPELT_ALIKE))


# --- the grammar ----------------------------------------------------------------------------------


class _Sentence:
    """The words of a text, and what they say where they stand."""

    def __init__(self, text: str) -> None:
        text = _with_words_for_abbreviations(re.sub(words.ELSEWHERE, " ~ ", plain(text)))
        text = f" {re.sub(r'[][(){}]', ' ', text)} "
        self.tokens = [
            _Token(m[0], _role(m[0]), text[m.start() - 1].isspace(), text[m.end()].isspace())
            for m in _PIECE.finditer(text)
        ]
        for at in range(len(self.tokens) - 1, -1, -1):  # what stands before an agent is one
            self.tokens[at] = self.tokens[at]._replace(role=self._role_here(at))

    def __getitem__(self, at: int) -> _Token:
        return self.tokens[at] if 0 <= at < len(self.tokens) else NOTHING

    def _role_here(self, at: int) -> str:
        """Return the role of a word that has one beside certain others only."""
        token, beside = self[at], at + 1
        while self[beside].text in ("/", ".", "-") or self[beside].role == "BETWEEN":
            beside += 1
        is_agent, slash = self[beside].role == "AGENT", "/" * (self[at + 1].text == "/")
        for letters, role, agents in words.LETTERS if is_agent else ():
            if token.text + slash in letters.split() and re.match(agents, self[beside].text):
                return role
        return "AGENT" if self._is_short_agent(at) else token.role

    def _is_short_agent(self, at: int) -> bool:
        """Tell whether an abbreviation stands where it is an agent: "pre con", "bez kl", "+iv"."""
        text, preposition = self[at].text, self[at - 1 - (self[at - 1].text == "-")]
        if text in words.WITH_SIGN and "+" in (self[at - 1].text, self[at + 1].text):
            return True
        if text == "iv":  # "sans IV", but "sans IV gado"
            return preposition.role == "WITHOUT" and at == len(self.tokens) - 1
        if self[at + 1].role == "AGENT" or self[at + 1].text in ("fat", "sat", "-"):
            return False  # "pre con gado", "post con fat sat"
        is_preposition = preposition.role in OPPOSITE or (text, preposition.text) == ("kl", "s")
        return text in words.SHORT_AGENTS.split() and is_preposition

    def clause(self, at: int) -> tuple[str, str] | None:
        """Return what the word at one place says, and the words that say it."""
        token = self[at]
        is_last = at == len(self.tokens) - 1
        if token.role in ("PLAIN", "BOTH") or (token.text == "nc" and (is_last or not at)):
            return "unclear" if token.role == "BOTH" else "no", token.text
        if token.role == "AGENT" and self[at + 1].role == "AGENT" and not token.after:
            return None  # "注射造影剂": the second speaks for both
        if token.role == "AGENT" or self._is_c(at):
            return self._agent(at)
        if token.text in ("c", "k"):
            return self._sign(at)
        if token.role in ("BEFORE", "AFTER") and token.text.startswith(("pre", "pos")):
            return self._time(at)
        if token.text in words.ALONE.split() and is_last:
            return self._opposites(at) or ("no", token.text)
        return None

    def _is_c(self, at: int) -> bool:
        """Tell whether a single letter c means contrast: +c, c+, t1c."""
        beside = {self[at - 1].text, self[at + 1].text}
        weighting = self[at - 1].text in ("t1", "t1w", "w")
        return self[at].text == "c" and (bool(beside & {"+", "±"}) or weighting)

    def _agent(self, at: int) -> tuple[str, str]:
        if sign := self._sign(at):
            return sign
        first = at - 1  # "sans injection de gado": what stands between belongs to the agent
        while first >= 0 and (self[first].role in BETWEEN or self[first].text in SIGNS):
            first -= 1
        if both := self._opposites(first, at):
            return both
        if self[first].role in ("WITHOUT", "BEFORE"):
            return "no", self._quote(first, at)
        is_unknown = self[at].role == "AGENT" and self._is_unknown(first)
        if is_unknown or self[first].role == "DOUBT":
            return "unclear", self._quote(first, at)
        return self._after(at) or ("yes", self[at].text)

    def _opposites(self, at: int, until: int | None = None) -> tuple[str, str] | None:
        """Return unclear where a word and its opposite stand side by side: pre/post, с и без."""
        first = self._skipped(at - 1)
        if not self[first].role and self[first].text not in _SAYS_NOTHING:  # "sans puis avec"
            first = self._skipped(first - 1)
        if at > first >= 0 and self[first].role == OPPOSITE.get(self[at].role, "none"):
            return "unclear", self._quote(first, at if until is None else until)
        return None

    def _skipped(self, at: int) -> int:
        while self[at].text in _AND or self[at].text in ("-", "."):
            at -= 1
        return at

    def _after(self, at: int) -> tuple[str, str] | None:
        """Return what the words after the agent say."""
        parted = self[at + 1].text in (":", "=", "-")
        after = at + 1 + parted
        token, is_last = self[after], after >= len(self.tokens) - 1
        is_zero = re.fullmatch("0(ml|cc|mmol)?|notgiven", token.text)
        is_zero = is_zero and self[after + 1].text not in (".", ",")  # not "0.1 mmol"
        is_answer = self[at + 1].text in (":", "=") and is_last and token.text in _NO_ANSWER
        is_refused = token.text in _NOT_GIVEN and (is_last or re.match(f"[{_ASIAN}]", token.text))
        if self[at + 1].role == "BEFORE_IT" or is_zero or is_answer or is_refused:
            return "no", self._quote(at, after)
        refusal = token.role == "WITHOUT" and self._is_unknown(after + 1)
        if token.text == "?" or token.role == "DOUBT" or refusal:
            return "unclear", self._quote(at, after)
        return None

    def _sign(self, at: int) -> tuple[str, str] | None:
        """Return what a sign at the agent says: km-, -km; a hyphen between words says nothing."""
        token, before, after = self[at], self[at - 1], self[at + 1]
        is_suffix = not token.after and (after.after or self[at + 2].text in "/,+")
        is_prefix = before.text == "-" and not token.before
        if after.text == "-" and (is_suffix or not self[at + 2].text):
            return "no", f"{token.text}-"
        if is_prefix and before.before:
            return "no", f"-{token.text}"
        is_c = token.text == "c" and after.text != "+" and self[at - 2].role not in OPPOSITE
        if (is_prefix and is_c) or "±" in (before.text, after.text):
            return "unclear", f"{before.text}{token.text}"
        return ("yes", "+k") if (before.text, token.text) == ("+", "k") else None

    def _time(self, at: int) -> tuple[str, str] | None:
        """Return what pre or post says without an agent: of a technique, a time, or at the end."""
        rest = at + 1
        while self[rest].text in {*_AND, "-", ";", ":"}:
            rest += 1
        if self[rest].role == OPPOSITE[self[at].role]:
            return "unclear", self._quote(at, rest)
        rest += self[rest].text.isdecimal()  # "post 3 min", not "post 2 cycles"
        text, role = self[rest].text, self[rest].role
        if text and role != "TECHNIQUE" and not _TECHNIQUE_OR_TIME.fullmatch(text):
            return None
        return ("no" if self[at].role == "BEFORE" else "yes"), self[at].text

    def _is_unknown(self, at: int) -> bool:
        """Tell whether nobody knows what a word here says: "without" in Basque?"""
        text, role = self[at].text, self[at].role
        is_asian, is_known = re.match(f"[{_ASIAN}]", text), role or text in _SAYS_NOTHING
        return text.isalpha() and not (is_asian or is_known or self._is_c(at))

    def _quote(self, first: int, last: int) -> str:
        quoted = self.tokens[max(first, 0) : last + 1]
        return "".join(token.text + " " * token.after for token in quoted).strip()
