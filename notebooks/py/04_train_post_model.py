# %% [markdown]
# # Train the Post-model: what do the images after treatment add?
#
# Before treatment an image shows a disease. After it, an image shows how the disease has answered: gone,
# shrunken, or still there. The Post-model is the same network, trained on the images
# after the first course of treatment. Whether it is *better* than the Pre-model is harder to say than it looks: this
# notebook asks how much of a result is luck, and of which kind.
#
# *Time: 15 minutes to read, about five minutes to run.*
#
# ## What you'll do
#
# - Train the Post-model as you trained the Pre-model.
# - Look at what the second examination changes, patient by patient.
# - Train it again with other seeds, and compare their luck with the luck of the patients.
#
# ## What you'll learn
#
# - Why images after treatment can say more than those before it.
# - How far results move when nothing changes but the seed, and how far when the test patients change.
#
# ## What you'll need
#
# - `cohort.csv` and `rois.csv`; [03_train_pre_model](03_train_pre_model.ipynb) explains each step and
#   leaves `predictions_pre.csv`.

# %%
import pandas as pd

from npc_helpers import figures
from npc_helpers.cohort import included_patients
from npc_helpers.exercises import claim
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
# a rim, and swollen lining makes several look worse than they are. The rectangles still lie where the disease *was*: an
# empty rectangle is a finding, too.

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
# `training.train` is the `compile` and `fit` of notebook 03 in one call: the same start weights, the same rules, and nothing
# that the Pre-model has learned. The label is the same as well. The two models differ in what they are shown.

# %%
model = models.prognosis_model(setting, seed=SEED)
runs = study.result_path("runs")
data = {"inputs": images, "high_risk": high_risk, "rows": train, "patients": index.patient_id}
learner, history = training.train(model, **data, setting=setting, seed=SEED, run_dir=runs / "post")
history.round(3)


# %%
def risk_of(learner):
    """Return each patient's mean probability of high risk."""
    p = training.predict(learner, images)
    return prediction.patient_probability(prediction.image_predictions(index, p, cohort))


post = risk_of(learner)

# %% [markdown]
# ## What the second look adds
#
# The Pre-model's predictions come from the notebook before this one. Each point is a patient of the
# test cohort.

# %%
pre = prediction.patient_probability(study.read_table("predictions_pre.csv"))
seen = set(pre.index) & set(post.index)
test = cohort[(cohort.split == "test") & cohort.patient_id.isin(seen)].set_index("patient_id")
pre, post_test = pre[test.index], post[test.index]

# %%
show(
    figures.pre_post_scatter(pre, post_test, test.progressed.astype(bool)),
    alt="Post-model probability against Pre-model probability of each test patient.",
)

# %% [markdown]
# On the diagonal both examinations say the same. A patient above it looks worse after treatment than before it, one below
# it better. If the second look only repeated the first, all points would lie along the diagonal.

# %%
agreement = pre.corr(post_test, method="spearman")
print(f"rank correlation of the two models over {len(test)} test patients: {agreement:.2f}")
rose = post_test.rank() - pre.rank() > 0
pd.crosstab(rose.map({True: "ranked worse", False: "ranked better"}), test.progressed.astype(bool))

# %% [markdown]
# The table counts those who moved up the ranking of risk from the first to the second examination, and those who moved down,
# by whether the disease has progressed since. A second look that adds something moves the two groups
# in different directions: how a disease responds to treatment is visible in no single image.

# %%
c = {
    name: c_index(test.pfs_months, test.progressed, risk)
    for name, risk in {"Pre-model": pre, "Post-model": post_test}.items()
}
print(*(f"{name:10} C-index {value}" for name, value in c.items()), sep="\n")

# %% tags=["claim"]
gain = c["Post-model"].value - c["Pre-model"].value
claim(
    gain > 0,
    f"In this split the images after treatment rank the test patients better, by {gain:.2f} in C-index.",
    f"In this split the images after treatment do not rank the test patients better ({gain:+.2f}).",
)

# %% [markdown]
# Is that more than luck? A result hangs on three things that have nothing to do with the worth of a model: the seed, the
# patients who were tested, and those who were trained on.
#
# ## The luck of the seed
#
# The seed decides the first values of the last layer, which images an epoch takes in which order and variant, and which features
# are dropped when. None of that is about patients. Before you run the cell: by how much would you expect the test
# C-index to move?

# %%
histories, risk = {f"seed {SEED}": history}, {SEED: post_test}
for seed in (2, 3):
    start = models.prognosis_model(setting, seed=seed)
    other, histories[f"seed {seed}"] = training.train(
        start, **data, setting=setting, seed=seed, run_dir=runs / f"post_seed{seed}"
    )
    risk[seed] = risk_of(other)[test.index]

# %%
show(
    figures.learning_curves(histories),
    alt="Loss and accuracy on training images by epoch, for three seeds.",
)

# %% [markdown]
# The curves begin apart, because the last layer begins with other numbers, and wander. What matters is how far
# the ranking of the test patients moves.

# %%
truth = test.high_risk.astype(bool)
risk["mean of the three"] = pd.concat(risk, axis=1).mean(axis=1)
scores = pd.DataFrame(
    {
        "AUC": {seed: roc_auc(truth, p).value for seed, p in risk.items()},
        "C-index": {
            seed: c_index(test.pfs_months, test.progressed, p).value for seed, p in risk.items()
        },
    }
)
scores.round(3)

# %% [markdown]
# The differences between the first three rows are luck alone. Whoever trains ten networks and reports the best one reports that
# luck. The mean of several seeds has less of it, which is why such *ensembles* are seldom worse than their typical
# member.
#
# ## The luck of the patients
#
# The other kind is larger. The interval of one C-index says how far it would move with other *test* patients. To
# learn what other *training* patients would do, the whole experiment has to be repeated: divide the patients anew, train, test.

# %% tags=["claim"]
seeds = scores["C-index"].drop("mean of the three")
by_seed, by_patient = seeds.max() - seeds.min(), c["Post-model"].high - c["Post-model"].low
claim(
    by_seed < by_patient,
    f"Over three seeds the C-index moves by {by_seed:.2f}; the interval for other test patients is "
    f"{by_patient:.2f} wide.",
)

# %% [markdown]
# That takes twenty times as long as this notebook, so it was done beforehand: in `docs/results.md` both models are
# trained anew in each of twenty splits of these patients, and [notebook 10](10_how_sure.ipynb) shows the cloud. A
# difference between two models that is smaller than what a new split does to it is not worth a sentence in a paper, and
# this holds for the difference between Pre-model and Post-model, too.

# %% [markdown]
# ## Save

# %%
predictions = prediction.image_predictions(index, training.predict(learner, images), cohort)
saved_models.keep_model(study, "post", learner)
study.write_table("predictions_post.csv", predictions)
print("saved predictions_post.csv and post_model.keras")

# %% tags=["nbval-check-output"]
counts = predictions.groupby("split").patient_id.nunique()
print({part: int(number) for part, number in counts.items()}, "patients with predictions")

# %% [markdown]
# ## What you have now
#
# `post_model.keras`, and `predictions_post.csv` with a probability for every image of every patient. You have seen two
# kinds of luck, and that the one that a researcher controls, the seed, is the smaller.
#
# ## Exercises
#
# 1. Feed the *pre*-treatment images to the Post-model. What does it make of them?
# 2. Start the Post-model from the trained Pre-model instead: `learner.set_weights` with the weights of
#    `saved_models.load_model(study.result_path("pre_model.keras"))`. Does it help?
# 3. Correlate the probabilities of two seeds over the test patients. Whose probability moves most?
#
# ## Check yourself
#
# - The clock of PFS starts with treatment, yet the Post-model uses an image from its end. Whom does
#   that exclude, and whom does it favour?
# - Two groups publish the same network with C-indices of 0.76 and 0.80, from 43 patients each. Who has the better network?
#
# <details><summary>Answers</summary>
#
# - Nobody who died or progressed before the second examination can be in the cohort. Everyone
#   who is in has survived until then, a stretch of guaranteed time (immortal time). A fair clock for
#   the Post-model starts at the second examination.
# - Nobody can tell. Seed, test patients and training patients each move a C-index by as much.
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
