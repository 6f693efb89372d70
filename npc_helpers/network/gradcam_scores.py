"""Numbers for maps: against a known structure, over patients, and against each other.

Arrays in, numbers out; `gradcam` makes the maps.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from npc_helpers.study.schema import IMAGE_KEY

TARGETS = ("margin", "logit", "softmax")  # what a map can explain, see `gradcam.class_map`
MASK_SCORES = ["mask_share", "energy_ratio", "auprc"]
KEY = list(IMAGE_KEY)
RESAMPLES = 2000  # of the patients: the ends of a 95% interval rest on fifty each


def scores(image_map: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Measure how well one map points at a known structure.

    Only pixels that the network saw count (where the map is not NaN).

    Parameters
    ----------
    image_map : array (rows, columns)
        Signed, as `Geometry.to_image` returns it.
    mask : bool array (rows, columns)
        True on the structure.

    Returns
    -------
    dict
        mask_share: the structure's share of the pixels, which is what chance gets.
        energy_ratio: share of the map's positive mass on the structure, over mask_share, so that 1
        is chance; 0 for a map that is nowhere positive.
        auprc: average precision of the pixel values; mask_share is chance.

    Raises
    ------
    ValueError
        If the shapes differ, or the network saw no pixel of the structure.
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.shape != image_map.shape:
        raise ValueError(f"map {image_map.shape} and mask {mask.shape} have different shapes.")
    seen = np.isfinite(image_map)
    values, truth = image_map[seen].astype(float), mask[seen]
    if not truth.any():
        raise ValueError("no pixel of the structure lies inside the region; nothing to score.")
    positive, share = np.maximum(values, 0), float(truth.mean())
    energy = positive[truth].sum() / positive.sum() if positive.any() else 0.0
    return {
        "mask_share": share,
        "energy_ratio": float(energy / share),
        "auprc": _average_precision(values, truth),
    }


def _average_precision(values: np.ndarray, truth: np.ndarray) -> float:
    """As scikit-learn's ``average_precision_score``; of so few pixels in a tenth of the time."""
    order = np.argsort(-values)  # the order of equal values does not matter
    last_of_ties = np.flatnonzero(np.diff(values[order], append=np.nan) != 0)
    taken, hits = last_of_ties + 1, np.cumsum(truth[order])[last_of_ties]
    return float((np.diff(hits, prepend=0) * hits / taken).sum() / truth.sum())


def patient_summary(table: pd.DataFrame, *, columns: Sequence[str]) -> pd.DataFrame:
    """Average image scores per patient, then over patients, with a bootstrap over patients.

    Images of one patient resemble each other; resampling images would make the intervals far
    too narrow, and averaging over images would count patients by their number of slices.

    Parameters
    ----------
    table : DataFrame
        Of `gradcam_bench.score_table`.
    columns : sequence of str

    Returns
    -------
    DataFrame
        One row per timepoint, map and score: timepoint, map, score, mean, low, high (percentile
        interval), n_patients (with at least one value), n_images.
    """
    rows = []
    for key, values in _long(table, columns).groupby(["timepoint", "map", "score"], sort=False):
        means = values.groupby("patient_id")["value"].mean().to_numpy()
        low, high = _interval(means)
        images = len(values[KEY].drop_duplicates())
        rows.append((*key, means.mean(), low, high, len(means), images))
    names = ["timepoint", "map", "score", "mean", "low", "high", "n_patients", "n_images"]
    return pd.DataFrame(rows, columns=names)


def patient_differences(
    table: pd.DataFrame, reference: str, *, columns: Sequence[str]
) -> pd.DataFrame:
    """Compare one map with each of the others in the same patients.

    Parameters
    ----------
    table : DataFrame
        Of `gradcam_bench.score_table`.
    reference : str
        Name of the map that is compared.
    columns : sequence of str

    Returns
    -------
    DataFrame
        One row per timepoint, other map and score: timepoint, map, score, difference (reference
        minus the other, mean over patients), low, high, n_patients.
    """
    key = ["timepoint", "score", "patient_id", "map"]
    means = _long(table, columns).groupby(key, sort=False)["value"].mean().unstack("map")
    rows = []
    for compared in means.columns.drop(reference):
        paired = (means[reference] - means[compared]).dropna()
        for (timepoint, score), values in paired.groupby(key[:2], sort=False):
            low, high = _interval(values.to_numpy())
            rows.append((timepoint, compared, score, values.mean(), low, high, len(values)))
    names = ["timepoint", "map", "score", "difference", "low", "high", "n_patients"]
    return pd.DataFrame(rows, columns=names)


def _long(table: pd.DataFrame, columns) -> pd.DataFrame:
    """One row per image, map and score; scores that are not there are left out."""
    numbers = table.astype(dict.fromkeys(columns, float))
    return numbers.melt([*KEY, "map"], list(columns), var_name="score").dropna()


def _interval(means: np.ndarray) -> np.ndarray:
    """95% percentile interval of the mean over patients, the same in every run."""
    drawn = np.random.default_rng(0).choice(means, size=(RESAMPLES, len(means)))
    return np.percentile(drawn.mean(axis=1), [2.5, 97.5])


def similarity(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare maps pairwise: structural similarity and rank correlation over the cells.

    Each map is divided by its largest absolute value. A map has a few dozen cells, so the
    structural similarity (Wang et al. 2004, range 2) takes one window, the whole map. A pair
    with a constant map has rank correlation 0.

    Returns
    -------
    ssim, rank_correlation : array (n,)
        Both 1 for equal maps.
    """
    a, b = (_unit(maps.reshape(len(maps), -1).astype(float)) for maps in (first, second))
    small_1, small_2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    means, variances = (a.mean(1), b.mean(1)), (a.var(1), b.var(1))
    covariance = (a * b).mean(1) - means[0] * means[1]
    ssim = (2 * means[0] * means[1] + small_1) * (2 * covariance + small_2)
    ssim /= (means[0] ** 2 + means[1] ** 2 + small_1) * (sum(variances) + small_2)
    ranks = [rankdata(x, axis=1) for x in (a, b)]
    ranks = [x - x.mean(1, keepdims=True) for x in ranks]
    norm = np.sqrt((ranks[0] ** 2).sum(1) * (ranks[1] ** 2).sum(1))
    return ssim, (ranks[0] * ranks[1]).sum(1) / np.where(norm > 0, norm, 1)


def _unit(maps: np.ndarray) -> np.ndarray:
    highest = np.abs(maps).max(axis=1, keepdims=True)
    return maps / np.where(highest > 0, highest, 1)
