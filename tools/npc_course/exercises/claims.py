"""A sentence about a result that is tested each time it is said."""

import os
from functools import cache
from pathlib import Path

from npc_course.exercises.saying import say
from npc_helpers.study import Study, shipped_reference
from npc_helpers.study.artefacts import load_table
from npc_helpers.study.schema import IMAGE_KEY
from npc_helpers.study.settings import current_setting

STRICT = "NPC_STRICT_CLAIMS"  # environment variable, set where committed notebooks are made
TRAINED = ("predictions_pre.csv", "predictions_post.csv")
SAME = 0.01  # of a probability; another processor adds up in another order, and training goes on


class ClaimError(AssertionError):
    """A lesson says of the demonstration study what is no longer true."""


def claim(condition: bool, sentence: str, otherwise: str = "") -> None:
    """Say a sentence about a result if it is true, and something else if it is not.

    The lessons were written for the demonstration study in the setting of the tutorial, with the
    models whose predictions are shipped. There a claim that fails is an error, because text and
    result no longer fit. In every other study, in a learner's sandbox, and where another processor
    has trained other models, results are free to differ: the sentence changes and nothing stops.

    Parameters
    ----------
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
    >>> from npc_course.exercises import claim
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
    if not (study.is_demonstration and in_tutorial) or study.in_sandbox:
        return False
    return STRICT in os.environ or all(_is_as_shipped(study.result_path(name)) for name in TRAINED)


def _is_as_shipped(path: Path) -> bool:
    """Tell whether predictions are those of the text, or there are none and those are read."""
    return not path.exists() or _differ_little(path, path.stat().st_mtime_ns)


@cache
def _differ_little(path: Path, changed_ns: int) -> bool:
    trained, shipped = (
        table.set_index(list(IMAGE_KEY))["p_high_risk"].sort_index()
        for table in (load_table(path), shipped_reference(path.name))
    )
    return trained.index.equals(shipped.index) and bool((trained - shipped).abs().max() <= SAME)
