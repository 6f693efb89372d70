# %% [markdown]
# # Appraise the paper: which of its numbers follow from its counts?
#
# A paper prints counts, and numbers that follow from the counts. A reader can recompute these numbers without
# any patient's data. This notebook does so for Li et al. 2022, as a fair reviewer would: it begins with what reproduces.
#
# *Time: 25 minutes to read, half a minute to run.*
#
# ## What you'll do
#
# - Recompute each printed number that can be recomputed.
# - Find out which test, which definition and which staging edition a number comes from.
# - See where this suite reproduces each figure and table, and what a report should still contain.
#
# ## What you'll learn
#
# - How much of a result can be checked from its tables.
# - The difference between *does not reproduce* and *cannot be known*.
#
# ## What you'll need
#
# - Nothing from the other notebooks: the published counts come with the package. [05](05_compare_with_tnm.ipynb)
#   explains the measures.

# %%
import pandas as pd

from npc_helpers import appraisal, figures
from npc_helpers.appraisal import recompute
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.lesson import begin
from npc_helpers.study import Study

pd.options.display.max_colwidth = None
pd.options.display.max_rows = 100
study = Study.open()
begin(study)
claims = appraisal.appraise()
short = ["place", "claim", "printed", "recomputed", "remark"]

# %% [markdown]
# ## What stands
#
# The cohort adds up in every row of Table 1, the accuracies follow from Table 2, and
# the P values from Table 1.

# %% tags=["nbval-check-output"]
print(claims.verdict.value_counts().reindex(appraisal.VERDICTS).to_string())

# %% tags=["nbval-check-output"]
failing = claims[claims.verdict == "does not"]
print(f"{len(failing)} rows do not reproduce; they are {failing.issue.nunique()} issues")

# %%
claims.loc[claims.verdict == "reproduces", short]

# %% [markdown]
# ## What does not reproduce
#
# A number that does not follow from the counts is not necessarily a mistake of substance. Several here are
# right numbers under a wrong name: the printed predictive values are sensitivities and specificities.

# %%
failing[["issue", *short]]

# %% [markdown]
# ## What cannot be known
#
# These need something that was not printed: scores, survival times, or a sentence about the method.

# %%
claims.loc[claims.verdict == "cannot be known", short]

# %% [markdown]
# ## Four small investigations
#
# ### By which test?
#
# A 2 x 2 table has at least three P values. Which one was printed?

# %% tags=["nbval-check-output"]
for name in ("sex", "stage", "T", "N", "treatment"):
    tests = recompute.p_values(name)
    print(f"{name:10}", ", ".join(f"{test} {p:.3f}" for test, p in tests.items()))

# %% [markdown]
# All five printed P values are Pearson's chi-squared test without correction. (That of age is Welch's statistic, read from the normal distribution instead of the t distribution.)
# They test whether a *random* division was random, so none of them says anything about the patients.
#
# ### Where does 0.723 come from?
#
# The models entered the ROC analysis with probabilities. With what did TNM enter?

# %% tags=["nbval-check-output"]
print(f"(16/23 + 15/20) / 2 = {recompute.two_level_auc('TNM'):.3f}")
for method in ("Hanley-McNeil", "DeLong", "DeLong, logit"):
    low, high = recompute.two_level_interval("TNM", method)
    print(f"{method:14} {low:.3f} to {high:.3f}")

# %% [markdown]
# With a yes or no. The printed interval, 0.567 to 0.879, is Hanley and McNeil's, in the form SPSS documents.
# One threshold is the weakest form of staging, so the comparison favours the models.
#
# ### Which edition, which rule?
#
# The paper names the 7th edition. There, N3 makes a patient IVB, and 31 patients are N3.

# %% tags=["nbval-check-output"]
for edition in (7, 8):
    print(edition, "N3 is", sorted(recompute.stages_with_n3(edition)))
print({group: recompute.stage_overlap(group) for group in ("training", "test")}, "are T4 and N3")
print("called high risk:", recompute.called_high_by_rule())

# %% [markdown]
# The 8th edition fits both cohorts, with ten patients who are T4 and N3. Table 2 has TNM call 21 patients high risk; stage
# IVa would call 19, and no single threshold calls 21. A rule on T and N together might.
#
# ### How wide must an interval be?

# %%
show(
    figures.printed_intervals_figure(appraisal.intervals()),
    alt="Printed intervals of AUC and C-index over the widths that 43 patients give.",
)

# %% [markdown]
# The AUC intervals have the width that 23 and 20 patients give. For the C-index the grey band is the narrowest
# possible, as if every test patient had progressed. Then the abstract's intervals might be right; the two narrower ones of
# the text could not, even then.

# %% tags=["nbval-check-output"]
for pair in (("Ensemble", "TNM"), ("Post-model", "TNM"), ("Ensemble", "Pre-model")):
    print(f"{' against '.join(pair):26} McNemar at best P = {recompute.best_mcnemar(*pair):.4f}")

# %% [markdown]
# Even if the better model were right wherever the other is, five patients cannot make a significant difference. This
# is no evidence against the models: 43 patients are too few for an answer.
#
# ## Where the suite reproduces what
#
# Numbers will differ, because the patients are others (synthetic ones, in the demonstration).

# %%
appraisal.reproduction_map()

# %% [markdown]
# ## What a report should contain
#
# A selection after TRIPOD+AI and CLAIM 2024, in our own words. `open` in the column *paper* means that we found nothing about it;
# in the column *run*, that no program can answer it for you. `not yet run` is followed by the notebook whose result is missing.

# %%
items = appraisal.checklist(appraisal.run_facts(study))
items

# %%
(items[["paper", "run"]] == "open").groupby(items.guideline).sum()

# %% [markdown]
# The last table counts the open items. Those of your own run are the ones to write yourself.
#
# ## Save

# %%
study.write_table("appraisal.csv", claims)
print("saved appraisal.csv")

# %% [markdown]
# ## What you have now
#
# `appraisal.csv`: each printed claim with its place, the recomputed value, a verdict and a sentence.
#
# ## Exercises
#
# 1. Ensemble and Post-model: who would have to be called differently for P < 0.05?
# 2. Take another paper with a 2 x 2 table. Do its predictive values follow from it?
#
# ## Check yourself
#
# - Can an AUC be 0.806 with 23 high-risk and 20 low-risk patients?
# - There is no validation set. What could early stopping have looked at?
#
# <details><summary>Answers</summary>
#
# - Not after rounding: half pairs give 0.8054 and 0.8065. Cut off after three decimals, the second is 0.806.
# - At training accuracy, which does not guard against overfitting, or at the test cohort, which
#   would make every test result too good.
#
# </details>
#
# ## Further reading
#
# - Li S et al. *Deep learning for locally advanced nasopharyngeal carcinoma prognostication based
#   on pre- and post-treatment MRI*, Comput Methods Programs Biomed 2022.
# - Collins GS et al. *TRIPOD+AI statement*, BMJ 2024.
# - Tejani AS et al. *Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 update*,
#   Radiology: Artificial Intelligence 2024.
# - Hanley JA, McNeil BJ. *The meaning and use of the area under a ROC curve*, Radiology 1982.
#
# ## Versions and data

# %%
footer(study, "scipy")
