# %% [markdown]
# # Appraise the paper: which of its numbers follow from its counts?
#
# A paper prints counts, and numbers that follow from the counts. A reader can recompute these numbers without
# any patient's data. This notebook does so for Li et al. 2022, as a fair reviewer would: it begins with what reproduces.
#
# *Time: 25 minutes to read, some seconds to run.*
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

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import appraisal, figures
from npc_helpers.appraisal import recompute
from npc_helpers.figures.display import footer, show
from npc_helpers.study import Study

pd.options.display.max_rows = 100
study = Study.open()
begin(study)
claims = appraisal.appraise()
short = ["place", "claim", "printed", "recomputed", "remark"]

# %% [markdown]
# ## What stands
#
# Each claim of the paper, like a few numbers that it should have printed, goes on one of three piles: it reproduces, it does not, or it
# cannot be known.

# %% tags=["nbval-check-output"]
print(claims.verdict.value_counts().reindex(appraisal.VERDICTS).to_string())
failing = claims[claims.verdict == "does not"]
print(f"{len(failing)} rows do not reproduce; they are {failing.issue.nunique()} issues")

# %% [markdown] tags=["exercise"]
# > **Exercise 07.1 – predict** (4 minutes). An accuracy is a count of patients, divided by all of them. The paper tests 43 patients. Three of
# > these accuracies are printed in it, and one cannot be that of 43 patients: 0.744, 0.763, 0.814, 0.837. Which?

# %% tags=["solution"]
no_count_gives = 0.763  # fill in
check("07.1", no_count_gives, n=43)

# %%
reproduced = claims[claims.verdict == "reproduces"]
reproduced[short]

# %% tags=["claim"]
rows = ("sex", "stage", "T", "N", "treatment")
adds_up = all(appraisal.table_1(name).sum().tolist() == [163, 43] for name in (*rows, "age"))
accuracies = claims[claims.claim.str.endswith(" accuracy")]
p_values = claims[claims.claim.str.startswith("P value of ")].set_index("claim")
claim(
    adds_up
    and {*accuracies.index} <= {*reproduced.index}
    and (p_values.verdict == "reproduces").all(),
    f"The cohorts add up to 163 and 43 patients for each characteristic in Table 1. All {len(accuracies)} accuracies follow from Table 2, "
    f"and all {len(p_values)} P values from Table 1.",
)

# %% [markdown]
# ## What does not reproduce
#
# A number that does not follow from the counts is not necessarily a mistake of substance. It may be a slip of the pen, another rounding, or a
# right number under a wrong name.

# %% [markdown] tags=["exercise"]
# > **Exercise 07.2 – repair** (4 minutes). Table 2 of the paper, for the Post-model: of 23 high-risk patients it calls 17 high-risk, of 20 low-risk
# > patients it calls 2 high-risk. This line should give the positive predictive value: of those *called* high-risk, the share who are. Repair it.

# %% tags=["solution"]
table = appraisal.confusion_tables()["Post-model"]  # tp 17, fn 6, fp 2, tn 18
predictive_value = table.tp / (table.tp + table.fp)  # repair: table.tp / (table.tp + table.fn)
check("07.2", predictive_value, table=table)

# %%
failing[["issue", *short]]

# %% tags=["claim"]
misnamed = failing[failing.issue == "predictive_values"]
printed = misnamed.printed.str.rstrip("%").astype(float) / 100
calls = misnamed.claim.str.split().str[0].map(appraisal.confusion_tables())
positive = misnamed.claim.str.contains("positive")
along_truth = [
    (counts.sensitivity if of_high else counts.specificity).value
    for counts, of_high in zip(calls, positive, strict=True)
]
claim(
    len(misnamed) == failing.issue.value_counts().max()
    and (printed - along_truth).abs().max() < 0.001,
    f"The largest issue takes {len(misnamed)} of the {len(failing)} rows: the printed predictive values are sensitivities and specificities, "
    "right numbers under a wrong name.",
)

# %% [markdown] tags=["notes"]
# In exercise 07.2 let the class say both sentences aloud: "of those who are high-risk, the model finds ..." and "of those whom the model
# calls high-risk, ... are". The second is the patient's question. Then ask which of the two would change if the model were used where only
# one in ten is high-risk. A common misunderstanding of this lesson: "so the paper is wrong". Go back to the first table, and give credit to a
# paper that prints enough to be checked.

# %% [markdown]
# ## What cannot be known
#
# These need something that was not printed: scores, survival times, or a sentence about the method.

# %%
unknown = claims[claims.verdict == "cannot be known"]
unknown[short]

# %% tags=["claim"]
claim(
    len(unknown) > max(len(reproduced), len(failing)),
    f"This is the largest of the three piles: {len(unknown)} of {len(claims)} rows. None of them is wrong for that reason, and none is confirmed.",
)

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

# %% tags=["claim"]
printed_p = {name: float(p_values.printed[f"P value of {name}"]) for name in (*rows, "age")}
by_chi_squared = [
    round(recompute.p_values(name)["chi-squared"], 3) == printed_p[name] for name in rows
]
of_age = float(p_values.recomputed["P value of age"].split("Welch, normal ")[1])
claim(
    all(by_chi_squared) and round(of_age, 3) == printed_p["age"],
    f"The P values of {', '.join(rows[:-1])} and {rows[-1]} are those of Pearson's chi-squared test without correction. (That of age, {printed_p['age']}, is Welch's statistic, read "
    "from the normal distribution instead of the t distribution.)",
)

# %% [markdown]
# These P values test whether a *random* division was random. None of them says how alike the two cohorts are.
#
# ### Where does 0.723 come from?
#
# The models entered the ROC analysis with probabilities. With what did TNM enter?

# %% tags=["nbval-check-output"]
print(f"(16/23 + 15/20) / 2 = {recompute.two_level_auc('TNM'):.3f}")
for method in ("Hanley-McNeil", "DeLong", "DeLong, logit"):
    low, high = recompute.two_level_interval("TNM", method)
    print(f"{method:14} {low:.3f} to {high:.3f}")

# %% tags=["claim"]
intervals = appraisal.intervals()
tnm = intervals[intervals.measure.eq("AUC") & intervals.model.eq("TNM")].iloc[0]
low, high = recompute.two_level_interval("TNM", "Hanley-McNeil")
claim(
    [round(x, 3) for x in (recompute.two_level_auc("TNM"), low, high)]
    == [tnm.value, tnm.low, tnm.high],
    f"With a yes or no: sensitivity and specificity alone give the printed {tnm.value:.3f}. The printed interval, {tnm.low} to {tnm.high}, is Hanley and "
    "McNeil's, in the form SPSS documents.",
)

# %% [markdown]
# One threshold is the weakest form of staging, so the comparison favours the models.
#
# ### Which edition, which rule?
#
# The paper names the 7th edition. In that edition N3 makes a patient IVB. But 31 patients are N3, and Table 1 has only stages III and IVa.

# %% tags=["nbval-check-output"]
for edition in (7, 8):
    print(edition, "N3 is", sorted(recompute.stages_with_n3(edition)))
print({group: recompute.stage_overlap(group) for group in ("training", "test")}, "are T4 and N3")
for rule, patients in recompute.called_high_by_rule().items():
    print(f"{rule:13} {patients} called high risk")

# %% tags=["claim"]
both = sum(recompute.stage_overlap(group) for group in ("training", "test"))
tnm_table, called = appraisal.confusion_tables()["TNM"], recompute.called_high_by_rule()
by_tnm = tnm_table.tp + tnm_table.fp
claim(
    recompute.stages_with_n3(8) == {"IVA"} and both > 0 and by_tnm not in called.values(),
    f"The 8th edition fits both cohorts, with {both} patients who are T4 and N3. Table 2 has TNM call {by_tnm} patients high risk; stage IVa would call "
    f"{called['IVa or above']}, and no single threshold calls {by_tnm}. A rule on T and N together might.",
)

# %% [markdown]
# ### How wide must an interval be?
#
# The width of an interval depends mainly on the number of patients, and little on the model. So it can be compared with what 43 patients give.

# %%
figure = figures.printed_intervals_figure(intervals)
show(figure, "7.1", "Printed intervals of AUC and C-index over the widths that 43 patients give.")

# %% [markdown]
# For an AUC the grey band is as wide as an interval from 23 and 20 patients. For a C-index it is the narrowest possible, as if every test patient had
# progressed.

# %% tags=["claim"]
ratio = (intervals.high - intervals.low) / 2 / intervals.expected
auc_off = (ratio[intervals.measure == "AUC"] - 1).abs().max()
too_narrow = intervals[intervals.measure.eq("C-index") & (ratio < 0.9)]
claim(
    auc_off < 0.1 and set(too_narrow.place) == {"3.2"} and len(too_narrow) == 2,
    f"The AUC intervals have the width that 23 and 20 patients give, to within {auc_off:.0%}. Of the C-index, the abstract's intervals might be right "
    f"if nearly everybody had progressed. In the text, those of {' and '.join(too_narrow.model)} could not be even then: they are "
    f"narrower than that by {1 - ratio[too_narrow.index].max():.0%} or more.",
)

# %% [markdown]
# ### Can so few patients tell two models apart?
#
# McNemar's test looks only at the patients whom one of two models calls correctly and the other does not. The paper does not print how many
# they are. But its tables show how many more patients one model calls correctly than the other, and P is smallest if there are no other
# disagreements.

# %% [markdown] tags=["exercise"]
# > **Exercise 07.3 – predict** (4 minutes). Suppose that *every one* of the patients on whom two models disagree is called correctly by the
# > same model. How many of them does it take for an exact two-sided P below 0.05?

# %% tags=["solution"]
one_sided_disagreements = 6  # fill in
check("07.3", one_sided_disagreements)

# %% tags=["nbval-check-output"]
for pair in (("Ensemble", "TNM"), ("Post-model", "TNM"), ("Ensemble", "Pre-model")):
    print(f"{' against '.join(pair):26} McNemar at best P = {recompute.best_mcnemar(*pair):.4f}")

# %% tags=["claim"]
ensemble = appraisal.confusion_tables()["Ensemble"]
ahead = (ensemble.tp + ensemble.tn) - (tnm_table.tp + tnm_table.tn)
best_p = recompute.best_mcnemar("Ensemble", "TNM")
claim(
    best_p > 0.05 and best_p == 2 / 2**ahead,
    f"The Ensemble is right about {ahead} patients more than TNM. Even if it were right wherever TNM is, P would be {best_p:.4f}: {ahead} patients "
    "cannot make a significant difference.",
)

# %% [markdown]
# This is no evidence against the models: 43 patients are too few for an answer.
#
# ## Where the suite reproduces what
#
# Numbers will differ, because the patients are others (synthetic ones, in the demonstration).

# %% tags=["timeless"]
appraisal.reproduction_map()

# %% [markdown]
# ## What a report should contain
#
# Four checklists, in full and in our own short words: TRIPOD+AI asks what a paper about a prediction model *reports*, CLAIM 2024 the same of
# a paper about AI in imaging; PROBAST+AI asks whether the design may bias the result, and METRICS gives points for the method of a radiomics
# study. The column *run* is computed from this study and its results; what no program can know is `for the authors`. `not yet run` is
# followed by the notebook whose result is missing: run this notebook again at the end.

# %% tags=["timeless"]
items = appraisal.checklist(appraisal.run_facts(study))
answers = items.melt("guideline", ["paper", "run"], "of", "answer")
counts = pd.crosstab([answers.guideline, answers.of], answers.answer)
counts.reindex(columns=appraisal.ANSWERS, fill_value=0)

# %% tags=["claim"]
of_paper, of_run = (items[side].value_counts() for side in ("paper", "run"))
claim(
    of_paper["not reported"] > 10 and of_run["for the authors"] > of_paper["not reported"],
    f"{len(items)} items. The paper answers {of_paper['yes']} with yes and {of_paper['partly']} in part, and says nothing about {of_paper['not reported']}. "
    f"Of this run, {of_run['for the authors']} are for you to write: no program knows who drew, who consented, or who may have the data.",
    f"{len(items)} items; {of_run.get('for the authors', 0)} of this run are for you to write.",
)

# %% tags=["timeless"]
short_of = items[items.paper.isin(["no", "not reported"]) & (items.guideline == "TRIPOD+AI")]
short_of[["number", "item", "paper", "paper_where", "run", "run_where"]]

# %% [markdown]
# The paper leaves these parts of TRIPOD+AI open. All items, with their places in the paper, are saved below. METRICS gives each item a
# weight, so it has a score:

# %% tags=["nbval-check-output"]
print(f"METRICS of the paper: {appraisal.metrics_score(items, 'paper'):.0%}")

# %%
least = appraisal.metrics_score(items, "run")
most = appraisal.metrics_score(items, "run", counted=("yes", "partly", "for the authors"))
print(f"of this run: {least:.0%} without the authors' answers, {most:.0%} at best")

# %% tags=["claim"]
claim(
    least < most < 1,
    "A score of method says how careful a study was, and not whether its result is right. Both columns are our judgement; another reviewer may judge otherwise, "
    "and can, because each answer names its place.",
)

# %% [markdown]
# ## Save

# %%
study.write_table("appraisal.csv", claims)
study.write_table("checklists.csv", items)
print("saved appraisal.csv and checklists.csv")

# %% [markdown]
# ## What you have now
#
# - `appraisal.csv`: each printed claim with its place, the recomputed value, a verdict and a sentence.
# - `checklists.csv`: each item of four checklists, answered for the paper and for this run. The report shows it.
#
# ## Check yourself
#
# - Can an AUC be 0.806 with 23 high-risk and 20 low-risk patients?
# - There is no validation set. What could early stopping have looked at?
#
# <details><summary>Answers</summary>
#
# - Not by rounding. An AUC is a number of pairs, of 23 x 20 = 460, in which ties count one half; the values next to 0.806 are
#   0.8054 and 0.8065. Cut off after three decimals, the second is 0.806.
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
# - Moons KGM et al. *PROBAST+AI*, BMJ 2025.
# - Kocak B et al. *METhodological RadiomICs Score (METRICS)*, Insights into Imaging 2024.
# - Hanley JA, McNeil BJ. *The meaning and use of the area under a ROC curve*, Radiology 1982.
#
# ## Versions and data

# %%
footer(study, "scipy")
