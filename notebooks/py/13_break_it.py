# %% [markdown]
# # Break it: seven traps, sprung on purpose
#
# A prognosis study can go wrong without an error message: nothing stands out but a number that is too good. Each card of this notebook shows
# one such trap. You predict what it will do, spring it, see the damage, and repair it. The damage is measured in the study that you work on;
# if your study does not have what a trap needs, the card says so.
#
# *Time: 25 minutes to read, less than a minute to run.*
#
# ## What you'll do
#
# - Predict seven results that are too good to be true.
# - Spring each trap with the features and predictions of the earlier lessons.
# - Repair it in one line.
#
# ## What you'll learn
#
# - How good a result can look although nothing stands behind it.
# - Which number gives each trap away.
#
# ## What you'll need
#
# - `predictions_pre.csv` and `predictions_post.csv` of [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb), the
#   rectangles of [02](02_crop_roi.ipynb), and the ideas of [08](08_question_the_label.ipynb) and [10](10_how_sure.ipynb).

# %%
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from npc_course.exercises import check, claim
from npc_course.exercises.traps import noise_aucs, p_at_each_cut
from npc_course.lesson import begin
from npc_helpers import statistics
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.style import in_house_style, new_figure
from npc_helpers.imaging.masks import read_mask
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network import features, gradcam, prediction
from npc_helpers.network.saved_models import load_or_reference
from npc_helpers.study import NotInThisStudy, Study

study = Study.open()
begin(study)

# %% tags=["nbval-check-output"]
study.require_outcomes("springing traps")
patients, risk = prediction.compared_scores(study.read_table)
train, test = (patients[patients.split == side] for side in ("train", "test"))
months, progressed = patients.pfs_months, patients.progressed
label = patients.high_risk.astype(bool)
test_risk = {name: score.reindex(test.index) for name, score in risk.items()}
rois = study.read_table("rois.csv")
print(f"{len(train)} training patients, {len(test)} test patients")

# %% [markdown]
# ## Card 1: boxes that know the answer
#
# The rectangles of lesson 02 were drawn generously. Imagine a reader of images who draws them tightly around the tumour instead. The network
# receives the box with black padding around it, so it can sense the box's size. How much does the size alone give away?


# %%
def tight_area(patient_id):
    """Mean area of the tightest boxes around the tumour, over the slices that show it."""
    mask = read_mask(study, patient_id, "pre")
    if mask is None:
        raise NotInThisStudy("nobody knows the tumour's outline here, so no box can be tight")
    places = [np.nonzero(tumour) for tumour in mask[0] if tumour.any()]  # rows and columns
    areas = [(np.ptp(rows) + 1) * (np.ptp(columns) + 1) for rows, columns in places]
    return np.mean(areas or [0])  # no tumour, no box


tight = pd.Series({patient_id: tight_area(patient_id) for patient_id in patients.index})
advanced = patients.stage_8th.isin(["IVA", "IVB"])

# %% [markdown] tags=["exercise"]
# > **Exercise 13.1 – predict** (3 minutes). With tight boxes: what AUC does the area of the box alone reach in telling the advanced stages
# > (IVA and above) from the others? The network is not asked.

# %% tags=["solution"]
auc_of_the_box = 0.8  # fill in
check("13.1", auc_of_the_box, area=tight, advanced=advanced)

# %%
t2w = rois[(rois.timepoint == "pre") & (rois.sequence == "t2w")]
sizes = (t2w.x1 - t2w.x0) * (t2w.y1 - t2w.y0)
generous = sizes.groupby(t2w.patient_id).mean().reindex(patients.index)
areas = {"generous": generous, "tight": tight}
auc = {name: statistics.roc_auc(advanced, area) for name, area in areas.items()}
c = {name: statistics.c_index(months, progressed, area) for name, area in areas.items()}
boxes = pd.DataFrame({"AUC, stage": auc, "C-index, PFS": c})
boxes.map(str)

# %% tags=["claim"]
value = boxes.map(lambda estimate: estimate.value)
claim(
    value["AUC, stage"]["generous"] < 0.65 < 0.75 < value["AUC, stage"]["tight"]
    and value["C-index, PFS"]["generous"] < 0.55 < 0.6 < value["C-index, PFS"]["tight"],
    f"From the area of a box alone: the stage with an AUC of {value['AUC, stage']['tight']:.2f} instead of {value['AUC, stage']['generous']:.2f}, "
    f"progression with a C-index of {value['C-index, PFS']['tight']:.2f} instead of {value['C-index, PFS']['generous']:.2f}. No tissue was seen.",
    f"Tight boxes give the stage with an AUC of {value['AUC, stage']['tight']:.2f}, generous ones with {value['AUC, stage']['generous']:.2f}.",
)

# %% [markdown]
# **Repair.** Draw all boxes by one generous rule, or all of one size, and report what the box size alone achieves beside what the network achieves.
#
# ## Card 2: a hundred tries
#
# Somebody tries 100 settings and looks each time at the test cohort. Let all 100 be useless: their scores are drawn by lot.

# %% [markdown] tags=["exercise"]
# > **Exercise 13.2 – predict** (2 minutes). What AUC does the best of the 100 have in the test cohort, on average over many such searches?

# %% tags=["solution"]
best_auc = 0.72  # fill in
check("13.2", best_auc, high_risk=label[test.index])

# %%
tries = noise_aucs(label[test.index], 100, seed=13)
pd.Series({"mean": tries.mean(), "best": tries.max()}, name="AUC of noise").round(3).to_frame()

# %% tags=["claim"]
of_pre = statistics.roc_auc(label[test.index], test_risk["Pre-model"]).value
claim(
    abs(tries.mean() - 0.5) < 0.05 and 0.65 < tries.max() < 0.85 and tries.max() > of_pre,
    f"The best of 100 useless settings has an AUC of {tries.max():.2f}, more than the Pre-model ({of_pre:.2f}). Nothing stands behind it.",
    f"The best of 100 useless settings has an AUC of {tries.max():.2f}.",
)

# %% [markdown]
# **Repair.** Choose on training patients, by cross-validation, and look at the test cohort once.
#
# ## Card 3: the threshold that suits the result
#
# A score divides the patients at a threshold, and a log-rank test compares the two curves. Nobody has named the threshold beforehand, so we try all
# that leave at least a tenth of the patients on either side, and report the smallest P value. The score is useless again.

# %% [markdown] tags=["exercise"]
# > **Exercise 13.3 – predict** (2 minutes). In what share of such searches is the smallest P value below 0.05?

# %% tags=["solution"]
share_below = 0.4  # fill in
check("13.3", share_below, patients=test)

# %%
lot, n = np.random.default_rng(13), len(test)
searches = [p_at_each_cut(test.pfs_months, test.progressed, lot.random(n)) for _ in range(500)]
below = {
    "at the best threshold": np.mean([p.min() < 0.05 for p in searches]),
    "at the median, named before": np.mean([p[len(p) // 2] < 0.05 for p in searches]),
}
pd.Series(below, name="share with P < 0.05").round(3).to_frame()

# %% tags=["claim"]
at_best, at_median = below.values()
claim(
    at_best > 0.25 and at_median < 0.1,
    f'A useless score divides the patients "significantly" in {at_best:.0%} of the searches, and in {at_median:.0%} where the threshold was named before: no more than the '
    "5% that a P value promises.",
    f"The smallest P value is below 0.05 in {at_best:.0%} of the searches, that at the median in {at_median:.0%}.",
)

# %% [markdown]
# **Repair.** Name the threshold before the test cohort is opened, for instance the median of the training patients; or keep the score as it is, and give a
# hazard ratio per standard deviation (lesson 10).
#
# ## Card 4: labels drawn by lot
#
# We shuffle the labels, so that nothing can be learned, and let a *random forest* (a vote of many decision trees) learn them all the same, from the
# edges of the rectangles.

# %% [markdown] tags=["exercise"]
# > **Exercise 13.4 – predict** (2 minutes). What AUC does the forest have in the training cohort, and what in the test cohort, on average over many shuffles? Give
# > a list of two numbers.

# %% tags=["solution"]
in_training_and_test = [1.0, 0.5]  # fill in
check("13.4", in_training_and_test)

# %%
image = ["timepoint", "sequence", "slice_index"]
edges = rois.pivot_table(index="patient_id", columns=image, values=["x0", "y0", "x1", "y1"])
edges = edges.reindex(patients.index).fillna(edges.mean())
aucs, sides = [], {"training": train.index, "test": test.index}
for seed in range(10):
    lot = pd.Series(np.random.default_rng(seed).permutation(label), label.index)
    forest = RandomForestClassifier(100, random_state=seed, n_jobs=1)
    forest.fit(edges.loc[train.index].to_numpy(), lot[train.index])
    p = pd.Series(forest.predict_proba(edges.to_numpy())[:, 1], edges.index)
    aucs.append({side: statistics.roc_auc(lot[i], p[i]).value for side, i in sides.items()})
shuffled = pd.DataFrame(aucs).agg(["mean", "min", "max"])
shuffled.round(2)

# %% tags=["claim"]
claim(
    shuffled.training["min"] > 0.99 and abs(shuffled.test["mean"] - 0.5) < 0.07,
    f"Training {shuffled.training['mean']:.2f}, test {shuffled.test['mean']:.2f} on average, and up to {shuffled.test['max']:.2f} by luck.",
)

# %% [markdown]
# **Repair.** Never report a training result as evidence; and run your whole programme several times with shuffled labels. If the mean test AUC stays
# above a half, something leaks, as in the next card.
#
# ## Card 5: patients on both sides
#
# Now a forest judges image by image, from the edges of one rectangle. The labels are drawn by lot, one for each patient. A fifth of
# the *images* is drawn for the test; other images of the same patients stay in training.


# %%
before = rois[(rois.timepoint == "pre") & rois.patient_id.isin(patients.index)]
inputs = before[["x0", "y0", "x1", "y1"]].to_numpy()
whose, names = before.patient_id.factorize()  # the patient of each image, by number
if len(names) < 10:
    raise NotInThisStudy("to divide images and patients takes ten patients or more")


# %%
def auc_by_lot(tested, seed=0):
    """AUC among the tested images, of a forest that has seen the others; labels are drawn."""
    of_image = (np.random.default_rng(seed).permutation(len(names)) % 2 == 1)[whose]
    forest = RandomForestClassifier(50, random_state=seed, n_jobs=1)
    forest.fit(inputs[~tested], of_image[~tested])
    return statistics.roc_auc(of_image[tested], forest.predict_proba(inputs[tested])[:, 1]).value


lot = np.random.default_rng(13)
drawn = {
    "images": lot.random(len(before)) < 0.2,
    "patients": np.isin(whose, lot.choice(len(names), len(names) // 5, replace=False)),
}

# %% [markdown] tags=["exercise"]
# > **Exercise 13.5 – predict** (2 minutes). No rectangle knows a label that was drawn by lot. What AUC does the forest have among the tested images?

# %% tags=["solution"]
auc_of_images = 0.95  # fill in
check("13.5", auc_of_images, auc_by_lot=auc_by_lot, drawn=drawn["images"])

# %%
aucs = {who: [auc_by_lot(tested, seed) for seed in range(5)] for who, tested in drawn.items()}
divided = pd.DataFrame(aucs).agg(["mean", "min", "max"])
divided.rename_axis(columns="drawn for the test").round(2)

# %% tags=["claim"]
by_image, by_patient = divided.loc["mean"]
claim(
    by_image > 0.85 and abs(by_patient - 0.5) < 0.15,
    f"{by_image:.2f} if images are divided and {by_patient:.2f} if patients are. The rectangles of one patient are much alike from slice to slice, so the forest recognises the *patient* and "
    "knows the label by heart.",
    f"{by_image:.2f} if images are divided, {by_patient:.2f} if patients are.",
)

# %% [markdown]
# **Repair.** Divide the patients, and let all images of a patient follow. The two entries of `drawn` are the whole difference.
#
# ## Card 6: a scanner that looks like disease
#
# Suppose that in July 2014 the scanner got new software, and its images have had a sharper, finer grain since then. The tumours are the same. The generator
# draws the images of all patients who came later once more, as with the new software. The score is the *grain* inside the rectangles: how far a pixel lies
# from the mean of its four neighbours, as a share of the brightness (the finer the grain, the higher the score). The first time, drawing takes half a minute.

# %%
from npc_demo.upgrade import grain, grain_after_upgrade
from npc_demo.what_if import patients_of

patients_of(study)  # only patients whom a generator has drawn can be examined again
t2w = before[before.sequence == "t2w"]
scanned = study.registry.set_index("patient_id").mri_pre_date[patients.index]
later = scanned >= pd.Timestamp("2014-07-01")
stacks = load_stacks(study, patients=patients.index, timepoint="pre")

# %%
as_it_was = pd.Series(dtype=float)
for name, rows in t2w.groupby("patient_id"):
    as_it_was[name] = grain(stacks[name, "pre", "t2w"].array, rows)
upgraded = grain_after_upgrade(study, t2w[t2w.patient_id.map(later)])
scores = pd.DataFrame({"no upgrade": as_it_was, "upgrade": upgraded.combine_first(as_it_was)})
scores = scores.loc[patients.index]

# %% [markdown] tags=["exercise"]
# > **Exercise 13.6 – predict** (2 minutes). With the upgrade, which reading of the follow-up is fooled by the grain: `"median label"` or `"time to progression"`?

# %% tags=["solution"]
fooled = "median label"  # fill in
check("13.6", fooled, patients=patients, score=scores["upgrade"])

# %%
scores["date of the scan"] = (scanned - scanned.min()).dt.days.astype(float)
auc = {name: statistics.roc_auc(label, score) for name, score in scores.items()}
c = {name: statistics.c_index(months, progressed, score) for name, score in scores.items()}
read = pd.DataFrame({"median label, AUC": auc, "time to progression, C-index": c})
read.map(str)

# %% tags=["claim"]
aucs, c_upgrade = read["median label, AUC"], read["time to progression, C-index"]["upgrade"]
claim(
    aucs["no upgrade"].low < 0.5 < aucs["upgrade"].low and c_upgrade.low < 0.5 < c_upgrade.high,
    f"The AUC of the grain is {aucs['no upgrade'].value:.2f} without and {aucs['upgrade'].value:.2f} with an upgrade, and that of the date {aucs['date of the scan'].value:.2f}: late "
    f"patients were followed for a short time, and the label calls that high risk. By time to progression the grain has a C-index of {c_upgrade.value:.2f}, which is worth nothing; what "
    f"it told without the upgrade, that a fine grain goes with later progression ({read['time to progression, C-index']['no upgrade'].value:.2f}), is lost.",
    f"The AUC of the grain is {aucs['no upgrade'].value:.2f} without and {aucs['upgrade'].value:.2f} with an upgrade.",
)

# %% [markdown]
# **Repair.** Judge by time to progression; put the date beside the models in the table; and compare within one scanner and one software (the DICOM
# header names the software: `SoftwareVersions`), as here:

# %%
rows = {}
for software, examined in {"software 1": ~later, "software 2": later}.items():
    high, grains = label[examined], scores["upgrade"][examined]
    auc, pairs = statistics.roc_auc(high, grains), high.sum() * (~high).sum()
    rows[software] = {"AUC": auc.value, "pairs": pairs}
within = pd.DataFrame(rows).T
within.round(2)

# %% tags=["claim"]
pooled = np.average(within.AUC, weights=within.pairs)
claim(
    0.4 < pooled < 0.55,
    f"Of all {within.pairs.sum():.0f} pairs of a high-risk and a low-risk patient examined with the *same* software, the grain has {pooled:.0%} in the right order. Few of them are of "
    "software 2, where almost everybody is called high-risk.",
    f"Within one software the AUC is {pooled:.2f}.",
)

# %% [markdown]
# ## Card 7: every map is red
#
# A Grad-CAM map (lesson 06) is a coarse grid of cells. Each of 12 patients is shown by one image after treatment: the one whose map has the
# strongest cell of all images of this patient.

# %%
model = load_or_reference(study, "post")
images, index = features.study_images(study, rois, "post", patients=test.index[:12])
maps = gradcam.class_map(gradcam.activations(model, images), gradcam.head(model)[0])
peaks = pd.Series(maps.max(axis=(1, 2)), index.index)
strongest = peaks.groupby(index.patient_id).idxmax()

# %% [markdown] tags=["exercise"]
# > **Exercise 13.7 – predict** (2 minutes). Each of these maps gets a colour scale of its own, from zero to its strongest cell. How many of them show a red spot?

# %% tags=["solution"]
with_red = 12  # fill in
check("13.7", with_red, peaks=peaks[strongest])


# %%
@in_house_style
def two_scales(maps):
    """Draw maps twice: each to its own maximum, and all to the same."""
    figure, all_axes = new_figure(9.6, 1.5, nrows=2, ncols=len(maps), squeeze=False)
    limits = {"own": [cells.max() for cells in maps], "common": [maps.max()] * len(maps)}
    for row, (name, tops) in zip(all_axes, limits.items(), strict=True):
        row[0].set_ylabel(name)
        for axes, cells, top in zip(row, maps, tops, strict=True):
            axes.imshow(cells, cmap="jet", vmin=0, vmax=max(top, 1e-9))
            axes.set(xticks=[], yticks=[])
    return figure


figure = two_scales(maps[strongest])
show(figure, "13.1", "Twelve coarse maps, above each on its own scale, below all on the same.")

# %% tags=["claim"]
top = peaks[strongest]
strong = (top > top.max() / 2).sum()
claim(
    (top > 0).all() and strong <= len(top) / 2,
    f"Above, every map has a red spot. Below, on one scale, only {strong} of {len(top)} reach half of the strongest: the others have found little.",
    f"Below, on one scale, {strong} of {len(top)} reach half of the strongest.",
)

# %% [markdown]
# **Repair.** Use one scale for all maps of a figure, and print its range, as in lesson 06.

# %% [markdown] tags=["notes"]
# One card takes four minutes: one to predict, with hands raised, one to run, two to talk. If there is time for three only, take 1, 2 and 5. Ask after each
# card: where in a paper would you see this? The usual misunderstanding is that traps need bad faith; for every one of these, haste is enough.

# %% [markdown]
# ## What you have now
#
# - The size of a box, the date of a scan, new software and a hundred tries each give a number that would pass for a model's.
# - A training result says nothing, even at 1.00, and a test result says nothing if the same patients are in training.
# - What was chosen on some patients, a setting or a threshold, has to be judged on others.
# - A colour scale can make a red spot out of nothing.
#
# Two more traps are found where their subject is taught: the lucky split in [10](10_how_sure.ipynb), immortal time in [15](15_next_examination.ipynb).
#
# ## Check yourself
#
# - A paper reports the best of five splits. What would you ask for?
# - Your test AUC is 0.24, and the interval ends below a half. Is the network worthless?
#
# <details><summary>Answers</summary>
#
# - The results of all five, and whether the split was chosen before or after they were known.
# - Probably not: a worthless network has an AUC near a half. One that is clearly below a half points to a mistake. Look for a reversed
#   sign, for instance the probability of *low* risk.
#
# </details>
#
# ## Further reading
#
# - Altman DG et al. *Dangers of using "optimal" cutpoints in the evaluation of prognostic factors*, Journal of the National Cancer Institute 1994.
# - Kapoor S, Narayanan A. *Leakage and the reproducibility crisis in machine-learning-based science*, Patterns 2023.
# - Varoquaux G, Cheplygina V. *Machine learning for medical imaging: methodological failures and recommendations for the
#   future*, npj Digital Medicine 2022.
#
# ## Versions and data

# %%
footer(study, "keras", "scikit-learn")
