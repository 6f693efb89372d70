"""What the widgets share: the mark of the study, browser files, the sides of the patient."""

from pathlib import Path

import anywidget
import numpy as np
import traitlets

from npc_helpers.study import mark

STATIC = Path(__file__).resolve().parent
AXES = (("L", "R"), ("P", "A"), ("S", "I"))  # DICOM: x to the left, y to the back, z to the head


def style_sheet() -> str:
    """Return the style sheet of all widgets."""
    return (STATIC / "widgets.css").read_text(encoding="utf-8")


class MarkedWidget(anywidget.AnyWidget):
    """A canvas widget that says below its pictures what kind of patients they show."""

    _css = style_sheet()
    mark = traitlets.Unicode().tag(sync=True)

    @traitlets.default("mark")
    def _mark(self) -> str:
        return mark.text()


def browser_module(name: str) -> str:
    """Return the JavaScript of a widget, the shared helpers before it."""
    parts = (STATIC / "shared.js", STATIC / name)
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


def edge_letters(orientation: np.ndarray) -> str:
    """Return which side of the patient lies at the left, right, top and bottom of an image.

    Four letters of R, L, A, P, S, I, for an axial image ``"RLAP"``, from the six direction cosines
    of a row and of a column (DICOM ImageOrientationPatient).
    """
    ends = []
    for direction in np.reshape(orientation, (2, 3)):
        axis = int(np.argmax(np.abs(direction)))
        far, near = AXES[axis] if direction[axis] > 0 else AXES[axis][::-1]
        ends += [near, far]
    return "".join(ends)
