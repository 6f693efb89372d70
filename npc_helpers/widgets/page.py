"""A widget as a page of its own: it holds its data in the browser and needs no kernel."""

from __future__ import annotations

import base64
import html
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import ipywidgets

from npc_helpers.study import atomic_path

Markup = str  # a part of a page that is safe as it stands
ANYWIDGET = {"_esm", "_css", "_anywidget_id"}  # sent beside what a widget shows

# What an anywidget asks of its model. Another choice brings the values recorded for it.
MODEL = """
const { pool, states, chosen, opened } = JSON.parse(
  document.getElementById("data").textContent,
  (name, value) => (name === "base64" ? bytes(value) : value?.base64 ?? value),
);
function bytes(text) {
  return new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}
const values = {}, listeners = {};
const fire = (name) => (listeners[`change:${name}`] || []).forEach((react) => react());
function take(state) {
  const changed = Object.keys(state).filter((name) => values[name] !== pool[state[name]]);
  for (const name of changed) values[name] = pool[state[name]];
  changed.forEach(fire);
}
const model = {
  get: (name) => values[name],
  set(name, value) {
    if (values[name] === value) return;
    values[name] = value;
    fire(name);
    if (chosen.includes(name)) take(states[JSON.stringify(chosen.map((choice) => values[choice]))]);
  },
  on: (name, react) => (listeners[name] ??= new Set()).add(react),
  off: (name, react) => listeners[name]?.delete(react),
  save_changes() {},
};
take(states[opened]);
render({ model, el: document.getElementById("panel") });
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; background: var(--jp-layout-color1, #fff); }}
h1 {{ font: 600 15px/1.4 system-ui; margin: 8px 6px 0; color: var(--jp-ui-font-color1, #222); }}
@media (prefers-color-scheme: dark) {{
  :root {{ --jp-layout-color1: #16181c; --jp-layout-color2: #2a2f37; --jp-border-color1: #565d67;
    --jp-ui-font-color1: #e6e6e6; --jp-ui-font-color2: #a9b1ba; --jp-brand-color1: #79b8ff; }}
}}
{style}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<div id="panel"></div>
</main>
<script type="application/json" id="data">{data}</script>
<script type="module">
{script}
</script>
</body>
</html>
"""


def page(widget, *, title: str, choices: Mapping[str, Iterable] | None = None) -> str:
    """Return a page that shows a widget without Python.

    Parameters
    ----------
    widget : MarkedWidget
        Left as it was.
    choices : mapping of str to iterable, optional
        Traits that Python answers, and the values that can be chosen on the page: each combination
        is recorded. Traits that the browser answers need nothing.

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
    return PAGE.format(title=html.escape(title), style=style, data=inert, script=script)


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
