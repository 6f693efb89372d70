"""The rectangle editor: a canvas in the browser over a `RoiSession` in Python."""

import numpy as np
import traitlets

from npc_helpers.imaging.alignment import slice_notes
from npc_helpers.imaging.roi import DEFAULT_SIZE, SMALLEST, intensity_range
from npc_helpers.widgets.base import MarkedWidget, browser_module, edge_letters
from npc_helpers.widgets.roi_session import RoiSession

PRESETS = {  # percentiles of the non-zero pixels
    "as the network sees it": (0.5, 99.5),
    "full range": (0.0, 100.0),
    "bright": (0.5, 92.0),
    "contrast": (20.0, 97.0),
}


class RoiEditor(MarkedWidget):
    """Draw, move, resize and copy rectangles on the images of a session.

    The series of the patient travels to the browser once; scrolling and windowing happen there.
    Every finished change goes to the session, which checks and saves it, and comes back. A change
    made in the session by code shows after `refresh`. While something is not on the disk, the
    editor says so and lets the session try again every few seconds.

    Attributes
    ----------
    rois : dict
        ``{sequence: {slice_index: [x0, y0, x1, y1]}}`` of the patient shown.
    sequence, slice_index
        Where the editor is; setting them moves it.
    """

    _esm = browser_module("roi_editor.js")

    series = traitlets.List().tag(sync=True)
    volumes = traitlets.List().tag(sync=True)
    rois = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    sequence = traitlets.Unicode().tag(sync=True)
    slice_index = traitlets.Int().tag(sync=True)
    sizes = traitlets.Dict({"smallest": SMALLEST, "usual": list(DEFAULT_SIZE)}).tag(sync=True)

    def __init__(self, session: RoiSession, **kwargs) -> None:
        super().__init__(**kwargs)
        self.session = session
        self._shown: tuple[str, str] | None = None
        self._answered = 0
        self.refresh()
        self.observe(self._follow, ["sequence", "slice_index"])
        self.on_msg(self._act)

    def refresh(self, message: str = "") -> None:
        """Send the state of the session to the browser, the series too if the patient changed."""
        session = self.session
        with self.hold_sync():
            if self._shown != (session.patient_id, session.timepoint):
                self._send_series()
            table = session.to_frame()
            self.rois = {name: session.boxes(name) for name in session.sequences}
            self.sequence, self.slice_index = session.sequence, session.slice_index
            self.state = {
                "patient_id": f"{session.patient_id}, {session.timepoint}-treatment",
                "patient": session.patients.index(session.patient_id) + 1,
                "n_patients": len(session.patients),
                "other_timepoint": session.other_timepoint,
                "has_other_timepoint": session.has_other_timepoint,
                "sources": {
                    name: dict(zip(rows.slice_index, rows.source, strict=True))
                    for name, rows in table.astype({"slice_index": int}).groupby("sequence")
                },
                "can_undo": session.can_undo,
                "can_redo": session.can_redo,
                "message": message,
                "unsaved": session.unsaved,
                "answered": self._answered,
            }

    def _send_series(self) -> None:
        session = self.session
        shown = [session.series(name) for name in session.sequences]
        first = session.sequences[0].upper()
        packed = [_sixteen_bits(np.asarray(series.array)) for series in shown]
        self.series = [
            {
                "name": name,
                "shape": list(series.array.shape),
                "spacing": [float(mm) for mm in series.pixel_spacing_mm],
                "letters": edge_letters(series.orientation),
                "notes": slice_notes(series, shown[0], name=first),
                "presets": [
                    {"name": label, "window": intensity_range(volume, low=low, high=high)}
                    for label, (low, high) in PRESETS.items()
                ],
            }
            for name, series, volume in zip(session.sequences, shown, packed, strict=True)
        ]
        self.volumes = [volume.tobytes() for volume in packed]
        self._shown = (session.patient_id, session.timepoint)

    def _follow(self, _change) -> None:
        """Let the session look where the browser looks."""
        self.session.show(sequence=self.sequence, slice_index=self.slice_index)

    def _act(self, _widget, content: dict, _buffers) -> None:
        """Carry out one command of the browser; what is refused comes back as a message."""
        place = {name: content[name] for name in ("sequence", "slice_index")}
        details = {name: content.get(name) for name in ("box", "step")}
        message = self.session.act(content["action"], place=place, **details)
        self._answered = content["id"]
        self.refresh(message)


def _sixteen_bits(array: np.ndarray) -> np.ndarray:
    """Return a series as little-endian uint16; other number types are scaled to fit."""
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return array.astype("<u2")
    low, high = float(array.min()), float(array.max())
    step = (high - low) / 65535 or 1.0
    return np.rint((array.astype(np.float64) - low) / step).astype("<u2")
