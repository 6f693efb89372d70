"""Exercises that answer: the truth comes from the study at hand, and a wrong answer gets a hint."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from npc_course.exercises.saying import say
from npc_helpers.study import Study, StudyError

NO_ANSWER = (..., None, "")


class Wrong(Exception):
    """What is wrong with an answer, in one sentence for the learner."""


class OtherForm(Exception):
    """An answer is of another form than the exercise asks for."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes
    ----------
    judge : callable (study, answer, **given) -> str
        Returns what can be said to a right answer; raises `Wrong` at a wrong one.
    form : str
        What an answer is: ``"a number"``.
    """

    judge: Callable[..., str]
    form: str
    hint: str


EXERCISES: dict[str, Exercise] = {}


def exercise(name: str, *, form: str, hint: str) -> Callable:
    """Enter the decorated function among the exercises as their judge."""

    def enter(judge: Callable[..., str]) -> Callable[..., str]:
        EXERCISES[name] = Exercise(judge, form, hint)
        return judge

    return enter


def check(name: str, answer: object, **given: object) -> None:
    """Say whether an answer is right; if not, what is wrong and where to look.

    The right answer is computed from the study that is open, whichever it is. Nothing is written.

    Parameters
    ----------
    name : str
        Number of the exercise, ``"01.1"``.
    answer : object
        As the exercise asks; ``...`` for none yet.
    **given
        What the question is about, where the learner may have changed it: ``patients=included``.

    Raises
    ------
    StudyError
        If there is no such exercise.
    NotInThisStudy
        If the study lacks what the exercise is about.

    Examples
    --------
    >>> from npc_course.exercises import check
    >>> check("01.1", ...)
    **01.1** is still open. *Hint:* See the four numbers above: who leaves when the rule is strict?
    """
    if name not in EXERCISES:
        raise StudyError(f"there is no exercise {name!r}; there are {', '.join(sorted(EXERCISES))}")
    task = EXERCISES[name]
    if isinstance(answer, type(...) | None | str) and answer in NO_ANSWER:
        say(f"**{name}** is still open. *Hint:* {task.hint}", exercise=name, right=False)
        return
    try:
        praise = _judged(task, answer, given)
    except Wrong as wrong:
        say(f"**{name}**: not yet. {wrong} *Hint:* {task.hint}", exercise=name, right=False)
        return
    say(f"**{name}**: right. {praise}", exercise=name, right=True)


def _judged(task: Exercise, answer: object, given: dict) -> str:
    try:
        return task.judge(Study.open(), answer, **given)
    except OtherForm as error:
        raise Wrong(f"The answer should be {task.form}.") from error


def number(answer: object) -> float:
    """Return an answer as a number; raise `OtherForm` if it is none."""
    return float(numbers([answer])[0])


def numbers(answer: object) -> np.ndarray:
    """Return an answer as a row of numbers; raise `OtherForm` if it is none."""
    if not isinstance(answer, Iterable) or isinstance(answer, str | dict | set):
        raise OtherForm(repr(answer))
    texts = [part.strip().replace("%", "e-2") if isinstance(part, str) else part for part in answer]
    try:
        row = np.asarray(texts, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise OtherForm(repr(answer)) from error
    if row.ndim != 1 or np.isnan(row).any():
        raise OtherForm(repr(answer))
    return row


def compare(
    given, truth, mistakes: Mapping[str, object], *, within: float = 0.0, relative: float = 0.0,
    otherwise: str = "",
) -> None:  # fmt: skip
    """Raise `Wrong` unless a number, or an array of numbers, is the right one.

    Parameters
    ----------
    mistakes : mapping of str to number or array
        What the usual mistakes give, by what is said to whoever made one.
    within, relative : float
        How far a number may be off, in its own unit and as a share of the right one.
    otherwise : str
        What is said to any other wrong answer; by default which number it is not.
    """

    def same(value) -> bool:
        return np.allclose(given, value, atol=within, rtol=relative)

    if not same(truth):
        said = [words for words, value in mistakes.items() if same(value)]
        raise Wrong(said[0] if said else otherwise or f"It is not {given:.3g}.")


def text(answer: object) -> str:
    """Return an answer as the text that it is; raise `OtherForm` if it is a column or a number."""
    if not isinstance(answer, str):
        raise OtherForm(repr(answer))
    return answer.strip()


def word(answer: object, allowed: tuple[str, ...]) -> str:
    """Return an answer as one of the allowed words; raise `OtherForm` if it is none."""
    if (said := str(answer).strip().lower()) not in allowed:
        raise OtherForm(said)
    return said
