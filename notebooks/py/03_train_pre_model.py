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
import pandas as pd

from npc_helpers import figures
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
from npc_helpers.imaging import roi
from npc_helpers.imaging.stacks import coverage, load_stacks
from npc_helpers.network import models, prediction, training
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

study, setting = Study.open(), current_setting()
cohort = included_patients(study.read_table("cohort.csv"))
rois = study.read_table("rois.csv")
study.require_outcomes("training")
SEED = 1

# %% [markdown]
# ## The images
#
# Every image before treatment is cropped, padded and stretched as in notebook 02. An image
# inherits the label of its patient: all slices of a high-risk patient count as high risk,
# those without any tumour in them too.

# %%
print(coverage(study, cohort.patient_id, "pre"))
stacks = load_stacks(study, patients=cohort.patient_id, timepoint="pre")
images, index = roi.network_inputs(stacks, rois[rois.timepoint == "pre"], setting=setting)
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
# learned to describe images of *other* synthetic patients, which sequence, which level, how much tumour. It has never seen
# an outcome. With `weights="imagenet"` in the paper setting the published start is used; if
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
# the same numbers, so they are computed once, and training the last layer takes seconds.

# %%
data = training.training_data(model, images, setting=setting)
features = data if data.ndim == 2 else training.extract_features(model, data)
print("what the last layer learns from:", " x ".join(map(str, data.shape)))

# %% [markdown]
# ## Train
#
# Adam, batches of 32, dropout of one half, L2 regularisation, and an end when the accuracy has
# not improved for ten epochs: these are the paper's rules. The paper does not say on which images that accuracy is
# measured. Taking the test images would be peeking, so we take the training images. If you interrupt this
# cell, the next run continues where it stopped.

# %%
history = training.train(
    model,
    data[train],
    high_risk[train],
    setting=setting,
    seed=SEED,
    run_dir=study.result_path("runs") / "pre",
)
history.tail(3)

# %% [markdown]
# ## What did the transfer bring?
#
# The same last layer is now trained on the features of a network with random weights. A random network
# is not blind, it sees edges and blobs of all kinds, but nobody has told it which matter. Before you run the cell: which
# curve do you expect to be higher on the *training* images?

# %%
random_model = models.prognosis_model(setting, seed=SEED, weights="none")
random_data = training.training_data(random_model, images, setting=setting)
random_history = training.train(
    random_model,
    random_data[train],
    high_risk[train],
    setting=setting,
    seed=SEED,
    run_dir=study.result_path("runs") / "pre_random",
)

# %%
show(
    figures.learning_curves({"transferred": history, "random": random_history}),
    alt="Loss and accuracy on training images by epoch, transferred against random weights.",
)

# %% [markdown]
# The transferred network starts to separate the training images within a few epochs, and the
# random one lags behind; neither curve says anything about patients it has not seen.

# %% [markdown]
# ## From images to patients
#
# A patient has more than a dozen images and needs one probability. The paper speaks of a weighted average and does not give the
# weights, so we name ours: `uniform` counts every image alike. `sequence` gives each
# sequence the same say, and `confidence` listens more to images with a clear answer.

# %%
p_high_risk = training.predict(model, data)
predictions = prediction.image_predictions(index, p_high_risk, cohort)
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
from npc_helpers.statistics import roc_auc

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
# another: notebook 05 uses them to ask how much hangs on the choice of the test patients.

# %%
with study.write_file("pre_model.keras") as path:
    training.save_model(model, path)
with study.write_file("pre_head.npz") as path:
    training.save_head(path, model)
study.write_table("predictions_pre.csv", predictions)
means = prediction.patient_features(index, features)
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
# - Why may the in-domain weights not have seen any outcome?
#
# <details><summary>Answers</summary>
#
# - The rule watches the accuracy on the training images. It ends the run when that stops rising.
# - Weights that had learned outcomes from patients of the same generator would bring the answer
#   along, and the comparison with staging would no longer be fair.
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
