# %% [markdown]
# # Update the risk at the next examination
#
# The paper ends with a wish (its Fig. 8): look at the images after each course of treatment, estimate the risk anew, and adapt the plan to it.
# Its own models cannot do that. They give one number before treatment and one after it, both for the time from the start of treatment, as if nothing
# had happened in between. This notebook updates the risk by *landmarks*: at each examination those who are still at risk get a new risk for the months
# ahead. Then we ask what each examination has added. At the end we repeat the paper's first experiment, the one on whole images.
#
# *Time: 26 minutes to read, three minutes to run.*
#
# ## What you'll do
#
# - Draw an examination that the study does not have, half-way through treatment (*mid-course*).
# - Make a pill that does nothing seem to work, and repair the comparison.
# - Predict progression within 24 months of each examination, for those still at risk.
# - Measure what the mid-course images add to those before treatment, and what the images after treatment add to both.
# - Look at one map of a whole image and one of a rectangle.
#
# ## What you'll learn
#
# - Why only patients who are still at risk enter a model at a landmark.
# - What is known, at a horizon, about a patient who was lost before it.
# - How a risk moves when one more examination becomes known.
# - Why time in which nobody can progress must not count as a success.
#
# ## What you'll need
#
# - `cohort.csv` and `rois.csv` from notebooks [01](01_screen_cohort.ipynb) and [02](02_crop_roi.ipynb);
#   [08](08_question_the_label.ipynb) for immortal time, [12](12_survival_networks.ipynb) for Cox layers on frozen features.

# %%
import numpy as np
import pandas as pd

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import figures, statistics
from npc_helpers.cohort import included_patients, progression_free_survival
from npc_helpers.figures.display import footer, show
from npc_helpers.network import survival_heads
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.settings import current_setting

study, setting = Study.open(), current_setting()
begin(study)

# %% [markdown]
# ## Three examinations
#
# The features are those of notebook 12: from the frozen network with its start weights, which know no outcome. A patient is described by the mean
# over the images.

# %%
study.require_outcomes("risk at a landmark")
cohort = included_patients(study.read_table("cohort.csv")).set_index("patient_id")
rois = study.read_table("rois.csv")
who, examined = {"patients": cohort.index, "setting": setting}, {}
for when in ("pre", "post"):
    if (rois.timepoint == when).any():
        examined[when] = survival_heads.patient_features(study, rois, when, **who)
registry = study.registry.set_index("patient_id").reindex(cohort.index)
day = pd.DataFrame({"pre": registry.treatment_start, "post": registry.mri_post_date})

# %% [markdown]
# No patient of the demonstration study was examined in mid-course, but its generator can draw what such an examination would have shown: the
# same head half-way through treatment, the tumour on its way from its first size to its last. How much of the way it has gone by then is drawn at random
# for each patient, from a tenth to nine tenths, and depends on nothing else. So the mid-course images foretell the end, but not exactly. Whether real
# tumours behave like that, these images cannot say. The first time, drawing takes about a minute.

# %% tags=["nbval-check-output"]
try:
    from npc_demo.mid_course import half_way
    from npc_demo.mid_course_features import patient_features

    examined["mid"] = patient_features(study, **who)
    day["mid"] = half_way(registry)
except NotInThisStudy as reason:
    print(f"No examination in mid-course: {reason}.")

# %% tags=["nbval-check-output"]
order = [when for when in ("pre", "mid", "post") if when in examined]
everywhere = set.intersection(*(set(examined[when].index) for when in order))
patients = cohort[cohort.index.isin(everywhere)]
waited = day.loc[patients.index, order].sub(day.pre[patients.index], axis=0)
since_start = waited.apply(lambda waited: waited.dt.days / 30.4375)  # months
print(f"{len(patients)} patients; median month of each examination:")
print(since_start.median().round(1).to_string())

# %% [markdown]
# The first landmark is the start of treatment, some days after the images before it (at most three weeks in the demonstration study).
#
# ## Who is still at risk?
#
# A *landmark* is a day on which one stops and looks (van Houwelingen 2007). Three rules make the analysis:
#
# 1. **Only those still at risk enter.** Whoever has progressed needs no prediction, and whoever was lost is no longer there to get one. A model that
#    learned from them would learn about other people than those whom it will be used for.
# 2. **The clock starts anew.** "Within 24 months" means from this day on.
# 3. **Nobody looks farther than the horizon.** Whoever is observed for longer is censored there (*administratively*): what happens after it is not asked.

# %%
AHEAD = 24  # months
pfs = progression_free_survival(study.registry).set_index("patient_id").loc[patients.index]
months, progressed = pfs.pfs_days / 30.4375, pfs.progressed.astype(bool)
last = order[-1]  # the latest examination that the study has
start = since_start[last]

# %% [markdown] tags=["exercise"]
# > **Exercise 15.1 – repair** (4 minutes). This line should tell who is at risk at the last examination, from `months` (observed since the
# > start of treatment) and `start` (the month of the examination). But it uses something that nobody can know on that day. Repair it.

# %% tags=["solution"]
at_risk = months > start  # repair: ~progressed
check("15.1", at_risk, months=months, start=start)

# %%
rows, ahead = {}, {}
for when in order:
    ahead[when] = statistics.landmark(months, progressed, since_start[when])
    early = ahead[when].query("time <= @AHEAD")
    rows[when] = {
        "at risk": ahead[when].reached.sum(),
        f"progressed within {AHEAD} months": early.event.sum(),
        "lost within them": (early.reached & ~early.event).sum(),
    }
pd.DataFrame(rows).T

# %% tags=["claim"]
still, ahead_of_last = rows[last]["at risk"], rows[last][f"progressed within {AHEAD} months"]
claim(
    len(patients) - 5 <= still < len(patients) and rows[last]["lost within them"] > 20,
    f"{still} of {len(patients)} patients are still at risk at the last examination: the study includes nobody who progressed before it, and {len(patients) - still} "
    f"on the very day. Within {AHEAD} months of it {ahead_of_last} progress, and {rows[last]['lost within them']} are lost, of whom nobody knows the end.",
    f"At {last} {still} of {len(patients)} patients are at risk, of whom {ahead_of_last} progress within {AHEAD} months.",
)

# %% [markdown]
# ## If one forgets it: immortal time
#
# That nearly all are still at risk is no good news about the treatment. Only patients with images after treatment are included, so each of them was bound to
# reach that examination without progression: the time until then is *immortal*. Count how often patients progress per 100 years of observation, before the
# day of the last examination and from that day on.

# %%
immortal = pd.DataFrame(index=["before", "from that day on"])
immortal["years observed"] = start.clip(upper=months).sum(), (months - start).clip(lower=0).sum()
immortal["years observed"] /= 12
early, late = progressed & (months < start), progressed & (months >= start)
immortal["progressed"] = early.sum(), late.sum()
immortal["per 100 years"] = 100 * immortal.progressed / immortal["years observed"]
immortal.round(1)

# %% tags=["claim"]
rate = immortal["per 100 years"]
claim(
    immortal.progressed["before"] == 0 and rate.iloc[1] > 5,
    f"Nobody progressed in the {immortal['years observed'].iloc[0]:.0f} years before that day, and {rate.iloc[1]:.1f} patients per 100 years from it on. Counting these months as success "
    "flatters every model of the second images, and every treatment that ends late. A study that is to update risks has to follow those who have no second examination, too.",
    f"{rate.iloc[0]:.1f} patients progressed per 100 years before that day, {rate.iloc[1]:.1f} from it on.",
)

# %% [markdown]
# ### The trap: a pill that does nothing
#
# The trap of immortal time can be sprung on purpose. For each patient we draw a month, from 0 to 48, in which to begin to take a pill without any effect.
# Whoever progressed or was lost before that month never takes it. Then takers are compared with the others, and both are counted from the start of treatment.


# %%
def per_100_years(progressions, observed):
    """Progressions in 100 years of observation; `observed` holds months."""
    return 1200 * progressions.sum() / observed.sum()


begins = pd.Series(np.random.default_rng(15).uniform(0, 48, len(months)), months.index)
takes = months > begins

# %% [markdown] tags=["exercise"]
# > **Exercise 15.2 – predict** (3 minutes). How often do the takers progress, compared with the others? Give the ratio of the two rates, from the start of
# > treatment: 1 if the pill seems to do nothing, a half if it seems to halve the rate.

# %% tags=["solution"]
ratio = 0.15  # fill in
check("15.2", ratio, months=months, progressed=progressed, takes=takes)

# %% [markdown]
# **Repair.** The months before the first pill are months *without* the pill, also for those who take it later. A progression is counted on the side to
# which its month belongs.

# %%
without, after = np.minimum(months, begins), (months - begins).clip(lower=0)
taken, others = progressed & takes, progressed & ~takes
rates = pd.DataFrame(index=["counted from the start", "repaired"])
rates["takers"] = per_100_years(taken, months[takes]), per_100_years(taken, after)
rates["others"] = per_100_years(others, months[~takes]), per_100_years(others, without)
rates.assign(ratio=rates.takers / rates.others).round(2)

# %% tags=["claim"]
wrong, repaired = rates.takers / rates.others
spread = np.exp(1.96 * np.sqrt(1 / taken.sum() + 1 / others.sum()))
claim(
    wrong < 0.25 and repaired / spread < 1 < repaired * spread,
    f"Counted from the start, the pill seems to leave {wrong:.0%} of the progressions: whoever progressed early could not take it any more, and stands among the others. Repaired, the ratio is "
    f"{repaired:.2f} (95% CI {repaired / spread:.2f} to {repaired * spread:.2f}), which agrees with no effect at all.",
    f"The ratio of the rates is {wrong:.2f} if counted from the start, and {repaired:.2f} if repaired.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 15.3 – predict** (2 minutes). A patient is last seen, well, 20 months after the landmark. What is this patient at the horizon of 24 months: `"progressed"`,
# > `"free"` or `"unknown"`?

# %% tags=["solution"]
status = "unknown"  # fill in
check("15.3", status)

# %% [markdown] tags=["notes"]
# Ask who would have entered "free" in a spreadsheet. Then ask how many such patients there are: the third column of the table after exercise 15.1 counts them.

# %% [markdown]
# ## A score of each examination
#
# Each examination of a patient becomes one number: the log hazard by a Cox layer on its features (notebook 12). These numbers then enter a second model at
# the landmark, so the trap of notebook 12 waits here twice. The patients who are predicted must be new to the layer *and* to the second model. And the second
# model must learn from scores of patients who were new to the layer that gave the score. Therefore, of five folds, a layer leaves out two: the one that is
# predicted, and the one of the patient who gets the score (for the predicted patients themselves these are one and the same).

# %%
fold, scores = survival_heads.folds_of(patients.progressed), {}
for when in order:
    still = ahead[when][ahead[when].reached]
    outcome = patients.high_risk.loc[still.index].to_frame()
    outcome = outcome.assign(pfs_months=still.time, progressed=still.event)
    features_at, fold_of = examined[when].loc[still.index], fold[still.index]
    scores[when] = survival_heads.nested_scores(features_at, outcome, fold_of)
    scores[when] = scores[when].reindex(patients.index)
print(f"{len(order)} examinations, {fold.nunique() * (fold.nunique() + 1) // 2} layers for each")

# %% [markdown]
# ## A model at each landmark
#
# A Cox model of what is known on that day: one score in the first model, up to two or three in the later ones. The first three lines of the function below
# are all that makes it a landmark model.


# %%
def risk_by_hand(start, so_far):
    """Risk within AHEAD months of a landmark, each fold by a model of the others."""
    at_risk = months > start
    since = (months - start).clip(upper=AHEAD)
    event = progressed & (months - start <= AHEAD)
    risk = pd.Series(np.nan, months.index)
    for number in fold.unique():
        now = pd.DataFrame({when: scores[when][number] for when in so_far})
        others, predicted = at_risk & (fold != number), at_risk & (fold == number)
        model = statistics.fit_cox(since[others], event[others], now[others])
        risk[predicted] = model.p_event(now[predicted], at=[AHEAD])[AHEAD]
    return risk


# %%
risk, so_far = {}, {}
for n, landmark in enumerate(order, start=1):
    day_0 = since_start[landmark]
    for m in range(1, n + 1):
        used = {when: scores[when] for when in order[:m]}  # of all examinations so far, or of less
        p = statistics.landmark_risk(months, progressed, day_0, used, fold, at=[AHEAD])
        risk[landmark, " + ".join(used)] = p[AHEAD]
    so_far[landmark] = " + ".join(used)
assert np.allclose(risk[last, so_far[last]], risk_by_hand(start, order), equal_nan=True)

# %% [markdown]
# ## How good is it at each landmark?
#
# The C-index judges the order within the horizon. The *Brier score* judges the probabilities: it is the mean squared distance of the predicted risk from what
# happened, and less is better. Both are computed out of fold, among those at risk. The *scaled* Brier score tells how much of the error is gone, compared
# with giving everybody the same average risk (0: none, 1: all; below 0 it is worse).


# %%
def follow_up(landmark, patient_ids, horizon=None):
    """Months since a landmark, and whether they ended with progression, of some patients."""
    table = statistics.landmark(months, progressed, since_start[landmark], horizon=horizon)
    return table.time[patient_ids], table.event[patient_ids]


judged = {}
for (landmark, used), p in risk.items():
    p = p.dropna()
    c = statistics.c_index(*follow_up(landmark, p.index, horizon=AHEAD), p)
    brier = statistics.brier_curve(*follow_up(landmark, p.index), p.to_frame(AHEAD)).iloc[0]
    scaled = statistics.Estimate(brier.scaled, brier.scaled_low, brier.scaled_high)
    judged[landmark, used] = {"C-index": c, "Brier": f"{brier.brier:.3f}", "scaled Brier": scaled}
judged = pd.DataFrame(judged).T.rename_axis(["at", "known"])
judged.map(str)

# %% tags=["claim"]
at_last = judged.loc[last]
ranked = [at_last["C-index"].iloc[n].value for n in range(len(order))]
gained = [at_last["scaled Brier"].iloc[n].value for n in range(len(order))]
claim(
    ranked == sorted(ranked) and gained == sorted(gained) and gained[-1] > 2 * gained[0],
    f"At the last landmark each examination that is known raises both measures: C-index {' to '.join(f'{value:.2f}' for value in ranked)}, scaled Brier score "
    f"{' to '.join(f'{value:.2f}' for value in gained)}. The images before treatment rank as well at a later landmark as at the first: what they know does not wear off in these months.",
    f"At the last landmark the C-index is {' to '.join(f'{value:.2f}' for value in ranked)} as more examinations are known.",
)

# %% [markdown]
# ## What does one more examination add?
#
# The intervals of two models overlap easily, because both are widened by the same hard patients. So compare two models on the same patients at the same
# landmark. For the C-index a difference above zero is an improvement, for the Brier score one below zero.

# %%
added = {}
for before, landmark in zip(order[:-1], order[1:], strict=True):
    two = {used: risk[landmark, used].dropna() for used in (so_far[landmark], so_far[before])}
    tested = two[so_far[landmark]].index
    time, event = follow_up(landmark, tested, horizon=AHEAD)
    added[landmark, "C-index"] = statistics.compare_c_index(time, event, two)
    brier = {"measure": "brier", "horizon": AHEAD}
    time, event = follow_up(landmark, tested)
    added[landmark, "Brier"] = statistics.compare_at_horizon(time, event, two, **brier)
added = pd.concat(added, names=["at", "measure"]).droplevel(2).set_index(["a", "b"], append=True)
added = added[["difference", "low", "high"]]
added.round(3)


# %% tags=["claim"]
def in_words(row):
    return f"{row.difference:+.3f} ({row.low:+.3f} to {row.high:+.3f})"


ranking = added.xs("C-index", level="measure")
claim(
    ranking.low.iloc[0] > 0 and ranking.low.iloc[-1] < 0 < ranking.difference.iloc[-1],
    f"Mid-course adds {in_words(ranking.iloc[0])} of C-index to the images before treatment, and the interval excludes zero. Those after treatment add {in_words(ranking.iloc[-1])} to both, "
    "which in these patients cannot be told from zero. So most of what the images after treatment tell could be known months earlier. In *this* study that follows from the pace that the generator draws; "
    "in patients it is the question to ask.",
    f"What each examination adds to the C-index: {'; '.join(in_words(row) for row in ranking.itertuples())}.",
)

# %% [markdown]
# ## One patient, updated
#
# The figure shows the risk of every patient at each examination (thin lines), from all that is known by then. Two patients are marked, by a rule and not by
# taste: the one whose risk rises most, and the one whose risk falls most.

# %%
course = pd.DataFrame({when: risk[when, so_far[when]] for when in order})
moved = (course[last] - course[order[0]]).dropna()
outcome = {
    name: f"{'progressed at' if progressed[name] else 'seen well until'} {months[name]:.0f} months"
    for name in (moved.idxmax(), moved.idxmin())
}
figure = figures.update_figure(course, outcome, ahead=AHEAD)
show(figure, "15.1", "Risk within 24 months at each examination, for all patients; two marked.")

# %% tags=["claim"]
up, down = moved.idxmax(), moved.idxmin()
claim(
    progressed[up] and not progressed[down] and moved[up] > 0.3 and moved[down] < 0,
    f"{up} began at {course.loc[up].iloc[0]:.0%}, stands at {course.loc[up, last]:.0%} after treatment, and progressed at {months[up]:.0f} months. {down} came down from "
    f"{course.loc[down].iloc[0]:.0%} to {course.loc[down, last]:.0%} and was well at {months[down]:.0f} months. Two patients who were chosen for their curves prove nothing; the evidence is the table above.",
    f"The risk of {up} rises by {moved[up]:.2f}, that of {down} changes by {moved[down]:+.2f}.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 15.4 – read a figure** (2 minutes). At which examination did the risk of the patient with the rising line move most? Give its name as it stands under the figure.

# %% tags=["solution"]
where = course.loc[up].diff().abs().idxmax()  # fill in
check("15.4", where, risk=course, patient=up)

# %% [markdown]
# A risk that changes is not yet advice. Whether it helps patients to adapt the plan to it is a question for a randomised trial, in which the plan is adapted
# for some patients and not for others.
#
# ## What do whole images add?
#
# The paper's authors first trained on whole images. They report an accuracy of nearly 70%, and maps that pointed at cerebrospinal fluid, cerebellum, orbit and
# parotid gland; therefore they cut out rectangles. `benchmarks/whole_images.py` compares the two: the same network and the same start weights, with the last
# layer trained in 20 splits, once on rectangles and once on whole images. The mean C-index over the splits:

# %%
from npc_helpers.network import repeated_splits, whole_images

splits = repeated_splits.kept_splits(study, whole_images.KEPT, script="benchmarks/whole_images.py")
mean = splits[splits.model != "TNM"].pivot_table("c_index", "model", "arm", sort=False)
named = splits.assign(model=splits.model + ", " + splits.arm)
both_arms = [named[splits.model == model] for model in mean.index]
differences = [statistics.split_differences(table, measure="c_index") for table in both_arms]
differences = pd.concat(differences)
mean.round(3)

# %% tags=["claim"]
together = differences.set_index("a").loc[f"Ensemble, {whole_images.RECTANGLES}"]
claim(
    (mean[whole_images.WHOLE] < mean[whole_images.RECTANGLES]).all() and together.low > 0,
    f"Rectangles rank better in all three: for the Ensemble by {in_words(together)}, while for either model alone the interval includes zero. The paper's choice of rectangles "
    "agrees with that, though it gives no comparison, only the accuracy of one preliminary experiment.",
    f"The difference of the Ensemble, rectangles minus whole images, is {in_words(together)}.",
)

# %% [markdown]
# And where do the maps lie? Here is one patient (the one with the rising line) in the slice that holds most of the tumour, with the Post-model's two maps:

# %%
from npc_demo.regions import regions
from npc_demo.what_if import patients_of

from npc_helpers.network import features, gradcam, models

truth = regions(patients_of(study)[up], "post")
level = int(truth["tumour"].sum(axis=(1, 2)).argmax())
heads = repeated_splits.kept_splits(study, whole_images.HEADS, script="benchmarks/whole_images.py")
drawn = rois[(rois.patient_id == up) & (rois.sequence == "t2w") & (rois.slice_index == level)]
heats = {}
for arm, seen_by in whole_images.arms(setting).items():
    table = whole_images.cut_out(drawn, arm, setting)
    network = models.prognosis_model(seen_by, seed=0)
    images, index = features.study_images(study, table, "post", setting=seen_by)
    cells = gradcam.activations(network, images)[0] @ heads[f"post, {arm}"].to_numpy()
    heats[arm] = gradcam.Geometry.of(network).to_image(cells, index.iloc[0])

# %%
from npc_helpers.imaging.stacks import load_stacks

image = load_stacks(study, patients=[up], timepoint="post")[up, "post", "t2w"].array[level]
figure = figures.finer_figure(image, heats, mask=truth["tumour"][level])
show(figure, "15.2", "One slice under the map of a rectangle and under that of the whole image.")


# %% tags=["claim"]
def share_of(heat, mask):
    positive = np.nan_to_num(np.clip(heat, 0, None))  # nothing outside the rectangle
    return positive[mask].sum() / positive.sum()


shares = {
    arm: {name: share_of(heat, truth[name][level]) for name in ("tumour", "brain and cerebellum")}
    for arm, heat in heats.items()
}
whole, cut = shares[whole_images.WHOLE], shares[whole_images.RECTANGLES]
claim(
    whole["brain and cerebellum"] > 0.2 and whole["tumour"] < cut["tumour"],
    f"On the whole image {whole['brain and cerebellum']:.0%} of the map lies on brain and cerebellum and {whole['tumour']:.0%} on the tumour; on the rectangle, which leaves out the cerebellum, "
    f"{cut['tumour']:.0%} lies on the tumour. That is one slice; `docs/results.md` has all patients, structure by structure.",
    f"On the whole image {whole['tumour']:.0%} of the map lies on the tumour, on the rectangle {cut['tumour']:.0%}.",
)

# %% [markdown]
# ## What you have now
#
# - At each examination a new risk, for those still at risk, on a clock that starts there; each patient is predicted by models that have not learned from
#   this patient.
# - What one more examination adds, as a paired difference with an interval.
# - A reason to follow patients without a second examination: time in which nobody can progress is no success, and a pill without effect can seem to
#   prevent most relapses.
# - The whole-image experiment, with a measured difference where the paper has a sentence.
#
# ## Check yourself
#
# - A model at the last landmark has learned from patients who had progressed before it. Why does that harm the predictions for those who have not?
# - Suppose that the mid-course images added nothing once the images after treatment are known. Would they be useless?
#
# <details><summary>Answers</summary>
#
# - Their scores and outcomes belong to people who are no longer asked about: the model learns a risk that is too high, and a relation that may not hold among the others.
# - No. They are there months earlier, when a plan can still be changed. Compare them with what is known on *that* day.
#
# </details>
#
# ## Further reading
#
# - Van Houwelingen HC. *Dynamic prediction by landmarking in event history analysis*, Scandinavian Journal of Statistics 2007;34:70–85.
# - Van Houwelingen HC, Putter H. *Dynamic Prediction in Clinical Survival Analysis*, CRC Press 2012.
# - Anderson JR, Cain KC, Gelber RD. *Analysis of survival by tumor response*, Journal of Clinical Oncology 1983;1:710–719.
# - Suissa S. *Immortal time bias in pharmacoepidemiology*, American Journal of Epidemiology 2008;167:492–499.
#
# ## Versions and data

# %%
footer(study, "keras", "tensorflow", "lifelines")
