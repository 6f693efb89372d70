"""How a notebook shows things: a figure with its caption, and the closing footer."""

import io
import platform
from importlib.metadata import version

from npc_helpers.figures import style
from npc_helpers.figures.describe import description
from npc_helpers.study import mark
from npc_helpers.study.settings import current_setting

PAGE_DPI = 96  # a point of print is a point on the page
PROJECTOR_DPI = 192  # twice what a page shows, so that a projector or a zoomed page stays sharp
LARGEST_PICTURE = 250_000  # bytes: a figure of many images is drawn with fewer pixels
_AS_IT_STANDS = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>$#"})  # no Markdown


def show(figure, number: str, caption: str) -> None:
    """Display a matplotlib figure for page and projector, and under it its caption.

    What the picture shows is read off its axes, for a reader who cannot see it (`description`).

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Closed afterwards, so that it is drawn once.
    number : str
        Where the figure stands, for instance ``"5.2"`` for the second of lesson 05: the caption
        begins with "Figure 5.2", and text can refer to that. Empty: the caption has no number.
    caption : str
        What the figure is, in one sentence. What is stamped on the figure, most often the mark of
        the study, is added.
    """
    from IPython.display import Image, display
    from matplotlib import pyplot as plt

    seen, source = description(figure), getattr(figure, "source", "")
    picture, width = _png(style.for_any_page(figure))
    figure.clear()
    plt.close(figure)
    display(Image(data=picture, format="png", width=width, alt=seen))
    words = mark.on_caption(caption, source=source).translate(_AS_IT_STANDS)
    below = f"**Figure {number}.** {words}" if number else words
    shown = {"text/markdown": below, "text/plain": below}
    display(shown, raw=True, metadata={"npc": {"figure": number}})


def _png(figure) -> tuple[bytes, int]:
    """Return a figure as PNG and its width on a page; a palette serves what shows no images."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    shows_images = any(axes.images for axes in figure.axes)
    for dpi in (PROJECTOR_DPI, 120, PAGE_DPI):
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight", facecolor="none")
        if not shows_images or len(drawn.getvalue()) < LARGEST_PICTURE:
            break
    width = Image.open(drawn).width * PAGE_DPI // dpi
    if shows_images:
        return drawn.getvalue(), width
    picture, words, packed = Image.open(drawn), PngInfo(), io.BytesIO()
    for name, text in picture.text.items():
        words.add_itxt(name, text)
    few = picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(packed, format="png", optimize=True, pnginfo=words)
    return packed.getvalue(), width


def footer(study, *packages: str) -> None:
    """Print what a reader needs to repeat a notebook: versions, setting and data.

    Parameters
    ----------
    study : npc_helpers.study.Study
    *packages : str
        Distribution names whose versions matter to this notebook.
    """
    print(f"Study    {study.name}: {len(study.registry)} patients ({study.mark})")
    print(f"Data     {study.tables_in_words()}")
    print(f"Setting  {current_setting().name}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", *packages))
    print(f"Python   {platform.python_version()} with {versions}")
