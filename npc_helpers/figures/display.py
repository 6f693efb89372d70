"""How a notebook shows things: a figure with its caption, and the closing footer."""

from __future__ import annotations

import io
import platform
from importlib.metadata import version

from npc_helpers.figures.style import for_any_page
from npc_helpers.study import mark
from npc_helpers.study.settings import current_setting

PROJECTOR_DPI = 160  # twice what a page shows, so that a projector or a zoomed page stays sharp
_AS_IT_STANDS = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>$#"})  # no Markdown


def show(figure, *, alt: str, number: str = "") -> None:
    """Display a matplotlib figure for page and projector, and under it its caption.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Closed afterwards, so that it is drawn once.
    alt : str
        What the figure shows, in one sentence: its caption, and the text for a reader who cannot
        see it. The mark of the study is added to both.
    number : str
        Where the figure stands, for instance ``"5.2"`` for the second of lesson 05: the caption
        begins with "Figure 5.2", and text can refer to that.
    """
    from IPython.display import Image, display
    from matplotlib import pyplot as plt

    picture = _png(for_any_page(figure))
    figure.clear()
    plt.close(figure)
    described = mark.on_caption(alt)
    display(Image(data=picture, format="png", retina=True, alt=described))
    words = described.translate(_AS_IT_STANDS)
    caption = f"**Figure {number}.** {words}" if number else words
    shown = {"text/markdown": caption, "text/plain": caption}
    display(shown, raw=True, metadata={"npc": {"figure": number}})


def _png(figure) -> bytes:
    """Draw a figure as PNG, with a palette of 256 colours unless it shows images or maps."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=PROJECTOR_DPI, bbox_inches="tight", facecolor="none")
    if any(axes.images for axes in figure.axes):
        return drawn.getvalue()
    picture, words, packed = Image.open(drawn), PngInfo(), io.BytesIO()
    for name, text in picture.text.items():
        words.add_itxt(name, text)
    few = picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(packed, format="png", optimize=True, pnginfo=words)
    return packed.getvalue()


def footer(study, *packages: str) -> None:
    """Print what a reader needs to repeat a notebook: versions, setting and data.

    Parameters
    ----------
    study : npc_helpers.study.Study
    *packages : str
        Distribution names whose versions matter to this notebook.
    """
    print(f"Study    {study.name}: {len(study.registry)} patients ({study.mark})")
    hashes = study.fingerprint("registry", "visits", "manifest")
    print(f"Data     {', '.join(f'{name} {hash_[:8]}' for name, hash_ in hashes.items())}")
    print(f"Setting  {current_setting().name}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", *packages))
    print(f"Python   {platform.python_version()} with {versions}")
