# %% [markdown]
# # Ask how sure we are: what can 43 patients tell?
#
# Every number so far came from one set of test patients, drawn by chance, and from models of one set of training patients. This
# notebook asks how far the numbers would move with other patients: by formula, by drawing again, and by fitting again.
#
# *Time: 25 minutes to read, two minutes to run.*
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
#
# ## What you'll need
#
# - `predictions_pre.csv` and `predictions_post.csv` from
#   notebooks [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb).

# %%
import numpy as np
import pandas as pd

from npc_helpers import figures, statistics
from npc_helpers.exercises import claim
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.lesson import begin
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
# The width of an interval depends on the number of patients, and little on the model. So it can be computed before anybody is examined.

# %%
sizes = np.unique(np.geomspace(20, 2500, 60).round())
c_error, auc_error = statistics.c_index_standard_error, statistics.auc_standard_error
widths = {
    "AUC 0.84, half of them high-risk": [auc_error(0.842, n / 2, n / 2) for n in sizes],
    "C-index 0.83, a third progressed": [c_error(0.830, n / 3, n * 2 / 3) for n in sizes],
}
curves = {k: pd.Series(v, sizes).map(statistics.half_width) for k, v in widths.items()}
show(
    figures.precision_figure(curves, patients=len(test)),
    alt="Half-width of the 95 percent interval by number of test patients.",
)

# %% [markdown]
# Where a curve crosses the vertical line is what this test cohort can give; the dotted line, plus or minus 0.05,
# is what one would like to print.

# %% [markdown]
# ## How many patients does a claim need?
#
# The other way round: if the differences that the paper printed were exactly true, how likely would a test cohort like its own
# be to show them, and how many patients would make that likely?

# %% tags=["nbval-check-output"]
published = {"Ensemble, TNM": (0.842, 0.723), "Post-, Pre-model": (0.806, 0.741)}
for pair, (first, second) in published.items():
    for correlation in (0.2, 0.5):
        with_43 = statistics.power_of_difference(
            first, second, n_high=23, n_low=20, correlation=correlation
        )
        needed = statistics.patients_for_power(first, second, correlation=correlation)
        print(f"{pair:17} r = {correlation}: power {with_43:.0%}, for 80% {needed} patients")
print(statistics.patients_for_half_width(0.842), "patients for an AUC of 0.842 ± 0.05")

# %% [markdown]
# If the published differences were exactly true, a test cohort like the paper's would miss them more often than
# not. (r is the correlation of the two areas, from errors in the same patients. It is small for models that have little in common, such as a network
# and a stage.)
#
# ## Draw the test patients again
#
# Another way to an interval is the *bootstrap*: draw the test patients again ten thousand times,
# with replacement, and see how far the estimates and their differences move.

# %%
resampled = statistics.bootstrap_models(test.high_risk, test.pfs_months, test.progressed, test_risk)
resampled.set_index(["measure", "model", "minus"]).round(3)

# %% [markdown]
# Where `minus` names a second model, the row is the difference of the two. Beside them, the formulas:

# %%
comparison = statistics.compare_models(test, test_risk)
ends = ("auc", "auc_low", "auc_high", "c_index", "c_index_low", "c_index_high")
comparison.set_index("model")[list(ends)].round(3)

# %% [markdown]
# ### What does 95% cover?
#
# The bootstrap cannot decide whether the formulas are right: with few events it, too, depends on a sample with a dozen of them. In
# 1,000 simulated cohorts of 43, a third of them with progression, its 95% intervals held a C-index
# in 94%, a difference of two in 91% and an AUC in 91%; the formulas in 93%, 93% and 96%
# (`benchmarks/coverage.py`). Neither takes into account that the models themselves would differ, had they been trained on other patients.
#
# ## Divide the patients again
#
# The 43 test patients were drawn by chance; others could have been drawn. So the patients were divided again and again, and in
# each split both networks were trained anew on its training side, from the same start weights and by the rules of notebooks
# 03 and 04, and judged on the other side. That takes an hour of processor time; `benchmarks/sources.py` has done it.

# %%
splits = kept_splits(study)
print(f"{splits.split.nunique()} splits")
show(
    figures.split_figure(splits, single=comparison),
    alt="AUC and C-index of each model in many random splits, and in the split of this study.",
)

# %% [markdown]
# Every dot is a paper that could have been written from the same patients. The coloured bar holds
# the middle 95% of the dots; the diamond is our one split with its 95% interval.

# %% tags=["claim"]
middle = splits.groupby("model").c_index.quantile([0.025, 0.975]).unstack()
dots = middle[0.975] - middle[0.025]
one_split = comparison.set_index("model").eval("c_index_high - c_index_low").reindex(dots.index)
claim(
    (dots < one_split).all(),
    f"The interval of the one split is the longer one for every model: in C-index {one_split.mean():.2f} on average, the bars "
    f"{dots.mean():.2f}. All splits draw on the same patients, so the dots lie closer together than the results of new "
    "patients would; the interval speaks of those.",
    "For some models the dots reach farther than the interval of the one split.",
)

# %%
pd.concat(
    {
        title: statistics.summarise_splits(splits, measure=measure).round(3)
        for measure, title in (("auc", "AUC"), ("c_index", "C-index"))
    }
)

# %% [markdown]
# ### Who is ahead, and how often?
#
# The same splits for all models, so they can be compared split by split.

# %%
pd.concat(
    {
        title: statistics.split_differences(splits, measure=measure).round(3)
        for measure, title in (("auc", "AUC"), ("c_index", "C-index"))
    }
)

# %% [markdown]
# `a_ahead` is the share of splits in which the first model was better. The intervals of the mean differences are widened, because
# the same patients come back in many splits. Compare Pre-model and Post-model by AUC and by C-index: is the
# difference that the paper reports present in both?
#
# The demonstration cohort was chosen among others so that the paper's order *can* show; in what share of these splits it does,
# [05](05_compare_with_tnm.ipynb) says beside its table.
#
# ## How many patients does a model need?
#
# Training needs patients, too. A Cox model of T, N, age, sex and chemotherapy has six coefficients. Riley's criteria say how many patients
# would let the coefficients keep nine tenths of their size (a shrinkage of 0.90), limit the optimism of the apparent fit to 0.05, and give the risk of all
# to within 0.05.

# %%
clinical = statistics.fit_cox(
    train.pfs_months, train.progressed, statistics.clinical_covariates(train)
)
rate = train.progressed.sum() / train.pfs_months.sum()
size = statistics.patients_for_development(
    len(clinical.table),
    r_squared=clinical.r_squared,
    rate=rate,
    follow_up=train.pfs_months.mean(),
    risk_at_horizon=1 - np.exp(-36 * rate),
)
print(f"{len(train)} training patients, {clinical.events} events")
print(size)

# %% [markdown]
# The strictest criterion decides: about seven times as many patients as in this training cohort for coefficients that keep nine tenths of their
# size. The apparent fit needs fewer than there are, the risk of all some more. And these are six coefficients; a network's last layer has hundreds
# of weights, restrained by a penalty, and no formula of this kind applies to it.
#
# ## Fit the model again
#
# Averages hide how much one patient's prediction depends on who was in the training cohort. Draw the training patients again, with replacement, fit the
# clinical model to each of two hundred such cohorts, and predict the *same* test patients each time.

# %%
tested = statistics.clinical_covariates(test)


def predict_36_months(rows):
    """Fit the clinical model to some training patients; predict the test patients."""
    model = statistics.fit_cox(
        rows.pfs_months, rows.progressed, statistics.clinical_covariates(rows)
    )
    return model.p_event(tested, at=(36,))[36]


p_36 = predict_36_months(train)
refits = statistics.refitted(train, predict_36_months, refits=200)
moved = statistics.instability(p_36, refits, cutoff=0.3)
show(
    figures.instability_figure(p_36, refits, cutoff=0.3),
    alt="Each test patient's risk in two hundred refits against the risk of the model itself.",
)

# %% [markdown]
# Each column of dots is a test patient: the model's own prediction lies on the dotted line, the dots are the predictions of the refits, and 95%
# of them lie between the two marks. Where a column crosses the horizontal line at 30%, the refits do not agree on which side the patient belongs.

# %%
moved.sort_values("p").iloc[:: max(1, len(moved) // 8)].round(2)

# %% [markdown]
# The same in numbers for some of them: `low` to `high` holds 95% of the refits, `mape` is the mean distance from the model's own
# prediction, and `changed` the share of refits that put the patient on the other side of 30%.

# %%
width = (moved.high - moved.low).median()
print(f"half of the patients have a range wider than {width:.2f}")
print(f"mean distance from the model's own prediction: {moved.mape.mean():.3f}")
print(f"{(moved.changed > 0.2).sum()} of {len(moved)} change sides in more than a fifth of refits")

# %% [markdown]
# A prediction that is printed as one number might have been half or twice as large with other patients of the same hospital in the
# training cohort. A third of the test patients change sides in many of the refits. This model is stable on average and unstable for
# single patients, which no C-index shows.
#
# ## Save

# %%
study.write_table("splits.csv", splits)
print("saved splits.csv")

# %% [markdown]
# ### The report once more
#
# It now has the other divisions, and the other labels if you have run [08](08_question_the_label.ipynb).

# %%
print("report:", write_report(study).relative_to(study.folder))

# %% [markdown]
# ## What you have now
#
# `splits.csv`: other splits of the same patients, and four answers to one question. By formula, an interval from 43 patients is wide; drawing the patients again
# gives the same width; another split may reverse the order of the models; and a single patient's probability changes with the training cohort.
#
# ## Exercises
#
# 1. How many test patients would tell a C-index of 0.80 from 0.75? Guess first.
# 2. Leave out half of the splits. Which numbers move in the second decimal?
# 3. Refit the model of T and N alone (`statistics.tn_cox`). Is it more stable, and is it better?
#
# ## Check yourself
#
# - The range of the splits is narrower than a confidence interval. May you print it as one?
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
