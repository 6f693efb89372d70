# %% [markdown]
# # Start here: meet the study and check your machine
#
# Nasopharyngeal carcinoma (NPC) grows behind the nose. An endoscope shows its surface; only imaging
# shows how far it reaches. Most patients with locally advanced disease are cured by radiotherapy and
# chemotherapy, but some relapse. In 2022, Li and colleagues asked whether a deep network that
# looks at magnetic resonance (MR) images from before and after treatment can predict
# who will relapse, and whether it does so better than TNM staging (**t**umour, lymph **n**odes,
# **m**etastases). These notebooks rebuild their study step by step, on synthetic patients whose data anyone may use.
#
# *Time: 6 minutes to read, some seconds to run.*
#
# ## What you'll do
#
# - Check that this machine has what the notebooks need.
# - Open the study and look at its three tables.
# - Look at one patient, before and after treatment.
#
# ## What you'll learn
#
# - How a study folder is laid out, so that your own can take the same path later.
# - What T2-weighted and contrast-enhanced T1-weighted images show.
# - Which notebook answers which question.
#
# ## What you'll need
#
# - Two processor cores, 6 GiB of memory and 10 GiB of disk (6 of them free when you begin here; packages and images take the rest).
#   No graphics card, no internet.
# - A little Python, or a little radiology. Nobody is expected to know both.

# %% [markdown]
# ## Check the machine
#
# The check reads three numbers from the operating system. If one of them is too small, the
# notebooks still run, only slower or with less room to spare.

# %%
import os
import shutil

import pandas as pd
import psutil

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers.study import Study

study = Study.open()
begin(study)

# %% tags=["timeless"]
memory, disk = psutil.virtual_memory().total, shutil.disk_usage(study.folder).free
has = [os.cpu_count(), round(memory / 2**30, 1), round(disk / 2**30, 1)]
rows = ["processor cores", "memory, GiB", "free disk, GiB"]
pd.DataFrame({"this machine": has, "needed": [2, 6, 6]}, index=rows)

# %% [markdown]
# ## Open the study
#
# A *study* is a folder. It holds three tables and a set of image files, and every notebook
# reaches it through one object, `Study`. Unless you say otherwise, `Study` opens the
# demonstration study that ships with the suite. To use your own, set the environment variable
# `NPC_STUDY` to its folder before starting Jupyter; nothing else changes.

# %%
print("study:", study.name)
print("synthetic patients:", study.is_synthetic)
print("outcomes known:", study.has_outcomes)

# %% [markdown]
# ### The registry: one row per patient
#
# A hospital registry knows who was treated, when, how far the disease had spread, and what
# became of the patient. The column names are the usual terms of the field; `docs/data_dictionary.md`
# explains each one with its unit. (`CCRT` is concurrent chemoradiotherapy, `IC` is induction chemotherapy.)

# %%
columns = ["patient_id", "sex", "age_years", "t_stage", "n_stage", "m_stage", "treatment"]
study.registry[columns].head()

# %% tags=["claim"]
claim(
    len(study.registry) == 1034,
    f"{len(study.registry):,} patients are listed. Notebook 01 decides which of them are studied.",
    f"{len(study.registry):,} patients are listed in this study.",
)

# %% [markdown]
# ### The visits: one row per review
#
# After treatment, patients come back at regular intervals. Each row records what was
# examined and what was found; some rows are telephone calls (`kind`). Progression is only ever *detected* at a review,
# so its date is the date of the review and not the moment when the tumour began to grow again.

# %%
study.require_visits("counting visits")
visits = study.visits
visits.head()

# %% tags=["claim"]
per_patient = visits.patient_id.value_counts()
claim(
    per_patient.median() > 4,
    f"{len(visits):,} reviews and telephone calls, a median of {per_patient.median():g} for each patient: "
    "most were followed again and again.",
    f"{len(visits):,} visits, a median of {per_patient.median():g} for each patient.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 00.1 – fill in one line** (3 minutes). Whom was the hospital able to follow most
# > closely? Let pandas find the patient with the most visits: `visits.patient_id.value_counts()` counts
# > the visits of each patient; the `patient_id` is its index, on the left.

# %% tags=["solution"]
patient = visits.patient_id.value_counts().idxmax()  # fill in
check("00.1", patient)

# %% [markdown]
# ### The manifest: one row per MR series
#
# A *series* is one stack of parallel slices acquired in one go. The manifest says where each
# series is stored and how many images it has. It also holds a checksum (not shown below), so that a file that was
# changed or damaged is noticed before anything is computed from it.

# %%
study.manifest.drop(columns="sha256").head(4)

# %% tags=["claim"]
whole = study.manifest.groupby("patient_id").size() == 4
claim(
    whole.all(),
    f"Each of the {len(whole)} patients with images has four series: two sequences, before and "
    "after treatment.",
    f"{whole.sum()} of {len(whole)} patients with images have all four series.",
)

# %% [markdown]
# ## Is everything where it should be?
#
# `check` goes through every table and every series folder and returns all problems at once.
# An empty result is what we hope for. An *error* has to be mended before the notebooks can run; a
# *warning* concerns some patients only, and the rest goes on without them; a *note* is good to know.
# (With `checksums=True` it also reads every image file.)

# %%
problems = study.check(checksums=False)
problems.head()

# %% tags=["claim"]
errors = (problems.level == "error").sum()
claim(
    errors == 0,
    "No error: the notebooks can run.",
    f"{errors} errors: mend them first, `python -m npc_helpers.study check` lists them all.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 00.2 – read a table** (3 minutes). In a copy of the registry somebody exchanged two
# > dates of one patient. Which patient? (The copy lives in memory; the study stays as it is.)

# %% tags=["timeless"]
from npc_course.exercises import check_spoiled_copy

check_spoiled_copy(study).query("level == 'error'").drop(columns="level")

# %% tags=["solution"]
patient = check_spoiled_copy(study).patient_id.iloc[0]  # fill in
check("00.2", patient)

# %% [markdown]
# ## One patient, two examinations
#
# An MR image shows how strongly the hydrogen in each small piece of tissue answers a radio
# pulse. Two recipes, or *sequences*, are used here. In a **T2-weighted** image (`t2w`) water is bright: fluid
# around the brain, swollen lining of the nose. In a **contrast-enhanced T1-weighted** image
# (`t1c`) tissue is bright where an injected contrast agent has leaked out of the blood
# vessels, as it does in many tumours, and in the healthy lining of the nose too. In both, the signal of fat has been
# removed ("water images"), so that a tumour is not lost in bright fat. You look at the patient from the feet:
# the patient's right is on the left of the picture.

# %%
from npc_course.exercises import telling_slice

study.require_images("looking at a patient")
imaged = study.registry[study.registry.patient_id.isin(study.manifest.patient_id)]
t2_first = pd.concat([imaged.query("t_stage == 'T2'"), imaged.query("t_stage != 'T2'")])
level = telling_slice(study, t2_first.patient_id)
listed = study.manifest[study.manifest.patient_id == level.patient_id]

# %%
from npc_helpers.figures import series_grid
from npc_helpers.figures.display import show
from npc_helpers.imaging.dicom import read_series

series = {
    f"{row.timepoint}-treatment {row.sequence}": read_series(study.folder / row.path)
    for row in listed.sort_values(["timepoint", "sequence"], ascending=False).itertuples()
}
figure = series_grid(series, height=level.height)
show(figure, "0.1", "Axial MR images of one patient: two sequences before and after treatment.")

# %% tags=["claim"]
before, after = level.tumour_before, level.tumour_after
claim(
    before is not None and after <= before / 2,
    "Above before treatment, below after it, at the same level. The mass beside the airway behind "
    f"the nose, grey in `t2w` and white in `t1c`, covers {before} pixels above and {after} below: "
    "that change is what the *Post-model*, the network of notebook 04, learns to read.",
    "Above before treatment, below after it, at the same level. Nobody has outlined the tumour in "
    "this study: look for what is there above and gone below.",
)

# %% [markdown]
# How was this picture chosen? By a rule that you can read (`telling_slice`). In each patient it takes the slice that shows most
# tumour before treatment; the first patient of T category T2 in whom at least half of it is gone afterwards is shown. (The
# *category* T2 says how far a tumour reaches, and has nothing to do with T2-*weighting*.) A picture
# that was chosen shows what is *possible*, and not what is usual.

# %% [markdown] tags=["exercise"]
# > **Exercise 00.3 – read a picture** (2 minutes). Find the fluid around the brain stem. In
# > which sequence is it bright, `"t2w"` or `"t1c"`? Why?

# %% tags=["solution"]
sequence = "t2w"  # fill in
check("00.3", sequence)

# %% [markdown]
# ## Two settings
#
# Everything runs in one of two settings. `tutorial` is small enough for a laptop; `paper`
# holds the published values and wants a graphics card. The environment variable `NPC_SETTING`
# chooses, and there is no third.

# %% tags=["timeless"]
from dataclasses import asdict

from npc_helpers.study.settings import PAPER, TUTORIAL

pd.DataFrame({"tutorial": asdict(TUTORIAL), "paper": asdict(PAPER)}).drop("name").astype(str)

# %% [markdown]
# ## The way through
#
# | notebook | question | leaves behind |
# |---|---|---|
# | [01_screen_cohort](01_screen_cohort.ipynb) | Who is in the study, and who relapsed? | `cohort.csv` |
# | [02_crop_roi](02_crop_roi.ipynb) | Which part of each image does the network see? | `rois.csv`, image stacks |
# | [03_train_pre_model](03_train_pre_model.ipynb) | What can be read from the images before treatment? | `predictions_pre.csv` |
# | [04_train_post_model](04_train_post_model.ipynb) | And from those after treatment? | `predictions_post.csv` |
# | [05_compare_with_tnm](05_compare_with_tnm.ipynb) | Is that better than staging? | `comparison.csv` |
# | [06_explore_gradcam](06_explore_gradcam.ipynb) | Where in the image does the answer come from? | `gradcam_scores.csv` |
# | [07_appraise_paper](07_appraise_paper.ipynb) | Which of the paper's printed numbers reproduce? | `appraisal.csv` |
# | [08_question_the_label](08_question_the_label.ipynb) | What if the label were another? | `labels.csv` |
# | [09_probabilities_and_decisions](09_probabilities_and_decisions.ipynb) | Do predicted probabilities come true, and help? | |
# | [10_how_sure](10_how_sure.ipynb) | How much can 43 test patients tell? | `splits.csv` |
# | [11_another_hospital](11_another_hospital.ipynb) | What survives the move to another hospital? | |
# | [12_survival_networks](12_survival_networks.ipynb) | What did the label cost, and what does the image add? | |
# | [13_break_it](13_break_it.ipynb) | Which results are too good, and how does one notice? | |
# | [14_missing_values](14_missing_values.ipynb) | What does a marker tell that was not measured in every patient? | |
# | [15_next_examination](15_next_examination.ipynb) | What is the risk now, at the next examination? | |
#
# Each notebook opens by itself. If the one before it has not been run, it says so and uses
# small reference tables that ship with the suite.

# %% [markdown]
# ## What you have now
#
# - The study has three tables: who was treated, who was seen again, and where the images lie.
# - Data that do not fit together are found before anything is computed from them.
# - Fluid is bright in one sequence and dark in the other, and treatment changes what both show.
#
# ## Check yourself
#
# - Why is fluid bright in one sequence and dark in the other?
# - Why can progression only be dated to a visit?
#
# <details><summary>Answers</summary>
#
# - T2-weighting favours tissue whose signal lives long, and fluid's lives longest;
#   T1-weighting favours tissue that recovers quickly, and fluid recovers slowest.
# - Nobody looks between visits. The true moment lies somewhere between the last review without a finding and
#   the review that found it. Statisticians call this interval censoring.
#
# </details>
#
# ## Further reading
#
# - Li S, Deng Y-Q, Hua H-L, et al. *Deep learning for locally advanced nasopharyngeal carcinoma
#   prognostication based on pre- and post-treatment MRI*, 2022.
# - `docs/demonstration_study.md`: how the synthetic patients are made, and what is known of them.
#
# ## Versions and data

# %%
from npc_helpers.figures.display import footer

footer(study, "pydicom", "keras", "tensorflow")
