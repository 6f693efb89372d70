"""An archive that speaks DICOMweb: QIDO-RS to search, WADO-RS to fetch (DICOM PS3.18)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from npc_intake.pacs.archive import (
    LOOPBACK,
    MODALITY,
    PacsError,
    Receive,
    RemoteSeries,
    opened,
    remote_series,
    uid_of,
)

TIMEOUT_S = (10, 300)  # to connect; to wait for the next bytes (tapes are slow)
# in the transfer syntax that the archive holds (PS3.18, 8.7.3)
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
NOT_DICOM = (
    InvalidDicomError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)
MOVED = "the archive redirects to an address that cannot be followed"
ASK_FOR_URL = "Ask the people who run it for the right NPC_PACS_URL."
TEMPORARY = {408, 429, 500, 502, 503, 504}
# what a library raises, the first kind that fits; what is said; whether trying again may help
SAID = (
    (
        (InvalidSchema, InvalidURL, MissingSchema),
        f"an address of the archive is none. {ASK_FOR_URL}",
        False,
    ),
    (requests.TooManyRedirects, f"{MOVED}: it leads back to itself. {ASK_FOR_URL}", False),
    (
        requests.RequestException,
        "the archive cannot be reached, or stopped answering ({kind}). Check NPC_PACS_URL and the "
        "network.",
        True,
    ),
    (
        NOT_DICOM,
        "the archive's answer is cut off or no DICOM ({kind}). If this stays so, check "
        "NPC_PACS_URL and show it to the people who run the archive.",
        True,
    ),
)


class _Client(DICOMwebClient):
    """Opens images at our gate; the library would inflate whatever arrives."""

    def _http_get_multipart_application_dicom(
        self, url, media_types=None, params=None, stream=False
    ) -> Iterator[Dataset]:
        accept = {"Accept": AS_STORED}
        response = self._http_get(url, params=params, headers=accept, stream=stream)
        if response.headers["Content-Type"].startswith("application/dicom"):
            return iter([opened(response.content)])
        return map(opened, self._decode_multipart_message(response, stream=stream))


class CarefulSession(requests.Session):
    """HTTP that follows no redirection to where what it sends could be read on the way.

    A redirection repeats the address, and in that stand the patient's number and identifiers.

    Parameters
    ----------
    plain : bool
        Unencrypted connections to other computers are allowed.
    """

    def __init__(self, *, plain: bool = False) -> None:
        super().__init__()
        self._plain = plain

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer sends us to, if we may go there.

        Raises
        ------
        PacsError
            If that is an unencrypted address, or the answer names none.
        """
        target = super().get_redirect_target(resp)
        if target is None:
            if resp.status_code // 100 == 3:  # its content is no list of images, blank or not
                raise PacsError(f"{MOVED} (HTTP status {resp.status_code}). {ASK_FOR_URL}")
            return None
        try:
            before, after = urlsplit(resp.url), urlsplit(urljoin(resp.url, target))
        except ValueError:
            raise PacsError(f"{MOVED}. {ASK_FOR_URL}") from None
        if after.scheme != "https" and (
            before.scheme == "https" or not (self._plain or after.hostname in LOOPBACK)
        ):
            raise PacsError(
                "the archive redirects to an address that is not encrypted; nothing was sent "
                f"there. {ASK_FOR_URL}"
            )
        return target


class DicomWeb:
    """An archive behind a DICOMweb address.

    Parameters
    ----------
    url : str
        Root of the service, for instance ``https://pacs.example/dicom-web``.
    session : requests.Session, optional
        With credentials and certificates; by default a `CarefulSession`.
    """

    def __init__(self, url: str, session: requests.Session | None = None) -> None:
        self._session = session or CarefulSession()
        self._client = _Client(url, session=self._session, timeout=TIMEOUT_S)
        self._client.set_http_retry_params(retry=False)  # `retrieve` tries again by itself

    def echo(self) -> None:
        """Return if the archive answers a search."""
        with _errors_named():
            self._client.search_for_studies(limit=1)

    def series(self, patient_id: str, first: str, last: str) -> list[RemoteSeries]:
        """List the MR series of a patient's examinations between two dates (``YYYYMMDD``)."""
        wanted = {"PatientID": patient_id, "StudyDate": f"{first}-{last}"}
        listed = []
        for study in self._search(
            self._client.search_for_studies, uid="StudyInstanceUID", search_filters=wanted
        ):
            listed += [
                remote_series(study, series)
                for series in self._search(
                    self._client.search_for_series,
                    uid_of(study, "StudyInstanceUID"),
                    uid="SeriesInstanceUID",
                    search_filters={"Modality": MODALITY},
                    fields=["SeriesDescription", "NumberOfSeriesRelatedInstances"],
                )
            ]
        return listed

    def images(self, series: RemoteSeries) -> list[str]:
        """List the SOP Instance UIDs of a series."""
        where, uid = (series.study_uid, series.series_uid), "SOPInstanceUID"
        answers = self._search(self._client.search_for_instances, *where, uid=uid)
        return [uid_of(answer, uid) for answer in answers]

    def fetch(self, series: RemoteSeries, uids: Sequence[str] | None, receive: Receive) -> None:
        """Hand each image of a series (or only those named) to `receive` as it arrives."""
        for dataset in self._datasets(series, uids):
            receive(dataset)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _datasets(self, series: RemoteSeries, uids: Sequence[str] | None) -> Iterator[Dataset]:
        where = series.study_uid, series.series_uid
        with _errors_named():
            if uids is None:
                yield from self._client.iter_series(*where)
                return
            for uid in uids:
                yield self._client.retrieve_instance(*where, uid)

    @staticmethod
    def _search(method: Callable, *where: str, uid: str, **options) -> list[Dataset]:
        """Return all answers to a search, page after page, each once.

        Not every archive counts pages: one that sends the same again has sent everything.
        """
        by_uid: dict[str, Dataset] = {}
        n_received, n_before = 0, -1
        with _errors_named():
            while n_before < 0 or len(by_uid) > n_before:
                n_before = len(by_uid)
                page = method(*where, offset=n_received, **options)
                answers = [Dataset.from_json(record) for record in page]
                by_uid |= {uid_of(answer, uid): answer for answer in answers}
                n_received += len(page)
        return list(by_uid.values())


@contextmanager
def _errors_named() -> Iterator[None]:
    """Turn what the libraries raise into `PacsError`; their texts hold addresses with identifiers.

    Errors of the receiver pass: they are raised outside the block that a generator suspends.
    """
    try:
        yield
    except PacsError:
        raise
    except (requests.RequestException, *NOT_DICOM) as error:
        raise _named(error) from None


def _named(error: Exception) -> PacsError:
    if isinstance(error, requests.HTTPError):
        return _of_status(error.response.status_code if error.response is not None else 0)
    if isinstance(error, requests.exceptions.SSLError):
        return _of_encryption(str(error))
    text, temporary = next(said for kinds, *said in SAID if isinstance(error, kinds))
    return PacsError(text.format(kind=type(error).__name__), temporary=temporary)


def _of_status(status: int) -> PacsError:
    if status in (401, 403):
        return PacsError(
            f"the archive refuses the credentials (HTTP {status}). Check NPC_PACS_USER and "
            "NPC_PACS_PASSWORD, or NPC_PACS_TOKEN."
        )
    return PacsError(
        f"the archive answers with HTTP {status}. Check NPC_PACS_URL; ask the people who run "
        "it if that is right.",
        temporary=status in TEMPORARY,
    )


def _of_encryption(problem: str) -> PacsError:
    if "CERTIFICATE_VERIFY_FAILED" in problem:
        return PacsError(
            "the archive's certificate is not trusted. Name the hospital's certificate authority "
            "(a PEM file) in NPC_PACS_CA."
        )
    return PacsError(
        "no encrypted connection to the archive came about. Check whether the port in "
        "NPC_PACS_URL is the one for https, and whether the archive asks for a certificate "
        "of this computer (NPC_PACS_CERT).",
        temporary="EOF" in problem,
    )
