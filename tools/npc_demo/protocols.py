"""How a scanner measures: field strength, timing and quality of one installation.

The demonstration study has one protocol. The others exist to teach what goes wrong when images of
two kinds meet: an upgrade of the scanner in the middle of a study, and a second centre.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sequence:
    """Spin-echo timing in milliseconds, and whether contrast has been given."""

    tr: float
    te: float
    contrast: bool
    echo_train: int


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One installation.

    Attributes
    ----------
    field_t : float
        Field strength in tesla.
    t1_factor, t2_factor, relaxivity_factor : float
        Relaxation times and relaxivity relative to 1.5 T.
    snr : tuple of float
        Range of the signal of muscle over the noise.
    gain : float
        Stored value of muscle, on average.
    blur : float
        Loss at the edge of k-space (0 = none); more echoes in a train, more loss.
    """

    field_t: float
    t2w: Sequence
    t1c: Sequence
    t1_factor: float = 1.0
    t2_factor: float = 1.0
    relaxivity_factor: float = 1.0
    snr: tuple[float, float] = (22.0, 40.0)
    gain: float = 110.0
    blur: float = 0.9

    def sequence(self, name: str) -> Sequence:
        """Return the timing of ``"t2w"`` or ``"t1c"``."""
        return {"t2w": self.t2w, "t1c": self.t1c}[name]


# The paper (2.2) names the scanner (1.5 T) and the sequences, not their timing; this is typical of
# fast spin echo with Dixon water images. At 3 T, T1 of soft tissue is about a fifth longer, T2 a
# tenth shorter (Stanisz et al. 2005) and r1 of gadobutrol 4.5 instead of 4.8.
PROTOCOLS = {
    "1.5T": Protocol(
        field_t=1.5, t2w=Sequence(4000, 90, False, 16), t1c=Sequence(620, 10, True, 3)
    ),
    "1.5T upgraded": Protocol(
        field_t=1.5,
        t2w=Sequence(4200, 78, False, 14),
        t1c=Sequence(560, 9, True, 3),
        snr=(36.0, 55.0),
        gain=140.0,
        blur=0.4,
    ),
    "3T": Protocol(
        field_t=3.0,
        t2w=Sequence(4600, 84, False, 18),
        t1c=Sequence(680, 9, True, 4),
        t1_factor=1.2,
        t2_factor=0.9,
        relaxivity_factor=0.94,
        snr=(34.0, 60.0),
        gain=150.0,
        blur=1.1,
    ),
}
DEFAULT = "1.5T"
