# %% [markdown]
# # Take the models to another hospital: what survives the move?
#
# A model is easiest on the patients of its own hospital. They lay in the same scanner, were staged by the same
# people and were as ill as those it learned from. *External validation* asks the question that matters to
# everybody else: does it hold for other patients, on another scanner, elsewhere? This notebook takes the two
# networks, changes nothing in them, and applies them to a second hospital.
#
# *Time: 25 minutes to read, three minutes to run.*
#
# ## What you'll do
#
# - Compare two hospitals: scanners, stages, outcomes.
# - Apply the frozen networks there; measure discrimination and calibration.
# - Repair the probabilities with half of the new patients, and check the repair in the other half.
# - Ask whether the network can tell the hospitals apart.
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

# %%
from npc_helpers import cohort as co
from npc_helpers import figures, statistics
from npc_helpers.exercises import claim
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.lesson import begin
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
# second hospital: 90 patients from the same generator, none of them in the first, less advanced on
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
other = Study(external)

# %%
hospitals = {"first": study, "second": other}
scanners = pd.concat({name: scanner_table(place) for name, place in hospitals.items()})
scanners[["model", "sequence", "field_t", "TR_ms", "TE_ms", "thickness_mm"]]

# %% [markdown]
# Field strength and timing differ. At 3 tesla tissues relax more slowly, so the same kind of sequence gives
# another contrast; the noise differs, and so does the scale of the stored values.
#
# ## Are these the same kind of patients?
#
# The second hospital's patients have passed the same ten criteria. Of the first hospital's, only the test
# patients count here: the network has learned from the others.

# %%
other.require_outcomes("external validation")
first = co.included_patients(study.read_table("cohort.csv"))
second = co.included_patients(co.build_cohort(other, seed=0))
patients = pd.concat(
    {"first": first[first.split == "test"], "second": second}, names=["hospital"]
).reset_index("hospital")
statistics.table_one(patients, by="hospital")

# %% [markdown]
# The last column is the difference in standard deviations; above about 0.2 it deserves a thought. The second hospital's patients have
# lower T categories and more of them had induction chemotherapy. Fewer should progress; did they?

# %% tags=["nbval-check-output"]
patients = patients.set_index("patient_id")
for hospital, group in patients.groupby("hospital"):
    table = statistics.survival_table(group.pfs_months, group.progressed, group.hospital, at=[36])
    print(f"{hospital}: {group.progressed.sum()} of {len(group)} patients progressed")
    print(table.round(2).to_string(index=False), "\n")

# %% tags=["claim"]
counts = patients.groupby("hospital").progressed.agg(["sum", "size"])
share = counts["sum"] / counts["size"]
claim(
    abs(share["second"] - share["first"]) < 0.1,
    f"{share['second']:.0%} in the second and {share['first']:.0%} in the first hospital: in spite of lower T "
    "categories about as many progressed. Follow-up and chance have their part in that.",
    f"{share['second']:.0%} progressed in the second and {share['first']:.0%} in the first hospital.",
)

# %% [markdown]
# ## Apply the frozen models
#
# *Frozen* means that nothing is fitted: the same weights, the same rectangles by the same rule, the same way of
# averaging images, and the Cox model that turns a score into a probability is that of the first hospital's training patients.
#
# Before you run the cells: will the C-index be higher or lower than at home? And the probabilities: too high or too low?


# %%
def patient_features(model, images, index):
    """Average the network's last features over the images of each patient."""
    table = pd.DataFrame(features.extract_features(model, images))
    return table.groupby(index.patient_id.to_numpy()).mean()


# %%
rois = roi.suggest_rois(other, load_stacks(other))
risk, image_features = {}, {}
for when, name in (("pre", "Pre-model"), ("post", "Post-model")):
    model = load_or_reference(study, when)
    images, index = features.study_images(other, rois, when, patients=second.patient_id)
    table = prediction.image_predictions(index, training.predict(model, images), second)
    at_home = prediction.patient_probability(study.read_table(f"predictions_{when}.csv"))
    risk[name] = pd.concat([at_home, prediction.patient_probability(table)])
    image_features[when] = patient_features(model, images, index)
risk["Ensemble"] = prediction.soft_vote(risk["Pre-model"], risk["Post-model"])
risk["TNM"] = pd.concat([prediction.tnm_risk(first), prediction.tnm_risk(second)])

# %%
discrimination = {}
for hospital, group in patients.groupby("hospital"):
    discrimination[hospital] = {
        name: str(statistics.c_index(group.pfs_months, group.progressed, p[group.index]))
        for name, p in risk.items()
    }
pd.DataFrame(discrimination)

# %% [markdown]
# Each cell is a C-index with its 95% interval. As long as the intervals of a row overlap widely, the move has shown neither a
# loss nor a gain.

# %% tags=["claim"]
group = patients[patients.hospital == "second"]
c = {
    name: statistics.c_index(group.pfs_months, group.progressed, risk[name][group.index])
    for name in ("Pre-model", "Ensemble")
}
claim(
    c["Pre-model"].low < 0.5 < c["Ensemble"].low,
    "In the second hospital the Ensemble ranks better than a coin; of the Pre-model alone that cannot be said.",
)

# %% [markdown]
# ## A C-index depends on who is compared
#
# A C-index is a property of a model *and* of a group of patients. Where patients are alike, nobody can rank them; where they
# differ widely, ranking is easy. So before praising or blaming a model for a new C-index, ask what its own predictions
# would lead one to expect: if a Cox model were right, the chance that the patient of higher risk of a pair
# progresses first is 1 / (1 + exp(−d)), where d is the difference of their log hazards.


# %%
def expected_c(log_hazard):
    """Mean chance that the higher of two risks fails first, if the Cox model were right."""
    higher, lower = np.triu_indices(len(log_hazard), k=1)
    difference = np.abs(log_hazard[higher] - log_hazard[lower])
    return expit(difference).mean()


# %%
train = first[first.split == "train"].set_index("patient_id")
cox, rows = {}, {}
for name in ("Pre-model", "Post-model", "Ensemble"):
    score = logit(risk[name]).rename("score").to_frame()
    cox[name] = statistics.fit_cox(train.pfs_months, train.progressed, score.loc[train.index])
    rows[name] = {
        hospital: expected_c(cox[name].risk_score(score.loc[group.index]).to_numpy())
        for hospital, group in patients.groupby("hospital")
    }
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# These numbers use no outcome of the patients who are ranked. Where the second is smaller, the second hospital's patients look more alike to
# the model, and a lower C-index there would be no fault of the model; where it is larger, a higher one would be no merit.

# %% tags=["claim"]
expected = pd.DataFrame(rows).T
claim(
    (expected["second"] < expected["first"]).all(),
    "To all three models the second hospital's patients look a little more alike, so a slightly lower C-index was to be expected. What the "
    "observed ones did above is no contradiction: their intervals are far longer than this difference.",
)

# %% [markdown]
# ## Do the probabilities come true?
#
# Ranking needs the order of patients only. A probability has to be right, and it carries the first hospital's average risk with it.

# %%
months, progressed = group.pfs_months, group.progressed
p_36 = {
    name: fitted.p_event(logit(risk[name][group.index]).rename("score").to_frame(), at=[36])[36]
    for name, fitted in cox.items()
}
show(
    figures.calibration_figure(months, progressed, p_36),
    alt="Observed against predicted risk by 36 months in the second hospital, for three models.",
)

# %% [markdown]
# *O/E* is the number of relapses observed over the number expected: above 1, more came than the model had promised, and
# points lie above the dotted line. The *slope* says whether the probabilities are too extreme (below 1) or too timid (above 1).

# %% tags=["claim"]
whole = {name: statistics.calibration_at(months, progressed, p) for name, p in p_36.items()}
ratio, slope = whole["Ensemble"].ratio, whole["Ensemble"].slope
claim(
    ratio.low < 1 < ratio.high and slope.low < 1 < slope.high,
    f"The Ensemble's O/E is {ratio.value:.2f}, its slope {slope.value:.2f}, and both intervals hold 1: {len(group)} patients with "
    f"{group.progressed.sum()} relapses neither confirm nor refute these probabilities.",
)

# %% [markdown]
# ## Repair the probabilities
#
# The order of patients may be worth keeping although the probabilities are not. *Recalibration* changes all log odds by the same amount, so
# that the mean prediction equals the observed risk; a second step also stretches or shrinks them. Neither changes the
# order of patients, as long as the slope is above zero.
# Both need patients with known outcome: here every other one by date of diagnosis. The rest judge.


# %%
def shift_to(p, observed):
    """Return what to add to the log odds of `p` for their mean risk to be `observed`."""
    return brentq(lambda shift: expit(logit(p) + shift).mean() - observed, -10, 10)


# %%
dates = other.registry.set_index("patient_id").diagnosis_date
order = dates.reindex(group.index).sort_values().index
repaired_on, judged_on = order[::2], order[1::2]
judged = {}
for name, p in p_36.items():
    before = statistics.calibration_at(months[repaired_on], progressed[repaired_on], p[repaired_on])
    shifted = expit(logit(p) + shift_to(p[repaired_on], before.observed.value))
    stretched = logit(p) * before.slope.value
    stretched = expit(stretched + shift_to(expit(stretched[repaired_on]), before.observed.value))
    for step, values in (("frozen", p), ("shifted", shifted), ("and stretched", stretched)):
        result = statistics.calibration_at(
            months[judged_on], progressed[judged_on], values[judged_on]
        )
        judged[name, step] = {"O/E": result.ratio, "slope": result.slope}
pd.DataFrame(judged).T.map(str)

# %% [markdown]
# Look at the intervals before believing the estimates: half of the patients are few to repair with and few to judge by. A shift is one number and
# can be learned from a small group; a slope needs many more relapses, and one that was learned badly does harm.
#
# ## Can the network tell the hospitals apart?
#
# If the features of the two hospitals differ, the network partly sees the scanner. We ask a logistic regression, cross-validated, from which
# hospital a patient comes: an AUC of 0.5 would mean that it cannot tell.

# %%
shift = {}
classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
home = patients.index[patients.hospital == "first"]
for when in ("pre", "post"):
    model = load_or_reference(study, when)
    at_home = study.read_table("rois.csv")
    images, index = features.study_images(study, at_home, when, patients=home)
    tables = [patient_features(model, images, index), image_features[when]]
    is_second = np.repeat([False, True], [len(table) for table in tables])
    p = cross_val_predict(classifier, pd.concat(tables), is_second, cv=5, method="predict_proba")
    shift[when] = str(statistics.roc_auc(is_second, p[:, 1]))
pd.Series(shift, name="AUC: which hospital?").to_frame()

# %% [markdown]
# An interval above 0.5 means that the network's features tell the hospitals apart: by the scanner, by the patients' stages, or both. A network
# that sees the scanner need not be misled by it; but nothing in its training taught it to look past the scanner either,
# because there was only one kind. Had high risk and scanner gone together in training, it would have learned the scanner.
#
# ## What you have now
#
# No file, and what TRIPOD+AI asks an external validation to report: how the two groups of patients differ (items on
# participants and data), discrimination *and* calibration with intervals, that nothing was fitted, and, separately, what was gained
# by updating the model and on how many patients the update was made.
#
# ## Exercises
#
# 1. Repair with 20 patients only. How far do the repaired O/E and slope move?
# 2. Apply the second hospital's own TNM stages as a model. Does the order of models change?
# 3. Build the first hospital's scanner upgrade (`python -m npc_demo FOLDER --upgraded-on 2014-01-01`) and
#    use it as the external study. Which numbers suffer, ranking or probabilities?
#
# ## Check yourself
#
# - The C-index is higher in the second hospital than in the first. Is the model better there?
# - All predictions are multiplied by one half. Which of AUC, C-index, O/E and slope change?
#
# <details><summary>Answers</summary>
#
# - Not necessarily: the patients may differ more from each other, and both intervals are long. Compare the expected C-indexes, too.
# - AUC and C-index stay, because the order stays. O/E doubles. The slope changes a little, since halving a
#   probability is not a shift of its log odds.
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
