"""The key and the table of who is who: whole or not there, whatever happens, whoever writes."""

import csv
import json
import multiprocessing
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from npc_intake.deidentify import Key
from watching import killed_at

from npc_helpers.study.artefacts import StudyError

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- two at once ----------------------------------------------------------------------------------


def note(key_path, first, count):
    key, claimed = Key.open(key_path), {}
    for number in range(first, first + count):
        key.claim(claimed, f"P{number}")
        key.write_mapping(claimed)


def test_two_runs_with_one_key_lose_nobody(tmp_path):
    key_path, context = tmp_path / "keys" / "key.json", multiprocessing.get_context("spawn")
    jobs = [context.Process(target=note, args=(key_path, first, 60)) for first in (0, 30, 60)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    key = Key.open(key_path)
    assert key.read_mapping() == {key.pseudonym(f"P{n}"): f"P{n}" for n in range(120)}
    rows = read_csv(key.mapping_path)
    assert [int(row["shift_days"]) for row in rows] == [key.days(r["patient_id"]) for r in rows]
    assert len(rows) == 120
    assert {path.name for path in key_path.parent.iterdir()} == {"key.json", "key-patients.csv"}


def test_threads_that_need_a_new_key_at_once_get_one(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(Key.open, [tmp_path / "key.json"] * 32))
    assert len({key.secret for key in keys}) == 1


# --- kills ----------------------------------------------------------------------------------------


@posix
def test_killed_at_any_event_the_key_is_whole_or_not_there(tmp_path):
    number, killed = 0, True
    while killed:
        path = tmp_path / str(number) / "key.json"
        killed = killed_at(number, lambda path=path: Key.open(path))
        if path.exists():
            before = bytes.fromhex(json.loads(path.read_text())["secret"])
            assert len(before) == 32 and Key.open(path).secret == before
        assert len(Key.open(path).secret) == 32
        assert {entry.name for entry in path.parent.iterdir()} <= {"key.json", ".key.json.lock"}
        number += 1
    assert number > 8


@posix
def test_killed_at_any_event_who_is_who_has_whole_rows_and_no_copy(tmp_path):
    number, killed = 0, True
    while killed:
        key = Key.open(tmp_path / str(number) / "key.json")
        old = {key.pseudonym("P0"): "P0"}
        new = old | {key.pseudonym(name): name for name in ("P1, 鼻咽", "P2")}
        key.write_mapping(old)
        killed = killed_at(number, lambda key=key, new=new: key.write_mapping(new))
        assert old.items() <= key.read_mapping().items() <= new.items()
        names = {entry.name for entry in key.path.parent.iterdir()}
        assert names <= {"key.json", "key-patients.csv", ".key-patients.csv.lock"}
        key.write_mapping(new | {key.pseudonym("P3"): "P3"})
        assert sorted(key.read_mapping().values()) == ["P0", "P1, 鼻咽", "P2", "P3"]
        number += 1
    assert number > 5


def test_a_line_cut_anywhere_is_written_again(tmp_path):
    key = Key.open(tmp_path / "key.json")
    patients = {key.pseudonym(f"P-{n}1"): f"P-{n}1" for n in range(3)}
    key.write_mapping(patients)
    whole = key.mapping_path.read_bytes()
    for size in range(len(whole)):
        key.mapping_path.write_bytes(whole[:size])
        assert key.read_mapping().items() <= patients.items()
        key.write_mapping(patients)
        assert key.read_mapping() == patients


def test_a_table_that_an_editor_saved_loses_no_row(tmp_path):
    """Without the last line's end, with a mark of its encoding, with line ends of Windows."""
    key = Key.open(tmp_path / "key.json")
    key.write_mapping({key.pseudonym(name): name for name in ("P1", "P2")})
    saved = b"\xef\xbb\xbf" + key.mapping_path.read_bytes().replace(b"\n", b"\r\n").rstrip()
    key.mapping_path.write_bytes(saved)
    key.write_mapping({key.pseudonym("P3"): "P3"})
    assert sorted(key.read_mapping().values()) == ["P1", "P2", "P3"]


# --- disks ----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only an administrator of Linux may make a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder, left):
    """Leave so many blocks of the disk free."""
    with (folder / "filling").open("wb", buffering=0) as file:
        while os.statvfs(folder).f_bavail > left:
            file.write(bytes(4096))


@pytest.mark.parametrize("left", [0, 1])
def test_on_a_full_disk_there_is_no_empty_key(small_disk, left):
    fill(small_disk, left)
    with pytest.raises(StudyError, match="cannot be written.*Make room"):
        Key.open(small_disk / "key.json")
    assert [path.name for path in small_disk.iterdir()] == ["filling"]
    (small_disk / "filling").unlink()
    assert len(Key.open(small_disk / "key.json").secret) == 32


def test_on_a_full_disk_who_is_who_stays_as_it_was(small_disk):
    key = Key.open(small_disk / "key.json")
    before = {key.pseudonym("P0"): "P0"}
    key.write_mapping(before)
    fill(small_disk, 2)
    many = {key.pseudonym(f"P{n}"): f"P{n}" for n in range(500)}
    with pytest.raises(StudyError, match="patients.csv cannot be written.*Make room"):
        key.write_mapping(many)
    assert key.read_mapping() == before
    (small_disk / "filling").unlink()
    key.write_mapping(many)
    assert len(key.read_mapping()) == 500


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"{", b'{"secret": "12"}', b"\xff"])
def test_a_damaged_key_is_said_and_left_alone(tmp_path, content):
    path = tmp_path / "key.json"
    path.write_bytes(content)
    with pytest.raises(StudyError, match="not a key of this suite|at least 16"):
        Key.open(path)
    assert path.read_bytes() == content


def test_a_pseudonym_stands_for_one_patient(tmp_path):
    key = Key.open(tmp_path / "key.json")
    key.write_mapping({key.pseudonym("P1"): "P1"})
    with pytest.raises(StudyError, match=re.escape(key.pseudonym("P1"))):
        key.write_mapping({key.pseudonym("P1"): "P2"})
    assert key.read_mapping() == {key.pseudonym("P1"): "P1"}
