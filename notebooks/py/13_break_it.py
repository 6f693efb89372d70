# %% [markdown]
# # Break it: eight traps, sprung on purpose
#
# A prognosis study can go wrong without an error message: the number is only too good. Each card of this notebook shows one such
# trap. You predict what it will do, spring it, see the damage, and repair it. What a trap does is measured in the study
# that is open; where a study cannot spring one, the card says why.
#
# *Time: 25 minutes to read, a minute to run.*
#
# ## What you'll do
#
# - Predict eight results that are too good or too bad to be true.
# - Spring each trap with the features and predictions of the earlier lessons.
# - Repair it in one line.
#
# ## What you'll learn
#
# - How large a result can be that nothing stands behind.
# - To which number one has to look to notice.
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
from npc_course.exercises.traps import noise_aucs
from npc_course.lesson import begin

# %%
from npc_helpers import statistics
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.style import in_house_style, new_figure
from npc_helpers.imaging.masks import read_mask
from npc_helpers.network import features, gradcam, prediction
from npc_helpers.network.repeated_splits import kept_splits
from npc_helpers.network.saved_models import load_or_reference
from npc_helpers.study import NotInThisStudy, Study

study = Study.open()
begin(study)

# %%
study.require_outcomes("springing traps")
patients, risk = prediction.compared_scores(study.read_table)
train, test = (patients[patients.split == side] for side in ("train", "test"))
label = patients.high_risk.astype(bool)
test_risk = {name: score.reindex(test.index) for name, score in risk.items()}
rois = study.read_table("rois.csv")

# %% tags=["nbval-check-output"]
print(f"{len(train)} training patients, {len(test)} test patients")

# %% [markdown]
# ## Card 1: boxes that know the answer
#
# The rectangles of lesson 02 were drawn generously. Imagine a reader who draws them tightly around the tumour instead. The network receives
# the padded box, so it can feel the box's size. How much does the size alone give away?


# %%
def tight_area(patient_id):
    """Mean area of the tightest boxes around the tumour, over the slices that show it."""
    mask = read_mask(study, patient_id, "pre")
    if mask is None:
        raise NotInThisStudy("nobody knows the tumour's outline here, so no box can be tight")
    sides = [
        [np.ptp(np.flatnonzero(layer.any(axis=axis))) + 1 for axis in (0, 1)]
        for layer in mask[0]
        if layer.any()
    ]
    return np.mean([width * height for width, height in sides] or [0])  # no tumour, no box


tight = pd.Series({patient_id: tight_area(patient_id) for patient_id in patients.index})
advanced = patients.stage_8th.isin(["IVA", "IVB"])

# %% [markdown] tags=["exercise"]
# > **Exercise 13.1 – predict** (3 minutes). With tight boxes: which AUC has the area of the box alone for telling the advanced stages (IVA and above)
# > from the others? The network is not asked.

# %% tags=["solution"]
auc_of_the_box = 0.8  # fill in
check("13.1", auc_of_the_box, area=tight, advanced=advanced)

# %%
sizes = rois[(rois.timepoint == "pre") & (rois.sequence == "t2w")]
sizes = (sizes.x1 - sizes.x0) * (sizes.y1 - sizes.y0)
generous = sizes.groupby(rois.patient_id).mean().reindex(patients.index)
boxes = pd.DataFrame(
    {
        name: {
            "AUC, stage": statistics.roc_auc(advanced, area),
            "C-index, PFS": statistics.c_index(patients.pfs_months, patients.progressed, area),
        }
        for name, area in {"generous": generous, "tight": tight}.items()
    }
).T
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
# **Repair.** Draw all boxes by one generous rule, or of one size, and print what box sizes alone achieve beside what the network does.
#
# ## Card 2: a hundred tries
#
# Somebody tries 100 settings and looks each time at the test cohort. Let all 100 be useless: their scores are drawn by lot.

# %% [markdown] tags=["exercise"]
# > **Exercise 13.2 – predict** (2 minutes). Which AUC does the best of the 100 have in the test cohort, on average?

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
# **Repair.** Choose on training patients, by cross-validation, and look at the test cohort once. The chosen setting on patients who chose nothing:

# %%
halves = np.arange(len(train)) % 2 == 0
chosen, judged = (noise_aucs(label[train.index][half], 100, seed=13) for half in (halves, ~halves))
pd.Series({"where chosen": chosen.max(), "elsewhere": judged[chosen.argmax()]}).round(3).to_frame()

# %% tags=["claim"]
claim(
    chosen.max() > 0.6 and judged[chosen.argmax()] < chosen.max(),
    f"{chosen.max():.2f} where it was chosen, {judged[chosen.argmax()]:.2f} among patients who did not choose it.",
    f"{judged[chosen.argmax()]:.2f} among patients who did not choose it.",
)

# %% [markdown]
# ## Card 3: the lucky split
#
# The networks were trained anew in many splits (lesson 10). An author may choose which one to print.

# %%
splits = kept_splits(study).query("model == 'Ensemble'").auc
print(len(splits), "splits")

# %% [markdown] tags=["exercise"]
# > **Exercise 13.3 – predict** (2 minutes). The Ensemble's AUC in the best of these splits?

# %% tags=["solution"]
best_of_splits = 0.78  # fill in
check("13.3", best_of_splits, auc=splits)

# %%
splits.describe()[["count", "mean", "min", "max"]].round(3).to_frame()

# %% tags=["claim"]
claim(
    splits.max() - splits.mean() > 0.1,
    f"The best split is {splits.max() - splits.mean():.2f} better than the mean of all {len(splits)}: as much as the paper's difference between "
    "Ensemble and TNM.",
    f"The best split is {splits.max() - splits.mean():.2f} better than the mean.",
)

# %% [markdown]
# **Repair.** Fix the split before anything is trained, or print all of them, as lesson 10 does.
#
# ## Card 4: labels drawn by lot
#
# We shuffle the label, so that nothing can be learned, and let a random forest learn it all the same, from the edges of the rectangles.

# %% [markdown] tags=["exercise"]
# > **Exercise 13.4 – predict** (2 minutes). Which AUC has the forest in the training cohort, and which in the test cohort, on average over many shuffles?

# %% tags=["solution"]
in_training_and_test = [1.0, 0.5]  # fill in
check("13.4", in_training_and_test)

# %%
image = ["timepoint", "sequence", "slice_index"]
edges = rois.pivot_table(index="patient_id", columns=image, values=["x0", "y0", "x1", "y1"])
edges = edges.reindex(patients.index).fillna(edges.mean())
rows = []
for seed in range(10):
    lot = pd.Series(np.random.default_rng(seed).permutation(label), label.index)
    forest = RandomForestClassifier(100, random_state=seed, n_jobs=1)
    forest.fit(edges.loc[train.index].to_numpy(), lot[train.index])
    p = pd.Series(forest.predict_proba(edges.to_numpy())[:, 1], edges.index)
    sides = {"training": train.index, "test": test.index}
    rows.append({name: statistics.roc_auc(lot[i], p[i]).value for name, i in sides.items()})
shuffled = pd.DataFrame(rows).agg(["mean", "min", "max"])
shuffled.round(2)

# %% tags=["claim"]
claim(
    shuffled.training["min"] > 0.99 and abs(shuffled.test["mean"] - 0.5) < 0.07,
    f"Training {shuffled.training['mean']:.2f}, test {shuffled.test['mean']:.2f} on average, and up to {shuffled.test['max']:.2f} by luck.",
)

# %% [markdown]
# **Repair.** Never print a training result as evidence; and run your whole programme once with shuffled labels. If the test result stays above a half,
# something leaks.
#
# ## Card 5: a calendar that looks like a network

# %%
scans = study.registry.set_index("patient_id").mri_pre_date.reindex(patients.index)
day = (scans - scans.min()).dt.days.astype(float)

# %% [markdown] tags=["exercise"]
# > **Exercise 13.5 – predict** (2 minutes). The date of the first scan is taken for a risk score. Which reading of the follow-up is fooled:
# > `"median label"` or `"time to progression"`?

# %% tags=["solution"]
fooled = "median label"  # fill in
check("13.5", fooled, patients=patients, day=day)

# %%
calendar = {
    "median label, AUC": statistics.roc_auc(label, day),
    "time to progression, C-index": statistics.c_index(
        patients.pfs_months, patients.progressed, day
    ),
}
pd.Series(calendar, name="date of the scan").map(str).to_frame()

# %% tags=["claim"]
by_label, by_time = calendar.values()
claim(
    0.65 < by_label.value < 0.76 and by_time.low < 0.5 < by_time.high,
    f"{by_label.value:.2f} by the label, {by_time.value:.2f} by time: the first is follow-up, not disease.",
    f"{by_label.value:.2f} by the label, {by_time.value:.2f} by time.",
)

# %% [markdown]
# **Repair.** Judge by time to progression, and put the date beside the models in the table.
#
# ## Card 6: the threshold that suits the test cohort


# %%
def choose(score, high_risk):
    """Return the threshold at which most calls are right."""
    right = [((score >= threshold) == high_risk).mean() for threshold in score]
    return float(score.iloc[int(np.argmax(right))])


cohorts = {
    name: (risk["Post-model"][group.index], label[group.index])
    for name, group in {"train": train, "test": test}.items()
}

# %% [markdown] tags=["exercise"]
# > **Exercise 13.6 – repair** (3 minutes). This line chooses the threshold for the Post-model's calls. Repair it.

# %% tags=["solution"]
threshold = choose(*cohorts["train"])  # repair: choose(*cohorts["test"])
check("13.6", threshold, choose=choose, cohorts=cohorts)

# %%
score, truth = cohorts["test"]
accuracy = pd.Series(
    {
        f"chosen in {name}": ((score >= choose(*cohort)) == truth).mean()
        for name, cohort in cohorts.items()
    },
    name="accuracy in the test cohort",
)
accuracy.round(3).to_frame()

# %% tags=["claim"]
claim(
    0 < accuracy["chosen in test"] - accuracy["chosen in train"] < 0.15,
    f"The test cohort's own threshold looks better by {accuracy['chosen in test'] - accuracy['chosen in train']:.0%} of the patients. Card 2 in small: as many "
    "tries as there are thresholds.",
    "Here both thresholds do equally well; the trap needs luck to spring.",
)

# %% [markdown]
# ## Card 7: the wrong neuron
#
# The network has two neurons, and somebody reads the probability of *low* risk as the risk.

# %% [markdown] tags=["exercise"]
# > **Exercise 13.7 – fill in one line** (2 minutes). The Ensemble's C-index in the test cohort is `right_way`. What is it with the sign reversed?

# %% tags=["solution"]
right_way = statistics.c_index(test.pfs_months, test.progressed, test_risk["Ensemble"]).value
wrong_way = 1 - right_way  # fill in
check("13.7", wrong_way, patients=test, risk=test_risk["Ensemble"])

# %%
score = test_risk["Ensemble"]
signs = {
    name: statistics.c_index(test.pfs_months, test.progressed, sign * score)
    for name, sign in {"as it is": 1, "reversed": -1}.items()
}
pd.Series(signs, name="C-index").map(str).to_frame()

# %% tags=["claim"]
claim(
    signs["reversed"].high < 0.5 < signs["as it is"].low,
    f"With the sign reversed the whole interval lies below a half (it ends at {signs['reversed'].high:.2f}). No bad model does that, only a mistake.",
    "Both intervals reach over a half: here the trap would not be noticed.",
)

# %% [markdown]
# **Repair.** Test the sign on a patient whose answer is known. A result clearly *below* a half is information: look for the sign, and not for a better network.
#
# ## Card 8: every map is red
#
# For 12 patients we take the image whose map has the strongest cell, after treatment.

# %%
few = list(test.index[:12])
model = load_or_reference(study, "post")
images, index = features.study_images(study, rois, "post", patients=few)
maps = gradcam.class_map(gradcam.activations(model, images), gradcam.head(model)[0])
peaks = pd.Series(maps.max(axis=(1, 2)), index.index)
strongest = peaks.groupby(index.patient_id).idxmax()

# %% [markdown] tags=["exercise"]
# > **Exercise 13.8 – predict** (2 minutes). Each of these maps gets a colour scale of its own, from zero to its strongest cell. How many of them show a red spot?

# %% tags=["solution"]
with_red = 12  # fill in
check("13.8", with_red, peaks=peaks[strongest])


# %%
@in_house_style
def two_scales(maps):
    """Draw maps twice: each to its own maximum, and all to the same."""
    figure, all_axes = new_figure(9.6, 2.2, nrows=2, ncols=len(maps), squeeze=False)
    limits = {"own": [cells.max() for cells in maps], "common": [maps.max()] * len(maps)}
    for row, (name, tops) in zip(all_axes, limits.items(), strict=True):
        row[0].set_ylabel(name)
        for axes, cells, top in zip(row, maps, tops, strict=True):
            axes.imshow(cells, cmap="jet", vmin=0, vmax=max(top, 1e-9))
            axes.set(xticks=[], yticks=[])
    return figure


show(
    two_scales(maps[strongest]),
    number="13.1",
    alt="Twelve coarse maps, above each with a colour scale of its own, below all with the same.",
)

# %% tags=["claim"]
top = peaks[strongest]
strong = (top > top.max() / 2).sum()
claim(
    (top > 0).all() and strong <= len(top) / 2,
    f"Above, every map has a red spot. Below, on one scale, only {strong} of {len(top)} reach half of the strongest: the others have found little.",
    f"Below, on one scale, {strong} of {len(top)} reach half of the strongest.",
)

# %% [markdown]
# **Repair.** One scale for all maps of a figure, its range printed, as in lesson 06.

# %% [markdown] tags=["notes"]
# One card takes four minutes: one to predict, with hands raised, one to run, two to talk. If there is time for three only, take 1, 2 and 5. Ask after each
# card: where in a paper would you see this? The usual misunderstanding is that traps need bad faith; every one of these needs only haste.

# %% [markdown]
# ## Traps that stay shut here
#
# Three traps cannot be sprung in this study: *splitting by image* needs neighbouring slices so alike that a network recognises the patient; a *change of
# scanner* needs a study in which it happened (`python -m npc_demo FOLDER --upgraded-on 2014-01-01` makes one); *immortal time* needs patients without a
# second scan among the compared.
#
# ## What you have now
#
# - A box, a date, a lucky split and a hundred tries each give a number that would pass for a model's.
# - A training result says nothing, even at 1.00.
# - What was chosen on some patients has to be judged on others: settings, splits, thresholds.
# - A sign, and the scale of a colour map, can turn any result round.
#
# ## Check yourself
#
# - A paper reports the best of five splits. What would you ask for?
# - Your test AUC is 0.24. Is the network worthless?
#
# <details><summary>Answers</summary>
#
# - The results of all five, and when the split was chosen.
# - On the contrary, if the interval lies below a half: reverse the sign, and find out why it was wrong.
#
# </details>
#
# ## Further reading
#
# - Kapoor S, Narayanan A. *Leakage and the reproducibility crisis in machine-learning-based science*, Patterns 2023.
# - Varoquaux G, Cheplygina V. *Machine learning for medical imaging: methodological failures and recommendations for the
#   future*, npj Digital Medicine 2022.
#
# ## Versions and data

# %%
footer(study, "keras", "scikit-learn")
