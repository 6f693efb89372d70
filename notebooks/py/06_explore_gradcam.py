# %% [markdown]
# # Explore Grad-CAM: where does the answer come from?
#
# A heat map over an image is persuasive, which is the trouble with it. The paper shows maps and
# reads them: tumour margins and lymph nodes matter. This notebook draws such maps, and,
# because the demonstration patients' tumours are known to the pixel, also *measures* whether
# they point there.
#
# *Time: 20 minutes to read, one minute to run.*
#
# ## What you'll do
#
# - Compute Grad-CAM maps from the last convolutional layer.
# - Explore patients, slices and models, before and after treatment side by side.
# - Score the maps against the true tumour, and test whether they depend on what was learned.
#
# ## What you'll learn
#
# - That on this architecture Grad-CAM is a plain weighted sum, exact to the last digit.
# - How coarse a map is before it is smoothed.
# - Which checks a map must pass before anyone interprets it.
#
# ## What you'll need
#
# - `pre_model.keras` and `post_model.keras` from notebooks
#   [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb).

# %%
import numpy as np
import pandas as pd

from npc_helpers import figures
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.lesson import begin
from npc_helpers.imaging import dicom, roi
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network import gradcam, gradcam_bench, sanity, saved_models
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

study, setting = Study.open(), current_setting()
begin(study)

# %%
rois = study.read_table("rois.csv")
model = {
    when: saved_models.load_or_reference(study, when, setting=setting) for when in ("pre", "post")
}

# %% [markdown]
# ## Choose some patients
#
# Twelve patients are enough to look at. They are the first of the test cohort, and not the ones
# with the prettiest maps.

# %%
patients = study.manifest.patient_id.drop_duplicates()
if study.has_outcomes:
    cohort = included_patients(study.read_table("cohort.csv"))
    patients = cohort.patient_id[cohort.split == "test"]
shown = patients.head(12)
stacks = load_stacks(study, patients=list(shown))
chosen = rois[rois.patient_id.isin(shown)]
print(len(shown), "patients,", len(chosen), "images")

# %%
timepoints = [when for when in ("pre", "post") if (chosen.timepoint == when).any()]
images, index, activations = {}, {}, {}
for when in timepoints:
    images[when], index[when] = roi.network_inputs(
        stacks, chosen[chosen.timepoint == when], setting=setting
    )
    activations[when] = gradcam.activations(model[when], images[when])
latest = timepoints[-1]  # after treatment, unless a study has images before it only
print("activations before treatment:", activations["pre"].shape)

# %% [markdown]
# ## A map is a weighted sum
#
# The last convolutional layer gives a small grid of cells, and in each cell one number per
# feature. The network averages each feature over the grid and weighs the averages. So a
# class score *is* a sum over cells, and each cell's share in it is the map. No gradient needs
# to be approximated; the identity can be checked.

# %%
weights, bias = gradcam.head(model[latest])
signed = gradcam.class_map(activations[latest], weights, target="margin")
score = activations[latest].mean(axis=(1, 2)) @ (weights[:, 1] - weights[:, 0])
print("largest difference:", f"{np.abs(signed.sum(axis=(1, 2)) - score).max():.0e}")

# %% [markdown]
# ### Three questions to ask
#
# `margin` asks what speaks *for high and against low* risk; it is the default. `logit` asks what
# raises the score of the high-risk neuron alone, as most papers do. `softmax` asks the same of the probability, and fades
# when the network is sure.

# %%
one = activations[latest][:1]
pd.DataFrame(
    {
        target: gradcam.class_map(one, weights, target=target, bias=bias).ravel()
        for target in ("margin", "logit", "softmax")
    }
).describe().round(4)

# %% [markdown]
# ## From grid to image
#
# Each cell looks at a wide field of the image, and its centre lies where the strides of the
# layers put it: at pixel 37, then every 32 pixels. Stretching the grid to the image's corners, as most tools do, shifts the map. We
# place each cell at its centre.

# %%
place = gradcam.Geometry.of(model[latest])
print("grid:", signed.shape[1:], "cells; centres at", place.cell_centres(signed.shape[1]))

# %%
position = int(np.argmax(signed.max(axis=(1, 2))))
row = index[latest].iloc[position]
image = stacks[row.patient_id, latest, row.sequence].array[row.slice_index]
heat = place.to_image(signed[position], row, image.shape)
masks = dicom.read_mask(study, row.patient_id, latest)
tumour = None if masks is None else masks[0, row.slice_index]

# %%
show(
    figures.gradcam_panel(image, signed[position], heat, mask=tumour),
    alt="Image, grid of cells, map in the paper's four colours and in a uniform colour scale.",
)

# %% [markdown]
# From left to right: the image, the raw grid, the map in the paper's look and in a scale without artificial borders. The
# white line is the true tumour. The third picture looks as if it knew more than the
# second, and it does not.

# %% [markdown]
# ## Explore
#
# Pick a patient, a slice and a question; both time points are shown side by side. The fixed
# colour scale of the cohort keeps maps comparable: with a scale of its own, every image has a
# red spot, even where nothing was found.

# %%
from npc_helpers.widgets import GradCamExplorer

GradCamExplorer.from_maps(study, stacks, index, activations, model)

# %% [markdown]
# ## Does the map point at the tumour?
#
# For real patients one cannot know. Here the truth is known, so we can count: `energy ratio` is the
# share of the map inside the tumour divided by the tumour's share of the image, so that 1 is chance; `pointing` is how often
# the highest point falls on the tumour or within 15 pixels.

# %%
tables = []
for when in timepoints:
    head = gradcam.head(model[when])[0]
    maps = gradcam_bench.explanations(activations[when], head, index[when], place, seed=1)
    tables.append(gradcam_bench.score_table(study, index[when], maps[:1], place))
scores = pd.concat(tables)
scores.groupby("timepoint")[["energy_ratio", "pointing", "padding_share"]].mean().round(2)

# %% [markdown]
# A ratio above 1 means that the maps prefer the tumour to the rest of the image; `padding_share`
# is the part of the map that lies on the black frame, where there is no patient at all.

# %% [markdown]
# ## Does the map depend on what was learned?
#
# A map that stays the same when the network is replaced by a random one shows the image, not the
# network. We randomise the weights layer by layer from the top and compare each map with the original.

# %%
sanity = sanity.sanity_check(model[latest], images[latest][:24], seed=1)
show(
    figures.sanity_figure(sanity),
    alt="Similarity of maps to the original as more and more layers are randomised.",
)

# %% [markdown]
# The similarity falls to that of unrelated maps, or below, as soon as the last layers are random, so the
# maps do depend on what the network has learned.

# %% [markdown]
# ## Save

# %%
study.write_table("gradcam_scores.csv", scores)
print(f"saved scores of {len(scores)} images")

# %% tags=["nbval-check-output"]
print(scores.patient_id.nunique(), "patients,", len(scores), "images scored")

# %% [markdown]
# ## What you have now
#
# `gradcam_scores.csv`, and a sense of what a map can and cannot show.
#
# ## Exercises
#
# 1. Find an image whose map lies mostly on the padding. What does that say about its score?
# 2. Compare the same slice in both sequences. Do the maps agree?
# 3. Show the Pre-model's map on post-treatment images.
#
# ## Check yourself
#
# - Why is the map of a very sure network blank under `softmax`?
# - Your map is red on the tumour. Have you shown that the tumour caused the prediction?
#
# <details><summary>Answers</summary>
#
# - The gradient of a saturated probability is almost zero, and it multiplies the whole map.
# - No. You have shown that features of that region entered the sum. What would happen without
#   them is another experiment: cover the region and predict again.
#
# </details>
#
# ## Further reading
#
# - Selvaraju RR et al. *Grad-CAM*, ICCV 2017.
# - Zhou B et al. *Learning deep features for discriminative localization*, CVPR 2016: CAM.
# - Adebayo J et al. *Sanity checks for saliency maps*, NeurIPS 2018.
#
# ## Versions and data

# %%
footer(study, "keras", "tensorflow", "anywidget")
