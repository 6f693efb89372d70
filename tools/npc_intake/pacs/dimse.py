"""An archive that speaks classic DICOM: C-FIND to search, C-GET or C-MOVE to fetch (PS3.4)."""

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from pydicom import uid
from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, Association, build_role, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from npc_intake.pacs.archive import (
    MODALITY,
    PacsError,
    Receive,
    RemoteSeries,
    opened,
    remote_series,
    text_of,
    uid_of,
)

IMAGES = (  # the last two are accepted so that de-identification, not the archive, refuses them
    uid.MRImageStorage,
    uid.EnhancedMRImageStorage,
    uid.SecondaryCaptureImageStorage,
    uid.RawDataStorage,
)
SYNTAXES = (  # at most 128 contexts in one association (PS3.8, 9.3.2.2)
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEGLSNearLossless,
    uid.JPEG2000Lossless,
    uid.JPEG2000,
    uid.HTJ2KLossless,
    uid.HTJ2K,
    uid.RLELossless,
)
PENDING, SUCCESS, CANCELLED, NOT_WANTED = (0xFF00, 0xFF01), 0x0000, 0xC001, 0xA900
CONNECT_S, ANSWER_S = 10, 300  # images on tape take minutes to come


class Listener(NamedTuple):
    """Where this computer waits for connections of the archive; a blank address means all."""

    address: str
    port: int
    tls: ssl.SSLContext | None


class Dimse:
    """An archive behind a host, a port and an application entity title.

    Parameters
    ----------
    host : str
    port : int
    called : str
        Title of the archive.
    calling : str
        Title under which the archive knows this computer.
    move_to : Listener, optional
        Fetch by C-MOVE to this end here, which the archive must know; without it by C-GET.
    tls : ssl.SSLContext, optional
        For connections to the archive.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        called: str,
        calling: str,
        move_to: Listener | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address, self._called, self._calling, self._tls = (host, port), called, calling, tls
        self._receivers: dict[str, _Receiver] = {}
        self._server = self._listen(move_to) if move_to else None

    def echo(self) -> None:
        """Return if the archive answers a C-ECHO."""
        with self._associate(Verification) as association:
            _check(association.send_c_echo(), "the test of the connection")

    def series(self, patient_id: str, first: str, last: str) -> list[RemoteSeries]:
        """List the MR series of a patient's examinations between two dates (``YYYYMMDD``)."""
        listed = []
        about = ("SeriesInstanceUID", "SeriesDescription", "NumberOfSeriesRelatedInstances")
        blank = dict.fromkeys(about, "")
        with self._associate(StudyRootQueryRetrieveInformationModelFind) as association:
            wanted = {"PatientID": patient_id, "StudyDate": f"{first}-{last}"}
            for study in _find(association, "STUDY", StudyInstanceUID="", **wanted):
                examination = uid_of(study, "StudyInstanceUID")
                query = {"StudyInstanceUID": examination, "Modality": MODALITY}
                for series in _find(association, "SERIES", **query, **blank):
                    listed.append(remote_series(study, series))
        return listed

    def images(self, series: RemoteSeries) -> list[str]:
        """List the SOP Instance UIDs of a series."""
        with self._associate(StudyRootQueryRetrieveInformationModelFind) as association:
            answers = _find(association, "IMAGE", SOPInstanceUID="", **_keys(series))
            return [uid_of(answer, "SOPInstanceUID") for answer in answers]

    def fetch(self, series: RemoteSeries, uids: Sequence[str] | None, receive: Receive) -> None:
        """Hand each image of a series (or only those named) to `receive` as it arrives."""
        query = _query("SERIES" if uids is None else "IMAGE", **_keys(series))
        if uids is not None:
            query.SOPInstanceUID = list(uids)
        receiver = _Receiver(receive)
        if self._server is None:
            model, handlers = StudyRootQueryRetrieveInformationModelGet, receiver.handlers
            with self._associate(model, handlers=handlers, images=True) as association:
                _finish(association.send_c_get(query, model), receiver)
        else:
            model = StudyRootQueryRetrieveInformationModelMove
            self._receivers[series.series_uid] = receiver
            try:
                with self._associate(model) as association:
                    _finish(association.send_c_move(query, self._calling, model), receiver)
            finally:
                del self._receivers[series.series_uid]

    def close(self) -> None:
        """Stop listening for C-MOVE."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    @contextmanager
    def _associate(self, model: str, *, handlers=(), images: bool = False) -> Iterator[Association]:
        entity = AE(ae_title=self._calling)
        entity.connection_timeout = entity.acse_timeout = CONNECT_S
        entity.dimse_timeout = entity.network_timeout = ANSWER_S
        entity.add_requested_context(model)
        for kind in IMAGES if images else ():
            for syntax in SYNTAXES:  # one context each: all of them are accepted
                entity.add_requested_context(kind, syntax)
        association = entity.associate(
            *self._address,
            ae_title=self._called,
            ext_neg=[build_role(kind, scp_role=True) for kind in IMAGES] if images else None,
            evt_handlers=list(handlers),
            tls_args=(self._tls, self._address[0]) if self._tls else None,
        )
        try:
            if not association.is_established:
                raise self._no_association(association)
            yield association
        finally:
            if association.is_established:
                association.release()

    def _no_association(self, association: Association) -> PacsError:
        if association.is_rejected:
            return PacsError(
                f"the archive refuses this computer (called {self._called}, calling "
                f"{self._calling}). Check NPC_PACS_AET; ask the people who run the archive to "
                "register NPC_PACS_CALLING_AET."
            )
        return PacsError(
            "the archive cannot be reached, or does not offer this service. Check NPC_PACS_HOST, "
            "NPC_PACS_PORT, the firewall, and whether both sides encrypt (NPC_PACS_TLS, "
            "NPC_PACS_CA); C-GET is often switched off (then set NPC_PACS_MOVE_PORT).",
            temporary=True,
        )

    def _listen(self, end: Listener):
        entity = AE(ae_title=self._calling)
        for kind in IMAGES:
            entity.add_supported_context(kind, ALL_TRANSFER_SYNTAXES)
        handlers = [(evt.EVT_C_STORE, self._dispatch)]
        try:
            return entity.start_server(
                (end.address, end.port), block=False, evt_handlers=handlers, ssl_context=end.tls
            )
        except OSError as error:
            raise PacsError(
                f"port {end.port} of this computer is taken ({error.strerror}). Set "
                "NPC_PACS_MOVE_PORT to the one the archive knows, and close the program that uses "
                "it."
            ) from None

    def _dispatch(self, event) -> int:
        """Pass an image that arrives by C-MOVE to who asked for its series; refuse others."""
        try:
            header = opened(event.encoded_dataset(), pixels=False)
        except PacsError:  # nobody can tell whose it is; its series stays incomplete
            return NOT_WANTED
        receiver = self._receivers.get(text_of(header, "SeriesInstanceUID"))
        return NOT_WANTED if receiver is None else receiver.store(event)


class _Receiver:
    """Takes images off the network thread, and keeps the first exception for the caller."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._lock = threading.Lock()
        self.problem: BaseException | None = None
        self.handlers = [(evt.EVT_C_STORE, self.store)]

    def store(self, event) -> int:
        with self._lock:
            if self.problem is not None:
                return CANCELLED
            try:
                self._receive(opened(event.encoded_dataset()))
            except BaseException as error:  # raised again by the thread that asked
                self.problem = error
                return CANCELLED
        return SUCCESS


def _keys(series: RemoteSeries) -> dict[str, str]:
    return {"StudyInstanceUID": series.study_uid, "SeriesInstanceUID": series.series_uid}


def _query(level: str, **keys: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


def _find(association: Association, level: str, **keys: str) -> list[Dataset]:
    answers = association.send_c_find(
        _query(level, **keys), StudyRootQueryRetrieveInformationModelFind
    )
    identifiers = []
    for status, answer in answers:
        if getattr(status, "Status", None) in PENDING:
            identifiers.append(answer or Dataset())  # None where it cannot be read
        else:
            _check(status, "the search")
    return identifiers


def _finish(answers: Iterator, receiver: _Receiver) -> None:
    """Wait for the end of a transfer; raise what the receiver or the archive complain about."""
    last = Dataset()
    for status, _ in answers:
        last = status
        if receiver.problem is not None:
            break
    if receiver.problem is not None:
        raise receiver.problem
    _check(last, "the transfer")


def _check(status: Dataset, request: str) -> None:
    code = getattr(status, "Status", None)
    if code is None:
        raise PacsError(f"the archive stopped answering during {request}.", temporary=True)
    if code != SUCCESS:
        raise PacsError(
            f"the archive answers {request} with status 0x{code:04X}. If this stays so, show the "
            "number to the people who run it; for C-MOVE they must register this computer's "
            "title, address and NPC_PACS_MOVE_PORT.",
            temporary=True,
        )
