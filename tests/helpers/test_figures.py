"""Every figure draws from tidy tables, stays small, and keeps the house palette."""

import io
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from figure_examples import (
    EXAMPLES,
    agreement,
    cohort_table,
    comparison,
    flow_table,
    found_series,
    gradcam_example,
    stacks_and_rois,
)
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.text import Text
from PIL import Image

from npc_helpers import figures, statistics
from npc_helpers.figures import display, fonts, style
from npc_helpers.figures.display import show
from npc_helpers.figures.images import show_overlay
from npc_helpers.figures.style import for_any_page


def png(figure):
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=80, bbox_inches="tight")
    return picture.getvalue()


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


PRINTED = sorted(EXAMPLES.keys() - {"follow_up_explorer"})  # that one is for exploring


@pytest.mark.parametrize("name", PRINTED)
def test_figure_draws_small_and_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = EXAMPLES[name]()
        assert len(png(figure)) < 400_000
    assert "pyplot" not in type(figure.canvas.manager).__module__  # nothing to close or to leak


@pytest.mark.parametrize("name", PRINTED)
def test_shown_on_any_page_a_figure_has_no_sheet_and_words_that_read(name):
    """Transparent paper; words and lines stand out from a white page and from a dark one."""
    figure = for_any_page(EXAMPLES[name]())
    assert to_rgba(figure.get_facecolor())[3] == 0
    assert all(axes.patch.get_facecolor()[3] == 0 for axes in figure.axes if not axes.images)
    pages = [luminance(page) for page in ("#ffffff", "#111111")]
    for text in figure.findobj(Text):
        if text.get_text() and text.get_bbox_patch() is None and not getattr(
            text.axes, "images", None
        ):  # fmt: skip
            assert stands_out(text.get_color(), pages), text
    for lines in figure.findobj(LineCollection):
        assert all(stands_out(tint, pages) for tint in lines.get_colors()), name


def stands_out(tint, pages):
    brightness = luminance(tint)
    return min((max(brightness, p) + 0.05) / (min(brightness, p) + 0.05) for p in pages) >= 3


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed, in order: the value, and how."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda value, **how: shown.append((value, how)))
    return shown


@pytest.mark.parametrize(("name", "mode"), [("roc_figure", "P"), ("gradcam_panel", "RGBA")])
def test_a_figure_is_shown_sharp_with_number_caption_and_mark(name, mode, displayed, monkeypatch):
    """Twice as many pixels as a page shows; maps keep their colours, lines get a palette."""
    monkeypatch.setattr(style.mark, "text", lambda: "study a_b, synthetic patients")
    show(EXAMPLES[name](), "5.2", "Curves of *each* patient.")
    (image, _), (caption, how) = displayed
    picture = Image.open(io.BytesIO(image.data))
    assert (picture.mode, picture.width // 2) == (mode, image.width)
    assert picture.text["Description"] == "study a_b, synthetic patients"
    assert picture.convert("RGBA").getpixel((0, 0))[3] == 0  # no sheet
    assert image.alt.endswith(".") and "Curves of" not in image.alt  # a caption is read once
    said = r"Curves of \*each\* patient. (study a\_b, synthetic patients)"
    assert caption["text/markdown"] == f"**Figure 5.2.** {said}"
    assert how["metadata"] == {"npc": {"figure": "5.2"}}


def test_a_figure_of_many_images_has_fewer_pixels_and_the_same_width(displayed, monkeypatch):
    show(EXAMPLES["gradcam_panel"](), "", "Maps.")
    monkeypatch.setattr(display, "LARGEST_PICTURE", 180_000)
    show(EXAMPLES["gradcam_panel"](), "", "Maps.")
    sharp, _, smaller, _ = (value for value, _ in displayed)
    assert len(smaller.data) < 180_000 < len(sharp.data)
    assert abs(sharp.width - smaller.width) <= 2


def test_a_palette_changes_no_colour_that_a_reader_would_notice(displayed):
    figure = EXAMPLES["roc_figure"]
    drawn = io.BytesIO()
    for_any_page(figure()).savefig(
        drawn, format="png", dpi=display.PROJECTOR_DPI, bbox_inches="tight"
    )
    show(figure(), "", "Curves.")
    full, few = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"), float)
        for data in (drawn.getvalue(), displayed[0][0].data)
    )
    inked = full[..., 3] > 250
    assert np.abs(full - few)[inked].mean() < 3  # of 255


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
    ours = statistics.kaplan_meier(cohort.pfs_months, cohort.progressed).set_index("time")
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
    nobody = statistics.kaplan_meier([3, 5, 8], [False] * 3)
    assert (nobody[["survival", "low", "high"]] == 1).all(axis=None)
    everybody = statistics.kaplan_meier([3, 5, 8], [True] * 3)
    np.testing.assert_allclose(everybody.survival, [1, 2 / 3, 1 / 3, 0])
    assert everybody[["low", "high"]].isna().all(axis=1).tolist() == [False, False, False, True]


def test_gradcam_panel_says_so_when_nothing_is_positive():
    image, cells, heat, spot = gradcam_example(-1)
    text = words(figures.gradcam_panel(image, cells, heat, mask=spot))
    assert text.count("no positive evidence") == 2


def test_an_overlay_is_clear_outside_the_region_and_scaled_by_its_highest_value():
    from matplotlib import colormaps

    heat = np.repeat([[np.nan, -1.0, 1.0, 2.0]], 2, axis=1)  # every second pixel is drawn
    _, axes = style.new_figure(2, 2)
    assert show_overlay(axes, heat, colormaps["viridis"])
    rgba = axes.images[0].get_array()
    assert rgba[0, :, 3].tolist() == [0, 0.5, 0.5, 0.5]
    np.testing.assert_allclose(rgba[0, 2, :3], colormaps["viridis"](0.5)[:3], atol=0.01)
    np.testing.assert_allclose(rgba[0, 1, :3], colormaps["viridis"](0.0)[:3])
    assert not show_overlay(axes, -np.abs(heat), colormaps["viridis"]) and len(axes.images) == 1


def test_roi_montage_draws_the_rectangles_of_the_table():
    stacks, rois = stacks_and_rois()
    figure = figures.roi_montage(stacks, rois, "P0001", "pre")
    drawn = [tuple(p.get_bbox().extents + 0.5) for axes in figure.axes for p in axes.patches]
    assert drawn == [tuple(box) for box in rois[["x0", "y0", "x1", "y1"]].astype(float).to_numpy()]
    assert "187 × 95 mm" in words(figure)  # (458 - 60) * 0.47 by (352 - 150) * 0.47
    with pytest.raises(ValueError, match="P0009 has no post series"):
        figures.roi_montage(stacks, rois, "P0009", "post")


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
        for i, name in enumerate(together):
            for partner in together[:i]:
                apart = np.linalg.norm(lab(figures.PALETTE[name]) - lab(figures.PALETTE[partner]))
                assert apart > 15, (name, partner, apart)


def test_agreement_shows_the_bias_and_limits_of_two_readers():
    figure = figures.agreement_figure(agreement(), pixel_mm=0.5)
    left, right = figure.axes
    difference = np.array([-3000, 1000, 1000, 1000]) * 0.25 / 100  # pixels to cm2
    spread = 1.96 * np.sqrt(((difference - difference.mean()) ** 2).sum() / 3)
    expected = [difference.mean(), difference.mean() - spread, difference.mean() + spread]
    drawn = [line.get_ydata()[0] for line in right.lines[1:]]
    assert drawn == pytest.approx(expected)
    assert right.lines[0].get_ydata() == pytest.approx(difference)
    assert left.lines[0].get_xdata()[0] == pytest.approx(0.75)
    assert sum(patch.get_height() for patch in left.patches) == 4


# --- fonts ----------------------------------------------------------------------------------------

CHINESE = "鼻咽癌 a_b $5"


def chinese_figure():
    index = list("abcd")
    score = pd.Series([0.1, 0.8, 0.3, 0.4], index)
    return figures.roc_figure(pd.Series([False, True, False, True], index), {CHINESE: score})


def test_a_name_in_chinese_is_drawn_or_missed_once(tmp_path, monkeypatch):
    """Without a font for it one sentence, not one for every sign; with one, no sentence."""
    for chinese, expected in ([["DejaVu Sans"], 1], [fonts.any_with(fonts.CHINESE), 0]):
        if not chinese:
            continue  # this machine has no such font
        fonts.say_that_signs_are_missing.cache_clear()
        monkeypatch.setattr(fonts, "families", lambda chinese=chinese: ["DejaVu Sans", *chinese])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            chinese_figure().savefig(tmp_path / "a.png")
            chinese_figure().savefig(tmp_path / "b.svg")
        said = [str(w.message) for w in caught if "sign" in str(w.message)]
        assert len(said) == expected and not any("Glyph" in str(w.message) for w in caught)
        assert all("fonts-noto-cjk" in text for text in said)


def test_a_font_of_boxes_is_not_taken_for_one_with_the_signs():
    assert not [name for name in fonts.any_with(fonts.CHINESE) if "Last Resort" in name]
    assert fonts.any_with("a") != []


# --- in grey, and for those who see red and green alike ------------------------------------------


@pytest.mark.parametrize(
    "name", ["covering_figure", "roc_figure", "learning_curves", "label_figure", "sanity_figure"]
)
def test_no_two_curves_of_a_figure_differ_by_colour_alone(name):
    for axes in EXAMPLES[name]().axes:
        curves = [line for line in axes.lines if not line.get_label().startswith("_")]
        looks = [(line.get_linestyle(), line.get_marker()) for line in curves]
        assert len(set(looks)) == len(looks), looks


def test_strong_cells_of_a_map_say_their_sign():
    grid = next(a for a in EXAMPLES["gradcam_panel"]().axes if "signed" in a.get_title("left"))
    cells = np.asarray(grid.images[0].get_array())
    strong = np.abs(cells) > 0.4 * np.abs(cells).max()
    said = {tuple(map(round, text.get_position()[::-1])): text.get_text() for text in grid.texts}
    assert said == {tuple(at): "+" if cells[tuple(at)] > 0 else "−" for at in np.argwhere(strong)}
