"""How a notebook shows things: a figure with its alternative text, and the closing footer."""

from __future__ import annotations

import io
import platform
from importlib.metadata import version

from npc_helpers.figures.style import for_any_page
from npc_helpers.study import mark
from npc_helpers.study.settings import current_setting


def show(figure, *, alt: str, dpi: int = 80) -> None:
    """Display a matplotlib figure as a PNG that carries a text alternative.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Closed afterwards, so that it is drawn once.
    alt : str
        What a reader who cannot see the picture should be told, in one sentence.
    dpi : int
        Pixels per inch; the default keeps a notebook small.
    """
    from IPython.display import Image, display
    from matplotlib import pyplot as plt

    picture = io.BytesIO()
    for_any_page(figure).savefig(
        picture, format="png", dpi=dpi, bbox_inches="tight", transparent=False, facecolor="none"
    )
    figure.clear()
    plt.close(figure)
    display(Image(data=picture.getvalue(), format="png", alt=mark.on_caption(alt)))


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
