"""Anatomy and physics of the synthetic images: order of signals, growth, noise, repeatability."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from npc_demo import levels_lower, levels_upper
from npc_demo.anatomy import draw_anatomy
from npc_demo.examination import series_pixels
from npc_demo.mri import acquire, random_patient, render, scan_stream
from npc_demo.patient import Patient
from npc_demo.protocols import PROTOCOLS
from npc_demo.shapes import Bend, Canvas, Shape, noise_tile, outlines
from npc_demo.slices import LEVELS
from npc_demo.tissues import CODE, NAMES, TISSUES, signals
from npc_demo.tumour import LOBES, shrinkage

PATIENT = Patient(
    patient_id="T-1",
    sex="M",
    age_years=50,
    t_category=3,
    n_category=2,
    aggressiveness=0.3,
    residual=0.4,
    seed=5,
)


@pytest.fixture(scope="module")
def pre():
    return draw_anatomy(PATIENT, "pre")


@pytest.fixture(scope="module")
def images():
    return render(PATIENT, "pre")


def pure(anatomy, *tissues):
    """Pixels of the acquired matrix that hold only these tissues, away from every edge."""
    codes = [CODE[tissue] for tissue in tissues]
    inside = np.isin(anatomy.top, codes) & (anatomy.share == 255)
    for axis in (1, 2):
        inside &= np.roll(inside, 1, axis) & np.roll(inside, -1, axis)
    return inside


def on_reconstruction(mask, size=512):
    index = np.arange(size) * mask.shape[-1] // size
    return mask[:, index][:, :, index]


# --- physics ------------------------------------------------------------------------------------


def signal_of(sequence, protocol="1.5T"):
    return dict(zip(NAMES, signals(sequence, PROTOCOLS[protocol])[0].tolist(), strict=True))


# Water signal relative to muscle, computed by hand for the tissue table's T1, T2 and density.
@pytest.mark.parametrize(
    ("sequence", "tissue", "expected"),
    [
        ("t2w", "csf", 1.0 * (1 - np.exp(-4000 / 4200)) * np.exp(-90 / 2000)),
        ("t2w", "tumour", 0.87 * (1 - np.exp(-4000 / 1080)) * np.exp(-90 / 82)),
        ("t1c", "csf", 1.0 * (1 - np.exp(-620 / 4200)) * np.exp(-10 / 2000)),
        (
            "t1c",
            "tumour",
            0.87
            * (1 - np.exp(-620 * (1 / 1080 + 4.78 * 0.42 / 1000)))
            * np.exp(-10 * (1 / 82 + 5.0 * 0.42 / 1000)),
        ),
    ],
)
def test_signal_equation(sequence, tissue, expected):
    te, tr = (90, 4000) if sequence == "t2w" else (10, 620)
    contrast = 0.08 if sequence == "t1c" else 0.0
    muscle = 0.80 * 0.97 * (1 - np.exp(-tr * (1 / 1000 + 4.78 * contrast / 1000)))
    muscle *= np.exp(-te * (1 / 44 + 5.0 * contrast / 1000))
    assert signal_of(sequence)[tissue] == pytest.approx(expected / muscle, rel=1e-5)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("sequence", ["t2w", "t1c"])
def test_order_of_tissue_signals(sequence, protocol):
    s = signal_of(sequence, protocol)
    assert s["mucosa"] > s["adenoid"] > s["tumour"] > s["muscle"] > s["clivus"] > s["fat"]
    assert s["clivus_tumour"] > 1.3 > s["clivus"]
    assert max(s["void"], s["airway"], s["cortex"], s["fat"]) < 0.25
    assert s["tumour"] > s["granulation"] > s["scar"]
    assert s["tumour"] == pytest.approx(s["node"], rel=0.1)


def test_fluid_is_bright_on_t2_and_dark_after_contrast():
    for tissue in ("csf", "fluid", "necrosis"):
        assert signal_of("t2w")[tissue] > 1.5 * signal_of("t2w")["tumour"]
        assert signal_of("t1c")[tissue] < signal_of("t1c")["muscle"]


def test_contrast_enhances_tumour_by_less_than_mucosa():
    def enhancement(tissue):
        t = TISSUES[tissue]
        without = t.density * (1 - np.exp(-620 / t.t1)) * np.exp(-10 / t.t2)
        rate1, rate2 = 1 / t.t1 + 4.78e-3 * t.contrast, 1 / t.t2 + 5e-3 * t.contrast
        return t.density * (1 - np.exp(-620 * rate1)) * np.exp(-10 * rate2) / without - 1

    assert 0.15 < enhancement("muscle") < 0.3
    assert 0.7 < enhancement("tumour") < 1.0 < enhancement("mucosa")


# --- images -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", ["t2w", "t1c"])
def test_images_keep_the_order(pre, images, sequence):
    image = images[sequence].astype(float)
    mean = {
        name: image[on_reconstruction(pure(pre, *tissues))].mean()
        for name, tissues in {
            "mucosa": ["mucosa"],
            "tumour": ["tumour"],
            "muscle": ["muscle"],
            "fat": ["fat"],
            "air": ["airway", "sinus_air"],
        }.items()
    }
    assert mean["mucosa"] > mean["tumour"] > mean["muscle"] > mean["fat"] > mean["air"]
    assert mean["tumour"] > 1.4 * mean["muscle"]
    assert mean["fat"] < 0.4 * mean["muscle"]


@pytest.mark.parametrize("sequence", ["t2w", "t1c"])
def test_noise_is_within_the_stated_range(pre, images, sequence):
    """Air far from the head: Rayleigh noise, whose mean is 1.2533 standard deviations."""
    image = images[sequence].astype(float)
    corner = np.concatenate([image[:, :30, :30].ravel(), image[:, -30:, -30:].ravel()])
    sigma = corner.mean() / np.sqrt(np.pi / 2)
    muscle = image[on_reconstruction(pure(pre, "muscle"))].mean()
    # noise per voxel of the filtered, interpolated image is below that of raw k-space
    assert 22 < muscle / sigma < 75
    assert corner.std() / corner.mean() == pytest.approx(np.sqrt(4 / np.pi - 1), abs=0.12)


def test_noise_and_signal_of_a_uniform_square_follow_parseval():
    """Reconstruction keeps the mean of the image (only the zero frequency matters for it)."""
    anatomy = draw_anatomy(PATIENT, "pre")
    ones = replace(
        anatomy,
        top=np.full_like(anatomy.top, CODE["muscle"]),
        share=np.full_like(anatomy.share, 255),
        texture=np.ones_like(anatomy.texture),
        fat_failures=(),
    )
    small = acquire(ones, "t2w", np.random.default_rng(1), matrix=320).astype(float)
    large = acquire(ones, "t2w", np.random.default_rng(1), matrix=512).astype(float)
    assert large.mean() == pytest.approx(small.mean(), rel=0.01)


def test_stored_values_fit_twelve_bits(images):
    for sequence in ("t2w", "t1c"):
        assert images[sequence].dtype == np.uint16
        assert 150 < images[sequence].max() <= 4095


def test_one_series_alone_has_the_same_pixels(images):
    assert np.array_equal(series_pixels(PATIENT, "pre", "t1c"), images["t1c"])


def test_second_run_is_identical(images):
    again = render(PATIENT, "pre")
    assert all(np.array_equal(again[name], images[name]) for name in images)


def test_fat_image_shows_what_the_water_image_does_not(pre):
    fat = acquire(pre, "t2w", scan_stream(PATIENT, "pre", "t2w"), image="fat").astype(float)
    assert (
        fat[on_reconstruction(pure(pre, "fat"))].mean()
        > 5 * fat[on_reconstruction(pure(pre, "muscle"))].mean()
    )


def test_upgraded_scanner_is_less_noisy(pre):
    def noise(protocol):
        image = acquire(pre, "t2w", np.random.default_rng(3), protocol=protocol).astype(float)
        return image[:, :30, :30].mean() / image[on_reconstruction(pure(pre, "muscle"))].mean()

    assert noise("1.5T upgraded") < noise("1.5T")


def test_too_small_a_matrix_is_refused(pre):
    with pytest.raises(ValueError, match="at least 320"):
        acquire(pre, "t2w", np.random.default_rng(0), matrix=256)


def test_unknown_timepoint_is_refused():
    with pytest.raises(ValueError, match="'pre', 'mid' or 'post'"):
        draw_anatomy(PATIENT, "baseline")


# --- tumour and nodes ---------------------------------------------------------------------------


@cache
def volumes(timepoint="pre", **changes):
    """Tumour and node pixels of three heads."""
    tumour = nodes = 0.0
    for seed in (1, 2, 3):
        anatomy = draw_anatomy(replace(PATIENT, seed=seed, **changes), timepoint)
        tumour += anatomy.tumour.sum() / 255
        nodes += anatomy.nodes.sum() / 255
    return tumour, nodes


def test_tumour_grows_with_t_and_nodes_with_n():
    tumour = [volumes(t_category=t)[0] for t in (1, 2, 3, 4)]
    assert all(np.diff(tumour) > 0.25 * np.array(tumour[:-1]))
    nodes = [volumes(t_category=1, n_category=n)[1] for n in (0, 1, 2, 3)]
    assert nodes[0] == 0
    assert all(np.diff(nodes) > 100)


def test_aggressive_tumours_are_larger_and_necrotic():
    sizes = [volumes(aggressiveness=a)[0] for a in (-1.5, 0.0, 1.5)]
    assert sizes == sorted(sizes)

    def necrotic(a):
        anatomy = draw_anatomy(replace(PATIENT, aggressiveness=a), "pre")
        return (anatomy.top == CODE["necrosis"]).sum() / (anatomy.tumour > 127).sum()

    assert necrotic(2.0) > necrotic(0.0) > necrotic(-2.0)


def test_residual_tumour_grows_steadily_with_the_latent():
    left = [volumes("post", residual=r)[0] for r in (-2.0, -1.0, -0.3, 0.3, 1.0, 1.6)]
    assert left[0] == 0
    assert all(np.diff(left) > 0)
    assert left[2] < 0.35 * left[-1]
    before = volumes("pre")[0]
    assert left[-1] < 1.15 * before
    assert [shrinkage(r) for r in (-3, 0, 3)] == [0, 0.5, 1]


@pytest.mark.parametrize("side_by_side", [(1, "fat"), (2, "clivus_tumour"), (3, "grey_matter")])
def test_tumour_stays_within_what_its_category_names(side_by_side):
    """T1 spares fat, T2 spares bone marrow, T3 spares the brain: compared with no tumour at all."""
    t, spared = side_by_side
    for seed in (1, 2, 3):
        patient = replace(PATIENT, seed=seed, t_category=t, n_category=0)
        with_tumour = draw_anatomy(patient, "pre")
        without = draw_anatomy(replace(patient, residual=-9.0, t_category=t), "pre")
        inside = with_tumour.tumour > 127
        assert inside.any()
        if spared == "clivus_tumour":
            assert not (with_tumour.top[inside] == CODE[spared]).any()
        else:
            assert (with_tumour.top == CODE[spared]).sum() == (without.top == CODE[spared]).sum()


def test_only_t4_reaches_the_cavernous_sinus():
    """At the level of the sella T3 may take bone; what is intracranial makes a T4 (AJCC)."""
    sella = [name for name, _ in LEVELS].index("sella")
    inside = [CODE[name] for name in ("vein", "pituitary", "grey_matter", "csf")]
    for seed in (1, 2, 3):
        slices = {
            t: draw_anatomy(replace(PATIENT, seed=seed, t_category=t), "pre").top[sella]
            for t in (1, 3, 4)
        }
        spared = {t: np.isin(top, inside).sum() for t, top in slices.items()}
        assert spared[3] == spared[1]
        assert spared[4] < spared[1] - 50


def test_nodes_of_n1_lie_on_one_side_and_of_n2_on_both():
    def sides(n):
        anatomy = draw_anatomy(replace(PATIENT, n_category=n, t_category=1), "pre")
        x = np.arange(320) - 160 - anatomy.bend.shift[0] / anatomy.pixel_mm
        columns = (anatomy.nodes[:3] > 127).any(axis=(0, 1))  # below the atlas
        return {np.sign(value) for value in x[columns]}

    assert len(sides(1)) == 1
    assert len(sides(2)) == 2


def test_pose_and_anatomy_do_not_depend_on_the_disease():
    worse = replace(PATIENT, t_category=4, n_category=3, aggressiveness=2.0, residual=2.0)
    for timepoint in ("pre", "post"):
        anatomy, diseased = draw_anatomy(PATIENT, timepoint), draw_anatomy(worse, timepoint)
        assert anatomy.bend.angle == diseased.bend.angle
        assert np.array_equal(anatomy.bend.shift, diseased.bend.shift)
        assert anatomy.fat_failures == diseased.fat_failures
        far = np.s_[:, 280:, :]  # the nape, where no tumour is
        assert np.array_equal(anatomy.top[far], diseased.top[far])


def test_same_head_in_a_new_pose_after_treatment():
    before, after = draw_anatomy(PATIENT, "pre"), draw_anatomy(PATIENT, "post")
    assert np.array_equal(before.bend.scale, after.bend.scale)
    assert np.array_equal(before.bend.waves, after.bend.waves)
    assert before.bend.angle != after.bend.angle
    assert (after.top == CODE["treated_parotid"]).any()
    assert not (before.top == CODE["mucositis"]).any()


def test_boxes_hold_tumour_and_nodes_and_fit_the_image(images):
    masks = images["tumour"] | images["nodes"]
    for (x0, y0, x1, y1), mask in zip(images["box"], masks, strict=True):
        assert 0 <= x0 < x1 <= 512
        assert 0 <= y0 < y1 <= 512
        assert 330 < x1 - x0 < 470
        assert 150 < y1 - y0 < 300
        assert not mask.any() or mask[y0:y1, x0:x1].sum() == mask.sum()


# --- shapes -------------------------------------------------------------------------------------


def test_a_painted_square_has_its_area():
    canvas = Canvas(100, 0.5)
    square = np.array([[-10.1, -5.2], [10.1, -5.2], [10.1, 5.2], [-10.1, 5.2]])
    canvas.paint(square, CODE["muscle"])
    area = (canvas.share / 255)[canvas.top == CODE["muscle"]].sum() * 0.25
    assert 20.2 * 10.4 <= area < 20.5 * 10.7  # a polygon includes its outline: 0.1 mm a side


def test_bend_is_undone_by_its_inverse():
    rng = np.random.default_rng(0)
    anatomy = draw_anatomy(PATIENT, "post")
    points = rng.uniform(-90, 90, (200, 2))
    assert isinstance(anatomy.bend, Bend)
    assert np.abs(anatomy.bend.inverse(anatomy.bend(points)) - points).max() < 0.1


def test_paired_shapes_are_mirror_images_before_the_patient_bends_them():
    left, right = outlines(Shape("muscle", ((10, 0), (14, 2), (12, 8))))
    assert np.allclose(left * [-1, 1], right)


def test_noise_tile_is_standardised_and_periodic():
    tile = noise_tile(4.0)
    assert tile.mean() == pytest.approx(0, abs=1e-4)
    assert tile.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(tile[0] - tile[-1]).mean() < 0.5  # neighbours across the border


def test_no_noise_tile_is_computed_twice():
    """Many heads need the same few: computed anew for each slice, they took two thirds of it."""
    noise_tile.cache_clear()
    for seed in range(4):
        for timepoint in ("pre", "post"):
            draw_anatomy(replace(PATIENT, seed=seed), timepoint)
    tiles = noise_tile.cache_info()
    assert tiles.misses == tiles.currsize > 40


def test_every_shape_names_a_known_tissue():
    for name, shapes in LEVELS:
        assert {shape.tissue for shape in shapes} <= set(TISSUES), name
    assert len(levels_upper.SPHENOID) > 30
    assert len(levels_lower.HYOID) > 20
    assert {first for first, *_ in LOBES} == {1, 2, 3, 4}


def test_random_patients_differ_and_belong_to_no_study():
    rng = np.random.default_rng(1)
    people = [random_patient(rng, index) for index in range(60)]
    assert {patient.t_category for patient in people} == {1, 2, 3, 4}
    assert {patient.n_category for patient in people} == {0, 1, 2, 3}
    assert len({patient.seed for patient in people}) == 60
    assert all(re.fullmatch(r"PRE-\d{5}", patient.patient_id) for patient in people)
