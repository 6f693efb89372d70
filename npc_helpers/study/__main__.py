"""The commands of a study folder: ``python -m npc_helpers.study init|check|dictionary``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.schema import VISITS, data_dictionary
from npc_helpers.study.study import Study, init
from npc_helpers.study.tables import Problem


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands in the module's description; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m npc_helpers.study", description="Start or check a study folder."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("init", help="write empty tables and a data dictionary")
    check = commands.add_parser("check", help="print every problem of a study")
    commands.add_parser("dictionary", help="print what every column means, as Markdown")
    check.add_argument("--fast", action="store_true", help="do not read the images")
    for command in (start, check):
        command.add_argument("folder", type=Path, metavar="DIR")
    options = parser.parse_args(arguments)
    try:
        if options.command == "init":
            print(*init(options.folder), sep="\n")
        elif options.command == "dictionary":
            print(data_dictionary())
        else:
            return _print_check(Study(options.folder), checksums=not options.fast)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _print_check(study: Study, *, checksums: bool) -> int:
    problems = study.check(checksums=checksums)
    for problem in problems.itertuples(index=False):
        print(Problem(*problem))
    if problems.empty and study.visits.empty:
        print(f"Note: no visit in {VISITS.path}; the criteria of regular review are not judged.")
    print(f"{study.folder}: {len(problems)} problem(s).")
    return int(len(problems) > 0)


if __name__ == "__main__":
    sys.exit(main())
