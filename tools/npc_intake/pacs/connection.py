"""Which archive, and with what credentials: from the environment, never from a notebook."""

import os
import re
import socket
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from npc_helpers.study.artefacts import StudyError
from npc_intake.pacs.archive import LOOPBACK, Archive

YES, NO = {"yes", "true", "1", "on"}, {"", "no", "false", "0", "off"}
CALLING = "NPCSUITE"
GREETING_S = 10  # for the TLS handshake
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
SETTINGS = {
    "NPC_PACS_URL": "root of the DICOMweb service, e.g. https://pacs.example/dicom-web",
    "NPC_PACS_USER": "user name for DICOMweb",
    "NPC_PACS_PASSWORD": "password for DICOMweb",
    "NPC_PACS_TOKEN": "bearer token for DICOMweb, in place of user and password",
    "NPC_PACS_PLAIN": "yes: allow http:// to another computer, where others can read what is sent",
    "NPC_PACS_HOST": "host of a classic DICOM archive, in place of NPC_PACS_URL",
    "NPC_PACS_PORT": "its port (default 104)",
    "NPC_PACS_AET": "its application entity title",
    "NPC_PACS_CALLING_AET": f"title of this computer (default {CALLING})",
    "NPC_PACS_MOVE_PORT": "fetch by C-MOVE to this port here; without it by C-GET",
    "NPC_PACS_TLS": "yes or no (default): encrypt classic DICOM; DICOMweb does with https",
    "NPC_PACS_CA": "PEM file of the hospital's certificate authority",
    "NPC_PACS_CERT": "PEM file of this computer's certificate",
    "NPC_PACS_KEY": "PEM file of its private key",
}


def connect(environment: Mapping[str, str] | None = None) -> Archive:
    """Open the archive that the environment names.

    Parameters
    ----------
    environment : mapping of str to str, optional
        By default ``os.environ``; `SETTINGS` lists the variables.

    Returns
    -------
    Archive
        Not contacted yet; ``echo`` tries the connection.

    Raises
    ------
    StudyError
        If no archive, or two, are named; if a port is no number, a file does not exist or a
        certificate cannot be used; if a password, or what should be encrypted, would travel
        unencrypted.
    PacsError
        If the port for C-MOVE is taken.
    """
    given = os.environ if environment is None else environment
    value = {name: given.get(name, "").strip() for name in SETTINGS}
    if bool(value["NPC_PACS_URL"]) == bool(value["NPC_PACS_HOST"]):
        raise StudyError(
            "Set either NPC_PACS_URL (DICOMweb) or NPC_PACS_HOST, NPC_PACS_PORT and NPC_PACS_AET "
            "(classic DICOM) in the environment; docs/retrieval.md explains them."
        )
    for name in ("NPC_PACS_CA", "NPC_PACS_CERT", "NPC_PACS_KEY"):
        if value[name] and not Path(value[name]).is_file():
            raise StudyError(f"{name} names a file that does not exist: {value[name]}")
    encrypted = _yes("NPC_PACS_TLS", value["NPC_PACS_TLS"])
    return _dicomweb(value, encrypted) if value["NPC_PACS_URL"] else _dimse(value, encrypted)


def _yes(name: str, text: str) -> bool:
    if text.lower() not in YES | NO:
        raise StudyError(f"{name} is {text!r}. Set it to yes or no.")
    return text.lower() in YES


def _dicomweb(value: Mapping[str, str], encrypted: bool) -> Archive:
    from npc_intake.pacs.dicomweb import CarefulSession, DicomWeb

    address = _address(value["NPC_PACS_URL"])
    secret = value["NPC_PACS_PASSWORD"] or value["NPC_PACS_TOKEN"]
    if encrypted and address.scheme == "http":
        raise StudyError(
            "NPC_PACS_TLS asks for encryption and NPC_PACS_URL is not encrypted. Use https://."
        )
    plain = _yes("NPC_PACS_PLAIN", value["NPC_PACS_PLAIN"])
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        if secret:
            raise StudyError(
                "NPC_PACS_URL is not encrypted, so the password would be readable on the network. "
                "Use https://."
            )
        if not plain:
            raise StudyError(
                "NPC_PACS_URL is not encrypted, so numbers of patients and images would be "
                "readable on the network. Use https://; or, if that is agreed upon with those who "
                "are responsible for the network, set NPC_PACS_PLAIN to yes."
            )
    session = CarefulSession(plain=plain)
    session.trust_env = False  # neither a proxy nor ~/.netrc is asked
    if value["NPC_PACS_TOKEN"]:
        session.headers["Authorization"] = f"Bearer {value['NPC_PACS_TOKEN']}"
    elif value["NPC_PACS_USER"]:
        session.auth = (value["NPC_PACS_USER"], value["NPC_PACS_PASSWORD"])
    session.verify = value["NPC_PACS_CA"] or True
    if value["NPC_PACS_CERT"]:
        session.cert = (value["NPC_PACS_CERT"], value["NPC_PACS_KEY"] or value["NPC_PACS_CERT"])
    return DicomWeb(value["NPC_PACS_URL"].rstrip("/"), session)


def _address(url: str) -> SplitResult:
    """Return the parts of an address that can be asked.

    Raises
    ------
    StudyError
        If it cannot: nobody is asked, and nothing is tried again.
    """
    try:
        address = urlsplit(url)
        has_port = address.port != 0 and not address.netloc.endswith(":")  # raises for other text
        is_right = address.scheme in ("http", "https") and _is_host(address.hostname or "")
    except ValueError:
        is_right = has_port = False
    if not is_right or not has_port:
        raise StudyError(
            "NPC_PACS_URL must begin with https:// (or http://) and name a host, and after a colon "
            "its port, if it has one of its own: https://pacs.example:8443/dicom-web."
        )
    if "@" in address.netloc:
        raise StudyError("NPC_PACS_URL holds a password. Use NPC_PACS_USER and NPC_PACS_PASSWORD.")
    if set(url) & set("?#\\") or not url.isprintable() or " " in url:
        raise StudyError(
            "NPC_PACS_URL holds a blank, or one of ? # \\. It is the root of the service only, for "
            "instance https://pacs.example/dicom-web."
        )
    return address


def _is_host(name: str) -> bool:
    """Tell whether a name can be that of a computer: labels (RFC 1123), or an IP address."""
    try:
        if ":" in name or name[-1:].isdigit() and name.replace(".", "").isdigit():
            return bool(ip_address(name))
        labels = name.removesuffix(".").encode("idna").decode().split(".")
    except ValueError:
        return False
    return all(_LABEL.fullmatch(label) for label in labels)


def _title(name: str, text: str) -> str:
    """Return an application entity title: 1 to 16 plain signs without a backslash (PS3.5, 6.2)."""
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", text):
        raise StudyError(
            f"{name} is {text!r}. A title has at most 16 plain letters, digits and signs, and no "
            "backslash. Ask the people who run the archive for it."
        )
    return text


def _dimse(value: Mapping[str, str], encrypted: bool) -> Archive:
    from npc_intake.pacs.dimse import Dimse, Listener

    host, move_port = value["NPC_PACS_HOST"], value["NPC_PACS_MOVE_PORT"]
    if not value["NPC_PACS_AET"]:
        raise StudyError("NPC_PACS_AET is not set: the application entity title of the archive.")
    if not _is_host(host):
        raise StudyError(
            f"NPC_PACS_HOST is {host!r}. It is the name or the IP address of a computer, without "
            "https:// and without a port; that goes into NPC_PACS_PORT."
        )
    if not value["NPC_PACS_TLS"] and (value["NPC_PACS_CA"] or value["NPC_PACS_CERT"]):
        raise StudyError(
            "NPC_PACS_CA or NPC_PACS_CERT is given but NPC_PACS_TLS is not set, so nothing would "
            "be encrypted. Set NPC_PACS_TLS to yes (or to no, if that is meant)."
        )
    if encrypted and move_port and not value["NPC_PACS_CERT"]:
        raise StudyError(
            "By C-MOVE the archive opens an encrypted connection to this computer, which needs a "
            "certificate for that. Set NPC_PACS_CERT and NPC_PACS_KEY, or leave NPC_PACS_MOVE_PORT "
            "out to fetch by C-GET."
        )
    address = host if host.lower() in LOOPBACK else ""  # blank: the archive comes from outside
    listener = None
    if move_port:
        tls = _context(value, ssl.PROTOCOL_TLS_SERVER) if encrypted else None
        listener = Listener(address, _port("NPC_PACS_MOVE_PORT", move_port), tls)
    return Dimse(
        host,
        _port("NPC_PACS_PORT", value["NPC_PACS_PORT"] or "104"),
        called=_title("NPC_PACS_AET", value["NPC_PACS_AET"]),
        calling=_title("NPC_PACS_CALLING_AET", value["NPC_PACS_CALLING_AET"] or CALLING),
        tls=_context(value, ssl.PROTOCOL_TLS_CLIENT) if encrypted else None,
        move_to=listener,
    )


class _Context(ssl.SSLContext):
    """An end of a connection that gives up on another end that says nothing.

    The listener greets callers one after the other: a silent one would keep out the archive.
    """

    def wrap_socket(self, sock: socket.socket, *arguments, **options) -> ssl.SSLSocket:
        usual = sock.gettimeout()
        sock.settimeout(GREETING_S)
        wrapped = super().wrap_socket(sock, *arguments, **options)
        wrapped.settimeout(usual)
        return wrapped


def _context(value: Mapping[str, str], protocol: int) -> ssl.SSLContext:
    """Return one end of encrypted connections; both ends must show a certificate to this one."""
    context = _Context(protocol)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        if value["NPC_PACS_CERT"]:
            key = value["NPC_PACS_KEY"] or None
            context.load_cert_chain(value["NPC_PACS_CERT"], key, password=lambda: "")
    except (OSError, ValueError) as error:
        raise StudyError(
            f"NPC_PACS_CERT and NPC_PACS_KEY cannot be used ({error}). They must be PEM files that "
            "belong together; the key must not be protected by a password."
        ) from None
    try:
        if value["NPC_PACS_CA"]:
            context.load_verify_locations(value["NPC_PACS_CA"])
        else:
            context.load_default_certs()
    except (OSError, ValueError) as error:
        raise StudyError(f"NPC_PACS_CA cannot be used ({error}). It must be a PEM file.") from None
    return context


def _port(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise StudyError(f"{name} is {text!r}; it must be a number from 1 to 65535.")
    return int(text)
