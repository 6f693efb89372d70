# %% [markdown]
# # Compare with TNM: is the network better than staging?
#
# The paper's claim is a comparison on 43 test patients: three models against TNM staging. This
# notebook makes the same comparison, with intervals and paired tests, and answers the question in its title.
#
# *Time: 20 minutes to read, a quarter of a minute to run.*
#
# ## What you'll do
#
# - Combine Pre-model and Post-model by soft voting.
# - Draw the four ROC curves, and compute AUC, C-index and the 2 x 2 tables.
# - Choose a threshold, and see what it costs.
# - Compare the models in pairs, on the same patients, and with stronger forms of TNM.
#
# ## What you'll learn
#
# - The difference between discriminating a label and ranking survival times.
# - Why a higher number is not yet a better model, and why two intervals can overlap although the difference is clear.
# - How much of a comparison depends on the form in which TNM enters.
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
from npc_helpers.cohort import included_patients
from npc_helpers.figures.display import footer, show
from npc_helpers.figures.study_report import write_report
from npc_helpers.network import prediction
from npc_helpers.network.repeated_splits import kept_splits
from npc_helpers.study import Study
from npc_helpers.study.later import FEW_TEST_PATIENTS
from npc_helpers.study.provenance import provenance_sentence

study = Study.open()
begin(study)

# %% [markdown]
# ## One probability per patient
#
# Image probabilities are averaged within a patient. The Ensemble is a *soft vote*: the plain
# mean of the two models' probabilities. The package does the same. It keeps the patients of whom both models have seen an
# image, and adds TNM as the paper seems to have used it, with one threshold: stage IVA (8th edition: T4 or N3) is called high
# risk and stage III low risk.

# %% tags=["nbval-check-output"]
study.require_outcomes("the comparison")
pre = study.read_table("predictions_pre.csv").groupby("patient_id").p_high_risk.mean()
post = study.read_table("predictions_post.csv").groupby("patient_id").p_high_risk.mean()
vote = (pre + post) / 2  # missing for a patient who has images of one time point only

patients, risk = prediction.compared_scores(study.read_table)
assert np.allclose(risk["Ensemble"], vote[patients.index])
included = included_patients(study.read_table("cohort.csv"))
print(f"{len(patients)} of {len(included)} patients have images of both time points")
rois = study.read_table("rois.csv")
print(provenance_sentence(rois[rois.patient_id.isin(patients.index)]))

# %%
test = patients[patients.split == "test"]
truth = test.high_risk.astype(bool)
print(f"{len(test)} test patients: {truth.sum()} high risk, {test.progressed.sum()} progressed")
test_risk = {name: score.reindex(test.index) for name, score in risk.items()}
pd.DataFrame(test_risk).assign(high_risk=truth).head().round(3)

# %% tags=["claim"]
middle = test_risk["Ensemble"].quantile([0.1, 0.9]).round(2)
claim(
    middle.iloc[0] > 0.3 and middle.iloc[1] < 0.7,
    f"The networks hesitate: for 8 of 10 test patients the Ensemble says between {middle.iloc[0]:.2f} "
    f"and {middle.iloc[1]:.2f}. Much of what follows asks for their *order* alone, and an order needs no "
    "large distances.",
    f"For 8 of 10 test patients the Ensemble says between {middle.iloc[0]:.2f} and "
    f"{middle.iloc[1]:.2f}. Much of what follows asks for their *order* alone.",
)

# %% [markdown]
# ## Telling the two groups apart
#
# An ROC curve walks through all thresholds. It plots the share of high-risk patients whom each one finds (sensitivity)
# against the share of low-risk patients whom it calls high-risk by mistake (1 − specificity). The area under the curve (AUC) is the chance that a
# random high-risk patient gets a higher score than a random low-risk one (a tie counts one half). An AUC of one half is guessing.

# %%
figure = figures.roc_figure(truth, test_risk)
show(figure, "5.1", "ROC curves of Pre-model, Post-model, Ensemble and TNM in the test cohort.")

# %% tags=["claim"]
area = {name: statistics.roc_auc(truth, score).value for name, score in test_risk.items()}
ranked = sorted(area, key=area.get, reverse=True)
claim(
    ranked[:2] == ["Post-model", "Ensemble"] and max(area["Pre-model"], area["TNM"]) < 0.65,
    f"The curves of {ranked[0]} and {ranked[1]} lie highest, those of Pre-model and TNM close to the "
    "diagonal. TNM has one corner only, because a stage cut in two is a single threshold.",
    f"From the largest area to the smallest: {', '.join(ranked)}. TNM has one corner only, because a "
    "stage cut in two is a single threshold.",
)

# %% [markdown]
# ### Try it: which threshold would you choose?
#
# Drag the point along a curve, or use the arrow keys on the slider: the table counts whom that threshold
# finds, whom it misses, and whom it calls high-risk by mistake. Set how many false alarms you would accept to avoid missing one patient,
# and the diamond marks the threshold of least cost.

# %% tags=["timeless"]
from npc_helpers.widgets import RocExplorer

RocExplorer(truth, test_risk)

# %% [markdown] tags=["exercise"]
# > **Exercise 05.1 – repair** (5 minutes). A report needs one threshold for the Ensemble. The function
# > takes the one with the largest sum of sensitivity and specificity (*Youden's* rule), and it is right. The
# > line below it is not: the threshold that it finds cannot be tested any more. Repair that line.

# %% tags=["solution"]
train, ensemble = patients[patients.split == "train"], risk["Ensemble"]


def best_threshold(group):
    """Return the threshold at which sensitivity + specificity is largest."""
    curve = statistics.roc_curve(group.high_risk, ensemble[group.index])
    return curve.threshold[(curve.tpr - curve.fpr).idxmax()]


threshold = best_threshold(train)  # repair: best_threshold(test)
check("05.1", threshold, patients=patients, score=ensemble)

# %% [markdown] tags=["notes"]
# Ask the room where the harm is, since the AUC uses the label of the test patients as well. The AUC
# *measures* with it; the line, before its repair, *decided* with it. Whoever decides by the test cohort has moved it
# into training, and no patients are left on whom anything could be measured.

# %% [markdown]
# ## Ranking survival times
#
# The label has thrown away *when* someone progressed, and it calls patients high-risk who were
# merely lost to follow-up early. Harrell's C-index does neither: among all pairs of patients for whom it is known who
# progressed first, it asks how often the model gave the higher risk to the one who did. Which pairs are these?

# %%
month, event = test.pfs_months.to_numpy(), test.progressed.to_numpy(dtype=bool)
sooner = month[:, None] < month  # (n, n): row before column
same_day = (month[:, None] == month) & ~event  # the column's patient was still well on that day
first = event[:, None] & (sooner | same_day)
print(f"{first.sum()} pairs in which one patient is known to have progressed first")

# %% [markdown] tags=["exercise"]
# > **Exercise 05.2 – fill in one line** (6 minutes). Compute the C-index of TNM from the three matrices:
# > of the pairs in `first`, the share in which the first patient has the higher score. Ties in the score count
# > one half, and a score of two levels has many.

# %% tags=["solution"]
stage = test_risk["TNM"].to_numpy()
higher, tied = stage[:, None] > stage, stage[:, None] == stage  # (n, n)
c_of_tnm = (higher + tied / 2)[first].mean()  # fill in
check("05.2", c_of_tnm, test=test, score=stage)

# %%
auc = {name: statistics.roc_auc(truth, score) for name, score in test_risk.items()}
c = {name: statistics.c_index(month, event, score) for name, score in test_risk.items()}
for name, score in test_risk.items():
    s = score.to_numpy()
    assert np.isclose(c[name].value, ((s[:, None] > s) + (s[:, None] == s) / 2)[first].mean())
pd.DataFrame({"AUC": auc, "C-index": c}).map(str)

# %% tags=["claim"]
gap = c["Ensemble"].value - auc["Ensemble"].value
claim(
    all(c[name].value > auc[name].value for name in auc),
    f"The same for each model (and the package agrees): for every row the C-index is higher than the AUC, for the Ensemble by {gap:.2f}. "
    "When that is so, look at the label before you look at the model: the order of relapses is predicted better than the label, "
    "which asks another question.",
    f"The Ensemble's C-index differs from its AUC by {gap:+.2f}: one asks for the order of relapses, the "
    "other for the label.",
)

# %% [markdown]
# ## Yes or no
#
# With a threshold of one half every patient is called high or low risk, and four counts follow. (One half suits a label that
# divides the training patients into two halves, and nobody had to look at test patients to choose it.)

# %%
tables = {name: statistics.confusion(truth, score > 0.5) for name, score in test_risk.items()}
figure = figures.confusion_figure(tables)
show(figure, "5.2", "Four two-by-two tables of true against predicted risk group.")

# %% tags=["claim"]
table = tables["Ensemble"]
high, low = table.tp + table.fn, table.fp + table.tn
missed = truth & (test_risk["Ensemble"] <= 0.5)
well = (missed & ~test.progressed.astype(bool)).sum()
claim(
    table.fn > table.fp and well > 0,
    f"The diagonals count correct calls. The Ensemble's mistakes are unequal: it misses {table.fn} of {high} "
    f"high-risk patients (upper right) and raises a false alarm for {table.fp} of {low} others (lower left). "
    f"{well} of those it misses never progressed: they carry the label because they were observed for a short time.",
    f"The diagonals count correct calls. The Ensemble misses {table.fn} of {high} high-risk patients (upper "
    f"right) and raises a false alarm for {table.fp} of {low} others (lower left).",
)

# %% [markdown]
# ## The table
#
# Everything in one place, with 95% confidence intervals. *Sensitivity* and *specificity* are shares of a true
# group, *PPV* and *NPV* (positive and negative predictive value) shares of those with the same prediction. (The paper prints
# sensitivities and specificities under the names of PPV and NPV: see [07](07_appraise_paper.ipynb).)

# %%
comparison = statistics.compare_models(test, test_risk)
study.write_table("comparison.csv", comparison)
comparison.set_index("model").round(3).T

# %% tags=["claim"]
widths = (comparison.accuracy_high - comparison.accuracy_low).round(2)
claim(
    widths.min() > 0.2,
    f"No interval of an accuracy is narrower than {widths.min():.2f}: that is what {len(test)} patients "
    "can tell of a single model.",
    f"The intervals of the accuracies are {widths.min():.2f} to {widths.max():.2f} wide.",
)

# %% [markdown]
# The paper's order is Pre-model, Post-model, Ensemble. The patients of the demonstration study are synthetic, and their cohort was *chosen*
# from many that the same generator made, so that this order can show. Does it? We can look at other divisions of the same
# patients, for each of which the models were trained anew ([10](10_how_sure.ipynb) looks at them closely):

# %% tags=["claim"]
splits, order = kept_splits(study), ("Pre-model", "Post-model", "Ensemble")
kept = {m: statistics.share_in_order(splits, order, measure=m) for m in ("auc", "c_index")}
claim(
    max(kept.values()) < 0.5,
    f"The paper's order shows in {kept['auc']:.0%} of {splits.split.nunique()} splits by AUC and in "
    f"{kept['c_index']:.0%} by C-index. The order of three numbers from one split is no finding.",
    f"The paper's order shows in {kept['auc']:.0%} of {splits.split.nunique()} splits by AUC and in "
    f"{kept['c_index']:.0%} by C-index.",
)

# %% [markdown]
# ## Is one better than another?
#
# A first look, and a common mistake: to compare intervals by eye.

# %%
figure = figures.forest_figure(comparison)
show(figure, "5.3", "AUC and C-index of each model with 95 percent confidence intervals.")

# %% tags=["claim"]
lowest_high, highest_low = comparison.auc_high.min(), comparison.auc_low.max()
claim(
    highest_low < lowest_high,
    f"Any two of the intervals on the left overlap: between {highest_low:.2f} and {lowest_high:.2f} lies "
    "a stretch that belongs to all.",
    "No stretch belongs to all intervals on the left.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 05.3 – predict** (4 minutes). The models were tested on the *same* patients. Take the AUC of the
# > Post-model minus that of TNM, with its interval: does that interval include zero, `"yes"` or `"no"`? Decide from
# > the figure, and write down why.

# %% tags=["solution"]
two = {name: test_risk[name] for name in ("Post-model", "TNM")}
zero_inside = "no"  # fill in
check("05.3", zero_inside, truth=truth, risk=two)

# %% [markdown]
# So a comparison is made on *differences*, patient by patient. DeLong's test does that for AUCs:

# %%
differences = statistics.compare_auc(truth, test_risk)
statistics.with_printed_p(differences).drop(columns="p_holm").round(3)

# %% tags=["claim"]
networks = differences[(differences.a != "TNM") & (differences.b != "TNM")]
best = differences.loc[differences.p.idxmin()]
claim(
    ((networks.low < 0) & (networks.high > 0)).all() and (best.a, best.b) == ("Post-model", "TNM"),
    "All differences between two networks have zero in their interval: none is shown to be better than "
    f"another. The smallest P belongs to {best.a} against {best.b}.",
    f"The smallest P belongs to {best.a} against {best.b}; {((networks.low > 0) | (networks.high < 0)).sum()} "
    f"of {len(networks)} intervals between two networks leave zero out.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 05.4 – fill in one line** (5 minutes). Whoever asks many questions gets some small P by luck. *Holm's* method
# > takes the P values from the smallest on, multiplies the first by the number of pairs, the second by one less, and
# > so on. None may be smaller than the one before it, or larger than 1. (`s.cummax()` raises each value of a column `s` to the largest before it;
# > `s.clip(upper=1)` cuts off what is larger than 1.)

# %% tags=["solution"]
p = differences.p.sort_values()
times = np.arange(len(p), 0, -1)
adjusted_p = (p * times).cummax().clip(upper=1)  # fill in
check("05.4", adjusted_p, p=p)

# %% [markdown]
# `differences` holds the same in its last column, `p_holm`.
#
# ## Survival by predicted risk
#
# Clinicians think in survival curves. Here are the test patients divided by the Ensemble's answer. The *log-rank test* asks whether
# two such curves could come from one and the same risk.

# %%
called = test_risk["Ensemble"] > 0.5
figure = figures.km_by_risk(test.pfs_months, test.progressed, called)
show(figure, "5.4", "Kaplan-Meier curves of patients whom the Ensemble calls high and low risk.")

# %% tags=["claim"]
log_rank = statistics.log_rank(test.pfs_months, test.progressed, called)
n, events, of_called = called.sum(), test.progressed.sum(), (test.progressed & called).sum()
left = ((test.pfs_months > 48) & called).sum()
claim(
    log_rank.p < 0.05 and left < 5,
    f"Of {n} patients called high-risk {of_called} progressed, of {len(test) - n} others "
    f"{events - of_called} (log-rank {log_rank}). The numbers below the axis show how few patients carry the "
    f"right end: beyond 48 months, {left} of those called high-risk.",
    f"Of {n} patients called high-risk {of_called} progressed, of {len(test) - n} others "
    f"{events - of_called} (log-rank {log_rank}).",
)

# %% [markdown]
# ## TNM in stronger forms
#
# One threshold is the weakest form of TNM. The staging system holds more: the order of the 7th edition's groups,
# and T and N one by one, weighed by a *Cox model*: a regression that gives each of them a weight, by how much sooner patients
# of a higher category progress. It was fitted in the *training* cohort and is applied to the test cohort once.

# %%
staging = statistics.tnm_scores(patients[patients.split == "train"], test)
forms = staging | {"Ensemble": test_risk["Ensemble"]}
auc_of = {name: statistics.roc_auc(truth, score) for name, score in forms.items()}
c_of = {name: statistics.c_index(month, event, score) for name, score in forms.items()}
pd.DataFrame({"AUC": auc_of, "C-index": c_of}).map(str)

# %% tags=["claim"]
weak, strong = c_of["TNM, two levels"].value, c_of["T + N, Cox"].value
claim(
    strong > weak + 0.05 and c_of["Ensemble"].value > strong,
    f"Nothing but the form has changed, and the C-index of staging rises from {weak:.2f} to {strong:.2f}. "
    f"The Ensemble's {c_of['Ensemble'].value:.2f} is a smaller step from there.",
    f"Cut in two, staging has a C-index of {weak:.2f}; with T and N weighed it is {strong:.2f}. The "
    f"Ensemble has {c_of['Ensemble'].value:.2f}.",
)

# %% [markdown]
# ## The answer
#
# Is the network better than staging? The Ensemble minus TNM in three ways, each time on the same test patients:

# %%
pair = {"Ensemble": test_risk["Ensemble"], "TNM": test_risk["TNM"]}
weighed = pair | {"TNM": staging["T + N, Cox"]}
answers = {
    "AUC, one threshold of TNM": statistics.compare_auc(truth, pair),
    "C-index, one threshold of TNM": statistics.compare_c_index(month, event, pair),
    "C-index, T and N weighed": statistics.compare_c_index(month, event, weighed),
}
answer = pd.concat(answers).droplevel(1)[["difference", "low", "high", "p"]]
statistics.with_printed_p(answer).round(3)

# %% tags=["claim"]
enough = len(test) >= FEW_TEST_PATIENTS
verdict = np.select([answer.low > 0, answer.high < 0], ["better", "worse"], "not decided")
verdict = np.where(enough, verdict, "not decided")
claim(
    list(verdict) == ["better", "better", "not decided"],
    "Against TNM as the paper used it, with one threshold, yes: no interval of the first two rows includes zero, "
    f"though they begin at {answer.low.iloc[:2].min():.2f}, almost no difference. Against T and N weighed in the "
    f"training cohort the interval reaches from {answer.low.iloc[2]:.2f} to {answer.high.iloc[2]:.2f}. So "
    "what can be written is: *the Ensemble ranks patients better than a stage that is cut in two; whether it "
    "is better than staging is open*.",
    "The Ensemble compared with TNM: "
    + "; ".join(map(": ".join, zip(answer.index, verdict, strict=True)))
    + ("." if enough else f": {len(test)} test patients are too few to decide."),
)

# %% [markdown]
# An interval that includes zero does not say that two models are equally good. It says that these patients
# cannot tell.
#
# ## For the manuscript
#
# Figures as SVG and PDF, tables as CSV and LaTeX, and one page that holds them all. Parts that later notebooks
# make are named there with the notebook to run.

# %%
print("report:", write_report(study).relative_to(study.writable))

# %% [markdown]
# ## What you have now
#
# - AUC and C-index ask two questions of the same scores, and may give two answers.
# - Whoever chooses a threshold by the test patients has no test patients left.
# - Intervals that overlap say little about a difference; a paired difference has an interval of its own.
# - The opponent decides: against a stage cut in two the network wins, against T and N weighed the question is open.
# - `comparison.csv` and `report/`. Three questions go on: is the label fair
#   ([08](08_question_the_label.ipynb)), do the probabilities mean what they say
#   ([09](09_probabilities_and_decisions.ipynb)), and how much can so few patients tell
#   ([10](10_how_sure.ipynb))?
#
# ## Check yourself
#
# - Can an AUC of 0.723 arise from a single threshold on 23 and 20 patients?
# - A model has a higher AUC than TNM and P = 0.30. What do you write?
#
# <details><summary>Answers</summary>
#
# - With one threshold the AUC is the mean of sensitivity and specificity, here
#   (16/23 + 15/20) / 2 = 0.723. So yes, and this is where the paper's AUC of TNM comes from.
# - That the data do not show a difference, with the interval of the difference, so that the
#   reader sees what is still possible.
#
# </details>
#
# ## Further reading
#
# - DeLong ER, DeLong DM, Clarke-Pearson DL. *Comparing the areas under two or more correlated
#   receiver operating characteristic curves*, Biometrics 1988.
# - Harrell FE et al. *Multivariable prognostic models*, Statistics in Medicine 1996.
# - Holm S. *A simple sequentially rejective multiple test procedure*, Scandinavian Journal of Statistics 1979.
#
# ## Versions and data

# %%
footer(study, "lifelines", "scipy")
