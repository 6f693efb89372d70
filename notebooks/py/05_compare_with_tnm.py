# %% [markdown]
# # Compare with TNM: is the network better than staging?
#
# The paper's claim is a comparison on 43 test patients: three models against TNM staging. This
# notebook makes the same comparison, with intervals, and then asks how much 43 patients can say.
#
# *Time: 20 minutes to read, half a minute to run.*
#
# ## What you'll do
#
# - Combine Pre-model and Post-model by soft voting.
# - Draw the four ROC curves, and compute AUC, C-index and the 2 x 2 tables.
# - Compare the models in pairs, on the same patients.
#
# ## What you'll learn
#
# - The difference between discriminating a label and ranking survival times.
# - How wide an interval from 43 patients is.
# - Why a higher number is not yet a better model.
#
# ## What you'll need
#
# - `predictions_pre.csv` and `predictions_post.csv` from notebooks
#   [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb).

# %%
import pandas as pd

from npc_helpers import figures, prediction, statistics
from npc_helpers.cohort import included_patients
from npc_helpers.display import footer, show, study_note
from npc_helpers.study import Study

study = Study.open()
note = study_note(study)
cohort = included_patients(study.read_table("cohort.csv", notebook="01_screen_cohort"))
study.require_outcomes("the comparison")
image_tables = {
    "Pre-model": study.read_table("predictions_pre.csv", notebook="03_train_pre_model"),
    "Post-model": study.read_table("predictions_post.csv", notebook="04_train_post_model"),
}

# %% [markdown]
# ## One probability per patient
#
# Image probabilities are averaged within a patient. The ensemble is a *soft vote*: the plain
# mean of the two models' probabilities. TNM enters as the paper seems to have used it, as one
# threshold: stage IVA is called high risk and stage III low risk.

# %%
risk = {name: prediction.patient_probability(table) for name, table in image_tables.items()}
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
    figures.roc_figure(truth, test_risk, note=note),
    alt="ROC curves of Pre-model, Post-model, Ensemble and TNM in the test cohort.",
)

# %% [markdown]
# The curves of the three models lie above the diagonal and cross one another; TNM has one
# corner only, because a stage is a single threshold.

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
    figures.confusion_figure(tables, note=note),
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

# %% [markdown]
# ## Is one better than another?
#
# The models were tested on the same patients, so their errors go together, and a comparison
# must be made on the *differences*. DeLong's test does that for AUCs. With several pairs,
# Holm's correction keeps chance findings in check.

# %%
statistics.compare_auc(truth, test_risk).round(3)

# %%
show(
    figures.forest_figure(comparison, note=note),
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
    figures.km_by_risk(test.pfs_months, test.progressed, test_risk["Ensemble"] > 0.5, note=note),
    alt="Kaplan-Meier curves of patients whom the Ensemble calls high risk and low risk.",
)

# %% [markdown]
# Patients called high-risk progress earlier and more often; the numbers below the axis show how
# few patients carry the right half of the curves.

# %% [markdown]
# ## Save

# %%
made_from = study.fingerprint("cohort.csv", "predictions_pre.csv", "predictions_post.csv")
study.write_table("comparison.csv", comparison, made_from=made_from)
print("saved comparison.csv")

# %% [markdown]
# ## What you have now
#
# `comparison.csv`: each model and TNM with AUC, C-index and 2 x 2 table.
#
# ## Exercises
#
# 1. Give Pre and Post the weights 1 and 2 in the vote. Would you have chosen them *before* seeing the test
#    cohort?
# 2. Compute AUC and C-index in the training cohort. Which of the two is more flattering?
# 3. Make the label fair: keep only patients whose status at 36 months is known, and recompute the AUC.
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
#
# ## Versions and data

# %%
footer(study, "scikit-learn", "lifelines", "scipy")
