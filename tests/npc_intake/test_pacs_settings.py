"""Lists, plans and settings of a retrieval: what is odd is said, and nobody is named."""

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orthanc
import pandas as pd
import pytest
from archives import CLASSIC, Shelf
from npc_intake import pacs
from npc_intake.deidentify import Key

from npc_helpers.study.artefacts import StudyError

NAME = "^".join(("DOE", "JANE"))


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
    plan = pacs.plan(shelf, patients, Key.open(tmp_path / "key"), progress=False)
    assert len(plan.series) == 1 and plan.table["n_images"].sum() == 4
    shown = [repr(plan), str(plan), f"{plan.series}", str(plan.series[0])]
    shown += [plan.table.to_csv(), plan.table.to_html(), repr(plan.table)]
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
    "url",
    [
        *("https://", "https:///x", "https:/pacs/x", "https//pacs", "pacs:8042", "ftp://pacs"),
        *("https://pacs:b/", "https://pacs:99999/", "https://pacs:0/", "https://https://pacs"),
        *("https://[::1", "https://pa cs/", "https://.pacs/", "https://pacs..example/"),
        *("https://*pacs", "https://-pacs/", f"https://{'a' * 70}/", "https://256.1.1.1/"),
        *("https://1.2.3/", "https://pacs/?a=1", "https://pacs/#x", "https://pacs\\x"),
        *("https://pacs\tx/", "https://user@pacs/", "https://user:@pacs/", "https://pacs/a b"),
    ],
)
def test_an_address_that_is_none_is_refused_before_anybody_is_asked(url):
    with pytest.raises(StudyError, match="NPC_PACS_URL") as caught:
        pacs.connect({"NPC_PACS_URL": url})
    assert not isinstance(caught.value, pacs.PacsError)


@pytest.mark.parametrize(
    "url",
    [
        *("https://pacs.example/dicom-web", "https://pacs.example./x", "https://my_pacs:8443"),
        *("https://[::1]:8042/d", "https://192.168.1.4:8042/d", "https://bücher.example/x"),
    ],
)
def test_addresses_of_all_kinds_are_taken(url):
    pacs.connect({"NPC_PACS_URL": url}).close()


@pytest.mark.parametrize("host", ["http://pacs", "pacs:104", "pa cs", "pacs/x", "[::1]", "1.2.3"])
def test_a_host_is_a_name_or_an_ip_address(host):
    with pytest.raises(StudyError, match="NPC_PACS_HOST is"):
        pacs.connect(CLASSIC | {"NPC_PACS_HOST": host})


@pytest.mark.parametrize("title", ["A" * 17, "A\\B", "Ä"])
@pytest.mark.parametrize("name", ["NPC_PACS_AET", "NPC_PACS_CALLING_AET"])
def test_a_title_is_one_that_dicom_knows(name, title):
    with pytest.raises(StudyError, match=name):
        pacs.connect(CLASSIC | {name: title})


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
        with socket.socket() as from_loopback, socket.socket() as from_elsewhere:
            assert from_loopback.connect_ex(("127.0.0.1", port)) == 0
            assert (from_elsewhere.connect_ex(("127.0.0.2", port)) == 0) == reachable


@pytest.mark.parametrize(
    "environment",
    [
        {"NPC_PACS_URL": "http://127.0.0.1:{port}/dicom-web"},
        {"NPC_PACS_HOST": "127.0.0.1", "NPC_PACS_PORT": "{port}", "NPC_PACS_AET": "ARCHIVE"},
    ],
)
def test_an_archive_that_is_not_there_is_said_and_worth_another_trial(environment):
    port = str(orthanc.free_port())
    service = pacs.connect({name: value.format(port=port) for name, value in environment.items()})
    with pytest.raises(pacs.PacsError, match="cannot be reached") as caught:
        service.echo()
    assert caught.value.temporary


def test_credentials_stand_in_no_file_of_this_repository():
    top = Path(__file__).parents[2]
    for path in (*top.glob("notebooks/**/*.py"), *top.glob("docs/*.md"), top / "README.md"):
        assert "NPC_PACS_PASSWORD=" not in path.read_text(encoding="utf-8").replace(" ", "")
