"""Does anything in a study still name a person? Headers, tables and notebooks are looked through.

What is found is named by its kind and place, never by its value: the message may be shown to
anybody. Nothing found is no proof; a name in a free text that looks like any other word is not
recognised, and faces are in the images.
"""

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd

from npc_helpers.study.artefacts import dicom_files
from npc_helpers.study.dicom_file import DicomError, open_dicom
from npc_helpers.study.problems import Problem
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import TABLES
from npc_intake.identity.words import kept_words

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
DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "StudyDescription", "ContrastBolusAgent")
HARMLESS = {"", "SYNTHETIC", "ANONYMOUS", "ANONYMIZED", "ANONYMISED", "REMOVED", "NONE", "0"}
NO_NAME = re.compile(
    r"(anon(ym(ous|i[sz]ed))?|de-?identified|removed|no[ _^]?name|none)[\W_]*\d*[\W_]*",
    re.IGNORECASE,
)
MADE_UP = "^SYNTHETIC"  # after the identifier: the names of the demonstration study
PATIENT_NAME = 0x00100010
NAME_AS_ID = re.compile(r"[^\W\d_]+([ ,^]+[^\W\d_]+)+")
TEXT = {"LO", "LT", "SH", "ST", "UC", "UT"}

_START, _END = r"(?<![A-Za-z0-9_])(?<!\d\.)", r"(?![A-Za-z0-9_]|\.(?!0\b)\d)"
PATTERNS = {
    "an e-mail address": r"(?<![\w.+-])[\w.+-]{1,64}@(?!example\.)[\w-]+\.[A-Za-z]{2,}\b",
    "a national identity number": (
        rf"{_START}[1-9]\d{{5}}(19|20)\d{{2}}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{{3}}[\dXx]{_END}"
    ),
    "a telephone number": (
        rf"{_START}((\+?86[ -]?)?1[3-9](\d{{9}}|\d-\d{{4}}-\d{{4}})"
        r"|(?<!\d )1[3-9]\d \d{4} \d{4}(?! \d)"
        r"|(?<!-)(0\d{2,3}-|\(0\d{2,3}\) ?)\d{7,8}(?!-)"
        rf"|\+\d{{2,3}}[ -]\d{{2,4}}([ -]\d{{3,4}}){{2}}){_END}"
    ),
    "a name as DICOM writes it": (
        r"\b[A-Z][A-Za-z'-]{1,40}\^[A-Z][A-Za-z'-]|[\u4e00-\u9fff]{1,9}\^[\u4e00-\u9fff]"
    ),
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
TABLE_FILES, TEXT_FILES = {".csv", ".tsv"}, {".txt", ".json", ".html", ".htm"}
BARE = {b"\2\0", b"\x08\0", b"\0\x08"}  # how a DICOM file without a preamble begins
OTHER_SOFTWARE = ("pyvenv.cfg", "conda-meta")  # a folder with one of them is an installation
COLOUR = re.compile(r"\x1b\[[\d;]*m")  # in tracebacks
EMBEDDED = re.compile(r"base64,[A-Za-z0-9+/=]{100,}")
LIBRARY = re.compile(r"plotly\.js v\d|@license|Copyright")  # how a script of others begins
REMEDY = (
    "Take it out, or de-identify the images again from the originals: "
    "python -m npc_intake deidentify."
)


def kinds_of_identity(text: str) -> list[str]:
    """Return what a text seems to hold, by kind (`PATTERNS`); the text itself is not repeated."""
    return [kind for kind, pattern in _compiled().items() if pattern.search(text)]


@cache
def _compiled() -> dict[str, re.Pattern]:
    return {kind: re.compile(pattern) for kind, pattern in PATTERNS.items()}


def _files(folder: Path) -> list[Path]:
    """List the files of a study folder; hidden ones and installed software are left out."""
    paths = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if (name.endswith("ipynb_checkpoints") or not name.startswith("."))
            and not any(Path(where, name, sign).exists() for sign in OTHER_SOFTWARE)
        )
        paths += [Path(where, name) for name in sorted(names) if not name.startswith(".")]
    return paths


# --- images ---------------------------------------------------------------------------------------


def check_identity(folder: Path, manifest: pd.DataFrame | None) -> list[Problem]:
    """Return what `check_texts` finds in a study and, with a manifest, `check_images`.

    `npc_helpers.study` calls it as a registered check (``pyproject.toml``).
    """
    return check_texts(folder) + ([] if manifest is None else check_images(manifest, folder))


def check_images(manifest: pd.DataFrame, folder: Path) -> list[Problem]:
    """Look through the header of every DICOM file of a study.

    Parameters
    ----------
    manifest : DataFrame
        Only rows whose path lies in the study. Series whose source is hospital must say that they
        were de-identified, and have one of the descriptions that are written then.
    folder : Path
        Of the study. DICOM files in it that the manifest does not list (``data/incoming``, masks)
        are looked through as well.

    Returns
    -------
    list of Problem
        One per folder and kind. Files that pydicom cannot read are none of this check's concern.
    """
    sources = manifest.get("source", pd.Series("", manifest.index))
    listed = zip(manifest["path"], manifest["patient_id"], sources == "hospital", strict=True)
    groups = [
        (path, patient, dicom_files(folder / path), from_hospital)
        for path, patient, from_hospital in listed
    ]
    searched = {path for _, _, files, _ in groups for path in files}
    from_hospital = bool(len(sources)) and bool((sources == "hospital").all())
    others: dict[Path, list[Path]] = {}
    for path in _files(folder):
        if path not in searched and _may_be_dicom(path):
            others.setdefault(path.parent, []).append(path)
    for home, files in others.items():
        groups.append((home.relative_to(folder).as_posix(), "", files, from_hospital))
    problems = []
    for where, patient, files, from_hospital in progress_bar(groups, **BAR):
        counts: Counter = Counter()
        for path in files:
            counts.update(_in_header(path, from_hospital=from_hospital))
        problems += [
            Problem(where, patient, "", f"{count} of {len(files)} files: {kind}", REMEDY)
            for kind, count in counts.items()
        ]
    return problems


def _may_be_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:  # the reader of the series refuses such a file, with its name
        return False
    return start[128:] == b"DICM" or start[:2] in BARE


def _in_header(path: Path, *, from_hospital: bool) -> set[str]:
    """Return what one file's header holds that may name a person."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they may repeat a value
        try:
            dataset = open_dicom(path, pixels=False, bare=True)
            if "SOPClassUID" not in dataset:  # no DICOM: what is forced upon other bytes
                return set()
        except DicomError as error:  # the reader of the series refuses such a file, with its name
            broken = error.code == "truncated"
            return {"a header that breaks off, of which nothing is known"} if broken else set()
        return {*_in_dataset(dataset), *_in_image(dataset, from_hospital=from_hospital)}


def _in_dataset(dataset) -> Iterable[str]:
    """Judge every element, also in the items of sequences."""
    for tag in dataset.keys():  # values are converted where they may name somebody only
        if tag.is_private:
            yield "private elements, which may hold anything"
            continue
        vr, keyword = _vr(dataset, tag), _personal_tags().get(tag, "")
        if not (keyword or vr in ("PN", "SQ") or vr in TEXT) or tag == PATIENT_NAME:
            continue
        try:
            yield from _in_element(dataset[tag], vr, keyword)
        except Exception:  # pydicom converts on access, and raises many kinds
            yield f"{_keyword(tag)} cannot be read"


def _in_element(element, vr: str, personal: str) -> Iterable[str]:
    if (personal or vr == "PN") and not _is_harmless(element):
        yield f"{personal or element.keyword} is filled"
    elif vr == "SQ":
        for item in element.value:
            yield from _in_dataset(item)
    elif vr in TEXT:
        for kind in kinds_of_identity(str(element.value or "")):
            yield f"{element.keyword} holds {kind}"


def _in_image(dataset, *, from_hospital: bool) -> Iterable[str]:
    """Judge what is said about the image as a whole."""
    name, patient = _value(dataset, "PatientName"), _value(dataset, "PatientID")
    if (
        name.strip("^= ")
        and name not in (patient, patient + MADE_UP)
        and not NO_NAME.fullmatch(name)
    ):
        yield "PatientName is not the identifier"
    if NAME_AS_ID.fullmatch(patient):
        yield "PatientID is written like a name"
    if _value(dataset, "BurnedInAnnotation").upper() == "YES":
        yield "text is burned into the pixels"
    if from_hospital and _value(dataset, "PatientIdentityRemoved").upper() != "YES":
        yield "it does not say that it was de-identified (PatientIdentityRemoved)"
    for keyword in DESCRIPTIONS if from_hospital else ():
        text = _value(dataset, keyword)
        if text != kept_words(text):
            yield f"{keyword} is free text, which may hold anything"


def _value(dataset, keyword: str) -> str:
    try:
        return str(dataset.get(keyword, "")).strip(" \0")
    except Exception:  # pydicom converts on access, and raises many kinds
        return ""


def _vr(dataset, tag) -> str:
    """Return the kind of an element; a file with implicit kinds does not say it."""
    stated = dataset.get_item(tag).VR
    return stated if stated not in (None, "UN") else _dictionary(tag)[0]


def _keyword(tag) -> str:
    return _dictionary(tag)[1] or str(tag)


@cache
def _dictionary(tag) -> tuple[str, str]:
    from pydicom.datadict import dictionary_keyword, dictionary_VR

    try:
        return dictionary_VR(tag), dictionary_keyword(tag)
    except KeyError:
        return "UN", ""


def _is_harmless(element) -> bool:
    if element.VR == "SQ":
        return not any(len(item) for item in element.value)
    text = str(element.value or "").strip(" ^=\0").upper()
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
        Of the study: every table, text, page and notebook in it, outputs included.

    Returns
    -------
    list of Problem
    """
    paths = dict.fromkeys([folder / table.path for table in TABLES] + _files(folder))
    problems = []
    for path in paths:
        suffix, where = path.suffix.lower(), path.relative_to(folder).as_posix()
        if suffix in TABLE_FILES:
            problems += [
                Problem(where, "", column, problem, "Remove it from the table.")
                for column, problem in _in_table(_text(path))
            ]
        elif suffix.endswith("ipynb"):
            problems += [
                Problem(where, "", "", f"{place} holds {kind}", "Clear it and save again.")
                for place, kind in _in_notebook(_text(path))
            ]
        elif suffix in TEXT_FILES:
            problems += [
                Problem(where, "", "", f"it holds {kind}", "Take it out.")
                for kind in kinds_of_identity(_own_text(_text(path)))
            ]
    return problems


def _text(path: Path) -> str:
    """Read a text as UTF-8 or, as Excel saves it in Chinese, as GB 18030."""
    try:
        content = path.read_bytes()
    except OSError:  # no such table; the check of the tables says so
        return ""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", errors="replace")


def _own_text(page: str) -> str:
    """Return a page without its pictures, and without the scripts of others, who sign them."""
    first, *scripts = EMBEDDED.sub("", page).split("<script")
    return first + "".join(
        script.partition("</script>")[2] if LIBRARY.search(script[:1000]) else script
        for script in scripts
    )


def _in_table(text: str) -> Iterable[tuple[str, str]]:
    header, _, cells = text.partition("\n")
    for column in header.replace(";", ",").replace("\t", ",").split(","):
        column = column.strip().strip('"')
        if COLUMN_NAMES.fullmatch(column):
            yield column, "by its name this column identifies people"
    if not kinds_of_identity(cells):
        return
    for number, line in enumerate(cells.splitlines(), start=2):
        for kind in kinds_of_identity(line):
            yield "", f"row {number} holds {kind}"


def _in_notebook(text: str) -> Iterable[tuple[str, str]]:
    try:
        notebook = json.loads(text)
        places = {
            f"cell {number}": _cell_text(cell) for number, cell in enumerate(notebook["cells"], 1)
        }
        places["its metadata"] = _as_text(notebook.get("metadata", ""))
    except (ValueError, KeyError, TypeError, AttributeError):  # damaged: read as it stands
        places = {"it": text}
    for place, content in places.items():
        for kind in kinds_of_identity(content):
            yield place, kind


def _cell_text(cell: dict) -> str:
    parts = [_own_text(_as_text(cell.get("source", "")))]
    for output in cell.get("outputs", []):
        parts += [_as_text(output.get(name, "")) for name in ("text", "evalue", "traceback")]
        for kind, content in output.get("data", {}).items():
            if not kind.startswith("image/") or kind == "image/svg+xml":
                parts.append(_own_text(_as_text(content)))
    return COLOUR.sub(" ", "\n".join(parts))


def _as_text(content: object) -> str:
    """Join the lines that a notebook splits a text into; print anything else."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(line, str) for line in content):
        return "".join(content)
    return json.dumps(content, ensure_ascii=False)
