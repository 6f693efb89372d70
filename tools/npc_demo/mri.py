"""From tissue maps to magnitude images: contrast, coil, fat suppression, k-space, noise.

Everything random here is drawn from the patient's seed, the time point and the sequence, never from
stage, latents or outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from npc_demo.anatomy import TARGET, Anatomy, draw_anatomy
from npc_demo.habitus import stream
from npc_demo.patient import Patient
from npc_demo.protocols import DEFAULT, PROTOCOLS, Protocol
from npc_demo.slices import LEVELS
from npc_demo.tissues import signals
from npc_helpers.study.schema import SEQUENCES

MATRIX = 512  # reconstructed
PHASE_LINES = 256  # acquired along the phase-encoding direction (rows)
MAXIMUM = 4095  # 12 bits


@dataclass(frozen=True)
class Scan:
    """What differs between acquisitions.

    Attributes
    ----------
    snr : float
        Signal of muscle over the standard deviation of the noise in either channel.
    gain : float
        Stored value of muscle.
    shading : ndarray, shape (6,)
        Coefficients of the logarithm of the coil's sensitivity: x, y, xx, yy, xy, z.
    leak : float
        Share of fat that is left everywhere.
    failure : float
        Share of fat left at the edge of the neck.
    ghost, ghost_period, ghost_phase : float
        Strength (0 for none) and period in phase-encoding lines of the motion ghosts.
    """

    snr: float
    gain: float
    shading: np.ndarray
    leak: float
    failure: float
    ghost: float
    ghost_period: float
    ghost_phase: float

    @classmethod
    def draw(cls, rng: np.random.Generator, protocol: Protocol) -> Scan:
        """Draw the conditions of one acquisition."""
        moved = rng.random(2)
        return cls(
            snr=float(rng.uniform(*protocol.snr)),
            gain=protocol.gain * float(np.exp(rng.normal(0, 0.10))),
            shading=rng.normal([0, 0.05, 0.10, 0.10, 0, 0], [0.09, 0.09, 0.05, 0.05, 0.04, 0.05]),
            leak=float(rng.uniform(0.02, 0.05)),
            failure=float(rng.uniform(0.15, 0.5)) if moved[0] < 0.3 else 0.0,
            ghost=float(rng.uniform(0.03, 0.08)) if moved[1] < 0.15 else 0.0,
            ghost_period=float(rng.uniform(2.6, 7.0)),
            ghost_phase=float(rng.uniform(0, 2 * np.pi)),
        )


def acquire(
    anatomy: Anatomy,
    sequence: str,
    rng: np.random.Generator,
    *,
    matrix: int = MATRIX,
    image: str = "water",
    protocol: str = DEFAULT,
) -> np.ndarray:
    """Return the magnitude images of one sequence.

    Parameters
    ----------
    sequence : {"t2w", "t1c"}
    rng : numpy.random.Generator
        Its state decides on noise, coil and artefacts.
    matrix : int
        Rows and columns of the reconstruction, at least the acquired 320.
    image : {"water", "fat"}
        Which of the two Dixon images.
    protocol : str
        Key of `protocols.PROTOCOLS`.

    Returns
    -------
    ndarray of uint16, shape (slices, matrix, matrix)
        At most 4095.

    Raises
    ------
    ValueError
        If the matrix is smaller than the acquired one.
    """
    if matrix < anatomy.top.shape[-1]:
        raise ValueError(f"matrix is {matrix}; at least {anatomy.top.shape[-1]} was acquired")
    installation = PROTOCOLS[protocol]
    scan = Scan.draw(rng, installation)
    tables = signals(sequence, installation)
    signal = _contrast(anatomy, tables if image == "water" else tables[::-1], scan, image)
    signal *= _coil(anatomy, scan)
    magnitude = _reconstruct(signal, scan, rng, matrix, installation.blur)
    magnitude *= scan.gain
    return np.minimum(magnitude + 0.5, MAXIMUM).astype(np.uint16)


def _contrast(
    anatomy: Anatomy, tables: tuple[np.ndarray, np.ndarray], scan: Scan, image: str
) -> np.ndarray:
    """Return the signal per acquired pixel from the tables of what is wanted and what leaks in."""
    wanted, unwanted = tables
    share = anatomy.share * np.float32(1 / 255)
    signal = _mixed(wanted + scan.leak * unwanted, anatomy, share)
    for index, extra in _fat_failures(anatomy, scan) if image == "water" else ():
        signal[index] += extra * _mixed(unwanted, anatomy, share, index)
    signal *= anatomy.texture
    return signal


def _mixed(table: np.ndarray, anatomy: Anatomy, share: np.ndarray, index=slice(None)) -> np.ndarray:
    below = table[anatomy.below[index]]
    return below + share[index] * (table[anatomy.top[index]] - below)


def _fat_failures(anatomy: Anatomy, scan: Scan) -> list[tuple[int, np.ndarray]]:
    """Return, per slice concerned, the share of fat that suppression leaves."""
    mm = _grid_mm(anatomy)
    extra = [
        (
            failure.index,
            failure.share
            * np.outer(
                np.exp(-(((mm - failure.y) / failure.radius) ** 2)),
                np.exp(-(((mm - failure.x) / failure.radius) ** 2)),
            ),
        )
        for failure in anatomy.fat_failures
    ]
    if scan.failure:  # where neck and shoulder meet the air
        lowest = scan.failure / (1 + np.exp(-(np.abs(mm) - 45) / 6))
        extra.append((0, np.broadcast_to(lowest, (len(mm), len(mm)))))
    return [(index, field.astype(np.float32)) for index, field in extra]


def _grid_mm(anatomy: Anatomy) -> np.ndarray:
    size = anatomy.top.shape[-1]
    return (np.arange(size) - size / 2) * anatomy.pixel_mm


def _coil(anatomy: Anatomy, scan: Scan) -> np.ndarray:
    """Return the coil's sensitivity, brighter towards the surface."""
    u = (_grid_mm(anatomy) / 80).astype(np.float32)
    a, b, c, d, e, f = scan.shading.astype(np.float32)
    x, y = u[None, :], u[:, None]
    field = a * x + b * y + c * x**2 + d * y**2 + e * x * y
    z = np.linspace(-1, 1, len(anatomy.top), dtype=np.float32)[:, None, None]
    return np.exp(field - 0.12)[None] * np.exp(f * z - 0.06 * z**2)


def _reconstruct(
    signal: np.ndarray, scan: Scan, rng: np.random.Generator, matrix: int, blur: float
) -> np.ndarray:
    """Acquire k-space with noise, filter it, fill it with zeros and return the magnitude."""
    n, size, _ = signal.shape
    half, lines = size // 2, PHASE_LINES // 2
    k = fft.fft2(signal)
    k = np.concatenate([k[:, :lines], k[:, -lines:]], axis=1)
    sigma = size / scan.snr  # the transform adds up size x size pixels
    k += sigma * rng.standard_normal((*k.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    rows = fft.ifftshift(np.arange(-lines, lines))
    weight = _taper(rows / lines, blur)
    if scan.ghost:
        weight = weight * (
            1 + scan.ghost * np.cos(2 * np.pi * rows / scan.ghost_period + scan.ghost_phase)
        )
    columns = fft.ifftshift(np.arange(-half, half))
    k *= (weight[:, None] * _taper(columns / half, blur)).astype(np.float32)
    wide = np.zeros((n, PHASE_LINES, matrix), np.complex64)
    wide[..., :half], wide[..., -half:] = k[..., :half], k[..., half:]
    wide = fft.ifft(wide, axis=2, overwrite_x=True)
    tall = np.zeros((n, matrix, matrix), np.complex64)
    tall[:, :lines], tall[:, -lines:] = wide[:, :lines], wide[:, lines:]
    tall = fft.ifft(tall, axis=1, overwrite_x=True)
    return np.abs(tall) * np.float32((matrix / size) ** 2)


def _taper(frequency: np.ndarray, blur: float) -> np.ndarray:
    """Return the weights of the spatial frequencies (1 = edge of k-space).

    Decay of the echo train and thick slices blur a little; the scanner's filter against ringing
    falls to one half at the edge.
    """
    rise = np.clip((np.abs(frequency) - 0.6) / 0.4, 0, 1)
    return (0.75 + 0.25 * np.cos(np.pi * rise)) * np.exp(-blur * frequency**2)


# --- a patient's images -------------------------------------------------------------------------


def enlarge(share: np.ndarray, matrix: int) -> np.ndarray:
    """Return a mask on the reconstructed pixels: more than half covered (bilinear).

    Parameters
    ----------
    share : ndarray of uint8, shape (slices, n, n)

    Returns
    -------
    ndarray of bool, shape (slices, matrix, matrix)
    """
    mask = np.zeros((len(share), matrix, matrix), dtype=bool)
    size = share.shape[-1]
    position = np.arange(matrix) * size / matrix
    low = np.minimum(position.astype(int), size - 2)
    weight = (position - low).astype(np.float32)
    for plane, out in zip(share, mask, strict=True):
        rows = np.flatnonzero(plane.any(axis=1))
        columns = np.flatnonzero(plane.any(axis=0))
        if not len(rows):
            continue
        i = np.flatnonzero((low >= rows[0] - 1) & (low <= rows[-1]))
        j = np.flatnonzero((low >= columns[0] - 1) & (low <= columns[-1]))
        value = plane.astype(np.float32)
        tall = value[low[i]] + weight[i, None] * (value[low[i] + 1] - value[low[i]])
        both = tall[:, low[j]] + weight[j] * (tall[:, low[j] + 1] - tall[:, low[j]])
        out[np.ix_(i, j)] = both > 127.5
    return mask


def scan_stream(patient: Patient, timepoint: str, sequence: str) -> np.random.Generator:
    """Return the random generator of one acquisition."""
    return stream(patient, "scan", timepoint, sequence)


def suggested_boxes(
    anatomy: Anatomy, masks: np.ndarray, rng: np.random.Generator, matrix: int
) -> np.ndarray:
    """Return one rectangle per slice around tumour, nodes and their surroundings.

    About 400 x 200 pixels at a matrix of 512, as in the paper (2.3); wider or taller where tumour
    or nodes are. The jitter does not depend on stage or outcome.

    Parameters
    ----------
    masks : ndarray of bool, shape (slices, matrix, matrix)
        Tumour or node.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (slices, 4)
        x0, y0, x1, y1, half-open.
    """
    per_mm = matrix / anatomy.field_of_view_mm
    centre = anatomy.bend(np.array(TARGET)) * per_mm + matrix / 2
    unit = matrix / 512
    boxes = np.empty((len(masks), 4), dtype=int)
    for index, mask in enumerate(masks):
        jitter = np.clip(rng.normal(0, 6, 4), -14, 14) * unit
        box = np.array([centre[0] - 196 * unit, centre[1] - 96 * unit,
                        centre[0] + 196 * unit, centre[1] + 96 * unit])  # fmt: skip
        if mask.any():
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            margin = 14 * unit
            box[:2] = np.minimum(box[:2], [columns[0] - margin, rows[0] - margin])
            box[2:] = np.maximum(box[2:], [columns[-1] + margin, rows[-1] + margin])
        boxes[index] = np.clip(np.rint(box + jitter), 0, matrix)
    return boxes


def render(patient: Patient, timepoint: str, *, matrix: int = MATRIX) -> dict[str, np.ndarray]:
    """Draw the images of one patient at one time point, in memory.

    Parameters
    ----------
    timepoint : {"pre", "mid", "post"}
    matrix : int
        Rows and columns.

    Returns
    -------
    dict
        ``t2w`` and ``t1c``: uint16 (7, matrix, matrix); ``tumour`` and ``nodes``: bool, the same
        shape; ``box``: int (7, 4), x0, y0, x1, y1. Slices from below upwards, as
        `dicom.read_series` sorts them.
    """
    anatomy = draw_anatomy(patient, timepoint)
    tumour, nodes = enlarge(anatomy.tumour, matrix), enlarge(anatomy.nodes, matrix)
    boxes = suggested_boxes(anatomy, tumour | nodes, stream(patient, "box", timepoint), matrix)
    images = {
        sequence: acquire(anatomy, sequence, scan_stream(patient, timepoint, sequence),
                          matrix=matrix)
        for sequence in SEQUENCES
    }  # fmt: skip
    return {**images, "tumour": tumour, "nodes": nodes, "box": boxes}


def random_patient(rng: np.random.Generator, index: int) -> Patient:
    """Return a patient who belongs to no study (identifier ``PRE-...``), for pretraining."""
    return Patient(
        patient_id=f"PRE-{index:05d}",
        sex="M" if rng.random() < 0.7 else "F",
        age_years=int(rng.integers(18, 76)),
        t_category=int(rng.integers(1, 5)),
        n_category=int(rng.integers(0, 4)),
        aggressiveness=float(rng.standard_normal()),
        residual=float(rng.standard_normal()),
        seed=int(rng.integers(0, 2**31 - 1)),
    )


LEVEL_NAMES = tuple(name for name, _ in LEVELS)
