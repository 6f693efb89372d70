"""From the cells of the last convolution to the pixels of the original image."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from npc_helpers.imaging.roi import Rectangle, pad_offset, rectangle_of
from npc_helpers.network.models import LAST_CONVOLUTION
from npc_helpers.study.settings import current_setting


@dataclass(frozen=True)
class Geometry:
    """Where the cells of a layer lie, and what was done to an image before the network saw it.

    Attributes
    ----------
    first_centre : float
        Network pixel under the centre of cell 0 along either axis, counted from the cut.
    stride : int
        Network pixels from one cell to the next.
    canvas : int
        Side, in original pixels, of the square to which a region is padded with zeros.
    shrink : int
        The canvas is averaged over `shrink` x `shrink` pixels.
    cut : (rows, columns)
        Network pixels cut off above and on the left before the first layer, where the network
        looks at the middle of its input only.
    """

    first_centre: float
    stride: int
    canvas: int
    shrink: int
    cut: tuple[int, int] = (0, 0)

    @classmethod
    def of(
        cls, model: keras.Model, *, layer: str = LAST_CONVOLUTION, canvas: int | None = None
    ) -> Geometry:
        """Follow kernel sizes and strides of a built model from its input to a layer.

        Parameters
        ----------
        model : keras.Model
            A flat functional model with a square input.
        canvas : int, optional
            That of the current setting by default.

        Raises
        ------
        ValueError
            If branches that meet look at different places, or a padded stride makes the place
            depend on the size of the image.
        """
        canvas = canvas or current_setting().canvas
        first, stride = _centre_and_stride(model, layer)
        return cls(first, stride, canvas, canvas // model.input.shape[1], _cut(model))

    def cell_centres(self, n: int, *, axis: int = 0) -> np.ndarray:
        """Return the network pixel under the centre of each of `n` cells along an axis.

        37, 69, 101, … for the last convolution of this network, behind what was cut off of rows
        (axis 0) or columns (1). Stretching the grid to the corners of the image instead, as plain
        resizing does, shifts a map by up to 40 pixels at 512.
        """
        return self.cut[axis] + self.first_centre + self.stride * np.arange(n)

    def to_canvas(self, maps: np.ndarray, *, step: int = 1) -> np.ndarray:
        """Interpolate maps (…, h, w) to the pixels of the padded canvas, before it was shrunk.

        Every cell keeps its value at its own centre; beyond the outermost centres the value is
        held. One canvas pixel is one pixel of the original image; with `step` only every so
        manyth is computed.
        """
        pixels = (np.arange(0, self.canvas, step) + 0.5) / self.shrink - 0.5
        rows, columns = (
            self._interpolation(n, pixels - cut)
            for n, cut in zip(maps.shape[-2:], self.cut, strict=True)
        )
        return rows @ maps @ columns.T  # (…, canvas, canvas)

    def _interpolation(self, n: int, pixels: np.ndarray) -> np.ndarray:
        """Matrix (pixels, n) that interpolates between cell centres; each row sums to one."""
        cells = np.clip((pixels - self.first_centre) / self.stride, 0, n - 1)
        return np.maximum(1 - np.abs(cells[:, None] - np.arange(n)), 0).astype(np.float32)

    def to_image(self, map_: np.ndarray, row, shape: tuple[int, int] = (512, 512)) -> np.ndarray:
        """Put the map of one image back onto the pixels of the original MR image.

        Undoes shrinking, padding and cropping. Outside the region of interest the result is NaN:
        the network never saw those pixels.

        Parameters
        ----------
        map_ : array (h, w)
            One of `gradcam.class_map`'s, not interpolated.
        row : pandas.Series or object with x0, y0, x1, y1
            Row of the index that `roi.network_inputs` returned.
        shape : (rows, columns)
            Of the original image.

        Returns
        -------
        array of `shape`
        """
        box, region = self.on_canvas(row)
        image = np.full(shape, np.nan, dtype=np.float32)
        image[box.slices] = self.to_canvas(map_)[region]
        return image

    def on_canvas(self, row) -> tuple[Rectangle, tuple[slice, slice]]:
        """Return the rectangle of an index row, and the part of the canvas that it fills."""
        box = rectangle_of(row)
        top, left = pad_offset(box, self.canvas)
        return box, (slice(top, top + box.height), slice(left, left + box.width))


def _cut(model: keras.Model) -> tuple[int, int]:
    """Return the rows above and the columns on the left that a network cuts off its input."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Cropping2D):
            (above, _), (left, _) = layer.cropping
            return above, left
    return 0, 0


def _centre_and_stride(model: keras.Model, name: str) -> tuple[float, int]:
    """Return the centre of cell 0 and the stride of a layer, in pixels of the input."""
    places = {id(model.input): (0.0, 1)}
    for layer in model.operations[1:]:  # layers, and what is no layer; the first is the input
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        before = {places[id(tensor)] for tensor in inputs}
        if len(before) > 1:
            raise ValueError(f"the branches into {layer.name} look at different places: {before}")
        places[id(layer.output)] = _behind(layer, *before.pop())
        if layer.name == name:
            return places[id(layer.output)]
    raise ValueError(f"the model has no layer {name!r}")


def _behind(layer: keras.Layer, first: float, stride: int) -> tuple[float, int]:
    """Return centre and stride behind one layer from those before it."""
    kernel = getattr(layer, "kernel_size", getattr(layer, "pool_size", (1, 1)))[0]
    step = np.ravel(getattr(layer, "strides", 1))[0]
    padding = getattr(layer, "padding", "valid")
    if isinstance(padding, tuple):  # a layer that pads with zeros, ((above, below), …)
        return first - stride * padding[0][0], stride
    if padding == "valid":
        return first + stride * (kernel - 1) / 2, stride * int(step)
    if step != 1:
        raise ValueError(f"{layer.name} pads and strides: its place depends on the image's size")
    return first, stride
