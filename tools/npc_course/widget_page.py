"""A widget as a page of its own: it holds its data in the browser and needs no kernel."""

import base64
import html
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

import ipywidgets

from npc_helpers.study import atomic_path

Markup = str  # a part of a page that is safe as it stands
ANYWIDGET = {"_esm", "_css", "_anywidget_id"}  # sent beside what a widget shows
TEMPLATES = Path(__file__).resolve().parent / "templates"
PAGE = Template((TEMPLATES / "widget_page.html").read_text(encoding="utf-8"))
MODEL = (TEMPLATES / "widget_page.js").read_text(encoding="utf-8")


def page(widget, *, title: str, choices: Mapping[str, Iterable] | None = None) -> str:
    """Return a page that shows a widget without Python; the widget stays as it was.

    `choices` are traits that Python answers, with the values that can be chosen on the page: each
    combination is recorded. Traits that the browser answers need nothing.

    Examples
    --------
    >>> from npc_helpers.widgets import RocExplorer
    >>> explorer = RocExplorer([True, False], {"Model": [0.7, 0.2]})
    >>> "<title>Thresholds</title>" in page(explorer, title="Thresholds")
    True
    """
    choices = {name: list(values) for name, values in (choices or {}).items()}
    before = {name: getattr(widget, name) for name in choices}
    pool: dict[str, int] = {}
    states = {}
    for values in itertools.product(*choices.values()):
        for name, value in zip(choices, values, strict=True):
            setattr(widget, name, value)
        states[_key(values)] = {
            name: pool.setdefault(json.dumps(value, default=_base64), len(pool))
            for name, value in _shown(widget).items()
        }
    for name, value in before.items():
        setattr(widget, name, value)
    data = {"states": states, "chosen": list(choices), "opened": _key(before.values())}
    packed = f'{{"pool": [{", ".join(pool)}], {json.dumps(data)[1:]}'
    inert: Markup = packed.replace("<", "\\u003c")  # JSON in which no tag can begin
    style: Markup = widget._css
    script: Markup = widget._esm + MODEL
    return PAGE.substitute(title=html.escape(title), style=style, data=inert, script=script)


def save_page(widget, path: str | Path, **options) -> None:
    """Write `page` to a file, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(page(widget, **options), encoding="utf-8")


def _key(values: Iterable) -> str:
    """Return chosen values as JSON.stringify writes them."""
    return json.dumps(list(values), separators=(",", ":"), ensure_ascii=False)


def _shown(widget) -> dict:
    """Return the traits that travel to the browser, without those that every widget has."""
    of_all = set(ipywidgets.DOMWidget.class_trait_names(sync=True))
    return {name: getattr(widget, name) for name in widget.keys if name not in of_all | ANYWIDGET}


def _base64(value) -> dict[str, str]:
    """Return bytes as the page's script reads them."""
    return {"base64": base64.b64encode(value).decode()}
