"""Survival by predicted risk: log-rank test, Cox models, and what an image score adds to them.

Fitted by lifelines (Efron's rule for tied times, as R's ``coxph``).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.stats import chi2

from npc_helpers.statistics.concordance import c_index, compare_c_index
from npc_helpers.statistics.estimate import Estimate, format_p
from npc_helpers.statistics.gate import (
    TooFewPatients,
    checked,
    each,
    flags,
    groups,
    numbers,
    of_table,
    times,
)

# lifelines stops three digits earlier than R by default, which shows in absolute risks
TO_THE_END = {"precision": 1e-14, "r_precision": 1e-15}


@dataclass(frozen=True)
class ChiSquared:
    """A chi-squared statistic; its `str` is manuscript text."""

    statistic: float
    degrees: int
    p: float

    def __str__(self) -> str:
        sign = "" if self.p < 0.001 else "= "
        return f"χ² = {self.statistic:.2f}, df = {self.degrees}, P {sign}{format_p(self.p)}"


def log_rank(time, event, group) -> ChiSquared:
    """Test whether groups progress alike over the whole time (Mantel 1966).

    Parameters
    ----------
    time, event : array-like, shape (n,)
    group : array-like, shape (n,)
        Two or more groups.

    Raises
    ------
    ValueError
        If there is one group only, nobody progressed, or a value is missing.
    """
    from lifelines.statistics import multivariate_logrank_test  # slow to import

    time, event, group = checked(time=times(time), event=flags(event), group=groups(group))
    levels = len(pd.unique(group))
    if levels < 2:
        raise TooFewPatients("everybody is in one group, so there is nothing to compare")
    if not event.any():
        raise TooFewPatients("nobody progressed: survival does not differ, and cannot be tested")
    test = multivariate_logrank_test(time, group, event)
    return ChiSquared(float(test.test_statistic), levels - 1, float(test.p_value))


def survival_table(
    time, event, group, *, at: Sequence[float] = (0, 12, 24, 36, 48, 60), confidence: float = 0.95
) -> pd.DataFrame:
    """Kaplan-Meier estimates of each group at chosen months, with the numbers at risk.

    Parameters
    ----------
    time, event, group : array-like, shape (n,)
    at : sequence of float
        In the unit of `time`.
    confidence : float

    Returns
    -------
    DataFrame
        group, months, at_risk (observed that long), survival, low, high (log-log scale); the
        estimate is missing where nobody is at risk any more.

    Raises
    ------
    ValueError
        If a value is missing or the lengths differ.
    """
    from lifelines import KaplanMeierFitter

    time, event, group = checked(time=times(time), event=flags(event), group=groups(group))
    rows = []
    for name in pd.unique(group):
        inside = group == name
        curve = KaplanMeierFitter(alpha=1 - confidence).fit(time[inside], event[inside])
        bounds = curve.confidence_interval_survival_function_
        for month in at:
            at_risk = int((time[inside] >= month).sum())
            last = bounds.index[bounds.index <= month][-1]
            estimate = [float(curve.predict(month)), *bounds.loc[last]] if at_risk else [np.nan] * 3
            rows.append([name, month, at_risk, *estimate])
    return pd.DataFrame(rows, columns=["group", "months", "at_risk", "survival", "low", "high"])


@dataclass(frozen=True)
class CoxModel:
    """A fitted proportional hazards model.

    Attributes
    ----------
    table : DataFrame
        By covariate: coefficient, hazard_ratio, low, high, p.
    log_likelihood, null_log_likelihood : float
        Logarithm of the partial likelihood at its maximum, and with all coefficients 0.
    n, events : int
    """

    table: pd.DataFrame
    log_likelihood: float
    null_log_likelihood: float
    n: int
    events: int
    _data: pd.DataFrame = field(repr=False)

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return time (n,), event (n,) as bool, and covariates (n, k) of the fit."""
        covariates = self._data[list(self.table.index)].to_numpy()
        return self._data["_time"].to_numpy(), self._data["_event"].to_numpy() == 1, covariates

    def _columns(self, covariates: pd.DataFrame) -> pd.DataFrame:
        """The covariates of the fit, checked, in its order (n, k)."""
        kinds = dict.fromkeys(self.table.index, numbers)
        values = checked(**of_table(covariates, **kinds))
        return pd.DataFrame(dict(zip(kinds, values, strict=True)), covariates.index)

    @property
    def events_per_coefficient(self) -> float:
        """Below about 10 a model describes its own patients better than others."""
        return self.events / len(self.table)

    @property
    def likelihood_ratio(self) -> ChiSquared:
        """Test of all coefficients together against none."""
        gain, k = max(0.0, 2 * (self.log_likelihood - self.null_log_likelihood)), len(self.table)
        return ChiSquared(gain, k, float(chi2.sf(gain, k)))

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

    def shrunken(self) -> CoxModel:
        """Return the model with its coefficients times `shrinkage`; ratios and limits follow."""
        table = self.table.copy()
        table["coefficient"] *= self.shrinkage
        for name in ("hazard_ratio", "low", "high"):
            table[name] = table[name] ** self.shrinkage
        return replace(self, table=table)

    def risk_score(self, covariates: pd.DataFrame) -> pd.Series:
        """Linear predictor x'β, centred at the patients of the fit; higher is worse."""
        columns = self._columns(covariates)
        score = (columns - self._data[columns.columns].mean()) @ self.table["coefficient"]
        return score.rename("risk_score")

    def p_event(self, covariates: pd.DataFrame, *, at: Sequence[float]) -> pd.DataFrame:
        """Probability of progression by the months `at`, (patients, months).

        1 − exp(−H(t) exp(x'β)), where the baseline cumulative hazard H steps up at each time of
        progression in the patients of the fit, as R's ``survfit(coxph)`` has it.

        Raises
        ------
        ValueError
            If nobody of the fit was observed so long.
        """
        time, event, _ = self.data()
        months = np.asarray(list(at), dtype=float)
        if months.max() > time.max():
            raise TooFewPatients(
                f"nobody in the patients of the fit was observed for {months.max():g} months "
                f"(the longest for {time.max():g}); choose earlier ones"
            )
        hazard = np.exp(self.risk_score(self._data).to_numpy())  # (n,) of the fit, relative
        moments, steps = _baseline_steps(time, event, hazard)
        reached = np.searchsorted(moments, months, side="right")
        cumulative = np.concatenate([[0.0], np.cumsum(steps)])[reached]  # (months,)
        relative = np.exp(self.risk_score(covariates).to_numpy())  # (patients,)
        risk = 1 - np.exp(-relative[:, None] * cumulative)
        return pd.DataFrame(risk, covariates.index, list(at))


def _baseline_steps(time, event, hazard) -> tuple[np.ndarray, np.ndarray]:
    """Times of progression and the steps of the baseline cumulative hazard there (Efron 1977).

    Patients who progress at the same time leave the risk set one by one, each a part of all.
    """
    moments = np.unique(time[event])
    steps = np.zeros(len(moments))
    for position, moment in enumerate(moments):
        at_risk = hazard[time >= moment].sum()
        failing = hazard[event & (time == moment)]
        gone = np.arange(len(failing)) / len(failing) * failing.sum()
        steps[position] = np.sum(1 / (at_risk - gone))
    return moments, steps


def fit_cox(time, event, covariates: pd.DataFrame, *, confidence: float = 0.95) -> CoxModel:
    """Fit a Cox model.

    Parameters
    ----------
    time, event : array-like, shape (n,)
    covariates : DataFrame, shape (n, k)
        Numbers only. Columns without variation cannot be estimated and are left out.
    confidence : float

    Returns
    -------
    CoxModel

    Warns
    -----
    UserWarning
        If a column was left out.

    Raises
    ------
    ValueError
        If nobody progressed, a value is missing, or the fit does not converge (a covariate that
        separates who progressed from who did not, or repeats another).
    """
    time, event, *values = checked(
        time=times(time), event=flags(event), **each(covariates, numbers, "covariate {}")
    )
    data = pd.DataFrame(dict(zip(map(str, covariates), values, strict=True)))
    constant = [name for name in data if data[name].nunique() < 2]
    if len(constant) == len(data.columns):
        raise TooFewPatients("no covariate varies between these patients")
    data, events = data.drop(columns=constant), int(event.sum())
    if not events:
        raise TooFewPatients("nobody progressed, so no hazard can be estimated")
    if constant:
        warnings.warn(f"left out, the same for everybody: {', '.join(constant)}", stacklevel=2)
    data = data.assign(_time=time, _event=event)
    fitter = _converged(data, confidence)
    summary = fitter.summary
    level = f"{100 * confidence:g}%"
    table = pd.DataFrame(
        {
            "coefficient": summary["coef"],
            "hazard_ratio": summary["exp(coef)"],
            "low": summary[f"exp(coef) lower {level}"],
            "high": summary[f"exp(coef) upper {level}"],
            "p": summary["p"],
        }
    )
    maximum = float(fitter.log_likelihood_)
    gain = float(fitter.log_likelihood_ratio_test().test_statistic)
    return CoxModel(table, maximum, maximum - gain / 2, len(data), events, data)


def _converged(data: pd.DataFrame, confidence: float):
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    fitter = CoxPHFitter(alpha=1 - confidence)
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


@dataclass(frozen=True)
class AddedValue:
    """A Cox model without and with one more score, on the same patients.

    Attributes
    ----------
    without, with_score : CoxModel
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


def added_value(
    time, event, covariates: pd.DataFrame, score: pd.Series, *, confidence: float = 0.95
) -> AddedValue:
    """Ask whether a score tells more about survival than the covariates already do.

    Parameters
    ----------
    time, event : array-like, shape (n,)
    covariates : DataFrame, shape (n, k)
        For instance `clinical_covariates`, or one column: a clinical model fitted elsewhere.
    score : Series, shape (n,)
        Must not have been fitted on these patients; its hazard ratio is per standard deviation.
    confidence : float

    Raises
    ------
    ValueError
        As `fit_cox`, or if the score does not vary.
    """
    *_, values = checked(
        time=times(time),
        event=flags(event),
        **each(covariates, numbers, "covariate {}"),
        score=numbers(score),
    )
    if np.ptp(values) == 0:
        raise TooFewPatients("the score is the same for every patient; it cannot add anything")
    more = covariates.assign(score=(values - values.mean()) / values.std(ddof=1))
    without = fit_cox(time, event, covariates, confidence=confidence)
    full = fit_cox(time, event, more, confidence=confidence)
    gain = max(0.0, 2 * (full.log_likelihood - without.log_likelihood))
    risks = {"with": full.risk_score(more), "without": without.risk_score(covariates)}
    row = compare_c_index(time, event, risks, confidence=confidence).iloc[0]
    return AddedValue(
        without=without,
        with_score=full,
        test=ChiSquared(gain, 1, float(chi2.sf(gain, 1))),
        c_without=c_index(time, event, risks["without"], confidence=confidence),
        c_with=c_index(time, event, risks["with"], confidence=confidence),
        c_change=Estimate(*(float(row[k]) for k in ("difference", "low", "high")), confidence),
    )
