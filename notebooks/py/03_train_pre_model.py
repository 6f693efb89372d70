# %% [markdown]
# # Train the Pre-model: what do the images before treatment know?
#
# The Pre-model looks at one cropped image from before treatment and answers with two numbers,
# the probabilities of low and of high risk. It is Inception-ResNet-V2, a network that learned
# to see on other pictures, with a new last layer that learns prognosis on ours.
#
# *Time: 20 minutes to read, three minutes to run.*
#
# ## What you'll do
#
# - Build the network and draw its diagram from the built model.
# - Train its last layer on the training patients, with the paper's rules for stopping.
# - Compare transferred weights with random ones on their learning curves.
# - Predict for all patients and save the predictions.
#
# ## What you'll learn
#
# - What transfer learning transfers.
# - Why a rising accuracy on training images promises little.
# - How probabilities of images become the probability of a patient.
#
# ## What you'll need
#
# - `cohort.csv` and `rois.csv` from notebooks [01](01_screen_cohort.ipynb) and
#   [02](02_crop_roi.ipynb).

# %%
import keras
import numpy as np
import pandas as pd

from npc_helpers import figures
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.lesson import begin
from npc_helpers.imaging import roi
from npc_helpers.imaging.stacks import coverage
from npc_helpers.network import features, models, prediction, saved_models, training
from npc_helpers.statistics import roc_auc
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

study, setting = Study.open(), current_setting()
begin(study)

# %%
cohort = included_patients(study.read_table("cohort.csv"))
rois = study.read_table("rois.csv")
SEED = 1

# %% [markdown]
# ## The images
#
# Every image before treatment is cropped, padded and stretched as in notebook 02. An image
# inherits the label of its patient: all slices of a high-risk patient count as high risk,
# those without any tumour in them too.

# %%
print(coverage(study, cohort.patient_id, "pre"))
images, index = features.study_images(study, rois, "pre", patients=cohort.patient_id)
study.require_outcomes("training")
print(roi.provenance_sentence(rois.merge(index)))
roi.require_drawn(study, rois.merge(index))
labels = cohort.set_index("patient_id").loc[index.patient_id]
train = (labels.split == "train").to_numpy()
high_risk = labels.high_risk.to_numpy(dtype=bool)
print(f"{train.sum()} training images, {(~train).sum()} test images of {images.shape[1:3]} pixels")

# %% [markdown]
# ## The network
#
# The first layers find edges, the next ones textures, the last ones arrangements of textures. Inception blocks
# look at several scales side by side; residual connections let a block correct its input
# instead of replacing it. After the last block each of the remaining maps is averaged to one
# number (*global average pooling*), half of these numbers are dropped at random while
# training, and two output neurons weigh the rest.

# %%
model = models.prognosis_model(setting, seed=SEED)
models.describe(model)

# %%
show(
    figures.network_diagram(models.describe(model)),
    alt="Diagram of the Pre-model and Post-model and the soft vote, drawn from the built models.",
)

# %% [markdown]
# Each box is a stage of the built model, as high as the side of its maps: from left to right the
# image shrinks while the number of maps grows. Pre-model and Post-model have the same shape and
# meet only in the vote at the end.

# %% [markdown]
# ## Transferred weights
#
# The paper starts from weights learned on ImageNet, 1.3 million photographs. Those weights cannot be
# shipped here, so the tutorial transfers from a closer relative: a small network that
# learned to describe images of *other* synthetic patients: which sequence, which level, how much tumour.
#
# **This start knows more than any real one could.** It has never seen an outcome. But it was also taught to
# measure the texture and necrosis of a tumour and the share that treatment has left, and in this synthetic world those
# are drawn from the very variables that decide who relapses. What follows shows the *mechanics* of transfer; how well
# it works here is owed to that start, and says nothing about what ImageNet weights would do in your hospital.
#
# With `weights="imagenet"` in the paper setting the published start is used; if
# the file is missing, the error says where to put it.

# %%
try:
    models.inception_resnet_v2(256, weights="imagenet", channels=1)
except models.WeightsNotFound as error:
    print(error)

# %% [markdown]
# ## Features once, head many times
#
# In the tutorial setting the transferred layers stay frozen. Then an image always turns into
# the same numbers, its *features*: they are computed once and kept on disk, and training the last layer takes
# seconds. In the paper setting the whole network learns, and what it learns from are the images themselves.

# %%
cache = study.result_path("features")
inputs = features.training_inputs(model, images, cache=cache)
print("the trained part learns from", " x ".join(map(str, inputs.shape)), "numbers")

# %% [markdown]
# ## What to minimise, and how
#
# `compile` tells the network what counts as an error and how to make it smaller: the cross-entropy between predicted
# and true group, and Adam, which adapts the step of every weight. The L2 penalty and the
# dropout are part of the layers already.

# %%
run_dir, epochs = study.result_path("runs") / "pre", setting.max_epochs
learner = models.trainable_part(model)
learner.compile(
    optimizer=keras.optimizers.Adam(
        setting.learning_rate, gradient_accumulation_steps=setting.accumulate
    ),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
learner.summary()

# %% [markdown]
# ## Train
#
# `fit` shows the network all training images once per *epoch*, in batches of 32. It ends when the accuracy has
# not improved for ten epochs: these are the paper's rules. The paper does not say on which images that accuracy is
# measured. Taking the test images would be peeking, so we take the training images.
#
# `Resume` writes down where the run stands after each epoch. Interrupt this cell, or switch the computer
# off: the next run of both cells goes on where it stopped, and ends with the same weights.

# %%
size = setting.images_at_a_time
batches = training.Batches(inputs, high_risk, rows=train, batch_size=size, seed=SEED)
stopping = keras.callbacks.EarlyStopping("accuracy", mode="max", patience=setting.patience)
resume = training.Resume(run_dir, batches, stopping)
fitted = learner.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[stopping, resume])
history = training.history_table(fitted)
history.tail(3)

# %% [markdown]
# `training.train` does the same in one call, for the experiments that follow. Given a folder of its own, it
# trains anew and has to arrive at the same weights.

# %%
again, _ = training.train(
    model, inputs, high_risk, rows=train, setting=setting, seed=SEED, run_dir=f"{run_dir}_again"
)
assert all(map(np.array_equal, learner.get_weights(), again.get_weights()))

# %% [markdown]
# ## What did the transfer bring?
#
# The same last layer is now trained on the features of a network with random weights. A random network
# is not blind, it sees edges and blobs of all kinds, but nobody has told it which matter. Before you run the cell: which
# curve do you expect to be higher on the *training* images?

# %%
random_model = models.prognosis_model(setting, seed=SEED, weights="none")
random_inputs = features.training_inputs(random_model, images, cache=cache)
_, random_history = training.train(
    random_model,
    random_inputs,
    high_risk,
    rows=train,
    setting=setting,
    seed=SEED,
    run_dir=f"{run_dir}_random",
)

# %%
show(
    figures.learning_curves({"transferred": history, "random": random_history}),
    alt="Loss and accuracy on training images by epoch, transferred against random weights.",
)

# %% [markdown]
# Neither curve says anything about patients that the network has not seen. How the sources compare on those, over a
# hundred ways to split the patients, stands in [docs/results.md](../docs/results.md) under "What learns, and from
# what": there the informed start is far ahead of the random one.

# %% [markdown]
# ## From images to patients
#
# A patient has more than a dozen images and needs one probability. The simplest rule counts every image alike:

# %%
p_high_risk = training.predict(learner, inputs)
predictions = prediction.image_predictions(index, p_high_risk, cohort)


def mean_of_images(predictions):
    """Give each patient the mean probability of the patient's images."""
    total = predictions.groupby("patient_id").p_high_risk.sum()
    return total / predictions.groupby("patient_id").size()


assert np.allclose(mean_of_images(predictions), prediction.patient_probability(predictions))

# %% [markdown]
# The paper speaks of a weighted average and does not give the weights, so we name ours: `uniform` is the rule
# above. `sequence` gives each sequence the same say, and `confidence` listens more to images with a clear answer.

# %%
patients = pd.DataFrame(
    {
        name: prediction.patient_probability(predictions, weights=name)
        for name in ("uniform", "sequence", "confidence")
    }
)
patients.corr(method="spearman").round(3)

# %% [markdown]
# The three weightings rank patients almost alike, so the choice is not what decides here.

# %%
split = cohort.set_index("patient_id").split.reindex(patients.index)
truth = cohort.set_index("patient_id").high_risk.reindex(patients.index).astype(bool)
for part in ("train", "test"):
    side = split == part
    print(f"{part:5} AUC {roc_auc(truth[side], patients.uniform[side])}")

# %%
show(
    figures.prediction_strip(patients.uniform, truth, split),
    alt="Predicted probability of high risk of every patient, by true group and by split.",
)

# %% [markdown]
# The two groups overlap in both cohorts: the model leans the right way for most patients and is
# wrong about many. Should the test cohort look better than the training cohort, which the model has
# learned from, that is the luck of few patients: the intervals above say how much luck there can be.

# %% [markdown]
# ## Save
#
# The model goes into one file that contains everything from pixel values to probabilities, and
# its last layer, the only one that learned here, into a small one beside it.
# The predictions go into a table with one row per image, and the mean features of each patient into
# another: notebook 10 uses them to ask how much hangs on the choice of the test patients.

# %%
saved_models.keep_model(study, "pre", models.joined(model, learner))
study.write_table("predictions_pre.csv", predictions)
means = prediction.patient_features(index, features.extract_features(model, images, cache=cache))
study.write_table("features_pre.csv", means)
print("saved predictions_pre.csv, features_pre.csv and pre_model.keras")

# %% tags=["nbval-check-output"]
counts = predictions.groupby("split").patient_id.nunique()
print({part: int(number) for part, number in counts.items()}, "patients with predictions")

# %% [markdown]
# ## What you have now
#
# `pre_model.keras`, `predictions_pre.csv`, and `features_pre.csv` with each patient's mean features.
#
# ## Exercises
#
# 1. Raise the dropout to 0.9 with `dataclasses.replace(setting, dropout=0.9)`. What happens to the
#    gap between training and test?
# 2. Shuffle `high_risk[train]` and train again. How high does the training accuracy get, and
#    what is the test AUC?
# 3. Train on T2-weighted images only. Which sequence carries more?
#
# ## Check yourself
#
# - Why does the training stop although nobody looked at the test cohort?
# - The start weights have never seen an outcome. Why are they still no fair start?
#
# <details><summary>Answers</summary>
#
# - The rule watches the accuracy on the training images. It ends the run when that stops rising.
# - They were trained to measure what the generator draws from its two hidden variables, and these decide the
#   hazard. Whoever chooses what a pretraining has to predict may bring part of the answer along without any outcome.
#
# </details>
#
# ## Further reading
#
# - Szegedy C et al. *Inception-v4, Inception-ResNet and the impact of residual connections on
#   learning*, AAAI 2017.
# - Mei X et al. *RadImageNet*, Radiology: Artificial Intelligence 2022: transfer from radiology.
#
# ## Versions and data

# %%
footer(study, "keras", "tensorflow")
