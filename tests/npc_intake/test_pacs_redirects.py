"""What is asked of an archive, and it names patients, never travels where others can read it."""

import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orthanc
import pytest
from npc_intake import pacs
from npc_intake.pacs.dicomweb import CarefulSession, DicomWeb
from requests import PreparedRequest, Response

from npc_helpers.study.artefacts import StudyError

NUMBER = "00815-77431"


class Gateway:
    """Sends every request on to another address, and remembers what it was asked."""

    def __init__(self, target="", status=302):
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                if target or status != 302:
                    self.send_response(status)
                    self.send_header("Location", f"{target}{self.path}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"[]")

            def log_message(self, *_arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def refusal_of(gateway):
    """Ask an archive for a patient's series; return what is said instead of them."""
    service = pacs.connect({"NPC_PACS_URL": f"http://127.0.0.1:{gateway.port}/dicom-web"})
    try:
        with pytest.raises(pacs.PacsError) as caught:
            service.series(NUMBER, "20180101", "20180201")
        return caught.value
    finally:
        service.close()
        gateway.close()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize("plain", ["", "yes"])
def test_no_redirection_from_https_to_http(tmp_path, plain):
    certificate, key = orthanc.make_certificate(tmp_path)
    listener = Gateway()
    gateway = Gateway(f"http://127.0.0.1:{listener.port}")
    front = orthanc.Encrypted(gateway.port, certificate, key)
    settings = {
        "NPC_PACS_URL": f"https://127.0.0.1:{front.port}/dicom-web",
        "NPC_PACS_CA": str(certificate),
        "NPC_PACS_PLAIN": plain,
    }
    service = pacs.connect(settings)
    try:
        with pytest.raises(pacs.PacsError, match="redirects to an address that is not encr") as e:
            service.series(NUMBER, "20180101", "20180201")
        assert not e.value.temporary and NUMBER not in str(e.value)
        assert len(gateway.asked) == 1 and NUMBER in gateway.asked[0] and listener.asked == []
    finally:
        for end in (service, front, gateway, listener):
            end.close()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_a_redirection_that_stays_encrypted_is_followed(tmp_path):
    certificate, key = orthanc.make_certificate(tmp_path)
    archive = Gateway()
    behind = orthanc.Encrypted(archive.port, certificate, key)
    gateway = Gateway(f"https://127.0.0.1:{behind.port}")
    front = orthanc.Encrypted(gateway.port, certificate, key)
    url = f"https://127.0.0.1:{front.port}/dicom-web"
    service = pacs.connect({"NPC_PACS_URL": url, "NPC_PACS_CA": str(certificate)})
    try:
        assert service.series(NUMBER, "20180101", "20180201") == []
        assert archive.asked
    finally:
        for end in (service, front, gateway, behind, archive):
            end.close()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize("n_encrypted", [1, 2, 4])
def test_a_chain_of_redirections_ends_where_encryption_does(tmp_path, n_encrypted):
    certificate, key = orthanc.make_certificate(tmp_path)
    listener = Gateway()
    ends, target = [listener], f"http://127.0.0.1:{listener.port}"
    for _ in range(n_encrypted):
        gateway = Gateway(target)
        front = orthanc.Encrypted(gateway.port, certificate, key)
        ends += [gateway, front]
        target = f"https://127.0.0.1:{front.port}"
    service = pacs.connect({"NPC_PACS_URL": f"{target}/dicom-web", "NPC_PACS_CA": str(certificate)})
    try:
        with pytest.raises(pacs.PacsError, match="not encrypted") as caught:
            service.series(NUMBER, "20180101", "20180201")
        assert listener.asked == [] and ends[1].asked and not caught.value.temporary
    finally:
        for end in (service, *ends):
            end.close()


@pytest.mark.parametrize(
    ("start", "target", "plain", "goes"),
    [
        ("https://pacs.example/a", "http://pacs.example/a", False, False),
        ("https://pacs.example/a", "http://pacs.example/a", True, False),
        ("https://pacs.example/a", "http://localhost/a", True, False),
        ("https://pacs.example/a", "//other.example/a", False, True),
        ("https://pacs.example/a", "/b", False, True),
        ("https://pacs.example/a", "ftp://pacs.example/a", True, False),
        ("https://pacs.example/a", "HTTP://pacs.example/a", False, False),
        ("http://localhost/a", "http://pacs.example/a", False, False),
        ("http://localhost/a", "http://127.0.0.1:8042/a", False, True),
        ("http://localhost/a", "https://pacs.example/a", False, True),
        ("http://pacs.example/a", "http://other.example/a", True, True),
    ],
)
def test_where_an_answer_may_send_us(start, target, plain, goes):
    answer = Response()
    answer.status_code, answer.url = 302, start
    answer.headers["Location"] = target
    answer.request = PreparedRequest()
    session = CarefulSession(plain=plain)
    if goes:
        assert session.get_redirect_target(answer) == target
    else:
        with pytest.raises(pacs.PacsError, match="not encrypted"):
            session.get_redirect_target(answer)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize("status", [301, 303, 307, 308])
def test_no_kind_of_redirection_leaves_encryption(tmp_path, status):
    certificate, key = orthanc.make_certificate(tmp_path)
    listener = Gateway()
    gateway = Gateway(f"http://127.0.0.1:{listener.port}", status)
    front = orthanc.Encrypted(gateway.port, certificate, key)
    url = f"https://127.0.0.1:{front.port}/dicom-web"
    service = pacs.connect({"NPC_PACS_URL": url, "NPC_PACS_CA": str(certificate)})
    try:
        with pytest.raises(pacs.PacsError, match="not encrypted"):
            service.series(NUMBER, "20180101", "20180201")
        assert listener.asked == []
    finally:
        for end in (service, front, gateway, listener):
            end.close()


@pytest.mark.parametrize(
    ("status", "target"), [(300, "http://localhost/a"), (305, "http://localhost/a"), (304, "")]
)
def test_a_redirection_that_is_not_followed_is_no_empty_list(status, target):
    problem = refusal_of(Gateway(target, status))
    assert "cannot be followed" in str(problem)
    assert str(status) in str(problem) and not problem.temporary


@pytest.mark.parametrize(
    "target",
    ["https://[::1", "http://localhost:99999", "http://localhost:b", "https://", "http://"],
)
def test_a_redirection_to_no_address_is_no_matter_of_time(target):
    problem = refusal_of(Gateway(target))
    assert "address" in str(problem) and NUMBER not in str(problem) and not problem.temporary


def test_a_circle_is_no_matter_of_time():
    problem = refusal_of(Gateway("/again"))
    assert "leads back to itself" in str(problem)
    assert NUMBER not in str(problem) and not problem.temporary


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize(
    "fault", ["another authority", "no authority", "a port without encryption"]
)
def test_what_is_wrong_with_encryption_is_said(tmp_path, fault):
    (tmp_path / "other").mkdir()
    certificate, key = orthanc.make_certificate(tmp_path)
    foreign, _ = orthanc.make_certificate(tmp_path / "other")
    gateway = Gateway()
    front = orthanc.Encrypted(gateway.port, certificate, key)
    port, says = front.port, "certificate is not trusted"
    if fault == "a port without encryption":
        port, says = gateway.port, "no encrypted connection.*the one for https"
    authority = {"another authority": str(foreign), "no authority": ""}.get(fault, str(certificate))
    url = f"https://127.0.0.1:{port}/dicom-web"
    service = pacs.connect({"NPC_PACS_URL": url, "NPC_PACS_CA": authority})
    try:
        with pytest.raises(pacs.PacsError, match=says) as caught:
            service.series(NUMBER, "20180101", "20180201")
        assert NUMBER not in str(caught.value) and gateway.asked == []
    finally:
        for end in (service, front, gateway):
            end.close()


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost" + "@pacs.example/",  # in one piece it reads like an address of a person
        "http://pacs.example#@localhost",
        "http://pacs.example?@localhost",
        "http://localhost.pacs.example/",
        "http://127.0.0.1.pacs.example/",
        "http://127.0.0.1%2epacs.example/",
        "http://0.0.0.0/",
        "//pacs.example/",
        "javascript:alert(1)",
        "file:///etc/hostname",
    ],
)
def test_what_only_looks_like_this_computer(target):
    answer = Response()
    answer.status_code, answer.url = 307, "http://localhost/a"
    answer.headers["Location"] = target
    with pytest.raises(pacs.PacsError, match="not encrypted"):
        CarefulSession().get_redirect_target(answer)


def test_plain_http_to_another_computer_only_if_the_user_says_so():
    address = {"NPC_PACS_URL": "http://pacs.example/dicom-web"}
    with pytest.raises(StudyError, match="numbers of patients.*set NPC_PACS_PLAIN to yes"):
        pacs.connect(address)
    pacs.connect(address | {"NPC_PACS_PLAIN": "yes"}).close()
    with pytest.raises(StudyError, match="password would be readable"):
        pacs.connect(address | {"NPC_PACS_PLAIN": "yes", "NPC_PACS_TOKEN": "t"})
    pacs.connect({"NPC_PACS_URL": "http://localhost:8042/dicom-web"}).close()
    with pytest.raises(StudyError, match="NPC_PACS_PLAIN is 'perhaps'. Set it to yes or no"):
        pacs.connect(address | {"NPC_PACS_PLAIN": "perhaps"})


def test_every_session_is_a_careful_one():
    assert isinstance(DicomWeb("https://pacs.example")._session, CarefulSession)
    service = pacs.connect({"NPC_PACS_URL": "https://pacs.example"})
    assert isinstance(service._session, CarefulSession) and not service._session.trust_env
