# %% [markdown]
# # Screen the cohort: from 1,034 patients to the ones we study
#
# A prognosis study stands or falls with its first page: who was let in, who was left out, when
# the clock started, and what counted as an event. The paper begins with 1,034 patients and
# ends with 206. This notebook walks the same way on the demonstration registry.
#
# *Time: 15 minutes to read, half a minute to run.*
#
# ## What you'll do
#
# - Apply ten inclusion and exclusion criteria one by one and draw the flow chart.
# - Stage every patient by two editions of the TNM system.
# - Measure progression-free survival and split patients at its median, as the paper does.
# - Divide the patients into a training and a test cohort.
#
# ## What you'll learn
#
# - Why "regular review" is a criterion with consequences.
# - Why the same T and N can be stage IVA in one edition and IVB in another.
# - What a median split does to patients who were only followed for a short time.
#
# ## What you'll need
#
# - The study's registry and visits ([00_start_here](00_start_here.ipynb) introduces them).

# %%
import pandas as pd

from npc_helpers import cohort as co
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.lesson import begin
from npc_helpers.study import Study

study = Study.open()
begin(study)
registry, visits = study.registry, study.visits
print(f"{len(registry)} patients, {len(visits)} visits ({study.mark})")

# %% [markdown]
# ## Ten criteria
#
# Section 2.1 of the paper lists five reasons to include and five to exclude. Each is a named
# rule over columns of the registry, so that it can be tested, argued about and switched off.

# %%
pd.DataFrame(
    [(c.name, c.kind, c.number, c.text) for c in co.CRITERIA],
    columns=["name", "kind", "number", "meaning"],
).set_index("name")

# %% [markdown]
# ### What regular review means
#
# The paper asks for a review at least every 3 months in the first 2 years, every 6 months to
# year 5, and yearly after that. Real patients come a little late, so the rule needs a
# tolerance; it is a named argument and not a hidden number. Patients who stop coming early
# are lost to this criterion, and it is not a neutral loss: those who feel well are the ones
# who stop.

# %%
for days in (0, 14, 45, 90):
    regular = co.regular_review(visits, registry, tolerance_days=days)
    print(f"tolerance {days:2d} days: {regular.sum():4d} patients reviewed regularly")

# %% [markdown]
# ## Screen
#
# `screen` returns one yes-or-no column per criterion. A patient is in if every column says
# yes, and `excluded_by` holds the first criterion that said no.

# %%
screening = co.screen(registry, visits, review_tolerance_days=45)
flow = co.flow(screening)
flow

# %% tags=["nbval-check-output"]
print(int(screening.included.sum()), "of", len(screening), "patients remain")

# %%
from npc_helpers import figures

show(
    figures.flow_chart(flow),
    alt="Flow chart of the ten criteria, with the number of patients lost at each step.",
)

# %% [markdown]
# Each box is a criterion and each arrow to the side is the number it removes; the numbers add
# up from the registry to the cohort. Only the first and last number of this chart are the
# paper's own (its figure is not reproduced here), and the losses in between belong to the
# synthetic registry.

# %% [markdown]
# ### Try it: switch a criterion off
#
# Before you touch the boxes below: which single criterion do you expect to matter most?

# %%
from npc_helpers.widgets import ScreeningExplorer

ScreeningExplorer(registry, visits)

# %% [markdown]
# The static table gives the answer for readers without a running kernel: how many patients
# would join if one criterion alone were dropped.

# %%
gains = {
    left_out.name: co.screen(
        registry, visits, criteria=[c for c in co.CRITERIA if c is not left_out]
    ).included.sum()
    - screening.included.sum()
    for left_out in co.CRITERIA
}
pd.Series(gains, name="patients gained").sort_values(ascending=False).to_frame()

# %% [markdown]
# Each number is smaller than the loss at the same criterion in the flow chart, because many of
# those who fail one criterion fail another as well: the criteria overlap, and a flow chart
# charges each patient to whichever comes first.

# %% [markdown]
# ## Stage
#
# TNM describes how far a tumour reaches (T), which lymph nodes it has reached (N) and whether
# it has spread to distant organs (M). A stage group bundles them, and the bundling changes
# with each edition. The paper says that it used the 7th edition.

# %%
for edition in (7, 8):
    groups = {
        (t, n): co.stage_group(t, n, "M0", edition=edition)
        for t in ("T1", "T2", "T3", "T4")
        for n in ("N0", "N1", "N2", "N3")
    }
    print(f"edition {edition}")
    print(pd.Series(groups).unstack().to_string(), "\n")

# %% [markdown]
# Any N3 is stage IVB in the 7th edition and IVA in the 8th. So the edition must be written
# next to every stage, or the stage means nothing.

# %%
cohort = co.build_cohort(study, seed=2025)
included = co.included_patients(cohort)
pd.crosstab(included.stage_7th, included.stage_8th)

# %% tags=["nbval-check-output"]
for edition in ("stage_7th", "stage_8th"):
    print(edition, included[edition].value_counts().sort_index().to_dict())

# %% [markdown]
# The paper reports 132 patients in stage III and 74 in stage IVa. In this cohort, whose T and
# N counts are those of the paper's Table 1, that is the **8th** edition's grouping; under the
# 7th a part of the 74 would be IVB. We keep both columns and use the 8th for the comparison.

# %% [markdown]
# ## Progression-free survival
#
# The clock starts with treatment and stops at recurrence, distant metastasis or death,
# whichever comes first. A patient with none of them is *censored* at the last review: we know
# that nothing had happened until then, and nothing of what came after.

# %%
study.require_outcomes("progression-free survival")
followed = included[["patient_id", "pfs_months", "progressed", "event_type", "high_risk"]]
followed.event_type.value_counts().to_frame("patients")

# %%
from npc_helpers.figures import pfs_figure

show(
    pfs_figure(followed),
    alt="Kaplan-Meier curve of progression-free survival and histogram of observed months.",
)

# %% [markdown]
# The curve falls slowly and ends well above a half: most patients never progress while
# observed, so the *median survival* is not reached, and the median in the histogram is a
# median of observation time.
#
# The next figure shows every patient: rest the pointer on a mark to see who it is and what
# happened, and draw a rectangle to enlarge a part.

# %%
from npc_helpers.figures import follow_up_explorer

follow_up_explorer(included.loc[followed.index])

# %% [markdown]
# A cross ends a line because the patient progressed, a circle because nobody knows what came
# next. A circle far down is a patient about whom we know little.

# %% tags=["nbval-check-output"]
quartiles = followed.pfs_months.quantile([0.25, 0.5, 0.75])
print("PFS period in months: quartiles", *[f"{value:.2f}" for value in quartiles])

# %% [markdown]
# ### An image that shows the outcome
#
# The second MRI belongs to the first review after treatment, and at a review a relapse can be found. Whose
# relapse was found by the day of that scan has it on the image: a model that reads such an image recognises the
# outcome and foresees nothing.

# %%
by_scan = registry.patient_id[co.progressed_by_scan(registry)]
known_early = followed.patient_id[followed.patient_id.isin(by_scan)]
print(f"{len(known_early)} of {len(followed)}:", ", ".join(known_early) or "nobody")

# %% [markdown]
# The paper does not say what it did with such patients, so they stay in. To leave them out, add a criterion in the
# cells *Screen* and *Stage* above, `criteria=[*co.CRITERIA, co.NO_EVENT_BY_SCAN]`, and run the notebook again.

# %% [markdown]
# ### High risk, low risk
#
# The paper cuts the PFS period at its median and calls everyone at or below it *high risk*.
# That makes a tidy yes-or-no label for a network. It has a price.

# %%
high = followed[followed.high_risk]
censored = (~high.progressed).mean()
print(f"{len(high)} of {len(followed)} patients are labelled high risk")
print(f"{censored:.0%} of them never progressed: they were merely observed for a shorter time")

# %% [markdown]
# Nothing bad happened to those patients. They entered the study late or left it early. A label
# that mixes them with patients who relapsed teaches the network a wrong lesson about half of
# the time, and notebook 08 measures what that costs.

# %% [markdown]
# ## Training and test cohort
#
# One patient in five is set aside. The split is made by *patient*: every image of a patient,
# from both time points, falls on the same side. It is stratified by risk group and stage, so
# that both sides look alike, and seeded, so that you get the same one. Why 2025? It is the first year
# from 2022 on whose table below is as balanced as the paper's, where the smallest P value is 0.169: a lesson is easier with a test
# cohort that looks like the rest. Nobody looked at results for it. In a study of your own, keep the first split.

# %% tags=["nbval-check-output"]
divided = co.divided_patients(included)
print(divided.split.value_counts().to_dict())

# %%
from npc_helpers.statistics import table_one

table_one(divided, by="split")

# %% [markdown]
# Table 1 compares the two sides. Its P values answer a question nobody asked: the split was
# random, so every difference *is* chance. The standardised mean differences beside them say
# what matters, how large an imbalance chance has produced; below 0.1 is small, above 0.2 is
# worth knowing.

# %% [markdown]
# ## Save the cohort
#
# `cohort.csv` carries the checksums of the tables it was made from. If the registry changes,
# the next notebook will notice.

# %%
study.write_table("flow.csv", flow)
study.write_table("cohort.csv", cohort)
print("saved", study.result_path("cohort.csv").name)

# %% [markdown]
# ## What you have now
#
# `cohort.csv`: who is in, why the others are out, PFS, risk group and split.
#
# ## Exercises
#
# 1. Set the review tolerance to 14 days. How many patients remain, and does the share with an
#    event change?
# 2. Put the patients at the median into the low-risk group instead. How many labels change?
# 3. Draw 100 splits with other seeds and note the largest standardised difference in stage.
#
# ## Check yourself
#
# - A patient was last seen at 30 months, well. Which group is she in, and is that fair?
# - Why must the split be made by patient and not by image?
#
# <details><summary>Answers</summary>
#
# - High risk, because 30 is below the median; it is not fair, since nothing has happened to her.
# - Slices of one patient look alike. With some of them in training, the network could recognise
#   the patient in the test cohort instead of the disease.
#
# </details>
#
# ## Further reading
#
# - Amin MB et al. *The eighth edition AJCC cancer staging manual*, CA Cancer J Clin 2017.
# - Pan JJ et al. *Proposal for the 8th edition of the AJCC/UICC staging system for
#   nasopharyngeal cancer*, Cancer 2016.
# - Collins GS et al. *TRIPOD+AI statement*, BMJ 2024: how to report such a study.
#
# ## Versions and data

# %%
footer(study, "scikit-learn", "lifelines")
