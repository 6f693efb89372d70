# %% [markdown]
# # Explore Grad-CAM: does the answer come from the tumour?
#
# A heat map over an image is persuasive, which is the trouble with it. The paper shows maps and
# reads them: tumour margins and lymph nodes matter. This notebook draws such maps, *measures* whether they point
# at tumours that are known to the pixel, and then does what a map cannot: it changes the images, even draws the same
# patients again without their tumours, and watches whether the answer follows.
#
# *Time: 30 minutes to read, three minutes to run.*
#
# ## What you'll do
#
# - Compute Grad-CAM maps, coarse and exact or fine and approximate, and explore them.
# - Score them patient by patient, beside maps that know nothing.
# - Cover what the maps point at, and draw patients without their tumours.
#
# ## What you'll learn
#
# - That on this architecture Grad-CAM is a plain weighted sum, exact to the last digit.
# - How coarse a map is before it is smoothed.
# - Which checks a map must pass before anyone interprets it, and which questions no map answers.
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
from npc_helpers.network import features, gradcam, gradcam_bench, models, perturbation, sanity
from npc_helpers.network.gradcam_scores import patient_differences, patient_summary
from npc_helpers.network.saved_models import models_to_explain
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

study = Study.open()
begin(study)

# %%
rois = study.read_table("rois.csv")
model = models_to_explain(study)

# %% [markdown]
# ## Choose some patients
#
# Sixteen patients to look at, the first of the test cohort. All of the test cohort will be needed to measure.

# %%
patients = study.manifest.patient_id.drop_duplicates()
if study.has_outcomes:
    cohort = included_patients(study.read_table("cohort.csv"))
    patients = cohort.patient_id[cohort.split == "test"]
shown, measured = patients.head(16), patients.head(60)
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
few = {when: table.patient_id.isin(shown).to_numpy() for when, table in index.items()}
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
score = gradcam.log_odds(model[latest], images[latest])
print("largest difference:", f"{np.abs(signed.sum((1, 2)) + bias[1] - bias[0] - score).max():.0e}")

# %% [markdown]
# `margin` asks what speaks *for high and against low* risk: its cells and the bias add up to the log-odds. Most papers ask for
# the score of the high-risk neuron alone (`logit`) or for its probability (`softmax`), which fades when the network is sure.

# %% [markdown]
# ## From grid to image
#
# Each cell looks at a wide field of the image, and its centre lies where the strides of the
# layers put it, 32 pixels from the next. Stretching the grid to the image's corners, as most tools do, shifts the map. We
# place each cell at its centre.
#
# Which image to show? A collection of the prettiest maps shows what somebody liked. Our rule: take from each
# patient the image with the strongest cell, and of these images the one in the middle.

# %%
place = gradcam.Geometry.of(model[latest])
peaks = index[latest][few[latest]].assign(peak=signed[few[latest]].max(axis=(1, 2)))
peaks = peaks.loc[peaks.groupby("patient_id").peak.idxmax()].sort_values("peak")
row = peaks.iloc[len(peaks) // 2]
position = row.name
image = stacks[row.patient_id, latest, row.sequence].array[row.slice_index]
heat = place.to_image(signed[position], row, image.shape)
masks = read_mask(study, row.patient_id, latest)
tumour = None if masks is None else masks[0, row.slice_index]

# %%
by_whom = roi.provenance_sentence(rois.merge(row.drop("peak").to_frame().T))
show(
    figures.gradcam_panel(image, signed[position], heat, mask=tumour, rectangle=by_whom),
    alt="Image, grid of cells, map in the paper's four colours and in a uniform colour scale.",
)

# %% [markdown]
# From left to right: the image, the raw grid, the map in the paper's look and in a scale without artificial borders. The
# white line is the true tumour, where the slice has any. The third picture looks as if it knew more than the
# second, and it does not.

# %% [markdown]
# ### Finer, and at what price
#
# A few layers earlier the grid has several times as many cells. There *HiResCAM* multiplies each activation with its
# gradient, how fast the score would rise with it. At the last layer that is the exact map again. Here it is not: the
# layers between bend the relation and add constants of their own, so the cells no longer add up to the score.

# %%
fine_place = gradcam.Geometry.of(model[latest], layer=gradcam.finer_layer(model[latest]))
fine = gradcam.finer_map(model[latest], images[latest])
titles = [" x ".join(map(str, cells.shape[1:])) for cells in (signed, fine)]
print("sum of fine cells against sum of exact cells: r =",
      np.corrcoef(fine.sum((1, 2)), signed.sum((1, 2)))[0, 1].round(2))  # fmt: skip

# %%
fine_heat = fine_place.to_image(fine[position], row, image.shape)
show(
    figures.finer_figure(
        image, {f"{titles[0]}, exact": heat, f"{titles[1]}, by gradient": fine_heat}, mask=tumour
    ),
    alt="The same image under the coarse exact map and under the finer gradient map.",
)

# %% [markdown]
# The fine map has sharper spots and is only locally true: it tells what a *small* change of each cell would do. Sharper is not
# the same as more right; the scores below compare both.

# %% [markdown]
# ## Explore
#
# Pick a patient, a slice and a question; both time points are shown side by side. The fixed
# colour scale of the cohort keeps maps comparable: with a scale of its own, every image has a
# red spot, even where nothing was found.

# %%
from npc_helpers.widgets import GradCamExplorer

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
# share of the map inside the tumour divided by the tumour's share of the rectangle, so that 1 is chance; `auprc` asks how well the
# map ranks pixels.
#
# But chance is not the opponent. Rectangles are drawn around disease, so whatever lies in their middle scores well.
# Each map is therefore measured beside maps that cannot know better: a *bump* in the middle of the rectangle, the
# mean map of all *other patients*, the activations with *no head*, the map of *low risk*, those of *random heads*, and that of a
# network with *random weights*. Before you run the cells: which of these will be hardest to beat?

# %%
untrained, tables = models.prognosis_model(current_setting(), seed=1, weights="none"), []
for when in timepoints:
    of_model = gradcam.head(model[when])[0]
    maps = gradcam_bench.explanations(activations[when], of_model, index[when], place, seed=1)
    blind = gradcam.activations(untrained, images[when])
    maps.append(("random network", gradcam.class_map(blind, gradcam.head(untrained)[0])))
    tables.append(gradcam_bench.score_table(study, index[when], maps, place))
tables.append(gradcam_bench.score_table(study, index[latest], [("finer", fine)], fine_place))
scores = pd.concat(tables, ignore_index=True)
print(len(scores), "maps scored")

# %% [markdown]
# A patient has many images, and they resemble each other: we average within each patient first, and the
# interval comes from drawing patients anew.

# %%
known = gradcam_bench.with_truth(scores)
columns = ["energy_ratio", "auprc"]
summary = patient_summary(known, columns=columns).set_index(["score", "timepoint", "map"])
summary.loc["energy_ratio", ["mean", "low", "high", "n_patients"]].round(2)

# %% [markdown]
# Read the intervals before the means. Which maps keep clear of 1 on the side of the tumour? Does a map of *low* risk, or one
# that has seen no training at all, do so too? Then lying on the tumour is no proof of having understood it.
#
# ### Better than what?
#
# In the same patients, the map minus each of its opponents; an interval that holds 0 is a draw:

# %%
differences = patient_differences(known, gradcam_bench.GRADCAM, columns=columns)
differences.set_index(["score", "timepoint", "map"])[["difference", "low", "high"]].round(2)

# %%
ratios = differences[differences.score == "energy_ratio"]
for when, of_time in ratios.groupby("timepoint", sort=False):
    beaten = of_time.loc[of_time.low > 0, "map"]
    print(f"{when}: clearly more on the tumour than", ", ".join(beaten) or "none of them")

# %% [markdown]
# A reader who is shown one good example learns none of this. Whether you are shown energy or ranking matters as well: `auprc` need
# not agree.

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
# Once the curves are down at the dotted lines, the maps are as unlike the original as those of unrelated images. Such a map
# depends on the weights. That is necessary, and not enough.

# %% [markdown]
# ## Cover what the map points at
#
# If a map shows the reasons for high risk, hiding its highest pixels first should lower the score faster than hiding any others; and on
# an empty image, showing them first should raise it faster (*deletion* and *insertion*). What is hidden gives way to a blurred
# image: the network has never seen a black hole, and would answer to that. We take from each patient the image
# that speaks loudest for high risk.

# %%
inside = {when: perturbation.rectangles(index[when], place) for when in timepoints}
blurred, odds = {}, {}
for when in timepoints:
    blurred[when] = perturbation.blurred(images[when], inside[when], shrink=place.shrink)
    odds[when] = gradcam.log_odds(model[when], images[when])

# %%
tables = []
for when in timepoints:
    loudest = index[when].assign(odds=odds[when]).groupby("patient_id").odds.idxmax().to_numpy()
    chosen, cells = index[when].iloc[loudest], activations[when][loudest]
    maps = gradcam_bench.explanations(cells, gradcam.head(model[when])[0], chosen, place, seed=1)
    maps = {name: dict(maps)[name] for name in (gradcam_bench.GRADCAM, "bump", "low risk")}
    pair = images[when][loudest], blurred[when][loudest]
    tables.append(perturbation.curves(model[when], *pair, chosen, maps, place))
curves = pd.concat(tables, ignore_index=True)

# %%
show(
    figures.covering_figure(curves),
    alt="Log-odds of high risk as images are covered and uncovered in the order of three maps.",
)

# %% [markdown]
# Solid lines: covering, highest pixels first. Dashed lines: uncovering. The farther a dashed line lies above the solid line
# of its colour, the better that map has found what the network answers to. Compare with the bump, which has seen no image.
# Look at the right end as well: where a solid line ends above its start, the fully blurred image looks like high risk to the
# network. Blur is then no neutral cover, and only the distance between the two lines of one colour can be read.

# %%
gains = perturbation.gains(curves)
patient_summary(gains, columns=["gain"]).drop(columns=["score", "n_images"]).round(2)

# %% [markdown]
# ## Change the tumour itself
#
# Now the question that no map answers: *does the answer depend on the tumour?* First with what every
# hospital has: blur the true tumour, and as a control a region of the same shape elsewhere in the rectangle.


# %%
def effect(name, when, changed, rows=slice(None)):
    """How far a change moves the log-odds of each image."""
    moved = gradcam.log_odds(model[when], changed) - odds[when][rows]
    return index[when][rows].assign(map=name, change=moved)


effects = []
for when in timepoints:
    tumours = perturbation.structures(study, index[when], place)
    regions = {"blur the tumour": tumours}
    regions["blur elsewhere"] = perturbation.elsewhere(tumours, inside[when])
    for name, region in regions.items():
        hidden = perturbation.covered(images[when], region, blurred[when])
        effects.append(effect(name, when, hidden))

# %% [markdown]
# Blurring makes images of a kind that the network does not know. A synthetic study can do better: it draws the *same* patients
# again, same head, same noise, same rectangles, with one thing changed. `milder` and `worse` move the hidden
# variable that the images show by one standard deviation: before treatment the aggressiveness (texture, necrosis, margin), after it
# what is left of the tumour. `another head` is the control: the same disease in somebody else.

# %%
from npc_demo import what_if

drawn = what_if.patients_of(study)
of_shown = rois[rois.patient_id.isin(shown)]
redrawn = {}
for change in ("no tumour", "milder", "worse", "another head"):
    again = what_if.drawn_again(stacks, drawn, change)
    for when in timepoints:
        redrawn[change, when], _ = roi.network_inputs(again, of_shown[of_shown.timepoint == when])
        effects.append(effect(change, when, redrawn[change, when], few[when]))

# %%
moved = patient_summary(pd.concat(effects), columns=["change"])
show(
    figures.interventions_figure(moved),
    alt="Change of the log-odds of high risk by each change of the images, with intervals.",
)

# %% [markdown]
# A model that reads the tumour moves down without it and up where it is worse, and farther than for another
# head. An interval that holds 0 is no clear move. Blur and drawing need not agree: blur removes the tumour *and* puts
# something unseen in its place.
#
# And does the *map* change where the tumour was? We take the difference of the maps with and without it, and
# ask how much of that lies on the tumour.

# %%
tables = []
for when in timepoints:
    weights, _ = gradcam.head(model[when])
    without = gradcam.activations(model[when], redrawn["no tumour", when])
    lost = np.abs(gradcam.class_map(activations[when][few[when]] - without, weights))
    rows = index[when][few[when]].reset_index(drop=True)
    tables.append(gradcam_bench.score_table(study, rows, [("difference", lost)], place))
where = patient_summary(pd.concat(tables), columns=["energy_ratio"])
where[["timepoint", "mean", "low", "high", "n_patients"]].round(2)

# %% [markdown]
# Only here is the cause known: one thing was changed, and the rest is consequence. A map whose change is spread over the whole
# grid (a ratio near 1) shows how wide a field each cell of this network sees.

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
# `gradcam_scores.csv`, and a sense of what a map can show, and what only an experiment can.
#
# ## Exercises
#
# 1. Find an image whose map lies mostly on the padding (`padding_share`). What does that say about its score?
# 2. Cover the *nodes* instead of the tumour (`structure="nodes"`). Which model minds more?
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
#   them is another experiment, and you have just done it.
#
# </details>
#
# ## Further reading
#
# - Selvaraju RR et al. *Grad-CAM*, ICCV 2017; Zhou B et al. *Learning deep features for discriminative localization*, CVPR 2016.
# - Draelos RL, Carin L. *Use HiResCAM instead of Grad-CAM for faithful explanations*, 2020.
# - Adebayo J et al. *Sanity checks for saliency maps*, NeurIPS 2018.
# - Petsiuk V et al. *RISE*, BMVC 2018: deletion and insertion.
#
# ## Versions and data

# %%
footer(study, "keras", "tensorflow", "anywidget")
