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

import numpy as np
import orthanc
import pandas as pd
import pydicom
import pytest
from demonstration import numbers
from dicom_making import write_series
from npc_demo.centres import select
from npc_demo.registry import make_cohort
from npc_demo.writer import write_study
from npc_intake import pacs
from npc_intake.__main__ import main
from npc_intake.deidentify import Key
from watching import names_below, wait_until

from npc_helpers.cohort import progression_free_survival, screen
from npc_helpers.imaging.roi import network_inputs, suggest_rois
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import Study, init
from npc_helpers.study.artefacts import series_checksum
from npc_helpers.study.settings import TUTORIAL

NAME, HOSPITAL = "^".join(("DOE", "JANE")), "Renmin Hospital"

real = pytest.mark.skipif(not orthanc.AVAILABLE, reason=orthanc.WHY_NOT)


def hospital_number(patient_id):
    """What the hospital calls a patient of the demonstration."""
    return f"00{patient_id.removeprefix('SYN-')}-77431"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """A study as a hospital holds it: real numbers and names in tables and images."""
    folder = tmp_path_factory.mktemp("hospital")
    everyone = make_cohort()
    more_series = numbers(everyone, decoys_at=["pre", "post"])[:2]  # than are wanted
    plain = next(i for i in range(len(everyone.patients)) if i not in more_series)
    three = select(everyone, [plain, *more_series])
    write_study(folder, three, matrix=320, workers=1, progress=False)
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


@real
@pytest.mark.parametrize("way", ["web", "classic", "moving"])
def test_every_image_of_the_list_arrives(archive, hospital, place, way):
    service = opened(getattr(archive, way))
    plan = pacs.plan(service, pacs.read_list(place.list), place.key, progress=False)
    log = pacs.retrieve(service, plan, place.study, place.key, progress=False)
    service.close()
    files = [f for f in hospital.glob("data/images/**/*.dcm") if "mask" not in str(f)]
    assert plan.n_images == len(files) == len(place.images()) == log["n_fetched"].sum()
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
    assert after.check().empty
    original, returned = load_stacks(before), load_stacks(after)
    assert_same_images(original, returned, place.key)
    assert_same_regions(before, after, original, returned, place.key)
    assert_same_tables(before, after, place.key)


def assert_same_images(original, returned, key):
    """Every series, and no other: the same pixels at the same places."""
    assert len(original) and {
        (key.pseudonym(patient), *rest) for patient, *rest in original
    } == set(returned)
    for (patient, *rest), series in original.items():
        counterpart = returned[key.pseudonym(patient), *rest]
        assert series.array.dtype == counterpart.array.dtype
        assert np.array_equal(series.array, counterpart.array)
        assert np.allclose(series.positions_mm, counterpart.positions_mm)


def assert_same_regions(before, after, original, returned, key):
    """The rectangles on the images, and what the network sees through them."""
    old, new = suggest_rois(before, original), suggest_rois(after, returned)
    assert set(old["source"]) == {"suggested"}
    order = ["patient_id", "timepoint", "sequence", "slice_index"]
    renamed = old.assign(patient_id=old["patient_id"].map(key.pseudonym))
    pd.testing.assert_frame_equal(
        *[t.sort_values(order, ignore_index=True) for t in (renamed, new)]
    )
    seen = []
    for stacks, table, who in ((original, old, key.pseudonym), (returned, new, str)):
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
    all_text = b"\n".join(texts)
    assert not [word for word in secret if word.encode() in all_text]


@real
def test_a_killed_run_is_resumed_without_fetching_anything_twice(archive, place):
    environment = os.environ | archive.web
    command = [sys.executable, "-m", "npc_intake", *place.arguments("--yes")]
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    assert wait_until(lambda: len(names_below(place.incoming, "image*.dcm")) >= 20)
    first.send_signal(signal.SIGKILL)
    first.wait()
    arrived = {path.name: path.stat().st_mtime_ns for path in place.incoming.rglob("image*.dcm")}
    service = opened(archive.web)
    plan = pacs.plan(service, pacs.read_list(place.list), place.key, progress=False)
    assert 20 <= len(arrived) < plan.n_images
    for folder in {path.parent for path in place.images()}:  # what is shown is whole
        assert len(list(folder.iterdir())) >= 6
    log = pacs.retrieve(service, plan, place.study, place.key, progress=False)
    assert log["n_fetched"].sum() == plan.n_images - len(arrived)
    now = {path.name: path.stat().st_mtime_ns for path in place.images()}
    assert len(now) == plan.n_images and arrived.items() <= now.items()
    again = pacs.retrieve(service, plan, place.study, place.key, progress=False)
    assert again["n_fetched"].sum() == 0 and set(again["state"]) == {"done"}
    kept = pd.read_csv(place.study / pacs.LOG)
    assert list(kept["series"].tail(len(again))) == list(again["series"])
    assert not list(place.incoming.rglob(".part-*"))


@real
def test_an_archive_that_dies_in_mid_transfer_loses_nothing(archive, place):
    service = opened(archive.classic)
    plan = pacs.plan(service, pacs.read_list(place.list), place.key, progress=False)
    dying = Dying(service, archive, after=25)
    options = {"pace": pacs.Pace(at_once=1, attempts=2, wait_s=0.01), "progress": False}
    with pytest.raises(pacs.PacsError, match="3 series failed one after the other"):
        pacs.retrieve(dying, plan, place.study, place.key, **options)
    arrived = len(list(place.incoming.rglob("image*.dcm")))
    assert 0 < arrived < plan.n_images
    archive.start()
    log = pacs.retrieve(service, plan, place.study, place.key, progress=False)
    assert log["n_fetched"].sum() == plan.n_images - arrived == len(place.images()) - arrived


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
    monkeypatch.setattr("npc_intake.pacs.connection.GREETING_S", 0.5)
    pair = orthanc.make_certificate(tmp_path)
    server = orthanc.Orthanc(tmp_path / "orthanc", certificate=pair).start()
    write_series(tmp_path / "series", StudyInstanceUID="1.2.3", StudyDate="20180101")
    n_images = server.load((tmp_path / "series").glob("*.dcm"))
    names = ("NPC_PACS_CA", "NPC_PACS_CERT", "NPC_PACS_KEY")
    files = dict(zip(names, map(str, (pair[0], *pair)), strict=True))
    service = opened(server.moving | files | {"NPC_PACS_TLS": "true"})
    port = "127.0.0.1", server.move
    silent = socket.create_connection(port)  # a scan of ports, for instance, keeps nobody out
    try:
        (series,) = service.series("P-1", "20180101", "20180101")
        arrived = []
        service.fetch(series, None, arrived.append)
        assert len(arrived) == n_images
        with socket.create_connection(port, timeout=5) as plain, pytest.raises(ConnectionError):
            plain.sendall(b"\1\0\0\0\0\xcd" + bytes(205))  # A-ASSOCIATE-RQ, not encrypted
            assert plain.recv(1)
        stranger = ssl.create_default_context(cafile=pair[0])  # trusts, but shows no certificate
        plain = socket.create_connection(port, timeout=5)
        with pytest.raises(OSError), stranger.wrap_socket(plain, server_hostname=port[0]) as end:
            assert end.recv(1)
    finally:
        silent.close()
        service.close()
        server.kill()


@real
def test_an_unknown_destination_of_c_move_is_explained(archive, place):
    service = opened(archive.moving | {"NPC_PACS_CALLING_AET": "STRANGER"})
    plan = pacs.plan(service, pacs.read_list(place.list), place.key, progress=False)
    single = pacs.Plan(plan.series[:1], plan.table)
    once = {"pace": pacs.Pace(attempts=1), "progress": False}
    log = pacs.retrieve(service, single, place.study, place.key, **once)
    service.close()
    assert list(log["state"]) == ["failed"]
    assert "must register this computer's title" in log["message"][0]
