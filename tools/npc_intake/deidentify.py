"""Take the identity out of MR images before they enter a study (tables: `deidentified_tables`).

From a terminal::

    python -m npc_intake deidentify SOURCE TARGET --key ~/keys/npc.json

Identifiers and dates are replaced by functions of a secret key: the same patient has the same
pseudonym in every run, dates of one patient move together (so that intervals, and with them PFS,
stay), and nobody without the key can go back. The key file, and the table that says who is who
beside it, stay outside every study folder.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from threading import RLock

import pandas as pd
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage

from npc_helpers.imaging.files import open_file
from npc_helpers.imaging.tags import Tags
from npc_helpers.study.artefacts import StudyError, atomic_path
from npc_helpers.study.dicom_file import DicomError, refuse
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.schema import SERIES_DESCRIPTIONS, WATER
from npc_intake import keep_list
from npc_intake.deidentified_pixels import add_pixels
from npc_intake.dicom_headers import images_of
from npc_intake.find_series import list_dicom
from npc_intake.pseudonyms import Key
from npc_intake.series_kind import classify

__all__ = ["Key", "deidentify_file", "deidentify_folder"]

METHOD = "NPC notebooks: keep-list after PS3.15 E.1"
PROFILE = {  # PS3.16, context group 7050
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
IMAGES = {MRImageStorage, EnhancedMRImageStorage}
NOT_STATED = "nothing says whether text is burned in: look at the images"
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
        With file meta information, ready to be saved. The pixels have the values of the source
        and are not compressed.

    Raises
    ------
    DicomError
        If it is no MR image, has no PatientID or several, is a screenshot, says that something is
        burned into its pixels, has been de-identified here before (dates would move twice), or
        cannot be read.
    """
    path = Path("dataset") if isinstance(source, Dataset) else Path(source)
    with _without_warnings():
        tags = Tags(source, path) if isinstance(source, Dataset) else open_file(path)[0]
        if tags is None:
            raise refuse(path, "not-dicom", "not a DICOM file", "Leave it out")
        return _deidentified(tags, key)[0]


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
        or repository. The table of patients and pseudonyms is written beside it, at each new one.
    progress : bool

    Returns
    -------
    DataFrame
        One row per file: file (in the source), patient_id (the pseudonym), path (in the target,
        blank if refused), problem (why it was refused, or what a person should look at). Its
        ``attrs["ignored"]`` counts what is no DICOM, and folders not looked into, by kind.

    Raises
    ------
    StudyError
        If the source does not exist, the target cannot be written, the key lies in the wrong
        place, or two patients would share a pseudonym.
    """
    source, target = Path(source).expanduser(), Path(target).expanduser()
    if not source.is_dir():
        raise StudyError(f"{source}: no such folder. Name the folder that holds the DICOM files.")
    if target.exists() and not target.is_dir():
        raise StudyError(f"{target} is a file. Name a folder, or one that does not exist yet.")
    key = Key.open(key_path, outside=target)
    known: dict[str, str] = {}
    rows = []
    paths, ignored = list_dicom(source)
    for path in progress_bar(paths, shown=progress, desc="removing names"):
        name = path.relative_to(source).as_posix()
        try:
            with _without_warnings():
                tags, _ = open_file(path)
                if tags is None:
                    ignored["no DICOM"] += 1
                    continue
                dataset, patient = _deidentified(tags, key)
        except DicomError as error:
            rows.append([name, "", "", str(error)])
            continue
        n_known = len(known)
        key.claim(known, patient)
        if len(known) > n_known:
            key.write_mapping(known)
        rows.append([name, *_write(dataset, target, key)])
    report = pd.DataFrame(rows, columns=["file", "patient_id", "path", "problem"])
    report.attrs["ignored"] = dict(ignored)
    return report


def _write(dataset: Dataset, target: Path, key: Key) -> tuple[str, str, str]:
    """Write one image; return pseudonym, place and remark."""
    pseudonym = dataset.PatientID
    folder = f"{pseudonym}/{key.label(dataset.SeriesInstanceUID, 'series')}"
    place = f"{folder}/{key.label(dataset.SOPInstanceUID, 'image')}.dcm"
    try:
        with atomic_path(target / place) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)
    except OSError as error:
        raise StudyError(
            f"{target} cannot be written ({error.strerror}). Make room, or name a folder that you "
            "may write to; what is written is kept."
        ) from error
    stated = "BurnedInAnnotation" in dataset
    return pseudonym, place, "" if stated else NOT_STATED


# --- one file -------------------------------------------------------------------------------------


_one_at_a_time = RLock()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep pydicom's warnings and log silent, as they repeat the values they are about.

    Filters of warnings are one for the whole process: so one thread at a time.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, pydicom.config.logger.disabled = pydicom.config.logger.disabled, True
        try:
            yield
        finally:
            pydicom.config.logger.disabled = before


def _deidentified(tags: Tags, key: Key) -> tuple[Dataset, str]:
    """Return the new dataset, and the patient's original identifier."""
    try:
        _check(tags)
        patient = tags.text("PatientID")
        result = _keep(tags.dataset, key, patient)
        _describe(result, tags, key, patient)
        add_pixels(result, tags)
    except DicomError:
        raise
    except Exception as error:  # pydicom converts on access, and raises many kinds
        problem = f"its header is damaged ({type(error).__name__})"
        raise refuse(tags.path, "bad-tag", problem, "Export it again, or leave it out") from error
    return result, patient


def _check(tags: Tags) -> None:
    action = "It was left out; show it to whoever is responsible for the data"
    if tags.text("SOPClassUID") not in IMAGES or tags.text("Modality") != "MR":
        kind = tags.text("Modality") or "unknown modality"
        raise refuse(tags.path, "not-mr", f"no MR image ({kind})", action)
    for keyword in ("PatientID", "SOPInstanceUID", "SeriesInstanceUID"):
        if not tags.text(keyword):
            raise refuse(tags.path, "no-identifier", f"{keyword} is blank", action)
        if tags.dataset[keyword].VM > 1:
            problem = f"{keyword} has several values (a backslash parts them)"
            raise refuse(tags.path, "no-identifier", problem, action)
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
        kinds = ("SQ",) if keyword in keep_list.SEQUENCES else keep_list.KINDS.get(keyword, ())
        element = _read(source, keyword) if kinds else None
        if element is None or element.is_empty or element.VR not in kinds:
            continue
        if element.VR == "SQ":
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
    """Return what may stay of one element whose keyword and kind may; None if nothing."""
    keyword = element.keyword
    if keyword in keep_list.BINARY:
        return element.value
    many = isinstance(element.value, pydicom.multival.MultiValue | list)
    values = [str(item).strip(" \0") for item in (element.value if many else [element.value])]
    if keyword in keep_list.CODES:
        return keep_list.codes(keyword, values)
    if keyword in keep_list.NUMBERS:
        return values if keep_list.are_numbers(values) else None
    if keyword in keep_list.DATES:
        return _shifted(values[0], key.days(patient))
    if keyword in keep_list.TIMES:
        return values[0] if keep_list.is_time(values[0]) else None
    if keyword in keep_list.UIDS:
        return key.uid(values[0])
    if keyword == "PatientAge":
        return keep_list.age(values[0])
    return keep_list.manufacturer(values[0])


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
    kind = classify(images_of(tags))
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
