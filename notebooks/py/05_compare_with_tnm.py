# %% [markdown]
# # Compare with TNM: is the network better than staging?
#
# The paper's claim is a comparison on 43 test patients: three models against TNM staging. This
# notebook makes the same comparison, with intervals and paired tests, and answers the question in its title.
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
# - How much of a comparison depends on the form in which TNM enters.
#
# ## What you'll need
#
# - `predictions_pre.csv` and `predictions_post.csv` from notebooks
#   [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb).

# %%
import itertools

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
images_pre = study.read_table("predictions_pre.csv")
images_post = study.read_table("predictions_post.csv")

# %% [markdown]
# ## One probability per patient
#
# Image probabilities are averaged within a patient. The Ensemble is a *soft vote*: the plain
# mean of the two models' probabilities.

# %%
pre = images_pre.groupby("patient_id").p_high_risk.mean()
post = images_post.groupby("patient_id").p_high_risk.mean()
vote = (pre + post) / 2  # missing for a patient who has images of one time point only

# %% [markdown]
# The package does the same. It keeps the patients of whom both models have seen an image, and adds TNM as the
# paper seems to have used it, with one threshold: stage IVA is called high risk and stage III low risk.

# %%
patients, risk = prediction.compared_scores(study.read_table)
pd.testing.assert_series_equal(risk["Ensemble"], vote[patients.index], check_names=False)
included = included_patients(study.read_table("cohort.csv"))
print(f"{len(patients)} of {len(included)} patients have images of both time points")
rois = study.read_table("rois.csv")
print(provenance_sentence(rois[rois.patient_id.isin(patients.index)]))

# %%
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
# An ROC curve walks through all thresholds. It plots the share of high-risk patients whom each one finds (sensitivity)
# against the share of low-risk patients whom it calls high-risk by mistake (1 − specificity). The area under it (AUC) is the chance that a random
# high-risk patient gets a higher score than a random low-risk one. One half is guessing.

# %%
show(
    figures.roc_figure(truth, test_risk),
    alt="ROC curves of Pre-model, Post-model, Ensemble and TNM in the test cohort.",
)

# %% [markdown]
# The curves of Post-model and Ensemble lie highest and cross one another; the Pre-model's is closer to the diagonal. TNM has one
# corner only, because a stage is a single threshold.
#
# ### Try it: which threshold would you choose?
#
# Drag the point along a curve, or use the arrow keys on the slider: the table counts whom that threshold
# finds, whom it misses, and whom it calls high-risk by mistake. Set how many false alarms you would accept to avoid missing one patient,
# and the diamond marks the threshold of least cost.

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
# The label has thrown away *when* someone progressed, and it calls patients high-risk who were
# only lost early. Harrell's C-index does neither: it asks, among all pairs of patients for whom it is known who
# progressed first, how often the model gave that patient the higher risk. Ties count one half. In a few lines:


# %%
def c_index_by_pairs(months, progressed, score):
    """Share of comparable pairs in which the patient who progressed first has the higher score."""
    patients = list(zip(months, progressed, score, strict=True))
    concordant = comparable = 0
    for (month, event, first), (other, other_event, second) in itertools.permutations(patients, 2):
        if event and (month < other or (month == other and not other_event)):
            comparable += 1
            concordant += 1 if first > second else 0.5 if first == second else 0
    return concordant / comparable


# %% [markdown]
# The package gives the same number, with an interval:

# %%
for score in test_risk.values():
    by_pairs = c_index_by_pairs(test.pfs_months, test.progressed, score)
    packaged = statistics.c_index(test.pfs_months, test.progressed, score)
    assert abs(by_pairs - packaged.value) < 1e-12

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
# look at the model: the network ranks relapses well, and the label asks it another question.

# %% [markdown]
# ## Yes or no
#
# With a threshold of one half every patient is called high or low risk, and four counts follow. (One half suits a label
# that divides the training patients in two.)

# %%
tables = {name: statistics.confusion(truth, score > 0.5) for name, score in test_risk.items()}
show(
    figures.confusion_figure(tables),
    alt="Four two-by-two tables of true against predicted risk group.",
)

# %% [markdown]
# The diagonal of each table counts correct calls. Low-risk patients who were called high-risk stand in the lower left;
# relapses and short follow-ups that were missed stand in the upper right.

# %% [markdown]
# ## The table
#
# Everything in one place, with 95% confidence intervals. *Sensitivity* and *specificity* are shares of a true
# group, *PPV* and *NPV* shares of those with the same prediction. (The paper prints the first under the names of the second:
# see [07](07_appraise_paper.ipynb).)

# %%
comparison = statistics.compare_models(test, test_risk)
comparison.set_index("model").round(3).T

# %%
study.write_table("comparison.csv", comparison)
print("saved comparison.csv")

# %% [markdown]
# The paper's order is Pre-model, Post-model, Ensemble. The patients of the demonstration study are synthetic, and their cohort was *chosen*
# among others of the same generator so that this order can show. It need not, as other divisions of the same patients say, on which the models were
# trained anew ([10](10_how_sure.ipynb) looks at them closely):

# %%
from npc_helpers.network.repeated_splits import kept_splits

splits = kept_splits(study)
order = ("Pre-model", "Post-model", "Ensemble")
for measure in ("auc", "c_index"):
    share = statistics.share_in_order(splits, order, measure=measure)
    print(f"{measure:8} in the paper's order in {share:.0%} of {splits.split.nunique()} splits")

# %% [markdown]
# So the order of three numbers from one split is no finding.

# %% [markdown]
# ### The same on every machine
#
# Training on another processor may change the last digits of a prediction. The predictions that
# ship with the suite do not change. They give the numbers below, and every test run compares them.

# %% tags=["nbval-check-output"]
shipped, shipped_risk = prediction.compared_scores(shipped_reference)
shipped = shipped[shipped.split == "test"]
shipped_risk = {name: score.reindex(shipped.index) for name, score in shipped_risk.items()}
shipped_table = statistics.compare_models(shipped, shipped_risk).drop(columns="n")
print(shipped_table.round(3).T.to_string(header=False))

# %% [markdown]
# ## Is one better than another?
#
# The models were tested on the same patients, so their errors are correlated, and a comparison
# must be made on the *differences*. DeLong's test does that for AUCs. With several pairs,
# Holm's correction keeps chance findings in check.

# %%
statistics.compare_auc(truth, test_risk).round(3)

# %% [markdown]
# The same question for the yes-or-no answers: in how many patients was only one of two models
# right? McNemar's test asks whether these discordant patients favour one side. It looks at nobody else,
# and so 43 patients rarely give it a small P.

# %%
calls = {name: score > 0.5 for name, score in test_risk.items()}
statistics.compare_calls(truth, calls).round(3)

# %%
show(
    figures.forest_figure(comparison),
    alt="AUC and C-index of each model with 95 percent confidence intervals.",
)

# %% [markdown]
# The intervals overlap widely: with 43 patients, differences of a tenth in AUC can be due to chance, in this
# cohort as in the paper's. How wide intervals must be, and how often they hold the truth, is the subject of
# [10](10_how_sure.ipynb).

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
# ## TNM in stronger forms
#
# One threshold is the weakest form of TNM. The staging system holds more: the order of the 7th edition's groups,
# and T and N one by one, weighed by a Cox model that was fitted in the *training* cohort and is applied to the
# test cohort once.

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
# Is the network better than staging? The Ensemble is compared with TNM in three ways, each time on the same test patients:

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
# Against TNM as the paper used it, with one threshold, yes: no interval of the first two rows includes zero, though they reach from
# almost no difference to a large one. Against T and N weighed in the training cohort, the data show neither that the network is better
# nor that it is not: the interval includes zero. By AUC, none of the three networks is shown to be better than another. So what can be
# written is: *the Ensemble ranks patients better than a stage that is cut in two; whether it is better than staging is
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
