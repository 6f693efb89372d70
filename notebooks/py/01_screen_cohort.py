# %% [markdown]
# # Screen the cohort: from 1,034 patients to the ones we study
#
# A prognosis study stands or falls by its first page: who was let in, who was left out, when
# the clock started, and what counted as an event. The paper begins with 1,034 patients and
# ends with 206. This notebook walks the same way on the demonstration registry.
#
# *Time: 15 minutes to read, some seconds to run.*
#
# ## What you'll do
#
# - Apply ten inclusion and exclusion criteria one by one and draw the flow chart.
# - Stage every patient by two editions of the TNM system.
# - Measure progression-free survival (PFS) and split patients at its median, as the paper does.
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

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import cohort as co
from npc_helpers import figures
from npc_helpers.figures.display import footer, show
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

# %% tags=["timeless"]
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
# are lost to this criterion, and the loss may not be neutral: those who feel well have less reason
# to come.

# %%
study.require_visits("judging regular review")
for days in (0, 14, 45, 90):
    regular = co.regular_review(visits, registry, tolerance_days=days)
    print(f"tolerance {days:2d} days: {regular.sum():4d} patients reviewed regularly")

# %% [markdown] tags=["exercise"]
# > **Exercise 01.1 – predict, then do** (6 minutes). With a tolerance of 14 days instead of 45,
# > fewer patients stay in the cohort. What happens to the *share* of them who have an event: does it
# > rise (`"rises"`), fall (`"falls"`) or stay the same (`"stays"`)? Write down your reason before you run the cell.

# %% tags=["solution"]
prediction = "rises"  # fill in
check("01.1", prediction)

# %% [markdown] tags=["notes"]
# Let two people say why before anybody runs the cell. The answer that helps most: reviews count only up to the event.
# A patient who progresses early has had few chances to be late; one who stays well must be on time for years. A strict rule
# therefore keeps those with an event. Then let everybody write 14 in the next cell and run the
# notebook to its end: 128 patients, another curve, another Table 1. Set it back to 45 afterwards.

# %% [markdown]
# ## Screen
#
# `screen` returns one yes-or-no column per criterion. A patient is in if every column says
# yes, and `excluded_by` holds the first criterion that said no.

# %%
tolerance = 45  # days
screening = co.screen(registry, visits, review_tolerance_days=tolerance)
flow = co.flow(screening)
figure = figures.flow_chart(flow)
show(figure, "1.1", "Flow chart of the ten criteria, with the patients lost at each step.")

# %% tags=["claim"]
first, last = len(screening), screening.included.sum()
greatest = flow.loc[flow.lost.idxmax()]
claim(
    (first, last, greatest.criterion) == (1034, 206, "regular_review"),
    f"Each arrow to the side says how many patients a criterion removes. {first:,} and {last} are "
    "the paper's own numbers; the losses in between belong to the synthetic registry. No other step loses as many as "
    f"regular review: {greatest.lost} patients.",
    f"Each arrow to the side says how many patients a criterion removes, from {first:,} to {last}; most of them, "
    f"{greatest.lost}, are lost at `{greatest.criterion}`.",
)

# %% [markdown]
# ### Try it: switch a criterion off
#
# Before you touch the boxes below: which single criterion do you expect to matter most?

# %% tags=["timeless"]
from npc_helpers.widgets import ScreeningExplorer

ScreeningExplorer(registry, visits)

# %% [markdown]
# The static table gives the answer for readers without a running kernel: how many patients
# would join if one criterion alone were dropped.

# %%
passes = screening[[criterion.name for criterion in co.CRITERIA]]  # True: the patient passes
gains = {}
for dropped in passes:
    passes_others = passes.drop(columns=dropped).all(axis=1)
    gains[dropped] = passes_others.sum() - screening.included.sum()
pd.Series(gains, name="patients gained").sort_values(ascending=False).to_frame()

# %% tags=["claim"]
lost = flow.set_index("criterion").lost
fewer = (pd.Series(gains) < lost).sum()
claim(
    (pd.Series(gains) <= lost).all() and fewer >= 6,
    f"No number is larger than the loss at the same criterion in the flow chart, and {fewer} of "
    f"{len(lost)} are smaller: many of those who fail one criterion fail another as well. A flow "
    "chart charges each patient to whichever comes first.",
    f"{fewer} of {len(lost)} numbers are smaller than the loss at the same criterion in the flow "
    "chart, which charges each patient to whichever comes first.",
)

# %% [markdown]
# ## Stage
#
# TNM describes how far a tumour reaches (T), which lymph nodes it has reached (N) and whether
# it has spread to distant organs (M). A stage group combines them, and the 7th and the 8th edition
# combine them differently. (Some definitions of T and N changed as well; here the recorded T and N are only grouped
# anew.) The paper says that it used the 7th edition. Look at the column N3 of both tables below: IVB in the 7th edition, IVA in
# the 8th. So the edition must be written next to every stage, or the stage means nothing.

# %%
t_stages, n_stages = ["T1", "T2", "T3", "T4"], ["N0", "N1", "N2", "N3"]
for edition in (7, 8):
    rows = [[co.stage_group(t, n, "M0", edition=edition) for n in n_stages] for t in t_stages]
    print(f"edition {edition}")
    print(pd.DataFrame(rows, index=t_stages, columns=n_stages), "\n")

# %%
cohort = co.build_cohort(study, seed=2025, review_tolerance_days=tolerance)
included = co.included_patients(cohort)

# %% [markdown] tags=["exercise"]
# > **Exercise 01.2 – fill in one line** (3 minutes). A colleague reads only the stage group and not
# > the edition. For how many patients of the cohort is the group a different one? Let pandas compare `stage_7th` and `stage_8th` of `included`.

# %% tags=["solution"]
different = (included.stage_7th != included.stage_8th).sum()  # fill in
check("01.2", different, patients=included)

# %% tags=["nbval-check-output"]
pd.crosstab(included.stage_7th, included.stage_8th, margins=True, margins_name="all")

# %% tags=["claim"]
renamed = included[(included.stage_7th == "IVB") & (included.stage_8th == "IVA")]
claim(
    len(renamed) > 0 and (renamed.n_stage.isin(["N3", "N3a", "N3b"])).all(),
    f"{len(renamed)} patients are IVB in one edition and IVA in the other, every one of them for N3.",
    f"{len(renamed)} patients are IVB in the 7th edition and IVA in the 8th.",
)

# %% [markdown]
# The paper reports 132 patients in stage III and 74 in stage IVa. In this cohort, whose T and
# N counts are those of the paper's Table 1, that is the **8th** edition's grouping; under the
# 7th, some of the 74 would be IVB. We keep both columns and use the 8th for the comparison.
#
# ## Progression-free survival
#
# The clock starts with treatment and stops at recurrence, distant metastasis or death,
# whichever comes first. A patient with none of them is *censored* at the last review: we know
# that nothing had happened until then, and nothing of what came after. `pfs_months` is the time on
# this clock, the *PFS period*, whichever way it ended.

# %%
study.require_outcomes("progression-free survival")
followed = included[["patient_id", "pfs_months", "progressed", "event_type", "high_risk"]]
followed.event_type.value_counts().to_frame("patients")

# %% tags=["claim"]
spread = (followed.event_type == "distant").sum()
claim(
    spread > followed.progressed.sum() / 2,
    f"{followed.progressed.sum()} of {len(followed)} patients had an event. Most often, {spread} "
    "times, it was spread to distant organs, and not a recurrence in the nasopharynx or the neck.",
    f"{followed.progressed.sum()} of {len(followed)} patients had an event; {spread} times it was "
    "spread to other organs.",
)

# %% [markdown]
# The next figure shows two things. On the left, the *Kaplan-Meier curve*: an estimate of the share of patients without
# progression over time. When one of *n* patients who are still being followed has an event, the curve falls by the fraction 1/*n*
# of its height. Censored patients count among the *n* for as long as they were seen. On the right, how long each patient was observed.

# %%
from lifelines import KaplanMeierFitter

curve = KaplanMeierFitter().fit(followed.pfs_months, followed.progressed)
figure = figures.pfs_figure(followed)
show(figure, "1.2", "Kaplan-Meier curve of PFS, and histogram of the observed months.")

# %% tags=["claim"]
curve_end = float(curve.survival_function_.iloc[-1, 0])
months = followed.pfs_months.median()
claim(
    curve_end > 0.5,
    f"The curve ends at {curve_end:.0%}, above a half: the *median survival* is not reached. The broken "
    f"line at {months:g} months, on the right, is something else, the median of the time observed.",
    f"The curve ends at {curve_end:.0%}. The broken line at {months:g} months, on the right, is the median "
    "of the time observed, which is not the median survival.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 01.3 – read a figure** (3 minutes). What share of patients is without progression at
# > 36 months? Read it from the curve; two decimals are enough. (Or let the fitted `curve` tell it:
# > `curve.predict(36)`.)

# %% tags=["solution"]
free_at_36 = float(curve.predict(36))  # fill in
check("01.3", free_at_36, patients=followed)

# %%
figures.follow_up_explorer(included.loc[followed.index])

# %% tags=["claim"]
early = (~followed.progressed & (followed.pfs_months < followed.pfs_months.median())).sum()
claim(
    early > 0.2 * len(followed),
    "One line per patient: rest the pointer on its end to see who it is, draw a rectangle to enlarge a part. A cross ends a line "
    "because the patient progressed or died, a circle because nobody knows what "
    f"came next. {early} patients were last seen well, and before the median: we know little of them.",
    "One line per patient: rest the pointer on its end to see who it is. A cross ends a line because the patient progressed or "
    "died, a circle because nobody knows what came next.",
)

# %% [markdown]
# ### An image that shows the outcome
#
# The second MRI belongs to the first review after treatment, and at a review a relapse can be found. If the relapse was
# found by the day of that scan, the image may show it: a model that reads such an image can recognise the
# outcome and need not predict anything.

# %%
by_scan = registry.patient_id[co.progressed_by_scan(registry)]
known_early = followed.patient_id[followed.patient_id.isin(by_scan)]
print(f"{len(known_early)} of {len(followed)}:", ", ".join(known_early) or "nobody")

# %% [markdown]
# The paper does not say what it did with such patients, so they stay in. To leave them out, add a criterion in the
# cells *Screen* and *Stage* above, `criteria=[*co.CRITERIA, co.NO_EVENT_BY_SCAN]`, and run the notebook again.
#
# ### High risk, low risk
#
# The paper cuts the PFS period at its median and calls everyone at or below it *high risk*.
# That makes a tidy yes-or-no label for a network. It has a price.

# %%
high = followed[followed.high_risk]
censored = (~high.progressed).mean()
print(f"{len(high)} of {len(followed)} patients are labelled high risk")
print(f"{censored:.0%} of them were not seen to progress: they were only observed for a short time")

# %% [markdown] tags=["exercise"]
# > **Exercise 01.4 – repair** (5 minutes). The line marked `repair` is meant to say who had progressed by 36 months. It
# > says so of too many patients. Repair it.

# %% tags=["solution"]
by_36 = followed.pfs_months <= 36
progressed_by_36 = followed.progressed & by_36  # repair: by_36
check("01.4", progressed_by_36, patients=followed)

# %% [markdown]
# As far as anybody knows, nothing bad happened to the patients who were merely observed for a shorter time. They entered the study late or
# left it early. A label that mixes them with patients who relapsed teaches the network something wrong about
# many of those who are labelled high risk, and notebook 08 measures what that costs.
#
# ## Training and test cohort
#
# One patient in five is set aside. The split is made by *patient*: every image of a patient,
# from both time points, falls on the same side. It is stratified by risk group and stage, so
# that both sides look alike, and *seeded*: the seed, here 2025, fixes the random numbers, so that you get the same split. Why 2025? The
# seeds 2022, 2023 and so on were tried in turn, and 2025 is the first whose table below is as balanced as the paper's, where the smallest
# P value is 0.169. A lesson is easier with a test cohort that looks like the rest. No model's result played a part in this choice. In a
# study of your own, keep the first split.

# %%
from npc_helpers.statistics import table_one

characteristics = table_one(co.divided_patients(included), by="split")
characteristics

# %% tags=["claim"]
smallest_p = pd.to_numeric(characteristics.P, errors="coerce").min()
imbalance = pd.to_numeric(characteristics.SMD, errors="coerce").fillna(0)
name = imbalance.idxmax()[0]
claim(
    smallest_p > 0.169 and imbalance.max() < 0.25,
    f"The smallest P value is {smallest_p:.3f}, the largest standardised difference {imbalance.max():.2f} "
    f"({name}).",
    f"The smallest P value is {smallest_p:.3f}; the largest standardised difference, "
    f"{imbalance.max():.2f}, is that of {name}.",
)

# %% [markdown]
# The table, the study's own Table 1, compares the two sides. Its P values answer a question nobody asked: the split was
# drawn at random, so every difference *is* chance. The standardised mean differences (SMD) beside them say
# what matters: how large an imbalance chance has produced, in standard deviations. Below 0.1 is small;
# above 0.2 is worth knowing.
#
# ## Save the cohort
#
# `cohort.csv` carries the checksums of the tables it was made from. If the registry changes,
# the next notebook will notice.

# %%
study.write_table("flow.csv", flow)
study.write_table("cohort.csv", cohort)
print("saved", study.result_path("cohort.csv").name)

# %% [markdown]
# ### What can this study support?
#
# Each part of the notebooks needs a certain number of patients. Where there are fewer, that part is left out, with its reason, and
# the rest goes on. The test cohort is what runs short first, and with fewer than 20 test patients hardly any difference can show.

# %%
from npc_helpers.study.later import support

supported = support(study)
supported

# %% tags=["claim"]
lacking = supported.part[~supported.supported.astype(bool)]
claim(
    lacking.empty,
    f"This study has enough patients for all {len(supported)} parts.",
    f"{len(lacking)} of {len(supported)} parts will be left out: {', '.join(lacking.unique())}.",
)

# %% [markdown]
# ## What you have now
#
# - Who is studied depends on rules with numbers in them, and those who leave are not a random part.
# - A stage group without its edition means nothing.
# - The median of the time observed is not the median survival, and a label cut there calls patients high risk
#   who were well when last seen.
# - `cohort.csv`: who is in, why the others are out, PFS, risk group and split.
#
# ## Check yourself
#
# - A patient was last seen at 30 months, well. Which group is she in, and is that fair?
# - Why must the split be made by patient and not by image?
#
# <details><summary>Answers</summary>
#
# - High risk, because 30 is below the median; it is not fair, since nothing is known to have happened to her.
# - Slices of one patient look alike. With some of them in training and others in the test cohort, the network could
#   recognise the patient instead of the disease.
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
