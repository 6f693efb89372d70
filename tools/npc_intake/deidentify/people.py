"""One number, one person? What else an image says of its patient must not contradict that.

Two hospitals may give the same number to two people. Issuer of the number, date of birth and sex
tell them apart; they are compared within a run and, by marks that only the key can make, with all
runs before. What differs is refused until a person says that it is one person all the same.
"""

from collections.abc import Collection, Iterable, Mapping
from threading import Lock

from npc_helpers.imaging.headers import Tags
from npc_helpers.study.dicom_file import DicomError
from npc_intake.deidentify.beside_key import PrivateTable, Row
from npc_intake.deidentify.pseudonyms import Key

Mark = tuple[str, str, str]  # pseudonym, element, mark of the value

TOLD_BY = {
    "IssuerOfPatientID": "issuer of the number",
    "PatientBirthDate": "date of birth",
    "PatientSex": "sex",
}
COLUMNS = ("pseudonym", "element", "mark")
ALL = "all"
SAYS_NOTHING = {"", "O", "U", "UNKNOWN", "00000000", "19000101"}


def said_of_patient(tags: Tags) -> dict[str, str]:
    """Return what an image says of its patient besides the number, in one spelling."""
    said = {}
    for keyword in TOLD_BY:
        try:
            value = "".join(tags.text(keyword).upper().split()).replace(".", "")
        except DicomError:  # unreadable: it says nothing
            continue
        if value not in SAYS_NOTHING:
            said[keyword] = value
    return said


class People:
    """Who stands behind each number, as far as images tell.

    Parameters
    ----------
    key : Key
        If it is kept in a file, what is learnt is noted beside it (``…-people.csv``).
    one_person : collection of str
        Pseudonyms for which everything that is said is true of one person (a corrected date of
        birth, a number that was issued anew), or ``all``.
    """

    def __init__(self, key: Key, *, one_person: Collection[str] = ()) -> None:
        self._key, self._accepted, self._lock = key, set(one_person), Lock()
        self._table = PrivateTable(key.beside("people"), COLUMNS) if key.path else None
        self._noted: set[Mark] = set()

    def is_accepted(self, patient_id: str) -> bool:
        """Tell whether a person said that all images of this number are of one person."""
        return bool(self._accepted & {self._key.pseudonym(patient_id), ALL})

    def problem(self, patient_id: str, said: Iterable[Mapping[str, str]]) -> str:
        """Note what images say of a patient; return what contradicts itself, or blank.

        Parameters
        ----------
        patient_id : str
            The original number.
        said : iterable of mapping
            `said_of_patient` of one or more images. Where they contradict each other, or what was
            noted before, none of it is noted.
        """
        pseudonym = self._key.pseudonym(patient_id)
        said = {(keyword, value) for one_image in said for keyword, value in one_image.items()}
        new = {
            (pseudonym, keyword, self._key.mark(patient_id, keyword, value))
            for keyword, value in said
        }
        with self._lock:
            if new <= self._noted:
                return ""
            if self._table is None:
                self._add([], new)
            else:
                self._table.add(lambda rows: self._add(rows, new))
            return "" if new <= self._noted else _sentence(pseudonym, self._differing(new))

    def _add(self, rows: Iterable[Row], new: set[Mark]) -> list[Mark]:
        """Learn what is written, and return what is to be added: nothing if it contradicts."""
        written = {tuple(row[name] for name in COLUMNS) for row in rows}
        self._noted |= written
        pseudonym = next(iter(new))[0]
        if self._differing(new) and not self._accepted & {pseudonym, ALL}:
            return []
        self._noted |= new
        return sorted(new - written)

    def _differing(self, new: set[Mark]) -> list[str]:
        """Return the elements that have several values among what is noted and what is new."""
        about = [mark[:2] for mark in self._noted | new]
        keywords = dict.fromkeys(keyword for _, keyword, _ in sorted(new - self._noted))
        pseudonym = next(iter(new))[0]
        return [TOLD_BY[k] for k in keywords if about.count((pseudonym, k)) > 1]


def _sentence(pseudonym: str, differing: list[str]) -> str:
    return (
        f"two people may share the number of {pseudonym}: {' and '.join(differing)} differ. Give "
        "one of them another number; if it is one person, run this again with --one-person "
        f"{pseudonym}"
    )
