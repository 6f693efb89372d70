"""The commands of intake: ``python -m npc_intake COMMAND …``, ``--help`` for each."""

import argparse
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import date
from pathlib import Path

import pandas as pd

from npc_helpers.imaging.mr_series import Finding
from npc_helpers.study import Study
from npc_helpers.study.artefacts import StudyError, first_few, told_at_the_prompt
from npc_helpers.study.schema import REGISTRY, SUGGESTED_ROIS, VISITS
from npc_helpers.study.tables import check_table, empty_table, printed, read_text, write_text
from npc_intake.deidentify.burned_in import LIST as LETTERS
from npc_intake.deidentify.burned_in import SHEET, list_images
from npc_intake.deidentify.images import COPY, REFUSED, THERE, WRITTEN, Key, deidentify_folder
from npc_intake.deidentify.original_words import original_words
from npc_intake.deidentify.tables import deidentify_table
from npc_intake.find.batches import add_to_manifest, edited_decisions, write_list
from npc_intake.find.decisions import decisions_in, read_decisions, save_decisions
from npc_intake.find.page import write_page
from npc_intake.find.series import STATUSES, FoundSeries, find_series

try:
    from npc_intake import pacs, public_sets
    from npc_intake.contours import rectangles as contours
except ModuleNotFoundError as error:  # a student's installation has no archive to ask
    raise SystemExit(
        f"The package {error.name} is not installed. Run: python -m npc_helpers install intake"
    ) from None

LIST, PAGE = "data/found_series.csv", "data/found_series.html"
INTERRUPTED = 130  # exit status of a program that Ctrl-C ended


def _add_find(commands) -> None:
    command = commands.add_parser(
        "find",
        help="list the series of a folder and copy those decided upon into a study",
        description=f"First lists every series in STUDY/{LIST}. Look at the page beside it and "
        "decide there, or in the column 'decided' of the list, and run the command again with "
        "--copy. A second folder adds to the list and to the manifest.",
    )
    command.add_argument("folder", type=Path, help="DICOM files, in any order, de-identified")
    command.add_argument("study", type=Path, help="the study folder")
    command.add_argument("--copy", action="store_true", help="copy, and add to data_manifest.csv")
    command.add_argument(
        "--decisions",
        metavar="FILE",
        help="what the page of decisions saved; - reads the clipboard pasted into the terminal",
    )
    command.add_argument(
        "--key",
        type=Path,
        help="show what descriptions said before names were taken out; the page "
        "is then written beside the key",
    )
    command.set_defaults(run=_find)


def _find(options: argparse.Namespace) -> int:
    study = Study(options.study)
    dates = study.registry.set_index("patient_id")
    series = find_series(
        options.folder,
        treatment_start=_dates(dates["treatment_start"]),
        treatment_end=_dates(dates["treatment_end"]),
    )
    _say_findings(series.findings)
    _say_ignored(series.ignored)
    path = study.folder / LIST
    if path.exists():
        save_decisions(study.folder, edited_decisions(path, series.table, series.folder))
    if options.decisions:
        text = sys.stdin.read() if options.decisions == "-" else _text(Path(options.decisions))
        save_decisions(study.folder, decisions_in(text, options.decisions))
    series = series.with_decisions(read_decisions(study.folder))
    write_list(path, series.table, series.folder)
    if not options.copy:
        counts = series.table["status"].value_counts()
        shown = ", ".join(f"{counts.get(status, 0)} {status}" for status in STATUSES)
        page = _write_page(options, series, study)
        print(f"{len(series.table)} series: {shown}.")
        if series.warning():
            print(series.warning())
        print(f"Look at {page} and decide; then run this again with --copy.")
        return 0
    rows = series.copy_into(study.folder)
    manifest = add_to_manifest(study.folder, rows)
    print(
        f"{study.table_path('manifest')}: {len(rows)} rows of this folder, {len(manifest)} in all"
    )
    return 0


def _text(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise StudyError(f"{path} is not UTF-8. Save it from the page again.") from None


def _write_page(options: argparse.Namespace, series: FoundSeries, study: Study) -> Path:
    """Write the page of decisions; with original words it lies beside the key, not in the study."""
    if options.key is None:
        return write_page(series, study.folder / PAGE)
    words = original_words(options.key)
    return write_page(series, options.key.expanduser().parent / Path(PAGE).name, words=words)


def _say_findings(findings: Iterable[Finding]) -> None:
    """Print what is odd about files, of each kind the first few: an export may be there twice."""
    of_kind: dict[str, list[str]] = {}
    for finding in findings:
        of_kind.setdefault(finding.code, []).append(f"{finding.file}: {finding.message}")
    for lines in of_kind.values():
        print(*map(printed, first_few(lines)), sep="\n")


def _say_ignored(ignored: dict[str, int]) -> None:
    if ignored:
        print(
            "Left alone:", ", ".join(f"{number} x {reason}" for reason, number in ignored.items())
        )


def _dates(column: pd.Series) -> dict[str, date]:
    return column.dropna().to_dict()


def _add_deidentify(commands) -> None:
    command = commands.add_parser(
        "deidentify",
        help="take the identity out of MR images",
        description="Writes every MR image below a folder into another, without names. Beside the "
        "key lie who is who, what descriptions said, and a log of each run.",
    )
    command.add_argument("source", type=Path)
    command.add_argument("target", type=Path)
    command.add_argument("--key", type=Path, required=True, help="the secret; made if absent")
    command.add_argument(
        "--without-scanner",
        action="store_true",
        help="leave out model, software and coil of the scanner, too",
    )
    _add_one_person(command)
    command.set_defaults(run=_deidentify)


def _add_one_person(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--one-person",
        action="append",
        default=[],
        metavar="PSEUDONYM",
        help="images that differ in date of birth, sex or issuer are of one person; 'all': always",
    )


def _deidentify(options: argparse.Namespace) -> int:
    report = deidentify_folder(
        options.source,
        options.target,
        key_path=options.key,
        scanner=not options.without_scanner,
        one_person=options.one_person,
    )
    _say_ignored(report.attrs["ignored"])
    outcomes = report["outcome"].value_counts()
    for reason, number in report.attrs["reasons"].items():
        examples = report.loc[report["problem"].str.endswith(reason), "file"].head(3)
        print(f"{number} refused: {reason} ({', '.join(examples)}{', …' * (number > 3)})")
    more = [f", {outcomes[outcome]} {outcome}" for outcome in (THERE, COPY) if outcome in outcomes]
    written, refused = (outcomes.get(outcome, 0) for outcome in (WRITTEN, REFUSED))
    print(f"{written} file(s) written, {refused} refused{''.join(more)}.")
    for alike in report.attrs["alike"]:
        print(
            f"{' and '.join(alike)}: their numbers differ in capitals, signs or leading zeros "
            "only. One patient or several? Compare them in the table of patients beside the key."
        )
    print(f"Which file became which, and why one did not: {report.attrs['log']}")
    if "to_look_at" in report.attrs:
        _say_to_look_at(report.attrs["to_look_at"], options.target)
    return int(refused > 0)


def _say_to_look_at(images: pd.DataFrame, folder: Path) -> None:
    print(
        f"{len(images)} images do not say whether text is burned in, {(images.letters > 0).sum()} "
        f"of them hold what looks like letters. Look at {folder / SHEET} and sign in {LETTERS}."
    )


def _add_tables(commands) -> None:
    command = commands.add_parser(
        "tables",
        help="de-identify the tables of a study",
        description="Writes the registry, visits and suggested rectangles of one study folder into "
        "another, with the pseudonyms and shifted dates that the same key gives the images. "
        "Columns that the data dictionary does not name are left out.",
    )
    command.add_argument("source", type=Path, help="study folder with names; it is not changed")
    command.add_argument("target", type=Path, help="study folder without")
    command.add_argument("--key", type=Path, required=True, help="the secret; made if absent")
    command.set_defaults(run=_tables)


def _tables(options: argparse.Namespace) -> int:
    study, key = Study(options.source), Key.open(options.key, outside=options.target)
    tables = {REGISTRY: study.registry, VISITS: study.visits, SUGGESTED_ROIS: _rectangles(study)}
    claimed: dict[str, str] = {}
    for patient in study.registry["patient_id"]:
        key.claim(claimed, patient)
    for schema, table in tables.items():
        if len(table):
            clean, left_out = deidentify_table(table, key, schema=schema)
            for sentence in left_out:
                print(f"{schema.path}, {sentence}")
            _save(clean, Study(options.target).table_path(schema.name))
    key.write_mapping(claimed)
    return 0


def _rectangles(study: Study) -> pd.DataFrame:
    path = study.table_path("suggested_rois")
    if not path.exists():
        return empty_table(SUGGESTED_ROIS)
    text, problems = read_text(path, SUGGESTED_ROIS.path)
    if not problems:
        table, problems = check_table(text, SUGGESTED_ROIS)
    if problems:
        raise StudyError(str(problems[0]))
    return table


def _save(table: pd.DataFrame, path: Path) -> None:
    write_text(path, table)
    print(f"{path}: {len(table)} rows")


def _add_retrieve(commands) -> None:
    command = commands.add_parser(
        "retrieve",
        help="fetch a list of patients from the image archive (PACS)",
        description="Asks the archive named in the environment (NPC_PACS_URL or NPC_PACS_HOST …; "
        "docs/retrieval.md), says what it holds, and after a yes fetches it, de-identified, into "
        "STUDY/data/incoming. A second run goes on where the first stopped.",
    )
    command.add_argument("list", type=Path, help="CSV: patient_id,treatment_start,treatment_end")
    command.add_argument("study", type=Path, help="the study folder")
    command.add_argument("--key", type=Path, required=True, help="the secret; made if absent")
    command.add_argument("--description", default="", help="only series that match, e.g. 't1|t2'")
    _add_one_person(command)
    command.add_argument("--at-once", type=int, default=pacs.Pace.at_once, metavar="N")
    command.add_argument("--plan", action="store_true", help="ask and say, but fetch nothing")
    command.add_argument("--yes", action="store_true", help="fetch without asking")
    command.set_defaults(run=_retrieve)


def _retrieve(options: argparse.Namespace) -> int:
    key = Key.open(options.key, outside=options.study)
    patients = pacs.read_list(options.list)
    with closing(pacs.connect()) as archive:
        plan = pacs.plan(archive, patients, key, description=options.description)
        for row in plan.table[plan.table["problem"] != ""].itertuples():
            print(f"{options.list}, line {row.row}: {row.problem}")
        images = "" if plan.n_images is None else f", {plan.n_images} images"
        print(f"{len(patients)} patient(s): {len(plan.series)} MR series{images}.")
        if options.plan or not plan.series:
            return int(not plan.series)
        if not options.yes and not _agreed():
            print("Nothing was fetched. Answer y, or give --yes.")
            return 1
        settings = {"pace": pacs.Pace(options.at_once), "one_person": options.one_person}
        log = pacs.retrieve(archive, plan, options.study, key, **settings)
    incoming = options.study / pacs.INCOMING
    images = list_images(incoming, sorted(incoming.glob("[!.]*/*/*.dcm")))
    if len(images):
        _say_to_look_at(images, incoming)
    failed = log[log["state"] != "done"]
    print(
        f"{len(log) - len(failed)} of {len(log)} series are complete; {log.n_fetched.sum()} images"
    )
    for message, number in failed["message"].value_counts().items():
        print(f"{number} series: {message}")
    return int(len(failed) > 0)


def _agreed() -> bool:
    return sys.stdin.isatty() and input("Fetch them? [y/N] ").strip().lower() in ("y", "yes")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m npc_intake", description="From a hospital's images to a study folder."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (_add_retrieve, _add_deidentify, _add_tables, _add_find):
        add(commands)
    contours.add_command(commands)
    public_sets.add_commands(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("Interrupted. What is done is kept; run this again.", file=sys.stderr)
        return INTERRUPTED
    except (StudyError, OSError) as error:
        print(told_at_the_prompt(error), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
