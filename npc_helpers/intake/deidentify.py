"""Take the identity out of MR images before they enter a study (tables: `deidentified_tables`).

From a terminal::

    python -m npc_helpers.intake deidentify SOURCE TARGET --key ~/keys/npc.json

Identifiers and dates are replaced by functions of a secret key: the same patient has the same
pseudonym in every run, dates of one patient move together (so that intervals, and with them PFS,
stay), and nobody without the key can go back. The key file, and the table that says who is who
beside it, stay outside every study folder.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage

from npc_helpers.artefacts import StudyError, atomic_path
from npc_helpers.dicom_files import open_file
from npc_helpers.dicom_tags import DicomError, Tags, refuse
from npc_helpers.intake import keep_list
from npc_helpers.intake.deidentified_pixels import add_pixels
from npc_helpers.intake.dicom_headers import header_of, read_header
from npc_helpers.intake.find_series import list_dicom
from npc_helpers.intake.pseudonyms import Key
from npc_helpers.intake.series_kind import classify
from npc_helpers.progress import progress_bar
from npc_helpers.schema import SERIES_DESCRIPTIONS, WATER

__all__ = ["Key", "deidentify_file", "deidentify_folder"]

METHOD = "NPC notebooks: keep-list after PS3.15 E.1"
PROFILE = {  # PS3.16, context group 7050
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
IMAGES = {MRImageStorage, EnhancedMRImageStorage}
REFUSED_FOR_GOOD = {"not-mr", "no-identifier", "burned-in", "again"}  # not: damaged


def deidentify_file(source: Dataset | str | Path, key: Key) -> Dataset:
    """Return a new dataset that holds only what the keep-list allows.

    Parameters
    ----------
    source : Dataset or path-like
        An MR image, classic or enhanced. It is not changed.
    key : Key

    Returns
    -------
    pydicom.Dataset
        With file meta information, ready to be saved. Pixels are those of the source, byte for
        byte, unless their compressed stream holds a comment: then they are decompressed.

    Raises
    ------
    DicomError
        If it is no MR image, has no PatientID, is a screenshot, says that something is burned into
        its pixels, or has been de-identified here before (dates would move twice).
    """
    path = Path("dataset") if isinstance(source, Dataset) else Path(source)
    if not isinstance(source, Dataset):
        tags, _ = open_file(path)
        if tags is None:
            raise refuse(path, "not-dicom", "not a DICOM file", "Leave it out")
        source = tags.dataset
    tags = Tags(source, path)
    _check(tags)
    patient = tags.text("PatientID")
    result = _keep(source, key, patient)
    _describe(result, tags, key, patient)
    add_pixels(result, tags)
    return result


def deidentify_folder(
    source: str | Path, target: str | Path, *, key_path: str | Path, progress: bool = True
) -> pd.DataFrame:
    """De-identify every MR image below a folder.

    Parameters
    ----------
    source, target : path-like
        Images go to ``target/<pseudonym>/series-…/image-….dcm``, named after their new
        identifiers: names of files and folders of the source play no part in it, and a second
        batch of the same series joins the first.
    key_path : path-like
        The secret, made if it does not exist. It must lie outside `target` and any other study
        or repository. The table of patients and pseudonyms is written beside it.
    progress : bool

    Returns
    -------
    DataFrame
        One row per file: file (in the source), patient_id (the pseudonym), path (in the target,
        blank if refused), problem (why it was refused, or what a person should look at).

    Raises
    ------
    StudyError
        If the source does not exist, the key lies in the wrong place, or two patients would
        share a pseudonym.
    """
    source, target = Path(source).expanduser(), Path(target).expanduser()
    if not source.is_dir():
        raise StudyError(f"{source}: no such folder. Name the folder that holds the DICOM files.")
    key = Key.open(key_path, outside=target)
    known: dict[str, str] = {}
    rows = []
    for path in progress_bar(list_dicom(source)[0], shown=progress, desc="removing names"):
        name = path.relative_to(source).as_posix()
        try:
            header = read_header(path)
            if header is None:
                continue
            dataset = deidentify_file(path, key)
        except DicomError as error:
            rows.append([name, "", "", str(error)])
            continue
        pseudonym = key.claim(known, header["PatientID"])
        folder = f"{pseudonym}/{key.label(dataset.SeriesInstanceUID, 'series')}"
        place = f"{folder}/{key.label(dataset.SOPInstanceUID, 'image')}.dcm"
        with atomic_path(target / place) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)
        stated = "BurnedInAnnotation" in dataset
        note = "" if stated else "nothing says whether text is burned in: look at the images"
        rows.append([name, pseudonym, place, note])
    key.write_mapping(known)
    return pd.DataFrame(rows, columns=["file", "patient_id", "path", "problem"])


# --- one file -------------------------------------------------------------------------------------


def _check(tags: Tags) -> None:
    action = "It was left out; show it to whoever is responsible for the data"
    if tags.text("SOPClassUID") not in IMAGES or tags.text("Modality") != "MR":
        kind = tags.text("Modality") or "unknown modality"
        raise refuse(tags.path, "not-mr", f"no MR image ({kind})", action)
    for keyword in ("PatientID", "SOPInstanceUID", "SeriesInstanceUID"):
        if not tags.text(keyword):
            raise refuse(tags.path, "no-identifier", f"{keyword} is blank", action)
    if tags.text("BurnedInAnnotation").upper() not in ("", "NO"):
        raise refuse(tags.path, "burned-in", "text is burned into its pixels", action)
    if "SCREEN SAVE" in tags.text("ImageType").upper():
        raise refuse(tags.path, "burned-in", "it is a screenshot", action)
    if tags.text("DeidentificationMethod") == METHOD:
        raise refuse(
            tags.path,
            "again",
            "de-identified before: dates would move twice",
            "Start from the original",
        )


def _keep(source: Dataset, key: Key, patient: str) -> Dataset:
    """Copy what the keep-list allows, in sequences too."""
    result = Dataset()
    for keyword in source.dir():
        element = _read(source, keyword)
        if element is None or element.is_empty or element.tag.is_private:
            continue
        if keyword in keep_list.SEQUENCES and element.VR == "SQ":
            items = [_keep(item, key, patient) for item in element.value]
            result.add_new(element.tag, "SQ", items)
        else:
            value = _allowed(element, key, patient)
            if value not in ("", None, []):
                result.add_new(element.tag, element.VR, value)
    return result


def _read(source: Dataset, keyword: str) -> pydicom.DataElement | None:
    try:
        return source[keyword]
    except Exception:  # an unreadable value is not known to be safe
        return None


def _allowed(element: pydicom.DataElement, key: Key, patient: str) -> object:
    """Return what may stay of one element; None if nothing."""
    keyword, vr = element.keyword, element.VR
    many = isinstance(element.value, pydicom.multival.MultiValue | list)
    values = [str(item).strip(" \0") for item in (element.value if many else [element.value])]
    if keyword in keep_list.CODES and vr == "CS":
        return keep_list.codes(keyword, values)
    if keyword in keep_list.NUMBERS and vr in ("DS", "IS"):
        return values if keep_list.are_numbers(values) else None
    if keyword in keep_list.BINARY and vr in ("US", "SS", "UL", "FL", "FD"):
        return element.value
    if keyword in keep_list.DATES and vr == "DA":
        return _shifted(values[0], key.days(patient))
    if keyword in keep_list.TIMES and vr == "TM":
        return values[0] if keep_list.is_time(values[0]) else None
    if keyword in keep_list.UIDS and vr == "UI":
        return key.uid(values[0])
    if keyword == "PatientAge" and vr == "AS":
        return keep_list.age(values[0])
    if keyword == "Manufacturer":
        return keep_list.manufacturer(values[0])
    return None


def _shifted(text: str, days: int) -> str:
    digits = text.replace(".", "")
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return ""
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{day:%Y%m%d}"


def _describe(result: Dataset, tags: Tags, key: Key, patient: str) -> None:
    """Add what is written anew: pseudonym, description, what was done."""
    result.SpecificCharacterSet = "ISO_IR 192"
    result.SOPClassUID = tags.dataset.SOPClassUID
    for keyword in keep_list.BLANK:
        setattr(result, keyword, "")
    result.PatientID = result.PatientName = key.pseudonym(patient)
    kind = classify(header_of(tags))
    text = SERIES_DESCRIPTIONS.get(kind.kind)
    if text:
        result.SeriesDescription = WATER + text if kind.is_water else text
    if kind.kind == "t1c":
        result.ContrastBolusAgent = keep_list.AGENT
    result.PatientIdentityRemoved = "YES"
    result.DeidentificationMethod = METHOD
    result.LongitudinalTemporalInformationModified = "MODIFIED"
    result.DeidentificationMethodCodeSequence = [_code(value) for value in PROFILE]


def _code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = value, "DCM"
    item.CodeMeaning = PROFILE[value]
    return item
