# %% [markdown]
# # Train the Post-model: what do the images after treatment add?
#
# Before treatment an image shows a disease. After it, an image shows how the disease has responded: gone,
# shrunken, or still there. The Post-model is the same network, trained on the images
# after the first course of treatment. Whether it is *better* than the Pre-model is harder to say than it looks: this
# notebook asks how much of a result is luck, and of which kind.
#
# *Time: 15 minutes to read, four minutes to run.*
#
# ## What you'll do
#
# - Train the Post-model as you trained the Pre-model.
# - Look at what the second examination changes, patient by patient, and at what the model looks for.
# - Take three kinds of luck apart: that of the test patients, of the seed, and of the training patients.
#
# ## What you'll learn
#
# - Why images after treatment can say more than those before it.
# - Why two models that were tested on the same patients are compared in each patient.
# - How far results move when nothing changes but the seed, and how far when the patients change.
#
# ## What you'll need
#
# - `cohort.csv` and `rois.csv`; [03_train_pre_model](03_train_pre_model.ipynb) explains each step and
#   leaves `predictions_pre.csv`.

# %%
import numpy as np
import pandas as pd

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import figures, statistics
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
from npc_helpers.imaging import roi
from npc_helpers.imaging.stacks import coverage
from npc_helpers.network import features, models, prediction, saved_models, training
from npc_helpers.network.repeated_splits import kept_splits
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

SEED = 1
study, setting = Study.open(), current_setting()
begin(study)

# %% [markdown]
# ## The images after treatment
#
# They were taken after the first course of treatment, here at the first review. Some tumours have vanished, some have left
# a rim, and swollen lining makes several look worse than they are. The rectangles still lie where the disease *was*: an
# empty rectangle is a finding, too.

# %%
cohort = included_patients(study.read_table("cohort.csv"))
rois = study.read_table("rois.csv")
print(coverage(study, cohort.patient_id, "post"))
images, index = features.study_images(study, rois, "post", patients=cohort.patient_id)
print(roi.provenance_sentence(rois.merge(index)))

# %%
study.require_outcomes("training")
roi.require_drawn(study, rois.merge(index))
labels = cohort.set_index("patient_id").loc[index.patient_id]
train = (labels.split == "train").to_numpy()
high_risk = labels.high_risk.to_numpy(dtype=bool)
print(f"{train.sum()} training images, {(~train).sum()} test images")

# %% [markdown]
# ## Train
#
# `training.train` is the `compile` and `fit` of notebook 03 in one call: the same start weights, the same rules, and nothing
# that the Pre-model has learned. The label is the same as well. The two models differ only in the images they are shown.

# %%
model = models.prognosis_model(setting, seed=SEED)
runs = study.result_path("runs")
data = {"inputs": images, "high_risk": high_risk, "rows": train, "patients": index.patient_id}
learner, history = training.train(model, **data, setting=setting, seed=SEED, run_dir=runs / "post")
history.round(3)

# %% tags=["claim"]
began, ended, coin = history.loss.iloc[0], history.loss.iloc[-1], np.log(2)
claim(
    began > ended > coin - 0.05,
    f"The loss falls from {began:.2f} to {ended:.2f}. Saying one half would give {coin:.2f}: as with the "
    "Pre-model, single images teach little, and what has been learned shows in patients only.",
    f"The loss goes from {began:.2f} to {ended:.2f}; saying one half would give {coin:.2f}.",
)


# %%
def predict(learner, images, index):
    """Return the probability of high risk of each image, with its patient."""
    p = training.predict(learner, images)
    return prediction.image_predictions(index, p, cohort)


predictions = predict(learner, images, index)
post = prediction.patient_probability(predictions)

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
progressed = test.progressed.astype(bool)

# %%
figure = figures.pre_post_scatter(pre, post_test, progressed)
show(figure, "4.1", "Post-model probability against Pre-model probability of each test patient.")

# %% tags=["claim"]
agreement = pre.corr(post_test, method="spearman")
claim(
    0 < agreement < 0.7 and post_test.std() > pre.std(),
    "On the diagonal both examinations would say the same. The points do not lie along it (rank correlation "
    f"{agreement:.2f}): the second look is no repetition of the first, and it ventures farther from one half.",
    "On the diagonal both examinations would say the same. The rank correlation of the two is "
    f"{agreement:.2f}.",
)

# %% [markdown]
# A patient above the diagonal gets a higher probability from the Post-model than from the Pre-model, one below it a lower one.
# Which patients moved up in the ranking by risk?

# %%
rose = (post_test.rank() > pre.rank()).rename("second look")
pd.crosstab(rose.map({True: "ranked worse", False: "ranked better"}), progressed)

# %% tags=["claim"]
up_of_ill, up_of_well = (rose & progressed).sum(), (rose & ~progressed).sum()
ill, well = progressed.sum(), (~progressed).sum()
claim(
    up_of_ill / max(ill, 1) > up_of_well / max(well, 1) + 0.2,
    f"Of {ill} patients whose disease progressed, {up_of_ill} move up; of {well} others, {up_of_well}. No "
    "image before treatment can show how a disease will respond to it; the second look sees something of that.",
    f"Of {ill} patients whose disease progressed, {up_of_ill} move up; of {well} others, {up_of_well}.",
)

# %% [markdown]
# ### What does it look for?
#
# The Post-model has never been shown an image from *before* treatment. We feed it some: the first examination of the same
# test patients.

# %%
before_images, before_index = features.study_images(study, rois, "pre", patients=test.index)
first_look = prediction.patient_probability(predict(learner, before_images, before_index))

# %% [markdown] tags=["exercise"]
# > **Exercise 04.1 – predict** (4 minutes). The Post-model has to judge patients before their treatment. Compared with the
# > images after it, does the mean probability of high risk become `"higher"`, `"lower"`, or stay the `"same"` (within
# > 0.02)? Think of what it may have learned to look for.

# %% tags=["solution"]
becomes = "higher"  # fill in
check("04.1", becomes, before=first_look, after=post_test)

# %%
looks = pd.DataFrame({"before treatment": first_look, "after treatment": post_test})
looks.describe().loc[["mean", "min", "max"]].round(2)

# %% tags=["claim"]
worse = int((looks["before treatment"] > looks["after treatment"]).sum())
claim(
    worse > 0.9 * len(looks),
    f"{worse} of {len(looks)} patients look worse to it before treatment. That fits a model which has learned to look "
    "for what is left of a disease: before treatment everything is left. It is a guess as long as nobody "
    "changes the tumour alone, and notebook [06](06_explore_gradcam.ipynb) does that.",
    f"{worse} of {len(looks)} patients look worse to it before treatment than after it.",
)

# %% [markdown]
# ## Better, or luckier?
#
# The C-index of both models, on the same test patients:

# %%
both = {"Post-model": post_test, "Pre-model": pre}
c = {name: statistics.c_index(test.pfs_months, progressed, p) for name, p in both.items()}
print(pd.Series(c).map(str).to_string())

# %% [markdown]
# Is the difference more than luck? A result depends on three things that have nothing to do with the worth of a model: the
# patients it was tested on, the seed, and the patients it was trained on. We take them one by one.
#
# ### The luck of the test patients
#
# Other test patients would give another difference. The *bootstrap* imitates them: it draws as many patients from our own,
# some more than once and some not at all, and computes the difference anew, many times.

# %%
months, event = test.pfs_months.to_numpy(), progressed.to_numpy()
scores_of = {"pre": pre.to_numpy(), "post": post_test.to_numpy()}


def c_drawn(model, rows):
    """Return the C-index of a model on patients that were drawn."""
    return statistics.c_index(months[rows], event[rows], scores_of[model][rows]).value


# %% [markdown] tags=["exercise"]
# > **Exercise 04.2 – repair** (6 minutes). A patient who is hard to judge is often hard for both models. This bootstrap forgets
# > that, and so its differences scatter more than they should. Repair one line.

# %% tags=["solution"]
rng, n, differences = np.random.default_rng(SEED), len(test), []
for _ in range(300):
    of_post = rng.integers(n, size=n)
    of_pre = of_post.copy()  # repair: rng.integers(n, size=n)
    differences.append(c_drawn("post", of_post) - c_drawn("pre", of_pre))
check("04.2", differences, drawn=(of_post, of_pre), test=test, pre=pre, post=post_test)

# %% [markdown]
# `compare_c_index` computes the interval of such a *paired* difference with a formula, without drawing patients:

# %%
paired = statistics.compare_c_index(test.pfs_months, progressed, both)
statistics.with_printed_p(paired).drop(columns="p_holm").round(3)

# %% tags=["claim"]
gain = paired.iloc[0]
claim(
    gain.low > 0,
    f"On the test patients the Post-model is ahead by {gain.difference:.2f}, and the interval of the difference "
    f"begins at {gain.low:.2f}, above zero: their luck alone does not explain it.",
    f"The Post-model differs from the Pre-model by {gain.difference:+.2f}, and the interval of the difference "
    f"reaches from {gain.low:.2f} to {gain.high:.2f}.",
)

# %% [markdown]
# ### The luck of the seed
#
# The seed decides the first values of the last layer, which images each epoch takes, in which order and variant, and which features
# dropout leaves out. None of that is about patients.

# %%
histories, risk = {f"seed {SEED}": history}, {SEED: post_test}
for seed in (2, 3):
    start = models.prognosis_model(setting, seed=seed)
    retrained, histories[f"seed {seed}"] = training.train(
        start, **data, setting=setting, seed=seed, run_dir=runs / f"post_seed{seed}"
    )
    of_test = predict(retrained, images[~train], index[~train])
    risk[seed] = prediction.patient_probability(of_test)[test.index]

# %%
figure = figures.learning_curves(histories)
show(figure, "4.2", "Loss and accuracy on training images by epoch, for three seeds.")

# %% tags=["claim"]
last = [table.loss.iloc[-1] for table in histories.values()]
claim(
    max(last) - min(last) < 0.05,
    "The curves begin apart, because the last layer begins with other numbers, and wander. They end within "
    f"{max(last) - min(last):.2f} of each other. How far does the ranking of the test patients move?",
    f"The curves begin apart and end within {max(last) - min(last):.2f} of each other.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 04.3 – predict** (4 minutes). Which moves the C-index of the Post-model more: another seed, or another
# > test cohort of the same size? Compare the standard deviation over `"seed"` with the standard error over `"patients"`.

# %% tags=["solution"]
moves_more = "patients"  # fill in
check("04.3", moves_more, test=test, risk=risk)

# %%
truth = test.high_risk.astype(bool)
with_mean = risk | {"mean of the three": pd.DataFrame(risk).mean(axis=1)}
auc = {name: statistics.roc_auc(truth, p).value for name, p in with_mean.items()}
c_of = {name: statistics.c_index(months, event, p).value for name, p in with_mean.items()}
pd.DataFrame({"AUC": auc, "C-index": c_of}).round(3)

# %% tags=["claim"]
of_seeds = [c_of[seed] for seed in risk]
by_seed, interval = max(of_seeds) - min(of_seeds), c["Post-model"]
claim(
    by_seed < (interval.high - interval.low) / 2,
    f"Between the first three rows lies luck alone: their C-index moves by {by_seed:.2f}. The interval for other test "
    f"patients is {interval.high - interval.low:.2f} wide. The luck of the seed, which a researcher can reduce, is the smaller one.",
    f"Between the first three rows lies luck alone: their C-index moves by {by_seed:.2f}. The interval for other test "
    f"patients is {interval.high - interval.low:.2f} wide.",
)

# %% [markdown]
# Whoever trains ten networks and reports the best one reports that luck. The mean of several seeds has less of it, which is
# why such *ensembles* are seldom worse than their typical member. (The *Ensemble* of notebook 05 is another: it joins Pre-model and
# Post-model.) Does a steady C-index also mean that every patient gets a steady answer?

# %% [markdown] tags=["exercise"]
# > **Exercise 04.4 – fill in one line** (4 minutes). `calls` has a column for each seed: is a patient's probability above
# > one half? For how many patients does the answer depend on the seed?

# %% tags=["solution"]
calls = pd.DataFrame(risk) > 0.5
depends_on_seed = (calls.nunique(axis=1) > 1).sum()  # fill in
check("04.4", depends_on_seed, risk=risk)

# %% [markdown] tags=["notes"]
# A patient whose answer flips lies near one half. Let somebody say it to a patient: "the network calls you high-risk; with another
# random number it would not have done so". Whoever is done early starts the Post-model from the trained Pre-model
# (`learner.set_weights` with the weights of `saved_models.load_model(study.result_path("pre_model.keras"))`): does it help?

# %% [markdown]
# ### The luck of the training patients
#
# To learn what difference other *training* patients would make, the whole experiment has to be repeated: divide the patients anew,
# train, test. Many repetitions take far longer than this notebook, so they were done beforehand ([notebook 10](10_how_sure.ipynb)
# shows the result of each).

# %% tags=["claim"]
of_pair = kept_splits(study).query("model in ('Pre-model', 'Post-model')")
pair = statistics.split_differences(of_pair, measure="c_index").iloc[0]
ahead, n_splits = 1 - pair.a_ahead, of_pair.split.nunique()
claim(
    ahead > 0.9 and pair.high < 0,
    f"The Post-model is ahead in {ahead:.0%} of {n_splits} splits, by {-pair.difference:.2f} in C-index on average "
    f"({-pair.high:.2f} to {-pair.low:.2f}). So here the second look is worth something, whoever is trained on and "
    "whoever is tested; by how much, one split does not tell.",
    f"The Post-model is ahead in {ahead:.0%} of {n_splits} splits, by {-pair.difference:.2f} in C-index on average "
    f"({-pair.high:.2f} to {-pair.low:.2f}).",
)

# %% [markdown]
# ## Save

# %% tags=["nbval-check-output"]
saved_models.keep_model(study, "post", learner)
study.write_table("predictions_post.csv", predictions)
print("saved predictions_post.csv and post_model.keras")
print(predictions.groupby("split").patient_id.nunique().to_dict(), "patients with predictions")

# %% [markdown]
# ## What you have now
#
# - Images after treatment show how the disease has responded, and the model seems to look for what is left of it.
# - Models that were tested on the same patients are compared within each patient.
# - A seed moves a C-index less than the choice of patients does, and decides about those who lie near one half.
# - Only repeated splits tell what other training patients would have done.
# - `post_model.keras`, and `predictions_post.csv` with a probability for every image of every patient.
#
# ## Check yourself
#
# - The clock of PFS starts with treatment, yet the Post-model uses an image from after it. Whom does
#   that exclude, and whom does it favour?
# - Two groups publish the same network with C-indexes of 0.76 and 0.80, from 43 patients each. Who has the better network?
#
# <details><summary>Answers</summary>
#
# - It excludes those who died before the second examination. Everyone who is in has lived until then, a
#   stretch of guaranteed time (*immortal time*) that makes the whole cohort look better. A fair clock for the Post-model starts
#   at the second examination, and leaves out those who had already progressed by then.
# - Nobody can tell. Seed, test patients and training patients can each move a C-index by as much.
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
