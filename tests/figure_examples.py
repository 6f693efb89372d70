"""A drawn example of every figure, from made-up numbers: for the tests of figures and marks."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from npc_helpers import appraisal, figures, statistics
from npc_helpers.cohort.screening import CRITERIA


def flow_table():
    lost = [102, 31, 214, 239, 130, 41, 12, 18, 24, 17]
    remaining = 1034 - np.cumsum(lost)
    return pd.DataFrame(
        {
            "step": range(1, 11), "criterion": [c.name for c in CRITERIA],
            "remaining_before": remaining + lost, "lost": lost, "remaining": remaining,
            "meaning": [f"{c.kind.capitalize()} {c.number}: {c.text}" for c in CRITERIA],
        }
    )  # fmt: skip


def cohort_table(n=206):
    rng = np.random.default_rng(4)
    months = np.round(rng.gamma(5, 8, n)).clip(2, 86)
    return pd.DataFrame(
        {
            "patient_id": [f"P{i:04d}" for i in range(n)],
            "pfs_months": months,
            "progressed": rng.random(n) < 0.25,
            "high_risk": months <= np.median(months),
            "split": np.where(np.arange(n) < 43, "test", "train"),
        }
    )


def risk_scores(truth):
    rng = np.random.default_rng(5)
    noise = {"Pre-model": 2.0, "Post-model": 1.2, "Ensemble": 1.0}
    scores = {
        name: pd.Series(1 / (1 + np.exp(-(truth - 0.5 + rng.normal(0, sigma, len(truth))))))
        for name, sigma in noise.items()
    }
    flip = rng.random(len(truth)) < 0.28
    return scores | {"TNM": pd.Series((truth.to_numpy() != flip).astype(float))}


def description():
    stages = [
        ("input", 1, 4, (256, 256, 3), 0), ("stem", 1, 20, (29, 29, 48), 40000),
        ("mixed_5b", 1, 23, (29, 29, 80), 16000), ("block35", 2, 52, (29, 29, 80), 20000),
        ("mixed_6a", 1, 13, (14, 14, 272), 170000), ("block17", 3, 54, (14, 14, 272), 250000),
        ("mixed_7a", 1, 23, (6, 6, 520), 300000), ("block8", 2, 38, (6, 6, 520), 260000),
        ("conv_7b", 1, 3, (6, 6, 384), 200000), ("pool", 1, 1, (384,), 0),
        ("dropout", 1, 1, (384,), 0), ("risk", 1, 1, (2,), 770),
    ]  # fmt: skip
    names = ["stage", "repeats", "layers", "output_shape", "parameters"]
    return pd.DataFrame(stages, columns=names)


def found_series():
    """A table as `find_series` makes it, and a picture of all but the last series."""
    rows = [
        ("WATER: Ax T2", 7, "t2w", "pre", "proposed", "TR 4000 ms", ""),
        ("3-Plane Loc", 1, "localiser", "", "refused", "its description names a localiser", ""),
        ("Ax T1", 7, "t1w", "", "refused", "no sign of contrast", "pre t1c"),
        ("", 7, "unclear", "", "refused", "no RepetitionTime is given", ""),
        ("Truth", 1, "not_mr", "", "refused", "modality SEG, not MR", ""),
    ]
    names = ["description", "n_images", "kind", "timepoint", "status", "reason", "decided"]
    ramp = np.tile(np.arange(64.0), (64, 1))
    return pd.DataFrame(rows, columns=names), [*[ramp] * 4, "file x.dcm: it is no image. " * 20]


def histories():
    rng = np.random.default_rng(6)
    tables = {}
    for name, rate, epochs in (("transferred", 0.09, 45), ("random", 0.03, 60)):
        epoch = np.arange(1, epochs + 1)
        loss = 0.35 + 0.4 * np.exp(-rate * epoch) + rng.normal(0, 0.006, epochs)
        tables[name] = pd.DataFrame({"epoch": epoch, "loss": loss, "accuracy": 1.2 - loss})
    return tables


def head_slices(n=6):
    """Something head-like: an ellipse with a bright spot, (n, 512, 512) uint16, and the spot."""
    rows, columns = np.mgrid[:512, :512]
    inside = ((rows - 256) / 220) ** 2 + ((columns - 256) / 180) ** 2 < 1
    spot = (rows - 230) ** 2 + (columns - 270) ** 2 < 35**2
    image = np.random.default_rng(7).normal(400, 25, (512, 512)) * inside + 500 * spot
    return np.repeat(image.clip(0)[None].astype(np.uint16), n, axis=0), spot


def stacks_and_rois():
    array, _ = head_slices()
    series = SimpleNamespace(array=array, pixel_spacing_mm=(0.47, 0.47), positions_mm=np.arange(6))
    stacks = {("P0001", "pre", name): series for name in ("t2w", "t1c")}
    rows = [(*key, i, 60 + i, 150, 458, 352) for key in stacks for i in range(6)]
    names = ["patient_id", "timepoint", "sequence", "slice_index", "x0", "y0", "x1", "y1"]
    return stacks, pd.DataFrame(rows, columns=names)


def comparison():
    rows = [
        ("Pre-model", 0.741, 0.584, 0.900, 0.717, 0.639, 0.795),
        ("Post-model", 0.806, 0.670, 0.942, 0.811, 0.762, 0.861),
        ("Ensemble", 0.842, 0.718, 0.967, 0.830, 0.784, 0.877),
        ("TNM", 0.723, 0.567, 0.879, 0.709, 0.620, 0.788),
    ]
    names = [f"{m}{end}" for m in ("auc", "c_index") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["model", *names])


def sanity():
    return pd.DataFrame(
        {
            "step": range(9),
            "randomised": ["none", "head", "conv_7b", "block8", "mixed_7a", "block17", "mixed_6a",
                           "block35", "stem"],
            "ssim": [1, 0.5, 0.3, 0.25, 0.2, 0.22, 0.2, 0.18, 0.2],
            "rank_correlation": [1, 0.2, 0.1, -0.1, 0.05, 0.1, 0, 0.05, -0.05],
            "ssim_unrelated": 0.32, "rank_correlation_unrelated": 0.21,
        }
    )  # fmt: skip


def gradcam_example(sign=1):
    image, spot = head_slices(1)
    cells = np.random.default_rng(8).normal(0, 0.02, (6, 6))
    cells[2:4, 2:4] += 0.08
    cells = cells if sign > 0 else -np.abs(cells)
    heat = np.full((512, 512), np.nan)
    heat[150:352, 60:458] = np.kron(cells, np.ones((86, 86)))[150:352, 60:458]
    return image[0], cells, heat, spot


def covering():
    rows = [
        (name, when, share, 1 - 2 * share**power, -1 + 2 * share**power)
        for when in ("pre", "post")
        for name, power in (("Grad-CAM", 0.4), ("bump", 0.8), ("low risk", 2))
        for share in (0, 0.05, 0.1, 0.2, 0.4, 0.7, 1)
    ]
    names = ["map", "timepoint", "share", "deletion", "insertion"]
    return pd.DataFrame(rows, columns=names)


def effects():
    rows = [
        (when, name, sign * size, sign * size - 0.2, sign * size + 0.2)
        for when, size in (("pre", 0.3), ("post", 0.8))
        for name, sign in (("blur the tumour", -1), ("no tumour", -2), ("worse", 1))
    ]
    return pd.DataFrame(rows, columns=["timepoint", "map", "mean", "low", "high"])


def confusion_tables():
    counts = {"Pre-model": (17, 5, 15, 6), "Post-model": (17, 2, 18, 6), "TNM": (16, 5, 15, 7)}
    names = ("tp", "fp", "tn", "fn")
    return {
        name: SimpleNamespace(**dict(zip(names, row, strict=True))) for name, row in counts.items()
    }


def agreement():
    """Outlines of two readers: overlap and areas in pixels."""
    first = np.array([20000.0, 30000.0, 40000.0, 50000.0])
    table = pd.DataFrame({"iou": [0.5, 0.7, 0.8, 0.9], "area_a": first, "area_b": first - 1000})
    table.loc[0, "area_b"] = first[0] + 3000
    return table


def examples():
    """Name -> function that draws one figure."""
    cohort = cohort_table()
    test = cohort[cohort.split == "test"].reset_index(drop=True)
    scores = risk_scores(test.high_risk)
    stacks, rois = stacks_and_rois()
    image, cells, heat, spot = gradcam_example()
    p = pd.Series(np.random.default_rng(9).beta(3, 3, len(cohort)))
    inputs = np.repeat(np.roll(np.arange(256), 40)[None, :, None, None], 8, axis=0)
    inputs = np.repeat(inputs, 256, axis=2).astype(np.uint8)
    return {
        "flow_chart": lambda: figures.flow_chart(flow_table()),
        "pfs_figure": lambda: figures.pfs_figure(cohort),
        "km_by_risk": lambda: figures.km_by_risk(
            test.pfs_months, test.progressed, scores["Ensemble"] > 0.5
        ),
        "series_grid": lambda: figures.series_grid(
            {f"{when}-treatment t2w": stacks["P0001", "pre", "t2w"] for when in ("pre", "post")},
        ),
        "contact_sheet": lambda: figures.contact_sheet(*found_series()),
        "roi_montage": lambda: figures.roi_montage(stacks, rois, "P0001", "pre"),
        "input_montage": lambda: figures.input_montage(inputs, rois.head(8)),
        "network_diagram": lambda: figures.network_diagram(description()),
        "learning_curves": lambda: figures.learning_curves(histories()),
        "prediction_strip": lambda: figures.prediction_strip(p, cohort.high_risk, cohort.split),
        "pre_post_scatter": lambda: figures.pre_post_scatter(
            p[:43], p[50:93].set_axis(p.index[:43]), test.progressed.set_axis(p.index[:43])
        ),
        "roc_figure": lambda: figures.roc_figure(test.high_risk, scores),
        "confusion_figure": lambda: figures.confusion_figure(confusion_tables()),
        "forest_figure": lambda: figures.forest_figure(comparison()),
        "gradcam_panel": lambda: figures.gradcam_panel(image, cells, heat, mask=spot),
        "gradcam_nothing": lambda: figures.gradcam_panel(*gradcam_example(-1)[:3]),
        "agreement_figure": lambda: figures.agreement_figure(agreement(), pixel_mm=0.5),
        "printed_intervals_figure": lambda: figures.printed_intervals_figure(appraisal.intervals()),
        "follow_up_explorer": lambda: figures.follow_up_explorer(cohort_table()),
        "finer_figure": lambda: figures.finer_figure(
            image, {"6 x 6, exact": heat, "14 x 14": -np.abs(heat)}, mask=spot
        ),
        "covering_figure": lambda: figures.covering_figure(covering()),
        "interventions_figure": lambda: figures.interventions_figure(effects()),
        "sanity_figure": lambda: figures.sanity_figure(sanity()),
    }


def patients(n=80, *, seed=0):
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    event_at, lost_at = rng.exponential(45 * np.exp(-risk)), rng.uniform(20, 90, n)
    months = np.ceil(np.minimum(event_at, lost_at))
    index = pd.Index([f"P{i}" for i in range(n)], name="patient_id")
    table = pd.DataFrame(
        {
            "pfs_months": months,
            "progressed": event_at <= lost_at,
            "high_risk": months <= np.median(months),
        },
        index=index,
    )
    noisy = {"Pre-model": 1.5, "Post-model": 1.0}
    p = {
        name: pd.Series(1 / (1 + np.exp(-risk - rng.normal(0, sd, n))), index)
        for name, sd in noisy.items()
    }
    return table, p


TABLE, P = patients()
MONTHS, EVENT = TABLE.pfs_months, TABLE.progressed


def splits():
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "split": np.repeat(range(50), 2), "model": ["Pre-model", "Post-model"] * 50,
            "auc": rng.normal(0.7, 0.06, 100), "c_index": rng.normal(0.72, 0.05, 100),
            "n_train": 163, "n_test": 43,
        }
    )  # fmt: skip


def cox():
    model = statistics.fit_cox(MONTHS, EVENT, P["Pre-model"].rename("score").to_frame())
    return {"without": model.table, "with": model.table}


def over_time():
    auc = {
        k: statistics.cumulative_dynamic_auc(MONTHS, EVENT, p, at=(12, 24)) for k, p in P.items()
    }
    p_event = pd.DataFrame(dict.fromkeys((12, 24), P["Pre-model"]))
    return auc, {"Pre-model": statistics.brier_curve(MONTHS, EVENT, p_event)}


def refits():
    """Predictions of 20 patients, and those of 50 refits around them."""
    rng = np.random.default_rng(8)
    p = pd.Series(rng.uniform(0.1, 0.7, 20))
    drawn = np.clip(p.to_numpy()[:, None] + rng.normal(0, 0.08, (20, 50)), 0, 1)
    return p, pd.DataFrame(drawn)


def precision():
    n = np.array([20, 43, 100, 1000])
    width = [statistics.half_width(statistics.auc_standard_error(0.8, k / 2, k / 2)) for k in n]
    return {"AUC": pd.Series(width, n)}


STATISTICS = {
    "label_figure": lambda: figures.label_figure(
        statistics.compare_labels(TABLE, P | {"no model": P["Post-model"] - P["Pre-model"]})
    ),
    "cox_figure": lambda: figures.cox_figure(cox()),
    "time_dependent_figure": lambda: figures.time_dependent_figure(*over_time()),
    "calibration_figure": lambda: figures.calibration_figure(MONTHS, EVENT, P),
    "decision_figure": lambda: figures.decision_figure(
        statistics.survival_net_benefit(MONTHS, EVENT, P, thresholds=(0.1, 0.2, 0.3, 0.4, 0.5))
    ),
    "interval_figure": lambda: figures.interval_figure(
        statistics.kaplan_meier(MONTHS, EVENT),
        statistics.interval_survival(
            (MONTHS - 3).clip(lower=0), MONTHS.where(EVENT.astype(bool), np.inf)
        ),
    ),
    "update_figure": lambda: figures.update_figure(
        pd.DataFrame(
            {"pre": [0.2, 0.1, 0.4], "mid": [0.3, 0.1, np.nan], "post": [0.5, 0, np.nan]},
            ["a", "b", "c"],
        ),
        {"a": "progressed at 20 months", "b": "well at 60 months"},
        ahead=24,
    ),
    "patient_figure": lambda: figures.patient_figure(
        pd.DataFrame({"value": ["T3", "0.4"], "points": [20, 70], "most": [40, 100]}, ["T", "x"]),
        pd.DataFrame({"survival": [1, 0.8], "low": [1, 0.7], "high": [1, 0.9]}, [0, 36]),
    ),
    "paired_figure": lambda: figures.paired_figure(splits(), [("Post-model", "Pre-model")]),
    "split_figure": lambda: figures.split_figure(splits()),
    "instability_figure": lambda: figures.instability_figure(*refits(), cutoff=0.3),
    "precision_figure": lambda: figures.precision_figure(precision(), patients=43),
}

EXAMPLES = examples() | STATISTICS
