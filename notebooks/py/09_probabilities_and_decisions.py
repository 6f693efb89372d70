# %% [markdown]
# # Read probabilities and decide: what does 30% mean, and who gains?
#
# A score ranks patients. A patient asks another question: how likely is a relapse within three years, and
# would it help to act on the answer? This notebook turns scores into probabilities of progression by 36 months, checks
# whether they come true, and counts what decisions on them would gain.
#
# *Time: 35 minutes to read, a minute to run.*
#
# ## What you'll do
#
# - State how long the patients were followed, and what the median PFS is.
# - Fit Cox models in the training cohort, and read absolute risks from them.
# - Compute AUC and Brier score at several horizons.
# - Draw calibration and decision curves at 36 months.
#
# ## What you'll learn
#
# - That a median may not be reached, and what to say then.
# - How far a Cox model's coefficients would shrink in new patients.
# - What calibration measures that discrimination does not.
# - Why net benefit needs a threshold, and a threshold a clinician.
#
# ## What you'll need
#
# - `predictions_pre.csv` and `predictions_post.csv` from notebooks
#   [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb).

# %%
import numpy as np
import pandas as pd

from npc_helpers import figures, statistics
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.lesson import begin
from npc_helpers.network import prediction
from npc_helpers.study import Study, later

study = Study.open()
begin(study)

# %%
study.require_outcomes("probabilities")
patients, risk = prediction.compared_scores(study.read_table)
train, test = (patients[patients.split == side] for side in ("train", "test"))

# %%
statistics.require_patients(test, months=later.MONTHS, at_least=later.FEWEST_BY_HORIZON)
test_risk = {name: score.reindex(test.index) for name, score in risk.items()}
print(f"{len(train)} training patients, {len(test)} test patients")
months, progressed = test.pfs_months, test.progressed

# %% [markdown]
# ## How long were they followed?
#
# The median of the observed times is not the median PFS: it treats everybody who was lost as relapsed. Nor is it the
# median follow-up: whoever relapsed early counts there as followed for a short time. The Kaplan-Meier curve gives the median PFS. The
# reverse Kaplan-Meier curve, in which the end of observation is the event, gives the median follow-up.

# %% tags=["nbval-check-output"]
everybody = patients.pfs_months, patients.progressed
print("median of the observed times:", patients.pfs_months.median())
print("median PFS:                  ", statistics.median_survival(*everybody))
print("median follow-up (reverse):  ", statistics.median_follow_up(*everybody))

# %% [markdown]
# Fewer than half of the patients had progressed when the study closed, so the median PFS is *not reached*: that is the
# number to print. The paper's median is that of the observed times.
#
# ## A mean over a limited time
#
# Where a median is not reached, the *restricted mean* can still be given: the mean number of months without progression within the first 36.
# It needs no assumption about hazards.

# %%
called = test_risk["Ensemble"].gt(0.5).map({True: "called high", False: "called low"})
statistics.restricted_mean(months, progressed, called, horizon=36).set_index("group").round(3)

# %%
survival = statistics.survival_table(months, progressed, called, at=(0, 12, 24, 36))
survival.set_index(["group", "months"]).round(2)

# %% [markdown]
# Patients whom the Ensemble calls high-risk had nine to ten months fewer without progression within three years, and the interval is wide. The second
# table holds the numbers behind a Kaplan-Meier curve: few of those called high-risk were still under observation at 36 months.
#
# ## What is known without an image
#
# A clinician has T, N, age, sex and the treatment plan before any network is asked. A Cox model weighs
# these; it is fitted in the training cohort.

# %%
clinical = statistics.fit_cox(
    train.pfs_months, train.progressed, statistics.clinical_covariates(train)
)
show(
    figures.cox_figure({"training cohort": clinical.table}),
    alt="Hazard ratios of T, N, age, sex and chemotherapy in the training cohort.",
)

# %% [markdown]
# Right of the dotted line a characteristic goes with earlier progression, left of it with later; an interval
# across the line is compatible with no effect. Only the interval of T does not cross it. (Chemotherapy was not given at random: its hazard ratio is no treatment effect.)
#
# ## How far would it shrink?
#
# A few dozen relapses are few for six coefficients. A model fits the patients it was made from too closely, and in new patients its coefficients
# would be smaller: the *shrinkage* estimates what share of their size would remain.

# %%
print(f"{clinical.events} events, {len(clinical.table)} coefficients, {clinical.likelihood_ratio}")
print(f"shrinkage {clinical.shrinkage:.2f}")

# %% [markdown]
# Little more than half of their size would remain. Read predictions far from the average risk with that in
# mind; [10](10_how_sure.ipynb) says how many patients would give a shrinkage of 0.90.
#
# ## From a hazard to an absolute risk
#
# A hazard ratio of two means twice the hazard of somebody else, which tells a patient little. With the baseline hazard of the training cohort the model
# gives a probability: that of having progressed by each month.

# %%
covariates = statistics.clinical_covariates(test)
ranked = clinical.risk_score(covariates).sort_values().index
three_patients = covariates.loc[ranked[[0, len(test) // 2, -1]]]
clinical.p_event(three_patients, at=(12, 24, 36, 60)).round(2).join(three_patients)

# %% [markdown]
# The rows are the test patients of lowest, middle and highest predicted risk. Sixty months lie beyond what most of the training
# patients were followed for: the last column is the least certain.
#
# ## From a score to an absolute risk
#
# The network's own number is the probability of the *label*, not of progression by a month. A Cox model
# translates it, too: the score is its only covariate, and it is fitted in the training cohort. TNM enters as T and N.

# %%
horizons = (12, 24, 36, 48, 60)
p_event = {}
for name in ("Pre-model", "Post-model", "Ensemble"):
    score = risk[name].rename("score").to_frame()
    fitted = statistics.fit_cox(train.pfs_months, train.progressed, score.loc[train.index])
    p_event[name] = fitted.p_event(score.loc[test.index], at=horizons)
p_event["TNM"] = statistics.tn_cox(train).p_event(statistics.tn_covariates(test), at=horizons)
p_36 = {name: table[36] for name, table in p_event.items()}
pd.DataFrame(p_36).describe().loc[["mean", "min", "50%", "max"]].round(2)

# %% [markdown]
# The probabilities of Post-model and Ensemble reach from a few per cent to near certainty, those of the Pre-model and of T and N stay in the
# middle. (The networks were trained on the same patients in whom their scores are translated here, which can make
# these probabilities too extreme.)
#
# ## At two, three and four years
#
# The AUC can be computed for every horizon, with weights for those lost before it. Where fewer than five patients
# progressed, or were observed for longer, it is left out.
#
# The Brier score is stricter: the squared distance between a predicted probability and what
# happened. It rewards ranking and calibration at once.

# %%
auc_by_month = {
    name: statistics.cumulative_dynamic_auc(months, progressed, score, at=(24, 36, 48))
    for name, score in test_risk.items()
}
brier = {
    name: statistics.brier_curve(months, progressed, p_event[name]) for name in ("Ensemble", "TNM")
}
show(
    figures.time_dependent_figure(auc_by_month, brier),
    alt="AUC at 24, 36 and 48 months and Brier score at 12 to 60 months, with reference.",
)

# %% [markdown]
# The bars are 95% intervals, and they are long. On the left, the counts under each month say why. On the right, a curve below the black line
# predicts better than the same Kaplan-Meier risk for everybody: the Ensemble's does from 36 months on, that of T and N stays
# close to the line. (In the left panel TNM is one threshold, in the right panel T and N weighed.)

# %%
for name in brier:
    total = statistics.integrated_brier(months, progressed, p_event[name])
    gain = f"{total.scaled.value:.0%} ({total.scaled.low:.0%} to {total.scaled.high:.0%})"
    print(f"{name:9} Brier, 12 to 60 months: {total.brier}; better than Kaplan-Meier by {gain}")

# %%
statistics.compare_at_horizon(months, progressed, p_36, measure="brier").round(3)

# %% [markdown]
# On average over the months, the Ensemble's score is better than that of the Kaplan-Meier curve, but the interval just includes no gain; T and N cannot be told
# from the curve. In pairs, at 36 months, the Ensemble's score is lower than TNM's, and that interval includes zero, too.
#
# ## Do the probabilities come true?
#
# Of patients given 30% by 36 months, about 30% should have progressed by then. The patients are divided into three groups of rising
# predicted risk, and what happened in each is read from its Kaplan-Meier curve. *O/E* is the observed over the expected
# number: 1 if the risk is right on average. The *slope* is 1 if the probabilities are as extreme as they should be: below 1 they
# are too extreme, above 1 too close to the average. The *intercept* is 0 if they are right on average.

# %%
show(
    figures.calibration_figure(months, progressed, p_36),
    alt="Observed against predicted risk of progression by 36 months, in three groups per model.",
)

# %% [markdown]
# The ticks at the top are patients who progressed by 36 months, those at the bottom were observed for longer. Each network's highest group progressed most
# often, and clearly more often with Post-model and Ensemble; with T and N the middle and the highest group are alike. The bars cross the dotted line, so these groups contradict no model, and they are
# so long that they support none either.

# %%
at_36 = {name: statistics.calibration_at(months, progressed, p) for name, p in p_36.items()}
pd.DataFrame(
    {
        name: {
            "observed": str(result.observed),
            "expected": f"{result.expected:.3f}",
            "O/E": str(result.ratio),
            "slope": str(result.slope),
        }
        for name, result in at_36.items()
    }
)

# %% [markdown]
# All models are right on average: the observed risk is close to the expected. The intervals of the slopes reach from about zero, or below, to about
# two or three, so eleven relapses cannot tell probabilities that are too extreme from those that are too close to the average.
#
# ## And the network's own probability?
#
# It answers another question, that of the label, so it is judged by the label. A network may rank well and still give probabilities
# that are too close to one half: averages over a dozen images, and then over two models, pull everything to the middle.

# %%
of_label = {
    name: statistics.calibration(test.high_risk, test_risk[name])
    for name in ("Pre-model", "Post-model", "Ensemble")
}
pd.DataFrame(
    {
        name: {
            "slope": str(result.slope),
            "ECE": f"{result.ece:.3f}",
            "ECE of a perfect model": f"{result.ece_by_chance:.3f}",
        }
        for name, result in of_label.items()
    }
)

# %% [markdown]
# All three estimated slopes lie above 1 (too close to the middle), though each interval reaches below it. The expected calibration error (ECE) is often printed as if it should be zero. With
# so few patients, a *perfectly* calibrated model would have the value of the last row on average.
#
# ## Would acting on it help?
#
# Suppose patients at high risk get more treatment. Acting at a predicted risk of 25% means accepting three patients who are treated without need for
# each patient who needs it; at 50%, one. The *net benefit* counts the patients who need it and subtracts the
# others at that rate. A model is useful if its net benefit is higher than that of treating everybody and of treating nobody.

# %%
thresholds = np.round(np.arange(0.05, 0.61, 0.01), 2)
p_decision = {name: p_36[name] for name in ("Ensemble", "TNM")}
benefit = statistics.survival_net_benefit(months, progressed, p_decision, thresholds=thresholds)
show(
    figures.decision_figure(benefit),
    alt="Decision curves of Ensemble and TNM at 36 months, and their gain over all or nobody.",
)

# %% [markdown]
# On the right, a curve above zero is better than both simple rules; where its band includes zero, these patients cannot
# tell. The Ensemble's curve is above zero from thresholds of about 10% on, but its band only near 26%. T and N gain less: their band is above zero near
# 14%, and above 43% they call nobody high-risk, which equals treating none.
#
# ## What does the image add to what we know anyway?
#
# In the test cohort the clinical model becomes one number per patient. Does the Ensemble's probability add to it?
# The *likelihood-ratio test* answers yes or no, the change of the C-index says how much.

# %%
prognosis = clinical.risk_score(covariates).to_frame("clinical")
added = statistics.added_value(months, progressed, prognosis, test_risk["Ensemble"])
print("likelihood ratio", added.test)
print("C-index, clinical            ", added.c_without)
print("C-index, clinical and image  ", added.c_with)
print("change                       ", added.c_change)

# %% [markdown]
# By the test, the image adds to the clinical model; how much is open, because the interval of the change includes zero. That is no
# contradiction. The likelihood uses the distances between the scores, the C-index only their order, which changes little and varies much.
#
# ## Do the hazards stay proportional?
#
# A Cox model assumes that hazard ratios are the same at every time. A test checks that; a small P would speak against the assumption. With so
# few relapses even a large P says little.

# %%
added.with_score.table.round(3).join(
    statistics.proportional_hazards(added.with_score).add_prefix("check_").round(3)
)

# %% [markdown]
# The hazard ratio of the score is per standard deviation. Do not fit the full model with seven coefficients to these test patients: with about two relapses per
# coefficient it would describe them and nobody else.
#
# ## What you have now
#
# No file, and four things to report beside an AUC: the follow-up and whether the median was reached; the risk of all, observed and
# expected; a calibration slope with its interval; and the range of thresholds at which a model would help.
#
# ## Exercises
#
# 1. Draw the calibration at 24 months. Do the groups come closer to the diagonal?
# 2. Ask a clinician at which risk they would intensify treatment, and read the net benefit there.
# 3. Take `groups=5` in the calibration figure. What does it refuse, or what do the intervals say?
#
# ## Check yourself
#
# - All patients are given the risk of the Kaplan-Meier curve. How good are calibration and C-index?
# - A model gains most at a threshold of 5%. Is that useful here?
#
# <details><summary>Answers</summary>
#
# - The calibration is perfect on average, and the C-index is one half: nobody is told apart.
# - At 5% one would accept nineteen patients treated without need for one who needs it. Few treatments are so harmless.
#
# </details>
#
# ## Further reading
#
# - Schemper M, Smith TL. *A note on quantifying follow-up in studies of failure time*, Controlled
#   Clinical Trials 1996.
# - Royston P, Parmar MKB. *Restricted mean survival time*, BMC Med Res Methodol 2013.
# - McLernon DJ et al. *Assessing performance and clinical usefulness in prediction models with survival
#   outcomes*, Annals of Internal Medicine 2023.
# - Blanche P et al. *Estimating and comparing time-dependent areas under ROC curves*, Statistics
#   in Medicine 2013.
# - Van Calster B et al. *Calibration: the Achilles heel of predictive analytics*, BMC Medicine 2019.
# - Vickers AJ, Elkin EB. *Decision curve analysis*, Medical Decision Making 2006.
#
# ## Versions and data

# %%
footer(study, "lifelines", "scipy")
