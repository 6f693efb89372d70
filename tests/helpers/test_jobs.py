"""Work is spread over processes or over a cluster, and nothing but the time depends on that."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_study
from dicom_making import write_series
from spread_work import ITEMS, killed_always, killed_once, refused, value_of
from watching import wait_until

from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import Study, StudyError
from npc_helpers.study.artefacts import series_checksum
from npc_helpers.study.dicom_file import DicomError
from npc_helpers.study.jobs import CLUSTER, spread

ROOT = Path(__file__).parents[2]


def in_order(done):
    return [result for _, result in sorted(done)]


# --- this machine ---------------------------------------------------------------------------------


def test_one_worker_is_this_process_and_keeps_the_order():
    done = list(spread(value_of, ITEMS, workers=1))
    assert [item for item, _ in done] == ITEMS
    assert {pid for _, (_, pid) in done} == {os.getpid()}


def test_few_items_are_not_worth_a_process():
    assert {pid for _, (_, pid) in spread(value_of, ITEMS, workers=2, fewest=12)} == {os.getpid()}
    assert list(spread(value_of, [])) == []


def test_processes_give_the_same_to_the_last_bit():
    serial = [value for _, (value, _) in spread(value_of, ITEMS, workers=1)]
    done = in_order(spread(value_of, ITEMS, workers=2))
    assert [value for value, _ in done] == [
        value for _, value in sorted(zip(ITEMS, serial, strict=True))
    ]
    assert os.getpid() not in {pid for _, pid in done}


def test_a_process_that_is_killed_is_an_error_that_says_what_it_did():
    with pytest.raises(StudyError, match="process that counts ended unexpectedly.*workers=1"):
        list(spread(killed_always, ITEMS, workers=2, task="counts"))


def test_an_error_of_ours_arrives_whole():
    with pytest.raises(DicomError, match="no image here") as error:
        list(spread(refused, ITEMS, workers=2))
    assert error.value.code == "empty-folder"


@pytest.mark.filterwarnings("ignore:.*have been cancelled")
def test_who_asks_for_no_more_leaves_the_rest_undone():
    first = next(iter(spread(value_of, ITEMS, workers=2)))
    assert first[0] in ITEMS


# --- a cluster ------------------------------------------------------------------------------------


def program(name, *arguments, log):
    command = [sys.executable, "-m", f"distributed.cli.dask_{name}", "--no-dashboard", *arguments]
    paths = [str(ROOT), str(ROOT / "tools"), str(ROOT / "tests"), str(Path(__file__).parent)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    environment.pop(CLUSTER, None)
    return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A real scheduler, whose file NPC_CLUSTER names, and two workers; `start` adds another."""
    distributed = pytest.importorskip("distributed")
    file, started = tmp_path / "scheduler.json", []
    with (tmp_path / "log").open("w") as log:

        def start(threads):
            options = ["--nthreads", str(threads), "--no-nanny", "--local-directory", tmp_path]
            started.append(program("worker", "--scheduler-file", file, *options, log=log))
            return started[-1].pid

        address = ["--host", "127.0.0.1", "--port", "0"]
        started.append(program("scheduler", "--scheduler-file", file, *address, log=log))
        assert wait_until(file.exists)
        start.pids = [start(threads=1) for _ in range(2)]
        with distributed.Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(2)  # of a cluster with one, joblib makes no use
        monkeypatch.setenv(CLUSTER, str(file))
        yield start
        for process in reversed(started):
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_worker_killed_in_mid_work_changes_nothing(cluster, tmp_path):
    work = partial(killed_once, tmp_path)
    done = spread(work, ITEMS)
    first = next(done)
    assert wait_until((tmp_path / "waiting").exists)
    killed = int((tmp_path / "waiting").read_text())
    assert killed in cluster.pids
    os.kill(killed, signal.SIGKILL)
    assert sorted([first, *done]) == sorted((item, work(item)) for item in ITEMS)


@pytest.mark.slow
def test_series_and_splits_are_the_same_from_a_cluster(cluster, tmp_path, monkeypatch):
    from training_runs import HEAD

    from npc_helpers.network.repeated_splits import repeated_splits

    folder = small_study.make_study(tmp_path / "study")
    study = study_with_images(folder)
    patients, inputs = patients_with_images()
    ways = {}
    for way in ("cluster", "here"):
        stacks = load_stacks(study)
        arrays = {key: np.array(stacks[key].array) for key in stacks}
        options = {"setting": HEAD, "folder": tmp_path / way, "n_splits": 2, "workers": 2}
        ways[way] = arrays, repeated_splits(patients, inputs, **options)
        for path in study.result_path("stacks").iterdir():
            path.unlink()
        monkeypatch.delenv(CLUSTER, raising=False)
    (from_cluster, table), (local, expected) = ways["cluster"], ways["here"]
    assert from_cluster.keys() == local.keys() and from_cluster
    assert all(np.array_equal(from_cluster[key], local[key]) for key in local)
    pd.testing.assert_frame_equal(table, expected, check_exact=True)


def study_with_images(folder):
    manifest = small_study.load(folder, "manifest")
    for number, row in manifest.iterrows():
        place = folder / row["path"]
        for path in place.glob("*"):
            path.unlink()
        write_series(place, patient_id=row["patient_id"])
        manifest.loc[number, ["n_images", "sha256"]] = (
            len(list(place.iterdir())),
            series_checksum(place),
        )
    small_study.save(folder, "manifest", manifest)
    return Study(folder)


def patients_with_images():
    rng = np.random.default_rng(5)
    n = 24
    patients = pd.DataFrame(
        {
            "patient_id": [f"P{k:02d}" for k in range(n)],
            "high_risk": np.arange(n) % 3 == 0,
            "pfs_months": rng.uniform(6, 80, n),
            "progressed": np.arange(n) % 3 == 0,
        }
    )
    index = pd.DataFrame(
        {
            "patient_id": patients.patient_id, "timepoint": "pre", "sequence": "t2w",
            "slice_index": 0,
        }
    )  # fmt: skip
    return patients, {"noise": (rng.integers(0, 255, (n, 80, 80, 1)).astype(np.uint8), index)}


def test_workers_of_several_threads_are_refused(cluster):
    cluster(threads=2)
    from distributed import Client

    with Client(scheduler_file=os.environ[CLUSTER], set_as_default=False) as client:
        client.wait_for_workers(3, timeout=120)
    with pytest.raises(StudyError, match="--nthreads 1"):
        next(spread(value_of, ITEMS))


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("tcp://127.0.0.1:9", "no scheduler answers there"),
        ("/nowhere/scheduler.json", "neither an address .* nor the file"),
    ],
)
def test_a_cluster_that_is_not_there_is_said(monkeypatch, place, says):
    pytest.importorskip("distributed")
    monkeypatch.setattr("npc_helpers.study.jobs.CONNECT_S", 1)
    monkeypatch.setenv(CLUSTER, place)
    with pytest.raises(StudyError, match=says):
        next(spread(value_of, ITEMS))


def test_without_the_package_its_group_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setenv(CLUSTER, "tcp://127.0.0.1:9")
    with pytest.raises(StudyError, match="npc_helpers install cluster"):
        next(spread(value_of, ITEMS))
