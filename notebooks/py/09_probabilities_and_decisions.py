# %% [markdown]
# # Read probabilities and decide: what does 30% mean, and who gains?
#
# A score ranks patients. A patient asks another question: how likely is a relapse within three years, and
# would it help to act on the answer? This notebook turns scores into probabilities of progression by 36 months, checks
# whether they come true, and counts what decisions on them would gain.
#
# *Time: 35 minutes to read, some seconds to run.*
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

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import figures, statistics
from npc_helpers.figures.display import footer, show
from npc_helpers.network import prediction
from npc_helpers.study import Study, later

study = Study.open()
begin(study)

# %%
study.require_outcomes("probabilities")
patients, risk = prediction.compared_scores(study.read_table)
train, test = (patients[patients.split == side] for side in ("train", "test"))
statistics.require_patients(test, months=later.MONTHS, at_least=later.FEWEST_BY_HORIZON)
test_risk = {name: score.reindex(test.index) for name, score in risk.items()}
print(f"{len(train)} training patients, {len(test)} test patients")
months, progressed = test.pfs_months, test.progressed

# %% [markdown]
# ## How long were they followed?
#
# The median of the observed times is not the median PFS: it treats everybody whose observation ended without progression as if
# they had progressed on that day. Nor is it the median follow-up: whoever relapsed early counts there as followed for a short time. The
# Kaplan-Meier curve gives the median PFS. The reverse curve, in which the end of observation is the event, gives the median follow-up.

# %% [markdown] tags=["exercise"]
# > **Exercise 09.1 – predict** (3 minutes). The median of the *observed* times is the next cell's first number. Is the median PFS
# > `"earlier"`, `"later"` or `"equal"`? Think of the patients who were lost while they were well.

# %% tags=["solution"]
median_pfs_comes = "later"  # fill in
check("09.1", median_pfs_comes, patients=patients)

# %% tags=["nbval-check-output"]
everybody = patients.pfs_months, patients.progressed
print("median of the observed times:", patients.pfs_months.median())
print("median PFS:                  ", statistics.median_survival(*everybody))
print("median follow-up (reverse):  ", statistics.median_follow_up(*everybody))

# %% tags=["claim"]
median_pfs = statistics.median_survival(*everybody).value
claim(
    np.isinf(median_pfs),
    f"Only {patients.progressed.mean():.0%} of the patients had progressed when the study closed, and the curve stays above a half: the median "
    "PFS is *not reached*, and that is what to print. The paper's median is that of the observed times.",
    f"The curve falls to a half at {median_pfs:.1f} months. The paper's median is that of the observed times, "
    f"here {patients.pfs_months.median():.1f}.",
)

# %% [markdown]
# ## A mean over a limited time
#
# Where a median is not reached, the *restricted mean* can still be given: the mean number of months without progression within the first 36.
# It assumes nothing about how the risk changes over time.

# %%
called = test_risk["Ensemble"].gt(0.5).map({True: "called high", False: "called low"})
free_months = statistics.restricted_mean(months, progressed, called, horizon=36)
free_months = free_months.set_index("group")
free_months.round(3).astype(object).fillna("")

# %% tags=["claim"]
lead = free_months.loc["difference"]
survival = statistics.survival_table(months, progressed, called, at=[36]).set_index("group")
still = survival.loc["called high"]
claim(
    lead.low > 0 and still.at_risk < 10 and still.high - still.low > 0.4,
    f"Patients whom the Ensemble calls high-risk had {lead.months:.0f} months fewer without progression within three years; the interval "
    f"reaches from {lead.low:.0f} to {lead.high:.0f}. At 36 months {still.at_risk:.0f} of them were still under observation, so the {still.survival:.0%} "
    f"that their Kaplan-Meier curve gives for that day might as well be {still.low:.0%} or {still.high:.0%}.",
    f"The difference is {lead.months:.1f} months, with an interval from {lead.low:.1f} to {lead.high:.1f}. Of those called high-risk "
    f"{still.at_risk:.0f} were still under observation at 36 months.",
)

# %% [markdown]
# ## What is known without an image
#
# A clinician has T, N, age, sex and the treatment plan before any network is asked. A Cox model weighs
# these; it is fitted in the training cohort. It speaks of the *hazard*: the rate at which patients progress who have not
# progressed so far. A *hazard ratio* of 2 means twice that rate, of 1 no difference.

# %%
clinical = statistics.fit_cox(
    train.pfs_months, train.progressed, statistics.clinical_covariates(train)
)
figure = figures.cox_figure({"training cohort": clinical.table})
show(figure, "9.1", "Hazard ratios of T, N, age, sex and chemotherapy in the training cohort.")

# %% tags=["claim"]
clear = clinical.table.index[(clinical.table.low > 1) | (clinical.table.high < 1)]
read = (
    "Right of the dotted line a characteristic goes with earlier progression, left of it with later; an interval across the line is "
    "compatible with no effect. (Chemotherapy was not given at random: its hazard ratio is no treatment effect.)"
)
claim(
    list(clear) == ["T"],
    f"{read} Only the interval of T does not cross the line: each category more goes with {clinical.table.hazard_ratio['T']:.2f} times the hazard.",
    f"{read} Intervals that do not cross the line: {', '.join(clear) or 'none'}.",
)

# %% [markdown]
# ## How far would it shrink?
#
# A few dozen relapses are few for six coefficients. A model fits the patients it was made from too closely; coefficients that suit new patients
# would be smaller. The *shrinkage* (`clinical.shrinkage`) estimates what share of their size would remain.

# %% tags=["claim"]
fitted_to = (
    f"{clinical.events} events, {len(clinical.table)} coefficients ({clinical.likelihood_ratio})"
)
claim(
    0.5 < clinical.shrinkage < 0.7,
    f"{fitted_to}: little more than half of their size, {clinical.shrinkage:.0%}, would remain.",
    f"{fitted_to}: {clinical.shrinkage:.0%} of their size would remain.",
)

# %% [markdown]
# Read predictions far from the average risk with that in mind; [10](10_how_sure.ipynb) says how many patients would give a shrinkage of 0.90.
#
# ## From a hazard to an absolute risk
#
# A hazard ratio of two means twice the hazard of somebody else, which tells a patient little. With the baseline hazard of the training cohort the model
# gives a probability: that of having progressed by each month.

# %%
covariates = statistics.clinical_covariates(test)
ranked = clinical.risk_score(covariates).sort_values().index
three_patients = covariates.loc[ranked[[0, len(test) // 2, -1]]]
three_risks = clinical.p_event(three_patients, at=(12, 24, 36, 60))
three_risks.round(2).join(three_patients)

# %% tags=["claim"]
beyond = (train.pfs_months > 60).mean()
claim(
    beyond < 0.2,
    "The rows are the test patients of lowest, middle and highest predicted risk: by 36 months "
    f"{three_risks[36].iloc[0]:.0%}, {three_risks[36].iloc[1]:.0%} and {three_risks[36].iloc[2]:.0%}. Only {beyond:.0%} of the training patients "
    "were observed for longer than 60 months: the last column is the least certain.",
    f"The rows are the test patients of lowest, middle and highest predicted risk. {beyond:.0%} of the training patients were observed "
    "for longer than 60 months.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 09.2 – repair** (4 minutes). Somebody has twice the hazard of the patient in the middle row, at every time. "Then the risk
# > by 36 months is twice as large, too", says this line. For a risk of 60% that would make 120%. Repair it: each doubling of the hazard
# > squares the probability of staying *free*.

# %% tags=["solution"]
risk_in_the_middle = three_risks[36].iloc[1]
risk_with_twice_the_hazard = 1 - (1 - risk_in_the_middle) ** 2  # repair: 2 * risk_in_the_middle
check("09.2", risk_with_twice_the_hazard, risk=risk_in_the_middle)

# %% [markdown]
# ## From a score to an absolute risk
#
# The network's own number is the probability of the *label*, not of progression by a month. A Cox model
# translates it, too: the score is its only covariate, and it is fitted in the training cohort. TNM enters as T and N.

# %%
networks, p_event = ["Pre-model", "Post-model", "Ensemble"], {}
covariates_of = {name: risk[name].to_frame("score") for name in networks}
covariates_of["TNM"] = statistics.tn_covariates(patients)
for name, table in covariates_of.items():
    model = statistics.fit_cox(train.pfs_months, train.progressed, table.loc[train.index])
    p_event[name] = model.p_event(table.loc[test.index], at=(12, 24, 36, 48, 60))
p_36 = {name: table[36] for name, table in p_event.items()}
spread = pd.DataFrame(p_36).describe().loc[["mean", "min", "50%", "max"]]
spread.round(2)

# %% tags=["claim"]
top = spread.loc["max"]
claim(
    top[["Post-model", "Ensemble"]].min() > 0.9 and top[["Pre-model", "TNM"]].max() < 0.7,
    "The probabilities of Post-model and Ensemble reach from a few per cent to near certainty, those of the Pre-model end at "
    f"{top['Pre-model']:.0%} and those of T and N at {top['TNM']:.0%}.",
    "The highest probability is " + ", ".join(f"{p:.0%} ({name})" for name, p in top.items()) + ".",
)

# %% [markdown]
# (The scores are translated in the same patients on whom the networks were trained. There they fit better than in new
# patients, which can make these probabilities too extreme.)
#
# ## At two, three and four years
#
# The AUC can be computed for every horizon, with weights that make up for the patients lost before it. It is left out at a horizon
# by which fewer than five patients progressed, or beyond which fewer than five were observed.
#
# The Brier score is stricter: the mean squared distance between the predicted probability and what happened (1 for progression, 0
# for none). It rewards ranking and *calibration*, probabilities that come true, at once.

# %%
auc_by_month = {
    name: statistics.cumulative_dynamic_auc(months, progressed, score, at=(24, 36, 48))
    for name, score in test_risk.items()
}
brier = {
    name: statistics.brier_curve(months, progressed, p_event[name]) for name in ("Ensemble", "TNM")
}
figure = figures.time_dependent_figure(auc_by_month, brier)
show(figure, "9.2", "AUC at 24, 36 and 48 months, and Brier score at 12 to 60 months.")

# %% tags=["claim"]
scaled = {name: curve.set_index("months").scaled for name, curve in brier.items()}
claim(
    list(scaled["Ensemble"] > 0) == [False, False, True, True, True]
    and scaled["TNM"].abs().max() < 0.1,
    "Left: the bars are 95% intervals, and they are long; the counts under each month say why (TNM is one threshold). Right: a curve below that of "
    "Kaplan-Meier predicts better than the same Kaplan-Meier risk for everybody. The Ensemble's does from "
    f"36 months on; that of T and N, weighed, stays within {scaled['TNM'].abs().max():.0%} of it.",
    "On the right, a curve below that of Kaplan-Meier predicts better than the same Kaplan-Meier risk for everybody.",
)

# %%
for name in brier:
    total, scaled = statistics.integrated_brier(months, progressed, p_event[name])
    gain = f"{scaled.value:.0%} ({scaled.low:.0%} to {scaled.high:.0%})"
    print(f"{name:9} Brier, 12 to 60 months: {total}; better than Kaplan-Meier by {gain}")
in_pairs = statistics.compare_at_horizon(months, progressed, p_36, measure="brier")
in_pairs.round(3)

# %% tags=["claim"]
against_tnm = in_pairs.set_index(["a", "b"]).loc[("Ensemble", "TNM")]
claim(
    against_tnm.difference < 0 < against_tnm.high and (in_pairs.p_holm > 0.05).all(),
    f"In pairs, at 36 months, the Ensemble's score is lower than TNM's by {-against_tnm.difference:.3f}, and the interval just includes zero. No pair "
    "differs beyond chance: these patients do not show that any of the scores is better than another.",
    f"In pairs, at 36 months, Ensemble minus TNM is {against_tnm.difference:.3f} ({against_tnm.low:.3f} to {against_tnm.high:.3f}).",
)

# %% [markdown]
# ## Do the probabilities come true?
#
# Of patients given 30% by 36 months, about 30% should have progressed by then. The patients are divided into three groups of rising
# predicted risk, and what happened in each is read from its Kaplan-Meier curve. *O/E* is the observed risk divided by the expected one,
# the mean prediction: 1 if the predictions are right on average. The *intercept* asks the same on the scale of log odds, where 0 is right. The
# *slope* is 1 if the probabilities are as extreme as they should be: below 1 they are too extreme, above 1 too close to the average.

# %%
figure = figures.calibration_figure(months, progressed, p_36)
show(figure, "9.3", "Observed against predicted risk by 36 months, in three groups per model.")

# %% tags=["claim"]
in_groups = {name: statistics.calibration_groups(months, progressed, p) for name, p in p_36.items()}
rises = [name for name, group in in_groups.items() if group.observed.is_monotonic_increasing]
crossing = all(group.predicted.between(group.low, group.high).all() for group in in_groups.values())
length = np.mean([(group.high - group.low).mean() for group in in_groups.values()])
claim(
    rises == ["Pre-model", "Post-model", "Ensemble"] and crossing,
    "With each network a group of higher predicted risk progressed more often; with T and N the middle group did most often. All bars cross the "
    f"dotted line, so these groups contradict no model, and with {length:.2f} on average the bars are so long that they support none either. "
    "(The ticks at the top are patients who progressed by 36 months, those at the bottom were observed for longer.)",
    f"A group of higher predicted risk progressed more often with: {', '.join(rises) or 'none'}. A bar is {length:.2f} long on average.",
)

# %%
at_36 = {name: statistics.calibration_at(months, progressed, p) for name, p in p_36.items()}
rows = {n: [r.observed, f"{r.expected:.3f}", r.ratio, r.slope] for n, r in at_36.items()}
pd.DataFrame(rows, index=["observed", "expected", "O/E", "slope"]).map(str)

# %% tags=["claim"]
early = at_36["Ensemble"].events
claim(
    all(r.ratio.low < 1 < r.ratio.high and r.slope.low < 1 < r.slope.high for r in at_36.values()),
    "All models are right on average: the observed risk is close to the expected. The intervals of the slopes include 1 as well as numbers far from it, "
    f"so {early} relapses cannot tell probabilities that are too extreme from those that are too close to the average.",
    f"An interval of O/E or of a slope that does not include 1 contradicts a model; there are {early} relapses to judge by.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 09.3 – read a table** (3 minutes). Go by the estimates alone, for once. Whose probabilities are *too extreme*: low risks too
# > low and high risks too high? Give a list of their names.

# %% tags=["solution"]
too_extreme = ["Post-model", "Ensemble"]  # fill in
check("09.3", too_extreme, patients=test, p_event=p_36)

# %% [markdown]
# ## And the network's own probability?
#
# It answers another question, that of the label, so it is judged by the label. A network may rank well and still give probabilities
# that are too close to one half: averaging over a dozen images or more, and then over two models, pulls everything to the middle. The *expected
# calibration error* (ECE) is the mean distance between predicted and observed shares, in groups of patients with similar predictions.

# %%
of_label = {name: statistics.calibration(test.high_risk, test_risk[name]) for name in networks}
rows = {n: [str(r.slope), f"{r.ece:.3f}", f"{r.ece_by_chance:.3f}"] for n, r in of_label.items()}
pd.DataFrame(rows, index=["slope", "ECE", "ECE of a perfect model"])

# %% tags=["claim"]
slopes = [result.slope for result in of_label.values()]
no_worse = all(result.ece < result.ece_by_chance for result in of_label.values())
claim(
    all(slope.low < 1 < slope.value for slope in slopes) and no_worse,
    "All three estimated slopes lie above 1 (too close to the middle), though each interval reaches below it. No calibration error is larger than "
    "that of a perfect model of as many patients.",
    "The slopes are " + ", ".join(f"{slope.value:.1f}" for slope in slopes) + ".",
)

# %% [markdown]
# The ECE is often printed as if it should be zero. With so few patients, even a *perfectly* calibrated model
# would have the value of the last row on average.
#
# ## Would acting on it help?
#
# Suppose patients at high risk get more treatment, and those *need* it who would progress by 36 months. Acting at a predicted risk of 25%
# means accepting three patients who are treated without need for each patient who needs it; at 50%, one. Of the patients treated, the *net
# benefit* counts those who need it and subtracts the others at that rate: at 25%, a third each. A model is useful if its net benefit is
# higher than that of treating everybody and of treating nobody.

# %% [markdown] tags=["exercise"]
# > **Exercise 09.4 – fill in one line** (6 minutes). Somebody treats every patient whose risk is 25% or more by the Ensemble. `share` is the
# > share of all patients who are treated, `relapse` the share of the treated who would progress by 36 months. How large is the net benefit
# > per patient? Each treated patient who needs the treatment counts one, each of the others minus one third.

# %% tags=["solution"]
treated = p_36["Ensemble"] >= 0.25
share = treated.mean()
relapse = statistics.calibration_at(months[treated], progressed[treated], p_36["Ensemble"][treated])
relapse = relapse.observed.value
net_benefit = share * (relapse - (1 - relapse) * 0.25 / 0.75)  # fill in
check("09.4", net_benefit, patients=test, p_event=p_36["Ensemble"])

# %% [markdown] tags=["notes"]
# The usual wrong answers: the exchange rate upside down (three instead of one third), and forgetting `share`, which makes a rule for few patients look
# as useful as one for many. Ask then: who says that 25% is the right place? A clinician with the patient, not the curve.

# %%
thresholds = np.round(np.arange(0.05, 0.61, 0.01), 2)
p_decision = {name: p_36[name] for name in ("Ensemble", "TNM")}
benefit = statistics.survival_net_benefit(months, progressed, p_decision, thresholds=thresholds)
figure = figures.decision_figure(benefit)
show(figure, "9.4", "Decision curves at 36 months, and the gain over treating all or nobody.")

# %% tags=["claim"]
curve = benefit[benefit.model == "Ensemble"].set_index("threshold")
gains_from, sure = curve.index[curve.gain <= 0].max(), curve.index[curve.gain_low > 0]
most = benefit.groupby("model").gain.max()
claim(
    gains_from < 0.15 and len(sure) < 5 and most["Ensemble"] > most["TNM"] > 0,
    "On the right, a curve above zero is better than both simple rules; where its band includes zero, these patients cannot tell. "
    f"The Ensemble's curve is above zero for each threshold over {gains_from:.0%}, but its band for {len(sure)} of {len(curve)} thresholds only, near "
    f"{sure.to_numpy().mean():.0%}. T and N gain {most['TNM']:.2f} at most, the Ensemble {most['Ensemble']:.2f}.",
    f"The Ensemble's band is above zero for {len(sure)} of {len(curve)} thresholds.",
)

# %% [markdown]
# ## What does the image add to what we know anyway?
#
# In the test cohort the clinical model becomes one number per patient. Does the Ensemble's probability add to it?
# The *likelihood-ratio test* asks whether it does, the change of the C-index says how much.

# %%
prognosis = clinical.risk_score(covariates).to_frame("clinical")
added = statistics.added_value(months, progressed, prognosis, test_risk["Ensemble"])
print("likelihood ratio", added.test)
print("C-index, clinical            ", added.c_without)
print("C-index, clinical and image  ", added.c_with)
print("change                       ", added.c_change)

# %% tags=["claim"]
claim(
    added.test.p < 0.05 and added.c_change.low < 0 < added.c_change.value,
    "By the test, the image adds to the clinical model; how much is open, because the interval of the change includes zero. That is no contradiction.",
    f"P = {added.test.p:.3f} for what the image adds; the C-index changes by {added.c_change.value:.3f}.",
)

# %% [markdown]
# The likelihood uses the distances between the scores, the C-index only their order. That order changes little,
# and from few patients one learns only roughly by how much.
#
# ## Do the hazards stay proportional?
#
# A Cox model assumes that hazard ratios are the same at every time. A test checks that; a small P would speak against the assumption. With so
# few relapses a large P says little.

# %%
hazards = statistics.proportional_hazards(added.with_score).add_prefix("check_")
added.with_score.table.round(3).join(hazards.round(3))

# %% tags=["claim"]
claim(
    (hazards.check_p > 0.05).all(),
    f"No P value speaks against proportional hazards (the smallest is {hazards.check_p.min():.2f}), and {len(test)} patients would hardly show it.",
    f"The smallest P value is {hazards.check_p.min():.3f}: the hazard ratios may not be the same at every time.",
)

# %% [markdown]
# The hazard ratio of the score is per standard deviation. Do not fit the full model with seven coefficients to these test patients: with
# fewer than two relapses per coefficient it would describe them and nobody else.
#
# ## What you have now
#
# Four things to report beside an AUC:
#
# - How long patients were followed, and whether the median was reached: often it was not.
# - The average risk, observed and expected: a model may rank well and be wrong for everybody.
# - A calibration slope *with its interval*: with a dozen relapses it excludes little.
# - The thresholds at which a model would help: a high C-index promises none.
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
