"""What the image generator needs to know of one synthetic patient."""

from dataclasses import dataclass

TRUTH = "data/truth.csv"  # what the generator knows of the patients of a study
COURSE = {"pre": 0.0, "mid": 0.5, "post": 1.0}
"""How much of the treatment is over at each examination. A study has the first and the last."""


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One synthetic patient, enough to draw every one of their images.

    Attributes
    ----------
    patient_id : str
        Identifier, for instance ``"SYN-0001"``.
    sex : {"M", "F"}
    t_category, n_category : int
        AJCC T (1 to 4; 0 for no primary tumour, see `what_if`) and N (0 to 3).
    aggressiveness : float
        Standardised latent drawn in the pre-treatment image (volume, necrosis, ragged margin,
        uneven texture).
    residual : float
        Standardised latent drawn in the post-treatment image (how much tumour is left).
    seed : int
        Seed of the anatomy; independent of every other attribute.
    vendor : str
        Tag style of the files: ``"A"`` (most patients), ``"B"`` or ``"C"``.
    """

    patient_id: str
    sex: str
    age_years: int
    t_category: int
    n_category: int
    aggressiveness: float
    residual: float
    seed: int
    vendor: str = "A"
