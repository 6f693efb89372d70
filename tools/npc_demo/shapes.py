"""Closed outlines in millimetres, bent like a patient and painted on a pixel grid.

Anatomy is written down once as outlines in a canonical head (x to the patient's left, y towards
the back, millimetres from the image centre). A patient is a `Bend` of that head; painting keeps two
tissues and their shares per pixel, so that edges have partial volume.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw
from scipy import fft

Points = np.ndarray  # (n, 2) millimetres: x to the left, y to the back


@dataclass(frozen=True)
class Shape:
    """One structure of one level.

    Attributes
    ----------
    tissue : str
        Name of a row of `tissues.TISSUES`.
    points : tuple of (x, y)
        Outline in canonical millimetres; with ``kind="tube"`` the centre line.
    kind : {"pair", "middle", "single", "tube", "tube_pair"}
        ``pair`` is drawn on both sides; ``middle`` is the left half of an outline across the
        midline, from front to back; ``tube`` lines run across the midline likewise.
    width : float
        Half width of a tube in millimetres.
    inset : float
        The outline is moved inwards by so much.
    loose : float
        How freely size and place vary between patients (1 = usual).
    group : str
        Shapes of one group vary together (a bone and its marrow).
    """

    tissue: str
    points: tuple[tuple[float, float], ...]
    kind: str = "pair"
    width: float = 0.0
    inset: float = 0.0
    loose: float = 1.0
    group: str = ""


def circle(x: float, y: float, radius: float, aspect: float = 1.0) -> tuple:
    """Eight points around an ellipse; `aspect` is height over width."""
    angle = np.arange(8) * np.pi / 4
    return tuple(
        (x + radius * float(np.cos(a)), y + radius * aspect * float(np.sin(a))) for a in angle
    )


@lru_cache(maxsize=4)
def _spline_weights(per_segment: int) -> np.ndarray:
    t = np.arange(per_segment)[:, None] / per_segment
    powers = np.concatenate([t**3, t**2, t, np.ones_like(t)], axis=1)
    matrix = 0.5 * np.array([[-1, 3, -3, 1], [2, -5, 4, -1], [-1, 0, 1, 0], [0, 2, 0, 0]])
    return powers @ matrix


def smooth(points: Points, *, closed: bool = True, per_segment: int = 5) -> Points:
    """Return a Catmull-Rom curve through the points."""
    if closed:
        around = [np.roll(points, shift, axis=0) for shift in (1, 0, -1, -2)]
        knots = np.stack(around)
    else:
        padded = np.concatenate([points[:1], points, points[-1:]])
        knots = np.stack([padded[i : len(padded) - 3 + i] for i in range(4)])
    curve = np.einsum("sk,knd->nsd", _spline_weights(per_segment), knots).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])


def normals(points: Points, *, closed: bool = True) -> Points:
    """Return unit vectors to the left of the direction of travel."""
    if closed:
        tangent = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    else:
        tangent = np.gradient(points, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-6)[:, None]
    return np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)


def move_inwards(points: Points, distance: float | np.ndarray) -> Points:
    """Move a closed outline inwards by `distance` (outwards where negative)."""
    x, y = points.T
    area = 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    return points - np.sign(area) * np.asarray(distance)[..., None] * normals(points)


def outlines(shape: Shape) -> list[Points]:
    """Return the canonical outline of a shape, one per side where it is paired."""
    points = np.asarray(shape.points, dtype=np.float64)
    if shape.kind == "middle":
        outline = smooth(_across_midline(points))
        return [move_inwards(outline, shape.inset) if shape.inset else outline]
    if shape.kind in ("tube", "tube_pair"):
        line = smooth(_across_midline(points, keep_ends=True), closed=False)
        if shape.kind == "tube_pair":
            line = smooth(points, closed=False)
        side = normals(line, closed=False) * (shape.width - shape.inset)
        outline = np.concatenate([line + side, (line - side)[::-1]])
    else:
        outline = smooth(points)
        outline = move_inwards(outline, shape.inset) if shape.inset else outline
    if shape.kind in ("pair", "tube_pair"):
        return [outline, outline * [-1, 1]]
    return [outline]


def _across_midline(points: Points, *, keep_ends: bool = False) -> Points:
    """Add the mirror image of the left half of an outline (or of a line)."""
    mirrored = points[::-1] * [-1, 1]
    if keep_ends:
        first = 1 if abs(points[0, 0]) < 1e-6 else 0
        return np.concatenate([mirrored[: len(mirrored) - first], points])
    last = 1 if abs(points[-1, 0]) < 1e-6 else 0
    stop = -1 if abs(points[0, 0]) < 1e-6 else None
    return np.concatenate([points, mirrored[last:stop]])


# --- a patient's own shape ----------------------------------------------------------------------


@dataclass(frozen=True)
class Bend:
    """Size, asymmetry and pose of one head: canonical millimetres to image millimetres.

    Attributes
    ----------
    scale : ndarray, shape (2,)
    waves : ndarray, shape (k, 5)
        Smooth displacement as a sum of sines: wave vector (2), phase, amplitude (2).
    angle : float
        Rotation in the plane, radians.
    shift : ndarray, shape (2,)
        Millimetres.
    """

    scale: np.ndarray
    waves: np.ndarray
    angle: float
    shift: np.ndarray

    def __call__(self, points: Points) -> Points:
        """Bend canonical points of shape (..., 2)."""
        return (points * self.scale + self._displacement(points)) @ self._rotation().T + self.shift

    def inverse(self, points: Points) -> Points:
        """Undo the bend (to within a tenth of a millimetre)."""
        straight = (points - self.shift) @ self._rotation()
        guess = straight / self.scale
        for _ in range(3):
            guess = (straight - self._displacement(guess)) / self.scale
        return guess

    def _rotation(self) -> np.ndarray:
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[c, -s], [s, c]])

    def _displacement(self, points: Points) -> Points:
        return np.sin(points @ self.waves[:, :2].T + self.waves[:, 2]) @ self.waves[:, 3:]


# --- painting -----------------------------------------------------------------------------------


@dataclass
class Canvas:
    """One slice: per pixel the tissue on top, the one below and the share of the one on top.

    Attributes
    ----------
    size : int
        Rows and columns.
    spacing : float
        Millimetres per pixel; pixel (i, j) lies at ((j, i) - size / 2) * spacing.
    top, below : ndarray of uint8, shape (size, size)
    share : ndarray of uint8, shape (size, size)
        255 = only the tissue on top.
    """

    size: int
    spacing: float
    top: np.ndarray = field(init=False)
    below: np.ndarray = field(init=False)
    share: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.top = np.zeros((self.size, self.size), np.uint8)
        self.below = np.zeros((self.size, self.size), np.uint8)
        self.share = np.full((self.size, self.size), 255, np.uint8)

    def window(self, points: Points, margin: int = 1) -> tuple[slice, slice] | None:
        """Return the rows and columns around points in millimetres, None if outside."""
        pixels = points / self.spacing + self.size / 2
        low = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - margin, 0)
        high = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 1 + margin, self.size)
        if (high <= low).any():
            return None
        return slice(low[1], high[1]), slice(low[0], high[0])

    def cover(self, outline: Points) -> tuple[tuple[slice, slice], np.ndarray] | None:
        """Return a window and how much of each of its pixels (0 to 255) the outline covers."""
        window = self.window(outline)
        if window is None:
            return None
        rows, columns = window
        height, width = rows.stop - rows.start, columns.stop - columns.start
        factor = 4 if max(height, width) < 100 else 2
        corner = np.array([columns.start, rows.start]) - 0.5
        pixels = (outline / self.spacing + self.size / 2 - corner) * factor - 0.5
        image = Image.new("L", (width * factor, height * factor))
        ImageDraw.Draw(image).polygon(pixels.astype(np.float32).ravel().tolist(), fill=255)
        return window, np.asarray(image.reduce(factor))

    def paint(self, outline: Points, tissue: int) -> None:
        """Paint a closed outline (image millimetres) with a tissue."""
        covered = self.cover(outline)
        if covered is not None:
            self.lay(*covered, tissue)

    def lay(self, window: tuple[slice, slice], share: np.ndarray, tissue: int) -> None:
        """Lay a tissue over a window, by its share (uint8) of each pixel."""
        top, below, mixed = self.top[window], self.below[window], self.share[window]
        full = share > 247
        edge = (share > 7) & ~full & (top != tissue)
        np.copyto(below, top, where=edge)
        np.copyto(mixed, share, where=edge)
        np.copyto(mixed, 255, where=full)
        top[full | edge] = tissue


# --- random fields ------------------------------------------------------------------------------

FIELD = 512
TILES = 4  # of each correlation length


@lru_cache(maxsize=64)  # a head needs 48 tiles of 1 MiB: twelve lengths, four of each
def noise_tile(length: float, seed: int = 0) -> np.ndarray:
    """Return a periodic random field, standard normal, correlated over `length` pixels.

    Returns
    -------
    ndarray of float32, shape (512, 512), read-only
    """
    rng = np.random.default_rng([seed, int(length * 1000)])
    frequency = fft.fftfreq(FIELD).astype(np.float32)
    low_pass = np.exp(-2 * (np.pi * length * frequency) ** 2)
    spectrum = fft.fft2(rng.standard_normal((FIELD, FIELD), dtype=np.float32))
    tile = fft.ifft2(spectrum * low_pass[:, None] * low_pass).real
    tile = ((tile - tile.mean()) / tile.std()).astype(np.float32)
    tile.setflags(write=False)
    return tile


def noise_patch(length: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random `size` x `size` cut of a tile (turned and mirrored at random)."""
    tile = noise_tile(length, int(rng.integers(TILES)))
    row, column = rng.integers(0, FIELD - size + 1, 2)
    patch = tile[row : row + size, column : column + size]
    return np.rot90(patch, int(rng.integers(4)))
