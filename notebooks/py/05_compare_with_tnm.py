# %% [markdown]
# # Compare with TNM: is the network better than staging?
#
# The paper's claim is a comparison on 43 test patients: three models against TNM staging. This
# notebook makes the same comparison, with intervals and paired tests, and answers its title.
#
# *Time: 30 minutes to read, a minute to run.*
#
# ## What you'll do
#
# - Combine Pre-model and Post-model by soft voting.
# - Draw the four ROC curves, and compute AUC, C-index and the 2 x 2 tables.
# - Choose a threshold, and see what it costs.
# - Compare the models in pairs, on the same patients, and with stronger forms of TNM.
#
# ## What you'll learn
#
# - The difference between discriminating a label and ranking survival times.
# - Why a higher number is not yet a better model.
# - How much of a comparison depends on the form in which the opponent enters.
#
# ## What you'll need
#
# - `predictions_pre.csv` and `predictions_post.csv` from notebooks
#   [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb).

# %%
import pandas as pd

from npc_helpers import figures, statistics
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.lesson import begin
from npc_helpers.figures.study_report import write_report
from npc_helpers.network import prediction
from npc_helpers.study import Study, shipped_reference
from npc_helpers.study.provenance import provenance_sentence

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
rois = study.read_table("rois.csv")
print(provenance_sentence(rois[rois.patient_id.isin(cohort.patient_id)]))

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

# %%
show(
    figures.forest_figure(comparison),
    alt="AUC and C-index of each model with 95 percent confidence intervals.",
)

# %% [markdown]
# The intervals overlap widely: with 43 patients, differences of a tenth in AUC lie
# within reach of chance, in this cohort as in the paper's. How wide they must be, and whether the formulas
# keep their promise, is the subject of [10](10_how_sure.ipynb).

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
#
# ## The answer
#
# Is the network better than staging? Three comparisons of the Ensemble with TNM, each on the same test patients:

# %%
staged = {"Ensemble": test_risk["Ensemble"], "TNM": test_risk["TNM"]}
ranked = staged | {"TNM": staging["T + N, Cox"]}
months, progressed = test.pfs_months, test.progressed
answers = {
    "AUC, one threshold of TNM": statistics.compare_auc(truth, staged),
    "C-index, one threshold of TNM": statistics.compare_c_index(months, progressed, staged),
    "C-index, T and N weighed": statistics.compare_c_index(months, progressed, ranked),
}
answer = pd.concat(answers).droplevel(1)[["difference", "low", "high", "p"]]
answer.round(3)

# %% [markdown]
# Against TNM as the paper used it, one threshold, yes: no interval of the first two rows includes zero, though they reach from
# almost no difference to a large one. Against T and N weighed in the training cohort, the data do not show that the network is better, nor
# that it is not: the interval includes zero. None of the three networks is shown to be better than another. So the honest
# sentence is: *the Ensemble ranks patients better than a stage that is cut in two; whether it is better than staging is
# open*.

# %% [markdown]
# ## For the manuscript
#
# Figures as SVG and PDF, tables as CSV and LaTeX, and one page that holds them all. Parts that later notebooks
# make are named there with the notebook to run.

# %%
print("report:", write_report(study).relative_to(study.folder))

# %% [markdown]
# ## What you have now
#
# `comparison.csv`: each model and TNM with AUC, C-index and 2 x 2 table. And `report/`, with
# everything that goes into a manuscript. Three questions are still open: is the label fair
# ([08](08_question_the_label.ipynb)), do the probabilities mean what they say
# ([09](09_probabilities_and_decisions.ipynb)), and how much can 43 patients tell
# ([10](10_how_sure.ipynb))?
#
# ## Exercises
#
# 1. Give Pre and Post the weights 1 and 2 in the vote. Would you have chosen them *before* seeing the test
#    cohort?
# 2. Compute AUC and C-index in the training cohort. Which of the two is more flattering?
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
# - McNemar Q. *Note on the sampling error of the difference between correlated proportions or
#   percentages*, Psychometrika 1947.
#
# ## Versions and data

# %%
footer(study, "lifelines", "scipy")
