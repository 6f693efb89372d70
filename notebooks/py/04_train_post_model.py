# %% [markdown]
# # Train the Post-model: what do the images after treatment add?
#
# Before treatment an image shows the enemy. After it, an image shows how the enemy took the
# blow: gone, shrunken, or still there. The Post-model is the same network, trained on the images
# after the first course of treatment. And since a network's training begins with random numbers, this notebook
# also asks how much of a result is luck.
#
# *Time: 12 minutes to read, two minutes to run.*
#
# ## What you'll do
#
# - Train the Post-model as you trained the Pre-model.
# - Train it again with other seeds and look at the spread.
#
# ## What you'll learn
#
# - Why images after treatment can say more than those before it.
# - How far results move when nothing changes but the seed.
#
# ## What you'll need
#
# - `cohort.csv` and `rois.csv`; [03_train_pre_model](03_train_pre_model.ipynb) explains each step.

# %%
import pandas as pd

from npc_helpers import figures
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.lesson import begin
from npc_helpers.imaging import roi
from npc_helpers.imaging.stacks import coverage
from npc_helpers.network import features, models, prediction, saved_models, training
from npc_helpers.statistics import c_index, roc_auc
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

study, setting = Study.open(), current_setting()
begin(study)

# %%
cohort = included_patients(study.read_table("cohort.csv"))
rois = study.read_table("rois.csv")
SEED = 1

# %% [markdown]
# ## The images after treatment
#
# They were taken at the end of the first course of treatment. Some tumours have vanished, some have left
# a rim, and swollen lining makes several look worse than they are.

# %%
print(coverage(study, cohort.patient_id, "post"))
images, index = features.study_images(study, rois, "post", patients=cohort.patient_id)
study.require_outcomes("training")
print(roi.provenance_sentence(rois.merge(index)))
roi.require_drawn(study, rois.merge(index))
labels = cohort.set_index("patient_id").loc[index.patient_id]
train = (labels.split == "train").to_numpy()
high_risk = labels.high_risk.to_numpy(dtype=bool)
print(f"{train.sum()} training images, {(~train).sum()} test images")

# %% [markdown]
# ## Train
#
# `training.train` is the `compile` and `fit` of notebook 03 in one call.

# %%
model = models.prognosis_model(setting, seed=SEED)
cache, runs = study.result_path("features"), study.result_path("runs")
inputs = features.training_inputs(model, images, cache=cache)
data = {"inputs": inputs, "high_risk": high_risk, "rows": train, "setting": setting}
learner, history = training.train(model, **data, seed=SEED, run_dir=runs / "post")
print(f"stopped after {len(history)} epochs")

# %% [markdown]
# ## Same data, other seeds
#
# The seed decides the first values of the last layer, the order of images and which features
# are dropped when. None of that is about patients. Before you run the cell: by how much would you expect the test
# AUC to move?

# %%
histories, scores = {"seed 1": history}, {}
probability = {SEED: training.predict(learner, inputs)}
for seed in (2, 3, 4, 5):
    start = models.prognosis_model(setting, seed=seed)
    other, histories[f"seed {seed}"] = training.train(
        start, **data, seed=seed, run_dir=runs / f"post_seed{seed}"
    )
    probability[seed] = training.predict(other, inputs)

# %%
show(
    figures.learning_curves(histories),
    alt="Loss and accuracy on training images by epoch, for five seeds.",
)

# %% [markdown]
# The curves lie close together and stop at different epochs: the rule that ends the training is
# itself at the mercy of small fluctuations.

# %%
by_patient = cohort.set_index("patient_id")
by_patient = by_patient[by_patient.index.isin(index.patient_id)]
test = by_patient[by_patient.split == "test"]
for seed, p in probability.items():
    risk = prediction.patient_probability(prediction.image_predictions(index, p, cohort))
    risk = risk.reindex(test.index)
    scores[seed] = {
        "AUC": roc_auc(test.high_risk.astype(bool), risk).value,
        "C-index": c_index(test.pfs_months, test.progressed, risk).value,
    }
pd.DataFrame(scores).T.round(3)

# %% [markdown]
# The differences between these rows are pure luck. A difference between two models that is not larger than that
# is not worth a sentence in a paper.

# %% [markdown]
# ## Before against after
#
# The Pre-model's predictions come from the notebook before this one. Each point is a patient of the
# test cohort.

# %%
predictions = prediction.image_predictions(index, probability[SEED], cohort)
post = prediction.patient_probability(predictions)
pre = prediction.patient_probability(study.read_table("predictions_pre.csv"))
both = test[test.index.isin(pre.index)]

# %%
show(
    figures.pre_post_scatter(
        pre.reindex(both.index), post.reindex(both.index), both.progressed.astype(bool)
    ),
    alt="Post-model probability against Pre-model probability of each test patient.",
)

# %% [markdown]
# The two models agree on the whole and part ways on single patients: those above the diagonal
# look worse after treatment than before, and several of them are among those who progressed.

# %% [markdown]
# ## Save

# %%
saved_models.keep_model(study, "post", models.joined(model, learner))
study.write_table("predictions_post.csv", predictions)
means = prediction.patient_features(index, features.extract_features(model, images, cache=cache))
study.write_table("features_post.csv", means)
print("saved predictions_post.csv, features_post.csv and post_model.keras")

# %% tags=["nbval-check-output"]
counts = predictions.groupby("split").patient_id.nunique()
print({part: int(number) for part, number in counts.items()}, "patients with predictions")

# %% [markdown]
# ## What you have now
#
# `post_model.keras`, `predictions_post.csv`, and `features_post.csv` with each patient's mean features.
#
# ## Exercises
#
# 1. Average the probabilities of the five seeds. Is the average better than its members?
# 2. Feed the *pre*-treatment images to the Post-model. What does it make of them?
#
# ## Check yourself
#
# - The clock of PFS starts with treatment, yet the Post-model uses an image from its end. Whom does
#   that exclude, and whom does it favour?
#
# <details><summary>Answer</summary>
#
# - Nobody who died or progressed before the second examination can be in the cohort. Everyone
#   who is in has survived until then, a stretch of guaranteed time (immortal time). A fair clock for
#   the Post-model starts at the second examination.
#
# </details>
#
# ## Further reading
#
# - Eisenhauer EA et al. *New response evaluation criteria in solid tumours* (RECIST 1.1), 2009.
# - Bouthillier X et al. *Accounting for variance in machine learning benchmarks*, MLSys 2021.
#
# ## Versions and data

# %%
footer(study, "keras", "tensorflow")
