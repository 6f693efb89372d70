"""Other matrices: lengths in millimetres stay, nothing is stretched, masks come back."""

import numpy as np
import pytest

from npc_helpers.imaging.mr_series import REFERENCE_SPACING_MM, Grid, MRSeries
from npc_helpers.imaging.resample import resample_box, resample_mask, to_reference


def series(array, spacing):
    return MRSeries(array, spacing, np.arange(len(array)) * 6.0, 6.0, np.zeros(6), "P-1", "T2", ())


def disc(grid, *, radius_mm, centre_mm=(0.0, 0.0)):
    """A filled circle, drawn in millimetres about the centre of the image."""
    y, x = (
        (np.arange(n) - (n - 1) / 2) * step - middle
        for n, step, middle in zip(
            (grid.rows, grid.columns), grid.spacing_mm, centre_mm, strict=True
        )
    )
    return y[:, None] ** 2 + x**2 <= radius_mm**2


GRIDS = [
    Grid(320, 320, (250 / 320, 250 / 320)),
    Grid(768, 768, (0.3, 0.3)),
    Grid(384, 512, (0.65, 0.45)),
    Grid(255, 301, (0.9, 0.8)),
]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("centre", [(0.0, 0.0), (20.0, -35.0)])
def test_a_circle_stays_a_circle_of_its_size_and_place(grid, centre):
    drawn = disc(grid, radius_mm=30, centre_mm=centre)
    image = series((1000 * drawn[None]).astype(np.uint16), grid.spacing_mm)
    result = to_reference(image)
    assert result.array.shape == (1, 512, 512) and result.array.dtype == np.uint16
    expected = disc(Grid.reference(), radius_mm=30, centre_mm=centre)
    circle = result.array[0] > 500
    overlap = (circle & expected).sum() / (circle | expected).sum()
    assert overlap > 0.97
    assert circle.sum() * REFERENCE_SPACING_MM**2 == pytest.approx(np.pi * 900, rel=0.02)
    assert result.pixel_spacing_mm == (REFERENCE_SPACING_MM,) * 2
    assert f"from {grid.rows} x {grid.columns}" in result.findings[-1].message


@pytest.mark.parametrize("grid", GRIDS)
def test_masks_go_there_and_back(grid):
    mask = np.stack([disc(grid, radius_mm=25), disc(grid, radius_mm=8, centre_mm=(30, 30))])
    resampled = resample_mask(mask, source=grid, target=Grid.reference())
    back = resample_mask(resampled, source=Grid.reference(), target=grid)
    lost = (mask ^ back).sum() / mask.sum()
    assert lost == 0 if min(grid.spacing_mm) > REFERENCE_SPACING_MM else lost < 0.05


def test_the_same_grid_changes_nothing():
    image = series(np.ones((2, 512, 512), np.int16), (REFERENCE_SPACING_MM,) * 2)
    assert to_reference(image) is image


def test_signed_values_do_not_wrap():
    image = series(np.full((1, 300, 300), -7, np.int16), (0.8, 0.8))
    values = np.unique(to_reference(image).array)
    assert values.min() == -7 and values.max() <= 0


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match="the grid of the series"):
        resample_mask(np.ones((4, 4)), source=GRIDS[0], target=GRIDS[1])


def test_only_another_matrix_is_resampled():
    reference = series(np.ones((1, 512, 512), np.int16), (0.4, 0.4))
    assert to_reference(reference) is reference
    resampled = to_reference(series(np.ones((1, 320, 320), np.int16), (0.5, 0.5)))
    assert resampled.array.shape == (1, 512, 512)
    assert resampled.source_grid == Grid(320, 320, (0.5, 0.5))


@pytest.mark.parametrize("grid", GRIDS)
def test_a_box_moves_with_the_pixels_inside_it(grid):
    box = (60, 90, 180, 200)
    mask = np.zeros((grid.rows, grid.columns), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    resampled = resample_mask(mask, source=grid, target=Grid.reference())
    rows, columns = (np.flatnonzero(resampled.any(axis=axis)) for axis in (1, 0))
    around = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    moved = resample_box(box, source=grid, target=Grid.reference())
    assert moved == pytest.approx(around, abs=1)


def test_a_box_that_leaves_the_field_is_cut():
    wide = Grid(768, 768, (0.6, 0.6))  # 461 mm, the reference shows 250 of them
    assert resample_box((0, 0, 768, 768), source=wide, target=Grid.reference()) == (0, 0, 512, 512)
