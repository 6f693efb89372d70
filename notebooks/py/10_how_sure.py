# %% [markdown]
# # Ask how sure we are: what can 43 patients tell?
#
# Every number so far came from one set of test patients, drawn by chance, and from models of one set of training patients. This
# notebook asks how far the numbers would move with other patients: by formula, by drawing again, and by fitting again.
#
# *Time: 25 minutes to read, half a minute to run.*
#
# ## What you'll do
#
# - Compute how wide an interval must be, and how many patients a claim needs.
# - Draw the test patients again, and look at models trained anew in other splits.
# - Fit a model to other training patients, and watch the predictions move.
#
# ## What you'll learn
#
# - How to work out precision and power before a study.
# - What a bootstrap interval covers, and what it does not.
# - Why one split is one draw from many possible ones.
# - That a prediction for one patient is less certain than an average over all.
# - What shrinking does to the estimates of small subgroups.
#
# ## What you'll need
#
# - `predictions_pre.csv` and `predictions_post.csv` from
#   notebooks [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb).

# %%
import numpy as np
import pandas as pd

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import figures, statistics
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.study_report import write_report
from npc_helpers.network import prediction
from npc_helpers.network.repeated_splits import kept_splits
from npc_helpers.study import Study

study = Study.open()
begin(study)

# %%
study.require_outcomes("asking how sure we are")
patients, risk = prediction.compared_scores(study.read_table)
train, test = (patients[patients.split == side] for side in ("train", "test"))
test_risk = {name: score.reindex(test.index) for name, score in risk.items()}
print(f"{len(train)} training patients, {len(test)} test patients")

# %% [markdown]
# ## How wide must an interval be?
#
# The width of an interval depends mainly on the number of patients, and little on the model. So it can be computed before anybody is examined.

# %% [markdown] tags=["exercise"]
# > **Exercise 10.1 – predict** (3 minutes). You want an interval *half* as wide. How many times as many test patients does that take?
# > Guess first. The next figure will tell: compare how many patients give a half-width of 0.10 and how many give 0.05.

# %% tags=["solution"]
times_as_many = 4  # fill in
check("10.1", times_as_many, n=len(test))

# %%
from npc_helpers.statistics import auc_standard_error as auc_error
from npc_helpers.statistics import c_index_standard_error as c_error

sizes = np.unique(np.geomspace(20, 2500, 60).round())
errors = pd.DataFrame(index=sizes)
errors["AUC 0.84, half of them high-risk"] = [auc_error(0.842, n / 2, n / 2) for n in sizes]
errors["C-index 0.83, a third progressed"] = [c_error(0.830, n / 3, n * 2 / 3) for n in sizes]
figure = figures.precision_figure(statistics.half_width(errors), patients=len(test))
show(figure, "10.1", "Half-width of the 95 percent interval by number of test patients.")

# %% tags=["claim"]
n_test = len(test)
half_auc = statistics.half_width(auc_error(0.842, n_test / 2, n_test / 2))
half_c = statistics.half_width(c_error(0.830, n_test / 3, n_test * 2 / 3))
claim(
    half_auc > 0.1 and half_c > 0.1,
    f"Where a curve crosses the vertical line is what this test cohort can give: plus or minus {half_auc:.2f} for an AUC and {half_c:.2f} for a "
    "C-index. The dotted line, plus or minus 0.05, is what one would like to print.",
    f"This test cohort can give plus or minus {half_auc:.2f} for an AUC and {half_c:.2f} for a C-index.",
)

# %% [markdown]
# ## How many patients does a claim need?
#
# The other way round: if the differences that the paper printed were exactly true, how likely would a test cohort like its own
# be to show them (its *power*), and how many patients would make that likely?

# %% tags=["nbval-check-output"]
published = {"Ensemble, TNM": (0.842, 0.723), "Post-, Pre-model": (0.806, 0.741)}
for pair, areas in published.items():
    for r in (0.2, 0.5):
        with_43 = statistics.power_of_difference(*areas, n_high=23, n_low=20, correlation=r)
        needed = statistics.patients_for_power(*areas, correlation=r)
        print(f"{pair:17} r = {r}: power {with_43:.0%}, for 80% {needed} patients")
print(statistics.patients_for_half_width(0.842), "patients for an AUC of 0.842 ± 0.05")

# %% tags=["claim"]
power = [
    statistics.power_of_difference(*areas, n_high=23, n_low=20, correlation=0.5)
    for areas in published.values()
]
claim(
    max(power) < 0.5,
    "If the published differences were exactly true, a test cohort like the paper's would miss them more often than not.",
)

# %% [markdown]
# (r is the correlation of the two estimated areas, which are correlated because both come from the same patients. It is small for models that have
# little in common, such as a network and a stage.)
#
# ## Draw the test patients again
#
# Another way to an interval is the *bootstrap*: draw the test patients again ten thousand times,
# with replacement (so that some come twice and some not at all), and see how far the estimates and their differences move. Where `minus` names a
# second model, the row is the difference of the two.

# %%
resampled = statistics.bootstrap_models(test.high_risk, test.pfs_months, test.progressed, test_risk)
drawn = resampled.set_index(["measure", "model", "minus"])
drawn.round(3)

# %% tags=["claim"]
ahead = drawn.loc[("auc", "Ensemble", "TNM")]
alone = drawn.loc[("auc", "Ensemble", "")]
claim(
    ahead.low > 0 and alone.high - alone.low > ahead.high - ahead.low,
    f"The Ensemble's AUC has an interval {alone.high - alone.low:.2f} wide. Its lead over TNM is drawn from the same patients, and its interval is "
    f"narrower, {ahead.low:.2f} to {ahead.high:.2f}: a patient who is hard to classify for one model is often hard for the other.",
    f"The Ensemble's AUC minus TNM's has an interval from {ahead.low:.2f} to {ahead.high:.2f}.",
)

# %%
comparison = statistics.compare_models(test, test_risk)
by_formula = comparison.set_index("model").filter(regex="auc|c_index")
by_formula.round(3)

# %% tags=["claim"]
by_drawing = {
    m: resampled[resampled.minus.eq("") & resampled.measure.eq(m)] for m in ("auc", "c_index")
}
apart = max(
    (by_formula[f"{m}_{end}"] - table.set_index("model")[end]).abs().max()
    for m, table in by_drawing.items()
    for end in ("low", "high")
)
claim(
    apart < 0.05,
    f"Drawing and formula are two ways to one answer: no end of an interval differs by more than {apart:.2f}.",
    f"The ends of the intervals differ by up to {apart:.2f}.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 10.2 – repair** (5 minutes). One bootstrap draw for the *difference* of two models. This line draws other patients for the second
# > model than for the first. Repair it: what makes the interval of a difference narrow?

# %% tags=["solution"]
rng = np.random.default_rng(10)
rows_of_first = rng.choice(len(test), size=len(test))
rows_of_second = rows_of_first.copy()  # repair: rng.choice(len(test), size=len(test))
check("10.2", rows_of_second, rows_of_first=rows_of_first, patients=test, risk=test_risk)

# %% [markdown]
# ### What does 95% cover?
#
# The bootstrap cannot decide whether the formulas are right: it draws from the same dozen events. A simulation can, because there the
# truth is known. In 1,000 cohorts of 43 patients, a third of whom progressed, the 95% intervals of the bootstrap held the true C-index
# in 94%, a true difference of two in 91% and the true AUC in 91%; those of the formulas in 93%, 93% and 96%
# (`benchmarks/coverage.py`). Neither takes into account that the models themselves would differ, had they been trained on other patients.
#
# ## Divide the patients again
#
# The 43 test patients were drawn by chance; others could have been drawn. So the patients were divided again and again, and in
# each split both networks were trained anew on its training side, from the same start weights and by the rules of notebooks
# 03 and 04, and judged on the other side. That takes hours of processor time; `benchmarks/sources.py` has done it.

# %%
splits = kept_splits(study)
print(f"{splits.split.nunique()} splits")
figure = figures.split_figure(splits, single=comparison)
show(figure, "10.2", "AUC and C-index of each model in many splits and in that of this study.")

# %% [markdown]
# Every small dot is a paper that could have been written from the same patients. The coloured bar holds
# the middle 95% of the dots, the large dot is their mean; the diamond is our one split with its 95% interval.

# %% tags=["claim"]
middle = splits.groupby("model").c_index.quantile([0.025, 0.975]).unstack()
dots = middle[0.975] - middle[0.025]
one_split = comparison.set_index("model").eval("c_index_high - c_index_low").reindex(dots.index)
claim(
    abs(dots.mean() / one_split.mean() - 1) < 0.25,
    f"In C-index the bars are {dots.mean():.2f} long on average, about as long as the intervals of the one split, {one_split.mean():.2f}. They do not mean the "
    "same. The bars hold the luck of training, too, since each dot comes from a network trained anew; but all dots come from the same patients. The "
    "interval is about one network, and about patients whom it has never seen.",
    f"In C-index the bars are {dots.mean():.2f} long on average, and the intervals of the one split {one_split.mean():.2f}. They do not mean the same: all dots "
    "come from the same patients.",
)

# %%
measures = ["auc", "c_index"]
per_model = {m: statistics.summarise_splits(splits, measure=m) for m in measures}
per_model = pd.concat(per_model)
per_model.round(3)

# %% tags=["claim"]
of_ensemble = per_model.loc[("auc", "Ensemble")]
claim(
    of_ensemble.maximum - of_ensemble.minimum > 0.2,
    f"By the same rules, the Ensemble has an AUC of {of_ensemble.minimum:.2f} in one split and of {of_ensemble.maximum:.2f} in another. Whoever may choose the split "
    "may choose the result.",
    f"The Ensemble's AUC lies between {of_ensemble.minimum:.2f} and {of_ensemble.maximum:.2f}.",
)

# %% [markdown]
# ### Who is ahead, and how often?
#
# The same splits for all models, so they can be compared split by split.

# %% [markdown] tags=["exercise"]
# > **Exercise 10.3 – fill in one line** (4 minutes). In which share of the splits does the Ensemble have a higher AUC than TNM? Ties count half;
# > here you may leave them out if there are none.

# %% tags=["solution"]
auc_by_split = splits.pivot(index="split", columns="model", values="auc")
ensemble_ahead = (auc_by_split["Ensemble"] > auc_by_split["TNM"]).mean()  # fill in
check("10.3", ensemble_ahead, splits=splits)

# %%
in_pairs = {m: statistics.split_differences(splits, measure=m) for m in measures}
in_pairs = pd.concat(in_pairs)
in_pairs.round(3)

# %% tags=["claim"]
pre_post = in_pairs[in_pairs.a.eq("Pre-model") & in_pairs.b.eq("Post-model")]
claim(
    (pre_post.high < 0).all() and pre_post.a_ahead.max() < 0.2,
    f"The Post-model is ahead of the Pre-model by {-pre_post.difference.iloc[0]:.2f} in AUC and {-pre_post.difference.iloc[1]:.2f} in C-index, on average "
    f"and in at least {1 - pre_post.a_ahead.max():.0%} of the splits: the paper's order, and here no luck of one split.",
    f"The Pre-model is ahead of the Post-model in {pre_post.a_ahead.iloc[0]:.0%} of the splits by AUC.",
)

# %% [markdown]
# `a_ahead` is the share of splits in which the first model was better. The intervals of the mean differences are widened, because
# the same patients come back in many splits.
#
# The demonstration cohort was chosen from many so that the paper's order *can* show. [05](05_compare_with_tnm.ipynb) says, beside its
# table, in what share of these splits it does.
#
# ## How many patients does a model need?
#
# Training needs patients, too. A Cox model of T, N, age, sex and chemotherapy has six coefficients. Riley's criteria say how many patients
# would let the coefficients keep nine tenths of their size (a shrinkage of 0.90), limit the optimism of the apparent fit (how much better it looks in
# the training patients than in new ones) to 0.05, and give the average risk to within 0.05.

# %%
covariates = statistics.clinical_covariates(patients)
clinical = statistics.fit_cox(train.pfs_months, train.progressed, covariates.loc[train.index])
print(f"{len(train)} training patients, {clinical.events} events")

# %%
rate = train.progressed.sum() / train.pfs_months.sum()  # progressions a month
size = statistics.patients_for_development(
    len(clinical.table),
    r_squared=clinical.r_squared,
    rate=rate,
    follow_up=train.pfs_months.mean(),
    risk_at_horizon=1 - np.exp(-36 * rate),
)
print(size)

# %% tags=["claim"]
claim(
    size.for_shrinkage > 4 * len(train) and size.for_optimism < len(train) < size.for_overall_risk,
    f"The strictest criterion decides: {size.for_shrinkage / len(train):.0f} times as many patients as in this training cohort for coefficients that keep "
    "nine tenths of their size. The apparent fit would need fewer patients than there are, the average risk somewhat more.",
    f"{size.for_shrinkage} patients would let the coefficients keep nine tenths of their size; there are {len(train)}.",
)

# %% [markdown]
# These are six coefficients. The networks have about a million weights, restrained by a penalty and by dropout, and no formula
# of this kind applies to them.
#
# ## Fit the model again
#
# Averages hide how much one patient's prediction depends on who was in the training cohort. Draw the training patients again, with replacement, fit the
# clinical model to each of two hundred such cohorts, and predict the *same* test patients each time.


# %%
def predict_36_months(rows):
    """Fit the clinical model to some training patients; predict the test patients."""
    columns = statistics.clinical_covariates(rows)
    model = statistics.fit_cox(rows.pfs_months, rows.progressed, columns)
    return model.p_event(covariates.loc[test.index], at=(36,))[36]


p_36 = predict_36_months(train)
refits = statistics.refitted(train, predict_36_months, refits=200)
moved = statistics.instability(p_36, refits, cutoff=0.3)
figure = figures.instability_figure(p_36, refits, cutoff=0.3)
show(figure, "10.3", "Each test patient's risk in 200 refits against that of the model itself.")

# %% [markdown]
# Each column of dots is a test patient: the model's own prediction lies on the dotted line, the dots are the predictions of the refits, and 95%
# of them lie between the two marks. Where a column crosses the horizontal line at 30%, the refits do not agree on which side the patient belongs.

# %% tags=["claim"]
crossing = ((moved.low < 0.3) & (moved.high >= 0.3)).sum()
claim(
    crossing > len(moved) / 3,
    f"The marks of {crossing} of {len(moved)} patients lie on both sides of the line.",
)

# %%
moved.sort_values("p").iloc[:: max(1, len(moved) // 8)].round(2)

# %% tags=["claim"]
nearest = (moved.p - 0.3).abs().idxmin()
claim(
    moved.changed[nearest] > 0.2,
    "The same in numbers for some of them: `low` to `high` holds 95% of the refits, `mape` is the mean distance from the model's own "
    "prediction, and `changed` the share of refits that put the patient on the other side of 30%. Of the patient closest to it, with "
    f"{moved.p[nearest]:.0%}, that share is {moved.changed[nearest]:.0%}.",
    f"Of the patient closest to 30%, {moved.changed[nearest]:.0%} of the refits say the other side.",
)

# %% tags=["claim"]
often = (moved.changed > 0.2).mean()
ratio, width = (moved.high / moved.p).median(), (moved.high - moved.low).median()
claim(
    often > 0.25 and ratio > 1.5,
    f"For half of the patients the refits range over more than {width:.2f}; for half, their upper end is at least {ratio:.1f} times the printed risk. So much depends "
    f"on who else was in the training cohort. And {often:.0%} of the test patients change sides in many of the refits. This model is stable on average and unstable for single "
    "patients, which no C-index shows.",
    f"{often:.0%} of the test patients change sides in more than a fifth of the refits.",
)

# %% [markdown] tags=["notes"]
# Ask somebody to be the patient with 28%: "You have a risk of 28%, and if we had asked other patients, of 9% or of 57%." Would you say it? How
# would you say it? A common misunderstanding is that the interval is the *patient's* uncertainty; it is the model's.

# %% [markdown]
# ## Does it hold in every kind of patient?
#
# Readers ask for subgroups, and the estimates of small subgroups scatter even where nothing differs. An *empirical Bayes* estimate draws each towards the common
# value. Of the subgroup's distance from that value it keeps the share λ = τ² / (τ² + s²), where s is the subgroup's standard error and τ the spread of the *true*
# effects. τ is estimated from how much more the subgroups scatter than chance alone would make them.

# %% [markdown] tags=["exercise"]
# > **Exercise 10.4 – fill in one line** (3 minutes). In a subgroup the logarithm of the hazard ratio is 1.10, with a standard error of 0.60; the common value is 0.80, and
# > τ is 0.30. What is the shrunken value?

# %% tags=["solution"]
shrunken_value = 0.2 * 1.10 + 0.8 * 0.80  # fill in
check("10.4", shrunken_value)

# %%
kinds = test[["sex"]].copy()
kinds["age"] = np.where(test.age_years < 50, "below 50", "50 or above")
kinds["T"] = np.where(test.t_stage.isin(["T3", "T4"]), "3 or 4", "0 to 2")
kinds["N"] = np.where(test.n_stage.isin(["N0", "N1"]), "0 or 1", "2 or 3")
subgroups = statistics.subgroup_hazard_ratios(
    test.pfs_months, test.progressed, test_risk["Ensemble"], kinds
)

# %%
names = subgroups.characteristic + ", " + subgroups.level + " (" + subgroups.n.astype(str) + ")"
raw = subgroups.set_index(names)[["hazard_ratio", "low", "high"]].dropna()
shrunken = subgroups.set_index(names).filter(like="shrunken").dropna().set_axis(raw.columns, axis=1)
figure = figures.cox_figure({"by itself": raw, "shrunken": shrunken})
show(figure, "10.4", "Hazard ratio of the Ensemble by subgroup, by itself and shrunken.")

# %% tags=["claim"]
tau, lowest_p = subgroups.attrs["tau"], subgroups.p.min()
claim(
    lowest_p > 0.05 and len(raw) == len(subgroups),
    f"Hazard ratios per standard deviation of the Ensemble's score, in {subgroups.n.min()} to {subgroups.n.max()} patients each. By themselves they range from {raw.hazard_ratio.min():.1f} to "
    f"{raw.hazard_ratio.max():.1f}; shrunken, from {shrunken.hazard_ratio.min():.1f} to {shrunken.hazard_ratio.max():.1f}, because τ is {tau:.2f}. The lowest P value of an interaction is {lowest_p:.2f}: "
    "no sign of a difference, and no proof of equality, with two to nine events in each.",
    f"By themselves the hazard ratios range from {raw.hazard_ratio.min():.1f} to {raw.hazard_ratio.max():.1f}; shrunken, from {shrunken.hazard_ratio.min():.1f} to {shrunken.hazard_ratio.max():.1f}.",
)

# %% [markdown]
# ## Save
#
# The report now has the other divisions, and the other labels if you have run [08](08_question_the_label.ipynb).

# %%
study.write_table("splits.csv", splits)
print("saved splits.csv")
print("report:", write_report(study).relative_to(study.writable))

# %% [markdown]
# ## What you have now
#
# Five answers to one question:
#
# - By formula: an interval from 43 patients is wide, and half the width takes four times as many.
# - By drawing the test patients again: the same width, and a narrower one for a difference in the same patients.
# - By dividing again: one split is one draw, and its AUC may well lie 0.1 above or below the mean of all.
# - By fitting again: a single patient's probability changes with the training cohort.
# - By subgroup: most of what small subgroups show is chance, and shrinking says how much.
#
# ## Check yourself
#
# - The range of the splits is about as wide as a confidence interval. May you print it as one?
# - Predictions of a model move little from refit to refit. Are they right?
#
# <details><summary>Answers</summary>
#
# - No. The same patients come back in every split; the range says what one split might have shown.
# - Not for that reason. A model that gives everybody the same risk is very stable.
#
# </details>
#
# ## Further reading
#
# - Riley RD et al. *Calculating the sample size required for developing a clinical prediction
#   model*, BMJ 2020.
# - Riley RD, Collins GS. *Stability of clinical prediction models developed using statistical or
#   machine learning methods*, Biometrical Journal 2023.
# - Nadeau C, Bengio Y. *Inference for the generalization error*, Machine Learning 2003.
# - Efron B, Tibshirani RJ. *An introduction to the bootstrap*, 1993.
#
# ## Versions and data

# %%
footer(study, "scikit-learn", "lifelines", "scipy")
