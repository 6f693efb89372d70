"""What must be true of a study beyond single cells: dates, stages, identifiers, files.

Nothing here raises for bad data: each check returns a list of `Problem`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path, PurePosixPath, PureWindowsPath

import pandas as pd

from npc_helpers.study.about import ABOUT, About
from npc_helpers.study.artefacts import dicom_files, series_checksum
from npc_helpers.study.jobs import spread
from npc_helpers.study.problems import Problem
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import (
    MANIFEST,
    N_VALUES,
    REGISTRY,
    T_VALUES,
    TIMEPOINTS,
    VISITS,
    Table,
)
from npc_helpers.study.tables import rows

PROGRESS_FROM_SERIES = 50
SERIES_PER_WORKER = 400  # what is hashed in the second or two that a process takes to start

FEWEST_DATES = 4  # that two patients share, in one of whom nothing else differs
FIRST_SCANNERS = pd.Timestamp(1980, 1, 1)  # MR of patients began in that year
DATE_ORDER = (
    # earlier, later, may be the same day
    ("diagnosis_date", "treatment_start", True),
    ("treatment_start", "treatment_end", True),
    ("treatment_start", "progression_date", False),
    ("treatment_start", "last_review_date", False),
    ("treatment_start", "death_date", False),
    ("progression_date", "death_date", True),
    ("last_review_date", "death_date", True),
    ("mri_post_date", "death_date", True),
    ("treatment_end", "death_date", True),
)
SCAN_ORDER = (
    # earlier, later, what becomes of the patient
    ("mri_pre_date", "treatment_start", "The scan is not from before treatment"),
    ("treatment_end", "mri_post_date", "The scan is not from after treatment"),
)


def check_registry(registry: pd.DataFrame, about: About) -> list[Problem]:
    """Check what one row of the registry says against itself: dates, stages, progression."""
    problems = _check_days(registry, REGISTRY, about)
    for earlier, later, what in SCAN_ORDER:
        problems += rows(
            registry,
            registry[earlier] > registry[later],
            REGISTRY,
            "mri_pre_date" if earlier == "mri_pre_date" else "mri_post_date",
            lambda row, a=earlier, b=later: (
                f"{b} {row[b]:%Y-%m-%d} is before {a} {row[a]:%Y-%m-%d}"
            ),
            f"Correct the wrong date, if one is. {what}: the patient will not be included.",
            "warning",
        )
    for earlier, later, same_day in DATE_ORDER:
        first, second = registry[earlier], registry[later]
        bad = (first > second) if same_day else (first >= second)
        problems += rows(
            registry,
            bad,
            REGISTRY,
            later,
            lambda row, a=earlier, b=later: (
                f"{b} {row[b]:%Y-%m-%d} is not after {a} {row[a]:%Y-%m-%d}"
            ),
            "Correct the wrong one of the two dates.",
        )
    for column, allowed in (("t_stage", T_VALUES), ("n_stage", N_VALUES)):
        for edition, values in allowed.items():
            known = registry[column].isin({value for every in allowed.values() for value in every})
            bad = (registry["tnm_edition"] == edition) & known & ~registry[column].isin(values)
            problems += rows(
                registry,
                bad,
                REGISTRY,
                column,
                lambda row, c=column, e=edition: f"{row[c]} does not exist in the {e}th edition",
                f"Allowed there: {', '.join(values)}. Or correct tnm_edition.",
            )
    date, site = registry["progression_date"], registry["progression_type"]
    return (
        [*problems, *_one_patient_twice(registry)]
        + rows(
            registry,
            date.notna() & (site == ""),
            REGISTRY,
            "progression_type",
            "is blank although progression_date is filled",
            "Give the site of the first progression.",
        )
        + rows(
            registry,
            date.isna() & (site != ""),
            REGISTRY,
            "progression_date",
            "is blank although progression_type is filled",
            "Give the date of the first progression.",
        )
    )


def _one_patient_twice(registry: pd.DataFrame) -> list[Problem]:
    """Report patients whose number or whose whole course is that of another."""
    bare = registry["patient_id"].map(_bare)
    first = registry.drop_duplicates("patient_id").assign(bare=bare)
    first = first.drop_duplicates("bare").set_index("bare")["patient_id"]
    alike = bare.map(first)
    problems = rows(
        registry,
        alike.notna() & (alike != registry["patient_id"]),
        REGISTRY,
        "patient_id",
        lambda row: f"'{row['patient_id']}' is written almost like '{alike[row.name]}'",
        "If it is one patient, keep one row and one spelling, here and in the other tables.",
        "warning",
    )
    course = ["sex", "age_years", *registry.select_dtypes("datetime").columns]
    told = registry[course[2:]].notna().sum(axis=1) >= FEWEST_DATES
    again = registry.duplicated(course, keep=False) & told & ~registry["patient_id"].duplicated()
    same = registry[again].groupby(course, dropna=False)["patient_id"].transform("first")
    again &= same.reindex(registry.index) != registry["patient_id"]
    return problems + rows(
        registry,
        again,
        REGISTRY,
        "patient_id",
        lambda row: f"sex, age and every date are those of patient '{same[row.name]}'",
        "If it is one patient, keep one row: one in training and one in test would be a leak.",
        "warning",
    )


def _bare(patient_id: str) -> str:
    """Return a patient's number without what is lost on the way: capitals, signs, leading zeros."""
    parts = re.findall(r"[^\W\d_]+|\d+", str(patient_id).casefold())
    return "-".join(part.lstrip("0") or "0" if part.isdigit() else part for part in parts)


def _check_days(table: pd.DataFrame, of: Table, about: About) -> list[Problem]:
    """Report days on which nobody can have been examined, or that have not come yet."""
    if about.cut_off_date:
        latest, name = pd.Timestamp(about.cut_off_date), "the study's cut-off date"
        action = f"Correct it, or the cut_off_date in {ABOUT}."
    else:
        latest, name = pd.Timestamp.today().normalize(), "today,"
        action = "Correct it."
    problems = []
    for column in table.select_dtypes("datetime"):
        problems += rows(
            table,
            table[column] > latest,
            of,
            column,
            lambda row, c=column: f"{row[c]:%Y-%m-%d} is after {name} {latest:%Y-%m-%d}",
            action,
        )
        problems += rows(
            table,
            table[column] < FIRST_SCANNERS,
            of,
            column,
            lambda row, c=column: f"{row[c]:%Y-%m-%d} is before the first MR scanners",
            "Correct it. If the dates were shifted to hide them, shift them by a few years only.",
        )
    return problems


def check_known_patients(table: pd.DataFrame, of: Table, registry: pd.DataFrame) -> list[Problem]:
    """Report the rows whose patient the registry does not know."""
    unknown = ~table["patient_id"].isin(registry["patient_id"]) & (table["patient_id"] != "")
    near = {_bare(name): name for name in registry["patient_id"]}
    alike = table["patient_id"].map(lambda name: near.get(_bare(name), ""))
    action = "Correct the identifier, or add the patient there."
    problems = rows(
        table, unknown & (alike == ""), of, "patient_id", f"is not in {REGISTRY.path}", action
    )
    return problems + rows(
        table,
        unknown & (alike != ""),
        of,
        "patient_id",
        lambda row: f"is not in {REGISTRY.path}, which has '{alike[row.name]}'",
        "Write it in one way everywhere. Spreadsheets drop leading zeros of what is no text.",
    )


def check_visits(visits: pd.DataFrame, registry: pd.DataFrame, about: About) -> list[Problem]:
    """Report visits of unknown patients and visits after death (calls that learn of it may be)."""
    death = visits["patient_id"].map(
        registry.drop_duplicates("patient_id").set_index("patient_id")["death_date"]
    )
    learns = (visits["kind"] == "telephone") & (visits["finding"] == "death")
    problems = check_known_patients(visits, VISITS, registry) + _check_days(visits, VISITS, about)
    return problems + rows(
        visits,
        (visits["visit_date"] > death) & ~learns,
        VISITS,
        "visit_date",
        lambda row: f"{row['visit_date']:%Y-%m-%d} is after the patient's death",
        f"Correct this date or death_date in {REGISTRY.path}.",
    )


def check_manifest(
    manifest: pd.DataFrame, registry: pd.DataFrame, folder: Path, linked: Sequence[Path]
) -> list[Problem]:
    """Check the rows of the manifest against each other and the registry; reads no image."""
    problems = check_known_patients(manifest, MANIFEST, registry)
    reserved = manifest["path"].map(has_reserved_character).astype(bool)
    inside = [path == "" or is_inside(folder, path, linked) for path in manifest["path"]]
    outside = ~pd.Series(inside, manifest.index, dtype=bool)
    problems += rows(
        manifest,
        reserved,
        MANIFEST,
        "path",
        lambda row: (
            f"'{row['path']}' holds a colon or backslash, which not every computer can read"
        ),
        "Write '/' between folders; give a folder with such a character another name.",
    )
    problems += rows(
        manifest,
        outside & ~reserved,
        MANIFEST,
        "path",
        lambda row: f"'{row['path']}' leaves the study folder",
        "Write the path from the study folder down, without '..'. If a link leads to another disk, "
        f"name the folder there in {ABOUT}: linked_folders.",
    )
    first = manifest.drop_duplicates("sha256").set_index("sha256")["patient_id"]
    owner = manifest["sha256"].map(first)
    shared = (owner != manifest["patient_id"]) & (manifest["sha256"] != "")
    problems += rows(
        manifest,
        shared,
        MANIFEST,
        "sha256",
        lambda row: f"the same images are listed for patient {first[row['sha256']]}",
        "One of the two rows is wrong: the same images in training and test would be a leak.",
    )
    return problems + _check_pairs(manifest)


def _check_pairs(manifest: pd.DataFrame) -> list[Problem]:
    """Mention series that exist at one timepoint only; public sets often have no other."""
    problems = []
    for here, there in permutations(TIMEPOINTS):
        other = manifest.loc[manifest["timepoint"] == there, ["patient_id", "sequence"]]
        keys = pd.MultiIndex.from_frame(manifest[["patient_id", "sequence"]])
        alone = (manifest["timepoint"] == here) & ~keys.isin(pd.MultiIndex.from_frame(other))
        alone &= manifest["source"] != "public"
        problems += rows(
            manifest,
            alone,
            MANIFEST,
            "timepoint",
            lambda row, a=here, b=there: f"{row['sequence']} has a {a} series but no {b} series",
            f"Add the {there} series if there is one. Without it the patient takes no part where "
            "both are needed.",
            "warning",
        )
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


def rows_inside(manifest: pd.DataFrame, folder: Path, linked: Sequence[Path] = ()) -> pd.DataFrame:
    """Return the rows of the manifest whose path stays inside the study or a linked folder."""
    inside = [path != "" and is_inside(folder, path, linked) for path in manifest["path"]]
    return manifest[pd.Series(inside, manifest.index, dtype=bool)]


def check_series(
    manifest: pd.DataFrame, folder: Path, *, checksums: bool, progress: bool
) -> list[Problem]:
    """Compare the manifest, less the rows that leave the study, with the files on disk."""
    counts = [len(dicom_files(folder / path)) for path in manifest["path"]]
    found = pd.Series(counts, manifest.index, dtype=int)
    problems = rows(
        manifest,
        found == 0,
        MANIFEST,
        "path",
        lambda row: f"there is no .dcm file in '{row['path']}'",
        "Put the series there, or correct the path.",
    )
    present, found = manifest[found > 0], found[found > 0]
    problems += rows(
        present,
        present["n_images"].notna() & (present["n_images"] != found),
        MANIFEST,
        "n_images",
        lambda row: f"is {row['n_images']:g}, but '{row['path']}' holds {found[row.name]} files",
        "Look for missing or foreign files, or correct the number.",
    )
    if checksums:
        sums = _checksums([folder / path for path in present["path"]], progress)
        problems += rows(
            present,
            (present["sha256"] != "") & (present["sha256"] != pd.Series(sums, present.index, str)),
            MANIFEST,
            "sha256",
            lambda row: f"the files in '{row['path']}' are not those the manifest describes",
            "Restore them; or, if they are the right ones, write their series_checksum here.",
        )
    return problems


def _checksums(folders: Iterable[Path], progress: bool) -> list[str]:
    """Return the checksum of each folder."""
    folders = list(folders)
    what = {"total": len(folders), "desc": "checksums", "unit": "series", "leave": False}
    shown = progress and len(folders) >= PROGRESS_FROM_SERIES
    done = spread(series_checksum, folders, fewest=SERIES_PER_WORKER, what="reads files")
    sums = dict(progress_bar(done, shown=shown, **what))
    return [sums[folder] for folder in folders]
