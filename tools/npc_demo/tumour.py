"""Where a nasopharyngeal carcinoma and its nodes grow, and what treatment leaves of them.

The tumour is the sum of smooth lobes in the canonical head; a T category adds the lobes, and allows
the tissues, that its AJCC definition (8th edition) names. Its outline is the level set of that sum
plus a random field, so it is ragged and never an ellipse. Nodes are bumpy ellipsoids at the levels
and on the sides their N category names.
"""

from dataclasses import dataclass

import numpy as np

from npc_demo.habitus import stream
from npc_demo.patient import Patient
from npc_demo.tissues import CODE, NAMES

# x, y, z and their radii in canonical millimetres; x is towards the side of the tumour, z upwards
# from the level of the sphenoid sinus (fossa of Rosenmueller: -12). First T category that has it.
LOBES = (
    (1, "fossa", (12, -13, -14), (9, 7.5, 10)),
    (1, "roof", (3, -9, -11), (11, 5, 9)),
    (2, "parapharyngeal", (23, -14, -18), (11, 9, 12)),
    (2, "prevertebral", (7, -1, -16), (10, 5.5, 11)),
    (3, "clivus", (4, 8, -8), (14, 9, 10)),
    (3, "pterygoid", (18, -31, -11), (8, 9, 8)),
    (3, "sphenoid", (4, -16, 0), (13, 11, 8)),
    (4, "cavernous", (19, -5, 0), (12, 11, 8)),
    (4, "parasellar", (13, -17, 10), (9, 9, 8)),
    (4, "middle_fossa", (34, -10, 2), (13, 11, 8)),
    (4, "masticator", (37, -24, -14), (15, 12, 12)),
)

_T1 = ("airway", "mucosa", "mucositis", "adenoid", "cartilage", "granulation", "scar")
_T2 = (*_T1, "fat", "strand", "muscle", "benign_node", "tongue")
_T3 = (*_T2, "cortex", "clivus", "marrow", "diploe", "sinus_air", "disc", "treated_marrow")
_T4 = (
    *_T3,
    "vein",
    "csf",
    "grey_matter",
    "white_matter",
    "parotid",
    "mastoid_air",
    "treated_parotid",
    "fluid",
    "wall",
    "pituitary",
)
INVADES = {0: (), 1: _T1, 2: _T2, 3: _T3, 4: _T4}
MARROW = ("clivus", "marrow", "diploe")
NODES_REPLACE = (
    "fat",
    "muscle",
    "submandibular",
    "parotid",
    "jugular",
    "benign_node",
    "vein",
    "strand",
)


def tissue_mask(names: tuple[str, ...]) -> np.ndarray:
    """Return a look-up table: True for the codes of these tissues."""
    table = np.zeros(len(NAMES), dtype=bool)
    table[[CODE[name] for name in names]] = True
    return table


def shrinkage(residual: float) -> float:
    """Return what is left of the primary's radius after treatment, from the standardised latent.

    Linear, so that the visible residual grows steadily with it: nothing is left below -1.56, half
    of the radius at the mean, everything above 1.56.
    """
    return float(np.clip(0.5 + 0.32 * residual, 0.0, 1.0))


def pace(patient: Patient) -> float:
    """Return the share of the whole shrinkage that a tumour has reached in mid-course.

    Some tumours melt early, others late, whatever is left in the end: drawn from the patient's
    seed alone. So the middle of the course foretells its end, and not exactly.
    """
    return float(stream(patient, "pace").uniform(0.1, 0.9))


@dataclass(frozen=True)
class Growth:
    """The lobes and nodes of one patient at one time point, in canonical millimetres.

    Attributes
    ----------
    lobes : ndarray, shape (n, 6)
        Centre x, y, z and radii of what is tumour now.
    bed : ndarray, shape (n, 6)
        Where scar and granulation are after treatment: the former tumour, shrunken; None before.
    nodes : ndarray, shape (m, 7)
        Centre, radii and share of the radius that is necrotic.
    ragged, necrosis, uneven : float
        Strength of the margin's random field; threshold of necrosis; texture relative to usual.
    """

    lobes: np.ndarray
    bed: np.ndarray | None
    nodes: np.ndarray
    ragged: float
    necrosis: float
    uneven: float
    t_category: int


def grow(patient: Patient, timepoint: str, rng: np.random.Generator) -> Growth:
    """Return tumour and nodes of a patient before, half-way through or after treatment.

    Margin, texture and necrosis tell the aggressiveness before treatment only. Treatment leaves
    oedema, fibrosis and dead tissue of its own, so that afterwards they are drawn anew: what those
    images tell is how much is left.

    Parameters
    ----------
    timepoint : {"pre", "mid", "post"}
    rng : numpy.random.Generator
        In the same state for all time points: the draws do not depend on the patient's stage or
        latents, so that of two patients with one seed the worse one always has more tumour.
    """
    side = 1.0 if rng.random() < 0.5 else -1.0
    spread = rng.standard_normal((len(LOBES), 6)) * [1.2, 1.0, 1.0, 0.07, 0.07, 0.07]
    overall = float(np.exp(0.08 * rng.standard_normal()))
    a = float(np.clip(patient.aggressiveness, -2.5, 2.5))
    size = overall * np.exp(0.11 * a) * (0.86 + 0.05 * patient.t_category)
    lobes = []
    for (first, _, centre, radii), noise in zip(LOBES, spread, strict=True):
        if patient.t_category >= first:
            moved = (np.array(centre) + noise[:3]) * [side, 1, 1]
            lobes.append([*moved, *(np.array(radii) * (1 + noise[3:]) * size)])
    lobes = np.array(lobes).reshape(-1, 6)
    after = timepoint != "pre"
    treated = float(np.clip(rng.standard_normal(), -2.5, 2.5))
    look = treated if after else a
    nodes = _nodes(patient.n_category, side, a, look, rng)
    left, left_of_nodes = shrinkage(patient.residual), _shrinkage_of_nodes(patient.residual)
    if timepoint == "mid":
        left, left_of_nodes = (1 - pace(patient) * (1 - end) for end in (left, left_of_nodes))
    return Growth(
        lobes=_shrink(lobes, left) if after else lobes,
        bed=lobes * ([1, 1, 1] + 3 * [0.6 + 0.4 * left]) if after else None,
        nodes=_shrink_nodes(nodes, left_of_nodes) if after else nodes,
        ragged=float(np.clip(0.10 + 0.045 * look, 0.04, 0.22)),
        necrosis=2.0 - 0.55 * look + (0.4 if after else 0.0),
        uneven=float(np.clip(1.7 + 0.6 * look, 0.8, 3.0)),
        t_category=patient.t_category,
    )


def _shrink(lobes: np.ndarray, left: float) -> np.ndarray:
    """Shrink the lobes, less so in height: what is left stays visible in slices 12 mm apart."""
    smaller = lobes.copy()
    smaller[:, 3:5] *= left
    smaller[:, 5] *= (0.4 + 0.6 * left) * (left > 0)
    return smaller


def _shrinkage_of_nodes(residual: float) -> float:
    return float(np.clip(0.50 + 0.26 * residual, 0.12, 1.0))


def _shrink_nodes(nodes: np.ndarray, left: float) -> np.ndarray:
    smaller = nodes.copy()
    smaller[:, 3:6] *= left
    return smaller


def _nodes(
    n_category: int, side: float, a: float, look: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the nodes: centre, radii (by aggressiveness) and necrotic share (by look).

    N1: one side, or retropharyngeal; N2: both sides; N3: beyond 6 cm, or below the cricoid (here:
    a mass along the whole jugular chain and a node at the lowest level drawn).
    """
    sites = (  # first N category, side (1 = that of the tumour), centre, radii
        (1, 1, (19.5, -4, -23), (4.6, 4.4, 7)),  # retropharyngeal
        (1, 1, (42, 1, -47), (9.5, 9.0, 13)),  # level II
        (1, 1, (44, 20, -45), (4.8, 5.2, 6)),
        (2, -1, (42, 0, -46), (8.4, 8.2, 12)),
        (2, -1, (20, -4, -24), (3.8, 3.8, 6)),
        (2, 1, (43, -4, -58), (6.5, 6.8, 8)),
        (3, 1, (44, 3, -52), (15.5, 15, 32)),  # confluent mass
        (3, -1, (43, -2, -60), (9, 9, 11)),
        (3, 1, (46, 22, -60), (7, 7, 9)),
    )
    spread = rng.standard_normal((len(sites), 7))
    nodes = []
    for (first, on, centre, radii), noise in zip(sites, spread, strict=True):
        if n_category < first:
            continue
        moved = (np.array(centre) + 1.4 * noise[:3]) * [side * on, 1, 1]
        size = np.exp(0.09 * a) * (1 + 0.08 * noise[3:6])
        necrotic = float(np.clip(0.28 + 0.24 * look + 0.08 * noise[6], 0.0, 0.8))
        nodes.append([*moved, *(np.array(radii) * size), necrotic if radii[0] > 6 else 0.0])
    return np.array(nodes).reshape(-1, 7)


def lobe_field(lobes: np.ndarray, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
    """Return the sum of the lobes: 0.5 on the surface of a lobe that stands alone.

    Parameters
    ----------
    lobes : ndarray, shape (n, 6)
    x, y : ndarray
        Canonical millimetres.
    """
    total = np.zeros_like(x)
    for cx, cy, cz, rx, ry, rz in lobes:
        if rx <= 0.3:
            continue
        height = ((z - cz) / rz) ** 2
        if height < 6:
            q = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
            q += height
            np.multiply(q, -0.6931, out=q)
            total += np.exp(q, out=q)
    return total


def node_field(node: np.ndarray, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray | None:
    """Return the distance from the node's centre relative to its surface, None off the node."""
    cx, cy, cz, rx, ry, rz = node[:6]
    height = ((z - cz) / rz) ** 2
    if height > 1.2:
        return None
    return np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + height)
