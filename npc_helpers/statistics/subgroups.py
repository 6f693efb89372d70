"""Does a score mean the same in all kinds of patients? Subgroups, and what remains of them.

The estimates of small subgroups scatter although nothing differs. An empirical Bayes estimate
draws each towards the common value, the more so the less it rests on.
"""

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import chi2

from npc_helpers.statistics.cox import RATIO, fit_cox
from npc_helpers.statistics.estimate import Z95
from npc_helpers.statistics.gate import TooFewPatients, checked, each, groups, standardised


def subgroup_hazard_ratios(time, event, risk_score, characteristics: pd.DataFrame) -> pd.DataFrame:
    """Hazard ratio of a score in each subgroup, as it is and shrunken towards the common one.

    Parameters
    ----------
    characteristics : DataFrame, shape (n, k)
        One column for each way to divide the patients: sex, T1 to T2 against T3 to T4.

    Returns
    -------
    DataFrame
        One row per level: characteristic, level, n, events; hazard_ratio, low, high (per standard
        deviation of the score in all patients); shrunken, shrunken_low, shrunken_high; p (the
        interaction: is it the same on all levels?). Where a subgroup is too small for a Cox
        model, its hazard ratios are NaN. ``attrs["tau"]`` as in `shrink`.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 20, 25, 30, 7, 12], [1, 1, 1, 1, 0, 0, 1, 1]
    >>> sex = pd.DataFrame({"sex": list("MFMFMFMF")})
    >>> table = subgroup_hazard_ratios(months, progressed, [3, 4, 1, 2, 2, 1, 4, 5], sex)
    >>> table[["level", "n", "events"]].values.tolist()
    [['F', 4, 3], ['M', 4, 3]]
    """
    kinds = each(characteristics, "characteristic {}", groups)
    time, event, score, *levels = checked(time=time, event=event, risk_score=risk_score, **kinds)
    scaled = pd.DataFrame({"score": standardised(score)})
    rows = []
    for title, values in zip(characteristics, levels, strict=True):
        for level in sorted(pd.unique(values)):
            members = values == level
            row = {"characteristic": title, "level": level, "n": int(members.sum())}
            row |= {"events": int(event[members].sum())}
            try:
                part = time[members], event[members], scaled[members]
                ratios = fit_cox(*part).table.loc["score", RATIO]
            except TooFewPatients:
                ratios = dict.fromkeys(RATIO, np.nan)
            rows.append(row | dict(ratios))
    table = pd.DataFrame(rows)
    estimated = table["hazard_ratio"].notna()
    if not estimated.any():
        raise TooFewPatients("no subgroup has enough patients with progression for a Cox model")
    ratio, low, high = np.log(table.loc[estimated, RATIO].to_numpy(dtype=float)).T
    error = (high - low) / (2 * Z95)
    family = table.loc[estimated, "characteristic"].to_numpy()
    shrunken = shrink(ratio, error, family)
    for end, column in (("", "effect"), ("_low", "low"), ("_high", "high")):
        table.loc[estimated, f"shrunken{end}"] = np.exp(shrunken[column].to_numpy())
    table.loc[estimated, "p"] = shrunken["p"].to_numpy()
    table.attrs["tau"] = shrunken.attrs["tau"]
    return table


def shrink(effect, error, family) -> pd.DataFrame:
    """Draw each effect (n,) towards the mean of its family, the more the less is known of it.

    Normal-normal model: true effects have the spread τ about the mean μ of their family, estimates
    have their standard errors s about the true effects. The shrunken estimate is λ y + (1 − λ) μ
    with λ = τ² / (τ² + s²). τ is that of Paule and Mandel (J Res Natl Bur Stand 1982;87:377), and
    one for all families: the Q statistics of all together have their expectation.

    A family (the levels of one characteristic) comes from different patients. Returns a table of
    effect, low, high (shrunken), common (μ) and p (of Cochran's Q in the family: are its effects
    the same?), and τ as ``attrs["tau"]``.
    """
    codes = pd.factorize(family)[0]  # (n,)
    freedom = len(effect) - codes.max() - 1
    if freedom < 1:
        raise TooFewPatients("each family has one effect only, so there is nothing to compare")

    def means(tau2):
        weight = 1 / (error**2 + tau2)
        total = np.bincount(codes, weight)
        return (np.bincount(codes, weight * effect) / total)[codes], (1 / total)[codes]

    def excess(tau2):
        return ((effect - means(tau2)[0]) ** 2 / (error**2 + tau2)).sum() - freedom

    highest = max(np.ptp(effect) ** 2 * len(effect), 1e-12)
    tau2 = brentq(excess, 0, highest, xtol=1e-14, rtol=1e-12) if excess(0) > 0 else 0.0
    common, variance = means(tau2)
    weight = tau2 / (tau2 + error**2)
    shrunken = weight * effect + (1 - weight) * common
    half = Z95 * np.sqrt(weight * error**2 + (1 - weight) ** 2 * variance)
    q = np.bincount(codes, (effect - means(0)[0]) ** 2 / error**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(np.bincount(codes) > 1, chi2.sf(q, np.bincount(codes) - 1), np.nan)[codes]
    columns = {"effect": shrunken, "low": shrunken - half, "high": shrunken + half}
    table = pd.DataFrame(columns | {"common": common, "p": p})
    table.attrs["tau"] = float(np.sqrt(tau2))
    return table
