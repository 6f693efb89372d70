"""A sentence about a result that is tested each time it is said."""

from __future__ import annotations

from npc_helpers.exercises.saying import say
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting


class ClaimError(AssertionError):
    """A lesson says of the demonstration study what is no longer true."""


def claim(condition: bool, sentence: str, otherwise: str = "") -> None:
    """Say a sentence about a result if it is true, and something else if it is not.

    The lessons were written for the demonstration study in the setting of the tutorial. There a
    claim that fails is an error, because text and result no longer fit. In every other study, and
    in a learner's sandbox, results are free to differ: the sentence changes and nothing stops.

    Parameters
    ----------
    condition : bool
    sentence : str
        Markdown. Where a number matters, build the sentence from it.
    otherwise : str
        Said if the condition does not hold; by default that `sentence` does not hold.

    Raises
    ------
    ClaimError
        If the condition does not hold in the demonstration study.

    Examples
    --------
    >>> from npc_helpers.exercises import claim
    >>> share = 0.73
    >>> claim(share > 0.5, f"The curve ends at {share:.0%}, well above a half.")
    The curve ends at 73%, well above a half.
    """
    holds = bool(condition)
    if not holds and _is_what_lessons_describe(Study.open()):
        raise ClaimError(f"no longer true of the demonstration study: {sentence}")
    not_so = otherwise or f"*Not so in this study:* {sentence}"
    say(sentence if holds else not_so, claim=holds)


def _is_what_lessons_describe(study: Study) -> bool:
    in_tutorial = current_setting().name == "tutorial"
    return study.is_demonstration and in_tutorial and not study.in_sandbox
