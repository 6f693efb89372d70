"""What messages tell a user to do: found in the source, so that no remedy is left untried."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
VERBS = (
    "Add Allow Build Check Choose Clear Compare Connect Convert Copy Correct Delete Divide Draw "
    "Export Fill Follow Free Give Install Keep Leave Let Look Make Move Name Open Put Remove "
    "Rename Restore Round Run Save Say Set Start Take Try Use Wait Were Write"
).split()
TOLD = re.compile(rf"(?:^|[.:;?] |, or |; or )(?:{'|'.join(VERBS)}|{'|'.join(VERBS).lower()})\b")

LONG_ENOUGH = 8  # signs, between what varies, to know a text by


class Remedy(NamedTuple):
    """One remedy: how its problem is planted, the words that tell it, and doing what they say."""

    plant: object
    told: str
    follow: object


def told_in(*files):
    """Return the texts of source files that tell somebody to do something; … for what varies."""
    return {text for file in files for text in _texts(ROOT / file) if TOLD.search(text)}


def _texts(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    beside = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # descriptions
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            beside |= {id(part) for part in node.values}
            yield "".join(p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            if id(node) not in beside:
                yield node.value


def not_followed(texts, remedies, reasons):
    """Return the texts that no remedy of a test is told in, and that no reason excuses."""
    words = [remedy.told for remedy in remedies.values()] + list(reasons)
    return {text for text in texts if not any(_is_told(word, text) for word in words)}


def _is_told(words, text):
    parts = [part for part in text.split("…") if len(part) >= LONG_ENOUGH]
    return words in text or any(part in words for part in parts)
