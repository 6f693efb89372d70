"""Does anything in a study still name a person? Headers, tables and notebooks are looked through.

What is found is named by its kind and place, never by its value: the message may be shown to
anybody. Nothing found is no proof; a name in a free text that looks like any other word is not
recognised, and faces are in the images.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd

from npc_helpers.artefacts import dicom_files
from npc_helpers.progress import progress_bar
from npc_helpers.schema import TABLES
from npc_helpers.tables import Problem

# Elements of PS3.15, table E.1-1, that name a person or a place and are blank when de-identified.
PERSONAL = (
    *("PatientBirthDate", "PatientBirthTime", "OtherPatientIDs", "OtherPatientNames"),
    *("OtherPatientIDsSequence", "PatientBirthName", "PatientMotherBirthName", "PatientAddress"),
    *("PatientTelephoneNumbers", "PatientTelecomInformation", "PatientReligiousPreference"),
    *("EthnicGroup", "Occupation", "PatientComments", "AdditionalPatientHistory"),
    *("MedicalRecordLocator", "MilitaryRank", "InsurancePlanIdentification", "AdmissionID"),
    *("IssuerOfPatientID", "CurrentPatientLocation", "PatientInstitutionResidence"),
    *("AccessionNumber", "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName"),
    *("StationName", "ReferringPhysicianName", "ReferringPhysicianAddress"),
    *("ReferringPhysicianTelephoneNumbers", "ConsultingPhysicianName", "PhysiciansOfRecord"),
    *("PerformingPhysicianName", "NameOfPhysiciansReadingStudy", "OperatorsName"),
    *("RequestingPhysician", "RequestingService", "ScheduledPerformingPhysicianName"),
    *("ResponsiblePerson", "ResponsibleOrganization", "ImageComments", "RequestAttributesSequence"),
    *("PerformedProcedureStepID", "TextString", "PersonName", "ContentCreatorName"),
    *("VerifyingObserverName", "RequestedProcedureComments", "VisitComments"),
)
HARMLESS = {"", "SYNTHETIC", "ANONYMOUS", "ANONYMIZED", "ANONYMISED", "REMOVED", "NONE", "0"}
NO_NAME = re.compile(r"anon|de-?ident|removed", re.IGNORECASE)
FREE_TEXT = ("SeriesDescription", "StudyDescription", "ProtocolName", "StudyID", "PatientID")

PATTERNS = {
    "an e-mail address": r"[\w.+-]+@(?!example\.)[\w-]+\.[A-Za-z]{2,}\b",
    "a national identity number": (
        r"(?<![\w.])[1-9]\d{5}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](?!\w)"
    ),
    "a telephone number": r"(?<![\w.])(1[3-9]\d{9}|\+\d{2,3}[ -]\d{2,4}([ -]\d{3,4}){2})(?![\w.])",
    "a name as DICOM writes it": r"\b[A-Z][A-Za-z'-]{2,}\^[A-Z][A-Za-z'-]{2,}",
    "a printed DICOM header with a name or birth date": (
        r"\(0010,\s?(0030|1040|2154|4000)\)[^\n]{0,60}:\s*'[^'\s]"
    ),
}
COLUMN_NAMES = re.compile(
    r"(patient_?|full_?|first_?|last_?|family_?|given_?|sur)?name|birth_?(date|day)|date_of_birth|dob"
    r"|(home_?)?address|(tele)?phone|mobile|e?_?mail|mrn|(hospital|record|passport|id_card)_?(no|number)"
    r"|姓名|电话|手机|住址|地址|身份证号?|住院号|病历号|门诊号|出生日期",
    re.IGNORECASE,
)
BAR = {"desc": "looking for names", "unit": "series", "leave": False, "delay": 1}
REMEDY = (
    "Take it out, or de-identify the images again from the originals: "
    "python -m npc_helpers.intake deidentify."
)


def kinds_of_identity(text: str) -> list[str]:
    """Return what a text seems to hold, by kind (`PATTERNS`); the text itself is not repeated."""
    return [kind for kind, pattern in _compiled().items() if pattern.search(text)]


@cache
def _compiled() -> dict[str, re.Pattern]:
    return {kind: re.compile(pattern) for kind, pattern in PATTERNS.items()}


# --- images ---------------------------------------------------------------------------------------


def check_images(manifest: pd.DataFrame, folder: Path, *, progress: bool = False) -> list[Problem]:
    """Look through the header of every file that the manifest lists.

    Parameters
    ----------
    manifest : DataFrame
        Only rows whose path lies in the study.
    folder : Path
    progress : bool

    Returns
    -------
    list of Problem
        One per series and kind. Files that pydicom cannot read are none of this check's concern.
    """
    problems = []
    rows = list(manifest.itertuples(index=False))
    for row in progress_bar(rows, shown=progress, **BAR):
        found: Counter = Counter()
        files = dicom_files(folder / row.path)
        for path in files:
            found.update(_in_header(path))
        problems += [
            Problem(row.path, row.patient_id, "", f"{count} of {len(files)} files: {what}", REMEDY)
            for what, count in found.items()
        ]
    return problems


def _in_header(path: Path) -> set[str]:
    """Return what one file's header holds that may name a person."""
    import pydicom

    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        return set(_in_dataset(dataset))
    except Exception:  # the reader of the series refuses such a file, with its name
        return set()


def _in_dataset(dataset) -> Iterable[str]:
    personal = _personal_tags()
    for tag in dataset.keys():  # values are not converted
        if tag.is_private:
            yield "private elements, which may hold anything"
        elif tag in personal and not _is_harmless(dataset[tag]):
            yield f"{personal[tag]} is filled"
        elif dataset.get_item(tag).VR == "SQ":
            for item in dataset[tag].value:
                yield from _in_dataset(item)
    name, patient = str(dataset.get("PatientName", "")), str(dataset.get("PatientID", ""))
    if name and not name.startswith(patient or "^") and not NO_NAME.search(name):
        yield "PatientName is not the identifier"
    if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        yield "text is burned into the pixels"
    for keyword in FREE_TEXT:
        for kind in kinds_of_identity(str(dataset.get(keyword, ""))):
            yield f"{keyword} holds {kind}"


def _is_harmless(element) -> bool:
    if element.VR == "SQ":
        return not any(len(item) for item in element.value)
    text = str(element.value or "").strip().upper()
    return text in HARMLESS


@cache
def _personal_tags() -> dict[int, str]:
    from pydicom.datadict import tag_for_keyword

    return {tag_for_keyword(keyword): keyword for keyword in PERSONAL}


# --- tables and notebooks -------------------------------------------------------------------------


def check_texts(folder: Path) -> list[Problem]:
    """Look through the tables, the results and the notebooks of a study.

    Parameters
    ----------
    folder : Path
        Of the study: its tables, every ``.csv`` of its results, and the notebooks that lie in it
        or in its folder ``notebooks``, outputs included.

    Returns
    -------
    list of Problem
    """
    tables = [folder / table.path for table in TABLES]
    tables += sorted((folder / "results").rglob("*.csv"))
    notebooks = sorted({*folder.glob("*ipynb"), *(folder / "notebooks").glob("*ipynb")})
    problems = []
    for path in tables:
        where = path.relative_to(folder).as_posix()
        problems += [
            Problem(where, "", column, problem, "Remove it from the table.")
            for column, problem in _in_table(_text(path))
        ]
    for path in notebooks:
        where = path.relative_to(folder).as_posix()
        problems += [
            Problem(where, "", "", f"cell {cell} holds {kind}", "Clear it and save again.")
            for cell, kind in _in_notebook(_text(path))
        ]
    return problems


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:  # no such table; the check of the tables says so
        return ""


def _in_table(text: str) -> Iterable[tuple[str, str]]:
    header, _, cells = text.partition("\n")
    for column in header.replace(";", ",").replace("\t", ",").split(","):
        column = column.strip().strip('"')
        if COLUMN_NAMES.fullmatch(column):
            yield column, "by its name this column identifies people"
    for number, line in enumerate(cells.splitlines(), start=2):
        for kind in kinds_of_identity(line):
            yield "", f"row {number} holds {kind}"


def _in_notebook(text: str) -> Iterable[tuple[int, str]]:
    try:
        cells = json.loads(text)["cells"]
    except (ValueError, KeyError, TypeError):
        return
    for number, cell in enumerate(cells, start=1):
        parts = [_join(cell.get("source", ""))]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            parts.append(_join(output.get("text", "")))
            parts += [_join(data[kind]) for kind in data if kind.startswith("text/")]
        for kind in kinds_of_identity("\n".join(parts)):
            yield number, kind


def _join(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(map(str, text))
