# %% [markdown]
# # Explore Grad-CAM: where does the answer come from?
#
# A heat map over an image is persuasive, which is the trouble with it. The paper shows maps and
# reads them: tumour margins and lymph nodes matter. This notebook draws such maps, and,
# because the demonstration patients' tumours are known to the pixel, also *measures* whether
# they point there, and whether they do so better than maps that know nothing.
#
# *Time: 20 minutes to read, two minutes to run.*
#
# ## What you'll do
#
# - Compute Grad-CAM maps from the last convolutional layer.
# - Explore patients, slices and models, before and after treatment side by side.
# - Score the maps against the true tumour, patient by patient, beside maps that know nothing.
# - Test whether the maps depend on what was learned.
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
from npc_helpers.imaging import roi
from npc_helpers.imaging.masks import read_mask
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network import features, gradcam, gradcam_bench, gradcam_scores, sanity
from npc_helpers.network.saved_models import models_to_explain
from npc_helpers.study import Study

study = Study.open()
begin(study)

# %%
rois = study.read_table("rois.csv")
model = models_to_explain(study)

# %% [markdown]
# ## Choose some patients
#
# Twelve patients are enough to look at. They are the first of the test cohort, and not the ones
# with the prettiest maps. All of the test cohort will be needed to measure.

# %%
patients = study.manifest.patient_id.drop_duplicates()
if study.has_outcomes:
    cohort = included_patients(study.read_table("cohort.csv"))
    patients = cohort.patient_id[cohort.split == "test"]
shown, measured = patients.head(12), patients.head(60)
stacks = load_stacks(study, patients=list(shown))
print(len(shown), "patients to look at,", len(measured), "to measure")

# %%
of_measured = rois[rois.patient_id.isin(measured)]
print(roi.provenance_sentence(of_measured))
timepoints = [when for when in model if (of_measured.timepoint == when).any()]
images, index, activations = {}, {}, {}
for when in timepoints:
    images[when], index[when] = features.study_images(study, rois, when, patients=measured)
    activations[when] = gradcam.activations(model[when], images[when])
latest = timepoints[-1]  # after treatment, where there are such images and a model of them
print(f"activations, {latest}-treatment:", activations[latest].shape)

# %% [markdown]
# ## A map is a weighted sum
#
# The last convolutional layer gives a small grid of cells, and in each cell one number per
# feature. The network averages each feature over the grid and weighs the averages. So a
# class score *is* a sum over cells, and each cell's share in it is the map. No gradient needs
# to be approximated; the identity can be checked.


# %%
def map_of_margin(activations, weights):
    """Weigh the features of every cell: what speaks for high and against low risk."""
    direction = weights[:, 1] - weights[:, 0]
    n_cells = activations.shape[1] * activations.shape[2]
    return activations @ direction / n_cells


weights, bias = gradcam.head(model[latest])
signed = gradcam.class_map(activations[latest], weights, target="margin")
assert np.allclose(map_of_margin(activations[latest], weights), signed)

# %%
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
to_show = index[latest].patient_id.isin(shown).to_numpy()
position = int(np.argmax(np.where(to_show, signed.max(axis=(1, 2)), -np.inf)))
row = index[latest].iloc[position]
image = stacks[row.patient_id, latest, row.sequence].array[row.slice_index]
heat = place.to_image(signed[position], row, image.shape)
masks = read_mask(study, row.patient_id, latest)
tumour = None if masks is None else masks[0, row.slice_index]

# %%
drawn = roi.provenance_sentence(rois.merge(row.to_frame().T))
show(
    figures.gradcam_panel(image, signed[position], heat, mask=tumour, rectangle=drawn),
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

few = {when: table.patient_id.isin(shown).to_numpy() for when, table in index.items()}
GradCamExplorer.from_maps(
    study,
    stacks,
    {when: index[when][rows].reset_index(drop=True) for when, rows in few.items()},
    {when: activations[when][rows] for when, rows in few.items()},
    model,
)

# %% [markdown]
# ## Does the map point at the tumour?
#
# For real patients one cannot know. Here the truth is known, so we can count: `energy ratio` is the
# share of the map inside the tumour divided by the tumour's share of the rectangle, so that 1 is chance; `pointing` is how often
# the highest point falls on the tumour or within 15 pixels.
#
# But chance is not the opponent. Rectangles are drawn around disease, so whatever lies in their middle scores well.
# Each map is therefore measured beside maps that cannot know better: a *bump* in the middle of the rectangle, the
# mean map of all *other patients*, the activations with *no head*, the map of *low risk*, and those of *random heads*.
# Before you run the cells: which of these will be hardest to beat?

# %%
tables = []
for when in timepoints:
    of_model = gradcam.head(model[when])[0]
    maps = gradcam_bench.explanations(activations[when], of_model, index[when], place, seed=1)
    tables.append(gradcam_bench.score_table(study, index[when], maps, place))
scores = pd.concat(tables, ignore_index=True)
print(len(scores), "maps scored")

# %% [markdown]
# A patient has many images, and they resemble each other: we average within each patient first, and the
# interval comes from drawing patients anew.

# %%
summary = gradcam_scores.patient_summary(scores).set_index(["score", "timepoint", "map"])
if "energy_ratio" in summary.index:
    print(summary.loc["energy_ratio", ["mean", "low", "high", "n_patients"]].round(2))
else:
    print("The tumours of this study are not known: there is nothing to compare the maps with.")

# %% [markdown]
# Read the intervals before the means. The Post-model's map holds more than three times the share that chance would put
# on the tumour. The Pre-model's does not keep clear of 1, and its map of *low* risk lies more on the tumour than its
# map of high risk: what speaks for high risk before treatment is for the most part found elsewhere.

# %% [markdown]
# ### Better than what?
#
# In the same patients, the map minus each of its opponents:

# %%
differences = gradcam_scores.patient_differences(scores, gradcam_bench.GRADCAM)
differences = differences.set_index(["score", "timepoint", "map"])
known = [name for name in ("energy_ratio", "auprc") if name in differences.index]
differences.loc[known, ["difference", "low", "high", "n_patients"]].round(2)

# %% [markdown]
# By its energy the Post-model's map beats the bump and the activations without a head; the Pre-model's loses to both. `auprc`
# asks how well the map *ranks* pixels, and there even the Post-model's map is not clearly better than a bump that has seen
# no image. A reader who is shown one good example learns none of this.

# %%
share = summary.loc["padding_share"].xs(gradcam_bench.GRADCAM, level="map")
share[["mean", "low", "high"]].round(2)

# %% [markdown]
# This is the share of the map that lies on the black frame, where there is no patient at all.

# %% [markdown]
# ## Does the map depend on what was learned?
#
# A map that stays the same when the network is replaced by a random one shows the image, not the
# network. We randomise the weights layer by layer from the top and compare each map with the original.

# %%
cascade = sanity.sanity_check(model[latest], images[latest][:24], seed=1)
show(
    figures.sanity_figure(cascade),
    alt="Similarity of maps to the original as more and more layers are randomised.",
)

# %% [markdown]
# The similarity falls to that of unrelated maps, or below, as soon as the last layers are random, so the
# maps do depend on the weights. That is necessary, and not enough: the Pre-model's map passes this check too.

# %% [markdown]
# ## Save

# %%
study.write_table("gradcam_scores.csv", scores)
print(f"saved {len(scores)} rows")

# %% tags=["nbval-check-output"]
own = scores[scores["map"] == gradcam_bench.GRADCAM]
print(own.patient_id.nunique(), "patients,", len(own), "images scored")

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
