"""Take the identity out of MR images before they enter a study (tables: `deidentified_tables`).

From a terminal::

    python -m npc_intake deidentify SOURCE TARGET --key ~/keys/npc.json

Identifiers and dates are replaced by functions of a secret key: the same patient has the same
pseudonym in every run, dates of one patient move together (so that intervals, and with them PFS,
stay), and nobody without the key can go back. The key file, and the tables that belong to it (who
is who, what descriptions said, which file became which), stay outside every study folder.
"""

import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from threading import RLock

import pandas as pd
import pydicom
from pydicom.dataset import Dataset

from npc_helpers.imaging.headers import Tags, open_file
from npc_helpers.study.artefacts import StudyError, atomic_path
from npc_helpers.study.checks import bare_number
from npc_helpers.study.dicom_file import DicomError, open_dicom, refuse
from npc_helpers.study.locks import locked
from npc_helpers.study.progress import progress_bar
from npc_intake.deidentify.burned_in import list_images
from npc_intake.deidentify.claims import Claims, is_same_image, look_for_claims
from npc_intake.deidentify.contours import CONTOURS
from npc_intake.deidentify.header import Deidentified, deidentified
from npc_intake.deidentify.original_words import OriginalWords
from npc_intake.deidentify.people import People
from npc_intake.deidentify.pseudonyms import Key
from npc_intake.deidentify.run_log import RunLog
from npc_intake.find.series import MARK, list_dicom

__all__ = ["Key", "deidentify_file", "deidentify_folder"]

NOT_STATED = "nothing says whether text is burned in: look at the images"
WHOSE = ("PatientID", "SeriesInstanceUID", "SOPInstanceUID")
COLUMNS = ("file", "patient_id", "path", "outcome", "problem")
WRITTEN, THERE, COPY, REFUSED = "written", "there already", "copy", "refused"


def deidentify_file(source: Dataset | str | Path, key: Key, *, scanner: bool = True) -> Dataset:
    """Return a new dataset that holds only what the keep-list allows.

    Parameters
    ----------
    source : Dataset or path-like
        An MR image, classic or enhanced. It is not changed.
    key : Key
    scanner : bool
        Keep model, software, coil and field strength of the scanner, which identify nobody.

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
    return deidentify_image(source, key, scanner=scanner).dataset


def deidentify_image(
    source: Dataset | str | Path, key: Key, *, scanner: bool = True
) -> Deidentified:
    """Return what `deidentify_file` returns, with the patient and the words of the original."""
    path = Path("dataset") if isinstance(source, Dataset) else Path(source)
    with _without_warnings():
        tags = Tags(source, path) if isinstance(source, Dataset) else open_file(path)
        if tags is None:
            raise NoDicom(f"{path}: not a DICOM file. Leave it out", "not-dicom")
        return deidentified(tags, key, scanner=scanner)


def deidentify_folder(
    source: str | Path,
    target: str | Path,
    *,
    key_path: str | Path,
    scanner: bool = True,
    one_person: Collection[str] = (),
    progress: bool = True,
) -> pd.DataFrame:
    """De-identify every MR image below a folder, and contours (RTSTRUCT, SEG) drawn on them.

    Parameters
    ----------
    source, target : path-like
        Images go to ``target/<pseudonym>/series-…/image-….dcm``, named after their new
        identifiers: names of files and folders of the source play no part in it, and a second
        batch of the same series joins the first.
    key_path : path-like
        The secret, made if it does not exist. It must lie outside `target` and any other study
        or repository. Beside it are written: the table of patients and pseudonyms, at each new
        one; what descriptions said (`original_words`); which file became which.
    scanner : bool
        Keep model, software, coil and field strength of the scanner, which identify nobody.
    one_person : collection of str
        Pseudonyms of patients whose images differ in date of birth, sex or issuer of the number,
        and who are one person all the same.
    progress : bool

    Returns
    -------
    DataFrame
        One row per file: file (in the source), patient_id (the pseudonym), path (in the target,
        blank if refused), outcome (written, there already, copy, refused), problem (why it was
        refused, or what a person should look at). Its ``attrs["ignored"]`` counts what is no
        DICOM, and folders not looked into, by kind; ``attrs["reasons"]`` counts the refused by
        reason; ``attrs["alike"]`` holds groups of pseudonyms whose numbers differ in capitals,
        signs and leading zeros only; ``attrs["log"]`` says where the same table lies beside the
        key; ``attrs["to_look_at"]`` is the list of images in the target that do not say whether
        text is burned in (`burned_in.list_images`), if there are any.

    Raises
    ------
    StudyError
        If the source does not exist, one of the folders holds the other, the target cannot be
        written, the key lies in the wrong place, or two patients would share a pseudonym.
    """
    source, target = Path(source).expanduser(), Path(target).expanduser()
    if not source.is_dir():
        raise StudyError(f"{source}: no such folder. Name the folder that holds the DICOM files.")
    if target.exists() and not target.is_dir():
        raise StudyError(f"{target} is a file. Name a folder, or one that does not exist yet.")
    _refuse_one_in_the_other(source, target)
    run = _Run(target, Key.open(key_path, outside=target), scanner, one_person)
    paths, ignored = list_dicom(source)
    run.look(progress_bar(paths, shown=progress, desc="reading headers"))
    with RunLog(run.key, COLUMNS) as log:
        for path in progress_bar(paths, shown=progress, desc="removing names"):
            row = run.one(path)
            if row is None:
                ignored["no DICOM"] += 1
            else:
                log.add([path.relative_to(source).as_posix(), *row])
    run.mark_lost()
    report = pd.DataFrame(log.rows, columns=list(COLUMNS))
    report.attrs |= {"ignored": dict(ignored), "reasons": dict(run.reasons), "log": log.path}
    report.attrs["alike"] = _alike(run.key, set(report["patient_id"]))
    unsure = report.loc[report["problem"] == NOT_STATED, "path"].unique()
    if len(unsure):
        images = [target / place for place in unsure]
        report.attrs["to_look_at"] = list_images(target, images, progress=progress)
    return report


def _refuse_one_in_the_other(source: Path, target: Path) -> None:
    """Refuse folders of which one holds the other: the next run would read its own images.

    Raises
    ------
    StudyError
    """
    inner, outer = target.resolve(), source.resolve()
    if outer in (inner, *inner.parents):
        where = "is" if inner == outer else "lies in"
        holds = f"{target} {where} {source}, which holds the images with names"
    elif inner in outer.parents:
        holds = f"{source}, which holds the images with names, lies in {target}"
    else:
        return
    raise StudyError(
        f"{holds}. Images with names and without would be shared or deleted together. Nothing was "
        f"written; name a folder beside it for those without, such as {_beside(outer, inner)}."
    )


def _beside(source: Path, target: Path) -> Path:
    """Return a folder that is not there yet, beside the outer of two folders."""
    outer = source if source in (target, *target.parents) else target
    free = (outer.with_name(f"{outer.name}-clean{number or ''}") for number in count())
    return next(folder for folder in free if not folder.exists())


def _alike(key: Key, pseudonyms: set[str]) -> list[list[str]]:
    """Return groups of patients, one of them in this run, whose numbers resemble each other."""
    groups: dict[str, list[str]] = {}
    for pseudonym, number in sorted(key.read_mapping().items()):
        groups.setdefault(bare_number(number) or number, []).append(pseudonym)
    return [group for group in groups.values() if len(group) > 1 and pseudonyms & set(group)]


class NoDicom(DicomError):
    """A file that is no DICOM and is not named like one."""


class _Run:
    """One run over one folder."""

    def __init__(self, target: Path, key: Key, scanner: bool, one_person: Collection[str]) -> None:
        self.target, self.key = target, key
        self.reasons: Counter[str] = Counter()
        self._people, self._words = People(key, one_person=one_person), OriginalWords(key)
        self._clean = partial(deidentify_image, key=key, scanner=scanner)
        self._claims = Claims({}, {})
        self._noted: dict[str, str] = {}
        self._lost: dict[str, str] = {}  # place -> why it is empty

    def look(self, paths: Iterator[Path]) -> None:
        """Read all headers, before anything is written."""
        with _without_warnings():
            self._claims = look_for_claims(
                paths, self._people, lambda path: self._clean(path).dataset
            )

    def one(self, path: Path) -> tuple[str, str, str, str] | None:
        """De-identify one file; return pseudonym, place, outcome and problem; None: no DICOM."""
        try:
            if path in self._claims.refused:
                raise self._claims.refused[path]
            image = self._clean(path)
            self._note(image)
            place, outcome = self._write(image.dataset, path)
        except NoDicom:
            return None
        except DicomError as error:
            problem = str(error)
            self.reasons[problem.removeprefix(f"{path.parent}: file {path.name}: ")] += 1
            self._note_lost(path, error.code)
            return "", "", REFUSED, problem
        drawn = image.dataset.SOPClassUID in CONTOURS
        stated = drawn or "BurnedInAnnotation" in image.dataset
        return image.dataset.PatientID, place, outcome, "" if stated else NOT_STATED

    def _note(self, image: Deidentified) -> None:
        """Write down who it is, and what its descriptions said, before the image is there."""
        n_noted = len(self._noted)
        self.key.claim(self._noted, image.patient_id)
        if len(self._noted) > n_noted:
            self.key.write_mapping(self._noted)
        self._words.note(image)

    def mark_lost(self) -> None:
        """Say in the folder of a series which of its images were refused: `find` asks about it."""
        for place, why in self._lost.items():
            path = self.target / place
            if path.parent.is_dir() and not path.exists():
                with atomic_path(path.with_suffix(MARK)) as temporary:
                    temporary.write_text(f"{why}\n", encoding="utf-8")

    def _note_lost(self, path: Path, why: str) -> None:
        """Note where an image would lie that was refused, if its header tells."""
        try:
            with _without_warnings():
                tags = Tags(open_dicom(path, pixels=False, bare=True), path)
            patient, *uids = (tags.text(keyword) for keyword in WHOSE)
        except DicomError:
            return
        if patient and all(uids):
            self._lost[self._place(self.key.pseudonym(patient), *map(self.key.uid, uids))] = why

    def _place(self, pseudonym: str, series: str, image: str) -> str:
        folder = f"{pseudonym}/{self.key.label(series, 'series')}"
        return f"{folder}/{self.key.label(image, 'image')}.dcm"

    def _write(self, dataset: Dataset, source: Path) -> tuple[str, str]:
        """Write one image; return its place, and whether it was there."""
        place = self._place(*(dataset[keyword].value for keyword in WHOSE))
        if source in self._claims.copies:
            return place, COPY
        try:
            with locked(self.target / place), atomic_path(self.target / place) as temporary:
                dataset.save_as(temporary, enforce_file_format=True)
                (self.target / place).with_suffix(MARK).unlink(missing_ok=True)
                if not (self.target / place).exists():
                    return place, WRITTEN
                if not is_same_image(self.target / place, dataset):
                    problem = (
                        "an image of this identifier was written by an earlier run and differs"
                    )
                    action = "It was left out. Export the series again, into a new folder"
                    raise refuse(source, "same-identifier", problem, action)
                return place, THERE
        except OSError as error:
            raise StudyError(
                f"{self.target} cannot be written ({_why(error)}). Make room, or name a folder "
                "that you may write to; what is written is kept."
            ) from error


def _why(error: BaseException | None) -> str:
    """Return why a file could not be written, from the number: pydicom's text repeats values."""
    while error is not None:
        if getattr(error, "errno", None):
            return os.strerror(error.errno)
        error = error.__cause__ or error.__context__
    return "the system does not say why"


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
