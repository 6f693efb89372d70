# %% [markdown]
# # Fill in what was not measured: how many answers does a gap have?
#
# DNA of the Epstein-Barr virus (EBV) in the blood is the best established blood marker of this tumour. The registry has a column for it, and
# no lesson has used it so far, because it has gaps. This notebook uses it. A gap has no value, but it has many *possible* values: *multiple
# imputation* draws them, and shows how much of the uncertainty comes from the gaps.
#
# *Time: 20 minutes to read, half a minute to run.*
#
# ## What you'll do
#
# - Tell a value that is missing from one that was not detected.
# - Estimate a hazard ratio from complete patients, from filled gaps, and from many draws.
# - Compare EBV DNA with stage and with the networks.
#
# ## What you'll learn
#
# - Why *missing* and *not detected* are two kinds of gaps.
# - How Rubin's rules make one interval out of many completed tables.
# - Why the outcome belongs in an imputation that estimates, and not into one that predicts.
# - What no imputation can know.
#
# ## What you'll need
#
# - `cohort.csv` from notebook [01](01_screen_cohort.ipynb); for the comparison at the end, the predictions of
#   [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb). Cox models are explained in
#   [09](09_probabilities_and_decisions.ipynb).

# %%
import numpy as np
import pandas as pd
from lifelines import NelsonAalenFitter

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import figures, statistics
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.style import colour, in_house_style, new_figure
from npc_helpers.network import prediction
from npc_helpers.study import NotInThisStudy, Study

study = Study.open()
begin(study)

# %%
study.require_outcomes("estimating what a marker tells of the outcome")
patients = included_patients(study.read_table("cohort.csv")).set_index("patient_id")
registry = study.registry.set_index("patient_id").reindex(patients.index)
measured = registry.reindex(columns=["ebv_dna_copies_per_ml"]).iloc[:, 0].astype(float)
if not (measured > 0).any():
    raise NotInThisStudy("EBV DNA was measured in nobody (registry, ebv_dna_copies_per_ml)")
copies = measured

# %% [markdown]
# ## Two kinds of gaps
#
# A blank means that nobody measured, or that the result was lost: the value may be anything. A zero means that somebody measured and the
# laboratory found nothing: the value lies below the *limit of detection*. Such a value is *left-censored*, as a patient who is
# still well at the last visit is censored on the right.

# %% tags=["nbval-check-output"]
gap = pd.Series("measured", patients.index).mask(copies == 0, "not detected")
gap = gap.mask(copies.isna(), "missing")
print(gap.value_counts().to_string())

# %% [markdown]
# Measured values range over more than three powers of ten, so they enter models as logarithms. The laboratory's limit is not in the
# registry; the lowest measured value stands for it.

# %%
ebv = np.log10(copies.where(copies > 0)).rename("EBV")  # blank where missing or not detected
limit = ebv.min()


# %%
@in_house_style
def gap_figure():
    """Measured values, and how many patients have none."""
    figure, axes = new_figure(7, 3.4)
    axes.hist(ebv.dropna(), bins=20, color=colour("Pre-model"))
    counts = gap.value_counts().reindex(["not detected", "missing"]).fillna(0)
    places = [limit - 0.7, limit - 2]
    axes.bar(places, counts, width=0.6, color=[colour("Ensemble"), colour("Post-model")])
    axes.axvline(limit, color=colour("ink"), linewidth=1)
    powers = range(int(np.ceil(limit)), int(ebv.max()) + 1)
    labels = ["not\ndetected", "missing", *(f"{10**power:,}" for power in powers)]
    axes.set_xticks([*places, *powers], labels)
    axes.set(xlabel="EBV DNA, copies per mL", ylabel="patients")
    return figure


figure = gap_figure()
show(figure, "14.1", "EBV DNA of the patients, with the undetected and the missing beside it.")

# %% tags=["claim"]
count = gap.value_counts()
undetected, missing = (int(count.get(name, 0)) for name in ("not detected", "missing"))
claim(
    undetected > missing > 0,
    f"The limit is {10**limit:.0f} copies per mL. {undetected} patients lie somewhere below it, which tells a good deal; of the {missing} with a blank nothing is known.",
    f"{undetected} patients lie below the limit of {10**limit:.0f} copies per mL; {missing} have a blank.",
)

# %% [markdown]
# ## Leave out whoever has a gap
#
# Most programs do so without a word. Neither a blank nor a zero has a logarithm, so this *complete-case analysis* uses the measured values only.

# %% [markdown] tags=["exercise"]
# > **Exercise 14.1 – predict** (3 minutes). How many patients are left in an analysis that takes measured values only?

# %% tags=["solution"]
patients_left = (copies > 0).sum()  # fill in
check("14.1", patients_left, copies=copies)

# %%
stage = statistics.tn_covariates(patients)
time, event = patients.pfs_months, patients.progressed


def cox_with(values):
    """Cox model of T, N and EBV DNA in the patients who have a value."""
    has = values.notna()
    return statistics.fit_cox(time[has], event[has], stage.assign(EBV=values)[has])


complete = cox_with(ebv)
complete.table.round(3)

# %% tags=["claim"]
low, high = complete.table.loc["EBV", ["low", "high"]]
claim(
    complete.n < 0.8 * len(patients) and low < 1 < high,
    f"{complete.n} of {len(patients)} patients and {complete.events} of {patients.progressed.sum()} events remain. The hazard ratio of tenfold EBV DNA is "
    f"{complete.table.hazard_ratio['EBV']:.2f} ({low:.2f} to {high:.2f}). Of the {undetected + missing} who were left out, {undetected} have the lowest values.",
    f"{complete.n} of {len(patients)} patients remain; the hazard ratio of tenfold EBV DNA is {complete.table.hazard_ratio['EBV']:.2f}.",
)

# %% [markdown]
# ## Write something into the gap
#
# A line of code that one often meets writes 0 for every gap and adds 1 before the logarithm. Now everybody has a value, and the program takes
# it for a measurement.

# %% [markdown] tags=["exercise"]
# > **Exercise 14.2 – predict** (3 minutes). Is the interval of the logarithm of the hazard ratio `"narrower"` or `"wider"` than with measured values only?

# %% tags=["solution"]
interval_becomes = "narrower"  # fill in
check("14.2", interval_becomes, complete=complete, filled=cox_with(np.log10(copies.fillna(0) + 1)))

# %%
zeros = cox_with(np.log10(copies.fillna(0) + 1))
zeros.table.round(3)

# %% tags=["claim"]
ratio, (low, high) = zeros.table.hazard_ratio["EBV"], zeros.table.loc["EBV", ["low", "high"]]
claim(
    abs(ratio - 1) < abs(complete.table.hazard_ratio["EBV"] - 1),
    f"{ratio:.2f} ({low:.2f} to {high:.2f}): narrow, and closer to 1. Zeros lie far from all measured values, so they decide the slope; "
    "and their uncertainty has been written out of the table.",
    f"{ratio:.2f} ({low:.2f} to {high:.2f}).",
)

# %% [markdown]
# ## Draw instead of filling
#
# A draw needs a model of the value, given all that is known of the patient: stage, age and sex. The outcome belongs to it as well: if high values
# go with progression, then a patient who progressed had, on average, a higher value. An imputation without the outcome would weaken the effect. The
# outcome enters as two columns: whether progression was seen, and the cumulative hazard (the Nelson-Aalen estimate) at the patient's own time.

# %%
fitter = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(time, event)
hazard = fitter.cumulative_hazard_at_times(time).to_numpy()
at_baseline = stage.assign(age=patients.age_years, male=patients.sex == "M").astype(float)
with_outcome = at_baseline.assign(event=event, hazard=hazard).astype(float)

# %% [markdown]
# One draw, in the open, of the blanks alone. A *proper* draw is uncertain twice: about the coefficients, which were estimated from few patients, and
# about the single patient, who does not lie on the line.


# %%
def draw_once(values, columns, rng):
    """Draw blank values from a linear model whose coefficients are themselves drawn."""
    x = np.column_stack([np.ones(len(columns)), columns])  # (n, k)
    has = values.notna().to_numpy()
    if has.sum() <= x.shape[1]:
        raise statistics.TooFewPatients(f"{has.sum()} values were measured, too few for a line")
    inverse = np.linalg.pinv(x[has])
    b = inverse @ values[has]
    residual = ((values[has] - x[has] @ b) ** 2).sum()
    spread = np.sqrt(residual / rng.chisquare(has.sum() - x.shape[1]))
    b = b + spread * inverse @ rng.standard_normal(has.sum())  # uncertain about the line
    drawn = x @ b + spread * rng.standard_normal(len(x))  # and about the patient
    return values.where(has, drawn)


detected = copies.ne(0)
rng = np.random.default_rng(14)
means = [draw_once(ebv[detected], with_outcome[detected], rng).mean() for _ in range(3)]
print("mean of all values in three tables:", *(f"{mean:.3f}" for mean in means))

# %% [markdown]
# Three draws, three means: the measured values are the same in each, the blanks are not. For undetected values the normal distribution is cut at the
# limit, and line and values are drawn in turn, because each needs the other. `statistics.impute` does that.

# %%
drawn = statistics.impute(ebv, with_outcome, below=copies.eq(0), limit=limit, imputations=50)
some = [*gap[gap == "missing"].index[:2], *gap[gap == "not detected"].index[:2]]
drawn.loc[some, :4].assign(gap=gap).round(2)

# %% tags=["claim"]
spread = drawn.std(axis=1).groupby(gap).mean().reindex(["missing", "not detected"])
highest = drawn[copies.isna()].max().max()
claim(
    (drawn[copies == 0] <= limit).all().all() and spread["missing"] > spread["not detected"] > 0,
    f"Five of 50 completed tables. No draw of an undetected value passes the limit, {limit:.2f}. From table to table a missing value moves "
    f"by {spread['missing']:.1f} powers of ten, an undetected one by {spread['not detected']:.1f}. The highest draw of a blank is {highest:.1f}, the highest measured value "
    f"{ebv.max():.1f}: one normal distribution for so many undetected values has to be wide. A model is a belief, and its draws show it.",
    "Some of the 50 completed tables.",
)

# %% [markdown]
# ## One interval out of many tables
#
# Each completed table has its Cox model, and each model believes its table. What they disagree on is what the gaps cost.

# %%
fits = pd.DataFrame([cox_with(drawn[number]).table.loc["EBV"] for number in drawn])
b = fits.coefficient.to_numpy()  # logarithms of the hazard ratios
variance = (np.log(fits.high / fits.low).to_numpy() / 2 / 1.959964) ** 2
within, between, m = variance.mean(), b.var(ddof=1), len(b)
print(f"within {within:.4f}, between {between:.4f}, tables {m}")

# %% [markdown] tags=["exercise"]
# > **Exercise 14.3 – fill in one line** (4 minutes). Rubin's rules: the estimate is the mean of `b`. Its variance has two parts, `within` a table and
# > `between` the tables; the second counts a little more, as if there were one table more: times 1 + 1/m. Write the total.

# %% tags=["solution"]
total = within + (1 + 1 / m) * between  # fill in
check("14.3", total, estimates=b, variances=variance)

# %%
pooled = statistics.pool_estimates(b, variance, complete_degrees=event.sum() - 3)
assert np.isclose(pooled.estimate.value, b.mean())
assert np.isclose(pooled.standard_error**2, within + (1 + 1 / m) * between)
ratio, low, high = np.exp(list(pooled.estimate))
print(f"hazard ratio {ratio:.2f}, 95% from {low:.2f} to {high:.2f}")
print(f"{pooled.missing_information:.0%} of the variance comes from the gaps")

# %%
tables = {"measured only": complete.table, "0 for every gap": zeros.table}
answers = {name: table.loc[["EBV"]] for name, table in tables.items()}
ends = {"hazard_ratio": ratio, "low": low, "high": high}
answers["multiple imputation"] = pd.DataFrame(ends, index=["EBV"])
figure = figures.cox_figure(answers)
show(figure, "14.2", "Hazard ratio of tenfold EBV DNA, by three ways to deal with gaps.")

# %% tags=["claim"]
width = {n: float(np.log(t.high / t.low).iloc[0]) for n, t in answers.items()}
claim(
    width["0 for every gap"] < width["multiple imputation"] < width["measured only"],
    f"Drawing uses all {len(patients)} patients, so its interval is narrower than that of the {complete.n} measured ones; and it is wider than the one that took zeros for measurements. "
    "All three include 1: this cohort cannot show that EBV DNA tells more than T and N.",
    "The three intervals of the hazard ratio of tenfold EBV DNA.",
)

# %% [markdown]
# ## What no imputation can know
#
# Draws rest on the belief that whether a value is blank depends on nothing but what the model has seen (*missing at random*). Suppose that
# samples with high values were lost more often, even among patients of the same stage and outcome. Nothing in the table would show it. One
# can ask what it *would* do: add the same amount to each draw of a blank.

# %%
blank = copies.isna()
shifts = {}
for powers_of_ten in (-2, -1, 0, 1, 2):
    moved = drawn.add(powers_of_ten * blank, axis=0)
    estimates = [cox_with(moved[number]).table.coefficient["EBV"] for number in range(10)]
    shifts[powers_of_ten] = np.exp(np.mean(estimates))
pd.Series(shifts, name="hazard ratio").rename_axis("blanks shifted by").round(3)

# %% tags=["claim"]
claim(
    max(shifts.values()) / min(shifts.values()) < 1.25,
    f"Even if all blanks were a hundred times lower or higher than drawn, the hazard ratio would stay between {min(shifts.values()):.2f} and "
    f"{max(shifts.values()):.2f}: {missing} blanks are too few to decide. Report such a range wherever they are many.",
    f"The hazard ratio lies between {min(shifts.values()):.2f} and {max(shifts.values()):.2f}.",
)

# %% [markdown]
# ### How often is the interval right?
#
# Where the truth is known one can count. In 500 simulated cohorts with T and N of these patients, 23% of the values were below the limit and 40% of all were taken
# away (`benchmarks/missing_values.py`). The true coefficient is 0.40; in brackets, how often the 95% interval held it.
#
# | gaps | at random | by outcome | by the value itself |
# |---|---|---|---|
# | measured values only | 0.42 (96%) | 0.48 (94%) | 0.46 (94%) |
# | 0 for every gap | 0.10 (6%) | −0.20 (0%) | −0.03 (1%) |
# | half the limit, and the mean | 0.41 (95%) | 0.26 (92%) | 0.35 (96%) |
# | multiple imputation without outcome | 0.24 (94%) | 0.17 (92%) | 0.19 (98%) |
# | multiple imputation with outcome | 0.40 (97%) | 0.41 (95%) | 0.41 (96%) |
#
# Zeros are wrong nearly always. An imputation that does not know the outcome about halves the effect; its interval holds the truth only
# because it is wide. With the outcome the mean is right, here even where gaps depend on the value itself, which nobody can count on. Its
# intervals are a fifth to two fifths narrower than those of the measured values only.
#
# ## EBV DNA as an opponent
#
# The networks were compared with T and N. Does EBV DNA make a stronger opponent? The patients are divided into fifths. Each fifth is scored
# by a Cox model that was fitted to the other four (*out of fold*), averaged over 20 imputations.
#
# Now the outcome of the *scored* patients has to stay out: on the day of a prognosis nobody has an outcome yet. The patients who train the
# model may use theirs.

# %% [markdown] tags=["exercise"]
# > **Exercise 14.4 – repair** (4 minutes). These are the columns from which gaps of patients to be scored are drawn. Which of them would not be there
# > on the day of the prognosis? Repair the line.

# %% tags=["solution"]
columns_to_score = list(at_baseline)  # repair: list(with_outcome)
check("14.4", columns_to_score, columns=with_outcome)


# %%
def fill(rows, columns):
    """Twenty completed columns of EBV DNA of some patients."""
    return statistics.impute(ebv[rows], columns[rows], below=copies[rows].eq(0), limit=limit)


def out_of_fold(names, folds=5):
    """Risk of each patient by Cox models of the patients in other folds."""
    fold = np.random.default_rng(0).permutation(len(patients)) % folds
    score = pd.Series(0.0, patients.index)
    for number in range(folds):
        train, scored = fold != number, fold == number
        to_train, to_score = fill(train, with_outcome), fill(train | scored, at_baseline)
        for draw in to_train:
            columns = stage.assign(EBV=to_train[draw])[names]
            model = statistics.fit_cox(time[train], event[train], columns[train])
            columns = stage.assign(EBV=to_score[draw])[names]
            score[scored] += model.risk_score(columns[scored])
    return score


# %%
sets = (["EBV"], ["T", "N"], ["T", "N", "EBV"])
scores = {", ".join(names): out_of_fold(names) for names in sets}
for name, score in scores.items():
    print(f"{name:10} C-index {statistics.c_index(time, event, score)}")
gain = statistics.compare_c_index(time, event, scores).set_index(["a", "b"])
gain.round(3)

# %% tags=["claim"]
added = -gain.loc[("T, N", "T, N, EBV")]
claim(
    added.high < 0 < added.low or abs(added.difference) < 0.05,
    f"All {len(patients)} patients: EBV DNA adds {added.difference:+.3f} to the C-index of T and N (95% from {added.high:+.3f} to {added.low:+.3f}).",
)

# %%
_, risk = prediction.compared_scores(study.read_table)
tested = patients.index[(patients.split == "test") & patients.index.isin(risk["Ensemble"].index)]
models = scores | {name: risk[name] for name in ("Pre-model", "Post-model", "Ensemble")}
outcome = time[tested], event[tested]
c = {name: list(statistics.c_index(*outcome, score[tested])) for name, score in models.items()}
by_model = pd.DataFrame(c, index=["C-index", "low", "high"]).T
by_model.round(3)

# %% tags=["claim"]
claim(
    by_model["C-index"].idxmax() in ("Post-model", "Ensemble"),
    f"The same {len(tested)} test patients for all. The {by_model['C-index'].idxmax()} leads; T, N and EBV DNA together reach "
    f"{by_model['C-index']['T, N, EBV']:.2f} ({by_model.low['T, N, EBV']:.2f} to {by_model.high['T, N, EBV']:.2f}). With so few events each interval is wide; to compare two models takes their difference in the same patients.",
)

# %% [markdown] tags=["notes"]
# Let the class argue about exercise 14.4 before anybody runs it: "but you said that the outcome belongs in". It does where a coefficient is estimated. A prognosis has
# no outcome to draw from, and a test that used it would report what nobody can have.

# %% [markdown]
# ## What you have now
#
# - Three estimates of one hazard ratio: from measured values, from zeros, and from fifty completed tables.
# - A rule for the interval, and the share of it that comes from the gaps.
# - EBV DNA as an opponent, out of fold, beside stage and networks.
#
# ## Check yourself
#
# - Ten patients out of a thousand have a blank. Is multiple imputation worth the trouble?
# - Why not impute once, with the best guess?
#
# <details><summary>Answers</summary>
#
# - Hardly for the estimate. It is for those ten patients, if the model is to give each of them a risk.
# - One table hides that it was guessed: its interval is too narrow, and best guesses have less spread than true values.
#
# </details>
#
# ## Further reading
#
# - White IR, Royston P. *Imputing missing covariate values for the Cox model*, Statistics in Medicine 2009.
# - White IR, Royston P, Wood AM. *Multiple imputation using chained equations*, Statistics in Medicine 2011.
# - Barnard J, Rubin DB. *Small-sample degrees of freedom with multiple imputation*, Biometrika 1999.
# - Sterne JAC et al. *Multiple imputation for missing data in epidemiological and clinical research*, BMJ 2009.
#
# ## Versions and data

# %%
footer(study, "lifelines", "scipy")
