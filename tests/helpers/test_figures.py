"""Every figure draws from tidy tables, says what it shows, and keeps the house palette."""

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from npc_helpers import figures
from npc_helpers.cohort.screening import CRITERIA

NOTE = "demonstration cohort, synthetic"


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
    found = {}
    for name, rate, epochs in (("transferred", 0.09, 45), ("random", 0.03, 60)):
        epoch = np.arange(1, epochs + 1)
        loss = 0.35 + 0.4 * np.exp(-rate * epoch) + rng.normal(0, 0.006, epochs)
        found[name] = pd.DataFrame({"epoch": epoch, "loss": loss, "accuracy": 1.2 - loss})
    return found


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


def confusion_tables():
    counts = {"Pre-model": (17, 5, 15, 6), "Post-model": (17, 2, 18, 6), "TNM": (16, 5, 15, 7)}
    names = ("tp", "fp", "tn", "fn")
    return {
        name: SimpleNamespace(**dict(zip(names, row, strict=True))) for name, row in counts.items()
    }


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
        "flow_chart": lambda: figures.flow_chart(flow_table(), note=NOTE),
        "pfs_figure": lambda: figures.pfs_figure(cohort, note=NOTE),
        "km_by_risk": lambda: figures.km_by_risk(
            test.pfs_months, test.progressed, scores["Ensemble"] > 0.5, note=NOTE
        ),
        "series_grid": lambda: figures.series_grid(
            {f"{when}-treatment t2w": stacks["P0001", "pre", "t2w"] for when in ("pre", "post")},
            note=NOTE,
        ),
        "contact_sheet": lambda: figures.contact_sheet(*found_series(), note=NOTE),
        "roi_montage": lambda: figures.roi_montage(stacks, rois, "P0001", "pre", note=NOTE),
        "input_montage": lambda: figures.input_montage(inputs, rois.head(8), note=NOTE),
        "network_diagram": lambda: figures.network_diagram(description(), note=NOTE),
        "learning_curves": lambda: figures.learning_curves(histories(), note=NOTE),
        "prediction_strip": lambda: figures.prediction_strip(
            p, cohort.high_risk, cohort.split, note=NOTE
        ),
        "pre_post_scatter": lambda: figures.pre_post_scatter(
            p[:43], p[50:93], test.progressed, note=NOTE
        ),
        "roc_figure": lambda: figures.roc_figure(test.high_risk, scores, note=NOTE),
        "confusion_figure": lambda: figures.confusion_figure(confusion_tables(), note=NOTE),
        "forest_figure": lambda: figures.forest_figure(comparison(), note=NOTE),
        "gradcam_panel": lambda: figures.gradcam_panel(image, cells, heat, mask=spot, note=NOTE),
        "gradcam_nothing": lambda: figures.gradcam_panel(*gradcam_example(-1)[:3], note=NOTE),
        "sanity_figure": lambda: figures.sanity_figure(sanity(), note=NOTE),
    }


EXAMPLES = examples()


def png(figure):
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=80, bbox_inches="tight")
    return picture.getvalue()


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_figure_draws_small_and_carries_its_note(name):
    figure = EXAMPLES[name]()
    assert NOTE in words(figure)
    assert len(png(figure)) < 400_000
    assert "pyplot" not in type(figure.canvas.manager).__module__  # nothing to close or to leak


def test_dark_theme_changes_paper_and_ink_and_ends_with_its_block():
    with figures.theme("dark"):
        dark = EXAMPLES["forest_figure"]()
    assert sum(to_rgb(dark.get_facecolor())) < 0.5
    assert sum(to_rgb(EXAMPLES["forest_figure"]().get_facecolor())) == 3
    with pytest.raises(ValueError, match="'light' and 'dark'"), figures.theme("blue"):
        pass


def test_contact_sheet_tells_refused_series_apart_without_colour():
    figure = figures.contact_sheet(*found_series(), columns=3)
    sheet = figure.axes
    assert [axes.get_title("left") for axes in sheet[:5]] == [
        "0  proposed: pre t2w", "1  refused: localiser", "2  decided: pre t1c",
        "3  refused: unclear", "4  refused: not_mr",
    ]  # fmt: skip
    lines = [axes.spines["left"].get_linestyle() for axes in sheet[:5]]
    assert lines[0] == lines[2] == "-" and all(line != "-" for line in (lines[1], *lines[3:]))
    assert sheet[1].get_xlabel() == "3-Plane Loc (1 file)\nits description names a localiser"
    assert sheet[3].get_xlabel().startswith("no description (7 files)\n")
    assert [len(axes.images) for axes in sheet] == [1, 1, 1, 1, 0, 0]
    assert "it is no image" in sheet[4].texts[0].get_text()


def test_flow_chart_shows_every_count_and_criterion():
    text = " ".join(words(figures.flow_chart(flow_table())))
    for number in ("1,034", "206 patients studied", "−239", "−17"):
        assert number in text
    assert text.count("Inclusion") == text.count("Exclusion") == 5


def test_forest_figure_prints_the_estimates_of_the_table():
    text = words(figures.forest_figure(comparison()))
    assert "0.806 (0.670–0.942)" in text and "0.709 (0.620–0.788)" in text


def test_confusion_figure_puts_misses_upper_right_and_false_alarms_lower_left():
    tables = {"Post-model": SimpleNamespace(tp=17, fp=2, tn=18, fn=6)}
    axes = figures.confusion_figure(tables).axes[0]
    places = {text.get_text(): text.get_position() for text in axes.texts}
    assert places["17"] == (0, 0) and places["6"] == (1, 0)  # x = predicted, y = true
    assert places["2"] == (0, 1) and places["18"] == (1, 1)
    assert axes.get_title("left") == "Post-model: 81.4% right"


def test_kaplan_meier_agrees_with_lifelines():
    from lifelines import KaplanMeierFitter

    cohort = cohort_table()
    ours = figures.kaplan_meier(cohort.pfs_months, cohort.progressed).set_index("months")
    theirs = KaplanMeierFitter().fit(cohort.pfs_months, cohort.progressed)
    events = ours.index[ours.events > 0]
    for column, expected in (
        ("survival", theirs.survival_function_.iloc[:, 0]),
        ("low", theirs.confidence_interval_.iloc[:, 0]),
        ("high", theirs.confidence_interval_.iloc[:, 1]),
    ):
        np.testing.assert_allclose(ours.loc[events, column], expected.loc[events], atol=1e-6)
    assert ours.at_risk.iloc[0] == len(cohort)


def test_kaplan_meier_without_and_with_only_events():
    nobody = figures.kaplan_meier([3, 5, 8], [False] * 3)
    assert (nobody[["survival", "low", "high"]] == 1).all(axis=None)
    everybody = figures.kaplan_meier([3, 5, 8], [True] * 3)
    np.testing.assert_allclose(everybody.survival, [1, 2 / 3, 1 / 3, 0])
    assert np.isfinite(everybody).all(axis=None)


def test_gradcam_panel_says_so_when_nothing_is_positive():
    image, cells, heat, spot = gradcam_example(-1)
    text = words(figures.gradcam_panel(image, cells, heat, mask=spot))
    assert text.count("no positive evidence") == 2


def test_overlay_is_clear_outside_the_region_and_scaled_by_the_limit():
    from matplotlib import colormaps

    heat = np.array([[np.nan, -1.0, 1.0, 2.0]])
    rgba = figures.overlay(heat, 2.0, colormaps["viridis"], opacity=0.4)
    assert rgba[0, :, 3].tolist() == [0, 0.4, 0.4, 0.4]
    np.testing.assert_allclose(rgba[0, 2, :3], colormaps["viridis"](0.5)[:3], atol=0.01)
    np.testing.assert_allclose(rgba[0, 1, :3], colormaps["viridis"](0.0)[:3])


def test_roi_montage_draws_the_rectangles_of_the_table():
    stacks, rois = stacks_and_rois()
    figure = figures.roi_montage(stacks, rois, "P0001", "pre")
    drawn = [tuple(p.get_bbox().extents + 0.5) for axes in figure.axes for p in axes.patches]
    assert drawn == [tuple(box) for box in rois[["x0", "y0", "x1", "y1"]].astype(float).to_numpy()]
    assert "187 × 95 mm" in words(figure)  # (458 - 60) * 0.47 by (352 - 150) * 0.47
    with pytest.raises(ValueError, match="P0009 has no post series"):
        figures.roi_montage(stacks, rois, "P0009", "post")


def test_roc_explorer_hovers_over_the_same_curve_as_the_figure():
    test = cohort_table().head(43)
    scores = risk_scores(test.high_risk)
    explorer = figures.roc_explorer(test.high_risk, scores, note=NOTE)
    lines = figures.roc_figure(test.high_risk, scores).axes[0].lines
    for trace, line in zip(explorer.data[:4], lines[1:5], strict=True):
        np.testing.assert_allclose(trace.x, line.get_xdata())
        np.testing.assert_allclose(trace.y, line.get_ydata())
    assert explorer.layout.title.text == NOTE


# --- palette ----------------------------------------------------------------------------------


def linear(colour):
    value = np.array(to_rgb(colour))
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return linear(colour) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("name", figures.PALETTE)
@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_palette_has_contrast_on_white_and_on_dark(name, page):
    """WCAG 2.2, 1.4.11: graphical objects need 3:1."""
    light, dark = sorted([luminance(figures.PALETTE[name]), luminance(page)], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_palette_stays_apart_without_red_green_vision():
    """Machado et al. 2009, deuteranopia; distance in CIE 1976 L*a*b*."""
    deuteranopia = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    to_xyz = np.array([[0.412, 0.358, 0.180], [0.213, 0.715, 0.072], [0.019, 0.119, 0.950]])

    def lab(colour):
        x, y, z = np.cbrt(to_xyz @ (deuteranopia @ linear(colour)).clip(0) / [0.95, 1, 1.089])
        return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])

    for together in (["Pre-model", "Post-model", "Ensemble", "TNM"], ["high risk", "low risk"]):
        for i, one in enumerate(together):
            for other in together[:i]:
                apart = np.linalg.norm(lab(figures.PALETTE[one]) - lab(figures.PALETTE[other]))
                assert apart > 15, (one, other, apart)


def test_agreement_shows_the_bias_and_limits_of_two_readers():
    first = np.array([20000.0, 30000.0, 40000.0, 50000.0])
    table = pd.DataFrame({"iou": [0.5, 0.7, 0.8, 0.9], "area_a": first, "area_b": first - 1000})
    table.loc[0, "area_b"] = first[0] + 3000
    figure = figures.agreement_figure(table, pixel_mm=0.5, note=NOTE)
    left, right = figure.axes
    difference = np.array([-3000, 1000, 1000, 1000]) * 0.25 / 100  # pixels to cm2
    spread = 1.96 * np.sqrt(((difference - difference.mean()) ** 2).sum() / 3)
    expected = [difference.mean(), difference.mean() - spread, difference.mean() + spread]
    drawn = [line.get_ydata()[0] for line in right.lines[1:]]
    assert drawn == pytest.approx(expected)
    assert right.lines[0].get_ydata() == pytest.approx(difference)
    assert left.lines[0].get_xdata()[0] == pytest.approx(0.75)
    assert sum(patch.get_height() for patch in left.patches) == 4
