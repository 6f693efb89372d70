"""The contract of all functions that take outcomes or scores: what is wrong is refused by name.

Every public function of `statistics`, `figures`, `network.prediction`, `network.repeated_splits`,
`network.training`, `network.survival_heads`, `network.survival_losses` and the files of `imaging`
on rectangles is looked up, so that a new one cannot be forgotten: it stands in `CALLS` with the
columns it takes, or in `NO_COLUMNS` with the reason. Each column is spoilt in every way that its
kind can be spoilt, and the call has to be refused with the name of the column and of a patient.
`MAY_ACCEPT` lists what is not refused, and why.
"""

import inspect
import re
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest

from npc_helpers import figures, statistics
from npc_helpers.imaging import brightness, rectangle, roi, roi_files, roi_table
from npc_helpers.imaging.roi_table import COLUMNS as ROI_COLUMNS
from npc_helpers.network import (
    prediction,
    repeated_splits,
    survival_heads,
    survival_losses,
    training,
)
from npc_helpers.study.settings import current_setting

matplotlib.use("Agg")
N = 40
NAMES = [f"p{number:02d}" for number in range(N)]
BAD = 5
ROI_MODULES = (brightness, rectangle, roi, roi_files, roi_table)
PATIENT = re.compile(r"\bp\d\d\b")


def outcome():
    """Columns of one study, all in order, by patient."""
    rng = np.random.default_rng(7)
    risk = rng.normal(size=N)
    months = np.ceil(rng.exponential(50 * np.exp(-risk))).clip(1, 90)
    lost = rng.integers(10, 80, N)
    score = risk + rng.normal(0, 0.8, N)
    stages = rng.choice(["T2", "T3", "T4"], N)
    columns = {
        "time": np.minimum(months, lost),
        "event": months <= lost,
        "label": np.minimum(months, lost) <= 24,
        "score": score,
        "other": rng.normal(size=N),
        "p": 1 / (1 + np.exp(-score)),
        "p_other": rng.uniform(0.05, 0.95, N),
        "call": score > 0,
        "group": np.where(rng.random(N) < 0.5, "a", "b"),
        "start_at": np.full(N, 3.0),
        "t_stage": stages,
        "n_stage": rng.choice(["N1", "N2"], N),
        "stage": np.where(stages == "T4", "IVA", "III"),
        "stage_7th": np.where(stages == "T4", "IVA", "III"),
        "age": rng.integers(20, 75, N).astype(float),
        "sex": rng.choice(["M", "F"], N),
        "treatment": rng.choice(["CCRT", "IC+CCRT", "RT"], N),
        "split": np.where(np.arange(N) < 20, "train", "test"),
        "fold": np.array(["a", "b", "c"])[np.arange(N) % 3],
        "edge": np.full(N, 10),
        "cause": np.where(months > lost, "censored", np.where(np.arange(N) % 3, "local", "death")),
    }
    return {name: pd.Series(values, NAMES) for name, values in columns.items()}


# --- how columns are spoilt ----------------------------------------------------------------------


def put(value):
    """Replace the value of one patient."""

    def spoil(column):
        column = column.astype(object)
        column.iloc[BAD] = value
        return column

    return spoil


def twice(column):
    return column.set_axis([*column.index[:-1], column.index[0]])


ROWS = {
    "another order": lambda column: column.iloc[::-1],
    "one patient fewer": lambda column: column.iloc[:-1],
    "a patient twice": twice,
}
BLANK = {"None": put(None), "NaN": put(np.nan), "blank": put(" ")}
NUMBER = BLANK | {"text": put("a lot"), "infinity": put(np.inf)}
KINDS = {
    "time": NUMBER
    | {"negative": put(-5.0), "exchanged with event": lambda column: outcome()["event"]},
    "flag": BLANK
    | {
        "1 and 2": lambda column: column.astype(int) + 1,
        "yes and no": lambda column: column.map({True: "yes", False: "no"}),
        "months": lambda column: outcome()["time"] + 2,
        "minus one": put(-1),
    },
    "number": NUMBER,
    "probability": NUMBER
    | {"above 1": put(1.5), "negative": put(-0.1), "per cent": lambda column: column * 100},
    "group": BLANK,
    "stage": BLANK | {text: put(text) for text in ("IVa", "4A", "Tx", "?")},
    "tn": BLANK | {text: put(text) for text in ("Tx", "t3", "3", "T5")},
    "word": BLANK | {"unknown": put("?")},
    "edge": {"NaN": put(np.nan), "half a pixel": put(10.5), "text": put("ten"), "None": put(None)},
}
KIND_OF = {
    "time": "time", "event": "flag", "label": "flag", "score": "number", "other": "number",
    "p": "probability", "p_other": "probability", "call": "flag", "group": "group",
    "start_at": "number", "t_stage": "tn", "n_stage": "tn", "stage": "stage", "stage_7th": "stage",
    "age": "number", "sex": "word", "treatment": "word", "split": "group", "edge": "edge",
    "cause": "group", "fold": "group",
}  # fmt: skip


# --- how functions are called --------------------------------------------------------------------


def patients(c, **more):
    """Table of patients: columns of it cannot differ in order or length."""
    names = {"pfs_months": "time", "progressed": "event", "high_risk": "label"} | more
    return pd.DataFrame({title: c[name].to_numpy() for title, name in names.items()}, c.names)


def staged(c):
    titles = {"t_stage": "t_stage", "n_stage": "n_stage", "stage_8th": "stage"}
    return patients(c, **titles, stage_7th="stage_7th")


def described(c):
    titles = {"age_years": "age", "sex": "sex", "treatment": "treatment", "split": "split"}
    return staged(c).join(patients(c, **titles)[list(titles)])


def image_table(c):
    table = pd.DataFrame({"patient_id": c.names, "timepoint": "pre", "sequence": "t2w"})
    return table.assign(slice_index=0, p_high_risk=c["p"].to_numpy())


def cohort_table(c):
    titles = {"split": "split", "stage_8th": "stage"}
    return patients(c, **titles).rename_axis("patient_id").reset_index()


def rectangles(c):
    table = image_table(c)[["patient_id", "timepoint", "sequence", "slice_index"]]
    table = table.assign(x0=c["edge"].to_numpy(), y0=5, x1=60, y1=50, source="manual")
    return table.assign(reader_id="A")[ROI_COLUMNS]


def split_table(c):
    """Results of splits; here each row's name is that of its split."""
    rows = pd.DataFrame({"split": c.names, "model": "m", "auc": c["score"].to_numpy()})
    both = pd.concat([rows, rows.assign(model="n", auc=c["other"].to_numpy())])
    return both.assign(c_index=both["auc"], n_train=30, n_test=10)


def features(c):
    return c["score"].to_frame("f0")


def two_features(c):
    return features(c).assign(f1=c["other"].to_numpy()[: len(c["score"])])


class Columns(dict):
    """Columns by name, and the names of the patients in tables."""

    names = NAMES


def cox_model():
    c = outcome()
    return statistics.fit_cox(c["time"], c["event"], pd.DataFrame({"x": c["score"]}))


s = statistics
ROWS_UNNAMED = "images are an array: labels are matched to them by position"
OUTCOME = {"time": "pfs_months", "event": "progressed"}
LABELLED = OUTCOME | {"label": "high_risk"}
TN = {"t_stage": "t_stage", "n_stage": "n_stage"}
# function -> (call, columns given by themselves, columns of a table); each column with its title
CALLS = {
    "statistics.added_value": (
        lambda c: s.added_value(c["time"], c["event"], c["other"].to_frame("x"), c["score"]),
        {"time": "time", "event": "event", "other": "covariate x", "score": "score"},
    ),
    "statistics.auc_at_horizon": (
        lambda c: s.auc_at_horizon(c["time"], c["event"], c["score"], horizon=24),
        {"time": "time", "event": "event", "score": "risk_score"},
    ),
    "statistics.bland_altman": (
        lambda c: s.bland_altman(c["score"], c["other"]),
        {"score": "first", "other": "second"},
    ),
    "statistics.bootstrap_models": (
        lambda c: s.bootstrap_models(
            c["label"], c["time"], c["event"], {"m": c["score"]}, resamples=20
        ),
        {"time": "time", "event": "event", "label": "high_risk", "score": "score of m"},
    ),
    "statistics.brier_curve": (
        lambda c: s.brier_curve(c["time"], c["event"], c["p"].to_frame(24)),
        {"time": "time", "event": "event", "p": "p_event by 24"},
    ),
    "statistics.c_index": (
        lambda c: s.c_index(c["time"], c["event"], c["score"]),
        {"time": "time", "event": "event", "score": "risk_score"},
    ),
    "statistics.calibration": (
        lambda c: s.calibration(c["label"], c["p"]),
        {"label": "high_risk", "p": "p_high_risk"},
    ),
    "statistics.calibration_at": (
        lambda c: s.calibration_at(c["time"], c["event"], c["p"], horizon=24),
        {"time": "time", "event": "event", "p": "p_event"},
    ),
    "statistics.calibration_groups": (
        lambda c: s.calibration_groups(c["time"], c["event"], c["p"], horizon=24),
        {"time": "time", "event": "event", "p": "p_event"},
    ),
    "statistics.cause_specific_c": (
        lambda c: s.cause_specific_c(c["time"], c["cause"], c["score"], of="local"),
        {"time": "time", "cause": "cause", "score": "risk_score"},
    ),
    "statistics.clinical_covariates": (
        lambda c: s.clinical_covariates(described(c)),
        {},
        TN | {"age": "age_years", "sex": "sex", "treatment": "treatment"},
    ),
    "statistics.compare_at_horizon": (
        lambda c: s.compare_at_horizon(
            c["time"], c["event"], {"m": c["p"], "n": c["p_other"]}, measure="brier", horizon=24
        ),
        {"time": "time", "event": "event", "p": "column of m", "p_other": "column of n"},
    ),
    "statistics.compare_auc": (
        lambda c: s.compare_auc(c["label"], {"m": c["score"], "n": c["other"]}),
        {"label": "high_risk", "score": "score of m", "other": "score of n"},
    ),
    "statistics.compare_c_index": (
        lambda c: s.compare_c_index(c["time"], c["event"], {"m": c["score"], "n": c["other"]}),
        {"time": "time", "event": "event", "score": "score of m", "other": "score of n"},
    ),
    "statistics.compare_labels": (
        lambda c: s.compare_labels(patients(c), {"m": c["score"]}, horizon=24),
        {"score": "score of m"},
        LABELLED,
    ),
    "statistics.compare_models": (
        lambda c: s.compare_models(patients(c), {"m": c["score"]}),
        {"score": "score of m"},
        LABELLED,
    ),
    "statistics.confusion": (
        lambda c: s.confusion(c["label"], c["call"]),
        {"label": "high_risk", "call": "predicted_high"},
    ),
    "statistics.cumulative_dynamic_auc": (
        lambda c: s.cumulative_dynamic_auc(c["time"], c["event"], c["score"], at=(24,)),
        {"time": "time", "event": "event", "score": "risk_score"},
    ),
    "statistics.cumulative_incidence": (
        lambda c: s.cumulative_incidence(c["time"], c["cause"]),
        {"time": "time", "cause": "cause"},
    ),
    "statistics.fit_cox": (
        lambda c: s.fit_cox(c["time"], c["event"], c["score"].to_frame("x")),
        {"time": "time", "event": "event", "score": "covariate x"},
    ),
    "statistics.horizon_label": (
        lambda c: s.horizon_label(c["time"], c["event"]),
        {"time": "pfs_months", "event": "progressed"},
    ),
    "statistics.impute": (
        lambda c: s.impute(c["score"], c["other"].to_frame("x"), below=c["call"], limit=-9),
        {"score": "values", "other": "covariate x", "call": "below"},
    ),
    "statistics.instability": (
        lambda c: s.instability(c["p"], c["p_other"].to_frame(0)),
        {"p": "p", "p_other": "p of refit 0"},
    ),
    "statistics.integrated_brier": (
        lambda c: s.integrated_brier(c["time"], c["event"], pd.DataFrame({12: c["p"], 24: c["p"]})),
        {"time": "time", "event": "event", "p": "p_event by 12"},
    ),
    "statistics.ipcw_weights": (
        lambda c: s.ipcw_weights(c["time"], c["event"], horizon=24),
        {"time": "time", "event": "event"},
    ),
    "statistics.interval_survival": (
        lambda c: s.interval_survival(c["time"], pd.Series(np.inf, c["event"].index)),
        {"time": "lower"},
    ),
    "statistics.kaplan_meier": (
        lambda c: s.kaplan_meier(c["time"], c["event"]),
        {"time": "time", "event": "event"},
    ),
    "statistics.label_audit": (lambda c: s.label_audit(patients(c)), {}, LABELLED),
    "statistics.landmark": (
        lambda c: s.landmark(c["time"], c["event"], c["start_at"]),
        {"time": "time", "event": "event", "start_at": "start_at"},
    ),
    "statistics.landmark_risk": (
        lambda c: s.landmark_risk(
            c["time"], c["event"], c["start_at"],
            {"m": pd.DataFrame({"a": c["score"], "b": c["score"]})}, c["group"],
        ),
        {"time": "time", "event": "event", "start_at": "start_at", "group": "fold",
         "score": "m for fold a"},
    ),
    "statistics.log_rank": (
        lambda c: s.log_rank(c["time"], c["event"], c["group"]),
        {"time": "time", "event": "event", "group": "group"},
    ),
    "statistics.median_follow_up": (
        lambda c: s.median_follow_up(c["time"], c["event"]),
        {"time": "time", "event": "event"},
    ),
    "statistics.median_survival": (
        lambda c: s.median_survival(c["time"], c["event"]),
        {"time": "time", "event": "event"},
    ),
    "statistics.require_patients": (
        lambda c: s.require_patients(patients(c), months=24, at_least=2),
        {},
        OUTCOME,
    ),
    "statistics.restricted_mean": (
        lambda c: s.restricted_mean(c["time"], c["event"], c["group"], horizon=12),
        {"time": "time", "event": "event", "group": "group"},
    ),
    "statistics.roc_auc": (
        lambda c: s.roc_auc(c["label"], c["score"]),
        {"label": "high_risk", "score": "risk_score"},
    ),
    "statistics.roc_curve": (
        lambda c: s.roc_curve(c["label"], c["score"]),
        {"label": "high_risk", "score": "risk_score"},
    ),
    "statistics.share_in_order": (
        lambda c: s.share_in_order(split_table(c), ["m", "n"]),
        {},
        {"score": "auc", "other": "auc"},
    ),
    "statistics.split_differences": (
        lambda c: s.split_differences(split_table(c)),
        {},
        {"score": "auc", "other": "auc"},
    ),
    "statistics.summarise_splits": (
        lambda c: s.summarise_splits(split_table(c)),
        {},
        {"score": "auc", "other": "auc"},
    ),
    "statistics.survival_net_benefit": (
        lambda c: s.survival_net_benefit(
            c["time"], c["event"], {"m": c["p"]}, horizon=24, thresholds=(0.3,)
        ),
        {"time": "time", "event": "event", "p": "probability of m"},
    ),
    "statistics.subgroup_hazard_ratios": (
        lambda c: s.subgroup_hazard_ratios(
            c["time"], c["event"], c["score"], c["group"].to_frame("sex")
        ),
        {"time": "time", "event": "event", "score": "risk_score", "group": "characteristic sex"},
    ),
    "statistics.survival_table": (
        lambda c: s.survival_table(c["time"], c["event"], c["group"], at=(12,)),
        {"time": "time", "event": "event", "group": "group"},
    ),
    "statistics.table_one": (
        lambda c: s.table_one(described(c)),
        {},
        {"age": "age_years", "split": "split"},
    ),
    "statistics.tn_covariates": (lambda c: s.tn_covariates(staged(c)), {}, TN),
    "statistics.tnm_scores": (
        lambda c: s.tnm_scores(staged(Columns(outcome())), staged(c)),
        {},
        TN | {"stage": "stage_8th", "stage_7th": "stage_7th"},
    ),
    "statistics.uno_c_index": (
        lambda c: s.uno_c_index(c["time"], c["event"], c["score"], truncation=36),
        {"time": "time", "event": "event", "score": "risk_score"},
    ),
    "CoxModel.risk_score": (
        lambda c: cox_model().risk_score(patients(c, x="score")),
        {},
        {"score": "x"},
    ),
    "CoxModel.p_event": (
        lambda c: cox_model().p_event(patients(c, x="score"), at=(12, 24)),
        {},
        {"score": "x"},
    ),
    "prediction.image_predictions": (
        lambda c: prediction.image_predictions(image_table(c), c["p"].array, cohort_table(c)),
        {},
        {"p": "p_high_risk", "label": "high_risk", "split": "split"},
    ),
    "prediction.patient_probability": (
        lambda c: prediction.patient_probability(image_table(c)),
        {},
        {"p": "p_high_risk"},
    ),
    "prediction.soft_vote": (
        lambda c: prediction.soft_vote(c["p"], c["p_other"]),
        {"p": "model", "p_other": "model"},
    ),
    "prediction.tnm_risk": (
        lambda c: prediction.tnm_risk(cohort_table(c)),
        {},
        {"stage": "stage_8th"},
    ),
    "repeated_splits.repeated_splits": (
        lambda c: repeated_splits.repeated_splits(
            cohort_table(c), {}, setting=current_setting(), folder="x",
            others={"TNM": c["other"]}, n_splits=1, progress=False,
        ),
        {"other": "TNM"},
        LABELLED,
    ),
    "survival_heads.folds_of": (
        lambda c: survival_heads.folds_of(c["event"], folds=2),
        {"event": "progressed"},
    ),
    "survival_heads.nested_scores": (
        lambda c: survival_heads.nested_scores(two_features(c), patients(c), c["fold"]),
        {"score": "feature f0", "fold": "fold"},
        LABELLED | {"other": "feature f1"},
    ),
    "survival_heads.out_of_fold_risk": (
        lambda c: survival_heads.out_of_fold_risk("Cox", two_features(c), patients(c), folds=2),
        {"score": "feature f0"},
        LABELLED | {"other": "feature f1"},
    ),
    "survival_heads.pair_features": (
        lambda c: survival_heads.pair_features(c["score"].to_frame("f0"), c["other"].to_frame(0)),
        {"score": "feature f0", "other": "feature 0"},
    ),
    "survival_heads.train_head": (
        lambda c: survival_heads.train_head("Cox", two_features(c), patients(c)),
        {"score": "feature f0"},
        LABELLED | {"other": "feature f1"},
    ),
    "survival_losses.follow_up": (
        lambda c: survival_losses.follow_up(c["time"], c["event"]),
        {"time": "time", "event": "event"},
    ),
    "Head.risk": (
        lambda c: survival_heads.Head(
            "Cox", np.zeros(1), np.ones(1), np.ones((1, 1)), np.zeros(1)
        ).risk(patients(c, f0="score")[["f0"]]),
        {},
        {"score": "feature f0"},
    ),
    "training.train": (
        lambda c: training.train(
            None, np.zeros((N, 3)), c["label"], setting=current_setting(), seed=1, run_dir="x"
        ),
        {"label": "high_risk"},
        ROWS_UNNAMED,
    ),
    "training.batches_of": (
        lambda c: training.batches_of(
            np.zeros((N, 3)), c["label"], setting=current_setting(), seed=1,
            patients=c["label"].index,
        ),
        {"label": "high_risk"},
        ROWS_UNNAMED,
    ),
    "roi_table.compare_readers": (
        lambda c: roi.compare_readers(rectangles(c), rectangles(Columns(outcome()))),
        {}, {"edge": "x0"},
    ),
    "figures.agreement_figure": (
        lambda c: figures.agreement_figure(
            image_table(c).assign(iou=c["p"].to_numpy(), area_a=c["score"].to_numpy(), area_b=1.0),
            pixel_mm=0.5,
        ),
        {},
        {"score": "area_a"},
    ),
    "figures.calibration_figure": (
        lambda c: figures.calibration_figure(c["time"], c["event"], {"m": c["p"]}, horizon=24),
        {"time": "time", "event": "event", "p": "probability of m"},
    ),
    "figures.instability_figure": (
        lambda c: figures.instability_figure(c["p"], c["p_other"].to_frame(0), cutoff=0.4),
        {"p": "p", "p_other": "p of refit 0"},
    ),
    "figures.km_by_risk": (
        lambda c: figures.km_by_risk(c["time"], c["event"], c["call"]),
        {"time": "months", "event": "progressed", "call": "high"},
    ),
    "figures.follow_up_explorer": (
        lambda c: figures.follow_up_explorer(patients(c)), {}, OUTCOME,
    ),
    "figures.pfs_figure": (lambda c: figures.pfs_figure(patients(c)), {}, OUTCOME),
    "figures.pre_post_scatter": (
        lambda c: figures.pre_post_scatter(c["p"], c["p_other"], c["event"]),
        {"p": "pre", "p_other": "post", "event": "progressed"},
    ),
    "figures.prediction_strip": (
        lambda c: figures.prediction_strip(c["p"], c["label"], c["split"]),
        {"p": "p_high_risk", "label": "high_risk", "split": "split"},
    ),
    "figures.roc_figure": (
        lambda c: figures.roc_figure(c["label"], {"m": c["score"]}),
        {"label": "high_risk", "score": "risk_score"},
    ),
}  # fmt: skip
RESULTS = "draws a table of results, in which a value may be missing because it is not estimable"
ESTIMATES = "takes estimates, one for each table or subgroup, no column of patients"
IMAGES = "takes images or arrays of pixels, no column of patients"
PLANNING = "takes numbers, no column of patients"
MODEL = "takes a network or its file, no column of patients"
FILES = "reads or writes files of rectangles, whose lines the schema of the study checks"
STACKS = "checks rectangles against series; test_roi spoils them there, because it needs images"
NO_COLUMNS = {
    "statistics.auc_standard_error": PLANNING,
    "statistics.c_index_standard_error": PLANNING,
    "statistics.format_p": "prints a number",
    "statistics.half_width": PLANNING,
    "statistics.mcnemar_exact": PLANNING,
    "statistics.patients_for_development": PLANNING,
    "statistics.patients_for_half_width": PLANNING,
    "statistics.patients_for_power": PLANNING,
    "statistics.power_of_difference": PLANNING,
    "statistics.proportional_hazards": "takes a fitted model, whose columns were checked",
    "statistics.pool_estimates": ESTIMATES,
    "statistics.refitted": "hands the training rows to a function of the caller's",
    "statistics.wilson": PLANNING,
    "prediction.compared_patients": "looks up patient_id only; whoever lacks images is left out",
    "prediction.compared_scores": "takes a reader of tables, which functions with columns check",
    "statistics.with_printed_p": "prints a table of results",
    "figures.confusion_figure": RESULTS,
    "figures.contact_sheet": IMAGES,
    "figures.covering_figure": RESULTS,
    "figures.cox_figure": RESULTS,
    "figures.decision_figure": RESULTS,
    "figures.finer_figure": IMAGES,
    "figures.flow_chart": RESULTS,
    "figures.forest_figure": RESULTS,
    "figures.gradcam_panel": IMAGES,
    "figures.input_montage": IMAGES,
    "figures.interventions_figure": RESULTS,
    "figures.label_figure": RESULTS,
    "figures.learning_curves": RESULTS,
    "figures.network_diagram": RESULTS,
    "figures.precision_figure": RESULTS,
    "figures.printed_intervals_figure": RESULTS,
    "figures.roi_montage": IMAGES,
    "figures.sanity_figure": RESULTS,
    "figures.series_grid": IMAGES,
    "figures.interval_figure": RESULTS,
    "figures.paired_figure": RESULTS,
    "figures.patient_figure": RESULTS,
    "figures.split_figure": RESULTS,
    "figures.time_dependent_figure": RESULTS,
    "survival_heads.new_head": MODEL,
    "survival_heads.patient_features": IMAGES,
    "survival_heads.scaled": "takes an array of features, which train_head has checked",
    "survival_losses.cox_loss": "takes tensors, which follow_up has checked",
    "survival_losses.p_progression": "takes what a network answers",
    "figures.update_figure": RESULTS,
    "training.history_table": "takes what Keras measured",
    "training.predict": IMAGES,
    "rectangle.crop": IMAGES,
    "rectangle.default_rectangle": IMAGES,
    "brightness.intensity_range": IMAGES,
    "roi.network_inputs": STACKS,
    "rectangle.pad_offset": IMAGES,
    "brightness.stretch": IMAGES,
    "roi.suggest_rois": STACKS,
    "repeated_splits.keep_splits": FILES,
    "repeated_splits.kept_splits": FILES,
    "repeated_splits.trained_anew": "takes images and labels that `repeated_splits` has checked",
    "training.adam": "takes a setting and a number of steps",
    "training.compiled": "takes a network and a setting",
    "training.start_of": MODEL,
    "training.fit": "takes batches, which were checked when they were made",
    "brightness.to_uint8": IMAGES,
    "rectangle.shrink": IMAGES,
    "rectangle.zero_pad": IMAGES,
    "roi_table.check_rois": STACKS,
    "roi_files.drawn_path": FILES,
    "roi_table.join_readers": FILES,
    "rectangle.overlap": "takes two rectangles, which refuse edges that are no whole numbers",
    "roi_files.read_drawn": FILES,
    "roi_files.read_rectangles": FILES,
    "roi_table.rectangle_of": "takes one row; the functions that take tables call it",
    "roi_files.replace_in_file": FILES,
    "roi_table.require_drawn": "counts words of a column that the schema of the study checks",
    "roi_table.replace_rows": "a later row replaces an earlier one: that is its purpose",
    "roi_files.write_rectangles": FILES,
}
# (function, column, how it is spoilt) -> why it is not refused
MISSING_COUNTED = "a missing value is counted in a row of its own, and is no level"
MAY_ACCEPT = {
    (function, "start_at", name): "a patient without the second scan has no landmark"
    for function in ("statistics.landmark", "statistics.landmark_risk")
    for name in BLANK
}
MAY_ACCEPT |= {("statistics.table_one", "age", name): MISSING_COUNTED for name in BLANK}
IMPUTED = "what is missing is what it draws"
MAY_ACCEPT |= {("statistics.impute", "score", name): IMPUTED for name in BLANK}
JOINED = "joins its columns by patient_id, whatever their order"
MAY_ACCEPT |= {
    ("prediction.soft_vote", name, "another order"): JOINED for name in ("p", "p_other")
} | {("repeated_splits.repeated_splits", name, "another order"): JOINED for name in ("other",)}
MAY_ACCEPT |= {
    ("survival_heads.pair_features", name, how): "returns who is in both tables, by patient_id"
    for name in ("score", "other")
    for how in ("another order", "one patient fewer")
}
MAY_ACCEPT |= {
    ("survival_heads.folds_of", "event", how): "one column: there are no other rows to compare"
    for how in ("another order", "one patient fewer")
}


# --- the contract --------------------------------------------------------------------------------


def public_functions():
    names = [
        f"{room.__name__.rpartition('.')[2]}.{name}"
        for room in (statistics, figures)
        for name, _ in inspect.getmembers(room, inspect.isfunction)
    ]
    network = (prediction, repeated_splits, survival_heads, survival_losses, training)
    for module in (*network, *ROI_MODULES):
        short = module.__name__.rpartition(".")[2]
        names += [
            f"{short}.{name}"
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if not name.startswith("_") and function.__module__ == module.__name__
        ]
    methods = inspect.getmembers(statistics.CoxModel, inspect.isfunction)
    return {*names, "Head.risk"} | {
        f"CoxModel.{name}"
        for name, method in methods
        if "covariates" in inspect.signature(method).parameters and not name.startswith("_")
    }


def test_no_public_function_is_forgotten():
    assert public_functions() == set(CALLS) | set(NO_COLUMNS)
    assert not set(CALLS) & set(NO_COLUMNS)


@pytest.mark.parametrize("name", CALLS)
def test_the_call_as_such_is_in_order(name):
    if name == "training.train":
        pytest.skip("needs a network; test_training trains one")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        CALLS[name][0](Columns(outcome()))


def cases():
    for name, (_, alone, *rest) in CALLS.items():
        named = ROWS_UNNAMED not in rest
        for column, title in alone.items():
            for how, spoil in (KINDS[KIND_OF[column]] | (ROWS if named else {})).items():
                yield name, column, title, how, spoil
        rest = rest if named else []
        for column, title in (rest[0] if rest else {}).items():
            for how, spoil in KINDS[KIND_OF[column]].items():
                yield name, column, title, how, spoil
        if rest:
            yield name, "", "rows in|more than one|is in .* only|split", "a patient twice", None


CASES = [pytest.param(*case, id=f"{case[0]}, {case[1]}: {case[3]}") for case in cases()]


@pytest.mark.parametrize(("name", "column", "title", "how", "spoil"), CASES)
def test_what_is_spoilt_is_refused_by_name(name, column, title, how, spoil):
    columns = Columns(outcome())
    if column:
        columns[column] = spoil(columns[column])
    else:
        columns.names = [*NAMES[:-1], NAMES[0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if (name, column, how) in MAY_ACCEPT:
            CALLS[name][0](columns)
            return
        with pytest.raises(ValueError, match=PATIENT) as refusal:
            CALLS[name][0](columns)
    message = str(refusal.value)
    assert re.search(title, message), message
    if how in KINDS["time"] and how not in ROWS and how != "exchanged with event":
        assert NAMES[BAD] in message, message
