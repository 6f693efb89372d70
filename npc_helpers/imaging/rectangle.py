"""One rectangle on one image: its limits, cut out, and padded with zeros to the network's canvas.

Li et al. 2022, section 2.3: about 400 x 200 pixels around tumour, lymph nodes and their
surroundings on every image, padded with zeros to 512 x 512 without resampling.
"""

from dataclasses import dataclass

import numpy as np

BOX = ["x0", "y0", "x1", "y1"]
LIMIT = 512  # 2.3: the canvas; a rectangle larger than it would have to be shrunk
SMALLEST = 8  # pixels; less is a slip of the hand
DEFAULT_SIZE = (400, 200)  # 2.3: columns x rows, "about"


class ROIError(ValueError):
    """A rectangle cannot be used; the message names the image and says what to do."""


@dataclass(frozen=True)
class Rectangle:
    """A rectangle of whole pixels, half-open: columns x0 to x1 - 1, rows y0 to y1 - 1.

    An edge that is no whole number is a `ROIError`. Whether it fits an image says `check`.
    """

    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        for edge in BOX:
            object.__setattr__(self, edge, _whole(edge, getattr(self, edge)))

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.y1 - self.y0

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """The four numbers x0, y0, x1, y1."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and columns as an index: ``image[rectangle.slices]``."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def check(self, rows: int, columns: int) -> None:
        """Refuse (`ROIError`) a rectangle that cannot be cut out of an image of `rows` x `columns`.

        It is smaller than 8 pixels, larger than `LIMIT`, or leaves the image.
        """
        size = f"the rectangle is {self.width} x {self.height} pixels (width x height)"
        if min(self.width, self.height) < SMALLEST:
            raise ROIError(f"{size}; the smallest is {SMALLEST} x {SMALLEST}. Draw it again.")
        if max(self.width, self.height) > LIMIT:
            raise ROIError(
                f"{size}; it has to fit into {LIMIT} x {LIMIT} without shrinking. Make it smaller."
            )
        if self.x0 < 0 or self.y0 < 0 or self.x1 > columns or self.y1 > rows:
            raise ROIError(
                f"the rectangle (columns {self.x0} to {self.x1}, rows {self.y0} to {self.y1}) "
                f"leaves the image of {columns} columns x {rows} rows. Move it inside."
            )


def _whole(edge: str, value) -> int:
    """Return an edge as int, whatever type of number it has; refuse 10.5, NaN and text."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or isinstance(value, str) or whole != value:
        raise ROIError(
            f"{edge} of the rectangle is {value!r}; the four edges {', '.join(BOX)} have to be "
            "whole numbers of pixels. Round it."
        )
    return whole


def default_rectangle(rows: int, columns: int) -> Rectangle:
    """Return a rectangle of 400 x 200 in the middle of an image, smaller where it is smaller."""
    width, height = min(DEFAULT_SIZE[0], columns), min(DEFAULT_SIZE[1], rows)
    x0, y0 = (columns - width) // 2, (rows - height) // 2
    return Rectangle(x0, y0, x0 + width, y0 + height)


def overlap(a: Rectangle, b: Rectangle) -> float:
    """Return intersection over union of two rectangles: 0 apart, 1 identical."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    shared = max(width, 0) * max(height, 0)
    return shared / (a.width * a.height + b.width * b.height - shared)


# --- cut out and padded ------------------------------------------------------------------------


def crop(image: np.ndarray, rectangle: Rectangle) -> np.ndarray:
    """Cut a rectangle out of an image (..., rows, columns), as a view; see `Rectangle.check`."""
    rectangle.check(*image.shape[-2:])
    return image[..., *rectangle.slices]


def pad_offset(rectangle: Rectangle, size: int = LIMIT) -> tuple[int, int]:
    """Return the row and column at which `zero_pad` places the top left corner of a crop."""
    return (size - rectangle.height) // 2, (size - rectangle.width) // 2


def zero_pad(image: np.ndarray, size: int = LIMIT) -> np.ndarray:
    """Put zeros around an image until it is `size` x `size`; it lies in the middle, unscaled.

    One that is larger in either direction is a `ROIError`.
    """
    rows, columns = image.shape[-2:]
    if max(rows, columns) > size:
        raise ROIError(
            f"a region of {columns} x {rows} pixels does not fit into {size} x {size}. "
            "Make the rectangle smaller; nothing is resampled."
        )
    top, left = pad_offset(Rectangle(0, 0, columns, rows), size)
    canvas = np.zeros((*image.shape[:-2], size, size), dtype=image.dtype)
    canvas[..., top : top + rows, left : left + columns] = image
    return canvas


def shrink(image: np.ndarray, factor: int) -> np.ndarray:
    """Average uint8 pixels over factor x factor, halves rounded up."""
    if factor == 1:
        return image
    total = np.full((image.shape[0] // factor, image.shape[1] // factor), factor**2 // 2, np.uint32)
    for row in range(factor):
        for column in range(factor):
            total += image[row::factor, column::factor]
    return (total // factor**2).astype(np.uint8)
