"""One series from the archive to its folder: whole, checked, without a name."""

import random
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydicom.dataset import Dataset

from npc_helpers.imaging.headers import Tags
from npc_helpers.study.artefacts import StudyError, atomic_path
from npc_helpers.study.dicom_file import DicomError, open_dicom
from npc_intake.deidentify.images import deidentify_image
from npc_intake.deidentify.original_words import OriginalWords
from npc_intake.deidentify.people import People, said_of_patient
from npc_intake.deidentify.pseudonyms import Key
from npc_intake.find.series import MARK
from npc_intake.pacs.archive import Archive, PacsError, RemoteSeries, text_of

PARTIAL = ".partial"  # hidden: `find_series` does not look there
DONE, FAILED = "done", "failed"
TWO_PEOPLE = "two-people"
NO_DECODER = "missing-decoder"
NOT_FOR_GOOD = dict.fromkeys(  # reasons to refuse an image now, and to ask for it again
    ("truncated", "undecodable", "bad-tag", "unreadable", "coded-size", "no-pixel-data"),
    "an image arrived damaged ({}).",
) | {
    NO_DECODER: "an image is compressed in a way that needs another package to be read. Run: "
    "python -m npc_helpers install intake"
}
PIXELS = b"\xe0\x7f\x10\x00"  # little-endian


def check_place(path: Path) -> None:
    """Refuse a path in the study that a link leads away from it, so that nothing lands elsewhere.

    Raises
    ------
    StudyError
        If the path, or a folder above it, is a link.
    """
    if path.resolve() != path:
        raise StudyError(
            f"{path} is, or lies in, a link to another place, and images are written only into the "
            "study itself. Put the real folder or file in its place, or name another study folder."
        )


@contextmanager
def disk_errors_named(place: Path) -> Iterator[None]:
    """Turn what goes wrong with the disk into a `StudyError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise StudyError(
            f"{place} cannot be written ({error.strerror}). Make room, close the program that has "
            "it open, or name another study folder; what has arrived is kept."
        ) from None


def _is_whole(path: Path) -> bool:
    """Tell whether a file of an earlier run is no link and reaches to the end of its pixels."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size == 0:
        return False
    if path.suffix == MARK:
        return True
    try:
        with path.open("rb") as file:
            open_dicom(file, pixels=False)
            tag, _, length = struct.unpack("<4s4sI", file.read(12))  # as written here
            start, size = file.tell(), path.stat().st_size
    except Exception:  # pydicom raises many kinds on malformed bytes
        return False
    return tag == PIXELS and start + length == size


@dataclass(frozen=True)
class Pace:
    """How hard an archive is asked; it serves a hospital at the same time.

    Attributes
    ----------
    at_once : int
        Series fetched at the same time.
    attempts : int
        Trials per series, with growing pauses between them.
    wait_s : float
        Pause before the second trial in seconds; it doubles each time and varies by half.
    """

    at_once: int = 2
    attempts: int = 4
    wait_s: float = 2.0

    def pause_s(self, attempt: int) -> float:
        """Return how long to wait after so many trials."""
        return self.wait_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)


@dataclass
class Transfer:
    """How series are fetched; calling it fetches one.

    Attributes
    ----------
    archive : Archive
    incoming : Path
        Series go to ``<pseudonym>/series-…`` in it; until they are complete they lie in
        ``.partial``.
    key : Key
    pace : Pace
    received : callable
        Called with 1 for each image that arrives.
    stopped : threading.Event
        When set, transfers end at the next image.
    one_person : collection of str
        As for `people.People`.
    """

    archive: Archive
    incoming: Path
    key: Key
    pace: Pace
    received: Callable[[int], object] = lambda number: None
    stopped: threading.Event = field(default_factory=threading.Event)
    one_person: Collection[str] = ()

    def __post_init__(self) -> None:
        self.people = People(self.key, one_person=self.one_person)
        self.words = OriginalWords(self.key)

    def prepare(self, series: RemoteSeries) -> None:
        """Check where a series will lie, and clear away what a killed run left half written.

        Raises
        ------
        StudyError
            If its folder, or the one it waits in, is a link to another place.
        """
        _Job(self, series).prepare()

    def __call__(self, series: RemoteSeries) -> dict[str, object]:
        """Fetch one series, trying again where that may help; return its row of the log.

        Raises
        ------
        StudyError
            If an image cannot be written.
        """
        started, job = time.monotonic(), _Job(self, series)
        message, attempt = "", 0
        for attempt in range(1, self.pace.attempts + 1):
            try:
                job.attempt()
                message = ""
                break
            except PacsError as error:
                message = str(error)
                if not error.temporary or attempt == self.pace.attempts:
                    break
            if self.stopped.wait(self.pace.pause_s(attempt)):
                break
        return {
            "ended_utc": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "patient_id": job.target.parent.name,
            "study": self.key.label(self.key.uid(series.study_uid), "study"),
            "series": job.target.name,
            "state": FAILED if message else DONE,
            "n_images": job.n_images,
            "n_fetched": job.n_fetched,
            "n_refused": sum(job.refused().values()),
            "attempts": attempt,
            "megabytes": round(job.n_bytes / 1e6, 1),
            "seconds": round(time.monotonic() - started, 1),
            "message": message or _as_text(job.refused()),
        }


def _as_text(refused: Counter[str]) -> str:
    return ", ".join(f"{number} refused: {code}" for code, number in sorted(refused.items()))


class _Job:
    """What is known of one series while it is fetched."""

    def __init__(self, transfer: Transfer, series: RemoteSeries) -> None:
        self._transfer, self._series, self._key = transfer, series, transfer.key
        name = self._key.label(self._key.uid(series.series_uid), "series")
        self.target = transfer.incoming / self._key.pseudonym(series.patient_id) / name
        self._partial = transfer.incoming / PARTIAL / name
        self._missing: set[str] = set()
        self.n_images = self.n_fetched = self.n_bytes = 0

    def prepare(self) -> None:
        """Check both folders for links, and remove files that were not written to their end."""
        for folder in (self.target, self._partial):
            check_place(folder)
        with disk_errors_named(self._partial):
            for leftover in self._partial.glob(".part-*"):
                leftover.unlink()

    def refused(self) -> Counter[str]:
        """Count the images of the series that de-identification refuses, by reason."""
        return Counter(path.read_text().strip() for path in self.target.glob(f"*{MARK}"))

    def attempt(self) -> None:
        """Fetch what is missing; show the series if nothing is."""
        archive, series = self._transfer.archive, self._series
        listed = archive.images(series)
        if not listed:
            raise PacsError("the archive lists no image of this series.", temporary=True)
        self.n_images = len(listed)
        self._missing = {uid for uid in listed if not self._is_here(uid)}
        if not self._missing:
            self._show()
            return
        if self.target.exists():  # the archive has got more images since
            with disk_errors_named(self._partial):
                self._partial.parent.mkdir(exist_ok=True)
                self.target.replace(self._partial)
        some = sorted(self._missing) if len(self._missing) < len(listed) else None
        archive.fetch(series, some, self._receive)
        if self._missing:
            raise PacsError(
                f"{len(self._missing)} of {self.n_images} images did not arrive.", temporary=True
            )
        self._show()

    def _show(self) -> None:
        if self._partial.exists():
            with disk_errors_named(self.target):
                self.target.parent.mkdir(parents=True, exist_ok=True)
                self._partial.replace(self.target)

    def _name(self, uid: str) -> str:
        return self._key.label(self._key.uid(uid), "image")

    def _is_here(self, uid: str) -> bool:
        return any(
            _is_whole(path := folder / f"{self._name(uid)}{suffix}") and not self._asked_anew(path)
            for folder in (self.target, self._partial)
            for suffix in (".dcm", MARK)
        )

    def _asked_anew(self, path: Path) -> bool:
        """Tell whether an image was refused for a doubt that a person has settled since."""
        if path.suffix != MARK or path.read_text().strip() != TWO_PEOPLE:
            return False
        return self._transfer.people.is_accepted(self._series.patient_id)

    def _receive(self, dataset: Dataset) -> None:
        """Check, de-identify and write one image."""
        if self._transfer.stopped.is_set():
            raise PacsError("interrupted; run this again to go on.")
        series, uid = self._series, text_of(dataset, "SOPInstanceUID")
        whose = text_of(dataset, "PatientID").strip(), text_of(dataset, "SeriesInstanceUID")
        if whose != (series.patient_id.strip(), series.series_uid):
            raise PacsError(
                "the archive sent an image of another patient or series than asked for; it was "
                "not kept. Tell the people who run the archive."
            )
        if uid not in self._missing:
            return
        try:
            self._write(self._without_identity(dataset), f"{self._name(uid)}.dcm")
        except DicomError as error:
            if error.code in NOT_FOR_GOOD:
                message = NOT_FOR_GOOD[error.code].format(error.code)
                raise PacsError(message, temporary=error.code != NO_DECODER) from None
            self._write(error.code, f"{self._name(uid)}{MARK}")
        except StudyError:
            raise
        except Exception as error:  # pydicom raises many kinds, and quotes what it stumbles over
            raise PacsError(
                f"an image arrived damaged ({type(error).__name__}).", temporary=True
            ) from None
        else:
            with disk_errors_named(self._partial):
                for folder in (self.target, self._partial):
                    (folder / f"{self._name(uid)}{MARK}").unlink(missing_ok=True)
        self._missing.discard(uid)
        self._transfer.received(1)

    def _without_identity(self, dataset: Dataset) -> Dataset:
        image = deidentify_image(dataset, self._key)
        said = said_of_patient(Tags(dataset, Path("dataset")))
        if self._transfer.people.problem(image.patient_id, [said]):
            raise DicomError("the patient is not the one of the other images", TWO_PEOPLE)
        self._transfer.words.note(image)
        return image.dataset

    def _write(self, content: Dataset | str, name: str) -> None:
        with disk_errors_named(self._transfer.incoming), atomic_path(self._partial / name) as path:
            if isinstance(content, str):
                path.write_text(content + "\n", encoding="utf-8")
                return
            content.save_as(path, enforce_file_format=True)
            self.n_bytes += path.stat().st_size
        self.n_fetched += 1
