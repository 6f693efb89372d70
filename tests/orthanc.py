"""A real Orthanc archive on loopback, for tests and benchmarks."""

from __future__ import annotations

import json
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import requests
from lab_browser import free_port

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")  # Debian: orthanc-dicomweb
PROGRAM = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
AVAILABLE = Path(PROGRAM).exists() and PLUGIN.exists()
WHY_NOT = "Debian packages orthanc and orthanc-dicomweb are not installed"
START_S = 30


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that vouches for itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    about = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *about, *files], check=True, capture_output=True)
    return certificate, key


class Encrypted:
    """A port that speaks TLS in front of one that does not, as a hospital's gateway does."""

    def __init__(self, port: int, certificate: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._target = ("127.0.0.1", port)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                outer = self._context.wrap_socket(plain, server_side=True)
            except OSError:  # the caller does not trust the certificate, or speaks no TLS
                plain.close()
                continue
            inner = socket.create_connection(self._target)
            threading.Thread(target=_relay, args=(outer, inner), daemon=True).start()

    def close(self) -> None:
        self._listener.close()


def _relay(outer: ssl.SSLSocket, inner: socket.socket) -> None:
    """Hand on what either side sends, in one thread: a TLS connection does not stand two."""
    with suppress(OSError), outer, inner:
        while True:
            ready = [outer] if outer.pending() else select.select([outer, inner], [], [])[0]
            for source in ready:
                part = source.recv(65536)
                if not part:
                    outer.unwrap()
                    return
                (inner if source is outer else outer).sendall(part)


class Orthanc:
    """An archive that keeps its images in a folder; `start` and `kill` as often as needed.

    With a certificate and its key, which it trusts too, it speaks classic DICOM encrypted only.
    """

    def __init__(
        self,
        folder: Path,
        *,
        user: str = "",
        password: str = "",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.http, self.dicom, self.move = free_port(), free_port(), free_port()
        self.root = f"http://127.0.0.1:{self.http}"
        self.auth = (user, password) if user else None
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "Name": "suite-test",
            "StorageDirectory": str(folder / "store"),
            "IndexDirectory": str(folder / "store"),
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "DicomAet": "ARCHIVE",
            "RemoteAccessAllowed": bool(user),
            "AuthenticationEnabled": bool(user),
            "RegisteredUsers": {user: password} if user else {},
            "HttpBindAddresses": ["127.0.0.1"],
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "DicomModalities": {
                "suite": {
                    "AET": "SUITE",
                    "Host": "127.0.0.1",
                    "Port": self.move,
                    "UseDicomTls": certificate is not None,
                }
            },
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
        }
        if certificate is not None:
            settings |= {
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(certificate[0]),
                "DicomTlsPrivateKey": str(certificate[1]),
                "DicomTlsTrustedCertificates": str(certificate[0]),
            }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self._process: subprocess.Popen | None = None

    @property
    def web(self) -> dict[str, str]:
        """The environment that names this archive by DICOMweb."""
        return {"NPC_PACS_URL": f"{self.root}/dicom-web"}

    @property
    def classic(self) -> dict[str, str]:
        """The environment that names it by classic DICOM, for C-GET."""
        return {
            "NPC_PACS_HOST": "127.0.0.1",
            "NPC_PACS_PORT": str(self.dicom),
            "NPC_PACS_AET": "ARCHIVE",
            "NPC_PACS_CALLING_AET": "SUITE",
        }

    @property
    def moving(self) -> dict[str, str]:
        """The same for C-MOVE."""
        return self.classic | {"NPC_PACS_MOVE_PORT": str(self.move)}

    def start(self) -> Orthanc:
        """Start it and wait until it answers."""
        log = (self._folder / "log").open("ab")
        command = [PROGRAM, str(self._folder / "orthanc.json")]
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                requests.get(f"{self.root}/system", auth=self.auth, timeout=2).raise_for_status()
                return self
            except requests.RequestException:
                time.sleep(0.1)
        raise RuntimeError((self._folder / "log").read_text(errors="replace")[-2000:])

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def load(self, files: Iterable[Path]) -> int:
        """Store DICOM files; return how many."""
        session = requests.Session()
        session.auth = self.auth
        number = 0
        for path in files:
            answer = session.post(f"{self.root}/instances", data=path.read_bytes(), timeout=60)
            answer.raise_for_status()
            number += 1
        return number
