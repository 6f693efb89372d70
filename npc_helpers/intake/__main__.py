"""The commands of intake: ``python -m npc_helpers.intake COMMAND …``, ``--help`` for each."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

import pandas as pd

from npc_helpers.artefacts import StudyError, atomic_path
from npc_helpers.intake.deidentify import deidentify_folder
from npc_helpers.intake.find_series import find_series
from npc_helpers.study import Study

LIST = "data/found_series.csv"


def _add_find(commands) -> None:
    command = commands.add_parser(
        "find",
        help="list the series of a folder and copy those decided upon into a study",
        description=f"First lists every series in STUDY/{LIST}. Look through it, write into its "
        "column 'decided' where needed, and run the command again with --copy.",
    )
    command.add_argument("folder", type=Path, help="DICOM files, in any order, de-identified")
    command.add_argument("study", type=Path, help="the study folder")
    command.add_argument("--copy", action="store_true", help="copy, and write data_manifest.csv")
    command.set_defaults(run=_find)


def _find(options: argparse.Namespace) -> int:
    study = Study(options.study)
    dates = study.registry.set_index("patient_id")
    found = find_series(
        options.folder,
        treatment_start=_dates(dates["treatment_start"]),
        treatment_end=_dates(dates["treatment_end"]),
    )
    for finding in found.findings:
        print(finding.file, finding.message, sep=": ")
    path = study.folder / LIST
    if path.exists():
        found = found.with_decisions(path)
    if not options.copy:
        with atomic_path(path) as temporary:
            found.table.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")
        print(f"{len(found.table)} series; proposed: {(found.table.status == 'proposed').sum()}.")
        print(f"Look through {path}, then run this again with --copy.")
        return 0
    manifest = found.copy_into(study.folder)
    with atomic_path(study.table_path("manifest")) as temporary:
        manifest.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")
    print(
        f"{len(manifest)} series of {manifest.patient_id.nunique()} patients are in the manifest."
    )
    return 0


def _dates(column: pd.Series) -> dict[str, date]:
    return column.dropna().to_dict()


def _add_deidentify(commands) -> None:
    command = commands.add_parser("deidentify", help="take the identity out of MR images")
    command.add_argument("source", type=Path)
    command.add_argument("target", type=Path)
    command.add_argument("--key", type=Path, required=True, help="the secret; made if absent")
    command.set_defaults(run=_deidentify)


def _deidentify(options: argparse.Namespace) -> int:
    report = deidentify_folder(options.source, options.target, key_path=options.key)
    refused = report[report["path"] == ""]
    for problem in refused["problem"]:
        print(problem)
    unsure = int(((report["path"] != "") & (report["problem"] != "")).sum())
    print(f"{len(report) - len(refused)} file(s) written, {len(refused)} refused.")
    if unsure:
        print(f"{unsure} do not say whether text is burned into the pixels: look at them.")
    return int(len(refused) > 0)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m npc_helpers.intake",
        description="From a hospital's images to a study folder.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (_add_find, _add_deidentify):
        add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
