"""Two programs at once: the file is one program's between reading and writing."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from watching import killed_at, wait_until

from npc_helpers.study.artefacts import StudyError, atomic_path
from npc_helpers.study.locks import locked

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def add_lines(path, start, count):
    for number in range(start, start + count):
        with locked(path):
            before = path.read_text() if path.exists() else ""
            with atomic_path(path) as temporary:
                temporary.write_text(f"{before}{number}\n")


def test_two_processes_lose_nothing(tmp_path):
    path = tmp_path / "new folder" / "table.csv"
    jobs = [
        multiprocessing.get_context("spawn").Process(target=add_lines, args=(path, start, 100))
        for start in (0, 100, 200)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert sorted(map(int, path.read_text().split())) == list(range(300))
    assert [entry.name for entry in path.parent.iterdir()] == ["table.csv"]


def test_threads_exclude_each_other_and_one_may_enter_again(tmp_path):
    path, said = tmp_path / "table.csv", []

    def enter():
        try:
            with locked(path, wait_s=0):
                said.append("entered")
        except StudyError as error:
            said.append(str(error))

    with locked(path), locked(path, wait_s=0):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    enter()
    assert "another part of this program" in said[0] and said[1:] == ["entered"]


@pytest.fixture
def at_work(tmp_path):
    """Another program that holds the lock of a table."""
    script = (
        "import sys, time; from npc_helpers.study.locks import locked\n"
        "with locked(sys.argv[1]): print('in', flush=True); time.sleep(600)"
    )
    path = tmp_path / "table.csv"
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"in\n"
    yield path, process
    process.kill()
    process.wait()


def test_another_program_at_work_is_named(at_work):
    path, process = at_work
    with pytest.raises(StudyError) as caught, locked(path, wait_s=0.05):
        raise AssertionError("both are in")
    said = str(caught.value)
    assert f"process {process.pid} on the computer {socket.gethostname()}" in said
    assert str(path) in said and "another program is at work" in said


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
def test_a_killed_program_keeps_nobody_out(at_work):
    path, process = at_work
    process.kill()
    process.wait()
    assert (path.parent / ".table.csv.lock").exists()
    with locked(path, wait_s=5):
        pass
    assert not list(path.parent.iterdir())


def test_a_program_on_another_computer_is_not_taken_for_dead(tmp_path):
    lock = tmp_path / ".table.csv.lock"
    lock.write_text("1\nward-7\n")
    with pytest.raises(StudyError) as caught, locked(tmp_path / "table.csv", wait_s=0.1):
        raise AssertionError("both are in")
    assert "process 1 on the computer ward-7" in str(caught.value)
    assert f"delete {lock}" in str(caught.value)
    assert lock.exists()


@pytest.mark.slow
@posix
def test_killed_at_any_event_the_next_one_enters_and_the_file_is_whole(tmp_path):
    number, killed = 0, True
    while killed:
        path = tmp_path / str(number) / "table.csv"
        path.parent.mkdir()
        path.write_text("0\n")
        killed = killed_at(number, lambda path=path: add_lines(path, 1, 1))
        assert path.read_text() in ("0\n", "0\n1\n")
        add_lines(path, 2, 1)
        assert path.read_text() in ("0\n2\n", "0\n1\n2\n")
        number += 1
    assert number > 8


def test_a_folder_that_takes_no_lock_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="cannot be written"), locked(tmp_path / "file" / "t.csv"):
        pass


def test_who_waits_enters_when_the_other_has_finished(tmp_path):
    path, entered = tmp_path / "table.csv", threading.Event()

    def enter():
        with locked(path):
            entered.set()

    with locked(path):
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.2)
    assert wait_until(entered.is_set, 10)
    thread.join()
