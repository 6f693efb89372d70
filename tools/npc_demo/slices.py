"""One axial slice of a synthetic patient, from the skin to the metal in the teeth.

The canonical head (`levels_upper`, `levels_lower`) gets the size, pose and deformation of a
`Habitus`; then come what makes tissue look like tissue, the tumour, the nodes and the effects of
treatment.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from npc_demo.habitus import Habitus, stream
from npc_demo.levels_lower import AXIS, HYOID, SUBMANDIBULAR
from npc_demo.levels_upper import ATLAS, ROSENMUELLER, SELLA, SPHENOID
from npc_demo.patient import Patient
from npc_demo.shapes import Canvas, Shape, move_inwards, noise_patch, outlines
from npc_demo.tissues import CODE, textures
from npc_demo.tumour import (
    INVADES,
    MARROW,
    NODES_REPLACE,
    Growth,
    lobe_field,
    node_field,
    tissue_mask,
)

# From below upwards, as `dicom.read_series` sorts them.
LEVELS: tuple[tuple[str, tuple[Shape, ...]], ...] = (
    ("hyoid", HYOID),
    ("submandibular", SUBMANDIBULAR),
    ("axis", AXIS),
    ("atlas", ATLAS),
    ("rosenmueller", ROSENMUELLER),
    ("sphenoid", SPHENOID),
    ("sella", SELLA),
)
HEIGHT_ZERO = 5  # index of the slice at height 0: the sphenoid sinus
SLICE_SPACING_MM = 12.0
MATRIX = 320  # acquired; `mri` reconstructs to 512
MUSCLE_SWELL_MM = 1.1  # leaves thin fat planes between neighbours
_COARSE = 8  # canonical coordinates are computed every 8 pixels and interpolated


@dataclass(frozen=True)
class FatFailure:
    """Where fat suppression fails: slice, centre and radius in image mm, share of fat left."""

    index: int
    x: float
    y: float
    radius: float
    share: float


# --- the canonical head -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Template:
    """The outlines of one level, joined, so that one patient bends them all at once."""

    tissues: tuple[str, ...]
    ends: np.ndarray  # where each outline ends in points
    points: np.ndarray
    part: np.ndarray  # per point: which part (group and side) it belongs to
    centres: np.ndarray  # per part
    loose: np.ndarray  # per part
    groups: tuple[str, ...]  # per part
    below_skin: tuple[bool, ...]  # per outline: part of the body outline


@lru_cache(maxsize=len(LEVELS))
def _template(index: int) -> _Template:
    tissues, points, part, body = [], [], [], []
    parts: dict[tuple, int] = {}
    centres, loose, groups = [], [], []
    for number, shape in enumerate(LEVELS[index][1]):
        for side, outline in enumerate(outlines(shape)):
            if shape.tissue == "muscle" and shape.kind == "pair":
                outline = move_inwards(outline, -MUSCLE_SWELL_MM)
            key = (shape.group or number, side)
            if key not in parts:
                parts[key] = len(centres)
                centres.append(outline.mean(axis=0))
                loose.append(shape.loose)
                groups.append(shape.group)
            tissues.append(shape.tissue)
            points.append(outline)
            part.append(np.full(len(outline), parts[key]))
            body.append(shape.group == "outline")
    return _Template(
        tissues=tuple(tissues),
        ends=np.cumsum([len(outline) for outline in points]),
        points=np.concatenate(points),
        part=np.concatenate(part),
        centres=np.array(centres),
        loose=np.array(loose),
        groups=tuple(groups),
        below_skin=tuple(body),
    )


# --- one slice ----------------------------------------------------------------------------------

_AFTER_TREATMENT = {
    "mucosa": "mucositis",
    "parotid": "treated_parotid",
    "submandibular": "treated_submandibular",
}
_GLANDS = ("parotid", "submandibular")


class PaintedSlice:
    """Paints one slice; see `anatomy.Anatomy` for what comes out."""

    def __init__(
        self, patient: Patient, timepoint: str, index: int, habitus: Habitus, growth: Growth
    ) -> None:
        self.habitus = habitus
        self.growth = growth
        self.index = index
        self.z = (index - HEIGHT_ZERO) * SLICE_SPACING_MM
        self.canvas = Canvas(MATRIX, habitus.field_of_view_mm / MATRIX)
        self.tumour = np.zeros((MATRIX, MATRIX), np.uint8)
        self.nodes = np.zeros((MATRIX, MATRIX), np.uint8)
        self.fat_failures: list[FatFailure] = []
        # anatomy is the same before and after treatment; texture is not, as the slice is another
        self.same = stream(patient, "slice", str(index))
        self.new = stream(patient, "texture", timepoint, str(index))

    def draw(self) -> PaintedSlice:
        """Paint everything, from the skin to the metal in the teeth."""
        self._paint_template()
        self.x, self.y = self._canonical()
        self._roughen()
        self._strew_strands()
        self._marble_muscles()
        self._fold_brain()
        self._fill_cavities()
        self._paint_tumour()
        self._paint_nodes()
        self._paint_metal()
        self._set_texture()
        return self

    def _paint_template(self) -> None:
        template = _template(self.index)
        points = self._vary(template)
        start = 0
        for tissue, end, body in zip(
            template.tissues, template.ends, template.below_skin, strict=True
        ):
            outline = points[start:end]
            start = end
            if body:
                outline = move_inwards(outline, -self.habitus.fat_mm)
            if self.habitus.treated:
                tissue = _AFTER_TREATMENT.get(tissue, tissue)
            self.canvas.paint(self.habitus.bend(outline), CODE[tissue])

    def _vary(self, template: _Template) -> np.ndarray:
        """Give each part its own size, place and angle (the same at both time points)."""
        n = len(template.centres)
        draws = self.same.standard_normal((n, 4)) * np.minimum(template.loose, 2)[:, None]
        scale = np.clip(1 + 0.045 * draws[:, 0], 0.8, 1.25)
        groups = np.array(template.groups)
        scale[np.isin(groups, _GLANDS)] *= self.habitus.gland_scale
        angle = 0.04 * draws[:, 1]
        shift = 0.65 * draws[:, 2:]
        part = template.part
        offset = template.points - template.centres[part]
        c, s = (scale * np.cos(angle))[part], (scale * np.sin(angle))[part]
        turned = np.stack(
            [c * offset[:, 0] - s * offset[:, 1], s * offset[:, 0] + c * offset[:, 1]], 1
        )
        return turned + template.centres[part] + shift[part]

    def _canonical(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the canonical x and y of every pixel."""
        coarse = np.arange(0, MATRIX + _COARSE, _COARSE)
        mm = (coarse - MATRIX / 2) * self.canvas.spacing
        grid = np.stack(np.meshgrid(mm, mm), axis=-1)
        canonical = self.habitus.bend.inverse(grid).astype(np.float32)
        return tuple(_every_pixel(canonical[..., axis]) for axis in (0, 1))

    # --- edges, brain, cavities ---

    def _roughen(self) -> None:
        """Displace every pixel by a fraction of a millimetre: no outline stays smooth."""
        rows, columns = np.indices((MATRIX, MATRIX), dtype=np.float32)
        for grid in (rows, columns):
            grid += 0.55 * noise_patch(2.4, MATRIX, self.same)
            np.clip(np.rint(grid, out=grid), 0, MATRIX - 1, out=grid)
        flat = (rows * MATRIX + columns).astype(np.int32)
        for name in ("top", "below", "share"):
            setattr(self.canvas, name, getattr(self.canvas, name).ravel()[flat])

    def _strew_strands(self) -> None:
        """Draw small vessels and septa through the fat."""
        fat = (self.canvas.top == CODE["fat"]) & (self.canvas.share == 255)
        strand = np.abs(noise_patch(2.6, MATRIX, self.same)) * 3.0 + 0.55
        fat &= strand < 1
        self.canvas.below[fat] = CODE["strand"]
        self.canvas.share[fat] = (strand[fat] * 255).astype(np.uint8)

    def _marble_muscles(self) -> None:
        """Draw streaks of fat between the bundles of a muscle."""
        muscle = (self.canvas.top == CODE["muscle"]) & (self.canvas.share == 255)
        streak = np.abs(noise_patch(2.2, MATRIX, self.same)) * 4.0 + 0.4
        streak += np.maximum(-0.2 - noise_patch(7.0, MATRIX, self.same), 0)  # some parts only
        muscle &= streak < 1
        self.canvas.below[muscle] = CODE["fat"]
        self.canvas.share[muscle] = (streak[muscle] * 255).astype(np.uint8)

    def _fold_brain(self) -> None:
        """Turn plain brain into sulci, cortex and white matter, and cerebellum into folia."""
        grey, white, csf = CODE["grey_matter"], CODE["white_matter"], CODE["csf"]
        canvas = self.canvas
        for tissue in ("grey_matter", "cerebellum"):
            region = canvas.top == CODE[tissue]
            if not region.any():
                continue
            rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
            window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            region = region[window] & (canvas.share[window] == 255)
            if tissue == "cerebellum":
                depth = np.hypot(self.x[window], 1.1 * (self.y[window] - 36)) / 3.4
                depth += 0.75 * noise_patch(7.0, MATRIX, self.same)[window]
                depth += 0.35 * noise_patch(2.5, MATRIX, self.same)[window]
                height = np.abs(depth % 1 - 0.5) * 1.3 + 0.26
                height += 0.12 * np.abs(noise_patch(4.0, MATRIX, self.same)[window])
            else:
                height = np.abs(noise_patch(3.0, MATRIX, self.same)[window]) * 1.5 + 0.06
            sulcus = height < 0.36
            share = np.where(sulcus, height / 0.36, 1 - (height - 0.6) / 0.6)
            share = (np.clip(share, 0.0, 1.0) * 255).astype(np.uint8)
            np.copyto(
                canvas.below[window], np.where(sulcus, np.uint8(csf), np.uint8(white)), where=region
            )
            np.copyto(canvas.share[window], np.maximum(share, 40), where=region)
            np.copyto(canvas.top[window], np.uint8(grey), where=region)

    def _fill_cavities(self) -> None:
        """Put fluid into mastoid cells and a maxillary sinus of some patients."""
        left, right, antrum = self.habitus.fluid
        top = self.canvas.top
        if left or right:
            cells = top == CODE["mastoid_air"]
            cells &= (self.x > 0) if left else (self.x < 0)
            top[cells & (noise_patch(2.0, MATRIX, self.same) > -0.3)] = CODE["mucosa"]
        if antrum:
            sinus = (top == CODE["sinus_air"]) & (self.y < -35) & (self.x > 14) & (self.y > -56)
            top[sinus] = CODE["fluid"]

    # --- tumour and nodes ---

    def _window(self, centres: np.ndarray, radii: np.ndarray) -> tuple[slice, slice] | None:
        corners = np.concatenate(
            [centres + radii * k for k in ([-1, -1], [1, -1], [-1, 1], [1, 1])]
        )
        return self.canvas.window(self.habitus.bend(corners), margin=3)

    def _paint_tumour(self) -> None:
        growth = self.growth
        lobes = growth.lobes if growth.bed is None else growth.bed
        ragged = noise_patch(3.6, MATRIX, self.same) + 0.5 * noise_patch(1.6, MATRIX, self.same)
        deep = noise_patch(3.0, MATRIX, self.same)
        if not len(lobes):
            return
        window = self._window(lobes[:, :2], lobes[:, 3:5] * 1.9)
        if window is None:
            return
        x, y = self.x[window], self.y[window]
        allowed = tissue_mask(INVADES[growth.t_category])[self.canvas.top[window]]
        margin = growth.ragged * ragged[window]
        if growth.bed is not None:
            self._paint_bed(window, lobe_field(growth.bed, x, y, self.z) + margin, allowed)
        value = lobe_field(growth.lobes, x, y, self.z)
        value += margin * np.minimum(1, value * 3)
        share = _share(value - 0.5, 9.0) * allowed
        marrow = tissue_mask(MARROW)[self.canvas.top[window]]
        self.canvas.lay(window, share, CODE["tumour"])
        self.canvas.lay(window, share * marrow, CODE["clivus_tumour"])
        core = share * (value > 0.72) * _share(deep[window] - growth.necrosis, 1.6)
        self.canvas.lay(
            window,
            (core > 0) * np.minimum(share, _share(deep[window] - growth.necrosis, 1.6)),
            CODE["necrosis"],
        )
        self.tumour[window] = share

    def _paint_bed(
        self, window: tuple[slice, slice], value: np.ndarray, allowed: np.ndarray
    ) -> None:
        """Paint what treatment leaves where the tumour was: granulation, scar, changed marrow."""
        air = tissue_mask(("airway", "sinus_air", "cartilage"))[self.canvas.top[window]]
        marrow = tissue_mask(MARROW)[self.canvas.top[window]]
        mixture = noise_patch(3.0, MATRIX, self.same)[window]
        share = _share(value - np.where(air, 0.95, 0.68), 7.0) * allowed
        self.canvas.lay(window, share, CODE["granulation"])
        self.canvas.lay(window, share * (mixture > 0.6), CODE["scar"])
        self.canvas.lay(window, share * (mixture < -0.9), CODE["mucositis"])
        self.canvas.lay(window, _share(value - 0.5, 7.0) * allowed * marrow, CODE["treated_marrow"])

    def _paint_nodes(self) -> None:
        bumps = noise_patch(4.0, MATRIX, self.same)
        replace = tissue_mask((*NODES_REPLACE, "treated_parotid", "treated_submandibular"))
        allowed = replace[self.canvas.top] & (self.tumour < 128)
        for node in self.growth.nodes:
            window = self._window(node[None, :2], node[None, 3:5] * 1.4)
            if window is None:
                continue
            distance = node_field(node, self.x[window], self.y[window], self.z)
            if distance is None:
                continue
            distance = distance + 0.10 * bumps[window]
            sharpness = node[3] / self.canvas.spacing
            share = _share(1 - distance, sharpness) * allowed[window]
            core = np.minimum(share, _share(node[6] - distance, sharpness / 2))
            self.canvas.lay(window, share, CODE["node"])
            self.canvas.lay(window, core * (node[6] > 0.1), CODE["necrosis"])
            np.maximum(self.nodes[window], share, out=self.nodes[window])

    def _paint_metal(self) -> None:
        """Paint the void around a metal filling; fat suppression fails around it."""
        place = self.same.uniform(0, 1, 3)
        if not self.habitus.metal or LEVELS[self.index][0] != "axis":
            return
        side = 1 if place[0] < 0.5 else -1
        centre = np.array([side * (22 + 6 * place[1]), -72 + 18 * place[1]])
        angle = np.arange(24) * np.pi / 12
        radius = (5 + 4 * place[2]) * (1 + 0.18 * np.sin(3 * angle + 6 * place[0]))
        outline = centre + radius[:, None] * np.stack([np.cos(angle), 0.8 * np.sin(angle)], 1)
        self.canvas.paint(self.habitus.bend(outline), CODE["metal"])
        x, y = self.habitus.bend(centre)
        self.fat_failures.append(FatFailure(self.index, float(x), float(y), 16 + 8 * place[1], 0.5))

    def _set_texture(self) -> None:
        strength = textures()[self.canvas.top]
        strength[self.tumour > 0] *= self.growth.uneven
        fine, coarse = noise_patch(1.1, MATRIX, self.new), noise_patch(3.2, MATRIX, self.same)
        self.texture = np.maximum(1 + strength * (0.75 * fine + 0.65 * coarse), 0.05)


def _every_pixel(coarse: np.ndarray) -> np.ndarray:
    """Interpolate values given every `_COARSE` pixels, along both axes."""
    pixel = np.arange(MATRIX)
    low = pixel // _COARSE
    weight = ((pixel % _COARSE) / np.float32(_COARSE)).astype(np.float32)
    rows = coarse[low] + weight[:, None] * (coarse[low + 1] - coarse[low])
    return rows[:, low] + weight * (rows[:, low + 1] - rows[:, low])


def _share(value: np.ndarray, slope: float) -> np.ndarray:
    """Return a soft step from 0 to 255 around value 0, as uint8."""
    return (np.clip(0.5 + slope * value, 0.0, 1.0) * 255).astype(np.uint8)
