"""Which archive, and with what credentials: from the environment, never from a notebook."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from npc_helpers.artefacts import StudyError
from npc_helpers.intake.pacs.archive import Archive

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
CALLING = "NPCSUITE"
SETTINGS = {
    "NPC_PACS_URL": "root of the DICOMweb service, e.g. https://pacs.example/dicom-web",
    "NPC_PACS_USER": "user name for DICOMweb",
    "NPC_PACS_PASSWORD": "password for DICOMweb",
    "NPC_PACS_TOKEN": "bearer token for DICOMweb, in place of user and password",
    "NPC_PACS_HOST": "host of a classic DICOM archive, in place of NPC_PACS_URL",
    "NPC_PACS_PORT": "its port (default 104)",
    "NPC_PACS_AET": "its application entity title",
    "NPC_PACS_CALLING_AET": f"title of this computer (default {CALLING})",
    "NPC_PACS_MOVE_PORT": "fetch by C-MOVE to this port here; without it by C-GET",
    "NPC_PACS_TLS": "yes: encrypt classic DICOM (DICOMweb does with https)",
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
        If no archive, or two, are named; if a port is no number or a file does not exist; if a
        password would travel unencrypted.
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
    return _dicomweb(value) if value["NPC_PACS_URL"] else _dimse(value)


def _dicomweb(value: Mapping[str, str]) -> Archive:
    import requests

    from npc_helpers.intake.pacs.dicomweb import DicomWeb

    address = urlsplit(value["NPC_PACS_URL"])
    secret = value["NPC_PACS_PASSWORD"] or value["NPC_PACS_TOKEN"]
    if address.scheme not in ("http", "https") or not address.hostname:
        raise StudyError("NPC_PACS_URL must begin with https:// (or http://) and name a host.")
    if address.username or address.password:
        raise StudyError("NPC_PACS_URL holds a password. Use NPC_PACS_USER and NPC_PACS_PASSWORD.")
    if secret and address.scheme == "http" and address.hostname not in LOOPBACK:
        raise StudyError(
            "NPC_PACS_URL is not encrypted, so the password would be readable on the network. "
            "Use https://."
        )
    session = requests.Session()
    session.trust_env = False  # neither a proxy nor ~/.netrc is asked
    if value["NPC_PACS_TOKEN"]:
        session.headers["Authorization"] = f"Bearer {value['NPC_PACS_TOKEN']}"
    elif value["NPC_PACS_USER"]:
        session.auth = (value["NPC_PACS_USER"], value["NPC_PACS_PASSWORD"])
    session.verify = value["NPC_PACS_CA"] or True
    if value["NPC_PACS_CERT"]:
        session.cert = (value["NPC_PACS_CERT"], value["NPC_PACS_KEY"] or value["NPC_PACS_CERT"])
    return DicomWeb(value["NPC_PACS_URL"].rstrip("/"), session)


def _dimse(value: Mapping[str, str]) -> Archive:
    from npc_helpers.intake.pacs.dimse import Dimse

    if not value["NPC_PACS_AET"]:
        raise StudyError("NPC_PACS_AET is not set: the application entity title of the archive.")
    move_port = value["NPC_PACS_MOVE_PORT"]
    return Dimse(
        value["NPC_PACS_HOST"],
        _port("NPC_PACS_PORT", value["NPC_PACS_PORT"] or "104"),
        called=value["NPC_PACS_AET"],
        calling=value["NPC_PACS_CALLING_AET"] or CALLING,
        move_port=_port("NPC_PACS_MOVE_PORT", move_port) if move_port else None,
        tls=_tls(value) if value["NPC_PACS_TLS"].lower() == "yes" else None,
    )


def _tls(value: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=value["NPC_PACS_CA"] or None)
    if value["NPC_PACS_CERT"]:
        context.load_cert_chain(value["NPC_PACS_CERT"], value["NPC_PACS_KEY"] or None)
    return context


def _port(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise StudyError(f"{name} is {text!r}; it must be a number from 1 to 65535.")
    return int(text)
