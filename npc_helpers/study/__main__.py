"""The commands of a study folder: ``python -m npc_helpers.study init|check|dictionary``."""

import argparse
import sys
from pathlib import Path

import pandas as pd

from npc_helpers.study.artefacts import StudyError, atomic_path, told_at_the_prompt
from npc_helpers.study.formulas import defused_table
from npc_helpers.study.later import left_out_later
from npc_helpers.study.problems import as_table, counts, page
from npc_helpers.study.study import Study, data_dictionary, init


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
    check.add_argument("--csv", type=Path, metavar="FILE", help="write all problems to a table")
    for command in (start, check):
        command.add_argument("folder", type=Path, metavar="DIR")
    options = parser.parse_args(arguments)
    try:
        if options.command == "init":
            print(*init(options.folder), sep="\n")
        elif options.command == "dictionary":
            print(data_dictionary())
        else:
            return _check(Study(options.folder), checksums=not options.fast, csv=options.csv)
    except (StudyError, OSError) as error:
        print(told_at_the_prompt(error), file=sys.stderr)
        return 1
    return 0


def _check(study: Study, *, checksums: bool, csv: Path | None) -> int:
    """Print a study's problems, grouped by kind; the status is 1 only if there is an error."""
    problems = study.check(checksums=checksums)
    if not (problems["level"] == "error").any():
        problems = pd.concat([problems, as_table(left_out_later(study))], ignore_index=True)
    if csv:
        with atomic_path(csv) as temporary:
            defused_table(problems).to_csv(temporary, index=False, encoding="utf-8-sig")
    if len(problems):
        print(page(problems))
    print(f"{study.folder}: {counts(problems)}.")
    if csv:
        print(f"All of them: {csv}")
    return int((problems["level"] == "error").any())


if __name__ == "__main__":
    sys.exit(main())
