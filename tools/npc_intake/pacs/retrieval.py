"""Fetch what a `Plan` names, without a name: every image is de-identified as it arrives.

An image is written whole or not at all, a series shows in the study when all its images are
there, and a second run fetches what the first did not. Original identifiers stay in memory.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import pandas as pd

from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.formulas import defused
from npc_helpers.study.locks import locked
from npc_helpers.study.progress import progress_bar
from npc_intake.deidentify.pseudonyms import Key
from npc_intake.pacs.archive import Archive, PacsError, RemoteSeries, libraries_silenced
from npc_intake.pacs.planning import Plan
from npc_intake.pacs.transfer import FAILED, PARTIAL, Pace, Transfer, check_place, disk_errors_named

INCOMING = "data/incoming"  # of the study folder
LOG = "data/retrieval_log.csv"
GIVE_UP_AFTER = 3  # series, one after the other


@libraries_silenced()
def retrieve(
    archive: Archive,
    plan: Plan,
    study_folder: str | Path,
    key: Key,
    *,
    pace: Pace | None = None,
    one_person: Collection[str] = (),
    progress: bool = True,
) -> pd.DataFrame:
    """Fetch the series of a plan into ``data/incoming`` of a study folder.

    Parameters
    ----------
    archive : Archive
    plan : Plan
    study_folder : path-like
        Must exist. Images go to ``data/incoming/<pseudonym>/series-…/image-….dcm``.
    key : Key
        De-identifies; its table of patients is written beside it.
    pace : Pace, optional
    one_person : collection of str
        Pseudonyms of patients whose images differ in date of birth, sex or issuer of the number,
        and who are one person all the same; their refused images are asked for again.
    progress : bool

    Returns
    -------
    DataFrame
        One row per series, as appended to ``data/retrieval_log.csv``: ended_utc, patient_id
        (pseudonym), study, series (new names), state (``done`` or ``failed``), n_images (in the
        archive), n_fetched (in this run), n_refused (by de-identification), attempts, megabytes,
        seconds, message. A series that was complete already has n_fetched 0.

    Raises
    ------
    StudyError
        If the study folder does not exist, a folder in it or the log is a link to another place,
        another retrieval into it is at work, the disk is full or not writable, two patients share
        a pseudonym, or several series fail one after the other without an image (PacsError): then
        the archive is left alone.
    """
    folder = Path(study_folder).expanduser().resolve()
    incoming = folder / INCOMING
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such folder. Make it: python -m npc_helpers.study init.")
    for place in (folder / LOG, incoming / PARTIAL):
        check_place(place)
    with locked(incoming, wait_s=0):
        _note_patients(plan, key)
        transfer = Transfer(archive, incoming, key, pace or Pace(), one_person=one_person)
        for series in plan.series:
            transfer.prepare(series)
        log = _Log(folder / LOG)
        _fetch_all(plan, transfer, log, progress=progress)
        with suppress(OSError):  # stays if something in it is not complete
            (incoming / PARTIAL).rmdir()
    return pd.DataFrame(log.rows)


def _note_patients(plan: Plan, key: Key) -> None:
    claimed: dict[str, str] = {}
    for series in plan.series:
        key.claim(claimed, series.patient_id)
    key.write_mapping(claimed)


def _fetch_all(plan: Plan, transfer: Transfer, log: _Log, *, progress: bool) -> None:
    def fetch(series: RemoteSeries) -> None:
        log.add(transfer(series))

    bar = progress_bar(total=plan.n_images, shown=progress, desc="retrieving", unit="image")
    threads = _in_threads(fetch, plan.series, transfer.pace.at_once, transfer.stopped)
    with bar, closing(threads) as results:
        transfer.received = bar.update
        for _ in results:
            _give_up(log.rows[-GIVE_UP_AFTER:])


def _in_threads(
    fetch: Callable[[RemoteSeries], None],
    series: Sequence[RemoteSeries],
    at_once: int,
    stopped: threading.Event,
) -> Iterator[None]:
    """Yield as each series ends; when the caller stops, so do the threads, and are waited for."""
    waiting = iter(series)
    with ThreadPoolExecutor(at_once) as pool:
        try:
            running = {pool.submit(fetch, item) for item in islice(waiting, at_once)}
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    running |= {pool.submit(fetch, item) for item in islice(waiting, 1)}
                    yield future.result()
        finally:
            stopped.set()


def _give_up(last: list[dict]) -> None:
    if len(last) == GIVE_UP_AFTER and all(
        row["state"] == FAILED and row["n_fetched"] == 0 for row in last
    ):
        raise PacsError(
            f"{len(last)} series failed one after the other, the last because: "
            f"{last[-1]['message']} What has arrived is kept; run this again when that is mended."
        )


class _Log:
    """The log: written by the threads, so that what was interrupted stands in it, too."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self.rows: list[dict[str, object]] = []

    def add(self, row: dict[str, object]) -> None:
        """Add one line."""
        with self._lock, disk_errors_named(self._path):
            is_new = not self._path.exists()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                if is_new:
                    writer.writeheader()
                writer.writerow({name: defused(str(cell)) for name, cell in row.items()})
            self.rows.append(row)
