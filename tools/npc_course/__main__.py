"""Run the lessons and make their products: ``python -m npc_course class OUT``, ``tutorial``, …"""

import argparse
import os
import sys
from pathlib import Path

from npc_course import bundle, learner, notebooks, products, room


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m npc_course", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tutorial", help="execute every notebook and print the results")
    refresh = commands.add_parser("notebooks", help="rebuild the .ipynb files, outputs included")
    refresh.add_argument("only", nargs="*", type=_lesson, help="numbers, for instance 03 05")
    commands.add_parser("lab", help="open JupyterLab on copies of the lessons")
    course = commands.add_parser("class", help="write all products of the course")
    course.add_argument("folder", nargs="?", type=Path, default=Path("class"))
    course.add_argument("--only", nargs="*", type=_lesson, help="numbers, for instance 00 01")
    course.add_argument("--check", action="store_true", help="is this machine ready?")
    offline = commands.add_parser("bundle", help="the course for a room without network")
    offline.add_argument("folder", type=Path, help="new or empty")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # "no graphics card" is no error here
    if options.command == "bundle":
        return bundle.make_bundle(options.folder)
    if options.command == "lab":
        return learner.lab()
    if options.command == "class":
        return (
            room.check_room()
            if options.check
            else products.make_class(options.folder, options.only)
        )
    if options.command == "notebooks":
        return notebooks.refresh(options.only)
    return notebooks.tutorial()


def _lesson(number: str) -> str:
    numbers = [path.stem[:2] for path in notebooks.sources()]
    if number not in numbers:
        raise argparse.ArgumentTypeError(f"{number!r} is no lesson; there are {' '.join(numbers)}")
    return number


if __name__ == "__main__":
    sys.exit(main())
