"""Cells of an executed notebook as HTML: for the pages of the site and for the slides."""

import base64
import html
import json
import re
from functools import cache

import nbformat
import plotly.io
from nbconvert.filters import ansi2html, markdown2html
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from npc_course.notebooks import LINK, PLOTLY
from npc_course.panels import PANELS

PANEL = "An interactive panel: run this cell to use it."
PICTURES_OF_PANELS = {"RoiEditor": "roi_editor.png"}
Markup = str  # a piece of HTML in which what it shows is escaped
SENTENCE = re.compile("<td>[^<]{31}")  # a cell of words and not of numbers
COLOUR_TYPE, PALETTE = 25, 3  # byte of a PNG; `figures.display.show` gives one to all but images
NO_KERNEL = "This panel needs a running notebook (<code>make lab</code>)."
NEEDS_PYTHON = f"<p><em>{NO_KERNEL}</em></p>"  # a panel without a picture


def text(markdown: str) -> Markup:
    """Return Markdown as HTML; links to lessons lead to their pages."""
    return LINK.sub(r'href="\1.html', markdown2html(markdown))


def code(source: str) -> Markup:
    """Return Python as HTML, coloured by the classes of `stylesheet`."""
    return highlight(source, PythonLexer(), HtmlFormatter(cssclass="code"))


@cache
def stylesheet() -> str:
    """Return the colours of `code`, for a light page and a dark one."""
    light = HtmlFormatter(style="xcode").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".code")
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}"


def outputs(cell: nbformat.NotebookNode) -> list[Markup]:
    """Return each output of a cell as HTML, in order; plotly figures need ``plotly.min.js``.

    A picture and the caption behind it are one part.
    """
    parts: list[Markup] = []
    for output in cell.get("outputs", []):
        part: Markup = _output(output, cell.source)
        if parts and "figure" in output.get("metadata", {}).get("npc", {}):
            picture: Markup = parts.pop()
            parts.append(f"<figure>{picture}<figcaption>{part}</figcaption></figure>")
        elif part:
            parts.append(part)
    return parts


def _output(output: nbformat.NotebookNode, source: str) -> Markup:
    if output.output_type == "stream":
        return (
            f'<pre tabindex="0">{html.escape(output.text)}</pre>' if output.name == "stdout" else ""
        )
    if output.output_type == "error":
        error: Markup = ansi2html(output.evalue)  # escapes
        return f'<pre tabindex="0">{error}</pre>'
    data = output.get("data", {})
    if PLOTLY in data:
        figure = plotly.io.from_json(json.dumps(data[PLOTLY]), skip_invalid=True)
        return plotly.io.to_html(figure, include_plotlyjs=False, full_html=False)
    if "image/png" in data:
        shown = output.metadata.get("image/png", {})
        alt, width = html.escape(shown.get("alt", ""), quote=True), shown.get("width", "")
        picture = base64.b64decode(data["image/png"])  # a damaged one stops here, not in a browser
        kind = ' class="lines"' if picture[COLOUR_TYPE] == PALETTE else ""
        source = f"data:image/png;base64,{data['image/png']}".replace("\n", "")
        wide = f' width="{int(width)}"' if width else ""
        return f'<img alt="{alt}"{kind}{wide} src="{html.escape(source)}">'
    if "text/html" in data:
        table: Markup = data["text/html"]  # made by pandas in the lesson's own kernel
        kind = "table words" if SENTENCE.search(table) else "table"
        return f'<div class="{kind}" tabindex="0">{table}</div>'
    if "text/markdown" in data:
        words = text(data["text/markdown"])
        captions = "figure" in output.metadata.get("npc", {})
        return words if captions else f'<div class="said">{words}</div>'
    plain = data.get("text/plain", "")
    return (
        _panel(source)
        if plain == PANEL
        else f'<pre tabindex="0">{html.escape(plain)}</pre>'
        if plain
        else ""
    )


def _panel(source: str) -> Markup:
    """Return a panel that works in the page, or the picture of one that needs Python."""
    for name, (title, _) in PANELS.items():
        if re.search(rf"\b{name}[.(]", source):
            page = html.escape(f"{name}.html")
            label = html.escape(title)
            frame = f'<iframe src="{page}" title="{label}" loading="lazy"></iframe>'
            link = f'<a href="{page}">Open it on a page of its own</a>'
            return f'<figure class="panel">{frame}<figcaption>{link}</figcaption></figure>'
    for name, picture in PICTURES_OF_PANELS.items():
        if re.search(rf"\b{name}\(", source):
            alt = f"The panel {html.escape(name)} as it looks in a running notebook."
            caption = f"<figcaption>{NO_KERNEL}</figcaption>"
            return f'<figure><img alt="{alt}" src="{html.escape(picture)}">{caption}</figure>'
    return NEEDS_PYTHON
