"""What must be true of a study beyond single cells: dates, stages, identifiers, files.

Nothing here raises for bad data: each check returns a list of `Problem`.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import partial
from itertools import permutations
from pathlib import Path, PurePosixPath, PureWindowsPath

import pandas as pd

from npc_helpers.study.about import ABOUT, About
from npc_helpers.study.artefacts import dicom_files, foreign_checksum
from npc_helpers.study.follow_up import last_reviews, without_end
from npc_helpers.study.jobs import spread
from npc_helpers.study.problems import Problem
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import (
    ENDS,
    MANIFEST,
    N_VALUES,
    PROGRESSION_SITES,
    REGISTRY,
    T_VALUES,
    TIMEPOINTS,
    VISITS,
    Table,
)
from npc_helpers.study.tables import rows

SERIES_PER_WORKER = 400  # what is hashed in the second or two that a process takes to start

FEWEST_DATES = 4  # that two patients share, in one of whom nothing else differs
FIRST_SCANNERS = pd.Timestamp(1980, 1, 1)  # MR of patients began in that year
DATE_ORDER = (
    # earlier, later, may be the same day, what else the scan is (an error where this is blank)
    ("mri_pre_date", "treatment_start", True, "The scan is not from before treatment"),
    ("treatment_end", "mri_post_date", True, "The scan is not from after treatment"),
    ("diagnosis_date", "treatment_start", True, ""),
    ("treatment_start", "treatment_end", True, ""),
    ("treatment_start", "progression_date", False, ""),
    ("treatment_start", "last_review_date", False, ""),
    ("treatment_start", "death_date", False, ""),
    ("progression_date", "death_date", True, ""),
    ("last_review_date", "death_date", True, ""),
    ("mri_post_date", "death_date", True, ""),
    ("treatment_end", "death_date", True, ""),
)
BOTH_OR_NEITHER = (
    # this is blank, although this is filled, what is to be given
    ("progression_type", "progression_date", "Give the site of the first progression."),
    ("progression_date", "progression_type", "Give the date of the first progression."),
)
STAGES = (("t_stage", T_VALUES), ("n_stage", N_VALUES))


def check_registry(registry: pd.DataFrame, about: About) -> list[Problem]:
    """Check what one row of the registry says against itself: dates, stages, progression."""
    report = partial(rows, registry, REGISTRY)
    problems = _check_days(registry, REGISTRY, about)
    for earlier, later, same_day, lost in DATE_ORDER:
        first, second = registry[earlier], registry[later]
        wrong = (first > second) if same_day else (first >= second)
        column = earlier if earlier == "mri_pre_date" else later
        order = "before" if same_day else "not after"
        says = f"{later} {{{later}:%Y-%m-%d}} is {order} {earlier} {{{earlier}:%Y-%m-%d}}"
        action, level = "Correct the wrong one of the two dates.", "error"
        if lost:
            action = f"Correct the wrong date, if one is. {lost}: the patient will not be included."
            level = "warning"
        problems += report(wrong, column, says, action, level)
    for column, allowed in STAGES:
        in_some_edition = registry[column].isin({v for values in allowed.values() for v in values})
        for edition, values in allowed.items():
            of_edition = registry["tnm_edition"] == edition
            wrong = of_edition & in_some_edition & ~registry[column].isin(values)
            says = f"{{{column}}} does not exist in the {edition}th edition"
            action = f"Allowed there: {', '.join(values)}. Or correct tnm_edition."
            problems += report(wrong, column, says, action)
    problems += _one_patient_twice(registry)
    for column, partner, action in BOTH_OR_NEITHER:
        blank, filled = (registry[name].astype(str).isin(["", "NaT"]) for name in (column, partner))
        says = f"is blank although {partner} is filled"
        problems += report(blank & ~filled, column, says, action)
    return problems


def check_ends(registry: pd.DataFrame, visits: pd.DataFrame | None) -> list[Problem]:
    """Report patients of whom nobody knows how long they were followed, or only from visits.

    Who was not seen, by the visits, passes no screening: nothing is missing then.
    """
    nobody_knows = without_end(registry) & (registry["patient_id"] != "")
    if visits is None or visits.empty:
        return rows(
            registry, REGISTRY, nobody_knows, "last_review_date",
            "is blank, as are progression_date and death_date: it is not known how long the "
            "patient was followed",
            "Fill it in. Without it the patient will not be included.", "warning",
        )  # fmt: skip
    latest = last_reviews(registry, visits)
    return rows(
        registry.assign(latest=latest), REGISTRY, nobody_knows & latest.notna(), "last_review_date",
        f"is blank; the last review in {VISITS.path}, {{latest:%Y-%m-%d}}, counts instead",
        "If that was the last review, nothing has to be done. Otherwise fill it in.", "note",
    )  # fmt: skip


def _one_patient_twice(registry: pd.DataFrame) -> list[Problem]:
    """Report patients whose number or whose whole course is that of another."""
    patients, bare = registry["patient_id"], registry["patient_id"].map(bare_number)
    first = registry.assign(bare=bare).drop_duplicates("patient_id").drop_duplicates("bare")
    alike = bare.map(first.set_index("bare")["patient_id"])
    course = ["sex", "age_years", *registry.select_dtypes("datetime").columns]
    told = registry[course[2:]].notna().sum(axis=1) >= FEWEST_DATES
    again = registry.duplicated(course, keep=False) & told & ~patients.duplicated()
    same = registry[again].groupby(course, dropna=False)["patient_id"].transform("first")
    same = same.reindex(registry.index)
    report = partial(rows, registry.assign(alike=alike, same=same), REGISTRY)
    return report(
        alike.notna() & (alike != patients), "patient_id",
        "'{patient_id}' is written almost like '{alike}'",
        "If it is one patient, keep one row and one spelling, here and in the other tables.",
        "warning",
    ) + report(
        again & (same != patients), "patient_id",
        "sex, age and every date are those of patient '{same}'",
        "If it is one patient, keep one row: one in training and one in test would be a leak.",
        "warning",
    )  # fmt: skip


def bare_number(patient_id: str) -> str:
    """Return a patient's number without what is lost on the way: capitals, signs, leading zeros."""
    text = unicodedata.normalize("NFKC", str(patient_id)).casefold()
    parts = re.findall(r"[^\W\d_]+|\d+", text)
    return "-".join(part.lstrip("0") or "0" if part.isdigit() else part for part in parts)


def _check_days(table: pd.DataFrame, of: Table, about: About) -> list[Problem]:
    """Report days on which nobody can have been examined, or that have not come yet."""
    latest, name, action = pd.Timestamp.today().normalize(), "today,", "Correct it."
    if about.cut_off_date:
        latest, name = pd.Timestamp(about.cut_off_date), "the study's cut-off date"
        action = f"Correct it, or the cut_off_date in {ABOUT}."
    too_early = (
        "Correct it. If the dates were shifted to hide them, shift them by a few years only."
    )
    report, problems = partial(rows, table, of), []
    for column in table.select_dtypes("datetime"):
        days, day = table[column], f"{{{column}:%Y-%m-%d}}"
        problems += report(
            days > latest, column, f"{day} is after {name} {latest:%Y-%m-%d}", action
        )
        before = f"{day} is before the first MR scanners"
        problems += report(days < FIRST_SCANNERS, column, before, too_early)
    return problems


def check_known_patients(table: pd.DataFrame, of: Table, registry: pd.DataFrame) -> list[Problem]:
    """Report the rows whose patient the registry does not know."""
    unknown = ~table["patient_id"].isin(registry["patient_id"]) & (table["patient_id"] != "")
    near = {bare_number(name): name for name in registry["patient_id"]}
    alike = table["patient_id"].map(lambda name: near.get(bare_number(name), ""))
    report = partial(rows, table.assign(alike=alike), of)
    return report(
        unknown & (alike == ""), "patient_id", f"is not in {REGISTRY.path}",
        "Correct the identifier, or add the patient there.",
    ) + report(
        unknown & (alike != ""), "patient_id", f"is not in {REGISTRY.path}, which has '{{alike}}'",
        "Write it in one way everywhere. Spreadsheets drop leading zeros of what is no text.",
    )  # fmt: skip


def check_visits(visits: pd.DataFrame, registry: pd.DataFrame, about: About) -> list[Problem]:
    """Report visits of unknown patients and visits after death (calls that learn of it may be)."""
    death = registry.drop_duplicates("patient_id").set_index("patient_id")["death_date"]
    after_death = visits["visit_date"] > visits["patient_id"].map(death)
    learns = (visits["kind"] == "telephone") & (visits["finding"] == "death")
    problems = check_known_patients(visits, VISITS, registry) + _check_days(visits, VISITS, about)
    return problems + rows(
        visits, VISITS, after_death & ~learns, "visit_date",
        "{visit_date:%Y-%m-%d} is after the patient's death",
        f"Correct this date or death_date in {REGISTRY.path}.",
    )  # fmt: skip


def check_follow_up(visits: pd.DataFrame, registry: pd.DataFrame) -> list[Problem]:
    """Report what visits found and outcomes of the registry leave out: they decide the labels."""
    ends = registry.drop_duplicates("patient_id").set_index("patient_id")[list(ENDS)]
    visits = visits.join(ends, on="patient_id")
    visits = visits[visits["patient_id"].isin(ends.index)]
    day = visits["visit_date"]
    report = partial(rows, visits, VISITS, level="warning")
    problems = []
    for findings, column in ((PROGRESSION_SITES, "progression_date"), (("death",), "death_date")):
        event = visits["finding"].isin(findings)
        problems += report(
            event & visits[column].isna(), "finding",
            f"is '{{finding}}', and {column} is blank in {REGISTRY.path}",
            f"Fill in {column} there; or, if it turned out to be wrong, write none here.",
        )  # fmt: skip
        problems += report(
            event & (day < visits[column]), "finding",
            f"is '{{finding}}' on {{visit_date:%Y-%m-%d}}, before {column} {{{column}:%Y-%m-%d}}",
            f"Correct this row, or {column} in {REGISTRY.path}: the first counts.",
        )  # fmt: skip
    later = (visits["kind"] == "review") & (day > visits["last_review_date"])
    return problems + report(
        later, "visit_date",
        "{visit_date:%Y-%m-%d} is after last_review_date {last_review_date:%Y-%m-%d}",
        f"Correct this date, or last_review_date in {REGISTRY.path}: follow-up ends there.",
    )  # fmt: skip


def check_manifest(
    manifest: pd.DataFrame, registry: pd.DataFrame, folder: Path, linked: Sequence[Path]
) -> list[Problem]:
    """Check the rows of the manifest against each other and the registry; reads no image."""
    reserved = manifest["path"].map(has_reserved_character).astype(bool)
    outside = (manifest["path"] != "") & ~_inside(manifest, folder, linked)
    first = manifest.drop_duplicates("sha256").set_index("sha256")["patient_id"]
    owner = manifest["sha256"].map(first)
    report = partial(rows, manifest.assign(owner=owner), MANIFEST)
    problems = check_known_patients(manifest, MANIFEST, registry)
    problems += report(
        reserved, "path", "'{path}' holds a colon or backslash, which not every computer can read",
        "Write '/' between folders; give a folder with such a character another name.",
    )  # fmt: skip
    problems += report(
        outside & ~reserved, "path", "'{path}' leaves the study folder",
        "Write the path from the study folder down, without '..'. If a link leads to another disk, "
        f"name the folder there in {ABOUT}: linked_folders.",
    )  # fmt: skip
    problems += report(
        (owner != manifest["patient_id"]) & (manifest["sha256"] != ""), "sha256",
        "the same images are listed for patient {owner}",
        "Correct or delete the wrong row: the same images in training and test would be a leak.",
    )  # fmt: skip
    for timepoint, absent in permutations(TIMEPOINTS):  # public sets often have one only
        pair = ["patient_id", "sequence"]
        of_other = pd.MultiIndex.from_frame(manifest.loc[manifest["timepoint"] == absent, pair])
        alone = (manifest["timepoint"] == timepoint) & (manifest["source"] != "public")
        problems += report(
            alone & ~pd.MultiIndex.from_frame(manifest[pair]).isin(of_other), "timepoint",
            f"{{sequence}} has a {timepoint} series but no {absent} series",
            f"Add the {absent} series if there is one. Without it the patient takes no part where "
            "both are needed.", "warning",
        )  # fmt: skip
    return problems


def has_reserved_character(path: str) -> bool:
    """Tell whether a path from the study folder down would be another one on Windows."""
    return not PureWindowsPath(path).drive and any(character in path for character in "\\:")


def is_inside(folder: Path, path: str, linked: Sequence[Path] = ()) -> bool:
    """Tell whether a manifest path stays inside the study or a linked folder, links followed."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or ":" in path:
        return False
    place = (folder / parts).resolve()
    return any(place.is_relative_to(home) for home in (folder.resolve(), *linked))


def _inside(manifest: pd.DataFrame, folder: Path, linked: Sequence[Path]) -> pd.Series:
    inside = [path != "" and is_inside(folder, path, linked) for path in manifest["path"]]
    return pd.Series(inside, manifest.index, dtype=bool)


def rows_inside(manifest: pd.DataFrame, folder: Path, linked: Sequence[Path] = ()) -> pd.DataFrame:
    """Return the rows of the manifest whose path stays inside the study or a linked folder."""
    return manifest[_inside(manifest, folder, linked)]


def _foreign(series: tuple[Path, str]) -> str:
    """Return what `foreign_checksum` does, for a process of its own."""
    return foreign_checksum(*series)


def check_series(manifest: pd.DataFrame, folder: Path, *, checksums: bool) -> list[Problem]:
    """Compare the manifest, less the rows that leave the study, with the files on disk."""
    counts = [len(dicom_files(folder / path)) for path in manifest["path"]]
    manifest = manifest.assign(files=pd.Series(counts, manifest.index, dtype=int))
    problems = rows(
        manifest, MANIFEST, manifest["files"] == 0, "path", "there is no .dcm file in '{path}'",
        "Put the series there, or correct the path.",
    )  # fmt: skip
    present = manifest[manifest["files"] > 0]
    report = partial(rows, present, MANIFEST)
    problems += report(
        present["n_images"].notna() & (present["n_images"] != present["files"]), "n_images",
        "is {n_images:g}, but '{path}' holds {files} files",
        "Look for missing or foreign files, or correct the number.",
    )  # fmt: skip
    if checksums:
        listed = [(folder / s.path, s.sha256) for s in present.itertuples()]
        done = spread(_foreign, listed, fewest=SERIES_PER_WORKER, task="reads files")
        bar = {"total": len(listed), "desc": "checksums", "leave": False, "delay": 1}
        sums = dict(progress_bar(done, unit="series", **bar))
        actual = pd.Series([sums[series] for series in listed], present.index, dtype=str)
        problems += rows(
            present.assign(actual=actual), MANIFEST,
            (present["sha256"] != "") & (actual != ""), "sha256",
            "the files in '{path}' are not those the manifest describes; theirs is '{actual}'",
            "Restore them; or, if they are the right ones, write their checksum here.",
        )  # fmt: skip
    return problems
