# %% [markdown]
# # Explore Grad-CAM: does the answer come from the tumour?
#
# A heat map over an image is persuasive, which is the trouble with it. The paper shows maps and
# concludes from them that tumour margins and lymph nodes matter. This notebook draws such maps, *measures* whether they point
# at tumours that are known to the pixel, and then does what a map cannot: it changes the images, even draws the same
# patients again without their tumours, and watches whether the answer follows.
#
# *Time: 20 minutes to read, two minutes to run.*
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

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import figures
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
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

# %% [markdown]
# ## Choose some patients
#
# We look at the first sixteen patients of the test cohort, and measure on the whole of it (on sixty patients at most).

# %%
patients = study.manifest.patient_id.drop_duplicates()
if study.has_outcomes:
    cohort = included_patients(study.read_table("cohort.csv"))
    patients = cohort.patient_id[cohort.split == "test"]
shown, measured = patients.head(16), patients.head(60)
rois = study.read_table("rois.csv").query("patient_id in @measured")
print(len(shown), "patients to look at,", len(measured), "to measure")
print(roi.provenance_sentence(rois))

# %%
model = models_to_explain(study)
timepoints = [when for when in model if (rois.timepoint == when).any()]
images, index, activations, odds = {}, {}, {}, {}
for when in timepoints:
    images[when], index[when] = features.study_images(study, rois, when, patients=measured)
    activations[when] = gradcam.activations(model[when], images[when])
    odds[when] = gradcam.log_odds(model[when], images[when])
latest = timepoints[-1]  # after treatment, where there are such images and a model of them
print(f"activations, {latest}-treatment:", activations[latest].shape)

# %% [markdown]
# ## A map is a weighted sum
#
# The last convolutional layer gives a small grid of cells, and in each cell one number per
# feature. The network averages each feature over the grid and weighs the averages. So a
# class score *is* a sum over cells (plus a constant, the *bias*), and the map shows what each cell adds. Grad-CAM weighs
# features by gradients, and here these are the weights of the last layer themselves: nothing
# is approximated. The score we ask about is the *log-odds* of high risk, ln(p / (1 − p)) of the predicted
# probability p: 0 stands for one half, above 0 the network says high risk.

# %%
weights, bias = gradcam.head(model[latest])  # (features, 2) and (2,)
direction = weights[:, 1] - weights[:, 0]  # (features,), for high and against low risk
signed = gradcam.class_map(activations[latest], weights, target="margin")  # (images, *cells)
largest = np.abs(signed.sum((1, 2)) + bias[1] - bias[0] - odds[latest]).max()
print(f"log-odds minus (sum of the map + bias), at most: {largest:.0e}")

# %% [markdown] tags=["exercise"]
# > **Exercise 06.1 – fill in one line** (5 minutes). Make the map yourself: what does each cell of each image add to the
# > log-odds of high risk? You need `activations[latest]`, `direction`, and the number of cells that were averaged over.
# > (`a @ b` multiplies the features of each cell in `a` by the weights in `b` and adds them up.)

# %% tags=["solution"]
averaged_over = signed[0].size  # cells
added = activations[latest] @ direction / averaged_over  # fill in
check("06.1", added, activations=activations[latest], weights=weights)

# %% [markdown]
# `margin` asks what speaks *for high and against low* risk: its cells and the bias add up to the log-odds. Most papers ask for
# the score of the high-risk neuron alone (`logit`) or for its probability (`softmax`), whose map fades when the network is sure.
#
# ## From grid to image
#
# Each cell looks at a wide field of the image, and its centre lies where the steps (*strides*) of the
# layers put it, 32 pixels of the network's input from the next. Stretching the grid to the image's corners, as most tools do,
# shifts the map. We place each cell at its centre.
#
# Which image to show? A collection of the prettiest maps shows what somebody liked. Our rule: take from each
# patient the image with the strongest cell, order these images by that cell, and show the one in the middle.

# %%
few = {when: table.patient_id.isin(shown).to_numpy() for when, table in index.items()}
peaks = index[latest].assign(peak=signed.max(axis=(1, 2)))[few[latest]]
peaks = peaks.loc[peaks.groupby("patient_id").peak.idxmax()].sort_values("peak")
row = peaks.iloc[len(peaks) // 2]
grid = signed[row.name]

# %%
stacks = load_stacks(study, patients=list(shown))
image = stacks[row.patient_id, latest, row.sequence].array[row.slice_index]
place = gradcam.Geometry.of(model[latest])
heat = place.to_image(grid, row, image.shape)
masks = read_mask(study, row.patient_id, latest)
tumour = None if masks is None else masks[0, row.slice_index]
by_whom = roi.provenance_sentence(rois.merge(row.drop("peak").to_frame().T))
figure = figures.gradcam_panel(image, grid, heat, mask=tumour, rectangle=by_whom)
show(figure, "6.1", "Image, grid of cells, map in the paper's colours and in a uniform scale.")

# %% tags=["claim"]
n_cells, outline = grid.size, ""
if tumour is not None:
    outline = (
        " The white line is the true tumour."
        if tumour.any()
        else " There is no tumour in this slice, and its map is strong all the same."
    )
claim(
    n_cells < 20,
    "From left to right: the image, the raw grid, the map in the paper's look and in a scale without artificial borders. "
    f"The whole map is {n_cells} numbers. The third picture looks as if it knew more than the second, and it does not."
    + outline,
    f"From left to right: the image, the raw grid of {n_cells} numbers, and the same in two scales.{outline}",
)

# %% [markdown]
# ### Finer, and at what price
#
# A few layers earlier the grid has several times as many cells. There *HiResCAM* multiplies each activation by its
# gradient, which says how fast the score would rise with it. At the last layer that is the exact map again. Earlier it is not:
# the layers in between are not linear and add constants of their own, so the cells no longer add up to the score.

# %%
fine_place = gradcam.Geometry.of(model[latest], layer=models.end_of_block17(model[latest]))
fine = gradcam.finer_map(model[latest], images[latest])
fine_heat = fine_place.to_image(fine[row.name], row, image.shape)
coarse_size, fine_size = (" x ".join(map(str, maps.shape[1:])) for maps in (signed, fine))
heats = {f"{coarse_size}, exact": heat, f"{fine_size}, by gradient": fine_heat}
figure = figures.finer_figure(image, heats, mask=tumour)
show(figure, "6.2", "The same image under the coarse exact map and under the finer gradient map.")

# %% tags=["claim"]
r = np.corrcoef(fine.sum((1, 2)), signed.sum((1, 2)))[0, 1]
claim(
    r < 0.9,
    f"The fine map has sharper spots and is only locally true: over all images its sum goes with the exact sum by r = {r:.2f} "
    "and not by 1. It tells what a *small* change of each cell would do. Sharper is not the same as more right.",
    f"Over all images the sum of the fine map goes with the exact sum by r = {r:.2f}.",
)

# %% [markdown]
# ## Explore
#
# Pick a patient, a slice and a question; both time points are shown side by side. The fixed
# colour scale of the cohort keeps maps comparable: with a scale of its own, every image would have a
# red spot, even where nothing was found.

# %% tags=["timeless"]
from npc_helpers.widgets import GradCamExplorer

which = {when: index[when][rows].reset_index(drop=True) for when, rows in few.items()}
cells = {when: activations[when][rows] for when, rows in few.items()}
GradCamExplorer.from_maps(study, stacks, which, cells, model)

# %% [markdown]
# ## Does the map point at the tumour?
#
# In real patients nobody knows the tumour to the pixel. Here it is known, so we can count. `energy ratio` is the share of the
# map (of its positive part) that lies on the tumour, divided by the tumour's share of the rectangle, so that 1 is chance. `auprc` (the
# area under the precision-recall curve) asks how well the map ranks the pixels of the tumour above the others.
#
# But to beat chance is not enough. Rectangles are drawn around disease, so whatever lies in their middle scores well.
# Each map is therefore measured beside *opponents*, maps that should know less: a *bump* in the middle of the rectangle, the
# mean map of all *other patients*, the activations with *no head* (all features count alike), the map of *low risk*, those of *random
# heads* (the last layer's weights drawn anew), and that of a *random network*.
#
# A patient has many images, and they resemble each other: `summary` averages within each patient first, and the
# interval comes from drawing patients anew (bootstrap). Images without tumour cannot be scored, and a patient with none of it
# left after treatment is missing there.

# %% tags=["nbval-check-output"]
untrained, tables = models.prognosis_model(current_setting(), seed=1, weights="none"), []
for when in timepoints:
    head, _ = gradcam.head(model[when])
    maps = gradcam_bench.explanations(activations[when], head, index[when], place, seed=1)
    blind = gradcam.activations(untrained, images[when])
    maps.append(("random network", gradcam.class_map(blind, gradcam.head(untrained)[0])))
    tables.append(gradcam_bench.score_table(study, index[when], maps, place))
tables.append(gradcam_bench.score_table(study, index[latest], [("finer", fine)], fine_place))
scores = pd.concat(tables, ignore_index=True)
study.write_table("gradcam_scores.csv", scores)
n_known = scores.energy_ratio.notna().sum()
print(f"saved the scores of {len(scores)} maps, {n_known} of them with a known tumour")

# %%
rated, columns = gradcam_bench.with_truth(scores), ["energy_ratio", "auprc"]
summary = patient_summary(rated, columns=columns).set_index(["score", "timepoint", "map"])
differences = patient_differences(rated, gradcam_bench.GRADCAM, columns=columns)
ratios = differences[(differences.score == "energy_ratio") & (differences["map"] != "finer")]

# %% [markdown]
# First one image by hand, the one with the largest share of tumour in its rectangle: `heat` holds the positive part of its map
# in the rectangle, pixel by pixel, and `on_tumour` is True where the tumour is.

# %%
of_cam = rated[(rated["map"] == gradcam_bench.GRADCAM) & (rated.timepoint == latest)]
chosen = of_cam.nlargest(1, "mask_share")[gradcam_bench.KEY]
ratio_by_map = rated.merge(chosen).set_index("map").energy_ratio
listed = index[latest].reset_index(names="position").merge(chosen)  # one row
truth = next(gradcam_bench.known_structures(study, listed, place, "tumour"))
_, region = place.on_canvas(listed.iloc[0])
on_tumour = truth[region]
heat = np.maximum(place.to_canvas(signed[listed.position.iloc[0]])[region], 0)
print(f"{on_tumour.mean():.0%} of {heat.size:,} pixels are tumour")

# %% [markdown] tags=["exercise"]
# > **Exercise 06.2 – fill in one line** (5 minutes). Compute the energy ratio of this map: the share of `heat` that lies on the
# > tumour, divided by the share that chance would put there. (The mean of True and False is the share of True.)

# %% tags=["solution"]
share = heat[on_tumour].sum() / heat.sum()
ratio = share / on_tumour.mean()  # fill in
check("06.2", ratio, heat=heat, tumour=on_tumour, bump=ratio_by_map["bump"])

# %% [markdown] tags=["exercise"]
# > **Exercise 06.3 – predict** (3 minutes). Which opponent will be hardest to beat: `"bump"`, `"other patients"`, `"no head"`,
# > `"low risk"`, `"random head"` or `"random network"`?

# %% tags=["solution"]
hardest = "bump"  # fill in
check("06.3", hardest, ratios=ratios)

# %%
summary.loc["energy_ratio", ["mean", "low", "high", "n_patients"]].round(2)

# %% tags=["claim"]
ratio_of = summary.loc["energy_ratio", latest]
cam, bump_mean, blind_mean = ratio_of["mean"][["Grad-CAM", "bump", "random network"]]
claim(
    ratio_of.low[["Grad-CAM", "bump", "random network"]].min() > 1,
    f"{latest.capitalize()}-treatment, Grad-CAM has an energy ratio of {cam:.2f}, clearly above chance. But a bump that has seen no "
    f"image reaches {bump_mean:.2f}, and a network of random weights {blind_mean:.2f}: lying on the tumour is no proof of "
    "having understood it.",
    f"{latest.capitalize()}-treatment, Grad-CAM has an energy ratio of {cam:.2f}, a bump that has seen no image {bump_mean:.2f}, and "
    f"a network of random weights {blind_mean:.2f}.",
)

# %% [markdown]
# ### Better than what?
#
# In the same patients, the score of the map minus that of each opponent. An interval that includes 0 leaves open which is better.
# Which opponent is fair? The strongest that could be had without the network.

# %%
differences.set_index(["score", "timepoint", "map"])[["difference", "low", "high"]].round(2)

# %% tags=["claim"]
beaten = {w: list(of.loc[of.low > 0, "map"]) for w, of in ratios.groupby("timepoint", sort=False)}
said = "; ".join(
    f"{when}-treatment {', '.join(f'*{name}*' for name in names) or 'none'}"
    for when, names in beaten.items()
)
claim(
    not any("bump" in names for names in beaten.values()),
    f"The exact map lies on the tumour more than these do: {said}. Neither does better than the bump.",
    f"The exact map lies on the tumour more than these do: {said}.",
)

# %% [markdown]
# A reader who is shown one good example learns none of this, and sees neither score; the two need not agree. See the row `finer`,
# too: a sharper map can put more of its energy on the tumour than any other, and its cells still do not add up to the answer.
#
# ## Does the map depend on what was learned?
#
# A map that stays the same when the network is replaced by a random one shows the image, not the
# network. We shuffle the weights stage by stage, from the last layer backwards, and compare each map with the original.

# %%
cascade = sanity.sanity_check(model[latest], images[latest][:24], seed=1)
figure = figures.sanity_figure(cascade)
show(figure, "6.3", "Similarity of maps to the original as more and more layers are randomised.")

# %% tags=["claim"]
bottom = cascade.rank_correlation.iloc[1:].max()
unrelated = cascade.rank_correlation_unrelated.iloc[0]
claim(
    cascade.rank_correlation.iloc[1] < unrelated + 0.1,
    f"With nothing but the last layer shuffled, the likeness falls to {cascade.rank_correlation.iloc[1]:.2f}, and it stays "
    f"at or below {bottom:.2f} as more layers follow; maps of unrelated images (dotted) have {unrelated:.2f}. So the maps depend on the weights. That is "
    "necessary, and not enough.",
    f"The likeness falls to {cascade.rank_correlation.min():.2f}; maps of unrelated images (dotted) have {unrelated:.2f}.",
)

# %% [markdown]
# ## Cover what the map points at
#
# If a map shows the reasons for high risk, hiding its highest pixels first should lower the score faster than hiding any others
# (*deletion*). And in an image where everything is hidden, showing them first should raise it faster (*insertion*). What is hidden is
# replaced by a blurred image: the network has never seen a black hole, and would answer to that. We take from each patient
# the image with the highest log-odds of high risk.

# %%
tables, inside, blurred = [], {}, {}
for when in timepoints:
    inside[when] = perturbation.rectangles(index[when], place)
    blurred[when] = perturbation.blurred(images[when], inside[when], shrink=place.shrink)
    highest = index[when].assign(odds=odds[when]).groupby("patient_id").odds.idxmax().to_numpy()
    chosen, cells = index[when].iloc[highest], activations[when][highest]
    maps = gradcam_bench.explanations(cells, gradcam.head(model[when])[0], chosen, place, seed=1)
    maps = {name: dict(maps)[name] for name in (gradcam_bench.GRADCAM, "bump", "low risk")}
    pair = images[when][highest], blurred[when][highest]
    tables.append(perturbation.curves(model[when], *pair, chosen, maps, place))
curves = pd.concat(tables, ignore_index=True)
figure = figures.covering_figure(curves)
show(figure, "6.4", "Log-odds of high risk as images are covered and uncovered, by three maps.")

# %% tags=["claim"]
gain = patient_summary(perturbation.gains(curves), columns=["gain"]).set_index(
    ["timepoint", "map"]
)["mean"]
of_cam, of_bump = gain.xs("Grad-CAM", level="map"), gain.xs("bump", level="map")
whole = curves[curves["share"] == 1].groupby("timepoint").deletion.mean()
intact = curves[curves["share"] == 0].groupby("timepoint").deletion.mean()
claim(
    (of_cam > of_bump + 0.1).all() and whole[latest] > intact[latest],
    "Solid: covered, highest pixels first. Dashed: uncovered. Between the two lines of Grad-CAM lie "
    f"{' and '.join(f'{value:.2f}' for value in of_cam)} of log-odds, of the bump {' and '.join(f'{v:.2f}' for v in of_bump)}: the map "
    "finds what the network answers to, whether or not that is the tumour. But see the right end: the fully blurred image "
    f"looks like *higher* risk {latest}-treatment. Blur is no neutral cover.",
    "Solid: covered, highest pixels first. Dashed: uncovered. Between the two lines of Grad-CAM lie "
    f"{' and '.join(f'{value:.2f}' for value in of_cam)} of log-odds, of the bump {' and '.join(f'{v:.2f}' for v in of_bump)}.",
)

# %% [markdown]
# ## Change the tumour itself
#
# Now the question that no map answers: *does the answer depend on the tumour?* First in a way that is open to every
# hospital with outlined tumours: blur the tumour, and as a control a region of about the same shape elsewhere in the rectangle.
#
# Blurring makes images of a kind that the network does not know. A synthetic study can do better: it draws the *same* patients
# again, same head, same noise, same rectangles, with one thing changed. `no tumour` takes the primary tumour away; after treatment,
# lymph nodes shrink with it, because one hidden variable governs both. `milder` and `worse` move the hidden
# variable that the images show by one standard deviation: before treatment the aggressiveness (texture, necrosis, margin), after it
# what is left of the disease. `another head` is the control: the same disease in somebody else.


# %%
def effect(name, when, changed, rows=slice(None)):
    """How far a change moves the log-odds of each image."""
    moved = gradcam.log_odds(model[when], changed) - odds[when][rows]
    return index[when][rows].assign(map=name, change=moved)


effects = []
for when in timepoints:
    tumours = perturbation.structures(study, index[when], place)
    elsewhere = perturbation.elsewhere(tumours, inside[when])
    for name, region in {"blur the tumour": tumours, "blur elsewhere": elsewhere}.items():
        hidden = perturbation.covered(images[when], region, blurred[when])
        effects.append(effect(name, when, hidden))

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
moved = patient_summary(pd.concat(effects), columns=["change"])

# %% [markdown] tags=["exercise"]
# > **Exercise 06.4 – predict** (4 minutes). The patients are drawn again, with `no tumour`. Which model's log-odds of high risk
# > fall clearly (an interval below 0): `"pre"`, `"post"`, `"both"` or `"neither"`?

# %% tags=["solution"]
falls = "post"  # fill in
check("06.4", falls, moved=moved)

# %%
figure = figures.interventions_figure(moved)
show(figure, "6.5", "Change of the log-odds of high risk by each change of the images.")

# %% tags=["claim"]
by_time = moved.set_index(["timepoint", "map"])[["mean", "low", "high"]]
change, first = by_time.loc[latest], by_time.loc[timepoints[0]]
claim(
    change.high["no tumour"] < 0 < change.low["worse"]
    and change.low["another head"] < 0 < change.high["another head"]
    and first.low["no tumour"] < 0 < first.high["no tumour"],
    f"The {latest.capitalize()}-model reads the tumour and the nodes that shrink with it: {change['mean']['no tumour']:+.2f} without them, "
    f"{change['mean']['worse']:+.2f} where it is worse, and no clear move for another head. The interval of the "
    "Pre-model without the tumour includes 0: taking it away changes nothing that shows, whatever the map was red on.",
    f"{latest.capitalize()}-treatment the log-odds move by {change['mean']['no tumour']:+.2f} without the tumour and by "
    f"{change['mean']['worse']:+.2f} where it is worse.",
)

# %% [markdown]
# Blurring and drawing again need not agree: blurring removes the tumour *and* puts something in its place that the network has never
# seen.
#
# And does the *map* change where the tumour was? We take the difference of the maps with and without tumour, and
# ask how much of that difference lies where the tumour was.

# %%
tables = []
for when in timepoints:
    head, _ = gradcam.head(model[when])
    without = gradcam.activations(model[when], redrawn["no tumour", when])
    lost = np.abs(gradcam.class_map(activations[when][few[when]] - without, head))
    tables.append(gradcam_bench.score_table(study, which[when], [("difference", lost)], place))
where = patient_summary(pd.concat(tables), columns=["energy_ratio"])
where[["timepoint", "mean", "low", "high", "n_patients"]].round(2)

# %% tags=["claim"]
claim(
    where.low.min() > 1.2,
    f"Where the tumour was, the map changes {where['mean'].min():.1f} to {where['mean'].max():.1f} times as much as by chance. The rest of "
    "the change lies elsewhere, because a cell of this network sees a wide field. Only in this experiment is the cause known: one "
    "thing was changed, and everything else follows from it.",
    f"Where the tumour was, the map changes {where['mean'].min():.1f} to {where['mean'].max():.1f} times as much as by chance.",
)

# %% [markdown] tags=["notes"]
# Whoever is done early covers the *nodes* instead of the tumour (`structure="nodes"` in `perturbation.structures`): which model minds
# more? Or looks for an image whose map lies mostly on the padding (`padding_share` in `scores`).

# %% [markdown]
# ## What you have now
#
# - On this architecture a map is a few numbers, and one can check that they add up to the answer.
# - A score against chance is worth little: a bump in the middle of the rectangle knows nothing and scores well.
# - A map may find what the network answers to, and that need not be the tumour.
# - Only a changed image tells whether the answer depends on what was changed.
# - `gradcam_scores.csv`, the scores of each map and image.
#
# ## Check yourself
#
# - Why is the map of a very sure network blank under `softmax`?
# - Your map is red on the tumour. Have you shown that the tumour caused the prediction?
#
# <details><summary>Answers</summary>
#
# - The gradient of a saturated probability is almost zero, and it multiplies the whole map.
# - No. You have shown that the cells over the tumour added to the score, and each of them sees much more than the tumour.
#   What would happen without the tumour is another experiment, and you have just done it.
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
