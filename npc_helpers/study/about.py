"""What a study says about itself: ``study.toml``, with its cut-off date and its linked folders."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from npc_helpers.study.problems import Problem

ABOUT = "study.toml"
KEYS = ("cut_off_date", "linked_folders", "accept_default_rectangles")
EMPTY = """\
# What the tables of this study cannot say. Remove the '#' from a line to use it.

# The last day on which follow-up was brought up to date. No date of the tables may be later.
# cut_off_date = 2020-01-05

# Folders outside this one to which links in it may lead, for instance images on another disk.
# On Windows write them in single quotes: 'D:\\images'.
# linked_folders = ["/mnt/disk2/images"]

# Train also where most rectangles are the default in the middle of the image: nobody drew them.
# accept_default_rectangles = true
"""


@dataclass(frozen=True)
class About:
    """The contents of ``study.toml``.

    Attributes
    ----------
    cut_off_date : date or None
        No date in the study's tables may be later; None stands for the present day.
    linked_folders : tuple of Path
        Folders outside the study to which links in it may lead, links followed.
    accept_default_rectangles : bool
        Networks may be trained although nobody drew most of the rectangles.
    """

    cut_off_date: date | None = None
    linked_folders: tuple[Path, ...] = ()
    accept_default_rectangles: bool = False


def read_about(folder: Path) -> tuple[About, list[Problem]]:
    """Read ``study.toml``; a study without it has no cut-off date and no links to elsewhere."""
    try:
        entries = tomllib.loads((folder / ABOUT).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return About(), []
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        action = "Compare it with the lines that `python -m npc_helpers.study init` writes."
        return About(), [Problem(ABOUT, "", "", f"cannot be read ({error})", action)]
    problems = []

    def refuse(name: str, problem: str, action: str) -> None:
        problems.append(Problem(ABOUT, "", name, problem, action))

    for name in entries.keys() - set(KEYS):
        near = difflib.get_close_matches(name, KEYS, n=1)
        action = f"Is '{near[0]}' meant?" if near else f"There are {' and '.join(KEYS)}."
        refuse(name, "is not known", action)
    day = entries.get("cut_off_date")
    if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
        action = "Write the day without quotes: cut_off_date = 2020-01-05"
        refuse("cut_off_date", f"is {day!r}", action)
        day = None
    if day is not None and day > date.today():
        action = "Write the last day on which follow-up was brought up to date."
        refuse("cut_off_date", f"is {day}, which has not come yet", action)
        day = None
    places = entries.get("linked_folders", [])
    if not isinstance(places, list) or not all(isinstance(place, str) for place in places):
        action = 'Write a list of folders: linked_folders = ["/mnt/disk2/images"]'
        refuse("linked_folders", f"is {places!r}", action)
        places = []
    linked = [folder / Path(place).expanduser() for place in places]  # absolute ones stay
    for place in linked:
        if not place.is_dir():
            action = "Connect the disk, or correct the name."
            refuse("linked_folders", f"there is no folder {place}", action)
    accepted = entries.get("accept_default_rectangles", False)
    if not isinstance(accepted, bool):
        action = "Write true or false, without quotes."
        refuse("accept_default_rectangles", f"is {accepted!r}", action)
    return About(day, tuple(place.resolve() for place in linked), accepted is True), problems
