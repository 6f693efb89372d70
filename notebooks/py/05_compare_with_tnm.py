# %% [markdown]
# # Compare with TNM: is the network better than staging?
#
# The paper's claim is a comparison on 43 test patients: three models against TNM staging. This
# notebook makes the same comparison, with intervals, and then asks how much 43 patients can say.
#
# *Time: 50 minutes to read, two minutes to run.*
#
# ## What you'll do
#
# - Combine Pre-model and Post-model by soft voting.
# - Draw the four ROC curves, and compute AUC, C-index and the 2 x 2 tables.
# - Compare the models in pairs, on the same patients.
# - Exchange the label, the clock and the opponent, and see which conclusions survive.
# - Divide the patients a hundred times anew.
#
# ## What you'll learn
#
# - The difference between discriminating a label and ranking survival times.
# - How wide an interval from 43 patients is.
# - Why a higher number is not yet a better model.
# - What a label does that mistakes a short follow-up for a high risk.
#
# ## What you'll need
#
# - `predictions_pre.csv` and `predictions_post.csv` from notebooks
#   [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb), and `features_pre.csv` and
#   `features_post.csv` from there.

# %%
import numpy as np
import pandas as pd

from npc_helpers import figures, statistics
from npc_helpers.cohort import included_patients, progression_free_survival
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.lesson import begin
from npc_helpers.figures.study_report import write_report
from npc_helpers.network import prediction
from npc_helpers.network.repeated_splits import repeated_splits
from npc_helpers.study import Study, shipped_reference

study = Study.open()
begin(study)

# %%
study.require_outcomes("the comparison")
cohort = included_patients(study.read_table("cohort.csv"))
image_tables = {
    "Pre-model": study.read_table("predictions_pre.csv"),
    "Post-model": study.read_table("predictions_post.csv"),
}

# %% [markdown]
# ## One probability per patient
#
# Image probabilities are averaged within a patient. The ensemble is a *soft vote*: the plain
# mean of the two models' probabilities. TNM enters as the paper seems to have used it, as one
# threshold: stage IVA is called high risk and stage III low risk.

# %%
included, cohort = cohort, prediction.compared_patients(cohort, image_tables)
print(f"{len(cohort)} of {len(included)} patients have images of both time points")

# %%
risk = {name: prediction.patient_probability(table) for name, table in image_tables.items()}
risk = {name: p.reindex(cohort.patient_id) for name, p in risk.items()}
risk["Ensemble"] = prediction.soft_vote(risk["Pre-model"], risk["Post-model"])
risk["TNM"] = prediction.tnm_risk(cohort)

# %%
patients = cohort.set_index("patient_id")
test = patients[patients.split == "test"]
truth = test.high_risk.astype(bool)
test_risk = {name: values.reindex(test.index) for name, values in risk.items()}
pd.DataFrame(test_risk).assign(high_risk=truth).head().round(3)

# %% tags=["nbval-check-output"]
print(
    len(test),
    "test patients, of whom",
    int(truth.sum()),
    "are labelled high risk and",
    int(test.progressed.sum()),
    "progressed",
)

# %% [markdown]
# ## Telling the two groups apart
#
# An ROC curve walks through all thresholds and plots what each one finds (sensitivity) against
# what it falsely accuses (1 − specificity). The area under it (AUC) is the chance that a random
# high-risk patient gets a higher score than a random low-risk one. Half is guessing.

# %%
show(
    figures.roc_figure(truth, test_risk),
    alt="ROC curves of Pre-model, Post-model, Ensemble and TNM in the test cohort.",
)

# %% [markdown]
# The curves of the three models lie above the diagonal and cross one another; TNM has one
# corner only, because a stage is a single threshold.
#
# ### Try it: which threshold would you choose?
#
# Drag the point along a curve, or use the arrow keys on the slider: the table counts whom that threshold
# finds, misses and calls high-risk in vain. Say how many false alarms a missed patient is worth, and the
# diamond marks the threshold of least cost.

# %%
from npc_helpers.widgets import RocExplorer

RocExplorer(truth, test_risk)

# %%
pd.Series(
    {name: str(statistics.roc_auc(truth, score)) for name, score in test_risk.items()}, name="AUC"
).to_frame()

# %% [markdown]
# ## Ranking survival times
#
# The label has thrown away *when* someone progressed, and calls patients high-risk who were
# merely lost early. Harrell's C-index does not: it asks, among all pairs of patients for whom it is known who
# progressed first, how often the model gave that one the higher risk. Ties count one half.

# %%
pd.Series(
    {
        name: str(statistics.c_index(test.pfs_months, test.progressed, score))
        for name, score in test_risk.items()
    },
    name="C-index",
).to_frame()

# %% [markdown]
# If the C-index is clearly higher than the AUC of the same model, look at the label before you
# look at the model: the network ranks relapses well, and the label asks it something else.

# %% [markdown]
# ## Yes or no
#
# With a threshold of one half (and the training cohort's prevalence in mind) every patient is
# called high or low risk, and four counts follow.

# %%
tables = {name: statistics.confusion(truth, score > 0.5) for name, score in test_risk.items()}
show(
    figures.confusion_figure(tables),
    alt="Four two-by-two tables of true against predicted risk group.",
)

# %% [markdown]
# The diagonal of each table counts correct calls. The errors in the lower left are low-risk
# patients called high-risk, and the upper right are relapses and short follow-ups that were missed.

# %% [markdown]
# ## The table
#
# Everything in one place, with 95% confidence intervals. *Sensitivity* and *specificity* read
# along the true group, *PPV* and *NPV* along the prediction. The paper prints one along the other's axis,
# so it is worth saying.

# %%
comparison = statistics.compare_models(test, test_risk)
comparison.set_index("model").round(3).T

# %%
study.write_table("comparison.csv", comparison)
print("saved comparison.csv")

# %% [markdown]
# ### The same on every machine
#
# Training on another processor may change the last digits of a prediction. The predictions that
# ship with the suite do not change. They give the numbers below, and every test run compares them.

# %% tags=["nbval-check-output"]
known = included_patients(shipped_reference("cohort.csv"))
pinned = {
    "Pre-model": prediction.patient_probability(shipped_reference("predictions_pre.csv")),
    "Post-model": prediction.patient_probability(shipped_reference("predictions_post.csv")),
}
pinned["Ensemble"] = prediction.soft_vote(pinned["Pre-model"], pinned["Post-model"])
pinned["TNM"] = prediction.tnm_risk(known)
known = known[known.split == "test"].set_index("patient_id")
pinned = {name: score.reindex(known.index) for name, score in pinned.items()}
print(statistics.compare_models(known, pinned).drop(columns="n").round(3).T.to_string(header=False))

# %% [markdown]
# ## Is one better than another?
#
# The models were tested on the same patients, so their errors go together, and a comparison
# must be made on the *differences*. DeLong's test does that for AUCs. With several pairs,
# Holm's correction keeps chance findings in check.

# %%
statistics.compare_auc(truth, test_risk).round(3)

# %% [markdown]
# The same question for the yes-or-no answers: on how many patients was only one of two models
# right? McNemar's test asks whether these discordant patients favour one side. It looks at nobody else,
# which is why 43 patients rarely convince it.

# %%
calls = {name: score > 0.5 for name, score in test_risk.items()}
statistics.compare_calls(truth, calls).round(3)

# %% [markdown]
# Another way to an interval is the *bootstrap*: draw the test patients again ten thousand times,
# with replacement, and see how far the estimates and their differences move.

# %%
resampled = statistics.bootstrap_models(truth, test.pfs_months, test.progressed, test_risk)
resampled.set_index(["measure", "model", "minus"]).round(3)

# %% [markdown]
# Where `minus` names a second model, the row is the difference of the two. The bootstrap is no
# arbiter over the formulas: with few events it too leans on a sample that holds a dozen of them. In
# 1,000 simulated cohorts of 43, a third of them with progression, its 95% intervals held a C-index
# in 94%, a difference of two in 91% and an AUC in 91%; the formulas in 93%, 93% and 96%
# (`benchmarks/coverage.py`).

# %%
show(
    figures.forest_figure(comparison),
    alt="AUC and C-index of each model with 95 percent confidence intervals.",
)

# %% [markdown]
# The intervals overlap widely: with 43 patients, differences of a tenth in AUC lie
# within reach of chance, in this cohort as in the paper's.

# %% [markdown]
# ## Survival by predicted risk
#
# Clinicians think in curves. Here are the test patients divided by the Ensemble's answer.

# %%
show(
    figures.km_by_risk(test.pfs_months, test.progressed, test_risk["Ensemble"] > 0.5),
    alt="Kaplan-Meier curves of patients whom the Ensemble calls high risk and low risk.",
)

# %% [markdown]
# Patients called high-risk progress earlier and more often; the numbers below the axis show how
# few patients carry the right half of the curves.
# The *log-rank test* asks whether two such curves could come from one and the same risk.

# %%
called = test_risk["Ensemble"] > 0.5
print("log-rank test:", statistics.log_rank(test.pfs_months, test.progressed, called))

# %% [markdown]
# ## What the label does to the answer
#
# So far "high risk" meant a follow-up of at most the median, ended by progression *or by the last
# review* (section 2.3 of the paper). Somebody last seen at 20 months in perfect health is then
# high-risk. How many of them are there? Compare the label with what was known at 36 months.

# %% tags=["nbval-check-output"]
audit = statistics.label_audit(patients)
print(audit)

# %% [markdown]
# Many patients whom the label calls high-risk had never progressed: they were seen for a shorter time. "Unknown" is the
# honest word for those lost before 36 months, and no label can replace it.
#
# Three ways treat censoring as what it is. *36 months, known* leaves out those lost earlier.
# *36 months, weighted* lets each patient whose fate is known stand for similar ones who were lost
# (inverse probability of censoring weighting). *Time to progression* needs no label at all.
# Beside the models we judge an impostor that knows nothing about the disease: the **date of the first scan**. Whoever was scanned late cannot
# have been followed for long.

# %%
scans = study.registry.set_index("patient_id").mri_pre_date.reindex(patients.index)
scan_day = (scans - scans.min()).dt.days.astype(float)
scored = test_risk | {"scan date": scan_day.reindex(test.index)}
labels = statistics.compare_labels(test, scored)
show(
    figures.label_figure(labels),
    alt="AUC and C-index of the models, TNM and the scan date against four readings of follow-up.",
)

# %% [markdown]
# Read each colour from top to bottom: the same scores earn different marks for the same patients. The intervals of the
# models widen where fewer patients count, and the black triangle shows what a calendar alone achieves.

# %%
everybody = statistics.compare_labels(patients, {"scan date": scan_day})
everybody.set_index(["label", "measure"])[["n", "value", "low", "high"]].round(3)

# %% [markdown]
# In all patients together the alarm rings: against the median label the scan date has an AUC that many a network would be
# proud of, and where the time to progression counts, next to nothing is left. The fixed horizon is no safe refuge: somebody scanned
# late is *known* at 36 months only if he progressed before, and the usual weights do not know that either. A network that recognised
# the year of a scan, from a new coil or a new protocol, would be rewarded for it by the paper's label. If your own study has such an
# impostor with a good AUC, change the label before you change the network.

# %% [markdown]
# ## When does the clock start?
#
# PFS runs from the start of treatment, but the Post-model speaks only after the
# post-treatment scan. Until then nobody can have progressed, or there would be no such scan: these months are
# *immortal time*. A landmark analysis starts the clock at the scan and keeps those still at risk.

# %%
registry = study.registry.set_index("patient_id").reindex(test.index)
pfs = progression_free_survival(study.registry).set_index("patient_id").reindex(test.index)
wait = (registry.mri_post_date - registry.treatment_start).dt.days
restarted = statistics.landmark(pfs.pfs_days, pfs.progressed, wait)
left = restarted[restarted.reached]
clocks = {"treatment start": (pfs.pfs_days, pfs.progressed), "MRI": (left.time, left.event)}
pd.DataFrame(
    {
        clock: {n: str(statistics.c_index(t, e, s.reindex(t.index))) for n, s in test_risk.items()}
        for clock, (t, e) in clocks.items()
    }
)

# %%
print(
    f"The scan came {wait.median():.0f} days (median) after treatment start; "
    f"{len(left)} of {len(test)} patients were still at risk then."
)

# %% [markdown]
# If the two columns agree, immortal time changes nothing here, because every model is compared on the same patients. It
# would matter as soon as patients *with* a second scan were compared with patients without one.

# %% [markdown]
# ## TNM as a fair opponent
#
# One threshold is the weakest form of TNM. The staging system knows more: the order of the 7th edition's groups,
# and T and N one by one, weighed by a Cox model that was fitted in the *training* cohort and sees the
# test cohort only once.

# %%
train = patients[patients.split == "train"]
staging = statistics.tnm_scores(train, test)
pd.DataFrame(
    {
        name: {
            "AUC": str(statistics.roc_auc(truth, score)),
            "C-index": str(statistics.c_index(test.pfs_months, test.progressed, score)),
        }
        for name, score in (staging | {"Ensemble": test_risk["Ensemble"]}).items()
    }
).T

# %%
fair = statistics.compare_c_index(
    test.pfs_months, test.progressed, staging | {"Ensemble": test_risk["Ensemble"]}
)
fair[fair.b == "Ensemble"].drop(columns="p_holm").round(3)

# %% [markdown]
# Each row is a form of TNM minus the Ensemble: a negative difference favours the network, and an
# interval that includes zero leaves the question open.

# %% [markdown]
# ## What does the image add to what we know anyway?
#
# A clinician has T, N, age, sex and the treatment plan before any network is asked. A Cox model weighs
# these; it is fitted in the training cohort. Forty-five relapses for six coefficients are few: the
# *shrinkage* printed below says how much of their strength the coefficients would keep in new
# patients, and the last line how many patients would keep nine tenths of it (Riley 2020).

# %%
clinical = statistics.fit_cox(
    train.pfs_months, train.progressed, statistics.clinical_covariates(train)
)
show(
    figures.cox_figure({"training cohort": clinical.table}),
    alt="Hazard ratios of T, N, age, sex and chemotherapy in the training cohort.",
)

# %%
rate = train.progressed.sum() / train.pfs_months.sum()
size = statistics.patients_for_development(
    len(clinical.table),
    r_squared=clinical.r_squared,
    rate=rate,
    follow_up=train.pfs_months.mean(),
    risk_at_horizon=1 - np.exp(-36 * rate),
)
print(f"{clinical.events} events, {len(clinical.table)} coefficients, {clinical.likelihood_ratio}")
print(f"shrinkage {clinical.shrinkage:.2f}; {size.for_shrinkage} patients would give 0.90")

# %% [markdown]
# Right of the dotted line a characteristic goes with earlier progression, left of it with later; an interval
# across the line is compatible with no effect. (Chemotherapy was not given at random: its hazard ratio is no treatment effect.)
#
# In the test cohort the clinical model becomes one number per patient. Does the Ensemble's probability add to it?
# The *likelihood-ratio test* answers yes or no, the change of the C-index says how much.

# %%
known = clinical.risk_score(statistics.clinical_covariates(test)).to_frame("clinical")
added = statistics.added_value(test.pfs_months, test.progressed, known, test_risk["Ensemble"])
print("likelihood ratio", added.test)
print("C-index, clinical            ", added.c_without)
print("C-index, clinical and image  ", added.c_with)
print("change                       ", added.c_change)

# %%
added.with_score.table.round(3).join(
    statistics.proportional_hazards(added.with_score).add_prefix("check_").round(3)
)

# %% [markdown]
# The hazard ratio of the score is per standard deviation. The right columns check that hazard ratios stay the same over
# time: a small P would speak against the model. With so few relapses even a large P says little.
# Never fit the full model with seven coefficients to these test patients: with two relapses per
# coefficient it would describe them and nobody else.

# %% [markdown]
# ## At two, three and four years
#
# "Progressed by when?" is a question a patient asks. The AUC can be computed for every horizon, with weights for those lost
# before it. Where fewer than five patients progressed, or were observed for longer, it is left out.
#
# The Brier score is stricter: the squared distance between a predicted probability and what
# happened. It needs probabilities over time, so a Cox model turns scores into them, in the training cohort.

# %%
models = ("Pre-model", "Post-model", "Ensemble", "TNM")
months, progressed = test.pfs_months, test.progressed
auc_by_month = {
    name: statistics.cumulative_dynamic_auc(months, progressed, test_risk[name], at=(24, 36, 48))
    for name in models
}
image = risk["Ensemble"].rename("score").to_frame()
fitted = statistics.fit_cox(train.pfs_months, train.progressed, image.loc[train.index])
horizons = (12, 24, 36, 48, 60)
p_event = {
    "Ensemble": fitted.p_event(image.loc[test.index], at=horizons),
    "TNM": statistics.tn_cox(train).p_event(statistics.tn_covariates(test), at=horizons),
}
brier = {n: statistics.brier_curve(months, progressed, p) for n, p in p_event.items()}

# %%
show(
    figures.time_dependent_figure(auc_by_month, brier),
    alt="AUC at 24, 36 and 48 months and Brier score at 12 to 60 months, with reference.",
)

# %% [markdown]
# The bars are 95% intervals, and they are long. Left, the counts under each month say why. Right, a curve below the black line
# predicts better than telling everybody the same Kaplan-Meier risk. (The Ensemble was trained on the patients whose
# follow-up turned its score into probabilities, which makes these too confident.)

# %%
for name, p in p_event.items():
    total = statistics.integrated_brier(months, progressed, p)
    gain = f"{total.scaled.value:.0%} ({total.scaled.low:.0%} to {total.scaled.high:.0%})"
    print(f"{name:9} Brier, 12 to 60 months: {total.brier}; better than Kaplan-Meier by {gain}")

# %% [markdown]
# ## Do the probabilities mean what they say?
#
# Of patients given 70%, about 70% should be high-risk. The *slope* is 1 if the probabilities are as
# extreme as they should be: below 1 they exaggerate, above 1 they are too timid. The *intercept* is 0 if they are right on average.

# %%
p_image = {name: test_risk[name] for name in ("Pre-model", "Post-model", "Ensemble")}
show(
    figures.calibration_figure(truth, p_image),
    alt="Observed against predicted risk for Pre-model, Post-model and Ensemble.",
)

# %% [markdown]
# The ticks above and below are patients with and without the label. All probabilities crowd around one half, because averages over
# more than a dozen images, and then over two models, pull everything to the middle: the curves are steeper than the diagonal.
# Soft voting may rank patients better and still say less than it knows.

# %%
calibrated = {name: statistics.calibration(truth, p) for name, p in p_image.items()}
pd.DataFrame(
    {
        name: {
            "slope": str(found.slope),
            "intercept": str(found.intercept),
            "Brier": str(found.brier),
            "Brier, same risk for all": f"{found.brier_reference:.3f}",
            "ECE": f"{found.ece:.3f}",
            "ECE of a perfect model": f"{found.ece_by_chance:.3f}",
        }
        for name, found in calibrated.items()
    }
)

# %% [markdown]
# The expected calibration error (ECE) is often printed as if it should be zero. A *perfectly* calibrated model would score the value of the last row
# with so few patients, so an ECE near it says nothing against a model, and nothing for it.

# %% [markdown]
# ## Would acting on it help?
#
# Suppose high-risk patients get more treatment. Acting at a predicted risk of 50% means accepting one patient treated in vain for
# each one treated rightly; at 25%, three. The *net benefit* counts the right ones and subtracts the
# others at that rate. A model is useful if it beats both treating everybody and treating nobody.

# %%
p_decision = p_image | {"TNM": statistics.stage_risk(train, test)}
benefit = statistics.net_benefit(truth, p_decision)
show(
    figures.decision_figure(benefit),
    alt="Decision curves of the models and TNM, and their gain over treating all or nobody.",
)

# %% [markdown]
# Right, a curve above zero gains over the better of the two simple rules; where its band includes
# zero, these patients cannot tell. Outside the range of its probabilities a timid model decides nothing and equals the default.

# %% [markdown]
# ## How sure can 43 patients make us?
#
# First on paper. The width of an interval follows from the number of patients, whatever the model.

# %%
sizes = np.unique(np.geomspace(20, 2500, 60).round())
c_error, auc_error = statistics.c_index_standard_error, statistics.auc_standard_error
widths = {
    "AUC 0.84, half of them high-risk": [auc_error(0.842, n / 2, n / 2) for n in sizes],
    "C-index 0.83, a third progressed": [c_error(0.830, n / 3, n * 2 / 3) for n in sizes],
}
curves = {k: pd.Series(v, sizes).map(statistics.half_width) for k, v in widths.items()}
show(
    figures.precision_figure(curves, here=len(test)),
    alt="Half-width of the 95 percent interval by number of test patients.",
)

# %% [markdown]
# Where the curves cross the vertical line is the best this test cohort can give; the dotted line, plus or minus 0.05,
# is what one would like to print.

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
# not. (r is how alike two models err on the same patients. Unlike models, as a network and a stage,
# have a small one.)
#
# Then by experiment. The 43 test patients were drawn by chance; others could have been drawn. The
# images went through the frozen network once, before it had seen any outcome. Now the patients are divided a hundred times, a new last layer is fitted on
# each training side (its penalty chosen by cross-validation *inside* that side), and judged on
# the other. The stand-in for the last layer is a logistic regression on each patient's mean features, because it takes milliseconds.

# %%
features = {
    "Pre-model": study.read_table("features_pre.csv"),
    "Post-model": study.read_table("features_post.csv"),
}
features = {name: table.set_index("patient_id") for name, table in features.items()}
splits = repeated_splits(cohort, features, others={"TNM": risk["TNM"]}, n_splits=100)
show(
    figures.split_figure(splits, single=comparison),
    alt="AUC and C-index of each model in a hundred random splits, and in the split of this study.",
)

# %% [markdown]
# Every dot is a paper that could have been written from the same patients. The coloured bar holds
# 95 of the 100 dots; the diamond is our one split with its 95% interval. The two are about equally wide: a confidence
# interval from 43 patients was honest all along, and a single split without one is a draw from this cloud.

# %%
pd.concat(
    {
        title: statistics.split_differences(splits, measure=measure).round(3)
        for measure, title in (("auc", "AUC"), ("c_index", "C-index"))
    }
)

# %% [markdown]
# `a_ahead` is the share of splits in which the first model won. The intervals of the mean differences are widened, because
# the same patients come back in many splits. Compare Pre-model and Post-model by AUC and by C-index: is the
# difference that the paper reports there under both?

# %% [markdown]
# ## Save

# %%
study.write_table("splits.csv", splits)
print("saved splits.csv")

# %%
study.write_table("labels.csv", labels)
print("saved labels.csv")

# %% [markdown]
# ### For the manuscript
#
# Figures as SVG and PDF, tables as CSV and LaTeX, and one page that holds them all.

# %%
print("report:", write_report(study).relative_to(study.folder))

# %% [markdown]
# ## What you have now
#
# `comparison.csv`: each model and TNM with AUC, C-index and 2 x 2 table; `labels.csv`: the same scores
# against four readings of follow-up; `splits.csv`: a hundred other splits. And `report/`, with
# everything that goes into a manuscript.
#
# ## Exercises
#
# 1. Give Pre and Post the weights 1 and 2 in the vote. Would you have chosen them *before* seeing the test
#    cohort?
# 2. Compute AUC and C-index in the training cohort. Which of the two is more flattering?
# 3. Recompute `compare_labels` with a horizon of 24 and of 48 months. Which rows move, and why?
#
# ## Check yourself
#
# - Can an AUC of 0.723 arise from a single threshold on 23 and 20 patients?
# - A model has a higher AUC than TNM and P = 0.30. What do you write?
#
# <details><summary>Answers</summary>
#
# - With one threshold the AUC is the mean of sensitivity and specificity, here
#   (16/23 + 15/20) / 2 = 0.723. So yes, and that is where it comes from.
# - That the data do not show a difference, with the interval of the difference, so that the
#   reader sees what is still possible.
#
# </details>
#
# ## Further reading
#
# - DeLong ER, DeLong DM, Clarke-Pearson DL. *Comparing the areas under two or more correlated
#   receiver operating characteristic curves*, Biometrics 1988.
# - Harrell FE et al. *Multivariable prognostic models*, Statistics in Medicine 1996.
# - Anderson JR et al. *Analysis of survival by tumor response*, J Clin Oncol 1983: the landmark.
# - Blanche P et al. *Estimating and comparing time-dependent areas under ROC curves*, Statistics
#   in Medicine 2013.
# - Van Calster B et al. *Calibration: the Achilles heel of predictive analytics*, BMC Medicine 2019.
# - Vickers AJ, Elkin EB. *Decision curve analysis*, Medical Decision Making 2006.
# - Nadeau C, Bengio Y. *Inference for the generalization error*, Machine Learning 2003.
#
# ## Versions and data

# %%
footer(study, "scikit-learn", "lifelines", "scipy")
