# %% [markdown]
# # Train on time itself: what did the label cost?
#
# The paper tells its network one thing about each patient: high risk or low. Notebook 08 has shown what that label hides. A
# network can also be told what is known: the months observed, and whether they ended with progression. What the network is told is its
# *target*. This notebook tries two such targets and measures what they bring. Then it asks two questions that a clinician would ask: does the
# image say anything that staging does not, and what does it say about one patient?
#
# *Time: 25 minutes to read, one minute to run.*
#
# ## What you'll do
#
# - Write the Cox partial likelihood by hand, and train a network with it.
# - Compare three targets on twenty-five splits.
# - Measure what the image adds to clinical variables, in patients whom no model has learned from.
# - Draw one patient's prediction, and a survival curve for progression that is found only at visits.
#
# ## What you'll learn
#
# - How a loss can use patients who were lost without inventing their outcome.
# - Why a comparison needs the same patients, and many splits.
# - Why a second model must not learn from scores of patients whom the first has learned from.
#
# ## What you'll need
#
# - `cohort.csv` and `rois.csv` from notebooks [01](01_screen_cohort.ipynb) and [02](02_crop_roi.ipynb);
#   [03](03_train_pre_model.ipynb) explains training, [10](10_how_sure.ipynb) splits.

# %%
import keras
import numpy as np
import pandas as pd

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import figures, statistics
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
from npc_helpers.network import survival_heads, survival_losses
from npc_helpers.network.repeated_splits import kept_splits
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.settings import current_setting

study, setting = Study.open(), current_setting()
begin(study)

# %% [markdown]
# ## A patient is the mean of the images
#
# To compare targets many times we freeze the network: only the last layer learns, on the features that the start weights give. These features
# know no outcome; they are computed once and kept. Each patient is described by the mean of the features of all images: for a linear layer
# (before its activation) that gives the same as the mean of its answers, and it lets us compare patients with patients.

# %%
study.require_outcomes("training on time")
cohort = included_patients(study.read_table("cohort.csv")).set_index("patient_id")
who = {"rois": study.read_table("rois.csv"), "patients": cohort.index, "setting": setting}
pre = survival_heads.patient_features(study, timepoint="pre", **who)
post = survival_heads.patient_features(study, timepoint="post", **who)

# %% tags=["nbval-check-output"]
patients = cohort[cohort.index.isin(pre.index) & cohort.index.isin(post.index)]
if set(patients.split[patients.progressed]) != {"train", "test"}:
    raise NotInThisStudy("training on time needs progression among training and test patients")
train, test = (patients[patients.split == side] for side in ("train", "test"))
pair = survival_heads.pair_features(pre, post).loc[patients.index]
pre, post = pre.loc[patients.index], post.loc[patients.index]
print(f"{len(train)} training patients, {train.progressed.sum()} progressed")
print(f"{len(test)} test patients, {test.progressed.sum()} progressed")

# %% [markdown]
# ## What the label tells the network
#
# The same training patients, by what the network is told and by what became of them:

# %%
became = train.progressed.map({True: "progressed", False: "no progression seen"})
told = train.high_risk.map({True: "told: high risk", False: "told: low risk"})
pd.crosstab(told, became)

# %% tags=["claim"]
wrong = (train.high_risk & ~train.progressed).sum()
claim(
    wrong > train.high_risk.sum() / 3,
    f"{wrong} of {train.high_risk.sum()} patients are called high-risk although nobody has seen them progress.",
    f"{wrong} of {train.high_risk.sum()} high-risk patients have not progressed as far as anybody knows.",
)

# %% [markdown]
# ## Cox: who of those still observed was the next?
#
# The Cox partial likelihood asks a question that can be answered in spite of censoring, as long as being lost has nothing to do with the risk.
# Each time a patient progresses, look at all who are still observed at that moment, the *risk set*. The network gives each patient a number
# *f*, the logarithm of the hazard up to a constant. By the model, the chance that it was a certain patient of the risk set who progressed is
# exp(*f*) of that patient, divided by the sum of exp(*f*) over the risk set. The loss is minus the sum of the logarithms of these chances.
# Whoever is lost leaves the risk sets and is never called high-risk or low-risk.


# %%
def cox_by_hand(months, progressed, f):
    """Minus the log partial likelihood, where no two patients progress in the same month."""
    loss = 0.0
    for month, log_hazard in zip(months[progressed], f[progressed], strict=True):
        still_observed = months >= month
        loss += np.log(np.exp(f[still_observed]).sum()) - log_hazard
    return loss


# %%
some = train[~train.pfs_months.duplicated()]  # one patient of each month
months, progressed = some.pfs_months.to_numpy(), some.progressed.to_numpy(dtype=bool)
f = np.random.default_rng(0).normal(size=len(some))
target = survival_losses.follow_up(months, progressed)
loss = survival_losses.cox_loss(target, f[:, None].astype("float32"))
assert np.isclose(keras.ops.sum(loss), cox_by_hand(months, progressed, f), rtol=1e-4)

# %% [markdown]
# `survival_losses.cox_loss` does the same, and also allows for several progressions in one month, by Efron's rule. It looks for those at
# risk in the batch. So a batch has to hold all training patients, each once, and this is why we took the mean of the images first.
#
# ## Hazards: one year after another
#
# The second way cuts follow-up at 12, 24, 36 and 48 months. Four neurons give four *hazards*, the chance to progress in an interval
# for those who were without progression at its start. A patient adds to the loss −log(1 − h) for each interval survived, and −log h for the
# one with the progression. The chance of progression by 48 months is one minus the product of all (1 − h).
#
# What about a patient who is lost *within* an interval? The usual convention (Gensheimer and Narasimhan 2019): the interval counts as survived
# if the patient was observed for at least half of it; otherwise the patient adds nothing for this interval.

# %% [markdown] tags=["exercise"]
# > **Exercise 12.1 – predict** (3 minutes). A patient is lost at 20 months, without progression. How many of
# > the four intervals count as survived?

# %% tags=["solution"]
survived = 1 + 1  # fill in
check("12.1", survived)

# %% [markdown] tags=["notes"]
# The usual answer is 1, because 24 months were not reached. Ask what the network should learn from the eight months after the
# twelfth, which were seen. Somebody will say that the patient is simply high-risk, which is what the label of notebook 01 says.

# %% [markdown]
# ## Train
#
# The features are brought to mean 0 and a common variance, and one layer learns from all training patients at once. Its number of
# neurons, its activation and its loss depend on the target, and so does the *L2 penalty*, which keeps the weights small:

# %% tags=["timeless"]
rows = {n: [k.neurons, k.activation or "none", k.l2] for n, k in survival_heads.KINDS.items()}
pd.DataFrame(rows, index=["neurons", "activation", "L2 penalty"]).T

# %% [markdown]
# Each target got the penalty with which it ranked training patients best in cross-validation. A common penalty would have
# favoured one of the targets. In the next cell, `train_head` repeats in one call what the lines above it do with `fit`.

# %%
x, _, _ = survival_heads.scaled(post.loc[train.index].to_numpy())
target = survival_losses.follow_up(train.pfs_months, train.progressed)
head = survival_heads.new_head("Cox", x.shape[1])  # a Dense layer, compiled with cox_loss
fitted = head.fit(
    x.astype("float32"), target, batch_size=len(x), epochs=survival_heads.STEPS, verbose=0
)
print(f"loss {fitted.history['loss'][0]:.3f} at first, {fitted.history['loss'][-1]:.3f} at the end")
again = survival_heads.train_head("Cox", post.loc[train.index], train)
assert np.allclose(again.weights, head.get_weights()[0], atol=0.01)

# %% [markdown]
# ## One split
#
# Three targets, three views of a patient: the images before treatment, those after it, and both in one model (*Pair*). The third gets
# both sets of features and their difference, the change during treatment. Before you run the cell: which of the nine do you expect to rank best?

# %%
heads, c = {}, {}
for model, features in {"Pre-model": pre, "Post-model": post, "Pair": pair}.items():
    for target in survival_heads.KINDS:
        head = survival_heads.train_head(target, features.loc[train.index], train)
        risk = head.risk(features.loc[test.index])
        c[model, target] = statistics.c_index(test.pfs_months, test.progressed, risk)
        heads[model, target] = head
pd.Series(c).map(str).unstack()[list(survival_heads.KINDS)]

# %% tags=["claim"]
values = pd.Series({arm: estimate.value for arm, estimate in c.items()}).unstack()
between = (values.max(axis=1) - values.min(axis=1)).max()
width = np.mean([estimate.high - estimate.low for estimate in c.values()])
claim(
    between < width / 2,
    f"Within a row the targets differ by at most {between:.2f}, and an interval is {width:.2f} wide on average: "
    "this split cannot say what the label costs.",
)

# %% [markdown]
# ## Twenty-five splits
#
# So the patients were divided twenty-five times and all layers trained anew (`benchmarks/survival_heads.py`). One more way to train is added:
# *image by image*, as in the paper, where two neurons learn from single images, each with the label of its patient. (The *Pair* cannot be
# trained so: a single image shows one examination only.) The mean C-index over the splits:

# %%
splits = kept_splits(study, survival_heads.KEPT, script="benchmarks/survival_heads.py")
mean = splits.pivot_table("c_index", "model", "head", sort=False)
rows = mean.loc[["Pre-model", "Post-model", "Ensemble", "Pair"]]
rows.map("{:.3f}".format).mask(rows.isna(), "not trained")

# %% tags=["claim"]
ahead = mean.loc["Post-model"].dropna()
claim(
    ahead.max() - ahead.min() < 0.03,
    f"For the Post-model the four targets lie between {ahead.min():.3f} and {ahead.max():.3f}. The highest belongs to *{ahead.idxmax()}*.",
    f"For the Post-model *{ahead.idxmax()}* is ahead with {ahead.max():.3f}; the last has {ahead.min():.3f}.",
)

# %% [markdown]
# The means do not show that within a split all models were tested on the same patients. So take differences within each split:

# %%
arms = splits.assign(model=splits.model + ", " + splits["head"])


def differences(pair):
    """Return the mean difference of two arms over the splits, with its interval."""
    return statistics.split_differences(arms[arms.model.isin(pair)], measure="c_index")


# %%
against = [
    (f"{model}, {target}", f"{model}, image by image")
    for model in ("Pre-model", "Post-model")
    for target in ("two neurons", "hazards", "Cox")
]
figure = figures.paired_figure(arms, against)
show(figure, "12.1", "Difference in C-index between three targets and the label, by split.")

# %% tags=["claim"]
rows = pd.concat(differences(two) for two in against)
unclear = ((rows.low < 0) & (rows.high > 0)).sum()
claim(
    unclear == len(rows),
    f"All {unclear} intervals include zero. Against the label learned image by image, neither hazards nor Cox brings anything that these "
    f"patients could show; the largest mean difference is {rows.difference.abs().max():.3f}.",
    f"{unclear} of {len(rows)} intervals include zero.",
)

# %% [markdown]
# No difference was found, and that is worth a thought. The label calls many patients high-risk whom nobody saw progress, and yet no loss in
# ranking shows. A likely reason: those who were merely lost early are spread over all kinds of patients. To the network they are
# noise, and a layer with a penalty averages much of the noise away. What the label does harm is the *evaluation* (notebook 08), and the
# probabilities: a chance of "high risk" is nothing that one could tell a patient. Hazards give the chance of progression by 12, 24, 36 or 48 months.
#
# This result is about last layers only. Networks trained *whole* on hazards ranked a little better than those trained whole on the label, in 40
# splits and for both models, and both intervals include zero (`docs/results.md`).
#
# ## Both examinations as one model
#
# The paper lets two models vote with equal weight. One model that sees both examinations could give more weight to one of them, and could use
# the change between them.

# %%
versus = [("Pair, Cox", "Ensemble, Cox"), ("Pair, Cox", "Post-model, Cox")]
figure = figures.paired_figure(arms, versus)
show(figure, "12.2", "Difference in C-index: one model of both examinations against two others.")

# %% tags=["claim"]
rows = pd.concat(differences(two).assign(first=two[0]) for two in versus)
gains = np.where(rows.a == rows["first"], rows.difference, -rows.difference)
claim(
    (rows.low < 0).all() and (rows.high > 0).all(),
    f"One model is ahead of the vote by {gains[0]:.3f} on average and of the Post-model alone by {gains[1]:.3f}, and both intervals include zero. "
    "What it adds, these patients cannot show.",
    f"One model is ahead of the vote by {gains[0]:.3f} and of the Post-model alone by {gains[1]:.3f}.",
)

# %% [markdown]
# ## What does the image add to what the clinic knows?
#
# A good C-index is no reason to run a network if T, N and age say the same. So fit two Cox models to the training patients, one of clinical
# variables and one of the same variables and the score of the images after treatment (*nested* models), and judge both on the test patients.
#
# One trap: the score of a patient from whom the layer has learned fits that patient's outcome too well, and the Cox model would trust such scores
# too much. So the training patients are divided into a few parts, the *folds*, and each patient gets the score of a layer that has learned from
# the other folds only: a score *out of fold*. What the image adds is then told by the test patients, and by the twenty-five splits.

# %%
learned = heads["Post-model", "Cox"].risk(post)  # of patients from whom the layer has learned, too
out_of_fold = survival_heads.out_of_fold_risk("Cox", post.loc[train.index], train)
for name, score in (("same patients", learned[train.index]), ("out of fold", out_of_fold)):
    print(f"{name:14} C-index {statistics.c_index(train.pfs_months, train.progressed, score)}")

# %%
terms = ["T", "N", "age_decades", "male", "induction"]  # nearly all had concurrent chemotherapy
covariates = statistics.clinical_covariates(patients)[terms]
covariates["image"] = out_of_fold.reindex(covariates.index).fillna(learned)
of_train, of_test = covariates.loc[train.index], covariates.loc[test.index]
full = statistics.fit_cox(train.pfs_months, train.progressed, of_train)
statistics.with_printed_p(full.table).round(3)

# %% tags=["claim"]
hazard = full.table.hazard_ratio["image"]
claim(
    full.table.low["image"] > 1,
    f"Given the clinical variables, one unit of the image's log hazard multiplies the hazard by {hazard:.2f}, and the interval lies above 1.",
    f"Given the clinical variables, one unit of the image's log hazard multiplies the hazard by {hazard:.2f}.",
)

# %%
clinical = statistics.fit_cox(train.pfs_months, train.progressed, of_train[terms])
risk = {"clinical + image": full.risk_score(of_test)}
risk["clinical"] = clinical.risk_score(of_test[terms])
added = statistics.compare_c_index(test.pfs_months, test.progressed, risk)
in_splits = differences(["clinical + image, Cox", "clinical, Cox"])
in_splits[["low", "high", "difference"]] = -in_splits[["high", "low", "difference"]]
gained = pd.concat({"this split": added, "25 splits": in_splits}).droplevel(1)
gained[["difference", "low", "high"]].round(3)

# %% tags=["claim"]
single, splits_25 = gained.loc["this split"], gained.loc["25 splits"]
claim(
    splits_25.low > 0 > single.low,
    f"Over the splits the image adds {splits_25.difference:.2f} to the C-index of the clinical variables ({splits_25.low:.2f} to {splits_25.high:.2f}): staging before treatment cannot "
    f"know how the disease has responded, which is a likely reason. Our own split alone ({single.difference:+.2f}, {single.low:.2f} to {single.high:.2f}) would have left that open.",
    f"The image adds {splits_25.difference:.2f} over the splits ({splits_25.low:.2f} to {splits_25.high:.2f}) and {single.difference:.2f} in this one.",
)

# %% [markdown]
# ## One patient
#
# A clinician treats a patient, not a C-index. A *nomogram* shows what a model says of one patient: each term of the model gives points (the
# term with the widest range at most 100), and their sum decides the predicted curve. We take a test patient whose predicted risk exceeds that of
# three quarters of the others. The band comes from a hundred refits of the Cox model to training patients drawn again, as in notebook 10.

# %%
by_risk = risk["clinical + image"].sort_values()
patient = by_risk.index[int(0.75 * len(by_risk))]
parts = covariates * full.table.coefficient  # log hazard by term
lowest, highest = parts.loc[train.index].min(), parts.loc[train.index].max()
widest = (highest - lowest).max()
points = covariates.loc[patient].map("{:.3g}".format).to_frame("value")
points["points"] = ((parts.loc[patient] - lowest) / widest * 100).clip(lower=0)
points["most"] = (highest - lowest) / widest * 100


# %%
at = list(range(6, 61, 6))
predicted = of_test.loc[[patient]]


def progression_by_month(rows):
    """Fit the model to some training patients; predict this patient."""
    fitted = statistics.fit_cox(rows.pfs_months, rows.progressed, rows[predicted.columns])
    return fitted.p_event(predicted, at=at).loc[patient]


rows = of_train.join(train[["pfs_months", "progressed"]])
refits = statistics.refitted(rows, progression_by_month, refits=100)

# %%
curve = pd.DataFrame({"survival": 1 - full.p_event(predicted, at=at).loc[patient]})
curve["low"] = 1 - refits.quantile(0.975, axis=1)
curve["high"] = 1 - refits.quantile(0.025, axis=1)
curve.loc[0] = 1.0
happened = "progressed at" if test.progressed[patient] else "seen well until"
outcome = f"{happened} {test.pfs_months[patient]:.0f} months"
figure = figures.patient_figure(points, curve.sort_index(), outcome=outcome)
show(figure, "12.3", "Points by term, and predicted survival of one test patient.")

# %% tags=["claim"]
at_36 = curve.loc[36]
claim(
    at_36.high - at_36.low > 0.2,
    f"The image gives {points.points['image']:.0f} of {points.points.sum():.0f} points. The predicted chance to be without progression at 36 months is {at_36.survival:.0%}, and the refits say "
    f"anything from {at_36.low:.0%} to {at_36.high:.0%}: a single patient's curve is uncertain, even though only the Cox model was fitted again.",
    f"At 36 months {at_36.survival:.0%} is predicted, {at_36.low:.0%} to {at_36.high:.0%} by the refits.",
)

# %% [markdown]
# ## The day nobody knows
#
# The date of progression is not what it seems. Progression is found at a visit. It happened at some time since the last visit that found
# none: within an *interval*. The usual curve (Kaplan-Meier) lets it happen on the day of the finding. Turnbull's curve assumes no day; it is the
# curve that makes the observed intervals most likely. (Where it is drawn as a band, the data do not tell when it falls.)

# %%
registry = study.registry.set_index("patient_id").reindex(patients.index)
start, progression = registry.treatment_start, registry.progression_date
well = study.visits[study.visits.finding == "none"].join(progression, on="patient_id")
last_well = well[well.visit_date < well.progression_date].groupby("patient_id").visit_date.max()
last_well = last_well.reindex(patients.index).fillna(start)
end = progression.fillna(registry.death_date).fillna(registry.last_review_date)

# %%
upper = (end - start).dt.days / 30.4375
lower = upper.where(progression.isna(), (last_well - start).dt.days.clip(lower=0) / 30.4375)
event = patients.progressed.astype(bool)
by_visits = statistics.interval_survival(lower, upper.where(event, np.inf))
usual = statistics.kaplan_meier(upper, event)
figure = figures.interval_figure(usual, by_visits)
show(figure, "12.4", "Usual curve of PFS, and Turnbull's from the intervals between visits.")

# %% tags=["claim"]
lag = (upper - lower)[progression.notna()].median()
early = by_visits[by_visits.time <= 12].iloc[-1]
usual_12 = usual[usual.time <= 12].survival.iloc[-1]
claim(
    0.01 < usual_12 - early.low < 0.06,
    f"Half of the intervals are longer than {lag:.1f} months. At 12 months Turnbull's curve stands {100 * (usual_12 - early.low):.1f} percentage points lower than the usual one: progressions are "
    "found late, so in the first years the usual curve lies to the right. Where visits are half a year apart, Turnbull's falls in large steps.",
    f"Half of the intervals are longer than {lag:.1f} months; at 12 months the curves lie {100 * (usual_12 - early.low):.1f} percentage points apart.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 12.2 – read a figure** (3 minutes). What share of the patients is without progression at 12 months by
# > Turnbull's curve? Read it from the figure; two decimals are enough.

# %% tags=["solution"]
share = by_visits[by_visits.time <= 12].low.iloc[-1]  # fill in
check("12.2", share, curve=by_visits)

# %% [markdown]
# For ranking patients the delay hardly matters, because it is about the same for everybody. It matters where two groups are seen at different
# intervals: in patients who are examined more often, progression is found earlier.
#
# ## What you have now
#
# - A loss can use patients who were lost: Cox by risk sets, hazards by the intervals that were seen.
# - With these features and patients, learning from time shows no better ranking than learning from the label. The label does its harm in the
#   conclusions.
# - One model of both examinations brought nothing that could be shown.
# - The images after treatment add clearly to clinical variables, judged on patients whom no model has learned from.
# - One patient's curve is uncertain, and the day of progression is not known.
#
# ## Check yourself
#
# - Why may a batch of the Cox loss not hold several images of one patient?
# - Each log hazard is doubled, and all C-indexes stay the same. What changes?
#
# <details><summary>Answers</summary>
#
# - They would be compared with one another: at the time of the progression the patient's other images count as still at risk.
# - The probabilities: the curves of high and low risk move apart. Calibration ([09](09_probabilities_and_decisions.ipynb)) notices, ranking does not.
#
# </details>
#
# ## Further reading
#
# - Gensheimer MF, Narasimhan B. *A scalable discrete-time survival model for neural networks*, PeerJ 2019;7:e6257.
# - Katzman JL et al. *DeepSurv*, BMC Medical Research Methodology 2018;18:24.
# - Kvamme H, Borgan Ø. *Continuous and discrete-time survival prediction with neural networks*, Lifetime Data Analysis 2021.
# - Fay MP, Shaw PA. *Exact and asymptotic weighted logrank tests for interval censored data*, Journal of Statistical Software 2010;36(2).
#
# ## Versions and data

# %%
footer(study, "keras", "tensorflow", "lifelines")
