"""Fonts of this machine that have the signs of a figure, Chinese characters among them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from matplotlib import font_manager

BOXES_ONLY = "Last Resort"  # a font that draws a box for every sign there is
CHINESE = "鼻咽癌患者"  # whoever has these has the others
CHINESE_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC"),
    *("Hiragino Sans GB", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "SimHei", "Heiti TC"),
)


@cache
def families() -> list[str]:
    """The usual font, and behind it those of this machine that have Chinese characters."""
    installed = set(font_manager.get_font_names())
    chinese = [name for name in CHINESE_FONTS if name in installed]
    return ["DejaVu Sans", *(chinese or any_with(CHINESE))]


def any_with(signs: str) -> list[str]:
    """Return the name of the first font of this machine that has certain signs, if there is one."""
    manager = font_manager.fontManager
    listed = {font.fname for font in manager.ttflist}
    for path in set(font_manager.findSystemFonts()) - listed:  # installed since matplotlib looked
        with suppress(OSError, RuntimeError):  # damaged
            manager.addfont(path)
    for font in manager.ttflist:
        if font.name.startswith(BOXES_ONLY):
            continue
        with suppress(OSError, RuntimeError):  # no longer there
            if set(map(ord, signs)) <= font_manager.get_font(font.fname).get_charmap().keys():
                return [font.name]
    return []


@contextmanager
def missing_signs_said_once() -> Iterator[None]:
    """Let other warnings pass, and say of missing signs only once that there are some."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for item in caught:
        if "missing from font" in str(item.message):
            say_that_signs_are_missing()
        else:
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno)


@cache
def say_that_signs_are_missing() -> None:
    """Warn; called again, it is silent."""
    warnings.warn(
        "No font of this machine has some signs of this figure (Chinese characters, for instance): "
        "boxes stand in their place. Install one that has them, such as Noto Sans CJK (package "
        "fonts-noto-cjk), and start Python again.",
        stacklevel=2,
    )
