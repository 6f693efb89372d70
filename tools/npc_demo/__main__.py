"""Build the demonstration study, ``python -m npc_demo [FOLDER]``, or ``rehearsal FOLDER``."""

import argparse
import sys
import time
from datetime import date
from pathlib import Path

from npc_demo import rehearsal
from npc_demo.centres import second_centre, select
from npc_demo.protocols import DEFAULT
from npc_demo.registry import Cohort, make_cohort
from npc_demo.survival import PRESETS
from npc_demo.writer import write_study
from npc_helpers.study import StudyError

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Build a study as the command line says; return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["rehearsal"]:
        return _rehearse(arguments[1:])
    options = _options(arguments)
    start = time.perf_counter()
    try:
        cohort = _cohort(options)
        built = write_study(
            options.folder or ROOT,
            cohort,
            matrix=options.matrix,
            protocol="3T" if options.centre == "second" else DEFAULT,
            upgraded_on=options.upgraded_on,
            mid_course=options.mid_course,
            workers=options.workers,
            replace=options.replace,
            verify=options.verify,
        )
    except (StudyError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Run the same command again: it goes on from here.", file=sys.stderr)
        return 130
    seconds = time.perf_counter() - start
    print(
        f"{built.folder}: {len(cohort.patients)} synthetic patients, {built.n_series} series, "
        f"{built.n_images} images. {built.made} examinations drawn, {built.kept} found finished, "
        f"in {seconds:.0f} s."
    )
    return 0


def _rehearse(arguments: list[str]) -> int:
    """Build the rehearsal study."""
    parser = argparse.ArgumentParser(
        prog="python -m npc_demo rehearsal",
        description="Build a small synthetic study that is as untidy as a real one.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="new; images go beside it")
    parser.add_argument("--workers", type=int, help="processes; default: one per processor core")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    try:
        n_images = rehearsal.build(options.folder, workers=options.workers)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.folder}: {n_images} images in {time.perf_counter() - start:.0f} s.")
    return 0


def _cohort(options: argparse.Namespace) -> Cohort:
    """Return the patients the options ask for."""
    if options.centre == "second":
        cohort = second_centre(preset=options.preset, seed=options.seed)
    else:
        cohort = make_cohort(preset=options.preset, seed=options.seed)
    ordinary = options.centre == "main" and options.patients is None and not options.vendor
    ordinary = ordinary and not options.mid_course
    if not (ordinary and options.prefix == "SYN" and options.upgraded_on is None):
        if options.folder is None:
            raise StudyError(
                "Name a folder: this is not the demonstration study that belongs in the repository."
            )
    count = len(cohort.patients) if options.patients is None else options.patients
    if options.patients is not None or options.prefix != "SYN" or options.vendor:
        cohort = select(cohort, count, prefix=options.prefix, vendor=options.vendor)
    return cohort


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m npc_demo",
        description="Build the demonstration study (synthetic patients, real DICOM files), or "
        "finish an interrupted build. What is finished is kept.",
    )
    add = parser.add_argument
    add("folder", nargs="?", type=Path, metavar="FOLDER",
        help="study folder; default: this repository")  # fmt: skip
    add("--preset", default="paper_like", help=f"hazard model: {', '.join(PRESETS)}")
    add("--seed", type=int, default=2022, help="seed of the cohort (default 2022)")
    add("--workers", type=int, help="processes; default: one per processor core")
    add("--patients", type=int, metavar="N", help="only the first N patients with images")
    add("--prefix", default="SYN", help="start of the identifiers (default SYN)")
    add("--vendor", choices=("A", "B", "C"), help="scanner of all patients")
    add("--matrix", type=int, default=512, help="rows and columns of an image (default 512)")
    add("--centre", choices=("main", "second"), default="main",
        help="second: 90 other, less advanced patients on a 3 T scanner")  # fmt: skip
    add("--upgraded-on", type=date.fromisoformat, metavar="YYYY-MM-DD",
        help="the scanner is upgraded that day (to teach confounding)")  # fmt: skip
    add("--mid-course", action="store_true",
        help="a third examination, half-way through treatment (data/mid_course.csv)")  # fmt: skip
    add("--verify", action="store_true",
        help="read every file, and make again what is damaged")  # fmt: skip
    add("--replace", action="store_true", help="build over another synthetic study")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
