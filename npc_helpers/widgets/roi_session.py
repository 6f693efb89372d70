"""The state behind an ROI editor, without any screen: what is shown, drawn, undone and saved.

A widget is a thin view of a `RoiSession`; a script or a test can drive one just as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from npc_helpers.imaging import alignment
from npc_helpers.imaging.mr_series import MRSeries
from npc_helpers.imaging.rectangle import Rectangle, ROIError
from npc_helpers.imaging.roi_files import drawn_path, read_rectangles, replace_in_file
from npc_helpers.imaging.roi_table import COLUMNS, IMAGE, check_rois, rectangle_of, replace_rows
from npc_helpers.study import Study, StudyError
from npc_helpers.study.schema import TIMEPOINTS

DEFAULT_READER = "reader1"
Key = tuple[str, str, str]  # patient_id, timepoint, sequence
Image = tuple[str, str, str, int]


class NotSaved(StudyError):
    """Rectangles are in memory and not on the disk; the message says why and what to do."""


class Drawn(NamedTuple):
    """A rectangle, how it came about, and who drew it (blank if nobody did)."""

    rectangle: Rectangle
    source: str
    reader_id: str


class RoiSession:
    """Rectangles of a reader, with a patient and time point on the screen at a time.

    Parameters
    ----------
    stacks : mapping of (patient_id, timepoint, sequence) to MRSeries
    rois : DataFrame
        ROI table to start from (see `roi.suggest_rois`), one row per image.
    patient_id, timepoint : str
        Shown first.
    reader_id : str
        Who draws; kept with every rectangle drawn or copied.
    path : path-like, optional
        CSV file to which every change is saved at once. What this reader left there before is
        taken up again; rows of other readers stay as they are, also while they draw. In a study,
        `in_study` names the file.

    Attributes
    ----------
    sequences : tuple of str
        Of the patient at the time point shown.
    sequence, slice_index
        What is shown; change it with `show`.
    unsaved : str
        Why the last change is not on the disk yet; blank if it is. Each further change, and
        `save`, tries again, with all that is not saved.

    Raises
    ------
    ROIError
        If the patient has no series there, or the ROI table or the saved file does not fit them.
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
        self._stacks = stacks
        self._start = _by_image(check_rois(rois, stacks))
        self._now = self._start | self._saved_before()
        self._touched: set[Image] = set()
        self._undo: list[dict[Image, Drawn | None]] = []
        self._redo: list[dict[Image, Drawn | None]] = []
        self.open(patient_id, timepoint)

    @classmethod
    def in_study(
        cls, study: Study, stacks: Mapping[Key, MRSeries], rois: pd.DataFrame, **options
    ) -> RoiSession:
        """Draw in a study: the reader's file lies among what people made there.

        The options are those of the class, without ``path``.
        """
        reader_id = options.get("reader_id", DEFAULT_READER).strip()
        return cls(stacks, rois, path=drawn_path(study, reader_id), **options)

    def act(self, command: str, *, place: Mapping | None = None, box=None, step: int = 0) -> str:
        """Carry out a command of a view, and return what was refused, or "".

        What could not be saved is no refusal: `unsaved` says it until it is saved. `show` is asked
        for `place` first; ``set`` takes the four edges of `box`, ``patient`` goes on by `step`.
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

    # --- what is on the screen ----------------------------------------------------------------

    def open(self, patient_id: str, timepoint: str | None = None) -> None:
        """Show another patient, at the first slice of the first sequence.

        A `ROIError` if the patient has no series at that time point among those loaded.
        """
        timepoint = timepoint or self.timepoint
        sequences = tuple(key[2] for key in self._stacks if key[:2] == (patient_id, timepoint))
        if not sequences:
            problem = f"patient {patient_id} has no {timepoint} series here."
            raise ROIError(f"{problem} Load them with load_stacks.")
        self.patient_id, self.timepoint, self.sequences = patient_id, timepoint, sequences
        self.sequence, self.slice_index = sequences[0], 0

    @property
    def patients(self) -> tuple[str, ...]:
        """Everybody who has a series at the time point shown, in the order of the stacks."""
        return tuple(dict.fromkeys(key[0] for key in self._stacks if key[1] == self.timepoint))

    def next_patient(self, step: int = 1) -> None:
        """Show the next patient of this time point (-1: the previous); at either end one stays."""
        position = self.patients.index(self.patient_id) + step
        if 0 <= position < len(self.patients):
            self.open(self.patients[position])

    @property
    def other_timepoint(self) -> str:
        """The time point that is not shown: post while pre is, and pre while post is."""
        return next(name for name in TIMEPOINTS if name != self.timepoint)

    @property
    def has_other_timepoint(self) -> bool:
        """True if the patient has a series at the other time point."""
        return any(key[:2] == (self.patient_id, self.other_timepoint) for key in self._stacks)

    def switch_timepoint(self) -> None:
        """Show the same patient at the other time point; `ROIError` if there is no series."""
        self.open(self.patient_id, self.other_timepoint)

    def show(self, *, sequence: str | None = None, slice_index: int | None = None) -> None:
        """Show another sequence or slice of the patient; a slice beyond the end is the last."""
        if sequence is not None and sequence not in self.sequences:
            raise ROIError(
                f"patient {self.patient_id}, {self.timepoint}: no sequence {sequence!r}; "
                f"there is {', '.join(self.sequences)}."
            )
        self.sequence = sequence or self.sequence
        wanted = self.slice_index if slice_index is None else slice_index
        self.slice_index = min(max(wanted, 0), self.n_slices - 1)

    def series(self, sequence: str | None = None) -> MRSeries:
        """Return a series of the patient; by default the one that is shown."""
        return self._stacks[self.patient_id, self.timepoint, sequence or self.sequence]

    @property
    def n_slices(self) -> int:
        """Number of slices of the series that is shown."""
        return len(self.series().positions_mm)

    @property
    def progress(self) -> str:
        """Where one is: ``slice 3 of 6, patient 12 of 206``."""
        return (
            f"slice {self.slice_index + 1} of {self.n_slices}, "
            f"patient {self.patients.index(self.patient_id) + 1} of {len(self.patients)}"
        )

    # --- rectangles ---------------------------------------------------------------------------

    def get(
        self, *, sequence: str | None = None, slice_index: int | None = None
    ) -> Rectangle | None:
        """Return the rectangle of a slice (by default the one shown), or None without one."""
        drawn = self._now.get(self._image(sequence, slice_index))
        return drawn.rectangle if drawn else None

    @property
    def rectangle(self) -> Rectangle | None:
        """The rectangle of the slice that is shown, or None."""
        return self.get()

    @property
    def source(self) -> str:
        """How that rectangle came about: suggested, default, manual or copied; blank if none."""
        drawn = self._now.get(self._image())
        return drawn.source if drawn else ""

    def boxes(self, sequence: str | None = None) -> dict[int, tuple[int, int, int, int]]:
        """Return every rectangle of a sequence as plain numbers, by slice: what a view draws."""
        slices = range(len(self.series(sequence).positions_mm))
        drawn = {index: self.get(sequence=sequence, slice_index=index) for index in slices}
        return {index: box.edges for index, box in drawn.items() if box}

    def size_mm(self) -> tuple[float, float]:
        """Return width and height of the rectangle that is shown, in mm."""
        box = self._required()
        rows_mm, columns_mm = self.series().pixel_spacing_mm
        return box.width * columns_mm, box.height * rows_mm

    def set(self, rectangle: Rectangle, *, slice_index: int | None = None) -> None:
        """Draw a rectangle by hand, by default on the slice that is shown.

        A `ROIError` if it does not fit the image (`Rectangle.check`); nothing is changed then.
        """
        drawn = Drawn(rectangle, "manual", self.reader_id)
        self._commit({self._image(slice_index=slice_index): drawn})

    def copy_to_next(self) -> None:
        """Copy the rectangle to the next slice and show that one; at the last slice do nothing."""
        if self.slice_index + 1 < self.n_slices:
            copy = Drawn(self._required(), "copied", self.reader_id)
            self._commit({self._image(slice_index=self.slice_index + 1): copy})
            self.show(slice_index=self.slice_index + 1)

    def copy_to_sequence(self) -> None:
        """Copy all rectangles of the shown series to the other sequence of the patient.

        Slices correspond by their number, so that both series have to lie on the same grid: see
        `alignment.difference`. A shift within the plane of the slices is not noticed. A `ROIError`
        if the geometry differs or there is no other sequence; nothing is copied then.
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

    def _image(self, sequence: str | None = None, slice_index: int | None = None) -> Image:
        index = self.slice_index if slice_index is None else int(slice_index)
        return self.patient_id, self.timepoint, sequence or self.sequence, index

    def _required(self) -> Rectangle:
        box = self.rectangle
        if box is None:
            raise ROIError(f"{self.progress}: there is no rectangle yet. Draw one first.")
        return box

    # --- steps, and how to take them back -----------------------------------------------------

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
        check_rois(_table(changes), self._stacks)
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

    # --- tables and files ---------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return the rectangles of the patient and time point shown, as an ROI table."""
        shown = (self.patient_id, self.timepoint)
        return _table({i: drawn for i, drawn in self._now.items() if i[:2] == shown})

    def drawn(self) -> pd.DataFrame:
        """Return every rectangle this reader drew or copied, of all patients."""
        return _table({i: d for i, d in self._now.items() if d.reader_id == self.reader_id})

    def merge_into(self, rois: pd.DataFrame) -> pd.DataFrame:
        """Return an ROI table in which this reader's rectangles replace those of `rois`."""
        return replace_rows(rois, self.drawn())

    def save(self) -> None:
        """Write what this reader changed to `path`, keeping every other row of the file.

        Called after every change; without a path nothing is written. `NotSaved` if that cannot be
        done now. Nothing is lost: the rectangles stay in memory, the file as it was, and the next
        call writes all of them.
        """
        if self.path is None:
            return
        self.unsaved = f"NOT SAVED to {self.path}: interrupted. Save again."
        drawn = self.drawn()
        try:
            replace_in_file(self.path, drawn[self._changed(drawn)], self._changed)
        except (OSError, StudyError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).removesuffix(".")
            self.unsaved = (
                f"NOT SAVED to {self.path}: {reason}. The rectangles are kept in memory and saved "
                "as soon as that is possible: do not restart the kernel before."
            )
            raise NotSaved(self.unsaved) from error
        self.unsaved = ""

    def _changed(self, table: pd.DataFrame) -> pd.Series:
        """Tell which rows of a table are this reader's, of images that this session changed."""
        images = table[IMAGE].itertuples(index=False, name=None)
        touched = pd.Series([image in self._touched for image in images], table.index, dtype=bool)
        return (table["reader_id"] == self.reader_id) & touched

    def _saved_before(self) -> dict[Image, Drawn]:
        """Return what this reader saved before."""
        if self.path is None:
            return {}
        saved = read_rectangles(self.path)
        try:
            return _by_image(check_rois(saved[saved["reader_id"] == self.reader_id], self._stacks))
        except ROIError as error:
            raise ROIError(f"{self.path}: {error}") from None


def _by_image(rois: pd.DataFrame) -> dict[Image, Drawn]:
    """Return the rectangles of an ROI table by their image."""
    return {
        (*row[1:4], row.slice_index): Drawn(rectangle_of(row), row.source, row.reader_id)
        for row in rois[COLUMNS].fillna({"reader_id": ""}).itertuples()
    }


def _table(drawn: Mapping[Image, Drawn]) -> pd.DataFrame:
    """Return rectangles by their image as an ROI table."""
    rows = [(*image, *box.edges, *by) for image, (box, *by) in drawn.items()]
    return pd.DataFrame(rows, columns=COLUMNS)
