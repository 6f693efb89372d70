"""Retrieval from an archive: planned, whole or not at all, resumed, nameless, and the same data.

Most tests talk to a real Orthanc on loopback (Debian packages orthanc, orthanc-dicomweb).
"""

import logging
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import orthanc
import pandas as pd
import pydicom
import pytest
from dicom_making import make_slice, noise, write_series
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind
from watching import names_below, wait_until

from npc_helpers.artefacts import StudyError, series_checksum
from npc_helpers.cohort import progression_free_survival, screen
from npc_helpers.intake import pacs
from npc_helpers.intake.__main__ import main
from npc_helpers.intake.pseudonyms import Key
from npc_helpers.roi import network_inputs, suggest_rois
from npc_helpers.settings import TUTORIAL
from npc_helpers.stacks import load_stacks
from npc_helpers.study import Study, init
from npc_helpers.synthetic.centres import select
from npc_helpers.synthetic.registry import make_cohort
from npc_helpers.synthetic.writer import write_study

NUMBERS = (5, 6, 7)  # patients of the demonstration; two of them have more series than are wanted
CLASSIC = {"NPC_PACS_HOST": "pacs", "NPC_PACS_AET": "A"}
NAME, HOSPITAL = "^".join(("DOE", "JANE")), "Renmin Hospital"

real = pytest.mark.skipif(not orthanc.AVAILABLE, reason=orthanc.WHY_NOT)


def hospital_number(patient_id):
    """What the hospital calls a patient of the demonstration."""
    return f"00{patient_id.removeprefix('SYN-')}-77431"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """A study as a hospital holds it: real numbers and names in tables and images."""
    folder = tmp_path_factory.mktemp("hospital")
    write_study(folder, select(make_cohort(), NUMBERS), matrix=320, workers=1, progress=False)
    for path in (*folder.glob("data/*.csv"), folder / "data_manifest.csv"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if "patient_id" in table:
            table["patient_id"] = table["patient_id"].map(hospital_number)
            table.to_csv(path, index=False)
    images = sorted(path for path in folder.glob("data/images/**/*.dcm") if "mask" not in str(path))
    for path in images:
        dataset = pydicom.dcmread(path)
        if path.is_relative_to(images[0].parents[2]):  # one patient's are stored as they are
            dataset.decompress(generate_instance_uid=False)
        dataset.PatientID = hospital_number(dataset.PatientID)
        dataset.PatientName, dataset.InstitutionName = NAME, HOSPITAL
        dataset.save_as(path)
    manifest = pd.read_csv(folder / "data_manifest.csv", dtype=str)
    manifest["sha256"] = [series_checksum(folder / path) for path in manifest["path"]]
    manifest.to_csv(folder / "data_manifest.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def archive(hospital, tmp_path_factory):
    """An Orthanc that holds the images of `hospital`."""
    server = orthanc.Orthanc(tmp_path_factory.mktemp("orthanc")).start()
    server.load(hospital.glob("data/images/**/*.dcm"))
    yield server
    server.kill()


@pytest.fixture
def place(hospital, tmp_path):
    """A list of patients, an empty study and a key."""
    registry = Study(hospital).registry
    with_images = registry[registry["patient_id"].isin(Study(hospital).manifest["patient_id"])]
    listed = with_images[["patient_id", "treatment_start", "treatment_end"]]
    listed.to_csv(tmp_path / "list.csv", index=False, date_format="%Y-%m-%d")
    init(tmp_path / "study")
    return Place(tmp_path)


class Place:
    def __init__(self, folder):
        self.folder, self.study = folder, folder / "study"
        self.list, self.key_path = folder / "list.csv", folder / "keys" / "key.json"
        self.incoming = self.study / pacs.INCOMING

    @property
    def key(self):
        return Key.open(self.key_path)

    def arguments(self, *more):
        return ["retrieve", str(self.list), str(self.study), "--key", str(self.key_path), *more]

    def images(self):
        return sorted(self.incoming.glob("[!.]*/*/*.dcm"))


def opened(environment):
    return pacs.connect(environment)


# --- with a real archive --------------------------------------------------------------------------


@real
@pytest.mark.parametrize("way", ["web", "classic", "moving"])
def test_every_image_of_the_list_arrives(archive, hospital, place, way):
    service = opened(getattr(archive, way))
    found = pacs.plan(service, pacs.read_list(place.list), place.key, progress=False)
    log = pacs.retrieve(service, found, place.study, place.key, progress=False)
    service.close()
    files = [f for f in hospital.glob("data/images/**/*.dcm") if "mask" not in str(f)]
    assert found.n_images == len(files) == len(place.images()) == log["n_fetched"].sum()
    assert set(log["state"]) == {"done"} and not (place.incoming / ".partial").exists()
    pixels = sorted(pydicom.dcmread(path).pixel_array.tobytes() for path in files)
    assert pixels == sorted(pydicom.dcmread(path).pixel_array.tobytes() for path in place.images())


@real
@pytest.mark.parametrize("way", ["web", "classic"])
def test_the_way_round_leaves_pixels_rectangles_and_survival_as_they_were(
    archive, hospital, place, monkeypatch, way
):
    for name, value in getattr(archive, way).items():
        monkeypatch.setenv(name, value)
    key = ["--key", str(place.key_path)]
    assert main(["tables", str(hospital), str(place.study), *key]) == 0
    assert main(place.arguments("--yes")) == 0
    assert main(["find", str(place.incoming), str(place.study), "--copy"]) == 0

    before, after = Study(hospital), Study(place.study)
    assert after.check(progress=False).empty
    there, here = load_stacks(before, progress=False), load_stacks(after, progress=False)
    assert_same_images(there, here, place.key)
    assert_same_regions(before, after, there, here, place.key)
    assert_same_tables(before, after, place.key)


def assert_same_images(there, here, key):
    """Every series, and no other: the same pixels at the same places."""
    assert len(there) and {(key.pseudonym(patient), *rest) for patient, *rest in there} == set(here)
    for (patient, *rest), series in there.items():
        other = here[key.pseudonym(patient), *rest]
        assert series.array.dtype == other.array.dtype
        assert np.array_equal(series.array, other.array)
        assert np.allclose(series.positions_mm, other.positions_mm)


def assert_same_regions(before, after, there, here, key):
    """The rectangles on the images, and what the network sees through them."""
    old, new = suggest_rois(before, there), suggest_rois(after, here)
    assert set(old["source"]) == {"suggested"}
    order = ["patient_id", "timepoint", "sequence", "slice_index"]
    renamed = old.assign(patient_id=old["patient_id"].map(key.pseudonym))
    pd.testing.assert_frame_equal(
        *[t.sort_values(order, ignore_index=True) for t in (renamed, new)]
    )
    seen = []
    for stacks, table, who in ((there, old, key.pseudonym), (here, new, str)):
        images, index = network_inputs(stacks, table, setting=TUTORIAL)
        names = zip(index["patient_id"].map(who), *(index[n] for n in order[1:]), strict=True)
        seen.append(dict(zip(names, images, strict=True)))
    assert seen[0].keys() == seen[1].keys()
    assert all(image.any() and np.array_equal(image, seen[1][n]) for n, image in seen[0].items())


def assert_same_tables(before, after, key):
    """Registry and visits but for names and dates, all intervals, and what is made from them."""
    for name in ("registry", "visits"):
        old, new = getattr(before, name), getattr(after, name)
        dates = list(old.select_dtypes("datetime").columns)
        assert list(new["patient_id"]) == [key.pseudonym(patient) for patient in old["patient_id"]]
        days = pd.to_timedelta(old["patient_id"].map(key.days), unit="D")
        for date in dates:  # by the same weeks in both tables
            assert (new[date] == old[date] + days)[old[date].notna()].all()
        assert (days.dt.days < 0).all() and (days.dt.days % 7 == 0).all()
        assert (old[dates].isna() == new[dates].isna()).all(axis=None)
        pd.testing.assert_frame_equal(*[t.drop(columns=["patient_id", *dates]) for t in (old, new)])
    for made in (lambda study: progression_free_survival(study.registry), verdicts):
        tables = [made(study).drop(columns="patient_id") for study in (before, after)]
        pd.testing.assert_frame_equal(*tables)


def verdicts(study):
    return screen(study.registry, study.visits)


@real
@pytest.mark.parametrize("way", ["web", "moving"])
def test_nothing_in_the_study_or_on_the_screen_says_who_it_is(
    archive, hospital, place, monkeypatch, capfd, caplog, way
):
    caplog.set_level(logging.DEBUG)  # as some notebooks do
    for name, value in getattr(archive, way).items():
        monkeypatch.setenv(name, value)
    listed = pd.read_csv(place.list, dtype=str)
    listed.loc[len(listed)] = ["00999-77431", "2018-01-01", ""]  # nobody
    listed.to_csv(place.list, index=False)
    assert main(place.arguments("--yes")) == 0
    said = capfd.readouterr()
    assert f"line {len(listed) + 1}: no MR series in these months" in said.out
    headers = [pydicom.dcmread(p) for p in hospital.glob("data/images/**/*.dcm")]
    secret = {NAME, HOSPITAL, *listed["patient_id"]}
    secret |= {str(h[k].value) for h in headers for k in ("StudyInstanceUID", "SOPInstanceUID")}
    texts = [text.encode() for text in (said.out, said.err, caplog.text)]
    for path in place.study.rglob("*"):
        texts += [str(path).encode(), path.read_bytes() if path.is_file() else b""]
    everything = b"\n".join(texts)
    assert not [word for word in secret if word.encode() in everything]


@real
def test_a_killed_run_is_resumed_without_fetching_anything_twice(archive, place):
    environment = os.environ | archive.web
    command = [sys.executable, "-m", "npc_helpers.intake", *place.arguments("--yes")]
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    assert wait_until(lambda: len(names_below(place.incoming, "image*.dcm")) >= 20)
    first.send_signal(signal.SIGKILL)
    first.wait()
    arrived = {path.name: path.stat().st_mtime_ns for path in place.incoming.rglob("image*.dcm")}
    service = opened(archive.web)
    found = pacs.plan(service, pacs.read_list(place.list), place.key, progress=False)
    assert 20 <= len(arrived) < found.n_images
    for folder in {path.parent for path in place.images()}:  # what is shown is whole
        assert len(list(folder.iterdir())) >= 6
    log = pacs.retrieve(service, found, place.study, place.key, progress=False)
    assert log["n_fetched"].sum() == found.n_images - len(arrived)
    now = {path.name: path.stat().st_mtime_ns for path in place.images()}
    assert len(now) == found.n_images and arrived.items() <= now.items()
    again = pacs.retrieve(service, found, place.study, place.key, progress=False)
    assert again["n_fetched"].sum() == 0 and set(again["state"]) == {"done"}
    kept = pd.read_csv(place.study / pacs.LOG)
    assert list(kept["series"].tail(len(again))) == list(again["series"])
    assert not list(place.incoming.rglob(".part-*"))


@real
def test_an_archive_that_dies_in_mid_transfer_loses_nothing(archive, place):
    service = opened(archive.classic)
    found = pacs.plan(service, pacs.read_list(place.list), place.key, progress=False)
    dying = Dying(service, archive, after=25)
    options = {"wait_s": 0.01, "attempts": 2, "progress": False, "at_once": 1}
    with pytest.raises(pacs.PacsError, match="3 series failed one after the other"):
        pacs.retrieve(dying, found, place.study, place.key, **options)
    arrived = len(list(place.incoming.rglob("image*.dcm")))
    assert 0 < arrived < found.n_images
    archive.start()
    log = pacs.retrieve(service, found, place.study, place.key, progress=False)
    assert log["n_fetched"].sum() == found.n_images - arrived == len(place.images()) - arrived


class Dying:
    """Passes everything on, and kills the archive when it has sent so many images."""

    def __init__(self, service, server, *, after):
        self.service, self.server, self.left = service, server, after

    def __getattr__(self, name):
        return getattr(self.service, name)

    def fetch(self, series, uids, receive):
        def count(dataset):
            self.left -= 1
            if self.left == 0:
                self.server.kill()
            receive(dataset)

        self.service.fetch(series, uids, count)


@real
def test_a_password_is_asked_for_and_taken_from_the_environment(tmp_path):
    server = orthanc.Orthanc(tmp_path, user="reader", password="s3cret").start()
    try:
        with pytest.raises(pacs.PacsError, match="refuses the credentials"):
            opened(server.web).echo()
        given = {"NPC_PACS_USER": "reader", "NPC_PACS_PASSWORD": "s3cret"}
        opened(server.web | given).echo()
    finally:
        server.kill()


@real
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_an_encrypted_connection_wants_a_certificate_that_is_trusted(archive, tmp_path):
    certificate, key = orthanc.make_certificate(tmp_path)
    web = orthanc.Encrypted(archive.http, certificate, key)
    dicom = orthanc.Encrypted(archive.dicom, certificate, key)
    trusted = {"NPC_PACS_CA": str(certificate)}
    over_web = {"NPC_PACS_URL": f"https://127.0.0.1:{web.port}/dicom-web"}
    over_dicom = archive.classic | {"NPC_PACS_PORT": str(dicom.port), "NPC_PACS_TLS": "yes"}
    with pytest.raises(pacs.PacsError, match="certificate is not trusted"):
        opened(over_web).echo()
    opened(over_web | trusted).echo()
    with pytest.raises(pacs.PacsError):
        opened(over_dicom).echo()
    opened(over_dicom | trusted).echo()
    web.close()
    dicom.close()


@real
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_by_c_move_too_images_travel_encrypted(tmp_path, monkeypatch):
    monkeypatch.setattr("npc_helpers.intake.pacs.connection.GREETING_S", 0.5)
    pair = orthanc.make_certificate(tmp_path)
    server = orthanc.Orthanc(tmp_path / "orthanc", certificate=pair).start()
    write_series(tmp_path / "series", StudyInstanceUID="1.2.3", StudyDate="20180101")
    n_images = server.load((tmp_path / "series").glob("*.dcm"))
    names = ("NPC_PACS_CA", "NPC_PACS_CERT", "NPC_PACS_KEY")
    files = dict(zip(names, map(str, (pair[0], *pair)), strict=True))
    service = opened(server.moving | files | {"NPC_PACS_TLS": "true"})
    here = "127.0.0.1", server.move
    silent = socket.create_connection(here)  # a scan of ports, for instance, keeps nobody out
    try:
        (series,) = service.series("P-1", "20180101", "20180101")
        arrived = []
        service.fetch(series, None, arrived.append)
        assert len(arrived) == n_images
        with socket.create_connection(here, timeout=5) as plain, pytest.raises(ConnectionError):
            plain.sendall(b"\1\0\0\0\0\xcd" + bytes(205))  # A-ASSOCIATE-RQ, not encrypted
            assert plain.recv(1)
        stranger = ssl.create_default_context(cafile=pair[0])  # trusts, but shows no certificate
        plain = socket.create_connection(here, timeout=5)
        with pytest.raises(OSError), stranger.wrap_socket(plain, server_hostname=here[0]) as end:
            assert end.recv(1)
    finally:
        silent.close()
        service.close()
        server.kill()


@real
def test_an_unknown_destination_of_c_move_is_explained(archive, place):
    service = opened(archive.moving | {"NPC_PACS_CALLING_AET": "STRANGER"})
    found = pacs.plan(service, pacs.read_list(place.list), place.key, progress=False)
    one = pacs.Plan(found.series[:1], found.table)
    log = pacs.retrieve(
        service, one, place.study, place.key, attempts=1, progress=False, wait_s=0.01
    )
    service.close()
    assert list(log["state"]) == ["failed"]
    assert "must register this computer's title" in log["message"][0]


# --- with an archive that misbehaves --------------------------------------------------------------


class Shelf:
    """An archive of one series in memory."""

    def __init__(self, n=4, **tags):
        self.datasets = {}
        for index, image in enumerate(noise(n)):
            dataset = make_slice(image, 6.0 * index, patient_id="P-1", **tags)
            self.datasets[dataset.SOPInstanceUID] = dataset
        one = next(iter(self.datasets.values()))
        self.listed = pacs.RemoteSeries("P-1", "1.2.3", one.SeriesInstanceUID, "20180101", "T2", n)
        self.asked, self.failures = [], 0

    def echo(self):
        pass

    def series(self, patient_id, first, last):
        return [self.listed]

    def images(self, series):
        return list(self.datasets)

    def fetch(self, series, uids, receive):
        self.asked.append(uids)
        for number, uid in enumerate(uids or self.datasets):
            if self.failures and number == 2:
                self.failures -= 1
                raise pacs.PacsError("cut", temporary=True)
            receive(self.datasets[uid])

    def close(self):
        pass

    def retrieve(self, folder, **options):
        plan = pacs.Plan((self.listed,), pd.DataFrame())
        (folder / "study").mkdir(exist_ok=True)
        options = {"wait_s": 0.001, "progress": False} | options
        return pacs.retrieve(self, plan, folder / "study", Key.open(folder / "key"), **options)


class Stub:
    """A DICOMweb service that gives the same answer to everything, whatever page is asked for."""

    def __init__(self, answer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return opened({"NPC_PACS_URL": f"http://127.0.0.1:{self.server.server_port}/dicom-web"})

    def __exit__(self, *_reason):
        self.server.shutdown()
        self.server.server_close()


def as_json(**values):
    dataset = pydicom.Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return f"[{dataset.to_json()}]".encode()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (as_json(PatientID="P-1"), "no StudyInstanceUID"),
        (as_json(PatientID="P-1", StudyInstanceUID=""), "no StudyInstanceUID"),
        (as_json(PatientID="P-1", StudyInstanceUID="1.2"), "no SeriesInstanceUID"),
        (b'[{"0020000D": {"vr": "P-1", "Value": ["1.2"]}}]', "no DICOM|no Series"),
        (b'[{"0020000D": "P-1"}]', "no DICOM"),
        (b'[{"P-1": {"vr": "UI", "Value": ["1.2"]}}]', "no DICOM"),
        (b'["P-1"]', "no DICOM"),
        (b"[3]", "no DICOM"),
        (b"null", "no DICOM"),
        (b"<html>P-1</html>", "no DICOM|stopped answering"),
    ],
)
def test_a_malformed_answer_is_said_without_quoting_it(answer, message):
    listed = pacs.RemoteSeries("P-1", "1.2", "1.2.3")
    with Stub(answer) as service:
        with pytest.raises(pacs.PacsError, match=message) as caught:
            service.series("P-1", "20180101", "20180101")
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        assert "P-1" not in str(caught.value)
        with pytest.raises(pacs.PacsError, match="no DICOM|stopped answering|no SOPInstanceUID"):
            service.images(listed)


def test_a_malformed_answer_of_a_classic_archive_is_said_too():
    def answer(event):
        found = pydicom.Dataset()
        found.PatientID = "P-1"
        yield 0xFF00, found

    entity, port = AE("A"), orthanc.free_port()
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, answer)]
    )
    here = {"NPC_PACS_HOST": "127.0.0.1", "NPC_PACS_PORT": str(port)}
    try:
        with pytest.raises(pacs.PacsError, match="no StudyInstanceUID"):
            opened(CLASSIC | here).series("P-1", "20180101", "20180101")
    finally:
        server.shutdown()


def test_an_archive_that_does_not_count_pages_is_asked_no_more(tmp_path):
    found = {"SeriesInstanceUID": "1.2.3", "NumberOfSeriesRelatedInstances": 18}
    with Stub(as_json(PatientID="P-1", StudyInstanceUID="1.2", **found)) as service:
        (one,) = service.series("P-1", "20180101", "20180101")
    assert (one.patient_id, one.study_uid, one.series_uid) == ("P-1", "1.2", "1.2.3")
    assert one.n_images == 18


def test_it_tries_again_and_asks_only_for_what_is_missing(tmp_path):
    shelf = Shelf()
    shelf.failures = 1
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert (row["state"], row["n_fetched"], row["attempts"]) == ("done", 4, 2)
    assert shelf.asked[0] is None and len(shelf.asked[1]) == 2


def test_half_a_series_does_not_show(tmp_path):
    shelf = Shelf()
    shelf.failures = 99
    (row,) = shelf.retrieve(tmp_path, attempts=1).to_dict("records")
    assert (row["state"], row["n_fetched"], row["message"]) == ("failed", 2, "cut")
    shown = [path for path in (tmp_path / "study").rglob("*.dcm") if ".partial" not in path.parts]
    assert not shown


def test_images_added_at_the_archive_join_their_series(tmp_path):
    shelf = Shelf()
    late = shelf.datasets.popitem()
    assert shelf.retrieve(tmp_path)["n_fetched"].sum() == 3
    shelf.datasets[late[0]] = late[1]
    assert shelf.retrieve(tmp_path)["n_fetched"].sum() == 1
    assert shelf.asked[1] == [late[0]]
    assert len(list((tmp_path / "study").glob("data/incoming/NPC-*/series-*/*.dcm"))) == 4


@pytest.mark.parametrize("syntax", [pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.RLELossless])
@pytest.mark.parametrize("part", [0, 100, 0.3, 0.9, -1])
def test_images_that_a_power_cut_left_empty_or_short_are_fetched_again(tmp_path, syntax, part):
    shelf = Shelf()
    if syntax.is_compressed:
        for dataset in shelf.datasets.values():
            dataset.compress(syntax, generate_instance_uid=False)
    shelf.retrieve(tmp_path)
    first, *others = sorted((tmp_path / "study").rglob("image*.dcm"))
    whole, untouched = first.read_bytes(), {path: path.stat().st_mtime_ns for path in others}
    assert pydicom.dcmread(first).file_meta.TransferSyntaxUID == syntax
    first.write_bytes(whole[: int(part * len(whole)) if isinstance(part, float) else part])
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert (row["state"], row["n_fetched"], len(shelf.asked[1])) == ("done", 1, 1)
    assert first.read_bytes() == whole
    assert {path: path.stat().st_mtime_ns for path in others} == untouched
    assert len(shelf.asked) == 2 and shelf.retrieve(tmp_path)["n_fetched"].sum() == 0


def test_a_link_and_an_empty_mark_are_no_images(tmp_path):
    shelf = Shelf()
    next(iter(shelf.datasets.values())).BurnedInAnnotation = "YES"
    shelf.retrieve(tmp_path)
    (mark,) = (tmp_path / "study").rglob("*.refused")
    mark.write_text("")
    image = next((tmp_path / "study").rglob("image*.dcm"))
    image.replace(tmp_path / "elsewhere.dcm")
    image.symlink_to(tmp_path / "elsewhere.dcm")
    shelf.retrieve(tmp_path)
    assert len(shelf.asked[1]) == 2
    assert mark.read_text() == "burned-in\n" and not image.is_symlink()


def test_what_de_identification_refuses_is_counted_and_not_asked_for_again(tmp_path):
    shelf = Shelf()
    next(iter(shelf.datasets.values())).BurnedInAnnotation = "YES"
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert (row["state"], row["n_refused"]) == ("done", 1)
    shelf.retrieve(tmp_path)
    assert len(shelf.asked) == 1
    (mark,) = (tmp_path / "study").rglob("*.refused")
    assert mark.read_text() == "burned-in\n"


def test_an_image_of_another_patient_is_not_kept(tmp_path):
    shelf = Shelf()
    next(iter(shelf.datasets.values())).PatientID = "P-2"
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert row["state"] == "failed" and "another patient" in row["message"]
    assert not list((tmp_path / "study").rglob("*.dcm"))


def test_a_damaged_image_is_fetched_again_and_then_named(tmp_path):
    shelf = Shelf()
    dataset = next(iter(shelf.datasets.values()))
    dataset.PixelData = dataset.PixelData[:100]
    (row,) = shelf.retrieve(tmp_path, attempts=3).to_dict("records")
    assert (row["state"], row["attempts"]) == ("failed", 3)
    assert "damaged" in row["message"]


def test_odd_values_of_a_header_are_not_quoted_by_the_libraries(tmp_path, recwarn, caplog):
    caplog.set_level(logging.DEBUG)
    shelf = Shelf()
    recwarn.clear()
    odd = {"StudyDate": "no.date", "FrameOfReferenceUID": "no.UID", "StudyTime": "no.time"}
    for uid, dataset in shelf.datasets.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.update(odd)
        dataset.save_as(tmp_path / "image.dcm", enforce_file_format=True)
        shelf.datasets[uid] = pydicom.dcmread(tmp_path / "image.dcm")  # nothing converted yet
    caplog.clear()
    log = shelf.retrieve(tmp_path)
    said = caplog.text + "".join(str(warning.message) for warning in recwarn) + log.to_csv()
    assert log["n_fetched"].sum() == 4 and not [text for text in odd.values() if text in said]


def test_an_exception_of_a_library_is_named_and_not_quoted(tmp_path, monkeypatch):
    def stumble(*_arguments, **_options):
        raise TypeError("cannot write the value P-1")

    monkeypatch.setattr(pydicom.Dataset, "save_as", stumble)
    (row,) = Shelf().retrieve(tmp_path, attempts=1).to_dict("records")
    assert row["message"] == "an image arrived damaged (TypeError)."
    assert not list(tmp_path.rglob("image*"))


def test_a_log_that_is_open_elsewhere_is_said(tmp_path):
    (tmp_path / "study" / pacs.LOG).mkdir(parents=True)  # cannot be written to, as on Windows
    with pytest.raises(StudyError, match="retrieval_log.csv cannot be written.*has it open"):
        Shelf().retrieve(tmp_path)


class Interrupted(Shelf):
    """At the third image somebody presses Ctrl-C; more go on coming."""

    def fetch(self, series, uids, receive):
        for number, dataset in enumerate(self.datasets.values()):
            if number == 2:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            receive(dataset)
            time.sleep(0.02)


def test_ctrl_c_shows_nothing_half_and_is_in_the_log(tmp_path):
    shelf = Interrupted(n=100)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            shelf.retrieve(tmp_path)
    finally:
        signal.signal(signal.SIGINT, usual)
    (row,) = pd.read_csv(tmp_path / "study" / pacs.LOG).to_dict("records")
    arrived = names_below(tmp_path / "study", "image*.dcm")
    assert (row["state"], row["n_images"], row["n_fetched"]) == ("failed", 100, len(arrived))
    assert row["message"] == "interrupted; run this again to go on." and 2 <= len(arrived) < 100
    assert not list((tmp_path / "study").glob("data/incoming/NPC-*"))
    assert not names_below(tmp_path, ".part-*")
    shelf.fetch = super(Interrupted, shelf).fetch
    assert shelf.retrieve(tmp_path)["n_fetched"].sum() == 100 - len(arrived)


def test_ctrl_c_ends_the_command_in_one_line(place, monkeypatch, capsys):
    monkeypatch.setattr(pacs, "connect", lambda: signal.default_int_handler(signal.SIGINT, None))
    assert main(place.arguments("--plan")) == 130
    assert capsys.readouterr().err == "Interrupted. What is done is kept; run this again.\n"


def test_a_full_disk_stops_everything(tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pydicom.Dataset, "save_as", full)
    with pytest.raises(StudyError, match="No space left on device.*what has arrived is kept"):
        Shelf().retrieve(tmp_path)


@pytest.mark.parametrize("place", ["incoming", "partial", "patient", "series", "waiting", "log"])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_out_of_the_study_is_refused(tmp_path, place, dangling):
    shelf, elsewhere = Shelf(), tmp_path / "elsewhere"
    shelf.retrieve(tmp_path)  # to learn the names
    (whole,) = (tmp_path / "study").glob("data/incoming/NPC-*/series-*")
    partial = tmp_path / "study" / pacs.INCOMING / ".partial"
    link = {
        "incoming": tmp_path / "study" / pacs.INCOMING,
        "partial": partial,
        "patient": whole.parent,
        "series": whole,
        "waiting": partial / whole.name,
        "log": tmp_path / "study" / pacs.LOG,
    }[place]
    shutil.rmtree(tmp_path / "study")
    link.parent.mkdir(parents=True)
    if not dangling:
        elsewhere.write_text("") if place == "log" else elsewhere.mkdir()
    link.symlink_to(elsewhere)
    shelf.asked.clear()
    with pytest.raises(StudyError, match="link to another place.*Put the real folder"):
        shelf.retrieve(tmp_path)
    assert not shelf.asked and elsewhere.exists() != dangling
    assert not elsewhere.is_dir() or not list(elsewhere.iterdir())
    assert not elsewhere.is_file() or not elsewhere.read_text()


def test_what_a_killed_run_left_elsewhere_by_a_link_is_not_deleted(tmp_path):
    waiting = tmp_path / "study" / pacs.INCOMING / ".partial"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".part-0-image.dcm").write_text("of somebody else")
    waiting.mkdir(parents=True)
    (waiting / "series-0000000000000000").symlink_to(tmp_path / "elsewhere")
    Shelf().retrieve(tmp_path)
    assert (tmp_path / "elsewhere" / ".part-0-image.dcm").exists()


# --- lists and settings ---------------------------------------------------------------------------


def test_the_plan_says_what_is_odd(tmp_path):
    shelf = Shelf()
    key = Key.open(tmp_path / "key")
    patients = pd.DataFrame({"patient_id": ["P-1", "1"]})
    patients["treatment_start"] = pd.Timestamp("2018-02-01")
    patients["treatment_end"] = pd.NaT
    table = pacs.plan(shelf, patients, key, progress=False).table
    assert "only one examination" in table["problem"][0]
    assert "another patient number" in table["problem"][1]
    assert table["patient_id"][0] == key.pseudonym("P-1")
    none = pacs.plan(shelf, patients[:1], key, description="^t1", progress=False)
    assert not none.series and "description" in none.table["problem"][0]


def test_a_plan_that_is_shown_names_nobody(tmp_path):
    shelf, number = Shelf(), "00" + "77431-5"
    shelf.listed = replace(shelf.listed, patient_id=number, description="T2 " + NAME)
    patients = pd.DataFrame({"patient_id": [number], "treatment_end": [pd.NaT]})
    patients["treatment_start"] = pd.Timestamp("2018-02-01")
    found = pacs.plan(shelf, patients, Key.open(tmp_path / "key"), progress=False)
    assert len(found.series) == 1 and found.table["n_images"].sum() == 4
    shown = [repr(found), str(found), f"{found.series}", str(found.series[0])]
    shown += [found.table.to_csv(), found.table.to_html(), repr(found.table)]
    secret = [number, NAME, "20180101", shelf.listed.study_uid, shelf.listed.series_uid]
    assert not [word for word in secret for text in shown if word in text]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("patient,treatment_start\nP,2018-01-01", "no column patient_id, treatment_end"),
        ("P,01.02.2018,", "line 2: treatment_start is not a date"),
        ("P,2018-01-01,\nQ,2018-01-01,soon", "line 3: treatment_end is not a date"),
        ("P*,2018-01-01,", "line 2: patient_id holds"),
        (",2018-01-01,", "line 2: patient_id is blank"),
        ("P,2018-01-01,\nP ,2018-01-01,", "line 3: patient_id is listed before"),
        ("P,2018-03-01,2018-01-01", "line 2: treatment_end lies before"),
    ],
)
def test_a_bad_list_names_the_line_and_no_patient(tmp_path, lines, message):
    head = "" if lines.startswith("patient") else "patient_id,treatment_start,treatment_end\n"
    (tmp_path / "list.csv").write_text(f"{head}{lines}\n")
    with pytest.raises(StudyError, match=message):
        pacs.read_list(tmp_path / "list.csv")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "Set either NPC_PACS_URL"),
        ({"NPC_PACS_URL": "https://a/b", "NPC_PACS_HOST": "c"}, "Set either NPC_PACS_URL"),
        ({"NPC_PACS_URL": "pacs.example"}, "must begin with https://"),
        ({"NPC_PACS_URL": "https://u:p@example.org/"}, "holds a password"),
        ({"NPC_PACS_URL": "http://pacs.example", "NPC_PACS_TOKEN": "t"}, "readable on the network"),
        ({"NPC_PACS_URL": "https://a", "NPC_PACS_CA": "/nowhere.pem"}, "NPC_PACS_CA names a file"),
        ({"NPC_PACS_HOST": "pacs"}, "NPC_PACS_AET is not set"),
        ({"NPC_PACS_HOST": "pacs", "NPC_PACS_AET": "A", "NPC_PACS_PORT": "x"}, "NPC_PACS_PORT is"),
        (CLASSIC | {"NPC_PACS_TLS": "maybe"}, "NPC_PACS_TLS is 'maybe'. Set it to yes or no"),
        ({"NPC_PACS_URL": "http://pacs", "NPC_PACS_TLS": "yes"}, "is not encrypted. Use https"),
        (CLASSIC | {"NPC_PACS_CA": __file__}, "nothing would be encrypted"),
        (CLASSIC | {"NPC_PACS_CA": __file__, "NPC_PACS_TLS": "1"}, "NPC_PACS_CA cannot be used"),
        (CLASSIC | {"NPC_PACS_CERT": __file__, "NPC_PACS_TLS": "1"}, "NPC_PACS_CERT and .* cannot"),
        (
            CLASSIC | {"NPC_PACS_MOVE_PORT": "11112", "NPC_PACS_TLS": "on"},
            "Set NPC_PACS_CERT and NPC_PACS_KEY, or leave NPC_PACS_MOVE_PORT out",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(environment, message):
    with pytest.raises(StudyError, match=message):
        pacs.connect(environment)


@pytest.mark.parametrize(
    ("word", "first_byte"),
    [(word, b"\x16") for word in ("yes", "YES", "true", "1", "on", " on ")]  # TLS handshake
    + [(word, b"\x01") for word in ("", "no", "False", "0", "off")],  # A-ASSOCIATE-RQ
)
def test_words_for_yes_encrypt_and_words_for_no_do_not(word, first_byte):
    with socket.create_server(("127.0.0.1", 0)) as archive:
        host, port = archive.getsockname()
        settings = {"NPC_PACS_HOST": host, "NPC_PACS_PORT": str(port), "NPC_PACS_TLS": word}
        service = pacs.connect(CLASSIC | settings)
        with ThreadPoolExecutor() as pool:
            asking = pool.submit(service.echo)
            with archive.accept()[0] as connection:
                assert connection.recv(1) == first_byte
            with pytest.raises(pacs.PacsError, match="cannot be reached"):
                asking.result()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")
@pytest.mark.parametrize(("host", "reachable"), [("127.0.0.1", False), ("pacs.example", True)])
def test_only_an_archive_elsewhere_can_reach_the_port_for_c_move(host, reachable):
    port = orthanc.free_port()
    moving = CLASSIC | {"NPC_PACS_HOST": host, "NPC_PACS_MOVE_PORT": str(port)}
    with closing(pacs.connect(moving)):
        with socket.socket() as one, socket.socket() as other:
            assert one.connect_ex(("127.0.0.1", port)) == 0
            assert (other.connect_ex(("127.0.0.2", port)) == 0) == reachable


@pytest.mark.parametrize(
    "environment",
    [
        {"NPC_PACS_URL": "http://127.0.0.1:{port}/dicom-web"},
        {"NPC_PACS_HOST": "127.0.0.1", "NPC_PACS_PORT": "{port}", "NPC_PACS_AET": "ARCHIVE"},
    ],
)
def test_an_archive_that_is_not_there_is_said_and_worth_another_trial(environment):
    port = str(orthanc.free_port())
    service = opened({name: value.format(port=port) for name, value in environment.items()})
    with pytest.raises(pacs.PacsError, match="cannot be reached") as caught:
        service.echo()
    assert caught.value.temporary


def test_credentials_stand_in_no_file_of_this_repository():
    top = Path(__file__).parents[1]
    for path in (*top.glob("notebooks/**/*.py"), *top.glob("docs/*.md"), top / "README.md"):
        assert "NPC_PACS_PASSWORD=" not in path.read_text(encoding="utf-8").replace(" ", "")
