"""The state behind an ROI editor, without any screen: what is shown, drawn, undone and saved.

A widget is a thin view of a `RoiSession`; a script or a test can drive one just as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from npc_helpers.imaging import alignment
from npc_helpers.imaging.rectangle import Rectangle, ROIError
from npc_helpers.imaging.roi_files import open_drawn, read_rectangles, replace_in_file
from npc_helpers.imaging.roi_table import COLUMNS, IMAGE, check_rois, rectangle_of, replace_rows
from npc_helpers.study import StudyError
from npc_helpers.widgets.shown_series import Key, ShownSeries

if TYPE_CHECKING:
    from npc_helpers.imaging.mr_series import MRSeries
    from npc_helpers.study import Study

DEFAULT_READER = "reader1"
Image = tuple[str, str, str, int]


class NotSaved(StudyError):
    """Rectangles are in memory and not on the disk; the message says why and what to do."""


class Drawn(NamedTuple):
    """A rectangle, how it came about, and who drew it (blank if nobody did)."""

    rectangle: Rectangle
    source: str
    reader_id: str


class RoiSession(ShownSeries):
    """Rectangles of a reader, with a patient and time point on the screen at a time.

    Parameters
    ----------
    stacks : mapping of (patient_id, timepoint, sequence) to MRSeries
    rois : DataFrame
        ROI table to start from (see `roi.suggest_rois`), one row per image.
    patient_id : str
        Patient shown first.
    timepoint : {"pre", "post"}
    reader_id : str
        Who draws; kept with every rectangle drawn or copied.
    path : path-like, optional
        CSV file to which every change is saved at once. What this reader left there before is
        taken up again; rows of other readers stay as they are, also while they draw. In a study,
        `in_study` names the file.

    Attributes
    ----------
    unsaved : str
        Why the last change is not on the disk yet; blank if it is. Each further change, and
        `save`, tries again, with all that is not saved.

    Raises
    ------
    ROIError
        If the ROI table or the saved file does not fit the series.
    StudyError
        If the saved file is damaged (`roi_files.read_rectangles`).
    """

    def __init__(
        self,
        stacks: Mapping[Key, MRSeries],
        rois: pd.DataFrame,
        *,
        patient_id: str,
        timepoint: str,
        reader_id: str = DEFAULT_READER,
        path: str | Path | None = None,
    ) -> None:
        if not reader_id.strip():
            raise ROIError("reader_id is blank; give the reader a name, for instance 'reader1'.")
        self.reader_id = reader_id.strip()
        self.unsaved = ""
        self.path = None if path is None else Path(path)
        self._start: dict[Image, Drawn] = dict(map(_drawn, check_rois(rois, stacks).itertuples()))
        self._now = dict(self._start)
        self._touched: set[Image] = set()
        self._undo: list[dict[Image, Drawn]] = []
        self._redo: list[dict[Image, Drawn]] = []
        super().__init__(stacks, patient_id, timepoint)
        self._load()

    @classmethod
    def in_study(
        cls, study: Study, stacks: Mapping[Key, MRSeries], rois: pd.DataFrame, **options
    ) -> RoiSession:
        """Draw in a study: the reader's file lies among what people made there.

        Parameters
        ----------
        stacks, rois, **options
            As for the class, without ``path``. What the reader drew with an earlier version of the
            editor is copied from its table among the results.
        """
        reader_id = options.get("reader_id", DEFAULT_READER).strip()
        return cls(stacks, rois, path=open_drawn(study, reader_id), **options)

    def act(self, command: str, *, place: Mapping | None = None, box=None, step: int = 0) -> str:
        """Carry out a command of a view, and return what was refused, or "".

        What could not be saved is no refusal: `unsaved` says it until it is saved.

        Parameters
        ----------
        command : str
            One of set, copy_next, copy_sequence, undo, redo, reset, patient, timepoint, save.
        place : mapping, optional
            What `show` is to be asked for first.
        box : sequence of int
            The four edges, for ``set``.
        step : int
            How many patients to go on, for ``patient``.
        """
        commands = {
            "set": lambda: self.set(Rectangle(*box)),
            "copy_next": self.copy_to_next,
            "copy_sequence": self.copy_to_sequence,
            "undo": self.undo,
            "redo": self.redo,
            "reset": self.reset,
            "patient": lambda: self.next_patient(step),
            "timepoint": self.switch_timepoint,
            "save": self.save,
        }
        try:
            self.show(**(place or {}))
            commands[command]()
        except NotSaved:
            return ""
        except (ROIError, StudyError, OSError) as error:
            return str(error)
        return ""

    # --- rectangles ---------------------------------------------------------------------------

    @property
    def rectangle(self) -> Rectangle | None:
        """The rectangle of the slice that is shown, or None."""
        return self.get()

    @property
    def source(self) -> str:
        """How that rectangle came about: suggested, default, manual or copied; blank if none."""
        drawn = self._now.get(self._image())
        return drawn.source if drawn else ""

    def get(
        self, *, sequence: str | None = None, slice_index: int | None = None
    ) -> Rectangle | None:
        """Return the rectangle of a slice of the patient, or None where there is none."""
        drawn = self._now.get(self._image(sequence, slice_index))
        return drawn.rectangle if drawn else None

    def boxes(self, sequence: str | None = None) -> dict[int, tuple[int, int, int, int]]:
        """Return every rectangle of a sequence as plain numbers, by slice: what a view draws."""
        boxes = {}
        for index in range(len(self.series(sequence).positions_mm)):
            box = self.get(sequence=sequence, slice_index=index)
            if box is not None:
                boxes[index] = (box.x0, box.y0, box.x1, box.y1)
        return boxes

    def size_mm(self) -> tuple[float, float]:
        """Return width and height of the rectangle that is shown, in mm."""
        box = self._required()
        rows_mm, columns_mm = self.series().pixel_spacing_mm
        return box.width * columns_mm, box.height * rows_mm

    def set(
        self,
        rectangle: Rectangle,
        *,
        sequence: str | None = None,
        slice_index: int | None = None,
    ) -> None:
        """Draw a rectangle by hand, by default on the slice that is shown.

        Raises
        ------
        ROIError
            If it does not fit the image (`Rectangle.check`); nothing is changed then.
        """
        drawn = Drawn(rectangle, "manual", self.reader_id)
        self._commit({self._image(sequence, slice_index): drawn})

    def copy_to_next(self) -> None:
        """Copy the rectangle to the next slice and show that one; at the last slice do nothing."""
        if self.slice_index + 1 < self.n_slices:
            copy = Drawn(self._required(), "copied", self.reader_id)
            self._commit({self._image(slice_index=self.slice_index + 1): copy})
            self.show(slice_index=self.slice_index + 1)

    def copy_to_sequence(self) -> None:
        """Copy all rectangles of the shown series to the other sequence of the patient.

        Slices correspond by their number, so that both series have to lie on the same grid: see
        `alignment.difference`. A shift within the plane of the slices is not noticed.

        Raises
        ------
        ROIError
            If the geometry differs or there is no other sequence; nothing is copied then.
        """
        sequence = next((name for name in self.sequences if name != self.sequence), None)
        if sequence is None:
            raise ROIError(f"patient {self.patient_id}: there is no other sequence to copy to.")
        differs = alignment.difference(self.series(sequence), self.series())
        if differs:
            raise ROIError(
                f"patient {self.patient_id}, {self.timepoint}: {sequence} and {self.sequence} do "
                f"not match, {differs}. Draw the rectangles of {sequence} by hand."
            )
        self._commit(
            {
                self._image(sequence, index): Drawn(Rectangle(*box), "copied", self.reader_id)
                for index, box in self.boxes().items()
            }
        )

    def reset(self) -> None:
        """Put back the rectangle the slice had before anybody drew."""
        image = self._image()
        if image in self._start:
            self._commit({image: self._start[image]})

    # --- undo ---------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """True if there is a step to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """True if there is a step to take again."""
        return bool(self._redo)

    def undo(self) -> None:
        """Take back the last step and show where it happened; without one do nothing."""
        self._step(self._undo, self._redo)

    def redo(self) -> None:
        """Take the step again that was taken back last."""
        self._step(self._redo, self._undo)

    def _step(self, source: list, target: list) -> None:
        if not source:
            return
        step = source.pop()
        target.append(self._apply(step))
        patient_id, timepoint, sequence, slice_index = next(iter(step))
        if (patient_id, timepoint) != (self.patient_id, self.timepoint):
            self.open(patient_id, timepoint)
        self.show(sequence=sequence, slice_index=slice_index)
        self.save()

    def _commit(self, changes: dict[Image, Drawn]) -> None:
        """Check all changes, then make them as one step."""
        for (patient_id, timepoint, sequence, slice_index), drawn in changes.items():
            n_slices, rows, columns = self._stacks[patient_id, timepoint, sequence].array.shape
            where = f"patient {patient_id}, {timepoint} {sequence}, slice {slice_index}"
            if not 0 <= slice_index < n_slices:
                raise ROIError(f"{where}: the series has slices 0 to {n_slices - 1}.")
            try:
                drawn.rectangle.check(rows, columns)
            except ROIError as error:
                raise ROIError(f"{where}: {error}") from None
        changes = {i: drawn for i, drawn in changes.items() if self._now.get(i) != drawn}
        if not changes:
            return
        self._undo.append(self._apply(changes))
        self._redo.clear()
        self.save()

    def _apply(self, changes: dict[Image, Drawn | None]) -> dict[Image, Drawn | None]:
        """Make changes and return what takes them back (None: no rectangle there before)."""
        before = {image: self._now.get(image) for image in changes}
        for image, drawn in changes.items():
            if drawn is None:
                del self._now[image]
            else:
                self._now[image] = drawn
        self._touched |= set(changes)
        return before

    def _image(self, sequence: str | None = None, slice_index: int | None = None) -> Image:
        index = self.slice_index if slice_index is None else int(slice_index)
        return self.patient_id, self.timepoint, sequence or self.sequence, index

    def _required(self) -> Rectangle:
        box = self.rectangle
        if box is None:
            raise ROIError(f"{self.progress}: there is no rectangle yet. Draw one first.")
        return box

    # --- tables and files ---------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return the rectangles of the patient and time point shown, as an ROI table."""
        return self._table(
            image for image in self._now if image[:2] == (self.patient_id, self.timepoint)
        )

    def drawn(self) -> pd.DataFrame:
        """Return every rectangle this reader drew or copied, of all patients."""
        return self._table(
            image for image, drawn in self._now.items() if drawn.reader_id == self.reader_id
        )

    def merge_into(self, rois: pd.DataFrame) -> pd.DataFrame:
        """Return an ROI table in which this reader's rectangles replace those of `rois`."""
        return replace_rows(rois, self.drawn())

    def _table(self, images) -> pd.DataFrame:
        rows = []
        for image in images:
            box, source, reader = self._now[image]
            rows.append((*image, box.x0, box.y0, box.x1, box.y1, source, reader))
        return pd.DataFrame(rows, columns=COLUMNS)

    def save(self) -> None:
        """Write what this reader changed to `path`, keeping every other row of the file.

        Called after every change; without a path nothing is written.

        Raises
        ------
        NotSaved
            If that cannot be done now. Nothing is lost: the rectangles stay in memory, the file
            as it was, and the next call writes all of them.
        """
        if self.path is None:
            return
        self.unsaved = f"NOT SAVED to {self.path}: interrupted. Save again."
        new = self.drawn()
        try:
            replace_in_file(self.path, new[self._is_touched(new)], self._is_ours)
        except (OSError, StudyError) as error:
            self.unsaved = _not_saved(self.path, error)
            raise NotSaved(self.unsaved) from error
        self.unsaved = ""

    def _is_ours(self, saved: pd.DataFrame) -> pd.Series:
        """Tell which rows of the file this session has changed."""
        return (saved["reader_id"] == self.reader_id) & self._is_touched(saved)

    def _is_touched(self, table: pd.DataFrame) -> pd.Series:
        images = table[IMAGE].itertuples(index=False, name=None)
        return pd.Series([image in self._touched for image in images], table.index, dtype=bool)

    def _load(self) -> None:
        """Take up what this reader saved before."""
        if self.path is None:
            return
        saved = read_rectangles(self.path)
        try:
            mine = check_rois(saved[saved["reader_id"] == self.reader_id], self._stacks)
        except ROIError as error:
            raise ROIError(f"{self.path}: {error}") from None
        self._now.update(map(_drawn, mine.itertuples()))


def _drawn(row) -> tuple[Image, Drawn]:
    image = row.patient_id, row.timepoint, row.sequence, int(row.slice_index)
    reader = row.reader_id if isinstance(row.reader_id, str) else ""
    return image, Drawn(rectangle_of(row), row.source, reader)


def _not_saved(path: Path, error: OSError | StudyError) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return (
        f"NOT SAVED to {path}: {reason}. The rectangles are kept in memory and saved as soon as "
        "that is possible: do not restart the kernel before."
    )
