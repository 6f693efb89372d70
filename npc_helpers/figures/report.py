"""What goes into a manuscript: figures as SVG and PDF, tables as CSV and LaTeX, one page of all."""

import base64
import html
import re
from pathlib import Path
from string import Template

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from npc_helpers.figures.describe import description
from npc_helpers.statistics import with_printed_p
from npc_helpers.study import atomic_path, mark
from npc_helpers.study.formulas import defused_table

NAME = re.compile(r"[a-z0-9_]+")
Markup = str  # a piece of HTML in which what it shows is escaped
UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}  # same input, same bytes
PAGE = Path(__file__).with_suffix(".html")
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
LATEX |= {"<": "$<$", ">": "$>$", "≤": r"$\le$", "≥": r"$\ge$", "−": "$-$", "–": "--"}
LATEX |= {"\n": " ", "\r": " ", "\t": " ", "…": r"\dots{}"}
LATIN = 0x250  # the sign from which on pdfLaTeX knows none
IN_PREAMBLE = "% In the preamble: \\usepackage{booktabs}"
NEEDS_FONT = "% Holds signs that pdfLaTeX lacks: use XeLaTeX or LuaLaTeX, with a font that has them"


class Report:
    """Collects figures and tables with their captions, and writes them to a folder.

    Parameters
    ----------
    folder : path-like
        Receives ``report.html``, ``figures/`` (SVG, PDF) and ``tables/`` (CSV, LaTeX).

    Notes
    -----
    Every file says by itself what kind of patients it describes (`npc_helpers.study.mark`): below
    the title and in every caption, in the metadata of the figures, and, where any patient is
    synthetic, in a column `synthetic` of the CSV files.

    The figures are drawn by matplotlib and need neither a browser nor a network. The page holds
    its pictures itself and fetches nothing.
    """

    def __init__(self, folder: str | Path, *, title: str) -> None:
        self.folder, self.title = Path(folder), title
        self._parts: list[Markup] = []

    def add_figure(self, name: str, figure: Figure, caption: str) -> None:
        """Write ``figures/name.svg`` and ``.pdf``, and put the picture on the page.

        Raises
        ------
        ValueError
            If `name` is not made of small letters, digits and underscores.
        """
        for suffix, metadata in UNDATED.items():
            with (
                atomic_path(self._place("figures", name, suffix)) as temporary,
                rc_context({"svg.hashsalt": name}),
            ):
                figure.savefig(
                    temporary, format=suffix, metadata=metadata, facecolor="white",
                    bbox_inches="tight",
                )  # fmt: skip
        picture = self._place("figures", name, "svg").read_bytes()
        source = f"data:image/svg+xml;base64,{base64.b64encode(picture).decode()}"
        text = html.escape(description(figure))
        words = mark.on_caption(caption, source=getattr(figure, "source", ""))
        self._add(f'<figure><img src="{source}" alt="{text}">', words, "</figure>", "figcaption")

    def add_table(self, name: str, table: pd.DataFrame, caption: str) -> None:
        """Write ``tables/name.csv`` (all digits) and ``.tex``, and put the table on the page.

        P values are printed as journals want them (`statistics.format_p`) in all three.
        """
        table = with_printed_p(table)
        with atomic_path(self._place("tables", name, "csv")) as temporary:
            written = defused_table(mark.on_table(table))
            written.to_csv(temporary, index=False, lineterminator="\n")
        shown, number = table.round(3), "{:.3f}".format
        cells = shown.map(_latex).rename(columns=_latex)
        words = {"caption": _latex(mark.on_caption(caption)), "label": f"tab:{name}"}
        latex = cells.to_latex(index=False, float_format=number, **words)
        lines = [f"% {' '.join(mark.text().split())}", IN_PREAMBLE]
        lines += [NEEDS_FONT] * any(ord(sign) >= LATIN for sign in latex)
        with atomic_path(self._place("tables", name, "tex")) as temporary:
            temporary.write_text("\n".join([*lines, latex]), encoding="utf-8")
        page = shown.to_html(index=False, border=0, float_format=number)
        self._add(f"<section>{page}", mark.on_caption(caption), "</section>", "p")

    def add_heading(self, title: str) -> None:
        """Begin a part of the page."""
        self._parts.append(f"<h2>{html.escape(title)}</h2>")

    def add_text(self, text: str) -> None:
        """Put a paragraph on the page."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def add_block(self, text: str) -> None:
        """Put lines on the page as they are."""
        self._parts.append(f"<pre>{html.escape(text)}</pre>")

    def write(self) -> Path:
        """Write ``report.html``; return its path."""
        path = self.folder / "report.html"
        page = Template(PAGE.read_text(encoding="utf-8")).substitute(
            title=html.escape(self.title),
            mark=html.escape(mark.text()),
            parts="\n".join(self._parts),
        )
        with atomic_path(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        return path

    def _add(self, opening: Markup, caption: str, closing: Markup, tag: Markup) -> None:
        self._parts.append(f"{opening}<{tag}>{html.escape(caption)}</{tag}>{closing}")

    def _place(self, kind: str, name: str, suffix: str) -> Path:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no file name: use small letters, digits and underscores")
        return self.folder / kind / f"{name}.{suffix}"


def _latex(value: object) -> object:
    """Return a text as LaTeX prints it, its special characters escaped; anything else unchanged."""
    if not isinstance(value, str):
        return value
    escaped = "".join(LATEX.get(sign, sign) for sign in value)
    # a line that begins so would be read as an option of the line end before it
    return f"{{}}{escaped}" if escaped[:1] in ("[", "*") else escaped
