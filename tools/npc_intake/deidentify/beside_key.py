"""Tables that lie beside the key: only their owner reads them, and they only grow.

Lines are added under a lock and reach the disk before the lock is given back. So two runs with one
key lose nothing, a run that is killed leaves whole lines, and no second copy ever lies about.
"""

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.formulas import defused, restored
from npc_helpers.study.locks import locked

OWNER_ONLY = 0o600
Row = dict[str, str]


def _never(_: Sequence[str]) -> bool:
    return False


@dataclass(frozen=True)
class PrivateTable:
    """A CSV file that only its owner may read, and that only grows.

    Parameters
    ----------
    path : Path
    columns : sequence of str
    is_whole : callable
        Tells of the cells of a last line without a line's end whether it is whole (an editor saved
        it so) or cut off (by a kill or a power cut). By default such a line is dropped.
    """

    path: Path
    columns: Sequence[str]
    is_whole: Callable[[Sequence[str]], bool] = _never

    def read(self) -> list[Row]:
        """Return the rows written so far; none where there is no file."""
        text = StringIO(self._whole_lines().decode("utf-8-sig"), newline="")
        rows = csv.DictReader(text)
        return [{name: restored(cell or "") for name, cell in row.items() if name} for row in rows]

    def add(self, choose: Callable[[list[Row]], Iterable[Sequence[object]]]) -> None:
        """Add rows.

        Parameters
        ----------
        choose : callable
            Given the rows that are there, it returns those to add; it may refuse by an exception.

        Raises
        ------
        StudyError
            If the file cannot be written, or another program is writing it.
        """
        with locked(self.path):
            rows = list(choose(self.read()))
            if rows:
                self._append(rows)

    def _whole_lines(self) -> bytes:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return b""
        end = content.rfind(b"\n") + 1
        last = next(csv.reader([content[end:].decode("utf-8", "replace")]), [])
        return content + b"\n" if last and self.is_whole(last) else content[:end]

    def _append(self, rows: list[Sequence[object]]) -> None:
        whole, text = self._whole_lines(), StringIO()
        new = rows if whole else [self.columns, *rows]
        cells = [[defused(str(cell)) for cell in row] for row in new]
        csv.writer(text, lineterminator="\n").writerows(cells)
        try:
            _write_from(self.path, whole, text.getvalue().encode())
        except OSError as error:
            raise StudyError(
                f"{self.path} cannot be written ({error.strerror}). Make room, or name a key in a "
                "folder that you may write to."
            ) from error


def _write_from(path: Path, whole: bytes, more: bytes) -> None:
    """Put bytes behind what is whole of a file; if they do not fit, leave it as it was."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), OWNER_ONLY)
    try:
        size = min(len(whole), os.fstat(handle).st_size)
        rest = whole[size:] + more
        try:
            os.ftruncate(handle, size)
            os.lseek(handle, size, os.SEEK_SET)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
