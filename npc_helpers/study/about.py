"""What a study says about itself: ``study.toml``, with its cut-off date and its linked folders."""

import difflib
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from npc_helpers.study.problems import Problem

ABOUT = "study.toml"
KEYS = {  # name of an entry -> is a value of its kind, and what to write otherwise
    "cut_off_date": (
        lambda value: isinstance(value, date) and not isinstance(value, datetime),
        "Write the day without quotes: cut_off_date = 2020-01-05",
    ),
    "linked_folders": (
        lambda value: isinstance(value, list) and all(isinstance(place, str) for place in value),
        'Write a list of folders: linked_folders = ["/mnt/disk2/images"]',
    ),
    "accept_default_rectangles": (
        lambda value: isinstance(value, bool),
        "Write true or false, without quotes.",
    ),
}
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
    refused: list[tuple[str, str, str]] = []
    values = {}
    for name, value in entries.items():
        if name not in KEYS:
            near = difflib.get_close_matches(name, KEYS, n=1)
            action = f"Is '{near[0]}' meant?" if near else f"There are {' and '.join(KEYS)}."
            refused.append((name, "is not known", action))
        elif not KEYS[name][0](value):
            refused.append((name, f"is {value!r}", KEYS[name][1]))
        else:
            values[name] = value
    if (day := values.get("cut_off_date")) and day > date.today():
        action = "Write the last day on which follow-up was brought up to date."
        refused.append(("cut_off_date", f"is {day}, which has not come yet", action))
        del values["cut_off_date"]
    linked = [folder / Path(place).expanduser() for place in values.get("linked_folders", ())]
    for place in linked:  # an absolute one is not below the study
        if not place.is_dir():
            action = "Connect the disk, or correct the name."
            refused.append(("linked_folders", f"there is no folder {place}", action))
    values["linked_folders"] = tuple(place.resolve() for place in linked)
    return About(**values), [Problem(ABOUT, "", *why) for why in refused]
