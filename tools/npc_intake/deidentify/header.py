"""The header of one image without the identity: what the keep-list allows, and who it is now."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, EnhancedMRImageStorage, MRImageStorage

from npc_helpers.imaging.headers import Tags
from npc_helpers.study.dicom_file import DicomError, refuse
from npc_intake.deidentify import keep_list, scanner_words
from npc_intake.deidentify.contours import CONTOURS, clean_contours
from npc_intake.deidentify.pixels import add_pixels
from npc_intake.deidentify.pseudonyms import Key
from npc_intake.find.headers import images_of
from npc_intake.find.image_types import SCREENSHOTS, words_of
from npc_intake.identity.words import UNLISTED, kept_words, unlisted_words

METHOD = "NPC notebooks: keep-list after PS3.15 E.1"
PROFILE = {  # PS3.16, context group 7050
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
SCANNER = {"113109": "Retain Device Identity Option"}
IMAGES = {MRImageStorage, EnhancedMRImageStorage}
MODALITIES = "CR CT DX KO MG MR NM OT PR PT REG RTDOSE RTPLAN RTSTRUCT SC SEG SR US XA".split()
LEAVE_OUT = "It was left out; show it to whoever is responsible for the data"
# Words that may name somebody, so that they go, as the original has them: a table beside the key.
WORDS = {
    "description": "SeriesDescription",
    "protocol": "ProtocolName",
    "study_description": "StudyDescription",
    "image_type": "ImageType",
    "contrast_agent": "ContrastBolusAgent",
    "sequence_name": "SequenceName",
    "body_part": "BodyPartExamined",
}


class Deidentified(NamedTuple):
    """One image, and what of the original is not in it.

    Attributes
    ----------
    dataset : pydicom.Dataset
    patient_id : str
        The original number.
    words : mapping of str to str
        `WORDS` of the original.
    """

    dataset: Dataset
    patient_id: str
    words: Mapping[str, str]


def deidentified(tags: Tags, key: Key, *, scanner: bool = True) -> Deidentified:
    """Take the identity out of one image, or out of contours drawn on images.

    Parameters
    ----------
    tags : Tags
        The original; it is not changed.
    key : Key
    scanner : bool
        Keep what the scanner has in common with others (`keep_list.SCANNER`).

    Raises
    ------
    DicomError
        If it must not enter a study, or is damaged. The message repeats no value of the header.
    """
    try:
        check(tags)
        patient = tags.text("PatientID")
        if tags.text("SOPClassUID") in CONTOURS:
            contours = clean_contours(tags, key)
            contours.DeidentificationMethod = METHOD
            return Deidentified(contours, patient, {})
        result = _keep(tags.dataset, key, patient, scanner)
        _tell_in_standard_elements(result, tags)
        _describe(result, tags, key, patient, scanner)
        add_pixels(result, tags)
        words = {name: _text(tags, keyword) for name, keyword in WORDS.items()}
    except DicomError as error:
        if error.code != "bad-tag":
            raise
        raise _damaged(tags, "a value that is needed is missing or of the wrong kind") from None
    except Exception as error:  # pydicom converts on access, and raises many kinds
        raise _damaged(tags, type(error).__name__) from error
    return Deidentified(result, patient, words)


def _damaged(tags: Tags, why: str) -> DicomError:
    problem = f"its header is damaged ({why})"
    return refuse(tags.path, "bad-tag", problem, "Export it again, or leave it out")


def _text(tags: Tags, keyword: str) -> str:
    try:
        return tags.text(keyword)
    except DicomError:  # unreadable, and of no further use
        return ""


def check(tags: Tags) -> None:
    """Refuse what is neither MR image nor contours, shows whose it is, or has been here before.

    Raises
    ------
    DicomError
    """
    is_image = tags.text("SOPClassUID") in IMAGES and tags.text("Modality") == "MR"
    if not is_image and tags.text("SOPClassUID") not in CONTOURS:
        kind = tags.text("Modality") if tags.text("Modality") in MODALITIES else "unknown modality"
        if kind == "MR":
            kind = UID(tags.text("SOPClassUID"))
            kind = kind.name if kind.type == "SOP Class" else "another kind of object"
        raise refuse(tags.path, "not-mr", f"no MR image ({kind})", LEAVE_OUT)
    for keyword in ("PatientID", "SOPInstanceUID", "SeriesInstanceUID"):
        if not tags.text(keyword):
            raise refuse(tags.path, "no-identifier", f"{keyword} is blank", LEAVE_OUT)
        if tags.dataset[keyword].VM > 1:
            problem = f"{keyword} has several values (a backslash parts them)"
            raise refuse(tags.path, "no-identifier", problem, LEAVE_OUT)
        if keyword in keep_list.UIDS and tags.dataset[keyword].VR != "UI":
            problem = f"{keyword} is written as another kind of value"
            raise refuse(tags.path, "no-identifier", problem, LEAVE_OUT)
    if tags.text("BurnedInAnnotation").upper() not in ("", "NO"):
        raise refuse(tags.path, "burned-in", "text is burned into its pixels", LEAVE_OUT)
    if SCREENSHOTS & words_of({"ImageType": tags.text("ImageType")}):
        raise refuse(tags.path, "burned-in", "it is a screenshot", LEAVE_OUT)
    if tags.text("DeidentificationMethod").startswith(METHOD):
        problem = "de-identified before: dates would move twice"
        raise refuse(tags.path, "again", problem, "Start from the original")


def _keep(source: Dataset, key: Key, patient: str, scanner: bool) -> Dataset:
    """Copy what the keep-list allows, in sequences too."""
    result = Dataset()
    for keyword in source.dir():
        kinds = ("SQ",) if keyword in keep_list.SEQUENCES else keep_list.KINDS.get(keyword, ())
        if keyword in keep_list.SCANNER and not scanner:
            continue
        element = keep_list.read_element(source, keyword) if kinds else None
        if element is not None and element.is_empty:
            continue
        if element is not None and element.VR in kinds:
            if element.VR == "SQ":
                value = [_keep(item, key, patient, scanner) for item in element.value]
            else:
                value = _allowed(element, key, patient)
            if value not in ("", None, []):
                result.add_new(element.tag, element.VR, value)
        if keyword in keep_list.SCALES and keyword not in result:
            raise DicomError(f"{keyword} cannot stay, and pixels need it", "bad-tag")
    return result


def _allowed(element: pydicom.DataElement, key: Key, patient: str) -> object:
    """Return what may stay of one element whose keyword and kind may; None if nothing."""
    keyword = element.keyword
    many = isinstance(element.value, pydicom.multival.MultiValue | list)
    given = list(element.value) if many else [element.value]
    if keyword in keep_list.SHORT or keyword in keep_list.WIDE:
        return element.value if keep_list.are_plausible(keyword, given) else None
    values = [str(item).strip(" \0") for item in given]
    if keyword in keep_list.CODES:
        return keep_list.codes(keyword, values)
    if keyword in keep_list.NUMBERS:
        return keep_list.numbers(keyword, values, whole=element.VR == "IS")
    if keyword in keep_list.DATES:
        return _shifted(values[0], key.days(patient))
    if keyword in keep_list.TIMES:
        return values[0] if keep_list.is_time(values[0]) else None
    if keyword in keep_list.UIDS:
        return key.uid(values[0])
    if keyword == "PatientAge":
        return keep_list.age(values[0])
    if keyword in keep_list.DESCRIPTIONS:
        return kept_words("\\".join(values))
    clean = keep_list.SCANNER.get(keyword, scanner_words.manufacturer)
    return [kept for kept in map(clean, values) if kept]


def _shifted(text: str, days: int) -> str:
    digits = text.replace(".", "")
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return ""
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{day:%Y%m%d}"


def _tell_in_standard_elements(result: Dataset, tags: Tags) -> None:
    """Write what makers say in private elements, which all go, where DICOM has a place for it.

    The b-value, and whether a GE image is one of phases: else it would pass as anatomy.
    """
    try:
        (image,) = images_of(tags)
    except (DicomError, ValueError):  # unreadable, or of an enhanced object, which has its places
        return
    if image.get("ComplexImageComponent") in keep_list.CODES["ComplexImageComponent"]:
        result.ComplexImageComponent = image["ComplexImageComponent"]
    b_value = keep_list.number("DiffusionBValue", image.get("DiffusionBValue", ""))
    if b_value is not None:
        result.DiffusionBValue = b_value


def _describe(result: Dataset, tags: Tags, key: Key, patient: str, scanner: bool) -> None:
    """Add what is written anew: who it is, and what was done."""
    result.SpecificCharacterSet = "ISO_IR 192"
    result.SOPClassUID = tags.dataset.SOPClassUID
    for keyword in keep_list.BLANK:
        setattr(result, keyword, "")
    result.PatientID = result.PatientName = key.pseudonym(patient)
    result.PatientIdentityRemoved = "YES"
    result.DeidentificationMethod = METHOD
    if unlisted_words(_text(tags, "SeriesDescription") or _text(tags, "ProtocolName")):
        result.DeidentificationMethod = [METHOD, UNLISTED]  # nobody can tell afterwards
    result.LongitudinalTemporalInformationModified = "MODIFIED"
    codes = PROFILE | SCANNER if scanner else PROFILE
    result.DeidentificationMethodCodeSequence = [_code(*code) for code in sorted(codes.items())]


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
