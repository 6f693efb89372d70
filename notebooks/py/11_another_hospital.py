# %% [markdown]
# # Take the models to another hospital: what survives the move?
#
# A model has its easiest task with new patients of its own hospital. They lay in the same scanner, were staged by the same
# people and were about as ill as those it learned from. *External validation* asks the question that matters to
# everybody else: does the model hold for other patients, on another scanner, elsewhere? This notebook takes the two
# networks, changes nothing in them, and applies them to a second hospital.
#
# *Time: 25 minutes to read, three minutes to run.*
#
# ## What you'll do
#
# - Compare two hospitals: scanners, stages, outcomes.
# - Apply the frozen networks there; measure discrimination and calibration.
# - Repair the probabilities with half of the new patients, and check the repair in the other half.
# - Ask whether the networks can tell the hospitals apart.
#
# ## What you'll learn
#
# - Why a C-index can change in a new hospital although the model did not.
# - Why ranking and probabilities have to be judged apart.
# - What recalibration can repair, and what it costs.
#
# ## What you'll need
#
# - The models and predictions of [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb);
#   [09](09_probabilities_and_decisions.ipynb) explains calibration.

# %%
import os

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from npc_course.exercises import check, claim
from npc_course.lesson import begin

# %%
from npc_helpers import cohort as co
from npc_helpers import figures, statistics
from npc_helpers.figures.display import footer, show
from npc_helpers.imaging import roi
from npc_helpers.imaging.scanners import scanner_table
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network import features, prediction, training
from npc_helpers.network.saved_models import load_or_reference
from npc_helpers.study import NotInThisStudy, Study

study = Study.open()
begin(study)

# %% [markdown]
# ## The other hospital
#
# For a study of your own, let the variable `NPC_EXTERNAL` name the folder of a second study. The demonstration has a
# second hospital: 90 patients from the same generator, none of them in the first, with less advanced disease on
# average, all examined on one scanner of 3 tesla. Drawing their images takes a minute or two, the first time only.

# %%
external = os.environ.get("NPC_EXTERNAL")
if external is None and study.name == "demonstration":
    from npc_demo.centres import second_centre
    from npc_demo.writer import write_study

    external = study.folder / "results" / "second_hospital"
    write_study(external, second_centre(), protocol="3T")
if external is None:
    raise NotInThisStudy("external validation needs a second study: set NPC_EXTERNAL to its folder")
second_study = Study(external)

# %%
scanners = pd.concat({"first": scanner_table(study), "second": scanner_table(second_study)})
scanners[["model", "sequence", "field_t", "TR_ms", "TE_ms", "thickness_mm"]]

# %% tags=["claim"]
fields, times = (
    {name: sorted(set(scanners.loc[name, column])) for name in ("first", "second")}
    for column in ("field_t", "TR_ms")
)
tesla = {name: " or ".join(values) for name, values in fields.items()}
claim(
    all(set(values["first"]).isdisjoint(values["second"]) for values in (fields, times)),
    f"Field strength and timing differ: {tesla['first']} tesla in the first hospital, {tesla['second']} in the second.",
    f"Field strength: {tesla['first']} tesla in the first hospital, {tesla['second']} in the second.",
)

# %% [markdown]
# (`TR_ms` and `TE_ms` are repetition and echo time, the two settings that decide most of a sequence's contrast.) At 3 tesla the *T1* of
# tissues is longer (the relaxation time, not the T category), so the same kind of sequence gives another contrast; the noise differs, and so
# does the scale of the stored values.
#
# ## Are these the same kind of patients?
#
# The second hospital's patients have passed the same ten criteria. Of the first hospital's patients only those of the test cohort
# count here: the networks have learned from the others.

# %%
second_study.require_outcomes("external validation")
first = co.included_patients(study.read_table("cohort.csv")).assign(hospital="first")
second = co.included_patients(co.build_cohort(second_study, seed=0)).assign(hospital="second")
patients = pd.concat([first[first.split == "test"], second])
statistics.table_one(patients, by="hospital")

# %% [markdown]
# The last column is the *standardised mean difference*: the difference in units of the standard deviation (for categories, a measure on the
# same scale). Above about 0.2 it deserves a thought, whatever P is: P depends on the number of patients, too.

# %% tags=["claim"]
marked = patients.assign(
    low=patients.t_stage.isin(["T1", "T2"]), induction=patients.treatment.isin(["IC+CCRT", "IC+RT"])
)
portions = marked.groupby("hospital")[["low", "induction"]].mean()
at_first, at_second = portions.loc["first"], portions.loc["second"]
claim(
    (at_second > at_first).all(),
    f"In the second hospital {at_second.low:.0%} of the patients have T1 or T2 (in the first {at_first.low:.0%}), and {at_second.induction:.0%} had induction "
    f"chemotherapy ({at_first.induction:.0%}). Fewer of them should progress; did they?",
    f"{at_second.low:.0%} of the patients have T1 or T2 in the second hospital, {at_first.low:.0%} in the first; {at_second.induction:.0%} and "
    f"{at_first.induction:.0%} had induction chemotherapy. What would you expect of their outcomes?",
)

# %% tags=["nbval-check-output"]
patients = patients.set_index("patient_id")
counts = patients.groupby("hospital").progressed.agg(progressed="sum", patients="size")
print(counts.to_string(), "\n")
outcome = patients.pfs_months, patients.progressed
survival = statistics.survival_table(*outcome, patients.hospital, at=[36])
print(survival.round(2).to_string(index=False))

# %% tags=["claim"]
share = counts.progressed / counts.patients
claim(
    abs(share["second"] - share["first"]) < 0.1,
    f"{share['second']:.0%} in the second and {share['first']:.0%} in the first hospital: in spite of lower T "
    "categories about as many progressed. Follow-up and chance have their part in that.",
    f"{share['second']:.0%} progressed in the second and {share['first']:.0%} in the first hospital.",
)

# %% [markdown]
# ## Apply the frozen models
#
# *Frozen* means that nothing is fitted to the new patients: the weights stay, rectangles follow the same rule, images are averaged in
# the same way, and the Cox model that turns a score into a probability was fitted to the first hospital's training patients.
#
# Before you run the cells: will the C-index be higher or lower than in the first hospital? And the probabilities: too high or too low?


# %%
def patient_features(model, images, index):
    """Average the network's last features over the images of each patient."""
    table = pd.DataFrame(features.extract_features(model, images))
    return table.groupby(index.patient_id.to_numpy()).mean()


# %%
rois = roi.suggest_rois(second_study, load_stacks(second_study))
risk, image_features = {}, {}
for when, name in (("pre", "Pre-model"), ("post", "Post-model")):
    model = load_or_reference(study, when)
    images, index = features.study_images(second_study, rois, when, patients=second.patient_id)
    table = prediction.image_predictions(index, training.predict(model, images), second)
    at_home = prediction.patient_probability(study.read_table(f"predictions_{when}.csv"))
    risk[name] = pd.concat([at_home, prediction.patient_probability(table)])
    image_features[when] = patient_features(model, images, index)
risk["Ensemble"] = prediction.soft_vote(risk["Pre-model"], risk["Post-model"])
risk["TNM"] = pd.concat([prediction.tnm_risk(first), prediction.tnm_risk(second)])

# %%
c = {}
for hospital, group in patients.groupby("hospital"):
    tested = {name: p[group.index] for name, p in risk.items()}
    months, progressed = group.pfs_months, group.progressed
    c[hospital] = {name: statistics.c_index(months, progressed, p) for name, p in tested.items()}
pd.DataFrame(c).map(str)

# %% tags=["claim"]
ours, theirs = c["first"], c["second"]
pre, ensemble = theirs["Pre-model"], theirs["Ensemble"]
claim(
    all(ours[name].low < theirs[name].value < ours[name].high for name in risk)
    and pre.low < 0.5 < ensemble.low,
    "Each C-index of the second hospital lies inside the interval of the first: the move has shown neither a loss nor a gain. There the Ensemble "
    f"ranks better than a coin (its interval begins at {ensemble.low:.2f}); of the Pre-model alone, whose interval begins at {pre.low:.2f}, that "
    "cannot be said.",
    f"In the second hospital the Ensemble's C-index is {ensemble}, the Pre-model's {pre}.",
)

# %% [markdown]
# ## A C-index depends on who is compared
#
# A C-index is a property of a model *and* of a group of patients. Where patients are alike, nobody can rank them; where they
# differ widely, ranking is easy. So before praising or blaming a model for a new C-index, ask what its own predictions
# would lead one to expect. If a Cox model is right, then of two patients the one with the higher risk progresses first with a
# chance of 1 / (1 + exp(−d)), where d is the difference of their log hazards. (`expit(d)` in the code; `logit` is its inverse and
# turns a probability into log odds.)


# %%
def expected_c(log_hazard):
    """Mean chance that the higher of two risks fails first, if the Cox model were right."""
    f = np.asarray(log_hazard)
    higher, lower = np.triu_indices(len(f), k=1)
    return expit(np.abs(f[higher] - f[lower])).mean()


# %%
train = first[first.split == "train"].set_index("patient_id")
networks, cox, log_hazard = ["Pre-model", "Post-model", "Ensemble"], {}, {}
for name in networks:
    score = logit(risk[name]).to_frame("score")
    cox[name] = statistics.fit_cox(train.pfs_months, train.progressed, score.loc[train.index])
    log_hazard[name] = cox[name].risk_score(score.loc[patients.index])
expected = pd.DataFrame(log_hazard).groupby(patients.hospital).agg(expected_c).T
expected.round(3)

# %% [markdown]
# These numbers use no outcome of the patients who are ranked. Where the number of the second hospital is smaller, its patients look more alike
# to the model, and a lower C-index there would be no fault of the model; where it is larger, a higher C-index would be no merit.

# %% tags=["claim"]
less = expected["first"] - expected["second"]
shortest = min(theirs[name].high - theirs[name].low for name in less.index)
claim(
    (less > 0).all() and shortest > 2 * less.max(),
    f"To all three models the second hospital's patients look a little more alike: a C-index lower by {less.mean():.2f} was to be expected on "
    f"average. The observed ones may well differ from that, since even the shortest of their intervals has a length of {shortest:.2f}.",
    f"To be expected is a C-index of {expected['second'].mean():.2f} in the second and of {expected['first'].mean():.2f} in the first hospital, "
    "on average over the models.",
)

# %% [markdown]
# ## Do the probabilities come true?
#
# Ranking needs only the order of patients. A probability has to be right in itself, and it carries the first hospital's average risk with it.

# %%
new_patients = patients[patients.hospital == "second"]
months, progressed = new_patients.pfs_months, new_patients.progressed
p_36 = {}
for name, model in cox.items():
    score = logit(risk[name][new_patients.index]).to_frame("score")
    p_36[name] = model.p_event(score, at=[36])[36]
observed_36 = 1 - survival.set_index("group").survival["second"]
print(f"progressed by 36 months, from the Kaplan-Meier curve: {observed_36:.1%}")

# %% [markdown] tags=["exercise"]
# > **Exercise 11.1 – fill in one line** (4 minutes). *O/E* is the risk observed over the mean risk expected. Compute it for the Ensemble, by 36
# > months, from `observed_36` and the predictions `p_36["Ensemble"]`. If O/E is above 1, did more or fewer patients progress than predicted?

# %% tags=["solution"]
o_over_e = observed_36 / p_36["Ensemble"].mean()  # fill in
check("11.1", o_over_e, patients=new_patients, p_event=p_36["Ensemble"])

# %%
figure = figures.calibration_figure(months, progressed, p_36)
show(figure, "11.1", "Observed against predicted risk by 36 months in the second hospital.")

# %% [markdown]
# If O/E is above 1, more patients progressed than the model had predicted, and on average the points lie above the dotted line. The *slope* says
# whether the probabilities are too extreme (slope below 1) or too close to one another (slope above 1).

# %% tags=["claim"]
whole = statistics.calibration_at(months, progressed, p_36["Ensemble"])
ratio, slope = whole.ratio, whole.slope
claim(
    ratio.low < 1 < ratio.high and slope.low < 1 < slope.high,
    f"The Ensemble's O/E is {ratio.value:.2f}, its slope {slope.value:.2f}, and both intervals include 1: {len(new_patients)} patients with "
    f"{new_patients.progressed.sum()} relapses neither confirm nor refute these probabilities.",
    f"The Ensemble's O/E is {ratio}, its slope {slope}.",
)

# %% [markdown]
# ## Repair the probabilities
#
# The order of patients may be worth keeping although the probabilities are not. *Recalibration* changes all log odds by the same amount
# (a shift), so that the mean prediction equals the observed risk. A fuller repair first multiplies them by the slope (a stretch), and then shifts.

# %% [markdown] tags=["exercise"]
# > **Exercise 11.2 – predict** (3 minutes). You shift and stretch the log odds of all patients, by a slope above zero. The C-index: does it become
# > higher (`"rises"`), lower (`"falls"`), or neither (`"stays"`)?

# %% tags=["solution"]
c_index_then = "stays"  # fill in
check("11.2", c_index_then, patients=new_patients, p_event=p_36["Ensemble"])

# %% [markdown] tags=["notes"]
# Let everybody vote on 11.2 before the cell is run. A usual misunderstanding: "externally validated" means "works elsewhere"; it means that
# somebody looked. Ask which of the two the learners would use in the second hospital, the order or the percentages. Whoever is done early repairs with
# 20 patients only (how far do O/E and slope move?), or builds the scanner upgrade (`python -m npc_demo FOLDER --upgraded-on 2014-01-01`)
# and takes it as the other hospital: which suffers, ranking or probabilities?

# %% [markdown]
# How large must the shift be? There is no formula for it, so a search finds it:


# %%
def shift_to(p, observed):
    """Return what to add to the log odds of `p` for their mean risk to be `observed`."""
    return brentq(lambda shift: expit(logit(p) + shift).mean() - observed, -10, 10)


to_add = shift_to(p_36["Ensemble"], observed_36)
print(f"to be added to the Ensemble's log odds: {to_add:.2f}")

# %% [markdown] tags=["exercise"]
# > **Exercise 11.3 – repair** (4 minutes). This line adds the shift to the probabilities. `logit` turns a probability into log odds, `expit` turns
# > log odds into a probability. Repair the line.

# %% tags=["solution"]
p_ensemble = p_36["Ensemble"]
p_shifted = expit(logit(p_ensemble) + to_add)  # repair: p_ensemble + to_add
check("11.3", p_shifted, p_event=p_ensemble, observed=observed_36)

# %% [markdown]
# Whoever repairs and judges with the same patients will always find O/E = 1. A repair needs patients whose outcomes are recorded, and so
# does the judgement. Here, in order of diagnosis, every other patient is used for the repair, and the rest for the judgement.

# %%
dates = second_study.registry.set_index("patient_id").diagnosis_date
order = dates.reindex(new_patients.index).sort_values().index
repaired_on, judged_on = order[::2], order[1::2]
repaired = {}
for name, p in p_36.items():
    before = statistics.calibration_at(months[repaired_on], progressed[repaired_on], p[repaired_on])
    observed, stretched = before.observed.value, expit(logit(p) * before.slope.value)
    repaired[name, "frozen"] = p
    repaired[name, "shifted"] = expit(logit(p) + shift_to(p[repaired_on], observed))
    shift = shift_to(stretched[repaired_on], observed)
    repaired[name, "and stretched"] = expit(logit(stretched) + shift)

# %%
judged = {}
for step, p in repaired.items():
    result = statistics.calibration_at(months[judged_on], progressed[judged_on], p[judged_on])
    judged[step] = {"O/E": result.ratio, "slope": result.slope}
pd.DataFrame(judged).T.map(str)

# %% tags=["claim"]
estimates = pd.DataFrame(judged).T.map(lambda estimate: estimate.value).astype(float)
o_e, slopes = estimates["O/E"].unstack(), estimates["slope"].unstack()
nearer = (slopes["frozen"] - 1).abs() - (slopes["and stretched"] - 1).abs()
ratio, of_ensemble, of_pre = o_e.loc["Ensemble"], slopes.loc["Ensemble"], slopes.loc["Pre-model"]
claim(
    ((o_e["shifted"] - 1).abs() < (o_e["frozen"] - 1).abs()).all()
    and nearer["Ensemble"] > 0 > nearer["Pre-model"],
    f"The shift has brought O/E closer to 1 for all three models, for the Ensemble from {ratio['frozen']:.2f} to {ratio['shifted']:.2f}. The "
    f"stretch has brought the Ensemble's slope closer to 1 (from {of_ensemble['frozen']:.2f} to {of_ensemble['and stretched']:.2f}), and has taken the "
    f"Pre-model's farther away (from {of_pre['frozen']:.2f} to {of_pre['and stretched']:.2f}).",
    f"The Ensemble's O/E is {ratio['frozen']:.2f} frozen and {ratio['shifted']:.2f} shifted; its slope is {of_ensemble['frozen']:.2f} frozen and "
    f"{of_ensemble['and stretched']:.2f} stretched.",
)

# %% [markdown]
# Look at the intervals before believing the estimates: half of the patients are few to repair with and few to judge by. A shift can be
# estimated from a small group; a slope needs many more relapses, and a badly estimated slope does harm.
#
# ## Can the network tell the hospitals apart?
#
# If the features of the two hospitals differ, the network sees something of the scanner, or of how the patients differ. We ask a logistic
# regression, cross-validated, from which hospital a patient comes: an AUC of 0.5 would mean that it cannot tell.

# %%
home = patients.index[patients.hospital == "first"]
home_rois, home_features = study.read_table("rois.csv"), {}
for when in ("pre", "post"):
    images, index = features.study_images(study, home_rois, when, patients=home)
    home_features[when] = patient_features(load_or_reference(study, when), images, index)

# %%
classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
told_apart = {}
for when in ("pre", "post"):
    tables = [home_features[when], image_features[when]]
    is_second = np.repeat([False, True], [len(table) for table in tables])
    p = cross_val_predict(classifier, pd.concat(tables), is_second, cv=5, method="predict_proba")
    told_apart[when] = statistics.roc_auc(is_second, p[:, 1])
pd.Series(told_apart, name="AUC: which hospital?").map(str).to_frame()

# %% tags=["claim"]
before, after = told_apart["pre"], told_apart["post"]
claim(
    min(before.low, after.low) > 0.5,
    f"Both intervals lie above 0.5 ({before.value:.2f} before and {after.value:.2f} after treatment): the networks' features tell the hospitals "
    "apart, by the scanner, by the patients' stages, or by both.",
    f"AUC {before} before and {after} after treatment. Only an interval above 0.5 would show that the features tell the hospitals apart.",
)

# %% [markdown]
# A network that sees the scanner need not be misled by it. But nothing in its training taught it to look past the scanner either,
# because all its images were made at one field strength with one protocol. Had high risk and scanner gone together in training, the
# network could have learned the scanner instead of the disease.
#
# ## What you have now
#
# No new file, but what TRIPOD+AI asks an external validation to report: how the two groups of patients differ (items on
# participants and data), discrimination *and* calibration with intervals, that nothing was fitted, and, separately, what was gained
# by updating the model and with how many patients it was updated.
#
# ## Check yourself
#
# - The C-index is higher in the second hospital than in the first. Is the model better there?
# - All predictions are multiplied by one half. Which of AUC, C-index, O/E and slope change?
#
# <details><summary>Answers</summary>
#
# - Not necessarily: the patients there may differ more from each other, and both intervals are wide. Compare the expected C-indexes, too.
# - AUC and C-index stay, because the order stays. O/E doubles. The slope changes somewhat, since halving a
#   probability is not exactly a shift of its log odds.
#
# </details>
#
# ## Further reading
#
# - Collins GS et al. *TRIPOD+AI statement*, BMJ 2024;385:e078378.
# - Van Calster B et al. *Calibration: the Achilles heel of predictive analytics*, BMC Medicine 2019;17:230.
# - Gönen M, Heller G. *Concordance probability and discriminatory power in proportional hazards regression*,
#   Biometrika 2005;92:965–970.
#
# ## Versions and data

# %%
footer(study, "keras", "tensorflow", "scikit-learn", "scipy")
