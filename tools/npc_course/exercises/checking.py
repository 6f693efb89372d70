"""Exercises that answer: the truth comes from the study at hand, and a wrong answer gets a hint."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from npc_course.exercises.saying import say
from npc_helpers.study import Study, StudyError

NO_ANSWER = (..., None, "")
DECIMAL_COMMA = re.compile(r"\s*(-?\d+),(\d+)\s*(%?)\s*")


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
        raise Wrong(f"{_two_for_one(answer)}The answer should be {task.form}.") from error


def _two_for_one(answer: object) -> str:
    """Say what Python makes of 0,77; nothing to any other answer."""
    if not (isinstance(answer, tuple) and list(map(type, answer)) == [int, int]):
        return ""
    whole, parts = answer
    return f"Python reads `{whole},{parts}` as two numbers: write `{whole}.{parts}`, with a point. "


def number(answer: object) -> float:
    """Return an answer, or the value of an estimate, as a number; `OtherForm` if it is none."""
    value = getattr(answer, "value", answer)
    return float(numbers([value])[0])


def numbers(answer: object) -> np.ndarray:
    """Return an answer as a row of numbers; raise `OtherForm` if it is none."""
    if not isinstance(answer, Iterable) or isinstance(answer, str | dict | set):
        raise OtherForm(repr(answer))
    parts = [_with_point(part) if isinstance(part, str) else part for part in answer]
    try:
        row = np.asarray(parts, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise OtherForm(repr(answer)) from error
    if row.ndim != 1 or np.isnan(row).any():
        raise OtherForm(repr(answer))
    return row


def _with_point(text: str) -> str:
    """Return "0,77" as "0.77" and a percentage as a share."""
    return DECIMAL_COMMA.sub(r"\1.\2\3", text).strip().replace("%", "e-2")


def compare(
    given, truth, mistakes: Mapping[str, object], *, within: float = 0.0, relative: float = 0.0,
    otherwise: str = "",
) -> None:  # fmt: skip
    """Raise `Wrong` unless a number, or an array of numbers, is the right one.

    A number is also right if it is the right one rounded to two decimals or more.

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
        if np.ndim(given) == 0 and not said:
            if _decimals(given) >= 2 and abs(truth) >= 0.1 and _rounds_to(truth, given):
                return
            said = [words for words, value in _as_written(truth).items() if value(given)]
        raise Wrong(said[0] if said else otherwise or f"It is not {given:.3g}.")


def _decimals(value: float) -> int:
    return len(np.format_float_positional(value).partition(".")[2])


def _rounds_to(truth: float, given: float) -> bool:
    return np.isclose(round(float(truth), _decimals(given)), given, atol=1e-12)


def _as_written(truth: float) -> dict[str, Callable[[float], bool]]:
    """What is said to a right number that was written in another way."""
    return {
        "This is the right number in percent; write it as a share, between 0 and 1.": lambda x: (
            abs(truth) < 1 and _rounds_to(truth, x / 100)
        ),
        "That is rounded too far: give at least two decimals.": lambda x: (
            x != 0 and _rounds_to(truth, x)
        ),
    }


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
