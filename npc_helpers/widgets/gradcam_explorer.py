"""Grad-CAM maps of one patient, before and after treatment side by side."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import traitlets
from matplotlib import colormaps

from npc_helpers.figures import PAPER_COLOURS, PERCEPTUAL_COLOURS
from npc_helpers.imaging import masks
from npc_helpers.imaging.roi import BOX, network_inputs, to_uint8
from npc_helpers.network.gradcam_scores import TARGETS
from npc_helpers.study.schema import TIMEPOINTS
from npc_helpers.widgets.base import MarkedWidget, browser_module, edge_letters

COLOURS = {
    "paper": PAPER_COLOURS,
    "viridis": colormaps["viridis"],
    PERCEPTUAL_COLOURS: colormaps[PERCEPTUAL_COLOURS],
}


@dataclass(frozen=True, eq=False)
class Examination:
    """The images of a patient at one time point, as the explorer shows them.

    Attributes
    ----------
    images : dict of sequence to uint8 array (slices, rows, columns)
    index : DataFrame
        One row per map: sequence, slice_index, x0, y0, x1, y1.
    spacing_mm : (row, column)
    letters : str
        Side of the patient at the left, right, top and bottom edge.
    mask : bool array (slices, rows, columns), optional
        Known truth, drawn as an outline.
    """

    images: Mapping[str, np.ndarray]
    index: pd.DataFrame
    spacing_mm: tuple[float, float] = (1.0, 1.0)
    letters: str = ""
    mask: np.ndarray | None = None


class GradCamExplorer(MarkedWidget):
    """Choose patient, sequence, slice, model, target, colours, scale and opacity.

    It opens, for each patient, at the slice with the strongest evidence. The kernel is asked only
    for another patient or another model; all else happens in the browser, on maps of a few dozen
    cells that are placed by receptive field as `Geometry.to_image` does it.

    Parameters
    ----------
    examine : callable
        ``examine(patient_id, timepoint)`` -> `Examination`, or None where there is none.
    compute : callable
        ``compute(patient_id, timepoint, model)`` -> dict of target to signed maps (n, h, w), in
        the order of the examination's index; ``model`` is ``pre`` or ``post``.
    geometry : Geometry
        Where the cells lie (`gradcam.Geometry`); the browser places the maps by it.
    limits : mapping of model to mapping of target to float
        Largest value in the cohort, for the common scale.

    Attributes
    ----------
    patient_id, sequence, slice_index, model, target, colours, scale, opacity, outline, cells
        What is shown; setting them changes the view. ``model`` is ``own`` (each time point's
        own), ``pre`` or ``post``; ``scale`` is ``image``, ``patient`` or ``cohort``.
    """

    _esm = browser_module("gradcam_explorer.js")

    patients = traitlets.List().tag(sync=True)
    patient_id = traitlets.Unicode().tag(sync=True)
    sequence = traitlets.Unicode("t2w").tag(sync=True)
    slice_index = traitlets.Int(0).tag(sync=True)
    model = traitlets.Enum(("own", *TIMEPOINTS), "own").tag(sync=True)
    target = traitlets.Enum(TARGETS, "margin").tag(sync=True)
    colours = traitlets.Enum(tuple(COLOURS), PERCEPTUAL_COLOURS).tag(sync=True)
    scale = traitlets.Enum(("image", "patient", "cohort"), "cohort").tag(sync=True)
    opacity = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    outline = traitlets.Bool(True).tag(sync=True)
    cells = traitlets.Bool(False).tag(sync=True)
    geometry = traitlets.Dict().tag(sync=True)
    limits = traitlets.Dict().tag(sync=True)
    tables = traitlets.Dict().tag(sync=True)
    examinations = traitlets.Dict().tag(sync=True)
    maps = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        patients: Iterable[str],
        examine: Callable[[str, str], Examination | None],
        compute: Callable[[str, str, str], Mapping[str, np.ndarray]],
        *,
        geometry,
        limits: Mapping[str, Mapping[str, float]],
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self._examine, self._compute = examine, compute
        self._slice_given = "slice_index" in kwargs
        self._sent: dict[str, dict] = {}
        self.patients = list(patients)
        self.limits = {model: dict(by_target) for model, by_target in limits.items()}
        self.geometry = asdict(geometry)
        self.tables = {name: _table(colours) for name, colours in COLOURS.items()}
        self.patient_id = self.patient_id or self.patients[0]
        self._open()
        self.observe(self._open, "patient_id")
        self.observe(self._fetch, "model")

    @classmethod
    def from_maps(cls, study, stacks, index, activations, model, **kwargs):
        """Explore the images whose activations are at hand.

        Parameters
        ----------
        study : Study
            Its truth, if it has one, is drawn as the outline of the tumour.
        stacks : mapping of (patient_id, timepoint, sequence) to MRSeries
        index, activations, model : mapping from ``pre`` and ``post``
            Index of `roi.network_inputs`, `gradcam.activations` of those images, and the model.
        **kwargs
            What is shown first.
        """
        from npc_helpers.network.map_geometry import Geometry

        geometry = Geometry.of(next(iter(model.values())))  # the models are alike in it
        source = _FromMaps(study, stacks, index, activations, model)
        patients = dict.fromkeys(name for rows in index.values() for name in rows.patient_id)
        return cls(
            patients, source.examine, source.compute, geometry=geometry, limits=source.limits(),
            **kwargs,
        )  # fmt: skip

    def _open(self, change=None) -> None:
        """Send images, rectangles and truth of the patient, and the maps of the models chosen."""
        self._sent = {}
        with self.hold_sync():
            examined = {when: self._examine(self.patient_id, when) for when in TIMEPOINTS}
            examined = {when: images for when, images in examined.items() if images is not None}
            self.examinations = {when: _packed(images) for when, images in examined.items()}
            names = list(dict.fromkeys(name for e in examined.values() for name in e.images))
            if self.sequence not in names:
                self.sequence = names[0]
            self._fetch()
            if change is not None or not self._slice_given:
                self.slice_index = self._strongest_slice(examined)

    def _fetch(self, _change=None) -> None:
        """Compute the maps that the choice of model needs and that were not sent yet."""
        for when in self.examinations:
            model = when if self.model == "own" else self.model
            if (name := f"{when} {model}") not in self._sent:
                maps = self._compute(self.patient_id, when, model)
                self._sent[name] = {
                    "shape": list(next(iter(maps.values())).shape),
                    "values": {t: np.asarray(m, dtype="<f4").tobytes() for t, m in maps.items()},
                }
        self.maps = dict(self._sent)

    def _strongest_slice(self, examined: Mapping[str, Examination]) -> int:
        """Return the slice of the shown sequence on which a map reaches highest."""
        best, strongest = -np.inf, 0
        for when, examination in examined.items():
            sent = self.maps[f"{when} {when if self.model == 'own' else self.model}"]
            maps = np.frombuffer(sent["values"][self.target], "<f4").reshape(sent["shape"])
            for row in np.flatnonzero((examination.index.sequence == self.sequence).to_numpy()):
                if maps[row].max() > best:
                    best = maps[row].max()
                    strongest = int(examination.index.slice_index.iloc[row])
        return strongest


def _packed(examination: Examination) -> dict:
    """Return an examination as what travels to the browser."""
    sequences, index = {}, examination.index
    for name, volume in examination.images.items():
        rows = np.flatnonzero((index.sequence == name).to_numpy())
        places = index.iloc[rows][["slice_index", *BOX]].astype(int).to_numpy().tolist()
        sequences[name] = {
            "shape": list(volume.shape),
            "pixels": np.ascontiguousarray(volume).tobytes(),
            "rows": [[int(row), *place] for row, place in zip(rows, places, strict=True)],
        }
    truth = examination.mask
    return {
        "sequences": sequences,
        "mask": None if truth is None else np.packbits(truth, axis=None).tobytes(),
        "spacing": [float(mm) for mm in examination.spacing_mm],
        "letters": examination.letters,
    }


def _table(colours) -> bytes:
    """Return 256 colours as RGB bytes."""
    return (colours(np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8).tobytes()


class _FromMaps:
    """Answers the explorer's questions from cached activations."""

    def __init__(self, study, stacks, index, activations, model) -> None:
        self.study, self.stacks, self.index = study, stacks, index
        self.activations, self.model = activations, model

    def rows(self, patient_id: str, timepoint: str) -> np.ndarray:
        return np.flatnonzero((self.index[timepoint].patient_id == patient_id).to_numpy())

    def examine(self, patient_id: str, timepoint: str) -> Examination | None:
        if timepoint not in self.index or not len(self.rows(patient_id, timepoint)):
            return None
        index = self.index[timepoint].iloc[self.rows(patient_id, timepoint)]
        series = {
            name: self.stacks[patient_id, timepoint, name] for name in index.sequence.unique()
        }
        first = next(iter(series.values()))
        truth = masks.read_mask(self.study, patient_id, timepoint)
        return Examination(
            images={name: to_uint8(np.asarray(images.array)) for name, images in series.items()},
            index=index.reset_index(drop=True),
            spacing_mm=first.pixel_spacing_mm,
            letters=edge_letters(first.orientation),
            mask=None if truth is None else truth[0],
        )

    def compute(self, patient_id: str, timepoint: str, model: str) -> dict[str, np.ndarray]:
        from npc_helpers.network import gradcam

        rows = self.rows(patient_id, timepoint)
        if model == timepoint:
            answers = self.activations[timepoint][rows]
        else:  # the other model has not seen these images yet
            index = self.index[timepoint].iloc[rows]
            keys = [key for key in self.stacks if key[:2] == (patient_id, timepoint)]
            stacks = {key: self.stacks[key] for key in keys}
            inputs = network_inputs(stacks, index)[0]
            answers = gradcam.activations(self.model[model], inputs)
        return self._maps(answers, model)

    def _maps(self, answers: np.ndarray, model: str) -> dict[str, np.ndarray]:
        from npc_helpers.network import gradcam

        weights, bias = gradcam.head(self.model[model])
        return {t: gradcam.class_map(answers, weights, target=t, bias=bias) for t in TARGETS}

    def limits(self) -> dict[str, dict[str, float]]:
        """Return the largest value of each model on its own time point's images."""
        return {
            when: {t: float(max(m.max(), 0)) for t, m in self._maps(answers, when).items()}
            for when, answers in self.activations.items()
        }
