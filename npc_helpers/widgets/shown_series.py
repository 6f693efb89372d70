"""Which patient, time point, sequence and slice are on the screen, without any screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from npc_helpers.imaging.rectangle import ROIError
from npc_helpers.study.schema import TIMEPOINTS

if TYPE_CHECKING:
    from npc_helpers.imaging.mr_series import MRSeries

Key = tuple[str, str, str]  # patient_id, timepoint, sequence


class ShownSeries:
    """A walk through the series of a study, a patient and time point at a time.

    Parameters
    ----------
    stacks : mapping of (patient_id, timepoint, sequence) to MRSeries
    patient_id : str
        Patient shown first.
    timepoint : {"pre", "post"}

    Attributes
    ----------
    slice_index : int
        What is shown; change it with `show`.

    Raises
    ------
    ROIError
        If the patient has no series there.
    """

    def __init__(self, stacks: Mapping[Key, MRSeries], patient_id: str, timepoint: str) -> None:
        self._stacks = stacks
        self.open(patient_id, timepoint)

    def open(self, patient_id: str, timepoint: str | None = None) -> None:
        """Show another patient, at the first slice of the first sequence.

        Raises
        ------
        ROIError
            If the patient has no series at that time point among those loaded.
        """
        timepoint = timepoint or self.timepoint
        sequences = tuple(key[2] for key in self._stacks if key[:2] == (patient_id, timepoint))
        if not sequences:
            raise ROIError(
                f"patient {patient_id} has no {timepoint} series here. Load them with load_stacks."
            )
        self.patient_id, self.timepoint, self.sequences = patient_id, timepoint, sequences
        self.sequence, self.slice_index = sequences[0], 0

    @property
    def patients(self) -> tuple[str, ...]:
        """Everybody who has a series at the time point shown, in the order of the stacks."""
        return tuple(dict.fromkeys(key[0] for key in self._stacks if key[1] == self.timepoint))

    def next_patient(self, step: int = 1) -> None:
        """Show the next patient of this time point (or the previous, with ``step=-1``).

        Patients without a series at this time point are passed over; at either end one stays.
        """
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
        """Show the same patient before treatment instead of after, or the other way round.

        Raises
        ------
        ROIError
            If the patient has no series at the other time point; what is shown stays.
        """
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
