"""Was a contrast agent given? What the tags and descriptions of a series say together.

The answer is ``yes``, ``no`` or ``unclear``; blank where nothing says anything. Descriptions are
read by `contrast_grammar`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from npc_intake.find import contrast_words as words
from npc_intake.find.contrast_grammar import Contrast, contrast_in_words, plain
from npc_intake.find.image_types import CONTRAST, words_of

EVERYWHERE = "agent in every series"  # of an image: see `is_agent_given`


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
    stated = [contrast_in_words(text) for text in sorted({i.get(keyword, "") for i in images})]
    joined = _together(stated)
    return Contrast(joined.answer, tuple(f"{says} {quoted}" for quoted in joined.evidence))


def _together(stated: list[Contrast]) -> Contrast:
    """Join what the images say; where they differ it is unclear."""
    answers = {item.answer for item in stated}
    evidence = tuple(dict.fromkeys(clause for item in stated for clause in item.evidence))
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
    if plain(agent).strip() in words.all_of(words.NO_AGENT):
        return "no"
    if re.fullmatch(r"[0.,]*0[0.,]*( ?(ml|cc|mmol))?", agent.casefold().strip()):
        return "no"
    return contrast_in_words(agent).answer or "yes"
