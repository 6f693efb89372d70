"""What the two kinds of archive have in common."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Protocol

from pydicom.dataset import Dataset

from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.dicom_file import DicomError, open_dicom

Receive = Callable[[Dataset], None]
MODALITY = "MR"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
TALKATIVE = ("pydicom", "pynetdicom", "dicomweb_client", "urllib3")


class PacsError(StudyError):
    """The archive does not do what is asked.

    Attributes
    ----------
    temporary : bool
        Trying again may help.

    Notes
    -----
    Messages never hold an identifier of a patient, examination or image: they go into logs.
    """

    def __init__(self, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


@dataclass(frozen=True)
class RemoteSeries:
    """One MR series as the archive lists it.

    Its identifiers are the original ones; printing it does not show them.

    Attributes
    ----------
    patient_id, study_uid, series_uid, description : str
    study_date : str
        ``YYYYMMDD``, or blank.
    n_images : int or None
        None if the archive does not say.
    """

    patient_id: str = field(repr=False)
    study_uid: str = field(repr=False)
    series_uid: str = field(repr=False)
    study_date: str = field(default="", repr=False)
    description: str = field(default="", repr=False)
    n_images: int | None = None


class Archive(Protocol):
    """What `plan` and `retrieve` need of an archive; every method may raise `PacsError`."""

    def echo(self) -> None:
        """Return if the archive answers."""

    def series(self, patient_id: str, first: str, last: str) -> list[RemoteSeries]:
        """List the MR series of a patient's examinations between two dates (``YYYYMMDD``)."""

    def images(self, series: RemoteSeries) -> list[str]:
        """List the SOP Instance UIDs of a series."""

    def fetch(self, series: RemoteSeries, uids: Sequence[str] | None, receive: Receive) -> None:
        """Hand each image of a series (or only those named) to `receive` as it arrives.

        An exception that `receive` raises ends the transfer and is raised again.
        """

    def close(self) -> None:
        """Free what the connection holds."""


@contextmanager
def libraries_silenced() -> Iterator[None]:
    """Keep the libraries below from telling what they see.

    Their warnings and log lines quote values of the headers, and addresses with identifiers.
    """
    loggers = [logging.getLogger(name) for name in TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def opened(content: bytes, *, pixels: bool = True) -> Dataset:
    """Open an image as it arrived, at the gate that files pass too.

    Raises
    ------
    PacsError
        If it is cut off, no DICOM, or would not fit into memory.
    """
    try:
        return open_dicom(BytesIO(content), pixels=pixels)
    except DicomError as error:
        raise PacsError(
            f"an image arrived that cannot be used ({error.code}).",
            temporary=error.code != "too-large",
        ) from None


def remote_series(study: Dataset, series: Dataset) -> RemoteSeries:
    """Return one series from the archive's answers about its examination and itself.

    Raises
    ------
    PacsError
        If an answer does not say which examination or series it is about.
    """
    number = text_of(series, "NumberOfSeriesRelatedInstances")
    return RemoteSeries(
        text_of(study, "PatientID"),
        uid_of(study, "StudyInstanceUID"),
        uid_of(series, "SeriesInstanceUID"),
        text_of(study, "StudyDate"),
        text_of(series, "SeriesDescription"),
        int(number) if number.isascii() and number.isdigit() else None,
    )


def uid_of(answer: Dataset, keyword: str) -> str:
    """Return an identifier that an answer must hold.

    Raises
    ------
    PacsError
        If it does not.
    """
    uid = text_of(answer, keyword)
    if not uid:
        raise PacsError(
            f"the archive's answer to a search has no {keyword}, or one that cannot be read. Show "
            "this to the people who run it."
        )
    return uid


def text_of(answer: Dataset, keyword: str) -> str:
    """Return a value as text; blank where it is missing or cannot be read."""
    try:
        value = answer.get(keyword)
    except Exception:  # pydicom converts on access, and raises many kinds
        return ""
    return "" if value is None else str(value)
