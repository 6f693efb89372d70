"""Where the images of a series lie in a study: names that every disk takes and keeps apart.

Windows and macOS take ``P-1`` and ``p-1`` for one folder, and Windows has names that no file may
bear. So small letters, other signs and such names get a few letters of a hash behind them.
"""

import hashlib
import re

FOLDER = "data/images"
_PLAIN = re.compile(r"[A-Z0-9_-]+")
_RESERVED = re.compile(r"CON|PRN|AUX|NUL|(COM|LPT)\d")  # of Windows, with any ending


def image_folder(patient_id: str, timepoint: str, sequence: str) -> str:
    """Return the folder of a series from the study folder down, for the manifest.

    Examples
    --------
    >>> image_folder("P-1", "pre", "t2w"), image_folder("p-1", "pre", "t2w")
    ('data/images/P-1/pre/t2w', 'data/images/p-1-1dee6e3e/pre/t2w')
    """
    return f"{FOLDER}/{folder_name(patient_id)}/{timepoint}/{sequence}"


def folder_name(patient_id: str) -> str:
    """Return a name for a folder; those of two patients differ in more than capitals."""
    if _PLAIN.fullmatch(patient_id) and not _RESERVED.fullmatch(patient_id):
        return patient_id
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", patient_id)
    return f"{safe}-{hashlib.sha256(patient_id.encode()).hexdigest()[:8]}"
