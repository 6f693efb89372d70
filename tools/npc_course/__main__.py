"""Execute the notebooks: ``python -m npc_course tutorial``, or ``notebooks`` to rebuild them."""

from __future__ import annotations

import argparse
import sys

from npc_course import notebooks


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m npc_course", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tutorial", help="execute every notebook and print the results")
    refresh = commands.add_parser("notebooks", help="rebuild the .ipynb files, outputs included")
    refresh.add_argument("only", nargs="*", help="numbers, for instance 03 05")
    options = parser.parse_args(arguments)
    if options.command == "notebooks":
        return notebooks.refresh(options.only)
    return notebooks.tutorial()


if __name__ == "__main__":
    sys.exit(main())
