# %% [markdown]
# # Question the label: who is called high risk, and why?
#
# The paper's label calls a patient high risk whose follow-up was short, ended by progression *or by the last
# review*. This notebook exchanges the label, the clock and the kind of event, and asks which conclusions survive.
#
# *Time: 25 minutes to read, some seconds to run.*
#
# ## What you'll do
#
# - Count what had become of the patients whom the label calls high risk.
# - Judge the models' scores, and a date that knows nothing of the disease, against four readings of the same follow-up.
# - Move the *horizon*, the month by which a patient has progressed or not, and start the clock later.
# - Take the kinds of progression apart.
#
# ## What you'll learn
#
# - What happens when a label mistakes a short follow-up for a high risk.
# - How weights let the patients whose status is known stand for those who were lost.
# - What immortal time and competing causes are, and when they matter.
#
# ## What you'll need
#
# - `predictions_pre.csv` and `predictions_post.csv` from notebooks
#   [03](03_train_pre_model.ipynb) and [04](04_train_post_model.ipynb).
#   [05](05_compare_with_tnm.ipynb) explains AUC and C-index.

# %%
import pandas as pd

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import figures, statistics
from npc_helpers.cohort import progression_free_survival
from npc_helpers.figures.display import footer, show
from npc_helpers.network import prediction
from npc_helpers.study import Study, later

study = Study.open()
begin(study)

# %%
study.require_outcomes("questioning the label")
patients, risk = prediction.compared_scores(study.read_table)
train, test = (patients[patients.split == side] for side in ("train", "test"))

# %%
statistics.require_patients(test, months=later.MONTHS, at_least=later.FEWEST_BY_HORIZON)
test_risk = {name: score.reindex(test.index) for name, score in risk.items()}
print(f"{len(train)} training patients, {len(test)} test patients")

# %% [markdown]
# ## What the label calls high risk
#
# "High risk" means a follow-up of at most the median, ended by progression *or by the last
# review* (section 2.3 of the paper). A patient last seen at 20 months without progression is then
# called high-risk, and how such a patient fared later is unknown. Below, *lost* means just this, whatever the reason: last seen,
# without progression, before the month that is asked about.

# %% [markdown] tags=["exercise"]
# > **Exercise 08.1 – predict** (3 minutes). So the label calls people high-risk who were well when last seen. Does it
# > also err on the other side? Of the patients whom it calls *low-risk*, how many had progressed by 36 months: `"none"` or `"some"`?

# %% tags=["solution"]
low_risk_and_progressed = "none"  # fill in
check("08.1", low_risk_and_progressed, patients=patients)

# %% [markdown]
# How many patients are there of each kind? Compare the label with what was known at 36 months.

# %% tags=["nbval-check-output"]
audit = statistics.label_audit(patients)
print(audit)

# %% tags=["claim"]
called_high = audit.loc["high risk"]
claim(
    called_high.unknown > called_high.progressed,
    f"Of {called_high.sum()} patients whom the label calls high-risk, {called_high.progressed} had progressed. The other "
    f"{called_high.unknown} were lost before 36 months: whether they progressed by then nobody knows, and no label can tell.",
    f"Of {called_high.sum()} patients whom the label calls high-risk, {called_high.progressed} had progressed by 36 months, and "
    f"of {called_high.unknown} nobody knows.",
)

# %% [markdown]
# ## Weights for the lost
#
# If those whose status at 36 months is unknown were left out, only relapses would remain of the patients with a short observation. Instead, each patient
# whose status is known can also stand for patients who were lost: *inverse probability of censoring weighting*. A patient who is observed beyond
# 36 months weighs one over the chance of not being lost by then; a patient who progressed before, one over that chance at the month of
# progression. The chance comes from a Kaplan-Meier curve in which being lost is the event.

# %%
weights = statistics.ipcw_weights(test.pfs_months, test.progressed, horizon=36)
status = statistics.horizon_label(test.pfs_months, test.progressed)
status = status.map({True: "progressed", False: "observed for longer"}).fillna("lost before")
by_status = weights.sum(axis=1).groupby(status).agg(["size", "min", "max", "sum"])
by_status.round(2)

# %% tags=["claim"]
relapses = by_status.reindex(["progressed"]).iloc[0]
claim(
    abs(by_status["sum"].sum() - len(test)) < 0.01 and relapses["max"] > relapses["min"],
    f"A patient who was lost weighs nothing and is accounted for all the same: the weights of the others add up to all {len(test)} test "
    f"patients. A late relapse weighs more than an early one ({relapses['max']:.2f} against {relapses['min']:.2f}), because "
    "more patients had been lost by then.",
    f"The weights of those whose status is known add up to {by_status['sum'].sum():.1f}, of {len(test)} test patients.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 08.2 – fill in one line** (5 minutes). What share of the test patients progressed by 36 months? The number of
# > relapses over the number of patients whose status is known is too large a share; over the number of all, too small a one. Use the
# > weights (`by_status` above holds their sums: `by_status.loc["progressed", "sum"]`).

# %% tags=["solution"]
risk_by_36 = weights[status == "progressed"].sum().sum() / len(test)  # fill in
check("08.2", risk_by_36, patients=test)

# %% [markdown]
# ## Four readings of one follow-up
#
# Beside the paper's label (*median PFS* in the figure) stand three readings that call nobody high-risk for having been lost.
# *36 months, known* leaves out those lost earlier, so it holds too many relapses. *36 months, weighted* uses the weights from above.
# *Time to progression* needs no label at all: the C-index compares times, and takes censoring as what it is.
# Beside the models we judge a score that knows nothing about the disease: the **date of the first scan**.

# %% [markdown] tags=["exercise"]
# > **Exercise 08.3 – predict** (4 minutes). In the whole cohort, take the date of the first scan as a risk score: the later the scan, the
# > higher the "risk". Does its AUC against the median label lie `"above"`, `"at"` or `"below"` 0.5? Give your reason to
# > somebody before you run the cell.

# %% tags=["solution"]
auc_of_the_date = "above"  # fill in
check("08.3", auc_of_the_date, patients=patients)

# %% [markdown] tags=["notes"]
# Most people answer 0.5, because a date knows no biology. Let them say which patients can be followed for five years when a study
# ends on a fixed day: those who came early. Then ask how a network could see the date in an image. A usual misunderstanding: "the label
# is noisy, so results get worse". Noise would make them worse. This label is biased, and can make them *better*.

# %%
scans = study.registry.set_index("patient_id").mri_pre_date.reindex(patients.index)
scan_day = (scans - scans.min()).dt.days.astype(float)
scored = test_risk | {"scan date": scan_day.reindex(test.index)}
labels = statistics.compare_labels(test, scored)
figure = figures.label_figure(labels)
show(figure, "8.1", "AUC and C-index of models, TNM and scan date, by reading of follow-up.")

# %% [markdown]
# Follow each symbol from top to bottom: the same scores and the same patients (*known*: only some of them), read in another way.
# The triangle that points down shows what a calendar alone achieves.

# %% tags=["claim"]
auc = labels[labels.measure == "AUC"].set_index(["score", "label"])["value"].unstack()
by_label, weighted = auc["median PFS"], auc["36 months, weighted"]
claim(
    (weighted > by_label)[list(test_risk)].all(),
    "Every model looks better once those who were lost are weighed instead of called high-risk: the Post-model's AUC is "
    f"{weighted['Post-model']:.2f} instead of {by_label['Post-model']:.2f}, that of TNM {weighted['TNM']:.2f} instead of "
    f"{by_label['TNM']:.2f}.",
    f"By the median label the Post-model's AUC is {by_label['Post-model']:.2f}, at 36 months {weighted['Post-model']:.2f}.",
)

# %%
everybody = statistics.compare_labels(patients, {"scan date": scan_day})
everybody.set_index(["label", "measure"])[["n", "value", "low", "high"]].round(3)

# %% tags=["claim"]
of_date = everybody.set_index(["label", "measure"])
by_label, by_time = (
    of_date.loc[("median PFS", "AUC")],
    of_date.loc[("time to progression", "C-index")],
)
claim(
    by_label.low > 0.6 and by_time.low < 0.5 < by_time.high,
    f"In all patients together the date predicts the median label with an AUC of {by_label.value:.2f}, which would be good for a network. "
    f"Of the time to progression it predicts next to nothing: its C-index is {by_time.value:.2f}, and the interval includes 0.5.",
    f"The date's AUC is {by_label.value:.2f} against the median label; its C-index is {by_time.value:.2f}.",
)

# %% [markdown]
# A fixed horizon helps only in part. The status at 36 months of a patient scanned late is *known* only if the patient
# progressed, and the usual weights do not mend that: they assume that the date has nothing to do with being lost. A network that recognised
# the year of a scan, from a new coil or a new protocol, would be rewarded for it by the paper's label. If a date or a scanner reaches a good
# AUC in your own study, change the label before you change the network.

# %% [markdown]
# ## Another horizon
#
# Why 36 months? Because it is near the paper's median. A conclusion should not hold at 36 months alone.


# %%
def of_each_score(statistic, months, event, **options):
    """Return a statistic of the four scores in some patients, by the score's name."""
    tested = {name: score[months.index] for name, score in risk.items()}
    return {name: statistic(months, event, score, **options) for name, score in tested.items()}


outcome = test.pfs_months, test.progressed
at = [24, 30, 36, 42, 48]
auc_at = {m: of_each_score(statistics.auc_at_horizon, *outcome, horizon=m) for m in at}
horizons = pd.DataFrame(auc_at).T.rename_axis("months")
horizons.map(str)

# %% tags=["claim"]
values = horizons.map(lambda estimate: estimate.value)
width = horizons.map(lambda estimate: estimate.high - estimate.low)
claim(
    values[["Post-model", "Ensemble"]].min(axis=1).gt(values["TNM"]).all(),
    "At every horizon Post-model and Ensemble lie above TNM, so their order does not depend on the choice of 36 months. How far they lie "
    f"above it, these patients cannot tell: an interval is {width.mean().mean():.2f} wide on average.",
    f"The order of models and TNM changes with the horizon; an interval is {width.mean().mean():.2f} wide on average.",
)

# %% [markdown]
# ## A C-index that follow-up does not move
#
# Harrell's C-index uses the pairs of patients that the follow-up of this study allows us to compare. A study with longer follow-up has other
# pairs, and the same model has another C-index there. Uno's C-index gives weights to the pairs that can be compared, so that they also stand for
# those that censoring has hidden. It counts progressions up to a time chosen beforehand (*truncation*).

# %%
concordance = {
    "Harrell": of_each_score(statistics.c_index, *outcome),
    "Uno, 36 months": of_each_score(statistics.uno_c_index, *outcome, truncation=36),
    "Uno, 48 months": of_each_score(statistics.uno_c_index, *outcome, truncation=48),
}
concordance = pd.DataFrame(concordance)
concordance.map(str)

# %% tags=["claim"]
values = concordance.map(lambda estimate: estimate.value)
apart = (values["Uno, 36 months"] - values["Harrell"]).abs().max()
between = (test.progressed & test.pfs_months.between(36, 48, inclusive="right")).sum()
claim(
    apart < 0.03 and between == 0,
    f"Harrell's and Uno's numbers differ by {apart:.2f} at most: losses change little here. The last two columns are alike because nobody "
    "in the test cohort progressed between 36 and 48 months.",
    f"Harrell's and Uno's numbers differ by up to {apart:.2f}; {between} test patients progressed between 36 and 48 months.",
)

# %% [markdown]
# ## When does the clock start?
#
# PFS runs from the start of treatment, but the Post-model can give a score only after the
# post-treatment scan. Whoever progressed before it is not in this study, so among its patients nobody can progress in these months:
# they are *immortal time*. A *landmark analysis* starts the clock at the scan and keeps those still at risk.
# (Here time is counted in days. In whole months, as above, more pairs are tied, so the first column differs slightly from *Harrell* there.)

# %%
registry = study.registry.set_index("patient_id").reindex(test.index)
pfs = progression_free_survival(study.registry).set_index("patient_id").reindex(test.index)
wait = (registry.mri_post_date - registry.treatment_start).dt.days
restarted = statistics.landmark(pfs.pfs_days, pfs.progressed, wait)
at_risk = restarted[restarted.reached]

# %%
from_treatment = of_each_score(statistics.c_index, pfs.pfs_days, pfs.progressed)
from_scan = of_each_score(statistics.c_index, at_risk.time, at_risk.event)
by_clock = pd.DataFrame({"from treatment start": from_treatment, "from the scan": from_scan})
by_clock.map(str)

# %% tags=["claim"]
moved = by_clock.map(lambda estimate: estimate.value).diff(axis=1).iloc[:, -1].abs().max()
claim(
    moved < 0.02 and len(at_risk) == len(test),
    f"The scan came {wait.median():.0f} days (median) after the start of treatment, and all {len(test)} patients were still at risk then. No "
    f"C-index moves by more than {moved:.2f}: immortal time changes nothing here, because every model is judged on the same patients.",
    f"The scan came {wait.median():.0f} days (median) after the start of treatment; {len(at_risk)} of {len(test)} patients were still at risk "
    f"then. The C-index moves by up to {moved:.2f}.",
)

# %% [markdown]
# Immortal time would matter as soon as patients *with* a second scan were compared with patients *without* one.
#
# ## Progression of which kind?
#
# A relapse at the primary site (*local*), in a neck node (*regional*) or in another organ (*distant*), or a death: PFS takes whichever comes first.
# Only one of them can be the *first* event: they are *competing causes*, and how many patients meet one of them depends on the others.
# The *cumulative incidence* takes that into account: over all causes it adds up to one minus the Kaplan-Meier curve of PFS. If instead each cause
# has a Kaplan-Meier curve of its own, in which the other causes count as losses, then one minus these curves add up to more.

# %%
events = study.registry.set_index("patient_id").reindex(patients.index)
kind = events.progression_type.replace("", "not stated")
cause = kind.where(events.progression_date.notna(), "death")
cause = cause.where(patients.progressed, "censored").rename("first event")
incidence = statistics.cumulative_incidence(patients.pfs_months, cause, at=(24, 36, 60))
by_cause = incidence.set_index(["cause", "months"]).unstack("months")["incidence"]
by_cause.round(3)

# %% tags=["claim"]
at_36 = by_cause[36].reindex(by_cause.index.union(["death", "distant"]), fill_value=0.0)
largest = at_36.idxmax()
claim(
    largest == "distant" and at_36["distant"] > 0.6 * at_36.sum() and at_36["death"] < 0.05,
    f"Spread to other organs is by far the most frequent first event, {at_36['distant']:.0%} of {at_36.sum():.0%} by 36 months, and "
    "the other first events are rare: competing causes change little.",
    f"By 36 months the most frequent first event is: {largest}, {at_36[largest]:.0%} of {at_36.sum():.0%}.",
)

# %%
of_test = cause[test.index]
distant = of_each_score(statistics.cause_specific_c, test.pfs_months, of_test, of="distant")
pd.Series(distant, name="C-index, distant progression").map(str).to_frame()

# %% tags=["claim"]
lower = [name for name in distant if distant[name].value < concordance["Harrell"][name].value]
claim(
    len(lower) == len(distant) and (of_test == "distant").sum() < 10,
    "For distant progression alone every C-index is lower than for any progression. They rest on "
    f"{(of_test == 'distant').sum()} events, and the intervals are too wide for a conclusion.",
    f"Lower than for any progression: {', '.join(lower) or 'none'}. These C-indexes rest on {(of_test == 'distant').sum()} events.",
)

# %% [markdown]
# ## Which conclusions survive?
#
# Notebook [05](05_compare_with_tnm.ipynb) compared the Ensemble with TNM. Here is that comparison under three readings of the same follow-up:


# %%
def three_readings(first, second):
    """First model minus second, on the test patients, under three readings of the follow-up."""
    pair = {name: test_risk[name] for name in (first, second)}
    readings = {
        "AUC, median label": statistics.compare_auc(test.high_risk, pair),
        "AUC at 36 months, weighted": statistics.compare_at_horizon(*outcome, pair),
        "C-index, time to progression": statistics.compare_c_index(*outcome, pair),
    }
    table = pd.concat(readings).droplevel(1)[["difference", "low", "high", "p"]]
    return statistics.with_printed_p(table).round(3)


ensemble_ahead = three_readings("Ensemble", "TNM")
ensemble_ahead

# %% tags=["claim"]
claim(
    (ensemble_ahead.low > 0).all(),
    "The conclusion holds: under each reading the Ensemble is ahead, and no interval includes zero.",
    f"The Ensemble's lead excludes zero under {(ensemble_ahead.low > 0).sum()} of {len(ensemble_ahead)} readings.",
)

# %% [markdown]
# TNM enters with one threshold; notebook 05 shows what happens when it does not. And is the Post-model better than the Pre-model, as the
# paper's numbers suggest?

# %%
post_ahead = three_readings("Post-model", "Pre-model")
post_ahead

# %% tags=["claim"]
claim(
    list(post_ahead.low > 0) == [False, True, True],
    "Here the label matters. By the median label the interval includes zero; by the two readings that treat censoring as what it is, the "
    f"Post-model is ahead. Their intervals begin at {post_ahead.low[1:].min():.2f} and end at {post_ahead.high[1:].max():.2f}: "
    f"{len(test)} patients suggest that there is a difference, but not how large it is.",
    f"The Post-model's lead excludes zero under {(post_ahead.low > 0).sum()} of {len(post_ahead)} readings.",
)

# %% [markdown]
# ## Save

# %%
study.write_table("labels.csv", labels)
print("saved labels.csv")

# %% [markdown]
# ## What you have now
#
# - The label depends on the calendar: a scan date predicts it in all patients together.
# - Ranking by time to progression needs no label, and so no median and no horizon.
# - Another horizon, a clock that starts at the second scan and weights for the lost leave the Ensemble ahead of TNM's one threshold, and
#   so does another label.
# - Between Post-model and Pre-model the label decides whether the interval of the difference excludes zero.
#
# ## Check yourself
#
# - A patient was last seen at 30 months, without disease. What is the label, and what do you know?
# - Why does the scan date keep part of its AUC when the usual weights are used?
#
# <details><summary>Answers</summary>
#
# - If the median is 36 months, the label is high risk. You know that the patient was free of progression at 30 months; what happened
#   by 36 is unknown.
# - The weights assume that whether a patient is lost has nothing to do with the score. Here the score *is* the scan date, and the
#   scan date helps to decide who is lost.
#
# </details>
#
# ## Further reading
#
# - Anderson JR et al. *Analysis of survival by tumor response*, J Clin Oncol 1983: the landmark.
# - Uno H et al. *On the C-statistics for evaluating overall adequacy of risk prediction procedures
#   with censored survival data*, Statistics in Medicine 2011.
# - Putter H et al. *Tutorial in biostatistics: competing risks and multi-state models*, Statistics in
#   Medicine 2007.
# - Wolbers M et al. *Prognostic models with competing risks*, Epidemiology 2009.
#
# ## Versions and data

# %%
footer(study, "lifelines", "scipy")
