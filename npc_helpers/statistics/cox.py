"""Cox models: fit, absolute risk, the check of proportional hazards, and what a score adds.

Fitted by lifelines (Efron's rule for tied times, as R's ``coxph``).
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import chi2

from npc_helpers.statistics.concordance import c_index, compare_c_index
from npc_helpers.statistics.estimate import LEVEL, Estimate, holm
from npc_helpers.statistics.gate import (
    TooFewPatients,
    checked,
    each,
    numbers,
    of_table,
    standardised,
)
from npc_helpers.statistics.survival import ChiSquared, product_limit, steps

# lifelines stops three digits earlier than R by default, which shows in absolute risks
TO_THE_END = {"precision": 1e-14, "r_precision": 1e-15}
RATIO = ["hazard_ratio", "low", "high"]


@dataclass(frozen=True)
class CoxModel:
    """A fitted proportional hazards model.

    Attributes
    ----------
    table : DataFrame
        By covariate: coefficient, hazard_ratio, low, high, p.
    log_likelihood, null_log_likelihood : float
        Logarithm of the partial likelihood at its maximum, and with all coefficients 0.
    time, event, covariates : ndarray (n,), ndarray of bool (n,), DataFrame (n, k)
        What the model was fitted to.
    """

    table: pd.DataFrame
    log_likelihood: float
    null_log_likelihood: float
    time: np.ndarray = field(repr=False)
    event: np.ndarray = field(repr=False)
    covariates: pd.DataFrame = field(repr=False)

    @property
    def n(self) -> int:
        """Patients."""
        return len(self.time)

    @property
    def events(self) -> int:
        """Patients with progression."""
        return int(self.event.sum())

    @property
    def likelihood_ratio(self) -> ChiSquared:
        """Test of all coefficients together against none."""
        return _likelihood_ratio(self.null_log_likelihood, self.log_likelihood, len(self.table))

    @property
    def shrinkage(self) -> float:
        """Share of their strength that the coefficients may keep in new patients: 1 − k / χ².

        Van Houwelingen and le Cessie, Stat Med 1990;9:1303; χ² is that of `likelihood_ratio`. At
        0 or below the model has learned nothing that would hold elsewhere.
        """
        test = self.likelihood_ratio
        return 1 - test.degrees / test.statistic if test.statistic > test.degrees else 0.0

    @property
    def r_squared(self) -> float:
        """Cox and Snell's R², 1 − exp(−χ² / n), times `shrinkage`: what new patients may show."""
        return self.shrinkage * (1 - math.exp(-self.likelihood_ratio.statistic / self.n))

    def risk_score(self, covariates: pd.DataFrame) -> pd.Series:
        """Linear predictor x'β, centred at the patients of the fit; higher is worse."""
        kinds = dict.fromkeys(self.table.index, numbers)
        values = checked(**of_table(covariates, **kinds))
        columns = pd.DataFrame(dict(zip(kinds, values, strict=True)), covariates.index)
        score = (columns - self.covariates.mean()) @ self.table["coefficient"]
        return score.rename("risk_score")

    def p_event(self, covariates: pd.DataFrame, *, at: Sequence[float]) -> pd.DataFrame:
        """Probability of progression by the months `at`, shape (patients, months).

        1 − exp(−H(t) exp(x'β)), where the baseline cumulative hazard H steps up at each time of
        progression in the patients of the fit, as R's ``survfit(coxph)`` has it. Refused where
        nobody of the fit was observed so long.
        """
        months = np.asarray(list(at), dtype=float)
        if months.max() > self.time.max():
            raise TooFewPatients(
                f"nobody in the patients of the fit was observed for {months.max():g} months "
                f"(the longest for {self.time.max():g}); choose earlier ones"
            )
        hazard = np.exp(self.risk_score(self.covariates).to_numpy())  # (n,) of the fit, relative
        moments, jumps = _baseline_jumps(self.time, self.event, hazard)
        reached = np.searchsorted(moments, months, side="right")
        cumulative = np.concatenate([[0.0], np.cumsum(jumps)])[reached]  # (months,)
        relative = np.exp(self.risk_score(covariates).to_numpy())  # (patients,)
        risk = 1 - np.exp(-relative[:, None] * cumulative)  # (patients, months)
        return pd.DataFrame(risk, covariates.index, list(at))


def _likelihood_ratio(smaller: float, larger: float, degrees: int) -> ChiSquared:
    """Test of the larger of two nested models, from their log likelihoods."""
    gain = max(0.0, 2 * (larger - smaller))
    return ChiSquared(gain, degrees, float(chi2.sf(gain, degrees)))


def _baseline_jumps(time, event, hazard) -> tuple[np.ndarray, np.ndarray]:
    """Times of progression and the jumps of the baseline cumulative hazard there (Efron 1977).

    Patients who progress at the same time leave the risk set one by one, each a part of all.
    """
    moments = np.unique(time[event])
    jumps = np.zeros(len(moments))
    for position, moment in enumerate(moments):
        at_risk = hazard[time >= moment].sum()
        failing = hazard[event & (time == moment)]
        gone = np.arange(len(failing)) / len(failing) * failing.sum()
        jumps[position] = np.sum(1 / (at_risk - gone))
    return moments, jumps


def fit_cox(time, event, covariates: pd.DataFrame) -> CoxModel:
    """Fit h(t) = h₀(t) exp(x'β): each covariate multiplies the hazard by exp(β) per unit.

    Parameters
    ----------
    covariates : DataFrame, shape (n, k)
        Numbers only. Columns without variation cannot be estimated and are left out, with a
        warning. A covariate that separates who progressed from who did not, or repeats another,
        has no finite coefficient and is refused.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 20, 25, 30], [True, True, True, True, False, False]
    >>> model = fit_cox(months, progressed, pd.DataFrame({"T": [4, 2, 4, 3, 2, 3]}))
    >>> model.table.hazard_ratio.round(2).to_dict()
    {'T': 2.31}
    """
    time, event, *values = checked(time=time, event=event, **each(covariates, "covariate {}"))
    data = pd.DataFrame(dict(zip(map(str, covariates), values, strict=True)))
    constant = [name for name in data if data[name].nunique() < 2]
    if len(constant) == len(data.columns):
        raise TooFewPatients("no covariate varies between these patients")
    if not event.any():
        raise TooFewPatients("nobody progressed, so no hazard can be estimated")
    if constant:
        warnings.warn(f"left out, the same for everybody: {', '.join(constant)}", stacklevel=2)
    data = data.drop(columns=constant)
    fitter = _converged(data.assign(_time=time, _event=event))
    columns = {
        "coefficient": "coef",
        "hazard_ratio": "exp(coef)",
        "low": "exp(coef) lower 95%",
        "high": "exp(coef) upper 95%",
        "p": "p",
    }
    table = pd.DataFrame({name: fitter.summary[column] for name, column in columns.items()})
    maximum = float(fitter.log_likelihood_)
    gain = float(fitter.log_likelihood_ratio_test().test_statistic)
    return CoxModel(table, maximum, maximum - gain / 2, time, event, data)


def _converged(data: pd.DataFrame):
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    fitter = CoxPHFitter(alpha=1 - LEVEL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            fitter.fit(data, "_time", "_event", fit_options=TO_THE_END)
    except (ConvergenceError, ConvergenceWarning, np.linalg.LinAlgError) as error:
        names = ", ".join(data.columns[:-2])
        raise TooFewPatients(
            f"the Cox model of {names} has no stable solution: a covariate separates patients "
            "with and without progression completely, or follows from the others. Use fewer."
        ) from error
    return fitter


# --- do hazard ratios stay the same over time? ---------------------------------------------------


def proportional_hazards(model: CoxModel) -> pd.DataFrame:
    """Test for each covariate whether its hazard ratio drifts with time.

    The score test of Grambsch and Therneau (Biometrika 1994;81:515) as R's ``cox.zph`` computes
    it since survival 3.0; lifelines has the older approximation, which differs clearly where
    events are few. Time enters as one minus the Kaplan-Meier curve, which keeps late, sparse
    events from deciding.

    Returns
    -------
    DataFrame
        By covariate: statistic (chi-squared, 1 df), p, p_holm. A small P speaks against the
        assumption; with few events a large one says little.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 20, 25, 30], [True, True, True, True, False, False]
    >>> model = fit_cox(months, progressed, pd.DataFrame({"T": [4, 2, 4, 3, 2, 3]}))
    >>> proportional_hazards(model).p.round(2).to_dict()
    {'T': 0.7}
    """
    time, event, x = model.time, model.event, model.covariates.to_numpy()
    moments, at_risk, failing = steps(time, event)
    drift = 1 - product_limit(at_risk, failing)[:-1]  # (m,): progressed just before
    k = x.shape[1]
    score, information = np.zeros(k), np.zeros((3, k, k))
    hazard = np.exp(x @ model.table["coefficient"].to_numpy())  # (n,)
    for moment, g in zip(moments, drift, strict=True):
        observed, expected, spread = _moments(x, hazard, time >= moment, event & (time == moment))
        score += g * (observed - expected)
        information += np.array([1, g, g**2])[:, None, None] * spread
    of_coefficients, mixed, of_drift = information
    statistics = []
    for j in range(k):
        explained = mixed[j] @ np.linalg.solve(of_coefficients, mixed[j])
        statistics.append(score[j] ** 2 / (of_drift[j, j] - explained))
    p = chi2.sf(statistics, 1)
    columns = {"statistic": statistics, "p": p, "p_holm": holm(p)}
    return pd.DataFrame(columns, index=model.table.index)


def _moments(x, hazard, at_risk, failing):
    """Sum (k,), expectation (k,) and covariance (k, k) of the covariates of those who fail now.

    Tied failures leave the risk set one by one, each a part of all of them (Efron 1977).
    """
    expected, spread = np.zeros(x.shape[1]), np.zeros((x.shape[1], x.shape[1]))
    ties = int(failing.sum())
    for left in range(ties):
        weight = hazard * (at_risk - failing * left / ties)  # (n,)
        weight = weight / weight.sum()
        mean = weight @ x
        expected += mean
        spread += (x * weight[:, None]).T @ x - np.outer(mean, mean)
    return x[failing].sum(axis=0), expected, spread


# --- does a score add to what is known? ----------------------------------------------------------


@dataclass(frozen=True)
class AddedValue:
    """A Cox model without and with one more score, on the same patients.

    Attributes
    ----------
    test : ChiSquared
        Likelihood-ratio test of the score.
    c_without, c_with : Estimate
        Apparent C-index of both models: fitted and judged on the same patients, so both are too
        high, the larger model's more so.
    c_change : Estimate
        Difference, with minus without, paired.
    """

    without: CoxModel
    with_score: CoxModel
    test: ChiSquared
    c_without: Estimate
    c_with: Estimate
    c_change: Estimate


def added_value(time, event, covariates: pd.DataFrame, score: pd.Series) -> AddedValue:
    """Ask whether a score tells more about survival than the covariates already do.

    χ² = 2 (log L with the score − log L without it), and the change of the C-index.

    Parameters
    ----------
    covariates : DataFrame, shape (n, k)
        For instance `clinical_covariates`, or one column: a clinical model fitted elsewhere.
    score : Series, shape (n,)
        Must not have been fitted on these patients; its hazard ratio is per standard deviation.

    Examples
    --------
    >>> months, progressed = [5, 10, 15, 20, 25, 30], [True, True, True, True, False, False]
    >>> stage, score = pd.DataFrame({"T": [4, 2, 4, 3, 2, 3]}), pd.Series([9, 7, 4, 6, 1, 2])
    >>> print(added_value(months, progressed, stage, score).test)
    χ² = 6.03, df = 1, P = 0.014
    """
    columns = each(covariates, "covariate {}")
    *_, values = checked(time=time, event=event, **columns, score=numbers(score))
    more = covariates.assign(score=standardised(values))
    without = fit_cox(time, event, covariates)
    full = fit_cox(time, event, more)
    risks = {"with": full.risk_score(more), "without": without.risk_score(covariates)}
    row = compare_c_index(time, event, risks).iloc[0]
    return AddedValue(
        without=without,
        with_score=full,
        test=_likelihood_ratio(without.log_likelihood, full.log_likelihood, 1),
        c_without=c_index(time, event, risks["without"]),
        c_with=c_index(time, event, risks["with"]),
        c_change=Estimate(*row[["difference", "low", "high"]].astype(float)),
    )
