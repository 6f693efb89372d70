# %% [markdown]
# # Train the Pre-model: what do the images before treatment know?
#
# The Pre-model looks at one cropped image from before treatment and answers with two numbers,
# the probabilities of low and of high risk. It is Inception-ResNet-V2, a network that has already been
# trained on other images. In this notebook all of it goes on learning, from the outcomes of our
# patients, while you watch.
#
# *Time: 20 minutes to read, three minutes to run.*
#
# ## What you'll do
#
# - Build the network and draw its diagram from the built model.
# - Train it on the training patients, with Keras' own `compile` and `fit`.
# - Compare transferred weights with random ones.
# - Predict for all patients and save the predictions.
#
# ## What you'll learn
#
# - What transfer learning transfers, and what fine-tuning changes.
# - Why a falling loss on training images promises little.
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

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import figures
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
from npc_helpers.imaging import roi
from npc_helpers.imaging.stacks import coverage
from npc_helpers.network import features, models, prediction, preflight, saved_models, training
from npc_helpers.network.repeated_splits import kept_splits
from npc_helpers.statistics import c_index, roc_auc
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

SEED = 1
study, setting = Study.open(), current_setting()
begin(study)

# %% [markdown]
# ## The images
#
# Every image before treatment is cropped and padded, and its grey values are stretched, as in notebook 02.

# %%
cohort = included_patients(study.read_table("cohort.csv"))
rois = study.read_table("rois.csv")
print(coverage(study, cohort.patient_id, "pre"))
images, index = features.study_images(study, rois, "pre", patients=cohort.patient_id)
print(roi.provenance_sentence(rois.merge(index)))

# %% [markdown]
# An image inherits the label of its patient: all slices of a high-risk patient count as high risk,
# even those without any tumour in them.

# %%
study.require_outcomes("training")
roi.require_drawn(study, rois.merge(index))
labels = cohort.set_index("patient_id").loc[index.patient_id]
train = (labels.split == "train").to_numpy()
high_risk = labels.high_risk.to_numpy(dtype=bool)
print(f"{train.sum()} training images, {(~train).sum()} test images of {images.shape[1:3]} pixels")

# %% [markdown]
# ## The network
#
# Roughly, the first layers find edges, the next ones textures, the last ones arrangements of textures. Each layer writes
# what it finds, and where, into *maps*, one for each feature. Inception blocks
# look at several scales side by side; residual connections let a block correct its input
# instead of replacing it. After the last block each of the remaining maps is averaged to one
# number (*global average pooling*). During training some of these numbers are dropped at random (*dropout*);
# two output neurons weigh the rest.

# %%
model = models.prognosis_model(setting, seed=SEED)
stages = models.describe(model)
figure = figures.network_diagram(stages)
show(figure, "3.1", "Diagram of Pre-model, Post-model and soft vote, drawn from the built model.")

# %% tags=["claim"]
maps = [shape for shape in stages.output_shape if len(shape) == 3]
(rows, columns, _), (last_rows, last_columns, n_maps) = maps[0], maps[-1]
claim(
    last_rows < rows / 20 and n_maps > 300,
    f"Each box is a stage, as high as the side of its maps. From left to right {rows} by {columns} pixels "
    f"shrink to {last_rows} by {last_columns} cells, and the maps become {n_maps}: where something lies is "
    "given up for what it is. Pre-model and Post-model have the same shape and meet only in the vote of the *Ensemble* (notebook 05).",
)

# %% [markdown]
# In the tutorial setting the network is a quarter as wide and has fewer blocks than the published one, and it looks
# at the middle of the padded image only, where the rectangle lies, so that two processor cores are enough.
#
# ## Transferred weights
#
# A radiologist who turns to a new disease does not learn to see again. *Transfer learning* gives a network the same
# advantage: it starts from weights that were learned on another task, of which there were more images. *Fine-tuning*
# then lets these weights change, a little at a time, for the task at hand.
#
# The paper starts from ImageNet, 1.3 million photographs. Those weights cannot be shipped here, so the
# tutorial transfers from a closer relative: the same small network, trained on *other* synthetic patients to tell which
# sequence an image is, at which level it lies, from which time point it comes, and, before treatment, how much
# tumour it shows. A hospital could make such weights from its own archive: tumours would have to be outlined, but no patient
# would have to be followed up.
#
# The network was not asked for the texture of a tumour, nor for how much of it treatment has left. In this synthetic world
# these two tell most of what an image can say about relapse, and they are left for our training to find.
#
# In the paper setting, `weights="imagenet"` starts from the published ImageNet weights; if
# the file is missing, the error says where to put it.
#
# ## What learns, and what is frozen
#
# In the tutorial setting nothing is frozen: every filter may change. *Batch normalisation* brings each map to a common
# brightness and contrast, like a window setting that the network chooses for itself. While training it uses mean and spread of the
# images at hand, later their running averages. (These averages are the few weights that are not counted as learning below.) Here it goes
# on learning, because the start weights come from few images. In the paper setting it is frozen: weights
# from a million photographs come with averages that a small study would only make worse.

# %%
learner = models.trainable_part(model)
learns = sum(int(np.prod(weight.shape)) for weight in learner.trainable_variables)
print(f"{learns:,} of {learner.count_params():,} weights learn, from {train.sum()} images")

# %% [markdown]
# ## What the network is shown
#
# There are far more weights than patients, so the network could learn every image by heart. Two measures make that
# harder. An *epoch* (one round of training) takes only a few images of each patient, others each time, since neighbouring
# slices are much alike. And each image comes in another variant: mirrored, moved by a few pixels, a little
# brighter or darker. None of that makes a new patient.

# %% tags=["timeless"]
place = int(np.abs(index.slice_index - index.slice_index.median()).argmin())
same = np.repeat(images[[place]], 6, axis=0)
variants = training.vary(same, np.random.default_rng(SEED))
figure = figures.input_montage(variants, index.iloc[[place] * 6])
show(figure, "3.2", "Six variants of one image: mirrored, moved, brighter or darker.")

# %% [markdown]
# The same slice six times. In some pictures left and right change places, and the head moves by a few pixels. Which patient
# it is, and what became of that patient, does not change.
#
# ### Is this machine enough?
#
# One should know this before hours of training, not after. The table takes its sizes from the built network and times one
# prediction; a step of training (one *batch* of images) takes about three times as long.

# %% tags=["timeless"]
batches = training.batches_of(
    images, high_risk, setting=setting, seed=SEED, rows=train, patients=index.patient_id
)
steps = len(batches) * setting.max_epochs
print(f"{len(batches)} batches of {batches.batch_size} images an epoch, at most {steps} steps")
sizes = {"n_images": len(images), "n_training": len(batches) * batches.batch_size, "runs": 2}
preflight.preflight(setting, **sizes, folder=study.result_path("runs"))

# %% [markdown]
# ## What to minimise, and how
#
# `compile` tells the network what counts as an error and how to make it smaller: the cross-entropy between predicted
# and true group, and Adam, which adapts the step of every weight. The steps start small, grow, and end at zero along a cosine. An
# L2 penalty (large weights of the last layer cost something) and the dropout are part of the layers already. The cross-entropy of one
# image is −ln *p*, where *p* is the probability that the network gave to the group named by the patient's label; `np.log` is ln.

# %%
learner.compile(
    optimizer=training.adam(setting, steps=steps),
    loss="sparse_categorical_crossentropy",
    metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
    jit_compile=training.WITH_XLA,  # only with JAX: TensorFlow on a processor is faster without
)

# %% [markdown] tags=["exercise"]
# > **Exercise 03.1 – fill in one line** (3 minutes). Before you judge a loss, work out the loss of a network that knows nothing.
# > It cannot decide and says one half for every image. What is its cross-entropy?

# %% tags=["solution"]
undecided = -np.log(0.5)  # fill in
check("03.1", undecided)

# %% [markdown]
# ## Train
#
# `fit` runs through the epochs. `EarlyStopping` applies the paper's rule: end when the accuracy has not
# improved for ten epochs. The paper does not say on which images that accuracy is measured. Taking the test images would be
# peeking, so we take the training images. In the tutorial setting the number of epochs is small and ends the run first; it was
# chosen on training patients only.
#
# There is a third way: set some of the *training* patients aside and measure the accuracy on them.

# %% [markdown] tags=["exercise"]
# > **Exercise 03.2 – repair** (6 minutes). A colleague sets a fifth of the training images aside, drawn at random, to watch
# > the accuracy on them. This accuracy may rise because the network has come to know the *patients*: it trains on other slices of
# > the same people, under the same label. Repair the line that draws them.

# %% tags=["solution"]
who = index.patient_id[train].to_numpy()  # the patient of each training image
names, rng = np.unique(who), np.random.default_rng(SEED)
fifth = max(1, len(names) // 5)
aside = np.isin(who, rng.permutation(names)[:fifth])  # repair: rng.random(len(who)) < 0.2
check("03.2", aside, who=who)

# %% [markdown]
# Now train. `Resume` saves the state of the run after each epoch. Interrupt this cell, or switch the computer
# off: the next run goes on after the last complete epoch, and ends with the same weights.

# %%
run_dir = study.result_path("runs") / "pre"
stopping = keras.callbacks.EarlyStopping("accuracy", mode="max", patience=setting.patience)
resume = training.Resume(run_dir, batches, stopping)
fitted = learner.fit(
    batches, epochs=setting.max_epochs, shuffle=False, verbose=0, callbacks=[stopping, resume]
)
history = training.history_table(fitted)
history.round(3)

# %% tags=["claim"]
began, ended, coin = history.loss.iloc[0], history.loss.iloc[-1], np.log(2)
claim(
    began - 0.05 > ended > coin - 0.05,
    f"The loss falls from {began:.2f} to {ended:.2f}. It began *above* the {coin:.2f} of saying one half, "
    "mainly because a new last layer is sure of things it cannot know. Above all, these few epochs make it more "
    "careful.",
    f"The loss goes from {began:.2f} to {ended:.2f}; saying one half would give {coin:.2f}.",
)

# %% [markdown]
# ## What did the transfer bring?
#
# `training.train` does in one call what you have just done. Asked for the same run, it finds it finished and reads it back. Then it
# trains the same network from random weights, with the same images in the same order.

# %%
data = {"inputs": images, "high_risk": high_risk, "rows": train, "patients": index.patient_id}
again, _ = training.train(model, **data, setting=setting, seed=SEED, run_dir=run_dir)
assert all(map(np.array_equal, learner.get_weights(), again.get_weights()))

random_model = models.prognosis_model(setting, seed=SEED, weights="none")
random_learner, random_history = training.train(
    random_model, **data, setting=setting, seed=SEED, run_dir=f"{run_dir}_random"
)

# %% [markdown] tags=["exercise"]
# > **Exercise 03.3 – predict** (3 minutes). Before you look at the curves: on the *training* images, whose loss ends
# > lower by 0.05 or more? `"transferred"`, `"random"`, or `"neither"`?

# %% tags=["solution"]
ends_lower = "neither"  # fill in
check("03.3", ends_lower, transferred=history, random=random_history)

# %%
figure = figures.learning_curves({"transferred": history, "random": random_history})
show(figure, "3.3", "Loss and accuracy on training images, transferred against random weights.")

# %% tags=["claim"]
losses = [table.loss.iloc[-1] for table in (history, random_history)]
accuracies = [table.accuracy.max() for table in (history, random_history)]
claim(
    min(losses) > coin - 0.05 and max(accuracies) < 0.65,
    f"Seen from {coin:.2f} and from an accuracy of a half, neither curve has come far: the losses end at "
    f"{losses[0]:.2f} and {losses[1]:.2f}, and no epoch names more than {max(accuracies):.0%} of the images "
    "right. Single images are a noisy teacher, as most slices of a high-risk patient look like anybody's.",
    f"The losses end at {losses[0]:.2f} and {losses[1]:.2f}; saying one half would give {coin:.2f}.",
)

# %% [markdown]
# Neither curve says anything about patients whom the network has not seen.
#
# ## From images to patients
#
# A patient has more than a dozen images and needs one probability. The simplest rule counts every image alike:

# %%
p_high_risk = training.predict(learner, images)
predictions = prediction.image_predictions(index, p_high_risk, cohort)


def mean_of_images(predictions):
    """Give each patient the mean probability of the patient's images."""
    total = predictions.groupby("patient_id").p_high_risk.sum()
    return total / predictions.groupby("patient_id").size()


assert np.allclose(mean_of_images(predictions), prediction.patient_probability(predictions))

# %% [markdown]
# The paper speaks of a weighted average and does not give the weights, so we name ours: `uniform` is the rule
# above. `sequence` gives each sequence the same say, and `confidence` listens more to images with a clear answer.
# Do they put the patients in the same order? A *rank correlation* of 1 says yes.

# %%
weightings = ["uniform", "sequence", "confidence"]
p = {name: prediction.patient_probability(predictions, weights=name) for name in weightings}
patients = pd.DataFrame(p)
alike = patients.corr(method="spearman")
alike.round(3)

# %% tags=["claim"]
claim(
    alike.min().min() > 0.9,
    f"No rank correlation is below {alike.min().min():.2f}: the three weightings rank patients almost alike, so "
    "the choice is not what decides here.",
    f"The rank correlations go down to {alike.min().min():.2f}: write down which weighting you chose, and that "
    "you chose it before you saw results.",
)

# %% [markdown]
# How well do the probabilities tell the two groups apart? Draw one high-risk and one low-risk patient: the *AUC* is the chance
# that the high-risk one has the higher probability. 1 is always, 0.5 is guessing. ([05](05_compare_with_tnm.ipynb) says more about it.)

# %%
outcomes = cohort.set_index("patient_id").loc[patients.index]
truth, split = outcomes.high_risk.astype(bool), outcomes.split
figure = figures.prediction_strip(patients.uniform, truth, split)
show(figure, "3.4", "Probability of high risk of every patient, by true group and by split.")

# %% tags=["claim"]
spread = patients.uniform.quantile([0.05, 0.95])
auc = {
    part: roc_auc(truth[split == part], patients.uniform[split == part])
    for part in ("train", "test")
}
claim(
    spread.iloc[0] > 0.3 and spread.iloc[1] < 0.7 and auc["train"].value > auc["test"].value,
    f"The two groups overlap in both cohorts, and 9 of 10 patients get between {spread.iloc[0]:.2f} and "
    f"{spread.iloc[1]:.2f}: near one half is a network's way of saying that it does not know. The AUC is "
    f"{auc['train']} in the training cohort, whose answers were shown, and {auc['test']} in the test cohort.",
    f"The AUC is {auc['train']} in the training cohort and {auc['test']} in the test cohort.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 03.4 – repair** (5 minutes). A manuscript prints an AUC of the test cohort whose interval is far narrower
# > than ours. Nothing was made up, and yet the interval is wrong: what does a row of `test_images` stand for? Repair the line of `rows`.

# %% tags=["solution"]
test_images, columns = predictions[predictions.split == "test"], ["high_risk", "p_high_risk"]
rows = test_images.groupby("patient_id")[columns].mean()  # repair: test_images
auc_in_manuscript = roc_auc(rows.high_risk > 0.5, rows.p_high_risk)
check("03.4", auc_in_manuscript, predictions=test_images)

# %% [markdown]
# ### Transferred or random, on patients not seen
#
# The *C-index* looks at pairs of patients of whom it is known who progressed first. It is the share of these pairs in which that
# patient also has the higher predicted risk: again 1 is always, 0.5 is guessing. The label plays no part in it.

# %%
test = outcomes[split == "test"]
random_p = training.predict(random_learner, images[~train])
of_test = prediction.image_predictions(index[~train], random_p, cohort)
risk = {"transferred": patients.uniform, "random": prediction.patient_probability(of_test)}
c = {name: c_index(test.pfs_months, test.progressed, p[test.index]) for name, p in risk.items()}
pd.Series(c, name="C-index").map(str).to_frame()

# %% tags=["claim"]
width = c["transferred"].high - c["transferred"].low
difference = c["transferred"].value - c["random"].value
claim(
    abs(difference) < width,
    f"On these {len(test)} patients the starts differ by {difference:+.2f} in C-index, and one "
    f"interval alone is {width:.2f} wide: one split cannot say what the transfer is worth.",
)

# %% [markdown]
# So the experiment was repeated beforehand, over many ways to split the patients, with the network trained anew in each. Here is
# the transferred start:

# %% tags=["claim"]
splits = kept_splits(study).query("model == 'Pre-model'").c_index
low, high = splits.quantile([0.1, 0.9])
claim(
    0.6 < splits.mean() < 0.72 and high - low > 0.1,
    f"Over {len(splits)} splits the Pre-model's C-index is {splits.mean():.2f} on average, and in 8 of 10 of them "
    f"between {low:.2f} and {high:.2f}. The images before treatment know something of the outcome, and not much.",
    f"Over {len(splits)} splits the Pre-model's C-index is {splits.mean():.2f} on average, and in 8 of 10 of them "
    f"between {low:.2f} and {high:.2f}.",
)

# %% [markdown]
# `docs/results.md` has two networks to compare with it, under "What learns, and from what": one that starts from random weights, and
# one of which only the last layer was trained, on the frozen features of the same start weights. Look at the latter before you
# spend hours on fine-tuning.
#
# ## Save
#
# The model goes into one file that contains everything from pixel values to probabilities, and its weights into
# a small one beside it. The predictions go into a table with one row per image.

# %% tags=["nbval-check-output"]
saved_models.keep_model(study, "pre", learner)
study.write_table("predictions_pre.csv", predictions)
print("saved predictions_pre.csv and pre_model.keras")
print(predictions.groupby("split").patient_id.nunique().to_dict(), "patients with predictions")

# %% [markdown]
# ## What you have now
#
# - What is transferred are features that were learned on another task, for which more images were at hand.
# - A loss has to be compared with that of a network that cannot decide, and a low loss on training images promises little.
# - Images that watch over training, or test its result, are set aside by patient; results are counted in patients.
# - One split cannot tell which start is better.
# - `pre_model.keras`, and `predictions_pre.csv` with a probability for every image of every patient.
#
# ## Check yourself
#
# - Why may nobody choose the number of epochs by the test cohort?
# - The start weights have never seen an outcome. Could they be an unfair start all the same?
#
# <details><summary>Answers</summary>
#
# - The best of many numbers of epochs is partly the luckiest. Its result is too good on the patients by whom it was chosen,
#   and no patients are left to show by how much.
# - Yes, if they were taught to measure what decides the outcome. An earlier version of this tutorial used weights that had
#   learned to measure tumour texture and what treatment had left, on images drawn from these very variables. Whoever chooses what a
#   pretraining has to predict can bring part of the answer along without any outcome.
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
