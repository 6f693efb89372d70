"""Hidden biology and survival of the synthetic patients.

The model is a proportional-hazards Weibull. Two latents, drawn in the images and written in no
study table, carry most of the prognosis: ``aggressiveness`` (seen before treatment) and
``residual`` (how much tumour is left, seen after it).

Coefficients come from published effects where there are any: residual tumour at the end of
radiotherapy HR 2.21 (1.40-3.48) in 358 patients, plasma EBV DNA >= 4000 copies/mL HR 3.32
(1.80-6.14) in 404, about 1.02 per year of age, 1.1 per T level and 1.4 per N level.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq

DAYS_PER_MONTH = 30.4375
EBV_CUTOFF = 4000  # copies/mL

# Progression is recorded at the next review. Recorded survival at 36 months therefore equals the
# hidden one somewhat earlier; the lag is read off 100 seeds.
DETECTION_LAG_MONTHS = 1.0

# Which of the possible cohorts a seed stands for. Of 200 values, 35 brings the default cohort (seed
# 2022) nearest to the targets and averages of its model among those in which the paper's order of
# models can be seen at all: with some 56 events, C-indexes of single cohorts spread by 0.03
# (`benchmarks/calibrate_cohort.py --choose 200`, which asks no network).
SERIES = 35

# Failure types in the order of the hidden event times: 10 distant in every 14 (71 %).
EVENT_BLOCK = ("distant",) * 10 + ("local",) * 2 + ("regional", "death")


@dataclass(frozen=True, kw_only=True)
class HazardModel:
    """Log hazard ratios per unit, Weibull shape and the survival it is scaled to.

    The presets differ only in ``n_category``, ``aggressiveness``, ``residual`` and ``inherited``.

    Attributes
    ----------
    t_category, n_category : float
        Per T level (1 to 4) and N level (0 to 3).
    aggressiveness, residual : float
        Per standard deviation of the latent.
    inherited : float
        Correlation of residual with aggressiveness: how much of what is left after treatment could
        have been told before it.
    age, male, ebv_high : float
        Per year, for men, and for EBV DNA of at least 4000 copies/mL.
    shape : float
        Weibull shape.
    pfs_36_months : float
        Progression-free survival of the 206 patients at three years, as recorded at reviews.
    """

    n_category: float
    aggressiveness: float
    residual: float
    inherited: float = 0.5
    t_category: float = 0.15
    age: float = 0.017
    male: float = 0.30
    ebv_high: float = 0.60
    shape: float = 1.15
    pfs_36_months: float = 0.76

    def linear_predictor(self, people: pd.DataFrame) -> np.ndarray:
        """Log relative hazard of each row of ``people``.

        Parameters
        ----------
        people : DataFrame
            Columns t, n (integers), age_years, sex, ebv_high, aggressiveness, residual.

        Returns
        -------
        ndarray, shape (n,)
        """
        return (
            self.t_category * (people["t"].to_numpy() - 2.6)
            + self.n_category * (people["n"].to_numpy() - 1.9)
            + self.age * (people["age_years"].to_numpy() - 50)
            + self.male * ((people["sex"] == "M").to_numpy() - 0.71)
            + self.ebv_high * (people["ebv_high"].to_numpy() - 0.4)
            + self.aggressiveness * people["aggressiveness"].to_numpy()
            + self.residual * people["residual"].to_numpy()
        )

    def scale(self, linear_predictor: np.ndarray) -> float:
        """Weibull scale in months at which the mean recorded survival is ``pfs_36_months``."""
        months = 36.0 - DETECTION_LAG_MONTHS

        def excess(log_scale: float) -> float:
            hazard = (months / np.exp(log_scale)) ** self.shape * np.exp(linear_predictor)
            return float(np.exp(-hazard).mean() - self.pfs_36_months)

        return float(np.exp(brentq(excess, 0.0, 12.0)))


# `literature` has the published effects. `paper_like` reproduces the paper's three C-indexes
# (0.717, 0.811 and, for both together, 0.830), at the price of a residual-tumour effect far above
# the published one, and of a residual that aggressiveness tells less about: with the correlation
# of `literature` the vote of two models could gain next to nothing over the second one.
PRESETS = {
    "paper_like": HazardModel(n_category=0.30, aggressiveness=0.80, residual=1.40, inherited=0.2),
    "literature": HazardModel(n_category=0.35, aggressiveness=0.35, residual=0.60),
}


def stream(seed: int, name: str) -> np.random.Generator:
    """Random generator of one named step: steps stay independent of one another."""
    return np.random.default_rng([seed, SERIES, zlib.crc32(name.encode())])


def standardised(values: np.ndarray) -> np.ndarray:
    """Values shifted and scaled to mean 0 and standard deviation 1."""
    return (values - values.mean()) / values.std()


def draw_latents(
    people: pd.DataFrame, rng: np.random.Generator, *, inherited: float
) -> pd.DataFrame:
    """Aggressiveness (rises with T and N) and residual (partly inherited from it), standardised."""
    spread = rng.standard_normal((2, len(people)))
    z_t = standardised(people["t"].to_numpy(float))
    z_n = standardised(people["n"].to_numpy(float))
    aggressiveness = standardised(0.35 * z_t + 0.25 * z_n + 0.9 * spread[0])
    independent = np.sqrt(1 - inherited**2) * spread[1]
    residual = standardised(inherited * aggressiveness + independent)
    return pd.DataFrame(
        {"aggressiveness": aggressiveness, "residual": residual}, index=people.index
    )


def draw_ebv(people: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Plasma EBV DNA: ``ebv_high`` (bool) and copies per mL (integer, 0 = not detected)."""
    n = len(people)
    logit = -0.6 + 0.35 * (people["n"].to_numpy() - 2) + 0.2 * (people["t"].to_numpy() - 2.5)
    high = rng.random(n) < 1 / (1 + np.exp(-logit))
    decades = np.abs(rng.normal(0.0, 0.7, n))
    copies = np.where(high, EBV_CUTOFF * 10**decades, (EBV_CUTOFF - 1) * 10**-decades)
    detected = high | (rng.random(n) < 0.6)
    return pd.DataFrame(
        {"ebv_high": high, "ebv_copies": np.where(detected, copies, 0).round().astype(int)},
        index=people.index,
    )


def draw_event_days(
    people: pd.DataFrame,
    linear_predictor: np.ndarray,
    *,
    model: HazardModel,
    strata: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Hidden days from the start of treatment to progression or death.

    Survival quantiles are spread evenly within each stratum (one in each of its n-quantiles, in
    random order): every seed's cohort then has the survival it was scaled to, stratum by stratum,
    and not that of a lucky or unlucky draw.

    Parameters
    ----------
    people : DataFrame, n rows
    linear_predictor : ndarray, shape (n,)
    strata : ndarray, shape (n,)
        Stage group of each patient.

    Returns
    -------
    ndarray, shape (n,)
        Whole days, at least 1.
    """
    quantile = np.empty(len(people))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        order = rng.permutation(len(members))
        quantile[members] = (order + rng.random(len(members))) / len(members)
    scale = model.scale(linear_predictor)
    hazard = -np.log1p(-quantile) * np.exp(-linear_predictor)
    months = scale * hazard ** (1 / model.shape)
    return np.maximum(np.rint(np.minimum(months, 1200) * DAYS_PER_MONTH), 1).astype(int)


def draw_event_types(
    event_days: np.ndarray, first_review: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Type of each hidden event: distant, local, regional or death.

    Shuffled blocks of 14 along the event times keep the mix constant. A death that would precede
    the first review changes places with the last event of its block: a patient without a review
    has no second MRI.
    """
    types = np.empty(len(event_days), dtype=object)
    order = np.argsort(event_days, kind="stable")
    for start in range(0, len(order), len(EVENT_BLOCK)):
        members = order[start : start + len(EVENT_BLOCK)]
        types[members] = rng.permutation(EVENT_BLOCK)[: len(members)]
        early = members[event_days[members] <= first_review[members] + 7]
        for i in early[types[early] == "death"]:
            types[i], types[members[-1]] = types[members[-1]], "death"
    types[(types == "death") & (event_days <= first_review + 7)] = "distant"
    return types
