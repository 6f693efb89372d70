"""Rectangles by numbers: the editor for where a canvas does not run, and for screen readers."""

from base64 import b64encode
from html import escape
from io import BytesIO

import ipywidgets as ipw
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle as Outline

from npc_helpers.figures.style import PALETTE
from npc_helpers.imaging.roi import BOX, Rectangle, to_uint8
from npc_helpers.study import mark
from npc_helpers.widgets.roi_session import RoiSession

EDGES = dict(zip(BOX, ("left", "top", "right", "bottom"), strict=True))
SIDE_IN = 5.0
COMMANDS = {  # label of a button -> what it asks of the session (`RoiSession.act`)
    "apply": {"command": "set"},
    "copy to next slice": {"command": "copy_next"},
    "copy to other sequence": {"command": "copy_sequence"},
    "undo": {"command": "undo"},
    "redo": {"command": "redo"},
    "reset": {"command": "reset"},
    "previous patient": {"command": "patient", "step": -1},
    "next patient": {"command": "patient", "step": 1},
    "pre / post": {"command": "timepoint"},
    "save again": {"command": "save"},
}


class IntegerBoxes(ipw.VBox):
    """Edit the rectangles of a session with number fields and buttons, without our JavaScript.

    The session is the same that `RoiEditor` shows; it checks and saves every change at once. The
    fields of ``edges`` (x0, y0, x1, y1) take effect with the button *apply* of ``buttons``;
    ``message`` says what was refused, or where the rectangle is and how large, and ``unsaved`` what
    is not on the disk yet: *save again* and every change try to save it.
    """

    def __init__(self, session: RoiSession) -> None:
        self.session = session
        self._following = False  # while the fields are set to where the session is
        self.sequence = ipw.ToggleButtons(options=session.sequences, description="sequence")
        self.slice = ipw.BoundedIntText(min=0, description="slice", layout=ipw.Layout(width="11em"))
        self.edges = {
            name: ipw.IntText(description=label, layout=ipw.Layout(width="11em"))
            for name, label in EDGES.items()
        }
        self.picture, self.message, self.unsaved = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.buttons = {
            label: ipw.Button(description=label, layout=ipw.Layout(width="auto"))
            for label in COMMANDS
        }
        for label, button in self.buttons.items():
            button.on_click(lambda _, label=label: self._act(label))
        super().__init__(
            [
                ipw.HBox([self.sequence, self.slice]),
                ipw.HBox(list(self.edges.values())),
                ipw.HBox(list(self.buttons.values()), layout=ipw.Layout(flex_flow="row wrap")),
                self.unsaved,
                self.message,
                self.picture,
                ipw.HTML(escape(mark.text())),
            ]
        )
        self._refresh()
        for field in (self.sequence, self.slice):
            field.observe(self._look, "value")

    def _act(self, label: str) -> None:
        box = [field.value for field in self.edges.values()]
        self._refresh(self.session.act(**COMMANDS[label], box=box))

    def _look(self, _change) -> None:
        if self._following:
            return
        self.session.show(sequence=self.sequence.value, slice_index=self.slice.value)
        self._refresh()

    def _refresh(self, problem: str = "") -> None:
        """Show where the session is; the fields keep what was refused, so that it can be mended."""
        session = self.session
        self._following = True
        self.slice.max = session.n_slices - 1
        self.slice.value = session.slice_index
        self.sequence.options = session.sequences
        self.sequence.value = session.sequence
        self._following = False
        box = session.rectangle
        if box is not None and not problem:
            for field, edge in zip(self.edges.values(), box.edges, strict=True):
                field.value = edge
        width, height = session.size_mm() if box is not None else (0, 0)
        place = f"{session.patient_id}, {session.timepoint}-treatment, {session.progress}"
        shown = f"{place}: {width:.0f} x {height:.0f} mm, {session.source}"
        self.message.value = _alert(problem) if problem else escape(shown)
        self.unsaved.value = _alert(session.unsaved) if session.unsaved else ""
        self.buttons["save again"].layout.display = "" if session.unsaved else "none"
        self.buttons["undo"].disabled = not session.can_undo
        self.buttons["redo"].disabled = not session.can_redo
        self.buttons["pre / post"].disabled = not session.has_other_timepoint
        png = escape(b64encode(_drawn(session, box)).decode())
        self.picture.value = (
            f'<img width="512" alt="{escape(shown)}" src="data:image/png;base64,{png}">'
        )


def _alert(sentence: str) -> str:
    """Return a sentence as HTML that screen readers announce."""
    return f"<b role='alert'>{escape(sentence)}</b>"


def _drawn(session: RoiSession, box: Rectangle | None) -> bytes:
    """Return the slice and its rectangle as PNG."""
    image = to_uint8(np.asarray(session.series().array))[session.slice_index]
    figure = Figure(figsize=(SIDE_IN, SIDE_IN * image.shape[0] / image.shape[1]))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    axes.axis("off")
    if box is not None:
        corner, size = (box.x0 - 0.5, box.y0 - 0.5), (box.width, box.height)
        axes.add_patch(Outline(corner, *size, fill=False, edgecolor=PALETTE["box"], linewidth=2))
    file = BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()
